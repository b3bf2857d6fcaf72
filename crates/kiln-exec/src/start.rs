//! Starting one command of a job: its prefix characters, whether it runs at all under `-n`, `-t`,
//! `-q`, what is echoed, and how it is run. It does not wait.

use std::rc::Rc;
use std::sync::Arc;

use kiln_base::text::is_blank;
use kiln_graph::say::{self, message};
use kiln_graph::{Graph, Result, State, Status};
use kiln_make::Make;
use kiln_make::db::flags;
use kiln_make::options::{OutputSync, debug};
use kiln_shell::direct::{self, Argv};

use crate::ahead::Timed;
use crate::hooks::{RecipeCommand, SubMakeCall};
use crate::job::{Exec, Job, Line, Running, asks};
use crate::observe::How;
use crate::recall::Given;
use crate::script::{Around, Script};
use crate::spawn::{Spawn, Stdin};

impl Exec {
    /// Starts the job's next command that has to be run. If none is left the target is finished.
    pub(crate) fn start_command(
        &mut self,
        make: &mut Make,
        graph: &mut Graph,
        job: &mut Job,
    ) -> Result<()> {
        loop {
            if job.rest.is_some() && self.try_command(make, graph, job)? {
                return Ok(());
            }
            if !self.next_command(job) {
                // Nothing was left to run: as far as anyone can tell it ran and won.
                graph.set_state(make, job.file, State::Running);
                graph.file_mut(job.file).status = Status::Success;
                graph.notice_finished(make, job.file)?;
                self.output.borrow_mut().exit();
                return Ok(());
            }
        }
    }

    /// Deals with one command. False: there was nothing to run, and the next one is due.
    fn try_command(&mut self, make: &mut Make, graph: &mut Graph, job: &mut Job) -> Result<bool> {
        let Some(text) = job.rest.take() else { return Ok(false) };
        let number = job.begun - 1;
        let f = job.file;
        let mut line_bits =
            kiln_graph::recipe::lines(&job.recipe, make.special.oneshell)[number].flags;
        if graph.line_is_recursive(make, &job.recipe, number) {
            line_bits |= flags::RECURSE;
        }
        let mut bits = make.files[f].command_flags | line_bits;
        job.ignore_errors = bits & flags::NOERROR != 0;
        let mut start = 0;
        while let Some(&b) = text.get(start) {
            match b {
                b'@' => bits |= flags::SILENT,
                b'+' => bits |= flags::RECURSE,
                b'-' => job.ignore_errors = true,
                _ if is_blank(b) => {}
                _ => break,
            }
            start += 1;
        }
        job.recursive = bits & flags::RECURSE != 0;
        if job.recursive {
            graph.note_recursive(&job.recipe, number);
        }
        let text = drop_prefixes(&text[start..], job.recipe.prefix);

        let made = self.construct(make, job, &text, line_bits)?;
        // What is echoed ends where the command ends; of a whole script it is what the shell gets.
        let echoed = match (&made.argv, &made.rest) {
            (Argv::Shell(words), _) if make.special.oneshell => {
                words.last().map_or(&text[..], Vec::as_slice)
            }
            (_, Some(rest)) => &text[..text.len().saturating_sub(rest.len() + 1)],
            (_, None) => &text[..],
        };
        let echoed = echoed.to_vec();
        job.rest = made.rest.clone();
        let argv = made.argv;

        if argv != Argv::Empty && graph.switches.question && !job.recursive {
            graph.file_mut(f).status = Status::Question;
            graph.notice_finished(make, f)?;
            return Ok(true);
        }
        if argv == Argv::Empty || (graph.switches.touch && !job.recursive) {
            return Ok(false);
        }
        let mode = self.sync_mode();
        let keep = mode != OutputSync::None && (mode == OutputSync::Recurse || !job.recursive);
        {
            let mut output = self.output.borrow_mut();
            output.set_on(job.output, keep);
            output.enter(job.output);
            if !keep {
                // What was kept before comes first.
                output.dump(job.output);
            }
        }
        if graph.switches.just_print
            || asks(make, graph, debug::PRINT)
            || (bits & flags::SILENT == 0 && !say::silent(make))
        {
            message(make, false, &echoed);
        }
        graph.commands_started += 1;
        if argv.is_no_op() || (graph.switches.just_print && !job.recursive) {
            return Ok(false);
        }
        self.run(make, graph, job, &argv)?;
        Ok(true)
    }

    /// The words of a command, by make's own rule or for the shell.
    fn construct(
        &mut self,
        make: &mut Make,
        job: &Job,
        text: &[u8],
        line_bits: u8,
    ) -> Result<direct::Constructed> {
        let f = Some(job.file);
        let warn = std::mem::replace(&mut make.opts.warn_undefined, false);
        let shell = make.expand_for(b"$(SHELL)", f, None);
        let mut shellflags = make.expand_for(b"$(.SHELLFLAGS)", f, None);
        if make.special.posix
            && make.expand_for(b"$(origin .SHELLFLAGS)", f, None).is_ok_and(|o| o == b"default")
        {
            let safe = line_bits & flags::NOERROR == 0;
            shellflags = Ok(if safe { b"-ec".to_vec() } else { b"-c".to_vec() });
        }
        let ifs = make.expand_for(b"$(IFS)", f, None);
        make.opts.warn_undefined = warn;
        Ok(direct::argv(text, &shell?, &shellflags?, Some(&ifs?), make.special.oneshell))
    }

    /// Runs a command: within the process where a hook takes it, else as a process.
    fn run(
        &mut self,
        make: &mut Make,
        graph: &mut Graph,
        job: &mut Job,
        argv: &Argv,
    ) -> Result<()> {
        let words = argv.words();
        self.output.borrow_mut().start();
        job.good_stdin = !self.good_stdin_used;
        if job.good_stdin {
            self.good_stdin_used = true;
        }
        job.targets_deleted = false;
        let env = match &job.env {
            Some(env) => Rc::clone(env),
            None => {
                let any = kiln_graph::recipe::any_recursive(&job.recipe, make.special.oneshell);
                let env = Rc::new(make.environment(Some(job.file), any)?);
                job.env = Some(Rc::clone(&env));
                env
            }
        };
        let sink = self.output.borrow().sink_of(job.output);
        let sys = self.sys.clone().unwrap_or_else(|| Arc::clone(&make.sys));
        let good_stdin = job.good_stdin && !self.no_good_stdin;
        self.sequence += 1;
        job.sequence = self.sequence;

        let probes = self.output.borrow().probes.clone().filter(|_| !job.recursive);
        let answered = probes.and_then(|probes| {
            probes.recipe(RecipeCommand {
                argv: words,
                env: &env,
                dir: sys.dir(),
                sink: &sink,
                good_stdin,
                phony: make.files[job.file].phony,
            })
        });
        if let Some(done) = answered {
            job.line = Line::Running(Running::SubMake(done));
            graph.set_state(make, job.file, State::Running);
            self.output.borrow_mut().exit();
            return Ok(());
        }

        self.time_command(make, job);
        self.tell_command(make, graph, job, words);
        let given = Given { argv: words, env: &env, sys: &*sys, sink: &sink, good_stdin };
        if let Some(running) = self.recalled(make, graph, job, &given)? {
            let how = running_how(&running);
            job.line = Line::Running(running);
            self.tell_started(job, how);
            graph.set_state(make, job.file, State::Running);
            self.output.borrow_mut().exit();
            return Ok(());
        }
        // A line that may start makes hands them the job slots, and where those are descriptors they are
        // inherited by a process only; and `--debug=j` tells of processes, so there have to be some.
        let hands_on = job.recursive && self.slots.is_pipe();
        let may_be_inside = self.shell_inside && !hands_on && !asks(make, graph, debug::JOBS);
        let around = Around {
            env: &env,
            sys: &*sys,
            sink: &sink,
            good_stdin,
            signals: &self.signals,
            native: self.native.as_ref(),
        };
        // Whether the words start this program as make is for the hook to say.
        let submake = self.submake.clone().filter(|_| job.recursive).and_then(|hook| {
            hook.try_start(SubMakeCall {
                argv: words,
                env: &env,
                dir: sys.dir(),
                slots: &self.slots,
                sink: sink.clone(),
                lock: self.output.borrow().lock(),
                good_stdin,
                job: job.told,
                above: self.above + 1,
            })
        });
        let inside_line = match &submake {
            None if may_be_inside => inside(argv, &around)?,
            _ => None,
        };
        let how = if let Some(done) = submake {
            job.timed = Timed::Never;
            job.line = Line::Running(Running::SubMake(done));
            How::SubMake
        } else if let Some(running) = inside_line {
            let how = running_how(&running);
            job.line = Line::Running(running);
            how
        } else if let Some(hook) = self.native.clone().filter(|n| may_be_inside && n.takes(words))
            && let Some(ended) = hook.run(words, &env, sys.dir(), &sink)
        {
            job.line = Line::Running(over(ended)?);
            How::Inside
        } else {
            let slots = (job.recursive && self.slots.is_pipe()).then(|| Arc::clone(&self.slots));
            let other = self.other_words(words, sys.dir());
            let spawn = Spawn {
                argv: other.as_deref().unwrap_or(words),
                env: &env,
                sys: &*sys,
                stdin: if good_stdin { Stdin::Inherit } else { Stdin::Broken },
                out: sink.out,
                err: sink.err,
                slots: slots.as_deref(),
            };
            job.line = match spawn.start() {
                Ok(process) => Line::Running(Running::Process(Box::new(process))),
                Err(error) => {
                    let why = say::io_text(&error);
                    let text = [&words[0][..], b": ", why.as_bytes()].concat();
                    say::error(make, None, &text);
                    Line::Ended(crate::Ended::Exit(127))
                }
            };
            How::Process
        };
        self.tell_started(job, how);
        graph.set_state(make, job.file, State::Running);
        self.output.borrow_mut().exit();
        Ok(())
    }
}

impl Exec {
    /// The words to start in place of these, where they call what cannot run here.
    pub(crate) fn other_words(&self, words: &[Vec<u8>], dir: &[u8]) -> Option<Vec<Vec<u8>>> {
        crate::respell::respelled(self.native.as_deref()?, words, dir)
    }
}

/// How a command that was begun within the process runs.
fn running_how(running: &Running) -> How {
    match running {
        Running::Process(_) | Running::Watched(..) => How::Process,
        Running::Script(_) => How::Script,
        Running::SubMake(_) => How::Inside,
    }
}

/// Runs a command within the process where it is one that the shell subset knows.
fn inside(argv: &Argv, around: &Around<'_>) -> Result<Option<Running>> {
    if let Some((errexit, text)) = argv.script() {
        let script = kiln_shell::parse(text).ok();
        let script = script.and_then(|script| Script::begin(script, errexit, around));
        return Ok(script.map(|s| Running::Script(Box::new(s))));
    }
    let Argv::Direct(words) = argv else { return Ok(None) };
    let Some(ended) = crate::script::tool(words, around) else { return Ok(None) };
    over(ended).map(Some)
}

/// A command that was done within the process and has ended.
pub(crate) fn over(ended: crate::Ended) -> Result<Running> {
    let done = crate::Done::new().map_err(|e| crate::job::system_error(b"eventfd", &e))?;
    done.finish(ended);
    Ok(Running::SubMake(done))
}

/// The recipe prefix character after each newline is not for the shell (POSIX).
fn drop_prefixes(text: &[u8], prefix: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        out.push(text[at]);
        if text[at] == b'\n' && text.get(at + 1) == Some(&prefix) {
            at += 1;
        }
        at += 1;
    }
    out
}
