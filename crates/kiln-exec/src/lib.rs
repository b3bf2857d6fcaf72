//! Runs what the graph asks for: job slots, processes, their output, signals.
//!
//! Every make instance runs on a thread of its own with blocking code and touches nothing that
//! belongs to the process as a whole: no working directory, no environment, no `wait` for just any
//! child. What the instances of one process share is the [`Slots`], the [`Signals`] and the lock of
//! output sync.
//!
//! This crate does not decide what is out of date and does not read makefiles.

mod about;
mod ahead;
pub mod done;
pub mod hooks;
pub mod host;
mod job;
mod load;
pub mod lock;
pub mod observe;
pub mod output;
pub mod program;
mod reap;
mod recall;
mod respell;
mod script;
pub mod signals;
pub mod slots;
pub mod spawn;
mod start;
mod wait;

pub use done::{Done, Ended};
pub use hooks::{Durations, Native, Probes, RecipeCommand, Recipes, SubMake, SubMakeCall};
pub use host::ExecHost;
pub use job::Exec;
pub use lock::SyncLock;
pub use observe::Observer;
pub use output::{Output, Sink};
pub use signals::Signals;
pub use slots::Slots;
