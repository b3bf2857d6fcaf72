//! The filter that lets a watched command make most of its system calls undisturbed: only those that
//! [`crate::calls`] knows to matter, or does not know, stop the command. It is only about speed; what
//! a call means is decided where it stops. It knows nothing of processes.

use std::sync::OnceLock;

use crate::calls::{self, Call};
use crate::raw::{self, Rule};

/// Instructions of the classic packet filter (`linux/bpf_common.h`).
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Numbers up to here are looked at; above there is none yet, and what is not known stops.
const HIGHEST: u32 = 600;

/// The standard streams' descriptors.
const STREAMS: &[u32] = &[0, 1, 2];

/// What is to happen at a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Pass,
    Stop,
    /// Stop if this argument is one of these values.
    StopIf(u8, &'static [u32]),
    /// Pass if this argument is this value and the first is no standard stream.
    PassIf(u8, u32),
}

/// Whether a call has to stop. `input` says that standard input leads to what is not kept; it stays
/// descriptor 0, because a copy of it is noticed where it is made.
fn way(number: u32, input: bool) -> Way {
    let number = i64::from(number);
    // How C libraries ask for the state of an open file. The programs of the table ask in this way of
    // descriptors only, and what is not on the table does not get to run here.
    if number == libc::SYS_newfstatat {
        return Way::PassIf(3, libc::AT_EMPTY_PATH as u32);
    }
    // Of the standard streams it is noted that they are asked about.
    if let Some(Call::StatusOpen) = calls::call(number) {
        return Way::StopIf(0, STREAMS);
    }
    // A pipe that cannot be made is the system's failure and must not become an answer.
    if calls::makes_descriptors(number) {
        return Way::Stop;
    }
    match calls::call(number) {
        Some(Call::Copy(Some(how))) => Way::StopIf(how as u8, calls::COPYING_CONTROLS),
        Some(Call::Plain) => Way::Pass,
        Some(Call::Read(_)) if !input => Way::Pass,
        Some(Call::Read(at)) => Way::StopIf(at as u8, &[0]),
        _ => Way::Stop,
    }
}

fn rule(code: u16, jt: u8, jf: u8, k: u32) -> Rule {
    Rule { code, jt, jf, k }
}

/// The rules. Empty where the machine's numbers are not known.
pub fn rules(input: bool) -> Vec<Rule> {
    let Some(machine) = calls::MACHINE else { return Vec::new() };
    let mut spans: Vec<(u32, Way)> = Vec::new();
    for number in 0..=HIGHEST {
        let way = way(number, input);
        if spans.last().is_none_or(|(_, last)| *last != way) {
            spans.push((number, way));
        }
    }
    spans.push((HIGHEST + 1, Way::Stop));
    let mut out = vec![
        rule(LOAD, 0, 0, MACHINE),
        rule(EQUAL, 1, 0, machine),
        rule(RETURN, 0, 0, libc::SECCOMP_RET_TRACE),
        rule(LOAD, 0, 0, NUMBER),
    ];
    choose(&spans, &mut out);
    out
}

/// A tree of comparisons down to the span that a number lies in.
fn choose(spans: &[(u32, Way)], out: &mut Vec<Rule>) {
    if let [(_, way)] = spans {
        match way {
            Way::Pass => out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)),
            Way::Stop => out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_TRACE)),
            Way::PassIf(at, value) => {
                out.push(rule(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(*at)));
                out.push(rule(EQUAL, 0, 3, *value));
                out.push(rule(LOAD, 0, 0, ARGUMENTS));
                out.push(rule(AT_LEAST, 0, 1, STREAMS.len() as u32));
                out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
                out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_TRACE));
            }
            Way::StopIf(at, values) => {
                // These arguments are 32 bits wide; that half comes first on the known machines.
                out.push(rule(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(*at)));
                for value in *values {
                    out.push(rule(EQUAL, 0, 1, *value));
                    out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_TRACE));
                }
                out.push(rule(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
            }
        }
        return;
    }
    let (left, right) = spans.split_at(spans.len() / 2);
    let Some((from, _)) = right.first() else { return };
    // Conditional jumps reach 255 rules only, plain ones any number.
    out.push(rule(AT_LEAST, 0, 1, *from));
    let jump = out.len();
    out.push(rule(JUMP, 0, 0, 0));
    choose(left, out);
    out[jump].k = (out.len() - jump - 1) as u32;
    choose(right, out);
}

/// Whether commands can be watched this way here. Where memory can be refused to a program that asks
/// for little, every call has to be looked at: such a failure must not become an answer, and the
/// calls for memory are the ones that do not stop.
pub fn is_allowed() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        use rustix::process::{Resource, getrlimit};
        let free =
            [Resource::As, Resource::Data].map(getrlimit).iter().all(|l| l.current.is_none());
        // Files that cannot be opened for want of descriptors are not looked for one by one.
        let files =
            getrlimit(Resource::Nofile).current.is_none_or(|n| n >= 512) && !few_files(1 << 20);
        let strict =
            std::fs::read("/proc/sys/vm/overcommit_memory").is_ok_and(|t| t.starts_with(b"2"));
        calls::MACHINE.is_some() && free && files && !strict && raw::can_filter()
    })
}

/// Whether the system has fewer than this many open files left.
fn few_files(room: u64) -> bool {
    let text = std::fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
    let numbers: Vec<u64> = text.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
    !matches!(numbers[..], [used, _, most] if most.saturating_sub(used) >= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs rules as the kernel does.
    fn decide(rules: &[Rule], machine: u32, number: u32, args: [u64; 6]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let Rule { code, jt, jf, k } = rules[at];
            at += 1;
            match code {
                LOAD if k == NUMBER => value = number,
                LOAD if k == MACHINE => value = machine,
                LOAD => value = args[(k - ARGUMENTS) as usize / 8] as u32,
                JUMP => at += k as usize,
                EQUAL => at += usize::from(if value == k { jt } else { jf }),
                AT_LEAST => at += usize::from(if value >= k { jt } else { jf }),
                RETURN => return k,
                _ => unreachable!(),
            }
        }
    }

    #[test]
    fn every_number_goes_its_way() {
        let Some(machine) = calls::MACHINE else { return };
        for input in [false, true] {
            let rules = rules(input);
            assert!(rules.len() < 4096, "{}", rules.len());
            for number in (0..HIGHEST + 10).chain([1 << 30, (1 << 30) + 1, u32::MAX]) {
                for fd in [0u64, 1, 2, 7, 1030, 0x1000, u64::from(u32::MAX)] {
                    let stops = decide(&rules, machine, number, [fd; 6]) == libc::SECCOMP_RET_TRACE;
                    let expected =
                        match if number > HIGHEST { Way::Stop } else { way(number, input) } {
                            Way::Pass => false,
                            Way::Stop => true,
                            Way::PassIf(_, value) => u64::from(value) != fd || fd < 3,
                            Way::StopIf(_, values) => values.iter().any(|v| u64::from(*v) == fd),
                        };
                    assert_eq!(stops, expected, "call {number}, descriptor {fd}");
                }
            }
            assert_eq!(decide(&rules, machine ^ 1, 0, [0; 6]), libc::SECCOMP_RET_TRACE);
        }
    }

    #[test]
    fn what_matters_stops() {
        let Some(machine) = calls::MACHINE else { return };
        let rules = rules(true);
        let stops =
            |number: i64| decide(&rules, machine, number as u32, [3; 6]) == libc::SECCOMP_RET_TRACE;
        for number in [
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_newfstatat,
            libc::SYS_getdents64,
            libc::SYS_write,
            libc::SYS_clone,
            libc::SYS_unlinkat,
            libc::SYS_dup,
            libc::SYS_pipe2,
            libc::SYS_ptrace,
        ] {
            assert!(stops(number), "{number}");
        }
        for number in [libc::SYS_read, libc::SYS_mmap, libc::SYS_brk, libc::SYS_close] {
            assert!(!stops(number), "{number}");
        }
    }
}
