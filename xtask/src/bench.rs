//! `cargo xtask bench`: figures beside GNU make, by the protocol in BENCHMARKING.md.
//!
//! Whole processes are measured, never parts of one. The two programs take turns (A B A B …), each turn
//! in a state made anew, and the median of the turns counts. What is measured of a turn: the time from
//! start to end, the processor time of it and its children, the most memory that one of its processes
//! had, and how many processes the machine started meanwhile.

mod build;
mod cases;
mod floor;
pub mod measure;
pub mod results;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kiln_conformance::{examples, repository};
use kiln_testkit::{KernelTree, kernel_trees, reference};

use crate::options::Options;
use crate::{reading, tools};
use measure::{Cost, TIME, machine_name, measure, program, shell};
use results::{Results, Turn};

/// Something that both programs do.
struct Job {
    name: String,
    /// Makes the state before each turn; a line for sh in `$DIR`.
    before: &'static str,
    /// What is measured.
    line: &'static str,
}

/// Runs the benchmarks of the named kind.
pub fn run(options: &Options) -> Result<bool, String> {
    if !Path::new(TIME).exists() {
        return Err(format!("{TIME} is missing: install the package time"));
    }
    let kind = options.names.first().map_or("build", String::as_str);
    let jobs = match kind {
        "build" => return build::run(options),
        "eval" => eval_jobs(),
        "tools" => Vec::new(),
        _ => return Err(format!("there is no benchmark {kind}; there are build, eval and tools")),
    };
    let turns = options.turns.unwrap_or(10);
    let said = |e: io::Error| e.to_string();
    let programs = [
        ("GNU make", program(&reference::make()?, "make").map_err(said)?),
        ("Kiln", program(&options.program(), "kiln").map_err(said)?),
    ];
    let trees = kernel_trees();
    if kind == "tools" {
        return tools(options, &trees, turns).map_err(said);
    }
    let mut results = Results::open(kind);
    for job in &jobs {
        for tree in trees.iter().filter(|t| options.wants_tree(&t.series)) {
            let name = format!("{} {}", job.name, tree.series);
            let costs = compare(job, tree, &programs, turns).map_err(said)?;
            let turn = |(program, cost): (&str, Cost)| Turn {
                job: name.clone(),
                program: program.to_owned(),
                cost,
            };
            results.replace(&name, costs.into_iter().map(turn).collect());
            println!("{name}: done");
        }
    }
    results.save().map_err(said)?;
    print!("{}", results.table(|_| true));
    if kind == "eval" {
        let files: Vec<(&str, PathBuf)> =
            programs.iter().map(|(name, dir)| (*name, dir.join("make"))).collect();
        let chosen: Vec<&KernelTree> =
            trees.iter().filter(|t| options.wants_tree(&t.series)).collect();
        let alone = reading::run(&files, &chosen, turns).map_err(said)?;
        let text = format!("# reading alone\n\n{}\n\n{alone}", measure::machine());
        let dir = repository().join("benches/results").join(machine_name());
        fs::write(dir.join("reading.md"), text).map_err(said)?;
        print!("{alone}");
    }
    Ok(true)
}

/// The kernel's tools, each beside the tree's own program.
fn tools(options: &Options, trees: &[KernelTree], turns: usize) -> io::Result<bool> {
    let mut results = Results::open("tools");
    for tree in trees.iter().filter(|t| options.wants_tree(&t.series)) {
        tools::run(tree, &options.program(), turns, &mut results)?;
    }
    results.save()?;
    print!("{}", results.table(|_| true));
    Ok(true)
}

/// The floor of `bench build`, which it runs as a program of its own: `floor LIST DIR`, `floor-stat LIST`.
pub fn floor(options: &Options, compiles: bool) -> Result<bool, String> {
    let mut names = options.names.iter().map(PathBuf::from);
    let (Some(list), dir) = (names.next(), names.next()) else {
        return Err("floor needs a list".to_owned());
    };
    let done = match (compiles, dir) {
        (true, Some(dir)) => floor::replay(&list, &dir, options.jobs()),
        _ => floor::look(&list),
    };
    done.map_err(|e| e.to_string())
}

/// Reading makefiles, without recipes.
fn eval_jobs() -> Vec<Job> {
    let synthetic = "[ -e big.mk ] || { echo 'all: t1'; i=1; while [ $i -le 5000 ]; do \
        echo \"t$i: FORCE\"; j=1; while [ $j -le 40 ]; do echo \"t$i: d$((i % 97 * j))\"; \
        j=$((j + 1)); done; i=$((i + 1)); done; echo 'FORCE:'; j=0; while [ $j -le 3900 ]; do \
        echo \"d$j:\"; j=$((j + 1)); done; } >big.mk";
    vec![
        Job {
            name: "5,000 targets, 200,000 dependency lines".to_owned(),
            before: synthetic,
            line: "make -n -r -f big.mk no-such-goal 2>/dev/null || :",
        },
        Job {
            name: "top Makefile, dry run".to_owned(),
            before: "make -C $KDIR M=$DIR",
            line: "make -n -C $KDIR M=$DIR >/dev/null",
        },
    ]
}

/// Says a line of progress.
pub fn said(text: &str) {
    println!("{text}");
}

/// The turns of both programs, each in its own copy of the module, at its own path.
fn compare<'a>(
    job: &Job,
    tree: &KernelTree,
    programs: &[(&'a str, PathBuf); 2],
    turns: usize,
) -> io::Result<Vec<(&'a str, Cost)>> {
    let mut costs = Vec::new();
    for turn in 0..=turns {
        for (name, bin) in programs {
            let dir = bin.join("module").join(&tree.series);
            if turn == 0 {
                let _ = fs::remove_dir_all(&dir);
                fs::create_dir_all(&dir)?;
                for name in ["Makefile", "hello.c"] {
                    fs::copy(examples().join("hello").join(name), dir.join(name))?;
                }
            }
            shell(job.before, bin, &dir, tree).output()?;
            let cost = measure(&shell(job.line, bin, &dir, tree))?;
            // The first turn fills the caches of the machine, and of the programs.
            if turn > 0 {
                costs.push((*name, cost));
            }
        }
    }
    Ok(costs)
}
