//! The source version of a module: a digest of its sources (`scripts/mod/sumversion.c`).
//!
//! The digest is MD4 with a twist of byte order that has to be kept, and only 23 of its 32 digits
//! survive, because that is the size of the buffer it was once printed into. This file does not know
//! when a source version is wanted.

use super::text::{c_space, until_nul};

/// Digits of a source version.
const DIGITS: usize = 23;

/// How the member objects stand in the module's `.mod` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// On the first line, between blanks.
    FirstLineWords,
    /// One on each line.
    Lines,
}

/// What came out.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The digits.
    Digest(String),
    /// None, with this warning (without its level).
    Malformed(Vec<u8>),
}

/// Computes the source version. `list` is the content of the `.mod` file; `read` gives a file's whole
/// content or has already said why not.
///
/// # Errors
/// What `read` says.
pub(super) fn compute<E>(
    list: &[u8],
    members: Members,
    object: &[u8],
    mut read: impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Outcome, E> {
    let list = until_nul(list);
    let mut md4 = Md4::default();
    let names: Vec<&[u8]> = match members {
        Members::Lines => list.split(|&b| b == b'\n').collect(),
        Members::FirstLineWords if list.is_empty() => {
            let mut text = b"bad ending versions file for ".to_vec();
            text.extend_from_slice(object);
            text.push(b'\n');
            return Ok(Outcome::Malformed(text));
        }
        Members::FirstLineWords => {
            let line = list.split(|&b| b == b'\n').next().unwrap_or_default();
            line.split(|&b| b == b' ').collect()
        }
    };
    for name in names {
        if name.is_empty() || name.ends_with(b".a") {
            continue;
        }
        if let Some(line) = digest_object(name, &mut md4, &mut read)? {
            let mut text = b"malformed line: ".to_vec();
            text.extend_from_slice(&line);
            text.push(b'\n');
            return Ok(Outcome::Malformed(text));
        }
    }
    let mut text = md4.finish();
    text.truncate(DIGITS);
    Ok(Outcome::Digest(text))
}

/// Adds the sources of one object, as its `.cmd` file names them; a line that names none comes back.
fn digest_object<E>(
    object: &[u8],
    md4: &mut Md4,
    read: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Option<Vec<u8>>, E> {
    let base = memchr::memrchr(b'/', object).map_or(0, |slash| slash + 1);
    let (dir, file) = object.split_at(base);
    let command = read(&[dir, b".", file, b".cmd"].concat())?;
    let mut in_deps = false;
    let text = until_nul(&command);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut at = 0;
    while at <= text.len() {
        // Of a thousand headers few lie in the module's directory.
        if in_deps && let Some(next) = next_of_interest(&text[at..], dir) {
            at += next;
        }
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n);
        let line = &text[at..end];
        at = end + 1;
        let start = line.iter().take_while(|&&b| c_space(b)).count();
        let line = &line[start..];
        if line.starts_with(b"source_") {
            let Some(blank) = memchr::memrchr(b' ', line) else { return Ok(Some(line.to_vec())) };
            digest_file(&read(&line[blank + 1..])?, md4);
            continue;
        }
        if line.starts_with(b"deps_") {
            in_deps = true;
            continue;
        }
        if !in_deps {
            continue;
        }
        if line.last() != Some(&b'\\') {
            break;
        }
        let name = line.split(|&b| c_space(b)).next().unwrap_or_default();
        if is_in(name, dir) {
            digest_file(&read(name)?, md4);
        }
    }
    Ok(None)
}

/// How far it is, within a list of dependencies, to the first line that may say something: one that
/// names the directory, or that does not look like a line of such a list.
fn next_of_interest(list: &[u8], dir: &[u8]) -> Option<usize> {
    let mut end = list.len();
    for newline in memchr::memchr_iter(b'\n', list) {
        if newline == 0 || list[newline - 1] != b'\\' {
            end = newline;
            break;
        }
    }
    let marks: [&[u8]; 3] = [b"source_", b"deps_", dir];
    for mark in marks.iter().filter(|mark| !mark.is_empty()) {
        if let Some(found) = memchr::memmem::find(&list[..end], mark) {
            end = found;
        }
    }
    // Back to the beginning of that line.
    Some(memchr::memrchr(b'\n', &list[..end]).map_or(0, |newline| newline + 1))
}

/// Whether a listed file counts as lying in the object's directory: the first place where the
/// directory's text occurs in the name must end at the name's last slash.
fn is_in(name: &[u8], dir: &[u8]) -> bool {
    let slash = memchr::memrchr(b'/', name);
    if !dir.is_empty() && slash.is_some_and(|slash| !name[..=slash].ends_with(dir)) {
        return false;
    }
    match memchr::memmem::find(name, dir) {
        Some(at) => (at + dir.len()).checked_sub(1).is_some_and(|end| slash == Some(end)),
        None => dir.len() == 1 && slash.is_none(),
    }
}

/// Adds a source file without white space, comments and continued line ends. Strings are kept as they
/// are; `//` is not seen as a comment.
fn digest_file(content: &[u8], md4: &mut Md4) {
    let text = until_nul(content);
    let mut at = 0;
    while at < text.len() {
        let (byte, next) = (text[at], text.get(at + 1));
        if byte == b'\\' && next == Some(&b'\n') {
            at += 2;
        } else if c_space(byte) {
            at += 1;
        } else if byte == b'"' {
            let end = (at + 1..text.len()).find(|&i| text[i] == b'"' && text[i - 1] != b'\\');
            let end = end.map_or(text.len(), |quote| quote + 1);
            md4.update(&text[at..end]);
            at = end;
        } else if byte == b'/' && next == Some(&b'*') {
            let end = (at + 2..text.len()).find(|&i| text[i - 1] == b'*' && text[i] == b'/');
            at = end.map_or(text.len(), |slash| slash + 1);
        } else {
            md4.update(&text[at..=at]);
            at += 1;
        }
    }
}

/// MD4 (RFC 1320) as modpost has it: the words of a block are loaded with the first byte highest, and
/// the words of the result are printed lowest byte first.
struct Md4 {
    state: [u32; 4],
    block: [u8; 64],
    fill: usize,
    length: u64,
}

impl Default for Md4 {
    fn default() -> Self {
        Self {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            block: [0; 64],
            fill: 0,
            length: 0,
        }
    }
}

impl Md4 {
    fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let take = bytes.len().min(64 - self.fill);
            self.block[self.fill..self.fill + take].copy_from_slice(&bytes[..take]);
            self.fill += take;
            bytes = &bytes[take..];
            if self.fill == 64 {
                self.transform(self.words());
                self.fill = 0;
            }
        }
    }

    fn words(&self) -> [u32; 16] {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(self.block.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        words
    }

    fn finish(mut self) -> String {
        let bits = self.length.wrapping_shl(3);
        self.block[self.fill] = 0x80;
        self.block[self.fill + 1..].fill(0);
        if self.fill >= 56 {
            self.transform(self.words());
            self.block.fill(0);
        }
        let mut words = self.words();
        words[14] = bits as u32;
        words[15] = (self.length >> 29) as u32;
        self.transform(words);
        self.state.iter().map(|word| format!("{:08X}", word.swap_bytes())).collect()
    }

    fn transform(&mut self, x: [u32; 16]) {
        const ROUNDS: [([u32; 4], [usize; 16], u32); 3] = [
            ([3, 7, 11, 19], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 0),
            ([3, 5, 9, 13], [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], 0x5a82_7999),
            ([3, 9, 11, 15], [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], 0x6ed9_eba1),
        ];
        let [mut a, mut b, mut c, mut d] = self.state;
        for (round, (shifts, order, add)) in ROUNDS.iter().enumerate() {
            for (step, &k) in order.iter().enumerate() {
                let mixed = match round {
                    0 => (b & c) | (!b & d),
                    1 => (b & c) | (b & d) | (c & d),
                    _ => b ^ c ^ d,
                };
                let sum = a.wrapping_add(mixed).wrapping_add(x[k]).wrapping_add(*add);
                (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
            }
        }
        for (state, value) in self.state.iter_mut().zip([a, b, c, d]) {
            *state = state.wrapping_add(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        assert!(is_in(b"/m/a.h", b"/m/"));
        assert!(!is_in(b"/m/sub/a.h", b"/m/"));
        assert!(!is_in(b"a.h", b""));
        assert!(!is_in(b"foo.h", b"./"));
        assert!(is_in(b"../foo.h", b"./"));
    }

    /// Which files a `.cmd` file asks for, line by line.
    fn asked_slowly(text: &[u8], dir: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut asked, mut in_deps) = (Vec::new(), false);
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|&b| b == b'\n') {
            let line = line.trim_ascii_start();
            if line.starts_with(b"source_") {
                asked.push(line[memchr::memrchr(b' ', line)? + 1..].to_vec());
            } else if line.starts_with(b"deps_") {
                in_deps = true;
            } else if in_deps && line.last() != Some(&b'\\') {
                break;
            } else if in_deps {
                let name = line.split(|&b| c_space(b)).next().unwrap_or_default();
                if is_in(name, dir) {
                    asked.push(name.to_vec());
                }
            }
        }
        Some(asked)
    }

    #[test]
    fn lines_without_interest_are_passed_over() {
        const LINES: [&str; 14] = [
            "  /m/a.h \\",
            "  /m/b.h \\",
            "  /x/b.h \\",
            "  /x/m/b.h \\",
            "    $(wildcard include/config/X) \\",
            "  ../source_y.h \\",
            "  source_z.h \\",
            "  source_z \\",
            "deps_m.o := \\",
            "source_m.o := /m/m.c",
            "\\",
            "",
            "/m/m.o: $(deps_/m/m.o)",
            "  /m/c.h",
        ];
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        for round in 0..20_000 {
            let mut text = String::from("savedcmd_m.o := gcc\n");
            for _ in 0..random() % 12 {
                // Lines that end a list are rare, or few lists would be long.
                let line = LINES[random() % if round % 3 == 0 { LINES.len() } else { 9 }];
                text.push_str(line);
                text.push('\n');
            }
            if random() % 2 == 0 {
                text.pop();
            }
            let mut asked = Vec::new();
            let found = compute(b"/m/m.o", Members::Lines, b"", |file| {
                if file != b"/m/.m.o.cmd" {
                    asked.push(file.to_vec());
                    return Ok::<_, ()>(Vec::new());
                }
                Ok(text.as_bytes().to_vec())
            });
            match asked_slowly(text.as_bytes(), b"/m/") {
                Some(want) => assert_eq!(asked, want, "{text}"),
                None => assert!(matches!(found, Ok(Outcome::Malformed(_))), "{text}"),
            }
        }
    }

    #[test]
    fn only_code_counts() {
        let digest = |text: &str| {
            let mut md4 = Md4::default();
            digest_file(text.as_bytes(), &mut md4);
            md4.finish()
        };
        assert_eq!(digest("int a ;/* x */ int b;"), digest("inta;\n\tintb\\\n;"));
        assert_ne!(digest("\"a b\""), digest("\"ab\""));
        assert_ne!(digest("a // b"), digest("a"));
        assert_eq!(digest("/* open"), digest(""));
        let _ = digest("\"open \\\" string");
    }
}
