//! Packages and tarballs as streams of members: bytes in, members out.
//!
//! Nothing here writes a file. Every length that an archive states is either bounded by a constant or
//! used only to limit reading, so a damaged archive ends in an error, not in memory. An archive that
//! ends before its own end mark is an error too.

pub mod ar;
pub mod cpio;
pub mod deb;
pub mod decompress;
pub mod rpm;
pub mod tar;

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The longest name that any archive may give (the system's PATH_MAX).
pub const MAX_NAME: u64 = 4096;

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Dir,
    /// A file; its bytes come with it.
    File {
        /// How many bytes.
        size: u64,
    },
    /// A symbolic link, with its text.
    Symlink(PathBuf),
    /// Another name of an earlier file.
    HardLink(PathBuf),
    /// A device, a named pipe, a socket.
    Special,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative, without `.` and `..`; empty for the top directory itself.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// What it is.
    pub what: What,
}

/// Takes the members as they come.
pub trait Sink {
    /// One member. `data` gives a file's bytes and then ends; what is not read of it is skipped.
    ///
    /// # Errors
    /// Ends the reading of the archive.
    fn member(&mut self, member: &Member, data: &mut dyn Read) -> Result<()>;
}

impl<F: FnMut(&Member, &mut dyn Read) -> Result<()>> Sink for F {
    fn member(&mut self, member: &Member, data: &mut dyn Read) -> Result<()> {
        self(member, data)
    }
}

/// What a package says of itself; empty for a tarball.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture in the distribution's words.
    pub arch: String,
    /// The packages that it needs, names only.
    pub depends: Vec<String>,
}

/// The relative path that a member's name means.
///
/// # Errors
/// [`Kind::Hostile`] if it is absolute or climbs with `..`, [`Kind::BadArchive`] if it cannot be a
/// name at all.
pub fn member_path(name: &[u8]) -> Result<PathBuf> {
    let shown = String::from_utf8_lossy(name).into_owned();
    if name.contains(&0) || name.len() as u64 > MAX_NAME {
        return Err(Error::new(Kind::BadArchive, "a member's name is not a file name"));
    }
    let path = PathBuf::from(OsString::from_vec(name.to_vec()));
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => out.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => {
                return Err(Error::new(
                    Kind::Hostile,
                    format!("it holds the absolute path {shown}"),
                ));
            }
            Component::ParentDir => {
                let message = format!("it holds {shown}, which climbs out of the archive");
                return Err(Error::new(Kind::Hostile, message));
            }
        }
    }
    Ok(out)
}

/// A link's text, which may be anything but empty.
pub(crate) fn link_text(text: &[u8]) -> Result<PathBuf> {
    if text.is_empty() || text.contains(&0) || text.len() as u64 > MAX_NAME {
        return Err(Error::new(Kind::BadArchive, "a link's target is not a file name"));
    }
    Ok(PathBuf::from(OsString::from_vec(text.to_vec())))
}

/// The error of an archive that ends too early.
pub(crate) fn cut_off() -> Error {
    Error::new(Kind::BadArchive, "it is cut off: the end is missing")
}

/// What reading went wrong with: too little is a cut-off archive, all else damage or the system.
pub(crate) fn damaged(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut_off(),
        _ => Error::new(Kind::BadArchive, format!("it is damaged: {error}")),
    }
}

/// Fills the buffer; `false` if there was not a single byte left.
///
/// # Errors
/// It ended within the buffer, or the system's error.
pub(crate) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<bool> {
    let mut have = 0;
    while have < buffer.len() {
        match reader.read(&mut buffer[have..]) {
            Ok(0) if have == 0 => return Ok(false),
            Ok(0) => return Err(cut_off()),
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(damaged(&e)),
        }
    }
    Ok(true)
}

/// Exactly `size` bytes, which the caller has bounded.
pub(crate) fn take(reader: &mut dyn Read, size: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(size).read_to_end(&mut out).map_err(|e| damaged(&e))?;
    if out.len() as u64 == size { Ok(out) } else { Err(cut_off()) }
}

/// Passes over `size` bytes.
pub(crate) fn skip(reader: &mut dyn Read, size: u64) -> Result<()> {
    let passed = io::copy(&mut reader.take(size), &mut io::sink()).map_err(|e| damaged(&e))?;
    if passed == size { Ok(()) } else { Err(cut_off()) }
}

/// Hands a member's data to the sink and passes over what the sink left, so that the reader stands
/// behind the data in any case.
pub(crate) fn give(
    reader: &mut dyn Read,
    size: u64,
    member: &Member,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut data = reader.take(size);
    sink.member(member, &mut data)?;
    let left = data.limit();
    skip(reader, left)
}

/// What sort of file an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Debian package.
    Deb,
    /// An rpm package.
    Rpm,
    /// A tar archive, compressed or not.
    Tar,
}

/// Tells the format by the first bytes; a file's name is not looked at.
pub fn format(start: &[u8]) -> Option<Format> {
    if start.starts_with(ar::MAGIC) {
        return Some(Format::Deb);
    }
    if start.starts_with(&rpm::LEAD_MAGIC) {
        return Some(Format::Rpm);
    }
    let tar = start.get(257..262) == Some(b"ustar");
    (tar || decompress::Kind::of(start).is_some()).then_some(Format::Tar)
}

/// Reads a whole archive file and gives its members to the sink.
///
/// # Errors
/// [`Kind::BadArchive`], [`Kind::Hostile`], and what the sink says. The message does not name the
/// file: the caller, who may have several, does.
pub fn read(file: &Path, sink: &mut dyn Sink) -> Result<About> {
    let mut opened = std::fs::File::open(file).map_err(|e| Error::io("open", file, e))?;
    let meta = opened.metadata().map_err(|e| Error::io("open", file, e))?;
    if !meta.is_file() {
        let message = format!("{} is not a regular file", file.display());
        return Err(Error::new(Kind::BadArchive, message));
    }
    let mut start = Vec::new();
    Read::by_ref(&mut opened)
        .take(512)
        .read_to_end(&mut start)
        .map_err(|e| Error::io("read", file, e))?;
    io::Seek::rewind(&mut opened).map_err(|e| Error::io("read", file, e))?;
    match format(&start) {
        Some(Format::Deb) => deb::read(opened, sink),
        Some(Format::Rpm) => rpm::read(opened, meta.len(), sink),
        Some(Format::Tar) => {
            let mut reader = decompress::open(opened)?;
            tar::read(&mut reader, sink)?;
            Ok(About::default())
        }
        None if start.starts_with(b"BZh") => Err(Error::new(
            Kind::Unsupported,
            "it is compressed with bzip2, which Kiln does not read",
        )
        .hint("unpack it and add the directory")),
        None => {
            Err(Error::new(Kind::BadArchive, "it is neither a .deb, an .rpm nor a tar archive"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below() {
        assert_eq!(member_path(b"./usr//src/x/").unwrap(), Path::new("usr/src/x"));
        assert_eq!(member_path(b"./").unwrap(), Path::new(""));
        for bad in [&b"/etc/passwd"[..], b"../x", b"a/../../x", b"a/..", b"./../x"] {
            assert_eq!(member_path(bad).unwrap_err().kind, Kind::Hostile);
        }
        assert_eq!(member_path(b"a\0b").unwrap_err().kind, Kind::BadArchive);
    }
}
