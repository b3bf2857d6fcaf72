//! Module.symvers: reading other modules' exports, and writing the exports of those that were read.
//!
//! A line is `0xCRC<tab>symbol<tab>module<tab>class<tab>namespace`. It does not know who uses what.

use super::run::{Exit, Run};
use super::symbols::{Class, Module, Text, bucket};
use super::text::{cat, strtoul, until_nul};
use super::versions::Exports;
use rustc_hash::FxHashMap;

/// How much of a dump is read at once, in bytes.
const PIECE: usize = 1 << 15;

/// What is remembered from line to line of a dump.
struct Reading {
    dump: u32,
    /// The module of the last line.
    last: Option<u32>,
    /// The namespace of the last line.
    namespace: Text,
}

impl Run<'_> {
    /// Reads one dump, piece by piece: of a list of many thousand lines only the names stay in memory.
    pub(super) fn read_dump(&mut self, path: &[u8]) -> Result<(), Exit> {
        let file = self.host.open(path).map_err(|error| self.failed_file(path, &error))?;
        // Lines are some seventy bytes long; the number only saves moving.
        self.symbols
            .reserve(&self.texts, usize::try_from(file.len() / 80).map_or(0, |n| n.min(1 << 16)));
        let dump = self.dumps_read;
        self.dumps_read += 1;
        let mut reading = Reading { dump, last: None, namespace: Text::default() };
        let (mut piece, mut kept, mut at) = (vec![0; PIECE], 0, 0);
        while at < file.len() {
            if kept == piece.len() {
                // A line longer than all that was read so far.
                piece.resize(piece.len() * 2, 0);
            }
            let room = usize::try_from(file.len() - at).unwrap_or(usize::MAX);
            let end = kept + room.min(piece.len() - kept);
            piece[kept..end].fill(0);
            file.read_at(at, &mut piece[kept..end]);
            at += (end - kept) as u64;
            let fresh = until_nul(&piece[kept..end]).len();
            // Nothing counts behind a NUL byte.
            let is_last = kept + fresh < end || at == file.len();
            let text = &piece[..kept + fresh];
            let whole = if is_last {
                text.len()
            } else {
                memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1)
            };
            self.read_dump_lines(path, &text[..whole], &mut reading)?;
            if is_last {
                break;
            }
            piece.copy_within(whole..end, 0);
            kept = end - whole;
        }
        Ok(())
    }

    fn read_dump_lines(
        &mut self,
        path: &[u8],
        mut text: &[u8],
        reading: &mut Reading,
    ) -> Result<(), Exit> {
        while !text.is_empty() {
            let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            let line = &text[..end];
            text = text.get(end + 1..).unwrap_or_default();
            let Some((columns, crc)) = split(line) else {
                return Err(self.fatal(None, b"parse error in symbol dump file\n"));
            };
            let [symbol, module, class_word, namespace] = columns.map(|c| &line[c.0..c.1]);
            let class = Class::from_word(class_word);
            if !self.flavor.accepts_unknown_class && !matches!(class, Class::Plain | Class::Gpl) {
                let text = cat![symbol, ": unknown license ", class_word, ". skip"];
                self.error(None, &text);
                continue;
            }
            // Lines of one module mostly stand together; the last one's name is tried first. So do
            // those of one namespace.
            let owner = match reading.last {
                Some(id) if self.modules[id as usize].name == module => id,
                _ => self.dump_module(module, reading.dump),
            };
            reading.last = Some(owner);
            if self.texts.get(reading.namespace) != namespace {
                reading.namespace = self.texts.keep(namespace);
            }
            let name = self.texts.keep(symbol);
            if self.texts.get(name) != symbol || self.texts.get(reading.namespace) != namespace {
                return Err(self.broken(path, "is too large"));
            }
            let id = self.add_export(name, owner, class);
            self.symbols.get_mut(id).is_static = false;
            self.complete_export(id, name, crc, reading.namespace);
        }
        Ok(())
    }

    /// Notes the rest of a dump's line. A second export of a name keeps the first entry where there is
    /// one entry to a name, but the rest of the line is taken over all the same.
    fn complete_export(&mut self, id: u32, name: Text, crc: u32, namespace: Text) {
        let by_name = self.flavor.exports != Exports::Records;
        if by_name && self.texts.get(name).starts_with(b".") {
            // The older programs look the name up again, and a search drops a leading dot.
            let found = self.symbols.find(&self.texts, self.texts.get(name));
            let crc_owner = if self.flavor.errors_stop_files { Some(id) } else { found };
            if let Some(owner) = crc_owner {
                self.set_crc(owner, crc);
            }
            match found {
                Some(found) => self.symbols.get_mut(found).namespace = namespace,
                None => {
                    let text = cat![
                        "Could not update namespace(",
                        self.texts.get(namespace),
                        ") for symbol ",
                        self.texts.get(name),
                        "\n",
                    ];
                    self.error(None, &text);
                }
            }
            return;
        }
        self.set_crc(id, crc);
        self.symbols.get_mut(id).namespace = namespace;
    }

    pub(super) fn set_crc(&mut self, id: u32, crc: u32) {
        let symbol = self.symbols.get_mut(id);
        symbol.crc = crc;
        symbol.crc_valid = true;
    }

    /// The module of this name that a dump describes, made if it is not there.
    fn dump_module(&mut self, name: &[u8], dump: u32) -> u32 {
        let key = if self.flavor.modules_per_dump { dump } else { 0 };
        if let Some(&id) = self.dump_modules.get(&(key, name.to_vec())) {
            return id;
        }
        let id = self.modules.len() as u32;
        let module = Module::new(name, Some(dump));
        self.have_vmlinux |= module.is_vmlinux;
        self.modules.push(module);
        self.dump_modules.insert((key, name.to_vec()), id);
        id
    }

    /// Writes the exports of the modules that were read.
    pub(super) fn write_dump(&mut self, path: &[u8]) -> Result<(), Exit> {
        let order = if self.flavor.exports == Exports::AnyKsymtabSymbol {
            self.own_exports_by_bucket()
        } else {
            let own = self.modules.iter().filter(|module| module.dump.is_none());
            own.flat_map(|module| module.exports.iter().copied()).collect()
        };
        let mut out = Vec::new();
        for id in order {
            let symbol = self.symbols.get(id);
            if self.options.trim_unused && !symbol.used {
                continue;
            }
            let line = cat![
                &format!("0x{:08x}\t", symbol.crc),
                self.texts.get(symbol.name),
                "\t",
                &self.modules[symbol.module as usize].name,
                "\t",
                symbol.class.word(),
                "\t",
                self.texts.get(symbol.namespace),
                "\n",
            ];
            self.emit(&mut out, &line)?;
        }
        self.write_file(path, &out)
    }

    /// The exports of modules that were read, in the order of the old program's hash table: by bucket,
    /// and in a bucket the newest first.
    pub(super) fn own_exports_by_bucket(&self) -> Vec<u32> {
        let mut own: Vec<(u32, u32)> = (0..self.symbols.list.len() as u32)
            .filter(|&id| self.modules[self.symbols.get(id).module as usize].dump.is_none())
            .map(|id| (bucket(self.texts.get(self.symbols.get(id).name)), id))
            .collect();
        own.sort_unstable_by_key(|&(bucket, id)| (bucket, std::cmp::Reverse(id)));
        own.into_iter().map(|(_, id)| id).collect()
    }

    /// Adds an export of `module`, or says that the name is taken.
    pub(super) fn add_export(&mut self, name: Text, module: u32, class: Class) -> u32 {
        let found = self.symbols.find(&self.texts, self.texts.get(name));
        if let Some(id) = found {
            let owner = self.symbols.get(id).module;
            if !self.options.external || self.modules[owner as usize].is_vmlinux || owner == module
            {
                self.say_exported_twice(module, name, owner);
                if self.flavor.exports == Exports::AnyKsymtabSymbol {
                    return id;
                }
            } else if self.flavor.exports == Exports::AnyKsymtabSymbol {
                let symbol = self.symbols.get_mut(id);
                symbol.module = module;
                symbol.class = class;
                return id;
            }
        }
        let id = self.symbols.add(&self.texts, name, module, class);
        let owner = &mut self.modules[module as usize];
        if owner.dump.is_none() {
            owner.exports.push(id);
        }
        id
    }
}

/// Where a column lies in its line.
type Column = (usize, usize);

/// The four columns behind the CRC, and the CRC; `None` for a line that is none. Behind the fourth
/// tab everything is namespace.
fn split(line: &[u8]) -> Option<([Column; 4], u32)> {
    let mut tabs = memchr::memchr_iter(b'\t', line);
    let (a, b, c, d) = (tabs.next()?, tabs.next()?, tabs.next()?, tabs.next()?);
    let columns = [(a + 1, b), (b + 1, c), (c + 1, d), (d + 1, line.len())];
    if b == a + 1 || c == b + 1 {
        return None;
    }
    let crc = match plain_crc(&line[..a]) {
        Some(crc) => crc,
        None => {
            let (crc, end) = strtoul(&line[..a], 16);
            if end != a {
                return None;
            }
            crc
        }
    };
    Some((columns, crc))
}

/// The usual form: `0x` and eight digits.
fn plain_crc(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"0x").filter(|d| d.len() == 8)?;
    digits.iter().try_fold(0, |n, &b| Some(n << 4 | (b as char).to_digit(16)?))
}

/// Modules known from dumps, by dump (or 0) and name.
pub(super) type DumpModules = FxHashMap<(u32, Vec<u8>), u32>;

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lines() {
        let show = |line: &str| {
            split(line.as_bytes()).map(|(columns, crc)| {
                let texts: Vec<&str> = columns.iter().map(|c| &line[c.0..c.1]).collect();
                format!("{crc:x} {}", texts.join("|"))
            })
        };
        assert_eq!(
            show("0x0000abcd\ts\tm\tEXPORT_SYMBOL\t").as_deref(),
            Some("abcd s|m|EXPORT_SYMBOL|")
        );
        assert_eq!(show("abc\ts\tm\tX\tNS\tmore").as_deref(), Some("abc s|m|X|NS\tmore"));
        assert_eq!(show("\ts\tm\tX\t").as_deref(), Some("0 s|m|X|"));
        for bad in [
            "",
            "0x1\ts\tm\tX",
            "0x1g\ts\tm\tX\t",
            "0x1\t\tm\tX\t",
            "0x1\ts\t\tX\t",
            " \ts\tm\tX\t",
        ] {
            assert_eq!(show(bad), None, "{bad:?}");
        }
    }
}
