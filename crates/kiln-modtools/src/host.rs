//! What a tool may ask of the world: files by name, the standard streams, the environment.

use std::io;

use crate::modpost::Ahead;

/// A file that is open for reading in pieces.
pub trait Ranged {
    /// Its length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` from this offset on. What the file no longer holds, or what cannot be read, stays
    /// as it is.
    fn read_at(&self, offset: u64, into: &mut [u8]);
}

/// A whole file in memory.
impl Ranged for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
    }
}

/// The seam between a tool and the system. Paths are bytes as the tool's arguments spell them;
/// a relative one is relative to the directory of the build, which the implementation knows.
pub trait Host {
    /// The whole content of a file.
    ///
    /// # Errors
    /// Whatever the system says; tools print it in the original's words.
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>>;

    /// Puts `bytes` in the place of the file, whole or not at all where the file system allows it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write(&mut self, path: &[u8], bytes: &[u8]) -> io::Result<()>;

    /// A file to be read in pieces, for those that are large and mostly of no interest.
    ///
    /// # Errors
    /// Whatever the system says; that it is a directory, too.
    fn open(&mut self, path: &[u8]) -> io::Result<Box<dyn Ranged>> {
        Ok(Box::new(self.read(path)?))
    }

    /// Puts `bytes` in the place of the file at `path` by writing and renaming the file at `beside`.
    ///
    /// # Errors
    /// Whatever the system says.
    fn replace(&mut self, beside: &[u8], path: &[u8], bytes: &[u8]) -> io::Result<()> {
        let _ = beside;
        self.write(path, bytes)
    }

    /// What was read ahead of the list of exports at `path`, if the file is still the one that was read.
    fn ahead(&mut self, path: &[u8]) -> Option<Ahead> {
        let _ = path;
        None
    }

    /// What is asked for is the original's to do or to refuse: whoever runs a tool in the original's
    /// place lets the original run after all. Nothing has been written when a tool says so.
    fn beyond(&mut self) {}

    /// Whether output is welcome that the original would not give twice either.
    fn takes_chance(&self) -> bool {
        true
    }

    /// All of standard input.
    ///
    /// # Errors
    /// Whatever the system says.
    fn stdin(&mut self) -> io::Result<Vec<u8>>;

    /// Appends to standard output.
    fn stdout(&mut self, bytes: &[u8]);

    /// Appends to standard error.
    fn stderr(&mut self, bytes: &[u8]);

    /// The value of an environment variable.
    fn env(&self, name: &[u8]) -> Option<Vec<u8>>;
}
