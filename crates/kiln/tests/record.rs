//! A run with nothing to do is answered from its record, and after every change that make would notice
//! it is not: whatever is in the cache, what Kiln prints and makes is what it would without one.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use common::Root;

const MAKEFILE: &str = "\
$(info one $(wildcard *.x) $(FOO) $(shell sh tool.sh))
-include more.mk
all: out
	@test -s flag
out: in
	cp in out
.PHONY: all
";

/// A directory with something to make, and a cache of its own.
struct Place {
    root: Root,
    dir: PathBuf,
    path: String,
}

impl Place {
    fn new() -> Self {
        let root = Root::new();
        fs::create_dir_all(root.join("dir")).unwrap();
        let place = Place { dir: root.join("dir"), path: "/usr/bin:/bin".into(), root };
        place.write("Makefile", MAKEFILE);
        place.write("in", "1\n");
        place.write("flag", "yes\n");
        place.write("tool.sh", "tr a b < word\n");
        place.write("word", "a\n");
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).unwrap();
    }

    /// Writes a file so that its size and its time of last modification stay what they were.
    fn rewrite(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        let before = fs::metadata(&path).unwrap();
        assert_eq!(before.len(), text.len() as u64);
        fs::write(&path, text).unwrap();
        set_time(&path, before.modified().unwrap());
    }

    fn make_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        self.root
            .command(self.root.join("make"), &self.dir)
            .args(args)
            .env("PATH", &self.path)
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }

    fn make(&self) -> String {
        said(&self.make_with(&[], &[]))
    }

    fn runs(&self) -> PathBuf {
        self.root.join("cache/kiln/runs-1")
    }

    fn records(&self) -> Vec<PathBuf> {
        let Ok(dir) = fs::read_dir(self.runs()) else { return Vec::new() };
        dir.map(|e| e.unwrap().path()).collect()
    }

    /// Runs until there is nothing to do and that is recorded; what is said then.
    #[track_caller]
    fn settle(&self) -> String {
        for _ in 0..6 {
            self.make();
        }
        assert!(!self.records().is_empty(), "{}", self.make());
        let said = self.make();
        assert_eq!(said, self.make());
        said
    }
}

fn script(path: &Path, text: &str) {
    // Renamed into place: one that another thread's child still holds open cannot be run.
    let new = path.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, path).unwrap();
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}{:?}", text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Whether this system lets commands be watched; nothing is recorded where it does not.
fn can_watch() -> bool {
    let place = Place::new();
    (0..6).for_each(|_| drop(place.make()));
    !place.records().is_empty()
}

#[test]
fn every_change_is_noticed() {
    if !can_watch() {
        return;
    }
    type Change = fn(&mut Place);
    let cases: &[(&str, Change, &str)] = &[
        ("nothing", |_| {}, "one   b\nSome(0)"),
        ("source is newer", |p| p.write("in", "2\n"), "one   b\ncp in out\nSome(0)"),
        (
            "source put back with an older time",
            |p| {
                p.write("in", "3\n");
                set_time(&p.dir.join("in"), SystemTime::now() - Duration::from_secs(1000));
            },
            "one   b\nSome(0)",
        ),
        (
            "product is gone",
            |p| fs::remove_file(p.dir.join("out")).unwrap(),
            "one   b\ncp in out\nSome(0)",
        ),
        (
            "makefile edited within the tick, same size",
            |p| p.rewrite("Makefile", &MAKEFILE.replace("info one", "info two")),
            "two   b\nSome(0)",
        ),
        ("wildcard gains a file", |p| p.write("a.x", ""), "one a.x  b\nSome(0)"),
        ("makefile appears", |p| p.write("more.mk", "$(info more)\n"), "one   b\nmore\nSome(0)"),
        ("file that a probe reads", |p| p.rewrite("word", "c\n"), "one   c\nSome(0)"),
        ("script of a probe", |p| p.rewrite("tool.sh", "tr a d < word\n"), "one   d\nSome(0)"),
        (
            "program found earlier",
            |p| {
                let bin = p.root.join("bin");
                fs::create_dir(&bin).unwrap();
                fs::write(bin.join("tr"), "#!/bin/sh\necho mine\n").unwrap();
                fs::set_permissions(bin.join("tr"), fs::Permissions::from_mode(0o755)).unwrap();
                p.path = format!("{}:{}", bin.display(), p.path);
            },
            "one   mine\nSome(0)",
        ),
        (
            "what a recipe looks at",
            |p| p.write("flag", ""),
            "one   b\nmake: *** [Makefile:4: all] Error 1\nSome(2)",
        ),
        (
            "makefile is gone",
            |p| fs::remove_file(p.dir.join("Makefile")).unwrap(),
            "make: *** No targets specified and no makefile found.  Stop.\nSome(2)",
        ),
        (
            "directory moved",
            |p| {
                fs::rename(&p.dir, p.root.join("moved")).unwrap();
                p.dir = p.root.join("moved");
                p.write("word", "e\n");
            },
            "one   e\nSome(0)",
        ),
        (
            "directory copied",
            |p| {
                let copy = p.root.join("copy");
                let done = Command::new("cp").arg("-a").args([&p.dir, &copy]).status();
                assert!(done.unwrap().success());
                p.dir = copy;
                p.rewrite("word", "f\n");
            },
            "one   f\nSome(0)",
        ),
        (
            "program replaced under the same name, of the same size and time",
            |p| {
                let tool = p.root.join("tools/tr");
                let before = fs::metadata(&tool).unwrap();
                script(&tool, "exec /usr/bin/tr a z");
                assert_eq!(before.len(), fs::metadata(&tool).unwrap().len());
                set_time(&tool, before.modified().unwrap());
            },
            "one   z\nSome(0)",
        ),
        (
            "file of a probe from the future edited, same size: the clock jumped back",
            |p| p.rewrite("word", "g\n"),
            "one   g\nSome(0)",
        ),
    ];
    for (name, change, expected) in cases {
        let mut place = Place::new();
        if name.starts_with("program replaced") {
            fs::create_dir(place.root.join("tools")).unwrap();
            script(&place.root.join("tools/tr"), "exec /usr/bin/tr a b");
            place.path = format!("{}:{}", place.root.join("tools").display(), place.path);
        }
        if name.ends_with("jumped back") {
            let future = SystemTime::now() + Duration::from_secs(90_000);
            set_time(&place.dir.join("word"), future);
        }
        assert_eq!(place.settle(), "one   b\nSome(0)", "{name}");
        change(&mut place);
        assert_eq!(place.make(), *expected, "{name}");
    }
}

#[test]
fn variables_and_words_count() {
    let place = Place::new();
    place.make();
    for foo in ["x", "y", "x", "y", "x"] {
        let out = place.make_with(&[], &[("FOO", foo)]);
        assert_eq!(said(&out), format!("one  {foo} b\nSome(0)"));
        let out = place.make_with(&[&format!("FOO={foo}{foo}")], &[]);
        assert_eq!(said(&out), format!("one  {foo}{foo} b\nSome(0)"));
    }
}

#[test]
fn variables_that_lead_to_other_tools_count() {
    if !can_watch() {
        return;
    }
    let mut place = Place::new();
    for (dir, says) in [("a", "a"), ("b", "b")] {
        fs::create_dir_all(place.root.join(dir)).unwrap();
        for (tool, text) in [("nm", says), ("a-nm", "ca"), ("b-nm", "cb")] {
            script(&place.root.join(dir).join(tool), &format!("echo {text}"));
        }
    }
    place.write(
        "Makefile",
        "$(info $(shell nm) $(shell $(CROSS_COMPILE)nm) $(LANG) \
         $(shell gcc -print-prog-name=as))\nall: ;@:\n",
    );
    let (a, b) = (place.root.join("a").display().to_string(), place.root.join("b"));
    let rest = place.path.clone();
    place.path = format!("{a}:{rest}");
    let first = place.settle();
    assert!(first.starts_with("a a "), "{first}");
    let nothing: &[(&str, &str)] = &[];
    let with = |place: &Place, env: &[(&str, &str)]| said(&place.make_with(&[], env));
    assert!(with(&place, &[("CROSS_COMPILE", "b-")]).starts_with("a cb "));
    assert!(with(&place, &[("LANG", "de")]).contains(" de "));
    for name in ["COMPILER_PATH", "GCC_EXEC_PREFIX"] {
        // An assembler that either finds.
        let dir = format!("{}/", b.display());
        fs::write(b.join("as"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(b.join("as"), fs::Permissions::from_mode(0o755)).unwrap();
        let slow = with(&place, &[(name, &dir), ("KILN_SLOW", "all")]);
        assert_eq!(with(&place, &[(name, &dir)]), slow, "{name}");
        assert_ne!(slow, first, "{name}");
    }
    assert_eq!(with(&place, nothing), first);
    place.path = format!("{}:{rest}", b.display());
    assert!(place.make().starts_with("b b "));
}

#[test]
fn what_the_compiler_reads_counts() {
    if !can_watch() {
        return;
    }
    let place = Place::new();
    let cc1 = Command::new("gcc").arg("-print-prog-name=cc1").output().unwrap().stdout;
    let cc1 = String::from_utf8(cc1).unwrap();
    place.write("specs", "*cc1_cpu:\n+ -DW=1\n\n");
    for dir in ["tools", "early", "late"] {
        fs::create_dir(place.dir.join(dir)).unwrap();
    }
    script(&place.dir.join("tools/cc1"), &format!("exec {} \"$@\"", cc1.trim()));
    script(&place.dir.join("tools/as"), "exec /usr/bin/as \"$@\"");
    place.write("late/x.h", "late\n");
    place.write("x.c", "#include <x.h>\nW\n");
    place.write(
        "Makefile",
        "$(info $(shell gcc -specs=specs -B tools/ -E -P -Iearly -Ilate x.c) \
         $(shell gcc -B tools/ -c -x c /dev/null -o /dev/null 2>&1 || echo broken))\nall: ;@:\n",
    );
    assert_eq!(place.settle(), "late 1 \nSome(0)");
    place.rewrite("specs", "*cc1_cpu:\n+ -DW=2\n\n");
    assert_eq!(place.make(), "late 2 \nSome(0)", "specs");
    place.write("early/x.h", "early\n");
    assert_eq!(place.settle(), "early 2 \nSome(0)", "header in an earlier directory");
    script(&place.dir.join("tools/as"), "exit 1");
    assert!(place.make().contains("broken"), "assembler");
    script(&place.dir.join("tools/as"), "exec /usr/bin/as \"$@\"");
    place.settle();
    script(&place.dir.join("tools/cc1"), "exit 1");
    assert!(place.make().contains("broken"), "cc1");
}

/// What stands in for a kernel tree that was built against: its settings, a header, its symbols.
#[test]
fn a_tree_that_is_updated_in_place_counts() {
    if !can_watch() {
        return;
    }
    let makefile = "include include/config/auto.conf\n$(info tree $(CONFIG_X))\n\
                    all: $(M)/o $(M)/ko ; @:\n\
                    $(M)/o: include/generated/autoconf.h\n\tcp $< $@\n\
                    $(M)/ko: Module.symvers\n\tcp $< $@\n.PHONY: all\n";
    let changes: &[(&str, &str, &str)] = &[
        ("include/config/auto.conf", "CONFIG_X := m\n", "tree m\n"),
        ("include/generated/autoconf.h", "#define Y\n", "cp include/generated/autoconf.h"),
        ("Module.symvers", "0x2\n", "cp Module.symvers"),
        ("Makefile", &makefile.replace("info tree", "info wood"), "wood y\n"),
    ];
    let place = Place::new();
    let tree = place.root.join("tree");
    for dir in ["include/config", "include/generated", "scripts"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    fs::write(tree.join("scripts/Makefile.modpost"), "").unwrap();
    let module = format!("M={}", place.dir.display());
    let make = || said(&place.make_with(&["-C", "../tree", &module], &[]));
    for (file, text, expected) in changes {
        for (file, text) in [
            ("include/config/auto.conf", "CONFIG_X := y\n"),
            ("include/generated/autoconf.h", "#define X\n"),
            ("Module.symvers", "0x1\n"),
            ("Makefile", makefile),
        ] {
            fs::write(tree.join(file), text).unwrap();
        }
        let _ = fs::remove_dir_all(place.runs());
        (0..6).for_each(|_| drop(make()));
        assert!(!place.records().is_empty(), "{file}");
        assert!(!make().contains("cp "));
        fs::write(tree.join(file), text).unwrap();
        assert!(make().contains(expected), "{file}");
    }
}

#[test]
fn a_record_that_is_damaged_is_none() {
    if !can_watch() {
        return;
    }
    type Damage = fn(&Place, &Path);
    let damages: &[(&str, Damage)] = &[
        ("cut off", |_, f| {
            let len = fs::metadata(f).unwrap().len();
            fs::File::options().write(true).open(f).unwrap().set_len(len / 2).unwrap();
        }),
        ("empty", |_, f| fs::write(f, "").unwrap()),
        ("a byte is another", |_, f| {
            let mut bytes = fs::read(f).unwrap();
            let at = bytes.len() / 3;
            bytes[at] ^= 1;
            fs::write(f, bytes).unwrap();
        }),
        ("another format", |_, f| {
            let mut bytes = fs::read(f).unwrap();
            bytes[7] = b'2';
            fs::write(f, bytes).unwrap();
        }),
        ("others may write it", |_, f| {
            fs::set_permissions(f, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("a directory in its place", |_, f| {
            fs::remove_file(f).unwrap();
            fs::create_dir(f).unwrap();
        }),
        ("the cache is a file", |p, _| {
            fs::remove_dir_all(p.root.join("cache")).unwrap();
            fs::write(p.root.join("cache"), "").unwrap();
        }),
        ("the cache is full", |p, _| {
            fs::remove_dir_all(p.root.join("cache")).unwrap();
            std::os::unix::fs::symlink("/dev/full", p.root.join("cache")).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let place = Place::new();
        place.settle();
        damage(&place, &place.records()[0]);
        assert_eq!(place.make(), "one   b\nSome(0)", "{name}");
        place.write("in", "2\n");
        assert_eq!(place.make(), "one   b\ncp in out\nSome(0)", "{name}");
    }
}

#[test]
fn what_rests_on_more_than_files_is_not_recorded() {
    for text in [
        "$(info $(shell date +%N))\nall: ;\n",
        "$(info $(shell git describe))\nall: ;\n",
        "all: ; @echo said\n",
        "all: ; @echo x >> log\n",
        "all: ; @date > /dev/null\n",
        "$(file > log,x)\nall: ;\n",
        "all: ; +@:\n\t@sh -c 'read x; :'; date >/dev/null\n",
    ] {
        let place = Place::new();
        place.write("Makefile", text);
        (0..5).for_each(|_| drop(place.make()));
        assert!(place.records().is_empty(), "{text}");
    }
    let place = Place::new();
    place.write("Makefile", "all: ; @echo x >> log\n.PHONY: all\n");
    (0..5).for_each(|_| drop(place.make()));
    assert_eq!(fs::read(place.dir.join("log")).unwrap(), b"x\nx\nx\nx\nx\n");
}

#[test]
fn switches_that_do_or_tell_more_are_not_recorded() {
    for switch in
        ["-n", "-q", "-t", "-B", "-d", "-p", "--trace", "--shuffle", "-l9", "--version", "-f-"]
    {
        let place = Place::new();
        place.make();
        fs::remove_dir_all(place.root.join("cache")).unwrap();
        (0..4).for_each(|_| drop(place.make_with(&[switch], &[])));
        assert!(place.records().is_empty(), "{switch}");
    }
}

#[test]
fn slow_ways_keep_none() {
    for slow in ["plan", "probes", "all"] {
        let place = Place::new();
        (0..5).for_each(|_| drop(place.make_with(&[], &[("KILN_SLOW", slow)])));
        assert!(place.records().is_empty(), "{slow}");
    }
}

#[test]
fn recursive_makes_are_part_of_it() {
    if !can_watch() {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.dir.join("sub")).unwrap();
    place.write("Makefile", "all: ; $(MAKE) -C sub\n.PHONY: all\n");
    place.write("sub/Makefile", "all: out ; @:\nout: in ; cp in out\n");
    place.write("sub/in", "1\n");
    let before = place.settle();
    assert!(before.contains("-C sub") && !before.contains("cp"), "{before}");
    place.write("sub/in", "2\n");
    assert!(place.make().contains("cp in out"));
    assert_eq!(fs::read(place.dir.join("sub/out")).unwrap(), b"2\n");
}

#[test]
fn several_at_once() {
    let place = Place::new();
    place.make();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| (0..4).map(|_| place.make()).collect::<Vec<_>>()))
            .collect();
        for one in all {
            assert!(one.join().unwrap().iter().all(|said| said == "one   b\nSome(0)"));
        }
    });
    place.write("in", "2\n");
    assert_eq!(place.make(), "one   b\ncp in out\nSome(0)");
}

#[test]
fn commands_that_are_watched_run_side_by_side() {
    let place = Place::new();
    // The first waits for the second, though not for ever.
    place.write(
        "Makefile",
        "all: a b\na: ; @i=0; while ! test -e there && test $$i -lt 300; \\\n\
         \tdo sleep 0.1; i=$$(($$i + 1)); done; test -e there\nb: ; @touch there\n.PHONY: all a b\n",
    );
    assert_eq!(said(&place.make_with(&["-j2"], &[])), "Some(0)");
}
