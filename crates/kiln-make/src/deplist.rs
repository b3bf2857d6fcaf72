//! Lists of dependencies as the kernel's fixdep writes them: an assignment of many continued lines,
//! each a file name or `$(wildcard NAME)`. A module's second build reads them by the ten thousand, so
//! they are taken in with one look at each byte. Anything else is left to the general way.

use kiln_base::{Loc, text};

use crate::Make;
use crate::value::Value;
use crate::var::{Origin, VarId};

/// What stands before the one name that a call asks about.
const WILDCARD: &[u8] = b"$(wildcard ";

impl Make {
    /// A line of the form `NAME := \` whose value is such a list, its name ending at `end`. Returns
    /// the variable; if the line is none, nothing has been done.
    pub(crate) fn list_assignment(&mut self, line: &[u8], end: usize, loc: Loc) -> Option<VarId> {
        let mut p = end;
        while text::is_blank(*line.get(p)?) {
            p += 1;
        }
        // In POSIX mode the blanks before a continuation stay.
        if self.special.posix || end == 0 || !line[p..].starts_with(b":=") {
            return None;
        }
        let mut value = self.take_buffer();
        let done = self.list_value(&line[p + 2..], &mut value).and_then(|()| {
            let name = self.names.intern(&line[..end]);
            if name == self.known.makeflags || name == self.known.recipe_prefix {
                return None;
            }
            let scope = self.vars.global_link();
            let value = Value::shared(&value, &mut self.pieces);
            let v = self.define_in(scope, name, value, Origin::File, false, Some(loc));
            let var = &mut self.vars[v];
            var.append = false;
            var.conditional = false;
            Some(v)
        });
        self.give_buffer(value);
        done
    }

    /// Writes out the value: continued lines joined, calls replaced by the names that are there.
    fn list_value(&mut self, t: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut p = 0;
        // What stands before the next item: nothing before the first one, one blank after a
        // continuation, else what is written.
        let mut between: &[u8] = b"";
        let mut any = false;
        let mut continued = false;
        loop {
            let start = p;
            while p < t.len() && text::is_blank(t[p]) {
                p += 1;
            }
            if p > start && !continued {
                between = &t[start..p];
            }
            let Some(&b) = t.get(p) else { break };
            if b == b'\\' && t.get(p + 1) == Some(&b'\n') {
                between = b" ";
                continued = true;
                p += 2;
                continue;
            }
            if any {
                out.extend_from_slice(between);
            }
            any = true;
            continued = false;
            between = b"";
            if b == b'$' {
                let name = t[p..].strip_prefix(WILDCARD)?;
                let n = text::plain_len(name);
                // A name that ends in a slash asks for a directory.
                if n == 0 || name.get(n) != Some(&b')') || name[n - 1] == b'/' {
                    return None;
                }
                let name = &name[..n];
                if self.name_exists(name) {
                    out.extend_from_slice(name);
                }
                p += WILDCARD.len() + n + 1;
            } else {
                let n = text::plain_len(&t[p..]);
                if n == 0 {
                    return None;
                }
                out.extend_from_slice(&t[p..p + n]);
                p += n;
            }
        }
        if any {
            out.extend_from_slice(between);
        }
        Some(())
    }
}
