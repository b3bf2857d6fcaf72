//! Preprocessed C, and a reference behind a line `%%`, through genksyms of every kind.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kiln_modtools::genksyms::fuzz(data));
