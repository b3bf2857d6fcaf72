//! From units to exported symbols: which entries give a symbol its type.
//!
//! Functions and variables at the top of a unit and inside of namespaces, classes and structures count;
//! the first that fits is taken. It does not know how a text is made.

use gimli::constants as dw;

use super::dies::{Index, NONE};
use super::entries::{Id, State};
use super::report::Fault;
use super::symbols::{self, Symbols, is_pointer};
use super::walk::Walk;

/// How many debugging entries have a name, by the count that `-d` shows.
pub type Names = u32;

/// Finds the exported symbols of a unit and makes their texts. `object` is the object's number.
pub fn unit(
    walk: &mut Walk<'_, '_>,
    number: usize,
    symbols: &mut Symbols,
    object: u32,
) -> Result<Names, Fault> {
    walk.unit = number;
    let root = walk.dies.units[number].root;
    let names = if walk.report.settings.debug { count_names(walk, root)? } else { 0 };
    let (mut next, end) = walk.dies.children(root);
    while next < end {
        let die = next;
        let tag = gimli::DwTag(walk.dies.tag(die));
        match tag {
            dw::DW_TAG_namespace | dw::DW_TAG_class_type | dw::DW_TAG_structure_type => {
                // What is inside comes next in the table.
                next += 1;
                continue;
            }
            dw::DW_TAG_subprogram | dw::DW_TAG_variable => {
                candidate(walk, die, tag, symbols, object)?;
            }
            _ => {}
        }
        next = walk.dies.get(die).end;
    }
    for i in symbols.order.clone() {
        let symbol = &symbols.all[i];
        let (of, die) = symbol.pointer;
        if symbol.state != symbols::State::Unprocessed || of != object || die == NONE {
            continue;
        }
        walk.report.debug("process_symbol_ptr", &[&symbol.name]);
        walk.begin();
        let is_function = walk.dies.tag(die) == dw::DW_TAG_subroutine_type.0;
        process(walk, i, die, is_function, symbols, object)?;
    }
    walk.private_files.clear();
    Ok(names)
}

fn count_names(walk: &mut Walk<'_, '_>, root: Index) -> Result<Names, Fault> {
    let (first, end) = walk.dies.children(root);
    let mut count = 0;
    for die in first..end {
        if !walk.full_name(die)?.is_empty() {
            count += 1;
        }
    }
    walk.report.misses = walk.report.misses.wrapping_add(count);
    Ok(count)
}

/// The name under which an entry is exported: Rust's compiler gives a linkage name.
fn symbol_name<'a>(walk: &Walk<'a, '_>, die: Index) -> Option<&'a [u8]> {
    walk.dies.linkage_name(die).or_else(|| walk.dies.name(die))
}

fn candidate(
    walk: &mut Walk<'_, '_>,
    die: Index,
    tag: gimli::DwTag,
    symbols: &mut Symbols,
    object: u32,
) -> Result<(), Fault> {
    let mut found = symbols.unprocessed(symbol_name(walk, die));
    let mut source = die;
    // The abstract origin has the type, and perhaps the name.
    if let Some(at) = walk.dies.origin(die).filter(|&at| at != NONE) {
        source = walk.at(at)?;
        if found.is_none() {
            found = symbols.unprocessed(symbol_name(walk, source));
        }
    }
    let Some(symbol) = found else { return Ok(()) };
    walk.begin();
    let name = symbol_name(walk, source);
    if name.is_some_and(is_pointer) {
        save_pointer(walk, source, symbol, symbols, object)
    } else {
        process(walk, symbol, source, tag == dw::DW_TAG_subprogram, symbols, object)
    }
}

/// A variable that points to an exported symbol says its type, in case nothing else does: Clang leaves
/// out what other units define.
fn save_pointer(
    walk: &Walk<'_, '_>,
    die: Index,
    symbol: usize,
    symbols: &mut Symbols,
    object: u32,
) -> Result<(), Fault> {
    const SAVE: &str = "save_symbol_ptr";
    let name = symbol_name(walk, die).unwrap_or(b"(null)");
    let pointer = walk.target(die)?;
    let is_pointer = |&at: &Index| walk.dies.tag(at) == dw::DW_TAG_pointer_type.0;
    let Some(pointer) = pointer.filter(is_pointer) else {
        return Err(Fault::of(SAVE, &[name, b" must be a pointer type!"]));
    };
    let Some(target) = walk.target(pointer)? else {
        return Err(Fault::of(SAVE, &[name, b" pointer missing a type attribute?"]));
    };
    let is_function = walk.dies.tag(target) == dw::DW_TAG_subroutine_type.0;
    symbols.set_pointer(symbol, (object, if is_function { target } else { pointer }))
}

fn process(
    walk: &mut Walk<'_, '_>,
    symbol: usize,
    die: Index,
    is_function: bool,
    symbols: &mut Symbols,
    object: u32,
) -> Result<(), Fault> {
    symbols.set_die(symbol, (object, die))?;
    let Some(entry) = open(walk, die) else { return Ok(()) };
    walk.report.debug("process_symbol", &[&symbols.all[symbol].name]);
    if is_function {
        walk.subprogram(entry, die)?;
    } else {
        walk.variable(entry, die)?;
    }
    walk.map.close(entry, walk.dies.tag(die));
    if walk.report.settings.dump_dies {
        walk.report.text(b"\n");
    }
    Ok(())
}

/// The symbol's entry of the map; none if another symbol has made it.
fn open(walk: &mut Walk<'_, '_>, die: Index) -> Option<Id> {
    if walk.map.find(die, State::Symbol).is_some() {
        walk.report.hits = walk.report.hits.wrapping_add(1);
        return None;
    }
    walk.report.misses = walk.report.misses.wrapping_add(1);
    Some(walk.map.open(die, State::Symbol))
}

/// The closing lines of `-d` for an object.
pub fn statistics(walk: &mut Walk<'_, '_>, names: Names) {
    const FREE: &str = "die_map_free";
    let count = |state| walk.map.entries.iter().filter(|entry| entry.state == state).count();
    let (incomplete, rest) = (
        count(State::Incomplete),
        [State::Unexpanded, State::Complete, State::Symbol]
            .map(|state| (state.name(), count(state))),
    );
    let (hits, misses) = (walk.report.hits, walk.report.misses);
    let sum = hits.wrapping_add(misses);
    if sum > 0 {
        // In single precision, as the original computes it.
        let rate = 100.0f32 * hits as f32 / sum as f32;
        let text = format!("hits {hits}, misses {misses} (hit rate {rate:.2}%)");
        walk.report.debug(FREE, &[text.as_bytes()]);
    }
    let first = [(State::Incomplete.name(), incomplete), ("DIE_FQN", names as usize)];
    for (name, count) in first.into_iter().chain(rest) {
        walk.report.debug(FREE, &[format!("{name}: {count} entries").as_bytes()]);
    }
}
