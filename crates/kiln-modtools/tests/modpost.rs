//! modpost on small objects made here, for every row of its table of versions. The texts expected are
//! what the kernels' own programs wrote for the same objects.
#![allow(missing_docs)]

mod common;

use common::{GLOBAL, GLOBAL_FUNC, GLOBAL_OBJECT, Object, World, args};
use kiln_modtools::kernel::Release;
use kiln_modtools::modpost::{Flavor, main_as, read_ahead};

const X86_64: u16 = 62;
const SYMVERS: &[u8] = b"0x00001234\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x89abcdef\tgpl_fn\tdrivers/a/b\tEXPORT_SYMBOL_GPL\tNS\n\
    0x00000001\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n";

fn flavor(release: &str) -> &'static Flavor {
    let release = Release::parse(release.as_bytes()).expect("a release");
    Flavor::for_release(release).expect("a row")
}

/// Runs modpost and gives the exit status and the world afterwards.
fn run(release: &str, words: &str, files: &[(&str, &[u8])]) -> (i32, World) {
    let mut world = World::with(files);
    let status = main_as(flavor(release), &args(words), &mut world);
    (status, world)
}

fn user(info: &'static [u8]) -> Vec<u8> {
    Object::new(true, false, X86_64)
        .section(".modinfo", 2, info)
        .section(".text", 6, &[0; 16])
        .symbol(("init_module", 2, 0, 0, GLOBAL_FUNC))
        .symbol(("cleanup_module", 2, 4, 0, GLOBAL_FUNC))
        .symbol(("printk", 0, 0, 0, GLOBAL))
        .symbol(("gpl_fn", 0, 0, 0, GLOBAL))
        .build()
}

fn without_first_line(text: &[u8]) -> &[u8] {
    text.iter().position(|&b| b == b'\n').map_or(text, |end| &text[end + 1..])
}

const GOOD: &[u8] = b"license=GPL\0description=x\0import_ns=NS\0";

#[test]
fn a_module_that_uses_two_exports() {
    let object = user(GOOD);
    let files: &[(&str, &[u8])] =
        &[("m.o", &object), ("K", SYMVERS), ("m.mod", b"m.o\n"), (".m.o.cmd", b"")];
    let structure = "__visible struct module __this_module\n\
        __section(\".gnu.linkonce.this_module\") = {\n\t.name = KBUILD_MODNAME,\n\
        \t.init = init_module,\n#ifdef CONFIG_MODULE_UNLOAD\n\t.exit = cleanup_module,\n#endif\n\
        \t.arch = MODULE_ARCH_INIT,\n};\n";
    let table = |entries: &str| {
        format!(
            "static const struct modversion_info ____versions[]\n\
             __used __section(\"__versions\") = {{\n{entries}}};\n"
        )
    };
    let end = "\nMODULE_INFO(depends, \"b\");\n\n";
    let blank = "\t{   0x1234, \"printk\" },\n\t{ 0x89abcdef, \"gpl_fn\" },\n\
        \t{      0x1, \"module_layout\" },\n";
    let reversed = "\t{      0x1, \"module_layout\" },\n\t{ 0x89abcdef, \"gpl_fn\" },\n\
        \t{   0x1234, \"printk\" },\n";
    let zeros = "\t{ 0x00001234, \"printk\" },\n\t{ 0x89abcdef, \"gpl_fn\" },\n\
        \t{ 0x00000001, \"module_layout\" },\n";
    let old_head = "#include <linux/module.h>\n#define INCLUDE_VERMAGIC\n\
        #include <linux/build-salt.h>\n";
    let new_head = "#include <linux/module.h>\n#include <linux/export-internal.h>\n\
        #include <linux/compiler.h>\n\nMODULE_INFO(name, KBUILD_MODNAME);\n\n";
    let retpoline = "\n#ifdef CONFIG_RETPOLINE\nMODULE_INFO(retpoline, \"Y\");\n#endif\n";
    for (release, words, head, middle, entries) in [
        ("5.10", "-m", old_head, retpoline.to_owned() + "\n", reversed),
        ("6.1", "-m", old_head, retpoline.to_owned() + "\n\n", blank),
        ("6.12", "-M -m", new_head, "\n\n\n".to_owned(), blank),
        ("7.2", "-M -m -b", new_head, "\n\n\n".to_owned(), zeros),
        ("7.3", "-M -m -b", new_head, "\n\n\n".to_owned(), zeros),
    ] {
        let (status, world) = run(release, &format!("{words} -e -i K -o out m.o"), files);
        assert_eq!((status, world.said().as_str()), (0, ""), "{release}");
        let text = world.text("m.mod.c");
        assert!(text.starts_with(head), "{release}: {text}");
        let tail = format!("{structure}{middle}{}{end}", table(entries));
        assert!(text.ends_with(&tail), "{release}: {text}\n--- wanted at the end\n{tail}");
        assert_eq!(world.text("out"), "", "{release}");
    }
}

#[test]
fn extended_versions_hold_what_the_basic_table_cannot() {
    let long: &'static str = "a_function_with_a_name_that_is_longer_than_a_table_entry_allows";
    let object = Object::new(true, false, X86_64)
        .section(".modinfo", 2, GOOD)
        .symbol((long, 0, 0, 0, GLOBAL))
        .symbol(("printk", 0, 0, 0, GLOBAL))
        .build();
    let symvers = format!("0x00000007\t{long}\tvmlinux\tEXPORT_SYMBOL\t\n");
    let symvers = [SYMVERS, symvers.as_bytes()].concat();
    let files: &[(&str, &[u8])] =
        &[("m.o", &object), ("K", &symvers), ("m.mod", b""), (".m.o.cmd", b"")];
    let (status, world) = run("7.2", "-M -m -b -x -e -i K m.o", files);
    assert_eq!((status, world.said().as_str()), (0, ""));
    let wanted = format!(
        "____version_ext_crcs[]\n__used __section(\"__version_ext_crcs\") = {{\n\t0x00000007,\n\
         \t0x00001234,\n\t0x00000001,\n}};\nstatic const char ____version_ext_names[]\n\
         __used __section(\"__version_ext_names\") =\n\t\"{long}\\0\"\n\t\"printk\\0\"\n\
         \t\"module_layout\\0\"\n;\n"
    );
    assert!(world.text("m.mod.c").contains(&wanted), "{}", world.text("m.mod.c"));
    let (status, world) = run("7.2", "-M -m -b -e -i K m.o", files);
    assert_eq!(status, 1);
    assert_eq!(world.said(), format!("ERROR: modpost: too long symbol \"{long}\" [m.ko]\n"));
    assert_eq!(world.text("m.mod.c"), "(absent)");
}

#[test]
fn what_is_wrong_is_said_in_each_version_s_words() {
    let object = user(b"license=Proprietary\0");
    let files: &[(&str, &[u8])] = &[("m.o", &object), ("K", without_first_line(SYMVERS))];
    let namespace = "module m uses symbol gpl_fn from namespace NS, but does not import it.\n";
    let gpl = "GPL-incompatible module m.ko uses GPL-only symbol 'gpl_fn'\n";
    let undefined = "\"printk\" [m.ko] undefined!\n";
    let description = "WARNING: modpost: missing MODULE_DESCRIPTION() in m.o\n";
    let error = "ERROR: modpost: ";
    for (release, wanted) in [
        ("5.10", format!("{error}{namespace}FATAL: modpost: {gpl}")),
        ("6.1", format!("{error}{undefined}{error}{namespace}{error}{gpl}")),
        ("6.12", format!("{error}{undefined}{error}{namespace}{error}{gpl}")),
        ("7.2", format!("{description}{error}{undefined}{error}{namespace}{error}{gpl}")),
        (
            "7.3",
            "WARNING: modpost: m.ko: missing MODULE_DESCRIPTION()\n\
             ERROR: modpost: m.ko: symbol 'printk' undefined!\n\
             ERROR: modpost: m.ko: module uses symbol 'gpl_fn' from namespace 'NS', but does not \
             import it.\n\
             ERROR: modpost: m.ko: GPL-incompatible module uses GPL-only symbol 'gpl_fn'\n"
                .to_owned(),
        ),
    ] {
        let (status, world) = run(release, "-e -i K -o out m.o", files);
        assert_eq!(status, 1, "{release}");
        assert_eq!(world.said(), wanted, "{release}");
        assert_eq!(world.text("m.mod.c"), "(absent)", "{release}");
    }
}

#[test]
fn export_records_become_table_lines() {
    let mut record = b"GPL\0NS\0".to_vec();
    record.resize(16, 0);
    let object = Object::new(true, false, X86_64)
        .section(".modinfo", 2, GOOD)
        .section(".text", 6, &[0; 16])
        .section(".export_symbol", 2, &record)
        .symbol(("__export_symbol_fn", 3, 0, 0, 0))
        .symbol(("fn", 2, 0, 0, GLOBAL_FUNC))
        .relocs(".rela.export_symbol", 3, &[(8, 2, 0)])
        .build();
    let files: &[(&str, &[u8])] = &[
        ("m.o", &object),
        ("K", SYMVERS),
        ("m.mod", b"dir/m.o\n"),
        ("dir/.m.o.cmd", b"x\n#SYMVER fn 0x01020304\n"),
    ];
    let dump = "0x01020304\tfn\tm\tEXPORT_SYMBOL_GPL\tNS\n";
    let (status, world) = run("6.12", "-M -m -e -i K -o out m.o", files);
    assert_eq!((status, world.said().as_str()), (0, ""));
    assert_eq!(world.text("out"), dump);
    let lines = "\nKSYMTAB_FUNC(fn, \"_gpl\", \"NS\");\n\nSYMBOL_CRC(fn, 0x01020304, \"_gpl\");\n";
    assert!(world.text("m.mod.c").contains(lines), "{}", world.text("m.mod.c"));
    let (_, world) = run("7.3", "-M -m -e -i K -o out m.o", files);
    assert_eq!(world.text("out"), dump);
    let lines =
        "\nKSYMTAB_FUNC(fn, \"NS\");\nSYMBOL_FLAGS(fn, 0x01);\n\nSYMBOL_CRC(fn, 0x01020304);\n";
    assert!(world.text("m.mod.c").contains(lines), "{}", world.text("m.mod.c"));
    // Without -M the record says nothing.
    let (_, world) = run("6.12", "-e -i K -o out m.o", files);
    assert_eq!(world.text("out"), "");
}

#[test]
fn device_tables_of_either_word_size_and_byte_order() {
    for (is_64, big, machine) in
        [(true, false, X86_64), (false, false, 3), (true, true, 21), (false, true, 8)]
    {
        let word = if is_64 { 8 } else { 4 };
        let mut table = Vec::new();
        for id in [0x8086u32, 0x100e, u32::MAX, u32::MAX, 0x0002_0000, 0x00ff_0000] {
            table.extend(if big { id.to_be_bytes() } else { id.to_le_bytes() });
        }
        table.resize(24 + 2 * word, 0);
        table.resize(table.len() * 2, 0);
        let size = table.len() as u64;
        for (release, name) in [
            ("6.1", "__mod_pci__ids_device_table"),
            ("6.12", "__mod_pci__ids_device_table"),
            ("7.2", "__mod_device_table__kmod_m__pci__ids"),
        ] {
            let object = Object::new(is_64, big, machine)
                .section(".modinfo", 2, GOOD)
                .section(".rodata", 2, &table)
                .symbol((name, 2, 0, size, GLOBAL_OBJECT))
                .build();
            let (status, world) = run(release, "-e m.o", &[("m.o", &object)]);
            assert_eq!((status, world.said().as_str()), (0, ""), "{release}");
            let alias = "MODULE_ALIAS(\"pci:v00008086d0000100Esv*sd*bc02sc*i*\");\n";
            assert!(world.text("m.mod.c").contains(alias), "{release} {is_64} {big}");
        }
    }
}

#[test]
fn a_table_without_an_end() {
    let object = |name| {
        Object::new(true, false, X86_64)
            .section(".modinfo", 2, GOOD)
            .section(".data", 3, &[1; 4])
            .symbol((name, 2, 0, 4, GLOBAL_OBJECT))
            .build()
    };
    let old = object("__mod_serio__t_device_table");
    let (status, world) = run("6.12", "-e m.o", &[("m.o", &old)]);
    assert_eq!(status, 1);
    assert_eq!(
        world.said(),
        "m: struct serio_device_id is 4 bytes.  The last of 1 is:\n0x01 0x01 0x01 0x01 \n\
         ERROR: modpost: m: struct serio_device_id is not terminated with a NULL entry!\n"
    );
    let new = object("__mod_device_table__kmod_m__serio__t");
    let (status, world) = run("7.2", "-e m.o", &[("m.o", &new)]);
    assert_eq!(status, 1);
    assert_eq!(world.said(), "ERROR: modpost: m: t[] is not terminated with a NULL entry\n");
}

#[test]
fn code_that_stays_must_not_call_what_goes() {
    let object = Object::new(true, false, X86_64)
        .section(".modinfo", 2, GOOD)
        .section(".text", 6, &[0; 16])
        .section(".init.text", 6, &[0; 16])
        .symbol(("stays", 2, 0, 0, GLOBAL_FUNC))
        .symbol(("goes", 3, 0, 0, GLOBAL_FUNC))
        .relocs(".rela.text", 2, &[(5, 2, -4)])
        .build();
    let reference = "section mismatch in reference: stays";
    let target = "(section: .text) -> goes (section: .init.text)\n";
    for (release, wanted) in [
        ("6.1", format!("WARNING: modpost: m.o: {reference} {target}")),
        ("6.12", format!("WARNING: modpost: m: {reference}+0x5 {target}")),
        ("7.3", format!("WARNING: modpost: m.ko: {reference}+0x5 {target}")),
    ] {
        let (status, world) = run(release, "-e m.o", &[("m.o", &object)]);
        assert_eq!((status, world.said()), (0, wanted.clone()), "{release}");
        let (status, world) = run(release, "-E -e m.o", &[("m.o", &object)]);
        let end = "ERROR: modpost: Section mismatches detected.\n\
            Set CONFIG_SECTION_MISMATCH_WARN_ONLY=y to allow them.\n";
        assert_eq!((status, world.said()), (1, wanted + end), "{release}");
    }
}

#[test]
fn options_are_read_as_getopt_does() {
    let (status, world) = run("5.10", "-W", &[]);
    assert_eq!((status, world.said().as_str()), (1, "modpost: invalid option -- 'W'\n"));
    let (status, world) = run("6.1", "m.o -e -i", &[]);
    assert_eq!(
        (status, world.said().as_str()),
        (1, "modpost: option requires an argument -- 'i'\n")
    );
    let (status, world) = run("6.12", "-mei K -- -x", &[]);
    assert_eq!((status, world.said().as_str()), (1, "K: No such file or directory\n"));
}

#[test]
fn a_dump_that_is_none() {
    for (release, level) in
        [("5.10", "FATAL"), ("6.1", "FATAL"), ("6.12", "ERROR"), ("7.3", "ERROR")]
    {
        for line in
            ["\n", "0x1\ts\tm\tEXPORT_SYMBOL\n", "0x1\t\tm\tEXPORT_SYMBOL\t\n", "0xg\ts\tm\tX\t\n"]
        {
            let (status, world) = run(release, "-i K", &[("K", line.as_bytes())]);
            assert_eq!(status, 1);
            let wanted = format!("{level}: modpost: parse error in symbol dump file\n");
            assert_eq!(world.said(), wanted, "{release} {line:?}");
        }
    }
}

#[test]
fn what_was_read_ahead_makes_no_difference() {
    let object = user(GOOD);
    // A second list exports again what the first one does, in a module of the same name too.
    let again = b"0x00005678\tprintk\tother\tEXPORT_SYMBOL\t\n\
        0x89abcdef\tgpl_fn\tdrivers/a/b\tEXPORT_SYMBOL_GPL\tNS\n";
    // Only a run for the kernel's own modules minds this.
    let twice = b"0x00000001\tx\tdrivers/a\tEXPORT_SYMBOL\t\n\
        0x00000001\tx\tdrivers/b\tEXPORT_SYMBOL\t\n";
    // The older programs know this class.
    let old = b"0x00001234\tprintk\tvmlinux\tEXPORT_UNUSED_SYMBOL\t\n";
    let files: &[(&str, &[u8])] = &[
        ("m.o", &object),
        ("K", SYMVERS),
        ("L", again),
        ("T", twice),
        ("O", old),
        ("m.mod", b"m.o\n"),
        (".m.o.cmd", b""),
    ];
    let ahead = |world: &mut World, release: &str, list: &str| {
        world.env.insert(b"KILN_KERNEL".to_vec(), release.into());
        let read = read_ahead(list.as_bytes(), world);
        world.env.clear();
        assert_eq!(world.said(), "", "{list}");
        read.expect("a list")
    };
    for (list, read_for, release, words) in [
        ("K", "6.12", "6.12", "-M -m -e -i K -o out m.o"),
        ("K", "6.12", "6.12", "-M -m -e -i K -i L -o out m.o"),
        ("K", "6.12", "6.12", "-M -m -i K -i L -o out m.o"),
        ("K", "7.2", "7.2", "-M -m -b -e -i K -i L -o out m.o"),
        ("T", "6.12", "6.12", "-M -m -i T -o out m.o"),
        ("O", "5.10", "6.12", "-M -m -e -i O -o out m.o"),
        ("K", "6.12", "5.10", "-m -e -i K -o out m.o"),
    ] {
        let (status, read) = run(release, words, files);
        let mut world = World::with(files);
        world.ahead = Some(ahead(&mut world, read_for, list));
        // Where it is of use, the list itself is no longer looked at.
        let of_use = read_for == release && words.contains("-e");
        let whole = if of_use { world.files.remove(list.as_bytes()) } else { None };
        let got = main_as(flavor(release), &args(words), &mut world);
        world.files.extend(whole.map(|text| (list.as_bytes().to_vec(), text)));
        assert_eq!(
            (got, world.said(), &world.files),
            (status, read.said(), &read.files),
            "{words}"
        );
    }
    let mut world = World::with(&[("K", b"no list")]);
    world.env.insert(b"KILN_KERNEL".to_vec(), b"6.12".to_vec());
    assert!(read_ahead(b"K", &mut world).is_none());
    assert!(read_ahead(b"absent", &mut world).is_none());
    assert_ne!(world.said(), "");
}
