//! Two builds of one module's directory do not run at once, and nothing else waits.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Root;

/// What stands in for a kernel tree: its build of a module says when it begins, and ends when it may.
const MAKEFILE: &str = "\
all: ; @echo x >> $(M)/begun; until test -e $(M)/$(GO); do :; done
again: ; @$(MAKE) M=$(M) quick
process: ; @sh -c '$(MAKE) M=$(M) quick' | cat
foreign: ; @env -i PATH=$(PATH) XDG_CACHE_HOME=$(XDG_CACHE_HOME) $(MAKE) M=$(M) quick | cat
quick: ; @echo quick
.PHONY: all again process foreign quick
";

/// Long enough for anything that is going to happen.
const LONG: Duration = Duration::from_secs(60);

struct Place(Root);

impl Place {
    fn new() -> Self {
        let root = Root::new();
        for dir in ["tree/scripts", "one", "two"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join("tree/Makefile"), MAKEFILE).unwrap();
        fs::write(root.join("tree/scripts/Makefile.modpost"), "").unwrap();
        Place(root)
    }

    fn start(&self, module: &str, words: &[&str]) -> Child {
        self.0
            .command(self.0.join("make"), "")
            .args(["-C", "tree", &format!("M=../{module}")])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(
                fs::File::create(
                    self.0.join(format!("{}.err", module.rsplit('/').next().unwrap())),
                )
                .unwrap(),
            )
            .spawn()
            .unwrap()
    }

    fn begun(&self, module: &str) -> usize {
        fs::read(self.0.join(module).join("begun")).map_or(0, |text| text.len() / 2)
    }

    fn said(&self, module: &str) -> String {
        fs::read_to_string(self.0.join(format!("{}.err", module.rsplit('/').next().unwrap())))
            .unwrap()
    }
}

#[track_caller]
fn until(what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn let_go(place: &Place, module: &str, name: &str) {
    fs::write(place.0.join(module).join(name), "").unwrap();
}

#[track_caller]
fn well(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn waits(place: &Place, dir: &Path) -> bool {
    place
        .said("one")
        .starts_with(&format!("kiln: waiting for another build of {} (process ", dir.display()))
}

#[test]
fn the_second_waits_and_says_so() {
    let place = Place::new();
    let dir = place.0.join("one");
    let first = place.start("one", &["GO=go1"]);
    until(|| place.begun("one") == 1);
    assert_eq!(place.said("one"), "");
    // By another name of the same directory.
    std::os::unix::fs::symlink("one", place.0.join("link")).unwrap();
    let second = place.start("./one", &["GO=go2"]);
    until(|| waits(&place, &dir));
    assert_eq!(place.begun("one"), 1);
    // Another directory, a look and a question do not wait.
    let_go(&place, "two", "go");
    well(place.start("two", &["GO=go"]));
    assert_eq!(place.said("two"), "");
    well(place.start("link", &["-n", "GO=go2"]));
    assert_eq!(place.said("link"), "");
    let_go(&place, "one", "go1");
    well(first);
    until(|| place.begun("one") == 2);
    let_go(&place, "one", "go2");
    well(second);
    assert_eq!(place.said("one").lines().count(), 1, "{}", place.said("one"));
}

#[test]
fn a_killed_build_is_not_waited_for() {
    let place = Place::new();
    let mut first = place.start("one", &["GO=go1"]);
    until(|| place.begun("one") == 1);
    let second = place.start("one", &["GO=go2"]);
    until(|| waits(&place, &place.0.join("one")));
    first.kill().unwrap();
    first.wait().unwrap();
    until(|| place.begun("one") == 2);
    let_go(&place, "one", "go1");
    let_go(&place, "one", "go2");
    well(second);
}

#[test]
fn a_build_within_the_build_does_not_wait() {
    let place = Place::new();
    for goal in ["again", "process", "foreign"] {
        assert!(well(place.start("one", &[goal])).contains("quick\n"), "{goal}");
        assert_eq!(place.said("one"), "", "{goal}");
    }
    assert_eq!(fs::read_dir(place.0.join("cache/kiln/locks")).unwrap().count(), 0);
}

#[test]
fn a_signal_ends_the_waiting() {
    let place = Place::new();
    let mut first = place.start("one", &["GO=go1"]);
    until(|| place.begun("one") == 1);
    let mut second = place.start("one", &["GO=go2"]);
    until(|| waits(&place, &place.0.join("one")));
    let kill = format!("kill {}", second.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(!second.wait().unwrap().success());
    assert_eq!(place.begun("one"), 1);
    let_go(&place, "one", "go1");
    assert!(first.wait().unwrap().success());
}
