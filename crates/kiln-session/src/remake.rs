//! Makefiles as goals (GNU make manual, "How Makefiles Are Remade"): each makefile that was read or
//! looked for is brought up to date, and if any changed, the instance begins again.

use kiln_graph::{Goal, Mtime, Status};
use kiln_make::options::debug;

use crate::instance::Instance;
use crate::makeflags;

/// What remaking came to.
pub(crate) enum Outcome {
    /// A makefile changed.
    Restart,
    /// One that is needed could not be made; all has been said.
    Failed,
    /// On to the goals, with this exit status so far.
    Go(i32),
}

/// Brings the makefiles up to date, in the order in which they were read.
pub(crate) fn makefiles(i: &mut Instance) -> kiln_graph::Result<Outcome> {
    i.debug(debug::BASIC, "Updating makefiles....\n");
    let mut goals = Vec::new();
    let mut stamps = Vec::new();
    let mut names = Vec::new();
    let mut skipped = Vec::new();
    for read in i.make.makefiles.clone() {
        // What cannot be read is as good as absent, so that it is remade or complained about.
        i.graph.set_readable(read.file, read.error.is_none());
    }
    for read in i.make.makefiles.clone() {
        let mut goal = Goal::new(read.file);
        goal.dont_care = read.dont_care;
        goal.included = read.loc.file.is_some();
        goal.loc = read.loc;
        goal.error = read.error;
        if might_loop(i, &goal) {
            let name = String::from_utf8_lossy(i.make.file_name(goal.file)).into_owned();
            i.debug(debug::VERBOSE, &format!("Makefile '{name}' might loop; not remaking it.\n"));
            if goal.error.is_some() && !goal.dont_care {
                skipped.push(goal);
            }
            continue;
        }
        let mut f = goal.file;
        stamps.push(i.graph.mtime_no_search(&mut i.make, &mut f)?);
        names.push(i.make.file_name(goal.file).to_vec());
        goals.push(goal);
    }

    i.make.opts.remaking_makefiles = true;
    makeflags::define(&mut i.make);
    i.graph.rebuilding_makefiles = true;
    let result = i.graph.update_goals(&mut i.make, &mut i.exec, &mut goals);
    i.graph.rebuilding_makefiles = false;
    i.make.opts.remaking_makefiles = false;
    let mut status = result?;

    let mut any_failed = false;
    // The last one found stands first, as make lists them.
    for goal in skipped.iter().rev() {
        say_error(i, goal);
        any_failed = true;
    }
    if any_failed && status == Status::Success {
        status = Status::None;
    }
    let mut so_far = 0;
    match status {
        Status::Question => {}
        // A makefile that is still not there is no error where a rule without effect claims to make
        // it: make has always let that pass.
        Status::None => {}
        Status::Success => return Ok(Outcome::Restart),
        Status::Failed => {
            let mut any_remade = false;
            for ((goal, &before), name) in goals.iter().zip(&stamps).zip(&names) {
                let mut f = goal.file;
                if i.graph.is_updated(f) {
                    let success = i.graph.status(f) == Status::Success;
                    if !success && goal.dont_care {
                        continue;
                    }
                    if !success {
                        let text = [b"Failed to remake makefile '", &name[..], b"'."].concat();
                        kiln_graph::say::error(&mut i.make, Some(goal.loc), &text);
                        so_far = 2;
                        any_failed = true;
                    }
                    let now = i.graph.mtime_no_search(&mut i.make, &mut f)?;
                    any_remade |= now != before && (success || now != Mtime::Nonexistent);
                } else if !goal.dont_care {
                    if goal.included {
                        let text =
                            [b"Included makefile '", &name[..], b"' was not found."].concat();
                        kiln_graph::say::error(&mut i.make, Some(goal.loc), &text);
                    } else {
                        i.error(&[b"Makefile '", &name[..], b"' was not found"].concat());
                        any_failed = true;
                    }
                }
            }
            if any_remade {
                return Ok(Outcome::Restart);
            }
        }
    }
    Ok(if any_failed { Outcome::Failed } else { Outcome::Go(so_far) })
}

/// A phony makefile, or one with a double-colon rule without prerequisites, would be remade for ever.
fn might_loop(i: &Instance, goal: &Goal) -> bool {
    let file = &i.make.files[goal.file];
    if file.phony {
        return true;
    }
    let mut next = file.double_colon;
    while let Some(f) = next {
        let file = &i.make.files[f];
        if file.deps.is_empty() && file.recipe.is_some() {
            return true;
        }
        next = file.next_double_colon;
    }
    false
}

fn say_error(i: &mut Instance, goal: &Goal) {
    let why = kiln_graph::say::errno_text(goal.error.unwrap_or(0));
    let text = [i.make.file_name(goal.file), b": ", why.as_bytes()].concat();
    kiln_graph::say::error(&mut i.make, Some(goal.loc), &text);
}
