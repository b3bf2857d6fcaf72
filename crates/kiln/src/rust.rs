//! `kiln kernels add --rust SOURCE`: a tree's Rust crates, made from its kernel's source; and what is
//! said of a module in Rust before it is built.
//!
//! The source is configured as the tree is, and its own targets say whether Rust can be used here and
//! make the crates. Knows the order of these steps, and none of a kernel's files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kiln_session::Exit;
use kiln_tree::describe::Description;
use kiln_tree::makefacts::MakeFacts;
use kiln_tree::missing::RUST_CRATES;
use kiln_tree::process::Command;
use kiln_tree::store::{Unlisted, add, source};
use kiln_tree::{Error, Kind, Machine, Origin, Store, Tree, rust};

use crate::kernels::{list, run_program};
use crate::people::say;

/// How many names a message lists.
const SHOWN: usize = 8;

/// Adds trees with their crates: packages and directories as a new entry, or what an entry lacks.
///
/// # Errors
/// In words.
pub fn add(
    machine: &Machine,
    store: &Store,
    source: &Path,
    sources: &[PathBuf],
    options: &add::Options,
) -> Result<(), String> {
    let said = |e: Error| e.to_string();
    if let Some(program) = ["rustc", "bindgen"].iter().find(|p| machine.program(p).is_none()) {
        let help = rust::install(machine).map_or(String::new(), |h| format!("\n  hint: {h}"));
        return Err(format!("{program} is not here, and making Rust crates needs it{help}"));
    }
    // An interrupt ends make; the build is taken away first, and then it ends this program too.
    let mut interrupted = None;
    let mut finish = |unlisted: &Unlisted| {
        let opened = source::open(source, &unlisted.scratch)?;
        let mut made = 0;
        for (i, dir) in unlisted.trees.iter().enumerate() {
            let output = unlisted.scratch.join(format!("output-{i}"));
            made += usize::from(complete(machine, &opened, dir, &output, &mut interrupted)?);
        }
        if made == 0 {
            let message = "no tree here has Rust switched on (CONFIG_RUST)";
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok(())
    };
    let done = match entry(machine, store, sources) {
        Some(name) => store.complete(&name, &mut finish).map(|entry| {
            format!("added Rust to {name} in {}\n", store.root(&entry.name).display())
        }),
        None => {
            let options = add::Options { mark: "-rust", ..options.clone() };
            let found = sources.iter().map(|s| directory(machine, s)).collect::<Vec<_>>();
            store
                .add_finished(&found, &options, &mut finish)
                .map(|added| list(&added) + &format!("-k {} uses it\n", added.entry.name))
        }
    };
    if let Some(signal) = interrupted {
        kiln_session::die_of(signal);
    }
    say(done.map_err(said)?)
}

/// The entry that is meant, where what is to be added is in the store already.
fn entry(machine: &Machine, store: &Store, sources: &[PathBuf]) -> Option<String> {
    let [one] = sources else { return None };
    let found = if one.exists() {
        store.entry_of(one)
    } else {
        let tree = kiln_tree::discover::discover(machine).find(machine, one).ok()?.tree;
        matches!(tree.origin, Origin::Store(_)).then(|| store.entry_of(&tree.dir))?
    };
    Some(found?.name)
}

/// A file or directory as it was named, or the tree that bears the name.
fn directory(machine: &Machine, named: &Path) -> PathBuf {
    let found = || kiln_tree::discover::discover(machine).find(machine, named).ok();
    match named.exists() {
        true => named.to_path_buf(),
        false => found().map_or_else(|| named.to_path_buf(), |c| c.tree.dir),
    }
}

/// Makes what one tree lacks; whether it now has what modules in Rust need.
fn complete(
    machine: &Machine,
    source: &Path,
    dir: &Path,
    output: &Path,
    interrupted: &mut Option<i32>,
) -> kiln_tree::Result<bool> {
    let tree = Tree::open(&machine.root, dir, Origin::Given)?;
    let described = tree.describe(machine);
    if !described.rust.on || described.rust.metadata {
        return Ok(described.rust.on);
    }
    fits(&described, source)?;
    let config = rust::config_file(dir)?;
    let place = output.join(".config");
    fs::create_dir_all(output).map_err(|e| Error::io("make", output, e))?;
    fs::copy(&config, &place).map_err(|e| Error::io("write", &place, e))?;
    let set = rust::make_variables(&described, machine);
    let mut make = |targets: &[&str]| match run_make(source, output, &set, targets) {
        Exit::Status(0) => true,
        Exit::Status(_) => false,
        Exit::Signal(signal) => {
            *interrupted = Some(signal);
            false
        }
    };
    let failed = |what: &str| Error::new(Kind::Program, what);
    eprintln!("kiln: making the Rust crates of {} takes some minutes", described.release);
    if !make(&["rustavailable"]) {
        let message = "the kernel's own check, above, says that Rust cannot be used here";
        return Err(failed(message).hints(rust::install(machine)));
    }
    if !make(&["olddefconfig"]) {
        return Err(failed("the source could not be configured; make's words are above"));
    }
    let differing = rust::differing(dir, output)?;
    if !differing.is_empty() {
        let message = format!(
            "with what is installed here the kernel is configured otherwise than {} was: {}",
            described.release,
            listed("CONFIG_", &differing)
        );
        let hint =
            "the compiler, the linker, pahole, rustc and bindgen have to be such as built it";
        return Err(Error::new(Kind::Unsupported, message).hint(hint));
    }
    if !make(&["prepare"]) {
        return Err(failed("the source could not be prepared; make's words are above"));
    }
    let (all, unknown) = rust::unknown_symbols(dir, output);
    if !unknown.is_empty() {
        eprintln!(
            "kiln: of the {all} symbols of these crates {} are not in the tree's Module.symvers: {}",
            unknown.len(),
            listed("", &unknown)
        );
    }
    rust::bring(output, dir)?;
    // Another tree's build may need the room.
    let _ = fs::remove_dir_all(output);
    Ok(true)
}

/// Refuses a compiler or a source whose crates the kernel's would not be.
fn fits(tree: &Description, source: &Path) -> kiln_tree::Result<()> {
    if let Some(why) = said_by(OsStr::new("rustc")).and_then(|s| rust::other_compiler(tree, &s)) {
        let hint = "install the rustc that built it, or put it first in PATH";
        return Err(Error::new(Kind::Unsupported, why).hint(hint));
    }
    let version = MakeFacts::of_dir(source).version;
    if let (Some(theirs), Some(ours)) = (tree.version, version)
        && theirs != ours
    {
        let dots = |v: [u32; 3]| format!("{}.{}.{}", v[0], v[1], v[2]);
        let message =
            format!("the source is of {} and the tree is of {}", dots(ours), dots(theirs));
        let hint = format!("give the source of {}", dots(theirs));
        return Err(Error::new(Kind::Unsupported, message).hint(hint));
    }
    Ok(())
}

/// What a Rust compiler says of its version, if it can be started.
fn said_by(rustc: &OsStr) -> Option<Vec<u8>> {
    let ran = run_program(&Command::new([rustc]).arg("--version")).ok()?;
    ran.success().then_some(ran.stdout)
}

fn run_make(source: &Path, output: &Path, set: &[(String, String)], targets: &[&str]) -> Exit {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut argv = vec![kiln_session::command::make_command()];
    argv.push(b"-C".to_vec());
    argv.push(source.as_os_str().as_bytes().to_vec());
    argv.push(b"--no-print-directory".to_vec());
    argv.push(format!("-j{jobs}").into_bytes());
    argv.push([b"O=", output.as_os_str().as_bytes()].concat());
    argv.extend(set.iter().map(|(name, value)| format!("{name}={value}").into_bytes()));
    argv.extend(targets.iter().map(|t| t.as_bytes().to_vec()));
    kiln_session::make(argv, kiln_session::for_a_person()).unwrap_or(Exit::Status(2))
}

fn listed(prefix: &str, names: &[String]) -> String {
    let mut out: Vec<String> = names.iter().take(SHOWN).map(|n| format!("{prefix}{n}")).collect();
    if names.len() > SHOWN {
        out.push(format!("and {} more", names.len() - SHOWN));
    }
    out.join(", ")
}

/// Refuses to build a module in Rust against a tree that cannot have one, before rustc says it in
/// words about crates. `rustc` is the compiler that was named for this build.
///
/// # Errors
/// In words, with the command that helps.
pub fn check(tree: &Description, dir: &Path, rustc: Option<&OsStr>) -> Result<(), String> {
    let Some(file) = module_source(dir, 0) else { return Ok(()) };
    let (release, file) = (&tree.release, file.strip_prefix(dir).unwrap_or(&file).display());
    if !tree.rust.on {
        return Err(format!(
            "{file}: kernel {release} was built without Rust (CONFIG_RUST is off), and a module in \
             Rust cannot be built for it"
        ));
    }
    let lacking = |m: &&kiln_tree::missing::Missing| {
        m.what == RUST_CRATES || (m.what == "rustc" && rustc.is_none())
    };
    if let Some(missing) = tree.missing.iter().find(lacking) {
        let help = missing.help.as_ref().map_or(String::new(), |h| format!("\n  hint: {h}"));
        return Err(format!("{file}: {release}: no {}: {}{help}", missing.what, missing.effect));
    }
    match said_by(rustc.unwrap_or(OsStr::new("rustc"))).and_then(|s| rust::other_compiler(tree, &s))
    {
        Some(why) => Err(format!("{file}: {why}")),
        None => Ok(()),
    }
}

/// A Rust source that a Kbuild file beside it names as an object. Sources that no Kbuild file names,
/// such as those of a program, are none of the kernel's.
fn module_source(dir: &Path, depth: usize) -> Option<PathBuf> {
    let mut sources = Vec::new();
    let mut below = Vec::new();
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !name.as_bytes().starts_with(b".") {
            below.push(entry.path());
        } else if name.as_bytes().ends_with(b".rs") {
            sources.push(entry.path());
        }
    }
    sources.sort();
    below.sort();
    let text = ["Kbuild", "Makefile"].iter().find_map(|n| fs::read(dir.join(n)).ok());
    let text = text.unwrap_or_default();
    let named = |source: &&PathBuf| {
        let object = source.with_extension("o");
        let name = object.file_name().unwrap_or_default().as_bytes();
        // kbuild takes the C source where there are both.
        let other = ["c", "S"].iter().any(|e| source.with_extension(e).exists());
        let mut words = text.split(|b| b" \t\n\r\\=+:".contains(b));
        !other && words.any(|w| w == name)
    };
    sources
        .iter()
        .find(named)
        .cloned()
        .or_else(|| below.iter().filter(|_| depth < 4).find_map(|d| module_source(d, depth + 1)))
}
