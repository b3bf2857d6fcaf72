//! What the current document has and older kernels have not: another output directory, the kernel's
//! Makefile named with -f or included, symbol versions in both forms. On trees from 6.13 on, of which
//! the tests have one in a folder of its own.

use kiln_testkit::Case;

use super::hello;

const NEW: &[&str] = &["7.2"];

const MO: &str = "make -C $KDIR M=$DIR MO=$TOP/out";

/// Offers two symbols; the second one's name does not fit into the older form of versions.
const OFFER: &str = "#include <linux/module.h>\n\
    int brief(struct list_head *l);\nint brief(struct list_head *l) { return !l->next; }\n\
    EXPORT_SYMBOL_GPL(brief);\n\
    int a_name_of_more_bytes_than_the_older_form_of_symbol_versions_has_room_for(long a);\n\
    int a_name_of_more_bytes_than_the_older_form_of_symbol_versions_has_room_for(long a)\n\
    {\n\treturn a > 1;\n}\n\
    EXPORT_SYMBOL(a_name_of_more_bytes_than_the_older_form_of_symbol_versions_has_room_for);\n\
    MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"offers\");\n";

/// Uses one of them.
const USE: &str = "#include <linux/module.h>\n\
    int brief(struct list_head *l);\n\
    int a_name_of_more_bytes_than_the_older_form_of_symbol_versions_has_room_for(long a);\n\
    static LIST_HEAD(list);\n\
    static int __init start(void) { return WHICH; }\n\
    module_init(start);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"uses\");\n";

/// What a kernel without symbol versions does not offer, and every module with versions asks for.
const LAYOUT: &str = "0x5c4d1e0a\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n";

/// The cases.
pub fn cases() -> Vec<Case> {
    const BOTH: &str = "CONFIG_BASIC_MODVERSIONS=y CONFIG_EXTENDED_MODVERSIONS=y";
    let new = |name: &str| hello(&format!("newer/{name}")).only(NEW);
    let versions = |name: &str, words: &str| {
        let which = match name.ends_with("long-name") {
            true => "a_name_of_more_bytes_than_the_older_form_of_symbol_versions_has_room_for(2)",
            false => "brief(&list)",
        };
        let line = format!(
            "make -C $KDIR M=$DIR CONFIG_MODVERSIONS=y KBUILD_EXTRA_SYMBOLS=$DIR/layout {words}"
        );
        Case::new(&format!("newer/{name}"))
            .file("Kbuild", "obj-m := offer.o use.o\n")
            .file("offer.c", OFFER)
            .file("use.c", &USE.replace("WHICH", which))
            .file("layout", LAYOUT)
            .only(NEW)
            .run(&line)
            .run(&line)
    };
    vec![
        new("MO").run(MO).run(MO).run("cd $TOP/out && make").run(&format!("{MO} clean")),
        new("MO-relative").run("make -C $KDIR M=$DIR MO=out").run("make -C $KDIR M=$DIR MO=out"),
        new("MO-in-environment").run("MO=$TOP/out make -C $KDIR M=$DIR"),
        new("MO-over-a-Makefile-of-ones-own")
            .file("../out/Makefile", "all:\n\t@echo mine\n")
            .run(MO),
        new("MO-with-directories")
            .file("Kbuild", "obj-m := hello.o\nobj-y += sub/\n")
            .file("sub/Kbuild", "obj-m := inner.o\n")
            .file("sub/inner.c", super::MINIMAL)
            .run(MO)
            .run(MO),
        new("MO-after-a-build-beside-the-sources").build("").run(MO),
        new("MO-install").run(MO).run(&format!("{MO} modules_install INSTALL_MOD_PATH=$TOP/root")),
        new("clean-and-modules")
            .file("Kbuild", "obj-m := hello.o\n")
            .build("")
            .build("clean modules"),
        new("f-here")
            .run("make -f $KDIR/Makefile M=$DIR")
            .run("make -f $KDIR/Makefile M=$DIR")
            .run("make -f $KDIR/Makefile M=$DIR clean"),
        new("f-relative").run("make -f $KDIR/Makefile M=."),
        new("f-from-elsewhere")
            .run("mkdir $TOP/else; cd $TOP/else; make -f $KDIR/Makefile M=$DIR")
            .run("cd $TOP/else; make -f $KDIR/Makefile M=$DIR")
            .run("cd $TOP/else; make"),
        Case::new("newer/include-install")
            .example("include-kernel-makefile")
            .only(NEW)
            .run("make KDIR=$KDIR")
            .run("make KDIR=$KDIR")
            .run("make KDIR=$KDIR modules_install INSTALL_MOD_PATH=$TOP/root")
            .run("make KDIR=$KDIR clean"),
        versions("versions-basic", "CONFIG_BASIC_MODVERSIONS=y"),
        versions("versions-extended", "CONFIG_EXTENDED_MODVERSIONS=y"),
        versions("versions-both", BOTH),
        versions("versions-basic-long-name", "CONFIG_BASIC_MODVERSIONS=y"),
        versions("versions-extended-long-name", "CONFIG_EXTENDED_MODVERSIONS=y"),
        versions("versions-both-long-name", BOTH),
    ]
}
