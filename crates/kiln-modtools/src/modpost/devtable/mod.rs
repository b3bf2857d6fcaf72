//! Device tables: what `MODULE_DEVICE_TABLE` put into an object, turned into `MODULE_ALIAS` texts
//! (`scripts/mod/file2alias.c`).
//!
//! The kinds are described in `types`, the shapes of their entries in `layout`. It does not know how
//! aliases are written down.

mod layout;
mod special;
mod types;
mod usb;

use super::run::{Exit, Run};
use super::text::cat;
use super::versions::Overlong;
use crate::elf::{self, Elf, Symbol};
use layout::{Entry, Layout, Target};
use types::{Kind, Shape};

/// Which table symbols, structures and kinds there are, by the kernel that brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Symbols `__mod_kind__name_device_table`; the first bad table ends the run.
    V5_10,
    /// Some structures grew, some kinds came.
    V6_1,
    /// Some kinds came.
    V6_12,
    /// Symbols `__mod_device_table__kmod_module__kind__name`; a bad table is an error of its own, and
    /// an alias is written once.
    V7_2,
    /// One structure shrank.
    V7_3,
}

impl Scheme {
    /// Whether the tables of what is built into the kernel are kept too.
    pub(super) fn keeps_builtin_aliases(self) -> bool {
        self >= Self::V7_2
    }
}

/// An alias of a module.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) text: Vec<u8>,
    /// The module it would be of, had it not been built in.
    pub(super) builtin: Option<Vec<u8>>,
}

/// What an entry gives.
#[derive(Debug)]
enum Event {
    Alias(Vec<u8>),
    Warning(Vec<u8>),
    Fatal(Vec<u8>),
}

/// What a handler may want to know beside its entry.
struct Context<'a> {
    scheme: Scheme,
    module: &'a [u8],
    /// The memory of the entries before this one.
    earlier: &'a [&'a [u8]],
}

/// A table that lies in no file bytes is all zeros; none is made up that is larger than this.
const LARGEST_EMPTY_TABLE: u64 = 1 << 20;

/// No module has nearly so many aliases; an object whose tables overlap could ask for any number.
const MOST_ALIASES: usize = 1 << 20;

/// The parts of a table symbol's name.
struct TableName<'a> {
    kind: &'a [u8],
    /// The array's name; unknown before 7.2.
    array: &'a [u8],
    module: &'a [u8],
}

impl Scheme {
    fn parse(self, symbol: &[u8]) -> Option<TableName<'_>> {
        if self < Self::V7_2 {
            let rest = symbol.strip_prefix(b"__mod_")?;
            rest.strip_suffix(b"_device_table")?;
            let end = memchr::memmem::find(rest, b"__")?;
            return Some(TableName { kind: &rest[..end], array: b"", module: b"" });
        }
        if !symbol.starts_with(b"__mod_device_table__") {
            return None;
        }
        let at = memchr::memmem::find(symbol, b"__kmod_")?;
        let rest = &symbol[at + b"__kmod_".len()..];
        let module_end = memchr::memmem::find(rest, b"__")?;
        let (module, rest) = (&rest[..module_end], &rest[module_end + 2..]);
        let kind_end = memchr::memmem::find(rest, b"__")?;
        Some(TableName { kind: &rest[..kind_end], array: &rest[kind_end + 2..], module })
    }
}

impl Run<'_> {
    /// Takes a device table, if the symbol is one.
    pub(super) fn take_device_table(
        &mut self,
        id: u32,
        elf: &Elf,
        symbol: &Symbol,
    ) -> Result<(), Exit> {
        if symbol.shndx == elf::SHN_UNDEF || symbol.kind() != elf::STT_OBJECT {
            return Ok(());
        }
        let Some(section) = elf.sections.get(elf.section_number(symbol) as usize) else {
            return Ok(());
        };
        let scheme = self.flavor.devices;
        let Some(name) = scheme.parse(elf.symbol_name(symbol)) else { return Ok(()) };
        if let Some(kind) = Kind::find(name.kind, scheme) {
            let zeros;
            // The flag test of the original also takes some other section types for empty ones.
            let memory = if section.kind & elf::SHT_NOBITS != 0 {
                if symbol.size > LARGEST_EMPTY_TABLE {
                    let module = self.modules[id as usize].name.clone();
                    return Err(self.broken(&module, "empty device table of unlikely size"));
                }
                zeros = vec![0; symbol.size as usize];
                &zeros[..]
            } else {
                elf.from(section.offset.wrapping_add(symbol.value), symbol.size)
            };
            if (memory.len() as u64) < symbol.size {
                let module = self.modules[id as usize].name.clone();
                return Err(self.broken(&module, "device table reaches behind the end of the file"));
            }
            self.read_table(id, kind, &name, memory, symbol.size as usize, Target::of(elf))?;
        }
        if self.modules[id as usize].is_vmlinux {
            let aliases = &mut self.modules[id as usize].aliases;
            for alias in aliases.iter_mut().rev().take_while(|alias| alias.builtin.is_none()) {
                alias.builtin = Some(name.module.to_vec());
            }
        }
        Ok(())
    }

    fn read_table(
        &mut self,
        id: u32,
        kind: &Kind,
        name: &TableName<'_>,
        memory: &[u8],
        size: usize,
        target: Target,
    ) -> Result<(), Exit> {
        let scheme = self.flavor.devices;
        let layout = Layout::new(kind.members(scheme), target);
        let entry_size = layout.size;
        if !size.is_multiple_of(entry_size) || size < entry_size {
            return self.wrong_size(id, kind, name, size, entry_size);
        }
        let last = &memory[size - entry_size..size];
        if last.iter().any(|&byte| byte != 0) {
            return self.unterminated(id, kind, name, last, size);
        }
        let module = self.modules[id as usize].name.clone();
        let shape = kind.shape(scheme);
        let mut earlier = Vec::new();
        let mut events = Vec::new();
        for at in (0..size - entry_size).step_by(entry_size) {
            let entry = Entry { memory: &memory[at..], layout: &layout, target };
            match shape {
                Shape::Special(handler) => {
                    let context = Context { scheme, module: &module, earlier: &earlier };
                    handler(&context, &entry, &mut events);
                }
                Shape::Format(format) => events.push(Event::Alias(fill(format, &entry))),
                Shape::Open(prefix, items) | Shape::Closed(prefix, items) => {
                    let mut text = prefix.as_bytes().to_vec();
                    special::add(&mut text, &entry, items);
                    let open = matches!(shape, Shape::Open(..));
                    events.push(if open { special::open(text) } else { Event::Alias(text) });
                }
            }
            earlier.push(&memory[at..]);
            for event in events.drain(..) {
                match event {
                    Event::Alias(text) => self.take_alias(id, text)?,
                    Event::Warning(text) => self.warn(None, &text),
                    Event::Fatal(text) => return Err(self.fatal(None, &text)),
                }
            }
        }
        Ok(())
    }

    fn take_alias(&mut self, id: u32, text: Vec<u8>) -> Result<(), Exit> {
        let once = self.flavor.devices >= Scheme::V7_2;
        if !once && self.flavor.overlong == Overlong::Fatal {
            // The line was formatted as soon as it was known, and a long one ended the run then.
            let line = cat!["MODULE_ALIAS(\"", &text, "\");\n"];
            self.emit(&mut Vec::new(), &line)?;
        }
        if self.modules[id as usize].aliases.len() >= MOST_ALIASES {
            let module = self.modules[id as usize].name.clone();
            return Err(self.broken(&module, "more aliases than any module has"));
        }
        let aliases = &mut self.modules[id as usize].aliases;
        if !once || aliases.iter().all(|alias| alias.text != text) {
            aliases.push(Alias { text, builtin: None });
        }
        Ok(())
    }

    fn wrong_size(
        &mut self,
        id: u32,
        kind: &Kind,
        name: &TableName<'_>,
        size: usize,
        entry_size: usize,
    ) -> Result<(), Exit> {
        let module = &self.modules[id as usize].name;
        let shown = kind.checked_as;
        if self.flavor.devices >= Scheme::V7_2 {
            let kind = kind.name;
            let array = cat![name.array, "[] and MODULE_DEVICE_TABLE(", kind, ", ...)\n"];
            let text = cat![module, ": type mismatch between ", &array];
            self.error(None, &text);
            return Ok(());
        }
        let text = cat![
            module,
            &format!(
                ": sizeof(struct {shown}_device_id)={entry_size} is not a modulo of the size of \
                 section __mod_{shown}__<identifier>_device_table={size}.\nFix definition of struct \
                 {shown}_device_id in mod_devicetable.h\n"
            ),
        ];
        Err(self.fatal(None, &text))
    }

    fn unterminated(
        &mut self,
        id: u32,
        kind: &Kind,
        name: &TableName<'_>,
        last: &[u8],
        size: usize,
    ) -> Result<(), Exit> {
        let module = &self.modules[id as usize].name;
        if self.flavor.devices >= Scheme::V7_2 {
            let text = cat![module, ": ", name.array, "[] is not terminated with a NULL entry\n"];
            self.error(None, &text);
            return Ok(());
        }
        let (shown, entry_size) = (kind.checked_as, last.len());
        let count = size / entry_size;
        let head =
            format!(": struct {shown}_device_id is {entry_size} bytes.  The last of {count} is:\n");
        let bytes: String = last.iter().map(|byte| format!("0x{byte:02x} ")).collect();
        let dump = cat![module, &head, &bytes, "\n"];
        let end = format!(": struct {shown}_device_id is not terminated with a NULL entry!\n");
        let text = cat![module, &end];
        self.host.stderr(&dump);
        Err(self.fatal(None, &text))
    }
}

/// Fills a format of [`Shape::Format`].
fn fill(format: &str, entry: &Entry<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text.extend_from_slice(before.as_bytes());
        let Some((field, behind)) = after.split_once('}') else { break };
        rest = behind;
        let (name, style) = field.split_once(':').unwrap_or((field, "s"));
        if style == "s" {
            text.extend_from_slice(entry.text(name));
            continue;
        }
        let (width, letter) = style.split_at(style.len() - 1);
        let width = width.parse().unwrap_or(0);
        let value = entry.value(name);
        let digits = match letter {
            "X" => format!("{value:0width$X}"),
            "x" => format!("{value:0width$x}"),
            _ => format!("{value:0width$}"),
        };
        text.extend_from_slice(digits.as_bytes());
    }
    text.extend_from_slice(rest.as_bytes());
    text
}
