//! The "new" cpio format (cpio(5), `070701` and `070702`): payload of rpm packages, and what the
//! kernel unpacks as an initramfs.
//!
//! Reading serves packages, writing serves boots. Knows nothing of either.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use crate::archive::{
    MAX_NAME, Member, Sink, What, cut_off, damaged, fill, give, link_text, member_path, skip, take,
};
use crate::error::{Error, Kind, Result};

const HEADER: usize = 110;
const END: &[u8] = b"TRAILER!!!";

const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

/// Reads an archive to its trailer and gives the members to the sink.
///
/// Names of one file (`nlink` over 1) come one after another and the last of them brings the data;
/// the sink sees the file at the first name and the rest as hard links.
///
/// # Errors
/// [`Kind::BadArchive`], [`Kind::Hostile`], and what the sink says.
pub fn read(reader: &mut dyn Read, sink: &mut dyn Sink) -> Result<()> {
    // Names still without data, by (device, inode).
    let mut waiting: HashMap<[u32; 3], Vec<PathBuf>> = HashMap::new();
    loop {
        let mut raw = [0; HEADER];
        if !fill(reader, &mut raw)? {
            return Err(cut_off());
        }
        let header = Header::read(&raw)?;
        if header.name_size == 0 || u64::from(header.name_size) > MAX_NAME {
            return Err(damaged(&std::io::Error::other("a member's name has no length")));
        }
        let mut name = take(reader, u64::from(header.name_size))?;
        skip(reader, padding(HEADER as u64 + u64::from(header.name_size)))?;
        if name.pop() != Some(0) {
            return Err(damaged(&std::io::Error::other("a member's name has no end")));
        }
        if name == END {
            return if waiting.is_empty() { Ok(()) } else { Err(cut_off()) };
        }
        let size = u64::from(header.size);
        let mut member = Member {
            path: member_path(&name)?,
            mode: header.mode & 0o7777,
            mtime: i64::from(header.mtime),
            what: What::Special,
        };
        match header.mode & S_IFMT {
            S_IFREG if header.links > 1 && size == 0 => {
                // Empty files with several names are told from waiting ones by the last link only;
                // rpm writes those without data too, so they are settled when all have come.
                let names = waiting.entry(header.id).or_default();
                names.push(member.path.clone());
                if names.len() as u64 == u64::from(header.links) {
                    let names = waiting.remove(&header.id).unwrap_or_default();
                    linked(&names, &mut member, 0, reader, sink)?;
                }
            }
            S_IFREG => {
                let mut names = waiting.remove(&header.id).unwrap_or_default();
                if header.links > 1 {
                    names.push(member.path.clone());
                    linked(&names, &mut member, size, reader, sink)?;
                } else {
                    member.what = What::File { size };
                    give(reader, size, &member, sink)?;
                }
            }
            S_IFLNK if size <= MAX_NAME => {
                member.what = What::Symlink(link_text(&take(reader, size)?)?);
                sink.member(&member, &mut std::io::empty())?;
            }
            S_IFDIR => {
                member.what = What::Dir;
                give(reader, size, &member, sink)?;
            }
            _ => give(reader, size, &member, sink)?,
        }
        skip(reader, padding(size))?;
    }
}

/// The file at its first name, then its other names.
fn linked(
    names: &[PathBuf],
    member: &mut Member,
    size: u64,
    reader: &mut dyn Read,
    sink: &mut dyn Sink,
) -> Result<()> {
    let Some((first, others)) = names.split_first() else { return Ok(()) };
    member.path.clone_from(first);
    member.what = What::File { size };
    give(reader, size, member, sink)?;
    for other in others {
        member.path.clone_from(other);
        member.what = What::HardLink(first.clone());
        sink.member(member, &mut std::io::empty())?;
    }
    Ok(())
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % 4
}

struct Header {
    mode: u32,
    links: u32,
    mtime: u32,
    size: u32,
    id: [u32; 3],
    name_size: u32,
}

impl Header {
    fn read(raw: &[u8; HEADER]) -> Result<Header> {
        match &raw[..6] {
            b"070701" | b"070702" => {}
            b"07070X" => {
                let message =
                    "it is an rpm package with files over 4 GiB, which Kiln does not read";
                return Err(Error::new(Kind::Unsupported, message));
            }
            _ => return Err(damaged(&std::io::Error::other("no cpio header where one must be"))),
        }
        let field = |index: usize| -> Result<u32> {
            let digits = &raw[6 + index * 8..14 + index * 8];
            let text = std::str::from_utf8(digits).ok().filter(|t| !t.starts_with('+'));
            text.and_then(|t| u32::from_str_radix(t, 16).ok())
                .ok_or_else(|| damaged(&std::io::Error::other("a cpio header holds no numbers")))
        };
        Ok(Header {
            id: [field(0)?, field(7)?, field(8)?],
            mode: field(1)?,
            links: field(4)?,
            mtime: field(5)?,
            size: field(6)?,
            name_size: field(11)?,
        })
    }
}

/// Writes an archive into memory. Every member belongs to root and has time 0, so that equal
/// contents give equal bytes.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    inode: u32,
}

impl Writer {
    /// An empty archive.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A directory; its parents must have come before.
    pub fn dir(&mut self, path: &str, mode: u32) {
        self.member(path, S_IFDIR | mode, [0, 0], &[]);
    }

    /// A file.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.member(path, S_IFREG | mode, [0, 0], bytes);
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.member(path, S_IFLNK | 0o777, [0, 0], target.as_bytes());
    }

    /// A character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.member(path, 0o020_000 | mode, [major, minor], &[]);
    }

    /// The archive with its trailer.
    pub fn finish(mut self) -> Vec<u8> {
        self.inode = u32::MAX;
        self.member("TRAILER!!!", 0, [0, 0], &[]);
        self.out
    }

    fn member(&mut self, path: &str, mode: u32, device: [u32; 2], data: &[u8]) {
        self.inode = self.inode.wrapping_add(1);
        let name_size = path.len() as u32 + 1;
        let size = data.len() as u32;
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, device[0], device[1], name_size, 0];
        self.out.extend_from_slice(b"070701");
        for field in fields {
            self.out.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.out.extend_from_slice(path.as_bytes());
        self.out.push(0);
        self.pad();
        self.out.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        let to = self.out.len().next_multiple_of(4);
        self.out.resize(to, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new();
        writer.dir("d", 0o755);
        writer.file("d/f", 0o644, b"hello");
        writer.symlink("d/l", "f");
        let bytes = writer.finish();
        let mut seen = Vec::new();
        let mut sink = |member: &Member, data: &mut dyn Read| {
            let mut text = Vec::new();
            data.read_to_end(&mut text).unwrap();
            seen.push((member.path.clone(), member.what.clone(), text));
            Ok(())
        };
        read(&mut &bytes[..], &mut sink).unwrap();
        assert_eq!(
            seen,
            [
                (PathBuf::from("d"), What::Dir, vec![]),
                (PathBuf::from("d/f"), What::File { size: 5 }, b"hello".to_vec()),
                (PathBuf::from("d/l"), What::Symlink(PathBuf::from("f")), vec![]),
            ]
        );
        for cut in 0..bytes.len() - 4 {
            let mut quiet = |_: &Member, _: &mut dyn Read| Ok(());
            assert!(read(&mut &bytes[..cut], &mut quiet).is_err(), "cut at {cut}");
        }
    }
}
