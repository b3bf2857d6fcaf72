//! What is made anew each time and comes out the same: its words are said and its files get their times, and
//! nobody can tell but by a file's number.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use common::Root;

/// As kbuild installs modules: a copy that may be signed, then packed, which takes it away. What is made by
/// renaming has another number each time.
const MAKEFILE: &str = "\
end: $(TO)/one.packed $(TO)/kept
$(TO)/%.packed: $(TO)/%.copy FORCE
\t@echo PACK $@; tr a-z A-Z < $< > $@.new; mv $@.new $@; touch -r $< $@; rm $<
$(TO)/%.copy: %.source FORCE
\t@echo COPY $@; cp $< $@
\t@test -f key && cat key >> $@ || echo no key >&2
$(TO)/kept: one.source FORCE ; @cat $< > $@.new; mv $@.new $@
other: FORCE ; @echo $(WORDS) > $@.new; mv $@.new $@
FORCE:
.PHONY: FORCE end
";

struct Place(Root);

impl Place {
    fn new() -> Self {
        let place = Place(Root::new());
        fs::create_dir_all(place.path("to")).unwrap();
        fs::write(place.path("Makefile"), MAKEFILE).unwrap();
        fs::write(place.path("one.source"), "text\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join("work").join(name)
    }

    fn make(&self, shell: &str, words: &str) -> Output {
        let make = self.0.join("make");
        let mut command = self.0.command("/bin/sh", "work");
        command.arg("-c").arg(format!("{shell} exec {} {words}", make.display()));
        command.output().unwrap()
    }

    fn number(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |m| m.ino())
    }

    /// Makes all; which of the two files was made anew. That it was, or not, must not show.
    fn makes_with(&self, shell: &str, words: &str) -> (bool, bool) {
        self.makes_of(false, shell, words)
    }

    fn makes_of(&self, newer: bool, shell: &str, words: &str) -> (bool, bool) {
        let then = SystemTime::now() - Duration::from_secs(60);
        let to = if words.contains("TO=other") { "other" } else { "to" };
        let (packed, kept) = (format!("{to}/one.packed"), format!("{to}/kept"));
        let age = |name: &str, time| {
            if let Ok(file) = fs::File::options().append(true).open(self.path(name)) {
                file.set_modified(time).unwrap();
            }
        };
        age(&packed, then);
        age(&kept, then);
        if !newer {
            age("one.source", then - Duration::from_secs(60));
        }
        let before = [&packed, &kept].map(|name| self.number(name));
        let output = self.make(shell, &format!("TO=to {words}"));
        assert!(output.status.success(), "{output:?}");
        let said = format!("COPY {to}/one.copy\nPACK {packed}\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
        let key = fs::read_to_string(self.path("key")).unwrap_or_default();
        let complaint = if key.is_empty() { "no key\n" } else { "" };
        assert_eq!(String::from_utf8_lossy(&output.stderr), complaint);
        let source = fs::read_to_string(self.path("one.source")).unwrap();
        assert_eq!(fs::read_to_string(self.path(&kept)).unwrap(), source);
        let text = fs::read_to_string(self.path(&packed)).unwrap();
        assert_eq!(text, format!("{source}{key}").to_ascii_uppercase());
        for name in [&packed, &kept] {
            assert!(fs::metadata(self.path(name)).unwrap().modified().unwrap() > then);
        }
        let left = fs::read_dir(self.path(to)).unwrap().count();
        assert_eq!(left, 2, "the copy is gone");
        (self.number(&packed) != before[0], self.number(&kept) != before[1])
    }

    fn makes(&self) -> (bool, bool) {
        self.makes_with("", "")
    }
}

const ANEW: (bool, bool) = (true, true);
const KNOWN: (bool, bool) = (false, false);

/// Where all is known, unless the system lets nobody watch.
fn known() -> Option<Place> {
    let place = Place::new();
    fs::write(place.path("probe"), "all: ; @:\nx := $(shell cat one.source)\n").unwrap();
    place.make("", "-f probe");
    if !place.0.join("cache/kiln/answers-2").exists() {
        return None;
    }
    // From nothing; with the same bytes; watched.
    for turn in 1..=3 {
        assert_eq!(place.makes(), ANEW, "{turn}");
        assert_eq!(place.recipes() > 0, turn > 1, "from nothing, nothing is kept");
    }
    assert_eq!(place.makes(), KNOWN);
    Some(place)
}

impl Place {
    /// How many recipes are kept.
    fn recipes(&self) -> usize {
        fs::read_dir(self.0.join("cache/kiln/recipes-1")).map_or(0, Iterator::count)
    }
}

/// Something happens to what is known, and which of the two is made anew then; afterwards they are
/// known again, sooner or later.
fn after(change: impl Fn(&Place), anew: (bool, bool)) {
    let Some(place) = known() else { return };
    change(&place);
    assert_eq!(place.makes(), anew);
    assert!((0..6).any(|_| place.makes() == KNOWN));
}

#[test]
fn what_comes_out_the_same_is_not_made_again() {
    after(|_| {}, KNOWN);
}

/// As after a build from nothing.
#[test]
fn a_newer_source_with_the_same_bytes_counts_for_nothing() {
    let Some(place) = known() else { return };
    fs::write(place.path("one.source"), "text\n").unwrap();
    assert_eq!(place.makes_of(true, "", ""), KNOWN);
    fs::write(place.path("one.source"), "test\n").unwrap();
    assert_eq!(place.makes_of(true, "", ""), ANEW);
}

#[test]
fn a_source_with_other_bytes_is_made_of() {
    after(|p| fs::write(p.path("one.source"), "test\n").unwrap(), ANEW);
    after(|p| fs::write(p.path("one.source"), "longer\n").unwrap(), ANEW);
}

#[test]
fn a_key_that_appears_is_used() {
    after(|p| fs::write(p.path("key"), "key\n").unwrap(), (true, false));
}

#[test]
fn what_was_made_and_is_otherwise_is_made_anew() {
    after(|p| fs::write(p.path("to/one.packed"), "edited\n").unwrap(), (true, false));
    after(|p| fs::remove_file(p.path("to/one.packed")).unwrap(), (true, false));
    after(|p| fs::write(p.path("to/kept"), "edited\n").unwrap(), (false, true));
    after(
        |p| fs::set_permissions(p.path("to/kept"), fs::Permissions::from_mode(0o600)).unwrap(),
        (false, true),
    );
    // The copy lies there, as after a kill, or something else does.
    after(|p| fs::write(p.path("to/one.copy"), "text\n").unwrap(), KNOWN);
    after(|p| fs::write(p.path("to/one.copy"), "edited\n").unwrap(), KNOWN);
}

#[test]
fn another_mask_directory_and_switch() {
    let Some(place) = known() else { return };
    assert_eq!(place.makes_with("umask 077;", ""), ANEW);
    let mode = |name| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("to/kept"), mode("to/one.packed")], [0o600; 2]);
    fs::create_dir(place.path("other")).unwrap();
    assert_eq!(place.makes_with("", "TO=other"), ANEW);
    assert!((0..6).any(|_| place.makes() == KNOWN));
    assert_eq!(place.makes_with("KILN_SLOW=recipes", ""), ANEW);
    assert_eq!(place.makes_with("KILN_SLOW=all", ""), ANEW);
    assert_eq!(place.makes(), KNOWN);
    assert_eq!(place.makes_with("", "-B"), ANEW);
    assert_eq!(place.makes_with("", "-j3"), ANEW, "make's flags are others");
}

/// A setting that goes back and forth, as of a build for debugging, is not watched.
#[test]
fn words_that_differ_are_never_watched() {
    let Some(place) = known() else { return };
    let kept = place.recipes();
    for words in ["one", "two"].iter().cycle().take(12) {
        let before = place.number("other");
        place.make("", &format!("TO=to other WORDS={words}"));
        assert_eq!(fs::read_to_string(place.path("other")).unwrap(), format!("{words}\n"));
        assert_ne!(place.number("other"), before);
    }
    assert_eq!(place.recipes(), kept);
}

/// A recipe that reads what it is given, or asks what that is, is known only for the like.
#[test]
fn what_is_given_as_input_counts_for_who_asks() {
    let Some(place) = known() else { return };
    let with = |input: &str, recipe: &str| {
        let makefile =
            format!("all: FORCE ; @{recipe} > all.new; mv all.new all\nFORCE:\n.PHONY: FORCE\n");
        fs::write(place.path("input"), makefile).unwrap();
        let before = place.number("all");
        let output = place.make(input, "-f input");
        assert!(output.status.success(), "{output:?}");
        (place.number("all") != before, fs::read_to_string(place.path("all")).unwrap())
    };
    for _ in 0..4 {
        with("echo a |", "cat");
    }
    assert_eq!(with("echo b |", "cat"), (true, "b\n".to_owned()));
    for _ in 0..4 {
        with("echo a |", "cat one.source");
    }
    assert_eq!(with("echo b |", "cat one.source"), (false, "text\n".to_owned()));
    // mv asks whether it is a terminal.
    assert_eq!(with("<Makefile", "cat one.source"), (true, "text\n".to_owned()));
    for _ in 0..6 {
        with("</dev/null", "{ cat; cat one.source; }");
    }
    assert_eq!(with("<one.source", "{ cat; cat one.source; }"), (true, "text\ntext\n".to_owned()));
    assert_eq!(with("echo b |", "{ cat; cat one.source; }"), (true, "b\ntext\n".to_owned()));
    for _ in 0..6 {
        with("", "test -p /dev/stdin; echo $$?");
    }
    assert_eq!(with("echo b |", "test -p /dev/stdin; echo $$?").1, "0\n");
}

/// A kernel tree's own program that is another machine's: Kiln's does the work, also where it is watched.
#[test]
fn what_cannot_run_here_is_done_without_where_it_is_watched() {
    let Some(place) = known() else { return };
    let elf =
        [&b"\x7fELF\x02\x01\x01"[..], &[0; 9], &[2, 0, 0xff, 0x7f, 1, 0, 0, 0], &[0; 40]].concat();
    let tool = place.path("scripts/basic/fixdep");
    fs::create_dir_all(tool.parent().unwrap()).unwrap();
    fs::write(&tool, elf).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(place.path("dep"), "one.o: one.source\n").unwrap();
    let makefile = "all: FORCE ; @scripts/basic/fixdep dep one.o 'cc' > all.new; mv all.new all\n\
        FORCE:\n.PHONY: FORCE\n";
    fs::write(place.path("tool"), makefile).unwrap();
    for turn in 0..5 {
        let output = place.make("KILN_KERNEL=6.12", "-f tool");
        assert!(output.status.success() && output.stderr.is_empty(), "{turn}: {output:?}");
        let text = fs::read_to_string(place.path("all")).unwrap();
        assert!(text.contains("one.source") && text.contains("cmd_one.o := cc"), "{turn}: {text}");
    }
}

/// kbuild ends the recipe of each object with such lines, whether it was compiled or not.
#[test]
fn what_changes_nothing_is_not_noted() {
    if known().is_none() {
        return;
    }
    let place = Place::new();
    let makefile = "all: one.source\none.source: FORCE\n\t@:\n\
        \t@set -e;  trap 'rm -f $@; trap - HUP; kill -s HUP $$$$' HUP; $(MORE)\n\
        FORCE:\n.PHONY: all FORCE\n";
    fs::write(place.path("idle"), makefile).unwrap();
    let make = |words: &str| {
        let output = place.make("", &format!("-f idle {words}"));
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    };
    (0..4).for_each(|_| make(""));
    assert_eq!(place.recipes(), 0);
    (0..2).for_each(|_| make("MORE='cat $@ > $@.new; mv $@.new $@'"));
    assert_eq!(place.recipes(), 1);
}
