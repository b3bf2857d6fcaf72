//! `cargo xtask kills [N] [--tree SERIES]`: builds that are killed. The whole process group gets a
//! `SIGKILL` at a random moment of a build, from clean and while rebuilding; the next build has to leave
//! what a build from nothing leaves, file by file, and GNU make has to find nothing to do then.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use kiln_testkit::{KernelTree, cache, kernel_trees, place, reference};

use crate::bench::measure::shell;
use crate::options::Options;
use crate::tally::Tally;

/// The files below a directory, with their contents.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// One exporting module of one file, which has symbol versions, and one of two that uses it.
const SOURCES: &[(&str, &str)] = &[
    ("Kbuild", "obj-m := one.o two.o\ntwo-y := first.o second.o\n"),
    (
        "one.c",
        "#include <linux/module.h>\n#include \"own.h\"\nint one_add(struct pair *p)\n{\n\treturn p->a + p->b;\n}\n\
         EXPORT_SYMBOL_GPL(one_add);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"one\");\n",
    ),
    (
        "first.c",
        "#include <linux/module.h>\n#include \"own.h\"\nint second(void);\n\
         static int __init first(void)\n{\n\tstruct pair p = { .a = 1 };\n\treturn one_add(&p) + second();\n}\n\
         module_init(first);\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"two\");\n",
    ),
    ("second.c", "#include \"own.h\"\nint second(void);\nint second(void)\n{\n\treturn 2;\n}\n"),
];

/// The header in its two versions: the symbol's CRC changes with it.
const HEADERS: [&str; 2] = [
    "struct pair { int a, b; };\nint one_add(struct pair *p);\n",
    "struct pair { long c; int a, b; };\nint one_add(struct pair *p);\n",
];

const BUILD: &str = "make -j2 -C $KDIR M=$DIR";

/// Kills the given number of builds (200 if none is given), shared among the trees.
pub fn run(options: &Options) -> Result<bool, String> {
    let said = |e: io::Error| e.to_string();
    let count = options.names.first().map_or(Ok(200), |n| n.parse());
    let count: usize = count.map_err(|_| "kills: the number of builds is no number".to_owned())?;
    let trees = kernel_trees();
    let trees: Vec<&KernelTree> = trees.iter().filter(|t| options.wants_tree(&t.series)).collect();
    let top = cache::work_root().join("kills");
    let (gnu, kiln) = (top.join("gnu"), top.join("kiln"));
    for (dir, program) in [(&gnu, reference::make()?), (&kiln, options.program())] {
        fs::create_dir_all(dir).map_err(said)?;
        let _ = fs::remove_file(dir.join("make"));
        fs::copy(program, dir.join("make")).map_err(said)?;
        place::single_pahole(dir).map_err(said)?;
    }
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_nanos());
    let mut random = Random(seed as u64 | 1);
    let mut tally = Tally::default();
    let half = half_made(&kiln, &top.join("half")).map_err(said)?;
    tally.count(half);
    if !half {
        println!("FAILED a target killed in the middle of its recipe counts as made");
    }
    for tree in &trees {
        let mut place = Place::new(&top, &gnu, &kiln, tree).map_err(said)?;
        for _ in 0..count.div_ceil(trees.len().max(1)) {
            let found = place.kill_one(&mut random).map_err(said)?;
            tally.count(found.is_ok());
            if let Err(what) = found {
                println!("FAILED {} {what}", tree.series);
            }
        }
        println!("{}: {} of the builds were killed in the middle", tree.series, place.killed);
    }
    Ok(tally.close())
}

/// A module in a directory, and what builds of it have to leave.
struct Place<'a> {
    dir: PathBuf,
    gnu: &'a Path,
    kiln: &'a Path,
    tree: &'a KernelTree,
    /// For each header, what GNU make leaves of a build from nothing.
    expected: [Files; 2],
    /// How long a build takes from nothing and after the header changed.
    length: [Duration; 2],
    /// Builds that had not ended when they were killed.
    killed: usize,
}

impl<'a> Place<'a> {
    fn new(top: &Path, gnu: &'a Path, kiln: &'a Path, tree: &'a KernelTree) -> io::Result<Self> {
        let dir = top.join("module").join(&tree.series);
        let expected = [Files::new(), Files::new()];
        let length = [Duration::ZERO; 2];
        let mut place = Place { dir, gnu, kiln, tree, expected, length, killed: 0 };
        for version in 0..2 {
            place.sources(version)?;
            place.whole(place.gnu)?;
            place.expected[version] = place.files()?;
        }
        // With a warm cache, since it is the build itself that is to be hit.
        for _ in 0..2 {
            place.sources(0)?;
            let start = Instant::now();
            place.whole(place.kiln)?;
            place.length[0] = start.elapsed();
            place.header(1)?;
            let start = Instant::now();
            place.whole(place.kiln)?;
            place.length[1] = start.elapsed();
        }
        Ok(place)
    }

    /// The sources alone.
    fn sources(&self, version: usize) -> io::Result<()> {
        let _ = fs::remove_dir_all(&self.dir);
        fs::create_dir_all(&self.dir)?;
        for (name, text) in SOURCES {
            fs::write(self.dir.join(name), text)?;
        }
        self.header(version)
    }

    fn header(&self, version: usize) -> io::Result<()> {
        fs::write(self.dir.join("own.h"), HEADERS[version])
    }

    fn command(&self, bin: &Path) -> Command {
        let mut c = shell(&format!("exec {BUILD}"), bin, &self.dir, self.tree);
        // The journal of a killed build is found by the next one.
        c.env("HOME", self.kiln);
        c
    }

    /// A build to its end.
    fn whole(&self, bin: &Path) -> io::Result<Output> {
        let o = self.command(bin).output()?;
        if o.status.success() {
            return Ok(o);
        }
        let said = String::from_utf8_lossy(&o.stderr).into_owned();
        Err(io::Error::other(format!("{} in {}: {said}", bin.display(), self.dir.display())))
    }

    fn files(&self) -> io::Result<Files> {
        let mut files = Files::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            // Probes make directories for what they compile, and a kill leaves them.
            if path.is_file() {
                files.insert(path.clone(), fs::read(&path)?);
            }
        }
        Ok(files)
    }

    /// Kills one build and judges the next. The inner error says what was wrong.
    fn kill_one(&mut self, random: &mut Random) -> io::Result<Result<(), String>> {
        let rebuild = random.below(2) as usize;
        let version = if rebuild == 1 {
            let old = random.below(2) as usize;
            self.sources(old)?;
            self.whole(self.kiln)?;
            self.header(1 - old)?;
            1 - old
        } else {
            let version = random.below(2) as usize;
            self.sources(version)?;
            version
        };
        let moment = random.below(self.length[rebuild].as_micros().max(1) as u64);
        let mut c = self.command(self.kiln);
        c.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = c.spawn()?;
        sleep(Duration::from_micros(moment));
        if child.try_wait()?.is_none() {
            self.killed += 1;
        }
        let group = rustix::process::Pid::from_child(&child);
        // Until nobody of the group is left, so that none of them writes into the next build.
        while rustix::process::kill_process_group(group, rustix::process::Signal::KILL).is_ok() {
            let _ = child.try_wait()?;
            sleep(Duration::from_millis(1));
        }
        child.wait()?;
        let kind = if rebuild == 1 { "rebuilding" } else { "from nothing" };
        let about = format!("{kind}, killed after {moment} us");
        if let Err(e) = self.whole(self.kiln) {
            return Ok(Err(format!("{about}: the next build failed: {e}")));
        }
        let files = self.files()?;
        if files != self.expected[version] {
            let names = differing(&files, &self.expected[version]);
            return Ok(Err(format!("{about}: other files than from nothing: {names}")));
        }
        // GNU make says so slowly that not every build is judged by it.
        if random.below(10) == 0 {
            let said = self.whole(self.gnu)?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            if text.lines().any(|l| l.starts_with("  ")) {
                return Ok(Err(format!("{about}: GNU make built again afterwards:\n{text}")));
            }
        }
        Ok(Ok(()))
    }
}

/// The plain case, which GNU make fails every time: a recipe that is killed between two commands that
/// both write the target. Whether the next build makes it whole.
fn half_made(kiln: &Path, dir: &Path) -> io::Result<bool> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir)?;
    fs::write(dir.join("Makefile"), "out: in\n\techo half >out\n\t$(PAUSE)\n\techo whole >>out\n")?;
    fs::write(dir.join("in"), "")?;
    let command = |pause: &str| {
        let mut c = Command::new(kiln.join("make"));
        c.arg(format!("PAUSE={pause}")).current_dir(dir).env_clear().env("HOME", kiln);
        c.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::null());
        c
    };
    let mut child = command("sleep 60").process_group(0).spawn()?;
    while fs::read(dir.join("out")).unwrap_or_default() != b"half\n" && child.try_wait()?.is_none()
    {
        sleep(Duration::from_millis(5));
    }
    let group = rustix::process::Pid::from_child(&child);
    // It may have ended by itself, which the target will show.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    child.wait()?;
    command(":").status()?;
    Ok(fs::read(dir.join("out"))? == b"half\nwhole\n")
}

fn differing(a: &Files, b: &Files) -> String {
    let names = a.keys().chain(b.keys()).filter(|k| a.get(*k) != b.get(*k));
    let mut names: Vec<String> =
        names.map(|k| k.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

/// Numbers by xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % limit
    }
}
