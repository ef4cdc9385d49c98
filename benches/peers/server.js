// What a developer would pick for approvals with a second factor instead: WebAuthn by @simplewebauthn/server, express,
// and better-sqlite3 with one durable commit for each assertion. Arguments: the file of the database and, where there is
// to be more than one, the number of processes. It prints where it listens.

import cluster from "node:cluster";
import { generateAuthenticationOptions, verifyAuthenticationResponse } from "@simplewebauthn/server";
import Database from "better-sqlite3";
import express from "express";

const [file, processes = "1"] = process.argv.slice(2);
const rpID = "localhost";
const expectedOrigin = "http://localhost";
const LIFE = 15 * 60 * 1000;

const db = new Database(file, { timeout: 10_000 });
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec(`
  CREATE TABLE IF NOT EXISTS credential (id TEXT PRIMARY KEY, account TEXT NOT NULL, public_key BLOB NOT NULL,
    counter INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS credential_account ON credential (account);
  CREATE TABLE IF NOT EXISTS approval (id TEXT PRIMARY KEY, account TEXT NOT NULL, state TEXT NOT NULL,
    document TEXT NOT NULL, challenge TEXT NOT NULL, expires_at INTEGER NOT NULL, assertion TEXT);
  CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL,
    event TEXT NOT NULL, object TEXT NOT NULL);
`);

if (cluster.isPrimary && Number(processes) > 1) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
  let ready = 0;
  cluster.on("message", (_, message) => {
    if (++ready === Number(processes)) console.log(message);
  });
} else {
  serve();
}

function serve() {
  const insertCredential = db.prepare("INSERT INTO credential VALUES (?, ?, ?, 0)");
  const credentialsOf = db.prepare("SELECT id FROM credential WHERE account = ?");
  const findCredential = db.prepare("SELECT id, public_key, counter FROM credential WHERE id = ? AND account = ?");
  const insertApproval = db.prepare("INSERT INTO approval VALUES (?, ?, 'pending', ?, ?, ?, NULL)");
  const findApproval = db.prepare("SELECT account, state, challenge, expires_at FROM approval WHERE id = ?");
  const approve = db.prepare("UPDATE approval SET state = 'approved', assertion = ? WHERE id = ? AND state = 'pending'");
  const count = db.prepare("UPDATE credential SET counter = ? WHERE id = ?");
  const audit = db.prepare("INSERT INTO audit (at, account, event, object) VALUES (?, ?, ?, ?)");
  const decide = db.transaction((id, account, credential, counter, assertion) => {
    if (approve.run(assertion, id).changes !== 1) return false;
    count.run(counter, credential);
    audit.run(Date.now(), account, "approved", id);
    return true;
  });

  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(express.json());

  app.post("/credentials", (request, response) => {
    const { id, account, publicKey } = request.body;
    insertCredential.run(id, account, Buffer.from(publicKey, "base64url"));
    response.json({});
  });

  app.post("/approvals", async (request, response) => {
    const { id, account, document } = request.body;
    const allowCredentials = credentialsOf.all(account).map(({ id }) => ({ id }));
    const options = await generateAuthenticationOptions({ rpID, allowCredentials, userVerification: "required" });
    insertApproval.run(id, account, JSON.stringify(document), options.challenge, Date.now() + LIFE);
    response.json(options);
  });

  app.post("/approvals/:id/decision", async (request, response) => {
    const { id } = request.params;
    const approval = findApproval.get(id);
    if (!approval) return response.status(404).json({ error: "unknown" });
    if (approval.state !== "pending") return response.status(409).json({ error: "decided" });
    if (approval.expires_at <= Date.now()) return response.status(410).json({ error: "expired" });
    const credential = findCredential.get(request.body.id, approval.account);
    if (!credential) return response.status(403).json({ error: "credential" });
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: request.body,
      expectedChallenge: approval.challenge,
      expectedOrigin,
      expectedRPID: rpID,
      credential: { id: credential.id, publicKey: credential.public_key, counter: credential.counter },
    });
    if (!verified) return response.status(403).json({ error: "signature" });
    const { newCounter } = authenticationInfo;
    const done = decide(id, approval.account, credential.id, newCounter, JSON.stringify(request.body));
    if (!done) return response.status(409).json({ error: "decided" });
    response.json({ state: "approved" });
  });

  app.use((error, _request, response, _next) => response.status(400).json({ error: error.message }));

  const server = app.listen(0, "127.0.0.1", () => {
    const line = `listening on http://127.0.0.1:${server.address().port}`;
    if (cluster.isWorker) process.send(line);
    else console.log(line);
  });
}
