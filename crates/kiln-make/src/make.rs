//! One make instance as a value.

use rustc_hash::FxHashMap;
use std::sync::Arc;

use kiln_base::{IndexVec, Loc, Name, Names, Sys};

use crate::db::{File, FileId, PatternRule, RuleId, SetId};
use crate::{Host, Options, Result};

/// A make instance: directory, options, variables, files, rules.
pub struct Make {
    /// Interned file and variable names.
    pub names: Names,
    /// Settings.
    pub opts: Options,
    /// The file system seen from the instance's directory.
    pub sys: Arc<dyn Sys>,
    /// The world beyond files.
    pub host: Box<dyn Host>,
    /// `make` or whatever the program was called; messages begin with it and the level.
    pub program: Vec<u8>,
    /// `MAKELEVEL`.
    pub level: u32,
    /// All files.
    pub files: IndexVec<FileId, File>,
    /// Files by name.
    pub by_name: FxHashMap<Name, FileId>,
    /// Pattern rules in the order in which a search tries them.
    pub rules: IndexVec<RuleId, PatternRule>,
    /// Facts that special targets state for all.
    pub special: Special,
    /// Makefiles in the order in which they were read or looked for.
    pub makefiles: Vec<MakefileRead>,
    /// How many commands have been started: directory listings older than the last are checked again.
    pub command_count: u64,
}

/// What special targets say about the whole instance.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Special {
    /// `.POSIX`
    pub posix: bool,
    /// `.ONESHELL`
    pub oneshell: bool,
    /// `.DELETE_ON_ERROR`
    pub delete_on_error: bool,
    /// `.NOTPARALLEL` without prerequisites
    pub not_parallel: bool,
    /// `.IGNORE` without prerequisites
    pub ignore_all: bool,
    /// `.SILENT` without prerequisites
    pub silent_all: bool,
    /// `.SECONDARY` without prerequisites
    pub all_secondary: bool,
    /// `.NOTINTERMEDIATE` without prerequisites
    pub no_intermediates: bool,
    /// `.DEFAULT`, if it has a recipe
    pub default_file: Option<FileId>,
}

/// A makefile that was read, or that `include` did not find.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct MakefileRead {
    /// Its entry in the database.
    pub file: FileId,
    /// `-include`: its absence is no error.
    pub dont_care: bool,
    /// It was found by looking for the default names or through MAKEFILES: no error if absent.
    pub default_or_env: bool,
    /// Found and read.
    pub read: bool,
    /// Where `include` stood.
    pub loc: Loc,
    /// Why it could not be read.
    pub error: Option<i32>,
}

impl Make {
    /// The file entered under `name`, if any.
    #[must_use]
    pub fn lookup(&self, name: &[u8]) -> Option<FileId> {
        self.names.find(name).and_then(|n| self.by_name.get(&n)).copied()
    }

    /// The text of a file's name.
    #[must_use]
    pub fn file_name(&self, f: FileId) -> &[u8] {
        self.files[f].name.map_or(b"", |n| self.names.bytes(n))
    }

    /// Enters a file under `name` (leading `./` removed as make does), or finds it.
    pub fn enter(&mut self, _name: &[u8]) -> FileId {
        unreachable!("written by the language")
    }

    /// A further rule of a double-colon target.
    pub fn enter_double_colon(&mut self, _name: &[u8]) -> FileId {
        unreachable!("written by the language")
    }

    /// Gives a file the name that a VPATH search found, merging it with a file that has that name
    /// already. Returns the file that now stands for it (see [`File::renamed`]).
    pub fn rename(&mut self, _f: FileId, _to: &[u8]) -> Result<FileId> {
        unreachable!("written by the language")
    }

    /// After all makefiles are read: prerequisites become files, special targets take effect,
    /// pattern rules are put in order.
    pub fn snap_deps(&mut self) -> Result<()> {
        unreachable!("written by the language")
    }

    /// Second expansion of a file's prerequisites: afterwards every [`crate::Dep::file`] is set.
    pub fn expand_deps(&mut self, _f: FileId) -> Result<()> {
        unreachable!("written by the language")
    }

    /// A prerequisite text split into prerequisites: globbed, `.WAIT` and `|` understood
    /// (used by implicit search after second expansion).
    pub fn split_prereqs(&mut self, _text: &[u8]) -> Result<Vec<crate::Dep>> {
        unreachable!("written by the language")
    }

    /// Looks for `name` along VPATH and `vpath`; `-lNAME` along `.LIBPATTERNS` too.
    /// Returns the path and the directory entry that found it.
    pub fn vpath_search(&mut self, _name: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        unreachable!("written by the language")
    }

    /// Whether a name is there, from directory listings that are kept (see `command_count`).
    pub fn file_exists(&mut self, _name: &[u8]) -> bool {
        unreachable!("written by the language")
    }

    /// Prepares a file's variable sets: its own, its pattern's, its parent's. `reading` is true while
    /// makefiles are still being read (pattern-specific ones are then left for later).
    pub fn init_file_variables(&mut self, _f: FileId, _reading: bool) -> Result<()> {
        unreachable!("written by the language")
    }

    /// Defines an automatic variable (`@`, `<`, `*` …) in a file's set.
    pub fn define_automatic(&mut self, _f: FileId, _name: &[u8], _value: &[u8]) {
        unreachable!("written by the language")
    }

    /// Expands text as the file sees it (global scope for `None`). `loc` is what errors name.
    pub fn expand_for(
        &mut self,
        _text: &[u8],
        _f: Option<FileId>,
        _loc: Option<Loc>,
    ) -> Result<Vec<u8>> {
        unreachable!("written by the language")
    }

    /// The environment of a child: of a recipe of `f`, or of `$(shell)` for `None`. `recursive` says
    /// that it is a sub-make, which is given MAKELEVEL one higher and the jobserver in MAKEFLAGS.
    pub fn environment(
        &mut self,
        _f: Option<FileId>,
        _recursive: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        unreachable!("written by the language")
    }

    /// `FILE:LINE: `, or `make[N]: ` where there is no place.
    #[must_use]
    pub fn prefix(&self, _loc: Option<Loc>) -> Vec<u8> {
        unreachable!("written by the language")
    }

    /// The set of a file's variables, for tests.
    #[must_use]
    pub fn file_set(&self, f: FileId) -> Option<SetId> {
        self.files[f].variables
    }
}
