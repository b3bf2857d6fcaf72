//! What an answer is the answer to: a hash of everything that a command is given before it has
//! looked at a single file. It knows nothing of files and of where answers are kept.

use std::io::Read;

use xxhash_rust::xxh3::Xxh3;

/// The name of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
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

/// How much of a variable does not matter.
enum Part {
    /// All of it.
    Whole,
    /// The job slots in make's flags.
    JobSlots,
}

/// Variables that are different each time and yet do not matter to any program of the table
/// ([`crate::programs::DETERMINISTIC`]). One that the command's own text names counts all the same.
const IGNORED: &[(&str, Part, &str)] = &[
    ("_", Part::Whole, "a shell sets it to the last program's path before it starts the next"),
    ("MAKEFLAGS", Part::JobSlots, "the fifo's name and the descriptors are new in every run"),
    ("MFLAGS", Part::JobSlots, "the same, as older makes write it"),
    ("SHLVL", Part::Whole, "counts the shells around Kiln"),
    ("WINDOWID", Part::Whole, "the terminal window's number"),
    ("TERM_SESSION_ID", Part::Whole, "the terminal window's number"),
    ("SSH_CLIENT", Part::Whole, "where the user sits"),
    ("SSH_CONNECTION", Part::Whole, "where the user sits"),
    ("SSH_TTY", Part::Whole, "where the user sits"),
    ("SSH_AUTH_SOCK", Part::Whole, "the way to the user's keys, new with each login"),
    ("SSH_AGENT_PID", Part::Whole, "the way to the user's keys, new with each login"),
    ("GPG_TTY", Part::Whole, "where the user sits"),
    ("DBUS_SESSION_BUS_ADDRESS", Part::Whole, "the desktop's bus"),
    ("XDG_SESSION_ID", Part::Whole, "the login's number"),
    ("TMUX", Part::Whole, "the terminal multiplexer's socket"),
    ("TMUX_PANE", Part::Whole, "the terminal multiplexer's window"),
    ("STY", Part::Whole, "the terminal multiplexer's session"),
    ("WINDOW", Part::Whole, "the terminal multiplexer's window"),
    ("INVOCATION_ID", Part::Whole, "systemd's number of this start"),
    ("JOURNAL_STREAM", Part::Whole, "systemd's log"),
    ("OLDPWD", Part::Whole, "where the shell was before"),
];

/// make's flags without the words that say how many jobs and whence their slots come. What follows
/// `--` are variables, and stays.
fn without_job_slots(flags: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut variables = false;
    for word in flags.split(|b| *b == b' ') {
        variables |= word == b"--";
        let slots = word.starts_with(b"--jobserver-auth=")
            || word.starts_with(b"--jobserver-fds=")
            || word.starts_with(b"-j") && word[2..].iter().all(u8::is_ascii_digit)
            || word.starts_with(b"-l")
                && word[2..].iter().all(|b| b.is_ascii_digit() || *b == b'.');
        if (variables || !slots) && !word.is_empty() {
            kept.extend_from_slice(word);
            kept.push(b' ');
        }
    }
    kept
}

impl Question<'_> {
    /// The key of its answer.
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
            let ignored = IGNORED.iter().find(|(ignored, ..)| ignored.as_bytes() == name);
            // `_` stands in any text; a shell sets it itself before it is asked for it.
            // Asked of few names only: commands are long, and so are environments.
            let named = ignored.is_some()
                && name != b"_"
                && self.argv.iter().any(|a| crate::programs::contains(a, name));
            match ignored {
                Some((_, Part::Whole, _)) if !named => {}
                Some((_, Part::JobSlots, _)) if !named => {
                    add(name);
                    add(&without_job_slots(value));
                }
                _ => {
                    add(name);
                    add(value);
                }
            }
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
    fn every_variable_counts_but_the_ignored() {
        let gcc = ["sh", "-c", "gcc -v"];
        for name in ["PATH", "LANG", "GCC_EXEC_PREFIX", "COMPILER_PATH", "CROSS_COMPILE", "KCFLAGS"]
        {
            assert_ne!(key(&gcc, &[(name, "a")]), key(&gcc, &[(name, "b")]), "{name}");
            assert_ne!(key(&gcc, &[(name, "")]), key(&gcc, &[]), "{name}");
        }
        assert_eq!(key(&gcc, &[("SSH_TTY", "a"), ("_", "x")]), key(&gcc, &[("_", "y")]));
    }

    #[test]
    fn an_ignored_variable_counts_where_it_is_named() {
        let says = ["sh", "-c", "echo $SSH_TTY"];
        assert_ne!(key(&says, &[("SSH_TTY", "a")]), key(&says, &[("SSH_TTY", "b")]));
    }

    #[test]
    fn job_slots_do_not_count() {
        let gcc = ["gcc"];
        let with = |v| key(&gcc, &[("MAKEFLAGS", v)]);
        let fifo = "rR -j8 --jobserver-auth=fifo:/tmp/GMfifo77 -- V=1";
        assert_eq!(with(fifo), with("rR -j2 --jobserver-auth=3,4 -- V=1"));
        assert_ne!(with(fifo), with("rR -j8 --jobserver-auth=fifo:/tmp/GMfifo77 -- V=0"));
        assert_ne!(with("rR -- A=-j8"), with("rR -- A=-j9"));
        assert_ne!(with("rR -- X -j8"), with("rR -- X -j9"));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(key(&["a", "b"], &[]), key(&["ab"], &[]));
        assert_ne!(key(&["a", "b"], &[]), key(&["a"], &[("b", "")]));
    }
}
