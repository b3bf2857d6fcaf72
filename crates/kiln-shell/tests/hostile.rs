//! Foreign bytes: no panic, no deep recursion, no scheduler held up for ever.

use std::fs::File;
use std::io;
use std::sync::Arc;

use kiln_shell::{Dir, Host, Machine, Setup, Status, Step, fuzz, parse};

struct Nowhere;

impl Host for Nowhere {
    fn write(&self, _fd: u8, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

fn machine(script: &str) -> Machine {
    let script = parse(script.as_bytes()).expect("a script to run in process");
    let setup = Setup {
        dir: Arc::new(Dir { fd: File::open("/").expect("the root").into(), path: b"/".to_vec() }),
        env: vec![b"PATH=/nowhere".to_vec()],
        host: Arc::new(Nowhere),
        name: b"/bin/sh".to_vec(),
        errexit: false,
        pid: None,
    };
    Machine::new(Arc::new(script), setup).expect("a plain environment")
}

#[test]
fn any_bytes_are_read_without_harm() {
    let pieces: [&[u8]; 40] = [
        b"$(",
        b"${",
        b"}",
        b")",
        b"(",
        b"{ ",
        b"; ",
        b"\n",
        b"\\",
        b"\\\n",
        b"'",
        b"\"",
        b"`",
        b"$",
        b"if ",
        b"then ",
        b"elif ",
        b"fi",
        b"for x in ",
        b"do ",
        b"done",
        b"case x in ",
        b"esac",
        b";;",
        b"&&",
        b"||",
        b"|",
        b"!",
        b"<",
        b">",
        b">>",
        b">&",
        b"<<",
        b"x=",
        b"a",
        b"${x#",
        b"\x81",
        b"\0",
        b"[!",
        b"trap 'rm -f ",
    ];
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut data = Vec::new();
        for _ in 0..(state >> 60) + 1 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            data.extend_from_slice(pieces[(state >> 33) as usize % pieces.len()]);
        }
        fuzz(&data);
    }
}

#[test]
fn deep_nesting_is_declined_and_the_deepest_allowed_runs() {
    for (open, close) in [("(", ")"), ("{ ", "; }"), ("$(", ")"), ("if ", "; then :; fi")] {
        let nested = |depth: usize| format!("{}:{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(format!("x={}", nested(20_000)).as_bytes()).is_err());
        assert!(parse(nested(20_000).as_bytes()).is_err());
    }
    assert!(parse("${x:-".repeat(20_000).as_bytes()).is_err());
    let script = format!("{}exit 4{}", "(".repeat(39), ")".repeat(39));
    assert!(matches!(machine(&script).start(), Step::Done(Status::Exited(4))));
    let long = format!("if false; then :; {} fi", "elif false; then :; ".repeat(4000));
    assert!(matches!(machine(&long).start(), Step::Done(Status::Exited(0))));
    let chain = ": && ".repeat(20_000) + ":";
    assert!(matches!(machine(&chain).start(), Step::Done(Status::Exited(0))));
}

#[test]
fn an_endless_loop_gives_others_their_turn() {
    let mut machine = machine("while :; do :; done");
    assert!(matches!(machine.start(), Step::Yield));
    assert!(matches!(machine.resume(Vec::new()), Step::Yield));
}

#[test]
fn a_signal_runs_the_trap_that_guards_a_target() {
    let target = std::env::temp_dir().join(format!("kiln-shell-trap-{}", std::process::id()));
    std::fs::write(&target, "half made").expect("a file");
    let guard = |signal: &str| {
        let name = target.display();
        format!("trap 'rm -f {name}; trap - {signal}; kill -s {signal} $$' {signal};")
    };
    let script = format!("set -e; {} {} /bin/date", guard("HUP"), guard("TERM"));
    let mut stopped = machine(&script);
    assert!(matches!(stopped.start(), Step::Start(_)));
    assert_eq!(stopped.interrupt(2), Status::Signaled(2));
    assert!(target.exists());
    let mut stopped = machine(&script);
    assert!(matches!(stopped.start(), Step::Start(_)));
    assert_eq!(stopped.interrupt(15), Status::Signaled(15));
    assert!(!target.exists());
}

/// The order in which dash hands on the environment can be seen by `env`.
#[test]
fn the_environment_has_dashs_order() {
    use std::os::unix::process::CommandExt;
    if !std::path::Path::new("/usr/bin/dash").exists() {
        return;
    }
    let names: Vec<String> = (0..60).map(|n| format!("V{}_{n}", n * 7919 % 61)).collect();
    let script = "export A=1; B=2 env -u C";
    let mut command = std::process::Command::new("/usr/bin/dash");
    command.arg0("/bin/sh").args(["-c", script]).env_clear().current_dir("/");
    command.env("PATH", "/usr/bin:/bin");
    for name in &names {
        command.env(name, "x");
    }
    let theirs = command.output().expect("dash to run").stdout;
    // The standard library hands an environment on sorted by name, so dash got it in that order.
    let mut env: Vec<Vec<u8>> = names.iter().map(|name| format!("{name}=x").into_bytes()).collect();
    env.push(b"PATH=/usr/bin:/bin".to_vec());
    env.sort();
    let setup = Setup {
        dir: Arc::new(Dir { fd: File::open("/").expect("the root").into(), path: b"/".to_vec() }),
        env,
        host: Arc::new(Nowhere),
        name: b"/bin/sh".to_vec(),
        errexit: false,
        pid: None,
    };
    let script = Arc::new(parse(script.as_bytes()).expect("a script to run in process"));
    let Step::Start(processes) = Machine::new(script, setup).expect("an environment").start()
    else {
        panic!("env was not asked for");
    };
    let mut ours = processes[0].env.join(&b'\n');
    ours.push(b'\n');
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
}
