//! What was seen, as values: facts about files, effects, and the reasons why a command cannot be
//! answered from what was seen. It knows nothing of how they were come by.

use std::fmt;

use crate::eye::{Identity, Kind};
use crate::given::Asks;

/// What `stat` tells a program that looks at a file without opening it. Times and sizes of
/// directories are left out: any file made beside changes them, and what is asked of a directory is
/// that it is there (its names are a fact of their own).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status {
    /// Its kind.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Size and time of last modification, of files and links; of directories only where a time of
    /// a directory was asked for on purpose ([`Status::timed`]).
    pub content: Option<(u64, i64)>,
}

impl Status {
    /// The same with a directory's time in it, for who compares times of directories too.
    #[must_use]
    pub fn timed(id: &Identity) -> Self {
        let content = match id.kind {
            Kind::File | Kind::Link => Some((id.size, id.mtime)),
            // A directory's size says nothing that its time does not.
            Kind::Dir => Some((0, id.mtime)),
            Kind::Other => None,
        };
        Status { content, ..Status::from(id) }
    }
}

impl From<&Identity> for Status {
    fn from(id: &Identity) -> Self {
        let content = matches!(id.kind, Kind::File | Kind::Link).then_some((id.size, id.mtime));
        Status { kind: id.kind, mode: id.mode, dev: id.dev, ino: id.ino, content }
    }
}

/// What was seen at a path. Errors are errno values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Seen {
    /// `stat` (or `lstat`, where links are not followed) said this; an absence is an error.
    Status {
        /// Whether a link at the end is followed.
        follow: bool,
        /// What was told.
        was: Result<Status, i32>,
    },
    /// The file was read.
    Contents {
        /// The file.
        id: Identity,
        /// A hash of its bytes, if it was taken.
        hash: Option<u128>,
        /// Whether `id` alone tells any later change ([`Identity::settled`]).
        settled: bool,
    },
    /// The directory was listed.
    Names {
        /// The directory.
        id: Identity,
        /// A hash of its names.
        hash: u128,
        /// Whether `id` alone tells any later change.
        settled: bool,
    },
    /// The path without links and dots was asked for.
    Real(Result<Vec<u8>, i32>),
    /// The text of the link was read.
    Link(Result<Vec<u8>, i32>),
    /// `access` was asked: the mode (4 read, 2 write, 1 execute) and 0 or the errno.
    Access {
        /// What was asked.
        mode: u8,
        /// What was told.
        errno: i32,
    },
}

/// One fact about one absolute path. The path is as it was asked for, with its dots and links, so
/// that asking again goes the same way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fact {
    /// The path.
    pub path: Vec<u8>,
    /// What was seen there.
    pub seen: Seen,
}

/// A file that the command left otherwise than it found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// The path as the command named it, made absolute.
    pub path: Vec<u8>,
    /// Whether something was there before.
    pub before: bool,
    /// What `lstat` says of it after the command, `None` if it is gone.
    pub after: Option<Status>,
}

/// Everything that an answer rested on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Observations {
    /// What was seen, each fact once.
    pub facts: Vec<Fact>,
    /// The programs that ran, by real path, each once.
    pub programs: Vec<Vec<u8>>,
    /// What was left otherwise. Temporary files that came and went are not among them.
    pub effects: Vec<Effect>,
    /// What it asked for of what it was given.
    pub asks: Asks,
}

impl Observations {
    /// Adds what something else rested on, so that one value covers a whole run.
    pub fn merge(&mut self, other: Observations) {
        let mut known: rustc_hash::FxHashSet<Fact> = self.facts.iter().cloned().collect();
        for fact in other.facts {
            if known.insert(fact.clone()) {
                self.facts.push(fact);
            }
        }
        for program in other.programs {
            if !self.programs.contains(&program) {
                self.programs.push(program);
            }
        }
        self.effects.extend(other.effects);
        self.asks.everything |= other.asks.everything;
        self.asks.streams |= other.asks.streams;
        self.asks.caller |= other.asks.caller;
    }
}

/// Why a command has to run again every time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// The system does not let Kiln watch; `what` is the errno's text.
    Refused,
    /// A program that is not known to be deterministic ran; `what` is its path and why not.
    Program,
    /// The text of a script or an argument asks for time, chance or the like; `what` names it.
    Word,
    /// A file that changes by itself or cannot be looked at twice; `what` is the path.
    File,
    /// A system call that reaches further than files; `what` names it.
    Call,
    /// A program for another machine type, whose system calls have other numbers.
    Machine,
    /// The system failed (no space, no memory, no permission to write); `what` is the path or call.
    Trouble,
    /// It read what it was given as standard input.
    Input,
    /// It wrote to a stream that is not kept.
    Output,
    /// Its output tells the time, the date or a process id.
    Passing,
    /// A process was killed by a signal.
    Signal,
    /// A file changed while the command ran; `what` is the path.
    Changed,
    /// It left a process running.
    LeftBehind,
    /// The program could not be started.
    NotStarted,
    /// It is run for what it changes; `what` is the path.
    Effect,
}

/// Why a command's answer cannot be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opaque {
    /// The kind of reason.
    pub why: Why,
    /// The thing that it was.
    pub what: Vec<u8>,
}

impl Opaque {
    /// With its reason.
    #[must_use]
    pub fn new(why: Why, what: impl Into<Vec<u8>>) -> Self {
        Opaque { why, what: what.into() }
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = String::from_utf8_lossy(&self.what);
        match self.why {
            Why::Refused => write!(f, "the system does not let it be watched ({what})"),
            Why::Program => write!(f, "it ran {what}"),
            Why::Word => write!(f, "it says {what}"),
            Why::File => write!(f, "it looked at {what}"),
            Why::Call => write!(f, "it made the system call {what}"),
            Why::Machine => write!(f, "it ran a program for another kind of machine"),
            Why::Trouble => write!(f, "the system failed it ({what})"),
            Why::Input => write!(f, "it read its standard input"),
            Why::Output => write!(f, "it wrote to a stream that is not kept"),
            Why::Passing => write!(f, "its output tells {what}"),
            Why::Signal => write!(f, "a process of it was killed by signal {what}"),
            Why::Changed => write!(f, "{what} changed while it ran"),
            Why::LeftBehind => write!(f, "it left a process running"),
            Why::NotStarted => write!(f, "it could not be started ({what})"),
            Why::Effect => write!(f, "it changes {what}"),
        }
    }
}
