//! `kiln tool` where it stands for a tree's program that cannot run here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn kiln(dir: &Path, args: &[&str]) -> Output {
    let mut c = Command::new(env!("CARGO_BIN_EXE_kiln"));
    c.args(args).env("HOME", dir).current_dir(dir).output().unwrap()
}

#[test]
fn what_it_leaves_to_the_original_gets_the_originals_answer() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("sign-file");
    // As a loader that misses a library ends.
    fs::write(&original, "#!/bin/sh\necho \"$0: no library for $*\" >&2\nexit 127\n").unwrap();
    fs::set_permissions(&original, Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("x.ko"), "module").unwrap();
    let args = ["tool", "--instead-of", "./sign-file", "sign-file", "sha256", "k", "c", "x.ko"];
    let o = kiln(dir.path(), &args);
    assert_eq!(o.status.code(), Some(127));
    assert_eq!(String::from_utf8_lossy(&o.stderr), "./sign-file: no library for sha256 k c x.ko\n");
    // Where that cannot even be started, the tool's own words are all there is.
    fs::remove_file(&original).unwrap();
    let o = kiln(dir.path(), &args);
    assert_eq!(o.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&o.stderr).starts_with("sign-file: k: "), "{o:?}");
}

#[test]
fn what_it_does_itself_never_starts_the_original() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s"), "signature").unwrap();
    fs::write(dir.path().join("x.ko"), "module").unwrap();
    fs::write(dir.path().join("c"), "").unwrap();
    let args =
        ["tool", "--instead-of", "/bin/false", "sign-file", "-s", "s", "sha256", "c", "x.ko"];
    let o = kiln(dir.path(), &args);
    assert_eq!(o.status.code(), Some(0), "{o:?}");
    assert!(fs::read(dir.path().join("x.ko")).unwrap().ends_with(b"~Module signature appended~\n"));
}
