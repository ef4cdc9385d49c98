//! A desktop of its own: message bus, key ring and a user's folders, all private. The bus starts nothing by itself, so
//! nothing of the computer the tests run on is touched, and nobody is asked for a password.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const KARTENBUND: &str = env!("CARGO_BIN_EXE_kartenbund");
const PATIENCE: Duration = Duration::from_secs(20);
const SECRETS: &str = "org.freedesktop.secrets";
const KEY_RING_PASSWORD: &str = "the user's password";

pub(crate) struct Desktop {
    folder: tempfile::TempDir,
    bus: Child,
    key_ring: Option<Child>,
    /// polkit and fprintd.
    reader: Vec<Child>,
}

impl Desktop {
    /// A desktop whose user has logged in: her key ring is open.
    pub(crate) fn new() -> Self {
        let mut desktop = Self::without_key_ring();
        desktop.open_key_ring();
        desktop
    }

    pub(crate) fn without_key_ring() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let config = folder.path().join("bus.xml");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
             <busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        for name in ["home", "runtime"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--nofork").arg("--config-file").arg(&config).stdin(Stdio::null()).stderr(Stdio::null());
        let bus = bus.spawn().expect("dbus-daemon is installed: make setup");
        let desktop = Self { folder, bus, key_ring: None, reader: Vec::new() };
        eventually("the message bus answers", || socket.exists().then_some(()));
        desktop
    }

    /// As at the login to the desktop.
    pub(crate) fn open_key_ring(&mut self) {
        self.end_key_ring();
        let mut daemon = self.command("gnome-keyring-daemon");
        daemon.args(["--foreground", "--unlock", "--components=secrets"]);
        let mut daemon = daemon.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("gnome-keyring: make setup");
        daemon.stdin.take().unwrap().write_all(KEY_RING_PASSWORD.as_bytes()).unwrap();
        self.key_ring = Some(daemon);
        eventually("the key ring is open", || {
            let path = "/org/freedesktop/secrets/collection/login";
            let locked = self.call(
                path,
                "org.freedesktop.DBus.Properties.Get",
                &["string:org.freedesktop.Secret.Collection", "string:Locked"],
            );
            locked.contains("boolean false").then_some(())
        });
    }

    pub(crate) fn lock_key_ring(&self) {
        let login = "array:objpath:/org/freedesktop/secrets/collection/login";
        let locked = self.call("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", &[login]);
        assert!(locked.contains("collection/login"), "{locked}");
    }

    pub(crate) fn end_key_ring(&mut self) {
        if let Some(mut daemon) = self.key_ring.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// A fingerprint reader in software, with the real fprintd, which asks a polkit in software who may use it.
    pub(crate) fn start_reader(&mut self) {
        let mut polkit = self.command("/usr/bin/python3");
        polkit.args(["-m", "dbusmock", "--system", "--template", "polkitd"]).stdout(Stdio::null());
        self.reader.push(polkit.spawn().expect("python3-dbusmock is installed: make setup"));
        eventually("polkit answers", || self.let_use_reader(true).then_some(()));
        let state = self.folder.path().join("fingers");
        std::fs::create_dir_all(&state).unwrap();
        let mut fprintd = self.command("/usr/libexec/fprintd");
        fprintd.arg("--no-timeout").env("STATE_DIRECTORY", state).env("FP_VIRTUAL_DEVICE", self.surface());
        self.reader.push(fprintd.stdout(Stdio::null()).spawn().expect("fprintd is installed: make setup"));
        eventually("the reader is there", || {
            let default = "net.reactivated.Fprint.Manager.GetDefaultDevice";
            let found = self.system("net.reactivated.Fprint", "/net/reactivated/Fprint/Manager", default, &[]);
            found.contains("object path").then_some(())
        });
    }

    pub(crate) fn end_reader(&mut self) {
        for mut process in self.reader.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Whether polkit lets anybody use the reader.
    pub(crate) fn let_use_reader(&self, may: bool) -> bool {
        let allow = [format!("boolean:{may}")];
        let path = "/org/freedesktop/PolicyKit1/Authority";
        let method = "org.freedesktop.DBus.Mock.AllowUnknown";
        self.system("org.freedesktop.PolicyKit1", path, method, &[&allow[0]]).contains("method return")
    }

    /// Makes a finger known.
    pub(crate) fn enrol(&self, finger: &str) {
        let mut enrol = self.command("fprintd-enroll");
        let mut enrol = enrol.args(["-f", "right-index-finger"]).stdout(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while enrol.try_wait().unwrap().is_none() {
            let _ = self.touch(&format!("SCAN {finger}"));
            std::thread::sleep(Duration::from_millis(50));
            assert!(start.elapsed() < PATIENCE, "the finger is not enrolled");
        }
    }

    /// Another program that waits for a finger.
    pub(crate) fn occupy_reader(&self) -> Child {
        let other = self.command("fprintd-verify").stdout(Stdio::null()).spawn().unwrap();
        eventually("another program uses the reader", || self.touch("RETRY 1").ok());
        other
    }

    /// Runs the program, and does at the reader what is named, each once the program has asked for it: `SCAN NAME` of a
    /// finger, `RETRY 1` for one that cannot be read. Its status, and all that it told.
    pub(crate) fn run_touching(&self, arguments: &[&str], touches: &[&str]) -> (Option<i32>, String) {
        let mut program = self.command(KARTENBUND);
        let mut program = program
            .args(["--lang", "en"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut lines = BufReader::new(program.stderr.take().unwrap());
        for touch in touches {
            while !told.ends_with("finger on the fingerprint reader\n")
                && !told.ends_with("once more.\n")
                && !told.ends_with("another one.\n")
            {
                assert!(lines.read_line(&mut told).unwrap() > 0, "{told}");
            }
            eventually("the reader waits for a finger", || self.touch(touch).ok());
            assert!(lines.read_line(&mut told).unwrap() > 0 || Some(touch) == touches.last(), "{told}");
        }
        lines.read_to_string(&mut told).unwrap();
        let output = program.wait_with_output().unwrap();
        (output.status.code(), told + &String::from_utf8(output.stdout).unwrap())
    }

    /// Where the reader in software takes fingers while a program uses it.
    fn surface(&self) -> PathBuf {
        self.folder.path().join("reader")
    }

    fn touch(&self, what: &str) -> std::io::Result<()> {
        UnixStream::connect(self.surface())?.write_all(what.as_bytes())
    }

    /// Calls a method on the system's message bus; what it answers, or "".
    fn system(&self, to: &str, path: &str, method: &str, arguments: &[&str]) -> String {
        let mut command = self.command("dbus-send");
        command.args(["--system", "--print-reply", &format!("--dest={to}"), path, method]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// What of this program is in the open key ring.
    pub(crate) fn entries(&self) -> Vec<String> {
        let ours = "dict:string:string:service,kartenbund";
        let found = self.call("/org/freedesktop/secrets", "org.freedesktop.Secret.Service.SearchItems", &[ours]);
        let paths = found.split('"').filter(|part| part.starts_with("/org/freedesktop/secrets/collection"));
        paths.map(str::to_owned).collect()
    }

    /// Somebody tidies up their key ring.
    pub(crate) fn delete_entries(&self) {
        for entry in self.entries() {
            self.call(&entry, "org.freedesktop.Secret.Item.Delete", &[]);
        }
        assert_eq!(self.entries(), [""; 0]);
    }

    /// Calls a method of the key ring; what it answers, or "".
    fn call(&self, path: &str, method: &str, arguments: &[&str]) -> String {
        let mut command = self.command("dbus-send");
        command.args(["--session", "--print-reply", &format!("--dest={SECRETS}"), path, method]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home/kartenbund")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.folder.path().join("runtime"))
            .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.folder.path().join("bus").display()))
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.folder.path().join("bus").display()))
            .env("KARTENBUND_HOME", self.home())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs the program, with lines for its password.
    pub(crate) fn run(&self, arguments: &[&str], passwords: &[&str]) -> Output {
        let option: &[&str] = if passwords.is_empty() { &[] } else { &["--password-fd", "3"] };
        self.run_with(&[arguments, option].concat(), passwords)
    }

    /// Runs the program, with lines at file descriptor 3.
    pub(crate) fn run_with(&self, arguments: &[&str], lines_at_3: &[&str]) -> Output {
        let lines = self.folder.path().join("lines");
        std::fs::write(&lines, lines_at_3.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let mut shell = self.command("sh");
        shell.args(["-c", "exec \"$@\" 3<\"$0\""]).arg(&lines).args([KARTENBUND, "--lang", "en"]).args(arguments);
        shell.stderr(Stdio::piped()).output().unwrap()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.end_key_ring();
        self.end_reader();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not seen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
