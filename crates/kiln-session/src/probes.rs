//! `$(shell …)` answered from what was seen when the same command ran before.
//!
//! A command is watched the first time; while everything that it looked at still stands, its answer is
//! given again without a process. What cannot be known that way runs every time. `KILN_SLOW=probes`
//! switches this off.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kiln_exec::hooks::Env;
use kiln_exec::{Done, Ended, Probes, RecipeCommand};
use kiln_make::{ShellResult, Stream};
use kiln_watch::fact::Why;
use kiln_watch::{
    Answer, Checker, Command, Found, Observations, Opaque, Query, Question, RealEye, Runs, Sink,
    Source, Store, Surroundings, Watched, is_found, stream_kind, watch,
};

use crate::idle;
use crate::record::Recording;

/// What the file of answers is kept under, in bytes.
const MOST: usize = 64 << 20;

/// The answers of this process.
pub struct Answers {
    inner: Mutex<Inner>,
    around: Surroundings,
    /// What this process's own standard input and error are.
    stdin: &'static str,
    stderr: &'static str,
    /// The system allows no watching; there is no use in asking again.
    refused: AtomicBool,
    /// Where it is noted what the whole run rests on.
    recording: Option<Arc<Recording>>,
}

/// How many commands a run watches for the sake of later runs. Watching costs a command more than half its
/// time, on a busy machine more than all of it, and no run is to be slower for it than make would be. Two
/// answers that were known save more than watching another command costs.
const FOR_LATER: usize = 3;

struct Inner {
    /// What may still be spent on watching: one for each known answer, and watching takes two.
    credit: usize,
    store: Store,
    checker: Checker<'static>,
}

impl Answers {
    /// The answers kept in a directory.
    #[must_use]
    pub fn open(dir: &Path, recording: Option<Arc<Recording>>, around: Surroundings) -> Self {
        let inner = Inner {
            credit: 2 * FOR_LATER,
            store: Store::open(dir, MOST),
            checker: Checker::new(&RealEye),
        };
        let refused = AtomicBool::new(false);
        let (stdin, stderr) = (stream_kind(io::stdin()), stream_kind(io::stderr()));
        Answers { inner: Mutex::new(inner), around, stdin, stderr, refused, recording }
    }

    /// Keeps what was learned. A cache that cannot be written is no error of the build.
    pub fn save(&self) {
        let mut inner = self.inner();
        if inner.store.has_news() {
            let _ = inner.store.save();
        }
    }
}

/// One kept answer, for people.
pub struct Kept {
    /// The command on one line, shortened as a list shows it.
    pub command: String,
    /// How long ago it was kept, in seconds.
    pub age: i64,
    /// Its size on disk in bytes.
    pub size: usize,
    /// Why it would be run again now, if it would.
    pub again: Option<String>,
}

/// What is kept in a directory: whole runs first, then recipes, then commands; and how large it all is in bytes.
#[must_use]
pub fn list(dir: &Path) -> (Vec<Kept>, usize) {
    let mut store = Store::open(dir, MOST);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let entries = store.entries(&mut Checker::new(&RealEye));
    let text = |bytes: &[u8]| String::from_utf8_lossy(&shortened(bytes)).into_owned();
    let runs = Runs::open(dir).list(&RealEye);
    let recipes = kiln_watch::Recipes::open(dir).list();
    let size = store.size()
        + runs.iter().map(|r| r.size).sum::<usize>()
        + recipes.iter().map(|(_, size)| size).sum::<usize>()
        + kiln_watch::Durations::open(dir).size()
        + kiln_watch::Findings::open(dir).size();
    let recipes = recipes.into_iter().map(|(r, size)| Kept {
        command: format!("recipe of {}", text(&r.label)),
        age: (now - r.kept.div_euclid(1_000_000_000)).max(0),
        size,
        again: r.again(),
    });
    let runs = runs.into_iter().map(|r| Kept {
        command: format!("nothing to do: {}", text(&r.label)),
        age: (now - r.kept.div_euclid(1_000_000_000)).max(0),
        size: r.size,
        again: r.again,
    });
    let commands = entries.into_iter().map(|e| Kept {
        command: text(&e.label),
        age: (now - e.kept).max(0),
        size: e.size,
        again: e.again,
    });
    (runs.chain(recipes).chain(commands).collect(), size)
}

/// Forgets all answers, recipes, runs, durations and what was found in headers.
///
/// # Errors
/// If a file cannot be removed.
pub fn clear(dir: &Path) -> io::Result<()> {
    Runs::open(dir).clear()?;
    kiln_watch::Recipes::open(dir).clear()?;
    kiln_watch::Durations::open(dir).clear()?;
    kiln_watch::Findings::open(dir).clear()?;
    Store::open(dir, MOST).clear()
}

/// What became of asking for a command's answer.
enum Known {
    /// This, and what it rested on if a recording wants it.
    Answer(Box<Answer>, Option<Observations>),
    /// It has to be run, and it is of no use to watch it.
    Run,
    /// It may be watched.
    Watch,
}

impl Answers {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording, while the run can still be recorded.
    fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref().filter(|r| !r.is_over())
    }

    /// The run cannot be recorded.
    fn no_record(&self, why: Why, what: &[u8]) {
        if let Some(recording) = self.recording() {
            recording.refuse(Opaque::new(why, what));
        }
    }

    fn known(&self, query: &Query) -> Known {
        let mut inner = self.inner();
        let Inner { store, checker, .. } = &mut *inner;
        let (found, seen) = match self.recording() {
            Some(_) => store.get_with_observations(query, checker),
            None => (store.get(query, checker), None),
        };
        match found {
            Found::Stands(answer) => Known::Answer(Box::new(answer), seen),
            Found::Opaque(_) => Known::Run,
            Found::Nothing | Found::Changed(_) => Known::Watch,
        }
    }

    /// Keeps what came of watching a command; what its answer rested on, if that can be kept.
    fn keep(
        &self,
        query: &Query,
        label: Vec<u8>,
        status: i32,
        watched: &Watched,
    ) -> Option<Observations> {
        let mut inner = self.inner();
        match &watched.seen {
            Ok(seen) if seen.effects.is_empty() => {
                let stdout = watched.stdout.clone();
                let answer =
                    Answer { label, status, stdout, stderr: Vec::new(), seen: seen.clone() };
                inner.store.put(query, answer);
                Some(seen.clone())
            }
            Ok(seen) => {
                let path = seen.effects.first().map(|e| e.path.clone()).unwrap_or_default();
                inner.store.put_opaque(query.key, label, Opaque::new(Why::Effect, path));
                forget(&mut inner);
                None
            }
            Err(opaque) => {
                if opaque.why == Why::Refused {
                    self.refused.store(true, Ordering::Relaxed);
                } else {
                    inner.store.put_opaque(query.key, label, opaque.clone());
                }
                forget(&mut inner);
                None
            }
        }
    }

    fn answer_shell(
        &self,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        err: Option<&File>,
    ) -> Option<ShellResult> {
        let kinds = kinds(self.stdin, None, err.map_or(self.stderr, stream_kind));
        let query = self.query(b"shell", argv, env, dir, &kinds);
        match self.known(&query) {
            Known::Answer(answer, seen) => {
                if let Some(recording) = self.recording() {
                    recording.rests_on(seen);
                }
                // What was saved by two can be spent on watching another.
                self.inner().credit += 1;
                return Some(ShellResult { output: answer.stdout, status: answer.status });
            }
            Known::Run => return None,
            Known::Watch if self.refused.load(Ordering::Relaxed) => return None,
            Known::Watch => {
                let mut inner = self.inner();
                inner.credit = inner.credit.checked_sub(2)?;
            }
        }
        let streams = Streams {
            stdin: Some(io::stdin().as_fd().try_clone_to_owned().ok()?),
            stdout: None,
            stderr: own_or(err, io::stderr().as_fd()).ok()?,
        };
        // Other instances go on asking while this command runs.
        let watched = watch(streams.command(argv, env, dir)).ok()?;
        let status = match watched.status.signal() {
            Some(signal) => 128 + signal,
            None => watched.status.code().unwrap_or(127),
        };
        let seen = self.keep(&query, label(argv), status, &watched);
        match (self.recording(), seen) {
            (Some(recording), Some(seen)) => recording.rests_on(Some(seen)),
            _ => self.no_record(Why::Program, b""),
        }
        Some(ShellResult { output: watched.stdout, status })
    }

    /// A recipe's command while the run has changed nothing so far. Only the commands of phony targets
    /// are watched: the others make something, and are run because there is something to make.
    fn answer_recipe(self: &Arc<Self>, command: &RecipeCommand<'_>) -> Option<Done> {
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let RecipeCommand { argv, env, dir, sink, .. } = command;
        let streams = Streams::of_recipe(sink, command.good_stdin).ok()?;
        let query = self.query(b"recipe", argv, env, dir, &streams.kinds());
        let done = Done::new().ok()?;
        match self.known(&query) {
            // One that fails has more to it: make says so, and may delete the target.
            Known::Answer(answer, seen) if answer.status == 0 => {
                self.recording()?.rests_on(seen);
                done.finish(Ended::Exit(0));
                return Some(done);
            }
            Known::Answer(..) | Known::Run => return None,
            Known::Watch if !command.phony => return None,
            Known::Watch => {}
        }
        let watched = streams.command(argv, env, dir);
        // Make has its own words for a program that is not there.
        if !is_found(&watched) {
            return None;
        }
        // Other jobs are to run beside it, as they would beside an unwatched one.
        let (this, label, ending) = (Arc::clone(self), label(argv), done.clone());
        let task = move || {
            let run = || this.watch_recipe(watched, &query, label);
            // A panic has printed its message.
            let ended = catch_unwind(AssertUnwindSafe(run));
            ending.finish(ended.unwrap_or(Ended::Exit(127)));
        };
        std::thread::Builder::new().spawn(task).ok()?;
        Some(done)
    }

    /// Runs a recipe's command, watched.
    fn watch_recipe(&self, command: Command, query: &Query, label: Vec<u8>) -> Ended {
        let Ok(watched) = watch(command) else {
            self.no_record(Why::Refused, &label);
            return Ended::Exit(127);
        };
        let status = watched.status.code().unwrap_or(-1);
        match self.keep(query, label, status, &watched) {
            Some(seen) if status == 0 => {
                if let Some(recording) = self.recording() {
                    recording.rests_on(Some(seen));
                }
            }
            _ => self.no_record(Why::Effect, b""),
        }
        match watched.status.signal() {
            Some(signal) => Ended::Signal(signal, watched.status.core_dumped()),
            None => Ended::Exit(status),
        }
    }

    fn query(
        &self,
        purpose: &[u8],
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        streams: &[u8],
    ) -> Query {
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        Question { purpose, argv, dir, env, streams, version }.query(&self.around)
    }
}

impl Probes for Answers {
    fn ask(
        &self,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        err: Option<&File>,
    ) -> Option<ShellResult> {
        let answer = self.answer_shell(argv, env, dir, err);
        if answer.is_none() {
            self.no_record(Why::Program, argv.first().map_or(b"", Vec::as_slice));
        }
        answer
    }

    fn disturbed(&self) {
        // A run that is still to be recorded has changed nothing.
        if self.recording().is_none() {
            forget(&mut self.inner());
        }
    }

    fn recipe(self: Arc<Self>, command: RecipeCommand<'_>) -> Option<Done> {
        self.recording()?;
        if idle::command(command.argv) {
            return None;
        }
        let answer = self.answer_recipe(&command);
        if answer.is_none() {
            self.no_record(Why::Program, command.argv.first().map_or(b"", Vec::as_slice));
        }
        answer
    }

    fn said(&self, to: Stream, text: &[u8]) {
        if let Some(recording) = self.recording() {
            recording.said(to, text);
        }
    }
}

fn forget(inner: &mut Inner) {
    inner.store.forget_checks();
    inner.checker.forget();
}

/// A command as a list of answers shows it.
fn label(argv: &[Vec<u8>]) -> Vec<u8> {
    match argv {
        [_, flag, script] if flag == b"-c" => shortened(script),
        _ => shortened(&argv.join(&b' ')),
    }
}

/// As much of a text as a list shows, on one line: a compiler's command is long, and all labels are
/// read whenever answers are. kbuild's probes begin alike, and what they ask stands at the end.
fn shortened(text: &[u8]) -> Vec<u8> {
    const CHARACTERS: usize = 100;
    const HEAD: usize = 25;
    let words = text.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let mut line = words.collect::<Vec<_>>().join(&b' ');
    // All but the first byte of a character in UTF-8 begin with the bits 10.
    let begins: Vec<usize> = (0..line.len()).filter(|i| line[*i] & 0xc0 != 0x80).collect();
    if begins.len() > CHARACTERS {
        let tail = begins[begins.len() - (CHARACTERS - HEAD - 1)];
        line.splice(begins[HEAD]..tail, "…".bytes());
    }
    line
}

/// Where a command's streams lead. Standard output that is `None` is a pipe, and part of the answer;
/// a command that reads or writes one that is given is found to be opaque.
pub(crate) struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: OwnedFd,
}

fn own_or(file: Option<&File>, own: std::os::fd::BorrowedFd<'_>) -> io::Result<OwnedFd> {
    file.map_or(own, AsFd::as_fd).try_clone_to_owned()
}

/// What streams are, in one line.
fn kinds(stdin: &str, stdout: Option<&str>, stderr: &str) -> Vec<u8> {
    [stdin, " ", stdout.unwrap_or("kept"), " ", stderr].concat().into_bytes()
}

impl Streams {
    /// Those of a recipe's commands.
    pub fn of_recipe(sink: &kiln_exec::Sink, good_stdin: bool) -> io::Result<Self> {
        let stdin = match good_stdin {
            true => io::stdin().as_fd().try_clone_to_owned()?,
            // The end of a pipe that nobody writes to, as make gives it to all jobs but one.
            false => rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?.0,
        };
        let stdout = own_or(sink.out.as_deref(), io::stdout().as_fd())?;
        let stderr = own_or(sink.err.as_deref(), io::stderr().as_fd())?;
        Ok(Streams { stdin: Some(stdin), stdout: Some(stdout), stderr })
    }

    /// What they are, since programs may ask, and since what goes to `/dev/null` is no part of an
    /// answer.
    pub fn kinds(&self) -> Vec<u8> {
        let stdin = self.stdin.as_ref().map_or("kept", stream_kind);
        kinds(stdin, self.stdout.as_ref().map(stream_kind), stream_kind(&self.stderr))
    }

    pub fn command(self, argv: &[Vec<u8>], env: &Env, dir: &[u8]) -> Command {
        Command {
            program: argv.first().cloned().unwrap_or_default(),
            argv: argv.to_vec(),
            env: env.clone(),
            dir: dir.to_vec(),
            stdin: self.stdin.map_or(Source::Null, Source::Given),
            stdout: self.stdout.map_or(Sink::Kept, Sink::Given),
            stderr: Sink::Given(self.stderr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_keeps_its_end() {
        assert_eq!(shortened(b" a  b\n\tc "), b"a b c");
        let long = format!("{}; then echo \"-Wx\"; fi", "ä".repeat(200));
        let short = String::from_utf8(shortened(long.as_bytes())).unwrap();
        assert_eq!(short.chars().count(), 100);
        assert!(short.starts_with(&"ä".repeat(25)) && short.contains('…'), "{short}");
        assert!(short.ends_with("; then echo \"-Wx\"; fi"), "{short}");
        assert_eq!(shortened("x".repeat(100).as_bytes()), "x".repeat(100).as_bytes());
    }
}
