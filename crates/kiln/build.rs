//! How the program is linked where it is built to be used (release): whole, and at a fixed place.
//!
//! A build starts Kiln many times over. Of a small instance's time and memory, most is what the system
//! does to map a program: libraries to find and bind, and thousands of addresses to put right. So libc
//! is linked in where its archive is at hand, and the program is not relocatable.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let native = env("HOST") == env("TARGET");
    let linux = env("CARGO_CFG_TARGET_OS") == "linux" && env("CARGO_CFG_TARGET_ENV") == "gnu";
    if env("PROFILE") != "release" || !native || !linux {
        return;
    }
    // rustc names the shared libraries. What the linker finds under these names is a script that leads
    // to the archives.
    let archives: Option<Vec<PathBuf>> = ARCHIVES.iter().map(|name| archive(name)).collect();
    let Some(archives) = archives else { return };
    let all: Vec<String> = archives.iter().map(|a| a.display().to_string()).collect();
    let group = format!("GROUP({})\n", all.join(" "));
    let dir = PathBuf::from(env("OUT_DIR"));
    for name in ["libc.so", "libm.so", "libgcc_s.so"] {
        if std::fs::write(dir.join(name), &group).is_err() {
            return;
        }
    }
    println!("cargo::rustc-link-arg-bins=-L{}", dir.display());
    // The standard library uses these where they are there, and asks in a way that takes nothing out
    // of an archive.
    for symbol in WANTED {
        println!("cargo::rustc-link-arg-bins=-Wl,-u,{symbol}");
    }
    for arg in ["-static", "-no-pie"] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
    put_hot_functions_first(&dir);
}

/// Lays the functions that reading makefiles takes beside each other: the system maps a file in blocks
/// of 64 KiB around what is touched, so what lies scattered costs memory and page faults in every start.
/// A name that no longer exists matches nothing. Only the linker that comes with the compiler is asked,
/// since not every other knows how to add to its own layout. The names are those of the newer of the
/// compiler's two ways to make them up, which `.cargo/config.toml` asks for.
fn put_hot_functions_first(dir: &Path) {
    println!("cargo::rerun-if-changed={HOT}");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let own = Command::new(env("RUSTC")).args(["--print", "sysroot"]).output().is_ok_and(|out| {
        let sysroot = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        Path::new(&sysroot)
            .join("lib/rustlib")
            .join(env("TARGET"))
            .join("bin/gcc-ld/ld.lld")
            .exists()
    });
    let other = !env("RUSTC_LINKER").is_empty() || env("CARGO_ENCODED_RUSTFLAGS").contains("link");
    let Ok(names) = std::fs::read_to_string(HOT) else { return };
    if !own || other || env("TARGET") != "x86_64-unknown-linux-gnu" {
        return;
    }
    let mut script = String::from("SECTIONS {\n.text.hot : {\n");
    for line in names.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        // What the compiler takes for cold has a prefix of its own.
        script += &match line.strip_prefix("file ") {
            Some(object) => format!("*{object}(.text .text.*)\n"),
            None => format!("*(.text.{line}* .text.unlikely.{line}*)\n"),
        };
    }
    script += "}\n} INSERT BEFORE .text;\n";
    // Among the constants, what panics need and large tables that reading has no use for lie behind the
    // others.
    script += "SECTIONS {\n.gcc_except_table : {\n*(.gcc_except_table .gcc_except_table.*)\n}\n";
    script += ".rodata.cold : {\n";
    for tables in COLD {
        script += &format!("{tables}\n");
    }
    script += "}\n} INSERT AFTER .eh_frame;\n";
    let file = dir.join("hot.ld");
    if std::fs::write(&file, script).is_ok() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", file.display());
    }
}

/// The functions, in the order in which they are first called; the file says how it was made.
const HOT: &str = "hot-functions.txt";

/// Tables of the C library and of crates that reading makefiles does not call: alphabets, numbers with
/// fractions, checksums, the kernel's tools. `_R` begins the names of the compiler's symbols.
const COLD: [&str; 9] = [
    "*libc.a:C-ctype.o(.rodata)",
    "*libc.a:fpioconst.o(.rodata)",
    "*(.rodata.lzma_crc*)",
    "*(.rodata._R*13kiln_modtools*)",
    "*(.rodata._R*9kiln_tree*)",
    "*(.rodata._R*10serde_json* .rodata._R*4zmij*)",
    "*(.rodata._R*7dec2flt* .rodata._R*7flt2dec*)",
    "*(.rodata._R*11miniz_oxide* .rodata._R*6ruzstd*)",
    "*(.rodata._R*12backtrace_rs* .rodata._R*5gimli*)",
];

/// What is linked in: all that the standard library needs of the system.
const ARCHIVES: [&str; 3] = ["libc.a", "libm.a", "libgcc_eh.a"];

/// Functions without which the standard library does the same more slowly, or not at all.
const WANTED: [&str; 7] = [
    "posix_spawn_file_actions_addchdir_np",
    "__cxa_thread_atexit_impl",
    "copy_file_range",
    "__pthread_get_minstack",
    "getrandom",
    "gettid",
    "statx",
];

/// Where the C compiler finds an archive; it gives the bare name back where it finds none.
fn archive(name: &str) -> Option<PathBuf> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let out = Command::new(cc).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(out.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
