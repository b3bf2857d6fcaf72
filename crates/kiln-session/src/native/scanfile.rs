//! The option names in headers, kept from one build to the next.
//!
//! One file in the cache directory, written anew as a whole: a line that says what it is, a sum over the
//! rest, and for each header its path, what it was, and its names, each with its length in front. What is
//! cut off, damaged or of another version is none. It does not know when a header is still the same.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

/// A header: its path, what it was when it was searched, and its names.
pub(super) type Entry = (Vec<u8>, u128, Arc<[u8]>);

/// Its name in the cache directory.
pub(crate) const FILE: &str = "scans-1";

/// More than this is not kept, in bytes: it is read whole by every build that compiles something. The
/// headers of one kernel that modules include take about a tenth.
const MOST: usize = 1 << 20;

fn head() -> Vec<u8> {
    format!("kiln scans 1 {}\n", env!("CARGO_PKG_VERSION")).into_bytes()
}

/// What is kept in a directory.
pub(super) fn read(dir: &Path) -> Vec<Entry> {
    fs::read(dir.join(FILE)).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default()
}

/// Keeps these, if they are not too many; the directory is made if it is not there.
pub(super) fn write<'a>(
    dir: &Path,
    entries: impl Iterator<Item = (&'a [u8], u128, &'a [u8])>,
) -> io::Result<()> {
    let Some(bytes) = encode(entries) else { return Ok(()) };
    fs::create_dir_all(dir)?;
    // Others may do the same: each writes a file of its own, and the last one to rename it is right.
    let fresh = dir.join(format!(".{FILE}.{}", std::process::id()));
    let open = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let done = open
        .and_then(|mut file| file.write_all(&bytes))
        .and_then(|()| fs::rename(&fresh, dir.join(FILE)));
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done
}

fn encode<'a>(entries: impl Iterator<Item = (&'a [u8], u128, &'a [u8])>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (path, identity, names) in entries {
        for part in [path, &identity.to_le_bytes()[..], names] {
            body.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
            body.extend_from_slice(part);
        }
        if body.len() > MOST {
            return None;
        }
    }
    Some([&head()[..], &xxh3_128(&body).to_le_bytes(), &body].concat())
}

fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let rest = bytes.strip_prefix(&head()[..])?;
    let (sum, mut body) = rest.split_at_checked(16)?;
    if xxh3_128(body).to_le_bytes() != sum {
        return None;
    }
    let mut part = || {
        let (length, rest) = body.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let (part, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        body = rest;
        Some(part)
    };
    let mut entries = Vec::new();
    while let Some(path) = part() {
        let identity = u128::from_le_bytes(part()?.try_into().ok()?);
        entries.push((path.to_vec(), identity, Arc::from(part()?)));
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<u8> {
        let entries = [(&b"/k/a.h"[..], 7, &b"A\nB\n"[..]), (b"/k/b.h", u128::MAX, b"")];
        encode(entries.into_iter()).expect("not too many")
    }

    #[test]
    fn what_is_written_is_read() {
        let read = decode(&some()).expect("entries");
        let read: Vec<_> = read.iter().map(|(p, i, n)| (&p[..], *i, &n[..])).collect();
        assert_eq!(read, [(&b"/k/a.h"[..], 7, &b"A\nB\n"[..]), (b"/k/b.h", u128::MAX, b"")]);
        assert_eq!(decode(&encode(std::iter::empty()).expect("none")), Some(Vec::new()));
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_none() {
        let whole = some();
        for at in 0..whole.len() {
            assert_eq!(decode(&whole[..at]), None, "cut off at {at}");
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(decode(&other), None, "damaged at {at}");
        }
    }

    #[test]
    fn what_is_too_much_is_not_kept() {
        let names = vec![b'x'; MOST];
        assert_eq!(encode([(&b"/k/a.h"[..], 1, &names[..])].into_iter()), None);
    }
}
