//! What happens once all makefiles are read: special targets take effect; and second expansion,
//! when a target is first considered.

use crate::db::{Dep, FileId, flags};
use crate::record::token_end;
use crate::{Fatal, Make, Result};

impl Make {
    /// All rules of the target of that name.
    fn rules_of(&self, name: &[u8]) -> Vec<FileId> {
        let mut all = Vec::new();
        let mut at = self.lookup(name);
        while let Some(f) = at {
            all.push(f);
            at = self.files[f].next_double_colon;
        }
        all
    }

    /// Every rule of every prerequisite of one rule of a special target.
    fn named_by(&self, f: FileId) -> Vec<FileId> {
        let mut all = Vec::new();
        for d in &self.files[f].deps {
            let mut at = d.file;
            while let Some(x) = at {
                all.push(x);
                at = self.files[x].next_double_colon;
            }
        }
        all
    }

    fn mark(&mut self, special: &[u8], mut set: impl FnMut(&mut crate::db::File)) {
        for f in self.rules_of(special) {
            for x in self.named_by(f) {
                set(&mut self.files[x]);
            }
        }
    }

    fn mark_intermediate(&mut self, special: &str, secondary: bool) -> Result<()> {
        for f in self.rules_of(special.as_bytes()) {
            if secondary && self.files[f].deps.is_empty() {
                self.special.all_secondary = true;
            }
            for x in self.named_by(f) {
                if self.files[x].notintermediate {
                    let mut text = self.file_name(x).to_vec();
                    text.extend_from_slice(b" cannot be both .NOTINTERMEDIATE and ");
                    text.extend_from_slice(special.as_bytes());
                    return Err(Fatal { loc: None, text });
                }
                self.files[x].intermediate = true;
                self.files[x].secondary |= secondary;
            }
        }
        Ok(())
    }

    /// After all makefiles are read: special targets take effect, suffix rules become pattern rules,
    /// the built-in pattern rules are put behind them, and VPATH is read.
    ///
    /// # Errors
    /// For special targets that contradict each other, or if `.EXTRA_PREREQS` cannot be expanded.
    pub fn snap_deps(&mut self) -> Result<()> {
        self.snapped = true;
        self.mark(b".PRECIOUS", |f| f.precious = true);
        self.mark(b".LOW_RESOLUTION_TIME", |f| f.low_resolution_time = true);
        self.mark(b".PHONY", |f| {
            f.phony = true;
            f.is_target = true;
        });
        for f in self.rules_of(b".NOTINTERMEDIATE") {
            if self.files[f].deps.is_empty() {
                self.special.no_intermediates = true;
            }
            for x in self.named_by(f) {
                self.files[x].notintermediate = true;
            }
        }
        self.mark_intermediate(".INTERMEDIATE", false)?;
        self.mark_intermediate(".SECONDARY", true)?;
        if self.special.no_intermediates && self.special.all_secondary {
            let text = b".NOTINTERMEDIATE and .SECONDARY are mutually exclusive".to_vec();
            return Err(Fatal { loc: None, text });
        }
        let target = |m: &Make, name: &[u8]| m.lookup(name).filter(|&f| m.files[f].is_target);
        if target(self, b".EXPORT_ALL_VARIABLES").is_some() {
            self.export_all = true;
        }
        if target(self, b".DELETE_ON_ERROR").is_some() {
            self.special.delete_on_error = true;
        }
        if let Some(f) = target(self, b".IGNORE") {
            self.special.ignore_all |= self.files[f].deps.is_empty();
            for x in self.named_by(f) {
                self.files[x].command_flags |= flags::NOERROR;
            }
        }
        if let Some(f) = target(self, b".SILENT") {
            self.special.silent_all |= self.files[f].deps.is_empty();
            for x in self.named_by(f) {
                self.files[x].command_flags |= flags::SILENT;
            }
        }
        if let Some(f) = target(self, b".NOTPARALLEL") {
            self.special.not_parallel |= self.files[f].deps.is_empty();
            for x in self.named_by(f) {
                for d in self.files[x].deps.iter_mut().skip(1) {
                    d.wait_here = true;
                }
            }
        }
        self.snap_files()?;
        self.install_suffix_rules();
        self.convert_suffix_rules();
        self.install_default_pattern_rules();
        self.snap_pattern_rules()?;
        self.build_vpath_lists()
    }

    /// The prerequisites that `.EXTRA_PREREQS` names, as seen from the current scope.
    pub(crate) fn extra_prereqs(&mut self, value: &[u8]) -> Result<Vec<Dep>> {
        let text = self.expand(value)?;
        let mut deps = self.split_prereqs(&text)?;
        for d in &mut deps {
            if let Some(name) = d.name.take() {
                d.file = Some(self.enter_name(name));
            }
            d.ignore_automatic = true;
        }
        Ok(deps)
    }

    pub(crate) fn global_extra_prereqs(&mut self) -> Result<Vec<Dep>> {
        match self.lookup_var(b".EXTRA_PREREQS") {
            Some(v) => {
                let value = self.vars[v].value.clone();
                self.extra_prereqs(&value)
            }
            None => Ok(Vec::new()),
        }
    }

    fn snap_files(&mut self) -> Result<()> {
        let extra = self.global_extra_prereqs()?;
        let name = self.names.intern(b".EXTRA_PREREQS");
        // Only the first rule of a double-colon target is in the table of files.
        let all: Vec<FileId> = self
            .files
            .ids()
            .filter(|&f| {
                self.files[f].renamed.is_none()
                    && self.files[f].double_colon.is_none_or(|first| first == f)
            })
            .collect();
        for f in all {
            let file = &mut self.files[f];
            if self.special.all_secondary && !file.notintermediate {
                file.intermediate = true;
            }
            if self.special.no_intermediates && !file.intermediate && !file.secondary {
                file.notintermediate = true;
            }
            let deps = if let Some(set) = file.variables {
                match self.vars.lookup_here(set, name) {
                    Some(v) => {
                        let value = self.vars[v].value.clone();
                        self.extra_prereqs(&value)?
                    }
                    None => continue,
                }
            } else if file.is_target && !extra.is_empty() {
                extra.clone()
            } else {
                continue;
            };
            let own = self.file_name(f).to_vec();
            if deps.iter().any(|d| self.dep_name(d) == own) {
                continue;
            }
            self.files[f].deps.extend(deps);
        }
        Ok(())
    }

    /// Second expansion of a file's prerequisites: afterwards every [`crate::Dep::file`] is set.
    ///
    /// # Errors
    /// If the expansion fails.
    pub fn expand_deps(&mut self, f: FileId) -> Result<()> {
        if self.files[f].snapped {
            return Ok(());
        }
        self.files[f].snapped = true;
        if !self.files[f].deps.iter().any(|d| d.need_2nd_expansion && d.name.is_some()) {
            return Ok(());
        }
        self.init_file_variables(f, false)?;
        let mut i = 0;
        while i < self.files[f].deps.len() {
            let d = self.files[f].deps[i].clone();
            let Some(name) = d.name.filter(|_| d.need_2nd_expansion) else {
                i += 1;
                continue;
            };
            let mut text = self.names.bytes(name).to_vec();
            if d.static_pattern {
                text = percent_to_stem(&text);
            }
            let stem = d.stem.or(self.files[f].stem);
            self.set_file_variables(f, stem);
            let loc = self.files[f].recipe.as_ref().map(|r| r.loc);
            let expanded = self.expand_for(&text, Some(f), loc)?;
            let mut new = self.split_prereqs(&expanded)?;
            for n in &mut new {
                if let Some(name) = n.name.take() {
                    let file = self.enter_name(name);
                    n.file = Some(file);
                    n.stem = d.stem;
                    if d.stem.is_none() {
                        self.files[file].is_explicit = true;
                    }
                }
            }
            let count = new.len();
            self.files[f].deps.splice(i..=i, new);
            i += count;
        }
        Ok(())
    }
}

/// The first `%` of each word becomes `$*`.
fn percent_to_stem(t: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(t.len() + 8);
    let mut from = 0;
    let mut search = 0;
    while let Some(n) = memchr::memchr(b'%', &t[search..]) {
        let at = search + n;
        out.extend_from_slice(&t[from..at]);
        out.extend_from_slice(b"$*");
        from = at + 1;
        search = token_end(t, from);
    }
    out.extend_from_slice(&t[from..]);
    out
}
