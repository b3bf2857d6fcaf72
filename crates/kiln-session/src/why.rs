//! Why a target is remade, in words, seen through kbuild: its rules depend on `FORCE` and compare the
//! command that they would run with the one kept in a `.cmd` file, so make's own reason says nothing.

use kiln_exec::observe::Begun;
use kiln_graph::{Mtime, Reason};

/// How many words of a changed command are shown.
const SHOWN: usize = 6;

/// Why a recipe runs.
pub struct Why {
    /// As a clause: `hello.c is newer`.
    pub text: String,
    /// The target is out of date; else its recipe merely runs every time.
    pub sure: bool,
}

/// The reason why a recipe runs.
#[must_use]
pub fn why(begun: &mut Begun<'_>) -> Why {
    if let Some(text) = out_of_date(begun) {
        return Why { text, sure: true };
    }
    match &begun.graph.file(begun.file).reason {
        Some(Reason::Newer(_) | Reason::PrerequisiteMissing(_) | Reason::ThroughIntermediate) => {
            Why { text: "it is made every time".to_owned(), sure: false }
        }
        Some(reason) => Why { text: reason.text(begun.make), sure: true },
        None => Why { text: "its rule says so".to_owned(), sure: false },
    }
}

/// What is out of date about a target, beyond that it depends on phony ones.
fn out_of_date(begun: &mut Begun<'_>) -> Option<String> {
    let f = begun.file;
    let graph = begun.graph;
    if begun.make.files[f].phony {
        return Some("it is a phony target".to_owned());
    }
    if graph.known_mtime(f) == Mtime::Nonexistent {
        return Some("it does not exist".to_owned());
    }
    // What is newer, without the phony targets that make kbuild look every time.
    let newer = begun.make.expand_for(b"$?", Some(f), None).unwrap_or_default();
    let words: Vec<&[u8]> = kiln_base::text::words(&newer).collect();
    let real = |w: &&[u8]| {
        begun.make.lookup(w).is_none_or(|d| {
            !begun.make.files[d].phony && graph.known_mtime(d) != Mtime::Nonexistent
        })
    };
    let newer: Vec<String> =
        words.into_iter().filter(real).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    match newer.as_slice() {
        [] => command(begun),
        [one] => Some(format!("{one} is newer")),
        [one, two] => Some(format!("{one} and {two} are newer")),
        [one, two, rest @ ..] => Some(format!("{one}, {two} and {} more are newer", rest.len())),
    }
}

/// What is different about its command, where the recipe keeps one as kbuild's do.
fn command(begun: &Begun<'_>) -> Option<String> {
    let name = begun.make.file_name(begun.file);
    // `savedcmd_` since Linux 6.3.
    for prefix in [&b"savedcmd_"[..], b"cmd_"] {
        let variable = [prefix, name].concat();
        let Some(new) = begun.lines.iter().find_map(|l| kept(l, &variable)) else { continue };
        let Some(old) = begun.make.get_raw(&variable).filter(|v| !v.is_empty()) else {
            return Some("there is no record of the command that made it".to_owned());
        };
        return Some(difference(&old, &new));
    }
    None
}

/// The command that a line hands on to the `.cmd` file: `printf '%s\n' 'savedcmd_T := COMMAND' >` or
/// `fixdep DEPFILE T 'COMMAND' >`, where it is quoted for the shell and for make.
fn kept(line: &[u8], variable: &[u8]) -> Option<Vec<u8>> {
    let printed = [b"'", variable, b" := "].concat();
    let target = variable.splitn(2, |&b| b == b'_').nth(1)?;
    let fixed = [b" ", target, b" '"].concat();
    let after = |needle: &[u8], from: usize| {
        memchr::memmem::find(&line[from..], needle).map(|at| from + at + needle.len())
    };
    let start = after(&printed, 0).or_else(|| after(&fixed, after(b"fixdep ", 0)?))?;
    let rest = &line[start..];
    let end = memchr::memmem::find(rest, b"' >").unwrap_or(rest.len());
    let mut out = Vec::with_capacity(end);
    let mut i = 0;
    while i < end {
        let quoted: [(&[u8], u8); 3] = [(b"'\\''", b'\''), (b"$(pound)", b'#'), (b"$$", b'$')];
        match quoted.iter().find(|(q, _)| rest[i..end].starts_with(q)) {
            Some((q, plain)) => {
                out.push(*plain);
                i += q.len();
            }
            None => {
                out.push(rest[i]);
                i += 1;
            }
        }
    }
    Some(out)
}

/// The words that came and went.
fn difference(old: &[u8], new: &[u8]) -> String {
    let words = |text: &[u8]| -> Vec<String> {
        kiln_base::text::words(text).map(|w| String::from_utf8_lossy(w).into_owned()).collect()
    };
    let (old, new) = (words(old), words(new));
    let gone = old.iter().filter(|w| !new.contains(w)).map(|w| format!("-{w}"));
    let come = new.iter().filter(|w| !old.contains(w)).map(|w| format!("+{w}"));
    let all: Vec<String> = gone.chain(come).collect();
    match all.len() {
        0 => "its command changed".to_owned(),
        n if n > SHOWN => {
            format!("its command changed: {} and {} more", all[..SHOWN].join(" "), n - SHOWN)
        }
        _ => format!("its command changed: {}", all.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_came_and_went() {
        assert_eq!(difference(b"cc -a -c x", b"cc -b -c x"), "its command changed: --a +-b");
        assert_eq!(difference(b"cc -c x", b"cc  x -c"), "its command changed");
    }

    #[test]
    fn the_command_in_a_recipe() {
        let line =
            b"set -e; cc; printf '%s\\n' 'savedcmd_a.o := cc -DX='\\''\"a\"'\\'' a.c' > .a.o.cmd";
        assert_eq!(kept(line, b"savedcmd_a.o").unwrap(), b"cc -DX='\"a\"' a.c");
        assert_eq!(kept(line, b"savedcmd_b.o"), None);
        let line = b"cc; scripts/basic/fixdep .a.o.d a.o 'cc a.c $$x' > .a.o.cmd";
        assert_eq!(kept(line, b"cmd_a.o").unwrap(), b"cc a.c $x");
    }
}
