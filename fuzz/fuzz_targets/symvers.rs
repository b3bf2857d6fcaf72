//! Lists of exports (Module.symvers) beside a module that needs some of them; and lists of modules.
#![no_main]

use kiln_fuzz::common::subject::{COMMAND, modpost, object};
use kiln_modtools::helpers::{self, Shown};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    modpost(&object(true, false, 62), data, COMMAND, b"m.o\n", b"int x;\n");
    let _ = helpers::name_conflicts(data, Shown::AsListed);
    let _ = helpers::name_conflicts(data, Shown::AsModule);
});
