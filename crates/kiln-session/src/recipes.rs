//! Nothing twice: what is remade only because a file before it was made anew with the same bytes, and what
//! is made anew each time and comes out the same.
//!
//! A file whose recipe leaves the very bytes that were there before is noted for the rest of the run. A
//! recipe that is carried out for no other file than such ones is watched the second time; from then on, while all that it
//! looked at has the same bytes and all that it left lies there as it left it, its files only get new
//! times. So what is new is never watched, nor what is made for the first time. `KILN_SLOW=recipes` switches
//! this off.
//!
//! A recipe that is carried out each time (kbuild's `FORCE`) is no reason to expect that it does the same
//! again: compilers are called by such recipes too. It is watched once it has left the very bytes that were
//! there, carried out for no file that became another in the run, and has the same words again. A file on the way to
//! another, which is gone each time, came out as ever if the other did.

use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kiln_exec::hooks::{Always, Course, Env, RecipeCall, Watching};
use kiln_exec::{Done, Ended, Recipes, Sink};
use kiln_watch::fact::Why;
use kiln_watch::{
    Command, Deed, Eye, KeptRecipe, Key, Kind, Opaque, Outcome, Question, RealEye, Running, Steps,
    Surroundings, is_found, is_one_stream, stream_kind,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::idle;
use crate::probes::Streams;

/// A larger file is not looked at for having the same bytes.
const MOST_READ: u64 = 64 << 20;

/// The recipes that are known.
pub struct Known {
    store: Arc<kiln_watch::Recipes>,
    around: Surroundings,
    files: Mutex<Files>,
    /// How many recipes that are carried out each time may still be watched.
    credit: AtomicUsize,
}

/// How many recipes that are carried out each time a run watches for the sake of later runs, beside one for each
/// that was known. Watching takes some ten milliseconds for each, and of thousands only so many are watched at
/// once that nobody waits for long.
const FOR_LATER: usize = 64;

/// Targets of this run, by absolute path.
#[derive(Default)]
struct Files {
    /// What those held whose recipes run.
    before: FxHashMap<Vec<u8>, u128>,
    /// Those whose recipes run and are carried out each time.
    each: FxHashMap<Vec<u8>, Each>,
    /// Those that were made anew with the same bytes.
    same: FxHashSet<Vec<u8>>,
    /// Those that became others.
    other: FxHashSet<Vec<u8>>,
    /// Those that were made on the way to others, of what did not become another.
    between: FxHashMap<Vec<u8>, Each>,
}

/// A recipe that is carried out each time.
struct Each {
    /// Where it is to be noted, and as what, if it was not known.
    unknown: Option<(Key, Key)>,
    always: Always,
    /// What is newer than its target.
    newer: Vec<Vec<u8>>,
}

impl Files {
    /// Whether, as far as can be told, nothing became another for which a recipe is carried out.
    fn are_as_ever(&self, recipe: &RecipeCall<'_>) -> bool {
        recipe.newer.iter().all(|f| {
            self.same.contains(f)
                || self.between.contains_key(f)
                // All count as newer than what is not there.
                || (recipe.always == Always::Between && !self.other.contains(f))
        })
    }

    /// The recipes to be noted now that a file came out as it was: its own, and those of the files on the way
    /// to it.
    fn came_out(&mut self, target: &[u8], each: Option<Each>) -> Vec<(Vec<u8>, (Key, Key))> {
        let mut noted = Vec::new();
        let mut left: Vec<_> = each.map(|each| (target.to_vec(), each)).into_iter().collect();
        while let Some((target, each)) = left.pop() {
            noted.extend(each.unknown.map(|unknown| (target, unknown)));
            let before = each.newer.into_iter();
            left.extend(before.filter_map(|f| self.between.remove_entry(&f)));
        }
        noted
    }
}

impl Known {
    /// Those kept in a cache directory.
    #[must_use]
    pub fn open(cache: &Path, around: Surroundings) -> Self {
        let store = Arc::new(kiln_watch::Recipes::open(cache));
        Known { store, around, files: Mutex::default(), credit: FOR_LATER.into() }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done about a recipe. With `each` it is carried out each time; with `as_ever` nothing
    /// became another for it, else it is answered if it can be, but not watched.
    fn known(&self, recipe: &RecipeCall<'_>, each: bool, as_ever: bool) -> Option<Course> {
        let (env, passing) = lasting(recipe);
        let streams = Streams::of_recipe(recipe.sink, recipe.good_stdin).ok()?;
        let mut words = recipe.shell.to_vec();
        words.extend_from_slice(recipe.lines);
        let question = Question {
            purpose: b"steps",
            argv: &words,
            dir: recipe.dir,
            env: &env,
            streams: &outputs(&streams)?,
            version: env!("CARGO_PKG_VERSION").as_bytes(),
        };
        let key = question.key(&self.around);
        // Where words differ each time, one for each target is enough to tell that they do. Somebody else's terminal
        // or pipe is no reason to forget what is known here.
        let (key, question) = match each {
            true => {
                let argv = &[recipe.target.to_vec()];
                let name = Question { purpose: b"each", argv, env: &[], ..question };
                (name.key(&self.around), key)
            }
            false => (key, Key::default()),
        };
        let kept = self.store.get(key).filter(|kept| kept.question == question);
        if each && as_ever {
            let unknown = kept.is_none().then_some((key, question));
            let each = Each { unknown, always: recipe.always, newer: recipe.newer.to_vec() };
            self.files().each.insert(recipe.target.to_vec(), each);
        }
        if each && kept.is_none() {
            return None;
        }
        let mut kept = kept.unwrap_or_default();
        let input = streams.stdin.as_ref().filter(|_| recipe.good_stdin);
        let input = input.map_or("none", stream_kind).as_bytes();
        let answer = Some(&kept).filter(|kept| kept.may_be_given(input));
        if let Some(said) = answer.and_then(KeptRecipe::carry_out) {
            let said = said.to_vec();
            self.credit.fetch_add(1, Ordering::Relaxed);
            if std::mem::take(&mut kept.misses) > 0 {
                let _ = self.store.put(key, &kept);
            }
            return Some(Course::Done(said));
        }
        if !as_ever || matches!(kept.outcome, Outcome::Opaque(_)) {
            return None;
        }
        let less = |credit: usize| credit.checked_sub(1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        if each && kept.is_due() && self.credit.fetch_update(set, get, less).is_err() {
            return None;
        }
        let watch = kept.missed();
        kept.label = recipe.target.to_vec();
        kept.kept = RealEye.now();
        // A cache that cannot be written is no error of the build.
        self.store.put(key, &kept).ok()?;
        watch.then(|| {
            Course::Watch(Arc::new(Watched {
                store: Arc::clone(&self.store),
                key,
                question,
                input: input.to_vec(),
                steps: Mutex::new(Some(Steps::new(passing))),
                runs: Running::default(),
            }))
        })
    }
}

/// A hash of a file's bytes.
fn hash(path: &[u8]) -> Option<u128> {
    let id = RealEye.identity(path, false).ok()?;
    (id.kind == Kind::File && id.size <= MOST_READ).then(|| RealEye.contents(path).ok()).flatten()
}

/// The environment without where the job slots are, which is another place each time, and that place. A
/// program may take slots there, which does not show in what it makes.
fn lasting(recipe: &RecipeCall<'_>) -> (Env, Vec<Vec<u8>>) {
    const SLOTS: &[u8] = b"--jobserver-auth=";
    let mut passing = Vec::new();
    let mut env = recipe.env.clone();
    for (name, value) in &mut env {
        if name != b"MAKEFLAGS" && name != b"MFLAGS" {
            continue;
        }
        let Some(at) = memchr::memmem::find(value, SLOTS).map(|at| at + SLOTS.len()) else {
            continue;
        };
        let length = value[at..].iter().position(|b| *b == b' ').unwrap_or(value.len() - at);
        let place: Vec<u8> = value.drain(at..at + length).collect();
        passing.push(place.strip_prefix(b"fifo:").unwrap_or(&place).to_vec());
    }
    (env, passing)
}

/// What the outputs are, since programs may ask. What the input is counts only for who asks or reads.
fn outputs(streams: &Streams) -> Option<Vec<u8>> {
    let kinds = [stream_kind(streams.stdout.as_ref()?), stream_kind(&streams.stderr)];
    let one = is_one_stream(streams.stdout.as_ref()?, &streams.stderr);
    // Messages may be made to fit.
    let width = rustix::termios::tcgetwinsize(&streams.stderr).map_or(0, |size| size.ws_col);
    let one = if one { "one" } else { "two" };
    Some(format!("{} {one} {width}", kinds.join(" ")).into_bytes())
}

impl Recipes for Known {
    fn begin(&self, recipe: &RecipeCall<'_>) -> Course {
        // It changes nothing, and takes no process: there is nothing to be known about it.
        if idle::recipe(recipe) {
            self.files().same.insert(recipe.target.to_vec());
            return Course::Run;
        }
        let mut files = self.files();
        files.same.remove(recipe.target);
        let alike = !recipe.newer.is_empty() && recipe.newer.iter().all(|f| files.same.contains(f));
        let each = recipe.always != Always::No;
        let as_ever = alike || files.are_as_ever(recipe);
        drop(files);
        let course = (alike || each).then(|| self.known(recipe, each, as_ever)).flatten();
        let course = course.unwrap_or(Course::Run);
        let before = match course {
            Course::Done(_) => None,
            _ => hash(recipe.target),
        };
        let mut files = self.files();
        match (&course, before) {
            // It lies there as it did.
            (Course::Done(_), _) => drop(files.same.insert(recipe.target.to_vec())),
            (_, Some(before)) => drop(files.before.insert(recipe.target.to_vec(), before)),
            (_, None) => {}
        }
        course
    }

    fn succeeded(&self, target: &[u8]) {
        let mut files = self.files();
        let (before, each) = (files.before.remove(target), files.each.remove(target));
        // It was not carried out.
        if files.same.contains(target) {
            return;
        }
        drop(files);
        let same = before.is_some() && hash(target) == before;
        let mut files = self.files();
        let noted = match each {
            each if same => {
                files.same.insert(target.to_vec());
                files.came_out(target, each)
            }
            Some(each) if each.always == Always::Between => {
                files.between.insert(target.to_vec(), each);
                return;
            }
            _ => {
                files.other.insert(target.to_vec());
                return;
            }
        };
        drop(files);
        for (label, (key, question)) in noted {
            let kept = RealEye.now();
            let noted = KeptRecipe { label, kept, misses: 1, question, ..KeptRecipe::default() };
            // A cache that cannot be written is no error of the build.
            let _ = self.store.put(key, &noted);
        }
    }
}

/// A recipe that is watched.
struct Watched {
    store: Arc<kiln_watch::Recipes>,
    key: Key,
    question: Key,
    input: Vec<u8>,
    /// `None` once it cannot be kept.
    steps: Mutex<Option<Steps>>,
    runs: Running,
}

impl Watched {
    fn steps(&self) -> MutexGuard<'_, Option<Steps>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, came: Result<Deed, Opaque>) {
        let kept = self.store.get(self.key).filter(|kept| kept.question == self.question);
        let Some(mut kept) = kept else { return };
        kept.outcome = match came {
            Ok(deed) => Outcome::Deed(deed),
            // These may be otherwise next time.
            Err(Opaque {
                why: Why::Changed | Why::Trouble | Why::Signal | Why::Passing | Why::Refused,
                ..
            }) => return,
            Err(opaque) => Outcome::Opaque(opaque),
        };
        kept.kept = RealEye.now();
        kept.input.clone_from(&self.input);
        let _ = self.store.put(self.key, &kept);
    }

    /// Runs a command to its end.
    fn run(&self, command: &Command) -> Ended {
        let mut steps = self.steps();
        let status = steps.as_mut().and_then(|steps| steps.run(command, &self.runs).ok());
        let ended = match status.map(|status| (status.signal(), status)) {
            Some((Some(signal), status)) => Ended::Signal(signal, status.core_dumped()),
            Some((None, status)) => Ended::Exit(status.code().unwrap_or(127)),
            None => Ended::Exit(127),
        };
        if !ended.success() {
            *steps = None;
        }
        ended
    }
}

impl Watching for Watched {
    fn start(
        self: Arc<Self>,
        argv: &[Vec<u8>],
        env: &Env,
        dir: &[u8],
        sink: &Sink,
        good_stdin: bool,
    ) -> Option<Done> {
        let begin = || {
            if let Some(opaque) = self.steps().as_ref()?.opaque() {
                self.keep(Err(opaque.clone()));
                return None;
            }
            let command = Streams::of_recipe(sink, good_stdin).ok()?.command(argv, env, dir);
            // What cannot be started at all is for the ordinary way, which has make's words for it.
            if !is_found(&command) {
                return None;
            }
            let done = Done::new().ok()?;
            let (this, ending) = (Arc::clone(&self), done.clone());
            let task = move || {
                // A panic has printed its message.
                let ended = catch_unwind(AssertUnwindSafe(|| this.run(&command)));
                ending.finish(ended.unwrap_or(Ended::Exit(127)));
            };
            std::thread::Builder::new().name("watch".into()).spawn(task).ok()?;
            Some(done)
        };
        let done = begin();
        if done.is_none() {
            *self.steps() = None;
        }
        done
    }

    fn terminate(&self) {
        self.runs.terminate();
    }

    fn succeeded(&self) {
        let steps = self.steps().take();
        if let Some(steps) = steps {
            self.keep(steps.finish());
        }
    }
}
