//! Words to arguments: parameters, command output, splitting into fields, file name patterns.
//!
//! Follows dash for the forms that the parser lets through. The characters of a word that is being
//! expanded carry what later stages need to know: quoted or not, open to splitting or not.

use crate::ast::{DefaultKind, Param, ParamName, ParamOp, Part, Word};
use crate::pattern;
use crate::run::{Flow, Shell};

/// The byte came from quotes: it is no pattern character and parts no fields.
const QUOTED: u16 = 0x100;
/// The byte came from an unquoted expansion: blanks part fields.
const SPLIT: u16 = 0x200;
/// No byte: says that the field exists even if it is empty.
const MARK: u16 = 0x400;

/// Text in the middle of expansion: a byte each, with the marks above.
type Text = Vec<u16>;

/// In what surroundings a part stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Word,
    /// The word of a `${name-word}` that is itself not quoted.
    Operand,
    /// The same within double quotes.
    QuotedOperand,
}

impl Shell {
    /// The arguments that words stand for.
    pub(crate) async fn fields(&mut self, words: &[Word]) -> Flow<Vec<Vec<u8>>> {
        let mut fields = Vec::with_capacity(words.len());
        for word in words {
            self.add_fields(word, &mut fields).await?;
        }
        Ok(fields)
    }

    pub(crate) async fn add_fields(&mut self, word: &Word, fields: &mut Vec<Vec<u8>>) -> Flow<()> {
        if !word.has_pattern()
            && let Some(text) = word.literal()
        {
            fields.push(text);
            return Ok(());
        }
        let text = self.text(word).await?;
        for field in split(&text) {
            let plain = bytes(field);
            if plain.iter().any(|b| matches!(b, b'*' | b'?' | b'[')) {
                let names = pattern::files(&self.dir.fd, &pattern_text(field));
                if !names.is_empty() {
                    fields.extend(names);
                    continue;
                }
            }
            fields.push(plain);
        }
        Ok(())
    }

    /// The one text that a word stands for where nothing is split: values, file names, subjects.
    pub(crate) async fn value(&mut self, word: &Word) -> Flow<Vec<u8>> {
        match word.literal() {
            Some(text) => Ok(text),
            None => Ok(bytes(&self.text(word).await?)),
        }
    }

    /// The pattern that a word stands for.
    pub(crate) async fn pattern(&mut self, word: &Word) -> Flow<Vec<u8>> {
        Ok(pattern_text(&self.text(word).await?))
    }

    async fn text(&mut self, word: &Word) -> Flow<Text> {
        let mut text = Text::new();
        for part in &word.parts {
            match part {
                Part::Plain(bytes) => text.extend(bytes.iter().map(|b| u16::from(*b))),
                Part::Quoted(bytes) => {
                    text.push(MARK);
                    text.extend(bytes.iter().map(|b| u16::from(*b) | QUOTED));
                }
                Part::Param(param) => self.param(param, Context::Word, &mut text),
                Part::Command { body, quoted } => {
                    let output = self.capture(body).await?;
                    push(&mut text, &output, *quoted);
                }
            }
        }
        Ok(text)
    }

    /// The word of a parameter form; the parser lets no command output into it.
    fn operand(&mut self, word: &Word, context: Context) -> Text {
        let mut text = Text::new();
        for part in &word.parts {
            match part {
                Part::Plain(bytes) => {
                    let mark = match context {
                        Context::Word => 0,
                        Context::Operand => SPLIT,
                        Context::QuotedOperand => QUOTED,
                    };
                    text.extend(bytes.iter().map(|b| u16::from(*b) | mark));
                }
                Part::Param(param) => self.param(param, context, &mut text),
                Part::Quoted(_) | Part::Command { .. } => {}
            }
        }
        text
    }

    fn param(&mut self, param: &Param, context: Context, text: &mut Text) {
        let quoted = param.quoted || context == Context::QuotedOperand;
        let inner = if quoted { Context::QuotedOperand } else { Context::Operand };
        let value = match &param.name {
            ParamName::Status => Some(self.status.to_string().into_bytes()),
            ParamName::Pid => Some(self.pid.to_string().into_bytes()),
            ParamName::Var(name) => self.vars.get(name).map(<[u8]>::to_vec),
        };
        match &param.op {
            ParamOp::Value => push(text, &value.unwrap_or_default(), quoted),
            ParamOp::Length => {
                push(text, value.unwrap_or_default().len().to_string().as_bytes(), quoted);
            }
            ParamOp::Default { kind, colon, word } => {
                let present = value.filter(|value| !(*colon && value.is_empty()));
                match (kind, present) {
                    (DefaultKind::Use | DefaultKind::Assign, Some(value)) => {
                        push(text, &value, quoted);
                    }
                    (DefaultKind::Alternative, None) => {}
                    (DefaultKind::Use, None) | (DefaultKind::Alternative, Some(_)) => {
                        let word = self.operand(word, inner);
                        text.extend(word);
                    }
                    (DefaultKind::Assign, None) => {
                        let value = bytes(&self.operand(word, Context::Word));
                        if let ParamName::Var(name) = &param.name {
                            self.vars.set(name, &value);
                        }
                        push(text, &value, quoted);
                    }
                }
            }
            ParamOp::Trim { suffix, longest, pattern } => {
                let pattern = pattern_text(&self.operand(pattern, Context::Word));
                let value = value.unwrap_or_default();
                push(text, trim(&value, &pattern, *suffix, *longest), quoted);
            }
        }
    }
}

fn push(text: &mut Text, value: &[u8], quoted: bool) {
    let mark = if quoted { QUOTED } else { SPLIT };
    text.extend(value.iter().map(|b| u16::from(*b) | mark));
}

/// What is left of a value without the shortest or longest matching prefix or suffix.
fn trim<'a>(value: &'a [u8], pattern: &[u8], suffix: bool, longest: bool) -> &'a [u8] {
    let fits = |at: &usize| {
        let piece = if suffix { &value[*at..] } else { &value[..*at] };
        pattern::matches(pattern, piece)
    };
    // The shortest suffix is the one that begins last, the shortest prefix the one that ends first.
    let at = if suffix == longest {
        (0..=value.len()).find(fits)
    } else {
        (0..=value.len()).rev().find(fits)
    };
    match at {
        None => value,
        Some(at) if suffix => &value[..at],
        Some(at) => &value[at..],
    }
}

fn bytes(text: &[u16]) -> Vec<u8> {
    text.iter().filter(|unit| **unit & MARK == 0).map(|unit| (*unit & 0xff) as u8).collect()
}

/// Parts at blanks that may part; blanks at either end of the word leave no empty fields.
fn split(text: &[u16]) -> Vec<&[u16]> {
    let parts =
        |unit: &u16| unit & SPLIT != 0 && matches!((unit & 0xff) as u8, b' ' | b'\t' | b'\n');
    text.split(parts).filter(|field| !field.is_empty()).collect()
}

/// The text as a pattern, in which quoted characters are escaped. A backslash that came out of an
/// expansion escapes what follows it, as in dash.
fn pattern_text(text: &[u16]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len());
    let mut after_backslash = false;
    for unit in text.iter().filter(|unit| **unit & MARK == 0) {
        let byte = (unit & 0xff) as u8;
        if unit & QUOTED != 0 && !after_backslash {
            pattern.push(b'\\');
        }
        after_backslash = unit & QUOTED == 0 && byte == b'\\';
        pattern.push(byte);
    }
    pattern
}
