//! Files that are asked for by name instead of the whole module.

use kiln_testkit::Case;

use super::{MINIMAL, hello, part};

/// A module with a part in a subdirectory that has a Kbuild file of its own.
fn nested(name: &str) -> Case {
    Case::new(name)
        .file("Kbuild", "obj-m := foo.o sub/\nfoo-y := bar.o baz.o\n")
        .file("bar.c", MINIMAL)
        .file("baz.c", &part("baz"))
        .file("sub/Kbuild", "obj-m := low.o\n")
        .file("sub/low.c", MINIMAL)
}

pub(super) fn cases() -> Vec<Case> {
    let mut list = Vec::new();
    for (name, target) in [
        ("object", "bar.o"),
        ("preprocessed", "bar.i"),
        ("assembler", "bar.s"),
        ("listing", "bar.lst"),
        ("symtypes", "bar.symtypes"),
        ("module", "foo.ko"),
        ("module-and-object", "foo.ko baz.o"),
        ("this-directory", "./"),
        ("old-slash", "/"),
        ("subdirectory", "sub/"),
        ("subdirectory-object", "sub/low.o"),
        ("subdirectory-module", "sub/low.ko"),
        ("subdirectory-and-object", "sub/ bar.o"),
        ("all-kinds", "bar.i baz.s sub/low.o sub/"),
        ("composite-object", "foo.o"),
        ("mod-file", "foo.mod"),
        ("no-source", "absent.o"),
        ("no-module", "absent.ko"),
        ("absolute", "$DIR/bar.o"),
    ] {
        let name = format!("single-files/{name}");
        list.push(nested(&name).build(target).build(target));
    }
    list.extend([
        nested("single-files/some-then-all-then-clean")
            .build("bar.o sub/low.ko")
            .build("")
            .build("clean"),
        hello("single-files/object-then-all").build("hello.o").build(""),
        hello("single-files/all-then-listing").build("").build("hello.lst"),
        hello("single-files/all-then-preprocessed").build("").build("hello.i V=1"),
        nested("single-files/several-j2").build("-j2 bar.o baz.o sub/low.o"),
        nested("single-files/no-such-subdirectory").build("absent/"),
    ]);
    list
}
