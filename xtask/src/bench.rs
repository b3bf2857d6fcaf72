//! `cargo xtask bench`: figures beside GNU make, by the protocol in BENCHMARKING.md.
//!
//! Whole processes are measured, never parts of one. The two programs take turns (A B A B …), each turn
//! in a state made anew, and the median of the turns counts. What is measured of a turn: the time from
//! start to end, the processor time of it and its children, the most memory that one of its processes
//! had, and how many processes the machine started meanwhile.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use kiln_conformance::{examples, repository};
use kiln_testkit::{KernelTree, cache, kernel_trees, reference};

use crate::options::Options;
use crate::{reading, tools};

/// Says what a process and its children cost; of the package `time`.
pub const TIME: &str = "/usr/bin/time";

/// What one turn cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Wall clock.
    pub seconds: f64,
    /// User and system time of the program and its children.
    pub cpu: f64,
    /// KiB of the largest process.
    pub peak: f64,
    /// Processes started on the machine in that time; on a quiet machine those of the turn.
    pub processes: f64,
}

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
    let kind = options.names.first().map_or("build", String::as_str);
    let jobs = match kind {
        "build" => build_jobs(),
        "eval" => eval_jobs(),
        "tools" => Vec::new(),
        _ => return Err(format!("there is no benchmark {kind}; there are build, eval and tools")),
    };
    if !Path::new(TIME).exists() {
        return Err(format!("{TIME} is missing: install the package time"));
    }
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
    let mut table = String::from(
        "| what | program | seconds | ratio | CPU s | peak MiB | processes |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut json = String::new();
    for job in &jobs {
        for tree in trees.iter().filter(|t| options.tree.as_ref().is_none_or(|s| *s == t.series)) {
            let name = format!("{} {}", job.name, tree.series);
            let [a, b] = compare(job, tree, &programs, turns).map_err(said)?;
            for ((program, _), costs) in programs.iter().zip([&a, &b]) {
                let m = median(costs);
                let ratio = median(&a).seconds / m.seconds;
                let _ = writeln!(
                    table,
                    "| {name} | {program} | {:.3} | {ratio:.2} | {:.3} | {:.1} | {:.0} |",
                    m.seconds,
                    m.cpu,
                    m.peak / 1024.0,
                    m.processes
                );
                for c in costs {
                    let comma = if json.is_empty() { "" } else { ",\n" };
                    let _ = write!(
                        json,
                        "{comma}  {{\"job\": \"{name}\", \"program\": \"{program}\", \"seconds\": {:.6}, \
                         \"cpu\": {:.6}, \"peak_kib\": {}, \"processes\": {}}}",
                        c.seconds, c.cpu, c.peak, c.processes
                    );
                }
            }
            println!("{name}: done");
        }
    }
    let dir = repository().join("benches/results");
    fs::create_dir_all(&dir).map_err(said)?;
    let facts = machine();
    let head = format!("# {kind}\n\n{facts}\n\nMedians of {turns} turns each.\n\n");
    fs::write(dir.join(format!("{kind}.json")), format!("[\n{json}\n]\n")).map_err(said)?;
    if kind == "eval" {
        let files: Vec<(&str, PathBuf)> =
            programs.iter().map(|(name, dir)| (*name, dir.join("make"))).collect();
        let chosen: Vec<&KernelTree> =
            trees.iter().filter(|t| options.tree.as_ref().is_none_or(|s| *s == t.series)).collect();
        let alone = reading::run(&files, &chosen, turns).map_err(said)?;
        table.push_str("\nReading alone, as BENCHMARKING.md says:\n\n");
        table.push_str(&alone);
    }
    fs::write(dir.join(format!("{kind}.md")), format!("{head}{table}")).map_err(said)?;
    print!("{table}");
    Ok(true)
}

/// The kernel's tools, each beside the tree's own program.
fn tools(options: &Options, trees: &[KernelTree], turns: usize) -> io::Result<bool> {
    let mut table = tools::HEAD.to_owned();
    let mut json = String::new();
    for tree in trees.iter().filter(|t| options.tree.as_ref().is_none_or(|s| *s == t.series)) {
        tools::run(tree, &options.program(), turns, &mut table, &mut json)?;
    }
    let dir = repository().join("benches/results");
    fs::create_dir_all(&dir)?;
    let head = format!("# tools\n\n{}\n\nMedians of {turns} turns each.\n\n", machine());
    fs::write(dir.join("tools.json"), format!("[\n{json}\n]\n"))?;
    fs::write(dir.join("tools.md"), format!("{head}{table}"))?;
    print!("{table}");
    Ok(true)
}

/// The main job: modules, from nothing, with nothing to do, after a change.
fn build_jobs() -> Vec<Job> {
    let job = |name: &str, before, line| Job { name: name.to_owned(), before, line };
    let plain = "make -C $KDIR M=$DIR";
    vec![
        job("one file, clean", "make -C $KDIR M=$DIR clean", plain),
        job("one file, nothing to do", plain, plain),
        job("one file, source touched", "make -C $KDIR M=$DIR; touch hello.c", plain),
        job("one file, clean target", plain, "make -C $KDIR M=$DIR clean"),
    ]
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

/// A directory with the program under the name make.
fn program(file: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = cache::work_root().join("bench").join(name);
    fs::create_dir_all(&dir)?;
    let _ = fs::remove_file(dir.join("make"));
    fs::copy(file, dir.join("make"))?;
    Ok(dir)
}

/// The turns of both programs, each in its own copy of the module, at its own path.
fn compare(
    job: &Job,
    tree: &KernelTree,
    programs: &[(&str, PathBuf); 2],
    turns: usize,
) -> io::Result<[Vec<Cost>; 2]> {
    let mut costs = [Vec::new(), Vec::new()];
    for turn in 0..=turns {
        for (i, (_, bin)) in programs.iter().enumerate() {
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
                costs[i].push(cost);
            }
        }
    }
    Ok(costs)
}

fn shell(line: &str, bin: &Path, dir: &Path, tree: &KernelTree) -> Command {
    let mut c = Command::new("sh");
    let line = format!("KDIR='{}' DIR='{}'; {line}", tree.dir.display(), dir.display());
    let path = format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    c.args(["-c", &line]).current_dir(dir).env_clear().env("PATH", path).env("HOME", bin);
    c.stdin(Stdio::null());
    c
}

fn measure(c: &Command) -> io::Result<Cost> {
    let note = cache::work_root().join("bench/cost");
    let mut outer = Command::new(TIME);
    outer.args(["-f", "%U %S %M", "-o"]).arg(&note).arg(c.get_program()).args(c.get_args());
    outer.env_clear().envs(c.get_envs().filter_map(|(k, v)| Some((k, v?))));
    if let Some(dir) = c.get_current_dir() {
        outer.current_dir(dir);
    }
    outer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let before = started()?;
    let start = Instant::now();
    outer.status()?;
    let seconds = start.elapsed().as_secs_f64();
    let processes = started()?.saturating_sub(before) as f64;
    let text = fs::read_to_string(&note)?;
    let last = text.lines().last().unwrap_or_default();
    let n: Vec<f64> = last.split(' ').filter_map(|w| w.parse().ok()).collect();
    let [user, system, peak] = n.as_slice() else {
        return Err(io::Error::other(format!("{TIME} said: {text}")));
    };
    Ok(Cost { seconds, cpu: user + system, peak: *peak, processes })
}

/// How many processes the machine has started since it runs (proc(5), `/proc/stat`).
fn started() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().find_map(|l| l.strip_prefix("processes "));
    Ok(line.and_then(|n| n.trim().parse().ok()).unwrap_or(0))
}

/// The medians of several turns, each value by itself.
pub fn median(costs: &[Cost]) -> Cost {
    let of = |f: fn(&Cost) -> f64| {
        let mut v: Vec<f64> = costs.iter().map(f).collect();
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied().unwrap_or(0.0)
    };
    Cost {
        seconds: of(|c| c.seconds),
        cpu: of(|c| c.cpu),
        peak: of(|c| c.peak),
        processes: of(|c| c.processes),
    }
}

/// What the figures were taken on.
fn machine() -> String {
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|l| l.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(line.clone(), |(_, v)| v.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores, {} memory, Linux {}.",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim()
    )
}
