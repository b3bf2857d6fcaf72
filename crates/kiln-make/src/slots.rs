//! The order in which the original's hash tables give their entries back. Makefiles can see it: in
//! `$(.VARIABLES)`, and in the environment of what they start.
//!
//! The tables have a power of two of slots, probed one after the other, and double when fifteen
//! sixteenths are used. The hash is Bob Jenkins' `lookup3` with other mixing steps.

/// How many slots a table of variables begins with.
const INITIAL: usize = 1024;

fn hash(mut key: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |k: &[u8]| u32::from_le_bytes([k[0], k[1], k[2], k[3]]);
    while key.len() > 12 {
        a = a.wrapping_add(word(key));
        b = b.wrapping_add(word(&key[4..]));
        c = c.wrapping_add(word(&key[8..]));
        for round in [[4, 6, 8], [16, 19, 4]] {
            a = a.wrapping_sub(c) ^ c.rotate_left(round[0]);
            c = c.wrapping_add(b);
            b = b.wrapping_sub(a) ^ a.rotate_left(round[1]);
            a = a.wrapping_add(c);
            c = c.wrapping_sub(b) ^ b.rotate_left(round[2]);
            b = b.wrapping_add(a);
        }
        key = &key[12..];
    }
    if key.is_empty() {
        return c;
    }
    if key.len() > 8 {
        a = a.wrapping_add(word(key));
        key = &key[4..];
    }
    if key.len() > 4 {
        b = b.wrapping_add(word(key));
        key = &key[4..];
    }
    for (i, &byte) in key.iter().enumerate() {
        c = c.wrapping_add(u32::from(byte) << (8 * i));
    }
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

fn place(slots: &mut [u32], hashes: &[u32], i: u32) {
    let mask = slots.len() - 1;
    let mut at = hashes[i as usize] as usize & mask;
    while slots[at] != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = i + 1;
}

/// The positions of `names`, which were entered in that order, as a table gives them back.
pub fn order<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
    let hashes: Vec<u32> = names.map(hash).collect();
    let mut slots = vec![0u32; INITIAL];
    for i in 0..hashes.len() {
        place(&mut slots, &hashes, i as u32);
        if slots.len() - (i + 1) < slots.len() / 16 {
            let old = std::mem::replace(&mut slots, vec![0; 0]);
            slots = vec![0; old.len() * 2];
            for e in old.into_iter().filter(|&e| e != 0) {
                place(&mut slots, &hashes, e - 1);
            }
        }
    }
    slots.into_iter().filter(|&e| e != 0).map(|e| e as usize - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn a_table_keeps_all_when_it_grows() {
        let names: Vec<String> = (0..3000).map(|i| format!("VARIABLE_{i}")).collect();
        let mut all = order(names.iter().map(String::as_bytes));
        assert_eq!(all.len(), 3000);
        all.sort_unstable();
        assert!(all.iter().enumerate().all(|(i, &j)| i == j));
    }
}
