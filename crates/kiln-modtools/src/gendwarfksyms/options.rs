//! The command line, read as the C library's `getopt_long` reads it: short options in clusters, long
//! ones with `=` or shortened to a unique beginning, files anywhere among them, `--` ends the options.
//!
//! It opens no file and does not know what an option means to the run.

use super::Settings;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A run over object files, with the symtypes file's name.
    Run {
        /// `-d`, `-s` and the dumps.
        settings: Settings,
        /// The files in their order; perhaps none.
        files: Vec<Vec<u8>>,
        /// `-T FILE`
        symtypes: Option<Vec<u8>>,
    },
    /// `-h` before anything wrong.
    Help,
    /// An unknown or incomplete option, with the C library's message about it.
    Wrong(Vec<u8>),
}

/// Name, the letter or digit that stands for it, whether it takes a value.
const LONG: &[(&str, u8, bool)] = &[
    ("debug", b'd', false),
    ("dump-dies", b'1', false),
    ("dump-die-map", b'2', false),
    ("dump-types", b'3', false),
    ("dump-versions", b'4', false),
    ("stable", b's', false),
    ("symtypes", b'T', true),
    ("help", b'h', false),
];

/// The text of `-h` and of every wrong option.
pub const USAGE: &[u8] = b"Usage: gendwarfksyms [options] elf-object-file ... < symbol-list\n\n\
Options:
  -d, --debug          Print debugging information
      --dump-dies      Dump DWARF DIE contents
      --dump-die-map   Print debugging information about die_map changes
      --dump-types     Dump type strings
      --dump-versions  Dump expanded type strings used for symbol versions
  -s, --stable         Support kABI stability features
  -T, --symtypes file  Write a symtypes file
  -h, --help           Print this message

";

fn wrong(parts: &[&[u8]]) -> Vec<u8> {
    [b"gendwarfksyms: ", parts.concat().as_slice(), b"\n"].concat()
}

/// Reads the arguments (without the program's name).
pub fn parse(args: &[Vec<u8>]) -> Request {
    let mut settings = Settings::default();
    let (mut files, mut symtypes) = (Vec::new(), None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == b"--" {
            files.extend(rest.by_ref().cloned());
            break;
        }
        let found = if let Some(long) = arg.strip_prefix(b"--") {
            self::long(long, &mut rest).map(|one| vec![one])
        } else if let Some(letters) = arg.strip_prefix(b"-").filter(|l| !l.is_empty()) {
            short(letters, &mut rest)
        } else {
            files.push(arg.clone());
            continue;
        };
        // Options before a wrong one in the same cluster count: `-h` there is obeyed.
        let (found, message) = match found {
            Ok(found) => (found, None),
            Err(Failed { before, message }) => (before, Some(message)),
        };
        for (letter, value) in found {
            match letter {
                b'd' => settings.debug = true,
                b'1' => settings.dump_dies = true,
                b'2' => settings.dump_die_map = true,
                b'3' => settings.dump_types = true,
                b'4' => settings.dump_versions = true,
                b's' => settings.stable = true,
                b'T' => symtypes = Some(value),
                _ => return Request::Help,
            }
        }
        if let Some(message) = message {
            return Request::Wrong(message);
        }
    }
    settings.dump_dies |= settings.dump_die_map;
    Request::Run { settings, files, symtypes }
}

type Found = (u8, Vec<u8>);

struct Failed {
    before: Vec<Found>,
    message: Vec<u8>,
}

fn short<'a>(
    letters: &[u8],
    rest: &mut impl Iterator<Item = &'a Vec<u8>>,
) -> Result<Vec<Found>, Failed> {
    let mut found = Vec::new();
    for (at, &letter) in letters.iter().enumerate() {
        match letter {
            b'd' | b's' | b'h' => found.push((letter, Vec::new())),
            b'T' => {
                let inside = letters.get(at + 1..).filter(|value| !value.is_empty());
                match inside.or_else(|| rest.next().map(Vec::as_slice)) {
                    Some(value) => found.push((letter, value.to_vec())),
                    None => {
                        let message = wrong(&[b"option requires an argument -- 'T'"]);
                        return Err(Failed { before: found, message });
                    }
                }
                break;
            }
            _ => {
                let message = wrong(&[b"invalid option -- '", &[letter], b"'"]);
                return Err(Failed { before: found, message });
            }
        }
    }
    Ok(found)
}

fn long<'a>(text: &[u8], rest: &mut impl Iterator<Item = &'a Vec<u8>>) -> Result<Found, Failed> {
    let failed = |parts: &[&[u8]]| Err(Failed { before: Vec::new(), message: wrong(parts) });
    let (name, inside) = match memchr::memchr(b'=', text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let fits: Vec<_> = match LONG.iter().find(|(long, ..)| long.as_bytes() == name) {
        Some(exact) => vec![exact],
        None => LONG.iter().filter(|(long, ..)| long.as_bytes().starts_with(name)).collect(),
    };
    let &(long, letter, takes_value) = match fits.as_slice() {
        [] => return failed(&[b"unrecognized option '--", text, b"'"]),
        [one] => *one,
        many => {
            let mut message = [b"option '--", text, b"' is ambiguous; possibilities:"].concat();
            for (long, ..) in many {
                message.extend_from_slice(format!(" '--{long}'").as_bytes());
            }
            return failed(&[&message]);
        }
    };
    let quoted = format!("option '--{long}' ");
    match (takes_value, inside) {
        (false, None) => Ok((letter, Vec::new())),
        (false, Some(_)) => failed(&[quoted.as_bytes(), b"doesn't allow an argument"]),
        (true, _) => match inside.or_else(|| rest.next().map(Vec::as_slice)) {
            Some(value) => Ok((letter, value.to_vec())),
            None => failed(&[quoted.as_bytes(), b"requires an argument"]),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, parse};

    fn request(words: &str) -> Request {
        parse(&words.split_whitespace().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_anywhere_and_may_be_shortened() {
        let Request::Run { settings, files, symtypes } =
            request("a.o -sTout --dump-v b.o --dump-die-map -- -d")
        else {
            panic!("a good command line is refused");
        };
        assert!(settings.stable && settings.dump_versions && !settings.debug);
        assert!(settings.dump_dies, "--dump-die-map asks for --dump-dies");
        assert_eq!(files, [b"a.o".to_vec(), b"b.o".to_vec(), b"-d".to_vec()]);
        assert_eq!(symtypes.as_deref(), Some(&b"out"[..]));
    }

    #[test]
    fn messages_are_the_c_library_s() {
        for (words, wanted) in [
            ("--foo=1", "unrecognized option '--foo=1'"),
            (
                "--dump-d",
                "option '--dump-d' is ambiguous; possibilities: '--dump-dies' '--dump-die-map'",
            ),
            ("--stable=1", "option '--stable' doesn't allow an argument"),
            ("--symt", "option '--symtypes' requires an argument"),
            ("-dT", "option requires an argument -- 'T'"),
            ("-x", "invalid option -- 'x'"),
        ] {
            let message = format!("gendwarfksyms: {wanted}\n").into_bytes();
            assert_eq!(request(words), Request::Wrong(message), "{words}");
        }
        assert_eq!(request("-hx"), Request::Help);
    }
}
