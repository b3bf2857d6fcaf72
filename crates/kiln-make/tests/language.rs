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

/// Reads a makefile on a thread with the stack that an instance has.
fn read_deep(makefile: String) -> String {
    let thread = std::thread::Builder::new().stack_size(512 << 20);
    thread.spawn(move || support::read(&makefile)).unwrap().join().unwrap()
}

#[test]
fn endless_nesting_ends_in_a_message() {
    let message = "*** expansions and makefiles nest too deeply.  Stop.\n";
    for makefile in [
        "f = $(call f,$1)\n$(call f,x)\n",
        "f = $(eval $(call f,$1))\n$(call f,x)\n",
        "define f\n$(eval $(value f))\nendef\n$(eval $(value f))\n",
        "f = $(foreach v,a,$(call f,$1))\n$(info $(call f))\n",
        "f = $(if x,$(let a,b,$(call f)))\nx := $(call f)\n",
    ] {
        let got = read_deep(makefile.into());
        assert!(got.ends_with(message), "{makefile}: {got}");
    }
    let nested = format!("x := {}{}\n", "$(a".repeat(20_000), ")".repeat(20_000));
    let got = read_deep(nested);
    assert!(got.ends_with("*** references nest too deeply.  Stop.\n"), "{got}");
}
