//! The forms of make's own messages: what stands before them and where they go. It does not know
//! when anything is said.

use kiln_base::Loc;
use kiln_make::{Make, Stream, options::debug};

/// `make: ` or `make[LEVEL]: `.
#[must_use]
pub fn program_prefix(make: &Make) -> Vec<u8> {
    let mut text = make.program.clone();
    if make.level > 0 {
        text.extend_from_slice(format!("[{}]", make.level).as_bytes());
    }
    text.extend_from_slice(b": ");
    text
}

/// `FILE:LINE`, or `None` for what is built in.
#[must_use]
pub fn place(make: &Make, loc: Loc, offset: u32) -> Option<Vec<u8>> {
    let file = loc.file?;
    let mut text = make.names.bytes(file).to_vec();
    text.extend_from_slice(format!(":{}", loc.line + offset).as_bytes());
    Some(text)
}

/// What an error message begins with: its place, or the program's name.
#[must_use]
pub fn error_prefix(make: &Make, loc: Option<Loc>) -> Vec<u8> {
    match loc.and_then(|loc| place(make, loc, 0)) {
        Some(mut text) => {
            text.extend_from_slice(b": ");
            text
        }
        None => program_prefix(make),
    }
}

/// An error message: prefix, `text`, newline, to standard error.
pub fn error(make: &mut Make, loc: Option<Loc>, text: &[u8]) {
    let mut line = error_prefix(make, loc);
    line.extend_from_slice(text);
    line.push(b'\n');
    make.host.print(Stream::Err, &line);
}

/// A message to standard output, with the program's name before it if `prefix`.
pub fn message(make: &mut Make, prefix: bool, text: &[u8]) {
    let mut line = if prefix { program_prefix(make) } else { Vec::new() };
    line.extend_from_slice(text);
    line.push(b'\n');
    make.host.print(Stream::Out, &line);
}

/// Whether one of these bits of `--debug` is on.
#[must_use]
pub fn debugging(make: &Make, bits: u32) -> bool {
    make.opts.debug_level & bits != 0
}

/// A line of `--debug` output, indented by the depth of the walk.
pub fn debug_line(make: &mut Make, depth: u32, parts: &[&[u8]]) {
    let mut line = vec![b' '; depth as usize];
    for part in parts {
        line.extend_from_slice(part);
    }
    make.host.print(Stream::Out, &line);
}

/// Whether recipes are not to be shown: `-s` or `.SILENT` without prerequisites.
#[must_use]
pub fn silent(make: &Make) -> bool {
    make.opts.silent == Some(true) || make.special.silent_all
}

/// Whether anything may be printed about what would be remade, for callers that build long texts.
#[must_use]
pub fn verbose(make: &Make) -> bool {
    debugging(make, debug::BASIC | debug::VERBOSE)
}

/// The system's text for an error number.
#[must_use]
pub fn errno_text(code: i32) -> String {
    kiln_make::error::os_error_text(&std::io::Error::from_raw_os_error(code))
}

/// The system's text for an error that an operation of [`kiln_base::Sys`] gave.
#[must_use]
pub fn io_text(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => errno_text(code),
        None => error.to_string(),
    }
}
