//! A recipe taken apart into command lines, before expansion. It does not know shells.

use kiln_base::text::is_blank;
use kiln_make::db::flags;
use kiln_make::{Recipe, RecipeLine};

/// The lines of a recipe; with `.ONESHELL` a single one. The line of each is the recipe's first
/// line plus the number of the command, which is what make's messages count.
#[must_use]
pub fn lines(recipe: &Recipe, oneshell: bool) -> &[RecipeLine] {
    recipe.lines.get_or_init(|| split(recipe, oneshell))
}

/// Whether any line runs even under `-n`, `-t` and `-q`.
#[must_use]
pub fn any_recursive(recipe: &Recipe, oneshell: bool) -> bool {
    lines(recipe, oneshell).iter().any(|l| l.flags & flags::RECURSE != 0)
}

/// Whether there is nothing but white space and prefix characters in it.
#[must_use]
pub fn is_blank_recipe(recipe: &Recipe) -> bool {
    recipe.text.iter().all(|&b| kiln_base::text::is_space(b) || matches!(b, b'-' | b'@' | b'+'))
}

fn split(recipe: &Recipe, oneshell: bool) -> Vec<RecipeLine> {
    let text = &recipe.text[..];
    let mut out = Vec::new();
    if oneshell {
        out.push(line(text.strip_suffix(b"\n").unwrap_or(text), recipe.loc.line));
        return out;
    }
    let mut start = 0;
    while start < text.len() {
        let end = logical_end(text, start);
        let number = recipe.loc.line + out.len() as u32;
        out.push(line(&text[start..end], number));
        start = end + 1;
    }
    out
}

/// Where the logical line that begins at `start` ends: at the first newline without an odd number
/// of backslashes before it.
fn logical_end(text: &[u8], start: usize) -> usize {
    let mut from = start;
    loop {
        let Some(i) = text[from..].iter().position(|&b| b == b'\n') else { return text.len() };
        let end = from + i;
        let slashes = text[start..end].iter().rev().take_while(|&&b| b == b'\\').count();
        if slashes % 2 == 0 {
            return end;
        }
        from = end + 1;
    }
}

fn line(text: &[u8], number: u32) -> RecipeLine {
    let mut bits = 0;
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b'+' => bits |= flags::RECURSE,
            b'@' => bits |= flags::SILENT,
            b'-' => bits |= flags::NOERROR,
            _ if is_blank(b) => {}
            _ => break,
        }
        at += 1;
    }
    let rest = &text[at..];
    let holds = |needle: &[u8]| rest.windows(needle.len()).any(|w| w == needle);
    if bits & flags::RECURSE == 0 && (holds(b"$(MAKE)") || holds(b"${MAKE}")) {
        bits |= flags::RECURSE;
    }
    RecipeLine { text: text.into(), flags: bits, line: number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_base::Loc;

    fn recipe(text: &str) -> Recipe {
        Recipe {
            loc: Loc { file: None, line: 7 },
            text: text.as_bytes().into(),
            prefix: b'\t',
            lines: std::cell::OnceCell::new(),
        }
    }

    #[test]
    fn continued_lines_are_one_and_doubled_backslashes_are_not() {
        let r = recipe("a \\\n\tb\nc \\\\\nd");
        let texts: Vec<&[u8]> = lines(&r, false).iter().map(|l| &l.text[..]).collect();
        assert_eq!(texts, [&b"a \\\n\tb"[..], b"c \\\\", b"d"]);
        assert_eq!(lines(&r, false)[2].line, 9);
    }

    #[test]
    fn flags_come_from_prefixes_and_from_the_make_variable() {
        let r = recipe("@-echo\n+x\n$(MAKE) y\necho ${MAKE}\n @ z");
        let bits: Vec<u8> = lines(&r, false).iter().map(|l| l.flags).collect();
        let both = flags::SILENT | flags::NOERROR;
        assert_eq!(bits, [both, flags::RECURSE, flags::RECURSE, flags::RECURSE, flags::SILENT]);
    }

    #[test]
    fn one_shell_keeps_the_text_whole() {
        let r = recipe("@a\nb\n");
        assert_eq!(&lines(&r, true)[0].text[..], b"@a\nb");
        assert_eq!(lines(&r, true).len(), 1);
    }
}
