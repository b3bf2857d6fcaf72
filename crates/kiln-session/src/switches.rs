//! make's switches as data, and their decoding from an argument list (GNU make manual, "Summary of
//! Options"). Decoding never fails: what is wrong is collected as messages, as getopt prints them.
//!
//! This file does not know where the arguments come from or what the switches do.

use kiln_make::Options;
use kiln_make::options::{OutputSync, debug};

/// How a switch takes its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Accepted for compatibility, without effect.
    Ignore,
    /// Turns a flag on.
    Flag,
    /// Turns a flag off.
    FlagOff,
    /// One string; the last one counts.
    Text,
    /// A string each time.
    List,
    /// A file name each time: `~` and leading `./` are treated as in makefiles.
    File,
    /// A positive integer.
    Count,
    /// A number.
    Number,
}

/// One switch.
pub struct Switch {
    /// Its letter, or 0.
    pub letter: u8,
    /// Its long name, or empty.
    pub long: &'static str,
    /// How it takes a value.
    pub kind: Kind,
    /// May come from MAKEFLAGS.
    pub from_env: bool,
    /// Is passed on in MAKEFLAGS.
    pub to_env: bool,
    /// Is not passed on while makefiles are remade.
    pub not_for_makefiles: bool,
    /// The value where the optional argument is left out.
    pub without_arg: Option<&'static str>,
}

const fn sw(
    letter: u8,
    long: &'static str,
    kind: Kind,
    env: (bool, bool, bool),
    without_arg: Option<&'static str>,
) -> Switch {
    let (from_env, to_env, not_for_makefiles) = env;
    Switch { letter, long, kind, from_env, to_env, not_for_makefiles, without_arg }
}

const BOTH: (bool, bool, bool) = (true, true, false);
const MAIN: (bool, bool, bool) = (true, true, true);
const HERE: (bool, bool, bool) = (false, false, false);
const TAKE: (bool, bool, bool) = (true, false, false);

/// All switches, in the order in which MAKEFLAGS lists them: simple letters first.
pub const SWITCHES: &[Switch] = &[
    sw(b'b', "", Kind::Ignore, HERE, None),
    sw(b'B', "always-make", Kind::Flag, BOTH, None),
    sw(b'd', "", Kind::Flag, BOTH, None),
    sw(b'e', "environment-overrides", Kind::Flag, BOTH, None),
    sw(b'E', "eval", Kind::List, TAKE, None),
    sw(b'h', "help", Kind::Flag, HERE, None),
    sw(b'i', "ignore-errors", Kind::Flag, BOTH, None),
    sw(b'k', "keep-going", Kind::Flag, BOTH, None),
    sw(b'L', "check-symlink-times", Kind::Flag, BOTH, None),
    sw(b'm', "", Kind::Ignore, HERE, None),
    sw(b'n', "just-print", Kind::Flag, MAIN, None),
    sw(b'p', "print-data-base", Kind::Flag, BOTH, None),
    sw(b'q', "question", Kind::Flag, MAIN, None),
    sw(b'r', "no-builtin-rules", Kind::Flag, BOTH, None),
    sw(b'R', "no-builtin-variables", Kind::Flag, BOTH, None),
    sw(b's', "silent", Kind::Flag, BOTH, None),
    sw(b'S', "no-keep-going", Kind::FlagOff, BOTH, None),
    sw(b't', "touch", Kind::Flag, MAIN, None),
    sw(b'v', "version", Kind::Flag, TAKE, None),
    sw(b'w', "print-directory", Kind::Flag, BOTH, None),
    sw(b'C', "directory", Kind::File, HERE, None),
    sw(b'f', "file", Kind::File, HERE, None),
    sw(b'I', "include-dir", Kind::File, BOTH, None),
    sw(b'j', "jobs", Kind::Count, BOTH, Some("")),
    sw(b'l', "load-average", Kind::Number, BOTH, Some("")),
    sw(b'o', "old-file", Kind::File, HERE, None),
    sw(b'O', "output-sync", Kind::Text, BOTH, Some("target")),
    sw(b'W', "what-if", Kind::File, HERE, None),
    sw(0, "debug", Kind::List, BOTH, Some("basic")),
    sw(0, "jobserver-auth", Kind::Text, BOTH, None),
    sw(0, "trace", Kind::Flag, BOTH, None),
    sw(0, "no-print-directory", Kind::FlagOff, BOTH, None),
    sw(0, "warn-undefined-variables", Kind::Flag, BOTH, None),
    sw(0, "sync-mutex", Kind::Text, BOTH, None),
    sw(0, "no-silent", Kind::FlagOff, BOTH, None),
    sw(0, "jobserver-fds", Kind::Text, TAKE, None),
    sw(0, "temp-stdin", Kind::File, HERE, None),
    sw(0, "shuffle", Kind::Text, BOTH, Some("random")),
    sw(0, "jobserver-style", Kind::Text, TAKE, None),
];

/// Further long names, each with the switch letter that it stands for.
const ALIASES: &[(&str, u8)] = &[
    ("quiet", b's'),
    ("stop", b'S'),
    ("new-file", b'W'),
    ("assume-new", b'W'),
    ("assume-old", b'o'),
    ("max-load", b'l'),
    ("dry-run", b'n'),
    ("recon", b'n'),
    ("makefile", b'f'),
];

/// Where a setting comes from, as far as it decides which one wins: the ranks of make's variable
/// origins.
pub type Rank = u8;

/// What one argument came to.
pub enum Word<'a> {
    /// Switch number (index into [`SWITCHES`]) and its argument, if there was one.
    Switch(usize, Option<&'a [u8]>),
    /// Not a switch: a goal or a variable definition.
    Plain(&'a [u8]),
    /// A message of getopt's, without the program's name.
    Bad(Vec<u8>),
}

fn takes_arg(s: &Switch) -> (bool, bool) {
    let takes = !matches!(s.kind, Kind::Ignore | Kind::Flag | Kind::FlagOff);
    (takes, takes && s.without_arg.is_some())
}

/// Splits arguments into switches and other words, in order, as GNU getopt does when it returns
/// non-options in order. A numeric argument may follow `-j` and `-l` as a word of its own.
#[must_use]
pub fn split<'a>(args: &[&'a [u8]]) -> Vec<Word<'a>> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < args.len() {
        let arg = args[i];
        i += 1;
        if arg == b"--" {
            out.extend(args[i..].iter().map(|a| Word::Plain(a)));
            break;
        }
        if let Some(long) = arg.strip_prefix(b"--") {
            i += long_switch(long, args.get(i).copied(), &mut out);
        } else if arg.len() > 1 && arg[0] == b'-' {
            i += letters(&arg[1..], args.get(i).copied(), &mut out);
        } else {
            out.push(Word::Plain(arg));
        }
    }
    out
}

/// The word after `-j` or `-l` is its argument if it looks like a number.
fn numeric_next(kind: Kind, next: Option<&[u8]>) -> bool {
    let Some(next) = next else { return false };
    match kind {
        Kind::Count => next.iter().all(u8::is_ascii_digit),
        Kind::Number => next.first().is_some_and(|&c| c.is_ascii_digit() || c == b'.'),
        _ => false,
    }
}

/// One `--name[=value]`; returns how many further arguments it used.
fn long_switch<'a>(text: &'a [u8], next: Option<&'a [u8]>, out: &mut Vec<Word<'a>>) -> usize {
    let (name, value) = match memchr::memchr(b'=', text) {
        Some(eq) => (&text[..eq], Some(&text[eq + 1..])),
        None => (text, None),
    };
    let show = String::from_utf8_lossy(name).into_owned();
    let all = || {
        let own = SWITCHES
            .iter()
            .enumerate()
            .filter(|(_, s)| !s.long.is_empty())
            .map(|(i, s)| (s.long, i));
        own.chain(ALIASES.iter().map(|&(n, c)| (n, by_letter(c))))
    };
    let exact = all().find(|(n, _)| n.as_bytes() == name);
    let found = match exact {
        Some((n, i)) => (n, i),
        None => {
            let mut fits = all().filter(|(n, _)| n.as_bytes().starts_with(name));
            let Some(first) = fits.next() else {
                out.push(Word::Bad(format!("unrecognized option '--{show}'").into_bytes()));
                return 0;
            };
            // Names that mean the same are not ambiguous.
            if fits.any(|(_, i)| i != first.1) {
                let mut text = format!("option '--{show}' is ambiguous; possibilities:");
                for (n, _) in all().filter(|(n, _)| n.as_bytes().starts_with(name)) {
                    text.push_str(&format!(" '--{n}'"));
                }
                out.push(Word::Bad(text.into_bytes()));
                return 0;
            }
            first
        }
    };
    let (long, index) = found;
    let (takes, optional) = takes_arg(&SWITCHES[index]);
    match value {
        Some(_) if !takes => {
            out.push(Word::Bad(
                format!("option '--{long}' doesn't allow an argument").into_bytes(),
            ));
            0
        }
        None if takes && !optional => match next {
            Some(v) => {
                out.push(Word::Switch(index, Some(v)));
                1
            }
            None => {
                out.push(Word::Bad(format!("option '--{long}' requires an argument").into_bytes()));
                0
            }
        },
        None if optional && numeric_next(SWITCHES[index].kind, next) => {
            out.push(Word::Switch(index, next));
            1
        }
        value => {
            out.push(Word::Switch(index, value));
            0
        }
    }
}

/// One `-abc`; returns how many further arguments it used.
fn letters<'a>(text: &'a [u8], next: Option<&'a [u8]>, out: &mut Vec<Word<'a>>) -> usize {
    for (at, &c) in text.iter().enumerate() {
        let Some(index) = SWITCHES.iter().position(|s| s.letter == c && c != 0) else {
            out.push(Word::Bad([b"invalid option -- '", &[c][..], b"'"].concat()));
            continue;
        };
        let (takes, optional) = takes_arg(&SWITCHES[index]);
        if !takes {
            out.push(Word::Switch(index, None));
            continue;
        }
        let rest = &text[at + 1..];
        if !rest.is_empty() {
            out.push(Word::Switch(index, Some(rest)));
            return 0;
        }
        if optional {
            let used = numeric_next(SWITCHES[index].kind, next);
            out.push(Word::Switch(index, next.filter(|_| used)));
            return usize::from(used);
        }
        return match next {
            Some(v) => {
                out.push(Word::Switch(index, Some(v)));
                1
            }
            None => {
                out.push(Word::Bad([b"option requires an argument -- '", &[c][..], b"'"].concat()));
                0
            }
        };
    }
    0
}

fn by_letter(c: u8) -> usize {
    SWITCHES.iter().position(|s| s.letter == c).unwrap_or(0)
}

/// The switch called `long`.
#[must_use]
pub fn by_long(long: &str) -> usize {
    SWITCHES.iter().position(|s| s.long == long).unwrap_or(0)
}

/// What [`apply`] needs to know beside the switch itself.
pub struct Context<'a> {
    /// The rank of the place where the switch stood.
    pub rank: Rank,
    /// That rank is the command line's (or MAKEFLAGS' as inherited).
    pub command: bool,
    /// Makes a file name of an argument (`~`, `./`).
    pub file_name: &'a mut dyn FnMut(&[u8]) -> Vec<u8>,
}

/// Puts one switch into effect. A value that is no good comes back as a message without the
/// program's name.
///
/// # Errors
/// The message for an empty string or a number that is none.
pub fn apply(
    o: &mut Options,
    index: usize,
    arg: Option<&[u8]>,
    cx: &mut Context<'_>,
) -> Result<(), Vec<u8>> {
    let s = &SWITCHES[index];
    let origin = match (s.letter, s.long) {
        (b'k' | b'S', _) => Some(&mut o.ranks.keep_going),
        (b's', _) | (_, "no-silent") => Some(&mut o.ranks.silent),
        (b'w', _) | (_, "no-print-directory") => Some(&mut o.ranks.print_directory),
        _ => None,
    };
    let doit = cx.command || (s.from_env && origin.as_ref().is_none_or(|r| cx.rank >= **r));
    if !doit {
        return Ok(());
    }
    o.specified |= 1 << index;
    if let Some(r) = origin {
        *r = cx.rank;
    }
    match s.kind {
        Kind::Ignore => {}
        Kind::Flag => set_flag(o, s, true),
        Kind::FlagOff => set_flag(o, s, false),
        Kind::Text | Kind::List | Kind::File => {
            let value = match arg {
                Some(b"") => {
                    let name = if s.letter == 0 {
                        format!("--{}", s.long)
                    } else {
                        format!("-{}", s.letter as char)
                    };
                    return Err(format!(
                        "the '{name}' option requires a non-empty string argument"
                    )
                    .into_bytes());
                }
                Some(v) => v,
                None => s.without_arg.unwrap_or("").as_bytes(),
            };
            set_text(o, s, value, cx);
        }
        Kind::Count => {
            o.jobs = match arg {
                None => Some(0),
                Some(v) => match std::str::from_utf8(v).ok().and_then(|v| v.parse::<u32>().ok()) {
                    Some(n) if n > 0 => Some(n),
                    _ => {
                        let c = s.letter as char;
                        return Err(format!(
                            "the '-{c}' option requires a positive integer argument"
                        )
                        .into_bytes());
                    }
                },
            };
        }
        Kind::Number => o.load_average = arg.map(leading_number).filter(|n| *n >= 0.0),
    }
    Ok(())
}

/// C's `atof`: the number at the start of a text, 0 if there is none.
fn leading_number(text: &[u8]) -> f64 {
    let end = text.iter().position(|c| !c.is_ascii_digit() && *c != b'.').unwrap_or(text.len());
    std::str::from_utf8(&text[..end]).ok().and_then(|t| t.parse().ok()).unwrap_or(0.0)
}

fn set_flag(o: &mut Options, s: &Switch, on: bool) {
    match (s.letter, s.long) {
        (b'B', _) => o.always_make = on,
        (b'd', _) => o.debug_all = on,
        (b'e', _) => o.environment_overrides = on,
        (b'h', _) => o.help = on,
        (b'i', _) => o.ignore_errors = on,
        (b'k' | b'S', _) => o.keep_going = on,
        (b'L', _) => o.check_symlink_times = on,
        (b'n', _) => o.just_print = on,
        (b'p', _) => o.print_data_base = on,
        (b'q', _) => o.question = on,
        (b'r', _) => o.no_builtin_rules = on,
        (b'R', _) => o.no_builtin_variables = on,
        (b's', _) | (_, "no-silent") => o.silent = Some(on),
        (b't', _) => o.touch = on,
        (b'v', _) => o.version = on,
        (b'w', _) | (_, "no-print-directory") => o.print_directory = Some(on),
        (_, "trace") => o.trace = on,
        (_, "warn-undefined-variables") => o.warn_undefined = on,
        _ => {}
    }
}

/// Whether a flag is on, as far as MAKEFLAGS is concerned: `None` where it was never decided.
#[must_use]
pub fn flag(o: &Options, s: &Switch) -> Option<bool> {
    Some(match (s.letter, s.long) {
        (b'B', _) => o.always_make,
        (b'd', _) => o.debug_all,
        (b'e', _) => o.environment_overrides,
        (b'i', _) => o.ignore_errors,
        (b'k' | b'S', _) => o.keep_going,
        (b'L', _) => o.check_symlink_times,
        (b'n', _) => o.just_print,
        (b'p', _) => o.print_data_base,
        (b'q', _) => o.question,
        (b'r', _) => o.no_builtin_rules,
        (b'R', _) => o.no_builtin_variables,
        (b's', _) | (_, "no-silent") => o.silent.unwrap_or(false),
        (b't', _) => o.touch,
        (b'w', _) | (_, "no-print-directory") => return o.print_directory,
        (_, "trace") => o.trace,
        (_, "warn-undefined-variables") => o.warn_undefined,
        _ => false,
    })
}

fn set_text(o: &mut Options, s: &Switch, value: &[u8], cx: &mut Context<'_>) {
    let list = match (s.letter, s.long) {
        (b'E', _) => &mut o.eval,
        (b'C', _) => &mut o.directories,
        (b'f', _) => &mut o.makefiles,
        (b'I', _) => &mut o.include_dirs,
        (b'o', _) => &mut o.old_files,
        (b'W', _) => &mut o.new_files,
        (_, "debug") => &mut o.debug,
        (_, "temp-stdin") => {
            // The name is already one of ours; the place in the list is what matters.
            o.stdin_makefile = Some(o.makefiles.len());
            o.makefiles.push(value.to_vec());
            return;
        }
        (b'O', _) => return o.output_sync_text = Some(value.to_vec()),
        (_, "jobserver-auth" | "jobserver-fds") => return o.jobserver_auth = Some(value.to_vec()),
        (_, "sync-mutex") => return o.sync_mutex = Some(value.to_vec()),
        (_, "shuffle") => return o.shuffle = Some(value.to_vec()),
        (_, "jobserver-style") => return o.jobserver_style = Some(value.to_vec()),
        _ => return,
    };
    // Duplicates are dropped, except for makefiles.
    if s.letter != b'f' && list.iter().any(|v| v == value) {
        return;
    }
    list.push(if s.kind == Kind::File { (cx.file_name)(value) } else { value.to_vec() });
}

/// The strings of a switch that takes strings, as MAKEFLAGS passes them on.
#[must_use]
pub fn texts<'o>(o: &'o Options, s: &Switch) -> Vec<&'o [u8]> {
    match (s.letter, s.long) {
        (b'I', _) => o.include_dirs.iter().map(Vec::as_slice).collect(),
        (_, "debug") => o.debug.iter().map(Vec::as_slice).collect(),
        (b'O', _) => o.output_sync_text.as_deref().into_iter().collect(),
        (_, "jobserver-auth") => o.jobserver_auth.as_deref().into_iter().collect(),
        (_, "sync-mutex") => o.sync_mutex.as_deref().into_iter().collect(),
        (_, "shuffle") => o.shuffle.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Works out [`Options::debug_level`] and [`Options::output_sync`] from what was given.
///
/// # Errors
/// The text of make's fatal error for a word that it does not know.
pub fn settle(o: &mut Options) -> Result<(), Vec<u8>> {
    if o.debug_all {
        o.debug_level = debug::ALL;
    }
    if o.trace {
        o.debug_level |= debug::PRINT | debug::WHY;
    }
    for words in &o.debug {
        for word in words.split(|&c| c == b',' || c == b' ') {
            let Some(first) = word.first() else { continue };
            o.debug_level |= match first.to_ascii_lowercase() {
                b'a' => debug::ALL,
                b'b' => debug::BASIC,
                b'i' => debug::BASIC | debug::IMPLICIT,
                b'j' => debug::JOBS,
                b'm' => debug::BASIC | debug::MAKEFILES,
                b'n' => {
                    o.debug_level = 0;
                    continue;
                }
                b'p' => debug::PRINT,
                b'v' => debug::BASIC | debug::VERBOSE,
                b'w' => debug::WHY,
                _ => return Err([b"unknown debug level specification '", word, b"'"].concat()),
            };
        }
    }
    if o.debug_level == 0 {
        o.debug_all = false;
    }
    if let Some(text) = &o.output_sync_text {
        o.output_sync = match text.as_slice() {
            b"none" => OutputSync::None,
            b"line" => OutputSync::Line,
            b"target" => OutputSync::Target,
            b"recurse" => OutputSync::Recurse,
            _ => return Err([b"unknown output-sync type '", text.as_slice(), b"'"].concat()),
        };
    }
    Ok(())
}
