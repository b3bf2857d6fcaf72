//! Relocations that occur in debugging sections: for each machine the few that put a plain number
//! somewhere.
//!
//! Sources: the processor supplements of the ELF specification. It does not know sections or symbols.

use crate::elf::machine;

const AARCH64: u16 = 183;
const X86_64: u16 = 62;

/// What a relocation does with the sum of symbol and addend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It takes the place of this many bytes.
    Set(usize),
    /// It is added to the number of this many bytes.
    Add(usize),
    /// It is taken from the number of this many bytes.
    Subtract(usize),
    /// Nothing: it belongs to line numbers or lengths that nobody reads here.
    Ignore,
}

/// What relocation `kind` does on `machine`; `None` for one that has no place in debugging sections.
pub fn action(machine: u16, kind: u32) -> Option<Action> {
    use Action::{Add, Ignore, Set, Subtract};
    if kind == 0 {
        return Some(Ignore);
    }
    Some(match (machine, kind) {
        (X86_64, 1)
        | (AARCH64, 257)
        | (machine::S390, 22)
        | (machine::PPC64, 38 | 43)
        | (machine::RISCV | machine::LOONGARCH, 2)
        | (machine::MIPS, 18)
        | (machine::SPARC | machine::SPARCV9, 32 | 54)
        | (machine::PARISC, 80) => Set(8),
        (X86_64, 10 | 11)
        | (AARCH64, 258)
        | (machine::I386 | machine::M68K, 1)
        | (machine::ARM | machine::MIPS, 2)
        | (machine::S390, 4)
        | (machine::PPC | machine::PPC64, 1 | 24)
        | (machine::RISCV, 1 | 56)
        | (machine::LOONGARCH, 1)
        | (machine::SPARC | machine::SPARCV9, 3 | 23)
        | (machine::PARISC, 1) => Set(4),
        (X86_64, 12)
        | (AARCH64, 259)
        | (machine::I386, 20)
        | (machine::ARM, 5)
        | (machine::S390, 3)
        | (machine::PPC | machine::PPC64, 3 | 25)
        | (machine::RISCV, 55)
        | (machine::MIPS, 1) => Set(2),
        (X86_64, 14) | (machine::I386, 22) | (machine::ARM, 8) | (machine::S390, 1) => Set(1),
        (machine::RISCV, 54) => Set(1),
        (machine::RISCV, 33) | (machine::LOONGARCH, 47) => Add(1),
        (machine::RISCV, 34) | (machine::LOONGARCH, 48) => Add(2),
        (machine::RISCV, 35) | (machine::LOONGARCH, 50) => Add(4),
        (machine::RISCV, 36) | (machine::LOONGARCH, 51) => Add(8),
        (machine::RISCV, 37) | (machine::LOONGARCH, 52) => Subtract(1),
        (machine::RISCV, 38) | (machine::LOONGARCH, 53) => Subtract(2),
        (machine::RISCV, 39) | (machine::LOONGARCH, 55) => Subtract(4),
        (machine::RISCV, 40) | (machine::LOONGARCH, 56) => Subtract(8),
        // Six-bit numbers and lengths of variable size: call frames and location lists.
        (machine::RISCV, 52 | 53 | 60 | 61)
        | (machine::LOONGARCH, 49 | 54 | 105 | 106 | 107 | 108) => Ignore,
        _ => return None,
    })
}
