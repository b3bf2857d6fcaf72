//! What happens while a build runs, told as it happens: recipes, their commands, `$(shell …)`. Whoever
//! listens decides what to make of it; nothing here depends on the answer.

use std::sync::Arc;
use std::time::Instant;

use kiln_graph::Graph;
use kiln_make::{FileId, Make};
use rustc_hash::FxHashSet;

use crate::Ended;
use crate::job::{Exec, Job};

/// A recipe whose first command is about to be started. Recipes that come to nothing, as those of
/// targets whose commands have not changed do under kbuild, are not told.
pub struct Begun<'a> {
    /// The instance's variables and rules, to explain with.
    pub make: &'a mut Make,
    /// Why it is remade is in here.
    pub graph: &'a Graph,
    /// The target.
    pub file: FileId,
    /// The recipe, expanded.
    pub lines: &'a [Vec<u8>],
    /// The command about to be started is a recursive make.
    pub recursive: bool,
    /// The job in the instance above that this instance is the command of; 0 for the first.
    pub parent: u64,
    /// Jobs of this run that made what it needs, if [`Observer::wants_needs`].
    pub needs: Vec<u64>,
}

/// How a command is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// As a process.
    Process,
    /// As a shell line within this process, which may start programs.
    Script,
    /// Within this process, at once.
    Inside,
    /// As a recursive make within this process.
    SubMake,
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// Whether [`Begun::needs`] is worth finding out.
    fn wants_needs(&self) -> bool;

    /// A recipe begins. Returns a number other than 0 by which the job is called from then on.
    fn recipe(&self, begun: Begun<'_>) -> u64;

    /// A command of it is about to be started.
    fn command(&self, job: u64, argv: &[Vec<u8>]);

    /// How the command that was started runs. One that could not be started is not told.
    fn started(&self, job: u64, how: How);

    /// The command has ended.
    fn command_ended(&self, job: u64, ended: Ended);

    /// Nothing more will be done for the target, whether it went well or not.
    fn recipe_ended(&self, job: u64, success: bool);

    /// A `$(shell …)` has run since then, or was answered without being run.
    fn shell(&self, parent: u64, argv: &[Vec<u8>], since: Instant, answered: bool);
}

impl Exec {
    /// Who is told what happens, and the job in the instance above.
    pub fn set_observer(&mut self, observer: Option<Arc<dyn Observer>>, parent: u64) {
        self.output.borrow_mut().observer = observer.clone().map(|o| (o, parent));
        self.observer = observer;
        self.parent = parent;
    }

    /// Tells that a command is about to be started, and before the first that the recipe begins.
    pub(crate) fn tell_command(
        &mut self,
        make: &mut Make,
        graph: &Graph,
        job: &mut Job,
        argv: &[Vec<u8>],
    ) {
        let Some(observer) = self.observer.clone() else { return };
        if job.told == 0 {
            let needs =
                if observer.wants_needs() { self.needs(make, job.file) } else { Vec::new() };
            job.told = observer.recipe(Begun {
                make,
                graph,
                file: job.file,
                lines: &job.lines,
                recursive: job.recursive,
                parent: self.parent,
                needs,
            });
            self.made.insert(job.file, job.told);
        }
        observer.command(job.told, argv);
    }

    /// Tells how a job's command runs.
    pub(crate) fn tell_started(&self, job: &Job, how: How) {
        if let Some(observer) = self.observer.as_ref().filter(|_| job.told != 0) {
            observer.started(job.told, how);
        }
    }

    /// Tells how a job's command ended.
    pub(crate) fn tell_command_ended(&self, job: &Job, ended: Ended) {
        if let Some(observer) = self.observer.as_ref().filter(|_| job.told != 0) {
            observer.command_ended(job.told, ended);
        }
    }

    /// Tells that a job is over.
    pub(crate) fn tell_recipe_ended(&self, job: &Job, success: bool) {
        if let Some(observer) = self.observer.as_ref().filter(|_| job.told != 0) {
            observer.recipe_ended(job.told, success);
        }
    }

    /// The jobs that made the prerequisites of a file, through those that had no job.
    fn needs(&self, make: &Make, f: FileId) -> Vec<u64> {
        let mut seen = FxHashSet::default();
        let mut open = vec![f];
        let mut jobs = Vec::new();
        while let Some(f) = open.pop() {
            for d in make.files[f].deps.iter().filter_map(|d| d.file) {
                let d = kiln_graph::resolve(make, d);
                if !seen.insert(d) {
                    continue;
                }
                match self.made.get(&d) {
                    Some(&job) => jobs.push(job),
                    None => open.push(d),
                }
            }
        }
        jobs.sort_unstable();
        jobs
    }
}
