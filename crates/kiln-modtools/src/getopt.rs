//! Command lines, read as the C library's `getopt` and `getopt_long` read them: letters in clusters, a
//! value behind its letter or in the next word, long names with `=` or shortened to a unique beginning,
//! operands anywhere among the options unless `POSIXLY_CORRECT` is set, `--` before operands only.
//!
//! It does not know what any option means, nor what follows from a wrong one.

use std::slice::Iter;

use crate::Host;

/// What a program's command line may hold.
#[derive(Clone, Copy, Debug)]
pub struct Grammar<'a> {
    /// The name that begins a message.
    pub program: &'static str,
    /// The letters, each followed by `:` if it takes a value.
    pub letters: &'a [u8],
    /// Long names and the letter or digit that stands for each; one that is not among the letters
    /// takes no value.
    pub long: &'a [(&'static str, u8)],
}

/// A piece of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An option by its letter, with its value or nothing.
    Option(u8, &'a [u8]),
    /// A word that is no option.
    Operand(&'a Vec<u8>),
    /// An unknown or incomplete option: the C library's message, with its newline.
    Wrong(Vec<u8>),
}

/// The pieces of a command line (without the program's name) in their order.
#[must_use]
pub fn pieces<'a>(grammar: Grammar<'a>, args: &'a [Vec<u8>], host: &dyn Host) -> Pieces<'a> {
    Pieces {
        grammar,
        args: args.iter(),
        cluster: b"",
        stops_at_operand: host.env(b"POSIXLY_CORRECT").is_some(),
        only_operands: false,
    }
}

/// Goes through a command line.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    grammar: Grammar<'a>,
    args: Iter<'a, Vec<u8>>,
    /// What is left of a word of letters.
    cluster: &'a [u8],
    stops_at_operand: bool,
    only_operands: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some((&letter, rest)) = self.cluster.split_first() {
            self.cluster = rest;
            return Some(self.letter(letter));
        }
        let arg = self.args.next()?;
        if self.only_operands {
            return Some(Piece::Operand(arg));
        }
        if arg == b"--" {
            self.only_operands = true;
            return self.next();
        }
        match arg.strip_prefix(b"-") {
            Some(b"") | None => {
                self.only_operands = self.stops_at_operand;
                Some(Piece::Operand(arg))
            }
            Some(long) if long[0] == b'-' && !self.grammar.long.is_empty() => {
                Some(self.long(&long[1..]))
            }
            Some(letters) => {
                self.cluster = letters;
                self.next()
            }
        }
    }
}

impl<'a> Pieces<'a> {
    /// Whether a letter takes a value; nothing if it is none.
    fn takes_value(&self, letter: u8) -> Option<bool> {
        let letters = self.grammar.letters;
        let at = letters.iter().position(|&l| l == letter && letter != b':')?;
        Some(letters.get(at + 1) == Some(&b':'))
    }

    fn letter(&mut self, letter: u8) -> Piece<'a> {
        match self.takes_value(letter) {
            None => self.wrong(&[b"invalid option -- '", &[letter], b"'"]),
            Some(false) => Piece::Option(letter, b""),
            Some(true) => {
                let inside = Some(std::mem::take(&mut self.cluster)).filter(|v| !v.is_empty());
                match inside.or_else(|| self.args.next().map(Vec::as_slice)) {
                    Some(value) => Piece::Option(letter, value),
                    None => self.wrong(&[b"option requires an argument -- '", &[letter], b"'"]),
                }
            }
        }
    }

    fn long(&mut self, text: &'a [u8]) -> Piece<'a> {
        let (name, inside) = match memchr::memchr(b'=', text) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let all = self.grammar.long.iter();
        let fits: Vec<_> = match all.clone().find(|(long, _)| long.as_bytes() == name) {
            Some(exact) => vec![exact],
            None => all.filter(|(long, _)| long.as_bytes().starts_with(name)).collect(),
        };
        let &(long, letter) = match fits.as_slice() {
            [] => return self.wrong(&[b"unrecognized option '--", text, b"'"]),
            [one] => *one,
            many => {
                let mut message = [b"option '--", text, b"' is ambiguous; possibilities:"].concat();
                for (long, _) in many {
                    message.extend_from_slice(format!(" '--{long}'").as_bytes());
                }
                return self.wrong(&[&message]);
            }
        };
        let long = long.as_bytes();
        match (self.takes_value(letter).unwrap_or(false), inside) {
            (false, None) => Piece::Option(letter, b""),
            (false, Some(_)) => self.wrong(&[b"option '--", long, b"' doesn't allow an argument"]),
            (true, _) => match inside.or_else(|| self.args.next().map(Vec::as_slice)) {
                Some(value) => Piece::Option(letter, value),
                None => self.wrong(&[b"option '--", long, b"' requires an argument"]),
            },
        }
    }

    fn wrong(&self, parts: &[&[u8]]) -> Piece<'a> {
        let text = parts.concat();
        Piece::Wrong([self.grammar.program.as_bytes(), b": ", &text, b"\n"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// A world with nothing in it but perhaps one variable.
    struct Nothing(bool);

    impl Host for Nothing {
        fn read(&mut self, _: &[u8]) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::NotFound.into())
        }
        fn write(&mut self, _: &[u8], _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::NotFound.into())
        }
        fn stdin(&mut self) -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        }
        fn stdout(&mut self, _: &[u8]) {}
        fn stderr(&mut self, _: &[u8]) {}
        fn env(&self, name: &[u8]) -> Option<Vec<u8>> {
            (self.0 && name == b"POSIXLY_CORRECT").then(Vec::new)
        }
    }

    fn show(words: &str, posix: bool) -> String {
        let long = [("stable", b's'), ("symtypes", b'T'), ("dump-dies", b'1'), ("dump-all", b'2')];
        let grammar = Grammar { program: "tool", letters: b"sT:h", long: &long };
        let args: Vec<Vec<u8>> = words.split_whitespace().map(|w| w.as_bytes().to_vec()).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown: Vec<String> = pieces(grammar, &args, &Nothing(posix))
            .map(|piece| match piece {
                Piece::Option(letter, value) => format!("{}={}", char::from(letter), text(value)),
                Piece::Operand(word) => text(word),
                Piece::Wrong(message) => format!("! {}", text(&message).trim_end()),
            })
            .collect();
        shown.join(" | ")
    }

    #[test]
    fn options_stand_anywhere_and_may_be_shortened() {
        assert_eq!(
            show("a -sTout b --symt=x --dump-d c -- -s", false),
            "a | s= | T=out | b | T=x | 1= | c | -s"
        );
        assert_eq!(show("-T -- --st - -h", false), "T=-- | s= | - | h=");
        assert_eq!(show("-s a -h", true), "s= | a | -h");
        assert_eq!(show("-s -- -h --", true), "s= | -h | --");
    }

    #[test]
    fn messages_are_the_c_library_s() {
        for (words, wanted) in [
            ("--foo=1", "unrecognized option '--foo=1'"),
            ("--dump", "option '--dump' is ambiguous; possibilities: '--dump-dies' '--dump-all'"),
            ("--stable=1", "option '--stable' doesn't allow an argument"),
            ("--symt", "option '--symtypes' requires an argument"),
            ("-T", "option requires an argument -- 'T'"),
            ("-x", "invalid option -- 'x'"),
            ("-1", "invalid option -- '1'"),
            ("-:", "invalid option -- ':'"),
        ] {
            assert_eq!(show(words, false), format!("! tool: {wanted}"), "{words}");
        }
        // Options before a wrong one in the same word count, and so do those behind it.
        assert_eq!(show("-hxs", false), "h= | ! tool: invalid option -- 'x' | s=");
    }

    #[test]
    fn without_long_names_two_dashes_begin_a_word_of_letters() {
        let grammar = Grammar { program: "tool", letters: b"s", long: &[] };
        let args = [b"--s".to_vec()];
        let all: Vec<_> = pieces(grammar, &args, &Nothing(false)).collect();
        let wrong = Piece::Wrong(b"tool: invalid option -- '-'\n".to_vec());
        assert_eq!(all, [wrong, Piece::Option(b's', b"")]);
    }
}
