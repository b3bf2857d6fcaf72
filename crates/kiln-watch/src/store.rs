//! Where answers are kept: one file in the user's cache directory, read whole when Kiln starts and
//! replaced whole when there is something new to keep. It knows nothing of how commands are watched.
//!
//! A store never makes a run fail. What cannot be read is not there, what cannot be written is not
//! kept; only [`Store::save`] tells, for who asks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::FlockOperation;

use crate::check::{Changed, Checker, EFFECT, Verdict};
use crate::eye::Identity;
use crate::fact::{Fact, Observations, Opaque};
use crate::file::{self, Contents, FILE, FORMER, FRAME, Kept, LOCK, Parts, TEMPORARY, What};
use crate::given::{Given, differences};
use crate::key::{Key, Query};
use crate::names::{self, Names, reader};
use crate::places::Moves;

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
    /// What tells it from all others.
    pub id: u128,
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

/// How many answers to one question are kept: each for other settings.
const MOST_ALIKE: usize = 8;

/// A file that was read: who may know a variable's name.
type Reader = Option<Arc<(Vec<u8>, Identity)>>;

/// See the module.
pub struct Store {
    dir: PathBuf,
    most: usize,
    old: Contents,
    /// What is known of the old facts: only within one [`Checker`]'s life.
    verdicts: Vec<Option<Option<Changed>>>,
    /// Which of the old facts [`Store::get_with_observations`] has told of.
    told: Vec<bool>,
    /// The files among the old facts.
    readers: Vec<Option<Reader>>,
    /// By which names an old environment differs from one that was asked for.
    differing: FxHashMap<(usize, u64), Arc<Vec<Vec<u8>>>>,
    names: Names,
    /// Entries of this run, by their keys.
    new: FxHashMap<u128, Vec<(u128, Kept)>>,
    /// Facts that can be said with fresher stamps.
    refreshed: FxHashMap<Fact, Fact>,
    /// Entries that were of use and are marked with an older day.
    used: FxHashSet<u128>,
}

/// Why none was found.
enum Miss {
    Nothing,
    Opaque(Opaque),
    Changed(Changed),
}

impl From<Miss> for Found {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Nothing => Found::Nothing,
            Miss::Opaque(opaque) => Found::Opaque(opaque),
            Miss::Changed(changed) => Found::Changed(changed),
        }
    }
}

/// Where an answer was found, and what it is.
enum At {
    New(usize),
    Old(u128, Box<Parts>),
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
            readers: vec![None; old.facts.len()],
            differing: FxHashMap::default(),
            names: Names::open(dir),
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
    pub fn get(&mut self, query: &Query, checker: &mut Checker<'_>) -> Found {
        self.look_up(query, checker, false).0
    }

    /// As [`Store::get`], and what an answer that stands rested on, without the old facts that this has
    /// told of before: for who records a whole run that used it. Forty probes of one compiler rest on the
    /// same files.
    pub fn get_with_observations(
        &mut self,
        query: &Query,
        checker: &mut Checker<'_>,
    ) -> (Found, Option<Observations>) {
        self.look_up(query, checker, true)
    }

    fn look_up(
        &mut self,
        query: &Query,
        checker: &mut Checker<'_>,
        observed: bool,
    ) -> (Found, Option<Observations>) {
        let found = self.find(query, checker);
        self.names.rest();
        let (at, moved) = match found {
            Ok(found) => found,
            Err(miss) => return (miss.into(), None),
        };
        let here = &query.given.places;
        let (what, facts) = match at {
            At::New(at) => match self.new.get(&query.key.0).and_then(|l| l.get(at)) {
                Some((_, kept)) => (kept.what.clone(), None),
                None => return (Found::Nothing, None),
            },
            At::Old(id, parts) => {
                let Parts { kept, facts, .. } = *parts;
                if !(0..DAY).contains(&(seconds() - kept.used)) {
                    self.used.insert(id);
                }
                (kept.what, Some(facts))
            }
        };
        let What::Answer { mut answer, places, .. } = what else { return (Found::Nothing, None) };
        let mut seen = std::mem::take(&mut answer.seen);
        if !observed {
            return (Found::Stands(answer), None);
        }
        let told =
            facts.is_none_or(|facts| self.tell(&facts, places != *here, &mut seen.facts).is_some());
        if places != *here {
            let there = |f: &Fact| places.iter().any(|p| crate::ledger::clean(&f.path) == *p);
            seen.facts.retain(|f| !there(f));
            seen.facts.extend(moved);
        }
        (Found::Stands(answer), told.then_some(seen))
    }

    /// Adds the old facts that were not told of before, or all of them.
    fn tell(&mut self, numbers: &[usize], all: bool, facts: &mut Vec<Fact>) -> Option<()> {
        self.told.resize(self.old.facts.len(), false);
        for &number in numbers {
            if all || !std::mem::replace(self.told.get_mut(number)?, true) {
                facts.push(self.old.fact(number)?);
            }
        }
        Some(())
    }

    /// Finds an answer that stands and was given under settings that cannot make a difference. Also
    /// what was found of the directories that are others than then.
    fn find(&mut self, query: &Query, checker: &mut Checker<'_>) -> Result<(At, Vec<Fact>), Miss> {
        let mut found = Miss::Nothing;
        let Store { new, names, .. } = self;
        for (at, (_, kept)) in new.get(&query.key.0).into_iter().flatten().enumerate() {
            let What::Answer { answer, vars, streams, places } = &kept.what else {
                if let What::Opaque { opaque, .. } = &kept.what {
                    found = Miss::Opaque(opaque.clone());
                }
                continue;
            };
            let asks = answer.seen.asks;
            let differing = differences(vars, &query.given.vars);
            if !query.given.suits(streams, asks, &differing) {
                continue;
            }
            let Some(moves) = Moves::new(answer, places, &query.given.places) else { continue };
            let Some((rest, moved)) = moves.apply(answer.seen.facts.iter(), checker) else {
                continue;
            };
            let failing = rest.iter().find_map(|fact| match checker.verdict(fact) {
                Verdict::Fails(how) => Some(Changed { path: fact.path.clone(), how }),
                _ => None,
            });
            if let Some(changed) = failing {
                found = Miss::Changed(changed);
                continue;
            }
            let readers: Vec<_> = answer.seen.facts.iter().filter_map(reader).collect();
            if names.are_unknown(&differing, &query.given, &readers) {
                return Ok((At::New(at), moved));
            }
        }
        for id in self.old.by_key.get(&query.key.0).cloned().unwrap_or_default() {
            let Some(parts) = self.old.parts(id) else { continue };
            match self.suits_old(&parts, query, checker) {
                Ok(moved) => return Ok((At::Old(id, Box::new(parts)), moved)),
                Err(Miss::Nothing) => {}
                Err(other) => found = other,
            }
        }
        Err(found)
    }

    fn suits_old(
        &mut self,
        Parts { kept, facts: numbers, env }: &Parts,
        query: &Query,
        checker: &mut Checker<'_>,
    ) -> Result<Vec<Fact>, Miss> {
        let (answer, streams, places) = match &kept.what {
            What::Opaque { opaque, .. } => {
                let believed = (0..OPAQUE_DAYS * DAY).contains(&(seconds() - kept.kept));
                return Err(if believed { Miss::Opaque(opaque.clone()) } else { Miss::Nothing });
            }
            What::Answer { answer, streams, places, .. } => (answer, streams, places),
        };
        if let Some(effect) = answer.seen.effects.first() {
            return Err(Miss::Changed(Changed { path: effect.path.clone(), how: EFFECT }));
        }
        let differing = self.differing(*env, &query.given).ok_or(Miss::Nothing)?;
        if !query.given.suits(streams, answer.seen.asks, &differing) {
            return Err(Miss::Nothing);
        }
        let moves = Moves::new(answer, places, &query.given.places).ok_or(Miss::Nothing)?;
        let mut moved = Vec::new();
        let mut rest = numbers.to_vec();
        if !moves.is_empty() {
            let facts: Option<Vec<Fact>> = numbers.iter().map(|n| self.old.fact(*n)).collect();
            let facts = facts.ok_or(Miss::Nothing)?;
            rest = (0..numbers.len())
                .filter(|i| !moves.bear_on(&facts[*i]))
                .map(|i| numbers[i])
                .collect();
            moved = moves.apply(facts.iter(), checker).ok_or(Miss::Nothing)?.1;
        }
        for number in rest {
            if let Some(changed) = self.stands(number, checker).ok_or(Miss::Nothing)? {
                return Err(Miss::Changed(changed));
            }
        }
        if differing.is_empty() {
            return Ok(moved);
        }
        let readers: Vec<_> = numbers.iter().filter_map(|n| self.reader(*n)).collect();
        let readers: Vec<_> = readers.iter().map(|r| (&r.0[..], &r.1)).collect();
        match self.names.are_unknown(&differing, &query.given, &readers) {
            true => Ok(moved),
            false => Err(Miss::Nothing),
        }
    }

    /// By which names a kept environment differs.
    fn differing(&mut self, env: usize, given: &Given) -> Option<Arc<Vec<Vec<u8>>>> {
        let key = (env, given.environment());
        if let Some(known) = self.differing.get(&key) {
            return Some(Arc::clone(known));
        }
        let names = Arc::new(differences(&self.old.env(env)?, &given.vars));
        self.differing.insert(key, Arc::clone(&names));
        Some(names)
    }

    /// The file that an old fact says was read.
    fn reader(&mut self, number: usize) -> Reader {
        if let Some(known) = self.readers.get(number)? {
            return known.clone();
        }
        let fact = self.old.fact(number)?;
        let fact = self.refreshed.get(&fact).unwrap_or(&fact);
        let found = reader(fact).map(|(path, id)| Arc::new((path.to_vec(), *id)));
        self.readers[number] = Some(found.clone());
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

    /// Keeps an answer, in memory until [`Store::save`]. One that left effects is not kept: the
    /// command has to run for them.
    pub fn put(&mut self, query: &Query, answer: Answer) {
        if !answer.seen.effects.is_empty() {
            return;
        }
        if answer.stdout.len() + answer.stderr.len() > LONGEST_OUTPUT {
            return;
        }
        let Given { vars, streams, places, .. } = &query.given;
        let what = What::Answer {
            answer,
            vars: Arc::new(vars.clone()),
            streams: streams.clone(),
            places: places.clone(),
        };
        let mut id = xxhash_rust::xxh3::Xxh3::new();
        id.update(&query.key.0.to_le_bytes());
        id.update(&query.given.environment().to_le_bytes());
        for text in places.iter().chain([streams]) {
            id.update(&(text.len() as u64).to_le_bytes());
            id.update(text);
        }
        self.put_kept(query.key, id.digest128(), what);
    }

    /// Keeps that a command's answer cannot be kept, whatever it is given. Reasons that may not be so
    /// the next time (a signal, a full disk) are not kept.
    pub fn put_opaque(&mut self, key: Key, label: Vec<u8>, opaque: Opaque) {
        use crate::fact::Why;
        if matches!(
            opaque.why,
            Why::Refused | Why::Trouble | Why::Signal | Why::Changed | Why::NotStarted
        ) {
            return;
        }
        self.put_kept(key, key.0, What::Opaque { label, opaque });
    }

    fn put_kept(&mut self, key: Key, id: u128, what: What) {
        let now = seconds();
        let list = self.new.entry(key.0).or_default();
        list.retain(|(other, _)| *other != id);
        list.insert(0, (id, Kept { key: key.0, kept: now, used: now, what }));
    }

    /// Whether [`Store::save`] would write anything.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !(self.new.is_empty() && self.refreshed.is_empty() && self.used.is_empty())
            || self.names.has_news()
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
        let mut entries: Vec<(u128, Kept)> = self.new.values().flatten().cloned().collect();
        let own: FxHashSet<u128> = entries.iter().map(|(id, _)| *id).collect();
        for id in latest.entries.keys().filter(|id| !own.contains(id)) {
            if let Some(mut kept) = latest.whole(*id) {
                if self.used.contains(id) {
                    kept.used = now;
                }
                entries.push((*id, kept));
            }
        }
        for (_, kept) in &mut entries {
            if let What::Answer { answer, .. } = &mut kept.what {
                for fact in &mut answer.seen.facts {
                    if let Some(fresh) = self.refreshed.get(fact) {
                        *fact = fresh.clone();
                    }
                }
            }
        }
        // The newest first; what does not fit is what was of use the longest ago. A time from the
        // future (a clock that jumped) counts as old.
        let used = |kept: &Kept| if kept.used <= now + DAY { kept.used } else { 0 };
        entries.sort_by_key(|(id, kept)| std::cmp::Reverse((used(kept), kept.kept, *id)));
        let mut alike: FxHashMap<u128, usize> = FxHashMap::default();
        entries.retain(|(_, kept)| {
            let count = alike.entry(kept.key).or_default();
            *count += 1;
            *count <= MOST_ALIKE
        });
        let bytes = file::encode(&entries, self.most);
        self.replace(&bytes, FILE)?;
        if self.names.has_news() {
            let bytes = self.names.encode();
            self.replace(&bytes, names::FILE)?;
        }
        for former in FORMER {
            let _ = fs::remove_file(self.dir.join(former));
        }
        self.new.clear();
        self.refreshed.clear();
        self.used.clear();
        self.old = Contents::parse(bytes);
        self.verdicts = vec![None; self.old.facts.len()];
        self.told.clear();
        self.readers = vec![None; self.old.facts.len()];
        self.differing.clear();
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
        self.readers.clear();
        self.differing.clear();
        self.names = Names::default();
        if !self.dir.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for name in [FILE, names::FILE].into_iter().chain(FORMER.iter().copied()) {
            match fs::remove_file(self.dir.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The size of the file, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.old.bytes.len()
    }

    /// All entries, the last used first, with what a check says of each now.
    pub fn entries(&mut self, checker: &mut Checker<'_>) -> Vec<Entry> {
        let ids: Vec<u128> = self.old.entries.keys().copied().collect();
        let mut entries = Vec::new();
        for id in ids {
            let Some(Parts { kept, facts, .. }) = self.old.parts(id) else { continue };
            let size = self.old.entries.get(&id).map_or(0, |(_, span)| span.len() + FRAME);
            let (label, again) = match kept.what {
                What::Opaque { label, opaque } => (label, Some(opaque.to_string())),
                What::Answer { answer, .. } => {
                    let again = facts.into_iter().find_map(|n| match self.stands(n, checker) {
                        None => Some("a part of it was damaged".to_owned()),
                        Some(changed) => changed.map(|c| c.to_string()),
                    });
                    (answer.label, again)
                }
            };
            entries.push(Entry { id, label, kept: kept.kept, used: kept.used, size, again });
        }
        entries.sort_by_key(|e| (std::cmp::Reverse(e.used), e.id));
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

    fn replace(&self, bytes: &[u8], name: &str) -> io::Result<()> {
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
            .and_then(|()| fs::rename(&temporary, self.dir.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}
