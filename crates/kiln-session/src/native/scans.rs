//! The option names in files that fixdep has looked at, kept for as long as the process lives.
//!
//! The objects of a build include nearly the same headers: each is read and searched once, and then
//! only asked for its size, times and place. It does not know what a name is, nor how it is written.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_modtools::fixdep::{Cache, Sources, names};
use rustc_hash::FxHashMap;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use xxhash_rust::xxh3::xxh3_128;

use crate::toolhost::read_whole;

/// A file that changed less than so many seconds ago may change again without a new time: the clock
/// that files are stamped with goes in steps, of two seconds at most on any file system.
const YOUNG: i64 = 3;

/// All that was seen so far, for any number of threads.
#[derive(Default)]
pub(super) struct Scans(Mutex<Cache>);

impl Scans {
    /// For paths relative to a directory, in one call.
    pub(super) fn at<'a>(&'a self, dir: &'a Path) -> Seen<'a> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        Seen { kept: &self.0, dir, now, open: FxHashMap::default() }
    }
}

/// The files of one call.
pub(super) struct Seen<'a> {
    kept: &'a Mutex<Cache>,
    dir: &'a Path,
    now: i64,
    /// Directories of this call: hundreds of headers lie in a few dozen, and half of what asking for a
    /// file costs is finding its directory.
    open: FxHashMap<Vec<u8>, OwnedFd>,
}

impl Seen<'_> {
    /// What a file is, unless it is too young to tell.
    fn identity(&self, stat: &Stat) -> Option<u128> {
        let is_old = |seconds: i64| seconds.saturating_add(YOUNG) < self.now;
        if !is_old(stat.st_ctime) || !is_old(stat.st_mtime) {
            return None;
        }
        let mut text = [0; 56];
        let parts = [
            stat.st_dev,
            stat.st_ino,
            stat.st_size as u64,
            stat.st_mtime as u64,
            stat.st_mtime_nsec,
            stat.st_ctime as u64,
            stat.st_ctime_nsec,
        ];
        for (to, part) in text.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part.to_le_bytes());
        }
        Some(xxh3_128(&text))
    }
}

impl Sources for Seen<'_> {
    fn names(&mut self, path: &[u8]) -> io::Result<Arc<[u8]>> {
        let joined;
        let full: &[u8] = match path.first() {
            Some(b'/') => path,
            _ => {
                joined = self.dir.join(OsStr::from_bytes(path));
                joined.as_os_str().as_bytes()
            }
        };
        let (dir, name) = full.split_at(memchr::memrchr(b'/', full).map_or(0, |at| at + 1));
        if !self.open.contains_key(dir) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if let Ok(fd) = rustix::fs::open(dir, flags, Mode::empty()) {
                self.open.insert(dir.to_vec(), fd);
            }
        }
        let (at, name) = match self.open.get(dir) {
            Some(fd) if !name.is_empty() => (fd.as_fd(), name),
            _ => (CWD, full),
        };
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().knows(full);
        if known
            && let Ok(stat) = rustix::fs::statat(at, name, AtFlags::empty())
            && let Some(identity) = self.identity(&stat)
            && let Some(list) = kept().get(full, identity)
        {
            return Ok(list);
        }
        let file = rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // What was opened is what is kept, whatever the name stands for by then.
        let stat = rustix::fs::fstat(&file)?;
        let text = read_whole(File::from(file), usize::try_from(stat.st_size).unwrap_or(0))?;
        let list: Arc<[u8]> = Arc::from(names(&text));
        if let Some(identity) = self.identity(&stat) {
            kept().keep(full, identity, &list);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_again_once_it_is_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.h");
        let scans = Scans::default();
        let list = |scans: &Scans, later: i64| {
            let mut seen = scans.at(dir.path());
            seen.now += later;
            seen.names(b"a.h").map(|n| String::from_utf8_lossy(&n).into_owned())
        };
        assert!(list(&scans, 0).is_err());
        fs::write(&path, "CONFIG_A").expect("a file");
        // Just written: looked at anew each time, even where nothing about the file tells.
        assert_eq!(list(&scans, 0).expect("names"), "A\n");
        assert!(scans.0.lock().expect("a lock").get(path.as_os_str().as_bytes(), 0).is_none());
        assert_eq!(format!("{:?}", scans.0), format!("{:?}", Scans::default().0));
        assert_eq!(list(&scans, 60).expect("names"), "A\n");
        assert_ne!(format!("{:?}", scans.0), format!("{:?}", Scans::default().0));
        // Of the same size, in the same place, and written at once: its times are others.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "CONFIG_B").expect("a file");
        assert_eq!(list(&scans, 60).expect("names"), "B\n");
        fs::remove_file(&path).expect("a file");
        assert!(list(&scans, 60).is_err());
    }

    #[test]
    fn what_is_kept_is_what_is_given() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("a.h"), "CONFIG_A").expect("a file");
        let scans = Scans::default();
        let mut seen = scans.at(dir.path());
        seen.now += 60;
        let first = seen.names(b"a.h").expect("names");
        let second = seen.names(b"a.h").expect("names");
        assert!(Arc::ptr_eq(&first, &second));
        // A directory says what it says to everybody.
        fs::create_dir(dir.path().join("d")).expect("a directory");
        let error = seen.names(b"d").expect_err("no file");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
