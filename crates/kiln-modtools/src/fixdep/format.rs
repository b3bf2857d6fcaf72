//! What fixdep wrote and read in each kernel, as one table.
//!
//! It does not know how a dependency file is taken apart; it only names which way.

use super::grammar::Grammar;
use crate::kernel::Release;

/// How an option's name becomes the name of its stamp file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    /// `FOO_BAR` is `foo/bar.h`.
    LowerDirectories,
    /// `FOO_BAR` is `FOO_BAR`.
    Verbatim,
}

/// The behaviour of one fixdep.
#[derive(Debug)]
pub struct Format {
    /// The first and the last kernel whose fixdep was compared and found to behave so. Two measured
    /// kernels that behave alike speak for those between them.
    measured: (Release, Release),
    /// What stands before the target's name in the line that saves the command.
    saved: &'static [u8],
    stamp: Stamp,
    pub(super) grammar: Grammar,
    /// Names with these endings are neither listed nor looked at.
    pub(super) ignored: &'static [&'static [u8]],
    /// Names with these endings are listed but hold no text to look at.
    binary: &'static [&'static [u8]],
    /// A file that the compiler lists twice is listed once.
    pub(super) lists_once: bool,
    /// The first prerequisite of later rules is looked at, although it is not listed.
    pub(super) scans_later_sources: bool,
}

const AUTOCONF: &[u8] = b"include/generated/autoconf.h";
const AUTOKSYMS: &[u8] = b"include/generated/autoksyms.h";

static FORMATS: [Format; 3] = [
    Format {
        measured: (Release::new(5, 10), Release::new(5, 10)),
        saved: b"cmd_",
        stamp: Stamp::LowerDirectories,
        grammar: Grammar::Words,
        ignored: &[AUTOCONF, AUTOKSYMS],
        binary: &[],
        lists_once: false,
        scans_later_sources: true,
    },
    Format {
        measured: (Release::new(6, 1), Release::new(6, 1)),
        saved: b"cmd_",
        stamp: Stamp::Verbatim,
        grammar: Grammar::Words,
        ignored: &[AUTOCONF, AUTOKSYMS],
        binary: &[],
        lists_once: false,
        scans_later_sources: true,
    },
    Format {
        measured: (Release::new(6, 12), Release::new(7, 3)),
        saved: b"savedcmd_",
        stamp: Stamp::Verbatim,
        grammar: Grammar::Lines,
        ignored: &[AUTOCONF],
        binary: &[b".rlib", b".rmeta", b".so"],
        lists_once: true,
        scans_later_sources: false,
    },
];

impl Format {
    /// The behaviour of this kernel's fixdep, or nothing if it is not known.
    #[must_use]
    pub fn for_release(release: Release) -> Option<&'static Self> {
        FORMATS.iter().find(|row| row.measured.0 <= release && release <= row.measured.1)
    }

    /// The likeliest behaviour of a kernel that was never measured: worth trying beside the tree's own
    /// program, not worth trusting.
    #[must_use]
    pub fn nearest(release: Release) -> &'static Self {
        FORMATS.iter().rev().find(|row| row.measured.0 <= release).unwrap_or(&FORMATS[0])
    }

    pub(super) fn command_line(&self, target: &[u8], command: &[u8], out: &mut Vec<u8>) {
        for part in [self.saved, target, b" := ", command, b"\n\n"] {
            out.extend_from_slice(part);
        }
    }

    pub(super) fn is_binary(&self, path: &[u8]) -> bool {
        self.binary.iter().any(|end| path.ends_with(end))
    }

    pub(super) fn stamp_line(&self, name: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"    $(wildcard include/config/");
        match self.stamp {
            Stamp::Verbatim => out.extend_from_slice(name),
            Stamp::LowerDirectories => {
                let mut previous = b'/';
                for &byte in name {
                    let byte = if byte == b'_' { b'/' } else { byte.to_ascii_lowercase() };
                    if byte != b'/' || previous != b'/' {
                        out.push(byte);
                    }
                    previous = byte;
                }
                out.extend_from_slice(b".h");
            }
        }
        out.extend_from_slice(b") \\\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_release() {
        let saved = |major, minor| {
            Format::for_release(Release::new(major, minor)).map(|f| (f.saved, f.stamp))
        };
        assert_eq!(saved(5, 10), Some((&b"cmd_"[..], Stamp::LowerDirectories)));
        assert_eq!(saved(6, 1), Some((&b"cmd_"[..], Stamp::Verbatim)));
        assert_eq!(saved(6, 4), None);
        assert_eq!(saved(6, 12), Some((&b"savedcmd_"[..], Stamp::Verbatim)));
        assert_eq!(saved(7, 3), saved(6, 12));
        assert_eq!(saved(5, 4), None);
    }

    #[test]
    fn a_stamp_in_directories_has_no_empty_words() {
        let mut out = Vec::new();
        FORMATS[0].stamp_line(b"_X86__64_", &mut out);
        assert_eq!(out, b"    $(wildcard include/config/x86/64/.h) \\\n");
    }
}
