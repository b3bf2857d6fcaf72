//! What each kind of debugging entry says: its words, its lists, its numbers.
//!
//! Source: the table of tags in `scripts/gendwarfksyms/dwarf.c` of Linux 7.2. It does not know in which
//! order the entries come, nor what has been said already: that is the walk's.

use gimli::constants as dw;

use super::dies::Index;
use super::entries::Id;
use super::kabi::{self, Union};
use super::report::Fault;
use super::rules::{Kind, number};
use super::walk::{List, Step, Walk};

impl<'a> Walk<'a, '_> {
    pub(super) fn attribute(
        &mut self,
        entry: Id,
        die: Index,
        attr: gimli::DwAt,
        name: &str,
    ) -> Result<(), Fault> {
        match self.dies.attr(die, attr) {
            Some(value) => self.say(entry, format!(" {name}({value})").as_bytes()),
            None => Ok(()),
        }
    }

    pub(super) fn byte_size(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        let Some(mut size) = self.dies.attr(die, dw::DW_AT_byte_size) else { return Ok(()) };
        if self.is_stable()
            && let Some(rule) = self.rules.find(Kind::ByteSize, self.entry_name(entry))
        {
            size = number(rule)?;
        }
        self.say(entry, format!(" byte_size({size})").as_bytes())
    }

    pub(super) fn open_type(
        &mut self,
        entry: Id,
        die: Index,
        tag: gimli::DwTag,
    ) -> Result<(), Fault> {
        match tag {
            dw::DW_TAG_class_type => self.structure(entry, die, b"class_type", List::Structure),
            dw::DW_TAG_structure_type => {
                self.structure(entry, die, b"structure_type", List::Structure)
            }
            dw::DW_TAG_union_type => match self.union_replacement(die)? {
                Union::Normal => self.structure(entry, die, b"union_type", List::Structure),
                Union::Ignored => Ok(()),
                Union::Reserved(placeholder) => {
                    self.later(&[Step::Type { parent: entry, die: placeholder }])
                }
            },
            dw::DW_TAG_enumeration_type => {
                self.structure(entry, die, b"enumeration_type", List::Enumerators)
            }
            dw::DW_TAG_enumerator => self.enumerator(entry, die),
            dw::DW_TAG_formal_parameter => self.list_item(entry, die, b"formal_parameter "),
            dw::DW_TAG_member => self.list_item(entry, die, b"member "),
            dw::DW_TAG_subrange_type => self.subrange(entry, die),
            dw::DW_TAG_variant => {
                self.comma(entry)?;
                self.say(entry, b"variant {")?;
                self.line_break(entry, 1);
                let list = self.list(entry, die, List::Members);
                self.later(&[list, Step::CloseVariant { entry, die }])
            }
            dw::DW_TAG_variant_part => {
                self.comma(entry)?;
                self.say(entry, b"variant_part {")?;
                self.line_break(entry, 1);
                let list = self.list(entry, die, List::All);
                self.later(&[list, Step::Close { entry, die, sizes: false }])
            }
            dw::DW_TAG_array_type => {
                self.say(entry, b"array_type")?;
                let list = self.list(entry, die, List::Subranges);
                self.later(&[list, Step::ArrayBody { entry, die }])
            }
            dw::DW_TAG_base_type => {
                self.say(entry, b"base_type")?;
                self.say_name(entry, die)?;
                self.byte_size(entry, die)?;
                self.attribute(entry, die, dw::DW_AT_encoding, "encoding")?;
                self.attribute(entry, die, dw::DW_AT_alignment, "alignment")
            }
            dw::DW_TAG_subroutine_type => self.subroutine(entry, die, b"subroutine_type"),
            dw::DW_TAG_unspecified_type => self.say(entry, b"unspecified_type"),
            _ => {
                let Some(word) = modifier(tag) else {
                    let text = format!("unexpected type: {:x}", tag.0);
                    return Err(Fault::new("process_type", text));
                };
                self.say(entry, word)?;
                self.say_name(entry, die)?;
                self.say(entry, b" {")?;
                self.line_break(entry, 1);
                self.later(&[Step::Target { entry, die }, Step::Close { entry, die, sizes: true }])
            }
        }
    }

    /// Begins a list of children.
    fn list(&mut self, entry: Id, die: Index, list: List) -> Step<'a> {
        self.is_first = true;
        let (next, end) = self.dies.children(die);
        Step::Children { entry, next, end, list }
    }

    pub(super) fn children(
        &mut self,
        entry: Id,
        next: Index,
        end: Index,
        list: List,
    ) -> Result<(), Fault> {
        let mut next = next;
        while next < end {
            let die = next;
            next = self.dies.get(die).end;
            let tag = gimli::DwTag(self.dies.tag(die));
            let takes = match list {
                List::Subranges => tag == dw::DW_TAG_subrange_type,
                List::Parameters => tag == dw::DW_TAG_formal_parameter,
                List::Enumerators => tag == dw::DW_TAG_enumerator,
                List::Members => tag == dw::DW_TAG_member,
                List::All => true,
                List::Structure => match tag {
                    dw::DW_TAG_member => !self.is_ignored(die)?,
                    dw::DW_TAG_variant_part => true,
                    dw::DW_TAG_class_type
                    | dw::DW_TAG_enumeration_type
                    | dw::DW_TAG_structure_type
                    | dw::DW_TAG_template_type_parameter
                    | dw::DW_TAG_union_type
                    | dw::DW_TAG_subprogram => false,
                    _ => {
                        let text = format!("unexpected structure_type child: {:x}", tag.0);
                        return Err(Fault::new("___process_structure_type", text));
                    }
                },
            };
            if takes {
                return self.later(&[
                    Step::Type { parent: entry, die },
                    Step::Children { entry, next, end, list },
                ]);
            }
        }
        self.is_first = false;
        Ok(())
    }

    fn comma(&mut self, entry: Id) -> Result<(), Fault> {
        if self.is_first {
            self.is_first = false;
            return Ok(());
        }
        self.say(entry, b" ,")?;
        self.line_break(entry, 0);
        Ok(())
    }

    /// A parameter or member.
    fn list_item(&mut self, entry: Id, die: Index, word: &[u8]) -> Result<(), Fault> {
        let mut name = self.dies.name(die);
        if self.is_stable() {
            name = name.filter(|name| !name.starts_with(kabi::PREFIX));
            self.original_name = None;
        }
        self.comma(entry)?;
        self.say(entry, word)?;
        self.later(&[Step::Target { entry, die }, Step::ListTail { entry, die, name }])
    }

    pub(super) fn list_tail(
        &mut self,
        entry: Id,
        die: Index,
        name: Option<&'a [u8]>,
    ) -> Result<(), Fault> {
        // Whatever was renamed last inside of the type counts, also behind a pointer.
        let renamed = self.original_name.filter(|_| self.is_stable());
        if let Some(name) = renamed.or(name) {
            self.say(entry, b" ")?;
            self.say(entry, name)?;
        }
        self.attribute(entry, die, dw::DW_AT_accessibility, "accessibility")?;
        self.attribute(entry, die, dw::DW_AT_bit_size, "bit_size")?;
        self.attribute(entry, die, dw::DW_AT_data_bit_offset, "data_bit_offset")?;
        self.attribute(entry, die, dw::DW_AT_data_member_location, "data_member_location")
    }

    fn subrange(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        let count = self.dies.attr(die, dw::DW_AT_count);
        let bound = self.dies.attr(die, dw::DW_AT_upper_bound);
        match count.or(bound.map(|last| last.wrapping_add(1))) {
            Some(count) => self.say(entry, format!("[{count}]").as_bytes()),
            None => self.say(entry, b"[]"),
        }
    }

    pub(super) fn subroutine(&mut self, entry: Id, die: Index, word: &[u8]) -> Result<(), Fault> {
        self.say(entry, word)?;
        self.say(entry, b" (")?;
        self.line_break(entry, 1);
        let list = self.list(entry, die, List::Parameters);
        self.later(&[list, Step::Result { entry, die }])
    }

    fn structure(&mut self, entry: Id, die: Index, word: &[u8], list: List) -> Result<(), Fault> {
        self.say(entry, word)?;
        self.say_name(entry, die)?;
        self.say(entry, b" {")?;
        self.line_break(entry, 1);
        let sizes = self.expand && self.is_definition(entry, die)?;
        if !sizes {
            return self.later(&[Step::Close { entry, die, sizes }]);
        }
        self.enumeration = entry;
        let list = self.list(entry, die, list);
        self.later(&[list, Step::Close { entry, die, sizes }])
    }

    fn enumerator(&mut self, entry: Id, die: Index) -> Result<(), Fault> {
        let mut value = None;
        if self.is_stable() {
            self.name_entry(entry, die)?;
            let (of, name) = (self.entry_name(self.enumeration), self.entry_name(entry));
            if self.rules.find_enumerator(Kind::EnumeratorIgnore, of, name).is_some() {
                return Ok(());
            }
            let rule = self.rules.find_enumerator(Kind::EnumeratorValue, of, name);
            value = rule.map(number).transpose()?;
        }
        self.comma(entry)?;
        self.say(entry, b"enumerator")?;
        self.say_name(entry, die)?;
        if let Some(value) = value.or_else(|| self.dies.attr(die, dw::DW_AT_const_value)) {
            self.say(entry, b" = ")?;
            self.say(entry, value.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Whether a type's members are shown: not those of declarations, nor of types that a `.c` file
    /// keeps to itself.
    fn is_definition(&mut self, entry: Id, die: Index) -> Result<bool, Fault> {
        if self.dies.is_declaration(die) {
            return Ok(false);
        }
        if self.is_stable()
            && self.rules.find(Kind::DeclarationOnly, self.entry_name(entry)).is_some()
        {
            return Ok(false);
        }
        let Some(file) = self.dies.attr(die, dw::DW_AT_decl_file) else { return Ok(true) };
        if let Some(&is_private) = self.private_files.get(&file) {
            return Ok(!is_private);
        }
        let unit = self.dies.unit_of(self.dies.get(die).at);
        if self.files.as_ref().is_none_or(|(of, _)| *of != unit) {
            self.files = Some((unit, self.dies.source_files(die)?));
        }
        let files = self.files.as_ref().map_or(&[][..], |(_, files)| files);
        let Some(&is_private) = usize::try_from(file).ok().and_then(|file| files.get(file)) else {
            let text = "dwarf_filesrc failed: 'invalid line index'";
            return Err(Fault::new("is_definition_private", text));
        };
        self.private_files.insert(file, is_private);
        Ok(!is_private)
    }
}

/// The word for a type that only changes or names another.
fn modifier(tag: gimli::DwTag) -> Option<&'static [u8]> {
    Some(match tag {
        dw::DW_TAG_atomic_type => b"atomic_type",
        dw::DW_TAG_const_type => b"const_type",
        dw::DW_TAG_immutable_type => b"immutable_type",
        dw::DW_TAG_packed_type => b"packed_type",
        dw::DW_TAG_pointer_type => b"pointer_type",
        dw::DW_TAG_reference_type => b"reference_type",
        dw::DW_TAG_restrict_type => b"restrict_type",
        dw::DW_TAG_rvalue_reference_type => b"rvalue_reference_type",
        dw::DW_TAG_shared_type => b"shared_type",
        dw::DW_TAG_volatile_type => b"volatile_type",
        dw::DW_TAG_template_type_parameter => b"template_type_parameter_type",
        dw::DW_TAG_typedef => b"typedef_type",
        _ => return None,
    })
}
