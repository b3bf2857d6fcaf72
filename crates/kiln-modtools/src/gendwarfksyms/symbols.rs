//! The exported symbols: their names from standard input, their addresses from the objects, and what
//! has been found out about each.
//!
//! Symbols with one address are one: what is found for one of them holds for all. Symbols come out in
//! the order of the original's hash table, which is part of the output's format.

use rustc_hash::FxHashMap;

use super::dies::{Index, NONE};
use super::report::{Fault, Report};
use crate::elf::{Elf, SHN_XINDEX};

const PREFIX: &[u8] = b"__gendwarfksyms_ptr_";
const BUCKETS: u32 = 1 << 12;
/// The binding of a symbol that other objects cannot see.
const STB_LOCAL: u8 = 0;

/// How far a symbol has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is known.
    Unprocessed,
    /// Its entry is known.
    Mapped,
    /// Its CRC is known.
    Processed,
}

/// An exported symbol.
#[derive(Debug)]
pub struct Symbol {
    /// Its name.
    pub name: Vec<u8>,
    /// How far it has got.
    pub state: State,
    /// Section and value; section 0 until an object defines it.
    address: (u32, u64),
    /// The entry that gives its type, with the object's number; [`NONE`] if there is none.
    pub die: (u32, Index),
    /// The type that a `__gendwarfksyms_ptr_` variable gives it, likewise.
    pub pointer: (u32, Index),
    /// The CRC; 0 until it is known.
    pub crc: u32,
}

/// What an object's debugging entries tell about a symbol.
pub type Found = (State, (u32, Index), (u32, Index), u32);

/// All exported symbols.
pub struct Symbols {
    /// In the order of standard input.
    pub all: Vec<Symbol>,
    /// Numbers of `all` in the order of output.
    pub order: Vec<usize>,
    names: FxHashMap<Vec<u8>, usize>,
    /// Newest first, as the original's chains are.
    addresses: FxHashMap<(u32, u64), Vec<usize>>,
}

/// Whether a variable of this name says the type of an exported symbol.
pub fn is_pointer(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

fn hash(name: &[u8]) -> u32 {
    // FNV-1a over C's signed characters.
    name.iter().fold(2_166_136_261, |hash: u32, &b| {
        (hash ^ i32::from(b as i8) as u32).wrapping_mul(0x0100_0193)
    })
}

impl Symbols {
    /// Reads the names: the first word of each line.
    pub fn read(input: &[u8], report: &mut Report) -> Result<Self, Fault> {
        const READ: &str = "symbol_read_exports";
        let mut symbols = Symbols {
            all: Vec::new(),
            order: Vec::new(),
            names: FxHashMap::default(),
            addresses: FxHashMap::default(),
        };
        for line in input.split_inclusive(|&b| b == b'\n') {
            // To C a line ends at a NUL byte.
            let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
            let is_blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
            let word = line.split(is_blank).find(|word| !word.is_empty());
            let Some(word) = word else {
                return Err(Fault::of(READ, &[b"malformed input line: ", line]));
            };
            if symbols.find(word).is_some() {
                continue;
            }
            symbols.names.insert(word.to_vec(), symbols.all.len());
            symbols.all.push(Symbol {
                name: word.to_vec(),
                state: State::Unprocessed,
                address: (0, 0),
                die: (NONE, NONE),
                pointer: (NONE, NONE),
                crc: 0,
            });
            report.debug(READ, &[word]);
        }
        report.debug(READ, &[format!("{} exported symbols", symbols.all.len()).as_bytes()]);
        symbols.order = (0..symbols.all.len()).collect();
        let all = &symbols.all;
        // Newest first inside of a bucket.
        symbols.order.sort_by_cached_key(|&i| (hash(&all[i].name) % BUCKETS, std::cmp::Reverse(i)));
        Ok(symbols)
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name.strip_prefix(PREFIX).unwrap_or(name)).copied()
    }

    /// The symbol called `name` and those with its address, in the original's order.
    fn alike(&self, name: &[u8]) -> Vec<usize> {
        let Some(first) = self.find(name) else { return Vec::new() };
        let mut found = vec![first];
        let address = self.all[first].address;
        if address.0 != 0 {
            let others = self.addresses.get(&address).into_iter().flatten();
            found.extend(others.copied().filter(|&other| other != first));
        }
        found
    }

    /// Takes the addresses of exported symbols from an object.
    pub fn locate(&mut self, elf: &Elf, report: &mut Report) {
        const SET: &str = "set_symbol_addr";
        for entry in elf.symbols().skip(1) {
            if entry.binding() == STB_LOCAL {
                continue;
            }
            let section = match entry.shndx {
                SHN_XINDEX => match elf.section_number(&entry) {
                    u32::MAX => 0,
                    number => number,
                },
                plain => plain.into(),
            };
            if section == 0 {
                continue;
            }
            let Some(i) = self.find(elf.symbol_name(&entry)) else { continue };
            let address = (section, entry.value);
            let symbol = &mut self.all[i];
            if symbol.address.0 == 0 {
                symbol.address = address;
                self.addresses.entry(address).or_default().insert(0, i);
                let text = format!(" -> {{ {section}, {:x} }}", entry.value);
                report.debug(SET, &[&symbol.name, text.as_bytes()]);
            } else if symbol.address != address {
                report.warn(SET, &[b"multiple addresses for symbol ", &symbol.name, b"?"]);
            }
        }
    }

    /// The symbol that an entry of this name is for, if one is still without an entry. Of several with
    /// one address it is the last.
    pub fn unprocessed(&self, name: Option<&[u8]>) -> Option<usize> {
        let name = name.filter(|name| !name.is_empty())?;
        let mut alike = self.alike(name).into_iter().rev();
        alike.find(|&i| self.all[i].state == State::Unprocessed)
    }

    /// Notes the entry of a symbol and of those with its address.
    pub fn set_die(&mut self, symbol: usize, die: (u32, Index)) -> Result<(), Fault> {
        for i in self.matching(symbol, "symbol_set_die")? {
            self.all[i].die = die;
            self.all[i].state = State::Mapped;
        }
        Ok(())
    }

    /// Notes the type that a variable pointing to the symbol gives.
    pub fn set_pointer(&mut self, symbol: usize, die: (u32, Index)) -> Result<(), Fault> {
        for i in self.matching(symbol, "symbol_set_ptr")? {
            self.all[i].pointer = die;
        }
        Ok(())
    }

    /// Notes the CRC.
    pub fn set_crc(&mut self, symbol: usize, crc: u32, report: &mut Report) -> Result<(), Fault> {
        for i in self.matching(symbol, "symbol_set_crc")? {
            let one = &mut self.all[i];
            if one.state == State::Processed && one.crc != crc {
                let text = format!(" (crc {:x} vs. {crc:x})", one.crc);
                let parts: [&[u8]; 3] =
                    [b"overriding version for symbol ", &one.name, text.as_bytes()];
                report.warn("set_crc", &parts);
            }
            one.state = State::Processed;
            one.crc = crc;
        }
        Ok(())
    }

    fn matching(&self, symbol: usize, function: &'static str) -> Result<Vec<usize>, Fault> {
        let name = &self.all[symbol].name;
        let found = self.alike(name);
        if found.is_empty() {
            return Err(Fault::of(function, &[b"no matching symbols: '", name, b"'"]));
        }
        Ok(found)
    }

    /// What may have to be undone: everything that an object changes after the addresses.
    pub fn save(&self) -> Vec<Found> {
        self.all.iter().map(|one| (one.state, one.die, one.pointer, one.crc)).collect()
    }

    /// Undoes it.
    pub fn restore(&mut self, saved: Vec<Found>) {
        for (one, found) in self.all.iter_mut().zip(saved) {
            (one.state, one.die, one.pointer, one.crc) = found;
        }
    }

    /// Standard output.
    pub fn versions(&self, report: &mut Report) -> Vec<u8> {
        let mut out = Vec::new();
        for &i in &self.order {
            let symbol = &self.all[i];
            if symbol.state != State::Processed {
                let parts: [&[u8]; 2] = [b"no information for symbol ", &symbol.name];
                report.warn("symbol_print_versions", &parts);
            }
            out.extend_from_slice(b"#SYMVER ");
            out.extend_from_slice(&symbol.name);
            out.extend_from_slice(format!(" 0x{:08x}\n", symbol.crc).as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Symbols, hash};
    use crate::gendwarfksyms::Settings;
    use crate::gendwarfksyms::report::Report;

    #[test]
    fn order_of_output() {
        assert_eq!(hash(b""), 2_166_136_261);
        let mut report = Report::new(Settings::default());
        let symbols = Symbols::read(b"f\ng x\n f\nnone", &mut report).ok();
        let symbols = symbols.expect("good lines");
        let out = symbols.versions(&mut report);
        assert_eq!(out, b"#SYMVER g 0x00000000\n#SYMVER f 0x00000000\n#SYMVER none 0x00000000\n");
        assert_eq!(report.err.iter().filter(|&&b| b == b'\n').count(), 3);
    }
}
