//! Places in source text, as make's messages name them.

use crate::Name;

/// A line of a makefile. `line` counts from 1; a location without a file is a built-in definition,
/// the command line or the environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loc {
    /// The makefile's name as it was given, or `None` for what is built in.
    pub file: Option<Name>,
    /// The line, from 1.
    pub line: u32,
}
