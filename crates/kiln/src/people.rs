//! `kiln build`, `install` and `clean`: make's work with a person's words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kiln_session::Exit;
use kiln_session::told::Telling;
use kiln_tree::Machine;
use kiln_tree::rooted::Root;

use crate::cli::{Cli, Command, Work};

/// Runs a command of the command line and gives its exit status.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Build(work) => build(&work, None),
        Command::Install(work) => build(&work, Some("modules_install")),
        Command::Clean(work) => build(&work, Some("clean")),
        Command::Kernels { action } => crate::kernels::run(action),
        Command::Cache { clear } => cache(clear),
        Command::Boot(args) => crate::kernels::boot(args),
        // Both are cut off before, because their arguments are another language.
        Command::Make { args } => {
            return make(&args.into_iter().map(OsStringExt::into_vec).collect::<Vec<_>>(), false);
        }
        Command::Tool { name, args } => {
            let args: Vec<_> = args.into_iter().map(OsStringExt::into_vec).collect();
            return crate::tool::run(name.as_bytes(), &args);
        }
    };
    done.unwrap_or_else(|text| {
        eprintln!("kiln: {text}");
        ExitCode::from(2)
    })
}

/// Runs make and ends as it ended: with its status, or by its signal. `explain` adds to its errors
/// what a person may want to know.
pub fn exit(argv: Vec<Vec<u8>>, explain: bool) -> ExitCode {
    match kiln_session::make(argv, explain) {
        Ok(exit) => end(exit),
        Err(e) => {
            eprintln!("kiln: the build could not be set up: {e}");
            ExitCode::from(2)
        }
    }
}

/// `kiln make ARGS…`.
pub fn make(args: &[Vec<u8>], verify: bool) -> ExitCode {
    if verify {
        return crate::verify::run(args);
    }
    let mut argv = vec![kiln_session::command::make_command()];
    argv.extend_from_slice(args);
    exit(argv, kiln_session::for_a_person())
}

/// `kiln cache`: what is kept, why it would be run again, how old and how big.
fn cache(clear: bool) -> Result<ExitCode, String> {
    let dir = kiln_session::command::cache_dir()
        .ok_or("there is no cache directory (HOME is not set)")?;
    if clear {
        kiln_session::probes::clear(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (entries, size) = kiln_session::probes::list(&dir);
    for e in &entries {
        let age = match e.age {
            s if s < 120 => format!("{s} s"),
            s if s < 7200 => format!("{} min", s / 60),
            s => format!("{} h", s / 3600),
        };
        let command: String = e.command.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = command.chars().take(100).collect();
        println!("{age:>8} {:>7} B  {short}", e.size);
        if let Some(why) = &e.again {
            println!("{:20}runs again: {why}", "");
        }
    }
    println!("{} answers, {size} bytes in {}", entries.len(), dir.display());
    Ok(ExitCode::SUCCESS)
}

/// What the machine is, for finding trees.
pub fn machine() -> Machine {
    let superuser = kiln_session::is_superuser();
    Machine::read(Root::new("/"), |name| std::env::var_os(name), superuser)
}

fn build(work: &Work, target: Option<&str>) -> Result<ExitCode, String> {
    let (dir, words) = directory(&work.words)?;
    check_module(&dir)?;
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
    for (name, value) in described.make_variables() {
        let given = |w: &OsString| w.as_bytes().starts_with(format!("{name}=").as_bytes());
        if !words.iter().any(given) {
            push(format!("{name}={value}").as_bytes());
        }
    }
    for word in target.iter().map(|t| t.as_bytes()).chain(words.iter().map(|w| w.as_bytes())) {
        push(word);
    }
    let telling = Telling { why: work.why, trace: work.trace.clone(), timing: work.timing };
    Ok(exit_telling(argv, &telling))
}

/// Runs make for a person, tells what was asked for, and ends as make ended.
fn exit_telling(argv: Vec<Vec<u8>>, telling: &Telling) -> ExitCode {
    let say = Box::new(|text: &str| eprintln!("kiln: {text}"));
    let (exit, log) = match kiln_session::make_telling(argv, true, telling, say) {
        Ok(done) => done,
        Err(e) => {
            eprintln!("kiln: the build could not be set up: {e}");
            return ExitCode::from(2);
        }
    };
    if let (Some(file), Some(log)) = (&telling.trace, &log)
        && let Err(e) = std::fs::write(file, kiln_session::trace::json(log))
    {
        eprintln!("kiln: {}: the trace cannot be written: {e}", file.display());
    }
    if let Some(log) = log.filter(|_| telling.timing) {
        eprint!("{}", kiln_session::trace::timing(&log, kiln_session::own_time()));
    }
    end(exit)
}

/// Ends as make ended: with its status, or by its signal.
fn end(exit: Exit) -> ExitCode {
    match exit {
        Exit::Status(status) => ExitCode::from(status as u8),
        Exit::Signal(signal) => {
            kiln_session::die_of(signal);
            ExitCode::from(2)
        }
    }
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
