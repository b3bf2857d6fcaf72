//! The place where a case is run: directories at a path that depends on the case alone, made anew for
//! each program.
//!
//! `$TOP` is what is compared; beside it stand the directory with `make` and the wrappers, a home and a
//! directory for temporary files, which are not. It knows nothing of programs or results.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{self, Lock};
use crate::case::Case;
use crate::host::{self, KernelTree};

/// The user and group id of the user without rights.
pub const NOBODY: u32 = 65534;

/// A case's directories.
#[derive(Debug)]
pub struct Place {
    base: PathBuf,
    /// `$TOP`: everything that is compared.
    pub top: PathBuf,
    /// `$DIR`: the module's directory.
    pub dir: PathBuf,
    /// `$KDIR`.
    pub kdir: PathBuf,
    /// Comes first in PATH.
    pub bin: PathBuf,
    /// `$HOME`.
    pub home: PathBuf,
    /// `$TMPDIR`.
    pub tmp: PathBuf,
    mounted: bool,
    _lock: Lock,
}

/// What the content of a place is made from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder that holds the examples.
    pub examples: PathBuf,
    /// Where the source of a package stands unpacked.
    pub packages: Vec<(String, PathBuf)>,
}

impl Sources {
    /// The folder of a package.
    pub fn package(&self, name: &str) -> Option<&Path> {
        self.packages.iter().find(|(n, _)| n == name).map(|(_, p)| p.as_path())
    }
}

impl Place {
    /// Takes the place of a case on a tree, waiting for another run that has it. Nothing is made yet.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn take(case: &Case, tree: &KernelTree) -> io::Result<Self> {
        let root = cache::work_root();
        fs::create_dir_all(&root)?;
        if fs::metadata(&root)?.uid() != rustix::process::geteuid().as_raw() {
            let said = format!("{} belongs to somebody else", root.display());
            return Err(io::Error::other(said));
        }
        let slug: String = case
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
            .collect();
        let lock = cache::lock(&root.join("locks").join(format!("{}-{slug}", tree.series)))?;
        let base = root.join("c").join(&tree.series).join(slug);
        let top = base.join("t");
        Ok(Place {
            dir: top.join("m"),
            kdir: if case.kdir_copy { top.join("kdir") } else { tree.dir.clone() },
            bin: base.join("bin"),
            home: base.join("home"),
            tmp: base.join("tmp"),
            top,
            base,
            mounted: false,
            _lock: lock,
        })
    }

    /// Makes the content anew.
    ///
    /// # Errors
    /// Whatever the system says, and a source that is not there.
    pub fn make(&mut self, case: &Case, tree: &KernelTree, from: &Sources) -> io::Result<()> {
        self.clear()?;
        for d in [&self.dir, &self.bin, &self.home, &self.tmp] {
            fs::create_dir_all(d)?;
        }
        fs::set_permissions(&self.tmp, fs::Permissions::from_mode(0o1777))?;
        fs::set_permissions(&self.home, fs::Permissions::from_mode(0o777))?;
        if let Some(kib) = case.disk {
            let size = format!("size={kib}k,mode=755");
            quiet(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "kiln"]).arg(&self.dir))?;
            self.mounted = true;
        }
        if let Some(name) = &case.example {
            copy(&from.examples.join(name), &self.dir)?;
        }
        if let Some(name) = &case.package {
            let said = || io::Error::other(format!("the package {name} is not unpacked"));
            copy(from.package(name).ok_or_else(said)?, &self.dir)?;
        }
        for (name, text) in &case.files {
            let path = match name.strip_prefix("../") {
                Some(n) => self.top.join(n),
                None => self.dir.join(name),
            };
            if let Some(d) = path.parent() {
                fs::create_dir_all(d)?;
            }
            fs::write(&path, text)?;
            let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        if case.kdir_copy {
            copy_kernel_tree(&tree.outside(), &self.kdir, tree.folder.as_deref())?;
        }
        if case.owned_by_nobody {
            own(&self.dir)?;
        }
        for (name, program) in &tree.programs {
            symlink(program, self.bin.join(name))?;
        }
        single_pahole(&self.bin)
    }

    /// Makes `make` in this place mean `program`; the program under test is there as `kiln`, too.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn set_make(&self, program: &Path, subject: bool) -> io::Result<()> {
        for (name, wanted) in [("make", true), ("kiln", subject)] {
            let link = self.bin.join(name);
            let _ = fs::remove_file(&link);
            if wanted {
                symlink(program, link)?;
            }
        }
        Ok(())
    }

    /// The file that takes a step's output.
    pub fn output(&self) -> PathBuf {
        self.base.join("output")
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn clear(&mut self) -> io::Result<()> {
        // A run that was killed may have left its file system mounted.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let here = self.dir.display().to_string();
        if self.mounted || mounts.lines().any(|l| l.split(' ').nth(1) == Some(&here)) {
            quiet(Command::new("umount").arg("-l").arg(&self.dir))?;
            self.mounted = false;
        }
        match fs::remove_dir_all(&self.base) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

/// GNU make itself is not byte-stable where pahole writes .BTF with several threads, so in both builds
/// a wrapper in `bin` leaves that option out and changes nothing else.
///
/// # Errors
/// When it cannot be written.
pub fn single_pahole(bin: &Path) -> io::Result<()> {
    let Some(real) = host::find_program("pahole") else { return Ok(()) };
    let text = format!(
        "#!/bin/sh\n\
         for a; do\n\
         \tshift\n\
         \tcase $a in -j|-j[0-9]*|--jobs|--jobs=*) ;; *) set -- \"$@\" \"$a\" ;; esac\n\
         done\n\
         exec {} \"$@\"\n",
        real.display()
    );
    let path = bin.join("pahole");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
}

/// Copies what is in `from` into `to`; links stay links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let said = |e: io::Error| io::Error::other(format!("{}: {e}", from.display()));
    for item in fs::read_dir(from).map_err(said)? {
        let item = item?;
        let target = to.join(item.file_name());
        let kind = item.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&item.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(item.path())?, &target)?;
        } else {
            fs::copy(item.path(), &target)?;
            // Makefiles made by configure scripts compare the ages of what was packed.
            File::open(&target)?.set_modified(item.metadata()?.modified()?)?;
        }
    }
    Ok(())
}

/// Copies a header tree; links at its top lead out of it by relative paths and are made absolute, as
/// seen from `folder`. A Makefile that says where the tree is (Debian's, from 7.2 on) says it of the copy.
fn copy_kernel_tree(from: &Path, to: &Path, folder: Option<&Path>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    quiet(Command::new("cp").arg("-a").arg(from.join(".")).arg(to))?;
    for item in fs::read_dir(to)? {
        let item = item?;
        if item.file_type()?.is_symlink() {
            let real = fs::canonicalize(from.join(item.file_name()))?;
            let inside = folder.and_then(|f| real.strip_prefix(f).ok());
            let real = inside.map_or(real.clone(), |r| Path::new("/").join(r));
            fs::remove_file(item.path())?;
            symlink(real, item.path())?;
        }
    }
    let makefile = to.join("Makefile");
    let text = fs::read_to_string(&makefile)?;
    let old = text.lines().find(|l| l.starts_with("KBUILD_OUTPUT=/"));
    match old {
        Some(line) => {
            fs::write(&makefile, text.replacen(line, &format!("KBUILD_OUTPUT={}", to.display()), 1))
        }
        None => Ok(()),
    }
}

fn own(dir: &Path) -> io::Result<()> {
    chown(dir, Some(NOBODY), Some(NOBODY))?;
    for item in fs::read_dir(dir)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            own(&item.path())?;
        } else if !item.file_type()?.is_symlink() {
            chown(item.path(), Some(NOBODY), Some(NOBODY))?;
        }
    }
    Ok(())
}

/// Runs a command to its end.
///
/// # Errors
/// What it wrote to standard error, where it failed.
pub fn quiet(command: &mut Command) -> io::Result<()> {
    let o = command.stdin(Stdio::null()).output()?;
    if o.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&o.stderr).trim().to_owned();
    Err(io::Error::other(said))
}
