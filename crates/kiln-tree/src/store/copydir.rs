//! Directories given to the store: copied, with what they refer to outside themselves.
//!
//! A header tree of a distribution is three packages that refer to each other by absolute paths. To
//! copy one is to copy what it includes and links to as well, each to its own place below the entry's
//! root; then everything is as if the packages had been unpacked there.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::archive::{Member, Sink, What};
use crate::error::{Error, Kind, Result};
use crate::makefacts::MakeFacts;
use crate::rooted;
use crate::store::unpack::Unpack;

/// Copies a tree at its absolute place, and the directories that it refers to.
///
/// # Errors
/// [`Kind::Io`], and what [`Unpack`] says.
pub fn tree(dir: &Path, unpack: &mut Unpack) -> Result<()> {
    let mut todo = VecDeque::from([dir.to_path_buf()]);
    let mut done: Vec<PathBuf> = Vec::new();
    while let Some(dir) = todo.pop_front() {
        if done.iter().any(|d| dir.starts_with(d)) || !dir.is_dir() {
            continue;
        }
        below(&dir, dir.strip_prefix("/").unwrap_or(&dir), unpack)?;
        todo.extend(references(&dir));
        done.push(dir);
    }
    Ok(())
}

/// Copies what a directory holds, as if the directory were `/`.
///
/// # Errors
/// As [`tree`].
pub fn root(dir: &Path, unpack: &mut Unpack) -> Result<()> {
    below(dir, Path::new(""), unpack)
}

/// The directories that a tree's Makefile and the links at its top lead to.
fn references(dir: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = MakeFacts::of_dir(dir)
        .includes
        .iter()
        .filter(|f| f.is_absolute())
        .filter_map(|f| f.parent().map(Path::to_path_buf))
        .collect();
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let Some(target) = rooted::normal(&dir.join(target)) else { continue };
        // A directory that high up is the system's, not a part of a kernel.
        if target.components().count() > 3 {
            out.push(target);
        }
    }
    out
}

fn below(dir: &Path, inside: &Path, unpack: &mut Unpack) -> Result<()> {
    let mut todo = vec![(dir.to_path_buf(), inside.to_path_buf())];
    while let Some((dir, inside)) = todo.pop() {
        let member = Member { path: inside.clone(), mode: 0o755, mtime: 0, what: What::Dir };
        unpack.member(&member, &mut std::io::empty())?;
        let entries = fs::read_dir(&dir).map_err(|e| Error::io("read", &dir, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &dir, e))?;
            let (real, inside) = (entry.path(), inside.join(entry.file_name()));
            let meta = fs::symlink_metadata(&real).map_err(|e| Error::io("read", &real, e))?;
            if meta.is_dir() {
                // The history of a source is no part of a tree and can be larger than it.
                if entry.file_name() != ".git" {
                    todo.push((real, inside));
                }
                continue;
            }
            one(&real, inside, &meta, unpack)?;
        }
    }
    Ok(())
}

fn one(real: &Path, inside: PathBuf, meta: &fs::Metadata, unpack: &mut Unpack) -> Result<()> {
    let mut member = Member {
        path: inside,
        mode: meta.permissions().mode(),
        mtime: meta.mtime(),
        what: What::Special,
    };
    if meta.is_symlink() {
        let target = fs::read_link(real).map_err(|e| Error::io("read", real, e))?;
        member.what = What::Symlink(target);
        return unpack.member(&member, &mut std::io::empty());
    }
    if !meta.is_file() {
        // A socket or pipe that some program left lying is nothing a build wants.
        return Ok(());
    }
    let mut file = fs::File::open(real).map_err(|e| Error::io("read", real, e))?;
    member.what = What::File { size: meta.len() };
    unpack.member(&member, &mut file).map_err(|e| match e.kind {
        Kind::BadArchive => {
            Error::new(Kind::Io, format!("{} changed while it was copied", real.display()))
        }
        _ => e,
    })
}
