//! The bytes of an object, read from the file piece by piece as they are asked for.
//!
//! Most of a large object is of no interest: machine code, debug information and its relocations. The
//! file is divided where sections begin and end, small neighbours together, and a piece is read when
//! something in it is wanted. What reaches from one piece into the next, which no sound object asks for,
//! costs the whole file.
//!
//! It does not know what the bytes mean.

use std::cell::{Cell, OnceCell};
use std::fmt;

use crate::Ranged;

/// Neighbours are read together up to this size, in bytes: a read costs as much as a few thousand.
const GRAIN: usize = 1 << 14;

/// The length of the longest header of a file.
const HEADER: usize = 64;

/// So many bytes are read with the header: the small sections of a module mostly lie behind it.
const FRONT: usize = 1 << 12;

/// The bytes of a file.
pub(super) struct Data {
    file: Box<dyn Ranged>,
    len: usize,
    /// The first bytes.
    front: Vec<u8>,
    /// In order, the first at 0, each up to the next.
    pieces: Vec<Piece>,
    /// The piece that was asked for last.
    last: Cell<usize>,
    whole: OnceCell<Vec<u8>>,
    /// Places that were set to zero.
    cleared: Vec<usize>,
}

struct Piece {
    start: usize,
    end: usize,
    bytes: OnceCell<Vec<u8>>,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

impl Data {
    pub(super) fn new(file: Box<dyn Ranged>) -> Self {
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX);
        let mut front = vec![0; len.min(FRONT)];
        file.read_at(0, &mut front);
        let mut data = Data {
            file,
            len,
            front,
            pieces: Vec::new(),
            last: Cell::new(0),
            whole: OnceCell::new(),
            cleared: Vec::new(),
        };
        data.divide(Vec::new());
        data
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Divides the file at these offsets. What was read before is forgotten, but for the front.
    pub(super) fn divide(&mut self, mut at: Vec<usize>) {
        // The header is always a piece of its own.
        at.extend([0, HEADER.min(self.len), self.len]);
        at.retain(|&at| at <= self.len);
        at.sort_unstable();
        at.dedup();
        let mut pieces: Vec<Piece> = Vec::new();
        for pair in at.windows(2) {
            let (start, end) = (pair[0], pair[1]);
            match pieces.last_mut() {
                Some(piece) if piece.start > 0 && end - piece.start <= GRAIN => piece.end = end,
                _ => pieces.push(Piece { start, end, bytes: OnceCell::new() }),
            }
        }
        self.pieces = pieces;
        self.last.set(0);
    }

    fn load(&self, start: usize, end: usize) -> Vec<u8> {
        let mut bytes = match self.front.get(start..end) {
            Some(known) => known.to_vec(),
            None => {
                let mut bytes = vec![0; end - start];
                self.file.read_at(start as u64, &mut bytes);
                bytes
            }
        };
        for &at in self.cleared.iter().filter(|at| (start..end).contains(at)) {
            bytes[at - start] = 0;
        }
        bytes
    }

    fn whole(&self) -> &[u8] {
        self.whole.get_or_init(|| self.load(0, self.len))
    }

    /// The number of the piece that holds an offset within the file.
    fn piece_at(&self, at: usize) -> Option<usize> {
        let holds = |piece: &Piece| piece.start <= at && at < piece.end;
        let last = self.last.get();
        if self.pieces.get(last).is_some_and(holds) {
            return Some(last);
        }
        let number = self.pieces.partition_point(|piece| piece.start <= at).checked_sub(1)?;
        self.last.set(number);
        holds(&self.pieces[number]).then_some(number)
    }

    /// From an offset on to the end of its piece; empty behind the end of the file.
    fn in_piece(&self, at: usize) -> &[u8] {
        let Some(number) = self.piece_at(at) else { return &[] };
        let piece = &self.pieces[number];
        let bytes = piece.bytes.get_or_init(|| self.load(piece.start, piece.end));
        &bytes[at - piece.start..]
    }

    /// Up to `len` bytes from an offset on, as far as the file goes.
    pub(super) fn slice(&self, at: usize, len: usize) -> &[u8] {
        let len = len.min(self.len.saturating_sub(at));
        if let Some(found) = self.in_piece(at).get(..len) {
            return found;
        }
        &self.whole()[at..at + len]
    }

    /// From an offset on up to a NUL byte or the end of the file.
    pub(super) fn text(&self, at: usize) -> &[u8] {
        let rest = self.in_piece(at);
        if let Some(end) = memchr::memchr(0, rest) {
            return &rest[..end];
        }
        if at.saturating_add(rest.len()) >= self.len {
            return rest;
        }
        let rest = &self.whole()[at..];
        memchr::memchr(0, rest).map_or(rest, |end| &rest[..end])
    }

    /// A number's bytes; zeros if they reach behind the end of the file.
    #[inline]
    pub(super) fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        if let Some(found) = self.in_piece(at).first_chunk() {
            return *found;
        }
        if at.saturating_add(N) > self.len {
            return [0; N];
        }
        std::array::from_fn(|i| self.in_piece(at + i).first().copied().unwrap_or(0))
    }

    /// Sets a byte to zero.
    pub(super) fn clear(&mut self, at: usize) {
        let Some(number) = self.piece_at(at) else { return };
        self.cleared.push(at);
        let piece = &mut self.pieces[number];
        if let Some(byte) = piece.bytes.get_mut().and_then(|b| b.get_mut(at - piece.start)) {
            *byte = 0;
        }
        if let Some(byte) = self.whole.get_mut().and_then(|b| b.get_mut(at)) {
            *byte = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_what_lies_across() {
        let content: Vec<u8> = (1..=200).collect();
        let mut data = Data::new(Box::new(content.clone()));
        let places = |data: &Data| -> Vec<usize> { data.pieces.iter().map(|p| p.start).collect() };
        data.divide(vec![100, 150, 999]);
        for at in [0, 1, 62, 64, 98, 99, 100, 149, 190, 199, 200, 999] {
            for len in [0, 1, 2, 50, 300] {
                let end = (at + len).min(200);
                assert_eq!(data.slice(at, len), content.get(at..end).unwrap_or_default());
            }
            let number: [u8; 4] = data.bytes(at);
            let want = content.get(at..at + 4).map_or([0; 4], |b| b.try_into().expect("four"));
            assert_eq!(number, want, "{at}");
            assert_eq!(data.text(at), content.get(at..).unwrap_or_default(), "{at}");
        }
        data.clear(120);
        data.clear(500);
        assert_eq!(data.text(90), &content[90..120]);
        data.divide(vec![10]);
        assert_eq!(data.text(70), &content[70..120]);
        assert_eq!(places(&data), [0, 10]);
        let mut data = Data::new(Box::new(vec![1; 5 * GRAIN]));
        let end = 64 + GRAIN;
        data.divide(vec![100, 2000, end, end + 1, 3 * GRAIN + 1, 3 * GRAIN + 2, 4 * GRAIN]);
        assert_eq!(places(&data), [0, 64, end, end + 1, 3 * GRAIN + 1, 4 * GRAIN]);
    }

    #[test]
    fn where_the_front_ends() {
        let content: Vec<u8> = (0..2 * FRONT).map(|i| (i % 251) as u8).collect();
        for border in [FRONT - 1, FRONT, FRONT + 1] {
            let mut data = Data::new(Box::new(content.clone()));
            data.divide(vec![border, FRONT + 100]);
            data.clear(border - 1);
            data.clear(border);
            let mut want = content.clone();
            want[border - 1..=border].fill(0);
            for at in [FRONT - 3, FRONT - 1, FRONT, FRONT + 2] {
                assert_eq!(data.slice(at, 20), &want[at..at + 20], "{border} {at}");
                assert_eq!(data.bytes::<8>(at), want[at..at + 8], "{border} {at}");
            }
        }
    }
}
