//! How long recipes take, for the next run, and what runs now, for the order of this one. It does not
//! know what is kept and how; which targets go ahead of others is the graph's to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiln_graph::ahead::{self, Known, Needs};
use kiln_make::Make;

use crate::hooks::{Durations, Took};
use crate::job::{Exec, Job};
use crate::recall::Recalled;

/// What is measured of a job.
#[derive(Default)]
pub(crate) enum Timed {
    /// No command of it has begun.
    #[default]
    Not,
    /// It is a make, or of a phony target: as many different things as there are runs.
    Never,
    /// Since its first command began.
    Since(Instant, u64, Needs),
}

impl Timed {
    fn kind(&self) -> Option<u64> {
        match self {
            Timed::Since(_, kind, _) => Some(*kind),
            Timed::Not | Timed::Never => None,
        }
    }
}

/// A job of this process, as long as it lives.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Exec {
    /// What knows how long recipes took, and how many instances of this process this one is below.
    pub fn set_durations(&mut self, hook: Option<Arc<dyn Durations>>, above: usize) {
        self.durations = hook;
        self.above = above;
    }

    /// Where only one job runs at a time the order makes no difference.
    fn durations(&self, make: &Make) -> Option<&Arc<dyn Durations>> {
        let hook = self.durations.as_ref().filter(|hook| hook.is_on())?;
        (!self.slots.is_single() && !make.special.not_parallel).then_some(hook)
    }

    /// A job has its slot.
    pub(crate) fn count_job(&self) -> Option<Counted> {
        self.durations.as_ref().map(|hook| Counted::new(hook.jobs()))
    }

    /// A command of a job is about to be started.
    pub(crate) fn time_command(&mut self, make: &Make, job: &mut Job) {
        let Some(hook) = self.durations(make).cloned() else { return };
        if let Timed::Not = job.timed {
            // Not all that make takes for recursive: kbuild marks links with `+`, for the compiler's jobs.
            let makes = job.recipe.text.windows(7).any(|w| w == b"$(MAKE)" || w == b"${MAKE}");
            if makes || make.files[job.file].phony {
                job.timed = Timed::Never;
                return;
            }
            let kind = ahead::kind(make, &job.recipe);
            if self.known.is_none() {
                self.known = Some(hook.known());
            }
            hook.begun(&kiln_graph::absolute(make, job.file), kind);
            job.timed = Timed::Since(Instant::now(), kind, ahead::needs(make, job.file));
        }
    }

    /// A job went well.
    pub(crate) fn timed(&self, make: &Make, job: &Job) {
        // What was not carried out took no time.
        if let Timed::Since(since, kind, needs) = &job.timed
            && !matches!(job.recalled, Recalled::Done(_))
            && let Some(hook) = self.durations(make)
        {
            let took = since.elapsed();
            let kind = if needs.odd { 0 } else { *kind };
            hook.took(Took { target: kiln_graph::absolute(make, job.file), kind, took, needs });
        }
    }

    /// What is known, once a recipe has begun here: what has nothing to do asks for nothing.
    pub(crate) fn known_durations(&self) -> Option<Arc<Known>> {
        self.known.clone()
    }

    /// Whether all jobs of this process are of such recipes and this instance's, or the makes that it
    /// is below.
    pub(crate) fn runs_only_kinds(&self, kinds: &[u64]) -> bool {
        let Some(hook) = &self.durations else { return false };
        let own = || self.jobs.iter().chain(&self.waiting);
        let alike = |job: &Job| job.timed.kind().is_some_and(|kind| kinds.contains(&kind));
        hook.may_reorder()
            && hook.jobs().load(Ordering::Relaxed) == own().count() + self.above
            && own().all(alike)
    }
}
