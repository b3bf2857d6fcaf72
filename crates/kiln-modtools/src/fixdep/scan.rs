//! Looking for option names in a source text, and remembering what was found.
//!
//! The scan is on raw bytes: comments and strings count, as they do in the original. It does not know
//! how a name is written down.

use crate::Host;
use memchr::memmem;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;
use std::io;
use std::sync::Arc;

/// Where the option names of a file come from.
pub trait Sources {
    /// The names that the file mentions, each followed by a newline, each once, in order of first
    /// mention ([`names`] makes such a list).
    ///
    /// # Errors
    /// Whatever the system says about the file.
    fn names(&mut self, path: &[u8]) -> io::Result<Arc<[u8]>>;
}

/// Reads and scans each file every time.
pub struct Direct<'h>(pub &'h mut dyn Host);

impl Sources for Direct<'_> {
    fn names(&mut self, path: &[u8]) -> io::Result<Arc<[u8]>> {
        Ok(Arc::from(names(&self.0.read(path)?)))
    }
}

/// Lists of files that were scanned before, for a caller that can tell whether a file is still the
/// same. One cache serves any number of calls: the headers of a build are nearly the same for each
/// object, and a scan costs an open, a read and a search.
#[derive(Default, Debug)]
pub struct Cache {
    known: FxHashMap<Box<[u8]>, Known>,
    fresh: usize,
}

impl Cache {
    /// The names for `path`, if they were kept for its present identity (of size, time, inode or
    /// content).
    #[must_use]
    pub fn get(&self, path: &[u8], identity: u128) -> Option<Arc<[u8]>> {
        self.known.get(path).filter(|(then, _)| *then == identity).map(|(_, list)| Arc::clone(list))
    }

    /// Whether names for `path` were kept, for whatever identity.
    #[must_use]
    pub fn knows(&self, path: &[u8]) -> bool {
        self.known.contains_key(path)
    }

    /// Keeps the names for `path`, which was read when its identity was this one.
    pub fn keep(&mut self, path: &[u8], identity: u128, list: &Arc<[u8]>) {
        self.known.insert(path.into(), (identity, Arc::clone(list)));
        self.fresh += 1;
    }

    /// Takes in what another cache had kept, if nothing is known of the file.
    pub fn adopt(&mut self, path: &[u8], identity: u128, list: Arc<[u8]>) {
        self.known.entry(path.into()).or_insert((identity, list));
    }

    /// How many lists were kept here, without those that were taken in.
    #[must_use]
    pub fn fresh(&self) -> usize {
        self.fresh
    }

    /// All that is known, in no order: path, identity, names.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], u128, &[u8])> {
        self.known.iter().map(|(path, (identity, list))| (&path[..], *identity, &list[..]))
    }
}

/// A file's identity when it was scanned, and its names.
type Known = (u128, Arc<[u8]>);

/// The part of a text that a C string function would see.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    memchr::memchr(0, text).map_or(text, |end| &text[..end])
}

/// The option names in a source text, each followed by a newline, each once.
///
/// A name is what follows `CONFIG_` (which itself must not follow a letter, a digit or `_`), without
/// one `_MODULE` at its end. The search stops at a NUL byte.
#[must_use]
pub fn names(text: &[u8]) -> Vec<u8> {
    let text = until_nul(text);
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut seen = Seen::default();
    let finder = memmem::Finder::new(b"CONFIG_");
    let mut at = 0;
    while let Some(found) = finder.find(&text[at..]) {
        let start = at + found + b"CONFIG_".len();
        let before = start.checked_sub(8).map(|i| &text[i]);
        if before.is_some_and(is_word) {
            at = start;
            continue;
        }
        let len = text[start..].iter().take_while(|b| is_word(b)).count();
        at = start + len;
        let name = &text[start..at];
        let name = name.strip_suffix(b"_MODULE").unwrap_or(name);
        if !name.is_empty() {
            seen.insert(name);
        }
    }
    seen.text
}

/// A set of short texts, kept one after another in one buffer with a newline after each: a set of
/// five hundred names costs a handful of allocations.
#[derive(Default)]
pub(super) struct Seen {
    text: Vec<u8>,
    /// Offset and length of each entry.
    spans: Vec<(u32, u32)>,
    /// Open addressing; 0 is free, otherwise the entry's index plus one. A power of two in size.
    slots: Vec<u32>,
}

impl Seen {
    /// Adds `name`; false if it was there.
    pub(super) fn insert(&mut self, name: &[u8]) -> bool {
        if self.spans.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mut slot = self.slot_of(name);
        let mask = self.slots.len() - 1;
        while self.slots[slot] != 0 {
            if self.get(self.slots[slot] as usize - 1) == name {
                return false;
            }
            slot = (slot + 1) & mask;
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(name.len()))
        else {
            return false;
        };
        self.spans.push((start, len));
        self.slots[slot] = self.spans.len() as u32;
        self.text.extend_from_slice(name);
        self.text.push(b'\n');
        true
    }

    fn get(&self, index: usize) -> &[u8] {
        let (start, len) = self.spans[index];
        &self.text[start as usize..start as usize + len as usize]
    }

    fn slot_of(&self, name: &[u8]) -> usize {
        let mut hasher = FxHasher::default();
        hasher.write(name);
        // The hash's upper bits are the better mixed ones.
        (hasher.finish() >> 20) as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(64)];
        let mask = self.slots.len() - 1;
        for index in 0..self.spans.len() {
            let mut slot = self.slot_of(self.get(index));
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = index as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_original_sees_them() {
        let check = |text: &str, want: &str| {
            let got = String::from_utf8(names(text.as_bytes())).expect("ascii");
            assert_eq!(got.split_terminator('\n').collect::<Vec<_>>().join(" "), want, "{text}");
        };
        check("#ifdef CONFIG_FOO\nCONFIG_FOO CONFIG_BAR_MODULE", "FOO BAR");
        check("XCONFIG_A 1CONFIG_B _CONFIG_C CONFIG_", "");
        check("CONFIG_MODULE CONFIG_X_MODULE_Y CONFIG__MODULE", "MODULE X_MODULE_Y");
        check("/* CONFIG_IN_COMMENT */ \"CONFIG_IN_STRING\"", "IN_COMMENT IN_STRING");
        check("CONFIG_A\0CONFIG_B", "A");
        check("CONFIG_CONFIG_A", "CONFIG_A");
    }

    #[test]
    fn a_set_keeps_each_once_while_it_grows() {
        let mut seen = Seen::default();
        for round in 0..2 {
            for i in 0..1000 {
                assert_eq!(seen.insert(format!("NAME_{i}").as_bytes()), round == 0);
            }
        }
    }

    #[test]
    fn a_cache_gives_names_for_what_it_kept_them_for() {
        let mut cache = Cache::default();
        let list: Arc<[u8]> = Arc::from(names(b"CONFIG_A"));
        assert_eq!(cache.get(b"a.h", 1), None);
        cache.keep(b"a.h", 1, &list);
        assert_eq!(cache.get(b"a.h", 1).as_deref(), Some(&b"A\n"[..]));
        assert_eq!(cache.get(b"a.h", 2), None);
        assert_eq!(cache.get(b"b.h", 1), None);
    }
}
