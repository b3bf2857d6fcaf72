//! What a module's author writes into Kbuild files.

use kiln_testkit::Case;

use super::{MINIMAL, part};

/// A module foo of foo.c alone, with that Kbuild.
fn foo(name: &str, kbuild: &str) -> Case {
    Case::new(&format!("kbuild/{name}")).file("Kbuild", kbuild).file("foo.c", MINIMAL)
}

/// A module foo of the parts a and b, with that Kbuild.
fn parts(name: &str, kbuild: &str) -> Case {
    Case::new(&format!("kbuild/{name}"))
        .file("Kbuild", kbuild)
        .file("a.c", MINIMAL)
        .file("b.c", &part("b"))
}

/// Built, built again, cleaned.
fn cycle(case: Case) -> Case {
    case.build("").build("").build("clean")
}

const ASSEMBLY: &str = "#include <linux/linkage.h>\nSYM_FUNC_START(low)\n\tmov $VALUE, %eax\n\
                        \tRET\nSYM_FUNC_END(low)\n";

pub(super) fn cases() -> Vec<Case> {
    let mut list: Vec<Case> = examples();
    list.extend(
        [
            foo("one-source", "obj-m := foo.o\n"),
            foo("no-newline-at-end", "obj-m := foo.o"),
            foo("crlf", "obj-m := foo.o\r\n"),
            parts("y", "obj-m := foo.o\nfoo-y := a.o b.o\n"),
            parts("objs", "obj-m := foo.o\nfoo-objs := a.o b.o\n"),
            parts("m", "obj-m := foo.o\nfoo-m := a.o b.o\n"),
            parts("y-and-objs", "obj-m := foo.o\nfoo-objs := a.o\nfoo-y += b.o\n"),
            parts("object-named-twice", "obj-m := foo.o foo.o\nfoo-y := a.o b.o a.o\n"),
            foo("Kbuild-before-Makefile", "obj-m := foo.o\n")
                .file("Makefile", "$(error the Makefile was read)\n"),
            Case::new("kbuild/Makefile-alone").file("Makefile", "obj-m := foo.o\n").file("foo.c", MINIMAL),
            parts("several-modules", "obj-m := foo.o bar.o\nfoo-y := a.o\nbar-y := c.o b.o\n")
                .file("c.c", MINIMAL),
            Case::new("kbuild/shared-object")
                .file("Kbuild", "obj-m := foo.o bar.o\nfoo-y := a.o b.o\nbar-y := c.o b.o\n")
                .file("a.c", MINIMAL)
                .file("c.c", MINIMAL)
                .file("b.c", &part("b")),
            directories("directories", "obj-m := foo/ bar/\n"),
            directories("directories-obj-y", "obj-y := foo/ bar/\n"),
            directories("subdir-m", "subdir-m := foo bar\n"),
            directories("directories-and-module", "obj-m := foo/ top.o bar/\n")
                .file("top.c", MINIMAL),
            Case::new("kbuild/nested-directories")
                .file("Kbuild", "obj-m := a/\n")
                .file("a/Kbuild", "obj-m := b/ one.o\n")
                .file("a/one.c", MINIMAL)
                .file("a/b/Makefile", "obj-m := c/ two.o\n")
                .file("a/b/two.c", MINIMAL)
                .file("a/b/c/Kbuild", "obj-m := three.o\n")
                .file("a/b/c/three.c", MINIMAL),
            foo("CONFIG", "obj-$(CONFIG_BLK_DEV_LOOP) := foo.o\nobj-$(CONFIG_ABSENT) += absent.o\n"),
            foo("CONFIG-set-here", "CONFIG_FOO ?= m\nobj-$(CONFIG_FOO) := foo.o\n"),
            foo("src-and-obj", "obj-m := foo.o\n$(info src=$(src) obj=$(obj) srctree=$(srctree))\n\
                ccflags-y := -I$(src)/inc -DOBJ='\"$(obj)\"'\n").file("inc/x.h", ""),
            foo("ccflags", "obj-m := foo.o\nccflags-y := -DX=1 -DY='\"a b\"'\n"),
            foo("ccflags-quotes", "obj-m := foo.o\nccflags-y := -DQ=\"\\\"it's\\\"\" -DH=\\#\n"),
            foo("ccflags-m", "obj-m := foo.o\nccflags-m := -DX=1\n"),
            foo("EXTRA_CFLAGS", "obj-m := foo.o\nEXTRA_CFLAGS := -DX=1\n"),
            foo("CFLAGS_x", "obj-m := foo.o\nCFLAGS_foo.o := -DX=1 -O1\n"),
            foo("CFLAGS_REMOVE", "obj-m := foo.o\nccflags-y := -DX -DY\nCFLAGS_REMOVE_foo.o := -DX\n"),
            foo("ccflags-remove", "obj-m := foo.o\nccflags-remove-y := -Wundef\n"),
            directories("subdir-ccflags", "obj-m := foo/ bar/\nsubdir-ccflags-y := -DBELOW=1\n"),
            foo("ldflags", "obj-m := foo.o\nldflags-y := --no-warn-mismatch\n"),
            assembly("assembly", "obj-m := foo.o\nfoo-y := a.o low.o\nasflags-y := -DVALUE=7\n"),
            assembly("AFLAGS_x", "obj-m := foo.o\nfoo-y := a.o low.o\nAFLAGS_low.o := -DVALUE=9\n"),
            parts("hostprogs", "obj-m := foo.o\nfoo-y := a.o b.o\nhostprogs := tool\n\
                always-y := tool\nHOSTCFLAGS_tool.o := -DX\n")
                .file("tool.c", "int main(void) { return 0; }\n"),
            parts("hostprogs-composite", "obj-m := foo.o\nfoo-y := a.o b.o\n\
                hostprogs-always-y := tool\ntool-objs := t1.o t2.o\n")
                .file("t1.c", "int t2(void);\nint main(void) { return t2(); }\n")
                .file("t2.c", "int t2(void);\nint t2(void) { return 0; }\n"),
            foo("always", "obj-m := foo.o\nalways-y := note.txt\n\
                $(obj)/note.txt: $(src)/foo.c\n\tcp $< $@\n"),
            foo("extra", "obj-m := foo.o\nextra-y := more.o\nalways-m := other.o\n")
                .file("more.c", &part("more"))
                .file("other.c", &part("other")),
            foo("targets", "obj-m := foo.o\ntargets += x.txt\nclean-files := y.txt sub\n\
                $(obj)/foo.o: $(obj)/x.txt\n$(obj)/x.txt:\n\techo x >$@; cp $@ $(@D)/y.txt\n"),
            foo("if_changed", "obj-m := foo.o\nalways-y := x.txt\n\
                quiet_cmd_count = COUNT   $@\n      cmd_count = wc -l <$< >$@\n\
                $(obj)/x.txt: $(src)/foo.c FORCE\n\t$(call if_changed,count)\n"),
            foo("filechk", "obj-m := foo.o\nalways-y := v.h\n\
                filechk_v = echo '\\#define V 3'\n\
                $(obj)/v.h: FORCE\n\t$(call filechk,v)\n"),
            foo("generated-header", "obj-m := foo.o\nccflags-y := -I$(obj)\n\
                $(obj)/foo.o: $(obj)/gen.h\nclean-files := gen.h\n\
                quiet_cmd_gen = GEN     $@\n      cmd_gen = echo '\\#define GENERATED 1' >$@\n\
                targets += gen.h\n$(obj)/gen.h: FORCE\n\t$(call if_changed,gen)\n")
                .file("foo.c", "#include \"gen.h\"\n#include <linux/module.h>\n\
                    MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"x\");\nint v = GENERATED;\n"),
            foo("generated-source", "obj-m := foo.o gen.o\n\
                quiet_cmd_gen = GEN     $@\n      cmd_gen = cp $< $@\n\
                targets += gen.c\n$(obj)/gen.c: $(src)/foo.c FORCE\n\t$(call if_changed,gen)\n"),
            foo("include", "include $(src)/common.mk\n-include $(src)/absent.mk\n")
                .file("common.mk", "obj-m := foo.o\n"),
            foo("eval-and-call", "define one\nobj-m += $(1).o\n$(1)-y := $(1)_main.o\nendef\n\
                $(foreach n,p q,$(eval $(call one,$(n))))\n")
                .file("p_main.c", MINIMAL)
                .file("q_main.c", MINIMAL),
            foo("shell", "V := $(shell echo 5)\nobj-m := foo.o\nccflags-y := -DV=$(V)\n"),
            foo("cc-option", "obj-m := foo.o\nccflags-y += $(call cc-option,-Wno-unused)\n\
                ccflags-y += $(call cc-option,-Wthere-is-no-such,-DNONE)\n\
                ccflags-y += $(call cc-disable-warning,format-security)\n"),
            foo("warning-and-info", "obj-m := foo.o\n$(warning careful)\n$(info note)\n"),
            foo("compiler-warning", "obj-m := foo.o\nccflags-y := -Wall -Wunused\n")
                .file("foo.c", &format!("{MINIMAL}static void unused(void) {{ }}\n")),
            foo("name-with-dash", "obj-m := a-b.o\n").file("a-b.c", MINIMAL),
            foo("name-with-comma", "obj-m := a,b.o\n").file("a,b.c", MINIMAL),
            foo("empty", "\n"),
            foo("long-list", "obj-m := $(foreach n,1 2 3 4 5 6 7 8,m$(n).o)\n")
                .prepare("for n in 1 2 3 4 5 6 7 8; do cp foo.c m$n.c; done"),
            foo("OBJECT_FILES_NON_STANDARD", "obj-m := foo.o\nOBJECT_FILES_NON_STANDARD := y\n"),
            foo("override-objtool", "obj-m := foo.o\n$(obj)/foo.o: objtool-enabled :=\n"),
            foo("device-table", "obj-m := foo.o\n").file("foo.c", "#include <linux/module.h>\n\
                #include <linux/usb.h>\nstatic const struct usb_device_id t[] = {\n\
                \t{ USB_DEVICE(0x1234, 0x5678) }, { USB_INTERFACE_INFO(8, 6, 80) }, { } };\n\
                MODULE_DEVICE_TABLE(usb, t);\nMODULE_LICENSE(\"GPL\");\nMODULE_VERSION(\"1.2\");\n\
                MODULE_AUTHOR(\"nobody\");\nMODULE_ALIAS(\"other\");\nMODULE_SOFTDEP(\"pre: crc32c\");\n"),
        ]
        .map(cycle),
    );
    list
}

/// Every module in `examples/`, as a person would build it.
fn examples() -> Vec<Case> {
    let list = [
        "shared-makefile",
        "separate-kbuild",
        "backward-compatible",
        "include-kernel-makefile",
        "binary-blob",
        "two-modules",
        "single-subdirectory",
        "several-subdirectories",
        "common-kbuild",
        "extra-symbols",
        "config-option",
    ];
    let mut cases = Vec::new();
    for name in list {
        let plain = "make KDIR=$KDIR";
        cases.push(Case::new(&format!("example/{name}")).example(name).run(plain).run(plain));
        let direct = ["binary-blob", "extra-symbols"];
        if !direct.contains(&name) {
            let case = Case::new(&format!("example/{name}-direct")).example(name);
            cases.push(case.build("-j2").build("-j2").build("clean"));
        }
    }
    cases
}

fn directories(name: &str, kbuild: &str) -> Case {
    Case::new(&format!("kbuild/{name}"))
        .file("Kbuild", kbuild)
        .file("foo/Kbuild", "obj-m := foo.o\n")
        .file("foo/foo.c", MINIMAL)
        .file("bar/Makefile", "obj-m := bar.o\n")
        .file("bar/bar.c", MINIMAL)
}

fn assembly(name: &str, kbuild: &str) -> Case {
    Case::new(&format!("kbuild/{name}"))
        .file("Kbuild", kbuild)
        .file("a.c", MINIMAL)
        .file("low.S", ASSEMBLY)
}
