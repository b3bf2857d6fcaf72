//! Job slots. With a number of jobs they are bytes in a pipe or fifo, so that sub-makes and other
//! programs (`gcc -flto=jobserver`) take part: GNU make manual, "Sharing Job Slots with GNU make".
//! Every instance has one slot of its own besides. This file does not know jobs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, FdFlags};

/// What the instances of a process may run beside each other.
pub struct Slots {
    kind: Kind,
}

enum Kind {
    /// One job at a time.
    Single,
    /// `-j` without a number.
    Unlimited,
    /// Tokens.
    Server(Box<Server>),
}

struct Server {
    read: OwnedFd,
    write: OwnedFd,
    auth: Vec<u8>,
    /// Pipe descriptors have to be inherited by recursive makes; they are ours to pass on only if
    /// they did not themselves come by inheritance.
    passed_on: bool,
    /// A fifo that we made.
    fifo: Option<PathBuf>,
}

impl Slots {
    /// One job at a time.
    #[must_use]
    pub fn single() -> Self {
        Slots { kind: Kind::Single }
    }

    /// No limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Slots { kind: Kind::Unlimited }
    }

    /// `jobs` at a time, as the first make. `style` is that of `--jobserver-style`; `tmp` is where a
    /// fifo is put. The second value is a warning to be printed.
    ///
    /// # Errors
    /// The text of make's fatal message.
    pub fn server(
        jobs: u32,
        style: Option<&[u8]>,
        tmp: &Path,
    ) -> Result<(Self, Option<Vec<u8>>), Vec<u8>> {
        let mut warning = None;
        if style.is_none_or(|s| s == b"fifo") {
            // Several makes of this process may need one at a time.
            static MADE: AtomicU32 = AtomicU32::new(0);
            let name = match MADE.fetch_add(1, Ordering::Relaxed) {
                0 => format!("GMfifo{}", std::process::id()),
                n => format!("GMfifo{}.{n}", std::process::id()),
            };
            let path = tmp.join(name);
            match rustix::fs::mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)) {
                Ok(()) => {
                    let server = open_fifo(&path).map_err(|e| cannot_open(&path, e))?;
                    let server = Server { fifo: Some(path), ..server };
                    server.fill(jobs - 1)?;
                    return Ok((Slots { kind: Kind::Server(Box::new(server)) }, None));
                }
                Err(error) => {
                    warning = Some(
                        [
                            b"jobserver mkfifo: ",
                            path.as_os_str().as_bytes(),
                            b": ",
                            errno(error).as_bytes(),
                        ]
                        .concat(),
                    );
                }
            }
        }
        if let Some(style) = style
            && style != b"pipe"
            && style != b"fifo"
        {
            return Err([b"unknown jobserver auth style '", style, b"'"].concat());
        }
        let pair = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (read, write) =
            pair.map_err(|e| [b"creating jobs pipe: ", errno(e).as_bytes()].concat())?;
        let auth = format!("{},{}", read.as_raw_fd(), write.as_raw_fd()).into_bytes();
        let server = Server { read, write, auth, passed_on: true, fifo: None };
        server.fill(jobs - 1)?;
        server.set_nonblocking();
        Ok((Slots { kind: Kind::Server(Box::new(server)) }, warning))
    }

    /// The slots of the make that started us, from the value of `--jobserver-auth`.
    ///
    /// # Errors
    /// It cannot be used; the text, if any, is to be printed first.
    pub fn client(auth: &[u8]) -> Result<Self, Option<Vec<u8>>> {
        if let Some(name) = auth.strip_prefix(b"fifo:") {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            let server = open_fifo(path).map_err(|e| Some(cannot_open(path, e)))?;
            return Ok(Slots { kind: Kind::Server(Box::new(server)) });
        }
        let text = std::str::from_utf8(auth).ok();
        let pair = text.and_then(|t| t.split_once(','));
        let pair = pair.and_then(|(r, w)| Some((r.parse::<i32>().ok()?, w.parse::<i32>().ok()?)));
        let Some((read, write)) = pair else {
            return Err(Some([b"invalid --jobserver-auth string '", auth, b"'"].concat()));
        };
        // The parent says -2 to whom it does not take for a recursive make. The descriptors are
        // opened anew by their names, so that their blocking mode is ours alone.
        let open = |fd: i32, flags: OFlags| {
            let path = format!("/proc/self/fd/{fd}");
            rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
        };
        let read = open(read, OFlags::RDONLY | OFlags::NONBLOCK).map_err(|_| None)?;
        let write = open(write, OFlags::WRONLY).map_err(|_| None)?;
        let server = Server { read, write, auth: auth.to_vec(), passed_on: false, fifo: None };
        Ok(Slots { kind: Kind::Server(Box::new(server)) })
    }

    /// The value for `--jobserver-auth`, if there are tokens.
    #[must_use]
    pub fn auth(&self) -> Option<Vec<u8>> {
        self.server_ref().map(|s| s.auth.clone())
    }

    /// Whether jobs are limited by tokens.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        matches!(self.kind, Kind::Server(_))
    }

    /// Whether children need descriptors to take part, rather than a name.
    #[must_use]
    pub fn is_pipe(&self) -> bool {
        self.server_ref().is_some_and(|s| !s.auth.starts_with(b"fifo:"))
    }

    /// One job at a time.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self.kind, Kind::Single)
    }

    /// Readable when a token may be had.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.server_ref().map(|s| s.read.as_fd())
    }

    /// Takes a token if one is there.
    pub(crate) fn try_take(&self) -> io::Result<bool> {
        let Some(server) = self.server_ref() else { return Ok(true) };
        let mut byte = [0];
        loop {
            match rustix::io::read(&server.read, &mut byte) {
                Ok(n) => return Ok(n > 0),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives a token back.
    pub(crate) fn give(&self) -> io::Result<()> {
        self.server_ref().map_or(Ok(()), Server::give)
    }

    /// How many tokens nobody holds right now. They are taken out and put back, so this is for tests
    /// and reports only.
    #[must_use]
    pub fn count_free(&self) -> usize {
        if !self.has_tokens() {
            return 0;
        }
        let mut count = 0;
        while self.try_take().unwrap_or(false) {
            count += 1;
        }
        for _ in 0..count {
            // The reading end is ours, so that the pipe cannot be broken.
            let _ = self.give();
        }
        count
    }

    /// Lets children of the process inherit the descriptors, or not. Only while the lock on
    /// starting processes is held.
    pub(crate) fn inheritable(&self, yes: bool) {
        let Some(server) = self.server_ref() else { return };
        if server.passed_on && server.fifo.is_none() && !server.auth.starts_with(b"fifo:") {
            let flags = if yes { FdFlags::empty() } else { FdFlags::CLOEXEC };
            for fd in [&server.read, &server.write] {
                // The descriptors are open, so this cannot fail.
                let _ = rustix::io::fcntl_setfd(fd, flags);
            }
        }
    }

    /// Removes a fifo of ours, before a signal ends the process.
    pub fn clear(&self) {
        if let Some(fifo) = self.server_ref().and_then(|s| s.fifo.as_ref()) {
            let _ = std::fs::remove_file(fifo);
        }
    }

    fn server_ref(&self) -> Option<&Server> {
        match &self.kind {
            Kind::Server(server) => Some(server),
            _ => None,
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Server {
    fn give(&self) -> io::Result<()> {
        loop {
            match rustix::io::write(&self.write, b"+") {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fill(&self, tokens: u32) -> Result<(), Vec<u8>> {
        for _ in 0..tokens {
            self.give().map_err(|e| {
                [&b"init jobserver pipe: "[..], kiln_graph::say::io_text(&e).as_bytes()].concat()
            })?;
        }
        Ok(())
    }

    fn set_nonblocking(&self) {
        if let Ok(flags) = rustix::fs::fcntl_getfl(&self.read) {
            let _ = rustix::fs::fcntl_setfl(&self.read, flags | OFlags::NONBLOCK);
        }
    }
}

fn open_fifo(path: &Path) -> Result<Server, Errno> {
    // Opened for reading without waiting: there may be no writer yet.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let read = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let write = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let auth = [b"fifo:", path.as_os_str().as_bytes()].concat();
    Ok(Server { read, write, auth, passed_on: true, fifo: None })
}

fn cannot_open(path: &Path, error: Errno) -> Vec<u8> {
    let name = path.as_os_str().as_bytes();
    [b"cannot open jobserver ", name, b": ", errno(error).as_bytes()].concat()
}

fn errno(error: Errno) -> String {
    kiln_graph::say::errno_text(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_server_has_one_token_less_than_jobs() {
        let (slots, warning) = Slots::server(3, Some(b"pipe"), Path::new("/tmp")).unwrap();
        assert_eq!(warning, None);
        assert!(slots.try_take().unwrap());
        assert!(slots.try_take().unwrap());
        assert!(!slots.try_take().unwrap());
        slots.give().unwrap();
        assert!(slots.try_take().unwrap());
    }

    #[test]
    fn a_client_shares_the_tokens_of_a_pipe() {
        let (server, _) = Slots::server(2, Some(b"pipe"), Path::new("/tmp")).unwrap();
        let client = Slots::client(&server.auth().unwrap()).ok().unwrap();
        assert!(client.try_take().unwrap());
        assert!(!server.try_take().unwrap());
        client.give().unwrap();
        assert!(server.try_take().unwrap());
    }

    #[test]
    fn bad_values() {
        let why = Slots::client(b"what").err().unwrap().unwrap();
        assert_eq!(why, b"invalid --jobserver-auth string 'what'");
        assert_eq!(Slots::client(b"-2,-2").err(), Some(None));
        let why = Slots::server(2, Some(b"foo"), Path::new("/tmp")).err().unwrap();
        assert_eq!(why, b"unknown jobserver auth style 'foo'");
    }
}
