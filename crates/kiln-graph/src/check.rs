//! Whether one prerequisite makes its target out of date, intermediate files looked through. The walk
//! over a target itself is elsewhere.

use kiln_make::{FileId, Make};

use crate::walk::say_circular;
use crate::{Graph, Jobs, Mtime, Result, State, Status, resolve};

impl Graph {
    /// Whether a prerequisite makes its target out of date. Files are made on the way, except
    /// intermediate ones: for those their own prerequisites are looked at.
    pub(crate) fn check_dep(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        mut f: FileId,
        depth: u32,
        this_mtime: Mtime,
        must_make: &mut bool,
    ) -> Result<Status> {
        self.set_updating(make, f, true);
        let original = f;
        let mut worst = Status::Success;
        if make.files[f].phony || !make.files[f].intermediate {
            worst = self.update_file(make, jobs, f, depth)?;
            f = resolve(make, f);
            let mtime = self.mtime(make, &mut f)?;
            if mtime == Mtime::Nonexistent || mtime > this_mtime {
                *must_make = true;
            }
        } else {
            self.find_recipe(make, f, depth, "Using default commands for '")?;
            f = resolve(make, f);
            let mtime = self.mtime(make, &mut f)?;
            if mtime != Mtime::Nonexistent && mtime > this_mtime {
                *must_make = true;
            } else {
                worst = self.check_intermediate(make, jobs, f, depth, this_mtime, must_make)?;
            }
        }
        self.set_updating(make, f, false);
        self.set_updating(make, original, false);
        Ok(worst)
    }

    fn check_intermediate(
        &mut self,
        make: &mut Make,
        jobs: &mut dyn Jobs,
        f: FileId,
        depth: u32,
        this_mtime: Mtime,
        must_make: &mut bool,
    ) -> Result<Status> {
        let mut worst = Status::Success;
        let mut deps_running = false;
        if self.state(f) != State::Running {
            // It may have been looked at for an order-only prerequisite, and what it waited for may
            // have ended since.
            if self.state(f) == State::DepsRunning {
                self.file_mut(f).considered = 0;
            }
            self.set_state(make, f, State::NotStarted);
        }
        self.expand_deps(make, f)?;
        let mut i = 0;
        while i < make.files[f].deps.len() {
            let ignore_mtime = make.files[f].deps[i].ignore_mtime;
            let Some(d) = make.files[f].deps[i].file else {
                i += 1;
                continue;
            };
            let mut d = resolve(make, d);
            if self.is_updating(make, d) {
                say_circular(make, f, d);
                self.drop_dep(make, f, i);
                continue;
            }
            make.files[d].parent = Some(f);
            let mut maybe_make = *must_make;
            let new = self.check_dep(make, jobs, d, depth + 1, this_mtime, &mut maybe_make)?;
            worst = worst.max(new);
            if !ignore_mtime {
                *must_make = maybe_make;
            }
            d = resolve(make, d);
            if let Some(dep) = make.files[f].deps.get_mut(i) {
                dep.file = Some(d);
            }
            if worst != Status::Success && !make.opts.keep_going {
                break;
            }
            deps_running |= matches!(self.state(d), State::Running | State::DepsRunning);
            i += 1;
        }
        if deps_running {
            self.set_state(make, f, State::DepsRunning);
        }
        Ok(worst)
    }
}
