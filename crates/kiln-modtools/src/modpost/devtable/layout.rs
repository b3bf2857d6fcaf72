//! Where the fields of a device table's entries lie: C structures as lists of members, laid out for a
//! target's word size and alignment.
//!
//! It does not know what the fields mean.

use crate::elf::{Elf, machine};

/// What decides a layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// Bytes of a `long` and of a pointer.
    pub(super) word: usize,
    /// The largest alignment that the C ABI gives to a member.
    pub(super) align: usize,
    pub(super) big: bool,
}

impl Target {
    pub(super) fn of(elf: &Elf) -> Self {
        let word = if elf.is_64 { 8 } else { 4 };
        let align = if elf.machine == machine::M68K { 2 } else { word };
        Self { word, align, big: elf.is_big }
    }
}

/// A member: its place and the size of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) size: usize,
}

/// A structure laid out for a target.
#[derive(Debug)]
pub(super) struct Layout {
    fields: Vec<(&'static str, Field)>,
    /// `sizeof`.
    pub(super) size: usize,
}

impl Layout {
    /// Lays out a structure. `members` is a list of `name:size`, where the size is a number of bytes, or
    /// `w` for a `long` or pointer, or `W` for one that is aligned to its own size whatever the ABI
    /// says; `size*n` is an array of n, and `w/bit` an array of as many longs as hold this bit.
    pub(super) fn new(members: &'static str, target: Target) -> Self {
        let (mut at, mut most): (usize, usize) = (0, 1);
        let mut fields = Vec::new();
        for member in members.split(' ') {
            let (name, shape) = member.split_once(':').unwrap_or((member, "1"));
            let (unit, count) = match shape.split_once(['*', '/']) {
                Some((unit, count)) => (unit, count.parse().unwrap_or(1)),
                None => (shape, 1),
            };
            let size = match unit {
                "w" | "W" => target.word,
                bytes => bytes.parse().unwrap_or(1),
            };
            let count = if shape.contains('/') { count / (target.word * 8) + 1 } else { count };
            let align = if unit == "W" { size } else { size.min(target.align) };
            at = at.next_multiple_of(align);
            most = most.max(align);
            fields.push((name, Field { at, size }));
            at += size * count;
        }
        Self { fields, size: at.next_multiple_of(most) }
    }

    fn field(&self, name: &str) -> Field {
        let found = self.fields.iter().find(|field| field.0 == name);
        found.map_or(Field { at: 0, size: 0 }, |field| field.1)
    }
}

/// One entry of a table, or its memory from there on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// From the entry's first byte to wherever the object's bytes end: a text that is not terminated
    /// runs on.
    pub(super) memory: &'a [u8],
    pub(super) layout: &'a Layout,
    pub(super) target: Target,
}

impl<'a> Entry<'a> {
    /// A number, and its size in bytes.
    pub(super) fn number(&self, name: &str) -> (u64, usize) {
        self.element(name, 0)
    }

    /// The number with this index of an array.
    pub(super) fn element(&self, name: &str, index: usize) -> (u64, usize) {
        let field = self.layout.field(name);
        let bytes = self.bytes(field.at + index * field.size, field.size);
        let add = |n: u64, &b: &u8| n << 8 | u64::from(b);
        let value = if self.target.big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        };
        (value, field.size)
    }

    /// A number's value only.
    pub(super) fn value(&self, name: &str) -> u64 {
        self.number(name).0
    }

    /// The text that begins at a field.
    pub(super) fn text(&self, name: &str) -> &'a [u8] {
        let rest = self.memory.get(self.layout.field(name).at..).unwrap_or_default();
        memchr::memchr(0, rest).map_or(rest, |end| &rest[..end])
    }

    /// Bytes from the start of a field on; fewer where the object ends.
    pub(super) fn raw(&self, name: &str, len: usize) -> &'a [u8] {
        self.bytes(self.layout.field(name).at, len)
    }

    fn bytes(&self, at: usize, len: usize) -> &'a [u8] {
        let rest = self.memory.get(at..).unwrap_or_default();
        &rest[..len.min(rest.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_padding() {
        let layout = |members, word, align| {
            let layout = Layout::new(members, Target { word, align, big: false });
            let places: Vec<usize> = layout.fields.iter().map(|f| f.1.at).collect();
            (places, layout.size)
        };
        assert_eq!(layout("a:2 b:1 c:w", 8, 8), (vec![0, 2, 8], 16));
        assert_eq!(layout("a:2 b:1 c:w", 4, 4), (vec![0, 2, 4], 8));
        assert_eq!(layout("a:1 b:4 c:w", 4, 2), (vec![0, 2, 6], 10));
        assert_eq!(layout("a:1 b:W", 4, 2), (vec![0, 4], 8));
        assert_eq!(layout("a:1*9 b:4*4", 8, 8), (vec![0, 12], 28));
        assert_eq!(layout("a:w/31 b:w/767", 8, 8), (vec![0, 8], 104));
        assert_eq!(layout("a:w/31 b:w/767", 4, 4), (vec![0, 4], 100));
    }
}
