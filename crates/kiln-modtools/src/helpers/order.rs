//! The check of `scripts/modules-check.sh`: no two modules of a build may have one name.

/// How the conflicting entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As they are (6.1).
    AsListed,
    /// With `.ko` in the place of `.o` (6.12 and later).
    AsModule,
}

/// The messages about modules of the same name in a list such as `modules.order`; empty if there are
/// none. The check's exit status is 1 if there are any.
///
/// Nothing is given for names that would mean something to the shell or to `sed`.
#[must_use]
pub fn name_conflicts(list: &[u8], shown: Shown) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = list.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    let base = |line: &&[u8]| memchr::memrchr(b'/', line).map_or(0, |slash| slash + 1);
    let mut names: Vec<&[u8]> = lines.iter().map(|line| &line[base(line)..]).collect();
    let strange = |&b: &u8| b.is_ascii_whitespace() || b"*?[]\\^$".contains(&b) || b == 0;
    if names.iter().any(|name| name.iter().any(strange)) {
        return None;
    }
    names.sort_unstable();
    let mut messages = Vec::new();
    let mut last: Option<&[u8]> = None;
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1] && !pair[0].is_empty()) {
        if last == Some(pair[0]) {
            continue;
        }
        last = Some(pair[0]);
        messages.extend_from_slice(b"error: the following would cause module name conflict:\n");
        for line in lines.iter().filter(|line| mentions(line, pair[0])) {
            let shown_line = match shown {
                Shown::AsListed => Some((*line, &b""[..])),
                Shown::AsModule => line.strip_suffix(b".o").map(|stem| (stem, &b".ko"[..])),
            };
            if let Some((stem, suffix)) = shown_line {
                for part in [b"  ", stem, suffix, b"\n"] {
                    messages.extend_from_slice(part);
                }
            }
        }
    }
    Some(messages)
}

/// Whether a line holds a slash and then the name, in which a dot stands for any character.
fn mentions(line: &[u8], name: &[u8]) -> bool {
    memchr::memchr_iter(b'/', line).any(|slash| {
        let rest = &line[slash + 1..];
        rest.len() >= name.len() && name.iter().zip(rest).all(|(&n, &c)| n == b'.' || n == c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts() {
        let check = |list: &str, shown, want: Option<&str>| {
            let got = name_conflicts(list.as_bytes(), shown);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{list}");
        };
        let head = "error: the following would cause module name conflict:\n";
        check("a/x.o\nb/y.o\n", Shown::AsModule, Some(""));
        check("", Shown::AsModule, Some(""));
        check("a/x.o\nb/x.o\n", Shown::AsModule, Some(&format!("{head}  a/x.ko\n  b/x.ko\n")));
        check("a/x.ko\nb/x.ko\n", Shown::AsListed, Some(&format!("{head}  a/x.ko\n  b/x.ko\n")));
        // An entry without a directory takes part, but is not shown.
        check("x.o\nb/x.o\n", Shown::AsModule, Some(&format!("{head}  b/x.ko\n")));
        check("a/x y.o\nb/x.o\n", Shown::AsModule, None);
    }
}
