//! What each system call of a watched process means for the ledger: at entry its paths are read
//! while they still stand in memory, at exit the outcome is noted. It knows nothing of waiting and
//! resuming.

use crate::calls::{self, Call, Flags};
use crate::eye::{Eye, Identity, Kind, RealEye};
use crate::fact::Why;
use crate::ledger::{Ledger, is_plain_device};
use crate::programs::{Class, contains};
use crate::special::{Special, special};
use crate::tracee;

/// What a task is in the middle of.
#[derive(Default)]
pub enum Pending {
    /// Nothing that matters.
    #[default]
    Nothing,
    /// A call that only matters if it fails for want of something.
    Failing,
    /// A number that is not known: it may turn out that the kernel does not know it either.
    Unknown(i64),
    Open {
        path: Vec<u8>,
        flags: i32,
        first: bool,
    },
    Status {
        path: Vec<u8>,
        follow: bool,
    },
    Access {
        path: Vec<u8>,
        mode: u8,
    },
    Link {
        path: Vec<u8>,
    },
    Exec {
        path: Vec<u8>,
        argv: Vec<Vec<u8>>,
    },
    /// Paths that are about to change, each with whether it is marked for the first time.
    Change {
        paths: Vec<(Vec<u8>, bool)>,
    },
    Connect,
    Peer,
    Control(u32),
    Start,
    /// A text on its way to a given stream (1 output, 2 errors).
    Say(u8, Vec<u8>),
}

/// What is noted besides of a command that is run for what it changes.
#[derive(Default)]
pub struct Deeds {
    /// What it wrote to the streams that it was given: 1 standard output, 2 errors.
    pub said: Vec<(u8, Vec<u8>)>,
    /// What these lead to.
    pub ends: [Option<(u64, u64)>; 2],
}

impl Deeds {
    fn stream(&self, to: (u64, u64)) -> Option<u8> {
        self.ends.iter().position(|end| *end == Some(to)).map(|at| at as u8 + 1)
    }
}

/// One process or thread.
#[derive(Default)]
pub struct Task {
    /// What is known of the program that it runs.
    pub class: Option<Class>,
    /// Whether its arguments may lead it to a file of `/proc` that tells of a process.
    pub says_proc: bool,
    /// Whether the program has looked at what `PWD` names, as who heeds it does first.
    pub looked_for_pwd: bool,
    /// The call that it is in.
    pub pending: Pending,
    /// Whether the end of that call is waited for.
    pub to_end: bool,
}

/// What all tasks share.
pub struct Scene {
    /// What was seen and done.
    pub ledger: Ledger,
    /// What the streams lead to that the command was given and that are not kept: input, outputs.
    pub input: Option<(u64, u64)>,
    pub outputs: Vec<(u64, u64)>,
    /// The value of `PWD`, where that is not the command's directory.
    pub elsewhere: Option<Vec<u8>>,
    /// All process and thread ids that the command has had.
    pub ids: Vec<i32>,
    /// Whether a text said `$$`, so that a process id in the output is one.
    pub says_pid: bool,
    /// Only calls that matter stop, and nothing can be let go: once the answer cannot be kept, the
    /// command is ended, what it made is removed and it begins again.
    pub fast: bool,
    /// It is to begin again with every call looked at.
    pub again: bool,
    /// It is run for what it changes; never `fast`.
    pub deeds: Option<Deeds>,
}

fn descriptor_argument(arg: u64) -> i32 {
    arg as u32 as i32
}

/// `ERESTARTNOINTR` (include/linux/errno.h): a signal came in between, nothing has happened, and the
/// kernel makes the call anew without the program knowing. A fork is left so when a child has just ended.
const AGAIN: i64 = 513;

impl Scene {
    /// The absolute path that a call names: `None` if it names an open descriptor by an empty path.
    fn path(
        &mut self,
        tid: i32,
        args: &[u64; 6],
        dir: Option<usize>,
        path: usize,
    ) -> Option<Vec<u8>> {
        let Some(text) = tracee::string(tid, args[path]) else {
            // The call will fail with EFAULT, or its memory is out of reach.
            if args[path] != 0 {
                self.ledger.refuse(Why::Call, "with a path that cannot be read");
            }
            return None;
        };
        if text.is_empty() {
            return None;
        }
        if text.starts_with(b"/") {
            return Some(text);
        }
        let base = match dir.map(|d| descriptor_argument(args[d])) {
            None | Some(libc::AT_FDCWD) => tracee::directory(tid),
            Some(fd) => tracee::descriptor(tid, fd),
        };
        match base {
            Some(mut base) if base.starts_with(b"/") && !base.ends_with(b" (deleted)") => {
                if base != b"/" {
                    base.push(b'/');
                }
                base.extend_from_slice(&text);
                Some(base)
            }
            _ => {
                self.ledger.refuse(Why::File, text);
                None
            }
        }
    }

    /// A task is about to enter a system call.
    pub fn enter(&mut self, tid: i32, task: &mut Task, nr: i64, args: &[u64; 6]) {
        task.pending = Pending::Nothing;
        let Some(call) = calls::call(nr) else {
            task.pending = Pending::Unknown(nr);
            return;
        };
        if self.deeds.is_some() {
            if calls::sets_times(nr) {
                self.enter_times(tid, nr, args);
            }
            if calls::asks_for_labels(nr) {
                self.ledger.refuse(Why::Call, "getxattr");
            }
        }
        task.pending = match call {
            Call::Plain => Pending::Failing,
            Call::Open { dir, path, flags } => self.enter_open(tid, args, dir, path, flags),
            Call::Status { dir, path, flags, follow } => {
                let nofollow =
                    flags.is_some_and(|f| args[f] & libc::AT_SYMLINK_NOFOLLOW as u64 != 0);
                match self.path(tid, args, dir, path) {
                    Some(path) if self.only_compares(task, &path) => Pending::Nothing,
                    Some(path) => Pending::Status { path, follow: follow && !nofollow },
                    None => {
                        if let Some(dir) = dir {
                            self.asks_of_stream(tid, descriptor_argument(args[dir]));
                        }
                        Pending::Failing
                    }
                }
            }
            Call::Access { dir, path, mode } => match self.path(tid, args, dir, path) {
                Some(path) => Pending::Access { path, mode: (args[mode] & 7) as u8 },
                None => Pending::Nothing,
            },
            Call::Link { dir, path } => match self.path(tid, args, dir, path) {
                Some(path) => Pending::Link { path },
                None => Pending::Failing,
            },
            Call::Exec { dir, path, argv } => match self.path(tid, args, dir, path) {
                Some(path) => Pending::Exec {
                    path,
                    argv: tracee::strings(tid, args[argv]).unwrap_or_default(),
                },
                None => {
                    self.ledger.refuse(Why::Call, "execveat");
                    Pending::Nothing
                }
            },
            Call::Names => {
                match tracee::descriptor(tid, descriptor_argument(args[0])) {
                    // Which descriptors are open is the command's own doing.
                    Some(path) if path.starts_with(b"/proc/") && path.ends_with(b"/fd") => {}
                    Some(path) if path.starts_with(b"/proc/") => {
                        self.ledger.refuse(Why::File, path)
                    }
                    Some(path) => self.ledger.names(&path),
                    None => {}
                }
                Pending::Failing
            }
            Call::Change { dir, path, also } => self.enter_change(tid, args, dir, path, also),
            Call::Make { dir, path } => match self.path(tid, args, dir, path) {
                Some(path) => {
                    let there = RealEye.identity(&path, false).is_ok();
                    let first = !there && !self.ledger.is_touched(&path);
                    if !there {
                        self.ledger.touch(&path, false);
                    }
                    Pending::Change { paths: vec![(path, first)] }
                }
                None => Pending::Failing,
            },
            Call::Copy(how) => {
                let copies =
                    how.is_none_or(|at| calls::COPYING_CONTROLS.contains(&(args[at] as u32)));
                // Reading is looked at by the descriptor's number only, so there may be no other.
                if self.fast
                    && copies
                    && self.input.is_some()
                    && leads_to(tid, descriptor_argument(args[0])) == self.input
                {
                    self.again = true;
                }
                Pending::Failing
            }
            Call::ChangeOpen => {
                self.touch_open(tid, descriptor_argument(args[0]));
                Pending::Failing
            }
            Call::Read(fd) => {
                self.reads(tid, descriptor_argument(args[fd]));
                Pending::Failing
            }
            Call::Write(fd) if self.deeds.is_some() => {
                let to = leads_to(tid, descriptor_argument(args[fd]));
                match to.and_then(|to| self.deeds.as_ref()?.stream(to)) {
                    Some(which) => match tracee::bytes(tid, args[1], args[2]) {
                        Some(text) if nr == libc::SYS_write => Pending::Say(which, text),
                        _ => {
                            self.ledger.refuse(Why::Output, "");
                            Pending::Nothing
                        }
                    },
                    None => Pending::Failing,
                }
            }
            Call::Write(fd) => {
                let fd = descriptor_argument(args[fd]);
                if !self.fast {
                    self.writes(tid, fd);
                    task.pending = Pending::Failing;
                    return;
                }
                let to = tracee::descriptor_identity(tid, fd);
                if to.is_some_and(|id| self.outputs.contains(&(id.dev, id.ino))) {
                    self.ledger.refuse(Why::Output, "");
                }
                // Only what goes to a disk can fail for want of space.
                if to.is_some_and(|id| id.kind == Kind::Other) {
                    Pending::Nothing
                } else {
                    Pending::Failing
                }
            }
            Call::Pass(from, to) => {
                self.reads(tid, descriptor_argument(args[from]));
                self.writes(tid, descriptor_argument(args[to]));
                Pending::Failing
            }
            Call::Signal => {
                // To others it is an effect that no file shows; a group's may be Kiln's own.
                let to = descriptor_argument(args[0]);
                if !self.ids.contains(&to) {
                    self.ledger.refuse(Why::Call, "kill");
                }
                Pending::Failing
            }
            Call::Socket => {
                if args[0] != libc::AF_UNIX as u64 {
                    self.ledger.refuse(Why::Call, "socket");
                }
                Pending::Failing
            }
            Call::Connect => Pending::Connect,
            Call::Peer => {
                self.asks_of_stream(tid, descriptor_argument(args[0]));
                Pending::Peer
            }
            Call::Control => {
                self.asks_of_stream(tid, descriptor_argument(args[0]));
                Pending::Control(args[1] as u32)
            }
            Call::StatusOpen => {
                self.asks_of_stream(tid, descriptor_argument(args[0]));
                Pending::Failing
            }
            Call::Start(flags) => {
                if flags.is_some_and(|f| args[f] & libc::CLONE_UNTRACED as u64 != 0) {
                    self.ledger.refuse(Why::Call, "clone");
                }
                Pending::Start
            }
            Call::Refuse(name) => {
                self.ledger.refuse(Why::Call, name);
                Pending::Nothing
            }
        };
    }

    /// Where only calls that matter stop, what can be known at the beginning of a call is noted there,
    /// because each stop costs more than the call. Whether the call's end is still to be seen.
    ///
    /// What is noted is what Kiln sees at the same path a moment before; if that changed in between,
    /// the check at the end of the command finds it.
    pub fn hasten(&mut self, task: &mut Task) -> bool {
        let pending = std::mem::take(&mut task.pending);
        match &pending {
            Pending::Nothing => return false,
            Pending::Unknown(nr) => {
                self.ledger.refuse(Why::Call, format!("number {nr}"));
                return false;
            }
            Pending::Status { path, follow } => match special(path, task) {
                Special::File => self.ledger.status_now(path, *follow),
                Special::Skip => self.skip(path),
                Special::Refuse => self.ledger.refuse(Why::File, path.clone()),
            },
            Pending::Access { path, mode } => match special(path, task) {
                Special::File => self.ledger.access(path, *mode, RealEye.access(path, *mode)),
                Special::Skip => self.skip(path),
                Special::Refuse => self.ledger.refuse(Why::File, path.clone()),
            },
            Pending::Link { path } => match special(path, task) {
                Special::File => self.ledger.link(path, RealEye.link(path).map(drop)),
                Special::Skip => self.skip(path),
                Special::Refuse => self.ledger.refuse(Why::File, path.clone()),
            },
            Pending::Open { path, flags, .. }
                if !writes(*flags)
                    && !path.starts_with(b"/proc/")
                    && !path.starts_with(b"/dev/") =>
            {
                match RealEye.identity(path, flags & libc::O_NOFOLLOW == 0) {
                    Err(errno @ (libc::ENOENT | libc::ENOTDIR)) => {
                        self.failed_open(task, path, *flags, errno);
                    }
                    Ok(id) if id.kind == Kind::Dir && RealEye.access(path, 4) == 0 => {
                        self.ledger.status_now(path, true);
                    }
                    // Bytes that may have changed within the clock's tick are read from the open file.
                    Ok(id) if id.kind == Kind::File && self.may_read(task, path, &id) => {
                        self.ledger.contents(path, id, path);
                    }
                    _ => {
                        task.pending = pending;
                        return true;
                    }
                }
            }
            _ => {
                task.pending = pending;
                return true;
            }
        }
        false
    }

    /// Whether a file that is about to be opened for reading will be, and can be told by its stamps.
    fn may_read(&self, task: &Task, path: &[u8], id: &Identity) -> bool {
        !matches!(task.class, Some(Class::Interpreter(_)))
            && id.settled(RealEye.now())
            && RealEye.access(path, 4) == 0
            && !self.ledger.is_touched(path)
    }

    fn enter_open(
        &mut self,
        tid: i32,
        args: &[u64; 6],
        dir: Option<usize>,
        path: usize,
        flags: Flags,
    ) -> Pending {
        let flags = match flags {
            Flags::At(at) => args[at] as i32,
            Flags::In(at) => tracee::word(tid, args[at]).unwrap_or(0) as i32,
            Flags::Creat => libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC,
        };
        let Some(path) = self.path(tid, args, dir, path) else { return Pending::Failing };
        let mut first = false;
        if writes(flags)
            && flags & libc::O_TMPFILE != libc::O_TMPFILE
            && !path.starts_with(b"/dev/")
        {
            first = !self.ledger.is_touched(&path);
            self.ledger.touch(&path, flags & (libc::O_TRUNC | libc::O_EXCL) != 0);
        }
        Pending::Open { path, flags, first }
    }

    /// A file is about to be given its time. It is not as if it were written now, so it can only be told
    /// of what the time is: of a file that was read. A time in whole seconds may be anybody's.
    fn enter_times(&mut self, tid: i32, nr: i64, args: &[u64; 6]) {
        let text = Some(args[2]).filter(|at| nr == libc::SYS_utimensat && *at != 0);
        let word = |at: u64| tracee::word(tid, at).map(|word| word as i64);
        let time = text.and_then(|at| Some((word(at + 16)?, word(at + 24)?)));
        let time = time.filter(|(_, nanos)| (1..1_000_000_000).contains(nanos));
        let path = match args[1] {
            0 => tracee::descriptor(tid, descriptor_argument(args[0])),
            _ => self.path(tid, args, Some(0), 1),
        };
        match (path, time) {
            (Some(path), Some((seconds, nanos))) => {
                let time = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
                self.ledger.timed(&path, time);
            }
            _ => self.ledger.refuse(Why::Effect, "a time"),
        }
    }

    fn enter_change(
        &mut self,
        tid: i32,
        args: &[u64; 6],
        dir: Option<usize>,
        path: usize,
        also: Option<(Option<usize>, usize)>,
    ) -> Pending {
        // utimensat without a path means the descriptor.
        if args[path] == 0
            && let Some(dir) = dir
        {
            self.touch_open(tid, descriptor_argument(args[dir]));
            return Pending::Failing;
        }
        let mut paths = Vec::new();
        for (dir, path, whole) in
            [Some((dir, path, false)), also.map(|(d, p)| (d, p, true))].into_iter().flatten()
        {
            if let Some(path) = self.path(tid, args, dir, path) {
                let first = !self.ledger.is_touched(&path);
                self.ledger.touch(&path, whole);
                paths.push((path, first));
            }
        }
        Pending::Change { paths }
    }

    /// What is asked of a path that tells nothing else may be what a standard stream is.
    fn skip(&mut self, path: &[u8]) {
        let stream = path.starts_with(b"/dev/std") || contains(path, b"/fd");
        self.ledger.asks.streams |= stream;
        self.ledger.asks_of_input |= stream;
    }

    /// Something is asked of a descriptor that may lead to one of the standard streams.
    fn asks_of_stream(&mut self, tid: i32, fd: i32) {
        let known = self.ledger.asks.streams && (self.deeds.is_none() || self.ledger.asks_of_input);
        if known || fd < 0 {
            return;
        }
        // One that is `/dev/null` is not among them, but then the answer is for `/dev/null` only.
        let Some(to) = leads_to(tid, fd) else { return };
        self.ledger.asks_of_input |= self.input == Some(to);
        self.ledger.asks.streams |= self.input == Some(to) || self.outputs.contains(&to);
    }

    /// Whether a shell or a compiler looks there only because `PWD` says so: it finds that this is not
    /// the directory, and whatever else is there does not matter.
    fn only_compares(&self, task: &mut Task, path: &[u8]) -> bool {
        let heeds = matches!(task.class, Some(Class::Interpreter(_) | Class::Compiler));
        let only = heeds && !task.looked_for_pwd && self.elsewhere.as_deref() == Some(path);
        task.looked_for_pwd |= only;
        only
    }

    fn touch_open(&mut self, tid: i32, fd: i32) {
        if let Some(path) = tracee::descriptor(tid, fd)
            && path.starts_with(b"/")
            && !path.starts_with(b"/dev/")
            && !path.starts_with(b"/memfd:")
            && !path.ends_with(b" (deleted)")
        {
            self.ledger.touch(&path, false);
        }
    }

    fn reads(&mut self, tid: i32, fd: i32) {
        if self.input.is_some() && fd >= 0 && leads_to(tid, fd) == self.input {
            self.ledger.refuse(Why::Input, "");
        }
    }

    fn writes(&mut self, tid: i32, fd: i32) {
        if !self.outputs.is_empty()
            && let Some(to) = leads_to(tid, fd)
            && self.outputs.contains(&to)
        {
            self.ledger.refuse(Why::Output, "");
        }
    }

    /// A task has left the system call that it was in. `Pending::Exec` is left to [`Scene::became`]
    /// unless it failed.
    pub fn leave(&mut self, tid: i32, task: &mut Task, result: i64) {
        let pending = std::mem::take(&mut task.pending);
        if result == -AGAIN {
            return;
        }
        let errno = if (-4095..0).contains(&result) { -result as i32 } else { 0 };
        let told = if errno == 0 { Ok(()) } else { Err(errno) };
        if calls::is_trouble(errno) && !matches!(pending, Pending::Nothing | Pending::Access { .. })
        {
            return self.ledger.refuse(Why::Trouble, format!("errno {errno}"));
        }
        match pending {
            Pending::Nothing | Pending::Failing => {}
            Pending::Say(which, mut text) => {
                text.truncate(usize::try_from(result).unwrap_or(0));
                if let Some(deeds) = self.deeds.as_mut().filter(|_| errno == 0) {
                    deeds.said.push((which, text));
                }
            }
            Pending::Unknown(nr) => {
                if errno != libc::ENOSYS {
                    self.ledger.refuse(Why::Call, format!("number {nr}"));
                }
            }
            Pending::Open { path, flags, first } => {
                self.leave_open(tid, task, &path, flags, first, result as i32, errno);
            }
            Pending::Status { path, follow } => match special(&path, task) {
                Special::File => self.ledger.status(&path, follow, told),
                Special::Skip => self.skip(&path),
                Special::Refuse => self.ledger.refuse(Why::File, path),
            },
            Pending::Access { path, mode } => match special(&path, task) {
                Special::File => self.ledger.access(&path, mode, errno),
                Special::Skip => self.skip(&path),
                Special::Refuse => self.ledger.refuse(Why::File, path),
            },
            Pending::Link { path } => match special(&path, task) {
                Special::File => self.ledger.link(&path, told),
                Special::Skip => self.skip(&path),
                Special::Refuse => self.ledger.refuse(Why::File, path),
            },
            Pending::Exec { path, .. } => match errno {
                0 => {}
                libc::ENOENT | libc::ENOTDIR => {
                    // The interpreter of a script may be what is missing; then the script is there.
                    if RealEye.identity(&path, true).is_ok() {
                        self.ledger.refuse(Why::NotStarted, path);
                    } else {
                        self.ledger.status(&path, true, Err(errno));
                    }
                }
                libc::EACCES => self.ledger.access(&path, 1, errno),
                _ => self.ledger.refuse(Why::NotStarted, path),
            },
            Pending::Change { paths } => self.leave_change(&paths, errno),
            Pending::Connect => {
                if errno == 0 || errno == libc::EINPROGRESS {
                    self.ledger.refuse(Why::Call, "connect");
                }
            }
            Pending::Peer => {
                if errno != libc::ENOTSOCK {
                    self.ledger.refuse(Why::Call, "getpeername");
                }
            }
            Pending::Control(request) => {
                if errno == 0 && !calls::HARMLESS_CONTROLS.contains(&request) {
                    self.ledger.refuse(Why::Call, format!("ioctl {request:#x}"));
                }
            }
            Pending::Start => {
                if errno != 0 && errno != libc::ENOSYS {
                    self.ledger.refuse(Why::Trouble, "no new process");
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one call
    fn leave_open(
        &mut self,
        tid: i32,
        task: &Task,
        path: &[u8],
        flags: i32,
        first: bool,
        fd: i32,
        errno: i32,
    ) {
        if errno != 0 {
            self.ledger.untouch(path, first);
            return self.failed_open(task, path, flags, errno);
        }
        match special(path, task) {
            Special::File => {}
            Special::Skip => {
                self.skip(path);
                // A second way to standard input, as by a copy.
                self.again |= self.fast && self.input.is_some() && leads_to(tid, fd) == self.input;
                return;
            }
            Special::Refuse => return self.ledger.refuse(Why::File, path),
        }
        if first {
            self.ledger.made(path);
        }
        let Some(id) = tracee::descriptor_identity(tid, fd) else {
            return self.ledger.refuse(Why::File, path);
        };
        match id.kind {
            Kind::Dir => self.ledger.status(path, true, Ok(())),
            Kind::Other if is_plain_device(&id) => self.ledger.untouch(path, first),
            Kind::Other if self.ledger.is_touched(path) && !first => {}
            Kind::Other => self.ledger.refuse(Why::File, path),
            Kind::Link | Kind::File if flags & libc::O_PATH != 0 => {
                self.ledger.status(path, flags & libc::O_NOFOLLOW == 0, Ok(()));
            }
            Kind::Link | Kind::File => {
                let reads = flags & libc::O_ACCMODE != libc::O_WRONLY && flags & libc::O_TRUNC == 0;
                let made = flags & libc::O_CREAT != 0 && self.ledger.is_touched(path);
                if reads && !made {
                    self.read_file(tid, task, path, id, fd);
                }
            }
        }
    }

    fn failed_open(&mut self, task: &Task, path: &[u8], flags: i32, errno: i32) {
        match special(path, task) {
            Special::File => {}
            Special::Skip => return self.skip(path),
            Special::Refuse => return self.ledger.refuse(Why::File, path),
        }
        let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
        match errno {
            libc::EEXIST if exclusive => self.ledger.status(path, false, Ok(())),
            libc::ENOENT if flags & libc::O_CREAT != 0 => {
                // What is missing is the place to make it in.
                let dir = path.iter().rposition(|b| *b == b'/').map_or(&b"/"[..], |at| &path[..at]);
                self.ledger.status(dir, true, Err(errno));
            }
            // It is there, and no directory.
            libc::ENOTDIR
                if flags & libc::O_DIRECTORY != 0 && RealEye.identity(path, true).is_ok() =>
            {
                self.ledger.status(path, true, Ok(()));
            }
            libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG => {
                self.ledger.status(path, true, Err(errno))
            }
            libc::ELOOP if flags & libc::O_NOFOLLOW != 0 => self.ledger.status(path, false, Ok(())),
            libc::EISDIR => self.ledger.status(path, true, Ok(())),
            libc::EACCES if !writes(flags) => self.ledger.access(path, 4, errno),
            libc::ENXIO if path == b"/dev/tty" => self.ledger.asks.streams = true,
            libc::EINTR => {}
            _ => self.ledger.refuse(Why::Trouble, path),
        }
    }

    fn leave_change(&mut self, paths: &[(Vec<u8>, bool)], errno: i32) {
        if errno == 0 {
            paths.iter().for_each(|(path, _)| self.ledger.made(path));
            return;
        }
        for (path, first) in paths {
            self.ledger.untouch(path, *first);
        }
        let Some((path, _)) = paths.first() else { return };
        match errno {
            // mv asks first for a renaming that replaces nothing.
            libc::EEXIST => self.ledger.status(&paths[paths.len() - 1].0, false, Ok(())),
            libc::ENOENT => {
                // rm -f of nothing, or a directory that is missing: whichever it is, its absence is seen.
                for (path, _) in paths {
                    if RealEye.identity(path, false).is_err() {
                        self.ledger.status(path, false, Err(errno));
                    }
                }
            }
            libc::EISDIR | libc::ENOTDIR if RealEye.identity(path, false).is_ok() => {
                self.ledger.status(path, false, Ok(()));
            }
            libc::ENOTDIR => self.ledger.status(path, false, Err(errno)),
            _ => self.ledger.refuse(Why::Trouble, path.clone()),
        }
    }
}

fn writes(flags: i32) -> bool {
    flags & libc::O_PATH == 0
        && (flags & libc::O_ACCMODE != libc::O_RDONLY
            || flags & (libc::O_CREAT | libc::O_TRUNC) != 0)
}

fn leads_to(tid: i32, fd: i32) -> Option<(u64, u64)> {
    tracee::descriptor_identity(tid, fd).map(|id| (id.dev, id.ino))
}
