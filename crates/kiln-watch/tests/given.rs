//! What a command is given that cannot have mattered to it may be otherwise when its answer is given
//! again; whatever may have mattered may not.

#[macro_use]
mod common;

use std::fs;

use common::{Came, env, shell};
use kiln_watch::{Sink, Why, watch};

const TRY: &str = "if gcc -Werror -Wno-unused -c -x c /dev/null -o /dev/null; then echo y; fi";

#[test]
fn a_variable_that_nobody_knows_does_not_matter() {
    let (_temp, mut asker) = place!();
    asker.learn(TRY);
    for (name, value) in
        [("KILN_UNHEARD_OF", "1"), ("KILN_UNHEARD_OF", "2"), ("M", "/x"), ("SSH_TTY", "/dev/pts/9")]
    {
        asker.set(name, value);
        assert_eq!(asker.ask(TRY), ("y\n".into(), Came::Kept), "{name}={value}");
    }
    asker.env.clear();
    asker.set("PATH", common::PATH);
    assert_eq!(asker.ask(TRY), ("y\n".into(), Came::Kept));
}

#[test]
fn a_variable_that_the_text_names_matters() {
    let (temp, mut asker) = place!();
    temp.write("work/script.sh", "echo $KILN_UNHEARD_OF $M $SSH_TTY\n");
    for (name, text) in [
        ("KILN_UNHEARD_OF", "echo $KILN_UNHEARD_OF"),
        ("KILN_UNHEARD_OF", "sh script.sh"),
        ("KILN_UNHEARD_OF", "n=KILN_UNHEARD_; eval echo \\$${n}OF"),
        ("KILN_UNHEARD_OF", "awk 'BEGIN { print ENVIRON[\"KILN_UNHEARD_OF\"] }'"),
        ("KILN_UNHEARD_OF", "set | grep UNHEARD"),
        ("KILN_UNHEARD_OF", "export -p | grep -o 'UNHEARD.*'"),
        (
            "KILN_UNHEARD_OF",
            "awk 'BEGIN { for (k in ENVIRON) if (k ~ /UNHEARD/) print ENVIRON[k] }'",
        ),
        ("M", "echo $M"),
        ("M", "sh script.sh"),
        ("M", "echo $((M))"),
        ("SSH_TTY", "echo $SSH_TTY"),
        ("SSH_TTY", "sh script.sh"),
        ("MAKEFLAGS", "echo $MAKEFLAGS"),
    ] {
        asker.env = env(&[("PATH", common::PATH), (name, "1")]);
        let one = asker.learn(text);
        asker.set(name, "2");
        assert_eq!(asker.fresh(text), one.replace('1', "2"), "{text}");
        assert!(one.contains('1'), "{text}: {one}");
        asker.set(name, "1");
        assert_eq!(asker.ask(text), (one, Came::Kept), "{text}");
    }
    asker.ask("env | grep UNHEARD");
    asker.set("KILN_UNHEARD_OF", "3");
    assert!(asker.fresh("env | grep UNHEARD").contains('3'));
}

/// bash reads `.bashrc` where it is the first shell of one who is on another machine.
#[test]
fn who_calls_bash_matters() {
    const ASK: &str = "bash -c 'echo one | tr o a'";
    let (temp, mut asker) = place!();
    temp.write("home/.bashrc", "echo hello\n");
    asker.set("HOME", &temp.text("home"));
    asker.set("SHLVL", "1");
    assert_eq!(asker.learn(ASK), "ane\n");
    asker.set("SSH_TTY", "/dev/pts/9");
    assert_eq!(asker.ask(ASK), ("ane\n".into(), Came::Kept));
    for name in ["SSH_CLIENT", "SSH2_CLIENT", "SHLVL"] {
        let before = asker.env.clone();
        asker.set(name, "0 ");
        asker.fresh(ASK);
        asker.env = before;
        assert_eq!(asker.ask(ASK), ("ane\n".into(), Came::Kept), "{name}");
    }
    // What is no shell, or called as sh, does not ask.
    assert_eq!(asker.learn("echo one | tr o a"), "ane\n");
    asker.set("SSH_CLIENT", "::1 1 2");
    assert_eq!(asker.ask("echo one | tr o a"), ("ane\n".into(), Came::Kept));
    asker.set("SHLVL", "0");
    let (said, came) = asker.ask(ASK);
    let mut plain = std::process::Command::new("sh");
    plain.args(["-c", ASK]).env_clear();
    plain.envs(asker.env.iter().map(|(n, v)| (text(n), text(v))));
    assert_eq!((said.into_bytes(), came), (plain.output().unwrap().stdout, Came::Fresh));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_variable_that_a_program_knows_matters() {
    let (temp, mut asker) = place!();
    // A program under the name of one that is on the table.
    fs::create_dir(temp.path("bin")).unwrap();
    temp.write(
        "nm.c",
        "#include <stdio.h>\n#include <stdlib.h>\n\
         int main(void) { const char *v = getenv(\"KILN_UNHEARD_OF\"); puts(v ? v : \"-\"); }\n",
    );
    let made = std::process::Command::new("gcc")
        .arg(temp.path("nm.c"))
        .arg("-o")
        .arg(temp.path("bin/nm"))
        .status();
    assert!(made.unwrap().success());
    asker.set("PATH", &format!("{}:{}", temp.text("bin"), common::PATH));
    assert_eq!(asker.learn("nm"), "-\n");
    asker.set("KILN_UNHEARD_OF", "1");
    assert_eq!(asker.learn("nm"), "1\n");
    asker.set("KILN_UNHEARD_OF", "2");
    assert_eq!(asker.fresh("nm"), "2\n");
    asker.set("KILN_UNKNOWN_TO_IT", "2");
    assert_eq!(asker.ask("nm"), ("2\n".into(), Came::Kept));
}

#[test]
fn a_variable_that_a_file_names_matters() {
    let (temp, mut asker) = place!();
    let specs = temp.write("specs", "*cc1_cpu:\n+ -DWHICH=%:getenv(KILN_UNHEARD_OF 7)\n\n");
    let text = format!("echo WHICH | gcc -specs={} -E -P -", specs.display());
    asker.set("KILN_UNHEARD_OF", "1");
    assert_eq!(asker.learn(&text), "17\n");
    asker.set("KILN_UNHEARD_OF", "2");
    assert_eq!(asker.fresh(&text), "27\n");
}

#[test]
fn a_function_in_the_environment_matters() {
    let (temp, mut asker) = place!();
    if !std::path::Path::new("/bin/bash").exists() {
        return;
    }
    temp.write("work/x.sh", "unheard_of 2>/dev/null || echo none\n");
    assert_eq!(asker.learn("bash x.sh"), "none\n");
    // Not every shell hands it on to the next.
    asker.set("BASH_FUNC_unheard_of%%", "() { echo mine; }");
    asker.fresh("bash x.sh");
}

#[test]
fn where_make_was_called_does_not_matter() {
    let (temp, mut asker) = place!();
    for dir in ["one", "two", "other/deep"] {
        fs::create_dir_all(temp.path(dir)).unwrap();
    }
    asker.set("PWD", &temp.text("one"));
    asker.learn(TRY);
    asker.set("PWD", &temp.text("two"));
    assert_eq!(asker.ask(TRY).1, Came::Kept);
    fs::remove_dir(temp.path("one")).unwrap();
    assert_eq!(asker.ask(TRY).1, Came::Kept, "who was called from there is gone");
    // By the name that PWD gives it, if that is the directory.
    std::os::unix::fs::symlink("work", temp.path("link")).unwrap();
    assert_eq!(asker.learn("pwd"), format!("{}\n", temp.text("work")));
    asker.set("PWD", &temp.text("link"));
    assert_eq!(asker.fresh("pwd"), format!("{}\n", temp.text("link")));
}

/// A command that tries the compiler as kbuild's `try-run` does, in a directory.
fn try_run(dir: &str) -> String {
    format!(
        "set -e; TMP={dir}/.tmp_$$/tmp; trap \"rm -rf {dir}/.tmp_$$\" EXIT; mkdir -p {dir}/.tmp_$$; \
         if (gcc -Werror -c -x c /dev/null -o \"$TMP\") >/dev/null 2>&1; then echo 'y'; else echo 'n'; fi"
    )
}

#[test]
fn where_temporaries_are_made_does_not_matter() {
    let (temp, mut asker) = place!();
    for dir in ["module/first", "module/second", "long/way/down/to/third"] {
        fs::create_dir_all(temp.path(dir)).unwrap();
    }
    assert_eq!(asker.learn(&try_run(&temp.text("module/first"))), "y\n");
    for dir in ["module/second", "long/way/down/to/third"] {
        assert_eq!(asker.ask(&try_run(&temp.text(dir))), ("y\n".into(), Came::Kept), "{dir}");
    }
    fs::remove_dir(temp.path("module/first")).unwrap();
    assert_eq!(asker.ask(&try_run(&temp.text("module/second"))).1, Came::Kept);
    // Where none can be made, that is the answer.
    fs::write(temp.path("module/file"), "").unwrap();
    assert_ne!(asker.fresh(&try_run(&temp.text("module/file"))), "y\n");
    std::os::unix::fs::symlink("second", temp.path("module/link")).unwrap();
    asker.fresh(&try_run(&temp.text("module/link")));
}

#[test]
fn where_temporaries_are_made_matters_to_who_tells_or_looks() {
    let (temp, mut asker) = place!();
    for (dir, file) in [("module/first", "1\n"), ("module/second", "2\n")] {
        temp.write(&format!("{dir}/x.h"), file);
    }
    let (first, second) = (temp.text("module/first"), temp.text("module/second"));
    let ways: &[fn(&str) -> String] = &[
        |d| format!("T={d}/.t_$$; dirname $T"),
        |d| format!("T={d}/.t_$$; cat ${{T%/*}}/x.h"),
        |d| format!("T={d}/.t_$$; cd ${{T%/*}}; cat x.h"),
        |d| format!("T={d}/.t_$$; cat {d}/x.h"),
        |d| format!("mkdir {d}/.t_$$; cat {d}/.t_$$/../x.h; rmdir {d}/.t_$$"),
    ];
    for way in ways {
        let one = asker.ask(&way(&first)).0;
        let (two, came) = asker.ask(&way(&second));
        assert_eq!(came, Came::Fresh, "{}", way(&second));
        assert_ne!(one, two, "{}", way(&second));
    }
}

#[test]
fn what_a_stream_is_matters_to_who_asks() {
    let (temp, mut asker) = place!();
    let asks = |text: &str| {
        let file = fs::File::create(temp.path("err")).unwrap();
        let mut command = shell(text, &temp.0, env(&[("PATH", common::PATH)]));
        command.stderr = Sink::Given(file.into());
        watch(command).unwrap().seen.map(|seen| seen.asks.streams)
    };
    for text in [
        "[ -t 2 ]; echo $?",
        "exec 3>&2; [ -t 3 ]; echo $?",
        "test -p /dev/stderr; echo $?",
        "test -f /dev/fd/2; echo $?",
        "test -f /proc/self/fd/2; echo $?",
    ] {
        assert_eq!(asks(text), Ok(true), "{text}");
    }
    for text in ["echo y", "[ -t 2 ] 2>/dev/null", "gcc -E -x c /dev/null 2>/dev/null"] {
        assert_eq!(asks(text), Ok(false), "{text}");
    }
    assert_eq!(asks("echo x >&2").map_err(|o| o.why), Err(Why::Output));
    // One that asked for none is for all, but one from `/dev/null` for that only.
    asker.streams = b"pipe kept terminal";
    asker.learn("echo y");
    asker.learn("cd /; echo y");
    for streams in [&b"pipe kept pipe"[..], b"null kept null", b"terminal kept file"] {
        asker.streams = streams;
        assert_eq!(asker.ask("echo y").1, Came::Kept);
    }
    asker.streams = b"null kept pipe";
    asker.learn("echo x");
    asker.streams = b"pipe kept pipe";
    asker.fresh("echo x");
}
