//! A case as data: what stands in the directory, what is run there, and what it needs of the machine.
//!
//! Nothing here touches the system. The builder methods exist so that a table of cases reads as one
//! line per case.

/// Who runs a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum User {
    /// The user that runs the tests.
    Tester,
    /// A user without rights (nobody); where the tests run as root this is a second user.
    Nobody,
}

/// A signal that a case sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// What Ctrl-C sends.
    Int,
    /// What a service manager sends.
    Term,
    /// What cannot be caught.
    Kill,
}

/// A signal sent while a command line runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interrupt {
    /// Which.
    pub signal: Signal,
    /// To the whole process group, as a terminal does, or to the first process alone.
    pub group: bool,
    /// The signal is sent as soon as this file (below the case's top) exists.
    pub when: String,
}

/// Which program `make` is in a step of a case with turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// The reference.
    Reference,
    /// The program under test.
    Subject,
}

/// One command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// A line for `sh`, run in the module's directory with the shell variables KDIR, KVER, TOP, DIR
    /// and ASSETS set but not exported.
    pub line: String,
    /// Who runs it.
    pub user: User,
    /// The signal that ends it, if one does.
    pub interrupt: Option<Interrupt>,
}

/// What a case cannot do without; where it is missing the case is a named skip.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// To be root: mounts, second users.
    Root,
    /// A program found by PATH.
    Program(&'static str),
}

/// On which kernel trees a case runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trees {
    /// On all that are tested.
    All,
    /// Only on the trees of these series, such as `6.12`.
    Only(&'static [&'static str]),
}

/// A case of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    /// `area/what`, unique.
    pub name: String,
    /// A folder of `examples/` whose content the module's directory starts with.
    pub example: Option<String>,
    /// A Debian package whose folder with the dkms.conf the directory starts with.
    pub package: Option<String>,
    /// Further files, relative to the module's directory; a name that begins with `../` is relative to
    /// the case's top. A text that begins with `#!` is made executable.
    pub files: Vec<(String, String)>,
    /// Lines for `sh`, run before the first step and not compared. `make` is not for these.
    pub prepare: Vec<String>,
    /// The command lines.
    pub steps: Vec<Step>,
    /// On which trees.
    pub trees: Trees,
    /// What it needs of the machine.
    pub needs: Vec<Need>,
    /// Works with a copy of the kernel tree at `$TOP/kdir`, which the case may change.
    pub kdir_copy: bool,
    /// The module's directory is a file system of its own, of so many KiB.
    pub disk: Option<u32>,
    /// The module's directory belongs to nobody.
    pub owned_by_nobody: bool,
    /// Which program each step's `make` is, when the program under test has its turn; empty: always it.
    /// A case with turns also compares which files each step wrote.
    pub turns: Vec<Who>,
    /// Is also compared by which files each step wrote.
    pub writes: bool,
    /// Takes long and runs only when asked.
    pub long: bool,
    /// Beyond the rows that every run owes: in a usual run it takes one tree, not all of them.
    pub extra: bool,
}

impl Case {
    /// An empty case of that name.
    pub fn new(name: &str) -> Self {
        Case {
            name: name.to_owned(),
            example: None,
            package: None,
            files: Vec::new(),
            prepare: Vec::new(),
            steps: Vec::new(),
            trees: Trees::All,
            needs: Vec::new(),
            kdir_copy: false,
            disk: None,
            owned_by_nobody: false,
            turns: Vec::new(),
            writes: false,
            long: false,
            extra: false,
        }
    }

    /// Starts from a folder of `examples/`.
    pub fn example(mut self, name: &str) -> Self {
        self.example = Some(name.to_owned());
        self
    }

    /// Starts from a package's module source.
    pub fn package(mut self, name: &str) -> Self {
        self.package = Some(name.to_owned());
        self
    }

    /// Adds or replaces a file.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.retain(|(n, _)| n != name);
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Adds a preparing shell line.
    pub fn prepare(mut self, line: &str) -> Self {
        self.prepare.push(line.to_owned());
        self
    }

    /// Adds a command line.
    pub fn run(mut self, line: &str) -> Self {
        self.steps.push(Step { line: line.to_owned(), user: User::Tester, interrupt: None });
        self
    }

    /// Adds a command line that nobody runs.
    pub fn run_as_nobody(mut self, line: &str) -> Self {
        self.steps.push(Step { line: line.to_owned(), user: User::Nobody, interrupt: None });
        self
    }

    /// Adds a command line that is ended by a signal as soon as the file `when` exists.
    pub fn interrupted(mut self, line: &str, signal: Signal, group: bool, when: &str) -> Self {
        let interrupt = Some(Interrupt { signal, group, when: when.to_owned() });
        self.steps.push(Step { line: line.to_owned(), user: User::Tester, interrupt });
        self
    }

    /// The usual build: `make -C $KDIR M=$DIR` with more words.
    pub fn build(self, words: &str) -> Self {
        let line = format!("make -C $KDIR M=$DIR {words}");
        self.run(line.trim_end())
    }

    /// Runs only on these series.
    pub fn only(mut self, series: &'static [&'static str]) -> Self {
        self.trees = Trees::Only(series);
        self
    }

    /// Needs this of the machine.
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Works with a kernel tree of its own.
    pub fn own_kdir(mut self) -> Self {
        self.kdir_copy = true;
        self
    }

    /// Works on a file system of so many KiB.
    pub fn disk(mut self, kib: u32) -> Self {
        self.disk = Some(kib);
        self.needs(Need::Root)
    }

    /// The module's directory is nobody's.
    pub fn owned_by_nobody(mut self) -> Self {
        self.owned_by_nobody = true;
        self.needs(Need::Root)
    }

    /// Says which program has which step.
    pub fn turns(mut self, turns: &[Who]) -> Self {
        self.turns = turns.to_vec();
        self.writes = true;
        self
    }

    /// Compares also which files each step wrote.
    pub fn compare_writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Runs only when long tests are asked for.
    pub fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// The one tree, counted from 0, that an extra case takes of `count`: always the same one.
    pub fn one_of(&self, count: usize) -> usize {
        let sum: usize = self.name.bytes().map(usize::from).sum();
        sum % count.max(1)
    }

    /// Whether it runs on trees of `series`.
    pub fn runs_on(&self, series: &str) -> bool {
        match &self.trees {
            Trees::All => true,
            Trees::Only(list) => list.contains(&series),
        }
    }
}
