//! The sections of an object that matter here: found by name, unpacked, relocated.
//!
//! Relocations are applied with the symbols' own values, as if every section began at 0: code
//! addresses come out wrong, and nothing here looks at one; offsets into other debugging sections come
//! out right. It does not know what the sections hold.

use std::io::Read;

use super::reloc::{Action, action};
use super::report::Fault;
use crate::elf::{Elf, SHT_NOBITS, SHT_REL, SHT_RELA, Section};

/// The section that holds the rules for a stable binary interface.
const RULES: &[u8] = b".discard.gendwarfksyms.kabi_rules";
/// `SHF_GROUP`: a member of a section group (gABI, chapter 4).
const IN_GROUP: u64 = 0x200;
/// `SHF_COMPRESSED` (gABI, chapter 4).
const COMPRESSED: u64 = 0x800;
/// No debugging section of a kernel is larger, and positions in one are counted in 32 bits.
const MOST: u64 = 0x7fff_0000;

/// The sections' contents, ready to be read.
#[derive(Default)]
pub struct Sections {
    /// `.debug_info`
    pub info: Vec<u8>,
    /// Where `.debug_info` begins in the file.
    pub info_offset: u64,
    /// `.debug_types` (DWARF 4).
    pub types: Vec<u8>,
    /// `.debug_abbrev`
    pub abbrev: Vec<u8>,
    /// `.debug_str`
    pub strings: Vec<u8>,
    /// `.debug_line_str`
    pub line_strings: Vec<u8>,
    /// `.debug_str_offsets`
    pub string_offsets: Vec<u8>,
    /// `.debug_line`
    pub lines: Vec<u8>,
    /// Size of `.debug_loc` in bytes: a number in an old unit may be an offset into it.
    pub loc_size: u64,
    /// Size of `.debug_loclists` in bytes.
    pub loclists_size: u64,
    /// Whether the object is big-endian.
    pub is_big: bool,
}

fn broken(file: &[u8], what: &str, offset: u64) -> Fault {
    let text = format!(": {what} at file offset {offset}");
    Fault::of("process_module", &[file, text.as_bytes()])
}

impl Sections {
    /// Reads them from an object; `file` is its name for messages.
    pub fn read(elf: &Elf, file: &[u8]) -> Result<Self, Fault> {
        let mut all = Sections { is_big: elf.is_big, ..Sections::default() };
        for (number, section) in elf.sections.iter().enumerate() {
            let name = elf.section_name(section);
            let plain = name.strip_prefix(b".z").or_else(|| name.strip_prefix(b"."));
            let place = match plain.unwrap_or_default() {
                b"debug_info" => {
                    all.info_offset = section.offset;
                    &mut all.info
                }
                b"debug_types" => &mut all.types,
                b"debug_abbrev" => &mut all.abbrev,
                b"debug_str" => &mut all.strings,
                b"debug_line_str" => &mut all.line_strings,
                b"debug_str_offsets" => &mut all.string_offsets,
                b"debug_line" => &mut all.lines,
                b"debug_loc" => {
                    all.loc_size = section.size;
                    continue;
                }
                b"debug_loclists" => {
                    all.loclists_size = section.size;
                    continue;
                }
                _ => continue,
            };
            // Of several sections with one name the first counts; type units, each in a group of its
            // own, libdw does not see at all.
            let is_alone = section.flags & IN_GROUP == 0 && section.kind != SHT_NOBITS;
            if place.is_empty() && is_alone {
                let mut data = unpack(elf, section, name, file)?;
                relocate(elf, number, &mut data, file)?;
                *place = data;
            }
        }
        Ok(all)
    }
}

/// The rules of an object, if it has any.
pub fn rules(elf: &Elf) -> Option<&[u8]> {
    let section = elf.sections.iter().find(|section| elf.section_name(section) == RULES)?;
    Some(elf.content(section))
}

/// A section's bytes, uncompressed.
fn unpack(elf: &Elf, section: &Section, name: &[u8], file: &[u8]) -> Result<Vec<u8>, Fault> {
    let content = elf.content(section);
    if (content.len() as u64) < section.size || section.size > MOST {
        return Err(broken(file, "a section reaches behind the end", section.offset));
    }
    let at = section.offset as usize;
    let (is_zlib, size, header) = if section.flags & COMPRESSED != 0 {
        let header = if elf.is_64 { 24 } else { 12 };
        let size = if elf.is_64 { elf.u64(at + 8) } else { elf.u32(at + 4).into() };
        match elf.u32(at) {
            1 => (true, size, header),
            2 => (false, size, header),
            _ => return Err(broken(file, "an unknown compression", section.offset)),
        }
    } else if name.starts_with(b".z") && content.starts_with(b"ZLIB") {
        let size = content.get(4..12).and_then(|s| s.try_into().ok()).map_or(0, u64::from_be_bytes);
        (true, size, 12)
    } else {
        return Ok(content.to_vec());
    };
    let packed = content.get(header..).unwrap_or_default();
    let failed = |_| broken(file, "a compressed section that cannot be read", section.offset);
    // No packing of the two can do better than this.
    if size > MOST.min(4096 + 1100 * packed.len() as u64) {
        return Err(broken(file, "a compressed section is too large", section.offset));
    }
    // The claimed size only bounds what is read; memory grows with what there really is.
    let mut data = Vec::new();
    if is_zlib {
        flate2::read::ZlibDecoder::new(packed).take(size).read_to_end(&mut data).map_err(failed)?;
    } else {
        let reader = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| {
            broken(file, "a compressed section that cannot be read", section.offset)
        })?;
        reader.take(size).read_to_end(&mut data).map_err(failed)?;
    }
    if (data.len() as u64) < size {
        return Err(broken(file, "a compressed section is cut off", section.offset));
    }
    Ok(data)
}

/// Applies the relocations that belong to section `number`.
fn relocate(elf: &Elf, number: usize, data: &mut [u8], file: &[u8]) -> Result<(), Fault> {
    for section in &elf.sections {
        if !matches!(section.kind, SHT_REL | SHT_RELA) || section.info as usize != number {
            continue;
        }
        for reloc in elf.relocs(section) {
            let (size, action) = match action(elf.machine, reloc.kind) {
                Some(Action::Ignore) => continue,
                Some(action @ (Action::Set(n) | Action::Add(n) | Action::Subtract(n))) => {
                    (n, action)
                }
                None => {
                    let what = format!("a relocation of type {}", reloc.kind);
                    return Err(broken(file, &what, section.offset));
                }
            };
            let place = usize::try_from(reloc.offset)
                .ok()
                .and_then(|at| data.get_mut(at..at.checked_add(size)?))
                .ok_or_else(|| broken(file, "a relocation beyond its section", section.offset))?;
            let symbol = match reloc.symbol {
                0 => 0,
                index => {
                    elf.symbol(index)
                        .ok_or_else(|| broken(file, "a relocation without symbol", section.offset))?
                        .value
                }
            };
            let value = symbol.wrapping_add(reloc.addend as u64);
            let mut old = [0; 8];
            let old = if elf.is_big {
                old[8 - size..].copy_from_slice(place);
                u64::from_be_bytes(old)
            } else {
                old[..size].copy_from_slice(place);
                u64::from_le_bytes(old)
            };
            let value = match action {
                Action::Set(_) if section.kind == SHT_RELA => value,
                Action::Subtract(_) => old.wrapping_sub(value),
                _ => old.wrapping_add(value),
            };
            if elf.is_big {
                place.copy_from_slice(&value.to_be_bytes()[8 - size..]);
            } else {
                place.copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
    }
    Ok(())
}
