//! The one error type of the crate: a kind for programs, a message and hints for people.
//!
//! It does not know where it is shown; the caller prints it and chooses the exit status.

use std::fmt;
use std::io;
use std::path::Path;

/// What sort of thing went wrong, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine has no kernel tree that fits.
    NoTree,
    /// A name was given that no tree bears.
    UnknownTree,
    /// The directory exists but is not (or not enough of) a kernel tree.
    NotATree,
    /// An archive is cut off, damaged or of a kind that is not known.
    BadArchive,
    /// An archive names a place outside the directory it is unpacked into.
    Hostile,
    /// The packages lack a part that the tree refers to.
    Incomplete,
    /// The name is taken in the store.
    Exists,
    /// Another Kiln is changing the store.
    Busy,
    /// The system refused (no such file, no permission, disk full).
    Io,
    /// A program that has to be run is missing or failed.
    Program,
    /// What was asked for cannot be done here.
    Unsupported,
}

/// What happened, where, and what to do about it.
#[derive(Debug)]
pub struct Error {
    /// For programs.
    pub kind: Kind,
    /// One sentence without a full stop; names the file or release it is about.
    pub message: String,
    /// Commands or advice that help, most useful first.
    pub hints: Vec<String>,
    /// The system's own error where there is one.
    pub source: Option<io::Error>,
}

/// The crate's results.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without hints.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hints: Vec::new(), source: None }
    }

    /// A refusal of the system while doing `what` to `path`.
    pub fn io(what: &str, path: &Path, source: io::Error) -> Self {
        let message = format!("cannot {what} {}: {}", path.display(), reason(&source));
        Error { kind: Kind::Io, message, hints: Vec::new(), source: Some(source) }
    }

    /// The same error with one more hint at the end.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same error with all of these hints at the end.
    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }
}

/// The system's words without Rust's `(os error N)`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
