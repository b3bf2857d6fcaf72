//! Characters to tokens, after dash's reader: operators, key words, redirections and words.
//!
//! Knows the quoting rules and parameter forms, not the grammar. What is not supported comes back
//! as [`Declined`]; a syntax error does too, so that dash itself reports it.

use crate::ast::{DefaultKind, LineNo, Param, ParamName, ParamOp, Part, Word};
use crate::parse::Parser;

/// Why a line is not run in process. The text is for people who look at why a line was slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declined(pub &'static str);

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) type Result<T> = std::result::Result<T, Declined>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    End,
    Newline,
    Semi,
    And,
    Or,
    Pipe,
    EndCase,
    Open,
    Close,
    Word,
    Redir,
    Keyword(Keyword),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Not,
    Case,
    Do,
    Done,
    Elif,
    Else,
    Esac,
    Fi,
    For,
    If,
    In,
    Then,
    Until,
    While,
    Begin,
    Finish,
}

const KEYWORDS: &[(&[u8], Keyword)] = &[
    (b"!", Keyword::Not),
    (b"case", Keyword::Case),
    (b"do", Keyword::Do),
    (b"done", Keyword::Done),
    (b"elif", Keyword::Elif),
    (b"else", Keyword::Else),
    (b"esac", Keyword::Esac),
    (b"fi", Keyword::Fi),
    (b"for", Keyword::For),
    (b"if", Keyword::If),
    (b"in", Keyword::In),
    (b"then", Keyword::Then),
    (b"until", Keyword::Until),
    (b"while", Keyword::While),
    (b"{", Keyword::Begin),
    (b"}", Keyword::Finish),
];

/// A redirection operator; its target is the next word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedirOp {
    Read,
    Write,
    Append,
    Dup,
}

/// What the next token may be besides a plain one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expect {
    /// Newlines before it are skipped.
    pub(crate) newlines: bool,
    /// Key words are recognised.
    pub(crate) keywords: bool,
}

pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// dash's count of the lines read so far, from 1.
    pub(crate) line: LineNo,
    pushed_back: bool,
    last: Token,
    pub(crate) expect: Expect,
    pub(crate) word: Word,
    word_quoted: bool,
    pub(crate) redir: (u8, RedirOp),
    pub(crate) depth: u32,
    /// Whether `$$` was met.
    pub(crate) wants_pid: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Lexer {
            text,
            at: 0,
            line: 1,
            pushed_back: false,
            last: Token::End,
            expect: Expect::default(),
            word: Word::default(),
            word_quoted: false,
            redir: (0, RedirOp::Read),
            depth: 0,
            wants_pid: false,
        }
    }

    pub(crate) fn push_back(&mut self) {
        self.pushed_back = true;
    }

    pub(crate) fn last(&self) -> Token {
        self.last
    }

    /// The next token. `self.expect` applies to it and is cleared, as in dash: an expectation that
    /// a skipped token left behind must not reach the one after.
    pub(crate) fn token(&mut self) -> Result<Token> {
        let mut keywords = self.expect.keywords;
        let newlines = self.expect.newlines;
        let mut token = self.raw_token()?;
        if newlines {
            while token == Token::Newline {
                self.expect = Expect::default();
                token = self.raw_token()?;
            }
        }
        keywords |= self.expect.keywords;
        self.expect = Expect::default();
        if token == Token::Word
            && !self.word_quoted
            && keywords
            && let [Part::Plain(text)] = self.word.parts.as_slice()
            && let Some((_, keyword)) = KEYWORDS.iter().find(|(name, _)| name == text)
        {
            token = Token::Keyword(*keyword);
            self.last = token;
        }
        Ok(token)
    }

    fn raw_token(&mut self) -> Result<Token> {
        if self.pushed_back {
            self.pushed_back = false;
            return Ok(self.last);
        }
        self.last = self.fresh_token()?;
        Ok(self.last)
    }

    fn fresh_token(&mut self) -> Result<Token> {
        loop {
            let Some(byte) = self.next() else { return Ok(Token::End) };
            return Ok(match byte {
                b' ' | b'\t' => continue,
                b'#' => {
                    while self.text.get(self.at).is_some_and(|b| *b != b'\n') {
                        self.at += 1;
                    }
                    continue;
                }
                b'\n' => {
                    self.line += 1;
                    Token::Newline
                }
                b'&' if self.next_is(b'&') => Token::And,
                b'&' => return Err(Declined("background command")),
                b'|' if self.next_is(b'|') => Token::Or,
                b'|' => Token::Pipe,
                b';' if self.next_is(b';') => Token::EndCase,
                b';' => Token::Semi,
                b'(' => Token::Open,
                b')' => Token::Close,
                _ => {
                    self.at -= 1;
                    self.word_token()?
                }
            });
        }
    }

    /// The next character, with escaped newlines taken out.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        while self.text[self.at..].starts_with(b"\\\n") {
            self.at += 2;
            self.line += 1;
        }
        self.text.get(self.at).copied()
    }

    fn next_is(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    fn word_token(&mut self) -> Result<Token> {
        let mut word = WordBuilder::default();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' => break,
                b'<' | b'>' => {
                    return match word.descriptor() {
                        Some(fd) => self.redir_token(fd),
                        None => Ok(self.finish_word(word)),
                    };
                }
                _ => self.at += 1,
            }
            match byte {
                b'\\' => match self.text.get(self.at).copied() {
                    // dash keeps a backslash at the end of the text.
                    None => word.quoted(b'\\'),
                    Some(escaped) => {
                        self.at += 1;
                        word.quoted(escaped);
                    }
                },
                b'\'' => self.single_quotes(&mut word)?,
                b'"' => self.double_quotes(&mut word)?,
                b'$' => self.dollar(&mut word, false)?,
                b'`' => return Err(Declined("backquotes")),
                0x80..=0x8f => return Err(Declined("bytes that dash uses as marks")),
                0 => return Err(Declined("NUL byte")),
                _ => word.plain(byte),
            }
        }
        Ok(self.finish_word(word))
    }

    fn finish_word(&mut self, word: WordBuilder) -> Token {
        self.word_quoted = word.any_quotes;
        self.word = Word { parts: word.parts };
        Token::Word
    }

    fn redir_token(&mut self, fd: Option<u8>) -> Result<Token> {
        let op = if self.next() == Some(b'>') {
            match self.peek() {
                Some(b'>') => RedirOp::Append,
                Some(b'|') => RedirOp::Write,
                Some(b'&') => RedirOp::Dup,
                _ => {
                    self.redir = (fd.unwrap_or(1), RedirOp::Write);
                    return self.check_descriptor();
                }
            }
        } else {
            match self.peek() {
                Some(b'<') => return Err(Declined("here document")),
                Some(b'>') => return Err(Declined("redirection for reading and writing")),
                Some(b'&') => {
                    self.at += 1;
                    self.redir = (fd.unwrap_or(0), RedirOp::Dup);
                    return self.check_descriptor();
                }
                _ => {
                    self.redir = (fd.unwrap_or(0), RedirOp::Read);
                    return self.check_descriptor();
                }
            }
        };
        self.at += 1;
        self.redir = (fd.unwrap_or(1), op);
        self.check_descriptor()
    }

    fn check_descriptor(&self) -> Result<Token> {
        if self.redir.0 > 2 { Err(Declined("descriptor above 2")) } else { Ok(Token::Redir) }
    }

    fn single_quotes(&mut self, word: &mut WordBuilder) -> Result<()> {
        word.quote_mark();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(Declined("unterminated quotes"));
            };
            self.at += 1;
            match byte {
                b'\'' => return Ok(()),
                b'\n' => self.line += 1,
                0x80..=0x8f => return Err(Declined("bytes that dash uses as marks")),
                0 => return Err(Declined("NUL byte")),
                _ => {}
            }
            word.quoted(byte);
        }
    }

    fn double_quotes(&mut self, word: &mut WordBuilder) -> Result<()> {
        word.quote_mark();
        loop {
            let Some(byte) = self.next() else { return Err(Declined("unterminated quotes")) };
            match byte {
                b'"' => return Ok(()),
                b'\\' => match self.text.get(self.at).copied() {
                    Some(escaped @ (b'$' | b'`' | b'"' | b'\\')) => {
                        self.at += 1;
                        word.quoted(escaped);
                    }
                    _ => word.quoted(b'\\'),
                },
                b'$' => self.dollar(word, true)?,
                b'`' => return Err(Declined("backquotes")),
                0x80..=0x8f => return Err(Declined("bytes that dash uses as marks")),
                0 => return Err(Declined("NUL byte")),
                b'\n' => {
                    self.line += 1;
                    word.quoted(byte);
                }
                _ => word.quoted(byte),
            }
        }
    }

    /// After a `$`, within double quotes or not.
    fn dollar(&mut self, word: &mut WordBuilder, quoted: bool) -> Result<()> {
        let Some(byte) = self.peek() else {
            word.literal(b'$', quoted);
            return Ok(());
        };
        match byte {
            b'(' => {
                self.at += 1;
                if self.peek() == Some(b'(') {
                    return Err(Declined("arithmetic"));
                }
                let body = self.command_substitution()?;
                word.push(Part::Command { body, quoted });
                Ok(())
            }
            b'{' => {
                self.at += 1;
                let param = self.braced(quoted)?;
                word.push(Part::Param(param));
                Ok(())
            }
            b'?' => {
                self.at += 1;
                let name = ParamName::Status;
                word.push(Part::Param(Param { name, op: ParamOp::Value, quoted }));
                Ok(())
            }
            b'$' => {
                self.at += 1;
                self.wants_pid = true;
                let name = ParamName::Pid;
                word.push(Part::Param(Param { name, op: ParamOp::Value, quoted }));
                Ok(())
            }
            b'@' | b'*' | b'#' | b'-' | b'!' | b'0'..=b'9' => Err(Declined("special parameter")),
            _ if is_name_start(byte) => {
                let name = ParamName::Var(crate::check::readable(self.name())?);
                word.push(Part::Param(Param { name, op: ParamOp::Value, quoted }));
                Ok(())
            }
            _ => {
                word.literal(b'$', quoted);
                Ok(())
            }
        }
    }

    fn name(&mut self) -> Vec<u8> {
        let mut name = Vec::new();
        while let Some(byte) = self.peek().filter(|b| is_name_byte(*b)) {
            name.push(byte);
            self.at += 1;
        }
        name
    }

    /// After `$(`: the commands up to the matching parenthesis, read by the grammar as dash does.
    fn command_substitution(&mut self) -> Result<Vec<crate::ast::Node>> {
        if self.depth >= crate::parse::MAX_DEPTH {
            return Err(Declined("nested too deeply"));
        }
        let mut inner = Lexer::new(self.text);
        inner.at = self.at;
        inner.line = self.line;
        inner.depth = self.depth + 1;
        let mut parser = Parser { lexer: inner };
        let body = parser.until_close()?;
        self.at = parser.lexer.at;
        self.line = parser.lexer.line;
        self.wants_pid |= parser.lexer.wants_pid;
        Ok(body)
    }

    /// After `${`.
    fn braced(&mut self, quoted: bool) -> Result<Param> {
        let length = self.next_is(b'#');
        let name = match self.peek() {
            Some(b'?') if !length => {
                self.at += 1;
                ParamName::Status
            }
            Some(byte) if is_name_start(byte) => {
                ParamName::Var(crate::check::readable(self.name())?)
            }
            _ => return Err(Declined("special parameter")),
        };
        let op = match self.next() {
            Some(b'}') if length => ParamOp::Length,
            _ if length => return Err(Declined("parameter form")),
            Some(b'}') => ParamOp::Value,
            Some(byte @ (b'#' | b'%')) => {
                let longest = self.next_is(byte);
                let pattern = self.operand()?;
                ParamOp::Trim { suffix: byte == b'%', longest, pattern }
            }
            Some(byte) => {
                let colon = byte == b':';
                let byte = if colon { self.next() } else { Some(byte) };
                let kind = match byte {
                    Some(b'-') => DefaultKind::Use,
                    Some(b'=') => DefaultKind::Assign,
                    Some(b'+') => DefaultKind::Alternative,
                    _ => return Err(Declined("parameter form")),
                };
                if let (ParamName::Var(name), DefaultKind::Assign) = (&name, kind) {
                    crate::check::assignable(name)?;
                }
                ParamOp::Default { kind, colon, word: self.operand()? }
            }
            None => return Err(Declined("unterminated parameter")),
        };
        if name == ParamName::Status && op != ParamOp::Value {
            return Err(Declined("parameter form"));
        }
        Ok(Param { name, op, quoted })
    }

    /// The word of a `${name-word}`: plain text and plain parameters only. The rules for quotes
    /// in this place differ between shells and between dash's versions.
    fn operand(&mut self) -> Result<Word> {
        let mut word = WordBuilder::default();
        loop {
            let Some(byte) = self.next() else { return Err(Declined("unterminated parameter")) };
            match byte {
                b'}' => return Ok(Word { parts: word.parts }),
                b'$' => {
                    match self.peek() {
                        Some(b'{' | b'?') => {}
                        Some(byte) if is_name_start(byte) => {}
                        _ => return Err(Declined("parameter form")),
                    }
                    self.depth += 1;
                    if self.depth > crate::parse::MAX_DEPTH {
                        return Err(Declined("nested too deeply"));
                    }
                    self.dollar(&mut word, false)?;
                    self.depth -= 1;
                }
                b'"' | b'\'' | b'\\' | b'`' | b'\n' | b'~' | b'{' | 0 | 0x80..=0x8f => {
                    return Err(Declined("parameter form"));
                }
                _ => word.plain(byte),
            }
        }
    }
}

/// Whether a name can begin so.
pub(crate) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Whether a name can go on so.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[derive(Default)]
struct WordBuilder {
    parts: Vec<Part>,
    any_quotes: bool,
}

impl WordBuilder {
    fn plain(&mut self, byte: u8) {
        if let Some(Part::Plain(text)) = self.parts.last_mut() {
            text.push(byte);
        } else {
            self.parts.push(Part::Plain(vec![byte]));
        }
    }

    fn quoted(&mut self, byte: u8) {
        self.any_quotes = true;
        if let Some(Part::Quoted(text)) = self.parts.last_mut() {
            text.push(byte);
        } else {
            self.parts.push(Part::Quoted(vec![byte]));
        }
    }

    fn literal(&mut self, byte: u8, quoted: bool) {
        if quoted { self.quoted(byte) } else { self.plain(byte) }
    }

    /// A pair of quotes makes a word exist even if there is nothing between them.
    fn quote_mark(&mut self) {
        self.any_quotes = true;
        if !matches!(self.parts.last(), Some(Part::Quoted(_))) {
            self.parts.push(Part::Quoted(Vec::new()));
        }
    }

    fn push(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// For `>` and `<` right after this word: the descriptor it names (`Some(None)`: none, the word
    /// is empty), or `None` where it is an ordinary word.
    fn descriptor(&self) -> Option<Option<u8>> {
        if self.any_quotes {
            return None;
        }
        match self.parts.as_slice() {
            [] => Some(None),
            [Part::Plain(text)] if text.len() == 1 && text[0].is_ascii_digit() => {
                Some(Some(text[0] - b'0'))
            }
            _ => None,
        }
    }
}
