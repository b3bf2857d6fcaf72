//! A bounded reader for ELF objects of either word size and byte order.
//!
//! It reads fields where they lie, in pieces of the file that are fetched when they are asked for
//! ([`window`]); only the section headers are copied out.
//! Every offset from the file is checked before use, so a broken file gives an error or an empty
//! answer, never a panic, and nothing is allocated by a length that the file only claims.
//!
//! It does not know what any section or symbol means to the kernel.

mod abi;
mod window;

pub use abi::*;

use crate::Ranged;
use std::fmt;
use window::Data;

/// Why a file could not be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than an ELF header, or another magic number.
    NotElf,
    /// `EI_CLASS` is neither 32 nor 64 bits.
    Class,
    /// `EI_DATA` is neither byte order.
    ByteOrder,
    /// Not a relocatable object.
    NotRelocatable,
    /// The section headers begin behind the end of the file, at this offset.
    HeadersBeyondEnd(u64),
    /// A section begins behind the end of the file, at this offset; whether the object is 64-bit.
    SectionBeyondEnd(u64, bool),
    /// There is no symbol table.
    NoSymbolTable,
    /// The table of long section numbers belongs to section `.0`, the symbol table is section `.1`.
    LongNumbersOfOther(u32, u32),
    /// Something else that lies outside of the file, and the file offset where it is said to be.
    OutOfBounds(&'static str, u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file"),
            Self::Class => write!(f, "unknown ELF class"),
            Self::ByteOrder => write!(f, "unknown byte order"),
            Self::NotRelocatable => write!(f, "not a relocatable object"),
            Self::HeadersBeyondEnd(at) => {
                write!(f, "section headers at offset {at}, behind the end")
            }
            Self::SectionBeyondEnd(at, _) => write!(f, "section at offset {at}, behind the end"),
            Self::NoSymbolTable => write!(f, "no symbol table"),
            Self::LongNumbersOfOther(link, table) => {
                write!(f, "long section numbers for section {link}, but symbols in section {table}")
            }
            Self::OutOfBounds(what, at) => {
                write!(f, "{what} at offset {at} reaches behind the end")
            }
        }
    }
}

/// A section header.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Offset of the name in the string table of section names.
    pub name: u32,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`.
    pub flags: u64,
    /// `sh_addr`.
    pub address: u64,
    /// Offset of the content in the file.
    pub offset: u64,
    /// Size of the content in bytes.
    pub size: u64,
    /// `sh_link`.
    pub link: u32,
    /// `sh_info`.
    pub info: u32,
}

/// A symbol table entry.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// Its index in the symbol table.
    pub index: u32,
    /// Offset of the name in the symbols' string table.
    pub name: u32,
    /// Binding and type.
    pub info: u8,
    /// `st_shndx` as it stands.
    pub shndx: u16,
    /// `st_value`.
    pub value: u64,
    /// `st_size`.
    pub size: u64,
}

impl Symbol {
    /// `STB_…`.
    #[must_use]
    pub fn binding(&self) -> u8 {
        self.info >> 4
    }

    /// `STT_…`.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.info & 15
    }

    /// Whether other objects can see it.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        matches!(self.binding(), STB_GLOBAL | STB_WEAK)
    }
}

/// A relocation entry.
#[derive(Clone, Copy, Debug)]
pub struct Reloc {
    /// Offset in the section that it applies to.
    pub offset: u64,
    /// Index of its symbol.
    pub symbol: u32,
    /// `R_…` of the machine.
    pub kind: u32,
    /// The addend, sign-extended; 0 if it lies in the place.
    pub addend: i64,
}

/// An object file.
#[derive(Debug)]
pub struct Elf {
    data: Data,
    /// 64-bit.
    pub is_64: bool,
    /// Big-endian.
    pub is_big: bool,
    /// `e_machine`.
    pub machine: u16,
    /// The section headers; number 0 is the null section.
    pub sections: Vec<Section>,
    section_names: u64,
    symbols_at: usize,
    symbol_count: u32,
    symbol_names: u64,
    long_numbers: Option<(usize, usize)>,
}

impl Elf {
    /// Takes a relocatable object apart.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order in which the kernel's modpost looks.
    pub fn parse(data: Vec<u8>) -> Result<Self, Error> {
        Self::open(Box::new(data))
    }

    /// The same with an object of which only what is asked for is read.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order in which the kernel's modpost looks.
    pub fn open(file: Box<dyn Ranged>) -> Result<Self, Error> {
        let data = Data::new(file);
        let [m0, m1, m2, m3, class, order] = data.bytes(0);
        if data.len() < 52 || [m0, m1, m2, m3] != *b"\x7fELF" {
            return Err(Error::NotElf);
        }
        let is_64 = match class {
            1 => false,
            2 => true,
            _ => return Err(Error::Class),
        };
        if is_64 && data.len() < 64 {
            return Err(Error::NotElf);
        }
        let is_big = match order {
            1 => false,
            2 => true,
            _ => return Err(Error::ByteOrder),
        };
        let mut elf = Self {
            data,
            is_64,
            is_big,
            machine: 0,
            sections: Vec::new(),
            section_names: 0,
            symbols_at: 0,
            symbol_count: 0,
            symbol_names: 0,
            long_numbers: None,
        };
        elf.machine = elf.u16(18);
        if elf.u16(16) != ET_REL {
            return Err(Error::NotRelocatable);
        }
        elf.read_sections()?;
        elf.divide();
        elf.find_symbols()?;
        Ok(elf)
    }

    fn read_sections(&mut self) -> Result<(), Error> {
        let (headers, count_at, header_size) =
            if self.is_64 { (self.u64(40), 60, 64) } else { (u64::from(self.u32(32)), 48, 40) };
        if headers > self.data.len() as u64 {
            return Err(Error::HeadersBeyondEnd(headers));
        }
        let at = headers as usize;
        self.data.divide(vec![at]);
        let room = (self.data.len() - at) / header_size;
        let first = (room > 0).then(|| self.section(at));
        let mut count = u32::from(self.u16(count_at));
        let mut names = u32::from(self.u16(count_at + 2));
        if let Some(first) = first {
            if count == 0 {
                count = first.size as u32;
            }
            if names == u32::from(SHN_XINDEX) {
                names = first.link;
            }
        }
        if count as usize > room || names >= count {
            return Err(Error::OutOfBounds("the section header table", headers));
        }
        self.sections = (0..count as usize).map(|i| self.section(at + i * header_size)).collect();
        self.section_names = self.sections[names as usize].offset;
        Ok(())
    }

    /// Divides the file at the sections.
    fn divide(&mut self) {
        let mut places = Vec::with_capacity(self.sections.len() * 2);
        for section in self.sections.iter().filter(|s| s.kind != SHT_NOBITS) {
            let end = section.offset.checked_add(section.size);
            places.extend([Some(section.offset), end].into_iter().flatten());
        }
        let places = places.into_iter().filter_map(|at| usize::try_from(at).ok()).collect();
        self.data.divide(places);
    }

    fn section(&self, at: usize) -> Section {
        if self.is_64 {
            let entry: [u8; 64] = self.bytes(at);
            Section {
                name: self.word(&entry, 0),
                kind: self.word(&entry, 4),
                flags: self.long(&entry, 8),
                address: self.long(&entry, 16),
                offset: self.long(&entry, 24),
                size: self.long(&entry, 32),
                link: self.word(&entry, 40),
                info: self.word(&entry, 44),
            }
        } else {
            let entry: [u8; 40] = self.bytes(at);
            let word = |i| self.word(&entry, i);
            Section {
                name: word(0),
                kind: word(4),
                flags: word(8).into(),
                address: word(12).into(),
                offset: word(16).into(),
                size: word(20).into(),
                link: word(24),
                info: word(28),
            }
        }
    }

    fn find_symbols(&mut self) -> Result<(), Error> {
        let len = self.data.len() as u64;
        let (mut table, mut long_numbers) = (None, None);
        for (index, section) in self.sections.iter().enumerate().skip(1) {
            if section.kind != SHT_NOBITS && section.offset > len {
                return Err(Error::SectionBeyondEnd(section.offset, self.is_64));
            }
            match section.kind {
                SHT_SYMTAB => table = Some((index as u32, *section)),
                SHT_SYMTAB_SHNDX => long_numbers = Some(*section),
                _ => {}
            }
        }
        let (index, table) = table.ok_or(Error::NoSymbolTable)?;
        let count = table.size.div_ceil(self.symbol_size() as u64);
        let fits = |section: &Section, size: Option<u64>| {
            size.and_then(|s| s.checked_add(section.offset)).is_some_and(|end| end <= len)
        };
        if !fits(&table, count.checked_mul(self.symbol_size() as u64)) {
            return Err(Error::OutOfBounds("the symbol table", table.offset));
        }
        let strings = self.sections.get(table.link as usize);
        self.symbol_names =
            strings.ok_or(Error::OutOfBounds("the symbols' string table", table.offset))?.offset;
        self.symbols_at = table.offset as usize;
        // Bounded by the file's length, and a file of more than 2^32 symbols is not read at all.
        self.symbol_count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(section) = long_numbers {
            if section.link != index {
                return Err(Error::LongNumbersOfOther(section.link, index));
            }
            if !fits(&section, Some(section.size)) {
                return Err(Error::OutOfBounds("the table of section numbers", section.offset));
            }
            self.long_numbers = Some((section.offset as usize, section.size as usize / 4));
        }
        Ok(())
    }

    fn symbol_size(&self) -> usize {
        if self.is_64 { 24 } else { 16 }
    }

    /// The bytes from a file offset on, at most `len`, as far as the file goes.
    #[must_use]
    pub fn from(&self, at: u64, len: u64) -> &[u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        usize::try_from(at).map_or(&[], |at| self.data.slice(at, len))
    }

    /// The text at a file offset, up to a NUL byte or the end of the file.
    #[must_use]
    pub fn text(&self, at: u64) -> &[u8] {
        usize::try_from(at).map_or(&[], |at| self.data.text(at))
    }

    /// The part of a section's content that the file holds.
    #[must_use]
    pub fn content(&self, section: &Section) -> &[u8] {
        self.from(section.offset, section.size)
    }

    /// A section's name.
    #[must_use]
    pub fn section_name(&self, section: &Section) -> &[u8] {
        self.text(self.section_names.wrapping_add(section.name.into()))
    }

    /// The name of the section with this number; empty if there is none.
    #[must_use]
    pub fn section_name_of(&self, number: u32) -> &[u8] {
        self.sections.get(number as usize).map_or(b"", |section| self.section_name(section))
    }

    /// How many symbols there are, the null symbol included.
    #[must_use]
    pub fn symbol_count(&self) -> u32 {
        self.symbol_count
    }

    /// The symbol with this index.
    #[must_use]
    pub fn symbol(&self, index: u32) -> Option<Symbol> {
        if index >= self.symbol_count {
            return None;
        }
        let at = self.symbols_at + index as usize * self.symbol_size();
        Some(if self.is_64 {
            let entry: [u8; 24] = self.bytes(at);
            Symbol {
                index,
                name: self.word(&entry, 0),
                info: entry[4],
                shndx: self.half(&entry, 6),
                value: self.long(&entry, 8),
                size: self.long(&entry, 16),
            }
        } else {
            let entry: [u8; 16] = self.bytes(at);
            Symbol {
                index,
                name: self.word(&entry, 0),
                value: self.word(&entry, 4).into(),
                size: self.word(&entry, 8).into(),
                info: entry[12],
                shndx: self.half(&entry, 14),
            }
        })
    }

    /// All symbols in order.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        (0..self.symbol_count).filter_map(|index| self.symbol(index))
    }

    /// A symbol's name.
    #[must_use]
    pub fn symbol_name(&self, symbol: &Symbol) -> &[u8] {
        self.text(self.symbol_names.wrapping_add(symbol.name.into()))
    }

    /// The number of a symbol's section. The reserved numbers (absolute, common and their like) come
    /// back moved to the top of the 32-bit range, where no section can be.
    #[must_use]
    pub fn section_number(&self, symbol: &Symbol) -> u32 {
        match symbol.shndx {
            SHN_XINDEX => match self.long_numbers {
                Some((at, count)) if (symbol.index as usize) < count => {
                    self.u32(at + symbol.index as usize * 4)
                }
                _ => u32::MAX,
            },
            reserved @ SHN_LORESERVE.. => u32::from(reserved).wrapping_sub(0x1_0000),
            plain => plain.into(),
        }
    }

    /// The file offset of what a symbol stands for; `None` if its section has no header.
    #[must_use]
    pub fn offset_of(&self, symbol: &Symbol) -> Option<u64> {
        let section = self.sections.get(self.section_number(symbol) as usize)?;
        Some(section.offset.wrapping_add(symbol.value))
    }

    /// Ends the name that begins at a symbol's name offset after `len` bytes, for this symbol and for
    /// every other one whose name shares the bytes.
    pub fn shorten_name(&mut self, symbol: &Symbol, len: usize) {
        let at = self.symbol_names.wrapping_add(symbol.name.into()).wrapping_add(len as u64);
        if let Ok(at) = usize::try_from(at) {
            self.data.clear(at);
        }
    }

    /// The relocations of a section of type `SHT_REL` or `SHT_RELA`, as far as the file holds them.
    pub fn relocs(&self, section: &Section) -> impl Iterator<Item = Reloc> + '_ {
        let has_addend = section.kind == SHT_RELA;
        let word = if self.is_64 { 8 } else { 4 };
        let entry = if has_addend { 3 * word } else { 2 * word };
        let base = usize::try_from(section.offset).unwrap_or(usize::MAX);
        let room = (self.data.len() as u64).saturating_sub(section.offset);
        let count = usize::try_from(section.size.min(room)).unwrap_or(0) / entry;
        (0..count).map(move |i| {
            let at = base + i * entry;
            match (has_addend, self.is_64) {
                (true, true) => self.reloc(&self.bytes::<24>(at)),
                (false, true) => self.reloc(&self.bytes::<16>(at)),
                (true, false) => self.reloc(&self.bytes::<12>(at)),
                (false, false) => self.reloc(&self.bytes::<8>(at)),
            }
        })
    }

    /// A relocation, with an addend if the entry has room for it. In 64-bit objects for MIPS `r_info`
    /// has a layout of its own, with the symbol first in every byte order.
    fn reloc<const N: usize>(&self, entry: &[u8; N]) -> Reloc {
        if !self.is_64 {
            let info = self.word(entry, 4);
            let addend = if N > 8 { (self.word(entry, 8) as i32).into() } else { 0 };
            let offset = self.word(entry, 0).into();
            return Reloc { offset, symbol: info >> 8, kind: info & 0xff, addend };
        }
        let (symbol, kind) = if self.machine == machine::MIPS {
            (self.word(entry, 8), entry[15].into())
        } else {
            let info = self.long(entry, 8);
            ((info >> 32) as u32, info as u32)
        };
        let addend = if N > 16 { self.long(entry, 16) as i64 } else { 0 };
        Reloc { offset: self.long(entry, 0), symbol, kind, addend }
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.data.bytes(at)
    }

    // Numbers of the object's byte order within bytes that were taken from it.

    fn half<const N: usize>(&self, entry: &[u8; N], at: usize) -> u16 {
        let bytes = [entry[at], entry[at + 1]];
        if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn word<const N: usize>(&self, entry: &[u8; N], at: usize) -> u32 {
        let bytes = std::array::from_fn(|i| entry[at + i]);
        if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn long<const N: usize>(&self, entry: &[u8; N], at: usize) -> u64 {
        let bytes = std::array::from_fn(|i| entry[at + i]);
        if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }

    /// A 16-bit number of the object's byte order; 0 behind the end of the file.
    #[must_use]
    pub fn u16(&self, at: usize) -> u16 {
        self.half(&self.bytes::<2>(at), 0)
    }

    /// A 32-bit number of the object's byte order; 0 behind the end of the file.
    #[must_use]
    pub fn u32(&self, at: usize) -> u32 {
        self.word(&self.bytes::<4>(at), 0)
    }

    /// A 64-bit number of the object's byte order; 0 behind the end of the file.
    #[must_use]
    pub fn u64(&self, at: usize) -> u64 {
        self.long(&self.bytes::<8>(at), 0)
    }
}
