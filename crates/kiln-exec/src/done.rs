//! How a command ended, and the flag by which a command that is no process says so. It does not
//! know who waits.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::EventfdFlags;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With this exit status.
    Exit(i32),
    /// By this signal; whether a core was dumped.
    Signal(i32, bool),
}

impl Ended {
    /// Whether all went well.
    #[must_use]
    pub fn success(self) -> bool {
        self == Ended::Exit(0)
    }
}

/// The end of something that runs on another thread, to be waited for along with processes.
#[derive(Clone)]
pub struct Done(Arc<Inner>);

struct Inner {
    wake: OwnedFd,
    ended: Mutex<Option<Ended>>,
}

impl Done {
    /// Nothing has ended yet.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Done(Arc::new(Inner { wake, ended: Mutex::new(None) })))
    }

    /// Says that it has ended. Only the first time counts.
    pub fn finish(&self, how: Ended) {
        let mut ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            *ended = Some(how);
            // The counter of an eventfd can only be full if it is readable already.
            let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Done {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
