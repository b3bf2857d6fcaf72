//! Commands that cannot be watched by a filter alone: they begin again, and what they do to the world
//! must have happened once, whichever way they were run.

mod common;

use std::fs;
use std::os::fd::OwnedFd;

use common::{PATH, Temp, can_watch, env, shell};
use kiln_watch::{Sink, Source, Watched, Why, watch, watch_every_call};

type Way = fn(kiln_watch::Command) -> std::io::Result<Watched>;
const WAYS: [(&str, Way); 2] = [("filtered", watch), ("every call", watch_every_call)];

/// Runs a line in a fresh directory both ways; in it are a file `old` that says `old`, and a program
/// `other` that is on no table and says `other`.
fn both(text: &str, check: impl Fn(&Temp, &Watched, &str)) {
    if !can_watch() {
        return;
    }
    for (name, way) in WAYS {
        let temp = Temp::new();
        temp.write("old", "old\n");
        fs::copy("/bin/echo", temp.path("other")).unwrap();
        let watched = way(shell(text, &temp.0, env(&[("PATH", PATH)]))).unwrap();
        check(&temp, &watched, name);
    }
}

fn names(temp: &Temp) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&temp.0)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn program_that_is_not_known_after_files_were_made() {
    both("mkdir d && echo 1 >> d/f && echo 2 >> new && ./other said", |temp, watched, way| {
        assert_eq!(watched.stdout, b"said\n", "{way}");
        assert_eq!(watched.seen.as_ref().unwrap_err().why, Why::Program, "{way}");
        assert_eq!(fs::read(temp.path("d/f")).unwrap(), b"1\n", "{way}");
        assert_eq!(fs::read(temp.path("new")).unwrap(), b"2\n", "{way}");
    });
}

#[test]
fn output_before_a_program_that_is_not_known_is_told_once() {
    both("echo first; cat old; ./other last", |_, watched, way| {
        assert_eq!(watched.stdout, b"first\nold\nlast\n", "{way}");
    });
}

#[test]
fn change_of_what_was_there() {
    both("echo more >> old; mkdir d; mv old d/moved; cat d/moved", |temp, watched, way| {
        assert_eq!(watched.stdout, b"old\nmore\n", "{way}");
        assert!(watched.seen.as_ref().is_ok_and(|s| !s.effects.is_empty()), "{way}");
        assert_eq!(names(temp), ["d", "other"], "{way}");
    });
}

#[test]
fn making_what_is_there_already_changes_nothing() {
    both("mkdir d; mkdir -p d/e; mkdir d 2>/dev/null; rm -r d; cat old", |temp, watched, way| {
        assert_eq!(watched.stdout, b"old\n", "{way}");
        assert!(watched.seen.as_ref().is_ok_and(|s| s.effects.is_empty()), "{way}");
        assert_eq!(names(temp), ["old", "other"], "{way}");
    });
}

#[test]
fn input_that_is_not_known_is_read_once() {
    if !can_watch() {
        return;
    }
    for (name, way) in WAYS {
        for text in ["cat", "exec 3<&0; cat <&3", "cat /dev/stdin", "read x; echo $x; cat"] {
            let temp = Temp::new();
            temp.write("in", "one\ntwo\n");
            let input = OwnedFd::from(fs::File::open(temp.path("in")).unwrap());
            let mut command = shell(text, &temp.0, env(&[("PATH", PATH)]));
            command.stdin = Source::Given(input);
            let watched = way(command).unwrap();
            assert_eq!(watched.stdout, b"one\ntwo\n", "{name}: {text}");
            assert_eq!(watched.seen.unwrap_err().why, Why::Input, "{name}: {text}");
        }
    }
}

#[test]
fn given_output_is_written_once() {
    if !can_watch() {
        return;
    }
    for (name, way) in WAYS {
        for text in ["echo x >&2; ./other y >&2", "exec 1>&2; echo x; ./other y"] {
            let temp = Temp::new();
            fs::copy("/bin/echo", temp.path("other")).unwrap();
            let out = fs::File::create(temp.path("err")).unwrap();
            let mut command = shell(text, &temp.0, env(&[("PATH", PATH)]));
            command.stderr = Sink::Given(out.into());
            let watched = way(command).unwrap();
            assert_eq!(watched.seen.unwrap_err().why, Why::Output, "{name}: {text}");
            assert_eq!(fs::read(temp.path("err")).unwrap(), b"x\ny\n", "{name}: {text}");
        }
    }
}

#[test]
fn both_ways_see_the_same() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    temp.write("a.h", "#define A 1\n");
    temp.write("a.c", "#include \"a.h\"\nint a = A;\n");
    for text in [
        "cat a.h none 2>/dev/null",
        "TMP=t_$$; mkdir $TMP; gcc -I sub -c a.c -o $TMP/o 2>&1 && nm $TMP/o; rm -rf $TMP",
        "ls; test -e none; test -r a.h; sed -n p a.c | grep -c int",
    ] {
        let [fast, slow] = WAYS.map(|(_, way)| {
            let watched = way(shell(text, &temp.0, env(&[("PATH", PATH)]))).unwrap();
            let seen = watched.seen.unwrap();
            let mut facts: Vec<String> = seen
                .facts
                .iter()
                .map(|f| (f, String::from_utf8_lossy(&f.path).into_owned()))
                // A temporary's name is another each time, and stamps of directories move.
                .filter(|(_, path)| !path.contains("/tmp/cc") && !path.contains("t_"))
                .map(|(f, path)| match &f.seen {
                    kiln_watch::Seen::Status { follow, was } => {
                        format!("{path} status {follow} {:?}", was.map(|w| w.ino))
                    }
                    kiln_watch::Seen::Contents { .. } => format!("{path} contents"),
                    other => format!("{path} {:?}", std::mem::discriminant(other)),
                })
                .collect();
            facts.sort();
            let mut programs = seen.programs;
            programs.sort();
            (watched.stdout, programs, seen.effects, facts)
        });
        assert_eq!(fast, slow, "{text}");
    }
}
