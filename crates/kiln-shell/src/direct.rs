//! Whether a recipe line needs a shell at all: GNU make 4.4.1's own rule.
//!
//! make starts simple command lines itself and hands the others to `$(SHELL)`. The rule is visible
//! to users (which error message a missing program gives, whether `SHELL` is started at all), so it
//! is followed letter by letter: `construct_command_argv_internal` in make's `src/job.c`.
//!
//! This module knows nothing of the shell subset that runs in process, of variables or of recipes.

/// The shell that make compares `$(SHELL)` with; any other value always gets the line.
pub const DEFAULT_SHELL: &[u8] = b"/bin/sh";

/// Characters outside quotes that make a line one for the shell.
const SHELL_CHARS: &[u8] = b"#;\"*?[]&|<>(){}$`^~!";

/// First words that only a shell can carry out. `echo`, `true`, `printf` and `[` are absent: those
/// also exist as programs, and make starts the programs (`[` is caught by its character).
const SHELL_COMMANDS: &[&[u8]] = &[
    b".",
    b":",
    b"alias",
    b"bg",
    b"break",
    b"case",
    b"cd",
    b"command",
    b"continue",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"fc",
    b"fg",
    b"for",
    b"getopts",
    b"hash",
    b"if",
    b"jobs",
    b"login",
    b"logout",
    b"read",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"test",
    b"times",
    b"trap",
    b"type",
    b"ulimit",
    b"umask",
    b"unalias",
    b"unset",
    b"wait",
    b"while",
];

/// Base names of the shells for which make strips interior prefix characters under `.ONESHELL` and
/// for which it skips the command `:`.
const BOURNE_SHELLS: &[&[u8]] = &[b"sh", b"bash", b"dash", b"ksh", b"rksh", b"zsh", b"ash"];

/// How one command line is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argv {
    /// These words are the program and its arguments; no shell takes part.
    Direct(Vec<Vec<u8>>),
    /// The words that start `$(SHELL)`, its flags and the line as the last word.
    Shell(Vec<Vec<u8>>),
    /// The line holds nothing to run.
    Empty,
}

impl Argv {
    /// The words to start, whichever way; none for an empty line.
    #[must_use]
    pub fn words(&self) -> &[Vec<u8>] {
        match self {
            Argv::Direct(words) | Argv::Shell(words) => words,
            Argv::Empty => &[],
        }
    }

    /// Whether make starts nothing for these words although they are a command: `sh -c :`.
    /// It still counts as having run (job.c, "Optimize an empty command").
    #[must_use]
    pub fn is_no_op(&self) -> bool {
        let words = self.words();
        words.len() == 3
            && is_bourne_shell(&words[0])
            && (words[1] == b"-c" || words[1] == b"-ec")
            && words[2] == b":"
    }

    /// For a line that `/bin/sh -c` or `/bin/sh -ec` is to run: whether `-e` is on, and the script.
    #[must_use]
    pub fn script(&self) -> Option<(bool, &[u8])> {
        let Argv::Shell(words) = self else { return None };
        match words.as_slice() {
            [shell, flags, script] if shell == DEFAULT_SHELL => match flags.as_slice() {
                b"-c" => Some((false, script)),
                b"-ec" => Some((true, script)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// One line to be taken apart, with the values of the variables that decide how.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The expanded recipe text without its prefix characters. Text after a NUL byte is not seen.
    pub text: &'a [u8],
    /// The value of `SHELL`; `None` stands for make's default.
    pub shell: Option<&'a [u8]>,
    /// The value of `.SHELLFLAGS`; `None` stands for `-c`. An empty value is not the same.
    pub shellflags: Option<&'a [u8]>,
    /// The value of `IFS`, where one is set.
    pub ifs: Option<&'a [u8]>,
    /// Whether `.ONESHELL` is in force.
    pub oneshell: bool,
    /// Whether an unescaped newline ends the command, as in a recipe; `$(shell …)` says no.
    pub newline_ends: bool,
}

/// What [`construct`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constructed {
    /// How to start the command.
    pub argv: Argv,
    /// The text after the newline that ended this command, to be run as the next command of the
    /// same recipe. `None`: there was no such newline.
    pub rest: Option<Vec<u8>>,
}

/// Takes apart one recipe line for a recipe (a newline ends the command); see [`construct`].
#[must_use]
pub fn argv(
    line: &[u8],
    shell: &[u8],
    shellflags: &[u8],
    ifs: Option<&[u8]>,
    oneshell: bool,
) -> Constructed {
    construct(&Line {
        text: line,
        shell: Some(shell),
        shellflags: Some(shellflags),
        ifs,
        oneshell,
        newline_ends: true,
    })
}

/// Takes apart a command line as GNU make 4.4.1 does.
#[must_use]
pub fn construct(line: &Line<'_>) -> Constructed {
    let text = line.text.split(|&b| b == 0).next().unwrap_or_default();
    let text = &text[text.iter().take_while(|b| is_blank(**b)).count()..];
    let mut end = None;
    if text.is_empty() {
        return Constructed { argv: Argv::Empty, rest: None };
    }
    let fast = if may_go_without_shell(line) { split_words(text, line, &mut end) } else { None };
    if let Some(words) = fast {
        let argv = if words.is_empty() { Argv::Empty } else { Argv::Direct(words) };
        return Constructed { argv, rest: rest_after(text, end) };
    }
    if line.oneshell {
        return one_shell(line, text, end);
    }
    through_shell(line, text, end)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

fn is_shell_char(byte: u8) -> bool {
    /// [`SHELL_CHARS`] by byte: each byte of long commands is asked about more than once.
    static SPECIAL: [bool; 256] = {
        let mut special = [false; 256];
        let mut i = 0;
        while i < SHELL_CHARS.len() {
            special[SHELL_CHARS[i] as usize] = true;
            i += 1;
        }
        special
    };
    SPECIAL[usize::from(byte)]
}

/// Whether the base name of `path` is that of a shell that make takes for a Bourne shell.
fn is_bourne_shell(path: &[u8]) -> bool {
    let base = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    BOURNE_SHELLS.contains(&base)
}

fn rest_after(text: &[u8], end: Option<usize>) -> Option<Vec<u8>> {
    end.map(|at| text[at + 1..].to_vec())
}

/// The conditions on the variables under which make reads a line itself.
fn may_go_without_shell(line: &Line<'_>) -> bool {
    line.shell.is_none_or(|shell| shell == DEFAULT_SHELL)
        && line.ifs.unwrap_or_default().iter().all(|b| matches!(b, b' ' | b'\t' | b'\n'))
        && line.shellflags.is_none_or(|flags| flags == b"-c" || flags == b"-ec")
}

/// The words of a line that needs no shell, or `None` where it needs one. `end` is set to the
/// newline that ended the command; make leaves it set even when it then turns to the shell.
fn split_words(text: &[u8], line: &Line<'_>, end: &mut Option<usize>) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut empty_by_quotes = false;
    let mut quote = false;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let next = text.get(at + 1).copied();
        // Only single quotes are read here: a double quote is already a shell character.
        if quote {
            match byte {
                b'\'' => {
                    quote = false;
                    empty_by_quotes |= word.is_empty();
                }
                b'\\' if next == Some(b'\n') => {
                    word.extend_from_slice(b"\\\n");
                    at += 1;
                }
                b'\n' if line.newline_ends => {
                    *end = Some(at);
                    break;
                }
                _ => word.push(byte),
            }
        } else if is_shell_char(byte) || (line.oneshell && byte == b'\n') {
            return None;
        } else {
            match byte {
                // An assignment before the command; in later words `=` is an ordinary character.
                b'=' if words.is_empty() => return None,
                b'\\' => match next {
                    Some(b'\n') => {
                        at += 1;
                        if word.is_empty() {
                            at += text[at + 1..].iter().take_while(|b| is_blank(**b)).count();
                        }
                    }
                    Some(escaped) => {
                        word.push(escaped);
                        at += 1;
                    }
                    None => {}
                },
                b'\'' => quote = true,
                b'\n' if line.newline_ends => {
                    *end = Some(at);
                    break;
                }
                b' ' | b'\t' => {
                    words.push(std::mem::take(&mut word));
                    empty_by_quotes = false;
                    if words.len() == 1 && SHELL_COMMANDS.contains(&words[0].as_slice()) {
                        return None;
                    }
                    at += text[at + 1..].iter().take_while(|b| is_blank(**b)).count();
                }
                _ => word.push(byte),
            }
        }
        at += 1;
    }
    if quote {
        return None;
    }
    if !word.is_empty() || empty_by_quotes {
        words.push(word);
    }
    if words.len() == 1 && SHELL_COMMANDS.contains(&words[0].as_slice()) {
        return None;
    }
    Some(words)
}

/// `$(SHELL) $(.SHELLFLAGS) LINE`: the three are put into one text, the line with every special
/// character escaped, and that text is read again by the same rule. So a `SHELL` of several words
/// works, and one that itself needs a shell gets the default one.
fn through_shell(line: &Line<'_>, text: &[u8], mut end: Option<usize>) -> Constructed {
    let shell = line.shell.unwrap_or(DEFAULT_SHELL);
    let flags = line.shellflags.unwrap_or(b"-c");
    let mut command = Vec::with_capacity(shell.len() + flags.len() + text.len() * 2 + 2);
    for &byte in shell {
        if is_shell_char(byte) {
            command.push(b'\\');
        }
        command.push(byte);
    }
    command.push(b' ');
    command.extend_from_slice(flags);
    command.push(b' ');
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if line.newline_ends && byte == b'\n' {
            end = Some(at);
            break;
        }
        if byte == b'\\' && text.get(at + 1) == Some(&b'\n') {
            command.extend_from_slice(b"\\\\\n");
            at += 2;
            continue;
        }
        if matches!(byte, b'\\' | b'\'' | b'"') || is_space(byte) || is_shell_char(byte) {
            command.push(b'\\');
        }
        command.push(byte);
        at += 1;
    }
    let rest = rest_after(text, end);
    // make compares lengths here, not whether anything was added after the flags.
    if command.len() == shell.len() + flags.len() + 2 {
        return Constructed { argv: Argv::Empty, rest };
    }
    let again = construct(&Line {
        text: &command,
        shell: None,
        shellflags: None,
        ifs: None,
        oneshell: false,
        newline_ends: false,
    });
    let argv = match again.argv {
        Argv::Direct(words) | Argv::Shell(words) => Argv::Shell(words),
        Argv::Empty => Argv::Empty,
    };
    Constructed { argv, rest }
}

/// `.ONESHELL`: the whole recipe is one argument of one shell. For a Bourne shell the prefix
/// characters of the inner lines are dropped, since make has no way to obey them.
fn one_shell(line: &Line<'_>, text: &[u8], end: Option<usize>) -> Constructed {
    let shell = line.shell.unwrap_or(DEFAULT_SHELL);
    let script = if is_bourne_shell(shell) { without_prefixes(text) } else { text.to_vec() };
    // A newline inside single quotes has already been taken for the end of the command when make
    // comes here. It runs the whole script all the same, and then what follows that newline once
    // more. make strips the prefixes in place, so the second text is that of the stripped buffer.
    let rest = end.map(|at| {
        let mut buffer = script.clone();
        if buffer.len() < text.len() {
            buffer.push(0);
            let kept = buffer.len();
            buffer.extend_from_slice(&text[kept..]);
        }
        let tail = &buffer[at + 1..];
        tail.split(|&b| b == 0).next().unwrap_or_default().to_vec()
    });
    let mut words = vec![shell.to_vec()];
    // The flags are read by this same rule, so odd ones would be handed to a shell in turn.
    let flags = construct(&Line {
        text: line.shellflags.unwrap_or(b"-c"),
        shell: None,
        shellflags: None,
        ifs: None,
        oneshell: true,
        newline_ends: false,
    });
    words.extend_from_slice(flags.argv.words());
    words.push(script);
    Constructed { argv: Argv::Shell(words), rest }
}

/// The recipe without blanks and `@`, `-`, `+` at the start of each logical line.
fn without_prefixes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        at += text[at..]
            .iter()
            .take_while(|b| is_blank(**b) || matches!(**b, b'-' | b'@' | b'+'))
            .count();
        let mut escaped = false;
        while let Some(&byte) = text.get(at) {
            out.push(byte);
            at += 1;
            if byte == b'\\' {
                escaped = !escaped;
            } else if byte == b'\n' && !escaped {
                break;
            } else {
                escaped = false;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|w| w.as_bytes().to_vec()).collect()
    }

    fn default(line: &str) -> Constructed {
        argv(line.as_bytes(), DEFAULT_SHELL, b"-c", None, false)
    }

    #[track_caller]
    fn direct(line: &str, expected: &[&str]) {
        let got = default(line);
        assert_eq!(got, Constructed { argv: Argv::Direct(words(expected)), rest: None });
    }

    #[track_caller]
    fn shell(line: &str) {
        let expected = Argv::Shell(words(&["/bin/sh", "-c", line.trim_start_matches([' ', '\t'])]));
        assert_eq!(default(line), Constructed { argv: expected, rest: None });
    }

    #[test]
    fn plain_words_are_started_directly() {
        direct("gcc -c  a.c\t-o a.o", &["gcc", "-c", "a.c", "-o", "a.o"]);
        direct("  true ", &["true"]);
        direct("echo a=b", &["echo", "a=b"]);
        direct("printf 'a  b' 'c;d'e", &["printf", "a  b", "c;de"]);
        direct("x '' y ''", &["x", "", "y", ""]);
        direct("x '' ", &["x", ""]);
        direct("x a\\ b \\;", &["x", "a b", ";"]);
        direct("x '\"$`' ", &["x", "\"$`"]);
    }

    #[test]
    fn special_characters_and_builtins_go_to_the_shell() {
        for line in ["a; b", "a \"b\"", "a *", "a ~", "a !", "V=1 a", "a=b=c", ": a", ":", "cd /"] {
            shell(line);
        }
        shell("  echo hi > x");
        shell("test -f x");
        shell("a 'b");
        // A first word that only becomes a builtin's name by unquoting counts as one.
        shell("'cd' x");
    }

    #[test]
    fn backslash_newline_joins_words_as_a_shell_would() {
        direct("a b\\\nc", &["a", "bc"]);
        direct("a b \\\n\t  c", &["a", "b", "c"]);
        direct("a b\\\n c", &["a", "b", "c"]);
        direct("a 'b\\\nc'", &["a", "b\\\nc"]);
        let got = default("a; \\\n b");
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-c", "a; \\\n b"])));
    }

    #[test]
    fn a_newline_ends_a_recipe_command_but_not_a_shell_function() {
        let got = default("a b\nc d");
        assert_eq!(got.argv, Argv::Direct(words(&["a", "b"])));
        assert_eq!(got.rest.as_deref(), Some(&b"c d"[..]));
        let got = default("a; b\nc d");
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-c", "a; b"])));
        assert_eq!(got.rest.as_deref(), Some(&b"c d"[..]));
        let got = default("\nc");
        assert_eq!(got, Constructed { argv: Argv::Empty, rest: Some(b"c".to_vec()) });
        let line = Line {
            text: b"a b\nc",
            shell: Some(DEFAULT_SHELL),
            shellflags: Some(b"-c"),
            ifs: None,
            oneshell: false,
            newline_ends: false,
        };
        assert_eq!(construct(&line).argv, Argv::Direct(words(&["a", "b\nc"])));
    }

    #[test]
    fn other_shells_flags_and_separators_always_get_the_line() {
        let got = argv(b"a b", b"/bin/bash", b"-c", None, false);
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/bash", "-c", "a b"])));
        let got = argv(b"a b", b"/usr/bin/env sh", b"-x -c", None, false);
        assert_eq!(got.argv, Argv::Shell(words(&["/usr/bin/env", "sh", "-x", "-c", "a b"])));
        let got = argv(b"a b", DEFAULT_SHELL, b"", None, false);
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "a b"])));
        let got = argv(b"a b", DEFAULT_SHELL, b"-c", Some(b":"), false);
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-c", "a b"])));
        let got = argv(b"a b", b"X=1 sh", b"-c", None, false);
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-c", "X=1 sh -c a\\ b"])));
        assert_eq!(argv(b"  ", b"/bin/bash", b"-c", None, false).argv, Argv::Empty);
    }

    #[test]
    fn one_shell_takes_the_recipe_whole() {
        let got = argv(b"a\n\t@-b\n  c\\\n@d", DEFAULT_SHELL, b"-e -c", None, true);
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-e", "-c", "a\nb\nc\\\n@d"])));
        assert_eq!(got.rest, None);
        let got = argv(b"a\n\t@b", b"/usr/bin/perl", b"-e", None, true);
        assert_eq!(got.argv, Argv::Shell(words(&["/usr/bin/perl", "-e", "a\n\t@b"])));
        let got = argv(b"a b", DEFAULT_SHELL, b"-c", None, true);
        assert_eq!(got.argv, Argv::Direct(words(&["a", "b"])));
    }

    /// Seen with GNU make 4.4.1: the tail of such a recipe runs a second time.
    #[test]
    fn one_shell_runs_what_follows_a_quoted_newline_twice() {
        let got = argv(b"echo 'a\n\t@b; x'\n\techo hi", DEFAULT_SHELL, b"-c", None, true);
        let script = "echo 'a\nb; x'\necho hi";
        assert_eq!(got.argv, Argv::Shell(words(&["/bin/sh", "-c", script])));
        assert_eq!(got.rest.as_deref(), Some(&b"b; x'\necho hi"[..]));
    }

    #[test]
    fn a_lone_colon_is_a_no_op() {
        assert!(default(":").argv.is_no_op());
        assert!(argv(b":", b"/bin/bash", b"-ec", None, false).argv.is_no_op());
        assert!(!default(": x").argv.is_no_op());
        assert_eq!(default("a; b").argv.script(), Some((false, &b"a; b"[..])));
    }
}
