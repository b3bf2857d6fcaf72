//! Path names as they mean inside a root directory, as after `chroot`.
//!
//! Tests look at made-up machines below a temporary directory, and a store entry is a small file
//! system of its own; in both an absolute symbolic link means a place below the root. Knows nothing
//! of kernels.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Symbolic links followed in one look-up before it is called a loop (the kernel's own limit).
const MAX_LINKS: usize = 40;

/// A directory that plays the part of `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

/// Why a name has no meaning inside the root.
#[derive(Debug)]
pub enum Failed {
    /// `..` went above the root. (The system would stay at `/`; packages that do it are suspect.)
    Climbs,
    /// Nothing there, a loop, or the system refused.
    Io(io::Error),
}

impl Root {
    /// The root at this directory of the real system.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Root(dir.into())
    }

    /// The real system.
    pub fn system() -> Self {
        Root(PathBuf::from("/"))
    }

    /// Where the root is in the real system.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The real system's name for `inside`, which is absolute or relative to the root. Links are not
    /// looked at.
    pub fn outside(&self, inside: &Path) -> PathBuf {
        match inside.strip_prefix("/") {
            Ok(relative) => self.0.join(relative),
            Err(_) => self.0.join(inside),
        }
    }

    /// The name inside the root of a real name, if it lies below the root.
    pub fn inside(&self, outside: &Path) -> Option<PathBuf> {
        outside.strip_prefix(&self.0).ok().map(|rest| Path::new("/").join(rest))
    }

    /// The name inside the root with every symbolic link followed. Everything must exist.
    ///
    /// # Errors
    /// [`Failed::Climbs`] where `..` leaves the root, else what the system says.
    pub fn resolve(&self, inside: &Path) -> Result<PathBuf, Failed> {
        self.walk(inside, true)
    }

    /// As [`Root::resolve`], but a last component that does not exist (yet) is let pass, and so is
    /// everything behind the first component that does not exist.
    ///
    /// # Errors
    /// As [`Root::resolve`].
    pub fn resolve_loosely(&self, inside: &Path) -> Result<PathBuf, Failed> {
        self.walk(inside, false)
    }

    /// The real name, links followed inside the root; `None` if there is nothing.
    pub fn find(&self, inside: &Path) -> Option<PathBuf> {
        self.resolve(inside).ok().map(|path| self.outside(&path))
    }

    fn walk(&self, inside: &Path, strict: bool) -> Result<PathBuf, Failed> {
        let mut pending = steps(inside);
        let mut done: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(step) = pending.pop() {
            let Step::Down(name) = step else {
                if done.pop().is_none() && self.0 != Path::new("/") {
                    return Err(Failed::Climbs);
                }
                continue;
            };
            done.push(name);
            let here = self.0.join(done.iter().collect::<PathBuf>());
            match fs::symlink_metadata(&here) {
                Ok(meta) if meta.is_symlink() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Failed::Io(io::Error::from(io::ErrorKind::TooManyLinks)));
                    }
                    let target = fs::read_link(&here).map_err(Failed::Io)?;
                    done.pop();
                    if target.is_absolute() {
                        done.clear();
                    }
                    pending.extend(steps(&target));
                }
                Ok(_) => {}
                Err(e) if strict => return Err(Failed::Io(e)),
                Err(_) => {}
            }
        }
        Ok(Path::new("/").join(done.iter().collect::<PathBuf>()))
    }
}

enum Step {
    Up,
    Down(OsString),
}

/// The components of a path, last first, so that a stack of them can be added to.
fn steps(path: &Path) -> Vec<Step> {
    let mut out: Vec<Step> = path
        .components()
        .filter_map(|c| match c {
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Down(name.to_os_string())),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    out.reverse();
    out
}

/// The path with `.` and `..` taken out by their text alone; `None` if it climbs above its start.
pub fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir => out.push("/"),
            Component::CurDir | Component::Prefix(_) => {}
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                if out.as_os_str().is_empty() || !out.pop() {
                    return None;
                }
            }
        }
    }
    Some(out)
}

/// How to get from the directory `from` to `to`, both absolute and normal (`../../lib/x`).
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let a: Vec<_> = from.components().collect();
    let b: Vec<_> = to.components().collect();
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let mut out: PathBuf = a[common..].iter().map(|_| Component::ParentDir).collect();
    out.extend(&b[common..]);
    if out.as_os_str().is_empty() {
        out.push(".");
    }
    out
}
