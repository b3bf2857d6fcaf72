//! What is remade, in which order, and what is said: transcripts of small makefiles in a file system
//! and with a clock in memory. No process is started.
//!
//! Each file in `tests/rebuild` holds cases. A case is a name after `=== `, makefile lines, and steps:
//! `$ touch@5 a b` (stamped with second 5), `$ touch a` (now), `$ rm a`, `$ mkdir d`, `$ ln a b`, and
//! `$ make ARGS`. The lines after a `$ make` that begin with `| ` are what GNU make 4.4.1 printed there, followed
//! by its exit status; `tests/rebuild/record.py` wrote them.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use kiln_base::fake::{FakeSys, SECOND};
use kiln_base::{Loc, Sys, Time};
use kiln_graph::{Goal, Graph, Jobs, Result, State, Status, Stop, Switches, recipe, say, shuffle};
use kiln_make::db::flags;
use kiln_make::{FileId, Host, Make, Options, Origin, ShellCall, ShellResult, Stream};

/// Keeps what is printed.
struct Paper(Rc<RefCell<Vec<u8>>>);

impl Host for Paper {
    fn shell(&mut self, _: ShellCall<'_>) -> ShellResult {
        ShellResult { output: Vec::new(), status: 127 }
    }
    fn print(&mut self, _: Stream, text: &[u8]) {
        self.0.borrow_mut().extend_from_slice(text);
    }
}

/// Carries out recipes at once, as far as their commands are known here.
struct Hands {
    sys: FakeSys,
}

impl Hands {
    fn run(&self, command: &[u8]) -> bool {
        let text = String::from_utf8(command.to_vec()).unwrap();
        self.sys.tick();
        text.split(" && ").all(|part| step(&self.sys, part))
    }
}

/// One command: `touch`, `touch@N`, `rm`, `mkdir`, `ln -s`, `cp`, `true`, `:`, `false`.
fn step(sys: &FakeSys, text: &str) -> bool {
    let mut words = text.split_whitespace().filter(|w| *w != "-f" && *w != "-p" && *w != "-s");
    let command = words.next().unwrap_or(":");
    let args: Vec<&[u8]> = words.map(str::as_bytes).collect();
    match command {
        "touch" => args.iter().all(|f| sys.touch(f).is_ok()),
        "rm" => args.iter().all(|f| sys.unlink(f).is_ok()),
        "cp" => sys.read(args[0]).is_ok_and(|b| sys.write(args[1], &b, false).is_ok()),
        "mkdir" => {
            args.iter().for_each(|d| sys.mkdir(d));
            true
        }
        "ln" => sys.symlink(args[0], args[1]).is_ok(),
        "true" | ":" => true,
        "false" => false,
        at if at.starts_with("touch@") => {
            let seconds: f64 = at[6..].parse().unwrap();
            let time = Time((seconds * 1000.0) as i128 * (SECOND / 1000));
            args.iter().all(|f| sys.set_mtime(f, time).is_ok())
        }
        other => panic!("a recipe uses '{other}', which these tests do not know"),
    }
}

impl Jobs for Hands {
    fn start(&mut self, make: &mut Make, graph: &mut Graph, f: FileId) -> Result<()> {
        let recipe = make.files[f].recipe.clone().unwrap();
        let mut failed = false;
        let mut running = false;
        graph.set_state(make, f, State::Running);
        for (i, line) in recipe::lines(&recipe, false).iter().enumerate() {
            let text = make.expand_for(&line.text, Some(f), Some(recipe.loc))?;
            let start = text.iter().take_while(|b| b"@-+ \t".contains(b)).count();
            let (prefix, command) = text.split_at(start);
            let recursive = line.flags & flags::RECURSE != 0 || prefix.contains(&b'+');
            running = false;
            if command.is_empty() || (graph.switches.touch && !recursive) {
                continue;
            }
            if graph.switches.question && !recursive {
                graph.file_mut(f).status = Status::Question;
                return graph.notice_finished(make, f);
            }
            if graph.switches.just_print || (!prefix.contains(&b'@') && !say::silent(make)) {
                say::message(make, false, command);
            }
            graph.commands_started += 1;
            if graph.switches.just_print && !recursive {
                continue;
            }
            make.command_count += 1;
            running = true;
            if !self.run(command) {
                let place = say::place(make, recipe.loc, i as u32).unwrap();
                let name = make.file_name(f).to_vec();
                let ignored = prefix.contains(&b'-') || make.opts.ignore_errors;
                let (before, after): (&[u8], &[u8]) =
                    if ignored { (b"[", b"] Error 1 (ignored)") } else { (b"*** [", b"] Error 1") };
                say::error(make, None, &[before, &place, b": ", &name, after].concat());
                if !ignored {
                    failed = true;
                    break;
                }
            }
        }
        graph.file_mut(f).status = if failed { Status::Failed } else { Status::Success };
        graph.notice_finished(make, f)?;
        if !running {
            // A job whose last line is not run is finished by whoever wanted to start it, and again
            // by whoever waits for it; under -t the target is touched both times.
            graph.notice_finished(make, f)?;
        }
        if failed && !make.opts.keep_going {
            return Err(Stop::Exit(2));
        }
        Ok(())
    }

    fn start_waiting(&mut self, _: &mut Make, _: &mut Graph) -> Result<()> {
        Ok(())
    }

    fn reap(&mut self, _: &mut Make, _: &mut Graph, _: bool) -> Result<()> {
        Ok(())
    }
}

/// One run of make; returns what it printed and its exit status.
fn run_make(sys: &FakeSys, makefile: &str, args: &str) -> String {
    let printed = Rc::new(RefCell::new(Vec::new()));
    let mut opts =
        Options { no_builtin_rules: true, no_builtin_variables: true, ..Options::default() };
    let (mut names, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let mut mode = shuffle::Mode::None;
    let mut switches = Switches::default();
    for word in args.split_whitespace() {
        match word {
            "-k" => opts.keep_going = true,
            "-n" => switches.just_print = true,
            "-q" => switches.question = true,
            "-t" => switches.touch = true,
            "-i" => opts.ignore_errors = true,
            "-s" => opts.silent = Some(true),
            "-B" => switches.always_make = true,
            "-L" => opts.check_symlink_times = true,
            _ if word.starts_with("-o") => old.push(&word.as_bytes()[2..]),
            _ if word.starts_with("-W") => new.push(&word.as_bytes()[2..]),
            _ if word.starts_with("--shuffle=") => {
                mode = shuffle::Mode::parse(&word.as_bytes()[10..], sys.now()).unwrap();
            }
            _ => names.push(word.as_bytes().to_vec()),
        }
    }
    opts.always_make = switches.always_make;
    let sys: Arc<dyn Sys> = Arc::new(sys.clone());
    let host = Box::new(Paper(Rc::clone(&printed)));
    let mut make = Make::new(Arc::clone(&sys), host, opts, b"make".to_vec(), 0);
    make.define_builtin_variables();
    make.install_builtin_rules();
    make.define(b"MAKE", b"make", Origin::Default, false);
    sys.write(b"Makefile", makefile.as_bytes(), false).unwrap();
    let mut graph = Graph::new();
    graph.switches = switches;
    graph.shuffle = mode;
    let status = goals(&mut make, &mut graph, &names, &old, &new);
    let status = match status {
        Ok(Status::Success | Status::None) => 0,
        Ok(Status::Question) => 1,
        Ok(Status::Failed) => 2,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Fatal(fatal)) => {
            let text = [b"*** ", &fatal.text[..], b".  Stop."].concat();
            say::error(&mut make, fatal.loc, &text);
            2
        }
        Err(Stop::Signal(signal)) => panic!("signal {signal}"),
    };
    graph.remove_intermediates(&mut make, false);
    let mut text = String::new();
    for line in String::from_utf8(printed.borrow().clone()).unwrap().lines() {
        writeln!(text, "| {line}").unwrap();
    }
    writeln!(text, "| [{status}]").unwrap();
    text
}

fn goals(
    make: &mut Make,
    graph: &mut Graph,
    names: &[Vec<u8>],
    old: &[&[u8]],
    new: &[&[u8]],
) -> Result<Status> {
    let sys = make.sys.clone();
    make.read_all_makefiles()?;
    make.snap_deps()?;
    for name in old {
        let f = make.enter(name);
        graph.set_old(f);
    }
    for name in new {
        let f = make.enter(name);
        graph.set_new(f);
    }
    let mut named = names.to_vec();
    if named.is_empty() {
        named.push(make.default_goal()?);
    }
    let mut goals = Vec::new();
    for name in named {
        let f = make.enter(&name);
        make.files[f].cmd_target = true;
        goals.push(Goal { loc: Loc::default(), ..Goal::new(f) });
    }
    shuffle::goals(graph, make, &mut goals);
    let fake = FAKE.with(|f| f.borrow().clone()).unwrap();
    assert_eq!(fake.dir(), sys.dir());
    graph.update_goals(make, &mut Hands { sys: fake }, &mut goals)
}

thread_local! {
    /// The disk of the case that is running, for the recipes' commands.
    static FAKE: RefCell<Option<FakeSys>> = const { RefCell::new(None) };
}

/// Runs one case; returns its text with the answers as they are now.
fn run_case(case: &str) -> String {
    let sys = FakeSys::new();
    FAKE.with(|f| *f.borrow_mut() = Some(sys.clone()));
    let mut out = String::new();
    let mut makefile = String::new();
    for line in case.lines() {
        if line.starts_with("| ") {
            continue;
        }
        writeln!(out, "{line}").unwrap();
        if let Some(args) = line.strip_prefix("$ make") {
            out.push_str(&run_make(&sys, &makefile, args));
        } else if let Some(command) = line.strip_prefix("$ ") {
            sys.tick();
            assert!(step(&sys, command), "{line}");
        } else if !line.starts_with("=== ") {
            writeln!(makefile, "{line}").unwrap();
        }
    }
    out
}

#[test]
fn transcripts_are_those_of_gnu_make() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rebuild");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut cases = 0;
    let mut wrong = String::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "txt")) {
        let text = std::fs::read_to_string(file).unwrap();
        for part in text.split("\n\n=== ") {
            let case = format!("=== {}\n", part.trim_start_matches("=== ").trim_end());
            let got = run_case(&case);
            cases += 1;
            if got != case {
                writeln!(wrong, "--- {}\n{case}--- now\n{got}", file.display()).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 50, "only {cases} cases were found");
}
