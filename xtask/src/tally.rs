//! Counts what passed and failed, and says so in one form.

/// The counts of a command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// What is right.
    pub passed: usize,
    /// What is wrong.
    pub failed: usize,
    /// What could not be run here.
    pub skipped: usize,
}

impl Tally {
    /// Counts one check.
    pub fn count(&mut self, good: bool) {
        match good {
            true => self.passed += 1,
            false => self.failed += 1,
        }
    }

    /// Prints the closing line, and says whether all is well.
    pub fn close(&self) -> bool {
        if self.skipped > 0 {
            println!("{} skipped", self.skipped);
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}
