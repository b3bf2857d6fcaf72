//! Learning a recipe in a throw-away directory, and asking for it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use kiln_watch::{
    Command, Eye, KeptRecipe, Key, Opaque, Outcome, RealEye, Recipes, Running, Sink, Source, Steps,
};

use super::{PATH, Temp, bytes, can_watch, env};

pub const KEY: Key = Key(7);

fn given(file: &fs::File) -> OwnedFd {
    file.as_fd().try_clone_to_owned().unwrap()
}

/// Runs lines as the commands of one recipe; what came of it is kept, and goes to disk and back.
pub fn learn(temp: &Temp, lines: &[&str]) -> Result<(), Opaque> {
    learn_with(temp, lines, None)
}

/// The same with something that is given as standard input.
pub fn learn_with(temp: &Temp, lines: &[&str], input: Option<&fs::File>) -> Result<(), Opaque> {
    let mut steps = Steps::new(vec![b"/tmp/GMfifo4711".to_vec()]);
    let out = fs::File::create(temp.path("said-out")).unwrap();
    let err = fs::File::create(temp.path("said-err")).unwrap();
    for line in lines {
        let command = Command {
            program: b"/bin/sh".to_vec(),
            argv: vec![b"/bin/sh".to_vec(), b"-c".to_vec(), line.as_bytes().to_vec()],
            env: env(&[("PATH", &format!("{}:{PATH}", temp.text("bin")))]),
            dir: bytes(&temp.path("work")),
            stdin: input.map_or(Source::Null, |input| Source::Given(given(input))),
            stdout: Sink::Given(given(&out)),
            stderr: Sink::Given(given(&err)),
        };
        assert!(steps.run(&command, &Running::default()).unwrap().success(), "{line}");
        if let Some(opaque) = steps.opaque() {
            return Err(opaque.clone());
        }
    }
    let recipes = Recipes::open(&temp.path("cache"));
    let kept = RealEye.now();
    let outcome = Outcome::Deed(steps.finish()?);
    let input = input.map_or("null", kiln_watch::stream_kind).into();
    recipes.put(KEY, &KeptRecipe { kept, input, outcome, ..KeptRecipe::default() }).unwrap();
    Ok(())
}

pub fn kept(temp: &Temp) -> KeptRecipe {
    Recipes::open(&temp.path("cache")).get(KEY).unwrap_or_default()
}

/// Whether it is answered now.
pub fn answered(temp: &Temp) -> bool {
    kept(temp).carry_out().is_some()
}

pub fn world() -> Option<Temp> {
    can_watch().then(|| {
        let temp = Temp::new();
        temp.write("work/in", "one\n");
        temp.write("work/more", "more\n");
        fs::create_dir(temp.path("bin")).unwrap();
        temp
    })
}

pub fn set_time(path: &Path, back: u64) {
    let time = SystemTime::now() - Duration::from_secs(back);
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}
