//! Files from the Debian mirrors that the machine's own apt is set up with, checked and kept.
//!
//! Downloads go through apt's own helper, so proxies and credentials are apt's business. It does not
//! know what is in a package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;

const HELPER: &str = "/usr/lib/apt/apt-helper";

/// The repositories in apt's settings that come from Debian, without doubles, in apt's order.
pub fn mirrors() -> Vec<String> {
    let out = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN)\t$(REPO_URI)", "Created-By: Packages"])
        .output();
    let Ok(out) = out else { return Vec::new() };
    let mut list: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let Some((origin, uri)) = line.split_once('\t') else { continue };
        if origin.contains("Debian") && !list.iter().any(|u| u == uri) {
            list.push(uri.to_owned());
        }
    }
    list
}

/// The file at `pool_path` of a mirror with that SHA-256, from the cache where it is there already.
///
/// # Errors
/// In words: no mirror has it, or what came has another checksum.
pub fn pool_file(pool_path: &str, sha256: &str) -> Result<PathBuf, String> {
    let name = pool_path.rsplit('/').next().unwrap_or(pool_path);
    let dir = cache::dir().join("downloads");
    let path = dir.join(name);
    let _lock = cache::lock(&dir.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    if path.exists() && sha256_is(&path, sha256) {
        return Ok(path);
    }
    let part = dir.join(format!("{name}.part"));
    let mut said = String::from("apt's settings name no Debian mirror");
    for mirror in mirrors() {
        let uri = format!("{}/{pool_path}", mirror.trim_end_matches('/'));
        let done = Command::new(HELPER)
            .args(["-o", "APT::Sandbox::User=root", "download-file", &uri])
            .arg(&part)
            .arg(format!("SHA256:{sha256}"))
            .stdin(Stdio::null())
            .output();
        match done {
            Ok(o) if o.status.success() && sha256_is(&part, sha256) => {
                fs::rename(&part, &path).map_err(|e| e.to_string())?;
                return Ok(path);
            }
            Ok(o) => said = String::from_utf8_lossy(&o.stderr).trim().replace('\n', "; "),
            Err(e) => said = format!("{HELPER}: {e}"),
        }
        let _ = fs::remove_file(&part);
    }
    Err(format!("cannot fetch {pool_path}: {said}"))
}

fn sha256_is(path: &Path, expected: &str) -> bool {
    let out = Command::new("sha256sum").arg("--").arg(path).output();
    out.is_ok_and(|o| o.status.success() && o.stdout.starts_with(expected.as_bytes()))
}

/// Unpacks an archive (`tar` knows how from its content) into a fresh directory at `dir`, unless it is
/// there already.
///
/// # Errors
/// In words.
pub fn unpack(archive: &Path, dir: &Path) -> Result<(), String> {
    unpack_with(archive, dir, |tmp| {
        let mut c = Command::new("tar");
        c.arg("-xf").arg(archive).arg("-C").arg(tmp).arg("--no-same-owner");
        c
    })
}

/// Unpacks a Debian package likewise; nothing of it is run.
///
/// # Errors
/// In words.
pub fn unpack_deb(archive: &Path, dir: &Path) -> Result<(), String> {
    unpack_with(archive, dir, |tmp| {
        let mut c = Command::new("dpkg-deb");
        c.arg("-x").arg(archive).arg(tmp);
        c
    })
}

fn unpack_with(
    archive: &Path,
    dir: &Path,
    command: impl Fn(&Path) -> Command,
) -> Result<(), String> {
    if dir.exists() {
        return Ok(());
    }
    let words = |e: std::io::Error| format!("{}: {e}", dir.display());
    let tmp = dir.with_extension("unpacking");
    let _ = fs::remove_dir_all(&tmp);
    fs::create_dir_all(&tmp).map_err(words)?;
    let o = command(&tmp).stdin(Stdio::null()).output().map_err(words)?;
    if !o.status.success() {
        let said = String::from_utf8_lossy(&o.stderr).into_owned();
        return Err(format!("cannot unpack {}: {said}", archive.display()));
    }
    fs::rename(&tmp, dir).map_err(words)
}
