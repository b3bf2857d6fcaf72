//! What `$(MAKE)` is when Kiln was not itself called as `make`: a link called `make` that leads to
//! this program, so that a shell that is given `$(MAKE) -C sub` finds one word that works.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The name under which this program is to be started as make.
///
/// The link lies in the user's cache directory. Where it cannot be made, `$(MAKE)` is two words
/// (`/path/kiln make`), which serves all but scripts that quote it.
#[must_use]
pub fn make_command() -> Vec<u8> {
    let Ok(own) = std::env::current_exe() else { return b"make".to_vec() };
    if own.file_name().is_some_and(|n| n == "make" || n == "gmake") {
        return own.into_os_string().into_vec();
    }
    match cache_dir().and_then(|dir| link(&dir.join("bin"), &own, "make")) {
        Some(link) => link.into_os_string().into_vec(),
        None => [own.as_os_str().as_bytes(), b" make"].concat(),
    }
}

/// The name under which this program understands `tool NAME`: a file called `make` takes its words for
/// make's.
#[must_use]
pub fn tool_command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?.canonicalize().ok()?;
    if own.file_name().is_none_or(|n| n == "make" || n == "gmake") {
        return link(&cache_dir()?.join("bin"), &own, "kiln");
    }
    Some(own)
}

/// `$XDG_CACHE_HOME/kiln`; a relative value is to be ignored (XDG base directory specification).
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home =
        || std::env::var_os("HOME").filter(|h| !h.is_empty()).map(|h| Path::new(&h).join(".cache"));
    Some(set.or_else(home)?.join("kiln"))
}

/// A link `name` in `dir` that leads to `own`. Other Kilns may do the same at the same time, also of
/// another version: a link is replaced in one step, and one that is right is left alone.
fn link(dir: &Path, own: &Path, name: &str) -> Option<PathBuf> {
    // Versions side by side must not take each other's link away while they run.
    use std::hash::{Hash, Hasher};
    let mut hash = rustc_hash::FxHasher::default();
    own.hash(&mut hash);
    let dir = dir.join(format!("{:016x}", hash.finish()));
    let link = dir.join(name);
    if std::fs::read_link(&link).is_ok_and(|to| to == own) {
        return Some(link);
    }
    std::fs::create_dir_all(&dir).ok()?;
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    std::os::unix::fs::symlink(own, &fresh).ok()?;
    std::fs::rename(&fresh, &link).ok()?;
    Some(link)
}
