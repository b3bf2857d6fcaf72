//! gendwarfksyms on debugging entries written here, and on what the machine's compiler makes of C.
//! The texts and CRCs expected are what the program of Linux 7.2 wrote for the same entries. Where
//! `KILN_GENDWARFKSYMS` names that program, it is run on every sound object again and must give the same.
#![allow(missing_docs)]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use common::dwarf::object;
use common::{World, args};
use kiln_modtools::find;

const X86_64: (bool, bool, u16) = (true, false, 62);
/// Word size, byte order and number of machines whose relocations differ.
const MACHINES: &[(bool, bool, u16)] =
    &[X86_64, (true, false, 183), (true, true, 22), (true, true, 21)];

/// Runs Kiln's on a sound object, and the original beside it if there is one.
fn run(object: &[u8], words: &str, names: &str) -> (i32, World) {
    let (status, world) = run_alone(object, words, names);
    if let Some(program) = std::env::var_os("KILN_GENDWARFKSYMS") {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (names_file, types) = (dir.path().join("names"), dir.path().join("types"));
        std::fs::write(dir.path().join("m.o"), object).expect("the object");
        std::fs::write(&names_file, names).expect("the names");
        let names_file = std::fs::File::open(names_file).expect("the names");
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(&dir).stdin(names_file);
        let done = command.output().expect("the original");
        assert_eq!(done.status.code(), Some(status), "{words}");
        assert_eq!(String::from_utf8_lossy(&done.stdout), out(&world), "{words}");
        // The original's order of types depends on where the file was mapped.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(
            sorted(&String::from_utf8_lossy(&done.stderr)),
            sorted(&world.said()),
            "{words}"
        );
        if let Ok(text) = std::fs::read_to_string(types) {
            assert_eq!(text, world.text("types"), "{words}");
        }
    }
    (status, world)
}

fn run_alone(object: &[u8], words: &str, names: &str) -> (i32, World) {
    let mut world = World::with(&[("m.o", object)]);
    world.input = names.as_bytes().to_vec();
    let main = find(b"gendwarfksyms").expect("the tool is listed");
    let status = main(&args(words), &mut world);
    (status, world)
}

fn out(world: &World) -> String {
    String::from_utf8_lossy(&world.out).into_owned()
}

#[test]
fn options_stand_anywhere() {
    // Without names there is nothing to do, and files are not looked at.
    for (words, env, status, said) in [
        ("-sTout gone.o --dump-v --dump-die-map -- -d", "", 0, ""),
        (
            "--dump-d m.o",
            "",
            1,
            "gendwarfksyms: option '--dump-d' is ambiguous; possibilities: '--dump-dies' '--dump-die-map'\n",
        ),
        ("-dT", "", 1, "gendwarfksyms: option requires an argument -- 'T'\n"),
        ("m.o -x", "", 1, "gendwarfksyms: invalid option -- 'x'\n"),
        ("m.o -x", "POSIXLY_CORRECT", 0, ""),
        ("-hx", "", 0, "Usage: gendwarfksyms [options] elf-object-file"),
        ("-d", "", 1, "Usage: gendwarfksyms [options] elf-object-file"),
    ] {
        let mut world = World::default();
        world.env.insert(env.into(), Vec::new());
        assert_eq!(kiln_modtools::gendwarfksyms::main(&args(words), &mut world), status, "{words}");
        assert!(world.said().starts_with(said), "{words}: {}", world.said());
    }
}

/// What `--dump-versions` says of the symbol `f`.
fn text_of_f(entries: &str, words: &str) -> String {
    let object = object(entries, X86_64, &[("f", 0)]).build();
    let (status, world) = run(&object, &format!("--dump-versions {words} m.o"), "f\n");
    assert_eq!(status, 0, "{}", world.said());
    world.said().lines().last().and_then(|l| l.strip_prefix("f ")).unwrap_or_default().to_owned()
}

const POINTER: &str = "
    s: structure_type name=priv declaration=1
    p: pointer_type byte_size=8 type=@s
    subprogram name=f type=@p
";

#[test]
fn a_function_on_every_machine() {
    for &machine in MACHINES {
        let object = object(POINTER, machine, &[("f", 0)]).build();
        let (status, world) = run(&object, "-T types m.o", "f\n");
        assert_eq!((status, out(&world)), (0, "#SYMVER f 0xf50bce80\n".into()), "{machine:?}");
        assert_eq!(world.said(), "");
        let wanted = "f subprogram ( ) -> pointer_type { s#priv } byte_size(8)\n\
            s#priv structure_type priv { }\n";
        assert_eq!(world.text("types"), wanted);
    }
}

#[test]
fn aliases_have_one_crc_and_the_unknown_none() {
    let object = object(POINTER, X86_64, &[("g", 8), ("f", 8), ("other", 9)]).build();
    let (status, world) = run(&object, "m.o", "f\ng\nother\n");
    assert_eq!(status, 0);
    let wanted = "#SYMVER g 0xf50bce80\n#SYMVER f 0xf50bce80\n#SYMVER other 0x00000000\n";
    assert_eq!(out(&world), wanted);
    let warning =
        "warning: gendwarfksyms: symbol_print_versions: no information for symbol other\n";
    assert_eq!(world.said(), warning);
}

#[test]
fn dumps_are_indented() {
    let entries = "
        int: base_type name=int byte_size=4 encoding=5
        e: enumeration_type name=e byte_size=4 type=@int {
            enumerator name=A const_value=0
            enumerator name=B const_value=18446744073709551615
        }
        n: array_type type=@int {
            subrange_type upper_bound=1
            subrange_type count=3
            subrange_type
        }
        s: structure_type name=s byte_size=16 {
            member name=a type=@e data_member_location=0
            member name=n bit_size=3 type=@n data_member_location=4
        }
        subprogram name=f type=@int {
            formal_parameter name=why type=@s
            formal_parameter type=@s
        }
    ";
    let object = object(entries, X86_64, &[("f", 0)]).build();
    let (_, world) = run(&object, "--dump-dies m.o", "f\n");
    let wanted = "subprogram (
  formal_parameter structure_type s {
    member enumeration_type e {
      enumerator A = 0 ,
      enumerator B = 18446744073709551615
    } byte_size(4) a data_member_location(0) ,
    member array_type[2][3][] {
      base_type int byte_size(4) encoding(5)
    } n bit_size(3) data_member_location(4)
  } byte_size(16) why ,
  formal_parameter structure_type s {
  }
)
-> base_type int byte_size(4) encoding(5)
";
    assert_eq!(world.said(), wanted);
}

/// A list of parameters that is met again inside of itself, with its first parameter already known,
/// goes on without a comma; the text made last counts.
#[test]
fn a_list_inside_of_itself_loses_its_comma() {
    let entries = "
        int: base_type name=int byte_size=4 encoding=5
        fn: subroutine_type type=@int {
            formal_parameter type=@int
            formal_parameter type=@ps
        }
        pf: pointer_type byte_size=8 type=@fn
        s: structure_type name=s byte_size=8 {
            member name=fn type=@pf data_member_location=0
        }
        ps: pointer_type byte_size=8 type=@s
        subprogram name=f {
            formal_parameter name=p type=@pf
        }
    ";
    let inner = "formal_parameter base_type int byte_size(4) encoding(5)formal_parameter";
    let text = text_of_f(entries, "");
    assert!(text.contains(inner), "{text}");
    // The long way gives the same.
    assert_eq!(text_of_f(entries, "--dump-types"), text);
}

#[test]
fn names_carry_their_scopes() {
    let entries = "
        namespace name=k {
            structure_type {
                structure_type name=lost byte_size=1 {
                    x: structure_type name=in_lost byte_size=1
                }
            }
            structure_type name=s {
                structure_type {
                    y: structure_type name=in byte_size=2
                }
            }
            namespace name=deep {
                subprogram name=plain linkage_name=f {
                    formal_parameter type=@x
                    formal_parameter type=@y
                }
            }
        }
    ";
    let wanted = "subprogram ( formal_parameter structure_type k::<anonymous>::lost::in lost { } \
        byte_size(1) , formal_parameter structure_type k::s::<anonymous>::in { } byte_size(2) ) \
        -> base_type void";
    assert_eq!(text_of_f(entries, ""), wanted);
    let object = object(entries, X86_64, &[("f", 0)]).build();
    let (_, world) = run(&object, "-T types m.o", "f\n");
    assert!(
        world
            .text("types")
            .starts_with("f subprogram ( formal_parameter s#'k::<anonymous>::lost::in lost'")
    );
}

#[test]
fn variants_of_rust() {
    let entries = "
        u8: base_type name=u8 byte_size=1 encoding=7
        none: structure_type name=None byte_size=1
        e: structure_type name=E byte_size=1 {
            variant_part {
                member type=@u8 data_member_location=0
                variant discr_value=0 {
                    member name=A type=@none data_member_location=0
                }
                variant {
                    member name=B type=@u8 data_member_location=0
                }
            }
        }
        variable name=f type=@e
    ";
    let wanted = "variable structure_type E { variant_part { member base_type u8 byte_size(1) \
        encoding(7) data_member_location(0) , variant { member structure_type None { } byte_size(1) \
        A data_member_location(0) } discr_value(0) , variant { member base_type u8 byte_size(1) \
        encoding(7) B data_member_location(0) } } } byte_size(1)";
    assert_eq!(text_of_f(entries, ""), wanted);
}

#[test]
fn a_pointer_gives_the_type_of_what_is_elsewhere() {
    let entries = "
        int: base_type name=int byte_size=4 encoding=5
        fn: subroutine_type type=@int
        pf: pointer_type byte_size=8 type=@fn
        pi: pointer_type byte_size=8 type=@int
        variable name=__gendwarfksyms_ptr_f type=@pf
        variable name=__gendwarfksyms_ptr_v type=@pi
    ";
    // The writer makes blanks of underscores in names; put them back.
    let mut object = object(entries, X86_64, &[]).build();
    for name in ["  gendwarfksyms ptr f", "  gendwarfksyms ptr v"] {
        let at = object.windows(name.len()).position(|w| w == name.as_bytes()).expect("the name");
        object[at..at + name.len()].copy_from_slice(name.replace(' ', "_").as_bytes());
    }
    let (status, world) = run(&object, "--dump-versions m.o", "f\nv\n");
    assert_eq!(status, 0, "{}", world.said());
    let wanted = "v variable base_type int byte_size(4) encoding(5)\n\
        f subprogram ( ) -> base_type int byte_size(4) encoding(5)\n";
    assert_eq!(world.said(), wanted);
}

const STABLE: &str = "
    int: base_type name=int byte_size=4 encoding=5
    long: base_type name=long byte_size=8 encoding=5
    hold: structure_type byte_size=4 {
        member name=__kabi_reserved0 type=@int data_member_location=0
    }
    u: union_type byte_size=8 {
        member name=new type=@long
        member type=@hold
    }
    r: union_type byte_size=8 {
        member name=__kabi_renamedold type=@int
        member name=new type=@long
    }
    i: union_type byte_size=8 {
        member name=hidden type=@long
        member name=__kabi_ignored1 type=@int
    }
    e: enumeration_type name=e byte_size=4 {
        enumerator name=A const_value=1
        enumerator name=B const_value=2
        enumerator name=C const_value=3
    }
    d: structure_type name=d byte_size=8 {
        member name=x type=@long data_member_location=0
    }
    s: structure_type name=s byte_size=40 {
        member type=@u data_member_location=0
        member type=@r data_member_location=8
        member type=@i data_member_location=16
        member name=e type=@e data_member_location=24
        member name=d type=@d data_member_location=32
    }
    variable name=f type=@s
";

/// The object of `STABLE`, with underscores where they belong, and with rules.
fn stable(rules: &[u8]) -> Vec<u8> {
    let mut object = object(STABLE, X86_64, &[("f", 0)]);
    if !rules.is_empty() {
        object = object.section(".discard.gendwarfksyms.kabi_rules", 2, rules);
    }
    let mut object = object.build();
    while let Some(at) = object.windows(7).position(|w| w == b"  kabi ") {
        object[at..at + 7].copy_from_slice(b"__kabi_");
    }
    object
}

#[test]
fn members_that_keep_their_place() {
    let (_, world) = run(&stable(b""), "-s --dump-versions m.o", "f\n");
    let wanted = "f variable structure_type s { member base_type int byte_size(4) encoding(5) \
        data_member_location(0) , member base_type int byte_size(4) encoding(5) old \
        data_member_location(8) , member enumeration_type e { enumerator A = 1 , enumerator B = 2 , \
        enumerator C = 3 } byte_size(4) e data_member_location(24) , member structure_type d { member \
        base_type long byte_size(8) encoding(5) x data_member_location(0) } byte_size(8) d \
        data_member_location(32) } byte_size(40)\n";
    assert_eq!(world.said(), wanted);
    // Without --stable they are members like others.
    let (_, world) = run(&stable(b""), "--dump-versions m.o", "f\n");
    assert!(world.said().contains("__kabi_ignored1"), "{}", world.said());
}

#[test]
fn rules_count_only_when_asked_for() {
    let rules =
        b"1\0declonly\0d\0\x001\0enumerator_ignore\0e A\0\x001\0enumerator_value\0e C\x007\0\
        1\0byte_size\0s\x0032\0";
    let (_, world) = run(&stable(rules), "-s --dump-versions m.o", "f\n");
    let wanted = "f variable structure_type s { member base_type int byte_size(4) encoding(5) \
        data_member_location(0) , member base_type int byte_size(4) encoding(5) old \
        data_member_location(8) , member enumeration_type e { enumerator B = 2 , enumerator C = 7 } \
        byte_size(4) e data_member_location(24) , member structure_type d { } d \
        data_member_location(32) } byte_size(32)\n";
    assert_eq!(world.said(), wanted);
    let (_, world) = run(&stable(rules), "--dump-versions m.o", "f\n");
    assert!(world.said().contains("enumerator A = 1"), "{}", world.said());
    let text =
        b"1\0type_string\0f\0variable s#q { t#'no such' }\x001\0type_string\0s#q\0x t#'a b'\x001\0\
        type_string\0t#'a b'\0 y\x001\0type_string\0t#'no such'\0z\0";
    let (_, world) = run(&stable(text), "-s --dump-versions m.o", "f\n");
    assert_eq!(world.said(), "f variable x  y { z }\n");
}

#[test]
fn rules_that_are_wrong() {
    let wrong: &[(&[u8], &str)] = &[
        (b"1\0byte_size\0s\0x\0", "get_ulong_value: invalid unsigned value 'x'"),
        (b"1\0type_string\0s#s\0\0", "type_parse: empty type string override for 's#s'"),
        (
            b"1\0type_string\0s#s\0a s#'b\0",
            "type_parse: incomplete s# type reference for 's#s' (string : 'a s#'b')",
        ),
        (b"1\0type_string\0f\0u# \0", "type_parse: empty u# type name for 'f' (string: 'u# ')"),
        (
            b"1\0type_string\0s#s\0a e#b\0",
            "__calculate_version: unknown type reference to 'e#b' when expanding 's#s'",
        ),
        (
            b"1\0type_string\0f\0a e#b\0",
            "__calculate_version: unknown type reference to 'e#b' when expanding '(null)'",
        ),
    ];
    for (rules, message) in wrong {
        let (status, world) = run(&stable(rules), "-s m.o", "f\n");
        assert_eq!((status, out(&world)), (1, String::new()));
        assert_eq!(world.said(), format!("error: gendwarfksyms: {message}\n"));
    }
}

#[test]
fn what_is_said_without_a_good_object() {
    for (words, names, status, wanted) in [
        ("m.o", "", 0, ""),
        ("m.o", "\n", 1, "symbol_read_exports: malformed input line: \n"),
        ("m.o", "f\n", 1, "main: dwfl_report_offline failed for 'm.o': not an ELF file"),
        ("n.o", "f\n", 1, "main: open failed for 'n.o': No such file or directory"),
    ] {
        let (got, world) = run_alone(b"text", words, names);
        let prefix = if wanted.is_empty() { "" } else { "error: gendwarfksyms: " };
        let end = if wanted.is_empty() { "" } else { "\n" };
        assert_eq!((got, world.said()), (status, format!("{prefix}{wanted}{end}")), "{words}");
    }
    let plain = common::Object::new(true, false, 62).section(".text", 6, &[0]).build();
    let (status, world) = run_alone(&plain, "m.o", "f\n");
    let wanted = "process_module: dwarf_get_units failed: no debugging information?\n";
    assert_eq!((status, world.said()), (1, format!("error: gendwarfksyms: {wanted}")));
}

#[test]
fn references_that_lead_nowhere() {
    let mut bad = object(POINTER, X86_64, &[("f", 0)]).build();
    // The pointer's type: the reference is the only 4 bytes equal to the structure's offset.
    let at = bad.windows(5).position(|w| w == [8, 13, 0, 0, 0]).expect("the reference");
    bad[at + 1] = 14;
    let (status, world) = run_alone(&bad, "m.o", "f\n");
    let wanted =
        "error: gendwarfksyms: process_type: m.o: no debugging entry at 0xe of .debug_info\n";
    assert_eq!((status, world.said()), (1, wanted.into()));
}

#[test]
fn types_that_hold_themselves_without_a_name() {
    // No compiler writes this; the original's stack overflows.
    let entries = "
        p: pointer_type byte_size=8 type=@p
        variable name=f type=@p
    ";
    let object = object(entries, X86_64, &[("f", 0)]).build();
    for words in ["m.o", "-d m.o"] {
        let (status, world) = run_alone(&object, words, "f\n");
        let end = "error: gendwarfksyms: process_type: types nest too deeply\n";
        assert!(status == 1 && world.said().ends_with(end), "{words}");
    }
    // The dump would be indented ever deeper.
    let (status, world) = run_alone(&object, "--dump-dies m.o", "f\n");
    let end = b"error: gendwarfksyms: process: the dump is too large\n";
    assert!(status == 1 && world.err.ends_with(end) && world.err.len() < 32 << 20);
}

#[test]
fn types_that_double_at_every_level() {
    // A text of 2^40 parts: the original does not come to an end.
    let mut entries = "t0: base_type name=int byte_size=4 encoding=5\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        entries += &format!(
            "t{level}: subroutine_type {{
                formal_parameter type=@t{below}
                formal_parameter type=@t{below}
            }}\n"
        );
    }
    entries += "variable name=f type=@t39";
    let object = object(&entries, X86_64, &[("f", 0)]).build();
    let (status, world) = run_alone(&object, "m.o", "f\n");
    assert!(status == 1 && world.said().contains("are too large"), "{}", world.said());
}

#[test]
fn tables_of_abbreviations_that_overlap() {
    // Each unit's table begins one entry behind the one before it and goes on to the end: what is read,
    // and kept for the second unit of each, grows with the square of the file.
    let (mut abbrev, mut info) = (Vec::new(), Vec::new());
    for code in 1..=100_u8 {
        let mut unit = vec![9, 0, 0, 0, 5, 0, 1, 8];
        unit.extend_from_slice(&(abbrev.len() as u32).to_le_bytes());
        unit.push(100);
        info.extend_from_slice(&[unit.clone(), unit].concat());
        abbrev.extend_from_slice(&[code, 0x11, 0, 0, 0]);
    }
    abbrev.push(0);
    let object = common::Object::new(true, false, 62)
        .section(".text", 6, &[0; 8])
        .section(".debug_info", 0, &info)
        .section(".debug_abbrev", 0, &abbrev)
        .symbol(("f", 1, 0, 0, common::GLOBAL_FUNC))
        .build();
    let (status, world) = run_alone(&object, "m.o", "f\n");
    let wanted = "process_module: dwarf_get_units failed: m.o: invalid abbreviation code: 100 at 0xc of .debug_info\n";
    assert_eq!((status, world.said()), (1, format!("error: gendwarfksyms: {wanted}")));
}

/// A number generator for damage that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn damaged_objects_end_with_a_message() {
    let rules = b"1\0declonly\0d\0\x001\0type_string\0s#s\0a s#'d' b\0";
    for whole in [stable(rules), object(POINTER, (true, true, 22), &[("f", 0)]).build()] {
        let try_one = |bytes: &[u8]| {
            for words in ["m.o", "-s -d --dump-die-map --dump-types --dump-versions -T t m.o"] {
                let (status, world) = run_alone(bytes, words, "f\n");
                assert!(status == 0 || !world.err.is_empty(), "a failure without a word");
            }
        };
        for len in (0..whole.len()).step_by(3) {
            try_one(&whole[..len]);
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = [0xff, 0, 1, 0x80, random.below(256) as u8][random.below(5)];
            }
            try_one(&bytes);
        }
    }
}

/// A C program and what may differ in how it is compiled.
const SOURCE: &str = "
    struct t;
    typedef int (*fn)(int why, struct t *);
    struct t { fn f; union { long a; struct { short b, c; }; }; enum { A, B = -1 } e; };
    struct own { int x; };
    int f(struct t *p, const volatile struct own *q) { return p->e + q->x; }
    struct t g;
";

/// Compiles `SOURCE`; none if there is no compiler or it does not know the flags.
fn compile(flags: &str) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().ok()?;
    let (source, object): (PathBuf, PathBuf) = (dir.path().join("s.c"), dir.path().join("s.o"));
    let header = dir.path().join("s.h");
    std::fs::write(&header, SOURCE).ok()?;
    std::fs::write(&source, "#include \"s.h\"\nint only_here;\n").ok()?;
    let mut cc = Command::new("cc");
    cc.args(flags.split_whitespace()).args(["-w", "-c", "-o"]).arg(&object).arg(&source);
    let done = cc.output().ok()?;
    done.status.success().then(|| std::fs::read(object).ok())?
}

#[test]
fn the_form_of_debugging_information_does_not_matter() {
    let mut seen = None;
    for flags in [
        "-g -gdwarf-5",
        "-g -gdwarf-4",
        "-g -gdwarf-5 -O2",
        "-g -gdwarf-5 -gz",
        "-g -gdwarf-5 -gz=zlib-gnu",
        "-g -gdwarf-5 -ffunction-sections",
    ] {
        let Some(object) = compile(flags) else {
            let _ = writeln!(std::io::stderr(), "skipped: no cc {flags}");
            continue;
        };
        let (status, world) = run(&object, "-T types m.o", "f\ng\n");
        assert_eq!((status, world.said()), (0, String::new()), "{flags}");
        let text = (out(&world), world.text("types"));
        assert!(text.1.contains("s#own structure_type own { member base_type int"), "{}", text.1);
        assert_eq!(*seen.get_or_insert(text.clone()), text, "{flags}");
    }
}
