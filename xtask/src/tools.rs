//! `cargo xtask bench tools`: the kernel's host tools beside the tree's own programs, on the same files
//! and in turns.
//!
//! fixdep is measured per call within a process, since a build calls it so; the others as whole
//! processes, `kiln tool NAME` beside the tree's program. The module is the example `hello`, built once
//! with GNU make; genksyms takes the preprocessed units that `scripts/judge-genksyms` keeps.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use kiln_conformance::examples;
use kiln_exec::{Ended, Native, Sink};
use kiln_session::Slow;
use kiln_session::native::Tools;
use kiln_testkit::{KernelTree, cache, reference};
use rustix::fs::Access;

use crate::bench::measure::{Cost, finish, timed};
use crate::bench::results::{Results, Turn};

/// How many units genksyms is given, the largest ones.
const UNITS: usize = 100;
/// How many modules modpost is given at once.
const MODULES: usize = 1000;
/// How often fixdep is called in a turn.
const CALLS: usize = 200;

/// One start of a program.
struct Start {
    argv: Vec<String>,
    dir: PathBuf,
    input: Option<PathBuf>,
}

/// Something that the tree's program and Kiln's do.
struct Job {
    name: String,
    /// How often it is done in a turn: the system counts processor time in hundredths of a second.
    times: usize,
    /// What is started in a turn: the tree's, Kiln's.
    starts: [Vec<Start>; 2],
    /// Files that hold something else before each time.
    fresh: Vec<PathBuf>,
}

/// Measures all tools on a tree. Every turn is added to the results.
pub fn run(tree: &KernelTree, kiln: &Path, turns: usize, results: &mut Results) -> io::Result<()> {
    let home = in_memory().join("bench/tools").join(&tree.series);
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let built = build(tree, &home)?;
    if cfg!(debug_assertions) {
        crate::bench::said(
            "skipped: fixdep: it is measured in this very program, which is no release build",
        );
    } else {
        fixdep(tree, &built, turns, results)?;
    }
    let mut jobs = vec![modpost(tree, &built, kiln, 1)?, modpost(tree, &built, kiln, MODULES)?];
    jobs.extend(genksyms(tree, kiln)?);
    jobs.extend(sign(tree, &built, kiln)?);
    for job in jobs {
        let mut costs = [Vec::new(), Vec::new()];
        for turn in 0..=turns {
            for (starts, costs) in job.starts.iter().zip(&mut costs) {
                let mut sum = Cost::default();
                for time in 0..=job.times {
                    job.refresh()?;
                    // The last is for the memory only, which another process has to look at.
                    let is_last = time == job.times;
                    for start in starts.iter().take(if is_last { 1 } else { starts.len() }) {
                        if is_last {
                            sum.peak = sum.peak.max(peak(start)?);
                        } else {
                            let cost = measure(start)?;
                            sum.seconds += cost.seconds / job.times as f64;
                            sum.cpu += cost.cpu / job.times as f64;
                        }
                    }
                }
                // The first turn fills the machine's caches.
                if turn > 0 {
                    costs.push(sum);
                }
            }
        }
        add(&format!("{} {}", job.name, tree.series), costs, results);
    }
    fs::remove_dir_all(&home)
}

/// A directory whose files lie in memory, where the system has one: thousands of small files a second
/// wait for a disk's journal, and that is no matter of who writes them.
fn in_memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    let is_tmpfs = rustix::fs::statfs(shared).is_ok_and(|fs| fs.f_type == TMPFS);
    if is_tmpfs && rustix::fs::access(shared, Access::WRITE_OK).is_ok() {
        let uid = rustix::process::getuid().as_raw();
        return shared.join(format!("kiln-bench-{uid}"));
    }
    cache::work_root()
}

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

/// Keeps the turns of the tree's program and of Kiln's.
fn add(name: &str, costs: [Vec<Cost>; 2], results: &mut Results) {
    let turn = |program: &'static str| {
        move |cost| Turn { job: name.to_owned(), program: program.to_owned(), cost }
    };
    let [theirs, ours] = costs;
    let turns =
        theirs.into_iter().map(turn("the tree's")).chain(ours.into_iter().map(turn("Kiln")));
    results.replace(name, turns.collect());
    crate::bench::said(name);
}

/// Builds the module; its directory.
fn build(tree: &KernelTree, home: &Path) -> io::Result<PathBuf> {
    let dir = home.join("hello");
    fs::create_dir_all(&dir)?;
    for name in ["Makefile", "hello.c"] {
        fs::copy(examples().join("hello").join(name), dir.join(name))?;
    }
    let mut make = Command::new(reference::make().map_err(io::Error::other)?);
    make.arg("-C").arg(&tree.dir).arg(format!("M={}", dir.display()));
    make.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !make.status()?.success() {
        return Err(io::Error::other(format!("no module can be built for {}", tree.dir.display())));
    }
    Ok(dir)
}

/// The saved command of a target, from its `.cmd` file.
fn saved_command(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split_once(" := ").map_or(String::new(), |(_, c)| c.replace("$$", "$")))
}

/// fixdep, called again and again for the module's object, as a build calls it: the tree's as a
/// process, Kiln's in this one, with the verdict about the tree's looked up. For the first call of a
/// process nothing is known of any header yet; for the others it is.
fn fixdep(tree: &KernelTree, built: &Path, turns: usize, results: &mut Results) -> io::Result<()> {
    let commands = fs::read_to_string(built.join(".hello.o.cmd"))?;
    let mut rule = String::from("hello.o: hello.c");
    for line in commands.lines().filter_map(|l| l.strip_prefix("  ")) {
        if !line.contains("$(wildcard") {
            let _ = write!(rule, " \\\n {}", line.trim_end_matches('\\').trim_end());
        }
    }
    rule = rule.replacen("hello.c", &built.join("hello.c").display().to_string(), 1);
    let depfile = built.join("bench.d");
    fs::write(&depfile, rule + "\n")?;
    let words = [
        tree.dir.join("scripts/basic/fixdep").display().to_string(),
        depfile.display().to_string(),
        built.join("hello.o").display().to_string(),
        saved_command(&built.join(".hello.o.cmd"))?,
    ];
    let argv: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    let env: Vec<(Vec<u8>, Vec<u8>)> =
        std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect();
    let out = built.join("bench.cmd");
    let theirs = || -> io::Result<()> {
        let mut c = Command::new(&words[0]);
        c.args(&words[1..]).current_dir(&tree.dir).stdin(Stdio::null());
        let done = c.stdout(File::create(&out)?).status()?;
        done.success().then_some(()).ok_or_else(|| io::Error::other("fixdep failed"))
    };
    let verdicts = built.join("verdicts");
    let tools = || Tools::new(Some(verdicts.clone()), &Slow::from_env(), false);
    let ours = |tools: &Tools| -> io::Result<()> {
        let sink = Sink { out: Some(Arc::new(File::create(&out)?)), err: None };
        let ended = tools.run(&argv, &env, tree.dir.as_os_str().as_bytes(), &sink);
        let well = ended == Some(Ended::Exit(0));
        well.then_some(()).ok_or_else(|| io::Error::other("fixdep is not done inside"))
    };
    let kept = tools();
    theirs()?;
    let text = fs::read(&out)?;
    // The first makes the two known to each other; the third has all names.
    for _ in 0..3 {
        ours(&kept)?;
        if fs::read(&out)? != text {
            return Err(io::Error::other("fixdep: the two texts differ"));
        }
    }
    let (mut first, mut again) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for turn in 0..=turns {
        let mut marks = vec![(Instant::now(), processor_time()?)];
        let mut calls = |call: &dyn Fn() -> io::Result<()>| -> io::Result<()> {
            for _ in 0..CALLS {
                call()?;
            }
            marks.push((Instant::now(), processor_time()?));
            Ok(())
        };
        calls(&theirs)?;
        calls(&|| ours(&tools()))?;
        calls(&|| ours(&kept))?;
        if turn > 0 {
            let cost = |n: usize| {
                let ((t0, c0), (t1, c1)) = (marks[n], marks[n + 1]);
                let calls = CALLS as f64;
                let seconds = (t1 - t0).as_secs_f64() / calls;
                Cost { seconds, cpu: (c1 - c0) / calls, ..Cost::default() }
            };
            first[0].push(cost(0));
            first[1].push(cost(1));
            again[0].push(cost(0));
            again[1].push(cost(2));
        }
    }
    add(&format!("fixdep, first call {}", tree.series), first, results);
    add(&format!("fixdep, later calls {}", tree.series), again, results);
    Ok(())
}

/// modpost with the arguments of the module's build, for so many copies of the module.
fn modpost(tree: &KernelTree, built: &Path, kiln: &Path, count: usize) -> io::Result<Job> {
    let dir = built.with_file_name(format!("modpost-{count}"));
    fs::create_dir_all(&dir)?;
    let mut order = String::new();
    for n in 0..count {
        let stem = dir.join(format!("m{n:04}")).display().to_string();
        // One content on the disk and in the caches.
        fs::hard_link(built.join("hello.o"), format!("{stem}.o"))?;
        fs::write(format!("{stem}.mod"), format!("{stem}.o\n"))?;
        fs::copy(built.join(".hello.o.cmd"), dir.join(format!(".m{n:04}.o.cmd")))?;
        let _ = writeln!(order, "{stem}.o");
    }
    let list = dir.join("modules.order");
    fs::write(&list, order)?;
    let (built, dir_text) = (built.display().to_string(), dir.display().to_string());
    let command = saved_command(&Path::new(&built).join(".Module.symvers.cmd"))?;
    // In some kernels the list comes on standard input.
    let words = command.split("scripts/mod/modpost ").nth(1).unwrap_or_default();
    let args: Vec<String> =
        words.split_whitespace().map(|w| w.replace(&built, &dir_text)).collect();
    let start = |first: Vec<String>| Start {
        argv: first.into_iter().chain(args.iter().cloned()).collect(),
        dir: tree.dir.clone(),
        input: args.iter().any(|a| a == "-").then(|| list.clone()),
    };
    let theirs = tree.dir.join("scripts/mod/modpost").display().to_string();
    let ours = [&kiln.display().to_string(), "tool", "modpost"].map(str::to_owned);
    let fresh = (0..count).map(|n| dir.join(format!("m{n:04}.mod.c")));
    let name = if count == 1 {
        "modpost, 1 module".to_owned()
    } else {
        format!("modpost, {count} modules")
    };
    Ok(Job {
        name,
        times: if count == 1 { 20 } else { 5 },
        starts: [vec![start(vec![theirs])], vec![start(ours.to_vec())]],
        fresh: fresh.chain([dir.join("Module.symvers")]).collect(),
    })
}

/// genksyms on the largest units that are there.
fn genksyms(tree: &KernelTree, kiln: &Path) -> io::Result<Option<Job>> {
    let units = cache::dir().join("genksyms-i").join(&tree.series);
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(&units).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|e| e == "i") {
            found.push((entry.metadata()?.len(), entry.path()));
        }
    }
    if found.len() < UNITS {
        crate::bench::said(&format!(
            "skipped: genksyms {}: no units in {}",
            tree.series,
            units.display()
        ));
        return Ok(None);
    }
    found.sort();
    let program = tree.dir.join("scripts/genksyms/genksyms").display().to_string();
    let ours = [&kiln.display().to_string(), "tool", "genksyms"].map(str::to_owned);
    let start = |first: &[String], unit: &Path| Start {
        argv: first.iter().cloned().chain(["-r".to_owned(), "/dev/null".to_owned()]).collect(),
        dir: tree.dir.clone(),
        input: Some(unit.to_owned()),
    };
    let largest = || found.iter().rev().take(UNITS).map(|(_, unit)| unit);
    let starts = [
        largest().map(|unit| start(std::slice::from_ref(&program), unit)).collect(),
        largest().map(|unit| start(&ours, unit)).collect(),
    ];
    let name = format!("genksyms, {UNITS} largest units");
    Ok(Some(Job { name, times: 1, starts, fresh: Vec::new() }))
}

/// sign-file with an RSA key.
fn sign(tree: &KernelTree, built: &Path, kiln: &Path) -> io::Result<Option<Job>> {
    let dir = built.with_file_name("sign");
    fs::create_dir_all(&dir)?;
    let line =
        "req -new -x509 -nodes -batch -subj /CN=bench -newkey rsa:2048 -keyout key -out cert";
    let mut openssl = Command::new("openssl");
    openssl.args(line.split(' ')).current_dir(&dir);
    openssl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !openssl.status().is_ok_and(|s| s.success()) {
        crate::bench::said("skipped: sign-file: no openssl to make a key with");
        return Ok(None);
    }
    let module = built.join("hello.ko").display().to_string();
    let program = tree.dir.join("scripts/sign-file").display().to_string();
    let start = |first: &[&str]| Start {
        argv: [first, &["sha256", "key", "cert", &module, "signed.ko"]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        dir: dir.clone(),
        input: None,
    };
    let kiln = kiln.display().to_string();
    let starts = [vec![start(&[&program])], vec![start(&[&kiln, "tool", "sign-file"])]];
    Ok(Some(Job {
        name: "sign-file, RSA 2048".to_owned(),
        times: 20,
        starts,
        fresh: vec![dir.join("signed.ko")],
    }))
}

fn command(mut c: Command, start: &Start) -> io::Result<Command> {
    c.current_dir(&start.dir).stdout(Stdio::null());
    c.stdin(match &start.input {
        Some(file) => Stdio::from(File::open(file)?),
        None => Stdio::null(),
    });
    Ok(c)
}

fn well(start: &Start, status: std::process::ExitStatus) -> io::Result<()> {
    let failed = || io::Error::other(format!("{}: {status}", start.argv.join(" ")));
    status.success().then_some(()).ok_or_else(failed)
}

/// Seconds and processor time of one start; starting it is part of it.
fn measure(start: &Start) -> io::Result<Cost> {
    let mut c = Command::new(&start.argv[0]);
    c.args(&start.argv[1..]).stderr(Stdio::null());
    let mut c = command(c, start)?;
    let (time, cpu) = (Instant::now(), processor_time()?);
    well(start, c.status()?)?;
    let seconds = time.elapsed().as_secs_f64();
    Ok(Cost { seconds, cpu: processor_time()? - cpu, ..Cost::default() })
}

/// The most memory that a start has, in KiB.
fn peak(start: &Start) -> io::Result<f64> {
    let mut c = timed();
    c.args(&start.argv);
    let (cost, status) = finish(command(c, start)?)?;
    well(start, status)?;
    Ok(cost.peak)
}

/// Seconds of processor time that this process and the ones that it waited for have had
/// (proc_pid_stat(5), fields 14 to 17, in hundredths).
fn processor_time() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    Ok(ticks as f64 / 100.0)
}

impl Job {
    /// Makes the state before each time: what an earlier build wrote is there, but is no longer true.
    fn refresh(&self) -> io::Result<()> {
        self.fresh.iter().try_for_each(|file| fs::write(file, "stale\n"))
    }
}
