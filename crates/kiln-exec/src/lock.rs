//! The lock that output sync takes while one group of lines is written: between processes a record
//! lock on a file that `--sync-mutex` names, between the instances of this process a mutex.

use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::FlockOperation;

const PREFIX: &[u8] = b"fnm:";

/// The lock.
pub struct SyncLock {
    path: PathBuf,
    file: File,
    ours: bool,
    inside: Mutex<()>,
}

impl SyncLock {
    /// A new lock with a file of its own in `dir`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(dir: &Path) -> std::io::Result<Self> {
        let (path, file) = temporary(dir)?;
        Ok(SyncLock { path, file, ours: true, inside: Mutex::new(()) })
    }

    /// The lock that `--sync-mutex=TEXT` names.
    ///
    /// # Errors
    /// What make says about it, and whether that ends it.
    pub fn open(text: &[u8]) -> Result<Self, (Vec<u8>, bool)> {
        let Some(name) = text.strip_prefix(PREFIX) else {
            return Err(([b"invalid --sync-mutex string '", text, b"'"].concat(), false));
        };
        let path = Path::new(std::ffi::OsStr::from_bytes(name)).to_path_buf();
        match File::options().write(true).open(&path) {
            Ok(file) => Ok(SyncLock { path, file, ours: false, inside: Mutex::new(()) }),
            Err(error) => {
                let why = kiln_graph::say::io_text(&error).into_bytes();
                Err(([b"cannot open output sync mutex ", name, b": ", &why].concat(), true))
            }
        }
    }

    /// The value for `--sync-mutex`.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        [PREFIX, &self.path.clone().into_os_string().into_vec()].concat()
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn acquire(&self) -> std::io::Result<Held<'_>> {
        let guard = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::fs::fcntl_lock(&self.file, FlockOperation::LockExclusive)?;
        Ok(Held { lock: self, _guard: guard })
    }

    /// Removes the file if it is ours (before a signal ends the process).
    pub fn clear(&self) {
        if self.ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for SyncLock {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The lock while it is held.
pub(crate) struct Held<'a> {
    lock: &'a SyncLock,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = rustix::fs::fcntl_lock(&self.lock.file, FlockOperation::Unlock);
    }
}

/// A new file `GmXXXXXX` that nobody else can read.
///
/// # Errors
/// If the directory cannot be written.
pub fn temporary(dir: &Path) -> std::io::Result<(PathBuf, File)> {
    use std::os::unix::fs::OpenOptionsExt;
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mut seed = now.tv_nsec as u64 ^ (u64::from(std::process::id()) << 32);
    let mut last = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    for _ in 0..1000 {
        let mut name = b"Gm".to_vec();
        for _ in 0..6 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            name.push(LETTERS[(seed >> 33) as usize % LETTERS.len()]);
        }
        let path = dir.join(std::ffi::OsStr::from_bytes(&name));
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
