//! The world as the language sees it: `$(shell …)` and printing. It does not know recipes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use kiln_base::Sys;
use kiln_make::{Host, ShellCall, ShellResult, Stream};
use kiln_shell::direct::{Argv, Line, construct};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::hooks::Env;
use crate::script::{self, Around, Script};
use crate::spawn::{Spawn, Stdin, start_piped};
use crate::{Ended, Output, Signals, Sink};

/// Runs `$(shell …)` in the instance's directory and prints into its [`Output`].
pub struct ExecHost {
    output: Rc<RefCell<Output>>,
    sys: Arc<dyn Sys>,
}

impl ExecHost {
    /// A host that starts commands in the directory of `sys`, or in the one that
    /// [`crate::Exec::set_sys`] has named since.
    #[must_use]
    pub fn new(output: Rc<RefCell<Output>>, sys: Arc<dyn Sys>) -> Self {
        ExecHost { output, sys }
    }

    fn signals(&self) -> Option<Arc<Signals>> {
        self.output.borrow().signals.clone()
    }

    fn run(&mut self, call: &ShellCall<'_>) -> ShellResult {
        let line = Line {
            text: call.command,
            shell: Some(call.shell),
            shellflags: Some(call.flags),
            ifs: call.ifs,
            oneshell: self.output.borrow().oneshell,
            newline_ends: false,
        };
        let argv = construct(&line).argv;
        let words = argv.words();
        let nothing = |status| ShellResult { output: Vec::new(), status };
        if words.is_empty() {
            return nothing(0);
        }
        self.output.borrow_mut().start();
        let err = self.output.borrow().err_of_context();
        if let Some(sys) = self.output.borrow().sys.clone() {
            self.sys = sys;
        }
        let observer = self.output.borrow().observer.clone();
        let since = observer.is_some().then(Instant::now);
        let tell = |answered| {
            if let (Some((observer, parent)), Some(since)) = (&observer, since) {
                observer.shell(*parent, words, since, answered);
            }
        };
        let probes = self.output.borrow().probes.clone();
        if let Some(probes) = &probes
            && let Some(answer) = probes.ask(words, call.env, self.sys.dir(), err.as_deref())
        {
            tell(true);
            return answer;
        }
        if let Some(status) = self.make_directories(words, call.env, err.as_ref()) {
            if let Some(probes) = &probes {
                probes.disturbed();
            }
            tell(true);
            return nothing(status);
        }
        if let Some((output, ended)) = self.run_inside(&argv, call.env, err.as_ref()) {
            if let Some(probes) = probes {
                probes.disturbed();
            }
            tell(false);
            return ShellResult { output, status: status_of(ended) };
        }
        let spawn = Spawn {
            argv: words,
            env: call.env,
            sys: &*self.sys,
            stdin: Stdin::Inherit,
            out: None,
            err,
            slots: None,
        };
        match start_piped(&spawn) {
            Ok((mut process, pipe)) => {
                let output = self.read_all(&pipe);
                drop(pipe);
                let status = status_of(process.wait());
                if let Some(probes) = probes {
                    probes.disturbed();
                }
                tell(false);
                ShellResult { output, status }
            }
            Err(error) => {
                let mut text = words[0].clone();
                text.extend_from_slice(b": ");
                text.extend_from_slice(kiln_graph::say::io_text(&error).as_bytes());
                self.output.borrow_mut().error(&text);
                nothing(127)
            }
        }
    }

    /// `mkdir`, which kbuild runs before it builds: its exit status, if it was done within the process.
    /// It writes nothing to standard output.
    fn make_directories(
        &self,
        words: &[Vec<u8>],
        env: &Env,
        err: Option<&Arc<File>>,
    ) -> Option<i32> {
        if words[0] != b"mkdir" || !self.output.borrow().shell_inside {
            return None;
        }
        let around = Around {
            env,
            sys: &*self.sys,
            sink: &Sink { out: None, err: err.cloned() },
            good_stdin: false,
            signals: &self.signals()?,
            native: None,
        };
        script::tool(words, &around).map(status_of)
    }

    /// A line that the shell subset knows: only the programs in it are started. What it wrote, and how
    /// it ended.
    fn run_inside(
        &self,
        argv: &Argv,
        env: &Env,
        err: Option<&Arc<File>>,
    ) -> Option<(Vec<u8>, Ended)> {
        let (errexit, text) = argv.script().filter(|_| self.output.borrow().shell_inside)?;
        let script = kiln_shell::parse(text).ok()?;
        let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
        // The shell writes here as well, and would wait for ever for somebody to read.
        let mut from = File::from(from);
        let reader = std::thread::Builder::new().spawn(move || {
            let mut all = Vec::new();
            // What came before an error is what there is.
            let _ = from.read_to_end(&mut all);
            all
        });
        let reader = reader.ok()?;
        let sink = Sink { out: Some(Arc::new(File::from(to))), err: err.cloned() };
        let around = Around {
            env,
            sys: &*self.sys,
            sink: &sink,
            good_stdin: true,
            signals: &self.signals()?,
            native: None,
        };
        let ended = Script::begin(script, errexit, &around)?.wait();
        // The reader waits until nobody can write any more.
        drop(sink);
        Some((reader.join().unwrap_or_default(), ended))
    }

    /// All that comes through a pipe; less if a fatal signal comes.
    fn read_all(&self, pipe: &OwnedFd) -> Vec<u8> {
        let mut all = Vec::new();
        let mut block = [0; 16 * 1024];
        let signals = self.signals();
        let wake = signals.as_ref().and_then(|s| s.fd());
        loop {
            if let Some(wake) = wake {
                let mut fds = [
                    PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(wake, PollFlags::IN),
                ];
                match rustix::event::poll(&mut fds, None) {
                    Ok(_) if !fds[1].revents().is_empty() => return all,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return all,
                }
                if fds[0].revents().is_empty() {
                    continue;
                }
            }
            match rustix::io::read(pipe, &mut block) {
                Ok(0) => return all,
                Ok(n) => all.extend_from_slice(&block[..n]),
                Err(Errno::INTR) => {}
                Err(error) => {
                    debug_assert_ne!(io::Error::from(error).kind(), io::ErrorKind::WouldBlock);
                    return all;
                }
            }
        }
    }
}

/// `.SHELLSTATUS` for a command that ended so.
fn status_of(ended: Ended) -> i32 {
    match ended {
        Ended::Exit(code) => code,
        Ended::Signal(signal, _) => 128 + signal,
    }
}

impl Host for ExecHost {
    fn shell(&mut self, call: ShellCall<'_>) -> ShellResult {
        if self.signals().is_some_and(|s| s.caught().is_some()) {
            return ShellResult { output: Vec::new(), status: 127 };
        }
        self.run(&call)
    }

    fn print(&mut self, to: Stream, text: &[u8]) {
        self.output.borrow_mut().print(to, text);
    }

    fn announce_directory(&mut self, yes: bool) {
        self.output.borrow_mut().set_print_dir(yes);
    }
}
