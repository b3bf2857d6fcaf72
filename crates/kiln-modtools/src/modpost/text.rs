//! C library habits that show in modpost's results: strings that end at a NUL, numbers with prefixes,
//! white space, and the buffer of 500 bytes through which every written line goes.

/// The part of a text that a C string function would see.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    memchr::memchr(0, text).map_or(text, |end| &text[..end])
}

/// `isspace` of the C locale.
pub(super) fn c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What follows the last slash.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..])
}

/// `strtoul(text, &end, base)` for base 16, or 0 for "as the prefix says", cut to 32 bits: the number
/// and the index of the first byte behind it (0 if there is no number).
pub(super) fn strtoul(text: &[u8], base: u32) -> (u32, usize) {
    let mut at = text.iter().take_while(|&&b| c_space(b)).count();
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let digit = |at: usize| text.get(at).and_then(|&b| (b as char).to_digit(16));
    let prefixed = text.get(at) == Some(&b'0')
        && matches!(text.get(at + 1), Some(b'x' | b'X'))
        && digit(at + 2).is_some();
    let base = match base {
        0 if prefixed => 16,
        0 if text.get(at) == Some(&b'0') => 8,
        0 => 10,
        given => given,
    };
    if base == 16 && prefixed {
        at += 2;
    }
    let start = at;
    let mut value: u64 = 0;
    let mut overflow = false;
    while let Some(d) = digit(at).filter(|&d| d < base) {
        match value.checked_mul(base.into()).and_then(|v| v.checked_add(d.into())) {
            Some(v) => value = v,
            None => overflow = true,
        }
        at += 1;
    }
    if at == start {
        return (0, 0);
    }
    let value = match (overflow, negative) {
        (true, _) => u64::MAX,
        (false, true) => value.wrapping_neg(),
        (false, false) => value,
    };
    (value as u32, at)
}

/// Puts pieces of text one after another.
macro_rules! cat {
    ($($part:expr),+ $(,)?) => {{
        let mut text: Vec<u8> = Vec::with_capacity(128);
        $(text.extend_from_slice(AsRef::<[u8]>::as_ref($part));)+
        text
    }};
}
pub(super) use cat;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, base, want) in [
            ("0x0000abcd", 16, (0xabcd, 10)),
            ("abcd", 16, (0xabcd, 4)),
            ("", 16, (0, 0)),
            ("  12", 16, (0x12, 4)),
            ("0x", 16, (0, 1)),
            ("-1", 16, (u32::MAX, 2)),
            ("123456789abcdef01", 16, (u32::MAX, 17)),
            ("12x", 16, (0x12, 2)),
            ("010", 0, (8, 3)),
            ("0x10\n", 0, (16, 4)),
            ("99", 0, (99, 2)),
            ("09", 0, (0, 1)),
        ] {
            assert_eq!(strtoul(text.as_bytes(), base), want, "{text}");
        }
    }
}
