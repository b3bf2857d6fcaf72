//! Pattern rules: entering them, suffix rules turned into them, and the built-in ones.

use std::rc::Rc;

use kiln_base::text;

use crate::builtin;
use crate::db::{Dep, PatternRule, Recipe};
use crate::var::Origin;
use crate::{Make, Result};

impl Make {
    /// Enters a pattern rule behind the others. If there is one with the same targets and
    /// prerequisites, it is removed (`replace`) or stays, and the new one is dropped.
    pub(crate) fn add_pattern_rule(&mut self, rule: PatternRule, replace: bool) {
        let same = self.rules.ids().find(|&r| {
            let old = &self.rules[r];
            rule.targets.iter().any(|t| old.targets.iter().all(|o| o == t))
                && old.deps.len() == rule.deps.len()
                && old
                    .deps
                    .iter()
                    .zip(&rule.deps)
                    .all(|(a, b)| a.name == b.name && a.file == b.file)
        });
        if let Some(r) = same {
            if !replace {
                return;
            }
            self.rules.remove(r);
        }
        self.rules.push(rule);
    }

    fn builtin_recipe(text: &str) -> Rc<Recipe> {
        Rc::new(Recipe {
            loc: kiln_base::Loc::default(),
            text: text.as_bytes().into(),
            prefix: b'\t',
            lines: std::cell::OnceCell::new(),
        })
    }

    /// The built-in suffix list, before makefiles are read. With `-r` it is empty.
    pub fn install_builtin_rules(&mut self) {
        let f = self.enter(b".SUFFIXES");
        self.suffix_file = Some(f);
        self.default_entry = Some(self.enter(b".DEFAULT"));
        self.files[f].builtin = true;
        if self.opts.no_builtin_rules {
            self.define(b"SUFFIXES", b"", Origin::Default, false);
            return;
        }
        let mut deps = Vec::new();
        for s in text::words(builtin::SUFFIXES.as_bytes()) {
            let x = self.enter(s);
            self.files[x].builtin = true;
            self.files[x].is_explicit = true;
            deps.push(Dep { file: Some(x), ..Dep::default() });
        }
        self.files[f].deps = deps;
        self.define(b"SUFFIXES", builtin::SUFFIXES.as_bytes(), Origin::Default, false);
    }

    /// `-r` was set by a makefile: the suffix list goes, unless the makefile changed it.
    pub fn forget_builtin_suffixes(&mut self) {
        if let Some(f) = self.suffix_file
            && self.files[f].builtin
        {
            self.files[f].deps.clear();
        }
        self.define(b"SUFFIXES", b"", Origin::Default, false);
    }

    /// The built-in suffix rules, where the makefiles define none of that name.
    pub(crate) fn install_suffix_rules(&mut self) {
        if self.opts.no_builtin_rules {
            return;
        }
        for (name, recipe) in builtin::SUFFIX_RULES {
            let f = self.enter(name.as_bytes());
            let file = &mut self.files[f];
            file.builtin = false;
            if file.recipe.is_none() {
                file.recipe = Some(Self::builtin_recipe(recipe));
                file.builtin = true;
            }
        }
        let default = self.default_entry.filter(|&f| self.files[f].recipe.is_some());
        self.special.default_file = default;
    }

    /// Every suffix rule of known suffixes becomes a pattern rule.
    pub(crate) fn convert_suffix_rules(&mut self) {
        let default = self.default_entry.filter(|&f| self.files[f].recipe.is_some());
        self.special.default_file = default;
        let Some(sf) = self.suffix_file else { return };
        let suffixes: Vec<(Vec<u8>, Option<Rc<Recipe>>, bool)> = self.files[sf]
            .deps
            .iter()
            .map(|d| {
                let file = d.file.map(|f| &self.files[f]);
                let recipe = file.and_then(|f| f.recipe.clone());
                (self.dep_name(d).to_vec(), recipe, file.is_some_and(|f| f.builtin))
            })
            .collect();
        for (s, recipe, builtin) in &suffixes {
            // This one only keeps rules that match anything from being tried for such names.
            self.suffix_pattern(Some(s), None, None, true);
            if recipe.is_some() {
                self.suffix_pattern(Some(b""), Some(s), recipe.clone(), *builtin);
            }
            let mut name = s.clone();
            for (s2, ..) in &suffixes {
                if s == s2 {
                    continue;
                }
                name.truncate(s.len());
                name.extend_from_slice(s2);
                let Some(f) = self.lookup(&name) else { continue };
                let Some(recipe) = self.files[f].recipe.clone() else { continue };
                let builtin = self.files[f].builtin;
                if !self.files[f].deps.is_empty() {
                    if self.special.posix {
                        continue;
                    }
                    let msg = b"warning: ignoring prerequisites on suffix rule definition";
                    self.say(Some(recipe.loc), msg);
                }
                if s2 == b".a" {
                    self.suffix_pattern(None, Some(s), Some(Rc::clone(&recipe)), builtin);
                }
                self.suffix_pattern(Some(s2), Some(s), Some(recipe), builtin);
            }
        }
    }

    /// `%TARGET: %SOURCE`; no target stands for an archive's members.
    fn suffix_pattern(
        &mut self,
        target: Option<&[u8]>,
        source: Option<&[u8]>,
        recipe: Option<Rc<Recipe>>,
        builtin: bool,
    ) {
        let target = target.map_or(b"(%.o)".to_vec(), |t| [b"%", t].concat());
        let deps = source
            .map(|s| Dep { name: Some(self.names.intern(&[b"%", s].concat())), ..Dep::default() });
        let target = self.names.intern(&target);
        self.add_pattern_rule(
            PatternRule {
                targets: vec![target],
                deps: deps.into_iter().collect(),
                recipe,
                terminal: false,
                builtin,
                in_use: false,
            },
            false,
        );
    }

    /// The built-in pattern rules, behind all others.
    pub(crate) fn install_default_pattern_rules(&mut self) {
        if self.opts.no_builtin_rules {
            return;
        }
        for (target, prereqs, recipe, terminal) in builtin::PATTERN_RULES {
            let target = self.names.intern(target.as_bytes());
            let deps = text::words(prereqs.as_bytes())
                .map(|p| Dep { name: Some(self.names.intern(p)), ..Dep::default() })
                .collect();
            self.add_pattern_rule(
                PatternRule {
                    targets: vec![target],
                    deps,
                    recipe: Some(Self::builtin_recipe(recipe)),
                    terminal: *terminal,
                    builtin: true,
                    in_use: false,
                },
                false,
            );
        }
    }

    /// Marks prerequisites in directories that are not there, and adds `.EXTRA_PREREQS`.
    pub(crate) fn snap_pattern_rules(&mut self) -> Result<()> {
        let extra = self.global_extra_prereqs()?;
        let all: Vec<_> = self.rules.ids().collect();
        for r in all {
            for i in 0..self.rules[r].deps.len() {
                let name = self.dep_name(&self.rules[r].deps[i]).to_vec();
                let slash = memchr::memrchr(b'/', &name)
                    .filter(|&s| memchr::memchr(b'%', &name[s..]).is_some());
                let missing = match slash {
                    Some(s) => !self.dir_has(&name[..s.max(1)], b""),
                    None => false,
                };
                self.rules[r].deps[i].changed = missing;
            }
            self.rules[r].deps.extend(extra.iter().cloned());
        }
        Ok(())
    }
}
