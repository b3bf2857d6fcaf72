//! The kernel's small host programs, native: fixdep, modpost, genksyms, gendwarfksyms, sign-file and
//! the helper steps that run once or more per object.
//!
//! Each tool is a deterministic function of its arguments and of what it reads through [`Host`]: it
//! keeps no state between calls, starts no process and looks at no clock. Its `main` takes the
//! arguments that the original takes and gives the exit status that the original gives, with the same
//! files and the same messages.
//!
//! This crate does not know how a build is run, where kernel trees are, or what make is.

pub mod elf;
pub mod errno;
pub mod fixdep;
pub mod gendwarfksyms;
pub mod genksyms;
mod getopt;
pub mod helpers;
pub mod host;
pub mod kernel;
pub mod modpost;
pub mod sign;

pub use host::{Host, Ranged};

/// A tool's entry: the arguments without the program's own name, and the world it may touch.
/// The value is the exit status.
pub type Main = fn(args: &[Vec<u8>], host: &mut dyn Host) -> i32;

/// The tools by the name that the kernel tree gives them, in alphabetical order.
pub const TOOLS: &[(&str, Main)] = &[
    ("check-local-export", helpers::check_local_export),
    ("fixdep", fixdep::main),
    ("gendwarfksyms", gendwarfksyms::main),
    ("genksyms", genksyms::main),
    ("mksysmap", helpers::mksysmap),
    ("modpost", modpost::main),
    ("modules-check.sh", helpers::modules_check),
    ("sign-file", sign::main),
];

/// The entry of the tool called `name`, if there is one.
pub fn find(name: &[u8]) -> Option<Main> {
    TOOLS.iter().find(|(n, _)| n.as_bytes() == name).map(|&(_, main)| main)
}
