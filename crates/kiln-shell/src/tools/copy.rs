//! `cp`, `mv` and `ln` of one file to one name that is no directory.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{MAX_BYTES, is_same, kind, lstat, stat};

/// Two operands that name files without trailing slashes.
fn pair(operands: &[Vec<u8>]) -> Option<(&[u8], &[u8])> {
    let [from, to] = operands else { return None };
    let plain = |name: &[u8]| {
        !matches!(name.rsplit(|b| *b == b'/').next(), None | Some(b"" | b"." | b".."))
    };
    (plain(from) && plain(to)).then_some((from, to))
}

/// `cp FROM TO`: a regular file to a new name or over a regular file.
pub(super) fn cp(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let (from, to) = pair(operands)?;
    if !matches!(options, b"" | b"f") {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let source = crate::redir::open(dir, from, flags, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(&source).ok()?;
    if kind(&found) != FileType::RegularFile
        || found.st_mode & 0o7000 != 0
        || found.st_size as u64 > MAX_BYTES
    {
        return None;
    }
    let target = match lstat(dir, to) {
        Err(Errno::NOENT) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let mode = Mode::from_raw_mode(found.st_mode & 0o777);
            crate::redir::open(dir, to, flags, mode).ok()?
        }
        Ok(there) if kind(&there) == FileType::RegularFile && !is_same(&there, &found) => {
            let flags = OFlags::WRONLY | OFlags::TRUNC;
            crate::redir::open(dir, to, flags, Mode::empty()).ok()?
        }
        _ => return None,
    };
    std::io::copy(&mut File::from(source), &mut File::from(target)).ok()?;
    Some(0)
}

/// `mv FROM TO` and `mv -f FROM TO`: a regular file within one file system.
pub(super) fn mv(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let (from, to) = pair(operands)?;
    let force = match options {
        b"" => false,
        b"f" => true,
        _ => return None,
    };
    let source = lstat(dir, from).ok()?;
    if kind(&source) != FileType::RegularFile {
        return None;
    }
    match lstat(dir, to) {
        Err(Errno::NOENT) => {}
        Ok(there) if kind(&there) == FileType::RegularFile && !is_same(&there, &source) => {
            // Without -f, mv may ask before it replaces a file that cannot be written.
            let writable =
                || rustix::fs::accessat(dir, to, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
            if !force && !writable() {
                return None;
            }
        }
        _ => return None,
    }
    rustix::fs::renameat(dir, from, dir, to).ok()?;
    Some(0)
}

/// `ln FROM TO`, `ln -s FROM TO` and `ln -sf FROM TO`.
pub(super) fn ln(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let [from, to] = operands else { return None };
    pair(&[to.clone(), to.clone()])?;
    let (symbolic, force) = match options {
        b"" => (false, false),
        b"s" => (true, false),
        b"fs" => (true, true),
        _ => return None,
    };
    match lstat(dir, to) {
        Err(Errno::NOENT) if symbolic => {
            rustix::fs::symlinkat(&from[..], dir, &to[..]).ok()?;
        }
        Err(Errno::NOENT) => {
            let source = lstat(dir, from).ok()?;
            if kind(&source) != FileType::RegularFile {
                return None;
            }
            rustix::fs::linkat(dir, &from[..], dir, &to[..], AtFlags::empty()).ok()?;
        }
        Ok(there) if force && kind(&there) == FileType::Symlink => {
            if stat(dir, to).is_ok_and(|found| kind(&found) == FileType::Directory) {
                return None;
            }
            // The old link is there until the new one takes its place, as with the program.
            let mut beside = to.clone();
            beside.extend_from_slice(format!(".{}~", std::process::id()).as_bytes());
            rustix::fs::symlinkat(&from[..], dir, &beside[..]).ok()?;
            if rustix::fs::renameat(dir, &beside[..], dir, &to[..]).is_err() {
                let _ = rustix::fs::unlinkat(dir, &beside[..], AtFlags::empty());
                return None;
            }
        }
        _ => return None,
    }
    Some(0)
}
