//! fixdep: a compiler's dependency file and the command that made it, turned into the text of a
//! `.cmd` file (`scripts/basic/fixdep.c` of the kernel).
//!
//! What it adds to the compiler's list is one `$(wildcard include/config/NAME)` for every option that
//! the source or a header mentions, so that a changed option rebuilds only what looks at it.
//!
//! It does not know where the text goes: the original writes to standard output, and so does this.

mod format;
mod grammar;
mod scan;

pub use format::Format;
pub use scan::{Cache, Direct, Sources, names};

use crate::{Host, errno, kernel};
use grammar::Event;
use scan::Seen;
use std::io;

const USAGE: &[u8] = b"Usage: fixdep <depfile> <target> <cmdline>\n";

/// fixdep by its own name: three arguments, text on standard output. The format is that of the kernel
/// which [`kernel::detect`] finds, also beside the generated headers that the dependency file lists.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    run(args, host, None)
}

/// As [`main`], with the names of files that are perhaps known already.
pub fn main_with(args: &[Vec<u8>], host: &mut dyn Host, sources: &mut dyn Sources) -> i32 {
    run(args, host, Some(sources))
}

fn run(args: &[Vec<u8>], host: &mut dyn Host, sources: Option<&mut dyn Sources>) -> i32 {
    let [depfile, _, _] = args else {
        host.stderr(USAGE);
        return 1;
    };
    let mut format = kernel::detect(host, &[]).and_then(Format::for_release);
    if format.is_none()
        && host.env(b"KILN_KERNEL").is_none()
        && let Ok(text) = host.read(depfile)
    {
        // From 7.2 on the compiler runs in the module's directory, so the tree shows only in the paths.
        let tree = grammar::tree_of(&text).map(<[u8]>::to_vec);
        format = tree.and_then(|t| kernel::detect(host, &[&t])).and_then(Format::for_release);
    }
    let Some(format) = format else {
        host.stderr(b"fixdep: cannot tell for which kernel this is: set KILN_KERNEL, for instance to 6.12\n");
        return 1;
    };
    convert(format, args, host, sources)
}

/// fixdep with the behaviour of a given kernel.
pub fn main_as(format: &Format, args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    convert(format, args, host, None)
}

fn convert(
    format: &Format,
    args: &[Vec<u8>],
    host: &mut dyn Host,
    sources: Option<&mut dyn Sources>,
) -> i32 {
    let [depfile, target, command] = args else {
        host.stderr(USAGE);
        return 1;
    };
    let mut out = Vec::with_capacity(1 << 16);
    let result = match host.read(depfile) {
        Ok(text) => match sources {
            Some(sources) => convert_into(format, &text, target, command, sources, &mut out),
            None => convert_into(format, &text, target, command, &mut Direct(host), &mut out),
        },
        Err(error) => {
            format.command_line(target, command, &mut out);
            Err(Failure::Read(depfile.clone(), error))
        }
    };
    // The original's buffer is flushed on every way out, so a failed run leaves what it had written.
    host.stdout(&out);
    match result {
        Ok(()) => 0,
        Err(failure) => {
            host.stderr(&failure.message());
            failure.status()
        }
    }
}

/// Why no whole text could be made.
#[derive(Debug)]
pub enum Failure {
    /// A listed file (or the dependency file itself) cannot be read.
    Read(Vec<u8>, io::Error),
    /// The dependency file holds no rule with a prerequisite.
    NoTarget,
}

impl Failure {
    /// The original's exit status.
    #[must_use]
    pub fn status(&self) -> i32 {
        match self {
            Self::Read(..) => 2,
            Self::NoTarget => 1,
        }
    }

    /// The original's message, with its final newline.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::NoTarget => b"fixdep: parse error; no targets found\n".to_vec(),
            // A directory can be opened; it is the read that fails, and that message names no file.
            Self::Read(_, error) if error.kind() == io::ErrorKind::IsADirectory => {
                b"fixdep: read: Is a directory\n".to_vec()
            }
            Self::Read(path, error) => {
                let mut text = b"fixdep: error opening file: ".to_vec();
                text.extend_from_slice(path);
                text.extend_from_slice(b": ");
                text.extend_from_slice(errno::text(error).as_bytes());
                text.push(b'\n');
                text
            }
        }
    }
}

/// Appends the `.cmd` text for `target` to `out`. `depfile` is the compiler's dependency file,
/// `command` the escaped command line. On failure `out` holds what came before it.
///
/// # Errors
/// A file that cannot be read, or a dependency file without a rule.
pub fn convert_into(
    format: &Format,
    depfile: &[u8],
    target: &[u8],
    command: &[u8],
    sources: &mut dyn Sources,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    format.command_line(target, command, out);
    let mut configs = Seen::default();
    let mut files = Seen::default();
    let mut saw_source = false;
    for event in grammar::events(format.grammar, scan::until_nul(depfile), format.ignored) {
        let (path, unread) = match &event {
            // Only the first rule's source is the source; the others belong to temporary files.
            Event::First(path) if saw_source => (&**path, !format.scans_later_sources),
            Event::First(path) => {
                saw_source = true;
                extend(
                    out,
                    &[b"source_", target, b" := ", path, b"\n\ndeps_", target, b" := \\\n"],
                );
                (&**path, false)
            }
            Event::Other(path) if format.lists_once && !files.insert(path) => continue,
            Event::Other(path) => {
                extend(out, &[b"  ", path, b" \\\n"]);
                (&**path, false)
            }
        };
        if unread || format.is_binary(path) {
            continue;
        }
        let names = sources.names(path).map_err(|error| Failure::Read(path.to_vec(), error))?;
        for name in names.split(|&b| b == b'\n').filter(|name| !name.is_empty()) {
            if configs.insert(name) {
                format.stamp_line(name, out);
            }
        }
    }
    if !saw_source {
        return Err(Failure::NoTarget);
    }
    extend(out, &[b"\n", target, b": $(deps_", target, b")\n\n$(deps_", target, b"):\n"]);
    Ok(())
}

fn extend(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}
