//! Which simple commands the runner can carry out, decided before anything runs.
//!
//! dash has more builtins, and more options to them, than recipes use. This table knows them all,
//! so that none is ever taken for a program. Nothing here expands or runs.

use crate::ast::{ParamName, Part, Simple, Word};
use crate::lex::{Declined, Result, is_name_byte, is_name_start};

/// How a command name is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Break,
    Cd,
    Colon,
    Continue,
    Echo,
    Exec,
    Exit,
    Export,
    False,
    Printf,
    Pwd,
    Set,
    Test,
    Trap,
    True,
    Unset,
}

impl Builtin {
    /// POSIX special builtins: an error in one ends the shell, and assignments before one stay.
    pub(crate) fn is_special(self) -> bool {
        matches!(
            self,
            Builtin::Break
                | Builtin::Colon
                | Builtin::Continue
                | Builtin::Exec
                | Builtin::Exit
                | Builtin::Export
                | Builtin::Set
                | Builtin::Trap
                | Builtin::Unset
        )
    }
}

/// The builtins of dash 0.5.12 by name; `None` for those that only dash itself runs.
const BUILTINS: &[(&[u8], Option<Builtin>)] = &[
    (b".", None),
    (b":", Some(Builtin::Colon)),
    (b"[", Some(Builtin::Test)),
    (b"alias", None),
    (b"bg", None),
    (b"break", Some(Builtin::Break)),
    (b"cd", Some(Builtin::Cd)),
    (b"chdir", None),
    (b"command", None),
    (b"continue", Some(Builtin::Continue)),
    (b"echo", Some(Builtin::Echo)),
    (b"eval", None),
    (b"exec", Some(Builtin::Exec)),
    (b"exit", Some(Builtin::Exit)),
    (b"export", Some(Builtin::Export)),
    (b"false", Some(Builtin::False)),
    (b"fc", None),
    (b"fg", None),
    (b"getopts", None),
    (b"hash", None),
    (b"jobs", None),
    (b"kill", None),
    (b"local", None),
    (b"printf", Some(Builtin::Printf)),
    (b"pwd", Some(Builtin::Pwd)),
    (b"read", None),
    (b"readonly", None),
    (b"return", None),
    (b"set", Some(Builtin::Set)),
    (b"shift", None),
    (b"test", Some(Builtin::Test)),
    (b"times", None),
    (b"trap", Some(Builtin::Trap)),
    (b"true", Some(Builtin::True)),
    (b"type", None),
    (b"ulimit", None),
    (b"umask", None),
    (b"unalias", None),
    (b"unset", Some(Builtin::Unset)),
    (b"wait", None),
];

/// The builtin of that name: `Some(None)` for one that is not supported.
fn lookup(name: &[u8]) -> Option<Option<Builtin>> {
    BUILTINS.iter().find(|(known, _)| *known == name).map(|(_, builtin)| *builtin)
}

/// The supported builtin of that name.
pub(crate) fn builtin(name: &[u8]) -> Option<Builtin> {
    lookup(name).flatten()
}

/// A name whose value comes from the environment or the script: dash gives these others a value of
/// its own when it starts.
pub(crate) fn readable(name: Vec<u8>) -> Result<Vec<u8>> {
    match name.as_slice() {
        b"PPID" | b"IFS" | b"OPTIND" | b"OPTARG" | b"LINENO" | b"PS1" | b"PS2" | b"PS4" => {
            Err(Declined("variable of the shell's own"))
        }
        _ => Ok(name),
    }
}

/// Variables whose value changes how the shell itself works.
pub(crate) fn assignable(name: &[u8]) -> Result<()> {
    if !is_name(name) {
        return Err(Declined("variable name"));
    }
    match name {
        b"IFS" | b"OPTIND" | b"CDPATH" | b"PPID" => Err(Declined("variable of the shell's own")),
        _ => Ok(()),
    }
}

/// An assignment before or instead of a command.
pub(crate) fn assignment(name: &[u8], value: &Word) -> Result<()> {
    assignable(name)?;
    let unquoted = |wanted: u8| {
        value.parts.iter().any(|part| matches!(part, Part::Plain(text) if text.contains(&wanted)))
    };
    if unquoted(b'~') {
        return Err(Declined("tilde"));
    }
    // dash reads words like %func in PATH.
    if name == b"PATH" && value.parts.iter().any(has_percent) {
        return Err(Declined("PATH with %"));
    }
    Ok(())
}

fn has_percent(part: &Part) -> bool {
    match part {
        Part::Plain(text) | Part::Quoted(text) => text.contains(&b'%'),
        Part::Param(_) | Part::Command { .. } => false,
    }
}

/// A word that begins with an unquoted tilde stands for a home directory.
pub(crate) fn tilde(word: &Word) -> Result<()> {
    match word.parts.first() {
        Some(Part::Plain(text)) if text.first() == Some(&b'~') => Err(Declined("tilde")),
        _ => Ok(()),
    }
}

fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| is_name_start(*b)) && name.iter().all(|b| is_name_byte(*b))
}

/// A simple command outside a pipeline.
pub(crate) fn simple(simple: &Simple) -> Result<()> {
    let Some(first) = simple.words.first() else { return Ok(()) };
    let Some(name) = first.literal() else { return Err(Declined("command name not literal")) };
    if name.is_empty() || (first.has_pattern() && name != b"[") {
        return Err(Declined("command name not literal"));
    }
    let Some(builtin) = lookup(&name) else { return Ok(()) };
    let Some(builtin) = builtin else { return Err(Declined("builtin of dash")) };
    let arguments = &simple.words[1..];
    match builtin {
        Builtin::Set => {
            let plain = |word: &Word| matches!(word.literal().as_deref(), Some(b"-e" | b"+e"));
            if arguments.is_empty() || !arguments.iter().all(plain) {
                return Err(Declined("set other than -e and +e"));
            }
        }
        Builtin::Trap => {
            let [action, signal] = arguments else { return Err(Declined("trap")) };
            let signal = signal.literal().unwrap_or_default();
            let known = match action.literal() {
                _ if signal == b"EXIT" => trap_at_exit(action),
                Some(action) => {
                    trap_signal(&signal).is_some() && trap_files(&action, &signal).is_some()
                }
                None => false,
            };
            if !known {
                return Err(Declined("trap"));
            }
        }
        Builtin::Printf => {
            let format = arguments.first().and_then(Word::literal);
            let Some(format) = format else { return Err(Declined("printf format")) };
            if !printf_format(&format) {
                return Err(Declined("printf format"));
            }
        }
        Builtin::Test if arguments.iter().any(|word| word.literal().as_deref() == Some(b"-t")) => {
            return Err(Declined("test of a terminal"));
        }
        Builtin::Unset => {
            for word in arguments {
                let name = word.literal().ok_or(Declined("unset"))?;
                assignable(&name)?;
                if name == b"PATH" {
                    return Err(Declined("unset PATH"));
                }
            }
        }
        Builtin::Export => {
            if arguments.is_empty() {
                return Err(Declined("export without names"));
            }
            for word in arguments {
                export(word)?;
            }
        }
        Builtin::Break | Builtin::Continue => {
            let digits = |word: &Word| {
                word.literal().is_some_and(|text| {
                    text.len() == 1 && text[0].is_ascii_digit() && text[0] != b'0'
                })
            };
            if arguments.len() > 1 || !arguments.iter().all(digits) {
                return Err(Declined("break or continue with a value"));
            }
        }
        // A program in the shell's place, and variables for it, are dash's to deal with.
        Builtin::Exec if !arguments.is_empty() || !simple.assigns.is_empty() => {
            return Err(Declined("exec of a program"));
        }
        Builtin::Pwd if !arguments.is_empty() => return Err(Declined("pwd with options")),
        _ => {}
    }
    Ok(())
}

/// An argument of `export`: a name, or an assignment whose name is literal.
fn export(word: &Word) -> Result<()> {
    let Some(Part::Plain(text)) = word.parts.first() else { return Err(Declined("export")) };
    match text.iter().position(|b| *b == b'=') {
        Some(at) => {
            assignable(&text[..at])?;
            let value = Word { parts: vec![Part::Plain(text[at + 1..].to_vec())] };
            assignment(&text[..at], &value)?;
            assignment(&text[..at], &Word { parts: word.parts[1..].to_vec() })
        }
        None if word.parts.len() == 1 => assignable(text),
        None => Err(Declined("export")),
    }
}

/// The commands of a pipeline: programs, with `echo` or `printf` at most at its head. dash gives
/// each of its own commands a process; here there is none to run another one beside.
pub(crate) fn pipe(stages: &[Simple]) -> Result<()> {
    for (index, stage) in stages.iter().enumerate() {
        let Some(name) = stage.words.first().and_then(Word::literal) else {
            return Err(Declined("pipeline without a command"));
        };
        match builtin(&name) {
            None => {}
            // Its output is kept until the others start, so it must not go elsewhere: into a named
            // pipe, say, that one of them is to read.
            Some(Builtin::Echo | Builtin::Printf)
                if index == 0 && stage.redirs.iter().all(|redir| redir.fd == 2) => {}
            Some(_) => return Err(Declined("builtin in a pipeline")),
        }
    }
    Ok(())
}

/// The signals that kbuild's recipes guard against, by name, with their numbers on Linux.
pub(crate) fn trap_signal(name: &[u8]) -> Option<i32> {
    match name {
        b"HUP" => Some(1),
        b"INT" => Some(2),
        b"QUIT" => Some(3),
        b"PIPE" => Some(13),
        b"TERM" => Some(15),
        _ => None,
    }
}

/// Characters that mean nothing to a shell.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+' | b',')
}

/// Whether a quoted action is `rm -rf` or `rm -f` of plain names, which may hold the shell's process
/// number: kbuild's `try-run` (scripts/Makefile.compiler) cleans up so.
fn trap_at_exit(action: &Word) -> bool {
    let starts = match action.parts.first() {
        Some(Part::Quoted(text)) => text.starts_with(b"rm -rf ") || text.starts_with(b"rm -f "),
        _ => false,
    };
    starts
        && action.parts.iter().all(|part| match part {
            Part::Quoted(text) => text.iter().all(|b| is_plain(*b) || *b == b' '),
            Part::Param(param) => param.quoted && param.name == ParamName::Pid,
            Part::Plain(_) | Part::Command { .. } => false,
        })
}

/// The files that a trap action deletes, where the action is kbuild's `delete-on-interrupt`
/// (scripts/Kbuild.include): remove the target, put the signal back, send it to oneself.
pub(crate) fn trap_files(action: &[u8], signal: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut tail = b"; trap - ".to_vec();
    tail.extend_from_slice(signal);
    tail.extend_from_slice(b"; kill -s ");
    tail.extend_from_slice(signal);
    tail.extend_from_slice(b" $$");
    let files = action.strip_suffix(tail.as_slice())?.strip_prefix(b"rm -f ")?;
    if !files.iter().all(|b| is_plain(*b) || *b == b' ') {
        return None;
    }
    let files: Vec<Vec<u8>> =
        files.split(|b| *b == b' ').filter(|file| !file.is_empty()).map(<[u8]>::to_vec).collect();
    (!files.iter().any(|file| file[0] == b'-')).then_some(files)
}

/// Whether every conversion of a `printf` format is one that is done here: no floating point, no
/// width or precision from arguments, nothing malformed.
fn printf_format(format: &[u8]) -> bool {
    if format.first() == Some(&b'-') {
        return false;
    }
    let mut rest = format;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'%' | b'\\')) {
        if rest[at] == b'\\' {
            // The escapes are understood whatever they are; only skip the escaped character.
            rest = rest.get(at + 2..).unwrap_or_default();
            continue;
        }
        rest = &rest[at + 1..];
        let flags = rest.iter().take_while(|b| b"#-+ 0".contains(b)).count();
        let mut spec = &rest[flags..];
        let digits = spec.iter().take_while(|b| b.is_ascii_digit()).count();
        spec = &spec[digits..];
        let mut long = digits > 3;
        let mut precision = false;
        if let Some(after) = spec.strip_prefix(b".") {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            spec = &after[digits..];
            long |= digits > 3;
            precision = true;
        }
        let bare = flags == 0 && digits == 0 && !precision;
        match spec.first() {
            Some(b'%' | b'b') if bare => {}
            Some(b's' | b'c') if !rest[..flags].iter().any(|b| b"#+ 0".contains(b)) => {}
            Some(b'd' | b'i' | b'u' | b'o' | b'x' | b'X') => {}
            _ => return false,
        }
        if long {
            return false;
        }
        rest = &spec[1..];
    }
    true
}
