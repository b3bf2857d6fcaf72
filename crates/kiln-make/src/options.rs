//! The settings of one make instance: what the command line, MAKEFLAGS and the environment said.
//! Plain data; reading arguments and writing MAKEFLAGS is the session's work.

use kiln_base::Name;

/// GNU make manual, "Summary of Options". Names follow the long options.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // these are make's switches, one field each
pub struct Options {
    /// `-B`
    pub always_make: bool,
    /// `-L`
    pub check_symlink_times: bool,
    /// `-d`, `--debug=FLAGS`, in order of appearance.
    pub debug: Vec<Vec<u8>>,
    /// The letters that `-d`/`--debug` came down to; see [`debug`].
    pub debug_level: u32,
    /// `-e`
    pub environment_overrides: bool,
    /// `-E STRING`, in order.
    pub eval: Vec<Vec<u8>>,
    /// `-f FILE`, in order.
    pub makefiles: Vec<Vec<u8>>,
    /// `-I DIR`, in order, as given.
    pub include_dirs: Vec<Vec<u8>>,
    /// `-i`
    pub ignore_errors: bool,
    /// `-j N`: `None` where it was not given, `Some(0)` for no limit.
    pub jobs: Option<u32>,
    /// `--jobserver-auth=…` as inherited or as made.
    pub jobserver_auth: Option<Vec<u8>>,
    /// `--jobserver-style=…`
    pub jobserver_style: Option<Vec<u8>>,
    /// `-k`
    pub keep_going: bool,
    /// `-l N`; negative is no limit.
    pub load_average: Option<f64>,
    /// `-n`
    pub just_print: bool,
    /// `-o FILE`
    pub old_files: Vec<Vec<u8>>,
    /// `-W FILE`
    pub new_files: Vec<Vec<u8>>,
    /// `-O[TYPE]`
    pub output_sync: OutputSync,
    /// `--sync-mutex=…` as inherited.
    pub sync_mutex: Option<Vec<u8>>,
    /// `-p`
    pub print_data_base: bool,
    /// `-w` given (`Some(true)`), `--no-print-directory` given (`Some(false)`), or neither.
    pub print_directory: Option<bool>,
    /// `-q`
    pub question: bool,
    /// `-r`
    pub no_builtin_rules: bool,
    /// `-R`
    pub no_builtin_variables: bool,
    /// `--shuffle[=MODE]`
    pub shuffle: Option<Vec<u8>>,
    /// `-s`; `Some(false)` for `--no-silent`.
    pub silent: Option<bool>,
    /// `-t`
    pub touch: bool,
    /// `--trace`
    pub trace: bool,
    /// `--warn-undefined-variables`
    pub warn_undefined: bool,
    /// `-C DIR`, in order.
    pub directories: Vec<Vec<u8>>,
    /// Variables that the command line or MAKEFLAGS defined, in order of first definition.
    pub variables: Vec<Name>,
    /// `-d` itself.
    pub debug_all: bool,
    /// `-O`'s argument as given; [`Options::output_sync`] is what it means.
    pub output_sync_text: Option<Vec<u8>>,
    /// Which of [`Options::makefiles`] is the copy of standard input.
    pub stdin_makefile: Option<usize>,
    /// `-h`
    pub help: bool,
    /// `-v`
    pub version: bool,
    /// Makefiles are being remade: `-n`, `-q` and `-t` do not count.
    pub remaking_makefiles: bool,
    /// `-j` as MAKEFLAGS had it, for when the command line has none.
    pub env_jobs: Option<u32>,
    /// One bit per switch that was given somewhere, in the session's order of switches.
    pub specified: u64,
    /// Who decided the switches that can be taken back.
    pub ranks: Ranks,
}

/// For switches that have an opposite: the rank of the place that decided, so that a makefile does
/// not overrule the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ranks {
    /// `-k`, `-S`
    pub keep_going: u8,
    /// `-s`, `--no-silent`
    pub silent: u8,
    /// `-w`, `--no-print-directory`
    pub print_directory: u8,
}

/// `-O`: how the output of parallel jobs is kept together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OutputSync {
    /// Not at all.
    #[default]
    None,
    /// `-Oline`
    Line,
    /// `-Otarget`
    Target,
    /// `-Orecurse`
    Recurse,
}

/// Bits of [`Options::debug_level`], as `--debug` names them.
pub mod debug {
    /// `b`: what was remade.
    pub const BASIC: u32 = 1;
    /// `v`: more of the same, and makefiles that are read.
    pub const VERBOSE: u32 = 2;
    /// `j`: processes.
    pub const JOBS: u32 = 4;
    /// `i`: implicit rule search.
    pub const IMPLICIT: u32 = 8;
    /// `p`: print recipes even if silent.
    pub const PRINT: u32 = 0x10;
    /// `w`: why each target is remade.
    pub const WHY: u32 = 0x20;
    /// `m`: remaking makefiles.
    pub const MAKEFILES: u32 = 0x100;
    /// `a`: all of it.
    pub const ALL: u32 = 0xfff;
}
