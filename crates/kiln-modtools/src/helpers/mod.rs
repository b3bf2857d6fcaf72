//! Small steps that kbuild takes with `nm`, `grep`, `awk` and `sed` for each object or each build, as
//! plain functions.
//!
//! Each gives exactly what the commands give, or nothing where the commands' answer would depend on
//! something that is not modelled here (a file that is no ELF object, a name with blanks); then the
//! caller runs the commands.
//!
//! It does not know when kbuild takes which step.

mod exports;
mod order;
mod sysmap;

pub use exports::undefined_names;
pub use exports::{LocalExports, Mark, exported_names, exports_anything, local_exports};
pub use order::{Shown, name_conflicts};
pub use sysmap::{Filter, system_map};

use crate::{Host, kernel};

/// `scripts/check-local-export` (6.1) by its own name: one object.
pub fn check_local_export(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let Some(path) = args.first() else { return 1 };
    match host.read(path).ok().and_then(|content| local_exports(path, content)) {
        Some(LocalExports { messages }) if messages.is_empty() => 0,
        Some(LocalExports { messages }) => {
            host.stderr(&messages);
            1
        }
        None => {
            host.stderr(b"check-local-export: no object whose symbols can be told: ");
            host.stderr(path);
            host.stderr(b"\n");
            1
        }
    }
}

/// `scripts/mksysmap` as a filter: `nm -n` of a kernel on standard input, its System.map on standard
/// output. (Until 6.2 the script takes two files and starts `nm` itself.)
pub fn mksysmap(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    if !args.is_empty() {
        host.stderr(b"Usage: nm -n vmlinux | mksysmap > System.map\n");
        return 1;
    }
    let Some(filter) = kernel::detect(host, &[]).and_then(Filter::for_release) else {
        host.stderr(b"mksysmap: cannot tell for which kernel this is, or it was never compared: set KILN_KERNEL, for instance to 6.12\n");
        return 1;
    };
    let listing = match host.stdin() {
        Ok(listing) => listing,
        Err(error) => {
            host.stderr(format!("mksysmap: {}\n", crate::errno::text(&error)).as_bytes());
            return 1;
        }
    };
    host.stdout(&system_map(&listing, filter));
    0
}

/// `scripts/modules-check.sh` (6.1 and later) by its own name: one list of modules.
pub fn modules_check(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let [path] = args else {
        host.stderr(b"Usage: modules-check.sh <modules.order>\n");
        return 1;
    };
    let shown = match kernel::detect(host, &[]) {
        Some(release) if release < kernel::Release::new(6, 12) => Shown::AsListed,
        _ => Shown::AsModule,
    };
    let conflicts = host.read(path).ok().and_then(|list| name_conflicts(&list, shown));
    match conflicts {
        Some(messages) if messages.is_empty() => 0,
        Some(messages) => {
            host.stderr(&messages);
            1
        }
        None => {
            host.stderr(b"modules-check.sh: no list whose names can be compared: ");
            host.stderr(path);
            host.stderr(b"\n");
            1
        }
    }
}
