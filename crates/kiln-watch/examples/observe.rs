//! Runs a command under the watch and tells what its answer rested on, or why it cannot be kept:
//! `cargo run -p kiln-watch --example observe -- sh -c 'gcc --version'`. With `-n COUNT` first, runs
//! it that often plainly and watched in turn, and tells the medians.
#![allow(clippy::print_stdout)] // a tool of its own

use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use kiln_watch::{Checker, Command, RealEye, Sink, Source, watch, watch_every_call};

fn command(argv: &[Vec<u8>]) -> Command {
    Command {
        program: argv[0].clone(),
        argv: argv.to_vec(),
        env: std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect(),
        dir: std::env::current_dir().map(|d| d.into_os_string().into_vec()).unwrap_or_default(),
        stdin: Source::Null,
        stdout: Sink::Kept,
        stderr: Sink::Kept,
    }
}

/// Processor time of this process and of the children it waited for, in ticks of a hundredth second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_ascii_whitespace().skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> std::io::Result<()> {
    let mut argv: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    let mut count = 0u32;
    if argv.first().is_some_and(|a| a == b"-n") {
        count = argv.get(1).and_then(|a| std::str::from_utf8(a).ok()?.parse().ok()).unwrap_or(10);
        argv.drain(..2);
    }
    if argv.is_empty() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let watched = watch(command(&argv))?;
    println!("{}", watched.status);
    println!("stdout: {}", String::from_utf8_lossy(&watched.stdout));
    println!("stderr: {}", String::from_utf8_lossy(&watched.stderr));
    match &watched.seen {
        Ok(seen) => {
            for fact in &seen.facts {
                println!("{} {:?}", String::from_utf8_lossy(&fact.path), fact.seen);
            }
            for program in &seen.programs {
                println!("ran {}", String::from_utf8_lossy(program));
            }
            println!("effects {:?}", seen.effects);
            let at = Instant::now();
            let mut checker = Checker::new(&RealEye);
            let holds = checker.check(seen);
            println!(
                "{} facts, {} looks, {:?}: {holds:?}",
                seen.facts.len(),
                checker.looks(),
                at.elapsed()
            );
        }
        Err(why) => println!("opaque: {why}"),
    }
    let plain = || {
        std::process::Command::new(std::ffi::OsString::from_vec(argv[0].clone()))
            .args(argv[1..].iter().map(|a| std::ffi::OsString::from_vec(a.clone())))
            .stdin(std::process::Stdio::null())
            .output()
            .map(drop)
    };
    let ways: [(&str, &dyn Fn() -> std::io::Result<()>); 3] = [
        ("plain", &plain),
        ("watched", &|| watch(command(&argv)).map(drop)),
        ("at every call", &|| watch_every_call(command(&argv)).map(drop)),
    ];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut cpu = [0; 3];
    for _ in 0..count {
        for (i, (_, run)) in ways.iter().enumerate() {
            let (at, before) = (Instant::now(), ticks());
            run()?;
            times[i].push(at.elapsed());
            cpu[i] += ticks() - before;
        }
    }
    for ((name, _), (times, cpu)) in ways.iter().zip(times.into_iter().zip(cpu)) {
        if count > 0 {
            let each = Duration::from_millis(10) * cpu as u32 / count;
            println!("{name}: median {:?}, processor {each:?}", median(times));
        }
    }
    Ok(())
}
