//! What is remade only because a file before it was made anew with the same bytes is not made twice, and
//! nobody can tell but by the file's number.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use common::Root;

/// A file that is made by renaming has another number each time.
const MAKEFILE: &str = "\
end: object other ; cat object other > end.new; echo linking; mv end.new end
object: source ; tr a-z A-Z < source > object
other: ; echo $(FLAG) > other
";

struct Place(Root);

impl Place {
    fn new() -> Self {
        let root = Root::new();
        fs::create_dir_all(root.join("work")).unwrap();
        fs::write(root.join("work/Makefile"), MAKEFILE).unwrap();
        fs::write(root.join("work/source"), "text\n").unwrap();
        Place(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join("work").join(name)
    }

    fn make_with(&self, words: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = self.0.command(self.0.join("make"), "work");
        command.args(words).envs(env.iter().copied()).output().unwrap()
    }

    /// Builds with the source newer than all else, as after `touch`; whether the last recipe was carried
    /// out. That it was, or not, must not show.
    fn makes(&self, words: &[&str], env: &[(&str, &str)]) -> bool {
        self.age();
        let number = fs::metadata(self.path("end")).map_or(0, |m| m.ino());
        let output = self.make_with(words, env);
        assert!(output.status.success(), "{output:?}");
        let said = "tr a-z A-Z < source > object\n\
                    cat object other > end.new; echo linking; mv end.new end\nlinking\n";
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.replace("echo  > other\n", "").ends_with(said), "{text}");
        let time = |name: &str| fs::metadata(self.path(name)).unwrap().modified().unwrap();
        assert!(time("end") >= time("object") && time("object") >= time("source"));
        assert!(!self.path("end.new").exists());
        let again = self.make_with(words, &[("KILN_SLOW", "all")]);
        assert_eq!(String::from_utf8_lossy(&again.stdout), "make: 'end' is up to date.\n");
        fs::metadata(self.path("end")).unwrap().ino() != number
    }

    /// Makes all but the source a minute older.
    fn age(&self) {
        let then = SystemTime::now() - Duration::from_secs(60);
        for name in ["other", "object", "end"] {
            if let Ok(file) = fs::File::options().append(true).open(self.path(name)) {
                file.set_modified(then).unwrap();
            }
        }
        let file = fs::File::options().append(true).open(self.path("source")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(5)).unwrap();
    }
}

/// A place where the last recipe is known.
fn known() -> Place {
    let place = Place::new();
    // From nothing, as ever, and watched.
    assert!((0..3).all(|_| place.makes(&[], &[])));
    assert!(!place.makes(&[], &[]));
    place
}

/// Whether the system lets Kiln watch, as it shows in the answer of a `$(shell …)`; elsewhere there is
/// nothing to test.
fn can_watch() -> bool {
    let place = Place::new();
    fs::write(place.path("probe"), "all: ; @:\nx := $(shell cat source)\n").unwrap();
    place.make_with(&["-f", "probe"], &[]);
    place.0.join("cache/kiln/answers-2").exists()
}

#[test]
fn what_has_the_same_bytes_sets_nothing_off() {
    if !can_watch() {
        return;
    }
    let place = known();
    assert!(!place.makes(&[], &[]));
    assert!(place.makes(&[], &[("KILN_SLOW", "recipes")]));
    assert!(place.makes(&[], &[("KILN_SLOW", "all")]));
    assert!(!place.makes(&[], &[]));
}

#[test]
fn what_has_other_bytes_does() {
    if !can_watch() {
        return;
    }
    let place = known();
    fs::write(place.path("source"), "test\n").unwrap();
    assert!(place.makes(&[], &[]));
    assert_eq!(fs::read(place.path("end")).unwrap(), b"TEST\n\n");
    // An edit without effect on the object, once it is known what comes of that.
    for text in ["Test\n", "TEst\n"] {
        fs::write(place.path("source"), text).unwrap();
        assert!(place.makes(&[], &[]));
    }
    fs::write(place.path("source"), "tEst\n").unwrap();
    assert!(!place.makes(&[], &[]));
    // Something else that goes into it changes without being newer.
    fs::write(place.path("other"), "more\n").unwrap();
    assert!(place.makes(&[], &[]));
    assert_eq!(fs::read(place.path("end")).unwrap(), b"TEST\nmore\n");
}

#[test]
fn variables_and_words_count() {
    if !can_watch() {
        return;
    }
    let place = known();
    assert!(place.makes(&[], &[("LC_ALL", "C")]));
    assert!(place.makes(&["FLAG="], &[]));
    assert!(!place.makes(&[], &[]));
    place.age();
    let output = place.make_with(&["-B"], &[]);
    assert!(output.status.success());
    let number = fs::metadata(place.path("end")).unwrap().ino();
    place.make_with(&["-B"], &[]);
    assert_ne!(fs::metadata(place.path("end")).unwrap().ino(), number);
}

#[test]
fn with_job_slots_too() {
    if !can_watch() {
        return;
    }
    let place = Place::new();
    assert!((0..3).all(|_| place.makes(&["-j3"], &[])));
    assert!(!place.makes(&["-j3"], &[]));
}

#[test]
fn a_cache_that_cannot_be_written_or_read() {
    if !can_watch() {
        return;
    }
    let place = known();
    let dir = place.0.join("cache/kiln/recipes-1");
    let files = || fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    assert!(!files().is_empty());
    for path in files() {
        fs::write(path, "KILNREC1 and nonsense").unwrap();
    }
    assert!((0..2).all(|_| place.makes(&[], &[])));
    assert!(!place.makes(&[], &[]));
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "no directory").unwrap();
    for _ in 0..3 {
        assert!(place.makes(&[], &[]));
    }
    fs::remove_file(&dir).unwrap();
    // To root all may be written.
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
    place.makes(&[], &[]);
    place.makes(&[], &[]);
}

#[test]
fn several_at_once() {
    if !can_watch() {
        return;
    }
    let place = known();
    place.age();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _ = place.make_with(&["-s"], &[]);
                }
            });
        }
    });
    // Some of them may have found what they rest on changed by the others.
    assert!((0..70).any(|_| !place.makes(&[], &[])));
}

#[test]
fn asking_warns_of_no_variable() {
    let place = Place::new();
    let output = place.make_with(&["--warn-undefined-variables", "FLAG="], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Asking expands nothing that each line expands anyway.
#[test]
fn a_shell_that_tells_of_itself_does_so_once_a_line() {
    let place = Place::new();
    let shell = "SHELL = $(info a line)/bin/sh";
    let count = |env: &[(&str, &str)]| {
        fs::write(place.path("source"), "text\n").unwrap();
        place.age();
        let output = place.make_with(&["-B", shell], env);
        place.age();
        let again = place.make_with(&[shell], env);
        let lines = |o: &Output| String::from_utf8_lossy(&o.stdout).matches("a line").count();
        (lines(&output), lines(&again))
    };
    assert_eq!(count(&[]), count(&[("KILN_SLOW", "recipes")]));
}
