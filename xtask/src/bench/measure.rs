//! One turn of a whole process: how it is started and what it cost. It does not know what is measured.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use kiln_testkit::{KernelTree, cache};

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

/// A directory with the program under the name make.
pub fn program(file: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = cache::work_root().join("bench").join(name);
    fs::create_dir_all(&dir)?;
    let _ = fs::remove_file(dir.join("make"));
    fs::copy(file, dir.join("make"))?;
    Ok(dir)
}

/// A line for sh with `$KDIR` and `$DIR` set and the program in `bin` in front of the search path.
pub fn shell(line: &str, bin: &Path, dir: &Path, tree: &KernelTree) -> Command {
    let mut c = Command::new("sh");
    let line = format!("KDIR='{}' DIR='{}'; {line}", tree.dir.display(), dir.display());
    let path = format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    c.args(["-c", &line]).current_dir(dir).env_clear().env("PATH", path).env("HOME", bin);
    c.stdin(Stdio::null());
    c
}

/// Runs a command to its end and says what it cost. One that fails has not done the work, which is an error.
pub fn measure(c: &Command) -> io::Result<Cost> {
    let mut outer = timed();
    outer.arg(c.get_program()).args(c.get_args());
    outer.env_clear().envs(c.get_envs().filter_map(|(k, v)| Some((k, v?))));
    if let Some(dir) = c.get_current_dir() {
        outer.current_dir(dir);
    }
    outer.stdin(Stdio::null());
    let (cost, status) = finish(outer)?;
    match status.success() {
        true => Ok(cost),
        false => Err(io::Error::other(format!("{status}: {c:?}"))),
    }
}

fn note() -> PathBuf {
    cache::work_root().join("bench/cost")
}

/// The beginning of a command for [`finish`]: the program and its arguments are still to be added.
pub fn timed() -> Command {
    let mut outer = Command::new(TIME);
    outer.args(["-f", "%U %S %M", "-o"]).arg(note());
    outer
}

/// Runs a command that begins as [`timed`] says: what it cost, and how it ended.
pub fn finish(mut outer: Command) -> io::Result<(Cost, ExitStatus)> {
    outer.stdout(Stdio::null()).stderr(Stdio::null());
    let before = started()?;
    let start = Instant::now();
    let status = outer.status()?;
    let seconds = start.elapsed().as_secs_f64();
    let processes = started()?.saturating_sub(before) as f64;
    let text = fs::read_to_string(note())?;
    let last = text.lines().last().unwrap_or_default();
    let n: Vec<f64> = last.split(' ').filter_map(|w| w.parse().ok()).collect();
    let [user, system, peak] = n.as_slice() else {
        return Err(io::Error::other(format!("{TIME} said: {text}")));
    };
    Ok((Cost { seconds, cpu: user + system, peak: *peak, processes }, status))
}

/// How many processes the machine has started since it runs (proc(5), `/proc/stat`).
fn started() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().find_map(|l| l.strip_prefix("processes "));
    Ok(line.and_then(|n| n.trim().parse().ok()).unwrap_or(0))
}

/// The middle one of some numbers.
pub fn middle(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(0.0)
}

/// The median of each figure by itself.
pub fn median(costs: &[Cost]) -> Cost {
    let of = |f: fn(&Cost) -> f64| middle(costs.iter().map(f).collect());
    Cost {
        seconds: of(|c| c.seconds),
        cpu: of(|c| c.cpu),
        peak: of(|c| c.peak),
        processes: of(|c| c.processes),
    }
}

/// What the figures were taken on, in a sentence.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores, {} memory, Linux {}.",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim()
    )
}

/// The machine's name in results: what its processor is and how many cores there are.
pub fn machine_name() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = first("/proc/cpuinfo", "model name").replace("(R)", "").replace("(TM)", "");
    let words: Vec<String> = model
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    format!("{}-{cores}", words.join("-"))
}

fn first(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(key)).unwrap_or_default().to_owned();
    line.split_once(':').map_or(line.clone(), |(_, v)| v.trim().to_owned())
}
