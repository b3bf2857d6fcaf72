//! `cargo xtask tidy`: the repository's own rules, each a check with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tally::Tally;

/// Who may know whom (ARCHITECTURE.md). A crate that is not named here may be known by nobody.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("kiln-base", &[]),
    ("kiln-make", &["kiln-base"]),
    ("kiln-shell", &["kiln-base"]),
    ("kiln-modtools", &["kiln-base"]),
    ("kiln-tree", &["kiln-base"]),
    ("kiln-watch", &["kiln-base"]),
    ("kiln-graph", &["kiln-base", "kiln-make"]),
    ("kiln-exec", &["kiln-base", "kiln-make", "kiln-graph", "kiln-shell"]),
    (
        "kiln-session",
        &[
            "kiln-base",
            "kiln-make",
            "kiln-graph",
            "kiln-exec",
            "kiln-shell",
            "kiln-modtools",
            "kiln-tree",
            "kiln-watch",
        ],
    ),
    // `kiln make --verify` is the harness, for any build of a user.
    ("kiln", &["kiln-base", "kiln-session", "kiln-modtools", "kiln-tree", "kiln-testkit"]),
    ("kiln-testkit", &["kiln-base"]),
    ("kiln-conformance", &["kiln-testkit"]),
];

/// A file beyond this holds two subjects.
const MOST_LINES: usize = 800;

/// Runs the checks.
pub fn run() -> Result<bool, String> {
    let top = kiln_conformance::repository();
    let files = tracked(&top)?;
    let mut tally = Tally::default();
    let checks: [(&str, Vec<String>); 5] = [
        ("direction of dependencies", directions(&top, &files)),
        ("paths of this machine", machine_paths(&top, &files)),
        ("hosts of registries", hosts(&top, &files)),
        ("size and head of files", shapes(&top, &files)),
        ("licence", licences(&top, &files)),
    ];
    for (name, wrong) in checks {
        for w in &wrong {
            println!("FAILED tidy: {name}: {w}");
        }
        tally.count(wrong.is_empty());
    }
    Ok(tally.close())
}

fn tracked(top: &Path) -> Result<Vec<PathBuf>, String> {
    let o = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(top)
        .output()
        .map_err(|e| format!("git: {e}"))?;
    if !o.status.success() {
        return Err(String::from_utf8_lossy(&o.stderr).into_owned());
    }
    let names = String::from_utf8_lossy(&o.stdout).into_owned();
    let exists = |p: &PathBuf| top.join(p).is_file();
    Ok(names.split('\0').filter(|n| !n.is_empty()).map(PathBuf::from).filter(exists).collect())
}

fn text(top: &Path, file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(top.join(file)).unwrap_or_default()).into_owned()
}

/// The crates form the pipeline that ARCHITECTURE.md draws; an arrow the other way would tie two
/// rooms together.
fn directions(top: &Path, files: &[PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.ends_with("Cargo.toml")) {
        let manifest = text(top, file);
        let Some(name) = manifest.lines().find_map(|l| l.strip_prefix("name = ")) else { continue };
        let name = name.trim_matches('"');
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(n, _)| *n == name) else { continue };
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line.trim();
            }
            let key = line.split(['.', ' ', '=']).next().unwrap_or_default();
            // Tests may use the test kit.
            let counts = section == "[dependencies]"
                || (section == "[dev-dependencies]" && key != "kiln-testkit");
            let own = key == "kiln" || key.starts_with("kiln-");
            if counts && own && !allowed.contains(&key) {
                wrong.push(format!("{name} may not know {key}"));
            }
        }
    }
    wrong
}

/// What is committed must work anywhere.
fn machine_paths(top: &Path, files: &[PathBuf]) -> Vec<String> {
    let mut here: BTreeSet<String> = BTreeSet::new();
    here.insert(format!("{}/", top.display()));
    let usual = ["usr", "home", "root", "tmp", "var", "opt", "src", "etc", "mnt", "srv", "build"];
    let first = top.components().nth(1).map(|c| c.as_os_str().to_string_lossy().into_owned());
    if let Some(first) = first.filter(|f| !usual.contains(&f.as_str())) {
        here.insert(format!("/{first}/"));
    }
    let mut wrong = Vec::new();
    for file in files {
        for (i, line) in text(top, file).lines().enumerate() {
            for path in &here {
                let at_start = |at: usize| {
                    let before = line.get(..at).and_then(|b| b.chars().next_back());
                    !before.is_some_and(|c| c.is_alphanumeric() || "_.-$})*".contains(c))
                };
                if line.match_indices(path.as_str()).any(|(at, _)| at_start(at)) {
                    wrong.push(format!("{}:{}: {path}", file.display(), i + 1));
                }
            }
        }
    }
    wrong
}

/// Where packages come from is the machine's business.
fn hosts(top: &Path, files: &[PathBuf]) -> Vec<String> {
    let hosts: BTreeSet<String> = kiln_testkit::fetch::mirrors()
        .iter()
        .filter_map(|m| m.split("://").nth(1)?.split('/').next().map(str::to_owned))
        .collect();
    let mut wrong = Vec::new();
    for file in files {
        let text = text(top, file);
        for host in hosts.iter().filter(|h| text.contains(h.as_str())) {
            wrong.push(format!("{}: {host}", file.display()));
        }
    }
    wrong
}

/// A reader must be able to hold a file in mind, and its head says what it is about.
fn shapes(top: &Path, files: &[PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
        let text = text(top, file);
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
        let head = text.lines().find(|l| !l.is_empty() && !l.starts_with("#!["));
        if !head.is_some_and(|l| l.starts_with("//!")) {
            wrong.push(format!("{}: does not begin with what it is about", file.display()));
        }
        // In pieces, so that this file does not find itself.
        for mark in [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[ig", "nore")]
        {
            if text.contains(mark) {
                wrong.push(format!("{}: {mark}", file.display()));
            }
        }
    }
    wrong
}

/// Everything is under one licence, and every package says so.
fn licences(top: &Path, files: &[PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text(top, Path::new("LICENSE")).contains("GNU GENERAL PUBLIC LICENSE") {
        wrong.push("LICENSE is not the GPL's text".to_owned());
    }
    if !text(top, Path::new("Cargo.toml")).contains("license = \"GPL-2.0-or-later\"") {
        wrong.push("the workspace does not say its licence".to_owned());
    }
    for file in files.iter().filter(|f| f.ends_with("Cargo.toml")) {
        let manifest = text(top, file);
        if manifest.contains("[package]")
            && !manifest.contains("license.workspace = true")
            && !manifest.contains("license = \"GPL-2.0-or-later\"")
        {
            wrong.push(format!("{}: no licence", file.display()));
        }
    }
    for file in files.iter().filter(|f| f.starts_with("examples")) {
        let c = file.extension().is_some_and(|e| e == "c" || e == "h");
        if c && !text(top, file).contains("SPDX-License-Identifier: GPL-2.0-or-later") {
            wrong.push(format!("{}: no licence", file.display()));
        }
    }
    wrong
}
