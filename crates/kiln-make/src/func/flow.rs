//! Functions that decide what is expanded: `if`, `or`, `and`, `intcmp`, `foreach`, `let`, `call`.

use std::cmp::Ordering;

use kiln_base::text;

use super::{Func, Kind};
use crate::expand::Args;
use crate::template::{self, Arg};
use crate::{Make, Result};

/// An integer of any length as `$(intcmp)` reads it.
struct TextInt<'a> {
    negative: bool,
    /// Digits without leading zeros.
    digits: &'a [u8],
}

impl TextInt<'_> {
    fn sign(&self) -> i32 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }
}

impl Make {
    fn text_int<'a>(&self, s: &'a [u8], what: &str) -> Result<TextInt<'a>> {
        let say = |tail: &[&[u8]]| {
            let mut msg = what.as_bytes().to_vec();
            tail.iter().for_each(|t| msg.extend_from_slice(t));
            self.expansion_error(msg)
        };
        let p = &s[text::leading_space(s)..];
        if p.is_empty() {
            return Err(say(&[b": empty value"]));
        }
        let negative = p[0] == b'-';
        let p = if negative || p[0] == b'+' { &p[1..] } else { p };
        let n = p.iter().take_while(|b| b.is_ascii_digit()).count();
        if n == 0 || text::leading_space(&p[n..]) != p.len() - n {
            return Err(say(&[b": '", s, b"'"]));
        }
        let zeros = p[..n].iter().take_while(|&&b| b == b'0').count();
        Ok(TextInt { negative, digits: &p[zeros..n] })
    }

    /// A function that expands its own arguments.
    pub(super) fn call_lazy(
        &mut self,
        f: &Func,
        src: &[u8],
        args: &[Arg],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match f.kind {
            Kind::If => {
                let mark = out.len();
                self.eval(src, &args[0].segs, out)?;
                let yes = out.len() > mark;
                out.truncate(mark);
                match args.get(if yes { 1 } else { 2 }) {
                    Some(a) => self.eval(src, &a.segs, out),
                    None => Ok(()),
                }
            }
            Kind::Or => {
                let mark = out.len();
                for a in args {
                    self.eval(src, &a.segs, out)?;
                    if out.len() > mark {
                        break;
                    }
                }
                Ok(())
            }
            Kind::And => {
                let mark = out.len();
                for a in args {
                    out.truncate(mark);
                    self.eval(src, &a.segs, out)?;
                    if out.len() == mark {
                        break;
                    }
                }
                Ok(())
            }
            Kind::Intcmp => self.intcmp(src, args, out),
            Kind::Foreach => self.foreach(src, args, out),
            Kind::Let => self.let_function(src, args, out),
            _ => unreachable!("not a lazy function"),
        }
    }

    fn intcmp(&mut self, src: &[u8], args: &[Arg], out: &mut Vec<u8>) -> Result<()> {
        let mut a = self.take_buffer();
        let mut b = self.take_buffer();
        self.eval(src, &args[0].segs, &mut a)?;
        self.eval(src, &args[1].segs, &mut b)?;
        let x = self.text_int(&a, "non-numeric first argument to 'intcmp' function")?;
        let y = self.text_int(&b, "non-numeric second argument to 'intcmp' function")?;
        // Two negative numbers are compared by their digits as positive ones are: as the original.
        let order = x
            .sign()
            .cmp(&y.sign())
            .then(x.digits.len().cmp(&y.digits.len()))
            .then_with(|| x.digits.cmp(y.digits));
        if args.len() == 2 && order == Ordering::Equal {
            if x.sign() < 0 {
                out.push(b'-');
            }
            out.extend_from_slice(if x.digits.is_empty() { b"0" } else { x.digits });
        }
        self.give_buffer(a);
        self.give_buffer(b);
        let part = match order {
            Ordering::Less => args.get(2),
            Ordering::Equal => args.get(3),
            Ordering::Greater => args.get(4).or(args.get(3)),
        };
        match part {
            Some(p) => self.eval(src, &p.segs, out),
            None => Ok(()),
        }
    }

    fn foreach(&mut self, src: &[u8], args: &[Arg], out: &mut Vec<u8>) -> Result<()> {
        let mut name = self.take_buffer();
        self.eval(src, &args[0].segs, &mut name)?;
        let mut list = self.take_buffer();
        self.eval(src, &args[1].segs, &mut list)?;
        let var = self.names.intern(text::words(&name).next().unwrap_or(b""));
        self.give_buffer(name);
        self.scope = self.vars.push(self.scope);
        let v = self.vars.define_local(self.scope, var, b"");
        let mut any = false;
        for word in text::words(&list) {
            if any {
                out.push(b' ');
            }
            any = true;
            let value = &mut self.vars[v].value;
            value.clear();
            value.extend_from_slice(word);
            self.eval(src, &args[2].segs, out)?;
        }
        self.scope = self.vars.pop(self.scope);
        self.give_buffer(list);
        Ok(())
    }

    fn let_function(&mut self, src: &[u8], args: &[Arg], out: &mut Vec<u8>) -> Result<()> {
        let mut names = self.take_buffer();
        self.eval(src, &args[0].segs, &mut names)?;
        let mut list = self.take_buffer();
        self.eval(src, &args[1].segs, &mut list)?;
        self.scope = self.vars.push(self.scope);
        let mut pos = 0;
        {
            let mut vars = text::words(&names).peekable();
            while let Some(name) = vars.next() {
                let name = self.names.intern(name);
                if vars.peek().is_some() {
                    let word = text::next_word(&list, &mut pos).unwrap_or(b"");
                    // One blank behind the word goes with it.
                    pos = (pos + 1).min(list.len());
                    self.vars.define_local(self.scope, name, word);
                } else {
                    let rest = &list[pos..];
                    let rest = &rest[text::leading_space(rest)..];
                    self.vars.define_local(self.scope, name, rest);
                }
            }
        }
        self.eval(src, &args[2].segs, out)?;
        self.scope = self.vars.pop(self.scope);
        self.give_buffer(names);
        self.give_buffer(list);
        Ok(())
    }

    /// `$(call NAME,…)` with its arguments expanded.
    pub(super) fn call(&mut self, args: &Args, out: &mut Vec<u8>) -> Result<()> {
        let Some(fname) = text::words(args.get(0)).next() else { return Ok(()) };
        if let Some(f) = template::function_at(fname) {
            return self.call_function_by_name(f, args, out);
        }
        let name = self.names.intern(fname);
        let Some(v) = self.vars.lookup(self.scope, name) else {
            self.warn_undefined(name);
            return Ok(());
        };
        if self.vars[v].value.is_empty() {
            return Ok(());
        }
        self.scope = self.vars.push(self.scope);
        let n = args.len();
        for i in 0..n.max(self.max_call_args) {
            let number = self.number_name(i);
            // Arguments of an outer call that this one does not give are hidden.
            let value = if i == 0 {
                fname
            } else if i < n {
                args.get(i)
            } else {
                b""
            };
            self.vars.define_local(self.scope, number, value);
        }
        self.vars[v].exp_count = EXP_COUNT_MAX;
        let outer = self.max_call_args;
        self.max_call_args = n.max(outer);
        // The name is a reference in its own right: it may be a substitution reference.
        if fname.iter().any(|b| matches!(b, b'$' | b':' | b')' | b'(')) {
            let mut body = b"$(".to_vec();
            body.extend_from_slice(fname);
            body.push(b')');
            self.expand_into(&body, out)?;
        } else {
            self.reference(name, out)?;
        }
        self.max_call_args = outer;
        self.vars[v].exp_count = 0;
        self.scope = self.vars.pop(self.scope);
        Ok(())
    }
}

/// How often a called variable may be met again while it is being expanded.
const EXP_COUNT_MAX: u16 = (1 << 15) - 1;
