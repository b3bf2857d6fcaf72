//! The tables of abbreviations: each is read once, and no further than to where the next one begins.
//!
//! Tables that overlap are no compiler's. To read each of many such tables to its end would cost the square
//! of the file's size, in memory too. It does not know what the abbreviations stand for.

use std::rc::Rc;

use gimli::{Abbreviations, DebugAbbrev, DebugAbbrevOffset, EndianSlice, Reader, RunTimeEndian};
use rustc_hash::FxHashMap;

/// The tables of an object.
pub struct Tables<'a> {
    section: EndianSlice<'a, RunTimeEndian>,
    /// Where tables begin, ascending.
    starts: Vec<usize>,
    read: FxHashMap<usize, Rc<Abbreviations>>,
}

impl<'a> Tables<'a> {
    /// The tables in `.debug_abbrev` that begin at these offsets, in any order.
    pub fn new(
        section: EndianSlice<'a, RunTimeEndian>,
        starts: impl Iterator<Item = DebugAbbrevOffset>,
    ) -> Self {
        let mut starts: Vec<usize> = starts.map(|start| start.0).collect();
        starts.sort_unstable();
        starts.dedup();
        Tables { section, starts, read: FxHashMap::default() }
    }

    /// The table that begins at an offset.
    ///
    /// # Errors
    /// If it is damaged. One that goes on where another begins has no entries from there on.
    pub fn get(&mut self, offset: DebugAbbrevOffset) -> gimli::Result<Rc<Abbreviations>> {
        if let Some(table) = self.read.get(&offset.0) {
            return Ok(Rc::clone(table));
        }
        let next = self.starts.partition_point(|&start| start <= offset.0);
        let all = self.section.slice();
        let end = self.starts.get(next).map_or(all.len(), |&next| next.min(all.len()));
        let own = EndianSlice::new(&all[..end], self.section.endian());
        let table = Rc::new(DebugAbbrev::from(own).abbreviations(offset)?);
        self.read.insert(offset.0, Rc::clone(&table));
        Ok(table)
    }
}
