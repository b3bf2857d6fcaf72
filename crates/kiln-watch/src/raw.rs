//! The calls of `ptrace(2)` and its neighbours that no safe crate offers whole: nix cannot carry
//! real-time signals, rustix has no `ptrace` at all; and malloc's settings. The only module of this
//! crate with `unsafe`. It knows nothing of what the calls are for.
#![allow(unsafe_code)] // each block says why it is sound

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `PTRACE_GET_SYSCALL_INFO`, in the kernel since 5.3.
const GET_SYSCALL_INFO: u32 = 0x420e;
/// Room for `struct ptrace_syscall_info` (88 bytes with the seccomp part), in words.
const INFO_WORDS: usize = 16;

/// Where a task stands in a system call.
pub enum Stop {
    /// About to enter it: the machine's `AUDIT_ARCH_*`, the number, the arguments.
    Entry { arch: u32, nr: u64, args: [u64; 6] },
    /// Just left it: the result, negative errno where it failed.
    Exit { result: i64 },
    /// At neither.
    Neither,
}

fn ptrace(request: libc::c_uint, tid: i32, addr: usize, data: usize) -> io::Result<i64> {
    // SAFETY: every caller below passes a request whose `addr` and `data` are plain numbers or point
    // to a live buffer of the size said; the kernel checks the rest and writes nowhere else.
    let result = unsafe { libc::ptrace(request, tid, addr, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Attaches without stopping; `options` are `PTRACE_O_*`.
pub fn seize(tid: i32, options: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, tid, 0, options as usize).map(drop)
}

/// Goes on, delivering a signal if it is not 0: to the next stop at a system call, or only to one
/// that the filter or an event asks for.
pub fn resume(tid: i32, signal: i32, to_call: bool) -> io::Result<()> {
    let how = if to_call { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
    ptrace(how, tid, 0, signal as usize).map(drop)
}

/// Kills a process whose task this is.
pub fn kill(tid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(tid) {
        // It may be gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Leaves a task in its group stop (Ctrl-Z) until it is continued.
pub fn listen(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_LISTEN, tid, 0, 0).map(drop)
}

/// Lets a stopped task go for good, delivering a signal if it is not 0.
pub fn detach(tid: i32, signal: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, tid, 0, signal as usize).map(drop)
}

/// Makes a running task stop at once.
pub fn interrupt(tid: i32) -> io::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
}

/// The number that belongs to an event stop: the new task, or the one that called `execve`.
pub fn event_message(tid: i32) -> io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    ptrace(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut message as usize)?;
    Ok(message as i32)
}

/// What system call a stopped task is at. The structure is read as words, so no union is touched.
pub fn syscall(tid: i32) -> io::Result<Stop> {
    let mut words = [0u64; INFO_WORDS];
    let at = words.as_mut_ptr() as usize;
    ptrace(GET_SYSCALL_INFO, tid, size_of_val(&words), at)?;
    let head = words[0].to_ne_bytes();
    let arch = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
    Ok(match head[0] {
        // 3 is the stop that a filter asks for, at the same place.
        1 | 3 => {
            let args = [words[4], words[5], words[6], words[7], words[8], words[9]];
            Stop::Entry { arch, nr: words[3], args }
        }
        2 => Stop::Exit { result: words[3] as i64 },
        _ => Stop::Neither,
    })
}

/// Reads another process's memory; how many bytes could be read.
pub fn read_memory(tid: i32, address: u64, into: &mut [u8]) -> usize {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: the local vector is exactly the caller's buffer; the remote one is an address in the
    // other process, which the kernel checks.
    let got = unsafe { libc::process_vm_readv(tid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(got).unwrap_or(0)
}

/// A rule of a filter of system calls (`struct sock_filter`).
pub type Rule = libc::sock_filter;

/// Puts a filter on this thread and all that comes of it. Without the right to do so
/// (`CAP_SYS_ADMIN`) the thread first gives up gaining rights from set-user-id programs.
fn install(rules: &[Rule]) -> bool {
    // SECCOMP_FILTER_FLAG_SPEC_ALLOW: the filter is no fence, so the processor's speculation stays
    // as fast as it is elsewhere.
    const SPEC_ALLOW: libc::c_ulong = 4;
    let Ok(len) = libc::c_ushort::try_from(rules.len()) else { return false };
    let program = libc::sock_fprog { len, filter: rules.as_ptr().cast_mut() };
    let set = || {
        // SAFETY: the kernel reads the program, which outlives the call, and writes nothing.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
                SPEC_ALLOW,
                &raw const program,
            )
        };
        result == 0
    };
    // SAFETY: a call with plain numbers.
    set() || (unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0 && set())
}

/// Whether the system lets filters be put on: tried on a thread that ends at once.
pub fn can_filter() -> bool {
    let allow = Rule { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    std::thread::Builder::new()
        .spawn(move || install(&[allow]))
        .is_ok_and(|thread| thread.join().unwrap_or(false))
}

/// The byte by which the child is told to put its filter on before it goes on.
pub const FILTERED: u8 = b'f';
/// The byte by which it is told to go on as it is.
pub const PLAIN: u8 = b'g';

/// Makes the child tell its process id through `tell` and wait for a byte from `go` before it
/// becomes the program, so that it can be seized in between.
pub fn hold_before_exec(command: &mut Command, tell: OwnedFd, go: OwnedFd, rules: Vec<Rule>) {
    let hold = move || {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let mut byte = [0u8; 1];
        if rustix::io::write(&tell, &pid.to_ne_bytes()).is_ok() {
            while rustix::io::read(&go, &mut byte) == Err(rustix::io::Errno::INTR) {}
        }
        if byte[0] == FILTERED {
            // If it fails, no stop comes before the program begins, and the tracer knows.
            install(&rules);
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes a few
    // system calls, without allocation or locks.
    unsafe { command.pre_exec(hold) };
}

/// Keeps the memory of all threads in one heap that grows by large steps. As it comes, each thread
/// begins a heap of its own, which is asked of the system page by page, and what one gives back another
/// does not use.
pub fn one_heap() {
    #[cfg(target_env = "gnu")]
    {
        const STEP: libc::c_int = 1 << 20;
        const KEPT: libc::c_int = 16 << 20;
        for (what, value) in [
            (libc::M_ARENA_MAX, 1),
            (libc::M_TOP_PAD, STEP),
            (libc::M_TRIM_THRESHOLD, KEPT),
            (libc::M_MMAP_THRESHOLD, STEP),
        ] {
            // SAFETY: it takes numbers and touches only malloc's own settings, under malloc's lock.
            unsafe { libc::mallopt(what, value) };
        }
    }
}
