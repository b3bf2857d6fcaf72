//! One recipe as a job: expanded whole, given a slot, then line by line. Starting a line is in
//! `start`, what follows its end in `reap`. It does not decide which recipes run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;

use kiln_base::Sys;
use kiln_graph::say;
use kiln_graph::{Graph, Jobs, Result, State, Status, Stop, recipe};
use kiln_make::options::{OutputSync, debug};
use kiln_make::{Fatal, FileId, Make, Recipe};

use crate::about::{Shown, collapse_in_references};
use crate::ahead::{Counted, Timed};
use crate::hooks::{Durations, Env, Native, Probes, Recipes, SubMake, Watching};
use crate::output::Buffer;
use crate::recall::Recalled;
use crate::script::Script;
use crate::spawn::Process;
use crate::wait::{Until, wait};
use crate::{Done, Ended, Observer, Output, Signals, Slots, load};

/// A command that runs.
pub(crate) enum Running {
    /// A process.
    Process(Box<Process>),
    /// A recursive make on another thread of this process.
    SubMake(Done),
    /// A shell line within this process.
    Script(Box<Script>),
    /// A process that is watched.
    Watched(Done, Arc<dyn Watching>),
}

impl Running {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Running::Process(process) => process.as_fd(),
            Running::SubMake(done) | Running::Watched(done, _) => done.as_fd(),
            Running::Script(script) => script.fd().unwrap_or_else(|| script.over.as_fd()),
        }
    }

    pub(crate) fn ended(&mut self) -> Option<Ended> {
        match self {
            Running::Process(process) => process.ended(),
            Running::SubMake(done) | Running::Watched(done, _) => done.ended(),
            Running::Script(script) => script.ended(),
        }
    }
}

/// How the line that a job has begun stands.
pub(crate) enum Line {
    /// None was begun.
    None,
    /// It runs.
    Running(Running),
    /// It has ended, in a way that is still to be dealt with. What could not be started, which was
    /// said, counts as ended with 127.
    Ended(Ended),
}

/// A recipe being carried out.
pub(crate) struct Job {
    pub(crate) file: FileId,
    pub(crate) recipe: Rc<Recipe>,
    /// The lines of the recipe, expanded.
    pub(crate) lines: Vec<Vec<u8>>,
    /// How many of them have been begun.
    pub(crate) begun: usize,
    /// What is left of the line that was begun: one line may expand to several commands.
    pub(crate) rest: Option<Vec<u8>>,
    pub(crate) line: Line,
    /// When its command was started, in the order of all commands.
    pub(crate) sequence: u64,
    pub(crate) recursive: bool,
    pub(crate) ignore_errors: bool,
    pub(crate) good_stdin: bool,
    pub(crate) targets_deleted: bool,
    pub(crate) dont_care: bool,
    pub(crate) holds_slot: bool,
    pub(crate) env: Option<Rc<Env>>,
    /// What the observer calls it, once it was told.
    pub(crate) told: u64,
    /// What is known of it from the last time.
    pub(crate) recalled: Recalled,
    pub(crate) timed: Timed,
    pub(crate) counted: Option<Counted>,
    pub(crate) output: Buffer,
}

/// The scheduler of one make instance.
pub struct Exec {
    pub(crate) output: Rc<RefCell<Output>>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) sys: Option<Arc<dyn Sys>>,
    pub(crate) submake: Option<Arc<dyn SubMake>>,
    pub(crate) native: Option<Arc<dyn Native>>,
    pub(crate) recipes: Option<Arc<dyn Recipes>>,
    pub(crate) durations: Option<Arc<dyn Durations>>,
    /// What is known of earlier runs, once a recipe has begun.
    pub(crate) known: Option<Arc<kiln_graph::ahead::Known>>,
    /// How many instances of this process this one is below.
    pub(crate) above: usize,
    pub(crate) shell_inside: bool,
    /// Jobs whose line runs, in the order in which they were begun.
    pub(crate) jobs: Vec<Job>,
    /// Jobs that wait for the load to go down; the last is tried first.
    pub(crate) waiting: Vec<Job>,
    /// How many jobs have a running command.
    pub(crate) slots_used: u32,
    /// How many slots this instance holds, its own included.
    pub(crate) tokens: u32,
    pub(crate) good_stdin_used: bool,
    pub(crate) sequence: u64,
    pub(crate) said_waiting: bool,
    pub(crate) dying_by_signal: bool,
    /// This instance was given bad standard input itself.
    pub(crate) no_good_stdin: bool,
    /// For each recipe, the number of the line that its messages name: shared by all targets that it
    /// makes, as in GNU make.
    pub(crate) offsets: HashMap<usize, u32, rustc_hash::FxBuildHasher>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// The job in the instance above whose command this instance is.
    pub(crate) parent: u64,
    /// The jobs of targets, as the observer calls them.
    pub(crate) made: HashMap<FileId, u64, rustc_hash::FxBuildHasher>,
}

impl Exec {
    /// A scheduler that runs one job at a time until [`Exec::set_slots`] says otherwise.
    #[must_use]
    pub fn new(output: Rc<RefCell<Output>>, signals: Arc<Signals>) -> Self {
        output.borrow_mut().signals = Some(Arc::clone(&signals));
        Exec {
            output,
            signals,
            slots: Arc::new(Slots::single()),
            sys: None,
            submake: None,
            native: None,
            recipes: None,
            durations: None,
            known: None,
            above: 0,
            shell_inside: false,
            jobs: Vec::new(),
            waiting: Vec::new(),
            slots_used: 0,
            tokens: 0,
            good_stdin_used: false,
            sequence: 0,
            said_waiting: false,
            dying_by_signal: false,
            no_good_stdin: false,
            offsets: HashMap::default(),
            observer: None,
            parent: 0,
            made: HashMap::default(),
        }
    }

    /// The directory in which recipes and `$(shell)` run.
    pub fn set_sys(&mut self, sys: Arc<dyn Sys>) {
        self.output.borrow_mut().sys = Some(Arc::clone(&sys));
        self.sys = Some(sys);
    }

    /// How many jobs may run.
    pub fn set_slots(&mut self, slots: Arc<Slots>) {
        self.slots = slots;
    }

    /// The slots in use.
    #[must_use]
    pub fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// What runs recursive makes within this process.
    pub fn set_submake(&mut self, hook: Option<Arc<dyn SubMake>>) {
        self.submake = hook;
    }

    /// What answers `$(shell …)` without running it.
    pub fn set_probes(&mut self, hook: Option<Arc<dyn Probes>>) {
        self.output.borrow_mut().probes = hook;
    }

    /// What runs commands within this thread.
    pub fn set_native(&mut self, hook: Option<Arc<dyn Native>>) {
        self.native = hook;
    }

    /// What knows recipes from earlier runs.
    pub fn set_recipes(&mut self, hook: Option<Arc<dyn Recipes>>) {
        self.recipes = hook;
    }

    /// Whether lines for `/bin/sh` may be run within the process; only where that is dash.
    pub fn set_shell_inside(&mut self, yes: bool) {
        self.output.borrow_mut().shell_inside = yes;
        self.shell_inside = yes;
    }

    /// Says that standard input is not for this instance's recipes.
    pub fn without_stdin(&mut self) {
        self.no_good_stdin = true;
    }

    /// Waits for all jobs that run. With `failed` it is said that they are waited for.
    pub fn wait_for_all(&mut self, make: &mut Make, graph: &mut Graph, failed: bool) {
        while self.slots_used > 0 {
            // What goes wrong now has been said, and the instance ends already.
            if self.reap_jobs(make, graph, true, failed).is_err() && self.jobs.is_empty() {
                break;
            }
        }
    }

    /// Gives back the slots that an instance that ends still holds. With `failed`, quietly.
    pub fn give_back_slots(&mut self, _failed: bool) {
        while self.tokens > 1 {
            // Should the pipe be broken, nobody is there to take a slot any more.
            let _ = self.slots.give();
            self.tokens -= 1;
        }
        self.tokens = 0;
    }

    /// Runs `f` with make's own messages going to the output of a job.
    pub(crate) fn in_output<T>(&mut self, buffer: Buffer, f: impl FnOnce(&mut Self) -> T) -> T {
        self.output.borrow_mut().enter(buffer);
        let result = f(self);
        self.output.borrow_mut().exit();
        result
    }

    /// The name and line that messages about a recipe begin with.
    pub(crate) fn place(&self, make: &Make, recipe: &Rc<Recipe>) -> Vec<u8> {
        let offset = self.offsets.get(&key(recipe)).copied().unwrap_or(0);
        say::place(make, recipe.loc, offset).unwrap_or_else(|| b"<builtin>".to_vec())
    }

    fn new_job(&mut self, make: &mut Make, graph: &mut Graph, f: FileId) -> Result<()> {
        self.start_waiting_jobs(make, graph)?;
        self.reap_jobs(make, graph, false, false)?;
        let Some(recipe) = make.files[f].recipe.clone() else { return Ok(()) };
        self.output.borrow_mut().oneshell = make.special.oneshell;
        let buffer = self.output.borrow_mut().new_buffer();
        let mut job = Job {
            file: f,
            recipe: Rc::clone(&recipe),
            lines: Vec::new(),
            begun: 0,
            rest: None,
            line: Line::None,
            sequence: 0,
            recursive: false,
            ignore_errors: false,
            good_stdin: false,
            targets_deleted: false,
            dont_care: graph.file(f).dont_care,
            holds_slot: false,
            env: None,
            told: 0,
            recalled: Recalled::Unasked,
            timed: Timed::Not,
            counted: None,
            output: buffer,
        };
        // Expansion may print ($(info)), so the output is kept from here on. An error leaves the
        // context as it is: the message belongs to this recipe.
        self.output.borrow_mut().enter(buffer);
        let count = recipe::lines(&recipe, make.special.oneshell).len();
        if count > usize::from(u16::MAX) {
            let text = format!("Recipe has too many lines (limit {})", u16::MAX);
            return Err(Fatal::at(recipe.loc, text).into());
        }
        for i in 0..count {
            let line = &recipe::lines(&recipe, make.special.oneshell)[i];
            let text = collapse_in_references(&line.text);
            let loc = kiln_base::Loc { line: recipe.loc.line + i as u32, ..recipe.loc };
            job.lines.push(make.expand_for(&text, Some(f), Some(loc))?);
        }
        self.next_command(&mut job);
        self.acquire_slot(make, graph, &job)?;
        self.tokens += 1;
        job.counted = self.count_job();
        self.trace(make, graph, &job)?;
        self.start_job(make, graph, job)?;
        if self.slots.is_single() || make.special.not_parallel {
            while graph.state(f) == State::Running {
                self.reap_jobs(make, graph, true, false)?;
            }
        }
        self.output.borrow_mut().exit();
        Ok(())
    }

    /// Waits until there is a slot for one more job.
    fn acquire_slot(&mut self, make: &mut Make, graph: &mut Graph, job: &Job) -> Result<()> {
        if self.slots.is_single() {
            while self.slots_used == 1 {
                self.reap_jobs(make, graph, true, false)?;
            }
            return Ok(());
        }
        while self.slots.has_tokens() {
            if asks(make, graph, debug::JOBS) {
                let have = if self.jobs.is_empty() { "don't " } else { "" };
                let text = format!("Need a job token; we {have}have children\n");
                say::debug_line(make, 0, &[text.as_bytes()]);
            }
            if self.tokens == 0 {
                break;
            }
            self.reap_jobs(make, graph, false, false)?;
            self.start_waiting_jobs(make, graph)?;
            if self.tokens == 0 {
                break;
            }
            if self.take_token()? {
                self.say_token(make, graph, job, "Obtained");
                break;
            }
        }
        Ok(())
    }

    /// Waits for a token or for a job to end; tells whether a token was taken.
    fn take_token(&mut self) -> Result<bool> {
        let until = if self.waiting.is_empty() { Until::Something } else { Until::Second };
        loop {
            let commands: Vec<BorrowedFd<'_>> = self
                .jobs
                .iter()
                .filter_map(|j| match &j.line {
                    Line::Running(running) => Some(running.fd()),
                    _ => None,
                })
                .collect();
            let known = self.jobs.iter().any(|j| matches!(j.line, Line::Ended(_)));
            if known || self.signals.caught().is_some() {
                return Ok(false);
            }
            let ready = wait(&commands, self.slots.fd(), self.signals.fd(), until)
                .map_err(|e| system_error(b"pselect jobs pipe", &e))?;
            if ready.commands.contains(&true) || !ready.token {
                return Ok(false);
            }
            // Another make may have been quicker.
            if self.slots.try_take().map_err(|e| system_error(b"read jobs pipe", &e))? {
                return Ok(true);
            }
        }
    }

    /// Starts a job, or puts it off if the machine is too busy. Tells whether it was started.
    fn start_job(&mut self, make: &mut Make, graph: &mut Graph, mut job: Job) -> Result<bool> {
        let f = job.file;
        if self.slots_used > 0 && load::too_high(make.opts.load_average) {
            graph.set_state(make, f, State::Running);
            self.waiting.push(job);
            return Ok(false);
        }
        self.start_command(make, graph, &mut job)?;
        match graph.state(f) {
            State::Running => {
                if matches!(job.line, Line::Running(_)) {
                    self.say_job(make, graph, &job, "Putting", Shown::Name, " on the chain.\n");
                    self.slots_used += 1;
                    job.holds_slot = true;
                }
                self.jobs.push(job);
            }
            state => {
                if state == State::NotStarted {
                    graph.file_mut(f).status = Status::Success;
                }
                graph.notice_finished(make, f)?;
                self.free(make, graph, job)?;
            }
        }
        Ok(true)
    }

    pub(crate) fn start_waiting_jobs(&mut self, make: &mut Make, graph: &mut Graph) -> Result<()> {
        while !self.waiting.is_empty() {
            self.reap_jobs(make, graph, false, false)?;
            let Some(job) = self.waiting.pop() else { break };
            if !self.start_job(make, graph, job)? {
                break;
            }
        }
        Ok(())
    }

    /// Ends a job: its output is written and its slot given back.
    pub(crate) fn free(&mut self, make: &mut Make, graph: &Graph, job: Job) -> Result<()> {
        let success = graph.status(job.file) == Status::Success;
        if success {
            self.remember(make, &job);
            self.timed(make, &job);
        }
        self.tell_recipe_ended(&job, success);
        self.output.borrow_mut().close(job.output);
        if self.slots.has_tokens() && self.tokens > 1 {
            self.slots.give().map_err(|e| system_error(b"write jobserver", &e))?;
            self.say_token(make, graph, &job, "Released");
        }
        self.tokens = self.tokens.saturating_sub(1);
        Ok(())
    }

    /// Moves a job to its next command; tells whether there is one.
    pub(crate) fn next_command(&mut self, job: &mut Job) -> bool {
        while job.rest.as_ref().is_none_or(Vec::is_empty) {
            let Some(line) = job.lines.get(job.begun) else {
                job.rest = None;
                self.offsets.insert(key(&job.recipe), 0);
                return false;
            };
            job.rest = Some(line.clone());
            job.begun += 1;
        }
        self.offsets.insert(key(&job.recipe), job.begun as u32 - 1);
        true
    }

    /// Whether output is kept together, and how.
    pub(crate) fn sync_mode(&self) -> OutputSync {
        self.output.borrow().mode()
    }
}

impl Jobs for Exec {
    fn start(&mut self, make: &mut Make, graph: &mut Graph, f: FileId) -> Result<()> {
        self.new_job(make, graph, f)
    }

    fn start_waiting(&mut self, make: &mut Make, graph: &mut Graph) -> Result<()> {
        self.start_waiting_jobs(make, graph)
    }

    fn reap(&mut self, make: &mut Make, graph: &mut Graph, block: bool) -> Result<()> {
        self.reap_jobs(make, graph, block, false)
    }

    fn known(&self) -> Option<Arc<kiln_graph::ahead::Known>> {
        self.known_durations()
    }

    fn runs_only(&self, kinds: &[u64]) -> bool {
        self.runs_only_kinds(kinds)
    }
}

/// Whether `--debug` or `--trace` asks for this.
pub(crate) fn asks(make: &Make, graph: &Graph, bits: u32) -> bool {
    let traced = if make.opts.trace { debug::WHY | debug::PRINT } else { 0 };
    (make.opts.debug_level | traced) & bits != 0
        && (!graph.rebuilding_makefiles || make.opts.debug_level & debug::MAKEFILES != 0)
}

/// What identifies a recipe that several targets may share.
pub(crate) fn key(recipe: &Rc<Recipe>) -> usize {
    Rc::as_ptr(recipe) as usize
}

/// A system call that must not fail did.
pub(crate) fn system_error(what: &[u8], error: &std::io::Error) -> Stop {
    let text = [what, b": ", say::io_text(error).as_bytes()].concat();
    Stop::Fatal(Fatal { loc: None, text })
}
