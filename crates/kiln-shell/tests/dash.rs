//! Every script that is run in process does what it does under dash: exit status, both outputs and
//! the files left behind. Or it is declined before anything happens.

#![allow(clippy::print_stderr)] // the counts of identical and declined lines are for a person

mod support;

use std::path::Path;

use support::{Bench, Generator};

const LINES: &str = include_str!("lines.txt");
const SCRIPTS: &str = include_str!("scripts.txt");
const DECLINED: &str = include_str!("declined.txt");

#[derive(Default)]
struct Counts {
    identical: usize,
    declined: usize,
    different: usize,
}

impl Counts {
    fn compare(&mut self, bench: &Bench, script: &[u8]) -> Option<&'static str> {
        let ours = match bench.ours(script) {
            Ok(ours) => ours,
            Err(declined) => {
                self.declined += 1;
                return Some(declined.0);
            }
        };
        let dash = bench.dash(script);
        if ours == dash {
            self.identical += 1;
        } else {
            self.different += 1;
            let script = String::from_utf8_lossy(script);
            eprintln!("DIFFERENT: {script}\n  dash {dash:#?}\n  ours {ours:#?}");
        }
        None
    }

    fn report(&self, what: &str) {
        let Counts { identical, declined, different } = self;
        eprintln!("{what}: {identical} identical, {declined} declined, {different} different");
        assert_eq!(*different, 0, "scripts that differ from dash");
    }
}

fn has_dash() -> bool {
    let there = Path::new("/usr/bin/dash").exists();
    if !there {
        eprintln!("skipped: no /usr/bin/dash to compare with");
        assert!(std::env::var_os("KILN_TESTS_COMPLETE").is_none(), "dash is required here");
    }
    there
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("## "))
}

#[test]
fn written_lines() {
    if !has_dash() {
        return;
    }
    let bench = Bench::new("lines");
    let mut counts = Counts::default();
    for script in lines(LINES).chain(SCRIPTS.split("\n%%\n")) {
        if let Some(why) = counts.compare(&bench, script.as_bytes()) {
            eprintln!("DECLINED ({why}): {script}");
        }
    }
    assert_eq!(counts.declined, 0, "a written line is declined");
    counts.report("written lines");
}

#[test]
fn declined_lines_stay_declined() {
    for script in lines(DECLINED) {
        assert!(kiln_shell::parse(script.as_bytes()).is_err(), "not declined: {script}");
    }
}

/// How many scripts to make up: enough to notice a mistake here, more where one asks for it.
fn generated_count() -> u64 {
    let asked = std::env::var("KILN_SHELL_GENERATED").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(150)
}

#[test]
fn generated_scripts() {
    if !has_dash() {
        return;
    }
    let bench = Bench::new("generated");
    let mut counts = Counts::default();
    let first = std::env::var("KILN_SHELL_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for number in first..first + generated_count() {
        let script = Generator::new(number).script();
        counts.compare(&bench, script.as_bytes());
    }
    assert!(counts.identical > counts.declined, "most generated scripts are declined");
    counts.report("generated scripts");
}

/// Recipe lines collected elsewhere, named by `KILN_SHELL_LINES`: records that a NUL byte parts,
/// each a directory, a byte 1 and the line, with `@W@` for the working directory. In it lie `m` (a
/// module), `k` (a header tree) and `c` (its common part), where every tool is a stand-in.
#[test]
fn collected_lines() {
    let Some(file) = std::env::var_os("KILN_SHELL_LINES") else {
        eprintln!("skipped: KILN_SHELL_LINES names no collected lines");
        return;
    };
    if !has_dash() {
        return;
    }
    let mut bench = Bench::new("collected");
    bench.fill = support::kernel_fixture;
    bench.own_programs_first();
    let work = bench.work().to_string_lossy().into_owned();
    let mut counts = Counts::default();
    let mut direct = 0;
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    for record in std::fs::read(file).expect("the collected lines").split(|b| *b == 0) {
        let text = String::from_utf8_lossy(record);
        let (start, line) = text.split_once('\x01').expect("a directory and a line");
        let line = line.replace("@W@", &work);
        let argv = kiln_shell::direct::argv(line.as_bytes(), b"/bin/sh", b"-c", None, false).argv;
        let Some((_, script)) = argv.script() else {
            direct += 1;
            continue;
        };
        bench.start = start.replace("@W@/", "");
        if let Some(why) = counts.compare(&bench, script) {
            *reasons.entry(why).or_default() += 1;
        }
    }
    eprintln!("collected lines: {direct} without a shell; declined for {reasons:?}");
    counts.report("collected lines");
}
