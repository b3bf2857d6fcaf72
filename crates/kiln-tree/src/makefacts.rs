//! What a tree's top Makefile says of itself without being evaluated: the version, and the Makefile
//! of another directory that it includes.
//!
//! A tree of a distribution or of `make O=` has a Makefile of a few lines that includes the one of
//! the source; the source's begins with VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION. Reading
//! these few plain lines is not an evaluation of make's language, which this crate does not know.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::rooted::Root;

/// Only this much of a Makefile is read: what is looked for stands at its top.
const HEAD: u64 = 16 * 1024;

/// What the top of a Makefile says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MakeFacts {
    /// VERSION, PATCHLEVEL, SUBLEVEL.
    pub version: Option<[u32; 3]>,
    /// EXTRAVERSION (`-rc3`).
    pub extra: String,
    /// The files it includes by a plain path, in order.
    pub includes: Vec<PathBuf>,
    /// KBUILD_OUTPUT, set by Debian from 7.2 on.
    pub output: Option<PathBuf>,
}

impl MakeFacts {
    /// Reads the top of a Makefile's text.
    pub fn read(text: &[u8]) -> MakeFacts {
        let mut facts = MakeFacts::default();
        let (mut major, mut minor, mut sub) = (None, None, None);
        for line in text.split(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end();
            if let Some(file) = line.strip_prefix("include ") {
                let file = file.trim();
                if !file.contains(['$', ' ']) {
                    facts.includes.push(PathBuf::from(file));
                }
                continue;
            }
            let Some((name, value)) = line.split_once('=') else { continue };
            let (name, value) = (name.trim_end_matches([' ', ':', '?']), value.trim());
            match name {
                "VERSION" => major = value.parse().ok(),
                "PATCHLEVEL" => minor = value.parse().ok(),
                "SUBLEVEL" => sub = value.parse().ok(),
                "EXTRAVERSION" if !value.contains('$') => facts.extra = value.to_string(),
                "KBUILD_OUTPUT" if value.starts_with('/') && !value.contains(['$', ' ']) => {
                    facts.output = Some(PathBuf::from(value));
                }
                _ => {}
            }
        }
        if let (Some(major), Some(minor)) = (major, minor) {
            facts.version = Some([major, minor, sub.unwrap_or(0)]);
        }
        facts
    }

    /// Reads the top of the Makefile in a real directory; nothing found if there is none.
    pub fn of_dir(dir: &Path) -> MakeFacts {
        head(&dir.join("Makefile")).map(|text| MakeFacts::read(&text)).unwrap_or_default()
    }

    /// The version as the kernel writes it: `6.12.117`, `7.2-rc3` with SUBLEVEL 0 kept (`6.12.0`).
    pub fn kernel_version(&self) -> Option<String> {
        let [a, b, c] = self.version?;
        Some(format!("{a}.{b}.{c}{}", self.extra))
    }
}

/// The source directory that belongs to a tree, a real path: the tree itself if its Makefile is the
/// kernel's own, else the directory of the Makefile that it includes, else its `source` link.
pub fn source_of(root: &Root, dir: &Path) -> Option<PathBuf> {
    let facts = MakeFacts::of_dir(dir);
    if facts.version.is_some() {
        return Some(dir.to_path_buf());
    }
    let within = |path: &Path| -> Option<PathBuf> {
        if path.is_absolute() { root.find(path) } else { Some(dir.join(path)) }
    };
    let included = facts.includes.iter().filter_map(|file| within(file)).find_map(|file| {
        let text = head(&file)?;
        MakeFacts::read(&text).version?;
        file.parent().map(Path::to_path_buf)
    });
    included.or_else(|| {
        let link = std::fs::read_link(dir.join("source")).ok()?;
        let source = within(&link)?;
        MakeFacts::of_dir(&source).version.map(|_| source)
    })
}

/// The first bytes of a regular file.
pub fn head(file: &Path) -> Option<Vec<u8>> {
    // Asked before opening: opening a named pipe would wait for a writer.
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let file = File::open(file).ok()?;
    let mut text = Vec::new();
    file.take(HEAD).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_makefile() {
        let facts = MakeFacts::read(
            b"# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\nNAME = x\n",
        );
        assert_eq!(facts.version, Some([7, 2, 0]));
        assert_eq!(facts.kernel_version().as_deref(), Some("7.2.0-rc3"));
    }

    #[test]
    fn a_makefile_that_includes_another() {
        let facts = MakeFacts::read(
            b"KBUILD_OUTPUT=/usr/src/out\ninclude /usr/src/common/Makefile\ninclude $(x)/y\n",
        );
        assert_eq!(facts.output.as_deref(), Some(Path::new("/usr/src/out")));
        assert_eq!(facts.includes, [PathBuf::from("/usr/src/common/Makefile")]);
        assert_eq!(facts.version, None);
    }
}
