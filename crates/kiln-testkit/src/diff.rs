//! What differs between two states of a directory, and between two runs' output, in words that name
//! file, section or line. It judges nothing: every difference is one.

use std::collections::BTreeSet;

use crate::elf;
use crate::snapshot::{Snapshot, Store};

/// One difference. `subject` is a file's name, or `exit status`, `output`, `writes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step, counted from 1.
    pub step: usize,
    /// What differs.
    pub subject: String,
    /// How.
    pub how: String,
}

/// Differences between the expected state and the found one; contents come from the stores.
pub fn states(
    step: usize,
    expected: (&Snapshot, &Store),
    found: (&Snapshot, &Store),
) -> Vec<Difference> {
    let names: BTreeSet<&Vec<u8>> =
        expected.0.entries.keys().chain(found.0.entries.keys()).collect();
    let mut list = Vec::new();
    for name in names {
        let how = match (expected.0.entries.get(name), found.0.entries.get(name)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), None) => format!("is missing (expected: {})", kind(a.kind)),
            (None, Some(b)) => format!("should not be there ({})", kind(b.kind)),
            (Some(a), Some(b)) if a.kind != b.kind => {
                format!("is a {}, expected a {}", kind(b.kind), kind(a.kind))
            }
            (Some(a), Some(b)) if a.identity == b.identity => {
                format!("has mode {:o}, expected {:o}", b.mode, a.mode)
            }
            (Some(a), Some(b)) => match (expected.1.get(&a.identity), found.1.get(&b.identity)) {
                (Ok(x), Ok(y)) => contents(&x, &y),
                _ => "has other content".to_owned(),
            },
            (None, None) => continue,
        };
        list.push(Difference { step, subject: lossy(name), how });
    }
    list
}

/// In words, how two contents that differ do so.
pub fn contents(expected: &[u8], found: &[u8]) -> String {
    if let Some(said) = elf::describe(expected, found) {
        return said;
    }
    if expected.contains(&0) || found.contains(&0) {
        let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
        return format!("differs at byte {at} ({} and {} bytes)", expected.len(), found.len());
    }
    let mut a = expected.split(|&b| b == b'\n');
    let mut b = found.split(|&b| b == b'\n');
    let mut line = 1;
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => line += 1,
            (x, y) => {
                return format!(
                    "line {line}\n        expected: {}\n        found:    {}",
                    shown(x),
                    shown(y)
                );
            }
        }
    }
}

/// Differences between two outputs, compared as sorted lines: builds run side by side, and the order
/// in which their lines come is chance.
pub fn outputs(step: usize, expected: &[u8], found: &[u8]) -> Option<Difference> {
    let sorted = |o: &[u8]| {
        let mut lines: Vec<Vec<u8>> = o.split(|&b| b == b'\n').map(without_chance).collect();
        lines.sort();
        lines
    };
    let (a, b) = (sorted(expected), sorted(found));
    if a == b {
        return None;
    }
    let minus = |x: &[Vec<u8>], y: &[Vec<u8>]| {
        let mut rest = y.to_vec();
        let mut only = Vec::new();
        for line in x {
            match rest.iter().position(|r| r == line) {
                Some(i) => drop(rest.swap_remove(i)),
                None => only.push(line.clone()),
            }
        }
        only
    };
    let mut how = String::from("lines");
    for (mark, lines) in [("missing:", minus(&a, &b)), ("extra:  ", minus(&b, &a))] {
        for line in lines.iter().take(12) {
            how.push_str(&format!("\n        {mark} {}", shown(Some(line))));
        }
        if lines.len() > 12 {
            how.push_str(&format!("\n        {mark} and {} more", lines.len() - 12));
        }
    }
    Some(Difference { step, subject: "output".to_owned(), how })
}

/// A line with what is chance in it taken out: the process number in a probe's directory (`.tmp_123`,
/// Makefile.compiler) and the letters in a compiler's temporary file (`/tmp/ccAbC123.o`).
fn without_chance(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(&first) = rest.first() {
        if let Some(tail) = rest.strip_prefix(b".tmp_") {
            let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            out.extend_from_slice(b".tmp_");
            rest = &tail[digits..];
            continue;
        }
        // How far in the future a stamp lies depends on when it is looked at.
        if let Some(tail) = rest.strip_prefix(b"has modification time ") {
            let number = tail.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
            out.extend_from_slice(b"has modification time ");
            rest = &tail[number..];
            continue;
        }
        if let Some(tail) = rest.strip_prefix(b"/tmp/cc")
            && tail.len() >= 6
            && tail[..6].iter().all(u8::is_ascii_alphanumeric)
        {
            out.extend_from_slice(b"/tmp/cc");
            rest = &tail[6..];
            continue;
        }
        out.push(first);
        rest = &rest[1..];
    }
    out
}

fn shown(line: Option<&[u8]>) -> String {
    match line {
        None => "(no such line)".to_owned(),
        Some(l) if l.len() > 400 => format!("{}…", lossy(&l[..400])),
        Some(l) => lossy(l),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn kind(c: char) -> &'static str {
    match c {
        'f' => "file",
        'd' => "directory",
        'l' => "link",
        'p' => "fifo",
        _ => "special file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_lines_does_not_count_but_number_does() {
        assert_eq!(outputs(1, b"a\nb\n", b"b\na\n"), None);
        assert!(outputs(1, b"a\na\nb\n", b"a\nb\nb\n").is_some());
        assert!(outputs(1, b"a\n", b"a").is_some());
    }

    #[test]
    fn chance_in_names_does_not_count() {
        let said = outputs(1, b"x/.tmp_12/a /tmp/ccabcDEF.o", b"x/.tmp_345/a /tmp/ccghiJKL.o");
        assert_eq!(said, None);
        assert!(outputs(1, b".tmp_x", b".tmp_y").is_some());
        let future = |n: &str| format!("File 'a' has modification time {n} s in the future");
        assert_eq!(outputs(1, future("12").as_bytes(), future("1.5").as_bytes()), None);
        assert!(outputs(1, future("12").as_bytes(), b"File 'a' has modification time").is_some());
    }

    #[test]
    fn text_difference_names_the_line() {
        assert!(contents(b"a\nb\nc\n", b"a\nx\nc\n").starts_with("line 2"));
        assert!(contents(b"a\n", b"a\nb\n").starts_with("line 2"));
    }
}
