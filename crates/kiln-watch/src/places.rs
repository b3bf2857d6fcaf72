//! Directories in a shell's text that are only where it puts its temporary files: paths whose last
//! part has the shell's process id in it (`/home/me/module/.tmp_$$/x`). What such a command answers
//! does not depend on that id, and in the same way not on the directory in front of it, as long as all
//! that was made there is gone again, nothing else was looked at there, and the output does not tell
//! it. It knows nothing of environments.

use crate::check::Checker;
use crate::eye::Kind;
use crate::fact::{Fact, Seen};
use crate::ledger::{clean, is_below};
use crate::programs::contains;
use crate::store::Answer;

/// What stands for the first directory in a text that many share; no text has a NUL.
const MARK: u8 = 0;
/// More directories than this in one text are left as they are.
const MOST: usize = 8;
/// A longer path may be one that some program cannot take.
const LONGEST: usize = 512;

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'+' | b'-')
}

/// Whether a directory's path has no part that a program could take for anything else.
fn is_simple(dir: &[u8]) -> bool {
    dir.len() <= LONGEST
        && dir.starts_with(b"/")
        && dir[1..].split(|b| *b == b'/').all(|part| {
            !part.is_empty() && part != b"." && part != b".." && !part.starts_with(b"-")
        })
}

/// Whether what comes behind this text is a word's or an assigned value's beginning: behind `${D}` a
/// path would not be what it looks like.
fn begins_word(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'")).unwrap_or(before);
    before.last().is_none_or(|b| matches!(b, b' ' | b'\t' | b'\n' | b';' | b'='))
}

/// The arguments of a shell with a mark in place of each such directory, and the directories.
#[must_use]
pub fn marked(argv: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let as_is = || (argv.to_vec(), Vec::new());
    let [shell, flag, text] = argv else { return as_is() };
    if flag.first() != Some(&b'-') || flag.last() != Some(&b'c') || !contains(text, b"$$") {
        return as_is();
    }
    let mut dirs: Vec<Vec<u8>> = Vec::new();
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(at) = rest.windows(2).position(|w| w == b"$$") {
        let start = rest[..at].iter().rposition(|b| !is_plain(*b)).map_or(0, |b| b + 1);
        let slash = rest[start..at].iter().rposition(|b| *b == b'/');
        match slash.map(|end| &rest[start..start + end]) {
            Some(dir) if is_simple(dir) && begins_word(&rest[..start]) => {
                let number = dirs.iter().position(|d| d == dir).unwrap_or(dirs.len());
                if number == dirs.len() {
                    dirs.push(dir.to_vec());
                }
                out.extend_from_slice(&rest[..start]);
                out.extend_from_slice(&[MARK, b'0' + (number % 10) as u8]);
                out.extend_from_slice(&rest[start + dir.len()..at + 2]);
            }
            _ => out.extend_from_slice(&rest[..at + 2]),
        }
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    // One that is said elsewhere too may mean more there.
    let plain = dirs.len() > MOST
        || dirs.iter().any(|d| contains(&out, d) || contains(shell, d))
        || text.contains(&MARK);
    if plain { as_is() } else { (vec![shell.clone(), flag.clone(), out], dirs) }
}

/// Whether an output tells anything of a directory's path: a part of it, a short one as a word.
pub fn tells(output: &[u8], dir: &[u8]) -> bool {
    const SHORT: usize = 3;
    let word = |part: &[u8]| output.split(|b| !b.is_ascii_alphanumeric()).any(|w| w == part);
    let told = |part: &[u8]| {
        if part.len() < SHORT { word(part) } else { contains(output, part) }
    };
    dir.split(|b| *b == b'/').any(|part| !part.is_empty() && told(part))
}

/// What a fact comes to where `from` is `to`: nothing more if it does not bear on the directory, the
/// same about the other if all that it says is that there is such a directory.
///
/// # Errors
/// It says more: the answer is for that directory only.
pub fn moved(fact: &Fact, from: &[u8], to: &[u8]) -> Result<Option<Fact>, ()> {
    let path = clean(&fact.path);
    let is_dir = match &fact.seen {
        Seen::Status { was: Ok(was), .. } => was.kind == Kind::Dir,
        // Whoever asked for a link's text was told that it is none.
        Seen::Link(Err(errno)) => *errno == libc::EINVAL,
        _ => false,
    };
    if path == from {
        return match &fact.seen {
            Seen::Access { errno: 0, .. } => Ok(Some(Fact { path: to.to_vec(), ..fact.clone() })),
            _ if is_dir => Ok(Some(Fact { path: to.to_vec(), ..fact.clone() })),
            _ => Err(()),
        };
    }
    // What is above it may be asked on the way down to it, and then it has to be plain directories.
    // (Permissions may be asked of a directory high up for another reason, as of `/tmp`; who asks all the
    // way up asks the next one too.)
    let above = path == b"/" || is_below(from, &path);
    let next = from.iter().rposition(|b| *b == b'/').is_some_and(|at| path == from[..at]);
    let asks = matches!(fact.seen, Seen::Access { errno: 0, .. }) && !next;
    let bears = is_below(&path, from) || above && !is_dir && !asks;
    if bears { Err(()) } else { Ok(None) }
}

/// Whether a directory can take the place of another: it and all above it are directories and no
/// links, and what was asked of the other is so for it. What is found is told as facts.
pub fn suits(to: &[u8], asked: &[Fact], checker: &mut Checker<'_>) -> Option<Vec<Fact>> {
    let mut ends: Vec<usize> = (1..to.len()).filter(|at| to[*at] == b'/').collect();
    ends.push(to.len());
    for end in ends {
        if checker.status(&to[..end], false).ok()?.kind != Kind::Dir {
            return None;
        }
    }
    let mut facts = Vec::new();
    for fact in asked {
        let mut fact = fact.clone();
        match &mut fact.seen {
            Seen::Status { follow, was } => *was = Ok(checker.status(to, *follow).ok()?),
            Seen::Access { mode, errno } if checker.access(to, *mode) == *errno => {}
            // It was just seen to be none.
            Seen::Link(_) => {}
            _ => return None,
        }
        facts.push(fact);
    }
    Some(facts)
}

/// Directories of temporary files that are others than then: each with the one in its place.
pub struct Moves<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Moves<'a> {
    /// `None` if the answer tells something of the directory that it was given in.
    pub fn new(answer: &Answer, places: &'a [Vec<u8>], now: &'a [Vec<u8>]) -> Option<Self> {
        let pairs = places.iter().zip(now).filter(|(from, to)| from != to);
        let moves: Vec<_> = pairs.map(|(from, to)| (&from[..], &to[..])).collect();
        let told = |dir: &[u8]| tells(&answer.stdout, dir) || tells(&answer.stderr, dir);
        let fits = places.len() == now.len() && !moves.iter().any(|(from, _)| told(from));
        fits.then_some(Moves(moves))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a fact is about one of them.
    pub fn bear_on(&self, fact: &Fact) -> bool {
        self.0.iter().any(|(from, to)| !matches!(moved(fact, from, to), Ok(None)))
    }

    /// The facts that bear on none of the directories, and what is found of those in their place;
    /// `None` if the answer is for the former ones only.
    pub fn apply<'f>(
        &self,
        facts: impl Iterator<Item = &'f Fact>,
        checker: &mut Checker<'_>,
    ) -> Option<(Vec<&'f Fact>, Vec<Fact>)> {
        let mut rest = Vec::new();
        let mut asked: Vec<Vec<Fact>> = vec![Vec::new(); self.0.len()];
        for fact in facts {
            let mut bears = false;
            for (at, (from, to)) in self.0.iter().enumerate() {
                if let Some(fact) = moved(fact, from, to).ok()? {
                    asked[at].push(fact);
                    bears = true;
                }
            }
            if !bears {
                rest.push(fact);
            }
        }
        let mut found = Vec::new();
        for (asked, (_, to)) in asked.iter().zip(&self.0) {
            found.extend(suits(to, asked, checker)?);
        }
        Some((rest, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> (String, Vec<String>) {
        let (argv, dirs) = marked(&[b"/bin/sh".to_vec(), b"-c".to_vec(), text.into()]);
        let text = |b: &Vec<u8>| String::from_utf8_lossy(b).replace('\0', "@");
        (text(&argv[2]), dirs.iter().map(text).collect())
    }

    #[test]
    fn directories_of_temporaries_are_marked() {
        let (text, dirs) =
            mark("T=/m/a/.tmp_$$/t; trap \"rm -rf /m/a/.tmp_$$\" EXIT; mkdir /m/a/.tmp_$$ /o/x$$");
        assert_eq!(
            text,
            "T=@0/.tmp_$$/t; trap \"rm -rf @0/.tmp_$$\" EXIT; mkdir @0/.tmp_$$ @1/x$$"
        );
        assert_eq!(dirs, ["/m/a", "/o"]);
    }

    #[test]
    fn what_may_mean_more_is_left() {
        for text in [
            "echo $$",
            "T=.tmp_$$; x",
            "gcc -I/m/a -o /m/a/.tmp_$$",
            "x /m/../a/.tmp_$$",
            "x $D/.tmp_$$",
            "x /m//a/.tmp_$$",
            "x /$$",
            "x ${D}/a/.tmp_$$",
            "x \"$D\"/a/.tmp_$$",
            "x $(y)/a/.tmp_$$",
            "x /m/-a/t$$",
        ] {
            assert_eq!(mark(text), (text.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn an_output_that_tells_the_place_is_found() {
        assert!(tells(b"a.out in module", b"/home/module"));
        assert!(tells(b"in a\n", b"/home/a"));
        assert!(!tells(b"y\n", b"/home/module"));
        assert!(!tells(b"-mabi=x\n", b"/home/a"));
    }
}
