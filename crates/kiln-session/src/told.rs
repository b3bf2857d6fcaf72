//! Who listens to a build: the journal of unfinished targets always, and what a person asked for
//! (`--why`, `--trace`, `--timing`). It does not decide what is done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kiln_exec::Ended;
use kiln_exec::observe::{Begun, How, Observer};
use kiln_make::FileId;
use rustc_hash::FxHashMap;

use crate::journal::{self, Journal};
use crate::log::{Command, Job, Log, Shell};
use crate::why;

/// What a person asked to be told.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// Each target that is remade, with its reason.
    pub why: bool,
    /// Where a trace of all jobs is written.
    pub trace: Option<PathBuf>,
    /// Where the time went.
    pub timing: bool,
}

impl Telling {
    /// Whether anything was asked for.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.why || self.trace.is_some() || self.timing
    }
}

/// A reason that has not been told yet.
struct Pending {
    text: String,
    /// The target as it was, where only the recipe's end shows whether it made anything: kbuild runs
    /// lines for some targets that come to nothing.
    before: Option<(String, Vec<u8>)>,
}

/// Gives the text of one line to whoever prints.
pub type Say = Box<dyn Fn(&str) + Send + Sync>;

/// All who listen.
pub struct Listeners {
    journal: Option<Journal>,
    why: Option<Say>,
    /// Reasons that are told once it is clear that something is made.
    pending: Mutex<FxHashMap<u64, Pending>>,
    log: Option<Mutex<Log>>,
    last: AtomicU64,
}

impl Listeners {
    /// Listeners with a journal in that cache directory. Targets that an earlier build has left half
    /// made are deleted first.
    #[must_use]
    pub fn new(cache: Option<&Path>, telling: &Telling, say: Say) -> Self {
        let repaired = cache.map(journal::repair).unwrap_or_default();
        if telling.why {
            for file in repaired {
                say(&format!("{}: a build that was killed had left it half made", file.display()));
            }
        }
        let keeps_log = telling.trace.is_some() || telling.timing;
        Listeners {
            journal: cache.map(Journal::new),
            why: telling.why.then_some(say),
            pending: Mutex::default(),
            log: keeps_log.then(|| Mutex::new(Log::begin())),
            last: AtomicU64::new(0),
        }
    }

    /// The build has come to its end. What was logged, if anything was.
    pub fn end(&self) -> Option<Log> {
        if let Some(journal) = &self.journal {
            journal.close();
        }
        let mut log = self.log()?.clone();
        log.end = Instant::now();
        Some(log)
    }

    fn pending(&self) -> MutexGuard<'_, FxHashMap<u64, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> Option<MutexGuard<'_, Log>> {
        self.log.as_ref().map(|l| l.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Listeners {
    fn wants_needs(&self) -> bool {
        self.log.is_some()
    }

    fn recipe(&self, mut begun: Begun<'_>) -> u64 {
        let job = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let file = begun.file;
        let is_file = |f: FileId, begun: &Begun<'_>| {
            let file = &begun.make.files[f];
            !file.phony && !file.precious
        };
        if let Some(journal) = &self.journal {
            let peers = begun.make.files[file].also_make.clone();
            let files = std::iter::once(file).chain(peers).filter(|&f| is_file(f, &begun));
            let targets: Vec<Vec<u8>> =
                files.map(|f| kiln_graph::absolute(begun.make, f)).collect();
            if !targets.is_empty() {
                journal.begun(job, &targets);
            }
        }
        if self.why.is_none() && self.log.is_none() {
            return job;
        }
        let name = String::from_utf8_lossy(begun.make.file_name(file)).into_owned();
        let why = why::why(&mut begun);
        if self.why.is_some() && !begun.make.files[file].phony {
            let path = kiln_graph::absolute(begun.make, file);
            let before = (!why.sure).then(|| (journal::identity(&path), path));
            let text = format!("{name}: {}", why.text);
            self.pending().insert(job, Pending { text, before });
        }
        if let Some(mut log) = self.log() {
            let needs = begun.needs;
            log.jobs.insert(
                job,
                Job { name, why: why.text, parent: begun.parent, needs, commands: Vec::new() },
            );
        }
        job
    }

    fn command(&self, job: u64, argv: &[Vec<u8>]) {
        let Some(mut log) = self.log() else { return };
        if let Some(job) = log.jobs.get_mut(&job) {
            job.commands.push(Command::begin(argv));
        }
    }

    fn started(&self, job: u64, how: How) {
        if let Some(say) = &self.why {
            let mut pending = self.pending();
            match pending.get(&job) {
                // What is made is said by the make that is started.
                Some(_) if how == How::SubMake => {
                    pending.remove(&job);
                }
                Some(p) if p.before.is_none() => {
                    say(&p.text);
                    pending.remove(&job);
                }
                _ => {}
            }
        }
        let Some(mut log) = self.log() else { return };
        if let Some(c) = log.jobs.get_mut(&job).and_then(|j| j.commands.last_mut()) {
            c.how = how;
        }
    }

    fn command_ended(&self, job: u64, ended: Ended) {
        let Some(mut log) = self.log() else { return };
        if let Some(c) = log.jobs.get_mut(&job).and_then(|j| j.commands.last_mut()) {
            c.end = Some(Instant::now());
            c.success = ended.success();
        }
    }

    fn recipe_ended(&self, job: u64, _success: bool) {
        if let Some(journal) = &self.journal {
            journal.ended(job);
        }
        if let Some(say) = &self.why
            && let Some(p) = self.pending().remove(&job)
            && p.before.is_some_and(|(identity, path)| journal::identity(&path) != identity)
        {
            say(&p.text);
        }
    }

    fn shell(&self, parent: u64, argv: &[Vec<u8>], since: Instant, answered: bool) {
        let Some(mut log) = self.log() else { return };
        let text = argv.last().map(|w| String::from_utf8_lossy(w).into_owned()).unwrap_or_default();
        log.shells.push(Shell { text, parent, begin: since, end: Instant::now(), answered });
    }
}
