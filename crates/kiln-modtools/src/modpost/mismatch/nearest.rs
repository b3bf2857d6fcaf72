//! Which symbol an address belongs to: the search through the whole table that the older programs
//! make, and the sorted table of the later ones (`scripts/mod/symsearch.c`). They differ in what they
//! take for a name and in which symbol wins a tie.

use crate::elf::{self, Elf, Symbol, machine};

/// The symbols with usable names, sorted by section, address and place in the symbol table.
#[derive(Debug)]
pub(super) struct Nearest {
    table: Vec<(u32, u64, u32)>,
}

/// Whether the later programs take this for a name: not empty, and not one that compilers and
/// assemblers make up (`include/linux/module_symbol.h`).
pub(super) fn is_name(name: &[u8]) -> bool {
    !(name.is_empty() || name.starts_with(b".L") || name.starts_with(b"L0") || name[0] == b'$')
}

/// The same for the older ones, which know only ARM's marks of instruction sets.
fn is_old_name(name: &[u8]) -> bool {
    match name {
        [] => false,
        [b'$', b'a' | b'd' | b't' | b'x', rest @ ..] => !matches!(rest, [] | [b'.', ..]),
        _ => true,
    }
}

impl Nearest {
    pub(super) fn of(elf: &Elf) -> Self {
        let is_arm = elf.machine == machine::ARM;
        let named = elf.symbols().filter(|symbol| is_name(elf.symbol_name(symbol)));
        let mut table: Vec<_> = named
            .map(|symbol| {
                // Bit 0 of a Thumb function's value tells the instruction set.
                let thumb = is_arm && symbol.kind() == elf::STT_FUNC;
                let address = if thumb { symbol.value & !1 } else { symbol.value };
                (elf.section_number(&symbol), address, symbol.index)
            })
            .collect();
        table.sort_unstable();
        // Where several symbols share an address, the first of the symbol table stands for all.
        for i in 1..table.len() {
            if (table[i].0, table[i].1) == (table[i - 1].0, table[i - 1].1) {
                table[i].2 = table[i - 1].2;
            }
        }
        Self { table }
    }

    /// The symbol of a section that is nearest to an address: below it at any distance, or, with a
    /// limit, within so many bytes below or above. Of two at the same distance the lower one wins.
    pub(super) fn find(
        &self,
        elf: &Elf,
        address: u64,
        section: u32,
        limit: Option<u64>,
    ) -> Option<Symbol> {
        let above = self.table.partition_point(|&(s, a, _)| (s, a) <= (section, address));
        let at = |i: usize| self.table.get(i).filter(|entry| entry.0 == section);
        let mut room = limit.unwrap_or(u64::MAX);
        let mut found = None;
        if limit.is_some()
            && let Some(&(_, a, index)) = at(above)
            && a - address <= room
        {
            room = a - address;
            found = Some(index);
        }
        if let Some(&(_, a, index)) = above.checked_sub(1).and_then(at)
            && address - a <= room
        {
            found = Some(index);
        }
        elf.symbol(found?)
    }
}

/// The older programs' search for what a reference means: the relocation's own symbol if it has a
/// name, else one of the same section less than 20 bytes away from the addend.
pub(super) fn old_target(elf: &Elf, addend: u64, own: &Symbol) -> Option<Symbol> {
    if own.name != 0 {
        return Some(*own);
    }
    let section = elf.section_number(own);
    // The address is a 32-bit number here, whatever the object's word size.
    let address = addend as i32;
    let exact = if elf.is_64 { i64::from(address) as u64 } else { u64::from(address as u32) };
    let mut distance = 20;
    let mut near = None;
    for symbol in elf.symbols() {
        if elf.section_number(&symbol) != section
            || symbol.kind() == elf::STT_SECTION
            || !is_old_name(elf.symbol_name(&symbol))
        {
            continue;
        }
        if symbol.value == exact {
            return Some(symbol);
        }
        let mut d = (symbol.value as i32).wrapping_sub(address);
        if d < 0 {
            d = d.wrapping_neg();
        }
        if d < distance {
            distance = d;
            near = Some(symbol);
        }
    }
    near
}

/// The older programs' search for where a reference is made: the last symbol of a section of this
/// name that lies nearest before the address.
pub(super) fn old_source(elf: &Elf, address: u64, section: &[u8]) -> Option<Symbol> {
    let mut near: Option<Symbol> = None;
    for symbol in elf.symbols() {
        if (elf::SHN_LORESERVE..elf::SHN_XINDEX).contains(&symbol.shndx)
            || symbol.value > address
            || near.is_some_and(|near| symbol.value < near.value)
            || elf.section_name_of(elf.section_number(&symbol)) != section
            || !is_old_name(elf.symbol_name(&symbol))
        {
            continue;
        }
        near = Some(symbol);
    }
    near
}
