//! Members written below one directory and nowhere else.
//!
//! The directory was made by Kiln and is empty at first, so what lies in it is known: it is kept in a
//! map, and a member whose parent is anything but a directory is refused before the system is asked.
//! A symbolic link is never written through. Whether links stay inside is looked at when all members
//! are there ([`Unpack::check_links`]). Knows nothing of archives' formats or kernels.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::archive::{Member, Sink, What};
use crate::error::{Error, Kind, Result};
use crate::rooted::{Failed, Root};

/// How much may be unpacked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Members.
    pub members: u64,
}

impl Default for Limits {
    /// A built kernel with debug information has some 20 GiB and 200,000 files.
    fn default() -> Self {
        Limits { bytes: 64 << 30, members: 4_000_000 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Dir,
    File,
    Link,
}

/// Writes what archives give below a directory.
pub struct Unpack {
    dir: PathBuf,
    there: HashMap<PathBuf, There>,
    left: Limits,
}

impl Unpack {
    /// Into an empty directory that nobody else writes to.
    pub fn into(dir: &Path, limits: Limits) -> Unpack {
        Unpack { dir: dir.to_path_buf(), there: HashMap::new(), left: limits }
    }

    /// All symbolic links written so far.
    pub fn links(&self) -> Vec<PathBuf> {
        let links = self.there.iter().filter(|(_, t)| **t == There::Link);
        let mut out: Vec<PathBuf> = links.map(|(path, _)| path.clone()).collect();
        out.sort();
        out
    }

    /// All files written so far.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.there.iter().filter(|(_, t)| **t == There::File);
        let mut out: Vec<PathBuf> = files.map(|(path, _)| path.clone()).collect();
        out.sort();
        out
    }

    /// Whether something of this name (relative to the directory) was written.
    pub fn has(&self, path: &Path) -> bool {
        self.there.contains_key(path)
    }

    /// Sees to it that every link, followed as if the directory were `/`, stays below it.
    ///
    /// # Errors
    /// [`Kind::Hostile`], naming the link.
    pub fn check_links(&self) -> Result<()> {
        let root = Root::new(&self.dir);
        for link in self.links() {
            if let Err(Failed::Climbs) = root.resolve_loosely(&link) {
                let target = fs::read_link(self.dir.join(&link)).unwrap_or_default();
                let message = format!(
                    "it holds the link {} to {}, which climbs out",
                    link.display(),
                    target.display()
                );
                return Err(Error::new(Kind::Hostile, message));
            }
        }
        Ok(())
    }

    /// Sees to it that a name's parents are directories, and makes those that were not named.
    fn parents(&mut self, path: &Path) -> Result<()> {
        let ancestors: Vec<&Path> =
            path.ancestors().skip(1).filter(|a| !a.as_os_str().is_empty()).collect();
        for dir in ancestors.into_iter().rev() {
            match self.there.get(dir) {
                Some(There::Dir) => {}
                Some(There::Link) => {
                    let message = format!(
                        "it holds {}, which would be written through the link {}",
                        path.display(),
                        dir.display()
                    );
                    return Err(Error::new(Kind::Hostile, message));
                }
                Some(There::File) => return Err(clash(path)),
                None => self.dir(dir)?,
            }
        }
        Ok(())
    }

    fn dir(&mut self, path: &Path) -> Result<()> {
        let real = self.dir.join(path);
        fs::create_dir(&real).map_err(|e| Error::io("make", &real, e))?;
        self.there.insert(path.to_path_buf(), There::Dir);
        Ok(())
    }

    /// Makes room for a file or link: an earlier one of that name is taken away, as tar does.
    fn clear(&mut self, path: &Path) -> Result<()> {
        match self.there.remove(path) {
            None => Ok(()),
            Some(There::Dir) => Err(clash(path)),
            Some(There::File | There::Link) => {
                let real = self.dir.join(path);
                fs::remove_file(&real).map_err(|e| Error::io("replace", &real, e))
            }
        }
    }

    fn file(&mut self, member: &Member, size: u64, data: &mut dyn Read) -> Result<()> {
        self.left.bytes = self.left.bytes.checked_sub(size).ok_or_else(|| {
            Error::new(Kind::BadArchive, "it unpacks to more than any kernel tree has")
        })?;
        let real = self.dir.join(&member.path);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&real)
            .map_err(|e| Error::io("write", &real, e))?;
        self.there.insert(member.path.clone(), There::File);
        copy(data, &mut out, size, &real)?;
        // Owner-readable in any case, never writable by others, never set-uid.
        let mode = (member.mode & 0o755) | 0o600;
        let done = out.set_permissions(fs::Permissions::from_mode(mode)).and_then(|()| {
            // make compares times of headers and generated files, so they are kept.
            out.set_modified(time(member.mtime))
        });
        done.map_err(|e| Error::io("write", &real, e))
    }
}

impl Sink for Unpack {
    fn member(&mut self, member: &Member, data: &mut dyn Read) -> Result<()> {
        self.left.members = self.left.members.checked_sub(1).ok_or_else(|| {
            Error::new(Kind::BadArchive, "it holds more files than any kernel tree has")
        })?;
        let path = &member.path;
        if path.as_os_str().is_empty() {
            return match member.what {
                What::Dir => Ok(()),
                _ => Err(Error::new(Kind::BadArchive, "it holds a file without a name")),
            };
        }
        self.parents(path)?;
        match &member.what {
            What::Dir => match self.there.get(path) {
                Some(There::Dir) => Ok(()),
                Some(_) => Err(clash(path)),
                None => self.dir(path),
            },
            What::File { size } => {
                self.clear(path)?;
                self.file(member, *size, data)
            }
            What::Symlink(target) => {
                self.clear(path)?;
                let real = self.dir.join(path);
                symlink(target, &real).map_err(|e| Error::io("write", &real, e))?;
                self.there.insert(path.clone(), There::Link);
                Ok(())
            }
            What::HardLink(target) => {
                // Only a file of this archive itself can be linked to, by its own name.
                if self.there.get(target) != Some(&There::File) || target == path {
                    let message = format!(
                        "it holds {} as another name of {}, which it does not hold before",
                        path.display(),
                        target.display()
                    );
                    return Err(Error::new(Kind::Hostile, message));
                }
                self.clear(path)?;
                let real = self.dir.join(path);
                fs::hard_link(self.dir.join(target), &real)
                    .map_err(|e| Error::io("write", &real, e))?;
                self.there.insert(path.clone(), There::File);
                Ok(())
            }
            What::Special => Err(Error::new(
                Kind::Hostile,
                format!("it holds {}, which is a device, a pipe or a socket", path.display()),
            )),
        }
    }
}

fn clash(path: &Path) -> Error {
    let message = format!("it holds {} both as a directory and as something else", path.display());
    Error::new(Kind::BadArchive, message)
}

/// Copies exactly `size` bytes; tells a failing source (a damaged archive) from a failing disk.
fn copy(data: &mut dyn Read, out: &mut File, size: u64, real: &Path) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut copied = 0;
    loop {
        let got = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(crate::archive::damaged(&e)),
        };
        io::Write::write_all(out, &buffer[..got]).map_err(|e| Error::io("write", real, e))?;
        copied += got as u64;
    }
    if copied == size { Ok(()) } else { Err(crate::archive::cut_off()) }
}

fn time(seconds: i64) -> SystemTime {
    let ago = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(ago)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(ago)
    };
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}
