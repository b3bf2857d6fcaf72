//! The facts about the machine: its root, its running kernel, its distribution, where programs are.
//!
//! A value that the caller makes once; nothing else in the crate looks at the environment. Knows
//! nothing of trees.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::arch::Family;
use crate::rooted::Root;

/// What discovery, description and the store ask for.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `/`, or a made-up machine in tests.
    pub root: Root,
    /// `$XDG_DATA_HOME/kiln/kernels`: a real path, not below `root`. None without a home.
    pub store: Option<PathBuf>,
    /// `$XDG_CACHE_HOME/kiln`, for what can be made again. None without a home.
    pub cache: Option<PathBuf>,
    /// The running kernel (`uname -r`).
    pub running: Option<String>,
    /// What the machine itself is.
    pub family: &'static Family,
    /// The directories of PATH.
    pub path: Vec<PathBuf>,
    /// What the distribution says of itself.
    pub os: Os,
    /// Whether commands for root can be given as they are.
    pub superuser: bool,
}

impl Machine {
    /// Reads the facts below `root` (`/proc/sys/kernel/osrelease`, `/etc/os-release`) and from the
    /// environment (`XDG_DATA_HOME`, `XDG_CACHE_HOME`, `HOME`, `PATH`).
    pub fn read(root: Root, env: impl Fn(&str) -> Option<OsString>, superuser: bool) -> Machine {
        let home = env("HOME").filter(|h| !h.is_empty()).map(PathBuf::from);
        // The XDG base directory rules: a relative value is to be ignored.
        let base = |name: &str, fallback: &str| {
            let set = env(name).map(PathBuf::from).filter(|p| p.is_absolute());
            set.or_else(|| home.as_ref().map(|h| h.join(fallback)))
        };
        let text = |inside: &str| {
            let found = root.find(Path::new(inside))?;
            Some(String::from_utf8_lossy(&fs::read(found).ok()?).into_owned())
        };
        Machine {
            store: base("XDG_DATA_HOME", ".local/share").map(|d| d.join("kiln/kernels")),
            cache: base("XDG_CACHE_HOME", ".cache").map(|d| d.join("kiln")),
            running: text("/proc/sys/kernel/osrelease")
                .map(|t| t.trim().to_string())
                .filter(|t| !t.is_empty()),
            family: Family::of_machine(std::env::consts::ARCH).unwrap_or(&crate::arch::FAMILIES[0]),
            path: env("PATH")
                .map(|p| std::env::split_paths(&p).filter(|d| d.is_absolute()).collect())
                .unwrap_or_default(),
            os: text("/etc/os-release")
                .or_else(|| text("/usr/lib/os-release"))
                .map(|t| Os::read(&t))
                .unwrap_or_default(),
            superuser,
            root,
        }
    }

    /// The file that starting `program` would run: `program` itself if it holds a slash, else the
    /// first executable of that name in the PATH (looked up below the root).
    pub fn program(&self, program: impl AsRef<OsStr>) -> Option<PathBuf> {
        let program = Path::new(program.as_ref());
        let runs = |inside: &Path| {
            let found = self.root.find(inside)?;
            let meta = fs::metadata(&found).ok()?;
            (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then_some(())
        };
        if program.components().count() > 1 {
            return runs(program).map(|()| program.to_path_buf());
        }
        self.path.iter().map(|d| d.join(program)).find(|candidate| runs(candidate).is_some())
    }

    /// A command for root as this user types it.
    pub fn as_root(&self, command: &str) -> String {
        if self.superuser { command.to_string() } else { format!("sudo {command}") }
    }
}

/// What `/etc/os-release` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Os {
    /// `debian`, `fedora`, …
    pub id: String,
    /// The distributions it is made from.
    pub like: Vec<String>,
    /// `bookworm`, …
    pub codename: Option<String>,
    /// For people.
    pub name: Option<String>,
}

/// The program that installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and what is made from them.
    Apt,
    /// Fedora, RHEL and theirs.
    Dnf,
    /// Arch.
    Pacman,
    /// SUSE.
    Zypper,
    /// Alpine.
    Apk,
}

impl Os {
    /// Reads `NAME=value` lines with the shell's quotes, as os-release(5) has them.
    pub fn read(text: &str) -> Os {
        let get = |key: &str| {
            text.lines().find_map(|line| {
                let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
                let value = value.trim().trim_matches(|c| c == '"' || c == '\'');
                (!value.is_empty()).then(|| value.to_string())
            })
        };
        Os {
            id: get("ID").unwrap_or_default(),
            like: get("ID_LIKE")
                .map(|l| l.split_whitespace().map(str::to_string).collect())
                .unwrap_or_default(),
            codename: get("VERSION_CODENAME"),
            name: get("PRETTY_NAME"),
        }
    }

    /// The program that installs packages there.
    pub fn manager(&self) -> Option<Manager> {
        let names = std::iter::once(self.id.as_str()).chain(self.like.iter().map(String::as_str));
        names.into_iter().find_map(|name| match name {
            "debian" | "ubuntu" | "linuxmint" | "raspbian" | "pop" | "kali" => Some(Manager::Apt),
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => {
                Some(Manager::Dnf)
            }
            "arch" | "manjaro" | "endeavouros" => Some(Manager::Pacman),
            "suse" | "opensuse" | "sles" | "opensuse-tumbleweed" | "opensuse-leap" => {
                Some(Manager::Zypper)
            }
            "alpine" => Some(Manager::Apk),
            _ => None,
        })
    }
}

impl Manager {
    /// The command that installs packages of these names.
    pub fn install(self, packages: &[String]) -> String {
        let names = packages.join(" ");
        match self {
            Manager::Apt => format!("apt install {names}"),
            Manager::Dnf => format!("dnf install {names}"),
            Manager::Pacman => format!("pacman -S {names}"),
            Manager::Zypper => format!("zypper install {names}"),
            Manager::Apk => format!("apk add {names}"),
        }
    }

    /// The package with the headers of exactly this release, where it can be told from the release.
    pub fn headers(self, release: &str) -> Option<String> {
        let flavour = release.rsplit('-').next().unwrap_or_default();
        match self {
            Manager::Apt => Some(format!("linux-headers-{release}")),
            Manager::Dnf => Some(format!("kernel-devel-{release}")),
            // The kernels of Arch are told apart by their package, whose name ends the release.
            Manager::Pacman => Some(match flavour {
                "lts" | "zen" | "hardened" | "rt" => format!("linux-{flavour}-headers"),
                _ => "linux-headers".to_string(),
            }),
            Manager::Zypper => Some(match flavour {
                "default" | "rt" | "azure" | "debug" | "vanilla" => {
                    format!("kernel-{flavour}-devel")
                }
                _ => "kernel-default-devel".to_string(),
            }),
            Manager::Apk => Some(match flavour {
                "virt" => "linux-virt-dev".to_string(),
                _ => "linux-lts-dev".to_string(),
            }),
        }
    }

    /// The package that brings the headers of the distribution's current kernel.
    pub fn current_headers(self, family: &Family, os: &Os) -> String {
        match self {
            Manager::Apt if os.id == "ubuntu" => "linux-headers-generic".to_string(),
            Manager::Apt => format!("linux-headers-{}", family.package_name()),
            Manager::Dnf => "kernel-devel".to_string(),
            Manager::Pacman => "linux-headers".to_string(),
            Manager::Zypper => "kernel-default-devel".to_string(),
            Manager::Apk => "linux-lts-dev".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_by_what_it_is_made_from() {
        let os =
            Os::read("NAME=\"Thing\"\nID=thing\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=x\n");
        assert_eq!(os.manager(), Some(Manager::Apt));
        assert_eq!(os.codename.as_deref(), Some("x"));
        assert_eq!(Os::read("ID=rocky\nID_LIKE='rhel fedora'\n").manager(), Some(Manager::Dnf));
        assert_eq!(Os::read("").manager(), None);
    }

    #[test]
    fn the_package_of_a_release() {
        assert_eq!(Manager::Pacman.headers("6.12.1-1-lts").as_deref(), Some("linux-lts-headers"));
        assert_eq!(
            Manager::Dnf.headers("6.11.4-301.fc41.x86_64").as_deref(),
            Some("kernel-devel-6.11.4-301.fc41.x86_64")
        );
        assert_eq!(
            Manager::Zypper.headers("6.4.0-150600.21-default").as_deref(),
            Some("kernel-default-devel")
        );
    }
}
