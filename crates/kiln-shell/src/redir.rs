//! Descriptors: opening files for redirections, writing, and files in memory.
//!
//! Only 0, 1 and 2 exist here. Everything is opened relative to the shell's own directory.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, MemfdFlags, Mode, OFlags, SeekFrom};

use crate::ast::{Redir, RedirTo};
use crate::host::Target;
use crate::message::{Purpose, failure};
use crate::run::{Flow, Shell};

impl Shell {
    /// Carries out redirections in their order on the shell's own descriptors; the caller keeps
    /// the old ones. On failure the message has been written (through the redirections made so
    /// far) and the inner error is the status.
    pub(crate) async fn redirect(&mut self, redirs: &[Redir]) -> Flow<Result<(), i32>> {
        // dash expands all the names first, then opens.
        let mut names = Vec::with_capacity(redirs.len());
        for redir in redirs {
            names.push(match redir.to.word() {
                Some(word) => self.value(word).await?,
                None => Vec::new(),
            });
        }
        let before = self.fds.clone();
        for (redir, name) in redirs.iter().zip(names) {
            let (flags, word, purpose) = match &redir.to {
                RedirTo::Dup(from) => {
                    self.fds[usize::from(redir.fd)] = self.fds[usize::from(*from)].clone();
                    continue;
                }
                RedirTo::Read(_) => (OFlags::RDONLY, "open", Purpose::Open),
                RedirTo::Write(_) => {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
                    (flags, "create", Purpose::Create)
                }
                RedirTo::Append(_) => {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
                    (flags, "create", Purpose::Create)
                }
            };
            let mode = Mode::from_raw_mode(0o666);
            match self.open(name.clone(), flags, mode).await {
                Ok(fd) => self.fds[usize::from(redir.fd)] = Target::File(Arc::new(fd)),
                Err(error) => {
                    let mut text = format!("cannot {word} ").into_bytes();
                    text.extend_from_slice(&name);
                    let why = failure(error.raw_os_error().unwrap_or(0), purpose);
                    text.extend_from_slice(format!(": {why}").as_bytes());
                    self.warn(None, &text)?;
                    self.fds = before;
                    return Ok(Err(2));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Opens a file without holding up the caller: a named pipe opens only when its other end does,
    /// and that may be another job's doing.
    async fn open(&self, name: Vec<u8>, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let is_pipe = rustix::fs::statat(&self.dir.fd, &name[..], AtFlags::empty())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if !is_pipe {
            return open(&self.dir.fd, &name, flags, mode);
        }
        let dir = self.dir.clone();
        let opening =
            std::thread::Builder::new().spawn(move || open(&dir.fd, &name, flags, mode))?;
        while !opening.is_finished() {
            std::thread::sleep(PIPE_PATIENCE);
            self.mailbox.yield_turn().await;
        }
        opening.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    }
}

/// How long to rest between two looks at a named pipe being opened.
const PIPE_PATIENCE: std::time::Duration = std::time::Duration::from_millis(1);

/// Opens a file relative to a directory, close-on-exec.
pub(crate) fn open(dir: &OwnedFd, name: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    loop {
        match rustix::fs::openat(dir.as_fd(), name, flags | OFlags::CLOEXEC, mode) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Writes everything.
pub(crate) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// An empty file that only its descriptor names, for output that is read back.
pub(crate) fn memory_file() -> io::Result<OwnedFd> {
    Ok(rustix::fs::memfd_create(c"kiln-shell", MemfdFlags::CLOEXEC)?)
}

/// Everything in a file, from its beginning.
pub(crate) fn contents(file: &OwnedFd) -> io::Result<Vec<u8>> {
    rustix::fs::seek(file, SeekFrom::Start(0))?;
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(file, &mut buffer) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a pipe takes without a reader: sixteen pages.
const PIPE_CAPACITY: usize = 64 * 1024;

/// The reading end of a pipe in which these bytes are, or will be as they are read.
pub(crate) fn pipe_with(bytes: Vec<u8>) -> io::Result<OwnedFd> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    if bytes.len() <= PIPE_CAPACITY {
        write_all(&writer, &bytes)?;
    } else {
        // More than the pipe holds needs a writer beside the reader. A reader that goes away
        // early ends it with EPIPE, which is nothing to report.
        std::thread::Builder::new().spawn(move || {
            let _ = write_all(&writer, &bytes);
        })?;
    }
    Ok(reader)
}
