//! One make instance as a value.

use std::sync::Arc;

use kiln_base::{FileKind, IndexVec, Loc, Name, Names, Sys};

use crate::assign::PatternVar;
use crate::builtin;
use crate::db::{File, FileId, PatternRule, RuleId, SetId};
use crate::dir::Dirs;
use crate::filetable::FileTable;
use crate::host::Stream;
use crate::options::debug;
use crate::pieces::Pool;
use crate::var::{Export, GLOBAL, Origin, Variables};
use crate::vpath::Vpath;
use crate::{Host, Options};

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
    pub by_name: FileTable,
    /// Pattern rules in the order in which a search tries them.
    pub rules: IndexVec<RuleId, PatternRule>,
    /// Facts that special targets state for all.
    pub special: Special,
    /// Makefiles in the order in which they were read or looked for.
    pub makefiles: Vec<MakefileRead>,
    /// How many commands have been started: directory listings older than the last are checked again.
    pub command_count: u64,
    /// All variables.
    pub vars: Variables,
    /// `export` without names, or `.EXPORT_ALL_VARIABLES`.
    pub export_all: bool,
    /// Called when a makefile has assigned MAKEFLAGS, with the assignment's origin.
    pub on_makeflags: Option<fn(&mut Make, Origin) -> crate::Result<()>>,
    /// How much work expansion may still do, in steps and bytes; `None` for no limit. For fuzzing:
    /// short texts can stand for very long ones.
    pub fuel: Option<u64>,
    /// How deep expansions and makefiles may stand inside one another: for the stack that an instance
    /// has, unless whoever runs it on another says otherwise.
    pub max_depth: u32,
    /// How deep expansions and makefiles stand inside one another now.
    pub(crate) depth: u32,
    /// The chain of variable sets that names are looked up in.
    pub(crate) scope: SetId,
    /// The line that is being read, or the recipe that is being expanded.
    pub(crate) reading: Option<Loc>,
    /// The definition of the innermost recursive variable that is being expanded.
    pub(crate) expanding_at: Option<Loc>,
    /// How many environments for `$(shell)` are being made, one inside the other.
    pub(crate) env_recursion: u32,
    /// The names that went to the last child, and where each stands in its environment.
    pub(crate) env_order: (Vec<Name>, Vec<usize>),
    /// The environment of the last `$(shell)`: most of it is that of the next.
    pub(crate) shell_env: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) original_env: Vec<(Vec<u8>, Vec<u8>)>,
    /// SHELL as the environment had it.
    pub(crate) env_shell: Option<Vec<u8>>,
    pub(crate) recipe_prefix: u8,
    pub(crate) second_expansion: bool,
    /// [`Make::snap_deps`] has been called: no more rules.
    pub(crate) snapped: bool,
    /// The most arguments of the calls that are being expanded.
    pub(crate) max_call_args: usize,
    pub(crate) include_dirs: Vec<Vec<u8>>,
    pub(crate) suffix_file: Option<FileId>,
    pub(crate) default_entry: Option<FileId>,
    pub(crate) pattern_vars: Vec<PatternVar>,
    pub(crate) vpaths: Vec<Vpath>,
    pub(crate) general_vpath: Vec<Vec<u8>>,
    pub(crate) gpath: Vec<Vec<u8>>,
    pub(crate) dirs: Dirs,
    pub(crate) buffers: Vec<Vec<u8>>,
    /// Buffers that makefiles are read through.
    pub(crate) read_buffers: Vec<Vec<u8>>,
    /// Used again by texts that are expanded once.
    pub(crate) segs: Vec<Vec<crate::template::Seg>>,
    pub(crate) known: Known,
    /// Names of `$(call)` arguments.
    numbers: Vec<Name>,
    /// The count of changes for which `.VARIABLES` was made.
    pub(crate) variables_listed: u64,
    pub(crate) wait_warned: (bool, bool),
    /// The pieces of long values.
    pub(crate) pieces: Pool,
    /// The last long list of plain names, and the names.
    pub(crate) last_list: Option<ListTaken>,
    /// The target of the last plain rule line.
    pub(crate) last_plain_target: Option<Name>,
}

/// Names that the code asks about often.
pub(crate) struct Known {
    pub variables: Name,
    pub makeflags: Name,
    pub recipe_prefix: Name,
    pub wait: Name,
    pub default_goal: Name,
}

/// A list of names that was taken apart, with its text.
pub(crate) type ListTaken = (Box<[u8]>, std::rc::Rc<[Name]>);

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
    /// An instance that knows nothing yet, not even built-in variables.
    #[must_use]
    pub fn new(
        sys: Arc<dyn Sys>,
        host: Box<dyn Host>,
        opts: Options,
        program: Vec<u8>,
        level: u32,
    ) -> Make {
        let mut names = Names::default();
        let known = Known {
            variables: names.intern(b".VARIABLES"),
            makeflags: names.intern(b"MAKEFLAGS"),
            recipe_prefix: names.intern(b".RECIPEPREFIX"),
            wait: names.intern(b".WAIT"),
            default_goal: names.intern(b".DEFAULT_GOAL"),
        };
        Make {
            names,
            opts,
            sys,
            host,
            program,
            level,
            files: IndexVec::new(),
            by_name: FileTable::default(),
            rules: IndexVec::new(),
            special: Special::default(),
            makefiles: Vec::new(),
            command_count: 1,
            vars: Variables::default(),
            export_all: false,
            on_makeflags: None,
            fuel: None,
            max_depth: crate::limits::MAX_DEPTH,
            depth: 0,
            scope: GLOBAL,
            reading: None,
            expanding_at: None,
            env_recursion: 0,
            env_order: (Vec::new(), Vec::new()),
            shell_env: Vec::new(),
            original_env: Vec::new(),
            env_shell: None,
            recipe_prefix: b'\t',
            second_expansion: false,
            snapped: false,
            max_call_args: 0,
            include_dirs: Vec::new(),
            suffix_file: None,
            default_entry: None,
            pattern_vars: Vec::new(),
            vpaths: Vec::new(),
            general_vpath: Vec::new(),
            gpath: Vec::new(),
            dirs: Dirs::default(),
            buffers: Vec::new(),
            segs: Vec::new(),
            read_buffers: Vec::new(),
            known,
            numbers: Vec::new(),
            variables_listed: 0,
            wait_warned: (false, false),
            last_plain_target: None,
            pieces: Pool::default(),
            last_list: None,
        }
    }

    /// The text of a file's name.
    #[must_use]
    pub fn file_name(&self, f: FileId) -> &[u8] {
        self.files[f].name.map_or(b"", |n| self.names.bytes(n))
    }

    /// The name of argument `i` of `$(call)`.
    pub(crate) fn number_name(&mut self, i: usize) -> Name {
        while self.numbers.len() <= i {
            let text = self.numbers.len().to_string();
            let n = self.names.intern(text.as_bytes());
            self.numbers.push(n);
        }
        self.numbers[i]
    }

    /// `FILE:LINE: `, or `make[N]: ` where there is no place.
    #[must_use]
    pub fn prefix(&self, loc: Option<Loc>) -> Vec<u8> {
        let mut p;
        match loc.and_then(|l| l.file.map(|f| (f, l.line))) {
            Some((file, line)) => {
                p = self.names.bytes(file).to_vec();
                p.extend_from_slice(format!(":{line}: ").as_bytes());
            }
            None => {
                p = self.program.clone();
                if self.level > 0 {
                    p.extend_from_slice(format!("[{}]", self.level).as_bytes());
                }
                p.extend_from_slice(b": ");
            }
        }
        p
    }

    /// Prints a message of make's own to standard error.
    pub(crate) fn say(&mut self, loc: Option<Loc>, msg: &[u8]) {
        let mut line = self.prefix(loc);
        line.extend_from_slice(msg);
        line.push(b'\n');
        self.host.print(Stream::Err, &line);
    }

    /// Prints a line of debugging output if its kind was asked for.
    pub(crate) fn debug_line(&mut self, kind: u32, msg: &[u8]) {
        if self.opts.debug_level & kind != 0 {
            let mut line = msg.to_vec();
            line.push(b'\n');
            self.host.print(Stream::Out, &line);
        }
    }

    /// Variables that make itself defines before anything else, so that even the environment can
    /// take their place: `.VARIABLES`, `.RECIPEPREFIX`, `.SHELLFLAGS`, `.FEATURES`.
    pub fn define_special_variables(&mut self) {
        for (name, value) in [
            (".VARIABLES", ""),
            (".RECIPEPREFIX", ""),
            (".SHELLFLAGS", "-c"),
            (".LOADED", ""),
            (".FEATURES", builtin::FEATURES),
        ] {
            self.define(name.as_bytes(), value.as_bytes(), Origin::Default, false);
        }
    }

    /// All built-in variables. To be called once the environment and the command line have been
    /// taken in.
    pub fn define_builtin_variables(&mut self) {
        if self.origin_of(b".FEATURES").is_none() {
            self.define_special_variables();
        }
        let level = self.level.to_string();
        self.define(b"MAKELEVEL", level.as_bytes(), Origin::Environment, false);
        self.define(b"MAKE_VERSION", b"4.4.1", Origin::Default, false);
        self.define(b"MAKE_HOST", host().as_bytes(), Origin::Default, false);
        let shell = self.define(b"SHELL", DEFAULT_SHELL, Origin::Default, false);
        let var = &mut self.vars[shell];
        if var.value.is_empty() || matches!(var.origin, Origin::Environment | Origin::EnvOverride) {
            var.origin = Origin::File;
            var.set_value(DEFAULT_SHELL.to_vec());
        }
        let v = self.define(b"MAKEFILES", b"", Origin::Default, false);
        self.export_var(v, Export::IfSet);
        for c in "@%*<?^+".chars() {
            let dir = format!("$(patsubst %/,%,$(dir ${c}))");
            self.define(format!("{c}D").as_bytes(), dir.as_bytes(), Origin::Automatic, true);
        }
        for c in "@%*<?^+".chars() {
            let file = format!("$(notdir ${c})");
            self.define(format!("{c}F").as_bytes(), file.as_bytes(), Origin::Automatic, true);
        }
        // The original defines these here; whoever knows the switches does it later.
        for name in ["MFLAGS", "MAKEFLAGS"] {
            let name = self.names.intern(name.as_bytes());
            self.vars.announce(name);
        }
        if !self.opts.no_builtin_variables {
            for (name, value) in builtin::VARIABLES {
                self.define(name.as_bytes(), value.as_bytes(), Origin::Default, true);
            }
        }
        self.define(b".DEFAULT_GOAL", b"", Origin::File, false);
    }

    /// Takes the variables of built-in rules back: a makefile has set `-R`.
    pub fn undefine_default_variables(&mut self) {
        let env = self.opts.environment_overrides;
        for (name, _) in builtin::VARIABLES {
            let name = self.names.intern(name.as_bytes());
            self.vars.undefine_global(name, Origin::Default, env);
        }
    }

    /// Makes the list of directories that included makefiles are looked for in, and `.INCLUDE_DIRS`,
    /// from [`Options::include_dirs`].
    pub fn construct_include_path(&mut self) {
        let mut dirs: Vec<Vec<u8>> = Vec::new();
        let mut defaults = true;
        for dir in self.opts.include_dirs.clone() {
            if dir == b"-" {
                defaults = false;
                dirs.clear();
                continue;
            }
            let tilde = if dir.first() == Some(&b'~') { self.tilde(&dir) } else { None };
            self.add_include_dir(&mut dirs, tilde.unwrap_or(dir));
        }
        if defaults {
            for dir in builtin::INCLUDE_DIRS {
                self.add_include_dir(&mut dirs, dir.as_bytes().to_vec());
            }
        }
        let list = dirs.join(&b' ');
        self.define(b".INCLUDE_DIRS", &list, Origin::Default, false);
        self.include_dirs = dirs;
    }

    fn add_include_dir(&self, dirs: &mut Vec<Vec<u8>>, mut dir: Vec<u8>) {
        if self.sys.stat(&dir).is_ok_and(|s| s.kind == FileKind::Dir) {
            while dir.len() > 1 && dir.last() == Some(&b'/') {
                dir.pop();
            }
            dirs.push(dir);
        }
    }

    /// The value of `.DEFAULT_GOAL`, expanded if it is recursive: the goals if none were given.
    ///
    /// # Errors
    /// If the expansion fails.
    pub fn default_goal(&mut self) -> crate::Result<Vec<u8>> {
        let Some(v) = self.lookup_var(b".DEFAULT_GOAL") else { return Ok(Vec::new()) };
        let value = self.vars[v].value.to_vec();
        if self.vars[v].recursive { self.expand(&value) } else { Ok(value) }
    }

    /// Whether `.DEFAULT_GOAL` has not been set to anything.
    #[must_use]
    pub fn recipe_prefix(&self) -> u8 {
        self.recipe_prefix
    }

    /// Debugging output of make's basic kind is asked for.
    #[must_use]
    pub fn debug_basic(&self) -> bool {
        self.opts.debug_level & debug::BASIC != 0
    }
}

/// The shell unless a makefile says otherwise.
const DEFAULT_SHELL: &[u8] = b"/bin/sh";

/// `$(MAKE_HOST)`.
fn host() -> String {
    let vendor =
        if cfg!(target_arch = "x86_64") || cfg!(target_arch = "x86") { "pc" } else { "unknown" };
    format!("{}-{vendor}-linux-gnu", std::env::consts::ARCH)
}
