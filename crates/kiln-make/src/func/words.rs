//! Functions on lists of words and on plain text. Pure: bytes in, bytes appended.

use kiln_base::text::{self, Pattern};
use rustc_hash::FxHashSet;

use crate::{Make, Result};

/// Appends words with one blank between them.
pub struct WordOut<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl<'a> WordOut<'a> {
    /// Words will be appended to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        WordOut { out, any: false }
    }

    /// Appends a word that consists of some pieces.
    pub fn put(&mut self, pieces: &[&[u8]]) {
        if self.any {
            self.out.push(b' ');
        }
        self.any = true;
        for p in pieces {
            self.out.extend_from_slice(p);
        }
    }
}

/// `$(addprefix)` and `$(addsuffix)`.
pub fn add_fix(prefix: &[u8], suffix: &[u8], list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        w.put(&[prefix, word, suffix]);
    }
}

/// `$(subst)`: every occurrence of `from` in `text`. An empty `from` stands at the end.
pub fn subst(text: &[u8], from: &[u8], to: &[u8], out: &mut Vec<u8>) {
    if from.is_empty() {
        out.extend_from_slice(text);
        out.extend_from_slice(to);
        return;
    }
    let mut at = 0;
    if from.len() == 1 {
        while let Some(n) = memchr::memchr(from[0], &text[at..]) {
            out.extend_from_slice(&text[at..at + n]);
            out.extend_from_slice(to);
            at += n + 1;
        }
    } else if text.len() >= from.len() {
        let finder = memchr::memmem::Finder::new(from);
        while let Some(n) = finder.find(&text[at..]) {
            out.extend_from_slice(&text[at..at + n]);
            out.extend_from_slice(to);
            at += n + from.len();
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// `$(subst)` on whole words only: what `$(patsubst)` does with a pattern without `%`. White space
/// is kept as it is.
fn subst_words(txt: &[u8], from: &[u8], to: &[u8], out: &mut Vec<u8>) {
    let mut t = 0;
    loop {
        let p = if from.is_empty() {
            let w = t + text::leading_space(&txt[t..]);
            text::word_end(txt, w)
        } else {
            match text::find(txt, from, t) {
                Some(p) => p,
                None => {
                    out.extend_from_slice(&txt[t..]);
                    return;
                }
            }
        };
        out.extend_from_slice(&txt[t..p]);
        let end = p + from.len();
        let whole = (p == 0 || text::is_space(txt[p - 1]))
            && txt.get(end).is_none_or(|&b| text::is_space(b));
        // An empty word matches at the end of each word, where what stands before is no blank.
        let struck_out = if from.is_empty() {
            p > 0 && !text::is_space(txt[p - 1])
                || txt.get(end).is_some_and(|&b| !text::is_space(b))
        } else {
            !whole
        };
        out.extend_from_slice(if struck_out { from } else { to });
        t = end;
        if t >= txt.len() {
            return;
        }
    }
}

/// `$(patsubst)`.
pub fn patsubst(txt: &[u8], pattern: &[u8], replacement: &[u8], out: &mut Vec<u8>) {
    let pattern = Pattern::parse(pattern);
    let replacement = Pattern::parse(replacement);
    patsubst_parsed(txt, &pattern, &replacement, out);
}

/// `$(patsubst)` with both patterns read already.
pub fn patsubst_parsed(txt: &[u8], pat: &Pattern, rep: &Pattern, out: &mut Vec<u8>) {
    if pat.percent.is_none() {
        return subst_words(txt, &pat.text, &rep.text, out);
    }
    let (prefix, suffix) = (pat.prefix(), pat.suffix());
    let mut any = false;
    for word in text::words(txt) {
        let stem = if word.len() < prefix.len() + suffix.len() {
            None
        } else {
            word.strip_prefix(prefix).and_then(|w| w.strip_suffix(suffix))
        };
        let Some(stem) = stem else {
            out.extend_from_slice(word);
            out.push(b' ');
            any = true;
            continue;
        };
        out.extend_from_slice(rep.prefix());
        if rep.percent.is_some() {
            out.extend_from_slice(stem);
            out.extend_from_slice(rep.suffix());
        }
        // A replacement that is empty for sure leaves no blank behind either.
        if !rep.prefix().is_empty() || rep.percent.is_some() && word.len() + rep.suffix().len() > 0
        {
            out.push(b' ');
            any = true;
        }
    }
    if any {
        out.pop();
    }
}

/// `$(filter)` and `$(filter-out)`.
pub fn filter(patterns: &[u8], list: &[u8], keep: bool, out: &mut Vec<u8>) {
    let mut literals: Vec<&[u8]> = Vec::new();
    let mut quoted: Vec<Pattern> = Vec::new();
    for p in text::words(patterns) {
        if memchr::memchr(b'%', p).is_none() {
            literals.push(p);
        } else {
            quoted.push(Pattern::parse(p));
        }
    }
    let set: Option<FxHashSet<&[u8]>> =
        (literals.len() > 8).then(|| literals.iter().copied().collect());
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        let hit = match &set {
            Some(s) => s.contains(word),
            None => literals.contains(&word),
        } || quoted.iter().any(|p| p.stem(word).is_some());
        if hit == keep {
            w.put(&[word]);
        }
    }
}

/// `$(join)`.
pub fn join(a: &[u8], b: &[u8], out: &mut Vec<u8>) {
    let (mut a, mut b) = (text::words(a), text::words(b));
    let mut w = WordOut::new(out);
    loop {
        match (a.next(), b.next()) {
            (None, None) => return,
            (x, y) => w.put(&[x.unwrap_or(b""), y.unwrap_or(b"")]),
        }
    }
}

/// `$(strip)`.
pub fn strip(list: &[u8], out: &mut Vec<u8>) {
    let mut w = WordOut::new(out);
    for word in text::words(list) {
        w.put(&[word]);
    }
}

/// `$(sort)`: bytewise and unique. The first bytes are compared as signed characters, the others as
/// unsigned ones, as the original does on this machine.
pub fn sort(list: &[u8], out: &mut Vec<u8>) {
    let mut all: Vec<&[u8]> = text::words(list).collect();
    all.sort_unstable_by(|a, b| {
        let (x, y) = (a[0] as i8, b[0] as i8);
        x.cmp(&y).then_with(|| a.cmp(b))
    });
    all.dedup();
    let mut w = WordOut::new(out);
    for word in all {
        w.put(&[word]);
    }
}

/// A number as C's `strtoll` reads it: how it ended, or that it is too great.
enum Number {
    Value(i64),
    OutOfRange,
    Other,
}

fn number(s: &[u8]) -> Number {
    let (negative, digits) = match s {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, s),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return Number::Other;
    }
    let mut value: i64 = 0;
    for d in &digits[..count] {
        let d = i64::from(d - b'0');
        let next = value
            .checked_mul(10)
            .and_then(|v| if negative { v.checked_sub(d) } else { v.checked_add(d) });
        match next {
            Some(v) => value = v,
            None => return Number::OutOfRange,
        }
    }
    if count < digits.len() { Number::Other } else { Number::Value(value) }
}

impl Make {
    fn numeric(&self, s: &[u8], what: &str) -> Result<i64> {
        let trimmed = text::trim(s);
        let say = |tail: &[&[u8]]| {
            let mut msg = what.as_bytes().to_vec();
            tail.iter().for_each(|t| msg.extend_from_slice(t));
            self.expansion_error(msg)
        };
        if trimmed.is_empty() {
            return Err(say(&[b": empty value"]));
        }
        match number(trimmed) {
            Number::Value(v) => Ok(v),
            Number::OutOfRange => Err(say(&[b": '", s, b"' out of range"])),
            Number::Other => Err(say(&[b": '", s, b"'"])),
        }
    }

    pub(crate) fn word(&self, n: &[u8], list: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let i = self.numeric(n, "invalid first argument to 'word' function")?;
        if i < 1 {
            let text = b"first argument to 'word' function must be greater than 0".to_vec();
            return Err(self.expansion_error(text));
        }
        let i = usize::try_from(i - 1).unwrap_or(usize::MAX);
        out.extend_from_slice(text::words(list).nth(i).unwrap_or(b""));
        Ok(())
    }

    pub(crate) fn wordlist(
        &self,
        first: &[u8],
        last: &[u8],
        list: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        const FIRST: &str = "invalid first argument to 'wordlist' function";
        const SECOND: &str = "invalid second argument to 'wordlist' function";
        let start = self.numeric(first, FIRST)?;
        if start < 1 {
            return Err(self.expansion_error(format!("{FIRST}: '{start}'").into_bytes()));
        }
        let stop = self.numeric(last, SECOND)?;
        if stop < 0 {
            return Err(self.expansion_error(format!("{SECOND}: '{stop}'").into_bytes()));
        }
        let mut count = stop - start + 1;
        if count <= 0 {
            return Ok(());
        }
        let mut pos = 0;
        let mut skip = start;
        let from = loop {
            match text::next_word(list, &mut pos) {
                None => return Ok(()),
                Some(w) => {
                    skip -= 1;
                    if skip == 0 {
                        break pos - w.len();
                    }
                }
            }
        };
        loop {
            count -= 1;
            if count == 0 || text::next_word(list, &mut pos).is_none() {
                break;
            }
        }
        let end = pos.min(list.len());
        // The end of the last word that was found, not of the blanks behind it.
        let mut end = end;
        while end > from && text::is_space(list[end - 1]) {
            end -= 1;
        }
        out.extend_from_slice(&list[from..end]);
        Ok(())
    }
}
