//! The compiler that a tree was built with, whether this machine has it, and what installs it.
//!
//! Looks at names in the PATH only and starts nothing; so it can tell that `gcc-12` is there, not
//! that a plain `gcc` is version 12 (unless the name that it links to says so).

use std::path::PathBuf;

use serde::Serialize;

use crate::arch::Arch;
use crate::config::Config;
use crate::machine::{Machine, Manager};
use crate::process::Command;

/// A family of compilers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Brand {
    /// GNU.
    Gcc,
    /// LLVM.
    Clang,
}

/// Who built the tree, and who would build a module for it here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compiler {
    /// The first line of the compiler's `--version` as the configuration keeps it.
    pub text: String,
    /// Its family.
    pub brand: Brand,
    /// `12.2.0`.
    pub version: String,
    /// The program that fits best here.
    pub found: Option<PathBuf>,
    /// Whether what was found has the same major version: `None` if its name does not tell.
    pub same_major: Option<bool>,
    /// The prefix of the tools for another architecture that was found, ending in `-`.
    pub cross_compile: Option<String>,
    /// The command that installs it, where the distribution is known. Without `sudo`.
    pub install: Option<String>,
}

impl Compiler {
    /// Reads the configuration, then looks into the PATH. `None` if the configuration (of a kernel
    /// before 5.8, or none at all) does not name its compiler.
    pub fn of(config: &Config, arch: Option<Arch>, machine: &Machine) -> Option<Compiler> {
        let text = config.get("CC_VERSION_TEXT")?.to_string();
        let brand = if config.is_set("CC_IS_CLANG") || text.contains("clang version") {
            Brand::Clang
        } else {
            Brand::Gcc
        };
        let key = if brand == Brand::Clang { "CLANG_VERSION" } else { "GCC_VERSION" };
        let version = match config.number(key).filter(|n| *n > 0) {
            Some(n) => format!("{}.{}.{}", n / 10000, n / 100 % 100, n % 100),
            None => text
                .split_whitespace()
                .rev()
                .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))?
                .to_string(),
        };
        let foreign = arch.is_some_and(|a| a.srcarch != machine.family.srcarch && !a.user_mode);
        let prefixes = match arch {
            Some(arch) => arch.cross_prefixes(),
            None => Vec::new(),
        };
        let mut compiler = Compiler {
            text,
            brand,
            version,
            found: None,
            same_major: None,
            cross_compile: None,
            install: None,
        };
        compiler.look(&prefixes, foreign, machine);
        compiler.install = machine.os.manager().map(|m| compiler.package(m, &prefixes, foreign));
        Some(compiler)
    }

    /// The number before the first dot.
    pub fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or_default()
    }

    /// Whether a build can start here at all.
    pub fn is_here(&self) -> bool {
        self.found.is_some()
    }

    fn look(&mut self, prefixes: &[String], foreign: bool, machine: &Machine) {
        let major = self.major().to_string();
        let name = if self.brand == Brand::Clang { "clang" } else { "gcc" };
        // One clang serves every architecture; a gcc serves one, which its prefix names.
        let mut names: Vec<(String, Option<&String>)> = Vec::new();
        if !foreign || self.brand == Brand::Clang {
            names.push((format!("{name}-{major}"), None));
        }
        if self.brand == Brand::Gcc {
            names.extend(prefixes.iter().map(|p| (format!("{p}{name}-{major}"), Some(p))));
            names.extend(prefixes.iter().map(|p| (format!("{p}{name}"), Some(p))));
        }
        if !foreign || self.brand == Brand::Clang {
            names.push((name.to_string(), None));
        }
        let here = names.into_iter().find_map(|(n, p)| Some((machine.program(&n)?, p)));
        if let Some((path, prefix)) = here {
            self.same_major = named_major(machine, &path).map(|m| m == major);
            self.cross_compile = prefix.filter(|_| foreign).cloned();
            self.found = Some(path);
        }
        if foreign && self.brand == Brand::Clang {
            // clang still wants to know for whom; the first name is the usual triplet.
            self.cross_compile = prefixes.first().cloned();
        }
    }

    fn package(&self, manager: Manager, prefixes: &[String], foreign: bool) -> String {
        let major = self.major();
        let triplet = prefixes.first().map(|p| p.trim_end_matches('-')).unwrap_or_default();
        let package = match (self.brand, foreign, manager) {
            (Brand::Clang, _, Manager::Apt) => format!("clang-{major}"),
            (Brand::Clang, ..) => "clang".to_string(),
            (Brand::Gcc, false, Manager::Apt) => format!("gcc-{major}"),
            (Brand::Gcc, false, Manager::Zypper) => format!("gcc{major}"),
            (Brand::Gcc, false, _) => "gcc".to_string(),
            // Debian spells the underscore of a triplet as a dash in package names.
            (Brand::Gcc, true, Manager::Apt) => {
                format!("gcc-{major}-{}", triplet.replace('_', "-"))
            }
            (Brand::Gcc, true, Manager::Dnf) => format!("gcc-{triplet}"),
            (Brand::Gcc, true, Manager::Zypper) => {
                format!("cross-{}-gcc{major}", triplet.split('-').next().unwrap_or_default())
            }
            (Brand::Gcc, true, _) => format!("{triplet}-gcc"),
        };
        manager.install(&[package])
    }
}

/// The major version that the name of a compiler ends in, or the name of what it links to.
fn named_major(machine: &Machine, program: &std::path::Path) -> Option<String> {
    let tail = |path: &std::path::Path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let last = name.rsplit('-').next()?.to_string();
        last.bytes().all(|b| b.is_ascii_digit()).then_some(last)
    };
    tail(program).or_else(|| tail(&machine.root.resolve(program).ok()?))
}

/// The command that makes a compiler tell what it is; [`version_of`] reads its answer.
pub fn ask(cc: impl Into<std::ffi::OsString>) -> Command {
    Command::new([cc]).args(["-dM", "-E", "-x", "c", "/dev/null"]).env("LC_ALL", "C")
}

/// The family and version by the macros that a compiler predefines. clang calls itself a gcc 4.2 too.
pub fn version_of(macros: &[u8]) -> Option<(Brand, [u32; 3])> {
    let text = String::from_utf8_lossy(macros);
    let get = |name: &str| -> Option<u32> {
        let mut lines = text.lines().filter_map(|l| l.strip_prefix("#define ")?.split_once(' '));
        lines.find(|(n, _)| *n == name)?.1.trim().parse().ok()
    };
    if let Some(major) = get("__clang_major__") {
        let minor = get("__clang_minor__")?;
        return Some((Brand::Clang, [major, minor, get("__clang_patchlevel__")?]));
    }
    Some((Brand::Gcc, [get("__GNUC__")?, get("__GNUC_MINOR__")?, get("__GNUC_PATCHLEVEL__")?]))
}

/// The oldest compiler that builds a kernel of this version (major, patchlevel), as its
/// Documentation/process/changes.rst and scripts/min-tool-version.sh say; header packages carry
/// neither, so the steps are kept here. `None` where nothing is known.
pub fn oldest(brand: Brand, version: [u32; 2]) -> Option<[u32; 3]> {
    let steps: &[([u32; 2], [u32; 3])] = match brand {
        Brand::Gcc => &[([5, 8], [4, 9, 0]), ([5, 15], [5, 1, 0]), ([6, 16], [8, 1, 0])],
        Brand::Clang => &[([5, 10], [10, 0, 1]), ([6, 0], [11, 0, 0]), ([6, 9], [13, 0, 1])],
    };
    steps.iter().rev().find(|(from, _)| version >= *from).map(|(_, least)| *least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_macros() {
        let gcc = b"#define __GNUC__ 12\n#define __GNUC_MINOR__ 2\n#define __GNUC_PATCHLEVEL__ 0\n";
        assert_eq!(version_of(gcc), Some((Brand::Gcc, [12, 2, 0])));
        let clang = [
            &gcc[..],
            b"#define __clang_major__ 14\n#define __clang_minor__ 0\n#define __clang_patchlevel__ 6\n",
        ]
        .concat();
        assert_eq!(version_of(&clang), Some((Brand::Clang, [14, 0, 6])));
        assert_eq!(version_of(b"error"), None);
    }

    #[test]
    fn the_oldest_by_kernel() {
        assert_eq!(oldest(Brand::Gcc, [5, 10]), Some([4, 9, 0]));
        assert_eq!(oldest(Brand::Gcc, [6, 12]), Some([5, 1, 0]));
        assert_eq!(oldest(Brand::Gcc, [7, 2]), Some([8, 1, 0]));
        assert_eq!(oldest(Brand::Gcc, [2, 6]), None);
    }
}
