//! Longest first: where several recipes may run at once, targets that are alike are visited in the
//! order of what they and all below them took before, so that the longest is not begun last.
//!
//! GNU make begins recipes in the order in which prerequisites are written, with `-j` too, and there are
//! makefiles that lean on it: what makes a header stands first, and who includes it does not say so. So
//! what may be begun before its turn is kept narrow. A prerequisite overtakes others only if all of this
//! holds:
//!
//! - They are neighbours in one list, without `.WAIT`, and are files of one rule each.
//! - They are alike: earlier runs saw the same recipes (text and place) make them and all below them,
//!   and what the makefiles say of them now names nothing else that could be made. So an object whose
//!   header is made first is no neighbour of one that is only compiled, and objects, links and
//!   generators do not overtake each other.
//! - Nothing else runs, in this instance or another: only recipes that such targets are made by. So
//!   what stands before them has not only begun, as with make, but ended.
//! - A file that two of them need has been begun, so that its recipe inherits the variables of the
//!   target that is written first.
//! - No recipe has begun in this run that was not known or is another one than remembered.
//!
//! What is left of the written order is this: among targets that are alike a shorter one may begin later.
//! None of these may make what another of them reads without saying so; they run side by side with make
//! too. Only the visiting changes, never what automatic variables show.

use std::hash::Hasher;
use std::sync::Arc;

use kiln_base::Name;
use kiln_make::{FileId, Make, Recipe};
use rustc_hash::{FxHashMap, FxHasher};

use crate::shuffle::Mode;
use crate::{Graph, Jobs, State, absolute, resolve};

/// A target that needs more files that nothing makes is not remembered as one that is like others.
const MOST_PLAIN: usize = 64;
/// What differs by less, in microseconds, or not by half, differs from run to run.
const LITTLE: u64 = 50_000;
/// Longer chains of targets are not followed.
const DEEPEST: u32 = 50;

/// What is remembered of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The file, absolute.
    pub name: Vec<u8>,
    /// How long its recipe took, in microseconds.
    pub took: u64,
    /// Which recipe that was, as [`kind`] says; 0 for a target that is like no other.
    pub kind: u64,
    /// The targets that it needs, as places in the list of all entries.
    pub needs: Vec<u32>,
    /// The names of the other files that it needs and no rule names as a target, hashed.
    pub plain: Vec<u64>,
}

/// What is remembered of the targets of a build.
#[derive(Debug, Default)]
pub struct Known {
    entries: Vec<Entry>,
    by_name: FxHashMap<Vec<u8>, u32>,
}

impl Known {
    /// Of these targets. Places that there are not are left out.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        let count = entries.len();
        for entry in &mut entries {
            entry.needs.retain(|&n| (n as usize) < count);
        }
        let by_name = (0u32..).zip(&entries).map(|(n, e)| (e.name.clone(), n)).collect();
        Known { entries, by_name }
    }

    /// What is remembered of a file (absolute).
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.by_name.get(name).map(|&n| &self.entries[n as usize])
    }

    /// All of it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How long the longest way down from an entry takes in microseconds. All entries on the way are
    /// put into `below`. `None` if one of them is like no other, or if it does not end.
    fn path(&self, n: u32, below: &mut FxHashMap<u32, u64>, depth: u32) -> Option<u64> {
        if let Some(&known) = below.get(&n) {
            return Some(known);
        }
        let entry = &self.entries[n as usize];
        if entry.kind == 0 || depth > DEEPEST {
            return None;
        }
        let mut longest = 0;
        for &need in &entry.needs {
            longest = self.path(need, below, depth + 1)?.max(longest);
        }
        let path = entry.took.saturating_add(longest);
        below.insert(n, path);
        Some(path)
    }
}

/// Which recipe this is: where it stands and what its text is. Never 0.
#[must_use]
pub fn kind(make: &Make, recipe: &Recipe) -> u64 {
    let mut hash = FxHasher::default();
    hash.write(recipe.loc.file.map_or(b"", |n: Name| make.names.bytes(n)));
    hash.write_u32(recipe.loc.line);
    hash.write(&recipe.text);
    hash.finish().max(1)
}

/// What a target needs, now that the walk has found the rules of all that is below it.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Targets that have recipes, absolute.
    pub made: Vec<Vec<u8>>,
    /// As [`Entry::plain`].
    pub plain: Vec<u64>,
    /// It is like no other.
    pub odd: bool,
}

/// Finds out what a target needs.
#[must_use]
pub fn needs(make: &Make, f: FileId) -> Needs {
    let mut needs = Needs { odd: !is_simple(make, f), ..Needs::default() };
    let mut seen = rustc_hash::FxHashSet::default();
    let mut open = vec![f];
    while let Some(f) = open.pop() {
        for d in make.files[f].deps.iter().filter_map(|d| d.file) {
            let d = resolve(make, d);
            if !seen.insert(d) {
                continue;
            }
            let file = &make.files[d];
            if file.recipe.is_some() {
                needs.made.push(absolute(make, d));
            } else if file.is_target {
                open.push(d);
            } else {
                needs.plain.push(hash(make.file_name(d)));
            }
        }
    }
    needs.made.sort_unstable();
    needs.plain.sort_unstable();
    if needs.plain.len() > MOST_PLAIN {
        needs.odd = true;
        needs.plain.clear();
    }
    needs
}

fn hash(name: &[u8]) -> u64 {
    let mut hash = FxHasher::default();
    hash.write(name);
    hash.finish()
}

/// A file of one rule, made by itself.
fn is_simple(make: &Make, f: FileId) -> bool {
    let file = &make.files[f];
    !file.phony && !file.intermediate && file.double_colon.is_none() && file.also_make.is_empty()
}

/// What a graph knows of the order.
#[derive(Default)]
pub(crate) struct Ahead {
    known: Option<Arc<Known>>,
    /// The entries of this instance's files.
    of: FxHashMap<FileId, u32>,
    lists: FxHashMap<FileId, List>,
}

/// The prerequisites of one target.
struct List {
    /// For each prerequisite as it is written, its run and what it takes.
    of: Vec<(Option<u32>, u64)>,
    runs: Vec<Run>,
    /// So many of the places of the visiting order are filled.
    settled: usize,
}

/// Neighbours that are alike.
struct Run {
    /// The recipes that make them and what is below them.
    kinds: Vec<u64>,
    /// What more than one of them needs.
    shared: Vec<u32>,
}

impl Graph {
    /// Which prerequisite is visited at a place of the order that is being found.
    pub(crate) fn next_visited(
        &mut self,
        make: &Make,
        jobs: &dyn Jobs,
        owner: FileId,
        place: usize,
    ) -> usize {
        if self.ahead.known.is_none() {
            match jobs.known() {
                Some(known) if self.shuffle == Mode::None && !make.special.not_parallel => {
                    self.ahead.begin(make, known);
                }
                _ => return self.visited_at(make, owner, place),
            }
        }
        let count = make.files[owner].deps.len();
        if !self.ahead.lists.contains_key(&owner) {
            let list = self.ahead.list(make, owner);
            if !list.runs.is_empty() && self.file(owner).order.is_none() {
                self.file_mut(owner).order = Some((0..count as u32).collect());
            }
            self.ahead.lists.insert(owner, list);
        }
        if let Some(by) = self.overtaking(make, jobs, owner, place, count)
            && let Some(order) = &mut self.file_mut(owner).order
        {
            order[place..=by].rotate_right(1);
        }
        if let Some(list) = self.ahead.lists.get_mut(&owner) {
            list.settled = list.settled.max(place + 1);
        }
        self.visited_at(make, owner, place)
    }

    /// The place of the prerequisite that is to be visited before the one at `place`.
    fn overtaking(
        &self,
        make: &Make,
        jobs: &dyn Jobs,
        owner: FileId,
        place: usize,
        count: usize,
    ) -> Option<usize> {
        let list = self.ahead.lists.get(&owner)?;
        if list.runs.is_empty() || place < list.settled || list.of.len() != count {
            return None;
        }
        let order = self.file(owner).order.as_ref().filter(|order| order.len() == count)?;
        let at = |place: usize| list.of[order[place] as usize];
        let run = at(place).0?;
        let end = (place..count).find(|&p| at(p).0 != Some(run)).unwrap_or(count);
        let longest = (place..end).map(|p| at(p).1).max()?;
        // What takes about as long goes first where it is written first.
        let enough = (longest / 2).min(longest.saturating_sub(LITTLE));
        let by = (place..end).find(|&p| at(p).1 >= enough)?;
        let run = &list.runs[run as usize];
        let free =
            || run.shared.iter().all(|&n| self.has_begun(make, n)) && jobs.runs_only(&run.kinds);
        (by > place && free()).then_some(by)
    }

    fn has_begun(&self, make: &Make, n: u32) -> bool {
        let name = self.ahead.known.as_ref().map(|known| &known.entries[n as usize].name);
        let file = name.and_then(|name| find(make, name)).map(|f| resolve(make, f));
        file.is_some_and(|f| self.is_updated(f) || self.state(f) >= State::Running)
    }

    /// The prerequisites of a file are other ones.
    pub(crate) fn forget_order(&mut self, f: FileId) {
        self.ahead.lists.remove(&f);
    }
}

/// The file of that name (absolute) as this instance names it.
fn find(make: &Make, name: &[u8]) -> Option<FileId> {
    let below = || name.strip_prefix(make.sys.dir())?.strip_prefix(b"/");
    make.lookup(name).or_else(|| make.lookup(below()?))
}

impl Ahead {
    fn begin(&mut self, make: &Make, known: Arc<Known>) {
        let entries = (0u32..).zip(&known.entries);
        self.of = entries.filter_map(|(n, entry)| Some((find(make, &entry.name)?, n))).collect();
        self.known = Some(known);
    }

    /// Whether the makefiles say nothing of a file but what was so when it was made the last time.
    fn fits(&self, make: &Make, known: &Known, f: FileId, n: u32, depth: u32) -> bool {
        let (file, entry) = (&make.files[f], &known.entries[n as usize]);
        let other = |recipe: &std::rc::Rc<Recipe>| kind(make, recipe) != entry.kind;
        if depth > DEEPEST || !is_simple(make, f) || file.recipe.as_ref().is_some_and(other) {
            return false;
        }
        file.deps.iter().all(|dep| {
            let Some(d) = dep.file.map(|d| resolve(make, d)) else { return false };
            let needed = &make.files[d];
            if let Some(&n) = self.of.get(&d) {
                return entry.needs.contains(&n) && self.fits(make, known, d, n, depth + 1);
            }
            if needed.is_target {
                return needed.recipe.is_none() && needed.deps.is_empty();
            }
            entry.plain.binary_search(&hash(make.file_name(d))).is_ok()
        })
    }

    fn list(&self, make: &Make, owner: FileId) -> List {
        let deps = &make.files[owner].deps;
        let mut list = List { of: vec![(None, 0); deps.len()], runs: Vec::new(), settled: 0 };
        let Some(known) = self.known.as_deref() else { return list };
        if deps.iter().any(|d| d.wait_here) {
            return list;
        }
        // The neighbours so far: where they begin, their kinds, how many of them need what.
        let mut from = 0;
        let mut kinds: Vec<u64> = Vec::new();
        let mut needed: FxHashMap<u32, u32> = FxHashMap::default();
        for at in 0..=deps.len() {
            let mut below = FxHashMap::default();
            let class = deps.get(at).and_then(|d| d.file).and_then(|d| {
                let d = resolve(make, d);
                let &n = self.of.get(&d)?;
                list.of[at].1 = known.path(n, &mut below, 0)?;
                let mut kinds: Vec<u64> =
                    below.keys().map(|&n| known.entries[n as usize].kind).collect();
                kinds.sort_unstable();
                kinds.dedup();
                // That it is made by the same recipe itself comes first.
                kinds.insert(0, known.entries[n as usize].kind);
                self.fits(make, known, d, n, 0).then_some(kinds)
            });
            let class = class.unwrap_or_default();
            if class.is_empty() || class != kinds {
                let shared = needed.drain().filter(|&(_, count)| count > 1).map(|(n, _)| n);
                let run =
                    Run { kinds: std::mem::replace(&mut kinds, class), shared: shared.collect() };
                if !run.kinds.is_empty() && at - from > 1 {
                    let number = list.runs.len() as u32;
                    list.of[from..at].iter_mut().for_each(|of| of.0 = Some(number));
                    list.runs.push(run);
                }
                from = at;
            }
            below.keys().for_each(|&n| *needed.entry(n).or_default() += 1);
        }
        list
    }
}
