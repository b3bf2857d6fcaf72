//! Targets whose recipes have begun and not ended, written down before they begin, so that a build
//! that is killed leaves nothing half made behind.
//!
//! A `SIGKILL` in the middle of a recipe may leave a target that looks finished: kbuild's `.cmd` file
//! is complete before genksyms adds its lines, a `.ko` is linked before pahole adds its section. So
//! each process keeps a file of its own in the user's cache directory, one line in front of each
//! recipe and one behind it, and holds a lock on it for as long as it lives. Whoever finds such a file
//! without a lock deletes what was being made, as make itself does where it lives to see a signal:
//! targets that changed since their recipe began. That makes them missing for every make.
//!
//! What holds: a line is on its way to the disk before the first command of its recipe is started; a
//! recipe that changed nothing yet keeps its reason to run; a journal without unfinished lines, or
//! whose build came to its end in whatever way, is removed.
//!
//! Records end with a NUL: `B NUMBER IDENTITY PATH` and `E NUMBER`. This file does not know make.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use rustix::fs::FlockOperation;

/// The directory below the cache directory.
const DIR: &str = "unfinished";

/// A journal longer than this is none of ours.
const MOST: u64 = 256 << 20;

/// The journal of this process. The file is made when the first recipe begins.
pub struct Journal {
    dir: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// A journal in a cache directory.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        Journal { dir: cache.join(DIR), open: Mutex::new(None) }
    }

    /// A recipe for these targets (absolute paths) is about to begin. A journal that cannot be written
    /// is no reason not to build.
    pub fn begun(&self, number: u64, targets: &[Vec<u8>]) {
        let mut text = Vec::new();
        for path in targets {
            text.extend_from_slice(format!("B {number} {} ", identity(path)).as_bytes());
            text.extend_from_slice(path);
            text.push(0);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            *open = create(&self.dir).ok();
        }
        if let Some(open) = &mut *open {
            // In one write, so that a kill cannot cut it.
            let _ = open.file.write_all(&text);
        }
    }

    /// It has ended, well or not: a failed recipe is make's business.
    pub fn ended(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &mut *open {
            let _ = open.file.write_all(format!("E {number}\0").as_bytes());
        }
    }

    /// The build has come to its end and cleaned up after itself.
    pub fn close(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.take() {
            let _ = fs::remove_file(&open.path);
        }
    }
}

fn create(dir: &Path) -> io::Result<Open> {
    fs::create_dir_all(dir)?;
    for n in 0..1000 {
        let path = dir.join(format!("{}.{n}", std::process::id()));
        match File::options().append(true).create_new(true).open(&path) {
            Ok(file) => {
                // Whoever looks for dead journals at this moment takes this one for such.
                let lock = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                if lock.is_err() || !path.exists() {
                    continue;
                }
                return Ok(Open { path, file });
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What tells one state of a file from another: a write changes its `ctime` at least.
pub(crate) fn identity(path: &[u8]) -> String {
    let Ok(m) = fs::symlink_metadata(OsStr::from_bytes(path)) else { return "-".to_owned() };
    let mut text = String::new();
    let _ = write!(text, "{}:{}:{}.{}", m.ino(), m.size(), m.ctime(), m.ctime_nsec());
    text
}

/// Deletes what builds that were killed left half made, and returns the files.
#[must_use]
pub fn repair(cache: &Path) -> Vec<PathBuf> {
    let mut deleted = Vec::new();
    let Ok(list) = fs::read_dir(cache.join(DIR)) else { return deleted };
    for entry in list.flatten() {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        // Its process lives, or another repairs.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let whole = file.metadata().is_ok_and(|m| m.is_file() && m.len() <= MOST);
        if let Some(bytes) = whole.then(|| fs::read(&path).ok()).flatten() {
            for target in unfinished(&bytes) {
                if identity(&target.path) != target.identity && delete(&target.path) {
                    deleted.push(PathBuf::from(OsStr::from_bytes(&target.path)));
                }
            }
        }
        let _ = fs::remove_file(&path);
    }
    deleted
}

/// Deletes a regular file. Nothing else is ever half made.
fn delete(path: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) && fs::remove_file(path).is_ok()
}

/// A target whose recipe has begun.
struct Target {
    identity: String,
    path: Vec<u8>,
}

/// The targets of recipes that have begun and not ended. A record that is cut off or unknown says
/// nothing.
fn unfinished(bytes: &[u8]) -> Vec<Target> {
    let mut begun: FxHashMap<u64, Vec<Target>> = FxHashMap::default();
    // What follows the last NUL is cut off.
    let whole = bytes.iter().rposition(|&b| b == 0).map_or(&bytes[..0], |end| &bytes[..end]);
    for record in whole.split(|&b| b == 0) {
        let mut words = record.splitn(4, |&b| b == b' ');
        let kind = words.next();
        let number = words.next().and_then(|w| std::str::from_utf8(w).ok()?.parse().ok());
        match (kind, number, words.next(), words.next()) {
            (Some(b"B"), Some(n), Some(identity), Some(path)) if path.starts_with(b"/") => {
                let identity = String::from_utf8_lossy(identity).into_owned();
                begun.entry(n).or_default().push(Target { identity, path: path.to_vec() });
            }
            (Some(b"E"), Some(n), None, None) => {
                begun.remove(&n);
            }
            _ => {}
        }
    }
    begun.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(path: &Path) -> Vec<u8> {
        path.as_os_str().as_bytes().to_vec()
    }

    /// What is left after a process with these targets was killed: (begun, changed, ended).
    fn left(targets: &[(&str, bool, bool)]) -> Vec<String> {
        let tmp = tempfile::tempdir().unwrap();
        let journal = Journal::new(tmp.path());
        for (n, (name, changed, ended)) in targets.iter().enumerate() {
            let path = tmp.path().join(name);
            fs::write(&path, "old").unwrap();
            journal.begun(n as u64 + 1, &[bytes(&path)]);
            if *changed {
                fs::write(&path, "half").unwrap();
            }
            if *ended {
                journal.ended(n as u64 + 1);
            }
        }
        // While its process lives nobody touches it.
        assert!(repair(tmp.path()).is_empty());
        drop(journal);
        let mut gone: Vec<String> = repair(tmp.path())
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        gone.sort();
        for (name, ..) in targets {
            assert_eq!(tmp.path().join(name).exists(), !gone.contains(&(*name).to_owned()));
        }
        assert!(fs::read_dir(tmp.path().join(DIR)).unwrap().next().is_none());
        gone
    }

    #[test]
    fn only_what_was_changed_and_not_finished_is_deleted() {
        let all = [("a", true, false), ("b", true, true), ("c", false, false), ("d", false, true)];
        assert_eq!(left(&all), ["a"]);
    }

    #[test]
    fn a_build_that_ends_leaves_no_journal() {
        let tmp = tempfile::tempdir().unwrap();
        let journal = Journal::new(tmp.path());
        let path = tmp.path().join("a");
        journal.begun(1, &[bytes(&path)]);
        fs::write(&path, "made").unwrap();
        journal.close();
        assert!(repair(tmp.path()).is_empty());
        assert!(path.exists());
    }

    #[test]
    fn foreign_bytes_say_nothing() {
        let text = b"B 1 - /x\0B x - /y\0B 2 -\0B 3 - rel\0\xff\0E 1\0B 4 - /cut";
        assert!(unfinished(text).is_empty());
        assert_eq!(unfinished(b"B 1 - /a b\nc\0")[0].path, b"/a b\nc");
        assert!(unfinished(b"").is_empty());
    }
}
