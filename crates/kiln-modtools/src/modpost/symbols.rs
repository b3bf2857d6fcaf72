//! Everything that modpost knows about names: exports from dumps and objects, and the modules that own
//! them. Names are spans of one text, so a dump of many thousand symbols costs one buffer, one vector and
//! one table.
//!
//! It does not know where the names came from, or what is wrong with them.

use super::devtable::Alias;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// A stretch of [`Texts`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    at: u32,
    len: u32,
}

/// The buffer in which names lie.
#[derive(Debug, Default)]
pub(super) struct Texts {
    buffer: Vec<u8>,
}

impl Texts {
    /// Copies a text in.
    pub(super) fn keep(&mut self, text: &[u8]) -> Text {
        let at = self.buffer.len();
        if text.is_empty() || u32::try_from(at + text.len()).is_err() {
            return Text::default();
        }
        self.buffer.extend_from_slice(text);
        Text { at: at as u32, len: text.len() as u32 }
    }

    pub(super) fn get(&self, text: Text) -> &[u8] {
        let at = text.at as usize;
        &self.buffer[at..at + text.len as usize]
    }
}

/// Under which terms a symbol is exported; the odd ones ended with 5.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    Unused,
    Gpl,
    UnusedGpl,
    GplFuture,
    Unknown,
}

impl Class {
    const NAMES: [(&'static str, Class); 6] = [
        ("EXPORT_SYMBOL", Self::Plain),
        ("EXPORT_UNUSED_SYMBOL", Self::Unused),
        ("EXPORT_SYMBOL_GPL", Self::Gpl),
        ("EXPORT_UNUSED_SYMBOL_GPL", Self::UnusedGpl),
        ("EXPORT_SYMBOL_GPL_FUTURE", Self::GplFuture),
        ("(unknown)", Self::Unknown),
    ];

    /// The word that stands for it in a dump.
    pub(super) fn word(self) -> &'static str {
        Self::NAMES.iter().find(|n| n.1 == self).map_or("(unknown)", |n| n.0)
    }

    pub(super) fn from_word(word: &[u8]) -> Self {
        Self::NAMES.iter().find(|n| n.0.as_bytes() == word).map_or(Self::Unknown, |n| n.1)
    }
}

/// An export.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) name: Text,
    pub(super) namespace: Text,
    pub(super) module: u32,
    pub(super) crc: u32,
    /// The symbol of the same name that was there before, plus one.
    older: u32,
    pub(super) class: Class,
    pub(super) crc_valid: bool,
    pub(super) is_function: bool,
    pub(super) used: bool,
    /// Nobody has seen it with a visible binding.
    pub(super) is_static: bool,
}

/// All exports, in the order in which they became known, found by name.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    pub(super) list: Vec<Symbol>,
    /// Open addressing: 0 is free, otherwise the newest symbol of a name, plus one.
    slots: Vec<u32>,
    names: usize,
}

fn hash(name: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(name);
    (hasher.finish() >> 32) as u32
}

impl Symbols {
    fn slot(&self, texts: &Texts, name: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(name) as usize & mask;
        while let Some(index) = self.slots[slot].checked_sub(1) {
            let symbol = &self.list[index as usize];
            if texts.get(symbol.name) == name {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The newest export of this name. One leading dot is not part of a name: 64-bit PowerPC calls a
    /// function's code `.f`.
    pub(super) fn find(&self, texts: &Texts, name: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let name = name.strip_prefix(b".").unwrap_or(name);
        self.slots[self.slot(texts, name)].checked_sub(1)
    }

    /// The newest export of this name by this module.
    pub(super) fn find_in(&self, texts: &Texts, name: &[u8], module: u32) -> Option<u32> {
        let mut found = self.find(texts, name)?;
        while self.list[found as usize].module != module {
            found = self.list[found as usize].older.checked_sub(1)?;
        }
        Some(found)
    }

    /// Makes room for `more` symbols at once. The number comes from the length of a text that is in
    /// memory, never from what a text says.
    pub(super) fn reserve(&mut self, texts: &Texts, more: usize) {
        self.list.reserve(more);
        let wanted = ((self.names + more) * 2).next_power_of_two().max(64);
        if wanted > self.slots.len() {
            self.rebuild(texts, wanted);
        }
    }

    fn rebuild(&mut self, texts: &Texts, size: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        let mask = size - 1;
        for entry in old.into_iter().filter(|&entry| entry != 0) {
            let name = texts.get(self.list[entry as usize - 1].name);
            let mut slot = hash(name) as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = entry;
        }
    }

    /// Adds an export, which from now on is the one that its name finds.
    pub(super) fn add(&mut self, texts: &Texts, name: Text, module: u32, class: Class) -> u32 {
        if (self.names + 1) * 2 > self.slots.len() {
            self.rebuild(texts, (self.slots.len() * 2).max(64));
        }
        let text = texts.get(name);
        // A name with a leading dot can be added but is never found, as in the original, whose search
        // drops the dot.
        let slot = self.slot(texts, text);
        let older = self.slots[slot];
        self.names += usize::from(older == 0);
        self.list.push(Symbol {
            name,
            namespace: Text::default(),
            module,
            crc: 0,
            older,
            class,
            crc_valid: false,
            is_function: false,
            used: false,
            is_static: true,
        });
        let entry = self.list.len() as u32;
        self.slots[slot] = entry;
        entry - 1
    }

    pub(super) fn get(&self, index: u32) -> &Symbol {
        &self.list[index as usize]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut Symbol {
        &mut self.list[index as usize]
    }
}

/// A name that a module needs.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) name: Text,
    pub(super) weak: bool,
    /// The export that it was found to mean.
    pub(super) export: Option<u32>,
}

/// Whether a module's licence lets it use GPL-only exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compatible {
    /// No licence is stated; the check is left out.
    Unstated,
    Yes,
    No,
}

/// A module, or the kernel itself.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path without suffix, as the object or the dump spells it.
    pub(super) name: Vec<u8>,
    pub(super) is_vmlinux: bool,
    /// It is known from this dump only (an index of the dumps that were read).
    pub(super) dump: Option<u32>,
    pub(super) compatible: Compatible,
    pub(super) has_init: bool,
    pub(super) has_cleanup: bool,
    pub(super) exports: Vec<u32>,
    pub(super) references: Vec<Reference>,
    pub(super) imported: Vec<Vec<u8>>,
    pub(super) missing: Vec<Vec<u8>>,
    pub(super) aliases: Vec<Alias>,
    pub(super) srcversion: Option<String>,
    pub(super) no_trim: Vec<u8>,
}

impl Module {
    pub(super) fn new(name: &[u8], dump: Option<u32>) -> Self {
        Self {
            name: name.to_vec(),
            is_vmlinux: name == b"vmlinux",
            dump,
            compatible: Compatible::Unstated,
            has_init: false,
            has_cleanup: false,
            exports: Vec::new(),
            references: Vec::new(),
            imported: Vec::new(),
            missing: Vec::new(),
            aliases: Vec::new(),
            srcversion: None,
            no_trim: Vec::new(),
        }
    }

    /// What stands behind the name when the built module is meant.
    pub(super) fn suffix(&self) -> &'static str {
        if self.is_vmlinux { "" } else { ".ko" }
    }
}

/// The hash of gdbm by way of tdb, by which 5.10 orders what it writes: the bucket, of 1024.
pub(super) fn bucket(name: &[u8]) -> u32 {
    let mut value = 0x238F_13AF_u32.wrapping_mul(name.len() as u32);
    for (i, &byte) in name.iter().enumerate() {
        value = value.wrapping_add(u32::from(byte) << (i * 5 % 24));
    }
    value.wrapping_mul(1_103_515_243).wrapping_add(12345) % 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_and_the_older_ones_by_module() {
        let (mut texts, mut symbols) = (Texts::default(), Symbols::default());
        for i in 0..500u32 {
            let name = texts.keep(format!("symbol_{}", i % 250).as_bytes());
            symbols.add(&texts, name, i / 250, Class::Plain);
        }
        assert_eq!(symbols.find(&texts, b"symbol_3"), Some(253));
        assert_eq!(symbols.find(&texts, b".symbol_3"), Some(253));
        assert_eq!(symbols.find_in(&texts, b"symbol_3", 0), Some(3));
        assert_eq!(symbols.find_in(&texts, b"symbol_3", 9), None);
        assert_eq!(symbols.find(&texts, b"symbol_250"), None);
    }
}
