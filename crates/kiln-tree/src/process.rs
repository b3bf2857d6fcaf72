//! Programs that the caller is asked to run: a description, and the result that comes back.
//!
//! Nothing here starts anything.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// One program to be run, without a shell between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program (looked up in the PATH if it holds no slash) and its arguments.
    pub argv: Vec<OsString>,
    /// Set in addition to the caller's environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; the caller's directory if empty.
    pub dir: PathBuf,
    /// Killed when it takes longer; its `status` is then `None`.
    pub timeout: Option<Duration>,
}

/// What came of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// The caller's way to run programs. Standard input is empty.
pub trait Runner {
    /// Runs to the end and gives back everything that was written.
    ///
    /// # Errors
    /// The program cannot be started ([`io::ErrorKind::NotFound`] if there is none).
    fn run(&mut self, command: &Command) -> io::Result<Output>;
}

impl<F: FnMut(&Command) -> io::Result<Output>> Runner for F {
    fn run(&mut self, command: &Command) -> io::Result<Output> {
        self(command)
    }
}

impl Command {
    /// A command of these words.
    pub fn new<I>(argv: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// Set in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }
}

impl Output {
    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// The last line with text on standard error, for messages.
    pub fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let last = text.lines().rev().find(|l| !l.trim().is_empty());
        last.unwrap_or("it said nothing").trim().to_string()
    }
}

impl fmt::Display for Command {
    /// As one would type it, quoted where a shell needs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.argv.iter().enumerate() {
            let word = word.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%^~".contains(c);
            let space = if i == 0 { "" } else { " " };
            if !word.is_empty() && word.chars().all(plain) {
                write!(f, "{space}{word}")?;
            } else {
                write!(f, "{space}'{}'", word.replace('\'', "'\\''"))?;
            }
        }
        Ok(())
    }
}
