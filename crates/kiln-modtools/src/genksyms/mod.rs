//! genksyms: preprocessed C in, a CRC for every exported symbol out.
//!
//! The CRC sums the text of the symbol's declaration with every type in it written out, so that it
//! changes when the binary interface does. The phases are the files: `scan` cuts the text into raw
//! tokens, `lexer` groups them, `automaton` and `grammar` (with the two editions `older` and `newer`)
//! say what is a declaration, `parser` does what each rule means with the token list of `nodes`,
//! `symbols` keeps the definitions and sums them (`crc`), `reference` reads what an earlier build had,
//! `options` the command line. Source of the behaviour: `scripts/genksyms` of Linux 5.10, 6.1, 6.12 and
//! 7.2, and the programs themselves.
//!
//! It does not know where the text comes from, nor what is done with the CRCs.

mod automaton;
pub(crate) mod crc;
mod flavor;
mod grammar;
mod lexer;
mod names;
mod newer;
mod nodes;
mod older;
mod options;
mod parser;
mod reference;
mod report;
mod scan;
mod symbols;

use crate::Host;

pub use flavor::Flavor;
use grammar::Term;
use lexer::Lexer;
use names::Names;
use options::Choice;
use parser::Parser;
use report::Report;
use symbols::Symbols;

/// More text than any unit has; positions and names are counted in 32 bits, some with flags.
const MOST_INPUT: usize = 1 << 28;

/// What a run is asked for, apart from the files' names.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `-d`: definitions on standard error, and a closing line.
    pub debug: bool,
    /// `-D`: expanded definitions on standard error.
    pub dump: bool,
    /// `-w`: errors are shown and count for the exit status.
    pub warnings: bool,
    /// `-p`: a change against the reference is an error.
    pub preserve: bool,
    /// `-R`: CRCs relative to a section (before Linux 5.19).
    pub relative: bool,
    /// The content of the reference file.
    pub reference: Vec<u8>,
    /// Whether a symtypes file is wanted.
    pub types: bool,
}

/// What a run gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output: one line for each exported symbol.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
    /// The symtypes file; empty unless asked for.
    pub types: Vec<u8>,
    /// The exit status.
    pub status: i32,
}

/// Sums the exported symbols of one preprocessed unit.
pub fn run(text: &[u8], flavor: Flavor, settings: &Settings) -> Output {
    let mut report = Report::new(settings);
    if text.len() > MOST_INPUT || settings.reference.len() > MOST_INPUT {
        let err = b"genksyms: the input is too large\n".to_vec();
        return Output { err, status: 1, ..Output::default() };
    }
    let size = text.len() + settings.reference.len();
    let mut symbols = Symbols::new(reserved(flavor), !flavor.declarators_hide_types, size);
    if let Err(message) = reference::read(&settings.reference, &mut symbols, &mut report) {
        report.text(&message);
        return Output { err: report.err, status: 1, ..Output::default() };
    }
    let automaton = flavor::automaton(flavor);
    let mut parser = Parser::new(automaton, Lexer::new(text, flavor), symbols, report);
    parser.run();
    let Parser { symbols, mut report, exports, .. } = parser;
    let mut out = Vec::new();
    for (name, crc) in exports {
        let name = symbols.names.text(name);
        let hex = format!("0x{crc:08x}");
        let parts: [&[u8]; 4] = match (flavor.linker_script, settings.relative) {
            (false, _) => [b"#SYMVER ", name, b" ", hex.as_bytes()],
            (true, false) => [b"__crc_", name, b" = ", hex.as_bytes()],
            (true, true) => {
                [b"SECTIONS { .rodata : ALIGN(4) { __crc_", name, b" = .; LONG(", hex.as_bytes()]
            }
        };
        parts.iter().for_each(|p| out.extend_from_slice(p));
        out.extend_from_slice(match (flavor.linker_script, settings.relative) {
            (false, _) => b"\n",
            (true, false) => b";\n",
            (true, true) => b"); } }\n",
        });
    }
    let types = if settings.types { symbols.symtypes() } else { Vec::new() };
    if settings.debug {
        let share = f64::from(symbols.count) / 4096.0;
        let line = format!("Hash table occupancy {}/4096 = {}\n", symbols.count, general(share));
        report.text(line.as_bytes());
    }
    Output { out, types, status: i32::from(report.errors != 0), err: report.err }
}

/// Names with the reserved words of a version.
fn reserved(flavor: Flavor) -> Names {
    let mut names = Names::new();
    let mut add = |word: &str, term: Term| {
        let id = names.intern(word.as_bytes());
        names.get_mut(id).keyword = term;
    };
    grammar::WORDS.iter().for_each(|&(word, term)| add(word, term));
    if flavor.static_assert {
        add("_Static_assert", Term::StaticAssert);
    }
    if flavor.declarators_hide_types {
        grammar::NEWER_WORDS.iter().for_each(|&(word, term)| add(word, term));
        grammar::vector_types().for_each(|word| add(&word, Term::VectorInt));
    }
    names
}

/// C's `%g` for a number that is zero or at least a 4096th.
fn general(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let exponent = value.log10().floor() as i32;
    let text = format!("{value:.*}", (5 - exponent).max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// The tool under its own name: the text on standard input, the version from `KILN_KERNEL` or from the
/// kernel tree that is the working directory.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let flavor = Flavor::detect(host);
    let mut settings = Settings::default();
    let mut types_path = None;
    for choice in options::parse(args, flavor, host) {
        match choice {
            Choice::Debug => settings.debug = true,
            Choice::Warnings(on) => settings.warnings = on,
            Choice::Version => host.stderr(b"genksyms version 2.5.60\n"),
            Choice::Dump => settings.dump = true,
            Choice::Preserve => settings.preserve = true,
            Choice::Relative => settings.relative = true,
            Choice::Reference(path) => match host.read(&path) {
                Ok(text) => settings.reference = text,
                Err(error) => return unreadable(&path, &error, host),
            },
            Choice::DumpTypes(path) => {
                // The original opens, and thereby empties, the file before it reads anything.
                if let Err(error) = host.write(&path, b"") {
                    return unreadable(&path, &error, host);
                }
                settings.types = true;
                types_path = Some(path);
            }
            Choice::Help => {
                host.stderr(&options::usage(flavor));
                return 0;
            }
            Choice::Wrong(message) => {
                host.stderr(&message);
                host.stderr(&options::usage(flavor));
                return 1;
            }
        }
    }
    let text = host.stdin().unwrap_or_default();
    let output = run(&text, flavor, &settings);
    host.stdout(&output.out);
    host.stderr(&output.err);
    if let Some(path) = types_path
        && !output.types.is_empty()
        && let Err(error) = host.write(&path, &output.types)
    {
        return unreadable(&path, &error, host);
    }
    output.status
}

/// The C library's `perror`, and the status that follows it.
fn unreadable(path: &[u8], error: &std::io::Error, host: &mut dyn Host) -> i32 {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    host.stderr(&[path, b": ", text.as_bytes(), b"\n"].concat());
    1
}

/// The body of a fuzz target: every version on the same bytes, part of which may be a reference file.
/// Nothing but a panic or a hang is a finding.
pub fn fuzz(bytes: &[u8]) {
    let split = memchr::memmem::find(bytes, b"\n%%\n");
    let (text, reference) = match split {
        Some(at) => (&bytes[..at], &bytes[at + 4..]),
        None => (bytes, &b""[..]),
    };
    for flavor in [Flavor::V5_10, Flavor::V6_12, Flavor::V7_2] {
        for preserve in [false, true] {
            let settings = Settings {
                debug: true,
                dump: true,
                warnings: true,
                preserve,
                types: true,
                reference: reference.to_vec(),
                ..Settings::default()
            };
            run(text, flavor, &settings);
        }
    }
}

#[cfg(test)]
mod tests;
