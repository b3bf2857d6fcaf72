//! Runs that had nothing to do, recorded whole: everything that the run looked at, and what it
//! printed. While all of it stands, the same command line in the same directory prints the same and
//! ends the same, without reading a makefile. `KILN_SLOW=plan` switches this off.
//!
//! Only a run in which nothing was written and no command ran whose answer cannot be kept is recorded.
//! What a file's time is compared with is no question here: make looked at certain files and found
//! them so, and as long as it would find them so again it would do the same.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kiln_base::Sys;
use kiln_exec::hooks::Env;
use kiln_make::{Make, Stream};
use kiln_watch::fact::Why;
use kiln_watch::{
    Eye, Fact, Key, Observations, Opaque, Question, RealEye, Recorder, Run, Runs, Seen, Status,
    Surroundings, stream_kind,
};
use rustc_hash::FxHashSet;

use crate::Exit;

/// A run that prints more is not recorded, in bytes.
const MOST_SAID: usize = 1 << 20;

/// What one run rests on, gathered while it runs.
pub struct Recording {
    recorder: Arc<Recorder>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    said: Vec<(u8, Vec<u8>)>,
    size: usize,
    facts: FxHashSet<Fact>,
}

impl Recording {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Recording { recorder: Recorder::new(Arc::new(RealEye)), heard: Mutex::default() }
    }

    /// A system that notes what it tells.
    #[must_use]
    pub fn around(&self, sys: Box<dyn Sys>) -> Arc<dyn Sys> {
        Arc::new(self.recorder.around(sys))
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run cannot be recorded.
    pub fn refuse(&self, why: Opaque) {
        self.recorder.refuse(why);
    }

    /// Whether the run cannot be recorded any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.recorder.is_refused()
    }

    /// The run rests on what a command's answer rested on.
    pub fn rests_on(&self, seen: Option<Observations>) {
        match seen {
            Some(seen) if seen.effects.is_empty() => self.heard().facts.extend(seen.facts),
            _ => self.refuse(Opaque::new(Why::Effect, "files")),
        }
    }

    /// Make has written to its own output or error.
    pub fn said(&self, to: Stream, text: &[u8]) {
        if self.is_over() {
            return;
        }
        let mut heard = self.heard();
        heard.size += text.len();
        if heard.size > MOST_SAID {
            drop(heard);
            return self.refuse(Opaque::new(Why::Output, ""));
        }
        let to = if to == Stream::Out { 1 } else { 2 };
        match heard.said.last_mut() {
            Some((last, said)) if *last == to => said.extend_from_slice(text),
            _ => heard.said.push((to, text.to_vec())),
        }
    }

    /// Looks at the switches of an instance once they are settled: with some of them a run does or
    /// tells more than its files and commands say.
    pub fn heed(&self, make: &Make, in_this_process: bool) {
        let opts = &make.opts;
        let more = opts.always_make
            || opts.just_print
            || opts.question
            || opts.touch
            || opts.trace
            || opts.debug_level != 0
            || opts.debug_all
            || opts.print_data_base
            || opts.help
            || opts.version
            || opts.shuffle.is_some()
            || opts.load_average.is_some()
            || opts.stdin_makefile.is_some()
            || opts.makefiles.iter().any(|name| name == b"-");
        // Under a make in another process slots have to be asked for.
        let under_another = !in_this_process && opts.jobserver_auth.is_some();
        if more || under_another {
            self.refuse(Opaque::new(Why::Word, "a switch"));
        }
    }

    /// Keeps the run that ended, if it can be. A cache that cannot be written is no error.
    pub fn keep(&self, question: &Asked, cache: &Path) {
        let Ok(seen) = self.recorder.observations() else { return };
        if !seen.effects.is_empty() {
            return;
        }
        let Ok(here) = RealEye.identity(&question.dir, true) else { return };
        let mut heard = self.heard();
        let said = std::mem::take(&mut heard.said);
        let mut facts = std::mem::take(&mut heard.facts);
        facts.extend(seen.facts);
        facts.insert(Fact {
            path: question.dir.clone(),
            seen: Seen::Status { follow: true, was: Ok(Status::from(&here)) },
        });
        let run = Run {
            label: question.label.clone(),
            kept: RealEye.now(),
            status: 0,
            said,
            facts: facts.into_iter().collect(),
        };
        let _ = Runs::open(cache).put(question.key, &run);
    }
}

impl Default for Recording {
    fn default() -> Self {
        Recording::new()
    }
}

/// Which run is asked for: the command line, the directory, the whole environment, the user and the
/// machine, what the standard streams are, and the program itself.
pub struct Asked {
    key: Key,
    dir: Vec<u8>,
    label: Vec<u8>,
}

impl Asked {
    /// As this process is asked. `None` if it cannot be said, or if the run is part of another's.
    #[must_use]
    pub fn now(argv: &[Vec<u8>], env: &Env, explain: bool, around: &Surroundings) -> Option<Self> {
        let dir = rustix::process::getcwd(Vec::new()).ok()?.into_bytes();
        let own = RealEye.identity(b"/proc/self/exe", true).ok()?;
        let shares_slots = |(name, value): &(Vec<u8>, Vec<u8>)| {
            name.ends_with(b"MAKEFLAGS")
                && memchr::memmem::find(value, b"--jobserver-auth").is_some()
        };
        if env.iter().any(shares_slots) {
            return None;
        }
        // All variables count, also those that no watched program would read: a makefile may.
        let mut words = argv.to_vec();
        words.push(Vec::new());
        let mut vars: Vec<Vec<u8>> =
            env.iter().map(|(n, v)| [&n[..], b"=", &v[..]].concat()).collect();
        vars.sort_unstable();
        words.append(&mut vars);
        let streams = [
            stream(&io::stdin()),
            stream(&io::stdout()),
            stream(&io::stderr()),
            vec![u8::from(explain)],
        ];
        let version = [
            env!("CARGO_PKG_VERSION").as_bytes(),
            &own.dev.to_le_bytes(),
            &own.ino.to_le_bytes(),
            &own.size.to_le_bytes(),
            &own.mtime.to_le_bytes(),
            &own.ctime.to_le_bytes(),
        ];
        let question = Question {
            purpose: b"run",
            argv: &words,
            dir: &dir,
            env: &[],
            streams: &streams.join(&0),
            version: &version.concat(),
        };
        let key = question.key(around);
        Some(Asked { key, dir, label: argv.join(&b' ') })
    }

    /// Answers from the last such run, if all that it rested on stands: prints what it printed.
    #[must_use]
    pub fn answer(&self, cache: &Path) -> Option<Exit> {
        let runs = Runs::open(cache);
        let (run, fresher) = runs.get(self.key, &RealEye)?;
        let mut exit = Exit::Status(run.status.into());
        for (to, text) in &run.said {
            let done = match to {
                1 => io::stdout().write_all(text).and_then(|()| io::stdout().flush()),
                _ => io::stderr().write_all(text),
            };
            // As make itself: what cannot be told of errors is lost.
            let Err(e) = done else { continue };
            if e.kind() == io::ErrorKind::BrokenPipe {
                return Some(Exit::Signal(13));
            }
            if *to == 1 && exit == Exit::Status(0) {
                let _ = io::stderr().write_all(b"make: write error: stdout\n");
                exit = Exit::Status(1);
            }
        }
        if fresher {
            // Only the next check's speed depends on it.
            let _ = runs.put(self.key, &run);
        }
        Some(exit)
    }
}

/// What a standard stream is, and which terminal, since makefiles can ask for it.
fn stream(fd: &impl AsFd) -> Vec<u8> {
    let kind = stream_kind(fd).as_bytes().to_vec();
    match rustix::termios::ttyname(fd, Vec::new()) {
        Ok(name) => [kind, name.into_bytes()].concat(),
        Err(_) => kind,
    }
}
