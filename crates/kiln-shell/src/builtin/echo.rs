//! dash's `echo`, and the escapes that it shares with `printf`.

/// The output of `echo` with these arguments: escapes are always interpreted.
pub(super) fn echo(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut output = Vec::new();
    let mut arguments = arguments;
    let mut newline = true;
    if arguments.first().is_some_and(|first| first == b"-n") {
        arguments = &arguments[1..];
        newline = false;
    }
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            output.push(b' ');
        }
        if escaped_string(argument, &mut output) {
            return output;
        }
    }
    if newline {
        output.push(b'\n');
    }
    output
}

/// Writes a text with its escapes interpreted as for `%b`; true where `\c` ended all output.
pub(super) fn escaped_string(text: &[u8], output: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        at += 1;
        if byte != b'\\' {
            output.push(byte);
            continue;
        }
        match text.get(at) {
            Some(b'c') => return true,
            // Octal escapes begin with a zero here that does not count as a digit.
            Some(b'0') if text.get(at + 1).is_some_and(is_octal) => at += 1,
            _ => {}
        }
        let (value, length) = escape(&text[at..]);
        output.push(value);
        at += length;
    }
    false
}

fn is_octal(byte: &u8) -> bool {
    (b'0'..=b'7').contains(byte)
}

/// What stands after a backslash: the byte it means and how much of the text it takes. An unknown
/// escape is the backslash itself.
pub(super) fn escape(text: &[u8]) -> (u8, usize) {
    let value = match text.first() {
        Some(b'\\') => b'\\',
        Some(b'a') => 0x07,
        Some(b'b') => 0x08,
        Some(b'e') => 0x1b,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'v') => 0x0b,
        Some(digit) if is_octal(digit) => {
            let digits: Vec<u8> = text.iter().copied().take(3).take_while(is_octal).collect();
            let value = digits.iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
            return ((value & 0xff) as u8, digits.len());
        }
        _ => return (b'\\', 0),
    };
    (value, 1)
}

#[cfg(test)]
mod tests {
    use super::echo;

    #[track_caller]
    fn check(arguments: &[&str], expected: &[u8]) {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
        assert_eq!(echo(&arguments), expected);
    }

    #[test]
    fn escapes_are_always_on() {
        check(&["a", "b"], b"a b\n");
        check(&["-n", "a"], b"a");
        check(&["-n"], b"");
        check(&["-e", "a"], b"-e a\n");
        check(&["a\\nb\\tc\\\\d\\qe\\"], b"a\nb\tc\\d\\qe\\\n");
        check(&["\\0101\\101\\08"], b"AA\x008\n");
        check(&["a\\cb", "c"], b"a");
        check(&[], b"\n");
    }
}
