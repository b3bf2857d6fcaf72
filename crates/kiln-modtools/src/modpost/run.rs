//! One run of modpost: what it knows, how it speaks, reads and writes, and the order of its steps.
//!
//! It does not know what any single check looks at.

use super::dump::DumpModules;
use super::mismatch::Names;
use super::options::Options;
use super::symbols::{Module, Symbols, Texts};
use super::text::{cat, until_nul};
use super::versions::{Exports, Flavor, Overlong};
use crate::{Host, errno};
use std::io;

/// The run is over, with this exit status; whatever there was to say has been said.
#[derive(Debug)]
pub(super) struct Exit(pub(super) i32);

/// Longest line that a file of modpost's can have, in bytes with its newline.
const LINE_LIMIT: usize = 499;

/// Longest path that the system takes, with its NUL.
pub(super) const PATH_MAX: usize = 4096;

/// The state of a run.
pub(super) struct Run<'h> {
    pub(super) host: &'h mut dyn Host,
    pub(super) flavor: &'static Flavor,
    pub(super) options: Options,
    pub(super) texts: Texts,
    pub(super) symbols: Symbols,
    pub(super) modules: Vec<Module>,
    pub(super) dump_modules: DumpModules,
    pub(super) dumps_read: u32,
    pub(super) have_vmlinux: bool,
    /// The objects are of a 64-bit target.
    pub(super) target_is_64: bool,
    /// The exit status will be 1.
    pub(super) failed: bool,
    pub(super) undefined: u32,
    pub(super) mismatches: u32,
    /// What the mismatch rules say of the sections' names that were met.
    pub(super) section_names: Names,
    /// The `.cmd` file that was read last, and its content.
    pub(super) last_command: Option<(Vec<u8>, Vec<u8>)>,
    /// Bytes of names and messages that may still come of the object that is being read.
    pub(super) room: u64,
    /// Size of an exception table entry, as 5.10 finds it out from the table's second relocation.
    pub(super) extable_entry: u64,
}

impl<'h> Run<'h> {
    pub(super) fn new(host: &'h mut dyn Host, flavor: &'static Flavor, options: Options) -> Self {
        Self {
            host,
            flavor,
            options,
            texts: Texts::default(),
            symbols: Symbols::default(),
            modules: Vec::new(),
            dump_modules: DumpModules::default(),
            dumps_read: 0,
            have_vmlinux: false,
            target_is_64: true,
            failed: false,
            undefined: 0,
            mismatches: 0,
            section_names: Names::default(),
            last_command: None,
            room: u64::MAX,
            extable_entry: 0,
        }
    }

    /// All steps; the exit status, or why the run ended early.
    pub(super) fn all(&mut self) -> Result<i32, Exit> {
        for (nth, path) in std::mem::take(&mut self.options.dumps).iter().enumerate() {
            match nth {
                0 => self.read_first_dump(path)?,
                _ => self.read_dump(path)?,
            }
        }
        for path in std::mem::take(&mut self.options.objects) {
            self.read_object(&path)?;
        }
        if let Some(list) = self.options.list.take() {
            self.read_list(&list)?;
        }
        if self.flavor.undefined_needs_vmlinux && !self.have_vmlinux {
            self.warn(
                None,
                b"Symbol info of vmlinux is missing. Unresolved symbol check will be entirely skipped.\n",
            );
        }
        self.check_and_write_modules()?;
        if let Some(path) = self.options.namespace_deps.take() {
            self.write_namespace_deps(&path)?;
        }
        if let Some(path) = self.options.dump_out.take() {
            self.write_dump(&path)?;
        }
        self.last_words()?;
        Ok(i32::from(self.failed))
    }

    /// The modules that were read, in the order in which the version works through them.
    fn own_modules(&self) -> Vec<u32> {
        let own = |&id: &u32| self.modules[id as usize].dump.is_none();
        let mut order: Vec<u32> = (0..self.modules.len() as u32).filter(own).collect();
        if self.flavor.newest_first {
            order.reverse();
        }
        order
    }

    fn check_and_write_modules(&mut self) -> Result<(), Exit> {
        let order = self.own_modules();
        if self.flavor.checks_before_files {
            if self.flavor.keeps_no_trim_symbols {
                self.keep_no_trim_symbols();
            }
            for &id in &order {
                if !self.modules[id as usize].is_vmlinux {
                    self.check_module(id)?;
                }
            }
            if let Some(path) = self.options.keep_list.take() {
                self.keep_listed_symbols(&path)?;
            }
        }
        for &id in &order {
            if self.modules[id as usize].is_vmlinux {
                if self.flavor.exports != Exports::AnyKsymtabSymbol {
                    self.write_vmlinux_exports(id)?;
                }
                continue;
            }
            if !self.flavor.checks_before_files {
                self.check_module(id)?;
            }
            self.write_mod_c(id)?;
        }
        Ok(())
    }

    fn read_list(&mut self, path: &[u8]) -> Result<(), Exit> {
        let content = if path == b"-" && self.flavor.list_from_stdin {
            self.host.stdin()
        } else {
            self.host.read(path)
        };
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                let text = cat!["Can't open filenames file ", path, ": ", &errno::text(&error)];
                return Err(self.fatal(None, &text));
            }
        };
        // A line longer than the buffer is read in pieces, each taken for a name.
        for line in content.split_inclusive(|&b| b == b'\n') {
            for piece in line.chunks(PATH_MAX - 1) {
                let name = until_nul(piece);
                let name = name.strip_suffix(b"\n").unwrap_or(name);
                self.read_object(name)?;
            }
        }
        Ok(())
    }

    fn write_namespace_deps(&mut self, path: &[u8]) -> Result<(), Exit> {
        let mut out = Vec::new();
        for id in self.own_modules() {
            let module = &self.modules[id as usize];
            if module.missing.is_empty() {
                continue;
            }
            // Each piece went through the line buffer by itself.
            let mut pieces = vec![cat![&module.name, ".ko:"]];
            pieces.extend(module.missing.iter().map(|namespace| cat![" ", namespace]));
            if self.flavor.newest_first {
                pieces[1..].reverse();
            }
            pieces.push(b"\n".to_vec());
            for piece in pieces {
                self.emit(&mut out, &piece)?;
            }
        }
        self.write_if_changed(path, &out)
    }

    fn last_words(&mut self) -> Result<(), Exit> {
        if self.mismatches > 0 && self.options.mismatch_is_error {
            let text = b"Section mismatches detected.\n\
                Set CONFIG_SECTION_MISMATCH_WARN_ONLY=y to allow them.\n";
            if !self.flavor.errors_stop_files {
                return Err(self.fatal(None, text));
            }
            self.error(None, text);
        }
        if let Some(limit) = self.flavor.undefined_limit
            && self.undefined > limit
        {
            let more = self.undefined - limit;
            let text = format!(
                "suppressed {more} unresolved symbol warnings because there were too many)\n"
            );
            self.warn(None, text.as_bytes());
        }
        if self.flavor.exports == Exports::AnyKsymtabSymbol {
            for id in self.own_exports_by_bucket() {
                let symbol = self.symbols.get(id);
                if symbol.is_static {
                    let text = cat![
                        "\"",
                        self.texts.get(symbol.name),
                        "\" [",
                        &self.modules[symbol.module as usize].name,
                        "] is a static ",
                        symbol.class.word(),
                        "\n",
                    ];
                    self.warn(None, &text);
                }
            }
        }
        Ok(())
    }

    // Speaking. A message may be about a module, which the newest version then names first.

    fn log(&mut self, level: &str, module: Option<u32>, text: &[u8]) {
        let mut line = cat![level, "modpost: "];
        if let Some(module) = module.map(|id| &self.modules[id as usize]) {
            line.extend_from_slice(&module.name);
            line.extend_from_slice(module.suffix().as_bytes());
            line.extend_from_slice(b": ");
        }
        line.extend_from_slice(text);
        self.room = self.room.saturating_sub(line.len() as u64);
        self.host.stderr(&line);
    }

    pub(super) fn warn(&mut self, module: Option<u32>, text: &[u8]) {
        self.log("WARNING: ", module, text);
    }

    /// An error after which the run goes on.
    pub(super) fn error(&mut self, module: Option<u32>, text: &[u8]) {
        self.log("ERROR: ", module, text);
        self.failed |= self.flavor.errors_stop_files;
    }

    /// An error that always counts, or a warning.
    pub(super) fn error_unless(&mut self, only_warn: bool, module: Option<u32>, text: &[u8]) {
        if only_warn {
            self.warn(module, text);
        } else {
            self.error(module, text);
            self.failed = true;
        }
    }

    /// Says why the run ends.
    pub(super) fn fatal(&mut self, module: Option<u32>, text: &[u8]) -> Exit {
        self.log(self.flavor.fatal_word, module, text);
        Exit(1)
    }

    /// Ends the run over a file that the original would have misread or crashed on.
    pub(super) fn broken(&mut self, path: &[u8], what: &str) -> Exit {
        let text = cat![path, ": ", what, "\n"];
        self.fatal(None, &text)
    }

    /// Gives an object of this size its room. What is said and kept of a sound one is a few times its
    /// size; names that share their bytes could be without measure.
    pub(super) fn begin_object(&mut self, size: u64) {
        self.room = (1 << 20) + size.saturating_mul(64);
    }

    /// Takes room for a name of the object, or ends the run if there is none.
    pub(super) fn take_room(&mut self, path: &[u8], bytes: usize) -> Result<(), Exit> {
        self.room = self.room.saturating_sub(bytes as u64);
        if self.room > 0 {
            return Ok(());
        }
        Err(self.broken(path, "its names and what is to be said of them are too long"))
    }

    // Reading and writing.

    /// `perror`, and the end.
    pub(super) fn failed_file(&mut self, path: &[u8], error: &io::Error) -> Exit {
        let text = cat![path, ": ", &errno::text(error), "\n"];
        self.host.stderr(&text);
        Exit(1)
    }

    /// A whole file.
    pub(super) fn read_text(&mut self, path: &[u8]) -> Result<Vec<u8>, Exit> {
        self.host.read(path).map_err(|error| self.failed_file(path, &error))
    }

    /// Adds a line (or what the original formats at once) to a file's text.
    pub(super) fn emit(&mut self, out: &mut Vec<u8>, line: &[u8]) -> Result<(), Exit> {
        if line.len() <= LINE_LIMIT {
            out.extend_from_slice(line);
            return Ok(());
        }
        let kept = &line[..LINE_LIMIT];
        if self.flavor.overlong == Overlong::Cut {
            out.extend_from_slice(kept);
            out.resize(out.len() + line.len() - LINE_LIMIT, 0);
            return Ok(());
        }
        let (needed, room) = (line.len() + 1, LINE_LIMIT + 1);
        let text = cat![
            "buf_printf output truncated for string ",
            kept,
            &format!(": {needed} bytes needed, {room} available\n"),
        ];
        Err(self.fatal(None, &text))
    }

    /// Writes a file, unless an error forbids it.
    pub(super) fn write_file(&mut self, path: &[u8], content: &[u8]) -> Result<(), Exit> {
        if self.failed && self.flavor.errors_stop_files {
            return Ok(());
        }
        self.host.write(path, content).map_err(|error| self.failed_file(path, &error))
    }

    /// Writes a file that is absent or has another content.
    pub(super) fn write_if_changed(&mut self, path: &[u8], content: &[u8]) -> Result<(), Exit> {
        match self.host.read(path) {
            Ok(old) if old == content => Ok(()),
            _ => self.write_file(path, content),
        }
    }

    /// `format` with a suffix, if the path is not too long for the system.
    pub(super) fn path_with(&mut self, name: &[u8], suffix: &str) -> Option<Vec<u8>> {
        let mut path = cat![name, suffix];
        if path.len() < PATH_MAX {
            return Some(path);
        }
        path.truncate(PATH_MAX - 1);
        let text = cat![&path, ": too long path was truncated\n"];
        self.error(None, &text);
        None
    }

    /// The names in the file stay exported although nobody is known to use them.
    fn keep_listed_symbols(&mut self, path: &[u8]) -> Result<(), Exit> {
        let content = self.read_text(path)?;
        for name in until_nul(&content).split(|&b| b == b'\n') {
            if let Some(id) = self.symbols.find(&self.texts, name) {
                self.symbols.get_mut(id).used = true;
            }
        }
        Ok(())
    }

    /// The same for the names that objects have in a section for this.
    fn keep_no_trim_symbols(&mut self) {
        for module in &self.modules {
            for name in module.no_trim.split(|&b| b == 0).filter(|name| !name.is_empty()) {
                if let Some(id) = self.symbols.find(&self.texts, name) {
                    self.symbols.get_mut(id).used = true;
                }
            }
        }
    }
}
