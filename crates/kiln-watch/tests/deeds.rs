//! Recipes that were watched and are answered: all that they rest on has to be as it was, and what they
//! leave, say and stamp has to be as if they had run.

mod common;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use common::{PATH, Temp, bytes, can_watch, env};
use kiln_watch::{
    Command, Eye, KeptRecipe, Key, Opaque, Outcome, RealEye, Recipes, Running, Said, Sink, Source,
    Steps, Why,
};

const KEY: Key = Key(7);

fn given(file: &fs::File) -> OwnedFd {
    file.as_fd().try_clone_to_owned().unwrap()
}

/// Runs lines as the commands of one recipe; what came of it is kept, and goes to disk and back.
fn learn(temp: &Temp, lines: &[&str]) -> Result<(), Opaque> {
    let mut steps = Steps::new(vec![b"/tmp/GMfifo4711".to_vec()]);
    let out = fs::File::create(temp.path("said-out")).unwrap();
    let err = fs::File::create(temp.path("said-err")).unwrap();
    for line in lines {
        let command = Command {
            program: b"/bin/sh".to_vec(),
            argv: vec![b"/bin/sh".to_vec(), b"-c".to_vec(), line.as_bytes().to_vec()],
            env: env(&[("PATH", &format!("{}:{PATH}", temp.text("bin")))]),
            dir: bytes(&temp.path("work")),
            stdin: Source::Null,
            stdout: Sink::Given(given(&out)),
            stderr: Sink::Given(given(&err)),
        };
        assert!(steps.run(&command, &Running::default()).unwrap().success(), "{line}");
        if let Some(opaque) = steps.opaque() {
            return Err(opaque.clone());
        }
    }
    let recipes = Recipes::open(&temp.path("cache"));
    let kept = RealEye.now();
    let outcome = Outcome::Deed(steps.finish()?);
    recipes.put(KEY, &KeptRecipe { kept, outcome, ..KeptRecipe::default() }).unwrap();
    Ok(())
}

fn kept(temp: &Temp) -> KeptRecipe {
    Recipes::open(&temp.path("cache")).get(KEY).unwrap_or_default()
}

/// Whether it is answered now.
fn answered(temp: &Temp) -> bool {
    kept(temp).carry_out().is_some()
}

fn world() -> Option<Temp> {
    can_watch().then(|| {
        let temp = Temp::new();
        temp.write("work/in", "one\n");
        temp.write("work/more", "more\n");
        fs::create_dir(temp.path("bin")).unwrap();
        temp
    })
}

/// A recipe is known; then something happens, and it is answered or not.
fn after(change: impl Fn(&Temp), expected: bool) {
    let Some(temp) = world() else { return };
    learn(&temp, &["cat in more > out; test -f absent || echo no >> out"]).unwrap();
    // What was there before the recipe is seen too, so that it is known in both ways.
    learn(&temp, &["cat in more > out; test -f absent || echo no >> out"]).unwrap();
    assert!(answered(&temp));
    change(&temp);
    assert_eq!(answered(&temp), expected);
    if expected {
        assert_eq!(fs::read_to_string(temp.path("work/out")).unwrap(), "one\nmore\nno\n");
    }
}

#[test]
fn what_is_said_and_left_is_as_if_it_had_run() {
    let Some(temp) = world() else { return };
    let lines = ["echo making; cat in more > out; echo hm >&2", "cat out > out2; rm out"];
    learn(&temp, &lines).unwrap();
    let said: Vec<Said> = kept(&temp).carry_out().unwrap().to_vec();
    assert_eq!(said[0], [(1, b"making\n".to_vec()), (2, b"hm\n".to_vec())]);
    assert_eq!(said[1], []);
    assert_eq!(fs::read_to_string(temp.path("work/out2")).unwrap(), "one\nmore\n");
    assert!(!temp.path("work/out").exists());
    assert_eq!(fs::read_to_string(temp.path("said-out")).unwrap(), "making\n");
}

fn set_time(path: &Path, back: u64) {
    let time = SystemTime::now() - Duration::from_secs(back);
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn files_get_new_times() {
    let Some(temp) = world() else { return };
    learn(&temp, &["cat in > out"]).unwrap();
    learn(&temp, &["cat in > out"]).unwrap();
    set_time(&temp.path("work/out"), 1000);
    set_time(&temp.path("work/in"), 500);
    assert!(answered(&temp));
    let time = |name: &str| fs::metadata(temp.path(name)).unwrap().modified().unwrap();
    assert!(time("work/out") > time("work/in") + Duration::from_secs(400));
}

#[test]
fn the_same_bytes_at_another_time() {
    after(|t| set_time(&t.path("work/in"), 5000), true);
    after(
        |t| {
            fs::remove_file(t.path("work/in")).unwrap();
            t.write("work/in", "one\n");
        },
        true,
    );
}

#[test]
fn other_bytes_of_the_same_size() {
    after(|t| drop(t.write("work/in", "two\n")), false);
    after(
        |t| {
            let time = fs::metadata(t.path("work/more")).unwrap().modified().unwrap();
            t.write("work/more", "mere\n");
            let file = fs::File::options().append(true).open(t.path("work/more")).unwrap();
            file.set_modified(time).unwrap();
        },
        false,
    );
}

#[test]
fn a_file_that_was_absent_appears() {
    after(|t| drop(t.write("work/absent", "")), false);
}

#[test]
fn an_input_goes() {
    after(|t| fs::remove_file(t.path("work/more")).unwrap(), false);
}

#[test]
fn a_program_appears_earlier_on_the_path() {
    after(|t| drop(t.script("bin/cat", "echo other")), false);
}

#[test]
fn what_it_left_is_otherwise() {
    after(|t| drop(t.write("work/out", "spoiled\n")), false);
    after(|t| drop(t.write("work/out", "one\nmore\nNO\n")), false);
    after(|t| fs::remove_file(t.path("work/out")).unwrap(), false);
    after(
        |t| fs::set_permissions(t.path("work/out"), fs::Permissions::from_mode(0o600)).unwrap(),
        false,
    );
    // What is written anew is not written into its other names where it is made by renaming.
    after(|t| fs::hard_link(t.path("work/out"), t.path("work/other")).unwrap(), false);
    after(
        |t| {
            fs::rename(t.path("work/out"), t.path("work/real")).unwrap();
            std::os::unix::fs::symlink("real", t.path("work/out")).unwrap();
        },
        false,
    );
}

#[test]
fn a_program_is_replaced() {
    let Some(temp) = world() else { return };
    fs::copy("/bin/cat", temp.path("bin/cat")).unwrap();
    learn(&temp, &["cat in > out"]).unwrap();
    learn(&temp, &["cat in > out"]).unwrap();
    assert!(answered(&temp));
    fs::copy("/bin/tac", temp.path("bin/tac")).unwrap();
    fs::rename(temp.path("bin/tac"), temp.path("bin/cat")).unwrap();
    assert!(!answered(&temp));
}

#[test]
fn a_damaged_record_is_none() {
    after(
        |t| {
            let file = t.path("cache/recipes-1").join(format!("{:032x}", KEY.0));
            let mut bytes = fs::read(&file).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs::write(&file, bytes).unwrap();
        },
        false,
    );
    after(
        |t| {
            let file = t.path("cache/recipes-1").join(format!("{:032x}", KEY.0));
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        },
        false,
    );
}

/// Recipes that must not be kept, with the reason.
#[test]
fn what_is_not_kept() {
    let of = |line: &str| {
        let temp = world()?;
        temp.write("work/old", "old\n");
        Some(learn(&temp, &[line]).unwrap_err().why)
    };
    for (line, why) in [
        ("echo more >> old", Why::Effect),
        ("echo more >> log", Why::Effect),
        ("touch old", Why::Effect),
        ("cat in > out; touch -d @1000000000 out", Why::Effect),
        ("cat in > out; touch -d @1000000000.5 out", Why::Effect),
        ("cat in > out; touch -r in out", Why::Effect),
        ("cp --preserve=timestamps in out.new; mv out.new out", Why::Effect),
        ("cp --preserve=timestamps in out; echo >> out", Why::Effect),
        // What belongs to a file besides its mode is no part of its bytes.
        ("cp -p in out", Why::Call),
        ("rm old; cat in > out", Why::Changed),
        ("mv in out", Why::Changed),
        ("cat i* > out", Why::Changed),
        ("mkdir d", Why::Effect),
        ("ln -s in link", Why::Effect),
        ("date > out", Why::Program),
        ("echo $RANDOM > out", Why::Word),
        ("LC_ALL=C ls -l in > out", Why::Word),
        ("echo 'Sun Sep 16 01:03:52 1973' > out", Why::Passing),
        ("echo 'slots at /tmp/GMfifo4711' > out", Why::Passing),
        ("[ in -nt more ]; cat in more > out", Why::Word),
        ("cp -u in out", Why::Word),
    ] {
        match of(line) {
            Some(is) => assert_eq!(is, why, "{line}"),
            None => return,
        }
    }
}

#[test]
fn what_tells_times_of_files_needs_the_same_times() {
    let Some(temp) = world() else { return };
    // Far from now, or it tells the time.
    for name in ["work/in", "work/more"] {
        set_time(&temp.path(name), 200_450);
    }
    for _ in 0..2 {
        learn(&temp, &["diff -u in more > out; :"]).unwrap();
    }
    assert!(answered(&temp));
    set_time(&temp.path("work/in"), 5000);
    assert!(!answered(&temp));
}

#[test]
fn a_clock_that_went_back() {
    after(
        |t| {
            let recipes = Recipes::open(&t.path("cache"));
            let mut kept = recipes.get(KEY).unwrap();
            kept.kept += 1_000_000_000_000;
            recipes.put(KEY, &kept).unwrap();
        },
        false,
    );
}

#[test]
fn a_recipe_that_is_not_kept_is_carried_out_all_the_same() {
    let Some(temp) = world() else { return };
    let line = "date > /dev/null; echo a > out; (cat in; echo b) >> out; cat out; touch more";
    assert_eq!(learn(&temp, &[line]).unwrap_err().why, Why::Program);
    assert_eq!(fs::read_to_string(temp.path("work/out")).unwrap(), "a\none\nb\n");
    assert_eq!(fs::read_to_string(temp.path("said-out")).unwrap(), "a\none\nb\n");
}

#[test]
fn what_is_left_running_goes_on() {
    let Some(temp) = world() else { return };
    // Should it be ended by a fault of ours, it does not go on for ever.
    let line = "(i=0; while ! test -e go && test $i -lt 500000; do i=$((i+1)); done; cat in > late) & cat in > out";
    assert_eq!(learn(&temp, &[line]).unwrap_err().why, Why::LeftBehind);
    temp.write("work/go", "");
    let begun = Instant::now();
    while fs::read(temp.path("work/late")).unwrap_or_default() != b"one\n" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it was ended with the recipe");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where this is not root, `su`-like programs would gain nothing if they were watched.
#[test]
fn a_program_with_rights_of_its_own_has_them_and_runs_once() {
    let Some(temp) = world() else { return };
    fs::copy("/bin/cat", temp.path("bin/gain")).unwrap();
    fs::set_permissions(temp.path("bin/gain"), fs::Permissions::from_mode(0o4755)).unwrap();
    let line = "echo once >> log; gain in > out; echo after >> log";
    assert_eq!(learn(&temp, &[line]).unwrap_err().why, Why::Program);
    assert_eq!(fs::read_to_string(temp.path("work/log")).unwrap(), "once\nafter\n");
    assert_eq!(fs::read_to_string(temp.path("work/out")).unwrap(), "one\n");
}

#[test]
fn what_changes_all_the_same_is_watched_more_and_more_rarely() {
    let mut kept = KeptRecipe::default();
    let watched: Vec<usize> = (1..40).filter(|_| kept.missed()).collect();
    assert_eq!(watched, [2, 4, 8, 16, 32]);
    kept.misses = 0;
    assert!(!kept.missed() && kept.missed());
    kept.outcome = Outcome::Opaque(Opaque::new(Why::Program, "/bin/date"));
    assert!((1..40).all(|_| !kept.missed()));
}

#[test]
fn it_may_run_on_every_processor_that_it_asks_for() {
    let Some(temp) = world() else { return };
    let allowed = |status: &str| {
        let line = status.lines().find(|l| l.starts_with("Cpus_allowed_list:"));
        line.unwrap_or_default().to_owned()
    };
    // A set of threads of its own is what nproc asks for; it makes the recipe one that is not kept.
    let line = "nproc > count; (i=0; while test $i -lt 3; do i=$((i+1)); done; cat /proc/self/status > late) & :";
    let _ = learn(&temp, &[line, "nproc > later"]);
    let count = |name: &str| fs::read_to_string(temp.path(name)).unwrap_or_default();
    let own = std::thread::available_parallelism().unwrap().get().to_string();
    assert_eq!(count("work/count").trim(), own);
    let begun = Instant::now();
    while allowed(&count("work/late")).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(allowed(&count("work/late")), allowed(&status));
}

#[test]
fn what_is_made_by_renaming() {
    let Some(temp) = world() else { return };
    for _ in 0..2 {
        learn(&temp, &["cat in more > out.new; echo moving; mv out.new out"]).unwrap();
    }
    assert!(answered(&temp));
    fs::write(temp.path("work/out.new"), "").unwrap();
    assert!(!answered(&temp));
}

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
    if rustix::process::geteuid().is_root() {
        // A directory that hands on its group.
        let hand_on = |t: &Temp| {
            std::os::unix::fs::chown(t.path("work"), None, Some(65534)).unwrap();
            fs::set_permissions(t.path("work"), fs::Permissions::from_mode(0o2755)).unwrap();
        };
        after_copying(hand_on, false);
    }
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
