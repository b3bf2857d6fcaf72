//! Makefile text as logical lines: continuation, comments, quoting backslashes. Pure.

use std::borrow::Cow;
use std::io::{self, Read};

use kiln_base::text;

/// Walks over the logical lines of a string or a file.
pub struct Lines<'t> {
    source: Source<'t>,
    pos: usize,
    /// The part that is being read has been put right since the last line.
    edited: bool,
}

enum Source<'t> {
    /// A string (`$(eval)`), whose lines do not count.
    Text(&'t [u8]),
    /// A file, of which `buf` holds the part that is being read.
    /// `filled` says how far: behind it are old bytes, so that nothing has to be cleared.
    File { rest: Box<dyn Read>, buf: Vec<u8>, filled: usize, at_end: bool },
}

/// How much of a file is read at a time.
const CHUNK: usize = 1 << 14;

impl<'t> Lines<'t> {
    /// The lines of a string.
    pub fn of_text(text: &'t [u8]) -> Self {
        Lines { source: Source::Text(text), pos: 0, edited: false }
    }

    /// The lines of a file, read through a buffer that may have served before.
    pub fn of_file(rest: Box<dyn Read>, buf: Vec<u8>) -> Self {
        let source = Source::File { rest, buf, filled: 0, at_end: false };
        Lines { source, pos: 0, edited: false }
    }

    /// The buffer, to serve again.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        match self.source {
            Source::File { buf, .. } => Some(buf),
            Source::Text(_) => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.source {
            Source::Text(t) => t,
            Source::File { buf, filled, .. } => &buf[..*filled],
        }
    }

    /// Reads more of the file, dropping what is done. Returns whether there was more. `nuls` counts
    /// lines that begin with a NUL, for the warning.
    fn fill(&mut self, nuls: &mut usize) -> io::Result<bool> {
        let Source::File { rest, buf, filled, at_end } = &mut self.source else {
            return Ok(false);
        };
        if *at_end {
            return Ok(false);
        }
        buf.copy_within(self.pos..*filled, 0);
        let old = *filled - self.pos;
        self.pos = 0;
        let room = old + CHUNK.max(old);
        if buf.len() < room {
            buf.resize(room, 0);
        }
        let n = loop {
            match rest.read(&mut buf[old..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        *filled = old + n;
        *at_end = n == 0;
        // Few files have NULs or CRs in them: these are put right as a whole.
        if memchr::memchr2(0, b'\r', &buf[old..*filled]).is_some() {
            buf.truncate(*filled);
            rest.read_to_end(buf)?;
            *at_end = true;
            let (text, bad) = file_text(buf);
            *nuls += bad;
            if let Cow::Owned(text) = text {
                *buf = text;
            }
            *filled = buf.len();
            self.edited = true;
        }
        Ok(*filled > old)
    }

    /// The next logical line, its inner backslash-newlines kept, and how many lines of the file it
    /// takes (none for a string).
    ///
    /// # Errors
    /// If the file cannot be read further.
    pub fn next_line(&mut self, nuls: &mut usize) -> io::Result<Option<(&[u8], u32)>> {
        let mut count = 0;
        let mut from = self.pos;
        let counted = matches!(self.source, Source::File { .. });
        loop {
            let start = self.pos;
            let bytes = self.bytes();
            let mut end = None;
            while let Some(n) = memchr::memchr(b'\n', &bytes[from..]) {
                let nl = from + n;
                count += 1;
                from = nl + 1;
                let continued = nl > start && bytes[nl - 1] == b'\\' && {
                    let slashes =
                        bytes[start..nl].iter().rev().take_while(|&&b| b == b'\\').count();
                    slashes % 2 == 1
                };
                if !continued {
                    end = Some(nl);
                    break;
                }
            }
            match end {
                Some(nl) => {
                    self.pos = nl + 1;
                    let count = if counted { count } else { 0 };
                    return Ok(Some((&self.bytes()[start..nl], count)));
                }
                None => {
                    let searched = bytes.len() - self.pos;
                    if self.fill(nuls)? {
                        from = self.pos + searched;
                        if std::mem::take(&mut self.edited) {
                            // CRs may have gone from what was searched already.
                            count = 0;
                            from = self.pos;
                        }
                        continue;
                    }
                    let start = self.pos;
                    let end = self.bytes().len();
                    if start >= end {
                        return Ok(None);
                    }
                    self.pos = end;
                    let count = if counted { count.max(1) } else { 0 };
                    return Ok(Some((&self.bytes()[start..end], count)));
                }
            }
        }
    }
}

/// A file's bytes as make reads them: CR before a newline dropped, what follows a NUL on its line
/// ignored. The second value says how many NULs stood at the start of a line, for the warning.
#[must_use]
pub fn file_text(bytes: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let has_nul = memchr::memchr(0, bytes).is_some();
    if !has_nul && memchr::memmem::find(bytes, b"\r\n").is_none() {
        return (Cow::Borrowed(bytes), 0);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut warnings = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if let Some(nul) = memchr::memchr(0, line) {
            out.extend_from_slice(&line[..nul]);
            if nul == 0 {
                warnings += 1;
                out.push(b'\n');
            }
            continue;
        }
        match line.strip_suffix(b"\r\n") {
            Some(l) => {
                out.extend_from_slice(l);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    (Cow::Owned(out), warnings)
}

/// Joins continued lines: a backslash-newline with the blanks around it becomes one blank (in POSIX
/// mode, the blanks before it stay), two backslashes before a newline become one and the newline
/// stays.
#[must_use]
pub fn join_continued(line: &[u8], posix: bool) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut out: Vec<u8> = Vec::with_capacity(line.len());
    let mut from = 0;
    while let Some(n) = memchr::memchr(b'\n', &line[from..]) {
        let nl = from + n;
        let slashes = line[..nl].iter().rev().take_while(|&&b| b == b'\\').count();
        // Half of the backslashes stay (they may all stand in what was copied from this piece).
        let end = (nl - slashes.div_ceil(2)).max(from);
        out.extend_from_slice(&line[from..end]);
        from = nl + 1;
        if slashes % 2 == 1 {
            while from < line.len() && text::is_blank(line[from]) {
                from += 1;
            }
            if !posix {
                while out.last().is_some_and(|&b| text::is_blank(b)) {
                    out.pop();
                }
            }
            out.push(b' ');
        } else {
            out.push(b'\n');
        }
    }
    out.extend_from_slice(&line[from..]);
    Cow::Owned(out)
}

/// The first byte of `text` that `stop` takes, that no backslash quotes and that stands in no
/// variable reference. Backslashes that quote are removed on the way.
pub fn find_outside_references(text: &mut Vec<u8>, stop: impl Fn(u8) -> bool) -> Option<usize> {
    let mut i = 0;
    loop {
        i += text[i..].iter().position(|&b| b == b'$' || stop(b))?;
        if text[i] == b'$' {
            let open = *text.get(i + 1)?;
            i += 2;
            if open == b'(' || open == b'{' {
                let close = if open == b'(' { b')' } else { b'}' };
                let mut depth = 1;
                while i < text.len() {
                    let b = text[i];
                    i += 1;
                    if b == open {
                        depth += 1;
                    } else if b == close {
                        depth -= 1;
                        if depth == 0 {
                            break;
                        }
                    }
                }
            }
            continue;
        }
        if text::unquote_at(text, 0, &mut i) {
            return Some(i);
        }
        i += 1;
    }
}

/// Cuts a comment off.
pub fn remove_comment(text: &mut Vec<u8>) {
    if memchr::memchr(b'#', text).is_some()
        && let Some(i) = find_outside_references(text, |b| b == b'#')
    {
        text.truncate(i);
    }
}

/// What the next word of a rule line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordKind {
    /// Nothing is left.
    End,
    /// Text, perhaps with references.
    Text,
    /// `:`, `::`, `&:`, `&::`
    Colon,
    /// `;`
    Semicolon,
    /// An assignment operator.
    Assign,
}

/// The next word of a line at or after `pos`: its kind and where it starts and ends. A word ends
/// before white space, `=`, `:`, `?=`, `+=`, `&:`; references are skipped as a whole.
#[must_use]
pub fn next_rule_word(line: &[u8], pos: usize) -> (WordKind, usize, usize) {
    let at = |i: usize| line.get(i).copied().unwrap_or(0);
    let beg = pos + text::leading_space(&line[pos.min(line.len())..]);
    let next = at(beg + 1);
    match at(beg) {
        0 => return (WordKind::End, beg, beg),
        b';' => return (WordKind::Semicolon, beg, beg + 1),
        b'=' => return (WordKind::Assign, beg, beg + 1),
        b':' if next == b'=' => return (WordKind::Assign, beg, beg + 2),
        b':' if next == b':' => {
            // One byte further than one would think, as the original.
            if at(beg + 3) == b'=' {
                return (WordKind::Assign, beg, beg + 3);
            }
            return (WordKind::Colon, beg, beg + 2);
        }
        b':' => return (WordKind::Colon, beg, beg + 1),
        b'&' if next == b':' => {
            let n = if at(beg + 2) == b':' { 3 } else { 2 };
            return (WordKind::Colon, beg, beg + n);
        }
        b'+' | b'?' | b'!' if next == b'=' => return (WordKind::Assign, beg, beg + 2),
        _ => {}
    }
    let mut p = beg;
    loop {
        let c = at(p);
        p += 1;
        match c {
            0 | b'=' | b':' => break,
            c if text::is_space(c) => break,
            b'$' => {
                let open = at(p);
                p += 1;
                let close = match open {
                    b'(' => b')',
                    b'{' => b'}',
                    0 => {
                        break;
                    }
                    _ => continue,
                };
                let mut depth = 0;
                while p < line.len() {
                    let b = line[p];
                    p += 1;
                    if b == open {
                        depth += 1;
                    } else if b == close {
                        depth -= 1;
                        if depth < 0 {
                            break;
                        }
                    }
                }
            }
            b'?' | b'+' if at(p) == b'=' => break,
            b'\\' if matches!(at(p), b':' | b';' | b'=' | b'\\') => p += 1,
            b'&' if at(p) == b':' => break,
            _ => {}
        }
    }
    (WordKind::Text, beg, (p - 1).min(line.len()))
}

/// Removes the backslashes that quote `c`, halving those before it; others stay.
#[must_use]
pub fn unescape(text: &[u8], c: u8) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        if text[i] == b'\\' {
            let n = text[i..].iter().take_while(|&&b| b == b'\\').count();
            let quotes = text.get(i + n) == Some(&c) && n % 2 == 1;
            out.resize(out.len() + if quotes { n / 2 } else { n }, b'\\');
            i += n;
            if i == text.len() {
                break;
            }
        }
        out.push(text[i]);
        i += 1;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation() {
        assert_eq!(&*join_continued(b"a  \\\n   b", false), b"a b");
        assert_eq!(&*join_continued(b"a  \\\n   b", true), b"a   b");
        assert_eq!(&*join_continued(b"a\\\\\nb", false), b"a\\\nb");
        assert_eq!(&*join_continued(b"a \\\n\\\n b", false), b"a b");
        assert_eq!(&*join_continued(b"a \\\n", false), b"a ");
    }

    #[test]
    fn logical_lines() {
        let text = b"a \\\nb\nc\\\\\nd";
        let mut l = Lines::of_file(Box::new(io::Cursor::new(text)), Vec::new());
        let mut next = || l.next_line(&mut 0).unwrap().map(|(t, n)| (t.to_vec(), n));
        assert_eq!(next(), Some((b"a \\\nb".to_vec(), 2)));
        assert_eq!(next(), Some((b"c\\\\".to_vec(), 1)));
        assert_eq!(next(), Some((b"d".to_vec(), 1)));
        assert_eq!(next(), None);
    }

    #[test]
    fn long_files_are_read_in_pieces() {
        let line = [b"x".repeat(70_000), b"\\\n".to_vec(), b"y".repeat(70_000)].concat();
        let text = [line.as_slice(), b"\nz\n"].concat();
        let mut l = Lines::of_file(Box::new(io::Cursor::new(text)), Vec::new());
        let mut next = || l.next_line(&mut 0).unwrap().map(|(t, n)| (t.to_vec(), n));
        assert_eq!(next(), Some((line, 2)));
        assert_eq!(next(), Some((b"z".to_vec(), 1)));
        assert_eq!(next(), None);
    }

    #[test]
    fn comments() {
        let cut = |s: &[u8]| {
            let mut v = s.to_vec();
            remove_comment(&mut v);
            v
        };
        assert_eq!(cut(b"a#b"), b"a");
        assert_eq!(cut(b"a\\#b#c"), b"a#b");
        assert_eq!(cut(b"$(x#y)#z"), b"$(x#y)");
        assert_eq!(cut(b"a\\\\#b"), b"a\\");
    }

    #[test]
    fn rule_words() {
        assert_eq!(next_rule_word(b" ab$(c d):x", 0), (WordKind::Text, 1, 9));
        assert_eq!(next_rule_word(b"ab&:x", 0), (WordKind::Text, 0, 2));
        assert_eq!(next_rule_word(b":=", 0), (WordKind::Assign, 0, 2));
        assert_eq!(next_rule_word(b"&:", 0), (WordKind::Colon, 0, 2));
        assert_eq!(next_rule_word(b"  ", 0), (WordKind::End, 2, 2));
    }
}
