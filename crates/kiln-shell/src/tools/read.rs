//! `cat`, `cmp -s` and `grep -q`: files that are only read.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::{MAX_BYTES, is_same, kind};
use crate::host::Target;
use crate::run::Shell;

/// A regular file of a size to be read at once.
fn open(dir: &OwnedFd, path: &[u8]) -> Option<(OwnedFd, Stat)> {
    // Not to wait for the other end of a pipe that is then left to the real program.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = crate::redir::open(dir, path, flags, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(&file).ok()?;
    let fits = kind(&found) == FileType::RegularFile && found.st_size as u64 <= MAX_BYTES;
    fits.then_some((file, found))
}

fn contents(dir: &OwnedFd, path: &[u8]) -> Option<Vec<u8>> {
    crate::redir::contents(&open(dir, path)?.0).ok()
}

/// What `cat` of some files prints.
pub(super) fn cat(shell: &Shell, options: &[u8], operands: &[Vec<u8>]) -> Option<Vec<u8>> {
    if !options.is_empty() {
        return None;
    }
    let output = match &shell.fds[1] {
        Target::File(file) => Some(rustix::fs::fstat(file).ok()?),
        Target::Caller(_) => None,
    };
    let mut text = Vec::new();
    for operand in operands {
        let (file, found) = open(&shell.dir.fd, operand)?;
        // The program refuses to copy a file to itself.
        if output.as_ref().is_some_and(|output| is_same(output, &found)) {
            return None;
        }
        text.extend(crate::redir::contents(&file).ok()?);
        if text.len() as u64 > MAX_BYTES {
            return None;
        }
    }
    Some(text)
}

/// `cmp -s A B`.
pub(super) fn cmp(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let ([a, b], b"s") = (operands, options) else { return None };
    let ((a, a_stat), (b, b_stat)) = (open(dir, a)?, open(dir, b)?);
    if is_same(&a_stat, &b_stat) {
        return Some(0);
    }
    if a_stat.st_size != b_stat.st_size {
        return Some(1);
    }
    let same = crate::redir::contents(&a).ok()? == crate::redir::contents(&b).ok()?;
    Some(i32::from(!same))
}

/// `grep -q TEXT FILE` for a text that is no pattern.
pub(super) fn grep(dir: &OwnedFd, options: &[u8], operands: &[Vec<u8>]) -> Option<i32> {
    let ([wanted, file], b"q") = (operands, options) else { return None };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b' ' | b'/' | b'=' | b':');
    if wanted.len() > 256 || !wanted.iter().all(plain) {
        return None;
    }
    let text = contents(dir, file)?;
    let found = text.windows(wanted.len()).any(|piece| piece == wanted);
    Some(i32::from(!found))
}
