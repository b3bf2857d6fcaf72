//! A kernel's source in the forms in which it is given, and a store that is added to in steps.

mod fake;

use std::fs;

use fake::Fake;
use fake::pack::{Tar, deb, xz};
use kiln_tree::error::{Error, Kind};
use kiln_tree::store::{Options, Store, Unlisted, source};

const MAKEFILE: &str = "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 1\n";

fn tarball() -> Vec<u8> {
    let tar = Tar::new().dir("linux-7.2").file("linux-7.2/Makefile", MAKEFILE);
    xz(&tar.file("linux-7.2/Kconfig", "").finish())
}

#[test]
fn a_directory_a_tarball_and_a_package_with_a_tarball() {
    let fake = Fake::new();
    let scratch = fake.path("scratch");
    let dir = fake.source("usr/src/linux", "7.2.1");
    assert_eq!(source::open(&dir, &scratch).unwrap(), dir);
    assert!(!scratch.exists());

    let file = fake.file("linux.tar.xz", tarball());
    let found = source::open(&file, &scratch).unwrap();
    assert_eq!(found, scratch.join("given/linux-7.2"));
    assert_eq!(fs::read_to_string(found.join("Makefile")).unwrap(), MAKEFILE);

    let data = Tar::new().file("./usr/src/linux-source-7.2.tar.xz", tarball()).finish();
    let package = fake.file("linux-source.deb", deb("linux-source-7.2", "", &data, ""));
    let scratch = fake.path("scratch-2");
    let found = source::open(&package, &scratch).unwrap();
    assert_eq!(found, scratch.join("source/linux-7.2"));
}

#[test]
fn what_is_no_source() {
    let fake = Fake::new();
    let scratch = fake.path("scratch");
    let kind = |name: &str| source::open(&fake.path(name), &scratch).unwrap_err().kind;
    assert_eq!(kind("nothing"), Kind::Io);
    fake.file("dir/Makefile", "all:\n");
    assert_eq!(kind("dir"), Kind::NotATree);
    fake.file("cut.tar.xz", &tarball()[..100]);
    assert_eq!(kind("cut.tar.xz"), Kind::BadArchive);
    let _ = fs::remove_dir_all(&scratch);
    fake.file("climbs.tar", Tar::new().file("../out", "x").finish());
    assert_eq!(kind("climbs.tar"), Kind::Hostile);
    assert!(!fake.path("out").exists());
}

#[test]
fn a_step_that_fails_adds_nothing_and_leaves_nothing() {
    let fake = Fake::new();
    let store = Store::at(fake.store());
    let tree = fake.source("usr/src/linux", "7.2.1");
    let mut seen = Vec::new();
    let mut fails = |unlisted: &Unlisted| {
        seen = unlisted.trees.clone();
        fs::write(unlisted.scratch.join("work"), "").unwrap();
        Err(Error::new(Kind::Program, "no"))
    };
    let sources = [tree];
    let options = Options { mark: "-more", ..Options::default() };
    let error = store.add_finished(&sources, &options, &mut fails).unwrap_err();
    assert_eq!(error.kind, Kind::Program);
    assert_eq!(seen.len(), 1);
    assert_eq!(fake::walk(&fake.store()), [fake.store().join(".lock")]);

    let mut adds = |unlisted: &Unlisted| {
        fs::write(unlisted.trees[0].join("more"), "").unwrap();
        Ok(())
    };
    let added = store.add_finished(&sources, &options, &mut adds).unwrap();
    assert_eq!(added.entry.name, format!("{}-more", added.releases[0]));
    assert!(added.root.join(&added.entry.trees[0]).join("more").is_file());
}
