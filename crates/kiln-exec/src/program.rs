//! Runs one program to its end and gives back what it wrote: for downloads, boots and the like. It
//! takes no part in job slots.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program left.
pub struct Ran {
    /// The exit status; `None` if a signal or the time limit ended it.
    pub status: Option<i32>,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// The environment of a program.
#[derive(Clone, Copy)]
pub enum Environment<'a> {
    /// This process's, with these set in addition.
    And(&'a [(OsString, OsString)]),
    /// These alone.
    Only(&'a [(OsString, OsString)]),
}

/// Runs `argv` in `dir` (this process's if empty).
///
/// # Errors
/// If it cannot be started.
pub fn run(
    argv: &[OsString],
    env: Environment<'_>,
    dir: &Path,
    limit: Option<Duration>,
) -> io::Result<Ran> {
    run_with(argv, env, dir, limit, b"")
}

/// The same with a text on standard input.
///
/// # Errors
/// If it cannot be started.
pub fn run_with(
    argv: &[OsString],
    env: Environment<'_>,
    dir: &Path,
    limit: Option<Duration>,
    input: &[u8],
) -> io::Result<Ran> {
    let (program, args) =
        argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(args);
    let (Environment::And(set) | Environment::Only(set)) = env;
    if let Environment::Only(_) = env {
        command.env_clear();
    }
    command.envs(set.iter().map(|(n, v)| (n, v)));
    if !dir.as_os_str().is_empty() {
        command.current_dir(dir);
    }
    command.stdin(match input {
        b"" => Stdio::null(),
        text => crate::script::in_memory(text)?.into(),
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let out = reader(child.stdout.take());
    let err = reader(child.stderr.take());
    let end = limit.map(|l| Instant::now() + l);
    let status = loop {
        match end {
            None => break Some(child.wait()?),
            Some(end) if Instant::now() >= end => {
                child.kill()?;
                child.wait()?;
                break None;
            }
            Some(_) => {
                if let Some(status) = child.try_wait()? {
                    break Some(status);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    };
    let text = |t: std::thread::JoinHandle<Vec<u8>>| t.join().unwrap_or_default();
    let status = status.and_then(|s| s.code());
    Ok(Ran { status, stdout: text(out), stderr: text(err) })
}

fn reader<R: Read + Send + 'static>(from: Option<R>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut from) = from {
            // What was read before an error is still of use.
            let _ = from.read_to_end(&mut all);
        }
        all
    })
}
