//! One invocation: arguments and environment in, exit status out. The only crate that knows that
//! kbuild exists.
//!
//! - [`switches`], [`makeflags`]: the command line and MAKEFLAGS
//! - [`instance`]: one make instance from its arguments to its exit status
//! - [`remake`], [`restart`]: makefiles that are themselves targets
//! - [`slots`]: job slots and the lock on output
//! - [`submake`]: a recursive make within the process
//! - [`native`]: the kernel's small host programs done in the process
//! - [`mirror`]: the sources in an output directory (`-o`)
//! - [`btfids`]: what is natively done of resolve_btfids
//! - [`probes`]: `$(shell …)` answered from what was seen before
//! - [`recipes`]: recipes that would only do again what they did
//! - [`order`]: how long recipes took, so that the longest is not begun last
//! - [`record`]: whole runs that had nothing to do
//! - [`turn`]: two builds of one directory do not run at once
//! - [`command`]: what `$(MAKE)` is
//! - [`journal`]: targets whose recipes have not ended, for the next build after a kill
//! - [`told`], [`log`], [`why`], [`trace`]: what a person asks about a build
//! - [`explain`]: what a person is told beyond make's message
//! - [`toolhost`]: the real system as the native tools see it

pub mod btfids;
pub mod command;
pub mod explain;
mod idle;
pub mod instance;
pub mod journal;
pub mod log;
pub mod makeflags;
pub mod mirror;
pub mod native;
pub mod order;
pub mod probes;
pub mod recipes;
pub mod record;
mod remake;
pub mod restart;
mod slots;
pub mod submake;
pub mod switches;
pub mod text;
pub mod told;
pub mod toolhost;
pub mod trace;
pub mod turn;
pub mod why;

use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Weak};

use kiln_base::RealSys;
use kiln_exec::{Signals, Sink, SubMake};
use kiln_watch::Surroundings;

pub use instance::{Exit, Invocation};
/// For what is neither a recipe nor a probe: downloads, boots.
pub use kiln_exec::program;

/// Stack of a make instance's thread. Expansion recurses as deeply as makefiles do; the memory is
/// only reserved, not used, until then.
pub const STACK: usize = 512 << 20;

/// What all instances of the process share.
pub struct Shared {
    /// The signals that end a build.
    pub signals: Arc<Signals>,
    /// Lines for `/bin/sh` may run in the process: it is dash, which kiln-shell follows.
    pub shell_inside: bool,
    /// Does the kernel's small host programs in the process.
    pub native: Arc<native::Tools>,
    /// Answers `$(shell …)` from what was seen.
    pub probes: Option<Arc<probes::Answers>>,
    /// Knows recipes from earlier runs.
    pub recipes: Option<Arc<recipes::Known>>,
    /// Knows how long recipes took.
    pub order: Option<Arc<order::Order>>,
    /// Notes what the run rests on, where that is to be kept.
    pub recording: Option<Arc<record::Recording>>,
    /// Runs recursive makes in the process.
    pub submake: Option<Arc<dyn SubMake>>,
    /// A person reads what is written to standard error: errors are explained.
    pub explain: bool,
    /// Who is told what happens.
    pub listeners: Arc<told::Listeners>,
    /// The modules' directories that are being built.
    pub turns: Arc<turn::Turns>,
}

impl Shared {
    /// For a process that is one build; with `record` it is noted what the run rests on.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn new(
        slow: &Slow,
        explain: bool,
        record: bool,
        listeners: Arc<told::Listeners>,
        around: Surroundings,
    ) -> std::io::Result<Arc<Self>> {
        let signals = Arc::new(Signals::install()?);
        let probes = command::cache_dir().filter(|_| !slow.has("probes"));
        // Where makes run as processes of their own, what they look at is not noted.
        let recording = (record && probes.is_some() && !slow.has("submake"))
            .then(|| Arc::new(record::Recording::new()));
        let recipes = command::cache_dir().filter(|_| !slow.has("recipes"));
        let recipes = recipes.map(|dir| Arc::new(recipes::Known::open(&dir, around.clone())));
        // Of makes that are processes of their own it is not known what they run.
        let order = command::cache_dir().filter(|_| !slow.has("order") && !slow.has("submake"));
        let order = order.map(|dir| Arc::new(order::Order::new(&dir)));
        let probes =
            probes.map(|dir| Arc::new(probes::Answers::open(&dir, recording.clone(), around)));
        Ok(Arc::new_cyclic(|shared: &Weak<Shared>| {
            // The system tells where the program lies without links on the way.
            let own = std::env::current_exe().ok();
            let submake = own.filter(|_| !slow.has("submake")).map(|own| {
                Arc::new(submake::InProcess { shared: Weak::clone(shared), own })
                    as Arc<dyn SubMake>
            });
            let shell_inside = !slow.has("shell") && sh_is_dash();
            let native = Arc::new(native::Tools::new(command::cache_dir(), slow, explain));
            let turns = turn::Turns::new(command::cache_dir().as_deref());
            Shared {
                signals,
                shell_inside,
                native,
                probes,
                recipes,
                order,
                recording,
                submake,
                explain,
                listeners,
                turns,
            }
        }))
    }
}

/// Whether `/bin/sh` leads to dash.
fn sh_is_dash() -> bool {
    // Where it is a link to the file beside it, as a rule, two questions tell that.
    let beside = std::fs::read_link("/bin/sh").is_ok_and(|to| to.as_os_str() == "dash")
        && std::fs::symlink_metadata("/bin/dash").is_ok_and(|m| m.is_file());
    let sh = || std::fs::canonicalize("/bin/sh");
    beside || sh().is_ok_and(|p| p.file_name().is_some_and(|n| n == "dash"))
}

/// `KILN_SLOW`: which fast paths are switched off, by name.
pub struct Slow(String);

impl Slow {
    /// As the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        Slow(std::env::var("KILN_SLOW").unwrap_or_default())
    }

    /// Whether the fast path called `name` is off.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.split(',').any(|w| w.trim() == name || w.trim() == "all")
    }
}

/// Whether a person reads what is written to standard error.
#[must_use]
pub fn for_a_person() -> bool {
    std::io::stderr().is_terminal()
}

/// Runs make with these arguments, the program's name first, in this process's directory and
/// environment. With `explain`, errors in makefiles are explained below make's own message.
///
/// # Errors
/// If the process cannot be set up: no working directory, no descriptors, no memory for a thread.
pub fn make(argv: Vec<Vec<u8>>, explain: bool) -> std::io::Result<Exit> {
    make_telling(argv, explain, &told::Telling::default(), Box::new(|_| {})).map(|(exit, _)| exit)
}

/// As [`make`], and tells what was asked for: lines for a person by `say` while it runs, and the rest
/// in the log that is returned where a trace or the timing was asked for.
///
/// # Errors
/// As [`make`].
pub fn make_telling(
    argv: Vec<Vec<u8>>,
    explain: bool,
    telling: &told::Telling,
    say: told::Say,
) -> std::io::Result<(Exit, Option<log::Log>)> {
    kiln_watch::one_heap();
    let slow = Slow::from_env();
    let env: Vec<_> = std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect();
    let cache = command::cache_dir();
    let around = Surroundings::now();
    // What is told of a build is told of one that is carried out.
    let whole = !telling.is_any() && !slow.has("plan") && !slow.has("probes");
    let asked = cache
        .clone()
        .filter(|_| whole)
        .and_then(|dir| Some((record::Asked::now(&argv, &env, explain, &around)?, dir)));
    if let Some(exit) = asked.as_ref().and_then(|(asked, cache)| asked.answer(cache)) {
        return Ok((exit, None));
    }
    let sys = Box::new(RealSys::current()?);
    let listeners = Arc::new(told::Listeners::new(cache.as_deref(), telling, say));
    let shared = Shared::new(&slow, explain, asked.is_some(), Arc::clone(&listeners), around)?;
    let sys = match &shared.recording {
        Some(recording) => recording.around(sys),
        None => Arc::from(sys as Box<dyn kiln_base::Sys>),
    };
    let invocation = Invocation {
        argv,
        env,
        sys,
        shared: Arc::clone(&shared),
        sink: Sink::default(),
        slots: None,
        lock: None,
        good_stdin: true,
        job: 0,
        above: 0,
    };
    let thread = std::thread::Builder::new()
        .name("make".into())
        .stack_size(STACK)
        .spawn(move || instance::run(invocation))?;
    let exit = thread.join();
    if let Some(probes) = &shared.probes {
        probes.save();
    }
    if let Some(order) = &shared.order {
        order.save();
    }
    shared.native.save();
    let log = listeners.end();
    if let (Ok(Exit::Status(0)), Some(recording), Some((asked, cache))) =
        (&exit, &shared.recording, &asked)
    {
        recording.keep(asked, cache);
    }
    // A panic has printed its message; make's status for its own failure is 2.
    Ok((exit.unwrap_or(Exit::Status(2)), log))
}

/// Ends the process by a signal, as make does after cleaning up.
pub fn die_of(signal: i32) {
    kiln_exec::signals::end_by(signal);
}

/// The processor time that this process has had, without its children's.
#[must_use]
pub fn own_time() -> std::time::Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::new(t.tv_sec.try_into().unwrap_or(0), t.tv_nsec.try_into().unwrap_or(0))
}

/// Whether this is root.
#[must_use]
pub fn is_superuser() -> bool {
    rustix::process::geteuid().is_root()
}
