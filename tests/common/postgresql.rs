//! A PostgreSQL server of the test program's own: it refuses root, listens on a socket in its folder and nowhere else,
//! and ends with the program.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kartenbund::secret::SecretText;

/// The cluster of this program: started when the first test asks for it. Nothing of it outlives the program, so nothing
/// needs to reach the disk.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start("fsync=off"))
}

/// One whose commits reach the disk, to be measured.
pub fn durable_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start("fsync=on"))
}

pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
}

impl Cluster {
    fn start(durability: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("kartenbund-pg-").tempdir().unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root() {
            let done = Command::new("chown").args(["-R", "postgres:"]).arg(&folder).status().unwrap();
            assert!(done.success(), "the Debian package postgresql makes the user postgres");
        }
        let cluster = Self { folder, bin: programs() };
        let made = cluster
            .unprivileged("initdb", None)
            .args(["--no-sync", "--auth=trust", "--username=kartenbund", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // The signal of a parent's death comes when the thread that started the child ends: this one does not.
        let mut server = cluster.unprivileged("postgres", Some("SIGQUIT"));
        server.arg("-D").arg(&data).arg("-k").arg(&cluster.folder);
        for setting in ["listen_addresses=", durability, "max_connections=400", "shared_buffers=32MB"] {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(cluster.folder.join("log")).unwrap();
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let folder = cluster.folder.clone();
        std::thread::spawn(move || {
            let mut child = server.spawn().unwrap();
            let _ = child.wait();
            let _ = std::fs::remove_dir_all(folder);
        });
        let began = Instant::now();
        while !cluster.psql("postgres", "SELECT 1").is_ok_and(|answer| answer == "1") {
            assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        cluster
    }

    /// An empty database; its URL.
    pub fn new_database(&self) -> SecretText {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("world_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        SecretText::new(format!("postgresql:///{name}?host={}&user=kartenbund", self.folder.display()))
    }

    /// The folder of the socket.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// What PostgreSQL's own client answers.
    pub fn psql(&self, database: &str, statement: &str) -> Result<String, String> {
        let mut command = Command::new(self.bin.join("psql"));
        command.arg("-h").arg(&self.folder).args(["-U", "kartenbund", "-d", database, "-qAt", "-c", statement]);
        let output = command.output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// One of PostgreSQL's programs, as a user it accepts.
    fn unprivileged(&self, program: &str, death_signal: Option<&str>) -> Command {
        let program = self.bin.join(program);
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg("--pdeathsig").arg(death_signal.unwrap_or("clear")).arg(program).current_dir("/");
        command
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Debian keeps the server's programs in a folder of the version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map(|versions| versions.flatten().collect::<Vec<_>>());
    let mut versions: Vec<_> =
        versions.unwrap_or_default().into_iter().map(|version| version.path().join("bin")).collect();
    versions.retain(|bin| bin.join("initdb").exists());
    versions.sort();
    versions.pop().expect("PostgreSQL's server is needed: Debian package postgresql")
}
