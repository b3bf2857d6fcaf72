//! The symbol table: what has been declared, how a definition expands, and its CRC.
//!
//! There are two name spaces: tags, and everything else. A symbol read from a reference file stays
//! undeclared, hence invisible, until the source declares it. It does not know the grammar.

use super::crc;
use super::names::{Class, NO_SYMBOL, NameId, Names};
use super::nodes::{Kind, Token};
use super::report::Report;

/// The number of a symbol.
pub type SymbolId = u32;

/// How a declaration compares with the reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Unchanged,
    /// The reference knew the tag only by name.
    Defined,
    Modified,
}

struct Symbol {
    name: NameId,
    kind: Kind,
    /// Where the definition lies in `Symbols::tokens`; `None` for a reference without any.
    defn: Option<(u32, u32)>,
    /// Where its pieces lie, once it has been expanded.
    pieces: Option<(u32, u32)>,
    is_extern: bool,
    is_declared: bool,
    is_override: bool,
    status: Status,
    /// The export that visited it last; 0 for none.
    visited_by: u32,
    visited: bool,
}

/// A part of a definition: text that is summed as it is, then a reference to another symbol.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    end: u32,
    reference: Option<Token>,
}

/// How many tokens are recorded, and how many bytes of text summed, of an input of `size` bytes before it
/// is given up. No source comes near: it has fewer tokens than bytes. But each constant of an enum repeats the
/// expression that stands before it.
fn most(size: usize) -> (usize, usize) {
    ((1 << 28).min((1 << 20) + 64 * size), (1 << 30).min((1 << 22) + 256 * size))
}

/// The symbol table and all that is written from it.
pub struct Symbols {
    /// The texts of all tokens.
    pub names: Names,
    symbols: Vec<Symbol>,
    tokens: Vec<Token>,
    /// How many symbols are alive (for the debug line at the end).
    pub count: u32,
    pieces: Vec<Piece>,
    /// The text of all pieces.
    text: Vec<u8>,
    exports: u32,
    /// Symbols whose expansion has ended, in that order.
    finished: Vec<SymbolId>,
    enum_counter: i32,
    enum_expr: Option<Vec<Token>>,
    /// References are counted as enumeration constants too (before 6.14).
    references_count: bool,
    unknown: NameId,
    most_tokens: usize,
    most_text: usize,
}

/// The tokens `{ UNKNOWN }` of a tag that was never defined.
const UNKNOWN: &[u8] = b"UNKNOWN";

impl Symbols {
    /// An empty table over `names`, for an input of `size` bytes.
    pub fn new(mut names: Names, references_count: bool, size: usize) -> Self {
        let (most_tokens, most_text) = most(size);
        let unknown = names.intern(UNKNOWN);
        Symbols {
            names,
            symbols: Vec::new(),
            tokens: Vec::new(),
            count: 0,
            pieces: Vec::new(),
            text: Vec::new(),
            exports: 0,
            finished: Vec::new(),
            enum_counter: 0,
            enum_expr: None,
            references_count,
            unknown,
            most_tokens,
            most_text,
        }
    }

    /// The symbol of that name in the name space of `kind`, declared or not.
    fn slot(&self, name: NameId, kind: Kind) -> Option<SymbolId> {
        let name = self.names.get(name);
        let id = if kind.is_tag() { name.tagged } else { name.plain };
        (id != NO_SYMBOL).then_some(id)
    }

    fn find(&self, name: NameId, kind: Kind) -> Option<SymbolId> {
        self.slot(name, kind).filter(|&id| self.symbols[id as usize].is_declared)
    }

    fn defn(&self, id: SymbolId) -> &[Token] {
        match self.symbols[id as usize].defn {
            Some((start, end)) => &self.tokens[start as usize..end as usize],
            None => &[],
        }
    }

    /// Restarts the counting of enumeration constants: an enum is complete.
    pub fn end_enum(&mut self) {
        self.enum_expr = None;
        self.enum_counter = 0;
    }

    /// The definition of an enumeration constant: its expression, or one more than the one before.
    fn enum_value(&mut self, defn: Option<&[Token]>) -> Vec<Token> {
        if let Some(expr) = defn {
            self.enum_expr = Some(expr.to_vec());
            self.enum_counter = 1;
            return expr.to_vec();
        }
        let counter = self.enum_counter;
        self.enum_counter = self.enum_counter.wrapping_add(1);
        let number = self.names.intern(counter.to_string().as_bytes());
        let plain = |name| Token::new(name, Kind::Normal);
        let Some(expr) = &self.enum_expr else { return vec![plain(number)] };
        let mut value = vec![plain(self.names.byte(b'('))];
        value.extend_from_slice(expr);
        value.extend([self.names.byte(b')'), self.names.byte(b'+'), number].map(plain));
        value
    }

    /// Records a declaration of the source. `defn` is `None` for an empty list.
    pub fn declare(
        &mut self,
        name: NameId,
        kind: Kind,
        defn: Option<&[Token]>,
        is_extern: bool,
        report: &mut Report,
    ) -> Option<SymbolId> {
        match kind {
            Kind::EnumConst => {
                let value = self.enum_value(defn);
                self.add(name, kind, Some(&value), is_extern, false, report)
            }
            _ => {
                if kind == Kind::Enum {
                    self.end_enum();
                }
                self.add(name, kind, defn, is_extern, false, report)
            }
        }
    }

    /// Records an entry of a reference file.
    pub fn refer(
        &mut self,
        name: NameId,
        kind: Kind,
        defn: Option<&[Token]>,
        is_extern: bool,
        is_override: bool,
        report: &mut Report,
    ) {
        if kind == Kind::Enum && self.references_count {
            self.end_enum();
        }
        let id = match kind {
            Kind::EnumConst if self.references_count => {
                let value = self.enum_value(defn);
                self.add(name, kind, Some(&value), is_extern, true, report)
            }
            _ => self.add(name, kind, defn, is_extern, true, report),
        };
        if let Some(id) = id {
            self.symbols[id as usize].is_override = is_override;
        }
    }

    fn add(
        &mut self,
        name: NameId,
        kind: Kind,
        defn: Option<&[Token]>,
        is_extern: bool,
        is_reference: bool,
        report: &mut Report,
    ) -> Option<SymbolId> {
        let old = self.slot(name, kind);
        let mut status = Status::Unchanged;
        if let Some(id) = old
            && !is_reference
        {
            let known = &self.symbols[id as usize];
            let (declared, overrides) = (known.is_declared, known.is_override);
            let same = known.kind == kind
                && known.defn.is_some() == defn.is_some()
                && self.defn(id) == defn.unwrap_or_default();
            if same {
                if !declared && overrides {
                    report.location();
                    self.type_name(kind, name, report);
                    report.text(b" modversion is unchanged\n");
                }
                self.set_declared(id);
                return old;
            }
            if declared {
                report.error(&[b"redefinition of ", self.names.text(name)]);
                return old;
            }
            if overrides && report.preserve {
                report.location();
                report.text(b"ignoring ");
                self.type_name(kind, name, report);
                report.text(b" modversion change\n");
                self.set_declared(id);
                return old;
            }
            status = if self.is_unknown(id) { Status::Defined } else { Status::Modified };
        }
        let defn = match defn {
            Some(defn) => {
                let start = self.tokens.len();
                if start + defn.len() > self.most_tokens {
                    report.give_up();
                    return None;
                }
                self.tokens.extend_from_slice(defn);
                Some((start as u32, self.tokens.len() as u32))
            }
            None => None,
        };
        let symbol = Symbol {
            name,
            kind,
            defn,
            pieces: None,
            is_extern,
            is_declared: false,
            is_override: false,
            status,
            visited_by: 0,
            visited: false,
        };
        let id = self.symbols.len() as SymbolId;
        self.symbols.push(symbol);
        let entry = self.names.get_mut(name);
        *(if kind.is_tag() { &mut entry.tagged } else { &mut entry.plain }) = id;
        if old.is_none() {
            self.count += 1;
        }
        if is_reference {
            if !kind.is_tag() {
                self.names.get_mut(name).class = Class::Other;
            }
        } else {
            self.set_declared(id);
        }
        if report.debug {
            self.debug(id, report);
        }
        Some(id)
    }

    fn set_declared(&mut self, id: SymbolId) {
        let symbol = &mut self.symbols[id as usize];
        symbol.is_declared = true;
        if !symbol.kind.is_tag() {
            self.names.get_mut(symbol.name).class = match symbol.kind {
                Kind::Typedef => Class::Typedef,
                Kind::EnumConst => Class::EnumConst,
                _ => Class::Other,
            };
        }
    }

    /// Whether the definition ends in `{ UNKNOWN }`, all ordinary text.
    fn is_unknown(&self, id: SymbolId) -> bool {
        let tail = [self.names.byte(b'{'), self.unknown, self.names.byte(b'}')];
        self.symbols[id as usize].kind.is_tag()
            && self.defn(id).ends_with(&tail.map(|name| Token::new(name, Kind::Normal)))
    }

    fn type_name(&self, kind: Kind, name: NameId, report: &mut Report) {
        if let Some(word) = kind.word() {
            report.text(word.as_bytes());
            report.text(b" ");
        }
        report.text(self.names.text(name));
    }

    fn debug(&self, id: SymbolId, report: &mut Report) {
        let symbol = &self.symbols[id as usize];
        match symbol.kind.word() {
            Some(word) => report.text(format!("Defn for {word} ").as_bytes()),
            None => report.text(format!("Defn for type{} ", symbol.kind as u8).as_bytes()),
        }
        report.text(self.names.text(symbol.name));
        report.text(b" == <");
        let mut line = Vec::new();
        self.write_defn(id, &mut line);
        report.text(&line);
        report.text(b">\n");
    }

    /// `extern` and the tokens of a definition, each followed by a blank.
    fn write_defn(&self, id: SymbolId, out: &mut Vec<u8>) {
        let symbol = &self.symbols[id as usize];
        if symbol.is_extern {
            out.extend_from_slice(b"extern ");
        }
        if symbol.defn.is_none() {
            out.extend_from_slice(b"(nil)");
        }
        for token in self.defn(id) {
            if let Some(letter) = token.kind().letter() {
                out.extend_from_slice(&[letter, b'#']);
            }
            out.extend_from_slice(self.names.spaced(token.name()));
        }
    }

    /// The symtypes file: every symbol that an export's expansion has passed, inner ones first.
    pub fn symtypes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for &id in &self.finished {
            let symbol = &self.symbols[id as usize];
            if symbol.is_override {
                out.extend_from_slice(b"override ");
            }
            if let Some(letter) = symbol.kind.letter() {
                out.extend_from_slice(&[letter, b'#']);
            }
            out.extend_from_slice(self.names.spaced(symbol.name));
            self.write_defn(id, &mut out);
            out.push(b'\n');
        }
        out
    }

    /// The CRC of the exported symbol called `name`, or `None` if it was never declared.
    pub fn export(&mut self, name: NameId, report: &mut Report) -> Option<u32> {
        let Some(root) = self.find(name, Kind::Normal) else {
            report.error(&[b"export undefined symbol ", self.names.text(name)]);
            return None;
        };
        if report.dump {
            report.text(b"Export ");
            report.text(self.names.text(name));
            report.text(b" == <");
        }
        self.exports += 1;
        let mut trail = vec![root];
        self.symbols[root as usize].visited_by = self.exports;
        let crc = !self.expand(root, &mut trail, report);
        let mut changed = false;
        for &id in trail.iter().rev() {
            let symbol = &self.symbols[id as usize];
            if symbol.status == Status::Unchanged {
                continue;
            }
            if changed {
                report.text(b", ");
            } else {
                report.location();
                report.text(if report.preserve { b"error: " } else { b"warning: " });
                report.text(self.names.text(name));
                report.text(b": modversion changed because of changes in ");
            }
            self.type_name(symbol.kind, symbol.name, report);
            if symbol.status == Status::Defined {
                report.text(b" (became defined)");
            }
            changed = true;
            if report.preserve {
                report.errors += 1;
            }
        }
        if changed {
            report.text(b"\n");
        }
        if report.dump {
            report.text(b">\n");
        }
        Some(crc)
    }

    /// The CRC state after the expanded text of `root`. Inner symbols are kept on a stack of our own,
    /// so the depth of a type does not matter.
    fn expand(&mut self, root: SymbolId, trail: &mut Vec<SymbolId>, report: &mut Report) -> u32 {
        let mut sum = !0;
        let (at, end) = self.pieces(root, report);
        let mut stack = vec![(root, at, end)];
        while let Some((id, at, end)) = stack.last_mut() {
            if at == end {
                let symbol = &mut self.symbols[*id as usize];
                // A symbol without a definition ends before the original takes note of it.
                if !symbol.visited && symbol.defn.is_some() {
                    symbol.visited = true;
                    self.finished.push(*id);
                }
                stack.pop();
                continue;
            }
            let piece = self.pieces[*at as usize];
            *at += 1;
            let text = &self.text[piece.start as usize..piece.end as usize];
            sum = crc::update(sum, text);
            if report.dump {
                report.text(text);
            }
            let Some(token) = piece.reference else { continue };
            let Some(inner) = self.resolve(token, report) else { continue };
            if self.symbols[inner as usize].visited_by != self.exports {
                self.symbols[inner as usize].visited_by = self.exports;
                trail.push(inner);
                let (at, end) = self.pieces(inner, report);
                stack.push((inner, at, end));
                continue;
            }
            if token.kind().is_tag()
                && let Some(word) = token.kind().word()
            {
                sum = crc::update(sum, word.as_bytes());
                sum = crc::update(sum, b" ");
                if report.dump {
                    report.text(word.as_bytes());
                    report.text(b" ");
                }
            }
            let text = self.names.spaced(token.name());
            sum = crc::update(sum, text);
            if report.dump {
                report.text(text);
            }
        }
        sum
    }

    /// The symbol that a token refers to. A tag that was never defined is now, as `{ UNKNOWN }`.
    fn resolve(&mut self, token: Token, report: &mut Report) -> Option<SymbolId> {
        let (name, kind) = (token.name(), token.kind());
        if let Some(id) = self.find(name, kind) {
            return Some(id);
        }
        let Some(word) = kind.word().filter(|_| kind.is_tag()) else {
            // Only a reference file can name what does not exist; the original dies of it.
            report.missing(self.names.text(name));
            return None;
        };
        report.error(&[b"expand undefined ", word.as_bytes(), b" ", self.names.text(name)]);
        let word = self.names.intern(word.as_bytes());
        let unknown = [word, name, self.names.byte(b'{'), self.unknown, self.names.byte(b'}')]
            .map(|name| Token::new(name, Kind::Normal));
        self.declare(name, kind, Some(&unknown), false, report)
    }

    /// The definition cut into texts and references; made once.
    fn pieces(&mut self, id: SymbolId, report: &mut Report) -> (u32, u32) {
        if let Some(range) = self.symbols[id as usize].pieces {
            return range;
        }
        if self.text.len() > self.most_text {
            report.give_up();
            return (0, 0);
        }
        let first = self.pieces.len() as u32;
        let mut start = self.text.len() as u32;
        let (from, to) = self.symbols[id as usize].defn.unwrap_or_default();
        for &token in &self.tokens[from as usize..to as usize] {
            if token.kind() == Kind::Normal {
                self.text.extend_from_slice(self.names.spaced(token.name()));
                continue;
            }
            let end = self.text.len() as u32;
            self.pieces.push(Piece { start, end, reference: Some(token) });
            start = end;
        }
        let end = self.text.len() as u32;
        if end > start {
            self.pieces.push(Piece { start, end, reference: None });
        }
        let range = (first, self.pieces.len() as u32);
        self.symbols[id as usize].pieces = Some(range);
        range
    }
}
