//! The kernel's small host programs done in the process, where that was seen to be the same.
//!
//! The first time that a tree's program is met, it runs, and then Kiln's own does the same work into
//! memory: exit status, both outputs and every file have to be equal. From then on Kiln's own is used
//! for that very program (its file, by size and time), or never. A program that cannot run on this
//! machine at all, because it is for another one or wants a newer C library, leaves nothing to compare
//! with: Kiln's own is used, and that is said once. `KILN_SLOW=fixdep,modpost` switches this off.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kiln_exec::hooks::Env;
use kiln_exec::{Ended, Native, Sink, program};
use kiln_make::Stream;
use kiln_modtools::Host;
use xxhash_rust::xxh3::xxh3_128;

use crate::Slow;
use crate::btfids;
use crate::toolhost::ToolHost;

/// The programs that are taken over, by the end of their path.
const TAKEN: [(&str, &[u8]); 3] = [
    ("fixdep", b"scripts/basic/fixdep"),
    ("modpost", b"scripts/mod/modpost"),
    ("resolve_btfids", b"tools/bpf/resolve_btfids/resolve_btfids"),
];

/// Programs that read what another writes: these are Kiln's own as processes, and only where the
/// tree's cannot run.
const PIPED: [(&str, &[u8]); 1] = [("genksyms", b"scripts/genksyms/genksyms")];

/// Where it is kept which programs were met.
const FILE: &str = "met-1";

/// What came of meeting a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Kiln's own gave something else.
    Differs,
    /// Kiln's own gave the same.
    Same,
    /// It cannot run here.
    CannotRun,
}

/// What is known of the trees' programs.
pub struct Tools {
    /// The names that are taken over.
    on: Vec<&'static str>,
    /// The cache directory, if there is one.
    dir: Option<PathBuf>,
    /// By identity.
    met: Mutex<Option<HashMap<u128, Met>>>,
    /// A person reads what is written to standard error.
    explain: bool,
}

impl Tools {
    /// With verdicts kept in `dir`.
    #[must_use]
    pub fn new(dir: Option<PathBuf>, slow: &Slow, explain: bool) -> Self {
        let known = TAKEN.iter().chain(&PIPED);
        let on = known.map(|(n, _)| *n).filter(|n| !slow.has(n)).collect();
        Tools { on, dir, met: Mutex::new(None), explain }
    }

    fn verdict(&self, identity: u128) -> Option<Met> {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let met = met.get_or_insert_with(|| self.dir.as_deref().map(read).unwrap_or_default());
        met.get(&identity).copied()
    }

    fn keep(&self, identity: u128, what: Met) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.get_or_insert_with(HashMap::new).insert(identity, what);
        // Where nothing can be kept, both run again the next time.
        if let Some(dir) = &self.dir
            && fs::create_dir_all(dir).is_ok()
            && let Ok(mut file) = File::options().create(true).append(true).open(dir.join(FILE))
        {
            let _ = file.write_all(format!("{identity:032x} {}\n", what as u8).as_bytes());
        }
    }

    /// Keeps that a program cannot run here, and says it: the first time and to people only.
    fn cannot_run(&self, identity: u128, program: &[u8], why: &str, sink: &Sink) {
        self.keep(identity, Met::CannotRun);
        if self.explain {
            let path = String::from_utf8_lossy(program);
            let said = format!(
                "kiln: the tree's own {path} cannot run here ({why}); Kiln's own does its work\n"
            );
            let _ = sink.write(Stream::Err, said.as_bytes());
        }
    }

    /// Runs both and compares. What the caller gets is the tree's own doing.
    fn meet(
        &self,
        identity: u128,
        tool: kiln_modtools::Main,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        sink: &Sink,
    ) -> Option<Ended> {
        let os = |b: &[u8]| OsString::from_vec(b.to_vec());
        let words: Vec<OsString> = argv.iter().map(|w| os(w)).collect();
        let env_os: Vec<_> = env.iter().map(|(n, v)| (os(n), os(v))).collect();
        let at = PathBuf::from(os(dir));
        let ran = program::run(&words, program::Environment::Only(&env_os), &at, None);
        let theirs = match why_not_runnable(&ran) {
            Some(why) => {
                self.cannot_run(identity, &argv[0], &why, sink);
                return inside(tool, argv, env, dir, sink);
            }
            None => ran.ok()?,
        };
        let mut ours = Memory { real: ToolHost::new(at, env.clone()), written: Vec::new() };
        let status = tool(&argv[1..], &mut ours);
        let files = ours
            .written
            .iter()
            .all(|(path, bytes)| ours.real.read(path).is_ok_and(|found| found == *bytes));
        let same = files
            && theirs.status == Some(status)
            && theirs.stdout == ours.real.out
            && theirs.stderr == ours.real.err;
        if status != btfids::DECLINED {
            self.keep(identity, if same { Met::Same } else { Met::Differs });
        }
        if !sink.write_whole(&theirs.stdout) {
            return None;
        }
        let _ = sink.write(Stream::Err, &theirs.stderr);
        Some(theirs.status.map_or(Ended::Signal(9, false), Ended::Exit))
    }
}

impl Native for Tools {
    fn takes(&self, argv: &[Vec<u8>]) -> bool {
        argv.first().is_some_and(|p| TAKEN.iter().chain(&PIPED).any(|(_, end)| p.ends_with(end)))
    }

    fn run(&self, argv: &[Vec<u8>], env: &Env, dir: &[u8], sink: &Sink) -> Option<Ended> {
        let program = argv.first()?;
        let (name, _) = TAKEN.iter().find(|(_, end)| program.ends_with(end))?;
        // Standard input is not ours to read.
        if !self.on.contains(name) || argv[1..].iter().any(|a| a == b"-") {
            return None;
        }
        let tool = find(name)?;
        let at = Path::new(std::ffi::OsStr::from_bytes(dir));
        let identity = identity(&at.join(std::ffi::OsStr::from_bytes(program)), name)?;
        match self.verdict(identity) {
            None => self.meet(identity, tool, argv, env, dir, sink),
            Some(Met::Differs) => None,
            Some(Met::Same | Met::CannotRun) => inside(tool, argv, env, dir, sink),
        }
    }

    fn instead(&self, program: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>> {
        let known = &mut TAKEN.iter().chain(&PIPED);
        let (name, _) = known.find(|(_, end)| program.ends_with(end))?;
        if !self.on.contains(name) {
            return None;
        }
        let at = Path::new(std::ffi::OsStr::from_bytes(dir));
        let file = at.join(std::ffi::OsStr::from_bytes(program));
        let identity = identity(&file, name)?;
        let cannot = match self.verdict(identity) {
            Some(met) => met == Met::CannotRun,
            // Another machine's program is tried, since the system may have an emulator for it; one
            // that wants another C library shows itself only so too. Without arguments they do nothing.
            None => {
                let words = [file.into_os_string()];
                let ran = program::run(&words, program::Environment::And(&[]), at, None);
                let why = why_not_runnable(&ran);
                if let Some(why) = &why {
                    self.cannot_run(identity, program, why, &Sink::default());
                }
                why.is_some()
            }
        };
        let own = cannot.then(crate::command::tool_command)??;
        Some(vec![own.into_os_string().into_vec(), b"tool".to_vec(), name.as_bytes().to_vec()])
    }

    fn names(&self) -> Vec<&'static [u8]> {
        let known = TAKEN.iter().chain(&PIPED);
        known.filter(|(n, _)| self.on.contains(n)).map(|(_, end)| *end).collect()
    }
}

/// What does a tool's work: `kiln tool NAME` too.
#[must_use]
pub fn find(name: &str) -> Option<kiln_modtools::Main> {
    match name {
        "resolve_btfids" => Some(btfids::main),
        _ => kiln_modtools::find(name.as_bytes()),
    }
}

/// Does the work in the process.
fn inside(
    tool: kiln_modtools::Main,
    argv: &[Vec<u8>],
    env: &Env,
    dir: &[u8],
    sink: &Sink,
) -> Option<Ended> {
    let at = PathBuf::from(OsString::from_vec(dir.to_vec()));
    let mut host = ToolHost::new(at, env.clone());
    let status = tool(&argv[1..], &mut host);
    if status == btfids::DECLINED {
        return None;
    }
    // Where the disk is full, the tree's own program says so in its own way.
    if host.failed || !sink.write_whole(&host.out) {
        return None;
    }
    let _ = sink.write(Stream::Err, &host.err);
    Some(Ended::Exit(status))
}

/// Why a program cannot run on this machine, if that is what came of starting it: the system does
/// not know its format (another machine's), its loader is not there, or the loader (ld.so, exit
/// status 1 or 127) finds the C library too old or a library missing.
fn why_not_runnable(ran: &io::Result<program::Ran>) -> Option<String> {
    match ran {
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            Some("Exec format error".to_owned())
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some("its loader is not here".to_owned()),
        Err(_) => None,
        Ok(ran) => {
            if !matches!(ran.status, Some(1 | 127)) || !ran.stdout.is_empty() {
                return None;
            }
            let said = String::from_utf8_lossy(&ran.stderr);
            let first = said.lines().next()?;
            let loader = first.contains("not found (required by ")
                || first.contains("error while loading shared libraries: ");
            loader.then(|| first.rsplit(": ").next().unwrap_or(first).to_owned())
        }
    }
}

/// What a program is: its file, and those beside it that begin with its name, because a
/// distribution may put a chooser in front of several.
fn identity(program: &Path, name: &str) -> Option<u128> {
    let program = program.canonicalize().ok()?;
    let mut names: Vec<_> = fs::read_dir(program.parent()?)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.file_name().is_some_and(|n| n.as_bytes().starts_with(name.as_bytes())))
        .collect();
    names.sort();
    let mut text = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
    for path in names {
        let m = fs::metadata(&path).ok()?;
        text.extend_from_slice(path.as_os_str().as_bytes());
        for n in [m.ino(), m.size(), m.mtime() as u64, m.mtime_nsec() as u64, m.ctime() as u64] {
            text.extend_from_slice(&n.to_le_bytes());
        }
    }
    Some(xxh3_128(&text))
}

fn read(dir: &Path) -> HashMap<u128, Met> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    let line = |l: &str| {
        let (identity, what) = l.split_once(' ')?;
        let what = match what {
            "1" => Met::Same,
            "2" => Met::CannotRun,
            _ => Met::Differs,
        };
        Some((u128::from_str_radix(identity, 16).ok()?, what))
    };
    text.lines().filter_map(line).collect()
}

/// The real files for reading; what is written stays in memory.
struct Memory {
    real: ToolHost,
    written: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Host for Memory {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.real.read(path)
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        self.written.push((path.to_vec(), bytes.to_vec()));
        Ok(())
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.real.stdout(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.real.stderr(bytes);
    }

    fn env(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.real.env(name)
    }
}
