//! A tree's sign-file and Kiln's own take turns where the signature has no chance in it.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_exec::{Ended, Native, Sink};
use kiln_session::Slow;
use kiln_session::native::Tools;

fn openssl(dir: &Path, line: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(line.split(' ')).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn installed() -> Option<PathBuf> {
    let trees = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|e| e.path());
    trees
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("linux-kbuild-")))
        .map(|p| p.join("scripts/sign-file"))
        .find(|p| Command::new(p).stderr(Stdio::null()).status().is_ok())
}

#[test]
fn signing_in_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let request = "req -new -x509 -nodes -batch -subj /CN=x";
    let keys = openssl(dir, &format!("{request} -newkey rsa:2048 -keyout rsa -out rsa.x509"))
        && openssl(dir, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec")
        && openssl(dir, &format!("{request} -key ec -out ec.x509"));
    let (Some(program), true) = (installed(), keys) else {
        let _ = writeln!(std::io::stderr(), "skipped: no sign-file or no openssl");
        return;
    };
    // A script beside a note of each run.
    let own = dir.join("scripts/sign-file");
    fs::create_dir_all(dir.join("scripts")).expect("a directory");
    let script = format!("#!/bin/sh\necho run >>ran\nexec {} \"$@\"\n", program.display());
    fs::write(&own, script).expect("a file");
    fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let tools = Tools::new(Some(dir.join("cache")), &Slow::from_env(), false);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let env = vec![(b"PATH".to_vec(), path.as_bytes().to_vec())];
    let sign = |key: &str| {
        fs::write(dir.join("m.ko"), b"\x7fELF").expect("a file");
        let words = ["scripts/sign-file", "sha256", key, &format!("{key}.x509"), "m.ko"];
        let argv: Vec<Vec<u8>> = words.iter().map(|w| w.as_bytes().to_vec()).collect();
        assert!(tools.takes(&argv));
        let ended = tools.run(&argv, &env, dir.as_os_str().as_bytes(), &Sink::default());
        let ran = fs::read_to_string(dir.join("ran")).unwrap_or_default().lines().count();
        (ended, fs::read(dir.join("m.ko")).expect("the module"), ran)
    };
    // What cannot be compared is left to the tree's own, before and after the meeting.
    let untouched = |ran| (None, b"\x7fELF".to_vec(), ran);
    assert_eq!(sign("ec"), untouched(0));
    let theirs = sign("rsa");
    assert_eq!((theirs.0, theirs.2), (Some(Ended::Exit(0)), 1));
    assert!(theirs.1.ends_with(b"~Module signature appended~\n"));
    assert_eq!(sign("rsa"), theirs);
    assert_eq!(sign("ec"), untouched(1));
    assert!(!dir.join("m.ko.~signed~").exists());
}
