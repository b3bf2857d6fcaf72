//! What a command's output may tell that will not be so again: the date and time, a process id, the
//! name of a temporary file. It knows nothing of how the output came to be.

use crate::eye::{Eye, RealEye};
use crate::fact::{Observations, Opaque, Why};
use crate::handlers::Scene;
use crate::programs::contains;

/// Closes a scene: the observations, unless something in it or in the output speaks against keeping
/// the answer.
///
/// # Errors
/// The reason why the answer cannot be kept.
pub fn close(
    scene: Scene,
    began: i64,
    stdout: &[u8],
    stderr: &[u8],
) -> Result<Observations, Opaque> {
    let (observations, temporaries) = scene.ledger.finish()?;
    let traces = Traces { began, ids: scene.says_pid.then_some(scene.ids), temporaries };
    for text in [stdout, stderr] {
        traces.look(text)?;
    }
    Ok(observations)
}

/// What was so only while the command ran.
pub struct Traces {
    /// When it began, nanoseconds since the epoch.
    pub began: i64,
    /// Process ids, where a text asked for one.
    pub ids: Option<Vec<i32>>,
    /// Files that came and went.
    pub temporaries: Vec<Vec<u8>>,
}

impl Traces {
    /// Looks for them in what a command said or left.
    ///
    /// # Errors
    /// What was found.
    pub fn look(&self, text: &[u8]) -> Result<(), Opaque> {
        if text.is_empty() {
            return Ok(());
        }
        let told = |what: &str| Err(Opaque::new(Why::Passing, what));
        let ended = RealEye.now();
        if tells_date(text, self.began, ended) || tells_stamp(text) {
            return told("the date");
        }
        if tells_time(text, self.began, ended) {
            return told("the time");
        }
        if self.ids.as_ref().is_some_and(|ids| ids.iter().any(|id| has_number(text, *id))) {
            return told("a process id");
        }
        if self.temporaries.iter().any(|path| has_name(text, path)) {
            return told("the name of a temporary file");
        }
        Ok(())
    }
}

/// The time of a file as C's `__TIMESTAMP__` writes it: `Sun Sep 16 01:03:52 1973`, of whichever file.
fn tells_stamp(text: &[u8]) -> bool {
    text.windows(24).any(|w| {
        w[13] == b':'
            && w[16] == b':'
            && w[19] == b' '
            && w[20..].iter().all(u8::is_ascii_digit)
            && MONTHS.iter().any(|m| w[4..7] == *m.as_bytes())
    })
}

const NANOS: i64 = 1_000_000_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The date as C's `__DATE__` writes it, in whatever time zone: a day before to a day after.
fn tells_date(text: &[u8], began: i64, ended: i64) -> bool {
    let first = began.div_euclid(NANOS).div_euclid(86_400) - 1;
    let last = ended.div_euclid(NANOS).div_euclid(86_400) + 1;
    (first..=last).any(|day| {
        let (year, month, day) = civil(day);
        let date = format!("{} {day:2} {year}", MONTHS[month]);
        contains(text, date.as_bytes())
    })
}

/// A time of day as `__TIME__` writes it, that falls into the run in some time zone (these differ by
/// quarters of an hour).
fn tells_time(text: &[u8], began: i64, ended: i64) -> bool {
    const QUARTER: i64 = 900;
    let digit = |b: u8| b.is_ascii_digit();
    let two = |w: &[u8]| i64::from(w[0] - b'0') * 10 + i64::from(w[1] - b'0');
    let first = began.div_euclid(NANOS) - 1;
    let length = ended.div_euclid(NANOS) + 1 - first;
    text.windows(8).any(|w| {
        let shaped =
            w[2] == b':' && w[5] == b':' && [0, 1, 3, 4, 6, 7].iter().all(|i| digit(w[*i]));
        shaped && (two(&w[3..]) * 60 + two(&w[6..]) - first).rem_euclid(QUARTER) <= length
    })
}

/// Days since 1970 to year, month from 0, day.
fn civil(days: i64) -> (i64, usize, i64) {
    // Counting years from March makes the leap day the last one; 146097 days are 400 years.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = (march + 2) % 12;
    (era * 400 + year + i64::from(month < 2), month as usize, day)
}

fn has_number(text: &[u8], number: i32) -> bool {
    let number = number.to_string();
    text.split(|b| !b.is_ascii_digit()).any(|part| part == number.as_bytes())
}

fn has_name(text: &[u8], path: &[u8]) -> bool {
    // A short name (`tmp`) says nothing by itself.
    const SHORTEST: usize = 8;
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    contains(text, path) || (name.len() >= SHORTEST && contains(text, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_found() {
        // 2026-11-20 10:00:37 UTC
        let at = 1_795_168_837 * NANOS;
        assert_eq!(civil(1_795_168_837 / 86_400), (2026, 10, 20));
        assert_eq!(civil(0), (1970, 0, 1));
        assert_eq!(civil(19_782), (2024, 1, 29));
        assert!(tells_date(b"built Nov 20 2026", at, at));
        assert!(tells_date(b"built Nov 21 2026", at, at));
        assert!(!tells_date(b"(Debian 12.2.0) Nov 20 2022", at, at));
        assert!(tells_time(b"x 15:45:37", at, at), "another time zone");
        assert!(!tells_time(b"x 15:43:37", at, at));
        assert!(!tells_time(b"1:2", at, at));
    }

    #[test]
    fn stamps_are_found() {
        assert!(tells_stamp(b"x Sun Sep 16 01:03:52 1973\0"));
        assert!(!tells_stamp(b"x Sun Sep 16 01:03:52 CET 1973"));
        assert!(!tells_stamp(b"Sep 16"));
    }

    #[test]
    fn numbers_are_whole() {
        assert!(has_number(b"pid=123.", 123));
        assert!(!has_number(b"1234", 123));
    }
}
