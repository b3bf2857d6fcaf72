//! How the build is called: where, with which words, in which environment.

use kiln_testkit::{Case, Need};

use super::hello;

/// One command line on `hello`.
const ONCE: &[(&str, &str)] = &[
    ("default", "make -C $KDIR M=$DIR"),
    ("modules", "make -C $KDIR M=$DIR modules"),
    ("modules_prepare", "make -C $KDIR M=$DIR modules_prepare"),
    ("M-relative", "make -C $KDIR M=$(realpath --relative-to=$KDIR $DIR)"),
    ("M-trailing-slash", "make -C $KDIR M=$DIR/"),
    ("M-doubled-slashes", "make -C $KDIR M=$TOP//m//"),
    ("M-with-dot-dot", "make -C $KDIR M=$DIR/../m"),
    ("M-through-symlink", "make -C $KDIR M=$TOP/link"),
    ("KBUILD_EXTMOD-from-environment", "KBUILD_EXTMOD=$DIR make -C $KDIR"),
    ("KBUILD_EXTMOD-as-argument", "make -C $KDIR KBUILD_EXTMOD=$DIR"),
    ("KDIR-through-lib-modules", "make -C /lib/modules/$KVER/build M=$DIR"),
    ("C-twice", "make -C /usr -C $KDIR M=$DIR"),
    ("directory-option", "make --directory=$KDIR M=$DIR"),
    ("f-instead-of-C", "cd $KDIR && make -f Makefile M=$DIR"),
    ("wrapper-makefile", "make KDIR=$KDIR"),
    ("wrapper-clean", "make KDIR=$KDIR && make KDIR=$KDIR clean"),
    ("wrapper-j2", "make -j2 KDIR=$KDIR"),
    ("j1", "make -j1 -C $KDIR M=$DIR"),
    ("j2", "make -j2 -C $KDIR M=$DIR"),
    ("j-without-number", "make -j -C $KDIR M=$DIR"),
    ("jobserver-style-pipe", "make -j2 --jobserver-style=pipe -C $KDIR M=$DIR"),
    ("keep-going", "make -k -C $KDIR M=$DIR"),
    ("ignore-errors", "make -i -C $KDIR M=$DIR"),
    ("dry-run", "make -n -C $KDIR M=$DIR"),
    ("silent", "make -s -C $KDIR M=$DIR"),
    ("always-make", "make -B -C $KDIR M=$DIR"),
    ("question", "make -q -C $KDIR M=$DIR"),
    ("trace", "make --trace -C $KDIR M=$DIR"),
    ("print-directory", "make -w -C $KDIR M=$DIR"),
    ("no-print-directory", "make --no-print-directory -C $KDIR M=$DIR"),
    ("no-builtin-rules", "make -rR -C $KDIR M=$DIR"),
    ("environment-overrides", "make -e -C $KDIR M=$DIR"),
    ("what-if", "make -W $DIR/hello.c -C $KDIR M=$DIR"),
    ("old-file", "make -o $DIR/hello.c -C $KDIR M=$DIR"),
    ("warn-undefined", "make --warn-undefined-variables -C $KDIR M=$DIR"),
    ("MAKEFLAGS-from-environment", "MAKEFLAGS=ks make -C $KDIR M=$DIR"),
    ("GNUMAKEFLAGS-from-environment", "GNUMAKEFLAGS=-j2 make -C $KDIR M=$DIR"),
    ("V0", "make -C $KDIR M=$DIR V=0"),
    ("V1", "make -C $KDIR M=$DIR V=1"),
    ("V2", "make -C $KDIR M=$DIR V=2"),
    ("V12", "make -C $KDIR M=$DIR V=12"),
    ("KBUILD_VERBOSE-from-environment", "KBUILD_VERBOSE=1 make -C $KDIR M=$DIR"),
    ("W1", "make -C $KDIR M=$DIR W=1"),
    ("W2", "make -C $KDIR M=$DIR W=2"),
    ("We", "make -C $KDIR M=$DIR W=e"),
    ("KCFLAGS", "make -C $KDIR M=$DIR KCFLAGS=-DFROM_THE_COMMAND_LINE=1"),
    ("KCFLAGS-from-environment", "KCFLAGS='-DA=1 -DB=2' make -C $KDIR M=$DIR"),
    ("KCPPFLAGS-and-KAFLAGS", "make -C $KDIR M=$DIR KCPPFLAGS=-DA KAFLAGS=-DB"),
    ("CC", "make -C $KDIR M=$DIR CC=gcc"),
    ("CC-two-words", "make -C $KDIR M=$DIR CC='env gcc-12'"),
    (
        "CFLAGS_MODULE",
        "make -C $KDIR M=$DIR CFLAGS_MODULE=-DX LDFLAGS_MODULE=--no-undefined-version",
    ),
    ("lower-case-variable", "make -C $KDIR M=$DIR name=x"),
    ("unknown-variable", "make -C $KDIR M=$DIR 'ANY THING=a b' X='$$(Y)' Y=z"),
    ("kernelversion", "make -C $KDIR M=$DIR -s kernelversion kernelrelease"),
    ("image_name", "make -C $KDIR M=$DIR -s image_name"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut list: Vec<Case> = ONCE
        .iter()
        .map(|(name, line)| {
            let case = hello(&format!("invocation/{name}")).run(line);
            if line.contains("$TOP/link") { case.prepare("ln -s m $TOP/link") } else { case }
        })
        .collect();
    let two = |name: &str| Case::new(name).example("two-modules");
    list.extend([
        hello("invocation/default-again").build("").build(""),
        hello("invocation/jobs-again").build("-j2").build("-j2"),
        hello("invocation/verbose-again").build("V=1").build("V=1"),
        hello("invocation/trailing-slash-again").build("").run("make -C $KDIR M=$DIR/"),
        hello("invocation/modules_install")
            .build("")
            .build("modules_install INSTALL_MOD_PATH=$TOP/root"),
        hello("invocation/clean").build("").build("clean").build("clean"),
        hello("invocation/help").build("help"),
        hello("invocation/several-targets")
            .build("modules modules_install INSTALL_MOD_PATH=$TOP/root"),
        // A 7.2 tree writes a Makefile into the module's directory for this, and then calls itself
        // with the same words in the same place without end, whatever make is used.
        hello("invocation/clean-and-modules").build("").build("clean modules").only(&[
            "5.10",
            "6.1",
            "6.12",
            "6.1-arm64",
            "6.12-arm64",
        ]),
        hello("invocation/several-targets-j2")
            .build("-j2 modules modules_install INSTALL_MOD_PATH=$TOP/root"),
        hello("invocation/question-after-build").build("").build("-q").build("-q hello.o"),
        hello("invocation/dry-run-after-build").build("").build("-n"),
        hello("invocation/always-make-after-build").build("").build("-B"),
        hello("invocation/touch").build("").run("touch hello.c; make -t -C $KDIR M=$DIR").build(""),
        hello("invocation/what-if-after-build").build("").build("-W $DIR/hello.c").build(""),
        two("invocation/two-j1").build("-j1").build("-j1"),
        two("invocation/two-j2").build("-j2").build("-j2"),
        two("invocation/two-j8").build("-j8").build("clean"),
        two("invocation/output-sync-target").build("-j2 -Otarget"),
        two("invocation/output-sync-line").build("-j2 -Oline"),
        two("invocation/output-sync-recurse").build("-j2 -Orecurse"),
        two("invocation/output-sync").build("-O -j2"),
        two("invocation/load-average").build("-j2 -l 1000"),
        two("invocation/shuffle").build("--shuffle=reverse"),
        two("invocation/under-a-jobserver")
            .file("top.mk", "all:\n\t+@$(MAKE) -C $(KDIR) M=$(DIR)\n")
            .run("make -j2 -f top.mk KDIR=$KDIR DIR=$DIR"),
        hello("invocation/sparse").needs(Need::Program("sparse")).build("C=1").build("C=1"),
        hello("invocation/sparse-C2")
            .needs(Need::Program("sparse"))
            .build("")
            .build("C=2")
            .build("C=2 CF=-Wno-decl"),
        hello("invocation/CHECK").build("C=1 CHECK='echo CHECKED #'"),
    ]);
    list
}
