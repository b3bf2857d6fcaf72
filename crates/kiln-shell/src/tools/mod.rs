//! Small standard programs done in process, where a command uses them plainly.
//!
//! A program here either does exactly what GNU coreutils (or diffutils, grep) does and says
//! nothing, or leaves the whole command to the real program, which then also words the error. That
//! is safe because each has either changed nothing by then or can be done over: `rm -f` of what is
//! gone, `mkdir -p` of what is there.

mod copy;
mod make;
mod read;

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Stat};

use crate::run::{Flow, Shell, Stop};

/// How much a tool reads into memory or copies while the scheduler waits, in bytes. More is the
/// real program's work.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Does a command in process. `None`: the real program has to run.
pub(crate) fn run(shell: &Shell, path: &[u8], argv: &[Vec<u8>]) -> Flow<Option<i32>> {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let known: [&[u8]; 12] = [
        b"cat", b"cmp", b"cp", b"echo", b"false", b"grep", b"ln", b"mkdir", b"mv", b"rm", b"touch",
        b"true",
    ];
    if !known.contains(&name)
        || (argv[0] != name && argv[0] != path)
        // It changes where options end.
        || shell.vars.get(b"POSIXLY_CORRECT").is_some()
        || !shell.host.is_standard(name, path)
    {
        return Ok(None);
    }
    match (name, &argv[1..]) {
        (b"true", []) => return Ok(Some(0)),
        (b"false", []) => return Ok(Some(1)),
        // The program, unlike the shell's own, takes a backslash as it is.
        (b"echo", words) if !words.first().is_some_and(|word| word.starts_with(b"-")) => {
            let mut text = words.join(&b' ');
            text.push(b'\n');
            return print(shell, &argv[0], &text).map(Some);
        }
        _ => {}
    }
    let Some((options, operands)) = arguments(argv) else { return Ok(None) };
    let dir = &shell.dir.fd;
    Ok(match name {
        b"rm" => make::rm(dir, &options, operands),
        b"mkdir" => make::mkdir(dir, &options, operands),
        b"touch" => make::touch(dir, &options, operands),
        b"cp" => copy::cp(dir, &options, operands),
        b"mv" => copy::mv(dir, &options, operands),
        b"ln" => copy::ln(dir, &options, operands),
        b"cmp" => read::cmp(dir, &options, operands),
        b"grep" => read::grep(dir, &options, operands),
        b"cat" => match read::cat(shell, &options, operands) {
            None => None,
            Some(text) => Some(print(shell, &argv[0], &text)?),
        },
        _ => None,
    })
}

/// A program's output and its status.
fn print(shell: &Shell, name: &[u8], text: &[u8]) -> Flow<i32> {
    match shell.put(1, text) {
        Ok(Ok(())) => Ok(0),
        Ok(Err(error)) => {
            let why = crate::message::error(error.raw_os_error().unwrap_or(0));
            let message = [name, b": write error: ", why.as_bytes(), b"\n"].concat();
            let _ = shell.put(2, &message)?;
            Ok(1)
        }
        // The signal ends the program, not the shell.
        Err(Stop::Signal(signal)) => Ok(128 + signal),
        Err(stop) => Err(stop),
    }
}

/// Leading single letters and the operands behind them. `None` where anything else looks like an
/// option: GNU programs take options in any place.
fn arguments(argv: &[Vec<u8>]) -> Option<(Vec<u8>, &[Vec<u8>])> {
    let mut options = Vec::new();
    let mut rest = &argv[1..];
    while let Some(first) = rest.first() {
        match first.strip_prefix(b"-") {
            Some(letters) if !letters.is_empty() => {
                if !letters.iter().all(u8::is_ascii_alphabetic) {
                    return None;
                }
                for letter in letters {
                    if !options.contains(letter) {
                        options.push(*letter);
                    }
                }
                rest = &rest[1..];
            }
            _ => break,
        }
    }
    options.sort_unstable();
    let plain = |operand: &Vec<u8>| !operand.is_empty() && operand[0] != b'-';
    (!rest.is_empty() && rest.iter().all(plain)).then_some((options, rest))
}

fn lstat(dir: &OwnedFd, path: &[u8]) -> rustix::io::Result<Stat> {
    rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW)
}

fn stat(dir: &OwnedFd, path: &[u8]) -> rustix::io::Result<Stat> {
    rustix::fs::statat(dir, path, AtFlags::empty())
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// A path for functions that know no directory descriptors.
fn absolute(dir: &OwnedFd, path: &[u8]) -> Vec<u8> {
    if path.first() == Some(&b'/') {
        return path.to_vec();
    }
    let mut whole = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    whole.extend_from_slice(path);
    whole
}
