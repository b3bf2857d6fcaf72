//! The section mismatch check: walks an object's relocations and finds references from what stays to
//! what goes. Also the walk over sections that were made without the flag they need.
//!
//! Most objects have thousands of relocations and no finding, so the pattern lists are matched once
//! for each name of a section (`names`), and a relocation costs two masks. How a finding is told is in
//! `report`.

mod addend;
mod names;
mod nearest;
mod report;
mod tables;

pub(super) use names::Names;
pub use tables::Rules;
pub(super) use tables::{V5_10, V6_1, V6_12, V7_2};

use super::glob;
use super::run::{Exit, Run};
use super::text::cat;
use super::versions::{Exports, Words};
use crate::elf::{self, Elf, Reloc, Section, Symbol, machine};
use names::Verdict;
use nearest::Nearest;
use std::cell::{OnceCell, RefCell};
use tables::{DATA, Manner};

/// RISC-V and LoongArch relocations that say nothing about what is referred to.
const R_RISCV_SUB32: u32 = 39;
const R_LARCH_SUB32: u32 = 55;
const R_LARCH_RELAX: u32 = 100;
const R_LARCH_ALIGN: u32 = 102;

/// The object under examination, with what was found out about its sections.
struct Object<'e> {
    elf: &'e Elf,
    module: u32,
    /// What messages call it.
    shown: Vec<u8>,
    rules: &'static Rules,
    /// What the rules say of each section as a target.
    targets: Vec<OnceCell<Verdict>>,
    /// The run's, which has them back in the end.
    names: RefCell<Names>,
    nearest: OnceCell<Nearest>,
    /// The section of export records; 0 if there is none.
    export_section: u32,
}

/// A reference from one place to another.
struct Reference<'e> {
    from_number: u32,
    from: &'e [u8],
    offset: u64,
    symbol: Symbol,
    to: &'e [u8],
    /// What the old programs search for near: the addend. Later ones: the address.
    address: u64,
}

impl Run<'_> {
    /// Checks all sections of an object.
    pub(super) fn check_sections(&mut self, id: u32, path: &[u8], elf: &Elf) -> Result<(), Exit> {
        let rules = self.flavor.mismatch;
        let precise = rules.manner == Manner::Precise;
        let shown = if precise { self.modules[id as usize].name.clone() } else { path.to_vec() };
        let export_section = elf
            .sections
            .iter()
            .skip(1)
            .rposition(|section| elf.section_name(section) == b".export_symbol");
        let object = Object {
            elf,
            module: id,
            shown,
            rules,
            targets: vec![OnceCell::new(); elf.sections.len()],
            names: RefCell::new(std::mem::take(&mut self.section_names)),
            nearest: OnceCell::new(),
            export_section: export_section.map_or(0, |i| i as u32 + 1),
        };
        for section in &elf.sections {
            self.check_flags(&object, section);
            if !matches!(section.kind, elf::SHT_REL | elf::SHT_RELA) {
                continue;
            }
            let from = if rules.manner == Manner::Explained {
                let prefix = if section.kind == elf::SHT_RELA { 5 } else { 4 };
                elf.section_name(section).get(prefix..).unwrap_or_default()
            } else {
                elf.section_name_of(section.info)
            };
            let verdict = object.verdict(from);
            if !verdict.ignored {
                self.check_relocs(&object, section, from, verdict.source)?;
            }
        }
        self.section_names = object.names.into_inner();
        Ok(())
    }

    /// A section of bytes that will not be loaded is mostly a slip in an assembler file.
    fn check_flags(&mut self, object: &Object<'_>, section: &Section) {
        if section.kind != elf::SHT_PROGBITS || section.flags & elf::SHF_ALLOC != 0 {
            return;
        }
        let name = object.elf.section_name(section);
        if object.verdict(name).ignored {
            return;
        }
        const HELP: &str = "Did you forget to use \"ax\"/\"aw\" in a .S file?\n\
            Note that for example <linux/init.h> contains\n\
            section definitions for use in .S files.\n\n";
        if self.flavor.words >= Words::V7_3 {
            let text = cat!["unexpected non-allocatable section '", name, "'.\n", HELP];
            self.warn(Some(object.module), &text);
        } else {
            let text =
                cat![&object.shown, " (", name, "): unexpected non-allocatable section.\n", HELP];
            self.warn(None, &text);
        }
    }

    fn check_relocs(
        &mut self,
        object: &Object<'_>,
        section: &Section,
        from: &[u8],
        mask: u32,
    ) -> Result<(), Exit> {
        let (elf, rules) = (object.elf, object.rules);
        let precise = rules.manner == Manner::Precise;
        let records = precise
            && self.options.modules_enabled
            && self.flavor.exports == Exports::Records
            && section.info == object.export_section;
        let in_extable = from == b"__ex_table";
        // Without a rule for the source section nothing can be found, but an architecture whose
        // addends the later programs cannot read ends their run all the same.
        if mask == 0 && !records && !(precise && section.kind == elf::SHT_REL) {
            return Ok(());
        }
        for (index, reloc) in elf.relocs(section).enumerate() {
            let skipped = match elf.machine {
                machine::RISCV => {
                    rules.manner != Manner::Explained && in_extable && reloc.kind == R_RISCV_SUB32
                }
                machine::LOONGARCH if precise => {
                    matches!(reloc.kind, R_LARCH_RELAX | R_LARCH_ALIGN)
                        || (in_extable && reloc.kind == R_LARCH_SUB32)
                }
                _ => false,
            };
            if skipped && section.kind == elf::SHT_RELA {
                continue;
            }
            let Some(symbol) = elf.symbol(reloc.symbol) else {
                let path = object.shown.clone();
                let what = format!("relocation of symbol {}, which does not exist", reloc.symbol);
                return Err(self.broken(&path, &what));
            };
            let Some(address) = self.address_of(object, section, &reloc, &symbol)? else {
                continue;
            };
            if !precise {
                let reserved = elf::SHN_LORESERVE..elf::SHN_XINDEX;
                if reserved.contains(&symbol.shndx) {
                    continue;
                }
                if index == 1 && in_extable && self.extable_entry == 0 {
                    self.extable_entry = reloc.offset.wrapping_mul(2);
                }
            }
            let number = elf.section_number(&symbol);
            let (from_number, offset) = (section.info, reloc.offset);
            if records {
                let to = elf.section_name_of(number);
                let reference = Reference { from_number, from, offset, symbol, to, address };
                self.take_export_record(object, &reference)?;
            } else if let Some(check) = object.check_for(mask, number) {
                let to = elf.section_name_of(number);
                let reference = Reference { from_number, from, offset, symbol, to, address };
                self.take_mismatch(object, check, &reference)?;
                self.take_room(&object.shown, 0)?;
            }
        }
        Ok(())
    }

    /// The address that a relocation refers to, as the version counts it; nothing if the version
    /// leaves the relocation out.
    fn address_of(
        &mut self,
        object: &Object<'_>,
        section: &Section,
        reloc: &Reloc,
        symbol: &Symbol,
    ) -> Result<Option<u64>, Exit> {
        let elf = object.elf;
        let precise = object.rules.manner == Manner::Precise;
        if section.kind == elf::SHT_RELA {
            let addend = reloc.addend as u64;
            let address = if precise { symbol.value.wrapping_add(addend) } else { addend };
            return Ok(Some(object.word(address)));
        }
        let target = elf.sections.get(section.info as usize);
        let place = target.map_or(0, |t| t.offset).wrapping_add(reloc.offset);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if !precise {
            return Ok(addend::old(elf, place, reloc.kind, symbol));
        }
        match addend::precise(elf, place, reloc.kind, symbol) {
            Some(address) => Ok(Some(object.word(address))),
            None => {
                Err(self
                    .fatal(None, b"Please add code to calculate addend for this architecture\n"))
            }
        }
    }

    /// Takes an export that a record in `.export_symbol` states.
    fn take_export_record(
        &mut self,
        object: &Object<'_>,
        reference: &Reference<'_>,
    ) -> Result<(), Exit> {
        const PREFIX: &[u8] = b"__export_symbol_";
        let elf = object.elf;
        let label = object.symbol_before(reference.offset, object.export_section);
        let label_name = label.as_ref().map_or(&b""[..], |label| elf.symbol_name(label));
        self.take_room(&object.shown, label_name.len())?;
        let (Some(exported), Some(label)) = (label_name.strip_prefix(PREFIX), label) else {
            let text = cat![".export_symbol section contains strange symbol '", label_name, "'\n"];
            self.record_error(object, &text);
            return Ok(());
        };
        if !reference.symbol.is_visible() {
            self.record_error(object, &cat!["local symbol '", exported, "' was exported\n"]);
            return Ok(());
        }
        let name = elf.symbol_name(&reference.symbol);
        if name != exported {
            let text = cat![
                ".export_symbol section references '",
                name,
                "', but it does not seem to be an export symbol\n",
            ];
            self.record_error(object, &text);
            return Ok(());
        }
        let at = elf.offset_of(&label).unwrap_or(u64::MAX);
        let license = elf.text(at);
        let class = match license {
            b"GPL" => super::symbols::Class::Gpl,
            b"" => super::symbols::Class::Plain,
            other => {
                let text = cat!["unknown license '", other, "' was specified for '", name, "'\n"];
                self.record_error(object, &text);
                return Ok(());
            }
        };
        let namespace = elf.text(at.wrapping_add(license.len() as u64 + 1));
        self.take_room(&object.shown, namespace.len())?;
        let text = self.texts.keep(name);
        let id = self.add_export(text, object.module, class);
        let namespace = self.texts.keep(namespace);
        let kind = reference.symbol.kind();
        let symbol = self.symbols.get_mut(id);
        symbol.namespace = namespace;
        // On 64-bit PA-RISC the millicode functions have a type of their own.
        symbol.is_function = kind == elf::STT_FUNC
            || (elf.is_64 && elf.machine == machine::PARISC && kind == elf::STT_LOPROC);
        for (sections, word) in [(object.rules.init, "init"), (object.rules.exit, "exit")] {
            if glob::any(sections, reference.to) {
                let remove = cat![" Remove __", word, " or EXPORT_SYMBOL.\n"];
                if self.flavor.words >= Words::V7_3 {
                    let used = cat!["EXPORT_SYMBOL used for ", word, " symbol '", name, "'."];
                    self.warn(Some(object.module), &cat![&used, &remove]);
                } else {
                    let used = cat![": EXPORT_SYMBOL used for ", word, " symbol."];
                    let text = cat![&object.shown, ": ", name, &used, &remove];
                    self.warn(None, &text);
                }
                break;
            }
        }
        Ok(())
    }

    fn record_error(&mut self, object: &Object<'_>, text: &[u8]) {
        if self.flavor.words >= Words::V7_3 {
            self.error(Some(object.module), text);
        } else {
            self.error(None, &cat![&object.shown, ": ", text]);
        }
    }
}

impl Object<'_> {
    fn verdict(&self, name: &[u8]) -> Verdict {
        self.names.borrow_mut().verdict(self.rules, name)
    }

    /// The first of the rules `mask` that a reference to section `number` breaks. A reference to what
    /// is not in this object breaks none.
    fn check_for(&self, mask: u32, number: u32) -> Option<&'static tables::Check> {
        let target = self.targets.get(number as usize)?.get_or_init(|| {
            let name = self.elf.section_name_of(number);
            if name.is_empty() {
                return Verdict::NOTHING;
            }
            self.verdict(name)
        });
        let broken = mask & (target.bad | !target.good);
        (broken != 0).then(|| &self.rules.checks[broken.trailing_zeros() as usize])
    }

    /// Whether a reference is let through although it breaks a rule.
    fn is_allowed(
        &self,
        check: &tables::Check,
        (from, from_symbol): (&[u8], &[u8]),
        (to, to_symbol): (&[u8], &[u8]),
        extra_warnings: bool,
    ) -> bool {
        let rules = self.rules;
        let from_data = glob::any(DATA, from);
        let to_init = glob::any(rules.init, to);
        // A parameter that sysfs does not show may lie in what goes, and so may its functions.
        if from_data && glob::any(rules.init_data, to) && from_symbol.starts_with(b"__param") {
            return true;
        }
        if from_data && to == b".init.text" && from_symbol.starts_with(b"__param_ops_") {
            return true;
        }
        // Driver structures and their like are known by their names.
        if from_data
            && (to_init || glob::any(rules.exit, to))
            && glob::any(check.allowed, from_symbol)
        {
            return true;
        }
        let exempt = |e: &tables::Exemption| {
            !(e.unless_extra && extra_warnings)
                && glob::any(e.to, to)
                && glob::any(e.from, from_symbol)
        };
        if from_data && rules.exemptions.iter().any(exempt) {
            return true;
        }
        // The first code of a kernel runs before anything is gone.
        if from.starts_with(b".head.text") && to_init {
            return true;
        }
        // Marks of a region's ends have no memory of their own.
        if matches!(to_symbol, b"__init_begin" | b"_sinittext" | b"_einittext") {
            return true;
        }
        // A clone for constant arguments may have got its constant from init code.
        if to_init && glob::any(rules.text, from) && glob::glob("*.constprop.*", from_symbol) {
            return true;
        }
        rules.hides_local_labels && from_symbol.starts_with(b".L")
    }

    /// An address cut to the target's word.
    fn word(&self, address: u64) -> u64 {
        if self.elf.is_64 { address } else { address & u64::from(u32::MAX) }
    }

    fn sorted(&self) -> &Nearest {
        self.nearest.get_or_init(|| Nearest::of(self.elf))
    }

    /// The symbol in this section that begins nearest before an address (the later programs' search).
    fn symbol_before(&self, address: u64, section: u32) -> Option<Symbol> {
        self.sorted().find(self.elf, address, section, None)
    }
}
