//! What a command is given besides its text and its directory, and how little of it can matter: the
//! environment, the kinds of its standard streams, and the directories in which its text has it make
//! temporary files.
//!
//! An answer that was seen under one environment is given under another if they differ only in
//! variables that the command cannot have asked for. A program knows the name of a variable that it
//! asks for from its own file or a library's, from its arguments, or from a file that it read; all of
//! these were seen ([`crate::names`] looks into them). A name might also be put together, so it is
//! its parts between underscores that are looked for. What lists all variables (`env`, `set`,
//! `ENVIRON`) is seen too ([`Asks::everything`]), and such an answer is for exactly its environment.
//!
//! What this rests on beyond what was seen: that a program of the table ([`crate::programs`]) does not
//! make up a name of parts that stand nowhere in what it is and reads; that none of them asks for a
//! variable of one letter (those are makefiles' own: `M`, `V`, `O`); that they look into make's flags
//! for job slots only; and that who heeds `PWD` first compares what it names with the directory, as
//! POSIX has it. It knows nothing of where answers are kept.

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use crate::eye::{Eye, RealEye};
use crate::programs::contains;

/// What a watched command asked for of what it was given, as far as that could be seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Asks {
    /// It may have seen every variable.
    pub everything: bool,
    /// It asked what one of its standard streams is.
    pub streams: bool,
    /// It may have asked whether it was called from another machine ([`BY_CALLER`]).
    pub caller: bool,
}

/// A variable's name and a hash of its value.
pub type Var = (Vec<u8>, u64);

/// What a command is given.
#[derive(Clone, Default, Debug)]
pub struct Given {
    /// The environment, by name.
    pub(crate) vars: Vec<Var>,
    /// What the standard streams are, in order, with a blank between them.
    pub(crate) streams: Vec<u8>,
    /// The directories that stand in the text only in front of a temporary file's name.
    pub(crate) places: Vec<Vec<u8>>,
    /// The arguments.
    argv: Vec<Vec<u8>>,
    words: OnceCell<FxHashSet<Vec<u8>>>,
}

/// How a variable that is another than it was is to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bearing {
    /// It can matter to any program.
    Any,
    /// It matters to who knows its parts.
    Parts,
    /// It matters where a text says its name.
    Texts,
}

/// Variables that matter only where a text names them, and why.
const BY_TEXT: &[(&str, &str)] = &[
    (
        "MAKEFLAGS",
        "the compilers look there for job slots, new in every run; makes are not on the table",
    ),
    ("MFLAGS", "the same, as older makes write it"),
    ("MAKEOVERRIDES", "for makes"),
    ("SHLVL", "counts the shells around Kiln"),
    ("WINDOWID", "the terminal window's number"),
    ("TERM_SESSION_ID", "the terminal window's number"),
    ("SSH_CLIENT", "where the user sits"),
    ("SSH_CONNECTION", "where the user sits"),
    ("SSH_TTY", "where the user sits"),
    ("SSH_AUTH_SOCK", "the way to the user's keys, new with each login"),
    ("SSH_AGENT_PID", "the way to the user's keys, new with each login"),
    ("GPG_TTY", "where the user sits"),
    ("DBUS_SESSION_BUS_ADDRESS", "the desktop's bus"),
    ("XDG_SESSION_ID", "the login's number"),
    ("TMUX", "the terminal multiplexer's socket"),
    ("TMUX_PANE", "the terminal multiplexer's window"),
    ("STY", "the terminal multiplexer's session"),
    ("WINDOW", "the terminal multiplexer's window"),
    ("INVOCATION_ID", "systemd's number of this start"),
    ("JOURNAL_STREAM", "systemd's log"),
    ("OLDPWD", "where the shell was before"),
];

/// Variables by which bash tells whether it is the first shell of one who is on another machine, for whom it
/// reads `.bashrc` (`run_startup_files` in bash's `shell.c`, with Debian's `SSH_SOURCE_BASHRC`).
const BY_CALLER: &[&str] = &["SSH_CLIENT", "SSH2_CLIENT", "SHLVL"];

/// A part of a name that is shorter stands in any file by chance.
const SHORTEST_PART: usize = 4;

/// The parts of a name that are long enough to be looked for.
pub fn long_parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|b| *b == b'_').filter(|part| part.len() >= SHORTEST_PART)
}

fn is_lettered(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// How a variable is to be looked at.
pub fn bearing(name: &[u8]) -> Bearing {
    if BY_TEXT.iter().any(|(n, _)| n.as_bytes() == name) {
        return Bearing::Texts;
    }
    // Shells hand on functions under names that no variable has, and look for their beginning.
    if !name.iter().all(|b| is_lettered(*b)) {
        return Bearing::Any;
    }
    match name.len() {
        1 => Bearing::Texts,
        _ if long_parts(name).next().is_some() => Bearing::Parts,
        _ => Bearing::Any,
    }
}

/// Whether a `PWD` in the environment is not the directory: then everyone finds that out and does as
/// if it had no value.
pub fn is_elsewhere(pwd: &[u8], dir: &[u8]) -> bool {
    if pwd == dir {
        return false;
    }
    let id = |path: &[u8]| RealEye.identity(path, true).map(|id| (id.dev, id.ino));
    !pwd.starts_with(b"/") || id(pwd).is_err() || id(pwd) != id(dir)
}

impl Given {
    /// From what a command is started with; `places` are found in its text before.
    pub fn new(
        argv: &[Vec<u8>],
        dir: &[u8],
        env: &[(Vec<u8>, Vec<u8>)],
        streams: &[u8],
        places: Vec<Vec<u8>>,
    ) -> Self {
        let mut given = Given {
            vars: Vec::with_capacity(env.len()),
            streams: streams.to_vec(),
            places,
            argv: argv.to_vec(),
            words: OnceCell::new(),
        };
        for (name, value) in env {
            // A shell sets it to the last program's path before it starts the next.
            if name == b"_" {
                continue;
            }
            let mut name = name.clone();
            let mut value = &value[..];
            if value.starts_with(b"()") {
                // What older shells take for a function, whatever its name.
                name.extend_from_slice(b"()");
            } else if name == b"PWD" && is_elsewhere(value, dir) && !given.says(b"PWD") {
                value = b"elsewhere";
            }
            given.vars.push((name, xxhash_rust::xxh3::xxh3_64(value)));
        }
        given.vars.sort_unstable();
        given
    }

    /// Whether the arguments say a name.
    pub fn says(&self, name: &[u8]) -> bool {
        let words = self.words.get_or_init(|| {
            let words = self.argv.iter().flat_map(|a| a.split(|b| !is_lettered(*b)));
            words.filter(|w| !w.is_empty()).map(<[u8]>::to_vec).collect()
        });
        words.contains(name)
    }

    /// Whether a part of a name stands in the arguments.
    pub fn contains(&self, part: &[u8]) -> bool {
        self.argv.iter().any(|a| memchr::memmem::find(a, part).is_some())
    }

    /// A hash of the environment.
    pub fn environment(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for (name, value) in &self.vars {
            hash.update(name);
            hash.update(&[0]);
            hash.update(&value.to_le_bytes());
        }
        hash.digest()
    }

    /// Whether an answer from a command with those streams is one for these.
    pub fn suits_streams(&self, then: &[u8], asks: Asks) -> bool {
        let (mut a, mut b) = (self.streams.split(|b| *b == b' '), then.split(|b| *b == b' '));
        loop {
            match (a.next(), b.next()) {
                (None, None) => return true,
                (Some(now), Some(then)) if now == then => {}
                // What is read from or written to such a device is not seen, so the answer is for it.
                (Some(_), Some(b"null" | b"zero" | b"full")) => return false,
                (Some(now), Some(then)) if !asks.streams && now != b"kept" && then != b"kept" => {}
                _ => return false,
            }
        }
    }

    /// Whether an answer can be one for these streams and this environment, before it is known which
    /// files know the names by which the environments differ.
    pub fn suits(&self, streams: &[u8], asks: Asks, differing: &[Vec<u8>]) -> bool {
        let of_caller = |name: &[u8]| BY_CALLER.iter().any(|n| n.as_bytes() == name);
        let may_differ = |name: &Vec<u8>| {
            bearing(name) != Bearing::Any && !self.says(name) && !(asks.caller && of_caller(name))
        };
        self.suits_streams(streams, asks)
            && (differing.is_empty() || !asks.everything && differing.iter().all(may_differ))
    }
}

/// The names by which two environments differ.
pub fn differences(a: &[Var], b: &[Var]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let name = match (a.peek(), b.peek()) {
            (None, None) => break,
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next();
                continue;
            }
            (Some(x), Some(y)) if x < y => a.next(),
            (Some(_), None) => a.next(),
            _ => b.next(),
        };
        names.extend(name.map(|(name, _)| name.clone()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Words by which a shell's or awk's text lists variables instead of naming them.
const LISTS: &[&str] = &[
    "env", "printenv", "export", "readonly", "declare", "typeset", "local", "compgen", "ENVIRON",
    "SYMTAB",
];

/// Whether a text for an interpreter may see variables that it does not name.
pub fn lists_variables(text: &[u8]) -> bool {
    if contains(text, b"${!") {
        return true;
    }
    // A part of an option (`-Wunused-but-set-variable`) is no command; only an expansion could make one
    // of such a part.
    let expands = contains(text, b"${");
    let mut at = 0;
    while at < text.len() {
        if !is_lettered(text[at]) {
            at += 1;
            continue;
        }
        let length = text[at..].iter().take_while(|b| is_lettered(**b)).count();
        let (word, rest) = (&text[at..at + length], &text[at + length..]);
        if !expands && (text[..at].ends_with(b"-") || rest.starts_with(b"-")) {
            at += length;
            continue;
        }
        if LISTS.iter().any(|w| w.as_bytes() == word) {
            return true;
        }
        // `set -e` and `set -- words` set, `set` alone lists.
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if word == b"set" && (blanks == 0 || !matches!(rest.get(blanks), Some(b'-' | b'+'))) {
            return true;
        }
        at += length;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(argv: &[&str], env: &[(&str, &str)]) -> Given {
        let argv: Vec<Vec<u8>> = argv.iter().map(|a| a.as_bytes().to_vec()).collect();
        let env: Vec<_> =
            env.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        Given::new(&argv, b"/", &env, b"null kept pipe", Vec::new())
    }

    #[test]
    fn names_are_looked_at_by_what_they_are() {
        for name in ["PATH", "LANG", "KBUILD_EXTMOD", "LD_PRELOAD", "KCFLAGS"] {
            assert_eq!(bearing(name.as_bytes()), Bearing::Parts, "{name}");
        }
        for name in ["CC", "LD", "TZ", "A_B", "BASH_FUNC_gcc%%", "x()", ""] {
            assert_eq!(bearing(name.as_bytes()), Bearing::Any, "{name}");
        }
        for name in ["M", "V", "SSH_TTY", "MAKEFLAGS"] {
            assert_eq!(bearing(name.as_bytes()), Bearing::Texts, "{name}");
        }
    }

    #[test]
    fn environments_differ_by_names() {
        let a = given(&["x"], &[("A", "1"), ("B", "1"), ("C", "1"), ("_", "x")]);
        let b = given(&["x"], &[("B", "2"), ("C", "1"), ("D", "1")]);
        let names = differences(&a.vars, &b.vars);
        assert_eq!(names, [b"A".to_vec(), b"B".to_vec(), b"D".to_vec()]);
        assert!(differences(&a.vars, &a.vars).is_empty());
        let twice = given(&["x"], &[("A", "1"), ("A", "2")]);
        assert_eq!(differences(&twice.vars, &a.vars).len(), 3);
    }

    #[test]
    fn a_function_from_an_old_shell_is_no_variable() {
        let f = given(&["x"], &[("PROBE", "() { :; }")]);
        assert_eq!(bearing(&f.vars[0].0), Bearing::Any);
    }

    #[test]
    fn where_the_shell_was_started_does_not_matter() {
        let names = |a: &Given, b: &Given| differences(&a.vars, &b.vars);
        let (here, there) = (given(&["x"], &[("PWD", "/")]), given(&["x"], &[("PWD", "/proc")]));
        let gone = given(&["x"], &[("PWD", "/nonexistent")]);
        assert_eq!(names(&here, &there), [b"PWD".to_vec()]);
        assert!(names(&there, &gone).is_empty());
        let says = |pwd| given(&["echo $PWD"], &[("PWD", pwd)]);
        assert_eq!(names(&says("/proc"), &says("/nonexistent")), [b"PWD".to_vec()]);
    }

    #[test]
    fn what_is_null_is_for_null_only() {
        let g = given(&["x"], &[]);
        let quiet = Asks::default();
        let asks = Asks { streams: true, ..quiet };
        assert!(g.suits_streams(b"null kept pipe", asks));
        assert!(g.suits_streams(b"pipe kept terminal", quiet));
        assert!(!g.suits_streams(b"null kept terminal", asks));
        assert!(!g.suits_streams(b"null kept null", quiet));
        assert!(!g.suits_streams(b"null pipe pipe", quiet));
        assert!(!g.suits_streams(b"null kept", quiet));
    }

    #[test]
    fn lists_are_known() {
        for text in [
            "set",
            "x | set | y",
            "set;",
            "env",
            "A=1 env x",
            "export",
            "${!K*}",
            "set x",
            "${x-set}",
        ] {
            assert!(lists_variables(text.as_bytes()), "{text}");
        }
        for text in [
            "set -e; :",
            "set -- $x",
            "gcc -foffset",
            "environment",
            "$setting",
            "offset",
            "cc -Wunused-but-set-variable",
        ] {
            assert!(!lists_variables(text.as_bytes()), "{text}");
        }
    }
}
