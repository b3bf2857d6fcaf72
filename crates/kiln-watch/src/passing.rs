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
    let told = |what: &str| Err(Opaque::new(Why::Passing, what));
    let ended = RealEye.now();
    for text in [stdout, stderr] {
        if text.is_empty() {
            continue;
        }
        if tells_date(text, began, ended) {
            return told("the date");
        }
        if tells_time(text, began, ended) {
            return told("the time");
        }
        if scene.says_pid && scene.ids.iter().any(|id| has_number(text, *id)) {
            return told("a process id");
        }
        if temporaries.iter().any(|path| has_name(text, path)) {
            return told("the name of a temporary file");
        }
    }
    Ok(observations)
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
    fn numbers_are_whole() {
        assert!(has_number(b"pid=123.", 123));
        assert!(!has_number(b"1234", 123));
    }
}
