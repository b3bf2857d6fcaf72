//! The file that answers are kept in: its format, reading and writing it. It knows nothing of
//! whether answers stand.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::codec::{Reader, Writer};
use crate::fact::{Fact, Observations, Opaque};
use crate::store::Answer;

// The file, `answers-1` in the store's directory:
//
//   header   8 bytes "KILNANS1"
//   records  until the end of the file, each
//              length    u32, of the body
//              checksum  u64, xxh3 of tag and body
//              tag       u8: 1 a fact, 2 an answer, 3 a question known to be opaque
//              body
//   fact     see codec.rs; facts are numbered from 0 as they come
//   answer   key u128, kept i64, used i64 (seconds), label text, status i64, stdout text,
//            stderr text, number of facts, each by its number, programs, effects
//   opaque   key u128, kept i64, used i64, label text, reason
//
// Facts stand before the answers that use them, each once for all answers: forty probes of one
// compiler look at the same files. At the first record that is cut off or whose checksum is wrong,
// reading stops: a damaged tag could make all later numbers lead to other facts. A file of another
// format has another name and another header.
//
// The file is replaced by renaming, under a lock (`lock`), after reading what others have put there
// meanwhile; nothing is synced, since the checksums tell what a power cut left.
//
// Measured (examples/answers.rs): the 44 different commands that a build of a one-file module asks on
// Debian's 6.1 headers, and one answer for all of them, share 391 facts in 49 kB; they are read in
// 13 µs and checked, with 319 stats, in 0.3 ms.

pub const MAGIC: &[u8; 8] = b"KILNANS1";
pub const FILE: &str = "answers-1";
pub const LOCK: &str = "lock";
pub const TEMPORARY: &str = "answers-1.new.";
/// Length, checksum and tag.
pub const FRAME: usize = 4 + 8 + 1;
const FACT: u8 = 1;
const ANSWER: u8 = 2;
const OPAQUE: u8 = 3;
/// Largest file that is read; a larger one is none of ours.
const LARGEST: u64 = 256 << 20;
/// A record's body in the file.
pub type Span = std::ops::Range<usize>;

/// What was read from a file.
#[derive(Default)]
pub struct Contents {
    pub bytes: Vec<u8>,
    pub facts: Vec<Span>,
    pub answers: FxHashMap<u128, (u8, Span)>,
}

/// The bytes of a file of the cache. They are believed, so only of one that nobody else could have put
/// there, and that is not larger than `largest`.
pub fn trusted(path: &Path, largest: u64) -> Option<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    let mine = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if !mine || !meta.is_file() || meta.len() > largest {
        return None;
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize + 1);
    io::Read::read_to_end(&mut io::Read::take(file, largest), &mut bytes).ok()?;
    Some(bytes)
}

impl Contents {
    pub fn read(path: &Path) -> Self {
        trusted(path, LARGEST).map(Self::parse).unwrap_or_default()
    }

    pub fn parse(bytes: Vec<u8>) -> Self {
        let mut this = Contents::default();
        if !bytes.starts_with(MAGIC) {
            return this;
        }
        let mut at = MAGIC.len();
        while let Some(head) = bytes.get(at..at + FRAME) {
            let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let (sum, tag) = (&head[4..12], head[12]);
            let start = at + FRAME;
            let Some(body) = start.checked_add(length).and_then(|end| bytes.get(start..end)) else {
                break;
            };
            at = start + length;
            if checksum(tag, body).to_le_bytes()[..] != *sum {
                break;
            }
            match tag {
                FACT => this.facts.push(start..at),
                ANSWER | OPAQUE => {
                    if let Some(key) = Reader(body).u128() {
                        this.answers.insert(key, (tag, start..at));
                    }
                }
                _ => {}
            }
        }
        this.bytes = bytes;
        this
    }

    pub fn fact(&self, number: usize) -> Option<Fact> {
        let span = self.facts.get(number)?.clone();
        Reader(self.bytes.get(span)?).fact()
    }

    /// An entry without its facts, and the facts' numbers.
    pub fn entry(&self, key: u128) -> Option<(Kept, Vec<usize>)> {
        let (tag, span) = self.answers.get(&key)?;
        let mut r = Reader(self.bytes.get(span.clone())?);
        r.u128()?;
        let (kept, used) = (r.i64()?, r.i64()?);
        let label = r.text()?.to_vec();
        if *tag == OPAQUE {
            let what = What::Opaque { label, opaque: r.opaque()? };
            return Some((Kept { kept, used, what }, Vec::new()));
        }
        let status = i32::try_from(r.i64()?).ok()?;
        let (stdout, stderr) = (r.text()?.to_vec(), r.text()?.to_vec());
        let mut numbers = Vec::new();
        for _ in 0..r.number()? {
            numbers.push(usize::try_from(r.number()?).ok()?);
        }
        let mut seen = Observations::default();
        for _ in 0..r.number()? {
            seen.programs.push(r.text()?.to_vec());
        }
        for _ in 0..r.number()? {
            seen.effects.push(r.effect()?);
        }
        let answer = Answer { label, status, stdout, stderr, seen };
        Some((Kept { kept, used, what: What::Answer(answer) }, numbers))
    }

    pub fn whole(&self, key: u128) -> Option<Kept> {
        let (mut kept, numbers) = self.entry(key)?;
        if let What::Answer(answer) = &mut kept.what {
            for number in numbers {
                answer.seen.facts.push(self.fact(number)?);
            }
        }
        Some(kept)
    }
}

fn checksum(tag: u8, body: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(body, tag.into())
}

/// An entry in memory.
#[derive(Clone)]
pub struct Kept {
    pub kept: i64,
    pub used: i64,
    pub what: What,
}

#[derive(Clone)]
pub enum What {
    Answer(Answer),
    Opaque { label: Vec<u8>, opaque: Opaque },
}

/// Writes entries with their facts, in order, as long as they fit.
pub fn encode(entries: &[(u128, Kept)], most: usize) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut numbers: FxHashMap<&Fact, u64> = FxHashMap::default();
    for (key, kept) in entries {
        let begin = out.len();
        let known = numbers.len();
        let mut w = Writer::default();
        w.u128(*key);
        w.i64(kept.kept);
        w.i64(kept.used);
        let tag = match &kept.what {
            What::Opaque { label, opaque } => {
                w.text(label);
                w.opaque(opaque);
                OPAQUE
            }
            What::Answer(answer) => {
                w.text(&answer.label);
                w.i64(answer.status.into());
                w.text(&answer.stdout);
                w.text(&answer.stderr);
                w.number(answer.seen.facts.len() as u64);
                for fact in &answer.seen.facts {
                    let next = numbers.len() as u64;
                    let number = *numbers.entry(fact).or_insert_with(|| {
                        let mut f = Writer::default();
                        f.fact(fact);
                        record(&mut out, FACT, &f.0);
                        next
                    });
                    w.number(number);
                }
                w.number(answer.seen.programs.len() as u64);
                answer.seen.programs.iter().for_each(|p| w.text(p));
                w.number(answer.seen.effects.len() as u64);
                answer.seen.effects.iter().for_each(|e| w.effect(e));
                ANSWER
            }
        };
        record(&mut out, tag, &w.0);
        if out.len() > most {
            out.truncate(begin);
            numbers.retain(|_, number| (*number as usize) < known);
            // A smaller one may still fit, but what is dropped is to be the oldest.
            break;
        }
    }
    out
}

fn record(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    // Bodies are bounded far below 4 GiB by LONGEST_OUTPUT and the limit of the whole.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(tag, body).to_le_bytes());
    out.push(tag);
    out.extend_from_slice(body);
}
