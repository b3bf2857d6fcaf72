//! The project's own chores: `cargo xtask COMMAND`. Each command ends with a line
//! `N passed, N failed` where it checks something, and with status 1 where a check failed.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

mod bench;
mod boots;
mod conformance;
mod guard;
mod kernels;
mod kills;
mod options;
mod prepared;
mod projects;
mod reading;
mod suite;
mod tally;
mod tidy;
mod tools;

use std::process::ExitCode;

use options::Options;

const USAGE: &str = "usage: cargo xtask COMMAND

  conformance [NAME…] [--tree SERIES] [--jobs N] [--long] [--fresh] [--list] [--quiet]
              [--program FILE] [--env NAME=VALUE] [--record] [--table]
        run cases with GNU make and with Kiln and compare; NAME is a part of a case's name,
        or a pattern with *; --record only runs GNU make and keeps what it did; --table puts the
        counts into docs/kernels.md
  corpus [NAME…] (options as above)
        the packaged modules alone, all of them
  reference
        build GNU make 4.4.1 if it is not there yet, and say where it is
  gnu-make-suite [CATEGORY[/FILE]…] [--jobs N] [--program FILE] [--quiet] [--list] [--record]
        GNU make's own test suite
  projects [NAME…] [--fresh] [--program FILE]
        busybox, lua, zlib, hello and others, built with both
  bench build [CASE…] [--step STEP]… [--fresh] [--jobs N]
  bench eval|tools
        (and [--turns N] [--tree SERIES] [--program FILE]) figures beside GNU make and the tree's tools; see BENCHMARKING.md
  boots [NAME…] [--tree SERIES] [--long] [--table]
        kernels under QEMU load what Kiln built and refuse what they have to
  kills [N] [--tree SERIES] [--program FILE]
        N builds (200) killed at random moments; the next one has to be right
  prepared [NAME…] [--tree SERIES] [--fresh] [--program FILE]
        kernel sources: modules_prepare, and small kernels built whole, which then load a module
  tidy  hold the repository to its own rules";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let options = match Options::parse(args) {
        Ok(o) => o,
        Err(said) => return fail(&said),
    };
    const BUILD: [&str; 6] = ["conformance", "corpus", "bench", "boots", "kills", "prepared"];
    if BUILD.contains(&command.as_str()) {
        guard::enter();
    }
    let done = match command.as_str() {
        "conformance" => conformance::run(&options, false),
        "corpus" => conformance::run(&options, true),
        "reference" => kiln_testkit::reference::make().map(|p| {
            println!("{}", p.display());
            true
        }),
        "gnu-make-suite" => suite::run(&options),
        "prepared" => prepared::run(&options),
        "projects" => projects::run(&options),
        "bench" => bench::run(&options),
        "floor" => bench::floor(&options, true),
        "floor-stat" => bench::floor(&options, false),
        "boots" => boots::run(&options),
        "kills" => kills::run(&options),
        "tidy" => tidy::run(),
        _ => return fail(USAGE),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(said) => fail(&said),
    }
}

fn fail(said: &str) -> ExitCode {
    eprintln!("{said}");
    ExitCode::from(2)
}
