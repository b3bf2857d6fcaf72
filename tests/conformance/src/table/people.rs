//! `kiln build`, `install` and `clean` as a person types them, beside what make does: with words for
//! make, in a copy of the sources. What is printed differs, so files and exit status are compared.

use kiln_testkit::Case;

/// A line for the program under test, and one for the reference. What other trees need of the
/// environment Kiln has to find by itself.
fn either(ours: &str, theirs: &str) -> String {
    format!(
        "if command -v kiln >/dev/null; then unset ARCH CROSS_COMPILE MAKEFLAGS; {ours}; \
         else {theirs}; fi >$TMPDIR/said 2>&1"
    )
}

/// Two modules, one of them in a directory of its own, with a header and a generated file.
fn sources(name: &str) -> Case {
    Case::new(&format!("people/{name}"))
        .file(
            "Kbuild",
            "obj-m := hello.o\nobj-m += sub/\nhello-y := main.o part.o\n\
             $(obj)/main.o: $(obj)/made.h\n$(obj)/made.h: ; echo '#define MADE 1' >$@\n\
             clean-files := made.h\nccflags-y := -I$(src) -I$(obj)\n",
        )
        .file(
            "main.c",
            "#include <linux/module.h>\n#include \"made.h\"\nint part(void);\n\
             static int __init start(void) { return part() - MADE; }\nmodule_init(start);\n\
             MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"case\");\n",
        )
        .file("part.c", &super::part("part"))
        .file("sub/Kbuild", "obj-m := inner.o\n")
        .file("sub/inner.c", super::MINIMAL)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    const OURS: &str = "kiln build $DIR -k $KDIR -o $TOP/out";
    const THEIRS: &str = "cp -a $DIR $TOP/out && make -C $KDIR M=$TOP/out";
    const ROOT: &str = "INSTALL_MOD_PATH=$TOP/root";
    // Kiln's memory of what it put there, which the reference has no like of.
    const FORGET: &str = "mv $TOP/out/.kiln-sources $TMPDIR";
    vec![
        sources("build")
            .run(&either("kiln build -k $KDIR", "make -C $KDIR M=$DIR"))
            .run(&either("kiln clean -k $KDIR", "make -C $KDIR M=$DIR clean")),
        sources("output-directory").run(&either(&format!("{OURS} && {FORGET}"), THEIRS)),
        // Other trees stand where nobody may not look.
        sources("output-directory-of-a-read-only-source")
            .only(&["5.10", "6.1", "6.12", "7.2"])
            .owned_by_nobody()
            .prepare("chmod -R a-w .; mkdir $TOP/out; chown nobody $TOP/out")
            .run_as_nobody(&either(
                &format!("{OURS} && {FORGET}"),
                "cp -R . $TOP/out && find $TOP/out -type d -exec chmod u+w {} + && make -C $KDIR M=$TOP/out",
            ))
            .run("chmod -R u+w ."),
        sources("output-directory-install").run(&either(
            &format!("{OURS} && kiln install $DIR -k $KDIR -o $TOP/out {ROOT}; {FORGET}"),
            &format!("{THEIRS} && make -C $KDIR M=$TOP/out modules_install {ROOT}"),
        )),
        sources("output-directory-clean").run(&either(
            &format!("{OURS} && kiln clean $DIR -k $KDIR -o $TOP/out; {FORGET}"),
            &format!("{THEIRS} && make -C $KDIR M=$TOP/out clean"),
        )),
    ]
}
