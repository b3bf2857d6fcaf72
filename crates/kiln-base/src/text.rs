//! Words and `%` patterns in byte strings, as make sees them.

/// Whether make treats the byte as a blank between words: space or tab.
#[must_use]
pub fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Whether make treats the byte as white space (C's `isspace`).
#[must_use]
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Bytes of file names that mean nothing to make anywhere: no quoting, no wildcard, no reference, no
/// separator.
static PLAIN: [bool; 256] = {
    let mut t = [false; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        t[i] = b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'-' | b'/' | b'.' | b'+' | b',' | b'@');
        i += 1;
    }
    t
};

/// Whether the byte means nothing to make anywhere.
#[must_use]
pub fn is_plain_byte(b: u8) -> bool {
    PLAIN[b as usize]
}

/// Whether a name has only bytes that mean nothing to make anywhere.
#[must_use]
pub fn is_plain_name(name: &[u8]) -> bool {
    name.iter().all(|&b| PLAIN[b as usize])
}

/// How many bytes at the start of the text mean nothing to make anywhere.
#[must_use]
pub fn plain_len(text: &[u8]) -> usize {
    let mut n = 0;
    // Four at a time: names are long enough for it to pay.
    while let Some([a, b, c, d]) = text.get(n..n + 4) {
        if !(PLAIN[*a as usize] & PLAIN[*b as usize] & PLAIN[*c as usize] & PLAIN[*d as usize]) {
            break;
        }
        n += 4;
    }
    n + text[n..].iter().take_while(|&&b| PLAIN[b as usize]).count()
}

/// The first byte at or after `from` that is no greater than a blank: where a word may end. Eight
/// bytes at a time, since texts are mostly words.
fn low_byte(text: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut i = from;
    while let Some(chunk) = text.get(i..i + 8) {
        let x = u64::from_le_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        // The high bit of each byte that is below 0x21.
        let low = x.wrapping_sub(ONES * 0x21) & !x & (ONES * 0x80);
        if low != 0 {
            return i + low.trailing_zeros() as usize / 8;
        }
        i += 8;
    }
    while i < text.len() && text[i] > b' ' {
        i += 1;
    }
    i
}

/// The words of a text, separated by white space (including newlines).
pub fn words(text: &[u8]) -> Words<'_> {
    Words { text, pos: 0 }
}

/// See [`words`].
#[derive(Clone)]
pub struct Words<'a> {
    text: &'a [u8],
    pos: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        next_word(self.text, &mut self.pos)
    }
}

/// The text without white space at either end.
#[must_use]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// The directory part with its slash, and the rest. A name without a slash has an empty first part.
#[must_use]
pub fn split_dir(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(i) => path.split_at(i + 1),
        None => (&[], path),
    }
}

/// The length of the white space at the start.
#[must_use]
pub fn leading_space(text: &[u8]) -> usize {
    text.iter().position(|&b| !is_space(b)).unwrap_or(text.len())
}

/// The next word of `text` at or after `*pos`, which is moved behind it.
pub fn next_word<'a>(text: &'a [u8], pos: &mut usize) -> Option<&'a [u8]> {
    let mut start = *pos;
    while start < text.len() && is_space(text[start]) {
        start += 1;
    }
    let end = word_end(text, start);
    *pos = end;
    (end > start).then(|| &text[start..end])
}

/// The end of the word that starts at `pos`: the next white space or the end.
#[must_use]
pub fn word_end(text: &[u8], pos: usize) -> usize {
    let mut i = low_byte(text, pos);
    while i < text.len() && !is_space(text[i]) {
        i = low_byte(text, i + 1);
    }
    i
}

/// The end of the name that starts at `pos`: the next space or tab, or the end.
#[must_use]
pub fn blank_from(text: &[u8], pos: usize) -> usize {
    let mut i = low_byte(text, pos);
    while i < text.len() && !is_blank(text[i]) {
        i = low_byte(text, i + 1);
    }
    i
}

/// The first `needle` in `hay` at or after `from`.
#[must_use]
pub fn find(hay: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(&hay[from..], needle).map(|i| i + from)
}

/// A text with at most one `%` that stands for anything: `\%` is a plain `%`, and backslashes before
/// a `%` quote each other (GNU make manual, "Functions for String Substitution").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// All of it, without the quoting backslashes before the `%` that was found.
    pub text: Vec<u8>,
    /// Where the `%` stands, if there is an unquoted one.
    pub percent: Option<usize>,
}

impl Pattern {
    /// Reads a pattern.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut text = text.to_vec();
        let percent = find_unquoted(&mut text, 0, |b| b == b'%');
        Pattern { text, percent }
    }

    /// What stands before the `%` (all of it without one).
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.text[..self.percent.unwrap_or(self.text.len())]
    }

    /// What stands behind the `%`.
    #[must_use]
    pub fn suffix(&self) -> &[u8] {
        self.percent.map_or(b"", |p| &self.text[p + 1..])
    }

    /// The part of `word` that the `%` stands for, if the pattern matches. A pattern without `%`
    /// matches only itself, with an empty stem.
    #[must_use]
    pub fn stem<'a>(&self, word: &'a [u8]) -> Option<&'a [u8]> {
        if self.percent.is_none() {
            return (self.text == word).then_some(b"");
        }
        word.strip_prefix(self.prefix())?.strip_suffix(self.suffix())
    }
}

/// Finds the first byte at or after `from` that `stop` takes and no backslash quotes, removing the
/// backslashes that quote stop bytes (or each other before one) on the way.
pub fn find_unquoted(text: &mut Vec<u8>, from: usize, stop: impl Fn(u8) -> bool) -> Option<usize> {
    let mut i = from;
    loop {
        i += text[i..].iter().position(|&b| stop(b))?;
        match unquote_at(text, from, &mut i) {
            true => return Some(i),
            false => i += 1,
        }
    }
}

/// Halves the backslashes before the byte at `*i` (not looking before `from`), which is moved along.
/// Returns whether the byte is unquoted, that is, whether their number was even.
pub fn unquote_at(text: &mut Vec<u8>, from: usize, i: &mut usize) -> bool {
    let slashes = text[from..*i].iter().rev().take_while(|&&b| b == b'\\').count();
    if slashes == 0 {
        return true;
    }
    let gone = slashes.div_ceil(2);
    text.drain(*i - gone..*i);
    *i -= gone;
    slashes % 2 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_percent_is_plain() {
        let p = Pattern::parse(b"a\\%b%c");
        assert_eq!((p.text.as_slice(), p.percent), (b"a%b%c".as_slice(), Some(3)));
        let p = Pattern::parse(b"the\\\\%weird\\\\%pattern\\\\");
        assert_eq!((p.prefix(), p.percent), (b"the\\".as_slice(), Some(4)));
    }

    #[test]
    fn words_of_all_lengths() {
        let list = b" a  bcdefgh\tijklmnopq\nr\x01s \x7f\xff ";
        let all: Vec<&[u8]> = words(list).collect();
        let expect: [&[u8]; 5] = [b"a", b"bcdefgh", b"ijklmnopq", b"r\x01s", b"\x7f\xff"];
        assert_eq!(all, expect);
        assert_eq!(blank_from(b"12345678\n9 x", 0), 10);
    }

    #[test]
    fn stems() {
        assert_eq!(Pattern::parse(b"%.o").stem(b"foo.o"), Some(b"foo".as_slice()));
        assert_eq!(Pattern::parse(b"ab%ba").stem(b"aba"), None);
        assert_eq!(Pattern::parse(b"x").stem(b"x"), Some(b"".as_slice()));
    }
}
