//! Conditional directives.

use kiln_base::{Loc, text};

use crate::{Fatal, Make, Result};

/// What is done with lines at one depth of conditionals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// They are read.
    Reading,
    /// No branch has been taken yet.
    NotYet,
    /// A branch was taken.
    Done,
}

/// The conditionals that are open in one makefile.
#[derive(Default)]
pub struct Conditionals {
    open: Vec<(State, bool)>,
    /// For each depth, the state of the last one that was there. A conditional that cannot be read,
    /// behind an `else`, takes it over: so it comes out in the original.
    before: Vec<State>,
}

impl Conditionals {
    /// Whether lines are to be skipped.
    pub fn ignoring(&self) -> bool {
        self.open.iter().any(|c| c.0 != State::Reading)
    }

    fn push(&mut self) {
        let state = self.before.get(self.open.len()).copied().unwrap_or(State::Reading);
        self.open.push((state, false));
    }

    fn pop(&mut self) -> Option<State> {
        let (state, _) = self.open.pop()?;
        self.before.resize(self.before.len().max(self.open.len() + 1), State::Reading);
        self.before[self.open.len()] = state;
        Some(state)
    }

    fn set(&mut self, state: State) {
        if let Some(top) = self.open.last_mut() {
            top.0 = state;
        }
    }

    /// Whether an `endif` is missing.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }
}

/// What came of a line.
enum Outcome {
    NotConditional,
    Invalid,
    Done,
}

impl Make {
    /// Deals with a line if it is a conditional directive: `text` begins with its first word.
    ///
    /// # Errors
    /// For a directive out of place or with bad syntax.
    pub(crate) fn conditional_line(
        &mut self,
        conds: &mut Conditionals,
        line: &[u8],
        word: usize,
        loc: Loc,
    ) -> Result<bool> {
        match self.conditional(conds, line, word, loc)? {
            Outcome::NotConditional => Ok(false),
            Outcome::Done => Ok(true),
            Outcome::Invalid => Err(Fatal::at(loc, "invalid syntax in conditional")),
        }
    }

    fn extra_text(&mut self, what: &str, loc: Loc) {
        let msg = format!("extraneous text after '{what}' directive");
        self.say(Some(loc), msg.as_bytes());
    }

    fn conditional(
        &mut self,
        conds: &mut Conditionals,
        line: &[u8],
        word: usize,
        loc: Loc,
    ) -> Result<Outcome> {
        let what = match &line[..word] {
            b"ifdef" => "ifdef",
            b"ifndef" => "ifndef",
            b"ifeq" => "ifeq",
            b"ifneq" => "ifneq",
            b"else" => "else",
            b"endif" => "endif",
            _ => return Ok(Outcome::NotConditional),
        };
        let rest = &line[word..];
        let rest = &rest[text::leading_space(rest)..];
        let extraneous = || Fatal::at(loc, format!("extraneous '{what}'"));
        if what == "endif" {
            if !rest.is_empty() {
                self.extra_text(what, loc);
            }
            conds.pop().ok_or_else(extraneous)?;
            return Ok(Outcome::Done);
        }
        if what == "else" {
            let here = conds.open.len();
            let top = conds.open.last_mut().ok_or_else(extraneous)?;
            if top.1 {
                return Err(Fatal::at(loc, "only one 'else' per conditional"));
            }
            top.0 = match top.0 {
                State::Reading | State::Done => State::Done,
                State::NotYet => State::Reading,
            };
            if rest.is_empty() {
                top.1 = true;
                return Ok(Outcome::Done);
            }
            // `else ifeq …`: a conditional of its own, raised to this depth.
            let n = text::word_end(rest, 0);
            let nested = match &rest[..n] {
                b"else" | b"endif" => Outcome::Invalid,
                _ => self.conditional(conds, rest, n, loc)?,
            };
            // One that could not be read keeps its depth.
            if matches!(nested, Outcome::Done) && conds.open.len() > here {
                let raised = conds.pop();
                let top = &mut conds.open[here - 1];
                if top.0 != State::Done
                    && let Some(state) = raised
                {
                    top.0 = state;
                }
            } else {
                self.extra_text(what, loc);
            }
            return Ok(Outcome::Done);
        }
        let outer_ignoring = conds.ignoring();
        conds.push();
        if outer_ignoring {
            conds.set(State::NotYet);
            return Ok(Outcome::Done);
        }
        let holds = match what {
            "ifdef" | "ifndef" => {
                let name = self.expand(rest)?;
                let n = text::word_end(&name, 0);
                if text::leading_space(&name[n..]) != name.len() - n {
                    return Ok(Outcome::Invalid);
                }
                let v = self.lookup_var(&name[..n]);
                v.is_some_and(|v| !self.vars[v].value.is_empty()) == (what == "ifdef")
            }
            _ => match self.compare(rest, what, loc)? {
                Some(equal) => equal == (what == "ifeq"),
                None => return Ok(Outcome::Invalid),
            },
        };
        conds.set(if holds { State::Reading } else { State::NotYet });
        Ok(Outcome::Done)
    }

    /// `(A,B)`, `"A" "B"`, `'A' 'B'`: whether both are equal; `None` if that is not what stands there.
    fn compare(&mut self, t: &[u8], what: &str, loc: Loc) -> Result<Option<bool>> {
        let parens = t.first() == Some(&b'(');
        let (first, mut rest) = if parens {
            let Some(comma) = outside_parens(&t[1..], b',') else { return Ok(None) };
            let mut end = comma;
            let body = &t[1..];
            while end > 0 && text::is_blank(body[end - 1]) {
                end -= 1;
            }
            (&body[..end], &body[comma + 1..])
        } else {
            match t.first() {
                Some(&q) if q == b'"' || q == b'\'' => {
                    let Some(n) = memchr::memchr(q, &t[1..]) else { return Ok(None) };
                    (&t[1..=n], &t[n + 2..])
                }
                _ => return Ok(None),
            }
        };
        let mut left = self.take_buffer();
        self.expand_into(first, &mut left)?;
        rest = &rest[text::leading_space(rest)..];
        let (second, tail) = if parens {
            let Some(end) = outside_parens(rest, b')') else { return Ok(None) };
            (&rest[..end], &rest[end + 1..])
        } else {
            match rest.first() {
                Some(&q) if q == b'"' || q == b'\'' => {
                    let Some(n) = memchr::memchr(q, &rest[1..]) else { return Ok(None) };
                    (&rest[1..=n], &rest[n + 2..])
                }
                // A quoted first text may be followed by one in parentheses: the original takes
                // the terminator from the byte that stands there.
                Some(b')') => return Ok(None),
                _ => return Ok(None),
            }
        };
        if text::leading_space(tail) != tail.len() {
            self.extra_text(what, loc);
        }
        let mut right = self.take_buffer();
        self.expand_into(second, &mut right)?;
        let equal = left == right;
        self.give_buffer(left);
        self.give_buffer(right);
        Ok(Some(equal))
    }
}

/// Where `stop` stands outside of nested parentheses. A comma counts at depth zero or below.
fn outside_parens(t: &[u8], stop: u8) -> Option<usize> {
    let mut depth = 0i32;
    for (i, &b) in t.iter().enumerate() {
        match b {
            b'(' => depth += 1,
            b')' if stop == b')' => {
                if depth <= 0 {
                    return Some(i);
                }
                depth -= 1;
            }
            b')' => depth -= 1,
            b if b == stop && depth <= 0 => return Some(i),
            _ => {}
        }
    }
    None
}
