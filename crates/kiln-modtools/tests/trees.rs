//! The tools beside the programs of the kernel trees that are installed: the same arguments, the same
//! files, messages and exit status. Without a tree or an assembler a case is skipped, and says so.
#![allow(missing_docs)]

mod common;

use common::Tree;
use kiln_modtools::kernel::Release;
use kiln_modtools::{Host, fixdep, helpers, modpost};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The real file system below one directory.
struct Below {
    root: PathBuf,
    input: Vec<u8>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Host for Below {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        std::fs::read(self.root.join(OsStr::from_bytes(path)))
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.root.join(OsStr::from_bytes(path)), bytes)
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.input.clone())
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.err.extend_from_slice(bytes);
    }

    fn env(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Header trees whose release has a row, or none, which is said.
fn trees(case: &str) -> Vec<Tree> {
    let mut found = common::trees();
    found.retain(|tree| {
        tree.path.join("scripts/mod/modpost").exists()
            && modpost::Flavor::for_release(tree.release).is_some()
    });
    if found.is_empty() {
        skip(case, "no kernel header tree under /usr/src");
    }
    found
}

fn skip(case: &str, why: &str) {
    let _ = writeln!(io::stderr(), "skipped: {case}: {why}");
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

fn scratch(case: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("kiln-modtools-{case}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    dir
}

type Outcome = (Option<i32>, Vec<u8>, Vec<u8>, BTreeMap<String, Vec<u8>>);

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let content = |e: std::fs::DirEntry| {
        let name = e.file_name().to_string_lossy().into_owned();
        Some((name, std::fs::read(e.path()).ok()?))
    };
    entries.filter_map(content).collect()
}

/// Runs the tree's program and ours in the same directory, with the files before each the same.
fn both(
    dir: &Path,
    program: &Path,
    words: &[&str],
    input: &[u8],
    ours: impl FnOnce(&[Vec<u8>], &mut dyn Host) -> i32,
) -> (Outcome, Outcome) {
    let before = files(dir);
    let mut child = Command::new(program)
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tree's program starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    let theirs = (done.status.code(), done.stdout, done.stderr, files(dir));
    for name in theirs.3.keys() {
        let path = dir.join(name);
        match before.get(name) {
            Some(content) => std::fs::write(path, content).expect("restored"),
            None => std::fs::remove_file(path).expect("removed"),
        }
    }
    let mut host = Below { root: dir.into(), input: input.to_vec(), out: vec![], err: vec![] };
    let args: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    let status = ours(&args, &mut host);
    (theirs, (Some(status), host.out, host.err, files(dir)))
}

fn assert_same(case: &str, (theirs, ours): (Outcome, Outcome)) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&theirs.2), text(&ours.2), "{case}: messages");
    assert_eq!(text(&theirs.1), text(&ours.1), "{case}: output");
    assert_eq!(theirs.0, ours.0, "{case}: exit status");
    assert_eq!(
        theirs.3.keys().collect::<Vec<_>>(),
        ours.3.keys().collect::<Vec<_>>(),
        "{case}: files"
    );
    for (name, content) in &theirs.3 {
        assert_eq!(text(content), text(&ours.3[name]), "{case}: {name}");
    }
}

fn assemble(dir: &Path, name: &str, source: &str) {
    let path = dir.join(format!("{name}.s"));
    std::fs::write(&path, source).expect("written");
    let status =
        Command::new("as").arg("-o").arg(dir.join(format!("{name}.o"))).arg(&path).status();
    assert!(status.expect("as runs").success(), "{name} does not assemble");
}

/// The start of every module: what `.modinfo` says, and its two functions.
fn head(license: &str, more: &str) -> String {
    format!(
        ".section .modinfo,\"a\"\n.asciz \"license={license}\"\n.asciz \"description=x\"\n{more}\
         .text\n.globl init_module\n.type init_module,%function\ninit_module: ret\n\
         .globl cleanup_module\ncleanup_module: ret\n"
    )
}

/// An export in the manner of the tree.
fn export(release: Release, name: &str, gpl: bool, namespace: &str) -> String {
    if release >= Release::new(6, 12) {
        let license = if gpl { "GPL" } else { "" };
        return format!(
            ".section .export_symbol,\"a\"\n.balign 8\n__export_symbol_{name}:\n\
             .asciz \"{license}\"\n.asciz \"{namespace}\"\n.balign 8\n.quad {name}\n.text\n"
        );
    }
    let class = if gpl { "_gpl" } else { "" };
    format!(
        ".section ___ksymtab{class}+{name},\"a\"\n.balign 4\n__ksymtab_{name}:\n.long {name} - .\n\
         .section __ksymtab_strings,\"aMS\",%progbits,1\n__kstrtab_{name}: .asciz \"{name}\"\n\
         __kstrtabns_{name}: .asciz \"{namespace}\"\n.text\n"
    )
}

fn function(name: &str, section: &str, body: &str) -> String {
    format!(
        ".section {section},\"ax\"\n.globl {name}\n.type {name},%function\n{name}:\n{body}\nret\n.text\n"
    )
}

#[test]
fn modpost_beside_the_trees_own() {
    let case = "modpost_beside_the_trees_own";
    if !has("as") {
        return skip(case, "no assembler");
    }
    for tree in trees(case) {
        let dir = scratch("modpost");
        let release = tree.release;
        let undefined: String =
            (0..14).map(|i| format!(".globl nosuch{i}\n.quad nosuch{i}\n")).collect();
        let modules = [
            ("user", head("GPL", ".asciz \"version=1\"\n") + "call _printk\ncall lib_fn\n"),
            (
                "lib",
                head("Dual BSD/GPL", "")
                    + &function("lib_fn", ".text", "call _printk")
                    + &export(release, "lib_fn", true, "")
                    + &function("ns_fn", ".text", "nop")
                    + &export(release, "ns_fn", false, "LIB")
                    + &function("early", ".init.text", "nop")
                    + &export(release, "early", false, ""),
            ),
            ("closed", head("Proprietary", "") + "call lib_fn\ncall ns_fn\n"),
            (
                "open",
                head("GPL", ".asciz \"import_ns=LIB\"\n") + "call ns_fn\n.weak maybe\ncall maybe\n",
            ),
            ("lost", head("GPL", "") + &undefined),
            (
                "slip",
                head("GPL", "")
                    + &function("late", ".exit.text", "nop")
                    + &function("first", ".init.text", "call late")
                    + "call first\n.data\nmy_driver: .quad late\nmy_ops: .quad first\nplain: .quad first\n"
                    + ".section .mine,\"\"\n.long 1\n",
            ),
        ];
        for (name, source) in &modules {
            assemble(&dir, name, source);
            let write =
                |file: String, text: &str| std::fs::write(dir.join(file), text).expect("written");
            write(format!("{name}.mod"), &format!("{name}.o\n"));
            write(
                format!(".{name}.o.cmd"),
                &format!(
                    "savedcmd_{name}.o := as\n\nsource_{name}.o := {name}.s\n\ndeps_{name}.o := \\\n\n\
                     #SYMVER lib_fn 0x12345678\n#SYMVER ns_fn 0x9abcdef0\n"
                ),
            );
        }
        // Debian puts a program of its own in front, which looks at the first object by itself.
        let real = tree.path.join("scripts/mod/modpost.real-lsb-64");
        let program = if real.exists() { real } else { tree.path.join("scripts/mod/modpost") };
        let symvers = tree.path.join("Module.symvers").to_string_lossy().into_owned();
        let flavor = modpost::Flavor::for_release(release).expect("a row");
        let m = if release >= Release::new(6, 12) { "-M" } else { "-m" };
        for words in [
            vec![m, "-m", "-e", "-o", "out", "-i", &symvers, "user.o", "lib.o"],
            vec![
                m, "-m", "-a", "-o", "out", "-i", &symvers, "lib.o", "user.o", "closed.o", "open.o",
            ],
            vec![
                m, "-e", "-N", "-d", "deps", "-o", "out", "-i", &symvers, "lib.o", "closed.o",
                "open.o",
            ],
            vec![m, "-e", "-o", "out", "-i", &symvers, "lost.o"],
            vec![m, "-e", "-w", "-o", "out", "lost.o", "user.o"],
            vec![m, "-e", "-E", "-o", "out", "-i", &symvers, "slip.o"],
            vec![m, "-e", "-W", "-i", &symvers, "slip.o"],
            vec![m, "-e", "-n", "-i", &symvers, "none.o", "lib.o"],
            vec![m, "-e", "-i", "none"],
            vec![m, "-e", "user.s"],
            vec![m, "-e", "-o", "out", "-i", &symvers, "-T", "list"],
        ] {
            std::fs::write(dir.join("list"), "lib.o\nuser.o\n").expect("written");
            let ours = |args: &[Vec<u8>], host: &mut dyn Host| modpost::main_as(flavor, args, host);
            let case = format!("{release} {}", words.join(" "));
            assert_same(&case, both(&dir, &program, &words, b"", ours));
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
}

#[test]
fn fixdep_beside_the_trees_own() {
    let case = "fixdep_beside_the_trees_own";
    for tree in trees(case) {
        let dir = scratch("fixdep");
        let write = |file: &str, text: &str| std::fs::write(dir.join(file), text).expect("written");
        write("a.c", "#ifdef CONFIG_A\n#if IS_ENABLED(CONFIG_B_MODULE) // CONFIG_X__Y_\n");
        write("b.h", "CONFIG_A CONFIG_C\n_CONFIG_D xCONFIG_E\n");
        write("plain.d", "a.o: a.c b.h \\\n b.h\n");
        write("two.d", "a.o: a.c \\\n  b.h\n\nb.o: b.h a.c\n");
        write("none.d", "a.c b.h\n");
        write("lost.d", "a.o: a.c \\\n  lost.h b.h\n");
        write("words.d", "a.o: a.c \\\n  include/generated/autoconf.h b.h\n# a comment\n");
        let program = tree.path.join("scripts/basic/fixdep");
        let format = fixdep::Format::for_release(tree.release).expect("a row");
        for words in [
            vec!["plain.d", "a.o", "gcc -c $(pound)x"],
            vec!["two.d", "dir/a.o", "gcc"],
            vec!["none.d", "a.o", ""],
            vec!["lost.d", "a.o", "gcc"],
            vec!["words.d", "a.o", "gcc"],
            vec!["absent.d", "a.o", "gcc"],
            vec![".", "a.o", "gcc"],
            vec!["plain.d"],
        ] {
            let ours = |args: &[Vec<u8>], host: &mut dyn Host| fixdep::main_as(format, args, host);
            let case = format!("{} {}", tree.release, words.join(" "));
            assert_same(&case, both(&dir, &program, &words, b"", ours));
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
}

#[test]
fn helpers_beside_the_commands() {
    let case = "helpers_beside_the_commands";
    if !has("as") || !has("nm") {
        return skip(case, "no binutils");
    }
    let dir = scratch("helpers");
    let old = Release::new(6, 1);
    let source = head("GPL", "")
        + &function("seen", ".text", "call b_undefined\ncall a_undefined\n.weak w\ncall w")
        + &export(old, "seen", false, "")
        + &export(Release::new(6, 12), "seen", false, "")
        + "hidden: ret\n"
        + &export(old, "hidden", true, "");
    assemble(&dir, "x", &source);
    let content = std::fs::read(dir.join("x.o")).expect("assembled");
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&dir).env("LC_ALL", "C").env("NM", "nm");
        command.env("AWK", "awk").output().expect("sh runs")
    };
    let lines = |names: Option<Vec<Vec<u8>>>| {
        names
            .expect("an object")
            .iter()
            .flat_map(|n| [n.as_slice(), b"\n"].concat())
            .collect::<Vec<u8>>()
    };
    let wanted = shell("nm x.o | sed -n 's/.* __export_symbol_\\(.*\\)/\\1/p'").stdout;
    assert_eq!(lines(helpers::exported_names(content.clone())), wanted);
    let wanted = shell("nm x.o | sed -n 's/^  *U //p'").stdout;
    assert_eq!(lines(helpers::undefined_names(content.clone())), wanted);
    for tree in trees(case) {
        let script = tree.path.join("scripts/check-local-export");
        if !script.exists() {
            skip(case, "this tree has no check-local-export");
            continue;
        }
        let done = shell(&format!("sh {} x.o", script.display()));
        let found = helpers::local_exports(b"x.o", content.clone()).expect("an object");
        assert_eq!(String::from_utf8_lossy(&found.messages), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(1));
    }
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn the_list_of_symbols_and_of_modules_beside_the_scripts() {
    let case = "the_list_of_symbols_and_of_modules_beside_the_scripts";
    let dir = scratch("lists");
    let names = "f $x $d .Lx L0 L0x __crc_f __kstrtab_f __kstrtabns_f __efistub_f __pi_$x __pi_.Lx \
        __pi_f __kvm_nvhe_$x __kvm_nvhe_.Lx __ARMV5PILongThunk_f __a_bThunk_f Thunk_ __kcfi_typeid_f \
        __kvm_nvhe___kcfi_typeid_f __pi___kcfi_typeid_f f_from_arm f_from_thumb f_veneer f_veneerx \
        _SDA_BASE_ _SDA2_BASE_ f.long_branch.g f.plt_branch.g __mod_device_table__x \
        __UNIQUE_ID_modinfo_12 __UNIQUE_ID_modinfo_12x __UNIQUE_ID_modinfo x__crc_f a__kstrtab_";
    let mut listing = String::new();
    for name in names.split_whitespace() {
        for kind in ["a", "N", "U", "w", "T", "t", "D", "W", "A", "n", "u"] {
            listing.push_str(&format!("ffffffff81000000 {kind} {name}\n"));
        }
    }
    listing.push_str("                 U undefined\n                 w weak\n");
    std::fs::write(dir.join("listing"), &listing).expect("written");
    std::fs::write(dir.join("nm"), "cat listing\n").expect("written");
    std::fs::write(dir.join("order"), "a/x.o\nb/y.o\nc/x.o\nd/z.o\ne/y.o\nx.o\n").expect("written");
    std::fs::write(dir.join("good"), "a/x.o\nb/y.o\n").expect("written");
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&dir).env("LC_ALL", "C").env("NM", "sh ./nm");
        command.output().expect("sh runs")
    };
    for tree in trees(case) {
        let script = tree.path.join("scripts/mksysmap");
        let shown = script.display();
        let text = std::fs::read(&script).unwrap_or_default();
        let wanted = if text.is_empty() {
            skip(case, "this tree has no mksysmap");
            None
        } else if text.starts_with(b"#!/bin/sed") {
            Some(shell(&format!("sed -f {shown} listing")).stdout)
        } else {
            shell(&format!("sh {shown} vmlinux map"));
            Some(std::fs::read(dir.join("map")).expect("a map"))
        };
        let main = kiln_modtools::find(b"mksysmap").expect("the tool is listed");
        let mut world = common::World::default();
        world.env.insert(b"KILN_KERNEL".to_vec(), tree.release.to_string().into_bytes());
        world.input = listing.clone().into_bytes();
        if let Some(wanted) = wanted {
            assert_eq!(main(&[], &mut world), 0);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&world.out), text(&wanted), "{}", tree.release);
        }
        let script = tree.path.join("scripts/modules-check.sh");
        if !script.exists() {
            skip(case, "this tree has no modules-check.sh");
            continue;
        }
        for (list, status) in [("good", 0), ("order", 1)] {
            let done = shell(&format!("sh {} {list}", script.display()));
            let main = kiln_modtools::find(b"modules-check.sh").expect("the tool is listed");
            let content = std::fs::read(dir.join(list)).expect("a list");
            let mut world = common::World::with(&[(list, &content)]);
            world.env.insert(b"KILN_KERNEL".to_vec(), tree.release.to_string().into_bytes());
            assert_eq!(main(&common::args(list), &mut world), status);
            assert_eq!(done.status.code(), Some(status), "{} {list}", tree.release);
            assert_eq!(world.said(), String::from_utf8_lossy(&done.stderr), "{}", tree.release);
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
}
