//! The map of debugging entries: for each entry and state of expansion its text in pieces, among them
//! references to other entries.
//!
//! An entry that is met again while it is still open is made a second time, and the newer one counts
//! from then on; this is visible in the texts, so it is kept. The map does not know how a text is made.

use rustc_hash::FxHashMap;

use super::dies::{Index, NONE};
use super::report::Fault;

/// The number of an entry of the map.
pub type Id = u32;

/// How much of a debugging entry its text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Still open.
    Incomplete,
    /// A structure, union or enumeration without its members.
    Unexpanded,
    /// Everything.
    Complete,
    /// An exported symbol.
    Symbol,
}

impl State {
    /// The number in the original's enumeration, which its hash depends on.
    pub fn number(self) -> u32 {
        match self {
            State::Incomplete => 0,
            State::Unexpanded => 2,
            State::Complete => 3,
            State::Symbol => 4,
        }
    }

    /// The original's name for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Incomplete => "DIE_INCOMPLETE",
            State::Unexpanded => "DIE_UNEXPANDED",
            State::Complete => "DIE_COMPLETE",
            State::Symbol => "DIE_SYMBOL",
        }
    }
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text: start and length in the map's store.
    Text(u32, u32),
    /// A line break, this much further in.
    Break(i8),
    /// The text of another debugging entry.
    Die(Index),
}

/// An entry of the map.
#[derive(Debug)]
pub struct Entry {
    /// The debugging entry.
    pub die: Index,
    /// What is being made.
    pub want: State,
    /// What it is now.
    pub state: State,
    /// `DW_TAG_…`; 0 while it is open.
    pub tag: u16,
    /// Whether the type was taken into the map of types.
    pub is_mapped: bool,
    /// The type's full name, once asked for: start and length in the map's store.
    pub name: Option<(u32, u32)>,
    /// Its text.
    pub pieces: Vec<Piece>,
}

/// The map.
pub struct Map {
    /// All entries in the order of their making.
    pub entries: Vec<Entry>,
    /// Names and literal texts one after the other.
    pub store: Vec<u8>,
    complete: Vec<Id>,
    others: FxHashMap<(Index, State), Id>,
    /// Whether neighbouring texts may be joined: only `--dump-die-map` shows them apart.
    joins: bool,
    most_text: usize,
}

/// Whether a text is a reference to a named type: `s#`, `u#`, `e#` or `t#` and the name.
pub fn is_reference(text: &[u8]) -> bool {
    matches!(text, [b's' | b'u' | b'e' | b't', b'#', ..])
}

impl Map {
    /// An empty map for `dies` debugging entries, with names and texts of at most `most_text` bytes.
    pub fn new(dies: usize, joins: bool, most_text: usize) -> Self {
        Map {
            entries: Vec::new(),
            store: Vec::new(),
            complete: vec![NONE; dies],
            others: FxHashMap::default(),
            joins,
            most_text,
        }
    }

    /// The newest finished entry for a debugging entry in a state.
    pub fn find(&self, die: Index, state: State) -> Option<Id> {
        if state == State::Complete {
            return self.complete.get(die as usize).copied().filter(|&id| id != NONE);
        }
        self.others.get(&(die, state)).copied()
    }

    /// Opens an entry.
    pub fn open(&mut self, die: Index, want: State) -> Id {
        let id = self.entries.len() as Id;
        self.entries.push(Entry {
            die,
            want,
            state: State::Incomplete,
            tag: 0,
            is_mapped: false,
            name: None,
            pieces: Vec::new(),
        });
        id
    }

    /// Closes an entry.
    pub fn close(&mut self, id: Id, tag: u16) {
        let entry = &mut self.entries[id as usize];
        (entry.state, entry.tag) = (entry.want, tag);
        let place = match entry.want {
            State::Complete => &mut self.complete[entry.die as usize],
            want => self.others.entry((entry.die, want)).or_insert(NONE),
        };
        // One that was opened earlier does not cover a later one that is closed already.
        if *place == NONE || *place < id {
            *place = id;
        }
    }

    /// The entry with this number.
    pub fn get(&self, id: Id) -> &Entry {
        &self.entries[id as usize]
    }

    /// Text in the store.
    pub fn text(&self, (start, len): (u32, u32)) -> &[u8] {
        &self.store[start as usize..start as usize + len as usize]
    }

    /// Puts text into the store.
    pub fn keep(&mut self, text: &[u8]) -> Result<(u32, u32), Fault> {
        let start = self.store.len();
        // What a damaged object can make of a few bytes has to end somewhere.
        if start + text.len() > self.most_text {
            return Err(Fault::new("process", "the types' texts are too large"));
        }
        self.store.extend_from_slice(text);
        Ok((start as u32, text.len() as u32))
    }

    /// Appends text to an entry.
    pub fn add_text(&mut self, id: Id, text: &[u8]) -> Result<(), Fault> {
        let (start, len) = self.keep(text)?;
        let pieces = &mut self.entries[id as usize].pieces;
        if self.joins
            && !is_reference(text)
            && let Some(Piece::Text(before, size)) = pieces.last_mut()
            && *before + *size == start
            && !is_reference(&self.store[*before as usize..])
        {
            *size += len;
            return Ok(());
        }
        pieces.push(Piece::Text(start, len));
        Ok(())
    }

    /// Appends any other piece to an entry.
    pub fn add(&mut self, id: Id, piece: Piece) {
        self.entries[id as usize].pieces.push(piece);
    }
}
