//! The GNU make language: read, parse, expand, functions, variables, rules, into a database.
//!
//! A [`Make`] is one make instance as a value: its directory, options, variables, files and rules.
//! There is no global state, so a recursive make is simply a second value.
//!
//! This crate starts no process, prints nothing and looks at no clock: what needs those goes through
//! [`Host`]. It does not decide what is out of date and it does not run recipes.

mod assign;
mod builtin;
mod cond;
pub mod db;
mod deplist;
mod dir;
mod env;
pub mod error;
mod expand;
mod files;
mod fileseq;
pub mod filetable;
mod func;
mod glob;
pub mod host;
mod limits;
mod lines;
pub mod make;
pub mod options;
mod pieces;
mod print;
pub mod read;
mod record;
mod rule_line;
mod rules;
mod slots;
mod snap;
mod template;
pub mod value;
pub mod var;
mod vpath;

pub use db::{Dep, File, FileId, Recipe, RecipeLine};
pub use error::{Fatal, Result};
pub use host::{Host, ShellCall, ShellResult, Stream};
pub use make::Make;
pub use options::Options;
pub use read::ReadFlags;
pub use var::{Export, Flavor, Origin};
