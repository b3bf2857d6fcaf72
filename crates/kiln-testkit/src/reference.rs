//! The reference: GNU make 4.4.1, built from the distribution's source package.
//!
//! The binary is kept in the cache and built once. The distribution's own `make` is never the
//! reference: it may be of another version, and it is not needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{cache, fetch};

const POOL: &str = "pool/main/m/make-dfsg/make-dfsg_4.4.1.orig.tar.xz";
const SHA256: &str = "3b16b00ea1079af9f8096bbc71ff7cc00c249fc6a862003da3c42308a0adb0fe";

/// The unpacked source, fetched where it is not in the cache yet.
///
/// # Errors
/// In words.
pub fn source() -> Result<PathBuf, String> {
    let archive = fetch::pool_file(POOL, SHA256)?;
    let dir = cache::dir().join("make-dfsg-4.4.1");
    let _lock = cache::lock(&cache::dir().join("reference.lock")).map_err(|e| e.to_string())?;
    fetch::unpack(&archive, &dir)?;
    // The archive holds one folder.
    let inner = fs::read_dir(&dir)
        .map_err(|e| e.to_string())?
        .filter_map(Result::ok)
        .map(|e| e.path())
        .find(|p| p.join("configure").exists());
    inner.ok_or_else(|| format!("{}: no source folder with a configure script", dir.display()))
}

/// The reference program, built where it is not in the cache yet. Its file name is `make`.
///
/// # Errors
/// In words, with the end of the build's output.
pub fn make() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("KILN_REFERENCE_MAKE") {
        return checked(PathBuf::from(given));
    }
    let path = cache::dir().join("reference").join("make");
    if path.exists() {
        return checked(path);
    }
    let source = source()?;
    let _lock = cache::lock(&cache::dir().join("reference.lock")).map_err(|e| e.to_string())?;
    if path.exists() {
        return checked(path);
    }
    let build = cache::dir().join("make-4.4.1-build");
    let _ = fs::remove_dir_all(&build);
    sh(Path::new("/"), &format!("cp -a '{}' '{}'", source.display(), build.display()))?;
    // The archive lacks doc/, which configure wants; build.sh compiles without any make, and so must
    // configure end, which would set up the tracking of dependencies with one.
    let line = "mkdir -p doc && echo all: >doc/Makefile.in && \
                ./configure --disable-dependency-tracking && sh ./build.sh";
    sh(&build, line)?;
    fs::create_dir_all(cache::dir().join("reference")).map_err(|e| e.to_string())?;
    fs::rename(build.join("make"), &path).map_err(|e| e.to_string())?;
    let _ = fs::remove_dir_all(&build);
    checked(path)
}

fn sh(dir: &Path, line: &str) -> Result<(), String> {
    let o = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if o.status.success() {
        return Ok(());
    }
    let all = [o.stdout, o.stderr].concat();
    let tail = String::from_utf8_lossy(&all[all.len().saturating_sub(2000)..]).into_owned();
    Err(format!("`{line}` failed:\n{tail}"))
}

fn checked(path: PathBuf) -> Result<PathBuf, String> {
    let o = Command::new(&path).arg("--version").stdin(Stdio::null()).output();
    match o {
        Ok(o) if o.stdout.starts_with(b"GNU Make 4.4.1") => Ok(path),
        Ok(_) => Err(format!("{}: is not GNU Make 4.4.1", path.display())),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}
