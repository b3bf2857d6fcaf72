//! What a person is told beyond make's own message: the line, the spot in it, the likely cause. Pure
//! text in, text out; it does not know where it is printed, nor whether.

/// Something to point at.
struct Spot {
    /// The line, from 1.
    line: usize,
    /// Bytes of that line.
    start: usize,
    end: usize,
    /// What is the matter.
    why: String,
}

/// Words that begin a line which is neither a rule nor an assignment.
const DIRECTIVES: [&str; 13] = [
    "include", "sinclude", "ifeq", "ifneq", "ifdef", "ifndef", "else", "endif", "define", "endef",
    "export", "unexport", "override",
];

/// Explains an error that has a place: `text` is make's message without `*** ` and `.  Stop.`, `line`
/// the line it names, counted from 1. Nothing where there is nothing to add.
#[must_use]
pub fn place(text: &[u8], file: &[u8], line: u32, source: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&[u8]> = source.split(|&b| b == b'\n').collect();
    let at = (line as usize).checked_sub(1).filter(|&i| i < lines.len())?;
    let spot = find_spot(&text, &lines, at)?;
    let shown = lines.get(spot.line - 1)?;
    let number = spot.line.to_string();
    let gutter = " ".repeat(number.len());
    let (before, marked) = (columns(&shown[..spot.start], 0), spot.start..spot.end);
    let width = columns(&shown[marked], before) - before;
    let mut out = format!("{gutter} --> ").into_bytes();
    out.extend_from_slice(file);
    out.extend_from_slice(format!(":{number}\n{gutter} |\n{number} | ").as_bytes());
    out.extend_from_slice(&without_tabs(shown));
    let marks = "^".repeat(width.max(1));
    let pad = " ".repeat(before);
    out.extend_from_slice(format!("\n{gutter} | {pad}{marks} {}\n", spot.why).as_bytes());
    Some(out)
}

/// Explains `No rule to make target 'X'…`: a target or file that is nearly called so.
#[must_use]
pub fn no_rule<'a>(text: &[u8], known: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let name = missing_target(text)?;
    let limit = (name.len() / 4).clamp(1, 3);
    let mut best: Option<(usize, &[u8])> = None;
    for other in known.filter(|o| *o != name && o.len().abs_diff(name.len()) <= limit) {
        let distance = if is_swap(name, other) { 1 } else { distance(name, other) };
        if distance <= limit && best.is_none_or(|b| (distance, other) < b) {
            best = Some((distance, other));
        }
    }
    let (_, other) = best?;
    Some([b"  = there is '", other, b"'\n"].concat())
}

/// Explains `No rule to make target 'X.o'…` where there is no source for it: which were looked for, and
/// the file beside them that is nearly called so. `beside` are the names in the object's directory.
#[must_use]
pub fn no_source(text: &[u8], beside: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (_, base) = kiln_base::text::split_dir(missing_target(text)?);
    let stem = base.strip_suffix(b".o")?;
    let sources = [&b".c"[..], b".S", b".rs"].map(|suffix| [stem, suffix].concat());
    if sources.iter().any(|s| beside.contains(s)) {
        return None;
    }
    let [c, asm, rust] = &sources;
    let mut out =
        [b"  = there is no source for it: no ", &c[..], b", ", asm, b" or ", rust].concat();
    let is_near =
        |other: &&Vec<u8>| sources.iter().any(|s| is_swap(s, other) || distance(s, other) == 1);
    let near = beside.iter().filter(is_near).min();
    if let Some(near) = near {
        out.extend_from_slice(b", but '");
        out.extend_from_slice(near);
        out.push(b'\'');
    }
    out.push(b'\n');
    Some(out)
}

/// The directory part of the target that there is no rule for.
#[must_use]
pub fn directory_of_target(text: &[u8]) -> Option<&[u8]> {
    missing_target(text).map(|name| kiln_base::text::split_dir(name).0)
}

fn missing_target(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"No rule to make target '")?;
    Some(&rest[..rest.iter().position(|&b| b == b'\'')?])
}

fn find_spot(text: &str, lines: &[&[u8]], at: usize) -> Option<Spot> {
    let line = lines[at];
    let spot = |start: usize, end: usize, why: &str| {
        Some(Spot { line: at + 1, start, end: end.min(line.len()), why: why.to_owned() })
    };
    if text.starts_with("missing separator") {
        return missing_separator(lines, at);
    }
    if text.starts_with("unterminated") {
        return unclosed_reference(lines, at);
    }
    match text {
        "missing 'endif'" => {
            let open = open_conditional(lines)?;
            let end = lines[open].len();
            let start = indent(lines[open]);
            let why = "this is not closed by an endif".to_owned();
            Some(Spot { line: open + 1, start, end, why })
        }
        "missing 'endef', unterminated 'define'" => {
            spot(indent(line), line.len(), "this is not closed by an endef")
        }
        "extraneous 'endif'" | "extraneous 'else'" => {
            spot(indent(line), line.len(), "no ifeq, ifneq, ifdef or ifndef is open here")
        }
        "recipe commences before first target" | "missing rule before recipe" => spot(
            0,
            1,
            "a line that begins with a tab is a recipe line, and no rule stands before it",
        ),
        "invalid syntax in conditional" => {
            let start = indent(line);
            spot(
                start,
                line.len(),
                "write ifeq (A,B) or ifeq \"A\" \"B\"; both arguments are needed",
            )
        }
        "multiple target patterns" | "target pattern contains no '%'" => {
            let colon = second_colon(line)?;
            let why = "a second colon makes this a static pattern rule (TARGETS: %PATTERN: \
                       PREREQUISITES); write \\: for a colon within a name";
            spot(colon, colon + 1, why)
        }
        _ => None,
    }
}

fn missing_separator(lines: &[&[u8]], at: usize) -> Option<Spot> {
    let line = lines[at];
    let start = indent(line);
    let word_end = start + line[start..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let word = String::from_utf8_lossy(&line[start..word_end]).into_owned();
    let spot = |start, end, why: String| Some(Spot { line: at + 1, start, end, why });
    if [&b"<<<<<<<"[..], b"=======", b">>>>>>>"].iter().any(|m| line.starts_with(m)) {
        return spot(0, line.len(), "a merge conflict that has not been resolved".into());
    }
    if start > 0 && line[0] == b' ' && follows_rule(lines, at) {
        return spot(0, start, "spaces; a recipe line begins with a tab".into());
    }
    if DIRECTIVES.contains(&word.as_str()) && line.get(word_end) == Some(&b'(') {
        return spot(word_end, word_end + 1, format!("a blank is missing after {word}"));
    }
    if let Some(found) = unclosed_reference(lines, at) {
        return Some(found);
    }
    let near = DIRECTIVES.iter().find(|d| {
        word.len() > 2 && !word.is_empty() && distance(word.as_bytes(), d.as_bytes()) <= 1
            || is_swap(word.as_bytes(), d.as_bytes())
    });
    if let Some(near) = near.filter(|n| **n != word) {
        return spot(start, word_end, format!("is '{near}' meant?"));
    }
    let end = start + line[start..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
    let why = "neither a rule (TARGET: …), nor an assignment (NAME = …), nor a directive";
    spot(start, end, why.into())
}

/// Whether the line stands where a recipe could: below a rule or another such line.
fn follows_rule(lines: &[&[u8]], at: usize) -> bool {
    for line in lines[..at].iter().rev() {
        match line.first() {
            None | Some(b'#') => {}
            Some(b'\t') => return true,
            Some(b' ') => {}
            Some(_) => {
                let colon = line.iter().position(|&b| b == b':');
                return colon
                    .is_some_and(|i| line.get(i + 1) != Some(&b'=') && !line[..i].contains(&b'='));
            }
        }
    }
    false
}

/// The first `$(` or `${` of the logical line that is not closed in it.
fn unclosed_reference(lines: &[&[u8]], at: usize) -> Option<Spot> {
    let mut open: Vec<(usize, usize, u8)> = Vec::new();
    for (number, line) in lines.iter().enumerate().skip(at) {
        let mut i = 0;
        while i < line.len() {
            match line[i] {
                b'$' => match line.get(i + 1) {
                    Some(b'(') => {
                        open.push((number, i, b')'));
                        i += 1;
                    }
                    Some(b'{') => {
                        open.push((number, i, b'}'));
                        i += 1;
                    }
                    // `$$` and one-letter references.
                    Some(_) => i += 1,
                    None => {}
                },
                // A parenthesis within a reference has to be closed too.
                b'(' if open.last().is_some_and(|o| o.2 == b')') => open.push((number, i, b')')),
                b'{' if open.last().is_some_and(|o| o.2 == b'}') => open.push((number, i, b'}')),
                b if open.last().is_some_and(|o| o.2 == b) => {
                    open.pop();
                }
                _ => {}
            }
            i += 1;
        }
        if line.last() != Some(&b'\\') {
            break;
        }
    }
    let &(number, start, close) = open.first()?;
    let end = if lines[number][start] == b'$' { start + 2 } else { start + 1 };
    let why = format!("this is not closed: a '{}' is missing", close as char);
    Some(Spot { line: number + 1, start, end, why })
}

/// The last conditional that no `endif` closes.
fn open_conditional(lines: &[&[u8]]) -> Option<usize> {
    let mut open = Vec::new();
    let mut defines = 0;
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.first() != Some(&b'\t')) {
        let mut words = line[indent(line)..].split(|b| b" \t(#".contains(b));
        let word = words.next().unwrap_or_default();
        match word {
            b"define" => defines += 1,
            b"endef" if defines > 0 => defines -= 1,
            _ if defines > 0 => {}
            b"ifeq" | b"ifneq" | b"ifdef" | b"ifndef" => open.push(i),
            b"endif" => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

fn second_colon(line: &[u8]) -> Option<usize> {
    let mut depth = 0;
    let mut seen = false;
    for (i, &b) in line.iter().enumerate() {
        match b {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth -= 1,
            b':' if depth == 0 && (i == 0 || line[i - 1] != b'\\') => {
                if seen {
                    return Some(i);
                }
                seen = true;
            }
            _ => {}
        }
    }
    None
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// How many columns a terminal needs up to the end of `text`, begun in column `from`.
fn columns(text: &[u8], from: usize) -> usize {
    text.iter().fold(from, |column, &b| match b {
        b'\t' => (column / 8 + 1) * 8,
        // Only the first byte of a character in UTF-8 takes a column.
        0x80..=0xbf => column,
        _ => column + 1,
    })
}

fn without_tabs(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for &b in text {
        let next = columns(&[b], column);
        if b == b'\t' {
            out.resize(out.len() + next - column, b' ');
        } else if b >= b' ' {
            out.push(b);
        }
        column = next;
    }
    out
}

/// How many letters have to be put in, left out or replaced to make one word of the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(!x.eq_ignore_ascii_case(y));
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// Whether the words differ by two neighbouring letters in the other order.
fn is_swap(a: &[u8], b: &[u8]) -> bool {
    let differing: Vec<usize> = (0..a.len().min(b.len())).filter(|&i| a[i] != b[i]).collect();
    matches!(differing[..], [i, j] if a.len() == b.len() && j == i + 1 && a[i] == b[j] && a[j] == b[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, line: u32, source: &str, expected: &str) {
        let got = place(text.as_bytes(), b"Kbuild", line, source.as_bytes());
        let got = got.map(|t| String::from_utf8(t).unwrap()).unwrap_or_default();
        assert_eq!(got, expected, "\n{got}");
    }

    #[test]
    fn spaces_for_a_tab() {
        check(
            "missing separator",
            2,
            "all:\n    echo hi\n",
            "  --> Kbuild:2\n  |\n2 |     echo hi\n  | ^^^^ spaces; a recipe line begins with a tab\n",
        );
    }

    #[test]
    fn an_open_conditional_is_shown_where_it_begins() {
        check(
            "missing 'endif'",
            5,
            "ifdef A\nendif\nifeq ($(X),y)\nobj-m := a.o\n",
            "  --> Kbuild:3\n  |\n3 | ifeq ($(X),y)\n  | ^^^^^^^^^^^^^ this is not closed by an endif\n",
        );
    }

    #[test]
    fn an_open_reference_is_marked() {
        check(
            "unterminated call to function 'shell': missing ')'",
            1,
            "X := $(shell echo $(Y)\nZ :=\n",
            "  --> Kbuild:1\n  |\n1 | X := $(shell echo $(Y)\n  |      ^^ this is not closed: a ')' is missing\n",
        );
        check(
            "unterminated variable reference",
            1,
            "A := $(B) \\\n\t${C $(D) $$(\n",
            "  --> Kbuild:2\n  |\n2 |         ${C $(D) $$(\n  |         ^^ this is not closed: a '}' is missing\n",
        );
    }

    #[test]
    fn a_misspelled_or_glued_directive() {
        check(
            "missing separator",
            1,
            "inlcude x\n",
            "  --> Kbuild:1\n  |\n1 | inlcude x\n  | ^^^^^^^ is 'include' meant?\n",
        );
        check(
            "missing separator (ifeq/ifneq must be followed by whitespace)",
            1,
            "ifeq(a,b)\n",
            "  --> Kbuild:1\n  |\n1 | ifeq(a,b)\n  |     ^ a blank is missing after ifeq\n",
        );
    }

    #[test]
    fn what_is_nothing_at_all() {
        check(
            "missing separator",
            1,
            "obj-m hello.o\n",
            "  --> Kbuild:1\n  |\n1 | obj-m hello.o\n  | ^^^^^ neither a rule (TARGET: …), nor an assignment (NAME = …), nor a directive\n",
        );
        check(
            "missing separator",
            2,
            "A=1\n<<<<<<< HEAD\n",
            "  --> Kbuild:2\n  |\n2 | <<<<<<< HEAD\n  | ^^^^^^^^^^^^ a merge conflict that has not been resolved\n",
        );
    }

    #[test]
    fn nothing_to_add() {
        check("some other error", 1, "x\n", "");
        check("missing separator", 9, "x\n", "");
    }

    #[test]
    fn a_target_of_nearly_that_name() {
        let known = [&b"modules"[..], b"clean", b"hello.ko"];
        let text = b"No rule to make target 'moduels', needed by 'x'";
        assert_eq!(no_rule(text, known.into_iter()).unwrap(), b"  = there is 'modules'\n");
        let text = b"No rule to make target 'install'";
        assert_eq!(no_rule(text, known.into_iter()), None);
    }
    #[test]
    fn an_object_without_a_source() {
        let text = b"No rule to make target '/m/hello.o', needed by '/m/'";
        let names = |list: &[&str]| list.iter().map(|n| n.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(
            no_source(text, &names(&["Kbuild", "helo.c"])).unwrap(),
            b"  = there is no source for it: no hello.c, hello.S or hello.rs, but 'helo.c'\n"
        );
        assert_eq!(no_source(text, &names(&["hello.c"])), None);
        assert_eq!(directory_of_target(text), Some(&b"/m/"[..]));
    }
}
