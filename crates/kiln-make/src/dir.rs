//! Directory listings, kept until a command may have changed something.

use rustc_hash::{FxHashMap, FxHashSet};

use kiln_base::{Id, text};

use crate::Make;

/// What is known of directories.
#[derive(Default)]
pub(crate) struct Dirs {
    by_name: FxHashMap<Box<[u8]>, Entry>,
    listings: FxHashMap<(u64, u64), Listing>,
    /// Single names that `$(wildcard)` asked for, by their numbers.
    names: Vec<Seen>,
    names_count: u64,
}

/// Whether a name was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Unknown,
    There,
    Missing,
}

#[derive(Clone, Copy)]
struct Entry {
    counter: u64,
    id: Option<(u64, u64)>,
}

struct Listing {
    counter: u64,
    /// `None` if it could not be opened.
    files: Option<FxHashSet<Box<[u8]>>>,
}

/// A directory's device, inode and number of entries if it could be read.
pub(crate) type Known = Option<(u64, u64, Option<usize>)>;

impl Dirs {
    /// All directories that were looked at, by name.
    pub fn known(&self) -> Vec<(Box<[u8]>, Known)> {
        let mut all: Vec<(Box<[u8]>, Known)> = self
            .by_name
            .iter()
            .map(|(name, e)| {
                let known = e.id.map(|id| {
                    let l = self.listings.get(&id).and_then(|l| l.files.as_ref());
                    (id.0, id.1, l.map(FxHashSet::len))
                });
                (name.clone(), known)
            })
            .collect();
        all.sort();
        all
    }
}

impl Make {
    /// The identity of a directory whose listing is fresh.
    fn directory(&mut self, name: &[u8]) -> Option<(u64, u64)> {
        let now = self.command_count;
        if let Some(e) = self.dirs.by_name.get(name)
            && e.counter == now
        {
            return e.id;
        }
        let id = self.sys.stat(name).ok().map(|s| s.id);
        self.dirs.by_name.insert(name.into(), Entry { counter: now, id });
        let id = id?;
        if self.dirs.listings.get(&id).is_none_or(|l| l.counter != now) {
            let files = self.sys.list(name).ok().map(|all| {
                let mut set: FxHashSet<Box<[u8]>> =
                    all.into_iter().map(Vec::into_boxed_slice).collect();
                set.insert(b".".as_slice().into());
                set.insert(b"..".as_slice().into());
                set
            });
            self.dirs.listings.insert(id, Listing { counter: now, files });
        }
        Some(id)
    }

    /// Whether a directory has an entry; the empty name asks for the directory itself.
    pub(crate) fn dir_has(&mut self, dir: &[u8], name: &[u8]) -> bool {
        let Some(id) = self.directory(dir) else { return false };
        match self.dirs.listings.get(&id).and_then(|l| l.files.as_ref()) {
            Some(files) => name.is_empty() || files.contains(name),
            None => false,
        }
    }

    /// The entries of a directory, `.` and `..` included.
    pub(crate) fn dir_list(&mut self, dir: &[u8]) -> Vec<Box<[u8]>> {
        let Some(id) = self.directory(dir) else { return Vec::new() };
        let files = self.dirs.listings.get(&id).and_then(|l| l.files.as_ref());
        files.map(|f| f.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether a name is there, from directory listings that are kept (see `command_count`).
    pub fn file_exists(&mut self, name: &[u8]) -> bool {
        let (dir, base) = text::split_dir(name);
        match dir {
            b"" => self.dir_has(b".", name),
            b"/" => self.dir_has(b"/", base),
            [dir @ .., _] => self.dir_has(dir, base),
        }
    }

    /// Whether a single name is there, links that lead nowhere included.
    pub(crate) fn name_exists(&mut self, name: &[u8]) -> bool {
        if self.dirs.names_count != self.command_count {
            self.dirs.names.clear();
            self.dirs.names_count = self.command_count;
        }
        let i = self.names.intern(name).index();
        if self.dirs.names.len() <= i {
            self.dirs.names.resize(i + 1, Seen::Unknown);
        }
        if self.dirs.names[i] == Seen::Unknown {
            let there = self.sys.lstat(name).is_ok();
            self.dirs.names[i] = if there { Seen::There } else { Seen::Missing };
        }
        self.dirs.names[i] == Seen::There
    }
}
