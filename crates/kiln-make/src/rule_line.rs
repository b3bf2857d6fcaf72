//! Rule lines: targets, `:`, and either prerequisites and a recipe or a target-specific variable.

use kiln_base::{Loc, Name, text};

use crate::assign::PatternVar;
use crate::fileseq::SeqFlags;
use crate::lines::{self, WordKind};
use crate::read::{Modified, Pending, modified_assignment};
use crate::var::{Flavor, Origin};
use crate::{Fatal, Make, Result};

impl Make {
    /// A line of the form `TARGET: NAME…`, the colon at `colon`, with nothing special in it, as dependency files have by
    /// the thousand: it is taken in without the copies that the general way makes. Returns whether
    /// the line was one; if not, nothing has been done.
    pub(crate) fn plain_rule_line(
        &mut self,
        pending: &mut Pending,
        line: &[u8],
        colon: usize,
        loc: Loc,
        set_default: bool,
    ) -> Result<bool> {
        if line.get(colon) != Some(&b':') || line[0] == b'.' {
            return Ok(false);
        }
        let deps = &line[colon + 1..];
        if !deps.iter().all(|&b| text::is_plain_byte(b) || b == b' ' || b == b'\t') {
            return Ok(false);
        }
        self.finish_rule(pending, loc)?;
        // Lines for the same target follow one another.
        let target = match self.last_plain_target {
            Some(last) if self.names.bytes(last) == &line[..colon] => last,
            _ => self.names.intern(&line[..colon]),
        };
        self.last_plain_target = Some(target);
        pending.line = loc.line;
        pending.prefix = self.recipe_prefix;
        pending.double_colon = false;
        pending.plain = true;
        pending.plain_deps.clear();
        pending.plain_deps.extend_from_slice(deps);
        if set_default && !self.have_default_goal() {
            self.check_specials(&[target], set_default);
        }
        pending.targets.push(target);
        Ok(true)
    }

    /// A line that is taken for a rule.
    pub(crate) fn rule_line(
        &mut self,
        pending: &mut Pending,
        raw: &[u8],
        loc: Loc,
        set_default: bool,
    ) -> Result<()> {
        self.finish_rule(pending, loc)?;
        pending.line = loc.line;
        let mut line = self.take_buffer();
        line.extend_from_slice(raw);
        // The recipe after a semicolon is cut off before anything is expanded.
        let mut semicolon: Option<Vec<u8>> = None;
        if memchr::memchr2(b';', b'#', &line).is_some()
            && let Some(i) = lines::find_outside_references(&mut line, |b| b == b';' || b == b'#')
        {
            if line[i] == b';' {
                semicolon = Some(line[i..].to_vec());
            }
            line.truncate(i);
        }
        let mut recipe: Option<Vec<u8>> = semicolon.as_ref().map(|s| s[1..].to_vec());
        if let std::borrow::Cow::Owned(joined) = lines::join_continued(&line, self.special.posix) {
            line = joined;
        }
        let (kind, start, end) = lines::next_rule_word(&line, 0);
        match kind {
            WordKind::End => {
                if recipe.is_some() {
                    return Err(Fatal::at(loc, "missing rule before recipe"));
                }
                return Ok(());
            }
            WordKind::Colon => {
                pending.no_targets = true;
                return Ok(());
            }
            _ => {}
        }
        // Words are expanded one by one up to the colon: what follows may be a variable's value,
        // which is not to be expanded here.
        let mut out = self.take_buffer();
        self.expand_into(&line[start..end], &mut out)?;
        let mut pos = end;
        let mut word = 0;
        let colon = loop {
            if recipe.is_none()
                && memchr::memchr(b';', &out[word..]).is_some()
                && let Some(i) = text::find_unquoted(&mut out, word, |b| b == b';')
            {
                let mut rest = out.split_off(i);
                rest.remove(0);
                self.expand_into(&line[pos..], &mut rest)?;
                pos = line.len();
                recipe = Some(rest);
            }
            if memchr::memchr(b':', &out[word..]).is_some()
                && let Some(i) = text::find_unquoted(&mut out, word, |b| b == b':')
            {
                break Some(if i > word && out[i - 1] == b'&' { i - 1 } else { i });
            }
            let (kind, start, end) = lines::next_rule_word(&line, pos);
            if kind == WordKind::End {
                break None;
            }
            out.push(b' ');
            word = out.len();
            self.expand_into(&line[start..end], &mut out)?;
            pos = end;
        };
        let Some(colon) = colon else {
            if text::leading_space(&out) == out.len() {
                return Ok(());
            }
            return Err(Fatal::at(loc, self.missing_separator(&line)));
        };
        let grouped = out[colon] == b'&';
        let targets = self.name_list(&out[..colon]);
        if targets.is_empty() {
            pending.no_targets = true;
            return Ok(());
        }
        if grouped {
            pending.grouped = true;
        }
        // Of a long list it is found out at once; wildcards may stand for anything.
        pending.no_percent = targets.len() > 8
            && memchr::memchr3(b'%', b'*', b'?', &out[..colon]).is_none()
            && memchr::memchr2(b'[', b'~', &out[..colon]).is_none();
        let mut at = colon + usize::from(grouped) + 1;
        let double_colon = out.get(at) == Some(&b':');
        at += usize::from(double_colon);
        let expanded_end = out.len();
        out.extend_from_slice(&line[pos..]);
        if let Some(m) = modified_assignment(&out, at, true) {
            if let Some(s) = semicolon {
                out.extend_from_slice(&lines::join_continued(&s, self.special.posix));
            }
            // The value is what follows in the whole text now.
            let m = match modified_assignment(&out, at, true) {
                Some(longer) => longer,
                None => m,
            };
            self.target_variable(&targets, &out, &m, loc)?;
            self.give_buffer(line);
            self.give_buffer(out);
            return Ok(());
        }
        pending.prefix = self.recipe_prefix;
        pending.no_targets = false;
        out.truncate(expanded_end);
        if pos < line.len() {
            let mut rest = line.split_off(pos);
            if memchr::memchr(b'\\', &rest).is_some() {
                let _ = text::find_unquoted(&mut rest, 0, |b| b == b'=');
            }
            self.expand_into(&rest, &mut out)?;
            if recipe.is_none()
                && memchr::memchr(b';', &out[at..]).is_some()
                && let Some(i) = text::find_unquoted(&mut out, at, |b| b == b';')
            {
                recipe = Some(out[i + 1..].to_vec());
                out.truncate(i);
            }
        }
        let mut deps_at = at;
        if let Some(c) = unquoted_colon(&out, at) {
            let mut pats: Vec<Name> = Vec::new();
            let flags = SeqFlags { no_glob: true, ..SeqFlags::default() };
            self.file_seq(&out[at..c], None, flags, |m, n, _| pats.push(m.names.intern(n)));
            deps_at = c + 1;
            let pattern = match pats.as_slice() {
                [] => return Err(Fatal::at(loc, "missing target pattern")),
                [one] => *one,
                _ => return Err(Fatal::at(loc, "multiple target patterns")),
            };
            match self.percent_of(pattern) {
                (name, Some(percent)) => pending.pattern = Some((name, percent)),
                _ => return Err(Fatal::at(loc, "target pattern contains no '%'")),
            }
        }
        pending.double_colon = double_colon;
        let deps = text::trim(&out[deps_at..]);
        pending.deps = if deps.is_empty() { None } else { Some(deps.to_vec()) };
        pending.recipe.clear();
        if let Some(r) = recipe {
            pending.recipe_line = loc.line;
            pending.recipe.extend_from_slice(&r);
            pending.recipe.push(b'\n');
        }
        self.check_specials(&targets, set_default);
        pending.targets = targets;
        self.give_buffer(line);
        self.give_buffer(out);
        Ok(())
    }

    fn missing_separator(&self, line: &[u8]) -> &'static str {
        if self.recipe_prefix == b'\t' && line.starts_with(b"        ") {
            return "missing separator (did you mean TAB instead of 8 spaces?)";
        }
        let p = &line[text::leading_space(line)..];
        let bad_if = |word: &[u8]| {
            p.starts_with(word) && !p.get(word.len()).is_some_and(|&b| text::is_blank(b))
        };
        if bad_if(b"ifneq") || bad_if(b"ifeq") {
            return "missing separator (ifeq/ifneq must be followed by whitespace)";
        }
        "missing separator"
    }

    /// The name with the backslashes that quote a `%` removed, and where an unquoted `%` stands.
    pub(crate) fn percent_of(&mut self, name: Name) -> (Name, Option<usize>) {
        let t = self.names.bytes(name);
        match memchr::memchr(b'%', t) {
            None => (name, None),
            Some(i) if i == 0 || t[i - 1] != b'\\' => (name, Some(i)),
            Some(_) => {
                let p = text::Pattern::parse(t);
                (self.names.intern(&p.text), p.percent)
            }
        }
    }

    /// A target-specific or pattern-specific variable.
    fn target_variable(
        &mut self,
        targets: &[Name],
        t: &[u8],
        m: &Modified,
        loc: Loc,
    ) -> Result<()> {
        let Some(a) = m.assignment else {
            return Err(Fatal::at(loc, "Malformed target-specific variable definition"));
        };
        let origin = if m.mods.is_override { Origin::Override } else { Origin::File };
        for &target in targets {
            let (target, percent) = self.percent_of(target);
            if let Some(percent) = percent {
                let name = self.assigned_name(&t[a.name.0..a.name.1], Some(loc))?;
                let name = self.names.intern(&name);
                let mut value = t[a.value..].to_vec();
                if a.flavor == Flavor::Simple {
                    value = self.expand(&value)?;
                }
                let mut p = PatternVar {
                    target: self.names.bytes(target).to_vec(),
                    percent,
                    name,
                    value,
                    flavor: a.flavor,
                    origin,
                    export: m.mods.export.unwrap_or_default(),
                    private: m.mods.private,
                    loc,
                    recursive: a.flavor != Flavor::Simple,
                };
                if let Some((value, origin, recursive)) = self.outranking(name, origin) {
                    p.value = value;
                    p.origin = origin;
                    p.recursive = recursive;
                }
                self.add_pattern_var(p);
                continue;
            }
            let mut f = self.enter_name(target);
            if let Some(first) = self.files[f].double_colon {
                f = first;
            }
            self.init_file_variables(f, true)?;
            let outer = self.scope;
            self.scope = self.files[f].variables.unwrap_or(outer);
            let v = self.assign_parsed(t, a, origin, true, Some(loc))?;
            self.scope = outer;
            let var = &mut self.vars[v];
            var.per_target = true;
            var.private = m.mods.private;
            if let Some(e) = m.mods.export {
                var.export = e;
            }
            let (name, origin) = (var.name, var.origin);
            if self.vars.lookup(self.scope, name) != Some(v)
                && let Some((value, origin, recursive)) = self.outranking(name, origin)
            {
                let var = &mut self.vars[v];
                var.set_value(value);
                var.origin = origin;
                var.recursive = recursive;
                var.append = false;
            }
        }
        Ok(())
    }

    /// The setting from the command line or `-e` that a target's own value must give way to.
    fn outranking(&mut self, name: Name, origin: Origin) -> Option<(Vec<u8>, Origin, bool)> {
        if origin == Origin::Override {
            return None;
        }
        let g = self.vars.lookup(self.scope, name)?;
        let g = &self.vars[g];
        matches!(g.origin, Origin::EnvOverride | Origin::Command)
            .then(|| (g.value.to_vec(), g.origin, g.recursive))
    }
}

/// The first colon at or after `from` that no backslash quotes.
fn unquoted_colon(t: &[u8], from: usize) -> Option<usize> {
    let mut i = from;
    loop {
        i += memchr::memchr(b':', &t[i..])?;
        let slashes = t[..i].iter().rev().take_while(|&&b| b == b'\\').count();
        if slashes % 2 == 0 {
            return Some(i);
        }
        i += 1;
    }
}
