//! Expansion: parsed texts are written out into the caller's buffer.

use kiln_base::text::Pattern;
use kiln_base::{Loc, Name};
use std::rc::Rc;

use crate::db::{FileId, SetId};
use crate::func::words;
use crate::slots;
use crate::template::{self, Seg, Template};
use crate::var::VarId;
use crate::{Fatal, Make, Result};

/// Expanded arguments, one after the other in one buffer.
pub struct Args {
    /// All of them.
    pub buf: Vec<u8>,
    ends: [u32; INLINE],
    more: Vec<u32>,
    n: usize,
}

const INLINE: usize = 6;

impl Args {
    /// No arguments yet, in a buffer that is empty.
    pub fn new(buf: Vec<u8>) -> Self {
        Args { buf, ends: [0; INLINE], more: Vec::new(), n: 0 }
    }

    /// What was appended since the last call is an argument.
    pub fn end_arg(&mut self) {
        let end = self.buf.len() as u32;
        match self.ends.get_mut(self.n) {
            Some(e) => *e = end,
            None => self.more.push(end),
        }
        self.n += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Where argument `i` stands in the buffer; empty at the end if there is no such argument.
    pub fn range(&self, i: usize) -> (usize, usize) {
        let end =
            |i: usize| self.ends.get(i).copied().unwrap_or_else(|| self.more[i - INLINE]) as usize;
        if i >= self.n {
            return (self.buf.len(), self.buf.len());
        }
        (if i == 0 { 0 } else { end(i - 1) }, end(i))
    }

    /// Argument `i`, empty if there is none.
    pub fn get(&self, i: usize) -> &[u8] {
        let (from, to) = self.range(i);
        &self.buf[from..to]
    }
}

impl Make {
    /// An empty buffer, one used before if there is one.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Gives a buffer back for later use.
    pub(crate) fn give_buffer(&mut self, mut buf: Vec<u8>) {
        if self.buffers.len() < 64 && buf.capacity() < 1 << 20 {
            buf.clear();
            self.buffers.push(buf);
        }
    }

    /// An error of expansion: its place is that of the innermost recursive variable.
    pub(crate) fn expansion_error(&self, text: impl Into<Vec<u8>>) -> Fatal {
        Fatal { loc: self.expanding_at.or(self.reading), text: text.into() }
    }

    /// Expands text in the current scope, appending.
    ///
    /// # Errors
    /// As make's, with its text.
    pub fn expand_into(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some(first) = memchr::memchr(b'$', text) else {
            out.extend_from_slice(text);
            return Ok(());
        };
        out.extend_from_slice(&text[..first]);
        let mut segs = self.segs.pop().unwrap_or_default();
        let mut at = Some(first);
        while let Some(from) = at {
            segs.clear();
            at = template::step(&mut self.names, text, from, &mut segs);
            self.eval(text, &segs, out)?;
        }
        segs.clear();
        self.segs.push(segs);
        Ok(())
    }

    /// Expands text in the current scope.
    ///
    /// # Errors
    /// As make's, with its text.
    pub fn expand(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.expand_into(text, &mut out)?;
        Ok(out)
    }

    /// Writes out parsed text.
    pub(crate) fn eval(&mut self, src: &[u8], segs: &[Seg], out: &mut Vec<u8>) -> Result<()> {
        self.enter_level(1)?;
        let before = out.len();
        let done = self.eval_segs(src, segs, out);
        self.leave_level(1);
        done?;
        self.burn(1 + out.len().saturating_sub(before))
    }

    fn eval_segs(&mut self, src: &[u8], segs: &[Seg], out: &mut Vec<u8>) -> Result<()> {
        for seg in segs {
            match seg {
                Seg::Lit(a, b) => out.extend_from_slice(&src[*a as usize..*b as usize]),
                Seg::Var(name) => self.reference(*name, out)?,
                Seg::Call(f, args) => self.call_function(f, src, args, out)?,
                Seg::Plain(f, a, b) => {
                    self.call_plain(f, &src[*a as usize..*b as usize], out)?;
                }
                Seg::Computed(inner) => self.computed(src, inner, out)?,
                Seg::Subst(name, pat, rep) => {
                    let pat = &src[pat.0 as usize..pat.1 as usize];
                    let rep = &src[rep.0 as usize..rep.1 as usize];
                    self.substitution(*name, pat, rep, out)?;
                }
                Seg::Fail(text) => return Err(self.expansion_error(text.to_vec())),
            }
        }
        Ok(())
    }

    /// A reference whose name holds references.
    fn computed(&mut self, src: &[u8], inner: &[Seg], out: &mut Vec<u8>) -> Result<()> {
        let mut name = self.take_buffer();
        self.eval(src, inner, &mut name)?;
        let subst = memchr::memchr(b':', &name)
            .and_then(|c| memchr::memchr(b'=', &name[c + 1..]).map(|e| (c, c + 1 + e)));
        match subst {
            Some((colon, eq)) => {
                let var = self.names.intern(&name[..colon]);
                self.substitution(var, &name[colon + 1..eq], &name[eq + 1..], out)?;
            }
            None => match self.names.find(&name) {
                Some(n) => self.reference(n, out)?,
                None if self.opts.warn_undefined => {
                    let n = self.names.intern(&name);
                    self.warn_undefined(n);
                }
                None => {}
            },
        }
        self.give_buffer(name);
        Ok(())
    }

    /// `$(NAME:PAT=REP)`.
    fn substitution(
        &mut self,
        name: Name,
        pat: &[u8],
        rep: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(v) = self.lookup_refreshed(name) else {
            self.warn_undefined(name);
            return Ok(());
        };
        if self.vars[v].value.is_empty() {
            return Ok(());
        }
        let mut value = self.take_buffer();
        self.value_into(v, &mut value)?;
        let mut pattern = Pattern::parse(pat);
        let mut replacement;
        if pattern.percent.is_some() {
            replacement = Pattern::parse(rep);
        } else {
            // Without a `%`, both ends are suffixes.
            pattern.text.insert(0, b'%');
            pattern.percent = Some(0);
            replacement = Pattern { text: rep.to_vec(), percent: Some(0) };
            replacement.text.insert(0, b'%');
        }
        words::patsubst_parsed(&value, &pattern, &replacement, out);
        self.give_buffer(value);
        Ok(())
    }

    /// The definition of a name in the current scope, `.VARIABLES` brought up to date.
    pub(crate) fn lookup_refreshed(&mut self, name: Name) -> Option<VarId> {
        let v = self.vars.lookup(self.scope, name)?;
        if name == self.known.variables {
            self.refresh_variables(v);
        }
        Some(v)
    }

    /// The definition of a name given as text, in the current scope.
    pub(crate) fn lookup_var(&mut self, name: &[u8]) -> Option<VarId> {
        let name = self.names.find(name)?;
        self.lookup_refreshed(name)
    }

    fn refresh_variables(&mut self, v: VarId) {
        if self.variables_listed == self.vars.changes {
            return;
        }
        self.variables_listed = self.vars.changes;
        let mut list = Vec::new();
        let all: Vec<&[u8]> =
            self.vars.globals().map(|g| self.names.bytes(self.vars[g].name)).collect();
        for i in slots::order(all.iter().copied()) {
            list.extend_from_slice(all[i]);
            list.push(b' ');
        }
        list.pop();
        self.vars[v].set_value(list);
    }

    /// `$(NAME)`.
    pub(crate) fn reference(&mut self, name: Name, out: &mut Vec<u8>) -> Result<()> {
        let Some(v) = self.lookup_refreshed(name) else {
            self.warn_undefined(name);
            return Ok(());
        };
        let var = &self.vars[v];
        if var.value.is_empty() && !var.append {
            return Ok(());
        }
        self.value_into(v, out)
    }

    /// A variable's value, expanded if it is recursive.
    fn value_into(&mut self, v: VarId, out: &mut Vec<u8>) -> Result<()> {
        let var = &self.vars[v];
        if !var.recursive {
            var.value.append_to(out);
            return Ok(());
        }
        if !var.append && var.template.is_none() && memchr::memchr(b'$', &var.value).is_none() {
            var.value.append_to(out);
            return Ok(());
        }
        self.expand_recursive(v, None, out)
    }

    /// Expands a recursive variable, in a file's scope if one is given.
    pub(crate) fn expand_recursive(
        &mut self,
        v: VarId,
        scope: Option<SetId>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let var = &self.vars[v];
        let name = var.name;
        let loc = var.loc;
        if var.expanding && self.env_recursion > 0 {
            // For the environment of $(shell), a variable that is being expanded is passed on as it
            // was in our own environment.
            let text = self.names.bytes(name);
            if let Some((_, value)) = self.original_env.iter().find(|e| e.0 == text) {
                out.extend_from_slice(value);
            }
            return Ok(());
        }
        let outer_at = self.expanding_at;
        if loc.file.is_some() {
            self.expanding_at = Some(loc);
        }
        let set_reading = self.reading.is_none();
        if set_reading {
            self.reading = Some(loc);
        }
        let var = &mut self.vars[v];
        if var.expanding {
            if var.exp_count == 0 {
                let mut msg = b"Recursive variable '".to_vec();
                msg.extend_from_slice(self.names.bytes(name));
                msg.extend_from_slice(b"' references itself (eventually)");
                return Err(self.expansion_error(msg));
            }
            var.exp_count -= 1;
        }
        var.expanding = true;
        let append = var.append;
        let outer_scope = self.scope;
        if let Some(s) = scope {
            self.scope = s;
        }
        if append {
            let mut buf = self.take_buffer();
            self.appended_value(name, Some(self.scope), true, &mut buf)?;
            out.extend_from_slice(&buf);
            self.give_buffer(buf);
        } else {
            let t = self.template(v);
            self.eval(&t.src, &t.segs, out)?;
        }
        self.scope = outer_scope;
        if self.vars[v].name == name {
            self.vars[v].expanding = false;
        }
        if set_reading {
            self.reading = None;
        }
        self.expanding_at = outer_at;
        Ok(())
    }

    fn template(&mut self, v: VarId) -> Rc<Template> {
        if let Some(t) = &self.vars[v].template {
            return Rc::clone(t);
        }
        let src: Box<[u8]> = self.vars[v].value.as_slice().into();
        let segs = template::parse(&mut self.names, &src, 0, src.len()).into_boxed_slice();
        let t = Rc::new(Template { src, segs });
        self.vars[v].template = Some(Rc::clone(&t));
        t
    }

    /// The value of a target-specific `+=` variable: what the outer sets have, then its own.
    fn appended_value(
        &mut self,
        name: Name,
        scope: Option<SetId>,
        local: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(scope) = scope else { return Ok(()) };
        let (next, next_is_parent) = self.vars.next(scope);
        let next_local = local && !next_is_parent;
        let here = self.vars.lookup_here(scope, name).filter(|&v| local || !self.vars[v].private);
        let Some(v) = here else { return self.appended_value(name, next, next_local, out) };
        if self.vars[v].append {
            self.appended_value(name, next, next_local, out)?;
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        if !self.vars[v].recursive {
            self.vars[v].value.append_to(out);
            return Ok(());
        }
        let t = self.template(v);
        self.eval(&t.src, &t.segs, out)
    }

    /// With `--warn-undefined-variables`, says that a name is not defined.
    pub(crate) fn warn_undefined(&mut self, name: Name) {
        /// Names that make itself uses, whether they are defined or not.
        const QUIET: [&[u8]; 10] = [
            b"MAKECMDGOALS",
            b"MAKE_RESTARTS",
            b"MAKE_TERMOUT",
            b"MAKE_TERMERR",
            b"MAKEOVERRIDES",
            b".DEFAULT",
            b"-*-command-variables-*-",
            b"-*-eval-flags-*-",
            b"VPATH",
            b"GPATH",
        ];
        if !self.opts.warn_undefined {
            return;
        }
        let text = self.names.bytes(name);
        if QUIET.contains(&text) {
            return;
        }
        let mut msg = b"warning: undefined variable '".to_vec();
        msg.extend_from_slice(text);
        msg.push(b'\'');
        self.say(self.reading, &msg);
    }

    /// Expands text as the file sees it (global scope for `None`). `loc` is what errors name.
    ///
    /// # Errors
    /// As make's, with its text.
    pub fn expand_for(
        &mut self,
        text: &[u8],
        f: Option<FileId>,
        loc: Option<Loc>,
    ) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let scope = f.and_then(|f| self.files[f].variables);
        let Some(scope) = scope else {
            self.expand_into(text, &mut out)?;
            return Ok(out);
        };
        let outer_scope = std::mem::replace(&mut self.scope, scope);
        let outer_reading = std::mem::replace(&mut self.reading, loc.filter(|l| l.file.is_some()));
        let done = self.expand_into(text, &mut out);
        self.scope = outer_scope;
        self.reading = outer_reading;
        done.map(|()| out)
    }
}
