//! What is out of date, and why: the walk over the rules, implicit-rule search, time stamps.
//!
//! A [`Graph`] lies beside a [`Make`]: the database says what the makefiles said, the graph what has
//! become of it in this run. It starts nothing. Where a recipe is to run it asks [`Jobs`], which is
//! the scheduler's, or a test's.

pub mod ahead;
mod check;
mod decide;
mod finish;
pub mod implicit;
pub mod intermediates;
pub mod mtime;
mod prerequisites;
pub mod reason;
pub mod recipe;
pub mod say;
pub mod shuffle;
pub mod state;
mod take;
mod update;
mod walk;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use kiln_base::{Id, IndexVec, Loc, Name};
use kiln_make::{Fatal, FileId, Make};

pub use reason::Reason;
pub use state::{FileState, Mtime, State, Status};
pub use update::Goal;

/// Why an instance ends before its goals are through.
#[derive(Clone, Debug)]
pub enum Stop {
    /// An error that has not been printed yet; the exit status is 2.
    Fatal(Fatal),
    /// All has been said; this is the exit status.
    Exit(i32),
    /// A signal is ending the program.
    Signal(i32),
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Stop::Fatal(fatal)
    }
}

/// The result of everything that can end the instance.
pub type Result<T> = std::result::Result<T, Stop>;

/// Who runs recipes. While any of these runs, recipes may end, and
/// [`Graph::notice_finished`] is called for their targets.
pub trait Jobs {
    /// Begins the recipe of `f`, whose automatic variables are set. On return the file is
    /// [`State::Running`] or [`State::Finished`].
    ///
    /// # Errors
    /// If the instance ends: an error in an expansion, a failed recipe without `-k`, a signal.
    fn start(&mut self, make: &mut Make, graph: &mut Graph, f: FileId) -> Result<()>;

    /// Begins recipes that were put off because the machine was loaded.
    ///
    /// # Errors
    /// As [`Jobs::start`].
    fn start_waiting(&mut self, make: &mut Make, graph: &mut Graph) -> Result<()>;

    /// Deals with recipes that have ended; if `block`, waits for at least one where any runs.
    ///
    /// # Errors
    /// As [`Jobs::start`].
    fn reap(&mut self, make: &mut Make, graph: &mut Graph, block: bool) -> Result<()>;

    /// What is remembered of earlier runs, where it may change the order of visits and once a recipe
    /// has begun.
    fn known(&self) -> Option<Arc<ahead::Known>> {
        None
    }

    /// Whether nothing runs, here or elsewhere in this build, but recipes of these kinds (and the makes
    /// that this one is in), and all that ran so far was as it is remembered.
    fn runs_only(&self, _kinds: &[u64]) -> bool {
        false
    }
}

/// The switches as they stand now: they differ between remaking makefiles and making goals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // make's switches
pub struct Switches {
    /// `-t`
    pub touch: bool,
    /// `-q`
    pub question: bool,
    /// `-n`
    pub just_print: bool,
    /// `-B`, once makefiles have been dealt with.
    pub always_make: bool,
}

/// The state of one run of one make instance.
#[derive(Default)]
pub struct Graph {
    files: IndexVec<FileId, FileState>,
    /// What is said of a file that nothing has been noted for.
    untouched: FileState,
    /// The switches in force.
    pub switches: Switches,
    /// The goals are makefiles.
    pub rebuilding_makefiles: bool,
    /// `--shuffle`
    pub shuffle: shuffle::Mode,
    /// How many recipe lines have been begun (or, under `-n`, would have been).
    pub commands_started: u64,
    /// A file was stamped in the future.
    pub clock_skew: bool,
    adjusted_now: Mtime,
    considered: u32,
    random: u32,
    ahead: ahead::Ahead,
    /// Names that were searched for as intermediate files in vain, with the command count then.
    impossible: FxHashMap<Name, u64>,
    /// Lines of recipes that only their expansion showed to be recursive: recipe's address, number.
    recursive_lines: FxHashSet<(usize, usize)>,
    patterns: implicit::Patterns,
    scratch: Vec<FileId>,
    /// Makefiles being remade, with what reading them said.
    makefile_goals: Vec<MakefileGoal>,
    current_goal: Option<usize>,
}

#[derive(Clone, Debug)]
struct MakefileGoal {
    file: FileId,
    included_and_cared_for: bool,
    loc: Loc,
    error: Option<i32>,
}

impl Graph {
    /// The state of a graph in which nothing has been looked at.
    #[must_use]
    pub fn new() -> Self {
        Graph { considered: 0, ..Graph::default() }
    }

    /// What is known of a file.
    #[must_use]
    pub fn file(&self, f: FileId) -> &FileState {
        self.files.get(f).unwrap_or(&self.untouched)
    }

    /// What is known of a file, to be changed.
    pub fn file_mut(&mut self, f: FileId) -> &mut FileState {
        self.files.grow_to(f.index() + 1, FileState::default);
        &mut self.files[f]
    }

    /// The time stamp as far as it is known, without looking.
    #[must_use]
    pub fn known_mtime(&self, f: FileId) -> Mtime {
        self.files.get(f).map_or(Mtime::Unknown, |s| s.mtime)
    }

    /// How far a file has come.
    #[must_use]
    pub fn state(&self, f: FileId) -> State {
        self.files.get(f).map_or(State::NotStarted, |s| s.state)
    }

    /// What came of a file so far.
    #[must_use]
    pub fn status(&self, f: FileId) -> Status {
        self.files.get(f).map_or(Status::None, |s| s.status)
    }

    /// Whether a file has been dealt with.
    #[must_use]
    pub fn is_updated(&self, f: FileId) -> bool {
        self.files.get(f).is_some_and(|s| s.updated)
    }

    /// `-o FILE`: never remade, and older than everything.
    pub fn set_old(&mut self, f: FileId) {
        let s = self.file_mut(f);
        s.mtime = Mtime::Old;
        s.mtime_before = Mtime::Old;
        self.set_finished(f);
    }

    /// `-W FILE`: newer than everything.
    pub fn set_new(&mut self, f: FileId) {
        let s = self.file_mut(f);
        s.mtime = Mtime::New;
        s.mtime_before = Mtime::New;
    }

    /// Says whether a makefile could be read. One that could not counts as missing.
    pub fn set_readable(&mut self, f: FileId, readable: bool) {
        let s = self.file_mut(f);
        match (readable, s.mtime) {
            (false, _) => s.mtime = Mtime::Nonexistent,
            (true, Mtime::Nonexistent) => s.mtime = Mtime::Unknown,
            (true, _) => {}
        }
    }

    /// Takes a file for up to date as it is (the copy of a makefile from standard input): neither
    /// remade nor a reason to begin anew.
    pub fn settle(&mut self, make: &mut Make, f: FileId) {
        let name = make.file_name(f).to_vec();
        let mtime = mtime::name_mtime(make, &name);
        let s = self.file_mut(f);
        s.mtime = mtime;
        s.mtime_before = mtime;
        self.set_finished(f);
    }

    /// Takes a file for dealt with.
    pub fn set_finished(&mut self, f: FileId) {
        let s = self.file_mut(f);
        s.updated = true;
        s.status = Status::Success;
        s.state = State::Finished;
    }

    /// Notes that the expansion of line `line` of a recipe showed it to be recursive.
    pub fn note_recursive(&mut self, recipe: &kiln_make::Recipe, line: usize) {
        self.recursive_lines.insert((std::ptr::from_ref(recipe) as usize, line));
    }

    /// Whether line `line` runs even under `-n`, as far as is known by now.
    #[must_use]
    pub fn line_is_recursive(&self, make: &Make, recipe: &kiln_make::Recipe, line: usize) -> bool {
        let lines = recipe::lines(recipe, make.special.oneshell);
        lines.get(line).is_some_and(|l| l.flags & kiln_make::db::flags::RECURSE != 0)
            || self.recursive_lines.contains(&(std::ptr::from_ref(recipe) as usize, line))
    }
}

/// Where a file lies.
#[must_use]
pub fn absolute(make: &Make, f: FileId) -> Vec<u8> {
    match make.file_name(f) {
        name @ [b'/', ..] => name.to_vec(),
        name => [make.sys.dir(), b"/", name].concat(),
    }
}

/// The file that now stands for `f`, after a VPATH search may have merged it with another.
#[must_use]
pub fn resolve(make: &Make, mut f: FileId) -> FileId {
    while let Some(next) = make.files[f].renamed {
        f = next;
    }
    f
}
