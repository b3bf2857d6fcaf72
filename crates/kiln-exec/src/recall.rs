//! Recipes that are known from earlier runs: asking before the first command, then saying what each
//! command would say, or having it watched. It does not know what is kept and how.

use std::collections::VecDeque;
use std::sync::Arc;

use kiln_base::Sys;
use kiln_graph::{Graph, Mtime, Result};
use kiln_make::options::debug;
use kiln_make::{FileId, Make, Stream};

use crate::hooks::{Always, Course, Env, RecipeCall, Said, Watching};
use crate::job::{Exec, Job, Running, asks};
use crate::start::over;
use crate::{Ended, Sink};

/// What is known of a job's recipe.
pub(crate) enum Recalled {
    /// Nobody has been asked yet.
    Unasked,
    /// It is not one to ask for.
    Never,
    /// Nothing that is of use.
    Nothing,
    /// It has been done; what its next commands would say.
    Done(VecDeque<Said>),
    /// It is watched.
    Watched(Arc<dyn Watching>),
}

/// What a command is given.
pub(crate) struct Given<'a> {
    pub argv: &'a [Vec<u8>],
    pub env: &'a Env,
    pub sys: &'a dyn Sys,
    pub sink: &'a Sink,
    pub good_stdin: bool,
}

impl Exec {
    /// The command that is due, if it need not be run as ever.
    pub(crate) fn recalled(
        &mut self,
        make: &mut Make,
        graph: &Graph,
        job: &mut Job,
        given: &Given<'_>,
    ) -> Result<Option<Running>> {
        if let Recalled::Unasked = job.recalled {
            job.recalled = self.ask(make, graph, job, given)?;
        }
        match &mut job.recalled {
            Recalled::Unasked | Recalled::Never | Recalled::Nothing => Ok(None),
            Recalled::Done(said) => {
                for (stream, text) in said.pop_front().unwrap_or_default() {
                    let to = if stream == 1 { Stream::Out } else { Stream::Err };
                    // As of any command: what cannot be written is its own trouble.
                    let _ = given.sink.write(to, &text);
                }
                over(Ended::Exit(0)).map(Some)
            }
            Recalled::Watched(watching) => {
                let Given { argv, env, sys, sink, good_stdin } = *given;
                // As where nothing watches: what cannot run here is called by other words.
                let other = self.other_words(argv, sys.dir());
                let argv = other.as_deref().unwrap_or(argv);
                let started = Arc::clone(watching).start(argv, env, sys.dir(), sink, good_stdin);
                match started {
                    Some(done) => Ok(Some(Running::Watched(done, Arc::clone(watching)))),
                    None => {
                        job.recalled = Recalled::Nothing;
                        Ok(None)
                    }
                }
            }
        }
    }

    fn ask(
        &mut self,
        make: &mut Make,
        graph: &Graph,
        job: &Job,
        given: &Given<'_>,
    ) -> Result<Recalled> {
        let Some(hook) = self.recipes.clone() else { return Ok(Recalled::Never) };
        let f = job.file;
        let switches = &graph.switches;
        // One shell for all lines is a matter of its own, and where a person asks for all to be made,
        // all is made.
        if make.files[f].phony
            || make.special.oneshell
            || switches.touch
            || switches.question
            || switches.just_print
            || switches.always_make
            || make.opts.always_make
            || graph.rebuilding_makefiles
            || self.slots.is_pipe()
            || asks(make, graph, debug::JOBS)
        {
            return Ok(Recalled::Never);
        }
        let Some(words) = words(make, f)? else { return Ok(Recalled::Never) };
        // A make within a recipe looks at times, and starts what it likes.
        let says = |line: &Vec<u8>| kiln_base::text::find(line, &words[0], 0).is_some();
        if words[0].is_empty() || job.lines.iter().any(says) {
            return Ok(Recalled::Never);
        }
        let course = hook.begin(&RecipeCall {
            target: &kiln_graph::absolute(make, f),
            lines: &job.lines,
            shell: &words,
            env: given.env,
            dir: given.sys.dir(),
            sink: given.sink,
            good_stdin: given.good_stdin,
            newer: &newer(make, f),
            always: always(make, graph, f),
        });
        Ok(match course {
            Course::Run => Recalled::Nothing,
            Course::Done(said) => Recalled::Done(said.into()),
            Course::Watch(watching) => Recalled::Watched(watching),
        })
    }

    /// A recipe has come to its end, and well.
    pub(crate) fn remember(&self, make: &Make, job: &Job) {
        if let Recalled::Watched(watching) = &job.recalled {
            watching.succeeded();
        }
        if let (Some(hook), false) =
            (&self.recipes, matches!(job.recalled, Recalled::Unasked | Recalled::Never))
        {
            hook.succeeded(&kiln_graph::absolute(make, job.file));
        }
    }
}

/// What a recipe calls make, and behind it what the recipe is run by. `None` where that is yet to be expanded: an expansion
/// may print, or give something else each time, and each line has its own.
fn words(make: &mut Make, f: FileId) -> Result<Option<Vec<Vec<u8>>>> {
    let warn = std::mem::replace(&mut make.opts.warn_undefined, false);
    let mut value = |call: &[u8]| make.expand_for(call, Some(f), None);
    let own = match value(b"$(value MAKE)") {
        Ok(own) if own == b"$(MAKE_COMMAND)" => value(b"$(value MAKE_COMMAND)"),
        own => own,
    };
    let shell = [&b"$(value SHELL)"[..], b"$(value .SHELLFLAGS)", b"$(value IFS)"].map(value);
    make.opts.warn_undefined = warn;
    let words = std::iter::once(own).chain(shell);
    let mut words = words.collect::<std::result::Result<Vec<_>, _>>()?;
    if words.iter().any(|text| text.contains(&b'$')) {
        return Ok(None);
    }
    // Then the shell is given another flag where none is set.
    words.extend(make.special.posix.then(|| b".POSIX".to_vec()));
    Ok(Some(words))
}

/// The prerequisites that are newer than a target, as `$?` has them, but for phony ones.
fn newer(make: &Make, f: FileId) -> Vec<Vec<u8>> {
    let deps = make.files[f].deps.iter().filter(|d| d.changed && !d.ignore_mtime);
    let files = deps.filter_map(|d| d.file).map(|d| kiln_graph::resolve(make, d));
    files.filter(|&d| !make.files[d].phony).map(|d| kiln_graph::absolute(make, d)).collect()
}

/// Whether a recipe is carried out each time. What is not there and was asked for by a name in a makefile
/// is made for the first time, or after everything was removed.
fn always(make: &Make, graph: &Graph, f: FileId) -> Always {
    let files = make.files[f].deps.iter().filter(|d| !d.ignore_mtime).filter_map(|d| d.file);
    let mut files = files.map(|d| kiln_graph::resolve(make, d));
    if !files.any(|d| make.files[d].phony || graph.known_mtime(d) == Mtime::Nonexistent) {
        return Always::No;
    }
    let file = &make.files[f];
    match make.sys.lstat(make.file_name(f)) {
        Ok(_) => Always::Again,
        Err(_) if file.is_explicit || file.cmd_target => Always::No,
        Err(_) => Always::Between,
    }
}
