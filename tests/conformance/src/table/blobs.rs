//! Objects that come without source.

use kiln_testkit::Case;

pub(super) fn cases() -> Vec<Case> {
    let blob = |name: &str| {
        Case::new(name).example("binary-blob").prepare(
            "gcc -O2 -ffreestanding -fno-pic -mno-red-zone -mcmodel=kernel \
             -c blob/8123_bin.c -o 8123_bin.o_shipped",
        )
    };
    vec![
        blob("blobs/shipped").build("").build(""),
        blob("blobs/shipped-touched").build("").run("touch *_shipped; make -C $KDIR M=$DIR"),
        blob("blobs/shipped-clean").build("").build("clean"),
        blob("blobs/shipped-verbose").build("V=1"),
        blob("blobs/shipped-by-name").build("8123_bin.o"),
        blob("blobs/with-cmd-file")
            .file(".8123_bin.o.cmd", "cmd_8123_bin.o := shipped\n")
            .build("")
            .build(""),
        blob("blobs/plain-make").run("make KDIR=$KDIR").run("make KDIR=$KDIR"),
        Case::new("blobs/shipped-missing").example("binary-blob").build(""),
        Case::new("blobs/shipped-source")
            .file("Kbuild", "obj-m := gen.o\n")
            .file("gen.c_shipped", super::MINIMAL)
            .build("")
            .build("")
            .build("clean"),
    ]
}
