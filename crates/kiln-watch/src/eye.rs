//! Looking at files for facts: one small interface with the real file system behind it, so that
//! tests can show it coarse clocks and files that change. It knows nothing of commands.

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, Mode, OFlags};
use xxhash_rust::xxh3::Xxh3;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// A directory.
    Dir = 1,
    /// A symbolic link.
    Link = 2,
    /// A device, pipe or socket.
    Other = 3,
}

/// All that `stat(2)` says by which a file can be told from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// Its kind.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the contents, nanoseconds since the epoch.
    pub mtime: i64,
    /// Last change of anything; no program can set it.
    pub ctime: i64,
    /// The device that a device file stands for, else 0.
    pub rdev: u64,
}

/// How long after a change a fine stamp may still stand for a second change: file systems stamp
/// with the clock tick (1 to 10 ms), and FAT in two seconds.
const GRAIN: i64 = 2_000_000_000;
/// The same where stamps have no fraction: these come from file systems (NFS, FAT) whose clock may
/// be another machine's and go wrong by more.
const COARSE_GRAIN: i64 = 120_000_000_000;

impl Identity {
    /// Whether these stamps, read at `now`, will tell any later change: a file that changed a moment
    /// ago may change again within the same tick, and one from the future proves that a clock jumped.
    #[must_use]
    pub fn settled(&self, now: i64) -> bool {
        let coarse = self.ctime % 1_000_000_000 == 0;
        let grain = if coarse { COARSE_GRAIN } else { GRAIN };
        self.mtime.max(self.ctime).saturating_add(grain) < now
    }
}

/// Looks at files. Paths are absolute; errors are errno values.
pub trait Eye: Send + Sync {
    /// As `stat(2)`, or `lstat(2)` if links are not followed.
    ///
    /// # Errors
    /// The errno.
    fn identity(&self, path: &[u8], follow: bool) -> Result<Identity, i32>;
    /// A hash of the contents of a file.
    ///
    /// # Errors
    /// The errno.
    fn contents(&self, path: &[u8]) -> Result<u128, i32>;
    /// A hash of the names in a directory, in whatever order they are told.
    ///
    /// # Errors
    /// The errno.
    fn names(&self, path: &[u8]) -> Result<u128, i32>;
    /// The text of a link.
    ///
    /// # Errors
    /// The errno.
    fn link(&self, path: &[u8]) -> Result<Vec<u8>, i32>;
    /// As `realpath(3)`.
    ///
    /// # Errors
    /// The errno.
    fn real(&self, path: &[u8]) -> Result<Vec<u8>, i32>;
    /// As `access(2)`: 0 or the errno.
    fn access(&self, path: &[u8], mode: u8) -> i32;
    /// Nanoseconds since the epoch.
    fn now(&self) -> i64;
}

/// The hash of bytes in hand, as [`Eye::contents`] would tell it.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

/// The hash of a directory's names, as [`Eye::names`] would tell it.
#[must_use]
pub fn hash_names(mut names: Vec<Vec<u8>>) -> u128 {
    names.sort_unstable();
    let mut hash = Xxh3::new();
    for name in &names {
        hash.update(name);
        // No name holds a NUL, so the parts cannot be confused.
        hash.update(&[0]);
    }
    hash.digest128()
}

/// The real file system.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealEye;

fn errno(e: rustix::io::Errno) -> i32 {
    e.raw_os_error()
}

pub(crate) fn identity_of(s: &rustix::fs::Stat) -> Identity {
    let kind = match rustix::fs::FileType::from_raw_mode(s.st_mode) {
        rustix::fs::FileType::RegularFile => Kind::File,
        rustix::fs::FileType::Directory => Kind::Dir,
        rustix::fs::FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let nanos = |s: i64, n: i64| s.saturating_mul(1_000_000_000).saturating_add(n);
    Identity {
        kind,
        mode: (s.st_mode & 0o7777) as u16,
        dev: s.st_dev,
        ino: s.st_ino,
        size: s.st_size as u64,
        mtime: nanos(s.st_mtime, s.st_mtime_nsec as i64),
        ctime: nanos(s.st_ctime, s.st_ctime_nsec as i64),
        rdev: s.st_rdev,
    }
}

impl Eye for RealEye {
    fn identity(&self, path: &[u8], follow: bool) -> Result<Identity, i32> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        rustix::fs::statat(cwd(), path, flags).map(|s| identity_of(&s)).map_err(errno)
    }

    fn contents(&self, path: &[u8]) -> Result<u128, i32> {
        // Without O_NONBLOCK, a pipe that took the file's place would hold Kiln up.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = rustix::fs::openat(cwd(), path, flags, Mode::empty()).map_err(errno)?;
        let stat = rustix::fs::fstat(&fd).map_err(errno)?;
        if identity_of(&stat).kind != Kind::File {
            return Err(libc::EINVAL);
        }
        let mut file = std::fs::File::from(fd);
        let mut hash = Xxh3::new();
        let mut buffer = vec![0; 1 << 17];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(hash.digest128()),
                Ok(n) => hash.update(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.raw_os_error().unwrap_or(libc::EIO)),
            }
        }
    }

    fn names(&self, path: &[u8]) -> Result<u128, i32> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(cwd(), path, flags, Mode::empty()).map_err(errno)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(hash_names(names))
    }

    fn link(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        rustix::fs::readlinkat(cwd(), path, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(errno)
    }

    fn real(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        std::fs::canonicalize(std::path::Path::new(std::ffi::OsStr::from_bytes(path)))
            .map(|p| p.into_os_string().into_vec())
            .map_err(|e| e.raw_os_error().unwrap_or(libc::EINVAL))
    }

    fn access(&self, path: &[u8], mode: u8) -> i32 {
        let mode = rustix::fs::Access::from_bits_truncate(mode.into());
        rustix::fs::accessat(cwd(), path, mode, AtFlags::empty()).map_or_else(errno, |()| 0)
    }

    fn now(&self) -> i64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as i64)
    }
}

fn cwd() -> BorrowedFd<'static> {
    rustix::fs::CWD
}
