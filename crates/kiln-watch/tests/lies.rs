//! A cache that lies is worse than none: each way in which the world can change under a kept answer
//! is a test here, with real commands.

#[macro_use]
mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::{Came, Stamped, run};
use kiln_watch::{Eye, Identity, RealEye, Seen, Why};

/// Tells the stamps of the first look for ever: a file system whose clock stands still.
fn frozen() -> impl Eye {
    let known = std::sync::Mutex::<std::collections::HashMap<_, _>>::default();
    Stamped(
        move |path: &[u8], follow| {
            let mut known = known.lock().unwrap();
            *known.entry((path.to_vec(), follow)).or_insert_with(|| RealEye.identity(path, follow))
        },
        0,
    )
}

#[test]
fn compiler_replaced_under_the_same_name_and_version() {
    let (temp, mut asker) = place!();
    temp.script("bin/gcc", "case $1 in --version) echo gcc 12.2.0;; -Wnew) exit 1;; esac");
    asker.set("PATH", &format!("{}:{}", temp.text("bin"), common::PATH));
    let probe = "if gcc -Wnew; then echo y; else echo n; fi";
    let version = "gcc --version";
    assert_eq!(asker.learn(probe), "n\n");
    assert_eq!(asker.learn(version), "gcc 12.2.0\n");
    temp.script("bin/gcc", "case $1 in --version) echo gcc 12.2.0;; -Wnew) exit 0;; esac");
    assert_eq!(asker.fresh(version), "gcc 12.2.0\n");
    assert_eq!(asker.fresh(probe), "y\n");
}

#[test]
fn compiler_appears_earlier_on_the_path() {
    let (temp, mut asker) = place!();
    fs::create_dir(temp.path("early")).unwrap();
    temp.script("late/gcc", "echo late");
    asker.set("PATH", &format!("{}:{}:{}", temp.text("early"), temp.text("late"), common::PATH));
    assert_eq!(asker.learn("gcc"), "late\n");
    temp.script("early/gcc", "echo early");
    assert_eq!(asker.fresh("gcc"), "early\n");
}

#[test]
fn specs_cc1_and_assembler_replaced() {
    let (temp, mut asker) = place!();
    let specs = temp.write("specs", "*cc1:\n+ -DWHICH=1\n\n");
    let e = format!("echo WHICH | gcc -specs={} -E -P -", specs.display());
    assert_eq!(asker.learn(&e), "1\n");
    temp.write("specs", "*cc1:\n+ -DWHICH=2\n\n");
    let again = asker.fresh(&e);
    assert_eq!(again, run(&e, &asker.dir).stdout.escape_ascii().to_string().replace("\\n", "\n"));

    // A directory given by -B comes first for cc1 and as.
    let cc1 = String::from_utf8(run("gcc -print-prog-name=cc1", &temp.0).stdout).unwrap();
    temp.script("tools/cc1", &format!("exec {} \"$@\"", cc1.trim()));
    temp.script("tools/as", "exec /usr/bin/as \"$@\"");
    let probe = format!(
        "T=.tmp_$$; trap 'rm -f $T' EXIT; if gcc -B {}/ -Werror -c -x c /dev/null -o $T 2>/dev/null; then echo y; else echo n; fi",
        temp.text("tools")
    );
    assert_eq!(asker.learn(&probe), "y\n");
    temp.script("tools/cc1", "exit 1");
    assert_eq!(asker.fresh(&probe), "n\n");
    temp.script("tools/cc1", &format!("exec {} \"$@\"", cc1.trim()));
    assert_eq!(asker.learn(&probe), "y\n");
    temp.script("tools/as", "exit 1");
    assert_eq!(asker.fresh(&probe), "n\n");
}

#[test]
fn environment_changed() {
    let (temp, mut asker) = place!();
    temp.script("a/cc", "echo a");
    temp.script("b/cc", "echo b");
    asker.set("PATH", &format!("{}:{}", temp.text("a"), common::PATH));
    assert_eq!(asker.learn("cc"), "a\n");
    asker.set("PATH", &format!("{}:{}", temp.text("b"), common::PATH));
    assert_eq!(asker.learn("cc"), "b\n");
    asker.set("PATH", common::PATH);
    let text = "gcc -x c -E /dev/null >/dev/null 2>&1; echo $?";
    asker.learn(text);
    for name in ["LANG", "GCC_EXEC_PREFIX", "COMPILER_PATH", "CPATH", "LD_LIBRARY_PATH", "CC"] {
        asker.set(name, "/nonexistent/");
        asker.fresh(text);
        asker.env.retain(|(n, _)| n != name.as_bytes());
        assert_eq!(asker.ask(text).1, Came::Kept, "{name}");
    }
}

#[test]
fn cross_compile_changed() {
    let (temp, mut asker) = place!();
    temp.script("bin/a-nm", "echo a");
    temp.script("bin/b-nm", "echo b");
    asker.set("PATH", &format!("{}:{}", temp.text("bin"), common::PATH));
    for text in ["${CROSS_COMPILE}nm", "sh tool.sh"] {
        temp.write("work/tool.sh", "${CROSS_COMPILE}nm\n");
        asker.set("CROSS_COMPILE", "a-");
        assert_eq!(asker.learn(text), "a\n");
        asker.set("CROSS_COMPILE", "b-");
        assert_eq!(asker.learn(text), "b\n");
    }
}

#[test]
fn compiler_path_leads_to_another_assembler() {
    let (temp, mut asker) = place!();
    fs::create_dir(temp.path("tools")).unwrap();
    asker.set("COMPILER_PATH", &temp.text("tools"));
    assert_ne!(asker.learn("gcc -print-prog-name=as"), format!("{}\n", temp.text("tools/as")));
    temp.script("tools/as", "exit 1");
    assert_eq!(asker.fresh("gcc -print-prog-name=as"), format!("{}\n", temp.text("tools/as")));
}

#[test]
fn edit_within_one_tick_and_of_the_same_size() {
    let (temp, mut asker) = place!();
    let path = temp.write("work/x.h", "one\n");
    let frozen = frozen();
    assert_eq!(asker.ask_with("cat x.h", &frozen), ("one\n".into(), Came::Fresh));
    // What was recorded are the stamps that the frozen clock goes on to tell.
    assert_eq!(asker.ask_with("cat x.h", &frozen), ("one\n".into(), Came::Kept));
    fs::write(path, "two\n").unwrap();
    assert_eq!(asker.ask_with("cat x.h", &frozen), ("two\n".into(), Came::Fresh));
    // The same with the real clock.
    temp.write("work/x.h", "six\n");
    assert_eq!(asker.fresh("cat x.h"), "six\n");
}

#[test]
fn file_put_back_with_an_older_time() {
    let (temp, mut asker) = place!();
    let path = temp.write("work/x.h", "new\n");
    let old = temp.write("old.h", "old\n");
    fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    assert_eq!(asker.learn("cat x.h"), "new\n");
    fs::rename(old, path).unwrap();
    assert_eq!(asker.fresh("cat x.h"), "old\n");
}

#[test]
fn time_set_back_after_an_edit() {
    let (temp, mut asker) = place!();
    let path = temp.write("work/x.h", "one\n");
    let when = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(asker.learn("cat x.h"), "one\n");
    fs::write(&path, "two\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
    assert_eq!(asker.fresh("cat x.h"), "two\n");
}

#[test]
fn stamps_are_believed_only_once_they_are_old() {
    const S: i64 = 1_000_000_000;
    let id = |mtime: i64, ctime: i64| Identity {
        kind: kiln_watch::Kind::File,
        mode: 0o644,
        dev: 1,
        ino: 1,
        size: 4,
        mtime,
        ctime,
        rdev: 0,
    };
    let now = 1_000_000 * S;
    assert!(id(now - 10 * S + 1, now - 10 * S + 1).settled(now));
    assert!(!id(now - S + 1, now - S + 1).settled(now), "within the granularity");
    assert!(!id(now - 10 * S + 1, now - S + 1).settled(now), "an mtime can be set, a ctime not");
    assert!(!id(now + 10 * S + 1, now + 10 * S + 1).settled(now), "the clock jumped back");
    assert!(!id(now - 10 * S, now - 10 * S).settled(now), "whole seconds: a coarse file system");
    assert!(id(now - 300 * S, now - 300 * S).settled(now));
}

#[test]
fn fresh_files_are_checked_by_content_and_then_believed() {
    let (temp, _) = place!();
    temp.write("x", "hello");
    let seen = run("cat x", &temp.0).seen.unwrap();
    let path = temp.text("x").into_bytes();
    let fact = seen
        .facts
        .iter()
        .find(|f| matches!(f.seen, Seen::Contents { .. }) && f.path == path)
        .unwrap();
    assert!(matches!(fact.seen, Seen::Contents { hash: Some(_), settled: false, .. }), "{fact:?}");
    // Seen later, the same stamps are old enough, and the fact is told anew with that.
    let later = Stamped(|path: &[u8], follow| RealEye.identity(path, follow), 3_600_000_000_000);
    let mut checker = kiln_watch::Checker::new(&later);
    match checker.verdict(fact) {
        kiln_watch::check::Verdict::Refreshed(Seen::Contents { settled: true, .. }) => {}
        other => panic!("{other:?}"),
    }
    // With the clock an hour back, nothing is believed.
    fs::write(temp.path("x"), "HELLO").unwrap();
    let mut checker = kiln_watch::Checker::new(&RealEye);
    assert!(matches!(checker.verdict(fact), kiln_watch::check::Verdict::Fails(_)));
}

#[test]
fn header_appears_in_an_earlier_include_directory() {
    let (temp, mut asker) = place!();
    fs::create_dir(temp.path("work/a")).unwrap();
    temp.write("work/b/x.h", "late\n");
    let text = "echo '#include <x.h>' | gcc -E -P -I a -I b -";
    assert_eq!(asker.learn(text), "late\n");
    temp.write("work/a/x.h", "early\n");
    assert_eq!(asker.fresh(text), "early\n");
}

#[test]
fn directory_gains_and_loses_a_file() {
    let (temp, mut asker) = place!();
    temp.write("work/d/one.c", "");
    for text in ["echo d/*.c", "ls d", "find d -name '*.c'"] {
        asker.learn(text);
        temp.write("work/d/two.c", "");
        assert!(asker.fresh(text).contains("two.c"), "{text}");
        asker.ask(text);
        fs::remove_file(temp.path("work/d/two.c")).unwrap();
        assert!(!asker.fresh(text).contains("two.c"), "{text}");
    }
}

#[test]
fn link_leads_elsewhere() {
    let (temp, mut asker) = place!();
    temp.write("work/one/f", "1\n");
    temp.write("work/two/f", "2\n");
    std::os::unix::fs::symlink("one", temp.path("work/l")).unwrap();
    assert_eq!(asker.learn("cat l/f"), "1\n");
    assert_eq!(asker.learn("readlink l"), "one\n");
    fs::remove_file(temp.path("work/l")).unwrap();
    std::os::unix::fs::symlink("two", temp.path("work/l")).unwrap();
    assert_eq!(asker.fresh("cat l/f"), "2\n");
    assert_eq!(asker.fresh("readlink l"), "two\n");
}

#[test]
fn script_and_its_interpreter_count() {
    let (temp, mut asker) = place!();
    std::os::unix::fs::symlink("/bin/sh", temp.path("interpreter")).unwrap();
    let script = temp.script("tool", "echo one");
    fs::write(&script, format!("#!{}\necho one\n", temp.text("interpreter"))).unwrap();
    let text = script.display().to_string();
    assert_eq!(asker.learn(&text), "one\n");
    fs::remove_file(temp.path("interpreter")).unwrap();
    temp.script("other", "echo two");
    std::os::unix::fs::symlink("/bin/cat", temp.path("interpreter")).unwrap();
    assert!(asker.fresh(&text).starts_with("#!"));
    fs::write(&script, "#!/bin/sh\necho three\n").unwrap();
    assert_eq!(asker.fresh(&text), "three\n");
}

#[test]
fn answers_that_pass_are_never_kept() {
    let (temp, mut asker) = place!();
    temp.write("work/script.sh", "echo $RANDOM");
    for (text, why) in [
        ("date +%s", Why::Program),
        ("git describe", Why::Program),
        ("echo $$", Why::Passing),
        ("echo __TIME__ | gcc -E -P -", Why::Passing),
        ("echo __DATE__ | gcc -E -P -", Why::Passing),
        ("awk 'BEGIN { print systime() }'", Why::Word),
        ("bash -c 'echo $RANDOM'", Why::Word),
        ("bash script.sh", Why::Word),
        ("sort -R /dev/null", Why::Word),
        ("od -N4 /dev/urandom", Why::File),
        ("cat /proc/self/status", Why::File),
        ("cat /proc/uptime", Why::File),
        ("cat /proc/self/maps", Why::File),
        ("cat < /proc/self/maps", Why::File),
        ("grep . /proc/self/maps", Why::File),
        ("grep . /proc/version /proc/self/maps", Why::File),
        ("grep -r . /proc/self/../self/maps", Why::File),
        ("cd /proc/self; cat maps", Why::File),
        ("env", Why::Word),
        ("printenv", Why::Program),
        ("mktemp -u", Why::Program),
        ("gcc -march=native -E -x c /dev/null", Why::Word),
    ] {
        if text.starts_with("git") && !std::path::Path::new("/usr/bin/git").exists() {
            continue;
        }
        let first = asker.ask(text);
        assert_eq!(first.1, Came::Fresh, "{text}");
        assert_eq!(
            asker.opaque.as_ref().map(|o| o.why),
            Some(why),
            "{text}: {first:?} {:?}",
            asker.opaque
        );
        asker.fresh(text);
    }
}

#[test]
fn what_tells_of_the_machine_is_read_again() {
    let (_temp, mut asker) = place!();
    let version = fs::read_to_string("/proc/version").unwrap();
    // grep looks for the end of its stack first.
    assert_eq!(asker.learn("grep . /proc/version"), version);
    assert_eq!(asker.learn("cat /proc/cpuinfo /proc/version | tail -n1"), version);
}

#[test]
fn command_run_for_its_effects() {
    let (temp, mut asker) = place!();
    for text in
        ["mkdir -p d; echo y", "echo x >> log; echo y", "rm -f gone; echo y", "touch stamp; echo y"]
    {
        temp.write("work/gone", "");
        let _ = fs::remove_dir(temp.path("work/d"));
        assert_eq!(asker.fresh(text), "y\n");
        temp.write("work/gone", "");
        let _ = fs::remove_dir(temp.path("work/d"));
        assert_eq!(asker.fresh(text), "y\n", "{text}");
    }
    // What finds its work done has no effects, until it is undone.
    fs::create_dir(temp.path("work/d")).unwrap();
    asker.learn("mkdir -p d; echo y");
    fs::remove_dir(temp.path("work/d")).unwrap();
    asker.fresh("mkdir -p d; echo y");
    assert!(temp.path("work/d").is_dir());
}

#[test]
fn signals_to_others_are_effects() {
    let (_temp, mut asker) = place!();
    asker.ask("kill -0 1");
    assert_eq!(asker.opaque.as_ref().map(|o| o.why), Some(Why::Call), "{:?}", asker.opaque);
    asker.learn("cat /dev/null & kill -0 $!; wait; echo y");
}

#[test]
fn failures_of_the_system_are_no_answers() {
    let (temp, mut asker) = place!();
    // A file size limit makes the compiler fail as a full disk would.
    let full = "ulimit -f 0; trap '' XFSZ; echo x > f || echo n; rm -f f";
    asker.ask(full);
    assert_eq!(asker.opaque.as_ref().map(|o| o.why), Some(Why::Trouble), "{:?}", asker.opaque);
    asker.ask("gcc -x c /dev/null -c -o /nonexistent/x 2>/dev/null || echo n");
    assert_eq!(asker.opaque, None, "an absent directory is an answer");
    fs::create_dir(temp.path("work/closed")).unwrap();
    asker.ask("kill -SEGV $$");
    assert_eq!(asker.opaque.as_ref().map(|o| o.why), Some(Why::Signal));
}

#[test]
fn directory_for_temporaries_goes() {
    let (temp, mut asker) = place!();
    fs::create_dir(temp.path("work/out")).unwrap();
    let text = "T=out/.tmp_$$; trap 'rm -rf $T' EXIT; mkdir $T && echo y";
    assert_eq!(asker.learn(text), "y\n");
    fs::remove_dir(temp.path("work/out")).unwrap();
    assert_eq!(asker.fresh(text), "");
}

#[test]
fn file_that_changes_while_the_command_runs() {
    let (temp, mut asker) = place!();
    temp.write("work/x", "one\n");
    // The command reads x, lets this test change it, and ends.
    let (path, ready, done) =
        (temp.path("work/x"), temp.path("work/ready"), temp.path("work/done"));
    let changer = std::thread::spawn(move || {
        while !ready.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::write(path, "two\n").unwrap();
        fs::write(done, "").unwrap();
    });
    asker.ask("cat x; : > ready; while ! test -e done; do :; done; rm ready");
    changer.join().unwrap();
    assert_eq!(asker.opaque.as_ref().map(|o| o.why), Some(Why::Changed));
}
