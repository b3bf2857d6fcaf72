//! The commands for people: which one it is, and how it ends.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use kiln_session::Exit;
use kiln_session::told::Telling;
use kiln_tree::Machine;
use kiln_tree::rooted::Root;

use crate::build;
use crate::cli::{Cli, Command};

/// Runs a command of the command line and gives its exit status.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Build(work) => build::run(&work, None),
        Command::Install(work) => build::run(&work, Some("modules_install")),
        Command::Clean(work) => build::run(&work, Some("clean")),
        Command::Kernels { action } => crate::kernels::run(action),
        Command::Cache { clear } => cache(clear),
        Command::Boot(args) => crate::kernels::boot(args),
        // Both are cut off before, because their arguments are another language.
        Command::Make { args } => {
            return make(&args.into_iter().map(OsStringExt::into_vec).collect::<Vec<_>>(), false);
        }
        Command::Tool { name, args } => {
            let words = std::iter::once(name).chain(args);
            return crate::tool::run(&words.map(OsStringExt::into_vec).collect::<Vec<_>>());
        }
    };
    done.unwrap_or_else(|text| {
        eprintln!("kiln: {text}");
        ExitCode::from(2)
    })
}

/// Says something on standard output. Nobody being there to read it any more ends this process as it would
/// end any other.
pub fn say(text: impl Display) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    // Not written piece by piece: JSON cannot be told that one failed.
    match out.write_all(text.to_string().as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => kiln_session::die_of(13),
        Err(e) => return Err(format!("standard output: {e}")),
        Ok(()) => {}
    }
    Ok(())
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

/// Runs make for a person, tells what was asked for, and ends as make ended.
pub fn exit_telling(argv: Vec<Vec<u8>>, telling: &Telling) -> ExitCode {
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
        say(format_args!("{age:>8} {:>7} B  {}\n", e.size, e.command))?;
        if let Some(why) = &e.again {
            say(format_args!("{:20}runs again: {why}\n", ""))?;
        }
    }
    say(format_args!("{} answers, {size} bytes in {}\n", entries.len(), dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What the machine is, for finding trees.
pub fn machine() -> Machine {
    let superuser = kiln_session::is_superuser();
    Machine::read(Root::new("/"), |name| std::env::var_os(name), superuser)
}
