//! What every other crate stands on: bytes and words, interned names, typed index vectors, places in
//! source text, and the one seam to the system.
//!
//! This crate knows nothing of make, kernels or processes.

pub mod fake;
pub mod index;
pub mod name;
pub mod physical;
pub mod span;
pub mod sys;
pub mod text;

pub use index::{Id, IndexVec};
pub use name::{Name, Names};
pub use span::Loc;
pub use sys::{FileKind, RealSys, Stat, Sys, Time};
