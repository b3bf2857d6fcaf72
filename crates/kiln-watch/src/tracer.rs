//! The loop that follows a command and all that it starts: every stop of every task comes here, is
//! told to the [`Scene`], and the task goes on. Once the answer cannot be kept there is nothing more
//! to learn, and every task is let go to run undisturbed.
//!
//! The loop runs on a thread of its own, for three reasons: the system ties a traced task to the
//! thread that traces it; the thread waits only for its own (`__WNOTHREAD`), so no other child of the
//! process is taken from whoever waits for it; and when the thread ends the kernel lets go of all
//! that is left, so nothing can stay stopped. (Others must not wait for *any* child of the process,
//! or they would see these stops.)

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::process::{Pid, WaitOptions};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::becoming::gains_rights;
use crate::calls;
use crate::fact::Why;
use crate::handlers::{Pending, Scene, Task};
use crate::raw::{self, Stop};

/// What became of the command's first process.
pub enum Fate {
    /// It ended, and was waited for here.
    Ended(ExitStatus),
    /// It is not traced (any more); its parent has to wait for it.
    LetGo,
    /// It was ended and waited for here, and has to begin again.
    Again,
}

/// How long processes that outlive the command are waited for once nothing can come from them.
const GRACE: Duration = Duration::from_millis(50);

/// `PTRACE_O_EXITKILL`: who is stopped by a filter cannot go on without the one who traces it.
const EXIT_KILL: i32 = 1 << 20;

/// `PTRACE_EVENT_STOP`, which `libc` lacks on some machines.
const EVENT_STOP: i32 = 128;

struct Loop<'a> {
    scene: Scene,
    tasks: FxHashMap<i32, Task>,
    /// New tasks that stopped before their parent's stop told of them.
    early: FxHashSet<i32>,
    root: i32,
    began: bool,
    told: bool,
    letting_go: bool,
    /// All is being ended, to begin again.
    ending: bool,
    /// A stop has come that only the filter asks for.
    filtered: bool,
    /// Where the command may run, if it was told to stay where this thread is.
    anywhere: Option<CpuSet>,
    fate: &'a Sender<Fate>,
}

/// Takes hold of the child that tells its id through `told`, lets it begin through `go`, and follows
/// it to the end. `silent` says that all output has been read to its end.
pub fn follow(
    scene: Scene,
    told: &OwnedFd,
    go: &OwnedFd,
    silent: &AtomicBool,
    fate: &Sender<Fate>,
) -> Scene {
    let mut this = Loop {
        scene,
        tasks: FxHashMap::default(),
        early: FxHashSet::default(),
        root: 0,
        began: false,
        told: false,
        letting_go: false,
        ending: false,
        filtered: false,
        anywhere: None,
        fate,
    };
    let mut byte = raw::PLAIN;
    if let Some(root) = read_id(told) {
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC;
        // Not EXITKILL otherwise: if Kiln dies, its children fare as any make's would.
        let fast = if this.scene.fast { libc::PTRACE_O_TRACESECCOMP | EXIT_KILL } else { 0 };
        let held = if calls::MACHINE.is_some() {
            raw::seize(root, options | fast)
        } else {
            Err(std::io::ErrorKind::Unsupported.into())
        };
        match held {
            Ok(()) => {
                let here = beside(root);
                this.root = root;
                if this.scene.deeds.is_some() {
                    this.keep_here(here);
                }
                this.scene.ids.push(root);
                this.tasks.insert(root, Task::default());
                if this.scene.fast {
                    byte = raw::FILTERED;
                } else {
                    // The first stop has to be asked for; then it goes from call to call.
                    let _ = raw::interrupt(root);
                }
            }
            Err(e) => this.scene.ledger.refuse(Why::Refused, e.to_string()),
        }
    }
    let _ = rustix::io::write(go, &[byte]);
    if this.root != 0 {
        this.run(silent);
    }
    if !this.told {
        let _ = fate.send(if this.ending { Fate::Again } else { Fate::LetGo });
    }
    this.scene
}

/// Moves this thread to the processor that the command runs on and keeps it there: they take turns,
/// and waking the other on another processor costs more than all the rest.
fn beside(root: i32) -> Option<CpuSet> {
    let stat = std::fs::read_to_string(format!("/proc/{root}/stat")).unwrap_or_default();
    let processor = stat.rsplit(')').next().and_then(|t| t.split_ascii_whitespace().nth(36));
    let processor = processor.and_then(|n| n.parse().ok()).filter(|n| *n < CpuSet::MAX_CPU)?;
    let mut set = CpuSet::new();
    set.set(processor);
    // It is only about speed.
    sched_setaffinity(None, &set).ok()?;
    Some(set)
}

fn read_id(told: &OwnedFd) -> Option<i32> {
    let mut bytes = [0u8; 4];
    loop {
        match rustix::io::read(told, &mut bytes) {
            Ok(4) => return Some(i32::from_ne_bytes(bytes)),
            Err(rustix::io::Errno::INTR) => {}
            _ => return None,
        }
    }
}

impl Loop<'_> {
    /// Keeps the command where this thread is, because each of its calls stops: with every stop it would
    /// move to the processor that is free while this thread looks. Who asks where it may run, and whoever
    /// is not watched any more, may run anywhere.
    fn keep_here(&mut self, here: Option<CpuSet>) {
        let root = Pid::from_raw(self.root);
        if let (Some(here), Ok(anywhere)) = (here, sched_getaffinity(root))
            && sched_setaffinity(root, &here).is_ok()
        {
            self.anywhere = Some(anywhere);
        }
    }

    fn may_run_anywhere(&self, tid: i32) {
        if let Some(anywhere) = &self.anywhere {
            // It may have ended.
            let _ = sched_setaffinity(Pid::from_raw(tid), anywhere);
        }
    }

    fn run(&mut self, silent: &AtomicBool) {
        let all = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD) as u32);
        let mut quiet_since: Option<Instant> = None;
        loop {
            // After the command's own end, the rest is only looked after for a while.
            let ended = self.told && !self.letting_go;
            let options = if ended { all | WaitOptions::NOHANG } else { all };
            match rustix::process::waitpid(None, options) {
                Ok(Some((pid, status))) => {
                    self.stop(pid.as_raw_nonzero().get(), status.as_raw());
                }
                Ok(None) => {
                    if silent.load(Ordering::Acquire)
                        && quiet_since.get_or_insert_with(Instant::now).elapsed() > GRACE
                    {
                        self.scene.ledger.refuse(Why::LeftBehind, "");
                        let left = self.tasks.keys().chain(&self.early);
                        left.for_each(|tid| self.may_run_anywhere(*tid));
                        return;
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn tell(&mut self, fate: Fate) {
        if !self.told {
            self.told = true;
            let _ = self.fate.send(fate);
        }
    }

    fn stop(&mut self, tid: i32, status: i32) {
        if !libc::WIFSTOPPED(status) {
            return self.ended(tid, status);
        }
        let signal = (status >> 8) & 0xff;
        let event = status >> 16;
        if self.ending {
            return raw::kill(tid);
        }
        if !self.letting_go {
            let listening = self.look(tid, signal, event);
            if listening {
                return;
            }
            let scene = &mut self.scene;
            // What was there before cannot be put back, so that is changed only where it can go on.
            scene.again |= scene.fast && scene.ledger.changes_old();
            let over = scene.again || scene.ledger.is_opaque();
            if over && scene.fast && self.filtered {
                self.ending = true;
                self.tasks.keys().chain(&self.early).for_each(|other| raw::kill(*other));
                return raw::kill(tid);
            }
            if over {
                self.letting_go = true;
                for other in self.tasks.keys() {
                    let _ = raw::interrupt(*other);
                }
            }
        }
        // A signal that was on its way is delivered; stops that are no signal's deliver none.
        let deliver = if event == 0 && signal != (libc::SIGTRAP | 0x80) { signal } else { 0 };
        if self.letting_go {
            self.may_run_anywhere(tid);
            let _ = raw::detach(tid, deliver);
            self.tasks.remove(&tid);
            if tid == self.root {
                self.tell(Fate::LetGo);
            }
        } else if !self.early.contains(&tid) {
            self.resume(tid, deliver);
        }
    }

    fn resume(&self, tid: i32, signal: i32) {
        let to_call = !self.scene.fast || self.tasks.get(&tid).is_some_and(|t| t.to_end);
        // It may have been killed meanwhile.
        let _ = raw::resume(tid, signal, to_call);
    }

    fn ended(&mut self, tid: i32, status: i32) {
        self.tasks.remove(&tid);
        self.early.remove(&tid);
        if self.ending {
            return;
        }
        // SIGPIPE is how a pipeline ends early, and no accident.
        if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) != libc::SIGPIPE {
            self.scene.ledger.refuse(Why::Signal, libc::WTERMSIG(status).to_string());
        }
        if tid == self.root {
            self.tell(Fate::Ended(ExitStatus::from_raw(status)));
        }
    }

    /// Takes in what a stop says; true if the task is to stay in its stop.
    fn look(&mut self, tid: i32, signal: i32, event: i32) -> bool {
        match event {
            0 if signal == (libc::SIGTRAP | 0x80) => self.at_call(tid),
            libc::PTRACE_EVENT_SECCOMP => {
                self.filtered = true;
                self.at_call(tid);
            }
            EVENT_STOP => {
                if matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                    let _ = raw::listen(tid);
                    return true;
                }
                if !self.tasks.contains_key(&tid) {
                    self.early.insert(tid);
                }
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                if let Ok(new) = raw::event_message(tid) {
                    let parent = self.tasks.get(&tid);
                    let class = parent.and_then(|t| t.class);
                    let says_proc = parent.is_some_and(|t| t.says_proc);
                    let task = Task { class, says_proc, ..Task::default() };
                    self.tasks.insert(new, task);
                    self.scene.ids.push(new);
                    if self.early.remove(&new) {
                        self.resume(new, 0);
                    }
                }
            }
            libc::PTRACE_EVENT_EXEC => {
                // A thread that becomes a program takes the id of its process.
                let former = raw::event_message(tid).unwrap_or(tid);
                let mut task = self.tasks.remove(&former).unwrap_or_default();
                task.to_end = false;
                if self.scene.fast && !self.filtered {
                    self.scene.ledger.refuse(Why::Trouble, "no filter");
                }
                self.scene.became(tid, &mut task);
                self.tasks.insert(tid, task);
                self.began = true;
            }
            _ => {}
        }
        false
    }

    fn at_call(&mut self, tid: i32) {
        let Some(task) = self.tasks.get_mut(&tid) else { return };
        match raw::syscall(tid) {
            Ok(Stop::Entry { arch, nr, args }) => {
                // Bit 30 marks the x32 calls of x86-64.
                if Some(arch) != calls::MACHINE || nr & (1 << 30) != 0 {
                    return self.scene.ledger.refuse(Why::Machine, "");
                }
                let nr = nr as i64;
                task.to_end = false;
                if !self.began && !matches!(calls::call(nr), Some(calls::Call::Exec { .. })) {
                    return;
                }
                self.scene.enter(tid, task, nr, &args);
                let asks = matches!(nr, libc::SYS_sched_getaffinity | libc::SYS_sched_setaffinity);
                if let Pending::Exec { path, .. } = &task.pending
                    && gains_rights(path)
                {
                    self.scene.ledger.refuse(Why::Program, path.clone());
                }
                task.to_end = self.scene.fast && self.scene.hasten(task);
                if asks {
                    self.may_run_anywhere(tid);
                }
            }
            Ok(Stop::Exit { result }) => {
                task.to_end = false;
                if self.began {
                    self.scene.leave(tid, task, result);
                } else if matches!(task.pending, Pending::Exec { .. }) && result < 0 {
                    // Let go before whoever started it learns of it and waits for it.
                    self.scene.ledger.refuse(Why::NotStarted, format!("errno {}", -result));
                }
            }
            Ok(Stop::Neither) | Err(_) => {}
        }
    }
}
