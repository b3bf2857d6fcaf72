//! The kernel's list of exports, read while the first compiler runs: modpost wants it as soon as the
//! last object is there, and nothing else goes on then.
//!
//! It is read once in the life of a process, on a thread of its own, and given away once, if the file is
//! still the one that was read. It does not know what stands in the list.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use kiln_exec::hooks::Env;
use kiln_modtools::modpost::{Ahead, read_ahead};
use rustix::fs::FileType;

use super::scans;
use crate::toolhost::ToolHost;

/// What there is of it.
#[derive(Default)]
pub(crate) struct Exports(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    NotBegun,
    Begun(JoinHandle<Option<Read>>),
    Over,
}

/// A list that was read, and what the file was then.
struct Read {
    identity: u128,
    list: Ahead,
}

impl Exports {
    /// Whether nothing was begun yet.
    pub(super) fn is_due(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::NotBegun)
    }

    /// Begins to read the list of the tree whose directory this is, or to which `objtree` leads.
    /// `wanted` says whether modpost, by its path, is done in the process.
    pub(super) fn begin(
        &self,
        env: Env,
        dir: &Path,
        wanted: impl FnOnce(&Path) -> bool + Send + 'static,
    ) {
        let tree = env.iter().find(|(n, _)| n == b"objtree").map(|(_, v)| v.clone());
        let tree = dir.join(std::ffi::OsStr::from_bytes(&tree.unwrap_or_default()));
        let read = move || {
            let file = tree.join("Module.symvers");
            if !wanted(&tree.join("scripts/mod/modpost")) {
                return None;
            }
            let before = identity(&file)?;
            let mut host = ToolHost::new(tree, env);
            let list = read_ahead(file.as_os_str().as_bytes(), &mut host)?;
            let is_silent = host.out.is_empty() && host.err.is_empty();
            (is_silent && identity(&file)? == before).then_some(Read { identity: before, list })
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::NotBegun = *state {
            // A process without threads to spare reads the list when it is wanted.
            *state = match std::thread::Builder::new().spawn(read) {
                Ok(thread) => State::Begun(thread),
                Err(_) => State::Over,
            };
        }
    }

    /// What was read of this very file.
    pub(crate) fn take(&self, file: &Path) -> Option<Ahead> {
        let state = std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            State::Over,
        );
        let State::Begun(thread) = state else { return None };
        // A panic has printed its message; then the list is read as ever.
        let read = thread.join().ok().flatten()?;
        (identity(file)? == read.identity).then_some(read.list)
    }
}

/// What a file is, unless it is too young to tell.
fn identity(file: &Path) -> Option<u128> {
    let stat = rustix::fs::stat(file).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
    is_file.then(|| scans::identity(&stat, scans::now())).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A tree with a list of one export, as old as it has to be to be believed.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("include/config")).expect("a directory");
        fs::write(dir.path().join("include/config/kernel.release"), "6.12.1\n").expect("a file");
        write(dir.path(), "0x00000001\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
        dir
    }

    fn write(dir: &Path, text: &str) {
        fs::write(dir.join("Module.symvers"), text).expect("a file");
    }

    fn begun(dir: &Path) -> Exports {
        let exports = Exports::default();
        exports.begin(Env::new(), dir, |_| true);
        assert!(!exports.is_due());
        exports
    }

    #[test]
    fn a_list_is_given_once_and_only_while_it_is_the_same() {
        let dir = tree();
        let file = dir.path().join("Module.symvers");
        assert!(begun(dir.path()).take(&file).is_none(), "too young to tell");
        std::thread::sleep(std::time::Duration::from_millis(4500));
        let exports = begun(dir.path());
        assert!(exports.take(&file).is_some());
        assert!(exports.take(&file).is_none(), "once");
        assert!(begun(dir.path()).take(&dir.path().join("include")).is_none(), "another file");

        // Of the same size: its times are others.
        let exports = begun(dir.path());
        while let State::Begun(thread) = &*exports.0.lock().expect("a lock")
            && !thread.is_finished()
        {
            std::thread::yield_now();
        }
        write(dir.path(), "0x00000002\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
        assert!(exports.take(&file).is_none());
    }

    #[test]
    fn what_there_is_something_to_say_about_is_read_when_it_is_wanted() {
        let dir = tree();
        // For this kernel's program it is a warning.
        fs::write(dir.path().join("include/config/kernel.release"), "5.10.1\n").expect("a file");
        let line = "0x00000001\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n";
        write(dir.path(), &[line, line].concat());
        std::thread::sleep(std::time::Duration::from_millis(4500));
        assert!(begun(dir.path()).take(&dir.path().join("Module.symvers")).is_none());
        let not_wanted = Exports::default();
        not_wanted.begin(Env::new(), dir.path(), |_| false);
        assert!(not_wanted.take(&dir.path().join("Module.symvers")).is_none());
    }
}
