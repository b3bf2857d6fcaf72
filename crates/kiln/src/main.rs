//! The `kiln` program: `kiln make …` (also when called as `make`) and the commands for people.
#![allow(clippy::print_stdout, clippy::print_stderr)] // this crate is the one that prints

use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use kiln_session::toolhost::ToolHost;

fn main() -> ExitCode {
    let args: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match args.first().map(Vec::as_slice) {
        Some(b"tool") if args.len() > 1 => tool(&args[1], &args[2..]),
        _ => {
            eprintln!("usage: kiln tool NAME ARGS...");
            ExitCode::from(2)
        }
    }
}

/// Runs one of the kernel's host tools under its own name and with its own arguments.
fn tool(name: &[u8], args: &[Vec<u8>]) -> ExitCode {
    let Some(main) = kiln_modtools::find(name) else {
        eprintln!("kiln: there is no tool called {}", String::from_utf8_lossy(name));
        return ExitCode::from(2);
    };
    let dir = std::env::current_dir().unwrap_or_default();
    let mut host = ToolHost::new(dir);
    let status = main(args, &mut host);
    let written = std::io::stdout()
        .write_all(&host.out)
        .and_then(|()| std::io::stderr().write_all(&host.err));
    if written.is_err() {
        return ExitCode::from(2);
    }
    ExitCode::from(status as u8)
}
