//! The rules of the section mismatch check: which sections must not refer to which, and which
//! references are let through after all.
//!
//! The lists are those of the kernels' `scripts/mod/modpost.c`. Nothing here looks at an object.

/// What kind of mistake a rule finds; the old program explains each in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modpost) enum Kind {
    /// Code that stays refers to code or data that goes.
    TextToInit,
    /// Data that stays refers to what goes after initialisation.
    DataToInit,
    /// Code refers to what is there only for unloading.
    TextToExit,
    /// Data refers to what is there only for unloading.
    DataToExit,
    /// Code or data that lives longer refers to some that lives shorter.
    LongToShort,
    /// Initialisation refers to what is there only for unloading.
    InitToExit,
    /// Unloading refers to what is gone after initialisation.
    ExitToInit,
    /// Something that goes is exported.
    ExportToInitExit,
    /// A fault would be handled outside of code.
    ExceptionTable,
}

/// A rule: it fits a reference whose source section is in `from`, and whose target is in `bad`, or is
/// not in `good` if there is such a list.
#[derive(Debug)]
pub(in crate::modpost) struct Check {
    pub(super) from: &'static [&'static str],
    pub(super) bad: &'static [&'static str],
    pub(super) good: &'static [&'static str],
    pub(super) kind: Kind,
    /// Data objects with these names may break the rule (and the old program says so).
    pub(super) allowed: &'static [&'static str],
}

/// Data objects with names like `from` may refer to sections like `to`.
#[derive(Debug)]
pub(super) struct Exemption {
    pub(super) to: &'static [&'static str],
    pub(super) from: &'static [&'static str],
    /// Not with `-W`.
    pub(super) unless_extra: bool,
}

/// How relocations are read, symbols searched and findings told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modpost) enum Manner {
    /// As in 5.10: the source section is named by the relocation section, and findings are explained.
    Explained,
    /// As in 6.1.
    Terse,
    /// Since 6.12: offsets are shown, every addend is decoded, nearest symbols come from a sorted
    /// table.
    Precise,
}

/// All rules of one version.
#[derive(Debug)]
pub struct Rules {
    pub(super) manner: Manner,
    pub(super) checks: &'static [Check],
    /// Sections whose relocations are not looked at.
    pub(super) ignored: &'static [&'static str],
    pub(super) init_data: &'static [&'static str],
    pub(super) init: &'static [&'static str],
    pub(super) exit: &'static [&'static str],
    pub(super) text: &'static [&'static str],
    pub(super) exemptions: &'static [Exemption],
    /// References from symbols that begin with `.L` are let through.
    pub(super) hides_local_labels: bool,
}

pub(super) const DATA: &[&str] = &[".data", ".data.rel"];

macro_rules! lists {
    ($($name:ident = [$($item:literal),* $(,)?];)*) => {
        $(const $name: &[&str] = &[$($item),*];)*
    };
}

lists! {
    PCI = [".pci_fixup_early", ".pci_fixup_header", ".pci_fixup_final", ".pci_fixup_enable",
        ".pci_fixup_resume", ".pci_fixup_resume_early", ".pci_fixup_suspend"];
    INIT = [".init.*"];
    MEM_INIT = [".meminit.*"];
    ANY_INIT = [".init.*", ".meminit.*"];
    EXIT = [".exit.*"];
    MEM_EXIT = [".memexit.*"];
    ANY_EXIT = [".exit.*", ".memexit.*"];
    INIT_EXIT = [".init.*", ".exit.*"];
    INIT_DATA = [".init.setup", ".init.rodata", ".init.data"];
    ANY_INIT_DATA = [".init.setup", ".init.rodata", ".meminit.rodata", ".init.data", ".meminit.data"];
    KSYMTAB = ["___ksymtab*"];
    EX_TABLE = ["__ex_table"];
    ALTERNATIVES = [".altinstr_replacement"];

    TEXT_5_10 = [".text", ".text.unlikely", ".sched.text", ".kprobes.text", ".cpuidle.text",
        ".noinstr.text"];
    TEXT = [".text", ".text.*", ".sched.text", ".kprobes.text", ".cpuidle.text", ".noinstr.text",
        ".ltext", ".ltext.*"];
    TEXT_AND_DATA = [".text", ".text.*", ".sched.text", ".kprobes.text", ".cpuidle.text",
        ".noinstr.text", ".ltext", ".ltext.*", ".data", ".data.rel"];
    ALL_TEXT_5_10 = [".init.text", ".meminit.text", ".exit.text", ".memexit.text", ".text",
        ".text.unlikely", ".sched.text", ".kprobes.text", ".cpuidle.text", ".noinstr.text", ".ref.text",
        ".head.text", ".spinlock.text", ".fixup", ".entry.text", ".exception.text", ".text.*",
        ".coldtext"];
    ALL_TEXT_6_1 = [".init.text", ".meminit.text", ".exit.text", ".text", ".text.*", ".sched.text",
        ".kprobes.text", ".cpuidle.text", ".noinstr.text", ".ltext", ".ltext.*", ".ref.text",
        ".head.text", ".spinlock.text", ".fixup", ".entry.text", ".exception.text", ".coldtext",
        ".softirqentry.text", ".irqentry.text"];
    ALL_TEXT_6_12 = [".init.text", ".exit.text", ".text", ".text.*", ".sched.text", ".kprobes.text",
        ".cpuidle.text", ".noinstr.text", ".ltext", ".ltext.*", ".ref.text", ".head.text",
        ".spinlock.text", ".fixup", ".entry.text", ".exception.text", ".coldtext",
        ".softirqentry.text", ".irqentry.text"];

    DRIVERS = ["*driver", "*_template", "*_timer", "*_sht", "*_ops", "*_probe", "*_probe_one",
        "*_console"];
    TEMPLATES = ["*_template", "*_timer", "*_sht", "*_ops", "*_probe", "*_probe_one", "*_console"];
    OPS_6_12 = ["*_ops", "*_probe", "*_console"];
    OPS_7_2 = ["*_ops", "*_ops.llvm.*", "*_console"];

    IGNORED_5_10 = [".comment*", ".debug*", ".cranges", ".zdebug*", ".GCC.command.line", ".mdebug*",
        ".pdr", ".stab*", ".note*", ".got*", ".toc*", ".xt.prop", ".xt.lit", ".arcextmap*",
        ".gnu.linkonce.arcext*", ".cmem*", ".fmt_slot*", ".gnu.lto*", ".discard.*"];
    IGNORED_6_1 = [".comment*", ".debug*", ".zdebug*", ".GCC.command.line", ".mdebug*", ".pdr",
        ".stab*", ".note*", ".got*", ".toc*", ".xt.prop", ".xt.lit", ".arcextmap*",
        ".gnu.linkonce.arcext*", ".cmem*", ".fmt_slot*", ".gnu.lto*", ".discard.*"];
    IGNORED_6_12 = [".comment*", ".debug*", ".zdebug*", ".GCC.command.line", ".mdebug*", ".pdr",
        ".stab*", ".note*", ".got*", ".toc*", ".xt.prop", ".xt.lit", ".arcextmap*",
        ".gnu.linkonce.arcext*", ".cmem*", ".fmt_slot*", ".gnu.lto*", ".discard.*",
        ".llvm.call-graph-profile"];
    IGNORED_7_2 = [".comment*", ".debug*", ".zdebug*", ".GCC.command.line", ".mdebug*", ".pdr",
        ".stab*", ".note*", ".got*", ".toc*", ".xt.prop", ".xt.lit", ".arcextmap*",
        ".gnu.linkonce.arcext*", ".cmem*", ".fmt_slot*", ".gnu.lto*", ".discard.*",
        ".llvm.call-graph-profile", "__llvm_covfun", "__llvm_covmap", ".klp.symid"];
}

type Names = &'static [&'static str];

const fn check(from: Names, bad: Names, kind: Kind, allowed: Names) -> Check {
    Check { from, bad, good: &[], kind, allowed }
}

const fn exception_table(text: Names) -> Check {
    Check {
        from: EX_TABLE,
        bad: ALTERNATIVES,
        good: text,
        kind: Kind::ExceptionTable,
        allowed: &[],
    }
}

/// The rules of 5.10.
pub(in crate::modpost) static V5_10: Rules = Rules {
    manner: Manner::Explained,
    checks: &[
        check(TEXT_5_10, ANY_INIT, Kind::TextToInit, DRIVERS),
        check(DATA, MEM_INIT, Kind::DataToInit, DRIVERS),
        check(DATA, INIT, Kind::DataToInit, TEMPLATES),
        check(TEXT_5_10, ANY_EXIT, Kind::TextToExit, DRIVERS),
        check(DATA, ANY_EXIT, Kind::DataToExit, DRIVERS),
        check(MEM_INIT, INIT, Kind::LongToShort, DRIVERS),
        check(MEM_EXIT, EXIT, Kind::LongToShort, DRIVERS),
        check(ANY_INIT, ANY_EXIT, Kind::InitToExit, DRIVERS),
        check(ANY_EXIT, ANY_INIT, Kind::ExitToInit, DRIVERS),
        check(PCI, INIT, Kind::InitToExit, &[]),
        check(KSYMTAB, INIT_EXIT, Kind::ExportToInitExit, DRIVERS),
        exception_table(ALL_TEXT_5_10),
    ],
    ignored: IGNORED_5_10,
    init_data: ANY_INIT_DATA,
    init: ANY_INIT,
    exit: ANY_EXIT,
    text: ALL_TEXT_5_10,
    exemptions: &[],
    hides_local_labels: true,
};

/// The rules of 6.1.
pub(in crate::modpost) static V6_1: Rules = Rules {
    manner: Manner::Terse,
    checks: &[
        check(TEXT, ANY_INIT, Kind::TextToInit, &[]),
        check(DATA, MEM_INIT, Kind::DataToInit, &[]),
        check(DATA, INIT, Kind::DataToInit, &[]),
        check(TEXT, EXIT, Kind::TextToExit, &[]),
        check(DATA, EXIT, Kind::DataToExit, &[]),
        check(MEM_INIT, INIT, Kind::LongToShort, &[]),
        check(ANY_INIT, EXIT, Kind::InitToExit, &[]),
        check(EXIT, ANY_INIT, Kind::ExitToInit, &[]),
        check(PCI, INIT, Kind::InitToExit, &[]),
        check(KSYMTAB, INIT_EXIT, Kind::ExportToInitExit, &[]),
        exception_table(ALL_TEXT_6_1),
    ],
    ignored: IGNORED_6_1,
    init_data: ANY_INIT_DATA,
    init: ANY_INIT,
    exit: EXIT,
    text: ALL_TEXT_6_1,
    exemptions: &[
        Exemption { to: ANY_INIT, from: TEMPLATES, unless_extra: false },
        Exemption { to: EXIT, from: TEMPLATES, unless_extra: false },
        Exemption { to: MEM_INIT, from: &["*driver"], unless_extra: false },
        Exemption { to: EXIT, from: &["*driver"], unless_extra: true },
    ],
    hides_local_labels: true,
};

const CHECKS_6_12: &[Check] = &[
    check(TEXT_AND_DATA, INIT_EXIT, Kind::TextToInit, &[]),
    check(INIT, EXIT, Kind::InitToExit, &[]),
    check(EXIT, INIT, Kind::ExitToInit, &[]),
    check(PCI, INIT, Kind::InitToExit, &[]),
    exception_table(ALL_TEXT_6_12),
];

/// The rules of 6.12.
pub(in crate::modpost) static V6_12: Rules = Rules {
    manner: Manner::Precise,
    checks: CHECKS_6_12,
    ignored: IGNORED_6_12,
    init_data: INIT_DATA,
    init: INIT,
    exit: EXIT,
    text: ALL_TEXT_6_12,
    exemptions: &[Exemption { to: INIT_EXIT, from: OPS_6_12, unless_extra: false }],
    hides_local_labels: false,
};

/// The rules of 7.2 and 7.3.
pub(in crate::modpost) static V7_2: Rules = Rules {
    manner: Manner::Precise,
    checks: CHECKS_6_12,
    ignored: IGNORED_7_2,
    init_data: INIT_DATA,
    init: INIT,
    exit: EXIT,
    text: ALL_TEXT_6_12,
    exemptions: &[Exemption { to: INIT_EXIT, from: OPS_7_2, unless_extra: false }],
    hides_local_labels: false,
};
