//! The two ways to run a script: under dash, and in process with a plain synchronous caller. Both
//! run in the same freshly made directory, one after the other, and leave everything to compare.

mod generate;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use kiln_shell::{Declined, Dir, Host, Machine, Outcome, Process, Setup, Status, Step, Target};

pub use generate::Generator;

/// Everything that a script did that can be seen.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: Status,
    pub stdout: String,
    pub stderr: String,
    pub tree: BTreeMap<String, String>,
}

/// A place to run scripts in: `work` is made anew for each, `stdout` and `stderr` lie beside it.
pub struct Bench {
    root: PathBuf,
    path: Vec<u8>,
    /// Fills the new working directory.
    pub fill: fn(&Path),
    /// Where in the working directory the script starts.
    pub start: String,
}

impl Bench {
    pub fn new(name: &str) -> Bench {
        let root = std::env::temp_dir().join(format!("kiln-shell-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a directory for the tests");
        let root = root.canonicalize().expect("its real path");
        Bench { root, path: b"/usr/bin:/bin".to_vec(), fill: fixture, start: ".".to_owned() }
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Puts the working directory's `programs` first on `PATH`.
    pub fn own_programs_first(&mut self) {
        let mut path = self.work().join("programs").into_os_string().into_vec();
        path.extend_from_slice(b":/usr/bin:/bin");
        self.path = path;
    }

    fn env(&self) -> Vec<Vec<u8>> {
        let mut path = b"PATH=".to_vec();
        path.extend_from_slice(&self.path);
        vec![
            path,
            b"HOME=/nonexistent".to_vec(),
            b"LANG=C.UTF-8".to_vec(),
            b"EXPORTED=from outside".to_vec(),
            b"PWD=/stale".to_vec(),
            b"odd-name=1".to_vec(),
        ]
    }

    fn prepare(&self) -> (File, File) {
        let work = self.work();
        if work.exists() {
            unlock(&work);
            fs::remove_dir_all(&work).expect("the working directory to go");
        }
        fs::create_dir(&work).expect("a working directory");
        (self.fill)(&work);
        fs::create_dir_all(work.join(&self.start)).expect("the starting directory");
        (self.output("stdout"), self.output("stderr"))
    }

    fn output(&self, name: &str) -> File {
        let path = self.root.join(name);
        let _ = fs::remove_file(&path);
        OpenOptions::new().append(true).create(true).open(path).expect("an output file")
    }

    fn seen(&self, status: Status) -> Seen {
        let read = |name: &str| {
            let bytes = fs::read(self.root.join(name)).expect("the output");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut tree = BTreeMap::new();
        list(&self.work(), "", &mut tree);
        Seen { status, stdout: read("stdout"), stderr: read("stderr"), tree }
    }

    pub fn dash(&self, script: &[u8]) -> Seen {
        let (stdout, stderr) = self.prepare();
        let mut command = Command::new("/usr/bin/dash");
        command.arg0("/bin/sh").arg("-c").arg(std::ffi::OsStr::from_bytes(script)).env_clear();
        for entry in self.env() {
            let at = entry.iter().position(|b| *b == b'=').expect("an assignment");
            let name = std::ffi::OsString::from_vec(entry[..at].to_vec());
            command.env(name, std::ffi::OsString::from_vec(entry[at + 1..].to_vec()));
        }
        command.current_dir(self.work().join(&self.start));
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let status = command.status().expect("dash to start");
        self.seen(match (status.code(), status.signal()) {
            (Some(code), _) => Status::Exited(code),
            (None, signal) => Status::Signaled(signal.unwrap_or(0)),
        })
    }

    pub fn ours(&self, script: &[u8]) -> Result<Seen, Declined> {
        let script = Arc::new(kiln_shell::parse(script)?);
        let (stdout, stderr) = self.prepare();
        let caller = Arc::new(Caller { stdout, stderr });
        let work = self.work().join(&self.start).canonicalize().expect("the starting directory");
        let fd = OwnedFd::from(File::open(&work).expect("the working directory"));
        let setup = Setup {
            dir: Arc::new(Dir { fd, path: work.as_os_str().as_bytes().to_vec() }),
            env: self.env(),
            host: caller.clone(),
            name: b"/bin/sh".to_vec(),
            errexit: false,
            pid: Some(4_194_305),
        };
        let mut machine = Machine::new(script, setup)?;
        let mut step = machine.start();
        let status = loop {
            match step {
                Step::Done(status) => break status,
                Step::Yield => step = machine.resume(Vec::new()),
                Step::Start(processes) => step = machine.resume(caller.run(processes)),
            }
        };
        Ok(self.seen(status))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        unlock(&self.root);
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A caller that starts programs and waits for them on the spot.
struct Caller {
    stdout: File,
    stderr: File,
}

impl Host for Caller {
    fn write(&self, fd: u8, bytes: &[u8]) -> io::Result<()> {
        let mut file = if fd == 2 { &self.stderr } else { &self.stdout };
        file.write_all(bytes)
    }
}

impl Caller {
    fn run(&self, processes: Vec<Process>) -> Vec<Outcome> {
        let started: Vec<_> = processes.into_iter().map(|process| self.spawn(&process)).collect();
        started
            .into_iter()
            .map(|child| match child {
                Err(error) => Outcome::NotStarted(error.raw_os_error().unwrap_or(0)),
                Ok(mut child) => {
                    let status = child.wait().expect("the child");
                    match (status.code(), status.signal()) {
                        (Some(code), _) => Outcome::Exited(code),
                        (None, signal) => Outcome::Signaled {
                            signal: signal.unwrap_or(0),
                            core: status.core_dumped(),
                        },
                    }
                }
            })
            .collect()
    }

    fn spawn(&self, process: &Process) -> io::Result<std::process::Child> {
        let mut program = process.program.clone();
        if !program.contains(&b'/') {
            program.splice(0..0, *b"./");
        }
        let mut command = Command::new(std::ffi::OsStr::from_bytes(&program));
        command.arg0(std::ffi::OsStr::from_bytes(&process.argv[0]));
        command.args(process.argv[1..].iter().map(|a| std::ffi::OsStr::from_bytes(a)));
        command.current_dir(Path::new(std::ffi::OsStr::from_bytes(&process.dir.path)));
        command.env_clear();
        for entry in process.env.iter() {
            let at = entry.iter().position(|b| *b == b'=').expect("an assignment");
            let name = std::ffi::OsStr::from_bytes(&entry[..at]);
            command.env(name, std::ffi::OsStr::from_bytes(&entry[at + 1..]));
        }
        command.stdin(self.stdio(&process.fds[0])?);
        command.stdout(self.stdio(&process.fds[1])?);
        command.stderr(self.stdio(&process.fds[2])?);
        command.spawn()
    }

    fn stdio(&self, target: &Target) -> io::Result<Stdio> {
        Ok(match target {
            Target::Caller(0) => Stdio::null(),
            Target::Caller(2) => self.stderr.try_clone()?.into(),
            Target::Caller(_) => self.stdout.try_clone()?.into(),
            Target::File(file) => file.try_clone()?.into(),
        })
    }
}

/// Gives the owner all rights again, so that the tree can be removed.
fn unlock(path: &Path) {
    let Ok(stat) = fs::symlink_metadata(path) else { return };
    if stat.is_dir() {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o755));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            unlock(&entry.path());
        }
    }
}

fn list(path: &Path, name: &str, tree: &mut BTreeMap<String, String>) {
    let stat = fs::symlink_metadata(path).expect("a file of the tree");
    let mode = stat.mode() & 0o7777;
    let what = if stat.is_symlink() {
        format!("link {}", fs::read_link(path).expect("a link").display())
    } else if stat.is_dir() {
        format!("dir {mode:o}")
    } else if !stat.is_file() {
        format!("special {mode:o}")
    } else {
        let bytes = fs::read(path).unwrap_or_default();
        format!("file {mode:o} {} {}", stat.nlink(), String::from_utf8_lossy(&bytes))
    };
    tree.insert(name.to_owned(), what);
    if stat.is_dir() {
        for entry in fs::read_dir(path).expect("a directory of the tree") {
            let entry = entry.expect("an entry");
            let below = format!("{name}/{}", entry.file_name().to_string_lossy());
            list(&entry.path(), &below, tree);
        }
    }
}

/// Files for scripts to work on.
fn fixture(work: &Path) {
    let file = |name: &str, text: &str| fs::write(work.join(name), text).expect("a file");
    let program = |name: &str, text: &str| {
        file(name, text);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(work.join(name), mode).expect("a mode");
    };
    fs::create_dir_all(work.join("dir/sub")).expect("directories");
    file("a.c", "int a;\n");
    file("b.c", "int b;\n");
    file("same", "int a;\n");
    file("empty", "");
    file("words", "one two\nthree  four\n");
    file("dir/x.h", "#define X\n");
    file("dir/.hidden", "h\n");
    file("dir/sub/y.h", "#define Y\n");
    file("with space", "blank\n");
    file("[odd]", "odd\n");
    file("plain", "not executable\n");
    program("args", "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done\necho\n");
    program("fail3", "#!/bin/sh\nexit 3\n");
    program("no-loader", "echo script $*\n");
    program("die", "#!/bin/sh\nkill -s $1 $$\n");
    program("binary", "\x01\x02\x03\n");
    program("bad-loader", "#!/nonexistent/loader\n");
    symlink("a.c", work.join("link")).expect("a link");
    symlink("nowhere", work.join("dangling")).expect("a link");
    symlink("dir", work.join("dirlink")).expect("a link");
}

/// What stands in for compilers and the kernel's tools: says how it was called, makes the file
/// after `-o`, and fails for some calls, the same ones each time.
const STAND_IN: &str = r#"#!/bin/sh
name=${0##*/}
echo "$name: $*" >> "${KILN_LOG:-/dev/null}"
sum=$(printf '%s' "$name $*" | tr -d 0-9 | cksum)
out=
for a; do
  case $last in -o) out=$a;; esac
  last=$a
done
[ -z "$out" ] || echo "$name made this: $sum" > "$out" || exit 1
echo "$name says $sum"
case ${sum%% *} in *7) echo "$name fails" >&2; exit 3;; esac
"#;

/// A module's directory and a header tree in which all tools are stand-ins.
pub fn kernel_fixture(work: &Path) {
    let program = |name: &str| {
        let path = work.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
        fs::write(&path, STAND_IN).expect("a stand-in");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    };
    let on_path = [
        "gcc-12",
        "gcc",
        "ld",
        "nm",
        "objcopy",
        "objdump",
        "pahole",
        "xz",
        "make",
        "depmod",
        "getconf",
        "ar",
        "strip",
        "sleep",
        "git",
        "x86_64-linux-gnu-gcc-12",
        "x86_64-linux-gnu-ld",
        "x86_64-linux-gnu-nm",
        "x86_64-linux-gnu-objcopy",
    ];
    for name in on_path {
        program(&format!("programs/{name}"));
    }
    let in_tree = [
        "scripts/basic/fixdep",
        "scripts/mod/modpost",
        "scripts/genksyms/genksyms",
        "scripts/sign-file",
        "scripts/pahole-flags.sh",
        "scripts/depmod.sh",
        "scripts/kernel-doc",
        "scripts/modules-check.sh",
        "scripts/check-local-export",
        "tools/objtool/objtool",
        "tools/bpf/resolve_btfids/resolve_btfids",
    ];
    for name in in_tree {
        program(&format!("k/{name}"));
        program(&format!("c/{name}"));
    }
    for dir in ["m/sub", "k/include/config", "c/include"] {
        fs::create_dir_all(work.join(dir)).expect("directories");
    }
    let file = |name: &str, text: &str| fs::write(work.join(name), text).expect("a file");
    file("k/include/config/kernel.release", "6.12.0-test\n");
    for name in ["hello", "two", "main"] {
        file(&format!("m/{name}.c"), "int x;\n");
        file(&format!("m/{name}.ko"), "a module\n");
        file(&format!("m/.{name}.o.d"), "deps\n");
        file(&format!("m/.{name}.o.cmd"), "savedcmd\n");
    }
    file("m/modules.order", "hello.o\n");
}
