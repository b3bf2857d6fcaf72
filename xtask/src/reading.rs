//! `cargo xtask bench eval`, second part: reading and evaluating alone, without recipes and without
//! what the started shells cost.
//!
//! The makefiles of a kernel build are read as the build reads them: a module of 50 objects is built
//! once with a `MAKE` that notes how each sub-make is started. Each of these is then started again with
//! one more makefile behind the others, which says how much processor time the make process itself has
//! had so far (`/proc/PID/task/*/schedstat`) and how much memory, and whose only goal is already made.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_testkit::{KernelTree, cache};

/// How many sources the module has.
const OBJECTS: usize = 50;

/// The makefile that is read last. The shell's parent is the make process.
const LAST: &str = "$(shell echo \"KILN $$(cat /proc/$$PPID/task/*/schedstat | \
    awk '{s+=$$1} END {printf \"%d\", s}') \
    $$(awk '/^VmHWM/ {print $$2}' /proc/$$PPID/status)\" >&2)\n\
    .PHONY: kiln-bench\nkiln-bench: ; @:\n";

/// One start of make.
struct Stage {
    name: String,
    dir: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// Processor time of the process in milliseconds, and its largest resident size in KiB.
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
    fs::write(&last, LAST)?;
    let mut stages = vec![synthetic(&home)?];
    for tree in trees {
        stages.extend(kernel(&home, tree, &programs[0].1)?);
    }
    let mut table = String::from(
        "| what is read | program | own CPU ms | ratio | peak MiB |\n|---|---|---|---|---|\n",
    );
    for stage in &stages {
        let mut first = None;
        for (program, file) in programs {
            let mut costs = Vec::new();
            for _ in 0..=turns {
                costs.push(read(stage, file, &last)?);
            }
            let (cpu, peak) = median(&costs[1..]);
            let ratio = *first.get_or_insert(cpu) / cpu;
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

fn read(stage: &Stage, program: &Path, last: &Path) -> io::Result<Cost> {
    let out = Command::new(program)
        .args(&stage.args)
        .arg("-f")
        .arg(last)
        .arg("kiln-bench")
        .current_dir(&stage.dir)
        .env_clear()
        .envs(stage.env.iter().map(|(n, v)| (n, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&out.stderr);
    let line = text.lines().find_map(|l| l.strip_prefix("KILN ")).unwrap_or_default();
    let n: Vec<f64> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
    match n.as_slice() {
        [ns, kib] => Ok((ns / 1e6, *kib)),
        _ => Err(io::Error::other(format!("{}: {text}", stage.name))),
    }
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
        .env_remove("MAKEFLAGS")
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
