//! The programs that are known to be deterministic: same arguments, environment and files, same
//! answer. A table with reasons; whatever is not on it makes a command run again every time. It
//! knows nothing of how programs are recognised.

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
pub(crate) const SHELL_WORDS: &[&str] = &[
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
        names: &["sign-file"],
        class: Class::Plain,
        reason: "signs what it reads; where that is a matter of chance (ECDSA), one signature is as good as another, and it leaves no answer but that",
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
        names: &["sed", "grep", "egrep", "fgrep", "bc", "m4", "flex", "bison", "lex", "yacc"],
        class: Class::Plain,
        reason: "functions of their text and input; a program that sed starts is seen",
    },
    Program {
        names: &["pkg-config", "pkgconf"],
        class: Class::Plain,
        reason: "tells what its files say; it makes up names of variables, so all of them count",
    },
    Program {
        names: &[
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
            "join",
            "link",
            "ln",
            "logname",
            "md5sum",
            "mkdir",
            "mkfifo",
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
        names: &["[", "test"],
        class: Class::Unless(&["-nt", "-ot", "-N"]),
        reason: "asks for files, unless for which is newer",
    },
    Program {
        names: &["cp", "mv", "install"],
        class: Class::Unless(&["-*u*", "--update*"]),
        reason: "what they change is an effect; with -u they go by which file is newer",
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
pub(crate) const MULTI_CALL: &[&str] = &["busybox", "toybox", "coreutils", "uutils", "llvm"];
