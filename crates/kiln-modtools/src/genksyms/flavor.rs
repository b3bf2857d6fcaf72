//! Which version's rules apply: one table of what each kernel brought.
//!
//! It does not know how a kernel tree is found; it is told a release or looks where kbuild writes it.

use std::sync::LazyLock;

use crate::Host;

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

    /// The rules of a release such as `6.12.117+deb12-amd64`; of the newest for what is no release.
    pub fn of_release(release: &[u8]) -> Flavor {
        let mut numbers = release
            .split(|b| !b.is_ascii_digit())
            .map(|digits| std::str::from_utf8(digits).ok().and_then(|d| d.parse::<u32>().ok()));
        let Some(Some(major)) = numbers.next() else { return Flavor::V7_2 };
        let version = (major, numbers.next().flatten().unwrap_or(0));
        Flavor {
            static_assert: version >= (5, 11),
            linker_script: version < (5, 19),
            symbol_prefix: version < (6, 12),
            declarators_hide_types: version >= (6, 14),
        }
    }

    /// The rules for a call by name: `KILN_KERNEL` if set, else the release of the kernel tree that is
    /// the working directory, else the newest.
    pub fn detect(host: &mut dyn Host) -> Flavor {
        if let Some(release) = host.env(b"KILN_KERNEL").filter(|r| !r.is_empty()) {
            return Flavor::of_release(&release);
        }
        match host.read(b"include/config/kernel.release") {
            Ok(release) => Flavor::of_release(&release),
            Err(_) => Flavor::V7_2,
        }
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
