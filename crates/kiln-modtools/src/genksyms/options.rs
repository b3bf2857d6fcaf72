//! The command line; what is no option is passed over. It does not act on what it reads; the order of
//! the options matters to the caller.

use super::Flavor;
use crate::Host;
use crate::getopt::{Grammar, Piece, pieces};

/// One option in the order of the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// `-d`
    Debug,
    /// `-w`, and with false `-q`
    Warnings(bool),
    /// `-V`
    Version,
    /// `-D`
    Dump,
    /// `-r FILE`
    Reference(Vec<u8>),
    /// `-T FILE`
    DumpTypes(Vec<u8>),
    /// `-p`
    Preserve,
    /// `-R` (before 5.19)
    Relative,
    /// `-h`
    Help,
    /// Anything else, with the C library's message about it (empty for `-s`, which it knows).
    Wrong(Vec<u8>),
}

/// Long name, letter; the last one only where that letter is known.
const LONG: &[(&str, u8)] = &[
    ("debug", b'd'),
    ("warnings", b'w'),
    ("quiet", b'q'),
    ("dump", b'D'),
    ("reference", b'r'),
    ("dump-types", b'T'),
    ("preserve", b'p'),
    ("version", b'V'),
    ("help", b'h'),
    ("relative-crc", b'R'),
];

fn grammar(flavor: Flavor) -> Grammar<'static> {
    let letters: &[u8] = match (flavor.symbol_prefix, flavor.linker_script) {
        (true, true) => b"s:dwqVDr:T:phR",
        (true, false) => b"s:dwqVDr:T:ph",
        (false, true) => b"dwqVDr:T:phR",
        (false, false) => b"dwqVDr:T:ph",
    };
    let long = if flavor.linker_script { LONG } else { &LONG[..LONG.len() - 1] };
    Grammar { program: "genksyms", letters, long }
}

fn choice(letter: u8, value: &[u8]) -> Choice {
    match letter {
        b'd' => Choice::Debug,
        b'w' => Choice::Warnings(true),
        b'q' => Choice::Warnings(false),
        b'V' => Choice::Version,
        b'D' => Choice::Dump,
        b'r' => Choice::Reference(value.to_vec()),
        b'T' => Choice::DumpTypes(value.to_vec()),
        b'p' => Choice::Preserve,
        b'R' => Choice::Relative,
        b'h' => Choice::Help,
        // `-s` is known to getopt but to nothing after it.
        _ => Choice::Wrong(Vec::new()),
    }
}

/// The options of a command line (without the program's name) in their order.
pub fn parse(args: &[Vec<u8>], flavor: Flavor, host: &dyn Host) -> Vec<Choice> {
    let choices = pieces(grammar(flavor), args, host).filter_map(|piece| match piece {
        Piece::Option(letter, value) => Some(choice(letter, value)),
        Piece::Wrong(message) => Some(Choice::Wrong(message)),
        Piece::Operand(_) => None,
    });
    choices.collect()
}

/// The text of `-h` and of every wrong option.
pub fn usage(flavor: Flavor) -> Vec<u8> {
    let mut text = String::from("Usage:\ngenksyms [-adDTwqhVR] > /path/to/.tmp_obj.ver\n\n");
    let mut line = |short: &str, long: &str, what: &str| {
        let option = format!("{short}, {long}");
        text.push_str(&format!("  {option:<22}{what}\n"));
    };
    if flavor.symbol_prefix {
        line("-s", "--symbol-prefix", "Select symbol prefix");
    }
    line("-d", "--debug", "Increment the debug level (repeatable)");
    line("-D", "--dump", "Dump expanded symbol defs (for debugging only)");
    line("-r", "--reference file", "Read reference symbols from a file");
    line("-T", "--dump-types file", "Dump expanded types into file");
    line("-p", "--preserve", "Preserve reference modversions or fail");
    line("-w", "--warnings", "Enable warnings");
    line("-q", "--quiet", "Disable warnings (default)");
    line("-h", "--help", "Print this message");
    line("-V", "--version", "Print the release version");
    if flavor.linker_script {
        line("-R", "--relative-crc", "Emit section relative symbol CRCs");
    }
    text.into_bytes()
}
