//! Jobs with real processes: what runs beside what, what is printed, that slots come back.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use kiln_base::{RealSys, Sys};
use kiln_exec::hooks::Env;
use kiln_exec::{Ended, Exec, ExecHost, Native, Output, Signals, Sink, Slots, SyncLock};
use kiln_graph::{Goal, Graph, Status, Stop, Switches};
use kiln_make::options::OutputSync;
use kiln_make::{Make, Options};

/// A directory that is removed in the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kiln-exec-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the default goal of a makefile; returns what was printed, and the exit status in brackets.
fn run(dir: &Path, makefile: &str, slots: &Arc<Slots>, opts: Options) -> String {
    run_with(dir, makefile, slots, opts, None)
}

/// The same; `native` does programs of lines that are run within the process.
fn run_with(
    dir: &Path,
    makefile: &str,
    slots: &Arc<Slots>,
    opts: Options,
    native: Option<Arc<dyn Native>>,
) -> String {
    std::fs::write(dir.join("Makefile"), makefile).unwrap();
    let log = dir.join("log");
    let printed = Arc::new(File::options().append(true).create(true).open(&log).unwrap());
    let sink = Sink { out: Some(Arc::clone(&printed)), err: Some(printed) };
    let here = RealSys::current().unwrap();
    let sys: Arc<dyn Sys> = Arc::from(here.at(dir.as_os_str().as_encoded_bytes()).unwrap());
    let output = Rc::new(RefCell::new(Output::new(sink)));
    output.borrow_mut().set_mode(opts.output_sync);
    if opts.output_sync != OutputSync::None {
        output.borrow_mut().set_lock(Some(Arc::new(SyncLock::create(dir).unwrap())));
    }
    let host = ExecHost::new(Rc::clone(&output), Arc::clone(&sys));
    let mut make = Make::new(Arc::clone(&sys), Box::new(host), opts, b"make".to_vec(), 0);
    make.import_environment(&[(b"PATH".to_vec(), b"/bin:/usr/bin".to_vec())]);
    make.define_builtin_variables();
    make.install_builtin_rules();
    let mut exec = Exec::new(Rc::clone(&output), Arc::new(Signals::none()));
    exec.set_sys(Arc::clone(&sys));
    exec.set_slots(Arc::clone(slots));
    exec.set_shell_inside(native.is_some());
    exec.set_native(native);
    let mut graph = Graph::new();
    graph.switches = Switches::default();
    let mut goals = || -> kiln_graph::Result<Status> {
        make.read_all_makefiles()?;
        make.snap_deps()?;
        let goal = make.default_goal()?;
        let goal = make.enter(&goal);
        graph.update_goals(&mut make, &mut exec, &mut [Goal::new(goal)])
    };
    let status = match goals() {
        Ok(Status::Failed) | Err(Stop::Fatal(_)) => 2,
        Ok(Status::Question) => 1,
        Ok(_) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Signal(signal)) => -signal,
    };
    exec.wait_for_all(&mut make, &mut graph, status != 0);
    exec.give_back_slots(status != 0);
    output.borrow_mut().leave();
    let text = std::fs::read_to_string(log).unwrap();
    format!("{text}[{status}]\n")
}

fn quiet() -> Options {
    Options { no_builtin_rules: true, silent: Some(true), ..Options::default() }
}

fn three() -> Arc<Slots> {
    Arc::new(Slots::server(3, Some(b"pipe"), Path::new("/tmp")).unwrap().0)
}

#[test]
fn jobs_that_wait_for_each_other_run_beside_each_other() {
    let dir = Dir::new("beside");
    let makefile = "all: a b\n\
        a: ; @until test -e b1; do sleep 0.01; done; echo a\n\
        b: ; @echo b; touch b1\n";
    let slots = three();
    assert_eq!(run(&dir.0, makefile, &slots, quiet()), "b\na\n[0]\n");
    assert_eq!(slots.count_free(), 2);
}

#[test]
fn a_failure_waits_for_what_runs_and_gives_all_slots_back() {
    let dir = Dir::new("failure");
    // c ends only when the message about waiting has been printed.
    let makefile = "all: a b c d\n\
        a: ; @touch a1; until grep -q Waiting log; do sleep 0.01; done; echo a; touch a2\n\
        b: ; @until test -e a1 -a -e c1; do sleep 0.01; done; exit 3\n\
        c: ; @touch c1; until test -e a2; do sleep 0.01; done; echo c\n\
        d: ; @echo never\n";
    let slots = three();
    let expected = "make: *** [Makefile:3: b] Error 3\n\
        make: *** Waiting for unfinished jobs....\n\
        a\nc\n[2]\n";
    assert_eq!(run(&dir.0, makefile, &slots, quiet()), expected);
    assert_eq!(slots.count_free(), 2);
}

#[test]
fn an_error_in_a_recipe_s_expansion_gives_its_slot_back() {
    let dir = Dir::new("expansion");
    let makefile = "all: a b\na: ; @sleep 0.1\nb: ; @$(error no)\n";
    let slots = three();
    let text = run(&dir.0, makefile, &slots, quiet());
    assert!(text.ends_with("[2]\n"), "{text}");
    assert_eq!(slots.count_free(), 2);
}

#[test]
fn output_of_a_target_is_kept_together() {
    let dir = Dir::new("together");
    let makefile = "all: a b\n\
        a: ; @echo a1; touch a1; until test -e b1; do sleep 0.01; done; echo a2 >&2; echo a3\n\
        b: ; @until test -e a1; do sleep 0.01; done; echo b1; touch b1; echo b2\n";
    let opts = Options { output_sync: OutputSync::Target, ..quiet() };
    let text = run(&dir.0, makefile, &three(), opts);
    let orders = ["a1\na2\na3\nb1\nb2\n[0]\n", "b1\nb2\na1\na2\na3\n[0]\n"];
    assert!(orders.contains(&text.as_str()), "{text}");
}

#[test]
fn a_command_that_cannot_be_started_counts_as_127() {
    let dir = Dir::new("missing");
    let makefile = "all:\n\t-no-such-command x\n\t./Makefile\n";
    let opts = Options { no_builtin_rules: true, ..Options::default() };
    let expected = "no-such-command x\n\
        make: no-such-command: No such file or directory\n\
        make: [Makefile:2: all] Error 127 (ignored)\n\
        ./Makefile\n\
        make: ./Makefile: Permission denied\n\
        make: *** [Makefile:3: all] Error 127\n[2]\n";
    assert_eq!(run(&dir.0, makefile, &Arc::new(Slots::single()), opts), expected);
}

#[test]
fn only_one_job_reads_standard_input() {
    let dir = Dir::new("stdin");
    // The second job's standard input is at its end, whatever this process has.
    let makefile = "all: a b\n\
        a: ; @touch a1; until test -e b1; do sleep 0.01; done\n\
        b: ; @until test -e a1; do sleep 0.01; done; cat; touch b1; echo b\n";
    assert_eq!(run(&dir.0, makefile, &three(), quiet()), "b\n[0]\n");
}

/// Answers every pipeline: that of two programs by a status, the first two of more by a line.
struct Answers;

impl Native for Answers {
    fn takes(&self, _argv: &[Vec<u8>]) -> bool {
        false
    }
    fn run(&self, _argv: &[Vec<u8>], _env: &Env, _dir: &[u8], _sink: &Sink) -> Option<Ended> {
        None
    }
    fn ask(&self, _programs: &[(&[u8], &[Vec<u8>])], _env: &Env, _dir: &[u8]) -> Option<i32> {
        Some(3)
    }
    fn lines(&self, programs: &[(&[u8], &[Vec<u8>]); 2], _: &Env, _: &[u8]) -> Option<Vec<u8>> {
        let name = |i: usize| programs[i].0.to_vec();
        Some([&b"answered "[..], &name(0), b" ", &name(1), b"\n"].concat())
    }
    fn instead(&self, _program: &[u8], _dir: &[u8]) -> Option<Vec<Vec<u8>>> {
        None
    }
    fn names(&self) -> Vec<&'static [u8]> {
        Vec::new()
    }
}

#[test]
fn pipelines_are_answered_where_each_program_reads_what_the_one_before_it_prints() {
    let dir = Dir::new("pipelines");
    let printed = |line: &str| {
        let _ = std::fs::remove_file(dir.0.join("log"));
        let makefile = format!("all: ; @{line}; echo $$?\n");
        let slots = Arc::new(Slots::single());
        run_with(&dir.0, &makefile, &slots, quiet(), Some(Arc::new(Answers)))
    };
    let answer = "answered /bin/cat /bin/sed\n";
    for (line, said) in [
        ("cat Makefile | grep -q all", "3\n"),
        ("cat Makefile | sed d | wc -l", "1\n0\n"),
        ("cat Makefile | sed d | cat", &format!("{answer}0\n")),
        (
            "cat Makefile | sed d | cat | sed s/ed//",
            &format!("{}0\n", answer.replacen("ed", "", 1)),
        ),
        ("cat Makefile | sed d | cat >x; cat x", &format!("{answer}0\n")),
        // A program that is not found is no part of what is run, but still one of the line.
        ("cat Makefile | no-such-program 2>x | grep -q all", "1\n"),
        ("cat Makefile | no-such-program 2>x | sed d | wc -l", "0\n0\n"),
        ("cat Makefile | sed d | no-such-program 2>x | wc -l", "0\n0\n"),
        // Redirections lead what is printed elsewhere, or something else in.
        ("cat Makefile >x | grep -q all", "1\n"),
        ("cat Makefile | grep -q ^no <Makefile", "1\n"),
        ("cat Makefile 2>&1 | grep -q ^no", "1\n"),
        ("cat Makefile | sed d >x | wc -l", "0\n0\n"),
        ("cat Makefile | sed d 2>&1 | wc -l", "0\n0\n"),
        ("cat Makefile | sed d | wc -l <x", "0\n0\n"),
    ] {
        assert_eq!(printed(line), format!("{said}[0]\n"), "{line}");
    }
}
