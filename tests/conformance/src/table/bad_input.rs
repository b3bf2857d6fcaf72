//! What goes wrong: missing and broken input, full disks, signals. The words and the state left behind
//! are compared as everywhere, and then the next build must be right.

use kiln_testkit::{Case, Signal};

use super::{MINIMAL, hello, part};

/// A compiler that stops in the middle of hello.o, with half of an object written, until `$TOP/go` is
/// there.
const SLOW_CC: &str = "#!/bin/sh\ntop=${0%/*}\nprev=\nfor a; do\n\tcase $prev$a in\n\
    \t-o*/hello.o)\n\t\tif [ ! -e $top/go ]; then\n\t\t\techo half >$a\n\t\t\t: >$top/started\n\
    \t\t\texec sleep 1000\n\t\tfi ;;\n\tesac\n\tprev=$a\ndone\nexec gcc-12 \"$@\"\n";

fn kbuild(name: &str, text: &str) -> Case {
    Case::new(&format!("bad-input/{name}"))
        .file("Kbuild", text)
        .file("foo.c", MINIMAL)
        .build("")
        .build("clean")
}

fn broken(name: &str) -> Case {
    Case::new(&format!("bad-input/{name}"))
        .file("Kbuild", "obj-m := foo.o\nfoo-y := a.o b.o c.o\n")
        .file("a.c", MINIMAL)
        .file("b.c", "int broken(void) { return }\n")
        .file("c.c", &part("c"))
}

// One job only: with two it is chance what else the signal finds running.
fn signal(name: &str, signal: Signal) -> Case {
    let line = "exec make -j1 -C $KDIR M=$DIR CC=$TOP/slow-cc";
    hello(&format!("bad-input/{name}"))
        .file("../slow-cc", SLOW_CC)
        .interrupted(line, signal, true, "started")
        .run(&format!(": >$TOP/go; {line}"))
        .run(line)
}

pub(super) fn cases() -> Vec<Case> {
    let mut list = vec![
        hello("bad-input/no-such-KDIR").run("make -C $TOP/absent M=$DIR"),
        hello("bad-input/KDIR-is-a-file").run("make -C $DIR/hello.c M=$DIR"),
        hello("bad-input/KDIR-empty").prepare("mkdir $TOP/empty").run("make -C $TOP/empty M=$DIR"),
        hello("bad-input/KDIR-without-configuration")
            .own_kdir()
            .prepare("rm $KDIR/include/generated/autoconf.h $KDIR/include/config/auto.conf")
            .build(""),
        hello("bad-input/KDIR-without-headers")
            .own_kdir()
            .prepare("rm -r $KDIR/arch $KDIR/include/generated/uapi")
            .build(""),
        hello("bad-input/KDIR-without-tools")
            .own_kdir()
            .prepare("rm $KDIR/scripts")
            .build(""),
        hello("bad-input/no-such-M").run("make -C $KDIR M=$TOP/absent"),
        hello("bad-input/M-is-a-file").run("make -C $KDIR M=$DIR/hello.c"),
        hello("bad-input/M-with-space")
            .prepare("cp -r $DIR \"$TOP/a b\"")
            .run("make -C $KDIR M=\"$TOP/a b\""),
        hello("bad-input/M-with-colon").prepare("cp -r $DIR $TOP/a:b").run("make -C $KDIR M=$TOP/a:b"),
        hello("bad-input/M-with-percent").prepare("cp -r $DIR $TOP/a%b").run("make -C $KDIR M=$TOP/a%b"),
        hello("bad-input/two-M").run("make -C $KDIR M='$DIR $DIR'"),
        Case::new("bad-input/no-Kbuild").file("foo.c", MINIMAL).build("").build("clean"),
        hello("bad-input/unknown-target").build("no-such-target").build("hello.xyz"),
        hello("bad-input/unknown-target-keep-going").build("-k no-such-target modules"),
        hello("bad-input/unknown-option").run("make --no-such-option -C $KDIR M=$DIR"),
        hello("bad-input/bad-jobs").run("make -j0 -C $KDIR M=$DIR").run("make -jx -C $KDIR M=$DIR"),
        hello("bad-input/no-compiler").build("CC=no-such-compiler"),
        hello("bad-input/no-pahole").build("PAHOLE=no-such-pahole"),
        hello("bad-input/source-missing").prepare("rm hello.c").build("").build("-k"),
        hello("bad-input/source-is-a-directory").prepare("rm hello.c; mkdir hello.c").build(""),
        hello("bad-input/source-not-readable").prepare("ln -sf nowhere hello.c").build(""),
        hello("bad-input/header-missing").prepare("echo '#include \"absent.h\"' >>hello.c").build(""),
        kbuild("syntax-missing-separator", "obj-m := foo.o\nthis is no rule\n"),
        kbuild("syntax-unclosed-ifeq", "obj-m := foo.o\nifeq (a,a)\n"),
        kbuild("syntax-unclosed-call", "obj-m := $(patsubst a,b\n"),
        kbuild("syntax-extra-endif", "obj-m := foo.o\nendif\n"),
        kbuild("syntax-unclosed-define", "define x\nobj-m := foo.o\n"),
        kbuild("syntax-recipe-first", "\techo x\nobj-m := foo.o\n"),
        kbuild("syntax-bad-function", "obj-m := foo.o\nx := $(word 0,a b)\n"),
        kbuild("include-missing", "include $(src)/absent.mk\nobj-m := foo.o\n"),
        kbuild("error-function", "obj-m := foo.o\n$(error stop here)\n"),
        kbuild("self-reference", "X = $(X)\nobj-m := foo.o\nccflags-y := $(X)\n"),
        kbuild(
            "circular-dependency",
            "obj-m := foo.o\nalways-y := a\n$(obj)/a: $(obj)/b\n\ttouch $@\n$(obj)/b: $(obj)/a\n\ttouch $@\n",
        ),
        kbuild("recipe-fails", "obj-m := foo.o\nalways-y := a\n$(obj)/a:\n\techo half >$@; false\n"),
        kbuild("recipe-exits-7", "obj-m := foo.o\nalways-y := a\n$(obj)/a:\n\t@exit 7\n"),
        kbuild("recipe-dies", "obj-m := foo.o\nalways-y := a\n$(obj)/a:\n\t@kill -9 $$$$\n"),
        kbuild("own-source", "obj-m := foo.o\nfoo-y := foo.o\n"),
        kbuild("no-such-directory", "obj-m := foo.o absent/\n"),
        broken("compile-error").build("").build(""),
        broken("compile-error-keep-going").build("-k").build("-k"),
        broken("compile-error-keep-going-j2").build("-k -j2"),
        broken("compile-error-ignored").build("-i"),
        broken("compile-error-then-mended")
            .build("-k")
            .run("echo 'int b;' >b.c; make -C $KDIR M=$DIR")
            .build(""),
        hello("bad-input/read-only-directory")
            .needs(kiln_testkit::Need::Root)
            .run_as_nobody("make -C $KDIR M=$DIR")
            .build(""),
        hello("bad-input/read-only-object")
            .needs(kiln_testkit::Need::Root)
            .owned_by_nobody()
            .build("")
            .run("touch hello.c; setpriv --reuid 65534 --regid 65534 --clear-groups make -C $KDIR M=$DIR")
            .build(""),
        signal("SIGINT-in-compile", Signal::Int),
        signal("SIGTERM-in-compile", Signal::Term),
        // A signal to make alone is no case: make then waits for a compiler that nobody ends, which
        // this one would keep it doing for ever.
        signal("SIGKILL-in-compile", Signal::Kill),
    ];
    // Room for the sources but not for the object; for the object but not for the module; and so on.
    for kib in [16, 64, 192, 320] {
        list.push(
            hello(&format!("bad-input/full-disk-{kib}k"))
                .disk(kib)
                .build("")
                .run("mount -o remount,size=64m $DIR && make -C $KDIR M=$DIR")
                .build(""),
        );
    }
    list
}
