//! Assignments: their syntax, the operators' meanings, and pattern-specific variables.

use kiln_base::{Loc, Name, text};

use crate::db::SetId;
use crate::value::Value;
use crate::var::{Export, Flavor, GLOBAL, Origin, VarId, Variable};
use crate::{Fatal, Make, Result};

/// An assignment as it stands in a text: ranges of that text.
#[derive(Clone, Copy, Debug)]
pub struct Assignment {
    /// The name, not yet expanded.
    pub name: (usize, usize),
    /// Where the value begins, blanks skipped.
    pub value: usize,
    /// The operator.
    pub flavor: Flavor,
}

/// Reads `text[from..]` as an assignment, if it is one.
pub fn parse_assignment(text: &[u8], from: usize) -> Option<Assignment> {
    let mut p = from + text::leading_space(&text[from..]);
    let start = p;
    let at = |i: usize| text.get(i).copied().unwrap_or(0);
    let mut end = None;
    let flavor = loop {
        let c = at(p);
        p += 1;
        match c {
            0 | b'#' => return None,
            b' ' | b'\t' => {
                // A name has no blanks in it.
                if end.is_some() {
                    return None;
                }
                end = Some(p - 1);
                p += text::leading_space(&text[p..]);
                continue;
            }
            b'=' => {
                end.get_or_insert(p - 1);
                break Flavor::Recursive;
            }
            b':' => {
                end.get_or_insert(p - 1);
                match (at(p), at(p + 1), at(p + 2)) {
                    (b'=', ..) => {
                        p += 1;
                        break Flavor::Simple;
                    }
                    (b':', b'=', _) => {
                        p += 2;
                        break Flavor::Simple;
                    }
                    (b':', b':', b'=') => {
                        p += 3;
                        break Flavor::Expand;
                    }
                    _ => return None,
                }
            }
            b'+' | b'?' | b'!' if at(p) == b'=' => {
                end.get_or_insert(p - 1);
                p += 1;
                break match c {
                    b'+' => Flavor::Append,
                    b'?' => Flavor::Conditional,
                    _ => Flavor::Shell,
                };
            }
            _ => {}
        }
        if end.is_some() {
            return None;
        }
        if c == b'$' {
            let open = at(p);
            p += 1;
            let close = match open {
                b'(' => b')',
                b'{' => b'}',
                0 => return None,
                _ => continue,
            };
            let mut depth = 1;
            while p < text.len() {
                let b = text[p];
                p += 1;
                if b == close {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                } else if b == open {
                    depth += 1;
                }
            }
        }
    };
    let end = end.unwrap_or(start);
    let value = p + text::leading_space(&text[p..]);
    Some(Assignment { name: (start, end), value, flavor })
}

/// A variable for all targets that match a pattern.
pub(crate) struct PatternVar {
    /// The target pattern, its quoting backslashes removed.
    pub target: Vec<u8>,
    /// Where its `%` stands.
    pub percent: usize,
    /// Name, value and so on; `value` is expanded already for a simple one.
    pub name: Name,
    pub value: Vec<u8>,
    pub flavor: Flavor,
    pub origin: Origin,
    pub export: Export,
    pub private: bool,
    pub loc: Loc,
    /// For the data base: as a command-line setting may have changed it.
    pub recursive: bool,
}

impl PatternVar {
    pub fn matches(&self, name: &[u8]) -> bool {
        name.len() + 1 >= self.target.len()
            && name.starts_with(&self.target[..self.percent])
            && name.ends_with(&self.target[self.percent + 1..])
    }
}

impl Make {
    /// Defines a variable in the first set of `scope`, as it is.
    pub(crate) fn define_in(
        &mut self,
        scope: SetId,
        name: Name,
        value: impl Into<Value>,
        origin: Origin,
        recursive: bool,
        loc: Option<Loc>,
    ) -> VarId {
        let env = self.opts.environment_overrides;
        let loc = loc.unwrap_or_default();
        self.vars.define_in(scope, name, value.into(), origin, recursive, env, loc)
    }

    /// A line of the form `NAME = TEXT` or `NAME := TEXT`, its name ending at `end`, with nothing to expand, to quote or to leave
    /// out, as configuration files have by the thousand. Returns whether the line was one; if not,
    /// nothing has been done.
    pub(crate) fn plain_assignment(&mut self, line: &[u8], end: usize, loc: Loc) -> Option<VarId> {
        let mut p = end;
        while text::is_blank(*line.get(p)?) {
            p += 1;
        }
        let recursive = match (line[p], line.get(p + 1)) {
            (b'=', _) => true,
            (b':', Some(b'=')) => false,
            _ => return None,
        };
        if end == 0 || matches!(line[end - 1], b'+') {
            return None;
        }
        p += if recursive { 1 } else { 2 };
        let value = &line[p..];
        // Most values are a letter.
        let special = |b: &u8| matches!(b, b'$' | b'#' | b'\\');
        let any = match value.len() {
            0..16 => value.iter().any(special),
            _ => memchr::memchr3(b'$', b'#', b'\\', value).is_some(),
        };
        if any {
            return None;
        }
        let value = &value[text::leading_space(value)..];
        let name = self.names.intern(&line[..end]);
        if name == self.known.makeflags || name == self.known.recipe_prefix {
            return None;
        }
        let scope = self.vars.global_link();
        let v = self.define_in(scope, name, value, Origin::File, recursive, Some(loc));
        let var = &mut self.vars[v];
        var.append = false;
        var.conditional = false;
        Some(v)
    }

    /// Defines a global variable as it is, if its origin is strong enough.
    pub fn define(&mut self, name: &[u8], value: &[u8], origin: Origin, recursive: bool) -> VarId {
        let name = self.names.intern(name);
        let scope = self.vars.global_link();
        self.define_in(scope, name, value, origin, recursive, None)
    }

    /// Assigns as a makefile line does. With `target`, into the first set of the current scope
    /// instead of the global one. Returns the variable that the name stands for afterwards.
    ///
    /// # Errors
    /// If the value's expansion fails.
    pub(crate) fn assign(
        &mut self,
        name: &[u8],
        value: &[u8],
        origin: Origin,
        mut flavor: Flavor,
        target: bool,
        loc: Option<Loc>,
    ) -> Result<VarId> {
        let id = self.names.intern(name);
        let mut append = false;
        let mut conditional = false;
        let new = match flavor {
            Flavor::Simple => {
                // Expanded in a buffer that is there already, kept without slack.
                let mut buf = self.take_buffer();
                self.expand_into(value, &mut buf)?;
                let exact = buf.as_slice().to_vec();
                self.give_buffer(buf);
                exact
            }
            Flavor::Expand => {
                let text = self.expand(value)?;
                let mut doubled = Vec::with_capacity(text.len());
                for b in text {
                    if b == b'$' {
                        doubled.push(b'$');
                    }
                    doubled.push(b);
                }
                doubled
            }
            Flavor::Shell => {
                flavor = Flavor::Recursive;
                let command = self.expand(value)?;
                self.shell_assignment(&command)?
            }
            Flavor::Conditional => {
                if let Some(v) = self.lookup_refreshed(id) {
                    return self.assigned(v, id, origin);
                }
                conditional = true;
                flavor = Flavor::Recursive;
                value.to_vec()
            }
            Flavor::Recursive => value.to_vec(),
            Flavor::Append | Flavor::AppendValue => {
                let old = if target {
                    append = true;
                    let v = self.vars.lookup_here(self.scope, id);
                    // A plain definition for this target is appended to here and now.
                    if v.is_some_and(|v| !self.vars[v].append) {
                        append = false;
                    }
                    v
                } else {
                    self.lookup_refreshed(id)
                };
                match old {
                    None => {
                        flavor = Flavor::Recursive;
                        value.to_vec()
                    }
                    Some(v) => {
                        let mut expanded = None;
                        if self.vars[v].recursive {
                            flavor = Flavor::Recursive;
                        } else if flavor != Flavor::AppendValue {
                            expanded = Some(self.expand(value)?);
                        }
                        let tail = expanded.as_deref().unwrap_or(value);
                        if tail.is_empty() {
                            return self.assigned(v, id, origin);
                        }
                        if let Some(v) =
                            self.append_in_place(v, id, tail, origin, append, loc, target)
                        {
                            return self.assigned(v, id, origin);
                        }
                        let old = &self.vars[v].value;
                        let mut new = Vec::with_capacity(old.len() + 1 + tail.len());
                        if !old.is_empty() {
                            let keep = if name == b"MAKEFLAGS" {
                                // What follows is made anew when the flags are read.
                                text::find(old, b" -- ", 0).unwrap_or(old.len())
                            } else {
                                old.len()
                            };
                            new.extend_from_slice(&old[..keep]);
                            new.push(b' ');
                        }
                        new.extend_from_slice(tail);
                        new
                    }
                }
            }
        };
        let scope = if target { self.scope } else { self.vars.global_link() };
        let recursive = matches!(flavor, Flavor::Recursive | Flavor::Expand);
        let v = self.define_in(scope, id, new, origin, recursive, loc);
        self.vars[v].append = append;
        self.vars[v].conditional = conditional;
        self.assigned(v, id, origin)
    }

    /// Appends to a global variable without copying what it has.
    #[allow(clippy::too_many_arguments)]
    fn append_in_place(
        &mut self,
        v: VarId,
        name: Name,
        tail: &[u8],
        origin: Origin,
        append: bool,
        loc: Option<Loc>,
        target: bool,
    ) -> Option<VarId> {
        if target || name == self.known.makeflags || self.vars.global(name) != Some(v) {
            return None;
        }
        let var: &mut Variable = &mut self.vars[v];
        if origin < var.origin || self.opts.environment_overrides {
            return None;
        }
        if !var.value.is_empty() {
            var.value.extend_from_slice(b" ");
        }
        var.value.extend_from_slice(tail);
        var.template = None;
        var.loc = loc.unwrap_or_default();
        var.origin = origin;
        var.append = append;
        var.conditional = false;
        self.vars.note_candidate(v);
        Some(v)
    }

    /// What an assignment to a special variable brings about.
    fn assigned(&mut self, v: VarId, name: Name, origin: Origin) -> Result<VarId> {
        if name == self.known.recipe_prefix && self.vars.global(name) == Some(v) {
            self.recipe_prefix = self.vars[v].value.first().copied().unwrap_or(b'\t');
        } else if name == self.known.makeflags
            && self.vars.global(name) == Some(v)
            && let Some(hook) = self.on_makeflags
        {
            hook(self, origin)?;
            // The hook may have defined it anew.
            if let Some(v) = self.vars.global(name) {
                return Ok(v);
            }
        }
        Ok(v)
    }

    /// The expanded name of an assignment.
    pub(crate) fn assigned_name(&mut self, raw: &[u8], loc: Option<Loc>) -> Result<Vec<u8>> {
        let name = self.expand(raw)?;
        if name.is_empty() {
            return Err(Fatal { loc, text: b"empty variable name".to_vec() });
        }
        Ok(name)
    }

    /// Assigns what `text[a…]` says.
    pub(crate) fn assign_parsed(
        &mut self,
        text: &[u8],
        a: Assignment,
        origin: Origin,
        target: bool,
        loc: Option<Loc>,
    ) -> Result<VarId> {
        let raw = &text[a.name.0..a.name.1];
        if !raw.is_empty() && memchr::memchr(b'$', raw).is_none() {
            return self.assign(raw, &text[a.value..], origin, a.flavor, target, loc);
        }
        let name = self.assigned_name(raw, loc)?;
        self.assign(&name, &text[a.value..], origin, a.flavor, target, loc)
    }

    /// An argument of the form `VAR=VALUE`, `VAR:=VALUE` and so on; `None` if it is no assignment.
    ///
    /// # Errors
    /// If an expansion fails, or the name is empty.
    pub fn define_command_line(&mut self, text: &[u8], origin: Origin) -> Result<Option<Name>> {
        let Some(a) = parse_assignment(text, 0) else { return Ok(None) };
        let v = self.assign_parsed(text, a, origin, false, None)?;
        Ok(Some(self.vars[v].name))
    }

    /// The value of a global variable, not expanded.
    #[must_use]
    pub fn get_raw(&self, name: &[u8]) -> Option<std::rc::Rc<[u8]>> {
        let v = self.vars.global(self.names.find(name)?)?;
        Some(self.vars[v].value.as_slice().into())
    }

    /// Where a global variable came from.
    #[must_use]
    pub fn origin_of(&self, name: &[u8]) -> Option<Origin> {
        let v = self.vars.global(self.names.find(name)?)?;
        Some(self.vars[v].origin)
    }

    /// Whether a global variable is there and recursive.
    #[must_use]
    pub fn variable_flavor_recursive(&self, name: &[u8]) -> bool {
        let v = self.names.find(name).and_then(|n| self.vars.global(n));
        v.is_some_and(|v| self.vars[v].recursive)
    }

    /// Says whether a global variable goes to children. Nothing happens if it is not defined.
    pub fn set_export(&mut self, name: &[u8], export: Export) {
        if let Some(v) = self.names.find(name).and_then(|n| self.vars.global(n)) {
            self.export_var(v, export);
        }
    }

    pub(crate) fn export_var(&mut self, v: VarId, export: Export) {
        self.vars[v].export = export;
        let name = self.vars[v].name;
        if self.vars.global(name) == Some(v) {
            self.vars.note_candidate(v);
        }
    }

    /// Enters a pattern-specific variable: shorter patterns first, in order of definition.
    pub(crate) fn add_pattern_var(&mut self, p: PatternVar) -> usize {
        let at = self.pattern_vars.partition_point(|q| q.target.len() <= p.target.len());
        self.pattern_vars.insert(at, p);
        at
    }

    /// Whether the global scope is the current one.
    #[must_use]
    pub fn in_global_scope(&self) -> bool {
        self.scope == GLOBAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(s: &str) -> Option<(String, String, Flavor)> {
        let b = s.as_bytes();
        let a = parse_assignment(b, 0)?;
        let text = |r: &[u8]| String::from_utf8(r.to_vec()).unwrap();
        Some((text(&b[a.name.0..a.name.1]), text(&b[a.value..]), a.flavor))
    }

    #[test]
    fn operators() {
        let ok =
            |s, n: &str, v: &str, f| assert_eq!(parts(s), Some((n.into(), v.into(), f)), "{s}");
        ok("a = b c ", "a", "b c ", Flavor::Recursive);
        ok("a:=b", "a", "b", Flavor::Simple);
        ok("a ::= b", "a", "b", Flavor::Simple);
        ok("a:::=b", "a", "b", Flavor::Expand);
        ok("a+=b", "a", "b", Flavor::Append);
        ok("a ?=b", "a", "b", Flavor::Conditional);
        ok("a!= b", "a", "b", Flavor::Shell);
        ok("$(x = y) := b", "$(x = y)", "b", Flavor::Simple);
        ok("a+b=c", "a+b", "c", Flavor::Recursive);
        ok("= c", "", "c", Flavor::Recursive);
    }

    #[test]
    fn no_assignments() {
        for s in ["a: b", "a b = c", "a", "a # = b", "a:: b", "a:::: = x", ""] {
            assert_eq!(parts(s), None, "{s}");
        }
    }
}
