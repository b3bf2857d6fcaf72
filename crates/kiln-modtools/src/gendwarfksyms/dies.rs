//! Debugging information entries as a flat table: what type texts need of each entry, in the order of
//! the file.
//!
//! An entry's address is its offset in `.debug_info`; those of `.debug_types` follow behind. The table
//! is filled by `reader`. It does not know what a tag means for a text.

use gimli::{AttributeValue, DebugLine, EndianSlice, RunTimeEndian, constants as dw};

use super::object::Sections;
use super::report::Fault;

/// No address, no index, no string.
pub const NONE: u32 = u32::MAX;

/// The number of an entry in the table.
pub type Index = u32;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct Die {
    /// Its address.
    pub at: u32,
    /// The entry that holds it; [`NONE`] for a unit's own.
    pub parent: Index,
    /// The first entry that is not inside of it.
    pub end: Index,
    pub(super) name: u32,
    pub(super) target: u32,
    pub(super) attrs: u32,
    pub(super) attr_count: u8,
    pub(super) name_from: From,
    /// `DW_TAG_…`
    pub tag: u16,
}

/// Which section a string lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum From {
    Strings,
    LineStrings,
    Info,
    Types,
}

/// A unit: its entries and what is needed to find its source files.
pub struct Unit {
    /// The unit's own entry.
    pub root: Index,
    /// The first address behind it.
    pub end: u32,
    pub(super) address_size: u8,
    pub(super) lines: Option<u64>,
}

/// The entries of an object.
pub struct Dies<'a> {
    pub(super) sections: &'a Sections,
    /// All entries, ascending by address.
    pub dies: Vec<Die>,
    /// All units in the order of the file.
    pub units: Vec<Unit>,
    pub(super) attrs: Vec<(u16, u64)>,
    pub(super) endian: RunTimeEndian,
}

/// A string of the object, packed: its section in the upper half, the offset in the lower.
pub(super) fn pack(from: From, offset: u32) -> u64 {
    (from as u64) << 32 | u64::from(offset)
}

impl<'a> Dies<'a> {
    /// The number of the entry at an address.
    pub fn find(&self, at: u32) -> Option<Index> {
        self.dies.binary_search_by_key(&at, |die| die.at).ok().map(|i| i as Index)
    }

    /// The entry with this number.
    pub fn get(&self, index: Index) -> &Die {
        &self.dies[index as usize]
    }

    /// `DW_TAG_…` of an entry.
    pub fn tag(&self, index: Index) -> u16 {
        self.get(index).tag
    }

    /// A string of a section.
    pub(super) fn text(&self, from: From, offset: u32) -> Option<&'a [u8]> {
        let section = match from {
            From::Strings => &self.sections.strings,
            From::LineStrings => &self.sections.line_strings,
            From::Info => &self.sections.info,
            From::Types => &self.sections.types,
        };
        let rest = section.get(offset as usize..)?;
        Some(memchr::memchr(0, rest).map_or(rest, |end| &rest[..end]))
    }

    /// `DW_AT_name`
    pub fn name(&self, index: Index) -> Option<&'a [u8]> {
        let die = self.get(index);
        if die.name == NONE {
            return None;
        }
        self.text(die.name_from, die.name)
    }

    /// `DW_AT_linkage_name`
    pub fn linkage_name(&self, index: Index) -> Option<&'a [u8]> {
        let packed = self.attr(index, dw::DW_AT_linkage_name)?;
        let from = match packed >> 32 {
            0 => From::Strings,
            1 => From::LineStrings,
            2 => From::Info,
            _ => From::Types,
        };
        self.text(from, packed as u32)
    }

    /// The address that `DW_AT_type` names; [`NONE`] if there is none.
    pub fn target(&self, index: Index) -> u32 {
        self.get(index).target
    }

    /// The address that `DW_AT_abstract_origin` names.
    pub fn origin(&self, index: Index) -> Option<u32> {
        self.attr(index, dw::DW_AT_abstract_origin).map(|at| at as u32)
    }

    /// Whether the entry only declares.
    pub fn is_declaration(&self, index: Index) -> bool {
        self.attr(index, dw::DW_AT_declaration) == Some(1)
    }

    /// A number among the entry's attributes.
    pub fn attr(&self, index: Index, name: gimli::DwAt) -> Option<u64> {
        let die = self.get(index);
        let first = die.attrs as usize;
        let attrs = &self.attrs[first..first + usize::from(die.attr_count)];
        attrs.iter().find(|(n, _)| *n == name.0).map(|&(_, value)| value)
    }

    /// The children of an entry, first one and end: step with the `end` of each.
    pub fn children(&self, index: Index) -> (Index, Index) {
        (index + 1, self.get(index).end)
    }

    /// The number of the unit that an address lies in.
    pub fn unit_of(&self, at: u32) -> usize {
        self.units.partition_point(|unit| unit.end <= at)
    }

    /// For each source file of the unit that holds `index`, in the numbering of `DW_AT_decl_file`,
    /// whether it is a `.c` file.
    ///
    /// # Errors
    /// What is wrong with the list, in the words of the original where it has any.
    pub fn source_files(&self, index: Index) -> Result<Vec<bool>, Fault> {
        let failed = |what: &str| {
            Fault::new("is_definition_private", format!("dwarf_getsrcfiles failed: '{what}'"))
        };
        let unit = self.units.get(self.unit_of(self.get(index).at));
        let unit = unit.ok_or_else(|| failed("no unit"))?;
        let offset = unit.lines.ok_or_else(|| failed("no error"))?;
        let lines = DebugLine::from(EndianSlice::new(&self.sections.lines, self.endian));
        let offset = gimli::DebugLineOffset(offset as usize);
        let program = lines
            .program(offset, unit.address_size, None, None)
            .map_err(|error| failed(&format!("{error} at {:#x} of .debug_line", offset.0)))?;
        let header = program.header();
        let mut files = Vec::with_capacity(header.file_names().len() + 1);
        if header.version() <= 4 {
            // Numbers begin at 1; libdw's file 0 is called "???". It is the list's own version that
            // counts: assemblers write old lists beside new units.
            files.push(false);
        }
        files.extend(header.file_names().iter().map(|file| {
            let name = match file.path_name() {
                AttributeValue::String(name) => Some(name.slice()),
                AttributeValue::DebugLineStrRef(at) => {
                    u32::try_from(at.0).ok().and_then(|at| self.text(From::LineStrings, at))
                }
                AttributeValue::DebugStrRef(at) => {
                    u32::try_from(at.0).ok().and_then(|at| self.text(From::Strings, at))
                }
                _ => None,
            };
            let name = name.unwrap_or_default();
            memchr::memrchr(b'.', name).is_some_and(|dot| &name[dot..] == b".c")
        }));
        Ok(files)
    }
}
