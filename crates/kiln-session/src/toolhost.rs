//! The real system as the native tools see it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kiln_exec::hooks::Env;
use kiln_modtools::Host;

/// Files below a working directory, and output kept until the caller wants it.
pub struct ToolHost {
    /// The directory that relative paths start from.
    pub dir: PathBuf,
    /// What the tool wrote to standard output.
    pub out: Vec<u8>,
    /// What the tool wrote to standard error.
    pub err: Vec<u8>,
    /// A file could not be written whole.
    pub failed: bool,
    env: Env,
}

impl ToolHost {
    /// A host whose relative paths start at `dir`, with an environment.
    #[must_use]
    pub fn new(dir: PathBuf, env: Env) -> Self {
        ToolHost { dir, out: Vec::new(), err: Vec::new(), failed: false, env }
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        self.dir.join(Path::new(OsStr::from_bytes(path)))
    }
}

impl Host for ToolHost {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(path))
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        // The original tools open the file in place, so its mode and links stay as they were.
        let done = File::create(self.path(path)).and_then(|mut f| f.write_all(bytes));
        self.failed |= done.is_err();
        done
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        io::stdin().lock().read_to_end(&mut all)?;
        Ok(all)
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.err.extend_from_slice(bytes);
    }

    fn env(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }
}
