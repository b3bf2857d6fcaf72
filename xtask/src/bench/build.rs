//! `bench build`: modules from nothing, with nothing to do, after a change. What the cases are is in
//! `cases`, what a turn costs in `measure`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kiln_testkit::{KernelTree, cache, kernel_trees, reference};

use super::cases::{self, CASES, Case, GROWTH, Origin, growth};
use super::floor;
use super::measure::{Cost, measure, program, shell};
use super::results::{Results, Turn};
use crate::options::Options;

/// Something that is done to a case.
struct Step {
    name: &'static str,
    /// The state before each turn, by lines of [`Setup::line`].
    before: &'static [&'static str],
    /// What is measured.
    line: &'static str,
    /// Whether it compiles, so that large cases get few turns of it and the floor is the compilers'.
    compiles: bool,
}

const STEPS: &[Step] = &[
    Step { name: "clean", before: &["CLEAN"], line: "BUILD", compiles: true },
    Step { name: "no-op", before: &["BUILD"], line: "BUILD", compiles: false },
    Step { name: "source", before: &["BUILD", "SOURCE"], line: "BUILD", compiles: true },
    Step { name: "header", before: &["BUILD", "HEADER"], line: "BUILD", compiles: true },
    Step { name: "edit", before: &["BUILD", "EDIT"], line: "BUILD", compiles: true },
    Step { name: "install-again", before: &["BUILD", "INSTALL"], line: "INSTALL", compiles: false },
    Step { name: "flag", before: &["BUILD-BEFORE"], line: "BUILD-FLAG", compiles: true },
    Step { name: "clean-target", before: &["BUILD"], line: "CLEAN", compiles: false },
];

/// One program in its own copy of a module.
struct Setup<'a> {
    name: &'static str,
    bin: &'a Path,
    dir: PathBuf,
    tree: &'a KernelTree,
    case: &'a Case,
    jobs: usize,
}

/// Runs the cases asked for and returns the table of what was measured.
pub fn run(options: &Options) -> Result<bool, String> {
    let said = |e: io::Error| e.to_string();
    let gnu = program(&reference::make()?, "make").map_err(said)?;
    let kiln = program(&options.program(), "kiln").map_err(said)?;
    let trees = kernel_trees();
    let mut results = Results::open("build");
    let names = options.names.get(1..).unwrap_or_default();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let step_wanted =
        |name: &str| options.steps.is_empty() || options.steps.iter().any(|s| s == name);
    let known: Vec<&str> = CASES.iter().map(|c| c.name).chain(["growth"]).collect();
    if let Some(n) = names.iter().find(|n| !known.contains(&n.as_str())) {
        return Err(format!("there is no case {n}; there are {}", known.join(", ")));
    }
    if let Some(s) = options.steps.iter().find(|s| STEPS.iter().all(|k| k.name != **s)) {
        let all: Vec<&str> = STEPS.iter().map(|k| k.name).collect();
        return Err(format!("there is no step {s}; there are {}", all.join(", ")));
    }
    let mut done = Vec::new();
    for tree in trees.iter().filter(|t| options.wants_tree(&t.series)) {
        for case in CASES.iter().filter(|c| wanted(c.name)) {
            let setups = prepare(case, case.name, tree, [&gnu, &kiln], options)?;
            for step in STEPS.iter().filter(|s| step_wanted(s.name)) {
                let job = format!("{} {} {}", case.name, tree.series, step.name);
                let turns = compare(step, &setups, options).map_err(said)?;
                keep(&mut results, &job, turns).map_err(said)?;
                done.push(job);
            }
        }
        for &objects in GROWTH.iter().filter(|_| wanted("growth") && step_wanted("no-op")) {
            let case = growth(objects);
            let setups =
                prepare(&case, &format!("growth-{objects}"), tree, [&gnu, &kiln], options)?;
            let job = format!("growth, {objects} objects {} no-op", tree.series);
            let turns = compare(&STEPS[1], &setups, options).map_err(said)?;
            keep(&mut results, &job, turns).map_err(said)?;
            done.push(job);
        }
    }
    print!("{}", results.table(|job| done.iter().any(|d| d == job)));
    Ok(true)
}

/// Writes down what the turns of a job cost.
fn keep(results: &mut Results, job: &str, turns: Vec<(String, Cost)>) -> io::Result<()> {
    let turn = |(program, cost)| Turn { job: job.to_owned(), program, cost };
    results.replace(job, turns.into_iter().map(turn).collect());
    results.save()?;
    println!("{job}: done");
    Ok(())
}

/// The case in a directory for each program, written where it is not there from an earlier run.
fn prepare<'a>(
    case: &'a Case,
    name: &str,
    tree: &'a KernelTree,
    bins: [&'a Path; 2],
    options: &Options,
) -> Result<[Setup<'a>; 2], String> {
    let jobs =
        options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    let setup = |bin: &'a Path, program| Setup {
        name: program,
        bin,
        dir: bin.join("cases").join(&tree.series).join(name),
        tree,
        case,
        jobs,
    };
    let setups = [setup(bins[0], "GNU make"), setup(bins[1], "Kiln")];
    for s in &setups {
        let mark = s.dir.join(".complete");
        if mark.exists() && !options.fresh {
            continue;
        }
        cases::write(case, &s.dir)?;
        if case.name == "growth"
            && let Origin::Objects { dirs, each } = &case.origin
        {
            let first = format!("make -C $KDIR M=$DIR {}", "kdir00/kobj00000.o");
            s.do_line(&first).map_err(|e| e.to_string())?;
            cases::multiply(&s.dir, *dirs, *each).map_err(|e| e.to_string())?;
        }
        fs::write(mark, "").map_err(|e| e.to_string())?;
    }
    Ok(setups)
}

impl Setup<'_> {
    /// The line for sh that a word of a [`Step`] stands for.
    fn line(&self, word: &str, turn: usize) -> String {
        let flag = |n: usize| format!("FLAG=KCFLAGS=-DKILN_TURN={n}; {}", self.case.build);
        let line = match word {
            "BUILD" => format!("FLAG=; {}", self.case.build),
            "BUILD-BEFORE" => flag(turn),
            "BUILD-FLAG" => flag(turn + 1),
            "CLEAN" => self.case.clean.to_owned(),
            "SOURCE" => format!("touch {}", self.case.source),
            "HEADER" => format!("touch {}", self.case.header),
            // What another turn or another run may have left must not be what this one makes.
            "EDIT" => {
                let (file, now) = (self.case.source, SystemTime::now());
                let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let name = format!("kiln_turn_{}", since.as_nanos());
                format!("sed -i /kiln_turn/d {file}; echo 'int {name}; int {name} = 1;' >>{file}")
            }
            _ => self.case.install.to_owned(),
        };
        format!("JOBS={}; {line}", self.jobs)
    }

    /// Runs a line that is not measured.
    fn do_line(&self, line: &str) -> io::Result<()> {
        let o = shell(line, self.bin, &self.dir, self.tree).output()?;
        if o.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&o.stderr).into_owned();
        Err(io::Error::other(format!("{} in {}: `{line}`: {said}", self.name, self.dir.display())))
    }

    fn prepare(&self, step: &Step, turn: usize) -> io::Result<()> {
        for word in step.before {
            self.do_line(&self.line(word, turn))?;
        }
        Ok(())
    }

    fn turn(&self, step: &Step, turn: usize) -> io::Result<Cost> {
        measure(&shell(&self.line(step.line, turn), self.bin, &self.dir, self.tree))
    }
}

/// All turns of a step, program after program in each.
fn compare(
    step: &Step,
    setups: &[Setup<'_>; 2],
    options: &Options,
) -> io::Result<Vec<(String, Cost)>> {
    let case = setups[0].case;
    let usual = match case.size {
        0..=2 => 10,
        3..=15 => 5,
        16..=100 => 3,
        _ if step.compiles || step.name == "clean-target" => 1,
        _ => 3,
    };
    let turns = options.turns.unwrap_or(usual);
    // The first turn fills the caches of the machine and of the programs; where it takes minutes there is
    // one turn only, and it says so by its number of turns.
    let warm = usize::from(turns > 1 || !step.compiles);
    let list = cache::work_root().join("bench/floor");
    let mut out = Vec::new();
    let mut recorded = 0;
    for turn in 0..turns + warm {
        let counts = turn >= warm;
        for setup in setups {
            setup.prepare(step, turn)?;
            let since = SystemTime::now();
            // The turn that does not count says what the programs are.
            let records = setup.name == "GNU make" && turn == 0;
            let mut verbose = String::new();
            let cost = if records && !counts && step.compiles {
                let line = format!("export KBUILD_VERBOSE=1; {}", setup.line(step.line, turn));
                let o = shell(&line, setup.bin, &setup.dir, setup.tree).output()?;
                verbose = String::from_utf8_lossy(&o.stdout).into_owned();
                Cost::default()
            } else {
                setup.turn(step, turn)?
            };
            if counts {
                out.push((setup.name.to_owned(), cost));
            }
            if !records {
                continue;
            }
            recorded = match step.name {
                "no-op" => floor::record_files(&setup.dir, &setup.tree.dir, &list)?,
                _ if step.compiles => {
                    floor::record(&setup.dir, &setup.tree.dir, since, &verbose, &list)?
                }
                _ => 0,
            };
        }
        if recorded > 0 && counts {
            out.push(("floor".to_owned(), floor_turn(step, &setups[0], &list)?));
        }
        if step.name == "clean" && Path::new("/usr/lib/ccache").exists() {
            let gnu = &setups[0];
            gnu.prepare(step, turn)?;
            let store = cache::work_root().join("bench/ccache");
            let line = format!(
                "export CCACHE_DIR='{}' PATH=\"${{PATH%%:*}}:/usr/lib/ccache:$PATH\"; {}",
                store.display(),
                gnu.line(step.line, turn)
            );
            let c = shell(&line, gnu.bin, &gnu.dir, gnu.tree);
            // What ccache has not seen yet it compiles, which is not what is asked here.
            if turn == 0 {
                measure(&c)?;
                gnu.prepare(step, turn)?;
            }
            let cost = measure(&c)?;
            if counts {
                out.push(("GNU make, ccache".to_owned(), cost));
            }
        }
    }
    Ok(out)
}

/// The floor, by this program itself in a process of its own.
fn floor_turn(step: &Step, gnu: &Setup<'_>, list: &Path) -> io::Result<Cost> {
    let own = std::env::current_exe()?;
    let kind = if step.compiles { "floor" } else { "floor-stat" };
    let line = format!(
        "exec '{}' {kind} '{}' \"$KDIR\" --jobs {}",
        own.display(),
        list.display(),
        gnu.jobs
    );
    measure(&shell(&line, gnu.bin, &gnu.dir, gnu.tree))
}
