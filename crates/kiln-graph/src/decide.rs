//! Whether a target is out of date, once all its prerequisites have been dealt with. It makes nothing.

use kiln_make::{FileId, Make, options::debug};

use crate::mtime::double_colon_chain;
use crate::walk::Findings;
use crate::{Graph, Mtime, Reason, Result, resolve, say};

impl Graph {
    /// Marks which prerequisites are newer, and tells whether any really changed.
    pub(crate) fn compare(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
        this_mtime: Mtime,
        missing: bool,
        found: &mut Findings,
    ) -> Result<bool> {
        let mut deps_changed = false;
        let mut newer = Vec::new();
        for i in 0..make.files[f].deps.len() {
            let Some(d) = make.files[f].deps[i].file else { continue };
            let mut d = resolve(make, d);
            let mtime = self.mtime(make, &mut d)?;
            let dep = &mut make.files[f].deps[i];
            dep.file = Some(d);
            let ignore_mtime = dep.ignore_mtime;
            if !ignore_mtime {
                deps_changed |= dep.changed;
            }
            dep.changed |= missing || mtime > this_mtime;
            let changed = dep.changed;
            if !ignore_mtime {
                if mtime == Mtime::Nonexistent && !make.files[d].intermediate {
                    found.must_make = true;
                    self.set_reason(f, Reason::PrerequisiteMissing(d));
                }
                if changed {
                    newer.push(d);
                }
            }
            if !missing && self.debugging(make, debug::BASIC | debug::VERBOSE) {
                self.say_compared(make, f, d, depth, ignore_mtime, mtime, changed);
            }
        }
        if found.must_make {
            let reason = if make.files[f].phony {
                Reason::Phony
            } else if newer.is_empty() {
                Reason::ThroughIntermediate
            } else {
                Reason::Newer(newer)
            };
            self.set_reason(f, reason);
        }
        Ok(deps_changed)
    }

    #[allow(clippy::too_many_arguments)] // the facts of one sentence
    fn say_compared(
        &self,
        make: &mut Make,
        f: FileId,
        d: FileId,
        depth: u32,
        ignore_mtime: bool,
        mtime: Mtime,
        changed: bool,
    ) {
        let (middle, end, bit): (&[u8], &[u8], u32) = if ignore_mtime {
            (b"' is order-only for target '", b"'.\n", debug::VERBOSE)
        } else if mtime == Mtime::Nonexistent {
            (b"' of target '", b"' does not exist.\n", debug::BASIC)
        } else if changed {
            (b"' is newer than target '", b"'.\n", debug::BASIC)
        } else {
            (b"' is older than target '", b"'.\n", debug::VERBOSE)
        };
        if self.debugging(make, bit) {
            let (a, b) = (make.file_name(d).to_vec(), make.file_name(f).to_vec());
            say::debug_line(make, depth + 1, &[b"Prerequisite '", &a, middle, &b, end]);
        }
    }

    /// The rules that stand above the comparison of stamps.
    pub(crate) fn last_rules(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
        missing: bool,
        deps_changed: bool,
        found: &mut Findings,
    ) {
        let file = &make.files[f];
        let always = self.switches.always_make;
        if file.double_colon.is_some() && file.deps.is_empty() {
            found.must_make = true;
            self.set_reason(f, Reason::DoubleColon);
            let (a, b) = ("Target '", "' is double-colon and has no prerequisites.\n");
            self.debug_file(make, debug::BASIC, depth, f, a, b);
        } else if !missing && file.is_target && !deps_changed && file.recipe.is_none() && !always {
            found.must_make = false;
            let (a, b) = ("No recipe for '", "' and no prerequisites actually changed.\n");
            self.debug_file(make, debug::VERBOSE, depth, f, a, b);
        } else if !found.must_make && file.recipe.is_some() && always {
            found.must_make = true;
            self.set_reason(f, Reason::Always);
            self.debug_file(
                make,
                debug::VERBOSE,
                depth,
                f,
                "Making '",
                "' due to always-make flag.\n",
            );
        }
    }

    /// The target is up to date: it takes the name that VPATH found, and is not make's to delete.
    pub(crate) fn leave_alone(&mut self, make: &mut Make, f: FileId, depth: u32) -> Result<()> {
        if self.debugging(make, debug::VERBOSE) {
            let name = make.file_name(f).to_vec();
            let mut line = b"No need to remake target '".to_vec();
            line.extend_from_slice(&name);
            line.push(b'\'');
            if let Some(found) = self.file(f).found_name
                && Some(found) != make.files[f].name
            {
                line.extend_from_slice(b"; using VPATH name '");
                line.extend_from_slice(make.names.bytes(found));
                line.push(b'\'');
            }
            say::debug_line(make, depth, &[&line, b".\n"]);
        }
        if !make.files[f].notintermediate && !make.special.no_intermediates {
            make.files[f].secondary = true;
        }
        self.file_mut(f).reason = None;
        self.notice_finished(make, f)?;
        for c in double_colon_chain(make, f) {
            if let Some(found) = self.file(c).found_name {
                make.files[c].name = Some(found);
            }
        }
        Ok(())
    }
}
