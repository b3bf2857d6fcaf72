//! Long texts of words in pieces, each piece kept once for all texts that have it. Where a piece ends is
//! decided by the words there, so that texts that have words in common have pieces in common, wherever
//! in them these stand. It knows nothing of what the words mean.

use std::cell::OnceCell;
use std::rc::Rc;

use rustc_hash::FxHashSet;

/// A text with fewer bytes is not worth cutting.
const LONG: usize = 4096;
/// No piece but the last is shorter, in bytes.
const SHORTEST: usize = 256;
/// No piece is longer, in bytes, except for one word.
const LONGEST: usize = 4096;

/// All pieces of an instance's texts.
#[derive(Default)]
pub(crate) struct Pool {
    known: FxHashSet<Rc<[u8]>>,
}

/// A text in pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    parts: Box<[Rc<[u8]>]>,
    /// The text put together, once somebody needs it so.
    whole: OnceCell<Box<[u8]>>,
}

impl Pool {
    /// A text in pieces, if it is long enough.
    pub fn pieces(&mut self, text: &[u8]) -> Option<Pieces> {
        if text.len() < LONG {
            return None;
        }
        let mut parts = Vec::with_capacity(text.len() / SHORTEST / 2);
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(piece_len(rest));
            parts.push(self.kept(piece));
            rest = behind;
        }
        Some(Pieces { parts: parts.into_boxed_slice(), whole: OnceCell::new() })
    }

    fn kept(&mut self, piece: &[u8]) -> Rc<[u8]> {
        if let Some(known) = self.known.get(piece) {
            return Rc::clone(known);
        }
        let new: Rc<[u8]> = piece.into();
        self.known.insert(Rc::clone(&new));
        new
    }
}

/// How long the piece at the beginning of a text is: to behind a blank in front of which certain bytes
/// stand, as they do after one word in sixteen.
fn piece_len(text: &[u8]) -> usize {
    if text.len() <= SHORTEST {
        return text.len();
    }
    let mut last = None;
    for blank in memchr::memchr_iter(b' ', &text[SHORTEST..]).map(|n| SHORTEST + n) {
        if blank >= LONGEST {
            return last.unwrap_or(blank) + 1;
        }
        last = Some(blank);
        let (_, before) = text[..blank].split_at(blank - 16);
        let sum = before.iter().fold(0u32, |sum, b| sum.wrapping_mul(31).wrapping_add((*b).into()));
        if sum.wrapping_mul(0x9e37_79b1) >> 28 == 0 {
            return blank + 1;
        }
    }
    match last {
        Some(blank) if text.len() > LONGEST => blank + 1,
        _ => text.len(),
    }
}

impl Pieces {
    /// The text put together.
    pub fn whole(&self) -> &[u8] {
        self.whole.get_or_init(|| self.parts.concat().into_boxed_slice())
    }

    /// Appends the text to another.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.parts.iter().map(|p| p.len()).sum());
        self.parts.iter().for_each(|p| out.extend_from_slice(p));
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: impl Iterator<Item = usize>) -> Vec<u8> {
        numbers.map(|i| format!("include/linux/header{i}.h")).collect::<Vec<_>>().join(" ").into()
    }

    #[test]
    fn a_text_stays_what_it_is() {
        let mut pool = Pool::default();
        let blank = vec![b' '; 3 * LONGEST];
        let word = vec![b'x'; 3 * LONGEST];
        let both = [&word[..], b" ", &word].concat();
        for text in [list(0..1000), list(0..500), blank, word, both] {
            let pieces = pool.pieces(&text).expect("it is long");
            let mut out = b"before ".to_vec();
            pieces.append_to(&mut out);
            assert_eq!(out[7..], text);
            assert_eq!(pieces.whole(), text);
        }
        assert!(pool.pieces(b"short").is_none());
    }

    #[test]
    fn what_texts_have_in_common_is_kept_once() {
        let mut pool = Pool::default();
        let first = list(0..2000);
        let _first = pool.pieces(&first);
        let size = |pool: &Pool| pool.known.iter().map(|p| p.len()).sum::<usize>();
        assert_eq!(size(&pool), first.len());
        // Words before, behind and between the same ones.
        let other = [list(5000..5010), list(0..1000), list(6000..6003), list(1000..2000)];
        let _other = pool.pieces(&other.join(&b' '));
        assert!(size(&pool) < first.len() + first.len() / 5, "{} {}", size(&pool), first.len());
    }
}
