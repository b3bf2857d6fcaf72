//! `cargo xtask boots`: real kernels under QEMU's emulation load what Kiln built, and refuse what they
//! have to refuse, with the reason that `kiln boot --json` gives.
//!
//! Kernel images come from `scripts/test-trees`; they are added to a store of the tests' own. A row
//! names a kernel, where its module comes from, what is done to it, and what the verdict has to say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_conformance::{corpus, examples};
use kiln_testkit::place::quiet;
use kiln_testkit::{KernelTree, cache, far, kernel_trees};

use crate::kernels::{self, Count};
use crate::options::Options;
use crate::tally::Tally;

/// What is done to a module before it is booted.
#[derive(Clone, Copy, PartialEq)]
enum Damage {
    None,
    /// The CRC of one symbol is another.
    Crc,
    /// The second half of the file is missing.
    Truncated,
    /// The type information begins with something else.
    Btf,
}

struct Row {
    name: &'static str,
    /// The series whose kernel is started.
    kernel: &'static str,
    /// The series whose headers the modules are built against.
    headers: &'static str,
    /// `hello`, or packages of the corpus; all are loaded.
    modules: &'static [&'static str],
    damage: Damage,
    /// More words for the kernel's command line.
    append: &'static str,
    /// What the verdict has to say of the refusal; `None` for what has to load.
    refused: Option<&'static str>,
    /// Only when long tests are asked for.
    long: bool,
}

const fn loads(name: &'static str, series: &'static str, modules: &'static [&'static str]) -> Row {
    Row {
        name,
        kernel: series,
        headers: series,
        modules,
        damage: Damage::None,
        append: "",
        refused: None,
        long: true,
    }
}

const fn refused(
    name: &'static str,
    kernel: &'static str,
    headers: &'static str,
    damage: Damage,
    why: &'static str,
) -> Row {
    Row { kernel, headers, damage, refused: Some(why), ..loads(name, kernel, HELLO) }
}

const HELLO: &[&str] = &["hello"];
const CORPUS: &[&str] = &["dkms-test-dkms", "v4l2loopback-dkms"];

const ROWS: &[Row] = &[
    Row { long: false, ..loads("hello", "6.12", HELLO) },
    loads("hello", "6.1", HELLO),
    loads("hello", "7.2", HELLO),
    loads("corpus", "6.1", CORPUS),
    loads("corpus", "6.12", CORPUS),
    // The other one is not for so new a kernel.
    loads("corpus", "7.2", &["dkms-test-dkms", "acpi-call-dkms"]),
    Row { headers: "7.2-rust", ..loads("rust", "7.2", &["rust"]) },
    refused("crc", "6.12", "6.12", Damage::Crc, "disagrees about version of symbol"),
    refused(
        "newer-module",
        "6.1",
        "6.12",
        Damage::None,
        "disagrees about version of symbol module_layout",
    ),
    refused(
        "older-module",
        "6.12",
        "6.1",
        Damage::None,
        ".gnu.linkonce.this_module section size must match",
    ),
    refused("other-release", "7.2", "6.12", Damage::None, "version magic"),
    Row {
        append: "module.sig_enforce=1",
        ..refused("unsigned", "6.12", "6.12", Damage::None, "unsigned module is rejected")
    },
    refused("truncated", "6.12", "6.12", Damage::Truncated, "Exec format error"),
    refused("btf", "7.2", "7.2", Damage::Btf, "BTF"),
];

/// Runs what is asked for.
pub fn run(options: &Options) -> Result<bool, String> {
    let kiln = options.program().canonicalize().map_err(|e| e.to_string())?;
    let wants = |r: &&Row| {
        options.wants(&format!("{}@{}", r.name, r.kernel))
            && (!r.long || options.long || !options.names.is_empty() || options.tree.is_some())
            && options.wants_tree(r.kernel)
    };
    let mut tally = Tally::default();
    let mut bench = Bench { kiln, trees: kernel_trees(), built: Vec::new() };
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for row in ROWS.iter().filter(wants) {
        let name = format!("boot/{}@{}", row.name, row.kernel);
        let ran = bench.row(row);
        counts.entry(row.kernel).or_default().add(ran.is_ok(), None);
        match ran {
            Ok(took) => {
                tally.count(true);
                if !options.quiet {
                    println!("good    {name} [{took} s]");
                }
            }
            Err(said) => {
                tally.count(false);
                println!("FAILED  {name}\n    {}", said.trim().replace('\n', "\n    "));
            }
        }
    }
    if options.table && options.names.is_empty() && options.long {
        for (tree, count) in counts {
            kernels::record(tree, kernels::BOOT, count)?;
        }
    }
    Ok(tally.close())
}

struct Bench {
    kiln: PathBuf,
    trees: Vec<KernelTree>,
    /// By series and name: the module.
    built: Vec<(String, PathBuf)>,
}

impl Bench {
    fn row(&mut self, row: &Row) -> Result<u64, String> {
        let image = self.image(row.kernel)?;
        let mut modules = Vec::new();
        for name in row.modules {
            modules.push(damaged(&self.module(row.headers, name)?, row)?);
        }
        let start = std::time::Instant::now();
        let mut boot = self.kiln();
        boot.args(["boot", "--json", "-k", &image]).args(&modules);
        if !row.append.is_empty() {
            boot.args(["--append", row.append]);
        }
        let out = boot.output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let all = format!("{said}{}", String::from_utf8_lossy(&out.stderr));
        let status = out.status.code();
        let right = match row.refused {
            None => status == Some(0) && said.contains("\"ok\": true"),
            // Refused, and by the kernel rather than for want of one.
            Some(why) => {
                let refusal = said.lines().any(|l| {
                    let l = l.trim_start();
                    (l.starts_with("\"reason\"") || l.starts_with("\"error\"")) && l.contains(why)
                });
                status == Some(1) && said.contains("\"loaded\": false") && refusal
            }
        };
        if right { Ok(start.elapsed().as_secs()) } else { Err(all) }
    }

    fn kiln(&self) -> Command {
        let mut c = Command::new(&self.kiln);
        c.env("XDG_DATA_HOME", data()).stdin(Stdio::null());
        c
    }

    /// The release of the image of a series, which is in the store then.
    fn image(&self, series: &str) -> Result<String, String> {
        let name = format!("{series}-image");
        let entry = data().join("kiln/kernels").join(&name);
        if !entry.join("entry.json").exists() {
            let root = cache::dir().join("trees").join(&name).join("root");
            if !root.is_dir() {
                return Err(format!("no kernel image (scripts/test-trees --long {name})"));
            }
            quiet(self.kiln().args(["kernels", "add", "--name", &name]).arg(&root))
                .map_err(|e| e.to_string())?;
        }
        let release = ["lib/modules", "usr/lib/modules"].iter().find_map(|d| {
            let list = fs::read_dir(entry.join("root").join(d)).ok()?;
            list.flatten().next().map(|e| e.file_name().to_string_lossy().into_owned())
        });
        release.ok_or_else(|| format!("{}: an image without modules", entry.display()))
    }

    fn module(&mut self, series: &str, name: &str) -> Result<PathBuf, String> {
        let key = format!("{series} {name}");
        if let Some((_, path)) = self.built.iter().find(|(k, _)| *k == key) {
            return Ok(path.clone());
        }
        if !self.trees.iter().any(|t| t.series == series) {
            self.trees.push(far::tree(series, &self.kiln)?);
        }
        let tree = self.trees.iter().find(|t| t.series == series).ok_or("no such tree")?;
        let source = match corpus::PACKAGES.iter().find(|p| p.name == name) {
            Some(package) => corpus::source(package)?,
            None => examples().join(name),
        };
        let top = cache::work_root().join("boots").join(series);
        let dir = top.join(name);
        let make = top.join("make");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&top).map_err(|e| e.to_string())?;
        quiet(Command::new("cp").arg("-a").arg(&source).arg(&dir)).map_err(|e| e.to_string())?;
        fs::copy(&self.kiln, &make).map_err(|e| e.to_string())?;
        let line = format!(
            "cd '{0}' && '{1}' -C '{2}' M='{0}'",
            dir.display(),
            make.display(),
            tree.dir.display()
        );
        let mut build = match &tree.folder {
            None => Command::new("sh"),
            Some(folder) => {
                let mut c = Command::new("chroot");
                c.arg(folder).arg("sh");
                c
            }
        };
        quiet(build.args(["-c", &line]).env("KDIR", &tree.dir).env("HOME", &top))
            .map_err(|e| e.to_string())?;
        let made = fs::read_dir(&dir).map_err(|e| e.to_string())?;
        let module = made
            .flatten()
            .map(|e| e.path())
            .find(|p| p.extension().is_some_and(|e| e == "ko"))
            .ok_or_else(|| format!("{}: no module was built", dir.display()))?;
        self.built.push((key, module.clone()));
        Ok(module)
    }
}

fn data() -> PathBuf {
    cache::work_root().join("data")
}

/// A copy with the damage done, under the module's own name.
fn damaged(module: &Path, row: &Row) -> Result<PathBuf, String> {
    if row.damage == Damage::None {
        return Ok(module.to_path_buf());
    }
    let mut bytes = fs::read(module).map_err(|e| e.to_string())?;
    match row.damage {
        Damage::None => {}
        Damage::Truncated => bytes.truncate(bytes.len() / 2),
        Damage::Crc => {
            // struct modversion_info: the CRC in 8 bytes, then the name in 56.
            let name = b"_printk\0\0\0\0";
            let at = find(&bytes, name).filter(|at| *at >= 8).ok_or("no versions in the module")?;
            bytes[at - 8] ^= 0xff;
        }
        Damage::Btf => {
            // struct btf_header: the magic 0xeb9f, version 1, flags 0.
            let at = find(&bytes, &[0x9f, 0xeb, 1, 0]).ok_or("no BTF in the module")?;
            bytes[at] ^= 0xff;
        }
    }
    let dir = module.parent().unwrap_or(Path::new("/")).join(row.name);
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let path = dir.join(module.file_name().unwrap_or_default());
    fs::write(&path, bytes).map_err(|e| e.to_string())?;
    Ok(path)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}
