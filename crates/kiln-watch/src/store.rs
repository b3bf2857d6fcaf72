//! Where answers are kept: one file in the user's cache directory, read whole when Kiln starts and
//! replaced whole when there is something new to keep. It knows nothing of how commands are watched.
//!
//! A store never makes a run fail. What cannot be read is not there, what cannot be written is not
//! kept; only [`Store::save`] tells, for who asks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::FlockOperation;

use crate::check::{Changed, Checker, EFFECT, Verdict};
use crate::fact::{Fact, Observations, Opaque};
use crate::file::{self, Contents, FILE, FRAME, Kept, LOCK, TEMPORARY, What};
use crate::key::Key;

/// An answer that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The command in one line, for people.
    pub label: Vec<u8>,
    /// The exit status as `wait(2)` tells it.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// What it rested on.
    pub seen: Observations,
}

/// What a store says to a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing is known.
    Nothing,
    /// It is known that the answer cannot be kept, so watching would be for nothing.
    Opaque(Opaque),
    /// An answer was kept, but what it rested on does not stand.
    Changed(Changed),
    /// The answer. Its observations are left empty: they were checked.
    Stands(Answer),
}

/// One line of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// The command in one line.
    pub label: Vec<u8>,
    /// When it was kept, seconds since the epoch.
    pub kept: i64,
    /// When it was last of use (to a day), seconds since the epoch.
    pub used: i64,
    /// Its own size on disk in bytes, without the facts that it shares.
    pub size: usize,
    /// Why it would be run again now, if it would.
    pub again: Option<String>,
}

/// An answer with more output than this is not kept.
const LONGEST_OUTPUT: usize = 4 << 20;
/// The day of last use is written, not the moment, so that a run that only reads seldom writes.
const DAY: i64 = 86_400;
/// How long an opaque command is believed to be so: a newer Kiln or another text may know better.
const OPAQUE_DAYS: i64 = 7;

/// See the module.
pub struct Store {
    dir: PathBuf,
    most: usize,
    old: Contents,
    /// What is known of the old facts: only within one [`Checker`]'s life.
    verdicts: Vec<Option<Option<Changed>>>,
    /// Which of the old facts [`Store::untold`] has told of.
    told: Vec<bool>,
    /// Entries of this run.
    new: FxHashMap<u128, Kept>,
    /// Facts that can be said with fresher stamps.
    refreshed: FxHashMap<Fact, Fact>,
    /// Entries that were of use and are marked with an older day.
    used: FxHashSet<u128>,
}

fn seconds() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}

impl Store {
    /// The store in a directory (`$XDG_CACHE_HOME/kiln`), which need not exist. `most` is the size in
    /// bytes that its file is kept under.
    #[must_use]
    pub fn open(dir: &Path, most: usize) -> Self {
        let old = Contents::read(&dir.join(FILE));
        Store {
            dir: dir.to_path_buf(),
            most,
            verdicts: vec![None; old.facts.len()],
            told: Vec::new(),
            old,
            new: FxHashMap::default(),
            refreshed: FxHashMap::default(),
            used: FxHashSet::default(),
        }
    }

    /// Forgets what was checked: files may have changed since.
    pub fn forget_checks(&mut self) {
        self.verdicts.iter_mut().for_each(|v| *v = None);
    }

    /// Answers a question, if the answer is known and stands. Facts that were checked once are not
    /// checked again until [`Store::forget_checks`].
    pub fn get(&mut self, key: Key, checker: &mut Checker<'_>) -> Found {
        if let Some(kept) = self.new.get(&key.0) {
            return match &kept.what {
                What::Opaque { opaque, .. } => Found::Opaque(opaque.clone()),
                What::Answer(answer) => match checker.check(&answer.seen) {
                    Ok(()) => {
                        Found::Stands(Answer { seen: Observations::default(), ..answer.clone() })
                    }
                    Err(changed) => Found::Changed(changed),
                },
            };
        }
        let Some((kept, numbers)) = self.old.entry(key.0) else { return Found::Nothing };
        let now = seconds();
        let found = match kept.what {
            What::Opaque { opaque, .. } => {
                if !(0..OPAQUE_DAYS * DAY).contains(&(now - kept.kept)) {
                    return Found::Nothing;
                }
                Found::Opaque(opaque)
            }
            What::Answer(answer) => {
                if let Some(effect) = answer.seen.effects.first() {
                    return Found::Changed(Changed { path: effect.path.clone(), how: EFFECT });
                }
                for number in numbers {
                    match self.stands(number, checker) {
                        None => return Found::Nothing,
                        Some(Some(changed)) => return Found::Changed(changed),
                        Some(None) => {}
                    }
                }
                Found::Stands(answer)
            }
        };
        if !(0..DAY).contains(&(now - kept.used)) {
            self.used.insert(key.0);
        }
        found
    }

    /// Whether an old fact stands; the outer `None` if there is no such fact.
    fn stands(&mut self, number: usize, checker: &mut Checker<'_>) -> Option<Option<Changed>> {
        if let Some(known) = self.verdicts.get(number)? {
            return Some(known.clone());
        }
        let fact = self.old.fact(number)?;
        let verdict = match checker.verdict(&fact) {
            Verdict::Holds => None,
            Verdict::Fails(how) => Some(Changed { path: fact.path, how }),
            Verdict::Refreshed(seen) => {
                let fresh = Fact { path: fact.path.clone(), seen };
                self.refreshed.insert(fact, fresh);
                None
            }
        };
        self.verdicts[number] = Some(verdict.clone());
        Some(verdict)
    }

    /// What a kept answer rested on, checked or not: for who records a whole run that used it.
    #[must_use]
    pub fn observations(&self, key: Key) -> Option<Observations> {
        let kept = match self.new.get(&key.0) {
            Some(kept) => kept.clone(),
            None => self.old.whole(key.0)?,
        };
        match kept.what {
            What::Answer(answer) => Some(answer.seen),
            What::Opaque { .. } => None,
        }
    }

    /// As [`Store::observations`], without the old facts that this has told of before: for who puts them
    /// all together. Forty probes of one compiler rest on the same files.
    pub fn untold(&mut self, key: Key) -> Option<Observations> {
        if self.new.contains_key(&key.0) {
            return self.observations(key);
        }
        let (kept, numbers) = self.old.entry(key.0)?;
        let What::Answer(Answer { mut seen, .. }) = kept.what else { return None };
        self.told.resize(self.old.facts.len(), false);
        for number in numbers {
            if !std::mem::replace(self.told.get_mut(number)?, true) {
                seen.facts.push(self.old.fact(number)?);
            }
        }
        Some(seen)
    }

    /// Keeps an answer, in memory until [`Store::save`]. One that left effects is not kept: the
    /// command has to run for them.
    pub fn put(&mut self, key: Key, answer: Answer) {
        if !answer.seen.effects.is_empty() {
            return;
        }
        if answer.stdout.len() + answer.stderr.len() > LONGEST_OUTPUT {
            return;
        }
        let now = seconds();
        self.new.insert(key.0, Kept { kept: now, used: now, what: What::Answer(answer) });
    }

    /// Keeps that a command's answer cannot be kept. Reasons that may not be so the next time (a
    /// signal, a full disk) are not kept.
    pub fn put_opaque(&mut self, key: Key, label: Vec<u8>, opaque: Opaque) {
        use crate::fact::Why;
        if matches!(
            opaque.why,
            Why::Refused | Why::Trouble | Why::Signal | Why::Changed | Why::NotStarted
        ) {
            return;
        }
        let now = seconds();
        self.new.insert(key.0, Kept { kept: now, used: now, what: What::Opaque { label, opaque } });
    }

    /// Whether [`Store::save`] would write anything.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !(self.new.is_empty() && self.refreshed.is_empty() && self.used.is_empty())
    }

    /// Writes what is new, beside what others wrote meanwhile. The store goes on with what it has.
    ///
    /// # Errors
    /// Why it could not be written: nothing is kept then, and the old file is as it was.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.has_news() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let latest = Contents::read(&self.dir.join(FILE));
        let now = seconds();
        let mut entries: Vec<(u128, Kept)> = Vec::new();
        for key in latest.answers.keys().filter(|key| !self.new.contains_key(key)) {
            if let Some(mut kept) = latest.whole(*key) {
                if self.used.contains(key) {
                    kept.used = now;
                }
                entries.push((*key, kept));
            }
        }
        entries.extend(self.new.iter().map(|(key, kept)| (*key, kept.clone())));
        for (_, kept) in &mut entries {
            if let What::Answer(answer) = &mut kept.what {
                for fact in &mut answer.seen.facts {
                    if let Some(fresh) = self.refreshed.get(fact) {
                        *fact = fresh.clone();
                    }
                }
            }
        }
        // The newest first; what does not fit is what was of use the longest ago. A time from the
        // future (a clock that jumped) counts as old.
        entries.sort_by_key(|(key, kept)| {
            (std::cmp::Reverse(if kept.used <= now + DAY { kept.used } else { 0 }), *key)
        });
        let bytes = file::encode(&entries, self.most);
        self.replace(&bytes)?;
        self.new.clear();
        self.refreshed.clear();
        self.used.clear();
        self.old = Contents::parse(bytes);
        self.verdicts = vec![None; self.old.facts.len()];
        self.told.clear();
        Ok(())
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// Why the file could not be removed.
    pub fn clear(&mut self) -> io::Result<()> {
        self.new.clear();
        self.refreshed.clear();
        self.used.clear();
        self.old = Contents::default();
        self.verdicts.clear();
        self.told.clear();
        if !self.dir.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        match fs::remove_file(self.dir.join(FILE)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The size of the file, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.old.bytes.len()
    }

    /// All entries, the last used first, with what a check says of each now.
    pub fn entries(&mut self, checker: &mut Checker<'_>) -> Vec<Entry> {
        let keys: Vec<u128> = self.old.answers.keys().copied().collect();
        let mut entries = Vec::new();
        for key in keys {
            let Some((kept, numbers)) = self.old.entry(key) else { continue };
            let size = self.old.answers.get(&key).map_or(0, |(_, span)| span.len() + FRAME);
            let (label, again) = match kept.what {
                What::Opaque { label, opaque } => (label, Some(opaque.to_string())),
                What::Answer(answer) => {
                    let again = numbers.into_iter().find_map(|n| match self.stands(n, checker) {
                        None => Some("a part of it was damaged".to_owned()),
                        Some(changed) => changed.map(|c| c.to_string()),
                    });
                    (answer.label, again)
                }
            };
            entries.push(Entry {
                key: Key(key),
                label,
                kept: kept.kept,
                used: kept.used,
                size,
                again,
            });
        }
        entries.sort_by_key(|e| (std::cmp::Reverse(e.used), e.key));
        entries
    }

    /// Makes the directory if need be and locks it. Another Kiln that writes is waited for shortly.
    fn lock(&self) -> io::Result<fs::File> {
        const TRIES: u32 = 50;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        // Run by root in a user's environment, Kiln must not leave files there that are root's.
        if fs::metadata(&self.dir)?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the cache directory is another user's",
            ));
        }
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(self.dir.join(LOCK))?;
        for _ in 0..TRIES {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(e) => return Err(e.into()),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        // Left over by a Kiln that was killed; under the lock nobody else is writing one.
        if let Ok(dir) = fs::read_dir(&self.dir) {
            for entry in dir.flatten() {
                if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        let temporary = self.dir.join(format!("{TEMPORARY}{}", std::process::id()));
        let written = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, self.dir.join(FILE)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}
