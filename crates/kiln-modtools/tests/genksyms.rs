//! genksyms beside the programs of the installed kernel trees, on hand-written C.
//!
//! Each case is one text; both programs get it with several option sets, and standard output, standard
//! error, exit status and the symtypes file must be the same. A version that is not installed is skipped
//! by name. `scripts/judge-genksyms` does the same on whole kernels.

mod common;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use common::World;
use kiln_modtools::find;

/// What a run leaves, in a form that a failing comparison shows well.
#[derive(PartialEq, Eq, Debug)]
struct Left {
    status: Option<i32>,
    out: String,
    err: String,
    types: Option<String>,
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\n", "\n")
}

/// The installed programs with their releases.
fn originals() -> Vec<(String, PathBuf)> {
    let programs = common::programs("scripts/genksyms/genksyms").into_iter();
    programs.map(|(release, program)| (release.to_string(), program)).collect()
}

fn original(program: &Path, args: &[&str], input: &[u8], reference: &[u8]) -> Left {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("kiln-genksyms-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a temporary directory");
    std::fs::write(dir.join("ref"), reference).expect("a file in it");
    // Some texts that no compiler takes send the original into memory that it has freed, and then round
    // for ever. Limits end that; it then counts as a death.
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v 60000; ulimit -t 2; exec \"$0\" \"$@\""])
        .arg(program)
        .args(args)
        .current_dir(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that ends early closes the pipe; that is no failure.
        let _ = stdin.write_all(&bytes);
    });
    let done = child.wait_with_output().expect("the program ends");
    let _ = writer.join();
    let types = std::fs::read(dir.join("types")).ok();
    let _ = std::fs::remove_dir_all(&dir);
    // The program names itself by its path, Kiln by its name.
    let path = program.to_str().expect("a plain path");
    Left {
        status: done.status.code(),
        out: text(&done.stdout),
        err: text(&done.stderr).replace(path, "genksyms"),
        types: types.map(|t| text(&t)),
    }
}

fn ours(release: &str, args: &[&str], input: &[u8], reference: &[u8]) -> Left {
    let mut world = World { input: input.to_vec(), ..World::default() };
    world.env.insert(b"KILN_KERNEL".to_vec(), release.as_bytes().to_vec());
    world.files.insert(b"ref".to_vec(), reference.to_vec());
    let args: Vec<Vec<u8>> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
    let main = find(b"genksyms").expect("the tool is listed");
    let status = main(&args, &mut world);
    Left {
        status: Some(status),
        out: text(&world.out),
        err: text(&world.err),
        types: world.files.get(b"types".as_slice()).map(|t| text(t)),
    }
}

fn same(args: &[&str], input: &str, reference: &str) {
    for (release, program) in originals() {
        let left = original(&program, args, input.as_bytes(), reference.as_bytes());
        if left.status.is_none_or(|s| s > 128) || left.err.ends_with("out of memory\n") {
            // It died of a signal or its limits: there is nothing to be the same as.
            let _ = writeln!(io::stderr(), "skipped: the original of {release} dies of:\n{input}");
            continue;
        }
        let right = ours(&release, args, input.as_bytes(), reference.as_bytes());
        assert_eq!(left, right, "Linux {release}, options {args:?}, text:\n{input}");
    }
}

/// Declarations as headers have them; the exports stand in the main file.
const HEADERS: &[&str] = &[
    // Typedefs, tags and anonymous bodies, each used twice.
    "typedef unsigned long word_t; struct node { struct node *next; word_t w; };
     union both { struct node n; struct { int in; } s; } ; extern union both b1, *b2, b3[4];
     typedef struct { word_t a, b; } pair_t; pair_t *p1(pair_t, word_t); int x1 = sizeof(pair_t);",
    // Qualifiers, storage classes, restrict in all places.
    "extern const volatile int *restrict b1; static inline unsigned long long b2(register int a);
     int *const *volatile b3; char *__restrict__ p1(const char *restrict, char *restrict to);
     auto signed char x1; __extension__ typedef long long ll_t; const ll_t x2;",
    // Attributes everywhere.
    "__attribute__((cold)) int b1(void) __attribute__((noreturn)); struct __attribute__((packed)) pk
     { int a __attribute__((aligned(4))); char c; } __attribute__((aligned(8)));
     struct pk b2 __attribute__((section(\"x\"))) = { 1 }, b3; int (__attribute__((y)) *p1)(int);
     static int __attribute__((unused)) x1, *x2 __attribute__((z)); int x3 asm(\"r\"), x4 asm(\"r\") = 1;",
    // Names that are both types and declarators.
    "typedef int phandle; typedef struct list { struct list *list; phandle phandle; } list;
     phandle b1(list list, phandle phandle); list *b2(phandle (*phandle)(list)); phandle b3(phandle);
     typedef phandle phandle_t, *phandle_p; phandle_p p1[2]; int x1(phandle_t phandle_t, phandle);",
    // Enumerations: counting, expressions, names, trailing commas.
    "enum colour { RED, GREEN = 5, BLUE, LAST = BLUE + (1, 2), }; enum { A = 'a', B }; enum big { Z };
     enum colour b1; int b2[BLUE], b3[B]; enum undefined_enum *p1;
     struct r { int RED; enum colour c; } x1; enum colour x2(enum big { Y } y);",
    // Functions: pointers, arrays of them, variadic, old style, bodies with quotes and braces.
    "int b1(int (*f)(int, char), ...), (*b2[3])(void), (*(*b3)(int))[4]; int p1();
     static inline int helper(void) { char c = '}'; return \"{\"[0] + c; }
     void x1(int a[], int (b), int (*)[2]); void (*signal(int sig, void (*func)(int)))(int);
     void x2(void (*cb)(void *), void *); void x3(int (), int (*[])(void));",
    // typeof, built-in types, bit fields.
    "typedef int t; int v; typeof(v) b1; __typeof__(t) b2; typeof(t *) b3; typeof((v)) p1;
     typeof(&v) x1; typeof(struct f *) x2; __int128 x3; __builtin_va_list x4; _Bool x5;
     struct f { unsigned a : 3, : 2, b : sizeof(int); int : 0; t t; } x7; typeof(int (*)(t)) x8;",
    // 7.2's words; earlier versions stumble over them in their own way.
    "__seg_gs int b1; int __seg_fs *b2; typeof_unqual(const int) b3; __typeof_unqual__(x) p1;
     int8x16_t x1; uint64x2_t *x2(int32x4_t a); int8x3_t x3; int __seg_gs *x4(int __seg_gs *);",
    // Static assertions and other things at file level.
    "_Static_assert(sizeof(int) == 4, \"; )\"); int b1; ; asm(\"nop\"); __asm__(\"pushsection (\");
     int b2; struct forward; struct forward *b3; struct; int; typedef int; struct named { int a; };
     int p1, ;",
    // Constants and operators in array bounds, cut into tokens as the original cuts them.
    "int b1[0x10UL + 10ULL], b2[1.5e3f > 2.], b3[08 + .5], p1['\\'' + L'x'], x1[sizeof \"a\\\"b\"],
     x2[1 <<= 2 != 3 == 4 -> 5 && 6 || !7], x3[0x], x4[1e+], x5[1...2], x6[a ? b : c], x7[a[1][2]];",
    // Errors and what survives them.
    "int b1(unknown_type a); int good1; struct bad { unknown_type x; int y; } b2; int @ bad; int b3;
     struct bad2 { int a; unknown_type b; int c; }; struct bad2 p1; int x1(int, unknown_t (*)(int));
     struct bad3 { unknown }; struct bad3 x2; } int x3; int x4((*)); enum { 1, 2 } x5; int x6;",
    "int b1 b2; int (*unknown b3)(int); int p1(int)(int); int x1{ }; typedef x2; struct { int a } x3;
     int x4[; int x5; ] int x6; int x7(; ) int x8; \"string\" int x9; #not a line\nint x10;",
    // The same name declared again, differently and identically.
    "int b1; int b1; long b1; struct d { int a; }; struct d { int a; }; struct d { long a; };
     typedef int d_t; typedef int d_t; typedef long d_t; d_t b2; union d *b3; struct d *p1; enum d x1;",
    // Initialisers.
    "struct i { int a; } b1 = { .a = 1, }, b2[] = { { 1 }, { (2, 3) } }; int b3 = (1, 2);
     int (*x1)(int) = 0, x2 = { ';', '}' }, x3; char x4[] = \"}\" \"{\"; int x5 = ; int x6;",
];

/// The names that [`unit`] exports, declared or not.
const EXPORTS: &[&str] =
    &["b1", "b2", "b3", "p1", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "nothing"];

fn unit(header: &str) -> String {
    let mut unit = format!("# 0 \"case.c\"\n# 1 \"case.h\" 1\n{header}\n# 2 \"case.c\" 2\n");
    unit.push_str("struct inside { int a; }; struct inside own;\n");
    for name in EXPORTS.iter().chain(&["own"]) {
        unit.push_str(&format!("__GENKSYMS_EXPORT_SYMBOL({name});\n"));
    }
    unit
}

#[test]
fn hand_written_headers() {
    let options: [&[&str]; 5] =
        [&["-w", "-T", "types"], &["-T", "types"], &["-wD"], &["-d", "--warnings"], &["-qR"]];
    for header in HEADERS {
        for args in options {
            same(args, &unit(header), "");
        }
        // In the main file all bodies are dropped; without markers none.
        same(&["-wT", "types"], &unit(header).replace("case.h", "case.c"), "");
        same(&["-w", "-Ttypes"], &unit(header).replace("# ", "#pragma "), "");
    }
}

#[test]
fn all_headers_in_one_unit() {
    same(&["-w", "-T", "types"], &unit(&HEADERS.join("\n")), "");
    let mut turned: Vec<&str> = HEADERS.to_vec();
    turned.reverse();
    same(&["-w", "-T", "types"], &unit(&turned.join("\n")), "");
}

#[test]
fn text_that_ends_early() {
    // Not in a list of declarators: cut off there, the original runs into memory that it has freed.
    for header in [HEADERS[6], HEADERS[12]] {
        let exports = "\n__GENKSYMS_EXPORT_SYMBOL(b1);\n__GENKSYMS_EXPORT_SYMBOL(b2);";
        let text = format!("# 1 \"a.c\"\n# 1 \"a.h\"\n{header}{exports}");
        for end in (0..text.len()).step_by(17) {
            same(&["-w", "-T", "types"], &text[..end], "");
        }
    }
}

#[test]
fn references() {
    let new = unit(
        "struct s { int a; long b; }; struct t { struct s *s; }; enum e { E1, E2 = 3, E3 };
         typedef struct t *tp; int b1(struct t *, tp); struct s b2; tp b3[E3]; enum e p1; int x1(void);",
    );
    let known = "s#s struct s { int a ; long b ; } \ns#t struct t { s#s * s ; } \n\
                 t#tp typedef s#t * tp \nb1 int b1 ( s#t * , t#tp ) \nb2 s#s b2 \n\
                 e#e enum e { E1 , E2 = 3 , E3 } \nE#E3 ( 3 ) + 1 \n";
    let changed = known.replace("int a", "char a").replace("= 3", "= 4");
    let unknown = known.replace("{ int a ; long b ; }", "{ UNKNOWN }");
    let quoted = "b2 s#s b2 \"a b\n\n  s#s   struct s {\nx1 extern int x1 ( void ) \n";
    for reference in ["", known, &changed, &unknown, quoted, "lonely\n", "override\n", "x extern"] {
        let overriding: String = reference.lines().map(|l| format!("override {l}\n")).collect();
        for args in [&["-r", "ref", "-T", "types"][..], &["-pr", "ref", "-wT", "types"]] {
            same(args, &new, reference);
            same(args, &new, &overriding);
        }
    }
    let (long, longest) = ("x".repeat(256), "x".repeat(255));
    for broken in ["z#a b\n", &format!("a {long} b\n"), &format!("a {longest} b\n")] {
        same(&["-r", "ref", "-T", "types"], &new, broken);
    }
}

#[test]
fn command_lines() {
    let input = unit(HEADERS[0]);
    // `-dd` is left out: the original then prints a trace of its parser, which is not imitated.
    let lines: &[&[&str]] = &[
        &["-h"],
        &["--help", "-x"],
        &["-V", "--version"],
        &["-x"],
        &["-wzq"],
        &["-r"],
        &["-r", "absent"],
        &["-r", "absent", "-h"],
        &["--reference=ref", "--dump-types", "types"],
        &["--ref", "ref", "--dump-t=types"],
        &["--dump"],
        &["--du"],
        &["--d"],
        &["--debug=1"],
        &["--nonsense"],
        &["--nonsense=2"],
        &["--reference"],
        &["--relative-crc"],
        &["-R"],
        &["-s"],
        &["-s", "_"],
        &["word", "-w", "--", "-h"],
        &["-", "-w"],
        &["-a"],
        &["--pre", "-p", "--quiet"],
    ];
    for args in lines {
        same(args, &input, "b2 int b2 \n");
    }
}
