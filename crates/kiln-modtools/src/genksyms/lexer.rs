//! Raw tokens to the grammar's tokens. The lexer knows where it stands (inside an attribute, a function
//! body, an initialiser …) and hands such a phrase over as one token; every raw token of it still goes
//! to the token list. It also tells typedef names and reserved words from other identifiers.
//!
//! It does not know the grammar: what the parser has found out reaches it through the symbol table and,
//! since Linux 6.14, through `no_types`.

use super::Flavor;
use super::grammar::Term;
use super::names::{Class, NameId, Names};
use super::nodes::{Kind, Nodes};
use super::scan::{Raw, Scanner};

/// Where the lexer stands between two tokens of the grammar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Normal,
    Attribute,
    Asm,
    Typeof,
    /// Right after the first parenthesis of a typeof.
    TypeofOpen,
    Bracket,
    Brace,
    Expression,
    StaticAssert,
}

/// The lexer.
pub struct Lexer<'a> {
    /// The raw tokens.
    pub scan: Scanner<'a>,
    state: State,
    /// A `(` to hand out before the next raw token.
    pending_paren: bool,
    /// Tokens for which an identifier is no typedef name (a tag follows `struct`).
    suppress_types: u8,
    /// Tokens for which `{` begins a class body and not a function's.
    class_body: u8,
    /// Set by the parser from 6.14 on: a type has been seen, an identifier is now a declarator.
    pub no_types: bool,
    flavor: Flavor,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of `text`.
    pub fn new(text: &'a [u8], flavor: Flavor) -> Self {
        Lexer {
            scan: Scanner::new(text),
            state: State::Normal,
            pending_paren: false,
            suppress_types: 0,
            class_body: 0,
            no_types: false,
            flavor,
        }
    }

    fn raw(&mut self) -> Raw {
        if self.pending_paren {
            self.pending_paren = false;
            return Raw { term: Term::LParen, start: 0, end: 0 };
        }
        self.scan.next()
    }

    fn intern(&self, raw: Raw, names: &mut Names) -> NameId {
        if raw.end <= raw.start + 1 {
            // Only the parenthesis that was put in has no text of its own.
            let text = self.scan.slice(raw);
            return names.byte(text.first().copied().unwrap_or(b'('));
        }
        let text = self.scan.slice(raw);
        if matches!(raw.term, Term::Str | Term::Char) {
            // A C string ends at its first NUL.
            let len = memchr::memchr(0, text).unwrap_or(text.len());
            return names.intern(&text[..len]);
        }
        names.intern(text)
    }

    fn append(&self, name: NameId, names: &Names, nodes: &mut Nodes) {
        let kind =
            if names.get(name).class == Class::EnumConst { Kind::EnumConst } else { Kind::Normal };
        nodes.push(name, kind, self.scan.location.in_source);
    }

    /// The next token of the grammar. Its text is the newest in `nodes`.
    pub fn next(&mut self, names: &mut Names, nodes: &mut Nodes) -> Term {
        let mut depth = 0i32;
        let term = loop {
            let raw = self.raw();
            if raw.term == Term::End {
                return Term::End;
            }
            let name = self.intern(raw, names);
            let mut term = raw.term;
            if term == Term::Ident && names.get(name).keyword == Term::VectorInt {
                term = Term::BuiltinInt;
            }
            match self.state {
                State::Normal => {
                    self.append(name, names, nodes);
                    match term {
                        Term::Ident => {
                            if let Some(term) = self.word(name, names) {
                                break term;
                            }
                            depth = 0;
                        }
                        Term::LBracket => {
                            self.state = State::Bracket;
                            depth = 1;
                        }
                        Term::LBrace if self.class_body == 0 => {
                            self.state = State::Brace;
                            depth = 1;
                        }
                        Term::Equals | Term::Colon => {
                            self.state = State::Expression;
                            break term;
                        }
                        _ => break term,
                    }
                }
                State::Attribute | State::Asm | State::StaticAssert => {
                    self.append(name, names, nodes);
                    match term {
                        Term::LParen => depth += 1,
                        Term::RParen => {
                            depth -= 1;
                            if depth == 0 {
                                let phrase = match self.state {
                                    State::Attribute => Term::AttributePhrase,
                                    State::Asm => Term::AsmPhrase,
                                    _ => Term::StaticAssertPhrase,
                                };
                                self.state = State::Normal;
                                break phrase;
                            }
                        }
                        _ => {}
                    }
                }
                State::Bracket | State::Brace => {
                    self.append(name, names, nodes);
                    let (open, close, phrase) = if self.state == State::Bracket {
                        (Term::LBracket, Term::RBracket, Term::BracketPhrase)
                    } else {
                        (Term::LBrace, Term::RBrace, Term::BracePhrase)
                    };
                    if term == open {
                        depth += 1;
                    } else if term == close {
                        depth -= 1;
                        if depth == 0 {
                            self.state = State::Normal;
                            break phrase;
                        }
                    }
                }
                State::Typeof | State::TypeofOpen => {
                    if self.state == State::TypeofOpen {
                        if term == Term::Ident {
                            let known = names.get(name);
                            if known.keyword != Term::Ident || known.class == Class::Typedef {
                                // A type: the grammar reads on from the parenthesis.
                                self.scan.put_back(raw);
                                self.pending_paren = true;
                                self.state = State::Normal;
                                break Term::Typeof;
                            }
                            self.append(names.byte(b'('), names, nodes);
                        }
                        self.state = State::Typeof;
                    }
                    if term == Term::LParen {
                        depth += 1;
                        if depth == 1 {
                            // This parenthesis reaches the list only before an identifier.
                            self.state = State::TypeofOpen;
                            continue;
                        }
                    }
                    self.append(name, names, nodes);
                    if term == Term::RParen {
                        depth -= 1;
                        if depth == 0 {
                            self.state = State::Normal;
                            break Term::TypeofPhrase;
                        }
                    }
                }
                State::Expression => {
                    let ends = matches!(term, Term::RBrace | Term::Comma | Term::Semicolon);
                    if ends && depth == 0 {
                        self.scan.put_back(raw);
                        self.state = State::Normal;
                        break Term::ExpressionPhrase;
                    }
                    match term {
                        Term::LParen | Term::LBracket | Term::LBrace => depth += 1,
                        Term::RParen | Term::RBracket | Term::RBrace => depth -= 1,
                        _ => {}
                    }
                    self.append(name, names, nodes);
                }
            }
        };
        self.suppress_types = self.suppress_types.saturating_sub(1);
        if !(self.flavor.declarators_hide_types && term == Term::AttributePhrase) {
            self.class_body = self.class_body.saturating_sub(1);
        }
        // A byte above 127 is a negative token, which the grammar takes for the end.
        if term == Term::HighByte { Term::End } else { term }
    }

    /// What an identifier is; `None` if it begins a phrase.
    fn word(&mut self, name: NameId, names: &Names) -> Option<Term> {
        let known = names.get(name);
        let state = match known.keyword {
            Term::Ident => State::Normal,
            Term::Attribute => State::Attribute,
            Term::Asm => State::Asm,
            Term::Typeof => State::Typeof,
            Term::StaticAssert => State::StaticAssert,
            Term::Struct | Term::Union | Term::Enum => {
                self.class_body = 3;
                self.suppress_types = 2;
                return Some(known.keyword);
            }
            Term::ExportSymbol => return Some(known.keyword),
            // A typedef may bear the name of a reserved word and then wins.
            word => return Some(self.or_type(word, known.class)),
        };
        if state == State::Normal {
            return Some(self.or_type(Term::Ident, known.class));
        }
        self.state = state;
        None
    }

    fn or_type(&self, word: Term, class: Class) -> Term {
        if class == Class::Typedef && self.suppress_types == 0 && !self.no_types {
            Term::Type
        } else {
            word
        }
    }
}
