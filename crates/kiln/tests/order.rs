//! What takes longest begins first among its likes, where it is known and nobody can be hurt by it; else
//! recipes begin as they are written.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Root;

/// What stands in for a kernel tree's makefiles.
const MAKEFILE: &str = "\
all: ; @$(MAKE) -f build.mk
process: ; @sh -c '$(MAKE) -f build.mk' | cat
beside: long main
long: ; @until test -e $(M)/m; do sleep 0.05; done
main: ; @$(MAKE) -f build.mk
.PHONY: all process beside long main
";
/// An object is made by running its source.
const BUILD: &str = "\
$(M)/m: $(patsubst %,$(M)/%.o,a b c d slow e) ; cat $^ > $@
$(M)/%.o: $(M)/%.c ; sh $< > $@
";

struct Place(Root);

impl Place {
    fn new() -> Self {
        let root = Root::new();
        for dir in ["tree/scripts", "mod"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join("tree/Makefile"), MAKEFILE).unwrap();
        fs::write(root.join("tree/build.mk"), BUILD).unwrap();
        fs::write(root.join("tree/scripts/Makefile.modpost"), "").unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            fs::write(root.join(format!("mod/{name}.c")), format!("echo {name}\n")).unwrap();
        }
        fs::write(root.join("mod/slow.c"), "sleep 1; echo slow\n").unwrap();
        Place(root)
    }

    fn durations(&self) -> PathBuf {
        self.0.join("cache/kiln/durations-1")
    }

    /// Builds from nothing; the objects in the order in which they were begun.
    fn build(&self, words: &[&str], slow: &str) -> String {
        for entry in fs::read_dir(self.0.join("mod")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "c") {
                fs::remove_file(path).unwrap();
            }
        }
        let said = self.make(words, slow);
        assert_eq!(fs::read(self.0.join("mod/m")).unwrap(), b"a\nb\nc\nd\nslow\ne\n");
        let object = |line: &str| {
            Some(
                Path::new(line.strip_prefix("sh ")?.split(' ').next()?)
                    .file_stem()?
                    .to_str()?
                    .to_owned(),
            )
        };
        let begun: Vec<String> = said.lines().filter_map(object).collect();
        begun.join(" ")
    }

    fn make(&self, words: &[&str], slow: &str) -> String {
        let output = self
            .0
            .command(self.0.join("make"), "")
            .args(["-C", "tree", "M=../mod"])
            .args(words)
            .env("KILN_SLOW", slow)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

const WRITTEN: &str = "a b c d slow e";

/// The slow one has gone ahead of all that had not begun before it was known; how the quick ones stand to
/// each other is the machine's doing.
fn is_ahead(begun: &str) -> bool {
    begun.starts_with("a slow ")
}

#[test]
fn the_longest_is_begun_first_once_it_is_known() {
    let place = Place::new();
    // With one job at a time nothing is gained, and nothing remembered.
    assert_eq!(place.build(&[], ""), WRITTEN);
    assert_eq!(place.build(&["-j2"], "order"), WRITTEN);
    assert!(!place.durations().exists());
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    assert!(place.durations().exists());
    assert!(is_ahead(&place.build(&["-j2"], "")));
    assert!(is_ahead(&place.build(&["-j8"], "")));
    assert_eq!(place.build(&[], ""), WRITTEN);
    for slow in ["order", "submake", "all"] {
        assert_eq!(place.build(&["-j2"], slow), WRITTEN, "{slow}");
    }
    assert_eq!(place.build(&["-j2", "--shuffle=identity"], ""), WRITTEN);

    // A rule that is another one is not known.
    let build = place.0.join("tree/build.mk");
    fs::write(&build, BUILD.replace("sh $< > $@", "sh $< >$@")).unwrap();
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    assert!(is_ahead(&place.build(&["-j2"], "")));

    // Nor are the makefiles, where something is made that is not. (What stands elsewhere is another rule.)
    let before = fs::read_to_string(&build).unwrap();
    let more = ".DEFAULT_GOAL := all\nall: $(M)/new $(M)/m\n$(M)/new: ; echo > $@\n";
    fs::write(&build, format!("{before}{more}")).unwrap();
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    fs::write(&build, before).unwrap();

    // Damage is nothing that is known, and does not last.
    for entry in fs::read_dir(place.durations()).unwrap() {
        fs::write(entry.unwrap().path(), "KILNDUR1").unwrap();
    }
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    assert!(is_ahead(&place.build(&["-j2"], "")));
}

#[test]
fn nothing_goes_ahead_while_anything_else_may_run() {
    let place = Place::new();
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    // What runs beside it does so in the make above, which ends with it.
    assert_eq!(place.build(&["-j3", "beside"], ""), WRITTEN);
    // Others share the slots.
    assert_eq!(place.build(&["-j2", "process"], ""), WRITTEN);
    assert!(is_ahead(&place.build(&["-j2"], "")));
}

#[test]
fn what_has_nothing_to_do_writes_nothing() {
    let place = Place::new();
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    fs::remove_dir_all(place.durations()).unwrap();
    let said = place.make(&["-j2"], "plan");
    assert!(said.contains("up to date"), "{said}");
    assert!(!place.durations().exists());
    // Nor is anything kept of what is no build of a module.
    fs::remove_file(place.0.join("tree/scripts/Makefile.modpost")).unwrap();
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    assert_eq!(place.build(&["-j2"], ""), WRITTEN);
    assert!(!place.durations().exists());
}
