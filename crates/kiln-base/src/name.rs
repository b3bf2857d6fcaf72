//! Interned byte strings: a file name or a variable name is stored once and compared as a number.

use rustc_hash::FxHashMap;
use std::rc::Rc;

use crate::{IndexVec, define_id};

define_id!(
    /// An interned byte string of one [`Names`].
    Name
);

/// The strings of one make instance, each stored once.
#[derive(Default)]
pub struct Names {
    by_id: IndexVec<Name, Rc<[u8]>>,
    by_text: FxHashMap<Rc<[u8]>, Name>,
}

impl Names {
    /// The number of `text`, given out now if it had none.
    pub fn intern(&mut self, text: &[u8]) -> Name {
        if let Some(&n) = self.by_text.get(text) {
            return n;
        }
        let shared: Rc<[u8]> = text.into();
        let n = self.by_id.push(Rc::clone(&shared));
        self.by_text.insert(shared, n);
        n
    }

    /// The number of `text` if it has one already.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    /// The text of a name.
    #[must_use]
    pub fn bytes(&self, n: Name) -> &[u8] {
        &self.by_id[n]
    }

    /// The text of a name, shared, for use while the table changes.
    #[must_use]
    pub fn shared(&self, n: Name) -> Rc<[u8]> {
        Rc::clone(&self.by_id[n])
    }
}
