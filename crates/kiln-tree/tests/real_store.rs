//! An installed header tree copied into a store, and a module built there: the host's own tree must
//! not be opened. Needs Linux headers, make, a compiler and strace.

mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_tree::discover::discover;
use kiln_tree::machine::Machine;
use kiln_tree::rooted::Root;
use kiln_tree::store::{Options, Store};

/// make 4.4.1 where the tests were given one, else the machine's.
fn make() -> PathBuf {
    std::env::var_os("KILN_REFERENCE_MAKE").map_or_else(|| PathBuf::from("make"), PathBuf::from)
}

#[test]
fn a_copied_tree_never_opens_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::read(Root::system(), |name| std::env::var_os(name), false);
    let system = Machine { store: None, ..machine.clone() };
    let found = discover(&system);
    let tools = ["strace", "make", "gcc"].iter().all(|t| machine.program(t).is_some());
    let tree = found.trees.iter().find(|t| {
        // What comes from a package, and with its compiler.
        t.dir.starts_with("/usr/src") && t.describe(&machine).is_usable()
    });
    let (Some(tree), true) = (tree, tools || std::env::var_os("KILN_REFERENCE_MAKE").is_some())
    else {
        fake::skip(
            "a_copied_tree_never_opens_the_original",
            "kernel headers, make, gcc and strace",
        );
        return;
    };
    let store = Store::at(dir.path().join("store"));
    let added = store.add(std::slice::from_ref(&tree.dir), &Options::default()).unwrap();
    let copy = added.root.join(&added.entry.trees[0]);
    assert!(copy.ends_with(tree.dir.strip_prefix("/").unwrap()));

    let module = dir.path().join("hello");
    fs::create_dir(&module).unwrap();
    fs::write(module.join("Kbuild"), "obj-m := hello.o\n").unwrap();
    fs::write(
        module.join("hello.c"),
        "#include <linux/module.h>\nstatic int __init hello(void) { return 0; }\nmodule_init(hello);\n\
         MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"hello\");\n",
    )
    .unwrap();
    let trace = dir.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=file", "-o"])
        .arg(&trace)
        .arg(make())
        .arg("-C")
        .arg(&copy)
        .arg(format!("M={}", module.display()))
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(module.join("hello.ko").is_file());

    let trace = fs::read(&trace).unwrap();
    let trace = String::from_utf8_lossy(&trace);
    assert!(trace.contains(&copy.display().to_string()), "the trace holds nothing of the build");
    let original = |line: &&str| {
        ["\"/usr/src/", "\"/usr/lib/linux-", "\"/lib/modules/", "\"/usr/lib/modules/"]
            .iter()
            .any(|start| line.contains(start))
    };
    let opened: Vec<&str> = trace.lines().filter(original).take(5).collect();
    assert!(opened.is_empty(), "{opened:#?}");
    // The store's tree is the same to the build as the installed one.
    let machine = Machine { store: Some(store.dir().to_path_buf()), ..machine };
    let again = discover(&machine);
    let stored = again.find(&machine, Path::new(&format!("store:{}", added.entry.name))).unwrap();
    let (a, b) = (tree.describe(&machine), stored.tree.describe(&machine));
    assert_eq!((a.release, a.arch, a.compiler), (b.release, b.arch, b.compiler));
}
