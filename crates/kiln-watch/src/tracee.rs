//! What can be read off another process: strings in its memory, its directory, where its
//! descriptors lead, what is mapped. It knows nothing of what the things are read for.

use std::os::unix::ffi::OsStrExt;

use crate::eye::Identity;
use crate::raw;

/// Longest path or argument that is read; the kernel's own limit for paths is 4096.
const LONGEST: usize = 1 << 17;
/// Most arguments that are read of one command.
const MOST_ARGUMENTS: usize = 1 << 16;

/// A string that ends in NUL, at most [`LONGEST`] bytes of it.
pub fn string(tid: i32, address: u64) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut at = address;
    let mut buffer = [0u8; 4096];
    while text.len() < LONGEST {
        // A read never crosses a page, since the next one may not be mapped.
        let room = 4096 - (at % 4096) as usize;
        let got = raw::read_memory(tid, at, &mut buffer[..room]);
        if got == 0 {
            return None;
        }
        if let Some(end) = buffer[..got].iter().position(|b| *b == 0) {
            text.extend_from_slice(&buffer[..end]);
            return Some(text);
        }
        text.extend_from_slice(&buffer[..got]);
        at += got as u64;
    }
    None
}

/// So many bytes, if they are not more than a command says at a time.
pub fn bytes(tid: i32, address: u64, length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|l| *l <= LONGEST)?;
    let mut all = vec![0u8; length];
    let mut at = 0;
    while at < length {
        let from = address.checked_add(at as u64)?;
        let end = (at + 4096 - (from % 4096) as usize).min(length);
        match raw::read_memory(tid, from, &mut all[at..end]) {
            0 => return None,
            got => at += got,
        }
    }
    Some(all)
}

/// A word of memory.
pub fn word(tid: i32, address: u64) -> Option<u64> {
    let mut bytes = [0u8; 8];
    (raw::read_memory(tid, address, &mut bytes) == 8).then(|| u64::from_ne_bytes(bytes))
}

/// The strings of an argument vector.
pub fn strings(tid: i32, address: u64) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut size = 0usize;
    for i in 0..MOST_ARGUMENTS as u64 {
        match word(tid, address.checked_add(i * 8)?)? {
            0 => return Some(all),
            at => {
                let text = string(tid, at)?;
                size += text.len();
                if size > 8 << 20 {
                    return None;
                }
                all.push(text);
            }
        }
    }
    None
}

fn proc_link(path: &str) -> Option<Vec<u8>> {
    rustix::fs::readlink(path, Vec::new()).ok().map(std::ffi::CString::into_bytes)
}

/// The working directory.
pub fn directory(tid: i32) -> Option<Vec<u8>> {
    proc_link(&format!("/proc/{tid}/cwd"))
}

/// Where a descriptor leads: a path, or something like `pipe:[123]`.
pub fn descriptor(tid: i32, fd: i32) -> Option<Vec<u8>> {
    proc_link(&format!("/proc/{tid}/fd/{fd}"))
}

/// The kernel's own name for an open file, by which it can be looked at even if it has no name left.
pub fn descriptor_path(tid: i32, fd: i32) -> Vec<u8> {
    format!("/proc/{tid}/fd/{fd}").into_bytes()
}

/// What an open descriptor leads to.
pub fn descriptor_identity(tid: i32, fd: i32) -> Option<Identity> {
    rustix::fs::stat(format!("/proc/{tid}/fd/{fd}")).ok().map(|s| crate::eye::identity_of(&s))
}

/// The real path of the program that a process is.
pub fn program(tid: i32) -> Option<Vec<u8>> {
    proc_link(&format!("/proc/{tid}/exe"))
}

/// The files that are mapped: right after `execve`, the program and the dynamic linker.
pub fn mapped(tid: i32) -> Vec<Vec<u8>> {
    let Ok(maps) = std::fs::read(format!("/proc/{tid}/maps")) else { return Vec::new() };
    let mut files: Vec<Vec<u8>> = Vec::new();
    for line in maps.split(|b| *b == b'\n') {
        if let Some(at) = line.iter().position(|b| *b == b'/')
            && !files.iter().any(|f| f[..] == line[at..])
        {
            files.push(line[at..].to_vec());
        }
    }
    files
}

/// The interpreter that a script's first line names.
pub fn interpreter(path: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(std::path::Path::new(std::ffi::OsStr::from_bytes(path))).ok()?;
    let mut head = Vec::new();
    // The kernel looks at 256 bytes (BINPRM_BUF_SIZE).
    file.take(256).read_to_end(&mut head).ok()?;
    let rest = head.strip_prefix(b"#!")?;
    let line = rest.split(|b| *b == b'\n').next()?.trim_ascii_start();
    let name = line.split(|b| *b == b' ' || *b == b'\t').next()?;
    name.starts_with(b"/").then(|| name.to_vec())
}
