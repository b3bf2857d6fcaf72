//! The table in `docs/kernels.md`: for each kernel tree, what was the same as with GNU make there and
//! what booted. `--table` has a run put its counts into its own cells and leaves the others.

use std::fs;
use std::path::PathBuf;

use kiln_conformance::repository;

/// The columns after the tree's name, as their heads say.
pub const CASES: usize = 1;
/// Packaged modules.
pub const CORPUS: usize = 2;
/// Boots.
pub const BOOT: usize = 3;

const HEAD: &str = "| tree |";

/// Counts of one cell.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count {
    /// As they should be.
    pub good: usize,
    /// All that ran.
    pub of: usize,
    /// Of the good ones, those in which something was built; not counted where `None`.
    pub built: Option<usize>,
}

impl Count {
    /// One more.
    pub fn add(&mut self, good: bool, built: Option<bool>) {
        self.of += 1;
        self.good += usize::from(good);
        if let Some(built) = built {
            *self.built.get_or_insert(0) += usize::from(good && built);
        }
    }

    fn text(self) -> String {
        let built = self.built.map_or(String::new(), |n| format!(" ({n} build)"));
        format!("{} of {}{built}", self.good, self.of)
    }
}

/// Puts counts into a tree's row; a tree without one gets one.
pub fn record(tree: &str, column: usize, count: Count) -> Result<(), String> {
    if count.of == 0 {
        return Ok(());
    }
    let path: PathBuf = repository().join("docs/kernels.md");
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    let text = fs::read_to_string(&path).map_err(said)?;
    let new = with_cell(&text, tree, column, &count.text())
        .ok_or_else(|| format!("{}: there is no table in it", path.display()))?;
    fs::write(&path, new).map_err(said)
}

fn with_cell(text: &str, tree: &str, column: usize, value: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let head = lines.iter().position(|l| l.starts_with(HEAD))?;
    let rows = lines[head..].iter().take_while(|l| l.starts_with('|')).count();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect()
    };
    let at = (head + 2..head + rows).find(|i| cells(&lines[*i])[0] == tree);
    let columns = cells(&lines[head]).len();
    let mut row = at.map_or_else(|| vec![tree.to_owned()], |i| cells(&lines[i]));
    row.resize(columns, String::new());
    *row.get_mut(column)? = value.to_owned();
    let line = format!("| {} |", row.join(" | "));
    match at {
        Some(i) => lines[i] = line,
        None => lines.insert(head + rows, line),
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_put_into_its_row() {
        let text = "x\n\n| tree | cases | corpus |\n|---|---|---|\n| 6.1 | a | b |\n\ny\n";
        let new = with_cell(text, "6.1", 2, "c").unwrap();
        assert!(new.contains("| 6.1 | a | c |\n\ny\n"));
        let new = with_cell(&new, "7.2", 1, "d").unwrap();
        assert!(new.contains("| 6.1 | a | c |\n| 7.2 | d |  |\n"), "{new}");
        assert_eq!(with_cell("no table", "6.1", 1, "c"), None);
    }
}
