//! Facts and answers as bytes and back. Numbers are little-endian, texts are led by their length.
//! Reading never trusts a length: what does not fit is no value. It knows nothing of files.

use crate::eye::{Identity, Kind};
use crate::fact::{Effect, Fact, Opaque, Seen, Status, Why};

/// Writes values.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

/// Reads values; every method is `None` at the end of the bytes.
pub struct Reader<'a>(pub &'a [u8]);

impl Writer {
    pub fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    /// Seven bits to a byte, the smallest first: most numbers are small.
    pub fn number(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    pub fn i64(&mut self, v: i64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub fn u128(&mut self, v: u128) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub fn text(&mut self, v: &[u8]) {
        self.number(v.len() as u64);
        self.0.extend_from_slice(v);
    }

    fn identity(&mut self, id: &Identity) {
        self.u8(id.kind as u8);
        self.number(id.mode.into());
        self.number(id.dev);
        self.number(id.ino);
        self.number(id.size);
        self.i64(id.mtime);
        self.i64(id.ctime);
        self.number(id.rdev);
    }

    fn status(&mut self, status: &Status) {
        self.u8(status.kind as u8);
        self.number(status.mode.into());
        self.number(status.dev);
        self.number(status.ino);
        self.u8(status.content.is_some().into());
        if let Some((size, mtime)) = status.content {
            self.number(size);
            self.i64(mtime);
        }
    }

    fn outcome(&mut self, outcome: &Result<Vec<u8>, i32>) {
        match outcome {
            Ok(text) => {
                self.u8(1);
                self.text(text);
            }
            Err(errno) => {
                self.u8(0);
                self.number(*errno as u64);
            }
        }
    }

    pub fn fact(&mut self, fact: &Fact) {
        self.text(&fact.path);
        match &fact.seen {
            Seen::Status { follow, was: Ok(status) } => {
                self.u8(if *follow { 0 } else { 1 });
                self.status(status);
            }
            Seen::Status { follow, was: Err(errno) } => {
                self.u8(if *follow { 2 } else { 3 });
                self.number(*errno as u64);
            }
            Seen::Contents { id, hash, settled } => {
                self.u8(4);
                self.identity(id);
                self.u8(u8::from(*settled) | u8::from(hash.is_some()) << 1);
                if let Some(hash) = hash {
                    self.u128(*hash);
                }
            }
            Seen::Names { id, hash, settled } => {
                self.u8(5);
                self.identity(id);
                self.u8((*settled).into());
                self.u128(*hash);
            }
            Seen::Link(outcome) => {
                self.u8(6);
                self.outcome(outcome);
            }
            Seen::Real(outcome) => {
                self.u8(7);
                self.outcome(outcome);
            }
            Seen::Access { mode, errno } => {
                self.u8(8);
                self.u8(*mode);
                self.number(*errno as u64);
            }
        }
    }

    pub fn effect(&mut self, effect: &Effect) {
        self.text(&effect.path);
        self.u8(u8::from(effect.before) | u8::from(effect.after.is_some()) << 1);
        if let Some(after) = &effect.after {
            self.status(after);
        }
    }

    pub fn opaque(&mut self, opaque: &Opaque) {
        let at = WHYS.iter().position(|w| *w == opaque.why).unwrap_or(0);
        self.u8(at as u8);
        self.text(&opaque.what);
    }
}

/// The reasons by their numbers on disk.
const WHYS: [Why; 15] = [
    Why::Refused,
    Why::Program,
    Why::Word,
    Why::File,
    Why::Call,
    Why::Machine,
    Why::Trouble,
    Why::Input,
    Why::Output,
    Why::Passing,
    Why::Signal,
    Why::Changed,
    Why::LeftBehind,
    Why::NotStarted,
    Why::Effect,
];

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|b| b[0])
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            v |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(v);
            }
        }
        None
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.bytes(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Option<u128> {
        self.bytes(16)?.try_into().ok().map(u128::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<&'a [u8]> {
        let n = self.number()?;
        self.bytes(usize::try_from(n).ok()?)
    }

    fn kind(&mut self) -> Option<Kind> {
        Some(match self.u8()? {
            0 => Kind::File,
            1 => Kind::Dir,
            2 => Kind::Link,
            3 => Kind::Other,
            _ => return None,
        })
    }

    fn errno(&mut self) -> Option<i32> {
        i32::try_from(self.number()?).ok()
    }

    fn identity(&mut self) -> Option<Identity> {
        Some(Identity {
            kind: self.kind()?,
            mode: u16::try_from(self.number()?).ok()?,
            dev: self.number()?,
            ino: self.number()?,
            size: self.number()?,
            mtime: self.i64()?,
            ctime: self.i64()?,
            rdev: self.number()?,
        })
    }

    fn status(&mut self) -> Option<Status> {
        Some(Status {
            kind: self.kind()?,
            mode: u16::try_from(self.number()?).ok()?,
            dev: self.number()?,
            ino: self.number()?,
            content: match self.u8()? {
                0 => None,
                _ => Some((self.number()?, self.i64()?)),
            },
        })
    }

    fn outcome(&mut self) -> Option<Result<Vec<u8>, i32>> {
        Some(match self.u8()? {
            0 => Err(self.errno()?),
            _ => Ok(self.text()?.to_vec()),
        })
    }

    pub fn fact(&mut self) -> Option<Fact> {
        let path = self.text()?.to_vec();
        let seen = match self.u8()? {
            tag @ (0 | 1) => Seen::Status { follow: tag == 0, was: Ok(self.status()?) },
            tag @ (2 | 3) => Seen::Status { follow: tag == 2, was: Err(self.errno()?) },
            4 => {
                let id = self.identity()?;
                let flags = self.u8()?;
                let hash = if flags & 2 != 0 { Some(self.u128()?) } else { None };
                Seen::Contents { id, hash, settled: flags & 1 != 0 }
            }
            5 => {
                let id = self.identity()?;
                Seen::Names { id, settled: self.u8()? != 0, hash: self.u128()? }
            }
            6 => Seen::Link(self.outcome()?),
            7 => Seen::Real(self.outcome()?),
            8 => Seen::Access { mode: self.u8()?, errno: self.errno()? },
            _ => return None,
        };
        Some(Fact { path, seen })
    }

    pub fn effect(&mut self) -> Option<Effect> {
        let path = self.text()?.to_vec();
        let flags = self.u8()?;
        let after = if flags & 2 != 0 { Some(self.status()?) } else { None };
        Some(Effect { path, before: flags & 1 != 0, after })
    }

    pub fn opaque(&mut self) -> Option<Opaque> {
        let why = *WHYS.get(usize::from(self.u8()?))?;
        Some(Opaque { why, what: self.text()?.to_vec() })
    }
}
