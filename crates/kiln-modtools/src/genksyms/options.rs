//! The command line, read as the C library's `getopt_long` reads it: short options in clusters, long
//! ones with `=` or shortened to a unique beginning, everything else passed over, `--` ends it.
//!
//! It does not act on what it reads; the order of the options matters to the caller.

use super::Flavor;

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

/// Long name, letter.
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

fn takes_value(letter: u8) -> bool {
    matches!(letter, b'r' | b'T' | b's')
}

fn known(letter: u8, flavor: Flavor) -> bool {
    match letter {
        b's' => flavor.symbol_prefix,
        b'R' => flavor.linker_script,
        _ => b"dwqVDrTph".contains(&letter),
    }
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

fn wrong(parts: &[&[u8]]) -> Choice {
    let mut text = b"genksyms: ".to_vec();
    for part in parts {
        text.extend_from_slice(part);
    }
    text.push(b'\n');
    Choice::Wrong(text)
}

/// The options of a command line (without the program's name) in their order.
pub fn parse(args: &[Vec<u8>], flavor: Flavor) -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == b"--" {
            break;
        }
        if let Some(long) = arg.strip_prefix(b"--") {
            choices.push(self::long(long, &mut rest, flavor));
            continue;
        }
        let Some(letters) = arg.strip_prefix(b"-").filter(|l| !l.is_empty()) else { continue };
        let mut at = 0;
        while at < letters.len() {
            let letter = letters[at];
            at += 1;
            if !known(letter, flavor) {
                choices.push(wrong(&[b"invalid option -- '", &[letter], b"'"]));
                continue;
            }
            if !takes_value(letter) {
                choices.push(choice(letter, b""));
                continue;
            }
            let value = match &letters[at..] {
                [] => rest.next().map(Vec::as_slice),
                inside => Some(inside),
            };
            at = letters.len();
            choices.push(match value {
                Some(value) => choice(letter, value),
                None => wrong(&[b"option requires an argument -- '", &[letter], b"'"]),
            });
        }
    }
    choices
}

fn long<'a>(
    text: &'a [u8],
    rest: &mut impl Iterator<Item = &'a Vec<u8>>,
    flavor: Flavor,
) -> Choice {
    let (name, inside) = match memchr::memchr(b'=', text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let all = || LONG.iter().filter(|(_, letter)| known(*letter, flavor));
    let fits: Vec<_> = match all().find(|(long, _)| long.as_bytes() == name) {
        Some(exact) => vec![exact],
        None => all().filter(|(long, _)| long.as_bytes().starts_with(name)).collect(),
    };
    let (long, letter) = match fits.as_slice() {
        [] => return wrong(&[b"unrecognized option '--", text, b"'"]),
        [one] => **one,
        many => {
            let mut text = [b"option '--", text, b"' is ambiguous; possibilities:"].concat();
            for (long, _) in many {
                text.extend_from_slice(format!(" '--{long}'").as_bytes());
            }
            return wrong(&[&text]);
        }
    };
    if !takes_value(letter) {
        return match inside {
            None => choice(letter, b""),
            Some(_) => wrong(&[b"option '--", long.as_bytes(), b"' doesn't allow an argument"]),
        };
    }
    match inside.or_else(|| rest.next().map(Vec::as_slice)) {
        Some(value) => choice(letter, value),
        None => wrong(&[b"option '--", long.as_bytes(), b"' requires an argument"]),
    }
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
