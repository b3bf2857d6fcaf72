//! One kernel tree: a directory that modules can be built against, and its release.
//!
//! Opening looks at a handful of small files. What else can be known is in [`crate::describe`].

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::makefacts::{self, MakeFacts};
use crate::rooted::Root;

/// How a tree came to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// `/lib/modules/RELEASE/build`.
    Installed,
    /// Below `/usr/src`, with no `/lib/modules/RELEASE/build` that leads to it.
    Source,
    /// Kiln's own store, under this name.
    Store(String),
    /// A directory that the user named.
    Given,
}

/// A kernel tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// A real path, absolute, links followed: what `make -C` is to be given.
    pub dir: PathBuf,
    /// `6.12.117+deb12-amd64`; of a source that is not yet configured its version.
    pub release: String,
    /// How it came to be known.
    pub origin: Origin,
    /// Where absolute names in it lead.
    pub(crate) root: Root,
}

impl Tree {
    /// Looks at a real directory.
    ///
    /// # Errors
    /// [`Kind::NotATree`] with what is missing and, for the half of a distribution's pair of
    /// packages, with the other half; [`Kind::Io`] if there is no such directory.
    pub fn open(root: &Root, dir: &Path, origin: Origin) -> Result<Tree> {
        let meta = fs::metadata(dir).map_err(|e| Error::io("open kernel tree", dir, e))?;
        let shown = dir.display();
        if !meta.is_dir() {
            return Err(Error::new(Kind::NotATree, format!("{shown} is not a directory")));
        }
        // What an engine gets as its directory must not depend on links that change meanwhile.
        let dir = fs::canonicalize(dir).map_err(|e| Error::io("open kernel tree", dir, e))?;
        if !dir.join("Makefile").is_file() {
            let message = format!("{shown} is not a kernel tree: it has no Makefile");
            return Err(Error::new(Kind::NotATree, message));
        }
        let source = makefacts::source_of(root, &dir);
        let configured = dir.join("include/config/auto.conf").is_file();
        if source.is_none() && !configured {
            return Err(Error::new(
                Kind::NotATree,
                format!("{shown} is not a kernel tree: its Makefile is not a kernel's"),
            )
            .hints(dangling_include(root, &dir)));
        }
        let whole_source = dir.join("Kconfig").is_file();
        if !configured && !whole_source && !dir.join(".config").is_file() {
            let mut error = Error::new(
                Kind::NotATree,
                format!("{shown} holds only the part of a kernel tree that all its variants share"),
            );
            for other in variants(&dir) {
                error = error.hint(format!("use {}", other.display()));
            }
            return Err(error);
        }
        let release = release(&dir, source.as_deref()).ok_or_else(|| {
            Error::new(Kind::NotATree, format!("{shown} does not say which kernel it is for"))
        })?;
        Ok(Tree { dir, release, origin, root: root.clone() })
    }

    /// The directory with the kernel's own Makefile: the tree itself, or what its Makefile includes.
    pub fn source(&self) -> Option<PathBuf> {
        makefacts::source_of(&self.root, &self.dir)
    }

    /// The name by which `-k` finds it among the others.
    pub fn name(&self) -> &str {
        match &self.origin {
            Origin::Store(name) => name,
            _ => &self.release,
        }
    }

    /// Whether it stands where the running kernel's tree is looked for.
    pub fn is_for_running(&self, machine: &Machine) -> bool {
        machine.running.as_deref() == Some(self.release.as_str())
    }
}

/// The release from the places where kbuild leaves it, else the source's version.
fn release(dir: &Path, source: Option<&Path>) -> Option<String> {
    let first_line = |text: Vec<u8>| {
        let line = text.split(|b| *b == b'\n').next()?.trim_ascii().to_vec();
        let line = String::from_utf8_lossy(&line).into_owned();
        (!line.is_empty()).then_some(line)
    };
    // The header is what modules are compiled with. Debian's 6.1 and older leave another number in
    // kernel.release, which their own makefiles then override.
    let utsrelease = || {
        let text = makefacts::head(&dir.join("include/generated/utsrelease.h"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let quoted = text.split_once("UTS_RELEASE \"")?.1;
        Some(quoted.split_once('"')?.0.to_string()).filter(|r| !r.is_empty())
    };
    utsrelease()
        .or_else(|| {
            makefacts::head(&dir.join("include/config/kernel.release")).and_then(first_line)
        })
        .or_else(|| MakeFacts::of_dir(source?).kernel_version())
}

/// Says that a Makefile of a few lines includes a file that is not there.
fn dangling_include(root: &Root, dir: &Path) -> Option<String> {
    let facts = MakeFacts::of_dir(dir);
    let gone = facts.includes.iter().find(|f| f.is_absolute() && root.find(f).is_none())?;
    Some(format!("its Makefile includes {}, which does not exist", gone.display()))
}

/// The directories beside `NAME-common` that are named `NAME-something`.
fn variants(dir: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Vec::new() };
    let name = name.to_string_lossy();
    let Some(stem) = name.strip_suffix("common") else { return Vec::new() };
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| {
            let other = e.file_name().to_string_lossy().into_owned();
            other.starts_with(stem) && other != name
        })
        .map(|e| e.path())
        .filter(|p| p.join("include/config/auto.conf").is_file())
        .collect();
    out.sort();
    out
}
