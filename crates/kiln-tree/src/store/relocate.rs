//! Makes unpacked packages stand alone at their place in the store.
//!
//! Packages are written for `/`. Makefiles of header packages include each other by absolute paths
//! (Debian: `include /usr/src/linux-headers-…-common/Makefile`, from 7.2 also `KBUILD_OUTPUT=…`), and
//! links may be absolute. Left alone, they would lead to what the host has installed under the same
//! name, silently. So every absolute path in a makefile that names something unpacked gets the
//! store's place before it, whatever its name or kernel version, and every absolute link becomes a
//! relative one. Knows nothing of what the files are for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::rooted;

/// Larger files are not makefiles that people or packagers write.
const MAX_MAKEFILE: u64 = 4 << 20;

/// Directories that many packages share. Naming one of them does not name a package's file.
const SHARED: &[&str] = &[
    "/bin",
    "/boot",
    "/etc",
    "/lib",
    "/lib/modules",
    "/lib64",
    "/opt",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib/modules",
    "/usr/lib64",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/usr/share/doc",
    "/usr/share/lintian",
    "/usr/src",
    "/usr/src/kernels",
    "/usr/src/packages",
    "/var",
];

/// What is to be made right.
#[derive(Debug)]
pub struct Relocate<'a> {
    /// Where the files are now.
    pub staging: &'a Path,
    /// Where they will be: what is written into them.
    pub place: &'a Path,
    /// The files, relative.
    pub files: &'a [PathBuf],
    /// The symbolic links, relative.
    pub links: &'a [PathBuf],
}

impl Relocate<'_> {
    /// Rewrites makefiles and links; gives back those that were changed.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if the store's path cannot stand in a makefile, [`Kind::Io`].
    pub fn run(&self) -> Result<Vec<PathBuf>> {
        let mut changed = Vec::new();
        for link in self.links {
            let real = self.staging.join(link);
            let target = fs::read_link(&real).map_err(|e| Error::io("read", &real, e))?;
            if !target.is_absolute() {
                continue;
            }
            let target = rooted::normal(&target).unwrap_or_else(|| PathBuf::from("/"));
            let from = Path::new("/").join(link.parent().unwrap_or(Path::new("")));
            fs::remove_file(&real)
                .and_then(|()| symlink(rooted::relative(&from, &target), &real))
                .map_err(|e| Error::io("rewrite", &real, e))?;
            changed.push(link.clone());
        }
        for file in self.files.iter().filter(|f| is_makefile(f)) {
            if self.makefile(&self.staging.join(file))? {
                changed.push(file.clone());
            }
        }
        changed.sort();
        Ok(changed)
    }

    fn makefile(&self, real: &Path) -> Result<bool> {
        let meta = fs::metadata(real).map_err(|e| Error::io("read", real, e))?;
        if meta.len() > MAX_MAKEFILE {
            return Ok(false);
        }
        let text = fs::read(real).map_err(|e| Error::io("read", real, e))?;
        let Some(new) = self.rewrite(&text) else { return Ok(false) };
        if !fits_makefile(self.place) {
            let message = format!(
                "the store's path {} holds a character that makefiles cannot write",
                self.place.display()
            );
            return Err(Error::new(Kind::Unsupported, message)
                .hint("set XDG_DATA_HOME to a path of plain letters and digits"));
        }
        // A new file takes the old one's place, so that another name of the old one keeps its text.
        let fresh = real.with_file_name(".kiln-rewritten");
        fs::write(&fresh, new)
            .and_then(|()| fs::set_permissions(&fresh, meta.permissions()))
            .and_then(|()| {
                fs::File::options().write(true).open(&fresh)?.set_modified(meta.modified()?)
            })
            .and_then(|()| fs::rename(&fresh, real))
            .map_err(|e| Error::io("rewrite", real, e))?;
        Ok(true)
    }

    /// The text with the store's place before every path that names something unpacked; `None` if
    /// there is none.
    pub fn rewrite(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut at = 0;
        while let Some(found) = text[at..].iter().position(|b| *b == b'/') {
            let start = at + found;
            let length =
                text[start..].iter().position(|b| !path_byte(*b)).unwrap_or(text.len() - start);
            let end = start + length;
            at = end;
            // Two slashes begin the host's name in a URL.
            if text[start..].starts_with(b"//") || !begins_path(&text[..start]) {
                continue;
            }
            // `/usr/src/linux-$(X)`: the last part goes on in what make puts there.
            let goes_on = text.get(end) == Some(&b'$');
            if let Some(inside) = self.unpacked(&text[start..end], goes_on) {
                out.extend_from_slice(&text[copied..start]);
                out.extend_from_slice(self.place.as_os_str().as_bytes());
                out.extend_from_slice(inside.as_os_str().as_bytes());
                copied = end;
            }
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(&text[copied..]);
        Some(out)
    }

    /// The path to write if this one belongs to something unpacked: its first directory that is not
    /// shared with other packages has to be there. A file below it that is not there is meant to be
    /// missing, not to be taken from the host.
    fn unpacked(&self, path: &[u8], goes_on: bool) -> Option<PathBuf> {
        let path = Path::new(OsStr::from_bytes(path));
        let mut whole: Vec<&Path> = path.ancestors().collect();
        whole.reverse();
        if goes_on && !path.as_os_str().as_bytes().ends_with(b"/") {
            whole.pop();
        }
        let own = whole
            .into_iter()
            .find(|p| *p != Path::new("/") && !SHARED.iter().any(|s| *p == Path::new(s)))?;
        let there = |p: &Path| {
            let relative = p.strip_prefix("/").unwrap_or(p);
            fs::symlink_metadata(self.staging.join(relative)).is_ok()
        };
        if there(own) {
            return Some(path.to_path_buf());
        }
        // On most systems /lib is another name of /usr/lib; packages use both.
        let other = |p: &Path| match p.strip_prefix("/usr/lib") {
            Ok(rest) => Some(Path::new("/lib").join(rest)),
            Err(_) => p.strip_prefix("/lib").ok().map(|rest| Path::new("/usr/lib").join(rest)),
        };
        if there(&other(own)?) {
            let mut text = other(path)?.into_os_string().into_vec();
            if path.as_os_str().as_bytes().ends_with(b"/") {
                text.push(b'/');
            }
            return Some(PathBuf::from(std::ffi::OsString::from_vec(text)));
        }
        None
    }
}

/// Files that make reads, by kbuild's and packagers' habits.
fn is_makefile(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("Makefile")
        || name.starts_with("Kbuild")
        || name == "GNUmakefile"
        || name == ".kernelvariables"
        || [".mk", ".make", ".include"].iter().any(|end| name.ends_with(end))
}

/// Bytes of a path as it stands in a makefile.
fn path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"/._+-~@%^".contains(&byte)
}

/// Whether a slash after this text begins an absolute path: not inside a longer path, and not behind
/// a variable, whose value comes before it; but directly behind the options that take a directory.
fn begins_path(before: &[u8]) -> bool {
    let Some(last) = before.last() else { return true };
    let word = before.iter().rposition(|b| b" \t\n=,:;\"'(".contains(b)).map_or(0, |p| p + 1);
    let word = &before[word..];
    if word.is_empty() {
        return true;
    }
    let options: [&[u8]; 6] = [b"-I", b"-L", b"-isystem", b"-iquote", b"-include", b"-B"];
    if options.contains(&word) {
        return true;
    }
    !path_byte(*last) && !b")}$".contains(last)
}

/// Whether make, and the shell that it starts, take the path for one plain word.
fn fits_makefile(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().all(|b| path_byte(*b) && *b != b'%' && *b != b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/src/linux-common/include")).unwrap();
        fs::create_dir_all(dir.path().join("usr/lib/linux-kbuild-6.1")).unwrap();
        fs::create_dir_all(dir.path().join("usr/lib/modules/6.1")).unwrap();
        fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        let it = Relocate { staging: dir.path(), place: Path::new("/S"), files: &[], links: &[] };
        let got = it.rewrite(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    }

    #[test]
    fn paths_of_unpacked_files() {
        check(
            "include /usr/src/linux-common/Makefile\n",
            "include /S/usr/src/linux-common/Makefile\n",
        );
        check("KBUILD_OUTPUT=/usr/src/linux-common\n", "KBUILD_OUTPUT=/S/usr/src/linux-common\n");
        check(
            "A := -I/usr/src/linux-common/include -x",
            "A := -I/S/usr/src/linux-common/include -x",
        );
        check("A = \"/usr/lib/linux-kbuild-6.1/x\"", "A = \"/S/usr/lib/linux-kbuild-6.1/x\"");
        check("A = /usr/src/linux-common/$(X)/y", "A = /S/usr/src/linux-common/$(X)/y");
        check("A = /lib/modules/6.1/build", "A = /S/usr/lib/modules/6.1/build");
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "SHELL = /bin/sh\n",
            "A = /usr/bin/env /usr/src /usr/src/other/Makefile /dev/null",
            "MODLIB = $(INSTALL_MOD_PATH)/lib/modules/6.1",
            "A = $(objtree)/usr/src/linux-common",
            "A = x/usr/src/linux-common",
            "A = /usr/src/linux-$(X)/Makefile",
            "A = /lib/modules/$(KERNELRELEASE)/build",
            "https://usr/src/linux-common",
        ] {
            check(text, text);
        }
    }
}
