//! Aliases that are no plain row of fields.
//!
//! A handler says what an entry gives as a list of events, in order; it does not know what becomes of
//! them.

use super::super::text::{c_space, cat};
use super::layout::Entry;
use super::types::{self, Item, When};
use super::{Context, Event, Scheme};

/// Turns one entry into events.
pub(super) type Handler = fn(&Context<'_>, &Entry<'_>, &mut Vec<Event>);

/// Appends fields as the kernel's `ADD` does: what stands before, then upper-case hexadecimal digits
/// of the field's full width, or a star.
pub(super) fn add(text: &mut Vec<u8>, entry: &Entry<'_>, items: &[Item]) {
    for &(before, name, when) in items {
        text.extend_from_slice(before.as_bytes());
        let (value, size) = entry.number(name);
        let shown = match when {
            When::Always => true,
            When::Not(any) => value != any,
            When::Flag(bits) => entry.value("match_flags") & bits != 0,
            When::Equal(other, wanted) => entry.value(other) == wanted,
        };
        if shown {
            text.extend_from_slice(format!("{value:0width$X}", width = size * 2).as_bytes());
        } else {
            text.push(b'*');
        }
    }
}

/// Ends an alias with a star for fields to come, if it has none.
pub(super) fn open(mut text: Vec<u8>) -> Event {
    if text.last() != Some(&b'*') {
        text.push(b'*');
    }
    Event::Alias(text)
}

fn underscores(mut text: Vec<u8>) -> Vec<u8> {
    for byte in text.iter_mut().filter(|byte| c_space(**byte)) {
        *byte = b'_';
    }
    text
}

fn or_star(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"*" } else { text }
}

pub(super) fn pci(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let mut text = Vec::new();
    let kind = if context.scheme >= Scheme::V6_1 { entry.value("override_only") } else { 0 };
    match kind {
        0 => text.extend_from_slice(b"pci:"),
        1 => text.extend_from_slice(b"vfio_pci:"),
        other => {
            let warning = format!("Unknown PCI driver_override alias {other:08X}\n");
            events.push(Event::Warning(warning.into_bytes()));
            // Later programs go on with a prefix that nobody has set.
            if context.scheme < Scheme::V7_2 {
                return;
            }
        }
    }
    add(&mut text, entry, types::PCI);
    let (class, mask) = (entry.value("class") as u32, entry.value("class_mask") as u32);
    let parts = [("bc", 16), ("sc", 8), ("i", 0)];
    if parts.iter().any(|&(_, shift)| !matches!(mask >> shift & 0xff, 0 | 0xff)) {
        let place = cat!["Can't handle masks in ", context.module, &format!(":{mask:04X}\n")];
        events.push(Event::Warning(place));
        return;
    }
    for (before, shift) in parts {
        text.extend_from_slice(before.as_bytes());
        if mask >> shift & 0xff == 0xff {
            text.extend_from_slice(format!("{:02X}", class >> shift & 0xff).as_bytes());
        } else {
            text.push(b'*');
        }
    }
    events.push(open(text));
}

pub(super) fn acpi(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    acpi_with(entry, entry.value("cls") as u32, entry.value("cls_msk") as u32, events);
}

/// Before 6.12 the class was read without regard to the target's byte order.
pub(super) fn acpi_raw(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let raw = |name| entry.raw(name, 4).iter().rev().fold(0, |n, &b| n << 8 | u32::from(b));
    acpi_with(entry, raw("cls"), raw("cls_msk"), events);
}

fn acpi_with(entry: &Entry<'_>, class: u32, mask: u32, events: &mut Vec<Event>) {
    let id = entry.text("id");
    let class_digits = || {
        let byte = |shift: u32| match mask >> shift & 0xff {
            0 => "??".to_owned(),
            _ => format!("{:02x}", class >> shift & 0xff),
        };
        [16, 8, 0].map(byte).concat().into_bytes()
    };
    let shown = if id.is_empty() { class_digits() } else { id.to_vec() };
    events.push(Event::Alias(cat!["acpi*:", &shown, ":*"]));
}

pub(super) fn vio(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let (kind, compatible) = (or_star(entry.text("type")), or_star(entry.text("compat")));
    events.push(open(underscores(cat!["vio:T", kind, "S", compatible])));
}

pub(super) fn of(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let kind = entry.text("type");
    let mut text = cat!["of:N", or_star(entry.text("name")), "T", or_star(kind)];
    let compatible = entry.text("compatible");
    if !compatible.is_empty() {
        let star = if kind.is_empty() { "" } else { "*" };
        text.extend_from_slice(&cat![star, "C", compatible]);
    }
    let text = underscores(text);
    events.push(Event::Alias(text.clone()));
    events.push(Event::Alias(cat![&text, "C*"]));
}

fn upper(id: &[u8], room: usize) -> Vec<u8> {
    id[..id.len().min(room)].to_ascii_uppercase()
}

fn pnp_aliases(id: &[u8], events: &mut Vec<Event>) {
    events.push(Event::Alias(cat!["pnp:d", id, "*"]));
    events.push(Event::Alias(cat!["acpi*:", &upper(id, 8), ":*"]));
}

pub(super) fn pnp(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    pnp_aliases(entry.text("id"), events);
}

/// The ids of a card's devices, up to the first empty one. An id of full length runs on into the next.
fn card_devices<'a>(entry: &Entry<'a>) -> Vec<&'a [u8]> {
    let memory = entry.raw("devs", entry.memory.len());
    let id = |i: usize| {
        let rest = memory.get(i * 8..).unwrap_or_default();
        memchr::memchr(0, rest).map_or(rest, |end| &rest[..end])
    };
    (0..8).map(id).take_while(|id| !id.is_empty()).collect()
}

pub(super) fn pnp_card(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    for id in card_devices(entry) {
        // Later programs drop an alias that is there already, whatever it came from.
        let earlier = if context.scheme < Scheme::V7_2 { context.earlier } else { &[] };
        let known =
            earlier.iter().any(|&memory| card_devices(&Entry { memory, ..*entry }).contains(&id));
        if !known {
            pnp_aliases(id, events);
        }
    }
}

/// Groups of an input alias: its letter, the flag, the field, the lowest and the highest bit.
const INPUT_GROUPS: [(&str, u64, &str, usize, usize); 9] = [
    ("-e*", 0x10, "ev", 0, 0x1f),
    ("k*", 0x20, "key", 0x71, 0x2ff),
    ("r*", 0x40, "rel", 0, 0x0f),
    ("a*", 0x80, "abs", 0, 0x3f),
    ("m*", 0x100, "msc", 0, 7),
    ("l*", 0x200, "led", 0, 0xf),
    ("s*", 0x400, "snd", 0, 7),
    ("f*", 0x800, "ff", 0, 0x7f),
    ("w*", 0x1000, "sw", 0, 0x10),
];

/// Bytes of the buffer in which later programs put long aliases together.
const ALIAS_ROOM: usize = 256;

/// An alias that is put together piece by piece; later programs end the run when it is too long.
struct Growing {
    text: Vec<u8>,
    limit: Option<usize>,
    failure: Option<Vec<u8>>,
}

impl Growing {
    fn new(text: Vec<u8>, scheme: Scheme) -> Self {
        let limit = (scheme >= Scheme::V7_2).then_some(ALIAS_ROOM);
        Self { text, limit, failure: None }
    }

    fn append(&mut self, piece: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        if let Some(limit) = self.limit {
            let have = limit.saturating_sub(self.text.len());
            if piece.len() >= have {
                let need = piece.len();
                let text = format!(
                    "alias buffer ({limit}) overflow on append (need {need}, have {have})\n"
                );
                self.failure = Some(text.into_bytes());
                return;
            }
        }
        self.text.extend_from_slice(piece);
    }

    fn finish(self, events: &mut Vec<Event>, whole: impl FnOnce(&[u8]) -> Vec<u8>) {
        events.push(match self.failure {
            Some(text) => Event::Fatal(text),
            None => Event::Alias(whole(&self.text)),
        });
    }
}

pub(super) fn input(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let mut text = Vec::new();
    add(&mut text, entry, types::INPUT);
    let mut alias = Growing::new(text, context.scheme);
    let bits = entry.target.word * 8;
    for (letter, flag, field, low, high) in INPUT_GROUPS {
        alias.append(letter.as_bytes());
        if entry.value("match_flags") & flag == 0 {
            continue;
        }
        let high = match context.scheme {
            // The first programs left the highest bit out.
            Scheme::V5_10 => high - 1,
            Scheme::V7_2 | Scheme::V7_3 if field == "sw" => high + 1,
            _ => high,
        };
        for bit in low..=high {
            if entry.element(field, bit / bits).0 >> (bit % bits) & 1 != 0 {
                alias.append(format!("{bit:X},*").as_bytes());
            }
        }
    }
    alias.finish(events, |text| cat!["input:", text]);
}

/// The fields of a DMI alias in its order, by their numbers in a match.
const DMI_FIELDS: [(&str, u8); 14] = [
    ("bvn", 1),
    ("bvr", 2),
    ("bd", 3),
    ("br", 4),
    ("efr", 5),
    ("svn", 6),
    ("pn", 7),
    ("pvr", 8),
    ("rvn", 13),
    ("rn", 14),
    ("rvr", 15),
    ("cvn", 18),
    ("ct", 19),
    ("cvr", 20),
];

pub(super) fn dmi(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let matches = entry.raw("matches", entry.memory.len());
    let mut alias = Growing::new(Vec::new(), context.scheme);
    for (prefix, number) in DMI_FIELDS {
        for i in 0..4 {
            let slot = matches.get(i * 80..).unwrap_or_default();
            // The number is a bit field of seven bits, read with the build machine's order.
            let Some((&first, rest)) = slot.split_first().filter(|s| s.0 & 0x7f == number) else {
                continue;
            };
            let _ = first;
            alias.append(format!(":{prefix}*").as_bytes());
            let end = memchr::memchr(0, rest).unwrap_or(rest.len());
            let kept = |byte: &u8| (b'!'..127).contains(byte) && *byte != b':';
            let text: Vec<u8> = rest[..end].iter().copied().filter(kept).collect();
            if alias.failure.is_none()
                && let Some(limit) = alias.limit
                && text.len() >= limit.saturating_sub(alias.text.len())
            {
                alias.failure = Some(b"dmi_ascii_filter: alias buffer overflow\n".to_vec());
            }
            alias.append(&text);
            alias.append(b"*");
        }
    }
    alias.finish(events, |text| cat!["dmi*", text, ":"]);
}

pub(super) fn mdio(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let (id, mask) = (entry.value("phy_id"), entry.value("phy_id_mask"));
    let digit = |bit: u32| match (mask >> bit & 1, id >> bit & 1) {
        (0, _) => b'?',
        (_, 0) => b'0',
        _ => b'1',
    };
    let digits: Vec<u8> = (0..32).rev().map(digit).collect();
    events.push(Event::Alias(cat!["mdio:", &digits]));
}

pub(super) fn isapnp(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let (vendor, function) = (entry.value("vendor"), entry.value("function"));
    let letters = [vendor >> 2 & 0x3f, (vendor & 3) << 3 | (vendor >> 13 & 7), vendor >> 8 & 0x1f];
    let mut text = b"pnp:d".to_vec();
    text.extend(letters.map(|n| (u64::from(b'A') + n).wrapping_sub(1) as u8));
    for shift in [4, 0, 12, 8] {
        text.extend_from_slice(format!("{:x}", function >> shift & 0xf).as_bytes());
    }
    text.push(b'*');
    events.push(Event::Alias(text));
}

pub(super) fn amba(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let (id, mask) = (entry.value("id"), entry.value("mask"));
    if id & mask != id {
        let numbers = format!("id=0x{id:08X}, mask=0x{mask:08X}");
        events.push(Event::Fatal(cat![
            context.module,
            ": Masked-off bit(s) of AMBA device ID are non-zero: ",
            &numbers,
            ".  Please fix this driver.\n",
        ]));
        return;
    }
    let mut text = "amba:d".to_owned();
    for shift in (0..8).rev().map(|digit| digit * 4) {
        let (nibble, care) = (id >> shift & 0xf, mask >> shift & 0xf);
        match care {
            0 => text.push('?'),
            0xf => text.push_str(&format!("{nibble:X}")),
            _ => {
                let fits = (0..16).filter(|digit| digit & care == nibble);
                let digits: String = fits.map(|digit| format!("{digit:X}")).collect();
                text.push_str(&format!("[{digits}]"));
            }
        }
    }
    events.push(Event::Alias(text.into_bytes()));
}

pub(super) fn x86cpu(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let mut text = b"cpu:type:x86,".to_vec();
    add(&mut text, entry, types::X86CPU);
    text.extend_from_slice(b":feature:*");
    let feature = entry.value("feature");
    if feature != 0 {
        text.extend_from_slice(format!("{feature:04X}*").as_bytes());
    }
    events.push(Event::Alias(text));
}

/// A UUID with dashes; `order` says which stored byte comes where.
fn uuid(bytes: &[u8], order: [usize; 16], capitals: bool) -> String {
    let mut text = String::new();
    for (i, &from) in order.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = bytes.get(from).copied().unwrap_or(0);
        text.push_str(&if capitals { format!("{byte:02X}") } else { format!("{byte:02x}") });
    }
    text
}

const AS_STORED: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const AS_GUID: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

pub(super) fn mei(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let uuid = uuid(entry.raw("uuid", 16), AS_GUID, false);
    let mut text = cat!["mei:", or_star(entry.text("name")), ":", &uuid];
    add(&mut text, entry, types::MEI_VERSION);
    events.push(Event::Alias(cat![&text, ":*"]));
}

pub(super) fn tee(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let uuid = uuid(entry.raw("uuid", 16), AS_STORED, false);
    events.push(open(cat!["tee:", &uuid]));
}

pub(super) fn ishtp(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let guid = uuid(entry.raw("guid", 16), AS_GUID, true);
    events.push(Event::Alias(cat!["ishtp:{", &guid, "}"]));
}

pub(super) fn vmbus(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let digits = |b: &u8| format!("{b:02x}");
    let guid: String = entry.raw("guid", 16).iter().map(digits).collect();
    events.push(Event::Alias(cat!["vmbus:", &guid]));
}

pub(super) fn tbsvc(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let by_key = entry.value("match_flags") & 1 != 0;
    let key = if by_key { entry.text("protocol_key") } else { b"*" };
    let mut text = cat!["tbsvc:k", key];
    add(&mut text, entry, types::TBSVC);
    events.push(open(text));
}

pub(super) fn wmi_as_is(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let guid = entry.text("guid_string");
    if guid.len() == 36 {
        events.push(Event::Alias(cat!["wmi:", guid]));
    } else {
        let text = cat!["Invalid WMI device id 'wmi:", guid, "' in '", context.module, "'\n"];
        events.push(Event::Warning(text));
    }
}

pub(super) fn wmi(context: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let guid = entry.text("guid_string");
    if guid.len() != 36 {
        wmi_as_is(context, entry, events);
        return;
    }
    for (i, &byte) in guid.iter().enumerate() {
        let dash = matches!(i, 8 | 13 | 18 | 23);
        if if dash { byte != b'-' } else { !byte.is_ascii_hexdigit() } {
            let place = cat![" inside WMI GUID string '", guid, "' in '", context.module, "'\n"];
            events.push(Event::Warning(cat!["Invalid character ", &[byte], &place]));
            return;
        }
    }
    events.push(Event::Alias(cat!["wmi:", &guid.to_ascii_uppercase()]));
}

pub(super) fn cdx(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let mut text = match entry.value("override_only") {
        0 => b"cdx:".to_vec(),
        1 => b"vfio_cdx:".to_vec(),
        other => {
            let warning = format!("Unknown CDX driver_override alias {other:08X}\n");
            events.push(Event::Warning(warning.into_bytes()));
            return;
        }
    };
    add(&mut text, entry, types::CDX);
    events.push(Event::Alias(text));
}
