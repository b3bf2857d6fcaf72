//! Scripts that run in a booted kernel: for a shell, or lines that init itself understands.
//!
//! Knows the form of scripts, not what carries them out.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::machine::Machine;

/// What runs between loading and unloading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// For busybox' shell, which the request has to bring.
    Shell(Vec<u8>),
    /// One line after the other, whether or not the one before failed.
    Lines(Vec<Line>),
}

/// A line that needs no shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `cat FILE`: its text goes into the verdict.
    Cat(String),
    /// `write FILE TEXT`: into a file that exists, such as one of sysfs.
    Write(String, String),
    /// `sleep SECONDS`, with a fraction if wanted; in milliseconds here.
    Sleep(u64),
    /// `load NAME [PARAMETERS]`: a module of the kernel's own, or one of the request's.
    Load(String, String),
    /// `unload NAME`.
    Unload(String),
}

/// The names under which busybox is called in the initramfs.
pub const APPLETS: &[&str] = &[
    "cat", "cp", "cut", "dd", "dmesg", "echo", "expr", "false", "find", "grep", "head", "insmod",
    "ip", "kill", "ln", "ls", "lsmod", "mkdir", "mknod", "modprobe", "mount", "mv", "od", "printf",
    "ps", "rm", "rmmod", "sed", "sleep", "sort", "stat", "tail", "test", "touch", "tr", "true",
    "umount", "uname", "wc", "[",
];

/// The busybox of this machine, if it is there and needs no libraries; then scripts can have a shell.
pub fn busybox(machine: &Machine) -> Option<PathBuf> {
    let path = machine.program("busybox")?;
    let bytes = std::fs::read(machine.root.find(&path)?).ok()?;
    // A program that is linked with libraries names its loader.
    let needs_loader = |b: &[u8]| memchr::memmem::find(b, b"/ld-").is_some();
    let elf = bytes.starts_with(b"\x7fELF");
    (elf && !needs_loader(&bytes[..bytes.len().min(4096)])).then_some(path)
}

impl Script {
    /// Reads lines for init; `#` begins a comment.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] with the number of a line that is none of these.
    pub fn lines(text: &str) -> Result<Script> {
        let mut out = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim();
            let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
            let owned = |s: &str| s.to_string();
            out.push(match (verb, first, more) {
                ("cat", file, "") if !file.is_empty() => Line::Cat(owned(file)),
                ("write", file, text) if !text.is_empty() => Line::Write(owned(file), owned(text)),
                ("load", name, more) if !name.is_empty() => Line::Load(owned(name), owned(more)),
                ("unload", name, "") if !name.is_empty() => Line::Unload(owned(name)),
                ("sleep", time, "") => match time.parse::<f64>() {
                    Ok(s) if (0.0..=3600.0).contains(&s) => Line::Sleep((s * 1000.0) as u64),
                    _ => return Err(bad(number, line)),
                },
                _ => return Err(bad(number, line)),
            });
        }
        Ok(Script::Lines(out))
    }
}

fn bad(number: usize, line: &str) -> Error {
    Error::new(Kind::Unsupported, format!("line {} of the script is not known: {line}", number + 1))
        .hint("lines are: cat FILE, write FILE TEXT, sleep SECONDS, load NAME [PARAMETERS], unload NAME")
        .hint("a script for a shell needs a statically linked busybox (package busybox-static)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_is_none() {
        let script =
            Script::lines("# x\n\ncat /proc/modules\nwrite /sys/a 1 2\nsleep 0.5\nload a b=1\n");
        let lines = vec![
            Line::Cat("/proc/modules".into()),
            Line::Write("/sys/a".into(), "1 2".into()),
            Line::Sleep(500),
            Line::Load("a".into(), "b=1".into()),
        ];
        assert_eq!(script.unwrap(), Script::Lines(lines));
        for text in ["cat", "cat a b", "sleep x", "sleep -1", "rm -rf /", "write /a"] {
            assert!(Script::lines(text).unwrap_err().to_string().contains("line 1"), "{text}");
        }
    }
}
