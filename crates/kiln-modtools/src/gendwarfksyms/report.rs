//! Standard error: messages in the original's form, and the dump of debugging entries with its line
//! breaks and indentation, which go on from one symbol to the next.
//!
//! It does not know what is being reported.

use super::Settings;

/// Why a run ends with status 1: the original names its C function in every message, and so does this.
#[derive(Debug)]
pub struct Fault {
    function: &'static str,
    message: Vec<u8>,
}

impl Fault {
    /// An error that `function` of the original would report.
    pub fn new(function: &'static str, message: impl Into<Vec<u8>>) -> Self {
        Fault { function, message: message.into() }
    }

    /// The same, from parts.
    pub fn of(function: &'static str, parts: &[&[u8]]) -> Self {
        Fault::new(function, parts.concat())
    }

    /// The message as the user sees it.
    pub fn text(&self) -> Vec<u8> {
        let head = format!("error: gendwarfksyms: {}: ", self.function);
        [head.as_bytes(), &self.message, b"\n"].concat()
    }
}

/// Collects standard error.
#[derive(Default)]
pub struct Report {
    /// Standard error so far.
    pub err: Vec<u8>,
    /// What was asked for.
    pub settings: Settings,
    break_pending: bool,
    indentation: i32,
    /// Entries found in, and entries added to, the map of debugging entries: `-d` shows them.
    pub hits: u32,
    /// See `hits`.
    pub misses: u32,
}

impl Report {
    /// An empty report.
    pub fn new(settings: Settings) -> Self {
        Report { settings, ..Report::default() }
    }

    /// A line of `-d`.
    pub fn debug(&mut self, function: &str, parts: &[&[u8]]) {
        if self.settings.debug {
            self.line("", function, parts);
        }
    }

    /// A warning, which changes no exit status.
    pub fn warn(&mut self, function: &str, parts: &[&[u8]]) {
        self.line("warning: ", function, parts);
    }

    fn line(&mut self, kind: &str, function: &str, parts: &[&[u8]]) {
        self.err.extend_from_slice(format!("{kind}gendwarfksyms: {function}: ").as_bytes());
        parts.iter().for_each(|part| self.err.extend_from_slice(part));
        self.err.push(b'\n');
    }

    /// Text as it is.
    pub fn text(&mut self, text: &[u8]) {
        self.err.extend_from_slice(text);
    }

    /// A piece of a type's text for `--dump-dies`, on a new line if one is due.
    pub fn dump(&mut self, text: &[u8]) {
        if !self.settings.dump_dies {
            return;
        }
        if self.break_pending {
            self.err.push(b'\n');
            for _ in 0..self.indentation {
                self.err.extend_from_slice(b"  ");
            }
            self.break_pending = false;
        }
        self.err.extend_from_slice(text);
    }

    /// A new line is due, this much further in.
    pub fn line_break(&mut self, by: i8) {
        self.indentation = self.indentation.saturating_add(by.into());
        self.break_pending = true;
    }

    /// Whether `--dump-die-map` was given.
    pub fn wants_map(&self) -> bool {
        self.settings.dump_die_map
    }

    /// A note of `--dump-die-map` in a terminal colour.
    pub fn map_note(&mut self, colour: u8, text: &[u8]) {
        if self.settings.dump_die_map {
            self.err.extend_from_slice(format!("\x1b[{colour}m<").as_bytes());
            self.err.extend_from_slice(text);
            self.err.extend_from_slice(b">\x1b[39m");
        }
    }
}

/// A type or entry of the run as `%p` would show it: null as the C library does.
pub fn pointer(number: Option<u32>) -> String {
    // Entries have no addresses here; their numbers, off zero, serve to tell them apart.
    number.map_or_else(|| "(nil)".to_owned(), |n| format!("{:#x}", u64::from(n) + 1))
}
