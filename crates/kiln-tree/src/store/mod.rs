//! Kiln's own kernels: one directory each below `$XDG_DATA_HOME/kiln/kernels`.
//!
//! ```text
//! kernels/
//!   .lock                     held while the store is changed
//!   .staging-PID-N/           what is being unpacked; never listed, removed by the next change
//!   6.12.117+deb12-arm64/
//!     entry.json              [`Entry`]
//!     root/                   the packages' files at the places they had below /
//! ```
//!
//! An entry comes into being by one rename of a staging directory that is complete, so a reader never
//! needs the lock and never sees a half. Files of an entry that named another of its files by an
//! absolute path name it by its place in the store (see `relocate`), so an entry does not depend on what is
//! installed, and it cannot be moved by hand: [`Store::trees`] says so of one that was.

pub mod add;
pub mod copydir;
mod lock;
pub mod relocate;
pub mod source;
pub mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::rooted::Root;
use crate::tree::{Origin, Tree};

pub use add::{Added, Options, Unlisted};
pub use lock::Lock;

/// The description that stands beside an entry's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The form of this file; 1.
    pub format: u32,
    /// Its name, which is the directory's.
    pub name: String,
    /// The directory it was made for.
    pub at: PathBuf,
    /// The files or directories it was made from, by their last names.
    pub from: Vec<String>,
    /// Kernel trees below `root`, relative to it.
    pub trees: Vec<PathBuf>,
    /// Kernel images below `root`, relative to it.
    #[serde(default)]
    pub images: Vec<PathBuf>,
    /// Files and links that were changed to stand alone, relative to `root`.
    #[serde(default)]
    pub rewritten: Vec<PathBuf>,
}

const FORMAT: u32 = 1;

/// The store in a directory, which need not exist yet.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store at this real path.
    pub fn at(dir: impl Into<PathBuf>) -> Store {
        Store { dir: dir.into() }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entries, sorted by name, and the directories that are none, with the reason.
    pub fn entries(&self) -> (Vec<Entry>, Vec<(PathBuf, String)>) {
        let (mut entries, mut broken) = (Vec::new(), Vec::new());
        let Ok(dir) = fs::read_dir(&self.dir) else { return (entries, broken) };
        for child in dir.flatten() {
            let name = child.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || !child.path().is_dir() {
                continue;
            }
            match self.entry(&name) {
                Ok(entry) => entries.push(entry),
                Err(e) => broken.push((child.path(), e.message)),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        (entries, broken)
    }

    /// One entry.
    ///
    /// # Errors
    /// [`Kind::UnknownTree`] if there is none, [`Kind::NotATree`] if it is damaged or was moved.
    pub fn entry(&self, name: &str) -> Result<Entry> {
        let dir = self.dir.join(name);
        let broken = |why: &str| Err(Error::new(Kind::NotATree, why));
        if name.is_empty() || name.starts_with('.') || name.contains('/') || !dir.is_dir() {
            let message = format!("the store has no kernel called {name}");
            return Err(Error::new(Kind::UnknownTree, message));
        }
        let Ok(text) = fs::read(dir.join("entry.json")) else {
            return broken("is not a kernel that Kiln added: it has no entry.json");
        };
        let Ok(entry) = serde_json::from_slice::<Entry>(&text) else {
            return broken("has an entry.json that cannot be read");
        };
        if entry.format != FORMAT {
            return broken("was added by another version of Kiln; remove it and add it again");
        }
        let moved = match (fs::canonicalize(&entry.at), fs::canonicalize(&dir)) {
            (Ok(at), Ok(dir)) => at != dir,
            _ => true,
        };
        if moved || entry.name != name {
            return broken("was moved or renamed by hand; remove it and add it again");
        }
        Ok(entry)
    }

    /// The trees of all entries, and the directories that are none, with the reason.
    pub fn trees(&self) -> (Vec<Tree>, Vec<(PathBuf, String)>) {
        let (entries, mut broken) = self.entries();
        let mut trees = Vec::new();
        for entry in entries {
            for inside in &entry.trees {
                let dir = self.root(&entry.name).join(inside);
                match Tree::open(&Root::system(), &dir, Origin::Store(entry.tree_name(inside))) {
                    Ok(tree) => trees.push(tree),
                    Err(e) => broken.push((dir, e.message)),
                }
            }
        }
        (trees, broken)
    }

    /// The tree at a directory somewhere below the store.
    pub fn tree_at(&self, dir: &Path) -> Option<Tree> {
        let dir = fs::canonicalize(dir).ok()?;
        if !dir.starts_with(fs::canonicalize(&self.dir).ok()?) {
            return None;
        }
        self.trees().0.into_iter().find(|t| t.dir == dir)
    }

    /// The entry whose files a directory is among.
    pub fn entry_of(&self, dir: &Path) -> Option<Entry> {
        let dir = fs::canonicalize(dir).ok()?;
        let inside = dir.strip_prefix(fs::canonicalize(&self.dir).ok()?).ok()?.to_path_buf();
        let name = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
        self.entry(&name).ok()
    }

    /// The directory that plays `/` for an entry's files.
    pub fn root(&self, name: &str) -> PathBuf {
        self.dir.join(name).join("root")
    }

    /// Has `finish` add to the trees of an entry, which stays listed meanwhile.
    ///
    /// # Errors
    /// [`Kind::UnknownTree`], [`Kind::Busy`], [`Kind::Io`], and what `finish` says.
    pub fn complete(&self, name: &str, finish: add::Finish<'_>) -> Result<Entry> {
        let entry = self.entry(name)?;
        let lock = Lock::take(&self.dir)?;
        let scratch = add::Staging::new(&lock)?;
        let root = self.root(name);
        let trees = entry.trees.iter().map(|t| root.join(t)).collect();
        finish(&Unlisted { trees, scratch: scratch.dir().to_path_buf() })?;
        Ok(entry)
    }

    /// Takes an entry away. It is renamed before it is emptied, so that it is either listed whole or
    /// not at all.
    ///
    /// # Errors
    /// [`Kind::UnknownTree`], [`Kind::Busy`], [`Kind::Io`].
    pub fn remove(&self, name: &str) -> Result<()> {
        let dir = self.dir.join(name);
        let there = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        if !there || !dir.is_dir() {
            let message = format!("the store has no kernel called {name}");
            return Err(Error::new(Kind::UnknownTree, message));
        }
        let lock = Lock::take(&self.dir)?;
        let gone = lock.staging()?;
        fs::remove_dir(&gone).map_err(|e| Error::io("remove", &gone, e))?;
        fs::rename(&dir, &gone).map_err(|e| Error::io("remove", &dir, e))?;
        fs::remove_dir_all(&gone).map_err(|e| Error::io("remove", &gone, e))
    }
}

impl Entry {
    /// What `-k store:NAME` calls one of its trees: the entry's name, and of several trees that of
    /// the tree's directory behind it.
    pub fn tree_name(&self, inside: &Path) -> String {
        match self.trees.len() {
            0 | 1 => self.name.clone(),
            _ => {
                let last = inside.file_name().unwrap_or_default().to_string_lossy();
                format!("{}:{last}", self.name)
            }
        }
    }
}
