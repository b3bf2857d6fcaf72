//! Shell patterns as modpost's tables use them: `*` is the only special character.
//!
//! It does not know what is matched.

/// Whether `pattern` matches all of `text`; `*` stands for any bytes, also none.
pub(super) fn glob(pattern: &str, text: &[u8]) -> bool {
    let mut parts = pattern.as_bytes().split(|&b| b == b'*');
    let Some(first) = parts.next() else { return text.is_empty() };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut tail: Option<&[u8]> = None;
    for part in parts {
        // What was taken for the end so far turns out to be in the middle: its first place serves.
        if let Some(middle) = tail {
            let Some(at) = memchr::memmem::find(rest, middle) else { return false };
            rest = &rest[at + middle.len()..];
        }
        tail = Some(part);
    }
    tail.map_or(rest.is_empty(), |end| rest.ends_with(end))
}

/// Whether any of the patterns matches.
pub(super) fn any(patterns: &[&str], text: &[u8]) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars() {
        for (pattern, text, want) in [
            (".text", ".text", true),
            (".text", ".text.", false),
            (".text.*", ".text.", true),
            (".text.*", ".text", false),
            ("*_ops", "my_ops", true),
            ("*_ops", "_ops", true),
            ("*_ops", "my_ops2", false),
            ("*.constprop.*", "f.constprop.0", true),
            ("*.constprop.*", "f.constprop", false),
            ("*_ops.llvm.*", "a_ops.llvm.1", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text.as_bytes()), want, "{pattern} {text}");
        }
    }
}
