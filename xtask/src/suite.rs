//! `cargo xtask gnu-make-suite`: GNU make's own regression suite, run from outside.
//!
//! The suite comes from the distribution's source package and stays in the cache; nothing of it is in
//! the repository. It is Perl, wants a user who is not root and few open files, and works in the
//! directory it stands in, so each job has a copy of it. What is expected of each of its files is
//! recorded in `tests/gnu-make-suite.txt`: a line `category/file PASSED OF`, where OF is what GNU make
//! 4.4.1 passes, or `category/file out-of-scope`, and after `#` a reason.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_conformance::repository;
use kiln_testkit::{cache, host, place, reference};

use crate::options::Options;
use crate::tally::Tally;

/// Out of scope by agreement: archives, loadable objects, Guile, VMS.
const OUT_OF_SCOPE: &[&str] =
    &["features/archives", "features/load", "features/loadapi", "functions/guile", "vms/"];

/// How many cases of a file passed, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: usize,
    of: usize,
}

/// A line of the record.
#[derive(Debug, Clone)]
struct Line {
    expected: Option<Count>,
    reason: String,
}

/// Runs what is asked for.
pub fn run(options: &Options) -> Result<bool, String> {
    let record_path = repository().join("tests/gnu-make-suite.txt");
    let record = read_record(&fs::read_to_string(&record_path).unwrap_or_default());
    let source = reference::source()?.join("tests");
    let program = program_copy(&options.program())?;
    let files: Vec<String> = files(&source.join("scripts"))?
        .into_iter()
        .filter(|f| options.wants(f))
        .filter(|f| options.record || !matches!(record.get(f), Some(Line { expected: None, .. })))
        .collect();
    if options.list {
        files.iter().for_each(|f| println!("{f}"));
        return Ok(true);
    }
    // Results in the order of the files, whoever comes first.
    let results: Mutex<BTreeMap<String, Option<Count>>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let jobs = options.jobs();
    let dirs: Vec<PathBuf> =
        (0..jobs).map(|n| job_dir(&source, n)).collect::<Result<_, String>>()?;
    std::thread::scope(|s| {
        for dir in &dirs {
            s.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (count, said) = run_file(dir, &program, file);
                    if let Ok(mut r) = results.lock() {
                        if as_recorded(count, record.get(file)) {
                            tell(file, count, record.get(file), &said, options);
                        }
                        r.insert(file.clone(), count);
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().map_err(|e| e.to_string())?;
    // Some cases wait for seconds to pass and cannot bear a neighbour that takes the processor, so what
    // was not as recorded is run again by itself; that result counts.
    for (file, count) in &mut results {
        if !as_recorded(*count, record.get(file)) {
            println!("again, alone: {file}");
            let (found, said) = run_file(&dirs[0], &program, file);
            tell(file, found, record.get(file), &said, options);
            *count = found;
        }
    }
    if options.record {
        let all = merge(&record, &results);
        fs::write(&record_path, all).map_err(|e| e.to_string())?;
        println!("written: {}", record_path.display());
        return Ok(true);
    }
    let good = summary(&record, &results, options);
    if good {
        // What a failed file left behind is wanted for looking at.
        let _ =
            fs::remove_dir_all(cache::work_root().join(format!("suite/{}", std::process::id())));
    }
    Ok(good)
}

fn as_recorded(count: Option<Count>, line: Option<&Line>) -> bool {
    count.map(|c| c.passed) == line.and_then(|l| l.expected).map(|c| c.passed)
}

fn tell(file: &str, count: Option<Count>, line: Option<&Line>, said: &str, options: &Options) {
    let found = match count {
        Some(c) => format!("{}/{}", c.passed, c.of),
        None => "N/A".to_owned(),
    };
    let expected = line.and_then(|l| l.expected);
    let good = as_recorded(count, line);
    if good && options.quiet {
        return;
    }
    match (good, expected) {
        (true, _) => println!("as recorded  {file} {found}"),
        (false, Some(e)) => println!("FAILED  {file} {found}, recorded {}/{}", e.passed, e.of),
        (false, None) => println!("FAILED  {file} {found}, not recorded"),
    }
    // One file was asked for by name: then what it said is wanted.
    if !good && options.names.iter().any(|n| n == file) {
        println!("{said}");
    }
}

fn summary(
    record: &BTreeMap<String, Line>,
    results: &BTreeMap<String, Option<Count>>,
    options: &Options,
) -> bool {
    let mut tally = Tally::default();
    let mut categories: BTreeMap<&str, Count> = BTreeMap::new();
    for (file, found) in results {
        let expected = record.get(file).and_then(|l| l.expected);
        let passed = found.map_or(0, |c| c.passed);
        let recorded = expected.map_or(0, |c| c.passed);
        tally.passed += passed.min(recorded);
        tally.failed += passed.abs_diff(recorded);
        let known = expected.map_or(0, |c| c.of.saturating_sub(c.passed));
        tally.skipped += known;
        let category = file.split('/').next().unwrap_or(file);
        let sum = categories.entry(category).or_insert(Count { passed: 0, of: 0 });
        sum.passed += passed;
        sum.of += expected.or(*found).map_or(0, |c| c.of);
    }
    let mut all = Count { passed: 0, of: 0 };
    for (category, c) in &categories {
        println!("{category}: {} of {}", c.passed, c.of);
        all.passed += c.passed;
        all.of += c.of;
    }
    println!("in scope: {} of {}", all.passed, all.of);
    if options.names.is_empty() {
        for file in record.keys().filter(|f| record[*f].expected.is_some()) {
            if !results.contains_key(file) {
                println!("FAILED  {file}: recorded, but the suite has no such file");
                tally.failed += 1;
            }
        }
    }
    tally.close()
}

fn read_record(text: &str) -> BTreeMap<String, Line> {
    let mut record = BTreeMap::new();
    for line in text.lines() {
        let (facts, reason) = line.split_once('#').unwrap_or((line, ""));
        let words: Vec<&str> = facts.split_whitespace().collect();
        let expected = match words.as_slice() {
            [_, passed, of] => match (passed.parse(), of.parse()) {
                (Ok(passed), Ok(of)) => Some(Count { passed, of }),
                _ => continue,
            },
            [_, "out-of-scope"] => None,
            _ => continue,
        };
        let line = Line { expected, reason: reason.trim().to_owned() };
        record.insert(words[0].to_owned(), line);
    }
    record
}

/// The record with new results. What GNU make passes stays as it was recorded once: a file that dies
/// early says too small a number.
fn merge(record: &BTreeMap<String, Line>, results: &BTreeMap<String, Option<Count>>) -> String {
    let mut all: BTreeMap<&str, Line> =
        record.iter().map(|(f, l)| (f.as_str(), l.clone())).collect();
    for (file, found) in results {
        let scope =
            !OUT_OF_SCOPE.iter().any(|o| file == o || (o.ends_with('/') && file.starts_with(o)));
        let old = all.get(file.as_str());
        let of = old.and_then(|l| l.expected).map(|c| c.of).or(found.map(|c| c.of)).unwrap_or(0);
        let expected = scope.then(|| Count { passed: found.map_or(0, |c| c.passed), of });
        let reason = old.map(|l| l.reason.clone()).unwrap_or_default();
        all.insert(file, Line { expected, reason });
    }
    let mut text = String::from(
        "# What is expected of each file of GNU make 4.4.1's test suite: how many of its cases pass, and\n\
         # of how many. `cargo xtask gnu-make-suite` fails where it finds anything else, also a case that\n\
         # passes and is not recorded here; `--record` writes what it finds.\n",
    );
    for (file, line) in all {
        match line.expected {
            Some(c) => text.push_str(&format!("{file} {} {}", c.passed, c.of)),
            None => text.push_str(&format!("{file} out-of-scope")),
        }
        if !line.reason.is_empty() {
            text.push_str(&format!(" # {}", line.reason));
        }
        text.push('\n');
    }
    text
}

/// The suite's files as `category/file`, sorted.
fn files(scripts: &Path) -> Result<Vec<String>, String> {
    let mut list = Vec::new();
    let said = |e: std::io::Error| format!("{}: {e}", scripts.display());
    for category in fs::read_dir(scripts).map_err(said)?.filter_map(Result::ok) {
        if !category.path().is_dir() {
            continue;
        }
        let head = category.file_name().to_string_lossy().into_owned();
        for file in fs::read_dir(category.path()).map_err(said)?.filter_map(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.ends_with('~') && !name.starts_with('.') && !name.ends_with(".bak") {
                list.push(format!("{head}/{name}"));
            }
        }
    }
    list.sort();
    Ok(list)
}

/// The suite names the program by its file name, so the copy is called make.
fn program_copy(program: &Path) -> Result<PathBuf, String> {
    let dir = cache::work_root().join(format!("suite/{}/program", std::process::id()));
    let said = |e: std::io::Error| format!("{}: {e}", program.display());
    fs::create_dir_all(&dir).map_err(said)?;
    let path = dir.join("make");
    fs::copy(program, &path).map_err(said)?;
    Ok(path)
}

/// A copy of the suite for one job, belonging to the user that runs it. The suite looks for its helper
/// by way of a header in the folder beside it.
fn job_dir(source: &Path, n: usize) -> Result<PathBuf, String> {
    let base = cache::work_root().join(format!("suite/{}/job{n}", std::process::id()));
    let dir = base.join("tests");
    let said = |e: std::io::Error| format!("{}: {e}", dir.display());
    let _ = fs::remove_dir_all(&base);
    for d in [&dir, &base.join("src")] {
        fs::create_dir_all(d).map_err(said)?;
    }
    let header = Path::new("src/gnumake.h");
    let from = source.parent().unwrap_or(source).join(header);
    fs::copy(from, base.join(header)).map_err(said)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).map_err(said)?;
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(source.join(".")).arg(&dir);
    if !copy.status().map_err(said)?.success() {
        return Err(format!("cannot copy {}", source.display()));
    }
    let flags = fs::read_to_string(dir.join("config-flags.pm.in")).map_err(said)?;
    fs::write(dir.join("config-flags.pm"), filled(&flags)).map_err(said)?;
    if host::is_root() {
        let owner = format!("{}:{}", place::NOBODY, place::NOBODY);
        let mut own = Command::new("chown");
        own.args(["-R", &owner]).arg(&dir);
        if !own.status().map_err(said)?.success() {
            return Err(format!("cannot give {} away", dir.display()));
        }
    }
    Ok(dir)
}

/// The template with what configure would put in.
fn filled(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let name: String =
            tail.chars().skip(1).take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        if name.is_empty() || !tail[1 + name.len()..].starts_with('@') {
            out.push('@');
            rest = &tail[1..];
            continue;
        }
        out.push_str(match name.as_str() {
            "USE_SYSTEM_GLOB" => "yes",
            "CC" => "gcc",
            "AR" => "ar",
            "CFLAGS" => "-g -O2",
            _ => "",
        });
        rest = &tail[name.len() + 2..];
    }
    out + rest
}

/// Runs one file; `None` where the suite says that it does not apply.
fn run_file(dir: &Path, program: &Path, file: &str) -> (Option<Count>, String) {
    let line = "ulimit -n 512; exec timeout -k 5 300 perl ./run_make_tests.pl -make \"$@\" 2>&1";
    let mut c = if host::is_root() {
        let id = place::NOBODY.to_string();
        let mut c = Command::new("setpriv");
        c.args(["--reuid", &id, "--regid", &id, "--clear-groups", "env"]);
        c
    } else {
        Command::new("env")
    };
    c.args(["--default-signal", "sh", "-c", line, "sh"]).arg(program).arg(file);
    c.current_dir(dir).stdin(Stdio::null()).env_clear();
    c.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", dir).env("TMPDIR", dir);
    let said = match c.output() {
        Ok(o) => String::from_utf8_lossy(&o.stdout).into_owned(),
        Err(e) => e.to_string(),
    };
    (parse(&said, file), said)
}

/// Reads the suite's line about a file.
fn parse(said: &str, file: &str) -> Option<Count> {
    let none = Some(Count { passed: 0, of: 0 });
    let Some(at) = said.find(&format!("{file} .")) else { return none };
    let mut found = none;
    for line in said[at..].lines() {
        let number = |t: &str| -> Option<usize> {
            let start = t.find(|c: char| c.is_ascii_digit())?;
            let digits: String = t[start..].chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        if let Some((_, tail)) = line.split_once("FAILED (") {
            let (a, b) = tail.split_once('/').unwrap_or((tail, ""));
            let (passed, of) = (number(a).unwrap_or(0), number(b).unwrap_or(0));
            found = Some(Count { passed, of });
        } else if let Some((_, tail)) = line.split_once("ok     (") {
            let n = number(tail).unwrap_or(0);
            found = Some(Count { passed: n, of: n });
        } else if line.ends_with("N/A") {
            found = None;
        } else {
            continue;
        }
        break;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_suites_lines() {
        let c = |passed, of| Some(Count { passed, of });
        assert_eq!(parse("x\na/b ..... ok     (7 passed)\n", "a/b"), c(7, 7));
        assert_eq!(parse("a/b ... noise\nFAILED (3/9 passed)\n", "a/b"), c(3, 9));
        assert_eq!(parse("a/b ..... N/A\n", "a/b"), None);
        assert_eq!(parse("a/b ..... FAILED (no tests found!)\n", "a/b"), c(0, 0));
        assert_eq!(parse("nothing", "a/b"), c(0, 0));
    }

    #[test]
    fn record_is_read_back() {
        let text = "# head\na/b 3 4 # since\nc/d out-of-scope\n";
        let record = read_record(text);
        let again = merge(&record, &BTreeMap::new());
        assert!(again.ends_with("a/b 3 4 # since\nc/d out-of-scope\n"), "{again}");
    }

    #[test]
    fn template_is_filled() {
        assert_eq!(filled("'@CC@' x@y @X_Y@."), "'gcc' x@y .");
    }
}
