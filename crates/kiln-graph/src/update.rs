//! All goals, again and again, until each is finished. It does not look at prerequisites itself.

use kiln_base::Loc;
use kiln_make::{FileId, Make, options::debug};

use crate::{Graph, Jobs, MakefileGoal, Mtime, Result, Status, resolve, say};

/// Something to be brought up to date: a goal of the command line, or a makefile.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What.
    pub file: FileId,
    /// `-include`, default names, MAKEFILES: nobody minds if it cannot be made.
    pub dont_care: bool,
    /// An `include` named it.
    pub included: bool,
    /// Where that stood.
    pub loc: Loc,
    /// Why it could not be read.
    pub error: Option<i32>,
    /// Recipes were started on its behalf (an answer, not a question).
    pub changed: bool,
}

impl Goal {
    /// A goal of the command line.
    #[must_use]
    pub fn new(file: FileId) -> Self {
        Goal {
            file,
            dont_care: false,
            included: false,
            loc: Loc::default(),
            error: None,
            changed: false,
        }
    }
}

impl Graph {
    /// Brings the goals up to date and tells the worst that happened; [`Status::None`] if there was
    /// nothing to do. With [`Graph::rebuilding_makefiles`] set, `-t`, `-q` and `-n` count only for
    /// makefiles that are also goals of the command line, and each goal's `error` is taken once it
    /// was shown.
    ///
    /// # Errors
    /// If the instance ends at once (an error without `-k`, a signal).
    pub fn update_goals(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        goals: &mut [Goal],
    ) -> Result<Status> {
        let written = self.switches;
        self.adopt_phony(make);
        self.makefile_goals.clear();
        if self.rebuilding_makefiles {
            self.makefile_goals = goals
                .iter()
                .map(|g| MakefileGoal {
                    file: g.file,
                    included_and_cared_for: g.included && !g.dont_care,
                    loc: g.loc,
                    error: g.error,
                })
                .collect();
        }
        // What `$?` lists follows the switch as it stands now.
        let always = std::mem::replace(&mut make.opts.always_make, written.always_make);
        let result = self.goal_loop(make, jobs, goals);
        make.opts.always_make = always;
        for (goal, seen) in goals.iter_mut().zip(&self.makefile_goals) {
            goal.error = seen.error;
        }
        self.current_goal = None;
        self.makefile_goals.clear();
        if self.rebuilding_makefiles {
            self.switches = written;
        }
        result
    }

    fn goal_loop(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        goals: &mut [Goal],
    ) -> Result<Status> {
        let written = self.switches;
        let mut status = Status::None;
        let mut left: Vec<usize> = (0..goals.len()).collect();
        let mut last_count = 0;
        self.considered += 1;
        while !left.is_empty() {
            jobs.start_waiting(make, self)?;
            // Wait for a recipe to end, unless one has ended since the last walk.
            jobs.reap(make, self, last_count == make.command_count)?;
            last_count = make.command_count;

            let mut i = 0;
            let mut stopped = false;
            while i < left.len() {
                let goal = &mut goals[left[i]];
                self.current_goal = Some(left[i]);
                let (stop, unfinished) = self.one_goal(make, jobs, goal, written, &mut status)?;
                if stop || !unfinished {
                    self.say_nothing_to_do(make, goal);
                    left.remove(i);
                    if stop {
                        stopped = true;
                        break;
                    }
                } else {
                    i += 1;
                }
            }
            // Make leaves the goal loop only by its end: after a stop it goes on with the goals that
            // are left, in the same walk unless that one was the last.
            if !stopped || i >= left.len() {
                self.considered += 1;
            }
        }
        Ok(status)
    }

    /// One goal, all its double-colon rules. Returns whether to stop, and whether any is unfinished.
    fn one_goal(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        goal: &mut Goal,
        written: crate::Switches,
        status: &mut Status,
    ) -> Result<(bool, bool)> {
        let mut stop = false;
        let mut unfinished = false;
        let mut next = Some(make.files[goal.file].double_colon.unwrap_or(goal.file));
        while let Some(mut f) = next {
            self.file_mut(f).dont_care = goal.dont_care;
            f = resolve(make, f);
            if self.rebuilding_makefiles {
                self.switches = if make.files[f].cmd_target {
                    written
                } else {
                    crate::Switches { touch: false, question: false, just_print: false, ..written }
                };
            }
            let before = self.commands_started;
            let depth = u32::from(self.rebuilding_makefiles);
            let failed = self.update_file(make, jobs, f, depth)?;
            f = resolve(make, f);
            if self.commands_started > before {
                goal.changed = true;
            }
            stop = false;
            if (failed != Status::Success || self.is_updated(f)) && *status < Status::Question {
                if self.status(f) != Status::Success {
                    *status = self.status(f);
                    stop = self.switches.question
                        && !make.opts.keep_going
                        && !self.rebuilding_makefiles;
                } else {
                    let mtime = if self.rebuilding_makefiles {
                        self.mtime_no_search(make, &mut f)?
                    } else {
                        self.mtime(make, &mut f)?
                    };
                    if self.is_updated(f) && mtime != self.file(f).mtime_before {
                        // A makefile that was only pretended to be remade must not count, or make
                        // would begin anew for ever.
                        if !self.rebuilding_makefiles
                            || (!self.switches.just_print && !self.switches.question)
                        {
                            *status = Status::Success;
                        }
                        if self.rebuilding_makefiles && self.file(f).dont_care {
                            stop = true;
                        }
                    }
                }
            }
            unfinished |= !self.is_updated(f);
            self.file_mut(f).dont_care = false;
            if stop {
                break;
            }
            next = make.files[f].next_double_colon;
        }
        Ok((stop, unfinished))
    }

    fn say_nothing_to_do(&mut self, make: &mut Make, goal: &Goal) {
        let f = goal.file;
        if self.rebuilding_makefiles
            || self.status(f) != Status::Success
            || goal.changed
            || say::silent(make)
            || self.switches.question
        {
            return;
        }
        let file = &make.files[f];
        let mut text = Vec::new();
        if file.phony || file.recipe.is_none() {
            text.extend_from_slice(b"Nothing to be done for '");
            text.extend_from_slice(make.file_name(f));
            text.extend_from_slice(b"'.");
        } else {
            text.push(b'\'');
            text.extend_from_slice(make.file_name(f));
            text.extend_from_slice(b"' is up to date.");
        }
        say::message(make, true, &text);
    }

    /// Phony targets exist in no file system.
    fn adopt_phony(&mut self, make: &Make) {
        for f in make.files.ids() {
            if make.files[f].phony && self.known_mtime(f) == Mtime::Unknown {
                let state = self.file_mut(f);
                state.mtime = Mtime::Nonexistent;
                state.mtime_before = Mtime::Nonexistent;
            }
        }
    }

    /// A line of `--debug` about a file.
    pub(crate) fn debug_file(
        &self,
        make: &mut Make,
        bits: u32,
        depth: u32,
        f: FileId,
        before: &str,
        after: &str,
    ) {
        if self.debugging(make, bits) {
            let name = make.file_name(f).to_vec();
            say::debug_line(make, depth, &[before.as_bytes(), &name, after.as_bytes()]);
        }
    }

    /// Whether `--debug` asks for this: while makefiles are remade only with `m`.
    pub(crate) fn debugging(&self, make: &Make, bits: u32) -> bool {
        say::debugging(make, bits)
            && (!self.rebuilding_makefiles || say::debugging(make, debug::MAKEFILES))
    }
}
