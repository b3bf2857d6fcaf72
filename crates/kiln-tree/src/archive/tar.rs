//! tar as it is met: ustar, GNU's long names, POSIX extended headers (tar(5)).
//!
//! An archive has to end with the block of zeros that says so; one that stops before is cut off.
//! Knows nothing of what is inside.

use std::io::Read;

use crate::archive::{
    MAX_NAME, Member, Sink, What, cut_off, damaged, fill, give, link_text, member_path, skip, take,
};
use crate::error::{Error, Kind, Result};

const BLOCK: usize = 512;
/// The largest extended header; real ones have a few hundred bytes.
const MAX_EXTENDED: u64 = 1 << 20;

/// What long-name and extended headers say of the next member.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<i64>,
}

/// Reads an archive to its end and gives the members to the sink.
///
/// # Errors
/// [`Kind::BadArchive`], [`Kind::Hostile`], and what the sink says.
pub fn read(reader: &mut dyn Read, sink: &mut dyn Sink) -> Result<()> {
    let mut said = Said::default();
    loop {
        let mut block = [0; BLOCK];
        if !fill(reader, &mut block)? {
            return Err(cut_off());
        }
        if block.iter().all(|b| *b == 0) {
            // A second block of zeros and padding follow; reading them checks a compressed stream
            // to its end.
            std::io::copy(reader, &mut std::io::sink()).map_err(|e| damaged(&e))?;
            return Ok(());
        }
        check(&block)?;
        let size = number(&block[124..136])?;
        match block[156] {
            kind @ (b'L' | b'K') => {
                if size > MAX_NAME {
                    return Err(damaged(&std::io::Error::other("a name is too long")));
                }
                let mut text = data(reader, size)?;
                while text.last() == Some(&0) {
                    text.pop();
                }
                if kind == b'L' {
                    said.path = Some(text);
                } else {
                    said.link = Some(text);
                }
            }
            b'x' => {
                if size > MAX_EXTENDED {
                    return Err(damaged(&std::io::Error::other("an extended header is too long")));
                }
                said.extended(&data(reader, size)?)?;
            }
            // Global headers (git archive writes one) and volume labels say nothing of a member.
            b'g' | b'V' => {
                skip(reader, size)?;
                skip(reader, padding(size))?;
            }
            kind => {
                let said = std::mem::take(&mut said);
                member(&block, kind, said.size.unwrap_or(size), said, reader, sink)?;
            }
        }
    }
}

fn member(
    block: &[u8; BLOCK],
    kind: u8,
    size: u64,
    said: Said,
    reader: &mut dyn Read,
    sink: &mut dyn Sink,
) -> Result<()> {
    let name = said.path.unwrap_or_else(|| short_name(block));
    let link = said.link.unwrap_or_else(|| text(&block[157..257]).to_vec());
    let what = match kind {
        0 | b'0' | b'7' if name.ends_with(b"/") => What::Dir,
        0 | b'0' | b'7' => What::File { size },
        b'1' => What::HardLink(member_path(&link)?),
        b'2' => What::Symlink(link_text(&link)?),
        b'3' | b'4' | b'6' => What::Special,
        b'5' => What::Dir,
        other => {
            let shown = char::from(other);
            let message = format!("it holds a member of an unknown kind ({shown:?})");
            return Err(Error::new(Kind::Unsupported, message));
        }
    };
    let member = Member {
        path: member_path(&name)?,
        mode: u32::try_from(number(&block[100..108])? & 0o7777).unwrap_or(0),
        mtime: match said.mtime {
            Some(mtime) => mtime,
            None => i64::try_from(number(&block[136..148])?).unwrap_or(0),
        },
        what,
    };
    // Links and directories have no data, whatever some writers put into their size.
    let size = match member.what {
        What::File { size } => size,
        What::HardLink(_) | What::Symlink(_) => 0,
        What::Dir | What::Special => size,
    };
    give(reader, size, &member, sink)?;
    skip(reader, padding(size))
}

impl Said {
    /// Records of the form `LENGTH KEY=VALUE\n`.
    fn extended(&mut self, mut records: &[u8]) -> Result<()> {
        let bad = || damaged(&std::io::Error::other("an extended header is not one"));
        while !records.is_empty() {
            let space = records.iter().position(|b| *b == b' ').ok_or_else(bad)?;
            let length: usize = std::str::from_utf8(&records[..space])
                .ok()
                .and_then(|t| t.parse().ok())
                .ok_or_else(bad)?;
            if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let whole = |value: &[u8]| {
                let value = std::str::from_utf8(value).ok()?;
                value.split('.').next()?.parse::<i64>().ok()
            };
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let size = whole(value).and_then(|n| u64::try_from(n).ok());
                    self.size = Some(size.ok_or_else(bad)?);
                }
                b"mtime" => self.mtime = whole(value),
                key if key.starts_with(b"GNU.sparse") => {
                    let message = "it holds a sparse file, which Kiln does not read";
                    return Err(Error::new(Kind::Unsupported, message));
                }
                _ => {}
            }
            records = &records[length..];
        }
        Ok(())
    }
}

fn data(reader: &mut dyn Read, size: u64) -> Result<Vec<u8>> {
    let out = take(reader, size)?;
    skip(reader, padding(size))?;
    Ok(out)
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// The name from the two fields of ustar; GNU uses the second one for other things.
fn short_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&block[..100]);
    let prefix = text(&block[345..500]);
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [prefix, b"/", name].concat();
    }
    name.to_vec()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or GNU's big-endian binary with the top bit set.
fn number(field: &[u8]) -> Result<u64> {
    let bad = || damaged(&std::io::Error::other("a header holds no number"));
    if field[0] & 0x80 != 0 {
        let mut value: u64 = u64::from(field[0] & 0x3f);
        // A negative number (0xff…) is a time before 1970.
        if field[0] & 0x40 != 0 {
            return Ok(0);
        }
        for byte in &field[1..] {
            value = value.checked_mul(256).ok_or_else(bad)? | u64::from(*byte);
        }
        return Ok(value);
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8).map(|v| v + u64::from(digit - b'0')).ok_or_else(bad),
        _ => Err(bad()),
    })
}

/// The sum over the header with its own field as spaces; old writers summed signed bytes.
fn check(block: &[u8; BLOCK]) -> Result<()> {
    let stated = number(&block[148..156])?;
    let bytes =
        || block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { b' ' } else { *b });
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|b| i64::from(b.cast_signed())).sum();
    if stated == unsigned || i64::try_from(stated) == Ok(signed) {
        return Ok(());
    }
    Err(damaged(&std::io::Error::other("a header's checksum does not match")))
}
