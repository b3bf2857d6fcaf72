//! How long the recipes of a directory took, a file for each directory in the user's cache. It knows
//! nothing of make: what the numbers are called is the caller's to say.

use std::io;
use std::path::Path;

use crate::codec::{Reader, Writer};
use crate::key::Key;
use crate::shelf::{Limits, Shelf};

// What a file says, after the head that shelf.rs writes: the number of targets, then each:
//
//   name      text
//   took      number, microseconds
//   kind      u64
//   needs     how many, then each: number, the place of a target in this list
//   plain     how many, then each: u64

const LIMITS: Limits = Limits {
    dir: "durations-1",
    magic: b"KILNDUR1",
    largest: 4 << 20,
    most: 256,
    most_bytes: 32 << 20,
};

/// What is kept of one target.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Duration {
    /// Its name.
    pub name: Vec<u8>,
    /// How long its recipe took, in microseconds.
    pub took: u64,
    /// Which recipe it was.
    pub kind: u64,
    /// Places of other targets in the list; always ones that there are.
    pub needs: Vec<u32>,
    /// Other files by a hash.
    pub plain: Vec<u64>,
}

/// The directories that are kept.
pub struct Durations(Shelf);

impl Durations {
    /// Those below the cache directory, which need not exist.
    #[must_use]
    pub fn open(cache: &Path) -> Self {
        Durations(Shelf::open(cache, &LIMITS))
    }

    /// What is kept of a directory.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Vec<Duration>> {
        parse(&self.0.get(key)?)
    }

    /// Keeps it; whether there was room for it.
    ///
    /// # Errors
    /// Why it could not be written: what was kept before is as it was.
    pub fn put(&self, key: Key, all: &[Duration]) -> io::Result<bool> {
        let bytes = encode(all);
        let fits = bytes.len() as u64 + 16 <= LIMITS.largest;
        self.0.put(key, &bytes).map(|()| fits)
    }

    /// How large all of it is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Forgets all.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        self.0.clear()
    }
}

fn encode(all: &[Duration]) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(all.len() as u64);
    for one in all {
        w.text(&one.name);
        w.number(one.took);
        w.i64(one.kind.cast_signed());
        w.number(one.needs.len() as u64);
        one.needs.iter().for_each(|&n| w.number(n.into()));
        w.number(one.plain.len() as u64);
        one.plain.iter().for_each(|&n| w.i64(n.cast_signed()));
    }
    w.0
}

fn parse(bytes: &[u8]) -> Option<Vec<Duration>> {
    let mut r = Reader(bytes);
    let count = r.number()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let (name, took) = (r.text()?.to_vec(), r.number()?);
        let mut one =
            Duration { name, took, kind: r.i64()?.cast_unsigned(), ..Duration::default() };
        for _ in 0..r.number()? {
            let place = u32::try_from(r.number()?).ok()?;
            (u64::from(place) < count).then(|| one.needs.push(place))?;
        }
        for _ in 0..r.number()? {
            one.plain.push(r.i64()?.cast_unsigned());
        }
        all.push(one);
    }
    r.0.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_or_wild_is_nothing() {
        let a =
            Duration { name: b"/d/a.o".to_vec(), took: 5, kind: u64::MAX, ..Duration::default() };
        let name = b"/d/m.ko".to_vec();
        let m = Duration { name, took: 1 << 40, kind: 0, needs: vec![0], plain: vec![3, u64::MAX] };
        let mut two = vec![a, m];
        let bytes = encode(&two);
        assert_eq!(parse(&bytes), Some(two.clone()));
        (0..bytes.len()).for_each(|n| assert_eq!(parse(&bytes[..n]), None));
        assert_eq!(parse(&[&bytes[..], b"x"].concat()), None);
        two[0].needs = vec![2];
        assert_eq!(parse(&encode(&two)), None);
    }
}
