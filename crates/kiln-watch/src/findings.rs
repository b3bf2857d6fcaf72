//! What was found in files, kept from one run to the next in the user's cache. It knows neither what was
//! looked for nor whether a file is still what it was: both are the caller's to say.

use std::io;
use std::path::Path;

use crate::codec::{Reader, Writer};
use crate::key::Key;
use crate::shelf::{Limits, Shelf};

// What a file says, after the head that shelf.rs writes, until its end, for each file that was searched:
//
//   path      text
//   identity  u128
//   found     text

const LIMITS: Limits = Limits {
    dir: "findings-1",
    magic: b"KILNFND1",
    // It is read whole by every build that compiles something. The headers of one kernel that modules
    // include take about a tenth.
    largest: 1 << 20,
    most: 16,
    most_bytes: 4 << 20,
};

/// One list holds all files; another version of Kiln may find something else in them.
fn key() -> Key {
    Key(xxhash_rust::xxh3::xxh3_128(env!("CARGO_PKG_VERSION").as_bytes()))
}

/// A file that was searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding<'a> {
    /// Its path.
    pub path: &'a [u8],
    /// What it was when it was searched.
    pub identity: u128,
    /// What was found.
    pub found: &'a [u8],
}

/// The list that is kept.
pub struct Findings(Shelf);

impl Findings {
    /// The one below the cache directory, which need not exist.
    #[must_use]
    pub fn open(cache: &Path) -> Self {
        Findings(Shelf::open(cache, &LIMITS))
    }

    /// Shows all that is kept, in the order in which it was put; what is damaged or cut off is none.
    pub fn each(&self, mut show: impl FnMut(Finding<'_>)) {
        let kept = self.0.get(key()).unwrap_or_default();
        parse(&kept).unwrap_or_default().into_iter().for_each(&mut show);
    }

    /// Keeps these instead of what was kept, unless they are more than 1 MiB.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put<'a>(&self, all: impl Iterator<Item = Finding<'a>>) -> io::Result<()> {
        let mut w = Writer::default();
        for one in all {
            w.text(one.path);
            w.u128(one.identity);
            w.text(one.found);
        }
        self.0.put(key(), &w.0)
    }

    /// How large all of it is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Forgets all.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.0.clear()
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<Finding<'_>>> {
    let mut r = Reader(bytes);
    let mut all = Vec::new();
    while !r.0.is_empty() {
        all.push(Finding { path: r.text()?, identity: r.u128()?, found: r.text()? });
    }
    Some(all)
}
