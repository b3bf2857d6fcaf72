//! What tests of the whole program begin with: a directory of their own with Kiln in it, called `make`.

use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory, by a path without links. It goes when the test ends.
pub struct Root {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Root {
    /// With `make` in it and nothing else.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kiln"), path.join("make")).unwrap();
        Root { path, _dir: dir }
    }

    /// A program in a directory below, with a cache of the test's own and nothing else to go by.
    pub fn command(&self, program: impl AsRef<OsStr>, dir: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.join(dir)).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("XDG_CACHE_HOME", self.join("cache"));
        command
    }
}

impl Deref for Root {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}
