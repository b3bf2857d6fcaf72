//! The filter of `scripts/mksysmap`: which lines of `nm -n` go into System.map.

use crate::kernel::Release;

/// What a line is left out for.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// It holds this.
    Holds(&'static str),
    /// It ends in this.
    Ends(&'static str),
    /// It holds this, then letters and digits, then that.
    Joined(&'static str, &'static str),
    /// It ends in this and digits.
    Numbered(&'static str),
}

use Rule::{Ends, Holds, Joined, Numbered};

/// The filter of one kernel.
#[derive(Debug)]
pub struct Filter {
    measured: (Release, Release),
    rules: &'static [Rule],
}

const A: Rule = Holds(" a ");
const N: Rule = Holds(" N ");
const U: Rule = Holds(" U ");
const W: Rule = Holds(" w ");

static FILTERS: [Filter; 4] = [
    Filter {
        measured: (Release::new(5, 10), Release::new(5, 10)),
        rules: &[
            A,
            N,
            U,
            W,
            Holds("__crc_"),
            Holds(" $a"),
            Holds(" $d"),
            Holds(" $t"),
            Holds(" .L"),
            Holds(" L0"),
        ],
    },
    Filter {
        measured: (Release::new(6, 1), Release::new(6, 1)),
        rules: &[
            A,
            N,
            U,
            W,
            Holds(" $"),
            Holds(" .L"),
            Holds(" __crc_"),
            Holds(" __kstrtab_"),
            Holds(" __kstrtabns_"),
            Ends(" L0"),
        ],
    },
    Filter { measured: (Release::new(6, 12), Release::new(6, 12)), rules: &RULES_6_12 },
    Filter { measured: (Release::new(7, 2), Release::new(7, 3)), rules: &RULES_7_2 },
];

const RULES_6_12: [Rule; 26] = [
    A,
    N,
    U,
    W,
    Holds(" $"),
    Holds(" .L"),
    Holds(" __efistub_"),
    Holds(" __pi_$"),
    Holds(" __pi_.L"),
    Holds(" __kvm_nvhe_$"),
    Holds(" __kvm_nvhe_.L"),
    Joined(" __", "Thunk_"),
    Holds(" __kcfi_typeid_"),
    Holds(" __kvm_nvhe___kcfi_typeid_"),
    Holds(" __pi___kcfi_typeid_"),
    Holds(" __crc_"),
    Holds(" __kstrtab_"),
    Holds(" __kstrtabns_"),
    Ends("_from_arm"),
    Ends("_from_thumb"),
    Ends("_veneer"),
    Ends(" L0"),
    Ends(" _SDA_BASE_"),
    Ends(" _SDA2_BASE_"),
    Holds(".long_branch."),
    Holds(".plt_branch."),
];

const RULES_7_2: [Rule; 28] = {
    let mut rules = [Holds(" __mod_device_table__"); 28];
    let mut i = 0;
    while i < RULES_6_12.len() {
        rules[i] = RULES_6_12[i];
        i += 1;
    }
    rules[27] = Numbered(" __UNIQUE_ID_modinfo_");
    rules
};

impl Filter {
    /// The filter of this kernel, if it is known.
    #[must_use]
    pub fn for_release(release: Release) -> Option<&'static Self> {
        FILTERS.iter().find(|row| row.measured.0 <= release && release <= row.measured.1)
    }

    fn drops(&self, line: &[u8]) -> bool {
        self.rules.iter().any(|&rule| match rule {
            Holds(text) => memchr::memmem::find(line, text.as_bytes()).is_some(),
            Ends(text) => line.ends_with(text.as_bytes()),
            Joined(first, second) => {
                memchr::memmem::find_iter(line, second.as_bytes()).any(|end| {
                    let start = line[..end].iter().rposition(|b| !b.is_ascii_alphanumeric());
                    line[..start.map_or(0, |at| at + 1)].ends_with(first.as_bytes())
                })
            }
            Numbered(text) => {
                let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
                line[..line.len() - digits].ends_with(text.as_bytes())
            }
        })
    }
}

/// The lines of a sorted symbol listing (`nm -n`) that belong into System.map.
#[must_use]
pub fn system_map(listing: &[u8], filter: &Filter) -> Vec<u8> {
    let mut kept = Vec::with_capacity(listing.len());
    for line in listing.split_inclusive(|&b| b == b'\n') {
        if !filter.drops(line.strip_suffix(b"\n").unwrap_or(line)) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let kept = |release: &str, line: &str| {
            let release = Release::parse(release.as_bytes()).expect("a release");
            let filter = Filter::for_release(release).expect("a row");
            !system_map(line.as_bytes(), filter).is_empty()
        };
        for (line, in_5_10, in_6_1, in_6_12, in_7_2) in [
            ("ff T f\n", true, true, true, true),
            ("ff t .Lx\n", false, false, false, false),
            ("ff w f\n", false, false, false, false),
            ("ff t $x\n", true, false, false, false),
            ("ff r __kstrtab_f\n", true, false, false, false),
            ("ff t __ARMV7PILongThunk_f\n", true, true, false, false),
            ("ff t __a_bThunk_f\n", true, true, true, true),
            ("ff t f_veneer\n", true, true, false, false),
            ("ff d __UNIQUE_ID_modinfo_12\n", true, true, true, false),
            ("ff d __UNIQUE_ID_modinfo_12x\n", true, true, true, true),
            ("ff d L0\n", false, false, false, false),
            ("ff d L0x\n", false, true, true, true),
        ] {
            let got = ["5.10", "6.1", "6.12", "7.3"].map(|release| kept(release, line));
            assert_eq!(got, [in_5_10, in_6_1, in_6_12, in_7_2], "{line}");
        }
    }
}
