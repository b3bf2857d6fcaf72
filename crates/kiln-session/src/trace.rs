//! A run in the trace event format, which Perfetto and Chrome show, and as a summary of where its time
//! went. Both are functions of the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use kiln_exec::observe::How;

use crate::log::Log;

/// The first row of makes; below it lie the rows of commands.
const MAKES: usize = 100;

/// The run as JSON ("Trace Event Format"): complete events with times in microseconds. Commands lie in
/// as many rows as ran at once; each knows its target and why it was remade. Those on the critical
/// path have it in their category and a colour of their own.
#[must_use]
pub fn json(log: &Log) -> String {
    let path = log.critical_path();
    let mut events: Vec<(Instant, Instant, usize, String)> = Vec::new();
    for (n, job) in &log.jobs {
        for c in &job.commands {
            let make = c.how == How::SubMake;
            let critical = path.contains(n) && !make;
            let mut text = format!(
                "\"name\": {}, \"cat\": \"{}\", ",
                quoted(&if make { job.name.clone() } else { format!("{} {}", c.label, job.name) }),
                match (make, critical) {
                    (true, _) => "make",
                    (false, true) => "job,critical",
                    (false, false) => "job",
                }
            );
            if critical {
                text.push_str("\"cname\": \"terrible\", ");
            }
            let _ = write!(
                text,
                "\"args\": {{\"target\": {}, \"why\": {}, \"job\": {n}, \"needs\": {:?}, \
                 \"critical\": {critical}, \"inside\": {}, \"success\": {}}}",
                quoted(&job.name),
                quoted(&job.why),
                job.needs,
                c.how != How::Process,
                c.success
            );
            let first = if make { MAKES } else { 1 };
            events.push((c.begin, c.end.unwrap_or(log.end), first, text));
        }
    }
    for s in log.shells.iter().filter(|s| !s.answered) {
        let text = format!("\"name\": {}, \"cat\": \"shell\"", quoted(&s.text));
        events.push((s.begin, s.end, 1, text));
    }
    events.sort_by_key(|e| e.0);
    let mut free: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut out = String::from("{\"traceEvents\": [\n");
    for (i, (begin, end, first, text)) in events.iter().enumerate() {
        // The first row that is free at that time.
        let mut row = *first;
        while free.get(&row).is_some_and(|until| until > begin) {
            row += 1;
        }
        free.insert(row, *end);
        let comma = if i == 0 { "" } else { ",\n" };
        let _ = write!(
            out,
            "{comma}{{\"ph\": \"X\", \"pid\": 1, \"tid\": {row}, \"ts\": {}, \"dur\": {}, {text}}}",
            (*begin - log.begin).as_micros(),
            (*end - *begin).as_micros()
        );
    }
    out.push_str("\n], \"displayTimeUnit\": \"ms\"}\n");
    out
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Where the time went. `own` is the processor time of this process, its children's left out.
#[must_use]
pub fn timing(log: &Log, own: Duration) -> String {
    let all = (log.end - log.begin).as_secs_f64();
    let part = |d: Duration| match all > 0.0 {
        true => format!("{:8.3} s {:3.0} %", d.as_secs_f64(), d.as_secs_f64() / all * 100.0),
        false => format!("{:8.3} s", d.as_secs_f64()),
    };
    let mut others = Vec::new();
    let mut kinds: BTreeMap<&str, (Duration, usize)> = BTreeMap::new();
    for c in log.jobs.values().flat_map(|j| &j.commands).filter(|c| c.how != How::SubMake) {
        if c.how != How::Inside {
            others.push((c.begin, c.end.unwrap_or(log.end)));
        }
        let kind = kinds.entry(&c.label).or_default();
        kind.0 += c.took();
        kind.1 += 1;
    }
    let (answered, run): (Vec<_>, Vec<_>) = log.shells.iter().partition(|s| s.answered);
    others.extend(run.iter().map(|s| (s.begin, s.end)));
    let busy = union(others);
    let mut out = format!("{} in all\n", part(log.end - log.begin));
    let alone = (log.end - log.begin).saturating_sub(busy);
    let _ = writeln!(
        out,
        "{} Kiln alone, nothing else running ({:.3} s of processor time are its own)",
        part(alone),
        own.as_secs_f64()
    );
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (took, _))| std::cmp::Reverse(*took));
    for (label, (took, count)) in kinds.iter().take(12) {
        let _ = writeln!(out, "{} {label} ({count})", part(*took));
    }
    if let Some((_, rest)) = kinds.split_at_checked(12).filter(|(_, r)| !r.is_empty()) {
        let took = rest.iter().map(|(_, (t, _))| *t).sum();
        let count: usize = rest.iter().map(|(_, (_, n))| n).sum();
        let _ = writeln!(out, "{} other commands ({count})", part(took));
    }
    let took = run.iter().map(|s| s.end - s.begin).sum();
    let _ = writeln!(
        out,
        "{} $(shell …) ({} run, {} answered from what was seen before)",
        part(took),
        run.len(),
        answered.len()
    );
    let path = log.critical_path();
    let jobs = || path.iter().filter_map(|n| log.jobs.get(n));
    let took = jobs().flat_map(|j| &j.commands).map(|c| c.took()).sum();
    let _ = writeln!(out, "{} on the critical path ({} jobs):", part(took), path.len());
    for job in jobs() {
        let took: Duration = job.commands.iter().map(|c| c.took()).sum();
        let longest = job.commands.iter().max_by_key(|c| c.took());
        let label = longest.map_or("", |c| &c.label);
        let _ = writeln!(out, "  {} {label} {}", part(took), job.name);
    }
    out
}

/// How much time lies in at least one of some spans.
fn union(mut spans: Vec<(Instant, Instant)>) -> Duration {
    spans.sort();
    let mut sum = Duration::ZERO;
    let mut until: Option<Instant> = None;
    for (begin, end) in spans {
        let from = until.map_or(begin, |u| u.max(begin));
        sum += end.saturating_duration_since(from);
        until = Some(until.map_or(end, |u| u.max(end)));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_overlap_count_once() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let spans = vec![(at(5), at(9)), (at(0), at(4)), (at(1), at(2)), (at(8), at(12))];
        assert_eq!(union(spans), Duration::from_millis(11));
    }

    #[test]
    fn strings_for_json() {
        assert_eq!(quoted("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
    }

    #[test]
    fn an_empty_run() {
        let log = Log::begin();
        assert_eq!(json(&log), "{\"traceEvents\": [\n\n], \"displayTimeUnit\": \"ms\"}\n");
        assert!(timing(&log, Duration::ZERO).contains("0 jobs"));
    }
}
