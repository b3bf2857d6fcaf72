//! Where an open directory lies: what `getcwd` would say after an `fchdir` to it, without one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

/// The path of an open directory from the root, without links. The kernel's own name for the descriptor
/// says it; where there is no `/proc` (a build root of a distribution, say), the way up is walked as
/// `getcwd(3)` does on systems that have no call for it.
///
/// # Errors
/// Without `/proc`: if a directory on the way up cannot be read, or no longer holds the one below.
pub fn path_of(dir: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    match rustix::fs::readlink(format!("/proc/self/fd/{}", dir.as_raw_fd()), Vec::new()) {
        Ok(path) => Ok(path.into_bytes()),
        Err(_) => walk_up(dir),
    }
}

/// The path of an open directory, found by its parents' entries.
fn walk_up(dir: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut names = Vec::new();
    let mut fd = dir.try_clone_to_owned()?;
    let mut stat = rustix::fs::fstat(&fd)?;
    loop {
        // With O_PATH the right to read is not asked for; the listing opens it anew.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat(&fd, c"..", flags, Mode::empty())?;
        let above = rustix::fs::fstat(&parent)?;
        if is_same(&stat, &above) {
            break;
        }
        names.push(entry_of(parent.as_fd(), &stat)?);
        (fd, stat) = (parent, above);
    }
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    Ok(path)
}

/// The name under which a directory stands in its parent. The inode numbers of a listing are those below
/// a mount, so each entry is asked.
fn entry_of(parent: BorrowedFd<'_>, wanted: &Stat) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = rustix::fs::openat(parent, c".", flags, Mode::empty())?;
    for entry in rustix::fs::Dir::new(listing)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        if stat.is_ok_and(|s| is_same(&s, wanted)) {
            return Ok(name.to_bytes().to_vec());
        }
    }
    Err(rustix::io::Errno::NOENT.into())
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn both_ways_give_the_path_without_links() {
        let scratch = tempfile::tempdir().unwrap();
        let real = scratch.path().canonicalize().unwrap().join("a b").join("c");
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(&real, scratch.path().join("link")).unwrap();
        for (dir, wanted) in [(scratch.path().join("link"), real), ("/".into(), "/".into())] {
            let fd = std::fs::File::open(dir).unwrap();
            let wanted = wanted.into_os_string().into_vec();
            assert_eq!(path_of(fd.as_fd()).unwrap(), wanted);
            assert_eq!(walk_up(fd.as_fd()).unwrap(), wanted);
        }
    }
}
