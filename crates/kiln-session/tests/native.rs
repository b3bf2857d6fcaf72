//! A tree's own program is never silently replaced: it is tried beside Kiln's first.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use kiln_exec::{Ended, Native, Sink};
use kiln_session::Slow;
use kiln_session::native::Tools;

/// A tree whose fixdep is a shell script.
fn tree(dir: &Path, script: &str) {
    let program = dir.join("scripts/basic/fixdep");
    fs::create_dir_all(dir.join("scripts/basic")).expect("a directory");
    fs::create_dir_all(dir.join("include/config")).expect("a directory");
    fs::write(dir.join("include/config/kernel.release"), "6.12.1\n").expect("a file");
    fs::write(dir.join("x.d"), "x.o: x.c\n").expect("a file");
    fs::write(dir.join("x.c"), "int x;\n").expect("a file");
    fs::write(&program, format!("#!/bin/sh\necho run >>ran\n{script}\n")).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
}

fn run(tools: &Tools, dir: &Path) -> (Option<Ended>, String) {
    let words = ["scripts/basic/fixdep", "x.d", "x.o", "gcc x.c"];
    let argv: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    let out = dir.join("out");
    let file = Arc::new(fs::File::create(&out).expect("a file"));
    let sink = Sink { out: Some(Arc::clone(&file)), err: Some(file) };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let env = vec![(b"PATH".to_vec(), path.as_bytes().to_vec())];
    let ended = tools.run(&argv, &env, dir.as_os_str().as_bytes(), &sink);
    let mut text = String::new();
    fs::File::open(out).and_then(|mut f| f.read_to_string(&mut text)).expect("the output");
    (ended, text)
}

fn times_run(dir: &Path) -> usize {
    fs::read_to_string(dir.join("ran")).unwrap_or_default().lines().count()
}

#[test]
fn a_program_that_does_otherwise_is_used_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    tree(dir.path(), "echo something of its own");
    let cache = dir.path().join("cache");
    let tools = Tools::new(Some(cache.clone()), &Slow::from_env(), false);
    let (ended, text) = run(&tools, dir.path());
    assert_eq!(ended, Some(Ended::Exit(0)));
    assert_eq!(text, "something of its own\n");
    // From now on it is declined, so that the tree's own is started; also by the next Kiln.
    assert_eq!(run(&tools, dir.path()).0, None);
    let next = Tools::new(Some(cache), &Slow::from_env(), false);
    assert_eq!(run(&next, dir.path()).0, None);
    assert_eq!(times_run(dir.path()), 1);
}

#[test]
fn a_person_is_told_once_and_given_a_report() {
    let dir = tempfile::tempdir().expect("a directory");
    tree(dir.path(), "echo something of its own");
    let cache = dir.path().join("cache");
    // Where nobody looks, nothing is said; the first person who does is told.
    let machine = Tools::new(Some(cache.clone()), &Slow::from_env(), false);
    assert_eq!(run(&machine, dir.path()).1, "something of its own\n");
    assert_eq!(run(&machine, dir.path()).1, "");
    let person = Tools::new(Some(cache.clone()), &Slow::from_env(), true);
    let (ended, text) = run(&person, dir.path());
    assert_eq!(ended, None);
    assert!(text.contains("fixdep does something else than Kiln's fixdep"), "{text}");
    let report = text.split("report it with ").nth(1).expect("a report").trim_end();
    let report = fs::read_to_string(report).expect("the report");
    for part in ["kernel: 6.12.1", "command: scripts/basic/fixdep x.d x.o gcc x.c"] {
        assert!(report.contains(part), "{report}");
    }
    assert!(report.contains("tree's: something of its own"), "{report}");
    assert!(report.contains("Kiln's: savedcmd_x.o := gcc x.c"), "{report}");
    // Once.
    assert_eq!(run(&person, dir.path()), (None, String::new()));
    let next = Tools::new(Some(cache), &Slow::from_env(), true);
    assert_eq!(run(&next, dir.path()), (None, String::new()));
    assert_eq!(times_run(dir.path()), 1);
}

/// A tree in which one of the two programs that read their input is a shell script; its path.
fn reader(dir: &Path, name: &str, script: &str) -> String {
    tree(dir, "");
    let path = format!("scripts/{name}/{name}");
    let program = dir.join(&path);
    fs::create_dir_all(dir.join("scripts").join(name)).expect("a directory");
    fs::write(&program, format!("#!/bin/sh\necho run >>ran\n{script}\n")).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

/// Runs a program of the tree with an input; how it ended and all it said.
fn feed(tools: &Tools, dir: &Path, line: &[&str], input: &[u8]) -> (Option<Ended>, String) {
    let argv: Vec<Vec<u8>> = line.iter().map(|w| w.as_bytes().to_vec()).collect();
    assert!(tools.takes(&argv) && tools.reads(&argv));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let env = vec![(b"PATH".to_vec(), path.as_bytes().to_vec())];
    let out = dir.join("out");
    let file = Arc::new(fs::File::create(&out).expect("a file"));
    let sink = Sink { out: Some(Arc::clone(&file)), err: Some(file) };
    let ended = tools.feed(&argv, &env, dir.as_os_str().as_bytes(), &sink, input);
    (ended, fs::read_to_string(out).expect("the output"))
}

#[test]
fn input_goes_to_both() {
    let dir = tempfile::tempdir().expect("a directory");
    let program = reader(dir.path(), "genksyms", "grep -q EXPORT && echo '#SYMVER f 0xe0df8f5b'");
    let tools = Tools::new(Some(dir.path().join("cache")), &Slow::from_env(), false);
    let unit = b"int f(void);\n__GENKSYMS_EXPORT_SYMBOL(f);\n";
    let first = feed(&tools, dir.path(), &[&program], unit);
    let second = feed(&tools, dir.path(), &[&program], unit);
    assert_eq!(first.0, Some(Ended::Exit(0)));
    assert_eq!((&first, times_run(dir.path())), (&second, 1), "{first:?}");
}

#[test]
fn names_of_symbols_go_to_both() {
    let dir = tempfile::tempdir().expect("a directory");
    // What the program of Linux 7.2 says of this: `int f(void)` with DWARF.
    let script = "cat >/dev/null; case $1 in x.o) echo '#SYMVER f 0x7851be11' ;; esac";
    let object = dir.path().join("x.c");
    fs::write(&object, "int f(void) { return 0; }\n").expect("a file");
    let mut cc = std::process::Command::new("gcc");
    let done = cc.args(["-g", "-gdwarf-5", "-c", "x.c", "-o", "x.o"]).current_dir(dir.path());
    assert!(done.status().expect("a compiler").success());
    let program = reader(dir.path(), "gendwarfksyms", script);
    fs::write(&object, "int f(void) { return 0; }\n").expect("a file");
    let line = [program.as_str(), "x.o"];
    // Without names both do nothing, which shows nothing.
    let tools = Tools::new(Some(dir.path().join("cache")), &Slow::from_env(), true);
    let nothing = (Some(Ended::Exit(0)), String::new());
    assert_eq!(feed(&tools, dir.path(), &[&program, "y.o"], b""), nothing);
    assert_eq!(feed(&tools, dir.path(), &[&program, "y.o"], b""), nothing);
    assert_eq!(times_run(dir.path()), 2);
    let first = feed(&tools, dir.path(), &line, b"f\n");
    let second = feed(&tools, dir.path(), &line, b"f\n");
    assert_eq!(first.0, Some(Ended::Exit(0)));
    assert_eq!((&first, times_run(dir.path())), (&second, 3), "{first:?}");
    // One that sums otherwise is used itself from then on.
    reader(dir.path(), "gendwarfksyms", "cat >/dev/null; echo '#SYMVER f 0x00000000'");
    let (ended, text) = feed(&tools, dir.path(), &line, b"f\n");
    assert_eq!(ended, Some(Ended::Exit(0)));
    assert!(text.contains("gendwarfksyms does something else than Kiln's gendwarfksyms"), "{text}");
    assert!(text.contains("#SYMVER f 0x00000000\n"), "{text}");
    assert_eq!(feed(&tools, dir.path(), &line, b"f\n"), (None, String::new()));
}

#[test]
fn a_program_that_does_the_same_runs_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let same = "printf 'savedcmd_x.o := gcc x.c\\n\\nsource_x.o := x.c\\n\\ndeps_x.o := \\\\\\n\\nx.o: $(deps_x.o)\\n\\n$(deps_x.o):\\n'";
    tree(dir.path(), same);
    let tools = Tools::new(Some(dir.path().join("cache")), &Slow::from_env(), false);
    let (_, theirs) = run(&tools, dir.path());
    let (ended, ours) = run(&tools, dir.path());
    assert_eq!((ended, ours), (Some(Ended::Exit(0)), theirs));
    assert_eq!(times_run(dir.path()), 1);
    // Another program in its place is met anew.
    tree(dir.path(), "echo something of its own");
    assert_eq!(run(&tools, dir.path()).1, "something of its own\n");
}

#[test]
fn a_program_that_cannot_run_here_is_done_without_and_that_is_said_once() {
    // An ELF file for a machine that nobody has, and what the loader says where the C library is old.
    let elf =
        [&b"\x7fELF\x02\x01\x01"[..], &[0; 9], &[2, 0, 0xff, 0x7f, 1, 0, 0, 0], &[0; 40]].concat();
    let loader = "echo \"$0: /lib/libc.so.6: version \\`GLIBC_2.99' not found (required by $0)\" >&2; exit 1";
    for foreign in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        tree(dir.path(), loader);
        if foreign {
            fs::write(dir.path().join("scripts/basic/fixdep"), &elf).expect("a file");
        }
        let tools = Tools::new(Some(dir.path().join("cache")), &Slow::from_env(), true);
        let (ended, first) = run(&tools, dir.path());
        assert_eq!(ended, Some(Ended::Exit(0)), "{first}");
        assert!(
            first.contains("kiln: the tree's own scripts/basic/fixdep cannot run here ("),
            "{first}"
        );
        assert!(first.contains("x.o := gcc x.c\n"), "{first}");
        let (ended, again) = run(&tools, dir.path());
        assert_eq!(ended, Some(Ended::Exit(0)));
        assert!(!again.contains("kiln:"), "{again}");
        // In a shell line it is another command.
        let at = dir.path().as_os_str().as_bytes();
        let words = tools.instead(b"scripts/basic/fixdep", at).expect("other words");
        let expected = ["tool", "--instead-of", "scripts/basic/fixdep", "fixdep"];
        assert_eq!(words[1..], expected.map(|w| w.as_bytes().to_vec()));
    }
}
