//! The value of a variable: bytes, of which a few are kept without memory of their own, and many may be
//! kept in pieces that other values have too. Most values of a kernel's configuration are one letter;
//! the lists of what a module's objects depend on are long and much alike. It knows nothing of what the
//! bytes mean.

use std::ops::Deref;
use std::rc::Rc;

use crate::pieces::{Pieces, Pool};

/// How many bytes need no memory of their own.
const SHORT: usize = 15;

/// Bytes that can grow.
#[derive(Clone, Debug)]
pub struct Value(Kept);

/// How they are kept. All are as large as a vector.
#[derive(Clone, Debug)]
enum Kept {
    Short(u8, [u8; SHORT]),
    Long(Vec<u8>),
    Shared(Rc<Pieces>),
}

impl Value {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        Value(Kept::Short(0, [0; SHORT]))
    }

    /// Bytes that are likely to have much in common with others in the pool.
    #[must_use]
    pub(crate) fn shared(bytes: &[u8], pool: &mut Pool) -> Self {
        match pool.pieces(bytes) {
            Some(pieces) => Value(Kept::Shared(Rc::new(pieces))),
            None => Value::from(bytes),
        }
    }

    /// The bytes. Those in pieces are put together for this, and stay so.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Kept::Short(n, bytes) => &bytes[..usize::from(*n).min(SHORT)],
            Kept::Long(bytes) => bytes,
            Kept::Shared(pieces) => pieces.whole(),
        }
    }

    /// Appends the bytes to a text; those in pieces stay so.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Kept::Shared(pieces) => pieces.append_to(out),
            _ => out.extend_from_slice(self.as_slice()),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Kept::Shared(pieces) => pieces.is_empty(),
            _ => self.as_slice().is_empty(),
        }
    }

    /// Forgets the bytes, but not their memory.
    pub fn clear(&mut self) {
        match &mut self.0 {
            Kept::Short(n, _) => *n = 0,
            Kept::Long(bytes) => bytes.clear(),
            Kept::Shared(_) => *self = Value::new(),
        }
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        match &mut self.0 {
            Kept::Short(n, bytes) => {
                let len = usize::from(*n);
                if let Some(room) = bytes.get_mut(len..len + more.len()) {
                    room.copy_from_slice(more);
                    *n += more.len() as u8;
                } else {
                    let mut long = Vec::with_capacity(len + more.len());
                    long.extend_from_slice(&bytes[..len]);
                    long.extend_from_slice(more);
                    self.0 = Kept::Long(long);
                }
            }
            Kept::Long(bytes) => bytes.extend_from_slice(more),
            Kept::Shared(pieces) => {
                let mut long = Vec::new();
                pieces.append_to(&mut long);
                long.extend_from_slice(more);
                self.0 = Kept::Long(long);
            }
        }
    }

    /// How many bytes it has memory of its own for.
    #[must_use]
    pub fn own_capacity(&self) -> usize {
        match &self.0 {
            Kept::Short(..) | Kept::Shared(_) => 0,
            Kept::Long(bytes) => bytes.capacity(),
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Value::new()
    }
}

impl Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        let mut v = Value::new();
        v.extend_from_slice(bytes);
        v
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= SHORT { Value::from(bytes.as_slice()) } else { Value(Kept::Long(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long() {
        assert_eq!(size_of::<Value>(), size_of::<Vec<u8>>());
        let mut v = Value::from(b"abc".as_slice());
        assert_eq!((&*v, v.own_capacity()), (b"abc".as_slice(), 0));
        v.extend_from_slice(b"123456789012");
        assert_eq!((&*v, v.own_capacity()), (b"abc123456789012".as_slice(), 0));
        v.extend_from_slice(b"x");
        assert_eq!(&*v, b"abc123456789012x");
        v.clear();
        v.extend_from_slice(b"yz");
        assert_eq!(&*v, b"yz");
        assert_eq!(&*Value::from(vec![b'q'; 20]), [b'q'; 20]);
    }
}
