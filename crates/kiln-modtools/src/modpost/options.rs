//! modpost's command line, read as the C library's `getopt` reads it.
//!
//! Which letters exist is the version's business; this file knows what they mean.

use crate::Host;

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
        let stops_at_operand = host.env(b"POSIXLY_CORRECT").is_some();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == b"--" || (stops_at_operand && !is_option(arg)) {
                if arg != b"--" {
                    options.objects.push(arg.clone());
                }
                options.objects.extend(args.by_ref().cloned());
                break;
            }
            if !is_option(arg) {
                options.objects.push(arg.clone());
                continue;
            }
            let mut at = 1;
            while let Some(&letter) = arg.get(at) {
                at += 1;
                let known = letters.iter().position(|&l| l == letter && letter != b':');
                let Some(place) = known else {
                    return Err(complaint("invalid option", letter));
                };
                if letters.get(place + 1) != Some(&b':') {
                    options.set(letter);
                    continue;
                }
                let value = match arg.get(at..) {
                    Some(rest) if !rest.is_empty() => rest.to_vec(),
                    _ => match args.next() {
                        Some(next) => next.clone(),
                        None => return Err(complaint("option requires an argument", letter)),
                    },
                };
                options.set_value(letter, value);
                break;
            }
        }
        Ok(options)
    }

    fn set(&mut self, letter: u8) {
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
            _ => return,
        };
        *flag = true;
    }

    fn set_value(&mut self, letter: u8, value: Vec<u8>) {
        match letter {
            b'i' => self.dumps.push(value),
            b'T' => self.list = Some(value),
            b'o' => self.dump_out = Some(value),
            b'u' => self.keep_list = Some(value),
            b'd' => self.namespace_deps = Some(value),
            _ => {}
        }
    }
}

fn is_option(arg: &[u8]) -> bool {
    arg.len() > 1 && arg[0] == b'-'
}

fn complaint(what: &str, letter: u8) -> Vec<u8> {
    let mut text = format!("modpost: {what} -- '").into_bytes();
    text.push(letter);
    text.extend_from_slice(b"'\n");
    text
}
