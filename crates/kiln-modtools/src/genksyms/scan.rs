//! Preprocessed C to raw tokens, as the original's flex rules cut it: the longest match, and of two
//! equally long ones the rule that stands first.
//!
//! It keeps the line and file of the position, and does not know what a token means. White space
//! takes part in nothing but the question whether a `#` begins a line.

use std::rc::Rc;

use memchr::{memchr, memchr2};

use super::grammar::Term;

/// A raw token: its class and where its text lies.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// `Ident`, `Int`, `Real`, `Str`, `Char`, `Other`, `Dots` or a character of its own.
    pub term: Term,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

/// Where messages say that they are, and whether tokens belong to the main source file.
#[derive(Default)]
pub struct Location {
    /// The file of the newest line marker.
    pub file: Option<Rc<[u8]>>,
    /// The line, counted on from the newest line marker.
    pub line: i32,
    /// The file of the first line marker.
    main: Option<Rc<[u8]>>,
    /// Whether `file` is `main`.
    pub in_source: bool,
}

/// The scanner.
pub struct Scanner<'a> {
    text: &'a [u8],
    pos: usize,
    line_start: bool,
    /// Line and file of `pos`.
    pub location: Location,
    /// For `"` and `'`: the start and end of the newest literal that turned out to have no end.
    open_literal: [(usize, usize); 2],
}

const IDENT_START: u8 = 1;
const IDENT: u8 = 2;
const DIGIT: u8 = 4;
const BLANK: u8 = 8;
/// May be followed by `=` to make one token.
const BEFORE_EQUALS: u8 = 16;
const HEX: u8 = 32;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut t = [0u8; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        if c.is_ascii_alphabetic() || c == b'_' || c == b'$' {
            t[b] |= IDENT_START | IDENT;
        }
        if c.is_ascii_digit() {
            t[b] |= DIGIT | IDENT;
        }
        if c.is_ascii_hexdigit() {
            t[b] |= HEX;
        }
        if matches!(c, b' ' | b'\t' | 0x0c | 0x0b | b'\r') {
            t[b] |= BLANK;
        }
        if matches!(
            c,
            b'~' | b'%' | b'^' | b'&' | b'*' | b'+' | b'=' | b'|' | b'<' | b'>' | b'/' | b'-'
        ) {
            t[b] |= BEFORE_EQUALS;
        }
        b += 1;
    }
    t
}

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`.
    pub fn new(text: &'a [u8]) -> Self {
        Scanner {
            text,
            pos: 0,
            line_start: true,
            location: Location { line: 1, ..Location::default() },
            open_literal: [(0, 0); 2],
        }
    }

    /// The text of a token.
    pub fn slice(&self, raw: Raw) -> &'a [u8] {
        &self.text[raw.start..raw.end]
    }

    /// Puts a token back: the next call finds it again.
    pub fn put_back(&mut self, raw: Raw) {
        self.pos = raw.start;
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn is(&self, at: usize, class: u8) -> bool {
        self.text.get(at).is_some_and(|&b| CLASS[usize::from(b)] & class != 0)
    }

    fn run(&self, mut at: usize, class: u8) -> usize {
        while self.is(at, class) {
            at += 1;
        }
        at
    }

    /// The next token; `Term::End` at the end and at a NUL, where the original stops too.
    #[inline]
    pub fn next(&mut self) -> Raw {
        loop {
            let start = self.pos;
            let Some(&b) = self.text.get(start) else {
                return Raw { term: Term::End, start, end: start };
            };
            let class = CLASS[usize::from(b)];
            if class & BLANK != 0 {
                self.pos = start + 1;
                self.line_start = false;
                continue;
            }
            if b == b'\n' {
                self.pos = start + 1;
                self.line_start = true;
                self.location.line = self.location.line.wrapping_add(1);
                continue;
            }
            if b == b'#' && self.line_start && self.directive() {
                continue;
            }
            self.line_start = false;
            let (term, end) = self.token(b, class, start);
            self.pos = end;
            return Raw { term, start, end };
        }
    }

    #[inline]
    fn token(&mut self, b: u8, class: u8, start: usize) -> (Term, usize) {
        if class & IDENT_START != 0 {
            let end = self.run(start + 1, IDENT);
            if b == b'L'
                && end == start + 1
                && let Some(long) = self.literal(end)
            {
                return long;
            }
            return (Term::Ident, end);
        }
        if class & DIGIT != 0 || (b == b'.' && self.is(start + 1, DIGIT)) {
            return self.number(start);
        }
        if (b == b'"' || b == b'\'')
            && let Some(literal) = self.literal(start)
        {
            return literal;
        }
        let second = self.byte(start + 1);
        if (class & BEFORE_EQUALS != 0 && second == b'=')
            || matches!(
                (b, second),
                (b'&', b'&') | (b'|', b'|') | (b'-', b'>') | (b'<', b'<') | (b'>', b'>')
            )
        {
            return (Term::Other, start + 2);
        }
        if b == b'.' && second == b'.' && self.byte(start + 2) == b'.' {
            return (Term::Dots, start + 3);
        }
        (Term::of_byte(b), start + 1)
    }

    /// A string or character constant that begins with the quote at `at`. Without a closing quote, or
    /// with a backslash before a line's end, the quote is a token of its own (`None`).
    fn literal(&mut self, at: usize) -> Option<(Term, usize)> {
        let quote = self.byte(at);
        let (term, which) = match quote {
            b'"' => (Term::Str, 0),
            b'\'' => (Term::Char, 1),
            _ => return None,
        };
        let (open, broken) = self.open_literal[which];
        let mut i = at + 1;
        loop {
            // A literal that met no end has shown that none follows from any later position either
            // where both readings agree about what is escaped. Without this, text of nothing but
            // escaped quotes would take quadratic time.
            if open < i && i < broken && self.byte(i - 1) != b'\\' && at > open {
                return None;
            }
            let found = memchr2(quote, b'\\', &self.text[i.min(self.text.len())..]);
            let Some(step) = found else { break };
            i += step;
            match self.byte(i) {
                b'\\' if i + 1 >= self.text.len() || self.byte(i + 1) == b'\n' => break,
                b'\\' => i += 2,
                b if b == quote => return Some((term, i + 1)),
                _ => i += 1,
            }
        }
        self.open_literal[which] = (at, i.max(at + 1).min(self.text.len()));
        None
    }

    /// The longest of the integer and floating readings; an integer when both are as long.
    fn number(&self, start: usize) -> (Term, usize) {
        let int = self.integer(start);
        let digits = self.run(start, DIGIT);
        let mut real = 0;
        if self.byte(digits) == b'.' {
            let fraction = self.run(digits + 1, DIGIT);
            if fraction > digits + 1 || digits > start {
                real = self.exponent(fraction).unwrap_or(fraction);
            }
        } else if let Some(end) = self.exponent(digits) {
            real = end;
        }
        if real > 0 && matches!(self.byte(real), b'F' | b'f' | b'L' | b'l') {
            real += 1;
        }
        if real > int { (Term::Real, real) } else { (Term::Int, int) }
    }

    fn exponent(&self, at: usize) -> Option<usize> {
        if !matches!(self.byte(at), b'e' | b'E') {
            return None;
        }
        let sign = usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
        let end = self.run(at + 1 + sign, DIGIT);
        (end > at + 1 + sign).then_some(end)
    }

    /// The end of the integer at `start`, or 0 if there is none. Of `0x1ULL` it takes `0x1UL`.
    fn integer(&self, start: usize) -> usize {
        let mut end = match self.byte(start) {
            b'0' if matches!(self.byte(start + 1), b'x' | b'X') && self.is(start + 2, HEX) => {
                self.run(start + 2, HEX)
            }
            b'0' => {
                let mut at = start + 1;
                while matches!(self.byte(at), b'0'..=b'7') {
                    at += 1;
                }
                at
            }
            b'1'..=b'9' => self.run(start, DIGIT),
            _ => return 0,
        };
        let lower = |b: u8| b.to_ascii_lowercase();
        match (lower(self.byte(end)), lower(self.byte(end + 1))) {
            (b'u', b'l') | (b'l', b'u') => end += 2,
            (b'u' | b'l', _) => end += 1,
            _ => {}
        }
        end
    }

    /// A whole line that begins with `#`; false if the text ends before the line does.
    fn directive(&mut self) -> bool {
        let rest = &self.text[self.pos..];
        let Some(len) = memchr(b'\n', rest) else { return false };
        if !self.line_marker(len) {
            self.location.line = self.location.line.wrapping_add(1);
        }
        self.pos += len + 1;
        true
    }

    /// `# <integer> "<file>"…`: the next line's number and file.
    fn line_marker(&mut self, len: usize) -> bool {
        let start = self.pos;
        let line = &self.text[start..start + len];
        let blanks =
            |from: usize| line[from..].iter().take_while(|&&b| b == b' ' || b == b'\t').count();
        let number = 1 + blanks(1);
        if number == 1 || !self.is(start + number, DIGIT) {
            return false;
        }
        let after = self.integer(start + number) - start;
        if after > len {
            return false;
        }
        let quote = after + blanks(after);
        if quote == after || line.get(quote) != Some(&b'"') {
            return false;
        }
        let Some(end) = memchr(b'"', &line[quote + 1..]).filter(|&n| n > 0) else { return false };
        let file = &line[quote + 1..quote + 1 + end];
        self.location.line = decimal(&line[number..]);
        let location = &mut self.location;
        if location.file.as_deref() != Some(file) {
            location.file = Some(file.into());
        }
        let main = location.main.get_or_insert_with(|| file.into());
        location.in_source = **main == *file;
        true
    }
}

/// `atoi`: the decimal digits at the beginning, wrapped into an `int` as the C library does it.
fn decimal(digits: &[u8]) -> i32 {
    let value = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    value as i32
}
