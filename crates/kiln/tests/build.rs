//! `kiln build` as a person types it: another output directory on every installed tree, and what is
//! refused before anything is built.
#![allow(clippy::print_stderr)] // what is skipped is said

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HELLO: &str = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Kiln with a home of its own.
    fn kiln(&self, args: &[&str]) -> Output {
        let mut c = Command::new(env!("CARGO_BIN_EXE_kiln"));
        for name in ["MAKEFLAGS", "MAKELEVEL", "XDG_CACHE_HOME", "XDG_DATA_HOME", "KILN_SLOW"] {
            c.env_remove(name);
        }
        c.args(args).env("HOME", self.path("home")).current_dir(self.path("")).output().unwrap()
    }

    /// A tree of which the beginning is a kernel's and the rest says that it was reached.
    fn tree(&self, version: [u32; 3]) -> String {
        let [a, b, c] = version;
        let makefile = format!(
            "VERSION = {a}\nPATCHLEVEL = {b}\nSUBLEVEL = {c}\nall clean: ; @echo reached\n"
        );
        self.put("tree/Makefile", &makefile);
        self.put("tree/scripts/Makefile.build", "");
        self.put(
            "tree/include/config/auto.conf",
            "CONFIG_MODULES=y\nCONFIG_X86=y\nCONFIG_64BIT=y\n",
        );
        self.put("tree/include/generated/autoconf.h", "");
        let release = format!("#define UTS_RELEASE \"{a}.{b}.{c}-test\"\n");
        self.put("tree/include/generated/utsrelease.h", &release);
        self.put("tree/Module.symvers", "");
        self.path("tree").display().to_string()
    }
}

fn said(o: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr))
}

/// What is below a directory, but for Kiln's memory of it.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(here) = todo.pop() {
        for item in fs::read_dir(here).unwrap().flatten() {
            let path = item.path();
            if path.is_dir() {
                todo.push(path);
            } else if item.file_name() != ".kiln-sources" {
                all.insert(path.strip_prefix(dir).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

/// The header trees that are installed for this machine.
fn installed() -> Vec<String> {
    let mut all = Vec::new();
    for item in fs::read_dir("/usr/src").into_iter().flatten().flatten() {
        let dir = item.path();
        if dir.join("include/config/auto.conf").exists() && dir.join("scripts/mod/modpost").exists()
        {
            all.push(dir.display().to_string());
        }
    }
    all.sort();
    all
}

#[test]
fn another_directory_holds_what_a_build_of_a_copy_leaves() {
    let p = Place::new();
    p.put("src/Kbuild", "obj-m := hello.o\nobj-m += sub/\n");
    p.put("src/hello.c", HELLO);
    p.put("src/sub/Kbuild", "obj-m := inner.o\n");
    p.put("src/sub/inner.c", HELLO);
    for name in ["src/hello.c", "src/sub/inner.c", "src/sub", "src"] {
        let mode = if name.ends_with(".c") { 0o444 } else { 0o555 };
        fs::set_permissions(p.path(name), Permissions::from_mode(mode)).unwrap();
    }
    let before = content(&p.path("src"));
    let trees = installed();
    if trees.is_empty() {
        eprintln!("skipped another_directory_…: needs Linux headers in /usr/src");
    }
    for (i, tree) in trees.iter().enumerate() {
        let out = format!("out-{i}");
        let built = p.kiln(&["build", "src", "-k", tree, "-o", &out]);
        assert!(built.status.success(), "{}", said(&built));
        // Nothing is left to do, and nothing is copied again.
        let again = p.kiln(&["build", "src", "-k", tree, "-o", &out]);
        assert!(!said(&again).contains(" CC "), "{}", said(&again));
    }
    assert_eq!(content(&p.path("src")), before);
    for (i, tree) in trees.iter().enumerate() {
        let (out, theirs) = (p.path(&format!("out-{i}")), p.path(&format!("kept-{i}")));
        fs::rename(&out, &theirs).unwrap();
        let copied = Command::new("cp").arg("-a").arg(p.path("src")).arg(&out).status().unwrap();
        assert!(copied.success());
        for name in ["", "sub"] {
            fs::set_permissions(out.join(name), Permissions::from_mode(0o755)).unwrap();
        }
        let m = format!("M={}", out.display());
        let built = p.kiln(&["make", "-C", tree, &m]);
        assert!(built.status.success(), "{}", said(&built));
        let (a, b) = (content(&out), content(&theirs));
        let names = |m: &BTreeMap<PathBuf, Vec<u8>>| m.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&a), names(&b), "{tree}");
        for (name, bytes) in &a {
            assert!(b[name] == *bytes, "{} differs on {tree}", name.display());
        }
    }
    for name in ["src", "src/sub"] {
        fs::set_permissions(p.path(name), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_directory_that_kbuild_cannot_use_is_refused_before_it_is_made() {
    let p = Place::new();
    let tree = p.tree([6, 12, 0]);
    p.put("src/Kbuild", "obj-m := hello.o\n");
    for name in ["a b", "a%b", "a:b"] {
        let o = p.kiln(&["build", "src", "-k", &tree, "-o", name]);
        assert_eq!(o.status.code(), Some(2), "{}", said(&o));
        assert!(said(&o).contains("kbuild cannot build in a directory"), "{}", said(&o));
        assert!(!p.path(name).exists());
    }
    // The sources themselves may stand there, since nothing is built beside them.
    p.put("s r c/Kbuild", "obj-m := hello.o\n");
    let o = p.kiln(&["build", "s r c", "-k", &tree, "-o", "out"]);
    assert!(o.status.success() && said(&o).contains("reached"), "{}", said(&o));
}

#[test]
fn a_file_of_the_users_stops_the_build() {
    let p = Place::new();
    let tree = p.tree([6, 12, 0]);
    p.put("src/Kbuild", "obj-m := hello.o\n");
    p.put("out/Kbuild", "mine\n");
    let o = p.kiln(&["build", "src", "-k", &tree, "-o", "out"]);
    assert_eq!(o.status.code(), Some(2));
    assert!(said(&o).contains("not put there by kiln"), "{}", said(&o));
    assert_eq!(fs::read_to_string(p.path("out/Kbuild")).unwrap(), "mine\n");
}

#[test]
fn the_kernels_own_output_directory_is_guarded() {
    let p = Place::new();
    p.put("src/Kbuild", "obj-m := hello.o\n");
    let mo = format!("MO={}", p.path("out").display());
    let old = p.tree([6, 12, 0]);
    let o = p.kiln(&["build", "src", "-k", &old, &mo]);
    assert_eq!(o.status.code(), Some(2));
    assert!(said(&o).contains("does not know MO="), "{}", said(&o));
    let new = p.tree([7, 2, 0]);
    p.put("out/Makefile", "all: mine\n");
    let o = p.kiln(&["build", "src", "-k", &new, &mo]);
    assert_eq!(o.status.code(), Some(2));
    assert!(said(&o).contains("is a Makefile of yours"), "{}", said(&o));
    p.put("out/Makefile", "# Automatically generated by /x/Makefile: don't edit\n");
    let o = p.kiln(&["build", "src", "-k", &new, &mo]);
    assert!(o.status.success(), "{}", said(&o));
    assert!(said(&o).contains("what is built goes to") && said(&o).contains("reached"));
}

#[test]
fn cleaning_and_building_at_once_is_refused_where_the_kernel_writes_over_a_makefile() {
    let p = Place::new();
    p.put("src/Kbuild", "obj-m := hello.o\n");
    let old = p.tree([6, 12, 0]);
    let both = ["clean", "all"];
    let o = p.kiln(&["build", "src", "-k", &old, both[0], both[1]]);
    assert!(said(&o).contains("reached"), "{}", said(&o));
    let new = p.tree([7, 2, 0]);
    let o = p.kiln(&["build", "src", "-k", &new, both[0], both[1]]);
    assert_eq!(o.status.code(), Some(2));
    assert!(said(&o).contains("kernel 7.2.0-test writes a Makefile over yours"), "{}", said(&o));
    assert!(!said(&o).contains("reached"));
}

#[test]
fn a_tree_without_symbols_is_said_in_words() {
    let p = Place::new();
    let tree = p.tree([6, 12, 0]);
    p.put("src/Kbuild", "obj-m := hello.o\n");
    assert!(!said(&p.kiln(&["build", "src", "-k", &tree])).contains("Module.symvers"));
    fs::remove_file(p.path("tree/Module.symvers")).unwrap();
    let o = p.kiln(&["build", "src", "-k", &tree]);
    assert!(
        said(&o).contains("has no Module.symvers: the kernel's symbols are unknown"),
        "{}",
        said(&o)
    );
    assert!(said(&o).contains("reached"));
}

#[test]
fn a_compiler_that_is_too_old_is_said_before_the_build() {
    let p = Place::new();
    let tree = p.tree([7, 2, 0]);
    p.put("src/Kbuild", "obj-m := hello.o\n");
    let macros = "#!/bin/sh\nfor m in GNUC,7 GNUC_MINOR,5 GNUC_PATCHLEVEL,0; do\n\
                  echo \"#define __${m%,*}__ ${m#*,}\"; done\n";
    p.put("gcc-7", macros);
    fs::set_permissions(p.path("gcc-7"), Permissions::from_mode(0o755)).unwrap();
    let cc = format!("CC={}", p.path("gcc-7").display());
    let o = p.kiln(&["build", "src", "-k", &tree, &cc]);
    assert_eq!(o.status.code(), Some(2), "{}", said(&o));
    assert!(said(&o).contains("gcc 7.5.0 is too old for kernel 7.2.0-test"), "{}", said(&o));
    assert!(!said(&o).contains("reached"));
}

#[test]
fn who_reads_no_further_ends_it_quietly() {
    let place = Place::new();
    let kiln = env!("CARGO_BIN_EXE_kiln");
    let sh = |line: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env("HOME", place.path("home")).env_remove("XDG_CACHE_HOME");
        String::from_utf8(shell.output().unwrap().stderr).unwrap()
    };
    for command in ["cache", "kernels list --json"] {
        let said = sh(&format!("{{ sleep 0.2; {kiln} {command}; echo $? >&2; }} | true"));
        assert_eq!(said, format!("{}\n", 128 + 13), "{command}");
    }
    let said = sh(&format!("{kiln} cache > /dev/full; echo $? >&2"));
    assert!(said.contains("No space left on device") && said.ends_with("\n2\n"), "{said}");
}
