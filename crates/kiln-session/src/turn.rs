//! Two builds of one module's directory at once: the second waits for the first. kbuild's steps for a
//! directory share files (`Module.symvers`, `modules.order`, `.cmd` files), so that two builds at once
//! leave what neither would.
//!
//! A build is known by the directory that `M=` names where a kernel tree's makefile is; other makes do
//! not wait, as make does not. The lock is a `flock` on a file in the user's cache directory, so it
//! ends with its process however that ends. What holds, so that nobody waits for ever: who holds a lock
//! does not wait for another; who was started by a make (`MAKELEVEL`) or below the one who holds it
//! does not wait either, since that one waits for it.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use rustix::fs::FlockOperation;
use xxhash_rust::xxh3::xxh3_128;

/// The directory below the cache directory.
const DIR: &str = "locks";
/// How often it is looked whether the other build has ended.
const PAUSE: Duration = Duration::from_millis(50);
/// Processes have no longer line of ancestors.
const DEEPEST: usize = 1000;

/// The directories that this process builds.
pub struct Turns {
    dir: Option<PathBuf>,
    /// This process was started by a make, which may be who holds the lock.
    below_make: bool,
    held: Mutex<FxHashMap<PathBuf, Held>>,
}

struct Held {
    /// `None` where another process has it and this one went on all the same.
    file: Option<File>,
    instances: usize,
}

/// A build of a directory; it ends with the value.
pub struct Turn {
    turns: Arc<Turns>,
    dir: PathBuf,
}

impl Turns {
    /// With locks in a cache directory; without one nobody waits.
    #[must_use]
    pub fn new(cache: Option<&Path>) -> Arc<Self> {
        let level = std::env::var("MAKELEVEL").unwrap_or_default();
        let below_make = !matches!(level.trim(), "" | "0");
        let dir = cache.map(|cache| cache.join(DIR));
        Arc::new(Turns { dir, below_make, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, FxHashMap<PathBuf, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to build a directory (a real path). If another build of it runs, `waits` is told its
    /// process each time before this one waits a little; it ends the waiting with false.
    pub fn begin(self: &Arc<Self>, dir: &Path, mut waits: impl FnMut(i32) -> bool) -> Turn {
        loop {
            let mut held = self.held();
            if let Some(own) = held.get_mut(dir) {
                own.instances += 1;
                break;
            }
            let (file, holder) = match self.try_lock(dir) {
                Ok(file) => (Some(file), None),
                Err(holder) => (None, holder),
            };
            let waits_for = holder
                .filter(|holder| held.is_empty() && !self.below_make && !is_ancestor(*holder));
            let Some(holder) = waits_for else {
                held.insert(dir.to_path_buf(), Held { file, instances: 1 });
                break;
            };
            drop(held);
            if !waits(holder) {
                self.held().insert(dir.to_path_buf(), Held { file: None, instances: 1 });
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Turn { turns: Arc::clone(self), dir: dir.to_path_buf() }
    }

    /// The lock, or who has it; a lock that cannot be made is no reason not to build.
    fn try_lock(&self, dir: &Path) -> Result<File, Option<i32>> {
        let place = self.dir.as_deref().ok_or(None)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(place).map_err(|_| None)?;
        let path = lock_file(place, dir);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|_| None)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Who has it may not have written down yet who it is.
                let _ = file.read_to_string(&mut text);
                return Err(Some(text.trim().parse().unwrap_or(0)));
            }
            Err(_) => return Err(None),
        }
        // Whoever had it removes the file at the end.
        let same = fs::metadata(&path).is_ok_and(|now| {
            file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()))
        });
        if !same {
            return Err(Some(0));
        }
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = file.write_all(std::process::id().to_string().as_bytes());
        Ok(file)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.turns.held();
        let Some(own) = held.get_mut(&self.dir) else { return };
        own.instances -= 1;
        if own.instances > 0 {
            return;
        }
        let ended = held.remove(&self.dir);
        if let (Some(place), Some(Held { file: Some(_), .. })) = (&self.turns.dir, &ended) {
            let _ = fs::remove_file(lock_file(place, &self.dir));
        }
    }
}

/// The file whose lock is that of a directory.
fn lock_file(place: &Path, dir: &Path) -> PathBuf {
    place.join(format!("{:032x}", xxh3_128(dir.as_os_str().as_bytes())))
}

/// Whether a process is above this one.
fn is_ancestor(process: i32) -> bool {
    if process <= 0 {
        return false;
    }
    let mut id = std::process::id().to_string();
    for _ in 0..DEEPEST {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, parent.
        let parent = stat.rsplit(')').next().and_then(|t| t.split_ascii_whitespace().nth(1));
        match parent.map(str::to_owned) {
            Some(parent) if parent == process.to_string() => return true,
            Some(parent) if parent != "0" => id = parent,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(cache: &Path) -> Arc<Turns> {
        Arc::new(Turns { dir: Some(cache.join(DIR)), below_make: false, held: Mutex::default() })
    }

    #[test]
    fn one_process_builds_as_often_as_it_likes() {
        let tmp = tempfile::tempdir().unwrap();
        let turns = turns(tmp.path());
        let never = |_| -> bool { panic!("waited") };
        let one = turns.begin(Path::new("/one"), never);
        let again = turns.begin(Path::new("/one"), never);
        let other = turns.begin(Path::new("/other"), never);
        drop((one, other));
        assert_eq!(fs::read_dir(tmp.path().join(DIR)).unwrap().count(), 1);
        drop(again);
        assert_eq!(fs::read_dir(tmp.path().join(DIR)).unwrap().count(), 0);
    }

    #[test]
    fn another_waits_but_not_for_another_directory() {
        // Two openings of a file lock each other out within a process too.
        let tmp = tempfile::tempdir().unwrap();
        let (first, second) = (turns(tmp.path()), turns(tmp.path()));
        let mut turn = Some(first.begin(Path::new("/one"), |_| true));
        let mut told = Vec::new();
        let other = second.begin(Path::new("/other"), |_| -> bool { panic!("waited") });
        drop(other);
        drop(second.begin(Path::new("/one"), |holder| {
            told.push(holder);
            turn = None;
            true
        }));
        assert_eq!(told, [std::process::id() as i32]);
    }

    #[test]
    fn who_holds_one_does_not_wait_for_another() {
        let tmp = tempfile::tempdir().unwrap();
        let (first, second) = (turns(tmp.path()), turns(tmp.path()));
        let _one = first.begin(Path::new("/one"), |_| true);
        let _two = second.begin(Path::new("/two"), |_| true);
        let _both = second.begin(Path::new("/one"), |_| -> bool { panic!("waited") });
    }

    #[test]
    fn a_cache_that_cannot_be_written_stops_nobody() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join(DIR), "").unwrap();
        let turns = turns(tmp.path());
        drop(turns.begin(Path::new("/one"), |_| -> bool { panic!("waited") }));
    }

    #[test]
    fn parents_are_above() {
        assert!(is_ancestor(std::os::unix::process::parent_id() as i32));
        assert!(!is_ancestor(std::process::id() as i32));
        assert!(!is_ancestor(0));
    }
}
