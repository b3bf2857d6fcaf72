//! The C library's words for error and signal numbers, as dash prints them.

use rustix::io::Errno;

/// `strerror`: the standard library's text without the number it adds.
pub(crate) fn error(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// What an operation that failed was for; dash words a missing file accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Open,
    Create,
    Execute,
}

/// dash's own wording of an error.
pub(crate) fn failure(errno: i32, purpose: Purpose) -> String {
    if errno != Errno::NOENT.raw_os_error() && errno != Errno::NOTDIR.raw_os_error() {
        return error(errno);
    }
    match purpose {
        Purpose::Open => "No such file",
        Purpose::Create => "Directory nonexistent",
        Purpose::Execute => "not found",
    }
    .to_owned()
}

/// What dash says of a program that a signal ended; nothing for SIGINT and SIGPIPE.
pub(crate) fn signal(signal: i32, core: bool) -> Option<String> {
    let name = match signal {
        2 | 13 => return None,
        1 => "Hangup",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        23 => "Urgent I/O condition",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        29 => "I/O possible",
        30 => "Power failure",
        31 => "Bad system call",
        other if (34..=64).contains(&other) => {
            return Some(format!("Real-time signal {}{}", other - 34, dumped(core)));
        }
        other => return Some(format!("Unknown signal {other}{}", dumped(core))),
    };
    Some(format!("{name}{}", dumped(core)))
}

fn dumped(core: bool) -> &'static str {
    if core { " (core dumped)" } else { "" }
}
