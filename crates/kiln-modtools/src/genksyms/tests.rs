//! What a run gives for small texts, by hand-made input. The values were taken from the original
//! programs; `tests/genksyms.rs` compares with those that are installed.

use super::{Flavor, Output, Settings, fuzz, run};
use crate::kernel::Release;

const ALL: [Flavor; 4] = [Flavor::V5_10, Flavor::V6_1, Flavor::V6_12, Flavor::V7_2];

fn sum(text: &str, flavor: Flavor) -> String {
    String::from_utf8(run(text.as_bytes(), flavor, &Settings::default()).out).unwrap_or_default()
}

fn full(text: &str, flavor: Flavor, reference: &str, preserve: bool) -> Output {
    let settings = Settings {
        warnings: true,
        types: true,
        preserve,
        reference: reference.as_bytes().to_vec(),
        ..Settings::default()
    };
    run(text.as_bytes(), flavor, &settings)
}

fn words(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The expanded definitions (`-D`), one for each export.
fn expanded(text: &str, flavor: Flavor) -> String {
    let settings = Settings { dump: true, ..Settings::default() };
    words(&run(text.as_bytes(), flavor, &settings).err).into()
}

const SAMPLE: &str = r#"# 1 "sample.c"
# 1 "sample.h" 1
typedef unsigned long ulong_t;
struct t;
enum e { E0, E1 = 4, E2 };
struct s { int a; struct t *p; enum e e; };
union u { ulong_t x; struct s *s; };
typedef struct { int q; } anon_t;
# 9 "sample.c" 2
extern int fn1(struct s *first, ulong_t, union u, anon_t *);
__GENKSYMS_EXPORT_SYMBOL(fn1);
"#;

#[test]
fn every_type_is_written_out_once() {
    for flavor in ALL {
        assert_eq!(
            expanded(SAMPLE, flavor),
            "Export fn1 == <int fn1 ( struct s { int a ; struct t { UNKNOWN } * p ; enum e { E0 , \
             E1 = 4 , E2 } e ; } * , typedef unsigned long ulong_t , union u { ulong_t x ; struct s \
             * s ; } , typedef struct { int q ; } anon_t * ) >\n"
        );
    }
}

#[test]
fn output_line_by_version() {
    assert_eq!(sum(SAMPLE, Flavor::V5_10), "__crc_fn1 = 0xac6ca1ba;\n");
    for flavor in &ALL[1..] {
        assert_eq!(sum(SAMPLE, *flavor), "#SYMVER fn1 0xac6ca1ba\n");
    }
    let settings = Settings { relative: true, ..Settings::default() };
    assert_eq!(
        words(&run(SAMPLE.as_bytes(), Flavor::V5_10, &settings).out),
        "SECTIONS { .rodata : ALIGN(4) { __crc_fn1 = .; LONG(0xac6ca1ba); } }\n"
    );
}

#[test]
fn symtypes_list_inner_types_first() {
    let types = full(SAMPLE, Flavor::V6_12, "", false).types;
    assert_eq!(
        words(&types),
        "s#t struct t { UNKNOWN } \n\
         e#e enum e { E0 , E1 = 4 , E2 } \n\
         s#s struct s { int a ; s#t * p ; e#e e ; } \n\
         t#ulong_t typedef unsigned long ulong_t \n\
         u#u union u { t#ulong_t x ; s#s * s ; } \n\
         t#anon_t typedef struct { int q ; } anon_t \n\
         fn1 extern int fn1 ( s#s * , t#ulong_t , u#u , t#anon_t * ) \n"
    );
}

#[test]
fn attributes_after_a_declarator_count_from_6_14() {
    let text = "void f(void) __attribute__((x));\n__GENKSYMS_EXPORT_SYMBOL(f);\n";
    assert_eq!(expanded(text, Flavor::V6_12), "Export f == <void f ( void ) >\n");
    let kept = "Export f == <void f ( void ) __attribute__ ( ( x ) ) >\n";
    assert_eq!(expanded(text, Flavor::V7_2), kept);
}

#[test]
fn a_declarator_named_like_a_type_is_no_type_from_6_14() {
    let text = "typedef unsigned int phandle;\nstruct n { phandle phandle; };\n\
                int f(struct n *, phandle phandle);\n__GENKSYMS_EXPORT_SYMBOL(f);\n";
    let text = format!("# 1 \"a.c\"\n# 1 \"a.h\"\n{text}");
    let types = |flavor| words(&full(&text, flavor, "", false).types).to_owned();
    assert!(types(Flavor::V6_12).contains("{ t#phandle t#phandle ; }"), "{}", types(Flavor::V6_12));
    assert!(types(Flavor::V7_2).contains("{ t#phandle phandle ; }"), "{}", types(Flavor::V7_2));
}

#[test]
fn constants_without_a_value_count_on() {
    let text = "# 1 \"a.c\"\n# 1 \"a.h\"\nenum { A, B = 1 << 3, C, D };\nint v[A + C + D];\n\
                __GENKSYMS_EXPORT_SYMBOL(v);\n";
    for flavor in ALL {
        assert_eq!(
            expanded(text, flavor),
            "Export v == <int v [ 0 + ( 1 << 3 ) + 1 + ( 1 << 3 ) + 2 ] >\n"
        );
    }
}

#[test]
fn types_of_the_main_file_stay_unknown() {
    let text = "# 1 \"a.c\"\nstruct p { int x; };\nstruct p q;\n__GENKSYMS_EXPORT_SYMBOL(q);\n";
    for flavor in ALL {
        let run = full(text, flavor, "", false);
        assert!(words(&run.types).starts_with("s#p struct p { UNKNOWN } \n"));
        assert_eq!(words(&run.err), "a.c:3: expand undefined struct p\n");
        assert_eq!(run.status, 1);
    }
}

#[test]
fn reference_changes_are_told_and_can_be_forbidden() {
    let text = "# 1 \"a.c\"\n# 1 \"a.h\"\nstruct p { long x; };\nstruct p *q;\n\
                __GENKSYMS_EXPORT_SYMBOL(q);\n";
    let old = "s#p struct p { int x ; } \nq s#p * q \n";
    for flavor in ALL {
        let run = full(text, flavor, old, false);
        let changed = "modversion changed because of changes in struct p\n";
        assert_eq!(words(&run.err), format!("a.h:3: warning: q: {changed}"));
        assert_eq!(run.status, 0);
        let run = full(text, flavor, old, true);
        assert_eq!(words(&run.err), format!("a.h:3: error: q: {changed}"));
        assert_eq!(run.status, 1);
        let run = full(text, flavor, &format!("override {old}"), true);
        assert_eq!(words(&run.err), "a.h:1: ignoring struct p modversion change\n");
        assert!(words(&run.types).starts_with("override s#p struct p { int x ; } \n"));
        assert_eq!(run.status, 0);
    }
}

#[test]
fn a_broken_reference_ends_the_run() {
    let long = format!("x {}\n", "y".repeat(256));
    for (reference, message) in
        [(long.as_str(), "Token too long\n"), ("z#x y\n", "Unknown type z\n")]
    {
        let run = full(SAMPLE, Flavor::V6_12, reference, false);
        assert_eq!((words(&run.err), run.status), (message, 1));
        assert!(run.out.is_empty());
    }
    // The original dies of a reference to what is nowhere declared; here it is an error in words.
    let nowhere = "fn1 t#nowhere \noverride fn1 t#nowhere \n";
    assert_eq!(full(SAMPLE, Flavor::V6_12, nowhere, true).status, 1);
}

#[test]
fn text_cut_off_anywhere_gives_no_panic() {
    let text = format!(
        "{SAMPLE}typedef int t2; __attribute__((a(b))) static t2 (*g(int (*)(t2), ...))[3] = {{ 1, }};\n\
         struct w {{ int a : 3, : 4; union {{ typeof(int *) b; typeof((x)) c; }}; char d[]; }} z;\n\
         asm(\"nop\"); _Static_assert(1, \"\\\"\"); int h(unknown_t u) {{ return '\\''; }}\n"
    );
    for end in 0..text.len() {
        fuzz(&text.as_bytes()[..end]);
        fuzz(&text.as_bytes()[end..]);
    }
}

#[test]
fn nesting_costs_no_call_stack() {
    let n = 200_000;
    let chain: String =
        (0..n / 10).map(|i| format!("struct s{} {{ struct s{i} *p; }};\n", i + 1)).collect();
    let chain = format!(
        "# 1 \"a.c\"\n# 1 \"a.h\"\n{chain}struct s{} v;\n__GENKSYMS_EXPORT_SYMBOL(v);\n",
        n / 10
    );
    for flavor in ALL {
        for text in ["(", "{", "[", "*", "struct {", "int f(", "typeof(", "__attribute__(("] {
            let run = full(&text.repeat(n), flavor, "", false);
            assert_eq!(run.status, 1, "{text}");
        }
        assert_eq!(sum(&chain, flavor).lines().count(), 1);
    }
}

#[test]
fn too_deep_a_declarator_is_refused_as_by_bison() {
    let text =
        |stars: usize| format!("int {}x;\n__GENKSYMS_EXPORT_SYMBOL(x);\n", "*".repeat(stars));
    for flavor in &ALL[1..] {
        assert_eq!(sum(&text(9_000), *flavor).lines().count(), 1);
        let run = full(&text(10_001), *flavor, "", false);
        assert_eq!(words(&run.err), "<stdin>:1: memory exhausted\n");
        assert_eq!(run.status, 1);
    }
}

#[test]
fn expressions_that_are_repeated_do_not_add_up() {
    // Each constant repeats the expression: 16 million tokens of 20,000 bytes.
    let names: String = (0..4000).map(|i| format!(",c{i}")).collect();
    let text = format!("enum e {{ a = {}1 {names} }};\n", "1+".repeat(2000));
    for flavor in ALL {
        let run = full(&text, flavor, "", false);
        assert!(words(&run.err).ends_with("<stdin>:1: the definitions are too large\n"));
        assert_eq!(run.status, 1);
    }
}

#[test]
fn quotes_without_an_end_take_linear_time() {
    // Quadratic time would be noticed as a test that does not end.
    for text in ["\\\"", "\"\\\\", "'\\\"", "L\"\\'", "\"\\\n", "\\\"\\\\\""] {
        sum(&text.repeat(1 << 18), Flavor::V6_12);
    }
}

#[test]
fn versions_by_release() {
    for (release, flavor) in [
        ("5.10.0-32-amd64", Flavor::V5_10),
        ("6.1.0-56-amd64", Flavor::V6_1),
        ("6.12.117+deb12-amd64\n", Flavor::V6_12),
        ("7.2", Flavor::V7_2),
        ("6.14.0-rc1", Flavor::V7_2),
    ] {
        let release = Release::parse(release.as_bytes()).expect("a release");
        assert_eq!(Flavor::of(release), flavor, "{release}");
    }
}

#[test]
fn shares_as_c_prints_them() {
    for (value, text) in [
        (0.0, "0"),
        (1.0 / 4096.0, "0.000244141"),
        (3.0 / 4096.0, "0.000732422"),
        (2048.0 / 4096.0, "0.5"),
        (14063.0 / 4096.0, "3.43335"),
        (65536.0 / 4096.0, "16"),
    ] {
        assert_eq!(super::general(value), text);
    }
}
