//! What is done again, and what is not.

use kiln_testkit::Who::{Reference as R, Subject as S};
use kiln_testkit::{Case, Who};

use super::{MINIMAL, hello};

/// Two sources and a header.
fn base(name: &str) -> Case {
    Case::new(&format!("rebuilding/{name}"))
        .file("Kbuild", "obj-m := foo.o\nfoo-y := a.o b.o\n")
        .file("a.c", &format!("#include \"h.h\"\n{MINIMAL}int a = H;\n"))
        .file("b.c", "#include \"h.h\"\nextern int b;\nint b = H + IS_ENABLED(CONFIG_KILN_CASE);\n")
        .file("h.h", "#define H 1\n#include <linux/kconfig.h>\n")
        .build("")
}

/// Something is changed with `change`, then the build is run twice more.
fn changed(name: &str, change: &str) -> Case {
    base(name).run(&format!("{change}; make -C $KDIR M=$DIR")).build("")
}

/// The same is done again and again, each time followed by a build: from the second time on Kiln knows
/// what comes of what need not be done. Which files each build wrote is compared too.
fn again(name: &str, changes: &[&str]) -> Case {
    let mut case = base(&format!("again-{name}")).compare_writes();
    for _ in 0..4 {
        for change in changes {
            case = case.run(&format!("{change}; make -C $KDIR M=$DIR"));
        }
    }
    case.build("")
}

fn turns(name: &str, who: &[Who]) -> Case {
    let mut case = Case::new(&format!("rebuilding/{name}")).example("two-modules").turns(who);
    for _ in who {
        case = case.build("");
    }
    case
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        base("nothing-to-do").build("").build("-j2").compare_writes(),
        changed("source-touched", "touch a.c"),
        changed("source-changed", "echo 'int more;' >>a.c"),
        changed("header-touched", "touch h.h"),
        changed("header-changed", "echo '#define MORE' >>h.h"),
        changed("Kbuild-touched", "touch Kbuild"),
        changed("Kbuild-flag", "echo 'ccflags-y := -DX' >>Kbuild"),
        changed("Kbuild-one-source-less", "sed -i 's/ b.o//' Kbuild"),
        changed("Kbuild-one-source-more", "echo 'int c;' >c.c; sed -i 's/ b.o/ b.o c.o/' Kbuild"),
        changed("Kbuild-other-order", "sed -i 's/a.o b.o/b.o a.o/' Kbuild"),
        changed("Kbuild-another-module", "cp a.c bar.c; sed -i 's/^obj-m.*/& bar.o/' Kbuild"),
        changed("Kbuild-module-renamed", "sed -i 's/foo/bar/' Kbuild"),
        changed("object-removed", "rm b.o"),
        changed("composite-removed", "rm foo.o"),
        changed("module-removed", "rm foo.ko"),
        changed("mod-c-removed", "rm foo.mod.c"),
        changed("mod-o-removed", "rm foo.mod.o"),
        changed("mod-removed", "rm foo.mod"),
        changed("order-removed", "rm modules.order"),
        changed("symvers-removed", "rm Module.symvers"),
        changed("cmd-removed", "rm .a.o.cmd"),
        changed("all-cmd-removed", "rm .*.cmd"),
        changed("object-touched", "touch a.o"),
        changed("object-truncated", ": >a.o"),
        changed("header-removed", "rm h.h"),
        changed("header-removed-and-unused", "rm h.h; sed -i '/h.h/d;s/= H.*;/= 1;/' a.c b.c"),
        changed("header-replaced-by-link", "mv h.h i.h; ln -s i.h h.h"),
        changed("source-older", "touch -d '1 Jan 2001' a.c"),
        changed("source-in-the-future", "touch -d '1 Jan 2035' a.c"),
        changed("object-is-a-directory", "rm a.o; mkdir a.o"),
        changed("cmd-is-nonsense", "echo '))) nonsense' >.a.o.cmd"),
        again("source-touched", &["touch a.c"]),
        again("header-touched", &["touch h.h"]),
        again("from-nothing", &["make -C $KDIR M=$DIR clean"]),
        again("comment-edited", &["echo '/* x */' >>a.c", "sed -i '$d' a.c"]),
        again(
            "source-changed",
            &["echo 'int more;' >>a.c", "touch b.c", "sed -i '$d' a.c", "touch a.c"],
        ),
        again("warning", &["echo '#warning again' >>b.c", "sed -i '$d' b.c"]),
        again("error", &["echo '#error again' >>b.c", "sed -i '$d' b.c"]),
        again("object-spoiled", &["echo x >>a.o; touch b.c", "rm a.o", ": >foo.ko; touch b.c"]),
        again(
            "made-files-removed",
            &["rm foo.ko; touch a.c", "rm foo.mod.c; touch a.c", "rm .foo.ko.cmd; touch a.c"],
        ),
        again("flag-without-effect", &["sed -i '$accflags-y += -DX' Kbuild"]),
        base("flag-on-command-line").build("KCFLAGS=-DX").build("KCFLAGS=-DX").build(""),
        base("compiler-on-command-line").build("CC=gcc").build(""),
        base("warnings-on").build("W=1").build(""),
        base("verbose-says-why").run("touch h.h; make -C $KDIR M=$DIR V=2").build("V=2"),
        base("after-error")
            .run("echo 'int broken' >>a.c; make -C $KDIR M=$DIR")
            .run("sed -i '$d' a.c; make -C $KDIR M=$DIR")
            .build(""),
        base("after-clean").build("clean").build("").build(""),
        config(
            "new-CONFIG-value",
            "echo CONFIG_KILN_CASE=y >>$KDIR/include/config/auto.conf; \
            echo '#define CONFIG_KILN_CASE 1' >>$KDIR/include/generated/autoconf.h; \
            : >$KDIR/include/config/KILN_CASE",
        ),
        config("kernel-header-touched", "touch $KDIR/include/generated/utsrelease.h"),
        config("kernel-autoconf-touched", "touch $KDIR/include/generated/autoconf.h"),
        config("kernel-symvers-touched", "touch $KDIR/Module.symvers"),
        config(
            "kernel-symvers-changed",
            "sed -i 's/^0x[0-9a-f]*\\(.module_layout\\)/0x01234567\\1/' $KDIR/Module.symvers",
        ),
        config("kernel-Makefile-touched", "touch $KDIR/Makefile"),
        turns("make-make-make", &[R, R, R]),
        turns("make-kiln-make", &[R, S, R]),
        turns("kiln-make-kiln", &[S, R, S]),
        turns("kiln-kiln-make", &[S, S, R]),
        turns("make-kiln-kiln-make", &[R, S, S, R]),
        hello("rebuilding/make-kiln-make-after-touch")
            .build("")
            .run("touch hello.c; make -C $KDIR M=$DIR")
            .build("")
            .turns(&[R, S, R]),
        (0..6)
            .fold(hello("rebuilding/kiln-make-again-touched").build(""), |case, _| {
                case.run("touch hello.c; make -C $KDIR M=$DIR").build("")
            })
            .turns(&[S, S, R, S, R, S, R, S, R, S, R, S, R]),
        hello("rebuilding/kiln-make-kiln-with-flags")
            .build("KCFLAGS=-DX V=1")
            .build("KCFLAGS=-DX V=1")
            .build("KCFLAGS=-DX V=1")
            .turns(&[S, R, S]),
        hello("rebuilding/kiln-builds-make-cleans")
            .build("")
            .build("clean")
            .build("")
            .turns(&[S, R, S]),
        Case::new("rebuilding/make-kiln-make-directories")
            .example("common-kbuild")
            .build("-j2")
            .build("-j2")
            .build("-j2")
            .turns(&[R, S, R]),
    ]
}

/// Something is changed in the kernel tree.
fn config(name: &str, change: &str) -> Case {
    changed(name, change).own_kdir()
}
