//! One pass over `.debug_info` and `.debug_types` that fills the table of entries.
//!
//! Values are accepted in the forms in which libdw accepts them, and are absent otherwise. Bodies of
//! functions (blocks, inlined calls, local variables) are left out unless all entries are asked for.
//!
//! Source: DWARF 5 chapters 2 and 7. It does not know what is looked for in the table.

use gimli::{
    AttributeValue, DebugInfo, DebugStrOffsets, DebugTypes, EndianSlice, EntriesRaw, RunTimeEndian,
    UnitHeader, UnitType, constants as dw,
};
use rustc_hash::FxHashMap;

use super::abbrevs::Tables;
use super::dies::{Die, Dies, From, Index, NONE, Unit, pack};
use super::object::Sections;
use super::report::Fault;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Entries nested deeper than this are no compiler's.
const MOST_NESTED: usize = 2000;

struct Pass<'a, 'd> {
    out: &'d mut Dies<'a>,
    all: bool,
    file: &'d [u8],
    string_offsets: DebugStrOffsets<Slice<'a>>,
    signatures: FxHashMap<u64, u32>,
    waiting: Vec<(Slot, u64)>,
}

/// Where the address of a type unit's type is to be put once it is known.
enum Slot {
    Target(Index),
    Attr(usize),
}

/// Reads the entries of an object. With `all` nothing is left out. `file` is for messages.
///
/// # Errors
/// What is wrong with the debugging information, with the file and the offset.
pub fn read<'a>(sections: &'a Sections, all: bool, file: &[u8]) -> Result<Dies<'a>, Fault> {
    let endian = if sections.is_big { RunTimeEndian::Big } else { RunTimeEndian::Little };
    let mut out = Dies {
        sections,
        dies: Vec::with_capacity(sections.info.len() / 16),
        units: Vec::new(),
        attrs: Vec::with_capacity(sections.info.len() / 16),
        endian,
    };
    if sections.info.len() + sections.types.len() >= NONE as usize {
        return Err(broken(file, "too much debugging information", 0));
    }
    let string_offsets = DebugStrOffsets::from(EndianSlice::new(&sections.string_offsets, endian));
    let mut pass = Pass {
        out: &mut out,
        all,
        file,
        string_offsets,
        signatures: FxHashMap::default(),
        waiting: Vec::new(),
    };
    pass.run()?;
    Ok(out)
}

fn broken(file: &[u8], what: &str, at: usize) -> Fault {
    let text = format!(": {what} at {at:#x} of .debug_info");
    Fault::of("process_module", &[b"dwarf_get_units failed: ", file, text.as_bytes()])
}

/// Whether an attribute of an entry with this tag is kept.
fn is_wanted(name: gimli::DwAt, tag: gimli::DwTag) -> bool {
    match name {
        dw::DW_AT_name | dw::DW_AT_type => true,
        dw::DW_AT_decl_file | dw::DW_AT_declaration => matches!(
            tag,
            dw::DW_TAG_structure_type
                | dw::DW_TAG_class_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_enumeration_type
        ),
        dw::DW_AT_const_value => tag == dw::DW_TAG_enumerator,
        dw::DW_AT_count | dw::DW_AT_upper_bound => tag == dw::DW_TAG_subrange_type,
        dw::DW_AT_abstract_origin | dw::DW_AT_linkage_name => {
            matches!(tag, dw::DW_TAG_subprogram | dw::DW_TAG_variable)
        }
        dw::DW_AT_byte_size
        | dw::DW_AT_bit_size
        | dw::DW_AT_accessibility
        | dw::DW_AT_data_member_location
        | dw::DW_AT_encoding
        | dw::DW_AT_data_bit_offset
        | dw::DW_AT_alignment
        | dw::DW_AT_discr_value => {
            !matches!(tag, dw::DW_TAG_subprogram | dw::DW_TAG_variable | dw::DW_TAG_enumerator)
        }
        dw::DW_AT_stmt_list | dw::DW_AT_str_offsets_base => {
            matches!(tag, dw::DW_TAG_compile_unit | dw::DW_TAG_type_unit | dw::DW_TAG_partial_unit)
        }
        _ => false,
    }
}

/// Whether an entry and all inside of it belongs to a function's body. `in_function`: its parent is
/// a function.
fn is_body(tag: gimli::DwTag, in_function: bool) -> bool {
    match tag {
        dw::DW_TAG_lexical_block
        | dw::DW_TAG_inlined_subroutine
        | dw::DW_TAG_call_site
        | dw::DW_TAG_GNU_call_site
        | dw::DW_TAG_label => true,
        dw::DW_TAG_variable => in_function,
        _ => false,
    }
}

/// The unit that is being read.
struct Current {
    version: u16,
    /// What is added to an offset in the unit to make an address.
    start: u32,
    is_info: bool,
    format: gimli::Format,
    string_base: Option<usize>,
    lines: Option<u64>,
}

impl<'a> Pass<'a, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        let sections = self.out.sections;
        let endian = self.out.endian;
        let info = DebugInfo::from(EndianSlice::new(&sections.info, endian));
        let types = DebugTypes::from(EndianSlice::new(&sections.types, endian));
        // Damage among the units is told of below.
        let (mut known, mut others) = (info.units(), types.units());
        let starts = std::iter::from_fn(|| known.next().ok().flatten())
            .chain(std::iter::from_fn(|| others.next().ok().flatten()))
            .map(|header| header.debug_abbrev_offset());
        let mut tables = Tables::new(EndianSlice::new(&sections.abbrev, endian), starts);
        let mut units = info.units();
        loop {
            let done = self.out.units.last().map_or(0, |unit| unit.end as usize);
            let failed = |error: gimli::Error| broken(self.file, &error.to_string(), done);
            let Some(header) = units.next().map_err(failed)? else { break };
            let table = tables.get(header.debug_abbrev_offset()).map_err(failed)?;
            self.unit(header, &table, 0, true)?;
        }
        let mut units = types.units();
        loop {
            let failed = |error: gimli::Error| broken(self.file, &error.to_string(), 0);
            let Some(header) = units.next().map_err(failed)? else { break };
            let table = tables.get(header.debug_abbrev_offset()).map_err(failed)?;
            self.unit(header, &table, sections.info.len(), false)?;
        }
        for (slot, signature) in std::mem::take(&mut self.waiting) {
            let at = self.signatures.get(&signature).copied().unwrap_or(NONE);
            match slot {
                Slot::Target(index) => self.out.dies[index as usize].target = at,
                Slot::Attr(index) => self.out.attrs[index].1 = at.into(),
            }
        }
        Ok(())
    }

    fn unit(
        &mut self,
        header: UnitHeader<Slice<'a>>,
        abbrevs: &gimli::Abbreviations,
        base: usize,
        is_info: bool,
    ) -> Result<(), Fault> {
        let gimli::UnitSectionOffset(offset) = header.offset();
        let start = base + offset;
        let mut current = Current {
            version: header.version(),
            start: start as u32,
            is_info,
            format: header.format(),
            string_base: None,
            lines: None,
        };
        if let UnitType::Type { type_signature, type_offset }
        | UnitType::SplitType { type_signature, type_offset } = header.type_()
        {
            let at = start.saturating_add(type_offset.0);
            self.signatures.entry(type_signature.0).or_insert(at.min(NONE as usize) as u32);
        }
        let root = self.out.dies.len() as Index;
        self.entries(&header, abbrevs, &mut current)
            .map_err(|(error, at)| broken(self.file, &error, start + at))?;
        if self.out.dies.len() == root as usize {
            return Err(broken(self.file, "a unit without entries", start));
        }
        self.out.units.push(Unit {
            root,
            end: (start + header.length_including_self()) as u32,
            address_size: header.address_size(),
            lines: current.lines,
        });
        Ok(())
    }

    fn entries(
        &mut self,
        header: &UnitHeader<Slice<'a>>,
        abbrevs: &gimli::Abbreviations,
        unit: &mut Current,
    ) -> Result<(), (String, usize)> {
        // Each level that is open: its entry, or NONE inside of what is left out.
        let mut open: Vec<Index> = Vec::new();
        let fail = |at: usize| move |error: gimli::Error| (error.to_string(), at);
        let mut raw = header.entries_raw(abbrevs, None).map_err(fail(0))?;
        while !raw.is_empty() {
            let at = raw.next_offset().0;
            let Some(abbrev) = raw.read_abbreviation().map_err(fail(at))? else {
                let closed = open.pop();
                if let Some(index) = closed.filter(|&index| index != NONE) {
                    self.out.dies[index as usize].end = self.out.dies.len() as Index;
                }
                if open.is_empty() {
                    break;
                }
                continue;
            };
            let parent = open.last().copied().unwrap_or(NONE);
            let is_hidden = parent == NONE && !open.is_empty();
            let leave_out = || {
                let parent_tag = self.out.dies.get(parent as usize).map_or(0, |die| die.tag);
                is_body(abbrev.tag(), parent_tag == dw::DW_TAG_subprogram.0)
            };
            if is_hidden || (!self.all && leave_out()) {
                if let Some(next) = self.skip(&mut raw, abbrev).map_err(fail(at))? {
                    if next <= at {
                        return Err(("a sibling before its entry".to_owned(), at));
                    }
                    raw = header
                        .entries_raw(abbrevs, Some(gimli::UnitOffset(next)))
                        .map_err(fail(at))?;
                } else if abbrev.has_children() {
                    open.push(NONE);
                }
            } else {
                let index = self.entry(&mut raw, abbrev, at, parent, unit).map_err(fail(at))?;
                if abbrev.has_children() {
                    open.push(index);
                } else if open.is_empty() {
                    break;
                }
            }
            if open.len() > MOST_NESTED {
                return Err(("entries nest too deeply".to_owned(), at));
            }
        }
        let end = self.out.dies.len() as Index;
        for index in open.into_iter().filter(|&index| index != NONE) {
            self.out.dies[index as usize].end = end;
        }
        Ok(())
    }

    /// Passes over an entry's attributes; gives the offset of its sibling if it has children and
    /// says where that is.
    fn skip(
        &self,
        raw: &mut EntriesRaw<'_, Slice<'a>>,
        abbrev: &gimli::Abbreviation,
    ) -> gimli::Result<Option<usize>> {
        let specs = abbrev.attributes();
        let sibling = abbrev
            .has_children()
            .then(|| specs.iter().position(|spec| spec.name() == dw::DW_AT_sibling));
        let Some(Some(place)) = sibling else {
            raw.skip_attributes(specs)?;
            return Ok(None);
        };
        raw.skip_attributes(&specs[..place])?;
        let attr = raw.read_attribute(specs[place])?;
        raw.skip_attributes(&specs[place + 1..])?;
        Ok(match attr.raw_value() {
            AttributeValue::UnitRef(offset) => Some(offset.0),
            _ => None,
        })
    }

    fn entry(
        &mut self,
        raw: &mut EntriesRaw<'_, Slice<'a>>,
        abbrev: &gimli::Abbreviation,
        at: usize,
        parent: Index,
        unit: &mut Current,
    ) -> gimli::Result<Index> {
        let index = self.out.dies.len() as Index;
        let tag = abbrev.tag();
        let mut die = Die {
            at: unit.start + at as u32,
            parent,
            end: index + 1,
            name: NONE,
            target: NONE,
            attrs: self.out.attrs.len() as u32,
            attr_count: 0,
            name_from: From::Strings,
            tag: tag.0,
        };
        // Attributes that nobody wants are passed over together.
        let specs = abbrev.attributes();
        let mut from = 0;
        for (i, spec) in specs.iter().enumerate() {
            if !is_wanted(spec.name(), tag) {
                continue;
            }
            raw.skip_attributes(&specs[from..i])?;
            from = i + 1;
            let attr = raw.read_attribute(*spec)?;
            self.attribute(&attr, index, &mut die, unit);
        }
        raw.skip_attributes(&specs[from..])?;
        self.out.dies.push(die);
        Ok(index)
    }

    fn attribute(
        &mut self,
        attr: &gimli::Attribute<Slice<'a>>,
        index: Index,
        die: &mut Die,
        unit: &mut Current,
    ) {
        let value = attr.raw_value();
        let number = match attr.name() {
            dw::DW_AT_name => {
                if let (NONE, Some((from, at))) = (die.name, self.string(value, unit)) {
                    (die.name_from, die.name) = (from, at);
                }
                return;
            }
            dw::DW_AT_type => {
                if let AttributeValue::DebugTypesRef(signature) = value {
                    self.waiting.push((Slot::Target(index), signature.0));
                } else if let Some(at) = self.reference(value, unit) {
                    die.target = at;
                }
                return;
            }
            dw::DW_AT_stmt_list => {
                unit.lines = match value {
                    AttributeValue::SecOffset(offset) => Some(offset as u64),
                    AttributeValue::Data4(offset) => Some(offset.into()),
                    _ => None,
                };
                return;
            }
            dw::DW_AT_str_offsets_base => {
                if let AttributeValue::SecOffset(base) = value {
                    unit.string_base = Some(base);
                }
                return;
            }
            dw::DW_AT_linkage_name => self.string(value, unit).map(|(from, at)| pack(from, at)),
            dw::DW_AT_abstract_origin => {
                if let AttributeValue::DebugTypesRef(signature) = value {
                    self.waiting.push((Slot::Attr(self.out.attrs.len()), signature.0));
                    Some(NONE.into())
                } else {
                    self.reference(value, unit).map(u64::from)
                }
            }
            dw::DW_AT_declaration => match value {
                AttributeValue::Flag(is_set) => Some(is_set.into()),
                _ => None,
            },
            name => self.number(name, value, unit),
        };
        if let Some(number) = number
            && die.attr_count < u8::MAX
        {
            self.out.attrs.push((attr.name().0, number));
            die.attr_count += 1;
        }
    }

    /// A reference as an address.
    fn reference(&self, value: AttributeValue<Slice<'a>>, unit: &Current) -> Option<u32> {
        let at = match value {
            AttributeValue::UnitRef(offset) => (unit.start as usize).checked_add(offset.0)?,
            AttributeValue::DebugInfoRef(offset) => offset.0,
            _ => return None,
        };
        u32::try_from(at).ok().filter(|&at| at != NONE)
    }

    /// A number in one of the forms of class constant, as a 64-bit pattern.
    fn number(
        &self,
        name: gimli::DwAt,
        value: AttributeValue<Slice<'a>>,
        unit: &Current,
    ) -> Option<u64> {
        match value {
            AttributeValue::Data1(n) => Some(n.into()),
            AttributeValue::Data2(n) => Some(n.into()),
            AttributeValue::Data4(n) => Some(n.into()),
            AttributeValue::Data8(n) | AttributeValue::Udata(n) => Some(n),
            AttributeValue::Sdata(n) => Some(n as u64),
            // A list of locations: libdw gives its offset if there is such a section.
            AttributeValue::SecOffset(n) if name == dw::DW_AT_data_member_location => {
                let old = unit.version < 5;
                let sections = self.out.sections;
                let size = if old { sections.loc_size } else { sections.loclists_size };
                Some(n as u64).filter(|&n| n < size)
            }
            _ => None,
        }
    }

    fn string(&self, value: AttributeValue<Slice<'a>>, unit: &Current) -> Option<(From, u32)> {
        let sections = self.out.sections;
        let (from, at) = match value {
            AttributeValue::String(text) => {
                let (from, section) = match unit.is_info {
                    true => (From::Info, &sections.info),
                    false => (From::Types, &sections.types),
                };
                (from, text.offset_from(EndianSlice::new(section, self.out.endian)))
            }
            AttributeValue::DebugStrRef(at) => (From::Strings, at.0),
            AttributeValue::DebugLineStrRef(at) => (From::LineStrings, at.0),
            AttributeValue::DebugStrOffsetsIndex(number) => {
                // Without a base the table begins behind its own header.
                let base = unit.string_base.unwrap_or(match (unit.version, unit.format) {
                    (..=4, _) => 0,
                    (_, gimli::Format::Dwarf32) => 8,
                    (_, gimli::Format::Dwarf64) => 16,
                });
                let base = gimli::DebugStrOffsetsBase(base);
                let at = self.string_offsets.get_str_offset(unit.format, base, number).ok()?;
                (From::Strings, at.0)
            }
            _ => return None,
        };
        let at = u32::try_from(at).ok()?;
        self.out.text(from, at)?;
        Some((from, at))
    }
}
