//! Members that keep their place in a structure under `--stable`: `__kabi_reserved…`,
//! `__kabi_renamed…`, `__kabi_ignored…`; and the full names of types, which rules refer to.
//!
//! A union holds the new member beside the old one (or beside a structure that begins with it), and
//! shows as the old one; or it hides a member altogether. It does not know rules.

use gimli::constants as dw;

use super::dies::{Index, NONE};
use super::report::Fault;
use super::walk::Walk;

/// What all such names begin with.
pub const PREFIX: &[u8] = b"__kabi_";

/// A full name longer than this is no compiler's.
const MOST_NAME: usize = 1 << 20;

/// How a union shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Union {
    /// As what it is.
    Normal,
    /// As this type.
    Reserved(Index),
    /// Not at all.
    Ignored,
}

enum Status<'a> {
    Normal,
    Reserved(Option<&'a [u8]>),
    Ignored,
}

impl<'a> Walk<'a, '_> {
    /// The status of a member by its name; reserved with the name that a renamed member had.
    fn status(&self, member: Index) -> Status<'a> {
        let name = self.dies.name(member).and_then(|name| name.strip_prefix(PREFIX));
        let Some(name) = name else { return Status::Normal };
        if name.starts_with(b"reserved") {
            Status::Reserved(None)
        } else if name.starts_with(b"ignored") {
            Status::Ignored
        } else if let Some(old) = name.strip_prefix(b"renamed") {
            Status::Reserved(Some(old))
        } else {
            Status::Normal
        }
    }

    fn members(&self, die: Index) -> impl Iterator<Item = Index> + use<'a> {
        let dies = self.dies;
        let (mut next, end) = dies.children(die);
        std::iter::from_fn(move || {
            while next < end {
                let die = next;
                next = dies.get(die).end;
                if dies.tag(die) == dw::DW_TAG_member.0 {
                    return Some(die);
                }
            }
            None
        })
    }

    /// How a union shows, and the old name if its placeholder has one.
    fn union_status(&self, die: Index) -> Result<(Union, Option<&'a [u8]>), Fault> {
        let mut seen = 0;
        for member in self.members(die) {
            let Some(target) = self.target(member)? else {
                let text = "union member missing a type?";
                return Err(Fault::new("check_union_member_kabi_status", text));
            };
            match self.status(member) {
                Status::Reserved(old) => return Ok((Union::Reserved(target), old)),
                Status::Ignored => return Ok((Union::Ignored, None)),
                Status::Normal => {}
            }
            // A structure counts by its first member.
            if self.dies.tag(target) == dw::DW_TAG_structure_type.0
                && let Some(first) = self.members(target).next()
            {
                match self.status(first) {
                    Status::Reserved(old) => {
                        let Some(placeholder) = self.target(first)? else {
                            let text = "structure member missing a type?";
                            return Err(Fault::new("check_struct_member_kabi_status", text));
                        };
                        return Ok((Union::Reserved(placeholder), old));
                    }
                    Status::Ignored => return Ok((Union::Ignored, None)),
                    Status::Normal => {}
                }
            }
            seen += 1;
            if seen == 2 {
                break;
            }
        }
        Ok((Union::Normal, None))
    }

    /// How a union shows. The old name of a renamed member is remembered for the member that holds
    /// the union; a reserved one without an old name forgets what was remembered.
    pub(super) fn union_replacement(&mut self, die: Index) -> Result<Union, Fault> {
        if !self.report.settings.stable {
            return Ok(Union::Normal);
        }
        let (union, old) = self.union_status(die)?;
        if matches!(union, Union::Reserved(_)) {
            self.original_name = old;
        }
        Ok(union)
    }

    /// Whether a member of a structure is to be left out.
    pub(super) fn is_ignored(&self, member: Index) -> Result<bool, Fault> {
        if !self.report.settings.stable {
            return Ok(false);
        }
        let Some(target) = self.target(member)? else {
            return Err(Fault::new("is_kabi_ignored", "member missing a type?"));
        };
        Ok(self.dies.tag(target) == dw::DW_TAG_union_type.0
            && self.union_status(target)?.0 == Union::Ignored)
    }

    /// The name of an entry with the names of the namespaces, classes and structures around it; empty
    /// if it has none, or lies in a unit that is still to come.
    pub(super) fn full_name(&self, die: Index) -> Result<Vec<u8>, Fault> {
        let here = self.dies.get(die);
        let Some(name) = self.dies.name(die) else { return Ok(Vec::new()) };
        let is_ahead = self.dies.units.get(self.unit).is_none_or(|unit| here.at >= unit.end);
        if is_ahead || here.parent == NONE {
            return Ok(Vec::new());
        }
        let mut scopes = Vec::new();
        let mut scope = here.parent;
        while scope != NONE && is_scope(self.dies.tag(scope)) {
            scopes.push(scope);
            scope = self.dies.get(scope).parent;
        }
        let mut full = Vec::new();
        // The outermost scopes without a name leave no trace; a nameless one inside of a named does.
        let mut begun = false;
        for scope in scopes.into_iter().rev() {
            match (self.dies.name(scope), begun) {
                (Some(name), false) => full.extend_from_slice(name),
                (None, false) => continue,
                (name, true) => {
                    full.extend_from_slice(b"::");
                    full.extend_from_slice(name.unwrap_or(b"<anonymous>"));
                }
            }
            begun = true;
            if full.len() > MOST_NAME {
                return Err(Fault::new("resolve_fqns", "a name is too long"));
            }
        }
        if begun {
            full.extend_from_slice(b"::");
        }
        full.extend_from_slice(name);
        if full.len() > MOST_NAME {
            return Err(Fault::new("resolve_fqns", "a name is too long"));
        }
        Ok(full)
    }
}

fn is_scope(tag: u16) -> bool {
    matches!(
        gimli::DwTag(tag),
        dw::DW_TAG_namespace | dw::DW_TAG_class_type | dw::DW_TAG_structure_type
    )
}
