//! Runs one command line in a place and says how it ended and what it printed.
//!
//! The environment is the same bare one for every program. It does not judge.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as Sig, kill_process, kill_process_group};

use crate::case::{Interrupt, Signal, Step, User};
use crate::host::KernelTree;
use crate::place::{NOBODY, Place};

/// A program that hangs is ended after this; nothing else is decided by time.
const LIMIT: Duration = Duration::from_secs(600);

/// The same for a case that is known to take long.
const LONG_LIMIT: Duration = Duration::from_secs(5400);

/// What is said of a command line that was ended by the limit.
pub const HUNG: &str = "hung";

/// How a command line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// `exit N`, `signal N`, or [`HUNG`].
    pub status: String,
    /// Standard output and standard error in the order written.
    pub output: Vec<u8>,
}

/// The search path without what is in front of it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a shell line of a case sees.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// Where.
    pub place: &'a Place,
    /// Against which kernel.
    pub tree: &'a KernelTree,
    /// `$ASSETS`: files made once for all cases, such as a key.
    pub assets: &'a Path,
    /// Whether the case is known to take long.
    pub long: bool,
    /// More environment, for the program under test only.
    pub env: &'a [(String, String)],
    /// Whether the reference runs.
    pub reference: bool,
}

impl Setting<'_> {
    /// Runs the step to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, step: &Step) -> io::Result<Ran> {
        let out_path = self.place.output();
        let _ = fs::remove_file(&out_path);
        let out = File::options().create(true).append(true).open(&out_path)?;
        // Whoever starts the tests in the background may have made the signals ignored.
        let mut start: Vec<OsString> = Vec::new();
        if let Some((seen, place)) = self.tree.exchanged.as_ref().filter(|_| self.reference) {
            let line = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
            let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", line, "sh"];
            start.extend(words.map(OsString::from));
            start.extend([seen.into(), place.into()]);
        }
        if let Some(folder) = &self.tree.folder {
            start.extend(["chroot".into(), folder.into()]);
        }
        start.push("env".into());
        let mut c = Command::new(&start[0]);
        c.args(&start[1..]);
        // And a harness that is killed takes its builds along.
        c.args(["--default-signal", "setpriv", "--pdeathsig", "KILL"]);
        if step.user == User::Nobody {
            let id = NOBODY.to_string();
            c.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        }
        let p = self.place;
        // chroot leaves its own directory, and a `cd` where none is needed would show in the environment.
        let cd = match &self.tree.folder {
            None => String::new(),
            Some(_) => format!("cd '{}' && ", p.dir.display()),
        };
        let line = format!(
            "{cd}KDIR='{}' KVER='{}' TOP='{}' DIR='{}' ASSETS='{}'; umask 022; {}",
            p.kdir.display(),
            self.tree.release,
            p.top.display(),
            p.dir.display(),
            self.assets.display(),
            step.line
        );
        c.args(["sh", "-c", &line]).current_dir(&p.dir).env_clear();
        c.env("PATH", format!("{}:{PATH}", p.bin.display()));
        c.env("HOME", &p.home).env("TMPDIR", &p.tmp).env("LANG", "C.UTF-8").env("USER", "tester");
        c.env("SOURCE_DATE_EPOCH", "1700000000");
        c.envs(self.tree.env.iter().map(|(k, v)| (k, v)));
        c.envs(self.env.iter().map(|(k, v)| (k, v)));
        c.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let mut child = c.spawn()?;
        let status = match &step.interrupt {
            None => self.wait(&mut child)?,
            Some(i) => self.interrupt(&mut child, i)?,
        };
        Ok(Ran { status, output: fs::read(&out_path)? })
    }

    /// Runs a preparing line; a failure of it is an error, since the case would mean nothing.
    ///
    /// # Errors
    /// The line's output.
    pub fn prepare(&self, line: &str) -> io::Result<()> {
        let line = format!("PATH=${{PATH#*:}}; set -e; {line}");
        let ran = self.run(&Step { line, user: User::Tester, interrupt: None })?;
        if ran.status == "exit 0" {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.output).into_owned();
        Err(io::Error::other(format!("the preparation failed ({}): {said}", ran.status)))
    }

    fn limit(&self) -> Duration {
        if self.long { LONG_LIMIT } else { LIMIT }
    }

    fn wait(&self, child: &mut Child) -> io::Result<String> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        while start.elapsed() < self.limit() {
            if let Some(s) = child.try_wait()? {
                return Ok(words(s));
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        end_group(child);
        child.wait()?;
        Ok(HUNG.to_owned())
    }

    fn interrupt(&self, child: &mut Child, how: &Interrupt) -> io::Result<String> {
        let mark = self.place.top.join(&how.when);
        let start = Instant::now();
        while !mark.exists() && child.try_wait()?.is_none() && start.elapsed() < self.limit() {
            sleep(Duration::from_millis(10));
        }
        if let Some(pid) = pid(child) {
            let signal = match how.signal {
                Signal::Int => Sig::INT,
                Signal::Term => Sig::TERM,
                Signal::Kill => Sig::KILL,
            };
            // The program may have ended by itself, which the comparison will show.
            let _ =
                if how.group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
        }
        let status = self.wait(child)?;
        // What the program left running must not write into the next step.
        end_group(child);
        Ok(status)
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Kills what is left of a group that this process started, and waits until it is gone.
fn end_group(child: &Child) {
    let Some(pid) = pid(child) else { return };
    for _ in 0..100 {
        if kill_process_group(pid, Sig::KILL).is_err() {
            return;
        }
        sleep(Duration::from_millis(5));
    }
}

fn words(s: ExitStatus) -> String {
    match (s.code(), s.signal()) {
        (Some(c), _) => format!("exit {c}"),
        (None, Some(n)) => format!("signal {n}"),
        (None, None) => "unknown".to_owned(),
    }
}
