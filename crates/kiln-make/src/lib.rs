//! The GNU make language: read, parse, expand, functions, variables, rules, into a database.
//!
//! A [`Make`] is one make instance as a value: its directory, options, variables, files and rules.
//! There is no global state, so a recursive make is simply a second value.
//!
//! This crate starts no process, prints nothing and looks at no clock: what needs those goes through
//! [`Host`]. It does not decide what is out of date and it does not run recipes.

pub mod db;
pub mod error;
pub mod host;
pub mod make;
pub mod options;

pub use db::{Dep, File, FileId, Recipe, RecipeLine};
pub use error::{Fatal, Result};
pub use host::{Host, ShellCall, ShellResult, Stream};
pub use make::Make;
pub use options::Options;
