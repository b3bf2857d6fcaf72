//! Kernels that can be booted: the image, and the modules that belong to it.
//!
//! Looks where distributions, Kiln's store and kernel builds put them. Knows nothing of QEMU.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::arch::{Arch, Family};
use crate::boot::modinfo::name_of;
use crate::error::{Error, Kind, Result};
use crate::machine::{Machine, Manager};
use crate::release;
use crate::store::Store;
use crate::tree::Tree;

/// A kernel image with its surroundings. All paths are real ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The kernel that it is, as far as its place says.
    pub release: String,
    /// The file that QEMU starts.
    pub kernel: PathBuf,
    /// Directories with its modules: `/lib/modules/RELEASE`, or the tree it was built in.
    pub modules: Vec<PathBuf>,
    /// What it is for; this machine if nothing says.
    pub arch: Option<Arch>,
}

/// Where a kernel build leaves the image, relative to the tree.
const BUILT: &[(&str, &str)] = &[
    ("x86", "arch/x86/boot/bzImage"),
    ("arm64", "arch/arm64/boot/Image"),
    ("riscv", "arch/riscv/boot/Image"),
    ("loongarch", "arch/loongarch/boot/vmlinux.elf"),
];

impl Image {
    /// The image that belongs to a tree: built in it, or of the same release.
    ///
    /// # Errors
    /// [`Kind::NoTree`] with the command that gets one.
    pub fn of_tree(machine: &Machine, tree: &Tree) -> Result<Image> {
        let arch = crate::describe::arch_of(tree);
        let built = BUILT.iter().filter(|(name, _)| arch.is_none_or(|a| a.srcarch == *name));
        for (_, file) in built {
            let kernel = tree.dir.join(file);
            if kernel.is_file() {
                let modules = vec![tree.dir.clone()];
                return Ok(Image { release: tree.release.clone(), kernel, modules, arch });
            }
        }
        let mut image = Image::of_release(machine, &tree.release)?;
        image.arch = arch;
        Ok(image)
    }

    /// The image of a release, or of the newest release that begins so: installed, or in the store.
    ///
    /// # Errors
    /// As [`Image::of_tree`].
    pub fn of_release(machine: &Machine, wanted: &str) -> Result<Image> {
        let mut all = Image::all(machine);
        all.sort_by(|a, b| release::compare(&b.release, &a.release));
        let exact = all.iter().position(|i| i.release == wanted);
        let fits = exact.or_else(|| all.iter().position(|i| release::begins(&i.release, wanted)));
        match fits {
            Some(at) => Ok(all.swap_remove(at)),
            None => {
                let message = format!("no kernel image of {wanted} on this machine");
                let mut error = Error::new(Kind::NoTree, message)
                    .hint(format!("without root: kiln kernels fetch --image {wanted}"));
                if let Some(Manager::Apt) = machine.os.manager() {
                    let packages = [format!("linux-image-{wanted}")];
                    error = error.hint(machine.as_root(&Manager::Apt.install(&packages)));
                }
                Err(error)
            }
        }
    }

    /// All images that were found, installed ones first.
    pub fn all(machine: &Machine) -> Vec<Image> {
        let mut out = Vec::new();
        if machine.root.dir().is_dir() {
            below(machine.root.dir(), &mut out);
        }
        if let Some(store) = machine.store.as_ref().map(Store::at) {
            for entry in store.entries().0 {
                below(&store.root(&entry.name), &mut out);
            }
        }
        out
    }

    /// The images of packages that were unpacked below a directory.
    pub fn in_root(root: &Path) -> Vec<Image> {
        let mut out = Vec::new();
        below(root, &mut out);
        out
    }

    /// The row of architectures that it is for.
    pub fn family(&self, machine: &Machine) -> &'static Family {
        self.arch.map_or(machine.family, |a| a.family())
    }
}

/// The images of one root.
fn below(root: &Path, out: &mut Vec<Image>) {
    let modules = |release: &str| -> Vec<PathBuf> {
        let dirs = ["lib/modules", "usr/lib/modules"].map(|d| root.join(d).join(release));
        let mut dirs: Vec<PathBuf> = dirs.into_iter().filter(|d| d.is_dir()).collect();
        dirs.truncate(1);
        dirs
    };
    let mut add = |release: String, kernel: PathBuf| {
        let modules = modules(&release);
        // A machine's own kernels are for the machine; an entry's header tree, if there is one, or
        // else the name of its architecture in Debian's releases says what a stored one is for.
        let config =
            [format!("boot/config-{release}"), format!("usr/src/linux-headers-{release}/.config")];
        let config = config.iter().find_map(|c| fs::read(root.join(c)).ok()).unwrap_or_default();
        let arch = Arch::of_config(&crate::config::Config::read(&config), &[]);
        out.push(Image { release, kernel, modules, arch });
    };
    for entry in fs::read_dir(root.join("boot")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(release) = name.strip_prefix("vmlinuz-").or(name.strip_prefix("vmlinux-"))
            && release.starts_with(|c: char| c.is_ascii_digit())
        {
            add(release.to_string(), entry.path());
        }
    }
    for dir in ["lib/modules", "usr/lib/modules"] {
        for entry in fs::read_dir(root.join(dir)).into_iter().flatten().flatten() {
            let kernel = entry.path().join("vmlinuz");
            if kernel.is_file() {
                add(entry.file_name().to_string_lossy().into_owned(), kernel);
            }
        }
    }
}

/// Names of a kernel's own modules and where their files are.
#[derive(Debug, Default)]
pub struct Index {
    files: HashMap<String, PathBuf>,
}

impl Index {
    /// Walks the modules of an image. No list of depmod's is needed: in an unpacked package there is
    /// none.
    pub fn of(image: &Image) -> Index {
        let mut files = HashMap::new();
        let mut todo = Vec::new();
        for dir in &image.modules {
            // In a build tree modules lie among everything else; modules.order lists them.
            match fs::read_to_string(dir.join("modules.order")) {
                Ok(order) if dir.join("Makefile").is_file() => {
                    for line in order.lines() {
                        let file = dir.join(line).with_extension("ko");
                        files.entry(name_of(&file)).or_insert(file);
                    }
                }
                _ => todo.extend(["kernel", "updates", "extra"].map(|d| dir.join(d))),
            }
        }
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    todo.push(path);
                } else if name.ends_with(".ko") || name.contains(".ko.") {
                    files.entry(name_of(&path)).or_insert(path);
                }
            }
        }
        Index { files }
    }

    /// The file of a module.
    pub fn find(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }
}
