//! A writer of small pieces of debugging information, from a text with one entry a line:
//!
//! ```text
//! int: base_type name=int byte_size=4 encoding=5
//! s: structure_type name=s {
//!   member name=x type=@int data_member_location=0
//! }
//! ```
//!
//! A word before a colon names the entry for `@` references; braces hold children. Numbers are written
//! with `DW_FORM_udata`, names with `DW_FORM_strp` and a relocation.

use std::collections::HashMap;

use super::Object;

const TAGS: &[(&str, u8)] = &[
    ("array_type", 0x01),
    ("enumeration_type", 0x04),
    ("formal_parameter", 0x05),
    ("lexical_block", 0x0b),
    ("member", 0x0d),
    ("pointer_type", 0x0f),
    ("structure_type", 0x13),
    ("subroutine_type", 0x15),
    ("typedef", 0x16),
    ("union_type", 0x17),
    ("variant", 0x19),
    ("subrange_type", 0x21),
    ("base_type", 0x24),
    ("const_type", 0x26),
    ("enumerator", 0x28),
    ("subprogram", 0x2e),
    ("variant_part", 0x33),
    ("variable", 0x34),
    ("namespace", 0x39),
];

const ATTRIBUTES: &[(&str, u8)] = &[
    ("name", 0x03),
    ("byte_size", 0x0b),
    ("bit_size", 0x0d),
    ("discr_value", 0x16),
    ("const_value", 0x1c),
    ("upper_bound", 0x2f),
    ("abstract_origin", 0x31),
    ("count", 0x37),
    ("data_member_location", 0x38),
    ("decl_file", 0x3a),
    ("declaration", 0x3c),
    ("encoding", 0x3e),
    ("type", 0x49),
    ("linkage_name", 0x6e),
];

fn code(table: &[(&str, u8)], word: &str) -> u8 {
    table.iter().find(|(name, _)| *name == word).unwrap_or_else(|| panic!("what is {word}?")).1
}

fn uleb(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put(big: bool, value: u32) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// An object of one unit with the debugging entries of `text`, and a global symbol for each of
/// `symbols` at the value beside it.
pub fn object(
    text: &str,
    (is_64, big, machine): (bool, bool, u16),
    symbols: &[(&'static str, u64)],
) -> Object {
    let (mut info, mut abbrev, mut strings) = (Vec::new(), Vec::new(), vec![0]);
    let mut labels: HashMap<&str, u32> = HashMap::new();
    let (mut wanted, mut relocs) = (Vec::new(), Vec::new());
    // Length, version 5, compilation unit, size of an address, offset of the abbreviations.
    info.extend_from_slice(&[0; 4]);
    info.extend_from_slice(if big { &[0, 5] } else { &[5, 0] });
    info.extend_from_slice(&[1, 8, 0, 0, 0, 0]);
    // The unit's own entry: no attributes.
    abbrev.extend_from_slice(&[1, 0x11, 1, 0, 0]);
    info.push(1);
    let mut count = 1;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "}" {
            info.push(0);
            continue;
        }
        let mut words = line.split_whitespace().peekable();
        if let Some(label) = words.peek().and_then(|word| word.strip_suffix(':')) {
            labels.insert(label, info.len() as u32);
            words.next();
        }
        count += 1;
        uleb(&mut abbrev, count);
        abbrev.push(code(TAGS, words.next().expect("a tag")));
        abbrev.push(line.ends_with('{').into());
        uleb(&mut info, count);
        for word in words.filter(|&word| word != "{") {
            let (name, value) = word.split_once('=').expect("name=value");
            abbrev.push(code(ATTRIBUTES, name));
            if let Some(label) = value.strip_prefix('@') {
                abbrev.push(0x13); // DW_FORM_ref4
                wanted.push((info.len(), label));
                info.extend_from_slice(&[0; 4]);
            } else if matches!(name, "name" | "linkage_name") {
                abbrev.push(0x0e); // DW_FORM_strp
                relocs.push((info.len() as u64, 1, strings.len() as i64));
                info.extend_from_slice(&[0xee; 4]);
                strings.extend_from_slice(value.replace('_', " ").as_bytes());
                strings.push(0);
            } else if name == "declaration" {
                abbrev.push(0x19); // DW_FORM_flag_present
            } else {
                abbrev.push(0x0f); // DW_FORM_udata
                uleb(&mut info, value.parse().expect("a number"));
            }
        }
        abbrev.extend_from_slice(&[0, 0]);
    }
    info.push(0);
    abbrev.push(0);
    for (at, label) in wanted {
        info[at..at + 4].copy_from_slice(&put(big, labels[label]));
    }
    let len = info.len() as u32 - 4;
    info[..4].copy_from_slice(&put(big, len));
    let kind = match machine {
        62 => 10,
        183 => 258,
        22 => 4,
        _ => 1,
    };
    let mut object = Object::new(is_64, big, machine)
        .section(".text", 6, &[0; 64])
        .section(".debug_info", 0, &info)
        .section(".debug_abbrev", 0, &abbrev)
        .section(".debug_str", 0, &strings)
        // The section symbol of the strings.
        .symbol(("", 4, 0, 0, 3))
        .relocs_of(".rela.debug_info", 2, kind, &relocs);
    for &(name, value) in symbols {
        object = object.symbol((name, 1, value, 0, super::GLOBAL_FUNC));
    }
    object
}
