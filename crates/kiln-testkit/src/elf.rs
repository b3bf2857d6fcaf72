//! Just enough of ELF to say which sections of two objects differ (gABI chapter 4).
//!
//! It reads 64-bit and 32-bit little-endian headers and knows nothing of what a section holds. A file
//! that does not parse is simply no ELF file here.

/// A section: its name and its bytes, which are empty for one that takes no room in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The name, from the section name string table.
    pub name: Vec<u8>,
    /// The content.
    pub bytes: &'a [u8],
}

const SHT_NOBITS: u64 = 8;

/// The sections in file order; `None` where the bytes are not a little-endian ELF file.
pub fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    if file.get(..4)? != b"\x7fELF" || *file.get(5)? != 1 {
        return None;
    }
    let wide = *file.get(4)? == 2;
    let num = |at: usize, len: usize| -> Option<u64> {
        let mut v = [0u8; 8];
        v.get_mut(..len)?.copy_from_slice(file.get(at..at.checked_add(len)?)?);
        Some(u64::from_le_bytes(v))
    };
    let (table, size, count, names) = if wide {
        (num(0x28, 8)?, num(0x3a, 2)?, num(0x3c, 2)?, num(0x3e, 2)?)
    } else {
        (num(0x20, 4)?, num(0x2e, 2)?, num(0x30, 2)?, num(0x32, 2)?)
    };
    let header = |i: u64| -> Option<(usize, u64, usize, usize)> {
        let at = usize::try_from(table.checked_add(i.checked_mul(size)?)?).ok()?;
        let name = usize::try_from(num(at, 4)?).ok()?;
        let kind = num(at.checked_add(4)?, 4)?;
        let (o, s) = if wide {
            (num(at.checked_add(0x18)?, 8)?, num(at.checked_add(0x20)?, 8)?)
        } else {
            (num(at.checked_add(0x10)?, 4)?, num(at.checked_add(0x14)?, 4)?)
        };
        Some((name, kind, usize::try_from(o).ok()?, usize::try_from(s).ok()?))
    };
    let (_, _, str_at, str_len) = header(names)?;
    let strings = file.get(str_at..str_at.checked_add(str_len)?)?;
    let mut list = Vec::new();
    for i in 0..count {
        let (name, kind, at, len) = header(i)?;
        let bytes = if kind == SHT_NOBITS { &[][..] } else { file.get(at..at.checked_add(len)?)? };
        let rest = strings.get(name..)?;
        let end = rest.iter().position(|&b| b == 0)?;
        list.push(Section { name: rest[..end].to_vec(), bytes });
    }
    Some(list)
}

/// In words, which sections differ between two ELF files that differ.
pub fn describe(expected: &[u8], found: &[u8]) -> Option<String> {
    let (a, b) = (sections(expected)?, sections(found)?);
    let names = |s: &[Section<'_>]| s.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let text = |n: &[u8]| String::from_utf8_lossy(n).into_owned();
    if names(&a) != names(&b) {
        let only = |x: &[Section<'_>], y: &[Section<'_>]| {
            x.iter()
                .filter(|s| !y.iter().any(|t| t.name == s.name))
                .map(|s| text(&s.name))
                .collect::<Vec<_>>()
                .join(" ")
        };
        return Some(format!(
            "other sections: only expected [{}], only found [{}]",
            only(&a, &b),
            only(&b, &a)
        ));
    }
    let changed: Vec<String> = a
        .iter()
        .zip(&b)
        .filter(|(x, y)| x.bytes != y.bytes)
        .map(|(x, y)| {
            let at = x.bytes.iter().zip(y.bytes).take_while(|(p, q)| p == q).count();
            format!("{} at {at:#x} ({} and {} bytes)", text(&x.name), x.bytes.len(), y.bytes.len())
        })
        .collect();
    Some(if changed.is_empty() {
        "same sections, other headers or trailing bytes".to_owned()
    } else {
        format!("section {}", changed.join(", section "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit object with the section name table and one section `.x` of the given bytes.
    fn object(x: &[u8]) -> Vec<u8> {
        let names = b"\0.shstrtab\0.x\0";
        let mut f = vec![0u8; 64];
        f[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let names_at = f.len();
        f.extend_from_slice(names);
        let x_at = f.len();
        f.extend_from_slice(x);
        let table = f.len();
        for (name, at, len) in [(0, 0, 0), (1, names_at, names.len()), (11, x_at, x.len())] {
            let mut h = [0u8; 64];
            h[..4].copy_from_slice(&(name as u32).to_le_bytes());
            h[0x18..0x20].copy_from_slice(&(at as u64).to_le_bytes());
            h[0x20..0x28].copy_from_slice(&(len as u64).to_le_bytes());
            f.extend_from_slice(&h);
        }
        f[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        f[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        f[0x3c..0x3e].copy_from_slice(&3u16.to_le_bytes());
        f[0x3e..0x40].copy_from_slice(&1u16.to_le_bytes());
        f
    }

    #[test]
    fn names_the_section_that_differs() {
        let said = describe(&object(b"abcd"), &object(b"abXd")).unwrap_or_default();
        assert_eq!(said, "section .x at 0x2 (4 and 4 bytes)");
    }

    #[test]
    fn broken_files_are_no_elf() {
        let whole = object(b"abcd");
        for n in 0..whole.len() {
            let _ = sections(&whole[..n]); // must not panic, whatever it says
        }
        assert_eq!(sections(b"#!/bin/sh"), None);
    }
}
