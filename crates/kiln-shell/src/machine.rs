//! The resumable machine around the runner: start, resume, done.
//!
//! The runner is a future; a program to start leaves it waiting with a request in the mailbox. The
//! machine polls it by hand, so no executor and no thread are needed, and dropping the machine
//! drops everything it holds open.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::ast::Script;
use crate::host::{Dir, Host, Outcome, Process, Status, Step, Target};
use crate::lex::Declined;
use crate::run::{Flow, Shell, Stop};
use crate::vars::Vars;

/// What a shell is started with.
pub struct Setup {
    /// The working directory.
    pub dir: Arc<Dir>,
    /// The environment, each entry `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// The caller's side.
    pub host: Arc<dyn Host>,
    /// The name in messages: the `argv[0]` of the shell that this one stands for.
    pub name: Vec<u8>,
    /// Whether the shell was started with `-e`.
    pub errexit: bool,
    /// What `$$` stands for. Scripts name temporary files with it, so no two that run at the same
    /// time may share it. `None` declines such scripts.
    pub pid: Option<u64>,
}

/// Requests on their way out, outcomes on their way in.
#[derive(Default)]
pub(crate) struct Mailbox {
    slot: Mutex<Slot>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Request(Vec<Process>),
    Reply(Vec<Outcome>),
}

impl Mailbox {
    fn swap(&self, slot: Slot) -> Slot {
        std::mem::replace(&mut *self.slot.lock().unwrap_or_else(PoisonError::into_inner), slot)
    }

    /// Lets the caller do other things before the script goes on.
    pub(crate) async fn yield_turn(&self) {
        let _ = self.start(Vec::new()).await;
    }

    /// Asks the caller to start programs and waits for how each ended.
    pub(crate) async fn start(&self, processes: Vec<Process>) -> Vec<Outcome> {
        let _ = self.swap(Slot::Request(processes));
        poll_fn(|_| match self.swap(Slot::Empty) {
            Slot::Reply(outcomes) => Poll::Ready(outcomes),
            other => {
                let _ = self.swap(other);
                Poll::Pending
            }
        })
        .await
    }
}

type Running = Pin<Box<dyn Future<Output = Flow<i32>> + Send>>;

/// What is to be done when the shell ends.
#[derive(Default)]
pub(crate) struct TrapTable {
    /// The files to delete, by the number of the signal that asks for it.
    pub(crate) on_signal: BTreeMap<i32, Vec<Vec<u8>>>,
    /// The command to run last, however the script ended by itself.
    pub(crate) at_exit: Option<Vec<Vec<u8>>>,
}

pub(crate) type Traps = Arc<Mutex<TrapTable>>;

/// A script being run.
pub struct Machine {
    running: Option<Running>,
    mailbox: Arc<Mailbox>,
    traps: Traps,
    dir: Arc<Dir>,
}

impl Machine {
    /// Makes ready to run a script. Nothing runs yet.
    ///
    /// # Errors
    /// [`Declined`] for an environment that would make dash behave in a way not followed here.
    pub fn new(script: Arc<Script>, setup: Setup) -> Result<Machine, Declined> {
        let mut vars = Vars::import(setup.env.iter().map(Vec::as_slice));
        if vars.get(b"PPID").is_some() {
            return Err(Declined("PPID in the environment"));
        }
        if vars.get(b"CDPATH").is_some() {
            return Err(Declined("CDPATH in the environment"));
        }
        if vars.get(b"PATH").is_some_and(|path| path.contains(&b'%')) {
            return Err(Declined("PATH with %"));
        }
        if script.wants_pid && setup.pid.is_none() {
            return Err(Declined("process number"));
        }
        let dir = crate::builtin::starting_dir(&vars, setup.dir.clone());
        vars.set_exported(b"PWD", &dir.path);
        let mailbox = Arc::new(Mailbox::default());
        let mut shell = shell(setup, vars, dir.clone(), mailbox.clone());
        let traps = shell.traps.clone();
        let running: Running = Box::pin(async move { shell.script(&script.body).await });
        Ok(Machine { running: Some(running), mailbox, traps, dir })
    }

    /// Runs up to the first program that has to be started, or to the end.
    pub fn start(&mut self) -> Step {
        self.poll()
    }

    /// Goes on after the programs of the last [`Step::Start`] have ended, with the outcome of each;
    /// or after a [`Step::Yield`], with none.
    pub fn resume(&mut self, outcomes: Vec<Outcome>) -> Step {
        let _ = self.mailbox.swap(Slot::Reply(outcomes));
        self.poll()
    }

    fn poll(&mut self) -> Step {
        let Some(running) = &mut self.running else { return Step::Done(Status::Exited(0)) };
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => {
                self.running = None;
                Step::Done(match ended {
                    Ok(status) | Err(Stop::Exit(status)) => Status::Exited(status & 0xff),
                    Err(Stop::Signal(signal)) => self.interrupt(signal),
                })
            }
            Poll::Pending => match self.mailbox.swap(Slot::Empty) {
                Slot::Request(processes) if processes.is_empty() => Step::Yield,
                Slot::Request(processes) => Step::Start(processes),
                // Resumed without an outcome where one was due: the script cannot go on.
                other => {
                    let _ = self.mailbox.swap(other);
                    self.running = None;
                    Step::Done(Status::Exited(2))
                }
            },
        }
    }

    /// Ends the script as a signal would have ended the shell: what a `trap` was set to do for this
    /// signal is done (kbuild's deletes the target), and nothing more of the script runs. To be
    /// called when the programs of the last step have ended.
    pub fn interrupt(&mut self, signal: i32) -> Status {
        self.running = None;
        let traps = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        for file in traps.on_signal.get(&signal).into_iter().flatten() {
            // `rm -f` says nothing of what is not there, and the shell is about to die anyway.
            let _ = rustix::fs::unlinkat(&self.dir.fd, &file[..], rustix::fs::AtFlags::empty());
        }
        Status::Signaled(signal)
    }
}

fn shell(setup: Setup, vars: Vars, dir: Arc<Dir>, mailbox: Arc<Mailbox>) -> Shell {
    Shell {
        vars,
        dir,
        errexit: setup.errexit,
        status: 0,
        captured_status: 0,
        fds: [Target::Caller(0), Target::Caller(1), Target::Caller(2)],
        line: 1,
        loops: 0,
        skip: None,
        traps: Traps::default(),
        host: setup.host,
        pid: setup.pid.unwrap_or_default(),
        name: setup.name.into(),
        mailbox,
    }
}

/// Does a command that make starts without a shell ([`crate::direct::Argv::Direct`]) in process,
/// where it is a small standard program used plainly. `program` is where the search for `argv[0]`
/// led. `None`: nothing was done, or nothing that the real program would not do again, and it is to
/// be started.
#[must_use]
pub fn run_tool(program: &[u8], argv: &[Vec<u8>], setup: Setup) -> Option<Status> {
    argv.first()?;
    let vars = Vars::import(setup.env.iter().map(Vec::as_slice));
    let dir = setup.dir.clone();
    let shell = shell(setup, vars, dir, Arc::default());
    match crate::tools::run(&shell, program, argv) {
        Ok(status) => status.map(|status| match status {
            // Only a signal gives such a status here.
            129.. => Status::Signaled(status - 128),
            _ => Status::Exited(status),
        }),
        Err(Stop::Exit(status)) => Some(Status::Exited(status)),
        Err(Stop::Signal(signal)) => Some(Status::Signaled(signal)),
    }
}
