//! Adding to the store: unpack, make it stand alone, look whether it is whole, rename into place.
//!
//! Until the last rename everything is in a staging directory, which goes away on any error; so a
//! refused, interrupted or full-disk addition leaves nothing that is listed. Knows the order of these
//! steps, not how they are done.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::{self, About};
use crate::error::{Error, Kind, Result};
use crate::makefacts::MakeFacts;
use crate::release;
use crate::rooted::Root;
use crate::store::relocate::Relocate;
use crate::store::unpack::{Limits, Unpack};
use crate::store::{Entry, FORMAT, Lock, Store, copydir};
use crate::tree::{Origin, Tree};

/// How to add.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The entry's name; the newest tree's release if none is given.
    pub name: Option<String>,
    /// Stands behind the name where that is a tree's release.
    pub mark: &'static str,
    /// Put it in the place of an entry of that name.
    pub replace: bool,
    /// How much may be unpacked.
    pub limits: Limits,
}

/// What was added.
#[derive(Clone, Debug)]
pub struct Added {
    /// The entry.
    pub entry: Entry,
    /// Where its files are.
    pub root: PathBuf,
    /// The releases of its trees.
    pub releases: Vec<String>,
}

/// What has been unpacked and made to stand alone, and is not listed yet.
#[derive(Clone, Debug)]
pub struct Unlisted {
    /// The kernel trees, as real directories.
    pub trees: Vec<PathBuf>,
    /// An empty directory of the same file system, which goes away afterwards.
    pub scratch: PathBuf,
}

/// Adds to trees that were unpacked; where it fails, nothing is added.
pub type Finish<'a> = &'a mut dyn FnMut(&Unlisted) -> Result<()>;

/// Removes the staging directory unless the entry took its place.
pub(crate) struct Staging(Option<PathBuf>);

impl Staging {
    pub(crate) fn new(lock: &Lock) -> Result<Staging> {
        Ok(Staging(Some(lock.staging()?)))
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(dir) = &self.0 {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

impl Store {
    /// Adds packages, tarballs or directories as one entry.
    ///
    /// # Errors
    /// [`Kind::BadArchive`] and [`Kind::Hostile`] with the file's name, [`Kind::Incomplete`] with the
    /// packages that are missing, [`Kind::Exists`], [`Kind::Busy`], [`Kind::Io`]. Nothing was added
    /// then.
    pub fn add(&self, sources: &[PathBuf], options: &Options) -> Result<Added> {
        self.add_finished(sources, options, &mut |_| Ok(()))
    }

    /// As [`Store::add`]; `finish` may add to the trees before they are listed.
    ///
    /// # Errors
    /// As [`Store::add`], and what `finish` says.
    pub fn add_finished(
        &self,
        sources: &[PathBuf],
        options: &Options,
        finish: Finish<'_>,
    ) -> Result<Added> {
        if sources.is_empty() {
            return Err(Error::new(Kind::Unsupported, "nothing was named to be added"));
        }
        if let Some(name) = &options.name {
            check_name(name)?;
        }
        let lock = Lock::take(self.dir())?;
        let mut staging = Staging::new(&lock)?;
        let stage = staging.dir().to_path_buf();
        let root = stage.join("root");
        fs::create_dir(&root).map_err(|e| Error::io("make", &root, e))?;
        let mut unpack = Unpack::into(&root, options.limits);
        let mut packages = Vec::new();
        let mut candidates = Vec::new();
        for source in sources {
            let (about, dir) = unpack_one(source, &mut unpack).map_err(|mut e| {
                if matches!(e.kind, Kind::BadArchive | Kind::Hostile | Kind::Unsupported) {
                    e.message = format!("{} was not added: {}", source.display(), e.message);
                }
                e
            })?;
            packages.push(about);
            candidates.extend(dir);
        }
        unpack.check_links()?;
        let (files, links) = (unpack.files(), unpack.links());
        drop(unpack);

        let trees = trees(&root, candidates);
        let images = images(&root);
        complete(&root, &trees, &packages)?;
        let mut releases: Vec<String> = trees.iter().map(|(_, t)| t.release.clone()).collect();
        releases.sort_by(|a, b| release::compare(b, a));
        let name = match (&options.name, releases.first(), images.first()) {
            (Some(name), ..) => name.clone(),
            (None, Some(release), _) => format!("{release}{}", options.mark),
            (None, None, Some(image)) => {
                let image = image.file_name().unwrap_or_default().to_string_lossy();
                format!("{}-image", image.split_once('-').map_or(&*image, |(_, release)| release))
            }
            (None, None, None) => return Err(nothing(&packages)),
        };
        check_name(&name)?;
        let place = lock.store().join(&name);
        if place.symlink_metadata().is_ok() && !options.replace {
            let message = format!("the store already has a kernel called {name}");
            return Err(Error::new(Kind::Exists, message)
                .hint(format!("take it away first: kiln kernels remove {name}")));
        }
        let relocate =
            Relocate { staging: &root, place: &place.join("root"), files: &files, links: &links };
        let entry = Entry {
            format: FORMAT,
            name,
            from: sources.iter().map(|s| last_name(s)).collect(),
            trees: trees.into_iter().map(|(inside, _)| inside).collect(),
            images,
            rewritten: relocate.run()?,
            at: place.clone(),
        };
        stay_inside(&root, &links)?;
        let scratch = Staging::new(&lock)?;
        let dirs = entry.trees.iter().map(|t| root.join(t)).collect();
        finish(&Unlisted { trees: dirs, scratch: scratch.dir().to_path_buf() })?;
        drop(scratch);
        let json = serde_json::to_vec_pretty(&entry)
            .map_err(|e| Error::new(Kind::Io, format!("cannot write the entry: {e}")))?;
        let file = stage.join("entry.json");
        fs::write(&file, json).map_err(|e| Error::io("write", &file, e))?;
        settle(&stage, &place, &lock)?;
        staging.0 = None;
        Ok(Added { root: place.join("root"), entry, releases })
    }
}

/// Puts the complete staging directory into its place. Everything reaches the disk before the rename
/// does, so that a machine that loses power shows all or nothing too.
fn settle(stage: &Path, place: &Path, lock: &Lock) -> Result<()> {
    let sync = |path: &Path| fs::File::open(path).and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
    sync(stage).map_err(|e| Error::io("write", stage, e))?;
    if place.symlink_metadata().is_ok() {
        let old = lock.staging()?;
        fs::remove_dir(&old)
            .and_then(|()| fs::rename(place, &old))
            .map_err(|e| Error::io("replace", place, e))?;
        if let Err(e) = fs::rename(stage, place) {
            let _ = fs::rename(&old, place);
            return Err(Error::io("replace", place, e));
        }
        let _ = fs::remove_dir_all(&old);
        return Ok(());
    }
    fs::rename(stage, place).map_err(|e| Error::io("make", place, e))
}

/// Unpacks or copies one source; of a directory and a tarball, gives the place to look for a tree.
fn unpack_one(source: &Path, unpack: &mut Unpack) -> Result<(About, Option<PathBuf>)> {
    let meta = fs::metadata(source).map_err(|e| Error::io("add", source, e))?;
    if !meta.is_dir() {
        let about = archive::read(source, unpack)?;
        // Here the file to blame is known; files that come later can change where a link leads, so
        // all are looked at again at the end.
        unpack.check_links()?;
        return Ok((about, None));
    }
    let dir = fs::canonicalize(source).map_err(|e| Error::io("add", source, e))?;
    if dir.join("Makefile").is_file() {
        copydir::tree(&dir, unpack)?;
        let inside = dir.strip_prefix("/").unwrap_or(&dir).to_path_buf();
        return Ok((About::default(), Some(inside)));
    }
    let unpacked = ["usr/src", "lib/modules", "usr/lib/modules"];
    if unpacked.iter().any(|d| dir.join(d).is_dir()) {
        copydir::root(&dir, unpack)?;
        return Ok((About::default(), None));
    }
    let message = format!("{} is neither a kernel tree nor holds unpacked packages", dir.display());
    Err(Error::new(Kind::NotATree, message))
}

/// The kernel trees below a root, relative to it, where packages and tarballs put them.
fn trees(root: &Path, more: Vec<PathBuf>) -> Vec<(PathBuf, Tree)> {
    let mut dirs: BTreeSet<PathBuf> = more.into_iter().collect();
    dirs.insert(PathBuf::new());
    for parent in ["", "usr/src", "usr/src/kernels"] {
        dirs.extend(children(root, parent));
    }
    for parent in ["lib/modules", "usr/lib/modules"] {
        dirs.extend(children(root, parent).into_iter().map(|d| d.join("build")));
    }
    let inside = Root::new(root);
    dirs.into_iter()
        .filter(|d| root.join(d).symlink_metadata().is_ok_and(|m| m.is_dir()))
        .filter_map(|d| Some((d.clone(), Tree::open(&inside, &root.join(&d), Origin::Given).ok()?)))
        .collect()
}

/// The kernel images below a root, relative to it.
fn images(root: &Path) -> Vec<PathBuf> {
    let named = |path: &PathBuf| {
        let name = last_name(path);
        ["vmlinuz", "vmlinux-", "Image"].iter().any(|start| name.starts_with(start))
    };
    let mut out: Vec<PathBuf> = children(root, "boot").into_iter().filter(named).collect();
    for parent in ["lib/modules", "usr/lib/modules"] {
        let image = children(root, parent).into_iter().map(|d| d.join("vmlinuz"));
        out.extend(image.filter(|i| root.join(i).is_file()));
    }
    out
}

/// The names in a directory of the root, sorted, links left out.
fn children(root: &Path, parent: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join(parent)) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| !t.is_symlink()))
        .map(|e| Path::new(parent).join(e.file_name()))
        .collect();
    out.sort();
    out
}

/// Refuses header packages whose other half is not among what was given: the host's would be used
/// in its place, or none.
fn complete(root: &Path, trees: &[(PathBuf, Tree)], packages: &[About]) -> Result<()> {
    let inside = Root::new(root);
    let mut lacking = Vec::new();
    let mut dirs: Vec<PathBuf> = trees.iter().map(|(dir, _)| dir.clone()).collect();
    if dirs.is_empty() {
        // A half whose other half is missing is not seen as a tree at all.
        dirs = children(root, "usr/src");
    }
    for dir in &dirs {
        let here = root.join(dir);
        let facts = MakeFacts::of_dir(&here);
        let paths = facts.includes.iter().chain(&facts.output);
        lacking.extend(
            paths
                .filter(|p| p.is_absolute() && inside.find(p).is_none())
                .map(|p| (dir.join("Makefile"), p.clone())),
        );
        for name in ["scripts", "tools"] {
            if let Ok(target) = fs::read_link(here.join(name))
                && inside.find(&dir.join(name)).is_none()
            {
                lacking.push((dir.join(name), target));
            }
        }
    }
    let Some((file, target)) = lacking.into_iter().next() else { return Ok(()) };
    let message = format!(
        "not added: {} leads to {}, which is not among what was given",
        file.display(),
        target.display()
    );
    let given: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut wanted: Vec<String> = packages
        .iter()
        .flat_map(|p| &p.depends)
        .filter(|d| is_kernel_part(d) && !given.contains(d.as_str()))
        .cloned()
        .collect();
    wanted.sort();
    wanted.dedup();
    let mut error = Error::new(Kind::Incomplete, message);
    if !wanted.is_empty() {
        error = error.hint(format!("give these packages with it: {}", wanted.join(", ")));
    }
    Err(error)
}

/// Packages that are a part of a kernel tree rather than a tool that is used with it.
pub(crate) fn is_kernel_part(package: &str) -> bool {
    package.starts_with("linux-headers-") || package.starts_with("linux-kbuild-")
}

fn nothing(packages: &[About]) -> Error {
    let names: Vec<&str> =
        packages.iter().map(|p| p.name.as_str()).filter(|n| !n.is_empty()).collect();
    let mut error =
        Error::new(Kind::NotATree, "not added: it holds neither a kernel tree nor a kernel");
    if !names.is_empty() {
        error = error.hint(format!("what was given: {}", names.join(", ")));
    }
    if let Some(common) = names.iter().find(|n| n.ends_with("-common")) {
        let stem = common.trim_end_matches("common");
        error = error.hint(format!("give the package of a variant with it, such as {stem}amd64"));
    }
    error
}

/// After the rewriting no link may be absolute or lead out: the system follows them without regard
/// to the root.
fn stay_inside(root: &Path, links: &[PathBuf]) -> Result<()> {
    let inside = Root::new(root);
    for link in links {
        let target = fs::read_link(root.join(link));
        let absolute = target.is_ok_and(|t| t.is_absolute());
        let climbs = matches!(inside.resolve_loosely(link), Err(crate::rooted::Failed::Climbs));
        if absolute || climbs {
            let message = format!("the link {} climbs out", link.display());
            return Err(Error::new(Kind::Hostile, message));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-~@^".contains(c);
    if !name.is_empty()
        && name.len() <= 128
        && !name.starts_with(['.', '-'])
        && name.chars().all(plain)
    {
        return Ok(());
    }
    let message = format!("{name:?} cannot be a kernel's name: letters, digits and ._+-~@^ can");
    Err(Error::new(Kind::Unsupported, message))
}

fn last_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.releases.as_slice() {
            [] => write!(f, "added the kernel image {}", self.entry.name),
            [one] if *one == self.entry.name => write!(f, "added {one}"),
            all => write!(f, "added {} ({})", self.entry.name, all.join(", ")),
        }?;
        for tree in &self.entry.trees {
            write!(f, "\n  {}", self.root.join(tree).display())?;
        }
        Ok(())
    }
}
