//! `-o DIR`: a directory that holds what a copy of the source directory would hold, kept up to date,
//! so that a build there leaves the source alone and works with every kernel tree.
//!
//! Files are copied with their times and modes. What Kiln put there it remembers (see [`state`]) and
//! may replace or take away; whatever else is in DIR is its owner's and is never written over. All is
//! planned before anything is touched, so a refusal leaves DIR as it was. What a build left in the
//! source directory is not copied: kbuild keeps `.NAME.cmd` beside what it makes.
//!
//! Directories of version control are left out, and so are other directories of this kind. It does not
//! know what the files mean, except for these names.

mod names;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

pub use state::{FILE, is_mirror};
use state::{Kind, Stamp, State};

/// Where a file is copied to before it is moved into its place.
const FRESH: &str = ".kiln-new";

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files and links that were copied.
    pub copied: usize,
    /// Files and links that were taken away because the source has them no more.
    pub removed: usize,
    /// Files that were changed in DIR and are left as they are.
    pub kept: Vec<PathBuf>,
}

/// What is to happen to one name.
enum Step {
    Directory,
    File,
    Link(PathBuf),
}

/// Brings `dir` up to date with `source`; it is made if it is not there.
///
/// # Errors
/// In words: a path that cannot be used, a file of somebody else's in the way (nothing was changed
/// then), whatever the system says.
pub fn update(source: &Path, dir: &Path) -> Result<Done, String> {
    let source = fs::canonicalize(source).map_err(|e| said(source, e))?;
    check_path(dir)?;
    // Looked at before the directory is made: a refusal leaves nothing behind.
    let there = fs::canonicalize(existing(dir)).map_err(|e| said(dir, e))?;
    let rest = dir.strip_prefix(existing(dir)).unwrap_or(Path::new(""));
    let dir = if rest.as_os_str().is_empty() { there } else { there.join(rest) };
    if dir == source {
        return Err(format!("{} is the source directory itself", dir.display()));
    }
    if source.starts_with(&dir) {
        let text = "lies in the output directory, which would be written over with its files";
        return Err(format!("the source directory {} {text}", source.display()));
    }
    fs::create_dir_all(&dir).map_err(|e| said(&dir, e))?;
    let lock = File::open(&dir).map_err(|e| said(&dir, e))?;
    lock.lock().map_err(|e| said(&dir, e))?;
    let old = State::read(&dir)?;
    if let Some(other) = old.source.as_ref().filter(|s| **s != source) {
        return Err(format!(
            "{} holds a build of {}\n  hint: name another output directory, or remove this one",
            dir.display(),
            other.display()
        ));
    }
    let mut wanted = BTreeMap::new();
    walk(&source, &dir, Path::new(""), &mut wanted)?;
    let mut done = Done::default();
    let plan = plan(&source, &dir, &old, &wanted, &mut done)?;
    let gone: Vec<&PathBuf> = old.entries.keys().filter(|n| !wanted.contains_key(*n)).collect();
    let mut new = State { source: Some(source.clone()), entries: BTreeMap::new() };
    for (name, stamp) in &wanted {
        // A file that was changed in DIR is remembered as it was put there, so that a later change of
        // the source is noticed.
        let kept = old.entries.get(name).filter(|_| done.kept.contains(name));
        new.entries.insert(name.clone(), kept.cloned().unwrap_or_else(|| vec![stamp.clone()]));
    }
    if !plan.is_empty() || !gone.is_empty() || old.entries != new.entries {
        // Whoever stops here leaves a file that knows both what was and what was to be.
        let mut both = new.clone();
        for (name, stamps) in &old.entries {
            both.entries.entry(name.clone()).or_default().splice(0..0, stamps.iter().cloned());
        }
        both.write(&dir)?;
        remove(&dir, &old, &gone, &mut done)?;
        for (name, step) in &plan {
            apply(&source, &dir, name, step)?;
            done.copied += usize::from(!matches!(step, Step::Directory));
        }
        new.write(&dir)?;
    }
    Ok(done)
}

/// kbuild takes no module directory with these in its path, and would say so only after the copying.
fn check_path(dir: &Path) -> Result<(), String> {
    let bad = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'%' | b':');
    match dir.as_os_str().as_bytes().iter().find(|b| bad(b)) {
        Some(b) => Err(format!(
            "{}: kbuild cannot build in a directory whose path contains {:?}",
            dir.display(),
            char::from(*b)
        )),
        None => Ok(()),
    }
}

/// The longest beginning of a path that is there.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"))
}

/// Takes down every name below `source` that belongs into the copy.
fn walk(
    source: &Path,
    dir: &Path,
    at: &Path,
    wanted: &mut BTreeMap<PathBuf, Stamp>,
) -> Result<(), String> {
    let here = source.join(at);
    let list = fs::read_dir(&here).map_err(|e| said(&here, e))?;
    let items: Vec<fs::DirEntry> = list.collect::<io::Result<_>>().map_err(|e| said(&here, e))?;
    let all: BTreeSet<Vec<u8>> = items.iter().map(|i| i.file_name().as_bytes().to_vec()).collect();
    for item in items {
        let name = item.file_name();
        let rel = at.join(&name);
        let path = item.path();
        let meta = item.metadata().map_err(|e| said(&path, e))?;
        if meta.is_dir() {
            if names::of_version_control(&name) || path == dir || is_mirror(&path) {
                continue;
            }
            wanted.insert(rel.clone(), Stamp::directory());
            walk(source, dir, &rel, wanted)?;
        } else if (meta.is_file() || meta.is_symlink())
            && !names::is_product(&here, name.as_bytes(), &all)
        {
            wanted.insert(rel, Stamp::of(&meta));
        }
    }
    Ok(())
}

/// What has to be done, or what is in the way.
fn plan(
    source: &Path,
    dir: &Path,
    old: &State,
    wanted: &BTreeMap<PathBuf, Stamp>,
    done: &mut Done,
) -> Result<Vec<(PathBuf, Step)>, String> {
    let mut steps = Vec::new();
    let mut in_the_way = Vec::new();
    for (name, stamp) in wanted {
        let path = dir.join(name);
        let now = match fs::symlink_metadata(&path) {
            Ok(meta) => Some(Stamp::of(&meta)),
            // Also below a file that is about to make room for a directory.
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                None
            }
            Err(e) => return Err(said(&path, e)),
        };
        let step = match stamp.kind {
            Kind::Directory => Step::Directory,
            Kind::File => Step::File,
            Kind::Link => Step::Link(link_target(source, name)?),
        };
        let right = match (&step, &now) {
            (Step::Directory, Some(now)) => now.kind == Kind::Directory,
            (Step::Link(to), Some(now)) => {
                now.kind == Kind::Link && fs::read_link(&path).is_ok_and(|l| l == *to)
            }
            _ => now.as_ref() == Some(stamp),
        };
        if right {
            continue;
        }
        let put = old.entries.get(name);
        let ours = |now: &Stamp| put.is_some_and(|p| p.contains(now));
        match now {
            None => steps.push((name.clone(), step)),
            Some(now) if ours(&now) => steps.push((name.clone(), step)),
            Some(_) if put.is_some_and(|p| p.last() == Some(stamp)) => done.kept.push(name.clone()),
            // Put there before Kiln could write it down, or by hand: what it holds is what counts.
            Some(_) if same_content(&source.join(name), &path) => steps.push((name.clone(), step)),
            Some(_) => in_the_way.push(path),
        }
    }
    if let Some(first) = in_the_way.first() {
        let more = match in_the_way.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        return Err(format!(
            "{}{more}: not put there by kiln, or changed since, and not the same as in {}\n  \
             hint: kiln does not write over it; move it away, or name another output directory",
            first.display(),
            source.display()
        ));
    }
    Ok(steps)
}

/// Where the copy of a link leads: as the link says where it stays inside, else to the same place as
/// the original.
fn link_target(source: &Path, name: &Path) -> Result<PathBuf, String> {
    let path = source.join(name);
    let to = fs::read_link(&path).map_err(|e| said(&path, e))?;
    let full = path.parent().unwrap_or(source).join(&to);
    let inside = match fs::canonicalize(&full) {
        Ok(real) => real.starts_with(source),
        // One that leads nowhere leads nowhere there too.
        Err(_) => true,
    };
    Ok(if inside && to.is_relative() { to } else { full })
}

/// Takes away what the source has no more, unless it was changed since; directories only when empty.
fn remove(dir: &Path, old: &State, gone: &[&PathBuf], done: &mut Done) -> Result<(), String> {
    for name in gone.iter().rev() {
        let path = dir.join(name);
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let now = Stamp::of(&meta);
        if now.kind == Kind::Directory {
            // One that is not empty holds something of its owner's or of a build.
            let _ = fs::remove_dir(&path);
        } else if old.entries.get(*name).is_some_and(|p| p.contains(&now)) {
            fs::remove_file(&path).map_err(|e| said(&path, e))?;
            done.removed += 1;
        }
    }
    Ok(())
}

fn apply(source: &Path, dir: &Path, name: &Path, step: &Step) -> Result<(), String> {
    let path = dir.join(name);
    let fresh = dir.join(FRESH);
    let _ = fs::remove_file(&fresh);
    // What was a directory may be a file now, and the other way round.
    let room = match (fs::symlink_metadata(&path), step) {
        (Ok(meta), Step::Directory) if !meta.is_dir() => fs::remove_file(&path),
        (Ok(meta), Step::File | Step::Link(_)) if meta.is_dir() => fs::remove_dir(&path),
        _ => Ok(()),
    };
    room.map_err(|e| said(&path, e))?;
    let done = match step {
        Step::Directory => fs::create_dir_all(&path),
        Step::Link(to) => symlink(to, &fresh).and_then(|()| fs::rename(&fresh, &path)),
        Step::File => copy(&source.join(name), &fresh).and_then(|()| fs::rename(&fresh, &path)),
    };
    done.map_err(|e| {
        let _ = fs::remove_file(&fresh);
        said(&path, e)
    })
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::metadata(from)?;
    fs::copy(from, to)?;
    let file = File::options().read(true).open(to)?;
    file.set_modified(meta.modified()?)?;
    file.set_permissions(Permissions::from_mode(meta.mode() & 0o777))
}

fn same_content(a: &Path, b: &Path) -> bool {
    let kind = |p: &Path| fs::symlink_metadata(p).map(|m| (m.is_file(), m.len()));
    match (kind(a), kind(b)) {
        (Ok((true, x)), Ok((true, y))) if x == y => {
            matches!((fs::read(a), fs::read(b)), (Ok(x), Ok(y)) if x == y)
        }
        _ => false,
    }
}

fn said(path: &Path, e: impl std::fmt::Display) -> String {
    let path: &OsStr = path.as_os_str();
    format!("{}: {e}", path.to_string_lossy())
}
