//! Where tests keep what is costly to make, and the locks on it. Knows names only, not what is kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The directory that outlives a run: `$XDG_CACHE_HOME` or `~/.cache`, then `kiln-test`.
pub fn dir() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))
        .unwrap_or_else(|| std::env::temp_dir().join("cache"));
    base.join("kiln-test")
}

/// The directory below which cases are run. It is part of every path that a build sees, so it is the
/// same in every run of one user, and it must be reachable for a second user, which a home is not.
pub fn work_root() -> PathBuf {
    match std::env::var_os("KILN_TEST_ROOT") {
        Some(d) => PathBuf::from(d),
        None => {
            let uid = rustix::process::getuid().as_raw();
            PathBuf::from(format!("/tmp/kiln-test-{uid}"))
        }
    }
}

/// Held until dropped; other processes and threads that ask for the same file wait.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Takes the lock of that name, creating the file.
///
/// # Errors
/// When the file cannot be made.
pub fn lock(path: &Path) -> io::Result<Lock> {
    if let Some(d) = path.parent() {
        fs::create_dir_all(d)?;
    }
    let f = File::options().create(true).truncate(false).write(true).open(path)?;
    f.lock()?;
    Ok(Lock(f))
}

/// Writes a file so that a reader sees all of it or nothing.
///
/// # Errors
/// Whatever the system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Two threads may keep the same at once.
    static WRITES: AtomicUsize = AtomicUsize::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let tmp = path.with_extension(format!("tmp{}.{write}", std::process::id()));
    fs::write(&tmp, bytes)?;
    fs::rename(&tmp, path)
}

/// A content's identity as 64 hexadecimal digits.
pub fn identity(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
