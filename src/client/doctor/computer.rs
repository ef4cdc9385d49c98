//! This computer: its system, what is plugged in, what runs. Everything is read below a root folder, so that tests have
//! computers of their own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::disk;

/// Longest file of the system that is read, in bytes.
const MAX_FILE: usize = 64 * 1024;
/// Most devices and processes that are looked at.
const MAX_ENTRIES: usize = 50_000;
/// Where a system says which it is (os-release(5)); a sandbox has that of the computer around it elsewhere.
const OS_RELEASE: [&str; 4] =
    ["run/host/os-release", "var/lib/snapd/hostfs/etc/os-release", "etc/os-release", "usr/lib/os-release"];
/// Where pcscd is.
const PCSCD: [&str; 2] = ["/usr/sbin/pcscd", "/usr/bin/pcscd"];
/// Chip card interface devices (USB class codes).
const SMART_CARD: &str = "0b";
/// REINER SCT's readers, which have a driver of their own.
const REINER_SCT: &str = "0c4b";

/// What was seen of this computer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Computer {
    /// The content of os-release(5); empty elsewhere than on Linux.
    pub os_release: String,
    /// What is plugged in; `None` where it cannot be seen.
    pub usb: Option<Usb>,
    /// Whether GnuPG's scdaemon runs, which keeps readers for itself.
    pub scdaemon: bool,
    /// Version of the Linux kernel.
    pub kernel: Option<String>,
    /// Version of pcsc-lite.
    pub pcsc_lite: Option<String>,
}

/// What is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usb {
    /// Whether an interface says that it reads smart cards.
    pub has_reader: bool,
    /// Whether a device is by REINER SCT.
    pub has_reiner_sct: bool,
}

impl Computer {
    /// This computer.
    pub fn here() -> Self {
        Self { pcsc_lite: pcsc_lite(), ..Self::below(Path::new("/")) }
    }

    /// The computer whose files are below `root`.
    pub fn below(root: &Path) -> Self {
        let kernel = text(&root.join("proc/sys/kernel/osrelease"));
        Self {
            os_release: os_release(root),
            usb: usb(&root.join("sys/bus/usb/devices")),
            scdaemon: runs(&root.join("proc"), "scdaemon"),
            kernel,
            pcsc_lite: None,
        }
    }
}

/// What this system says it is (os-release(5)); empty elsewhere than on Linux.
pub fn os_release(root: &Path) -> String {
    OS_RELEASE.iter().find_map(|name| text(&root.join(name))).unwrap_or_default()
}

/// Looks at the interfaces and devices of Linux's USB (Documentation/ABI/testing/sysfs-bus-usb).
fn usb(devices: &Path) -> Option<Usb> {
    let mut usb = Usb::default();
    for device in fs::read_dir(devices).ok()?.take(MAX_ENTRIES).flatten() {
        let is = |name: &str, value: &str| text(&device.path().join(name)).is_some_and(|text| text == value);
        usb.has_reader |= is("bInterfaceClass", SMART_CARD);
        usb.has_reiner_sct |= is("idVendor", REINER_SCT);
    }
    Some(usb)
}

/// Whether a program of this name runs (proc_pid_comm(5)).
fn runs(processes: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(processes) else { return false };
    entries.take(MAX_ENTRIES).flatten().any(|process| text(&process.path().join("comm")).is_some_and(|it| it == name))
}

fn text(path: &Path) -> Option<String> {
    let bytes = disk::read(path, MAX_FILE).ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The service tells its version to nobody but who starts it.
fn pcsc_lite() -> Option<String> {
    let program = PCSCD.iter().find(|path| Path::new(path).exists())?;
    let mut command = Command::new(program);
    let output = command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}

/// The version in "pcsc-lite version 1.9.9."
fn version_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("pcsc-lite version ")?;
    let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.trim_end_matches('.');
    (!version.is_empty() && version.len() < 20).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computer(files: &[(&str, &str)]) -> Computer {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Computer::below(root.path())
    }

    #[test]
    fn a_reader_is_seen_at_its_usb_interface() {
        let usb = |files: &[(&str, &str)]| computer(files).usb;
        assert_eq!(usb(&[]), None, "nothing can be seen here");
        let mouse = ("sys/bus/usb/devices/1-1:1.0/bInterfaceClass", "03\n");
        assert_eq!(usb(&[mouse]), Some(Usb::default()));
        let reader = ("sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "0b\n");
        assert_eq!(usb(&[mouse, reader]), Some(Usb { has_reader: true, has_reiner_sct: false }));
        let cyberjack = ("sys/bus/usb/devices/1-3/idVendor", "0c4b\n");
        assert_eq!(usb(&[mouse, cyberjack]), Some(Usb { has_reader: false, has_reiner_sct: true }));
    }

    #[test]
    fn gnupg_is_seen_by_the_name_of_its_process() {
        assert!(computer(&[("proc/71/comm", "scdaemon\n")]).scdaemon);
        assert!(!computer(&[("proc/71/comm", "scdaemonize\n"), ("proc/1/comm", "systemd\n")]).scdaemon);
    }

    #[test]
    fn in_a_sandbox_the_system_around_it_counts() {
        let files = [("etc/os-release", "ID=org.freedesktop.platform"), ("run/host/os-release", "ID=fedora")];
        assert_eq!(computer(&files).os_release, "ID=fedora");
        assert_eq!(computer(&files[..1]).os_release, "ID=org.freedesktop.platform");
    }

    #[test]
    fn the_version_of_pcsc_lite_is_a_number_and_nothing_else() {
        assert_eq!(version_in("pcsc-lite version 1.9.9.\nCopyright").as_deref(), Some("1.9.9"));
        assert_eq!(version_in("pcsc-lite version 2.3.1-rc1 /home/erika").as_deref(), Some("2.3.1"));
        assert_eq!(version_in("something else"), None);
        assert_eq!(version_in("pcsc-lite version ..."), None);
    }
}
