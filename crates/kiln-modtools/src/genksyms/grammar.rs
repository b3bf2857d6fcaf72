//! The declarations that genksyms understands, as rules with actions, in two editions: up to Linux 6.13
//! and from 6.14 on.
//!
//! The order of rules is part of the meaning: of two reductions that both fit, the earlier rule wins,
//! and a shift wins over any reduction. The rules of an edition say what the original accepts, so that
//! the automaton made from them meets the same ambiguities and errors in the same places. What an
//! action does stands in `actions`; which reduction happens when, in `automaton`.

use super::Flavor;
use super::nodes::Kind;

macro_rules! terms {
    ($($name:ident $spelling:literal,)*) => {
        /// A token of the grammar.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        #[allow(missing_docs)] // The table's second column says what each is.
        pub enum Term { $($name,)* }

        /// Each token with the spelling that the rules use for it.
        pub const TERMS: &[(Term, &str)] = &[$((Term::$name, $spelling),)*];
    };
}

terms! {
    End "$end", Error "error",
    Asm "asm", Attribute "attribute", Auto "auto", Bool "bool", BuiltinInt "builtin-int", CharType "char",
    Const "const", Double "double", Enum "enum", Extern "extern", Extension "extension", Float "float",
    Inline "inline", IntType "int", Long "long", Register "register", Restrict "restrict", Short "short",
    Signed "signed", Static "static", StaticAssert "static-assert", Struct "struct", TypedefWord "typedef",
    Union "union", Unsigned "unsigned", Void "void", Volatile "volatile", Typeof "typeof",
    VaList "va-list", Segment "segment", ExportSymbol "export-symbol",
    AsmPhrase "ASM", AttributePhrase "ATTRIBUTE", TypeofPhrase "TYPEOF", BracePhrase "BODY",
    BracketPhrase "ARRAY", ExpressionPhrase "EXPRESSION", StaticAssertPhrase "ASSERTION",
    Dots "...", Ident "IDENT", Type "TYPE",
    Semicolon ";", Comma ",", Colon ":", Equals "=", Star "*",
    LParen "(", RParen ")", LBrace "{", RBrace "}",
    // Raw tokens that stand in no rule.
    LBracket "[", RBracket "]", Int "<int>", Real "<real>", Str "<string>", Char "<char>",
    Other "<other>", HighByte "<high>", VectorInt "<vector>",
}

/// How many tokens there are.
pub const TERM_COUNT: usize = TERMS.len();

impl Term {
    /// The token of a character that stands for itself.
    pub fn of_byte(b: u8) -> Term {
        match b {
            0 => Term::End,
            b';' => Term::Semicolon,
            b',' => Term::Comma,
            b':' => Term::Colon,
            b'=' => Term::Equals,
            b'*' => Term::Star,
            b'(' => Term::LParen,
            b')' => Term::RParen,
            b'{' => Term::LBrace,
            b'}' => Term::RBrace,
            b'[' => Term::LBracket,
            b']' => Term::RBracket,
            128.. => Term::HighByte,
            _ => Term::Other,
        }
    }
}

/// The reserved words of every version.
pub const WORDS: &[(&str, Term)] = &[
    ("_Bool", Term::Bool),
    ("__GENKSYMS_EXPORT_SYMBOL", Term::ExportSymbol),
    ("__asm", Term::Asm),
    ("__asm__", Term::Asm),
    ("__attribute", Term::Attribute),
    ("__attribute__", Term::Attribute),
    ("__builtin_va_list", Term::VaList),
    ("__const", Term::Const),
    ("__const__", Term::Const),
    ("__extension__", Term::Extension),
    ("__inline", Term::Inline),
    ("__inline__", Term::Inline),
    ("__int128", Term::BuiltinInt),
    ("__int128_t", Term::BuiltinInt),
    ("__restrict", Term::Restrict),
    ("__restrict__", Term::Restrict),
    ("__signed", Term::Signed),
    ("__signed__", Term::Signed),
    ("__typeof", Term::Typeof),
    ("__typeof__", Term::Typeof),
    ("__uint128_t", Term::BuiltinInt),
    ("__volatile", Term::Volatile),
    ("__volatile__", Term::Volatile),
    ("asm", Term::Asm),
    ("auto", Term::Auto),
    ("char", Term::CharType),
    ("const", Term::Const),
    ("double", Term::Double),
    ("enum", Term::Enum),
    ("extern", Term::Extern),
    ("float", Term::Float),
    ("inline", Term::Inline),
    ("int", Term::IntType),
    ("long", Term::Long),
    ("register", Term::Register),
    ("restrict", Term::Restrict),
    ("short", Term::Short),
    ("signed", Term::Signed),
    ("static", Term::Static),
    ("struct", Term::Struct),
    ("typedef", Term::TypedefWord),
    ("typeof", Term::Typeof),
    ("union", Term::Union),
    ("unsigned", Term::Unsigned),
    ("void", Term::Void),
    ("volatile", Term::Volatile),
];

/// What the newer edition adds to [`WORDS`]; the vector types are in [`vector_types`].
pub const NEWER_WORDS: &[(&str, Term)] = &[
    ("__seg_fs", Term::Segment),
    ("__seg_gs", Term::Segment),
    ("__typeof_unqual", Term::Typeof),
    ("__typeof_unqual__", Term::Typeof),
    ("typeof_unqual", Term::Typeof),
];

/// The names that the newer edition takes for built-in vector types: `int8x16_t` and its like.
pub fn vector_types() -> impl Iterator<Item = String> {
    ["", "u"].into_iter().flat_map(|sign| {
        [8, 16, 32, 64].into_iter().flat_map(move |bits| {
            [1, 2, 4, 8, 16].into_iter().map(move |lanes| format!("{sign}int{bits}x{lanes}_t"))
        })
    })
}

/// What a reduction does, beyond giving its value. The numbers count the rule's right side from 1;
/// a value is a place in the token list (`nodes`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// The value is that of the given symbol.
    Nth(u8),
    /// No value.
    Null,
    /// The value of the first of these that has one; else none.
    Prefer(u8, u8),
    /// A declaration begins.
    Begin,
    /// A declaration is over: its tokens are dropped.
    Finish,
    /// It is a typedef.
    Typedef,
    /// `;` of a declaration.
    Close,
    /// The first declarator of a list is complete.
    FirstDeclarator,
    /// A further declarator (the number) after a comma (symbol 2).
    NextDeclarator(u8),
    /// The last of the four parts of a declarator that is there.
    LastPart,
    /// No specifiers.
    NoSpecifiers,
    /// The specifiers reach up to this symbol.
    Specifiers(u8),
    /// `extern` or, with false, `inline`.
    External(bool),
    /// The (only) token is taken out of the text.
    Drop,
    /// A tag (the number) without a body.
    Tag(Kind, u8),
    /// A tag (first number) with a body (second).
    Compound(Kind, u8, u8),
    /// An enum body without a tag; the value is symbol 2.
    AnonymousEnum,
    /// The token stands for a typedef.
    TypeName,
    /// The name that is being declared.
    Declare,
    /// A function's body: the function is complete.
    Function,
    /// An initialiser is dropped.
    Initialiser,
    /// An enumeration constant without a value.
    Enumerator,
    /// An enumeration constant with a value.
    EnumeratorValue,
    /// `__GENKSYMS_EXPORT_SYMBOL(name);`
    Export,
}

/// What a reduction tells the lexer (newer edition): whether identifiers may be typedef names now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Types {
    /// No change.
    Keep,
    /// A type has been seen: what follows is a declarator.
    Hide,
    /// A type may follow.
    Show,
}

/// Left side, right side, action, word to the lexer.
pub type Rule = (&'static str, &'static str, Act, Types);

const KEEP: Types = Types::Keep;

/// The rules of a version.
pub fn rules(flavor: Flavor) -> impl Iterator<Item = &'static Rule> {
    let edition =
        if flavor.declarators_hide_types { super::newer::RULES } else { super::older::RULES };
    edition.iter().filter(move |rule| {
        flavor.static_assert || !(rule.0 == "assertion" || rule.1 == "assertion")
    })
}

/// A rule whose value is its first symbol's.
pub const fn pass(left: &'static str, right: &'static str) -> Rule {
    (left, right, Act::Nth(1), KEEP)
}

/// A rule whose value is its `n`th symbol's.
pub const fn nth(left: &'static str, right: &'static str, n: u8) -> Rule {
    (left, right, Act::Nth(n), KEEP)
}

/// A rule with an action of its own.
pub const fn does(left: &'static str, right: &'static str, act: Act) -> Rule {
    (left, right, act, KEEP)
}

/// An empty rule without a value.
pub const fn empty(left: &'static str) -> Rule {
    (left, "", Act::Null, KEEP)
}

/// The same rule, which also lets typedef names be seen again.
pub const fn show(rule: Rule) -> Rule {
    (rule.0, rule.1, rule.2, Types::Show)
}

/// The same rule, which also hides typedef names.
pub const fn hide(rule: Rule) -> Rule {
    (rule.0, rule.1, rule.2, Types::Hide)
}
