//! What a build needs and a tree or the machine lacks, each with the command that helps.
//!
//! Judges a description; looks for a few more files, reads none.

use std::path::Path;

use serde::Serialize;

use crate::compiler::Brand;
use crate::config::Config;
use crate::describe::{Description, State};
use crate::machine::{Machine, Manager};
use crate::makefacts::MakeFacts;
use crate::tree::Origin;

/// What [`Missing::what`] calls the kernel's compiled Rust crates.
pub const RUST_CRATES: &str = "rust/libkernel.rmeta";

/// Something that a build needs and the tree or the machine lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What: a file or a program.
    pub what: String,
    /// What happens without it, in a sentence's second half.
    pub effect: String,
    /// The command that helps.
    pub help: Option<String>,
    /// Whether no module can be built at all.
    pub fatal: bool,
}

/// Everything that is missing, the worst first.
pub(crate) fn of(it: &Description, config: &Config, machine: &Machine) -> Vec<Missing> {
    let dir = it.dir.as_path();
    let mut out = Vec::new();
    let mut lack = |what: &str, effect: &str, help: Option<String>, fatal: bool| {
        out.push(Missing { what: what.to_string(), effect: effect.to_string(), help, fatal });
    };
    let install = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
        machine.os.manager().map(|m| machine.as_root(&m.install(&names)))
    };
    let has = |name: &str| dir.join(name).exists();
    let reinstall = match it.origin {
        Origin::Installed | Origin::Source => machine
            .os
            .manager()
            .and_then(|m| Some(machine.as_root(&m.install(&[m.headers(&it.release)?])))),
        _ => None,
    };
    if matches!(it.state, State::Bare) {
        lack(
            "a configuration",
            "the source must be configured and prepared before modules can be built",
            Some(format!("kiln make -C {} defconfig modules_prepare", dir.display())),
            true,
        );
        return out;
    }
    if !has("include/config/auto.conf") || !has("include/generated/autoconf.h") {
        let help = match it.state {
            State::Headers => reinstall.clone(),
            _ => Some(format!("kiln make -C {} modules_prepare", dir.display())),
        };
        let effect = "the tree is not prepared and no module can be built";
        lack("include/config/auto.conf or include/generated/autoconf.h", effect, help, true);
    }
    if !it.modules {
        let effect = "this kernel cannot load modules (CONFIG_MODULES is off)";
        lack("CONFIG_MODULES", effect, None, true);
    }
    if it.source.is_none() && MakeFacts::of_dir(dir).version.is_none() {
        let effect = "the tree's Makefile includes a source that is not here";
        lack("the kernel's Makefile", effect, reinstall.clone(), true);
    } else if !has("scripts/Makefile.build")
        && !it.source.as_ref().is_some_and(|s| s.join("scripts/Makefile.build").exists())
    {
        let effect = "kbuild's own makefiles are missing";
        lack("scripts/Makefile.build", effect, reinstall.clone(), true);
    }
    match &it.compiler {
        Some(compiler) if !compiler.is_here() => {
            let effect =
                format!("the compiler that built this kernel is not here: {}", compiler.text);
            let name = if compiler.brand == Brand::Gcc { "gcc" } else { "clang" };
            let help = compiler.install.as_ref().map(|c| machine.as_root(c));
            lack(&format!("{name} {}", compiler.major()), &effect, help, true);
        }
        Some(compiler) if compiler.same_major == Some(false) => {
            let effect =
                format!("another version would be used than built this kernel: {}", compiler.text);
            let help = compiler.install.as_ref().map(|c| machine.as_root(c));
            lack(&format!("gcc {}", compiler.major()), &effect, help, false);
        }
        _ => {}
    }
    let objtool = config.is_set("OBJTOOL") || config.is_set("STACK_VALIDATION");
    let objtool = objtool || config.is_set("UNWINDER_ORC");
    if objtool {
        let tool = it.tools.iter().find(|t| t.path == "tools/objtool/objtool");
        match tool {
            None => lack(
                "tools/objtool/objtool",
                "objects for this kernel have to pass through the tree's own objtool",
                reinstall.clone(),
                true,
            ),
            Some(tool) if !tool.runs_here => lack(
                "an objtool for this machine",
                "the tree's own is for another architecture and cannot run here",
                None,
                true,
            ),
            Some(_) => {}
        }
    }
    if !it.symvers {
        lack(
            "Module.symvers",
            "the kernel's symbols are unknown: modpost cannot tell which exist, and modules carry no \
             symbol versions",
            match it.state {
                State::Headers => reinstall,
                _ => Some(format!("kiln make -C {} (builds the kernel)", dir.display())),
            },
            false,
        );
    }
    if it.btf.modules && !it.btf.vmlinux {
        lack("vmlinux", "modules are built without BTF", None, false);
    } else if it.btf.modules && !it.btf.pahole {
        let package = if machine.os.id == "fedora" { "dwarves" } else { "pahole" };
        lack("pahole", "BTF cannot be made", install(&[package]), false);
    }
    if it.rust.on && !it.rust.metadata {
        lack(
            RUST_CRATES,
            "modules in Rust cannot be built: the tree lacks the kernel's compiled Rust crates",
            Some(make_crates(it, machine)),
            false,
        );
    } else if it.rust.on && !it.rust.have_rustc {
        lack("rustc", "modules in Rust cannot be built", crate::rust::install(machine), false);
    }
    if it.signing.on && it.signing.all && !it.signing.have_key {
        let key = it.signing.key.clone().unwrap_or_else(|| "certs/signing_key.pem".to_string());
        let effect = if it.signing.force {
            "modules are not signed, and this kernel loads none without a signature it trusts"
        } else {
            "modules are not signed when they are installed"
        };
        lack(&key, effect, None, false);
    }
    out.sort_by_key(|m| !m.fatal);
    out
}

/// The command that makes a tree's Rust crates.
fn make_crates(it: &Description, machine: &Machine) -> String {
    let dir = it.dir.display();
    if it.state != State::Headers {
        return format!("kiln make -C {dir} prepare");
    }
    let add = |source: &str| format!("kiln kernels add --rust {source} {dir}");
    let [major, minor, _] = it.version.unwrap_or_default();
    // Debian's package of the source leaves a tarball, and is named by the series.
    let stem = format!("linux-source-{major}.{minor}");
    let tarball = |end: &str| format!("/usr/src/{stem}.tar.{end}");
    let here = ["xz", "gz", "bz2", "zst"].map(tarball);
    let here = here.iter().find(|f| machine.root.find(Path::new(f)).is_some());
    match (here, machine.os.manager()) {
        (Some(file), _) => add(file),
        (None, Some(m @ Manager::Apt)) => {
            format!(
                "{} && {}",
                machine.as_root(&m.install(std::slice::from_ref(&stem))),
                add(&tarball("xz"))
            )
        }
        _ => format!("{} (SOURCE: the kernel's source of the same version)", add("SOURCE")),
    }
}
