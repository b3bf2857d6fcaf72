//! What an instance prints and where: straight through, or kept together for each target
//! (`--output-sync`), with the lines that announce the directory. It does not know jobs.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_base::Sys;
use kiln_make::Stream;
use kiln_make::options::OutputSync;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Observer, Probes, Signals, SyncLock};

/// Where an instance's standard output and error lead; `None` is the process's own.
#[derive(Clone, Default)]
pub struct Sink {
    /// Standard output.
    pub out: Option<Arc<File>>,
    /// Standard error.
    pub err: Option<Arc<File>>,
}

impl Sink {
    /// Writes to standard output all of it or, where that is a file with no room left, nothing: the
    /// file is as it was. Tells whether it was written.
    #[must_use]
    pub fn write_whole(&self, text: &[u8]) -> bool {
        let Some(file) = &self.out else { return self.write(Stream::Out, text).is_ok() };
        let before = rustix::fs::seek(file, rustix::fs::SeekFrom::Current(0));
        if self.write(Stream::Out, text).is_ok() {
            return true;
        }
        if let Ok(before) = before {
            // Should this fail too, the program that runs next finds the same trouble and says so.
            let _ = rustix::fs::ftruncate(file, before);
            let _ = rustix::fs::seek(file, rustix::fs::SeekFrom::Start(before));
        }
        false
    }

    /// Writes straight through.
    ///
    /// # Errors
    /// As `write(2)`.
    pub fn write(&self, to: Stream, text: &[u8]) -> Result<(), Errno> {
        let (file, own_out) = match to {
            Stream::Out => (&self.out, true),
            Stream::Err => (&self.err, false),
        };
        match file {
            Some(file) => write_all(file.as_fd(), text),
            None if own_out => write_all(io::stdout().as_fd(), text),
            None => write_all(io::stderr().as_fd(), text),
        }
    }

    fn is_open(&self, to: Stream) -> bool {
        let flags = match (to, &self.out, &self.err) {
            (Stream::Out, Some(file), _) | (Stream::Err, _, Some(file)) => {
                rustix::io::fcntl_getfd(file)
            }
            (Stream::Out, None, _) => rustix::io::fcntl_getfd(io::stdout()),
            (Stream::Err, _, None) => rustix::io::fcntl_getfd(io::stderr()),
        };
        flags.is_ok()
    }

    /// Whether both lead to the same file, so that one buffer keeps their order.
    fn is_one(&self) -> bool {
        let id = |stat: Result<rustix::fs::Stat, Errno>| stat.ok().map(|s| (s.st_dev, s.st_ino));
        let out = match &self.out {
            Some(file) => id(rustix::fs::fstat(file)),
            None => id(rustix::fs::fstat(io::stdout())),
        };
        let err = match &self.err {
            Some(file) => id(rustix::fs::fstat(file)),
            None => id(rustix::fs::fstat(io::stderr())),
        };
        out.is_some() && out == err
    }
}

fn write_all(fd: std::os::fd::BorrowedFd<'_>, mut text: &[u8]) -> Result<(), Errno> {
    while !text.is_empty() {
        match rustix::io::write(fd, text) {
            Ok(n) => text = &text[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds =
                    [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::OUT)];
                let _ = rustix::event::poll(&mut fds, None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A place where output is collected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) struct Buffer(u32);

/// What is read while makefiles are.
const READING: Buffer = Buffer(0);

#[derive(Default)]
struct Kept {
    out: Option<Arc<File>>,
    err: Option<Arc<File>>,
    /// Output goes here rather than straight through.
    on: bool,
}

/// The output of one instance.
pub struct Output {
    program: Vec<u8>,
    level: u32,
    directory: Option<Vec<u8>>,
    print_dir: bool,
    commented: bool,
    mode: OutputSync,
    traced: bool,
    sink: Sink,
    lock: Option<Arc<SyncLock>>,
    context: Option<Buffer>,
    kept: rustc_hash::FxHashMap<Buffer, Kept>,
    last: u32,
    in_setup: bool,
    tmp: PathBuf,
    write_error: Option<i32>,
    /// Where `$(shell)` starts commands.
    pub(crate) sys: Option<Arc<dyn Sys>>,
    /// What ends its waiting for them.
    pub(crate) signals: Option<Arc<Signals>>,
    pub(crate) probes: Option<Arc<dyn Probes>>,
    /// Small standard programs may be done within the process.
    pub(crate) shell_inside: bool,
    /// Who is told of `$(shell …)`, and the job in the instance above.
    pub(crate) observer: Option<(Arc<dyn Observer>, u64)>,
    /// `.ONESHELL` changes how `$(shell)` reads its command too.
    pub(crate) oneshell: bool,
}

impl Output {
    /// Output to `sink`, straight through.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        let mut kept = rustc_hash::FxHashMap::default();
        kept.insert(READING, Kept::default());
        Output {
            program: b"make".to_vec(),
            level: 0,
            directory: None,
            print_dir: false,
            commented: false,
            mode: OutputSync::None,
            traced: false,
            sink,
            lock: None,
            context: None,
            kept,
            last: 0,
            in_setup: false,
            tmp: PathBuf::from("/tmp"),
            write_error: None,
            sys: None,
            signals: None,
            probes: None,
            observer: None,
            shell_inside: false,
            oneshell: false,
        }
    }

    /// The names that messages begin with.
    pub fn set_identity(&mut self, program: &[u8], level: u32) {
        self.program = program.to_vec();
        self.level = level;
    }

    /// The directory that is announced; `None` if it is not known.
    pub fn set_directory(&mut self, dir: Option<Vec<u8>>) {
        self.directory = dir;
    }

    /// Whether the directory is announced at all.
    pub fn set_print_dir(&mut self, yes: bool) {
        self.print_dir = yes;
    }

    /// `-p`: the announcements are comments.
    pub fn set_commented(&mut self, yes: bool) {
        self.commented = yes;
    }

    /// `-O`
    pub fn set_mode(&mut self, mode: OutputSync) {
        self.mode = mode;
    }

    /// `-O` as it stands: it is switched off where it cannot be done.
    #[must_use]
    pub fn mode(&self) -> OutputSync {
        self.mode
    }

    /// Where what is kept together is collected.
    pub fn set_temporary_dir(&mut self, dir: PathBuf) {
        self.tmp = dir;
    }

    /// The lock that keeps groups of lines apart.
    pub fn set_lock(&mut self, lock: Option<Arc<SyncLock>>) {
        self.lock = lock;
    }

    /// The lock, for a recursive make in this process.
    #[must_use]
    pub fn lock(&self) -> Option<Arc<SyncLock>> {
        self.lock.clone()
    }

    /// Whether the directory has been announced.
    #[must_use]
    pub fn traced(&self) -> bool {
        self.traced
    }

    /// Says that it was announced already (before a restart).
    pub fn set_traced(&mut self, traced: bool) {
        self.traced = traced;
    }

    /// The first error in writing to standard output, as an error number.
    #[must_use]
    pub fn write_error(&self) -> Option<i32> {
        self.write_error
    }

    /// Where output goes in the end.
    #[must_use]
    pub fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Makefiles are being read; if `sync`, what is said meanwhile is kept together.
    pub fn begin_reading(&mut self, sync: bool) {
        let was_on = self.kept.get(&READING).is_some_and(|k| k.on);
        if was_on && !sync {
            self.close(READING);
        }
        self.kept.entry(READING).or_default().on = sync;
        self.context = sync.then_some(READING);
    }

    /// Makefiles have been read.
    pub fn end_reading(&mut self) {
        if self.context == Some(READING) {
            self.context = None;
        }
        self.close(READING);
        self.kept.entry(READING).or_default().on = false;
    }

    /// The end of the instance: what is still kept is written, and the directory is left.
    pub fn leave(&mut self) {
        if let Some(buffer) = self.context.take() {
            self.close(buffer);
        }
        self.end_reading();
        if self.traced {
            self.log_directory(false);
        }
    }

    /// Prints text, where the context says.
    pub fn print(&mut self, to: Stream, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.start();
        if let Some(file) = self.context_file(to) {
            // Like all of make's messages, it goes out even if the disk is full.
            let _ = write_all(file.as_fd(), text);
            return;
        }
        self.raw(to, text);
    }

    /// Prints text straight through.
    pub fn raw(&mut self, to: Stream, text: &[u8]) {
        let own = match to {
            Stream::Out => self.sink.out.is_none(),
            Stream::Err => self.sink.err.is_none(),
        };
        if let Some(probes) = self.probes.as_ref().filter(|_| own) {
            probes.said(to, text);
        }
        if let Err(error) = self.sink.write(to, text) {
            if error == Errno::PIPE && self.sink.out.is_none() {
                // The runtime ignores the signal that would have ended make here.
                let _ = signal_hook::low_level::emulate_default_handler(13);
            }
            if to == Stream::Out && self.write_error.is_none() {
                self.write_error = Some(error.raw_os_error());
            }
        }
    }

    /// An error message of make's, without a place.
    pub fn error(&mut self, text: &[u8]) {
        let mut line = self.program.clone();
        if self.level > 0 {
            line.extend_from_slice(format!("[{}]", self.level).as_bytes());
        }
        line.extend_from_slice(b": ");
        line.extend_from_slice(text);
        line.push(b'\n');
        self.print(Stream::Err, &line);
    }

    /// Output is about to be made: sets up the buffer, or announces the directory.
    pub fn start(&mut self) {
        if let Some(buffer) = self.context
            && self.kept.get(&buffer).is_some_and(|k| k.on && k.out.is_none() && k.err.is_none())
        {
            self.set_up(buffer);
        }
        if matches!(self.mode, OutputSync::None | OutputSync::Recurse)
            && !self.traced
            && self.print_dir
        {
            self.traced = true;
            self.log_directory(true);
        }
    }

    /// A buffer for a recipe's output.
    pub(crate) fn new_buffer(&mut self) -> Buffer {
        self.last += 1;
        let buffer = Buffer(self.last);
        let on = self.mode != OutputSync::None;
        self.kept.insert(buffer, Kept { on, ..Kept::default() });
        buffer
    }

    /// Whether the buffer's recipe is kept together now.
    pub(crate) fn set_on(&mut self, buffer: Buffer, on: bool) {
        if let Some(kept) = self.kept.get_mut(&buffer) {
            kept.on = on;
        }
    }

    /// From now on make's own messages belong to this recipe.
    pub(crate) fn enter(&mut self, buffer: Buffer) {
        let on = self.kept.get(&buffer).is_some_and(|k| k.on);
        self.context = on.then_some(buffer);
    }

    /// Make's own messages belong to no recipe.
    pub(crate) fn exit(&mut self) {
        self.context = None;
    }

    /// Where a command of the buffer's recipe writes.
    pub(crate) fn sink_of(&self, buffer: Buffer) -> Sink {
        match self.kept.get(&buffer) {
            Some(kept) if kept.on => Sink {
                out: kept.out.clone().or_else(|| self.sink.out.clone()),
                err: kept.err.clone().or_else(|| self.sink.err.clone()),
            },
            _ => self.sink.clone(),
        }
    }

    /// Where a command writes its errors whose output make reads.
    pub(crate) fn err_of_context(&self) -> Option<Arc<File>> {
        self.context_file(Stream::Err).or_else(|| self.sink.err.clone())
    }

    fn context_file(&self, to: Stream) -> Option<Arc<File>> {
        let kept = self.kept.get(&self.context?)?;
        match to {
            Stream::Out => kept.out.clone(),
            Stream::Err => kept.err.clone(),
        }
    }

    /// Writes what a buffer holds, all of it together.
    pub(crate) fn dump(&mut self, buffer: Buffer) {
        let Some(kept) = self.kept.get(&buffer) else { return };
        let (out, err) = (kept.out.clone(), kept.err.clone());
        let size = |file: &Option<Arc<File>>| {
            file.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len())
        };
        let err = err.filter(|err| !out.as_ref().is_some_and(|out| Arc::ptr_eq(out, err)));
        let err = Some(err).filter(|e| size(e) > 0).flatten();
        let out = Some(out).filter(|o| size(o) > 0).flatten();
        if out.is_none() && err.is_none() {
            return;
        }
        let lock = self.lock.clone();
        let held = lock.as_ref().map(|l| l.acquire());
        if matches!(held, Some(Err(_))) {
            self.lock = None;
            self.error(b"warning: Cannot acquire output lock, disabling output sync.");
        }
        let trace = self.mode != OutputSync::Recurse && self.print_dir;
        if trace {
            self.log_directory(true);
        }
        for (to, file) in [(Stream::Out, &out), (Stream::Err, &err)] {
            if let Some(file) = file {
                self.pump(to, file);
            }
        }
        if trace {
            self.log_directory(false);
        }
        drop(held);
    }

    fn pump(&mut self, to: Stream, file: &File) {
        use std::os::unix::fs::FileExt;
        let mut at = 0;
        let mut block = vec![0; 64 * 1024];
        loop {
            match file.read_at(&mut block, at) {
                Ok(0) => break,
                Ok(n) => {
                    at += n as u64;
                    self.raw(to, &block[..n]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Appended to from here on; the descriptors of children do not matter any more.
        let _ = file.set_len(0);
    }

    /// Writes what a buffer holds and forgets it.
    pub(crate) fn close(&mut self, buffer: Buffer) {
        self.dump(buffer);
        if buffer == READING {
            if let Some(kept) = self.kept.get_mut(&READING) {
                kept.out = None;
                kept.err = None;
            }
        } else {
            self.kept.remove(&buffer);
            if self.context == Some(buffer) {
                self.context = None;
            }
        }
    }

    fn set_up(&mut self, buffer: Buffer) {
        if self.in_setup {
            return;
        }
        self.in_setup = true;
        let made = self.make_files();
        match made {
            Ok((out, err)) => {
                if let Some(kept) = self.kept.get_mut(&buffer) {
                    kept.out = out;
                    kept.err = err;
                }
            }
            Err(()) => {
                self.error(b"cannot open output-sync lock file, suppressing output-sync.");
                self.mode = OutputSync::None;
                self.lock = None;
            }
        }
        self.in_setup = false;
    }

    #[allow(clippy::type_complexity)] // the two ends of one buffer
    fn make_files(&mut self) -> Result<(Option<Arc<File>>, Option<Arc<File>>), ()> {
        let (out_open, err_open) = (self.sink.is_open(Stream::Out), self.sink.is_open(Stream::Err));
        if !out_open && !err_open {
            self.error(b"output-sync suppressed: stderr: Bad file descriptor");
            return Err(());
        }
        let out = if out_open { Some(self.collector()?) } else { None };
        let err = match &out {
            _ if !err_open => None,
            Some(out) if self.sink.is_one() => Some(Arc::clone(out)),
            _ => Some(self.collector()?),
        };
        Ok((out, err))
    }

    fn log_directory(&mut self, entering: bool) {
        let mut line = Vec::new();
        if self.commented {
            line.extend_from_slice(b"# ");
        }
        line.extend_from_slice(&self.program);
        if self.level > 0 {
            line.extend_from_slice(format!("[{}]", self.level).as_bytes());
        }
        line.extend_from_slice(if entering { b": Entering " } else { b": Leaving " });
        match &self.directory {
            None => line.extend_from_slice(b"an unknown directory"),
            Some(dir) => {
                line.extend_from_slice(b"directory '");
                line.extend_from_slice(dir);
                line.push(b'\'');
            }
        }
        line.push(b'\n');
        self.raw(Stream::Out, &line);
    }

    /// A file without a name that several processes append to.
    fn collector(&mut self) -> Result<Arc<File>, ()> {
        let made = unnamed(&self.tmp).or_else(|_| {
            let (path, file) = crate::lock::temporary(&self.tmp)?;
            std::fs::remove_file(path)?;
            Ok(file)
        });
        let appending = made.and_then(|file: File| {
            let flags = rustix::fs::fcntl_getfl(&file)?;
            rustix::fs::fcntl_setfl(&file, flags | OFlags::APPEND)?;
            Ok(Arc::new(file))
        });
        appending.map_err(|error: io::Error| {
            let path = self.tmp.join("GmXXXXXX");
            let why = kiln_graph::say::io_text(&error);
            let name = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
            let parts = [b"cannot create temporary file ", name, b": ", why.as_bytes()];
            self.error(&parts.concat());
        })
    }
}

fn unnamed(dir: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(rustix::fs::CWD, dir, flags, Mode::from_raw_mode(0o600))?.into())
}
