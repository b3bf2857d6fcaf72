//! Addends that lie in the relocated place: what i386, ARM and MIPS objects without explicit addends
//! refer to.
//!
//! The older programs decoded little and got Thumb branches wrong; both manners are kept.

use crate::elf::{Elf, Symbol, machine};

const R_386_32: u32 = 1;
const R_386_PC32: u32 = 2;
const R_ARM_PC24: u32 = 1;
const R_ARM_ABS32: u32 = 2;
const R_ARM_REL32: u32 = 3;
const R_ARM_THM_CALL: u32 = 10;
const R_ARM_CALL: u32 = 28;
const R_ARM_JUMP24: u32 = 29;
const R_ARM_THM_JUMP24: u32 = 30;
const R_ARM_MOVW_ABS_NC: u32 = 43;
const R_ARM_MOVT_ABS: u32 = 44;
const R_ARM_THM_MOVW_ABS_NC: u32 = 47;
const R_ARM_THM_MOVT_ABS: u32 = 48;
const R_ARM_THM_JUMP19: u32 = 51;
const R_MIPS_32: u32 = 2;
const R_MIPS_26: u32 = 4;
const R_MIPS_HI16: u32 = 5;
const R_MIPS_LO16: u32 = 6;

/// Sign-extends the low `bits` bits.
fn extend(value: u32, bits: u32) -> u32 {
    let shift = 32 - bits;
    (((value << shift) as i32) >> shift) as u32
}

/// Up to 6.1: the addend, which is what nearest symbols are searched for; nothing if the relocation is
/// left out.
pub(super) fn old(elf: &Elf, place: usize, kind: u32, symbol: &Symbol) -> Option<u64> {
    let word = elf.u32(place);
    let value = symbol.value as u32;
    let addend = match (elf.machine, kind) {
        (machine::I386, R_386_32) => word,
        (machine::I386, R_386_PC32) => word.wrapping_add(4),
        (machine::ARM, R_ARM_ABS32) => word.wrapping_add(value),
        (machine::ARM, R_ARM_PC24 | R_ARM_CALL | R_ARM_JUMP24) => {
            extend((word & 0x00ff_ffff) << 2, 26).wrapping_add(value).wrapping_add(8)
        }
        // The program computed with the address at which it had mapped the file, so that nothing was
        // ever near.
        (machine::ARM, R_ARM_THM_CALL | R_ARM_THM_JUMP24 | R_ARM_THM_JUMP19) => 0x8000_0000,
        (machine::ARM, _) => return None,
        (machine::MIPS, R_MIPS_HI16) => return None,
        (machine::MIPS, R_MIPS_LO16) => word & 0xffff,
        (machine::MIPS, R_MIPS_26) => (word & 0x03ff_ffff) << 2,
        (machine::MIPS, R_MIPS_32) => word,
        _ => 0,
    };
    Some(addend.into())
}

/// Since 6.12: the address referred to, all ones for a relocation that is not known; nothing if
/// addends in places are not expected of the machine at all.
pub(super) fn precise(elf: &Elf, place: usize, kind: u32, symbol: &Symbol) -> Option<u64> {
    match elf.machine {
        machine::I386 => Some(match kind {
            R_386_32 => elf.u32(place).into(),
            R_386_PC32 => elf.u32(place).wrapping_add(4).into(),
            _ => u64::MAX,
        }),
        machine::ARM => Some(match arm_offset(elf, place, kind) {
            Some(offset) => offset.wrapping_add(symbol.value as u32).into(),
            None => u64::MAX,
        }),
        machine::MIPS => {
            let word = elf.u32(place);
            Some(match kind {
                R_MIPS_LO16 => (word & 0xffff).into(),
                R_MIPS_26 => ((word & 0x03ff_ffff) << 2).into(),
                R_MIPS_32 => word.into(),
                _ => u64::MAX,
            })
        }
        _ => None,
    }
}

/// What an ARM or Thumb relocation adds to its symbol's value (ARM ELF ABI, instruction encodings of
/// the architecture manual).
fn arm_offset(elf: &Elf, place: usize, kind: u32) -> Option<u32> {
    let word = elf.u32(place);
    let upper = u32::from(elf.u16(place));
    let lower = u32::from(elf.u16(place.saturating_add(2)));
    let sign = upper >> 10 & 1;
    let (j1, j2) = (lower >> 13 & 1, lower >> 11 & 1);
    Some(match kind {
        R_ARM_ABS32 | R_ARM_REL32 => word,
        R_ARM_MOVW_ABS_NC | R_ARM_MOVT_ABS => extend((word & 0xf_0000) >> 4 | (word & 0xfff), 16),
        R_ARM_PC24 | R_ARM_CALL | R_ARM_JUMP24 => {
            extend((word & 0x00ff_ffff) << 2, 26).wrapping_add(8)
        }
        R_ARM_THM_MOVW_ABS_NC | R_ARM_THM_MOVT_ABS => {
            let high = (upper & 0xf) << 12 | (upper & 0x400) << 1;
            extend(high | (lower & 0x7000) >> 4 | (lower & 0xff), 16)
        }
        R_ARM_THM_JUMP19 => {
            let high = sign << 20 | j2 << 19 | j1 << 18 | (upper & 0x3f) << 12;
            extend(high | (lower & 0x7ff) << 1, 21).wrapping_add(4)
        }
        R_ARM_THM_CALL | R_ARM_THM_JUMP24 => {
            let (i1, i2) = (!(j1 ^ sign) & 1, !(j2 ^ sign) & 1);
            let high = sign << 24 | i1 << 23 | i2 << 22 | (upper & 0x3ff) << 12;
            extend(high | (lower & 0x7ff) << 1, 25).wrapping_add(4)
        }
        _ => return None,
    })
}
