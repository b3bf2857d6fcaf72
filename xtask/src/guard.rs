//! Keeps builds from writing into the machine's kernel trees.
//!
//! GNU make itself does so where a case goes wrong: with M= forgotten, as root, it removes generated
//! headers of a distribution's header package. So the commands that build run again in a mount
//! namespace of their own in which what packages own is read-only. Whoever is not root cannot write
//! there anyway, and needs none of this.

use std::os::unix::process::CommandExt;
use std::process::Command;

use kiln_testkit::host;

/// Starts this program again behind the guard. Returns where that is not needed or not possible; the
/// trees' state is compared before and after in any case.
pub fn enter() {
    if !host::is_root() || std::env::var_os(host::GUARDED).is_some() {
        return;
    }
    let Ok(own) = std::env::current_exe() else { return };
    let line = "set -e; for d in /usr/src /usr/lib; do mount --bind $d $d; \
                mount -o remount,ro,bind $d; done";
    let probe = Command::new("unshare").args(["--mount", "sh", "-c", line]).output();
    if !probe.is_ok_and(|o| o.status.success()) {
        println!("note: kernel trees cannot be made read-only for the tests here");
        return;
    }
    let error = Command::new("unshare")
        .args(["--mount", "sh", "-c", &format!("{line}; exec \"$@\""), "sh"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(host::GUARDED, "1")
        .exec();
    println!("note: cannot start again behind the guard: {error}");
}
