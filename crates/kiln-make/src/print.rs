//! The data base as `-p` prints it. Statistics of the original's hash tables are left out: they say
//! nothing about the makefiles.

use kiln_base::text;

use crate::db::{Dep, FileId, Recipe};
use crate::var::{Origin, VarId};
use crate::{Flavor, Make};

impl Make {
    /// What `-p` prints between its first and last line, files not yet considered.
    #[must_use]
    pub fn data_base(&self) -> Vec<u8> {
        self.data_base_with(&|_| {
            b"#  Modification time never checked.\n#  File has not been updated.\n".to_vec()
        })
    }

    /// The same, with lines about each file's time stamp and state from whoever knows them.
    #[must_use]
    pub fn data_base_with(&self, state: &dyn Fn(FileId) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        self.print_variables(&mut out);
        self.print_directories(&mut out);
        self.print_rules(&mut out);
        out.extend_from_slice(b"\n# Files\n");
        let mut prefix = b'\t';
        for f in self.files.ids() {
            // Further rules of a double-colon target follow the first one.
            let first = self.files[f].double_colon.is_none_or(|first| first == f);
            if self.files[f].renamed.is_some() || !first {
                continue;
            }
            let mut at = Some(f);
            while let Some(x) = at {
                self.print_file(x, &mut prefix, state, &mut out);
                at = self.files[x].next_double_colon;
            }
        }
        self.print_vpath(&mut out);
        out
    }

    fn print_variables(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n# Variables\n\n");
        for v in self.vars.globals() {
            self.print_variable(v, b"", out);
        }
        out.extend_from_slice(b"\n\n# Pattern-specific Variable Values\n");
        for p in &self.pattern_vars {
            out.push(b'\n');
            out.extend_from_slice(&p.target);
            out.extend_from_slice(b" :\n");
            self.print_definition(
                b"# ",
                p.name,
                &p.value,
                (p.origin, p.private, p.loc),
                (p.recursive, p.flavor == Flavor::Append),
                out,
            );
        }
        match self.pattern_vars.len() {
            0 => out.extend_from_slice(b"\n# No pattern-specific variable values.\n"),
            n => {
                out.extend_from_slice(
                    format!("\n# {n} pattern-specific variable values").as_bytes(),
                );
            }
        }
    }

    fn print_variable(&self, v: VarId, prefix: &[u8], out: &mut Vec<u8>) {
        let var = &self.vars[v];
        self.print_definition(
            prefix,
            var.name,
            &var.value,
            (var.origin, var.private, var.loc),
            (var.recursive, var.append),
            out,
        );
    }

    fn print_definition(
        &self,
        prefix: &[u8],
        name: kiln_base::Name,
        value: &[u8],
        (origin, private, loc): (Origin, bool, kiln_base::Loc),
        (recursive, append): (bool, bool),
        out: &mut Vec<u8>,
    ) {
        let origin = match origin {
            Origin::Automatic => "automatic",
            Origin::Default => "default",
            Origin::Environment => "environment",
            Origin::File => "makefile",
            Origin::EnvOverride => "environment under -e",
            Origin::Command => "command line",
            Origin::Override => "'override' directive",
        };
        out.extend_from_slice(b"# ");
        out.extend_from_slice(origin.as_bytes());
        if private {
            out.extend_from_slice(b" private");
        }
        if let Some(file) = loc.file {
            out.extend_from_slice(b" (from '");
            out.extend_from_slice(self.names.bytes(file));
            out.extend_from_slice(format!("', line {})", loc.line).as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(prefix);
        let name = self.names.bytes(name);
        if recursive && memchr::memchr(b'\n', value).is_some() {
            out.extend_from_slice(&[b"define ", name, b"\n", value, b"\nendef\n"].concat());
            return;
        }
        out.extend_from_slice(name);
        out.extend_from_slice(match (recursive, append) {
            (true, true) => b" += ",
            (true, false) => b" = ",
            (false, _) => b" := ",
        });
        if !value.is_empty() && text::leading_space(value) == value.len() {
            out.extend_from_slice(&[b"$(subst ,,", value, b")"].concat());
        } else if recursive {
            out.extend_from_slice(value);
        } else {
            for &b in value {
                if b == b'$' {
                    out.push(b'$');
                }
                out.push(b);
            }
        }
        out.push(b'\n');
    }

    fn print_deps(&self, deps: &[Dep], order_only: bool, out: &mut Vec<u8>) {
        for d in deps.iter().filter(|d| d.ignore_mtime == order_only) {
            out.extend_from_slice(if d.wait_here { b" .WAIT " } else { b" " });
            out.extend_from_slice(self.dep_name(d));
        }
    }

    fn print_prereqs(&self, deps: &[Dep], out: &mut Vec<u8>) {
        self.print_deps(deps, false, out);
        if deps.iter().any(|d| d.ignore_mtime) {
            out.extend_from_slice(b" |");
            self.print_deps(deps, true, out);
        }
        out.push(b'\n');
    }

    fn print_recipe(&self, recipe: &Recipe, prefix: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(b"#  recipe to execute");
        match recipe.loc.file {
            None => out.extend_from_slice(b" (built-in):\n"),
            Some(file) => {
                out.extend_from_slice(b" (from '");
                out.extend_from_slice(self.names.bytes(file));
                out.extend_from_slice(format!("', line {}):\n", recipe.loc.line).as_bytes());
            }
        }
        let mut lines = crate::lines::Lines::of_text(&recipe.text);
        while let Ok(Some((line, _))) = lines.next_line(&mut 0) {
            out.push(prefix);
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }

    fn print_rules(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n# Implicit Rules\n");
        let mut terminal = 0;
        for r in self.rules.iter() {
            terminal += usize::from(r.terminal);
            out.push(b'\n');
            let targets: Vec<&[u8]> = r.targets.iter().map(|&t| self.names.bytes(t)).collect();
            out.extend_from_slice(&targets.join(&b' '));
            out.extend_from_slice(if r.terminal { b"::" } else { b":" });
            self.print_prereqs(&r.deps, out);
            if let Some(recipe) = &r.recipe {
                self.print_recipe(recipe, self.recipe_prefix, out);
            }
        }
        let n = self.rules.len();
        if n == 0 {
            out.extend_from_slice(b"\n# No implicit rules.");
        } else {
            let share = terminal as f64 / n as f64 * 100.0;
            let line = format!("\n# {n} implicit rules, {terminal} ({share:.1}%) terminal.");
            out.extend_from_slice(line.as_bytes());
        }
    }

    fn print_file(
        &self,
        f: FileId,
        prefix: &mut u8,
        state: &dyn Fn(FileId) -> Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let file = &self.files[f];
        if self.opts.no_builtin_rules && file.builtin {
            return;
        }
        out.push(b'\n');
        if let Some(r) = &file.recipe
            && r.prefix != *prefix
        {
            *prefix = r.prefix;
            out.extend_from_slice(b".RECIPEPREFIX = ");
            if *prefix != b'\t' {
                out.push(*prefix);
            }
            out.push(b'\n');
        }
        let own: Vec<VarId> =
            file.variables.map(|s| self.vars.members(s).collect()).unwrap_or_default();
        let name = self.file_name(f);
        let mut lead = name.to_vec();
        lead.extend_from_slice(b": ");
        for &v in own.iter().filter(|&&v| self.vars[v].origin != Origin::Automatic) {
            self.print_variable(v, &lead, out);
        }
        if !file.is_target {
            out.extend_from_slice(b"# Not a target:\n");
        }
        out.extend_from_slice(name);
        out.extend_from_slice(if file.double_colon.is_some() { b"::" } else { b":" });
        self.print_prereqs(&file.deps, out);
        let facts: [(bool, &str); 4] = [
            (file.precious, "Precious file (prerequisite of .PRECIOUS)."),
            (file.phony, "Phony target (prerequisite of .PHONY)."),
            (file.cmd_target, "Command line target."),
            (file.builtin, "Builtin rule"),
        ];
        for (_, what) in facts.iter().filter(|f| f.0) {
            out.extend_from_slice(format!("#  {what}\n").as_bytes());
        }
        out.extend_from_slice(if file.tried_implicit {
            b"#  Implicit rule search has been done.\n".as_slice()
        } else {
            b"#  Implicit rule search has not been done.\n"
        });
        if let Some(stem) = file.stem {
            let stem = self.names.bytes(stem);
            out.extend_from_slice(&[b"#  Implicit/static pattern stem: '", stem, b"'\n"].concat());
        }
        let facts: [(bool, &str); 3] = [
            (file.intermediate, "File is an intermediate prerequisite."),
            (file.notintermediate, "File is a prerequisite of .NOTINTERMEDIATE."),
            (file.secondary, "File is secondary (prerequisite of .SECONDARY)."),
        ];
        for (_, what) in facts.iter().filter(|f| f.0) {
            out.extend_from_slice(format!("#  {what}\n").as_bytes());
        }
        if !file.also_make.is_empty() {
            out.extend_from_slice(b"#  Also makes:");
            for &x in &file.also_make {
                out.push(b' ');
                out.extend_from_slice(self.file_name(x));
            }
            out.push(b'\n');
        }
        out.extend_from_slice(&state(f));
        for &v in own.iter().filter(|&&v| self.vars[v].origin == Origin::Automatic) {
            self.print_variable(v, b"# ", out);
        }
        if let Some(r) = &file.recipe {
            self.print_recipe(r, *prefix, out);
        }
    }

    fn print_vpath(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n# VPATH Search Paths\n\n");
        for v in &self.vpaths {
            out.extend_from_slice(b"vpath ");
            out.extend_from_slice(&v.pattern.text);
            out.push(b' ');
            out.extend_from_slice(&v.dirs.join(&b':'));
            out.push(b'\n');
        }
        match self.vpaths.len() {
            0 => out.extend_from_slice(b"# No 'vpath' search paths.\n"),
            n => out.extend_from_slice(format!("\n# {n} 'vpath' search paths.\n").as_bytes()),
        }
        if self.general_vpath.is_empty() {
            out.extend_from_slice(b"\n# No general ('VPATH' variable) search path.\n");
        } else {
            out.extend_from_slice(b"\n# General ('VPATH' variable) search path:\n# ");
            out.extend_from_slice(&self.general_vpath.join(&b':'));
            out.push(b'\n');
        }
    }

    fn print_directories(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n# Directories\n\n");
        let mut files = 0;
        let all = self.dirs.known();
        for (name, count) in &all {
            out.extend_from_slice(b"# ");
            out.extend_from_slice(name);
            let line = match count {
                None => ": could not be stat'd.\n".to_owned(),
                Some((dev, ino, None)) => {
                    format!(" (device {dev}, inode {ino}): could not be opened.\n")
                }
                Some((dev, ino, Some(n))) => {
                    files += n;
                    let n = if *n == 0 { "No".to_owned() } else { n.to_string() };
                    format!(" (device {dev}, inode {ino}): {n} files, no impossibilities.\n")
                }
            };
            out.extend_from_slice(line.as_bytes());
        }
        let shown = if files == 0 { "No".to_owned() } else { files.to_string() };
        let line = format!("\n# {shown} files, no impossibilities in {} directories.\n", all.len());
        out.extend_from_slice(line.as_bytes());
    }
}
