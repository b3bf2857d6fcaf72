//! The `kiln` program: `kiln make …` (also when called as `make` or `gmake`) and the commands for
//! people.
#![allow(clippy::print_stderr)] // this crate is the one that tells of errors

mod build;
mod cli;
mod kernels;
mod people;
mod rust;
mod tool;
mod verify;

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args: Vec<Vec<u8>> = std::env::args_os().map(OsStringExt::into_vec).collect();
    let name = args.first().map_or(&b""[..], |a| a.rsplit(|&c| c == b'/').next().unwrap_or(a));
    // make's command line is its own language, so it is cut off before the other parser sees it.
    if name == b"make" || name == b"gmake" {
        return people::exit(args, kiln_session::for_a_person());
    }
    match args.get(1).map(Vec::as_slice) {
        Some(b"make") => {
            let (verify, rest) = cli::take_verify(&args[2..]);
            people::make(rest, verify)
        }
        Some(b"tool") if args.len() > 2 => tool::run(&args[2..]),
        _ => people::run(cli::Cli::parse()),
    }
}
