//! Longest first: how long the recipes of a module's directory took is remembered from run to run, in
//! the user's cache directory, so that with several job slots the longest need not be begun last. Which
//! targets may go ahead of others is said in [`kiln_graph::ahead`].
//!
//! It is for builds of modules' directories (`M=` where a kernel tree's makefile is) whose makes are all
//! in this process: of others it would not be known what else runs. Nothing is read before the first
//! recipe begins and nothing is written where none ran. `KILN_SLOW=order` switches it off.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kiln_exec::hooks::{Durations, Took};
use kiln_graph::ahead::{Entry, Known};
use kiln_watch::{Duration, Key};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_128;

/// What took less longer or shorter than this is not news, in microseconds.
const NOISE: u64 = 5000;

/// What is remembered of the directory that this process builds.
pub struct Order {
    store: kiln_watch::Durations,
    /// The first directory of a module that is built.
    dir: OnceLock<PathBuf>,
    known: OnceLock<Arc<Known>>,
    /// A recipe began that was not known, so the makefiles are other ones.
    strange: AtomicBool,
    /// Other processes share the job slots.
    shared: AtomicBool,
    seen: Mutex<FxHashMap<Vec<u8>, Seen>>,
    jobs: Arc<AtomicUsize>,
}

/// A recipe that ran.
struct Seen {
    took: u64,
    kind: u64,
    needs: Vec<Vec<u8>>,
    plain: Vec<u64>,
}

impl Order {
    /// With what is kept in a cache directory.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        Order {
            store: kiln_watch::Durations::open(cache),
            dir: OnceLock::new(),
            known: OnceLock::new(),
            strange: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            seen: Mutex::default(),
            jobs: Arc::default(),
        }
    }

    /// The build is one of this directory.
    pub fn begin(&self, dir: &Path) {
        let _ = self.dir.set(dir.to_owned());
    }

    /// The job slots come from another process.
    pub fn slots_are_shared(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    fn key(&self) -> Option<Key> {
        let dir = self.dir.get()?;
        Some(Key(xxh3_128(
            &[env!("CARGO_PKG_VERSION").as_bytes(), b"\0", dir.as_os_str().as_bytes()].concat(),
        )))
    }

    fn is_strange(&self, target: &[u8], kind: u64) -> bool {
        let entry = self.known.get().and_then(|known| known.find(target));
        entry.is_none_or(|entry| entry.kind != 0 && entry.kind != kind)
    }

    /// Keeps what was seen, if it is news. A cache that cannot be written is no error of the build.
    pub fn save(&self) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(key) = self.key().filter(|_| !seen.is_empty()) else { return };
        let known = self.known();
        let before: Vec<Duration> = known.entries().iter().map(kept).collect();
        let Some(all) = merged(&before, &seen) else { return };
        if let Ok(false) = self.store.put(key, &all)
            && let Some(all) = merged(&[], &seen)
        {
            // Targets that are no more have filled it.
            let _ = self.store.put(key, &all);
        }
    }
}

fn kept(entry: &Entry) -> Duration {
    let Entry { name, took, kind, needs, plain } = entry.clone();
    Duration { name, took, kind, needs, plain }
}

fn known(kept: Duration) -> Entry {
    let Duration { name, took, kind, needs, plain } = kept;
    Entry { name, took, kind, needs, plain }
}

/// What was kept with what was seen, if there is news. A target of which only is known that others need
/// it is like no other.
fn merged(before: &[Duration], seen: &FxHashMap<Vec<u8>, Seen>) -> Option<Vec<Duration>> {
    let mut all = before.to_vec();
    let mut places: FxHashMap<Vec<u8>, u32> =
        (0u32..).zip(before).map(|(n, one)| (one.name.clone(), n)).collect();
    let mut place = |all: &mut Vec<Duration>, name: &Vec<u8>| {
        *places.entry(name.clone()).or_insert_with(|| {
            all.push(Duration { name: name.clone(), ..Duration::default() });
            all.len() as u32 - 1
        })
    };
    let mut news = false;
    let mut names: Vec<_> = seen.iter().collect();
    names.sort_unstable_by_key(|(name, _)| *name);
    for (name, seen) in names {
        let n = place(&mut all, name) as usize;
        let needs = seen.needs.iter().map(|need| place(&mut all, need)).collect();
        let took = all[n].took;
        let new = Duration {
            name: name.clone(),
            took: seen.took,
            kind: seen.kind,
            needs,
            plain: seen.plain.clone(),
        };
        let about = seen.took.abs_diff(took) <= NOISE.max(took / 4);
        news |= !about || Duration { took, ..new.clone() } != all[n];
        all[n] = new;
    }
    news.then_some(all)
}

impl Durations for Order {
    fn is_on(&self) -> bool {
        self.dir.get().is_some() && !self.shared.load(Ordering::Relaxed)
    }

    fn known(&self) -> Arc<Known> {
        let read = || {
            let all = self.key().and_then(|key| self.store.get(key)).unwrap_or_default();
            Arc::new(Known::new(all.into_iter().map(known).collect()))
        };
        Arc::clone(self.known.get_or_init(read))
    }

    fn begun(&self, target: &[u8], kind: u64) {
        if self.is_strange(target, kind) {
            self.strange.store(true, Ordering::Relaxed);
        }
    }

    fn may_reorder(&self) -> bool {
        self.is_on() && !self.strange.load(Ordering::Relaxed)
    }

    fn took(&self, took: Took<'_>) {
        let seen = Seen {
            took: u64::try_from(took.took.as_micros()).unwrap_or(u64::MAX),
            kind: took.kind,
            needs: took.needs.made.clone(),
            plain: took.needs.plain.clone(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(took.target, seen);
    }

    fn jobs(&self) -> &Arc<AtomicUsize> {
        &self.jobs
    }
}
