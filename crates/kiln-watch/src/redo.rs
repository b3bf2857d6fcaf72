//! Doing again what a recipe did, without its commands: whether all that it looked at is as it was, and
//! what is to be done about the files that it left. It knows nothing of where recipes are kept.

use std::fs::{self, Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustc_hash::FxHashSet;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

use crate::check::{Checker, Verdict};
use crate::eye::{Eye, Kind, RealEye, hash_bytes};
use crate::fact::{Fact, Seen, Status};
use crate::steps::{Deed, Left, Made, MadeFile, TimeOf};

/// Programs that write into files what times others have: what these looked at has to be the very same.
const STAMPING: &[&[u8]] =
    &[b"ar", b"ranlib", b"gzip", b"lzop", b"diff", b"diff3", b"pr", b"objdump"];

impl Deed {
    /// The first path about which something is not as it was. A file that is missing and was made where
    /// nothing had been does not count, if it is the copy of one that was read.
    pub(crate) fn changed(&self) -> Option<Vec<u8>> {
        let removed = self.made.iter().filter(|m| m.left == Left::Removed);
        let removed: FxHashSet<&[u8]> = removed.map(|m| &m.path[..]).collect();
        let stands = |made: &&Made| match &made.left {
            Left::File(file) => match metadata(&made.path) {
                Some(is) => is_as_left(file, &made.path, &is),
                None => file.new && self.original(file).is_some_and(|of| !removed.contains(of)),
            },
            Left::Nothing => RealEye.identity(&made.path, false).is_err(),
            // Its bytes are a fact.
            Left::Removed => metadata(&made.path).is_some_and(|is| is.is_file() && is.nlink() == 1),
        };
        let made = self.made.iter().find(|made| !stands(made)).map(|made| made.path.clone());
        made.or_else(|| self.differing())
    }

    /// A file that was read and has the bytes of one that was made.
    fn original(&self, file: &MadeFile) -> Option<&[u8]> {
        let same = |f: &&Fact| matches!(&f.seen, Seen::Contents { id, hash: Some(hash), .. } if id.size == file.size && *hash == file.hash);
        self.facts.iter().find(same).map(|f| &f.path[..])
    }

    /// The first path about which a fact does not stand. A file that is made anew with the same bytes has
    /// another time and number: what a program asks of a file that it reads or writes is answered by the
    /// bytes.
    fn differing(&self) -> Option<Vec<u8>> {
        let stamps = self.programs.iter().any(|program| {
            let name = program.rsplit(|b| *b == b'/').next().unwrap_or(program);
            name.split(|b| *b == b'-').any(|part| STAMPING.contains(&part))
        });
        let is_read = |f: &&Fact| matches!(f.seen, Seen::Contents { hash: Some(_), .. });
        let read = self.facts.iter().filter(is_read);
        let by_bytes: FxHashSet<&[u8]> =
            read.map(|f| &f.path[..]).chain(self.made.iter().map(|m| &m.path[..])).collect();
        let mut checker = Checker::new(&RealEye);
        let mut differs = |fact: &&Fact| match checker.verdict(fact) {
            Verdict::Holds | Verdict::Refreshed(_) => false,
            Verdict::Fails(_) if stamps => true,
            Verdict::Fails(_) => match &fact.seen {
                Seen::Status { follow, was: Ok(was) }
                    if was.kind == Kind::File && by_bytes.contains(&fact.path[..]) =>
                {
                    let size = |s: &Status| s.content.map(|(size, _)| size);
                    let is = RealEye.identity(&fact.path, *follow).map(|id| Status::from(&id));
                    !is.is_ok_and(|is| {
                        is.kind == was.kind && is.mode == was.mode && size(&is) == size(was)
                    })
                }
                _ => true,
            },
        };
        self.facts.iter().find(|fact| differs(fact)).map(|fact| fact.path.clone())
    }

    /// Does to its files what carrying it out would do, where nothing has changed: a missing copy is made,
    /// all get new times or those of the file that they had them of, in the order in which they were
    /// written, and what it took away goes. `None` if that cannot be done: then they are such that carrying
    /// it out does the same as it would have done before.
    pub(crate) fn redo(&self) -> Option<()> {
        let mut copies = Vec::new();
        let done = self.remake(&mut copies);
        if done.is_none() {
            // What was removed already is as it would be after a recipe that was interrupted.
            copies.iter().for_each(|path| drop(fs::remove_file(os(path))));
        }
        done
    }

    fn remake<'a>(&'a self, copies: &mut Vec<&'a [u8]>) -> Option<()> {
        let files = self.made.iter().filter_map(|made| match &made.left {
            Left::File(file) => Some((&made.path[..], file)),
            _ => None,
        });
        for (path, file) in files {
            if metadata(path).is_none() {
                self.copy(path, file, copies)?;
            }
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let now = Timestamps { last_access: now, last_modification: now };
            let times = file.time_of.as_ref().map_or(Some(now), times_of)?;
            rustix::fs::utimensat(CWD, os(path), &times, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        }
        for made in self.made.iter().filter(|made| made.left == Left::Removed) {
            fs::remove_file(os(&made.path)).ok()?;
        }
        Some(())
    }

    fn copy<'a>(&self, path: &'a [u8], file: &MadeFile, copies: &mut Vec<&'a [u8]>) -> Option<()> {
        let bytes = fs::read(os(self.original(file)?)).ok()?;
        if hash_bytes(&bytes) != file.hash {
            return None;
        }
        let mode = u32::from(file.mode);
        let mut out =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(os(path)).ok()?;
        copies.push(path);
        out.write_all(&bytes).ok()?;
        // A directory may have a say in what comes of it.
        let is = out.metadata().ok()?;
        (is.mode() & 0o7777 == mode && is.gid() == file.group).then_some(())
    }
}

/// The times of a file, if its owner is who it was.
fn times_of(of: &TimeOf) -> Option<Timestamps> {
    let is = fs::metadata(os(&of.path)).ok()?;
    let time = |seconds, nanos| Timespec { tv_sec: seconds, tv_nsec: nanos };
    ((is.uid(), is.gid()) == of.owner).then(|| Timestamps {
        last_access: time(is.atime(), is.atime_nsec()),
        last_modification: time(is.mtime(), is.mtime_nsec()),
    })
}

/// Whether a file is as the recipe left it, and this user may give it a time. A file of several names
/// may have been one of its own when it was made.
fn is_as_left(file: &MadeFile, path: &[u8], is: &Metadata) -> bool {
    is.is_file()
        && is.nlink() == 1
        && is.len() == file.size
        && is.mode() & 0o7777 == u32::from(file.mode)
        && is.uid() == rustix::process::geteuid().as_raw()
        && is.gid() == file.group
        && RealEye.contents(path) == Ok(file.hash)
}

/// What is at a path itself, `None` if there is nothing.
fn metadata(path: &[u8]) -> Option<Metadata> {
    fs::symlink_metadata(os(path)).ok()
}

fn os(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}
