//! The prerequisites of a pattern rule as names: the stem put for `%`, words found in what second
//! expansion is to read and in what it gave. It does not know which rule is tried, or why.

use kiln_base::text::{is_blank, is_space};
use kiln_make::{Dep, Make};

use crate::Result;

/// A prerequisite that is not expanded again: the stem for `%`, after the target's directory if the
/// pattern was matched without it; then file name patterns.
pub(crate) fn plain_prerequisites(
    make: &mut Make,
    dir: Option<&[u8]>,
    dep: &Dep,
    text: &[u8],
    stem: &[u8],
) -> Result<Vec<Dep>> {
    let mut name = Vec::new();
    let mut is_explicit = true;
    match text.iter().position(|&b| b == b'%') {
        None => name.extend_from_slice(text),
        Some(percent) => {
            name.extend_from_slice(dir.unwrap_or_default());
            name.extend_from_slice(&text[..percent]);
            name.extend_from_slice(stem);
            name.extend_from_slice(&text[percent + 1..]);
            is_explicit = false;
        }
    }
    let mut list = if name.iter().any(|b| b"*?[".contains(b)) || name.first() == Some(&b'~') {
        make.split_prereqs(&name)?
    } else {
        let name = make.names.intern(without_dot(&name));
        vec![Dep { name: Some(name), ..Dep::default() }]
    };
    for d in &mut list {
        d.ignore_mtime = dep.ignore_mtime;
        d.ignore_automatic = dep.ignore_automatic;
        d.wait_here |= dep.wait_here;
        d.is_explicit = is_explicit;
    }
    Ok(list)
}

/// The name without `./` at its beginning.
pub(crate) fn without_dot(mut name: &[u8]) -> &[u8] {
    while name.len() > 2 && name.starts_with(b"./") {
        name = &name[2..];
        while name.len() > 1 && name.starts_with(b"/") {
            name = &name[1..];
        }
    }
    name
}

/// Splits the text that second expansion gave, putting the directory of the target before each
/// name where the pattern was matched without it.
pub(crate) fn split_expanded(
    make: &mut Make,
    text: &[u8],
    dir: Option<&[u8]>,
    order_only: &mut bool,
) -> Result<Vec<Dep>> {
    let mut line = Vec::new();
    match dir {
        None => line.extend_from_slice(text),
        Some(dir) => {
            for word in text.split(|&b| is_space(b)).filter(|w| !w.is_empty()) {
                if word != b"|" && word != b".WAIT" {
                    line.extend_from_slice(dir);
                }
                line.extend_from_slice(if word == b".WAIT" { word } else { without_dot(word) });
                line.push(b' ');
            }
        }
    }
    let mut list = make.split_prereqs(&line)?;
    for d in &mut list {
        d.ignore_mtime |= *order_only;
    }
    if line.contains(&b'|') {
        *order_only = true;
    }
    Ok(list)
}

/// `%` becomes a reference to the stem, so that the stem itself is not expanded: the first one, and
/// the first after each white space. Tells also whether a directory has to be added later.
pub(crate) fn stem_as_variable(word: &[u8], without_dir: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut add_dir = false;
    let mut armed = true;
    for &b in word {
        if b == b'%' && armed {
            out.extend_from_slice(if without_dir { b"$(*F)" } else { b"$*" });
            add_dir |= without_dir;
            armed = false;
        } else {
            armed |= is_space(b);
            out.push(b);
        }
    }
    (out, add_dir)
}

/// The next word of prerequisites to be expanded again: variable references are part of it whatever
/// they hold, and `|` is a word by itself.
pub(crate) fn next_word(text: &[u8], mut at: usize) -> Option<(usize, usize)> {
    while at < text.len() && is_space(text[at]) {
        at += 1;
    }
    if at >= text.len() {
        return None;
    }
    let start = at;
    while at < text.len() {
        match text[at] {
            b if is_blank(b) => return Some((start, at)),
            b'|' => {
                // make reads the bar with the blank around it; alone it is a word of one byte.
                return Some((start, if at == start { at + 1 } else { at }));
            }
            b'$' => {
                at += 1;
                let close = match text.get(at) {
                    Some(b'(') => b')',
                    Some(b'{') => b'}',
                    _ => {
                        at += 1;
                        continue;
                    }
                };
                let open = text[at];
                at += 1;
                let mut count = 0;
                while at < text.len() {
                    if text[at] == open {
                        count += 1;
                    } else if text[at] == close {
                        count -= 1;
                        if count < 0 {
                            at += 1;
                            break;
                        }
                    }
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    Some((start, at.min(text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_words(text: &str) -> Vec<&str> {
        let mut at = 0;
        let mut out = Vec::new();
        while let Some((start, end)) = next_word(text.as_bytes(), at) {
            out.push(&text[start..end]);
            at = end;
        }
        out
    }

    #[test]
    fn words_keep_references_whole() {
        assert_eq!(all_words(" a $(b c) ${d e}f | g"), ["a", "$(b c)", "${d e}f", "|", "g"]);
        assert_eq!(all_words("$$a $(x $(y z) w)"), ["$$a", "$(x $(y z) w)"]);
    }

    #[test]
    fn the_stem_is_put_as_a_reference() {
        assert_eq!(stem_as_variable(b"%.c", false), (b"$*.c".to_vec(), false));
        assert_eq!(stem_as_variable(b"%.c%", true), (b"$(*F).c%".to_vec(), true));
        assert_eq!(stem_as_variable(b"$(f % %)", false), (b"$(f $* $*)".to_vec(), false));
    }

    #[test]
    fn a_dot_directory_is_dropped() {
        assert_eq!(without_dot(b".///a/b"), b"a/b");
        assert_eq!(without_dot(b"./"), b"./");
    }
}
