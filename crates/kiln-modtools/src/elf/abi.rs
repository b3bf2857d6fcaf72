//! Numbers of the ELF format (gABI chapters 4 and 5, and its processor supplements).
//!
//! Only those that a tool asks for; what they mean to it is its own business.

/// `e_type` of a relocatable object.
pub const ET_REL: u16 = 1;
/// Section types (gABI, figure 4-9).
pub const SHT_PROGBITS: u32 = 1;
/// The symbol table.
pub const SHT_SYMTAB: u32 = 2;
/// Relocations with addends.
pub const SHT_RELA: u32 = 4;
/// A section without bytes in the file.
pub const SHT_NOBITS: u32 = 8;
/// Relocations whose addends lie in the relocated place.
pub const SHT_REL: u32 = 9;
/// Section numbers of symbols that need more than 16 bits.
pub const SHT_SYMTAB_SHNDX: u32 = 18;
/// The section occupies memory while the program runs.
pub const SHF_ALLOC: u64 = 2;
/// The section holds machine instructions.
pub const SHF_EXECINSTR: u64 = 4;
/// No section: the symbol is undefined.
pub const SHN_UNDEF: u16 = 0;
/// First of the section numbers with a meaning of their own.
pub const SHN_LORESERVE: u16 = 0xff00;
/// The symbol has an absolute value.
pub const SHN_ABS: u16 = 0xfff1;
/// A common symbol, not yet allocated.
pub const SHN_COMMON: u16 = 0xfff2;
/// The section number lies in the table of [`SHT_SYMTAB_SHNDX`].
pub const SHN_XINDEX: u16 = 0xffff;
/// Symbol bindings.
pub const STB_GLOBAL: u8 = 1;
/// A weak global.
pub const STB_WEAK: u8 = 2;
/// Symbol types.
pub const STT_OBJECT: u8 = 1;
/// A function.
pub const STT_FUNC: u8 = 2;
/// The symbol that stands for a section.
pub const STT_SECTION: u8 = 3;
/// First processor-specific symbol type; SPARC's register symbols and PA-RISC's millicode have it.
pub const STT_LOPROC: u8 = 13;

/// Machines (`e_machine`) that the kernel's tools treat in a way of their own.
pub mod machine {
    /// SPARC.
    pub const SPARC: u16 = 2;
    /// Intel 80386.
    pub const I386: u16 = 3;
    /// Motorola 68000, whose C ABI aligns nothing beyond two bytes.
    pub const M68K: u16 = 4;
    /// MIPS, both word sizes.
    pub const MIPS: u16 = 8;
    /// PA-RISC.
    pub const PARISC: u16 = 15;
    /// 32-bit PowerPC.
    pub const PPC: u16 = 20;
    /// 64-bit PowerPC.
    pub const PPC64: u16 = 21;
    /// IBM S/390.
    pub const S390: u16 = 22;
    /// 32-bit ARM.
    pub const ARM: u16 = 40;
    /// 64-bit SPARC.
    pub const SPARCV9: u16 = 43;
    /// RISC-V.
    pub const RISCV: u16 = 243;
    /// LoongArch.
    pub const LOONGARCH: u16 = 258;
}
