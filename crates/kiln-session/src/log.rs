//! What was told of one run: its jobs, their commands and when, what they needed, and the path through
//! them that the run's length hung on. It writes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kiln_exec::observe::How;

/// One run.
#[derive(Clone, Debug)]
pub struct Log {
    /// When it began.
    pub begin: Instant,
    /// When it ended.
    pub end: Instant,
    /// By number, which is also the order in which they began.
    pub jobs: BTreeMap<u64, Job>,
    /// The `$(shell …)` calls.
    pub shells: Vec<Shell>,
}

/// A recipe that ran.
#[derive(Clone, Debug)]
pub struct Job {
    /// The target as make names it.
    pub name: String,
    /// Why it was remade, as a clause.
    pub why: String,
    /// The job of a recursive make whose instance this is in; 0 for the first instance.
    pub parent: u64,
    /// Jobs that made what it needs.
    pub needs: Vec<u64>,
    /// Its commands in order.
    pub commands: Vec<Command>,
}

/// A command of a recipe.
#[derive(Clone, Debug)]
pub struct Command {
    /// What it is, shortly: `CC [M]`, or the program's name.
    pub label: String,
    /// How it was run.
    pub how: How,
    /// When it began.
    pub begin: Instant,
    /// When its end was noticed.
    pub end: Option<Instant>,
    /// It went well.
    pub success: bool,
}

/// A `$(shell …)`.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The command.
    pub text: String,
    /// As [`Job::parent`].
    pub parent: u64,
    /// When it began.
    pub begin: Instant,
    /// When its answer was there.
    pub end: Instant,
    /// It was answered from what was seen before.
    pub answered: bool,
}

impl Command {
    /// A command about to be started.
    #[must_use]
    pub fn begin(argv: &[Vec<u8>]) -> Self {
        let label = label(argv);
        let how = How::Process;
        Command { label, how, begin: Instant::now(), end: None, success: false }
    }

    /// How long it ran.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.end.map_or(Duration::ZERO, |end| end - self.begin)
    }
}

/// The word that kbuild prints for a command (`CC [M]`), else the first program that does something.
fn label(argv: &[Vec<u8>]) -> String {
    let text = String::from_utf8_lossy(argv.last().map_or(&b""[..], Vec::as_slice)).into_owned();
    if let Some((_, rest)) = text.split_once("echo '  ") {
        let loud = |w: &&str| w.chars().all(|c| c.is_ascii_uppercase() || "[]_-".contains(c));
        let words: Vec<&str> = rest.split(' ').take_while(loud).take(2).collect();
        let word = words.join(" ");
        if !word.trim().is_empty() {
            return word.trim().to_owned();
        }
    }
    let is_shell = argv.len() > 2 && argv.iter().any(|w| w == b"-c" || w == b"-ec");
    let first = if is_shell {
        // Whatever stands between single quotes starts nothing.
        let bare: String = text.split('\'').step_by(2).collect();
        let mut parts = bare.split([';', '\n']).filter_map(program);
        parts.next().unwrap_or("sh").to_owned()
    } else {
        String::from_utf8_lossy(argv.first().map_or(&b""[..], Vec::as_slice)).into_owned()
    };
    first.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The program that a part of a shell's text starts, behind the shell's own words; `None` where it
/// starts none that says anything.
fn program(part: &str) -> Option<&str> {
    const BEFORE: [&str; 10] = ["{", "(", "!", "if", "then", "else", "elif", "do", "while", "exec"];
    const NOTHING: [&str; 12] =
        ["set", "trap", "echo", ":", "[", "test", "true", "}", ")", "fi", "done", "for"];
    let first = part.split_whitespace().find(|w| !BEFORE.contains(w))?;
    // An assignment in front, or a redirection, is no name either.
    (!NOTHING.contains(&first) && !first.contains(['=', '<', '>'])).then_some(first)
}

impl Job {
    /// Whether a command of it was a make within this run: then the jobs of that one are what ran.
    #[must_use]
    pub fn is_make(&self) -> bool {
        self.commands.iter().any(|c| c.how == How::SubMake)
    }

    /// When its first command began.
    #[must_use]
    pub fn begin(&self) -> Option<Instant> {
        self.commands.first().map(|c| c.begin)
    }

    /// When its last command ended.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        self.commands.last().and_then(|c| c.end)
    }
}

impl Log {
    /// A run that begins now.
    #[must_use]
    pub fn begin() -> Self {
        let now = Instant::now();
        Log { begin: now, end: now, jobs: BTreeMap::new(), shells: Vec::new() }
    }

    /// The jobs that the run's length hung on, first to last: the one that ended last, of those that it
    /// needed the one that ended last, and so on.
    #[must_use]
    pub fn critical_path(&self) -> Vec<u64> {
        let mut below: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (&n, job) in &self.jobs {
            below.entry(job.parent).or_default().push(n);
        }
        let mut path = Vec::new();
        let mut next = self.last_of(below.get(&0).map_or(&[][..], Vec::as_slice), &below, None);
        while let Some(n) = next {
            // Jobs come before what needs them, so this ends; a log that says otherwise is cut.
            if path.contains(&n) || path.len() > self.jobs.len() {
                break;
            }
            path.push(n);
            next = self.before(n, &below);
        }
        path.reverse();
        path
    }

    /// What a job had to wait for.
    fn before(&self, n: u64, below: &BTreeMap<u64, Vec<u64>>) -> Option<u64> {
        let mut n = n;
        loop {
            let job = self.jobs.get(&n)?;
            if let Some(found) = self.last_of(&job.needs, below, None) {
                return Some(found);
            }
            // The first in its make: that one waited for the lines of its recipe before, or for what
            // its own target needed.
            let parent = self.jobs.get(&job.parent)?;
            let began = job.begin()?;
            let line = parent.commands.iter().rfind(|c| c.begin <= began).map(|c| c.begin);
            let siblings = below.get(&job.parent).map_or(&[][..], Vec::as_slice);
            if let Some(found) = self.last_of(siblings, below, line) {
                return Some(found);
            }
            n = job.parent;
        }
    }

    /// Of some jobs, or of those below them where they are makes, the one that ended last; with
    /// `until`, of those that had ended by then.
    fn last_of(
        &self,
        jobs: &[u64],
        below: &BTreeMap<u64, Vec<u64>>,
        until: Option<Instant>,
    ) -> Option<u64> {
        let mut best: Option<(Instant, u64)> = None;
        let mut open = jobs.to_vec();
        while let Some(n) = open.pop() {
            let Some(job) = self.jobs.get(&n) else { continue };
            if job.is_make() {
                open.extend(below.get(&n).into_iter().flatten());
                continue;
            }
            let Some(end) = job.end() else { continue };
            if until.is_none_or(|u| end <= u) && best.is_none_or(|b| (end, n) > b) {
                best = Some((end, n));
            }
        }
        best.map(|b| b.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(log: &Log, parent: u64, needs: &[u64], spans: &[(u64, u64, How)]) -> Job {
        let at = |ms| log.begin + Duration::from_millis(ms);
        let command = |&(b, e, how): &(u64, u64, How)| Command {
            label: "x".into(),
            how,
            begin: at(b),
            end: Some(at(e)),
            success: true,
        };
        let commands = spans.iter().map(command).collect();
        Job { name: String::new(), why: String::new(), parent, needs: needs.to_vec(), commands }
    }

    #[test]
    fn the_path_leads_through_needs_and_into_makes() {
        let mut log = Log::begin();
        let p = How::Process;
        // 1 is a make with two objects (2 quick, 3 slow) and their link (4); 5 needs it.
        log.jobs.insert(1, job(&log, 0, &[], &[(0, 50, How::SubMake)]));
        log.jobs.insert(2, job(&log, 1, &[], &[(1, 5, p)]));
        log.jobs.insert(3, job(&log, 1, &[], &[(1, 30, p)]));
        log.jobs.insert(4, job(&log, 1, &[2, 3], &[(31, 40, p)]));
        log.jobs.insert(5, job(&log, 0, &[1], &[(51, 60, p)]));
        log.jobs.insert(6, job(&log, 0, &[], &[(0, 59, p)]));
        assert_eq!(log.critical_path(), [3, 4, 5]);
    }

    #[test]
    fn lines_of_one_recipe_follow_each_other() {
        let mut log = Log::begin();
        let (p, m) = (How::Process, How::SubMake);
        log.jobs.insert(1, job(&log, 0, &[], &[(0, 20, m), (20, 40, m)]));
        log.jobs.insert(2, job(&log, 1, &[], &[(1, 19, p)]));
        log.jobs.insert(3, job(&log, 1, &[], &[(21, 39, p)]));
        assert_eq!(log.critical_path(), [2, 3]);
    }

    #[test]
    fn what_commands_are_called() {
        let words = |t: &[&str]| t.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>();
        let line = "set -e;  echo '  CC [M]  /m/hello.o';  gcc -c";
        assert_eq!(label(&words(&["/bin/sh", "-c", line])), "CC [M]");
        assert_eq!(label(&words(&["/bin/sh", "-c", "mkdir -p x; cp a b"])), "mkdir");
        assert_eq!(label(&words(&["/usr/bin/gcc", "-c"])), "gcc");
        let line = "set -e; echo '  MODPOST /m/Module.symvers'; scripts/mod/modpost -m";
        assert_eq!(label(&words(&["/bin/sh", "-c", line])), "MODPOST");
        let line = "set -e; trap 'rm -f x; trap - HUP' HUP; scripts/x.sh a";
        assert_eq!(label(&words(&["/bin/sh", "-c", line])), "x.sh");
        let line = "{ echo /m/hello.o; :; } > /m/modules.order";
        assert_eq!(label(&words(&["/bin/sh", "-c", line])), "sh");
        let line = "if [ -r x ]; then cat x; else :; fi";
        assert_eq!(label(&words(&["/bin/sh", "-c", line])), "cat");
    }
}
