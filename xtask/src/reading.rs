//! `cargo xtask bench eval`, second part: reading and evaluating alone, without recipes and without
//! what the started shells cost.
//!
//! The makefiles of a kernel build are read as the build reads them: a module of 50 objects is built
//! once with a `MAKE` that notes how each sub-make is started. Each of these is then started again with
//! one more makefile behind the others, which says how much processor time the make process itself has
//! had so far (`/proc/PID/task/*/schedstat`) and how much memory, and whose only goal is already made.
//! Last, a makefile starts them one after the other, as the build does: there Kiln is one process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_testkit::{KernelTree, cache};

/// How many sources the module has.
const OBJECTS: usize = 50;

/// Turns before the first that counts. Kiln learns the answers of a few commands in each, until it
/// knows those of all (`FOR_LATER` in kiln-session).
const WARM: usize = 32;

/// Prints what the make process has cost: its memory, and the time of each of its threads. The shell's
/// parent is that process.
const NOTE: &str = "$(shell echo \"KILN $$(awk '/^VmHWM/ {print $$2}' /proc/$$PPID/status) \
    $$(awk '{printf \"%s %s \", FILENAME, $$1}' /proc/$$PPID/task/*/schedstat)\" >&2)";

/// One start of make.
struct Stage {
    name: String,
    dir: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// Processor time of make's processes together in milliseconds, and the largest resident size of one
/// in KiB.
type Cost = (f64, f64);

/// Measures the programs (name, file) on each tree and on the synthetic project. Returns a table.
pub fn run(
    programs: &[(&str, PathBuf)],
    trees: &[&KernelTree],
    turns: usize,
) -> io::Result<String> {
    let home = cache::work_root().join("bench/reading");
    fs::create_dir_all(&home)?;
    let last = home.join("last.mk");
    fs::write(&last, format!("{NOTE}\n.PHONY: kiln-bench\nkiln-bench: ; @:\n"))?;
    let mut stages = vec![synthetic(&home)?];
    for tree in trees {
        let starts = kernel(&home, tree, &programs[0].1)?;
        let whole = whole(&home, tree, &starts, &last)?;
        stages.extend(starts);
        stages.push(whole);
    }
    for stage in &mut stages {
        if stage.args.last().is_none_or(|goal| goal != WHOLE) {
            stage.args.extend(["-f".into(), last.display().to_string(), "kiln-bench".into()]);
        }
        // What others have taught the user's cache is not measured.
        let cache = home.join("cache").display().to_string();
        stage.env.retain(|(name, _)| name != "XDG_CACHE_HOME");
        stage.env.push(("XDG_CACHE_HOME".into(), cache));
    }
    let mut table = String::from(
        "| what is read | program | own CPU ms | ratio | peak MiB |\n|---|---|---|---|---|\n",
    );
    for stage in &stages {
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); programs.len()];
        for (_, file) in &programs[1..] {
            for _ in 0..WARM {
                read(stage, file)?;
            }
        }
        for turn in 0..=turns {
            for ((_, file), costs) in programs.iter().zip(&mut costs) {
                let cost = read(stage, file)?;
                if turn > 0 {
                    costs.push(cost);
                }
            }
        }
        let first = median(&costs[0]).0;
        for ((program, _), costs) in programs.iter().zip(&costs) {
            let (cpu, peak) = median(costs);
            let ratio = first / cpu;
            let _ = writeln!(
                table,
                "| {} | {program} | {cpu:.1} | {ratio:.1} | {:.1} |",
                stage.name,
                peak / 1024.0
            );
        }
    }
    Ok(table)
}

fn median(costs: &[Cost]) -> Cost {
    let of = |f: fn(&Cost) -> f64| {
        let mut v: Vec<f64> = costs.iter().map(f).collect();
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied().unwrap_or(0.0)
    };
    (of(|c| c.0), of(|c| c.1))
}

fn read(stage: &Stage, program: &Path) -> io::Result<Cost> {
    let out = Command::new(program)
        .args(&stage.args)
        .current_dir(&stage.dir)
        .env_clear()
        .envs(stage.env.iter().map(|(n, v)| (n, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&out.stderr);
    // Threads that have ended are no longer told of: of each, what was said last counts.
    let mut threads: BTreeMap<&str, f64> = BTreeMap::new();
    let mut peak = 0f64;
    for line in text.lines().filter_map(|l| l.strip_prefix("KILN ")) {
        let mut words = line.split_whitespace();
        peak = peak.max(words.next().and_then(|w| w.parse().ok()).unwrap_or(0.0));
        while let (Some(thread), Some(ns)) = (words.next(), words.next()) {
            threads.insert(thread, ns.parse().unwrap_or(0.0));
        }
    }
    if threads.is_empty() || !out.status.success() {
        return Err(io::Error::other(format!("{}: {text}", stage.name)));
    }
    Ok((threads.values().sum::<f64>() / 1e6, peak))
}

/// 5,000 targets with 40 dependency lines each, and as many variables appended to.
fn synthetic(home: &Path) -> io::Result<Stage> {
    let file = home.join("synthetic.mk");
    let mut text = String::from("all:\nCFLAGS := -O2\n");
    for t in 0..5000usize {
        let object = format!("drivers/dir{:02}/object{t:04}.o", t % 50);
        let source = format!("drivers/dir{:02}/object{t:04}.c", t % 50);
        let _ = writeln!(text, "{object}: {source}\n\t$(CC) $(CFLAGS) -c -o $@ $<");
        for h in 0..39usize {
            let header = (t * 131 + h * 977) % 3000;
            let _ = writeln!(text, "{object}: include/linux/header{header:04}.h");
        }
        let _ = writeln!(text, "obj-y += {object}");
    }
    fs::write(&file, text)?;
    Ok(Stage {
        name: "5,000 targets, 200,000 dependency lines".into(),
        dir: home.to_owned(),
        args: vec!["-rR".into(), "-f".into(), file.display().to_string()],
        env: vec![("PATH".into(), std::env::var("PATH").unwrap_or_default())],
    })
}

/// The goal of a start that starts the others.
const WHOLE: &str = "kiln-whole";

/// One start of make that starts all stages of a tree, one after the other, by plain `$(MAKE)` lines
/// with the environment that each stage has.
fn whole(home: &Path, tree: &KernelTree, stages: &[Stage], last: &Path) -> io::Result<Stage> {
    let file = home.join(format!("whole-{}.mk", tree.series));
    let mut text = String::from("empty :=\n");
    let names: Vec<String> = (0..stages.len()).map(|i| format!("stage{i}")).collect();
    let _ = writeln!(text, "{WHOLE}: {}\n\t@:{NOTE}", names.join(" "));
    for (stage, name) in stages.iter().zip(&names) {
        // Values may hold anything but newlines. What make itself hands down is this make's to say.
        let quoted = |v: &str| v.replace('$', "$$").replace('#', "\\#");
        let own = ["MAKE", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "SHELL"];
        let environment =
            stage.env.iter().filter(|(n, v)| !own.contains(&n.as_str()) && !v.contains('\n'));
        for (n, v) in environment {
            let _ = writeln!(text, "{name}: export {n} := $(empty){}$(empty)", quoted(v));
        }
        let args: Vec<String> = stage
            .args
            .iter()
            .map(|a| format!("'{}'", a.replace('$', "$$").replace('\'', "'\\''")))
            .collect();
        let _ = writeln!(
            text,
            "{name}:\n\t@$(MAKE) -C {} {} -f {} kiln-bench",
            stage.dir.display(),
            args.join(" "),
            last.display()
        );
    }
    fs::write(&file, text)?;
    let first = stages.first().ok_or_else(|| io::Error::other("no make was started"))?;
    let kept = |n: &str| matches!(n, "PATH" | "HOME");
    Ok(Stage {
        name: format!("{} all of these, started by one make", tree.series),
        dir: home.to_owned(),
        args: ["-rR", "--no-print-directory", "-f", &file.display().to_string(), WHOLE]
            .map(str::to_owned)
            .to_vec(),
        env: first.env.iter().filter(|(n, _)| kept(n)).cloned().collect(),
    })
}

/// The starts of make in the build of a module of 50 objects on a tree.
fn kernel(home: &Path, tree: &KernelTree, make: &Path) -> io::Result<Vec<Stage>> {
    let module = home.join(format!("module-{}", tree.series));
    let notes = home.join(format!("starts-{}", tree.series));
    for dir in [&module, &notes] {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
    }
    let mut kbuild = String::from("obj-m := big.o\nbig-y :=");
    for i in 0..OBJECTS {
        let _ = write!(kbuild, " part{i:02}.o");
        let licence = if i == 0 {
            "MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"fifty objects\");\n"
        } else {
            ""
        };
        let source = format!(
            "#include <linux/module.h>\n#include <linux/fs.h>\n\
             int part{i:02}(void);\nint part{i:02}(void)\n{{\n\treturn {i};\n}}\n{licence}"
        );
        fs::write(module.join(format!("part{i:02}.c")), source)?;
    }
    fs::write(module.join("Kbuild"), kbuild + "\n")?;
    let wrapper = home.join("noting-make");
    let script = format!(
        "#!/bin/sh\nn=$(ls '{notes}' | wc -l)\nprintf '%s\\0' \"$PWD\" \"$@\" >'{notes}'/$n.args\n\
         env -0 >'{notes}'/$n.env\nexec '{make}' MAKE=\"$0\" \"$@\"\n",
        notes = notes.display(),
        make = make.display()
    );
    fs::write(&wrapper, script)?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    let built = Command::new(make)
        .arg("-C")
        .arg(&tree.dir)
        .arg(format!("M={}", module.display()))
        .arg(format!("MAKE={}", wrapper.display()))
        // A person's environment, not cargo's: with its LD_LIBRARY_PATH each program that a makefile
        // starts looks for libraries in hundreds of places, and each answer rests on all of these.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    if !built.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned()));
    }
    let mut starts: Vec<PathBuf> = fs::read_dir(&notes)?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "args"))
        .collect();
    starts.sort_by_key(|p| {
        p.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u32>().ok())
    });
    Ok(starts.iter().filter_map(|p| stage(p, tree)).collect())
}

/// What one note says, without goals, jobs and directories.
fn stage(note: &Path, tree: &KernelTree) -> Option<Stage> {
    let nul_separated = |path: &Path| -> Option<Vec<String>> {
        let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
        Some(text.split('\0').filter(|w| !w.is_empty()).map(str::to_owned).collect())
    };
    let mut words = nul_separated(note)?.into_iter();
    let mut dir = PathBuf::from(words.next()?);
    let mut args = Vec::new();
    let mut file = None;
    while let Some(w) = words.next() {
        match w.as_str() {
            "-C" => dir = dir.join(words.next()?),
            "-f" => {
                let name = words.next()?;
                file = Path::new(&name).file_name().map(|n| n.to_string_lossy().into_owned());
                args.extend([w, name]);
            }
            _ if w.contains('=') || w.starts_with("--no-print-directory") => args.push(w),
            _ => {}
        }
    }
    let mut env: Vec<(String, String)> = nul_separated(&note.with_extension("env"))?
        .iter()
        .filter_map(|l| l.split_once('='))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .filter(|(n, _)| n != "MAKEFLAGS" && n != "MFLAGS")
        .collect();
    // Without it the top makefile would take the build for one of the kernel itself.
    if !env.iter().any(|(n, v)| n == "KBUILD_EXTMOD" && !v.is_empty()) {
        return None;
    }
    env.push(("MAKEFLAGS".into(), "rR --no-print-directory".into()));
    let name = format!("{} {}, {OBJECTS} objects", tree.series, file?);
    Some(Stage { name, dir, args, env })
}
