//! The harness itself: it must be green where two programs do the same and red wherever they do not.
//! Shell scripts stand for the two programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kiln_testkit::Who::{Reference as R, Subject as S};
use kiln_testkit::compat::Row;
use kiln_testkit::place::Sources;
use kiln_testkit::{Case, Harness, KernelTree, Signal, Verdict, cache};

fn script(name: &str, body: &str) -> PathBuf {
    let dir = cache::work_root().join("selftest");
    let _ = fs::create_dir_all(&dir);
    let path = dir.join(format!("{name}-{}", cache::identity(body.as_bytes())));
    // Tests that run at the same time write the same scripts.
    let tmp = path.with_extension(format!("{:?}", std::thread::current().id()));
    let done = fs::write(&tmp, format!("#!/bin/sh\n{body}\n"))
        .and_then(|()| fs::set_permissions(&tmp, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&tmp, &path));
    assert!(done.is_ok(), "{done:?}");
    path
}

fn tree() -> KernelTree {
    KernelTree {
        series: "selftest".to_owned(),
        release: "0".to_owned(),
        dir: PathBuf::from("/nonexistent"),
        identity: String::new(),
        ..KernelTree::default()
    }
}

fn run(case: &Case, reference: &str, subject: &str, expected: Vec<Row>) -> Verdict {
    let (a, b) = (script("a", reference), script("b", subject));
    match Harness::new(&a, &b, Sources::default()) {
        Ok(mut h) => {
            h.expected = expected;
            h.run(case, &tree()).verdict
        }
        Err(e) => Verdict::Skipped(e.to_string()),
    }
}

/// What the harness says about two programs that differ.
fn said(name: &str, reference: &str, subject: &str) -> String {
    let case = Case::new(&format!("selftest/{name}")).run("make").run("make again");
    match run(&case, reference, subject, Vec::new()) {
        Verdict::Differs(list) => list.join("\n"),
        other => format!("{other:?}"),
    }
}

#[test]
fn same_is_same() {
    let case = Case::new("selftest/same").file("x", "1\n").run("make").run("make; exit 3");
    let one = "echo b; echo a; cp x y; ln -sf x z; mkdir -p d";
    let other = "echo a; mkdir -p d; ln -sf x z; cp x y; echo b >&2";
    assert_eq!(run(&case, one, other, Vec::new()), Verdict::Same);
}

#[test]
fn every_kind_of_difference_is_seen() {
    assert!(said("output", "echo a", "echo b").contains("output"));
    assert!(said("status", "exit 1", "exit 2").contains("exit 2, expected exit 1"));
    assert!(said("signal", "exit 9", "kill -9 $$").contains("exit status"));
    assert!(said("missing", ": >f", ":").contains("m/f: is missing"));
    assert!(said("more", ":", ": >f").contains("m/f: should not be there"));
    assert!(said("mode", ": >f", ": >f; chmod 600 f").contains("has mode 600, expected 644"));
    assert!(said("line", "printf 'a\\nb\\n' >f", "printf 'a\\nc\\n' >f").contains("line 2"));
    assert!(said("bytes", "printf 'a\\0b' >f", "printf 'a\\0c' >f").contains("byte 2"));
    assert!(said("link", "ln -s a f", "ln -s b f").contains("m/f"));
    assert!(said("kind", "mkdir f", ": >f").contains("is a file, expected a directory"));
    assert!(said("above", ":", ": >../f").contains("f: should not be there"));
    assert!(said("second", ":", "[ $# = 0 ] || echo x").contains("step 2"));
}

#[test]
fn expected_differences_must_occur() {
    let row =
        Row { case: "selftest/expected@*".into(), subject: "output".into(), reason: "test".into() };
    let case = Case::new("selftest/expected").run("make");
    assert_eq!(run(&case, "echo a", "echo b", vec![row.clone()]), Verdict::Same);
    let said = format!("{:?}", run(&case, "echo a", "echo a", vec![row]));
    assert!(said.contains("did not occur"), "{said}");
}

#[test]
fn turns_compare_what_was_written() {
    let case = Case::new("selftest/turns").run("make").run("make").run("make").turns(&[R, S, R]);
    let careful = "[ -e f ] || echo made >f";
    assert_eq!(run(&case, careful, careful, Vec::new()), Verdict::Same);
    let eager = "echo made >f";
    assert!(format!("{:?}", run(&case, careful, eager, Vec::new())).contains("wrote [m/f]"));
}

#[test]
fn signals_reach_the_program() {
    let line = "exec make";
    let case = |name: &str, group| {
        Case::new(name).interrupted(line, Signal::Term, group, "m/started").run("make")
    };
    let dies = "[ -e started ] && exit 0; : >started; exec sleep 100";
    assert_eq!(run(&case("selftest/signal-group", true), dies, dies, Vec::new()), Verdict::Same);
    let traps = "[ -e started ] && exit 0; trap 'exit 2' TERM; : >started; sleep 100 & wait";
    let verdict = run(&case("selftest/signal-alone", false), dies, traps, Vec::new());
    assert!(format!("{verdict:?}").contains("exit 2, expected signal 15"), "{verdict:?}");
}
