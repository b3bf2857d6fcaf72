//! modpost's command line. Which letters exist is the version's business; this file knows what they
//! mean.

use crate::Host;
use crate::getopt::{Grammar, Piece, pieces};

/// What the command line asks for. Paths are as given.
#[derive(Debug, Default)]
pub struct Options {
    /// `-e`: the objects are external modules.
    pub external: bool,
    /// `-i FILE`: dumps to read, in order.
    pub dumps: Vec<Vec<u8>>,
    /// `-M`: process export records.
    pub modules_enabled: bool,
    /// `-m`: symbol versions are in use.
    pub modversions: bool,
    /// `-b`: write the basic version table (implied by `-m` where the option does not exist).
    pub basic_versions: bool,
    /// `-x`: write the extended version tables.
    pub extended_versions: bool,
    /// `-n`: a missing object is only mentioned.
    pub ignore_missing: bool,
    /// `-T FILE`: a list of objects.
    pub list: Option<Vec<u8>>,
    /// `-o FILE`: where to write the dump.
    pub dump_out: Option<Vec<u8>>,
    /// `-a`: a source version for every module.
    pub all_srcversions: bool,
    /// `-t`: leave out exports that nobody uses.
    pub trim_unused: bool,
    /// `-u FILE`: exports to keep in spite of `-t`.
    pub keep_list: Option<Vec<u8>>,
    /// `-W`: extra warnings.
    pub extra_warnings: bool,
    /// `-w`: undefined symbols are warnings.
    pub warn_undefined: bool,
    /// `-E`: section mismatches are an error in the end.
    pub mismatch_is_error: bool,
    /// `-N`: missing namespace imports are warnings.
    pub allow_missing_imports: bool,
    /// `-d FILE`: where to write which namespaces are missing.
    pub namespace_deps: Option<Vec<u8>>,
    /// The other arguments.
    pub objects: Vec<Vec<u8>>,
}

impl Options {
    /// Reads the arguments. `letters` is the option string: each letter, followed by `:` if it takes
    /// an argument.
    ///
    /// # Errors
    /// The message that `getopt` prints.
    pub fn parse(args: &[Vec<u8>], letters: &[u8], host: &dyn Host) -> Result<Self, Vec<u8>> {
        let mut options = Self::default();
        for piece in pieces(Grammar { program: "modpost", letters, long: &[] }, args, host) {
            match piece {
                Piece::Option(letter, value) => options.set(letter, value),
                Piece::Operand(object) => options.objects.push(object.clone()),
                Piece::Wrong(message) => return Err(message),
            }
        }
        Ok(options)
    }

    fn set(&mut self, letter: u8, value: &[u8]) {
        let flag = match letter {
            b'e' => &mut self.external,
            b'M' => &mut self.modules_enabled,
            b'm' => &mut self.modversions,
            b'b' => &mut self.basic_versions,
            b'x' => &mut self.extended_versions,
            b'n' => &mut self.ignore_missing,
            b'a' => &mut self.all_srcversions,
            b't' => &mut self.trim_unused,
            b'W' => &mut self.extra_warnings,
            b'w' => &mut self.warn_undefined,
            b'E' => &mut self.mismatch_is_error,
            b'N' => &mut self.allow_missing_imports,
            b'i' => return self.dumps.push(value.to_vec()),
            _ => {
                let path = match letter {
                    b'T' => &mut self.list,
                    b'o' => &mut self.dump_out,
                    b'u' => &mut self.keep_list,
                    b'd' => &mut self.namespace_deps,
                    _ => return,
                };
                *path = Some(value.to_vec());
                return;
            }
        };
        *flag = true;
    }
}
