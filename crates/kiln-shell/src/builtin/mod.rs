//! dash's own commands, each as dash 0.5.12 does it, messages included.
//!
//! What their arguments may be was partly settled by `check` when the script was read; what is
//! only known now is handled here in full.

mod cd;
mod echo;
mod printf;
mod test;

pub(crate) use cd::starting_dir;

use crate::check::{self, Builtin};
use crate::run::{Flow, Shell, Skip, Stop};

/// The status that an error in a builtin leaves.
const ERROR: i32 = 2;

/// A builtin's own end: its status, or the text of an error message.
type Ended = Result<i32, Vec<u8>>;

impl Shell {
    /// Runs a builtin; `argv[0]` is its name.
    pub(crate) fn builtin(&mut self, builtin: Builtin, argv: &[Vec<u8>]) -> Flow<i32> {
        let name = argv[0].clone();
        let arguments = &argv[1..];
        let mut output = Vec::new();
        let ended: Ended = match builtin {
            Builtin::Colon | Builtin::Exec | Builtin::True => Ok(0),
            Builtin::False => Ok(1),
            Builtin::Echo => {
                output = echo::echo(arguments);
                Ok(0)
            }
            Builtin::Printf => {
                let printed = printf::printf(arguments);
                output = printed.output;
                // Warnings go straight out, the output only when the command is done.
                for warning in &printed.warnings {
                    self.warn(Some(&name), warning)?;
                }
                printed.ended
            }
            Builtin::Test => test::test(&self.dir.fd, argv),
            Builtin::Cd => self.cd(arguments, &mut output),
            Builtin::Pwd => {
                output.extend_from_slice(&self.dir.path);
                output.push(b'\n');
                Ok(0)
            }
            Builtin::Exit => match arguments.first() {
                None => return Err(Stop::Exit(self.status)),
                Some(text) => match number(text) {
                    Ok(status) => return Err(Stop::Exit(status)),
                    Err(message) => Err(message),
                },
            },
            Builtin::Export => {
                for argument in arguments {
                    match argument.iter().position(|b| *b == b'=') {
                        Some(at) => self.vars.set_exported(&argument[..at], &argument[at + 1..]),
                        None => self.vars.export(argument),
                    }
                }
                Ok(0)
            }
            Builtin::Unset => {
                for name in arguments {
                    self.vars.unset(name);
                }
                Ok(0)
            }
            Builtin::Set => {
                for argument in arguments {
                    self.errexit = argument == b"-e";
                }
                Ok(0)
            }
            Builtin::Trap => {
                self.trap(arguments);
                Ok(0)
            }
            Builtin::Break | Builtin::Continue => {
                let levels = arguments.first().map_or(1, |text| u32::from(text[0] - b'0'));
                let levels = levels.min(self.loops);
                if levels > 0 {
                    let skip = if builtin == Builtin::Break { Skip::Break } else { Skip::Continue };
                    self.skip = Some((skip, levels));
                }
                Ok(0)
            }
        };
        // What was printed before an error still comes out, and after the message.
        if let Err(message) = &ended {
            self.warn(Some(&name), message)?;
        }
        let written = if output.is_empty() { Ok(()) } else { self.put(1, &output)? };
        match ended {
            Err(_) if builtin.is_special() => Err(Stop::Exit(ERROR)),
            Err(_) => Ok(ERROR),
            Ok(status) if written.is_err() => {
                // dash names the command twice here.
                self.warn(Some(&name), &[&name[..], b": I/O error"].concat())?;
                Ok(status | 1)
            }
            Ok(status) => Ok(status),
        }
    }

    fn trap(&mut self, arguments: &[Vec<u8>]) {
        let [action, name] = arguments else { return };
        let mut traps = self.traps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if name == b"EXIT" {
            let words = action.split(|b| *b == b' ').filter(|word| !word.is_empty());
            traps.at_exit = Some(words.map(<[u8]>::to_vec).collect());
        } else if let (Some(signal), Some(files)) =
            (check::trap_signal(name), check::trap_files(action, name))
        {
            traps.on_signal.insert(signal, files);
        }
    }
}

/// A decimal number as `strtoimax` reads it, blanks around it allowed.
pub(crate) fn integer(text: &[u8]) -> Result<i64, Vec<u8>> {
    let illegal = || {
        let mut message = b"Illegal number: ".to_vec();
        message.extend_from_slice(text);
        message
    };
    let is_blank = |b: &&u8| matches!(**b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let before = text.iter().take_while(is_blank).count();
    let after = text[before..].iter().rev().take_while(is_blank).count();
    let core = &text[before..text.len() - after];
    let digits = core.strip_prefix(b"-").or(core.strip_prefix(b"+")).unwrap_or(core);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(illegal());
    }
    std::str::from_utf8(core).ok().and_then(|core| core.parse().ok()).ok_or_else(illegal)
}

/// A number that fits a status or a count: not negative, at most `INT_MAX`.
fn number(text: &[u8]) -> Result<i32, Vec<u8>> {
    match integer(text) {
        Ok(value) if (0..=i64::from(i32::MAX)).contains(&value) => Ok(value as i32),
        Ok(_) => Err([b"Illegal number: ", text].concat()),
        Err(message) => Err(message),
    }
}
