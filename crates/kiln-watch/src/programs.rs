//! The programs that are known to be deterministic: same arguments, environment and files, same
//! answer. A table with reasons; whatever is not on it makes a command run again every time. It
//! knows nothing of how it was found out which programs ran.

/// What can be said of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A function of its arguments and the files that it reads.
    Plain,
    /// A compiler, assembler or linker: the same, although it may look at the machine's random
    /// device (for names of temporaries) and at its own memory and processor limits (for speed).
    Compiler,
    /// It runs a text that can ask for more than files: time, chance. The words by which it would do
    /// so are looked for in its arguments and in the files that it reads.
    Interpreter(&'static [&'static str]),
    /// Deterministic unless one of these arguments is given. An entry that ends in `*` is a prefix, an
    /// empty one stands for no arguments at all.
    Unless(&'static [&'static str]),
}

/// One line of the table.
pub struct Program {
    /// File names, without a target's prefix (`aarch64-linux-gnu-`) or a version's suffix (`-12`).
    pub names: &'static [&'static str],
    /// What can be said of them.
    pub class: Class,
    /// Why.
    pub reason: &'static str,
}

/// Words by which a shell's text can ask for the time or for chance. `$$` is not among them: a
/// process id in what a command prints is looked for there, and in file names it is how kbuild names
/// temporaries.
const SHELL_WORDS: &[&str] = &[
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "BASHPID",
    "PPID",
    "/dev/tcp/",
    "/dev/udp/",
    "%(",
    " -nt ",
    " -ot ",
];
/// The same for awk.
const AWK_WORDS: &[&str] =
    &["systime", "strftime", "srand", "rand", "PROCINFO", "/inet/", "/proc/"];

/// Programs of the kernel's toolchains and of POSIX whose answers can be kept.
pub const DETERMINISTIC: &[Program] = &[
    Program {
        names: &[
            "gcc",
            "g++",
            "c++",
            "cc",
            "cpp",
            "cc1",
            "cc1plus",
            "collect2",
            "lto1",
            "lto-wrapper",
            "clang",
            "clang++",
            "clang-cpp",
            "gcc-ar",
            "gcc-nm",
            "gcc-ranlib",
        ],
        class: Class::Compiler,
        reason: "compiles what it reads; reproducible builds rest on it. __DATE__ and __TIME__ are seen in the output",
    },
    Program {
        names: &["as", "ld", "ld.bfd", "ld.gold", "ld.lld", "lld", "gold", "mold", "ld.mold"],
        class: Class::Compiler,
        reason: "assembles or links what it reads",
    },
    Program {
        names: &[
            "nm",
            "objcopy",
            "objdump",
            "readelf",
            "ar",
            "ranlib",
            "strip",
            "size",
            "strings",
            "addr2line",
            "c++filt",
            "elfedit",
            "llvm-nm",
            "llvm-objcopy",
            "llvm-objdump",
            "llvm-readelf",
            "llvm-ar",
            "llvm-ranlib",
            "llvm-strip",
            "llvm-size",
            "llvm-strings",
            "llvm-readobj",
            "llvm-link",
            "opt",
            "llc",
        ],
        class: Class::Compiler,
        reason: "reads and writes object files; ar's stamps are effects, not answers",
    },
    Program {
        names: &["rustc", "bindgen", "rustdoc"],
        class: Class::Compiler,
        reason: "reproducible by its own tests; its threads do not show in what it makes",
    },
    Program {
        names: &["pahole", "resolve_btfids", "objtool", "dtc"],
        class: Class::Compiler,
        reason: "functions of the objects they read; threads do not show (pahole -j sorts or the build is not reproducible)",
    },
    Program {
        names: &[
            "fixdep",
            "modpost",
            "genksyms",
            "gendwarfksyms",
            "mk_elfconfig",
            "kallsyms",
            "sorttable",
            "recordmcount",
            "asn1_compiler",
            "conf",
            "unifdef",
            "bin2c",
            "insert-sys-cert",
            "extract-cert",
        ],
        class: Class::Plain,
        reason: "the kernel tree's own tools: functions of the files they read",
    },
    Program {
        names: &["sh", "dash", "bash", "ksh", "mksh", "yash", "ash"],
        class: Class::Interpreter(SHELL_WORDS),
        reason: "does what its text says; what could tell the time or chance is looked for in the text",
    },
    Program {
        names: &["awk", "gawk", "mawk", "original-awk", "nawk"],
        class: Class::Interpreter(AWK_WORDS),
        reason: "does what its text says; what could tell the time or chance is looked for in the text",
    },
    Program {
        names: &[
            "sed",
            "grep",
            "egrep",
            "fgrep",
            "bc",
            "m4",
            "flex",
            "bison",
            "lex",
            "yacc",
            "pkg-config",
            "pkgconf",
        ],
        class: Class::Plain,
        reason: "functions of their text and input; a program that sed starts is seen",
    },
    Program {
        names: &[
            "[",
            "test",
            "arch",
            "b2sum",
            "base32",
            "base64",
            "basename",
            "basenc",
            "cat",
            "chmod",
            "cksum",
            "cmp",
            "comm",
            "cp",
            "csplit",
            "cut",
            "diff",
            "diff3",
            "dirname",
            "echo",
            "expand",
            "expr",
            "factor",
            "false",
            "fmt",
            "fold",
            "head",
            "install",
            "join",
            "link",
            "ln",
            "logname",
            "md5sum",
            "mkdir",
            "mkfifo",
            "mv",
            "nl",
            "numfmt",
            "od",
            "paste",
            "pathchk",
            "pr",
            "printf",
            "ptx",
            "pwd",
            "readlink",
            "realpath",
            "rm",
            "rmdir",
            "seq",
            "sha1sum",
            "sha224sum",
            "sha256sum",
            "sha384sum",
            "sha512sum",
            "split",
            "stdbuf",
            "sum",
            "tac",
            "tee",
            "touch",
            "tr",
            "true",
            "truncate",
            "tsort",
            "unexpand",
            "uniq",
            "unlink",
            "wc",
            "xargs",
            "xxd",
            "hexdump",
            "which",
            "rev",
            "file",
        ],
        class: Class::Plain,
        reason: "functions of their arguments and of the files they look at; what they change is an effect",
    },
    Program {
        names: &["uname", "hostname", "id", "whoami", "groups"],
        class: Class::Plain,
        reason: "tells the machine and the user, which are part of every key",
    },
    Program {
        names: &["gzip", "xz", "zstd", "bzip2", "lz4", "lzma", "lzop"],
        class: Class::Plain,
        reason: "packs what it reads; the name and stamp that gzip writes are the file's own",
    },
    Program {
        names: &["sort"],
        class: Class::Unless(&["-R*", "--random*", "--sort=random"]),
        reason: "orders by its locale's files, unless told to order by chance",
    },
    Program {
        names: &["find"],
        class: Class::Unless(&[
            "-amin", "-cmin", "-mmin", "-atime", "-ctime", "-mtime", "-newer*", "-anewer",
            "-cnewer", "-used", "-ls", "-printf", "-fprintf", "-fls",
        ]),
        reason: "tells names by listings; times of directories and of access are not observed",
    },
    Program {
        names: &["ls", "dir", "vdir"],
        class: Class::Unless(&[
            "-l*", "-*l*", "-*t*", "-*s*", "-*i*", "-*u*", "-*c*", "-*o*", "-*g*", "--*",
        ]),
        reason: "tells names; a long listing writes old dates otherwise than new ones",
    },
    Program {
        names: &["env"],
        class: Class::Unless(&[""]),
        reason: "starts another program; by itself it tells all variables, also those that are in no key",
    },
    Program {
        names: &["getconf"],
        class: Class::Unless(&["_AVPHYS_PAGES", "_PHYS_PAGES", "_NPROCESSORS*", "-a"]),
        reason: "tells constants of the C library, unless asked for the machine's state",
    },
    Program {
        names: &["tail"],
        class: Class::Unless(&["-f*", "-F*", "--follow*", "--retry", "--pid*"]),
        reason: "a function of its input unless it waits for more",
    },
];

/// Programs that people will ask about, and why their answers are not kept.
pub const NOT_KEPT: &[(&str, &str)] = &[
    ("date", "which tells the time"),
    ("mktemp", "which makes names by chance"),
    ("shuf", "which orders by chance"),
    ("git", "which looks at its repository in ways that stamps do not tell"),
    ("hg", "which looks at its repository in ways that stamps do not tell"),
    ("svn", "which looks at its repository in ways that stamps do not tell"),
    ("make", "which rests on times of files and starts what it likes"),
    ("python", "a language whose programs can ask for anything"),
    ("python3", "a language whose programs can ask for anything"),
    ("perl", "a language whose programs can ask for anything"),
    ("ccache", "which answers from a cache of its own"),
    ("sccache", "which answers from a cache of its own"),
    ("distcc", "which asks other machines"),
    ("icecc", "which asks other machines"),
    ("stat", "which tells times of access"),
    ("printenv", "which tells variables that are in no key"),
    ("dd", "which tells how fast it was"),
    ("nproc", "which tells the processors that are free to it"),
    ("sleep", "which is run for the time that it takes"),
    ("timeout", "which depends on the time that it takes"),
    ("openssl", "which makes keys by chance"),
    ("rustup", "which may fetch a toolchain"),
];

/// Programs that are many by the name they are called by.
const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "uutils", "llvm"];

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

fn has_word(text: &[u8], word: &[u8]) -> bool {
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
