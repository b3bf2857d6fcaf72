//! A shell line run within the process: kiln-shell's machine decides, this starts the programs that
//! it asks for and tells it how they ended. It does not decide which lines are run so.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_base::Sys;
use kiln_make::Stream;
use kiln_shell::{Dir, Host, Machine, Outcome, Setup, Status, Step, Target};

use crate::hooks::{Env, Native};
use crate::spawn::{self, Process};
use crate::{Done, Ended, Signals, Sink};

/// What a line runs with.
pub(crate) struct Around<'a> {
    /// The environment.
    pub env: &'a Env,
    /// The file system seen from the directory.
    pub sys: &'a dyn Sys,
    /// Where output goes.
    pub sink: &'a Sink,
    /// Whether standard input may be read.
    pub good_stdin: bool,
    /// Signals end a line.
    pub signals: &'a Arc<Signals>,
    /// What does programs without starting them.
    pub native: Option<&'a Arc<dyn Native>>,
}

/// A line that runs.
pub(crate) struct Script {
    machine: Machine,
    stage: Stage,
    sink: Sink,
    good_stdin: bool,
    signals: Arc<Signals>,
    native: Option<Arc<dyn Native>>,
    /// Ready from the start: for a line that is over before anybody waits.
    pub(crate) over: Done,
}

enum Stage {
    /// Programs of one pipeline; each is there until its outcome is.
    Programs(Vec<Result<Process, Outcome>>),
    /// The machine was busy for a while and lets others run; the flag is always ready.
    Busy(Done),
    Over(Ended),
}

/// The streams as the machine writes to them.
struct Streams(Sink);

impl Host for Streams {
    fn write(&self, fd: u8, bytes: &[u8]) -> io::Result<()> {
        let to = if fd == 1 { Stream::Out } else { Stream::Err };
        self.0.write(to, bytes).map_err(io::Error::from)
    }
}

/// Makes ready what the shell of a line sees.
fn setup(around: &Around<'_>, errexit: bool) -> Option<Setup> {
    let fd = around.sys.dir_fd()?.try_clone_to_owned().ok()?;
    let dir = Arc::new(Dir { fd, path: around.sys.dir().to_vec() });
    let env = around.env.iter().map(|(n, v)| [n.as_slice(), b"=", v.as_slice()].concat()).collect();
    Some(Setup {
        dir,
        env,
        host: Arc::new(Streams(around.sink.clone())),
        name: b"/bin/sh".to_vec(),
        errexit,
        pid: Some(number()),
    })
}

/// A number for `$$`: different from every process's and from every other line's.
fn number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let n = LAST.fetch_add(1, Ordering::Relaxed) % 1_000_000;
    10_000_000_000 + u64::from(std::process::id()) * 1_000_000 + n
}

impl Script {
    /// Begins a line, or declines before anything has happened.
    pub(crate) fn begin(text: &[u8], errexit: bool, around: &Around<'_>) -> Option<Self> {
        let script = kiln_shell::parse(text).ok()?;
        let machine = Machine::new(Arc::new(script), setup(around, errexit)?).ok()?;
        let over = Done::new().ok()?;
        over.finish(Ended::Exit(0));
        let mut run = Script {
            machine,
            over,
            stage: Stage::Over(Ended::Exit(0)),
            sink: around.sink.clone(),
            good_stdin: around.good_stdin,
            signals: Arc::clone(around.signals),
            native: around.native.cloned(),
        };
        let step = run.machine.start();
        run.enter(step);
        Some(run)
    }

    fn enter(&mut self, mut step: Step) {
        loop {
            self.stage = match step {
                Step::Done(Status::Exited(code)) => Stage::Over(Ended::Exit(code)),
                Step::Done(Status::Signaled(signal)) => Stage::Over(Ended::Signal(signal, false)),
                Step::Yield => match Done::new() {
                    Ok(done) => {
                        done.finish(Ended::Exit(0));
                        Stage::Busy(done)
                    }
                    // Without a descriptor to wait on, the machine goes on at once.
                    Err(_) => {
                        step = self.machine.resume(Vec::new());
                        continue;
                    }
                },
                Step::Start(programs) => {
                    // In a pipeline the others have to run while this one does.
                    let alone = programs.len() == 1;
                    let start = |p| match alone.then(|| self.natively(p)).flatten() {
                        Some(outcome) => Err(outcome),
                        None => self.start(p),
                    };
                    let started = programs.iter().map(start).collect();
                    Stage::Programs(started)
                }
            };
            // Where no program could be started, nothing will ever become ready.
            match self.outcomes() {
                Some(all) => step = self.machine.resume(all),
                None => return,
            }
        }
    }

    /// The outcomes of all programs, once there is one for each.
    fn outcomes(&self) -> Option<Vec<Outcome>> {
        let Stage::Programs(programs) = &self.stage else { return None };
        programs.iter().map(|p| p.as_ref().err().copied()).collect()
    }

    /// The outcome of a program that is done without being started.
    fn natively(&self, program: &kiln_shell::Process) -> Option<Outcome> {
        let native = self.native.as_ref()?;
        let file = |target: &Target| match target {
            Target::File(file) => Some(file.try_clone().ok().map(|f| Some(Arc::new(f.into())))),
            Target::Caller(1) => Some(Some(self.sink.out.clone())),
            Target::Caller(2) => Some(Some(self.sink.err.clone())),
            Target::Caller(_) => None,
        };
        // A stream of the caller's own can only stay what it is.
        let own = |target: &Target, fd: u8| !matches!(target, Target::Caller(n) if *n != fd);
        if !own(&program.fds[1], 1) || !own(&program.fds[2], 2) {
            return None;
        }
        let sink = Sink { out: file(&program.fds[1])??, err: file(&program.fds[2])?? };
        let pair = |entry: &Vec<u8>| {
            let at = entry.iter().position(|&c| c == b'=').unwrap_or(entry.len());
            (entry[..at].to_vec(), entry.get(at + 1..).unwrap_or_default().to_vec())
        };
        if !native.takes(&program.argv) {
            return None;
        }
        let env: Env = program.env.iter().map(pair).collect();
        match native.run(&program.argv, &env, &program.dir.path, &sink)? {
            Ended::Exit(code) => Some(Outcome::Exited(code)),
            Ended::Signal(signal, core) => Some(Outcome::Signaled { signal, core }),
        }
    }

    fn start(&self, program: &kiln_shell::Process) -> Result<Process, Outcome> {
        let failed = |e: &io::Error| Outcome::NotStarted(e.raw_os_error().unwrap_or(2));
        let hook = self.native.as_ref().filter(|n| n.takes(&program.argv));
        let instead = hook.and_then(|n| n.instead(&program.program, &program.dir.path));
        let mut command = match instead.as_deref().and_then(<[_]>::split_first) {
            Some((other, words)) => {
                let mut command = Command::new(OsStr::from_bytes(other));
                command.args(words.iter().map(|w| OsStr::from_bytes(w)));
                command
            }
            None => Command::new(OsStr::from_bytes(&program.program)),
        };
        if let Some((name, rest)) = program.argv.split_first() {
            if instead.is_none() {
                command.arg0(OsStr::from_bytes(name));
            }
            command.args(rest.iter().map(|w| OsStr::from_bytes(w)));
        }
        command.env_clear();
        for entry in program.env.iter() {
            let at = entry.iter().position(|&c| c == b'=').unwrap_or(entry.len());
            let value = entry.get(at + 1..).unwrap_or_default();
            command.env(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(value));
        }
        command.current_dir(OsStr::from_bytes(&program.dir.path));
        let streams = [0, 1, 2].map(|i| self.stdio(&program.fds[i], i));
        let [input, out, err] = streams;
        command.stdin(input.map_err(|e| failed(&e))?);
        command.stdout(out.map_err(|e| failed(&e))?);
        command.stderr(err.map_err(|e| failed(&e))?);
        spawn::begin(&mut command, &program.program).map_err(|e| failed(&e))
    }

    /// What a program's descriptor `fd` is to be.
    fn stdio(&self, target: &Target, fd: usize) -> io::Result<Stdio> {
        let own = |fd: BorrowedFd<'_>| -> io::Result<Stdio> { Ok(fd.try_clone_to_owned()?.into()) };
        match target {
            Target::File(file) => own(file.as_fd()),
            Target::Caller(0) if !self.good_stdin => spawn::broken_stdin(),
            Target::Caller(0) if fd == 0 => Ok(Stdio::inherit()),
            Target::Caller(0) => own(io::stdin().as_fd()),
            Target::Caller(n) => {
                let file = if *n == 1 { &self.sink.out } else { &self.sink.err };
                match file {
                    Some(file) => own(file.as_fd()),
                    None if usize::from(*n) == fd => Ok(Stdio::inherit()),
                    None if *n == 1 => own(io::stdout().as_fd()),
                    None => own(io::stderr().as_fd()),
                }
            }
        }
    }

    /// Ready when there may be news.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Programs(programs) => {
                programs.iter().find_map(|p| p.as_ref().ok()).map(AsFd::as_fd)
            }
            Stage::Busy(done) => Some(done.as_fd()),
            Stage::Over(_) => None,
        }
    }

    /// How the line ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        loop {
            match &mut self.stage {
                Stage::Over(ended) => return Some(*ended),
                Stage::Busy(_) => {
                    let step = self.machine.resume(Vec::new());
                    self.enter(step);
                    if matches!(self.stage, Stage::Busy(_)) {
                        return None;
                    }
                }
                Stage::Programs(programs) => {
                    for program in programs.iter_mut() {
                        let Ok(process) = program else { continue };
                        match process.ended()? {
                            Ended::Exit(code) => *program = Err(Outcome::Exited(code)),
                            Ended::Signal(signal, core) => {
                                *program = Err(Outcome::Signaled { signal, core });
                            }
                        }
                    }
                    let all = self.outcomes()?;
                    let step = match self.signals.caught() {
                        Some(signal) => Step::Done(self.machine.interrupt(signal)),
                        None => self.machine.resume(all),
                    };
                    self.enter(step);
                }
            }
        }
    }

    /// Asks what runs to end.
    pub(crate) fn terminate(&self) {
        if let Stage::Programs(programs) = &self.stage {
            programs.iter().flatten().for_each(Process::terminate);
        }
    }
}

/// Does a command without a shell that is a small standard program used plainly.
pub(crate) fn tool(argv: &[Vec<u8>], around: &Around<'_>) -> Option<Ended> {
    let program = spawn::find_program(around.sys, argv.first()?, around.env).ok()?;
    Some(match kiln_shell::run_tool(&program, argv, setup(around, false)?)? {
        Status::Exited(code) => Ended::Exit(code),
        Status::Signaled(signal) => Ended::Signal(signal, false),
    })
}
