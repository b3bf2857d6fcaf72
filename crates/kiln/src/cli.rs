//! The command line for people. One definition gives parsing, help and completions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Builds Linux kernel modules that live outside the kernel tree.
#[derive(Parser)]
#[command(name = "kiln", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Build the modules of a directory
    Build(Work),
    /// Install the modules that were built there
    Install(Work),
    /// Remove what building left there
    Clean(Work),
    /// List kernels, or add, fetch and remove them
    Kernels {
        #[command(subcommand)]
        action: Option<crate::kernels::Action>,
    },
    /// Boot a kernel under QEMU, load modules, and say what came of it
    Boot(crate::kernels::Boot),
    /// Show the answers of commands that are kept, or forget them
    Cache {
        /// Forget them all
        #[arg(long)]
        clear: bool,
    },
    /// Do what GNU make 4.4.1 does with the same arguments (`--verify` first: compare with it)
    #[command(disable_help_flag = true)]
    Make {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run one of the kernel's host tools natively, with its own arguments
    #[command(disable_help_flag = true)]
    Tool {
        /// fixdep, modpost, genksyms, …
        name: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// What `build`, `install` and `clean` take.
#[derive(Args)]
pub struct Work {
    /// The kernel: a release, or the directory of a header or build tree. By default the running
    /// kernel's tree, else the newest found
    #[arg(short = 'k', long, value_name = "RELEASE|DIR")]
    pub kernel: Option<PathBuf>,
    /// Leave the module's directory alone, which may be read-only, and do the work in DIR: Kiln keeps
    /// a copy of the sources there up to date. Works with every kernel
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How many jobs at once; by default one for each processor
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroU32>,
    /// Print whole commands
    #[arg(short, long)]
    pub verbose: bool,
    /// Go on with what does not depend on a failed target
    #[arg(long)]
    pub keep_going: bool,
    /// Say of each target that is made why
    #[arg(long)]
    pub why: bool,
    /// Say at the end where the time went
    #[arg(long)]
    pub timing: bool,
    /// Write a trace of all jobs to FILE, for Perfetto or Chrome
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// [DIR] [TARGET…] [VAR=VALUE…]: the module's directory (by default this one), then targets and
    /// settings as for make
    #[arg(value_name = "DIR|TARGET|VAR=VALUE")]
    pub words: Vec<OsString>,
}

/// Cuts a leading `--verify` off the arguments of `kiln make`.
pub fn take_verify(args: &[Vec<u8>]) -> (bool, &[Vec<u8>]) {
    match args.split_first() {
        Some((first, rest)) if first == b"--verify" => (true, rest),
        _ => (false, args),
    }
}
