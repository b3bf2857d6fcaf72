//! Variables, sets of them, and the chains of sets that a name is looked up in.
//!
//! Knows nothing of expansion: values are bytes here. A name that no target, pattern or function
//! call defines is found by one index; `shadow` counts for each name in how many other sets it is.

use std::rc::Rc;

use kiln_base::{Id, Loc, Name};
use rustc_hash::FxHashMap;

use crate::db::SetId;
use crate::template::Template;
use crate::value::Value;

/// Where a variable's value came from, the stronger the greater (GNU make manual, "The origin
/// Function").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Built in.
    Default,
    /// The environment.
    Environment,
    /// A makefile.
    File,
    /// The environment, with `-e`.
    EnvOverride,
    /// The command line.
    Command,
    /// An `override` directive.
    Override,
    /// An automatic variable.
    Automatic,
}

impl Origin {
    /// The word that `$(origin)` gives.
    #[must_use]
    pub fn word(self) -> &'static [u8] {
        match self {
            Origin::Default => b"default",
            Origin::Environment => b"environment",
            Origin::File => b"file",
            Origin::EnvOverride => b"environment override",
            Origin::Command => b"command line",
            Origin::Override => b"override",
            Origin::Automatic => b"automatic",
        }
    }
}

/// Whether a variable goes into the environment of children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Export {
    /// By its origin and name.
    #[default]
    Default,
    /// Yes.
    Export,
    /// No.
    NoExport,
    /// If it has another than its built-in value.
    IfSet,
}

/// The assignment operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavor {
    /// `:=`, `::=`
    Simple,
    /// `=`
    Recursive,
    /// `:::=`
    Expand,
    /// `+=`
    Append,
    /// `?=`
    Conditional,
    /// `!=`
    Shell,
    /// Appending without expanding (only MAKEFILE_LIST).
    AppendValue,
}

/// The index of a variable in [`Variables`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VarId(u32);

/// One definition of one name in one set.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// Its value, not expanded.
    pub value: Value,
    /// The value parsed, made when it is first expanded.
    pub(crate) template: Option<Rc<Template>>,
    /// Where it was defined.
    pub loc: Loc,
    /// Where its value came from.
    pub origin: Origin,
    /// Whether it goes to children.
    pub export: Export,
    /// Expanded each time that it is used.
    pub recursive: bool,
    /// A target-specific `+=`: the value is appended to the outer one when used.
    pub append: bool,
    /// Set by `?=`.
    pub conditional: bool,
    /// Target-specific.
    pub per_target: bool,
    /// Not inherited by prerequisites.
    pub private: bool,
    /// On the list of globals that may go to children.
    pub(crate) candidate: bool,
    /// Being expanded.
    pub(crate) expanding: bool,
    /// How often it may be met again while it is being expanded.
    pub(crate) exp_count: u16,
}

impl Variable {
    /// Gives it another value.
    pub fn set_value(&mut self, value: impl Into<Value>) {
        self.value = value.into();
        self.template = None;
    }
}

/// One set: a target's, a pattern's or a call's variables.
#[derive(Default)]
struct VarSet {
    entries: Vec<(Name, VarId)>,
    /// Only once there are many entries.
    index: Option<FxHashMap<Name, u32>>,
}

const INDEX_FROM: usize = 24;

impl VarSet {
    fn get(&self, name: Name) -> Option<VarId> {
        match &self.index {
            Some(ix) => ix.get(&name).map(|&i| self.entries[i as usize].1),
            None => self.entries.iter().find(|e| e.0 == name).map(|e| e.1),
        }
    }

    fn insert(&mut self, name: Name, v: VarId) {
        self.entries.push((name, v));
        if self.index.is_some() || self.entries.len() > INDEX_FROM {
            self.reindex();
        }
    }

    fn reindex(&mut self) {
        match &mut self.index {
            Some(ix) if ix.len() + 1 == self.entries.len() => {
                let i = self.entries.len() - 1;
                ix.insert(self.entries[i].0, i as u32);
            }
            _ => {
                let all = self.entries.iter().enumerate().map(|(i, e)| (e.0, i as u32));
                self.index = Some(all.collect());
            }
        }
    }

    fn remove(&mut self, name: Name) -> Option<VarId> {
        let i = self.entries.iter().position(|e| e.0 == name)?;
        let v = self.entries.remove(i).1;
        if self.index.is_some() {
            self.index =
                Some(self.entries.iter().enumerate().map(|(i, e)| (e.0, i as u32)).collect());
        }
        Some(v)
    }
}

/// The number of a [`VarSet`]; 0 is the global set, kept by name in `Variables::global`.
type SetIx = u32;
const GLOBAL_SET: SetIx = 0;

/// The list node that every chain ends in.
pub const GLOBAL: SetId = SetId::FIRST;

/// One link of a chain.
#[derive(Clone, Copy)]
struct Link {
    set: SetIx,
    next: Option<SetId>,
    /// The next link belongs to the parent target: private variables are not seen from here on.
    next_is_parent: bool,
}

/// How many variables there is room for at first: those of a kernel's configuration, which most
/// instances of a build read. Room that is not used is no memory yet; growing step by step would touch
/// all of it twice.
const ROOM: usize = 8 * 1024;

/// All variables of an instance.
pub struct Variables {
    vars: Vec<Variable>,
    free: Vec<VarId>,
    /// By name; 0 is none, else the variable's index plus one.
    global: Vec<u32>,
    /// Names of global variables in order of first definition; some may be gone.
    global_names: Vec<Name>,
    links: Vec<Link>,
    free_links: Vec<SetId>,
    sets: Vec<VarSet>,
    free_sets: Vec<SetIx>,
    /// By name: in how many other sets than the global one it is.
    shadow: Vec<u32>,
    /// Global variables that may have to be exported.
    candidates: Vec<Name>,
    /// Counts definitions and undefinitions of globals, for `.VARIABLES`.
    pub(crate) changes: u64,
}

impl Default for Variables {
    fn default() -> Self {
        Variables {
            vars: Vec::with_capacity(ROOM),
            free: Vec::new(),
            // Files have names, too.
            global: Vec::with_capacity(2 * ROOM),
            global_names: Vec::with_capacity(ROOM),
            links: vec![Link { set: GLOBAL_SET, next: None, next_is_parent: false }],
            free_links: Vec::new(),
            sets: vec![VarSet::default()],
            free_sets: Vec::new(),
            shadow: Vec::new(),
            candidates: Vec::new(),
            changes: 0,
        }
    }
}

impl std::ops::Index<VarId> for Variables {
    type Output = Variable;
    fn index(&self, v: VarId) -> &Variable {
        &self.vars[v.0 as usize]
    }
}

impl std::ops::IndexMut<VarId> for Variables {
    fn index_mut(&mut self, v: VarId) -> &mut Variable {
        &mut self.vars[v.0 as usize]
    }
}

impl Variables {
    /// The global definition.
    #[must_use]
    pub fn global(&self, name: Name) -> Option<VarId> {
        match self.global.get(name.index()) {
            Some(&i) if i != 0 => Some(VarId(i - 1)),
            _ => None,
        }
    }

    /// The definition seen from a chain.
    #[must_use]
    pub fn lookup(&self, scope: SetId, name: Name) -> Option<VarId> {
        if self.shadow.get(name.index()).is_none_or(|&n| n == 0) {
            let v = self.global(name)?;
            // A private global variable is not seen from a target's scope.
            if !self[v].private || !self.passes_parent(scope) {
                return Some(v);
            }
            return None;
        }
        let mut at = Some(scope);
        let mut in_parent = false;
        while let Some(l) = at {
            let link = self.links[l.index()];
            if let Some(v) = self.in_set(link.set, name)
                && (!in_parent || !self[v].private)
            {
                return Some(v);
            }
            in_parent |= link.next_is_parent;
            at = link.next;
        }
        None
    }

    /// Whether the way from a scope to the global set leads through a parent.
    fn passes_parent(&self, scope: SetId) -> bool {
        let mut at = Some(scope);
        while let Some(l) = at {
            let link = self.links[l.index()];
            if link.set != GLOBAL_SET && link.next_is_parent {
                return true;
            }
            at = link.next;
        }
        false
    }

    fn in_set(&self, set: SetIx, name: Name) -> Option<VarId> {
        if set == GLOBAL_SET { self.global(name) } else { self.sets[set as usize].get(name) }
    }

    /// The definition in the first set of a chain only.
    #[must_use]
    pub fn lookup_here(&self, scope: SetId, name: Name) -> Option<VarId> {
        self.in_set(self.links[scope.index()].set, name)
    }

    /// The next link of a chain and whether it is the parent's.
    #[must_use]
    pub fn next(&self, scope: SetId) -> (Option<SetId>, bool) {
        let l = self.links[scope.index()];
        (l.next, l.next_is_parent)
    }

    /// Changes what a chain continues with.
    pub fn set_next(&mut self, scope: SetId, next: Option<SetId>, next_is_parent: bool) {
        let l = &mut self.links[scope.index()];
        l.next = next;
        l.next_is_parent = next_is_parent;
    }

    /// Whether the first set of the chain is the global one.
    #[must_use]
    pub fn is_global(&self, scope: SetId) -> bool {
        self.links[scope.index()].set == GLOBAL_SET
    }

    /// A new empty set in front of `next`.
    pub fn new_set(&mut self, next: SetId) -> SetId {
        let set = self.free_sets.pop().unwrap_or_else(|| {
            self.sets.push(VarSet::default());
            (self.sets.len() - 1) as SetIx
        });
        self.new_link(Link { set, next: Some(next), next_is_parent: false })
    }

    fn new_link(&mut self, link: Link) -> SetId {
        if let Some(l) = self.free_links.pop() {
            self.links[l.index()] = link;
            return l;
        }
        self.links.push(link);
        SetId::new(self.links.len() - 1)
    }

    /// Pushes a scope for a function's variables; returns the chain to look in from now on. Where the
    /// scope is the global one, targets' chains must see the new set too, since they end there.
    pub fn push(&mut self, scope: SetId) -> SetId {
        let new = self.new_set(scope);
        if scope != GLOBAL {
            return new;
        }
        let global = self.links[0];
        let fresh = self.links[new.index()];
        self.links[new.index()] = global;
        self.links[0] = Link { set: fresh.set, next: Some(new), next_is_parent: false };
        GLOBAL
    }

    /// Undoes [`Variables::push`].
    pub fn pop(&mut self, scope: SetId) -> SetId {
        let link = self.links[scope.index()];
        let Some(next) = link.next else { return scope };
        let back = if scope == GLOBAL {
            self.links[0] = self.links[next.index()];
            self.free_links.push(next);
            GLOBAL
        } else {
            self.free_links.push(scope);
            next
        };
        let mut entries = std::mem::take(&mut self.sets[link.set as usize].entries);
        for (name, v) in entries.drain(..) {
            self.shadow[name.index()] -= 1;
            self.release(v);
        }
        let set = &mut self.sets[link.set as usize];
        set.entries = entries;
        set.index = None;
        self.free_sets.push(link.set);
        back
    }

    fn release(&mut self, v: VarId) {
        self[v].template = None;
        self.free.push(v);
    }

    /// Enters a new variable in the first set of `scope`, which has none of that name.
    fn insert(&mut self, scope: SetId, var: Variable) -> VarId {
        let name = var.name;
        let v = match self.free.pop() {
            Some(v) => {
                // The buffer of the old value is used again.
                let mut old = std::mem::replace(&mut self[v], var);
                if self[v].value.is_empty() && old.value.own_capacity() < 4096 {
                    old.value.clear();
                    self[v].value = old.value;
                }
                v
            }
            None => {
                self.vars.push(var);
                VarId((self.vars.len() - 1) as u32)
            }
        };
        let i = name.index();
        let set = self.links[scope.index()].set;
        if set == GLOBAL_SET {
            if self.global.len() <= i {
                self.global.resize(i + 1, 0);
            }
            self.global[i] = v.0 + 1;
            self.global_names.push(name);
            self.changes += 1;
        } else {
            if self.shadow.len() <= i {
                self.shadow.resize(i + 1, 0);
            }
            self.shadow[i] += 1;
            self.sets[set as usize].insert(name, v);
        }
        v
    }

    /// The link whose first set is the global one.
    #[must_use]
    pub fn global_link(&self) -> SetId {
        let mut at = GLOBAL;
        while self.links[at.index()].set != GLOBAL_SET {
            match self.links[at.index()].next {
                Some(n) => at = n,
                None => break,
            }
        }
        at
    }

    /// Defines a variable in the first set of `scope`, if its origin is strong enough.
    #[allow(clippy::too_many_arguments)]
    pub fn define_in(
        &mut self,
        scope: SetId,
        name: Name,
        value: Value,
        origin: Origin,
        recursive: bool,
        env_overrides: bool,
        loc: Loc,
    ) -> VarId {
        let origin = if env_overrides && origin == Origin::Environment {
            Origin::EnvOverride
        } else {
            origin
        };
        if let Some(v) = self.lookup_here(scope, name) {
            let var = &mut self[v];
            if env_overrides && var.origin == Origin::Environment {
                var.origin = Origin::EnvOverride;
            }
            if origin >= var.origin {
                var.value = value;
                var.template = None;
                var.loc = loc;
                var.origin = origin;
                var.recursive = recursive;
                self.note_candidate(v);
            }
            return v;
        }
        let v = self.insert(
            scope,
            Variable {
                name,
                value,
                template: None,
                loc,
                origin,
                export: Export::Default,
                recursive,
                append: false,
                conditional: false,
                per_target: false,
                private: false,
                candidate: false,
                expanding: false,
                exp_count: 0,
            },
        );
        if self.is_global(scope) {
            self.note_candidate(v);
        }
        v
    }

    /// Defines an automatic variable of a function's scope (call arguments, loop variables).
    pub fn define_local(&mut self, scope: SetId, name: Name, value: &[u8]) -> VarId {
        if let Some(v) = self.lookup_here(scope, name) {
            let var = &mut self[v];
            var.value.clear();
            var.value.extend_from_slice(value);
            var.template = None;
            return v;
        }
        let v = self.insert(
            scope,
            Variable {
                name,
                value: Value::new(),
                template: None,
                loc: Loc::default(),
                origin: Origin::Automatic,
                export: Export::Default,
                recursive: false,
                append: false,
                conditional: false,
                per_target: false,
                private: false,
                candidate: false,
                expanding: false,
                exp_count: 0,
            },
        );
        self[v].value.extend_from_slice(value);
        v
    }

    /// Removes a global definition if `origin` is strong enough.
    pub fn undefine_global(&mut self, name: Name, origin: Origin, env_overrides: bool) {
        let Some(v) = self.global(name) else { return };
        let var = &mut self[v];
        if env_overrides && var.origin == Origin::Environment {
            var.origin = Origin::EnvOverride;
        }
        if origin >= var.origin {
            self.global[name.index()] = 0;
            self.release(v);
            self.changes += 1;
        }
    }

    /// Puts a variable on the list of those that may be exported, if it may.
    pub(crate) fn note_candidate(&mut self, v: VarId) {
        let var = &mut self[v];
        if var.candidate {
            return;
        }
        let from_outside =
            matches!(var.origin, Origin::Environment | Origin::EnvOverride | Origin::Command);
        if from_outside || var.export != Export::Default {
            var.candidate = true;
            let name = var.name;
            self.candidates.push(name);
        }
    }

    /// Global variables that may have to be exported when not all are.
    pub(crate) fn export_candidates(&self) -> impl Iterator<Item = VarId> {
        self.candidates.iter().filter_map(|&n| self.global(n)).filter(|&v| self[v].candidate)
    }

    /// Gives a name its place among the globals before it is defined.
    pub(crate) fn announce(&mut self, name: Name) {
        self.global_names.push(name);
    }

    /// All global variables in order of first definition.
    pub fn globals(&self) -> impl Iterator<Item = VarId> {
        // A name that was undefined and defined again stands twice.
        let mut seen = rustc_hash::FxHashSet::default();
        let all: Vec<VarId> = self
            .global_names
            .iter()
            .filter(|&&n| seen.insert(n))
            .filter_map(|&n| self.global(n))
            .collect();
        all.into_iter()
    }

    /// The variables of the first set of a chain that is not the global one.
    pub fn members(&self, scope: SetId) -> impl Iterator<Item = VarId> {
        let set = self.links[scope.index()].set;
        self.sets[set as usize].entries.iter().map(|e| e.1)
    }

    /// Moves what `from` defines and `to` does not into `to`.
    pub fn merge_into(&mut self, to: SetId, from: SetId) {
        let (to_set, from_set) = (self.links[to.index()].set, self.links[from.index()].set);
        if to_set == GLOBAL_SET || from_set == GLOBAL_SET || to_set == from_set {
            return;
        }
        let moved: Vec<(Name, VarId)> = self.sets[from_set as usize].entries.clone();
        for (name, v) in moved {
            if self.sets[to_set as usize].get(name).is_none() {
                self.sets[to_set as usize].insert(name, v);
                self.sets[from_set as usize].remove(name);
            }
        }
    }
}

/// Whether a name could stand in the environment of a shell.
pub(crate) fn exportable(name: &[u8]) -> bool {
    match name.split_first() {
        Some((first, rest)) => {
            (first.is_ascii_alphabetic() || *first == b'_')
                && rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        }
        None => false,
    }
}
