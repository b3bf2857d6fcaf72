//! What the machine has: kernel trees of the tested series, programs, the tools' identity.
//! It knows where distributions put kernel trees, and nothing of what is in one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;

/// The series whose header trees every case runs on.
pub const SERIES: &[&str] = &["6.1", "6.12"];

/// Set for a process whose mounts are its own, by whoever started it so.
pub const GUARDED: &str = "KILN_TEST_GUARDED";

/// A kernel tree to build against.
#[derive(Debug, Clone, Default)]
pub struct KernelTree {
    /// Such as `6.12`.
    pub series: String,
    /// What `uname -r` says on that kernel.
    pub release: String,
    /// The directory for `-C`.
    pub dir: PathBuf,
    /// Changes when the tree does.
    pub identity: String,
    /// The folder that is `/` for whatever runs in its cases, where it is not the machine's own.
    pub folder: Option<PathBuf>,
    /// Programs that its cases find by these names.
    pub programs: Vec<(String, PathBuf)>,
    /// More environment for both programs.
    pub env: Vec<(String, String)>,
    /// A directory that the reference sees in the place of another: `(seen, place)`. It needs host
    /// tools that run on this machine, where the tree has others. Both as this process sees them.
    pub exchanged: Option<(PathBuf, PathBuf)>,
}

impl KernelTree {
    /// The configured tree in a directory of this machine; with `folder`, one that is below it and
    /// that its cases see from there.
    pub fn at(series: &str, dir: &Path, folder: Option<PathBuf>) -> Self {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let release = name.trim_start_matches("linux-headers-").to_owned();
        let mut identity = identity_of(dir, &release);
        let mut inside = dir.to_path_buf();
        if let Some(folder) = &folder {
            let packages = fs::read(folder.join("var/lib/dpkg/status")).unwrap_or_default();
            identity.push_str(&cache::identity(&packages));
            inside = Path::new("/").join(dir.strip_prefix(folder).unwrap_or(dir));
        }
        let series = series.to_owned();
        KernelTree { series, release, dir: inside, identity, folder, ..KernelTree::default() }
    }

    /// The directory as this process sees it.
    pub fn outside(&self) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(self.dir.strip_prefix("/").unwrap_or(&self.dir)),
            None => self.dir.clone(),
        }
    }
}

/// The newest header tree of each tested series, in the order of [`SERIES`]. Flavours (cloud, rt) and
/// other architectures are left out.
pub fn kernel_trees() -> Vec<KernelTree> {
    let mut best: Vec<KernelTree> = Vec::new();
    let Ok(list) = fs::read_dir("/usr/src") else { return best };
    for item in list.filter_map(Result::ok) {
        let dir = item.path();
        // The file kernel.release is not asked: a distribution may override the name that it holds.
        let Some(release) = release_of(&dir) else { continue };
        let numbers: Vec<&str> = release.split(['.', '-', '+']).collect();
        let [major, minor, ..] = numbers.as_slice() else { continue };
        let series = format!("{major}.{minor}");
        let flavour = release.contains("-rt-") || release.contains("-cloud-");
        let foreign = !dir.join("scripts/mod/modpost").exists();
        if flavour || foreign || !SERIES.contains(&series.as_str()) {
            continue;
        }
        let tree = KernelTree { release, ..KernelTree::at(&series, &dir, None) };
        match best.iter_mut().find(|t| t.series == tree.series) {
            Some(t) if version_key(&t.release) < version_key(&tree.release) => *t = tree,
            Some(_) => {}
            None => best.push(tree),
        }
    }
    best.sort_by_key(|t| SERIES.iter().position(|s| *s == t.series));
    best
}

/// The release whose `/lib/modules/RELEASE/build` leads to the tree.
fn release_of(dir: &Path) -> Option<String> {
    let real = fs::canonicalize(dir).ok()?;
    let list = fs::read_dir("/lib/modules").ok()?;
    list.filter_map(Result::ok)
        .find(|e| fs::canonicalize(e.path().join("build")).is_ok_and(|b| b == real))
        .map(|e| e.file_name().to_string_lossy().into_owned())
}

/// The numbers in a version, for comparing.
fn version_key(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|p| p.parse().ok()).collect()
}

fn identity_of(dir: &Path, release: &str) -> String {
    let mut all = release.as_bytes().to_vec();
    for f in [
        "Makefile",
        "Module.symvers",
        ".config",
        "include/config/auto.conf",
        "include/generated/autoconf.h",
        "include/generated/compile.h",
        "scripts/mod/modpost",
    ] {
        all.extend_from_slice(&fs::read(dir.join(f)).unwrap_or_default());
    }
    cache::identity(&all)
}

/// The programs that the bytes of a build depend on, by what they say of themselves.
pub fn tools_identity() -> String {
    let mut all = Vec::new();
    for tool in ["gcc", "gcc-12", "ld", "pahole", "sparse", "xz", "openssl", "depmod", "sh"] {
        all.extend_from_slice(tool.as_bytes());
        if tool == "sh" {
            all.extend_from_slice(&fs::read("/bin/sh").unwrap_or_default());
            continue;
        }
        let option = if tool == "openssl" { "version" } else { "--version" };
        let out = Command::new(tool).arg(option).stdin(Stdio::null()).output();
        if let Ok(out) = out {
            all.extend_from_slice(&out.stdout);
            all.extend_from_slice(&out.stderr);
        }
    }
    cache::identity(&all)
}

/// Whether a program is in PATH or in the directories for the administrator.
pub fn has_program(name: &str) -> bool {
    find_program(name).is_some()
}

/// Where a program is.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|d| d.join(name))
        .find(|p| p.is_file())
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A number that changes when a file below `dir` is made, removed or written: trees of the machine
/// must come out of a test as they went in.
pub fn stamp_of(dir: &Path) -> String {
    let line = "find . -printf '%p %s %T@ %m %l\\n' | sort | sha256sum";
    let out = Command::new("sh").args(["-c", line]).current_dir(dir).output();
    out.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version_key("6.12.9+deb12-amd64") < version_key("6.12.117+deb12-amd64"));
    }
}
