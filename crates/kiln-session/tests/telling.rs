//! What a person is told about a build: reasons, a trace, where the time went.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kiln_session::log::Log;
use kiln_session::told::Telling;
use kiln_session::{Exit, make_telling, trace};

/// Runs make on the makefile in `dir`; returns what was said and logged.
fn run(dir: &Path, args: &[&str]) -> (Vec<String>, Log) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let telling = Telling { why: true, trace: None, timing: true };
    let into = Arc::clone(&said);
    let say = Box::new(move |text: &str| into.lock().unwrap().push(text.to_owned()));
    // By this name a recursive make is one within the process; there may be no other on the machine.
    let own = dir.join("make");
    let words = [own.to_str().unwrap(), "-s", "-C", dir.to_str().unwrap()];
    let mut argv: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    argv.extend(args.iter().map(|a| a.as_bytes().to_vec()));
    let (exit, log) = make_telling(argv, false, &telling, say).unwrap();
    assert_eq!(exit, Exit::Status(0));
    let said = said.lock().unwrap().clone();
    (said, log.unwrap())
}

/// A makefile that remembers commands as kbuild does.
const MAKEFILE: &str = "\
all: out sub
-include .out.cmd
cmd_out = cat a b $(FLAGS) >out
newer-prereqs = $(filter-out FORCE,$?)
out: a b FORCE
\t$(if $(newer-prereqs)$(filter-out $(subst $() ,_,$(savedcmd_out)),$(subst $() ,_,$(cmd_out))),\
$(cmd_out); printf '%s\\n' 'savedcmd_out := $(cmd_out)' > .out.cmd,@:)
b: a
\tcp a b
sub:
\t$(MAKE) -f sub.mk
FORCE:
.PHONY: all sub FORCE
";

#[test]
fn reasons_are_told_and_jobs_are_logged() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), dir.join("make")).unwrap();
    fs::write(dir.join("Makefile"), MAKEFILE).unwrap();
    fs::write(dir.join("sub.mk"), "x: out\n\tcp out x\n").unwrap();
    fs::write(dir.join("a"), "a\n").unwrap();
    let (said, log) = run(dir, &[]);
    let missing = ["b: it does not exist", "out: it does not exist"];
    assert_eq!(said[..2], missing);
    let job = |name: &str| log.jobs.iter().find(|(_, j)| j.name == name).map(|(n, _)| *n);
    assert_eq!(log.jobs[&job("out").unwrap()].needs, [job("b").unwrap()]);
    assert!(job("all").is_none());
    let json = trace::json(&log);
    assert!(json.contains("\"critical\": true") && json.contains("\"target\": \"out\""), "{json}");
    let timing = trace::timing(&log, std::time::Duration::ZERO);
    assert!(timing.contains("Kiln alone"), "{timing}");

    let (said, _) = run(dir, &[]);
    assert_eq!(said, [""; 0]);
    let (said, _) = run(dir, &["FLAGS=-u"]);
    assert_eq!(said[0], "out: its command changed: +-u");
    fs::write(dir.join("b"), "b\n").unwrap();
    let (said, _) = run(dir, &["FLAGS=-u"]);
    assert_eq!(said[0], "out: b is newer");
}
