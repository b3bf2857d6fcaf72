//! What the documents show is what the commands in them print.

#![cfg(target_arch = "x86_64")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The fenced blocks of a text in a language, or in another that follows: language and lines without
/// the indentation of the fence.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut inside: Option<usize> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        match (bare.strip_prefix("```"), inside) {
            (Some(language), None) => {
                found.push((language, String::new()));
                inside = Some(line.len() - bare.len());
            }
            (Some(_), Some(_)) => inside = None,
            (None, Some(indent)) => {
                let block = &mut found.last_mut().expect("a block was begun").1;
                block.push_str(line.get(indent..).unwrap_or_default());
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn versions_of_symbols() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/internals/modversions.md");
    let text = fs::read_to_string(docs).unwrap();
    let blocks = blocks(&text);
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_kiln"), bin.join("kiln")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut ran = 0;
    for pair in blocks.windows(2).filter(|pair| pair[0].0 == "sh") {
        let [(_, commands), (language, shown)] = pair else { continue };
        assert_eq!(*language, "text", "what these print is not shown:\n{commands}");
        let done = Command::new("sh")
            .args(["-e", "-c", commands])
            .current_dir(dir.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("LC_ALL", "C")
            .env_remove("KILN_KERNEL")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{commands}\n{said}");
        assert_eq!(String::from_utf8_lossy(&done.stdout), *shown, "{commands}");
        ran += 1;
    }
    assert_eq!(ran, 9, "blocks of commands");
}
