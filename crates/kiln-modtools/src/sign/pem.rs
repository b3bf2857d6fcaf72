//! PEM (RFC 7468): labelled blocks of base64 in a text.
//!
//! It does not know what the blocks hold.

/// A block: the label between its dashes, and what it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub(super) label: &'a [u8],
    /// Nothing if there are headers (the encryption that came before PKCS#8) or no base64.
    pub(super) content: Option<Vec<u8>>,
}

/// The blocks of a text in order.
pub(super) fn blocks(text: &[u8]) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    while let Some(line) = lines.next() {
        let Some(label) = label(line, b"-----BEGIN ") else { continue };
        let mut body = Vec::new();
        let ended = lines.by_ref().any(|line| {
            let end = self::label(line, b"-----END ").is_some_and(|end| end == label);
            body.extend_from_slice(if end { b"" } else { line });
            end
        });
        if ended {
            found.push(Block { label, content: base64(&body) });
        }
    }
    found
}

fn label<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|&b| b == b'=').unwrap_or(text.len());
    if !text.len().is_multiple_of(4)
        || text.len() - end > 2
        || text[end..].iter().any(|&b| b != b'=')
    {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for &b in &text[..end] {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let check = |text: &str, want: &[(&str, Option<&str>)]| {
            let got = blocks(text.as_bytes());
            let got: Vec<_> = got.iter().map(|b| (b.label, b.content.as_deref())).collect();
            let want: Vec<_> =
                want.iter().map(|(l, c)| (l.as_bytes(), c.map(str::as_bytes))).collect();
            assert_eq!(got, want, "{text}");
        };
        check(
            "x\n-----BEGIN A B-----\r\nYWJj\r\nZA==\r\n-----END A B-----\n",
            &[("A B", Some("abcd"))],
        );
        check("-----BEGIN A-----\nK: v\n\nYWJj\n-----END A-----\n", &[("A", None)]);
        check("-----BEGIN A-----\nYWJj\n-----END B-----\n", &[]);
        check("-----BEGIN A-----\nYWJ\n-----END A-----\n", &[("A", None)]);
        check("-----BEGIN A-----\nY=Jj\n-----END A-----\n", &[("A", None)]);
    }
}
