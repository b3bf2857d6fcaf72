//! Starting a kernel under QEMU to see whether modules load in it.
//!
//! [`plan`] makes everything that is needed out of modules, an image and a script: an initramfs whose
//! only program is `init.c`, and QEMU's command line. The caller runs the command; [`verdict`] reads
//! the kernel's log from its output. [`run`] does all three with the caller's [`Runner`].
//!
//! Nothing of the machine is changed and no privilege is needed.

pub mod image;
pub mod init;
pub mod modinfo;
pub mod qemu;
pub mod script;
pub mod steps;
pub mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::archive::cpio;
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::process::{Command, Runner};

pub use image::Image;
pub use script::Script;
pub use steps::{Step, What};
pub use verdict::Verdict;

/// How QEMU is to run the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// In software: works everywhere.
    #[default]
    Tcg,
    /// With the processor's help, and in software after all where that does not work.
    Kvm,
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files of modules, in the order in which they are to be loaded. What they depend on is loaded
    /// before them.
    pub modules: Vec<PathBuf>,
    /// Parameters by module name.
    pub parameters: Vec<(String, String)>,
    /// The kernel.
    pub image: Image,
    /// Run when the modules are loaded.
    pub script: Option<Script>,
    /// More words for the kernel's command line (`module.sig_enforce=1`).
    pub kernel_args: Vec<String>,
    /// Memory of the machine, in MiB.
    pub memory: u32,
    /// How.
    pub accel: Accel,
    /// How long the whole may take.
    pub timeout: Duration,
    /// A statically linked busybox, which gives the script a shell.
    pub busybox: Option<PathBuf>,
}

impl Request {
    /// To load modules into a kernel, with 256 MiB and two minutes.
    pub fn new(modules: Vec<PathBuf>, image: Image) -> Request {
        Request {
            modules,
            parameters: Vec::new(),
            image,
            script: None,
            kernel_args: Vec::new(),
            memory: 256,
            accel: Accel::Tcg,
            timeout: Duration::from_secs(120),
            busybox: None,
        }
    }
}

/// A boot that is ready to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the initramfs' init does, in order.
    pub steps: Vec<Step>,
    /// The initramfs (newc cpio).
    pub initramfs: Vec<u8>,
    /// What was noticed while planning: modules that are needed and were not found.
    pub notes: Vec<String>,
    /// QEMU's command line but for the initramfs' place.
    command: Command,
}

impl Plan {
    /// Writes the initramfs into a directory and gives the command to be run. Its standard output is
    /// the machine's serial line.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub fn write(&self, dir: &Path) -> Result<Command> {
        fs::create_dir_all(dir).map_err(|e| Error::io("make", dir, e))?;
        let file = dir.join("initramfs.cpio");
        fs::write(&file, &self.initramfs).map_err(|e| Error::io("write", &file, e))?;
        Ok(self.command.clone().arg("-initrd").arg(file))
    }
}

/// Makes a plan. `init` is the program that [`init::program`] built for the image's architecture.
///
/// # Errors
/// A module, image, script or busybox that cannot be read; a program that is missing.
pub fn plan(machine: &Machine, request: &Request, init: &[u8]) -> Result<Plan> {
    let command = qemu::command(machine, request)?;
    let steps::Planned { steps, files, notes } = steps::plan(request)?;
    let text = steps::text(&steps)?;
    let mut cpio = cpio::Writer::new();
    for dir in ["dev", "m", "bin", "tmp", "proc", "sys"] {
        cpio.dir(dir, 0o755);
    }
    // devtmpfs brings these too, where the kernel has it.
    cpio.device("dev/console", 0o600, 5, 1);
    cpio.device("dev/kmsg", 0o600, 1, 11);
    cpio.device("dev/null", 0o666, 1, 3);
    cpio.file("init", 0o755, init);
    cpio.file("plan", 0o644, text.as_bytes());
    if let Some(busybox) = &request.busybox {
        let bytes = fs::read(busybox).map_err(|e| Error::io("read", busybox, e))?;
        cpio.file("bin/busybox", 0o755, &bytes);
        cpio.symlink("bin/sh", "busybox");
        for applet in script::APPLETS {
            cpio.symlink(&format!("bin/{applet}"), "busybox");
        }
    }
    if let Some(Script::Shell(text)) = &request.script {
        cpio.file("script", 0o755, text);
    }
    for (name, bytes) in &files {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::new(Kind::Unsupported, "a module is larger than 4 GiB"));
        }
        cpio.file(name, 0o644, bytes);
    }
    Ok(Plan { steps, initramfs: cpio.finish(), notes, command })
}

/// Plans, runs and judges. `dir` is for the initramfs, which is removed afterwards.
///
/// # Errors
/// As [`plan`] and [`init::program`]; QEMU that cannot be started or refuses its arguments. A kernel
/// that does not come up is no error but a verdict.
pub fn run(
    machine: &Machine,
    request: &Request,
    dir: &Path,
    runner: &mut dyn Runner,
) -> Result<Verdict> {
    let init = init::program(machine, request.image.family(machine), runner)?;
    let plan = plan(machine, request, &init)?;
    let command = plan.write(dir)?;
    let start = Instant::now();
    let output = runner.run(&command);
    let seconds = start.elapsed().as_secs_f64();
    let _ = fs::remove_file(dir.join("initramfs.cpio"));
    let output = output.map_err(|e| {
        Error::new(Kind::Program, format!("{} cannot be started: {e}", command.argv[0].display()))
    })?;
    let mut verdict = Verdict::read(&plan.steps, &output.stdout);
    if !verdict.started && output.status.is_some_and(|s| s != 0) {
        let message = format!("QEMU failed: {}", output.last_words());
        return Err(Error::new(Kind::Program, message).hint(format!("the command was: {command}")));
    }
    verdict.seconds = seconds;
    verdict.timed_out = output.status.is_none();
    verdict.notes.clone_from(&plan.notes);
    verdict.kernel = request.image.release.clone();
    verdict.settle();
    Ok(verdict)
}
