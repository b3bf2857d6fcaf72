//! What the fuzz targets share: a system without a disk, a host that answers every command alike, and
//! a world in memory for the kernel's tools.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

#[path = "../../crates/kiln-modtools/tests/common/mod.rs"]
pub mod common;

use kiln_base::{FileKind, Stat, Sys, Time};
use kiln_make::{Host, Make, Options, Origin, ShellCall, ShellResult, Stream};

/// Steps and bytes that one input may cost. The product of two texts of that length still fits into
/// memory.
pub const FUEL: u64 = 20_000;

/// The parts of an input, divided by NUL bytes: `Makefile`, `inc1`, `inc2` and so on.
struct Parts(Vec<Vec<u8>>);

fn missing<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(2))
}

impl Parts {
    fn find(&self, path: &[u8]) -> io::Result<&Vec<u8>> {
        let i = match path.strip_prefix(b"inc") {
            Some(n) => std::str::from_utf8(n).ok().and_then(|n| n.parse().ok()),
            None => (path == b"Makefile").then_some(0usize),
        };
        i.and_then(|i| self.0.get(i)).map_or_else(missing, Ok)
    }
}

impl Sys for Parts {
    fn dir(&self) -> &[u8] {
        b"/fuzz"
    }
    fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    fn at(&self, _dir: &[u8]) -> io::Result<Box<dyn Sys>> {
        missing()
    }
    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        let (kind, size) = match path {
            b"." | b"/fuzz" => (FileKind::Dir, 0),
            _ => (FileKind::File, self.find(path)?.len() as u64),
        };
        Ok(Stat { kind, mtime: Time(0), size, id: (0, size), mode: 0o644 })
    }
    fn lstat(&self, path: &[u8]) -> io::Result<Stat> {
        self.stat(path)
    }
    fn readlink(&self, _path: &[u8]) -> io::Result<Vec<u8>> {
        missing()
    }
    fn realpath(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.stat(path).map(|_| [b"/fuzz/", path].concat())
    }
    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.find(path).cloned()
    }
    fn write(&self, _path: &[u8], _bytes: &[u8], _append: bool) -> io::Result<()> {
        Ok(())
    }
    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        if path != b"." {
            return missing();
        }
        Ok(vec![b"Makefile".to_vec(), b"inc1".to_vec(), b".hidden".to_vec(), b"a.c".to_vec()])
    }
    fn unlink(&self, _path: &[u8]) -> io::Result<()> {
        missing()
    }
    fn touch(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn now(&self) -> Time {
        Time(0)
    }
}

struct Answers;

impl Host for Answers {
    fn shell(&mut self, call: ShellCall<'_>) -> ShellResult {
        ShellResult { output: [call.command, b"\nx\r\n\n"].concat(), status: 0 }
    }
    fn print(&mut self, _to: Stream, _text: &[u8]) {}
}

/// An instance that sees nothing but the parts of `data`.
pub fn instance(data: &[u8]) -> Make {
    let parts = data.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
    let sys = Arc::new(Parts(parts));
    // Built-in rules cost more than a small makefile: few inputs have them.
    let mut opts = Options::default();
    opts.no_builtin_rules = data.len() % 16 != 0;
    opts.no_builtin_variables = opts.no_builtin_rules;
    let mut make = Make::new(sys, Box::new(Answers), opts, b"make".to_vec(), 0);
    make.fuel = Some(FUEL);
    make.max_depth = 400;
    make.define_special_variables();
    let env = [("HOME", "/h"), ("V", "$(W)"), ("SHELL", "/bin/x")];
    let env = env.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
    make.import_environment(&env);
    make.define(b"MAKE", b"make", Origin::Default, true);
    make.construct_include_path();
    make.install_builtin_rules();
    make.define_builtin_variables();
    make
}
