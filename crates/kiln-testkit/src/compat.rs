//! The differences that are meant: rows of a table in COMPAT.md, each with its reason.
//!
//! The table is the one whose first heading cell is `case`: `| case | subject | reason |`. A `*` in the
//! first two cells stands for any text. It does not know what a case is.

use crate::diff::Difference;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which cases, as `name@series`.
    pub case: String,
    /// Which file, or `output`, `exit status`, `writes`.
    pub subject: String,
    /// Why a user would accept it.
    pub reason: String,
}

/// The rows in a document.
pub fn rows(document: &str) -> Vec<Row> {
    let mut list = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        let Some(body) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells: Vec<&str> =
            body.trim_end_matches('|').split('|').map(|c| c.trim().trim_matches('`')).collect();
        match cells.as_slice() {
            ["case", "subject", "reason", ..] => inside = true,
            [case, ..] if case.starts_with("---") => {}
            [case, subject, reason, ..] if inside => list.push(Row {
                case: (*case).to_owned(),
                subject: (*subject).to_owned(),
                reason: (*reason).to_owned(),
            }),
            _ => {}
        }
    }
    list
}

/// Takes the expected differences of `case` out of `found` and returns the rows that were about this
/// case but met no difference: an expected difference that does not occur is a failure too.
pub fn settle<'a>(rows: &'a [Row], case: &str, found: &mut Vec<Difference>) -> Vec<&'a Row> {
    let mut idle = Vec::new();
    for row in rows.iter().filter(|r| like(&r.case, case)) {
        let before = found.len();
        found.retain(|d| !like(&row.subject, &d.subject));
        if found.len() == before {
            idle.push(row);
        }
    }
    idle
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text.
pub fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(like("a/*", "a/b") && like("*", "") && like("a*c*e", "abcde") && like("x", "x"));
        assert!(!like("a/*", "b/a/") && !like("x", "xy") && !like("a*b", "a"));
    }

    #[test]
    fn an_expected_difference_must_occur() {
        let text =
            "# T\n\n| case | subject | reason |\n|---|---|---|\n| `a/*` | `output` | because |\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 1);
        let d = Difference { step: 1, subject: "output".into(), how: String::new() };
        let mut found = vec![d];
        assert!(settle(&rows, "a/b@6.1", &mut found).is_empty() && found.is_empty());
        assert_eq!(settle(&rows, "a/b@6.1", &mut found).len(), 1);
        assert!(settle(&rows, "b/b@6.1", &mut found).is_empty());
    }
}
