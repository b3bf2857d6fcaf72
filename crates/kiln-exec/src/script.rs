//! A shell line run within the process: kiln-shell's machine decides, this starts the programs that
//! it asks for and tells it how they ended. It does not decide which lines are run so.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_base::Sys;
use kiln_make::Stream;
use kiln_shell::{Dir, Host, Machine, Outcome, Setup, Status, Step, Target};
use rustix::event::{PollFd, PollFlags};

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

/// A program that was begun.
enum Begun {
    Process(Process),
    /// It is done without being started, on a thread of its own.
    Thread(Done),
}

enum Stage {
    /// Programs of one pipeline; each is there until its outcome is.
    Programs(Vec<Result<Begun, Outcome>>),
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
    pub(crate) fn begin(
        script: kiln_shell::Script,
        errexit: bool,
        around: &Around<'_>,
    ) -> Option<Self> {
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
                    let started = self.answered(&programs).or_else(|| self.without_head(&programs));
                    Stage::Programs(started.unwrap_or_else(|| {
                        // In a pipeline the others have to run while this one does.
                        let alone = programs.len() == 1;
                        let natively = |p| alone.then(|| self.natively(p)).flatten();
                        let begin = |p| natively(p).map_or_else(|| self.begin_one(p), Err);
                        programs.iter().map(begin).collect()
                    }))
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

    /// Begins a program of several.
    fn begin_one(&self, program: &kiln_shell::Process) -> Result<Begun, Outcome> {
        match self.on_a_thread(program) {
            Some(done) => Ok(Begun::Thread(done)),
            None => self.start(program).map(Begun::Process),
        }
    }

    /// A pipeline whose last exit status is known without running it.
    fn answered(&self, programs: &[kiln_shell::Process]) -> Option<Vec<Result<Begun, Outcome>>> {
        let [first, second] = programs else { return None };
        let native = self.native.as_ref().filter(|_| joined(first, second))?;
        let words = [first, second].map(|p| (&p.program[..], &p.argv[..]));
        let status = native.ask(&words, &env_of(first), &first.dir.path)?;
        // Only the last one's status is looked at.
        Some(vec![Err(Outcome::Exited(0)), Err(Outcome::Exited(status))])
    }

    /// A pipeline of which it is known, without running them, what its first two programs write: only
    /// the rest is begun.
    fn without_head(
        &self,
        programs: &[kiln_shell::Process],
    ) -> Option<Vec<Result<Begun, Outcome>>> {
        let [first, second, third, rest @ ..] = programs else { return None };
        let native = self.native.as_ref();
        let native = native.filter(|_| joined(first, second) && joined(second, third))?;
        let words = [first, second].map(|p| (&p.program[..], &p.argv[..]));
        let lines = native.lines(&words, &env_of(first), &first.dir.path)?;
        let mut third = third.clone();
        third.fds[0] = Target::File(Arc::new(in_memory(&lines).ok()?.into()));
        let mut begun = vec![Err(Outcome::Exited(0)), Err(Outcome::Exited(0))];
        begun.extend([&third].into_iter().chain(rest).map(|program| self.begin_one(program)));
        Some(begun)
    }

    /// Where the output of a program goes that is done without being started. A stream of the
    /// caller's own can only stay what it is.
    fn sink_of(&self, program: &kiln_shell::Process) -> Option<Sink> {
        let file = |target: &Target, fd: u8| match target {
            Target::File(file) => Some(file.try_clone().ok().map(|f| Some(Arc::new(f.into())))),
            Target::Caller(1) if fd == 1 => Some(Some(self.sink.out.clone())),
            Target::Caller(2) if fd == 2 => Some(Some(self.sink.err.clone())),
            Target::Caller(_) => None,
        };
        Some(Sink { out: file(&program.fds[1], 1)??, err: file(&program.fds[2], 2)?? })
    }

    /// The outcome of a program that is done at once without being started.
    fn natively(&self, program: &kiln_shell::Process) -> Option<Outcome> {
        let native = self.native.as_ref()?;
        if !native.takes(&program.argv) || native.reads(&program.argv) {
            return None;
        }
        let sink = self.sink_of(program)?;
        let ended = native.run(&program.argv, &env_of(program), &program.dir.path, &sink)?;
        Some(outcome(ended))
    }

    /// Begins a program that is done without being started and that reads what others write.
    fn on_a_thread(&self, program: &kiln_shell::Process) -> Option<Done> {
        let native = self.native.as_ref()?;
        if !native.takes(&program.argv) || !native.reads(&program.argv) {
            return None;
        }
        let Target::File(input) = &program.fds[0] else { return None };
        let input = File::from(input.try_clone().ok()?);
        let done = Done::new().ok()?;
        let fed = Fed {
            native: Arc::clone(native),
            program: program.clone(),
            sink: self.sink_of(program)?,
            streams: self.sink.clone(),
            good_stdin: self.good_stdin,
            done: done.clone(),
        };
        std::thread::Builder::new().spawn(move || fed.run(input)).ok()?;
        Some(done)
    }

    fn start(&self, program: &kiln_shell::Process) -> Result<Process, Outcome> {
        let hook = self.native.as_ref().filter(|n| n.takes(&program.argv));
        let instead = hook.and_then(|n| n.instead(&program.program, &program.dir.path));
        let mut other = None;
        if let Some(mut words) = instead {
            let own = words.first().cloned().unwrap_or_default();
            words.extend(program.argv.iter().skip(1).cloned());
            let program = other.insert(program.clone());
            (program.program, program.argv) = (own, words);
        }
        let program = other.as_ref().unwrap_or(program);
        let input = stdio(&self.sink, self.good_stdin, &program.fds[0], 0);
        let started = input.and_then(|input| start(program, &self.sink, self.good_stdin, input));
        if let Some(native) = self.native.as_ref().filter(|_| started.is_ok()) {
            native.meanwhile(&program.argv, &|| env_of(program), &program.dir.path);
        }
        started.map_err(|e| not_started(&e))
    }

    /// Ready when there may be news.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Programs(programs) => {
                programs.iter().find_map(|p| p.as_ref().ok()).map(|begun| match begun {
                    Begun::Process(process) => process.as_fd(),
                    Begun::Thread(done) => done.as_fd(),
                })
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
                        let Ok(begun) = program else { continue };
                        let ended = match begun {
                            Begun::Process(process) => process.ended()?,
                            Begun::Thread(done) => done.ended()?,
                        };
                        *program = Err(outcome(ended));
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

    /// Waits for the line's end.
    pub(crate) fn wait(mut self) -> Ended {
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            if let Some(fd) = self.fd() {
                // Whatever comes of it, the end is looked for again.
                let _ = rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], None);
            }
        }
    }

    /// Asks what runs to end.
    pub(crate) fn terminate(&self) {
        if let Stage::Programs(programs) = &self.stage {
            for begun in programs.iter().flatten() {
                if let Begun::Process(process) = begun {
                    process.terminate();
                }
            }
        }
    }
}

/// A program that reads what others write and is done without being started.
struct Fed {
    native: Arc<dyn Native>,
    program: kiln_shell::Process,
    /// Where its output goes.
    sink: Sink,
    /// The streams of the job.
    streams: Sink,
    good_stdin: bool,
    done: Done,
}

impl Fed {
    /// Takes in all of its input and does it; where that is declined, it is started after all, with
    /// what was read for its input.
    fn run(self, mut input: File) {
        let mut text = Vec::new();
        // What was read before an error is what the program would have had, too.
        let _ = input.read_to_end(&mut text);
        drop(input);
        let (program, env) = (&self.program, env_of(&self.program));
        let feed = || self.native.feed(&program.argv, &env, &program.dir.path, &self.sink, &text);
        // A panic has printed its message. Nothing is written before everything is worked out.
        let ended = catch_unwind(AssertUnwindSafe(feed)).ok().flatten().unwrap_or_else(|| {
            let started = in_memory(&text)
                .and_then(|file| start(program, &self.streams, self.good_stdin, file.into()));
            started.map_or(Ended::Exit(127), |mut process| process.wait())
        });
        let done = self.done.clone();
        // Readers of its output have to see the end before anybody learns that it is over.
        drop(self);
        done.finish(ended);
    }
}

/// A file without a name that holds a text, to be read from its beginning.
pub(crate) fn in_memory(text: &[u8]) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file)
}

/// Whether all that one program prints goes to the other, and nothing else does. Redirections may have
/// led it elsewhere, and a program between the two may be missing because it was not found.
fn joined(writer: &kiln_shell::Process, reader: &kiln_shell::Process) -> bool {
    let (Target::File(out), Target::File(input)) = (&writer.fds[1], &reader.fds[0]) else {
        return false;
    };
    let about =
        |file: &OwnedFd| rustix::fs::fstat(file).ok().map(|s| (s.st_dev, s.st_ino, s.st_mode));
    let pipe = about(out).filter(|end| rustix::fs::FileType::from_raw_mode(end.2).is_fifo());
    // Both ends of a pipe are one file to the system. Messages of the writer could go into it, too.
    let own = |target: &Target| matches!(target, Target::File(file) if about(file) == pipe);
    pipe.is_some() && about(input) == pipe && !own(&writer.fds[2])
}

fn env_of(program: &kiln_shell::Process) -> Env {
    let pair = |entry: &Vec<u8>| {
        let at = entry.iter().position(|&c| c == b'=').unwrap_or(entry.len());
        (entry[..at].to_vec(), entry.get(at + 1..).unwrap_or_default().to_vec())
    };
    program.env.iter().map(pair).collect()
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Exit(code) => Outcome::Exited(code),
        Ended::Signal(signal, core) => Outcome::Signaled { signal, core },
    }
}

fn not_started(error: &io::Error) -> Outcome {
    Outcome::NotStarted(error.raw_os_error().unwrap_or(2))
}

fn start(
    program: &kiln_shell::Process,
    sink: &Sink,
    good_stdin: bool,
    input: Stdio,
) -> io::Result<Process> {
    let mut command = Command::new(OsStr::from_bytes(&program.program));
    if let Some((name, rest)) = program.argv.split_first() {
        command.arg0(OsStr::from_bytes(name));
        command.args(rest.iter().map(|w| OsStr::from_bytes(w)));
    }
    command.env_clear();
    for entry in program.env.iter() {
        let at = entry.iter().position(|&c| c == b'=').unwrap_or(entry.len());
        let value = entry.get(at + 1..).unwrap_or_default();
        command.env(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(value));
    }
    command.current_dir(OsStr::from_bytes(&program.dir.path));
    command.stdin(input);
    command.stdout(stdio(sink, good_stdin, &program.fds[1], 1)?);
    command.stderr(stdio(sink, good_stdin, &program.fds[2], 2)?);
    spawn::begin(&mut command, &program.program)
}

/// What a program's descriptor `fd` is to be.
fn stdio(sink: &Sink, good_stdin: bool, target: &Target, fd: usize) -> io::Result<Stdio> {
    let own = |fd: BorrowedFd<'_>| -> io::Result<Stdio> { Ok(fd.try_clone_to_owned()?.into()) };
    match target {
        Target::File(file) => own(file.as_fd()),
        Target::Caller(0) if !good_stdin => spawn::broken_stdin(),
        Target::Caller(0) if fd == 0 => Ok(Stdio::inherit()),
        Target::Caller(0) => own(io::stdin().as_fd()),
        Target::Caller(n) => {
            let file = if *n == 1 { &sink.out } else { &sink.err };
            match file {
                Some(file) => own(file.as_fd()),
                None if usize::from(*n) == fd => Ok(Stdio::inherit()),
                None if *n == 1 => own(io::stdout().as_fd()),
                None => own(io::stderr().as_fd()),
            }
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
