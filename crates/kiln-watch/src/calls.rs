//! The system calls, and what each one means for what a command has seen or done. What is not on the
//! table is refused: a call that Kiln does not understand may reach anywhere. The numbers are
//! `libc`'s for the machine; nothing else here differs from machine to machine. It knows nothing of
//! processes.

/// What a call means. Numbers in the variants are positions of arguments; `dir` is the position of a
/// directory descriptor, if the call has one.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Sees and changes nothing outside the process and its pipes.
    Plain,
    /// `open` and its kin. `flags` is a position, or a fixed value for `creat`.
    Open { dir: Option<usize>, path: usize, flags: Flags },
    /// Asks for a file's state.
    Status { dir: Option<usize>, path: usize, flags: Option<usize>, follow: bool },
    /// Asks what an open descriptor (the first argument) leads to.
    StatusOpen,
    /// Asks for permission.
    Access { dir: Option<usize>, path: usize, mode: usize },
    /// Reads a link.
    Link { dir: Option<usize>, path: usize },
    /// Becomes another program.
    Exec { dir: Option<usize>, path: usize, argv: usize },
    /// Lists a directory.
    Names,
    /// Makes, removes or changes what a path names.
    Change { dir: Option<usize>, path: usize, also: Option<(Option<usize>, usize)> },
    /// Makes what a path names, and does nothing if there is something already.
    Make { dir: Option<usize>, path: usize },
    /// Changes what a descriptor leads to.
    ChangeOpen,
    /// Reads from a descriptor (its position).
    Read(usize),
    /// Writes to a descriptor.
    Write(usize),
    /// From one descriptor (first) to another (second).
    Pass(usize, usize),
    /// Makes a second descriptor of the first argument; where it does so only sometimes, the position
    /// of the argument that says so ([`COPYING_CONTROLS`]).
    Copy(Option<usize>),
    /// Sends a signal to a process.
    Signal,
    /// Makes a socket.
    Socket,
    /// Calls a socket's other end.
    Connect,
    /// Asks who is at a socket's other end, as bash does of its input.
    Peer,
    /// Talks to a device.
    Control,
    /// Starts a process or thread; the flags' position.
    Start(Option<usize>),
    /// Not to be answered for.
    Refuse(&'static str),
}

/// Where `open`'s flags are.
#[derive(Clone, Copy, Debug)]
pub enum Flags {
    /// An argument.
    At(usize),
    /// The first word of a structure (`openat2`).
    In(usize),
    /// `creat`, which newer machines were not given.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Creat,
}

/// What a number means, `None` if it is not known.
#[allow(clippy::too_many_lines)] // a table
pub fn call(nr: i64) -> Option<Call> {
    use libc as c;
    if let Some(old) = old_call(nr) {
        return Some(old);
    }
    let status =
        |path, flags| Call::Status { dir: Some(0), path, flags: Some(flags), follow: true };
    let change = |dir, path| Call::Change { dir, path, also: None };
    Some(match nr {
        // Memory, threads, signals, waiting: nothing outside the process.
        c::SYS_brk
        | c::SYS_munmap
        | c::SYS_mremap
        | c::SYS_mprotect
        | c::SYS_madvise
        | c::SYS_msync
        | c::SYS_mincore
        | c::SYS_mlock
        | c::SYS_munlock
        | c::SYS_mlock2
        | c::SYS_membarrier
        | c::SYS_futex
        | c::SYS_set_robust_list
        | c::SYS_get_robust_list
        | c::SYS_set_tid_address
        | c::SYS_rseq
        | c::SYS_rt_sigaction
        | c::SYS_rt_sigprocmask
        | c::SYS_rt_sigreturn
        | c::SYS_rt_sigsuspend
        | c::SYS_rt_sigpending
        | c::SYS_rt_sigtimedwait
        | c::SYS_sigaltstack
        | c::SYS_restart_syscall
        | c::SYS_exit
        | c::SYS_exit_group
        | c::SYS_wait4
        | c::SYS_waitid
        | c::SYS_sched_yield
        | c::SYS_gettid
        | c::SYS_getpid
        | c::SYS_getppid
        | c::SYS_setpgid
        | c::SYS_getpgid
        | c::SYS_setsid
        | c::SYS_getsid
        | c::SYS_prctl
        | c::SYS_capget
        | c::SYS_personality
        | c::SYS_set_mempolicy
        | c::SYS_get_mempolicy
        | c::SYS_mbind => Call::Plain,
        // Who and where: part of every key.
        c::SYS_getuid
        | c::SYS_geteuid
        | c::SYS_getgid
        | c::SYS_getegid
        | c::SYS_getresuid
        | c::SYS_getresgid
        | c::SYS_getgroups
        | c::SYS_uname
        | c::SYS_umask
        | c::SYS_getcwd => Call::Plain,
        // Limits and load: programs size buffers and threads by them, never answers.
        c::SYS_prlimit64
        | c::SYS_getrlimit
        | c::SYS_setrlimit
        | c::SYS_getrusage
        | c::SYS_sysinfo
        | c::SYS_times
        | c::SYS_sched_getaffinity
        | c::SYS_sched_setaffinity
        | c::SYS_sched_getparam
        | c::SYS_sched_getscheduler
        | c::SYS_getpriority
        | c::SYS_setpriority
        | c::SYS_getcpu
        | c::SYS_ioprio_get => Call::Plain,
        // The clock and chance: also to be had without a system call, so the table of programs rules.
        c::SYS_clock_gettime
        | c::SYS_clock_getres
        | c::SYS_gettimeofday
        | c::SYS_getrandom
        | c::SYS_nanosleep
        | c::SYS_clock_nanosleep
        | c::SYS_setitimer
        | c::SYS_getitimer => Call::Plain,
        // Descriptors.
        c::SYS_close
        | c::SYS_close_range
        | c::SYS_lseek
        | c::SYS_pipe2
        | c::SYS_fsync
        | c::SYS_fdatasync
        | c::SYS_fadvise64
        | c::SYS_readahead
        | c::SYS_flock
        | c::SYS_sync_file_range
        | c::SYS_memfd_create
        | c::SYS_eventfd2
        | c::SYS_epoll_create1
        | c::SYS_epoll_ctl
        | c::SYS_epoll_pwait
        | c::SYS_ppoll
        | c::SYS_pselect6
        | c::SYS_timerfd_create
        | c::SYS_timerfd_settime
        | c::SYS_signalfd4
        | c::SYS_socketpair
        | c::SYS_shutdown
        | c::SYS_getsockopt
        | c::SYS_setsockopt
        | c::SYS_getsockname
        | c::SYS_pidfd_open
        | c::SYS_pidfd_send_signal => Call::Plain,
        // Of a file that was opened, and so seen whole.
        c::SYS_fgetxattr | c::SYS_flistxattr | c::SYS_fstatfs => Call::Plain,
        c::SYS_fstat => Call::StatusOpen,
        c::SYS_read
        | c::SYS_readv
        | c::SYS_pread64
        | c::SYS_preadv
        | c::SYS_preadv2
        | c::SYS_recvfrom
        | c::SYS_recvmsg => Call::Read(0),
        c::SYS_mmap => Call::Read(4),
        c::SYS_write
        | c::SYS_writev
        | c::SYS_pwrite64
        | c::SYS_pwritev
        | c::SYS_pwritev2
        | c::SYS_sendto
        | c::SYS_sendmsg
        | c::SYS_vmsplice => Call::Write(0),
        c::SYS_dup | c::SYS_dup3 => Call::Copy(None),
        c::SYS_fcntl => Call::Copy(Some(1)),
        c::SYS_sendfile => Call::Pass(1, 0),
        c::SYS_splice | c::SYS_copy_file_range => Call::Pass(0, 2),
        c::SYS_tee => Call::Pass(0, 1),
        c::SYS_openat => Call::Open { dir: Some(0), path: 1, flags: Flags::At(2) },
        c::SYS_openat2 => Call::Open { dir: Some(0), path: 1, flags: Flags::In(2) },
        c::SYS_newfstatat => status(1, 3),
        c::SYS_statx => status(1, 2),
        c::SYS_faccessat | c::SYS_faccessat2 => Call::Access { dir: Some(0), path: 1, mode: 2 },
        c::SYS_readlinkat => Call::Link { dir: Some(0), path: 1 },
        c::SYS_chdir => Call::Status { dir: None, path: 0, flags: None, follow: true },
        c::SYS_fchdir => Call::Plain,
        c::SYS_statfs => Call::Status { dir: None, path: 0, flags: None, follow: true },
        c::SYS_getxattr | c::SYS_listxattr => {
            Call::Status { dir: None, path: 0, flags: None, follow: true }
        }
        c::SYS_lgetxattr | c::SYS_llistxattr => {
            Call::Status { dir: None, path: 0, flags: None, follow: false }
        }
        c::SYS_getdents64 => Call::Names,
        c::SYS_execve => Call::Exec { dir: None, path: 0, argv: 1 },
        c::SYS_execveat => Call::Exec { dir: Some(0), path: 1, argv: 2 },
        c::SYS_mkdirat | c::SYS_mknodat => Call::Make { dir: Some(0), path: 1 },
        c::SYS_unlinkat | c::SYS_fchmodat | c::SYS_fchownat | c::SYS_utimensat | SYS_FCHMODAT2 => {
            change(Some(0), 1)
        }
        c::SYS_truncate
        | c::SYS_setxattr
        | c::SYS_lsetxattr
        | c::SYS_removexattr
        | c::SYS_lremovexattr => change(None, 0),
        c::SYS_symlinkat => Call::Make { dir: Some(1), path: 2 },
        c::SYS_linkat | c::SYS_renameat2 => {
            Call::Change { dir: Some(0), path: 1, also: Some((Some(2), 3)) }
        }
        c::SYS_ftruncate
        | c::SYS_fchmod
        | c::SYS_fchown
        | c::SYS_fallocate
        | c::SYS_fsetxattr
        | c::SYS_fremovexattr => Call::ChangeOpen,
        c::SYS_kill | c::SYS_tkill | c::SYS_tgkill => Call::Signal,
        c::SYS_socket => Call::Socket,
        c::SYS_connect => Call::Connect,
        c::SYS_getpeername => Call::Peer,
        c::SYS_ioctl => Call::Control,
        c::SYS_clone => Call::Start(Some(0)),
        c::SYS_clone3 => Call::Start(None),
        c::SYS_bind | c::SYS_listen | c::SYS_accept | c::SYS_accept4 => Call::Refuse("bind"),
        c::SYS_ptrace => Call::Refuse("ptrace"),
        c::SYS_chroot | c::SYS_pivot_root | c::SYS_mount | c::SYS_umount2 => Call::Refuse("mount"),
        c::SYS_unshare | c::SYS_setns => Call::Refuse("unshare"),
        c::SYS_io_uring_setup => Call::Refuse("io_uring_setup"),
        _ => return None,
    })
}

/// In the kernel since 6.6; `libc` has the number for some machines only. It is one of those that
/// are the same on all.
const SYS_FCHMODAT2: i64 = 452;

/// The calls that newer machines were not given.
#[cfg(target_arch = "x86_64")]
fn old_call(nr: i64) -> Option<Call> {
    use libc as c;
    let status = |follow| Call::Status { dir: None, path: 0, flags: None, follow };
    let change = |path| Call::Change { dir: None, path, also: None };
    Some(match nr {
        c::SYS_arch_prctl
        | c::SYS_pipe
        | c::SYS_poll
        | c::SYS_select
        | c::SYS_alarm
        | c::SYS_pause
        | c::SYS_getpgrp
        | c::SYS_time
        | c::SYS_epoll_create
        | c::SYS_epoll_wait
        | c::SYS_eventfd
        | c::SYS_set_thread_area
        | c::SYS_get_thread_area => Call::Plain,
        c::SYS_dup2 => Call::Copy(None),
        c::SYS_open => Call::Open { dir: None, path: 0, flags: Flags::At(1) },
        c::SYS_creat => Call::Open { dir: None, path: 0, flags: Flags::Creat },
        c::SYS_stat => status(true),
        c::SYS_lstat => status(false),
        c::SYS_access => Call::Access { dir: None, path: 0, mode: 1 },
        c::SYS_readlink => Call::Link { dir: None, path: 0 },
        c::SYS_getdents => Call::Names,
        c::SYS_mkdir | c::SYS_mknod => Call::Make { dir: None, path: 0 },
        c::SYS_rmdir
        | c::SYS_unlink
        | c::SYS_chmod
        | c::SYS_chown
        | c::SYS_lchown
        | c::SYS_utime
        | c::SYS_utimes => change(0),
        c::SYS_symlink => Call::Make { dir: None, path: 1 },
        c::SYS_futimesat => Call::Change { dir: Some(0), path: 1, also: None },
        c::SYS_link | c::SYS_rename => Call::Change { dir: None, path: 0, also: Some((None, 1)) },
        c::SYS_renameat => Call::Change { dir: Some(0), path: 1, also: Some((Some(2), 3)) },
        c::SYS_fork | c::SYS_vfork => Call::Start(None),
        _ => return None,
    })
}

/// As above: arm64 has none of them but `renameat`.
#[cfg(target_arch = "aarch64")]
fn old_call(nr: i64) -> Option<Call> {
    (nr == libc::SYS_renameat).then_some(Call::Change {
        dir: Some(0),
        path: 1,
        also: Some((Some(2), 3)),
    })
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn old_call(_: i64) -> Option<Call> {
    None
}

/// The `AUDIT_ARCH_*` of programs whose numbers the table has.
#[cfg(target_arch = "x86_64")]
pub const MACHINE: Option<u32> = Some(0xc000_003e);
/// As above.
#[cfg(target_arch = "aarch64")]
pub const MACHINE: Option<u32> = Some(0xc000_00b7);
/// Not known: nothing is watched.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const MACHINE: Option<u32> = None;

/// The requests of `fcntl` that copy a descriptor: `F_DUPFD`, `F_DUPFD_CLOEXEC`.
pub const COPYING_CONTROLS: &[u32] = &[0, 1030];

/// Whether a call makes descriptors out of nothing, and so can fail for want of them.
pub fn makes_descriptors(nr: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if nr == libc::SYS_pipe {
        return true;
    }
    matches!(
        nr,
        libc::SYS_pipe2 | libc::SYS_socketpair | libc::SYS_memfd_create | libc::SYS_eventfd2
    )
}

/// Whether a call gives a file a time of its own.
pub fn sets_times(nr: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if matches!(nr, libc::SYS_utime | libc::SYS_utimes | libc::SYS_futimesat) {
        return true;
    }
    nr == libc::SYS_utimensat
}

/// Whether a call asks for what a file is labelled with besides its mode, which none of its bytes tell.
pub fn asks_for_labels(nr: i64) -> bool {
    use libc as c;
    matches!(
        nr,
        c::SYS_getxattr
            | c::SYS_lgetxattr
            | c::SYS_fgetxattr
            | c::SYS_listxattr
            | c::SYS_llistxattr
            | c::SYS_flistxattr
    )
}

/// Requests to devices that tell nothing which an answer could rest on: whether it is a terminal
/// (noted, where it is a standard stream) and its size, how much waits in a pipe, close-on-exec, sharing of blocks.
pub const HARMLESS_CONTROLS: &[u32] = &[
    0x5401,      // TCGETS
    0x5413,      // TIOCGWINSZ
    0x540f,      // TIOCGPGRP
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x4004_9409, // FICLONE
];

/// Whether an errno is the system's failure and not an answer: it may be otherwise next time.
pub fn is_trouble(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENOMEM
            | libc::ENOSPC
            | libc::EDQUOT
            | libc::EIO
            | libc::EMFILE
            | libc::ENFILE
            | libc::ESTALE
            | libc::EFBIG
            | libc::ETXTBSY
            | libc::ENOBUFS
            | libc::EROFS
            | libc::EREMOTEIO
            | libc::ENOLINK
    )
}
