//! The `.modinfo` section of a module: what it is called and what must be loaded before it; and whether
//! it can be unloaded.
//!
//! A reader of ELF section tables for just that, for 32 and 64 bits and both byte orders. All offsets
//! are checked; knows nothing of symbols.

use std::path::Path;

use crate::archive::decompress;
use crate::error::{Error, Kind, Result};

/// The largest module file that is taken: with debug information they come to some 100 MB.
pub const MAX_MODULE: u64 = 1 << 30;

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modinfo {
    /// Its name as the kernel knows it (with `_` for `-`).
    pub name: Option<String>,
    /// Names of modules that it uses symbols of.
    pub depends: Vec<String>,
    /// Names of modules that it asks to be loaded first.
    pub softdeps: Vec<String>,
    /// The kernel it was built for, with its main settings.
    pub vermagic: Option<String>,
    /// It has a function that is called when it is loaded and none for its end; the kernel keeps such
    /// a module for good.
    pub permanent: bool,
}

/// A module's file, decompressed.
///
/// # Errors
/// [`Kind::Io`], or a damaged compressed file.
pub fn read_module(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read module", path, e))?;
    if decompress::Kind::of(&bytes).is_none() {
        return Ok(bytes);
    }
    decompress::whole(&bytes, MAX_MODULE).map_err(|e| {
        Error::new(
            Kind::BadArchive,
            format!("module {} cannot be read: {}", path.display(), e.message),
        )
    })
}

/// The name by which the kernel knows a module, from the name of its file.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(".ko").next().unwrap_or_default().replace('-', "_")
}

impl Modinfo {
    /// Reads a module's bytes; what is damaged or missing is left empty, for the kernel to say.
    pub fn read(module: &[u8]) -> Modinfo {
        let mut out = Modinfo::default();
        let Some(section) = section(module, b".modinfo") else { return out };
        // The kernel finds both by these names, so they stand in the file's table of names.
        let names = |name: &[u8]| module.windows(name.len()).any(|w| w == name);
        out.permanent = names(b"\0init_module\0") && !names(b"\0cleanup_module\0");
        for entry in section.split(|b| *b == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((key, value)) = entry.split_once('=') else { continue };
            let names = |text: &str| -> Vec<String> {
                text.split([',', ' '])
                    .filter(|n| !n.is_empty())
                    .map(|n| n.replace('-', "_"))
                    .collect()
            };
            match key {
                "name" => out.name = Some(value.to_string()),
                "depends" => out.depends = names(value),
                "vermagic" => out.vermagic = Some(value.trim().to_string()),
                "softdep" => {
                    let before = value.split("post:").next().unwrap_or_default();
                    if let Some((_, list)) = before.split_once("pre:") {
                        out.softdeps.extend(names(list));
                    }
                }
                _ => {}
            }
        }
        out
    }
}

/// Widths and byte order of a file.
struct Form {
    wide: bool,
    little: bool,
}

impl Form {
    fn number(&self, bytes: &[u8], at: usize, width: usize) -> Option<u64> {
        let field = bytes.get(at..at.checked_add(width)?)?;
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.little {
            field.iter().rev().fold(0, join)
        } else {
            field.iter().fold(0, join)
        })
    }
}

/// The bytes of a section, by its name.
fn section<'a>(file: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if file.get(..4)? != b"\x7fELF" {
        return None;
    }
    let form = Form { wide: *file.get(4)? == 2, little: *file.get(5)? == 1 };
    // Offsets of e_shoff, e_shentsize, e_shnum, e_shstrndx; of sh_offset and sh_size.
    let (word, at) =
        if form.wide { (8, [40, 58, 60, 62, 24, 32]) } else { (4, [32, 46, 48, 50, 16, 20]) };
    let table = usize::try_from(form.number(file, at[0], word)?).ok()?;
    let size = usize::try_from(form.number(file, at[1], 2)?).ok()?;
    let count = usize::try_from(form.number(file, at[2], 2)?).ok()?;
    let names = usize::try_from(form.number(file, at[3], 2)?).ok()?;
    let header = |index: usize| {
        let start = table.checked_add(index.checked_mul(size)?)?;
        file.get(start..start.checked_add(size)?)
    };
    let content = |header: &[u8]| {
        let start = usize::try_from(form.number(header, at[4], word)?).ok()?;
        let length = usize::try_from(form.number(header, at[5], word)?).ok()?;
        file.get(start..start.checked_add(length)?)
    };
    let names = content(header(names)?)?;
    for index in 0..count {
        let header = header(index)?;
        let start = usize::try_from(form.number(header, 0, 4)?).ok()?;
        let here = names.get(start..).and_then(|n| n.split(|b| *b == 0).next());
        if here == Some(name) {
            return content(header);
        }
    }
    None
}
