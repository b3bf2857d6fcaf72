//! Measures watching and answering on a list of commands: `answers STORE LIST`, where LIST holds
//! directory and shell command in turn, each ended by NUL (make with a SHELL that writes them down
//! makes one). Tells the times of running plainly and watched, and of answering all from the store.
#![allow(clippy::print_stdout)] // a tool of its own

use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use kiln_watch::{
    Answer, Checker, Command, Found, Given, Key, Observations, Query, Question, RealEye, Sink,
    Source, Store, Surroundings, watch,
};

fn main() -> std::io::Result<()> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [dir, list] = &args[..] else { return Err(std::io::ErrorKind::InvalidInput.into()) };
    let list = std::fs::read(list)?;
    let mut parts = list.split(|b| *b == 0);
    let mut commands: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while let (Some(dir), Some(text)) = (parts.next(), parts.next()) {
        let pair = (dir.to_vec(), text.to_vec());
        if !commands.contains(&pair) {
            commands.push(pair);
        }
    }
    let env: Vec<_> = std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect();
    let around = Surroundings::now();
    let mut store = Store::open(Path::new(dir), 16 << 20);
    store.clear()?;
    let (mut plain, mut watched_time, mut kept) = (Duration::ZERO, Duration::ZERO, 0);
    let mut keys = Vec::new();
    let mut all = Observations::default();
    for (dir, text) in &commands {
        let argv = vec![b"/bin/sh".to_vec(), b"-c".to_vec(), text.clone()];
        let question = Question {
            purpose: b"command",
            argv: &argv,
            dir,
            env: &env,
            streams: b"",
            version: b"",
        };
        let (query, label) = (question.query(&around), question.label());
        let at = Instant::now();
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(std::ffi::OsString::from_vec(text.clone()))
            .current_dir(std::ffi::OsString::from_vec(dir.clone()))
            .stdin(std::process::Stdio::null())
            .output()?;
        plain += at.elapsed();
        let at = Instant::now();
        let watched = watch(Command {
            program: argv[0].clone(),
            argv,
            env: env.clone(),
            dir: dir.clone(),
            stdin: Source::Null,
            stdout: Sink::Kept,
            stderr: Sink::Kept,
        })?;
        watched_time += at.elapsed();
        if (&output.stdout, &output.stderr, output.status)
            != (&watched.stdout, &watched.stderr, watched.status)
        {
            println!("differs: {}", String::from_utf8_lossy(&label));
        }
        match watched.seen {
            Ok(seen) => {
                kept += 1;
                if !seen.effects.is_empty() {
                    println!("{} effects: {}", seen.effects.len(), String::from_utf8_lossy(&label));
                }
                all.merge(seen.clone());
                let status = std::os::unix::process::ExitStatusExt::into_raw(watched.status);
                let (stdout, stderr) = (watched.stdout, watched.stderr);
                store.put(&query, Answer { label, status, stdout, stderr, seen });
                keys.push(query);
            }
            Err(why) => println!("opaque: {why}: {}", String::from_utf8_lossy(&label)),
        }
    }
    println!("{} commands, {kept} kept; plain {plain:?}, watched {watched_time:?}", commands.len());
    let whole = Query { key: Key(1), given: Given::default() };
    store.put(
        &whole,
        Answer {
            label: Vec::new(),
            status: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            seen: all.clone(),
        },
    );
    let at = Instant::now();
    store.save()?;
    println!(
        "saved {} bytes in {:?}; {} different facts",
        store.size(),
        at.elapsed(),
        all.facts.len()
    );
    for (what, keys) in [("all commands", &keys[..]), ("one answer for the run", &[whole][..])] {
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        let mut looks = 0;
        let mut stands = 0;
        for _ in 0..200 {
            let at = Instant::now();
            let mut store = Store::open(Path::new(dir), 16 << 20);
            let opened = at.elapsed();
            let mut checker = Checker::new(&RealEye);
            stands = 0;
            for key in keys {
                match store.get(key, &mut checker) {
                    Found::Stands(_) => stands += 1,
                    Found::Changed(changed) => println!("{changed}"),
                    _ => {}
                }
            }
            times.push((at.elapsed(), opened));
            looks = checker.looks();
        }
        times.sort();
        println!(
            "{what}: {stands} stand, {looks} stats, {:?} (of it reading {:?})",
            times[100].0, times[100].1
        );
    }
    Ok(())
}
