//! The one part of the tree's `resolve_btfids` that nearly every module asks for: to find that there
//! is nothing to do.
//!
//! The program fills in the numbers of types that an object's section `.BTF_ids` names. An object
//! without that section is left as it is, silently, with status 0 (tools/bpf/resolve_btfids/main.c).
//! Whether there is one can be seen here; the filling in is left to the tree's own.

use kiln_modtools::Host;
use kiln_modtools::elf::Elf;

/// What [`main`] returns where the tree's own program has to do it.
pub const DECLINED: i32 = i32::MIN;

/// Looks at `[-b BASE] FILE`; any other arguments are not known here.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let file = match args {
        [option, _, file] if option == b"-b" => file,
        [file] => file,
        _ => return DECLINED,
    };
    let Some(elf) = host.read(file).ok().and_then(|bytes| Elf::parse(bytes).ok()) else {
        return DECLINED;
    };
    match elf.sections.iter().any(|s| elf.section_name(s).starts_with(b".BTF_ids")) {
        true => DECLINED,
        false => 0,
    }
}
