//! Time stamps: looked up once, found along VPATH, followed through links, and checked against the
//! clock. It does not decide what is out of date.

use std::io;

use kiln_base::{FileKind, Sys, Time};
use kiln_make::{FileId, Make};

use crate::say;
use crate::{Graph, Mtime, Result, State, resolve};

const SECOND: i128 = 1_000_000_000;
/// The largest second that make's own stamps can hold.
const LAST_SECOND: i128 = (1 << 34) - 1;

impl Graph {
    /// The time stamp of a file, looked up once; VPATH is searched. `f` is changed where the search
    /// made another file stand for it.
    ///
    /// # Errors
    /// If renaming it after a search is an error.
    pub fn mtime(&mut self, make: &mut Make, f: &mut FileId) -> Result<Mtime> {
        let mut mtime = self.known_mtime(*f);
        if mtime == Mtime::Unknown {
            mtime = self.look_up_mtime(make, *f, true)?;
        }
        *f = resolve(make, *f);
        Ok(mtime)
    }

    /// The time stamp of a file under the very name that it has.
    ///
    /// # Errors
    /// As [`Graph::mtime`].
    pub fn mtime_no_search(&mut self, make: &mut Make, f: &mut FileId) -> Result<Mtime> {
        let mut mtime = self.known_mtime(*f);
        if mtime == Mtime::Unknown {
            mtime = self.look_up_mtime(make, *f, false)?;
        }
        *f = resolve(make, *f);
        Ok(mtime)
    }

    /// Asks the file system, whatever was known before.
    ///
    /// # Errors
    /// As [`Graph::mtime`].
    pub(crate) fn look_up_mtime(
        &mut self,
        make: &mut Make,
        mut f: FileId,
        search: bool,
    ) -> Result<Mtime> {
        let Some(name) = make.files[f].name else { return Ok(Mtime::Nonexistent) };
        let text = make.names.shared(name);
        let mut mtime = name_mtime(make, &text);
        if mtime == Mtime::Nonexistent
            && search
            && !make.files[f].ignore_vpath
            && let Some((path, _)) = make.vpath_search(&text)
        {
            let marked = match make.lookup(&path).map(|other| self.known_mtime(other)) {
                Some(mark @ (Mtime::Old | Mtime::New)) => Some(mark),
                _ => None,
            };
            if let Some(mark) = marked {
                self.file_mut(f).mtime = mark;
            }
            if path.len() > text.len() + 1
                && make.gpath_search(&path[..path.len() - text.len() - 1])
            {
                let f = self.rename(make, f, &path, true)?;
                let known = self.known_mtime(f);
                return if known == Mtime::Unknown {
                    self.look_up_mtime(make, f, true)
                } else {
                    Ok(known)
                };
            }
            f = self.rename(make, f, &path, false)?;
            mtime = marked.unwrap_or_else(|| name_mtime(make, &path));
        }
        self.check_clock(make, f, mtime);
        self.store_mtime(make, f, mtime);
        Ok(mtime)
    }

    /// Stores a stamp into all rules of a double-colon target for which that is safe: those that
    /// have not been examined keep the stamp from before the update.
    fn store_mtime(&mut self, make: &mut Make, f: FileId, mtime: Mtime) {
        let first = make.files[f].double_colon.unwrap_or(f);
        let propagate = self.is_updated(first);
        let mut next = Some(first);
        while let Some(f) = next {
            // A file that is there before anything was made is no intermediate file of ours.
            let file = &mut make.files[f];
            if mtime != Mtime::Nonexistent
                && self.state(f) == State::NotStarted
                && !file.tried_implicit
                && file.intermediate
            {
                file.intermediate = false;
            }
            if self.is_updated(f) == propagate {
                self.file_mut(f).mtime = mtime;
            }
            next = make.files[f].next_double_colon;
        }
    }

    /// Gives a file the name that a search found: for lookups only, or `for_good`.
    fn rename(
        &mut self,
        make: &mut Make,
        f: FileId,
        path: &[u8],
        for_good: bool,
    ) -> Result<FileId> {
        let from = self.file(f).clone();
        let to = if for_good { make.rename(f, path)? } else { make.rehash(f, path)? };
        let found = make.names.intern(path);
        for c in double_colon_chain(make, f) {
            self.file_mut(c).found_name = if for_good { None } else { Some(found) };
        }
        if to != f {
            let state = self.file_mut(to);
            if from.mtime > state.mtime {
                state.mtime = from.mtime;
            }
            state.mtime_before = from.mtime_before;
            state.updating |= from.updating;
            state.updated |= from.updated;
        }
        Ok(to)
    }

    /// Warns once about a stamp in the future: nothing newly made would ever be newer.
    fn check_clock(&mut self, make: &mut Make, f: FileId, mtime: Mtime) {
        let Mtime::At(Time(stamp)) = mtime else { return };
        if self.clock_skew || self.is_updated(f) || self.adjusted_now >= mtime {
            return;
        }
        let now = make.sys.now();
        self.adjusted_now = Mtime::At(now);
        if self.adjusted_now >= mtime {
            return;
        }
        let ahead = (stamp - now.0) as f64 / 1e9;
        let ahead = if ahead >= 100.0 { format!("{}", ahead as u64) } else { two_digits(ahead) };
        let mut text = b"Warning: File '".to_vec();
        text.extend_from_slice(make.file_name(f));
        text.extend_from_slice(
            format!("' has modification time {ahead} s in the future").as_bytes(),
        );
        say::error(make, None, &text);
        self.clock_skew = true;
    }
}

/// All rules of a double-colon target from `f` on, or the file alone.
pub(crate) fn double_colon_chain(make: &Make, f: FileId) -> Vec<FileId> {
    let mut chain = Vec::new();
    let mut next = Some(f);
    while let Some(f) = next {
        chain.push(f);
        next = make.files[f].next_double_colon;
    }
    chain
}

/// The stamp of a name, with those of the links on the way under `-L`.
pub fn name_mtime(make: &mut Make, name: &[u8]) -> Mtime {
    let sys = std::sync::Arc::clone(&make.sys);
    let mut newest = match sys.stat(name) {
        Ok(stat) => stamp(make, name, stat.mtime),
        Err(error) => {
            if !is_absence(&error) {
                complain(make, b"stat: ", name, &error);
                return Mtime::Nonexistent;
            }
            // A link that leads nowhere still has a stamp of its own.
            Mtime::Nonexistent
        }
    };
    if make.opts.check_symlink_times {
        follow_links(make, &*sys, name, &mut newest);
    }
    newest
}

fn follow_links(make: &mut Make, sys: &dyn Sys, name: &[u8], newest: &mut Mtime) {
    let mut path = name.to_vec();
    // The kernel follows 40 links at most, and stat has just succeeded.
    for _ in 0..64 {
        let stat = match sys.lstat(&path) {
            Ok(stat) => stat,
            Err(error) => {
                if !is_absence(&error) {
                    complain(make, b"lstat: ", &path, &error);
                }
                return;
            }
        };
        if stat.kind != FileKind::Link {
            return;
        }
        *newest = (*newest).max(stamp(make, &path, stat.mtime));
        let target = match sys.readlink(&path) {
            Ok(target) => target,
            Err(error) => {
                complain(make, b"readlink: ", &path, &error);
                return;
            }
        };
        match memrchr(&path) {
            Some(slash) if target.first() != Some(&b'/') => {
                path.truncate(slash + 1);
                path.extend_from_slice(&target);
            }
            _ => path = target,
        }
    }
}

fn memrchr(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|&b| b == b'/')
}

/// A stamp as make keeps it; what its own form cannot hold is replaced, with a message.
fn stamp(make: &mut Make, name: &[u8], time: Time) -> Mtime {
    let second = time.0.div_euclid(SECOND);
    if (0..=LAST_SECOND).contains(&second) {
        return Mtime::At(time);
    }
    let last = Time(LAST_SECOND * SECOND + SECOND - 1);
    let mut text = name.to_vec();
    text.extend_from_slice(b": Timestamp out of range; substituting 2514-05-30 01:53:03.999999999");
    say::error(make, None, &text);
    Mtime::At(last)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn complain(make: &mut Make, what: &[u8], name: &[u8], error: &io::Error) {
    let mut text = what.to_vec();
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(say::io_text(error).as_bytes());
    say::error(make, None, &text);
}

/// C's `%.2g` for a number that is not negative.
fn two_digits(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let scientific = format!("{x:.1e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |s: &str| {
        if s.contains('.') {
            s.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            s.to_owned()
        }
    };
    if (-4..2).contains(&exponent) {
        trimmed(&format!("{x:.*}", (1 - exponent).max(0) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

/// The fraction of the second in a stamp, in nanoseconds.
pub(crate) fn nanoseconds(time: Time) -> i128 {
    time.0.rem_euclid(SECOND)
}

/// The last nanosecond of the second of a stamp, for files whose stamps are whole seconds.
pub(crate) fn end_of_second(time: Time) -> Time {
    Time(time.0 - nanoseconds(time) + SECOND - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_as_c_prints_them() {
        for (x, text) in [
            (58.3, "58"),
            (5.0, "5"),
            (5.25, "5.2"),
            (0.5, "0.5"),
            (0.000_12, "0.00012"),
            (0.000_012, "1.2e-05"),
            (99.7, "1e+02"),
            (10.0, "10"),
        ] {
            assert_eq!(two_digits(x), text);
        }
    }
}
