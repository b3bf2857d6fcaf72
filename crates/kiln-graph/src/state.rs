//! What changes about a file while targets are brought up to date: its state, status and time
//! stamp. Plain data and the one function that moves the state; it does not know why it is called.

use kiln_base::{Name, Time};
use kiln_make::{FileId, Make};

use crate::{Graph, Reason};

/// How far a file has come. The order matters: a grouped target is never set back by its peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum State {
    /// Nothing was begun.
    #[default]
    NotStarted,
    /// Recipes of its prerequisites are running.
    DepsRunning,
    /// Its own recipe is running (or waits for the load to go down).
    Running,
    /// Nothing more will be done for it.
    Finished,
}

/// What came of a file, or of all goals. The order is that of severity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Status {
    /// Brought up to date, or it was so already.
    Success,
    /// No attempt was made.
    #[default]
    None,
    /// Under `-q`: a recipe would run.
    Question,
    /// The recipe, or a prerequisite, failed.
    Failed,
}

/// A file's modification time as make reckons with it. The order is the one that decides whether a
/// prerequisite is newer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Mtime {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// There is no such file.
    Nonexistent,
    /// `-o`: older than everything.
    Old,
    /// The file system's stamp.
    At(Time),
    /// `-W`, or remade by a recipe that was not really run: newer than everything.
    New,
}

/// The changing part of one file. It lies beside the database's [`kiln_make::File`].
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a mark of its own that the walk leaves
pub struct FileState {
    /// How far it has come.
    pub state: State,
    /// What came of the last attempt.
    pub status: Status,
    /// It has been dealt with in this run.
    pub updated: bool,
    /// The walk is inside its prerequisites; meeting it again is a circle.
    pub updating: bool,
    /// The last walk that looked at it.
    pub considered: u32,
    /// Its time stamp, if known.
    pub mtime: Mtime,
    /// Its time stamp before its recipe ran.
    pub mtime_before: Mtime,
    /// No complaint is to be made if it cannot be remade (an optional makefile).
    pub dont_care: bool,
    /// It failed while no complaint was to be made.
    pub no_diag: bool,
    /// The name under which lookups find it where a VPATH search gave it one that is not yet its
    /// name for messages.
    pub found_name: Option<Name>,
    /// The order in which prerequisites are visited, under `--shuffle` or where a longer one goes
    /// ahead: indices into `deps`.
    pub order: Option<Vec<u32>>,
    /// Why it has to be remade, once that was decided.
    pub reason: Option<Reason>,
}

impl Graph {
    /// Moves a file to `state`, and the targets that the same recipe makes along with it, but
    /// never those backwards.
    pub fn set_state(&mut self, make: &Make, f: FileId, state: State) {
        self.file_mut(f).state = state;
        for &peer in &make.files[f].also_make {
            let peer = self.file_mut(peer);
            if peer.state < state {
                peer.state = state;
            }
        }
    }
}
