//! The `ar` container of Debian packages (deb(5)): a magic line, then members with 60-byte headers.
//!
//! Only what packages use: plain short names, no symbol tables. Knows nothing of what is inside.

use std::io::Read;

use crate::archive::{damaged, fill};
use crate::error::Result;

/// The first bytes of the file.
pub const MAGIC: &[u8] = b"!<arch>\n";

/// One member's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name without padding and without the slash that some writers end it with.
    pub name: String,
    /// Bytes of the member; the next header follows at an even offset.
    pub size: u64,
}

/// Reads the magic line.
///
/// # Errors
/// It is not an ar file.
pub fn magic(reader: &mut dyn Read) -> Result<()> {
    let mut start = [0; 8];
    if !fill(reader, &mut start)? || start != MAGIC {
        return Err(damaged(&std::io::Error::other("no ar magic")));
    }
    Ok(())
}

/// Reads the next header; `None` at the end of the file.
///
/// # Errors
/// The header is cut off or not a header.
pub fn header(reader: &mut dyn Read) -> Result<Option<Header>> {
    let mut raw = [0; 60];
    if !fill(reader, &mut raw)? {
        return Ok(None);
    }
    let bad = || damaged(&std::io::Error::other("a member's header is not one"));
    if &raw[58..] != b"`\n" {
        return Err(bad());
    }
    let name = std::str::from_utf8(&raw[..16]).map_err(|_| bad())?;
    let size = std::str::from_utf8(&raw[48..58]).map_err(|_| bad())?;
    let size = size.trim_end().parse().map_err(|_| bad())?;
    let name = name.trim_end();
    Ok(Some(Header { name: name.strip_suffix('/').unwrap_or(name).to_string(), size }))
}
