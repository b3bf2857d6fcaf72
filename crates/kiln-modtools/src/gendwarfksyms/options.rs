//! The command line. It opens no file and does not know what an option means to the run.

use super::Settings;
use crate::Host;
use crate::getopt::{Grammar, Piece, pieces};

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A run over object files, with the symtypes file's name.
    Run {
        /// `-d`, `-s` and the dumps.
        settings: Settings,
        /// The files in their order; perhaps none.
        files: Vec<Vec<u8>>,
        /// `-T FILE`
        symtypes: Option<Vec<u8>>,
    },
    /// `-h` before anything wrong.
    Help,
    /// An unknown or incomplete option, with the C library's message about it.
    Wrong(Vec<u8>),
}

/// The digits stand for options without a letter.
const GRAMMAR: Grammar<'_> = Grammar {
    program: "gendwarfksyms",
    letters: b"dsT:h",
    long: &[
        ("debug", b'd'),
        ("dump-dies", b'1'),
        ("dump-die-map", b'2'),
        ("dump-types", b'3'),
        ("dump-versions", b'4'),
        ("stable", b's'),
        ("symtypes", b'T'),
        ("help", b'h'),
    ],
};

/// The text of `-h` and of every wrong option.
pub const USAGE: &[u8] = b"Usage: gendwarfksyms [options] elf-object-file ... < symbol-list\n\n\
Options:
  -d, --debug          Print debugging information
      --dump-dies      Dump DWARF DIE contents
      --dump-die-map   Print debugging information about die_map changes
      --dump-types     Dump type strings
      --dump-versions  Dump expanded type strings used for symbol versions
  -s, --stable         Support kABI stability features
  -T, --symtypes file  Write a symtypes file
  -h, --help           Print this message

";

/// Reads the arguments (without the program's name).
pub fn parse(args: &[Vec<u8>], host: &dyn Host) -> Request {
    let mut settings = Settings::default();
    let (mut files, mut symtypes) = (Vec::new(), None);
    for piece in pieces(GRAMMAR, args, host) {
        match piece {
            Piece::Option(b'd', _) => settings.debug = true,
            Piece::Option(b'1', _) => settings.dump_dies = true,
            Piece::Option(b'2', _) => settings.dump_die_map = true,
            Piece::Option(b'3', _) => settings.dump_types = true,
            Piece::Option(b'4', _) => settings.dump_versions = true,
            Piece::Option(b's', _) => settings.stable = true,
            Piece::Option(b'T', file) => symtypes = Some(file.to_vec()),
            Piece::Option(..) => return Request::Help,
            Piece::Operand(file) => files.push(file.clone()),
            Piece::Wrong(message) => return Request::Wrong(message),
        }
    }
    settings.dump_dies |= settings.dump_die_map;
    Request::Run { settings, files, symtypes }
}
