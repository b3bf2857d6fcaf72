//! Reading one object: its licence and imports, its exports and references, its device tables and its
//! sources.
//!
//! What is found is only noted; whether references can be met is decided when everything is read.

use super::run::{Exit, Run};
use super::srcversion::{self, Outcome};
use super::symbols::{Class, Compatible, Module, Reference};
use super::text::{base_name, cat, strtoul, until_nul};
use super::versions::{Crcs, Description, Exports, Words};
use crate::elf::{self, Elf, Symbol, machine};
use crate::errno;
use std::io;

/// Licences that make a module GPL-compatible (`include/linux/license.h`).
const COMPATIBLE_LICENSES: [&[u8]; 6] = [
    b"GPL",
    b"GPL v2",
    b"GPL and additional rights",
    b"Dual BSD/GPL",
    b"Dual MIT/GPL",
    b"Dual MPL/GPL",
];

impl Run<'_> {
    /// Reads the object with this path.
    pub(super) fn read_object(&mut self, path: &[u8]) -> Result<(), Exit> {
        if self.flavor.wants_object_suffix && !path.ends_with(b".o") {
            let text = cat![path, ": filename must be suffixed with .o\n"];
            self.error(None, &text);
            return Ok(());
        }
        let Some(mut elf) = self.open_object(path)? else { return Ok(()) };
        self.target_is_64 = elf.is_64;
        let name = &path[..path.len().saturating_sub(2)];
        let id = self.modules.len() as u32;
        self.modules.push(Module::new(name, None));
        let is_vmlinux = self.modules[id as usize].is_vmlinux;
        self.have_vmlinux |= is_vmlinux;
        let tags = Tags::of(&elf);
        if self.flavor.keeps_no_trim_symbols
            && let Some(section) = section_named(&elf, b".no_trim_symbol")
        {
            self.modules[id as usize].no_trim = elf.content(&section).to_vec();
        }
        if !is_vmlinux {
            self.read_tags(id, path, &elf, &tags);
        }
        self.walk_symbols(id, path, &mut elf)?;
        if self.flavor.exports != Exports::Records {
            self.second_walk(id, path, &elf)?;
        }
        self.check_sections(id, path, &elf)?;
        if !is_vmlinux && (self.options.all_srcversions || tags.find(&elf, b"version").is_some()) {
            self.source_version(id, path)?;
        }
        if self.options.modversions {
            // No exported function takes the module structure itself, yet its layout must match.
            let name = self.texts.keep(b"module_layout");
            let reference = Reference { name, weak: false, export: None };
            self.modules[id as usize].references.push(reference);
            if let Crcs::CommandFiles { thin_lto } = self.flavor.crcs {
                self.read_crcs(id, thin_lto)?;
            }
        }
        Ok(())
    }

    fn open_object(&mut self, path: &[u8]) -> Result<Option<Elf>, Exit> {
        let file = match self.host.open(path) {
            // The original maps the file, and there is no mapping of nothing or of a directory.
            Ok(file) if file.is_empty() => Err("Invalid argument".to_owned()),
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                Err("No such device".to_owned())
            }
            Err(error) => Err(errno::text(&error)),
        };
        let file = match file {
            Ok(file) => file,
            Err(error) if self.options.ignore_missing => {
                let text = cat![path, ": ", &error, " (ignored)\n"];
                self.host.stderr(&text);
                return Ok(None);
            }
            Err(error) => {
                let text = cat![path, ": ", &error, "\n"];
                self.host.stderr(&text);
                return Err(Exit(1));
            }
        };
        let size = file.len();
        self.begin_object(size);
        let elf = match Elf::open(file) {
            Ok(elf) => elf,
            Err(elf::Error::NotElf) => return Ok(None),
            Err(error) => {
                let text = match error {
                    elf::Error::ByteOrder => b"target endian is unknown\n".to_vec(),
                    elf::Error::NotRelocatable => cat![path, ": not relocatable object."],
                    elf::Error::HeadersBeyondEnd(at) => cat![
                        &format!("section header offset={at} in file '"),
                        path,
                        &format!("' is bigger than filesize={size}\n"),
                    ],
                    elf::Error::SectionBeyondEnd(at, is_64) => {
                        let header = if is_64 { 64 } else { 52 };
                        let text = format!(
                            " is truncated. sechdrs[i].sh_offset={at} > sizeof(*hrd)={header}\n"
                        );
                        cat![path, &text]
                    }
                    elf::Error::NoSymbolTable => cat![path, " has no symtab?\n"],
                    elf::Error::LongNumbersOfOther(link, table) => {
                        cat![path, &format!(": SYMTAB_SHNDX has bad sh_link: {link}!={table}\n")]
                    }
                    other => cat![path, ": ", &other.to_string(), "\n"],
                };
                return Err(self.fatal(None, &text));
            }
        };
        if section_named(&elf, b".modinfo").is_some_and(|s| s.kind == elf::SHT_NOBITS) {
            let text = cat![path, " has NOBITS .modinfo\n"];
            return Err(self.fatal(None, &text));
        }
        Ok(Some(elf))
    }

    fn read_tags(&mut self, id: u32, path: &[u8], elf: &Elf, tags: &Tags) {
        let names_module = self.flavor.words >= Words::V7_3;
        let about = names_module.then_some(id);
        let place = if names_module { b"\n".to_vec() } else { cat![" in ", path, "\n"] };
        let mut licenses = tags.all(elf, b"license").peekable();
        if licenses.peek().is_none() {
            let text = cat!["missing MODULE_LICENSE()", &place];
            if self.flavor.license_required {
                self.error(about, &text);
            } else {
                self.warn(about, &text);
            }
        }
        for license in licenses {
            let compatible = COMPATIBLE_LICENSES.contains(&license);
            let module = &mut self.modules[id as usize];
            module.compatible = if compatible { Compatible::Yes } else { Compatible::No };
            if !compatible {
                break;
            }
        }
        for namespace in tags.all(elf, b"import_ns") {
            if self.flavor.module_namespaces && namespace.starts_with(b"module:") {
                let name = &self.modules[id as usize].name;
                let text = if names_module {
                    cat!["explicitly importing namespace '", namespace, "' is not allowed.\n"]
                } else {
                    cat![
                        name,
                        ": explicitly importing namespace \"",
                        namespace,
                        "\" is not allowed.\n"
                    ]
                };
                self.error(about, &text);
            }
            let imported = &mut self.modules[id as usize].imported;
            if !imported.iter().any(|known| known == namespace) {
                imported.push(namespace.to_vec());
            }
        }
        let wanted = match self.flavor.description {
            Description::Unchecked => false,
            Description::WithExtraWarnings => self.options.extra_warnings,
            Description::Always => true,
        };
        if wanted && tags.find(elf, b"description").is_none() {
            self.warn(about, &cat!["missing MODULE_DESCRIPTION()", &place]);
        }
    }

    fn walk_symbols(&mut self, id: u32, path: &[u8], elf: &mut Elf) -> Result<(), Exit> {
        for index in 0..elf.symbol_count() {
            let Some(symbol) = elf.symbol(index) else { break };
            self.take_room(path, elf.symbol_name(&symbol).len())?;
            cut_suffix(elf, &symbol);
            self.take_symbol(id, elf, &symbol);
            self.take_device_table(id, elf, &symbol)?;
        }
        Ok(())
    }

    fn take_symbol(&mut self, id: u32, elf: &Elf, symbol: &Symbol) {
        let name = elf.symbol_name(symbol);
        match symbol.shndx {
            elf::SHN_COMMON => {
                if !name.starts_with(b"__gnu_lto_") {
                    self.say_common(id, name);
                }
            }
            elf::SHN_UNDEF => {
                if symbol.is_visible() && !self.ignores_undefined(elf, name) {
                    self.take_reference(id, elf, symbol, name);
                }
            }
            _ => {
                if let Some(exported) = name.strip_prefix(b"__ksymtab_")
                    && let Some(class) = self.ksymtab_class(elf, symbol)
                {
                    let text = self.texts.keep(exported);
                    self.add_export(text, id, class);
                }
                let module = &mut self.modules[id as usize];
                module.has_init |= name == b"init_module";
                module.has_cleanup |= name == b"cleanup_module";
            }
        }
    }

    fn take_reference(&mut self, id: u32, elf: &Elf, symbol: &Symbol, name: &[u8]) {
        let mut name = std::borrow::Cow::Borrowed(name);
        if matches!(elf.machine, machine::SPARC | machine::SPARCV9) {
            // SPARC declares its global registers as symbols.
            if symbol.kind() == elf::STT_LOPROC {
                return;
            }
            if name.starts_with(b".") {
                let munged = name.to_mut();
                munged[0] = b'_';
                if let Some(second) = munged.get_mut(1) {
                    second.make_ascii_uppercase();
                }
            }
        }
        let name = self.texts.keep(&name);
        let weak = symbol.binding() == elf::STB_WEAK;
        self.modules[id as usize].references.push(Reference { name, weak, export: None });
    }

    /// Names that something other than another module's export provides.
    fn ignores_undefined(&self, elf: &Elf, name: &[u8]) -> bool {
        if name == b"__this_module" || name == b"_GLOBAL_OFFSET_TABLE_" {
            return true;
        }
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p.as_bytes()));
        let by_machine = self.flavor.ignored_by_machine.iter().find(|row| row.0 == elf.machine);
        by_machine.is_some_and(|row| starts(row.1))
            || (elf.machine == machine::PPC64 && name == b".TOC.")
            || starts(self.flavor.ignored_undefined)
    }

    /// The class of an export that the compiler recorded as `__ksymtab_x`; none if it is no export.
    fn ksymtab_class(&self, elf: &Elf, symbol: &Symbol) -> Option<Class> {
        let section = elf.section_name_of(elf.section_number(symbol));
        let in_section = |prefix: &str| section.starts_with(prefix.as_bytes());
        match self.flavor.exports {
            Exports::Records => None,
            Exports::KsymtabSections if in_section("___ksymtab_gpl+") => Some(Class::Gpl),
            Exports::KsymtabSections => in_section("___ksymtab+").then_some(Class::Plain),
            Exports::AnyKsymtabSymbol => Some(
                [
                    ("___ksymtab+", Class::Plain),
                    ("___ksymtab_unused+", Class::Unused),
                    ("___ksymtab_gpl+", Class::Gpl),
                    ("___ksymtab_unused_gpl+", Class::UnusedGpl),
                    ("___ksymtab_gpl_future+", Class::GplFuture),
                ]
                .into_iter()
                .find_map(|(prefix, class)| in_section(prefix).then_some(class))
                .unwrap_or(Class::Unknown),
            ),
        }
    }

    /// Namespaces and CRCs that lie in the object beside the exports, and who is visible.
    fn second_walk(&mut self, id: u32, path: &[u8], elf: &Elf) -> Result<(), Exit> {
        let crcs_in_object = self.flavor.crcs == Crcs::Symbols;
        for symbol in elf.symbols() {
            let name = elf.symbol_name(&symbol);
            if let Some(exported) = name.strip_prefix(b"__kstrtabns_") {
                let namespace = elf.offset_of(&symbol).map_or(&b""[..], |at| elf.text(at));
                self.take_room(path, namespace.len())?;
                match self.symbols.find(&self.texts, exported) {
                    Some(found) => {
                        let namespace = self.texts.keep(namespace);
                        self.symbols.get_mut(found).namespace = namespace;
                    }
                    None => {
                        // The old program printed what C makes of an absent string.
                        let shown: &[u8] = if crcs_in_object && namespace.is_empty() {
                            b"(null)"
                        } else {
                            namespace
                        };
                        let text = cat![
                            "Could not update namespace(",
                            shown,
                            ") for symbol ",
                            exported,
                            "\n"
                        ];
                        self.error(None, &text);
                    }
                }
            }
            if crcs_in_object && let Some(exported) = name.strip_prefix(b"__crc_") {
                self.take_crc_symbol(id, elf, &symbol, exported);
            }
        }
        if crcs_in_object {
            for symbol in elf.symbols().filter(Symbol::is_visible) {
                if let Some(found) = self.symbols.find(&self.texts, elf.symbol_name(&symbol)) {
                    self.symbols.get_mut(found).is_static = false;
                }
            }
        }
        Ok(())
    }

    fn take_crc_symbol(&mut self, id: u32, elf: &Elf, symbol: &Symbol, exported: &[u8]) {
        let crc = match symbol.shndx {
            elf::SHN_UNDEF => {
                self.say_no_crc(id, exported);
                return;
            }
            elf::SHN_ABS => symbol.value as u32,
            _ => match elf.offset_of(symbol).and_then(|at| usize::try_from(at).ok()) {
                Some(at) => elf.u32(at),
                None => return,
            },
        };
        // A veneer of the linker's may look like the CRC of something that is no export.
        if let Some(found) = self.symbols.find(&self.texts, exported) {
            self.set_crc(found, crc);
        }
    }

    fn source_version(&mut self, id: u32, path: &[u8]) -> Result<(), Exit> {
        let list_path = cat![&self.modules[id as usize].name, ".mod"];
        let list = self.read_text(&list_path)?;
        let members = self.flavor.members;
        let outcome = srcversion::compute(&list, members, path, |file| {
            let content = self.read_text(file)?;
            // The same file may be asked for its CRCs next.
            if self.options.modversions && file.ends_with(b".cmd") {
                self.last_command = Some((file.to_vec(), content.clone()));
            }
            Ok(content)
        });
        match outcome? {
            Outcome::Digest(digits) => self.modules[id as usize].srcversion = Some(digits),
            Outcome::Malformed(text) => self.warn(None, &text),
        }
        Ok(())
    }

    /// Takes the CRCs of a module's exports from the `.cmd` files of its members.
    fn read_crcs(&mut self, id: u32, thin_lto: bool) -> Result<(), Exit> {
        let module = &self.modules[id as usize];
        let list_path = if module.is_vmlinux {
            b".vmlinux.objs".to_vec()
        } else {
            let name = module.name.clone();
            let Some(path) = self.path_with(&name, ".mod") else { return Ok(()) };
            path
        };
        let list = self.read_text(&list_path)?;
        for object in until_nul(&list).split(|&b| b == b'\n') {
            if object.is_empty() {
                break;
            }
            let file = base_name(object);
            let dir = &object[..object.len() - file.len()];
            let command_path = if thin_lto {
                let stem = file.len().saturating_sub(2);
                let native = object.ends_with(b".thinlto-native.o");
                let stem = if native { stem - ".thinlto-native".len() } else { stem };
                cat![dir, ".", &file[..stem], ".o"]
            } else {
                cat![dir, ".", file]
            };
            let Some(command_path) = self.path_with(&command_path, ".cmd") else { continue };
            if self.modules[id as usize].exports.is_empty() {
                // There is nothing to look for; only that the file is there is asked for.
                let opened = self.host.open(&command_path).map(|_| ());
                opened.map_err(|error| self.failed_file(&command_path, &error))?;
                continue;
            }
            let commands = match self.last_command.take() {
                Some((path, content)) if path == command_path => content,
                _ => self.read_text(&command_path)?,
            };
            self.take_crc_lines(id, until_nul(&commands));
        }
        Ok(())
    }

    /// Lines `#SYMVER name crc`; the first line of a file cannot be one.
    fn take_crc_lines(&mut self, id: u32, text: &[u8]) {
        const START: &[u8] = b"\n#SYMVER ";
        let mut rest = text;
        while let Some(found) = memchr::memmem::find(rest, START) {
            rest = &rest[found + START.len()..];
            let Some(blank) = memchr::memchr(b' ', rest) else { break };
            let name = &rest[..blank];
            rest = &rest[blank + 1..];
            if !rest.first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            let (crc, end) = strtoul(rest, 0);
            rest = &rest[end..];
            if rest.first() != Some(&b'\n') {
                continue;
            }
            // Exports may have been left out of the object, but the CRC tool counts them all.
            if let Some(found) = self.symbols.find_in(&self.texts, name, id) {
                self.set_crc(found, crc);
            }
        }
    }
}

/// The last section of this name.
pub(super) fn section_named(elf: &Elf, name: &[u8]) -> Option<elf::Section> {
    elf.sections.iter().skip(1).rev().find(|s| elf.section_name(s) == name).copied()
}

/// Cuts what compilers append to make a name unique: from the first dot on that is followed by digits
/// and then by another dot or the end. The cut is made in the object's own string table, so that
/// names which share their ends with others change along, as they do in the original.
fn cut_suffix(elf: &mut Elf, symbol: &Symbol) {
    let name = elf.symbol_name(symbol);
    let Some(dot) = memchr::memchr(b'.', name).filter(|&dot| dot > 0) else { return };
    let digits = name[dot + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 && matches!(name.get(dot + 1 + digits), None | Some(b'.')) {
        elf.shorten_name(symbol, dot);
    }
}

/// The `tag=value` strings of `.modinfo`.
struct Tags {
    /// File offset and size of the section.
    section: Option<(u64, u64)>,
}

impl Tags {
    fn of(elf: &Elf) -> Self {
        Self { section: section_named(elf, b".modinfo").map(|s| (s.offset, s.size)) }
    }

    fn find<'e>(&self, elf: &'e Elf, tag: &'e [u8]) -> Option<&'e [u8]> {
        self.all(elf, tag).next()
    }

    /// Every value of a tag, in order.
    fn all<'e>(&self, elf: &'e Elf, tag: &'e [u8]) -> impl Iterator<Item = &'e [u8]> + use<'e> {
        let (offset, size) = self.section.unwrap_or_default();
        let content = elf.from(offset, size);
        let strings = content.split(|&b| b == 0).filter(|s| !s.is_empty());
        strings.filter_map(move |text| text.strip_prefix(tag)?.strip_prefix(b"="))
    }
}
