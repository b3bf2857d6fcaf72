//! All kernel trees of a machine, and the one that is meant.
//!
//! Looks where distributions put trees and into Kiln's store. Knows where, not what: trees are
//! opened by [`crate::tree`].

use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::describe::arch_of;
use crate::error::{Error, Kind, Result};
use crate::machine::Machine;
use crate::release;
use crate::store::Store;
use crate::tree::{Origin, Tree};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Usable trees, the newest release first; of one release the installed one first.
    pub trees: Vec<Tree>,
    /// Places that should hold a tree and do not, with the reason in words.
    pub broken: Vec<(PathBuf, String)>,
}

/// Which tree is used, and why.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The tree.
    pub tree: Tree,
    /// Why this one.
    pub because: Because,
}

/// Why a tree was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// It was named.
    Asked,
    /// It is the running kernel's.
    Running,
    /// The running kernel has none here; it is the newest of those found.
    Newest {
        /// The running kernel.
        running: Option<String>,
        /// How many there were to choose from.
        of: usize,
    },
}

/// Looks everywhere. A machine without trees is no error.
pub fn discover(machine: &Machine) -> Discovery {
    let mut found = Discovery::default();
    // Both names of one directory on a machine with /lib -> usr/lib; equal trees are dropped below.
    for dir in ["/lib/modules", "/usr/lib/modules"] {
        for inside in children(machine, dir) {
            let build = inside.join("build");
            match machine.root.resolve(&build) {
                Ok(real) => found.open(machine, &machine.root.outside(&real), Origin::Installed),
                Err(_) => {
                    let link = fs::read_link(machine.root.outside(&build));
                    if let Ok(target) = link {
                        let why = format!("leads to {}, which does not exist", target.display());
                        found.broken.push((build, why));
                    }
                }
            }
        }
    }
    for (dir, prefix) in [("/usr/src", "linux-headers-"), ("/usr/src/kernels", "")] {
        for inside in children(machine, dir) {
            let name = inside.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let real = machine.root.find(&inside);
            if let Some(real) = real.filter(|r| name.starts_with(prefix) && looks_like_tree(r)) {
                found.open(machine, &real, Origin::Source);
            }
        }
    }
    if let Some(store) = &machine.store {
        let (trees, broken) = Store::at(store).trees();
        found.trees.extend(trees);
        found.broken.extend(broken);
    }
    found.broken.sort();
    found.broken.dedup();
    found.trees.sort_by(newest_first);
    found
}

impl Discovery {
    fn open(&mut self, machine: &Machine, real: &Path, origin: Origin) {
        if self.trees.iter().any(|t| same_place(&t.dir, real)) {
            return;
        }
        match Tree::open(&machine.root, real, origin) {
            Ok(tree) => self.trees.push(tree),
            Err(e) => self.broken.push((real.to_path_buf(), e.message)),
        }
    }

    /// The default: the running kernel's tree, else the newest that is for this machine's
    /// architecture.
    ///
    /// # Errors
    /// [`Kind::NoTree`] with the commands that install one.
    pub fn choose(&self, machine: &Machine) -> Result<Choice> {
        let running = self.trees.iter().find(|t| t.is_for_running(machine));
        if let Some(tree) = running {
            return Ok(Choice { tree: tree.clone(), because: Because::Running });
        }
        let ours: Vec<&Tree> = self.trees.iter().filter(|t| is_native(t, machine)).collect();
        // A source that was never configured cannot be built against; any other comes first.
        let ready = ours.iter().find(|t| t.dir.join("include/config/auto.conf").is_file());
        match ready.or(ours.first()) {
            Some(tree) => Ok(Choice {
                tree: (*tree).clone(),
                because: Because::Newest { running: machine.running.clone(), of: ours.len() },
            }),
            None => Err(no_tree(self, machine)),
        }
    }

    /// The tree that a word means: a directory if it holds a slash; the name of a store entry, as
    /// `store:NAME` only that; a release; the beginning of one, of which the newest is taken, this
    /// machine's architecture first; at last a directory here.
    ///
    /// # Errors
    /// [`Kind::UnknownTree`] with the names there are; what [`Tree::open`] says of a directory.
    pub fn find(&self, machine: &Machine, spec: &Path) -> Result<Choice> {
        let asked = |tree: Tree| Choice { tree, because: Because::Asked };
        let text = spec.to_string_lossy();
        if text.contains('/') {
            return directory(machine, spec).map(asked);
        }
        let stored = text.strip_prefix("store:");
        let name = stored.unwrap_or(&text);
        let mut fits: Vec<&Tree> = match stored {
            Some(_) => self.trees.iter().filter(|t| matches!(t.origin, Origin::Store(_))).collect(),
            None => self.trees.iter().collect(),
        };
        let exact = |t: &&&Tree| t.release == name || t.name() == name;
        if let Some(tree) = fits.iter().find(exact) {
            return Ok(asked((**tree).clone()));
        }
        fits.retain(|t| release::begins(&t.release, name));
        // `trees` is sorted, so the first that is for this machine is the newest such.
        if let Some(tree) = fits.iter().find(|t| is_native(t, machine)).or(fits.first()) {
            return Ok(asked((**tree).clone()));
        }
        if stored.is_none() && spec.is_dir() {
            return directory(machine, spec).map(asked);
        }
        Err(unknown(self, machine, name))
    }
}

fn directory(machine: &Machine, spec: &Path) -> Result<Tree> {
    if let Some(tree) = machine.store.as_ref().and_then(|s| Store::at(s).tree_at(spec)) {
        return Ok(tree);
    }
    match Tree::open(&machine.root, spec, Origin::Given) {
        // `-k /lib/modules/RELEASE` is what people type when they mean its `build`.
        Err(_) if spec.join("build/Makefile").is_file() => {
            Tree::open(&machine.root, &spec.join("build"), Origin::Given)
        }
        other => other,
    }
}

/// Whether the tree is for this machine's architecture; one that does not say counts as if.
fn is_native(tree: &Tree, machine: &Machine) -> bool {
    arch_of(tree).is_none_or(|a| a.srcarch == machine.family.srcarch && !a.user_mode)
}

fn newest_first(a: &Tree, b: &Tree) -> Ordering {
    let place = |t: &Tree| match t.origin {
        Origin::Installed => 0,
        Origin::Source => 1,
        _ => 2,
    };
    release::compare(&b.release, &a.release)
        .then_with(|| place(a).cmp(&place(b)))
        .then_with(|| a.dir.cmp(&b.dir))
}

fn same_place(a: &Path, b: &Path) -> bool {
    a == b || fs::canonicalize(b).is_ok_and(|b| a == b)
}

/// Anything else below /usr/src is not a broken tree, just something else.
fn looks_like_tree(dir: &Path) -> bool {
    dir.join("include/config/auto.conf").is_file() || dir.join("Kconfig").is_file()
}

/// The names inside a directory of the machine, sorted, as names inside its root.
fn children(machine: &Machine, dir: &str) -> Vec<PathBuf> {
    let Some(real) = machine.root.find(Path::new(dir)) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(real) else { return Vec::new() };
    let mut out: Vec<PathBuf> =
        entries.flatten().map(|e| Path::new(dir).join(e.file_name())).collect();
    out.sort();
    out
}

fn no_tree(found: &Discovery, machine: &Machine) -> Error {
    let message = match &machine.running {
        Some(running) => format!(
            "no kernel tree on this machine: neither /lib/modules/{running}/build for the running \
             kernel nor any other in /lib/modules, /usr/src or Kiln's store"
        ),
        None => "no kernel tree in /lib/modules, /usr/src or Kiln's store".to_string(),
    };
    let mut error = Error::new(Kind::NoTree, message);
    for tree in &found.trees {
        error = error.hint(format!(
            "{} is for another architecture; -k {} uses it",
            tree.dir.display(),
            tree.name()
        ));
    }
    for (place, why) in &found.broken {
        error = error.hint(format!("{} {why}", place.display()));
    }
    error.hints(install_hints(machine, machine.running.as_deref()))
}

/// The commands that bring headers: those of the release, and those of the current kernel.
fn install_hints(machine: &Machine, wanted: Option<&str>) -> Vec<String> {
    let Some(manager) = machine.os.manager() else {
        return vec![
            "install your distribution's package with the kernel's headers, or name a kernel tree \
             with -k DIR"
                .to_string(),
        ];
    };
    let mut out = Vec::new();
    let current = manager.current_headers(machine.family, &machine.os);
    if let Some(package) = wanted.and_then(|r| manager.headers(r)) {
        let command = machine.as_root(&manager.install(std::slice::from_ref(&package)));
        out.push(format!("for that kernel: {command}"));
        if package == current {
            return out;
        }
    }
    let command = machine.as_root(&manager.install(&[current]));
    out.push(format!("for the distribution's current kernel: {command}"));
    out
}

fn unknown(found: &Discovery, machine: &Machine, name: &str) -> Error {
    let mut error = Error::new(Kind::UnknownTree, format!("no kernel tree is called {name}"));
    if found.trees.is_empty() {
        error = error.hint("there is no kernel tree on this machine at all");
    } else {
        let names: Vec<&str> = found.trees.iter().map(Tree::name).collect();
        error = error.hint(format!("there are {}", names.join(", ")));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('-') {
        error = error.hints(install_hints(machine, Some(name)).into_iter().take(1));
        error = error.hint(format!("without root: kiln kernels fetch {name}"));
    }
    error
}

impl fmt::Display for Choice {
    /// One line for people: which tree is used and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {} in {}", self.tree.release, self.tree.dir.display())?;
        match &self.because {
            Because::Asked => Ok(()),
            Because::Running => f.write_str(" (the running kernel's)"),
            Because::Newest { running, of } => {
                f.write_str(" (")?;
                if let Some(running) = running {
                    write!(f, "the running kernel {running} has no tree here; ")?;
                }
                match of {
                    1 => f.write_str("the only one found)"),
                    _ => write!(f, "the newest of {of})"),
                }
            }
        }
    }
}
