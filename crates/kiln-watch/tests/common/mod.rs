//! What the tests share: a throw-away directory, and a small asker that does with answers what Kiln
//! does: looks whether one is kept and stands, else runs the command watched and keeps it.
#![allow(dead_code, clippy::print_stderr)] // each test file uses its part; a skip is said

pub mod recipe;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kiln_watch::{
    Answer, Checker, Command, Eye, Found, Identity, Opaque, Question, RealEye, Sink, Source, Store,
    Surroundings, Watched, watch,
};

/// A directory that goes away with the value.
pub struct Temp(pub PathBuf);

impl Temp {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kiln-watch.{}.{n}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Temp(path.canonicalize().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A shell script that can be run.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        // Renamed into place: a file that another thread's child still holds open for writing cannot
        // be run.
        let new = self.write(&format!("{name}.new"), &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        let path = self.path(name);
        fs::rename(new, &path).unwrap();
        path
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

pub fn env(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
}

/// The path on which the system's own tools are.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

pub fn shell(text: &str, dir: &Path, env: Vec<(Vec<u8>, Vec<u8>)>) -> Command {
    let argv: Vec<Vec<u8>> = vec![b"/bin/sh".to_vec(), b"-c".to_vec(), text.as_bytes().to_vec()];
    Command {
        program: argv[0].clone(),
        argv,
        env,
        dir: bytes(dir),
        stdin: Source::Null,
        stdout: Sink::Kept,
        stderr: Sink::Kept,
    }
}

/// Watches a shell line in a directory with the system's tools.
pub fn run(text: &str, dir: &Path) -> Watched {
    watch(shell(text, dir, env(&[("PATH", PATH)]))).unwrap()
}

/// Whether this system lets its processes be watched; where it does not, tests that need it say so.
pub fn can_watch() -> bool {
    let temp = Temp::new();
    match run(":", &temp.0).seen {
        Err(Opaque { why: kiln_watch::Why::Refused, what }) => {
            eprintln!(
                "skipped: this system allows no watching ({})",
                String::from_utf8_lossy(&what)
            );
            false
        }
        _ => true,
    }
}

/// How an answer came.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub enum Came {
    /// The command ran.
    Fresh,
    /// It was kept.
    Kept,
}

/// Asks as Kiln does.
pub struct Asker {
    pub store: Store,
    pub dir: PathBuf,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    around: Surroundings,
    pub streams: &'static [u8],
    pub opaque: Option<Opaque>,
}

impl Asker {
    pub fn new(store: &Path, dir: &Path) -> Self {
        Asker {
            store: Store::open(store, 16 << 20),
            dir: dir.to_path_buf(),
            env: env(&[("PATH", PATH)]),
            around: Surroundings::now(),
            streams: b"null kept kept",
            opaque: None,
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(n, _)| n != name.as_bytes());
        self.env.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }

    pub fn ask(&mut self, text: &str) -> (String, Came) {
        self.ask_with(text, &RealEye)
    }

    pub fn ask_with(&mut self, text: &str, eye: &dyn Eye) -> (String, Came) {
        let command = shell(text, &self.dir, self.env.clone());
        let question = Question {
            purpose: b"command",
            argv: &command.argv,
            dir: &command.dir,
            env: &command.env,
            streams: self.streams,
            version: b"test",
        };
        let query = question.query(&self.around);
        let label = question.label();
        let mut checker = Checker::new(eye);
        self.store.forget_checks();
        if let Found::Stands(answer) = self.store.get(&query, &mut checker) {
            return (String::from_utf8_lossy(&answer.stdout).into_owned(), Came::Kept);
        }
        let watched = watch(command).unwrap();
        let stdout = String::from_utf8_lossy(&watched.stdout).into_owned();
        self.opaque = None;
        match watched.seen {
            Ok(seen) => {
                let status = std::os::unix::process::ExitStatusExt::into_raw(watched.status);
                let (stdout, stderr) = (watched.stdout, watched.stderr);
                self.store.put(&query, Answer { label, status, stdout, stderr, seen });
            }
            Err(opaque) => {
                self.opaque = Some(opaque.clone());
                self.store.put_opaque(query.key, label, opaque);
            }
        }
        // What is kept goes to disk and back, so that every test is one of the format too.
        self.store.save().unwrap();
        (stdout, Came::Fresh)
    }

    /// Asks twice: the first answer must be fresh, the second the same and kept.
    #[track_caller]
    pub fn learn(&mut self, text: &str) -> String {
        let (first, came) = self.ask(text);
        assert_eq!(came, Came::Fresh, "{text}");
        assert_eq!(self.opaque, None, "{text}");
        assert_eq!(self.ask(text), (first.clone(), Came::Kept), "{text}");
        first
    }

    /// Asks once: the answer must be fresh.
    #[track_caller]
    pub fn fresh(&mut self, text: &str) -> String {
        let (answer, came) = self.ask(text);
        assert_eq!(came, Came::Fresh, "{text}");
        answer
    }
}

/// A store and a directory to work in; nothing where no process may be watched.
pub fn place() -> Option<(Temp, Asker)> {
    if !can_watch() {
        return None;
    }
    let temp = Temp::new();
    fs::create_dir(temp.path("work")).unwrap();
    let asker = Asker::new(&temp.path("store"), &temp.path("work"));
    Some((temp, asker))
}

/// [`place()`], or the end of the test.
#[allow(unused_macros)]
macro_rules! place {
    () => {
        match common::place() {
            Some(place) => place,
            None => return,
        }
    };
}

/// Looks at real files, but has stamps of its own for them, and a clock that is ahead by nanoseconds.
pub struct Stamped<F>(pub F, pub i64);

impl<F: Fn(&[u8], bool) -> Result<Identity, i32> + Send + Sync> Eye for Stamped<F> {
    fn identity(&self, path: &[u8], follow: bool) -> Result<Identity, i32> {
        (self.0)(path, follow)
    }
    fn contents(&self, path: &[u8]) -> Result<u128, i32> {
        RealEye.contents(path)
    }
    fn names(&self, path: &[u8]) -> Result<u128, i32> {
        RealEye.names(path)
    }
    fn link(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        RealEye.link(path)
    }
    fn real(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        RealEye.real(path)
    }
    fn access(&self, path: &[u8], mode: u8) -> i32 {
        RealEye.access(path, mode)
    }
    fn now(&self) -> i64 {
        RealEye.now() + self.1
    }
}
