//! dash's `test` and `[`: its parser, which looks ahead more than POSIX asks, and its operators.

use std::os::fd::OwnedFd;

use rustix::fs::{Access, AtFlags, FileType, Stat};

use super::{Ended, integer};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unary,
    Binary,
    Not,
    And,
    Or,
    Open,
    Close,
}

fn kind(text: &[u8]) -> Option<Kind> {
    Some(match text {
        b"-r" | b"-w" | b"-x" | b"-e" | b"-f" | b"-d" | b"-c" | b"-b" | b"-p" | b"-u" | b"-g"
        | b"-k" | b"-s" | b"-t" | b"-z" | b"-n" | b"-h" | b"-O" | b"-G" | b"-L" | b"-S" => {
            Kind::Unary
        }
        b"=" | b"!=" | b"<" | b">" | b"-eq" | b"-ne" | b"-ge" | b"-gt" | b"-le" | b"-lt"
        | b"-nt" | b"-ot" | b"-ef" => Kind::Binary,
        b"!" => Kind::Not,
        b"-a" => Kind::And,
        b"-o" => Kind::Or,
        b"(" => Kind::Open,
        b")" => Kind::Close,
        _ => return None,
    })
}

/// What dash's reader sees at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    End,
    Operand,
    Op(Kind),
}

struct Test<'a> {
    dir: &'a OwnedFd,
    words: &'a [Vec<u8>],
    at: usize,
}

/// Runs `test` or `[`; `argv[0]` says which. Status 0 is true, 1 false.
pub(super) fn test(dir: &OwnedFd, argv: &[Vec<u8>]) -> Ended {
    let mut words = &argv[1..];
    if argv[0].first() == Some(&b'[') {
        match words.split_last() {
            Some((last, rest)) if last == b"]" => words = rest,
            _ => return Err(b"missing ]".to_vec()),
        }
    }
    let mut inverted = false;
    let mut as_operand = false;
    loop {
        if words.is_empty() {
            return Ok(i32::from(!inverted));
        }
        if words.len() == 3 && kind(&words[1]) == Some(Kind::Binary) {
            as_operand = true;
            break;
        }
        if words.len() != 3 && words.len() != 4 {
            break;
        }
        if words[0] == b"(" && words[words.len() - 1] == b")" {
            words = &words[1..words.len() - 1];
            break;
        }
        if words[0] != b"!" {
            break;
        }
        // Each further `!` is met here only while three or four words are left; dash sets the
        // sense anew each time instead of turning it round.
        inverted = true;
        words = &words[1..];
    }
    let mut test = Test { dir, words, at: 0 };
    let first = if as_operand { Seen::Operand } else { test.seen(0) };
    let result = test.or(first)?;
    if test.at + 1 < words.len() {
        let word = &words[test.at];
        let colon: &[u8] = if word.is_empty() { b"" } else { b": " };
        return Err([word.as_slice(), colon, b"unexpected operator"].concat());
    }
    Ok(i32::from(result == inverted))
}

impl Test<'_> {
    fn word(&self, at: usize) -> Option<&[u8]> {
        self.words.get(at).map(Vec::as_slice)
    }

    fn seen(&self, at: usize) -> Seen {
        let Some(word) = self.word(at) else { return Seen::End };
        match kind(word) {
            None => Seen::Operand,
            Some(Kind::Unary) if self.is_operand(at) => Seen::Operand,
            Some(Kind::Open) if self.word(at + 1).is_none() => Seen::Operand,
            Some(kind) => Seen::Op(kind),
        }
    }

    /// Whether what looks like a unary operator is a text to be compared.
    fn is_operand(&self, at: usize) -> bool {
        match (self.word(at + 1), self.word(at + 2)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(next), Some(_)) => kind(next) == Some(Kind::Binary),
        }
    }

    fn or(&mut self, mut seen: Seen) -> Result<bool, Vec<u8>> {
        let mut result = false;
        loop {
            result |= self.and(seen)?;
            if self.seen(self.at + 1) != Seen::Op(Kind::Or) {
                return Ok(result);
            }
            self.at += 2;
            seen = self.seen(self.at);
        }
    }

    fn and(&mut self, mut seen: Seen) -> Result<bool, Vec<u8>> {
        let mut result = true;
        loop {
            result &= self.not(seen)?;
            if self.seen(self.at + 1) != Seen::Op(Kind::And) {
                return Ok(result);
            }
            self.at += 2;
            seen = self.seen(self.at);
        }
    }

    fn not(&mut self, mut seen: Seen) -> Result<bool, Vec<u8>> {
        let mut inverted = false;
        while seen == Seen::Op(Kind::Not) {
            inverted = !inverted;
            seen = self.seen(self.at + 1);
            if seen != Seen::End {
                self.at += 1;
            }
        }
        Ok(self.primary(seen)? != inverted)
    }

    fn primary(&mut self, seen: Seen) -> Result<bool, Vec<u8>> {
        match seen {
            Seen::End => return Ok(false),
            Seen::Op(Kind::Open) => {
                self.at += 1;
                let inner = self.seen(self.at);
                if inner == Seen::Op(Kind::Close) {
                    return Ok(false);
                }
                let result = self.or(inner)?;
                self.at += 1;
                if self.seen(self.at) != Seen::Op(Kind::Close) {
                    return Err(b"closing paren expected".to_vec());
                }
                return Ok(result);
            }
            Seen::Op(Kind::Unary) => {
                let op = self.words[self.at].clone();
                self.at += 1;
                let Some(operand) = self.word(self.at) else {
                    return Err([op.as_slice(), b": argument expected"].concat());
                };
                return self.unary(op[1], operand);
            }
            _ => {}
        }
        if self.seen(self.at + 1) == Seen::Op(Kind::Binary) {
            return self.binary();
        }
        Ok(self.word(self.at).is_some_and(|word| !word.is_empty()))
    }

    fn binary(&mut self) -> Result<bool, Vec<u8>> {
        let left = &self.words[self.at];
        let op = &self.words[self.at + 1];
        self.at += 2;
        let Some(right) = self.words.get(self.at) else {
            return Err([op.as_slice(), b": argument expected"].concat());
        };
        let times = |sooner: &[u8], later: &[u8]| {
            let (Some(a), Some(b)) = (self.stat(sooner), self.stat(later)) else { return false };
            (a.st_mtime, a.st_mtime_nsec) < (b.st_mtime, b.st_mtime_nsec)
        };
        Ok(match op.as_slice() {
            b"=" => left == right,
            b"!=" => left != right,
            b"<" => left < right,
            b">" => left > right,
            b"-nt" => times(right, left),
            b"-ot" => times(left, right),
            b"-ef" => match (self.stat(left), self.stat(right)) {
                (Some(a), Some(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
                _ => false,
            },
            numeric => {
                // The C compiler chose to read the right number first or last; which one is
                // complained about shows it. dash reads the left one first.
                let left = integer(left)?;
                let right = integer(right)?;
                match numeric {
                    b"-eq" => left == right,
                    b"-ne" => left != right,
                    b"-ge" => left >= right,
                    b"-gt" => left > right,
                    b"-le" => left <= right,
                    _ => left < right,
                }
            }
        })
    }

    fn stat(&self, path: &[u8]) -> Option<Stat> {
        rustix::fs::statat(self.dir, path, AtFlags::empty()).ok()
    }

    fn unary(&self, op: u8, operand: &[u8]) -> Result<bool, Vec<u8>> {
        let access = |how| rustix::fs::accessat(self.dir, operand, how, AtFlags::EACCESS).is_ok();
        let stat = || {
            let flags = if matches!(op, b'h' | b'L') {
                AtFlags::SYMLINK_NOFOLLOW
            } else {
                AtFlags::empty()
            };
            rustix::fs::statat(self.dir, operand, flags).ok()
        };
        let is = |wanted: FileType| {
            stat().is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == wanted)
        };
        let bit = |bit: u32| stat().is_some_and(|stat| stat.st_mode & bit != 0);
        Ok(match op {
            b'z' => operand.is_empty(),
            b'n' => !operand.is_empty(),
            b'r' => access(Access::READ_OK),
            b'w' => access(Access::WRITE_OK),
            b'x' => access(Access::EXEC_OK),
            b'e' => stat().is_some(),
            b'f' => is(FileType::RegularFile),
            b'd' => is(FileType::Directory),
            b'c' => is(FileType::CharacterDevice),
            b'b' => is(FileType::BlockDevice),
            b'p' => is(FileType::Fifo),
            b'S' => is(FileType::Socket),
            b'h' | b'L' => is(FileType::Symlink),
            b's' => stat().is_some_and(|stat| stat.st_size > 0),
            b'u' => bit(0o4000),
            b'g' => bit(0o2000),
            b'k' => bit(0o1000),
            b'O' => {
                let user = rustix::process::geteuid().as_raw();
                stat().is_some_and(|stat| stat.st_uid == user)
            }
            b'G' => {
                let group = rustix::process::getegid().as_raw();
                stat().is_some_and(|stat| stat.st_gid == group)
            }
            _ => false,
        })
    }
}
