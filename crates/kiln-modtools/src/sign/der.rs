//! The part of DER (X.690) that keys, certificates and signatures need: one value after another, by
//! tag, and the other way round.
//!
//! It does not know what any value means.

/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// NULL.
pub(super) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET.
pub(super) const SET: u8 = 0x31;

/// The constructed context-specific tag with this number.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Values that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

/// A value: its tag, its content, and all of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// The next value; nothing at the end, and nothing for what is no DER.
    pub(super) fn next(&mut self) -> Option<Value<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0u64, |n, &d| n << 8 | u64::from(d));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - behind.len()];
        self.0 = behind;
        Some(Value { tag, content, whole })
    }

    /// The next value if it has this tag, or nothing, without passing it.
    pub(super) fn next_if(&mut self, tag: u8) -> Option<Value<'a>> {
        let before = *self;
        let value = self.next().filter(|value| value.tag == tag);
        if value.is_none() {
            *self = before;
        }
        value
    }

    /// The values within the next one, which has this tag.
    pub(super) fn within(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.next_if(tag).map(|value| Reader(value.content))
    }

    /// The content of the next value, which has this tag.
    pub(super) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next_if(tag).map(|value| value.content)
    }
}

/// One value from its tag and the parts of its content.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let digits = &digits[digits.iter().position(|&d| d != 0).unwrap_or(digits.len() - 1)..];
    let mut out = vec![tag];
    if length > 0x7f {
        out.push(0x80 | digits.len() as u8);
    }
    out.extend_from_slice(digits);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let bytes = value(OCTET_STRING, &[&content, b"x"]);
            let mut reader = Reader::new(&bytes);
            assert!(reader.next_if(SEQUENCE).is_none());
            let found = reader.next().expect("a value");
            assert_eq!((found.tag, found.content.len()), (OCTET_STRING, length + 1));
            assert_eq!(found.whole, bytes);
            assert!(reader.next().is_none());
            assert!(Reader::new(&bytes[..bytes.len() - 1]).next().is_none());
        }
        assert!(Reader::new(b"\x04\x85\0\0\0\0\0").next().is_none());
        assert!(Reader::new(b"\x1f\x01\0").next().is_none());
    }
}
