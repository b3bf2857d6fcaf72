//! The two ways in which fixdep took a compiler's dependency file apart.
//!
//! Neither is make's own grammar; both are what the kernel's program accepts. The result is a list of
//! prerequisites; targets are dropped. It does not know what is printed for them.

use std::borrow::Cow;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Up to 6.1: words between blanks, backslashes and newlines; a word that ends in `:` is a target.
    Words,
    /// Later: lines, comments, and `\#` and `\:` for the two characters that make would misread.
    Lines,
}

/// A prerequisite in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The first one of a rule.
    First(Cow<'a, [u8]>),
    /// Any other.
    Other(Cow<'a, [u8]>),
}

/// The prerequisites of `text`, which holds no NUL, without those that end in one of `ignored`.
pub(super) fn events<'a>(grammar: Grammar, text: &'a [u8], ignored: &[&[u8]]) -> Vec<Event<'a>> {
    let is_ignored = |name: &[u8]| ignored.iter().any(|end| name.ends_with(end));
    match grammar {
        Grammar::Words => words(text, is_ignored),
        Grammar::Lines => lines(text, is_ignored),
    }
}

/// The tree whose `include/generated/` or `include/linux/kconfig.h` the file lists, with a final slash.
pub(super) fn tree_of(text: &[u8]) -> Option<&[u8]> {
    text.split(|b| b.is_ascii_whitespace()).find_map(|word| {
        let at = memchr::memmem::find(word, b"include/generated/")?;
        // A listing below arch/ belongs to the architecture, not to the root of the tree.
        memchr::memmem::find(&word[..at], b"arch/").is_none().then_some(&word[..at])
    })
}

fn words(text: &[u8], is_ignored: impl Fn(&[u8]) -> bool) -> Vec<Event<'_>> {
    let mut found = Vec::with_capacity(text.len() / 32);
    let mut first = false;
    for word in text.split(|b| matches!(b, b' ' | b'\\' | b'\n')).filter(|w| !w.is_empty()) {
        if word.ends_with(b":") {
            first = true;
        } else if is_ignored(word) {
            // Here an ignored name leaves the place of the rule's source to the next one.
        } else if first {
            found.push(Event::First(Cow::Borrowed(word)));
            first = false;
        } else {
            found.push(Event::Other(Cow::Borrowed(word)));
        }
    }
    found
}

fn lines(text: &[u8], is_ignored: impl Fn(&[u8]) -> bool) -> Vec<Event<'_>> {
    let mut found = Vec::with_capacity(text.len() / 32);
    let (mut at, mut in_target, mut first) = (0, true, false);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'#' => {
                at += 1;
                while text.get(at).is_some_and(|&b| b != b'\n') {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            b' ' | b'\t' => at += 1,
            b'\\' if text.get(at + 1) == Some(&b'\n') => at += 2,
            b'\n' => {
                at += 1;
                in_target = true;
            }
            b':' => {
                at += 1;
                in_target = false;
                first = true;
            }
            _ => {
                let (token, end) = token(text, at);
                at = end;
                if in_target {
                    continue;
                }
                if first {
                    // The source is never an ignored name.
                    found.push(Event::First(token));
                } else if !is_ignored(&token) {
                    found.push(Event::Other(token));
                }
                first = false;
            }
        }
    }
    found
}

/// The token that begins at `start`, without the backslashes of `\#` and `\:`, and where it ends.
fn token(text: &[u8], start: usize) -> (Cow<'_, [u8]>, usize) {
    let mut end = start;
    let mut escapes = Vec::new();
    while let Some(&byte) = text.get(end) {
        match byte {
            b' ' | b'\t' | b'\n' | b'#' | b':' => break,
            b'\\' => {
                match text.get(end + 1) {
                    Some(b'\n') => break,
                    Some(b'#' | b':') => escapes.push(end),
                    _ => {}
                }
                end = (end + 2).min(text.len());
            }
            _ => end += 1,
        }
    }
    if escapes.is_empty() {
        return (Cow::Borrowed(&text[start..end]), end);
    }
    let kept = (start..end).filter(|at| !escapes.contains(at)).map(|at| text[at]).collect();
    (Cow::Owned(kept), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(grammar: Grammar, text: &str) -> Vec<String> {
        let owned = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let event = |e: &Event<'_>| match e {
            Event::First(w) => format!("first {}", owned(w)),
            Event::Other(w) => owned(w),
        };
        events(grammar, text.as_bytes(), &[b"autoconf.h"]).iter().map(event).collect()
    }

    #[test]
    fn a_compilers_file_reads_alike_both_ways() {
        let text = "a.o: a.c \\\n  b.h c.h \\\n d.h\n";
        let want = vec!["first a.c", "b.h", "c.h", "d.h"];
        assert_eq!(show(Grammar::Words, text), want);
        assert_eq!(show(Grammar::Lines, text), want);
    }

    #[test]
    fn comments_and_escapes_are_known_to_lines_only() {
        let text = "x.rmeta: a\\#b.rs c\\:d \\\n e\n# env-dep:X=1\n\ny: z\n";
        assert_eq!(show(Grammar::Lines, text), ["first a#b.rs", "c:d", "e", "first z"]);
        assert_eq!(show(Grammar::Words, "x: a # b\n"), ["first a", "#", "b"]);
    }

    #[test]
    fn an_ignored_name_may_hold_the_source_s_place() {
        assert_eq!(show(Grammar::Words, "a.o: autoconf.h a.c autoconf.h\n"), ["first a.c"]);
        assert_eq!(
            show(Grammar::Lines, "a.o: autoconf.h a.c autoconf.h\n"),
            ["first autoconf.h", "a.c"]
        );
    }

    #[test]
    fn odd_ends_do_not_run_over() {
        for text in ["#\\", "a: b\\", "a: \\", "a:", "\\", "a: b \\\n", ":", "a: b\\#"] {
            let _ = show(Grammar::Lines, text);
            let _ = show(Grammar::Words, text);
        }
    }

    #[test]
    fn the_tree_shows_in_the_listing() {
        let text = b"a.o: /m/a.c /k/include/linux/kconfig.h /k/arch/x86/include/generated/x.h \\\n /k/include/generated/autoconf.h\n";
        assert_eq!(tree_of(text), Some(&b"/k/"[..]));
        assert_eq!(tree_of(b"a.o: a.c\n"), None);
    }
}
