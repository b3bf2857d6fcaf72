//! The map of types: for each named type the longest text that the object has, with references in the
//! place of other named types; and the symtypes file made of it.
//!
//! It does not know how the texts are summed.

use rustc_hash::FxHashMap;

use super::entries::{Entry, Id, Map, Piece, State, is_reference};
use super::report::{Fault, Report};
use super::rules::{Kind, Rules};
use gimli::constants as dw;

/// The number of a name: of a reference, or of a symbol.
pub type Name = u32;
/// The number of an expansion.
pub type Type = u32;

/// Types without a name that hold one another deeper than this are no compiler's.
const MOST_NESTED: usize = 10_000;

/// A part of an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text: start and length in the store.
    Text(u32, u32),
    /// A named type.
    Reference(Name),
}

/// A type's text.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// Its name; none for a symbol's, which the original does not name.
    pub name: Option<Name>,
    /// Its text.
    pub parts: Vec<Part>,
    len: usize,
}

/// All types of an object.
pub struct Types<'r> {
    /// All expansions.
    pub all: Vec<Expansion>,
    /// The texts one after the other.
    pub store: Vec<u8>,
    /// The names by their numbers.
    pub names: Vec<Box<[u8]>>,
    /// Two texts of one name and one length that are not the same: which of them counts depends on
    /// the order in which they come.
    pub has_ties: bool,
    rules: &'r Rules,
    most_text: usize,
    numbers: FxHashMap<Box<[u8]>, Name>,
    types: Vec<Option<Type>>,
    mapped: Vec<Type>,
}

impl<'r> Types<'r> {
    /// An empty map for texts of at most `most_text` bytes together.
    pub fn new(rules: &'r Rules, most_text: usize) -> Self {
        Types {
            all: Vec::new(),
            store: Vec::new(),
            names: Vec::new(),
            has_ties: false,
            rules,
            most_text,
            numbers: FxHashMap::default(),
            types: Vec::new(),
            mapped: Vec::new(),
        }
    }

    fn intern(&mut self, name: &[u8]) -> Name {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len() as Name;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        self.types.push(None);
        number
    }

    fn name(&self, number: Name) -> &[u8] {
        &self.names[number as usize]
    }

    /// Takes in every named type of the map, in the order of the original's hash table.
    ///
    /// `base` stands for the low bits of the address at which the original happens to have the
    /// debugging entries; with none the order is that of their making.
    pub fn collect(
        &mut self,
        map: &mut Map,
        base: Option<&dyn Fn(u32) -> u32>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let mut order: Vec<Id> = (0..map.entries.len() as Id).collect();
        if let Some(base) = base {
            order.sort_by_cached_key(|&id| {
                let entry = map.get(id);
                let address = base(entry.die);
                let hash = address.wrapping_mul(GOLDEN) ^ entry.want.number();
                (hash.wrapping_mul(GOLDEN) % BUCKETS, std::cmp::Reverse(id))
            });
        }
        for id in order {
            if map.get(id).is_mapped {
                continue;
            }
            map.entries[id as usize].is_mapped = true;
            let mut id = id;
            if map.get(id).state == State::Unexpanded
                && let Some(complete) = map.find(map.get(id).die, State::Complete)
            {
                id = complete;
                if map.get(id).is_mapped {
                    continue;
                }
                map.entries[id as usize].is_mapped = true;
            }
            let Some(name) = reference(map, map.get(id)) else { continue };
            report.debug("expand_type", &[&name]);
            let number = self.intern(&name);
            let expansion = self.expand(&name, id, map, report)?;
            self.add(number, expansion, report);
        }
        Ok(())
    }

    /// The expansion of an entry, or what a rule says in its place.
    pub fn expand(
        &mut self,
        name: &[u8],
        id: Id,
        map: &Map,
        report: &Report,
    ) -> Result<Expansion, Fault> {
        let mut expansion = Expansion { name: None, parts: Vec::new(), len: 0 };
        match self.rule(name, report) {
            Some(text) => self.parse(name, text, &mut expansion)?,
            None => self.entry(id, map, &mut expansion)?,
        }
        Ok(expansion)
    }

    fn rule(&self, name: &[u8], report: &Report) -> Option<&'r [u8]> {
        let rules = self.rules;
        rules.find(Kind::TypeString, name).filter(|_| report.settings.stable)
    }

    fn append(&mut self, text: &[u8], to: &mut Expansion) -> Result<(), Fault> {
        to.len += text.len();
        if is_reference(text) {
            let name = self.intern(text);
            to.parts.push(Part::Reference(name));
            return Ok(());
        }
        let (start, len) = (self.store.len(), text.len());
        if start + len > self.most_text {
            return Err(Fault::new("type_expand", "the types' texts are too large"));
        }
        self.store.extend_from_slice(text);
        match to.parts.last_mut() {
            Some(Part::Text(before, size)) if (*before + *size) as usize == start => {
                *size += len as u32;
            }
            _ if len > 0 => to.parts.push(Part::Text(start as u32, len as u32)),
            _ => {}
        }
        Ok(())
    }

    /// Writes out an entry: named types as references, others in place, runs of line breaks as one
    /// blank.
    fn entry(&mut self, id: Id, map: &Map, to: &mut Expansion) -> Result<(), Fault> {
        let mut open = vec![(id, 0)];
        while let Some((id, next)) = open.pop() {
            let pieces = &map.get(id).pieces;
            let mut next: usize = next;
            while let Some(&piece) = pieces.get(next) {
                next += 1;
                match piece {
                    Piece::Text(start, len) => self.append(map.text((start, len)), to)?,
                    Piece::Break(_) => {
                        if !matches!(pieces.get(next), Some(Piece::Break(_))) {
                            self.append(b" ", to)?;
                        }
                    }
                    Piece::Die(die) => {
                        let complete = map.find(die, State::Complete);
                        let found = complete.or_else(|| map.find(die, State::Unexpanded));
                        let Some(child) = found else {
                            let text = format!("unknown child: {die:x}");
                            return Err(Fault::new("__type_expand", text));
                        };
                        if let Some(name) = reference(map, map.get(child)) {
                            self.append(&name, to)?;
                            continue;
                        }
                        open.push((id, next));
                        open.push((child, 0));
                        if open.len() > MOST_NESTED {
                            return Err(Fault::new("__type_expand", "types nest too deeply"));
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Cuts a rule's text into references and what is between them.
    fn parse(&mut self, name: &[u8], text: &[u8], to: &mut Expansion) -> Result<(), Fault> {
        if text.is_empty() {
            let parts: [&[u8]; 3] = [b"empty type string override for '", name, b"'"];
            return Err(Fault::of("type_parse", &parts));
        }
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            if !is_reference(&text[at..]) {
                at += 1;
                continue;
            }
            let letter = &text[at..=at];
            let is_quoted = text.get(at + 2) == Some(&b'\'');
            let (first, mark) = if is_quoted { (at + 3, b'\'') } else { (at + 2, b' ') };
            let rest = text.get(first..).unwrap_or_default();
            let len = memchr::memchr(mark, rest).unwrap_or(rest.len());
            let mut end = first + len;
            if is_quoted {
                if end >= text.len() {
                    let parts: [&[u8]; 7] = [
                        b"incomplete ",
                        letter,
                        b"# type reference for '",
                        name,
                        b"' (string : '",
                        text,
                        b"')",
                    ];
                    return Err(Fault::of("type_parse", &parts));
                }
                end += 1;
            }
            if len == 0 {
                let parts: [&[u8]; 7] =
                    [b"empty ", letter, b"# type name for '", name, b"' (string: '", text, b"')"];
                return Err(Fault::of("type_parse", &parts));
            }
            if at > start {
                self.append(&text[start..at], to)?;
            }
            self.append(&text[at..end], to)?;
            (start, at) = (end, end);
        }
        if start < text.len() {
            self.append(&text[start..], to)?;
        }
        Ok(())
    }

    /// Puts an expansion into the map, unless a longer one is there.
    pub fn add(&mut self, name: Name, mut expansion: Expansion, report: &mut Report) -> Type {
        const ADD: &str = "type_map_add";
        expansion.name = Some(name);
        let word: &[u8] = match self.types[name as usize] {
            None => b"adding ",
            Some(old) => {
                let there = &self.all[old as usize];
                if expansion.len <= there.len {
                    if expansion.len == there.len && !self.is_same(there, &expansion) {
                        self.has_ties = true;
                    }
                    return old;
                }
                b"replacing "
            }
        };
        let shows = report.settings.dump_types;
        if shows {
            report.debug(ADD, &[word, self.name(name)]);
        }
        let number = match self.types[name as usize] {
            Some(old) => {
                self.all[old as usize] = expansion;
                old
            }
            None => {
                let new = self.all.len() as Type;
                self.all.push(expansion);
                self.mapped.push(new);
                self.types[name as usize] = Some(new);
                new
            }
        };
        if shows {
            let line = self.line(name, &self.all[number as usize]);
            report.text(&line);
        }
        number
    }

    fn is_same(&self, one: &Expansion, other: &Expansion) -> bool {
        one.parts.len() == other.parts.len()
            && one.parts.iter().zip(&other.parts).all(|(a, b)| self.part(a) == self.part(b))
    }

    /// Puts a symbol's expansion into the map, for the symtypes file.
    pub fn add_symbol(&mut self, name: &[u8], expansion: Expansion, report: &mut Report) {
        let number = self.intern(name);
        self.add(number, expansion, report);
    }

    /// The text of a part.
    pub fn part(&self, part: &Part) -> &[u8] {
        match *part {
            Part::Text(start, len) => &self.store[start as usize..start as usize + len as usize],
            Part::Reference(name) => self.name(name),
        }
    }

    /// The type that a reference in the text of `from` means; a rule may define it on demand.
    pub fn get(
        &mut self,
        name: Name,
        from: Option<Name>,
        report: &mut Report,
    ) -> Result<Type, Fault> {
        if let Some(found) = self.types[name as usize] {
            return Ok(found);
        }
        let text = self.names[name as usize].clone();
        if let Some(rule) = self.rule(&text, report) {
            let mut expansion = Expansion { name: None, parts: Vec::new(), len: 0 };
            self.parse(&text, rule, &mut expansion)?;
            return Ok(self.add(name, expansion, report));
        }
        let from = from.map_or(&b"(null)"[..], |from| self.name(from));
        let parts: [&[u8]; 5] =
            [b"unknown type reference to '", &text, b"' when expanding '", from, b"'"];
        Err(Fault::of("__calculate_version", &parts))
    }

    fn line(&self, name: Name, expansion: &Expansion) -> Vec<u8> {
        let mut line = self.name(name).to_vec();
        line.push(b' ');
        expansion.parts.iter().for_each(|part| line.extend_from_slice(self.part(part)));
        line.push(b'\n');
        line
    }

    /// The symtypes file.
    pub fn symtypes(&self) -> Vec<u8> {
        let mut mapped: Vec<(&[u8], Name, Type)> = self
            .mapped
            .iter()
            .filter_map(|&t| self.all[t as usize].name.map(|name| (self.name(name), name, t)))
            .collect();
        mapped.sort_unstable();
        let lines = mapped.into_iter().map(|(_, name, t)| self.line(name, &self.all[t as usize]));
        lines.collect::<Vec<_>>().concat()
    }
}

const GOLDEN: u32 = 0x61C8_8647;
const BUCKETS: u32 = 1 << 16;

/// The reference to an entry's type, if it has a name: quoted if there is a blank in it.
fn reference(map: &Map, entry: &Entry) -> Option<Vec<u8>> {
    if entry.state == State::Symbol {
        return None;
    }
    let name = entry.name.filter(|name| name.1 != 0)?;
    let letter = match gimli::DwTag(entry.tag) {
        dw::DW_TAG_class_type | dw::DW_TAG_structure_type => b's',
        dw::DW_TAG_union_type => b'u',
        dw::DW_TAG_enumeration_type => b'e',
        dw::DW_TAG_typedef => b't',
        _ => return None,
    };
    let name = map.text(name);
    let quote: &[u8] = if name.contains(&b' ') { b"'" } else { b"" };
    Some([&[letter, b'#'], quote, name, quote].concat())
}
