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

/// The words of a text, separated by white space (including newlines).
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| is_space(b)).filter(|w| !w.is_empty())
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
