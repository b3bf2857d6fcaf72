//! rpm packages (format 3 and 4): lead, signature header, header, compressed cpio payload.
//!
//! Signatures are not checked: the file was given by the user, and nothing in it is run. Knows
//! nothing of kernels.

use std::io::{BufReader, Read};

use crate::archive::{About, Sink, cpio, cut_off, damaged, decompress, fill, skip, take};
use crate::error::{Error, Kind, Result};

/// The first bytes of the file.
pub const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// rpm's own bounds: entries of a header, and bytes of its store.
const MAX_ENTRIES: u32 = 0xffff;
const MAX_STORE: u32 = 256 << 20;

/// Tags of the header, from rpm's rpmtag.h.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const ARCH: u32 = 1022;
const REQUIRE_NAME: u32 = 1049;
const PAYLOAD_FORMAT: u32 = 1124;
/// Tags of the signature header: bytes of header and payload.
const SIG_SIZE: u32 = 1000;
const SIG_LONG_SIZE: u32 = 270;

/// Reads a package whose file has `length` bytes and gives the payload's members to the sink.
///
/// # Errors
/// [`Kind::BadArchive`], [`Kind::Hostile`], [`Kind::Unsupported`], and what the sink says.
pub fn read(file: impl Read, length: u64, sink: &mut dyn Sink) -> Result<About> {
    let mut reader = BufReader::new(file);
    let mut lead = [0; 96];
    if !fill(&mut reader, &mut lead)? || lead[..4] != LEAD_MAGIC {
        return Err(damaged(&std::io::Error::other("no rpm lead")));
    }
    let signature = Header::read(&mut reader)?;
    let padding = signature.bytes.wrapping_neg() % 8;
    skip(&mut reader, padding)?;
    let before = 96 + signature.bytes + padding;
    let stated = signature.number(SIG_LONG_SIZE).or_else(|| signature.number(SIG_SIZE));
    if stated.is_some_and(|size| before + size > length) {
        return Err(cut_off());
    }
    let header = Header::read(&mut reader)?;
    if header.strings(PAYLOAD_FORMAT).first().is_some_and(|f| f != "cpio") {
        return Err(Error::new(Kind::Unsupported, "its payload is not a cpio archive"));
    }
    let one = |tag: u32| header.strings(tag).into_iter().next().unwrap_or_default();
    let about = About {
        name: one(NAME),
        version: format!("{}-{}", one(VERSION), one(RELEASE)),
        arch: one(ARCH),
        depends: header
            .strings(REQUIRE_NAME)
            .into_iter()
            .filter(|n| !n.contains(['(', '/']))
            .collect(),
    };
    let mut payload = decompress::open(reader)?;
    cpio::read(&mut payload, sink)?;
    // Padding follows the trailer; reading it checks the compressed stream to its end.
    std::io::copy(&mut payload, &mut std::io::sink()).map_err(|e| damaged(&e))?;
    Ok(about)
}

struct Header {
    /// (tag, type, offset, count)
    entries: Vec<[u32; 4]>,
    store: Vec<u8>,
    /// Bytes in the file.
    bytes: u64,
}

impl Header {
    fn read(reader: &mut dyn Read) -> Result<Header> {
        let mut start = [0; 16];
        let there = fill(reader, &mut start)?;
        if !there {
            return Err(cut_off());
        }
        let entries = word(&start, 8);
        let size = word(&start, 12);
        if start[..4] != HEADER_MAGIC || entries > MAX_ENTRIES || size > MAX_STORE {
            return Err(damaged(&std::io::Error::other("no rpm header where one must be")));
        }
        let index = take(reader, u64::from(entries) * 16)?;
        let store = take(reader, u64::from(size))?;
        let entries = index
            .chunks_exact(16)
            .map(|e| [word(e, 0), word(e, 4), word(e, 8), word(e, 12)])
            .collect::<Vec<_>>();
        let bytes = 16 + index.len() as u64 + u64::from(size);
        Ok(Header { entries, store, bytes })
    }

    fn find(&self, tag: u32) -> Option<(u32, &[u8], u32)> {
        let [_, kind, offset, count] = *self.entries.iter().find(|e| e[0] == tag)?;
        Some((kind, self.store.get(offset as usize..)?, count))
    }

    /// A number of 32 or 64 bits.
    fn number(&self, tag: u32) -> Option<u64> {
        let (kind, store, _) = self.find(tag)?;
        match kind {
            4 => Some(u64::from(u32::from_be_bytes(store.get(..4)?.try_into().ok()?))),
            5 => Some(u64::from_be_bytes(store.get(..8)?.try_into().ok()?)),
            _ => None,
        }
    }

    /// A string, or an array of strings.
    fn strings(&self, tag: u32) -> Vec<String> {
        match self.find(tag) {
            Some((6 | 8 | 9, store, count)) => store
                .split(|b| *b == 0)
                .take(count.min(MAX_ENTRIES) as usize)
                .map(|s| String::from_utf8_lossy(s).into_owned())
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// A big-endian number inside a block that is long enough.
fn word(block: &[u8], at: usize) -> u32 {
    block[at..at + 4].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
