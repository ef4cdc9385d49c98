//! A mail server of the test's own: Exim, without rights, with a configuration of its own, that puts everything into one
//! mailbox. It speaks on loopback alone and ends with the test.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kartenbund::server::{Encryption, Smtp, SmtpLogin};

use super::typed;

/// Recipients with these names are refused for good, refused for now, refused as a relay does whom it does not know, or
/// taken after three seconds.
pub const UNKNOWN: &str = "unknown@person.example";
pub const FULL: &str = "full@person.example";
pub const BLOCKED: &str = "blocked@person.example";
pub const SLOW: &str = "slow@person.example";

pub const USER: &str = "kasse";
pub const PASSWORD: &str = "Nur für die Post";

pub struct MailServer {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
    /// Whether it wants STARTTLS and a password.
    is_strict: bool,
}

/// An e-mail that has arrived.
#[derive(Debug)]
pub struct Mail {
    /// Who it was sent to on the way, whatever is written in it.
    pub recipient: String,
    pub header: Vec<(String, String)>,
    pub body: String,
}

impl MailServer {
    pub fn new() -> Self {
        Self::start(false)
    }

    /// One that takes e-mail only over TLS and with a password.
    pub fn strict() -> Self {
        Self::start(true)
    }

    fn start(is_strict: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("kartenbund-mail-").tempdir().unwrap();
        let port = super::free_port();
        if is_strict {
            make_certificates(folder.path());
        }
        std::fs::write(folder.path().join("exim.conf"), configuration(folder.path(), port, is_strict)).unwrap();
        if is_root() {
            let done = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder.path()).status().unwrap();
            assert!(done.success());
        }
        let mut server = Self { folder, port, process: None, is_strict };
        server.go_up();
        server
    }

    /// Starts it, again.
    pub fn go_up(&mut self) {
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
        }
        command.args(["--pdeathsig", "SIGKILL", "/usr/sbin/exim4", "-C"]).arg(self.folder.path().join("exim.conf"));
        let log = std::fs::File::create(self.folder.path().join("stderr")).unwrap();
        command.arg("-bdf").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir("/");
        self.process = Some(command.spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "Exim does not start: Debian package exim4-daemon-light"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn go_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// How a service reaches it.
    pub fn setting(&self) -> Smtp {
        let mut smtp = Smtp::new("localhost", "Musterkasse <nachrichten@musterkasse.example>");
        smtp.port = self.port;
        smtp.encryption = if self.is_strict { Encryption::StartTls } else { Encryption::None };
        if self.is_strict {
            smtp.ca = Some(std::fs::read(self.folder.path().join("ca.pem")).unwrap());
            smtp.login = Some(SmtpLogin { user: USER.to_owned(), password: typed(PASSWORD) });
        }
        smtp
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that has arrived.
    pub fn mails(&self) -> Vec<Mail> {
        let Ok(files) = std::fs::read_dir(self.folder.path().join("mail/new")) else { return Vec::new() };
        files.map(|file| Mail::parse(&std::fs::read_to_string(file.unwrap().path()).unwrap())).collect()
    }

    /// Waits until everything that was taken is in the mailbox.
    pub fn wait_for_calm(&self) {
        let spool = self.folder.path().join("spool/input");
        let began = Instant::now();
        while std::fs::read_dir(&spool).is_ok_and(|mut files| files.next().is_some()) {
            assert!(began.elapsed() < Duration::from_secs(60), "Exim does not deliver");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until there are so many e-mails, and gives all.
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        let began = Instant::now();
        loop {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{} of {count} e-mails arrived", mails.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.go_down();
    }
}

impl Mail {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap();
        let header: Vec<_> = head
            .replace("\n ", " ")
            .replace("\n\t", " ")
            .lines()
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let recipient = header.iter().find(|(name, _)| name == "Envelope-to").unwrap().1.clone();
        let mut mail = Self { recipient, header, body: body.to_owned() };
        assert_eq!(mail.header("Content-Transfer-Encoding"), "quoted-printable");
        mail.body = quoted_printable(body);
        mail
    }

    /// The only header line of this name.
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.header.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
        assert_eq!(values.len(), 1, "{name}: {:?}", self.header);
        &values[0].1
    }

    /// The subject as people see it (RFC 2047).
    pub fn subject(&self) -> String {
        let words = self.header("Subject").replace("?= =?utf-8?b?", "?==?utf-8?b?");
        let mut rest = words.as_str();
        let mut subject = String::new();
        while let Some((before, encoded)) = rest.split_once("=?utf-8?b?") {
            let (encoded, after) = encoded.split_once("?=").unwrap();
            subject += before;
            subject += &String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            rest = after;
        }
        subject + rest
    }
}

/// RFC 2045, 6.7.
fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn configuration(folder: &Path, port: u16, is_strict: bool) -> String {
    let folder = folder.display();
    let user = if is_root() { "nobody".to_owned() } else { own_id(MetadataExt::uid).to_string() };
    let group = if is_root() { "nogroup".to_owned() } else { own_id(MetadataExt::gid).to_string() };
    let (tls, only) = match is_strict {
        false => ("tls_advertise_hosts =".to_owned(), ""),
        true => (
            format!("tls_advertise_hosts = *\ntls_certificate = {folder}/cert.pem\ntls_privatekey = {folder}/key.pem"),
            "deny !encrypted = *\n  deny !authenticated = *\n",
        ),
    };
    format!(
        "spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
exim_user = {user}
exim_group = {group}
deliver_drop_privilege = true
keep_environment =
primary_hostname = mail.person.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = rcpt
acl_smtp_data = data
auth_advertise_hosts = *
{tls}
begin acl
rcpt:
  {only}
  deny local_parts = unknown
       message = 550 5.1.1 nobody of this name
  defer local_parts = full
       message = 452 4.2.2 the mailbox is full
  deny local_parts = blocked
       message = 554 5.7.1 relay access denied
  warn local_parts = slow
       delay = 3s
  accept
data:
  accept
begin routers
everybody:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  maildir_format
  create_directory
  directory = {folder}/mail
  user = {user}
  group = {group}
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"
    )
}

/// A CA, and a certificate for localhost by it.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 ";
        let done = command.args((key.to_owned() + arguments).split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl("-keyout ca.key -out ca.pem -subj /CN=ca");
    openssl(
        "-CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    );
}

fn is_root() -> bool {
    own_id(MetadataExt::uid) == 0
}

fn own_id(of: fn(&std::fs::Metadata) -> u32) -> u32 {
    of(&std::fs::metadata("/proc/self").unwrap())
}
