//! What an output directory holds after each kind of change.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Done, FILE, update};

struct Two {
    _top: tempfile::TempDir,
    source: PathBuf,
    dir: PathBuf,
}

fn two() -> Two {
    let top = tempfile::tempdir().unwrap();
    let base = top.path().canonicalize().unwrap();
    let (source, dir) = (base.join("src"), base.join("out"));
    fs::create_dir(&source).unwrap();
    let t = Two { _top: top, source, dir };
    t.put("Kbuild", "obj-m := a.o\n");
    t.put("a.c", "one");
    t.put("sub/b.c", "two");
    t
}

impl Two {
    fn put(&self, name: &str, text: &str) {
        let path = self.source.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a file of the source with a time of its own: two writes may fall into one tick.
    fn put_at(&self, name: &str, text: &str, seconds: u64) {
        self.put(name, text);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options()
            .write(true)
            .open(self.source.join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    fn update(&self) -> Result<Done, String> {
        update(&self.source, &self.dir)
    }

    fn out(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_else(|_| "nothing".to_owned())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n != FILE)
        .collect();
    out.sort();
    out
}

#[test]
fn a_copy_has_names_times_and_modes() {
    let t = two();
    fs::set_permissions(t.source.join("a.c"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(t.update().unwrap().copied, 3);
    assert_eq!(names(&t.dir), ["Kbuild", "a.c", "sub"]);
    assert_eq!((t.out("a.c").as_str(), t.out("sub/b.c").as_str()), ("one", "two"));
    let meta = |d: &Path| {
        let m = fs::metadata(d.join("a.c")).unwrap();
        (m.permissions().mode(), m.modified().unwrap())
    };
    assert_eq!(meta(&t.source), meta(&t.dir));
    assert_eq!(t.update().unwrap(), Done::default());
}

#[test]
fn a_source_that_cannot_be_written_is_enough() {
    let t = two();
    for (name, mode) in [("a.c", 0o444), ("sub", 0o555), ("", 0o555)] {
        fs::set_permissions(t.source.join(name), Permissions::from_mode(mode)).unwrap();
    }
    t.update().unwrap();
    // A build has to be able to write beside the copies.
    fs::write(t.dir.join("sub/b.o"), "").unwrap();
    assert_eq!(names(&t.source), ["Kbuild", "a.c", "sub"]);
    for name in ["", "sub"] {
        fs::set_permissions(t.source.join(name), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn what_changes_or_goes_in_the_source_does_so_in_the_copy() {
    let t = two();
    t.update().unwrap();
    fs::write(t.dir.join("sub/b.o"), "made").unwrap();
    t.put_at("a.c", "ONE", 5);
    fs::remove_file(t.source.join("sub/b.c")).unwrap();
    fs::remove_dir(t.source.join("sub")).unwrap();
    let done = t.update().unwrap();
    assert_eq!((done.copied, done.removed), (1, 1));
    assert_eq!(t.out("a.c"), "ONE");
    // What the build made stays, and its directory with it.
    assert_eq!(names(&t.dir.join("sub")), ["b.o"]);
}

#[test]
fn a_touched_source_is_newer_in_the_copy_too() {
    let t = two();
    t.update().unwrap();
    t.put_at("a.c", "one", 4_000_000_000);
    t.update().unwrap();
    let time = |d: &Path| fs::metadata(d.join("a.c")).unwrap().modified().unwrap();
    assert_eq!(time(&t.source), time(&t.dir));
}

#[test]
fn a_file_of_the_users_is_not_written_over() {
    let t = two();
    fs::create_dir(&t.dir).unwrap();
    fs::write(t.dir.join("a.c"), "mine").unwrap();
    let said = t.update().unwrap_err();
    assert!(said.contains("/out/a.c: not put there by kiln"), "{said}");
    // And nothing else was put beside it.
    assert_eq!(names(&t.dir), ["a.c"]);
    assert_eq!(t.out("a.c"), "mine");
    fs::write(t.dir.join("a.c"), "one").unwrap();
    t.update().unwrap();
    t.put_at("a.c", "1", 5);
    t.update().unwrap();
    assert_eq!(t.out("a.c"), "1");
}

#[test]
fn a_change_made_in_the_copy_stays_until_the_source_changes() {
    let t = two();
    t.update().unwrap();
    fs::write(t.dir.join("a.c"), "edited there").unwrap();
    assert_eq!(t.update().unwrap().kept, [PathBuf::from("a.c")]);
    assert_eq!(t.update().unwrap().kept, [PathBuf::from("a.c")]);
    assert_eq!(t.out("a.c"), "edited there");
    t.put_at("a.c", "new", 5);
    assert!(t.update().unwrap_err().contains("a.c"));
    assert_eq!(t.out("a.c"), "edited there");
}

#[test]
fn a_changed_copy_of_a_file_that_is_gone_stays() {
    let t = two();
    t.update().unwrap();
    fs::write(t.dir.join("a.c"), "edited there").unwrap();
    fs::remove_file(t.source.join("a.c")).unwrap();
    t.update().unwrap();
    assert_eq!(t.out("a.c"), "edited there");
}

#[test]
fn an_update_that_was_killed_is_finished_by_the_next() {
    let t = two();
    t.update().unwrap();
    let old = fs::read(t.dir.join(FILE)).unwrap();
    t.put_at("a.c", "ONE", 5);
    t.put("c.c", "three");
    t.update().unwrap();
    // As if it had been killed between the copying and the remembering.
    fs::write(t.dir.join(FILE), old).unwrap();
    assert!(t.update().unwrap().kept.is_empty());
    t.put_at("a.c", "later", 6);
    t.put_at("c.c", "later", 6);
    t.update().unwrap();
    assert_eq!((t.out("a.c").as_str(), t.out("c.c").as_str()), ("later", "later"));
}

#[test]
fn what_a_build_left_in_the_source_stays_there() {
    let t = two();
    for (name, text) in [
        ("a.o", "built"),
        (".a.o.cmd", "savedcmd_a.o := gcc"),
        ("a.mod.c", "built"),
        (".a.mod.o.cmd", "cmd_/x/a.mod.o := gcc"),
        ("Module.symvers", "by hand"),
        ("blob.o", "by hand"),
        (".blob.o.cmd", ""),
        (".git/config", ""),
    ] {
        t.put(name, text);
    }
    t.update().unwrap();
    assert_eq!(names(&t.dir), [".blob.o.cmd", "Kbuild", "Module.symvers", "a.c", "blob.o", "sub"]);
}

#[test]
fn output_directories_inside_the_source_do_not_nest() {
    let mut t = two();
    t.dir = t.source.join("out-1");
    t.update().unwrap();
    t.dir = t.source.join("out-2");
    t.update().unwrap();
    assert_eq!(names(&t.dir), ["Kbuild", "a.c", "sub"]);
}

#[test]
fn links_lead_where_the_originals_lead() {
    let t = two();
    let outside = t.source.parent().unwrap().join("common.h");
    fs::write(&outside, "shared").unwrap();
    symlink("a.c", t.source.join("inside.c")).unwrap();
    symlink("../common.h", t.source.join("outside.h")).unwrap();
    symlink("nowhere", t.source.join("dangling")).unwrap();
    t.update().unwrap();
    assert_eq!(fs::read_link(t.dir.join("inside.c")).unwrap(), Path::new("a.c"));
    assert_eq!(t.out("outside.h"), "shared");
    assert_eq!(fs::read_link(t.dir.join("dangling")).unwrap(), Path::new("nowhere"));
    assert_eq!(t.update().unwrap(), Done::default());
}

#[test]
fn a_file_that_becomes_a_directory() {
    let t = two();
    t.update().unwrap();
    fs::remove_file(t.source.join("a.c")).unwrap();
    t.put("a.c/inner.c", "deep");
    fs::remove_dir_all(t.source.join("sub")).unwrap();
    t.put("sub", "file now");
    t.update().unwrap();
    assert_eq!((t.out("a.c/inner.c").as_str(), t.out("sub").as_str()), ("deep", "file now"));
}

#[test]
fn paths_that_cannot_be_are_refused_before_anything_is_made() {
    let mut t = two();
    let base = t.source.parent().unwrap().to_path_buf();
    for name in ["a b", "a:b", "a%b"] {
        t.dir = base.join(name);
        assert!(t.update().unwrap_err().contains("kbuild cannot build in a directory"));
        assert!(!t.dir.exists());
    }
    t.dir = t.source.clone();
    assert!(t.update().unwrap_err().contains("is the source directory itself"));
    t.dir = base.clone();
    assert!(t.update().unwrap_err().contains("lies in the output directory"));
    assert_eq!(names(&base), ["src"]);
}

#[test]
fn another_source_does_not_take_the_directory_over() {
    let mut t = two();
    t.update().unwrap();
    t.source = t.source.with_file_name("other");
    t.put("a.c", "one");
    assert!(t.update().unwrap_err().contains("holds a build of"));
}

#[test]
fn a_damaged_memory_is_said() {
    let t = two();
    t.update().unwrap();
    fs::write(t.dir.join(FILE), "kiln sources 1\n/x").unwrap();
    assert!(t.update().unwrap_err().contains("cannot be read"));
}
