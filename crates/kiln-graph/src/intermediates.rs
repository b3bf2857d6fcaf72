//! Removing intermediate files at the end of a run. It does not decide which files are
//! intermediate; the search does.

use std::io;

use kiln_base::Name;
use kiln_make::{FileId, Make, Stream, options::debug};

use crate::{Graph, Status, say};

impl Graph {
    /// Removes the intermediate files that were made, saying so: on standard output as a command,
    /// or, if a signal ended the run, on standard error one by one.
    pub fn remove_intermediates(&mut self, make: &mut Make, by_signal: bool) {
        if self.switches.question
            || self.switches.touch
            || make.special.all_secondary
            || make.special.no_intermediates
            || (by_signal && self.switches.just_print)
        {
            return;
        }
        let doomed: Vec<FileId> =
            make.by_name.values().copied().filter(|&f| self.is_doomed(make, f)).collect();
        if doomed.is_empty() {
            return;
        }
        let doomed = in_table_order(make, &doomed);
        let mut begun = false;
        for f in doomed {
            let name = make.file_name(f).to_vec();
            let mut failed = None;
            if !self.switches.just_print
                && let Err(error) = make.sys.unlink(&name)
            {
                if error.kind() == io::ErrorKind::NotFound {
                    continue;
                }
                failed = Some(error);
            }
            if self.file(f).dont_care {
                continue;
            }
            if by_signal {
                let mut text = b"*** Deleting intermediate file '".to_vec();
                text.extend_from_slice(&name);
                text.push(b'\'');
                say::error(make, None, &text);
            } else {
                if !begun && self.debugging(make, debug::BASIC) {
                    say::debug_line(make, 0, &[b"Removing intermediate files...\n"]);
                }
                if !say::silent(make) {
                    let mut text: Vec<u8> = if begun { b" ".to_vec() } else { b"rm ".to_vec() };
                    begun = true;
                    text.extend_from_slice(&name);
                    make.host.print(Stream::Out, &text);
                }
            }
            if let Some(error) = failed {
                let mut text = b"\nunlink: ".to_vec();
                text.extend_from_slice(&name);
                text.extend_from_slice(b": ");
                text.extend_from_slice(say::io_text(&error).as_bytes());
                say::error(make, None, &text);
                begun = false;
            }
        }
        if begun && !by_signal {
            make.host.print(Stream::Out, b"\n");
        }
    }

    fn is_doomed(&self, make: &Make, f: FileId) -> bool {
        let file = &make.files[f];
        file.intermediate
            && (self.file(f).dont_care || !file.precious)
            && !file.secondary
            && !file.notintermediate
            && !file.cmd_target
            && self.status(f) != Status::None
    }
}

/// The order in which make meets files when it goes through its table: users see it in the `rm`
/// line. The table has open addressing with a second step; its size is a power of two.
fn in_table_order(make: &Make, wanted: &[FileId]) -> Vec<FileId> {
    if wanted.len() < 2 {
        return wanted.to_vec();
    }
    let mut entries: Vec<(FileId, Name)> = make.by_name.iter().map(|(&n, &f)| (f, n)).collect();
    entries.sort_unstable();
    let mut table = Table::new(1024);
    for (f, name) in entries {
        table.insert(f, string_hash(make.names.bytes(name)));
    }
    let in_table = table.slots.into_iter().flatten().map(|(f, _)| f);
    in_table.filter(|f| wanted.contains(f)).collect()
}

struct Table {
    slots: Vec<Option<(FileId, u32)>>,
    filled: usize,
}

impl Table {
    fn new(size: usize) -> Self {
        Table { slots: vec![None; size], filled: 0 }
    }

    fn insert(&mut self, f: FileId, hash: u32) {
        self.place(f, hash);
        self.filled += 1;
        let size = self.slots.len();
        if size - self.filled < size / 16 {
            let old = std::mem::replace(&mut self.slots, vec![None; size * 2]);
            for (f, hash) in old.into_iter().flatten() {
                self.place(f, hash);
            }
        }
    }

    fn place(&mut self, f: FileId, hash: u32) {
        let mask = self.slots.len() as u32 - 1;
        let mut at = hash & mask;
        while self.slots[at as usize].is_some() {
            // The second hash is the same function, made odd.
            at = at.wrapping_add(hash | 1) & mask;
        }
        self.slots[at as usize] = Some((f, hash));
    }
}

/// Bob Jenkins' `lookup3` over a byte string, as make uses it.
fn string_hash(text: &[u8]) -> u32 {
    let (mut a, mut b, mut c) = (0xdead_beef_u32, 0xdead_beef_u32, 0xdead_beef_u32);
    let mut rest = text;
    let mut taken = 0u32;
    'blocks: loop {
        for word in [&mut a, &mut b, &mut c] {
            let Some((four, left)) = rest.split_first_chunk::<4>() else {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                *word = word.wrapping_add(u32::from_le_bytes(last));
                break 'blocks;
            };
            *word = word.wrapping_add(u32::from_le_bytes(*four));
            rest = left;
            taken += 4;
        }
        for (x, y, shift) in [(0, 2, 4), (1, 0, 6), (2, 1, 8), (0, 2, 16), (1, 0, 19), (2, 1, 4)] {
            let mut v = [a, b, c];
            v[x] = v[x].wrapping_sub(v[y]) ^ v[y].rotate_left(shift);
            let z = 3 - x - y;
            v[y] = v[y].wrapping_add(v[z]);
            [a, b, c] = v;
        }
    }
    for (x, y, shift) in
        [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)]
    {
        let mut v = [a, b, c];
        v[x] = (v[x] ^ v[y]).wrapping_sub(u32::rotate_left(v[y], shift));
        [a, b, c] = v;
    }
    c.wrapping_add(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_base::Id;

    #[test]
    fn a_full_table_grows_and_keeps_everything() {
        let mut table = Table::new(16);
        for i in 0..40usize {
            table.insert(FileId::new(i), string_hash(format!("file{i}").as_bytes()));
        }
        assert_eq!(table.slots.len(), 64);
        assert_eq!(table.slots.iter().flatten().count(), 40);
    }
}
