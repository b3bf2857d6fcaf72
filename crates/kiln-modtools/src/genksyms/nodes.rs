//! The tokens of the declaration that is being read: a backwards linked list in an arena.
//!
//! genksyms passes its phrases around as *places*: the address of the link that leads to the phrase's
//! last token. Taking a token or a body out of the list is then a change of one link, and what the
//! grammar's actions do to each other through shared places is part of the result. A place is here the
//! number of the node whose `next` is that link. Nothing but the parser's actions changes links.

use super::names::NameId;

/// No node; the end of a list. Also "no value" as a phrase.
pub const NIL: u32 = u32::MAX;

/// What a token stands for once its declaration is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Ordinary text, and as a symbol a variable or function.
    Normal,
    /// A typedef name.
    Typedef,
    /// An enum tag.
    Enum,
    /// A struct tag.
    Struct,
    /// A union tag.
    Union,
    /// An enumeration constant.
    EnumConst,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Normal, Kind::Typedef, Kind::Enum, Kind::Struct, Kind::Union, Kind::EnumConst];

    /// The letter before `#` in a symtypes file.
    pub fn letter(self) -> Option<u8> {
        [None, Some(b't'), Some(b'e'), Some(b's'), Some(b'u'), Some(b'E')][self as usize]
    }

    /// The kind of a letter.
    pub fn from_letter(letter: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.letter() == Some(letter))
    }

    /// The word for it in messages and, for tags, in the text that is summed.
    pub fn word(self) -> Option<&'static str> {
        [None, Some("typedef"), Some("enum"), Some("struct"), Some("union"), Some("enum constant")]
            [self as usize]
    }

    /// Whether it lives among the struct, union and enum tags.
    pub fn is_tag(self) -> bool {
        matches!(self, Kind::Enum | Kind::Struct | Kind::Union)
    }
}

/// A token of a recorded definition: a name and what it stands for, in 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(u32);

impl Token {
    /// A token. Names are counted below 2^29 (the input's size is bounded).
    pub fn new(name: NameId, kind: Kind) -> Self {
        Token(name << 3 | kind as u32)
    }

    /// Its text.
    pub fn name(self) -> NameId {
        self.0 >> 3
    }

    /// What it stands for.
    pub fn kind(self) -> Kind {
        Kind::ALL[(self.0 & 7) as usize]
    }
}

#[derive(Clone, Copy)]
struct Node {
    next: u32,
    name: NameId,
    kind: Kind,
    in_source: bool,
}

const BLANK: Node = Node { next: NIL, name: 0, kind: Kind::Normal, in_source: false };

/// The arena. The last place is always an empty node whose link leads to the newest token.
pub struct Nodes {
    nodes: Vec<Node>,
    open: u32,
}

impl Nodes {
    /// An arena with no token.
    pub fn new() -> Self {
        let mut nodes = Vec::with_capacity(1 << 12);
        nodes.push(BLANK);
        Nodes { nodes, open: 0 }
    }

    /// Appends a token.
    pub fn push(&mut self, name: NameId, kind: Kind, in_source: bool) {
        let filled = self.open;
        let node = &mut self.nodes[filled as usize];
        node.name = name;
        node.kind = kind;
        node.in_source = in_source;
        self.open = self.nodes.len() as u32;
        self.nodes.push(Node { next: filled, ..BLANK });
    }

    /// The place of the newest token.
    pub fn place(&self) -> u32 {
        self.open
    }

    /// Forgets everything if nothing but the empty list at `place` is left to see.
    pub fn reset_at(&mut self, place: u32) {
        if place == self.open {
            self.nodes.clear();
            self.nodes.push(BLANK);
            self.open = 0;
        }
    }

    /// What `place` leads to; [`NIL`] for no place and for a place of an earlier declaration.
    pub fn at(&self, place: u32) -> u32 {
        self.nodes.get(place as usize).map_or(NIL, |n| n.next)
    }

    /// Makes `place` lead to `node`.
    pub fn set(&mut self, place: u32, node: u32) {
        if let Some(n) = self.nodes.get_mut(place as usize) {
            n.next = node;
        }
    }

    /// Takes the token at `place` out of its list.
    pub fn remove(&mut self, place: u32) {
        let after = self.at(self.at(place));
        self.set(place, after);
    }

    /// The text of a token.
    pub fn name(&self, node: u32) -> Option<NameId> {
        self.nodes.get(node as usize).map(|n| n.name)
    }

    /// Whether a token stands in the main source file.
    pub fn in_source(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|n| n.in_source)
    }

    /// Says what a token stands for.
    pub fn set_kind(&mut self, node: u32, kind: Kind) {
        if let Some(n) = self.nodes.get_mut(node as usize) {
            n.kind = kind;
        }
    }

    /// A copy of a token outside all lists.
    pub fn copy(&mut self, node: u32) -> u32 {
        let copy = self.nodes.get(node as usize).copied().unwrap_or(BLANK);
        self.nodes.push(copy);
        self.nodes.len() as u32 - 1
    }

    /// Writes the tokens from `last` back to the one before `end` into `out`, first token first.
    pub fn collect(&self, last: u32, end: u32, out: &mut Vec<Token>) {
        out.clear();
        let mut at = last;
        while at != end && at != NIL && out.len() <= self.nodes.len() {
            let node = &self.nodes[at as usize];
            out.push(Token::new(node.name, node.kind));
            at = node.next;
        }
        out.reverse();
    }
}
