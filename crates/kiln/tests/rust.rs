//! Modules in Rust as a person meets them: what a tree lacks, and `kiln kernels add --rust` on a source
//! that is small enough to be read here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const RUSTC: &str = "rustc 1.99.0 (0123456 2026-01-01)";

/// A source whose targets do what the kernel's do, as far as anybody here can tell.
const SOURCE: &str = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 1\n\
    rustavailable: ; @test ! -e $(CURDIR)/no-core || { echo '*** no core' >&2; false; }\n\
    olddefconfig: ; @cat $(CURDIR)/more >>$(O)/.config\n\
    prepare: ; @mkdir -p $(O)/rust $(O)/scripts && echo crate >$(O)/rust/libkernel.rmeta && \
    echo object >$(O)/rust/kernel.o && echo '{}' >$(O)/scripts/target.json && \
    echo 'EXPORT_SYMBOL_RUST_GPL(known);' >$(O)/rust/exports_kernel_generated.h\n";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A header tree with Rust switched on and no crates, its source, a module, and the programs.
    fn new() -> Self {
        let p = Place { dir: tempfile::tempdir().unwrap() };
        p.put("src/Makefile", SOURCE);
        p.put("src/Kconfig", "");
        p.put("src/more", "");
        let config = format!(
            "CONFIG_MODULES=y\nCONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_RUST=y\n\
             CONFIG_RUSTC_VERSION_TEXT=\"{RUSTC}\"\n"
        );
        p.put("headers/.config", &config);
        p.put("headers/include/config/auto.conf", &config);
        p.put("headers/include/generated/autoconf.h", "");
        p.put("headers/include/generated/utsrelease.h", "#define UTS_RELEASE \"7.3.1-test\"\n");
        p.put("headers/scripts/Makefile.build", "");
        p.put("headers/Module.symvers", "0x0\tknown\tvmlinux\tEXPORT_SYMBOL_GPL\t\n");
        let top = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 1\nall: ; @echo reached\n";
        p.put("headers/Makefile", top);
        p.put("m/Kbuild", "obj-m := rusty.o\n");
        p.put("m/rusty.rs", "");
        p.program("rustc", &format!("echo '{RUSTC}'"));
        p.program("bindgen", "");
        p
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, line: &str) {
        self.put(&format!("bin/{name}"), &format!("#!/bin/sh\n{line}\n"));
        fs::set_permissions(self.path("bin").join(name), Permissions::from_mode(0o755)).unwrap();
    }

    /// Kiln with a home of its own and the programs of the place before the machine's.
    fn kiln(&self, args: &[&str]) -> (Option<i32>, String) {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        self.kiln_with(&path, args)
    }

    fn kiln_with(&self, path: &str, args: &[&str]) -> (Option<i32>, String) {
        let mut c = Command::new(env!("CARGO_BIN_EXE_kiln"));
        for name in ["MAKEFLAGS", "MAKELEVEL", "XDG_CACHE_HOME", "XDG_DATA_HOME", "KILN_SLOW"] {
            c.env_remove(name);
        }
        c.args(args).env("HOME", self.path("home")).env("PATH", path);
        let o: Output = c.current_dir(self.path("")).output().unwrap();
        let text = [o.stdout, o.stderr].concat();
        (o.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    fn add(&self) -> (Option<i32>, String) {
        self.kiln(&["kernels", "add", "--rust", "src", "headers"])
    }

    fn refused(&self, got: (Option<i32>, String), why: &str) {
        assert_eq!(got.0, Some(2), "{}", got.1);
        assert!(got.1.contains(why), "{}", got.1);
        let store = self.path("home/.local/share/kiln/kernels");
        let left = fs::read_dir(store).into_iter().flatten().flatten().map(|e| e.file_name());
        assert_eq!(left.filter(|n| n != ".lock").count(), 0);
    }
}

#[test]
fn a_tree_without_crates_is_told_of_before_the_build_and_the_command_helps() {
    let p = Place::new();
    let tree = p.path("headers").display().to_string();
    let (status, said) = p.kiln(&["build", "m", "-k", &tree]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("rusty.rs: 7.3.1-test: no rust/libkernel.rmeta"), "{said}");
    assert!(said.contains("kiln kernels add --rust"), "{said}");
    assert!(!said.contains("reached"), "{said}");

    let (status, said) = p.add();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("not in the tree's Module.symvers"), "{said}");
    let (status, said) = p.kiln(&["build", "m", "-k", "7.3.1-test-rust"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("reached"), "{said}");
}

#[test]
fn an_entry_of_the_store_is_completed_where_it_is() {
    let p = Place::new();
    assert_eq!(p.kiln(&["kernels", "add", "headers"]).0, Some(0));
    let (status, said) = p.kiln(&["kernels", "add", "--rust", "src", "7.3.1-test"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = p.kiln(&["build", "m", "-k", "7.3.1-test"]);
    assert_eq!(status, Some(0), "{said}");
    let store = p.path("home/.local/share/kiln/kernels");
    assert_eq!(fs::read_dir(&store).unwrap().count(), 2); // the entry and the lock
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_added() {
    let p = Place::new();
    p.program("rustc", "echo 'rustc 1.98.0'");
    p.refused(p.add(), "this is `rustc 1.98.0`");
    p.program("rustc", &format!("echo '{RUSTC}'"));

    p.put("src/no-core", "");
    p.refused(p.add(), "says that Rust cannot be used here");
    fs::remove_file(p.path("src/no-core")).unwrap();

    p.put("src/more", "CONFIG_PREEMPT=y\nCONFIG_LD_VERSION=24000\n");
    let got = p.add();
    assert!(!got.1.contains("LD_VERSION"), "{}", got.1);
    p.refused(got, "configured otherwise than 7.3.1-test was: CONFIG_PREEMPT");
    p.put("src/more", "");

    p.put("src/Makefile", &SOURCE.replace("SUBLEVEL = 1", "SUBLEVEL = 2"));
    p.refused(p.add(), "the source is of 7.3.2 and the tree is of 7.3.1");
    p.put("src/Makefile", SOURCE);

    fs::remove_file(p.path("bin/bindgen")).unwrap();
    let path = p.path("bin").display().to_string();
    let args = ["kernels", "add", "--rust", "src", "headers"];
    p.refused(p.kiln_with(&path, &args), "bindgen is not here");
}

#[test]
fn symbols_that_the_kernel_does_not_have_are_said() {
    let p = Place::new();
    p.put("headers/Module.symvers", "0x0\tother\tvmlinux\tEXPORT_SYMBOL_GPL\t\n");
    let (status, said) = p.add();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("of the 1 symbols of these crates 1 are not in the tree's"), "{said}");
}

#[test]
fn a_compiler_other_than_the_kernels_is_said_before_the_build() {
    let p = Place::new();
    assert_eq!(p.add().0, Some(0));
    p.program("rustc", "echo 'rustc 1.98.0'");
    let (status, said) = p.kiln(&["build", "m", "-k", "7.3.1-test-rust"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("this is `rustc 1.98.0`"), "{said}");
    // A module in C does not mind.
    p.put("m/rusty.c", "");
    assert_eq!(p.kiln(&["build", "m", "-k", "7.3.1-test-rust"]).0, Some(0));
}

#[test]
fn a_kernel_without_rust_and_sources_of_other_programs() {
    let p = Place::new();
    let tree = p.path("headers").display().to_string();
    let config = "CONFIG_MODULES=y\nCONFIG_X86=y\nCONFIG_64BIT=y\n";
    p.put("headers/include/config/auto.conf", config);
    p.put("headers/.config", config);
    let (status, said) = p.kiln(&["build", "m", "-k", &tree]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("was built without Rust (CONFIG_RUST is off)"), "{said}");
    p.refused(p.add(), "no tree here has Rust switched on");

    // What no Kbuild file names is none of the kernel's.
    p.put("m/Kbuild", "obj-m := plain.o\n");
    assert_eq!(p.kiln(&["build", "m", "-k", &tree]).0, Some(0));
}
