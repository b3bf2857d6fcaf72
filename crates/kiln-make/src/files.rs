//! Files of the data base: entering, renaming, and the variables that each sees.

use std::rc::Rc;

use kiln_base::Name;

use crate::db::{File, FileId, SetId};
use crate::var::{Flavor, GLOBAL, Origin};
use crate::{Fatal, Make, Result};

/// A name without `./` at its start, as `lookup_file` sees it.
fn canonical(mut name: &[u8]) -> &[u8] {
    while name.len() > 2 && name.starts_with(b"./") {
        name = &name[2..];
        while let [b'/', rest @ ..] = name {
            name = rest;
        }
    }
    if name.is_empty() { b"./" } else { name }
}

impl Make {
    /// The file entered under `name`, if any.
    #[must_use]
    pub fn lookup(&self, name: &[u8]) -> Option<FileId> {
        self.names.find(canonical(name)).and_then(|n| self.by_name.get(&n)).copied()
    }

    pub(crate) fn new_file(&mut self, name: Name) -> FileId {
        let f = self.files.push(File { name: Some(name), ..File::default() });
        self.by_name.insert(name, f);
        f
    }

    /// Enters a file under `name` (leading `./` removed as make does), or finds it.
    pub fn enter(&mut self, name: &[u8]) -> FileId {
        let name = self.names.intern(canonical(name));
        match self.by_name.get(&name) {
            Some(&f) => f,
            None => self.new_file(name),
        }
    }

    /// A further rule of a double-colon target.
    pub fn enter_double_colon(&mut self, name: &[u8]) -> FileId {
        let name = self.names.intern(canonical(name));
        let Some(&first) = self.by_name.get(&name) else {
            let f = self.new_file(name);
            self.files[f].double_colon = Some(f);
            return f;
        };
        self.files[first].builtin = false;
        if self.files[first].double_colon.is_none() {
            self.files[first].double_colon = Some(first);
            return first;
        }
        let f = self.files.push(File {
            name: Some(name),
            double_colon: Some(first),
            ..File::default()
        });
        let mut last = first;
        while let Some(next) = self.files[last].next_double_colon {
            last = next;
        }
        self.files[last].next_double_colon = Some(f);
        f
    }

    /// Gives a file the name that a VPATH search found, merging it with a file that has that name
    /// already. Returns the file that now stands for it (see [`File::renamed`]).
    ///
    /// # Errors
    /// If a single-colon and a double-colon target would become one.
    pub fn rename(&mut self, f: FileId, to: &[u8]) -> Result<FileId> {
        let old = self.files[f].name;
        let standing = self.rehash(f, to)?;
        // Every rule of the file shows the new name.
        let new = self.names.intern(to);
        let mut at = Some(f);
        while let Some(x) = at {
            self.files[x].name = Some(new);
            at = self.files[x].next_double_colon;
        }
        let _ = old;
        Ok(standing)
    }

    /// Moves a file to another name in the lookup table, keeping the name that it shows.
    ///
    /// # Errors
    /// If a single-colon and a double-colon target would become one.
    pub fn rehash(&mut self, f: FileId, to: &[u8]) -> Result<FileId> {
        // The path as it was found: a VPATH directory may begin with `./`, which then stays.
        let to_name = self.names.intern(to);
        self.files[f].builtin = false;
        let mut from = f;
        while let Some(r) = self.files[from].renamed {
            from = r;
        }
        let key = self.by_name.iter().find(|e| *e.1 == from).map(|e| *e.0);
        let key = match self.files[from].name {
            Some(n) if self.by_name.get(&n) == Some(&from) => Some(n),
            _ => key,
        };
        if key == Some(to_name) {
            return Ok(from);
        }
        if let Some(k) = key {
            self.by_name.remove(&k);
        }
        let Some(&into) = self.by_name.get(&to_name) else {
            self.by_name.insert(to_name, from);
            return Ok(from);
        };
        self.merge_files(from, into, to_name)?;
        Ok(into)
    }

    fn merge_files(&mut self, from: FileId, into: FileId, to_name: Name) -> Result<()> {
        let from_name = self.file_name(from).to_vec();
        let to_text = self.names.bytes(to_name).to_vec();
        if let Some(mine) = self.files[from].recipe.clone() {
            match self.files[into].recipe.clone() {
                None => self.files[into].recipe = Some(mine),
                Some(theirs) if !Rc::ptr_eq(&mine, &theirs) => {
                    let at = mine.loc;
                    let mut msg;
                    if theirs.loc.file.is_some() {
                        msg = [b"Recipe was specified for file '", from_name.as_slice(), b"' at "]
                            .concat();
                        let place = self.prefix(Some(at));
                        // `FILE:LINE: ` without its last two bytes.
                        msg.extend_from_slice(&place[..place.len() - 2]);
                        msg.push(b',');
                    } else {
                        msg = [
                            b"Recipe for file '".as_slice(),
                            &from_name,
                            b"' was found by implicit rule search,",
                        ]
                        .concat();
                    }
                    self.say(Some(at), &msg);
                    let msg = [
                        b"but '".as_slice(),
                        &from_name,
                        b"' is now considered the same file as '",
                        &to_text,
                        b"'.",
                    ]
                    .concat();
                    self.say(Some(at), &msg);
                    let msg = [
                        b"Recipe for '".as_slice(),
                        &from_name,
                        b"' will be ignored in favor of the one for '",
                        &to_text,
                        b"'.",
                    ]
                    .concat();
                    self.say(Some(at), &msg);
                }
                Some(_) => {}
            }
        }
        let mut deps = std::mem::take(&mut self.files[from].deps);
        self.files[into].deps.append(&mut deps);
        self.merge_variables(into, from);
        let (a, b) = (self.files[from].clone(), &self.files[into]);
        let cannot = |kind: (&str, &str)| Fatal {
            loc: None,
            text: [
                format!("can't rename {}-colon '", kind.0).as_bytes(),
                &from_name,
                format!("' to {}-colon '", kind.1).as_bytes(),
                &to_text,
                b"'",
            ]
            .concat(),
        };
        if b.double_colon.is_some() && a.is_target && a.double_colon.is_none() {
            return Err(cannot(("single", "double")));
        }
        if b.double_colon.is_none() && a.double_colon.is_some() {
            if b.is_target {
                return Err(cannot(("double", "single")));
            }
            self.files[into].double_colon = a.double_colon;
        }
        let b = &mut self.files[into];
        b.precious |= a.precious;
        b.tried_implicit |= a.tried_implicit;
        b.is_target |= a.is_target;
        b.cmd_target |= a.cmd_target;
        b.phony |= a.phony;
        b.is_explicit |= a.is_explicit;
        b.secondary |= a.secondary;
        b.notintermediate |= a.notintermediate;
        b.ignore_vpath |= a.ignore_vpath;
        b.snapped |= a.snapped;
        b.builtin = false;
        self.files[from].renamed = Some(into);
        Ok(())
    }

    fn merge_variables(&mut self, into: FileId, from: FileId) {
        let Some(source) = self.files[from].variables else { return };
        let Some(target) = self.files[into].variables else {
            self.files[into].variables = Some(source);
            return;
        };
        let mut at = Some(target);
        while let Some(s) = at.filter(|&s| s != GLOBAL) {
            if s == source {
                return;
            }
            at = self.vars.next(s).0;
        }
        let (mut to, mut src) = (target, source);
        let mut last = None;
        while src != GLOBAL && to != GLOBAL {
            let here = src;
            src = self.vars.next(src).0.unwrap_or(GLOBAL);
            self.vars.merge_into(to, here);
            last = Some(to);
            to = self.vars.next(to).0.unwrap_or(GLOBAL);
        }
        if src != GLOBAL
            && let Some(l) = last
        {
            let parent = self.vars.next(l).1;
            self.vars.set_next(l, Some(src), parent);
        }
    }

    /// Prepares a file's variable sets: its own, its pattern's, its parent's. `reading` is true while
    /// makefiles are still being read (pattern-specific ones are then left for later).
    ///
    /// # Errors
    /// If a pattern-specific variable's expansion fails.
    pub fn init_file_variables(&mut self, f: FileId, reading: bool) -> Result<()> {
        let set = match self.files[f].variables {
            Some(s) => s,
            None => {
                let s = self.vars.new_set(GLOBAL);
                self.files[f].variables = Some(s);
                s
            }
        };
        if let Some(first) = self.files[f].double_colon
            && first != f
        {
            self.init_file_variables(first, reading)?;
            let next = self.files[first].variables;
            self.vars.set_next(set, next, false);
            return Ok(());
        }
        let next: SetId = match self.files[f].parent {
            None => GLOBAL,
            Some(parent) => {
                self.init_file_variables(parent, reading)?;
                self.files[parent].variables.unwrap_or(GLOBAL)
            }
        };
        self.vars.set_next(set, Some(next), true);
        if !reading && !self.files[f].pattern_searched {
            self.apply_pattern_vars(f)?;
            self.files[f].pattern_searched = true;
        }
        if let Some(p) = self.files[f].pattern_variables {
            self.vars.set_next(p, Some(next), true);
            self.vars.set_next(set, Some(p), false);
        }
        Ok(())
    }

    fn apply_pattern_vars(&mut self, f: FileId) -> Result<()> {
        if self.pattern_vars.is_empty() {
            return Ok(());
        }
        let name = self.file_name(f).to_vec();
        let hits: Vec<usize> =
            (0..self.pattern_vars.len()).filter(|&i| self.pattern_vars[i].matches(&name)).collect();
        if hits.is_empty() {
            return Ok(());
        }
        let outer = self.scope;
        let set = self.vars.new_set(outer);
        self.files[f].pattern_variables = Some(set);
        self.scope = set;
        for i in hits {
            let p = &self.pattern_vars[i];
            let (name, value, origin) = (p.name, p.value.clone(), p.origin);
            let (export, private, loc) = (p.export, p.private, p.loc);
            let v = if p.flavor == Flavor::Simple {
                let recursive =
                    p.recursive && p.origin != Origin::File && p.origin != Origin::Override;
                self.define_in(set, name, value, origin, recursive, Some(loc))
            } else {
                let flavor = p.flavor;
                let text = self.names.shared(name);
                self.assign(&text, &value, origin, flavor, true, Some(loc))?
            };
            let var = &mut self.vars[v];
            var.per_target = true;
            var.export = export;
            var.private = private;
        }
        self.scope = outer;
        Ok(())
    }

    /// Defines an automatic variable (`@`, `<`, `*` …) in a file's set.
    pub fn define_automatic(&mut self, f: FileId, name: &[u8], value: &[u8]) {
        let set = match self.files[f].variables {
            Some(s) => s,
            None => {
                let s = self.vars.new_set(GLOBAL);
                self.vars.set_next(s, Some(GLOBAL), true);
                self.files[f].variables = Some(s);
                s
            }
        };
        let name = self.names.intern(name);
        self.define_in(set, name, value.to_vec(), Origin::Automatic, false, None);
    }
}
