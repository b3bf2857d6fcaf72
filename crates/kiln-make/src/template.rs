//! A text with variable references, parsed once so that it can be expanded many times.
//!
//! Parsing never fails: what would be an error when expanded becomes a [`Seg::Fail`] at its place,
//! since make reports it only when expansion gets there. Nothing is looked up here but names.

use kiln_base::{Name, Names, text};

use crate::func::{self, Func};
use crate::limits::MAX_PARENS;

/// A parsed text together with its source.
#[derive(Debug)]
pub struct Template {
    /// The text; segments are ranges of it.
    pub src: Box<[u8]>,
    /// Its segments.
    pub segs: Box<[Seg]>,
}

/// A piece of a text. Ranges are into the source.
#[derive(Debug)]
pub enum Seg {
    /// Plain text.
    Lit(u32, u32),
    /// `$(NAME)`, `$X`
    Var(Name),
    /// `$(NAME:A=B)` without references inside: pattern and replacement.
    Subst(Name, (u32, u32), (u32, u32)),
    /// `$(…$…)`: the expanded text is a name or a substitution reference.
    Computed(Box<[Seg]>),
    /// A call of a built-in function.
    Call(&'static Func, Box<[Arg]>),
    /// A call of a built-in function of one argument, which is plain text.
    Plain(&'static Func, u32, u32),
    /// An error, found when expansion gets here.
    Fail(Box<[u8]>),
}

/// An argument of a built-in function.
#[derive(Debug)]
pub struct Arg {
    /// The text parsed.
    pub segs: Box<[Seg]>,
}

/// Bytes that can be part of a function's name.
fn in_function_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// The function that a reference beginning with `s` calls: a known name before white space or the
/// end of the text.
pub fn function_at(s: &[u8]) -> Option<&'static Func> {
    let n = s.iter().position(|&b| !in_function_name(b)).unwrap_or(s.len());
    if n == 0 || n > func::LONGEST_NAME || s.get(n).is_some_and(|&b| !text::is_space(b)) {
        return None;
    }
    func::by_name(&s[..n])
}

/// Parses `src[start..end]`.
pub fn parse(names: &mut Names, src: &[u8], start: usize, end: usize) -> Vec<Seg> {
    let mut p = Parser { names, src, end, depth: 0 };
    p.text(start)
}

/// Parses the plain text at `at` and the reference behind it. Returns where the text goes on, `None`
/// at its end: a text that is expanded only once need not be parsed as a whole.
pub fn step(names: &mut Names, src: &[u8], at: usize, segs: &mut Vec<Seg>) -> Option<usize> {
    let mut p = Parser { names, src, end: src.len(), depth: 0 };
    p.step(at, segs)
}

struct Parser<'a> {
    names: &'a mut Names,
    src: &'a [u8],
    end: usize,
    /// How many references stand around the text.
    depth: u32,
}

impl Parser<'_> {
    fn within(&mut self, start: usize, end: usize) -> Box<[Seg]> {
        if start == end {
            return Box::default();
        }
        if self.depth == MAX_PARENS {
            let msg = b"references nest too deeply".as_slice().into();
            return Box::new([Seg::Fail(msg)]);
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.end, end);
        let segs = self.text(start);
        self.end = outer;
        self.depth -= 1;
        segs.into_boxed_slice()
    }

    fn text(&mut self, start: usize) -> Vec<Seg> {
        let mut segs = Vec::new();
        let mut at = Some(start);
        while let Some(from) = at {
            at = self.step(from, &mut segs);
        }
        segs
    }

    fn step(&mut self, lit: usize, segs: &mut Vec<Seg>) -> Option<usize> {
        let Some(n) = memchr::memchr(b'$', &self.src[lit..self.end]) else {
            if lit < self.end {
                segs.push(Seg::Lit(lit as u32, self.end as u32));
            }
            return None;
        };
        let dollar = lit + n;
        let p = dollar + 1;
        // `$$`, and `$` at the very end, stand for one dollar: the first one of the text.
        if p >= self.end || self.src[p] == b'$' {
            segs.push(Seg::Lit(lit as u32, p as u32));
            return (p < self.end).then_some(p + 1);
        }
        if dollar > lit {
            segs.push(Seg::Lit(lit as u32, dollar as u32));
        }
        let c = self.src[p];
        if c == b'(' || c == b'{' {
            return self.reference(p, segs);
        }
        segs.push(Seg::Var(self.names.intern(&self.src[p..=p])));
        Some(p + 1)
    }

    /// A reference whose opening parenthesis stands at `p`. Returns where the text goes on.
    fn reference(&mut self, p: usize, segs: &mut Vec<Seg>) -> Option<usize> {
        let open = self.src[p];
        let close = if open == b'(' { b')' } else { b'}' };
        let beg = p + 1;
        if let Some(f) = function_at(&self.src[beg..self.end]) {
            return self.call(f, beg, open, close, segs);
        }
        let Some(first_close) = memchr::memchr(close, &self.src[beg..self.end]).map(|n| beg + n)
        else {
            segs.push(Seg::Fail(b"unterminated variable reference".as_slice().into()));
            return None;
        };
        if memchr::memchr(b'$', &self.src[beg..first_close]).is_none() {
            let seg = self.plain_reference(beg, first_close);
            segs.push(seg);
            return Some(first_close + 1);
        }
        match self.matching(beg, open, close) {
            Some(end) => {
                let inner = self.within(beg, end);
                segs.push(Seg::Computed(inner));
                Some(end + 1)
            }
            // Unbalanced: make takes the text up to the first closing one for the name, and drops
            // what follows.
            None => {
                let seg = self.plain_reference(beg, first_close);
                segs.push(seg);
                None
            }
        }
    }

    fn matching(&self, beg: usize, open: u8, close: u8) -> Option<usize> {
        let mut depth = 0usize;
        for i in memchr::memchr2_iter(open, close, &self.src[beg..self.end]) {
            if self.src[beg + i] == open {
                depth += 1;
            } else if depth == 0 {
                return Some(beg + i);
            } else {
                depth -= 1;
            }
        }
        None
    }

    fn plain_reference(&mut self, beg: usize, end: usize) -> Seg {
        let body = &self.src[beg..end];
        if let Some(colon) = memchr::memchr(b':', body)
            && let Some(eq) = memchr::memchr(b'=', &body[colon + 1..]).map(|n| colon + 1 + n)
        {
            let name = self.names.intern(&body[..colon]);
            return Seg::Subst(
                name,
                ((beg + colon + 1) as u32, (beg + eq) as u32),
                ((beg + eq + 1) as u32, end as u32),
            );
        }
        Seg::Var(self.names.intern(body))
    }

    fn call(
        &mut self,
        f: &'static Func,
        name: usize,
        open: u8,
        close: u8,
        segs: &mut Vec<Seg>,
    ) -> Option<usize> {
        let mut beg = name + f.name.len();
        beg += text::leading_space(&self.src[beg..self.end]);
        let Some(end) = self.matching(beg, open, close) else {
            let mut msg = b"unterminated call to function '".to_vec();
            msg.extend_from_slice(f.name);
            msg.extend_from_slice(b"': missing '");
            msg.push(close);
            msg.push(b'\'');
            segs.push(Seg::Fail(msg.into_boxed_slice()));
            return None;
        };
        if f.max == 1 && !f.lazy() && memchr::memchr(b'$', &self.src[beg..end]).is_none() {
            segs.push(Seg::Plain(f, beg as u32, end as u32));
            return Some(end + 1);
        }
        let mut args = Vec::with_capacity(f.max);
        let mut depth = 0usize;
        let mut from = beg;
        if f.max != 1 {
            for i in memchr::memchr3_iter(open, close, b',', &self.src[beg..end]) {
                let i = beg + i;
                match self.src[i] {
                    b',' if depth == 0 => {
                        let arg = self.arg(f, args.len(), from, i);
                        args.push(arg);
                        from = i + 1;
                        if f.max != 0 && args.len() + 1 == f.max {
                            break;
                        }
                    }
                    b',' => {}
                    b if b == open => depth += 1,
                    _ => depth = depth.saturating_sub(1),
                }
            }
        }
        let arg = self.arg(f, args.len(), from, end);
        args.push(arg);
        segs.push(Seg::Call(f, args.into_boxed_slice()));
        Some(end + 1)
    }

    fn arg(&mut self, f: &Func, n: usize, mut from: usize, mut to: usize) -> Arg {
        if f.strips(n) {
            from += text::leading_space(&self.src[from..to]);
            while to > from && text::is_space(self.src[to - 1]) {
                to -= 1;
            }
        }
        Arg { segs: self.within(from, to) }
    }
}
