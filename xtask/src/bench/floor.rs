//! The floor: what cannot be left out of a build, run straight. For a build the compilers, linkers and
//! objtool alone, from a list recorded of GNU make's build, in the order in which they depend on each
//! other and with the same number at a time; where nothing is to do one `stat` for each file that
//! matters. It does not know make.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

/// Between words, and between the commands of one target.
const WORD: char = '\u{1f}';
const COMMAND: char = '\u{1e}';

/// One target's commands, run one after another.
struct Work {
    /// Targets of a phase need those of the phases before: objects, objects linked of several, the
    /// modules' own records, modules, their BTF.
    phase: usize,
    commands: Vec<Vec<String>>,
}

/// Writes down which programs made the targets below `dir` that are not older than `since`; tells how
/// many there are. `verbose` is what the build in `kdir` printed under V=1: BTF is in no `.cmd` file.
pub fn record(
    dir: &Path,
    kdir: &Path,
    since: SystemTime,
    verbose: &str,
    list: &Path,
) -> io::Result<usize> {
    let mut out = String::new();
    let mut count = 0;
    let texts = command_files(dir)?.iter().map(fs::read).collect::<io::Result<Vec<_>>>()?;
    // A link names no headers.
    let arch = texts.iter().find_map(|text| architecture(text));
    for text in &texts {
        let Some(mut work) = work(text, since) else { continue };
        count += work.commands.len();
        // A distribution's objtool is a script that chooses by what kbuild exports.
        if let Some(arch) = &arch {
            for command in &mut work.commands {
                command.insert(0, format!("SRCARCH={arch}"));
            }
        }
        let commands: Vec<String> =
            work.commands.iter().map(|c| c.join(&WORD.to_string())).collect();
        out.push_str(&format!("{} {}\n", work.phase, commands.join(&COMMAND.to_string())));
    }
    for line in verbose.lines().filter(|l| l.contains("pahole -J")) {
        let commands = btf(line);
        if !has_base(&commands, kdir) {
            continue;
        }
        let commands: Vec<String> = commands.iter().map(|c| c.join(&WORD.to_string())).collect();
        count += commands.len();
        out.push_str(&format!("4 {}\n", commands.join(&COMMAND.to_string())));
    }
    fs::write(list, out)?;
    Ok(count)
}

/// Runs what was recorded, in `kdir`, so many at a time.
pub fn replay(list: &Path, kdir: &Path, jobs: usize) -> io::Result<bool> {
    let text = fs::read_to_string(list)?;
    let works: Vec<Work> = text.lines().filter_map(parse).collect();
    let failed = Mutex::new(false);
    for phase in 0..=4 {
        let mine: Vec<&Work> = works.iter().filter(|w| w.phase == phase).collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..jobs.min(mine.len()) {
                s.spawn(|| {
                    while let Some(w) =
                        mine.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    {
                        if !w.commands.iter().all(|c| run(c, kdir)) {
                            *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                                true;
                        }
                    }
                });
            }
        });
    }
    Ok(!failed.into_inner().unwrap_or(true))
}

/// A command, with what is set for it alone in front of it as in a shell's line.
fn run(words: &[String], kdir: &Path) -> bool {
    let at = words.iter().position(|w| !w.contains('=')).unwrap_or(words.len());
    let (settings, command) = words.split_at(at);
    let Some((program, args)) = command.split_first() else { return true };
    let mut c = Command::new(program);
    c.envs(settings.iter().filter_map(|s| s.split_once('=')));
    c.args(args).current_dir(kdir).stdin(Stdio::null()).stdout(Stdio::null());
    c.status().is_ok_and(|s| s.success())
}

/// The commands that make BTF in a line of a build under V=1. What is printed of a text with `\n` in it
/// has a line's end there, so that the line may begin within quotes: it is cut where commands end first.
fn btf(line: &str) -> Vec<Vec<String>> {
    let one = |text: &str| {
        let words = split(text).into_iter().next()?;
        let at = words.iter().position(|w| counts(w) && !w.contains('='))?;
        let settings = words[..at].iter().rev().take_while(|w| w.contains('=')).count();
        Some(words[at - settings..].to_vec())
    };
    line.split(';').filter_map(one).collect()
}

/// Whether the kernel's own BTF is there, on which a module's rests: without it kbuild says so and makes
/// none.
fn has_base(commands: &[Vec<String>], kdir: &Path) -> bool {
    let base = |c: &Vec<String>| c.iter().skip_while(|w| *w != "--btf_base").nth(1).cloned();
    commands.iter().filter_map(base).all(|file| kdir.join(file).exists())
}

/// The directory of `arch` whose headers a command line names, as kbuild has it in `SRCARCH`.
fn architecture(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.lines().next()?.split_once("/arch/")?;
    rest.split_once("/include").map(|(arch, _)| arch.to_owned())
}

fn parse(line: &str) -> Option<Work> {
    let (phase, rest) = line.split_once(' ')?;
    let words = |c: &str| c.split(WORD).map(str::to_owned).collect();
    Some(Work { phase: phase.parse().ok()?, commands: rest.split(COMMAND).map(words).collect() })
}

/// Writes down the files that decide whether anything is to do: the module's, everything that its
/// `.cmd` files name, and the kernel tree's makefiles, settings and tools.
pub fn record_files(dir: &Path, kdir: &Path, list: &Path) -> io::Result<usize> {
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    walk(dir, &mut |p| {
        files.insert(p.to_owned());
    })?;
    for file in command_files(dir)? {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let Some((_, deps)) = text.split_once("\ndeps_") else { continue };
        for word in deps.split_whitespace().skip(2) {
            let word = word.trim_end_matches(')');
            if word.contains(['$', ':', '\\']) || word.is_empty() {
                continue;
            }
            files.insert(kdir.join(word));
        }
    }
    for name in ["Makefile", "Module.symvers", "include/config/auto.conf", "scripts/module.lds"] {
        files.insert(kdir.join(name));
    }
    // A distribution's tree leads to a second one, which holds the makefiles.
    let mut trees = vec![kdir.to_owned()];
    let top = fs::read_to_string(kdir.join("Makefile")).unwrap_or_default();
    let include = top.lines().find_map(|l| l.strip_prefix("include "));
    trees.extend(include.and_then(|p| Path::new(p.trim()).parent()).map(Path::to_owned));
    for tree in trees {
        for sub in ["scripts", "scripts/basic", "scripts/mod", "arch/x86", "tools/objtool"] {
            for entry in fs::read_dir(tree.join(sub)).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let wanted = name.starts_with("Makefile") || name.starts_with("Kbuild");
                if wanted || ["fixdep", "modpost", "objtool"].contains(&&*name) {
                    files.insert(entry.path());
                }
            }
        }
    }
    let bytes: Vec<&[u8]> = files.iter().map(|p| p.as_os_str().as_bytes()).collect();
    fs::write(list, bytes.join(&0))?;
    Ok(files.len())
}

/// Looks at each recorded file once.
pub fn look(list: &Path) -> io::Result<bool> {
    let bytes = fs::read(list)?;
    let mut there = 0;
    for name in bytes.split(|&b| b == 0) {
        there += usize::from(fs::metadata(std::ffi::OsStr::from_bytes(name)).is_ok());
    }
    Ok(there > 0)
}

fn command_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    walk(dir, &mut |p| {
        if p.extension().is_some_and(|e| e == "cmd") {
            out.push(p.to_owned());
        }
    })?;
    out.sort();
    Ok(out)
}

fn walk(dir: &Path, each: &mut dyn FnMut(&Path)) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != ".installed" {
                walk(&path, each)?;
            }
        } else {
            each(&path);
        }
    }
    Ok(())
}

/// What a `.cmd` file says, if its target was made since then by programs that are part of the floor.
fn work(text: &[u8], since: SystemTime) -> Option<Work> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().next()?;
    let line = line.strip_prefix("savedcmd_").or_else(|| line.strip_prefix("cmd_"))?;
    let (target, command) = line.split_once(" := ")?;
    if fs::metadata(target).and_then(|m| m.modified()).ok()? < since {
        return None;
    }
    let command = command.replace("$$", "$").replace("$(pound)", "#").replace("\\#", "#");
    let commands: Vec<Vec<String>> =
        split(&command).into_iter().filter(|c| c.first().is_some_and(|p| counts(p))).collect();
    if commands.is_empty() {
        return None;
    }
    let links = commands[0][0].ends_with("ld");
    let phase = match () {
        () if target.ends_with(".ko") => 3,
        () if target.ends_with(".mod.o") => 2,
        () => usize::from(links),
    };
    Some(Work { phase, commands })
}

/// Whether a program is one whose work has to be done.
fn counts(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let part =
        |w: &str| ["gcc", "clang", "ld", "lld", "objtool", "pahole", "resolve_btfids"].contains(&w);
    name.split('-').any(part)
}

/// Commands and their words, as a shell would see a line without expansions.
fn split(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t' | ';') => {
                if let (Some(w), Some(last)) = (word.take(), commands.last_mut()) {
                    last.push(w);
                }
                if c == ';' {
                    commands.push(Vec::new());
                }
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let (Some(w), Some(last)) = (word, commands.last_mut()) {
        last.push(w);
    }
    commands.retain(|c| !c.is_empty());
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let got = split("gcc -DA='\"x y\"' -c a.c ; ./tools/objtool/objtool --orc a.o; true");
        assert_eq!(got[0], ["gcc", "-DA=\"x y\"", "-c", "a.c"]);
        assert_eq!(got[1], ["./tools/objtool/objtool", "--orc", "a.o"]);
        assert_eq!(got[2], ["true"]);
        assert!(counts("x86_64-linux-gnu-gcc-12") && counts("./tools/objtool/objtool"));
        assert!(counts("ld") && !counts("printf") && !counts("true"));
    }

    #[test]
    fn btf_is_found_in_a_line_that_begins_within_quotes() {
        let got =
            btf("\" a.ko 1>&2; else LLVM_OBJCOPY=\"objcopy\" pahole -J --btf_base vmlinux a.ko; \
             ./tools/bpf/resolve_btfids/resolve_btfids -b vmlinux a.ko; fi;");
        assert_eq!(
            got[0],
            ["LLVM_OBJCOPY=objcopy", "pahole", "-J", "--btf_base", "vmlinux", "a.ko"]
        );
        assert_eq!(got[1], ["./tools/bpf/resolve_btfids/resolve_btfids", "-b", "vmlinux", "a.ko"]);
        assert_eq!(got.len(), 2);
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_base(&got, dir.path()));
        fs::write(dir.path().join("vmlinux"), "").unwrap();
        assert!(has_base(&got, dir.path()));
    }

    #[test]
    fn the_architecture_is_the_one_of_the_headers() {
        let line = b"savedcmd_a.o := gcc -I/usr/src/k/arch/x86/include -I./arch/x86/include/generated -c\n";
        assert_eq!(architecture(line).as_deref(), Some("x86"));
        assert_eq!(architecture(b"savedcmd_a.ko := ld -r -o a.ko a.o\n"), None);
    }
}
