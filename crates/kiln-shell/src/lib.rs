//! The subset of sh that recipes use: run in process, start directly, or decline.
//!
//! A recipe line goes through three questions. [`direct`]: does it need a shell at all, by GNU
//! make's own rule? [`parse`]: is everything in it understood exactly as dash would? If so a
//! [`Machine`] runs it, asking the caller to start programs; if not it is [`Declined`] before
//! anything has happened, and the real shell gets it.
//!
//! This crate knows nothing of make, targets or kernels, starts no process and has no global state:
//! a script's directory is a descriptor, its environment a value.

mod ast;
mod builtin;
mod check;
pub mod direct;
mod expand;
mod host;
mod lex;
mod machine;
mod message;
mod parse;
mod pattern;
mod redir;
mod run;
mod simple;
mod tools;
mod vars;

pub use ast::Script;
pub use host::{Dir, Host, Outcome, Process, Status, Step, Target};
pub use lex::Declined;
pub use machine::{Machine, Setup, run_tool};
pub use parse::parse;

/// For fuzzing: takes any bytes as a recipe line through everything that only reads. Must neither
/// panic nor take long.
pub fn fuzz(data: &[u8]) {
    let oneshell = data.len() % 2 == 1;
    let _ = direct::argv(data, direct::DEFAULT_SHELL, b"-c", None, oneshell);
    let _ = direct::argv(b"a; b", data, data, None, oneshell);
    let _ = parse(data);
}
