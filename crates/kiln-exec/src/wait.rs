//! Waiting for several things at once: commands that run, a token, a signal, time. It does not know
//! what follows.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// What a wait is for besides the commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// Nothing: only looks.
    Now,
    /// A command or a signal.
    Something,
    /// Also at most one second.
    Second,
}

/// Which of the descriptors are ready.
pub(crate) struct Ready {
    /// For each command, in the order given.
    pub commands: Vec<bool>,
    /// The token's descriptor.
    pub token: bool,
}

/// Waits until one of the descriptors is ready.
pub(crate) fn wait(
    commands: &[BorrowedFd<'_>],
    token: Option<BorrowedFd<'_>>,
    signal: Option<BorrowedFd<'_>>,
    until: Until,
) -> std::io::Result<Ready> {
    let mut fds: Vec<PollFd<'_>> =
        commands.iter().map(|&fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    for fd in [token, signal].into_iter().flatten() {
        fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
    }
    let timeout = match until {
        Until::Now => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
        Until::Something => None,
        Until::Second => Some(Timespec { tv_sec: 1, tv_nsec: 0 }),
    };
    loop {
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    Ok(Ready {
        commands: ready[..commands.len()].to_vec(),
        token: token.is_some() && ready[commands.len()],
    })
}
