//! What a version's pattern lists say of a section by its name, kept for a run: the modules of one run
//! have the same few dozen sections, and the lists hold a hundred patterns.
//!
//! It does not know the objects.

use rustc_hash::FxHashMap;

use super::tables::Rules;
use crate::modpost::glob;

/// The longest name that is kept, in bytes, and how many are: what an object calls its sections is its
/// own business.
const LONGEST: usize = 64;
const MOST: usize = 1024;

/// What the lists say of one name. The rules are bits, in the order of the version's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// References from here are of no interest.
    pub(super) ignored: bool,
    /// The rules that it falls under as a source.
    pub(super) source: u32,
    /// The rules for which it is a target that is in `bad`.
    pub(super) bad: u32,
    /// The rules for which it is a target that is in `good`, or that have no such list.
    pub(super) good: u32,
}

impl Verdict {
    /// Of what has no name: as a target it breaks no rule.
    pub(super) const NOTHING: Self = Self { ignored: false, source: 0, bad: 0, good: u32::MAX };

    fn of(rules: &Rules, name: &[u8]) -> Self {
        let ignored = glob::any(rules.ignored, name);
        let mut found = Self { ignored, source: 0, bad: 0, good: 0 };
        for (i, check) in rules.checks.iter().enumerate() {
            let good = check.good.is_empty() || glob::any(check.good, name);
            found.source |= u32::from(glob::any(check.from, name)) << i;
            found.bad |= u32::from(glob::any(check.bad, name)) << i;
            found.good |= u32::from(good) << i;
        }
        found
    }
}

/// The verdicts of a run, all by the same rules.
#[derive(Debug, Default)]
pub(in crate::modpost) struct Names {
    known: FxHashMap<Vec<u8>, Verdict>,
}

impl Names {
    pub(super) fn verdict(&mut self, rules: &Rules, name: &[u8]) -> Verdict {
        if let Some(found) = self.known.get(name) {
            return *found;
        }
        let found = Verdict::of(rules, name);
        if name.len() <= LONGEST && self.known.len() < MOST {
            self.known.insert(name.to_vec(), found);
        }
        found
    }
}
