//! Shell patterns as dash matches them, and the file names that they stand for.
//!
//! dash is built on Debian with its own matcher, not with the C library's: bytes, no locale.
//! A pattern here is text in which a backslash makes the next byte ordinary.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};

/// Whether the whole text matches. Linear in the number of stars, with one step back per star, so
/// that no pattern makes it slow.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        let step = match (p < pattern.len(), text.get(t)) {
            (false, None) => return true,
            (true, Some(byte)) => one(pattern, p, *byte),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) if from < text.len() => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            _ => return false,
        }
    }
}

/// Matches one byte against the element at `at`, not a star; gives where the next element begins.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(at + 1),
        b'[' => match bracket(pattern, at + 1, byte) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // Never closed: an ordinary character.
            None => (byte == b'[').then_some(at + 1),
        },
        b'\\' if at + 1 < pattern.len() => (byte == pattern[at + 1]).then_some(at + 2),
        plain => (byte == plain).then_some(at + 1),
    }
}

/// A bracket expression after its `[`: whether the byte is in it, and where it ends. `None` where
/// it has no end. Bytes compare as signed characters, as in dash.
fn bracket(pattern: &[u8], mut at: usize, byte: u8) -> Option<(bool, usize)> {
    let invert = pattern.get(at) == Some(&b'!');
    at += usize::from(invert);
    let mut found = false;
    let mut first = *pattern.get(at)?;
    at += 1;
    loop {
        if let Some((is_in, next)) = (first == b'[').then(|| class(pattern, at, byte)).flatten() {
            found |= is_in;
            at = next;
        } else {
            if first == b'\\' {
                first = *pattern.get(at)?;
                at += 1;
            }
            if pattern.get(at) == Some(&b'-') && pattern.get(at + 1) != Some(&b']') {
                at += 1;
                if pattern.get(at) == Some(&b'\\') {
                    at += 1;
                }
                let last = *pattern.get(at)?;
                found |= (first as i8..=last as i8).contains(&(byte as i8));
                at += 1;
            } else {
                found |= byte == first;
            }
        }
        first = *pattern.get(at)?;
        at += 1;
        if first == b']' {
            return Some((found != invert, at));
        }
    }
}

/// `:name:]` after a `[` within a bracket expression.
fn class(pattern: &[u8], at: usize, byte: u8) -> Option<(bool, usize)> {
    type Test = fn(u8) -> bool;
    let classes: [(&[u8], Test); 12] = [
        (b":alnum:]", |b| b.is_ascii_alphanumeric()),
        (b":cntrl:]", |b| b.is_ascii_control()),
        (b":lower:]", |b| b.is_ascii_lowercase()),
        (b":space:]", |b| b.is_ascii_whitespace() || b == b'\x0b'),
        (b":alpha:]", |b| b.is_ascii_alphabetic()),
        (b":digit:]", |b| b.is_ascii_digit()),
        (b":print:]", |b| b == b' ' || b.is_ascii_graphic()),
        (b":upper:]", |b| b.is_ascii_uppercase()),
        (b":blank:]", |b| b == b' ' || b == b'\t'),
        (b":graph:]", |b| b.is_ascii_graphic()),
        (b":punct:]", |b| b.is_ascii_punctuation()),
        (b":xdigit:]", |b| b.is_ascii_hexdigit()),
    ];
    let (name, test) = classes.iter().find(|(name, _)| pattern[at..].starts_with(name))?;
    Some((test(byte), at + name.len()))
}

/// The text of a pattern without its escapes.
fn unescape(pattern: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(pattern.len());
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] == b'\\' && at + 1 < pattern.len() {
            at += 1;
        }
        text.push(pattern[at]);
        at += 1;
    }
    text
}

/// Whether an active `*`, `?` or closed `[…]` stands in this piece of a path.
fn is_active(piece: &[u8]) -> bool {
    let mut at = 0;
    while at < piece.len() {
        match piece[at] {
            b'*' | b'?' => return true,
            b'\\' if at + 1 < piece.len() => at += 1,
            b'[' => {
                let mut end = at + 1;
                end += usize::from(piece.get(end) == Some(&b'!'));
                loop {
                    end += usize::from(piece.get(end) == Some(&b'\\'));
                    if end >= piece.len() {
                        break;
                    }
                    end += 1;
                    if piece.get(end) == Some(&b']') {
                        return true;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// The names of existing files that the pattern stands for, sorted bytewise; none where there is
/// no active character in it.
pub(crate) fn files(dir: &OwnedFd, pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    walk(dir, pattern, Vec::new(), &mut found);
    found.sort();
    found
}

fn walk(dir: &OwnedFd, pattern: &[u8], mut prefix: Vec<u8>, found: &mut Vec<Vec<u8>>) {
    // An escaped slash parts a path like a plain one.
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < pattern.len() {
        let escaped = pattern[at] == b'\\' && at + 1 < pattern.len();
        let slash = at + usize::from(escaped);
        if pattern[slash] == b'/' {
            pieces.push((from, at, slash + 1));
            from = slash + 1;
        }
        at = slash + 1;
    }
    pieces.push((from, pattern.len(), pattern.len()));
    let Some(&(from, to, next)) = pieces.iter().find(|(f, t, _)| is_active(&pattern[*f..*t]))
    else {
        if !prefix.is_empty() {
            prefix.extend(unescape(pattern));
            if rustix::fs::statat(dir, &prefix[..], AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                found.push(prefix);
            }
        }
        return;
    };
    prefix.extend(unescape(&pattern[..from]));
    let piece = &pattern[from..to];
    let name_shown = if piece.first() == Some(&b'\\') { piece.get(1) } else { piece.first() };
    let hidden_too = name_shown == Some(&b'.');
    let is_last = to == pattern.len();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed: &[u8] = if prefix.is_empty() { b"." } else { &prefix };
    let Ok(handle) = rustix::fs::openat(dir.as_fd(), listed, flags, Mode::empty()) else { return };
    let Ok(entries) = rustix::fs::Dir::new(handle) else { return };
    for entry in entries {
        let Ok(entry) = entry else { return };
        let name = entry.file_name().to_bytes();
        if (name.first() == Some(&b'.') && !hidden_too) || !matches(piece, name) {
            continue;
        }
        let mut path = prefix.clone();
        path.extend_from_slice(name);
        if is_last {
            found.push(path);
        } else {
            path.push(b'/');
            walk(dir, &pattern[next..], path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} ~ {text}");
        }
        for text in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} !~ {text}");
        }
    }

    #[test]
    fn stars_and_question_marks() {
        check("", &[""], &["a"]);
        check("*.o", &["a.o", ".o"], &["a.c", "o"]);
        check("a*b*c", &["abc", "axbybzc", "abcbc"], &["ab", "acb"]);
        check("?b", &["ab"], &["b", "aab"]);
        check("\\*", &["*"], &["a", "\\*"]);
        check("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn brackets() {
        check("[abc]", &["a", "c"], &["d", "", "ab"]);
        check("[!abc]", &["d"], &["a", ""]);
        check("[a-c]x", &["ax", "bx"], &["dx"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[[:digit:]x]", &["1", "x"], &[":", "d"]);
        check("[ab", &["[ab"], &["a"]);
        check("x[", &["x["], &["x"]);
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = "a*".repeat(60) + "b";
        let text = "a".repeat(5000);
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
