//! Watching the commands of one recipe, which are run for what they change: what they looked at, what
//! they left, what they said. It knows nothing of make, nor of where recipes are kept.
//!
//! One ledger serves all commands of a recipe, so that what one makes for the next is no fact about
//! the rest of the world. Every call is looked at, without a filter: a command that is run for what it
//! changes cannot begin again, so it has to be one that can be let go, when it starts a program with
//! rights of its own, when it leaves a process behind, or when nothing is to be learned any more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::eye::{Eye, Kind, RealEye, hash_bytes};
use crate::fact::{Fact, Opaque, Seen, Why};
use crate::handlers::{self, Scene};
use crate::ledger::{Deeds, Ledger, clean};
use crate::passing::Traces;
use crate::programs::contains;
use crate::watch::{Command, Prepared, Sink, far_end, find, follow, prepare};

/// What was said on given streams, in order: to standard output (1) or error (2).
pub type Said = Vec<(u8, Vec<u8>)>;

/// A path that a recipe left otherwise than it found it, or used for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The path, absolute.
    pub path: Vec<u8>,
    /// What is there now.
    pub left: Left,
}

/// What a recipe left at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Left {
    /// A file.
    File(MadeFile),
    /// Nothing, as there was nothing before: what was there came and went.
    Nothing,
    /// Nothing, where there was a file before that was read, and so is among the facts.
    Removed,
}

/// The file that a recipe left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MadeFile {
    /// Permission bits.
    pub mode: u16,
    /// The number of its group.
    pub group: u32,
    /// Bytes.
    pub size: u64,
    /// A hash of its bytes.
    pub hash: u128,
    /// Nothing was there before.
    pub new: bool,
    /// The file whose time of last change it was given; if there is none, it has that of its writing.
    pub time_of: Option<TimeOf>,
}

/// A file that was read and whose time another was given. Who does so gives the other its owner too,
/// where that is allowed, so this has to be the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeOf {
    /// Its path, absolute.
    pub path: Vec<u8>,
    /// The numbers of its user and group.
    pub owner: (u32, u32),
}

/// What came of a recipe that was watched.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Deed {
    /// What it looked at.
    pub facts: Vec<Fact>,
    /// The programs that ran, by real path.
    pub programs: Vec<Vec<u8>>,
    /// What it left, in the order in which it was written.
    pub made: Vec<Made>,
    /// What each command said.
    pub said: Vec<Said>,
    /// Whether one asked what its standard input is. Whoever read it is not kept, unless it was `/dev/null`.
    pub asks_of_input: bool,
}

/// The process that runs, for who wants to end it.
#[derive(Default)]
pub struct Running(Mutex<(Option<OwnedFd>, bool)>);

impl Running {
    fn inner(&self) -> MutexGuard<'_, (Option<OwnedFd>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks it to end, and whatever else is started.
    pub fn terminate(&self) {
        let mut inner = self.inner();
        inner.1 = true;
        if let Some(process) = &inner.0 {
            let _ = pidfd_send_signal(process, Signal::TERM);
        }
    }

    fn started(&self, id: u32) {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let mut inner = self.inner();
        if let (Some(process), true) = (&process, inner.1) {
            let _ = pidfd_send_signal(process, Signal::TERM);
        }
        inner.0 = process;
    }

    fn ended(&self) {
        self.inner().0 = None;
    }
}

/// The commands of a recipe so far.
pub struct Steps {
    ledger: Ledger,
    ids: Vec<i32>,
    says_pid: bool,
    began: i64,
    said: Vec<Said>,
    /// The words of the commands.
    texts: Vec<Vec<u8>>,
    /// Text that will not be so again.
    passing: Vec<Vec<u8>>,
}

/// Files that are larger are not read: a recipe that makes one is not kept.
const MOST_MADE: u64 = 64 << 20;

impl Steps {
    /// None yet. `passing` is what they are given that will not be so again.
    #[must_use]
    pub fn new(passing: Vec<Vec<u8>>) -> Self {
        Steps {
            ledger: Ledger::by_bytes(),
            ids: Vec::new(),
            says_pid: false,
            began: RealEye.now(),
            said: Vec::new(),
            texts: Vec::new(),
            passing,
        }
    }

    /// Runs the next command and waits for it. Its streams have to be given ones.
    ///
    /// # Errors
    /// If it cannot be started, as `execve(2)` and `fork(2)` say.
    pub fn run(&mut self, command: &Command, runs: &Running) -> io::Result<ExitStatus> {
        self.texts.extend_from_slice(&command.argv);
        let ran = self.watch(command, runs);
        runs.ended();
        if ran.is_err() {
            self.ledger.refuse(Why::NotStarted, "");
        }
        ran
    }

    /// Why it is of no use to watch the next one.
    #[must_use]
    pub fn opaque(&self) -> Option<&Opaque> {
        self.ledger.reason()
    }

    fn watch(&mut self, command: &Command, runs: &Running) -> io::Result<ExitStatus> {
        let program = find(command, &mut self.ledger)?;
        self.ledger.status(&command.dir, true, Ok(()));
        let Prepared { child, out, err, input, outputs } = prepare(command, &program)?;
        let end = |sink: &Sink| match sink {
            Sink::Given(fd) => far_end(fd),
            Sink::Kept => None,
        };
        let deeds = handlers::Deeds {
            said: Vec::new(),
            ends: [end(&command.stdout), end(&command.stderr)],
        };
        let scene = Scene {
            ledger: std::mem::take(&mut self.ledger),
            input,
            outputs,
            elsewhere: None,
            ids: std::mem::take(&mut self.ids),
            says_pid: self.says_pid,
            fast: false,
            again: false,
            deeds: Some(deeds),
        };
        let started = |id| runs.started(id);
        let (ran, scene) = follow(child, [out, err], Vec::new(), scene, started)?;
        match scene {
            Ok(scene) => {
                self.ledger = scene.ledger;
                self.ids = scene.ids;
                self.says_pid = scene.says_pid;
                self.said.push(scene.deeds.map(|d| d.said).unwrap_or_default());
            }
            Err(_) => self.ledger.refuse(Why::Refused, "the watching thread failed"),
        }
        // Only under a filter would it have to begin again.
        let ended = ran?.ok_or(io::ErrorKind::Other)?;
        Ok(ended.0)
    }

    /// All commands have run and none failed: what came of them.
    ///
    /// # Errors
    /// The reason why it cannot be kept.
    pub fn finish(self) -> Result<Deed, Opaque> {
        let Steps { ledger, ids, says_pid, began, said, texts, passing } = self;
        let Deeds { seen, passing: mut temporaries, mut times, asks_of_input } =
            ledger.finish_deeds()?;
        // A name that the recipe itself gives is not one by chance: it would be gone each time.
        let named = |path: &mut Vec<u8>| {
            let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
            texts.iter().any(|text| contains(text, name))
        };
        let gone = temporaries.extract_if(.., named).map(|path| Made { path, left: Left::Nothing });
        let mut made: Vec<(i64, Made)> = gone.map(|made| (0, made)).collect();
        temporaries.extend(passing);
        let traces = Traces { began, ids: says_pid.then_some(ids), temporaries };
        for (_, text) in said.iter().flatten() {
            traces.look(text)?;
        }
        for effect in seen.effects {
            let Some(after) = effect.after else {
                // Of what it took away unread it is not known what it was.
                if !was_read(&seen.facts, &effect.path) {
                    return Err(Opaque::new(Why::Changed, effect.path));
                }
                made.push((0, Made { path: effect.path, left: Left::Removed }));
                continue;
            };
            let Some((size, time)) = after.content.filter(|_| after.kind == Kind::File) else {
                return Err(Opaque::new(Why::Effect, effect.path));
            };
            if size > MOST_MADE {
                return Err(Opaque::new(Why::Effect, effect.path));
            }
            let changed = || Opaque::new(Why::Changed, effect.path.clone());
            let path = Path::new(std::ffi::OsStr::from_bytes(&effect.path));
            let bytes = std::fs::read(path).unwrap_or_default();
            let group = std::fs::symlink_metadata(path).map_err(|_| changed())?.gid();
            if bytes.len() as u64 != size {
                return Err(changed());
            }
            traces.look(&bytes)?;
            let (hash, new) = (hash_bytes(&bytes), !effect.before);
            let time_of = times.remove(&effect.path);
            let file = MadeFile { mode: after.mode, group, size, hash, new, time_of };
            made.push((time, Made { path: effect.path, left: Left::File(file) }));
        }
        made.sort_by_key(|(time, _)| *time);
        let made = made.into_iter().map(|(_, made)| made).collect();
        Ok(Deed { facts: seen.facts, programs: seen.programs, made, said, asks_of_input })
    }
}

/// Whether the bytes of a file are among the facts.
fn was_read(facts: &[Fact], path: &[u8]) -> bool {
    let of = |f: &&Fact| clean(&f.path) == path;
    facts.iter().filter(of).any(|f| matches!(f.seen, Seen::Contents { hash: Some(_), .. }))
}

/// Whether two given outputs lead to one place. What was said is noted by the stream that it went to,
/// and of two that lead to one place by the first, so this belongs to a recipe's key.
#[must_use]
pub fn is_one_stream(out: impl AsFd, err: impl AsFd) -> bool {
    let place = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).ok().map(|s| (s.st_dev, s.st_ino));
    place(out.as_fd()) == place(err.as_fd())
}
