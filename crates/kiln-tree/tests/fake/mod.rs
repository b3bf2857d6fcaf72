//! A made-up machine below a temporary directory.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod elf;
pub mod pack;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use kiln_tree::arch::Family;
use kiln_tree::machine::{Machine, Os};
use kiln_tree::rooted::Root;

/// The machine; removed when dropped.
pub struct Fake {
    dir: tempfile::TempDir,
    running: Option<String>,
}

impl Fake {
    pub fn new() -> Fake {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("m")).unwrap();
        Fake { dir, running: None }
    }

    pub fn running(mut self, release: &str) -> Fake {
        self.running = Some(release.to_string());
        self
    }

    pub fn machine(&self) -> Machine {
        Machine {
            root: Root::new(self.path("")),
            store: Some(self.store()),
            cache: Some(self.dir.path().join("cache")),
            running: self.running.clone(),
            family: Family::of_machine("x86_64").unwrap(),
            path: vec![PathBuf::from("/usr/bin")],
            os: Os::default(),
            superuser: false,
        }
    }

    /// Where the store is: beside the machine, not in it.
    pub fn store(&self) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join("store")
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join("m").join(inside)
    }

    pub fn file(&self, inside: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn program(&self, inside: &str) {
        let path = self.file(inside, "#!/bin/sh\n");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn link(&self, inside: &str, target: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A pair of header packages as Debian lays them out, installed.
    pub fn debian(&self, version: &str, flavour: &str, srcarch: &str) -> PathBuf {
        let release = format!("{version}-{flavour}");
        let common = format!("usr/src/linux-headers-{version}-common");
        let tree = format!("usr/src/linux-headers-{release}");
        let numbers: Vec<&str> = version.split(['.', '+', '-']).collect();
        self.file(
            &format!("{common}/Makefile"),
            format!(
                "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\nEXTRAVERSION =\n",
                numbers[0], numbers[1], numbers[2]
            ),
        );
        self.file(&format!("usr/lib/linux-kbuild-{version}/scripts/Makefile.build"), "");
        self.program(&format!("usr/lib/linux-kbuild-{version}/scripts/mod/modpost"));
        for half in [&common, &tree] {
            if !self.path(&format!("{half}/scripts")).exists() {
                self.link(
                    &format!("{half}/scripts"),
                    &format!("../../lib/linux-kbuild-{version}/scripts"),
                );
            }
        }
        self.file(&format!("{tree}/Makefile"), format!("include /{common}/Makefile\n"));
        let prefix = if srcarch == "x86" { "x86_64" } else { "aarch64" };
        self.file(
            &format!("{tree}/.kernelvariables"),
            format!("override ARCH = {srcarch}\noverride CROSS_COMPILE = {prefix}-linux-gnu-\n"),
        );
        self.file(&format!("{tree}/Module.symvers"), "");
        let config = format!(
            "CONFIG_{}=y\nCONFIG_64BIT=y\nCONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\nCONFIG_CC_IS_GCC=y\n\
             CONFIG_GCC_VERSION=120200\nCONFIG_CC_VERSION_TEXT=\"{prefix}-linux-gnu-gcc-12 (Debian 12) 12.2.0\"\n",
            srcarch.to_uppercase()
        );
        self.prepare(&tree, &release, &config);
        self.link(&format!("lib/modules/{release}/build"), &format!("/{tree}"));
        self.path(&tree)
    }

    /// A bare kernel source.
    pub fn source(&self, dir: &str, version: &str) -> PathBuf {
        let numbers: Vec<&str> = version.split('.').collect();
        self.file(
            &format!("{dir}/Makefile"),
            format!(
                "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\nEXTRAVERSION =\n",
                numbers[0], numbers[1], numbers[2]
            ),
        );
        for name in ["Kconfig", "Kbuild", "init/main.c", "scripts/Makefile.build"] {
            self.file(&format!("{dir}/{name}"), "");
        }
        self.path(dir)
    }

    /// What `modules_prepare` leaves.
    pub fn prepare(&self, dir: &str, release: &str, config: &str) {
        self.file(&format!("{dir}/include/config/auto.conf"), config);
        self.file(&format!("{dir}/include/config/kernel.release"), format!("{release}\n"));
        self.file(&format!("{dir}/include/generated/autoconf.h"), "");
        self.file(
            &format!("{dir}/include/generated/utsrelease.h"),
            format!("#define UTS_RELEASE \"{release}\"\n"),
        );
    }
}

/// Everything below a directory, sorted, for comparing.
pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            out.push(entry.path());
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
        }
    }
    out.sort();
    out
}

/// Says by name that a test had nothing to work with; fatal where everything has to be there.
pub fn skip(test: &str, needs: &str) {
    assert!(std::env::var_os("KILN_TEST_REQUIRE").is_none(), "{test} needs {needs}");
    let _ = writeln!(std::io::stderr(), "SKIP {test}: needs {needs}");
}
