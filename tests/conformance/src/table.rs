//! The table of cases by area, and the small sources that many of them share.

mod bad_input;
mod blobs;
mod install;
mod invocation;
mod kbuild_files;
mod rebuilding;
mod single_files;
mod symbols;

use kiln_testkit::Case;

/// All of the table.
pub fn cases() -> Vec<Case> {
    [
        invocation::cases(),
        single_files::cases(),
        kbuild_files::cases(),
        blobs::cases(),
        symbols::cases(),
        install::cases(),
        rebuilding::cases(),
        bad_input::cases(),
    ]
    .concat()
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
