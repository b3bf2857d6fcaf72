//! Bounds on nesting and work, so that foreign text cannot exhaust the stack.
//!
//! The original has none: it dies of a signal where these end in a message.

use crate::{Make, Result};

/// How deep expansions and makefiles may stand inside one another. Each level takes some kilobytes
/// of the instance's stack (512 MiB), makefiles more than expansions.
pub const MAX_DEPTH: u32 = 40_000;

/// What a makefile (or an `$(eval)`) inside another one counts for.
pub const MAKEFILE_DEPTH: u32 = 10;

/// How deep references may stand inside one another in one text.
pub const MAX_PARENS: u32 = 10_000;

impl Make {
    /// Goes `n` levels deeper.
    pub(crate) fn enter_level(&mut self, n: u32) -> Result<()> {
        if self.depth + n > self.max_depth {
            return Err(self.expansion_error("expansions and makefiles nest too deeply"));
        }
        self.depth += n;
        Ok(())
    }

    /// Comes back from [`Make::enter_level`].
    pub(crate) fn leave_level(&mut self, n: u32) {
        self.depth -= n;
    }

    /// Takes from the fuel, where there is a limit to it.
    pub(crate) fn burn(&mut self, amount: usize) -> Result<()> {
        if let Some(fuel) = &mut self.fuel {
            match fuel.checked_sub(amount as u64) {
                Some(left) => *fuel = left,
                None => return Err(self.expansion_error("out of fuel")),
            }
        }
        Ok(())
    }
}
