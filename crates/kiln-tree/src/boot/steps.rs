//! The steps of a boot: what is loaded in which order, what runs, what is unloaded.
//!
//! Dependencies come from the modules themselves (`depends=` and `softdep=` of their modinfo), first
//! among the request's modules, then among the kernel's own. Knows nothing of QEMU.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::boot::Request;
use crate::boot::image::Index;
use crate::boot::modinfo::{Modinfo, name_of, read_module};
use crate::boot::script::{Line, Script};
use crate::error::{Error, Kind, Result};

/// One thing that init does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Loads a module.
    Load {
        /// The kernel's name of it.
        name: String,
        /// Whether the request names it; else something depends on it.
        asked: bool,
    },
    /// Unloads a module.
    Unload {
        /// The kernel's name of it.
        name: String,
        /// As for loading.
        asked: bool,
    },
    /// A line of the script, as it was written.
    Line(String),
    /// The script, by a shell.
    Shell,
}

/// A step with the line of init's plan that carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub what: What,
    /// `VERB FIRST [REST]`, see `init.c`.
    order: String,
}

/// What planning comes to.
#[derive(Debug, Default)]
pub struct Planned {
    /// In order.
    pub steps: Vec<Step>,
    /// Files for the initramfs.
    pub files: Vec<(String, Vec<u8>)>,
    /// What was not found.
    pub notes: Vec<String>,
}

/// Room for the plan in `init.c`.
const MAX_TEXT: usize = 65_000;

/// The plan as init reads it: a line a step, each with its number as the label.
///
/// # Errors
/// [`Kind::Unsupported`] if it is too long or a word breaks a line.
pub fn text(steps: &[Step]) -> Result<String> {
    let mut out = String::new();
    for (number, step) in steps.iter().enumerate() {
        if step.order.contains(['\n', '\0']) {
            let message =
                format!("a line break cannot stand in a step of a boot: {:?}", step.order);
            return Err(Error::new(Kind::Unsupported, message));
        }
        out.push_str(&format!("{number} {}\n", step.order));
    }
    if out.len() > MAX_TEXT {
        return Err(Error::new(Kind::Unsupported, "the boot has too many steps"));
    }
    Ok(out)
}

struct Module {
    bytes: Vec<u8>,
    info: Modinfo,
    asked: bool,
}

/// A module that is in the kernel by then.
struct Loaded {
    name: String,
    asked: bool,
    permanent: bool,
    depends: Vec<String>,
}

struct Planner<'a> {
    request: &'a Request,
    index: Index,
    given: HashMap<String, Module>,
    loaded: Vec<Loaded>,
    out: Planned,
}

/// Plans a request.
///
/// # Errors
/// A module that cannot be read; a script for a shell without busybox.
pub fn plan(request: &Request) -> Result<Planned> {
    let mut planner = Planner {
        request,
        index: Index::of(&request.image),
        given: HashMap::new(),
        loaded: Vec::new(),
        out: Planned::default(),
    };
    let mut order = Vec::new();
    for path in &request.modules {
        let bytes = read_module(path)?;
        let info = Modinfo::read(&bytes);
        let name = info.name.clone().unwrap_or_else(|| name_of(path));
        if planner.given.insert(name.clone(), Module { bytes, info, asked: true }).is_some() {
            let message = format!("two of the modules are called {name}");
            return Err(Error::new(Kind::Unsupported, message));
        }
        order.push(name);
    }
    for name in order {
        planner.load(&name, "", false)?;
    }
    match &request.script {
        None => {}
        Some(Script::Shell(_)) if request.busybox.is_none() => {
            return Err(Error::new(Kind::Unsupported, "a script for a shell needs busybox").hint(
                "apt install busybox-static, or write the script in lines that need no shell",
            ));
        }
        Some(Script::Shell(_)) => planner.step(What::Shell, "shell /script".to_string()),
        Some(Script::Lines(lines)) => {
            for line in lines {
                planner.line(line)?;
            }
        }
    }
    // What stays, and what that uses, is not tried: the kernel's refusal would say nothing new.
    let mut stay: Vec<String> = Vec::new();
    while let Some(Loaded { name, asked, permanent, depends }) = planner.loaded.pop() {
        if permanent || stay.contains(&name) {
            stay.extend(depends);
            continue;
        }
        planner.step(What::Unload { name: name.clone(), asked }, format!("unload {name}"));
    }
    Ok(planner.out)
}

impl Planner<'_> {
    fn step(&mut self, what: What, order: String) {
        self.out.steps.push(Step { what, order });
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        let (shown, order) = match line {
            Line::Cat(file) => (format!("cat {file}"), format!("cat {file}")),
            Line::Write(file, text) => {
                (format!("write {file} {text}"), format!("write {file} {text}"))
            }
            Line::Sleep(ms) => (format!("sleep {}", *ms as f64 / 1000.0), format!("sleep {ms}")),
            Line::Load(name, parameters) => {
                let name = name.replace('-', "_");
                if !self.given.contains_key(&name) && self.index.find(&name).is_none() {
                    let kernel = &self.request.image.release;
                    let message = format!("the script loads {name}, which {kernel} does not have");
                    return Err(Error::new(Kind::Unsupported, message));
                }
                return self.load(&name, parameters, true);
            }
            Line::Unload(name) => {
                let name = name.replace('-', "_");
                self.loaded.retain(|l| l.name != name);
                self.step(
                    What::Unload { name: name.clone(), asked: true },
                    format!("unload {name}"),
                );
                return Ok(());
            }
        };
        self.step(What::Line(shown), order);
        Ok(())
    }

    /// Puts a module's steps behind those of what it needs. A circle, which only softdeps can make,
    /// ends where it began.
    fn load(&mut self, name: &str, parameters: &str, asked: bool) -> Result<()> {
        enum Todo {
            Enter(String),
            Leave(String, Module),
        }
        let mut todo = vec![Todo::Enter(name.to_string())];
        let mut entered: Vec<String> = Vec::new();
        while let Some(next) = todo.pop() {
            match next {
                Todo::Enter(name) => {
                    if entered.contains(&name) || self.loaded.iter().any(|l| l.name == name) {
                        continue;
                    }
                    entered.push(name.clone());
                    let Some(module) = self.module(&name)? else { continue };
                    let needs: Vec<String> =
                        module.info.softdeps.iter().chain(&module.info.depends).cloned().collect();
                    todo.push(Todo::Leave(name, module));
                    todo.extend(needs.into_iter().rev().map(Todo::Enter));
                }
                Todo::Leave(this, module) => {
                    let given = self.request.parameters.iter().find(|(n, _)| *n == this);
                    let parameters = match given {
                        Some((_, p)) => p.as_str(),
                        None if this == name => parameters,
                        None => "",
                    };
                    let file = format!("m/{}.ko", self.out.files.len());
                    let order = format!("load /{file} {parameters}");
                    self.out.files.push((file, module.bytes));
                    let asked = module.asked || (asked && this == name);
                    self.step(What::Load { name: this.clone(), asked }, order);
                    let Modinfo { permanent, depends, .. } = module.info;
                    self.loaded.push(Loaded { name: this, asked, permanent, depends });
                }
            }
        }
        Ok(())
    }

    fn module(&mut self, name: &str) -> Result<Option<Module>> {
        if let Some(module) = self.given.remove(name) {
            return Ok(Some(module));
        }
        let Some(path) = self.index.find(name).map(PathBuf::from) else {
            // It may be built into the kernel; if not, the kernel will say what is missing.
            self.out.notes.push(format!(
                "the module {name} is needed and is neither given nor among those of {}",
                self.request.image.release
            ));
            return Ok(None);
        };
        let bytes = read_module(&path)?;
        let info = Modinfo::read(&bytes);
        Ok(Some(Module { bytes, info, asked: false }))
    }
}
