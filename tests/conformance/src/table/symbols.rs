//! Symbols between modules: exports, namespaces, Module.symvers, versions.

use kiln_testkit::Case;

/// Offers one symbol of each class. Newer kernels take a namespace as a string.
const OFFER: &str = "#include <linux/module.h>\n#include <linux/version.h>\n\
    #if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)\n#define ROOM \"ROOM\"\n#endif\n\
    int plain(int a);\nint plain(int a) { return a; }\nEXPORT_SYMBOL(plain);\n\
    struct pair { long a; char *b; struct list_head c; };\n\
    int strict(struct pair *p, const char *n[3], unsigned long long (*f)(void));\n\
    int strict(struct pair *p, const char *n[3], unsigned long long (*f)(void)) { return !!p->a; }\n\
    EXPORT_SYMBOL_GPL(strict);\n\
    int room(enum pid_type t);\nint room(enum pid_type t) { return t; }\nEXPORT_SYMBOL_NS(room, ROOM);\n\
    u32 table[4];\nEXPORT_SYMBOL_NS_GPL(table, ROOM);\n\
    MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"offers\");\n";

/// Uses them all.
const USE: &str = "#include <linux/module.h>\nint plain(int a);\nint room(enum pid_type t);\n\
    extern u32 table[4];\n\
    static int __init start(void) { return plain(1) + room(0) + table[1]; }\n\
    module_init(start);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"uses\");\n";

const IMPORT: &str = "#include <linux/version.h>\n\
    #if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)\nMODULE_IMPORT_NS(\"ROOM\");\n\
    #else\nMODULE_IMPORT_NS(ROOM);\n#endif\n";

/// Uses a symbol that nothing offers.
const UNDEFINED: &str = "#include <linux/module.h>\nint nobody_has_this(void);\n\
    static int __init start(void) { return nobody_has_this(); }\n\
    module_init(start);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"x\");\n";

fn offer(name: &str) -> Case {
    Case::new(&format!("symbols/{name}"))
        .file("Kbuild", "obj-m := offer.o\n")
        .file("offer.c", OFFER)
}

/// Two directories side by side; the second asks for the first's symbols.
fn neighbours(name: &str, extra: &str) -> Case {
    Case::new(&format!("symbols/{name}"))
        .file("offer/Kbuild", "obj-m := offer.o\n")
        .file("offer/offer.c", OFFER)
        .file("use/Kbuild", &format!("obj-m := use.o\n{extra}"))
        .file("use/use.c", &format!("{USE}{IMPORT}"))
}

/// A module that uses `far`, which only the given Module.symvers knows.
fn dump(name: &str, line: &str) -> Case {
    Case::new(&format!("symbols/{name}"))
        .file("Kbuild", "obj-m := use.o\nKBUILD_EXTRA_SYMBOLS := $(src)/far.symvers\n")
        .file("far.symvers", line)
        .file("use.c", &UNDEFINED.replace("nobody_has_this", "far"))
}

pub(super) fn cases() -> Vec<Case> {
    let both = "make -C $KDIR M=$DIR/offer && make -C $KDIR M=$DIR/use";
    let undefined = |name: &str| {
        Case::new(&format!("symbols/{name}"))
            .file("Kbuild", "obj-m := use.o\n")
            .file("use.c", UNDEFINED)
    };
    vec![
        offer("exports").build("").build("").build("clean"),
        offer("exports-symtypes").build("KBUILD_SYMTYPES=1"),
        offer("exports-used-beside")
            .file("Kbuild", "obj-m := offer.o use.o\n")
            .file("use.c", &format!("{USE}{IMPORT}"))
            .build("")
            .build(""),
        offer("namespace-not-imported")
            .file("Kbuild", "obj-m := offer.o use.o\n")
            .file("use.c", USE)
            .build("")
            .build(""),
        offer("gpl-only-used-by-proprietary")
            .file("Kbuild", "obj-m := offer.o use.o\n")
            .file("use.c", &USE.replace("\"GPL\"", "\"Proprietary\""))
            .build(""),
        neighbours("extra-symbols-argument", "")
            .run(both)
            .run("make -C $KDIR M=$DIR/offer")
            .run("make -C $KDIR M=$DIR/use KBUILD_EXTRA_SYMBOLS=$DIR/offer/Module.symvers"),
        neighbours(
            "extra-symbols-in-Kbuild",
            "KBUILD_EXTRA_SYMBOLS := $(src)/../offer/Module.symvers\n",
        )
        .run(both)
        .run(both),
        neighbours("extra-symbols-from-environment", "")
            .run("make -C $KDIR M=$DIR/offer")
            .run("KBUILD_EXTRA_SYMBOLS=$DIR/offer/Module.symvers make -C $KDIR M=$DIR/use"),
        neighbours(
            "extra-symbols-several",
            "KBUILD_EXTRA_SYMBOLS := $(src)/../offer/Module.symvers $(src)/more.symvers\n",
        )
        .file("use/more.symvers", "0x12345678\tmore\tfar/more\tEXPORT_SYMBOL\t\n")
        .run(both)
        .run("touch use/more.symvers; make -C $KDIR M=$DIR/use"),
        neighbours("extra-symbols-missing", "KBUILD_EXTRA_SYMBOLS := $(src)/absent.symvers\n")
            .run(both),
        neighbours("symvers-copied-by-hand", "")
            .run("make -C $KDIR M=$DIR/offer")
            .run("cp offer/Module.symvers use/; make -C $KDIR M=$DIR/use"),
        neighbours("common-directory", "")
            .file("Kbuild", "obj-m := offer/ use/\n")
            .build("")
            .build("")
            .run("touch offer/offer.c; make -C $KDIR M=$DIR"),
        neighbours("common-directory-other-order", "")
            .file("Kbuild", "obj-m := use/ offer/\n")
            .build("-j2"),
        dump("symvers-3-columns", "0x12345678\tfar\tfar/far\n").build(""),
        dump("symvers-4-columns", "0x12345678\tfar\tfar/far\tEXPORT_SYMBOL\n").build(""),
        dump("symvers-5-columns", "0x12345678\tfar\tfar/far\tEXPORT_SYMBOL\t\n").build(""),
        dump("symvers-5-columns-namespace", "0x12345678\tfar\tfar/far\tEXPORT_SYMBOL_GPL\tROOM\n")
            .build(""),
        dump("symvers-namespace-first", "0x12345678\tfar\tROOM\tfar/far\tEXPORT_SYMBOL\n")
            .build(""),
        dump("symvers-empty", "").build(""),
        dump("symvers-nonsense", "there is nothing here\n").build(""),
        dump(
            "symvers-same-symbol-twice",
            "0x1\tfar\ta/b\tEXPORT_SYMBOL\t\n0x2\tfar\tc/d\tEXPORT_SYMBOL\t\n",
        )
        .build(""),
        dump("symvers-kernel-symbol", "0x00000000\tfar\tvmlinux\tEXPORT_SYMBOL\t\n").build(""),
        undefined("undefined").build("").build(""),
        undefined("undefined-keep-going").build("-k"),
        undefined("undefined-warn").build("KBUILD_MODPOST_WARN=1").build("KBUILD_MODPOST_WARN=1"),
        undefined("undefined-then-warn").build("").build("KBUILD_MODPOST_WARN=1").build(""),
        undefined("undefined-beside-good")
            .file("Kbuild", "obj-m := good.o use.o\n")
            .file("good.c", super::MINIMAL)
            .build("")
            .build("-k"),
        Case::new("symbols/no-license")
            .file("Kbuild", "obj-m := foo.o\n")
            .file("foo.c", "#include <linux/module.h>\n")
            .build(""),
        Case::new("symbols/exported-twice")
            .file("Kbuild", "obj-m := offer.o again.o\n")
            .file("offer.c", OFFER)
            .file("again.c", OFFER)
            .build(""),
        Case::new("symbols/exported-static")
            .file("Kbuild", "obj-m := foo.o\n")
            .file(
                "foo.c",
                "#include <linux/module.h>\nstatic int inner(void) { return 1; }\n\
                EXPORT_SYMBOL(inner);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"x\");\n",
            )
            .build(""),
        Case::new("symbols/modversions-changed-type")
            .file("Kbuild", "obj-m := offer.o\n")
            .file("offer.c", OFFER)
            .build("")
            .run("sed -i 's/long a;/short a;/' offer.c; make -C $KDIR M=$DIR"),
        Case::new("symbols/no-modversions")
            .file("Kbuild", "obj-m := offer.o\n")
            .file("offer.c", OFFER)
            .own_kdir()
            .prepare(
                "sed -i '/CONFIG_MODVERSIONS/d;/CONFIG_ASM_MODVERSIONS/d' \
                 $KDIR/include/config/auto.conf $KDIR/include/generated/autoconf.h",
            )
            .build("")
            .build(""),
        Case::new("symbols/kernel-without-symvers")
            .file("Kbuild", "obj-m := offer.o\n")
            .file("offer.c", OFFER)
            .own_kdir()
            .prepare("rm $KDIR/Module.symvers")
            .build("")
            .build(""),
    ]
}
