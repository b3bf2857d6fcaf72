//! A real kernel under QEMU, where the machine has both.

mod fake;

use std::io;
use std::process;

use kiln_tree::boot::{self, Image, Request, Script};
use kiln_tree::machine::Machine;
use kiln_tree::process::{Command, Output};
use kiln_tree::rooted::Root;

fn run(command: &Command) -> io::Result<Output> {
    let mut words = command.argv.iter();
    let mut started = process::Command::new("timeout");
    started.arg(command.timeout.map_or(60, |t| t.as_secs()).to_string()).args(words.by_ref());
    let out = started.stdin(process::Stdio::null()).output()?;
    let status = out.status.code().filter(|code| *code != 124);
    Ok(Output { status, stdout: out.stdout, stderr: out.stderr })
}

#[test]
fn a_module_of_the_installed_kernel_is_loaded_and_unloaded() {
    let cache = tempfile::tempdir().unwrap();
    let mut machine = Machine::read(Root::system(), |name| std::env::var_os(name), false);
    machine.cache = Some(cache.path().to_path_buf());
    let mut images = Image::all(&machine);
    images.retain(|i| !i.modules.is_empty() && i.family(&machine) == machine.family);
    let (Some(image), Some(_)) = (images.pop(), machine.program("qemu-system-x86_64")) else {
        fake::skip(
            "a_module_of_the_installed_kernel_is_loaded_and_unloaded",
            "qemu-system-x86_64 and an installed kernel image with its modules",
        );
        return;
    };
    let mut request = Request::new(Vec::new(), image.clone());
    // Loading an unsigned or foreign module is the business of others; this one comes with the kernel.
    let script = "load dummy numdummies=2\ncat /sys/class/net/dummy1/ifindex\nunload dummy\n";
    request.script = Some(Script::lines(script).unwrap());
    // Only a boot that never ends may run out of time, however busy the machine is.
    request.timeout = std::time::Duration::from_secs(600);
    let mut runner = run;
    let verdict = boot::run(&machine, &request, cache.path(), &mut runner).unwrap();
    assert!(verdict.ok, "{verdict}");
    assert_eq!(verdict.release.as_deref(), Some(image.release.as_str()));
    assert_eq!(verdict.modules[0].unloaded, Some(true));
    assert!(verdict.script[0].output[0].parse::<u32>().is_ok(), "{verdict}");
}
