//! `kiln build`, `install` and `clean`: make's work with a person's words.
//!
//! Decides which directory, which kernel and which of make's words; what would do harm or cannot end
//! well is refused before the first object is built.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kiln_session::mirror;
use kiln_session::told::Telling;
use kiln_tree::describe::Description;

use crate::cli::Work;
use crate::people::{exit_telling, machine};

/// Runs one of the three; `target` is make's, none for the build itself.
pub fn run(work: &Work, target: Option<&str>) -> Result<ExitCode, String> {
    let (source, words) = directory(&work.words)?;
    let dir = match &work.output {
        None => source.clone(),
        Some(output) => {
            std::path::absolute(output).map_err(|e| format!("{}: {e}", output.display()))?
        }
    };
    // What was built is looked for where it was built; what is to be built, in the sources.
    check_module(if target.is_none() { &source } else { &dir })?;
    if target == Some("modules_install") && !dir.join("modules.order").exists() {
        return Err(format!(
            "nothing has been built in {}\n      (`kiln build` builds the modules that `kiln install` installs)",
            dir.display()
        ));
    }
    let machine = machine();
    let found = kiln_tree::discover::discover(&machine);
    let choice = match &work.kernel {
        Some(spec) => found.find(&machine, spec),
        None => found.choose(&machine),
    }
    .map_err(|e| e.to_string())?;
    if work.kernel.is_none() {
        eprintln!("kiln: building against {choice}");
    }
    let described = choice.tree.describe(&machine);
    if let Some(missing) = described.missing.iter().find(|m| m.fatal) {
        let help = missing.help.as_ref().map_or(String::new(), |h| format!("\n  hint: {h}"));
        return Err(format!(
            "{}: no {}: {}{help}",
            described.release, missing.what, missing.effect
        ));
    }
    let mut set = described.make_variables();
    if target.is_none() {
        // modpost will only list one undefined symbol after the other.
        if let Some(symvers) = described.missing.iter().find(|m| m.what == "Module.symvers") {
            let help = symvers.help.as_ref().map_or(String::new(), |h| format!("\n  hint: {h}"));
            eprintln!(
                "kiln: {} has no Module.symvers: {}{help}",
                described.release, symvers.effect
            );
        }
        check_compiler(&described, words)?;
        check_mo(&described, words)?;
        check_clean(&described, words)?;
        crate::rust::check(&described, &source, given(words, "RUSTC"))?;
        set.extend(foreign_btf(&described));
    }
    let dir = match (&work.output, target) {
        (Some(_), None) => mirrored(&source, &dir)?,
        _ => dir,
    };
    let mut argv = vec![kiln_session::command::make_command()];
    let mut push = |word: &[u8]| argv.push(word.to_vec());
    push(b"-C");
    push(choice.tree.dir.as_os_str().as_bytes());
    push(b"--no-print-directory");
    let jobs = work.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |n| n.get() as usize,
    );
    push(format!("-j{jobs}").as_bytes());
    if work.keep_going {
        push(b"-k");
    }
    push(&[b"M=", dir.as_os_str().as_bytes()].concat());
    if work.verbose {
        push(b"V=1");
    }
    for (name, value) in set {
        if given(words, &name).is_none() {
            push(format!("{name}={value}").as_bytes());
        }
    }
    for word in target.iter().map(|t| t.as_bytes()).chain(words.iter().map(|w| w.as_bytes())) {
        push(word);
    }
    let telling = Telling { why: work.why, trace: work.trace.clone(), timing: work.timing };
    Ok(exit_telling(argv, &telling))
}

/// The value that the words give a variable of make.
fn given<'a>(words: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let value = |w: &'a OsString| {
        let rest = w.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(OsStr::from_bytes(rest))
    };
    words.iter().rev().find_map(value)
}

/// Brings the output directory up to date and says where the work goes.
fn mirrored(source: &Path, dir: &Path) -> Result<PathBuf, String> {
    let done = mirror::update(source, dir)?;
    let dir = dir.canonicalize().map_err(|e| format!("{}: {e}", dir.display()))?;
    eprintln!("kiln: building {} in {}", source.display(), dir.display());
    for kept in &done.kept {
        eprintln!("kiln: {} was changed there and stays so", dir.join(kept).display());
    }
    Ok(dir)
}

/// A compiler that is too old for the kernel ends in an error about an option that nobody wrote.
fn check_compiler(tree: &Description, words: &[OsString]) -> Result<(), String> {
    let compiler = tree.compiler.as_ref();
    let named = given(words, "CC");
    if given(words, "LLVM").is_some()
        || (named.is_none() && compiler.is_none_or(|c| c.same_major == Some(true)))
    {
        return Ok(());
    }
    let found = || compiler.and_then(|c| c.found.clone()).map(PathBuf::into_os_string);
    let Some(program) = named.map(OsStr::to_owned).or_else(found) else { return Ok(()) };
    // `CC="ccache gcc"` is two words.
    let mut command = kiln_tree::compiler::ask("");
    let split = program.as_bytes().split(|&b| b == b' ').filter(|w| !w.is_empty());
    command.argv.splice(0..1, split.map(|w| OsStr::from_bytes(w).to_owned()));
    // One that cannot be started is make's to complain about.
    let Ok(ran) = crate::kernels::run_program(&command) else { return Ok(()) };
    let Some((brand, version)) = kiln_tree::compiler::version_of(&ran.stdout) else {
        return Ok(());
    };
    if let Some(why) = tree.too_old(brand, version) {
        return Err(why);
    }
    if let Some(built) = compiler.filter(|c| c.brand == brand)
        && built.major().parse::<u32>().is_ok_and(|m| version[0] < m)
    {
        eprintln!(
            "kiln: {} is older ({}) than the compiler that {} was built by ({}); where it does not \
             know an option, that is why",
            program.to_string_lossy(),
            version[0],
            tree.release,
            built.text
        );
    }
    Ok(())
}

/// The first kernel that knows `MO=`, and that writes Makefiles into modules' directories.
const WRITES_MAKEFILES: [u32; 3] = [6, 13, 0];

/// `MO=DIR` is the kernel's own way to a separate directory, from 6.13 on. It puts a Makefile there,
/// over whatever has that name.
fn check_mo(tree: &Description, words: &[OsString]) -> Result<(), String> {
    let Some(dir) = given(words, "MO") else { return Ok(()) };
    let dir = std::path::absolute(dir).map_err(|e| format!("MO={}: {e}", dir.display()))?;
    if tree.version.is_some_and(|v| v < WRITES_MAKEFILES) {
        return Err(format!(
            "kernel {} does not know MO= and would build beside the sources\n  \
             hint: kiln build -o {} works with every kernel",
            tree.release,
            dir.display()
        ));
    }
    let makefile = dir.join("Makefile");
    let text = match std::fs::read(&makefile) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(format!("{}: {e}", makefile.display())),
    };
    if !text.is_empty() && !text.starts_with(b"# Automatically generated by ") {
        return Err(format!(
            "{} is a Makefile of yours, and the kernel writes its own over it\n  \
             hint: name another directory with MO=, or use kiln build -o",
            makefile.display()
        ));
    }
    eprintln!("kiln: what is built goes to {}", dir.display());
    Ok(())
}

/// From 6.13 on, `clean` together with another target makes the kernel write a Makefile into the
/// module's directory, over one that is there; where that is what kbuild reads, it then calls itself
/// without end.
fn check_clean(tree: &Description, words: &[OsString]) -> Result<(), String> {
    let targets = || words.iter().map(|w| w.as_bytes()).filter(|w| !w.contains(&b'='));
    let both = targets().any(|t| t == b"clean") && targets().any(|t| t != b"clean");
    if !both || tree.version.is_none_or(|v| v < WRITES_MAKEFILES) {
        return Ok(());
    }
    Err(format!(
        "kernel {} writes a Makefile over yours where clean stands together with other targets\n  \
         hint: kiln clean, and then kiln build with the others",
        tree.release
    ))
}

/// Trees that have gen-btf.sh make a module's type information with `resolve_btfids`, and there is no
/// other that does. One that is for another architecture cannot; the module is as good without, so it is left out.
fn foreign_btf(tree: &Description) -> Option<(String, String)> {
    let theirs = tree.tools.iter().find(|t| t.path.ends_with("/resolve_btfids"))?;
    let needed =
        tree.btf.modules && tree.btf.vmlinux && tree.dir.join("scripts/gen-btf.sh").exists();
    if !needed || theirs.runs_here {
        return None;
    }
    eprintln!(
        "kiln: modules are built without BTF: the tree's own {} makes it, and cannot run here",
        theirs.path
    );
    Some(("CONFIG_DEBUG_INFO_BTF_MODULES".to_owned(), String::new()))
}

/// The module's directory and the remaining words: the first word is the directory if it is one.
fn directory(words: &[OsString]) -> Result<(PathBuf, &[OsString]), String> {
    let here = |d: &Path| std::path::absolute(d).map_err(|e| format!("{}: {e}", d.display()));
    match words.split_first() {
        Some((first, rest)) if !first.as_bytes().contains(&b'=') && Path::new(first).is_dir() => {
            let dir =
                Path::new(first).canonicalize().map_err(|e| format!("{}: {e}", first.display()))?;
            Ok((dir, rest))
        }
        Some((first, _))
            if first.as_bytes().contains(&b'/') && !first.as_bytes().contains(&b'=') =>
        {
            // A path that is not there is a wrong directory, unless it can be a target below this one.
            match Path::new(OsStr::from_bytes(first.as_bytes())).is_absolute() {
                true => Err(format!("{}: no such directory", first.display())),
                false => Ok((here(Path::new("."))?, words)),
            }
        }
        _ => Ok((here(Path::new("."))?, words)),
    }
}

/// Refuses directories in which make would do harm or nothing.
fn check_module(dir: &Path) -> Result<(), String> {
    let has = |name: &str| dir.join(name).exists();
    if has("include/config/auto.conf") || (has("Kconfig") && has("scripts/Kbuild.include")) {
        return Err(format!(
            "{} is a kernel tree, not a module's directory; kiln does not build in kernel trees\n      \
             (name the module's directory, and the kernel with -k; `kiln make` does what make does)",
            dir.display()
        ));
    }
    if !has("Kbuild") && !has("Makefile") {
        return Err(format!(
            "{} has neither a Kbuild file nor a Makefile\n      \
             (a file called Kbuild with the line `obj-m := NAME.o` builds NAME.ko from NAME.c)",
            dir.display()
        ));
    }
    Ok(())
}
