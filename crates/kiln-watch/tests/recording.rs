//! What Kiln itself looks at, recorded: a later run may answer from it as long as it all stands.

mod common;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{Temp, bytes};
use kiln_base::{RealSys, Sys};
use kiln_watch::{Observations, RealEye, Recorder, Why, still_holds};

/// Records what a closure asks, in a directory.
fn record(temp: &Temp, ask: impl Fn(&dyn Sys)) -> Result<Observations, kiln_watch::Opaque> {
    let recorder = Recorder::new(Arc::new(RealEye));
    let real = RealSys::current().unwrap().at(&bytes(&temp.0)).unwrap();
    let sys = recorder.around(real);
    ask(&sys);
    recorder.observations()
}

fn holds(seen: &Observations) -> bool {
    still_holds(seen, &RealEye).is_ok()
}

fn look(sys: &dyn Sys) {
    assert_eq!(sys.read(b"Kbuild").unwrap(), b"obj-m := a.o\n");
    assert!(sys.read(b"Makefile").is_err());
    sys.stat(b"a.c").unwrap();
    assert!(sys.stat(b"a.o").is_err());
    let sub = sys.at(b"sub").unwrap();
    assert_eq!(sub.list(b"").unwrap().len(), 1);
    sub.lstat(b"link").unwrap();
    assert_eq!(sub.readlink(b"link").unwrap(), b"../a.c");
    assert!(sub.realpath(b"link").unwrap().ends_with(b"/a.c"));
    sub.stat(b"link").unwrap();
}

fn filled() -> Temp {
    let temp = Temp::new();
    temp.write("Kbuild", "obj-m := a.o\n");
    temp.write("a.c", "int a;\n");
    fs::create_dir(temp.path("sub")).unwrap();
    std::os::unix::fs::symlink("../a.c", temp.path("sub/link")).unwrap();
    // The directories are older than what is done in the tests.
    temp
}

#[test]
fn every_kind_of_change_is_noticed() {
    type Change = fn(&Temp);
    let changes: &[(&str, Change)] = &[
        ("same size, same times", |t| {
            let when = fs::metadata(t.path("Kbuild")).unwrap().modified().unwrap();
            t.write("Kbuild", "obj-m := b.o\n");
            let file = fs::File::options().write(true).open(t.path("Kbuild")).unwrap();
            file.set_modified(when).unwrap();
        }),
        ("a makefile appears", |t| drop(t.write("Makefile", ""))),
        ("a source is touched", |t| {
            let file = fs::File::options().write(true).open(t.path("a.c")).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
        }),
        ("an object appears", |t| drop(t.write("a.o", ""))),
        ("a directory gains a file", |t| drop(t.write("sub/b.c", ""))),
        ("a link leads elsewhere", |t| {
            fs::remove_file(t.path("sub/link")).unwrap();
            std::os::unix::fs::symlink("../Kbuild", t.path("sub/link")).unwrap();
        }),
        ("a directory goes", |t| fs::remove_dir_all(t.path("sub")).unwrap()),
        ("a file becomes a directory", |t| {
            fs::remove_file(t.path("a.c")).unwrap();
            fs::create_dir(t.path("a.c")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let temp = filled();
        let seen = record(&temp, look).unwrap();
        assert!(holds(&seen), "{what}");
        change(&temp);
        assert!(!holds(&seen), "{what}");
    }
}

#[test]
fn reading_the_same_text_again_holds() {
    let temp = filled();
    let seen = record(&temp, |sys| drop(sys.read(b"Kbuild"))).unwrap();
    // Written anew with the same text: it was read, not compared by its time.
    temp.write("Kbuild", "obj-m := a.o\n");
    assert!(holds(&seen));
    assert!(seen.facts.len() == 1);
}

#[test]
fn what_is_asked_twice_is_noted_once() {
    let temp = filled();
    let seen = record(&temp, |sys| (0..3).for_each(|_| look(sys))).unwrap();
    let once = record(&temp, look).unwrap();
    assert_eq!(seen.facts.len(), once.facts.len());
}

#[test]
fn change_in_the_middle_of_a_run() {
    let temp = filled();
    let seen = record(&temp, |sys| {
        sys.read(b"Kbuild").unwrap();
        temp.write("Kbuild", "obj-m := longer.o\n");
    });
    assert_eq!(seen.unwrap_err().why, Why::Changed);
    let seen = record(&temp, |sys| {
        assert!(sys.stat(b"new").is_err());
        temp.write("new", "");
        sys.stat(b"new").unwrap();
    });
    assert_eq!(seen.unwrap_err().why, Why::Changed);
}

#[test]
fn run_that_writes_does_not_hold_the_next_time() {
    let temp = filled();
    let seen = record(&temp, |sys| {
        assert!(sys.stat(b"out").is_err());
        sys.write(b"out", b"1", false).unwrap();
        sys.stat(b"out").unwrap();
    })
    .unwrap();
    assert_eq!(seen.effects.len(), 1);
    assert!(!holds(&seen));
}

#[test]
fn file_from_the_future_is_no_fact() {
    let temp = filled();
    let file = fs::File::options().write(true).open(temp.path("a.c")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(1000)).unwrap();
    assert_eq!(record(&temp, look).unwrap_err().why, Why::File);
}

#[test]
fn one_look_for_each_path() {
    let temp = Temp::new();
    for i in 0..50 {
        temp.write(&format!("f{i}"), "");
    }
    let one = record(&temp, |sys| {
        (0..50).for_each(|i| drop(sys.stat(format!("f{i}").as_bytes())));
    })
    .unwrap();
    let mut checker = kiln_watch::Checker::new(&RealEye);
    checker.check(&one).unwrap();
    checker.check(&one).unwrap();
    assert_eq!(checker.looks(), 50);
}

#[test]
fn a_file_read_in_pieces_is_as_good_as_one_read_whole() {
    use std::io::Read as _;
    let temp = filled();
    let pieces = record(&temp, |sys| {
        let mut text = Vec::new();
        sys.open(b"Kbuild").unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(text, b"obj-m := a.o\n");
        assert!(sys.open(b"Makefile").is_err());
    });
    let whole = record(&temp, |sys| {
        sys.read(b"Kbuild").unwrap();
        assert!(sys.read(b"Makefile").is_err());
    });
    let (pieces, whole) = (pieces.unwrap(), whole.unwrap());
    assert_eq!(pieces.facts, whole.facts);
    temp.write("Kbuild", "obj-m := b.o\n");
    assert!(!holds(&pieces));
}

#[test]
fn a_file_not_read_to_its_end_tells_nothing() {
    use std::io::Read as _;
    let temp = filled();
    let seen = record(&temp, |sys| {
        let mut one = [0];
        sys.open(b"Kbuild").unwrap().read_exact(&mut one).unwrap();
    });
    assert!(seen.is_err());
}
