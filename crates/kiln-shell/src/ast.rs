//! What a parsed recipe line is: commands, words and redirections of the supported subset.
//!
//! The tree holds only constructs that the runner carries out exactly as dash does; everything
//! else was declined by the parser. It knows nothing of how anything is run.

/// A line of the script, from 1, as dash names it in its messages.
pub(crate) type LineNo = u32;

/// A whole script that can be run in process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The commands, one after another.
    pub(crate) body: Vec<Node>,
    /// Whether it asks for the shell's process number.
    pub(crate) wants_pid: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Simple(Simple),
    /// Two commands or more, each one's output the next one's input.
    Pipe(Vec<Simple>),
    Not(Box<Node>),
    /// A first command and what hangs on its status.
    AndOr(Box<Node>, Vec<(AndOr, Node)>),
    If(If),
    Loop(Loop),
    For(For),
    Case(Case),
    Subshell {
        line: LineNo,
        body: Vec<Node>,
        redirs: Vec<Redir>,
    },
    /// `{ …; }` without redirections.
    Group(Vec<Node>),
    /// Any compound command but a subshell, with redirections.
    Redirected {
        line: LineNo,
        inner: Box<Node>,
        redirs: Vec<Redir>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AndOr {
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct If {
    /// `if` and each `elif`: the test and what follows it.
    pub(crate) branches: Vec<(Vec<Node>, Vec<Node>)>,
    /// `else`
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) until: bool,
    pub(crate) test: Vec<Node>,
    pub(crate) body: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct For {
    pub(crate) line: LineNo,
    pub(crate) name: Vec<u8>,
    pub(crate) words: Vec<Word>,
    pub(crate) body: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) line: LineNo,
    pub(crate) subject: Word,
    pub(crate) arms: Vec<(Vec<Word>, Vec<Node>)>,
}

/// Assignments, words and redirections in the order in which they are expanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Simple {
    pub(crate) line: LineNo,
    pub(crate) assigns: Vec<(Vec<u8>, Word)>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirs: Vec<Redir>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redir {
    /// 0, 1 or 2.
    pub(crate) fd: u8,
    pub(crate) to: RedirTo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedirTo {
    Read(Word),
    Write(Word),
    Append(Word),
    /// Another of the three descriptors.
    Dup(u8),
}

/// A word before expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Unquoted text; pattern characters in it are active.
    Plain(Vec<u8>),
    /// Quoted text, empty for `""`: then it only says that the word exists.
    Quoted(Vec<u8>),
    Param(Param),
    /// `$(…)`.
    Command {
        body: Vec<Node>,
        quoted: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    pub(crate) name: ParamName,
    pub(crate) op: ParamOp,
    /// Whether it stands within double quotes.
    pub(crate) quoted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParamName {
    Var(Vec<u8>),
    /// `$?`
    Status,
    /// `$$`
    Pid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParamOp {
    Value,
    Length,
    /// `-`, `=` and `+`; `colon` makes an empty value count as unset.
    Default {
        kind: DefaultKind,
        colon: bool,
        word: Word,
    },
    /// `#`, `##`, `%`, `%%`.
    Trim {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefaultKind {
    Use,
    Assign,
    Alternative,
}

impl RedirTo {
    /// The name of the file, where one is opened.
    pub(crate) fn word(&self) -> Option<&Word> {
        match self {
            RedirTo::Read(word) | RedirTo::Write(word) | RedirTo::Append(word) => Some(word),
            RedirTo::Dup(_) => None,
        }
    }
}

impl Word {
    /// The text of a word that needs no expansion of parameters, without quotes.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for part in &self.parts {
            match part {
                Part::Plain(bytes) | Part::Quoted(bytes) => text.extend_from_slice(bytes),
                Part::Param(_) | Part::Command { .. } => return None,
            }
        }
        Some(text)
    }

    /// Whether an unquoted character of the word may start a file name pattern.
    pub(crate) fn has_pattern(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Plain(bytes) => bytes.iter().any(|b| matches!(b, b'*' | b'?' | b'[')),
            _ => false,
        })
    }
}
