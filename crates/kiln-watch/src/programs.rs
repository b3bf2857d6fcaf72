//! Which program of the table a file is, and whether its arguments or texts ask for more than the
//! table answers for. It knows nothing of how it was found out which programs ran.

use crate::table::MULTI_CALL;
pub use crate::table::{Class, DETERMINISTIC, NOT_KEPT, Program};

/// The table's line for a program: the file name of its real path, or for one that is many programs
/// in one file, of the path that it was started by.
#[must_use]
pub fn lookup(real_path: &[u8], called: &[u8]) -> Option<&'static Program> {
    let real = base(real_path);
    let name = if MULTI_CALL.iter().any(|m| m.as_bytes() == real) { base(called) } else { real };
    let exact =
        |name: &[u8]| DETERMINISTIC.iter().find(|p| p.names.iter().any(|n| n.as_bytes() == name));
    if let Some(found) = exact(name) {
        return Some(found);
    }
    // What a distribution's wrapper starts: `objtool.real-x86`, `modpost.real-lsb-64`.
    if let Some(at) = name.windows(5).position(|w| w == b".real")
        && let Some(found) = exact(&name[..at])
    {
        return Some(found);
    }
    let name = without_version(name);
    if let Some(found) = exact(name) {
        return Some(found);
    }
    // A cross tool: `aarch64-linux-gnu-gcc`, `x86_64-linux-gnu-ld.bfd`. Only compilers have such
    // names, and only a target's name may stand before theirs (`my-sh` is not a shell).
    let dashes = name.iter().enumerate().filter(|(_, b)| **b == b'-');
    for (at, _) in dashes {
        if let Some(found) = exact(&name[at + 1..])
            && found.class == Class::Compiler
            && is_target(&name[..at])
        {
            return Some(found);
        }
    }
    None
}

/// Programs that see variables whose names they do not know: by listing them, or by making up names in
/// another spelling.
const LISTING: &[&str] = &["env", "pkg-config", "rustc"];

impl Program {
    /// Whether it may see any variable.
    #[must_use]
    pub fn lists_variables(&self) -> bool {
        self.names.iter().any(|n| LISTING.contains(n))
    }
}

/// Whether a program may ask from where it was called: bash does, unless it is called as sh, by its file as by
/// the first of its arguments.
#[must_use]
pub fn asks_for_caller(real_path: &[u8], called: &[u8], name: &[u8]) -> bool {
    without_version(base(real_path)) == b"bash" && [called, name].iter().any(|n| base(n) != b"sh")
}

/// Why a program is not on the table, in words that follow its path.
#[must_use]
pub fn refusal(real_path: &[u8], called: &[u8]) -> &'static str {
    let real = base(real_path);
    let name = if MULTI_CALL.iter().any(|m| m.as_bytes() == real) { base(called) } else { real };
    let plain = name.split(|b| *b == b'.').next().unwrap_or(name);
    let known = |(n, _): &&(&str, &str)| n.as_bytes() == name || n.as_bytes() == plain;
    NOT_KEPT
        .iter()
        .find(known)
        .map_or("which is not known to answer alike every time", |(_, why)| why)
}

/// The word by which these arguments ask for what cannot be kept, if one does.
#[must_use]
pub fn forbidden_argument(class: Class, argv: &[Vec<u8>]) -> Option<&[u8]> {
    let rest = argv.get(1..).unwrap_or_default();
    match class {
        Class::Plain => None,
        // -march=native, -mcpu=native: the answer is the processor's, which no file tells.
        Class::Compiler => rest.iter().find(|a| a.ends_with(b"=native")).map(|a| &a[..]),
        Class::Interpreter(words) => {
            rest.iter().find(|a| word_in(words, a).is_some()).map(|a| &a[..])
        }
        Class::Unless(patterns) if rest.is_empty() && patterns.contains(&"") => {
            argv.first().map(|a| &a[..])
        }
        Class::Unless(patterns) => rest
            .iter()
            .find(|a| patterns.iter().any(|p| matches_pattern(p.as_bytes(), a)))
            .map(|a| &a[..]),
    }
}

/// The first of the words that stands in a text; a word of letters not as a part of a longer one.
#[must_use]
pub fn word_in(words: &'static [&'static str], text: &[u8]) -> Option<&'static str> {
    words.iter().copied().find(|w| has_word(text, w.as_bytes()))
}

pub(crate) fn has_word(text: &[u8], word: &[u8]) -> bool {
    let lettered = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if !word.iter().all(lettered) {
        return contains(text, word);
    }
    let mut from = 0;
    while let Some(at) = find(&text[from..], word).map(|at| at + from) {
        let before = at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(lettered);
        if !before && !text.get(at + word.len()).is_some_and(lettered) {
            return true;
        }
        from = at + 1;
    }
    false
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let starts = text.iter().enumerate().filter(|(_, b)| **b == first).map(|(i, _)| i);
    starts.into_iter().find(|i| text[*i..].starts_with(word))
}

pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    find(text, word).is_some()
}

/// A trailing `*` stands for anything; `-*x*` for a cluster of short options that has an x.
fn matches_pattern(pattern: &[u8], text: &[u8]) -> bool {
    if let [b'-', b'*', letter, b'*'] = pattern {
        return text.first() == Some(&b'-') && text.get(1) != Some(&b'-') && text.contains(letter);
    }
    match pattern.split_last() {
        Some((b'*', prefix)) => text.starts_with(prefix),
        _ => text == pattern,
    }
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or(path)
}

/// `gcc-12` and `clang-16.0` without the version.
fn without_version(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|b| *b == b'-') {
        Some(at)
            if at > 0
                && at + 1 < name.len()
                && name[at + 1..].iter().all(|b| b.is_ascii_digit() || *b == b'.') =>
        {
            &name[..at]
        }
        _ => name,
    }
}

/// Whether a text looks like a target's name: two to four parts, the first a machine.
fn is_target(text: &[u8]) -> bool {
    const MACHINES: &[&str] = &[
        "x86_64",
        "i386",
        "i486",
        "i586",
        "i686",
        "aarch64",
        "arm",
        "powerpc",
        "riscv",
        "s390",
        "mips",
        "sparc",
        "loongarch",
        "alpha",
        "hppa",
        "m68k",
        "sh",
        "sh4",
        "ia64",
        "xtensa",
        "arc",
        "csky",
        "or1k",
        "nios2",
        "microblaze",
    ];
    let parts: Vec<&[u8]> = text.split(|b| *b == b'-').collect();
    (1..=4).contains(&parts.len())
        && MACHINES.iter().any(|m| parts[0].starts_with(m.as_bytes()))
        && parts.iter().all(|p| !p.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::SHELL_WORDS;

    fn name(path: &str) -> Option<&'static str> {
        lookup(path.as_bytes(), path.as_bytes()).map(|p| p.names[0])
    }

    #[test]
    fn compilers_are_known_by_all_their_names() {
        for path in [
            "/usr/bin/x86_64-linux-gnu-gcc-12",
            "/opt/aarch64-none-linux-gnu-gcc",
            "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
            "/usr/bin/clang-16",
            "/usr/lib/llvm-16/bin/clang",
            "/usr/bin/gcc-12.2",
        ] {
            assert_eq!(name(path), Some("gcc"), "{path}");
        }
        assert_eq!(name("/usr/bin/x86_64-linux-gnu-ld.bfd"), Some("as"));
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        for path in [
            "/usr/bin/my-sh",
            "/bin/arm-date",
            "/bin/date",
            "/usr/bin/git",
            "/bin/x86_64-sed",
            "gccx",
            "",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn many_programs_in_one_file_go_by_the_name_they_are_called_by() {
        assert!(lookup(b"/bin/busybox", b"/bin/sed").is_some());
        assert!(lookup(b"/bin/busybox", b"/bin/date").is_none());
        assert!(lookup(b"/bin/busybox", b"/bin/busybox").is_none());
        assert_eq!(refusal(b"/bin/busybox", b"/bin/date"), "which tells the time");
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(word_in(SHELL_WORDS, b"echo $((RANDOM % 2))"), Some("RANDOM"));
        assert_eq!(word_in(SHELL_WORDS, b"gcc -DCONFIG_RANDOMIZE_BASE -DX_RANDOM"), None);
        assert_eq!(word_in(SHELL_WORDS, b"[ a -nt b ]"), Some(" -nt "));
    }

    #[test]
    fn arguments_that_ask_for_more() {
        let said = |name: &str, arg: &str| {
            let class = lookup(name.as_bytes(), name.as_bytes()).map_or(Class::Plain, |p| p.class);
            forbidden_argument(class, &[name.into(), arg.into()]).is_some()
        };
        assert!(said("ls", "-l") && said("ls", "-alF") && !said("ls", "-a") && !said("ls", "x-l"));
        let alone = |name: &str| {
            let class = lookup(name.as_bytes(), name.as_bytes()).map_or(Class::Plain, |p| p.class);
            forbidden_argument(class, &[name.into()]).is_some()
        };
        assert!(alone("env") && !alone("sort") && !said("env", "A=1"));
        assert!(said("sort", "-R") && !said("sort", "-r"));
        assert!(said("find", "-newermt") && !said("find", "-name"));
        assert!(said("gcc", "-march=native") && !said("gcc", "-march=i586"));
    }

    #[test]
    fn each_name_stands_once() {
        let mut all: Vec<&str> = DETERMINISTIC.iter().flat_map(|p| p.names).copied().collect();
        all.extend(NOT_KEPT.iter().map(|(n, _)| n));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
