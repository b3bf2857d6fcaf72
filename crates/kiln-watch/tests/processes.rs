//! What a watched command may do with processes: everything ends as it would unwatched, nothing is
//! left stopped, and nothing outside is disturbed.

#![allow(clippy::print_stderr)] // a skipped test says so

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::{PATH, Temp, bytes, can_watch, env, run, shell};
use kiln_watch::{Sink, Source, Why, watch};

/// Compiles a C program under a name of the table of deterministic programs.
fn compile(temp: &Temp, name: &str, source: &str, flags: &[&str]) -> String {
    let c = temp.write(&format!("{name}.c"), source);
    let program = temp.path(name);
    let status = std::process::Command::new("gcc")
        .args(["-O0", "-w", "-o"])
        .arg(&program)
        .arg(c)
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    program.to_str().unwrap().to_owned()
}

fn why(watched: &kiln_watch::Watched) -> Option<Why> {
    watched.seen.as_ref().err().map(|o| o.why)
}

/// No child of this process is left, stopped or dead.
#[track_caller]
fn nothing_is_left(ids: &str) {
    for id in ids.split_whitespace() {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = state.rsplit(") ").next().and_then(|s| s.chars().next());
        assert!(!matches!(state, Some('t' | 'T' | 'Z')), "{id} is left in state {state:?}");
    }
}

#[test]
fn status_output_and_errors_come_through() {
    let temp = Temp::new();
    let watched = run("echo out; echo err >&2; exit 7", &temp.0);
    assert_eq!(watched.status.code(), Some(7));
    assert_eq!((&watched.stdout[..], &watched.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    let watched = run("kill -TERM $$", &temp.0);
    assert_eq!(watched.status.signal(), Some(libc::SIGTERM));
    let watched = run("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2", &temp.0);
    assert_eq!((watched.stdout.len(), watched.stderr.len()), (3_000_000, 3_000_000));
}

#[test]
fn what_cannot_be_started_says_so() {
    let temp = Temp::new();
    for (program, errno) in [
        ("/nonexistent/x", libc::ENOENT),
        ("no-such-program", libc::ENOENT),
        ("/etc/passwd", libc::EACCES),
        ("/etc", libc::EACCES),
    ] {
        let mut command = shell("", &temp.0, env(&[("PATH", PATH)]));
        command.program = program.into();
        command.argv = vec![program.into()];
        assert_eq!(watch(command).unwrap_err().raw_os_error(), Some(errno), "{program}");
    }
    let mut command = shell("", &temp.0, env(&[("PATH", PATH)]));
    command.dir = b"/nonexistent".to_vec();
    assert_eq!(watch(command).unwrap_err().raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn children_that_are_killed() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let watched = run(
        "(kill -9 $(exec sh -c 'echo $PPID')) ; cat & kill -9 $!; wait; echo on; echo $$ >ids",
        &temp.0,
    );
    assert_eq!(watched.stdout, b"on\n");
    assert!(why(&watched).is_some());
    let watched = run(
        "sh -c 'kill -SEGV $$'; sh -c 'kill -STOP $$' & sleep 0.1; kill -CONT $!; wait $!; echo on",
        &temp.0,
    );
    assert!(watched.stdout.ends_with(b"on\n"));
}

#[test]
fn stopped_and_continued() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    // The stopped child has to stay stopped until it is continued, and then end.
    let text = "sh -c 'kill -STOP $$; echo after' & C=$!; \
        until grep -q '^State:.T' /proc/$C/status 2>/dev/null; do :; done; echo stopped; kill -CONT $C; wait $C";
    let watched = run(text, &temp.0);
    assert_eq!(String::from_utf8_lossy(&watched.stdout), "stopped\nafter\n");
}

#[test]
fn pipelines_end_by_sigpipe_and_are_kept() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let watched = run("cat /dev/zero | head -c 3 | wc -c", &temp.0);
    assert_eq!(watched.stdout, b"3\n");
    assert_eq!(why(&watched), None, "{:?}", watched.seen);
}

#[test]
fn process_left_behind_goes_on_untouched() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let text = "while ! test -e stop; do :; done >/dev/null 2>&1 & echo $! > id";
    let watched = run(text, &temp.0);
    assert_eq!(why(&watched), Some(Why::LeftBehind), "{:?}", watched.seen);
    let id = fs::read_to_string(temp.path("id")).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", id.trim())).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    nothing_is_left(&id);
    fs::write(temp.path("stop"), "").unwrap();
    let gone = || {
        fs::read_to_string(format!("/proc/{}/stat", id.trim())).map_or(true, |s| s.contains(") Z "))
    };
    let began = Instant::now();
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(600), "it did not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn fork_vfork_threads_and_exec_from_a_thread() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let program = compile(
        &temp,
        "modpost",
        r#"
        #include <pthread.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *read_it(void *p) { FILE *f = fopen(p, "r"); if (f) fclose(f); return 0; }
        static void *become(void *p) { char *a[] = { "cat", "three", 0 }; execv("/bin/cat", a); return 0; }
        int main(int argc, char **argv) {
            pthread_t t[8];
            for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, read_it, "one");
            for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
            if (fork() == 0) { read_it("two"); _exit(0); }
            if (vfork() == 0) { execl("/bin/true", "true", (char *)0); _exit(1); }
            while (wait(0) > 0) ;
            pthread_create(&t[0], 0, become, 0);
            for (;;) pause();
        }
        "#,
        &["-pthread"],
    );
    for name in ["one", "two", "three"] {
        temp.write(name, name);
    }
    let watched = run(&program, &temp.0);
    assert_eq!(String::from_utf8_lossy(&watched.stdout), "three");
    let seen = watched.seen.unwrap();
    for name in ["one", "two", "three"] {
        let path = bytes(&temp.path(name));
        assert!(seen.facts.iter().any(|f| f.path == path), "{name}");
    }
    assert!(seen.programs.iter().any(|p| p.ends_with(b"/true")), "{:?}", seen.programs);
}

#[test]
fn statically_linked() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let source = "#include <stdio.h>\nint main() { char b[9]; FILE *f = fopen(\"one\", \"r\"); puts(fgets(b, 9, f)); }";
    let program = compile(&temp, "genksyms", source, &["-static"]);
    temp.write("one", "1");
    let watched = run(&program, &temp.0);
    assert_eq!(watched.stdout, b"1\n");
    let path = bytes(&temp.path("one"));
    assert!(watched.seen.unwrap().facts.iter().any(|f| f.path == path));
}

/// A program of 32 bits makes calls with other numbers, through `int $0x80`, which one of 64 bits may
/// use as well.
#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_another_machine() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let source =
        "int main() { int r; __asm__ volatile (\"int $0x80\" : \"=a\"(r) : \"0\"(20)); return 0; }";
    let program = compile(&temp, "fixdep", source, &[]);
    let watched = run(&format!("{program}; echo on"), &temp.0);
    assert_eq!(watched.stdout, b"on\n");
    assert_eq!(why(&watched), Some(Why::Machine));

    temp.write("a.s", ".globl _start\n_start: mov $1, %eax\nmov $5, %ebx\nint $0x80\n");
    let made = run("as --32 -o a.o a.s && ld -m elf_i386 -o kallsyms a.o", &temp.0);
    assert!(made.status.success(), "{made:?}");
    let watched = run("./kallsyms; echo $?", &temp.0);
    // A kernel without 32-bit programs refuses it (126), which is an answer of its own kind.
    assert!(matches!(&watched.stdout[..], b"5\n" | b"126\n"), "{watched:?}");
    assert!(matches!(why(&watched), Some(Why::Machine | Why::NotStarted)), "{:?}", watched.seen);
}

#[test]
fn sockets_are_refused_but_a_look_at_the_name_service_is_not() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let source =
        "#include <sys/socket.h>\nint main() { return socket(AF_INET, SOCK_STREAM, 0) < 0; }";
    let program = compile(&temp, "objtool", source, &[]);
    assert_eq!(why(&run(&program, &temp.0)), Some(Why::Call));
    let watched = run("id -un", &temp.0);
    assert_eq!(why(&watched), None, "{:?}", watched.seen);
}

#[test]
fn input_and_streams_that_are_not_kept() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    let file = temp.write("in", "hello\n");
    let given = |text: &str| {
        let mut command = shell(text, &temp.0, env(&[("PATH", PATH)]));
        command.stdin = Source::Given(fs::File::open(&file).unwrap().into());
        command.stderr = Sink::Given(fs::File::create(temp.path("err")).unwrap().into());
        watch(command).unwrap()
    };
    let watched = given("cat");
    assert_eq!((&watched.stdout[..], why(&watched)), (&b"hello\n"[..], Some(Why::Input)));
    // A duplicate leads to the same place.
    assert_eq!(why(&given("exec 5<&0; cat <&5 >/dev/null")), Some(Why::Input));
    assert_eq!(why(&given("cat </dev/null; echo y")), None);
    assert_eq!(why(&given("echo y >&2")), Some(Why::Output));
    assert_eq!(fs::read(temp.path("err")).unwrap(), b"y\n");
}

#[test]
fn streams_are_told_apart_for_the_key() {
    let temp = Temp::new();
    let kind = |path: &str| kiln_watch::stream_kind(fs::File::open(path).unwrap());
    assert_eq!(kind("/dev/null"), "null");
    assert_eq!(kind("/dev/zero"), "zero");
    assert_eq!(kind(temp.write("f", "").to_str().unwrap()), "file");
    assert_eq!(kiln_watch::stream_kind(std::io::pipe().unwrap().0), "pipe");
}

#[test]
fn effects_are_told_and_temporaries_are_not() {
    if !can_watch() {
        return;
    }
    let temp = Temp::new();
    temp.write("old", "1");
    temp.write("gone", "1");
    temp.write("moved", "1");
    let text = "echo 2 > old; echo x > new; rm gone; mv moved there; mkdir d; echo y > d/f; \
        T=.tmp_$$; mkdir -p $T/deep; echo z > $T/deep/z; cat $T/deep/z; mv $T/deep/z $T/y; rm -rf $T";
    let watched = run(text, &temp.0);
    assert_eq!(watched.stdout, b"z\n");
    let seen = watched.seen.unwrap();
    let mut effects: Vec<(String, bool, bool)> = seen
        .effects
        .iter()
        .map(|e| {
            let name = String::from_utf8_lossy(&e.path).rsplit('/').next().unwrap().to_owned();
            (name, e.before, e.after.is_some())
        })
        .collect();
    effects.sort();
    let expect = [
        ("d", false, true),
        ("gone", true, false),
        ("moved", true, false),
        ("new", false, true),
        ("old", true, true),
        ("there", false, true),
    ];
    let expect: Vec<_> = expect.iter().map(|(n, b, a)| ((*n).to_owned(), *b, *a)).collect();
    assert_eq!(effects, expect);
    let temporary = |f: &&kiln_watch::Fact| kiln_contains(&f.path, b"/.tmp_");
    assert_eq!(seen.facts.iter().find(temporary), None);
}

fn kiln_contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let temp = Temp::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dir = &temp.0;
            scope.spawn(move || {
                for i in 0..10 {
                    let text = format!("cat /dev/null; (exit {i}); echo {thread} $?");
                    let watched = run(&text, dir);
                    assert_eq!(String::from_utf8_lossy(&watched.stdout), format!("{thread} {i}\n"));
                    // A plain child beside it, waited for as anyone would.
                    let plain = std::process::Command::new("true").status().unwrap();
                    assert!(plain.success());
                }
            });
        }
    });
}

#[test]
fn under_another_tracer_commands_run_plainly() {
    // The test's own binary, run by strace if there is one, runs this test again inside.
    if std::env::var_os("KILN_WATCH_INSIDE").is_some() {
        let temp = Temp::new();
        let watched = run("echo hi; exit 3", &temp.0);
        assert_eq!((&watched.stdout[..], watched.status.code()), (&b"hi\n"[..], Some(3)));
        assert_eq!(why(&watched), Some(Why::Refused));
        return;
    }
    let me = std::env::current_exe().unwrap();
    let inside = std::process::Command::new("strace")
        .args(["-f", "-o", "/dev/null"])
        .arg(me)
        .args(["--exact", "under_another_tracer_commands_run_plainly"])
        .env("KILN_WATCH_INSIDE", "1")
        .output();
    match inside {
        Err(_) => eprintln!("skipped: no strace"),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout))
        }
    }
}
