//! A directory's whole state as a value: every name below it with kind, mode and content, and a store
//! of contents by identity.
//!
//! It does not know what the files mean. Times are no part of a state; which files were written between
//! two moments is answered by [`Stamps`].
//!
//! On disk a state is text, one line for each name, in the order of the names as bytes:
//! `kind mode identity name`, the name last since it may hold anything but a newline (a newline and a
//! backslash are written `\n` and `\\`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cache;

/// What stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `f` file, `d` directory, `l` symbolic link, `p` fifo, `?` anything else.
    pub kind: char,
    /// The permission bits; 0 for a link.
    pub mode: u32,
    /// The identity of a file's bytes or of a link's target; `-` for the rest.
    pub identity: String,
}

/// Every name below a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By the name relative to the directory.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// Contents by identity, in a directory.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// A store in that directory, made when first needed.
    pub fn new(dir: PathBuf) -> Self {
        Store { dir }
    }

    fn path(&self, identity: &str) -> PathBuf {
        let head = identity.get(..2).unwrap_or("xx");
        self.dir.join(head).join(identity)
    }

    /// Keeps bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn put(&self, identity: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(identity);
        if path.exists() {
            return Ok(());
        }
        if let Some(d) = path.parent() {
            fs::create_dir_all(d)?;
        }
        cache::write_whole(&path, bytes)
    }

    /// The bytes of that identity.
    ///
    /// # Errors
    /// When they are not there.
    pub fn get(&self, identity: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(identity))
    }
}

impl Snapshot {
    /// The state of what stands below `top` now. With a store, the contents are kept there.
    ///
    /// # Errors
    /// When a directory or file cannot be read.
    pub fn take(top: &Path, store: Option<&Store>) -> io::Result<Self> {
        let mut snap = Snapshot::default();
        walk(top, &mut |rel, path, meta| {
            let kind = kind_of(meta);
            let mode = if kind == 'l' { 0 } else { meta.mode() & 0o7777 };
            let bytes = match kind {
                'f' => Some(fs::read(path)?),
                'l' => Some(fs::read_link(path)?.into_os_string().into_vec()),
                _ => None,
            };
            let identity = match bytes {
                Some(bytes) => {
                    let identity = cache::identity(&bytes);
                    if let Some(store) = store {
                        store.put(&identity, &bytes)?;
                    }
                    identity
                }
                None => "-".to_owned(),
            };
            snap.entries.insert(rel.to_vec(), Entry { kind, mode, identity });
            Ok(())
        })?;
        Ok(snap)
    }

    /// The state as text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, e) in &self.entries {
            out.extend_from_slice(format!("{} {:o} {} ", e.kind, e.mode, e.identity).as_bytes());
            for &b in name {
                match b {
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    _ => out.push(b),
                }
            }
            out.push(b'\n');
        }
        out
    }

    /// Reads what [`Snapshot::to_text`] wrote; `None` when it is not that.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let mut snap = Snapshot::default();
        for line in text.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            let mut parts = line.splitn(4, |&b| b == b' ');
            let kind = char::from(*parts.next()?.first()?);
            let mode = u32::from_str_radix(std::str::from_utf8(parts.next()?).ok()?, 8).ok()?;
            let identity = String::from_utf8(parts.next()?.to_vec()).ok()?;
            let mut name = Vec::new();
            let mut bytes = parts.next()?.iter();
            while let Some(&b) = bytes.next() {
                match b {
                    b'\\' if *bytes.next()? == b'n' => name.push(b'\n'),
                    b'\\' => name.push(b'\\'),
                    _ => name.push(b),
                }
            }
            snap.entries.insert(name, Entry { kind, mode, identity });
        }
        Some(snap)
    }
}

/// When and as what inode each name was last written.
#[derive(Debug, Clone, Default)]
pub struct Stamps(BTreeMap<Vec<u8>, (u64, i64, i64)>);

impl Stamps {
    /// The stamps below `top` now, directories left out (they change with every name in them).
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn take(top: &Path) -> io::Result<Self> {
        let mut stamps = Stamps::default();
        walk(top, &mut |rel, _, meta| {
            if !meta.is_dir() {
                stamps.0.insert(rel.to_vec(), (meta.ino(), meta.mtime(), meta.mtime_nsec()));
            }
            Ok(())
        })?;
        Ok(stamps)
    }

    /// The names that were written or came into being since `self`.
    pub fn written(&self, now: &Stamps) -> Vec<Vec<u8>> {
        now.0.iter().filter(|(n, s)| self.0.get(*n) != Some(s)).map(|(n, _)| n.clone()).collect()
    }
}

fn kind_of(meta: &fs::Metadata) -> char {
    let t = meta.file_type();
    if t.is_file() {
        'f'
    } else if t.is_dir() {
        'd'
    } else if t.is_symlink() {
        'l'
    } else if t.is_fifo() {
        'p'
    } else {
        '?'
    }
}

type Visit<'a> = dyn FnMut(&[u8], &Path, &fs::Metadata) -> io::Result<()> + 'a;

/// Calls `visit` for each name below `top`, not for `top` itself, never through a link.
fn walk(top: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
    let mut todo = vec![Vec::new()];
    while let Some(rel) = todo.pop() {
        for item in fs::read_dir(top.join(OsStr::from_bytes(&rel)))? {
            let item = item?;
            let mut name = rel.clone();
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(item.file_name().as_bytes());
            let meta = fs::symlink_metadata(item.path())?;
            visit(&name, &item.path(), &meta)?;
            if meta.is_dir() {
                todo.push(name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_read_back_whole() {
        let mut s = Snapshot::default();
        for name in [&b"a b"[..], b"new\nline", b"back\\slash", b"\xff\xfe"] {
            let e = Entry { kind: 'f', mode: 0o644, identity: "ab12".into() };
            s.entries.insert(name.to_vec(), e);
        }
        assert_eq!(Snapshot::from_text(&s.to_text()), Some(s));
        assert_eq!(Snapshot::from_text(b"nonsense"), None);
    }
}
