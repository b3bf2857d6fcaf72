//! Nothing twice: what is remade only because a file before it was made anew, with the same bytes.
//!
//! A file whose recipe leaves the very bytes that were there before is noted for the rest of the run. A
//! recipe that is carried out for no other file than such ones is watched the second time; from then on, while all that it
//! looked at has the same bytes and all that it left lies there as it left it, its files only get new
//! times. So what is new is never watched, nor what is made for the first time. `KILN_SLOW=recipes` switches
//! this off.

use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kiln_exec::hooks::{Course, Env, RecipeCall, Watching};
use kiln_exec::{Done, Ended, Recipes, Sink};
use kiln_watch::fact::Why;
use kiln_watch::{
    Command, Deed, Eye, Key, Kind, Opaque, Outcome, Question, RealEye, Running, Steps,
    Surroundings, is_found, is_one_stream,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::probes::Streams;

/// A larger file is not looked at for having the same bytes.
const MOST_READ: u64 = 64 << 20;

/// The recipes that are known.
pub struct Known {
    store: Arc<kiln_watch::Recipes>,
    around: Surroundings,
    files: Mutex<Files>,
}

/// Targets of this run, by absolute path.
#[derive(Default)]
struct Files {
    /// What those held whose recipes run.
    before: FxHashMap<Vec<u8>, u128>,
    /// Those that were made anew with the same bytes.
    same: FxHashSet<Vec<u8>>,
}

impl Known {
    /// Those kept in a cache directory.
    #[must_use]
    pub fn open(cache: &Path, around: Surroundings) -> Self {
        let store = Arc::new(kiln_watch::Recipes::open(cache));
        Known { store, around, files: Mutex::default() }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done about a recipe whose newer prerequisites have the bytes that they had.
    fn known(&self, recipe: &RecipeCall<'_>) -> Option<Course> {
        let (env, passing) = lasting(recipe);
        let streams = Streams::of_recipe(recipe.sink, recipe.good_stdin).ok()?;
        let mut words = recipe.shell.to_vec();
        words.extend_from_slice(recipe.lines);
        let question = Question {
            purpose: b"steps",
            argv: &words,
            dir: recipe.dir,
            env: &env,
            streams: &kinds(&streams)?,
            version: env!("CARGO_PKG_VERSION").as_bytes(),
        };
        let key = question.key(&self.around);
        let mut kept = self.store.get(key).unwrap_or_default();
        if let Some(said) = kept.carry_out() {
            let said = said.to_vec();
            if std::mem::take(&mut kept.misses) > 0 {
                let _ = self.store.put(key, &kept);
            }
            return Some(Course::Done(said));
        }
        if let Outcome::Opaque(_) = kept.outcome {
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

/// What the streams are, since programs may ask. Reading what is given as standard input is seen, unless
/// it is `/dev/null`; from there comes the same as from the end of a pipe that nobody writes to.
fn kinds(streams: &Streams) -> Option<Vec<u8>> {
    let kinds = streams.kinds();
    let kinds = kinds.strip_prefix(b"null").map_or(kinds.clone(), |rest| [b"pipe", rest].concat());
    let one = is_one_stream(streams.stdout.as_ref()?, &streams.stderr);
    // Messages may be made to fit.
    let width = rustix::termios::tcgetwinsize(&streams.stderr).map_or(0, |size| size.ws_col);
    Some([&kinds[..], if one { b" one " } else { b" two " }, width.to_string().as_bytes()].concat())
}

impl Recipes for Known {
    fn begin(&self, recipe: &RecipeCall<'_>) -> Course {
        let mut files = self.files();
        files.same.remove(recipe.target);
        let alike = !recipe.newer.is_empty() && recipe.newer.iter().all(|f| files.same.contains(f));
        drop(files);
        let course = alike.then(|| self.known(recipe)).flatten().unwrap_or(Course::Run);
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
        let before = self.files().before.remove(target);
        if before.is_some() && hash(target) == before {
            self.files().same.insert(target.to_vec());
        }
    }
}

/// A recipe that is watched.
struct Watched {
    store: Arc<kiln_watch::Recipes>,
    key: Key,
    /// `None` once it cannot be kept.
    steps: Mutex<Option<Steps>>,
    runs: Running,
}

impl Watched {
    fn steps(&self) -> MutexGuard<'_, Option<Steps>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, came: Result<Deed, Opaque>) {
        let Some(mut kept) = self.store.get(self.key) else { return };
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
