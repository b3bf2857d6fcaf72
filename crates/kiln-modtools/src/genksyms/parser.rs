//! The parser: the automaton driven by the lexer's tokens, with Bison's way of recovering from errors,
//! and what each reduction does to the token list and the symbol table.
//!
//! It keeps its states on a stack of its own, of the depth that the original allows, so nesting costs
//! no call stack. It does not know how CRCs are made.

use super::automaton::{Automaton, Step};
use super::grammar::{Act, Term, Types};
use super::lexer::Lexer;
use super::names::NameId;
use super::nodes::{Kind, NIL, Nodes, Token};
use super::report::Report;
use super::symbols::Symbols;

/// Bison's YYMAXDEPTH: as many states as the original's stack holds.
const MAX_DEPTH: usize = 10_000;

/// One run over one unit.
pub struct Parser<'a> {
    automaton: &'a Automaton,
    lexer: Lexer<'a>,
    nodes: Nodes,
    /// What has been declared.
    pub symbols: Symbols,
    /// What has been said.
    pub report: Report,
    /// The exported symbols with their CRCs, in the order of the exports.
    pub exports: Vec<(NameId, u32)>,
    scratch: Vec<Token>,
    is_typedef: bool,
    is_extern: bool,
    /// The name that is being declared.
    current: Option<NameId>,
    /// The last specifier of the declaration.
    specifiers: u32,
}

/// An action found an error (Bison's YYERROR).
struct Refused;

impl<'a> Parser<'a> {
    /// A parser at the beginning of a unit.
    pub fn new(
        automaton: &'a Automaton,
        lexer: Lexer<'a>,
        symbols: Symbols,
        report: Report,
    ) -> Self {
        Parser {
            automaton,
            lexer,
            nodes: Nodes::new(),
            symbols,
            report,
            exports: Vec::new(),
            scratch: Vec::new(),
            is_typedef: false,
            is_extern: false,
            current: None,
            specifiers: NIL,
        }
    }

    fn error(&mut self, text: &[u8]) {
        self.locate();
        self.report.error(&[text]);
    }

    /// Reads the whole unit.
    pub fn run(&mut self) {
        let automaton = self.automaton;
        let mut states: Vec<u16> = vec![0];
        let mut places: Vec<u32> = vec![NIL];
        let mut next: Option<Term> = None;
        // How many tokens must be shifted before an error is worth a message again.
        let mut recovering = 0;
        while !self.report.given_up {
            if states.len() >= MAX_DEPTH {
                self.error(b"memory exhausted");
                return;
            }
            let state = states.last().copied().unwrap_or(0);
            let step = match automaton.unasked[usize::from(state)] {
                Some(rule) => Step::Reduce(rule),
                None => {
                    let term = match next {
                        Some(term) => term,
                        None => self.lexer.next(&mut self.symbols.names, &mut self.nodes),
                    };
                    next = Some(term);
                    automaton.step(state, term)
                }
            };
            match step {
                Step::Shift(to) => {
                    states.push(to);
                    places.push(self.nodes.place());
                    next = None;
                    recovering = i32::max(recovering - 1, 0);
                }
                Step::Accept => return,
                Step::Reduce(number) => {
                    let rule = &automaton.rules[usize::from(number)];
                    let base = states.len().saturating_sub(usize::from(rule.len)).max(1);
                    let value = self.act(rule.act, &places[base..]);
                    states.truncate(base);
                    places.truncate(base);
                    let Ok(value) = value else {
                        if !self.recover(&mut states, &mut places) {
                            return;
                        }
                        recovering = 3;
                        continue;
                    };
                    match rule.types {
                        Types::Keep => {}
                        Types::Hide => self.lexer.no_types = true,
                        Types::Show => self.lexer.no_types = false,
                    }
                    let below = states.last().copied().unwrap_or(0);
                    states.push(automaton.goto(below, rule.left));
                    places.push(value);
                }
                Step::Fail => {
                    if recovering == 0 {
                        self.error(b"syntax error");
                    } else if recovering == 3 {
                        // The token after which the rules were resumed does not help: drop it.
                        if next == Some(Term::End) {
                            return;
                        }
                        next = None;
                    }
                    if !self.recover(&mut states, &mut places) {
                        return;
                    }
                    recovering = 3;
                }
            }
        }
    }

    /// Drops states until one can shift `error`, and shifts it; false if none can.
    fn recover(&mut self, states: &mut Vec<u16>, places: &mut Vec<u32>) -> bool {
        while let Some(&state) = states.last() {
            if let Some(to) = self.automaton.on_error(state) {
                states.push(to);
                places.push(self.nodes.place());
                return true;
            }
            states.pop();
            places.pop();
        }
        false
    }

    fn act(&mut self, act: Act, p: &[u32]) -> Result<u32, Refused> {
        let place = |n: u8| p.get(usize::from(n) - 1).copied().unwrap_or(NIL);
        let first = p.first().copied().unwrap_or(NIL);
        let value = match act {
            Act::Nth(n) => place(n),
            Act::Null => NIL,
            Act::Prefer(a, b) if place(a) == NIL => place(b),
            Act::Prefer(a, _) => place(a),
            Act::LastPart => p.iter().rev().copied().find(|&v| v != NIL).unwrap_or(NIL),
            Act::Begin => {
                self.is_typedef = false;
                self.is_extern = false;
                self.current = None;
                self.specifiers = NIL;
                NIL
            }
            Act::Finish => {
                let end = place(2);
                self.nodes.set(end, NIL);
                self.nodes.reset_at(end);
                first
            }
            Act::Typedef => {
                self.is_typedef = true;
                NIL
            }
            Act::External(is_extern) => {
                self.is_extern = is_extern;
                first
            }
            Act::Drop => {
                self.nodes.remove(first);
                first
            }
            Act::NoSpecifiers => {
                self.specifiers = NIL;
                NIL
            }
            Act::Specifiers(n) => {
                self.specifiers = self.nodes.at(place(n));
                first
            }
            Act::TypeName => {
                self.nodes.set_kind(self.nodes.at(first), Kind::Typedef);
                first
            }
            Act::Tag(kind, ident) => {
                self.nodes.remove(first);
                self.nodes.set_kind(self.nodes.at(place(ident)), kind);
                place(ident)
            }
            Act::Compound(kind, ident, body) => {
                self.compound(kind, first, place(ident), place(body));
                place(body)
            }
            Act::AnonymousEnum => {
                self.symbols.end_enum();
                place(2)
            }
            Act::Declare => {
                if self.current.is_some() {
                    self.error(b"unexpected second declaration name");
                    return Err(Refused);
                }
                self.current = self.nodes.name(self.nodes.at(first));
                first
            }
            Act::Close => {
                let end = self.nodes.at(place(3));
                let decl = self.nodes.at(end);
                if self.current.is_some() {
                    self.nodes.set(end, NIL);
                    self.declare_current(decl);
                }
                place(3)
            }
            Act::FirstDeclarator => {
                let decl = self.nodes.at(first);
                self.nodes.set(first, NIL);
                self.declare_current(decl);
                first
            }
            Act::NextDeclarator(n) => {
                let decl = self.nodes.at(place(n));
                self.nodes.set(place(n), NIL);
                // The comma gives way to the specifiers, so that the next declarator follows them too.
                self.nodes.set(place(2), self.specifiers);
                self.declare_current(decl);
                place(n)
            }
            Act::Function => {
                let decl = self.nodes.at(place(2));
                self.nodes.set(place(2), NIL);
                self.is_typedef = false;
                self.declare_current(decl);
                place(3)
            }
            Act::Initialiser => {
                let before = self.nodes.at(self.nodes.at(first));
                self.nodes.set(place(2), before);
                place(2)
            }
            Act::Enumerator => {
                if let Some(name) = self.nodes.name(self.nodes.at(first)) {
                    self.locate();
                    self.symbols.declare(name, Kind::EnumConst, None, false, &mut self.report);
                }
                first
            }
            Act::EnumeratorValue => {
                let (value, equals) = (self.nodes.at(place(3)), self.nodes.at(place(2)));
                if let Some(name) = self.nodes.name(self.nodes.at(first)) {
                    self.nodes.collect(value, equals, &mut self.scratch);
                    self.locate();
                    let expr = (value != equals).then_some(self.scratch.as_slice());
                    self.symbols.declare(name, Kind::EnumConst, expr, false, &mut self.report);
                }
                first
            }
            Act::Export => {
                if let Some(name) = self.nodes.name(self.nodes.at(place(3))) {
                    self.locate();
                    if let Some(crc) = self.symbols.export(name, &mut self.report) {
                        self.exports.push((name, crc));
                    }
                }
                place(5)
            }
        };
        Ok(value)
    }

    /// Tells the report where we are: a declaration can lead to a message.
    fn locate(&mut self) {
        self.report.at(&self.lexer.scan.location);
    }

    fn declare_current(&mut self, decl: u32) {
        let Some(name) = self.current.take() else { return };
        self.nodes.collect(decl, NIL, &mut self.scratch);
        let kind = if self.is_typedef { Kind::Typedef } else { Kind::Normal };
        self.locate();
        let defn = (decl != NIL).then_some(self.scratch.as_slice());
        self.symbols.declare(name, kind, defn, self.is_extern, &mut self.report);
    }

    /// A tag with its body. In the text the two become the tag alone; the body becomes the tag's
    /// definition, unless it stands in the main source file.
    fn compound(&mut self, kind: Kind, keyword: u32, ident: u32, body: u32) {
        let (tag, last) = (self.nodes.at(ident), self.nodes.at(body));
        if self.nodes.in_source(tag) {
            self.nodes.remove(keyword);
            let tag = self.nodes.at(ident);
            self.nodes.set_kind(tag, kind);
            self.nodes.set(body, tag);
            return;
        }
        let reference = self.nodes.copy(tag);
        self.nodes.set_kind(reference, kind);
        let word = self.nodes.at(keyword);
        self.nodes.set(reference, self.nodes.at(word));
        self.nodes.set(body, reference);
        self.nodes.set(word, NIL);
        let Some(name) = self.nodes.name(tag) else { return };
        self.nodes.collect(last, NIL, &mut self.scratch);
        self.locate();
        let defn = (last != NIL).then_some(self.scratch.as_slice());
        self.symbols.declare(name, kind, defn, self.is_extern, &mut self.report);
    }
}
