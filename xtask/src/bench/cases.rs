//! What is built: modules of the repository, generated ones, and packaged ones. It measures nothing.

use std::fs;
use std::io;
use std::path::Path;

use kiln_conformance::corpus::PACKAGES;
use kiln_conformance::examples;
use kiln_testkit::{cache, fetch};

/// A module, and how it is worked with. Lines are for sh in its directory, with `$KDIR`, `$DIR`,
/// `$JOBS`, and `$FLAG`, which is empty or a setting of compiler flags.
pub struct Case {
    /// Its name on the command line and in the table.
    pub name: &'static str,
    /// How many compilations a clean build is, roughly: large ones get fewer turns.
    pub size: usize,
    /// Where it comes from.
    pub origin: Origin,
    /// Builds it.
    pub build: &'static str,
    /// The source that is touched.
    pub source: &'static str,
    /// The header that is touched.
    pub header: &'static str,
    /// Removes what was built.
    pub clean: &'static str,
    /// Installs; empty where a case has no use for that.
    pub install: &'static str,
}

/// Where a case's files come from.
pub enum Origin {
    /// The one-file example.
    Hello,
    /// Objects in directories, all of one module.
    Objects {
        /// How many directories; with one, the objects lie beside the Kbuild file.
        dirs: usize,
        /// How many in each.
        each: usize,
    },
    /// So many modules of one file each.
    Modules(usize),
    /// A Debian package's module.
    Package(&'static str),
}

const BUILD: &str = "make -j$JOBS -C $KDIR M=$DIR $FLAG";
const CLEAN: &str = "make -C $KDIR M=$DIR clean";
const INSTALL: &str = "make -C $KDIR M=$DIR INSTALL_MOD_PATH=$DIR/.installed modules_install";

const fn generated(name: &'static str, size: usize, origin: Origin) -> Case {
    Case {
        name,
        size,
        origin,
        build: BUILD,
        source: "kdir00/kobj00000.c",
        header: "kdir00/local.h",
        clean: CLEAN,
        install: INSTALL,
    }
}

/// All cases.
pub const CASES: &[Case] = &[
    Case { source: "hello.c", header: "hello.h", ..generated("hello", 1, Origin::Hello) },
    generated("objects-50", 50, Origin::Objects { dirs: 1, each: 50 }),
    Case { source: "m00.c", header: "local.h", ..generated("modules-30", 60, Origin::Modules(30)) },
    generated("objects-1000", 1000, Origin::Objects { dirs: 100, each: 10 }),
    Case {
        source: "v4l2loopback.c",
        header: "v4l2loopback.h",
        ..generated("v4l2loopback", 2, Origin::Package("v4l2loopback-dkms"))
    },
    Case {
        source: "evdi_fb.c",
        header: "evdi_drm_drv.h",
        ..generated("evdi", 15, Origin::Package("evdi-dkms"))
    },
    Case {
        build: "for d in common nat64 siit; do make -j$JOBS -C $KDIR M=$DIR/src/mod/$d $FLAG modules; done",
        source: "src/mod/common/address.c",
        header: "src/mod/common/address.h",
        clean: "for d in common nat64 siit; do make -C $KDIR M=$DIR/src/mod/$d clean; done",
        install: "for d in common nat64 siit; do make -C $KDIR M=$DIR/src/mod/$d \
                  INSTALL_MOD_PATH=$DIR/.installed modules_install; done",
        ..generated("jool", 80, Origin::Package("jool-dkms"))
    },
];

/// The sizes for which the time with nothing to do is taken, to see how it grows.
pub const GROWTH: &[usize] = &[10, 100, 1000, 10_000];

/// kbuild hands a module's list of objects to a shell in one word, which the system bounds to 128 KiB:
/// of 10,000 objects in one module neither program makes anything.
const MOST_IN_ONE: usize = 1000;

/// The case of so many objects, in directories of ten.
pub const fn growth(objects: usize) -> Case {
    generated("growth", objects, Origin::Objects { dirs: objects / 10, each: 10 })
}

/// The name of an object's directory, from the module's.
fn dir_name(dirs: usize, d: usize) -> String {
    if dirs == 1 { "kdir00".to_owned() } else { format!("kdir{d:02}") }
}

/// Writes the sources of a case into a new directory.
pub fn write(case: &Case, dir: &Path) -> Result<(), String> {
    let said = |e: io::Error| format!("{}: {e}", dir.display());
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).map_err(said)?;
    match &case.origin {
        Origin::Hello => hello(dir).map_err(said),
        Origin::Objects { dirs, each } => objects(dir, *dirs, *each).map_err(said),
        Origin::Modules(count) => modules(dir, *count).map_err(said),
        Origin::Package(name) => package(name, dir),
    }
}

fn hello(dir: &Path) -> io::Result<()> {
    for name in ["Makefile", "hello.c"] {
        fs::copy(examples().join("hello").join(name), dir.join(name))?;
    }
    // The example has no header of its own to be touched.
    let text = fs::read_to_string(dir.join("hello.c"))?;
    fs::write(dir.join("hello.c"), format!("{text}\n#include \"hello.h\"\n"))?;
    fs::write(dir.join("hello.h"), "/* nothing */\n")
}

/// The file that makes a module of the rest.
fn main_file(header: &str) -> String {
    format!(
        "#include <linux/module.h>\n#include \"{header}\"\nMODULE_LICENSE(\"GPL\");\n\
         MODULE_DESCRIPTION(\"generated\");\n"
    )
}

/// One module of so many objects; of more than [`MOST_IN_ONE`], several.
fn objects(dir: &Path, dirs: usize, each: usize) -> io::Result<()> {
    let mut list = String::new();
    for d in 0..dirs {
        if (d * each).is_multiple_of(MOST_IN_ONE) {
            let nth = d * each / MOST_IN_ONE;
            let (module, main) = match nth {
                0 => ("big".to_owned(), "main".to_owned()),
                _ => (format!("big{nth}"), format!("main{nth}")),
            };
            list.push_str(&format!("\nobj-m += {module}.o\n{module}-y := {main}.o"));
            fs::write(dir.join(format!("{main}.c")), main_file("kdir00/local.h"))?;
        }
        let name = dir_name(dirs, d);
        fs::create_dir_all(dir.join(&name))?;
        fs::write(dir.join(&name).join("local.h"), "#include <linux/types.h>\n")?;
        for i in 0..each {
            let n = d * each + i;
            let text = format!(
                "#include <linux/printk.h>\n#include \"local.h\"\nint kobj{n:05}(int a);\n\
                 int kobj{n:05}(int a)\n{{\n\tif (a > {n})\n\t\tpr_info(\"%d\\n\", a);\n\treturn a + {n};\n}}\n"
            );
            fs::write(dir.join(&name).join(format!("kobj{n:05}.c")), text)?;
            list.push_str(&format!(" \\\n\t{name}/kobj{n:05}.o"));
        }
    }
    list.push('\n');
    fs::write(dir.join("Kbuild"), list.trim_start())
}

fn modules(dir: &Path, count: usize) -> io::Result<()> {
    let mut list = String::new();
    for i in 0..count {
        list.push_str(&format!("obj-m += m{i:02}.o\n"));
        fs::write(dir.join(format!("m{i:02}.c")), main_file("local.h"))?;
    }
    fs::write(dir.join("local.h"), "/* nothing */\n")?;
    fs::write(dir.join("Kbuild"), list)
}

fn package(name: &str, dir: &Path) -> Result<(), String> {
    let found = PACKAGES.iter().find(|p| p.name == name);
    let p = found.ok_or_else(|| format!("no package {name} in the table"))?;
    let archive = fetch::pool_file(p.pool_path, p.sha256)?;
    let unpacked = cache::work_root().join("bench/packages").join(name);
    fetch::unpack_deb(&archive, &unpacked)?;
    let line = format!(
        "cp -r \"$(dirname \"$(find '{}' -name dkms.conf | head -n 1)\")\"/. '{}'; cd '{}'; {}",
        unpacked.display(),
        dir.display(),
        dir.display(),
        p.before
    );
    let o = std::process::Command::new("sh").args(["-c", &line]).output();
    match o {
        Ok(o) if o.status.success() => Ok(()),
        Ok(o) => Err(format!("{name}: {}", String::from_utf8_lossy(&o.stderr))),
        Err(e) => Err(format!("{name}: {e}")),
    }
}

/// Gives a generated module of many objects their compiled files without compiling: the first
/// directory's are copied under the other names. What lies on disk then is what a build would have
/// left, but for the code, which nobody looks at where nothing is to do.
pub fn multiply(dir: &Path, dirs: usize, each: usize) -> io::Result<()> {
    let first = dir.join(dir_name(dirs, 0));
    let object = fs::read(first.join("kobj00000.o"))?;
    let command = fs::read_to_string(first.join(".kobj00000.o.cmd"))?;
    for d in 0..dirs {
        let name = dir_name(dirs, d);
        for i in 0..each {
            let n = d * each + i;
            if n == 0 {
                continue;
            }
            let to = dir.join(&name);
            let text = command
                .replace("/kdir00/", &format!("/{name}/"))
                .replace("kobj00000", &format!("kobj{n:05}"));
            fs::write(to.join(format!(".kobj{n:05}.o.cmd")), text)?;
            // The symbol's name has the same length, so it can be replaced where it stands.
            let fresh = format!("kobj{n:05}");
            fs::write(
                to.join(format!("kobj{n:05}.o")),
                replace(&object, b"kobj00000", fresh.as_bytes()),
            )?;
        }
    }
    Ok(())
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at + from.len() <= out.len() {
        if out[at..].starts_with(from) {
            out[at..at + from.len()].copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
    out
}
