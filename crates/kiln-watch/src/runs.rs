//! Whole runs that had nothing to do: what they printed, and all that this rested on. A file for
//! each, in a directory of the user's cache, so that a later run reads one small file and asks for the
//! state of what is named in it. It knows nothing of make.

use std::io;
use std::path::Path;

use crate::check::{Checker, Verdict};
use crate::codec::{Reader, Writer};
use crate::eye::Eye;
use crate::fact::Fact;
use crate::key::Key;
use crate::shelf::{Limits, Shelf};

// What a file says, after the head that shelf.rs writes:
//
//   kept      i64, nanoseconds since the epoch
//   label     text, for people
//   status    number, the exit status
//   said      number of pieces, each: u8 1 or 2 (output, errors), text
//   facts     number of facts, each as codec.rs writes it, in the order of their paths

const LIMITS: Limits = Limits {
    dir: "runs-1",
    magic: b"KILNRUN1",
    largest: 32 << 20,
    most: 256,
    most_bytes: 128 << 20,
};

/// A run that had nothing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Its command line, for people.
    pub label: Vec<u8>,
    /// When it was kept, nanoseconds since the epoch.
    pub kept: i64,
    /// Its exit status.
    pub status: u8,
    /// What it printed, in order: to standard output (1) or error (2).
    pub said: Vec<(u8, Vec<u8>)>,
    /// What this rested on.
    pub facts: Vec<Fact>,
}

/// One line of a listing.
pub struct Line {
    /// The command line.
    pub label: Vec<u8>,
    /// When it was kept, nanoseconds since the epoch.
    pub kept: i64,
    /// Size on disk in bytes.
    pub size: usize,
    /// How many things it rests on.
    pub facts: usize,
    /// Why it would not stand now, if it would not.
    pub again: Option<String>,
}

/// The runs that are kept in a directory.
pub struct Runs(Shelf);

impl Runs {
    /// Those below the cache directory, which need not exist.
    #[must_use]
    pub fn open(cache: &Path) -> Self {
        Runs(Shelf::open(cache, &LIMITS))
    }

    /// The run with this key if all that it rested on stands, and whether some of that could be said
    /// with fresher stamps, so that keeping the run again makes the next check cheaper.
    #[must_use]
    pub fn get(&self, key: Key, eye: &dyn Eye) -> Option<(Run, bool)> {
        let mut run = parse(&self.0.get(key)?)?;
        let fresher = check(&mut run, eye).ok()?;
        Some((run, fresher))
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put(&self, key: Key, run: &Run) -> io::Result<()> {
        self.0.put(key, &encode(run))
    }

    /// All runs, the last kept first, with what a check says of each now.
    #[must_use]
    pub fn list(&self, eye: &dyn Eye) -> Vec<Line> {
        let line = |(bytes, size): (Vec<u8>, usize)| {
            let mut run = parse(&bytes)?;
            let again = check(&mut run, eye).err();
            let facts = run.facts.len();
            Some(Line { label: run.label, kept: run.kept, size, facts, again })
        };
        let mut lines: Vec<Line> = self.0.all().into_iter().filter_map(line).collect();
        lines.sort_by_key(|l| std::cmp::Reverse(l.kept));
        lines
    }

    /// Forgets all runs.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.0.clear()
    }
}

fn parse(bytes: &[u8]) -> Option<Run> {
    let mut r = Reader(bytes);
    let kept = r.i64()?;
    let label = r.text()?.to_vec();
    let status = u8::try_from(r.number()?).ok()?;
    let mut said = Vec::new();
    for _ in 0..r.number()? {
        said.push((r.u8()?, r.text()?.to_vec()));
    }
    let mut facts = Vec::new();
    for _ in 0..r.number()? {
        facts.push(r.fact()?);
    }
    r.0.is_empty().then_some(Run { label, kept, status, said, facts })
}

fn encode(run: &Run) -> Vec<u8> {
    let mut w = Writer::default();
    w.i64(run.kept);
    w.text(&run.label);
    w.number(run.status.into());
    w.number(run.said.len() as u64);
    for (stream, text) in &run.said {
        w.u8(*stream);
        w.text(text);
    }
    let mut facts: Vec<&Fact> = run.facts.iter().collect();
    facts.sort_by(|a, b| a.path.cmp(&b.path));
    w.number(facts.len() as u64);
    facts.iter().for_each(|f| w.fact(f));
    w.0
}

/// Checks all facts and makes them fresher where they can be; whether any was.
fn check(run: &mut Run, eye: &dyn Eye) -> Result<bool, String> {
    let now = eye.now();
    // A clock that went back makes stamps mean something else: what was made before may seem to be
    // from the future, about which make has words.
    if now < run.kept {
        return Err("the clock went back".to_owned());
    }
    let mut checker = Checker::new(eye);
    let mut fresher = false;
    for fact in &mut run.facts {
        match checker.verdict(fact) {
            Verdict::Holds => {}
            Verdict::Refreshed(seen) => {
                fact.seen = seen;
                fresher = true;
            }
            Verdict::Fails(how) => {
                return Err(format!("{} {how}", String::from_utf8_lossy(&fact.path)));
            }
        }
    }
    Ok(fresher)
}
