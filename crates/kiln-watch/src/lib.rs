//! Watches commands, keeps what they said, and says whether it would still be so.
//!
//! A command is a function of its text, its directory, its environment, the programs that it ran and
//! the files that it looked at. [`watch()`] runs one under `ptrace` and returns all of these as
//! [`Observations`]; [`Checker`] says whether they still stand; [`Store`] keeps answers on disk;
//! [`Steps`] watches what is run for what it changes, [`Recipes`] keeps that;
//! [`RecordingSys`] notes in the same form what Kiln itself looked at.
//!
//! This crate knows nothing of make, kernels or recipes. It starts processes only for its caller:
//! `kiln-exec` is the one that may ask it to.

mod becoming;
mod calls;
pub mod check;
mod codec;
pub mod durations;
pub mod eye;
pub mod fact;
mod file;
mod filter;
pub mod findings;
mod given;
mod handlers;
pub mod key;
mod ledger;
mod names;
mod passing;
mod places;
pub mod programs;
mod raw;
pub mod recipes;
pub mod record;
mod redo;
pub mod runs;
mod shelf;
mod special;
pub mod steps;
pub mod store;
mod table;
mod tracee;
mod tracer;
mod watch;

pub use check::{Changed, Checker, still_holds};
pub use durations::{Duration, Durations};
pub use eye::{Eye, Identity, Kind, RealEye};
pub use fact::{Effect, Fact, Observations, Opaque, Seen, Status, Why};
pub use findings::{Finding, Findings};
pub use given::{Asks, Given};
pub use key::{Key, Query, Question, Surroundings};
pub use raw::one_heap;
pub use recipes::{Kept as KeptRecipe, Outcome, Recipes};
pub use record::{Recorder, RecordingSys};
pub use runs::{Run, Runs};
pub use steps::{Deed, Left, Made, MadeFile, Running, Said, Steps, TimeOf, is_one_stream};
pub use store::{Answer, Entry, Found, Store};
pub use watch::{Command, Sink, Source, Watched, is_found, stream_kind, watch, watch_every_call};
