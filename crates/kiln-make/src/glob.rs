//! Wildcards, as the C library's `glob` finds names: sorted, hidden files only by an explicit dot.

use kiln_base::FileKind;

use crate::Make;

/// What a pattern asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Just a name.
    Plain,
    /// A name with quoting backslashes.
    Quoted,
    /// A real pattern.
    Wild,
}

fn kind_of(pattern: &[u8]) -> Kind {
    let mut kind = Kind::Plain;
    let mut bracket = false;
    let mut i = 0;
    while i < pattern.len() {
        match pattern[i] {
            b'?' | b'*' => return Kind::Wild,
            b'\\' if i + 1 < pattern.len() => {
                i += 1;
                kind = Kind::Quoted;
            }
            b'[' => bracket = true,
            b']' if bracket => return Kind::Wild,
            _ => {}
        }
        i += 1;
    }
    kind
}

#[derive(Clone, Copy, Default)]
struct Flags {
    /// Append a slash to directories.
    mark: bool,
    /// Leave out what is known not to be a directory.
    only_dir: bool,
    no_sort: bool,
}

impl Make {
    /// Appends the names that match a pattern, sorted.
    pub(crate) fn glob(&mut self, pattern: &[u8], out: &mut Vec<Vec<u8>>) {
        self.glob_with(pattern, Flags::default(), out);
    }

    fn glob_with(&mut self, pattern: &[u8], flags: Flags, out: &mut Vec<Vec<u8>>) {
        let start = out.len();
        let (dir, file): (Option<&[u8]>, &[u8]) = match memchr::memrchr(b'/', pattern) {
            None => (None, pattern),
            Some(0) => (Some(b"/"), &pattern[1..]),
            Some(i) => (Some(&pattern[..i]), &pattern[i + 1..]),
        };
        if file.is_empty()
            && let Some(d) = dir
            && d.len() > 1
        {
            return self.glob_with(d, Flags { mark: true, only_dir: true, ..flags }, out);
        }
        match dir {
            Some(d) if kind_of(d) == Kind::Wild => {
                let mut dirs = Vec::new();
                let inner = Flags { no_sort: true, only_dir: true, mark: false };
                self.glob_with(d, inner, &mut dirs);
                for d in &dirs {
                    self.glob_in(Some(d), file, flags, out);
                }
            }
            Some(d) if kind_of(d) == Kind::Quoted => {
                let d = unquote(d);
                self.glob_in(Some(&d), file, flags, out);
            }
            _ => self.glob_in(dir, file, flags, out),
        }
        if flags.mark {
            for name in &mut out[start..] {
                if self.sys.stat(name).is_ok_and(|s| s.kind == FileKind::Dir) {
                    name.push(b'/');
                }
            }
        }
        if !flags.no_sort {
            out[start..].sort_unstable();
        }
    }

    fn glob_in(&mut self, dir: Option<&[u8]>, file: &[u8], flags: Flags, out: &mut Vec<Vec<u8>>) {
        let join = |name: &[u8]| match dir {
            None => name.to_vec(),
            Some(b"/") => [b"/", name].concat(),
            Some(d) => [d, b"/", name].concat(),
        };
        if kind_of(file) == Kind::Plain {
            let path = join(file);
            if self.sys.lstat(&path).is_ok() {
                out.push(path);
            }
            return;
        }
        for name in self.dir_list(dir.unwrap_or(b".")) {
            if !matches(file, &name, true) {
                continue;
            }
            let path = join(&name);
            if flags.only_dir
                && self
                    .sys
                    .lstat(&path)
                    .is_ok_and(|s| !matches!(s.kind, FileKind::Dir | FileKind::Link))
            {
                continue;
            }
            out.push(path);
        }
    }
}

fn unquote(t: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(t.len());
    let mut i = 0;
    while i < t.len() {
        if t[i] == b'\\' && i + 1 < t.len() {
            i += 1;
        }
        out.push(t[i]);
        i += 1;
    }
    out
}

/// `fnmatch` on one path component. At the start, a dot is matched only by a dot.
fn matches(pattern: &[u8], name: &[u8], start: bool) -> bool {
    if start && name.first() == Some(&b'.') {
        let dot = matches!(pattern, [b'.', ..] | [b'\\', b'.', ..]);
        if !dot {
            return false;
        }
    }
    // The last `*` and how far it has eaten: on a mismatch it eats one byte more.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            None if n == name.len() => return true,
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(_) if n == name.len() => return false,
            Some(b'?') => Some(p + 1),
            Some(b'[') => match bracket(pattern, p, name[n]) {
                Some((true, next)) => Some(next),
                Some((false, _)) => None,
                None => (name[n] == b'[').then_some(p + 1),
            },
            Some(b'\\') if p + 1 < pattern.len() => (pattern[p + 1] == name[n]).then_some(p + 2),
            Some(&b) => (b == name[n]).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((sp, sn))) if sn < name.len() => {
                star = Some((sp, sn + 1));
                p = sp + 1;
                n = sn + 1;
            }
            _ => return false,
        }
    }
}

/// A bracket expression at `p`: whether it takes `c`, and where it ends. `None` if it is not closed.
fn bracket(pattern: &[u8], p: usize, c: u8) -> Option<(bool, usize)> {
    let mut i = p + 1;
    let negate = matches!(pattern.get(i), Some(b'!' | b'^'));
    i += usize::from(negate);
    let mut hit = false;
    let mut first = true;
    loop {
        let mut b = *pattern.get(i)?;
        if b == b']' && !first {
            return Some((hit != negate, i + 1));
        }
        first = false;
        if b == b'[' && pattern.get(i + 1) == Some(&b':') {
            let end = kiln_base::text::find(pattern, b":]", i + 2)?;
            hit |= in_class(&pattern[i + 2..end], c);
            i = end + 2;
            continue;
        }
        if b == b'\\' && i + 1 < pattern.len() {
            i += 1;
            b = pattern[i];
        }
        i += 1;
        if pattern.get(i) == Some(&b'-') && pattern.get(i + 1).is_some_and(|&e| e != b']') {
            let mut e = pattern[i + 1];
            i += 2;
            if e == b'\\' {
                e = *pattern.get(i)?;
                i += 1;
            }
            hit |= (b..=e).contains(&c);
        } else {
            hit |= b == c;
        }
    }
}

fn in_class(class: &[u8], c: u8) -> bool {
    match class {
        b"alpha" => c.is_ascii_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_ascii_alphanumeric(),
        b"upper" => c.is_ascii_uppercase(),
        b"lower" => c.is_ascii_lowercase(),
        b"space" => kiln_base::text::is_space(c),
        b"blank" => kiln_base::text::is_blank(c),
        b"punct" => c.is_ascii_punctuation(),
        b"cntrl" => c.is_ascii_control(),
        b"print" => (b' '..=b'~').contains(&c),
        b"graph" => c.is_ascii_graphic(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn components() {
        let m = |p: &str, n: &str| matches(p.as_bytes(), n.as_bytes(), true);
        assert!(m("*.c", "a.c") && !m("*.c", ".c") && m(".*", ".c"));
        assert!(m("a?c", "abc") && !m("a?c", "ac"));
        assert!(m("[a-c]x", "bx") && !m("[!a-c]x", "bx") && m("[[:digit:]]", "7"));
        assert!(m("\\*", "*") && !m("\\*", "x") && m("a*b*c", "axxbyyc"));
        assert!(m("[", "[") && !m("*", ".hidden") && m("*", "x"));
    }
}
