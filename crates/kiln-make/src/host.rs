//! What the language asks of the world beyond files: running a shell for `$(shell …)` and `!=`, and
//! saying something.

/// Where a text goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A command to run for its output.
pub struct ShellCall<'a> {
    /// The command, already expanded.
    pub command: &'a [u8],
    /// `$(SHELL)`.
    pub shell: &'a [u8],
    /// `$(.SHELLFLAGS)`.
    pub flags: &'a [u8],
    /// `$(IFS)` if it is set.
    pub ifs: Option<&'a [u8]>,
    /// The whole environment of the child.
    pub env: &'a Vec<(Vec<u8>, Vec<u8>)>,
    /// The message prefix (`FILE:LINE: ` or `make: `) for what make itself says about the command.
    pub prefix: Vec<u8>,
}

/// What came of a [`ShellCall`].
pub struct ShellResult {
    /// Everything the command wrote to standard output, as it came.
    pub output: Vec<u8>,
    /// `$(.SHELLSTATUS)`: the exit status, 127 if the command could not be started.
    pub status: i32,
}

/// The world beyond files, as one make instance sees it.
pub trait Host {
    /// Runs a command and waits for it. Messages about a command that cannot be started
    /// (`make: NAME: No such file or directory`) are the host's to print.
    fn shell(&mut self, call: ShellCall<'_>) -> ShellResult;

    /// Prints text as it is. Inside a recipe whose output is kept together, it is kept there.
    fn print(&mut self, to: Stream, text: &[u8]);

    /// A makefile has changed switches: whether the directory is announced from now on.
    fn announce_directory(&mut self, _yes: bool) {}
}
