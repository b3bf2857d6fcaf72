//! The built-in functions: a table of their names and arities, and how a call gets its arguments.
//!
//! What each does stands in [`words`] (lists of words), [`names`] (file names), [`flow`] (control)
//! and [`world`] (files, shell, messages).

mod flow;
mod names;
pub(crate) mod words;
mod world;

use crate::expand::Args;
use crate::template::{self, Arg, Seg};
use crate::{Make, Result};

/// A built-in function (GNU make manual, "Functions for Transforming Text").
#[derive(Debug)]
pub struct Func {
    /// Its name.
    pub name: &'static [u8],
    /// The fewest arguments.
    pub min: usize,
    /// The most arguments, the last of which takes all commas that are left; 0 for any number.
    pub max: usize,
    /// What it is.
    pub kind: Kind,
}

/// Which function it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // named as in the manual
pub enum Kind {
    Abspath,
    Addprefix,
    Addsuffix,
    Basename,
    Dir,
    Notdir,
    Subst,
    Suffix,
    Filter,
    FilterOut,
    Findstring,
    Firstword,
    Flavor,
    Join,
    Lastword,
    Patsubst,
    Realpath,
    Shell,
    Sort,
    Strip,
    Wildcard,
    Word,
    Wordlist,
    Words,
    Origin,
    Foreach,
    Let,
    Call,
    Info,
    Error,
    Warning,
    Intcmp,
    If,
    Or,
    And,
    Value,
    Eval,
    File,
}

const fn f(name: &'static [u8], min: usize, max: usize, kind: Kind) -> Func {
    Func { name, min, max, kind }
}

/// The longest name in the table.
pub const LONGEST_NAME: usize = 10;

static TABLE: [Func; 38] = [
    f(b"abspath", 0, 1, Kind::Abspath),
    f(b"addprefix", 2, 2, Kind::Addprefix),
    f(b"addsuffix", 2, 2, Kind::Addsuffix),
    f(b"and", 1, 0, Kind::And),
    f(b"basename", 0, 1, Kind::Basename),
    f(b"call", 1, 0, Kind::Call),
    f(b"dir", 0, 1, Kind::Dir),
    f(b"error", 0, 1, Kind::Error),
    f(b"eval", 0, 1, Kind::Eval),
    f(b"file", 1, 2, Kind::File),
    f(b"filter", 2, 2, Kind::Filter),
    f(b"filter-out", 2, 2, Kind::FilterOut),
    f(b"findstring", 2, 2, Kind::Findstring),
    f(b"firstword", 0, 1, Kind::Firstword),
    f(b"flavor", 0, 1, Kind::Flavor),
    f(b"foreach", 3, 3, Kind::Foreach),
    f(b"if", 2, 3, Kind::If),
    f(b"info", 0, 1, Kind::Info),
    f(b"intcmp", 2, 5, Kind::Intcmp),
    f(b"join", 2, 2, Kind::Join),
    f(b"lastword", 0, 1, Kind::Lastword),
    f(b"let", 3, 3, Kind::Let),
    f(b"notdir", 0, 1, Kind::Notdir),
    f(b"or", 1, 0, Kind::Or),
    f(b"origin", 0, 1, Kind::Origin),
    f(b"patsubst", 3, 3, Kind::Patsubst),
    f(b"realpath", 0, 1, Kind::Realpath),
    f(b"shell", 0, 1, Kind::Shell),
    f(b"sort", 0, 1, Kind::Sort),
    f(b"strip", 0, 1, Kind::Strip),
    f(b"subst", 3, 3, Kind::Subst),
    f(b"suffix", 0, 1, Kind::Suffix),
    f(b"value", 0, 1, Kind::Value),
    f(b"warning", 0, 1, Kind::Warning),
    f(b"wildcard", 0, 1, Kind::Wildcard),
    f(b"word", 2, 2, Kind::Word),
    f(b"wordlist", 3, 3, Kind::Wordlist),
    f(b"words", 0, 1, Kind::Words),
];

/// A name's place in [`PLACES`]: no two functions share one (a test sees to it).
const fn place(name: &[u8]) -> usize {
    let (first, middle) = (name[0] as usize, name[name.len() / 2] as usize);
    (first + 3 * middle + 10 * name.len()) % 128
}

/// For each place, the index of the function there plus one.
static PLACES: [u8; 128] = {
    let mut t = [0; 128];
    let mut i = 0;
    while i < TABLE.len() {
        t[place(TABLE[i].name)] = i as u8 + 1;
        i += 1;
    }
    t
};

/// The function of that name.
pub fn by_name(name: &[u8]) -> Option<&'static Func> {
    if name.is_empty() {
        return None;
    }
    let i = usize::from(PLACES[place(name)]).checked_sub(1)?;
    (TABLE[i].name == name).then(|| &TABLE[i])
}

impl Func {
    /// Whether arguments are expanded by the function itself, as needed.
    #[must_use]
    pub fn lazy(&self) -> bool {
        matches!(
            self.kind,
            Kind::Foreach | Kind::Let | Kind::If | Kind::Or | Kind::And | Kind::Intcmp
        )
    }

    /// Whether white space around argument `n` is dropped before it is expanded.
    #[must_use]
    pub fn strips(&self, n: usize) -> bool {
        match self.kind {
            Kind::If => n == 0,
            Kind::Or | Kind::And => true,
            _ => false,
        }
    }
}

impl Make {
    /// Runs a function on arguments as parsed.
    pub(crate) fn call_function(
        &mut self,
        f: &'static Func,
        src: &[u8],
        args: &[Arg],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if f.lazy() {
            self.check_arity(f, args.len())?;
            return self.call_lazy(f, src, args, out);
        }
        let mut buf = self.take_buffer();
        let mut args_out = Args::new(buf);
        for a in args {
            self.eval(src, &a.segs, &mut args_out.buf)?;
            args_out.end_arg();
        }
        self.check_arity(f, args.len())?;
        let done = self.run_function(f, &args_out, out);
        buf = args_out.buf;
        self.give_buffer(buf);
        done
    }

    /// Runs a function of one argument on plain text.
    pub(crate) fn call_plain(&mut self, f: &Func, arg: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if f.kind == Kind::Wildcard {
            self.wildcard(arg, out);
            return Ok(());
        }
        let mut args = Args::new(self.take_buffer());
        args.buf.extend_from_slice(arg);
        args.end_arg();
        let done = self.run_function(f, &args, out);
        self.give_buffer(args.buf);
        done
    }

    fn check_arity(&self, f: &Func, n: usize) -> Result<()> {
        if n >= f.min {
            return Ok(());
        }
        let mut msg = format!("insufficient number of arguments ({n}) to function '").into_bytes();
        msg.extend_from_slice(f.name);
        msg.push(b'\'');
        Err(self.expansion_error(msg))
    }

    /// Runs a function through `$(call NAME,…)`: its arguments are expanded already, and functions
    /// that expand their own arguments expand them once more.
    pub(crate) fn call_function_by_name(
        &mut self,
        f: &'static Func,
        args: &Args,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let n = args.len() - 1;
        self.check_arity(f, n)?;
        if n == 0 {
            return Ok(());
        }
        if f.lazy() {
            let parsed: Vec<Arg> = (1..=n)
                .map(|i| {
                    let (mut from, mut to) = args.range(i);
                    if f.strips(i - 1) {
                        let t = kiln_base::text::trim(&args.buf[from..to]);
                        from = t.as_ptr() as usize - args.buf.as_ptr() as usize;
                        to = from + t.len();
                    }
                    let segs: Vec<Seg> = template::parse(&mut self.names, &args.buf, from, to);
                    Arg { segs: segs.into_boxed_slice() }
                })
                .collect();
            return self.call_lazy(f, &args.buf, &parsed, out);
        }
        let mut rest = Args::new(Vec::new());
        for i in 1..=n {
            rest.buf.extend_from_slice(args.get(i));
            rest.end_arg();
        }
        self.run_function(f, &rest, out)
    }

    fn run_function(&mut self, f: &Func, args: &Args, out: &mut Vec<u8>) -> Result<()> {
        let a = args.get(0);
        match f.kind {
            Kind::Abspath => self.abspath_all(a, out),
            Kind::Addprefix => words::add_fix(a, b"", args.get(1), out),
            Kind::Addsuffix => words::add_fix(b"", a, args.get(1), out),
            Kind::Basename => names::basename(a, out),
            Kind::Dir => names::dir(a, out),
            Kind::Notdir => names::notdir(a, out),
            Kind::Suffix => names::suffix(a, out),
            Kind::Subst => words::subst(args.get(2), a, args.get(1), out),
            Kind::Filter => words::filter(a, args.get(1), true, out),
            Kind::FilterOut => words::filter(a, args.get(1), false, out),
            Kind::Findstring => {
                if kiln_base::text::find(args.get(1), a, 0).is_some() {
                    out.extend_from_slice(a);
                }
            }
            Kind::Firstword => {
                out.extend_from_slice(kiln_base::text::words(a).next().unwrap_or(b""));
            }
            Kind::Lastword => {
                out.extend_from_slice(kiln_base::text::words(a).last().unwrap_or(b""));
            }
            Kind::Join => words::join(a, args.get(1), out),
            Kind::Patsubst => words::patsubst(args.get(2), a, args.get(1), out),
            Kind::Realpath => self.realpath_all(a, out),
            Kind::Shell => self.shell_function(a, true, out)?,
            Kind::Sort => words::sort(a, out),
            Kind::Strip => words::strip(a, out),
            Kind::Wildcard => self.wildcard(a, out),
            Kind::Word => self.word(a, args.get(1), out)?,
            Kind::Wordlist => self.wordlist(a, args.get(1), args.get(2), out)?,
            Kind::Words => {
                let n = kiln_base::text::words(a).count();
                out.extend_from_slice(n.to_string().as_bytes());
            }
            Kind::Origin => out.extend_from_slice(self.origin_word(a)),
            Kind::Flavor => out.extend_from_slice(self.flavor_word(a)),
            Kind::Value => {
                if let Some(v) = self.lookup_var(a) {
                    self.vars[v].value.append_to(out);
                }
            }
            Kind::Call => self.call(args, out)?,
            Kind::Info => self.info(a),
            Kind::Warning => self.warn_here(a),
            Kind::Error => return Err(self.error_function(a)),
            Kind::Eval => self.eval_string(a)?,
            Kind::File => self.file_function(args, out)?,
            Kind::Foreach | Kind::Let | Kind::If | Kind::Or | Kind::And | Kind::Intcmp => {
                unreachable!("expands its own arguments")
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_function_is_found() {
        assert!(super::TABLE.is_sorted_by(|a, b| a.name < b.name));
        for f in &super::TABLE {
            assert!(super::by_name(f.name).is_some_and(|g| g.name == f.name));
        }
        assert!(super::TABLE.iter().all(|f| f.name.len() <= super::LONGEST_NAME));
    }
}
