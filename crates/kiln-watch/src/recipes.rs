//! Recipes that were watched: what they looked at, what they said and what they left, in a directory of
//! the user's cache. While all that one looked at has the same bytes and what it left lies there as it
//! left it, carrying it out again would only give its files new times. It knows nothing of make.

use std::io;
use std::path::Path;

use crate::codec::{Reader, Writer};
use crate::eye::{Eye, RealEye};
use crate::fact::Opaque;
use crate::key::Key;
use crate::shelf::{Limits, Shelf};
use crate::steps::{Deed, Left, Made, MadeFile, Said, TimeOf};

// What a file says, after the head that shelf.rs writes:
//
//   kept      i64, nanoseconds since the epoch
//   label     text, for people
//   misses    number
//   question  u128, which of all that this could be an answer to it is one to
//   input     text, what it was given as standard input when it was watched
//   outcome   u8 0 nothing, 1 why it is not kept: the reason, 2 a deed: facts, programs, made files,
//             what was said, and u8 whether it asked what its input is
// A made file: its path, and u8 0 it is gone, 1 it was removed, 2 it is there: mode, group, size, hash, whether it is
// new, and whether it has the time of another: its path, user and group.

const LIMITS: Limits = Limits {
    dir: "recipes-1",
    magic: b"KILNREC2",
    largest: 8 << 20,
    most: 4096,
    most_bytes: 128 << 20,
};

/// What is kept of one recipe.
#[derive(Clone, Default, Debug)]
pub struct Kept {
    /// For people.
    pub label: Vec<u8>,
    /// When it was kept, nanoseconds since the epoch.
    pub kept: i64,
    /// How often it could not be answered since it was answered last.
    pub misses: u64,
    /// What it is an answer to, where one name has one answer for whatever was asked last.
    pub question: Key,
    /// What its standard input was when it was watched, as [`crate::stream_kind`] says it; `none` for the end of a
    /// pipe that nobody writes to.
    pub input: Vec<u8>,
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
        let due = self.is_due();
        self.misses += 1;
        due
    }

    /// Whether it is to be watched if it cannot be answered now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let misses = self.misses + 1;
        misses > 1 && misses.is_power_of_two() && !matches!(self.outcome, Outcome::Opaque(_))
    }

    /// Whether what it would be given as standard input can make no difference. Nothing comes from `/dev/null` as
    /// from a pipe that nobody writes to, and which of the two a job is given is a matter of chance; but who
    /// reads it, or asks what it is, is not seen to.
    #[must_use]
    pub fn may_be_given(&self, input: &[u8]) -> bool {
        let nothing = |kind: &[u8]| kind == b"null" || kind == b"none";
        let Outcome::Deed(deed) = &self.outcome else { return true };
        self.input == input
            || (nothing(&self.input) && nothing(input))
            || (!deed.asks_of_input && self.input != b"null")
    }

    /// Why it would be carried out again now, if it would.
    #[must_use]
    pub fn again(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Nothing => Some("it was not watched".to_owned()),
            Outcome::Opaque(opaque) => Some(opaque.to_string()),
            Outcome::Deed(deed) => self.changed(deed).map(|path| {
                let name = String::from_utf8_lossy(&path);
                match deed.made.iter().any(|m| m.left == Left::Removed && m.path == path) {
                    // Where it has been carried out, it is gone.
                    true => format!("{name}, which it takes away, is to be made first"),
                    false => format!("{name} is not as it was"),
                }
            }),
        }
    }

    /// The first path about which something is not as it was.
    fn changed(&self, deed: &Deed) -> Option<Vec<u8>> {
        // A clock that went back makes stamps mean something else.
        if RealEye.now() < self.kept {
            return Some(b"the clock".to_vec());
        }
        deed.changed()
    }

    /// Does to its files what carrying it out would do, if everything is as it was; then what each of its
    /// commands would say.
    #[must_use]
    pub fn carry_out(&self) -> Option<&[Said]> {
        let Outcome::Deed(deed) = &self.outcome else { return None };
        if self.changed(deed).is_some() {
            return None;
        }
        deed.redo()?;
        Some(&deed.said)
    }
}

fn encode(kept: &Kept) -> Vec<u8> {
    let mut w = Writer::default();
    w.i64(kept.kept);
    w.text(&kept.label);
    w.number(kept.misses);
    w.u128(kept.question.0);
    w.text(&kept.input);
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
        match &made.left {
            Left::Nothing => w.u8(0),
            Left::Removed => w.u8(1),
            Left::File(file) => {
                w.u8(2);
                encode_file(file, w);
            }
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
    w.u8(deed.asks_of_input.into());
}

fn encode_file(file: &MadeFile, w: &mut Writer) {
    w.number(file.mode.into());
    w.number(file.group.into());
    w.number(file.size);
    w.u128(file.hash);
    w.u8(file.new.into());
    w.u8(file.time_of.is_some().into());
    if let Some(TimeOf { path, owner: (user, group) }) = &file.time_of {
        w.text(path);
        w.number((*user).into());
        w.number((*group).into());
    }
}

fn parse_file(r: &mut Reader<'_>) -> Option<MadeFile> {
    let mode = u16::try_from(r.number()?).ok()?;
    let group = u32::try_from(r.number()?).ok()?;
    let (size, hash, new) = (r.number()?, r.u128()?, r.u8()? != 0);
    let time_of = match r.u8()? {
        0 => None,
        _ => {
            let path = r.text()?.to_vec();
            let (user, group) = (r.number()?, r.number()?);
            Some(TimeOf { path, owner: (user.try_into().ok()?, group.try_into().ok()?) })
        }
    };
    Some(MadeFile { mode, group, size, hash, new, time_of })
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    let mut r = Reader(bytes);
    let (kept, label, misses) = (r.i64()?, r.text()?.to_vec(), r.number()?);
    let (question, input) = (Key(r.u128()?), r.text()?.to_vec());
    let outcome = match r.u8()? {
        0 => Outcome::Nothing,
        1 => Outcome::Opaque(r.opaque()?),
        2 => Outcome::Deed(parse_deed(&mut r)?),
        _ => return None,
    };
    r.0.is_empty().then_some(Kept { label, kept, misses, question, input, outcome })
}

fn parse_deed(r: &mut Reader<'_>) -> Option<Deed> {
    let mut deed = Deed::default();
    for _ in 0..r.number()? {
        deed.facts.push(r.fact()?);
    }
    for _ in 0..r.number()? {
        deed.programs.push(r.text()?.to_vec());
    }
    for _ in 0..r.number()? {
        let path = r.text()?.to_vec();
        let left = match r.u8()? {
            0 => Left::Nothing,
            1 => Left::Removed,
            2 => Left::File(parse_file(r)?),
            _ => return None,
        };
        deed.made.push(Made { path, left });
    }
    for _ in 0..r.number()? {
        let mut said = Vec::new();
        for _ in 0..r.number()? {
            said.push((r.u8()?, r.text()?.to_vec()));
        }
        deed.said.push(said);
    }
    deed.asks_of_input = r.u8()? != 0;
    Some(deed)
}
