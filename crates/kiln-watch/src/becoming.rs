//! What it means that a task becomes a program, and that a program reads a text: the program has to
//! be on the table, its interpreter and libraries are facts, and a text that an interpreter is about to
//! follow may not ask for time or chance. It knows nothing of other system calls.

use crate::eye::{Eye, Identity, RealEye};
use crate::fact::Why;
use crate::given::lists_variables;
use crate::handlers::{Pending, Scene, Task};
use crate::programs::{self, Class};
use crate::{special, tracee};

impl Scene {
    /// A regular file was opened for reading.
    pub fn read_file(&mut self, tid: i32, task: &Task, path: &[u8], id: Identity, fd: i32) {
        let open = tracee::descriptor_path(tid, fd);
        if let Some(Class::Interpreter(words)) = task.class {
            self.scan(words, path, &id, &open);
        }
        self.ledger.contents(path, id, &open);
    }

    /// Looks for words in a text that an interpreter is about to read. Libraries and tables are not
    /// text: they have a NUL near their beginning.
    fn scan(&mut self, words: &'static [&'static str], path: &[u8], id: &Identity, open: &[u8]) {
        const LONGEST: u64 = 4 << 20;
        if id.size == 0 {
            return;
        }
        let Some(text) = read_some(open, LONGEST) else {
            return self.ledger.refuse(Why::File, path);
        };
        if text.iter().take(512).any(|b| *b == 0) {
            return;
        }
        if id.size > LONGEST {
            return self.ledger.refuse(Why::File, path);
        }
        self.says_pid |= programs::contains(&text, b"$$");
        self.ledger.asks.everything |= lists_variables(&text);
        if let Some(word) = programs::word_in(words, &text) {
            self.ledger.refuse(Why::Word, word);
        }
    }

    /// A task has become another program.
    pub fn became(&mut self, tid: i32, task: &mut Task) {
        let (path, argv) = match std::mem::take(&mut task.pending) {
            Pending::Exec { path, argv } => (path, argv),
            _ => return self.ledger.refuse(Why::Call, "execve"),
        };
        let Some(real) = tracee::program(tid) else {
            return self.ledger.refuse(Why::Program, path);
        };
        // A script, its interpreter, and what interprets that: each by the path that was asked for.
        let mut called = path;
        let mut is_script = false;
        for _ in 0..5 {
            self.look_at(&called);
            match tracee::interpreter(&called) {
                Some(next) => called = next,
                None => break,
            }
            is_script = true;
        }
        for file in tracee::mapped(tid) {
            self.look_at(&file);
        }
        let Some(program) = programs::lookup(&real, &called) else {
            let mut what = real.clone();
            what.extend_from_slice(b", ");
            what.extend_from_slice(programs::refusal(&real, &called).as_bytes());
            return self.ledger.refuse(Why::Program, what);
        };
        self.ledger.program(&real);
        self.ledger.asks.everything |= program.lists_variables();
        let name = argv.first().filter(|_| !is_script).unwrap_or(&called);
        self.ledger.asks.caller |= programs::asks_for_caller(&real, &called, name);
        task.looked_for_pwd = false;
        task.class = Some(program.class);
        task.says_proc = special::says_proc(&argv);
        if let Some(word) = programs::forbidden_argument(program.class, &argv) {
            self.ledger.refuse(Why::Word, word);
        }
        if matches!(program.class, Class::Interpreter(_)) {
            self.says_pid |= argv.iter().any(|a| programs::contains(a, b"$$"));
            self.ledger.asks.everything |= argv.iter().any(|a| lists_variables(a));
        }
    }

    fn look_at(&mut self, path: &[u8]) {
        match RealEye.identity(path, true) {
            Ok(id) => self.ledger.contents(path, id, path),
            Err(_) => self.ledger.refuse(Why::Changed, path),
        }
    }
}

/// Whether a program may come to other rights by being run: under another's eye it would not get
/// them, so it has to be let go first.
pub fn gains_rights(path: &[u8]) -> bool {
    let Ok(id) = RealEye.identity(path, true) else { return false };
    let mut buffer = [0u8; 32];
    id.mode & 0o6000 != 0
        || rustix::fs::getxattr(path, c"security.capability", &mut buffer[..]).is_ok_and(|n| n > 0)
}

fn read_some(path: &[u8], most: u64) -> Option<Vec<u8>> {
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;
    let file = std::fs::File::open(std::path::Path::new(std::ffi::OsStr::from_bytes(path))).ok()?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text).ok()?;
    Some(text)
}
