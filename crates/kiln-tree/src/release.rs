//! Kernel releases (`6.12.117+deb12-amd64`) put in order.
//!
//! Knows nothing of where a release was read.

use std::cmp::Ordering;

/// Orders two releases by age as their numbers tell: `6.1.0-9` before `6.1.0-10`, `6.9` before
/// `6.12`, `6.12-rc3` before `6.12`. Total, so it can sort.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (va, ra) = split(a);
    let (vb, rb) = split(b);
    let len = va.len().max(vb.len());
    for i in 0..len {
        let (x, y) = (va.get(i).copied().unwrap_or(0), vb.get(i).copied().unwrap_or(0));
        if x != y {
            return x.cmp(&y);
        }
    }
    candidate(ra).cmp(&candidate(rb)).then_with(|| natural(ra, rb)).then_with(|| a.cmp(b))
}

/// The numbers at the front (`6.12.117`) and what follows them (`+deb12-amd64`).
fn split(release: &str) -> (Vec<u64>, &str) {
    let end = release.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(release.len());
    let numbers = release[..end]
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or(u64::MAX))
        .collect();
    (numbers, &release[end..])
}

/// Where the suffix puts a release among those of its number: the number of a release candidate,
/// everything final behind all candidates.
fn candidate(suffix: &str) -> u64 {
    let Some(rest) = suffix.strip_prefix("-rc").or_else(|| suffix.strip_prefix("~rc")) else {
        return u64::MAX;
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().unwrap_or(0)
}

/// Text order in which runs of digits count as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (na, ra) = number(a);
                let (nb, rb) = number(b);
                match na.len().cmp(&nb.len()).then_with(|| na.cmp(nb)) {
                    Ordering::Equal => (a, b) = (ra, rb),
                    other => return other,
                }
            }
            (Some(x), Some(y)) if x == y => (a, b) = (&a[1..], &b[1..]),
            (Some(x), Some(y)) => return x.cmp(y),
        }
    }
}

/// A run of digits without its leading zeros (so that length then text orders it), and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    let zeros = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    (&digits[zeros..], &text[end..])
}

/// Whether `spec` is a beginning of `release` that ends where a part of it ends: `6.12` and
/// `6.12.117` begin `6.12.117+deb12-amd64`, `6.1` does not.
pub fn begins(release: &str, spec: &str) -> bool {
    match release.strip_prefix(spec) {
        Some("") => true,
        Some(rest) => {
            let last = spec.bytes().last().unwrap_or(b' ');
            let next = rest.as_bytes()[0];
            let cut = last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric();
            !(spec.is_empty() || cut)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut releases = [
            "7.2.12+deb13-amd64",
            "6.1.0-9-amd64",
            "6.12",
            "6.1.0-10-amd64",
            "6.12-rc3",
            "5.10.0-33-amd64",
            "6.12.0-rc10",
            "6.9.3",
            "6.12.117+deb12-amd64",
            "6.12.9",
        ];
        releases.sort_by(|a, b| compare(a, b));
        assert_eq!(
            releases,
            [
                "5.10.0-33-amd64",
                "6.1.0-9-amd64",
                "6.1.0-10-amd64",
                "6.9.3",
                "6.12-rc3",
                "6.12.0-rc10",
                "6.12",
                "6.12.9",
                "6.12.117+deb12-amd64",
                "7.2.12+deb13-amd64",
            ]
        );
    }

    #[test]
    fn a_beginning_ends_with_a_part() {
        assert!(begins("6.12.117+deb12-amd64", "6.12"));
        assert!(begins("6.12.117+deb12-amd64", "6.12.117+deb12"));
        assert!(!begins("6.12.117+deb12-amd64", "6.1"));
        assert!(!begins("6.12.117", ""));
    }
}
