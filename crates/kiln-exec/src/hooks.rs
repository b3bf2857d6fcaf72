//! Where the session may step in instead of a process: a recursive make, or a program that Kiln can
//! do itself. Declarations only.

use std::fs::File;
use std::sync::Arc;

use kiln_make::ShellResult;

use crate::{Done, Ended, Sink, Slots, SyncLock};

/// The environment of a command: names and values.
pub type Env = Vec<(Vec<u8>, Vec<u8>)>;

/// A recursive make about to be started.
pub struct SubMakeCall<'a> {
    /// The words of the command; the first is `$(MAKE)`.
    pub argv: &'a [Vec<u8>],
    /// The whole environment.
    pub env: &'a Env,
    /// The directory it is to start in, absolute.
    pub dir: &'a [u8],
    /// The slots of this process.
    pub slots: &'a Arc<Slots>,
    /// Where its standard output and error go.
    pub sink: Sink,
    /// The lock on output, for the lines of both makes.
    pub lock: Option<Arc<SyncLock>>,
    /// It may read standard input.
    pub good_stdin: bool,
}

/// Runs a recursive make within this process.
pub trait SubMake: Send + Sync {
    /// Starts it on a thread of its own, or declines; then a process is started. The returned flag
    /// must be set when it ends, in whatever way.
    fn try_start(&self, call: SubMakeCall<'_>) -> Option<Done>;
}

/// Answers the commands of `$(shell …)` from what was seen when they ran before.
pub trait Probes: Send + Sync {
    /// The answer, or `None`: then the command is run as ever. Standard output belongs to the answer;
    /// `err` is where standard error goes, if not to the process's own.
    fn ask(
        &self,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        err: Option<&File>,
    ) -> Option<ShellResult>;

    /// A command has run, so files may have changed.
    fn disturbed(&self);
}

/// Runs a command within this thread, at once.
pub trait Native: Send + Sync {
    /// Whether this may be a command for [`Native::run`], by a quick look at its words.
    fn takes(&self, argv: &[Vec<u8>]) -> bool;

    /// Runs it, or declines before it has had any effect.
    fn run(&self, argv: &[Vec<u8>], env: &Env, dir: &[u8], sink: &Sink) -> Option<Ended>;

    /// The words that do the same work as a process, for a program that cannot run on this machine:
    /// where the command is one of a pipeline, or stands in a line that only a shell understands.
    fn instead(&self, program: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>>;

    /// The words in shell text that [`Native::instead`] may know, by how they end.
    fn names(&self) -> Vec<&'static [u8]>;
}
