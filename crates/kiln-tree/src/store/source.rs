//! A kernel's source, given as a directory, a tarball, or a package that holds a tarball.
//!
//! A directory is used where it is. Knows nothing of what the source is for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::error::{Error, Kind, Result};
use crate::makefacts::MakeFacts;
use crate::store::unpack::{Limits, Unpack};

/// The directory with a source's own Makefile. An archive is unpacked into `scratch`, which is made.
///
/// # Errors
/// [`Kind::BadArchive`] and [`Kind::Hostile`] with the file's name, [`Kind::NotATree`] if it holds no
/// kernel's source, [`Kind::Io`].
pub fn open(source: &Path, scratch: &Path) -> Result<PathBuf> {
    let meta = fs::metadata(source).map_err(|e| Error::io("open the source", source, e))?;
    if meta.is_dir() {
        let dir = fs::canonicalize(source).map_err(|e| Error::io("open the source", source, e))?;
        return find(&dir).ok_or_else(|| none(source));
    }
    let outer = scratch.join("given");
    unpack(source, &outer)?;
    if let Some(dir) = find(&outer) {
        return Ok(dir);
    }
    // Debian's linux-source package holds a tarball below usr/src.
    let mut tarballs: Vec<PathBuf> = ["", "usr/src"]
        .iter()
        .flat_map(|d| children(&outer.join(d)))
        .filter(|p| is_tarball(p))
        .collect();
    let (Some(tarball), true) = (tarballs.pop(), tarballs.is_empty()) else {
        return Err(none(source));
    };
    let inner = scratch.join("source");
    unpack(&tarball, &inner)?;
    find(&inner).ok_or_else(|| none(source))
}

fn unpack(archive: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).map_err(|e| Error::io("make", into, e))?;
    let mut unpack = Unpack::into(into, Limits::default());
    let read = archive::read(archive, &mut unpack).and_then(|_| unpack.check_links());
    read.map_err(|mut e| {
        if e.kind != Kind::Io {
            e.message = format!("{} cannot be used: {}", archive.display(), e.message);
        }
        e
    })
}

/// The directory itself, or the one of its children that is a whole source.
fn find(dir: &Path) -> Option<PathBuf> {
    let whole = |d: &PathBuf| MakeFacts::of_dir(d).version.is_some() && d.join("Kconfig").is_file();
    std::iter::once(dir.to_path_buf()).chain(children(dir)).find(whole)
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut out: Vec<PathBuf> = entries
        .filter(|e| e.file_type().is_ok_and(|t| !t.is_symlink()))
        .map(|e| e.path())
        .collect();
    out.sort();
    out
}

fn is_tarball(path: &Path) -> bool {
    path.is_file() && path.file_name().is_some_and(|n| n.to_string_lossy().contains(".tar"))
}

fn none(source: &Path) -> Error {
    let message = format!("{} holds no kernel's source", source.display());
    Error::new(Kind::NotATree, message)
}
