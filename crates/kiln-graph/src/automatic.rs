//! The automatic variables of a target: `$@ $< $* $% $+ $^ $? $|`. It does not expand anything.

use rustc_hash::FxHashMap;

use kiln_base::Name;
use kiln_make::{Dep, FileId, Make};

use crate::Graph;

/// The name that automatic variables show for a prerequisite.
#[must_use]
pub fn dep_name(make: &Make, dep: &Dep) -> Option<Name> {
    dep.name.or_else(|| dep.file.and_then(|f| make.files[f].name))
}

impl Graph {
    /// Defines the automatic variables of `f`. Without a stem, `$*` is the name without a suffix
    /// that `.SUFFIXES` lists, and the file remembers it as its stem.
    pub fn set_automatic(&mut self, make: &mut Make, f: FileId, stem: Option<Name>) {
        let Some(name) = make.files[f].name else { return };
        let stem = stem.unwrap_or_else(|| {
            let stem = stem_by_suffix(make, name);
            make.files[f].stem = Some(stem);
            stem
        });
        let deps = &make.files[f].deps;
        let mut less = deps
            .iter()
            .find(|d| !d.ignore_mtime && !d.ignore_automatic && !d.need_2nd_expansion)
            .and_then(|d| dep_name(make, d));
        if takes_default_recipe(make, f) {
            less = Some(name);
        }
        for (variable, value) in
            [(b"<", less), (b"*", Some(stem)), (b"@", Some(name)), (b"%", None)]
        {
            let value = value.map(|n| make.names.shared(n));
            make.define_automatic(f, variable, value.as_deref().unwrap_or_default());
        }
        self.set_lists(make, f);
    }

    fn set_lists(&mut self, make: &mut Make, f: FileId) {
        let always = self.switches.always_make;
        let mut all = Vec::new();
        let mut first: FxHashMap<Name, usize> = FxHashMap::default();
        let mut firsts = Vec::new();
        let mut upgraded = Vec::new();
        for (i, d) in make.files[f].deps.iter().enumerate() {
            if d.need_2nd_expansion || d.ignore_automatic {
                continue;
            }
            let Some(name) = dep_name(make, d) else { continue };
            if !d.ignore_mtime {
                add(make, &mut all, name);
            }
            match first.entry(name) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(i);
                    firsts.push((i, name));
                }
                std::collections::hash_map::Entry::Occupied(slot) => {
                    // Listed both as ordinary and as order-only: it is ordinary.
                    let before = &make.files[f].deps[*slot.get()];
                    if before.ignore_mtime != d.ignore_mtime {
                        upgraded.push(*slot.get());
                        upgraded.push(i);
                    }
                }
            }
        }
        for i in upgraded {
            make.files[f].deps[i].ignore_mtime = false;
        }
        let (mut once, mut newer, mut order_only) = (Vec::new(), Vec::new(), Vec::new());
        for (i, name) in firsts {
            let d = &make.files[f].deps[i];
            if d.ignore_mtime {
                add(make, &mut order_only, name);
            } else {
                add(make, &mut once, name);
                if d.changed || always {
                    add(make, &mut newer, name);
                }
            }
        }
        for (variable, mut value) in [(b"+", all), (b"^", once), (b"?", newer), (b"|", order_only)]
        {
            value.pop();
            make.define_automatic(f, variable, &value);
        }
    }
}

fn add(make: &Make, list: &mut Vec<u8>, name: Name) {
    list.extend_from_slice(make.names.bytes(name));
    list.push(b' ');
}

/// Whether the file's recipe is that of `.DEFAULT`.
fn takes_default_recipe(make: &Make, f: FileId) -> bool {
    let Some(default) = make.special.default_file else { return false };
    match (&make.files[f].recipe, &make.files[default].recipe) {
        (Some(own), Some(default)) => std::rc::Rc::ptr_eq(own, default),
        _ => false,
    }
}

fn stem_by_suffix(make: &mut Make, name: Name) -> Name {
    let text = make.names.shared(name);
    let suffixes = make.lookup(b".SUFFIXES").map(|s| make.files[s].deps.clone());
    for d in suffixes.unwrap_or_default() {
        let Some(suffix) = dep_name(make, &d) else { continue };
        if let Some(stem) = text.strip_suffix(make.names.bytes(suffix))
            && !stem.is_empty()
        {
            return make.names.intern(stem);
        }
    }
    make.names.intern(b"")
}
