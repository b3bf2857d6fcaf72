//! The ledger of one watched command: what it saw and did, each thing once, and at the end what of
//! this is somebody else's and what the command only made for itself. It knows nothing of system
//! calls.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustc_hash::FxHashMap;

use crate::check::{Checker, Verdict};
use crate::eye::{Eye, Identity, Kind, RealEye};
use crate::fact::{Effect, Fact, Observations, Opaque, Seen, Status, Why};
use crate::given::Asks;
use crate::steps::TimeOf;

/// What was asked of a path; a question is asked once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Aspect {
    Status(bool),
    Contents,
    Names,
    Link,
    Access(u8),
}

/// A path that the command changed.
struct Touch {
    /// Whether it was there before.
    before: bool,
    /// Whether nothing of what was there before can be seen through it any more.
    whole: bool,
    /// Whether the call that changed it was seen to succeed.
    made: bool,
}

/// See the module.
#[derive(Default)]
pub struct Ledger {
    facts: FxHashMap<(Vec<u8>, Aspect), Seen>,
    order: Vec<(Vec<u8>, Aspect)>,
    touched: BTreeMap<Vec<u8>, Touch>,
    programs: Vec<Vec<u8>>,
    opaque: Option<Opaque>,
    changes_old: bool,
    /// What is read is told by its bytes too, not by its stamps alone.
    by_bytes: bool,
    /// Files that were given the time of one that was read: that time, and which file it is.
    times: BTreeMap<Vec<u8>, (i64, TimeOf)>,
    /// What was asked for of what the command was given.
    pub asks: Asks,
    /// Whether something was asked of what was given as standard input.
    pub asks_of_input: bool,
}

/// What is in the ledger of commands that were run for what they change.
pub struct Deeds {
    /// As [`Ledger::finish`] has it.
    pub seen: Observations,
    /// The paths that came and went.
    pub passing: Vec<Vec<u8>>,
    /// The files that have the time of another, and that other.
    pub times: BTreeMap<Vec<u8>, TimeOf>,
    /// Whether something was asked of what was given as standard input.
    pub asks_of_input: bool,
}

const NANOS: i64 = 1_000_000_000;

/// Files that are larger are told by their stamps alone.
const MOST_HASHED: u64 = 16 << 20;

/// A path without doubled slashes, `.` parts and slashes at the end. `..` stays: it need not lead
/// where its text says.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for part in path.split(|b| *b == b'/') {
        if !part.is_empty() && part != b"." {
            out.push(b'/');
            out.extend_from_slice(part);
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

fn goes_up(path: &[u8]) -> bool {
    path.split(|b| *b == b'/').any(|part| part == b"..")
}

/// Whether a path leads into a directory.
pub(crate) fn is_below(path: &[u8], dir: &[u8]) -> bool {
    path.len() > dir.len() && path.starts_with(dir) && path[dir.len()] == b'/'
}

fn metadata(path: &[u8]) -> Option<Metadata> {
    std::fs::metadata(std::path::Path::new(std::ffi::OsStr::from_bytes(path))).ok()
}

fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|b| *b == b'/') {
        Some(0) | None => b"/",
        Some(at) => &path[..at],
    }
}

impl Ledger {
    /// One that tells what is read by its bytes, except for programs and libraries.
    pub fn by_bytes() -> Self {
        Ledger { by_bytes: true, ..Ledger::default() }
    }

    /// Whether a file that is read is to be told by its bytes although its stamps would do.
    fn wants_bytes(&self, path: &[u8], id: &Identity) -> bool {
        self.by_bytes
            && id.mode & 0o111 == 0
            && id.size <= MOST_HASHED
            && !path.windows(4).any(|w| w == b".so.")
            && !path.ends_with(b".so")
    }

    /// Notes why the answer cannot be kept; the first reason stays.
    pub fn refuse(&mut self, why: Why, what: impl Into<Vec<u8>>) {
        if self.opaque.is_none() {
            self.opaque = Some(Opaque::new(why, what));
        }
    }

    /// The reason, if one was noted.
    pub fn reason(&self) -> Option<&Opaque> {
        self.opaque.as_ref()
    }

    /// Whether a reason was noted.
    pub fn is_opaque(&self) -> bool {
        self.opaque.is_some()
    }

    /// Notes a program that ran, by its real path.
    pub fn program(&mut self, path: &[u8]) {
        if !self.programs.iter().any(|p| p == path) {
            self.programs.push(path.to_vec());
        }
    }

    /// Whether what is at a path is the command's own making.
    fn is_own(&self, path: &[u8]) -> bool {
        if self.touched.is_empty() {
            return false;
        }
        let mut path = clean(path);
        // A way through what it made need not stay there.
        if goes_up(&path) {
            let Ok(real) = RealEye.real(&path) else { return false };
            path = real;
        }
        let mut at = &path[..];
        loop {
            if let Some(touch) = self.touched.get(at)
                && (touch.whole || !touch.before)
            {
                return true;
            }
            if at == b"/" {
                return false;
            }
            at = parent(at);
        }
    }

    fn is_known(&self, path: &[u8], aspect: Aspect) -> bool {
        // One allocation for the key is cheaper than a second map of maps.
        self.facts.contains_key(&(path.to_vec(), aspect)) || self.is_own(path)
    }

    fn note(&mut self, path: &[u8], aspect: Aspect, seen: Seen) {
        let key = (path.to_vec(), aspect);
        self.order.push(key.clone());
        self.facts.insert(key, seen);
    }

    /// A question for a file's state was answered (`Ok`) or failed.
    pub fn status(&mut self, path: &[u8], follow: bool, told: Result<(), i32>) {
        if self.is_known(path, Aspect::Status(follow)) {
            return;
        }
        let was = RealEye.identity(path, follow).map(|id| Status::from(&id));
        if was.is_ok() != told.is_ok() {
            return self.refuse(Why::Changed, path);
        }
        let was = match told {
            Ok(()) => was,
            Err(errno) => Err(errno),
        };
        self.note(path, Aspect::Status(follow), Seen::Status { follow, was });
    }

    /// A question for a file's state is about to be answered.
    pub fn status_now(&mut self, path: &[u8], follow: bool) {
        if self.is_known(path, Aspect::Status(follow)) {
            return;
        }
        let was = RealEye.identity(path, follow).map(|id| Status::from(&id));
        if let Err(errno) = was
            && crate::calls::is_trouble(errno)
        {
            return self.refuse(Why::Trouble, path);
        }
        self.note(path, Aspect::Status(follow), Seen::Status { follow, was });
    }

    /// A file was opened for reading; `id` and `open` are what the descriptor leads to.
    pub fn contents(&mut self, path: &[u8], id: Identity, open: &[u8]) {
        if self.is_known(path, Aspect::Contents) {
            return;
        }
        if self.touched.contains_key(&clean(path)) {
            // It reads what it changed only in part: neither the old nor the new state tells all.
            return self.refuse(Why::Changed, path);
        }
        let changing = path.starts_with(b"/proc/") || path.starts_with(b"/sys/");
        let settled = !changing && id.settled(RealEye.now());
        let hash = if settled && !self.wants_bytes(path, &id) {
            None
        } else {
            match RealEye.contents(if changing { path } else { open }) {
                Ok(hash) => Some(hash),
                Err(_) => return self.refuse(Why::File, path),
            }
        };
        self.note(path, Aspect::Contents, Seen::Contents { id, hash, settled });
    }

    /// A directory is about to be listed.
    pub fn names(&mut self, path: &[u8]) {
        if self.is_known(path, Aspect::Names) {
            return;
        }
        match RealEye.identity(path, true) {
            // The names are hashed at the end, when the command's own files are gone again.
            Ok(id) => self.note(path, Aspect::Names, Seen::Names { id, hash: 0, settled: false }),
            Err(_) => self.refuse(Why::Changed, path),
        }
    }

    /// A link was read, or was asked for and is none.
    pub fn link(&mut self, path: &[u8], told: Result<(), i32>) {
        if self.is_known(path, Aspect::Link) {
            return;
        }
        let was = RealEye.link(path);
        match (&was, told) {
            (Ok(_), Ok(())) => {}
            (Err(a), Err(b)) if *a == b => {}
            _ => return self.refuse(Why::Changed, path),
        }
        self.note(path, Aspect::Link, Seen::Link(was));
    }

    /// Permission was asked for.
    pub fn access(&mut self, path: &[u8], mode: u8, errno: i32) {
        if self.is_known(path, Aspect::Access(mode)) {
            return;
        }
        if RealEye.access(path, mode) != errno {
            return self.refuse(Why::Changed, path);
        }
        self.note(path, Aspect::Access(mode), Seen::Access { mode, errno });
    }

    /// A path is about to be changed; `whole` if nothing of its old contents will be left.
    pub fn touch(&mut self, path: &[u8], whole: bool) {
        let path = clean(path);
        if let Some(known) = self.touched.get_mut(&path) {
            known.whole |= whole;
            return;
        }
        // A file beneath a directory that the command made goes with it.
        if self.is_own(parent(&path)) {
            return;
        }
        let before = RealEye.identity(&path, false).is_ok();
        self.changes_old |= before;
        self.touched.insert(path, Touch { before, whole, made: false });
    }

    /// A change succeeded.
    pub fn made(&mut self, path: &[u8]) {
        if let Some(touch) = self.touched.get_mut(&clean(path)) {
            touch.made = true;
        }
    }

    /// Whether something was about to be changed that was there before the command.
    pub fn changes_old(&self) -> bool {
        self.changes_old
    }

    /// Removes what the command made, and nothing else: only what was not there before and was seen to
    /// be made by it. For a command that is begun again.
    pub fn undo(&self) {
        for (path, _) in self.touched.iter().rev().filter(|(_, t)| t.made && !t.before) {
            let at = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
            // It may be gone again; what cannot be removed is as it would be after a command that
            // was interrupted.
            let _ = match RealEye.identity(path, false) {
                Ok(id) if id.kind == Kind::Dir => std::fs::remove_dir_all(at),
                Ok(_) => std::fs::remove_file(at),
                Err(_) => Ok(()),
            };
        }
    }

    /// A file is about to be given a time, in nanoseconds since the epoch: that of the one file that was
    /// read and has it.
    pub fn timed(&mut self, path: &[u8], time: i64) {
        let mut found: Option<(Metadata, &[u8])> = None;
        for (of, aspect) in &self.order {
            let Some(is) = (*aspect == Aspect::Contents).then(|| metadata(of)).flatten() else {
                continue;
            };
            if !is.is_file() || (is.mtime(), is.mtime_nsec()) != (time / NANOS, time % NANOS) {
                continue;
            }
            match &found {
                // Another time they will have different ones, and then it can be told.
                Some((other, _)) if (other.dev(), other.ino()) != (is.dev(), is.ino()) => {
                    return self.refuse(Why::Changed, path);
                }
                Some(_) => {}
                None => found = Some((is, of)),
            }
        }
        let of = found.map(|(is, of)| TimeOf { path: of.to_vec(), owner: (is.uid(), is.gid()) });
        match of {
            Some(of) => drop(self.times.insert(clean(path), (time, of))),
            None => self.refuse(Why::Effect, "a time"),
        }
    }

    /// A change failed, so nothing was changed by it: forgets the mark if it was the first.
    pub fn untouch(&mut self, path: &[u8], first: bool) {
        if first {
            self.touched.remove(&clean(path));
        }
    }

    /// Whether a path is marked as changed.
    pub fn is_touched(&self, path: &[u8]) -> bool {
        self.touched.contains_key(&clean(path))
    }

    /// As [`Ledger::finish`], for commands that are run for what they change: what was changed has to
    /// have been made anew from the beginning, or else it rests on what it was before, and of a file
    /// that is only added to, others may add to at the same time.
    ///
    /// # Errors
    /// As [`Ledger::finish`].
    pub fn finish_deeds(mut self) -> Result<Deeds, Opaque> {
        let (times, asks_of_input) = (std::mem::take(&mut self.times), self.asks_of_input);
        let in_part = self
            .touched
            .iter()
            .find(|(path, touch)| !touch.whole && RealEye.identity(path, false).is_ok());
        if let Some(path) = in_part.map(|(path, _)| path.clone()) {
            self.refuse(Why::Effect, path);
        }
        let (seen, passing) = self.finish()?;
        // What was moved or written to since has another.
        let kept = |path: &[u8], time: i64| {
            let of = seen.effects.iter().find(|e| e.path == path).and_then(|e| e.after);
            of.and_then(|is| is.content).is_some_and(|(_, is)| is == time)
        };
        if let Some((path, _)) = times.iter().find(|(path, (time, _))| !kept(path, *time)) {
            return Err(Opaque::new(Why::Effect, path.clone()));
        }
        let times = times.into_iter().map(|(path, (_, of))| (path, of)).collect();
        // A listing is told as it is in the end, and the commands saw it without what they made.
        let lists = |dir: &[u8]| {
            let fact = |f: &Fact| matches!(f.seen, Seen::Names { .. }) && clean(&f.path) == dir;
            seen.facts.iter().any(fact)
        };
        let listed = seen
            .effects
            .iter()
            .find(|e| e.before != e.after.is_some() && lists(parent(&e.path)))
            .map(|e| e.path.clone());
        match listed {
            Some(path) => Err(Opaque::new(Why::Changed, path)),
            None => Ok(Deeds { seen, passing, times, asks_of_input }),
        }
    }

    /// Closes the ledger: what was seen of the rest of the world, and what is left of what was done.
    /// Also the paths that came and went.
    ///
    /// # Errors
    /// The reason why the answer cannot be kept.
    pub fn finish(mut self) -> Result<(Observations, Vec<Vec<u8>>), Opaque> {
        if let Some(opaque) = self.opaque {
            return Err(opaque);
        }
        let eye = RealEye;
        let mut effects = Vec::new();
        let mut passing = Vec::new();
        for (path, touch) in &self.touched {
            let after = eye.identity(path, false).ok();
            match (touch.before, after) {
                (false, None) => passing.push(path.clone()),
                (before, after) => {
                    let after = after.map(|id| Status::from(&id));
                    effects.push(Effect { path: path.clone(), before, after });
                }
            }
        }
        let is_passing = |path: &[u8]| {
            let path = clean(path);
            !goes_up(&path) && passing.iter().any(|p| path == *p || is_below(&path, p))
        };
        let changed_in = |dir: &[u8]| {
            let dir = clean(dir);
            self.touched.keys().any(|p| parent(p) == dir)
        };
        let mut checker = Checker::new(&eye);
        let mut facts = Vec::with_capacity(self.order.len());
        for key in self.order {
            let Some(seen) = self.facts.remove(&key) else { continue };
            let (path, _) = key;
            if is_passing(&path) {
                continue;
            }
            let touched = self.touched.contains_key(&clean(&path));
            let seen = match seen {
                Seen::Names { id: was, .. } => {
                    let now = eye.now();
                    let (Ok(id), Ok(hash)) = (eye.identity(&path, true), eye.names(&path)) else {
                        return Err(Opaque::new(Why::Changed, path));
                    };
                    if id != was && !changed_in(&path) && !touched {
                        return Err(Opaque::new(Why::Changed, path));
                    }
                    Seen::Names { id, hash, settled: id.settled(now) }
                }
                seen => seen,
            };
            let fact = Fact { path, seen };
            // What the command itself changed is told as it was before: if that matters, the next
            // check fails and the command runs again, as it should.
            if !touched && let Verdict::Fails(_) = checker.verdict(&fact) {
                return Err(Opaque::new(Why::Changed, fact.path));
            }
            facts.push(fact);
        }
        // That temporaries could be made is part of what was seen.
        let mut places: Vec<&[u8]> =
            passing.iter().map(|p| parent(p)).filter(|p| !is_passing(p)).collect();
        places.dedup();
        for place in places {
            let seen = Seen::Access { mode: 3, errno: eye.access(place, 3) };
            let fact = Fact { path: place.to_vec(), seen };
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        let (programs, asks) = (self.programs, self.asks);
        Ok((Observations { facts, programs, effects, asks }, passing))
    }
}

/// Whether a descriptor leads to one of the devices that are the same for everyone: null, zero, full.
pub fn is_plain_device(id: &Identity) -> bool {
    id.kind == Kind::Other && matches!(id.rdev, 0x103 | 0x105 | 0x107)
}
