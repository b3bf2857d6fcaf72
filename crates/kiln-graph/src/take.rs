//! What becomes of a rule that the search has found: the target, its intermediate files and its
//! peers get what the rule says. It does not search.

use kiln_base::Name;
use kiln_make::{Dep, FileId, Make};

use crate::implicit::{Candidate, Found, Search};
use crate::{Graph, Result};

impl Graph {
    /// Gives the target what the rule says.
    pub(crate) fn take_rule(
        &mut self,
        make: &mut Make,
        search: &Search,
        c: &Candidate,
        found: Vec<Found>,
    ) -> Result<Name> {
        let f = search.file;
        let terminal = make.rules[c.rule].terminal;
        let mut deps = Vec::new();
        for p in found {
            let made = p.made.is_some();
            if let Some((scratch, pattern)) = p.made {
                self.enter_intermediate(make, scratch, pattern, p.name, p.is_explicit);
            }
            let mut dep = Dep {
                ignore_mtime: p.ignore_mtime,
                is_explicit: p.is_explicit,
                ignore_automatic: p.ignore_automatic,
                wait_here: p.wait_here,
                ..Dep::default()
            };
            if search.recursions > 0 {
                dep.name = Some(p.name);
            } else {
                dep.file = Some(lookup_or_enter(make, p.name));
            }
            if !made && terminal {
                // What a terminal rule found really exists: no rule is to be searched for it.
                match dep.file {
                    Some(d) => make.files[d].tried_implicit = true,
                    None => dep.changed = true,
                }
            }
            deps.push(dep);
        }
        if !deps.is_empty() {
            make.files[f].was_shuffled = false;
        }
        deps.append(&mut make.files[f].deps);
        make.files[f].deps = deps;
        if !make.files[f].was_shuffled {
            self.shuffle_deps(make, f);
        }
        let (_, full) = self.stems(search, c);
        let stem = make.names.intern(&full);
        let rule = make.rules[c.rule].clone();
        let index = self.patterns.all[c.pattern].index;
        let pattern = rule.targets[index];
        let no_intermediates = make.special.no_intermediates;
        let marks = |make: &Make, pattern: Name| {
            let text = make.names.bytes(pattern);
            let known = make.lookup(text).map(|p| &make.files[p]);
            known.map(|p| (p.precious, p.notintermediate || no_intermediates))
        };
        let own = marks(make, pattern);
        let file = &mut make.files[f];
        file.stem = Some(stem);
        file.recipe = rule.recipe;
        file.is_target = true;
        if let Some((precious, notintermediate)) = own {
            file.precious |= precious;
            file.notintermediate |= notintermediate;
        }
        for (i, &target) in rule.targets.iter().enumerate() {
            if i == index {
                continue;
            }
            let text = make.names.shared(target);
            let percent = text.iter().position(|&b| b == b'%').unwrap_or(text.len() - 1);
            let mut name = text[..percent].to_vec();
            name.extend_from_slice(&full);
            name.extend_from_slice(&text[percent + 1..]);
            let peer = make.enter(&name);
            let of_pattern = marks(make, target);
            let file = &mut make.files[peer];
            if let Some((precious, notintermediate)) = of_pattern {
                file.precious |= precious;
                file.notintermediate |= notintermediate;
            }
            // Not to be taken for an intermediate file before it has been made.
            file.is_target = true;
            make.files[f].also_make.insert(0, peer);
        }
        Ok(pattern)
    }

    /// Enters an intermediate file as a target with what the search found for it.
    fn enter_intermediate(
        &mut self,
        make: &mut Make,
        scratch: FileId,
        pattern: Name,
        name: Name,
        is_explicit: bool,
    ) {
        let text = make.names.shared(name);
        let f = match make.lookup(&text) {
            Some(f) => f,
            None => make.enter(&text),
        };
        let described = std::mem::take(&mut make.files[scratch]);
        self.scratch.push(scratch);
        let no_intermediates = make.special.no_intermediates;
        let pattern = make.names.shared(pattern);
        let precious = make.lookup(&pattern).is_some_and(|p| make.files[p].precious);
        let file = &mut make.files[f];
        file.deps = described.deps;
        file.recipe = described.recipe;
        file.stem = described.stem;
        if file.variables.is_none() {
            file.variables = described.variables;
        }
        file.pattern_variables = described.pattern_variables;
        file.pattern_searched = described.pattern_searched;
        file.also_make = described.also_make;
        file.is_target = true;
        file.is_explicit |= described.is_explicit || is_explicit;
        file.notintermediate |= described.notintermediate || no_intermediates;
        file.intermediate |= !file.is_explicit && !file.notintermediate;
        file.tried_implicit = true;
        file.precious |= precious;
        for i in 0..make.files[f].deps.len() {
            let Some(name) = make.files[f].deps[i].name.take() else { continue };
            let text = make.names.shared(name);
            let d = make.enter(&text);
            let known = make.files[f].deps[i].changed;
            make.files[d].tried_implicit |= known;
            make.files[f].deps[i].file = Some(d);
        }
    }
}

fn lookup_or_enter(make: &mut Make, name: Name) -> FileId {
    let text = make.names.shared(name);
    match make.lookup(&text) {
        Some(f) => f,
        None => make.enter(&text),
    }
}
