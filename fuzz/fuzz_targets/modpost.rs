//! Objects: through modpost of every kernel, and through the small helpers that look at objects.
#![no_main]

use kiln_fuzz::common::subject::{COMMAND, SYMVERS, modpost};
use kiln_modtools::helpers::{self, Mark};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    modpost(data, SYMVERS, COMMAND, b"m.o\n", b"int x;\n");
    for mark in [Mark::KsymtabSection, Mark::KsymtabSymbol, Mark::ExportRecord] {
        let _ = helpers::exports_anything(b"m.o", data.to_vec(), mark);
    }
    let _ = helpers::exported_names(data.to_vec());
    let _ = helpers::undefined_names(data.to_vec());
    let _ = helpers::local_exports(b"m.o", data.to_vec());
});
