//! The one seam to the file system and the clock. Everything above asks [`Sys`], so that a test can
//! put an in-memory one in its place, and so that every make instance has a directory of its own
//! without touching the process's.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::physical::path_of;

/// A point in time: nanoseconds since the epoch, as file systems stamp files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Time(pub i128);

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link (only from [`Sys::lstat`]).
    Link,
    /// A device, pipe or socket.
    Other,
}

/// The facts about a file that a build rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Its kind.
    pub kind: FileKind,
    /// Last modification.
    pub mtime: Time,
    /// Size in bytes.
    pub size: u64,
    /// Device and inode: the file's identity.
    pub id: (u64, u64),
    /// Permission bits.
    pub mode: u32,
}

/// Files relative to one directory, and the clock. Paths are bytes; relative ones start at
/// [`Sys::dir`], which is fixed for the life of the value.
pub trait Sys: Send + Sync {
    /// The absolute path of the directory, as `getcwd` would tell it.
    fn dir(&self) -> &[u8];
    /// The directory as a descriptor, where there is a real one (for starting processes).
    fn dir_fd(&self) -> Option<BorrowedFd<'_>>;
    /// The same system seen from another directory.
    ///
    /// # Errors
    /// If the directory cannot be entered.
    fn at(&self, dir: &[u8]) -> io::Result<Box<dyn Sys>>;
    /// Follows links.
    ///
    /// # Errors
    /// As `stat(2)`.
    fn stat(&self, path: &[u8]) -> io::Result<Stat>;
    /// Does not follow a link at the end.
    ///
    /// # Errors
    /// As `lstat(2)`.
    fn lstat(&self, path: &[u8]) -> io::Result<Stat>;
    /// The text of a link.
    ///
    /// # Errors
    /// As `readlink(2)`.
    fn readlink(&self, path: &[u8]) -> io::Result<Vec<u8>>;
    /// The absolute path without links or dots.
    ///
    /// # Errors
    /// As `realpath(3)`.
    fn realpath(&self, path: &[u8]) -> io::Result<Vec<u8>>;
    /// The whole file.
    ///
    /// # Errors
    /// As `open(2)` and `read(2)`.
    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>>;
    /// A file to be read piece by piece. A directory can be opened; reading it fails.
    ///
    /// # Errors
    /// As `open(2)`.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn io::Read>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }
    /// Writes or appends to a file, making it if need be.
    ///
    /// # Errors
    /// As `open(2)`, `write(2)`, `close(2)`.
    fn write(&self, path: &[u8], bytes: &[u8], append: bool) -> io::Result<()>;
    /// The names in a directory, without `.` and `..`, in no particular order.
    ///
    /// # Errors
    /// As `opendir(3)`.
    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>>;
    /// Removes a file.
    ///
    /// # Errors
    /// As `unlink(2)`.
    fn unlink(&self, path: &[u8]) -> io::Result<()>;
    /// Sets the modification time to now, making an empty file where there is none.
    ///
    /// # Errors
    /// As `open(2)` and `utimensat(2)`.
    fn touch(&self, path: &[u8]) -> io::Result<()>;
    /// The clock.
    fn now(&self) -> Time;
}

/// The real file system, seen from one directory.
pub struct RealSys {
    path: Vec<u8>,
    fd: OwnedFd,
}

impl RealSys {
    /// The process's own working directory.
    ///
    /// # Errors
    /// If it cannot be opened or named.
    pub fn current() -> io::Result<Self> {
        let path = rustix::process::getcwd(Vec::new())?.into_bytes();
        Ok(RealSys { fd: open_dir(rustix::fs::CWD, b".")?, path })
    }

    /// Another directory.
    ///
    /// # Errors
    /// If it cannot be entered.
    pub fn at_path(dir: &[u8]) -> io::Result<Self> {
        Self::enter(rustix::fs::CWD, dir)
    }

    fn enter(from: BorrowedFd<'_>, dir: &[u8]) -> io::Result<Self> {
        let fd = open_dir(from, dir)?;
        let path = path_of(fd.as_fd())?;
        // O_PATH does not ask for the right to search the directory, but chdir does.
        rustix::fs::accessat(&fd, c".", rustix::fs::Access::EXEC_OK, AtFlags::EACCESS)?;
        Ok(RealSys { path, fd })
    }
}

fn open_dir(at: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(
        at,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

fn stat_of(s: &rustix::fs::Stat) -> Stat {
    let kind = match rustix::fs::FileType::from_raw_mode(s.st_mode) {
        rustix::fs::FileType::RegularFile => FileKind::File,
        rustix::fs::FileType::Directory => FileKind::Dir,
        rustix::fs::FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    };
    Stat {
        kind,
        mtime: Time(i128::from(s.st_mtime) * 1_000_000_000 + i128::from(s.st_mtime_nsec)),
        size: s.st_size as u64,
        id: (s.st_dev, s.st_ino),
        mode: s.st_mode & 0o7777,
    }
}

impl Sys for RealSys {
    fn dir(&self) -> &[u8] {
        &self.path
    }

    fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    fn at(&self, dir: &[u8]) -> io::Result<Box<dyn Sys>> {
        Ok(Box::new(Self::enter(self.fd.as_fd(), dir)?))
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::statat(&self.fd, path, AtFlags::empty())?))
    }

    fn lstat(&self, path: &[u8]) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn readlink(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.fd, path, Vec::new())?.into_bytes())
    }

    fn realpath(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let full = Path::new(OsStr::from_bytes(&self.path)).join(OsStr::from_bytes(path));
        std::fs::canonicalize(full)
            .map(PathBuf::into_os_string)
            .map(std::os::unix::ffi::OsStringExt::into_vec)
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let fd =
            rustix::fs::openat(&self.fd, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut all = Vec::new();
        io::Read::read_to_end(&mut std::fs::File::from(fd), &mut all)?;
        Ok(all)
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn io::Read>> {
        let fd =
            rustix::fs::openat(&self.fd, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Box::new(std::fs::File::from(fd)))
    }

    fn write(&self, path: &[u8], bytes: &[u8], append: bool) -> io::Result<()> {
        let how = if append { OFlags::APPEND } else { OFlags::TRUNC };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | how;
        let fd = rustix::fs::openat(&self.fd, path, flags, Mode::from_raw_mode(0o666))?;
        io::Write::write_all(&mut std::fs::File::from(fd), bytes)
    }

    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if path.is_empty() { b"." } else { path };
        let fd = rustix::fs::openat(&self.fd, path, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    fn unlink(&self, path: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, path, AtFlags::empty())?)
    }

    fn touch(&self, path: &[u8]) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, path, flags, Mode::from_raw_mode(0o666))?;
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let both = rustix::fs::Timestamps { last_access: now, last_modification: now };
        Ok(rustix::fs::futimens(&fd, &both)?)
    }

    fn now(&self) -> Time {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Time(i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec))
    }
}
