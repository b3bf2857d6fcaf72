//! Modules in Rust, against a tree that has the kernel's compiled crates, and against one that lacks
//! them, as distributions' headers do.

use kiln_testkit::Case;

/// The tree with the crates; it is made by `kiln kernels add --rust`.
const WITH: &[&str] = &["7.2-rust"];
const WITHOUT: &[&str] = &["7.2"];

const PART: &str = "// SPDX-License-Identifier: GPL-2.0\n//! Calls C.\n\n\
    use kernel::prelude::*;\n\n\
    module! {\n    type: Mixed,\n    name: \"mixed\",\n    authors: [\"Kiln\"],\n    \
    description: \"C and Rust\",\n    license: \"GPL\",\n}\n\n\
    extern \"C\" {\n    fn part() -> i32;\n}\n\n\
    struct Mixed;\n\n\
    impl kernel::Module for Mixed {\n    \
    fn init(_module: &'static ThisModule) -> Result<Self> {\n        \
    // SAFETY: It takes nothing and gives a number.\n        \
    pr_info!(\"{}\\n\", unsafe { part() });\n        Ok(Mixed)\n    }\n}\n";

/// The cases.
pub fn cases() -> Vec<Case> {
    let new = |name: &str| Case::new(&format!("rust/{name}")).example("rust").only(WITH);
    let single = |name: &str, target: &str| new(name).build(target).build(target).build("");
    vec![
        new("again-touched-changed")
            .build("")
            .build("")
            .run("touch rust_hello.rs; make -C $KDIR M=$DIR")
            .run("sed -i 's/push(12/push(13/' rust_hello.rs; make -C $KDIR M=$DIR")
            .build("")
            .build("clean"),
        new("j2-verbose").build("-j2 V=1").build("V=2"),
        new("writes").build("").build("").compare_writes(),
        Case::new("rust/beside-C")
            .only(WITH)
            .file("Kbuild", "obj-m := mixed.o plain.o\nmixed-y := c_part.o rust_part.o\n")
            .file("c_part.c", &super::part("part"))
            .file("rust_part.rs", PART)
            .file("plain.c", super::MINIMAL)
            .build("-j2")
            .build("")
            .run("touch c_part.c; make -C $KDIR M=$DIR")
            .run("touch rust_part.rs; make -C $KDIR M=$DIR"),
        single("single-object", "rust_hello.o"),
        single("single-assembler", "rust_hello.s"),
        single("single-ll", "rust_hello.ll"),
        single("single-rsi", "rust_hello.rsi"),
        new("flags")
            .file("Kbuild", "obj-m := rust_hello.o\nRUSTFLAGS_rust_hello.o := --cfg extra\n")
            .build("KRUSTFLAGS=-Cdebuginfo=1")
            .build(""),
        new("install").build("").build("modules_install INSTALL_MOD_PATH=$TOP/root"),
        new("warning").run("echo 'fn unused() {}' >>rust_hello.rs; make -C $KDIR M=$DIR").build(""),
        new("error-and-mended")
            .run("sed -i 's/KVec::new()/KVec::old()/' rust_hello.rs; make -C $KDIR M=$DIR")
            .run("sed -i 's/KVec::old()/KVec::new()/' rust_hello.rs; make -C $KDIR M=$DIR"),
        new("without-crates").only(WITHOUT).build("").build(""),
    ]
}
