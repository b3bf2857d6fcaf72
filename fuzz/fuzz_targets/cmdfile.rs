//! Dependency files through fixdep, `.cmd` files, lists of members and sources through modpost. The parts
//! of an input are divided by lines `%%`.
#![no_main]

use kiln_fuzz::common::World;
use kiln_fuzz::common::subject::{SYMVERS, modpost, object};
use kiln_modtools::fixdep;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = [b"".as_slice(); 4];
    let mut rest = data;
    for part in &mut parts {
        let end = rest.windows(4).position(|w| w == b"\n%%\n");
        *part = end.map_or(rest, |end| &rest[..=end]);
        rest = end.map_or(b"", |end| &rest[end + 4..]);
    }
    let [depfile, command, source, list] = parts;
    for release in [&b"5.10"[..], b"6.1", b"6.12", b"7.2"] {
        let mut world = World::with(&[("m.d", depfile), ("m.c", source), ("a.h", source)]);
        world.env.insert(b"KILN_KERNEL".to_vec(), release.to_vec());
        let words = [b"m.d".to_vec(), b"m.o".to_vec(), command.to_vec()];
        fixdep::main(&words, &mut world);
    }
    let list = if list.is_empty() { b"m.o\n" } else { list };
    modpost(&object(true, false, 62), SYMVERS, command, list, source);
});
