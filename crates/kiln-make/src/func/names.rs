//! Functions on file names. `abspath`, `realpath` and `wildcard` ask the file system seam; the
//! others look at the text only.

use kiln_base::text;

use super::words::WordOut;
use crate::Make;

/// The longest path that the system takes, its final NUL included.
const PATH_MAX: usize = 4096;

/// `$(dir)`.
pub fn dir(list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        let d = text::split_dir(word).0;
        w.put(&[if d.is_empty() { b"./" } else { d }]);
    }
}

/// `$(notdir)`.
pub fn notdir(list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        w.put(&[text::split_dir(word).1]);
    }
}

/// Where the suffix of a name begins.
fn suffix_start(word: &[u8]) -> Option<usize> {
    let i = word.iter().rposition(|&b| b == b'/' || b == b'.')?;
    (word[i] == b'.').then_some(i)
}

/// `$(suffix)`.
pub fn suffix(list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        if let Some(i) = suffix_start(word) {
            w.put(&[&word[i..]]);
        }
    }
}

/// `$(basename)`.
pub fn basename(list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        w.put(&[&word[..suffix_start(word).unwrap_or(word.len())]]);
    }
}

/// A path made absolute without looking at the file system: `.`, `..` and repeated slashes removed.
/// `None` if it would be too long.
pub fn abspath(dir: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut path = if name.first() == Some(&b'/') { b"/".to_vec() } else { dir.to_vec() };
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if path.len() > 1 {
                    path.pop();
                    while path.last() != Some(&b'/') && !path.is_empty() {
                        path.pop();
                    }
                }
            }
            _ => {
                if path.last() != Some(&b'/') {
                    path.push(b'/');
                }
                if path.len() + part.len() >= PATH_MAX {
                    return None;
                }
                path.extend_from_slice(part);
            }
        }
    }
    if path.len() > 1 && path.last() == Some(&b'/') {
        path.pop();
    }
    Some(path)
}

impl Make {
    pub(crate) fn abspath_all(&self, list: &[u8], out: &mut Vec<u8>) {
        let mut w = WordOut::new(out);
        for word in text::words(list) {
            if word.len() < PATH_MAX
                && let Some(p) = abspath(self.sys.dir(), word)
            {
                w.put(&[&p]);
            }
        }
    }

    pub(crate) fn realpath_all(&self, list: &[u8], out: &mut Vec<u8>) {
        let mut w = WordOut::new(out);
        for word in text::words(list) {
            if word.len() < PATH_MAX
                && let Ok(p) = self.sys.realpath(word)
            {
                w.put(&[&p]);
            }
        }
    }

    pub(crate) fn wildcard(&mut self, list: &[u8], out: &mut Vec<u8>) {
        // The common case, one plain name, needs no list.
        let one = text::trim(list);
        if !one.is_empty() && one.last() != Some(&b'/') && text::is_plain_name(one) {
            if self.name_exists(one) {
                out.extend_from_slice(one);
            }
            return;
        }
        let found = self.existing_files(list);
        let mut w = WordOut::new(out);
        for f in &found {
            w.put(&[f]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::abspath;

    #[test]
    fn absolute_paths() {
        let p = |n: &str| String::from_utf8(abspath(b"/a/b", n.as_bytes()).unwrap()).unwrap();
        assert_eq!(p("c"), "/a/b/c");
        assert_eq!(p("../c/./d//e/"), "/a/c/d/e");
        assert_eq!(p("../../../.."), "/");
        assert_eq!(p("/x/../y"), "/y");
        assert_eq!(p("."), "/a/b");
    }
}
