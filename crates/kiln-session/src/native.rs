//! The kernel's small host programs done in the process, where that was seen to be the same.
//!
//! The first time that a tree's program is met, Kiln's own does its work into memory, and then the
//! tree's own runs: exit status, both outputs and every file have to be equal. From then on Kiln's own
//! is used for that very program (its file, by size and time), or never; then a person is told once,
//! with a report to send. A program that cannot run on this machine at all, because it is for another
//! one or wants a newer C library, leaves nothing to compare with: Kiln's own is used, and that is said
//! once. `KILN_SLOW=fixdep,modpost,genksyms,gendwarfksyms,sign-file,resolve_btfids,helpers` switches
//! this off, `KILN_SLOW=scans` only what is kept of headers from build to build.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_exec::hooks::Env;
use kiln_exec::{Ended, Native, Sink, program};
use kiln_make::Stream;
use kiln_modtools::fixdep;

use crate::Slow;
use crate::btfids;
use crate::toolhost::ToolHost;
use ahead::Exports;
use difference::Memory;
use scans::Scans;
use verdicts::{Verdict, Verdicts};

pub(crate) mod ahead;
mod difference;
mod scans;
mod steps;
mod verdicts;

/// The programs that are taken over, by the end of their path.
const TAKEN: [(&str, &[u8]); 6] = [
    ("fixdep", b"scripts/basic/fixdep"),
    ("modpost", b"scripts/mod/modpost"),
    ("genksyms", b"scripts/genksyms/genksyms"),
    ("gendwarfksyms", b"scripts/gendwarfksyms/gendwarfksyms"),
    ("sign-file", b"scripts/sign-file"),
    ("resolve_btfids", b"tools/bpf/resolve_btfids/resolve_btfids"),
];

/// The option of `kiln tool` that names the tree's own program, which cannot run here.
pub const INSTEAD_OF: &[u8] = b"--instead-of";

/// What is known of the trees' programs.
pub struct Tools {
    /// The names that are taken over.
    on: Vec<&'static str>,
    verdicts: Arc<Verdicts>,
    scans: Scans,
    exports: Arc<Exports>,
    /// A person reads what is written to standard error.
    explain: bool,
}

/// A command in the place of a tree's program.
struct Call<'a> {
    name: &'static str,
    argv: &'a [Vec<u8>],
    env: &'a Env,
    dir: &'a [u8],
    sink: &'a Sink,
    input: &'a [u8],
}

fn taken(argv: &[Vec<u8>]) -> Option<&'static str> {
    taken_program(argv.first()?)
}

fn taken_program(program: &[u8]) -> Option<&'static str> {
    TAKEN.iter().find(|(_, end)| program.ends_with(end)).map(|(name, _)| *name)
}

/// What does a tool's work: `kiln tool NAME` too.
#[must_use]
pub fn find(name: &str) -> Option<kiln_modtools::Main> {
    match name {
        "resolve_btfids" => Some(btfids::main),
        _ => kiln_modtools::find(name.as_bytes()),
    }
}

impl Tools {
    /// With verdicts kept in `dir`; `explain` if a person reads what is written to standard error.
    #[must_use]
    pub fn new(dir: Option<PathBuf>, slow: &Slow, explain: bool) -> Self {
        let names = TAKEN.iter().map(|(n, _)| *n).chain([steps::SLOW]);
        let on = names.filter(|n| !slow.has(n)).collect();
        let scans = Scans::new(dir.clone().filter(|_| !slow.has("scans")));
        let verdicts = Arc::new(Verdicts::new(dir));
        Tools { on, verdicts, scans, exports: Arc::default(), explain }
    }

    /// Keeps what was learned. A cache that cannot be written is no error of the build.
    pub fn save(&self) {
        self.scans.save();
    }

    /// Does a program's work, or lets it run, or declines.
    fn work(&self, call: &Call<'_>) -> Option<Ended> {
        let tool = find(call.name)?;
        let at = PathBuf::from(OsString::from_vec(call.dir.to_vec()));
        let program = at.join(std::ffi::OsStr::from_bytes(&call.argv[0]));
        let identity = verdicts::program(&program, call.name)?;
        match self.verdicts.of(identity) {
            None => self.meet(identity, &program, tool, call),
            Some(Verdict::Differs) => {
                self.tell(identity, &program, call);
                None
            }
            Some(Verdict::Told) => None,
            Some(Verdict::Same | Verdict::CannotRun) => self.inside(tool, call),
        }
    }

    /// Does the work in the process.
    fn inside(&self, tool: kiln_modtools::Main, call: &Call<'_>) -> Option<Ended> {
        let at = PathBuf::from(OsString::from_vec(call.dir.to_vec()));
        let mut host = ToolHost::new(at.clone(), call.env.clone());
        host.in_place = true;
        host.input = Some(call.input.to_vec());
        host.exports = Some(Arc::clone(&self.exports));
        let args = &call.argv[1..];
        let status = match call.name {
            "fixdep" => fixdep::main_with(args, &mut host, &mut self.scans.at(&at)),
            _ => tool(args, &mut host),
        };
        if host.beyond || status == btfids::DECLINED {
            return None;
        }
        // Where the disk is full, the tree's own program says so in its own way.
        if host.failed || !call.sink.write_whole(&host.out) {
            return None;
        }
        let _ = call.sink.write(Stream::Err, &host.err);
        Some(Ended::Exit(status))
    }

    /// Runs both and compares. What the caller gets is the tree's own doing.
    fn meet(
        &self,
        identity: u128,
        path: &Path,
        tool: kiln_modtools::Main,
        call: &Call<'_>,
    ) -> Option<Ended> {
        let os = |b: &[u8]| OsString::from_vec(b.to_vec());
        let at = PathBuf::from(os(call.dir));
        // Kiln's comes first: some programs change what they read.
        let mut ours = Memory::new(at.clone(), call.env.clone(), call.input);
        let status = tool(&call.argv[1..], &mut ours);
        if ours.real.beyond || status == btfids::DECLINED {
            return None;
        }
        let words: Vec<OsString> = call.argv.iter().map(|w| os(w)).collect();
        let env: Vec<_> = call.env.iter().map(|(n, v)| (os(n), os(v))).collect();
        let env = program::Environment::Only(&env);
        let ran = program::run_with(&words, env, &at, None, call.input);
        if let Some(why) = why_not_runnable(&ran) {
            self.cannot_run(identity, &call.argv[0], &why, call.sink);
            return self.inside(tool, call);
        }
        let theirs = ran.ok()?;
        match ours.against(&theirs, status) {
            // Two that did nothing agree about nothing: an object without a symbol to sum.
            None if ours.did_nothing() => {}
            None => self.verdicts.keep(identity, Verdict::Same),
            Some(how) => {
                self.write_report(identity, path, call, &how);
                self.verdicts.keep(identity, Verdict::Differs);
                self.tell(identity, path, call);
            }
        }
        if !call.sink.write_whole(&theirs.stdout) {
            return None;
        }
        let _ = call.sink.write(Stream::Err, &theirs.stderr);
        Some(theirs.status.map_or(Ended::Signal(9, false), Ended::Exit))
    }

    /// Keeps that a program cannot run here, and says it: the first time and to people only.
    fn cannot_run(&self, identity: u128, program: &[u8], why: &str, sink: &Sink) {
        self.verdicts.keep(identity, Verdict::CannotRun);
        if self.explain {
            let path = String::from_utf8_lossy(program);
            let said = format!(
                "kiln: the tree's own {path} cannot run here ({why}); Kiln's own does its work\n"
            );
            let _ = sink.write(Stream::Err, said.as_bytes());
        }
    }

    fn write_report(&self, identity: u128, path: &Path, call: &Call<'_>, how: &str) {
        let Some(file) = self.verdicts.report(call.name, identity) else { return };
        let words: Vec<_> = call.argv.iter().map(|w| String::from_utf8_lossy(w)).collect();
        let release = [call.dir, b"/include/config/kernel.release"].concat();
        let release = fs::read_to_string(std::ffi::OsStr::from_bytes(&release)).unwrap_or_default();
        let text = format!(
            "Kiln {}: its {} and that of a kernel tree do not do the same.\n\
             program: {}\nkernel: {}\ndirectory: {}\ncommand: {}\n\n{how}",
            env!("CARGO_PKG_VERSION"),
            call.name,
            path.display(),
            release.trim_end(),
            String::from_utf8_lossy(call.dir),
            words.join(" "),
        );
        // The verdict counts without a report, too.
        if let Some(dir) = file.parent() {
            let _ = fs::create_dir_all(dir).and_then(|()| fs::write(&file, text));
        }
    }

    /// Says once, to a person, that the tree's own program is used and where the report lies.
    fn tell(&self, identity: u128, path: &Path, call: &Call<'_>) {
        if !self.explain {
            return;
        }
        let mut text = format!(
            "kiln: {} does something else than Kiln's {}; the tree's own is used from now on\n",
            path.display(),
            call.name
        );
        if let Some(report) = self.verdicts.report(call.name, identity).filter(|r| r.exists()) {
            text.push_str(&format!("kiln: please report it with {}\n", report.display()));
        }
        let _ = call.sink.write(Stream::Err, text.as_bytes());
        self.verdicts.keep(identity, Verdict::Told);
    }
}

impl Native for Tools {
    fn takes(&self, argv: &[Vec<u8>]) -> bool {
        taken(argv).is_some() || steps::is_check(argv)
    }

    fn run(&self, argv: &[Vec<u8>], env: &Env, dir: &[u8], sink: &Sink) -> Option<Ended> {
        let Some(name) = taken(argv) else {
            let well = self.on.contains(&steps::SLOW) && steps::is_check(argv);
            let well = well && steps::all_is_well(argv, env, dir, &self.verdicts)?;
            return well.then_some(Ended::Exit(0));
        };
        // Standard input is not ours to read.
        if !self.on.contains(&name) || self.reads(argv) {
            return None;
        }
        self.work(&Call { name, argv, env, dir, sink, input: b"" })
    }

    fn reads(&self, argv: &[Vec<u8>]) -> bool {
        matches!(taken(argv), Some("genksyms" | "gendwarfksyms"))
            || argv.iter().skip(1).any(|a| a == b"-")
    }

    fn feed(
        &self,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        sink: &Sink,
        input: &[u8],
    ) -> Option<Ended> {
        let name = taken(argv).filter(|name| self.on.contains(name))?;
        self.work(&Call { name, argv, env, dir, sink, input })
    }

    fn ask(&self, programs: &[(&[u8], &[Vec<u8>])], env: &Env, dir: &[u8]) -> Option<i32> {
        let on = self.on.contains(&steps::SLOW);
        on.then(|| steps::exports(programs, env, dir, &self.verdicts)).flatten()
    }

    fn lines(&self, programs: &[(&[u8], &[Vec<u8>]); 2], env: &Env, dir: &[u8]) -> Option<Vec<u8>> {
        let on = self.on.contains(&steps::SLOW);
        on.then(|| steps::exported(programs, env, dir, &self.verdicts)).flatten()
    }

    fn instead(&self, program: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>> {
        let name = taken_program(program).filter(|name| self.on.contains(name))?;
        let at = Path::new(std::ffi::OsStr::from_bytes(dir));
        let file = at.join(std::ffi::OsStr::from_bytes(program));
        let identity = verdicts::program(&file, name)?;
        let cannot = match self.verdicts.of(identity) {
            Some(verdict) => verdict == Verdict::CannotRun,
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
        let words = [b"tool", INSTEAD_OF, program, name.as_bytes()].map(<[u8]>::to_vec);
        Some([vec![own.into_os_string().into_vec()], words.to_vec()].concat())
    }

    fn meanwhile(&self, argv: &[Vec<u8>], env: &dyn Fn() -> Env, dir: &[u8]) {
        // A compiler that leaves a list of what it read is one of kbuild's, and modpost comes behind it.
        let lists = |word: &Vec<u8>| word.starts_with(b"-Wp,-M");
        if !self.exports.is_due() || !self.on.contains(&"modpost") || !argv.iter().any(lists) {
            return;
        }
        let verdicts = Arc::clone(&self.verdicts);
        let wanted = move |modpost: &Path| {
            let verdict = verdicts::program(modpost, "modpost").and_then(|id| verdicts.of(id));
            matches!(verdict, Some(Verdict::Same | Verdict::CannotRun))
        };
        self.exports.begin(env(), Path::new(std::ffi::OsStr::from_bytes(dir)), wanted);
    }

    fn names(&self) -> Vec<&'static [u8]> {
        TAKEN.iter().filter(|(n, _)| self.on.contains(n)).map(|(_, end)| *end).collect()
    }
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
