//! Which version's rules apply: one table of what each kernel brought.
//!
//! It does not know how a kernel tree is found; it is told a release or looks where kbuild writes it.

use std::sync::LazyLock;

use crate::Host;
use crate::kernel::{self, Release};

use super::automaton::Automaton;
use super::grammar;

/// What distinguishes the versions of genksyms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flavor {
    /// `_Static_assert` is a word (5.11).
    pub static_assert: bool,
    /// The output is a linker script, `__crc_x = 0x…;`, and `-R` is an option (until 5.18). Later it is
    /// `#SYMVER x 0x…`.
    pub linker_script: bool,
    /// `-s` is an option, though never a useful one (gone by 6.12).
    pub symbol_prefix: bool,
    /// The grammar of 6.14: an identifier in a declarator is no type even if a typedef has its name,
    /// and attributes after a declarator are kept. About half of all CRCs differ by this.
    pub declarators_hide_types: bool,
}

impl Flavor {
    /// Linux 5.10.
    pub const V5_10: Flavor = Flavor {
        static_assert: false,
        linker_script: true,
        symbol_prefix: true,
        declarators_hide_types: false,
    };
    /// Linux 6.1.
    pub const V6_1: Flavor = Flavor {
        static_assert: true,
        linker_script: false,
        symbol_prefix: true,
        declarators_hide_types: false,
    };
    /// Linux 6.12.
    pub const V6_12: Flavor = Flavor {
        static_assert: true,
        linker_script: false,
        symbol_prefix: false,
        declarators_hide_types: false,
    };
    /// Linux 7.2.
    pub const V7_2: Flavor = Flavor {
        static_assert: true,
        linker_script: false,
        symbol_prefix: false,
        declarators_hide_types: true,
    };

    /// The rules of a release.
    pub fn of(release: Release) -> Flavor {
        let from = |major, minor| release >= Release::new(major, minor);
        Flavor {
            static_assert: from(5, 11),
            linker_script: !from(5, 19),
            symbol_prefix: !from(6, 12),
            declarators_hide_types: from(6, 14),
        }
    }

    /// The rules for a call by name: those of the kernel that [`kernel::detect`] finds, else the newest.
    pub fn detect(host: &mut dyn Host) -> Flavor {
        kernel::detect(host, &[]).map_or(Flavor::V7_2, Flavor::of)
    }
}

/// The automaton of a version, made at its first use and the same for ever after.
pub fn automaton(flavor: Flavor) -> &'static Automaton {
    static OLDEST: LazyLock<Automaton> =
        LazyLock::new(|| Automaton::new(grammar::rules(Flavor::V5_10)));
    static OLDER: LazyLock<Automaton> =
        LazyLock::new(|| Automaton::new(grammar::rules(Flavor::V6_12)));
    static NEWER: LazyLock<Automaton> =
        LazyLock::new(|| Automaton::new(grammar::rules(Flavor::V7_2)));
    match (flavor.declarators_hide_types, flavor.static_assert) {
        (true, _) => &NEWER,
        (false, true) => &OLDER,
        (false, false) => &OLDEST,
    }
}
