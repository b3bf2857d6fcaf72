//! One make instance from its arguments to its exit status: the phases in order (GNU make manual,
//! "How to Run make", "How Makefiles Are Remade").
//!
//! This file does not know how targets are brought up to date; that is kiln-graph's and kiln-exec's.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use kiln_base::Sys;
use kiln_exec::{Exec, ExecHost, Output, Sink, Slots, SyncLock};
use kiln_graph::{Goal, Graph, Status, Stop};
use kiln_make::options::{OutputSync, debug};
use kiln_make::{Export, Fatal, Make, Origin, Stream};

use crate::{Shared, explain, makeflags, remake, restart, slots, text, turn};

/// What an instance is started with.
pub struct Invocation {
    /// The arguments, the program's own name first.
    pub argv: Vec<Vec<u8>>,
    /// The environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory it starts in.
    pub sys: Arc<dyn Sys>,
    /// What the instances of this process share.
    pub shared: Arc<Shared>,
    /// Where its output goes.
    pub sink: Sink,
    /// The job slots of the make above, if that is in this process.
    pub slots: Option<Arc<Slots>>,
    /// The lock on output of the make above, likewise.
    pub lock: Option<Arc<SyncLock>>,
    /// Its recipes may read standard input.
    pub good_stdin: bool,
    /// The job in the instance above that this is the command of, as listeners call it; else 0.
    pub job: u64,
    /// How many instances of this process this one is below.
    pub above: usize,
}

/// How an instance ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// Because of this signal, after cleaning up.
    Signal(i32),
}

/// Runs an instance to its end, beginning again as often as a makefile was remade.
pub fn run(inv: Invocation) -> Exit {
    run_and_tell(inv, |_| {})
}

/// As [`run`], and tells how it ended as soon as nothing is left to do but to give memory back, which
/// nobody has to wait for: files that go with an instance are gone by then.
pub(crate) fn run_and_tell(mut inv: Invocation, tell: impl FnOnce(Exit)) -> Exit {
    let mut before = Before::default();
    loop {
        let mut instance = Instance::new(&inv, before);
        let exit = match instance.pass(&mut inv) {
            Ok(Pass::Done(status)) => Exit::Status(status),
            Ok(Pass::Restart) => match instance.before_restart(&inv) {
                Ok(again) => {
                    before = again;
                    continue;
                }
                Err(status) => {
                    tell(Exit::Status(status));
                    return Exit::Status(status);
                }
            },
            Err(Stop::Fatal(fatal)) => {
                instance.say_fatal(&fatal);
                Exit::Status(2)
            }
            Err(Stop::Exit(status)) => Exit::Status(status),
            Err(Stop::Signal(signal)) => Exit::Signal(signal),
        };
        let outermost = instance.outermost;
        let (exit, database) = instance.end(exit);
        tell(exit);
        if outermost {
            // The system takes the memory back as a whole, which is quicker than piece by piece.
            std::mem::forget(database);
        }
        return exit;
    }
}

/// What one pass leaves to the next.
#[derive(Default)]
struct Before {
    /// How many passes there were.
    restarts: u32,
    /// The directory has been announced.
    traced: bool,
}

/// What one pass over the makefiles came to.
enum Pass {
    Done(i32),
    /// A makefile was remade: begin again.
    Restart,
}

/// One pass: what GNU make keeps in global variables.
pub(crate) struct Instance {
    pub(crate) make: Make,
    pub(crate) graph: Graph,
    pub(crate) exec: Exec,
    pub(crate) output: Rc<RefCell<Output>>,
    pub(crate) slots: Option<Arc<Slots>>,
    restarts: u32,
    /// The process ends with it.
    outermost: bool,
    /// Errors are explained.
    explain: bool,
    /// The copy of a makefile that came from standard input.
    stdin_copy: Option<Vec<u8>>,
    /// The module's directory that it builds.
    turn: Option<turn::Turn>,
}

type Done<T> = kiln_graph::Result<T>;

impl Instance {
    fn new(inv: &Invocation, before: Before) -> Self {
        let argv0 = inv.argv.first().map_or(&b""[..], Vec::as_slice);
        let program = match argv0.rsplit(|&c| c == b'/').next() {
            None | Some(b"") => b"make".to_vec(),
            Some(name) => name.to_vec(),
        };
        let mut output = Output::new(inv.sink.clone());
        output.set_traced(before.traced);
        let output = Rc::new(RefCell::new(output));
        let host = ExecHost::new(Rc::clone(&output), Arc::clone(&inv.sys));
        let mut exec = Exec::new(Rc::clone(&output), Arc::clone(&inv.shared.signals));
        exec.set_submake(inv.shared.submake.clone());
        exec.set_shell_inside(inv.shared.shell_inside);
        exec.set_native(Some(Arc::clone(&inv.shared.native) as Arc<dyn kiln_exec::Native>));
        let probes = inv.shared.probes.clone();
        exec.set_probes(probes.map(|p| p as Arc<dyn kiln_exec::Probes>));
        let recipes = inv.shared.recipes.clone();
        exec.set_recipes(recipes.map(|r| r as Arc<dyn kiln_exec::Recipes>));
        let order = inv.shared.order.clone();
        exec.set_durations(order.map(|o| o as Arc<dyn kiln_exec::Durations>), inv.above);
        let listeners = Arc::clone(&inv.shared.listeners);
        exec.set_observer(Some(listeners as Arc<dyn kiln_exec::Observer>), inv.job);
        exec.set_sys(Arc::clone(&inv.sys));
        if !inv.good_stdin {
            exec.without_stdin();
        }
        let options = kiln_make::Options::default();
        let make = Make::new(Arc::clone(&inv.sys), Box::new(host), options, program, 0);
        Instance {
            make,
            graph: Graph::new(),
            exec,
            output,
            slots: None,
            restarts: before.restarts,
            outermost: inv.slots.is_none(),
            explain: inv.shared.explain,
            stdin_copy: None,
            turn: None,
        }
    }

    /// From the arguments to the last goal.
    fn pass(&mut self, inv: &mut Invocation) -> Done<Pass> {
        let goals = self.read_arguments(inv)?;
        if let Some(recording) = &inv.shared.recording {
            recording.heed(&self.make, inv.slots.is_some());
        }
        if self.make.opts.help {
            let program = String::from_utf8_lossy(&self.make.program).into_owned();
            self.print(text::usage(&program, &self.host()).as_bytes());
            return Ok(Pass::Done(0));
        }
        if self.make.opts.version {
            self.print_version();
            return Ok(Pass::Done(0));
        }
        self.settle_arguments(inv)?;
        self.enter_directory(inv)?;
        self.wait_for_turn(inv);
        let argv_jobs = slots::join(self, inv);
        self.define_variables(inv);
        self.copy_stdin()?;
        self.read_makefiles(argv_jobs)?;
        if let Some(recording) = &inv.shared.recording {
            recording.heed(&self.make, inv.slots.is_some());
        }
        if let Some(signal) = inv.shared.signals.caught() {
            return Err(Stop::Signal(signal));
        }
        slots::start(self, inv)?;
        makeflags::define(&mut self.make);
        self.finish_database()?;
        self.output.borrow_mut().end_reading();

        let mut status = 0;
        if !self.make.makefiles.is_empty() {
            match remake::makefiles(self)? {
                remake::Outcome::Restart => {
                    let opts = &self.make.opts;
                    inv.argv = restart::arguments(&inv.argv, &opts.makefiles, opts.stdin_makefile);
                    return Ok(Pass::Restart);
                }
                remake::Outcome::Failed => return Ok(Pass::Done(2)),
                remake::Outcome::Go(so_far) => status = so_far,
            }
        }
        makeflags::define(&mut self.make);
        self.graph.switches.always_make = self.make.opts.always_make;
        if self.restarts > 0 {
            self.mark_new_files();
        }
        self.remove_stdin_copy();

        let mut goals = self.goals(goals)?;
        kiln_graph::shuffle::goals(&mut self.graph, &mut self.make, &mut goals);
        self.debug(debug::BASIC, "Updating goal targets....\n");
        match self.graph.update_goals(&mut self.make, &mut self.exec, &mut goals)? {
            Status::None | Status::Success => {}
            Status::Question => status = 1,
            Status::Failed => status = 2,
        }
        if self.graph.clock_skew {
            self.error(b"warning:  Clock skew detected.  Your build may be incomplete.");
        }
        Ok(Pass::Done(status))
    }

    /// Environment, MAKEFLAGS and arguments; returns the goals named.
    fn read_arguments(&mut self, inv: &Invocation) -> Done<Vec<Vec<u8>>> {
        let make = &mut self.make;
        let mut env = inv.env.clone();
        if self.restarts > 0 {
            env.retain(|(n, _)| n != b"MAKE_RESTARTS");
            env.push((b"MAKE_RESTARTS".to_vec(), self.restarts.to_string().into_bytes()));
        }
        make.define_special_variables();
        make.import_environment(&env);
        if make.get_raw(b"GNUMAKEFLAGS").is_some() {
            makeflags::decode_variable(make, b"GNUMAKEFLAGS", Origin::Command)?;
            make.define(b"GNUMAKEFLAGS", b"", Origin::Environment, false);
        }
        let mut decoded = makeflags::decode_variable(make, b"MAKEFLAGS", Origin::Command)?;
        make.opts.env_jobs = make.opts.jobs.take();
        self.sync_output(true);
        let argv0 = inv.argv.first().cloned().unwrap_or_default();
        let args: Vec<&[u8]> = inv.argv.iter().skip(1).map(Vec::as_slice).collect();
        let more = makeflags::decode(&mut self.make, &argv0, &args, Origin::Command)?;
        decoded.goals.extend(more.goals);
        if decoded.bad || more.bad {
            let program = String::from_utf8_lossy(&self.make.program).into_owned();
            let usage = text::usage(&program, &self.host());
            self.make.host.print(Stream::Err, usage.as_bytes());
            return Err(Stop::Exit(2));
        }
        self.name_goals(&decoded.goals);
        Ok(decoded.goals)
    }

    /// The goals are known to makefiles, and to the remaking of makefiles.
    fn name_goals(&mut self, goals: &[Vec<u8>]) {
        if goals.is_empty() {
            return;
        }
        for name in goals {
            let f = self.make.enter(name);
            self.make.files[f].cmd_target = true;
        }
        self.make.define(b"MAKECMDGOALS", &goals.join(&b' '), Origin::Default, false);
    }

    /// What follows from the switches before anything is read.
    fn settle_arguments(&mut self, inv: &Invocation) -> Done<()> {
        let make = &mut self.make;
        if let Some(mode) = make.opts.shuffle.take() {
            let now = make.sys.now();
            let mode = kiln_graph::shuffle::Mode::parse(&mode, now).map_err(fatal)?;
            // A seed chosen by chance goes to the children, so that they repeat it.
            make.opts.shuffle = mode.text();
            self.graph.shuffle = mode;
        }
        for (stream, name) in [(1, b"MAKE_TERMOUT"), (2, b"MAKE_TERMERR")] {
            if let Some(tty) = terminal(stream)
                && make.get_raw(name).is_none()
            {
                make.define(name, &tty, Origin::Default, false);
                make.set_export(name, Export::Export);
            }
        }
        let level = make.get_raw(b"MAKELEVEL");
        let level = level.as_deref().and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        make.level = level.unwrap_or(0);
        make.opts.no_builtin_rules |= make.opts.no_builtin_variables;
        self.graph.switches = kiln_graph::Switches {
            touch: make.opts.touch,
            question: make.opts.question,
            just_print: make.opts.just_print,
            always_make: make.opts.always_make && self.restarts == 0,
        };
        if self.make.opts.debug_level & debug::BASIC != 0 {
            self.print_version();
        }
        let mut dir = Some(inv.sys.dir().to_vec());
        if dir.as_ref().is_some_and(Vec::is_empty) {
            dir = None;
        }
        self.output.borrow_mut().set_directory(dir);
        self.announce();
        self.sync_output(true);
        Ok(())
    }

    /// `-C`.
    fn enter_directory(&mut self, inv: &Invocation) -> Done<()> {
        let mut sys = Arc::clone(&inv.sys);
        for dir in self.make.opts.directories.clone() {
            sys = match sys.at(&dir) {
                Ok(at) => Arc::from(at),
                Err(e) => {
                    let text = kiln_graph::say::io_text(&e);
                    return Err(fatal([&dir[..], b": ", text.as_bytes()].concat()));
                }
            };
        }
        let path = sys.dir().to_vec();
        self.exec.set_sys(Arc::clone(&sys));
        self.make.sys = sys;
        self.make.define(b"CURDIR", &path, Origin::File, false);
        self.output.borrow_mut().set_directory(Some(path));
        self.announce();
        self.make.construct_include_path();
        Ok(())
    }

    /// Where a module's directory is built, only one build of it goes on at a time.
    fn wait_for_turn(&mut self, inv: &Invocation) {
        let opts = &self.make.opts;
        if opts.just_print || opts.question || self.turn.is_some() {
            return;
        }
        let Some(module) = self.make.get_raw(b"M").filter(|m| !m.is_empty()) else { return };
        let path = |name: &[u8]| {
            let dir = Path::new(OsStr::from_bytes(self.make.sys.dir()));
            dir.join(OsStr::from_bytes(name))
        };
        if !path(b"scripts/Makefile.modpost").is_file() {
            return;
        }
        let Ok(dir) = path(&module).canonicalize() else { return };
        if let Some(order) = &inv.shared.order {
            order.begin(&dir);
        }
        let signals = Arc::clone(&inv.shared.signals);
        let mut said = false;
        self.turn = Some(inv.shared.turns.begin(&dir, |holder| {
            if !std::mem::replace(&mut said, true) {
                let text = format!(
                    "kiln: waiting for another build of {} (process {holder})\n",
                    dir.display()
                );
                // Not by make's own way to print: it is no part of what a run says again.
                let _ = inv.sink.write(Stream::Err, text.as_bytes());
            }
            signals.caught().is_none()
        }));
    }

    fn define_variables(&mut self, inv: &Invocation) {
        let argv0 = inv.argv.first().cloned().unwrap_or_default();
        let command = if argv0.contains(&b'/') && !argv0.starts_with(b"/") {
            [inv.sys.dir(), b"/", &argv0].concat()
        } else {
            argv0
        };
        let make = &mut self.make;
        make.define(b"MAKE_COMMAND", &command, Origin::Default, false);
        make.define(b"MAKE", b"$(MAKE_COMMAND)", Origin::Default, true);
        makeflags::define_overrides(make);
    }

    /// A makefile on standard input is copied to a file, because it may be read again.
    fn copy_stdin(&mut self) -> Done<()> {
        let names = &self.make.opts.makefiles;
        let mut dashes = (0..names.len()).filter(|&i| names[i] == b"-");
        let Some(at) = dashes.next() else {
            if let Some(i) = self.make.opts.stdin_makefile {
                self.adopt_stdin_copy(i);
            }
            return Ok(());
        };
        if dashes.next().is_some() || self.make.opts.stdin_makefile.is_some() {
            return Err(fatal(b"Makefile from standard input specified twice".to_vec()));
        }
        let copy = slots::copy_of_stdin(self)
            .map_err(|_| fatal(b"cannot store makefile from stdin to a temporary file".to_vec()))?;
        self.make.opts.makefiles[at] = copy;
        self.make.opts.stdin_makefile = Some(at);
        self.adopt_stdin_copy(at);
        Ok(())
    }

    fn adopt_stdin_copy(&mut self, at: usize) {
        let name = self.make.opts.makefiles[at].clone();
        let f = self.make.enter(&name);
        self.graph.settle(&mut self.make, f);
        self.stdin_copy = Some(name);
    }

    fn remove_stdin_copy(&mut self) {
        if let Some(name) = self.stdin_copy.take()
            && let Err(e) = self.make.sys.unlink(&name)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            let text = kiln_graph::say::io_text(&e);
            self.error(&[b"unlink (temporary file): ", &name[..], b": ", text.as_bytes()].concat());
        }
    }

    /// Built-in definitions, `--eval`, the makefiles, and the switches that they set.
    fn read_makefiles(&mut self, argv_jobs: Option<u32>) -> Done<()> {
        let make = &mut self.make;
        make.install_builtin_rules();
        make.define_builtin_variables();
        makeflags::define(make);
        make.set_export(b"MAKEFLAGS", Export::Export);
        make.on_makeflags = Some(makeflags::reset);
        make.read_eval_options()?;
        if !make.opts.eval.is_empty() {
            makeflags::define_evals(make);
        }
        let (rules, variables) = (make.opts.no_builtin_rules, make.opts.no_builtin_variables);
        let jobs = make.opts.jobs;
        make.read_all_makefiles()?;
        make.opts.jobs = None;
        makeflags::decode_variable(make, b"GNUMAKEFLAGS", Origin::Environment)?;
        make.define(b"GNUMAKEFLAGS", b"", Origin::Override, false);
        makeflags::decode_variable(make, b"MAKEFLAGS", Origin::Environment)?;
        slots::after_makefiles(self, jobs, argv_jobs);
        self.sync_output(true);
        let make = &mut self.make;
        make.opts.no_builtin_rules |= make.opts.no_builtin_variables;
        if make.opts.no_builtin_rules && !rules {
            make.forget_builtin_suffixes();
        }
        if make.opts.no_builtin_variables && !variables {
            make.undefine_default_variables();
        }
        self.graph.switches.touch = self.make.opts.touch;
        self.graph.switches.question = self.make.opts.question;
        self.graph.switches.just_print = self.make.opts.just_print;
        self.announce();
        Ok(())
    }

    /// From what was read to what the walk works on.
    fn finish_database(&mut self) -> Done<()> {
        self.make.snap_deps()?;
        for name in self.make.opts.old_files.clone() {
            let f = self.make.enter(&name);
            self.graph.set_old(f);
        }
        if self.restarts == 0 {
            self.mark_new_files();
        }
        Ok(())
    }

    fn mark_new_files(&mut self) {
        for name in self.make.opts.new_files.clone() {
            let f = self.make.enter(&name);
            self.graph.set_new(f);
        }
    }

    /// The goals: those named, else the default goal.
    fn goals(&mut self, named: Vec<Vec<u8>>) -> Done<Vec<Goal>> {
        if !named.is_empty() {
            return Ok(named.iter().map(|n| Goal::new(self.make.enter(n))).collect());
        }
        let default = self.make.default_goal()?;
        if !default.is_empty() {
            // A name that no rule has is entered too, and the walk finds that nothing makes it.
            if self.make.lookup(&default).is_some() {
                return Ok(vec![Goal::new(self.make.enter(&default))]);
            }
            let mut words = kiln_base::text::words(&default);
            let first = words.next().map(<[u8]>::to_vec);
            if words.next().is_some() {
                return Err(fatal(b".DEFAULT_GOAL contains more than one target".to_vec()));
            }
            if let Some(name) = first {
                return Ok(vec![Goal::new(self.make.enter(&name))]);
            }
        }
        let any = self.make.get_raw(b"MAKEFILE_LIST").is_some_and(|v| !v.is_empty());
        let text: &[u8] =
            if any { b"No targets" } else { b"No targets specified and no makefile found" };
        Err(fatal(text.to_vec()))
    }

    /// Waits for what still runs, removes intermediate files, gives back slots, says goodbye. What it
    /// returns beside the exit status is memory.
    fn end(mut self, mut exit: Exit) -> (Exit, impl Sized) {
        self.remove_stdin_copy();
        let failed = exit != Exit::Status(0);
        self.exec.wait_for_all(&mut self.make, &mut self.graph, failed);
        if let Exit::Status(_) = exit {
            self.graph.remove_intermediates(&mut self.make, false);
        }
        if self.make.opts.print_data_base {
            self.print_data_base();
        }
        self.exec.give_back_slots(failed);
        let mut output = self.output.borrow_mut();
        output.end_reading();
        output.leave();
        if output.write_error().is_some() {
            output.error(b"write error: stdout");
            exit = Exit::Status(1);
        }
        if let Exit::Signal(_) = exit {
            // Nothing that was made for this run may stay when the signal ends the process.
            if let Some(slots) = &self.slots {
                slots.clear();
            }
            if let Some(lock) = output.lock() {
                lock.clear();
            }
        }
        drop(output);
        let make = &mut self.make;
        let database = (
            std::mem::take(&mut make.names),
            std::mem::take(&mut make.vars),
            std::mem::take(&mut make.files),
            std::mem::take(&mut make.rules),
            std::mem::take(&mut self.graph),
        );
        (exit, database)
    }

    /// What make does before it starts itself anew, as which this counts: also the program must still
    /// be one that can be started.
    fn before_restart(mut self, inv: &Invocation) -> Result<Before, i32> {
        self.graph.remove_intermediates(&mut self.make, false);
        if self.make.opts.print_data_base {
            self.print_data_base();
        }
        self.exec.give_back_slots(false);
        let restarts = self.restarts + 1;
        let words = inv.argv.iter().map(|w| [b" ", &w[..]].concat()).collect::<Vec<_>>().concat();
        let text = format!("Re-executing[{restarts}]:{}\n", String::from_utf8_lossy(&words));
        self.debug(debug::BASIC, &text);
        if let Some(argv0) = inv.argv.first().filter(|a| a.contains(&b'/'))
            && let Err(why) = kiln_exec::spawn::runnable(&*inv.sys, argv0)
        {
            self.error(&[&argv0[..], b": ", why.as_bytes()].concat());
            self.remove_stdin_copy();
            return Err(127);
        }
        // The copy of standard input is read again.
        self.stdin_copy = None;
        let traced = self.output.borrow().traced();
        Ok(Before { restarts, traced })
    }

    pub(crate) fn restarted(&self) -> bool {
        self.restarts > 0
    }

    /// Tells the output what the switches say now.
    pub(crate) fn announce(&mut self) {
        let opts = &self.make.opts;
        let mut output = self.output.borrow_mut();
        output.set_identity(&self.make.program, self.make.level);
        output.set_print_dir(makeflags::announces_directory(&self.make));
        output.set_commented(opts.print_data_base);
    }

    /// `-O`: while makefiles are read their output is kept together too.
    fn sync_output(&mut self, reading: bool) {
        let mode = self.make.opts.output_sync;
        let tmp = slots::temporary_dir(self);
        let mut output = self.output.borrow_mut();
        output.set_temporary_dir(tmp);
        output.set_mode(mode);
        if reading {
            output.begin_reading(matches!(mode, OutputSync::Line | OutputSync::Target));
        }
    }

    pub(crate) fn error(&mut self, text: &[u8]) {
        kiln_graph::say::error(&mut self.make, None, text);
    }

    pub(crate) fn debug(&mut self, bits: u32, text: &str) {
        if self.make.opts.debug_level & bits != 0 {
            self.print(text.as_bytes());
        }
    }

    fn print(&mut self, text: &[u8]) {
        self.make.host.print(Stream::Out, text);
    }

    fn host(&self) -> String {
        let host = self.make.get_raw(b"MAKE_HOST").unwrap_or_default();
        String::from_utf8_lossy(&host).into_owned()
    }

    fn print_version(&mut self) {
        let text = text::version(&self.host(), self.make.opts.print_data_base);
        self.output.borrow_mut().raw(Stream::Out, text.as_bytes());
    }

    fn print_data_base(&mut self) {
        self.print_version();
        let text = self.make.data_base();
        self.output.borrow_mut().raw(Stream::Out, &text);
    }

    fn say_fatal(&mut self, fatal: &Fatal) {
        let mut line = kiln_graph::say::error_prefix(&self.make, fatal.loc);
        line.extend_from_slice(b"*** ");
        line.extend_from_slice(&fatal.text);
        line.extend_from_slice(b".  Stop.\n");
        self.make.host.print(Stream::Err, &line);
        if self.explain
            && self.output.borrow().sink().err.is_none()
            && let Some(more) = self.explanation(fatal)
        {
            self.make.host.print(Stream::Err, &more);
        }
    }

    fn explanation(&self, fatal: &Fatal) -> Option<Vec<u8>> {
        let make = &self.make;
        let Some((file, line)) = fatal.loc.and_then(|l| Some((l.file?, l.line))) else {
            let beside = explain::directory_of_target(&fatal.text)
                .and_then(|dir| make.sys.list(if dir.is_empty() { b"." } else { dir }).ok())
                .unwrap_or_default();
            if let Some(text) = explain::no_source(&fatal.text, &beside) {
                return Some(text);
            }
            let targets = make.files.iter().filter(|f| f.is_target).filter_map(|f| f.name);
            return explain::no_rule(&fatal.text, targets.map(|n| make.names.bytes(n)));
        };
        let name = make.names.bytes(file);
        explain::place(&fatal.text, name, line, &make.sys.read(name).ok()?)
    }
}

/// The terminal behind standard output (1) or standard error (2), if there is one.
fn terminal(stream: i32) -> Option<Vec<u8>> {
    let name = match stream {
        1 => rustix::termios::ttyname(std::io::stdout(), Vec::new()),
        _ => rustix::termios::ttyname(std::io::stderr(), Vec::new()),
    };
    name.ok().map(std::ffi::CString::into_bytes)
}

/// An error without a place.
pub(crate) fn fatal(text: Vec<u8>) -> Stop {
    Stop::Fatal(Fatal { loc: None, text })
}
