//! What the tests of the tools share: a world in memory, and a writer of small relocatable objects.
#![allow(dead_code, missing_docs)]

pub mod dwarf;
pub mod subject;

use kiln_modtools::Host;
use kiln_modtools::kernel::Release;
use kiln_modtools::modpost::Ahead;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// A world in memory.
#[derive(Default)]
pub struct World {
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    pub env: BTreeMap<Vec<u8>, Vec<u8>>,
    pub input: Vec<u8>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub ahead: Option<Ahead>,
}

impl World {
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(n, c)| (n.as_bytes().to_vec(), c.to_vec())).collect();
        Self { files, ..Self::default() }
    }

    pub fn text(&self, name: &str) -> String {
        self.files
            .get(name.as_bytes())
            .map_or_else(|| "(absent)".to_owned(), |c| String::from_utf8_lossy(c).into_owned())
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

impl Host for World {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        self.files.insert(path.to_vec(), bytes.to_vec());
        Ok(())
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.input.clone())
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.err.extend_from_slice(bytes);
    }

    fn env(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.env.get(name).cloned()
    }

    fn ahead(&mut self, _path: &[u8]) -> Option<Ahead> {
        self.ahead.take()
    }
}

/// A configured kernel tree that is installed here.
pub struct Tree {
    pub path: PathBuf,
    pub release: Release,
}

/// The kernel trees under `/usr/src` and in the directories that `KILN_TREES` names, divided by colons,
/// in the order of their releases.
pub fn trees() -> Vec<Tree> {
    let more = std::env::var("KILN_TREES").unwrap_or_default();
    let roots = more.split(':').filter(|root| !root.is_empty()).chain(["/usr/src"]);
    let entries = roots.flat_map(|root| std::fs::read_dir(root).into_iter().flatten().flatten());
    let tree = |path: PathBuf| {
        let release = std::fs::read(path.join("include/config/kernel.release")).ok()?;
        Some(Tree { release: Release::parse(&release)?, path })
    };
    let mut found: Vec<Tree> = entries.filter_map(|entry| tree(entry.path())).collect();
    found.sort_by(|a, b| (a.release, &a.path).cmp(&(b.release, &b.path)));
    found
}

/// A program of those trees, one for each release; what is missing is said.
pub fn programs(path: &str) -> Vec<(Release, PathBuf)> {
    let mut found: Vec<(Release, PathBuf)> =
        trees().into_iter().map(|tree| (tree.release, tree.path.join(path))).collect();
    found.retain(|(_, program)| program.exists());
    found.dedup_by_key(|(release, _)| *release);
    for release in [(5, 10), (6, 1), (6, 12), (7, 2)].map(|(a, b)| Release::new(a, b)) {
        if found.iter().all(|(known, _)| *known != release) {
            let _ = writeln!(io::stderr(), "skipped: {path} of {release} is not installed");
        }
    }
    found
}

pub fn args(words: &str) -> Vec<Vec<u8>> {
    words.split_whitespace().map(|w| w.as_bytes().to_vec()).collect()
}

/// A symbol to be written: name, section (0 for undefined), value, size, info.
pub type Sym = (&'static str, u16, u64, u64, u8);

pub const GLOBAL: u8 = 0x10;
pub const GLOBAL_FUNC: u8 = 0x12;
pub const GLOBAL_OBJECT: u8 = 0x11;

struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    data: Vec<u8>,
    link: u32,
    info: u32,
}

/// A relocatable object in the making. The first section added has number 1.
pub struct Object {
    is_64: bool,
    big: bool,
    machine: u16,
    sections: Vec<Section>,
    symbols: Vec<Sym>,
}

impl Object {
    pub fn new(is_64: bool, big: bool, machine: u16) -> Self {
        Self { is_64, big, machine, sections: Vec::new(), symbols: Vec::new() }
    }

    pub fn section(mut self, name: &'static str, flags: u64, data: &[u8]) -> Self {
        let data = data.to_vec();
        self.sections.push(Section { name, kind: 1, flags, data, link: 0, info: 0 });
        self
    }

    pub fn symbol(mut self, symbol: Sym) -> Self {
        self.symbols.push(symbol);
        self
    }

    /// Relocations with addends for section `target`: offset, symbol (1 for the first), addend.
    pub fn relocs(self, name: &'static str, target: u32, relocs: &[(u64, u32, i64)]) -> Self {
        self.relocs_of(name, target, 1, relocs)
    }

    /// The same, of a given type.
    pub fn relocs_of(
        mut self,
        name: &'static str,
        target: u32,
        kind: u32,
        relocs: &[(u64, u32, i64)],
    ) -> Self {
        let kind = u64::from(kind);
        let mut data = Vec::new();
        for &(offset, symbol, addend) in relocs {
            self.word(&mut data, offset);
            let info = u64::from(symbol) << if self.is_64 { 32 } else { 8 } | kind;
            self.word(&mut data, info);
            self.word(&mut data, addend as u64);
        }
        self.sections.push(Section { name, kind: 4, flags: 0, data, link: 0, info: target });
        self
    }

    fn put(&self, out: &mut Vec<u8>, value: u64, size: usize) {
        let bytes = value.to_le_bytes();
        let mut bytes = bytes[..size].to_vec();
        if self.big {
            bytes.reverse();
        }
        out.extend_from_slice(&bytes);
    }

    fn word(&self, out: &mut Vec<u8>, value: u64) {
        self.put(out, value, if self.is_64 { 8 } else { 4 });
    }

    /// The object's bytes.
    pub fn build(mut self) -> Vec<u8> {
        let (mut names, mut table) = (vec![0], vec![0; if self.is_64 { 24 } else { 16 }]);
        for &(name, section, value, size, info) in &self.symbols {
            let at = names.len() as u64;
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            self.put(&mut table, at, 4);
            if self.is_64 {
                table.extend_from_slice(&[info, 0]);
                self.put(&mut table, section.into(), 2);
                self.put(&mut table, value, 8);
                self.put(&mut table, size, 8);
            } else {
                self.put(&mut table, value, 4);
                self.put(&mut table, size, 4);
                table.extend_from_slice(&[info, 0]);
                self.put(&mut table, section.into(), 2);
            }
        }
        let strings = self.sections.len() as u32 + 1;
        let plain = |name, kind, data, link| Section { name, kind, flags: 0, data, link, info: 0 };
        self.sections.push(plain(".strtab", 3, names, 0));
        self.sections.push(plain(".symtab", 2, table, strings));
        self.sections.push(plain(".shstrtab", 3, Vec::new(), 0));
        let mut shstr = vec![0];
        let offsets: Vec<u64> = self
            .sections
            .iter()
            .map(|section| {
                let at = shstr.len() as u64;
                shstr.extend_from_slice(section.name.as_bytes());
                shstr.push(0);
                at
            })
            .collect();
        let last = self.sections.len() - 1;
        self.sections[last].data = shstr;
        let header = if self.is_64 { 64 } else { 52 };
        let (mut body, mut headers) = (Vec::new(), vec![0; if self.is_64 { 64 } else { 40 }]);
        for (section, &name) in self.sections.iter().zip(&offsets) {
            while body.len() % 8 != 0 {
                body.push(0);
            }
            let at = (header + body.len()) as u64;
            body.extend_from_slice(&section.data);
            self.put(&mut headers, name, 4);
            self.put(&mut headers, section.kind.into(), 4);
            self.word(&mut headers, section.flags);
            self.word(&mut headers, 0);
            self.word(&mut headers, at);
            self.word(&mut headers, section.data.len() as u64);
            // Relocations belong to the symbol table, which comes behind the strings.
            let link = if section.kind == 4 { strings + 1 } else { section.link };
            self.put(&mut headers, link.into(), 4);
            self.put(&mut headers, section.info.into(), 4);
            self.word(&mut headers, 8);
            let entry = match (section.kind, self.is_64) {
                (2 | 4, true) => 24,
                (2, false) => 16,
                (4, false) => 12,
                _ => 0,
            };
            self.word(&mut headers, entry);
        }
        while body.len() % 8 != 0 {
            body.push(0);
        }
        let mut out = b"\x7fELF".to_vec();
        out.extend_from_slice(&[1 + u8::from(self.is_64), 1 + u8::from(self.big), 1]);
        out.resize(16, 0);
        self.put(&mut out, 1, 2);
        self.put(&mut out, self.machine.into(), 2);
        self.put(&mut out, 1, 4);
        self.word(&mut out, 0);
        self.word(&mut out, 0);
        self.word(&mut out, (header + body.len()) as u64);
        self.put(&mut out, 0, 4);
        self.put(&mut out, header as u64, 2);
        self.put(&mut out, 0, 4);
        self.put(&mut out, if self.is_64 { 64 } else { 40 }, 2);
        self.put(&mut out, self.sections.len() as u64 + 1, 2);
        self.put(&mut out, self.sections.len() as u64, 2);
        out.extend_from_slice(&body);
        out.extend_from_slice(&headers);
        out
    }
}
