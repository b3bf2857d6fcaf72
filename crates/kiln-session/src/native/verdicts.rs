//! Which programs were met, and with what verdict: kept in the cache directory, one line for each.
//!
//! A line is the program's identity (32 hexadecimal digits), a blank and one digit: 0 Kiln's own did
//! otherwise, 1 it did the same, 2 it cannot run on this machine, 3 it did otherwise and a person was
//! told. The last line about a program counts. Lines are only ever added, each in one write, so that several Kilns can do it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_128;

const FILE: &str = "met-1";

/// What came of meeting a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Kiln's own did otherwise; nobody was told yet.
    Differs = 0,
    /// Kiln's own did the same.
    Same = 1,
    /// It cannot run here.
    CannotRun = 2,
    /// Kiln's own did otherwise, and a person was told.
    Told = 3,
}

/// All verdicts.
pub(super) struct Verdicts {
    dir: Option<PathBuf>,
    met: Mutex<Option<HashMap<u128, Verdict>>>,
}

impl Verdicts {
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Verdicts { dir, met: Mutex::new(None) }
    }

    pub(super) fn of(&self, identity: u128) -> Option<Verdict> {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let met = met.get_or_insert_with(|| self.dir.as_deref().map(read).unwrap_or_default());
        met.get(&identity).copied()
    }

    pub(super) fn keep(&self, identity: u128, verdict: Verdict) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.get_or_insert_with(HashMap::new).insert(identity, verdict);
        // Where nothing can be kept, both run again the next time.
        if let Some(dir) = &self.dir
            && fs::create_dir_all(dir).is_ok()
            && let Ok(mut file) = File::options().create(true).append(true).open(dir.join(FILE))
        {
            let _ = file.write_all(format!("{identity:032x} {}\n", verdict as u8).as_bytes());
        }
    }

    /// Where the report about a program lies.
    pub(super) fn report(&self, name: &str, identity: u128) -> Option<PathBuf> {
        Some(self.dir.as_ref()?.join(format!("differs-{name}-{identity:032x}.txt")))
    }
}

fn read(dir: &Path) -> HashMap<u128, Verdict> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    let line = |l: &str| {
        let (identity, digit) = l.split_once(' ')?;
        let verdict = match digit {
            "1" => Verdict::Same,
            "2" => Verdict::CannotRun,
            "3" => Verdict::Told,
            _ => Verdict::Differs,
        };
        Some((u128::from_str_radix(identity, 16).ok()?, verdict))
    };
    text.lines().filter_map(line).collect()
}

/// What a program is: its file, and those beside it that begin with its name, because a
/// distribution may put a chooser in front of several.
pub(super) fn program(program: &Path, name: &str) -> Option<u128> {
    let program = program.canonicalize().ok()?;
    let mut names: Vec<_> = fs::read_dir(program.parent()?)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.file_name().is_some_and(|n| n.as_bytes().starts_with(name.as_bytes())))
        .collect();
    names.sort();
    let mut text = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
    for path in names {
        stamp(&path, &mut text)?;
    }
    Some(xxh3_128(&text))
}

/// What a step of several programs is: each one's file, and whatever else it depends on.
pub(super) fn step(programs: &[&Path], rest: &[&[u8]]) -> Option<u128> {
    let mut text = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
    for program in programs {
        stamp(&program.canonicalize().ok()?, &mut text)?;
    }
    for part in rest {
        text.push(0);
        text.extend_from_slice(part);
    }
    Some(xxh3_128(&text))
}

fn stamp(path: &Path, text: &mut Vec<u8>) -> Option<()> {
    let m = fs::metadata(path).ok()?;
    text.extend_from_slice(path.as_os_str().as_bytes());
    for n in [m.ino(), m.size(), m.mtime() as u64, m.mtime_nsec() as u64, m.ctime() as u64] {
        text.extend_from_slice(&n.to_le_bytes());
    }
    Some(())
}
