//! Boots: what is planned, and what is made of kernels' logs. No QEMU is started here.

mod fake;

use std::fs;
use std::io;
use std::path::PathBuf;

use fake::pack::xz;
use fake::{Fake, elf};
use kiln_tree::archive::{Member, What as Kept, cpio};
use kiln_tree::boot::verdict::Sort;
use kiln_tree::boot::{self, Accel, Image, Request, Script, Verdict, What};
use kiln_tree::error::Kind;
use kiln_tree::machine::Machine;
use kiln_tree::process::{Command, Output};

/// A machine with QEMU, a kernel and three modules of its own: c needs b, b needs a.
fn machine(fake: &Fake) -> Machine {
    fake.program("usr/bin/qemu-system-x86_64");
    fake.program("usr/bin/cc");
    fake.file("boot/vmlinuz-6.1.0-5-amd64", "");
    fake.file("boot/config-6.1.0-5-amd64", "CONFIG_X86=y\nCONFIG_64BIT=y\n");
    let own = "lib/modules/6.1.0-5-amd64/kernel";
    fake.file(&format!("{own}/a.ko"), elf::module("name=a\0depends=\0"));
    fake.file(&format!("{own}/drivers/b-b.ko.xz"), xz(&elf::module("name=b_b\0depends=a\0")));
    fake.file(&format!("{own}/c.ko"), elf::module("depends=b-b\0softdep=pre: c x post: a\0"));
    fake.machine()
}

fn request(machine: &Machine, modules: Vec<PathBuf>) -> Request {
    Request::new(modules, Image::of_release(machine, "6.1").unwrap())
}

fn whats(plan: &boot::Plan) -> Vec<String> {
    let name = |w: &What| match w {
        What::Load { name, asked } => format!("load {name}{}", if *asked { "!" } else { "" }),
        What::Unload { name, .. } => format!("unload {name}"),
        What::Line(line) => line.clone(),
        What::Shell => "shell".to_string(),
    };
    plan.steps.iter().map(|s| name(&s.what)).collect()
}

#[test]
fn modules_are_loaded_behind_what_they_need() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let mine = fake.file("mine.ko", elf::module("name=mine\0depends=other,c\0"));
    let other = fake.file("other-file.ko", elf::module("name=other\0depends=\0"));
    let mut request = request(&machine, vec![mine, other]);
    request.script = Some(Script::lines("cat /proc/modules\nsleep 0.1\n").unwrap());
    let plan = boot::plan(&machine, &request, b"init").unwrap();
    assert_eq!(
        whats(&plan),
        [
            "load other!",
            "load a",
            "load b_b",
            "load c",
            "load mine!",
            "cat /proc/modules",
            "sleep 0.1",
            "unload mine",
            "unload c",
            "unload b_b",
            "unload a",
            "unload other",
        ]
    );
    // c asks for x before it, which nobody has.
    assert_eq!(plan.notes.len(), 1, "{:?}", plan.notes);
    assert!(plan.notes[0].contains("module x is needed"), "{:?}", plan.notes);
}

#[test]
fn a_module_without_an_exit_function_stays_and_keeps_what_it_uses() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let object = |info: &str, names: &str| [elf::module(info), names.into()].concat();
    let stays = object("name=stays\0depends=a\0", "\0init_module\0");
    let goes = object("name=goes\0depends=\0", "\0init_module\0cleanup_module\0");
    let modules = vec![fake.file("stays.ko", stays), fake.file("goes.ko", goes)];
    let plan = boot::plan(&machine, &request(&machine, modules), b"init").unwrap();
    let whats = whats(&plan);
    assert!(whats.iter().any(|w| w.contains("unload") && w.contains("goes")), "{whats:?}");
    let kept = |w: &String| w.contains("unload") && (w.contains("stays") || w.ends_with(" a"));
    assert!(!whats.iter().any(kept), "{whats:?}");
}

#[test]
fn the_initramfs_holds_all_that_the_plan_names() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let mut request = request(&machine, vec![]);
    request.script = Some(Script::lines("load c\n").unwrap());
    let plan = boot::plan(&machine, &request, b"init's bytes").unwrap();
    let mut seen = std::collections::BTreeMap::new();
    let mut sink = |member: &Member, data: &mut dyn io::Read| {
        let mut text = Vec::new();
        data.read_to_end(&mut text).unwrap();
        seen.insert(member.path.to_string_lossy().into_owned(), (member.what.clone(), text));
        Ok(())
    };
    cpio::read(&mut &plan.initramfs[..], &mut sink).unwrap();
    assert_eq!(seen["init"].1, b"init's bytes");
    assert_eq!(seen["dev/kmsg"].0, Kept::Special);
    assert_eq!(
        String::from_utf8_lossy(&seen["plan"].1),
        "0 load /m/0.ko \n1 load /m/1.ko \n2 load /m/2.ko \n3 unload c\n4 unload b_b\n5 unload a\n"
    );
    // The compressed one arrives as the kernel wants it.
    assert!(seen["m/1.ko"].1.starts_with(b"\x7fELF"));
}

#[test]
fn qemu_in_software_unless_kvm_is_asked_for() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let mut request = request(&machine, vec![]);
    request.kernel_args = vec!["module.sig_enforce=1".to_string()];
    let command = |request: &Request| {
        boot::plan(&machine, request, b"").unwrap().write(&fake.path("work")).unwrap().to_string()
    };
    let text = command(&request);
    assert!(text.contains("-accel tcg") && !text.contains("kvm"), "{text}");
    assert!(text.contains("-m 256") && text.contains("-no-reboot"), "{text}");
    assert!(text.contains("module.sig_enforce=1'"), "{text}");
    assert!(text.contains("-initrd"), "{text}");
    request.accel = Accel::Kvm;
    assert!(command(&request).contains("-accel kvm -accel tcg"));
}

#[test]
fn what_is_missing_is_said() {
    let fake = Fake::new();
    let mut machine = machine(&fake);
    machine.os = kiln_tree::machine::Os::read("ID=debian\n");
    let error = Image::of_release(&machine, "6.2").unwrap_err();
    assert_eq!(error.kind, Kind::NoTree);
    assert!(error.to_string().contains("kiln kernels fetch --image 6.2"), "{error}");
    let mut request = request(&machine, vec![fake.path("none.ko")]);
    assert_eq!(boot::plan(&machine, &request, b"").unwrap_err().kind, Kind::Io);
    request.modules.clear();
    request.script = Some(Script::Shell(b"lsmod\n".to_vec()));
    let error = boot::plan(&machine, &request, b"").unwrap_err();
    assert!(error.to_string().contains("needs busybox"), "{error}");
    request.script = Some(Script::lines("load nothing\n").unwrap());
    let error = boot::plan(&machine, &request, b"").unwrap_err();
    assert!(error.to_string().contains("loads nothing, which"), "{error}");
    request.script = None;
    fs::remove_file(fake.path("usr/bin/qemu-system-x86_64")).unwrap();
    let error = boot::plan(&machine, &request, b"").unwrap_err();
    assert!(error.to_string().contains("sudo apt install qemu-system-x86"), "{error}");
}

#[test]
fn damaged_modules_are_left_to_the_kernel() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let whole = elf::module("name=x\0depends=a\0");
    for cut in 0..whole.len() {
        let file = fake.file("x.ko", &whole[..cut]);
        let plan = boot::plan(&machine, &request(&machine, vec![file]), b"").unwrap();
        assert!(whats(&plan).contains(&"load x!".to_string()));
    }
    let mut seed = 7u64;
    for _ in 0..500 {
        let mut bad = whole.clone();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (seed >> 33) as usize % bad.len();
        bad[at] = (seed >> 20) as u8;
        let file = fake.file("x.ko", &bad);
        boot::plan(&machine, &request(&machine, vec![file]), b"").unwrap();
    }
}

/// Runs a request whose QEMU prints this log.
fn verdict(lines: &[&str]) -> Verdict {
    let fake = Fake::new();
    let machine = machine(&fake);
    let mine = fake.file("mine.ko", elf::module("name=mine\0depends=a\0"));
    let mut request = request(&machine, vec![mine]);
    request.script = Some(Script::lines("cat /proc/x\n").unwrap());
    let log: Vec<u8> =
        lines.iter().flat_map(|l| format!("[    1.000000] {l}\r\n").into_bytes()).collect();
    let mut runner = |command: &Command| {
        let program = command.argv[0].to_string_lossy().into_owned();
        if program.ends_with("cc") {
            fs::write(command.argv.iter().skip_while(|a| *a != "-o").nth(1).unwrap(), b"\x7fELF")?;
            return Ok(Output { status: Some(0), ..Output::default() });
        }
        Ok(Output { status: Some(0), stdout: log.clone(), stderr: Vec::new() })
    };
    boot::run(&machine, &request, &fake.path("work"), &mut runner).unwrap()
}

const START: &[&str] = &["Linux version 6.1.0", "kiln-boot: started 1", "kiln-out: 6.1.0-5-amd64"];
const END: &[&str] = &["kiln-boot: tainted ", "kiln-out: 12288", "kiln-boot: finished 1"];

fn with(middle: &[&str]) -> Vec<&'static str> {
    let leak = |l: &&str| -> &'static str { Box::leak((*l).to_string().into_boxed_str()) };
    START.iter().chain(middle).chain(END).map(leak).collect()
}

#[test]
fn a_good_boot() {
    let verdict = verdict(&with(&[
        "kiln-boot: begin 0",
        "kiln-boot: end 0 0",
        "kiln-boot: begin 1",
        "mine: loading out-of-tree module taints kernel.",
        "mine: hello",
        "kiln-boot: end 1 0",
        "kiln-boot: begin 2",
        "kiln-out: text",
        "kiln-boot: end 2 0",
        "kiln-boot: begin 3",
        "mine: bye",
        "kiln-boot: end 3 0",
        "kiln-boot: begin 4",
        "kiln-boot: end 4 0",
    ]));
    assert!(verdict.ok, "{verdict}");
    assert_eq!(verdict.release.as_deref(), Some("6.1.0-5-amd64"));
    let mine = &verdict.modules[1];
    assert_eq!((mine.loaded, mine.unloaded), (Some(true), Some(true)));
    assert_eq!(mine.messages.len(), 3);
    assert_eq!(verdict.script[0].output, ["text"]);
    assert_eq!(verdict.taint.as_ref().unwrap().letters, "OE");
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["modules"][1]["name"], "mine");
    assert_eq!(json["ok"], true);
}

#[test]
fn a_refusal_with_the_kernels_own_reason() {
    for (said, result, error, reason) in [
        (
            vec![
                "mine: disagrees about version of symbol _printk",
                "mine: Unknown symbol _printk (err -22)",
            ],
            "-22",
            "Invalid argument",
            "mine: disagrees about version of symbol _printk",
        ),
        (
            vec!["mine: Unknown symbol f (err -2)"],
            "-2",
            "unknown symbol in module",
            "mine: Unknown symbol f (err -2)",
        ),
        (
            vec!["Loading of unsigned module is rejected", "x: tainting kernel"],
            "-129",
            "Key was rejected by service",
            "Loading of unsigned module is rejected",
        ),
    ] {
        let mut middle = vec!["kiln-boot: begin 0", "kiln-boot: end 0 0", "kiln-boot: begin 1"];
        middle.extend(said);
        let end = format!("kiln-boot: end 1 {result}");
        middle.push(&end);
        middle.extend([
            "kiln-boot: begin 2",
            "kiln-boot: end 2 0",
            "kiln-boot: begin 3",
            "kiln-boot: end 3 -2",
        ]);
        let verdict = verdict(&with(&middle));
        assert!(!verdict.ok && verdict.finished);
        let mine = &verdict.modules[1];
        assert_eq!(mine.loaded, Some(false));
        assert_eq!(mine.error.as_deref(), Some(error));
        assert_eq!(mine.reason.as_deref(), Some(reason));
        assert_eq!(mine.unloaded, None);
        assert!(verdict.to_string().contains(reason));
    }
}

#[test]
fn an_oops_while_loading() {
    let verdict = verdict(&with(&[
        "kiln-boot: begin 0",
        "kiln-boot: end 0 0",
        "kiln-boot: begin 1",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "#PF: supervisor write access in kernel mode",
        "Oops: 0002 [#1] PREEMPT SMP NOPTI",
        "kiln-boot: end 1 2009",
        "kiln-boot: begin 2",
        "WARNING: CPU: 0 PID: 1 at x.c:3 f+0x1/0x2",
        "kiln-boot: end 2 0",
    ]));
    assert!(!verdict.ok);
    assert_eq!(verdict.modules[1].loaded, Some(false));
    assert!(verdict.modules[1].error.as_ref().unwrap().contains("signal 9"));
    let kinds: Vec<_> = verdict.troubles.iter().map(|t| (t.kind, t.during.as_str())).collect();
    assert_eq!(kinds, [(Sort::Oops, "loading mine"), (Sort::Warning, "cat /proc/x")]);
}

#[test]
fn a_kernel_that_stops_on_the_way() {
    let stopped =
        verdict(&["Linux version 6.1.0", "Kernel panic - not syncing: VFS: no root", "more"]);
    assert!(!stopped.ok && !stopped.started);
    assert_eq!(stopped.panic.as_deref(), Some("VFS: no root"));
    assert_eq!(stopped.tail.len(), 3);
    assert!(stopped.to_string().contains("did not come up"), "{stopped}");
    let mut lines = START.to_vec();
    lines.extend(["kiln-boot: begin 0", "rubbish \u{1b}[31m kiln-boot: end"]);
    let hung = verdict(&lines);
    assert!(!hung.ok && hung.started && !hung.finished);
    assert_eq!(hung.modules[0].loaded, None);
}

#[test]
fn no_log_ends_in_a_panic() {
    let mut seed = 3u64;
    let words = [
        "kiln-boot: ",
        "begin ",
        "end ",
        "0 ",
        "99999999999999999999 ",
        "-5 ",
        "tainted",
        "kiln-out: ",
        "\n",
        "[ 1.0] ",
        "started",
        "\u{1b}[",
        "BUG: ",
        "2 ",
    ];
    for _ in 0..200 {
        let mut line = String::new();
        for _ in 0..40 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            line.push_str(words[(seed >> 40) as usize % words.len()]);
        }
        assert!(!Verdict::read(&[], line.as_bytes()).ok);
    }
}

#[test]
fn a_qemu_that_refuses_is_an_error() {
    let fake = Fake::new();
    let machine = machine(&fake);
    let request = request(&machine, vec![]);
    let mut runner = |command: &Command| {
        if command.argv[0].to_string_lossy().ends_with("cc") {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Output {
            status: Some(1),
            stdout: Vec::new(),
            stderr: b"qemu: no such machine\n".to_vec(),
        })
    };
    let error = boot::run(&machine, &request, &fake.path("work"), &mut runner).unwrap_err();
    assert_eq!(error.kind, Kind::Program);
    let cached = fake.machine().cache.unwrap().join("boot");
    fs::create_dir_all(&cached).unwrap();
    let mut compile = |command: &Command| {
        if command.argv[0].to_string_lossy().ends_with("cc") {
            fs::write(command.argv.iter().skip_while(|a| *a != "-o").nth(1).unwrap(), b"\x7fELF")?;
            return Ok(Output { status: Some(0), ..Output::default() });
        }
        Ok(Output {
            status: Some(1),
            stdout: Vec::new(),
            stderr: b"qemu: no such machine\n".to_vec(),
        })
    };
    let error = boot::run(&machine, &request, &fake.path("work"), &mut compile).unwrap_err();
    assert!(error.to_string().contains("no such machine"), "{error}");
}
