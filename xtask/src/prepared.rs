//! `cargo xtask prepared`: kernel source trees, made ready for modules and built whole, with both.
//!
//! The source is the distribution's package `linux-source-SERIES`, of this machine or of the folder
//! with the newest kernel; it is unpacked once and built from with `O=`, so that it stays as it was.
//! The same harness serves as for modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_conformance::examples;
use kiln_testkit::place::{Sources, quiet};
use kiln_testkit::{Case, KernelTree, Outcome, Verdict, cache, far, kernel_trees};

use crate::conformance;
use crate::options::Options;
use crate::tally::Tally;

const SERIES: &[&str] = &["6.12", "7.2"];

/// What would otherwise tell when and by whom a kernel was built.
const FIXED: &str = "export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
                     KBUILD_BUILD_USER=tester KBUILD_BUILD_HOST=host; ";

/// Two files are generated there, each by a recipe that makes the directory, and says so, unless it is
/// there when the recipe is expanded. Of two that run at once it is chance whether the second sees it.
const SHARED_DIRECTORY: &str = "mkdir -p tools/objtool/arch/x86/lib";

/// What is a module of the small kernel from 7.0 on, where those of [`TINY`] cannot be chosen.
const NEWER: &str = "-m BINFMT_MISC -m CONFIGFS_FS";

/// Beyond tinyconfig: what boots under QEMU with a serial line, and modules with versions.
const TINY: &str = "-e 64BIT -e MODULES -e MODULE_UNLOAD -e MODVERSIONS -e PRINTK -e BLK_DEV_INITRD \
    -e TTY -e SERIAL_8250 -e SERIAL_8250_CONSOLE -e BINFMT_ELF -e BINFMT_SCRIPT -e DEVTMPFS -e PROC_FS \
    -e SYSFS -m CRC16 -m CRC_ITU_T -d GCC_PLUGINS";

/// Runs what is asked for.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut tally = Tally::default();
    for series in SERIES.iter().filter(|s| options.wants_tree(s)) {
        let tree = match kernel_trees().into_iter().find(|t| t.series == *series) {
            Some(tree) => tree,
            None => match far::tree(series, &options.program()) {
                Ok(tree) => tree,
                Err(why) => {
                    println!("skipped prepared/*@{series}: {why}");
                    tally.skipped += 1;
                    continue;
                }
            },
        };
        let source = source(series, &tree)?;
        let cases: Vec<Case> =
            cases(&source, series).into_iter().filter(|c| options.wants(&c.name)).collect();
        let sources = Sources { examples: examples(), packages: Vec::new() };
        let mut harness = conformance::harness(options, sources)?;
        let keep = cache::work_root().join("prepared");
        harness.keep = Some(keep.clone());
        // -j2 builds fill two cores by themselves.
        for case in &cases {
            let outcome = harness.run(case, &tree);
            conformance::tell(&outcome, options.quiet, &mut tally);
            if outcome.verdict == Verdict::Same {
                let dir = keep.join(series).join(&case.name);
                if case.name.contains("/tiny") {
                    let booted = boots(options, case, &dir.join("m"));
                    tell_boot(&outcome, booted, options.quiet, &mut tally);
                }
                let _ = fs::remove_dir_all(&dir);
            }
        }
    }
    Ok(tally.close())
}

fn cases(source: &Path, series: &str) -> Vec<Case> {
    let make = format!("{FIXED}make -j2 -C {} O=$DIR", source.display());
    let external = "cp -r $DIR/../hello ext && make -C $DIR M=$DIR/ext";
    let hello = |case: Case| {
        case.file("../hello/Kbuild", "obj-m := hello.o\n").file(
            "../hello/hello.c",
            "#include <linux/module.h>\n#include <linux/list.h>\n\
             struct guest { struct list_head list; union { long age; void *name; }; };\n\
             int hello_guests(struct guest *first, ...);\n\
             int hello_guests(struct guest *first, ...) { return list_empty(&first->list); }\n\
             EXPORT_SYMBOL_GPL(hello_guests);\n\
             static int __init hello(void) { return 0; }\n\
             module_init(hello);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"hello\");\n",
        )
    };
    let tiny = |name: &str, more: &str| {
        hello(Case::new(&format!("prepared/{name}")).long())
            .run(&format!("{make} tinyconfig"))
            .run(&format!(
                "{}/scripts/config --file $DIR/.config {TINY} {more}; {make} olddefconfig",
                source.display()
            ))
            .run(&make)
            .run(&make)
            .run(external)
    };
    let prepare = hello(Case::new("prepared/modules_prepare").long())
        .prepare("cp $KDIR/.config .config")
        .run(&format!("{make} olddefconfig"))
        .run(&format!("{make} modules_prepare"))
        .run(&format!("{make} modules_prepare"))
        .run(external);
    if series == "6.12" {
        return vec![prepare, tiny("tiny", "")];
    }
    let extended = format!("{NEWER} -e EXTENDED_MODVERSIONS");
    let dwarf = format!("{extended} -e DEBUG_INFO_DWARF5 -e GENDWARFKSYMS");
    [prepare, tiny("tiny-extended", &extended), tiny("tiny-gendwarfksyms", &dwarf)]
        .map(|case| case.prepare(SHARED_DIRECTORY))
        .to_vec()
}

/// The module that was built against a kernel loads in it, and has its versions in the forms that the
/// configuration asks for.
fn boots(options: &Options, case: &Case, dir: &Path) -> Result<(), String> {
    let module = dir.join("ext/hello.ko");
    let bytes = fs::read(&module).map_err(|e| format!("{}: {e}", module.display()))?;
    let has = |name: &[u8]| bytes.windows(name.len()).any(|w| w == name);
    if !has(b"\0__versions\0") {
        return Err("the module has no versions".to_owned());
    }
    let extended = case.name != "prepared/tiny";
    if extended != (has(b"\0__version_ext_crcs\0") && has(b"\0__version_ext_names\0")) {
        return Err("the module's versions are not in the forms that were asked for".to_owned());
    }
    let kiln = options.program().canonicalize().map_err(|e| e.to_string())?;
    let mut boot = Command::new(kiln);
    boot.args(["boot", "-k"]).arg(dir).arg(&module);
    let out = boot.output().map_err(|e| e.to_string())?;
    match out.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()),
    }
}

fn tell_boot(o: &Outcome, booted: Result<(), String>, quiet: bool, tally: &mut Tally) {
    tally.count(booted.is_ok());
    match booted {
        Ok(()) if quiet => {}
        Ok(()) => println!("good    {} boots and loads the module", o.name),
        Err(said) => {
            println!("FAILED  {}: boot\n    {}", o.name, said.trim().replace('\n', "\n    "));
        }
    }
}

/// The unpacked source, where builds of this machine and of the folder see it.
fn source(series: &str, tree: &KernelTree) -> Result<PathBuf, String> {
    let root = tree.folder.clone().unwrap_or_else(|| PathBuf::from("/"));
    let archive = root.join(format!("usr/src/linux-source-{series}.tar.xz"));
    let dir = cache::work_root().join("source");
    let place = dir.join(format!("linux-source-{series}"));
    let _lock = cache::lock(&dir.join(".lock")).map_err(|e| e.to_string())?;
    if place.join(".whole").exists() {
        return Ok(place);
    }
    let _ = fs::remove_dir_all(&place);
    quiet(Command::new("tar").arg("-C").arg(&dir).arg("-xf").arg(&archive))
        .map_err(|e| e.to_string())?;
    fs::write(place.join(".whole"), "").map_err(|e| format!("{}: {e}", place.display()))?;
    Ok(place)
}
