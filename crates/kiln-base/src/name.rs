//! Interned byte strings: a file name or a variable name is stored once and compared as a number.

use std::hash::Hasher;
use std::rc::Rc;

use crate::{Id, IndexVec, define_id};

define_id!(
    /// An interned byte string of one [`Names`].
    Name
);

/// The strings of one make instance, each stored once: all of them in one buffer, found through an
/// open table of slots. A slot holds half of the hash and the name's number plus one, so that most
/// comparisons end without a look at the text. The same half says where a name's slot is looked for,
/// so that the table grows without a look at the texts either.
#[derive(Default)]
pub struct Names {
    text: Vec<u8>,
    /// Where each name ends in `text`; it begins where the one before ends.
    ends: IndexVec<Name, u32>,
    /// A power of two of slots, at most three quarters used; 0 is a free one. There are four times as
    /// many after the first ones.
    slots: Vec<u64>,
}

/// How many slots there are at first.
const FEW: usize = 1024;

/// How many are enough for the names of a kernel's configuration. Room for those is asked for at once:
/// what is not used of it is no memory yet, and what would be copied on the way to it is touched twice.
const MANY: usize = 16 * 1024;

/// The half of the hash that slots hold, in the upper half of the number.
fn hash(text: &[u8]) -> u64 {
    let mut h = rustc_hash::FxHasher::default();
    h.write(text);
    h.finish() << 32
}

/// The bits of a slot that are its name's hash.
const HASH: u64 = 0xffff_ffff << 32;

/// Where the search for a hash begins, before it is cut to the size of the table.
fn start(hash: u64) -> usize {
    (hash >> 32) as usize
}

impl Names {
    /// The slot that holds `text`, or the free one where it belongs.
    fn slot(&self, text: &[u8], hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut i = start(hash) & mask;
        loop {
            let s = self.slots[i];
            if s == 0 || s & HASH == hash && self.bytes(Name::new((s as u32 - 1) as usize)) == text
            {
                return i;
            }
            i = (i + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        let factor = if old.len() < MANY { 4 } else { 2 };
        self.slots = vec![0; (old.len() * factor).max(FEW)];
        if old.is_empty() {
            self.text.reserve(MANY * 24);
            self.ends.reserve(MANY);
        }
        let mask = self.slots.len() - 1;
        for s in old.into_iter().filter(|&s| s != 0) {
            let mut i = start(s) & mask;
            while self.slots[i] != 0 {
                i = (i + 1) & mask;
            }
            self.slots[i] = s;
        }
    }

    /// The number of `text`, given out now if it had none.
    pub fn intern(&mut self, text: &[u8]) -> Name {
        if self.ends.len() * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let h = hash(text);
        let i = self.slot(text, h);
        if self.slots[i] != 0 {
            return Name::new((self.slots[i] as u32 - 1) as usize);
        }
        self.text.extend_from_slice(text);
        let end = u32::try_from(self.text.len()).expect("more than 4 GiB of names");
        let n = self.ends.push(end);
        self.slots[i] = h | (n.index() as u64 + 1);
        n
    }

    /// The number of `text` if it has one already.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Name> {
        if self.slots.is_empty() {
            return None;
        }
        let s = self.slots[self.slot(text, hash(text))];
        (s != 0).then(|| Name::new((s as u32 - 1) as usize))
    }

    /// How many names there are; each has a smaller number.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a name.
    #[must_use]
    pub fn bytes(&self, n: Name) -> &[u8] {
        let i = n.index();
        let from = if i == 0 { 0 } else { self.ends[Name::new(i - 1)] as usize };
        &self.text[from..self.ends[n] as usize]
    }

    /// The text of a name, for use while the table changes.
    #[must_use]
    pub fn shared(&self, n: Name) -> Rc<[u8]> {
        self.bytes(n).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_number() {
        let mut names = Names::default();
        let all: Vec<Name> = (0..5000).map(|i| names.intern(i.to_string().as_bytes())).collect();
        for (i, &n) in all.iter().enumerate() {
            assert_eq!(names.bytes(n), i.to_string().as_bytes());
            assert_eq!(names.find(i.to_string().as_bytes()), Some(n));
            assert_eq!(names.intern(i.to_string().as_bytes()), n);
        }
        assert_eq!(names.find(b"x"), None);
        let empty = names.intern(b"");
        assert_eq!(names.bytes(empty), b"");
    }
}
