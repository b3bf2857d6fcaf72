//! A module that makes modpost of every kernel look at everything it knows, and a run of them all on
//! what may have become of it: for the tests with broken bytes and for the fuzz targets.

use kiln_modtools::modpost::{Flavor, main_as};

use super::{GLOBAL, GLOBAL_FUNC, GLOBAL_OBJECT, Object, World, args};

/// A list of exports that the object partly needs.
pub const SYMVERS: &[u8] = b"0x00001234\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x89abcdef\tgpl_fn\tdrivers/a/b\tEXPORT_SYMBOL_GPL\tNS\n";

/// A `.cmd` file with a version of the object's export.
pub const COMMAND: &[u8] = b"savedcmd_m.o := gcc\n\nsource_m.o := m.c\n\n\
    deps_m.o := \\\n  m.c \\\n\n#SYMVER fn 0x12345678\n";

/// An object with an export, references into the list above, device tables, an exception table and a
/// reference between sections.
pub fn object(is_64: bool, big: bool, machine: u16) -> Vec<u8> {
    let mut record = b"GPL\0NS\0".to_vec();
    record.resize(16, 0);
    Object::new(is_64, big, machine)
        .section(".modinfo", 2, b"license=GPL\0version=1\0import_ns=A\0description=d\0")
        .section(".text", 6, &[0x55; 64])
        .section(".init.text", 6, &[0x66; 64])
        .section(".export_symbol", 2, &record)
        .section("__ex_table", 2, &[0; 24])
        .section("___ksymtab+fn", 2, &[0; 24])
        .section(".rodata", 2, &[0; 512])
        .symbol(("__export_symbol_fn", 4, 0, 0, 0))
        .symbol(("fn", 2, 8, 0, GLOBAL_FUNC))
        .symbol(("goes.isra.0", 3, 4, 0, GLOBAL_FUNC))
        .symbol(("__ksymtab_fn", 6, 0, 0, 0))
        .symbol(("__kstrtabns_fn", 1, 0, 0, 0))
        .symbol(("__crc_fn", 7, 0, 0, GLOBAL))
        .symbol(("printk", 0, 0, 0, GLOBAL))
        .symbol(("gpl_fn", 0, 0, 0, GLOBAL))
        .symbol(("__mod_usb__a_device_table", 7, 0, 64, GLOBAL_OBJECT))
        .symbol(("__mod_device_table__kmod_m__dmi__b", 7, 0, 344, GLOBAL_OBJECT))
        .symbol(("__mod_input__c_device_table", 7, 0, 200, GLOBAL_OBJECT))
        .relocs(".rela.text", 2, &[(4, 3, -4), (8, 7, 0)])
        .relocs(".rela.export_symbol", 4, &[(8, 2, 0)])
        .relocs(".rela__ex_table", 5, &[(0, 2, 0), (4, 3, 1), (8, 9, 0)])
        .build()
}

/// modpost of every kernel on one module. A failure has to come with a word.
pub fn modpost(object: &[u8], symvers: &[u8], command: &[u8], list: &[u8], source: &[u8]) {
    for flavor in Flavor::all() {
        let mut world = World::with(&[
            ("m.o", object),
            ("K", symvers),
            ("m.mod", list),
            (".m.o.cmd", command),
            ("m.c", source),
        ]);
        let mut words = "-m -a -e -E -i K -o out -d ns".to_owned();
        for letter in ['M', 'b', 'x', 'W', 't'] {
            if flavor.options.contains(&(letter as u8)) {
                words.push_str(&format!(" -{letter}"));
            }
        }
        words.push_str(" m.o");
        let status = main_as(flavor, &args(&words), &mut world);
        assert!(status == 0 || !world.err.is_empty(), "a failure without a word");
    }
}
