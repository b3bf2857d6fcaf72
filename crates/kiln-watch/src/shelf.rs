//! A directory of small files in the user's cache, each named by a key: written whole or not at all,
//! bounded in number and size. It knows nothing of what they say.
//!
//! As in [`crate::store`], nothing here makes a run fail: what cannot be read is not there.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::file::trusted;
use crate::key::Key;

// A file:
//
//   header    8 bytes that name the format
//   checksum  u64, xxh3 of what follows
//
// It is replaced by renaming; whoever reads has the old one or the new one, and of two writers one wins.
// Nothing is synced, since the checksum tells what a power cut left.

const TEMPORARY: &str = ".new.";

/// What a shelf may hold.
pub(crate) struct Limits {
    /// The name of the directory below the cache directory.
    pub dir: &'static str,
    /// What each file begins with.
    pub magic: &'static [u8; 8],
    /// Largest file in bytes.
    pub largest: u64,
    /// How many files there are, before more are put there; the ones that were written the longest ago go first.
    pub most: usize,
    /// How many bytes all of them may have.
    pub most_bytes: u64,
}

/// See the module.
pub(crate) struct Shelf {
    dir: PathBuf,
    limits: &'static Limits,
    /// How many files were put there.
    puts: AtomicUsize,
}

/// Looking through a full shelf takes as long as writing this many files, so room is made for so many at once.
const AT_ONCE: usize = 64;

impl Shelf {
    /// The one below the cache directory, which need not exist.
    pub fn open(cache: &Path, limits: &'static Limits) -> Self {
        Shelf { dir: cache.join(limits.dir), limits, puts: AtomicUsize::new(0) }
    }

    fn file(&self, key: Key) -> PathBuf {
        self.dir.join(format!("{:032x}", key.0))
    }

    /// What is kept under a key.
    pub fn get(&self, key: Key) -> Option<Vec<u8>> {
        self.read(&self.file(key))
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = trusted(path, self.limits.largest)?;
        let (sum, body) = bytes.strip_prefix(self.limits.magic)?.split_at_checked(8)?;
        if xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()[..] != *sum {
            return None;
        }
        bytes.drain(..16);
        Some(bytes)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put(&self, key: Key, body: &[u8]) -> io::Result<()> {
        if body.len() as u64 + 16 > self.limits.largest {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        // Run by root in a user's environment, Kiln must not leave files there that are root's.
        if fs::metadata(&self.dir)?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.puts.fetch_add(1, Ordering::Relaxed).is_multiple_of(AT_ONCE) {
            self.prune();
        }
        let name = format!("{TEMPORARY}{:032x}.{}", key.0, std::process::id());
        let temporary = self.dir.join(name);
        // One of the same name is left over from a process that is no more.
        let _ = fs::remove_file(&temporary);
        let sum = xxhash_rust::xxh3::xxh3_64(body).to_le_bytes();
        let written = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut out| out.write_all(&[self.limits.magic, &sum[..], body].concat()))
            .and_then(|()| fs::rename(&temporary, self.file(key)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// All that is kept, with the size of each file.
    pub fn all(&self) -> Vec<(Vec<u8>, usize)> {
        let paths = self.paths().into_iter();
        paths.filter_map(|(path, _, size)| Some((self.read(&path)?, size as usize))).collect()
    }

    /// How large all that is kept is, in bytes.
    pub fn size(&self) -> usize {
        self.all().iter().map(|(_, size)| size).sum()
    }

    /// Forgets all.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The files with the time of their last change (seconds) and their size.
    fn paths(&self) -> Vec<(PathBuf, i64, u64)> {
        let Ok(dir) = fs::read_dir(&self.dir) else { return Vec::new() };
        dir.flatten()
            .filter_map(|e| {
                let meta = e.metadata().ok()?;
                meta.is_file().then(|| (e.path(), meta.mtime(), meta.len()))
            })
            .collect()
    }

    /// Makes room.
    fn prune(&self) {
        let mut paths = self.paths();
        paths.sort_by_key(|(_, changed, _)| std::cmp::Reverse(*changed));
        let mut bytes = 0;
        for (i, (path, _, size)) in paths.iter().enumerate() {
            bytes += size;
            if i + 1 >= self.limits.most || bytes > self.limits.most_bytes {
                let _ = fs::remove_file(path);
            }
        }
    }
}
