//! Telling a section mismatch, in the words of each version.
//!
//! It does not decide what a mismatch is, only whether one is let through once the names of both ends
//! are known.

use super::super::glob;
use super::super::run::{Exit, Run};
use super::super::text::cat;
use super::super::versions::Words;
use super::nearest::{self, is_name};
use super::tables::{Check, Kind, Manner};
use super::{Object, Reference};
use crate::elf::{self, Elf, Symbol};

const UNKNOWN: &[u8] = b"(unknown)";

impl Run<'_> {
    pub(super) fn take_mismatch(
        &mut self,
        object: &Object<'_>,
        check: &'static Check,
        reference: &Reference<'_>,
    ) -> Result<(), Exit> {
        match (object.rules.manner, check.kind) {
            (Manner::Precise, _) => self.tell_precisely(object, check, reference),
            (_, Kind::ExceptionTable) => self.tell_extable(object, check, reference),
            (manner, _) => {
                self.tell_as_of_old(object, check, reference, manner == Manner::Explained);
                Ok(())
            }
        }
    }

    fn tell_precisely(
        &mut self,
        object: &Object<'_>,
        check: &Check,
        reference: &Reference<'_>,
    ) -> Result<(), Exit> {
        let elf = object.elf;
        let source = object.symbol_before(reference.offset, reference.from_number);
        let from_symbol = source.as_ref().map_or(&b""[..], |symbol| elf.symbol_name(symbol));
        let target = if is_name(elf.symbol_name(&reference.symbol)) {
            reference.symbol
        } else {
            let section = elf.section_number(&reference.symbol);
            let found = object.sorted().find(elf, reference.address, section, Some(20));
            found.unwrap_or(reference.symbol)
        };
        let to_symbol = elf.symbol_name(&target);
        let (from, to) = (reference.from, reference.to);
        let extra = self.options.extra_warnings;
        if object.is_allowed(check, (from, from_symbol), (to, to_symbol), extra) {
            return Ok(());
        }
        self.mismatches += 1;
        let base = source.filter(|_| !from_symbol.is_empty()).map_or(0, |symbol| symbol.value);
        let distance = reference.offset.wrapping_sub(base) as u32;
        let plus = if from_symbol.is_empty() { "" } else { "+" };
        let address = format!("0x{:x}", reference.address as u32);
        let shown = if to_symbol.is_empty() { address.as_bytes() } else { to_symbol };
        let text = cat![
            "section mismatch in reference: ",
            from_symbol,
            plus,
            &format!("0x{distance:x}"),
            " (section: ",
            from,
            ") -> ",
            shown,
            " (section: ",
            to,
            ")\n",
        ];
        if self.flavor.words >= Words::V7_3 {
            self.warn(Some(object.module), &text);
        } else {
            self.warn(None, &cat![&object.shown, ": ", &text]);
        }
        if check.kind != Kind::ExceptionTable {
            return Ok(());
        }
        let at = format!("+0x{:x} references", reference.offset);
        if glob::any(check.bad, to) {
            let name = self.modules[object.module as usize].name.clone();
            return Err(self.fatal(None, &blacklisted(reference, &name)));
        }
        if is_executable(elf, elf.section_number(&target)) {
            let text = unlisted(reference, "This can be achieved by adding \"");
            self.warn(None, &cat![&text, "\" to\nOTHER_TEXT_SECTIONS in scripts/mod/modpost.c.\n"]);
        } else {
            self.error(None, &cat![from, &at, " non-executable section '", to, "'\n"]);
        }
        Ok(())
    }

    /// The older programs' treatment of exception tables: reported in any case.
    fn tell_extable(
        &mut self,
        object: &Object<'_>,
        check: &Check,
        reference: &Reference<'_>,
    ) -> Result<(), Exit> {
        let elf = object.elf;
        self.mismatches += 1;
        let source = nearest::old_source(elf, reference.offset, reference.from);
        let target = nearest::old_target(elf, reference.address, &reference.symbol);
        let headline = headline(object, reference, source.as_ref(), target.as_ref());
        self.warn(None, &headline);
        let (from, to) = (reference.from, reference.to);
        let number = elf.section_number(&reference.symbol);
        let is_bad = glob::any(check.bad, to);
        let executable = is_executable(elf, number);
        if !is_bad && executable {
            let text = unlisted(reference, "This can be achieved by adding \"");
            let text = cat![&text, "\" to \nOTHER_TEXT_SECTIONS in scripts/mod/modpost.c.\n"];
            self.host.stderr(&text);
        }
        if is_bad {
            return Err(self.fatal(None, &blacklisted(reference, &object.shown)));
        }
        if executable {
            return Ok(());
        }
        let offset = reference.offset;
        if object.rules.manner == Manner::Terse {
            let at = format!("+0x{offset:x} references");
            self.error(None, &cat![from, &at, " non-executable section '", to, "'\n"]);
            return Ok(());
        }
        if offset != 0 && self.extable_entry == 0 {
            return Err(self.fatal(None, b"extable_entry size hasn't been discovered!\n"));
        }
        let at_fault = offset == 0 || offset.is_multiple_of(self.extable_entry);
        let why = if at_fault {
            "it is not possible for the kernel to fault\nat that address.  Something is seriously \
             wrong\nand should be fixed.\n"
        } else {
            "the kernel will fault if it ever tries to\njump to it.  Something is seriously \
             wrong\nand should be fixed.\n"
        };
        let text = cat![
            "The relocation at ",
            from,
            &format!("+0x{offset:x} references\nsection \""),
            to,
            "\" which is not executable, IOW\n",
            why,
        ];
        Err(self.fatal(None, &text))
    }

    fn tell_as_of_old(
        &mut self,
        object: &Object<'_>,
        check: &Check,
        reference: &Reference<'_>,
        explained: bool,
    ) {
        let elf = object.elf;
        let source = nearest::old_source(elf, reference.offset, reference.from);
        let from_symbol = name_of(elf, source.as_ref());
        if explained && from_symbol.starts_with(b"reference___initcall") {
            return;
        }
        let target = nearest::old_target(elf, reference.address, &reference.symbol);
        let to_symbol = name_of(elf, target.as_ref());
        let (from, to) = (reference.from, reference.to);
        let extra = self.options.extra_warnings;
        if object.is_allowed(check, (from, from_symbol), (to, to_symbol), extra) {
            return;
        }
        self.mismatches += 1;
        if explained {
            self.warn(None, &headline(object, reference, source.as_ref(), target.as_ref()));
            let explanation = explain(object, check, reference, source.as_ref(), target.as_ref());
            self.host.stderr(&explanation);
            return;
        }
        let text = if check.kind == Kind::ExportToInitExit {
            let what = ": EXPORT_SYMBOL used for init/exit symbol: ";
            cat![&object.shown, what, to_symbol, " (section: ", to, ")\n"]
        } else {
            let source = cat![from_symbol, " (section: ", from, ")"];
            let target = cat![to_symbol, " (section: ", to, ")"];
            let what = ": section mismatch in reference: ";
            cat![&object.shown, what, &source, " -> ", &target, "\n"]
        };
        self.warn(None, &text);
    }
}

fn is_executable(elf: &Elf, number: u32) -> bool {
    elf.sections.get(number as usize).is_some_and(|s| s.flags & elf::SHF_EXECINSTR != 0)
}

fn name_of<'e>(elf: &'e Elf, symbol: Option<&Symbol>) -> &'e [u8] {
    symbol.map_or(UNKNOWN, |symbol| elf.symbol_name(symbol))
}

/// What the old programs call a symbol, and what they put behind its name.
fn kind_of(symbol: Option<&Symbol>) -> (&'static str, &'static str) {
    match symbol {
        None => ("(unknown reference)", ""),
        Some(symbol) if symbol.kind() == elf::STT_FUNC => ("function", "()"),
        Some(_) => ("variable", ""),
    }
}

fn headline(
    object: &Object<'_>,
    reference: &Reference<'_>,
    source: Option<&Symbol>,
    target: Option<&Symbol>,
) -> Vec<u8> {
    let ((from_kind, from_call), (to_kind, to_call)) = (kind_of(source), kind_of(target));
    let place = cat![&object.shown, "(", reference.from, &format!("+0x{:x})", reference.offset)];
    let source = cat![from_kind, " ", name_of(object.elf, source), from_call];
    let target = cat![to_kind, " ", reference.to, ":", name_of(object.elf, target), to_call];
    cat![&place, ": Section mismatch in reference from the ", &source, " to the ", &target, "\n"]
}

fn blacklisted(reference: &Reference<'_>, shown: &[u8]) -> Vec<u8> {
    cat![
        "The relocation at ",
        reference.from,
        &format!("+0x{:x} references\nsection \"", reference.offset),
        reference.to,
        "\" which is black-listed.\nSomething is seriously wrong and should be fixed.\n\
         You might get more information about where this is\n\
         coming from by using scripts/check_extable.sh ",
        shown,
        "\n",
    ]
}

/// Everything up to the section's last mention.
fn unlisted(reference: &Reference<'_>, how: &str) -> Vec<u8> {
    cat![
        "The relocation at ",
        reference.from,
        &format!("+0x{:x} references\nsection \"", reference.offset),
        reference.to,
        "\" which is not in the list of\nauthorized sections.  If you're adding a new section\n\
         and/or if this reference is valid, add \"",
        reference.to,
        "\" to the\nlist of authorized sections to jump to on fault.\n",
        how,
        reference.to,
    ]
}

/// The annotation that puts something into a section, with a blank behind it; nothing for a section
/// that stays.
fn annotation(object: &Object<'_>, section: &[u8]) -> Vec<u8> {
    if !glob::any(object.rules.init, section) && !glob::any(object.rules.exit, section) {
        return Vec::new();
    }
    let bare = section.strip_prefix(b".").unwrap_or(section);
    let end = memchr::memchr(b'.', bare).unwrap_or(bare.len());
    let rest = bare.get(end + 1..).unwrap_or_default();
    let holds = |word: &str| memchr::memmem::find(rest, word.as_bytes()).is_some();
    let kind = match () {
        () if holds("rodata") => "const ",
        () if holds("data") => "data ",
        () => " ",
    };
    cat!["__", &bare[..end], kind]
}

/// 5.10's explanation of a finding, with the empty line behind it.
fn explain(
    object: &Object<'_>,
    check: &Check,
    reference: &Reference<'_>,
    source: Option<&Symbol>,
    target: Option<&Symbol>,
) -> Vec<u8> {
    let (from_symbol, to_symbol) = (name_of(object.elf, source), name_of(object.elf, target));
    let ((from, from_call), (to, to_call)) = (kind_of(source), kind_of(target));
    let from_note = annotation(object, reference.from);
    let to_note = annotation(object, reference.to);
    let allowed = check.allowed.join(", ");
    let references = |verb: &str| {
        let first = cat!["The ", from, " ", &from_note, from_symbol, from_call, " references\n"];
        cat![&first, verb, " ", to, " ", &to_note, to_symbol, to_call]
    };
    let variable = |annotate: &str| {
        let first = cat!["The variable ", from_symbol, " references\nthe ", to, " ", &to_note];
        let second = cat![to_symbol, to_call, "\nIf the reference is valid then annotate the\n"];
        cat![&first, &second, "variable with ", annotate, "name the variable:\n", &allowed, "\n"]
    };
    let moved = |here: &str, there: &str, where_to: &str| {
        let seen = cat![".\nThis is often seen when error handling in the ", here, " function\n"];
        let fix =
            cat!["uses functionality in the ", there, " path.\nThe fix is often to remove the "];
        let rest = cat!["annotation of\n", to_symbol, to_call, " so it may be used outside an "];
        cat![&references("a"), &seen, &fix, &to_note, &rest, where_to, " section.\n"]
    };
    let text = match check.kind {
        Kind::TextToInit => {
            let first = cat!["The function ", &from_note, from_symbol, "() references\nthe "];
            let second = cat![to, " ", &to_note, to_symbol, to_call, ".\nThis is often because "];
            let third =
                cat![from_symbol, " lacks a ", &to_note, "\nannotation or the annotation of "];
            cat![&first, &second, &third, to_symbol, " is wrong.\n"]
        }
        Kind::DataToInit => variable("__init* or __refdata (see linux/init.h) or "),
        Kind::DataToExit => variable("__exit* (see linux/init.h) or "),
        Kind::TextToExit => {
            let first = cat!["The function ", from_symbol, "() references a ", to];
            let second = cat![" in an exit section.\nOften the ", to, " ", to_symbol, to_call];
            let third = " has valid usage outside the exit section\nand the fix is to remove the ";
            cat![&first, &second, third, &to_note, "annotation of ", to_symbol, ".\n"]
        }
        Kind::LongToShort => {
            let only = cat![".\nIf ", to_symbol, " is only used by ", from_symbol, " then\n"];
            let annotate = cat!["annotate ", to_symbol, " with a matching annotation.\n"];
            cat![&references("a"), &only, &annotate]
        }
        Kind::InitToExit => moved("init", "exit", "exit"),
        Kind::ExitToInit => moved("exit", "init", "init"),
        Kind::ExportToInitExit => {
            let first =
                cat!["The symbol ", to_symbol, " is exported and annotated ", &to_note, "\n"];
            let second = cat!["Fix this by removing the ", &to_note, "annotation of ", to_symbol];
            cat![&first, &second, " or drop the export.\n"]
        }
        Kind::ExceptionTable => Vec::new(),
    };
    cat![&text, "\n"]
}
