//! Trees written for people: the table of `kiln kernels` and the long form of one tree.
//!
//! Only formatting; the text goes to the caller.

use std::fmt;

use crate::describe::{Description, State};
use crate::discover::Discovery;
use crate::machine::Machine;
use crate::tree::Origin;

/// A table of trees, the newest first, the running kernel marked.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What was found.
    pub trees: Vec<Description>,
    /// Places that hold no usable tree, with the reason.
    pub broken: Vec<(std::path::PathBuf, String)>,
    /// The running kernel.
    pub running: Option<String>,
}

impl Listing {
    /// Describes everything that was found.
    pub fn of(found: &Discovery, machine: &Machine) -> Listing {
        Listing {
            trees: found.trees.iter().map(|t| t.describe(machine)).collect(),
            broken: found.broken.clone(),
            running: machine.running.clone(),
        }
    }

    /// For `--json`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "running": self.running,
            "kernels": self.trees,
            "broken": self.broken.iter().map(|(path, why)| {
                serde_json::json!({ "path": path.to_string_lossy(), "why": why })
            }).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.trees.is_empty() {
            writeln!(f, "no kernel trees")?;
        } else {
            table(f, self)?;
        }
        let running = self.running.as_deref();
        if let Some(running) = running
            && !self.trees.iter().any(|t| t.release == running)
        {
            writeln!(f, "\nThe running kernel {running} has no tree here.")?;
        }
        for tree in &self.trees {
            for lack in &tree.missing {
                write!(f, "\n{}: no {}: {}", tree.release, lack.what, lack.effect)?;
                if let Some(help) = &lack.help {
                    write!(f, "\n  {help}")?;
                }
            }
        }
        for (place, why) in &self.broken {
            write!(f, "\n{}: {why}", place.display())?;
        }
        let notes = !self.broken.is_empty() || self.trees.iter().any(|t| !t.missing.is_empty());
        if notes { writeln!(f) } else { Ok(()) }
    }
}

fn table(f: &mut fmt::Formatter<'_>, listing: &Listing) -> fmt::Result {
    let head = ["", "RELEASE", "ARCH", "COMPILER", "HAS", "WHERE"].map(str::to_string);
    let mut rows = vec![head];
    for tree in &listing.trees {
        let running = listing.running.as_deref() == Some(tree.release.as_str());
        let mark = if running { "*" } else { "" };
        let compiler = match &tree.compiler {
            Some(c) => {
                let brand = if c.text.contains("clang version") { "clang" } else { "gcc" };
                let here = if c.is_here() { "" } else { " (not here)" };
                format!("{brand} {}{here}", c.version)
            }
            None => "?".to_string(),
        };
        let place = match &tree.origin {
            Origin::Store(name) => format!("store:{name}"),
            _ => tree.dir.display().to_string(),
        };
        rows.push([
            mark.to_string(),
            tree.release.clone(),
            tree.arch.map_or_else(|| "?".to_string(), |a| a.name()),
            compiler,
            abilities(tree),
            place,
        ]);
    }
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = [1, width(1), width(2), width(3), width(4)];
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            write!(f, "{cell:width$}  ")?;
        }
        writeln!(f, "{}", row[5])?;
    }
    Ok(())
}

/// What a tree has, in few words.
fn abilities(tree: &Description) -> String {
    let mut out = Vec::new();
    match tree.state {
        State::Bare => out.push("source"),
        State::Configured => out.push("configured"),
        State::Prepared => out.push("prepared"),
        State::Built => out.push("built"),
        State::Headers => {}
    }
    if tree.modversions.on {
        out.push(if tree.modversions.extended { "modversions+" } else { "modversions" });
    }
    if tree.rust.on {
        out.push("rust");
    }
    if tree.btf.modules {
        out.push("btf");
    }
    if tree.signing.force {
        out.push("signed-only");
    } else if tree.signing.on {
        out.push("signing");
    }
    if out.is_empty() { "-".to_string() } else { out.join(",") }
}

impl fmt::Display for Description {
    /// All that is known, a fact a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {}", "release", self.release)?;
        writeln!(f, "{:<12} {}", "directory", self.dir.display())?;
        if let Some(source) = &self.source {
            writeln!(f, "{:<12} {}", "source", source.display())?;
        }
        let state = match self.state {
            State::Bare => "source, not configured",
            State::Configured => "source, configured, not prepared",
            State::Prepared => "source, prepared",
            State::Headers => "headers",
            State::Built => "built",
        };
        writeln!(f, "{:<12} {state}", "state")?;
        if let Some(arch) = self.arch {
            let foreign = if self.foreign { ", not this machine's" } else { "" };
            writeln!(f, "{:<12} {}{foreign}", "architecture", arch.name())?;
        }
        if let Some(compiler) = &self.compiler {
            writeln!(f, "{:<12} {}", "compiler", compiler.text)?;
            match &compiler.found {
                Some(found) => writeln!(f, "{:<12} {}", "  here", found.display())?,
                None => writeln!(f, "{:<12} no", "  here")?,
            }
        }
        let versions = match self.modversions {
            Modversions { on: false, .. } => "off",
            Modversions { basic: true, extended: true, .. } => "basic and extended",
            Modversions { extended: true, .. } => "extended",
            _ => "basic",
        };
        writeln!(f, "{:<12} {versions}", "modversions")?;
        let yes = |b: bool| if b { "yes" } else { "no" };
        writeln!(f, "{:<12} {}", "rust", yes(self.rust.on))?;
        writeln!(f, "{:<12} {}", "btf", yes(self.btf.modules))?;
        let signing = match &self.signing {
            s if s.force => "required",
            s if s.all => "when installed",
            s if s.on => "checked if present",
            _ => "off",
        };
        writeln!(f, "{:<12} {signing}", "signing")?;
        writeln!(f, "{:<12} {}", "symvers", yes(self.symvers))?;
        for tool in self.tools.iter().filter(|t| !t.runs_here) {
            let machine = tool.machine.unwrap_or("another machine");
            writeln!(f, "{:<12} {} is for {machine}", "tool", tool.path)?;
        }
        for lack in &self.missing {
            writeln!(f, "{:<12} {}: {}", "missing", lack.what, lack.effect)?;
            if let Some(help) = &lack.help {
                writeln!(f, "{:<12} {help}", "")?;
            }
        }
        Ok(())
    }
}

use crate::describe::Modversions;
