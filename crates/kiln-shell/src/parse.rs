//! Tokens to commands: the grammar, in the order in which dash reads it.
//!
//! The order matters for the line numbers in messages. What a command may be is decided in
//! `check`; this module knows only the shape.

use crate::ast::{
    AndOr, Case, For, If, LineNo, Loop, Node, Part, Redir, RedirTo, Script, Simple, Word,
};
use crate::check;
use crate::lex::{Declined, Expect, Keyword, Lexer, RedirOp, Result, Token};

/// How deep commands may nest. Recipes stay under ten; the bound keeps the stack safe.
pub(crate) const MAX_DEPTH: u32 = 40;

/// How long a line may be: the kernel lets no single argument be longer (`MAX_ARG_STRLEN`), so
/// dash could not be started with a longer one either.
const MAX_LINE: usize = 128 * 1024 - 1;

/// Reads a script whole.
///
/// # Errors
/// [`Declined`] for anything that the runner would not do exactly as dash does, including what is
/// no script at all.
pub fn parse(text: &[u8]) -> std::result::Result<Script, Declined> {
    if text.len() > MAX_LINE {
        return Err(Declined("line too long"));
    }
    let mut parser = Parser { lexer: Lexer::new(text) };
    let mut body = Vec::new();
    while parser.line_list(&mut body)? == Token::Newline {}
    Ok(Script { body, wants_pid: parser.lexer.wants_pid })
}

/// What may end a list besides the end of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// A key word or operator that closes a compound command; the list may not be empty.
    Closed,
    /// The same, but the list may be empty: a `case` arm or `$(…)`.
    ClosedOrEmpty,
}

pub(crate) struct Parser<'a> {
    pub(crate) lexer: Lexer<'a>,
}

const KEYWORDS: Expect = Expect { newlines: false, keywords: true };
const NEWLINES_AND_KEYWORDS: Expect = Expect { newlines: true, keywords: true };

impl Parser<'_> {
    fn token(&mut self) -> Result<Token> {
        self.lexer.token()
    }

    fn want(&mut self, wanted: Token) -> Result<()> {
        if self.token()? == wanted { Ok(()) } else { Err(Declined("syntax error")) }
    }

    /// One line at the top: commands up to a newline or the end, which is returned.
    fn line_list(&mut self, body: &mut Vec<Node>) -> Result<Token> {
        loop {
            self.lexer.expect = KEYWORDS;
            match self.token()? {
                token @ (Token::Newline | Token::End) => return Ok(token),
                _ => self.lexer.push_back(),
            }
            body.push(self.and_or()?);
            match self.token()? {
                Token::Semi => {}
                Token::End | Token::Newline => self.lexer.push_back(),
                _ => return Err(Declined("syntax error")),
            }
        }
    }

    fn list(&mut self, until: Until) -> Result<Vec<Node>> {
        let mut body = Vec::new();
        let mut may_end = until == Until::ClosedOrEmpty;
        loop {
            self.lexer.expect = NEWLINES_AND_KEYWORDS;
            let token = self.token()?;
            self.lexer.push_back();
            if token == Token::End || (may_end && ends_list(token)) {
                return Ok(body);
            }
            may_end = true;
            body.push(self.and_or()?);
            match self.token()? {
                Token::Newline => self.lexer.push_back(),
                Token::Semi => {}
                _ => {
                    self.lexer.push_back();
                    return Ok(body);
                }
            }
        }
    }

    /// The body of a `$(…)` with its closing parenthesis.
    pub(crate) fn until_close(&mut self) -> Result<Vec<Node>> {
        let body = self.list(Until::ClosedOrEmpty)?;
        self.want(Token::Close)?;
        Ok(body)
    }

    fn and_or(&mut self) -> Result<Node> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let op = match self.token()? {
                Token::And => AndOr::And,
                Token::Or => AndOr::Or,
                _ => {
                    self.lexer.push_back();
                    return Ok(if rest.is_empty() {
                        first
                    } else {
                        Node::AndOr(Box::new(first), rest)
                    });
                }
            };
            self.lexer.expect = NEWLINES_AND_KEYWORDS;
            rest.push((op, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Node> {
        let negate = self.token()? == Token::Keyword(Keyword::Not);
        if negate {
            self.lexer.expect = KEYWORDS;
        } else {
            self.lexer.push_back();
        }
        let mut node = self.command()?;
        if self.token()? == Token::Pipe {
            let mut stages = vec![stage(node)?];
            loop {
                self.lexer.expect = NEWLINES_AND_KEYWORDS;
                stages.push(stage(self.command()?)?);
                if self.token()? != Token::Pipe {
                    break;
                }
            }
            check::pipe(&stages)?;
            node = Node::Pipe(stages);
        }
        self.lexer.push_back();
        Ok(if negate { Node::Not(Box::new(node)) } else { node })
    }

    fn command(&mut self) -> Result<Node> {
        self.lexer.depth += 1;
        if self.lexer.depth > MAX_DEPTH {
            return Err(Declined("nested too deeply"));
        }
        let node = self.command_inner();
        self.lexer.depth -= 1;
        node
    }

    fn command_inner(&mut self) -> Result<Node> {
        let line = self.lexer.line;
        let (node, end) = match self.token()? {
            Token::Keyword(Keyword::If) => (self.if_command()?, Some(Keyword::Fi)),
            Token::Keyword(word @ (Keyword::While | Keyword::Until)) => {
                let test = self.list(Until::Closed)?;
                self.want(Token::Keyword(Keyword::Do))?;
                let body = self.list(Until::Closed)?;
                let until = word == Keyword::Until;
                (Node::Loop(Loop { until, test, body }), Some(Keyword::Done))
            }
            Token::Keyword(Keyword::For) => (self.for_command(line)?, Some(Keyword::Done)),
            Token::Keyword(Keyword::Case) => (self.case_command(line)?, None),
            Token::Open => {
                let body = self.list(Until::Closed)?;
                self.want(Token::Close)?;
                let redirs = self.trailing_redirs()?;
                return Ok(Node::Subshell { line, body, redirs });
            }
            Token::Keyword(Keyword::Begin) => {
                (Node::Group(self.list(Until::Closed)?), Some(Keyword::Finish))
            }
            Token::Word | Token::Redir => {
                self.lexer.push_back();
                return self.simple();
            }
            _ => return Err(Declined("syntax error")),
        };
        if let Some(end) = end {
            self.want(Token::Keyword(end))?;
        }
        let redirs = self.trailing_redirs()?;
        if redirs.is_empty() {
            return Ok(node);
        }
        Ok(Node::Redirected { line, inner: Box::new(node), redirs })
    }

    fn if_command(&mut self) -> Result<Node> {
        let test = self.list(Until::Closed)?;
        self.want(Token::Keyword(Keyword::Then))?;
        let then = self.list(Until::Closed)?;
        let mut branches = vec![(test, then)];
        while self.token()? == Token::Keyword(Keyword::Elif) {
            let test = self.list(Until::Closed)?;
            self.want(Token::Keyword(Keyword::Then))?;
            branches.push((test, self.list(Until::Closed)?));
        }
        let mut otherwise = None;
        if self.lexer.last() == Token::Keyword(Keyword::Else) {
            otherwise = Some(self.list(Until::Closed)?);
        } else {
            self.lexer.push_back();
        }
        Ok(Node::If(If { branches, otherwise }))
    }

    fn for_command(&mut self, line: LineNo) -> Result<Node> {
        self.want(Token::Word)?;
        let name = match self.lexer.word.parts.as_slice() {
            [Part::Plain(name)] => name.clone(),
            _ => return Err(Declined("syntax error")),
        };
        check::assignable(&name)?;
        self.lexer.expect = NEWLINES_AND_KEYWORDS;
        if self.token()? != Token::Keyword(Keyword::In) {
            return Err(Declined("for without in"));
        }
        let mut words = Vec::new();
        while self.token()? == Token::Word {
            words.push(self.take_word()?);
        }
        if !matches!(self.lexer.last(), Token::Newline | Token::Semi) {
            return Err(Declined("syntax error"));
        }
        self.lexer.expect = NEWLINES_AND_KEYWORDS;
        self.want(Token::Keyword(Keyword::Do))?;
        let body = self.list(Until::Closed)?;
        Ok(Node::For(For { line, name, words, body }))
    }

    fn case_command(&mut self, line: LineNo) -> Result<Node> {
        self.want(Token::Word)?;
        let subject = self.take_word()?;
        self.lexer.expect = NEWLINES_AND_KEYWORDS;
        self.want(Token::Keyword(Keyword::In))?;
        let mut arms = Vec::new();
        loop {
            self.lexer.expect = NEWLINES_AND_KEYWORDS;
            let mut token = self.token()?;
            if token == Token::Keyword(Keyword::Esac) {
                break;
            }
            if token == Token::Open {
                token = self.token()?;
            }
            let mut patterns = Vec::new();
            loop {
                // A key word is a pattern here too, but one that reads like a mistake.
                if token != Token::Word {
                    return Err(Declined("case pattern"));
                }
                patterns.push(self.take_word()?);
                match self.token()? {
                    Token::Pipe => token = self.token()?,
                    Token::Close => break,
                    _ => return Err(Declined("syntax error")),
                }
            }
            arms.push((patterns, self.list(Until::ClosedOrEmpty)?));
            self.lexer.expect = NEWLINES_AND_KEYWORDS;
            match self.token()? {
                Token::Keyword(Keyword::Esac) => break,
                Token::EndCase => {}
                _ => return Err(Declined("syntax error")),
            }
        }
        Ok(Node::Case(Case { line, subject, arms }))
    }

    fn trailing_redirs(&mut self) -> Result<Vec<Redir>> {
        let mut redirs = Vec::new();
        self.lexer.expect = KEYWORDS;
        while self.token()? == Token::Redir {
            redirs.push(self.redir()?);
        }
        self.lexer.push_back();
        Ok(redirs)
    }

    fn redir(&mut self) -> Result<Redir> {
        let (fd, op) = self.lexer.redir;
        self.want(Token::Word)?;
        let word = self.take_word()?;
        let to = match op {
            RedirOp::Read => RedirTo::Read(word),
            RedirOp::Write => RedirTo::Write(word),
            RedirOp::Append => RedirTo::Append(word),
            RedirOp::Dup => match word.literal().as_deref() {
                Some([digit @ b'0'..=b'2']) => RedirTo::Dup(digit - b'0'),
                _ => return Err(Declined("descriptor to copy")),
            },
        };
        Ok(Redir { fd, to })
    }

    fn simple(&mut self) -> Result<Node> {
        let mut simple = Simple { line: self.lexer.line, ..Simple::default() };
        loop {
            match self.token()? {
                Token::Word => {
                    let is_first = simple.words.is_empty();
                    let word = std::mem::take(&mut self.lexer.word);
                    match assignment(word) {
                        (Some(name), value) if is_first => {
                            check::assignment(&name, &value)?;
                            simple.assigns.push((name, value));
                        }
                        (Some(name), mut value) => {
                            prepend(&mut value, &name);
                            simple.words.push(value);
                        }
                        (None, word) => {
                            check::tilde(&word)?;
                            simple.words.push(word);
                        }
                    }
                }
                Token::Redir => {
                    let redir = self.redir()?;
                    simple.redirs.push(redir);
                }
                Token::Open => return Err(Declined("function")),
                _ => {
                    self.lexer.push_back();
                    break;
                }
            }
        }
        check::simple(&simple)?;
        Ok(Node::Simple(simple))
    }

    fn take_word(&mut self) -> Result<Word> {
        let word = std::mem::take(&mut self.lexer.word);
        check::tilde(&word)?;
        Ok(word)
    }
}

/// Splits `name=value`; the name is `None`, and the word whole, where it is no assignment.
fn assignment(mut word: Word) -> (Option<Vec<u8>>, Word) {
    let Some(Part::Plain(text)) = word.parts.first_mut() else { return (None, word) };
    let length = text.iter().take_while(|b| crate::lex::is_name_byte(**b)).count();
    if length == 0 || text[0].is_ascii_digit() || text.get(length) != Some(&b'=') {
        return (None, word);
    }
    let value = text.split_off(length + 1);
    text.pop();
    let name = std::mem::replace(text, value);
    if matches!(word.parts.first(), Some(Part::Plain(text)) if text.is_empty()) {
        word.parts.remove(0);
    }
    (Some(name), word)
}

/// Makes an argument of what looked like an assignment.
fn prepend(value: &mut Word, name: &[u8]) {
    let mut text = name.to_vec();
    text.push(b'=');
    if let Some(Part::Plain(rest)) = value.parts.first_mut() {
        text.extend_from_slice(rest);
        *rest = text;
    } else {
        value.parts.insert(0, Part::Plain(text));
    }
}

fn stage(node: Node) -> Result<Simple> {
    match node {
        Node::Simple(simple) => Ok(simple),
        _ => Err(Declined("compound command in a pipeline")),
    }
}

fn ends_list(token: Token) -> bool {
    matches!(
        token,
        Token::End
            | Token::EndCase
            | Token::Close
            | Token::Keyword(
                Keyword::Do
                    | Keyword::Done
                    | Keyword::Elif
                    | Keyword::Else
                    | Keyword::Esac
                    | Keyword::Fi
                    | Keyword::Then
                    | Keyword::Finish
            )
    )
}
