//! Finding trees on made-up machines.

mod fake;

use std::path::Path;

use fake::Fake;
use kiln_tree::describe::State;
use kiln_tree::discover::{Because, discover};
use kiln_tree::error::Kind;
use kiln_tree::listing::Listing;
use kiln_tree::machine::Os;

fn spec(text: &str) -> &Path {
    Path::new(text)
}

#[test]
fn the_running_kernel_comes_first() {
    let fake = Fake::new().running("6.1.0-56-amd64");
    fake.debian("6.1.0-56", "amd64", "x86");
    fake.debian("6.12.117+deb12", "amd64", "x86");
    let machine = fake.machine();
    let found = discover(&machine);
    let names: Vec<&str> = found.trees.iter().map(|t| t.release.as_str()).collect();
    assert_eq!(names, ["6.12.117+deb12-amd64", "6.1.0-56-amd64"]);
    let choice = found.choose(&machine).unwrap();
    assert_eq!(choice.because, Because::Running);
    assert_eq!(choice.tree.release, "6.1.0-56-amd64");
    assert!(choice.to_string().ends_with("(the running kernel's)"), "{choice}");
}

#[test]
fn else_the_newest_by_numbers_for_this_architecture() {
    let fake = Fake::new().running("6.18.44-fc");
    fake.debian("6.1.0-9", "amd64", "x86");
    fake.debian("6.1.0-10", "amd64", "x86");
    fake.debian("6.12.117+deb12", "arm64", "arm64");
    let machine = fake.machine();
    let found = discover(&machine);
    let choice = found.choose(&machine).unwrap();
    assert_eq!(choice.tree.release, "6.1.0-10-amd64");
    assert_eq!(choice.because, Because::Newest { running: Some("6.18.44-fc".to_string()), of: 2 });
    assert!(choice.to_string().contains("the running kernel 6.18.44-fc has no tree here"));
}

#[test]
fn a_tree_by_release_part_or_directory() {
    let fake = Fake::new();
    fake.debian("6.1.0-56", "amd64", "x86");
    let newer = fake.debian("6.12.117+deb12", "amd64", "x86");
    fake.debian("6.12.117+deb12", "arm64", "arm64");
    let machine = fake.machine();
    let found = discover(&machine);
    let release = |text: &str| found.find(&machine, spec(text)).map(|c| c.tree.release);
    assert_eq!(release("6.1").unwrap(), "6.1.0-56-amd64");
    assert_eq!(release("6.12").unwrap(), "6.12.117+deb12-amd64");
    assert_eq!(release("6.12.117+deb12-arm64").unwrap(), "6.12.117+deb12-arm64");
    assert_eq!(release(newer.to_str().unwrap()).unwrap(), "6.12.117+deb12-amd64");
    let error = found.find(&machine, spec("6.13")).unwrap_err();
    assert_eq!(error.kind, Kind::UnknownTree);
    assert!(error.to_string().contains("6.1.0-56-amd64"), "{error}");
}

#[test]
fn no_tree_says_which_commands_help() {
    for (os, words) in [
        ("ID=debian\n", "sudo apt install linux-headers-6.9.1-amd64"),
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo apt install linux-headers-generic"),
        ("ID=fedora\n", "sudo dnf install kernel-devel-6.9.1-amd64"),
        ("ID=arch\n", "sudo pacman -S linux-headers"),
        (
            "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n",
            "sudo zypper install kernel-default-devel",
        ),
        ("ID=strange\n", "-k DIR"),
    ] {
        let fake = Fake::new().running("6.9.1-amd64");
        let mut machine = fake.machine();
        machine.os = Os::read(os);
        let error = discover(&machine).choose(&machine).unwrap_err();
        assert_eq!(error.kind, Kind::NoTree);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_link_into_nothing_is_told() {
    let fake = Fake::new().running("6.9.1-amd64");
    fake.link("lib/modules/6.9.1-amd64/build", "/usr/src/linux-headers-6.9.1-amd64");
    let machine = fake.machine();
    let error = discover(&machine).choose(&machine).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/lib/modules/6.9.1-amd64/build leads to"), "{text}");
}

#[test]
fn the_shared_half_of_a_pair_names_the_other() {
    let fake = Fake::new();
    fake.debian("6.1.0-56", "amd64", "x86");
    let machine = fake.machine();
    let half = fake.path("usr/src/linux-headers-6.1.0-56-common");
    let error = discover(&machine).find(&machine, &half).unwrap_err();
    assert_eq!(error.kind, Kind::NotATree);
    assert!(error.to_string().contains("linux-headers-6.1.0-56-amd64"), "{error}");
}

#[test]
fn directories_that_are_no_tree() {
    let fake = Fake::new();
    fake.file("a/Makefile", "all:\n");
    fake.file("b/x", "");
    fake.file("c/Makefile", "include /usr/src/gone/Makefile\n");
    let machine = fake.machine();
    let found = discover(&machine);
    for (dir, words) in [
        ("a", "its Makefile is not a kernel's"),
        ("b", "it has no Makefile"),
        ("b/x", "is not a directory"),
        ("c", "/usr/src/gone/Makefile, which does not exist"),
        ("d", "No such file or directory"),
    ] {
        let error = found.find(&machine, &fake.path(dir)).unwrap_err();
        assert!(error.to_string().contains(words), "{dir}: {error}");
    }
}

#[test]
fn sources_by_how_far_they_are() {
    let fake = Fake::new();
    let dir = fake.source("src/linux", "6.12.5");
    let machine = fake.machine();
    let found = discover(&machine);
    let describe = || found.find(&machine, &dir).unwrap().tree.describe(&machine);
    assert_eq!(describe().state, State::Bare);
    assert_eq!(describe().version, Some([6, 12, 5]));
    assert!(!describe().is_usable());
    fake.file("src/linux/.config", "CONFIG_X86=y\nCONFIG_MODULES=y\n");
    assert_eq!(describe().state, State::Configured);
    fake.prepare("src/linux", "6.12.5-x", "CONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_MODULES=y\n");
    let prepared = describe();
    assert_eq!(prepared.state, State::Prepared);
    assert_eq!(prepared.release, "6.12.5-x");
    assert!(prepared.is_usable(), "{prepared}");
    assert!(prepared.missing.iter().any(|m| m.what == "Module.symvers"));
    fake.file("src/linux/vmlinux.o", "");
    assert_eq!(describe().state, State::Built);
}

#[test]
fn a_foreign_tree_asks_for_its_cross_compiler() {
    let fake = Fake::new();
    let dir = fake.debian("6.12.117+deb12", "arm64", "arm64");
    let mut machine = fake.machine();
    machine.os = Os::read("ID=debian\n");
    let describe = || discover(&machine).find(&machine, &dir).unwrap().tree.describe(&machine);
    let first = describe();
    assert!(first.foreign && !first.is_usable());
    let lack = &first.missing[0];
    assert_eq!(lack.help.as_deref(), Some("sudo apt install gcc-12-aarch64-linux-gnu"));
    fake.program("usr/bin/aarch64-linux-gnu-gcc-12");
    let second = describe();
    assert!(second.is_usable(), "{second}");
    let compiler = second.compiler.as_ref().unwrap();
    assert_eq!(compiler.cross_compile.as_deref(), Some("aarch64-linux-gnu-"));
    assert_eq!(compiler.same_major, Some(true));
    // Debian's tree sets both itself; any other wants them on the command line.
    assert!(second.make_variables().is_empty());
    std::fs::remove_file(dir.join(".kernelvariables")).unwrap();
    let arch = ("ARCH".to_string(), "arm64".to_string());
    let cross = ("CROSS_COMPILE".to_string(), "aarch64-linux-gnu-".to_string());
    assert_eq!(describe().make_variables(), [arch, cross]);
}

#[test]
fn the_table_marks_the_running_kernel() {
    let fake = Fake::new().running("6.1.0-56-amd64");
    fake.debian("6.1.0-56", "amd64", "x86");
    fake.debian("6.12.117+deb12", "amd64", "x86");
    let machine = fake.machine();
    let listing = Listing::of(&discover(&machine), &machine);
    let text = listing.to_string();
    let line = text.lines().find(|l| l.contains("6.1.0-56-amd64")).unwrap();
    assert!(line.starts_with('*'), "{text}");
    assert_eq!(listing.to_json()["kernels"][1]["arch"]["srcarch"], "x86");
}

#[test]
fn the_release_is_what_modules_are_compiled_with() {
    // Debian's 6.1: kernel.release holds the upstream version, utsrelease.h the package's.
    let fake = Fake::new();
    let dir = fake.debian("6.1.0-56", "amd64", "x86");
    std::fs::write(dir.join("include/config/kernel.release"), "6.1.192\n").unwrap();
    let machine = fake.machine();
    assert_eq!(discover(&machine).trees[0].release, "6.1.0-56-amd64");
}

#[test]
fn an_override_behind_a_condition_does_not_count() {
    let fake = Fake::new();
    let dir = fake.debian("6.1.0-56", "arm64", "arm64");
    let text = "override ARCH = arm64\nifneq ($(A),$(B))\noverride CROSS_COMPILE = $(X)-\nendif\n";
    std::fs::write(dir.join(".kernelvariables"), text).unwrap();
    fake.program("usr/bin/aarch64-linux-gnu-gcc");
    let machine = fake.machine();
    let tree = discover(&machine).trees.remove(0);
    let cross = ("CROSS_COMPILE".to_string(), "aarch64-linux-gnu-".to_string());
    assert_eq!(tree.describe(&machine).make_variables(), [cross]);
}

#[test]
fn a_tree_that_names_a_compiler_that_is_not_here() {
    // Debian's 5.10 wants gcc-10, which later releases do not have.
    let fake = Fake::new();
    let dir = fake.debian("5.10.0-46", "amd64", "x86");
    let text = "override ARCH = x86\nCC = $(if $(X),$(CCACHE)) $(CROSS_COMPILE)gcc-10\n";
    std::fs::write(dir.join(".kernelvariables"), text).unwrap();
    fake.program("usr/bin/gcc-9");
    let machine = fake.machine();
    let tree = discover(&machine).trees.remove(0);
    assert!(!tree.describe(&machine).is_usable());
    fake.program("usr/bin/gcc");
    let description = tree.describe(&machine);
    assert!(description.is_usable());
    assert_eq!(description.make_variables(), [("CC".to_string(), "gcc".to_string())]);
    fake.program("usr/bin/gcc-10");
    let config = "CONFIG_X86=y\nCONFIG_CC_IS_GCC=y\nCONFIG_GCC_VERSION=100201\nCONFIG_CC_VERSION_TEXT=\"gcc-10 10.2.1\"\n";
    std::fs::write(dir.join("include/config/auto.conf"), config).unwrap();
    assert!(tree.describe(&machine).make_variables().is_empty());
}

#[test]
fn a_compiler_older_than_the_kernel_needs() {
    use kiln_tree::compiler::Brand;
    let fake = Fake::new();
    fake.debian("6.12.117+deb12", "amd64", "x86");
    let machine = fake.machine();
    let description = discover(&machine).trees[0].describe(&machine);
    let words = description.too_old(Brand::Gcc, [4, 9, 2]).unwrap();
    assert_eq!(
        words,
        "gcc 4.9.2 is too old for kernel 6.12.117+deb12-amd64: it needs 5.1.0 or newer"
    );
    assert_eq!(description.too_old(Brand::Gcc, [5, 1, 0]), None);
    assert!(description.too_old(Brand::Clang, [12, 0, 0]).is_some());
}
