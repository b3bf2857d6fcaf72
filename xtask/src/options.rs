//! The words after a command. One set for all commands; each takes what it knows.

use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Words that are no options.
    pub names: Vec<String>,
    /// `--tree`: a series, such as 6.12.
    pub tree: Option<String>,
    /// `--jobs`.
    pub jobs: Option<usize>,
    /// `--turns`: of a benchmark.
    pub turns: Option<usize>,
    /// `--step`: of a benchmark; any number of them.
    pub steps: Vec<String>,
    /// `--long`: also what takes long.
    pub long: bool,
    /// `--fresh`: without results of earlier runs.
    pub fresh: bool,
    /// `--list`: say what would be run.
    pub list: bool,
    /// `--quiet`: print failures and the totals only.
    pub quiet: bool,
    /// `--record`: write what came out as what is expected.
    pub record: bool,
    /// `--table`: put the counts into docs/kernels.md.
    pub table: bool,
    /// `--program`: the program under test.
    pub program: Option<PathBuf>,
    /// `--env`: for the program under test.
    pub env: Vec<(String, String)>,
}

impl Options {
    /// Whether a tree of that series is asked for.
    pub fn wants_tree(&self, series: &str) -> bool {
        self.tree.as_deref().is_none_or(|t| t == series)
    }

    /// Reads the words.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut o = Options::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--tree" => o.tree = Some(value()?),
                "--jobs" => {
                    let n = value()?;
                    o.jobs = Some(n.parse().map_err(|_| format!("--jobs {n}: not a number"))?);
                }
                "--turns" => {
                    let n = value()?;
                    o.turns = Some(n.parse().map_err(|_| format!("--turns {n}: not a number"))?);
                }
                "--step" => o.steps.push(value()?),
                "--long" => o.long = true,
                "--fresh" => o.fresh = true,
                "--list" => o.list = true,
                "--quiet" => o.quiet = true,
                "--table" => o.table = true,
                "--record" => o.record = true,
                "--program" => o.program = Some(PathBuf::from(value()?)),
                "--env" => {
                    let v = value()?;
                    let (name, text) = v.split_once('=').ok_or(format!("--env {v}: no `=`"))?;
                    o.env.push((name.to_owned(), text.to_owned()));
                }
                _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
                _ => o.names.push(arg),
            }
        }
        Ok(o)
    }

    /// How many at a time.
    pub fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        self.jobs.unwrap_or(cores.min(8))
    }

    /// The program under test: as told, else the release build.
    pub fn program(&self) -> PathBuf {
        match &self.program {
            Some(p) => p.clone(),
            None => match std::env::var_os("KILN_TEST_PROGRAM") {
                Some(p) => PathBuf::from(p),
                None => {
                    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
                        || kiln_conformance::repository().join("target"),
                        PathBuf::from,
                    );
                    target.join("release/kiln")
                }
            },
        }
    }

    /// Whether a name is asked for; all are where none is.
    pub fn wants(&self, name: &str) -> bool {
        let fits = |p: &String| match p.contains('*') {
            true => kiln_testkit::compat::like(p, name),
            false => name.contains(p.as_str()),
        };
        self.names.is_empty() || self.names.iter().any(fits)
    }
}
