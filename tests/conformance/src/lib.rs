//! The cases in which Kiln must do what GNU make does.
//!
//! Data only: what is run where, on which trees. How it is run and compared is `kiln-testkit`'s
//! business, and `cargo xtask conformance` is the command. Each case is run on every tested kernel
//! tree unless it says otherwise.

pub mod assets;
pub mod corpus;
pub mod table;

use std::path::PathBuf;

use kiln_testkit::Case;

/// The folder of the repository with the modules to start from.
pub fn examples() -> PathBuf {
    repository().join("examples")
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// All cases, in the order in which they are reported.
pub fn cases() -> Vec<Case> {
    let mut all = table::cases();
    all.extend(corpus::cases());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_make_unique_paths() {
        let mut seen = BTreeSet::new();
        for case in super::cases() {
            let path = case.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            assert!(seen.insert(path), "{} is there twice", case.name);
            assert!(!case.steps.is_empty(), "{} runs nothing", case.name);
        }
    }

    #[test]
    fn every_example_is_a_case_and_exists() {
        let used: BTreeSet<String> = super::cases().into_iter().filter_map(|c| c.example).collect();
        let there: BTreeSet<String> = std::fs::read_dir(super::examples())
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter(|e| e.path().is_dir())
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(used, there);
    }
}
