//! The operating system, as far as remedies differ: names of packages and services.

/// An operating system, or a family of Linux distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian, Ubuntu, Mint and others with apt.
    Debian,
    /// Fedora, Red Hat and others with dnf.
    Fedora,
    /// Arch, Manjaro and others with pacman.
    Arch,
    /// Any other Linux, or one that does not say which.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
}

impl System {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Debian, Self::Fedora, Self::Arch, Self::Linux, Self::Windows, Self::MacOs];

    /// The system of a program built for `target` (as [`std::env::consts::OS`] has it) where os-release(5) says
    /// `os_release`: its `ID`, else the first of `ID_LIKE` that is known.
    pub fn of(target: &str, os_release: &str) -> Self {
        match target {
            "windows" => return Self::Windows,
            "macos" => return Self::MacOs,
            _ => {}
        }
        let value = |wanted: &str| {
            let mut pairs = os_release.lines().filter_map(|line| line.trim().split_once('='));
            pairs.find(|(name, _)| *name == wanted).map_or("", |(_, value)| value.trim_matches(['"', '\'']))
        };
        let families = value("ID").split(' ').chain(value("ID_LIKE").split(' '));
        families
            .filter_map(|family| match family {
                "debian" | "ubuntu" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "arch" => Some(Self::Arch),
                _ => None,
            })
            .next()
            .unwrap_or(Self::Linux)
    }

    /// Its name in the texts, as `$os`, and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Arch => "arch",
            Self::Linux => "linux",
            Self::Windows => "windows",
            Self::MacOs => "macos",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_known_by_its_own_words() {
        for (target, os_release, expected) in [
            ("linux", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n", System::Debian),
            ("linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", System::Debian),
            ("linux", "ID=\"ubuntu\"\nID_LIKE=debian\n", System::Debian),
            ("linux", "ID=fedora\n", System::Fedora),
            ("linux", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", System::Fedora),
            ("linux", "ID='manjaro'\nID_LIKE=arch\n", System::Arch),
            ("linux", "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", System::Linux),
            ("linux", "VARIANT_ID=debian\n", System::Linux),
            ("linux", "", System::Linux),
            ("freebsd", "ID=freebsd\n", System::Linux),
            ("windows", "", System::Windows),
            ("macos", "", System::MacOs),
        ] {
            assert_eq!(System::of(target, os_release), expected, "{target} {os_release}");
        }
    }
}
