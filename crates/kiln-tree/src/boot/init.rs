//! The initramfs' program, compiled once for each architecture and kept in the cache.
//!
//! Knows how to have it compiled, not what it does.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::arch::{Arch, Family};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::process::{Command, Runner};

/// Its source.
pub const SOURCE: &str = include_str!("init.c");

/// The compiled program: from the cache, else made by a compiler of this machine.
///
/// # Errors
/// [`Kind::Program`] if there is no compiler for the architecture or it fails.
pub fn program(
    machine: &Machine,
    family: &'static Family,
    runner: &mut dyn Runner,
) -> Result<Vec<u8>> {
    let cache = machine.cache.clone().unwrap_or_else(|| std::env::temp_dir().join("kiln"));
    let dir = cache.join("boot");
    let file = dir.join(format!("init-{}-{:016x}", family.srcarch, fingerprint(SOURCE.as_bytes())));
    if let Ok(bytes) = fs::read(&file)
        && bytes.starts_with(b"\x7fELF")
    {
        return Ok(bytes);
    }
    let compiler = compiler(machine, family)?;
    fs::create_dir_all(&dir).map_err(|e| Error::io("make", &dir, e))?;
    // Two Kilns may compile at once; each into its own file, the last rename wins.
    let fresh = dir.join(format!("init-{}-{}.new", family.srcarch, std::process::id()));
    let source = fresh.with_extension("c");
    fs::write(&source, SOURCE).map_err(|e| Error::io("write", &source, e))?;
    let mut command = Command::new([compiler.into_os_string()]).args([
        "-Os",
        "-static",
        "-nostdlib",
        "-nostartfiles",
        "-ffreestanding",
        "-fno-stack-protector",
        "-fno-pic",
        "-no-pie",
        "-fno-asynchronous-unwind-tables",
        "-Wl,--build-id=none",
        "-Wl,-z,noexecstack",
    ]);
    if family.srcarch == "x86" {
        command = command.arg("-m64");
    }
    let command = command.arg("-o").arg(fresh.clone()).arg(source.clone());
    let output = runner.run(&command);
    let _ = fs::remove_file(&source);
    let output =
        output.map_err(|e| Error::new(Kind::Program, format!("cannot start a compiler: {e}")))?;
    if !output.success() {
        let _ = fs::remove_file(&fresh);
        let message = format!("the boot's init cannot be compiled: {}", output.last_words());
        return Err(Error::new(Kind::Program, message).hint(format!("the command was: {command}")));
    }
    let bytes = fs::read(&fresh).map_err(|e| Error::io("read", &fresh, e))?;
    fs::rename(&fresh, &file).map_err(|e| Error::io("write", &file, e))?;
    Ok(bytes)
}

fn compiler(machine: &Machine, family: &'static Family) -> Result<PathBuf> {
    let mut names: Vec<OsString> = Vec::new();
    if family == machine.family {
        names.extend(["cc", "gcc", "clang"].map(OsString::from));
    }
    // The usual 64-bit variant of the architecture.
    let config = format!("CONFIG_{}=y\nCONFIG_64BIT=y\n", family.srcarch.to_uppercase());
    let arch = Arch::of_config(&Config::read(config.as_bytes()), &[]);
    for prefix in arch.map(|a| a.cross_prefixes()).unwrap_or_default() {
        names.push(format!("{prefix}gcc").into());
        names.extend((10..20).rev().map(|v| OsString::from(format!("{prefix}gcc-{v}"))));
    }
    if family == machine.family {
        names.extend((10..20).rev().map(|v| OsString::from(format!("gcc-{v}"))));
    }
    names.iter().find_map(|n| machine.program(n)).ok_or_else(|| {
        let message = format!("no compiler for {} is here to make the boot's init", family.srcarch);
        Error::new(Kind::Program, message)
    })
}

/// FNV-1a: tells one version of the source from another, no more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
