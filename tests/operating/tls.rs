//! TLS, judged by OpenSSL and by the client's own library.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kartenbund::client::session::SessionKey;
use kartenbund::protocol::api::TokenAnswer;
use kartenbund::protocol::dpop::ProvenRequest;
use kartenbund::secret::SecretText;
use openssl::ssl::{ShutdownState, SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::X509;
use time::OffsetDateTime;

use crate::common::{PASSWORD, number, rng};
use crate::crash::import;
use crate::process::{Process, TLS, make_certificate, program};

fn s_client(process: &Process, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(["s_client", "-verify_return_error", "-verify_ip", "127.0.0.1", "-CAfile"])
        .arg(folder.join("tls.pem"))
        .args(["-connect", &process.address().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_openssl_and_the_client_see() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path(), "tls", 1);
    let process = Process::start(folder.path(), TLS);
    assert!(process.url.starts_with("https://127.0.0.1:"));
    for (version, protocol) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let (done, told) = s_client(&process, folder.path(), &[version]);
        assert!(done && told.contains("Verification: OK") && told.contains(protocol), "{told}");
    }
    // SECLEVEL=0: OpenSSL itself would not offer it otherwise, and nothing would be shown of the service.
    let (old, told) = s_client(&process, folder.path(), &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(!old && !told.contains("Cipher is ECDHE"), "{told}");

    let root = std::fs::read(folder.path().join("tls.pem")).unwrap();
    let trusting = reqwest::blocking::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
        .build()
        .unwrap();
    assert_eq!(trusting.get(format!("{}/healthz", process.url)).send().unwrap().text().unwrap(), "ok");
    assert!(reqwest::blocking::get(format!("{}/healthz", process.url)).is_err(), "nobody vouches for it");
    let plain = reqwest::blocking::get(format!("http://{}/healthz", process.address()));
    assert!(plain.is_err(), "no plain HTTP beside TLS");
}

/// A connection that stays open, and the serial number of the certificate it saw.
struct Connection(SslStream<TcpStream>);

impl Connection {
    fn open(process: &Process) -> Self {
        let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let stream = TcpStream::connect(process.address()).unwrap();
        Self(connector.build().connect("localhost", stream).unwrap())
    }

    fn serial(&self) -> u32 {
        let certificate: X509 = self.0.ssl().peer_certificate().unwrap();
        certificate.serial_number().to_bn().unwrap().to_dec_str().unwrap().parse().unwrap()
    }

    fn is_answered(&mut self) -> bool {
        self.0.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        let length = self.0.read(&mut answer).unwrap();
        answer[..length].starts_with(b"HTTP/1.1 200")
    }
}

#[test]
fn a_new_certificate_is_taken_while_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path(), "tls", 1);
    let process = Process::start(folder.path(), TLS);
    let mut open = Connection::open(&process);
    assert!(open.serial() == 1 && open.is_answered());

    // First the certificate alone: for a moment it does not fit the key.
    make_certificate(folder.path(), "new", 2);
    std::fs::rename(folder.path().join("new.pem"), folder.path().join("tls.pem")).unwrap();
    let began = Instant::now();
    while !process.log().contains("the one before stays in use") {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Connection::open(&process).serial() == 1, "what does not fit is not taken");
    std::fs::rename(folder.path().join("new-key.pem"), folder.path().join("tls-key.pem")).unwrap();
    while Connection::open(&process).serial() != 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(open.is_answered(), "the connection from before goes on");
}

/// Over TLS too, the answer that goes on is a whole one, and its end is told as TLS tells it (RFC 8446, 6.1).
#[test]
fn a_program_that_waits_is_told_when_the_service_stops() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path(), "tls", 1);
    import(folder.path(), TLS, 0);
    let process = Process::start(folder.path(), TLS);
    let root = std::fs::read(folder.path().join("tls.pem")).unwrap();
    let trusting = reqwest::blocking::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
        .build()
        .unwrap();
    let key = SessionKey::new(&mut rng());
    let proof = |method: &str, path: &str, access_token: Option<&SecretText>| {
        let (address, now) = (format!("{}{path}", process.url), OffsetDateTime::now_utc().unix_timestamp());
        let proof = key.prove(ProvenRequest { method, address: &address, access_token }, now).unwrap();
        proof.to_str().unwrap().to_owned()
    };
    let login = trusting.post(format!("{}/v1/login", process.url)).header("DPoP", proof("POST", "/v1/login", None));
    let login = login.json(&serde_json::json!({ "kvnr": number(1), "password": PASSWORD })).send().unwrap();
    let TokenAnswer { access_token, .. } = login.json().unwrap();

    let mut waiting = Connection::open(&process).0;
    let path = "/v1/approvals/events";
    let proof = proof("GET", path, Some(&access_token));
    let token = access_token.expose();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: DPoP {token}\r\ndpop: {proof}\r\n\r\n");
    waiting.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"3\r\n:\n\n\r\n") {
        let mut some = [0; 4096];
        let length = waiting.read(&mut some).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&some[..length]);
    }
    process.signal("TERM");
    let mut rest = Vec::new();
    waiting.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"0\r\n\r\n");
    assert_eq!(waiting.get_shutdown(), ShutdownState::RECEIVED, "not just cut off");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path(), "tls", 1);
    make_certificate(folder.path(), "other", 2);
    std::fs::copy(folder.path().join("other-key.pem"), folder.path().join("tls-key.pem")).unwrap();
    let wrong_pair = program(folder.path(), TLS).arg("run").output().unwrap();
    assert_eq!(wrong_pair.status.code(), Some(21));
    std::fs::write(folder.path().join("tls-key.pem"), "nothing").unwrap();
    let no_key = program(folder.path(), TLS).arg("run").output().unwrap();
    let told = String::from_utf8(no_key.stderr).unwrap();
    assert!(told.contains("tls-key.pem holds no private key in PEM") && told.contains("code: tls (21)"), "{told}");
}
