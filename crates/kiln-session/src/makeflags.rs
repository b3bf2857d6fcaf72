//! MAKEFLAGS, both ways: the switches and variables of an instance written as one text for its
//! children and its makefiles, and such a text read back.
//!
//! The makefile may assign MAKEFLAGS at any time; [`reset`] is what the language then calls.

use kiln_make::{Fatal, Make, Origin, Result, Stream};

use crate::switches::{self, Context, Kind, SWITCHES, Word};

/// Words that were neither switches nor assignments.
#[derive(Default)]
pub struct Decoded {
    /// Goals in order.
    pub goals: Vec<Vec<u8>>,
    /// Something was wrong with a switch, and has been said.
    pub bad: bool,
}

/// Puts a list of arguments into effect. `argv0` is how getopt names the program.
///
/// # Errors
/// A word of `--debug` or `--output-sync` that make does not know, or an assignment that fails.
pub fn decode(make: &mut Make, argv0: &[u8], args: &[&[u8]], origin: Origin) -> Result<Decoded> {
    let command = origin == Origin::Command;
    let mut done = Decoded::default();
    for word in switches::split(args) {
        match word {
            Word::Bad(text) => {
                if command {
                    let line = [argv0, b": ", &text, b"\n"].concat();
                    make.host.print(Stream::Err, &line);
                    done.bad = true;
                }
            }
            Word::Plain(text) => plain(make, text, origin, &mut done)?,
            Word::Switch(index, arg) => {
                let home = make.get_raw(b"HOME");
                let mut empty = false;
                let mut file_name = |name: &[u8]| {
                    empty |= name.is_empty();
                    file_argument(name, home.as_deref())
                };
                let rank = origin as u8;
                let mut cx = Context { rank, command, file_name: &mut file_name };
                if let Err(text) = switches::apply(&mut make.opts, index, arg, &mut cx) {
                    let line = [&make.prefix(None)[..], &text, b"\n"].concat();
                    make.host.print(Stream::Err, &line);
                    done.bad = true;
                }
            }
        }
    }
    switches::settle(&mut make.opts).map_err(|text| Fatal { loc: None, text })?;
    Ok(done)
}

/// A word that is not a switch: an assignment or, on the command line, a goal.
fn plain(make: &mut Make, text: &[u8], origin: Origin, done: &mut Decoded) -> Result<()> {
    if text == b"-" {
        return Ok(());
    }
    if let Some(name) = make.define_command_line(text, origin)? {
        if !make.opts.variables.contains(&name) {
            make.opts.variables.push(name);
        }
    } else if origin == Origin::Command && !text.is_empty() {
        let home = make.get_raw(b"HOME");
        done.goals.push(file_argument(text, home.as_deref()));
    }
    Ok(())
}

/// A file name of the command line: `~` stands for the home directory, leading `./` fall away.
fn file_argument(name: &[u8], home: Option<&[u8]>) -> Vec<u8> {
    let expanded = match (name, home) {
        ([b'~'], Some(home)) if !home.is_empty() => home.to_vec(),
        ([b'~', b'/', rest @ ..], Some(home)) if !home.is_empty() => [home, b"/", rest].concat(),
        _ => name.to_vec(),
    };
    let mut rest = expanded.as_slice();
    while let [b'.', b'/', after @ ..] = rest {
        rest = after;
        while let [b'/', after @ ..] = rest {
            rest = after;
        }
    }
    if rest.is_empty() { b"./".to_vec() } else { rest.to_vec() }
}

/// Reads the switches in a variable: words split at blanks, backslash takes the next byte as it is,
/// and a first word that is neither a switch nor an assignment is a group of letters.
///
/// # Errors
/// As [`decode`].
pub fn decode_variable(make: &mut Make, variable: &[u8], origin: Origin) -> Result<Decoded> {
    let reference = [b"$(", variable, b")"].concat();
    let value = make.expand_for(&reference, None, None)?;
    let value = value.trim_ascii_start();
    if value.is_empty() {
        return Ok(Decoded::default());
    }
    let mut words: Vec<Vec<u8>> = vec![Vec::new()];
    let mut bytes = value.iter().copied().peekable();
    while let Some(c) = bytes.next() {
        let word = words.last_mut().expect("one word is there from the start");
        match c {
            b'\\' => word.push(bytes.next().unwrap_or(c)),
            b' ' | b'\t' => {
                while bytes.next_if(|c| matches!(c, b' ' | b'\t')).is_some() {}
                words.push(Vec::new());
            }
            _ => word.push(c),
        }
    }
    if !words[0].starts_with(b"-") && !words[0].contains(&b'=') {
        words[0].insert(0, b'-');
    }
    let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    decode(make, b"", &args, origin)
}

/// Called when a makefile assigns MAKEFLAGS: its switches take effect at once, and the variable is
/// written anew with all of them.
///
/// # Errors
/// As [`decode`].
pub fn reset(make: &mut Make, origin: Origin) -> Result<()> {
    decode_variable(make, b"MAKEFLAGS", origin)?;
    make.construct_include_path();
    define(make);
    let yes = announces_directory(make);
    make.host.announce_directory(yes);
    Ok(())
}

/// Whether the directory is announced. Without a word on it: quiet under -s, else in sub-makes and
/// after -C.
pub(crate) fn announces_directory(make: &Make) -> bool {
    let opts = &make.opts;
    let by_default = opts.silent != Some(true) && (make.level > 0 || !opts.directories.is_empty());
    opts.print_directory.unwrap_or(by_default)
}

/// Blanks, backslashes and dollars quoted, so that [`decode_variable`] gets the text back.
fn quote(out: &mut Vec<u8>, text: &[u8]) {
    for &c in text {
        match c {
            b'$' => out.push(b'$'),
            b' ' | b'\t' | b'\\' => out.push(b'\\'),
            _ => {}
        }
        out.push(c);
    }
}

/// Defines MAKEOVERRIDES and what it refers to, from the variables of the command line.
pub fn define_overrides(make: &mut Make) {
    if make.opts.variables.is_empty() {
        return;
    }
    let mut value = Vec::new();
    // make keeps the newest first.
    for i in (0..make.opts.variables.len()).rev() {
        let name = make.names.shared(make.opts.variables[i]);
        if !value.is_empty() {
            value.push(b' ');
        }
        quote(&mut value, &name);
        if !make.variable_flavor_recursive(&name) {
            value.push(b':');
        }
        value.push(b'=');
        if let Some(v) = make.get_raw(&name) {
            quote(&mut value, &v);
        }
    }
    make.define(b"-*-command-variables-*-", &value, Origin::Automatic, false);
    make.define(b"MAKEOVERRIDES", b"${-*-command-variables-*-}", Origin::Default, true);
}

/// Defines the variable that keeps `--eval` texts for children.
pub fn define_evals(make: &mut Make) {
    let mut value = Vec::new();
    for text in &make.opts.eval {
        if !value.is_empty() {
            value.push(b' ');
        }
        value.extend_from_slice(b"--eval=");
        quote(&mut value, text);
    }
    make.define(b"-*-eval-flags-*-", &value, Origin::Automatic, false);
}

/// Writes MAKEFLAGS and MFLAGS from the switches in force.
pub fn define(make: &mut Make) {
    let mut letters = Vec::new();
    let mut rest = Vec::new();
    for (index, s) in SWITCHES.iter().enumerate() {
        if !s.to_env || (make.opts.remaking_makefiles && s.not_for_makefiles) {
            continue;
        }
        let o = &make.opts;
        let specified = o.specified & (1 << index) != 0;
        match s.kind {
            Kind::Ignore => {}
            Kind::Flag | Kind::FlagOff => {
                let on = switches::flag(o, s);
                let is_default = match (s.letter, s.long) {
                    // These have a default of their own; saying it again is passed on.
                    (b'k' | b'S' | b's', _) | (_, "no-silent") => on == Some(false),
                    (b'w', _) | (_, "no-print-directory") => on.is_none(),
                    _ => false,
                };
                // An undecided flag counts as on, but is then its default.
                let fits = on.unwrap_or(true) == (s.kind == Kind::Flag);
                if !fits || (is_default && !specified) {
                    continue;
                }
                if s.letter == 0 {
                    rest.extend_from_slice(b" --");
                    rest.extend_from_slice(s.long.as_bytes());
                } else if rest.is_empty() {
                    letters.push(s.letter);
                } else {
                    rest.extend_from_slice(&[b' ', b'-', s.letter]);
                }
            }
            Kind::Count => match o.jobs {
                None => {}
                Some(0) => rest.extend_from_slice(b" -j"),
                Some(n) => rest.extend_from_slice(format!(" -j{n}").as_bytes()),
            },
            Kind::Number => {
                if let Some(n) = o.load_average {
                    rest.extend_from_slice(format!(" -l{}", general(n)).as_bytes());
                }
            }
            Kind::Text | Kind::List | Kind::File => {
                let values: Vec<Vec<u8>> =
                    switches::texts(o, s).into_iter().map(<[u8]>::to_vec).collect();
                for value in values {
                    rest.extend_from_slice(b" -");
                    if s.letter == 0 {
                        rest.push(b'-');
                        rest.extend_from_slice(s.long.as_bytes());
                        rest.push(b'=');
                    } else {
                        rest.push(s.letter);
                    }
                    quote(&mut rest, &value);
                }
            }
        }
    }
    let mut mflags = Vec::new();
    if !letters.is_empty() {
        mflags.push(b'-');
        mflags.extend_from_slice(&letters);
        mflags.extend_from_slice(&rest);
    } else if !rest.is_empty() {
        mflags.extend_from_slice(&rest[1..]);
    }
    make.define(b"MFLAGS", &mflags, Origin::Environment, true);

    let mut flags = letters;
    flags.extend_from_slice(&rest);
    if !make.opts.eval.is_empty() {
        flags.extend_from_slice(b" $(-*-eval-flags-*-)");
    }
    let overrides: &[u8] =
        if make.special.posix { b"-*-command-variables-*-" } else { b"MAKEOVERRIDES" };
    if make.get_raw(overrides).is_some_and(|v| !v.is_empty()) {
        flags.extend_from_slice(b" -- $(");
        flags.extend_from_slice(overrides);
        flags.push(b')');
    }
    let origin = if make.opts.environment_overrides { Origin::EnvOverride } else { Origin::File };
    make.define(b"MAKEFLAGS", &flags, origin, true);
}

/// C's `%g`: six significant digits, trailing zeros dropped.
fn general(n: f64) -> String {
    if n != 0.0 && !(1e-4..1e6).contains(&n) {
        let text = format!("{n:.5e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let whole = if n >= 1.0 { n.log10().floor() as usize + 1 } else { 1 };
    let text = format!("{n:.*}", 6usize.saturating_sub(whole));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_printf_shows_them() {
        for (n, text) in [(1.0, "1"), (2.5, "2.5"), (0.0, "0"), (12.25, "12.25"), (1e6, "1e+06")] {
            assert_eq!(general(n), text);
        }
    }

    #[test]
    fn file_arguments_lose_leading_dots() {
        assert_eq!(file_argument(b".//./a", None), b"a");
        assert_eq!(file_argument(b"./", None), b"./");
        assert_eq!(file_argument(b"~/x", Some(b"/home/u")), b"/home/u/x");
    }
}
