//! `cd`: the logical working directory, kept as a descriptor instead of the process's own.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use kiln_base::physical::path_of;
use rustix::fs::{Access, AtFlags, Mode, OFlags};

use super::Ended;
use crate::host::Dir;
use crate::run::Shell;
use crate::vars::Vars;

impl Shell {
    pub(super) fn cd(&mut self, arguments: &[Vec<u8>], output: &mut Vec<u8>) -> Ended {
        let mut physical = false;
        let mut rest = arguments;
        while let Some((option, others)) = rest.split_first() {
            if option.len() < 2 || option[0] != b'-' {
                break;
            }
            rest = others;
            if option == b"--" {
                break;
            }
            for letter in &option[1..] {
                match letter {
                    b'L' => physical = false,
                    b'P' => physical = true,
                    other => return Err([b"Illegal option -", &[*other][..]].concat()),
                }
            }
        }
        let mut print = false;
        let mut wanted = match rest.first() {
            None => self.vars.get(b"HOME").unwrap_or_default().to_vec(),
            Some(text) if text == b"-" => {
                print = true;
                self.vars.get(b"OLDPWD").unwrap_or_default().to_vec()
            }
            Some(text) => text.clone(),
        };
        let shown = wanted.clone();
        if wanted.is_empty() {
            wanted.push(b'.');
        }
        let logical = logical_path(&self.dir.path, &wanted);
        let opened = enter(&self.dir.fd, if physical { &wanted } else { &logical });
        let Some(fd) = opened else {
            let shown = if shown.is_empty() { wanted } else { shown };
            return Err([b"can't cd to ", shown.as_slice()].concat());
        };
        let path = if physical { path_of(fd.as_fd()).unwrap_or_default() } else { logical };
        self.vars.set_exported(b"OLDPWD", &self.dir.path.clone());
        self.vars.set_exported(b"PWD", &path);
        self.dir = Arc::new(Dir { fd, path });
        if print {
            output.extend_from_slice(&self.dir.path);
            output.push(b'\n');
        }
        Ok(0)
    }
}

/// A directory as `chdir` would accept it.
fn enter(dir: &OwnedFd, path: &[u8]) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let fd = crate::redir::open(dir, path, flags, Mode::empty()).ok()?;
    // An O_PATH descriptor does not ask for the right to search the directory.
    rustix::fs::accessat(&fd, c".", Access::EXEC_OK, AtFlags::EACCESS).ok()?;
    Some(fd)
}

/// The path after a change from one directory to another, with dots and doubled slashes taken out
/// and `..` taken back by name.
fn logical_path(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut root: &[u8] = b"/";
    let absolute = to.first() == Some(&b'/');
    // POSIX leaves exactly two slashes at the start to the system; dash keeps them.
    let base = if absolute { to } else { from };
    if base.starts_with(b"//") && base.get(2) != Some(&b'/') {
        root = b"//";
    }
    let whole: [&[u8]; 2] = if absolute { [b"", to] } else { [from, to] };
    for part in whole.iter().flat_map(|path| path.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut path = root.to_vec();
    path.extend(parts.join(&b"/"[..]));
    path
}

/// The directory under the name that dash would give it at its start: `PWD` from the environment
/// where that names the directory, else the real path.
pub(crate) fn starting_dir(vars: &Vars, dir: Arc<Dir>) -> Arc<Dir> {
    let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    let here = rustix::fs::statat(&dir.fd, c".", AtFlags::empty()).map(identity);
    let mut path = path_of(dir.fd.as_fd()).unwrap_or_else(|_| dir.path.clone());
    if let Some(claimed) = vars.get(b"PWD").filter(|claimed| claimed.first() == Some(&b'/')) {
        let there = rustix::fs::statat(&dir.fd, claimed, AtFlags::empty()).map(identity);
        if here.is_ok() && here == there {
            path = claimed.to_vec();
        }
    }
    if path == dir.path {
        return dir;
    }
    match dir.fd.try_clone() {
        Ok(fd) => Arc::new(Dir { fd, path }),
        Err(_) => dir,
    }
}

#[cfg(test)]
mod tests {
    use super::logical_path;

    #[test]
    fn paths_are_joined_by_name() {
        let cases: [(&str, &str, &str); 8] = [
            ("/a/b", "c", "/a/b/c"),
            ("/a/b", "..", "/a"),
            ("/a/b", "../../..", "/"),
            ("/", "x", "/x"),
            ("/a", "/c//d/./e", "/c/d/e"),
            ("/a", "//x", "//x"),
            ("/a", "///x", "/x"),
            ("/a", ".", "/a"),
        ];
        for (from, to, expected) in cases {
            let got = logical_path(from.as_bytes(), to.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), expected, "{from} {to}");
        }
    }
}
