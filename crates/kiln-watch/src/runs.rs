//! Whole runs that had nothing to do: what they printed, and all that this rested on. A file for
//! each, in a directory of the user's cache, so that a later run reads one small file and asks for the
//! state of what is named in it. It knows nothing of make.
//!
//! As in [`crate::store`], nothing here makes a run fail: what cannot be read is not there.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::check::{Checker, Verdict};
use crate::codec::{Reader, Writer};
use crate::eye::Eye;
use crate::fact::Fact;
use crate::file::trusted;
use crate::key::Key;

// The file, named by the key in hexadecimal:
//
//   header    8 bytes "KILNRUN1"
//   checksum  u64, xxh3 of what follows
//   kept      i64, nanoseconds since the epoch
//   label     text, for people
//   status    number, the exit status
//   said      number of pieces, each: u8 1 or 2 (output, errors), text
//   facts     number of facts, each as codec.rs writes it, in the order of their paths
//
// A file is replaced by renaming; whoever reads has the old one or the new one. Nothing is synced,
// since the checksum tells what a power cut left.

const MAGIC: &[u8; 8] = b"KILNRUN1";
const DIR: &str = "runs-1";
const TEMPORARY: &str = ".new.";
/// Largest record in bytes.
const LARGEST: u64 = 32 << 20;
/// How many are kept; the ones that were written the longest ago go first.
const MOST: usize = 256;
/// How many bytes all of them may have.
const MOST_BYTES: u64 = 128 << 20;

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
pub struct Runs(PathBuf);

impl Runs {
    /// Those below the cache directory, which need not exist.
    #[must_use]
    pub fn open(cache: &Path) -> Self {
        Runs(cache.join(DIR))
    }

    fn file(&self, key: Key) -> PathBuf {
        self.0.join(format!("{:032x}", key.0))
    }

    /// The run with this key if all that it rested on stands, and whether some of that could be said
    /// with fresher stamps, so that keeping the run again makes the next check cheaper.
    #[must_use]
    pub fn get(&self, key: Key, eye: &dyn Eye) -> Option<(Run, bool)> {
        let bytes = trusted(&self.file(key), LARGEST)?;
        let mut run = parse(&bytes)?;
        let fresher = check(&mut run, eye).ok()?;
        Some((run, fresher))
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put(&self, key: Key, run: &Run) -> io::Result<()> {
        let bytes = encode(run);
        if bytes.len() as u64 > LARGEST {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        // Run by root in a user's environment, Kiln must not leave files there that are root's.
        if fs::metadata(&self.0)?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.prune();
        let file = self.file(key);
        let temporary = self.0.join(format!("{TEMPORARY}{:032x}.{}", key.0, std::process::id()));
        // One of the same name is left over from a process that is no more.
        let _ = fs::remove_file(&temporary);
        let written = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut out| out.write_all(&bytes))
            .and_then(|()| fs::rename(&temporary, &file));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// All runs, the last kept first, with what a check says of each now.
    #[must_use]
    pub fn list(&self, eye: &dyn Eye) -> Vec<Line> {
        let mut lines: Vec<Line> = self
            .paths()
            .into_iter()
            .filter_map(|(path, _, size)| {
                let mut run = parse(&trusted(&path, LARGEST)?)?;
                let again = check(&mut run, eye).err();
                let facts = run.facts.len();
                Some(Line { label: run.label, kept: run.kept, size: size as usize, facts, again })
            })
            .collect();
        lines.sort_by_key(|l| std::cmp::Reverse(l.kept));
        lines
    }

    /// Forgets all runs.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The files with the time of their last change (seconds) and their size.
    fn paths(&self) -> Vec<(PathBuf, i64, u64)> {
        let Ok(dir) = fs::read_dir(&self.0) else { return Vec::new() };
        dir.flatten()
            .filter_map(|e| {
                let meta = e.metadata().ok()?;
                meta.is_file().then(|| (e.path(), meta.mtime(), meta.len()))
            })
            .collect()
    }

    /// Makes room for one more.
    fn prune(&self) {
        let mut paths = self.paths();
        paths.sort_by_key(|(_, changed, _)| std::cmp::Reverse(*changed));
        let mut bytes = 0;
        for (i, (path, _, size)) in paths.iter().enumerate() {
            bytes += size;
            if i + 1 >= MOST || bytes > MOST_BYTES {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Run> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (sum, body) = rest.split_at_checked(8)?;
    if xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()[..] != *sum {
        return None;
    }
    let mut r = Reader(body);
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
    let sum = xxhash_rust::xxh3::xxh3_64(&w.0).to_le_bytes();
    [&MAGIC[..], &sum, &w.0].concat()
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
