//! QEMU's command line for a boot.
//!
//! A machine with a serial line and nothing else: no disk, no network, no display.

use crate::boot::{Accel, Request};
use crate::error::{Error, Kind, Result};
use crate::machine::{Machine, Manager};
use crate::process::Command;

/// How an architecture is emulated.
struct Emulated {
    srcarch: &'static str,
    program: &'static str,
    /// Debian's package.
    package: &'static str,
    /// Board.
    machine: &'static [&'static str],
    console: &'static str,
}

const EMULATED: &[Emulated] = &[
    Emulated {
        srcarch: "x86",
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: &["-machine", "pc"],
        console: "ttyS0",
    },
    Emulated {
        srcarch: "arm64",
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        machine: &["-machine", "virt"],
        console: "ttyAMA0",
    },
    Emulated {
        srcarch: "riscv",
        program: "qemu-system-riscv64",
        package: "qemu-system-misc",
        machine: &["-machine", "virt"],
        console: "ttyS0",
    },
];

/// Everything but the initramfs.
///
/// # Errors
/// [`Kind::Unsupported`] for an architecture that Kiln does not boot, [`Kind::Program`] without QEMU,
/// with the command that installs it.
pub fn command(machine: &Machine, request: &Request) -> Result<Command> {
    let srcarch = request.image.family(machine).srcarch;
    let Some(row) = EMULATED.iter().find(|e| e.srcarch == srcarch) else {
        return Err(Error::new(Kind::Unsupported, format!("Kiln does not boot {srcarch} kernels")));
    };
    let Some(program) = machine.program(row.program) else {
        let mut error = Error::new(Kind::Program, format!("{} is not here", row.program));
        if let Some(manager) = machine.os.manager() {
            let package = match manager {
                Manager::Apt => row.package.to_string(),
                Manager::Dnf => format!("{}-core", row.program.replace("x86_64", "x86")),
                Manager::Pacman | Manager::Apk | Manager::Zypper => row.program.to_string(),
            };
            error = error.hint(machine.as_root(&manager.install(&[package])));
        }
        return Err(error);
    };
    // panic=-1 restarts at once, and with -no-reboot a restart ends QEMU. The log comes whole and
    // with times; what init writes into it is not held back.
    let mut append = format!(
        "console={} panic=-1 loglevel=8 printk.time=1 printk.devkmsg=on rdinit=/init \
         random.trust_cpu=on",
        row.console
    );
    // On a busy host an emulated timer comes late, and the kernel's check at boot takes that for broken
    // hardware and panics; late ticks are no stall of a module's making either.
    if srcarch == "x86" {
        append.push_str(" no_timer_check");
    }
    append.push_str(" rcupdate.rcu_cpu_stall_suppress=1");
    for word in &request.kernel_args {
        if word.contains(['\n', '\0']) {
            let message = "a word for the kernel's command line holds a line break";
            return Err(Error::new(Kind::Unsupported, message));
        }
        append.push(' ');
        append.push_str(word);
    }
    let mut command = Command::new([program.into_os_string()]).args(row.machine);
    let native = srcarch == machine.family.srcarch;
    if request.accel == Accel::Kvm && native {
        // The second is taken where the first does not work, whatever /dev/kvm looks like.
        command = command.args(["-accel", "kvm"]);
    }
    command = command.args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m"]);
    command = command.arg(request.memory.to_string());
    command =
        command.args(["-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio"]);
    command = command.args(["-no-reboot", "-kernel"]).arg(request.image.kernel.clone());
    command = command.arg("-append").arg(append);
    command.timeout = Some(request.timeout);
    Ok(command)
}
