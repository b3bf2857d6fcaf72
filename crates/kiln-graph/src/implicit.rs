//! The search for an implicit rule: which pattern rule can make a file, through intermediate files
//! if need be. GNU make manual, "Implicit Rule Search Algorithm". It decides nothing about time.

use std::rc::Rc;

use kiln_base::Name;
use kiln_make::db::RuleId;
use kiln_make::{Dep, File, FileId, Make, options::debug};

use crate::prerequisites::{next_word, plain_prerequisites, split_expanded, stem_as_variable};
use crate::{Graph, Result, say};

/// The name of a prerequisite, whether it is a file yet or not.
fn dep_name(make: &Make, dep: &Dep) -> Option<Name> {
    dep.name.or_else(|| dep.file.and_then(|f| make.files[f].name))
}

/// Longest path that a stem may come to.
const PATH_MAX: usize = 4096;

/// The target patterns of all pattern rules, taken apart once.
#[derive(Default)]
pub(crate) struct Patterns {
    pub(crate) rules: usize,
    pub(crate) all: Vec<Pattern>,
}

pub(crate) struct Pattern {
    pub(crate) rule: RuleId,
    /// Which target of the rule.
    pub(crate) index: usize,
    pub(crate) text: Rc<[u8]>,
    /// Where `%` stands.
    pub(crate) percent: usize,
    pub(crate) has_slash: bool,
}

impl Pattern {
    fn prefix(&self) -> &[u8] {
        &self.text[..self.percent]
    }
    fn suffix(&self) -> &[u8] {
        &self.text[self.percent + 1..]
    }
    fn matches_anything(&self) -> bool {
        self.text.len() == 1
    }
}

/// A pattern that matches the name looked for.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) rule: RuleId,
    pub(crate) pattern: usize,
    pub(crate) stem_len: usize,
    /// The directory of the name was left out of the match.
    pub(crate) without_dir: bool,
    pub(crate) rejected: bool,
}

/// The name looked for.
pub(crate) struct Sought {
    name: Rc<[u8]>,
    /// Length of the directory part, with its slash.
    dir: usize,
}

/// A prerequisite of the rule being tried.
pub(crate) struct Found {
    pub(crate) name: Name,
    /// Where it is an intermediate file: its description and the pattern that it matched.
    pub(crate) made: Option<(FileId, Name)>,
    pub(crate) ignore_mtime: bool,
    pub(crate) ignore_automatic: bool,
    pub(crate) is_explicit: bool,
    pub(crate) wait_here: bool,
}

/// One search, with what its steps share.
pub(crate) struct Search {
    pub(crate) file: FileId,
    pub(crate) sought: Sought,
    pub(crate) depth: u32,
    pub(crate) recursions: u32,
    pub(crate) compatible: bool,
    pub(crate) variables_ready: bool,
    pub(crate) found_compatible: bool,
}

/// What trying one rule gave.
enum Tried {
    Applies(Vec<Found>),
    Fails,
    /// It can never apply, not even with intermediate files.
    Never,
}

impl Graph {
    /// Looks for an implicit rule for `f` and, if one applies, gives `f` its recipe, prerequisites,
    /// stem and peers.
    pub(crate) fn try_implicit_rule(
        &mut self,
        make: &mut Make,
        f: FileId,
        depth: u32,
    ) -> Result<bool> {
        let (a, b) = ("Looking for an implicit rule for '", "'.\n");
        self.debug_file(make, debug::IMPLICIT, depth, f, a, b);
        Ok(self.pattern_search(make, f, depth, 0, false)?.is_some())
    }

    /// Returns the target pattern that matched.
    fn pattern_search(
        &mut self,
        make: &mut Make,
        file: FileId,
        depth: u32,
        recursions: u32,
        compatible: bool,
    ) -> Result<Option<Name>> {
        let Some(name) = make.files[file].name else { return Ok(None) };
        let name = make.names.shared(name);
        if name.is_empty() {
            return Ok(None);
        }
        self.read_patterns(make);
        // A slash at the end belongs to the name: `foo/bar/` is `bar/` in `foo/`.
        let dir = name[..name.len() - 1].iter().rposition(|&b| b == b'/').map_or(0, |i| i + 1);
        let mut search = Search {
            file,
            sought: Sought { name, dir },
            depth: depth + 1,
            recursions,
            compatible,
            variables_ready: false,
            found_compatible: false,
        };
        let mut candidates = self.candidates(make, &search);
        let mut hit = None;
        'passes: for intermediates in [false, true] {
            if candidates.is_empty() {
                break;
            }
            if intermediates {
                self.debug_search(make, &search, &[b"Trying harder.\n"]);
            }
            for slot in &mut candidates {
                let c = slot.clone();
                if c.rejected || (intermediates && make.rules[c.rule].terminal) {
                    continue;
                }
                match self.try_rule(make, &mut search, &c, intermediates)? {
                    Tried::Applies(found) => {
                        hit = Some((c, found));
                        break 'passes;
                    }
                    Tried::Fails => {}
                    Tried::Never => slot.rejected = true,
                }
            }
        }
        let sought = Rc::clone(&search.sought.name);
        if let Some((c, found)) = hit {
            let pattern = self.take_rule(make, &search, &c, found)?;
            if self.debugging(make, debug::IMPLICIT) {
                let rule = rule_text(make, c.rule);
                let parts: [&[u8]; 5] =
                    [b"Found implicit rule '", &rule, b"' for '", &sought, b"'.\n"];
                say::debug_line(make, depth, &parts);
            }
            return Ok(Some(pattern));
        }
        if search.found_compatible {
            if self.debugging(make, debug::IMPLICIT) {
                let parts: [&[u8]; 3] =
                    [b"Searching for a compatibility rule for '", &sought, b"'.\n"];
                say::debug_line(make, depth, &parts);
            }
            return self.pattern_search(make, file, depth, recursions, true);
        }
        if self.debugging(make, debug::IMPLICIT) {
            say::debug_line(make, depth, &[b"No implicit rule found for '", &sought, b"'.\n"]);
        }
        Ok(None)
    }

    fn read_patterns(&mut self, make: &Make) {
        if self.patterns.rules == make.rules.len() {
            return;
        }
        let mut all = Vec::new();
        for rule in make.rules.ids() {
            for (index, &target) in make.rules[rule].targets.iter().enumerate() {
                let text = make.names.shared(target);
                let Some(percent) = text.iter().position(|&b| b == b'%') else { continue };
                let has_slash = text.contains(&b'/');
                all.push(Pattern { rule, index, text, percent, has_slash });
            }
        }
        self.patterns = Patterns { rules: make.rules.len(), all };
    }

    /// The patterns that match, those with the shortest stem first.
    fn candidates(&self, make: &mut Make, search: &Search) -> Vec<Candidate> {
        let name = &search.sought.name;
        let mut specific = false;
        let mut out: Vec<Candidate> = Vec::new();
        let mut avoided = None;
        for (i, pattern) in self.patterns.all.iter().enumerate() {
            let rule = &make.rules[pattern.rule];
            let no_recipe = rule.recipe.is_none();
            let no_deps = rule.deps.is_empty();
            // Prerequisites without a recipe: the way to cancel a built-in rule.
            if no_recipe && !no_deps {
                continue;
            }
            if rule.in_use {
                if avoided != Some(pattern.rule) && self.debugging(make, debug::IMPLICIT) {
                    let text = rule_text(make, pattern.rule);
                    let parts: [&[u8]; 3] =
                        [b"Avoiding implicit rule recursion for rule '", &text, b"'.\n"];
                    say::debug_line(make, search.depth, &parts);
                }
                avoided = Some(pattern.rule);
                continue;
            }
            // What matches anything cannot make an intermediate file, unless it is terminal.
            if search.recursions > 0 && pattern.matches_anything() && !rule.terminal {
                continue;
            }
            let fixed = pattern.text.len() - 1;
            if pattern.text.len() > name.len() {
                continue;
            }
            let without_dir = search.sought.dir > 0 && !pattern.has_slash;
            let body = if without_dir { &name[search.sought.dir..] } else { &name[..] };
            if body.len() < fixed
                || !body.starts_with(pattern.prefix())
                || !body.ends_with(pattern.suffix())
            {
                continue;
            }
            if !pattern.matches_anything() {
                specific = true;
            }
            // Neither prerequisites nor recipe: it is there only to match.
            if no_deps && no_recipe {
                continue;
            }
            out.push(Candidate {
                rule: pattern.rule,
                pattern: i,
                stem_len: name.len() - fixed,
                without_dir,
                rejected: false,
            });
        }
        out.sort_by_key(|c| c.stem_len);
        if specific {
            for c in &mut out {
                let rule = &make.rules[c.rule];
                c.rejected =
                    !rule.terminal && rule.targets.iter().any(|&t| make.names.bytes(t).len() == 1);
            }
        }
        out
    }

    /// The stem of a candidate, without and with the directory that was left out of the match.
    pub(crate) fn stems(&self, search: &Search, c: &Candidate) -> (Vec<u8>, Vec<u8>) {
        let name = &search.sought.name;
        let pattern = &self.patterns.all[c.pattern];
        let start = if c.without_dir { search.sought.dir } else { 0 };
        let stem = name[start + pattern.percent..name.len() - pattern.suffix().len()].to_vec();
        let mut full = name[..start].to_vec();
        full.extend_from_slice(&stem);
        (stem, full)
    }

    fn try_rule(
        &mut self,
        make: &mut Make,
        search: &mut Search,
        c: &Candidate,
        intermediates: bool,
    ) -> Result<Tried> {
        let (stem, full) = self.stems(search, c);
        if self.debugging(make, debug::IMPLICIT) {
            let text = rule_text(make, c.rule);
            let parts: [&[u8]; 5] =
                [b"Trying pattern rule '", &text, b"' with stem '", &stem, b"'.\n"];
            say::debug_line(make, search.depth, &parts);
        }
        if full.len() > PATH_MAX {
            return Ok(Tried::Fails);
        }
        if make.rules[c.rule].deps.is_empty() {
            return Ok(Tried::Applies(Vec::new()));
        }
        make.rules[c.rule].in_use = true;
        let tried = self.try_prerequisites(make, search, c, intermediates, &stem, &full);
        make.rules[c.rule].in_use = false;
        tried
    }

    fn try_prerequisites(
        &mut self,
        make: &mut Make,
        search: &mut Search,
        c: &Candidate,
        intermediates: bool,
        stem: &[u8],
        full: &[u8],
    ) -> Result<Tried> {
        let mut found = Vec::new();
        let mut order_only = false;
        let mut star_set = false;
        for dep in make.rules[c.rule].deps.clone() {
            let Some(pattern) = dep_name(make, &dep) else { continue };
            let text = make.names.shared(pattern);
            if !dep.need_2nd_expansion {
                let dir = c.without_dir.then(|| &search.sought.name[..search.sought.dir]);
                for d in plain_prerequisites(make, dir, &dep, &text, stem)? {
                    match self.try_one(make, search, c, intermediates, d, pattern, &mut found)? {
                        Tried::Applies(_) => {}
                        other => return Ok(other),
                    }
                }
                continue;
            }
            let mut at = 0;
            while let Some((start, end)) = next_word(&text, at) {
                at = end;
                let word = &text[start..end];
                if !order_only && word == b"|" {
                    order_only = true;
                    continue;
                }
                if word.is_empty() {
                    // A second `|`: nothing but the end can follow.
                    break;
                }
                let (word, add_dir) = stem_as_variable(word, c.without_dir);
                if !search.variables_ready {
                    make.init_file_variables(search.file, false)?;
                    let stem = make.names.intern(full);
                    make.set_file_variables(search.file, Some(stem));
                    search.variables_ready = true;
                    star_set = true;
                } else if !star_set {
                    make.define_automatic(search.file, b"*", full);
                    star_set = true;
                }
                let is_explicit = !text[start..end].contains(&b'%');
                let expanded = make.expand_for(&word, Some(search.file), None)?;
                let dir = add_dir.then(|| search.sought.name[..search.sought.dir].to_vec());
                for mut d in split_expanded(make, &expanded, dir.as_deref(), &mut order_only)? {
                    d.is_explicit = is_explicit;
                    match self.try_one(make, search, c, intermediates, d, pattern, &mut found)? {
                        Tried::Applies(_) => {}
                        other => return Ok(other),
                    }
                }
            }
        }
        Ok(Tried::Applies(found))
    }

    /// Whether one prerequisite exists or can be made; if so it is added to `found`.
    #[allow(clippy::too_many_arguments)] // one step of the search with all it needs
    fn try_one(
        &mut self,
        make: &mut Make,
        search: &mut Search,
        c: &Candidate,
        intermediates: bool,
        d: Dep,
        pattern: Name,
        found: &mut Vec<Found>,
    ) -> Result<Tried> {
        let Some(name) = dep_name(make, &d) else { return Ok(Tried::Applies(Vec::new())) };
        let text = make.names.shared(name);
        let kind: &[u8] = if name == pattern { b"rule" } else { b"implicit" };
        if self.is_impossible(make, name) {
            if self.debugging(make, debug::IMPLICIT) {
                let rule = rule_text(make, c.rule);
                let parts: [&[u8]; 7] = [
                    b"Rejecting rule '",
                    &rule,
                    b"' due to impossible ",
                    kind,
                    b" prerequisite '",
                    &text,
                    b"'.\n",
                ];
                say::debug_line(make, search.depth, &parts);
            }
            return Ok(Tried::Never);
        }
        self.debug_search(make, search, &[b"Trying ", kind, b" prerequisite '", &text, b"'.\n"]);
        let mut prerequisite = Found {
            name,
            made: None,
            ignore_mtime: d.ignore_mtime,
            ignore_automatic: d.ignore_automatic,
            is_explicit: d.is_explicit,
            wait_here: d.wait_here,
        };
        let known = make.lookup(&text);
        let mut mentioned = false;
        let mut ought_to_exist = false;
        if let Some(df) = known {
            let file = &mut make.files[df];
            mentioned = file.is_explicit;
            if file.is_explicit {
                prerequisite.is_explicit = true;
            } else if !d.is_explicit {
                file.intermediate = true;
            }
            ought_to_exist = file.is_target;
        }
        if !ought_to_exist {
            let own = &make.files[search.file].deps;
            ought_to_exist = own.iter().any(|own| dep_name(make, own) == Some(name));
        }
        if ought_to_exist {
            self.debug_search(make, search, &[b"'", &text, b"' ought to exist.\n"]);
            found.push(prerequisite);
            return Ok(Tried::Applies(Vec::new()));
        }
        if make.file_exists(&text) {
            self.debug_search(make, search, &[b"Found '", &text, b"'.\n"]);
            found.push(prerequisite);
            return Ok(Tried::Applies(Vec::new()));
        }
        if known.is_some() {
            if search.compatible {
                if self.debugging(make, debug::IMPLICIT) {
                    let rule = rule_text(make, c.rule);
                    let parts: [&[u8]; 5] =
                        [b"Using compatibility rule '", &rule, b"' due to '", &text, b"'.\n"];
                    say::debug_line(make, search.depth, &parts);
                }
                found.push(prerequisite);
                return Ok(Tried::Applies(Vec::new()));
            }
            // Some rule mentions it, but not for this target. The rule is kept for a second search.
            if self.debugging(make, debug::IMPLICIT) {
                let rule = rule_text(make, c.rule);
                let parts: [&[u8]; 5] = [
                    b"Prerequisite '",
                    &text,
                    b"' of rule '",
                    &rule,
                    b"' does not qualify as ought to exist.\n",
                ];
                say::debug_line(make, search.depth, &parts);
            }
            search.found_compatible = true;
        }
        // A library is no prerequisite that a pattern rule can find.
        if !text.starts_with(b"-l")
            && let Some((path, _)) = make.vpath_search(&text)
        {
            let parts: [&[u8]; 5] =
                [b"Found prerequisite '", &text, b"' as VPATH '", &path, b"'.\n"];
            self.debug_search(make, search, &parts);
            found.push(prerequisite);
            return Ok(Tried::Applies(Vec::new()));
        }
        if intermediates {
            let kind: &[u8] =
                if d.is_explicit || mentioned { b"explicit" } else { b"intermediate" };
            let parts: [&[u8]; 5] = [b"Looking for a rule with ", kind, b" file '", &text, b"'.\n"];
            self.debug_search(make, search, &parts);
            let scratch = self.scratch_file(make, name);
            let (depth, level) = (search.depth, search.recursions + 1);
            if let Some(matched) =
                self.pattern_search(make, scratch, depth, level, search.compatible)?
            {
                prerequisite.made = Some((scratch, matched));
                found.push(prerequisite);
                return Ok(Tried::Applies(Vec::new()));
            }
            self.scratch.push(scratch);
            // What a rule mentions stays possible for the compatible search.
            if known.is_none() {
                self.mark_impossible(make, name);
            }
        }
        if intermediates && self.debugging(make, debug::IMPLICIT) {
            let rule = rule_text(make, c.rule);
            let parts: [&[u8]; 5] =
                [b"Rejecting rule '", &rule, b"' due to impossible prerequisite '", &text, b"'.\n"];
            say::debug_line(make, search.depth, &parts);
        } else if !intermediates {
            self.debug_search(make, search, &[b"Not found '", &text, b"'.\n"]);
        }
        Ok(Tried::Fails)
    }

    /// A file of no name table, to describe an intermediate file that may come of a search.
    fn scratch_file(&mut self, make: &mut Make, name: Name) -> FileId {
        let blank = File { name: Some(name), ..File::default() };
        match self.scratch.pop() {
            Some(f) => {
                make.files[f] = blank;
                f
            }
            None => make.files.push(blank),
        }
    }

    fn is_impossible(&self, make: &Make, name: Name) -> bool {
        self.impossible.get(&name) == Some(&make.command_count)
    }

    /// Remembers that nothing can make `name`, until a recipe has run. For a directory that does
    /// not exist make keeps no such memory.
    fn mark_impossible(&mut self, make: &Make, name: Name) {
        let (dir, _) = kiln_base::text::split_dir(make.names.bytes(name));
        let dir = match dir {
            [] => &b"."[..],
            [b'/'] => b"/",
            [dir @ .., b'/'] => dir,
            dir => dir,
        };
        if make.sys.stat(dir).is_ok() {
            self.impossible.insert(name, make.command_count);
        }
    }

    fn debug_search(&self, make: &mut Make, search: &Search, parts: &[&[u8]]) {
        if self.debugging(make, debug::IMPLICIT) {
            say::debug_line(make, search.depth, parts);
        }
    }
}

/// A rule as `--debug` shows it: targets, prerequisites, order-only ones after a bar.
pub fn rule_text(make: &Make, rule: RuleId) -> Vec<u8> {
    let rule = &make.rules[rule];
    let mut text = Vec::new();
    for (i, &t) in rule.targets.iter().enumerate() {
        if i > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(make.names.bytes(t));
    }
    text.push(b':');
    if rule.terminal {
        text.push(b':');
    }
    for order_only in [false, true] {
        let mut bar = order_only;
        for d in rule.deps.iter().filter(|d| d.ignore_mtime == order_only) {
            if std::mem::take(&mut bar) {
                text.extend_from_slice(b" |");
            }
            if d.wait_here {
                text.extend_from_slice(b" .WAIT");
            }
            text.push(b' ');
            if let Some(name) = dep_name(make, d) {
                text.extend_from_slice(make.names.bytes(name));
            }
        }
    }
    text
}
