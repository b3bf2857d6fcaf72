//! The steps that kbuild takes with several small programs for one question: does this object export
//! anything, are two modules called the same, is something exported that nobody can see.
//!
//! One step gives more than yes or no: the names that an object exports, which gendwarfksyms is fed.
//!
//! Each is asked of the real programs first, and Kiln's own look at the same files has to come to the
//! same answer. An answer that was never seen confirmed for these very programs is not given; and only
//! the answers that leave nothing behind are: what prints something is left to the programs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use kiln_exec::hooks::Env;
use kiln_exec::program::{self, Environment, Ran};
use kiln_modtools::helpers::{self, Mark, Shown};
use xxhash_rust::xxh3::xxh3_64;

use super::verdicts::{self, Verdict, Verdicts};

/// Names of steps in `KILN_SLOW` are one name.
pub(super) const SLOW: &str = "helpers";

/// The contents (by hash) of `scripts/check-local-export` that was compared: that of 6.1. Other
/// versions could look for other things, and no single run would show it.
const LOCAL_EXPORT_SEEN: [u64; 1] = [0x6262_471c_f401_2f0f];

fn path_of(dir: &[u8], path: &[u8]) -> PathBuf {
    Path::new(&OsString::from_vec(dir.to_vec())).join(OsString::from_vec(path.to_vec()))
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Runs a program to its end.
fn real(argv: &[&[u8]], env: &Env, dir: &[u8]) -> Option<Ran> {
    real_with(argv, env, dir, b"")
}

/// The same with a text on its standard input.
fn real_with(argv: &[&[u8]], env: &Env, dir: &[u8], input: &[u8]) -> Option<Ran> {
    let os = |b: &[u8]| OsString::from_vec(b.to_vec());
    let words: Vec<OsString> = argv.iter().map(|w| os(w)).collect();
    let env: Vec<_> = env.iter().map(|(n, v)| (os(n), os(v))).collect();
    program::run_with(&words, Environment::Only(&env), Path::new(&os(dir)), None, input).ok()
}

/// The words of a command, with the file that it was found at as the first.
fn found_at<'a>(program: &'a [u8], argv: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
    [program].into_iter().chain(argv.iter().skip(1).map(Vec::as_slice)).collect()
}

fn is_nm(word: &[u8]) -> bool {
    base_name(word) == b"nm" || word.ends_with(b"-nm")
}

/// What the programs of a pipeline ask an object: the object, and the mark that is looked for.
fn question<'a>(first: &'a [Vec<u8>], second: &[Vec<u8>]) -> Option<(&'a [u8], Mark, Vec<u8>)> {
    let [grep, quiet, pattern] = second else { return None };
    if base_name(grep) != b"grep" || quiet != b"-q" {
        return None;
    }
    let (object, mark) = match first {
        [nm, object] if is_nm(nm) => match pattern.as_slice() {
            b"__ksymtab" => (object, Mark::KsymtabSymbol),
            b" __export_symbol_" => (object, Mark::ExportRecord),
            _ => return None,
        },
        [objdump, headers, object]
            if (base_name(objdump) == b"objdump" || objdump.ends_with(b"-objdump"))
                && headers == b"-h"
                && pattern == b"__ksymtab" =>
        {
            (object, Mark::KsymtabSection)
        }
        _ => return None,
    };
    (!object.starts_with(b"-")).then(|| (object.as_slice(), mark, pattern.clone()))
}

/// `nm OBJECT | grep -q MARK` and its like: the status of the pipeline, without running it where both
/// programs were seen to come to this answer.
pub(super) fn exports(
    programs: &[(&[u8], &[Vec<u8>])],
    env: &Env,
    dir: &[u8],
    verdicts: &Verdicts,
) -> Option<i32> {
    let [(lister, first), (grep, second)] = programs else { return None };
    let (object, mark, pattern) = question(first, second)?;
    let content = fs::read(path_of(dir, object)).ok()?;
    let answer = i32::from(!helpers::exports_anything(object, content, mark)?);
    let files = [path_of(dir, lister), path_of(dir, grep)];
    let files = [files[0].as_path(), files[1].as_path()];
    let identity = verdicts::step(&files, &[&pattern, answer.to_string().as_bytes()])?;
    match verdicts.of(identity) {
        Some(Verdict::Same) => Some(answer),
        Some(_) => None,
        None => {
            let ran = real(&found_at(lister, first), env, dir)?;
            // The patterns are plain text.
            let found = memchr::memmem::find(&ran.stdout, &pattern).is_some();
            let theirs = i32::from(!found);
            let same = ran.status == Some(0) && theirs == answer;
            verdicts.keep(identity, if same { Verdict::Same } else { Verdict::Differs });
            Some(theirs)
        }
    }
}

/// What takes the names out of a listing.
const EXPORTED: &[u8] = br"s/.* __export_symbol_\(.*\)/\1/p";

/// Whether names are sorted by their bytes, as kbuild asks for.
fn sorts_bytes(env: &Env) -> bool {
    let value = |name: &[u8]| {
        let set = |(n, v): &&(Vec<u8>, Vec<u8>)| n == name && !v.is_empty();
        env.iter().find(set).map(|(_, v)| v.as_slice())
    };
    let locale = value(b"LC_ALL").or_else(|| value(b"LC_COLLATE")).or_else(|| value(b"LANG"));
    matches!(locale, None | Some(b"C" | b"POSIX"))
}

/// `nm OBJECT | sed -n 's/.* __export_symbol_\(.*\)/\1/p'`: what it prints, without running it where
/// both programs were seen to print what Kiln finds.
pub(super) fn exported(
    [(lister, first), (sed, second)]: &[(&[u8], &[Vec<u8>]); 2],
    env: &Env,
    dir: &[u8],
    verdicts: &Verdicts,
) -> Option<Vec<u8>> {
    let ([nm, object], [filter, quiet, script]) = (*first, *second) else { return None };
    let known = is_nm(nm) && base_name(filter) == b"sed" && quiet == b"-n" && script == EXPORTED;
    if !known || object.starts_with(b"-") || !sorts_bytes(env) {
        return None;
    }
    let names = helpers::exported_names(fs::read(path_of(dir, object)).ok()?)?;
    // Two that find nothing agree about nothing, and then nm may have something to say.
    if names.is_empty() {
        return None;
    }
    let answer: Vec<u8> = names.iter().flat_map(|name| [name, &b"\n"[..]].concat()).collect();
    let files = [path_of(dir, lister), path_of(dir, sed)];
    let identity = verdicts::step(&[&files[0], &files[1]], &[script])?;
    match verdicts.of(identity) {
        Some(Verdict::Same) => Some(answer),
        Some(_) => None,
        None => {
            let listing = real(&found_at(lister, first), env, dir)?;
            let ran = real_with(&found_at(sed, second), env, dir, &listing.stdout)?;
            let well = |ran: &Ran| ran.status == Some(0) && ran.stderr.is_empty();
            let same = well(&listing) && well(&ran) && ran.stdout == answer;
            verdicts.keep(identity, if same { Verdict::Same } else { Verdict::Differs });
            // What was said to standard error is said when they run again.
            same.then_some(answer)
        }
    }
}

/// The checks that are scripts: whether this is one, by a look at its words.
pub(super) fn is_check(argv: &[Vec<u8>]) -> bool {
    match argv {
        [shell, script, _] => {
            matches!(base_name(shell), b"sh" | b"dash" | b"bash")
                && script.ends_with(b"scripts/modules-check.sh")
        }
        [script, _] => script.ends_with(b"scripts/check-local-export"),
        _ => false,
    }
}

/// A check that finds nothing wrong: whether all is well and the script need not run.
pub(super) fn all_is_well(
    argv: &[Vec<u8>],
    env: &Env,
    dir: &[u8],
    verdicts: &Verdicts,
) -> Option<bool> {
    let value = |name: &[u8]| env.iter().find(|(n, _)| n == name).map_or(&b""[..], |(_, v)| v);
    let (script, file) = (&argv[argv.len() - 2], &argv[argv.len() - 1]);
    let content = fs::read(path_of(dir, script)).ok()?;
    let subject = fs::read(path_of(dir, file)).ok()?;
    let is_list = argv.len() == 3;
    let found = if is_list {
        helpers::name_conflicts(&subject, Shown::AsListed)?
    } else {
        if !LOCAL_EXPORT_SEEN.contains(&xxh3_64(&content)) {
            return None;
        }
        helpers::local_exports(file, subject)?.messages
    };
    if !found.is_empty() {
        return None;
    }
    let identity =
        verdicts::step(&[], &[&content, &argv[0], value(b"NM"), value(b"AWK"), value(b"PATH")])?;
    match verdicts.of(identity) {
        Some(verdict) => Some(verdict == Verdict::Same),
        None => {
            let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            let ran = real(&words, env, dir)?;
            let silent = |ran: &Ran| ran.stdout.is_empty() && ran.stderr.is_empty();
            let same = ran.status == Some(0)
                && silent(&ran)
                && (!is_list || finds_conflicts(&words, env, dir) == Some(true));
            verdicts.keep(identity, if same { Verdict::Same } else { Verdict::Differs });
            // It has no effect that running it again would change.
            Some(same)
        }
    }
}

/// Whether the script, given a list with a conflict, says what Kiln's own finds in it.
fn finds_conflicts(argv: &[&[u8]], env: &Env, dir: &[u8]) -> Option<bool> {
    const LIST: &[u8] = b"one/x.o\ntwo/y.o\nthree/x.o\n";
    let name = format!("kiln-check-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, LIST).ok()?;
    let words = [argv[0], argv[1], std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())];
    let ran = real(&words, env, dir);
    let _ = fs::remove_file(&path);
    let ran = ran?;
    let said = |shown| helpers::name_conflicts(LIST, shown).is_some_and(|text| text == ran.stderr);
    Some(ran.status == Some(1) && (said(Shown::AsListed) || said(Shown::AsModule)))
}
