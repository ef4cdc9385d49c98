//! The peer: a process of its server, and authenticators in software that decide there.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kartenbund::jose::base64url::encode;
use openssl::sha::sha256;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use serde_json::{Value, json};

use crate::common::rng;
use crate::load::{Connection, Measured, drive, timed};

pub(crate) struct Peer {
    child: Child,
    address: SocketAddr,
    authenticators: Vec<Authenticator>,
    approvals: AtomicU32,
}

/// An authenticator with one key, which counts its signatures.
struct Authenticator {
    key: SigningKey,
    account: String,
    credential: String,
    counter: AtomicU32,
}

impl Authenticator {
    fn new(account: String) -> Self {
        let key = SigningKey::generate_from_rng(&mut rng());
        let credential = encode(&sha256(account.as_bytes()));
        Self { key, account, credential, counter: AtomicU32::new(0) }
    }

    /// The public key as COSE has it (RFC 9053, 7.1): a map of kty, alg, crv, x and y.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        [&[0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20], x, &[0x22, 0x58, 0x20], y].concat()
    }

    /// An assertion (WebAuthn, 6.3.3): the user is present and verified.
    fn assertion(&self, challenge: &str) -> Value {
        let client = json!({ "type": "webauthn.get", "challenge": challenge, "origin": "http://localhost",
            "crossOrigin": false });
        let client = client.to_string();
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        let data = [&sha256(b"localhost")[..], &[0x05], &counter.to_be_bytes()].concat();
        let signature: Signature = self.key.sign(&[&data[..], &sha256(client.as_bytes())].concat());
        let response = json!({ "clientDataJSON": encode(client.as_bytes()), "authenticatorData": encode(&data),
            "signature": encode(signature.to_der().as_bytes()) });
        let id = &self.credential;
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }
}

impl Peer {
    /// With so many people, who have an authenticator each.
    pub(crate) fn start(folder: &Path, processes: usize, people: usize) -> Self {
        let installed = std::env::var("PEER").expect("PEER names the folder that make bench-peers installs");
        let mut command = Command::new("node");
        let command =
            command.arg(Path::new(&installed).join("server.js")).arg(folder.join(format!("peer-{processes}")));
        let command = command.arg(processes.to_string()).env("NODE_ENV", "production").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        let authenticators: Vec<_> = (0..people).map(|person| Authenticator::new(format!("person-{person}"))).collect();
        let mut connection = Connection::to(address);
        for authenticator in &authenticators {
            let Authenticator { account, credential, .. } = authenticator;
            let key = encode(&authenticator.public_key());
            let body = json!({ "id": credential, "account": account, "publicKey": key }).to_string();
            connection.ask("POST /credentials", "", &body);
        }
        Self { child, address, authenticators, approvals: AtomicU32::new(0) }
    }

    /// Puts up so many approvals, and signs what approves them.
    pub(crate) fn prepare(&self, count: usize) -> Vec<(String, String)> {
        let mut connection = Connection::to(self.address);
        let prepare = |authenticator: &Authenticator| {
            let id = format!("approval-{}", self.approvals.fetch_add(1, Ordering::Relaxed));
            let document = json!({ "type": "address.change", "street": "Lindenallee", "house_number": "7",
                "postal_code": "04109", "city": "Leipzig" });
            let body = json!({ "id": id, "account": authenticator.account, "document": document }).to_string();
            let options: Value = serde_json::from_slice(&connection.ask("POST /approvals", "", &body)).unwrap();
            let assertion = authenticator.assertion(options["challenge"].as_str().unwrap());
            (format!("POST /approvals/{id}/decision"), assertion.to_string())
        };
        self.authenticators.iter().cycle().take(count).map(prepare).collect()
    }

    pub(crate) fn decide(&self, clients: usize, prepared: &[(String, String)]) -> Measured {
        let workers = (0..clients).map(|client| {
            let mut connection = Connection::to(self.address);
            let mut prepared = prepared.iter().skip(client).step_by(clients);
            move || {
                let (line, body) = prepared.next()?;
                let (answer, took) = timed(|| connection.ask(line, "", body));
                assert_eq!(answer, br#"{"state":"approved"}"#);
                Some(took)
            }
        });
        drive(workers.collect(), Duration::MAX)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
