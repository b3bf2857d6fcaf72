//! Which modpost: everything that changed from kernel to kernel, as values in one table.
//!
//! A row was compared with the program of its kernels; between two kernels of one row nothing that
//! shows has changed. Code elsewhere asks the row and never a version number. The file does not know
//! how a row's values are carried out.

use super::devtable::Scheme;
use super::mismatch::{self, Rules};
use super::srcversion::Members;
use crate::kernel::Release;

/// The wording of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Words {
    /// As in 5.10.
    V5_10,
    /// As in 6.1.
    V6_1,
    /// As from 6.12 to 7.2.
    V6_12,
    /// As in 7.3: most messages begin with the module's name.
    V7_3,
}

/// How an object records what it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exports {
    /// Symbols `__ksymtab_x` wherever they lie; the section only gives the class, of which there are
    /// six. A later export of a name takes the earlier one's place.
    AnyKsymtabSymbol,
    /// Symbols `__ksymtab_x` in the sections of two classes.
    KsymtabSections,
    /// Relocations in a section `.export_symbol`.
    Records,
}

/// Where the CRC of an export comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crcs {
    /// A symbol `__crc_x`.
    Symbols,
    /// `#SYMVER` lines in the members' `.cmd` files.
    CommandFiles {
        /// A member `x.thinlto-native.o` has its lines in `.x.o.cmd`.
        thin_lto: bool,
    },
}

/// What a line that does not fit the line buffer becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// It is cut, and the missing bytes are NULs.
    Cut,
    /// The run ends.
    Fatal,
}

/// When a missing description is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Description {
    /// Never.
    Unchecked,
    /// With `-W`.
    WithExtraWarnings,
    /// Always.
    Always,
}

/// The lines of `.mod.c` for one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportLines {
    /// None: the compiler made the entry. A CRC line names the GPL class.
    CrcOnly,
    /// A line whose class is the second argument.
    WithClass,
    /// A line, and one for the flags; the CRC line has no class.
    WithFlags,
}

/// A part of `.mod.c`, in the order of [`Flavor::mod_c`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// This text.
    Text(&'static str),
    /// The module structure.
    Module,
    /// The tag of modules that came with the kernel.
    InTree,
    /// The tag of modules below this directory.
    Below(&'static str, &'static str),
    /// Entries and CRCs of exports.
    Exports,
    /// The basic version table.
    Versions,
    /// The extended version tables.
    ExtendedVersions,
    /// The names of the modules that are needed.
    Depends,
    /// The aliases from the device tables.
    Aliases,
    /// The source version.
    SourceVersion,
}

/// The behaviour of one modpost.
#[derive(Debug)]
pub struct Flavor {
    /// The first and the last kernel that was compared.
    measured: (Release, Release),
    /// Option letters as `getopt` wants them.
    pub options: &'static [u8],
    /// The wording of messages.
    pub words: Words,
    /// The word before a message that ends the run.
    pub fatal_word: &'static str,
    /// Modules and references are kept newest first, and the module structure's version comes first.
    pub newest_first: bool,
    /// After an error nothing is written, and the exit status is 1. Otherwise only errors of the
    /// checks count, and all files are written.
    pub errors_stop_files: bool,
    /// All modules are checked before the first file is written.
    pub checks_before_files: bool,
    /// `-T -` is standard input.
    pub list_from_stdin: bool,
    /// Objects must be called `.o`.
    pub wants_object_suffix: bool,
    /// How many undefined symbols are reported one by one.
    pub undefined_limit: Option<u32>,
    /// Undefined symbols are reported only when the kernel's own symbols are known.
    pub undefined_needs_vmlinux: bool,
    /// A dump line with an export class that nobody knows is kept.
    pub accepts_unknown_class: bool,
    /// Two dumps may describe a module of the same name.
    pub modules_per_dump: bool,
    /// A missing licence is an error.
    pub license_required: bool,
    /// When a missing description is mentioned.
    pub description: Description,
    /// Namespaces that begin with `module:` list the modules that may use them.
    pub module_namespaces: bool,
    /// Prefixes of undefined names that are never reported, beyond those of every version.
    pub ignored_undefined: &'static [&'static str],
    /// The same for one machine.
    pub ignored_by_machine: &'static [(u16, &'static [&'static str])],
    /// How exports are recorded.
    pub exports: Exports,
    /// Where CRCs come from.
    pub crcs: Crcs,
    /// A section `.no_trim_symbol` names exports that stay.
    pub keeps_no_trim_symbols: bool,
    /// `-m` alone writes the basic version table; otherwise `-b` does.
    pub versions_by_m: bool,
    /// A CRC in that table is padded with blanks instead of zeros.
    pub blank_padded_crc: bool,
    /// The lines for an export.
    pub export_lines: ExportLines,
    /// The parts of `.mod.c`.
    pub mod_c: &'static [Block],
    /// What happens to long lines.
    pub overlong: Overlong,
    /// How `.mod` lists the members.
    pub members: Members,
    /// Section mismatch checks.
    pub mismatch: &'static Rules,
    /// Device tables.
    pub devices: Scheme,
}

const PPC32: (u16, &[&str]) = (
    crate::elf::machine::PPC,
    &["_restgpr_", "_savegpr_", "_rest32gpr_", "_save32gpr_", "_restvr_", "_savevr_"],
);
const PPC64_OLD: (u16, &[&str]) =
    (crate::elf::machine::PPC64, &["_restgpr0_", "_savegpr0_", "_restvr_", "_savevr_"]);
const PPC64: (u16, &[&str]) = (
    crate::elf::machine::PPC64,
    &[
        "_restgpr0_",
        "_savegpr0_",
        "_restgpr1_",
        "_savegpr1_",
        "_restfpr_",
        "_savefpr_",
        "_restvr_",
        "_savevr_",
    ],
);
const S390: (u16, &[&str]) = (crate::elf::machine::S390, &["__s390_indirect_jump_r"]);

const RETPOLINE: Block =
    Block::Text("\n#ifdef CONFIG_RETPOLINE\nMODULE_INFO(retpoline, \"Y\");\n#endif\n");
const STAGING: Block = Block::Below("drivers/staging", "staging");
const TEST: Block = Block::Below("tools/testing", "test");

const MOD_C_5_10: &[Block] = &[
    Block::Text(
        "#include <linux/module.h>\n#define INCLUDE_VERMAGIC\n#include <linux/build-salt.h>\n\
         #include <linux/vermagic.h>\n#include <linux/compiler.h>\n\nBUILD_SALT;\n\n\
         MODULE_INFO(vermagic, VERMAGIC_STRING);\nMODULE_INFO(name, KBUILD_MODNAME);\n",
    ),
    Block::Module,
    Block::InTree,
    RETPOLINE,
    STAGING,
    Block::Versions,
    Block::Depends,
    Block::Aliases,
    Block::SourceVersion,
];

const MOD_C_6_1: &[Block] = &[
    Block::Text(
        "#include <linux/module.h>\n#define INCLUDE_VERMAGIC\n#include <linux/build-salt.h>\n\
         #include <linux/elfnote-lto.h>\n#include <linux/export-internal.h>\n\
         #include <linux/vermagic.h>\n#include <linux/compiler.h>\n\nBUILD_SALT;\n\
         BUILD_LTO_INFO;\n\nMODULE_INFO(vermagic, VERMAGIC_STRING);\n\
         MODULE_INFO(name, KBUILD_MODNAME);\n",
    ),
    Block::Module,
    Block::InTree,
    RETPOLINE,
    STAGING,
    TEST,
    Block::Exports,
    Block::Versions,
    Block::Depends,
    Block::Aliases,
    Block::SourceVersion,
];

const MOD_C_6_12: &[Block] = &[
    Block::Text(
        "#include <linux/module.h>\n#include <linux/export-internal.h>\n\
         #include <linux/compiler.h>\n\nMODULE_INFO(name, KBUILD_MODNAME);\n",
    ),
    Block::Module,
    Block::InTree,
    STAGING,
    TEST,
    Block::Exports,
    Block::Versions,
    Block::ExtendedVersions,
    Block::Depends,
    Block::Aliases,
    Block::SourceVersion,
];

const V5_10: Flavor = Flavor {
    measured: (Release::new(5, 10), Release::new(5, 10)),
    options: b"ei:mnT:o:awENd:",
    words: Words::V5_10,
    fatal_word: "FATAL: ",
    newest_first: true,
    errors_stop_files: false,
    checks_before_files: false,
    list_from_stdin: true,
    wants_object_suffix: false,
    undefined_limit: None,
    undefined_needs_vmlinux: true,
    accepts_unknown_class: true,
    modules_per_dump: false,
    license_required: false,
    description: Description::Unchecked,
    module_namespaces: false,
    ignored_undefined: &[],
    ignored_by_machine: &[PPC32, PPC64_OLD],
    exports: Exports::AnyKsymtabSymbol,
    crcs: Crcs::Symbols,
    keeps_no_trim_symbols: false,
    versions_by_m: true,
    blank_padded_crc: true,
    export_lines: ExportLines::CrcOnly,
    mod_c: MOD_C_5_10,
    overlong: Overlong::Cut,
    members: Members::FirstLineWords,
    mismatch: &mismatch::V5_10,
    devices: Scheme::V5_10,
};

const V6_1: Flavor = Flavor {
    measured: (Release::new(6, 1), Release::new(6, 1)),
    options: b"ei:mnT:o:aWwENd:",
    words: Words::V6_1,
    newest_first: false,
    errors_stop_files: true,
    wants_object_suffix: true,
    undefined_limit: Some(10),
    undefined_needs_vmlinux: false,
    accepts_unknown_class: false,
    license_required: true,
    ignored_by_machine: &[PPC32, PPC64, S390],
    exports: Exports::KsymtabSections,
    crcs: Crcs::CommandFiles { thin_lto: false },
    mod_c: MOD_C_6_1,
    overlong: Overlong::Fatal,
    members: Members::Lines,
    mismatch: &mismatch::V6_1,
    devices: Scheme::V6_1,
    ..V5_10
};

const V6_12: Flavor = Flavor {
    measured: (Release::new(6, 12), Release::new(6, 12)),
    options: b"ei:MmnT:to:au:WwENd:",
    words: Words::V6_12,
    fatal_word: "ERROR: ",
    checks_before_files: true,
    list_from_stdin: false,
    description: Description::WithExtraWarnings,
    ignored_by_machine: &[PPC32, PPC64],
    exports: Exports::Records,
    export_lines: ExportLines::WithClass,
    mod_c: MOD_C_6_12,
    mismatch: &mismatch::V6_12,
    devices: Scheme::V6_12,
    ..V6_1
};

const V7_2: Flavor = Flavor {
    measured: (Release::new(7, 2), Release::new(7, 2)),
    options: b"ei:MmnT:to:au:WwENd:xb",
    modules_per_dump: true,
    description: Description::Always,
    module_namespaces: true,
    ignored_undefined: &["__start_", "__stop_"],
    crcs: Crcs::CommandFiles { thin_lto: true },
    keeps_no_trim_symbols: true,
    versions_by_m: false,
    blank_padded_crc: false,
    export_lines: ExportLines::WithFlags,
    mismatch: &mismatch::V7_2,
    devices: Scheme::V7_2,
    ..V6_12
};

const V7_3: Flavor = Flavor {
    measured: (Release::new(7, 3), Release::new(7, 3)),
    words: Words::V7_3,
    devices: Scheme::V7_3,
    ..V7_2
};

static FLAVORS: [Flavor; 5] = [V5_10, V6_1, V6_12, V7_2, V7_3];

/// What can be seen of a tree before its modpost is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The release string (`include/config/kernel.release`, or VERSION and PATCHLEVEL of the top
    /// makefile with a dot between).
    pub release: Option<&'a [u8]>,
    /// The arguments that the tree's makefile gives to modpost; empty if they are not known.
    pub arguments: &'a [Vec<u8>],
}

/// The behaviour that a tree's modpost has, or nothing when the tree fits no row: a release that was
/// never compared, or arguments that the row's program would refuse (a tree with patches).
#[must_use]
pub fn detect(evidence: &Evidence<'_>) -> Option<&'static Flavor> {
    let flavor = Flavor::for_release(Release::parse(evidence.release?)?)?;
    let knows = |arg: &Vec<u8>| match arg.as_slice() {
        [b'-', letter, ..] if *letter != b'-' => flavor.options.contains(letter),
        _ => true,
    };
    evidence.arguments.iter().all(knows).then_some(flavor)
}

impl Flavor {
    /// The behaviour of this kernel's modpost, or nothing if it is not known.
    #[must_use]
    pub fn for_release(release: Release) -> Option<&'static Self> {
        FLAVORS.iter().find(|row| row.measured.0 <= release && release <= row.measured.1)
    }

    /// The likeliest behaviour of a kernel that was never measured: worth trying beside the tree's own
    /// program, not worth trusting.
    #[must_use]
    pub fn nearest(release: Release) -> &'static Self {
        FLAVORS.iter().rev().find(|row| row.measured.0 <= release).unwrap_or(&FLAVORS[0])
    }

    /// Every row, oldest first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FLAVORS
    }

    /// The oldest kernel of the row.
    #[must_use]
    pub fn first_release(&self) -> Release {
        self.measured.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection() {
        let detect = |release: &str, args: &[&str]| {
            let args: Vec<Vec<u8>> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
            let evidence = Evidence { release: Some(release.as_bytes()), arguments: &args };
            detect(&evidence).map(|f| f.first_release().to_string())
        };
        assert_eq!(
            detect("6.12.117+deb12-amd64\n", &["-M", "-m", "-o", "x"]).as_deref(),
            Some("6.12")
        );
        assert_eq!(detect("6.1.0-56-amd64", &["-M"]), None);
        assert_eq!(detect("6.6.1", &[]), None);
        assert_eq!(detect("7.3-rc7", &["-x", "-b"]).as_deref(), Some("7.3"));
        assert_eq!(detect("linux", &[]), None);
    }
}
