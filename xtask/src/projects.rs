//! `cargo xtask projects`: programs that nobody here wrote, built from the distribution's source
//! packages with GNU make and with Kiln, with one and with two jobs, and built again with nothing to
//! do. The files must be identical. The same harness serves as for modules; there is no kernel tree.

use std::fs;
use std::path::PathBuf;

use kiln_testkit::place::Sources;
use kiln_testkit::{Case, KernelTree, Outcome, cache, fetch};

use crate::conformance;
use crate::options::Options;
use crate::tally::Tally;

struct Project {
    name: &'static str,
    pool_path: &'static str,
    sha256: &'static str,
    /// Without make.
    before: &'static str,
    /// With make, `-jN` in place of `@`.
    commands: &'static [&'static str],
}

const PROJECTS: &[Project] = &[
    Project {
        name: "hello",
        pool_path: "pool/main/h/hello/hello_2.10.orig.tar.gz",
        sha256: "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        before: "./configure --disable-dependency-tracking >/dev/null; rm config.log",
        commands: &["make @", "make @", "make @ install DESTDIR=$TOP/root", "make clean"],
    },
    Project {
        name: "hello-tracking",
        pool_path: "pool/main/h/hello/hello_2.10.orig.tar.gz",
        sha256: "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
        before: "",
        // config.status makes the dependency files with make.
        commands: &[
            "./configure >/dev/null; rm config.log",
            "make @",
            "touch src/hello.c; make @",
            "make distclean",
        ],
    },
    Project {
        name: "zlib",
        pool_path: "pool/main/z/zlib/zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
        sha256: "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb",
        before: "sh ./configure >/dev/null; rm configure.log",
        commands: &["make @", "make @", "make check", "make clean"],
    },
    Project {
        name: "lua",
        pool_path: "pool/main/l/lua5.4/lua5.4_5.4.7.orig.tar.gz",
        sha256: "9fbf5e28ef86c69858f6d3d34eccc32e911c1a28b4120ff3e84aaa70cfbf1e30",
        before: "",
        commands: &[
            "make @ linux",
            "make @ linux",
            "make install INSTALL_TOP=$TOP/root",
            "make clean",
        ],
    },
    // The standard library for make: nothing but define, call and eval, and tests that print.
    Project {
        name: "gmsl",
        pool_path: "pool/main/g/gmsl/gmsl_1.1.9.orig.tar.gz",
        sha256: "e9829575cddc5502aa95073530f5eb6b6814f676a3c1ba6d46400a4278ab9cd4",
        before: "",
        commands: &["make @ -f gmsl-tests", "make @ -f gmsl-tests"],
    },
    Project {
        name: "busybox",
        pool_path: "pool/main/b/busybox/busybox_1.37.0.orig.tar.bz2",
        sha256: "3311dff32e746499f4df0d5df04d7eb396382d7e108bb9250e7b519b837043a4",
        before: "",
        commands: &["make defconfig", "make @", "make @", "make clean"],
    },
];

/// Runs what is asked for.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut sources = Sources::default();
    let mut cases = Vec::new();
    let mut tally = Tally::default();
    for p in PROJECTS.iter().filter(|p| options.wants(p.name)) {
        match source(p) {
            Ok(dir) => sources.packages.push((p.name.to_owned(), dir)),
            Err(said) => {
                println!("skipped {}: {said}", p.name);
                tally.skipped += 1;
                continue;
            }
        }
        for jobs in ["-j1", "-j2"] {
            let mut case = Case::new(&format!("project/{}{jobs}", p.name)).package(p.name).long();
            if !p.before.is_empty() {
                case = case.prepare(p.before);
            }
            for command in p.commands {
                case = case.run(&command.replace('@', jobs));
            }
            cases.push(case);
        }
    }
    if options.list {
        cases.iter().for_each(|c| println!("{}", c.name));
        return Ok(true);
    }
    let harness = conformance::harness(options, sources)?;
    let none = KernelTree {
        series: "none".to_owned(),
        release: "none".to_owned(),
        dir: PathBuf::from("/nonexistent"),
        ..KernelTree::default()
    };
    // -j2 builds fill two cores by themselves.
    harness.run_all(&cases, &[none], 1, &mut |o: Outcome| {
        conformance::tell(&o, options.quiet, &mut tally);
    });
    Ok(tally.close())
}

/// The unpacked source: the one folder in the archive.
fn source(p: &Project) -> Result<PathBuf, String> {
    let archive = fetch::pool_file(p.pool_path, p.sha256)?;
    let dir = cache::dir().join("projects").join(p.sha256.get(..12).unwrap_or(p.name));
    let lock = cache::dir().join("projects.lock");
    let _lock = cache::lock(&lock).map_err(|e| e.to_string())?;
    fetch::unpack(&archive, &dir)?;
    let mut inside = fs::read_dir(&dir).map_err(|e| e.to_string())?.filter_map(Result::ok);
    match (inside.next(), inside.next()) {
        (Some(one), None) if one.path().is_dir() => Ok(one.path()),
        _ => Ok(dir),
    }
}
