//! Debian packages (deb(5)): `debian-binary`, then the control and the data archive.
//!
//! The package's scripts are never looked at. Knows nothing of kernels.

use std::io::{BufReader, Read};

use crate::archive::{About, Member, Sink, ar, cut_off, decompress, skip, take, tar};
use crate::error::{Error, Kind, Result};

/// The largest control file; real ones have a few kilobytes.
const MAX_CONTROL: u64 = 1 << 20;

/// Reads a package and gives the data archive's members to the sink.
///
/// # Errors
/// [`Kind::BadArchive`], [`Kind::Hostile`], and what the sink says.
pub fn read(file: impl Read, sink: &mut dyn Sink) -> Result<About> {
    let mut reader = BufReader::new(file);
    ar::magic(&mut reader)?;
    let first = ar::header(&mut reader)?.ok_or_else(cut_off)?;
    if first.name != "debian-binary" || first.size > 64 {
        return Err(Error::new(Kind::BadArchive, "it is an ar archive but not a Debian package"));
    }
    let version = take(&mut reader, first.size)?;
    if !version.starts_with(b"2.") {
        return Err(Error::new(Kind::Unsupported, "it is a Debian package of an unknown format"));
    }
    pad(&mut reader, first.size)?;
    let mut about = None;
    while let Some(header) = ar::header(&mut reader)? {
        let mut member = Read::by_ref(&mut reader).take(header.size);
        let is = |part: &str| {
            header.name.strip_prefix(part).is_some_and(|r| r.is_empty() || r.starts_with('.'))
        };
        if is("control.tar") && about.is_none() {
            let mut control = Control::default();
            tar::read(&mut decompress::open(&mut member)?, &mut control)?;
            about = Some(control.about());
        } else if is("data.tar") {
            let about = about.ok_or_else(|| {
                Error::new(
                    Kind::BadArchive,
                    "it is no Debian package: its data comes before its control",
                )
            })?;
            tar::read(&mut decompress::open(&mut member)?, sink)?;
            // What a compressed stream's reader left of its member has to be there all the same.
            let left = member.limit();
            skip(&mut reader, left)?;
            return Ok(about);
        } else if !header.name.starts_with('_') {
            let message = format!("it holds a part that is not known: {}", header.name);
            return Err(Error::new(Kind::BadArchive, message));
        }
        let left = member.limit();
        skip(&mut reader, left)?;
        pad(&mut reader, header.size)?;
    }
    Err(cut_off())
}

/// Members begin at even offsets.
fn pad(reader: &mut dyn Read, size: u64) -> Result<()> {
    if size % 2 == 1 { skip(reader, 1) } else { Ok(()) }
}

/// Keeps the control file and nothing else.
#[derive(Default)]
struct Control {
    text: Vec<u8>,
}

impl Sink for Control {
    fn member(&mut self, member: &Member, data: &mut dyn Read) -> Result<()> {
        if member.path.as_os_str() == "control" {
            data.take(MAX_CONTROL)
                .read_to_end(&mut self.text)
                .map_err(|e| crate::archive::damaged(&e))?;
        }
        Ok(())
    }
}

impl Control {
    fn about(&self) -> About {
        let text = String::from_utf8_lossy(&self.text);
        let field = |name: &str| crate::fetch::control_field(&text, name).unwrap_or_default();
        About {
            name: field("Package"),
            version: field("Version"),
            arch: field("Architecture"),
            depends: crate::fetch::dependency_names(&field("Depends")),
        }
    }
}
