//! From a debugging entry to its text: each kind of entry says a few words, and the types that it
//! refers to say theirs in between.
//!
//! Work that is still to be done stands on a list of steps, so that no depth of types in a file is
//! depth of calls here. The texts, their order and the places where the original's state shows in them
//! (a comma that is missing because a list was continued from inside itself, a name that reaches too
//! far) are those of `scripts/gendwarfksyms/dwarf.c` of Linux 7.2.
//!
//! It does not know which entries are exported symbols, nor what is done with the texts.

use gimli::constants as dw;
use rustc_hash::FxHashMap;

use super::dies::{Dies, Index, NONE};
use super::entries::{Id, Map, Piece, State};
use super::report::{Fault, Report, pointer};
use super::rules::Rules;

/// More steps than any kernel's types leave undone at a time; the original's stack ends before.
const MOST_STEPS: usize = 1 << 15;

/// What an entry's children are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Subranges,
    Parameters,
    Enumerators,
    Members,
    /// Members and variant parts; whatever else a structure may hold is passed over.
    Structure,
    All,
}

/// What is to be restored after a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    expand: bool,
    enumeration: Id,
}

/// Something that is still to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// The type that `DW_AT_type` names.
    Target { entry: Id, die: Index },
    /// The type itself.
    Type { parent: Id, die: Index },
    /// The children from `next` on.
    Children { entry: Id, next: Index, end: Index, list: List },
    /// What follows the type of a parameter or member.
    ListTail { entry: Id, die: Index, name: Option<&'a [u8]> },
    /// What follows the sizes of an array.
    ArrayBody { entry: Id, die: Index },
    /// What follows the parameters.
    Result { entry: Id, die: Index },
    /// The closing brace, and the sizes if they are shown.
    Close { entry: Id, die: Index, sizes: bool },
    /// The closing brace of a variant.
    CloseVariant { entry: Id, die: Index },
    /// The type is done.
    Finish { entry: Id, parent: Id, saved: Saved },
    /// The pieces of a finished entry from `next` on.
    Replay { entry: Id, next: u32 },
    /// The finished entry has been gone through.
    Replayed { entry: Id, parent: Id, saved: Saved },
}

/// The walk over the entries of one object.
pub struct Walk<'a, 'r> {
    /// The debugging entries.
    pub dies: &'a Dies<'a>,
    /// The texts.
    pub map: Map,
    /// The object's name, for messages.
    pub file: &'r [u8],
    /// The rules of `--stable`.
    pub rules: &'r Rules,
    /// Standard error.
    pub report: &'r mut Report,
    /// Whether finished entries are gone through again when they are met again, as the original does.
    /// Nothing but dumps, statistics and names such as `__kabi_reserved` shows it.
    pub exact: bool,
    /// The unit whose symbols are being looked at; types of later ones have no names yet.
    pub unit: usize,
    /// Which source files of `DW_AT_decl_file` are `.c` files, as far as asked.
    pub private_files: FxHashMap<u64, bool>,
    pub(super) files: Option<(usize, Vec<bool>)>,
    steps: Vec<Step<'a>>,
    pub(super) is_first: bool,
    pub(super) expand: bool,
    pub(super) enumeration: Id,
    /// The name that a renamed member had: it outlives the member.
    pub(super) original_name: Option<&'a [u8]>,
    expanded: Vec<u32>,
    turn: u32,
    limits: Limits,
    taken: u64,
}

/// What a damaged object may cost. A sound one stays far below.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of names and texts.
    pub text: usize,
    /// Bytes of standard error.
    pub dump: usize,
    /// Steps of the walk.
    pub steps: u64,
    /// Bytes that are summed.
    pub sum: u64,
}

impl Limits {
    /// For an object with so many bytes of debugging information, and so many symbols.
    pub fn new(info: usize, symbols: usize) -> Self {
        let (size, symbols) = (info as u64, symbols as u64);
        let text = (64 << 20) + 16 * info;
        Limits {
            text: text.min(1 << 31),
            dump: (16 << 20) + 4096 * info,
            steps: (1 << 26) + size.saturating_mul(symbols),
            sum: (1 << 32) + size.saturating_mul(symbols).saturating_mul(64),
        }
    }
}

impl<'a, 'r> Walk<'a, 'r> {
    /// A walk that has not begun.
    pub fn new(
        dies: &'a Dies<'a>,
        file: &'r [u8],
        rules: &'r Rules,
        report: &'r mut Report,
        exact: bool,
        limits: Limits,
    ) -> Self {
        let joins = !report.wants_map();
        Walk {
            dies,
            map: Map::new(dies.dies.len(), joins, limits.text),
            file,
            rules,
            report,
            exact,
            unit: 0,
            private_files: FxHashMap::default(),
            files: None,
            steps: Vec::new(),
            is_first: false,
            expand: true,
            enumeration: NONE,
            original_name: None,
            expanded: vec![0; dies.dies.len()],
            turn: 0,
            limits,
            taken: 0,
        }
    }

    pub(super) fn is_stable(&self) -> bool {
        self.report.settings.stable
    }

    /// Begins a symbol: nothing has been expanded for it.
    pub fn begin(&mut self) {
        self.expand = true;
        self.enumeration = NONE;
        self.turn += 1;
    }

    /// Makes the text of a function from its parameters and result.
    pub fn subprogram(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        self.subroutine(entry, die, b"subprogram")?;
        self.run()
    }

    /// Makes the text of a variable from its type.
    pub fn variable(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        self.say(entry, b"variable ")?;
        self.later(&[Step::Target { entry, die }])?;
        self.run()
    }

    fn run(&mut self) -> Result<(), Fault> {
        while let Some(step) = self.steps.pop() {
            self.taken += 1;
            if self.taken > self.limits.steps {
                return Err(Fault::new("process_type", "the types are too large to go through"));
            }
            self.step(step)?;
        }
        Ok(())
    }

    /// Notes steps that are to be done in this order before those noted earlier.
    pub(super) fn later(&mut self, steps: &[Step<'a>]) -> Result<(), Fault> {
        if self.steps.len() > MOST_STEPS {
            return Err(Fault::new("process_type", "types nest too deeply"));
        }
        self.steps.extend(steps.iter().rev());
        Ok(())
    }

    fn step(&mut self, step: Step<'a>) -> Result<(), Fault> {
        match step {
            Step::Target { entry, die } => match self.target(die)? {
                Some(target) => self.process_type(entry, target),
                // Compilers leave out the type of what is void.
                None => self.say(entry, b"base_type void"),
            },
            Step::Type { parent, die } => self.process_type(parent, die),
            Step::Children { entry, next, end, list } => self.children(entry, next, end, list),
            Step::ListTail { entry, die, name } => self.list_tail(entry, die, name),
            Step::ArrayBody { entry, die } => {
                self.say(entry, b" {")?;
                self.line_break(entry, 1);
                self.later(&[Step::Target { entry, die }, Step::Close { entry, die, sizes: false }])
            }
            Step::Result { entry, die } => {
                self.line_break(entry, -1);
                self.say(entry, b")")?;
                self.line_break(entry, 0);
                self.say(entry, b"-> ")?;
                self.later(&[Step::Target { entry, die }])
            }
            Step::Close { entry, die, sizes } => {
                self.line_break(entry, -1);
                self.say(entry, b"}")?;
                if sizes {
                    self.byte_size(entry, die)?;
                    self.attribute(entry, die, dw::DW_AT_alignment, "alignment")?;
                }
                Ok(())
            }
            Step::CloseVariant { entry, die } => {
                self.line_break(entry, -1);
                self.say(entry, b"}")?;
                self.attribute(entry, die, dw::DW_AT_discr_value, "discr_value")
            }
            Step::Finish { entry, parent, saved } => {
                let die = self.map.get(entry).die;
                let tag = self.dies.tag(die);
                if self.report.wants_map() {
                    let parent = pointer((parent != NONE).then_some(parent));
                    let at = self.dies.get(die).at;
                    let note = format!(
                        "parent {parent} cache {} die addr {at:#x} tag {tag:x}",
                        pointer(Some(entry))
                    );
                    self.report.map_note(91, note.as_bytes());
                }
                self.map.close(entry, tag);
                self.leave(entry, parent, saved);
                Ok(())
            }
            Step::Replay { entry, next } => self.replay(entry, next),
            Step::Replayed { entry, parent, saved } => {
                self.leave(entry, parent, saved);
                Ok(())
            }
        }
    }

    fn leave(&mut self, entry: Id, parent: Id, saved: Saved) {
        if parent != NONE {
            let die = self.map.get(entry).die;
            self.map.add(parent, Piece::Die(die));
        }
        (self.expand, self.enumeration) = (saved.expand, saved.enumeration);
    }

    /// The entry that `DW_AT_type` names.
    pub fn target(&self, die: Index) -> Result<Option<Index>, Fault> {
        match self.dies.target(die) {
            NONE => Ok(None),
            at => self.at(at).map(Some),
        }
    }

    /// The entry at an address.
    pub fn at(&self, at: u32) -> Result<Index, Fault> {
        self.dies.find(at).ok_or_else(|| missing(at, self.file))
    }

    /// Says a piece of a type's text.
    pub(super) fn say(&mut self, entry: Id, text: &[u8]) -> Result<(), Fault> {
        self.report.dump(text);
        if self.report.err.len() > self.limits.dump {
            return Err(Fault::new("process", "the dump is too large"));
        }
        if entry == NONE {
            return Ok(());
        }
        if self.report.wants_map() {
            let head = format!("cache {} string '", pointer(Some(entry)));
            self.report.map_note(91, &[head.as_bytes(), text, b"'"].concat());
        }
        self.map.add_text(entry, text)
    }

    pub(super) fn line_break(&mut self, entry: Id, by: i8) {
        self.report.line_break(by);
        if entry != NONE {
            self.map.add(entry, Piece::Break(by));
        }
    }

    /// Finds the full name of an entry's type, once.
    pub(super) fn name_entry(&mut self, entry: Id, die: Index) -> Result<(u32, u32), Fault> {
        if let Some(name) = self.map.get(entry).name {
            return Ok(name);
        }
        let name = self.full_name(die)?;
        let name = self.map.keep(&name)?;
        self.map.entries[entry as usize].name = Some(name);
        Ok(name)
    }

    pub(super) fn say_name(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        let name = self.name_entry(entry, die)?;
        if name.1 != 0 {
            self.say(entry, b" ")?;
        }
        let name = self.map.text(name).to_vec();
        self.say(entry, &name)
    }

    pub(super) fn entry_name(&self, entry: Id) -> &[u8] {
        if entry == NONE {
            return b"";
        }
        self.map.get(entry).name.map_or(b"", |name| self.map.text(name))
    }

    fn process_type(&mut self, parent: Id, die: Index) -> Result<(), Fault> {
        let saved = Saved { expand: self.expand, enumeration: self.enumeration };
        let tag = gimli::DwTag(self.dies.tag(die));
        let mut want = State::Complete;
        let is_expandable = matches!(
            tag,
            dw::DW_TAG_class_type
                | dw::DW_TAG_structure_type
                | dw::DW_TAG_union_type
                | dw::DW_TAG_enumeration_type
        );
        if is_expandable {
            // Once for each symbol is enough to notice a change.
            if self.expanded[die as usize] == self.turn {
                self.expand = false;
            }
            if self.expand {
                self.expanded[die as usize] = self.turn;
            } else {
                want = State::Unexpanded;
            }
        }
        if !self.exact && (want == State::Unexpanded || self.map.find(die, want).is_some()) {
            // Going through it again would change nothing, and a type that is named is shown by its
            // complete text in any case.
            if parent != NONE {
                self.map.add(parent, Piece::Die(die));
            }
            (self.expand, self.enumeration) = (saved.expand, saved.enumeration);
            return Ok(());
        }
        if let Some(entry) = self.map.find(die, want) {
            self.report.hits = self.report.hits.wrapping_add(1);
            if self.report.wants_map() {
                let at = self.dies.get(die).at;
                let note = format!("cached addr {at:#x} tag {:x} -- {}", tag.0, want.name());
                self.report.map_note(92, note.as_bytes());
            }
            return self.later(&[
                Step::Replay { entry, next: 0 },
                Step::Replayed { entry, parent, saved },
            ]);
        }
        self.report.misses = self.report.misses.wrapping_add(1);
        let entry = self.map.open(die, want);
        if self.report.wants_map() {
            let at = self.dies.get(die).at;
            let (from, to) = (State::Incomplete.name(), want.name());
            let note = format!("addr {at:#x} tag {:x} -- {from} -> {to}", tag.0);
            self.report.map_note(92, note.as_bytes());
        }
        self.later(&[Step::Finish { entry, parent, saved }])?;
        self.open_type(entry, die, tag)
    }

    /// Goes through a finished entry as if it were made again.
    fn replay(&mut self, entry: Id, next: u32) -> Result<(), Fault> {
        let mut next = next as usize;
        while let Some(&piece) = self.map.get(entry).pieces.get(next) {
            next += 1;
            match piece {
                Piece::Text(start, len) => {
                    if self.report.settings.dump_dies {
                        let text = self.map.text((start, len));
                        if self.report.wants_map() {
                            let head = format!("cache {} STRING '", pointer(Some(entry)));
                            let note = [head.as_bytes(), text, b"'"].concat();
                            self.report.map_note(94, &note);
                        }
                        self.report.dump(text);
                        if self.report.err.len() > self.limits.dump {
                            return Err(Fault::new("process", "the dump is too large"));
                        }
                    }
                }
                Piece::Break(by) => self.report.line_break(by),
                Piece::Die(die) => {
                    if self.report.wants_map() {
                        let (at, tag) = (self.dies.get(die).at, self.dies.tag(die));
                        let entry = pointer(Some(entry));
                        let note = format!("cache {entry} DIE addr {at:x} tag {tag:x}");
                        self.report.map_note(94, note.as_bytes());
                    }
                    return self.later(&[
                        Step::Type { parent: NONE, die },
                        Step::Replay { entry, next: next as u32 },
                    ]);
                }
            }
        }
        Ok(())
    }
}

/// The error for a reference that leads to no entry. The caller tries again with all entries read.
fn missing(at: u32, file: &[u8]) -> Fault {
    let text = format!(": no debugging entry at {at:#x} of .debug_info");
    Fault::of("process_type", &[file, text.as_bytes()])
}
