//! One target and everything below it: which prerequisites are made first, and whether it is out of
//! date. It does not start recipes.

use kiln_make::{FileId, Make, options::debug};

use crate::mtime::{double_colon_chain, end_of_second, nanoseconds};
use crate::{Graph, Jobs, Mtime, Reason, Result, State, Status, resolve, say};

/// What the walk over a target's prerequisites has found so far.
pub(crate) struct Findings {
    pub(crate) must_make: bool,
    pub(crate) running: bool,
    pub(crate) worst: Status,
}

impl Graph {
    /// Brings a file up to date as far as that is possible without waiting: all rules of a
    /// double-colon target, up to one that is running.
    pub(crate) fn update_file(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        f: FileId,
        depth: u32,
    ) -> Result<Status> {
        let first = make.files[f].double_colon.unwrap_or(f);
        let known = self.file(first);
        if known.considered == self.considered {
            // Nothing below can have changed within one walk. Only a failure that was kept quiet
            // and is not to be kept quiet any more needs another look.
            let owes_message =
                known.updated && known.status > Status::None && !known.dont_care && known.no_diag;
            if !owes_message {
                self.debug_file(make, debug::VERBOSE, depth, first, "Pruning file '", "'.\n");
                return Ok(if known.state == State::Finished {
                    known.status
                } else {
                    Status::Success
                });
            }
        }
        let mut status = Status::Success;
        let mut next = Some(first);
        while let Some(mut f) = next {
            self.file_mut(f).considered = self.considered;
            let new = self.update_rule(make, jobs, f, depth)?;
            f = resolve(make, f);
            if new != Status::Success && !make.opts.keep_going {
                return Ok(new);
            }
            if matches!(self.state(f), State::Running | State::DepsRunning) {
                // The other rules of this target wait until this one is through.
                return Ok(Status::Success);
            }
            status = status.max(new);
            next = make.files[f].next_double_colon;
        }
        Ok(status)
    }

    /// One rule: prerequisites, decision, recipe. [`Status::Success`] also while it is not settled.
    #[allow(clippy::too_many_lines)] // one decision whose steps share all their facts
    fn update_rule(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        mut f: FileId,
        mut depth: u32,
    ) -> Result<Status> {
        self.debug_file(make, debug::VERBOSE, depth, f, "Considering target file '", "'.\n");
        if let Some(done) = self.already_settled(make, f, depth)? {
            return Ok(done);
        }
        let state = self.file_mut(f);
        state.no_diag = state.dont_care;

        self.set_updating(make, f, true);
        // A VPATH search may put another file in this one's place.
        let original = f;
        depth += 1;

        // Looked at first: the search may find the file elsewhere, and then it needs no implicit rule.
        let mut this_mtime = self.mtime(make, &mut f)?;
        let mut missing = this_mtime == Mtime::Nonexistent;
        if missing {
            self.debug_file(make, debug::BASIC, depth, f, "File '", "' does not exist.\n");
            self.set_reason(f, Reason::Missing);
        } else if let Mtime::At(time) = this_mtime
            && make.files[f].low_resolution_time
        {
            if nanoseconds(time) != 0 {
                let mut text = b"*** Warning: .LOW_RESOLUTION_TIME file '".to_vec();
                text.extend_from_slice(make.file_name(f));
                text.extend_from_slice(b"' has a high resolution time stamp");
                say::error(make, None, &text);
            }
            this_mtime = Mtime::At(end_of_second(time));
        }
        self.look_at_peers(make, f, depth, &mut this_mtime, &mut missing)?;
        let mut found = Findings { must_make: missing, running: false, worst: Status::Success };

        self.find_recipe(make, f, depth, "Using default recipe for '")?;

        // The prerequisites, and those of the targets made along with it, so that all is in order.
        let peers = make.files[f].also_make.clone();
        for owner in std::iter::once(f).chain(peers) {
            self.expand_deps(make, owner)?;
            self.visit_deps(make, jobs, f, owner, depth, this_mtime, &mut found)?;
        }
        if found.must_make || self.switches.always_make {
            self.visit_intermediates(make, jobs, f, depth, &mut found)?;
        }
        self.set_updating(make, f, false);
        self.set_updating(make, original, false);
        depth -= 1;

        if found.running {
            self.set_state(make, f, State::DepsRunning);
            let (a, b) = ("The prerequisites of '", "' are being made.\n");
            self.debug_file(make, debug::VERBOSE, depth, f, a, b);
            return Ok(Status::Success);
        }
        let (a, b) = ("Finished prerequisites of target file '", "'.\n");
        self.debug_file(make, debug::VERBOSE, depth, f, a, b);

        if found.worst != Status::Success {
            let worst = found.worst;
            self.file_mut(f).status = if worst == Status::None { Status::Failed } else { worst };
            self.notice_finished(make, f)?;
            self.debug_file(make, debug::VERBOSE, depth, f, "Giving up on target file '", "'.\n");
            if depth == 0
                && make.opts.keep_going
                && !self.switches.just_print
                && !self.switches.question
            {
                let mut text = b"Target '".to_vec();
                text.extend_from_slice(make.file_name(f));
                text.extend_from_slice(b"' not remade because of errors.");
                say::error(make, None, &text);
            }
            return Ok(worst);
        }
        if self.state(f) == State::DepsRunning {
            // Only this state is known to have been given to the peers too.
            self.set_state(make, f, State::NotStarted);
        }
        let deps_changed = self.compare(make, f, depth, this_mtime, missing, &mut found)?;
        self.last_rules(make, f, depth, missing, deps_changed, &mut found);

        if !found.must_make {
            return self.leave_alone(make, f, depth).map(|()| Status::Success);
        }
        self.debug_file(make, debug::BASIC, depth, f, "Must remake target '", "'.\n");
        if let Some(found_name) = self.file(f).found_name
            && make.files[f].name != Some(found_name)
        {
            if self.debugging(make, debug::BASIC) {
                let name = make.names.bytes(found_name).to_vec();
                say::debug_line(make, 0, &[b"  Ignoring VPATH name '", &name, b"'.\n"]);
            }
            make.files[f].ignore_vpath = true;
        }
        self.remake(make, jobs, f)?;

        if self.state(f) != State::Finished {
            let (a, b) = ("Recipe of '", "' is being run.\n");
            self.debug_file(make, debug::VERBOSE, depth, f, a, b);
            return Ok(Status::Success);
        }
        let (a, b) = match self.status(f) {
            Status::Failed => ("Failed to remake target file '", "'.\n"),
            Status::Success => ("Successfully remade target file '", "'.\n"),
            Status::Question => ("Target file '", "' needs to be remade under -q.\n"),
            Status::None => ("", ""),
        };
        if self.status(f) != Status::None {
            self.debug_file(make, debug::BASIC, depth, f, a, b);
        }
        self.file_mut(f).updated = true;
        Ok(self.status(f))
    }

    /// The answer for a file that needs no walk: dealt with before, or its recipe is running.
    fn already_settled(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
    ) -> Result<Option<Status>> {
        let known = self.file(f);
        let (status, state) = (known.status, known.state);
        if known.updated {
            if status > Status::None {
                let owes_message = known.no_diag && !known.dont_care;
                let (a, b) = ("Recently tried and failed to update file '", "'.\n");
                self.debug_file(make, debug::VERBOSE, depth, f, a, b);
                if owes_message {
                    self.complain(make, f)?;
                }
                return Ok(Some(status));
            }
            self.debug_file(
                make,
                debug::VERBOSE,
                depth,
                f,
                "File '",
                "' was considered already.\n",
            );
            return Ok(Some(Status::Success));
        }
        match state {
            State::NotStarted | State::DepsRunning => Ok(None),
            State::Running => {
                self.debug_file(make, debug::VERBOSE, depth, f, "Still updating file '", "'.\n");
                Ok(Some(Status::Success))
            }
            State::Finished => {
                self.debug_file(make, debug::VERBOSE, depth, f, "Finished updating file '", "'.\n");
                Ok(Some(status))
            }
        }
    }

    /// A missing peer means that the recipe must run; otherwise the oldest of them all counts.
    fn look_at_peers(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
        this_mtime: &mut Mtime,
        missing: &mut bool,
    ) -> Result<()> {
        for mut peer in make.files[f].also_make.clone() {
            if *missing {
                break;
            }
            let mtime = self.mtime(make, &mut peer)?;
            if mtime == Mtime::Nonexistent {
                *missing = true;
                self.set_reason(f, Reason::PeerMissing(peer));
                if self.debugging(make, debug::BASIC) {
                    let (a, b) = (make.file_name(peer).to_vec(), make.file_name(f).to_vec());
                    let parts: [&[u8]; 5] =
                        [b"Grouped target peer '", &a, b"' of file '", &b, b"' does not exist.\n"];
                    say::debug_line(make, depth, &parts);
                }
            } else if mtime < *this_mtime {
                *this_mtime = mtime;
            }
        }
        Ok(())
    }

    /// A recipe for a file that has none: by an implicit rule, or `.DEFAULT`'s.
    pub(crate) fn find_recipe(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
        say: &str,
    ) -> Result<()> {
        let file = &make.files[f];
        if !file.phony && file.recipe.is_none() && !file.tried_implicit {
            self.try_implicit_rule(make, f, depth)?;
            make.files[f].tried_implicit = true;
        }
        if make.files[f].recipe.is_none()
            && !make.files[f].is_target
            && let Some(default) = make.special.default_file
            && let Some(recipe) = make.files[default].recipe.clone()
        {
            self.debug_file(make, debug::IMPLICIT, depth, f, say, "'.\n");
            make.files[f].recipe = Some(recipe);
        }
        Ok(())
    }

    pub(crate) fn expand_deps(&mut self, make: &mut Make, f: FileId) -> Result<()> {
        let changes = make.files[f].deps.iter().any(|d| d.need_2nd_expansion && d.name.is_some());
        make.expand_deps(f)?;
        if changes {
            self.shuffle_deps(make, f);
        }
        Ok(())
    }

    /// Visits the prerequisites of `owner` (the target or a peer of it) on behalf of `f`.
    #[allow(clippy::too_many_arguments)] // the facts of one target's walk
    fn visit_deps(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        f: FileId,
        owner: FileId,
        depth: u32,
        this_mtime: Mtime,
        found: &mut Findings,
    ) -> Result<()> {
        let mut place = 0;
        while place < make.files[owner].deps.len() {
            let i = self.next_visited(make, jobs, owner, place);
            let dep = &make.files[owner].deps[i];
            if dep.wait_here && found.running {
                break;
            }
            let ignore_mtime = dep.ignore_mtime;
            let Some(d) = dep.file else {
                place += 1;
                continue;
            };
            let mut d = resolve(make, d);
            let mtime = self.mtime(make, &mut d)?;
            make.files[owner].deps[i].file = Some(d);
            if self.is_updating(make, d) {
                say_circular(make, f, d);
                self.drop_dep(make, owner, i);
                continue;
            }
            make.files[d].parent = Some(f);
            let mut maybe_make = found.must_make;
            let cares = self.inherit_dont_care(f, d);
            let new = self.check_dep(make, jobs, d, depth, this_mtime, &mut maybe_make)?;
            self.restore_dont_care(d, cares);
            found.worst = found.worst.max(new);
            if !ignore_mtime {
                found.must_make = maybe_make;
            }
            d = resolve(make, d);
            found.running |= self.any_rule_running(make, d);
            if found.worst != Status::Success && !make.opts.keep_going {
                break;
            }
            if !found.running {
                // It counts as changed if its stamp changed while it was made, or if it is missing.
                let now = self.mtime(make, &mut d)?;
                if let Some(dep) = make.files[owner].deps.get_mut(i) {
                    dep.changed = now != mtime || mtime == Mtime::Nonexistent;
                }
            }
            if let Some(dep) = make.files[owner].deps.get_mut(i) {
                dep.file = Some(d);
            }
            place += 1;
        }
        Ok(())
    }

    /// Now that the target is to be remade, makes the intermediate files among its prerequisites.
    fn visit_intermediates(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        f: FileId,
        depth: u32,
        found: &mut Findings,
    ) -> Result<()> {
        for place in 0..make.files[f].deps.len() {
            let i = self.visited_at(make, f, place);
            let Some(dep) = make.files[f].deps.get(i) else { break };
            if dep.wait_here && found.running {
                break;
            }
            let Some(d) = dep.file else { continue };
            let mut d = resolve(make, d);
            if !make.files[d].intermediate {
                continue;
            }
            let mtime = self.mtime(make, &mut d)?;
            make.files[d].parent = Some(f);
            let cares = self.inherit_dont_care(f, d);
            // It may have been looked at when it was not known to be needed.
            self.file_mut(d).considered = 0;
            let new = self.update_file(make, jobs, d, depth)?;
            self.restore_dont_care(d, cares);
            found.worst = found.worst.max(new);
            d = resolve(make, d);
            found.running |= self.any_rule_running(make, d);
            if found.worst != Status::Success && !make.opts.keep_going {
                break;
            }
            if !found.running {
                let phony = make.files[f].phony && make.files[f].recipe.is_some();
                let changed = phony || self.mtime(make, &mut d)? != mtime;
                if let Some(dep) = make.files[f].deps.get_mut(i) {
                    dep.changed = changed;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn set_updating(&mut self, make: &Make, f: FileId, on: bool) {
        let first = make.files[f].double_colon.unwrap_or(f);
        self.file_mut(first).updating = on;
    }

    pub(crate) fn is_updating(&self, make: &Make, f: FileId) -> bool {
        let first = make.files[f].double_colon.unwrap_or(f);
        self.file(first).updating
    }

    fn any_rule_running(&self, make: &Make, f: FileId) -> bool {
        let runs = |c| matches!(self.state(c), State::Running | State::DepsRunning);
        match make.files[f].double_colon {
            None => runs(f),
            Some(first) => double_colon_chain(make, first).into_iter().any(runs),
        }
    }

    /// Which prerequisite stands at a place of the visiting order.
    pub(crate) fn visited_at(&self, make: &Make, f: FileId, place: usize) -> usize {
        let count = make.files[f].deps.len();
        match self.files.get(f).and_then(|s| s.order.as_ref()) {
            Some(order) if order.len() == count => order[place] as usize,
            _ => place,
        }
    }

    pub(crate) fn drop_dep(&mut self, make: &mut Make, f: FileId, i: usize) {
        make.files[f].deps.remove(i);
        self.forget_order(f);
        if let Some(order) = &mut self.file_mut(f).order {
            order.retain(|&k| k as usize != i);
            for k in order.iter_mut().filter(|k| **k as usize > i) {
                *k -= 1;
            }
        }
    }

    /// While makefiles are remade, a prerequisite of one that nobody minds about is not minded
    /// about either. Returns what to restore.
    fn inherit_dont_care(&mut self, f: FileId, d: FileId) -> Option<bool> {
        if !self.rebuilding_makefiles {
            return None;
        }
        let inherited = self.file(f).dont_care;
        Some(std::mem::replace(&mut self.file_mut(d).dont_care, inherited))
    }

    fn restore_dont_care(&mut self, d: FileId, before: Option<bool>) {
        if let Some(before) = before {
            self.file_mut(d).dont_care = before;
        }
    }
}

pub(crate) fn say_circular(make: &mut Make, f: FileId, d: FileId) {
    let mut text = b"Circular ".to_vec();
    text.extend_from_slice(make.file_name(f));
    text.extend_from_slice(b" <- ");
    text.extend_from_slice(make.file_name(d));
    text.extend_from_slice(b" dependency dropped.");
    say::error(make, None, &text);
}
