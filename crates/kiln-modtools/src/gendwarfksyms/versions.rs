//! From expansions to CRCs: a symbol's text with every named type written out once, summed.
//!
//! It does not know where the texts come from.

use super::entries::{Map, State};
use super::report::{Fault, Report};
use super::symbols::{self, Symbols};
use super::types::{Expansion, Part, Type, Types};
use super::walk::Limits;
use crate::genksyms::crc;

/// Sums one symbol after the other.
#[derive(Default)]
struct Summer {
    /// For each type the turn in which it was written out last.
    seen: Vec<u32>,
    turn: u32,
    open: Vec<(Type, usize)>,
    /// Bytes that may still be summed.
    left: u64,
    most_dump: usize,
}

/// Gives each symbol that `object` defines its CRC.
pub fn calculate(
    types: &mut Types<'_>,
    map: &Map,
    symbols: &mut Symbols,
    object: u32,
    wants_symtypes: bool,
    limits: Limits,
    report: &mut Report,
) -> Result<(), Fault> {
    let mut summer = Summer { left: limits.sum, most_dump: limits.dump, ..Summer::default() };
    for i in symbols.order.clone() {
        let symbol = &symbols.all[i];
        let is_done = symbol.state == symbols::State::Processed;
        if is_done && !wants_symtypes {
            continue;
        }
        let (of, die) = symbol.die;
        let entry = (of == object).then(|| map.find(die, State::Symbol)).flatten();
        let Some(entry) = entry else { continue };
        let expansion = types.expand(&symbol.name, entry, map, report)?;
        if !is_done {
            let mut text = report.settings.dump_versions.then(Vec::new);
            let crc = summer.sum(types, &expansion, text.as_mut(), report)?;
            symbols.set_crc(i, crc, report)?;
            let name = &symbols.all[i].name;
            report.debug("expand_symbol", &[name, format!(" = {crc:x}").as_bytes()]);
            if let Some(text) = text {
                report.text(&[name.as_slice(), b" ", &text, b"\n"].concat());
            }
        }
        if wants_symtypes {
            types.add_symbol(&symbols.all[i].name, expansion, report);
        }
    }
    Ok(())
}

impl Summer {
    fn sum(
        &mut self,
        types: &mut Types<'_>,
        symbol: &Expansion,
        mut text: Option<&mut Vec<u8>>,
        report: &mut Report,
    ) -> Result<u32, Fault> {
        self.turn += 1;
        let mut sum = !0;
        for part in &symbol.parts {
            self.open.clear();
            self.part(types, *part, None, &mut sum, text.as_deref_mut(), report)?;
            while let Some((number, next)) = self.open.pop() {
                let expansion = &types.all[number as usize];
                let Some(&part) = expansion.parts.get(next) else { continue };
                self.open.push((number, next + 1));
                let from = expansion.name;
                self.part(types, part, from, &mut sum, text.as_deref_mut(), report)?;
            }
        }
        Ok(!sum)
    }

    fn part(
        &mut self,
        types: &mut Types<'_>,
        part: Part,
        from: Option<u32>,
        sum: &mut u32,
        text: Option<&mut Vec<u8>>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        if let Part::Reference(name) = part {
            let number = types.get(name, from, report)?;
            if self.seen.len() <= number as usize {
                self.seen.resize(types.all.len(), 0);
            }
            if self.seen[number as usize] != self.turn {
                // The first time the type is written out; from then on its name stands for it.
                self.seen[number as usize] = self.turn;
                self.open.push((number, 0));
                return Ok(());
            }
        }
        let bytes = types.part(&part);
        let so_far = text.as_ref().map_or(0, |text| text.len()) + report.err.len();
        if self.left < bytes.len() as u64 || so_far > self.most_dump {
            return Err(Fault::new("version_add", "the types' texts are too large"));
        }
        self.left -= bytes.len() as u64;
        *sum = crc::update(*sum, bytes);
        if let Some(text) = text {
            text.extend_from_slice(bytes);
        }
        Ok(())
    }
}
