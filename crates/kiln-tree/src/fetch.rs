//! Getting a kernel's packages with the distribution's own downloader, without root.
//!
//! Makes the commands, has the caller run them and reads what they print. Installs nothing: the files
//! are for [`crate::store::Store::add`]. Knows package managers, not archives.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::arch::Family;
use crate::error::{Error, Kind, Result};
use crate::machine::{Machine, Manager};
use crate::process::{Command, Output, Runner};
use crate::release;
use crate::store::add::is_kernel_part;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `6.12.117+deb12-arm64`, or the beginning of one (`6.12`): the newest that fits.
    pub release: String,
    /// The kernel's image and modules too, for boots.
    pub image: bool,
    /// Only those: no headers.
    pub image_only: bool,
}

/// What was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The release that was meant.
    pub release: String,
    /// The packages' files.
    pub files: Vec<PathBuf>,
}

/// Downloads the packages into `dir`, which is made if need be and should hold nothing else.
/// `note` gets a line before each step that takes time.
///
/// # Errors
/// [`Kind::UnknownTree`] if the archives that the distribution is set up with have no such kernel;
/// [`Kind::Unsupported`] without a downloader that Kiln knows; [`Kind::Program`] with the program's
/// last words.
pub fn fetch(
    machine: &Machine,
    request: &Request,
    dir: &Path,
    runner: &mut dyn Runner,
    note: &mut dyn FnMut(&str),
) -> Result<Fetched> {
    fs::create_dir_all(dir).map_err(|e| Error::io("make", dir, e))?;
    match machine.os.manager() {
        Some(Manager::Apt) => Apt::new(machine, request, runner, note)?.fetch(dir),
        Some(Manager::Dnf) => dnf(machine, request, dir, runner, note),
        other => {
            let what = match other {
                Some(Manager::Pacman) => "pacman -Sp linux-headers prints where the package is",
                Some(Manager::Zypper) => "zypper download kernel-default-devel gets it as root",
                _ => "get the package with the kernel's headers",
            };
            let message = "Kiln cannot download packages of this distribution by itself";
            Err(Error::new(Kind::Unsupported, message)
                .hint(format!("{what}; then: kiln kernels add FILE")))
        }
    }
}

/// Runs a command that has to succeed.
fn run(runner: &mut dyn Runner, command: &Command) -> Result<Output> {
    let program =
        command.argv.first().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let output = runner
        .run(command)
        .map_err(|e| Error::new(Kind::Program, format!("{program} cannot be started: {e}")))?;
    if output.success() {
        return Ok(output);
    }
    Err(Error::new(Kind::Program, format!("{program} failed: {}", output.last_words()))
        .hint(format!("the command was: {command}")))
}

/// Where apt looks: the system's own lists, or ones of Kiln's that may name another architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lists {
    System,
    Own(PathBuf),
}

struct Apt<'a> {
    request: &'a Request,
    runner: &'a mut dyn Runner,
    note: &'a mut dyn FnMut(&str),
    /// Debian's name of this machine's architecture.
    native: String,
    /// Debian's name of the wanted one.
    arch: String,
    own: Option<PathBuf>,
    lists: Lists,
}

/// One package as `apt-cache show` tells it.
struct Package {
    name: String,
    version: String,
    arch: String,
    depends: String,
}

impl<'a> Apt<'a> {
    fn new(
        machine: &Machine,
        request: &'a Request,
        runner: &'a mut dyn Runner,
        note: &'a mut dyn FnMut(&str),
    ) -> Result<Apt<'a>> {
        let native = run(runner, &Command::new(["dpkg", "--print-architecture"]))?;
        let native = String::from_utf8_lossy(&native.stdout).trim().to_string();
        let arch = deb_arch(&request.release).map_or_else(|| native.clone(), str::to_string);
        let own = machine.cache.as_ref().map(|c| c.join("apt").join(&arch));
        Ok(Apt { request, runner, note, native, arch, own, lists: Lists::System })
    }

    fn fetch(&mut self, dir: &Path) -> Result<Fetched> {
        let found = if self.arch == self.native { self.find()? } else { None };
        let release = match found {
            Some(release) => release,
            // The system's lists may be for another architecture, old, or not there at all.
            None => {
                self.update()?;
                self.find()?.ok_or_else(|| self.unknown())?
            }
        };
        let packages = self.closure(&release)?;
        let mut names = Vec::new();
        for package in &packages {
            names.push(format!("{}:{}={}", package.name, package.arch, package.version));
        }
        (self.note)(&format!("downloading {} packages of {release}", names.len()));
        let command = self.apt("apt-get").arg("download").args(&names).dir(dir);
        run(self.runner, &command)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = packages.iter().any(|p| name.starts_with(&format!("{}_", p.name)));
            if ours && name.ends_with(".deb") {
                files.push(entry.path());
            }
        }
        files.sort();
        if files.len() < packages.len() {
            let message = format!("apt-get left {} of {} packages", files.len(), packages.len());
            return Err(Error::new(Kind::Program, message));
        }
        Ok(Fetched { release, files })
    }

    fn prefix(&self) -> &'static str {
        if self.request.image_only { "linux-image-" } else { "linux-headers-" }
    }

    /// The release that is meant, if these lists have it.
    fn find(&mut self) -> Result<Option<String>> {
        let prefix = self.prefix();
        let command = self.apt("apt-cache").args(["pkgnames", prefix]);
        let Ok(output) = run(self.runner, &command) else { return Ok(None) };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<&str> = text
            .lines()
            .filter_map(|l| l.trim().strip_prefix(prefix))
            .filter(|r| r.starts_with(|c: char| c.is_ascii_digit()))
            .filter(|r| {
                !["-common", "-common-rt", "-dbg", "-unsigned"].iter().any(|e| r.ends_with(e))
            })
            .collect();
        let wanted = self.request.release.as_str();
        if !names.contains(&wanted) {
            names.retain(|r| release::begins(r, wanted));
            // Of the variants the plain one: the fewest parts behind the version.
            names.sort_by(|a, b| {
                let parts = |r: &str| r.split('-').count();
                let usual = |r: &str| r.ends_with(&format!("-{}", self.arch));
                (usual(a).cmp(&usual(b)))
                    .then_with(|| parts(b).cmp(&parts(a)))
                    .then_with(|| release::compare(a, b))
            });
        } else {
            names = vec![wanted];
        }
        while let Some(name) = names.pop() {
            // A name that apt knows may be one that nothing provides any more.
            if self.show(&format!("{prefix}{name}"), &self.arch.clone())?.is_some() {
                return Ok(Some(name.to_string()));
            }
        }
        Ok(None)
    }

    /// The packages of the release: headers and the parts they need, the image if it was asked for.
    fn closure(&mut self, release: &str) -> Result<Vec<Package>> {
        let mut todo = Vec::new();
        if !self.request.image_only {
            todo.push(format!("linux-headers-{release}"));
        }
        if self.request.image || self.request.image_only {
            todo.push(format!("linux-image-{release}"));
        }
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            // What belongs to the variant is asked for by its architecture. The rest is either the
            // same for all, or linux-kbuild's tools: programs for whoever builds, so this machine's
            // do for every architecture (the package is Multi-Arch: foreign), and they run here.
            let ours = name.ends_with(release);
            let first = if ours { self.arch.clone() } else { self.native.clone() };
            let second = self.arch.clone();
            let package = match self.show(&name, &first)? {
                Some(package) => package,
                None => self.show(&name, &second)?.ok_or_else(|| {
                    Error::new(Kind::UnknownTree, format!("the distribution has no package {name}"))
                })?,
            };
            let names = dependency_names(&package.depends);
            // linux-base-RELEASE and its like hold nothing that a build reads.
            todo.extend(names.into_iter().filter(|n| is_kernel_part(n)));
            out.push(package);
        }
        Ok(out)
    }

    fn show(&mut self, name: &str, arch: &str) -> Result<Option<Package>> {
        let command = self.apt("apt-cache").args(["show", "--no-all-versions"]);
        let command = command.arg(format!("{name}:{arch}"));
        let output = self
            .runner
            .run(&command)
            .map_err(|e| Error::new(Kind::Program, format!("apt-cache cannot be started: {e}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(paragraph) = text.split("\n\n").find(|p| p.contains("Package:")) else {
            return Ok(None);
        };
        let field = |name: &str| control_field(paragraph, name).unwrap_or_default();
        // Packages for all architectures are asked for, and named, with a real one.
        let all = field("Architecture") == "all";
        Ok(Some(Package {
            name: field("Package"),
            version: field("Version"),
            arch: if all { self.native.clone() } else { field("Architecture") },
            depends: field("Depends"),
        }))
    }

    /// Gets package lists of Kiln's own, from the sources that the system is set up with. This needs
    /// no root and leaves the system's lists alone.
    fn update(&mut self) -> Result<()> {
        let Some(own) = self.own.clone() else {
            let message = "no place for package lists: neither HOME nor XDG_CACHE_HOME is set";
            return Err(Error::new(Kind::Unsupported, message));
        };
        for dir in ["lists/partial", "cache/archives/partial"] {
            let dir = own.join(dir);
            fs::create_dir_all(&dir).map_err(|e| Error::io("make", &dir, e))?;
        }
        let status = own.join("status");
        fs::write(&status, "").map_err(|e| Error::io("write", &status, e))?;
        self.lists = Lists::Own(own);
        (self.note)(&format!("getting the distribution's package lists for {}", self.arch));
        let command = self.apt("apt-get").arg("update");
        match run(self.runner, &command) {
            Ok(_) => Ok(()),
            // One source that fails does not make the others' lists useless.
            Err(_) if self.find()?.is_some() => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// apt's programs with the options for the lists in use.
    fn apt(&self, program: &str) -> Command {
        let command = Command::new([program]).env("LC_ALL", "C.UTF-8").arg("-q");
        let Lists::Own(own) = &self.lists else { return command };
        let mut options = vec![
            ("Dir::State", own.clone()),
            ("Dir::State::Lists", own.join("lists")),
            ("Dir::State::status", own.join("status")),
            ("Dir::Cache", own.join("cache")),
        ];
        let mut archs = self.native.clone();
        if self.arch != self.native {
            archs = format!("{archs},{}", self.arch);
        }
        options.push(("APT::Architectures", PathBuf::from(archs)));
        options.iter().fold(command, |command, (name, value)| {
            command.arg("-o").arg(format!("{name}={}", value.display()))
        })
    }

    fn unknown(&mut self) -> Error {
        let prefix = self.prefix();
        let message = format!(
            "the distribution's archives have no {prefix}{} for {}",
            self.request.release, self.arch
        );
        let mut error = Error::new(Kind::UnknownTree, message);
        let command = self.apt("apt-cache").args(["pkgnames", prefix]);
        if let Ok(output) = run(self.runner, &command) {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut names: Vec<&str> = text
                .lines()
                .filter_map(|l| l.trim().strip_prefix(prefix))
                .filter(|r| r.starts_with(|c: char| c.is_ascii_digit()) && r.ends_with(&self.arch))
                .collect();
            names.sort_by(|a, b| release::compare(b, a));
            names.truncate(8);
            if !names.is_empty() {
                error = error.hint(format!("there are {}", names.join(", ")));
            }
        }
        error
    }
}

/// Debian's architecture by the end of a release's name; `None` where it does not tell.
fn deb_arch(release: &str) -> Option<&'static str> {
    let last = release.rsplit('-').next()?;
    const NAMES: &[(&str, &str)] = &[
        ("amd64", "amd64"),
        ("arm64", "arm64"),
        ("armmp", "armhf"),
        ("lpae", "armhf"),
        ("686", "i386"),
        ("pae", "i386"),
        ("powerpc64le", "ppc64el"),
        ("riscv64", "riscv64"),
        ("s390x", "s390x"),
        ("loong64", "loong64"),
    ];
    NAMES.iter().find(|(name, _)| *name == last).map(|(_, arch)| *arch)
}

fn dnf(
    machine: &Machine,
    request: &Request,
    dir: &Path,
    runner: &mut dyn Runner,
    note: &mut dyn FnMut(&str),
) -> Result<Fetched> {
    let release = &request.release;
    let mut names = Vec::new();
    if !request.image_only {
        names.push(format!("kernel-devel-{release}"));
    }
    if request.image || request.image_only {
        names.push(format!("kernel-core-{release}"));
        names.push(format!("kernel-modules-core-{release}"));
    }
    let mut command = Command::new(["dnf", "-q", "download"]).arg("--destdir").arg(dir);
    // The architecture is the last part of a release there: 6.11.4-301.fc41.aarch64.
    let arch = release.rsplit('.').next().unwrap_or_default();
    if Family::of_machine(arch).is_some_and(|f| f != machine.family) {
        command = command.arg(format!("--forcearch={arch}"));
    }
    note(&format!("downloading {}", names.join(", ")));
    run(runner, &command.args(&names))?;
    let entries = fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "rpm"))
        .collect();
    files.sort();
    if files.is_empty() {
        let message = format!("the distribution's archives have no {}", names.join(", "));
        return Err(Error::new(Kind::UnknownTree, message));
    }
    Ok(Fetched { release: release.clone(), files })
}

/// The value of a field of a Debian control paragraph, continuation lines joined by spaces.
pub fn control_field(paragraph: &str, name: &str) -> Option<String> {
    let mut out: Option<String> = None;
    for line in paragraph.lines() {
        if let Some(value) = &mut out {
            if !line.starts_with([' ', '\t']) {
                break;
            }
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((key, value)) = line.split_once(':')
            && key.eq_ignore_ascii_case(name)
        {
            out = Some(value.trim().to_string());
        }
    }
    out
}

/// The names in a Depends field; of alternatives the first.
pub fn dependency_names(depends: &str) -> Vec<String> {
    depends
        .split(',')
        .filter_map(|group| {
            let first = group.split('|').next()?.trim();
            let name = first.split([' ', '(', ':', '[']).next()?.trim();
            (!name.is_empty()).then(|| name.to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_depends_field() {
        let text = "Package: x\nDepends: linux-base (>= 4.12~), linux-image-1 (= 1) | linux-image-1-unsigned,\n gcc-12:any\nSize: 3\n";
        let depends = control_field(text, "depends").unwrap();
        assert_eq!(dependency_names(&depends), ["linux-base", "linux-image-1", "gcc-12"]);
        assert_eq!(control_field(text, "Nothing"), None);
    }

    #[test]
    fn the_architecture_in_a_release() {
        assert_eq!(deb_arch("6.12.117+deb12-rt-arm64"), Some("arm64"));
        assert_eq!(deb_arch("6.8.0-31-generic"), None);
    }
}
