//! Recipes that were watched and are answered: all that they rest on has to be as it was, and what they
//! leave, say and stamp has to be as if they had run.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::Temp;
use common::recipe::{KEY, answered, kept, learn, learn_with, set_time, world};
use kiln_watch::{KeptRecipe, Opaque, Outcome, Recipes, Said, Why};

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
        Some(learn(&temp, &[line]).expect_err(line).why)
    };
    for (line, why) in [
        ("echo more >> old", Why::Effect),
        ("echo more >> log", Why::Effect),
        ("touch old", Why::Effect),
        ("cat in > out; touch -d @1000000000 out", Why::Effect),
        ("cat in > out; touch -d @1000000000.5 out", Why::Effect),
        ("cat in > out; touch -r more out", Why::Effect),
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

#[test]
fn what_it_was_given_as_input_counts_if_it_asked() {
    let Some(temp) = world() else { return };
    let file = fs::File::open(temp.write("given", "text\n")).unwrap();
    let given = |input: &[&str]| {
        let kept = kept(&temp);
        input.iter().all(|input| kept.may_be_given(input.as_bytes()))
    };
    learn_with(&temp, &["cat in > out"], Some(&file)).unwrap();
    assert!(given(&["file", "terminal", "pipe", "none", "null"]));
    for asks in ["test -f /dev/stdin; cat in > out", "test -t 0; cat in > out"] {
        learn_with(&temp, &[asks], Some(&file)).unwrap();
        assert!(given(&["file"]) && !given(&["terminal"]) && !given(&["null"]), "{asks}");
    }
    assert_eq!(learn_with(&temp, &["cat > out"], Some(&file)).unwrap_err().why, Why::Input);
    // Reading `/dev/null` is not seen.
    learn(&temp, &["cat > out"]).unwrap();
    assert!(given(&["null", "none"]) && !given(&["terminal"]) && !given(&["pipe"]));
}
