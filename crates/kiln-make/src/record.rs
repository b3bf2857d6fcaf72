//! Rules that have been read whole go into the data base.

use std::rc::Rc;

use kiln_base::{Loc, Name, text};

use crate::db::{Dep, FileId, PatternRule, Recipe};
use crate::lines;
use crate::read::Pending;
use crate::var::Origin;
use crate::{Fatal, Make, Result};

impl Make {
    /// Records the rule that is being read, if there is one.
    pub(crate) fn finish_rule(&mut self, p: &mut Pending, loc: Loc) -> Result<()> {
        if p.plain {
            p.plain = false;
            let target = p.targets[0];
            p.targets.clear();
            let loc = Loc { file: loc.file, line: p.line };
            self.record_plain(target, p, loc)?;
        } else if !p.targets.is_empty() {
            let targets = std::mem::take(&mut p.targets);
            let loc = Loc { file: loc.file, line: p.line };
            self.record_rule(&targets, p, loc)?;
        }
        p.recipe.clear();
        p.no_targets = false;
        p.pattern = None;
        p.grouped = false;
        p.deps = None;
        Ok(())
    }

    fn recipe_of(&self, p: &Pending, loc: Loc) -> Option<Rc<Recipe>> {
        (!p.recipe.is_empty()).then(|| {
            Rc::new(Recipe {
                loc: Loc { file: loc.file, line: p.recipe_line },
                text: p.recipe.as_slice().into(),
                prefix: p.prefix,
                lines: std::cell::OnceCell::new(),
            })
        })
    }

    /// A rule of one target and plain prerequisites, see `plain_rule_line`.
    fn record_plain(&mut self, target: Name, p: &Pending, loc: Loc) -> Result<()> {
        if self.snapped {
            return Err(Fatal::at(loc, "prerequisites cannot be defined in recipes"));
        }
        let recipe = self.recipe_of(p, loc);
        let empty = text::leading_space(&p.plain_deps) == p.plain_deps.len();
        let f = self.record_single_colon(target, recipe.as_ref(), empty, loc)?;
        self.files[f].is_target = true;
        let old = if recipe.is_some() {
            // The rule with the recipe has the first prerequisites: `$<` is one of them.
            std::mem::take(&mut self.files[f].deps)
        } else {
            Vec::new()
        };
        let mut wait_here = false;
        for word in text::words(&p.plain_deps) {
            if word == b".WAIT" {
                wait_here = true;
                continue;
            }
            let file = if word[0] == b'.' {
                self.enter(word)
            } else {
                let name = self.names.intern(word);
                self.enter_name(name)
            };
            self.files[file].is_explicit = true;
            let dep = Dep { file: Some(file), wait_here, ..Dep::default() };
            wait_here = false;
            let deps = &mut self.files[f].deps;
            if deps.len() == deps.capacity() {
                // Many files have one prerequisite, some have hundreds: room is added sparingly.
                deps.reserve_exact(deps.len() / 4 + 1);
            }
            deps.push(dep);
        }
        self.files[f].deps.extend(old);
        Ok(())
    }

    fn record_rule(&mut self, targets: &[Name], p: &mut Pending, loc: Loc) -> Result<()> {
        if self.snapped {
            return Err(Fatal::at(loc, "prerequisites cannot be defined in recipes"));
        }
        let (first, implicit) = self.percent_of(targets[0]);
        let recipe = self.recipe_of(p, loc);
        if recipe.is_none() && p.grouped {
            return Err(Fatal::at(loc, "grouped targets must provide a recipe"));
        }
        let mut deps: Vec<Dep> = Vec::new();
        if let Some(text) = p.deps.take() {
            let text = lines::unescape(&text, b':');
            if self.second_expansion && memchr::memchr(b'$', &text).is_some() {
                deps.push(Dep {
                    name: Some(self.names.intern(&text)),
                    need_2nd_expansion: true,
                    static_pattern: p.pattern.is_some(),
                    ..Dep::default()
                });
            } else {
                deps = self.split_prereqs(&text)?;
                if p.pattern.is_none() && implicit.is_none() {
                    deps = self.enter_prereqs(deps, None);
                }
            }
        }
        if implicit.is_some() {
            if p.pattern.is_some() {
                return Err(Fatal::at(loc, "mixed implicit and static pattern rules"));
            }
            let mut names = vec![first];
            for &t in &targets[1..] {
                match self.percent_of(t) {
                    (name, Some(_)) => names.push(name),
                    _ => return Err(Fatal::at(loc, "mixed implicit and normal rules")),
                }
            }
            self.add_pattern_rule(
                PatternRule {
                    targets: names,
                    deps,
                    recipe,
                    terminal: p.double_colon,
                    builtin: false,
                    in_use: false,
                },
                true,
            );
            return Ok(());
        }
        let mut group: Vec<FileId> = Vec::new();
        let last = targets.len() - 1;
        for (i, &target) in targets.iter().enumerate() {
            let mut name = if i == 0 { first } else { target };
            if i > 0 && !p.no_percent {
                // The original looks for a `%` only once the one before is recorded.
                let (n, percent) = self.percent_of(target);
                if percent.is_some() {
                    let msg = b"*** mixed implicit and normal rules: deprecated syntax";
                    self.say(Some(loc), msg);
                }
                name = n;
            }
            let stem = match p.pattern {
                None => None,
                Some((pat, percent)) => self.static_stem(pat, percent, name),
            };
            let mut mine = Vec::new();
            if p.pattern.is_some() && stem.is_none() {
                let msg = self.message(b"target '", name, b"' doesn't match the target pattern");
                self.say(Some(loc), &msg);
            } else if i == last {
                mine = std::mem::take(&mut deps);
            } else {
                mine.clone_from(&deps);
            }
            let f = if p.double_colon {
                self.record_double_colon(name, recipe.clone(), loc)?
            } else {
                self.record_single_colon(name, recipe.as_ref(), mine.is_empty(), loc)?
            };
            if p.grouped {
                group.insert(0, f);
            }
            self.files[f].is_target = true;
            if p.pattern.is_some() {
                let stem = match stem {
                    Some(s) => s,
                    // Without a match, the whole name stands for the stem.
                    None => name,
                };
                self.files[f].stem = Some(stem);
                if mine.first().is_some_and(|d| d.need_2nd_expansion) {
                    mine[0].stem = Some(stem);
                } else {
                    mine = self.enter_prereqs(mine, Some(stem));
                }
            }
            if !mine.is_empty() {
                let file = &mut self.files[f];
                if file.deps.is_empty() {
                    file.deps = mine;
                } else if recipe.is_some() {
                    // The rule with the recipe has the first prerequisites: `$<` is one of them.
                    mine.append(&mut file.deps);
                    file.deps = mine;
                } else {
                    file.deps.append(&mut mine);
                }
            }
            self.check_wait(f, loc);
        }
        for &f in &group {
            if !self.files[f].also_make.is_empty() {
                let name = self.files[f].name;
                let msg = self.message(
                    b"warning: overriding group membership for target '",
                    name.unwrap_or(first),
                    b"'",
                );
                self.say(recipe.as_ref().map(|r| r.loc), &msg);
            }
            self.files[f].also_make.clone_from(&group);
        }
        Ok(())
    }

    fn message(&self, before: &[u8], name: Name, after: &[u8]) -> Vec<u8> {
        [before, self.names.bytes(name), after].concat()
    }

    /// The stem by which a static pattern matches a target.
    fn static_stem(&mut self, pattern: Name, percent: usize, target: Name) -> Option<Name> {
        let pat = self.names.shared(pattern);
        let name = self.names.shared(target);
        let stem = name.strip_prefix(&pat[..percent])?;
        if stem.len() < pat.len() - percent - 1 {
            return None;
        }
        let stem = stem.strip_suffix(&pat[percent + 1..])?;
        Some(self.names.intern(stem))
    }

    fn record_single_colon(
        &mut self,
        name: Name,
        recipe: Option<&Rc<Recipe>>,
        no_deps: bool,
        loc: Loc,
    ) -> Result<FileId> {
        let f = self.enter_name(name);
        if self.files[f].double_colon.is_some() {
            let msg = self.message(b"target file '", name, b"' has both : and :: entries");
            return Err(Fatal::at(loc, msg));
        }
        self.files[f].builtin = false;
        if let Some(new) = recipe {
            let old = self.files[f].recipe.clone();
            match old {
                Some(old) if Rc::ptr_eq(&old, new) => {
                    let msg =
                        self.message(b"target '", name, b"' given more than once in the same rule");
                    self.say(Some(loc), &msg);
                }
                Some(old) if self.files[f].is_target => {
                    let msg = self.message(b"warning: overriding recipe for target '", name, b"'");
                    self.say(Some(new.loc), &msg);
                    let msg =
                        self.message(b"warning: ignoring old recipe for target '", name, b"'");
                    self.say(Some(old.loc), &msg);
                }
                _ => {}
            }
        }
        if Some(f) == self.special.default_file && no_deps && recipe.is_none() {
            self.files[f].recipe = None;
        }
        if let Some(new) = recipe {
            self.files[f].recipe = Some(Rc::clone(new));
        }
        if Some(f) == self.suffix_file && no_deps {
            self.files[f].deps.clear();
        }
        self.files[f].is_explicit = true;
        Ok(f)
    }

    fn record_double_colon(
        &mut self,
        name: Name,
        recipe: Option<Rc<Recipe>>,
        loc: Loc,
    ) -> Result<FileId> {
        let text = self.names.shared(name);
        if let Some(f) = self.lookup(&text)
            && self.files[f].is_target
            && self.files[f].double_colon.is_none()
        {
            let msg = self.message(b"target file '", name, b"' has both : and :: entries");
            return Err(Fatal::at(loc, msg));
        }
        let f = self.enter_double_colon(&text);
        self.files[f].recipe = recipe;
        Ok(f)
    }

    /// Special targets that change how the following lines are read, and the default goal.
    pub(crate) fn check_specials(&mut self, targets: &[Name], set_default: bool) {
        let mut wanted = set_default && !self.have_default_goal();
        for &target in targets {
            let name = self.names.bytes(target);
            if name.first() == Some(&b'.') {
                match name {
                    b".POSIX" if !self.special.posix => {
                        self.special.posix = true;
                        for (name, value) in [
                            (".SHELLFLAGS", "-ec"),
                            ("CC", "c99"),
                            ("CFLAGS", "-O1"),
                            ("FC", "fort77"),
                            ("FFLAGS", "-O1"),
                            ("SCCSGETFLAGS", "-s"),
                            ("ARFLAGS", "-rv"),
                        ] {
                            let name = self.names.intern(name.as_bytes());
                            let value = value.as_bytes().to_vec();
                            self.define_in(self.scope, name, value, Origin::Default, false, None);
                        }
                        continue;
                    }
                    b".SECONDEXPANSION" if !self.second_expansion => {
                        self.second_expansion = true;
                        continue;
                    }
                    b".ONESHELL" if !self.special.oneshell => {
                        self.special.oneshell = true;
                        continue;
                    }
                    _ => {}
                }
            }
            if !wanted {
                continue;
            }
            let name = self.names.bytes(target);
            if memchr::memchr(b'%', name).is_some() {
                return;
            }
            if name.first() == Some(&b'.') && memchr::memchr(b'/', name).is_none() {
                continue;
            }
            if self.is_suffix_rule(name) {
                continue;
            }
            let value = name.to_vec();
            self.define(b".DEFAULT_GOAL", &value, Origin::File, false);
            wanted = !self.have_default_goal();
        }
    }

    /// Whether `.DEFAULT_GOAL` has a value.
    pub(crate) fn have_default_goal(&self) -> bool {
        let v = self.vars.global(self.known.default_goal);
        v.is_some_and(|v| !self.vars[v].value.is_empty())
    }

    /// Whether a name is a suffix without a dot, or two suffixes one after the other.
    fn is_suffix_rule(&self, name: &[u8]) -> bool {
        let Some(sf) = self.suffix_file else { return false };
        let suffixes = &self.files[sf].deps;
        suffixes.iter().any(|d| {
            let s = self.dep_name(d);
            (s.first() != Some(&b'.') && s == name)
                || suffixes.iter().any(|d2| name.strip_prefix(self.dep_name(d2)) == Some(s))
        })
    }

    /// The name of a prerequisite: its file's, or its text.
    #[must_use]
    pub fn dep_name(&self, d: &Dep) -> &[u8] {
        match (d.file, d.name) {
            (_, Some(n)) => self.names.bytes(n),
            (Some(f), None) => self.file_name(f),
            (None, None) => b"",
        }
    }

    fn check_wait(&mut self, f: FileId, loc: Loc) {
        if self.files[f].name != Some(self.known.wait) {
            return;
        }
        if !self.wait_warned.0 && !self.files[f].deps.is_empty() {
            self.wait_warned.0 = true;
            self.say(Some(loc), b".WAIT should not have prerequisites");
        }
        if !self.wait_warned.1 && self.files[f].recipe.is_some() {
            self.wait_warned.1 = true;
            self.say(Some(loc), b".WAIT should not have commands");
        }
    }

    /// Sets the automatic variables of a file: `$@ $% $* $< $+ $^ $? $|`. Without a stem, the target
    /// name without a known suffix stands for it.
    pub fn set_file_variables(&mut self, f: FileId, stem: Option<Name>) {
        let Some(target) = self.files[f].name else { return };
        let stem = stem.unwrap_or_else(|| {
            let stem = self.stem_by_suffix(target);
            self.files[f].stem = Some(stem);
            stem
        });
        let deps = &self.files[f].deps;
        let usable = |d: &Dep| !d.need_2nd_expansion && !d.ignore_automatic;
        let mut less =
            deps.iter().find(|d| usable(d) && !d.ignore_mtime).and_then(|d| self.dep_id(d));
        if self.takes_default_recipe(f) {
            less = Some(target);
        }
        for (variable, value) in
            [(b"<", less), (b"*", Some(stem)), (b"@", Some(target)), (b"%", None)]
        {
            let value = value.map(|n| self.names.shared(n));
            self.define_automatic(f, variable, value.as_deref().unwrap_or_default());
        }
        self.set_list_variables(f);
    }

    /// `$+ $^ $? $|`
    fn set_list_variables(&mut self, f: FileId) {
        let mut all = Vec::new();
        let mut first: rustc_hash::FxHashMap<Name, usize> = rustc_hash::FxHashMap::default();
        let mut firsts = Vec::new();
        let mut upgraded = Vec::new();
        for (i, d) in self.files[f].deps.iter().enumerate() {
            if d.need_2nd_expansion || d.ignore_automatic {
                continue;
            }
            let Some(name) = self.dep_id(d) else { continue };
            if !d.ignore_mtime {
                self.add_name(&mut all, name);
            }
            match first.get(&name) {
                None => {
                    first.insert(name, i);
                    firsts.push((i, name));
                }
                // Listed both as ordinary and as order-only: it is ordinary.
                Some(&j) if self.files[f].deps[j].ignore_mtime != d.ignore_mtime => {
                    upgraded.extend([i, j]);
                }
                Some(_) => {}
            }
        }
        for i in upgraded {
            self.files[f].deps[i].ignore_mtime = false;
        }
        let (mut once, mut newer, mut order_only) = (Vec::new(), Vec::new(), Vec::new());
        for (i, name) in firsts {
            let d = &self.files[f].deps[i];
            if d.ignore_mtime {
                self.add_name(&mut order_only, name);
            } else {
                self.add_name(&mut once, name);
                if d.changed || self.opts.always_make {
                    self.add_name(&mut newer, name);
                }
            }
        }
        for (variable, mut value) in [(b"+", all), (b"^", once), (b"?", newer), (b"|", order_only)]
        {
            value.pop();
            self.define_automatic(f, variable, &value);
        }
    }

    fn add_name(&self, list: &mut Vec<u8>, name: Name) {
        list.extend_from_slice(self.names.bytes(name));
        list.push(b' ');
    }

    /// The interned name of a prerequisite.
    fn dep_id(&self, d: &Dep) -> Option<Name> {
        d.name.or_else(|| d.file.and_then(|f| self.files[f].name))
    }

    /// Whether the file's recipe is that of `.DEFAULT`.
    fn takes_default_recipe(&self, f: FileId) -> bool {
        let default = self.special.default_file.and_then(|d| self.files[d].recipe.as_ref());
        match (&self.files[f].recipe, default) {
            (Some(mine), Some(default)) => Rc::ptr_eq(mine, default),
            _ => false,
        }
    }

    /// The target's name without the first suffix of `.SUFFIXES` that it ends in.
    fn stem_by_suffix(&mut self, target: Name) -> Name {
        let text = self.names.shared(target);
        let deps = self.suffix_file.map_or(&[][..], |sf| &self.files[sf].deps);
        let stem = deps
            .iter()
            .find_map(|d| text.strip_suffix(self.dep_name(d)).filter(|stem| !stem.is_empty()));
        let stem = stem.unwrap_or_default().to_vec();
        self.names.intern(&stem)
    }
}

/// A word's end in the sense of the original's `end_of_token`.
pub(crate) fn token_end(t: &[u8], from: usize) -> usize {
    text::word_end(t, from)
}
