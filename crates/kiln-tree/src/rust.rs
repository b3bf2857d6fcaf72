//! The kernel's compiled Rust crates, for a tree that lacks them: what they have to fit, and what of
//! a source's output directory makes a tree complete.
//!
//! Modules in Rust are compiled against `rust/*.rmeta` of the kernel's build. Where a distribution's
//! headers leave these out, the `prepare` target of the same source with the same configuration makes
//! the same ones again. Knows files; starts nothing, and knows of make only its words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::describe::Description;
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::missing::RUST_CRATES;

/// Says of a compiler why it cannot compile modules for the tree: every crate's symbols bear a hash of
/// the whole text that the compiler gives as its version, so another text means other names.
///
/// `said` is what `rustc --version` prints.
#[must_use]
pub fn other_compiler(tree: &Description, said: &[u8]) -> Option<String> {
    let wanted = tree.rust.rustc.as_deref()?;
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    (said != wanted).then(|| {
        format!(
            "kernel {} was compiled by `{wanted}` and this is `{said}`: the names of its Rust symbols \
             would be others",
            tree.release
        )
    })
}

/// The command that gets the programs, where the distribution's is known.
#[must_use]
pub fn install(machine: &Machine) -> Option<String> {
    let names = ["rustc", "rust-src", "bindgen"].map(str::to_string);
    machine.os.manager().map(|m| machine.as_root(&m.install(&names)))
}

/// The settings of make with which a source is configured as the tree was: those of any build for
/// it, and the compiler by the name that the configuration knows it by, if it is here.
#[must_use]
pub fn make_variables(tree: &Description, machine: &Machine) -> Vec<(String, String)> {
    let mut set = tree.make_variables();
    let Some(compiler) = &tree.compiler else { return set };
    // CONFIG_CC_VERSION_TEXT is the first line of `$(CC) --version`, which begins with its name.
    let named = compiler.text.split_whitespace().next().filter(|n| machine.program(n).is_some());
    let found = compiler.found.as_ref().and_then(|f| f.file_name()?.to_str());
    if let Some(cc) = named.or(found) {
        set.retain(|(name, _)| name != "CC");
        set.push(("CC".to_string(), cc.to_string()));
    }
    set
}

/// The file with the tree's configuration, in the form that a source takes as its `.config`.
///
/// # Errors
/// [`Kind::NotATree`] if the tree has none.
pub fn config_file(tree: &Path) -> Result<PathBuf> {
    let names = [".config", "include/config/auto.conf"];
    names.iter().map(|n| tree.join(n)).find(|f| f.is_file()).ok_or_else(|| {
        Error::new(Kind::NotATree, format!("{} has no configuration", tree.display()))
    })
}

/// The settings that came out otherwise than the tree has them, sorted. Those that only tell a tool's
/// version are left out: what hangs on a version has a setting of its own.
///
/// # Errors
/// [`Kind::Io`].
pub fn differing(tree: &Path, output: &Path) -> Result<Vec<String>> {
    let read = |file: PathBuf| match fs::read(&file) {
        Ok(text) => Ok(settings(&text)),
        Err(e) => Err(Error::io("read", &file, e)),
    };
    let (theirs, ours) = (read(config_file(tree)?)?, read(output.join(".config"))?);
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let tells = |n: &str| n.ends_with("_VERSION") || n.ends_with("_VERSION_TEXT");
    Ok(names
        .into_iter()
        .filter(|n| theirs.get(*n) != ours.get(*n) && (!tells(n) || n.contains("RUSTC")))
        .cloned()
        .collect())
}

/// `CONFIG_NAME=value`, without what is not set: both ways to write that a setting is off are none.
fn settings(text: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|l| l.strip_prefix("CONFIG_")?.split_once('='))
        .map(|(name, value)| (name.to_string(), value.trim_matches('"').replace("\\\"", "\"")))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// How many symbols the crates export, and those of them that the tree's kernel does not.
#[must_use]
pub fn unknown_symbols(tree: &Path, output: &Path) -> (usize, Vec<String>) {
    let Ok(symvers) = fs::read(tree.join("Module.symvers")) else { return (0, Vec::new()) };
    let symvers = String::from_utf8_lossy(&symvers);
    let known: BTreeSet<&str> = symvers.lines().filter_map(|l| l.split('\t').nth(1)).collect();
    let mut exported = BTreeSet::new();
    for entry in fs::read_dir(output.join("rust")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("exports_") || !name.ends_with(".h") {
            continue;
        }
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let symbols = text.lines().filter_map(|l| l.split_once('(')?.1.split(')').next());
        exported.extend(symbols.map(|s| s.trim().to_string()));
    }
    let count = exported.len();
    (count, exported.into_iter().filter(|s| !known.contains(s.as_str())).collect())
}

/// Copies what a source's output directory has of Rust into the tree: the crates and the sources that
/// were generated for them, the description of the target, and the settings as rustc takes them. The
/// crates come last and by one rename, so that a tree has all of it or counts as one without.
///
/// # Errors
/// [`Kind::Program`] if there are no crates, [`Kind::Io`].
pub fn bring(output: &Path, tree: &Path) -> Result<()> {
    if !output.join(RUST_CRATES).is_file() {
        let message = format!("the source was prepared, but made no {RUST_CRATES}");
        return Err(Error::new(Kind::Program, message));
    }
    let fresh = tree.join(".rust.new");
    let _ = fs::remove_dir_all(&fresh);
    copy(&output.join("rust"), &fresh)?;
    for dir in ["scripts", "include/generated"] {
        let entries = fs::read_dir(output.join(dir)).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let wanted = name.ends_with(".json") || name == "rustc_cfg";
            let to = tree.join(dir).join(&name);
            if wanted && !to.exists() {
                fs::copy(entry.path(), &to).map_err(|e| Error::io("write", &to, e))?;
            }
        }
    }
    let place = tree.join("rust");
    let _ = fs::remove_dir_all(&place);
    fs::rename(&fresh, &place).map_err(|e| Error::io("make", &place, e))
}

/// All but objects, which only the kernel itself links, and hidden files, make's memory of commands.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(|e| Error::io("make", to, e))?;
    for entry in fs::read_dir(from).map_err(|e| Error::io("read", from, e))? {
        let entry = entry.map_err(|e| Error::io("read", from, e))?;
        let name = entry.file_name();
        let (path, text) = (entry.path(), name.to_string_lossy());
        if text.starts_with('.') || text.ends_with(".o") || text.ends_with(".a") {
            continue;
        }
        let kind = entry.file_type().map_err(|e| Error::io("read", &path, e))?;
        if kind.is_dir() {
            copy(&path, &to.join(&name))?;
        } else if kind.is_file() {
            let to = to.join(&name);
            fs::copy(&path, &to).map_err(|e| Error::io("write", &to, e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn settings_that_matter() {
        let (tree, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let same = "CONFIG_A=y\nCONFIG_S=\"a \\\"b\\\"\"\n# CONFIG_B is not set\n";
        put(tree.path(), ".config", &format!("{same}CONFIG_PAHOLE_VERSION=130\nCONFIG_RUST=y\n"));
        put(out.path(), ".config", &format!("{same}CONFIG_PAHOLE_VERSION=125\nCONFIG_RUST=y\n"));
        assert_eq!(differing(tree.path(), out.path()).unwrap(), Vec::<String>::new());
        put(out.path(), ".config", &format!("{same}CONFIG_B=m\nCONFIG_RUSTC_VERSION=108600\n"));
        assert_eq!(differing(tree.path(), out.path()).unwrap(), ["B", "RUST", "RUSTC_VERSION"]);
    }

    #[test]
    fn what_is_brought() {
        let (tree, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (tree, out) = (tree.path(), out.path());
        put(tree, "scripts/mod/modpost", "");
        put(tree, "include/generated/rustc_cfg", "theirs");
        assert!(bring(out, tree).is_err());
        assert!(!tree.join("rust").exists());
        for name in ["libkernel.rmeta", "libmacros.so", "kernel.o", ".kernel.o.cmd", "kernel/a.rs"]
        {
            put(out, &format!("rust/{name}"), "ours");
        }
        put(out, "scripts/target.json", "{}");
        put(out, "include/generated/rustc_cfg", "ours");
        bring(out, tree).unwrap();
        for name in ["rust/libkernel.rmeta", "rust/libmacros.so", "rust/kernel/a.rs"] {
            assert!(tree.join(name).is_file(), "{name}");
        }
        assert!(tree.join("scripts/target.json").is_file());
        assert!(!tree.join("rust/kernel.o").exists() && !tree.join("rust/.kernel.o.cmd").exists());
        assert_eq!(fs::read(tree.join("include/generated/rustc_cfg")).unwrap(), b"theirs");
    }

    #[test]
    fn symbols_that_the_kernel_lacks() {
        let (tree, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(tree.path(), "Module.symvers", "0x0\t_RA\tvmlinux\tEXPORT_SYMBOL_GPL\t\n");
        put(
            out.path(),
            "rust/exports_kernel_generated.h",
            "EXPORT_SYMBOL_RUST_GPL(_RA);\nEXPORT_SYMBOL_RUST_GPL(_RB);\n",
        );
        assert_eq!(unknown_symbols(tree.path(), out.path()), (2, vec!["_RB".to_string()]));
    }
}
