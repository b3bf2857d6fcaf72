//! Where the session may step in instead of a process: a recursive make, or a program that Kiln can
//! do itself. Declarations only.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use kiln_graph::ahead::{Known, Needs};
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
    /// How many instances of this process it will be below.
    pub above: usize,
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

    /// A program was started and runs: there may be something to do while it does. Nothing that others
    /// wait for may be done here, only begun.
    fn meanwhile(&self, _argv: &[Vec<u8>], _env: &dyn Fn() -> Env, _dir: &[u8]) {}

    /// What the first two programs of a pipeline write to the third, if they have no other effect
    /// than that, or nothing. Each comes with the file that it was found at.
    fn lines(
        &self,
        _programs: &[(&[u8], &[Vec<u8>]); 2],
        _env: &Env,
        _dir: &[u8],
    ) -> Option<Vec<u8>> {
        None
    }

    /// The words that do the same work as a process, for a program that cannot run on this machine:
    /// where the command is one of a pipeline, or stands in a line that only a shell understands.
    fn instead(&self, program: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>>;

    /// The words in shell text that [`Native::instead`] may know, by how they end.
    fn names(&self) -> Vec<&'static [u8]>;
}

/// A recipe that is about to be carried out: all of its commands, with all that they are given.
pub struct RecipeCall<'a> {
    /// The target, absolute.
    pub target: &'a [u8],
    /// The lines of the recipe, expanded, with their prefix characters.
    pub lines: &'a [Vec<u8>],
    /// What they call make, and what they are run by: the shell and its flags.
    pub shell: &'a [Vec<u8>],
    /// The whole environment.
    pub env: &'a Env,
    /// The directory they are to run in, absolute.
    pub dir: &'a [u8],
    /// Where their standard output and error go.
    pub sink: &'a Sink,
    /// They may read standard input.
    pub good_stdin: bool,
    /// The prerequisites that are newer than the target, absolute; where there is no target, all.
    pub newer: &'a [Vec<u8>],
    /// Whether it is carried out whatever has changed, and what of it is there before.
    pub always: Always,
}

/// Whether a recipe is carried out each time, because a prerequisite of its target is phony or never is
/// made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Always {
    /// It is not, or its target is not there and is one that is to stay.
    No,
    /// It is, and its target is there.
    Again,
    /// It is, and its target is not there, nor named anywhere: a step on the way to another file, which may
    /// well be gone each time.
    Between,
}

/// What a command said, in order: to standard output (1) or error (2).
pub type Said = Vec<(u8, Vec<u8>)>;

/// What is to be done about a recipe.
pub enum Course {
    /// It is carried out as ever.
    Run,
    /// All that it would do has been done, and this is what its commands would say, one by one.
    Done(Vec<Said>),
    /// Its commands are to be run by this.
    Watch(Arc<dyn Watching>),
}

/// Knows recipes by what they did when they were watched.
pub trait Recipes: Send + Sync {
    /// What is to be done about a recipe whose first command is due.
    fn begin(&self, recipe: &RecipeCall<'_>) -> Course;

    /// The recipe of this target has come to its end, and well.
    fn succeeded(&self, target: &[u8]);
}

/// Runs the commands of one recipe and watches them.
pub trait Watching: Send + Sync {
    /// Starts a command, or declines before it has had any effect; then the recipe is not kept.
    fn start(
        self: Arc<Self>,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        sink: &Sink,
        good_stdin: bool,
    ) -> Option<Done>;

    /// Asks the command that runs to end.
    fn terminate(&self);

    /// The recipe has come to its end, and well.
    fn succeeded(&self);
}

/// A recipe that was carried out, and well.
pub struct Took<'a> {
    /// The target, absolute.
    pub target: Vec<u8>,
    /// As [`kiln_graph::ahead::Entry::kind`].
    pub kind: u64,
    /// From its first command to the end of its last.
    pub took: Duration,
    /// What it needs.
    pub needs: &'a Needs,
}

/// Knows how long recipes took in earlier runs, and remembers it of this one.
pub trait Durations: Send + Sync {
    /// Whether anything is remembered of this build.
    fn is_on(&self) -> bool;

    /// Whether what is known may change the order still.
    fn may_reorder(&self) -> bool;

    /// What is known; it is read when that is asked for.
    fn known(&self) -> Arc<Known>;

    /// The recipe of a target (absolute) begins. If that is not what is known, the order is that of the
    /// makefiles from then on.
    fn begun(&self, target: &[u8], kind: u64);

    /// A recipe has ended.
    fn took(&self, took: Took<'_>);

    /// How many jobs there are in this process.
    fn jobs(&self) -> &Arc<AtomicUsize>;
}
