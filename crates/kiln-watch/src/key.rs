//! What an answer is the answer to: a hash of everything that a command is given before it has
//! looked at a single file. It knows nothing of files and of where answers are kept.

use std::io::Read;

use xxhash_rust::xxh3::Xxh3;

use crate::given::Given;

/// The name of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct Key(pub u128);

/// The machine and the user as programs see them: what `uname`, `id` and `umask` tell. A home
/// directory may be shared between machines, and the cache with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surroundings(Vec<u8>);

impl Surroundings {
    /// Those of this process. Ask once for a run.
    #[must_use]
    pub fn now() -> Self {
        let uname = rustix::system::uname();
        let mut text = Vec::new();
        for part in
            [uname.sysname(), uname.nodename(), uname.release(), uname.version(), uname.machine()]
        {
            text.extend_from_slice(part.to_bytes_with_nul());
        }
        let ids = [
            rustix::process::getuid().as_raw(),
            rustix::process::geteuid().as_raw(),
            rustix::process::getgid().as_raw(),
            rustix::process::getegid().as_raw(),
        ];
        let groups = rustix::process::getgroups().unwrap_or_default();
        for id in ids.into_iter().chain(groups.iter().map(|g| g.as_raw())) {
            text.extend_from_slice(&id.to_le_bytes());
        }
        // The mask itself can only be read by setting it, which other threads would feel.
        // It stands near the beginning, and one read gives that.
        let mut status = [0; 512];
        let length = std::fs::File::open("/proc/self/status").and_then(|mut f| f.read(&mut status));
        let status = &status[..length.unwrap_or(0)];
        let umask = status.split(|b| *b == b'\n').find(|l| l.starts_with(b"Umask:"));
        text.extend_from_slice(umask.unwrap_or_default());
        Surroundings(text)
    }
}

/// What a command is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What kind of question it is (`command`, `run`): two kinds never share an answer.
    pub purpose: &'a [u8],
    /// The arguments, the program first.
    pub argv: &'a [Vec<u8>],
    /// The directory.
    pub dir: &'a [u8],
    /// The environment.
    pub env: &'a [(Vec<u8>, Vec<u8>)],
    /// What the standard streams are: `kept`, or what [`crate::stream_kind`] says of a given one.
    /// Programs may ask, and what is read from or written to `/dev/null` is no reason to be opaque.
    pub streams: &'a [u8],
    /// Kiln's own version and whatever of its settings matters.
    pub version: &'a [u8],
}

/// A question with all that its answer may depend on.
#[derive(Clone, Debug)]
pub struct Query {
    /// The command, the directory, the user and the machine.
    pub key: Key,
    /// What it is given besides.
    pub given: Given,
}

impl Question<'_> {
    /// For a [`crate::Store`]: the key leaves out what may turn out not to matter, the environment, the
    /// streams and where temporary files are made.
    #[must_use]
    pub fn query(&self, around: &Surroundings) -> Query {
        let (argv, places) = crate::places::marked(self.argv);
        let question = Question { argv: &argv, env: &[], streams: b"", ..*self };
        let key = question.key(around);
        Query { key, given: Given::new(&argv, self.dir, self.env, self.streams, places) }
    }

    /// A key for exactly this question.
    #[must_use]
    pub fn key(&self, around: &Surroundings) -> Key {
        let mut hash = Xxh3::new();
        // Each part is led by its length, so that no two questions read alike.
        let mut add = |part: &[u8]| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        for part in [self.purpose, self.dir, self.streams, self.version, &around.0] {
            add(part);
        }
        add(&(self.argv.len() as u64).to_le_bytes());
        for arg in self.argv {
            add(arg);
        }
        let mut env: Vec<&(Vec<u8>, Vec<u8>)> = self.env.iter().collect();
        env.sort();
        for (name, value) in env {
            add(name);
            add(value);
        }
        Key(hash.digest128())
    }

    /// The arguments in one line, for lists: the shell's own name and `-c` are left out.
    #[must_use]
    pub fn label(&self) -> Vec<u8> {
        const LONGEST: usize = 200;
        let skip = if self.argv.len() == 3
            && self.argv[1].starts_with(b"-")
            && self.argv[1].ends_with(b"c")
        {
            2
        } else {
            0
        };
        let mut line = self.argv[skip..].join(&b' ');
        line.iter_mut().for_each(|b| {
            if b.is_ascii_control() {
                *b = b' ';
            }
        });
        line.truncate(LONGEST);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(argv: &[&str], env: &[(&str, &str)]) -> Key {
        let argv: Vec<Vec<u8>> = argv.iter().map(|a| a.as_bytes().to_vec()).collect();
        let env: Vec<_> =
            env.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        Question {
            purpose: b"command",
            argv: &argv,
            dir: b"/x",
            env: &env,
            streams: b"",
            version: b"1",
        }
        .key(&Surroundings(Vec::new()))
    }

    #[test]
    fn every_variable_counts() {
        let gcc = ["sh", "-c", "gcc -v"];
        for name in ["PATH", "LANG", "KCFLAGS", "SSH_TTY", "_"] {
            assert_ne!(key(&gcc, &[(name, "a")]), key(&gcc, &[(name, "b")]), "{name}");
            assert_ne!(key(&gcc, &[(name, "")]), key(&gcc, &[]), "{name}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(key(&["a", "b"], &[]), key(&["ab"], &[]));
        assert_ne!(key(&["a", "b"], &[]), key(&["a"], &[("b", "")]));
    }
}
