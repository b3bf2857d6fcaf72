//! Running one command and watching it. It knows nothing of make's shells and recipes, nor of where
//! answers are kept.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;

use crate::eye::{Eye, RealEye};
use crate::fact::{Observations, Opaque, Why};
use crate::filter;
use crate::handlers::Scene;
use crate::ledger::{Ledger, is_plain_device};
use crate::passing;
use crate::tracer::{self, Fate};

/// Where standard input comes from.
pub enum Source {
    /// `/dev/null`.
    Null,
    /// A descriptor. What is read from it is not known to Kiln, so a command that reads it is opaque.
    Given(OwnedFd),
}

/// Where an output goes.
pub enum Sink {
    /// It is kept, and part of the answer.
    Kept,
    /// A descriptor. A command that writes there is opaque.
    Given(OwnedFd),
}

/// A command to run.
pub struct Command {
    /// The program: a path, or a name that is looked for in the `PATH` of `env`.
    pub program: Vec<u8>,
    /// Its arguments, the name it is called by first.
    pub argv: Vec<Vec<u8>>,
    /// Its whole environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory it runs in, absolute.
    pub dir: Vec<u8>,
    /// Standard input.
    pub stdin: Source,
    /// Standard output.
    pub stdout: Sink,
    /// Standard error.
    pub stderr: Sink,
}

/// What came of a command.
#[derive(Debug)]
pub struct Watched {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output, if that is kept.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, if that is kept.
    pub stderr: Vec<u8>,
    /// What its answer rested on, or why it has to run again every time. [`Why::Refused`] says that
    /// the system allows no watching: the command ran all the same, and there is no use in asking
    /// again for the next one.
    pub seen: Result<Observations, Opaque>,
}

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Finds a program as `execvp(3)` does, noting each place where it was looked for in vain.
pub(crate) fn find(command: &Command, ledger: &mut Ledger) -> io::Result<Vec<u8>> {
    if command.program.contains(&b'/') {
        return Ok(command.program.clone());
    }
    let path = command.env.iter().rev().find(|(name, _)| name == b"PATH").map(|(_, v)| &v[..]);
    let mut refused = false;
    for dir in path.unwrap_or(b"/bin:/usr/bin").split(|b| *b == b':') {
        let mut at =
            if dir.starts_with(b"/") { Vec::new() } else { [&command.dir[..], b"/"].concat() };
        at.extend_from_slice(dir);
        at.push(b'/');
        at.extend_from_slice(&command.program);
        match RealEye.identity(&at, true) {
            Err(errno) => ledger.status(&at, true, Err(errno)),
            Ok(_) => match RealEye.access(&at, 1) {
                0 => return Ok(at),
                errno => {
                    refused = true;
                    ledger.access(&at, 1, errno);
                }
            },
        }
    }
    Err(io::Error::from_raw_os_error(if refused { libc::EACCES } else { libc::ENOENT }))
}

/// What `PWD` is in the environment, if it is not the directory and no argument says that path.
fn elsewhere(command: &Command) -> Option<Vec<u8>> {
    let pwd = command.env.iter().rev().find(|(name, _)| name == b"PWD").map(|(_, v)| v)?;
    let said = command.argv.iter().any(|a| crate::programs::contains(a, pwd));
    (!said && crate::given::is_elsewhere(pwd, &command.dir)).then(|| pwd.clone())
}

/// What a stream leads to, unless it is `/dev/null` or its like.
pub(crate) fn far_end(fd: &OwnedFd) -> Option<(u64, u64)> {
    let id = crate::eye::identity_of(&rustix::fs::fstat(fd).ok()?);
    (!is_plain_device(&id)).then_some((id.dev, id.ino))
}

/// What a given stream is, for [`crate::Question::streams`]. Watching cannot tell `/dev/null` given as
/// a stream from `/dev/null` opened by the command, so a command that reads or writes it is not opaque:
/// its answer is right only for who gives `/dev/null` again.
#[must_use]
pub fn stream_kind(fd: impl AsFd) -> &'static str {
    use rustix::fs::FileType;
    if rustix::termios::isatty(&fd) {
        return "terminal";
    }
    let Ok(stat) = rustix::fs::fstat(&fd) else { return "closed" };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice if is_plain_device(&crate::eye::identity_of(&stat)) => {
            match stat.st_rdev {
                0x103 => "null",
                0x105 => "zero",
                _ => "full",
            }
        }
        FileType::RegularFile => "file",
        FileType::Fifo => "pipe",
        _ => "other",
    }
}

/// An output's writing end for the child and, if it is kept, the reading end.
fn sink(how: &Sink) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    match how {
        Sink::Given(fd) => Ok((fd.try_clone()?, None)),
        Sink::Kept => {
            let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            Ok((writer, Some(reader)))
        }
    }
}

/// How one try to watch a command ended.
enum Attempt {
    Done(Watched),
    /// Nothing of it has happened; it has to run with every call looked at.
    Slowly,
    /// Nothing of it has happened; its answer cannot be kept, so it is to run unwatched.
    Plainly(Opaque),
}

/// Runs a command and waits for it, watching what it and all that it starts see and do.
///
/// Where the system allows it, only those calls stop that matter. A command under such a filter
/// cannot be let go, and it could not gain rights (from a set-user-id program) if Kiln has none to
/// give; so at the first sign that its answer cannot be kept it is ended before the call in question,
/// what it made is removed, and it runs again without a filter. What could not be taken back, a change
/// of something that was there before, a write to a given stream, reading given input, is such a sign.
///
/// # Errors
/// If the command cannot be started, as `execve(2)` and `fork(2)` say.
pub fn watch(command: Command) -> io::Result<Watched> {
    watch_with(command, filter::is_allowed())
}

/// Whether there is a program to be watched; if not, [`watch()`] fails before it has begun.
#[must_use]
pub fn is_found(command: &Command) -> bool {
    find(command, &mut Ledger::default()).is_ok()
}

/// As [`watch()`], with every call looked at: for measuring and for tests of that way.
///
/// # Errors
/// As [`watch()`].
pub fn watch_every_call(command: Command) -> io::Result<Watched> {
    watch_with(command, false)
}

fn watch_with(command: Command, fast: bool) -> io::Result<Watched> {
    if fast {
        match attempt(&command, true)? {
            Attempt::Done(watched) => return Ok(watched),
            Attempt::Slowly => {}
            Attempt::Plainly(opaque) => return plainly(&command, opaque),
        }
    }
    match attempt(&command, false)? {
        Attempt::Done(watched) => Ok(watched),
        // Only an attempt under a filter ends so.
        Attempt::Slowly => plainly(&command, Opaque::new(Why::Refused, "")),
        Attempt::Plainly(opaque) => plainly(&command, opaque),
    }
}

/// A command made ready, and where its outputs are read.
pub(crate) struct Prepared {
    pub child: std::process::Command,
    pub out: Option<OwnedFd>,
    pub err: Option<OwnedFd>,
    /// What the given streams lead to.
    pub input: Option<(u64, u64)>,
    pub outputs: Vec<(u64, u64)>,
}

pub(crate) fn prepare(command: &Command, program: &[u8]) -> io::Result<Prepared> {
    let mut child = std::process::Command::new(PathBuf::from(os(program)));
    if let Some((name, rest)) = command.argv.split_first() {
        child.arg0(os(name)).args(rest.iter().map(|a| os(a)));
    }
    child.env_clear().envs(command.env.iter().map(|(name, value)| (os(name), os(value))));
    child.current_dir(os(&command.dir));
    let mut input = None;
    match &command.stdin {
        Source::Null => child.stdin(Stdio::null()),
        Source::Given(fd) => {
            input = far_end(fd);
            child.stdin(fd.try_clone()?)
        }
    };
    let (out, out_reader) = sink(&command.stdout)?;
    let (err, err_reader) = sink(&command.stderr)?;
    let mut outputs = Vec::new();
    for (writer, kept) in [(&out, &out_reader), (&err, &err_reader)] {
        if kept.is_none() {
            outputs.extend(far_end(writer));
        }
    }
    child.stdout(out).stderr(err);
    Ok(Prepared { child, out: out_reader, err: err_reader, input, outputs })
}

fn attempt(command: &Command, fast: bool) -> io::Result<Attempt> {
    let mut ledger = Ledger::default();
    let program = find(command, &mut ledger)?;
    // The directory's own state is part of what the command sees by being there.
    ledger.status(&command.dir, true, Ok(()));
    let Prepared { child, out, err, input, outputs } = prepare(command, &program)?;
    let rules = if fast { filter::rules(input.is_some()) } else { Vec::new() };
    let scene = Scene {
        ledger,
        input,
        outputs,
        elsewhere: elsewhere(command),
        ids: Vec::new(),
        says_pid: false,
        fast,
        again: false,
        deeds: None,
    };

    let began = RealEye.now();
    let (ran, scene) = follow(child, [out, err], rules, scene, |_| {})?;
    let failed = || Opaque::new(Why::Refused, "the watching thread failed");
    let ran = ran?;
    let scene = match (scene, ran.is_some()) {
        (Ok(scene), _) => scene,
        (Err(_), true) if !fast => {
            let (status, stdout, stderr) = ran.unwrap_or_default();
            return Ok(Attempt::Done(Watched { status, stdout, stderr, seen: Err(failed()) }));
        }
        (Err(_), _) => return Ok(Attempt::Plainly(failed())),
    };
    // A process that it left running cannot be let go either: it was ended with the tracer.
    let left = scene.ledger.reason().is_some_and(|o| o.why == Why::LeftBehind);
    match ran {
        Some((status, stdout, stderr)) if !(fast && left) => {
            let seen = passing::close(scene, began, &stdout, &stderr);
            Ok(Attempt::Done(Watched { status, stdout, stderr, seen }))
        }
        _ => {
            scene.ledger.undo();
            Ok(match scene.ledger.reason() {
                Some(opaque) if !scene.again => Attempt::Plainly(opaque.clone()),
                _ => Attempt::Slowly,
            })
        }
    }
}

/// Runs a command unwatched.
fn plainly(command: &Command, opaque: Opaque) -> io::Result<Watched> {
    let program = find(command, &mut Ledger::default())?;
    let Prepared { mut child, out, err, .. } = prepare(command, &program)?;
    let spawned = child.spawn();
    // The command holds our copies of the writing ends.
    drop(child);
    let mut child = spawned?;
    let (stdout, stderr) = drain(out, err)?;
    Ok(Watched { status: child.wait()?, stdout, stderr, seen: Err(opaque) })
}

pub(crate) type Ran = (ExitStatus, Vec<u8>, Vec<u8>);

/// Starts the child with a thread that follows it, under the rules of a filter if there are any: how it
/// ended, `None` if it has to begin again, and what was seen, unless the thread failed. `started` is told
/// its process.
pub(crate) fn follow(
    mut child: std::process::Command,
    [out, err]: [Option<OwnedFd>; 2],
    rules: Vec<crate::raw::Rule>,
    scene: Scene,
    started: impl FnOnce(u32),
) -> io::Result<(io::Result<Option<Ran>>, std::thread::Result<Scene>)> {
    let (told, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (gone, go) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    crate::raw::hold_before_exec(&mut child, tell, gone, rules);
    let silent = AtomicBool::new(false);
    let (fate_sender, fate) = mpsc::channel();
    Ok(std::thread::scope(|scope| {
        let tracer = scope.spawn(|| tracer::follow(scene, &told, &go, &silent, &fate_sender));
        let ran = run(child, out, err, &fate, started);
        silent.store(true, Ordering::Release);
        (ran, tracer.join())
    }))
}

/// Starts the child, reads its outputs to their ends, and learns how it ended; `None` if it has to
/// begin again. `started` is told its process.
fn run(
    mut command: std::process::Command,
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
    fate: &mpsc::Receiver<Fate>,
    started: impl FnOnce(u32),
) -> io::Result<Option<Ran>> {
    // Nobody but the tracer may wait for the child while it is traced; `spawn` does so only if the
    // program could not be started, and by then the tracer has let go.
    let spawned = command.spawn();
    // The command holds our copies of the writing ends.
    drop(command);
    let mut child = spawned?;
    started(child.id());
    let (stdout, stderr) = drain(out, err)?;
    let status = match fate.recv() {
        Ok(Fate::Ended(status)) => status,
        Ok(Fate::Again) => return Ok(None),
        Ok(Fate::LetGo) | Err(_) => child.wait()?,
    };
    Ok(Some((status, stdout, stderr)))
}

/// Reads both to their ends, whichever has something first.
fn drain(out: Option<OwnedFd>, err: Option<OwnedFd>) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut open = [out, err];
    let mut texts = [Vec::new(), Vec::new()];
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let ready: Vec<usize> = {
            let which: Vec<usize> = (0..2).filter(|i| open[*i].is_some()).collect();
            let mut polled: Vec<PollFd<'_>> = which
                .iter()
                .filter_map(|i| open[*i].as_ref())
                .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
                .collect();
            if polled.is_empty() {
                let [stdout, stderr] = texts;
                return Ok((stdout, stderr));
            }
            match rustix::event::poll(&mut polled, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            which
                .iter()
                .zip(&polled)
                .filter(|(_, p)| !p.revents().is_empty())
                .map(|(i, _)| *i)
                .collect()
        };
        for i in ready {
            let Some(fd) = &open[i] else { continue };
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => open[i] = None,
                Ok(n) => texts[i].extend_from_slice(&buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}
