//! `$(shell …)` answered from what was seen when the same command ran before.
//!
//! A command is watched the first time; while everything that it looked at still stands, its answer is
//! given again without a process. What cannot be known that way runs every time. `KILN_SLOW=probes`
//! switches this off.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use kiln_exec::Probes;
use kiln_exec::hooks::Env;
use kiln_make::ShellResult;
use kiln_watch::fact::Why;
use kiln_watch::{
    Answer, Checker, Command, Found, Key, Question, RealEye, Sink, Source, Store, Surroundings,
    stream_kind, watch,
};
use rustc_hash::FxHashSet;

/// What the file of answers is kept under, in bytes.
const MOST: usize = 64 << 20;

/// The answers of this process.
pub struct Answers {
    inner: Mutex<Inner>,
    around: Surroundings,
    /// The system allows no watching; there is no use in asking again.
    refused: AtomicBool,
}

/// How many commands one run watches for the sake of later runs. Watching takes a command about twice
/// its time, and no run is to be slower for it than make would be; a command that is asked for twice
/// in one run is watched in any case, since that pays at once.
const FOR_LATER: usize = 6;

struct Inner {
    /// How many commands may still be watched for later runs.
    for_later: usize,
    /// Commands that this run has asked for.
    asked: FxHashSet<Key>,
    store: Store,
    checker: Checker<'static>,
}

impl Answers {
    /// The answers kept in a directory.
    #[must_use]
    pub fn open(dir: &Path) -> Self {
        let inner = Inner {
            for_later: FOR_LATER,
            asked: FxHashSet::default(),
            store: Store::open(dir, MOST),
            checker: Checker::new(&RealEye),
        };
        let refused = AtomicBool::new(false);
        Answers { inner: Mutex::new(inner), around: Surroundings::now(), refused }
    }

    /// Keeps what was learned. A cache that cannot be written is no error of the build.
    pub fn save(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.store.has_news() {
            let _ = inner.store.save();
        }
    }
}

/// One kept answer, for people.
pub struct Kept {
    /// The command.
    pub command: String,
    /// How long ago it was kept, in seconds.
    pub age: i64,
    /// Its size on disk in bytes.
    pub size: usize,
    /// Why it would be run again now, if it would.
    pub again: Option<String>,
}

/// What is kept in a directory, and how large the whole file is in bytes.
#[must_use]
pub fn list(dir: &Path) -> (Vec<Kept>, usize) {
    let mut store = Store::open(dir, MOST);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let entries = store.entries(&mut Checker::new(&RealEye));
    let kept = entries.into_iter().map(|e| Kept {
        command: String::from_utf8_lossy(&e.label).into_owned(),
        age: (now - e.kept).max(0),
        size: e.size,
        again: e.again,
    });
    (kept.collect(), store.size())
}

/// Forgets all answers.
///
/// # Errors
/// If the file cannot be removed.
pub fn clear(dir: &Path) -> io::Result<()> {
    Store::open(dir, MOST).clear()
}

impl Probes for Answers {
    fn ask(
        &self,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        err: Option<&File>,
    ) -> Option<ShellResult> {
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let streams = streams(err);
        let question = Question {
            purpose: b"shell",
            argv,
            dir,
            env,
            streams: &streams,
            version: env!("CARGO_PKG_VERSION").as_bytes(),
        };
        let key = question.key(&self.around);
        {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let Inner { store, checker, for_later, asked } = &mut *inner;
            match store.get(key, checker) {
                Found::Stands(answer) => {
                    return Some(ShellResult { output: answer.stdout, status: answer.status });
                }
                Found::Opaque(_) => return None,
                Found::Nothing | Found::Changed(_) => {}
            }
            if asked.insert(key) {
                *for_later = for_later.checked_sub(1)?;
            }
        }
        // Other instances go on asking while this command runs.
        let watched = watch(command(argv, env, dir, err).ok()?).ok()?;
        let status = match watched.status.signal() {
            Some(signal) => 128 + signal,
            None => watched.status.code().unwrap_or(127),
        };
        let label = match argv {
            [_, flag, script] if flag == b"-c" => script.clone(),
            _ => argv.join(&b' '),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match watched.seen {
            Ok(seen) => {
                let stdout = watched.stdout.clone();
                let changes = !seen.effects.is_empty();
                inner.store.put(key, Answer { label, status, stdout, stderr: Vec::new(), seen });
                if changes {
                    forget(&mut inner);
                }
            }
            Err(opaque) => {
                if opaque.why == Why::Refused {
                    self.refused.store(true, Ordering::Relaxed);
                } else {
                    inner.store.put_opaque(key, label, opaque);
                }
                forget(&mut inner);
            }
        }
        Some(ShellResult { output: watched.stdout, status })
    }

    fn disturbed(&self) {
        forget(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn forget(inner: &mut Inner) {
    inner.store.forget_checks();
    inner.checker.forget();
}

/// What the streams are, since programs may ask, and since what goes to `/dev/null` is no part of an
/// answer. Standard output is always a pipe.
fn streams(err: Option<&File>) -> Vec<u8> {
    let err = match err {
        Some(file) => stream_kind(file.as_fd()),
        None => stream_kind(io::stderr().as_fd()),
    };
    [stream_kind(io::stdin().as_fd()), " kept ", err].concat().into_bytes()
}

fn command(argv: &[Vec<u8>], env: &Env, dir: &[u8], err: Option<&File>) -> io::Result<Command> {
    let copy = |fd: std::os::fd::BorrowedFd<'_>| -> io::Result<OwnedFd> { fd.try_clone_to_owned() };
    let stderr = match err {
        Some(file) => copy(file.as_fd())?,
        None => copy(io::stderr().as_fd())?,
    };
    Ok(Command {
        program: argv.first().cloned().unwrap_or_default(),
        argv: argv.to_vec(),
        env: env.clone(),
        dir: dir.to_vec(),
        // A command that reads or writes what is not kept is found to be opaque.
        stdin: Source::Given(copy(io::stdin().as_fd())?),
        stdout: Sink::Kept,
        stderr: Sink::Given(stderr),
    })
}
