//! `kiln make --verify ARGS…`: the same build once with GNU make and once with Kiln, at the same path,
//! and every file, the exit status and the printed lines compared.
//!
//! The directories that the build writes are copied aside first and put back before the second build,
//! so both start from the same state. What Kiln made stays.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use kiln_testkit::diff;
use kiln_testkit::snapshot::{Snapshot, Store};

/// What one program did.
struct Run {
    status: ExitStatus,
    output: Vec<u8>,
    states: Vec<Snapshot>,
}

/// Compares, says what was found, and gives 0 where nothing differs, 3 where something does.
pub fn run(args: &[Vec<u8>]) -> ExitCode {
    match verify(args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(text) => {
            eprintln!("kiln: --verify: {text}");
            ExitCode::from(2)
        }
    }
}

fn verify(args: &[Vec<u8>]) -> Result<usize, String> {
    let here = std::env::current_dir().map_err(|e| format!("this directory: {e}"))?;
    let roots = written_directories(args, &here);
    for root in &roots {
        if root.join("include/config/auto.conf").exists() {
            return Err(format!(
                "{} is a kernel tree; the directory that is built in would be emptied and filled again \
                 (name the module's directory with M=)",
                root.display()
            ));
        }
    }
    let reference = reference_make()?;
    let work = kiln_session::command::cache_dir()
        .ok_or("there is no cache directory (HOME and XDG_CACHE_HOME are not set)")?
        .join("verify")
        .join(std::process::id().to_string());
    let io = |what: &Path| {
        let what = what.display().to_string();
        move |e: io::Error| format!("{what}: {e}")
    };
    fs::create_dir_all(&work).map_err(io(&work))?;
    let store = Store::new(work.join("contents"));
    for (n, root) in roots.iter().enumerate() {
        let copy = work.join(format!("before-{n}"));
        copy_tree(root, &copy).map_err(io(root))?;
        eprintln!("kiln: {} is copied to {} until this is done", root.display(), copy.display());
    }

    eprintln!("kiln: building with {}", reference.display());
    let expected = build(args, &reference, &work.join("reference"), &roots, &store)?;
    for (n, root) in roots.iter().enumerate() {
        empty(root)
            .and_then(|()| copy_into(&work.join(format!("before-{n}")), root))
            .map_err(io(root))?;
    }
    let own = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
    eprintln!("kiln: building with kiln");
    let found = build(args, &own, &work.join("kiln"), &roots, &store)?;

    let mut report = Vec::new();
    if expected.status != found.status {
        report.push(format!("exit status: {}, expected {}", found.status, expected.status));
    }
    if let Some(d) = diff::outputs(1, &expected.output, &found.output) {
        report.push(format!("{}: {}", d.subject, d.how));
    }
    let mut files = 0;
    for (n, root) in roots.iter().enumerate() {
        files += expected.states[n].entries.len();
        for d in diff::states(1, (&expected.states[n], &store), (&found.states[n], &store)) {
            report.push(format!("{}/{}: {}", root.display(), d.subject, d.how));
        }
    }
    if report.is_empty() {
        eprintln!("kiln: identical: {files} files, exit status, output");
        fs::remove_dir_all(&work).map_err(io(&work))?;
        return Ok(0);
    }
    let path = work.join("report.txt");
    let command: Vec<_> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
    let text = format!("make {}\n\n{}\n", command.join(" "), report.join("\n"));
    fs::write(&path, &text).map_err(io(&path))?;
    for line in &report {
        eprintln!("kiln: differs: {line}");
    }
    eprintln!("kiln: {} differences; the report is {}", report.len(), path.display());
    Ok(report.len())
}

/// Where the build writes: M=, MO=, O= and INSTALL_MOD_PATH; without M= the directory that `-C` names.
fn written_directories(args: &[Vec<u8>], here: &Path) -> Vec<PathBuf> {
    let mut start = here.to_path_buf();
    let mut named = Vec::new();
    let mut has_module = false;
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == b"-C" {
            if let Some(dir) = words.next() {
                start = start.join(OsStr::from_bytes(dir));
            }
        } else if let Some(dir) =
            word.strip_prefix(b"-C").or_else(|| word.strip_prefix(b"--directory="))
        {
            start = start.join(OsStr::from_bytes(dir));
        }
        for (name, module) in [
            (&b"M="[..], true),
            (b"KBUILD_EXTMOD=", true),
            (b"MO=", false),
            (b"O=", false),
            (b"INSTALL_MOD_PATH=", false),
        ] {
            if let Some(value) = word.strip_prefix(name).filter(|v| !v.is_empty()) {
                has_module |= module;
                named.push(PathBuf::from(OsStr::from_bytes(value)));
            }
        }
    }
    let mut roots: Vec<PathBuf> = named.iter().map(|d| start.join(d)).collect();
    if !has_module {
        roots.push(start);
    }
    let mut roots: Vec<PathBuf> = roots.iter().filter_map(|d| d.canonicalize().ok()).collect();
    roots.sort();
    // A directory inside another one is seen with it.
    roots.dedup_by(|inner, outer| inner.starts_with(&*outer));
    roots
}

/// GNU make: `KILN_REFERENCE_MAKE`, else the first `make` of the PATH that is not this program.
fn reference_make() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("KILN_REFERENCE_MAKE") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe().and_then(|p| p.canonicalize()).ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|d| [d.join("make"), d.join("gmake")])
        .find(|p| p.is_file() && p.canonicalize().ok() != own)
        .ok_or_else(|| "there is no GNU make to compare with (apt-get install make, or KILN_REFERENCE_MAKE=PATH)".to_string())
}

/// One build with `program` as `make`, its output in one file as it comes.
fn build(
    args: &[Vec<u8>],
    program: &Path,
    bin: &Path,
    roots: &[PathBuf],
    store: &Store,
) -> Result<Run, String> {
    let fail = |e: io::Error| format!("{}: {e}", program.display());
    fs::create_dir_all(bin).map_err(fail)?;
    symlink(program, bin.join("make")).map_err(fail)?;
    calm_pahole(bin).map_err(fail)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [bin.as_os_str().as_bytes(), b":", path.as_bytes()].concat();
    let log = bin.join("output");
    let out = fs::File::options().create(true).append(true).open(&log).map_err(fail)?;
    #[allow(clippy::disallowed_methods)] // both programs are started alike, from outside
    let status = Command::new(bin.join("make"))
        .args(args.iter().map(|a| OsStr::from_bytes(a)))
        .env("PATH", OsStr::from_bytes(&path))
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(fail)?)
        .stderr(out)
        .status()
        .map_err(fail)?;
    let states = roots.iter().map(|r| Snapshot::take(r, Some(store))).collect::<io::Result<_>>();
    Ok(Run { status, output: fs::read(&log).map_err(fail)?, states: states.map_err(fail)? })
}

/// pahole with several threads writes .BTF in an order of chance: in both builds it gets no `-j`.
fn calm_pahole(bin: &Path) -> io::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(real) = std::env::split_paths(&path).map(|d| d.join("pahole")).find(|p| p.is_file())
    else {
        return Ok(());
    };
    let script = bin.join("pahole");
    let quoted = real.display().to_string().replace('\'', "'\\''");
    let text = format!(
        "#!/bin/sh\nfor a do\n  shift\n  case $a in -j|-j[0-9]*|--jobs=*) ;; *) set -- \"$@\" \"$a\" ;; esac\ndone\nexec '{quoted}' \"$@\"\n"
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
}

/// A copy with modes, links and times.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    copy_into(from, to)
}

fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    for item in fs::read_dir(from)? {
        let item = item?;
        let (source, target) = (item.path(), to.join(item.file_name()));
        let meta = fs::symlink_metadata(&source)?;
        if meta.is_dir() {
            copy_tree(&source, &target)?;
        } else if meta.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if meta.is_file() {
            fs::copy(&source, &target)?;
            let times =
                fs::FileTimes::new().set_modified(meta.modified()?).set_accessed(meta.accessed()?);
            fs::File::options().append(true).open(&target)?.set_times(times)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

/// Removes what is in a directory and leaves the directory, which somebody may stand in.
fn empty(dir: &Path) -> io::Result<()> {
    for item in fs::read_dir(dir)? {
        let path = item?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            fs::remove_dir_all(&path)?
        } else {
            fs::remove_file(&path)?
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_directory_is_what_is_written() {
        let dir = std::env::temp_dir().canonicalize().expect("a temporary directory");
        let arg = [b"M=", dir.as_os_str().as_bytes()].concat();
        let roots = written_directories(&[b"-C".to_vec(), b"/".to_vec(), arg], Path::new("/usr"));
        assert_eq!(roots, [dir]);
        let roots = written_directories(&[b"-C".to_vec(), b"/usr".to_vec()], Path::new("/"));
        assert_eq!(roots, [PathBuf::from("/usr")]);
    }
}
