//! Which files know the name of a variable: whether its parts stand anywhere in them. Looked up once
//! for each file and name, and kept. It knows nothing of what a name is looked up for.

use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::eye::{Eye, Identity, RealEye};
use crate::fact::{Fact, Seen};
use crate::file::trusted;
use crate::given::{Bearing, Given, bearing, long_parts};
use crate::programs::has_word;

// The file, `names-1` in the store's directory: 8 bytes "KILNNAM1", records of 17 bytes (a hash of the
// question, and the answer as one byte), and an xxh3 of all that in 8 bytes. It is replaced whole.
const MAGIC: &[u8; 8] = b"KILNNAM1";
pub const FILE: &str = "names-1";
const RECORD: usize = 17;
/// More are not kept: it is begun anew.
const MOST: usize = 1 << 16;
/// A larger file is taken to know every name, in bytes.
const LARGEST: u64 = 512 << 20;
/// A text has no NUL among its first bytes.
const BEGINNING: usize = 512;

/// What is known of files and names.
#[derive(Default)]
pub struct Names {
    known: FxHashMap<u128, bool>,
    news: bool,
    /// The file that was looked into last: several names are looked for in it in a row.
    last: Option<(PathBuf, Identity, Vec<u8>)>,
}

impl Names {
    /// What is kept in a directory.
    pub fn open(dir: &Path) -> Self {
        let mut this = Names::default();
        let most = (MAGIC.len() + MOST * RECORD + 8) as u64;
        let Some(bytes) = trusted(&dir.join(FILE), most) else { return this };
        let Some((body, sum)) = bytes.split_last_chunk::<8>() else { return this };
        if !body.starts_with(MAGIC) || xxh3_64(body).to_le_bytes() != *sum {
            return this;
        }
        for record in body[MAGIC.len()..].chunks_exact(RECORD) {
            if let Some((key, [knows])) = record.split_first_chunk::<16>() {
                this.known.insert(u128::from_le_bytes(*key), *knows != 0);
            }
        }
        this
    }

    /// Whether there is something to keep.
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// All that is known, as it is kept.
    pub fn encode(&mut self) -> Vec<u8> {
        self.news = false;
        if self.known.len() > MOST {
            self.known.clear();
        }
        let mut out = MAGIC.to_vec();
        for (key, knows) in &self.known {
            out.extend_from_slice(&key.to_le_bytes());
            out.push((*knows).into());
        }
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        out
    }

    /// Whether none of the files knows a name by which two environments differ, nor has all its parts
    /// among them and the arguments.
    pub fn are_unknown(
        &mut self,
        names: &[Vec<u8>],
        given: &Given,
        readers: &[(&[u8], &Identity)],
    ) -> bool {
        // File by file, since each is read at most once so; a part is out once one of them has it.
        let mut open: Vec<Vec<&[u8]>> = names
            .iter()
            .map(|name| match bearing(name) {
                Bearing::Texts => vec![&name[..]],
                _ => long_parts(name).filter(|part| !given.contains(part)).collect(),
            })
            .collect();
        for (path, id) in readers {
            for (name, parts) in names.iter().zip(&mut open) {
                let texts = bearing(name) == Bearing::Texts;
                parts.retain(|part| !self.knows(path, id, part, texts));
            }
            if open.iter().any(Vec::is_empty) {
                return false;
            }
        }
        !open.iter().any(Vec::is_empty)
    }

    /// Whether a part of a name stands in a file; with `texts`, only as a word of a text.
    fn knows(&mut self, path: &[u8], id: &Identity, name: &[u8], texts: bool) -> bool {
        let mut hash = Xxh3::new();
        for part in [path, name] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        for number in [id.dev, id.ino, id.size, id.mtime as u64, id.ctime as u64, u64::from(texts)]
        {
            hash.update(&number.to_le_bytes());
        }
        let key = hash.digest128();
        if let Some(knows) = self.known.get(&key) {
            return *knows;
        }
        let Some(bytes) = self.bytes(path, id) else { return true };
        let knows = if texts {
            let text = !bytes.iter().take(BEGINNING).any(|b| *b == 0);
            text && has_word(bytes, name)
        } else {
            memmem::find(bytes, name).is_some()
        };
        // Bytes of a file that may change without its stamps are looked through each time.
        if id.settled(RealEye.now()) {
            self.known.insert(key, knows);
            self.news = true;
        }
        knows
    }

    /// What stands in a file, if it still is that one.
    fn bytes(&mut self, path: &[u8], id: &Identity) -> Option<&[u8]> {
        use std::os::unix::ffi::OsStrExt;
        let at = Path::new(std::ffi::OsStr::from_bytes(path));
        if self.last.as_ref().is_none_or(|(p, i, _)| p != at || i != id) {
            if id.size > LARGEST {
                return None;
            }
            let bytes = fs::read(at).ok()?;
            // Read before it is asked, so that bytes of another state are not taken for these.
            if RealEye.identity(path, true) != Ok(*id) || bytes.len() as u64 != id.size {
                return None;
            }
            self.last = Some((at.to_path_buf(), *id, bytes));
        }
        self.last.as_ref().map(|(.., bytes)| &bytes[..])
    }

    /// Lets go of what was read.
    pub fn rest(&mut self) {
        self.last = None;
    }
}

/// The file that a fact says was read. What the kernel makes up as it is read is no program's text.
pub fn reader(fact: &Fact) -> Option<(&[u8], &Identity)> {
    match &fact.seen {
        Seen::Contents { id, .. } if !crate::check::is_virtual(&fact.path) => {
            Some((&fact.path, id))
        }
        _ => None,
    }
}
