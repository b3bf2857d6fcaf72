//! Functions that reach out of the text: `shell`, `file`, `eval`, messages, and those that ask what
//! a variable is.

use kiln_base::text;

use crate::error::os_error_text;
use crate::expand::Args;
use crate::host::{ShellCall, Stream};
use crate::var::{Flavor, Origin};
use crate::{Fatal, Make, Result};

impl Make {
    pub(super) fn origin_word(&mut self, name: &[u8]) -> &'static [u8] {
        self.lookup_var(name).map_or(b"undefined", |v| self.vars[v].origin.word())
    }

    pub(super) fn flavor_word(&mut self, name: &[u8]) -> &'static [u8] {
        match self.lookup_var(name) {
            None => b"undefined",
            Some(v) if self.vars[v].recursive => b"recursive",
            Some(_) => b"simple",
        }
    }

    pub(super) fn info(&mut self, msg: &[u8]) {
        let mut line = msg.to_vec();
        line.push(b'\n');
        self.host.print(Stream::Out, &line);
    }

    pub(super) fn warn_here(&mut self, msg: &[u8]) {
        self.say(self.reading, msg);
    }

    pub(super) fn error_function(&self, msg: &[u8]) -> Fatal {
        Fatal { loc: self.reading, text: msg.to_vec() }
    }

    /// `$(eval)`: the text is read as makefile lines, all with the place of the eval.
    pub(super) fn eval_string(&mut self, msg: &[u8]) -> Result<()> {
        self.eval_text(msg, self.reading.unwrap_or_default())
    }

    /// Runs a command and appends its output, newlines turned into blanks: `trim` removes all at the
    /// end (`$(shell)`), else only one (`!=`).
    pub(crate) fn shell_function(
        &mut self,
        command: &[u8],
        trim: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if command.iter().all(|&b| text::is_blank(b)) {
            return Ok(());
        }
        let warn = std::mem::replace(&mut self.opts.warn_undefined, false);
        let mut shell = Vec::new();
        self.expand_into(b"$(SHELL)", &mut shell)?;
        let mut flags = Vec::new();
        if let Some(v) = self.lookup_var(b".SHELLFLAGS") {
            let var = &self.vars[v];
            if self.special.posix && var.origin == Origin::Default {
                flags.extend_from_slice(b"-ec");
            } else {
                let value = var.value.clone();
                self.expand_into(&value, &mut flags)?;
            }
        }
        let mut ifs = Vec::new();
        self.expand_into(b"$(IFS)", &mut ifs)?;
        self.opts.warn_undefined = warn;
        let env = self.shell_environment()?;
        let prefix = self.prefix(self.reading);
        let result = self.host.shell(ShellCall {
            command,
            shell: &shell,
            flags: &flags,
            ifs: (!ifs.is_empty()).then_some(&ifs),
            env: &env,
            prefix,
        });
        self.shell_env = env;
        self.command_count += 1;
        let status = result.status.to_string();
        let scope = self.scope;
        let name = self.names.intern(b".SHELLSTATUS");
        self.define_in(scope, name, status.into_bytes(), Origin::Override, false, None);
        fold_newlines(&result.output, trim, out);
        Ok(())
    }

    /// `$(file OP NAME,TEXT)`.
    pub(super) fn file_function(&mut self, args: &Args, out: &mut Vec<u8>) -> Result<()> {
        let spec = args.get(0);
        let content = (args.len() > 1).then(|| args.get(1));
        let (op, rest) = match spec {
            [b'>', b'>', rest @ ..] => (b'a', rest),
            [b'>', rest @ ..] => (b'w', rest),
            [b'<', rest @ ..] => (b'r', rest),
            _ => {
                let mut msg = b"file: invalid file operation: ".to_vec();
                msg.extend_from_slice(spec);
                return Err(self.expansion_error(msg));
            }
        };
        let Some(name) = text::words(rest).next() else {
            return Err(self.expansion_error(b"file: missing filename".to_vec()));
        };
        let failed = |m: &Make, what: &str, e: &std::io::Error| {
            let mut msg = format!("{what}: ").into_bytes();
            msg.extend_from_slice(name);
            msg.extend_from_slice(b": ");
            msg.extend_from_slice(os_error_text(e).as_bytes());
            Fatal { loc: m.reading, text: msg }
        };
        if op == b'r' {
            if content.is_some() {
                return Err(self.expansion_error(b"file: too many arguments".to_vec()));
            }
            match self.sys.read(name) {
                Ok(bytes) => {
                    let mut all = bytes.as_slice();
                    if let [head @ .., b'\n'] = all {
                        all = head;
                        if all.len() > 1
                            && let [head @ .., b'\r'] = all
                        {
                            all = head;
                        }
                    }
                    out.extend_from_slice(all);
                    return Ok(());
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                // A directory can be opened but not read.
                Err(e) if e.raw_os_error() == Some(21) => return Err(failed(self, "read", &e)),
                Err(e) => return Err(failed(self, "open", &e)),
            }
        }
        let mut bytes = content.unwrap_or(b"").to_vec();
        if content.is_some() && bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        self.command_count += 1;
        self.sys.write(name, &bytes, op == b'a').map_err(|e| failed(self, "open", &e))
    }

    /// `VAR != COMMAND`: the command's output with one newline at the end removed.
    pub(crate) fn shell_assignment(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        let mut value = Vec::new();
        self.shell_function(command, false, &mut value)?;
        Ok(value)
    }

    /// Appends a word to MAKEFILE_LIST.
    pub(crate) fn append_makefile_list(&mut self, name: &[u8], loc: kiln_base::Loc) -> Result<()> {
        self.assign(b"MAKEFILE_LIST", name, Origin::File, Flavor::AppendValue, false, Some(loc))?;
        Ok(())
    }
}

/// Newlines become blanks; those at the end are removed, all of them with `trim`, else one.
fn fold_newlines(output: &[u8], trim: bool, out: &mut Vec<u8>) {
    // The original works on a NUL-terminated copy.
    let output = &output[..memchr::memchr(0, output).unwrap_or(output.len())];
    let start = out.len();
    let mut last_text = start;
    let mut i = 0;
    while i < output.len() {
        match output[i] {
            b'\r' if output.get(i + 1) == Some(&b'\n') => {}
            b'\n' => out.push(b' '),
            b => {
                out.push(b);
                last_text = out.len();
            }
        }
        i += 1;
    }
    if !trim && out.len() > start && last_text + 1 < out.len() {
        last_text = out.len() - 1;
    }
    out.truncate(last_text);
}

#[cfg(test)]
mod tests {
    use super::fold_newlines;

    #[test]
    fn newlines_fold() {
        let fold = |s: &[u8], trim| {
            let mut out = Vec::new();
            fold_newlines(s, trim, &mut out);
            out
        };
        assert_eq!(fold(b"a\nb\n\n", true), b"a b");
        assert_eq!(fold(b"a\nb\n\n", false), b"a b ");
        assert_eq!(fold(b"a\r\nb\r\n", true), b"a b");
        assert_eq!(fold(b"a\n", false), b"a");
        assert_eq!(fold(b"\n", false), b"");
    }
}
