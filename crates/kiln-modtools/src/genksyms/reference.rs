//! Reference files (`-r`): the symtypes of an earlier build, one definition a line.
//!
//! It does not know what the definitions are compared with.

use super::nodes::{Kind, Token};
use super::report::Report;
use super::symbols::Symbols;

/// The longest token of a reference file, in bytes.
const LONGEST: usize = 255;

struct Reader<'a> {
    text: &'a [u8],
    pos: usize,
}

impl Reader<'_> {
    /// The next token of the line with its kind; `None` at the line's end. Blanks separate tokens, save
    /// between double quotes; a line's end ends a token even there.
    fn token(&mut self) -> Result<Option<(Kind, Vec<u8>)>, Vec<u8>> {
        let mut token = Vec::new();
        let mut quoted = false;
        while let Some(&b) = self.text.get(self.pos) {
            if b == b'\n' {
                if token.is_empty() {
                    self.pos += 1;
                    return Ok(None);
                }
                break;
            }
            self.pos += 1;
            if b == b' ' && !quoted {
                if token.is_empty() {
                    continue;
                }
                break;
            }
            if b == b'"' {
                quoted = !quoted;
            }
            if token.len() >= LONGEST {
                return Err(b"Token too long\n".to_vec());
            }
            token.push(b);
        }
        if token.is_empty() {
            return Ok(None);
        }
        let mut kind = Kind::Normal;
        if token.get(1) == Some(&b'#') {
            kind = Kind::from_letter(token[0])
                .ok_or_else(|| [b"Unknown type ", &token[..1], b"\n"].concat())?;
            token.drain(..2);
        }
        // A C string ends at its first NUL.
        token.truncate(memchr::memchr(0, &token).unwrap_or(token.len()));
        Ok(Some((kind, token)))
    }
}

/// Records every definition of a reference file as not yet declared.
///
/// # Errors
/// The message with which the original ends at once, status 1.
pub fn read(text: &[u8], symbols: &mut Symbols, report: &mut Report) -> Result<(), Vec<u8>> {
    let mut reader = Reader { text, pos: 0 };
    let word = |t: &Option<(Kind, Vec<u8>)>, word: &[u8]| {
        t.as_ref().is_some_and(|(kind, text)| *kind == Kind::Normal && text == word)
    };
    while reader.pos < text.len() {
        let mut first = reader.token()?;
        let is_override = word(&first, b"override");
        if is_override {
            first = reader.token()?;
        }
        let Some((kind, name)) = first else { continue };
        let mut next = reader.token()?;
        let is_extern = word(&next, b"extern");
        if is_extern {
            next = reader.token()?;
        }
        let mut defn = Vec::new();
        while let Some((kind, text)) = next {
            defn.push(Token::new(symbols.names.intern(&text), kind));
            next = reader.token()?;
        }
        let name = symbols.names.intern(&name);
        let defn = (!defn.is_empty()).then_some(defn.as_slice());
        symbols.refer(name, kind, defn, is_extern, is_override, report);
        if report.given_up {
            break;
        }
    }
    Ok(())
}
