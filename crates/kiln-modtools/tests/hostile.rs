//! Broken and hostile input: whatever the bytes, a tool ends with a message, within bounded memory.
//! The same seeds give the same bytes every time.
#![allow(missing_docs)]

mod common;

use common::{GLOBAL, GLOBAL_FUNC, GLOBAL_OBJECT, Object, World, args};
use kiln_modtools::modpost::{Flavor, main_as};

/// A small generator of pseudo-random numbers (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// An object that makes modpost look at everything it knows.
fn rich(is_64: bool, big: bool, machine: u16) -> Vec<u8> {
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
        .symbol(("__mod_usb__a_device_table", 7, 0, 64, GLOBAL_OBJECT))
        .symbol(("__mod_device_table__kmod_m__dmi__b", 7, 0, 344, GLOBAL_OBJECT))
        .symbol(("__mod_input__c_device_table", 7, 0, 200, GLOBAL_OBJECT))
        .relocs(".rela.text", 2, &[(4, 3, -4), (8, 7, 0)])
        .relocs(".rela.export_symbol", 4, &[(8, 2, 0)])
        .relocs(".rela__ex_table", 5, &[(0, 2, 0), (4, 3, 1), (8, 9, 0)])
        .build()
}

const SYMVERS: &[u8] = b"0x00001234\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x89abcdef\tgpl_fn\tdrivers/a/b\tEXPORT_SYMBOL_GPL\tNS\n";

fn try_all(object: &[u8], symvers: &[u8], command: &[u8]) {
    for flavor in Flavor::all() {
        let mut world = World::with(&[
            ("m.o", object),
            ("K", symvers),
            ("m.mod", b"m.o\n"),
            (".m.o.cmd", command),
            ("m.c", b"int x; /* c */ \"s\" \\\n"),
        ]);
        let letters = flavor.options;
        let mut words = "-m -a -e -E -i K -o out".to_owned();
        for letter in ['M', 'b', 'x', 'W', 't'] {
            if letters.contains(&(letter as u8)) {
                words.push_str(&format!(" -{letter}"));
            }
        }
        words.push_str(" m.o");
        let status = main_as(flavor, &args(&words), &mut world);
        assert!(status == 0 || !world.err.is_empty(), "a failure without a word");
    }
}

#[test]
fn objects_cut_off_anywhere() {
    for (is_64, big, machine) in [(true, false, 62), (false, true, 8)] {
        let whole = rich(is_64, big, machine);
        for len in 0..whole.len() {
            try_all(&whole[..len], SYMVERS, b"");
        }
    }
}

#[test]
fn objects_with_wrong_bytes() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (is_64, big, machine) in
        [(true, false, 62), (false, false, 40), (false, false, 3), (true, true, 8)]
    {
        let whole = rich(is_64, big, machine);
        for _ in 0..1500 {
            let mut object = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(object.len());
                object[at] = match random.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => object[at].wrapping_add(1),
                    _ => random.next() as u8,
                };
            }
            // A whole word of ones makes offsets and sizes as large as they get.
            if random.below(3) == 0 {
                let at = random.below(object.len() - 8);
                object[at..at + 8].fill(0xff);
            }
            try_all(&object, SYMVERS, b"");
        }
    }
}

#[test]
fn texts_with_wrong_bytes() {
    let object = rich(true, false, 62);
    let command = b"savedcmd_m.o := gcc\n\nsource_m.o := m.c\n\ndeps_m.o := \\\n  m.c \\\n\n\
        #SYMVER fn 0x12345678\n";
    let mut random = Random(42);
    for _ in 0..1500 {
        let (mut symvers, mut commands) = (SYMVERS.to_vec(), command.to_vec());
        for text in [&mut symvers, &mut commands] {
            for _ in 0..=random.below(4) {
                let at = random.below(text.len());
                match random.below(4) {
                    0 => text[at] = b"\t\n \0\\"[random.below(5)],
                    1 => text[at] = random.next() as u8,
                    2 => text.truncate(at + 1),
                    _ => text.insert(at, b'\t'),
                }
            }
        }
        try_all(&object, &symvers, &commands);
    }
}

#[test]
fn messages_name_the_file() {
    let whole = rich(true, false, 62);
    let flavor = &Flavor::all()[2];
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 64);
    for (object, wanted) in [
        (cut, "ERROR: modpost: m.o: the section header table at offset"),
        (
            b"\x7fELF\x02\x01".iter().copied().chain([0; 90]).collect(),
            "m.o: not relocatable object.",
        ),
        (Vec::new(), "m.o: Invalid argument"),
    ] {
        let mut world = World::with(&[("m.o", &object)]);
        assert_eq!(main_as(flavor, &args("-e m.o"), &mut world), 1);
        assert!(world.said().contains(wanted), "{}", world.said());
    }
}
