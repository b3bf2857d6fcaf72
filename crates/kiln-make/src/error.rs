//! The one kind of error that ends a make instance while it reads or expands.

use kiln_base::Loc;

/// What make prints as `FILE:LINE: *** TEXT.  Stop.` before it exits with status 2.
#[derive(Clone, Debug)]
pub struct Fatal {
    /// Where, if the error has a place.
    pub loc: Option<Loc>,
    /// The text between `*** ` and `.  Stop.`.
    pub text: Vec<u8>,
}

impl Fatal {
    /// An error at a place.
    pub fn at(loc: Loc, text: impl Into<Vec<u8>>) -> Self {
        Fatal { loc: Some(loc), text: text.into() }
    }
}

/// The result of whatever reads or expands.
pub type Result<T> = std::result::Result<T, Fatal>;

/// The system's text for an error, without the number that Rust appends.
#[must_use]
pub fn os_error_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(i) => text[..i].to_owned(),
        None => text,
    }
}
