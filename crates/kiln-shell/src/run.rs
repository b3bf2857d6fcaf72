//! The runner: a shell's state, and how compound commands are carried out.
//!
//! Written as ordinary recursive code. Wherever a program has to run, the future waits and the
//! caller gets a [`Step`](crate::host::Step); nothing here blocks on a process. `set -e` follows
//! dash's `evaltree`: each call says whether the status is being tested, and only simple commands,
//! pipelines, subshells and failed redirections end the shell.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustix::io::Errno;

use crate::ast::{AndOr, Case, For, If, LineNo, Loop, Node};
use crate::host::{Dir, Host, Target};
use crate::machine::{Mailbox, Traps};
use crate::vars::Vars;

/// Why the shell, or a subshell, ends before its commands do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Exit(i32),
    /// As if this signal had come.
    Signal(i32),
}

pub(crate) type Flow<T> = Result<T, Stop>;

/// What `break` and `continue` asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    Break,
    Continue,
}

const SIGPIPE: i32 = 13;

/// How often a `while` goes round before the caller gets a turn.
const ROUNDS_BETWEEN_TURNS: u32 = 256;

/// One shell: the script's own, or a subshell's copy of it.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) vars: Vars,
    pub(crate) dir: Arc<Dir>,
    /// `set -e`
    pub(crate) errexit: bool,
    /// `$?`
    pub(crate) status: i32,
    /// The status of the last `$(…)` of the simple command being expanded.
    pub(crate) captured_status: i32,
    pub(crate) fds: [Target; 3],
    /// The line that messages name.
    pub(crate) line: LineNo,
    pub(crate) loops: u32,
    pub(crate) skip: Option<(Skip, u32)>,
    /// What is to be done at the end; a subshell begins without.
    pub(crate) traps: Traps,
    pub(crate) host: Arc<dyn Host>,
    /// `$$`
    pub(crate) pid: u64,
    /// The shell's name in messages.
    pub(crate) name: Arc<[u8]>,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Shell {
    /// Runs the script; the status is what the shell's process would have ended with.
    pub(crate) async fn script(&mut self, body: &[Node]) -> Flow<i32> {
        let ended = self.list(body, false).await;
        self.finish(ended).await
    }

    /// The end of a shell or subshell: what it was to do last is done, and says nothing about the
    /// status.
    async fn finish(&mut self, ended: Flow<i32>) -> Flow<i32> {
        let status = match ended {
            Ok(_) => self.status,
            Err(Stop::Exit(status)) => status,
            Err(stop) => return Err(stop),
        };
        let last = {
            let mut traps = self.traps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            traps.at_exit.take()
        };
        if let Some(argv) = last
            && let Err(stop @ Stop::Signal(_)) = self.program(argv).await
        {
            return Err(stop);
        }
        Ok(status)
    }

    async fn list(&mut self, nodes: &[Node], tested: bool) -> Flow<i32> {
        let mut status = 0;
        for node in nodes {
            status = self.node(node, tested).await?;
            if self.skip.is_some() {
                break;
            }
        }
        Ok(status)
    }

    fn node<'a>(
        &'a mut self,
        node: &'a Node,
        tested: bool,
    ) -> Pin<Box<dyn Future<Output = Flow<i32>> + Send + 'a>> {
        Box::pin(async move {
            let (status, ends) = match node {
                Node::Simple(simple) => (self.simple(simple).await?, true),
                Node::Pipe(stages) => (self.pipe(stages).await?, true),
                Node::Not(inner) => {
                    let status = self.node(inner, true).await?;
                    (if self.skip.is_some() { status } else { i32::from(status == 0) }, false)
                }
                Node::AndOr(first, rest) => (self.and_or(first, rest, tested).await?, false),
                Node::If(branch) => (self.if_command(branch, tested).await?, false),
                Node::Loop(node) => (self.loop_command(node, tested).await?, false),
                Node::For(node) => (self.for_command(node, tested).await?, false),
                Node::Case(node) => (self.case_command(node, tested).await?, false),
                Node::Group(body) => (self.list(body, tested).await?, false),
                Node::Subshell { line, body, redirs } => {
                    self.line = *line;
                    let mut child = self.subshell();
                    let status = match child.redirect(redirs).await? {
                        Ok(()) => child.list(body, tested).await,
                        Err(status) => Err(Stop::Exit(status)),
                    };
                    (exit_status(child.finish(status).await), true)
                }
                Node::Redirected { line, inner, redirs } => {
                    self.line = *line;
                    let before = self.fds.clone();
                    let result = match self.redirect(redirs).await? {
                        Ok(()) => (self.node(inner, tested).await?, false),
                        Err(status) => (status, true),
                    };
                    self.fds = before;
                    result
                }
            };
            self.status = status;
            if ends && self.errexit && !tested && status != 0 {
                return Err(Stop::Exit(status));
            }
            Ok(status)
        })
    }

    async fn and_or(&mut self, first: &Node, rest: &[(AndOr, Node)], tested: bool) -> Flow<i32> {
        let mut status = self.node(first, true).await?;
        for (index, (op, node)) in rest.iter().enumerate() {
            if self.skip.is_some() {
                break;
            }
            if (status == 0) == (*op == AndOr::And) {
                let last = index + 1 == rest.len();
                status = self.node(node, tested || !last).await?;
            }
        }
        Ok(status)
    }

    async fn if_command(&mut self, node: &If, tested: bool) -> Flow<i32> {
        for (test, then) in &node.branches {
            let status = self.list(test, true).await?;
            if self.skip.is_some() {
                return Ok(status);
            }
            if status == 0 {
                return self.list(then, tested).await;
            }
            // An `elif` is an `if` of its own in dash, met with the failed test's status.
            self.status = status;
        }
        match &node.otherwise {
            Some(otherwise) => self.list(otherwise, tested).await,
            None => Ok(0),
        }
    }

    /// After a loop's test or body: whether the loop goes on.
    fn goes_on(&mut self) -> bool {
        let Some((skip, levels)) = self.skip else { return true };
        if levels > 1 {
            self.skip = Some((skip, levels - 1));
            return false;
        }
        self.skip = None;
        skip == Skip::Continue
    }

    async fn loop_command(&mut self, node: &Loop, tested: bool) -> Flow<i32> {
        let mut status = 0;
        self.loops += 1;
        let mut rounds = 0u32;
        loop {
            // A loop without programs in it may never end; others must get their turn.
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(ROUNDS_BETWEEN_TURNS) {
                self.mailbox.yield_turn().await;
            }
            let test = self.list(&node.test, true).await?;
            if self.skip.is_some() {
                if self.goes_on() {
                    continue;
                }
                break;
            }
            if (test == 0) == node.until {
                break;
            }
            status = self.list(&node.body, tested).await?;
            if !self.goes_on() {
                break;
            }
        }
        self.loops -= 1;
        Ok(status)
    }

    async fn for_command(&mut self, node: &For, tested: bool) -> Flow<i32> {
        self.line = node.line;
        let fields = self.fields(&node.words).await?;
        let mut status = 0;
        self.loops += 1;
        for field in fields {
            self.vars.set(&node.name, &field);
            status = self.list(&node.body, tested).await?;
            if !self.goes_on() {
                break;
            }
        }
        self.loops -= 1;
        Ok(status)
    }

    async fn case_command(&mut self, node: &Case, tested: bool) -> Flow<i32> {
        self.line = node.line;
        let subject = self.value(&node.subject).await?;
        for (patterns, body) in &node.arms {
            for pattern in patterns {
                let pattern = self.pattern(pattern).await?;
                if crate::pattern::matches(&pattern, &subject) {
                    return self.list(body, tested).await;
                }
            }
        }
        Ok(0)
    }

    /// The output of `$(…)` without its trailing newlines.
    pub(crate) async fn capture(&mut self, body: &[Node]) -> Flow<Vec<u8>> {
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(file) = crate::redir::memory_file() else {
            self.warn(None, b"Pipe call failed")?;
            return Err(Stop::Exit(2));
        };
        let file = Arc::new(file);
        let mut child = self.subshell();
        child.fds[1] = Target::File(file.clone());
        let ended = child.list(body, false).await;
        self.captured_status = exit_status(child.finish(ended).await);
        let mut output = crate::redir::contents(&file).unwrap_or_default();
        output.retain(|b| *b != 0);
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        Ok(output)
    }

    /// A copy in which changes stay, as in a forked child.
    pub(crate) fn subshell(&self) -> Shell {
        let mut child = self.clone();
        child.traps = Traps::default();
        child
    }

    /// Writes to descriptor 1 or 2.
    pub(crate) fn put(&self, fd: u8, bytes: &[u8]) -> Flow<io::Result<()>> {
        let written = match &self.fds[usize::from(fd)] {
            Target::Caller(fd) => self.host.write(*fd, bytes),
            Target::File(file) => crate::redir::write_all(file, bytes),
        };
        match written {
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {
                Err(Stop::Signal(SIGPIPE))
            }
            other => Ok(other),
        }
    }

    /// dash's form of a message: `/bin/sh: 1: cd: can't cd to x`.
    pub(crate) fn warn(&self, command: Option<&[u8]>, text: &[u8]) -> Flow<()> {
        let mut message = self.name.to_vec();
        message.extend_from_slice(format!(": {}: ", self.line).as_bytes());
        if let Some(command) = command {
            message.extend_from_slice(command);
            message.extend_from_slice(b": ");
        }
        message.extend_from_slice(text);
        message.push(b'\n');
        // A message that cannot be written is lost, in dash too.
        let _ = self.put(2, &message)?;
        Ok(())
    }
}

/// The status of a subshell's process, as its parent sees it.
pub(crate) fn exit_status(ended: Flow<i32>) -> i32 {
    match ended {
        Ok(status) | Err(Stop::Exit(status)) => status & 0xff,
        Err(Stop::Signal(signal)) => 128 + signal,
    }
}
