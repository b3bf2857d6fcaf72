//! Notes what Kiln itself looks at: a [`Sys`] around another one, whose every answer becomes a fact
//! of the same kind as a watched command's. It knows nothing of what the answers are used for.

use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use kiln_base::{FileKind, Stat, Sys, Time};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

use crate::check::{Checker, Verdict};
use crate::eye::{Eye, Identity, Kind, hash_bytes, hash_names};
use crate::fact::{Effect, Fact, Observations, Opaque, Seen, Status, Why};

/// Which question was asked of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Stat,
    Lstat,
    Read,
    List,
    Link,
    Real,
    Enter,
}

/// What was told of a path, and which question that answered.
struct Note {
    path: Box<[u8]>,
    asked: Asked,
    seen: Seen,
}

#[derive(Default)]
struct Notes {
    /// Each question once, in the order in which they were asked.
    facts: Vec<Note>,
    /// Where a question stands in `facts`, by its hash or the next number that was free.
    places: FxHashMap<u64, u32>,
    wrote: Vec<Vec<u8>>,
    opaque: Option<Opaque>,
}

impl Notes {
    /// Where a question stands, or the number under which it belongs.
    fn place(&self, path: &[u8], asked: Asked) -> Result<&Note, u64> {
        let mut hasher = rustc_hash::FxHasher::default();
        (path, asked).hash(&mut hasher);
        let mut number = hasher.finish();
        while let Some(note) = self.places.get(&number).and_then(|i| self.facts.get(*i as usize)) {
            if note.asked == asked && *note.path == *path {
                return Ok(note);
            }
            number = number.wrapping_add(1);
        }
        Err(number)
    }

    /// There will be nothing to keep, so what was noted is let go.
    fn refuse(&mut self, opaque: Opaque) {
        self.opaque.get_or_insert(opaque);
        self.facts = Vec::new();
        self.places = FxHashMap::default();
    }
}

/// What all [`RecordingSys`] of a run note into.
pub struct Recorder {
    eye: Arc<dyn Eye>,
    notes: Mutex<Notes>,
}

/// A system that notes what it tells.
pub struct RecordingSys {
    inner: Box<dyn Sys>,
    recorder: Arc<Recorder>,
}

fn errno_of(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

fn status_of(stat: &Stat) -> Status {
    let mtime = i64::try_from(stat.mtime.0).unwrap_or(i64::MAX);
    let (kind, content) = match stat.kind {
        FileKind::File => (Kind::File, Some((stat.size, mtime))),
        FileKind::Link => (Kind::Link, Some((stat.size, mtime))),
        // make compares times of directories too.
        FileKind::Dir => (Kind::Dir, Some((0, mtime))),
        FileKind::Other => (Kind::Other, None),
    };
    Status { kind, mode: stat.mode as u16, dev: stat.id.0, ino: stat.id.1, content }
}

impl Recorder {
    /// One that has noted nothing. The eye must see the same files as the systems that are recorded.
    #[must_use]
    pub fn new(eye: Arc<dyn Eye>) -> Arc<Self> {
        Arc::new(Recorder { eye, notes: Mutex::default() })
    }

    /// A system that tells what `inner` tells and notes it here.
    #[must_use]
    pub fn around(self: &Arc<Self>, inner: Box<dyn Sys>) -> RecordingSys {
        RecordingSys { inner, recorder: Arc::clone(self) }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // A panic elsewhere leaves at worst a fact out of order.
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_known(&self, path: &[u8], asked: Asked) -> bool {
        self.notes().place(path, asked).is_ok()
    }

    /// Whether it is known already that the run's answer cannot be kept.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.notes().opaque.is_some()
    }

    fn note(&self, path: Vec<u8>, asked: Asked, seen: Seen) {
        let mut notes = self.notes();
        // Once there is nothing to keep, nothing is noted.
        if notes.opaque.is_some() {
            return;
        }
        match notes.place(&path, asked) {
            Ok(Note { seen: before, .. }) => {
                let same = match (before, &seen) {
                    // The stamps may be read at another moment than the bytes; the bytes are what counts.
                    (Seen::Contents { hash: a, .. }, Seen::Contents { hash: b, .. }) => a == b,
                    (Seen::Names { hash: a, .. }, Seen::Names { hash: b, .. }) => a == b,
                    (a, b) => a == b,
                };
                if !same && !notes.wrote.contains(&path) {
                    notes.refuse(Opaque::new(Why::Changed, path));
                }
            }
            Err(number) => {
                let at = notes.facts.len() as u32;
                notes.facts.push(Note { path: path.into_boxed_slice(), asked, seen });
                notes.places.insert(number, at);
            }
        }
    }

    /// Notes that something else makes this run one that cannot be answered from what was seen: an
    /// opaque command, a question to the clock.
    pub fn refuse(&self, opaque: Opaque) {
        self.notes().refuse(opaque);
    }

    /// Everything that was told, each thing once, if it still stands. What the run wrote is among the
    /// effects; such a run's answer will not stand the next time, nor should it.
    ///
    /// # Errors
    /// Why the run's answer cannot be kept.
    pub fn observations(&self) -> Result<Observations, Opaque> {
        let notes = self.notes();
        if let Some(opaque) = &notes.opaque {
            return Err(opaque.clone());
        }
        let now = self.eye.now();
        let mut checker = Checker::new(&*self.eye);
        let mut facts = Vec::with_capacity(notes.facts.len());
        for Note { path, seen, .. } in &notes.facts {
            let path = path.to_vec();
            // A file from the future is one from the past tomorrow, and make says so then and now.
            if let Seen::Status { was: Ok(Status { content: Some((_, mtime)), .. }), .. } = seen
                && *mtime > now
            {
                return Err(Opaque::new(Why::File, path));
            }
            let fact = Fact { path, seen: seen.clone() };
            if !notes.wrote.contains(&fact.path)
                && let Verdict::Fails(_) = checker.verdict(&fact)
            {
                return Err(Opaque::new(Why::Changed, fact.path));
            }
            facts.push(fact);
        }
        let effect = |path: &Vec<u8>| Effect {
            path: path.clone(),
            before: matches!(
                notes.place(path, Asked::Stat).map(|note| &note.seen),
                Ok(Seen::Status { was: Ok(_), .. })
            ),
            after: self.eye.identity(path, false).ok().map(|id| Status::from(&id)),
        };
        let effects = notes.wrote.iter().map(effect).collect();
        Ok(Observations { facts, effects, ..Observations::default() })
    }
}

impl RecordingSys {
    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") {
            return path.to_vec();
        }
        let dir = self.inner.dir();
        let mut whole = Vec::with_capacity(dir.len() + 1 + path.len());
        whole.extend_from_slice(dir);
        if !path.is_empty() {
            if whole != b"/" {
                whole.push(b'/');
            }
            whole.extend_from_slice(path);
        }
        whole
    }

    fn told(&self, path: &[u8], follow: bool, told: &io::Result<Stat>) {
        // An empty path is nowhere, always; and once there is nothing to keep, nothing is noted.
        if path.is_empty() || self.recorder.is_refused() {
            return;
        }
        let was = told.as_ref().map(status_of).map_err(errno_of);
        let asked = if follow { Asked::Stat } else { Asked::Lstat };
        self.recorder.note(self.absolute(path), asked, Seen::Status { follow, was });
    }

    /// A question that failed for want of the file is answered by its absence.
    fn failed(&self, path: &[u8], asked: Asked, e: &io::Error) {
        let path = self.absolute(path);
        let errno = errno_of(e);
        let seen = match self.recorder.eye.identity(&path, true) {
            Err(is) if is == errno => Seen::Status { follow: true, was: Err(errno) },
            Err(_) => return self.recorder.refuse(Opaque::new(Why::Changed, path)),
            Ok(_) if errno == libc::EACCES => Seen::Access { mode: 4, errno },
            Ok(id) if errno == libc::EISDIR || errno == libc::ENOTDIR => {
                Seen::Status { follow: true, was: Ok(Status::from(&id)) }
            }
            Ok(_) => return self.recorder.refuse(Opaque::new(Why::Trouble, path)),
        };
        self.recorder.note(path, asked, seen);
    }

    fn wrote(&self, path: &[u8]) {
        let path = self.absolute(path);
        let mut notes = self.recorder.notes();
        if !notes.wrote.contains(&path) {
            notes.wrote.push(path);
        }
    }
}

impl Sys for RecordingSys {
    fn dir(&self) -> &[u8] {
        self.inner.dir()
    }

    fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.dir_fd()
    }

    fn at(&self, dir: &[u8]) -> io::Result<Box<dyn Sys>> {
        let inner = self.inner.at(dir);
        let path = self.absolute(dir);
        match &inner {
            Ok(_) => {
                if !self.recorder.is_known(&path, Asked::Enter)
                    && let Ok(id) = self.recorder.eye.identity(&path, true)
                {
                    let was = Ok(Status::from(&id));
                    self.recorder.note(path, Asked::Enter, Seen::Status { follow: true, was });
                }
            }
            Err(e) => self.failed(dir, Asked::Enter, e),
        }
        Ok(Box::new(RecordingSys { inner: inner?, recorder: Arc::clone(&self.recorder) }))
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        let told = self.inner.stat(path);
        self.told(path, true, &told);
        told
    }

    fn lstat(&self, path: &[u8]) -> io::Result<Stat> {
        let told = self.inner.lstat(path);
        self.told(path, false, &told);
        told
    }

    fn readlink(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let told = self.inner.readlink(path);
        let was = told.as_ref().map(Clone::clone).map_err(errno_of);
        self.recorder.note(self.absolute(path), Asked::Link, Seen::Link(was));
        told
    }

    fn realpath(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let told = self.inner.realpath(path);
        let was = told.as_ref().map(Clone::clone).map_err(errno_of);
        self.recorder.note(self.absolute(path), Asked::Real, Seen::Real(was));
        told
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        if self.recorder.is_refused() {
            return self.inner.read(path);
        }
        let absolute = self.absolute(path);
        // The stamps first: if the file changes in between, they are too old and prove nothing.
        let id = self.recorder.eye.identity(&absolute, true);
        let now = self.recorder.eye.now();
        let told = self.inner.read(path);
        match (&told, id) {
            (Ok(bytes), Ok(id)) => {
                let seen = Seen::Contents {
                    id,
                    hash: Some(hash_bytes(bytes)),
                    settled: id.kind == Kind::File && id.settled(now),
                };
                self.recorder.note(absolute, Asked::Read, seen);
            }
            (Ok(_), Err(_)) => self.recorder.refuse(Opaque::new(Why::Changed, absolute)),
            (Err(e), _) => self.failed(path, Asked::Read, e),
        }
        told
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read>> {
        if self.recorder.is_refused() {
            return self.inner.open(path);
        }
        let path = (path, self.absolute(path));
        let id = self.recorder.eye.identity(&path.1, true);
        let now = self.recorder.eye.now();
        match (self.inner.open(path.0), id) {
            (Ok(file), Ok(id)) => Ok(Box::new(Reading {
                file,
                path: path.1,
                id,
                settled: id.kind == Kind::File && id.settled(now),
                hash: Xxh3::new(),
                ended: false,
                recorder: Arc::clone(&self.recorder),
            })),
            (Ok(file), Err(_)) => {
                self.recorder.refuse(Opaque::new(Why::Changed, path.1));
                Ok(file)
            }
            (Err(e), _) => {
                self.failed(path.0, Asked::Read, &e);
                Err(e)
            }
        }
    }

    fn write(&self, path: &[u8], bytes: &[u8], append: bool) -> io::Result<()> {
        self.wrote(path);
        self.inner.write(path, bytes, append)
    }

    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        if self.recorder.is_refused() {
            return self.inner.list(path);
        }
        let absolute = self.absolute(path);
        let id = self.recorder.eye.identity(&absolute, true);
        let now = self.recorder.eye.now();
        let told = self.inner.list(path);
        match (&told, id) {
            (Ok(names), Ok(id)) => {
                let seen =
                    Seen::Names { id, hash: hash_names(names.clone()), settled: id.settled(now) };
                self.recorder.note(absolute, Asked::List, seen);
            }
            (Ok(_), Err(_)) => self.recorder.refuse(Opaque::new(Why::Changed, absolute)),
            (Err(e), _) => self.failed(path, Asked::List, e),
        }
        told
    }

    fn unlink(&self, path: &[u8]) -> io::Result<()> {
        self.wrote(path);
        self.inner.unlink(path)
    }

    fn touch(&self, path: &[u8]) -> io::Result<()> {
        self.wrote(path);
        self.inner.touch(path)
    }

    fn now(&self) -> Time {
        self.inner.now()
    }
}

/// A file that is read piece by piece; what was in it is known at its end.
struct Reading {
    file: Box<dyn Read>,
    path: Vec<u8>,
    /// Taken before it was opened: if it changes in between, this is too old and proves nothing.
    id: Identity,
    settled: bool,
    hash: Xxh3,
    ended: bool,
    recorder: Arc<Recorder>,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hash.update(buffer.get(..n).unwrap_or_default());
        if n == 0 && !buffer.is_empty() && !self.ended {
            self.ended = true;
            let hash = Some(self.hash.digest128());
            let seen = Seen::Contents { id: self.id, hash, settled: self.settled };
            self.recorder.note(self.path.clone(), Asked::Read, seen);
        }
        Ok(n)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // An error in the middle, or a reader that had enough: what the run rests on is not known.
        if !self.ended {
            self.recorder.refuse(Opaque::new(Why::Trouble, self.path.clone()));
        }
    }
}
