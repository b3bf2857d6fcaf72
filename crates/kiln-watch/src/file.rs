//! The file that answers are kept in: its format, reading and writing it. It knows nothing of
//! whether answers stand.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::codec::{Reader, Writer};
use crate::fact::{Fact, Observations, Opaque};
use crate::given::{Asks, Var};
use crate::store::Answer;

// The file, `answers-2` in the store's directory:
//
//   header   8 bytes "KILNANS2"
//   records  until the end of the file, each
//              length    u32, of the body
//              checksum  u64, xxh3 of tag and body
//              tag       u8: 1 a fact, 2 an answer, 3 a question known to be opaque, 4 a variable,
//                        5 an environment
//              body
//   fact     see codec.rs; facts are numbered from 0 as they come
//   variable name text, hash of the value i64; numbered from 0
//   environment  variables by their numbers; numbered from 0
//   answer   id u128, key u128, kept i64, used i64 (seconds), environment's number, streams text,
//            what it asks u8 (1 every variable, 2 the streams, 4 the caller), places, label text, status i64,
//            stdout text, stderr text, number of facts, each by its number, programs, effects
//   opaque   id u128, key u128, kept i64, used i64, label text, reason
//
// The id tells the answers to one key from each other. Facts stand before the answers that use them, each once for all answers: forty probes of one
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

pub const MAGIC: &[u8; 8] = b"KILNANS2";
pub const FILE: &str = "answers-2";
/// Names of the same in earlier versions.
pub const FORMER: &[&str] = &["answers-1"];
pub const LOCK: &str = "lock";
pub const TEMPORARY: &str = "new.";
/// Length, checksum and tag.
pub const FRAME: usize = 4 + 8 + 1;
const FACT: u8 = 1;
const ANSWER: u8 = 2;
const OPAQUE: u8 = 3;
const VAR: u8 = 4;
const ENV: u8 = 5;
/// Largest file that is read; a larger one is none of ours.
const LARGEST: u64 = 256 << 20;
/// A record's body in the file.
pub type Span = std::ops::Range<usize>;

/// What was read from a file.
#[derive(Default)]
pub struct Contents {
    pub bytes: Vec<u8>,
    pub facts: Vec<Span>,
    vars: Vec<Span>,
    envs: Vec<Span>,
    /// Answers and opaque questions by their ids.
    pub entries: FxHashMap<u128, (u8, Span)>,
    /// Ids by keys, the last used first.
    pub by_key: FxHashMap<u128, Vec<u128>>,
}

/// An entry without what it shares with others: its facts and its environment, by their numbers.
pub struct Parts {
    pub kept: Kept,
    pub facts: Vec<usize>,
    pub env: usize,
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
                VAR => this.vars.push(start..at),
                ENV => this.envs.push(start..at),
                ANSWER | OPAQUE => {
                    let mut r = Reader(body);
                    if let (Some(id), Some(key)) = (r.u128(), r.u128())
                        && this.entries.insert(id, (tag, start..at)).is_none()
                    {
                        this.by_key.entry(key).or_default().push(id);
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

    /// An environment.
    pub fn env(&self, number: usize) -> Option<Vec<Var>> {
        let mut r = Reader(self.bytes.get(self.envs.get(number)?.clone())?);
        let mut vars = Vec::new();
        for _ in 0..r.number()? {
            let at = usize::try_from(r.number()?).ok()?;
            let mut var = Reader(self.bytes.get(self.vars.get(at)?.clone())?);
            vars.push((var.text()?.to_vec(), var.i64()? as u64));
        }
        Some(vars)
    }

    /// An entry without what it shares.
    pub fn parts(&self, id: u128) -> Option<Parts> {
        let (tag, span) = self.entries.get(&id)?;
        let mut r = Reader(self.bytes.get(span.clone())?);
        r.u128()?;
        let (key, kept, used) = (r.u128()?, r.i64()?, r.i64()?);
        let mut facts = Vec::new();
        let mut env = 0;
        let what = if *tag == OPAQUE {
            What::Opaque { label: r.text()?.to_vec(), opaque: r.opaque()? }
        } else {
            env = usize::try_from(r.number()?).ok()?;
            let streams = r.text()?.to_vec();
            let asks = r.u8()?;
            let mut seen = Observations {
                asks: Asks {
                    everything: asks & 1 != 0,
                    streams: asks & 2 != 0,
                    caller: asks & 4 != 0,
                },
                ..Observations::default()
            };
            let mut places = Vec::new();
            for _ in 0..r.number()? {
                places.push(r.text()?.to_vec());
            }
            let label = r.text()?.to_vec();
            let status = i32::try_from(r.i64()?).ok()?;
            let (stdout, stderr) = (r.text()?.to_vec(), r.text()?.to_vec());
            for _ in 0..r.number()? {
                facts.push(usize::try_from(r.number()?).ok()?);
            }
            for _ in 0..r.number()? {
                seen.programs.push(r.text()?.to_vec());
            }
            for _ in 0..r.number()? {
                seen.effects.push(r.effect()?);
            }
            let answer = Answer { label, status, stdout, stderr, seen };
            What::Answer { answer, vars: Arc::default(), streams, places }
        };
        Some(Parts { kept: Kept { key, kept, used, what }, facts, env })
    }

    /// An entry with all.
    pub fn whole(&self, id: u128) -> Option<Kept> {
        let Parts { mut kept, facts, env } = self.parts(id)?;
        if let What::Answer { answer, vars, .. } = &mut kept.what {
            for number in facts {
                answer.seen.facts.push(self.fact(number)?);
            }
            *vars = Arc::new(self.env(env)?);
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
    pub key: u128,
    pub kept: i64,
    pub used: i64,
    pub what: What,
}

#[derive(Clone)]
pub enum What {
    Answer { answer: Answer, vars: Arc<Vec<Var>>, streams: Vec<u8>, places: Vec<Vec<u8>> },
    Opaque { label: Vec<u8>, opaque: Opaque },
}

/// Numbers shared parts as they are first needed, and writes them down then.
struct Numbered<K>(FxHashMap<K, u64>, u8);

impl<K: Eq + std::hash::Hash> Numbered<K> {
    fn number(&mut self, part: K, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer)) -> u64 {
        let next = self.0.len() as u64;
        *self.0.entry(part).or_insert_with(|| {
            let mut w = Writer::default();
            body(&mut w);
            record(out, self.1, &w.0);
            next
        })
    }
}

/// Writes entries with what they share, in order, as long as they fit.
pub fn encode(entries: &[(u128, Kept)], most: usize) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut facts: Numbered<&Fact> = Numbered(FxHashMap::default(), FACT);
    let mut vars: Numbered<&Var> = Numbered(FxHashMap::default(), VAR);
    let mut envs: Numbered<&[Var]> = Numbered(FxHashMap::default(), ENV);
    for (id, kept) in entries {
        let begin = out.len();
        let mut w = Writer::default();
        w.u128(*id);
        w.u128(kept.key);
        w.i64(kept.kept);
        w.i64(kept.used);
        let tag = match &kept.what {
            What::Opaque { label, opaque } => {
                w.text(label);
                w.opaque(opaque);
                OPAQUE
            }
            What::Answer { answer, vars: env, streams, places } => {
                let numbers: Vec<u64> = env
                    .iter()
                    .map(|var| {
                        vars.number(var, &mut out, |w| {
                            w.text(&var.0);
                            w.i64(var.1 as i64);
                        })
                    })
                    .collect();
                w.number(envs.number(&env[..], &mut out, |w| {
                    w.number(numbers.len() as u64);
                    numbers.iter().for_each(|n| w.number(*n));
                }));
                w.text(streams);
                let asks = answer.seen.asks;
                let [everything, streams, caller] =
                    [asks.everything, asks.streams, asks.caller].map(u8::from);
                w.u8(everything | streams << 1 | caller << 2);
                w.number(places.len() as u64);
                places.iter().for_each(|p| w.text(p));
                w.text(&answer.label);
                w.i64(answer.status.into());
                w.text(&answer.stdout);
                w.text(&answer.stderr);
                w.number(answer.seen.facts.len() as u64);
                for fact in &answer.seen.facts {
                    w.number(facts.number(fact, &mut out, |w| w.fact(fact)));
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
