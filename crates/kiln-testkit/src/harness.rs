//! Runs cases with both programs and compares; keeps the reference's results.
//!
//! A kept result is found by the identity of everything that it rests on: the case, the content of its
//! example or package, the kernel tree, the tools, the reference program, the path of the place. It is
//! a directory with, for each step N, `N.status`, `N.output`, `N.tree` and, for cases that compare
//! writes, `N.writes`; `complete` is written last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cache;
use crate::case::{Case, Need, Who};
use crate::compat::{self, Row};
use crate::diff::{self, Difference};
use crate::host::{self, KernelTree};
use crate::place::{Place, Sources};
use crate::run::{HUNG, Setting};
use crate::snapshot::{Snapshot, Stamps, Store};

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is identical, or differs as COMPAT.md says.
    Same,
    /// These differences were not expected; each text is ready to be shown.
    Differs(Vec<String>),
    /// Not run, and why.
    Skipped(String),
}

/// A case that was run on a tree.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `name@series`.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether the reference's result was kept from an earlier run.
    pub kept: bool,
    /// How each step of the reference ended.
    pub ends: Vec<String>,
    /// How long the steps of the program under test took, for information.
    pub took: Duration,
    /// The same of the reference, where it ran just before and its result was not kept from earlier.
    pub reference_took: Option<Duration>,
}

/// What one program left after a step.
#[derive(Debug, Clone, Default)]
struct StepResult {
    status: String,
    output: Vec<u8>,
    tree: Snapshot,
    writes: Vec<Vec<u8>>,
}

/// The two programs and all they need.
#[derive(Debug)]
pub struct Harness {
    /// The reference program.
    pub reference: PathBuf,
    /// The program under test.
    pub subject: PathBuf,
    /// More environment for the program under test.
    pub subject_env: Vec<(String, String)>,
    /// Whether only the results of the reference are wanted, for keeping.
    pub reference_only: bool,
    /// Whether extra cases run on every tree.
    pub all_trees: bool,
    /// Whether kept results are ignored.
    pub fresh: bool,
    /// Where the state that the program under test left stays, as `SERIES/CASE`, if all was the same.
    pub keep: Option<PathBuf>,
    /// Where contents come from.
    pub sources: Sources,
    /// Files that cases share.
    pub assets: PathBuf,
    /// The differences that are meant.
    pub expected: Vec<Row>,
    /// What the bytes of a build depend on besides the case.
    pub identity: String,
}

impl Harness {
    /// Copies the two programs to where any user can start them and takes note of the tools.
    ///
    /// # Errors
    /// When a program is not there.
    pub fn new(reference: &Path, subject: &Path, sources: Sources) -> io::Result<Self> {
        let bin = cache::work_root().join("bin");
        let place = |program: &Path, name: &str| -> io::Result<(PathBuf, String)> {
            let said = |e: io::Error| io::Error::other(format!("{}: {e}", program.display()));
            let bytes = fs::read(program).map_err(said)?;
            let identity = cache::identity(&bytes);
            // One folder for each content: another run may be using another build of it right now.
            let dir = bin.join(format!("{name}-{}", identity.get(..16).unwrap_or_default()));
            fs::create_dir_all(&dir)?;
            let path = dir.join("make");
            if !path.exists() {
                let tmp = dir.join(format!("make.{}", std::process::id()));
                fs::copy(program, &tmp)?;
                fs::rename(&tmp, &path)?;
            }
            Ok((path, identity))
        };
        let (reference, reference_identity) = place(reference, "reference")?;
        let (subject, _) = place(subject, "subject")?;
        Ok(Harness {
            reference,
            subject,
            subject_env: Vec::new(),
            fresh: false,
            keep: None,
            all_trees: false,
            reference_only: false,
            sources,
            assets: cache::work_root().join("assets"),
            expected: Vec::new(),
            identity: format!("{reference_identity} {}", host::tools_identity()),
        })
    }

    /// Runs each case on each tree that it is for, `jobs` at a time, and hands over each outcome as it
    /// comes.
    pub fn run_all(
        &self,
        cases: &[Case],
        trees: &[KernelTree],
        jobs: usize,
        each: &mut (dyn FnMut(Outcome) + Send),
    ) {
        let work: Vec<(&Case, &KernelTree)> = cases
            .iter()
            .flat_map(|c| trees.iter().enumerate().map(move |(i, t)| (c, i, t)))
            .filter(|(c, _, t)| c.runs_on(&t.series))
            .filter(|(c, i, _)| !c.extra || self.all_trees || *i == c.one_of(trees.len()))
            .map(|(c, _, t)| (c, t))
            .collect();
        let next = AtomicUsize::new(0);
        let each = Mutex::new(each);
        std::thread::scope(|s| {
            for _ in 0..jobs.max(1) {
                s.spawn(|| {
                    while let Some((case, tree)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = self.run(case, tree);
                        if let Ok(mut each) = each.lock() {
                            each(outcome);
                        }
                    }
                });
            }
        });
    }

    /// Runs one case on one tree.
    pub fn run(&self, case: &Case, tree: &KernelTree) -> Outcome {
        let name = format!("{}@{}", case.name, tree.series);
        let mut outcome = Outcome {
            name,
            verdict: Verdict::Same,
            kept: false,
            ends: Vec::new(),
            took: Duration::ZERO,
            reference_took: None,
        };
        if let Some(missing) = missing(case) {
            outcome.verdict = Verdict::Skipped(missing);
            return outcome;
        }
        match self.compare(case, tree, &mut outcome) {
            Ok(found) => outcome.verdict = self.judge(&outcome.name, case, found),
            Err(e) => outcome.verdict = Verdict::Differs(vec![format!("cannot be run: {e}")]),
        }
        outcome
    }

    fn judge(&self, name: &str, case: &Case, mut found: Vec<Difference>) -> Verdict {
        if self.reference_only {
            return Verdict::Same;
        }
        let idle = compat::settle(&self.expected, name, &mut found);
        let mut said: Vec<String> = found
            .iter()
            .map(|d| {
                let line = case.steps.get(d.step.wrapping_sub(1)).map_or("", |s| s.line.as_str());
                format!("step {} ({line}): {}: {}", d.step, d.subject, d.how)
            })
            .collect();
        said.extend(idle.iter().map(|row| {
            format!("COMPAT.md expects a difference in `{}` that did not occur", row.subject)
        }));
        if said.is_empty() { Verdict::Same } else { Verdict::Differs(said) }
    }

    fn compare(
        &self,
        case: &Case,
        tree: &KernelTree,
        outcome: &mut Outcome,
    ) -> io::Result<Vec<Difference>> {
        let mut place = Place::take(case, tree)?;
        let kept = Store::new(cache::dir().join("results/contents"));
        let dir = cache::dir().join("results").join(self.key(case, tree, &place)?);
        let mut expected = if self.fresh { None } else { load(&dir, case) };
        outcome.kept = expected.is_some();
        if expected.is_none() {
            let (results, took) = self.build(case, tree, &mut place, Who::Reference, &kept)?;
            if results.iter().any(|r| r.status == HUNG) {
                // On a machine that is too busy this is no result, and must not be kept as one.
                return Err(io::Error::other("the reference did not end in time"));
            }
            save(&dir, &results)?;
            outcome.reference_took = Some(took);
            expected = Some(results);
        }
        let expected = expected.unwrap_or_default();
        outcome.ends = expected.iter().map(|r| r.status.replace("exit ", "")).collect();
        if self.reference_only {
            place.clear()?;
            return Ok(Vec::new());
        }
        let own = Store::new(cache::work_root().join("contents"));
        let (found, took) = self.build(case, tree, &mut place, Who::Subject, &own)?;
        outcome.took = took;
        let mut list = Vec::new();
        for (i, (a, b)) in expected.iter().zip(&found).enumerate() {
            let step = i + 1;
            // Where a signal goes to every process of a build at once, it is chance which of them
            // speaks, and GNU make itself ends now in one way and now in another. That it ends with
            // an error, and what it leaves, is not chance.
            let chance = case.steps[i].interrupt.as_ref().is_some_and(|n| n.group);
            let alike = match chance {
                true => (a.status == "exit 0") == (b.status == "exit 0"),
                false => a.status == b.status,
            };
            if !alike {
                let how = format!("{}, expected {}", b.status, a.status);
                list.push(Difference { step, subject: "exit status".to_owned(), how });
            }
            if !chance {
                list.extend(diff::outputs(step, &a.output, &b.output));
            }
            list.extend(diff::states(step, (&a.tree, &kept), (&b.tree, &own)));
            if a.writes != b.writes {
                let list_of = |w: &[Vec<u8>]| {
                    let names: Vec<_> = w.iter().map(|n| String::from_utf8_lossy(n)).collect();
                    names.join(" ")
                };
                let how =
                    format!("wrote [{}], expected [{}]", list_of(&b.writes), list_of(&a.writes));
                list.push(Difference { step, subject: "writes".to_owned(), how });
            }
            // What follows a difference in state differs because of it; the first one is the news.
            if list.iter().any(|d| d.subject != "output") {
                break;
            }
        }
        if list.is_empty() {
            if let Some(keep) = &self.keep {
                let kept = keep.join(&tree.series).join(&case.name);
                let _ = fs::remove_dir_all(&kept);
                fs::create_dir_all(kept.parent().unwrap_or(keep))?;
                fs::rename(&place.top, &kept)?;
            }
            place.clear()?;
        }
        Ok(list)
    }

    /// Runs all steps with one program, or in turns when it is the subject's turn. Also says how long
    /// the steps took, without what is done around them.
    fn build(
        &self,
        case: &Case,
        tree: &KernelTree,
        place: &mut Place,
        who: Who,
        store: &Store,
    ) -> io::Result<(Vec<StepResult>, Duration)> {
        place.make(case, tree, &self.sources)?;
        let none: &[(String, String)] = &[];
        let long = case.long;
        let setting = |place, env, reference| Setting {
            place,
            tree,
            assets: &self.assets,
            long,
            env,
            reference,
        };
        for line in &case.prepare {
            setting(place, none, false).prepare(line)?;
        }
        let mut results = Vec::new();
        let mut took = Duration::ZERO;
        for (i, step) in case.steps.iter().enumerate() {
            let turn = match who {
                Who::Reference => Who::Reference,
                Who::Subject => case.turns.get(i).copied().unwrap_or(Who::Subject),
            };
            let env = match turn {
                Who::Reference => none,
                Who::Subject => &self.subject_env,
            };
            match turn {
                Who::Reference => place.set_make(&self.reference, false)?,
                Who::Subject => place.set_make(&self.subject, true)?,
            }
            let told = |e: io::Error| {
                io::Error::new(e.kind(), format!("{e} (step {} of {turn:?})", i + 1))
            };
            let stamps = |top| Stamps::take(top).map_err(told);
            let before = if case.writes { stamps(&place.top)? } else { Stamps::default() };
            let start = Instant::now();
            let ran = setting(place, env, turn == Who::Reference).run(step).map_err(told)?;
            took += start.elapsed();
            let writes =
                if case.writes { before.written(&stamps(&place.top)?) } else { Vec::new() };
            let tree = Snapshot::take(&place.top, Some(store)).map_err(told)?;
            results.push(StepResult { status: ran.status, output: ran.output, tree, writes });
        }
        Ok((results, took))
    }

    fn key(&self, case: &Case, tree: &KernelTree, place: &Place) -> io::Result<String> {
        let mut all = format!("1 {case:?} {} {}", self.identity, tree.identity).into_bytes();
        all.extend_from_slice(place.top.as_os_str().as_encoded_bytes());
        all.extend_from_slice(format!(" {}", host::is_root()).as_bytes());
        if !tree.env.is_empty() || !tree.programs.is_empty() || tree.exchanged.is_some() {
            let more = format!(" {:?} {:?} {:?}", tree.env, tree.programs, tree.exchanged);
            all.extend_from_slice(more.as_bytes());
        }
        if let Some(name) = &case.example {
            all.extend(Snapshot::take(&self.sources.examples.join(name), None)?.to_text());
        }
        if let Some(dir) = case.package.as_ref().and_then(|n| self.sources.package(n)) {
            all.extend(Snapshot::take(dir, None)?.to_text());
        }
        if format!("{case:?}").contains("$ASSETS") {
            all.extend(Snapshot::take(&self.assets, None)?.to_text());
        }
        Ok(cache::identity(&all))
    }
}

/// Why a case cannot be run here, if it cannot.
fn missing(case: &Case) -> Option<String> {
    case.needs.iter().find_map(|need| match need {
        Need::Root if !host::is_root() => Some("needs root".to_owned()),
        Need::Program(p) if !host::has_program(p) => Some(format!("needs {p}")),
        _ => None,
    })
}

fn save(dir: &Path, results: &[StepResult]) -> io::Result<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir)?;
    for (i, r) in results.iter().enumerate() {
        fs::write(dir.join(format!("{i}.status")), &r.status)?;
        fs::write(dir.join(format!("{i}.output")), &r.output)?;
        fs::write(dir.join(format!("{i}.tree")), r.tree.to_text())?;
        fs::write(dir.join(format!("{i}.writes")), r.writes.join(&0))?;
    }
    fs::write(dir.join("complete"), "")
}

fn load(dir: &Path, case: &Case) -> Option<Vec<StepResult>> {
    fs::metadata(dir.join("complete")).ok()?;
    let mut results = Vec::new();
    for i in 0..case.steps.len() {
        let read = |what: &str| fs::read(dir.join(format!("{i}.{what}"))).ok();
        let names = read("writes")?;
        let status = String::from_utf8(read("status")?).ok()?;
        if status == HUNG {
            return None;
        }
        results.push(StepResult {
            status,
            output: read("output")?,
            tree: Snapshot::from_text(&read("tree")?)?,
            writes: names
                .split(|&b| b == 0)
                .filter(|n| !n.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        });
    }
    Some(results)
}
