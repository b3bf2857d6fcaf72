//! The database that reading makefiles fills: files, prerequisites, recipes, pattern rules.
//!
//! What changes while targets are brought up to date (states, time stamps) is not here but in
//! kiln-graph, in a vector beside this one.

use std::rc::Rc;

use kiln_base::{Loc, Name, define_id};

define_id!(
    /// A file (or phony target) that some rule, goal or search has named.
    FileId
);
define_id!(
    /// A pattern rule, in order of definition.
    RuleId
);
define_id!(
    /// A set of variables: the global one, a target's, a pattern's, or a function call's.
    SetId
);

/// A target or prerequisite, entered under its name. A double-colon target has one `File` for each
/// of its rules, chained by `next_double_colon` from the one that the name finds.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact that a special target or rule states
pub struct File {
    /// The name under which messages and automatic variables show it (after a VPATH search, the
    /// found path); for lookups the database keeps its own map.
    pub name: Option<Name>,
    /// Directory list entry by which VPATH found it.
    pub vpath: Option<Name>,
    /// Prerequisites in order, order-only ones included (see [`Dep::ignore_mtime`]).
    pub deps: Vec<Dep>,
    /// The recipe, if a rule gave one.
    pub recipe: Option<Rc<Recipe>>,
    /// The stem that an implicit or static pattern rule matched.
    pub stem: Option<Name>,
    /// Targets made by the same run of the recipe (pattern rules with several targets, `&:`).
    pub also_make: Vec<FileId>,
    /// First file of the double-colon chain, itself included; `None` for single-colon files.
    pub double_colon: Option<FileId>,
    /// The next rule of the same double-colon target.
    pub next_double_colon: Option<FileId>,
    /// This file was merged into another (a VPATH rename met an existing name).
    pub renamed: Option<FileId>,
    /// The target's own variables, made on demand.
    pub variables: Option<SetId>,
    /// Pattern-specific variables that match it, found when first needed.
    pub pattern_variables: Option<SetId>,
    /// `pattern_variables` has been looked for.
    pub pattern_searched: bool,
    /// The target for whose sake it was first considered: its variables are inherited.
    pub parent: Option<FileId>,
    /// A rule names it as a target.
    pub is_target: bool,
    /// Named in a makefile's text, so not to be deleted as an intermediate file.
    pub is_explicit: bool,
    /// A built-in rule's target.
    pub builtin: bool,
    /// `.PHONY`
    pub phony: bool,
    /// `.PRECIOUS`
    pub precious: bool,
    /// `.INTERMEDIATE`, or found as a link of an implicit chain.
    pub intermediate: bool,
    /// `.SECONDARY`
    pub secondary: bool,
    /// `.NOTINTERMEDIATE`
    pub notintermediate: bool,
    /// `.LOW_RESOLUTION_TIME`
    pub low_resolution_time: bool,
    /// Named as a target on the command line or as the default goal.
    pub cmd_target: bool,
    /// `.IGNORE`, `.SILENT`: bits of [`flags`] for every recipe line of this target.
    pub command_flags: u8,
    /// Its prerequisites have been through [`crate::Make::snap_deps`].
    pub snapped: bool,
    /// VPATH is not to be searched for it.
    pub ignore_vpath: bool,
    /// An implicit rule was looked for (by the graph).
    pub tried_implicit: bool,
    /// `.WAIT` groups or shuffling have been applied.
    pub was_shuffled: bool,
}

/// One prerequisite of one target.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Dep {
    /// Its text where it is not yet a file: second expansion still to come, or a pattern rule's `%`.
    pub name: Option<Name>,
    /// The file, once entered.
    pub file: Option<FileId>,
    /// The stem to put for `%`/`$*` in second expansion.
    pub stem: Option<Name>,
    /// Newer than the target, or the target does not exist: it goes into `$?`.
    pub changed: bool,
    /// Order-only.
    pub ignore_mtime: bool,
    /// From a static pattern rule.
    pub static_pattern: bool,
    /// To be expanded again (`.SECONDEXPANSION`).
    pub need_2nd_expansion: bool,
    /// From `.EXTRA_PREREQS`: left out of automatic variables.
    pub ignore_automatic: bool,
    /// Named in the makefile's text (not made up by implicit search).
    pub is_explicit: bool,
    /// `.WAIT` stood before it.
    pub wait_here: bool,
}

/// Bits of a recipe line, and of [`File::command_flags`].
pub mod flags {
    /// `+`, or the text holds `$(MAKE)` or `${MAKE}`.
    pub const RECURSE: u8 = 1;
    /// `@`
    pub const SILENT: u8 = 2;
    /// `-`
    pub const NOERROR: u8 = 4;
}

/// One logical line of a recipe, before expansion: continued lines are one.
#[derive(Clone, Debug)]
pub struct RecipeLine {
    /// The text, with its prefix characters, backslash-newlines kept, recipe prefix characters after
    /// them removed.
    pub text: Rc<[u8]>,
    /// [`flags`] that the text before expansion shows.
    pub flags: u8,
    /// The line of the makefile where it starts.
    pub line: u32,
}

/// The recipe of a rule.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where its first line stands.
    pub loc: Loc,
    /// All of its text.
    pub text: Rc<[u8]>,
    /// `.RECIPEPREFIX` where it was defined; tab by default.
    pub prefix: u8,
    /// The text in lines; with `.ONESHELL` a single one. Made when it is first needed, because
    /// `.ONESHELL` may be declared after the rule.
    pub lines: std::cell::OnceCell<Vec<RecipeLine>>,
}

/// A pattern rule.
#[derive(Clone, Debug)]
pub struct PatternRule {
    /// Target patterns as written.
    pub targets: Vec<Name>,
    /// Prerequisites, `%` not yet replaced.
    pub deps: Vec<Dep>,
    /// The recipe; a pattern rule without one is not kept.
    pub recipe: Option<Rc<Recipe>>,
    /// `::`
    pub terminal: bool,
    /// Built in, or converted from a built-in suffix rule.
    pub builtin: bool,
    /// Being tried in the current search, so not to be tried again below itself.
    pub in_use: bool,
}
