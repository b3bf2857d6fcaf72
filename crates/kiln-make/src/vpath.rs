//! Directory search: `vpath`, VPATH, GPATH and `-lNAME`.

use kiln_base::text::{self, Pattern};

use crate::{Make, Result};

/// The directories for names that match a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Vpath {
    pub pattern: Pattern,
    pub dirs: Vec<Vec<u8>>,
}

/// Splits a search path at colons and blanks. `.` is left out: it is searched anyway.
fn split_path(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b':' || text::is_blank(b))
        .map(|d| match d {
            [head @ .., b'/'] if !head.is_empty() => head,
            _ => d,
        })
        .filter(|d| !d.is_empty() && *d != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

impl Make {
    /// A `vpath` directive: with directories, adds; without, removes what has the pattern (or all).
    pub(crate) fn vpath_directive(&mut self, pattern: Option<&[u8]>, dirs: Option<&[u8]>) {
        let pattern = pattern.map(Pattern::parse);
        match (pattern, dirs) {
            (Some(pattern), Some(dirs)) => {
                let dirs = split_path(dirs);
                if !dirs.is_empty() {
                    self.vpaths.push(Vpath { pattern, dirs });
                }
            }
            (Some(pattern), None) => self.vpaths.retain(|v| v.pattern != pattern),
            (None, _) => self.vpaths.clear(),
        }
    }

    /// Reads VPATH and GPATH, once the makefiles are read.
    pub(crate) fn build_vpath_lists(&mut self) -> Result<()> {
        let list = self.expand(b"$(strip $(VPATH))")?;
        self.general_vpath = split_path(&list);
        let list = self.expand(b"$(strip $(GPATH))")?;
        self.gpath = split_path(&list);
        Ok(())
    }

    /// Whether a directory is one of GPATH's.
    #[must_use]
    pub fn gpath_search(&self, dir: &[u8]) -> bool {
        self.gpath.iter().any(|g| g == dir)
    }

    /// Looks for `name` along VPATH and `vpath`; `-lNAME` along `.LIBPATTERNS` too.
    /// Returns the path and the directory entry that found it.
    pub fn vpath_search(&mut self, name: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        if let Some(lib) = name.strip_prefix(b"-l") {
            return self.library_search(lib).map(|p| (p, Vec::new()));
        }
        self.search_lists(name).map(|(path, dir, ..)| (path, dir))
    }

    /// The path, its directory, and how far along the lists it was found.
    fn search_lists(&mut self, name: &[u8]) -> Option<(Vec<u8>, Vec<u8>, usize, usize)> {
        if name.first() == Some(&b'/') || (self.vpaths.is_empty() && self.general_vpath.is_empty())
        {
            return None;
        }
        for i in 0..self.vpaths.len() {
            if self.vpaths[i].pattern.stem(name).is_some() {
                let dirs = self.vpaths[i].dirs.clone();
                if let Some((path, j)) = self.search_dirs(&dirs, name) {
                    return Some((path, dirs[j].clone(), i, j));
                }
            }
        }
        let dirs = self.general_vpath.clone();
        let (path, j) = self.search_dirs(&dirs, name)?;
        Some((path, dirs[j].clone(), self.vpaths.len(), j))
    }

    fn search_dirs(&mut self, dirs: &[Vec<u8>], name: &[u8]) -> Option<(Vec<u8>, usize)> {
        // A name that is no target may be found as one that is only mentioned, too.
        let not_target = self.lookup(name).is_none_or(|f| !self.files[f].is_target);
        let (sub, base) = match memchr::memrchr(b'/', name) {
            Some(i) => (&name[..i], &name[i + 1..]),
            None => (&name[..0], name),
        };
        // A slash at the start counts for no directory, but such names are not searched for.
        for (j, dir) in dirs.iter().enumerate() {
            let mut in_dir = dir.clone();
            if !sub.is_empty() {
                in_dir.push(b'/');
                in_dir.extend_from_slice(sub);
            }
            let mut path = in_dir.clone();
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(base);
            if self.lookup(&path).is_some_and(|f| not_target || self.files[f].is_target) {
                return Some((path, j));
            }
            if self.dir_has(&in_dir, base) && self.sys.stat(&path).is_ok() {
                return Some((path, j));
            }
        }
        None
    }

    fn library_search(&mut self, lib: &[u8]) -> Option<Vec<u8>> {
        const STANDARD: [&[u8]; 3] = [b"/lib", b"/usr/lib", b"/usr/local/lib"];
        let patterns = self.expand(b"$(.LIBPATTERNS)").ok()?;
        let mut best: Option<(Vec<u8>, usize, usize)> = None;
        for p in text::words(&patterns) {
            let pat = Pattern::parse(p);
            if pat.percent.is_none() {
                let msg = [b".LIBPATTERNS element '".as_slice(), p, b"' is not a pattern"].concat();
                self.say(None, &msg);
                continue;
            }
            let file = [pat.prefix(), lib, pat.suffix()].concat();
            if self.sys.stat(&file).is_ok() {
                return Some(file);
            }
            if let Some((path, _, i, j)) = self.search_lists(&file)
                && best.as_ref().is_none_or(|b| (i, j) < (b.1, b.2))
            {
                best = Some((path, i, j));
            }
            for (k, dir) in STANDARD.iter().enumerate() {
                let path = [dir, b"/".as_slice(), &file].concat();
                let index = usize::MAX - STANDARD.len() + k;
                if best.as_ref().is_none_or(|b| index < b.1) && self.sys.stat(&path).is_ok() {
                    best = Some((path, index, 0));
                }
            }
        }
        best.map(|b| b.0)
    }
}
