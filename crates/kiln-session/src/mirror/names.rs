//! Which names in a source directory are no sources: what version control keeps, and what a build in
//! that directory made, by the traces that kbuild leaves beside it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// A directory in which a version control system keeps its own files.
pub fn of_version_control(name: &OsStr) -> bool {
    [".git", ".hg", ".svn", ".bzr", "CVS", ".jj"].iter().any(|n| name == *n)
}

/// Whether the file `name` in `here` was made by kbuild. `all` are the names in that directory.
///
/// A module's author may ship objects and `Module.symvers` of his own, also with an empty `.NAME.cmd`
/// beside them to keep kbuild quiet: only a trace that kbuild itself wrote (`cmd_NAME :=`, since 6.2
/// `savedcmd_NAME :=`) counts.
pub fn is_product(here: &Path, name: &[u8], all: &BTreeSet<Vec<u8>>) -> bool {
    let trace = |of: &[u8]| {
        let cmd = [b".", of, b".cmd"].concat();
        all.contains(&cmd) && is_trace(&here.join(OsStr::from_bytes(&cmd)))
    };
    use std::os::unix::ffi::OsStrExt;
    if let Some(of) = name.strip_prefix(b".").and_then(|n| n.strip_suffix(b".cmd")) {
        return trace(of);
    }
    // modpost writes the source of X.mod.o without a trace of its own.
    let source = name.strip_suffix(b".mod.c").map(|stem| [stem, b".mod.o"].concat());
    trace(name) || source.is_some_and(|object| trace(&object))
}

fn is_trace(cmd: &Path) -> bool {
    let Ok(text) = fs::read(cmd) else { return false };
    let start = text.trim_ascii_start();
    start.starts_with(b"cmd_") || start.starts_with(b"savedcmd_")
}
