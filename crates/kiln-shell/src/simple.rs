//! Simple commands and pipelines: what a name stands for, and running it.
//!
//! The order of the steps is dash's: arguments, redirections, assignments, then the search for the
//! command. It shows in messages and in what is left behind when a step fails.

use std::sync::Arc;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::ast::{Part, Redir, RedirTo, Simple, Word};
use crate::check::{self, Builtin};
use crate::host::{Outcome, Process, Target};
use crate::lex::is_name_byte;
use crate::message::{self, Purpose, failure};
use crate::run::{Flow, Shell, Stop, exit_status};
use crate::tools;

const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

impl Shell {
    pub(crate) async fn simple(&mut self, command: &Simple) -> Flow<i32> {
        self.line = command.line;
        self.captured_status = 0;
        let arguments = self.arguments(command).await?;
        let builtin = arguments.first().and_then(|name| check::builtin(name));
        let special = builtin.is_some_and(Builtin::is_special);
        let before = self.fds.clone();
        if let Err(status) = self.redirect(&command.redirs).await? {
            return if special { Err(Stop::Exit(status)) } else { Ok(status) };
        }
        let mut saved = Vec::new();
        for (name, value) in &command.assigns {
            let value = self.value(value).await?;
            if arguments.is_empty() || special {
                self.vars.set(name, &value);
            } else {
                saved.push(self.vars.set_locally(name, &value));
            }
        }
        let status = match (arguments.is_empty(), builtin) {
            (true, _) => self.captured_status,
            (false, Some(builtin)) => self.builtin(builtin, &arguments)?,
            (false, None) => self.program(arguments).await?,
        };
        // `exec` without a program is there for its redirections: they stay.
        if builtin != Some(Builtin::Exec) {
            self.fds = before;
        }
        while let Some(variable) = saved.pop() {
            self.vars.restore(variable);
        }
        Ok(status)
    }

    /// The command's words. What looks like an assignment after `export` is one: nothing in it is
    /// split.
    async fn arguments(&mut self, command: &Simple) -> Flow<Vec<Vec<u8>>> {
        let is_export = command.words.first().and_then(Word::literal).as_deref() == Some(b"export");
        if !is_export {
            return self.fields(&command.words).await;
        }
        let mut arguments = Vec::with_capacity(command.words.len());
        for word in &command.words {
            if assigns(word) {
                arguments.push(self.value(word).await?);
            } else {
                self.add_fields(word, &mut arguments).await?;
            }
        }
        Ok(arguments)
    }

    pub(crate) async fn program(&mut self, argv: Vec<Vec<u8>>) -> Flow<i32> {
        let path = match self.find(&argv[0]) {
            Ok(path) => path,
            Err(status) => {
                self.warn_not_found(&argv[0], status)?;
                return Ok(NOT_FOUND);
            }
        };
        if let Some(status) = tools::run(self, &path, &argv)? {
            return Ok(status);
        }
        let process = self.process(path, argv);
        let argv = process.argv.clone();
        let mut outcome = self.one(process.clone()).await;
        if outcome == Outcome::NotStarted(Errno::NOEXEC.raw_os_error())
            && let Some(process) = self.as_script(process)
        {
            outcome = self.one(process).await;
        }
        self.status_of(outcome, &argv)
    }

    async fn one(&mut self, process: Process) -> Outcome {
        let outcomes = self.mailbox.start(vec![process]).await;
        outcomes.first().copied().unwrap_or(Outcome::Exited(2))
    }

    fn process(&self, program: Vec<u8>, argv: Vec<Vec<u8>>) -> Process {
        Process {
            program,
            argv,
            env: Arc::new(self.vars.environment()),
            dir: self.dir.clone(),
            fds: self.fds.clone(),
        }
    }

    /// The exit status for an outcome, with the message that dash would write.
    fn status_of(&mut self, outcome: Outcome, argv: &[Vec<u8>]) -> Flow<i32> {
        match outcome {
            Outcome::Exited(status) => Ok(status),
            Outcome::Signaled { signal, core } => {
                if let Some(text) = message::signal(signal, core) {
                    let _ = self.put(2, format!("{text}\n").as_bytes())?;
                }
                Ok(128 + signal)
            }
            Outcome::NotStarted(errno) => self.not_started(&argv[0], errno),
        }
    }

    /// The message and the status for a program that could not be executed.
    fn not_started(&self, name: &[u8], errno: i32) -> Flow<i32> {
        self.warn_not_found(name, errno)?;
        let missing = [Errno::LOOP, Errno::NAMETOOLONG, Errno::NOENT, Errno::NOTDIR];
        let missing = missing.iter().any(|known| known.raw_os_error() == errno);
        Ok(if missing { NOT_FOUND } else { NOT_EXECUTABLE })
    }

    fn warn_not_found(&self, name: &[u8], errno: i32) -> Flow<()> {
        let mut text = name.to_vec();
        text.extend_from_slice(b": ");
        text.extend_from_slice(failure(errno, Purpose::Execute).as_bytes());
        self.warn(None, &text)
    }

    /// The file to execute for a command name, or the error number of the search.
    fn find(&self, name: &[u8]) -> Result<Vec<u8>, i32> {
        if name.contains(&b'/') {
            return Ok(name.to_vec());
        }
        let mut errno = Errno::NOENT;
        for dir in self.vars.get(b"PATH").unwrap_or_default().split(|b| *b == b':') {
            let mut path = dir.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            match rustix::fs::statat(&self.dir.fd, &path[..], AtFlags::empty()) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => errno = error,
                Ok(stat) => {
                    errno = Errno::ACCESS;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                        && (stat.st_mode & 0o111 == 0o111 || self.may_execute(&path))
                    {
                        return Ok(path);
                    }
                }
            }
        }
        Err(errno.raw_os_error())
    }

    pub(crate) fn may_execute(&self, path: &[u8]) -> bool {
        rustix::fs::accessat(&self.dir.fd, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
    }

    /// A file without a loader's mark is a script for `/bin/sh`, unless its first line is binary.
    fn as_script(&self, process: Process) -> Option<Process> {
        let start = self.first_bytes(&process.program)?;
        let line = start.split(|b| *b == b'\n').next().unwrap_or_default();
        let binary = |b: &u8| matches!(b, 0..=8 | 16..=26 | 28..=31 | 0x7f);
        if line.iter().any(binary) {
            return None;
        }
        let mut argv = vec![b"/bin/sh".to_vec(), process.program];
        argv.extend(process.argv.into_iter().skip(1));
        Some(Process { program: b"/bin/sh".to_vec(), argv, ..process })
    }

    fn first_bytes(&self, path: &[u8]) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOCTTY;
        let file = crate::redir::open(&self.dir.fd, path, flags, Mode::empty()).ok()?;
        let mut start = vec![0; 128];
        let count = rustix::io::read(&file, &mut start).ok()?;
        start.truncate(count);
        Some(start)
    }

    /// Runs the commands of a pipeline beside each other. The parser let only programs in, with a
    /// printing builtin at most at the head.
    pub(crate) async fn pipe(&mut self, stages: &[Simple]) -> Flow<i32> {
        let mut processes = Vec::new();
        let mut statuses = Vec::new();
        let mut input: Option<Target> = None;
        for (index, stage) in stages.iter().enumerate() {
            let mut child = self.subshell();
            if let Some(reader) = input.take() {
                child.fds[0] = reader;
            }
            let is_last = index + 1 == stages.len();
            let name = stage.words.first().and_then(Word::literal).unwrap_or_default();
            if check::builtin(&name).is_some() {
                let output = Arc::new(self.pipe_part(crate::redir::memory_file())?);
                child.fds[1] = Target::File(output.clone());
                let ended = child.simple(stage).await;
                statuses.push((stage.line, Err(exit_status(ended))));
                let output = crate::redir::contents(&output).unwrap_or_default();
                let reader = self.pipe_part(crate::redir::pipe_with(output))?;
                input = Some(Target::File(Arc::new(reader)));
                continue;
            }
            if !is_last {
                let made = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
                let (reader, writer) = self.pipe_part(made.map_err(Into::into))?;
                child.fds[1] = Target::File(Arc::new(writer));
                input = Some(Target::File(Arc::new(reader)));
            }
            match child.stage(stage).await {
                Ok(Ok(process)) => {
                    statuses.push((stage.line, Ok(process.argv.clone())));
                    processes.push(process);
                }
                Ok(Err(status)) => statuses.push((stage.line, Err(status))),
                Err(stop) => statuses.push((stage.line, Err(exit_status(Err(stop))))),
            }
        }
        drop(input);
        let mut outcomes = Vec::new();
        if !processes.is_empty() {
            outcomes = self.mailbox.start(processes).await;
        }
        let mut outcomes = outcomes.into_iter();
        let mut status = 0;
        for (line, ended) in statuses {
            self.line = line;
            status = match ended {
                Ok(argv) => {
                    let outcome = outcomes.next().unwrap_or(Outcome::Exited(2));
                    self.status_of(outcome, &argv)?
                }
                Err(status) => status,
            };
        }
        Ok(status)
    }

    fn pipe_part<T>(&self, made: std::io::Result<T>) -> Flow<T> {
        match made {
            Ok(part) => Ok(part),
            Err(_) => {
                self.warn(None, b"Pipe call failed")?;
                Err(Stop::Exit(2))
            }
        }
    }

    /// One program of a pipeline, made ready in its own copy of the shell; or the status with
    /// which that copy ended before it came to start it.
    async fn stage(&mut self, command: &Simple) -> Flow<Result<Process, i32>> {
        self.line = command.line;
        let mut arguments = self.arguments(command).await?;
        let literal = |redir: &Redir| redir.to.word().is_none_or(|word| word.literal().is_some());
        if command.redirs.iter().any(|redir| self.is_named_pipe(redir))
            && command.redirs.iter().all(literal)
        {
            // It opens only when its other end does, which may be another stage, and none has
            // started yet. So a real shell opens it.
            let script = redirecting_script(&command.redirs);
            let shell: [&[u8]; 4] = [b"/bin/sh", b"-c", &script, b"/bin/sh"];
            arguments.splice(0..0, shell.map(<[u8]>::to_vec));
        } else if let Err(status) = self.redirect(&command.redirs).await? {
            return Ok(Err(status));
        }
        for (name, value) in &command.assigns {
            let value = self.value(value).await?;
            self.vars.set_exported(name, &value);
        }
        let path = match self.find(&arguments[0]) {
            Ok(path) => path,
            Err(errno) => {
                self.warn_not_found(&arguments[0], errno)?;
                return Ok(Err(NOT_FOUND));
            }
        };
        let process = self.process(path, arguments);
        // The others run already when a start fails, and the message belongs to this stage's own
        // descriptors. So what would fail is found out beforehand.
        if let Err(errno) = self.startable(&process.program) {
            return Ok(Err(self.not_started(&process.argv[0], errno)?));
        }
        let start = self.first_bytes(&process.program).unwrap_or_default();
        if !start.is_empty()
            && !start.starts_with(b"#!")
            && !start.starts_with(b"\x7fELF")
            && let Some(script) = self.as_script(process.clone())
        {
            return Ok(Ok(script));
        }
        Ok(Ok(process))
    }

    fn is_named_pipe(&self, redir: &Redir) -> bool {
        redir.to.word().and_then(Word::literal).is_some_and(|name| {
            rustix::fs::statat(&self.dir.fd, &name[..], AtFlags::empty())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
        })
    }

    /// The error that `execve` would give for a file that is missing or not to be executed.
    fn startable(&self, path: &[u8]) -> Result<(), i32> {
        let stat = rustix::fs::statat(&self.dir.fd, path, AtFlags::empty())
            .map_err(Errno::raw_os_error)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if regular && self.may_execute(path) { Ok(()) } else { Err(Errno::ACCESS.raw_os_error()) }
    }
}

/// `exec "$@"` with redirections whose file names are literal.
fn redirecting_script(redirs: &[Redir]) -> Vec<u8> {
    let mut script = b"exec \"$@\"".to_vec();
    for redir in redirs {
        let (op, word) = match &redir.to {
            RedirTo::Read(word) => (&b"<"[..], word.literal()),
            RedirTo::Write(word) => (&b">"[..], word.literal()),
            RedirTo::Append(word) => (&b">>"[..], word.literal()),
            RedirTo::Dup(fd) => (&b">&"[..], Some(vec![b'0' + fd])),
        };
        script.extend_from_slice(&[b' ', b'0' + redir.fd]);
        script.extend_from_slice(op);
        script.push(b'\'');
        for byte in word.unwrap_or_default() {
            match byte {
                b'\'' => script.extend_from_slice(b"'\\''"),
                _ => script.push(byte),
            }
        }
        script.push(b'\'');
    }
    script
}

fn assigns(word: &Word) -> bool {
    let Some(Part::Plain(text)) = word.parts.first() else { return false };
    let length = text.iter().take_while(|b| is_name_byte(**b)).count();
    length > 0 && text.get(length) == Some(&b'=')
}
