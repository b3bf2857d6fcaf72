//! Makefiles under this make and under the expectations that GNU make 4.4.1 gave; and those
//! expectations against GNU make itself, where it is at hand.
#![allow(clippy::print_stdout)] // a skipped test says why

mod support;

use std::process::{Command, Stdio};

use support::cases::CASES;

#[test]
fn makefiles_are_read_as_the_reference_reads_them() {
    let mut wrong = Vec::new();
    for (name, makefile, expected) in CASES {
        let got = support::read(makefile);
        if got != *expected {
            wrong.push(format!("{name}:\n--- expected\n{expected}--- got\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

/// GNU make 4.4.1, if there is one.
fn reference() -> Option<String> {
    let make = std::env::var("KILN_REFERENCE_MAKE").unwrap_or_else(|_| "make".into());
    let version = Command::new(&make).arg("--version").output().ok()?;
    version.stdout.starts_with(b"GNU Make 4.4.1").then_some(make)
}

#[test]
fn the_expectations_are_the_references() {
    let Some(make) = reference() else {
        println!("skipped: no GNU make 4.4.1 (KILN_REFERENCE_MAKE)");
        return;
    };
    for (name, makefile, expected) in CASES {
        let dir = support::TempDir::new();
        std::fs::write(dir.0.join("Makefile"), makefile).unwrap();
        let env = support::environment();
        let script = format!("'{make}' 2>&1");
        let out = Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .envs(env.iter().map(|(n, v)| {
                (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned())
            }))
            .current_dir(&dir.0)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let got = String::from_utf8_lossy(&out.stdout).replace(dir.0.to_str().unwrap(), "DIR");
        let got = got.replace(&format!("{make}:"), "make:");
        assert_eq!(got, *expected, "{name}");
    }
}
