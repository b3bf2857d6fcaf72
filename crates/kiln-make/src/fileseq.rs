//! Lists of file names in makefile text: quoting, `./`, `~`, wildcards, `.WAIT` and `|`.

use std::rc::Rc;

use kiln_base::{Name, text};

use crate::db::{Dep, FileId};
use crate::{Make, Result};

/// How a list is read.
#[derive(Clone, Copy, Default)]
pub(crate) struct SeqFlags {
    /// `./` at the start of a name stays.
    pub keep_dot: bool,
    /// Wildcards stay as they are.
    pub no_glob: bool,
    /// Only files that exist.
    pub exists: bool,
    /// `.WAIT` is understood.
    pub wait: bool,
}

impl Make {
    /// Reads the names of a list up to its end or a byte `stop`, which is where the result points.
    /// `put` is given each name and whether `.WAIT` stood before it.
    pub(crate) fn file_seq(
        &mut self,
        list: &[u8],
        stop: Option<u8>,
        flags: SeqFlags,
        mut put: impl FnMut(&mut Make, &[u8], bool),
    ) -> usize {
        let quiet = !flags.exists
            && memchr::memchr3(b'\\', b'*', b'[', list).is_none()
            && memchr::memchr3(b'?', b'~', stop.unwrap_or(b'~'), list).is_none();
        if quiet {
            let mut wait = false;
            let mut p = text::leading_space(list);
            while p < list.len() {
                let end = text::blank_from(list, p);
                let word = &list[p..end];
                p = end + text::leading_space(&list[end..]);
                if flags.wait && word == b".WAIT" {
                    wait = true;
                    continue;
                }
                let name = if flags.keep_dot || word[0] != b'.' { word } else { strip_dot(word) };
                put(self, name, std::mem::take(&mut wait));
            }
            return list.len();
        }
        let quoting = memchr::memchr(b'\\', list).is_some();
        let mut owned = if quoting { list.to_vec() } else { Vec::new() };
        let ends = |b: u8| text::is_blank(b) || Some(b) == stop;
        let mut p = 0;
        let mut wait = false;
        // The original compacts the list in place: positions in it are told from its end.
        let mut glob_out: Vec<Vec<u8>> = Vec::new();
        loop {
            let l: &[u8] = if quoting { &owned } else { list };
            p += text::leading_space(&l[p..]);
            if p >= l.len() || Some(l[p]) == stop {
                return list.len() - (l.len() - p);
            }
            let s = p;
            p = if quoting {
                text::find_unquoted(&mut owned, s, ends).unwrap_or(owned.len())
            } else {
                l[s..].iter().position(|&b| ends(b)).map_or(l.len(), |n| s + n)
            };
            let mut name: &[u8] = if quoting { &owned[s..p] } else { &list[s..p] };
            if flags.wait && name == b".WAIT" {
                wait = true;
                continue;
            }
            if !flags.keep_dot {
                name = strip_dot(name);
            }
            let has_wild = name.iter().any(|&b| matches!(b, b'?' | b'*' | b'['));
            if flags.no_glob || (!flags.exists && !has_wild && name.first() != Some(&b'~')) {
                put(self, name, std::mem::take(&mut wait));
                continue;
            }
            let tilde = if name.first() == Some(&b'~') { self.tilde(name) } else { None };
            let name = tilde.as_deref().unwrap_or(name);
            if !flags.exists && !name.iter().any(|&b| matches!(b, b'?' | b'*' | b'[')) {
                put(self, name, std::mem::take(&mut wait));
                continue;
            }
            glob_out.clear();
            self.glob(name, &mut glob_out);
            if glob_out.is_empty() && !flags.exists {
                put(self, name, std::mem::take(&mut wait));
            }
            for found in &glob_out {
                put(self, found, std::mem::take(&mut wait));
            }
        }
    }

    /// The names of a long list of plain names. Dependency files give the same list twice, as
    /// prerequisites and as targets of their own: the last one is kept.
    fn plain_list(&mut self, list: &[u8]) -> Option<Rc<[Name]>> {
        if list.len() < 512 {
            return None;
        }
        let list = text::trim(list);
        if let Some((text, names)) = &self.last_list
            && **text == *list
        {
            return Some(Rc::clone(names));
        }
        let plain = memchr::memchr3(b'\\', b'*', b'[', list).is_none()
            && memchr::memchr3(b'?', b'~', b'|', list).is_none()
            && memchr::memchr2(b'\n', b'\r', list).is_none()
            && memchr::memchr2(0x0b, 0x0c, list).is_none()
            && text::find(list, b".WAIT", 0).is_none();
        if !plain {
            return None;
        }
        let names: Rc<[Name]> =
            text::words(list).map(|w| self.names.intern(strip_dot(w))).collect();
        self.last_list = Some((list.into(), Rc::clone(&names)));
        Some(names)
    }

    /// The names of a list, interned, with wildcards replaced by what they match.
    pub(crate) fn name_list(&mut self, list: &[u8]) -> Vec<Name> {
        if let Some(names) = self.plain_list(list) {
            return names.to_vec();
        }
        let mut names = Vec::new();
        self.file_seq(list, None, SeqFlags::default(), |m, n, _| names.push(m.names.intern(n)));
        names
    }

    /// `$(wildcard)`: the names of files that exist.
    pub(crate) fn existing_files(&mut self, list: &[u8]) -> Vec<Vec<u8>> {
        let flags = SeqFlags { keep_dot: true, exists: true, ..SeqFlags::default() };
        let mut found = Vec::new();
        self.file_seq(list, None, flags, |_, n, _| found.push(n.to_vec()));
        found
    }

    /// A prerequisite text split into prerequisites: globbed, `.WAIT` and `|` understood
    /// (used by implicit search after second expansion).
    ///
    /// # Errors
    /// None so far.
    pub fn split_prereqs(&mut self, list: &[u8]) -> Result<Vec<Dep>> {
        if let Some(names) = self.plain_list(list) {
            return Ok(names.iter().map(|&n| Dep { name: Some(n), ..Dep::default() }).collect());
        }
        let flags = SeqFlags { wait: true, ..SeqFlags::default() };
        let mut deps = Vec::new();
        let add = |order_only: bool, deps: &mut Vec<Dep>, m: &mut Make, n: &[u8], wait| {
            deps.push(Dep {
                name: Some(m.names.intern(n)),
                ignore_mtime: order_only,
                wait_here: wait,
                ..Dep::default()
            });
        };
        let end = self.file_seq(list, Some(b'|'), flags, |m, n, w| add(false, &mut deps, m, n, w));
        if end < list.len() {
            self.file_seq(&list[end + 1..], None, flags, |m, n, w| add(true, &mut deps, m, n, w));
        }
        Ok(deps)
    }

    /// Makes prerequisites files. With a stem, `%` is replaced first (static pattern rules).
    pub(crate) fn enter_prereqs(&mut self, mut deps: Vec<Dep>, stem: Option<Name>) -> Vec<Dep> {
        if let Some(stem) = stem {
            let stem_text = self.names.shared(stem);
            deps.retain_mut(|d| {
                let Some(name) = d.name else { return true };
                let text = self.names.bytes(name);
                if memchr::memchr(b'%', text).is_some() {
                    let pat = text::Pattern::parse(text);
                    if pat.percent.is_some() {
                        let mut new = pat.prefix().to_vec();
                        new.extend_from_slice(&stem_text);
                        new.extend_from_slice(pat.suffix());
                        if new.is_empty() {
                            return false;
                        }
                        d.name = Some(self.names.intern(&new));
                    }
                }
                d.stem = Some(stem);
                d.static_pattern = true;
                true
            });
        }
        for d in &mut deps {
            if d.need_2nd_expansion {
                continue;
            }
            let Some(name) = d.name.take() else { continue };
            let f = self.enter_name(name);
            d.file = Some(f);
            d.static_pattern = false;
            if stem.is_none() {
                self.files[f].is_explicit = true;
            }
        }
        deps
    }

    /// The file of an interned name, entered if need be.
    pub(crate) fn enter_name(&mut self, name: Name) -> FileId {
        if let Some(&f) = self.by_name.get(&name) {
            return f;
        }
        let text = self.names.bytes(name);
        if text.starts_with(b"./") {
            let text = text.to_vec();
            return self.enter(&text);
        }
        self.new_file(name)
    }

    /// `~` or `~USER` at the start of a name replaced by the home directory.
    pub(crate) fn tilde(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'/', name).unwrap_or(name.len());
        let home = if end == 1 {
            let warn = std::mem::replace(&mut self.opts.warn_undefined, false);
            let home = self.expand(b"$(HOME)").unwrap_or_default();
            self.opts.warn_undefined = warn;
            if home.is_empty() {
                let env = self.original_env.iter().find(|e| e.0 == b"HOME");
                env.map(|e| e.1.clone()).filter(|h| !h.is_empty())?
            } else {
                home
            }
        } else {
            self.home_of(&name[1..end])?
        };
        let mut path = home;
        path.extend_from_slice(&name[end..]);
        Some(path)
    }

    /// A user's home directory, from the user data base.
    fn home_of(&self, user: &[u8]) -> Option<Vec<u8>> {
        let passwd = self.sys.read(b"/etc/passwd").ok()?;
        passwd.split(|&b| b == b'\n').find_map(|line| {
            let mut fields = line.split(|&b| b == b':');
            (fields.next()? == user).then(|| fields.nth(4).map(<[u8]>::to_vec))?
        })
    }
}

/// A name without `./` at its start; `./` if nothing else is left.
fn strip_dot(mut name: &[u8]) -> &[u8] {
    while name.len() > 2 && name[0] == b'.' && name[1] == b'/' {
        name = &name[2..];
        while let [b'/', rest @ ..] = name {
            name = rest;
        }
    }
    if name.is_empty() { b"./" } else { name }
}
