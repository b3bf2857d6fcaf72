//! Reading makefiles: what kind of line each is, and what it does. Rule lines go on in `rule_line`.

use kiln_base::{Loc, Name, text};

use crate::assign::{Assignment, parse_assignment};
use crate::cond::Conditionals;
use crate::error::os_error_text;
use crate::host::Stream;
use crate::limits::MAKEFILE_DEPTH;
use crate::lines::{self, Lines};
use crate::make::MakefileRead;
use crate::options::debug;
use crate::var::{Export, Flavor, GLOBAL, Origin, VarId};
use crate::{Fatal, Make, Result};

/// How a makefile is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFlags {
    /// Its rules do not become the default goal.
    pub no_default_goal: bool,
    /// Look along the include directories too.
    pub search: bool,
    /// Its absence is no error.
    pub dont_care: bool,
    /// A `~` in its name has been dealt with.
    pub no_tilde: bool,
}

/// The rule whose recipe is being read.
#[derive(Default)]
pub(crate) struct Pending {
    pub targets: Vec<Name>,
    pub grouped: bool,
    /// Static pattern: its text and where the `%` stands.
    pub pattern: Option<(Name, usize)>,
    pub deps: Option<Vec<u8>>,
    pub recipe: Vec<u8>,
    pub recipe_line: u32,
    pub line: u32,
    pub double_colon: bool,
    pub prefix: u8,
    /// The prerequisites are plain names: see `plain_rule_line`.
    pub plain: bool,
    pub plain_deps: Vec<u8>,
    /// A rule without targets: its recipe is ignored.
    pub no_targets: bool,
    /// No target has a `%` in it.
    pub no_percent: bool,
}

/// The words that may stand before an assignment.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Modifiers {
    pub define: bool,
    pub undefine: bool,
    pub is_override: bool,
    pub private: bool,
    pub export: Option<Export>,
}

/// An assignment, `define` or `undefine` with its modifiers.
pub(crate) struct Modified {
    pub mods: Modifiers,
    /// Where the text behind the modifiers begins.
    pub at: usize,
    /// The assignment there, unless it is `define` or `undefine`.
    pub assignment: Option<Assignment>,
}

/// Reads `t[from..]` as an assignment with modifiers.
pub(crate) fn modified_assignment(t: &[u8], from: usize, target: bool) -> Option<Modified> {
    let mut mods = Modifiers::default();
    let mut p = from + text::leading_space(&t[from..]);
    while p < t.len() {
        if let Some(a) = parse_assignment(t, p) {
            return Some(Modified { mods, at: p, assignment: Some(a) });
        }
        let end = text::word_end(t, p);
        let next = end + text::leading_space(&t[end..]);
        match &t[p..end] {
            b"export" => mods.export = Some(Export::Export),
            b"unexport" => mods.export = Some(Export::NoExport),
            b"override" => mods.is_override = true,
            b"private" => mods.private = true,
            word @ (b"define" | b"undefine") if !target => {
                mods.define = word == b"define";
                mods.undefine = !mods.define;
                return Some(Modified { mods, at: next, assignment: None });
            }
            _ => return None,
        }
        p = next;
    }
    None
}

/// The first line of a `define`.
struct Define {
    /// What stands behind the word.
    head: Vec<u8>,
    origin: Origin,
    mods: Modifiers,
}

/// One makefile or string being read.
struct Reader {
    loc: Loc,
    set_default: bool,
    conds: Conditionals,
    pending: Pending,
    in_ignored_define: bool,
}

impl Make {
    /// Reads all makefiles as the command line asks: MAKEFILES, then `-f` files or the default ones.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_all_makefiles(&mut self) -> Result<()> {
        self.read_makefiles_variable()?;
        let named = self.opts.makefiles.clone();
        for name in &named {
            self.read_and_complain(name)?;
        }
        if named.is_empty() { self.read_default_makefiles() } else { Ok(()) }
    }

    /// Reads the makefiles that the variable MAKEFILES names. They set no default goal, and it is no
    /// error if they are absent.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_makefiles_variable(&mut self) -> Result<()> {
        let name = self.names.intern(b"MAKEFILE_LIST");
        self.define_in(GLOBAL, name, Vec::new(), Origin::File, false, None);
        self.debug_line(debug::BASIC, b"Reading makefiles...");
        let list = self.expand(b"$(MAKEFILES)")?;
        for name in text::words(&list) {
            let flags =
                ReadFlags { no_default_goal: true, search: true, dont_care: true, no_tilde: false };
            let i = self.read_makefile(name, flags)?;
            self.makefiles[i].default_or_env = true;
        }
        Ok(())
    }

    /// Reads a makefile, saying so if it cannot be read.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_and_complain(&mut self, name: &[u8]) -> Result<()> {
        let i = self.read_makefile(name, ReadFlags::default())?;
        if let Some(errno) = self.makefiles[i].error {
            let e = std::io::Error::from_raw_os_error(errno);
            let mut msg = name.to_vec();
            msg.extend_from_slice(b": ");
            msg.extend_from_slice(os_error_text(&e).as_bytes());
            self.say(None, &msg);
        }
        Ok(())
    }

    /// Reads GNUmakefile, makefile or Makefile, whichever is there. If none is, all are recorded, in
    /// case they can be made.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_default_makefiles(&mut self) -> Result<()> {
        const NAMES: [&[u8]; 3] = [b"GNUmakefile", b"makefile", b"Makefile"];
        for name in NAMES {
            if self.file_exists(name) {
                return self.read_and_complain(name);
            }
        }
        for name in NAMES {
            let file = self.enter(name);
            self.makefiles.push(MakefileRead {
                file,
                dont_care: true,
                default_or_env: true,
                read: false,
                loc: Loc::default(),
                error: None,
            });
        }
        Ok(())
    }

    /// Reads one makefile, which becomes an entry of [`Make::makefiles`] whether it is there or not.
    /// Returns the entry's index.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_makefile(&mut self, name: &[u8], flags: ReadFlags) -> Result<usize> {
        self.debug_reading(name, flags);
        let given = name;
        let tilde =
            if !flags.no_tilde && name.first() == Some(&b'~') { self.tilde(name) } else { None };
        let mut name = tilde.as_deref().unwrap_or(name).to_vec();
        let mut text = self.sys.open(&name);
        let mut error = text.as_ref().err().and_then(std::io::Error::raw_os_error);
        if let Some(e @ (12 | 23 | 24)) = error {
            let e = std::io::Error::from_raw_os_error(e);
            return Err(Fatal { loc: self.reading, text: os_error_text(&e).into_bytes() });
        }
        if error == Some(ENOENT) && flags.search && name.first() != Some(&b'/') {
            for dir in &self.include_dirs {
                let mut path = dir.clone();
                path.push(b'/');
                path.extend_from_slice(&name);
                let found = self.sys.open(&path);
                let code = found.as_ref().err().and_then(std::io::Error::raw_os_error);
                if code == Some(ENOENT) {
                    continue;
                }
                name = path;
                if code.is_some() {
                    error = code;
                }
                text = found;
                break;
            }
        }
        let file = self.enter(&name);
        self.files[file].is_explicit = true;
        let index = self.makefiles.len();
        let read = text.is_ok();
        self.makefiles.push(MakefileRead {
            file,
            dont_care: flags.dont_care,
            default_or_env: false,
            read,
            loc: Loc::default(),
            error: if read { None } else { error.or(Some(5)) },
        });
        let Ok(text) = text else { return Ok(index) };
        let given = self.names.intern(given);
        let loc = Loc { file: Some(given), line: 1 };
        let shown = self.file_name(file).to_vec();
        self.append_makefile_list(&shown, loc)?;
        let outer = self.reading;
        self.reading = Some(loc);
        let buf = self.read_buffers.pop().unwrap_or_default();
        self.read_lines(Lines::of_file(text, buf), loc, !flags.no_default_goal)?;
        self.reading = outer;
        Ok(index)
    }

    fn debug_reading(&mut self, name: &[u8], flags: ReadFlags) {
        if self.opts.debug_level & debug::VERBOSE == 0 {
            return;
        }
        let mut msg = b"Reading makefile '".to_vec();
        msg.extend_from_slice(name);
        msg.push(b'\'');
        for (on, what) in [
            (flags.no_default_goal, " (no default goal)"),
            (flags.search, " (search path)"),
            (flags.dont_care, " (don't care)"),
            (flags.no_tilde, " (no ~ expansion)"),
        ] {
            if on {
                msg.extend_from_slice(what.as_bytes());
            }
        }
        msg.extend_from_slice(b"...\n");
        self.host.print(Stream::Out, &msg);
    }

    /// Reads a string as makefile lines, all of which have the place `loc`.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn eval_text(&mut self, text: &[u8], loc: Loc) -> Result<()> {
        let outer = self.reading;
        self.reading = Some(loc);
        self.read_lines(Lines::of_text(text), loc, true)?;
        self.reading = outer;
        Ok(())
    }

    fn read_lines(&mut self, lines: Lines<'_>, loc: Loc, set_default: bool) -> Result<()> {
        self.enter_level(MAKEFILE_DEPTH)?;
        let done = self.read_all_lines(lines, loc, set_default);
        self.leave_level(MAKEFILE_DEPTH);
        done
    }

    fn read_all_lines(&mut self, mut lines: Lines<'_>, loc: Loc, set_default: bool) -> Result<()> {
        let pending = Pending { prefix: self.recipe_prefix, recipe_line: 1, ..Pending::default() };
        let mut r = Reader {
            loc,
            set_default,
            conds: Conditionals::default(),
            pending,
            in_ignored_define: false,
        };
        let mut scratch = self.take_buffer();
        let mut count = 0;
        let mut nuls = 0;
        loop {
            r.loc.line += count;
            self.reading = Some(r.loc);
            let next = lines.next_line(&mut nuls);
            if nuls > 0 {
                self.warn_of_nuls(&mut nuls, r.loc);
            }
            let Some((mut line, n)) = next.map_err(|e| self.read_error(r.loc, &e))? else { break };
            count = n;
            self.burn(1 + line.len())?;
            if r.loc.line == 1 {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            let Some(&first) = line.first() else { continue };
            if first == self.recipe_prefix {
                if r.pending.no_targets {
                    continue;
                }
                if !r.pending.targets.is_empty() {
                    if !r.conds.ignoring() {
                        if r.pending.recipe.is_empty() {
                            r.pending.recipe_line = r.loc.line;
                        }
                        r.pending.recipe.extend_from_slice(&line[1..]);
                        r.pending.recipe.push(b'\n');
                    }
                    continue;
                }
            }
            if !r.conds.ignoring() && text::is_plain_byte(first) {
                // Where the first word of plain bytes ends.
                let end = text::plain_len(line);
                if self.plain_assignment(line, end, r.loc).is_some()
                    || count > 1 && self.list_assignment(line, end, r.loc).is_some()
                {
                    // What ends the rule before it is done after it: neither sees the other.
                    self.finish_rule(&mut r.pending, r.loc)?;
                    continue;
                }
                if self.plain_rule_line(&mut r.pending, line, end, r.loc, set_default)? {
                    continue;
                }
            }
            let plain = memchr::memchr2(b'\n', b'#', line).is_none();
            let body: &[u8] = if plain {
                line
            } else {
                scratch.clear();
                scratch.extend_from_slice(&lines::join_continued(line, self.special.posix));
                lines::remove_comment(&mut scratch);
                &scratch
            };
            if let Some(define) = self.read_line(&mut r, line, body)? {
                self.read_define(&mut r, &mut lines, define)?;
            }
        }
        if r.conds.is_open() {
            return Err(Fatal::at(r.loc, "missing 'endif'"));
        }
        self.finish_rule(&mut r.pending, r.loc)?;
        self.read_buffers.extend(lines.into_buffer());
        self.give_buffer(scratch);
        Ok(())
    }

    fn warn_of_nuls(&mut self, nuls: &mut usize, loc: Loc) {
        for _ in 0..std::mem::take(nuls) {
            self.say(Some(loc), b"warning: NUL character seen; rest of line ignored");
        }
    }

    fn read_error(&self, loc: Loc, e: &std::io::Error) -> Fatal {
        let mut text = loc.file.map_or(Vec::new(), |f| self.names.bytes(f).to_vec());
        text.extend_from_slice(b": ");
        text.extend_from_slice(os_error_text(e).as_bytes());
        Fatal { loc: None, text }
    }

    /// A line that is no recipe line: `raw` as it stands, `t` without continuation and comment.
    /// A `define` that begins here is returned, for its lines are still to be read.
    fn read_line(&mut self, r: &mut Reader, raw: &[u8], t: &[u8]) -> Result<Option<Define>> {
        if let Some(m) = modified_assignment(t, 0, false) {
            if r.conds.ignoring() {
                r.in_ignored_define |= m.mods.define;
                return Ok(None);
            }
            return self.read_assignment(r, t, &m);
        }
        self.read_directive(r, raw, t).map(|()| None)
    }

    fn read_directive(&mut self, r: &mut Reader, raw: &[u8], t: &[u8]) -> Result<()> {
        let start = text::leading_space(t);
        if start == t.len() {
            return Ok(());
        }
        let end = text::word_end(t, start);
        let rest_at = end + text::leading_space(&t[end..]);
        let word = &t[start..end];
        let rest = &t[rest_at..];
        if r.in_ignored_define {
            if word == b"endef" && rest.first().is_none_or(|&b| b == b'#') {
                r.in_ignored_define = false;
            }
            return Ok(());
        }
        if self.conditional_line(&mut r.conds, &t[start..], word.len(), r.loc)? {
            return Ok(());
        }
        if r.conds.ignoring() {
            return Ok(());
        }
        match word {
            b"export" | b"unexport" => self.read_export(r, word == b"export", rest),
            b"vpath" => {
                self.finish_rule(&mut r.pending, r.loc)?;
                let expanded = self.expand(rest)?;
                let mut pos = 0;
                let pattern = text::next_word(&expanded, &mut pos).map(<[u8]>::to_vec);
                let from = pos + text::leading_space(&expanded[pos..]);
                let dirs = (from < expanded.len()).then(|| &expanded[from..]);
                self.vpath_directive(pattern.as_deref(), dirs);
                Ok(())
            }
            b"include" | b"-include" | b"sinclude" => {
                self.finish_rule(&mut r.pending, r.loc)?;
                let list = self.expand(rest)?;
                let names = self.name_list(&list);
                for name in names {
                    let flags = ReadFlags {
                        no_default_goal: !r.set_default,
                        search: true,
                        dont_care: word != b"include",
                        no_tilde: true,
                    };
                    let name = self.names.shared(name);
                    let i = self.read_makefile(&name, flags)?;
                    self.makefiles[i].loc = r.loc;
                    self.reading = Some(r.loc);
                }
                Ok(())
            }
            b"load" | b"-load" => {
                self.finish_rule(&mut r.pending, r.loc)?;
                let list = self.expand(rest)?;
                match text::words(&list).next() {
                    Some(name) if word == b"load" => {
                        // Nothing can be loaded here: what is said is what a missing file would get.
                        let why = b": cannot open shared object file: No such file or directory";
                        self.say(Some(r.loc), &[name, why].concat());
                        let msg = [name, b": failed to load".as_slice()].concat();
                        Err(Fatal::at(r.loc, msg))
                    }
                    _ => Ok(()),
                }
            }
            _ if raw.first() == Some(&self.recipe_prefix) => {
                Err(Fatal::at(r.loc, "recipe commences before first target"))
            }
            _ => self.rule_line(&mut r.pending, raw, r.loc, r.set_default),
        }
    }

    fn read_assignment(
        &mut self,
        r: &mut Reader,
        t: &[u8],
        m: &Modified,
    ) -> Result<Option<Define>> {
        self.finish_rule(&mut r.pending, r.loc)?;
        let origin = if m.mods.is_override { Origin::Override } else { Origin::File };
        if let Some(a) = m.assignment {
            let v = self.assign_parsed(t, a, origin, false, Some(r.loc))?;
            self.modify(v, m.mods);
        } else if m.mods.undefine {
            self.read_undefine(&t[m.at..], origin, r.loc)?;
        } else {
            return Ok(Some(Define { head: t[m.at..].to_vec(), origin, mods: m.mods }));
        }
        Ok(None)
    }

    fn modify(&mut self, v: VarId, mods: Modifiers) {
        if let Some(e) = mods.export {
            self.export_var(v, e);
        }
        if mods.private {
            self.vars[v].private = true;
        }
    }

    fn read_undefine(&mut self, name: &[u8], origin: Origin, loc: Loc) -> Result<()> {
        let expanded = self.expand(name)?;
        let name = trim_name(&expanded);
        if name.is_empty() {
            return Err(Fatal::at(loc, "empty variable name"));
        }
        let name = self.names.intern(name);
        let env = self.opts.environment_overrides;
        self.vars.undefine_global(name, origin, env);
        Ok(())
    }

    /// A `define`: lines up to the matching `endef` are the value.
    fn read_define(&mut self, r: &mut Reader, lines: &mut Lines<'_>, d: Define) -> Result<()> {
        let head = d.head.as_slice();
        let start = r.loc;
        let mut flavor = Flavor::Recursive;
        let mut raw_name = head;
        if let Some(a) = parse_assignment(head, 0) {
            flavor = a.flavor;
            if a.value < head.len() {
                self.say(Some(start), b"extraneous text after 'define' directive");
            }
            raw_name = &head[a.name.0..a.name.1];
        }
        let expanded = self.expand(raw_name)?;
        let name = trim_name(&expanded).to_vec();
        if name.is_empty() {
            return Err(Fatal::at(start, "empty variable name"));
        }
        let mut value = Vec::new();
        let mut depth = 1;
        loop {
            let next = lines.next_line(&mut 0).map_err(|e| self.read_error(r.loc, &e))?;
            let Some((line, n)) = next else {
                return Err(Fatal::at(start, "missing 'endef', unterminated 'define'"));
            };
            r.loc.line += n;
            self.reading = Some(r.loc);
            let line = lines::join_continued(line, self.special.posix);
            if line.first() != Some(&self.recipe_prefix) {
                let p = &line[text::leading_space(&line)..];
                if is_directive(p, b"define") {
                    depth += 1;
                } else if is_directive(p, b"endef") {
                    let mut tail = p[5..].to_vec();
                    lines::remove_comment(&mut tail);
                    if text::leading_space(&tail) != tail.len() {
                        self.say(Some(r.loc), b"extraneous text after 'endef' directive");
                    }
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            value.extend_from_slice(&line);
            value.push(b'\n');
        }
        value.pop();
        let v = self.assign(&name, &value, d.origin, flavor, false, Some(start))?;
        self.modify(v, d.mods);
        Ok(())
    }

    fn read_export(&mut self, r: &mut Reader, on: bool, rest: &[u8]) -> Result<()> {
        self.finish_rule(&mut r.pending, r.loc)?;
        if rest.is_empty() {
            self.export_all = on;
            return Ok(());
        }
        let list = self.expand(rest)?;
        for word in text::words(&list) {
            let v = match self.lookup_var(word) {
                Some(v) => v,
                None => {
                    let name = self.names.intern(word);
                    let scope = self.vars.global_link();
                    self.define_in(scope, name, Vec::new(), Origin::File, false, Some(r.loc))
                }
            };
            self.export_var(v, if on { Export::Export } else { Export::NoExport });
        }
        Ok(())
    }

    /// Reads the strings of `-E`, in order.
    ///
    /// # Errors
    /// What stops make while reading.
    pub fn read_eval_options(&mut self) -> Result<()> {
        for text in self.opts.eval.clone() {
            self.eval_text(&text, Loc { file: None, line: 1 })?;
        }
        Ok(())
    }
}

const ENOENT: i32 = 2;

fn is_directive(line: &[u8], word: &[u8]) -> bool {
    line.starts_with(word) && line.get(word.len()).is_none_or(|&b| text::is_blank(b))
}

/// A name without white space before it and blanks behind it.
fn trim_name(t: &[u8]) -> &[u8] {
    let mut name = &t[text::leading_space(t)..];
    while let [rest @ .., b' ' | b'\t'] = name
        && !rest.is_empty()
    {
        name = rest;
    }
    name
}
