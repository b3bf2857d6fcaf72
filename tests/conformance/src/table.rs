//! The table of cases by area, and the small sources that many of them share.

mod bad_input;
mod blobs;
mod install;
mod invocation;
mod kbuild_files;
mod newer;
mod people;
mod rebuilding;
mod rust;
mod single_files;
mod symbols;

use kiln_testkit::Case;
use kiln_testkit::compat::like;

/// Cases beyond the rows that every run owes on every tree; `*` stands for any text.
const EXTRA: &[&str] = &[
    "invocation/modules_prepare",
    "invocation/M-doubled-slashes",
    "invocation/M-with-dot-dot",
    "invocation/KBUILD_EXTMOD-as-argument",
    "invocation/C-twice",
    "invocation/directory-option",
    "invocation/f-instead-of-C",
    "invocation/wrapper-*",
    "invocation/j-without-number",
    "invocation/jobserver-style-pipe",
    "invocation/ignore-errors",
    "invocation/trace",
    "invocation/*print-directory",
    "invocation/no-builtin-rules",
    "invocation/environment-overrides",
    "invocation/what-if*",
    "invocation/old-file",
    "invocation/warn-undefined",
    "invocation/*MAKEFLAGS-from-environment",
    "invocation/V12",
    "invocation/KBUILD_VERBOSE*",
    "invocation/W2",
    "invocation/We",
    "invocation/KCFLAGS-from*",
    "invocation/KCPPFLAGS*",
    "invocation/CC-two-words",
    "invocation/CFLAGS_MODULE",
    "invocation/lower-case-variable",
    "invocation/unknown-variable",
    "invocation/kernelversion",
    "invocation/image_name",
    "invocation/several-targets-j2",
    "invocation/*-after-build",
    "invocation/touch",
    "invocation/two-j*",
    "invocation/output-sync-*",
    "invocation/load-average",
    "invocation/shuffle",
    "invocation/under-a-jobserver",
    "invocation/*-again",
    "invocation/CHECK",
    "single-files/symtypes",
    "single-files/module-and-object",
    "single-files/subdirectory-*",
    "single-files/all-*",
    "single-files/composite-object",
    "single-files/mod-file",
    "single-files/no-*",
    "single-files/absolute",
    "single-files/several-j2",
    "single-files/object-then-all",
    "example/*-direct",
    "kbuild/no-newline-at-end",
    "kbuild/crlf",
    "kbuild/m",
    "kbuild/object-named-twice",
    "kbuild/shared-object",
    "kbuild/directories-*",
    "kbuild/subdir-m",
    "kbuild/CONFIG-set-here",
    "kbuild/ccflags-*",
    "kbuild/AFLAGS_x",
    "kbuild/hostprogs-composite",
    "kbuild/targets",
    "kbuild/filechk",
    "kbuild/generated-source",
    "kbuild/include",
    "kbuild/eval-and-call",
    "kbuild/shell",
    "kbuild/warning-and-info",
    "kbuild/compiler-warning",
    "kbuild/name-with-*",
    "kbuild/empty",
    "kbuild/long-list",
    "kbuild/O*",
    "kbuild/override-objtool",
    "blobs/shipped-*",
    "blobs/plain-make",
    "symbols/exports-symtypes",
    "symbols/gpl-only*",
    "symbols/extra-symbols-from-environment",
    "symbols/extra-symbols-missing",
    "symbols/common-directory-other-order",
    "symbols/symvers-5-columns-namespace",
    "symbols/symvers-namespace-first",
    "symbols/symvers-empty",
    "symbols/symvers-nonsense",
    "symbols/symvers-same-symbol-twice",
    "symbols/symvers-kernel-symbol",
    "symbols/undefined-*-*",
    "symbols/no-*",
    "symbols/exported-*",
    "symbols/kernel-without-symvers",
    "install/path-*",
    "install/directory-nested",
    "install/strip-options",
    "install/verbose",
    "install/dry-run",
    "install/silent",
    "install/nothing-built",
    "install/wrapper",
    "install/file-in-the-way",
    "install/*compressed*",
    "install/signed-*",
    "install/signing-key-missing",
    "install/depmod-without-map",
    "rebuilding/Kbuild-*-*",
    "rebuilding/again-*",
    "rebuilding/composite-removed",
    "rebuilding/mod-*",
    "rebuilding/order-removed",
    "rebuilding/symvers-removed",
    "rebuilding/*cmd-*",
    "rebuilding/object-*e*",
    "rebuilding/header-replaced*",
    "rebuilding/source-older",
    "rebuilding/source-in-the-future",
    "rebuilding/compiler-on*",
    "rebuilding/warnings-on",
    "rebuilding/verbose-says-why",
    "rebuilding/after-clean",
    "rebuilding/kernel-*",
    "rebuilding/kiln-*",
    "bad-input/KDIR-is-a-file",
    "bad-input/KDIR-without-*",
    "bad-input/M-is-a-file",
    "bad-input/M-with-percent",
    "bad-input/two-M",
    "bad-input/*-keep-going*",
    "bad-input/unknown-option",
    "bad-input/bad-jobs",
    "bad-input/no-*",
    "bad-input/source-*",
    "bad-input/header-missing",
    "bad-input/syntax-*-*",
    "bad-input/include-missing",
    "bad-input/error-function",
    "bad-input/self-reference",
    "bad-input/recipe-*",
    "bad-input/own-source",
    "bad-input/compile-error-ignored",
    "bad-input/full-disk-1*",
    "bad-input/full-disk-3*",
];

/// Cases that are owed on every tree although a pattern above would take them.
const OWED: &[&str] = &[
    "install/path",
    "install/compressed-xz",
    "rebuilding/object-removed",
    "bad-input/no-such-KDIR",
    "bad-input/no-such-M",
    "bad-input/no-Kbuild",
    "bad-input/compile-error-keep-going",
    "bad-input/syntax-missing-separator",
    "bad-input/syntax-unclosed-ifeq",
];

/// All of the table.
pub fn cases() -> Vec<Case> {
    let mut all = [
        invocation::cases(),
        single_files::cases(),
        kbuild_files::cases(),
        blobs::cases(),
        symbols::cases(),
        install::cases(),
        rebuilding::cases(),
        bad_input::cases(),
        newer::cases(),
        people::cases(),
        rust::cases(),
    ]
    .concat();
    for case in &mut all {
        let extra = EXTRA.iter().any(|p| like(p, &case.name));
        case.extra = extra && !OWED.contains(&case.name.as_str());
    }
    all
}

/// A module that does nothing.
const MINIMAL: &str = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n\
                       MODULE_DESCRIPTION(\"case\");\n";

/// An object that offers `int NAME(void)` to its own module.
fn part(name: &str) -> String {
    format!("int {name}(void);\nint {name}(void)\n{{\n\treturn 1;\n}}\n")
}

/// A case that starts with `examples/hello`.
fn hello(name: &str) -> Case {
    Case::new(name).example("hello")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_names_a_case() {
        let all = cases();
        for p in EXTRA.iter().chain(OWED) {
            assert!(all.iter().any(|c| like(p, &c.name)), "{p} names no case");
        }
    }
}
