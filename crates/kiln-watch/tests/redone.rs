//! Recipes whose doing again is more than new times: one that takes its input away and gives what it made the
//! input's time, and a copy that is gone.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::Temp;
use common::recipe::{answered, kept, learn, set_time, world};
use kiln_watch::Why;

/// A recipe that takes its input away is known; the input is made anew, something happens, and it is
/// answered or not.
fn after_packing(lines: &[&str], change: impl Fn(&Temp), expected: bool) {
    let Some(temp) = world() else { return };
    set_time(&temp.path("work/more"), 100);
    for _ in 0..2 {
        temp.write("work/in", "one\n");
        learn(&temp, lines).unwrap();
        assert!(!temp.path("work/in").exists());
    }
    temp.write("work/in", "one\n");
    set_time(&temp.path("work/in"), 0);
    change(&temp);
    let stamp = |name: &str| {
        let is = fs::symlink_metadata(temp.path(name)).ok()?;
        Some((is.ino(), is.len(), is.modified().unwrap()))
    };
    let before = ["work/in", "work/out.x"].map(stamp);
    assert_eq!(answered(&temp), expected);
    match (expected, before) {
        // Nothing was touched, so that it can be carried out as ever.
        (false, before) => assert_eq!(["work/in", "work/out.x"].map(stamp), before),
        (true, [Some((_, _, time)), Some((number, size, _))]) => {
            assert!(!temp.path("work/in").exists());
            assert_eq!(stamp("work/out.x"), Some((number, size, time)));
        }
        (true, _) => panic!("{before:?}"),
    }
}

const TAKE: &[&str] = &["cp --preserve=timestamps in out.x; rm in"];

#[test]
fn an_input_that_it_takes_away_goes_and_its_time_is_given() {
    after_packing(TAKE, |_| {}, true);
    after_packing(TAKE, |t| set_time(&t.path("work/in"), 5000), true);
    after_packing(&["cat in > out.x; touch -r in out.x; rm in"], |_| {}, true);
    after_packing(
        &[
            "echo packing; cat in > x; cat x more > in.x",
            "rm x; cp --preserve=timestamps in out.x",
            "rm in",
        ],
        |_| {},
        true,
    );
}

#[test]
fn an_input_that_it_takes_away_has_to_be_the_same() {
    after_packing(TAKE, |t| drop(t.write("work/in", "two\n")), false);
    after_packing(TAKE, |t| drop(t.write("work/in", "longer\n")), false);
    after_packing(TAKE, |t| fs::remove_file(t.path("work/in")).unwrap(), false);
    let mode = |t: &Temp| {
        fs::set_permissions(t.path("work/in"), fs::Permissions::from_mode(0o600)).unwrap();
    };
    after_packing(TAKE, mode, false);
    let link = |t: &Temp| {
        fs::rename(t.path("work/in"), t.path("work/real")).unwrap();
        std::os::unix::fs::symlink("real", t.path("work/in")).unwrap();
    };
    after_packing(TAKE, link, false);
    after_packing(TAKE, |t| fs::hard_link(t.path("work/in"), t.path("work/name")).unwrap(), false);
    // Who gives a time gives an owner too, where it may.
    if rustix::process::geteuid().is_root() {
        let give =
            |t: &Temp| std::os::unix::fs::chown(t.path("work/in"), Some(65534), None).unwrap();
        after_packing(TAKE, give, false);
        let share =
            |t: &Temp| std::os::unix::fs::chown(t.path("work/in"), None, Some(65534)).unwrap();
        after_packing(TAKE, share, false);
        let share =
            |t: &Temp| std::os::unix::fs::chown(t.path("work/out.x"), None, Some(65534)).unwrap();
        after_packing(TAKE, share, false);
    }
}

#[test]
fn what_it_made_of_it_has_to_be_there() {
    after_packing(TAKE, |t| fs::remove_file(t.path("work/out.x")).unwrap(), false);
    after_packing(TAKE, |t| drop(t.write("work/out.x", "two\n")), false);
    after_packing(
        TAKE,
        |t| fs::hard_link(t.path("work/out.x"), t.path("work/name")).unwrap(),
        false,
    );
}

#[test]
fn what_packs_files() {
    for line in ["xz --check=crc32 -f in", "zstd --rm -f -q in"] {
        let name = line.split(' ').next().unwrap();
        let Some(temp) = world().filter(|_| Path::new("/usr/bin").join(name).exists()) else {
            continue;
        };
        for _ in 0..2 {
            temp.write("work/in", "one\n");
            learn(&temp, &[line]).unwrap();
        }
        temp.write("work/in", "one\n");
        let time = fs::metadata(temp.path("work/in")).unwrap().modified().unwrap();
        assert!(answered(&temp), "{:?}", kept(&temp).again());
        assert!(!temp.path("work/in").exists());
        let end =
            ["work/in.xz", "work/in.zst"].iter().find_map(|n| fs::metadata(temp.path(n)).ok());
        assert_eq!(end.unwrap().modified().unwrap(), time);
    }
}

/// Of two files that were read and have one time it cannot be told whose was given.
#[test]
fn a_time_that_several_have_is_nobodys() {
    let Some(temp) = world() else { return };
    let time = SystemTime::now() - Duration::from_nanos(7_000_000_123);
    for name in ["work/in", "work/more"] {
        fs::File::options().append(true).open(temp.path(name)).unwrap().set_modified(time).unwrap();
    }
    let line = "cat more > /dev/null; cp --preserve=timestamps in out";
    assert_eq!(learn(&temp, &[line]).unwrap_err().why, Why::Changed);
    set_time(&temp.path("work/more"), 50);
    learn(&temp, &[line]).unwrap();
}

/// A time in whole seconds is likely to be one that somebody chose.
#[test]
fn a_time_in_whole_seconds_is_nobodys() {
    let Some(temp) = world() else { return };
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options()
        .append(true)
        .open(temp.path("work/in"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    for line in ["cat in > out; touch -d @1000000000 out", "cp --preserve=timestamps in out"] {
        assert_eq!(learn(&temp, &[line]).expect_err(line).why, Why::Effect);
    }
}

/// A copy is known that was made where nothing had been, and is gone; then something happens.
fn after_copying(change: impl Fn(&Temp), expected: bool) {
    let Some(temp) = world() else { return };
    learn(&temp, &["cp in out; test -f absent || echo no"]).unwrap();
    fs::remove_file(temp.path("work/out")).unwrap();
    change(&temp);
    let before = fs::read(temp.path("work/out"));
    assert_eq!(answered(&temp), expected);
    if expected {
        assert_eq!(fs::read(temp.path("work/out")).unwrap(), b"one\n");
        let mode = |name| fs::metadata(temp.path(name)).unwrap().mode();
        assert_eq!(mode("work/out"), mode("work/in"));
    } else {
        assert_eq!(fs::read(temp.path("work/out")).ok(), before.ok());
    }
}

#[test]
fn a_copy_that_is_gone_is_made_anew() {
    after_copying(|_| {}, true);
    after_copying(|t| set_time(&t.path("work/in"), 5000), true);
    after_copying(|t| drop(t.write("work/in", "two\n")), false);
    after_copying(|t| drop(t.write("work/absent", "")), false);
    after_copying(|t| drop(t.write("work/out", "one\n")), false);
    after_copying(|t| fs::create_dir(t.path("work/out")).unwrap(), false);
    after_copying(|t| std::os::unix::fs::symlink("more", t.path("work/out")).unwrap(), false);
}

/// A directory that hands on its group is given to another.
#[test]
fn a_copy_that_would_be_anothers_is_not_made() {
    let Some(temp) = world().filter(|_| rustix::process::geteuid().is_root()) else { return };
    let work = temp.path("work");
    fs::set_permissions(&work, fs::Permissions::from_mode(0o2755)).unwrap();
    learn(&temp, &["cp in out"]).unwrap();
    fs::remove_file(temp.path("work/out")).unwrap();
    std::os::unix::fs::chown(&work, None, Some(65534)).unwrap();
    assert!(!answered(&temp));
    assert!(!temp.path("work/out").exists());
    std::os::unix::fs::chown(&work, None, Some(0)).unwrap();
    assert!(answered(&temp));
}

#[test]
fn a_copy_for_which_there_is_no_room() {
    let Some(temp) = world() else { return };
    let mount = |what: &[&str]| {
        let done = std::process::Command::new("mount").args(what).arg(temp.path("work")).output();
        done.is_ok_and(|o| o.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=64k", "none"]) {
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        temp.write("work/in", &"text\n".repeat(6000));
        learn(&temp, &["cp in out"]).unwrap();
        fs::remove_file(temp.path("work/out")).unwrap();
        temp.write("work/fills", &"text\n".repeat(6000));
        assert!(!answered(&temp));
        assert!(!temp.path("work/out").exists());
        fs::remove_file(temp.path("work/fills")).unwrap();
        assert!(answered(&temp));
    });
    let _ = std::process::Command::new("umount").arg(temp.path("work")).status();
    outcome.unwrap();
}
