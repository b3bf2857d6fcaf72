//! What follows once it is settled that a target is to be remade, and once its recipe has ended.

use kiln_make::{FileId, Make};

use crate::mtime::name_mtime;
use crate::{Graph, Jobs, Mtime, Reason, Result, State, Status, recipe, say};

impl Graph {
    /// Remakes a target: runs its recipe, touches it, or says that there is no way to make it.
    pub(crate) fn remake(&mut self, make: &mut Make, jobs: &mut dyn Jobs, f: FileId) -> Result<()> {
        let Some(recipe) = make.files[f].recipe.clone() else {
            let file = &make.files[f];
            if file.phony || file.is_target {
                // A target without a recipe that does not exist is taken for remade.
                self.file_mut(f).status = Status::Success;
            } else {
                if !self.rebuilding_makefiles || !self.file(f).dont_care {
                    self.complain(make, f)?;
                }
                self.file_mut(f).status = Status::Failed;
            }
            return self.notice_finished(make, f);
        };
        if self.switches.touch && !recipe::any_recursive(&recipe, make.special.oneshell) {
            // This tells `notice_finished` that it may touch the file.
            self.file_mut(f).status = Status::Success;
            return self.notice_finished(make, f);
        }
        if recipe::is_blank_recipe(&recipe) {
            self.set_state(make, f, State::Running);
            self.file_mut(f).status = Status::Success;
            return self.notice_finished(make, f);
        }
        make.init_file_variables(f, false)?;
        let stem = make.files[f].stem;
        make.set_file_variables(f, stem);
        jobs.start(make, self, f)
    }

    /// Marks a file finished and looks at its time stamp again, and at those of the targets that the
    /// same recipe makes. Under `-t` it touches the file first.
    ///
    /// # Errors
    /// If the file turns out to be another one in a way that is an error.
    pub fn notice_finished(&mut self, make: &mut Make, f: FileId) -> Result<()> {
        let ran = self.state(f) == State::Running;
        let state = self.file_mut(f);
        state.state = State::Finished;
        state.updated = true;

        let touched = self.touch_if_asked(make, f);
        let state = self.file_mut(f);
        if state.mtime_before == Mtime::Unknown {
            state.mtime_before = state.mtime;
        }
        if (ran && !make.files[f].phony) || touched {
            let really_ran = self.recipe_really_ran(make, f);
            self.file_mut(f).mtime = if really_ran { Mtime::Unknown } else { Mtime::New };
        }
        self.unify_double_colon(make, f);

        if ran && self.status(f) != Status::None {
            let status = self.status(f);
            for peer in make.files[f].also_make.clone() {
                let state = self.file_mut(peer);
                state.state = State::Finished;
                state.updated = true;
                state.status = status;
                if !make.files[peer].phony {
                    // Looked at now rather than forgotten, so that VPATH is not searched for it.
                    self.look_up_mtime(make, peer, false)?;
                }
            }
            if make.files[f].tried_implicit && !make.files[f].also_make.is_empty() {
                self.check_peers(make, f);
            }
        } else if self.status(f) == Status::None {
            self.file_mut(f).status = Status::Success;
        }
        Ok(())
    }

    /// Under `-t`, touches a target that has a recipe with a line that is not recursive.
    fn touch_if_asked(&mut self, make: &mut Make, f: FileId) -> bool {
        if !self.switches.touch || self.status(f) != Status::Success {
            return false;
        }
        let Some(recipe) = make.files[f].recipe.clone() else { return false };
        let oneshell = make.special.oneshell;
        if recipe::any_recursive(&recipe, oneshell) {
            let count = recipe::lines(&recipe, oneshell).len();
            if (0..count).all(|i| self.line_is_recursive(make, &recipe, i)) {
                return false;
            }
        }
        if make.files[f].phony {
            return false;
        }
        self.file_mut(f).status = self.touch(make, f);
        // As if a real touch command had run, so that nobody says "is up to date".
        self.commands_started += 1;
        true
    }

    fn touch(&mut self, make: &mut Make, f: FileId) -> Status {
        let name = make.file_name(f).to_vec();
        if !say::silent(make) {
            let mut text = b"touch ".to_vec();
            text.extend_from_slice(&name);
            say::message(make, false, &text);
        }
        if self.switches.just_print {
            return Status::Success;
        }
        match make.sys.touch(&name) {
            Ok(()) => Status::Success,
            Err(error) => {
                let mut text = b"touch: open: ".to_vec();
                text.extend_from_slice(&name);
                text.extend_from_slice(b": ");
                text.extend_from_slice(say::io_text(&error).as_bytes());
                say::error(make, None, &text);
                Status::Failed
            }
        }
    }

    /// Whether the file's stamp is to be looked up again after its recipe: not if there was nothing
    /// to run, or if `-n`, `-t` or `-q` kept a line from running.
    fn recipe_really_ran(&self, make: &Make, f: FileId) -> bool {
        let only_recursive =
            self.switches.question || self.switches.just_print || self.switches.touch;
        match &make.files[f].recipe {
            Some(recipe) if only_recursive => {
                let count = recipe::lines(recipe, make.special.oneshell).len();
                (0..count).all(|i| self.line_is_recursive(make, recipe, i))
            }
            Some(_) => true,
            None => !make.files[f].is_target,
        }
    }

    /// Once all rules of a double-colon target are through, they share the newest stamp.
    fn unify_double_colon(&mut self, make: &Make, f: FileId) {
        let Some(first) = make.files[f].double_colon else { return };
        let chain = crate::mtime::double_colon_chain(make, first);
        if !chain.iter().all(|&c| self.is_updated(c)) {
            return;
        }
        let mut newest = self.known_mtime(f);
        for &c in &chain {
            let mtime = self.known_mtime(c);
            // What is not known any more counts as newest.
            if newest != Mtime::Unknown && (mtime == Mtime::Unknown || mtime > newest) {
                newest = mtime;
            }
        }
        for c in chain {
            self.file_mut(c).mtime = newest;
        }
    }

    /// Warns of targets of a pattern rule that its recipe did not make.
    fn check_peers(&mut self, make: &mut Make, f: FileId) {
        let mut mtime = self.known_mtime(f);
        if mtime == Mtime::Unknown {
            let name = make.file_name(f).to_vec();
            mtime = name_mtime(make, &name);
        }
        if !matches!(mtime, Mtime::At(_)) || mtime <= self.file(f).mtime_before {
            return;
        }
        let loc = make.files[f].recipe.as_ref().map(|r| r.loc);
        for peer in make.files[f].also_make.clone() {
            if self.known_mtime(peer) == Mtime::Nonexistent {
                let mut text = b"warning: pattern recipe did not update peer target '".to_vec();
                text.extend_from_slice(make.file_name(peer));
                text.extend_from_slice(b"'.");
                say::error(make, loc, &text);
            }
        }
    }

    /// Says that there is no rule for a file: for the one among its prerequisites that is to blame
    /// where that was kept quiet before. Without `-k` this ends the instance.
    pub(crate) fn complain(&mut self, make: &mut Make, f: FileId) -> Result<()> {
        let quiet = self.file(f).no_diag;
        let culprit = make.files[f]
            .deps
            .iter()
            .filter_map(|d| d.file)
            .find(|&d| quiet && self.is_updated(d) && self.status(d) > Status::None);
        if let Some(d) = culprit {
            return self.complain(make, d);
        }
        self.show_goal_error(make);
        let mut text = b"No rule to make target '".to_vec();
        text.extend_from_slice(make.file_name(f));
        text.push(b'\'');
        if let Some(parent) = make.files[f].parent {
            text.extend_from_slice(b", needed by '");
            text.extend_from_slice(make.file_name(parent));
            text.push(b'\'');
        }
        if !make.opts.keep_going {
            return Err(kiln_make::Fatal { loc: None, text }.into());
        }
        let mut line = b"*** ".to_vec();
        line.extend_from_slice(&text);
        line.push(b'.');
        say::error(make, None, &line);
        self.file_mut(f).no_diag = false;
        Ok(())
    }

    /// The first time that something goes wrong for an included makefile, says why reading it failed.
    pub fn show_goal_error(&mut self, make: &mut Make) {
        let Some(goal) = self.current_goal.and_then(|i| self.makefile_goals.get_mut(i)) else {
            return;
        };
        if !goal.included_and_cared_for {
            return;
        }
        let (file, loc) = (goal.file, goal.loc);
        if let Some(code) = goal.error.take() {
            let mut text = make.file_name(file).to_vec();
            text.extend_from_slice(b": ");
            text.extend_from_slice(say::errno_text(code).as_bytes());
            say::error(make, Some(loc), &text);
        }
    }

    pub(crate) fn set_reason(&mut self, f: FileId, reason: Reason) {
        let slot = &mut self.file_mut(f).reason;
        if slot.is_none() {
            *slot = Some(reason);
        }
    }
}
