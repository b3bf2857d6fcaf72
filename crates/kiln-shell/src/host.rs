//! What the shell needs from its caller, and what passes between them while a script runs.
//!
//! The shell starts no process: a [`Step::Start`] asks the caller to, and the caller hands back an
//! [`Outcome`] for each. Files are the shell's own business, relative to the [`Dir`] it was given.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A directory to work in: never the process's own.
#[derive(Debug)]
pub struct Dir {
    /// The open directory (`O_PATH` is enough).
    pub fd: OwnedFd,
    /// Its absolute path, as the shell's `PWD`.
    pub path: Vec<u8>,
}

/// Where one of a program's descriptors 0, 1 and 2 leads.
#[derive(Debug, Clone)]
pub enum Target {
    /// To what the caller has as descriptor 0, 1 or 2 of the job.
    Caller(u8),
    /// To a file or pipe that the shell opened. The caller drops it once the program has started,
    /// or the reader of a pipe would never see its end.
    File(Arc<OwnedFd>),
}

/// A program to start.
#[derive(Debug, Clone)]
pub struct Process {
    /// The file to execute, as found on `PATH` or named by the script; relative to `dir`.
    pub program: Vec<u8>,
    /// Its arguments, `argv[0]` first.
    pub argv: Vec<Vec<u8>>,
    /// Its whole environment, `NAME=value`.
    pub env: Arc<Vec<Vec<u8>>>,
    /// Its working directory.
    pub dir: Arc<Dir>,
    /// Descriptors 0, 1 and 2.
    pub fds: [Target; 3],
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status, 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether a core file was written.
        core: bool,
    },
    /// `execve` failed with this error number; no process was left.
    NotStarted(i32),
}

/// How the script ended, as the caller's `wait` would have told of the shell's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Exit status, 0 to 255.
    Exited(i32),
    /// The shell would have died of this signal.
    Signaled(i32),
}

/// What the shell waits for.
#[derive(Debug)]
pub enum Step {
    /// Start all of these at once (a pipeline, where there are several), and resume with the
    /// outcome of each, in this order, when all have ended.
    Start(Vec<Process>),
    /// Nothing yet: the script has been busy by itself for a while (a loop without programs).
    /// Resume without outcomes when others have had their turn.
    Yield,
    /// The script is over.
    Done(Status),
}

/// The caller, as the shell sees it while it runs.
pub trait Host: Send + Sync {
    /// Writes to what the job has as descriptor 1 or 2, all of it.
    ///
    /// # Errors
    /// As `write(2)`; `EPIPE` ends the script as `SIGPIPE` would end a shell.
    fn write(&self, fd: u8, bytes: &[u8]) -> io::Result<()>;

    /// Whether the program of that name, found at `path`, is the system's standard one, so that
    /// its work may be done in process. Only asked for programs of coreutils.
    fn is_standard(&self, name: &[u8], path: &[u8]) -> bool {
        [&b"/bin/"[..], b"/usr/bin/"].iter().any(|dir| path.strip_prefix(*dir) == Some(name))
    }
}
