//! What a tool may ask of the world: files by name, the standard streams, the environment.

use std::io;

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
