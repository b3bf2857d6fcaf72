//! Kernel trees: where they are, what they are and what they can do.
//!
//! The crate knows directories, packages and kernel images. It does not know make, it never prints,
//! and it starts no process itself: where a program has to run (a downloader, a compiler, QEMU) it
//! makes a [`process::Command`] and leaves the running to a [`process::Runner`] of the caller.
//!
//! - [`machine`]: the facts about the machine that everything else asks for; built by the caller
//! - [`discover`]: all trees of a machine, and which one `-k SPEC` means
//! - [`describe`]: what one tree is and what it lacks, cheap enough for every build
//! - [`store`]: Kiln's own kernels: packages unpacked, made to stand alone, listed when whole
//! - [`rust`]: the kernel's compiled Rust crates, for trees that lack them
//! - [`fetch`]: getting packages with the distribution's own downloader, without root
//! - [`boot`]: starting a kernel under QEMU to see whether modules load

pub mod arch;
pub mod archive;
pub mod boot;
pub mod compiler;
pub mod config;
pub mod describe;
pub mod discover;
pub mod error;
pub mod fetch;
pub mod listing;
pub mod machine;
pub mod makefacts;
pub mod missing;
pub mod process;
pub mod release;
pub mod rooted;
pub mod rust;
pub mod store;
pub mod tree;

pub use describe::Description;
pub use discover::{Choice, Discovery};
pub use error::{Error, Kind, Result};
pub use machine::Machine;
pub use store::Store;
pub use tree::{Origin, Tree};
