//! Whether what was seen still stands. A [`Checker`] serves one moment: it looks at each path once,
//! however many answers rest on it. It knows nothing of where observations are kept.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::eye::{Eye, Identity};
use crate::fact::{Fact, Observations, Seen, Status};

/// What no longer stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The path.
    pub path: Vec<u8>,
    /// What about it, in words.
    pub how: &'static str,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", String::from_utf8_lossy(&self.path), self.how)
    }
}

/// One look at the file system, remembered. Make a new one (or [`Checker::forget`]) once files may
/// have changed.
pub struct Checker<'a> {
    eye: &'a dyn Eye,
    now: i64,
    looks: FxHashMap<(Vec<u8>, bool), Result<Identity, i32>>,
    contents: FxHashMap<Vec<u8>, Result<u128, i32>>,
}

/// What a check of one fact came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It stands.
    Holds,
    /// It stands, and can be said with fresher stamps, by which the next check is cheaper.
    Refreshed(Seen),
    /// It does not stand.
    Fails(&'static str),
}

/// What is said of something that was run for its effects.
pub(crate) const EFFECT: &str = "is changed by it";

/// Whether a file's stamps and contents live apart: the kernel's own files are made as they are read.
pub(crate) fn is_virtual(path: &[u8]) -> bool {
    path.starts_with(b"/proc/") || path.starts_with(b"/sys/")
}

impl<'a> Checker<'a> {
    /// A checker that has looked at nothing yet.
    #[must_use]
    pub fn new(eye: &'a dyn Eye) -> Self {
        Checker { eye, now: eye.now(), looks: FxHashMap::default(), contents: FxHashMap::default() }
    }

    /// Forgets all that it saw.
    pub fn forget(&mut self) {
        self.looks.clear();
        self.contents.clear();
        self.now = self.eye.now();
    }

    /// How many different paths were looked at.
    #[must_use]
    pub fn looks(&self) -> usize {
        self.looks.len()
    }

    fn look(&mut self, path: &[u8], follow: bool) -> Result<Identity, i32> {
        let key = (path.to_vec(), follow);
        if let Some(known) = self.looks.get(&key) {
            return *known;
        }
        let found = self.eye.identity(path, follow);
        self.looks.insert(key, found);
        found
    }

    fn contents(&mut self, path: &[u8]) -> Result<u128, i32> {
        if let Some(known) = self.contents.get(path) {
            return *known;
        }
        let found = self.eye.contents(path);
        self.contents.insert(path.to_vec(), found);
        found
    }

    /// What `stat`, or `lstat` if links are not followed, says of a path now.
    ///
    /// # Errors
    /// The errno.
    pub fn status(&mut self, path: &[u8], follow: bool) -> Result<Status, i32> {
        self.look(path, follow).map(|id| Status::from(&id))
    }

    /// What `access` says: 0 or the errno.
    #[must_use]
    pub fn access(&self, path: &[u8], mode: u8) -> i32 {
        self.eye.access(path, mode)
    }

    /// Checks one fact, the cheapest question first.
    pub fn verdict(&mut self, fact: &Fact) -> Verdict {
        let path = &fact.path[..];
        let hold = |holds: bool, how| if holds { Verdict::Holds } else { Verdict::Fails(how) };
        match &fact.seen {
            Seen::Status { follow, was } => {
                let timed = matches!(was, Ok(was) if was.content.is_some());
                let status = |id| if timed { Status::timed(&id) } else { Status::from(&id) };
                let is = self.look(path, *follow).map(status);
                match (was, &is) {
                    (Ok(_), Err(_)) => Verdict::Fails("is gone"),
                    (Err(_), Ok(_)) => Verdict::Fails("is there now"),
                    _ => hold(*was == is, "looks different"),
                }
            }
            Seen::Contents { id, hash, settled } => self.file(path, id, *hash, *settled),
            Seen::Names { id, hash, settled } => self.directory(path, id, *hash, *settled),
            Seen::Link(was) => hold(self.eye.link(path) == *was, "is another link"),
            Seen::Real(was) => hold(self.eye.real(path) == *was, "leads elsewhere"),
            Seen::Access { mode, errno } => {
                hold(self.eye.access(path, *mode) == *errno, "has other permissions")
            }
        }
    }

    fn file(&mut self, path: &[u8], was: &Identity, hash: Option<u128>, settled: bool) -> Verdict {
        let is = match self.look(path, true) {
            Ok(is) => is,
            Err(_) => return Verdict::Fails("is gone"),
        };
        if settled && is == *was {
            return Verdict::Holds;
        }
        // A file that is being run cannot be told by contents alone: its permissions count too.
        if is.kind != was.kind || is.mode != was.mode {
            return Verdict::Fails("is another file");
        }
        let Some(hash) = hash else { return Verdict::Fails("changed") };
        if !is_virtual(path) && is.size != was.size {
            return Verdict::Fails("changed");
        }
        if self.contents(path) != Ok(hash) {
            return Verdict::Fails("changed");
        }
        if is_virtual(path) {
            return Verdict::Holds;
        }
        // The stamps were read before the bytes; only if they still are the same do they belong.
        let again = self.eye.identity(path, true);
        let settled = again == Ok(is) && is.settled(self.now);
        if is == *was && !settled {
            return Verdict::Holds;
        }
        Verdict::Refreshed(Seen::Contents { id: is, hash: Some(hash), settled })
    }

    fn directory(&mut self, path: &[u8], was: &Identity, hash: u128, settled: bool) -> Verdict {
        let is = match self.look(path, true) {
            Ok(is) => is,
            Err(_) => return Verdict::Fails("is gone"),
        };
        if settled && is == *was {
            return Verdict::Holds;
        }
        if self.eye.names(path) != Ok(hash) {
            return Verdict::Fails("has other files in it");
        }
        let again = self.eye.identity(path, true);
        let settled = !is_virtual(path) && again == Ok(is) && is.settled(self.now);
        if is == *was && !settled {
            return Verdict::Holds;
        }
        Verdict::Refreshed(Seen::Names { id: is, hash, settled })
    }

    /// Checks all facts, up to the first that does not stand. Whatever left an effect never stands:
    /// it was run for that as well.
    ///
    /// # Errors
    /// The first that does not stand.
    pub fn check(&mut self, seen: &Observations) -> Result<(), Changed> {
        if let Some(effect) = seen.effects.first() {
            return Err(Changed { path: effect.path.clone(), how: EFFECT });
        }
        for fact in &seen.facts {
            if let Verdict::Fails(how) = self.verdict(fact) {
                return Err(Changed { path: fact.path.clone(), how });
            }
        }
        Ok(())
    }
}

/// Whether all that was seen still stands, by one fresh look at the real file system.
///
/// # Errors
/// The first fact that does not stand.
pub fn still_holds(seen: &Observations, eye: &dyn Eye) -> Result<(), Changed> {
    Checker::new(eye).check(seen)
}
