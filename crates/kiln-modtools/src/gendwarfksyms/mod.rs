//! gendwarfksyms: debugging information in, a CRC for every exported symbol out.
//!
//! The CRC sums a text of the symbol's type with every type in it written out, so that it changes when
//! the binary interface does; unlike genksyms it reads what the compiler made of the source, and so
//! serves Rust as well as C. The phases are the files: `object` finds the sections and applies their
//! relocations (`reloc`), `reader` reads the debugging entries into a table (`dies`; `abbrevs` is how they are packed), `symbols` holds the
//! exported symbols, `scan` finds their entries, `walk` and `shapes` make the texts (`kabi` and `rules`
//! where a distribution keeps an interface stable) in a map (`entries`), `types` collects the named
//! types, `versions` sums.
//! `options` is the command line, `report` standard error.
//!
//! Source of the behaviour: `scripts/gendwarfksyms` of Linux 7.2 with elfutils 0.188, and the program
//! itself. It does not know where objects come from, nor what is done with the CRCs.

mod abbrevs;
mod dies;
mod entries;
mod kabi;
mod object;
mod options;
mod reader;
mod reloc;
mod report;
mod rules;
mod scan;
mod shapes;
mod symbols;
mod types;
mod versions;
mod walk;

use std::io;

use crate::elf::Elf;
use crate::{Host, Ranged, errno};
use object::Sections;
use options::Request;
use report::{Fault, Report};
use rules::Rules;
use symbols::Symbols;
use types::Types;
use walk::{Limits, Walk};

/// What a run is asked for, apart from the files' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `-d`: what is done, on standard error.
    pub debug: bool,
    /// `--dump-dies`: the texts as they are made, on standard error.
    pub dump_dies: bool,
    /// `--dump-die-map`: how the map of entries changes.
    pub dump_die_map: bool,
    /// `--dump-types`: the named types.
    pub dump_types: bool,
    /// `--dump-versions`: the texts that are summed.
    pub dump_versions: bool,
    /// `-s`: rules and names that keep an interface stable count.
    pub stable: bool,
}

/// What a run over some objects gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output: one line for each exported symbol.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
    /// The symtypes file; empty unless asked for.
    pub symtypes: Vec<u8>,
    /// The exit status.
    pub status: i32,
}

/// A run: the exported symbols through all objects.
struct Run {
    symbols: Symbols,
    report: Report,
    symtypes: Option<Vec<u8>>,
    objects: u32,
}

impl Run {
    /// Reads the names on standard input.
    fn new(settings: Settings, names: &[u8]) -> Result<Self, Fault> {
        let mut report = Report::new(settings);
        let symbols = Symbols::read(names, &mut report)?;
        Ok(Run { symbols, report, symtypes: None, objects: 0 })
    }

    /// Takes an object; `file` is its name.
    fn object(&mut self, file: &[u8], data: Box<dyn Ranged>) -> Result<(), Fault> {
        let elf = Elf::open(data).map_err(|error| {
            let text = error.to_string();
            let parts: [&[u8]; 4] =
                [b"dwfl_report_offline failed for '", file, b"': ", text.as_bytes()];
            Fault::of("main", &parts)
        })?;
        self.symbols.locate(&elf, &mut self.report);
        let rules = match object::rules(&elf) {
            Some(section) if self.report.settings.stable => Rules::read(section, &mut self.report)?,
            None if self.report.settings.stable => {
                self.report.debug("kabi_read_rules", &[b"kABI rules not found"]);
                Rules::default()
            }
            _ => Rules::default(),
        };
        self.report.debug("process_module", &[file]);
        let sections = Sections::read(&elf, file)?;
        drop(elf);
        if sections.info.is_empty() {
            let text = "dwarf_get_units failed: no debugging information?";
            return Err(Fault::new("process_module", text));
        }
        self.objects += 1;
        let settings = self.report.settings;
        // What differs between going through finished entries again and not doing so.
        let has_names = |section: &[u8]| memchr::memmem::find(section, kabi::PREFIX).is_some();
        let exact = settings.debug
            || settings.dump_dies
            || settings.dump_types
            || (settings.stable && (has_names(&sections.strings) || has_names(&sections.info)));
        if exact {
            return self.unwind(&sections, &rules, file, true).map(|_| ());
        }
        // The short way first. Where it cannot know the answer (an entry that was left out, a type
        // whose text depends on the order) everything is done again the long way.
        let before = (self.symbols.save(), self.report.err.len(), self.symtypes.clone());
        match self.unwind(&sections, &rules, file, false) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => {
                self.symbols.restore(before.0);
                self.report.err.truncate(before.1);
                self.symtypes = before.2;
                self.unwind(&sections, &rules, file, true).map(|_| ())
            }
        }
    }

    /// From the entries of an object to CRCs; false if the order of entries would have decided.
    fn unwind(
        &mut self,
        sections: &Sections,
        rules: &Rules,
        file: &[u8],
        exact: bool,
    ) -> Result<bool, Fault> {
        let size = sections.info.len() + sections.types.len();
        let limits = Limits::new(size, self.symbols.all.len());
        let dies = reader::read(sections, exact, file)?;
        let mut walk = Walk::new(&dies, file, rules, &mut self.report, exact, limits);
        let mut names = 0;
        for number in 0..dies.units.len() {
            names += scan::unit(&mut walk, number, &mut self.symbols, self.objects)?;
        }
        let mut types = Types::new(rules, limits.text);
        // The original maps the file at the beginning of a page: the position in the file is what is
        // certain of an address.
        let address = |die| (sections.info_offset as u32).wrapping_add(dies.get(die).at);
        let order: Option<&dyn Fn(u32) -> u32> = if exact { Some(&address) } else { None };
        types.collect(&mut walk.map, order, walk.report)?;
        if types.has_ties && !exact {
            return Ok(false);
        }
        let wants_symtypes = self.symtypes.is_some();
        versions::calculate(
            &mut types,
            &walk.map,
            &mut self.symbols,
            self.objects,
            wants_symtypes,
            limits,
            walk.report,
        )?;
        if let Some(file) = &mut self.symtypes {
            file.extend_from_slice(&types.symtypes());
        }
        if walk.report.settings.debug {
            scan::statistics(&mut walk, names);
        }
        Ok(true)
    }
}

/// Sums the exported symbols of one object. `file` is its name for messages, `names` the text of
/// standard input.
pub fn run(
    file: &[u8],
    object: Vec<u8>,
    names: &[u8],
    settings: Settings,
    wants_symtypes: bool,
) -> Output {
    let mut run = match Run::new(settings, names) {
        Ok(run) => run,
        Err(fault) => return Output { err: fault.text(), status: 1, ..Output::default() },
    };
    if run.symbols.all.is_empty() {
        return Output { err: run.report.err, ..Output::default() };
    }
    run.symtypes = wants_symtypes.then(Vec::new);
    let done = run.object(file, Box::new(object));
    run.finish(done)
}

impl Run {
    fn finish(mut self, done: Result<(), Fault>) -> Output {
        let (out, status) = match done {
            Ok(()) => (self.symbols.versions(&mut self.report), 0),
            Err(fault) => {
                self.report.text(&fault.text());
                (Vec::new(), 1)
            }
        };
        let symtypes = self.symtypes.unwrap_or_default();
        Output { out, err: self.report.err, symtypes, status }
    }
}

/// The tool under its own name.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let (settings, files, symtypes) = match options::parse(args, host) {
        Request::Run { settings, files, symtypes } => (settings, files, symtypes),
        Request::Help => {
            host.stderr(options::USAGE);
            return 0;
        }
        Request::Wrong(message) => {
            host.stderr(&message);
            host.stderr(options::USAGE);
            return 1;
        }
    };
    if files.is_empty() {
        host.stderr(options::USAGE);
        host.stderr(&Fault::new("main", "no input files?").text());
        return 1;
    }
    let names = host.stdin().unwrap_or_default();
    let mut run = match Run::new(settings, &names) {
        Ok(run) => run,
        Err(fault) => {
            host.stderr(&fault.text());
            return 1;
        }
    };
    if run.symbols.all.is_empty() {
        host.stderr(&run.report.err);
        return 0;
    }
    if let Some(path) = &symtypes {
        // The original opens, and thereby empties, the file before it reads anything.
        if let Err(error) = host.write(path, b"") {
            host.stderr(&run.report.err);
            let text = errno::text(&error);
            let parts: [&[u8]; 4] = [b"fopen failed for '", path, b"': ", text.as_bytes()];
            host.stderr(&Fault::of("main", &parts).text());
            return 1;
        }
        run.symtypes = Some(Vec::new());
    }
    let done = objects(&mut run, &files, host);
    let output = run.finish(done);
    host.stdout(&output.out);
    host.stderr(&output.err);
    if let Some(path) = symtypes
        && !output.symtypes.is_empty()
        && host.write(&path, &output.symtypes).is_err()
    {
        host.stderr(&Fault::new("main", "`fclose(symfile)` failed: -1").text());
        return 1;
    }
    output.status
}

fn objects(run: &mut Run, files: &[Vec<u8>], host: &mut dyn Host) -> Result<(), Fault> {
    for file in files {
        let data = host.open(file).map_err(|error| {
            let text = errno::text(&error);
            if error.kind() == io::ErrorKind::IsADirectory {
                // A directory opens; it is the ELF library that refuses it.
                let text = "elf_begin failed: invalid file descriptor";
                return Fault::new("elf_for_each_global", text);
            }
            Fault::of("main", &[b"open failed for '", file, b"': ", text.as_bytes()])
        })?;
        run.object(file, data)?;
    }
    Ok(())
}

/// The body of a fuzz target: an object, and after `%%` on a line of its own the names.
/// Nothing but a panic, a hang or a large allocation is a finding.
pub fn fuzz(bytes: &[u8]) {
    let (object, names) = match memchr::memmem::rfind(bytes, b"\n%%\n") {
        Some(at) => (&bytes[..at], &bytes[at + 4..]),
        None => (bytes, &b"f\ng\nv\n"[..]),
    };
    let all = Settings {
        debug: true,
        dump_dies: true,
        dump_die_map: true,
        dump_types: true,
        dump_versions: true,
        stable: true,
    };
    for settings in [Settings::default(), Settings { stable: true, ..Settings::default() }, all] {
        run(b"fuzz.o", object.to_vec(), names, settings, true);
    }
}
