//! Paths that are not ordinary files: devices, and what the kernel makes up as it is read. It knows
//! nothing of system calls.

use crate::handlers::Task;
use crate::programs::{Class, contains};

/// How a path that is not an ordinary file's is to be taken.
pub enum Special {
    /// As a file.
    File,
    /// Tells nothing that an answer could rest on.
    Skip,
    /// Tells something that cannot be told again.
    Refuse,
}

/// Files of `/proc/self` that compilers' run-time systems size stacks, heaps and thread pools by.
const RUNTIME_FILES: &[&[u8]] =
    &[b"maps", b"cgroup", b"mountinfo", b"status", b"stat", b"auxv", b"limits", b"statm"];

/// Files of `/proc` that tell of the machine, the same to everyone.
const OF_THE_MACHINE: &[&[u8]] = &[b"filesystems", b"cpuinfo", b"version", b"modules"];

/// Whether a program's arguments may lead it to a file of `/proc` that tells of a process.
pub fn says_proc(argv: &[Vec<u8>]) -> bool {
    let of_the_machine =
        |word: &[u8]| word.strip_prefix(b"/proc/").is_some_and(|f| OF_THE_MACHINE.contains(&f));
    argv.iter().any(|word| contains(word, b"/proc/") && !of_the_machine(word))
}

/// How a path is to be taken that a task asks for.
pub fn special(path: &[u8], task: &Task) -> Special {
    let compiler = task.class == Some(Class::Compiler);
    // grep, sed and m4 look there for the end of their stack (libsigsegv). A shell does not, and
    // whoever is told to read it does it for another reason.
    if path == b"/proc/self/maps" && !task.says_proc && task.class == Some(Class::Plain) {
        return Special::Skip;
    }
    let or_compiler = if compiler { Special::Skip } else { Special::Refuse };
    if let Some(rest) = path.strip_prefix(b"/proc/") {
        let (first, rest) = match rest.iter().position(|b| *b == b'/') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &b""[..]),
        };
        let own =
            first == b"self" || first == b"thread-self" || first.iter().all(u8::is_ascii_digit);
        return match (own, first) {
            (true, _) if rest.is_empty() || rest == b"exe" || rest.starts_with(b"fd") => {
                Special::Skip
            }
            (true, _) if RUNTIME_FILES.contains(&rest) => or_compiler,
            (false, b"sys") => Special::File,
            (false, first) if OF_THE_MACHINE.contains(&first) => Special::File,
            (false, b"meminfo" | b"stat" | b"loadavg") => or_compiler,
            _ => Special::Refuse,
        };
    }
    match path {
        b"/dev/stdin" | b"/dev/stdout" | b"/dev/stderr" | b"/dev/fd" => Special::Skip,
        b"/dev/random" | b"/dev/urandom" => or_compiler,
        _ if path.starts_with(b"/dev/fd/") => Special::Skip,
        _ if path.starts_with(b"/sys/fs/cgroup") => or_compiler,
        _ => Special::File,
    }
}
