//! Starting one process: finding the program, its directory, environment and descriptors. It does
//! not wait for anything.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kiln_base::{FileKind, Sys};
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::hooks::Env;
use crate::{Done, Ended, Slots};

/// The shell for a file that is neither a program nor names an interpreter.
const DEFAULT_SHELL: &str = "/bin/sh";
/// Where programs are looked for if there is no PATH.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// While a process is being started no other descriptor may become inheritable.
static STARTING: Mutex<()> = Mutex::new(());

/// What standard input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stdin {
    /// That of this process.
    Inherit,
    /// The end of a pipe that nobody writes to, for all but one of the jobs that run together.
    Broken,
}

/// A process to be started.
pub struct Spawn<'a> {
    /// The words.
    pub argv: &'a [Vec<u8>],
    /// The whole environment.
    pub env: &'a Env,
    /// The file system seen from the directory to start in.
    pub sys: &'a dyn Sys,
    /// Standard input.
    pub stdin: Stdin,
    /// Standard output, if it is not that of this process.
    pub out: Option<Arc<File>>,
    /// Standard error, likewise.
    pub err: Option<Arc<File>>,
    /// The slots that the process is to take part in by inheriting descriptors.
    pub slots: Option<&'a Slots>,
}

/// A process that runs.
pub struct Process {
    pid: Pid,
    watch: Watch,
    /// The program as it was found.
    pub program: Vec<u8>,
}

/// How its end is noticed.
enum Watch {
    /// By the system's descriptor for it.
    Descriptor(OwnedFd, Child),
    /// By a thread that waits for it, where the system has or allows no such descriptors.
    Thread(Done),
}

impl Spawn<'_> {
    /// Starts it.
    ///
    /// # Errors
    /// As the system says, above all that there is no such program.
    pub fn start(&self) -> io::Result<Process> {
        let program = find_program(self.sys, &self.argv[0], self.env)?;
        let child = match self.start_as(&program, &[], &self.argv[0]) {
            // The system runs no file without `#!`; a shell does.
            Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                self.start_as(DEFAULT_SHELL.as_bytes(), &[&program], DEFAULT_SHELL.as_bytes())?
            }
            other => other?,
        };
        Process::new(child, program)
    }

    fn start_as(&self, program: &[u8], first: &[&Vec<u8>], argv0: &[u8]) -> io::Result<Child> {
        let mut command = Command::new(OsStr::from_bytes(program));
        command.arg0(OsStr::from_bytes(argv0));
        command.args(first.iter().map(|w| OsStr::from_bytes(w)));
        command.args(self.argv[1..].iter().map(|w| OsStr::from_bytes(w)));
        command.env_clear();
        command.envs(self.env.iter().map(|(n, v)| (OsStr::from_bytes(n), OsStr::from_bytes(v))));
        if !self.sys.dir().is_empty() {
            command.current_dir(OsStr::from_bytes(self.sys.dir()));
        }
        command.stdin(match self.stdin {
            Stdin::Inherit => Stdio::inherit(),
            Stdin::Broken => broken_stdin()?,
        });
        command.stdout(stdio(self.out.as_deref())?);
        command.stderr(stdio(self.err.as_deref())?);
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = self.slots {
            slots.inheritable(true);
        }
        let child = command.spawn();
        if let Some(slots) = self.slots {
            slots.inheritable(false);
        }
        child
    }
}

/// Starts a command whose standard output is read by the caller.
pub(crate) fn start_piped(spawn: &Spawn<'_>) -> io::Result<(Process, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let piped = Spawn { out: Some(Arc::new(File::from(write))), err: spawn.err.clone(), ..*spawn };
    Ok((piped.start()?, read))
}

fn stdio(file: Option<&File>) -> io::Result<Stdio> {
    file.map_or(Ok(Stdio::inherit()), |f| Ok(f.try_clone()?.into()))
}

pub(crate) fn broken_stdin() -> io::Result<Stdio> {
    static END: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let end = END.get_or_init(|| {
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok().map(|(read, _)| read)
    });
    end.as_ref().map_or(Ok(Stdio::null()), |fd| Ok(fd.try_clone()?.into()))
}

/// Starts a command that is set up already.
pub(crate) fn begin(command: &mut Command, program: &[u8]) -> io::Result<Process> {
    let child = {
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        command.spawn()?
    };
    Process::new(child, program.to_vec())
}

impl Process {
    fn new(mut child: Child, program: Vec<u8>) -> io::Result<Self> {
        // The child has not been waited for, so its number cannot stand for another process.
        let pid = Pid::from_child(&child);
        let watch = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Watch::Descriptor(fd, child),
            Err(_) => {
                let done = Done::new()?;
                let told = done.clone();
                std::thread::spawn(move || {
                    told.finish(child.wait().map_or(Ended::Exit(127), ended));
                });
                Watch::Thread(done)
            }
        };
        Ok(Process { pid, watch, program })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        match &mut self.watch {
            Watch::Descriptor(_, child) => child.try_wait().ok().flatten().map(ended),
            Watch::Thread(done) => done.ended(),
        }
    }

    /// Waits for it.
    pub fn wait(&mut self) -> Ended {
        match &mut self.watch {
            Watch::Descriptor(_, child) => child.wait().map_or(Ended::Exit(127), ended),
            Watch::Thread(done) => loop {
                if let Some(ended) = done.ended() {
                    return ended;
                }
                let fds = [done.as_fd()];
                if crate::wait::wait(&fds, None, None, crate::wait::Until::Something).is_err() {
                    return Ended::Exit(127);
                }
            },
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let _ = match &self.watch {
            Watch::Descriptor(fd, _) => rustix::process::pidfd_send_signal(fd, Signal::TERM),
            Watch::Thread(_) => rustix::process::kill_process(self.pid, Signal::TERM),
        };
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.watch {
            Watch::Descriptor(fd, _) => fd.as_fd(),
            Watch::Thread(done) => done.as_fd(),
        }
    }
}

fn ended(status: std::process::ExitStatus) -> Ended {
    match status.signal() {
        Some(signal) => Ended::Signal(signal, status.core_dumped()),
        None => Ended::Exit(status.code().unwrap_or(127)),
    }
}

/// The path of a program: as it is if it holds a slash, else along the PATH of the environment that
/// it is going to have.
pub(crate) fn find_program(sys: &dyn Sys, name: &[u8], env: &Env) -> io::Result<Vec<u8>> {
    if name.contains(&b'/') {
        check_runnable(sys, name)?;
        return Ok(name.to_vec());
    }
    let path = env.iter().find(|(n, _)| n == b"PATH").map_or(DEFAULT_PATH, |(_, v)| v);
    let mut failure = Errno::NOENT;
    for dir in path.split(|&b| b == b':') {
        let mut candidate = if dir.is_empty() { b".".to_vec() } else { dir.to_vec() };
        if candidate.last() != Some(&b'/') {
            candidate.push(b'/');
        }
        candidate.extend_from_slice(name);
        match check_runnable(sys, &candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::NOENT) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure.into())
}

/// Whether a file can be started as a program.
///
/// # Errors
/// The system's reason why it cannot.
pub fn runnable(sys: &dyn Sys, path: &[u8]) -> Result<(), String> {
    check_runnable(sys, path).map_err(|e| kiln_graph::say::errno_text(e.raw_os_error()))
}

fn check_runnable(sys: &dyn Sys, path: &[u8]) -> Result<(), Errno> {
    let dir = sys.dir_fd().unwrap_or(rustix::fs::CWD);
    rustix::fs::accessat(dir, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    match sys.stat(path) {
        Ok(stat) if stat.kind != FileKind::Dir => Ok(()),
        Ok(_) => Err(Errno::ACCESS),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::NOENT)),
    }
}

/// Why a program that was started and ended with 127 may not have run at all.
pub(crate) fn after_127(sys: &dyn Sys, program: &[u8]) -> Option<String> {
    let code = match sys.stat(program) {
        Err(error) => error.raw_os_error()?,
        Ok(stat) if stat.kind == FileKind::Dir || stat.mode & 0o100 == 0 => {
            Errno::ACCESS.raw_os_error()
        }
        Ok(stat) if stat.size == 0 => Errno::NOEXEC.raw_os_error(),
        Ok(_) => return None,
    };
    Some(kiln_graph::say::errno_text(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_base::RealSys;

    fn spawn_and_wait(argv: &[&str]) -> io::Result<Ended> {
        let argv: Vec<Vec<u8>> = argv.iter().map(|w| w.as_bytes().to_vec()).collect();
        let env = vec![(b"PATH".to_vec(), b"/bin:/usr/bin".to_vec())];
        let sys = RealSys::current()?;
        let spawn = Spawn {
            argv: &argv,
            env: &env,
            sys: &sys,
            stdin: Stdin::Broken,
            out: None,
            err: None,
            slots: None,
        };
        Ok(spawn.start()?.wait())
    }

    #[test]
    fn how_commands_end() {
        assert_eq!(spawn_and_wait(&["sh", "-c", "exit 7"]).unwrap(), Ended::Exit(7));
        assert_eq!(spawn_and_wait(&["sh", "-c", "kill -9 $$"]).unwrap(), Ended::Signal(9, false));
        let missing = spawn_and_wait(&["no-such-command"]).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let denied = spawn_and_wait(&["/"]).unwrap_err();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn bad_standard_input_is_at_its_end() {
        assert_eq!(spawn_and_wait(&["sh", "-c", "read x"]).unwrap(), Ended::Exit(1));
    }
}
