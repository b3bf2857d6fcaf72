//! Questions that kbuild asks with several programs are answered once the programs have answered alike.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use kiln_exec::{Ended, Native, Sink};
use kiln_session::Slow;
use kiln_session::native::Tools;

fn tools(cache: &Path) -> Tools {
    Tools::new(Some(cache.to_path_buf()), &Slow::from_env(), false)
}

fn env() -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    vec![(b"PATH".to_vec(), path.as_bytes().to_vec())]
}

fn words(line: &[&str]) -> Vec<Vec<u8>> {
    line.iter().map(|w| w.as_bytes().to_vec()).collect()
}

/// A program in `dir` that notes that it ran and then does what its namesake does.
fn noting(dir: &Path, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    let script = format!(
        "#!/bin/sh\necho {name} >>{}\nexec /usr/bin/{name} \"$@\"\n",
        dir.join("ran").display()
    );
    fs::write(&path, script).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path.display().to_string()
}

fn times_run(dir: &Path) -> usize {
    fs::read_to_string(dir.join("ran")).unwrap_or_default().lines().count()
}

#[test]
fn exports_of_an_object() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let nm = noting(dir, "nm");
    let assemble = |source: &str, object: &str| {
        fs::write(dir.join("x.s"), source).expect("a file");
        let done = Command::new("as").args(["x.s", "-o", object]).current_dir(dir).status();
        assert!(done.expect("an assembler").success());
    };
    assemble(".globl fn\nfn: .long 0\n__export_symbol_fn: .long 0\n", "with.o");
    assemble(".globl fn\nfn: .long 0\n", "without.o");
    fs::write(dir.join("no.o"), b"no object").expect("a file");
    let ask = |tools: &Tools, object: &str, pattern: &str| {
        let list = words(&[&nm, object]);
        let find = words(&["grep", "-q", pattern]);
        let programs: [(&[u8], &[Vec<u8>]); 2] =
            [(nm.as_bytes(), &list), (b"/usr/bin/grep", &find)];
        tools.ask(&programs, &env(), dir.as_os_str().as_bytes())
    };
    let own = tools(&dir.join("cache"));
    let mark = " __export_symbol_";
    // Each answer is confirmed by the program itself the first time.
    for (object, answer, ran) in
        [("with.o", 0, 1), ("with.o", 0, 1), ("without.o", 1, 2), ("without.o", 1, 2)]
    {
        assert_eq!(ask(&own, object, mark), Some(answer), "{object}");
        assert_eq!(times_run(dir), ran, "{object}");
    }
    assert_eq!(ask(&tools(&dir.join("cache")), "with.o", mark), Some(0));
    assert_eq!(times_run(dir), 2);
    // What is no object, or another pattern, is for the programs.
    assert_eq!(ask(&own, "no.o", mark), None);
    assert_eq!(ask(&own, "gone.o", mark), None);
    assert_eq!(ask(&own, "with.o", "fn"), None);
    // A program that lists something else is believed from then on.
    let liar = "#!/bin/sh\necho 0 T fn\n";
    fs::write(dir.join("nm"), liar).expect("a file");
    assert_eq!(ask(&own, "with.o", mark), Some(1));
    assert_eq!(ask(&own, "with.o", mark), None);
}

#[test]
fn names_that_an_object_exports() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let (nm, sed) = (noting(dir, "nm"), noting(dir, "sed"));
    let assemble = |source: &str, object: &str| {
        fs::write(dir.join("x.s"), source).expect("a file");
        let done = Command::new("as").args(["x.s", "-o", object]).current_dir(dir).status();
        assert!(done.expect("an assembler").success());
    };
    let record = |name: &str| format!("__export_symbol_{name}: .long 0\n");
    let two = format!("fn: .long 0\n{}{}", record("fn"), record("Data.1"));
    assemble(&two, "two.o");
    assemble("fn: .long 0\n", "none.o");
    let strange = "\"x __export_symbol_y\": .long 0\n";
    assemble(&format!("{}{strange}", record("fn")), "strange.o");
    fs::write(dir.join("no.o"), b"no object").expect("a file");
    let script = "s/.* __export_symbol_\\(.*\\)/\\1/p";
    let lines = |tools: &Tools, object: &str, script: &str, locale: (&str, &str)| {
        let (list, find) = (words(&[&nm, object]), words(&[&sed, "-n", script]));
        let programs: [(&[u8], &[Vec<u8>]); 2] = [(nm.as_bytes(), &list), (sed.as_bytes(), &find)];
        let mut env = env();
        env.push((locale.0.into(), locale.1.into()));
        let found = tools.lines(&programs, &env, dir.as_os_str().as_bytes());
        found.map(|text| String::from_utf8(text).expect("a text"))
    };
    let c = ("LC_COLLATE", "C");
    let own = tools(&dir.join("cache"));
    // What both find nothing in confirms nothing.
    assert_eq!((lines(&own, "none.o", script, c), times_run(dir)), (None, 0));
    let names = Some("Data.1\nfn\n".to_owned());
    for _ in 0..2 {
        assert_eq!((lines(&own, "two.o", script, c), times_run(dir)), (names.clone(), 2));
    }
    assert_eq!(lines(&tools(&dir.join("cache")), "two.o", script, c), names);
    assert_eq!(times_run(dir), 2);
    // What would show in the listing as something else, what is no object, another script, and an
    // order that is not that of the bytes are for the programs.
    for object in ["strange.o", "no.o", "gone.o"] {
        assert_eq!(lines(&own, object, script, c), None, "{object}");
    }
    assert_eq!(lines(&own, "two.o", "s/.* __export_symbol_//p", c), None);
    assert_eq!(lines(&own, "two.o", script, ("LANG", "en_US.UTF-8")), None);
    assert_eq!(lines(&own, "two.o", script, ("LC_ALL", "POSIX")), names);
    assert_eq!(times_run(dir), 2);
    // A program that lists something else is believed from then on.
    fs::write(dir.join("nm"), "#!/bin/sh\necho 0 T __export_symbol_x\n").expect("a file");
    let other = tools(&dir.join("cache"));
    assert_eq!(lines(&other, "two.o", script, c), None);
    fs::write(dir.join("ran"), "").expect("a file");
    assert_eq!((lines(&other, "two.o", script, c), times_run(dir)), (None, 0));
}

#[test]
fn lists_of_modules() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    fs::create_dir_all(dir.join("scripts")).expect("a directory");
    let script = dir.join("scripts/modules-check.sh");
    let check = "echo x >>ran; d=$(sed 's:.*/::' $1 | sort | uniq -d); [ -z \"$d\" ] && exit 0\n\
        echo 'error: the following would cause module name conflict:' >&2\n\
        sed -n \"/\\/$d/s:^\\(.*\\)\\.o$:  \\1.ko:p\" $1 >&2; exit 1\n";
    fs::write(&script, check).expect("a file");
    fs::write(dir.join("good"), "a/x.o\nb/y.o\n").expect("a file");
    fs::write(dir.join("bad"), "a/x.o\nb/x.o\n").expect("a file");
    let run = |tools: &Tools, list: &str| {
        let argv = words(&["sh", "scripts/modules-check.sh", list]);
        assert!(tools.takes(&argv));
        tools.run(&argv, &env(), dir.as_os_str().as_bytes(), &Sink::default())
    };
    let own = tools(&dir.join("cache"));
    let well = Some(Ended::Exit(0));
    // Once for the list, once for one that has a conflict.
    for _ in 0..3 {
        assert_eq!((run(&own, "good"), times_run(dir)), (well, 2));
    }
    // What prints something is left to the script.
    assert_eq!(run(&own, "bad"), None);
    // A script that lets conflicts pass looks for something else.
    fs::write(&script, "echo x >>ran; exit 0\n").expect("a file");
    assert_eq!(run(&own, "good"), None);
    assert_eq!(run(&own, "good"), None);
}
