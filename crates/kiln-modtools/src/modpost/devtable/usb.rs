//! USB aliases: one entry may name a range of release numbers, which becomes several patterns.

use super::layout::Entry;
use super::special::{add, open};
use super::{Context, Event, types};

const DEV_LO: u64 = 4;
const DEV_HI: u64 = 8;
/// Digits of a release number.
const DIGITS: u32 = 4;

pub(super) fn entry(_: &Context<'_>, entry: &Entry<'_>, events: &mut Vec<Event>) {
    let flags = entry.value("match_flags");
    let mut low = if flags & DEV_LO != 0 { entry.value("bcdDevice_lo") as u32 } else { 0 };
    let mut high = if flags & DEV_HI != 0 { entry.value("bcdDevice_hi") as u32 } else { u32::MAX };
    // The numbers are decimal digits unless one of them cannot be.
    let nibbles = |n: u32| (0..DIGITS).map(move |digit| n >> (digit * 4) & 0xf);
    let decimal = nibbles(low).chain(nibbles(high.min(0x9999))).all(|digit| digit <= 9);
    let max = if decimal { 9 } else { 0xf };
    // Drivers leave empty entries to be filled at run time; they would match everything.
    let names = ["idVendor", "idProduct", "bDeviceClass", "bInterfaceClass"];
    if names.iter().all(|name| entry.value(name) == 0) {
        return;
    }
    let mut fixed = DIGITS - 1;
    while low <= high {
        let (from, to) = (low & 0xf, (high & 0xf).min(max));
        low >>= 4;
        high >>= 4;
        if low == high || fixed == 0 {
            events.push(alias(entry, low, fixed, (from, to), max));
            break;
        }
        if from > 0 {
            events.push(alias(entry, step(&mut low, 1, max), fixed, (from, max), max));
        }
        if to < max {
            events.push(alias(entry, step(&mut high, -1, max), fixed, (0, to), max));
        }
        fixed -= 1;
    }
}

/// Adds to a number of decimal digits, one in each nibble (or to a plain one), and gives what it was.
fn step(number: &mut u32, by: i64, max: u32) -> u32 {
    let before = *number;
    if max > 9 {
        *number = number.wrapping_add(by as u32);
        return before;
    }
    let digit = |i: u32| u64::from((before >> (i * 4) & 0xf).min(9));
    let decimal: u64 = (0..DIGITS).map(|i| digit(i) * 10u64.pow(i)).sum();
    let decimal = decimal.wrapping_add(by as u64);
    *number = (0..DIGITS).map(|i| ((decimal / 10u64.pow(i) % 10) as u32) << (i * 4)).sum();
    before
}

fn alias(entry: &Entry<'_>, start: u32, fixed: u32, (low, high): (u32, u32), max: u32) -> Event {
    let mut text = b"usb:".to_vec();
    add(&mut text, entry, types::USB_BEFORE);
    let mut number = "d".to_owned();
    if fixed > 0 {
        number.push_str(&format!("{start:0width$X}", width = fixed as usize));
    }
    if low == high {
        number.push_str(&format!("{low:X}"));
    } else if low > 0 || high < max {
        // In the order of characters, letters do not follow digits.
        if low > 9 || high < 0xa {
            number.push_str(&format!("[{low:X}-{high:X}]"));
        } else {
            let first = if low < 9 { format!("[{low:X}-9") } else { format!("[{low:X}") };
            let second = if high > 0xa { format!("A-{high:X}]") } else { format!("{high:X}]") };
            number.push_str(&first);
            number.push_str(&second);
        }
    }
    if fixed < DIGITS - 1 {
        number.push('*');
    }
    text.extend_from_slice(number.as_bytes());
    add(&mut text, entry, types::USB_AFTER);
    open(text)
}
