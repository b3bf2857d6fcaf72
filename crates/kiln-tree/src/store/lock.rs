//! One Kiln at a time changes the store; what a killed one left is cleared away by the next.
//!
//! Knows only the store's directory.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Kind, Result};

/// Leading part of the names of staging directories.
const STAGING: &str = ".staging-";

/// Held while the store is changed; given up when dropped (or when the process dies).
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    _file: File,
}

impl Lock {
    /// Makes the store's directory if need be and takes the lock without waiting.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another process holds it, [`Kind::Io`].
    pub fn take(store: &Path) -> Result<Lock> {
        fs::create_dir_all(store).map_err(|e| Error::io("make the store", store, e))?;
        // The store's real path goes into makefiles; it must not depend on links that change.
        let dir = fs::canonicalize(store).map_err(|e| Error::io("open the store", store, e))?;
        let path = dir.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("lock the store with", &path, e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let message = format!("another Kiln is changing the store {}", dir.display());
                return Err(Error::new(Kind::Busy, message).hint("try again when it is done"));
            }
            Err(e) => return Err(Error::io("lock the store with", &path, e.into())),
        }
        let lock = Lock { dir, _file: file };
        lock.clear_left_overs();
        Ok(lock)
    }

    /// The store's real directory.
    pub fn store(&self) -> &Path {
        &self.dir
    }

    /// A new empty directory in the store that no listing shows.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub fn staging(&self) -> Result<PathBuf> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{STAGING}{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|e| Error::io("make", &path, e))?;
        Ok(path)
    }

    /// Whoever holds the lock is alone, so every staging directory is from a Kiln that died. What
    /// cannot be removed is left: it is in nobody's way.
    fn clear_left_overs(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(STAGING) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}
