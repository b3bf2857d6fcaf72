//! Adding packages, tarballs and directories to a store; and what is refused.

mod fake;

use std::fs;
use std::path::{Path, PathBuf};

use fake::pack::{Tar, deb, debian, gz, rpm, xz, zst};
use fake::{Fake, walk};
use kiln_tree::archive::cpio;
use kiln_tree::discover::discover;
use kiln_tree::error::{Error, Kind};
use kiln_tree::store::{Lock, Options, Store};
use kiln_tree::tree::Origin;

fn store(fake: &Fake) -> Store {
    Store::at(fake.store())
}

fn files(fake: &Fake, version: &str) -> Vec<PathBuf> {
    let names = ["variant.deb", "common.deb", "kbuild.deb"];
    let made = debian(version);
    names
        .iter()
        .zip(made)
        .map(|(name, bytes)| fake.file(&format!("{version}/{name}"), bytes))
        .collect()
}

/// Adds one made-up archive; afterwards the store has to be as empty as before.
fn refused(fake: &Fake, bytes: &[u8]) -> Error {
    let file = fake.file("archive", bytes);
    let error = match store(fake).add(&[file], &Options::default()) {
        Ok(added) => panic!("not refused: {} bytes, {added}", bytes.len()),
        Err(error) => error,
    };
    assert_eq!(walk(&fake.store()), [fake.store().join(".lock")], "{error}");
    error
}

#[test]
fn packages_become_a_tree_that_stands_alone() {
    let fake = Fake::new();
    let added = store(&fake).add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap();
    assert_eq!(added.entry.name, "6.1.0-5-amd64");
    assert_eq!(added.releases, ["6.1.0-5-amd64"]);
    let root = fake.store().join("6.1.0-5-amd64/root");
    let tree = root.join("usr/src/linux-headers-6.1.0-5-amd64");
    let common = root.join("usr/src/linux-headers-6.1.0-5-common");
    assert_eq!(
        fs::read_to_string(tree.join("Makefile")).unwrap(),
        format!("KBUILD_OUTPUT={}\ninclude {}/Makefile\n", tree.display(), common.display())
    );
    assert_eq!(
        fs::read_link(tree.join("scripts")).unwrap(),
        Path::new("../../lib/linux-kbuild-6.1.0-5/scripts")
    );
    assert!(tree.join("scripts/Makefile.build").is_file());
    assert!(common.join("scripts/Makefile.build").is_file());
    // Times are kept: 0o14000000000 seconds is what the archives say.
    let time = fs::metadata(tree.join("Makefile")).unwrap().modified().unwrap();
    assert_eq!(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 0o14_000_000_000);

    let machine = fake.machine();
    let found = discover(&machine);
    let choice = found.find(&machine, Path::new("6.1")).unwrap();
    assert_eq!(choice.tree.dir, tree);
    assert_eq!(choice.tree.origin, Origin::Store("6.1.0-5-amd64".to_string()));
    assert_eq!(choice.tree.source().unwrap(), common);
    let description = choice.tree.describe(&machine);
    assert!(description.is_usable(), "{description}");
    for spec in ["store:6.1.0-5-amd64", "6.1.0-5-amd64", tree.to_str().unwrap()] {
        let choice = found.find(&machine, Path::new(spec)).unwrap();
        assert_eq!(choice.tree.origin, Origin::Store("6.1.0-5-amd64".to_string()));
    }
}

#[test]
fn a_missing_half_is_refused_and_named() {
    let fake = Fake::new();
    let all = files(&fake, "6.1.0-5");
    let add = |files: &[PathBuf]| store(&fake).add(files, &Options::default()).unwrap_err();
    let error = add(&all[..1]);
    assert_eq!(error.kind, Kind::Incomplete);
    assert!(
        error.to_string().contains("linux-headers-6.1.0-5-common, linux-kbuild-6.1.0-5"),
        "{error}"
    );
    let error = add(&all[..2]);
    assert_eq!(error.kind, Kind::Incomplete);
    assert!(error.to_string().contains("packages with it: linux-kbuild-6.1.0-5"), "{error}");
    let error = add(&all[2..]);
    assert_eq!(error.kind, Kind::NotATree, "{error}");
    assert!(discover(&fake.machine()).trees.is_empty());
}

#[test]
fn a_name_is_taken_once_and_can_be_replaced_and_removed() {
    let fake = Fake::new();
    let all = files(&fake, "6.1.0-5");
    let store = store(&fake);
    store.add(&all, &Options::default()).unwrap();
    let error = store.add(&all, &Options::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Exists);
    let replace = Options { replace: true, ..Options::default() };
    store.add(&all, &replace).unwrap();
    let named = Options { name: Some("mine".to_string()), ..Options::default() };
    store.add(&all, &named).unwrap();
    let names: Vec<String> = store.entries().0.into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["6.1.0-5-amd64", "mine"]);
    store.remove("6.1.0-5-amd64").unwrap();
    store.remove("mine").unwrap();
    assert_eq!(store.remove("mine").unwrap_err().kind, Kind::UnknownTree);
    assert_eq!(walk(&fake.store()), [fake.store().join(".lock")]);
    for name in ["..", "a/b", ".hidden", "", "-x", "a b"] {
        let options = Options { name: Some(name.to_string()), ..Options::default() };
        assert!(store.add(&all, &options).is_err(), "{name}");
    }
}

#[test]
fn an_entry_moved_by_hand_is_told() {
    let fake = Fake::new();
    let store = store(&fake);
    store.add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap();
    fs::rename(fake.store().join("6.1.0-5-amd64"), fake.store().join("other")).unwrap();
    let (entries, broken) = store.entries();
    assert!(entries.is_empty());
    assert!(broken[0].1.contains("moved or renamed"), "{broken:?}");
}

#[test]
fn what_a_killed_kiln_left_is_not_listed_and_goes_away() {
    let fake = Fake::new();
    fs::create_dir_all(fake.store().join(".staging-1-0/root/usr")).unwrap();
    assert_eq!(store(&fake).entries(), (Vec::new(), Vec::new()));
    store(&fake).add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap();
    assert!(!fake.store().join(".staging-1-0").exists());
}

#[test]
fn a_second_kiln_is_told_to_wait() {
    let fake = Fake::new();
    let held = Lock::take(&fake.store()).unwrap();
    let error = store(&fake).add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    drop(held);
    store(&fake).add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap();
}

#[test]
fn paths_that_climb_out_are_refused() {
    let fake = Fake::new();
    let cases: Vec<(&str, Tar)> = vec![
        ("climbs out", Tar::new().file("../evil", "x")),
        ("climbs out", Tar::new().file("a/../../evil", "x")),
        ("absolute", Tar::new().file("/tmp/evil", "x")),
        ("climbs out", Tar::new().link("a", "../../evil")),
        ("climbs out", Tar::new().dir("d").link("d/a", "../../x")),
        ("through the link", Tar::new().link("a", "/tmp").file("a/evil", "x")),
        ("through the link", Tar::new().link("a", ".").file("a/evil", "x")),
        ("through the link", Tar::new().dir("d").link("a", "d").dir("a/e").file("a/e/evil", "x")),
        ("does not hold before", Tar::new().hard("a", "etc/passwd")),
        ("climbs out", Tar::new().hard("a", "../etc/passwd")),
        ("absolute", Tar::new().hard("a", "/etc/passwd")),
        ("does not hold before", Tar::new().link("a", "/etc/passwd").hard("b", "a")),
        // Each link stays inside by its text alone; followed one after the other they do not.
        (
            "climbs out",
            Tar::new().dir("a").dir("a/b").link("a/b/top", "../..").link("t", "a/b/top/../.."),
        ),
        ("a device", Tar::new().member("null", b'3', "", b"")),
        ("a device", Tar::new().member("pipe", b'6', "", b"")),
        ("both as a directory", Tar::new().file("a", "x").file("a/b", "x")),
        ("both as a directory", Tar::new().dir("a").file("a", "x")),
        ("unknown kind", Tar::new().member("a", b'S', "", b"")),
    ];
    for (words, tar) in cases {
        let tar = tar.finish();
        for bytes in [tar.clone(), deb("p", "", &xz(&tar), ".xz")] {
            let error = refused(&fake, &bytes);
            assert!(error.to_string().contains(words), "{words}: {error}");
            assert!(error.to_string().contains("archive was not added"), "{error}");
        }
    }
    assert!(!fake.path("../evil").exists() && !Path::new("/tmp/evil").exists());
}

#[test]
fn hostile_cpio_in_an_rpm() {
    let fake = Fake::new();
    for (words, path) in [("climbs out", "../evil"), ("absolute", "/evil")] {
        let mut writer = cpio::Writer::new();
        writer.file(path, 0o644, b"x");
        let error = refused(&fake, &rpm("kernel-devel", &gz(&writer.finish())));
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut writer = cpio::Writer::new();
    writer.symlink("./a", "/tmp");
    writer.file("./a/evil", 0o644, b"x");
    let error = refused(&fake, &rpm("kernel-devel", &xz(&writer.finish())));
    assert!(error.to_string().contains("through the link"), "{error}");
    let mut writer = cpio::Writer::new();
    writer.device("./null", 0o666, 1, 3);
    let error = refused(&fake, &rpm("kernel-devel", &zst(&writer.finish())));
    assert!(error.to_string().contains("a device"), "{error}");
}

#[test]
fn an_rpm_becomes_a_tree() {
    let fake = Fake::new();
    let dir = "./usr/src/kernels/6.4.0-1.x86_64";
    let mut writer = cpio::Writer::new();
    writer.dir("./usr", 0o755);
    writer.file(&format!("{dir}/Makefile"), 0o644, b"VERSION = 6\nPATCHLEVEL = 4\nSUBLEVEL = 0\n");
    writer.file(&format!("{dir}/include/config/auto.conf"), 0o644, b"CONFIG_X86=y\n");
    writer.file(&format!("{dir}/include/config/kernel.release"), 0o644, b"6.4.0-1.x86_64\n");
    writer.symlink("./lib/modules/6.4.0-1.x86_64/build", "/usr/src/kernels/6.4.0-1.x86_64");
    let cpio = writer.finish();
    for (name, payload) in [("gz", gz(&cpio)), ("xz", xz(&cpio)), ("zst", zst(&cpio))] {
        let file = fake.file("kernel-devel.rpm", rpm("kernel-devel", &payload));
        let options = Options { name: Some(name.to_string()), ..Options::default() };
        let added = store(&fake).add(&[file], &options).unwrap();
        assert_eq!(added.releases, ["6.4.0-1.x86_64"]);
        let link = added.root.join("lib/modules/6.4.0-1.x86_64/build");
        assert_eq!(
            fs::read_link(link).unwrap(),
            Path::new("../../../usr/src/kernels/6.4.0-1.x86_64")
        );
    }
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let fake = Fake::new();
    let filler: Vec<u8> =
        (0..9000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let tar = Tar::new()
        .file("linux/Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n")
        .file("linux/Kconfig", &filler)
        .file("linux/x", &filler)
        .finish();
    let mut writer = cpio::Writer::new();
    writer.file("usr/src/kernels/6.1/Makefile", 0o644, b"VERSION = 6\nPATCHLEVEL = 1\n");
    writer.file("usr/src/kernels/6.1/Kconfig", 0o644, &filler);
    let cpio = writer.finish();
    let whole: Vec<(&str, Vec<u8>)> = vec![
        ("tar", tar.clone()),
        ("tar.gz", gz(&tar)),
        ("tar.xz", xz(&tar)),
        ("tar.zst", zst(&tar)),
        ("deb.xz", deb("p", "", &xz(&tar), ".xz")),
        ("deb.zst", deb("p", "", &zst(&tar), ".zst")),
        ("deb", deb("p", "", &tar, "")),
        ("rpm.gz", rpm("p", &gz(&cpio))),
        ("rpm.zst", rpm("p", &zst(&cpio))),
        ("rpm", rpm("p", &cpio)),
    ];
    for (name, bytes) in whole {
        // The last block of zeros of a tar may be missing, as GNU tar allows, and the byte that
        // makes a package's length even; everything else not.
        let end = match name {
            "tar" | "deb" => bytes.len() - 1024,
            _ if name.starts_with("deb") && bytes.ends_with(b"\n") => bytes.len() - 1,
            _ => bytes.len(),
        };
        let cuts = (0..end).step_by(1000).chain([end - 1]);
        for cut in cuts {
            let cut_name = format!("{name}-{cut}");
            let file = fake.file(&cut_name, &bytes[..cut]);
            let error = match store(&fake).add(&[file], &Options::default()) {
                Ok(added) => panic!("{name} cut at {cut} of {}: {added}", bytes.len()),
                Err(error) => error,
            };
            assert_eq!(walk(&fake.store()), [fake.store().join(".lock")], "{error}");
            assert_eq!(error.kind, Kind::BadArchive, "{name} cut at {cut}: {error}");
        }
        let file = fake.file(name, &bytes);
        let options = Options { name: Some("whole".to_string()), ..Options::default() };
        store(&fake).add(&[file], &options).unwrap();
        store(&fake).remove("whole").unwrap();
    }
}

#[test]
fn damaged_bytes_never_end_in_a_panic() {
    let fake = Fake::new();
    let [variant, common, _] = debian("6.1.0-5");
    let mut writer = cpio::Writer::new();
    writer.file("usr/src/x", 0o644, &[7; 300]);
    let rpm = rpm("p", &writer.finish());
    for (name, bytes) in [("deb", variant), ("zst", common), ("rpm", rpm)] {
        let mut seed = 1u64;
        for _ in 0..300 {
            let mut bad = bytes.clone();
            for _ in 0..3 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at = (seed >> 33) as usize % bad.len();
                bad[at] ^= (seed >> 20) as u8 | 1;
            }
            let file = fake.file(name, &bad);
            // Some damage does not matter (padding); whatever happens, half a tree is not listed.
            if store(&fake).add(&[file], &Options::default()).is_err() {
                assert_eq!(walk(&fake.store()), [fake.store().join(".lock")]);
            } else {
                fs::remove_dir_all(fake.store()).unwrap();
            }
        }
    }
}

#[test]
fn too_much_is_refused() {
    let fake = Fake::new();
    let file = fake.file("a.tar", Tar::new().file("a", [0; 5000]).file("b", "x").finish());
    for (bytes, members) in [(4999, 10), (10_000, 1)] {
        let limits = kiln_tree::store::unpack::Limits { bytes, members };
        let options = Options { limits, ..Options::default() };
        let error = store(&fake).add(std::slice::from_ref(&file), &options).unwrap_err();
        assert!(error.to_string().contains("than any kernel tree has"), "{error}");
    }
}

#[test]
fn an_installed_tree_is_copied_with_what_it_refers_to() {
    let fake = Fake::new();
    let dir = fake.debian("6.1.0-5", "amd64", "x86");
    // The made-up machine's paths are real here: its own absolute include has to name them.
    let common = fake.path("usr/src/linux-headers-6.1.0-5-common");
    fs::write(dir.join("Makefile"), format!("include {}/Makefile\n", common.display())).unwrap();
    let added = store(&fake).add(std::slice::from_ref(&dir), &Options::default()).unwrap();
    assert_eq!(added.releases, ["6.1.0-5-amd64"]);
    fs::remove_dir_all(fake.path("usr")).unwrap();
    fake.program("usr/bin/gcc-12");
    let machine = fake.machine();
    let found = discover(&machine);
    let tree = &found.find(&machine, Path::new("6.1")).unwrap().tree;
    assert!(tree.dir.starts_with(fake.store()));
    assert!(tree.source().unwrap().starts_with(fake.store()));
    assert!(tree.dir.join("scripts/Makefile.build").is_file());
    assert!(tree.describe(&machine).is_usable());
}

#[test]
fn a_store_that_cannot_be_made_is_told() {
    let fake = Fake::new();
    let file = fake.file("a.tar", "");
    fs::write(fake.store(), "a file in the place of the store").unwrap();
    let error = store(&fake).add(&[file], &Options::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Io);
}

/// A small file system that goes away with the test.
struct Small(PathBuf);

impl Small {
    fn mount(dir: PathBuf, size: &str) -> Option<Small> {
        fs::create_dir_all(&dir).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&dir);
        mount.output().is_ok_and(|o| o.status.success()).then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_nothing() {
    let fake = Fake::new();
    let Some(_small) = Small::mount(fake.store(), "256k") else {
        fake::skip("a_full_disk_leaves_nothing", "mounting a small tmpfs (needs root)");
        return;
    };
    let tar = Tar::new()
        .file("linux/Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n")
        .file("linux/Kconfig", vec![1; 300_000])
        .finish();
    let error = refused(&fake, &tar);
    assert_eq!(error.kind, Kind::Io);
    assert!(error.to_string().contains("No space left on device"), "{error}");
    // There is room for a smaller one: nothing of the first was left.
    store(&fake).add(&files(&fake, "6.1.0-5"), &Options::default()).unwrap();
}
