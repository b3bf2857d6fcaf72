//! Kernel trees beyond those that the machine has installed: set up by `scripts/test-trees`, made
//! ready here for the cases to be run on them.
//!
//! - 5.10: Debian's header packages in a store of Kiln's own, far from the place they were made for.
//!   Its makefiles ask for a compiler of their time; the machine's own gcc bears that name in the cases.
//! - 6.1-arm64, 6.12-arm64: header packages for another architecture alone, with a cross compiler of
//!   this machine. The reference, which could do nothing there, sees this machine's host tools in them.
//! - 7.2-rust: that kernel's headers in a store of Kiln's, with the Rust crates that the package lacks,
//!   made there by the program under test from the folder's source.
//! - 7.2-arm64: the same of the newest kernel, in that folder, for its cross compiler.
//! - 7.2: a folder with a whole newer Debian, in which both programs run (`chroot`).
//!
//! It knows where `scripts/test-trees` leaves things, and nothing of what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::host::{self, KernelTree};
use crate::place::quiet;

/// The series that there can be, each asked for by name.
pub const FAR: &[&str] = &["5.10", "6.1-arm64", "6.12-arm64", "7.2", "7.2-rust", "7.2-arm64"];

/// The tree of one of [`FAR`], ready. `subject` is the program under test, which adds it to a store.
///
/// # Errors
/// In words: what is not there and the command that gets it.
pub fn tree(series: &str, subject: &Path) -> Result<KernelTree, String> {
    match series {
        "5.10" => stored(series, subject),
        "6.1-arm64" | "6.12-arm64" => foreign(series),
        "7.2" => in_folder(series),
        "7.2-rust" => with_rust(series, subject),
        "7.2-arm64" => foreign_in_folder(series),
        _ => Err(format!("there is no tree of {series}")),
    }
}

/// Where `scripts/test-trees` leaves its trees.
fn made(name: &str) -> Result<PathBuf, String> {
    let dir = cache::dir().join("trees").join(name);
    match dir.join(".ready").exists() {
        true => Ok(dir),
        false => Err(format!("{} is not there (scripts/test-trees --long {name})", dir.display())),
    }
}

/// A store that any user can reach, which a home is not.
fn stored(series: &str, subject: &Path) -> Result<KernelTree, String> {
    let debs = made("5.10-amd64")?.join("debs");
    let files: Vec<PathBuf> = fs::read_dir(&debs)
        .map_err(|e| format!("{}: {e} (scripts/test-trees makes it)", debs.display()))?
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    let data = cache::work_root().join("data");
    let name = format!("{series}-test");
    let entry = data.join("kiln/kernels").join(&name);
    let _lock = cache::lock(&cache::work_root().join("locks/store")).map_err(|e| e.to_string())?;
    if !entry.join("entry.json").exists() {
        let mut add = Command::new(subject);
        add.args(["kernels", "add", "--name", &name]).args(&files).env("XDG_DATA_HOME", &data);
        done(&mut add)?;
    }
    let src = entry.join("root/usr/src");
    let dir = configured(&src)?;
    read_only(&src)?;
    // As `.kernelvariables` there names it; any gcc of today builds that kernel's modules.
    let gcc = host::find_program("gcc").ok_or("there is no gcc")?;
    Ok(KernelTree {
        programs: vec![("gcc-10".to_owned(), gcc)],
        ..KernelTree::at(series, &dir, None)
    })
}

fn foreign(series: &str) -> Result<KernelTree, String> {
    if !host::is_root() {
        return Err("exchanging host tools for the reference needs root".to_owned());
    }
    let root = made(series)?.join("root/usr");
    let kbuild = kbuild_of(&made(&format!("{series}-native"))?.join("root/usr/lib"))?;
    let place = root.join("lib").join(kbuild.file_name().unwrap_or_default());
    let dir = configured(&root.join("src"))?;
    read_only(&root)?;
    Ok(KernelTree {
        // 6.1 does not say so itself.
        env: vec![("CROSS_COMPILE".to_owned(), "aarch64-linux-gnu-".to_owned())],
        exchanged: Some((kbuild, place)),
        ..KernelTree::at(series, &dir, None)
    })
}

fn in_folder(series: &str) -> Result<KernelTree, String> {
    if !host::is_root() {
        return Err("running in a Debian folder needs root".to_owned());
    }
    let folder = made("trixie")?.join("root");
    let outside = configured(&folder.join("usr/src"))?;
    let work = cache::work_root();
    let inside = folder.join(work.strip_prefix("/").unwrap_or(&work));
    fs::create_dir_all(&work).map_err(|e| e.to_string())?;
    fs::create_dir_all(&inside).map_err(|e| e.to_string())?;
    // Shared, so that a file system that a case has of its own shows in the folder too. All this is
    // seen by this process and its children only.
    let line = "set -e; mount --bind \"$1\" \"$1\"; mount --make-shared \"$1\"; \
        mount --bind \"$1\" \"$2\"; mount -t proc proc \"$3/proc\"; mount --rbind /dev \"$3/dev\"";
    if std::env::var_os(host::GUARDED).is_none() {
        return Err("mounts cannot be made here without showing outside".to_owned());
    }
    done(Command::new("sh").args(["-c", line, "sh"]).arg(&work).arg(&inside).arg(&folder))?;
    read_only(&folder.join("usr/src"))?;
    read_only(&folder.join("usr/lib"))?;
    Ok(KernelTree::at(series, &outside, Some(folder)))
}

fn with_rust(series: &str, subject: &Path) -> Result<KernelTree, String> {
    let plain = in_folder("7.2")?;
    let folder = plain.folder.clone().unwrap_or_default();
    let root = cache::work_root();
    let (data, name) = (root.join("data"), format!("{series}-test"));
    let entry = data.join("kiln/kernels").join(&name);
    let _lock = cache::lock(&root.join("locks/store")).map_err(|e| e.to_string())?;
    if !entry.join("entry.json").exists() {
        let source = source_in(&folder)?;
        let program = root.join("bin/kiln-rust");
        fs::copy(subject, &program).map_err(|e| format!("{}: {e}", program.display()))?;
        let mut add = Command::new("chroot");
        add.arg(&folder).args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
        for (name, value) in [("HOME", root.join("rust-home")), ("XDG_DATA_HOME", data.clone())] {
            add.arg(format!("{name}={}", value.display()));
        }
        add.arg(&program).args(["kernels", "add", "--name", &name, "--rust"]);
        done(add.arg(&source).arg(&plain.dir))?;
    }
    let inside = folder.join(entry.strip_prefix("/").unwrap_or(&entry)).join("root/usr");
    read_only(&inside)?;
    let dir = configured(&inside.join("src"))?;
    Ok(KernelTree::at(series, &dir, Some(folder)))
}

/// The tarball of the newest kernel's source, as seen in the folder.
fn source_in(folder: &Path) -> Result<PathBuf, String> {
    let dir = Path::new("usr/src");
    fs::read_dir(folder.join(dir))
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.file_name()))
        .find(|n| n.to_string_lossy().starts_with("linux-source-"))
        .map(|n| Path::new("/").join(dir).join(n))
        .ok_or_else(|| format!("{}: there is no source of a kernel", folder.display()))
}

fn foreign_in_folder(series: &str) -> Result<KernelTree, String> {
    let folder = in_folder("7.2")?.folder.unwrap_or_default();
    let outside = made(series)?;
    // Its makefiles name its own place.
    let inside = folder.join(outside.strip_prefix("/").unwrap_or(&outside));
    fs::create_dir_all(&inside).map_err(|e| e.to_string())?;
    done(Command::new("mount").arg("--bind").arg(&outside).arg(&inside))?;
    read_only(&inside)?;
    let kbuild = kbuild_of(&folder.join("usr/lib"))?;
    let place = inside.join("root/usr/lib").join(kbuild.file_name().unwrap_or_default());
    let dir = configured(&inside.join("root/usr/src"))?;
    // What gen-btf.sh starts is the tree's own, whoever builds.
    let off = ("MAKEFLAGS".to_owned(), " -- CONFIG_DEBUG_INFO_BTF_MODULES=".to_owned());
    Ok(KernelTree {
        env: vec![off],
        exchanged: Some((kbuild, place)),
        ..KernelTree::at(series, &dir, Some(folder))
    })
}

/// The directory with the host tools among those in `lib`.
fn kbuild_of(lib: &Path) -> Result<PathBuf, String> {
    fs::read_dir(lib)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("linux-kbuild-")))
        .ok_or_else(|| format!("{}: no host tools", lib.display()))
}

/// The directory below `src` that is configured; there is one.
fn configured(src: &Path) -> Result<PathBuf, String> {
    fs::read_dir(src)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .find(|d| d.join("include/config/auto.conf").exists())
        .ok_or_else(|| format!("{}: holds no kernel headers", src.display()))
}

/// Where the harness has mounts of its own, the tree is kept from being written.
fn read_only(dir: &Path) -> Result<(), String> {
    if !host::is_root() || std::env::var_os(host::GUARDED).is_none() {
        return Ok(());
    }
    let line = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"";
    done(Command::new("sh").args(["-c", line, "sh"]).arg(dir))
}

fn done(command: &mut Command) -> Result<(), String> {
    quiet(command).map_err(|e| e.to_string())
}
