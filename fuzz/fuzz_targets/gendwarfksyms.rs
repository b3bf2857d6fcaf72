//! Objects and their debugging information, with every option of gendwarfksyms.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kiln_modtools::gendwarfksyms::fuzz(data));
