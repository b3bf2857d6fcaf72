//! modpost: reads the objects of modules and what other modules export, checks that everything is
//! there and allowed, and writes for each module the C source that completes it, and the list of what
//! it exports in turn (`scripts/mod/modpost.c` of the kernel and the files beside it).
//!
//! ```text
//! options ─ dumps ─┐
//!                  ├─ symbols ─ check ─ modc (.mod.c)
//! objects ─────────┘                  └ dump (Module.symvers)
//!   object, mismatch, devtable, srcversion
//! ```
//!
//! Which program of which kernel it is comes from the table in [`versions`]. It does not know how the
//! objects were built or what happens to its output.

mod ahead;
mod check;
mod devtable;
mod dump;
mod glob;
mod mismatch;
mod modc;
mod object;
mod options;
mod run;
mod srcversion;
mod symbols;
mod text;
pub mod versions;

pub use ahead::{Ahead, read_ahead};
pub use versions::{Evidence, Flavor, detect};

use crate::{Host, kernel};
use options::Options;
use run::{Exit, Run};

/// modpost by its own name, for the kernel that [`kernel::detect`] finds, also beside the dumps that
/// `-i` names.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let dumps = args.windows(2).filter(|pair| pair[0] == b"-i").map(|pair| pair[1].as_slice());
    let trees: Vec<&[u8]> = dumps.filter_map(|path| path.strip_suffix(b"Module.symvers")).collect();
    let release = kernel::detect(host, &trees);
    if let Some(flavor) = release.and_then(Flavor::for_release) {
        return main_as(flavor, args, host);
    }
    let text = match release {
        Some(release) => {
            format!("modpost: nobody has compared the modpost of kernel {release} yet\n")
        }
        None => {
            "modpost: cannot tell for which kernel this is: set KILN_KERNEL, for instance to 6.12\n"
                .to_owned()
        }
    };
    host.stderr(text.as_bytes());
    1
}

/// modpost with the behaviour of a given kernel.
pub fn main_as(flavor: &'static Flavor, args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let options = match Options::parse(args, flavor.options, host) {
        Ok(options) => options,
        Err(complaint) => {
            host.stderr(&complaint);
            return 1;
        }
    };
    match Run::new(host, flavor, options).all() {
        Ok(status) | Err(Exit(status)) => status,
    }
}
