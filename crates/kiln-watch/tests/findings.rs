//! What was found in files: kept as a whole, nothing where it is damaged or another user's, and bounded.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::Temp;
use kiln_watch::{Finding, Findings};

const TWO: [Finding<'static>; 2] = [
    Finding { path: b"/k/a.h", identity: 7, found: b"A\nB\n" },
    Finding { path: b"/k/b.h", identity: u128::MAX, found: b"" },
];

/// Whether these are what is kept.
fn are(findings: &Findings, these: &[Finding<'_>]) -> bool {
    let (mut n, mut same) = (0, true);
    findings.each(|one| {
        same &= these.get(n) == Some(&one);
        n += 1;
    });
    same && n == these.len()
}

fn file(temp: &Temp) -> PathBuf {
    let mut dir = fs::read_dir(temp.path("cache/findings-1")).unwrap();
    dir.next().unwrap().unwrap().path()
}

#[test]
fn what_is_kept_comes_back() {
    let temp = Temp::new();
    let findings = Findings::open(&temp.path("cache"));
    assert!(are(&findings, &[]));
    findings.put(TWO.into_iter()).unwrap();
    assert!(are(&findings, &TWO));
    findings.put(TWO[..1].iter().copied()).unwrap();
    assert!(are(&findings, &TWO[..1]));
    assert!(findings.size() > 0);
    findings.clear().unwrap();
    assert!(are(&findings, &[]));
    assert_eq!(findings.size(), 0);
}

#[test]
fn what_is_damaged_cut_off_or_writable_by_others_is_none() {
    let temp = Temp::new();
    let findings = Findings::open(&temp.path("cache"));
    findings.put(TWO.into_iter()).unwrap();
    let file = file(&temp);
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        fs::write(&file, &whole[..at]).unwrap();
        assert!(are(&findings, &[]), "cut off at {at}");
        let mut other = whole.clone();
        other[at] ^= 1;
        fs::write(&file, &other).unwrap();
        assert!(are(&findings, &[]), "damaged at {at}");
    }
    fs::write(&file, &whole).unwrap();
    assert!(are(&findings, &TWO));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(are(&findings, &[]));
}

#[test]
fn what_is_too_much_is_not_kept() {
    let temp = Temp::new();
    let findings = Findings::open(&temp.path("cache"));
    findings.put(TWO.into_iter()).unwrap();
    let found = vec![b'x'; 1 << 20];
    findings.put([Finding { path: b"/k/a.h", identity: 1, found: &found }].into_iter()).unwrap();
    assert!(are(&findings, &TWO));
}
