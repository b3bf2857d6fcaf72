//! `rm -f`, `mkdir -p` and `touch`: names that come and go.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::{absolute, is_same, kind, lstat, stat};

/// `rm -f` and `rm -rf`.
pub(super) fn rm(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let recursive = match options {
        b"f" => false,
        b"fr" | b"Rf" => true,
        _ => return None,
    };
    for operand in operands {
        let last = operand.rsplit(|b| *b == b'/').next().unwrap_or_default();
        if matches!(last, b"" | b"." | b"..") {
            return None;
        }
    }
    let root = lstat(dir, b"/").ok()?;
    for operand in operands {
        let found = match lstat(dir, operand) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(_) => return None,
            Ok(found) => found,
        };
        if kind(&found) != FileType::Directory {
            rustix::fs::unlinkat(dir, &operand[..], AtFlags::empty()).ok()?;
        } else if recursive && !is_same(&found, &root) {
            std::fs::remove_dir_all(OsStr::from_bytes(&absolute(dir, operand))).ok()?;
        } else {
            return None;
        }
    }
    Some(0)
}

/// `mkdir -p`.
pub(super) fn mkdir(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    if options != b"p" {
        return None;
    }
    for operand in operands {
        if stat(dir, operand).is_ok_and(|found| kind(&found) == FileType::Directory) {
            continue;
        }
        let end = operand.len() - operand.iter().rev().take_while(|b| **b == b'/').count();
        for at in 1..=end {
            if at < end && operand[at] != b'/' {
                continue;
            }
            let part = &operand[..at];
            match rustix::fs::mkdirat(dir, part, Mode::from_raw_mode(0o777)) {
                Ok(()) if at < end => own(dir, part)?,
                Ok(()) => {}
                Err(Errno::EXIST | Errno::ISDIR) => {
                    let found = stat(dir, part).ok()?;
                    if kind(&found) != FileType::Directory {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
    }
    Some(0)
}

/// A directory made on the way is always one that its owner can go on through, whatever the umask.
fn own(dir: &OwnedFd, part: &[u8]) -> Option<()> {
    let mode = stat(dir, part).ok()?.st_mode & 0o7777;
    if mode & 0o300 != 0o300 {
        let mode = Mode::from_raw_mode(mode | 0o300);
        rustix::fs::chmodat(dir, part, mode, AtFlags::empty()).ok()?;
    }
    Some(())
}

/// `touch` without options.
pub(super) fn touch(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    if !options.is_empty() {
        return None;
    }
    for operand in operands {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = Mode::from_raw_mode(0o666);
        let file = crate::redir::open(dir, operand, flags, mode).ok()?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let both = Timestamps { last_access: now, last_modification: now };
        rustix::fs::futimens(&file, &both).ok()?;
    }
    Some(0)
}
