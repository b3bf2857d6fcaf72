//! Where the session may step in instead of a process: a recursive make, or a program that Kiln can
//! do itself. Declarations only.

use std::fs::File;
use std::sync::Arc;

use kiln_make::{ShellResult, Stream};

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
    /// What the observer calls the job, or 0.
    pub job: u64,
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

    /// A command of a recipe, no recursive make, is about to be run. If it is known that running it
    /// would change and print nothing, how it would end; or how it ends, if it was begun here.
    fn recipe(self: Arc<Self>, _command: RecipeCommand<'_>) -> Option<Done> {
        None
    }

    /// Make itself has written this to the process's own standard output or error.
    fn said(&self, _to: Stream, _text: &[u8]) {}
}

/// A command of a recipe that is about to be run.
pub struct RecipeCommand<'a> {
    /// Its words.
    pub argv: &'a [Vec<u8>],
    /// Its whole environment.
    pub env: &'a Env,
    /// The directory it is to run in, absolute.
    pub dir: &'a [u8],
    /// Where its standard output and error go.
    pub sink: &'a Sink,
    /// It may read standard input.
    pub good_stdin: bool,
    /// The target is phony: the recipe runs every time.
    pub phony: bool,
}

/// Runs a command within this thread, at once.
pub trait Native: Send + Sync {
    /// Whether this may be a command for [`Native::run`], by a quick look at its words.
    fn takes(&self, argv: &[Vec<u8>]) -> bool;

    /// Runs it, or declines before it has had any effect.
    fn run(&self, argv: &[Vec<u8>], env: &Env, dir: &[u8], sink: &Sink) -> Option<Ended>;

    /// Whether a command that is taken reads standard input; then it is for [`Native::feed`].
    fn reads(&self, _argv: &[Vec<u8>]) -> bool {
        false
    }

    /// Runs a command whose standard input is `input`, or declines before it has had any effect. This
    /// may be on any thread.
    fn feed(
        &self,
        _argv: &[Vec<u8>],
        _env: &Env,
        _dir: &[u8],
        _sink: &Sink,
        _input: &[u8],
    ) -> Option<Ended> {
        None
    }

    /// The exit status of a whole pipeline that has no other effect than that, or nothing. Each
    /// program comes with the file that it was found at.
    fn ask(&self, _programs: &[(&[u8], &[Vec<u8>])], _env: &Env, _dir: &[u8]) -> Option<i32> {
        None
    }

    /// The words that do the same work as a process, for a program that cannot run on this machine:
    /// where the command is one of a pipeline, or stands in a line that only a shell understands.
    fn instead(&self, program: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>>;

    /// The words in shell text that [`Native::instead`] may know, by how they end.
    fn names(&self) -> Vec<&'static [u8]>;
}
