//! The manual, docs/operating.md: every command in it is run as it stands there, in its order, on both databases. Paths
//! of the system lie in a folder of the test, and three programs are played: `cargo` gives what is tested, `adduser` makes the
//! folder, `systemctl` starts and stops what the unit says.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::free_port;
use crate::common::postgresql::cluster;
use crate::common::trust_list::{List, ListFolder, tsl_ca_pem};
use crate::process::{Process, TOKEN, log_in_in_vain};

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
const MAKEFILE: &str = include_str!("../../Makefile");
/// Building takes minutes: `make lint` does it, and what is tested is installed.
const CARGO: &str = "#!/bin/sh\nmkdir -p target/release && ln -s \"$PROGRAM\" target/release/kartenbund-server\n";
const UNIT: &str = "etc/systemd/system/kartenbund-server.service";
const SYSTEMCTL: &str = r#"#!/bin/bash
# enable --now, start, stop, restart, reload: one process, which must be ready, and end with 0.
set -eu
cd "$FOLDER"
unit=etc/systemd/system/kartenbund-server.service
stop() { kill -s TERM "$(cat pid)"; until grep -q . ended 2>/dev/null; do sleep 0.05; done; rm pid; grep -q "^0$" ended; }
start() {
    command=$(sed -n 's/^ExecStart=//p' $unit)
    export "$(sed -n 's/^Environment=//p' $unit)"
    rm -f ended out
    ( $command > out 2>> log & echo $! > pid; wait $!; echo $? > ended ) < /dev/null > /dev/null 2>&1 &
    for _ in $(seq 600); do grep -q "^listening on" out 2>/dev/null && return; sleep 0.05; done
    cat log >&2; exit 1
}
case $1 in
    enable | start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    reload)
        grep -q "^ExecReload=/bin/kill -HUP .MAINPID$" $unit
        taken() { grep -c "configuration was read anew" log || true; }
        before=$(taken)
        kill -s HUP "$(cat pid)"
        for _ in $(seq 200); do [ "$(taken)" -gt "$before" ] && exit 0; sleep 0.05; done
        cat log >&2; exit 1 ;;
    *) echo "systemctl does not know $1" >&2; exit 1 ;;
esac
"#;

/// A fenced block: what stands behind the fence, and its lines.
struct Block {
    kind: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let manual = std::fs::read_to_string(MANUAL).unwrap();
    let fenced = manual.split("\n```").skip(1).step_by(2);
    let blocks = fenced.map(|block| block.split_once('\n').unwrap());
    blocks.map(|(kind, text)| Block { kind: kind.to_owned(), text: text.to_owned() + "\n" }).collect()
}

/// A machine on which the manual is followed.
struct Machine {
    folder: tempfile::TempDir,
    public: u16,
    admin: u16,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder, public: free_port(), admin: free_port() };
        for place in ["bin", "etc/systemd/system", "var/lib", "var/backups"] {
            std::fs::create_dir_all(machine.at(place)).unwrap();
        }
        for (name, text) in [
            ("cargo", CARGO),
            ("systemctl", SYSTEMCTL),
            ("adduser", "#!/bin/sh\nmkdir -p -m 700 \"$4\"\n"),
            ("chown", "#!/bin/sh\n"),
        ] {
            let path = machine.at("bin").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn at(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    /// The text with the paths and ports of this machine.
    fn here(&self, text: &str) -> String {
        let root = self.folder.path().display();
        let text = text.replace("/usr/local/bin", &format!("{root}/bin"));
        let text = ["/etc/kartenbund", "/var/lib/kartenbund", "/var/backups/kartenbund"]
            .iter()
            .fold(text, |text, path| text.replace(path, &format!("{root}{path}")));
        text.replace(":8470", &format!(":{}", self.public)).replace(":8471", &format!(":{}", self.admin))
    }

    fn run(&self, commands: &str) -> String {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-eu", "-c", &self.here(commands)])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("FOLDER", self.folder.path())
            .env("PROGRAM", env!("CARGO_BIN_EXE_kartenbund-server"))
            .env("KARTENBUND_CONFIG", self.at("etc/kartenbund/kartenbund.toml"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let log = std::fs::read_to_string(self.at("log")).unwrap_or_default();
        assert!(output.status.success(), "{commands}\n{told}\n{log}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.at("pid")) {
            let _ = Command::new("kill").args(["-s", "KILL", pid.trim()]).status();
        }
    }
}

/// Follows the manual, but for the blocks that are for others; `more` is added to its configuration.
fn follow(machine: &Machine, is_for_others: impl Fn(&Block) -> bool, more: &str) -> String {
    let mut said = String::new();
    for block in blocks().iter().filter(|block| !is_for_others(block)) {
        match block.kind.as_str() {
            "sh" | "sh postgresql" => said += &machine.run(&block.text),
            "ini" => {
                std::fs::write(machine.at(UNIT), machine.here(&block.text)).unwrap();
                is_a_unit(machine);
            }
            "toml" => {
                let text = machine.here(&block.text) + more;
                std::fs::write(machine.at("etc/kartenbund/kartenbund.toml"), text).unwrap();
            }
            "" => {
                let build = block.text.lines().next().unwrap().replace(" --release", "");
                assert!(MAKEFILE.contains(&format!("\t{build}\n")), "`make lint` builds it: {build}");
                said += &machine.run(&block.text);
            }
            other => panic!("nobody knows what to do with {other}"),
        }
    }
    machine.run("systemctl stop kartenbund-server");
    said
}

/// systemd finds nothing wrong with the unit, and what it names is there.
fn is_a_unit(machine: &Machine) {
    let mut verify = Command::new("systemd-analyze");
    let verified = verify.args(["--man=no", "verify"]).arg(machine.at(UNIT)).output().expect("Debian package systemd");
    let told = String::from_utf8_lossy(&verified.stderr);
    // What systemd does not know it ignores, and says so.
    assert!(verified.status.success() && !told.contains("kartenbund-server.service"), "{told}");
    let unit = std::fs::read_to_string(machine.at(UNIT)).unwrap();
    let root = machine.folder.path().to_str().unwrap();
    let named = unit.split([' ', '=', '\n']).filter(|word| word.starts_with(root)).map(PathBuf::from);
    let missing: Vec<_> = named.filter(|path| !path.parent().unwrap().exists()).collect();
    assert_eq!(missing, [] as [PathBuf; 0]);
}

#[test]
fn the_manual_is_followed_on_sqlite() {
    let machine = Machine::new();
    let said = follow(&machine, |block| block.kind == "sh postgresql", "");
    assert!(said.contains("the configuration is good\n") && said.contains("kartenbund_build_info"), "{said}");
    assert_eq!(mode(&machine.at("var/lib/kartenbund/service-keys.json")), 0o600);
    assert_eq!(mode(&machine.at("var/lib/kartenbund/kartenbund.sqlite")), 0o600);
}

#[test]
fn the_manual_is_followed_on_postgresql() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.at("etc/kartenbund")).unwrap();
    std::fs::write(machine.at("etc/kartenbund/database-url"), cluster().new_database().expose()).unwrap();
    let is_for_sqlite = |block: &Block| block.text.contains("kartenbund.sqlite");
    let said = follow(&machine, is_for_sqlite, "[database]\nurl_file = \"database-url\"\n");
    assert!(said.contains("the configuration is good\n") && said.contains("kartenbund_build_info"), "{said}");
    assert!(!machine.at("var/lib/kartenbund/kartenbund.sqlite").exists());
    what_was_saved_is_restored_into_an_empty_database(&machine);
}

/// The lines that make a database: one for each row, and what belongs to the tables.
fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Comments, settings of the session, and a word that is another one each time.
    let is_data = |line: &&str| {
        !["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    text.lines().filter(is_data).map(str::to_owned).collect()
}

/// Backs up once more, and restores on a server that has nothing yet.
fn what_was_saved_is_restored_into_an_empty_database(machine: &Machine) {
    let blocks = blocks();
    let with = |program: &str| blocks.iter().find(|block| block.text.contains(program)).unwrap();
    machine.run("systemctl start kartenbund-server");
    machine.run(&with("pg_dump").text);
    let empty = cluster().new_database();
    std::fs::write(machine.at("etc/kartenbund/database-url"), empty.expose()).unwrap();
    let (restore, start) = with("pg_restore").text.split_once("\ninstall").unwrap();
    machine.run(restore);
    let mut saved = Command::new("pg_restore");
    let saved = lines(saved.arg("--file=-").arg(machine.at("var/backups/kartenbund/kartenbund.dump")));
    let mut restored = Command::new("pg_dump");
    let restored = lines(restored.args(["--dbname", empty.expose()]));
    assert!(saved.iter().any(|line| line.contains("K220635158")), "somebody was saved");
    let other = saved.iter().zip(&restored).find(|(saved, restored)| saved != restored);
    assert_eq!((restored.len(), other), (saved.len(), None), "row by row");
    machine.run(&format!("install{start}"));
    assert!(machine.run("kartenbund-server audit verify").contains("the audit is whole"));
    machine.run("systemctl stop kartenbund-server");
}

/// Names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|sign: char| !(sign.is_ascii_lowercase() || sign == '_'));
    words.filter(|word| word.starts_with("kartenbund_")).collect()
}

#[test]
fn every_metric_is_in_the_manual_and_the_manual_knows_no_other() {
    let manual = std::fs::read_to_string(MANUAL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // One is there with a trust list alone.
    let next_update = time::OffsetDateTime::now_utc().unix_timestamp() + 30 * 86_400;
    let list = ListFolder::with(&List { next_update, ..List::ours() });
    std::fs::write(folder.path().join("tsl-ca.pem"), tsl_ca_pem()).unwrap();
    let (list, signature) = (list.list(), list.signature());
    let more = format!("[trust_list]\nlist = {list:?}\nsignature = {signature:?}\ntest_anchors = [\"tsl-ca.pem\"]\n");
    let process = Process::start(folder.path(), &more);
    log_in_in_vain(&process.url);
    let began = Instant::now();
    loop {
        let http = reqwest::blocking::Client::new();
        let answer = http.get(format!("{}/metrics", process.admin)).bearer_auth(TOKEN).send().unwrap();
        let text = answer.text().unwrap();
        // `# TYPE name kind`: the name of a counter ends with `_total`, that of an information with `_info`.
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let told: BTreeSet<_> = types
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            })
            .collect();
        let told: BTreeSet<_> = told.iter().map(String::as_str).collect();
        if told == metrics(&manual) {
            return;
        }
        // Some come with what happens once a second.
        assert!(began.elapsed() < Duration::from_secs(20), "{told:?} {:?}", metrics(&manual));
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
