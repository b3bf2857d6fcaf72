//! Downloading with a made-up apt: which commands are run, and what is made of their words.

mod fake;

use std::collections::BTreeMap;
use std::fs;
use std::io;

use fake::Fake;
use kiln_tree::error::{Error, Kind};
use kiln_tree::fetch::{Fetched, Request, fetch};
use kiln_tree::machine::{Machine, Os};
use kiln_tree::process::{Command, Output, Runner};

/// An archive of packages, and whether the system's own lists know the foreign ones.
struct Archive {
    packages: BTreeMap<String, String>,
    updated: bool,
    log: Vec<String>,
}

impl Archive {
    fn new(packages: &[(&str, &str, &str)]) -> Archive {
        let paragraph = |name: &str, arch: &str, depends: &str| {
            format!("Package: {name}\nArchitecture: {arch}\nVersion: 1.2\nDepends: {depends}\n\n")
        };
        Archive {
            packages: packages
                .iter()
                .map(|(name, arch, depends)| {
                    (format!("{name}:{arch}"), paragraph(name, arch, depends))
                })
                .collect(),
            updated: false,
            log: Vec::new(),
        }
    }

    fn ask(&self, name: &str, arch: &str) -> Option<&String> {
        if arch != "amd64" && !self.updated {
            return None;
        }
        // As apt has it, packages for all architectures answer to the native one.
        let all = if arch == "amd64" { self.packages.get(&format!("{name}:all")) } else { None };
        self.packages.get(&format!("{name}:{arch}")).or(all)
    }
}

impl Runner for Archive {
    fn run(&mut self, command: &Command) -> io::Result<Output> {
        let words: Vec<String> =
            command.argv.iter().map(|w| w.to_string_lossy().into_owned()).collect();
        let plain: Vec<&str> =
            words.iter().map(String::as_str).filter(|w| !w.contains("::") && *w != "-o").collect();
        self.log.push(plain.join(" "));
        let ok = |text: String| {
            Ok(Output { status: Some(0), stdout: text.into_bytes(), stderr: Vec::new() })
        };
        let last = words.last().map(String::as_str).unwrap_or_default();
        if words[0] == "dpkg" {
            return ok("amd64\n".to_string());
        }
        if words.contains(&"update".to_string()) {
            self.updated = true;
            return ok(String::new());
        }
        if words.contains(&"pkgnames".to_string()) {
            let known = self.packages.keys().filter_map(|k| k.split_once(':'));
            let known = known.filter(|(n, a)| n.starts_with(last) && self.ask(n, a).is_some());
            return ok(known.map(|(n, _)| format!("{n}\n")).collect());
        }
        if words.contains(&"show".to_string()) {
            let (name, arch) = last.split_once(':').unwrap();
            return match self.ask(name, arch) {
                Some(text) => ok(text.clone()),
                None => Ok(Output { status: Some(100), ..Output::default() }),
            };
        }
        for package in
            words.iter().filter(|w| w.contains('=') && w.contains(':') && !w.contains("::"))
        {
            let (name, rest) = package.split_once(':').unwrap();
            let (arch, version) = rest.split_once('=').unwrap();
            assert!(self.ask(name, arch).is_some(), "{package} does not exist");
            fs::write(command.dir.join(format!("{name}_{version}_{arch}.deb")), "")?;
        }
        ok(String::new())
    }
}

const DEBIAN: &[(&str, &str, &str)] = &[
    ("linux-headers-6.1.0-9-amd64", "amd64", "linux-headers-6.1.0-9-common, linux-kbuild-6.1"),
    (
        "linux-headers-6.1.0-10-amd64",
        "amd64",
        "linux-base, linux-headers-6.1.0-10-common (= 1), linux-image-6.1.0-10-amd64 | x, linux-kbuild-6.1, gcc-12",
    ),
    ("linux-headers-6.1.0-10-rt-amd64", "amd64", "linux-headers-6.1.0-10-common"),
    ("linux-headers-6.1.0-10-common", "all", ""),
    ("linux-headers-6.1.0-10-arm64", "arm64", "linux-headers-6.1.0-10-common, linux-kbuild-6.1"),
    ("linux-image-6.1.0-10-amd64", "amd64", "kmod"),
    ("linux-kbuild-6.1", "amd64", "libc6"),
    ("linux-kbuild-6.1", "arm64", "libc6"),
];

fn debian(fake: &Fake) -> Machine {
    let mut machine = fake.machine();
    machine.os = Os::read("ID=debian\n");
    machine
}

fn get(request: &Request, archive: &mut Archive) -> Result<(Vec<String>, Fetched), Error> {
    let fake = Fake::new();
    let machine = debian(&fake);
    let got = fetch(&machine, request, &fake.path("packages"), archive, &mut |_| {})?;
    let names = got.files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned());
    Ok((names.collect(), got))
}

fn request(release: &str) -> Request {
    Request { release: release.to_string(), ..Request::default() }
}

#[test]
fn the_newest_plain_variant_and_all_its_parts() {
    let mut archive = Archive::new(DEBIAN);
    let (files, got) = get(&request("6.1"), &mut archive).unwrap();
    assert_eq!(got.release, "6.1.0-10-amd64");
    assert_eq!(
        files,
        [
            "linux-headers-6.1.0-10-amd64_1.2_amd64.deb",
            "linux-headers-6.1.0-10-common_1.2_amd64.deb",
            "linux-kbuild-6.1_1.2_amd64.deb",
        ]
    );
    assert!(!archive.updated, "{:?}", archive.log);
}

#[test]
fn another_architecture_with_lists_of_its_own_and_tools_that_run_here() {
    let mut archive = Archive::new(DEBIAN);
    let (files, _) = get(&request("6.1.0-10-arm64"), &mut archive).unwrap();
    assert!(archive.updated);
    assert_eq!(
        files,
        [
            "linux-headers-6.1.0-10-arm64_1.2_arm64.deb",
            "linux-headers-6.1.0-10-common_1.2_amd64.deb",
            "linux-kbuild-6.1_1.2_amd64.deb",
        ]
    );
}

#[test]
fn the_image_where_it_is_asked_for() {
    let image = Request { image: true, ..request("6.1.0-10-amd64") };
    let (files, _) = get(&image, &mut Archive::new(DEBIAN)).unwrap();
    assert!(files.contains(&"linux-image-6.1.0-10-amd64_1.2_amd64.deb".to_string()));
    assert_eq!(files.len(), 4);
    let only = Request { image_only: true, ..request("6.1") };
    let (files, _) = get(&only, &mut Archive::new(DEBIAN)).unwrap();
    assert_eq!(files, ["linux-image-6.1.0-10-amd64_1.2_amd64.deb"]);
}

#[test]
fn a_kernel_that_is_not_there_names_those_that_are() {
    let error = get(&request("6.2"), &mut Archive::new(DEBIAN)).unwrap_err();
    assert_eq!(error.kind, Kind::UnknownTree);
    assert!(error.to_string().contains("6.1.0-10-amd64, 6.1.0-9-amd64"), "{error}");
}

#[test]
fn a_program_that_fails_or_is_missing() {
    let fake = Fake::new();
    let mut fails = |command: &Command| -> io::Result<Output> {
        if command.argv[0] == "dpkg" {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Output::default())
    };
    let dir = fake.path("packages");
    let error = fetch(&debian(&fake), &request("6.1"), &dir, &mut fails, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, Kind::Program);
    assert!(error.to_string().contains("dpkg cannot be started"), "{error}");
    let mut machine = fake.machine();
    machine.os = Os::read("ID=arch\n");
    let error = fetch(&machine, &request("6.1"), &dir, &mut fails, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(error.to_string().contains("kiln kernels add FILE"), "{error}");
}
