//! Figures on disk: one line for each turn, and the table made from them. Lines of cases that a run
//! did not measure stay as they were, so that the long ones need not be run every time.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use kiln_conformance::repository;

use super::measure::{Cost, machine, machine_name, median, middle};

/// One turn of one program.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Case, tree and step.
    pub job: String,
    /// `GNU make`, `Kiln`, `ccache`, `floor`.
    pub program: String,
    /// What it cost.
    pub cost: Cost,
}

/// The figures of this machine.
pub struct Results {
    kind: String,
    turns: Vec<Turn>,
}

impl Results {
    /// Those kept so far.
    pub fn open(kind: &str) -> Self {
        let text = fs::read_to_string(file(kind, "json")).unwrap_or_default();
        Results { kind: kind.to_owned(), turns: text.lines().filter_map(parse).collect() }
    }

    /// Puts the turns of a job in the place of older ones.
    pub fn replace(&mut self, job: &str, turns: Vec<Turn>) {
        let at = self.turns.iter().position(|t| t.job == job);
        self.turns.retain(|t| t.job != job);
        let at = at.unwrap_or(self.turns.len()).min(self.turns.len());
        self.turns.splice(at..at, turns);
    }

    /// Writes the turns and the table.
    pub fn save(&self) -> io::Result<()> {
        let path = file(&self.kind, "json");
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let lines: Vec<String> = self.turns.iter().map(line).collect();
        fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n")))?;
        let head = format!("# {}\n\n{}\n\n{}", self.kind, machine(), HEAD);
        fs::write(file(&self.kind, "md"), format!("{head}\n\n{}", self.table(|_| true)))
    }

    /// A Markdown table of the jobs that `wanted` names.
    pub fn table(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut out = String::from(
            "| what | program | seconds | times as fast as GNU make | CPU s | peak MiB | processes | turns |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        let mut jobs: Vec<&str> = Vec::new();
        for t in self.turns.iter().filter(|t| wanted(&t.job)) {
            if !jobs.contains(&t.job.as_str()) {
                jobs.push(&t.job);
            }
        }
        for job in jobs {
            let mut programs: Vec<&str> = Vec::new();
            for t in self.turns.iter().filter(|t| t.job == job) {
                if !programs.contains(&t.program.as_str()) {
                    programs.push(&t.program);
                }
            }
            let of = |program: &str| -> Vec<Cost> {
                let mine = self.turns.iter().filter(|t| t.job == job && t.program == program);
                mine.map(|t| t.cost).collect()
            };
            let reference = of("GNU make");
            for program in programs {
                let costs = of(program);
                let m = median(&costs);
                let pairs = reference.iter().zip(&costs).map(|(a, b)| a.seconds / b.seconds);
                let ratio = middle(pairs.collect());
                let _ = writeln!(
                    out,
                    "| {job} | {program} | {:.4} | {ratio:.2} | {:.3} | {:.1} | {:.0} | {} |",
                    m.seconds,
                    m.cpu,
                    m.peak / 1024.0,
                    m.processes,
                    costs.len()
                );
            }
        }
        out
    }
}

/// What stands above the table.
const HEAD: &str = "Medians; the ratio is the median of the ratios of the turns pair by pair. \
    BENCHMARKING.md says how they are taken and what the cases are.";

fn file(kind: &str, ending: &str) -> PathBuf {
    repository().join("benches/results").join(machine_name()).join(format!("{kind}.{ending}"))
}

fn line(t: &Turn) -> String {
    format!(
        "  {{\"job\": \"{}\", \"program\": \"{}\", \"seconds\": {:.6}, \"cpu\": {:.6}, \
         \"peak_kib\": {}, \"processes\": {}}}",
        t.job, t.program, t.cost.seconds, t.cost.cpu, t.cost.peak, t.cost.processes
    )
}

/// A line as [`line`] writes it; whatever else a file holds is left out.
fn parse(text: &str) -> Option<Turn> {
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\": "))?;
        match rest.strip_prefix('"') {
            // A name may have commas in it.
            Some(text) => Some(&text[..text.find('"')?]),
            None => Some(&rest[..rest.find([',', '}'])?]),
        }
    };
    let number = |name: &str| field(name)?.parse::<f64>().ok();
    Some(Turn {
        job: field("job")?.to_owned(),
        program: field("program")?.to_owned(),
        cost: Cost {
            seconds: number("seconds")?,
            cpu: number("cpu")?,
            peak: number("peak_kib")?,
            processes: number("processes")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_survives_the_disk() {
        let cost = Cost { seconds: 1.5, cpu: 1.25, peak: 2048.0, processes: 7.0 };
        let turn = Turn { job: "hello 6.12, no-op".into(), program: "GNU make".into(), cost };
        let back = parse(&format!("{},", line(&turn))).unwrap();
        assert_eq!((back.job.as_str(), back.program.as_str()), ("hello 6.12, no-op", "GNU make"));
        assert!((back.cost.seconds - 1.5).abs() < 1e-9 && (back.cost.peak - 2048.0).abs() < 1e-9);
        assert!(parse("[").is_none());
    }
}
