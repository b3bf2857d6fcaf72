//! Broken and hostile input: whatever the bytes, a tool ends with a message, within bounded memory.
//! The same seeds give the same bytes every time.
#![allow(missing_docs)]

mod common;

use common::subject::{COMMAND, SYMVERS, modpost, object};
use common::{World, args};
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

fn try_all(object: &[u8], symvers: &[u8], command: &[u8]) {
    modpost(object, symvers, command, b"m.o\n", b"int x; /* c */ \"s\" \\\n");
}

#[test]
fn objects_cut_off_anywhere() {
    for (is_64, big, machine) in [(true, false, 62), (false, true, 8)] {
        let whole = object(is_64, big, machine);
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
        let whole = object(is_64, big, machine);
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
    let object = object(true, false, 62);
    let mut random = Random(42);
    for _ in 0..1500 {
        let (mut symvers, mut commands) = (SYMVERS.to_vec(), COMMAND.to_vec());
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

/// An object of 2,000 undefined symbols, which share a name: each begins a byte behind the one before it.
fn names_that_overlap() -> Vec<u8> {
    let long: &'static str = "n".repeat(20_000).leak();
    let mut object = common::Object::new(true, false, 62).symbol((long, 0, 0, 0, common::GLOBAL));
    for _ in 0..2000 {
        object = object.symbol(("", 0, 0, 0, common::GLOBAL));
    }
    let mut bytes = object.build();
    let number = |at: usize, bytes: &[u8]| {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")))
            .expect("small")
    };
    // The symbol table is the section of kind 2 in the table of headers, whose place is at 40.
    let headers = number(40, &bytes);
    let table = (headers..bytes.len()).step_by(64).find(|at| bytes[at + 4..at + 8] == [2, 0, 0, 0]);
    let table = number(table.expect("a symbol table") + 24, &bytes);
    for i in 0..2000 {
        let at = table + 24 * (2 + i);
        bytes[at..at + 4].copy_from_slice(&(2 + i as u32).to_le_bytes());
    }
    bytes
}

#[test]
fn names_that_share_their_bytes_do_not_add_up() {
    let object = names_that_overlap();
    for flavor in Flavor::all() {
        let mut world = World::with(&[("m.o", &object)]);
        assert_eq!(main_as(flavor, &args("m.o"), &mut world), 1);
        let wanted = "m.o: its names and what is to be said of them are too long\n";
        assert!(world.said().ends_with(wanted), "{:.300}", world.said());
        assert!(world.err.len() < 1000);
    }
}

#[test]
fn messages_name_the_file() {
    let whole = object(true, false, 62);
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
