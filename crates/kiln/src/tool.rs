//! `kiln tool [--instead-of PROGRAM] NAME ARGS…`: the kernel's host tools under their own names.
//!
//! A build that cannot run a tree's own PROGRAM here starts the tool instead of it. What the tool then
//! leaves to the original gets the original's answer all the same, if only its loader's.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use kiln_session::native::INSTEAD_OF;
use kiln_session::program::{self, Environment};
use kiln_session::toolhost::ToolHost;

/// Runs a tool with its own arguments; the exit status is the tool's.
pub fn run(args: &[Vec<u8>]) -> ExitCode {
    match args {
        [option, program, name, args @ ..] if option == INSTEAD_OF => {
            tool(name, args, Some(program))
        }
        [name, args @ ..] => tool(name, args, None),
        [] => ExitCode::from(2),
    }
}

fn tool(name: &[u8], args: &[Vec<u8>], original: Option<&Vec<u8>>) -> ExitCode {
    let Some(main) = std::str::from_utf8(name).ok().and_then(kiln_session::native::find) else {
        let known: Vec<&str> = kiln_modtools::TOOLS.iter().map(|(n, _)| *n).collect();
        eprintln!("kiln: there is no tool called {}", String::from_utf8_lossy(name));
        eprintln!("kiln: the tools are: {}", known.join(", "));
        return ExitCode::from(2);
    };
    let env = std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect();
    let mut host = ToolHost::new(std::env::current_dir().unwrap_or_default(), env);
    let status = main(args, &mut host);
    let declined = status == kiln_session::btfids::DECLINED;
    if let Some(original) = original.filter(|_| host.beyond || declined)
        && let Some(code) = run_original(original, args, &host.err)
    {
        return code;
    }
    if declined {
        eprintln!("kiln: this needs the kernel tree's own {}", String::from_utf8_lossy(name));
        return ExitCode::from(1);
    }
    let written = std::io::stdout()
        .write_all(&host.out)
        .and_then(|()| std::io::stderr().write_all(&host.err));
    if written.is_err() {
        return ExitCode::from(2);
    }
    ExitCode::from(status as u8)
}

/// Runs the tree's own program after all; nothing if it cannot even be started. A person also reads
/// what the tool had to say, which is nearer to the cause.
fn run_original(original: &[u8], args: &[Vec<u8>], said: &[u8]) -> Option<ExitCode> {
    let words: Vec<OsString> = std::iter::once(original)
        .chain(args.iter().map(Vec::as_slice))
        .map(|w| OsString::from_vec(w.to_vec()))
        .collect();
    let ran = program::run(&words, Environment::And(&[]), Path::new(""), None).ok()?;
    if kiln_session::for_a_person() {
        let _ = std::io::stderr().write_all(said);
    }
    let written = std::io::stdout()
        .write_all(&ran.stdout)
        .and_then(|()| std::io::stderr().write_all(&ran.stderr));
    let code = ran.status.and_then(|s| u8::try_from(s).ok()).unwrap_or(2);
    Some(ExitCode::from(if written.is_err() { 2 } else { code }))
}
