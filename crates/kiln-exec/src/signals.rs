//! The signals that end a build: noted, and made visible to whoever waits. What follows from them is
//! decided elsewhere.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};

/// SIGHUP
pub const HUP: i32 = 1;
/// SIGINT
pub const INT: i32 = 2;
/// SIGQUIT
pub const QUIT: i32 = 3;
/// SIGTERM
pub const TERM: i32 = 15;
const XCPU: i32 = 24;
const XFSZ: i32 = 25;

/// The fatal signals of this process.
pub struct Signals {
    caught: Arc<AtomicUsize>,
    /// Becomes readable with the first signal and stays so: every instance is to see it.
    wake: Option<OwnedFd>,
}

impl Signals {
    /// Catches the signals that make catches, except those that were being ignored.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn install() -> io::Result<Self> {
        let caught = Arc::new(AtomicUsize::new(0));
        let (read, write) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )?;
        let ignored = ignored_signals();
        for signal in [HUP, QUIT, INT, TERM, XCPU, XFSZ] {
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
            signal_hook::flag::register_usize(signal, Arc::clone(&caught), signal as usize)?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Signals { caught, wake: Some(read) })
    }

    /// No signals, for tests and for a process that deals with them itself.
    #[must_use]
    pub fn none() -> Self {
        Signals { caught: Arc::new(AtomicUsize::new(0)), wake: None }
    }

    /// The signal that came last, if any came.
    #[must_use]
    pub fn caught(&self) -> Option<i32> {
        match self.caught.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Waits for a signal, a few hundredths of a second at most.
    pub(crate) fn wait_a_moment(&self) {
        let Some(fd) = self.fd() else { return };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let moment = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
        // Whatever comes of it, the flag is asked next.
        let _ = rustix::event::poll(&mut fds, Some(&moment));
    }

    /// Readable once a signal has come.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.wake.as_ref().map(AsFd::as_fd)
    }
}

/// Ends the process by a signal, as if it had never been caught.
pub fn end_by(signal: i32) {
    // It fails only for what is no signal.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// The mask of signals that were ignored when the process began (`nohup`, a shell's background).
fn ignored_signals() -> u64 {
    const STATUS: &str = "/proc/self/status";
    let find = |status: &[u8]| {
        let status = String::from_utf8_lossy(status);
        let (_, rest) = status.split_once("\nSigIgn:")?;
        u64::from_str_radix(rest.split_once('\n')?.0.trim(), 16).ok()
    };
    // One read gives all, but to a user of very many groups.
    let mut status = [0; 4096];
    let length = std::fs::File::open(STATUS).and_then(|mut f| f.read(&mut status)).unwrap_or(0);
    let whole = || find(&std::fs::read(STATUS).ok()?);
    find(&status[..length]).or_else(whole).unwrap_or(0)
}

/// What the system calls a signal, as a shell prints it.
#[must_use]
pub fn name(signal: i32) -> String {
    let name = match signal {
        1 => "Hangup",
        2 => "Interrupt",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        17 => "Child exited",
        18 => "Continued",
        19 => "Stopped (signal)",
        20 => "Stopped",
        21 => "Stopped (tty input)",
        22 => "Stopped (tty output)",
        23 => "Urgent I/O condition",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        28 => "Window changed",
        29 => "I/O possible",
        30 => "Power failure",
        31 => "Bad system call",
        34..=64 => return format!("Real-time signal {}", signal - 34),
        _ => return format!("Unknown signal {signal}"),
    };
    name.into()
}
