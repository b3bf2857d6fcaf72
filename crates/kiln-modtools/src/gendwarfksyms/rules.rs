//! Rules by which a distribution keeps its binary interface stable (`--stable`): records of the section
//! `.discard.gendwarfksyms.kabi_rules`, four NUL-terminated strings each.
//!
//! It does not know types: a target is the text that the record names.

use rustc_hash::FxHashMap;

use super::report::{Fault, Report};

const READ: &str = "kabi_read_rules";
/// Version and type of one letter, empty target, empty value.
const SHORTEST: usize = 6;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The type's definition is taken as a declaration.
    DeclarationOnly,
    /// The enumerator is left out.
    EnumeratorIgnore,
    /// The enumerator has another value.
    EnumeratorValue,
    /// The type has another size.
    ByteSize,
    /// The type or symbol has another text.
    TypeString,
}

const KINDS: &[(&[u8], Kind)] = &[
    (b"declonly", Kind::DeclarationOnly),
    (b"enumerator_ignore", Kind::EnumeratorIgnore),
    (b"enumerator_value", Kind::EnumeratorValue),
    (b"byte_size", Kind::ByteSize),
    (b"type_string", Kind::TypeString),
];

/// The rules of one object.
#[derive(Default)]
pub struct Rules {
    rules: FxHashMap<(Kind, Vec<u8>), Vec<u8>>,
}

impl Rules {
    /// Reads the section's content. A later rule for the same target replaces the earlier.
    pub fn read(section: &[u8], report: &mut Report) -> Result<Self, Fault> {
        let mut rules = Rules::default();
        if section.len() < SHORTEST {
            let text = format!("kABI rule section too small: {} bytes", section.len());
            return Err(Fault::new(READ, text));
        }
        if section.last() != Some(&0) {
            return Err(Fault::new(READ, "kABI rules are not null-terminated"));
        }
        let mut rest = section;
        while rest.len() > SHORTEST {
            let version = field(&mut rest)?;
            if version != b"1" {
                let parts: [&[u8]; 3] = [b"unsupported kABI rule version: '", version, b"'"];
                return Err(Fault::of(READ, &parts));
            }
            let tag = field(&mut rest)?;
            let Some(&(_, kind)) = KINDS.iter().find(|(name, _)| *name == tag) else {
                return Err(Fault::of(READ, &[b"unsupported kABI rule type: '", tag, b"'"]));
            };
            let (target, value) = (field(&mut rest)?, field(&mut rest)?);
            report.debug(
                READ,
                &[b"kABI rule: type: '", tag, b"', target: '", target, b"', value: '", value, b"'"],
            );
            rules.rules.insert((kind, target.to_vec()), value.to_vec());
        }
        if !rest.is_empty() {
            report.warn(READ, &[b"unexpected data at the end of the kABI rules section"]);
        }
        Ok(rules)
    }

    /// The value of the rule for a target; nothing has a rule under an empty name.
    pub fn find(&self, kind: Kind, target: &[u8]) -> Option<&[u8]> {
        if self.rules.is_empty() || target.is_empty() {
            return None;
        }
        self.rules.get(&(kind, target.to_vec())).map(Vec::as_slice)
    }

    /// The same for an enumerator of the enumeration `of`.
    pub fn find_enumerator(&self, kind: Kind, of: &[u8], name: &[u8]) -> Option<&[u8]> {
        if self.rules.is_empty() || of.is_empty() || name.is_empty() {
            return None;
        }
        self.find(kind, &[of, b" ", name].concat())
    }
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    if rest.is_empty() {
        return Err(Fault::new("get_rule_field", "unexpected end of kABI rules"));
    }
    let end = memchr::memchr(0, rest).unwrap_or(rest.len());
    let text = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    Ok(text)
}

/// A decimal number as C's `strtoul` takes it: blanks and a sign before it, nothing behind.
pub fn number(value: &[u8]) -> Result<u64, Fault> {
    let refuse = || Fault::of("get_ulong_value", &[b"invalid unsigned value '", value, b"'"]);
    let is_blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    let text = &value[value.iter().take_while(|b| is_blank(b)).count()..];
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        // Without digits the number is 0, and what is left over is the whole text.
        return if value.is_empty() { Ok(0) } else { Err(refuse()) };
    }
    let mut sum = 0u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(refuse());
        }
        let next = sum.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
        sum = next.ok_or_else(refuse)?;
    }
    Ok(if is_negative { sum.wrapping_neg() } else { sum })
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::report::Report;
    use super::{Kind, Rules, number};

    fn read(section: &[u8]) -> (Result<Rules, String>, String) {
        let mut report = Report::new(Settings::default());
        let rules = Rules::read(section, &mut report)
            .map_err(|fault| String::from_utf8_lossy(&fault.text()).into_owned());
        (rules, String::from_utf8_lossy(&report.err).into_owned())
    }

    #[test]
    fn the_last_rule_for_a_target_counts() {
        let (rules, err) =
            read(b"1\0byte_size\0s\x008\x001\0byte_size\0s\x009\x001\0declonly\0s\0\0");
        let rules = rules.unwrap_or_default();
        assert_eq!(rules.find(Kind::ByteSize, b"s"), Some(&b"9"[..]));
        assert_eq!(rules.find(Kind::DeclarationOnly, b"s"), Some(&b""[..]));
        assert_eq!(rules.find(Kind::DeclarationOnly, b""), None);
        assert_eq!(err, "");
    }

    #[test]
    fn broken_sections() {
        for (section, wanted) in [
            (&b"1\0x\0\0"[..], "kabi_read_rules: kABI rule section too small: 5 bytes"),
            (b"1\0declonly\0s\0x", "kabi_read_rules: kABI rules are not null-terminated"),
            (b"2\0declonly\0s\0\0", "kabi_read_rules: unsupported kABI rule version: '2'"),
            (b"1\0other\0s\0\0", "kabi_read_rules: unsupported kABI rule type: 'other'"),
            (b"1\0declonly\0", "get_rule_field: unexpected end of kABI rules"),
        ] {
            let message = read(section).0.err().unwrap_or_default();
            assert_eq!(message, format!("error: gendwarfksyms: {wanted}\n"));
        }
        let (rules, err) = read(b"1\0declonly\0s\0\x001\0\0\0\0\0");
        assert!(rules.is_ok() && err.contains("unexpected data at the end"), "{err}");
    }

    #[test]
    fn numbers_are_strtoul_s() {
        for (text, wanted) in [
            (&b""[..], Some(0)),
            (b" 12", Some(12)),
            (b"-1", Some(u64::MAX)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"1 ", None),
            (b"0x1", None),
            (b" ", None),
        ] {
            assert_eq!(number(text).ok(), wanted, "{}", text.escape_ascii());
        }
    }
}
