//! What a tree's program and Kiln's own did, compared, and the report where they differ.
//!
//! It does not know which programs are tried, nor what follows from the verdict.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kiln_exec::hooks::Env;
use kiln_exec::program::Ran;
use kiln_modtools::{Host, Ranged};

use crate::toolhost::ToolHost;

/// More than this of any text or file is not put into a report.
const MOST: usize = 4096;

/// The real files for reading; what is written stays in memory.
pub(super) struct Memory {
    pub(super) real: ToolHost,
    written: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Memory {
    pub(super) fn new(dir: PathBuf, env: Env, input: &[u8]) -> Self {
        let mut real = ToolHost::new(dir, env);
        real.in_place = true;
        real.input = Some(input.to_vec());
        Memory { real, written: Vec::new() }
    }

    /// Whether nothing was said and nothing written.
    pub(super) fn did_nothing(&self) -> bool {
        self.real.out.is_empty() && self.real.err.is_empty() && self.written.is_empty()
    }

    /// Where this run and the original's, which has left its files, are not the same: nothing if they
    /// are, else what a report says of it.
    pub(super) fn against(&mut self, theirs: &Ran, status: i32) -> Option<String> {
        let mut text = String::new();
        if theirs.status != Some(status) {
            let told = theirs.status.map_or("a signal".to_owned(), |s| s.to_string());
            text.push_str(&format!("exit status: the tree's {told}, Kiln's {status}\n"));
        }
        let streams = [
            ("standard output", &theirs.stdout, &self.real.out),
            ("standard error", &theirs.stderr, &self.real.err),
        ];
        for (name, theirs, ours) in streams {
            describe(name, Some(theirs), ours, &mut text);
        }
        for (path, ours) in &self.written {
            let theirs = fs::read(self.real.dir.join(Path::new(std::ffi::OsStr::from_bytes(path))));
            let name = String::from_utf8_lossy(path);
            describe(&name, theirs.ok().as_deref(), ours, &mut text);
        }
        (!text.is_empty()).then_some(text)
    }
}

/// Adds what is different between two texts.
fn describe(name: &str, theirs: Option<&[u8]>, ours: &[u8], text: &mut String) {
    let Some(theirs) = theirs else {
        text.push_str(&format!(
            "{name}: Kiln writes it ({} bytes), the tree's does not\n",
            ours.len()
        ));
        return;
    };
    let Some(at) = (0..theirs.len().max(ours.len())).find(|&i| theirs.get(i) != ours.get(i)) else {
        return;
    };
    let line = theirs[..at.min(theirs.len())].iter().filter(|&&b| b == b'\n').count() + 1;
    text.push_str(&format!(
        "{name}: {} bytes by the tree's, {} by Kiln's, first difference at byte {at}, line {line}\n",
        theirs.len(),
        ours.len()
    ));
    for (who, all) in [("tree's", theirs), ("Kiln's", ours)] {
        let from = all[..at.min(all.len())].iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
        let part = &all[from..all.len().min(from + MOST)];
        let lines = String::from_utf8_lossy(part);
        for line in lines.lines().take(5) {
            text.push_str(&format!("  {who}: {line}\n"));
        }
    }
}

impl Host for Memory {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        match self.written.iter().find(|(name, _)| name == path) {
            Some((_, bytes)) => Ok(bytes.clone()),
            None => self.real.read(path),
        }
    }

    fn open(&mut self, path: &[u8]) -> io::Result<Box<dyn Ranged>> {
        match self.written.iter().find(|(name, _)| name == path) {
            Some((_, bytes)) => Ok(Box::new(bytes.clone())),
            None => self.real.open(path),
        }
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        match self.written.iter_mut().find(|(name, _)| name == path) {
            Some((_, kept)) => *kept = bytes.to_vec(),
            None => self.written.push((path.to_vec(), bytes.to_vec())),
        }
        Ok(())
    }

    fn beyond(&mut self) {
        self.real.beyond();
    }

    fn takes_chance(&self) -> bool {
        self.real.takes_chance()
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        self.real.stdin()
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.real.stdout(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.real.stderr(bytes);
    }

    fn env(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.real.env(name)
    }
}
