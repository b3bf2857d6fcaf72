//! Recipes that were watched: what they looked at, what they said and what they left, in a directory of
//! the user's cache. While all that one looked at has the same bytes and what it left lies there as it
//! left it, carrying it out again would only give its files new times. It knows nothing of make.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustc_hash::FxHashSet;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

use crate::check::{Checker, Verdict};
use crate::codec::{Reader, Writer};
use crate::eye::{Eye, Kind, RealEye};
use crate::fact::{Opaque, Seen, Status};
use crate::key::Key;
use crate::shelf::{Limits, Shelf};
use crate::steps::{Deed, Made, MadeFile, Said};

// What a file says, after the head that shelf.rs writes:
//
//   kept      i64, nanoseconds since the epoch
//   label     text, for people
//   misses    number
//   outcome   u8 0 nothing, 1 why it is not kept: the reason, 2 a deed: facts, programs, made files,
//             what was said

const LIMITS: Limits = Limits {
    dir: "recipes-1",
    magic: b"KILNREC1",
    largest: 8 << 20,
    most: 4096,
    most_bytes: 128 << 20,
};

/// Programs that write into files what times others have: what these looked at has to be the very same.
const STAMPING: &[&[u8]] =
    &[b"ar", b"ranlib", b"gzip", b"lzop", b"diff", b"diff3", b"pr", b"objdump"];

/// What is kept of one recipe.
#[derive(Clone, Default, Debug)]
pub struct Kept {
    /// For people.
    pub label: Vec<u8>,
    /// When it was kept, nanoseconds since the epoch.
    pub kept: i64,
    /// How often it could not be answered since it was answered last.
    pub misses: u64,
    /// What came of watching it.
    pub outcome: Outcome,
}

/// What came of watching a recipe.
#[derive(Clone, Default, Debug)]
pub enum Outcome {
    /// It was not watched.
    #[default]
    Nothing,
    /// It is to be carried out every time.
    Opaque(Opaque),
    /// What it did.
    Deed(Deed),
}

/// The recipes that are kept in a directory.
pub struct Recipes(Shelf);

impl Recipes {
    /// Those below the cache directory, which need not exist.
    #[must_use]
    pub fn open(cache: &Path) -> Self {
        Recipes(Shelf::open(cache, &LIMITS))
    }

    /// What is kept of a recipe.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Kept> {
        parse(&self.0.get(key)?)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put(&self, key: Key, kept: &Kept) -> io::Result<()> {
        self.0.put(key, &encode(kept))
    }

    /// All that is kept, the last first, each with its size on disk in bytes.
    #[must_use]
    pub fn list(&self) -> Vec<(Kept, usize)> {
        let read = |(bytes, size): (Vec<u8>, usize)| Some((parse(&bytes)?, size));
        let mut all: Vec<(Kept, usize)> = self.0.all().into_iter().filter_map(read).collect();
        all.sort_by_key(|(kept, _)| std::cmp::Reverse(kept.kept));
        all
    }

    /// Forgets all.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.0.clear()
    }
}

impl Kept {
    /// Notes that it could not be answered; whether it is to be watched. Not the first time: what is given
    /// otherwise each time, a setting on the command line, say, would be watched for nothing. One that is
    /// hardly ever answered, since it rests on what changes, is watched more and more rarely.
    pub fn missed(&mut self) -> bool {
        self.misses += 1;
        self.misses > 1
            && self.misses.is_power_of_two()
            && !matches!(self.outcome, Outcome::Opaque(_))
    }

    /// Why it would be carried out again now, if it would.
    #[must_use]
    pub fn again(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Nothing => Some("it was not watched".to_owned()),
            Outcome::Opaque(opaque) => Some(opaque.to_string()),
            Outcome::Deed(deed) => self
                .changed(deed)
                .map(|path| format!("{} is not as it was", String::from_utf8_lossy(&path))),
        }
    }

    /// The first path about which something is not as it was.
    fn changed(&self, deed: &Deed) -> Option<Vec<u8>> {
        // A clock that went back makes stamps mean something else.
        if RealEye.now() < self.kept {
            return Some(b"the clock".to_vec());
        }
        let made = deed.made.iter().find(|made| !is_there(made)).map(|made| made.path.clone());
        made.or_else(|| differing(deed))
    }

    /// Gives its files new times, in the order in which they were written, if that is all that carrying
    /// it out would do; then what each of its commands would say.
    #[must_use]
    pub fn carry_out(&self) -> Option<&[Said]> {
        let Outcome::Deed(deed) = &self.outcome else { return None };
        if self.changed(deed).is_some() {
            return None;
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        for made in deed.made.iter().filter(|made| made.file.is_some()) {
            rustix::fs::utimensat(CWD, os(&made.path), &times, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        }
        Some(&deed.said)
    }
}

/// The first path about which a fact does not stand. A file that is made anew with the same bytes has
/// another time and number: what a program asks of a file that it reads or writes is answered by the
/// bytes.
fn differing(deed: &Deed) -> Option<Vec<u8>> {
    let stamps = deed.programs.iter().any(|program| {
        let name = program.rsplit(|b| *b == b'/').next().unwrap_or(program);
        name.split(|b| *b == b'-').any(|part| STAMPING.contains(&part))
    });
    let read = deed.facts.iter().filter(|f| matches!(f.seen, Seen::Contents { hash: Some(_), .. }));
    let by_bytes: FxHashSet<&[u8]> =
        read.map(|f| &f.path[..]).chain(deed.made.iter().map(|m| &m.path[..])).collect();
    let mut checker = Checker::new(&RealEye);
    let mut differs = |fact: &&crate::fact::Fact| match checker.verdict(fact) {
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
    deed.facts.iter().find(|fact| differs(fact)).map(|fact| fact.path.clone())
}

fn os(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}

/// Whether a file is as the recipe left it, and this user may give it a time. A file of several names
/// may have been one of its own when it was made.
fn is_there(made: &Made) -> bool {
    let Some(file) = &made.file else { return RealEye.identity(&made.path, false).is_err() };
    let euid = rustix::process::geteuid();
    fs::symlink_metadata(os(&made.path)).is_ok_and(|m| {
        m.is_file()
            && m.nlink() == 1
            && m.len() == file.size
            && m.mode() & 0o7777 == u32::from(file.mode)
            && m.uid() == euid.as_raw()
    }) && RealEye.contents(&made.path) == Ok(file.hash)
}

fn encode(kept: &Kept) -> Vec<u8> {
    let mut w = Writer::default();
    w.i64(kept.kept);
    w.text(&kept.label);
    w.number(kept.misses);
    match &kept.outcome {
        Outcome::Nothing => w.u8(0),
        Outcome::Opaque(opaque) => {
            w.u8(1);
            w.opaque(opaque);
        }
        Outcome::Deed(deed) => {
            w.u8(2);
            encode_deed(deed, &mut w);
        }
    }
    w.0
}

fn encode_deed(deed: &Deed, w: &mut Writer) {
    w.number(deed.facts.len() as u64);
    deed.facts.iter().for_each(|fact| w.fact(fact));
    w.number(deed.programs.len() as u64);
    deed.programs.iter().for_each(|program| w.text(program));
    w.number(deed.made.len() as u64);
    for made in &deed.made {
        w.text(&made.path);
        w.u8(made.file.is_some().into());
        if let Some(file) = &made.file {
            w.number(file.mode.into());
            w.number(file.size);
            w.u128(file.hash);
        }
    }
    w.number(deed.said.len() as u64);
    for said in &deed.said {
        w.number(said.len() as u64);
        for (stream, text) in said {
            w.u8(*stream);
            w.text(text);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    let mut r = Reader(bytes);
    let (kept, label, misses) = (r.i64()?, r.text()?.to_vec(), r.number()?);
    let outcome = match r.u8()? {
        0 => Outcome::Nothing,
        1 => Outcome::Opaque(r.opaque()?),
        2 => Outcome::Deed(parse_deed(&mut r)?),
        _ => return None,
    };
    r.0.is_empty().then_some(Kept { label, kept, misses, outcome })
}

fn parse_deed(r: &mut Reader<'_>) -> Option<Deed> {
    let mut deed = Deed { facts: vec![], programs: vec![], made: vec![], said: vec![] };
    for _ in 0..r.number()? {
        deed.facts.push(r.fact()?);
    }
    for _ in 0..r.number()? {
        deed.programs.push(r.text()?.to_vec());
    }
    for _ in 0..r.number()? {
        let path = r.text()?.to_vec();
        let file = match r.u8()? {
            0 => None,
            _ => {
                let mode = u16::try_from(r.number()?).ok()?;
                Some(MadeFile { mode, size: r.number()?, hash: r.u128()? })
            }
        };
        deed.made.push(Made { path, file });
    }
    for _ in 0..r.number()? {
        let mut said = Vec::new();
        for _ in 0..r.number()? {
            said.push((r.u8()?, r.text()?.to_vec()));
        }
        deed.said.push(said);
    }
    Some(deed)
}
