//! Shell lines that only set what ends with their shell: `set -e` and traps for signals, as kbuild puts
//! before the steps of a target, here before none. It knows nothing of why one asks.

use kiln_base::text::is_blank;
use kiln_exec::hooks::RecipeCall;

/// Whether a command is one.
#[must_use]
pub fn command(argv: &[Vec<u8>]) -> bool {
    let [shell, flag, text] = argv else { return false };
    is_shell(shell, flag) && line(text)
}

/// Whether all commands of a recipe are.
#[must_use]
pub fn recipe(recipe: &RecipeCall<'_>) -> bool {
    let [_, shell, flag, ..] = recipe.shell else { return false };
    let is_prefix = |b: &&u8| b"@+-".contains(b) || is_blank(**b);
    let is_idle = |l: &Vec<u8>| line(&l[l.iter().take_while(is_prefix).count()..]);
    is_shell(shell, flag) && recipe.lines.iter().all(is_idle)
}

fn is_shell(shell: &[u8], flag: &[u8]) -> bool {
    shell == b"/bin/sh" && (flag == b"-c" || flag == b"-ec")
}

fn line(text: &[u8]) -> bool {
    let mut quoted = false;
    let mut commands: Vec<Vec<u8>> = vec![Vec::new()];
    for &b in text {
        match b {
            b'\'' => quoted = !quoted,
            // The text of a trap that is not sprung.
            _ if quoted => continue,
            b';' => {
                commands.push(Vec::new());
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b' ' | b'-' | b':' => {}
            _ => return false,
        }
        if let Some(last) = commands.last_mut() {
            last.push(b);
        }
    }
    !quoted
        && commands.iter().all(|command| {
            let words: Vec<&[u8]> =
                command.split(|b| *b == b' ').filter(|w| !w.is_empty()).collect();
            match words[..] {
                [] | [b":"] | [b"true"] | [b"set", b"-e"] => true,
                [b"trap", b"''" | b"-", ref signals @ ..] => signals
                    .iter()
                    .all(|s| matches!(*s, b"HUP" | b"INT" | b"QUIT" | b"TERM" | b"PIPE")),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(text: &str) -> bool {
        command(&[b"/bin/sh".to_vec(), b"-c".to_vec(), text.as_bytes().to_vec()])
    }

    #[test]
    fn lines_that_do_nothing_are_known() {
        assert!(idle("set -e;   trap 'rm -f /x/a.o; trap - HUP; kill -s HUP $$' HUP; "));
        assert!(idle("set -e; :;"));
        for text in [
            "set -e; rm x",
            "trap 'rm x' EXIT",
            "trap 'rm x' 0",
            "trap 'x' HUP; echo",
            "set -e; $(x)",
            "set -e; `x`",
            "set -e > f",
            "trap \"$x\" HUP",
            "set -e; trap 'x' HUP & y",
            "set -x",
            "trap",
            "set -e\nrm x",
            "trap 'x' HUP; 'rm' x",
        ] {
            assert!(!idle(text), "{text}");
        }
    }
}
