//! What an object exports and needs, as `nm` would show it.

use crate::elf::{self, Elf, Symbol};
use rustc_hash::FxHashMap;

/// Symbol types and bindings of the GNU tools' own: indirect functions, and one object for all of a
/// process.
const STT_FILE: u8 = 4;
const STT_GNU_IFUNC: u8 = 10;
const STB_GNU_UNIQUE: u8 = 10;

/// How a kernel's makefile finds out whether an object exports something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A section `__ksymtab` in the listing of sections (`objdump -h | grep __ksymtab`, 5.10).
    KsymtabSection,
    /// `__ksymtab` in any symbol's name (`nm | grep __ksymtab`, 6.1).
    KsymtabSymbol,
    /// A symbol that begins with `__export_symbol_` (`nm | grep ' __export_symbol_'`, 6.12 and later).
    ExportRecord,
}

const RECORD: &[u8] = b"__export_symbol_";

/// The symbols that `nm` lists, which leaves out those of sections and files.
fn listed(elf: &Elf) -> impl Iterator<Item = Symbol> + '_ {
    let hidden = |symbol: &Symbol| matches!(symbol.kind(), elf::STT_SECTION | STT_FILE);
    elf.symbols().skip(1).filter(move |symbol| !hidden(symbol))
}

/// Whether an object (the content of the file at `path`) exports anything.
#[must_use]
pub fn exports_anything(path: &[u8], content: Vec<u8>, mark: Mark) -> Option<bool> {
    let elf = Elf::parse(content).ok()?;
    let holds = |text: &[u8]| memchr::memmem::find(text, b"__ksymtab").is_some();
    Some(match mark {
        // The listing begins with the file's name.
        Mark::KsymtabSection => {
            holds(path) || elf.sections.iter().any(|section| holds(elf.section_name(section)))
        }
        Mark::KsymtabSymbol => listed(&elf).any(|symbol| holds(elf.symbol_name(&symbol))),
        Mark::ExportRecord => {
            listed(&elf).any(|symbol| elf.symbol_name(&symbol).starts_with(RECORD))
        }
    })
}

/// The names that an object exports by records, sorted as `nm` sorts in the C locale
/// (`nm | sed -n 's/.* __export_symbol_\(.*\)/\1/p'`, 6.12 and later).
///
/// Nothing is given for an object with a name that the listing would not show as one plain word.
#[must_use]
pub fn exported_names(content: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let elf = Elf::parse(content).ok()?;
    let mut names = Vec::new();
    for symbol in listed(&elf) {
        let name = elf.symbol_name(&symbol);
        if !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        names.extend(name.strip_prefix(RECORD).map(<[u8]>::to_vec));
    }
    names.sort_unstable();
    Some(names)
}

/// The names that an object needs and does not define, without the weak ones, sorted as `nm` sorts in
/// the C locale (`nm | sed -n 's/^  *U //p'`, 6.1).
#[must_use]
pub fn undefined_names(content: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let elf = Elf::parse(content).ok()?;
    let undefined =
        |symbol: &Symbol| symbol.shndx == elf::SHN_UNDEF && symbol.binding() != elf::STB_WEAK;
    let mut names: Vec<Vec<u8>> =
        listed(&elf).filter(undefined).map(|symbol| elf.symbol_name(&symbol).to_vec()).collect();
    names.sort_unstable();
    Some(names)
}

/// What the check of local exports finds.
#[derive(Debug, PartialEq, Eq)]
pub struct LocalExports {
    /// A line for each export of a local symbol; empty if all is well. The check's exit status is 1
    /// if there are any.
    pub messages: Vec<u8>,
}

/// The check of `scripts/check-local-export` (6.1): exports of symbols that no other object can see.
#[must_use]
pub fn local_exports(path: &[u8], content: Vec<u8>) -> Option<LocalExports> {
    const KSYMTAB: &[u8] = b"__ksymtab_";
    let elf = Elf::parse(content).ok()?;
    // The letter that `nm` shows is a small one for what is local, and for two kinds of global symbol.
    let is_small = |symbol: &Symbol| {
        symbol.kind() == STT_GNU_IFUNC
            || symbol.binding() == STB_GNU_UNIQUE
            || (symbol.binding() == 0 && symbol.shndx != elf::SHN_COMMON)
    };
    let mut small: FxHashMap<&[u8], bool> = FxHashMap::default();
    let mut exported = Vec::new();
    for symbol in listed(&elf).filter(|symbol| symbol.shndx != elf::SHN_UNDEF) {
        let name = elf.symbol_name(&symbol);
        if name.is_empty() {
            continue;
        }
        if name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let is_small = is_small(&symbol);
        // Of several symbols of one name the listing's last one counts, and which that is, is chance.
        if small.insert(name, is_small).is_some_and(|before| before != is_small) {
            return None;
        }
        if let Some(name) = name.strip_prefix(KSYMTAB) {
            exported.push(name);
        }
    }
    exported.sort_unstable();
    let mut messages = Vec::new();
    for name in exported.into_iter().filter(|name| small.get(name) == Some(&true)) {
        for part in [path, b": error: local symbol ", name, b" was exported\n"] {
            messages.extend_from_slice(part);
        }
    }
    Some(LocalExports { messages })
}
