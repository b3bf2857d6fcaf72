//! What is said about a job, and its lines' text before expansion. It does not run anything.

use kiln_base::text::is_blank;
use kiln_graph::say::{self, message};
use kiln_graph::{Graph, Mtime, Result};
use kiln_make::Make;
use kiln_make::options::debug;

use crate::job::{Exec, Job, Line, Running, asks};

impl Exec {
    /// A line of `--debug=j` about a job's process.
    pub(crate) fn say_job(
        &self,
        make: &mut Make,
        graph: &Graph,
        job: &Job,
        what: &str,
        shown: Shown,
        end: &str,
    ) {
        if !asks(make, graph, debug::JOBS) {
            return;
        }
        let Line::Running(Running::Process(process)) = &job.line else { return };
        let mut line = format!("{what} child {:#x} ", address(job)).into_bytes();
        if shown == Shown::Name {
            line.push(b'(');
            line.extend_from_slice(make.file_name(job.file));
            line.extend_from_slice(b") ");
        }
        line.extend_from_slice(format!("PID {}{end}", process.pid()).as_bytes());
        say::debug_line(make, 0, &[&line]);
    }

    pub(crate) fn say_token(&self, make: &mut Make, graph: &Graph, job: &Job, what: &str) {
        if asks(make, graph, debug::JOBS) {
            let before = format!("{what} token for child {:#x} (", address(job));
            let name = make.file_name(job.file).to_vec();
            say::debug_line(make, 0, &[before.as_bytes(), &name, b").\n"]);
        }
    }

    /// `--trace`: why this recipe runs.
    pub(crate) fn trace(&mut self, make: &mut Make, graph: &mut Graph, job: &Job) -> Result<()> {
        if !asks(make, graph, debug::WHY) {
            return Ok(());
        }
        let f = job.file;
        let place = say::place(make, job.recipe.loc, 0).unwrap_or_else(|| b"<builtin>".to_vec());
        let why = if make.files[f].phony {
            b"target is .PHONY".to_vec()
        } else if graph.known_mtime(f) == Mtime::Nonexistent {
            b"target does not exist".to_vec()
        } else {
            let newer = make.expand_for(b"$?", Some(f), None)?;
            let missing: Vec<Vec<u8>> = make.files[f]
                .deps
                .iter()
                .filter_map(|d| d.file)
                .filter(|&d| graph.known_mtime(d) == Mtime::Nonexistent)
                .map(|d| make.file_name(d).to_vec())
                .collect();
            match (newer.is_empty(), missing.is_empty()) {
                (false, _) => newer,
                (true, false) => missing.join(&b' '),
                (true, true) => b"unknown reasons".to_vec(),
            }
        };
        let name = make.file_name(f).to_vec();
        let text = [&place[..], b": update target '", &name, b"' due to: ", &why].concat();
        message(make, false, &text);
        Ok(())
    }
}

/// Whether a line about a job names its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Name,
    Number,
}

/// Make shows where a job lies in memory; all that matters is that each job has a number of its own.
fn address(job: &Job) -> usize {
    job.lines.as_ptr() as usize
}

/// Backslash-newlines within variable references become single spaces: the functions there are not
/// to see them. Elsewhere they stay, for the echo and for the shell.
pub(crate) fn collapse_in_references(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    while let Some(i) = line[at..].iter().position(|&b| b == b'$') {
        let after = at + i + 1;
        out.extend_from_slice(&line[at..after]);
        at = after;
        let (open, close) = match line.get(at) {
            Some(b'(') => (b'(', b')'),
            Some(b'{') => (b'{', b'}'),
            _ => continue,
        };
        out.push(open);
        at += 1;
        let inside = out.len();
        let mut depth = 0;
        while let Some(&b) = line.get(at) {
            if b == close {
                depth -= 1;
                if depth < 0 {
                    break;
                }
            }
            if b == b'\\' && line.get(at + 1) == Some(&b'\n') {
                let before = line[after + 1..at].iter().rev().take_while(|&&c| c == b'\\').count();
                if before % 2 == 1 {
                    out.push(b);
                    at += 1;
                    continue;
                }
                at += 2;
                while line.get(at).is_some_and(|&c| is_blank(c)) {
                    at += 1;
                }
                while out.len() > inside && is_blank(out[out.len() - 1]) {
                    out.pop();
                }
                out.push(b' ');
                continue;
            }
            if b == open {
                depth += 1;
            }
            out.push(b);
            at += 1;
        }
    }
    out.extend_from_slice(&line[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::collapse_in_references;

    #[test]
    fn continued_lines_collapse_only_within_references() {
        let text = b"a \\\n b $(x  \\\n\t y (\\\n)) $$ \\\n c";
        assert_eq!(collapse_in_references(text), b"a \\\n b $(x y ( )) $$ \\\n c");
        assert_eq!(collapse_in_references(b"$(x \\\\\n y)"), b"$(x \\\\\n y)");
        assert_eq!(collapse_in_references(b"${a"), b"${a");
    }
}
