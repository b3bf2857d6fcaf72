//! Interned token texts: one number per distinct text, with what the lexer must know about it at once.
//!
//! It does not know what a declaration is; the symbol table keeps `class`, `plain` and `tagged` true.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::grammar::Term;

/// The number of an interned text.
pub type NameId = u32;

/// No symbol under this name in that name space.
pub const NO_SYMBOL: u32 = u32::MAX;

/// What a *declared* symbol of the ordinary name space makes of an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Class {
    /// Nothing declared, or a variable or function.
    #[default]
    Other,
    /// A typedef name.
    Typedef,
    /// An enumeration constant.
    EnumConst,
}

/// What is known about one text.
pub struct Name {
    start: u32,
    len: u32,
    hash: u32,
    /// The reserved word's token; [`Term::Ident`] for any other text.
    pub keyword: Term,
    /// See [`Class`].
    pub class: Class,
    /// The symbol in the name space of variables, functions, typedefs and enumeration constants.
    pub plain: u32,
    /// The symbol in the name space of struct, union and enum tags.
    pub tagged: u32,
}

/// The interner: an open hash table over one text buffer.
///
/// In the buffer each text is followed by a blank, since that is how a CRC and a dump want it.
pub struct Names {
    text: Vec<u8>,
    names: Vec<Name>,
    table: Vec<u32>,
    /// The names of the 256 texts of one byte.
    bytes: [NameId; 256],
}

const FREE: u32 = u32::MAX;

impl Names {
    /// An interner that knows the texts of one byte and no reserved words.
    pub fn new() -> Self {
        let mut names = Names {
            text: Vec::with_capacity(1 << 18),
            names: Vec::with_capacity(1 << 14),
            table: vec![FREE; 1 << 15],
            bytes: [0; 256],
        };
        for b in 0..=255u8 {
            names.bytes[usize::from(b)] = names.intern(&[b]);
        }
        names
    }

    /// The name of a text of one byte.
    pub fn byte(&self, b: u8) -> NameId {
        self.bytes[usize::from(b)]
    }

    /// The name of `text`, new or known.
    pub fn intern(&mut self, text: &[u8]) -> NameId {
        let hash = hash(text);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let id = self.table[at];
            if id == FREE {
                break;
            }
            let name = &self.names[id as usize];
            if name.hash == hash && self.slice(name) == text {
                return id;
            }
            at = (at + 1) & mask;
        }
        let id = self.names.len() as u32;
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        self.text.push(b' ');
        self.names.push(Name {
            start,
            len: text.len() as u32,
            hash,
            keyword: Term::Ident,
            class: Class::Other,
            plain: NO_SYMBOL,
            tagged: NO_SYMBOL,
        });
        self.table[at] = id;
        if self.names.len() * 2 > self.table.len() {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        let size = self.table.len() * 2;
        self.table.clear();
        self.table.resize(size, FREE);
        for (id, name) in self.names.iter().enumerate() {
            let mut at = name.hash as usize & (size - 1);
            while self.table[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = id as u32;
        }
    }

    fn slice(&self, name: &Name) -> &[u8] {
        &self.text[name.start as usize..(name.start + name.len) as usize]
    }

    /// What is known about a name.
    pub fn get(&self, id: NameId) -> &Name {
        &self.names[id as usize]
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: NameId) -> &mut Name {
        &mut self.names[id as usize]
    }

    /// The text of a name.
    pub fn text(&self, id: NameId) -> &[u8] {
        self.slice(&self.names[id as usize])
    }

    /// The text of a name and a blank after it.
    pub fn spaced(&self, id: NameId) -> &[u8] {
        let name = &self.names[id as usize];
        &self.text[name.start as usize..(name.start + name.len) as usize + 1]
    }
}

fn hash(text: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    let h = hasher.finish();
    (h ^ (h >> 32)) as u32
}
