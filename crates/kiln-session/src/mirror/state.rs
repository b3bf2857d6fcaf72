//! What Kiln put into an output directory, kept in that directory in `.kiln-sources`.
//!
//! ```text
//! kiln sources 1
//! SOURCE-DIRECTORY
//! KIND MODE SIZE SECONDS.NANOSECONDS NAME
//! ```
//!
//! KIND is `f`, `d` or `l`; mode (octal), size and time are those of a file, 0 for the rest; a newline
//! in a name is written `\n`, a backslash `\\`. A name may stand there more than once while an update
//! is under way: any of its stamps is then what Kiln may have put there, the last one what it was to
//! put. Written whole to another name and renamed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE: &str = ".kiln-sources";

const HEAD: &[u8] = b"kiln sources 1";

/// What stands at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; of anything else too, which is nothing that Kiln put there.
    Link,
}

/// A name's kind, and mode, size and time of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What it is.
    pub kind: Kind,
    mode: u32,
    size: u64,
    time: (i64, i64),
}

impl Stamp {
    /// Of what was looked at.
    pub fn of(meta: &fs::Metadata) -> Self {
        match (meta.is_file(), meta.is_dir()) {
            (true, _) => Stamp {
                kind: Kind::File,
                mode: meta.mode() & 0o777,
                size: meta.size(),
                time: (meta.mtime(), meta.mtime_nsec()),
            },
            (_, true) => Stamp::directory(),
            _ => Stamp { kind: Kind::Link, mode: 0, size: 0, time: (0, 0) },
        }
    }

    /// A directory's.
    pub fn directory() -> Self {
        Stamp { kind: Kind::Directory, mode: 0, size: 0, time: (0, 0) }
    }
}

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The source directory; `None` if the directory has no such file.
    pub source: Option<PathBuf>,
    /// By the name relative to the directory.
    pub entries: BTreeMap<PathBuf, Vec<Stamp>>,
}

/// Whether a directory is the output directory of some source.
pub fn is_mirror(dir: &Path) -> bool {
    fs::symlink_metadata(dir.join(FILE)).is_ok_and(|m| m.is_file())
}

impl State {
    /// Of a directory; empty if it has none.
    ///
    /// # Errors
    /// In words, where it is damaged: what is in the directory could then be anybody's.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(e) => return Err(format!("{}: {e}", path.display())),
        };
        Self::from_text(&text).ok_or_else(|| {
            format!(
                "{} cannot be read\n  hint: without it kiln does not know which files there are \
                 its own; remove the directory, or this file if the sources in it are unchanged",
                path.display()
            )
        })
    }

    /// Puts it into a directory.
    ///
    /// # Errors
    /// In words.
    pub fn write(&self, dir: &Path) -> Result<(), String> {
        let (path, fresh) = (dir.join(FILE), dir.join(".kiln-sources.new"));
        fs::write(&fresh, self.to_text())
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    fn to_text(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        out.push(b'\n');
        if let Some(source) = &self.source {
            out.extend(escaped(source));
        }
        out.push(b'\n');
        for (name, stamps) in &self.entries {
            for s in stamps {
                let kind = match s.kind {
                    Kind::File => 'f',
                    Kind::Directory => 'd',
                    Kind::Link => 'l',
                };
                let (sec, nano) = s.time;
                let line = format!("{kind} {:o} {} {sec}.{nano} ", s.mode, s.size);
                out.extend_from_slice(line.as_bytes());
                out.extend(escaped(name));
                out.push(b'\n');
            }
        }
        out
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        // A file that was cut off must not make files of Kiln's look like somebody else's, or less.
        let mut lines = text.strip_suffix(b"\n")?.split(|&b| b == b'\n');
        if lines.next()? != HEAD {
            return None;
        }
        let mut state = State { source: Some(plain(lines.next()?)?), entries: BTreeMap::new() };
        for line in lines {
            let mut parts = line.splitn(5, |&b| b == b' ');
            let kind = match parts.next()? {
                b"f" => Kind::File,
                b"d" => Kind::Directory,
                b"l" => Kind::Link,
                _ => return None,
            };
            let mut word = || std::str::from_utf8(parts.next()?).ok();
            let mode = u32::from_str_radix(word()?, 8).ok()?;
            let size = word()?.parse().ok()?;
            let (sec, nano) = word()?.split_once('.')?;
            let time = (sec.parse().ok()?, nano.parse().ok()?);
            let name = plain(parts.next()?)?;
            let climbs = |c| !matches!(c, std::path::Component::Normal(_));
            if name.as_os_str().is_empty() || name.components().any(climbs) {
                return None;
            }
            state.entries.entry(name).or_default().push(Stamp { kind, mode, size, time });
        }
        Some(state)
    }
}

fn escaped(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    for &b in path.as_os_str().as_bytes() {
        match b {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(b),
        }
    }
    out
}

fn plain(text: &[u8]) -> Option<PathBuf> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(&b) = bytes.next() {
        match b {
            b'\\' if *bytes.next()? == b'n' => out.push(b'\n'),
            b'\\' => out.push(b'\\'),
            _ => out.push(b),
        }
    }
    Some(PathBuf::from(OsString::from_vec(out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_read_back_whole() {
        let stamp = Stamp { kind: Kind::File, mode: 0o644, size: 3, time: (-1, 999) };
        let mut state = State { source: Some("/a b\nc".into()), entries: BTreeMap::new() };
        state.entries.insert("x\\n\ny".into(), vec![stamp.clone(), Stamp::directory()]);
        assert_eq!(State::from_text(&state.to_text()), Some(state));
    }

    #[test]
    fn what_is_cut_off_or_climbs_is_refused() {
        assert_eq!(State::from_text(b"kiln sources 1\n/s\nf 644 1 1.1 a"), None);
        assert_eq!(State::from_text(b"kiln sources 1\n/s\nf 644 1 1.1 ../a\n"), None);
        assert_eq!(State::from_text(b"kiln sources 1\n/s\nf 644 1 1.1 /a\n"), None);
        assert_eq!(State::from_text(b"kiln sources 2\n/s\n"), None);
        assert!(State::from_text(b"kiln sources 1\n/s\n").is_some());
    }
}
