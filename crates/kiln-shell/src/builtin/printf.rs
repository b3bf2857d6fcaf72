//! dash's `printf`, for the formats that `check` lets through.

use super::Ended;
use super::echo::{escape, escaped_string};

/// What a `printf` came to.
pub(super) struct Printed {
    pub(super) output: Vec<u8>,
    /// Texts of warnings, without the command's name.
    pub(super) warnings: Vec<Vec<u8>>,
    pub(super) ended: Ended,
}

/// A conversion's flags, width and precision.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

struct Arguments<'a> {
    rest: std::slice::Iter<'a, Vec<u8>>,
    taken: bool,
    warnings: Vec<Vec<u8>>,
}

/// Runs the format over the arguments, again and again while arguments are left.
pub(super) fn printf(arguments: &[Vec<u8>]) -> Printed {
    let mut output = Vec::new();
    let Some((format, values)) = arguments.split_first() else {
        let ended = Err(b"usage: printf format [arg ...]".to_vec());
        return Printed { output, warnings: Vec::new(), ended };
    };
    let mut values = Arguments { rest: values.iter(), taken: false, warnings: Vec::new() };
    loop {
        let finished = once(format, &mut values, &mut output);
        if finished || !values.taken || values.rest.len() == 0 {
            break;
        }
    }
    let status = i32::from(!values.warnings.is_empty());
    Printed { output, warnings: values.warnings, ended: Ok(status) }
}

/// One pass over the format; true where `\c` in a `%b` ended everything.
fn once(format: &[u8], values: &mut Arguments<'_>, output: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while at < format.len() {
        let byte = format[at];
        at += 1;
        if byte == b'\\' {
            let (value, length) = escape(&format[at..]);
            output.push(value);
            at += length;
            continue;
        }
        if byte != b'%' {
            output.push(byte);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = format.get(at).filter(|b| b"#-+ 0".contains(b)) {
            match flag {
                b'#' => spec.alternate = true,
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                _ => spec.zero = true,
            }
            at += 1;
        }
        spec.width = digits(format, &mut at);
        if format.get(at) == Some(&b'.') {
            at += 1;
            spec.precision = Some(digits(format, &mut at));
        }
        let Some(conversion) = format.get(at) else { return false };
        at += 1;
        match conversion {
            b'%' => output.push(b'%'),
            b'b' => {
                let text = values.text();
                if escaped_string(text, output) {
                    return true;
                }
            }
            b's' => {
                let text = values.text();
                let length = spec.precision.unwrap_or(text.len()).min(text.len());
                pad(&text[..length], &spec, output);
            }
            b'c' => {
                // The character of an empty or missing argument is a NUL, and it is printed.
                let text = values.text();
                pad(&[text.first().copied().unwrap_or(0)], &spec, output);
            }
            b'd' | b'i' => {
                let value = values.number(true) as i64;
                number(value.unsigned_abs(), 10, value < 0, true, *conversion, &spec, output);
            }
            b'o' => number(values.number(false), 8, false, false, b'o', &spec, output),
            b'u' => number(values.number(false), 10, false, false, b'u', &spec, output),
            _ => number(values.number(false), 16, false, false, *conversion, &spec, output),
        }
    }
    false
}

fn digits(format: &[u8], at: &mut usize) -> usize {
    let mut value = 0usize;
    while let Some(digit) = format.get(*at).filter(|b| b.is_ascii_digit()) {
        value = (value * 10 + usize::from(digit - b'0')).min(9999);
        *at += 1;
    }
    value
}

fn pad(text: &[u8], spec: &Spec, output: &mut Vec<u8>) {
    let fill = spec.width.saturating_sub(text.len());
    if !spec.left {
        output.resize(output.len() + fill, b' ');
    }
    output.extend_from_slice(text);
    if spec.left {
        output.resize(output.len() + fill, b' ');
    }
}

/// An integer as the C library prints it.
fn number(
    magnitude: u64,
    base: u8,
    negative: bool,
    signed: bool,
    conversion: u8,
    spec: &Spec,
    output: &mut Vec<u8>,
) {
    let mut digits = match (base, conversion) {
        (8, _) => format!("{magnitude:o}"),
        (16, b'X') => format!("{magnitude:X}"),
        (16, _) => format!("{magnitude:x}"),
        _ => magnitude.to_string(),
    };
    if spec.precision == Some(0) && magnitude == 0 {
        digits.clear();
    }
    let missing = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    digits.insert_str(0, &"0".repeat(missing));
    if base == 8 && spec.alternate && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let prefix = match (base, conversion) {
        (16, b'X') if spec.alternate && magnitude != 0 => "0X",
        (16, _) if spec.alternate && magnitude != 0 => "0x",
        _ if negative => "-",
        _ if signed && spec.plus => "+",
        _ if signed && spec.space => " ",
        _ => "",
    };
    if spec.zero && !spec.left && spec.precision.is_none() {
        let missing = spec.width.saturating_sub(digits.len() + prefix.len());
        digits.insert_str(0, &"0".repeat(missing));
    }
    pad(format!("{prefix}{digits}").as_bytes(), spec, output);
}

impl<'a> Arguments<'a> {
    fn take(&mut self) -> Option<&'a [u8]> {
        let next = self.rest.next()?;
        self.taken = true;
        Some(next)
    }

    fn text(&mut self) -> &'a [u8] {
        self.take().unwrap_or_default()
    }

    /// `strtoimax` or `strtoumax` with base 0; a quote in front gives the next byte's value.
    fn number(&mut self, signed: bool) -> u64 {
        let Some(text) = self.take() else { return 0 };
        if matches!(text.first(), Some(b'"' | b'\'')) {
            return u64::from(text.get(1).copied().unwrap_or(0));
        }
        let blanks = text
            .iter()
            .take_while(|b| matches!(**b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
            .count();
        let mut at = blanks;
        let negative = text.get(at) == Some(&b'-');
        at += usize::from(matches!(text.get(at), Some(b'-' | b'+')));
        let hex = |b: &&u8| b.is_ascii_hexdigit();
        let base = match text.get(at) {
            Some(b'0')
                if matches!(text.get(at + 1), Some(b'x' | b'X'))
                    && text.get(at + 2).as_ref().is_some_and(hex) =>
            {
                at += 2;
                16
            }
            Some(b'0') => 8,
            _ => 10,
        };
        let start = at;
        let mut value = 0u64;
        let mut overflow = false;
        while let Some(digit) = text.get(at).and_then(|b| (*b as char).to_digit(base)) {
            match value.checked_mul(u64::from(base)).and_then(|v| v.checked_add(digit.into())) {
                Some(next) => value = next,
                None => overflow = true,
            }
            at += 1;
        }
        let nothing = at == start;
        let rest = if nothing { text.len() } else { text.len() - at };
        let limit = if negative { 1 << 63 } else { i64::MAX as u64 };
        overflow |= signed && value > limit;
        if rest > 0 {
            let why: &[u8] =
                if nothing { b": expected numeric value" } else { b": not completely converted" };
            self.warnings.push([text, why].concat());
        } else if overflow {
            self.warnings.push([text, b": Numerical result out of range"].concat());
        }
        match (overflow, signed, negative) {
            (true, true, true) => i64::MIN as u64,
            (true, true, false) => i64::MAX as u64,
            (true, false, _) => u64::MAX,
            (false, _, true) => value.wrapping_neg(),
            (false, _, false) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::printf;

    #[track_caller]
    fn check(arguments: &[&str], expected: &str) {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
        assert_eq!(String::from_utf8_lossy(&printf(&arguments).output), expected);
    }

    #[test]
    fn the_format_is_used_again_while_arguments_are_left() {
        check(&["%s\\n", "a", "b"], "a\nb\n");
        check(&["x", "a", "b"], "x");
        check(&["%s-%s;", "a", "b", "c"], "a-b;c-;");
    }

    #[test]
    fn numbers_are_padded_as_in_c() {
        check(
            &["[%5d|%-5d|%05d|%+d|%.3d]", "42", "42", "-42", "42", "7"],
            "[   42|42   |-0042|+42|007]",
        );
        check(
            &["%x %#X %o %#o %u", "255", "255", "8", "8", "-1"],
            "ff 0XFF 10 010 18446744073709551615",
        );
        check(&["%d %d %d", "0x10", "010", "'A"], "16 8 65");
    }

    #[test]
    fn percent_b_interprets_escapes() {
        check(&["%b|", "a\\tb", "c\\0101"], "a\tb|cA|");
        check(&["%b|", "a\\cb", "c"], "a");
    }
}
