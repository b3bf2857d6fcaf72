//! What follows when a command has ended: the next line, the message about a failure, targets that
//! are half made, and the end of everything by a signal. It does not start recipes.

use std::os::fd::BorrowedFd;

use kiln_base::FileKind;
use kiln_graph::{Graph, Mtime, Result, State, Status, Stop, say};
use kiln_make::options::OutputSync;
use kiln_make::{FileId, Make};

use crate::about::Shown;
use crate::job::{Exec, Job, Line, Running, system_error};
use crate::signals::{HUP, INT, QUIT, TERM};
use crate::wait::{Until, wait};
use crate::{Ended, signals, spawn};

impl Exec {
    /// Deals with commands that have ended. If `block`, waits until one target is finished, where
    /// any job runs. With `dying` it is said that they are waited for, and a failure is no news.
    pub(crate) fn reap_jobs(
        &mut self,
        make: &mut Make,
        graph: &mut Graph,
        mut block: bool,
        dying: bool,
    ) -> Result<()> {
        loop {
            self.heed_signal(make, graph)?;
            if self.jobs.is_empty() {
                return Ok(());
            }
            if dying && block && !std::mem::replace(&mut self.said_waiting, true) {
                say::error(make, None, b"*** Waiting for unfinished jobs....");
            }
            // A job whose command could not be started is dealt with first, the latest first.
            let known = self.jobs.iter().enumerate().rev().find_map(|(i, j)| match j.line {
                Line::Ended(ended) => Some((i, ended)),
                _ => None,
            });
            let (at, ended) = match known {
                Some(found) => found,
                None => {
                    for i in (0..self.jobs.len()).rev() {
                        self.say_job(make, graph, &self.jobs[i], "Live", Shown::Name, " \n");
                    }
                    let Some((at, ended)) = self.next_ended(block)? else {
                        if block {
                            continue;
                        }
                        return Ok(());
                    };
                    make.command_count += 1;
                    if let Some(probes) = &self.output.borrow().probes {
                        probes.disturbed();
                    }
                    if self.signal_is_for_all(ended) {
                        self.jobs[at].line = Line::Ended(ended);
                        continue;
                    }
                    let what = if ended.success() { "Reaping winning" } else { "Reaping losing" };
                    self.say_job(make, graph, &self.jobs[at], what, Shown::Number, " \n");
                    (at, ended)
                }
            };
            if self.after_command(make, graph, at, ended, dying)? {
                block = false;
            }
        }
    }

    /// The command that was started first among those that have ended.
    fn next_ended(&mut self, block: bool) -> Result<Option<(usize, Ended)>> {
        let mut order: Vec<usize> = (0..self.jobs.len()).collect();
        order.sort_by_key(|&i| self.jobs[i].sequence);
        let fds: Vec<BorrowedFd<'_>> = order
            .iter()
            .filter_map(|&i| match &self.jobs[i].line {
                Line::Running(running) => Some(running.fd()),
                _ => None,
            })
            .collect();
        let until = if block { Until::Something } else { Until::Now };
        let signal = if self.dying_by_signal { None } else { self.signals.fd() };
        let ready = wait(&fds, None, signal, until).map_err(|e| system_error(b"wait", &e))?;
        for (&i, ready) in order.iter().zip(ready.commands) {
            if ready
                && let Line::Running(running) = &mut self.jobs[i].line
                && let Some(ended) = running.ended()
            {
                return Ok(Some((i, ended)));
            }
        }
        Ok(None)
    }

    /// Goes on with a job whose command has ended. True: all its commands are done.
    fn after_command(
        &mut self,
        make: &mut Make,
        graph: &mut Graph,
        at: usize,
        ended: Ended,
        dying: bool,
    ) -> Result<bool> {
        let mut job = self.jobs.remove(at);
        let f = job.file;
        if ended == Ended::Exit(127)
            && let Line::Running(Running::Process(process)) = &job.line
        {
            let program = process.program.clone();
            if let Some(why) = spawn::after_127(&*make.sys, &program) {
                say::error(make, None, &[&program[..], b": ", why.as_bytes()].concat());
            }
        }
        let line = std::mem::replace(&mut job.line, Line::None);
        self.tell_command_ended(&job, ended);
        if job.good_stdin {
            self.good_stdin_used = false;
            job.good_stdin = false;
        }
        let questioned = ended == Ended::Exit(1) && graph.switches.question && job.recursive;
        let mut failed = !ended.success();
        let ignore = make.opts.ignore_errors || make.special.ignore_all;
        if failed && !job.ignore_errors && !ignore {
            if !job.dont_care && !questioned {
                self.say_failed(make, graph, &job, ended, false);
            }
            graph.file_mut(f).status = if questioned { Status::Question } else { Status::Failed };
            if matches!(ended, Ended::Signal(..)) || make.special.delete_on_error {
                self.delete_targets(make, graph, &mut job);
            }
        } else {
            if failed {
                self.say_failed(make, graph, &job, ended, true);
                failed = false;
            }
            if self.next_command(&mut job) {
                if self.dying_by_signal {
                    // The target was not made completely.
                    graph.file_mut(f).status = Status::Failed;
                } else {
                    if self.sync_mode() == OutputSync::Line {
                        self.output.borrow_mut().dump(job.output);
                    }
                    self.start_command(make, graph, &mut job)?;
                    if graph.state(f) == State::Running {
                        self.jobs.insert(at, job);
                        return Ok(false);
                    }
                }
                if graph.status(f) != Status::Success {
                    self.delete_targets(make, graph, &mut job);
                }
            } else {
                graph.file_mut(f).status = Status::Success;
            }
        }
        self.output.borrow_mut().dump(job.output);
        if !self.dying_by_signal {
            graph.notice_finished(make, f)?;
        }
        if job.holds_slot {
            self.slots_used = self.slots_used.saturating_sub(1);
        }
        if matches!(job.line, Line::None) {
            job.line = line;
            self.say_job(make, graph, &job, "Removing", Shown::Number, " from chain.\n");
        }
        let dont_care = job.dont_care;
        self.free(make, graph, job)?;
        if !dying && failed && !dont_care && !make.opts.keep_going && !self.dying_by_signal {
            return Err(Stop::Exit(if questioned { 1 } else { 2 }));
        }
        Ok(true)
    }

    /// `*** [FILE:LINE: TARGET] Error N`
    fn say_failed(
        &mut self,
        make: &mut Make,
        graph: &mut Graph,
        job: &Job,
        ended: Ended,
        ignored: bool,
    ) {
        if ignored && say::silent(make) {
            return;
        }
        let place = self.place(make, &job.recipe);
        let name = make.file_name(job.file);
        let mut text = if ignored { Vec::new() } else { b"*** ".to_vec() };
        text.push(b'[');
        text.extend_from_slice(&place);
        text.extend_from_slice(b": ");
        text.extend_from_slice(name);
        text.extend_from_slice(b"] ");
        match ended {
            Ended::Exit(code) => text.extend_from_slice(format!("Error {code}").as_bytes()),
            Ended::Signal(signal, core) => {
                text.extend_from_slice(signals::name(signal).as_bytes());
                if core {
                    text.extend_from_slice(b" (core dumped)");
                }
            }
        }
        if ignored {
            text.extend_from_slice(b" (ignored)");
        }
        if let Some(mode) = graph.shuffle.text() {
            text.extend_from_slice(b" shuffle=");
            text.extend_from_slice(&mode);
        }
        self.in_output(job.output, |_| {
            graph.show_goal_error(make);
            say::error(make, None, &text);
        });
    }

    /// Deletes the targets of a job that did not come to its end, if they have changed.
    fn delete_targets(&mut self, make: &mut Make, graph: &Graph, job: &mut Job) {
        if std::mem::replace(&mut job.targets_deleted, true) {
            return;
        }
        delete_target(make, graph, job.file, None);
        for peer in make.files[job.file].also_make.clone() {
            delete_target(make, graph, peer, Some(job.file));
        }
    }

    /// Whether a command was killed by a signal that ends this instance too. A signal from the
    /// terminal goes to the whole group; it is given a moment to come here as well, because what has
    /// to be said differs.
    fn signal_is_for_all(&self, ended: Ended) -> bool {
        if self.dying_by_signal {
            return false;
        }
        if matches!(ended, Ended::Signal(HUP | INT | QUIT | TERM, _)) {
            self.signals.wait_a_moment();
        }
        self.signals.caught().is_some()
    }

    /// Ends the instance if a fatal signal has come.
    fn heed_signal(&mut self, make: &mut Make, graph: &mut Graph) -> Result<()> {
        match self.signals.caught() {
            Some(signal) if !self.dying_by_signal => Err(self.die_by_signal(make, graph, signal)),
            _ => Ok(()),
        }
    }

    /// What make does before it lets a signal kill it.
    fn die_by_signal(&mut self, make: &mut Make, graph: &mut Graph, signal: i32) -> Stop {
        self.dying_by_signal = true;
        self.output.borrow_mut().set_lock(None);
        self.output.borrow_mut().exit();
        if signal == TERM {
            // It is not sent to the whole group, as those from a terminal are.
            for job in self.jobs.iter().rev() {
                match &job.line {
                    Line::Running(Running::Process(process)) => process.terminate(),
                    Line::Running(Running::Script(script)) => script.terminate(),
                    Line::Running(Running::Watched(_, watching)) => watching.terminate(),
                    _ => {}
                }
            }
        }
        let by_user = matches!(signal, TERM | INT | HUP | QUIT);
        if by_user {
            let mut jobs = std::mem::take(&mut self.jobs);
            for job in jobs.iter_mut().rev() {
                self.delete_targets(make, graph, job);
            }
            self.jobs = jobs;
        }
        while self.slots_used > 0 {
            if self.reap_jobs(make, graph, true, !by_user).is_err() {
                break;
            }
        }
        self.jobs.clear();
        self.slots_used = 0;
        graph.remove_intermediates(make, true);
        if signal == QUIT { Stop::Exit(1) } else { Stop::Signal(signal) }
    }
}

/// Deletes a file that has changed since it was looked at, unless it is precious or phony.
fn delete_target(make: &mut Make, graph: &Graph, f: FileId, for_the_sake_of: Option<FileId>) {
    let file = &make.files[f];
    if file.precious || file.phony {
        return;
    }
    let name = make.file_name(f).to_vec();
    let Ok(stat) = make.sys.stat(&name) else { return };
    if stat.kind != FileKind::File || graph.known_mtime(f) == Mtime::At(stat.mtime) {
        return;
    }
    let mut text = b"*** ".to_vec();
    if let Some(of) = for_the_sake_of {
        text.push(b'[');
        text.extend_from_slice(make.file_name(of));
        text.extend_from_slice(b"] ");
    }
    text.extend_from_slice(b"Deleting file '");
    text.extend_from_slice(&name);
    text.push(b'\'');
    say::error(make, None, &text);
    if let Err(error) = make.sys.unlink(&name)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        let why = say::io_text(&error);
        say::error(make, None, &[b"unlink: ", &name[..], b": ", why.as_bytes()].concat());
    }
}
