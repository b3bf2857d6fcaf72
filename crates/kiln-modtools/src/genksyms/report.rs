//! Messages: what goes to standard error, and what makes the exit status 1.
//!
//! It does not know what the messages are about.

use std::rc::Rc;

use super::Settings;
use super::scan::Location;

/// Collects messages. Where the lexer stands is set by the parser before anything can be reported.
#[derive(Default)]
pub struct Report {
    /// Standard error so far.
    pub err: Vec<u8>,
    /// How many errors count for the exit status.
    pub errors: u32,
    /// `-w`
    pub warnings: bool,
    /// `-p`
    pub preserve: bool,
    /// `-d`
    pub debug: bool,
    /// `-D`
    pub dump: bool,
    /// The input is more than can be kept; nothing further is read.
    pub given_up: bool,
    file: Option<Rc<[u8]>>,
    line: i32,
}

impl Report {
    /// An empty report for a run, at its beginning.
    pub fn new(settings: &Settings) -> Self {
        Report {
            warnings: settings.warnings,
            preserve: settings.preserve,
            debug: settings.debug,
            dump: settings.dump,
            line: 1,
            ..Report::default()
        }
    }

    /// Says where the lexer is.
    pub fn at(&mut self, location: &Location) {
        self.file.clone_from(&location.file);
        self.line = location.line;
    }

    /// `file:line: `
    pub fn location(&mut self) {
        self.err.extend_from_slice(self.file.as_deref().unwrap_or(b"<stdin>"));
        self.err.extend_from_slice(format!(":{}: ", self.line).as_bytes());
    }

    /// Text as it is.
    pub fn text(&mut self, text: &[u8]) {
        self.err.extend_from_slice(text);
    }

    /// An error: shown and counted only with `-w`.
    pub fn error(&mut self, parts: &[&[u8]]) {
        if self.warnings {
            self.location();
            for part in parts {
                self.text(part);
            }
            self.text(b"\n");
            self.errors += 1;
        }
    }

    /// A reference file speaks of a typedef or enumeration constant that nothing declares.
    pub fn missing(&mut self, name: &[u8]) {
        self.location();
        self.text(b"the reference file names ");
        self.text(name);
        self.text(b", which is not declared\n");
        self.errors += 1;
    }

    /// The definitions take more room than any sound input needs.
    pub fn give_up(&mut self) {
        if !self.given_up {
            self.given_up = true;
            self.location();
            self.text(b"the definitions are too large\n");
            self.errors += 1;
        }
    }
}
