//! The real system as the native tools see it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_exec::hooks::Env;
use kiln_modtools::modpost::Ahead;
use kiln_modtools::{Host, Ranged};
use rustix::fs::{FileType, fstat};

use crate::native::ahead::Exports;

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
    /// The tool left what was asked for to the original.
    pub beyond: bool,
    /// Whether the tool stands in the original's place, so that it has to give the very same bytes.
    pub in_place: bool,
    /// Standard input, if it is not the process's own.
    pub input: Option<Vec<u8>>,
    /// What was read ahead of a list of exports.
    pub(crate) exports: Option<Arc<Exports>>,
    env: Env,
}

/// A file on disk.
struct OnDisk {
    file: File,
    length: u64,
}

impl Ranged for OnDisk {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) {
        // What cannot be read stays zero, as a mapping's last page does.
        let _ = self.file.read_exact_at(into, offset);
    }
}

impl ToolHost {
    /// A host whose relative paths start at `dir`, with an environment.
    #[must_use]
    pub fn new(dir: PathBuf, env: Env) -> Self {
        ToolHost {
            dir,
            out: Vec::new(),
            err: Vec::new(),
            failed: false,
            beyond: false,
            in_place: false,
            input: None,
            exports: None,
            env,
        }
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        self.dir.join(Path::new(OsStr::from_bytes(path)))
    }
}

/// The content of a file that was just opened and said to be so long.
pub(crate) fn read_whole(mut file: File, size: usize) -> io::Result<Vec<u8>> {
    // With room for one byte more, a read that gives what the file holds has seen its end.
    let mut bytes = Vec::with_capacity(size.min(1 << 30) + 1);
    match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    // What is no plain file has no length of its own.
    if size == 0 || bytes.len() != size {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl Host for ToolHost {
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(path))?;
        let about = fstat(&file)?;
        read_whole(file, usize::try_from(about.st_size).unwrap_or(0))
    }

    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        // The original tools open the file in place, so its mode and links stay as they were.
        let done = File::create(self.path(path)).and_then(|mut f| f.write_all(bytes));
        self.failed |= done.is_err();
        done
    }

    fn open(&mut self, path: &[u8]) -> io::Result<Box<dyn Ranged>> {
        let file = File::open(self.path(path))?;
        let about = fstat(&file)?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => {
                let length = u64::try_from(about.st_size).unwrap_or(0);
                Ok(Box::new(OnDisk { file, length }))
            }
            FileType::Directory => Err(rustix::io::Errno::ISDIR.into()),
            // A pipe has no length and no places.
            _ => Ok(Box::new(self.read(path)?)),
        }
    }

    fn replace(&mut self, beside: &[u8], path: &[u8], bytes: &[u8]) -> io::Result<()> {
        self.write(beside, bytes)?;
        let done = std::fs::rename(self.path(beside), self.path(path));
        self.failed |= done.is_err();
        done
    }

    fn ahead(&mut self, path: &[u8]) -> Option<Ahead> {
        self.exports.as_ref()?.take(&self.path(path))
    }

    fn beyond(&mut self) {
        self.beyond = true;
    }

    fn takes_chance(&self) -> bool {
        !self.in_place
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        if let Some(input) = self.input.take() {
            return Ok(input);
        }
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
