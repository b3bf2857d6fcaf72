//! A shell line in which a program that cannot run here is called by other words.
//!
//! Only words outside quotes are looked at, and only those that are the program's path whole: what a
//! line prints or writes about itself stays as it is. It knows quoting, and nothing else of the shell.

use crate::hooks::Native;

/// The words to start in place of `words`, where something in them cannot run here: the program
/// itself, or one that a line for a shell names.
pub fn respelled(native: &dyn Native, words: &[Vec<u8>], dir: &[u8]) -> Option<Vec<Vec<u8>>> {
    let names = native.names();
    match words {
        [shell, option, text] if option.starts_with(b"-") && option.ends_with(b"c") => {
            let has = |name: &&[u8]| text.windows(name.len()).any(|w| w == *name);
            if !names.iter().any(has) {
                return None;
            }
            let other = line(text, &|word| {
                names.iter().any(|n| word.ends_with(n)).then(|| native.instead(word, dir))?
            })?;
            Some(vec![shell.clone(), option.clone(), other])
        }
        [program, rest @ ..] if names.iter().any(|n| program.ends_with(n)) => {
            let mut other = native.instead(program, dir)?;
            other.extend_from_slice(rest);
            Some(other)
        }
        _ => None,
    }
}

/// What stands in a word's place.
type Instead<'a> = dyn Fn(&[u8]) -> Option<Vec<Vec<u8>>> + 'a;

/// The text with each plain word that `instead` knows exchanged; `None` if there is none.
fn line(text: &[u8], instead: &Instead<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut changed = false;
    let mut at = 0;
    while at < text.len() {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._+-".contains(b);
        let end = at + text[at..].iter().take_while(|b| plain(b)).count();
        if end > at {
            // A word that goes on with a quote, a variable or an assignment is another word.
            let ends = text.get(end).is_none_or(|b| b" \t\n;|&()<>".contains(b));
            let begins = out.last().is_none_or(|b| b" \t\n;|&()".contains(b));
            match (ends && begins).then(|| instead(&text[at..end])).flatten() {
                Some(words) => {
                    let quoted: Vec<Vec<u8>> = words.iter().map(|w| quote(w)).collect();
                    out.extend(quoted.join(&b' '));
                    changed = true;
                }
                None => out.extend_from_slice(&text[at..end]),
            }
            at = end;
            continue;
        }
        let end = at + quoted_length(&text[at..]);
        out.extend_from_slice(&text[at..end]);
        at = end;
    }
    changed.then_some(out)
}

/// How far a quotation reaches that begins here; 1 where none does.
fn quoted_length(text: &[u8]) -> usize {
    let rest = &text[1..];
    let length = match text[0] {
        b'\\' => 2,
        b'\'' => 2 + rest.iter().take_while(|b| **b != b'\'').count(),
        b'"' => {
            let mut at = 1;
            while at < text.len() && text[at] != b'"' {
                at += if text[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        }
        _ => 1,
    };
    length.min(text.len())
}

fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for &b in word {
        match b {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(b),
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Option<String> {
        let instead = |word: &[u8]| {
            (word == b"scripts/mod/modpost").then(|| vec![b"/k i".to_vec(), b"tool".to_vec()])
        };
        line(text.as_bytes(), &instead).map(|o| String::from_utf8(o).unwrap())
    }

    #[test]
    fn a_command_is_exchanged_wherever_it_stands() {
        let found = with("sed s/a/b/ x | scripts/mod/modpost -T -; (scripts/mod/modpost)").unwrap();
        assert_eq!(found, "sed s/a/b/ x | '/k i' 'tool' -T -; ('/k i' 'tool')");
    }

    #[test]
    fn what_a_line_says_of_itself_stays() {
        for text in [
            "printf '%s\\n' 'savedcmd_x := scripts/mod/modpost -T' >.x.cmd",
            "echo \"a \\\" scripts/mod/modpost \"",
            "A=scripts/mod/modpost; xscripts/mod/modpost; scripts/mod/modpost.real; \\scripts/mod",
            "scripts/mod/modpost'x'",
        ] {
            assert_eq!(with(text), None, "{text}");
        }
        assert_eq!(
            with("echo '  MODPOST'; scripts/mod/modpost a 'b").as_deref(),
            Some("echo '  MODPOST'; '/k i' 'tool' a 'b")
        );
    }
}
