//! A throw-away directory and a host for tests: commands run in a real shell, what is printed is kept.

pub mod cases;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_base::{RealSys, Sys};
use kiln_make::{Host, Make, Options, Origin, ShellCall, ShellResult, Stream};

/// A directory that is removed in the end.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kiln-make-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path.canonicalize().unwrap())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct TestHost {
    dir: PathBuf,
    said: Rc<RefCell<Vec<u8>>>,
}

impl Host for TestHost {
    fn shell(&mut self, call: ShellCall<'_>) -> ShellResult {
        let out = Command::new(OsStr::from_bytes(call.shell))
            .arg(OsStr::from_bytes(call.flags))
            .arg(OsStr::from_bytes(call.command))
            .env_clear()
            .envs(call.env.iter().map(|(n, v)| (OsStr::from_bytes(n), OsStr::from_bytes(v))))
            .current_dir(&self.dir)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        ShellResult { output: out.stdout, status: out.status.code().unwrap_or(127) }
    }

    fn print(&mut self, _to: Stream, text: &[u8]) {
        self.said.borrow_mut().extend_from_slice(text);
    }
}

/// The environment that tests run in.
pub fn environment() -> Vec<(Vec<u8>, Vec<u8>)> {
    [
        ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
        ("HOME", "/root"),
        ("LC_ALL", "C"),
        ("FROMENV", "e$(x)"),
    ]
    .iter()
    .map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
    .collect()
}

/// An instance in `dir`, ready to read makefiles, and what it says.
pub fn instance(dir: &Path, opts: Options) -> (Make, Rc<RefCell<Vec<u8>>>) {
    let said = Rc::new(RefCell::new(Vec::new()));
    let host = TestHost { dir: dir.to_owned(), said: Rc::clone(&said) };
    let here = RealSys::current().unwrap();
    let sys: Arc<dyn Sys> = Arc::from(here.at(dir.as_os_str().as_bytes()).unwrap());
    let path = sys.dir().to_vec();
    let mut make = Make::new(sys, Box::new(host), opts, b"make".to_vec(), 0);
    make.define_special_variables();
    make.import_environment(&environment());
    make.define(b"MAKE_COMMAND", b"make", Origin::Default, false);
    make.define(b"MAKE", b"$(MAKE_COMMAND)", Origin::Default, true);
    make.define(b"CURDIR", &path, Origin::File, false);
    make.construct_include_path();
    make.install_builtin_rules();
    make.define_builtin_variables();
    (make, said)
}

/// Reads `makefile` and returns everything that make says, an error that ends it included.
pub fn read(makefile: &str) -> String {
    let dir = TempDir::new();
    std::fs::write(dir.0.join("Makefile"), makefile).unwrap();
    let (mut make, said) = instance(&dir.0, Options::default());
    let done = make.read_all_makefiles().and_then(|()| make.snap_deps());
    if let Err(e) = done {
        let mut line = make.prefix(e.loc);
        line.extend_from_slice(b"*** ");
        line.extend_from_slice(&e.text);
        line.extend_from_slice(b".  Stop.\n");
        said.borrow_mut().extend_from_slice(&line);
    }
    let text = String::from_utf8_lossy(&said.borrow()).into_owned();
    text.replace(dir.0.to_str().unwrap(), "DIR")
}
