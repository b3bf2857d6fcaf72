//! The option names in files that fixdep has looked at, kept for as long as the process lives, and from
//! one build to the next.
//!
//! The objects of a build include nearly the same headers: each is read and searched once, and then
//! only asked for its size, times and place. It does not know what a name is, nor how it is written.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_modtools::fixdep::{Cache, Sources, names};
use kiln_watch::{Finding, Findings};
use rustc_hash::FxHashMap;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use xxhash_rust::xxh3::xxh3_128;

use crate::toolhost::read_whole;

/// A file that changed less than so many seconds ago may change again without a new time: the clock
/// that files are stamped with goes in steps, of two seconds at most on any file system.
const YOUNG: i64 = 3;

/// One in so many of what is kept has to be new before it is all written again: a source that is
/// worked on is another file in each build.
const WORTH: usize = 16;

/// All that was seen so far, for any number of threads.
pub(super) struct Scans {
    kept: Mutex<Cache>,
    /// Where earlier builds left what they had seen, until the first call has looked there.
    former: Mutex<Option<PathBuf>>,
    dir: Option<PathBuf>,
}

impl Scans {
    /// With what earlier builds left in a directory.
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Scans { kept: Mutex::default(), former: Mutex::new(dir.clone()), dir }
    }

    /// For paths relative to a directory, in one call.
    pub(super) fn at<'a>(&'a self, dir: &'a Path) -> Seen<'a> {
        // Nobody goes on before all is there, and nothing is read where nothing is compiled.
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = former.take() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Findings::open(&dir).each(|f| kept.adopt(f.path, f.identity, f.found.into()));
        }
        Seen { kept: &self.kept, dir, now: now(), open: FxHashMap::default() }
    }

    /// Leaves what was seen to later builds. A directory that cannot be written is no error.
    pub(super) fn save(&self) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = &self.dir
            && kept.fresh() > kept.entries().len() / WORTH
        {
            let all = kept.entries();
            let all = all.map(|(path, identity, found)| Finding { path, identity, found });
            let _ = Findings::open(dir).put(all);
        }
    }
}

/// The time in seconds, as files are stamped with it.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// What a file is, unless it is too young to tell.
pub(super) fn identity(stat: &Stat, now: i64) -> Option<u128> {
    let is_old = |seconds: i64| seconds.saturating_add(YOUNG) < now;
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

/// The files of one call.
pub(super) struct Seen<'a> {
    kept: &'a Mutex<Cache>,
    dir: &'a Path,
    now: i64,
    /// Directories of this call: hundreds of headers lie in a few dozen, and half of what asking for a
    /// file costs is finding its directory.
    open: FxHashMap<Vec<u8>, OwnedFd>,
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
            && let Some(identity) = identity(&stat, self.now)
            && let Some(list) = kept().get(full, identity)
        {
            return Ok(list);
        }
        let file = rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // What was opened is what is kept, whatever the name stands for by then.
        let stat = rustix::fs::fstat(&file)?;
        let text = read_whole(File::from(file), usize::try_from(stat.st_size).unwrap_or(0))?;
        let list: Arc<[u8]> = Arc::from(names(&text));
        if let Some(identity) = identity(&stat, self.now) {
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
        let scans = Scans::new(None);
        let list = |scans: &Scans, later: i64| {
            let mut seen = scans.at(dir.path());
            seen.now += later;
            seen.names(b"a.h").map(|n| String::from_utf8_lossy(&n).into_owned())
        };
        assert!(list(&scans, 0).is_err());
        fs::write(&path, "CONFIG_A").expect("a file");
        // Just written: looked at anew each time, even where nothing about the file tells.
        assert_eq!(list(&scans, 0).expect("names"), "A\n");
        assert!(scans.kept.lock().expect("a lock").get(path.as_os_str().as_bytes(), 0).is_none());
        assert_eq!(format!("{:?}", scans.kept), format!("{:?}", Scans::new(None).kept));
        assert_eq!(list(&scans, 60).expect("names"), "A\n");
        assert_ne!(format!("{:?}", scans.kept), format!("{:?}", Scans::new(None).kept));
        // Of the same size, in the same place, and written at once: its times are others.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "CONFIG_B").expect("a file");
        assert_eq!(list(&scans, 60).expect("names"), "B\n");
        fs::remove_file(&path).expect("a file");
        assert!(list(&scans, 60).is_err());
    }

    #[test]
    fn a_later_build_knows_what_an_earlier_one_saw() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = dir.path().join("cache");
        let path = dir.path().join("a.h");
        let list = |scans: &Scans| {
            let mut seen = scans.at(dir.path());
            seen.now += 60;
            let names = seen.names(b"a.h").expect("names");
            (
                String::from_utf8_lossy(&names).into_owned(),
                scans.kept.lock().expect("a lock").fresh(),
            )
        };
        fs::write(&path, "CONFIG_A").expect("a file");
        let first = Scans::new(Some(cache.clone()));
        assert_eq!(list(&first), ("A\n".to_owned(), 1));
        first.save();
        let second = Scans::new(Some(cache.clone()));
        assert_eq!(list(&second), ("A\n".to_owned(), 0), "not searched again");
        // Of the same size, and put back to the time that it had: the time of that change tells.
        let then = fs::metadata(&path).and_then(|m| m.modified()).expect("a time");
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, "CONFIG_B").expect("a file");
        let file = File::options().write(true).open(&path).expect("a file");
        file.set_modified(then).expect("a time");
        assert_eq!(list(&Scans::new(Some(cache.clone()))), ("B\n".to_owned(), 1));
        // A place where nothing can be kept.
        fs::write(dir.path().join("no"), "").expect("a file");
        let nowhere = Scans::new(Some(dir.path().join("no")));
        assert_eq!(list(&nowhere).1, 1);
        nowhere.save();
    }

    #[test]
    fn what_is_kept_is_what_is_given() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("a.h"), "CONFIG_A").expect("a file");
        let scans = Scans::new(None);
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
