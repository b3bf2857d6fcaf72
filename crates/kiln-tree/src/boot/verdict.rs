//! The kernel's log read for a verdict: what loaded, what the kernel said, what went wrong.
//!
//! init's own lines (`kiln-boot: …`, `kiln-out: …`) are in the log, in order with the kernel's; what
//! stands between a step's `begin` and `end` happened during it. A log may end anywhere: what is not
//! in it did not happen. Knows nothing of how the log was got.

use std::fmt;

use serde::Serialize;

use crate::boot::steps::{Step, What};

/// What came of a boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Everything was as it should be.
    pub ok: bool,
    /// The kernel that was meant to be booted.
    pub kernel: String,
    /// The release that the booted kernel gave itself.
    pub release: Option<String>,
    /// The kernel came as far as init.
    pub started: bool,
    /// init came to its end.
    pub finished: bool,
    /// The time ran out.
    pub timed_out: bool,
    /// Modules in the order of loading.
    pub modules: Vec<Module>,
    /// Steps of the script.
    pub script: Vec<Ran>,
    /// Warnings, oopses and the like.
    pub troubles: Vec<Trouble>,
    /// Why the kernel gave up.
    pub panic: Option<String>,
    /// `/proc/sys/kernel/tainted` at the end.
    pub taint: Option<Taint>,
    /// Remarks of the planning.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// The last lines of the log where init did not come to its end.
    pub tail: Vec<String>,
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Whether it was named; else something depends on it.
    pub asked: bool,
    /// Whether it was loaded; `None` if it never came to that.
    pub loaded: Option<bool>,
    /// The error's number (positive).
    pub errno: Option<i32>,
    /// The error in the system's words.
    pub error: Option<String>,
    /// The line in which the kernel said why.
    pub reason: Option<String>,
    /// Whether it was unloaded; `None` if it never came to that, as where it has no exit function.
    pub unloaded: Option<bool>,
    /// What the kernel said while it was loaded and unloaded.
    pub messages: Vec<String>,
}

/// A step of the script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// The line, or `script` for a shell's.
    pub step: String,
    /// Whether it succeeded; `None` if it never came to an end.
    pub ok: Option<bool>,
    /// The shell's exit status, or the negative error number of a line.
    pub status: Option<i64>,
    /// What it printed.
    pub output: Vec<String>,
}

/// Something that a kernel should never say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What sort.
    pub kind: Sort,
    /// The line that begins it.
    pub text: String,
    /// What was being done.
    pub during: String,
}

/// Sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// `WARN_ON` and checks that only complain.
    Warning,
    /// A crash of whoever ran into it.
    Oops,
}

/// The kernel's taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taint {
    /// The bits.
    pub bits: u64,
    /// Their letters, as in an oops.
    pub letters: String,
    /// What they mean.
    pub meanings: Vec<&'static str>,
}

/// Bits of the taint in order, from the kernel's Documentation/admin-guide/tainted-kernels.rst.
const TAINTS: &[(char, &str)] = &[
    ('P', "a proprietary module"),
    ('F', "a module loaded by force"),
    ('S', "a processor out of its specification"),
    ('R', "a module unloaded by force"),
    ('M', "a machine check"),
    ('B', "a bad page"),
    ('U', "a request from user space"),
    ('D', "an oops"),
    ('A', "an overridden ACPI table"),
    ('W', "a warning"),
    ('C', "a staging driver"),
    ('I', "a workaround for a firmware bug"),
    ('O', "a module from outside the tree"),
    ('E', "a module without a signature"),
    ('L', "a soft lockup"),
    ('K', "a live patch"),
    ('X', "the distribution's own reason"),
    ('T', "randomised structures"),
    ('N', "an in-kernel test"),
    ('J', "a firmware-control command"),
];

/// Beginnings of lines that tell of trouble.
const TROUBLES: &[(&str, Sort)] = &[
    ("WARNING:", Sort::Warning),
    ("BUG: KASAN", Sort::Oops),
    ("BUG:", Sort::Oops),
    ("UBSAN:", Sort::Warning),
    ("INFO: task ", Sort::Warning),
    ("INFO: rcu", Sort::Warning),
    ("rcu: INFO:", Sort::Warning),
    ("kernel BUG at", Sort::Oops),
    ("Oops:", Sort::Oops),
    ("Oops ", Sort::Oops),
    ("general protection fault", Sort::Oops),
    ("Unable to handle kernel", Sort::Oops),
    ("Internal error:", Sort::Oops),
    ("invalid opcode:", Sort::Oops),
    ("divide error:", Sort::Oops),
    ("stack segment:", Sort::Oops),
];

/// Lines of the tail that is kept of a boot that did not come to its end.
const TAIL: usize = 20;

impl Verdict {
    /// Reads the serial line's bytes. [`Verdict::settle`] is to be called when all else is known.
    pub fn read(steps: &[Step], log: &[u8]) -> Verdict {
        let mut reader = Reader { steps, current: None, out: Verdict::default(), tainted: false };
        for step in steps {
            match &step.what {
                What::Load { name, asked } => reader.out.modules.push(Module {
                    name: name.clone(),
                    asked: *asked,
                    ..Module::default()
                }),
                What::Line(step) => {
                    reader.out.script.push(Ran { step: step.clone(), ..Ran::default() });
                }
                What::Shell => {
                    reader.out.script.push(Ran { step: "script".to_string(), ..Ran::default() });
                }
                What::Unload { .. } => {}
            }
        }
        let lines: Vec<String> = log.split(|b| *b == b'\n').map(clean).collect();
        for line in &lines {
            reader.line(message(line));
        }
        let mut out = reader.out;
        if !out.finished {
            let kept: Vec<String> = lines.into_iter().filter(|l| !l.trim().is_empty()).collect();
            out.tail = kept[kept.len().saturating_sub(TAIL)..].to_vec();
        }
        out
    }

    /// Comes to the judgement.
    pub fn settle(&mut self) {
        let modules = self
            .modules
            .iter()
            .all(|m| m.loaded == Some(true) && (m.unloaded != Some(false) || !m.asked));
        let script = self.script.iter().all(|r| r.ok == Some(true));
        self.ok = self.finished
            && !self.timed_out
            && self.panic.is_none()
            && self.troubles.is_empty()
            && modules
            && script;
    }
}

/// What the log is being read into.
struct Reader<'a> {
    steps: &'a [Step],
    current: Option<usize>,
    out: Verdict,
    tainted: bool,
}

impl Reader<'_> {
    fn line(&mut self, text: &str) {
        if let Some(own) = text.strip_prefix("kiln-boot: ") {
            self.own(own);
            return;
        }
        if let Some(shown) = text.strip_prefix("kiln-out: ") {
            self.shown(shown);
            return;
        }
        if let Some(why) = text.strip_prefix("Kernel panic - not syncing: ") {
            // The restart of a kernel whose init is gone is not the cause but the end of it.
            self.out.panic.get_or_insert_with(|| why.to_string());
        }
        if let Some((_, kind)) = TROUBLES.iter().find(|(start, _)| text.starts_with(start)) {
            let trouble = Trouble { kind: *kind, text: text.to_string(), during: self.during() };
            // One oops is told in several such lines.
            let same = |t: &&mut Trouble| t.during == trouble.during && t.kind == Sort::Oops;
            let last = self.out.troubles.last_mut().filter(same);
            if last.is_none() || trouble.kind == Sort::Warning {
                self.out.troubles.push(trouble);
            }
        }
        if text.trim().is_empty() {
            return;
        }
        match self.current.and_then(|at| self.steps.get(at)).map(|s| &s.what) {
            Some(What::Load { name, .. } | What::Unload { name, .. }) => {
                let name = name.clone();
                if let Some(module) = self.module(&name) {
                    module.messages.push(text.to_string());
                }
            }
            Some(What::Line(_) | What::Shell) => {
                if let Some(ran) = self.ran() {
                    ran.output.push(text.to_string());
                }
            }
            None => {}
        }
    }

    fn own(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let number = words.next().and_then(|w| w.parse::<usize>().ok());
        match verb {
            "started" => self.out.started = true,
            "finished" => self.out.finished = true,
            "tainted" => self.tainted = true,
            "begin" => self.current = number,
            "end" => {
                let result = words.next().and_then(|w| w.parse::<i64>().ok());
                if let (Some(at), Some(result)) = (number, result) {
                    self.end(at, result);
                }
                self.current = None;
            }
            _ => {}
        }
    }

    fn shown(&mut self, text: &str) {
        if self.tainted {
            self.out.taint = text.trim().parse().ok().map(Taint::of);
            self.tainted = false;
        } else if self.current.is_some() {
            if let Some(ran) = self.ran() {
                ran.output.push(text.to_string());
            }
        } else if self.out.release.is_none() {
            self.out.release = Some(text.trim().to_string());
        }
    }

    fn end(&mut self, at: usize, result: i64) {
        let Some(step) = self.steps.get(at) else { return };
        match &step.what {
            What::Load { name, .. } => {
                let name = name.clone();
                let Some(module) = self.module(&name) else { return };
                // A step that died says so after it may have said that it was done.
                module.loaded = Some(result == 0);
                if result != 0 {
                    let (errno, error) = error(result);
                    module.errno = errno;
                    module.error = Some(error);
                    module.reason = reason(&module.messages);
                }
            }
            What::Unload { name, .. } => {
                let name = name.clone();
                if let Some(module) = self.module(&name)
                    && module.loaded == Some(true)
                {
                    module.unloaded = Some(result == 0);
                }
            }
            What::Line(_) | What::Shell => {
                self.current = Some(at);
                if let Some(ran) = self.ran() {
                    let shell = (1000..2000).contains(&result);
                    ran.status = Some(if shell { result - 1000 } else { result });
                    ran.ok = Some(result == 0 || result == 1000);
                }
            }
        }
    }

    fn module(&mut self, name: &str) -> Option<&mut Module> {
        self.out.modules.iter_mut().find(|m| m.name == name)
    }

    /// The script's step that is being carried out.
    fn ran(&mut self) -> Option<&mut Ran> {
        let at = self.current?;
        let is = |s: &&Step| matches!(s.what, What::Line(_) | What::Shell);
        is(&self.steps.get(at)?).then_some(())?;
        let before = self.steps[..at].iter().filter(is).count();
        self.out.script.get_mut(before)
    }

    fn during(&self) -> String {
        match self.current.and_then(|at| self.steps.get(at)).map(|s| &s.what) {
            Some(What::Load { name, .. }) => format!("loading {name}"),
            Some(What::Unload { name, .. }) => format!("unloading {name}"),
            Some(What::Line(line)) => line.clone(),
            Some(What::Shell) => "script".to_string(),
            None if self.out.started => "between the steps".to_string(),
            None => "booting".to_string(),
        }
    }
}

/// An error's number and words from a step's result, see `init.c`.
fn error(result: i64) -> (Option<i32>, String) {
    if result >= 2000 {
        return (None, format!("the process that did it was killed by signal {}", result - 2000));
    }
    let errno = i32::try_from(result.unsigned_abs()).unwrap_or(i32::MAX);
    let words = match errno {
        2 => "unknown symbol in module".to_string(),
        17 => "module is already loaded".to_string(),
        _ => {
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            text.split(" (os error").next().unwrap_or_default().to_string()
        }
    };
    (Some(errno), words)
}

/// The line in which the kernel said why it refused a module: the last that is neither about taint nor
/// the consequence of another. (A symbol of the wrong version is reported twice: `disagrees about
/// version of symbol x`, then `Unknown symbol x (err -22)`.)
fn reason(messages: &[String]) -> Option<String> {
    let about_taint =
        |m: &&String| m.contains("taint") || m.starts_with("Disabling lock debugging");
    let mut said = messages.iter().filter(|m| !about_taint(m)).rev();
    let last = said.next()?;
    let cause = std::iter::once(last).chain(said).find(|m| !m.ends_with("(err -22)"));
    Some(cause.unwrap_or(last).clone())
}

/// A line without carriage returns and what a terminal would swallow.
fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.peek() == Some(&'[') {
                chars.next();
                while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            continue;
        }
        if c == '\t' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

/// The message behind the time (`[    1.234567] `) and, with CONFIG_PRINTK_CALLER, the caller.
fn message(line: &str) -> &str {
    let mut text = line;
    for _ in 0..2 {
        let Some(rest) = text.strip_prefix('[') else { break };
        let Some((inside, behind)) = rest.split_once("] ").or_else(|| rest.split_once(']')) else {
            break;
        };
        let plain = |c: char| c.is_ascii_digit() || c == '.' || c == ' ' || c == 'T' || c == 'C';
        if inside.is_empty() || !inside.chars().all(plain) {
            break;
        }
        text = behind;
    }
    text
}

impl Taint {
    /// Reads the bits.
    pub fn of(bits: u64) -> Taint {
        let set = TAINTS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        let (letters, meanings) = set.map(|(_, (letter, meaning))| (*letter, *meaning)).unzip();
        Taint { bits, letters, meanings }
    }
}

impl fmt::Display for Verdict {
    /// A line for the whole, one for each module, and what there is to be said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = self.release.as_deref().unwrap_or(&self.kernel);
        let word = match self {
            v if v.ok => "good",
            v if v.timed_out => "the time ran out",
            v if !v.started => "the kernel did not come up",
            v if v.panic.is_some() => "the kernel gave up",
            v if !v.finished => "the kernel stopped on the way",
            _ => "not good",
        };
        writeln!(f, "{kernel}: {word} ({:.1} s)", self.seconds)?;
        for module in &self.modules {
            write!(f, "  {}: ", module.name)?;
            match (module.loaded, module.unloaded) {
                (None, _) => writeln!(f, "not tried")?,
                (Some(true), Some(true)) => writeln!(f, "loaded, unloaded")?,
                (Some(true), Some(false)) => writeln!(f, "loaded, cannot be unloaded")?,
                (Some(true), None) if self.finished => writeln!(f, "loaded, stays")?,
                (Some(true), None) => writeln!(f, "loaded")?,
                (Some(false), _) => {
                    writeln!(f, "refused: {}", module.error.as_deref().unwrap_or("unknown error"))?;
                    if let Some(reason) = &module.reason {
                        writeln!(f, "    {reason}")?;
                    }
                }
            }
        }
        for ran in self.script.iter().filter(|r| r.ok != Some(true) || !r.output.is_empty()) {
            let result = match (ran.ok, ran.status) {
                (Some(true), _) => String::new(),
                (Some(false), Some(status)) => format!(" failed ({status})"),
                _ => " did not end".to_string(),
            };
            writeln!(f, "  {}:{result}", ran.step)?;
            for line in &ran.output {
                writeln!(f, "    {line}")?;
            }
        }
        for trouble in &self.troubles {
            let kind = if trouble.kind == Sort::Oops { "crash" } else { "warning" };
            writeln!(f, "  {kind} while {}: {}", trouble.during, trouble.text)?;
        }
        if let Some(panic) = &self.panic {
            writeln!(f, "  panic: {panic}")?;
        }
        if let Some(taint) = self.taint.as_ref().filter(|t| t.bits != 0) {
            writeln!(f, "  taint {}: {}", taint.letters, taint.meanings.join(", "))?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for line in self.tail.iter().filter(|_| !self.ok) {
            writeln!(f, "  | {line}")?;
        }
        Ok(())
    }
}
