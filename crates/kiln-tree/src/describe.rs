//! What one tree is: architecture, compiler, how modules are versioned and signed, what is missing.
//!
//! Reads `auto.conf` (some 200 kB) and the first bytes of a few files, and asks for the existence of
//! some twenty others: cheap enough for every build. It never reads Module.symvers or vmlinux and
//! knows nothing of modules.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::arch::{Arch, Family};
use crate::compiler::{self, Brand, Compiler};
use crate::config::Config;
use crate::machine::Machine;
use crate::makefacts::{self, MakeFacts};
use crate::missing::{self, Missing};
use crate::tree::{Origin, Tree};

/// How much of a kernel build the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A source that was never configured.
    Bare,
    /// It has a `.config` that was not put to work yet.
    Configured,
    /// `make modules_prepare` was run: modules build, symbols are unknown.
    Prepared,
    /// A distribution's headers: what modules need, without the kernel's own source files.
    Headers,
    /// A kernel was built here.
    Built,
}

/// CRCs of exported symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Modversions {
    /// CONFIG_MODVERSIONS.
    pub on: bool,
    /// Modules carry the old section `__versions`; all do before CONFIG_BASIC_MODVERSIONS (6.14).
    pub basic: bool,
    /// Modules carry the sections for names of any length.
    pub extended: bool,
    /// The CRCs come from DWARF, not from source text.
    pub from_dwarf: bool,
}

/// Signatures of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The kernel can check signatures.
    pub on: bool,
    /// `modules_install` signs.
    pub all: bool,
    /// The kernel refuses modules without one.
    pub force: bool,
    /// `sha256`, …
    pub hash: Option<String>,
    /// The key as the configuration names it, relative to the tree.
    pub key: Option<String>,
    /// Whether that file is there. Distributions keep theirs.
    pub have_key: bool,
}

/// Type information for modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Btf {
    /// CONFIG_DEBUG_INFO_BTF_MODULES.
    pub modules: bool,
    /// `vmlinux` is here, without which kbuild skips BTF.
    pub vmlinux: bool,
    /// The program that makes it is here.
    pub pahole: bool,
}

/// Modules in Rust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rust {
    /// CONFIG_RUST.
    pub on: bool,
    /// The compiled crates (`rust/*.rmeta`) are here.
    pub metadata: bool,
    /// `rustc` as the configuration names its version.
    pub rustc: Option<String>,
    /// Whether a `rustc` is here.
    pub have_rustc: bool,
}

/// A program of the tree that builds are used to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostTool {
    /// Relative to the tree.
    pub path: String,
    /// The machine it is for; `None` for a script.
    pub machine: Option<&'static str>,
    /// Whether it can run here as far as its machine tells.
    pub runs_here: bool,
}

/// Variables of make that a tree itself sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overrides {
    /// ARCH, whatever the command line says.
    pub arch: bool,
    /// CROSS_COMPILE, whatever the command line says.
    pub cross_compile: bool,
    /// CC without its prefix (`gcc-10`), unless the command line says otherwise.
    pub cc: Option<String>,
}

/// Everything about a tree.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Its release.
    pub release: String,
    /// Where it is.
    pub dir: PathBuf,
    /// How it was found.
    pub origin: Origin,
    /// The source that it was made from, where that is another directory.
    pub source: Option<PathBuf>,
    /// major, patchlevel, sublevel.
    pub version: Option<[u32; 3]>,
    /// How much it holds.
    pub state: State,
    /// What it is for.
    pub arch: Option<Arch>,
    /// Whether that is not this machine's.
    pub foreign: bool,
    /// The variables that the tree itself sets over anything else.
    pub sets: Overrides,
    /// Who built it.
    pub compiler: Option<Compiler>,
    /// CRCs.
    pub modversions: Modversions,
    /// Rust.
    pub rust: Rust,
    /// BTF.
    pub btf: Btf,
    /// Signing.
    pub signing: Signing,
    /// Whether Module.symvers is here.
    pub symvers: bool,
    /// Whether loadable modules are configured at all.
    pub modules: bool,
    /// The tree's programs that were found.
    pub tools: Vec<HostTool>,
    /// What is missing, the worst first.
    pub missing: Vec<Missing>,
}

impl Tree {
    /// Finds out everything. Never fails: what cannot be read is not there.
    pub fn describe(&self, machine: &Machine) -> Description {
        let source = self.source();
        let config = self.config();
        let arch = Arch::of_config(&config, &generated_archs(&self.dir));
        let tools = host_tools(&self.dir, machine);
        let has = |name: &str| self.dir.join(name).exists();
        let whole_source = source.as_ref().is_some_and(|s| s.join("init/main.c").is_file());
        let prepared = has("include/generated/autoconf.h")
            && (has("scripts/mod/modpost") || has("include/generated/utsrelease.h"));
        let state = match (whole_source, prepared) {
            (true, true) if has("vmlinux.o") || has("init/main.o") => State::Built,
            (true, true) => State::Prepared,
            (true, false) if has(".config") => State::Configured,
            (true, false) => State::Bare,
            (false, _) => State::Headers,
        };
        let key = config.get("MODULE_SIG_KEY").map(str::to_string);
        let mut out = Description {
            release: self.release.clone(),
            dir: self.dir.clone(),
            origin: self.origin.clone(),
            version: version(&self.dir, source.as_deref()),
            source: source.filter(|s| *s != self.dir),
            state,
            arch,
            foreign: arch.is_some_and(|a| a.srcarch != machine.family.srcarch && !a.user_mode),
            sets: Overrides::of(&self.dir),
            compiler: Compiler::of(&config, arch, machine),
            modversions: Modversions {
                on: config.is_set("MODVERSIONS"),
                basic: config.is_set("BASIC_MODVERSIONS")
                    || (config.is_set("MODVERSIONS") && !config.is_set("EXTENDED_MODVERSIONS")),
                extended: config.is_set("EXTENDED_MODVERSIONS"),
                from_dwarf: config.is_set("GENDWARFKSYMS"),
            },
            rust: Rust {
                on: config.is_set("RUST"),
                metadata: rust_metadata(&self.dir),
                rustc: config.get("RUSTC_VERSION_TEXT").map(str::to_string),
                have_rustc: machine.program("rustc").is_some(),
            },
            btf: Btf {
                modules: config.is_set("DEBUG_INFO_BTF_MODULES"),
                vmlinux: has("vmlinux"),
                pahole: machine.program("pahole").is_some(),
            },
            signing: Signing {
                on: config.is_set("MODULE_SIG"),
                all: config.is_set("MODULE_SIG_ALL"),
                force: config.is_set("MODULE_SIG_FORCE"),
                hash: config.get("MODULE_SIG_HASH").map(str::to_string),
                have_key: key.as_ref().is_some_and(|k| !k.starts_with("pkcs11:") && has(k)),
                key,
            },
            symvers: has("Module.symvers"),
            modules: config.is_set("MODULES") || config.is_empty(),
            tools,
            missing: Vec::new(),
        };
        out.missing = missing::of(&out, &config, machine);
        out
    }

    /// The settings of `include/config/auto.conf`, else of `.config`; none if there is neither.
    pub fn config(&self) -> Config {
        ["include/config/auto.conf", ".config"]
            .iter()
            .find_map(|name| fs::read(self.dir.join(name)).ok())
            .map(|text| Config::read(&text))
            .unwrap_or_default()
    }
}

/// What the tree is for, where it says so.
pub fn arch_of(tree: &Tree) -> Option<Arch> {
    Arch::of_config(&tree.config(), &generated_archs(&tree.dir))
}

impl Description {
    /// Variables that a build needs on make's command line: ARCH and CROSS_COMPILE for another
    /// architecture where the tree does not set them itself, CC where the tree names a compiler that
    /// is not here and another version of it is.
    pub fn make_variables(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut set = |name: &str, value: &str| out.push((name.to_string(), value.to_string()));
        if let (Some(arch), true, false) = (self.arch, self.foreign, self.sets.arch) {
            set("ARCH", arch.make_arch());
        }
        let Some(compiler) = &self.compiler else { return out };
        let prefix = compiler.cross_compile.as_deref().filter(|_| self.foreign);
        if let (Some(prefix), false) = (prefix, self.sets.cross_compile) {
            set("CROSS_COMPILE", prefix);
        }
        if self.foreign && compiler.brand == Brand::Clang {
            set("LLVM", "1");
        }
        if let (Some(named), Some(found)) = (&self.sets.cc, &compiler.found) {
            let found = found.file_name().unwrap_or_default().to_string_lossy();
            if !found.ends_with(named.as_str()) {
                set("CC", &found);
            }
        }
        out
    }

    /// Whether nothing is missing without which no module can be built.
    pub fn is_usable(&self) -> bool {
        !self.missing.iter().any(|m| m.fatal)
    }

    /// In words, why a compiler of this version cannot build for this tree.
    pub fn too_old(&self, brand: Brand, have: [u32; 3]) -> Option<String> {
        let [major, minor, _] = self.version?;
        let least = compiler::oldest(brand, [major, minor])?;
        let name = if brand == Brand::Gcc { "gcc" } else { "clang" };
        let dots = |v: [u32; 3]| format!("{}.{}.{}", v[0], v[1], v[2]);
        (have < least).then(|| {
            format!(
                "{name} {} is too old for kernel {}: it needs {} or newer",
                dots(have),
                self.release,
                dots(least)
            )
        })
    }
}

/// The directories below `arch/` that hold generated headers.
fn generated_archs(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join("arch")) else { return Vec::new() };
    entries
        .flatten()
        .filter(|e| e.path().join("include/generated").is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// From the generated version.h (also in header packages), else from the source's Makefile.
fn version(dir: &Path, source: Option<&Path>) -> Option<[u32; 3]> {
    let from_makefile = || MakeFacts::of_dir(source?).version;
    let Some(text) = makefacts::head(&dir.join("include/generated/uapi/linux/version.h")) else {
        return from_makefile();
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let get = |name: &str| -> Option<u32> {
        let rest = text.split_once(&format!("#define {name} "))?.1;
        rest.split_whitespace().next()?.parse().ok()
    };
    let parts = (
        get("LINUX_VERSION_MAJOR"),
        get("LINUX_VERSION_PATCHLEVEL"),
        get("LINUX_VERSION_SUBLEVEL"),
    );
    match parts {
        (Some(major), Some(minor), Some(sub)) => Some([major, minor, sub]),
        // Before 5.12 there was only the code, whose last part stops at 255.
        _ => get("LINUX_VERSION_CODE")
            .map(|c| [c >> 16, c >> 8 & 255, c & 255])
            .or_else(from_makefile),
    }
}

impl Overrides {
    /// Reads Debian's `.kernelvariables`. What stands between `ifneq` and `endif` is not counted:
    /// up to 6.1 that is a condition on variables that only Debian's own build sets.
    fn of(dir: &Path) -> Overrides {
        let mut out = Overrides::default();
        let mut depth = 0;
        let text = makefacts::head(&dir.join(".kernelvariables")).unwrap_or_default();
        for line in text.split(|b| *b == b'\n') {
            if line.starts_with(b"if") {
                depth += 1;
            } else if line.starts_with(b"endif") {
                depth -= 1;
            } else if depth == 0 {
                out.arch |= line.starts_with(b"override ARCH ");
                out.cross_compile |= line.starts_with(b"override CROSS_COMPILE ");
                if let Some(value) = line.strip_prefix(b"CC =") {
                    let value = String::from_utf8_lossy(value);
                    let last = value.rsplit([' ', ')']).next().unwrap_or_default().trim();
                    out.cc = Some(last.to_string()).filter(|c| !c.is_empty());
                }
            }
        }
        out
    }
}

fn rust_metadata(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir.join("rust")) else { return false };
    entries.flatten().any(|e| e.file_name().to_string_lossy() == "libkernel.rmeta")
}

/// The tree's programs that an external module's build runs.
const TOOLS: &[&str] = &[
    "scripts/basic/fixdep",
    "scripts/mod/modpost",
    "scripts/genksyms/genksyms",
    "scripts/gendwarfksyms/gendwarfksyms",
    "scripts/sign-file",
    "tools/objtool/objtool",
    "tools/bpf/resolve_btfids/resolve_btfids",
];

fn host_tools(dir: &Path, machine: &Machine) -> Vec<HostTool> {
    TOOLS
        .iter()
        .filter_map(|name| {
            let elf = elf_machine(&dir.join(name))?;
            Some(HostTool {
                path: (*name).to_string(),
                machine: elf.and_then(Family::of_elf).map(|f| f.srcarch),
                runs_here: elf.is_none_or(|m| machine.family.runs(m)),
            })
        })
        .collect()
}

/// `None` if there is no such file, `Some(None)` if it is not ELF.
pub(crate) fn elf_machine(file: &Path) -> Option<Option<u16>> {
    let mut start = [0u8; 20];
    if !fs::metadata(file).ok()?.is_file() {
        return None;
    }
    if File::open(file).ok()?.read_exact(&mut start).is_err() || start[..4] != *b"\x7fELF" {
        return Some(None);
    }
    let bytes = [start[18], start[19]];
    // EI_DATA: 1 is least significant byte first.
    Some(Some(if start[5] == 1 { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }))
}
