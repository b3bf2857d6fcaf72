//! For tests: throw-away trees, the reference runner, tree comparison.
//!
//! A [`Case`] is the content of a directory, a preparation and a list of command lines. The harness
//! runs it with the reference program and with the program under test at the same absolute path and
//! compares everything after each command line: every file, the exit status, the output lines.
//!
//! The crate knows nothing of kbuild's rules and none of Kiln's other crates: whatever is called
//! `make` in a command line is a program found by PATH.

pub mod cache;
pub mod case;
pub mod compat;
pub mod diff;
pub mod elf;
pub mod far;
pub mod fetch;
pub mod harness;
pub mod host;
pub mod place;
pub mod reference;
pub mod run;
pub mod snapshot;

pub use case::{Case, Interrupt, Need, Signal, Step, Trees, User, Who};
pub use diff::Difference;
pub use harness::{Harness, Outcome, Verdict};
pub use host::{KernelTree, kernel_trees};
