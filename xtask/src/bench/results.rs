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
    /// `GNU make`, `the tree's`, `Kiln`, `ccache`, `floor`.
    pub program: String,
    /// What it cost.
    pub cost: Cost,
}

/// How the table of a kind looks.
struct Form {
    /// The program that the others are compared with.
    reference: &'static str,
    /// What stands above the table.
    about: &'static str,
    /// The names of its columns.
    columns: &'static str,
    /// The cells behind the job and the program, of the turns of the reference and the program's own.
    cells: fn(&[Cost], &[Cost]) -> String,
}

const BESIDE_MAKE: Form = Form {
    reference: "GNU make",
    about: "Medians; the ratio is the median of the ratios of the turns pair by pair. \
        BENCHMARKING.md says how they are taken and what the cases are.",
    columns: "| what | program | seconds | times as fast as GNU make | CPU s | peak MiB | processes | turns |",
    cells: |reference, costs| {
        let m = median(costs);
        format!(
            "{:.4} | {:.2} | {:.3} | {:.1} | {:.0} | {}",
            m.seconds,
            by_pairs(reference, costs),
            m.cpu,
            m.peak / 1024.0,
            m.processes,
            costs.len()
        )
    },
};

const BESIDE_TOOLS: Form = Form {
    reference: "the tree's",
    about: "Medians, and the ratios of the medians. BENCHMARKING.md says how they are taken.",
    columns: "| what | program | seconds | ratio | CPU s | ratio | peak MiB |",
    cells: |reference, costs| {
        let (r, m) = (median(reference), median(costs));
        // What is called within a process has no memory of its own.
        let peak = if m.peak > 0.0 { format!("{:.1}", m.peak / 1024.0) } else { "–".to_owned() };
        let (seconds, cpu) = (r.seconds / m.seconds, r.cpu / m.cpu);
        format!("{:.4} | {seconds:.2} | {:.4} | {cpu:.2} | {peak}", m.seconds, m.cpu)
    },
};

/// The figures of this machine.
pub struct Results {
    kind: String,
    form: Form,
    turns: Vec<Turn>,
}

impl Results {
    /// Those kept so far.
    pub fn open(kind: &str) -> Self {
        let text = fs::read_to_string(file(kind, "json")).unwrap_or_default();
        let form = if kind == "tools" { BESIDE_TOOLS } else { BESIDE_MAKE };
        Results { kind: kind.to_owned(), form, turns: text.lines().filter_map(parse).collect() }
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
        let head = format!("# {}\n\n{}\n\n{}", self.kind, machine(), self.form.about);
        fs::write(file(&self.kind, "md"), format!("{head}\n\n{}", self.table(|_| true)))?;
        let document = repository().join("BENCHMARKING.md");
        let text = fs::read_to_string(&document)?;
        let begin = format!("<!-- bench {}: {} -->\n", self.kind, machine_name());
        match with_table(&text, &begin, &self.short_table()) {
            Some(new) if new != text => fs::write(document, new),
            _ => Ok(()),
        }
    }

    /// The jobs, one by one, in the order in which they were first measured.
    fn jobs(&self) -> Vec<&str> {
        let mut jobs: Vec<&str> = Vec::new();
        for t in &self.turns {
            if !jobs.contains(&t.job.as_str()) {
                jobs.push(&t.job);
            }
        }
        jobs
    }

    fn costs(&self, job: &str, program: &str) -> Vec<Cost> {
        let mine = self.turns.iter().filter(|t| t.job == job && t.program == program);
        mine.map(|t| t.cost).collect()
    }

    /// One line for each job that has both GNU make's turns and Kiln's; jobs of a tree stand together.
    fn short_table(&self) -> String {
        let mut out = heading(
            "| case, tree, step | GNU make, s | Kiln, s | times as fast | the floor: times as fast \
             | Kiln's time to the floor's | processes | peak MiB | turns |",
        );
        let mut jobs = self.jobs();
        jobs.sort_by_key(|job| job.split(' ').rev().nth(1).unwrap_or_default());
        for job in jobs {
            let [make, kiln, floor] =
                ["GNU make", "Kiln", "floor"].map(|program| self.costs(job, program));
            if make.is_empty() || kiln.is_empty() {
                continue;
            }
            let (theirs, ours) = (median(&make), median(&kiln));
            let to = |a: &[Cost], b: &[Cost]| {
                if b.is_empty() {
                    return "–".to_owned();
                }
                format!("{:.2}", by_pairs(a, b))
            };
            let _ = writeln!(
                out,
                "| {job} | {:.4} | {:.4} | {} | {} | {} | {:.0} to {:.0} | {:.1} to {:.1} | {} |",
                theirs.seconds,
                ours.seconds,
                to(&make, &kiln),
                to(&make, &floor),
                to(&kiln, &floor),
                theirs.processes,
                ours.processes,
                theirs.peak / 1024.0,
                ours.peak / 1024.0,
                kiln.len(),
            );
        }
        out
    }

    /// A Markdown table of the jobs that `wanted` names.
    pub fn table(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut out = heading(self.form.columns);
        for job in self.jobs().into_iter().filter(|job| wanted(job)) {
            let mut programs: Vec<&str> = Vec::new();
            for t in self.turns.iter().filter(|t| t.job == job) {
                if !programs.contains(&t.program.as_str()) {
                    programs.push(&t.program);
                }
            }
            let reference = self.costs(job, self.form.reference);
            for program in programs {
                let cells = (self.form.cells)(&reference, &self.costs(job, program));
                let _ = writeln!(out, "| {job} | {program} | {cells} |");
            }
        }
        out
    }
}

/// The first two lines of a table with these columns.
fn heading(columns: &str) -> String {
    let rule = "|---".repeat(columns.matches('|').count() - 1);
    format!("{columns}\n{rule}|\n")
}

/// How many times as long the first program takes: the median of the turns' ratios, pair by pair.
fn by_pairs(first: &[Cost], second: &[Cost]) -> f64 {
    middle(first.iter().zip(second).map(|(a, b)| a.seconds / b.seconds).collect())
}

/// A document with this table behind the comment `begin`, in the place of the one that stands there;
/// `None` if the comment, or the one that ends the table, is not there.
fn with_table(text: &str, begin: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{begin}{table}<!-- end -->{after}"))
}

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

    #[test]
    fn a_document_gets_its_table() {
        let turn = |job: &str, program: &str, seconds| {
            let cost = Cost { seconds, cpu: 1.0, peak: 2048.0, processes: 2.0 };
            Turn { job: job.into(), program: program.into(), cost }
        };
        let turns = vec![
            turn("b 6.2 clean", "GNU make", 1.0),
            turn("b 6.2 clean", "Kiln", 0.5),
            turn("b 6.2 clean", "floor", 0.25),
            turn("a 6.1 no-op", "GNU make", 1.0),
            turn("a 6.1 no-op", "Kiln", 0.1),
            turn("c 6.1 no-op", "GNU make", 1.0),
        ];
        let results = Results { kind: "x".into(), form: BESIDE_MAKE, turns };
        let text = with_table(
            "a\n<!-- b -->\nold\n<!-- end -->\nz\n",
            "<!-- b -->\n",
            &results.short_table(),
        );
        let wanted = "| a 6.1 no-op | 1.0000 | 0.1000 | 10.00 | – | – | 2 to 2 | 2.0 to 2.0 | 1 |\n\
            | b 6.2 clean | 1.0000 | 0.5000 | 2.00 | 4.00 | 2.00 | 2 to 2 | 2.0 to 2.0 | 1 |\n\
            <!-- end -->\nz\n";
        let text = text.unwrap();
        assert!(text.starts_with("a\n<!-- b -->\n| case") && text.ends_with(wanted), "{text}");
        assert!(with_table("a\n", "<!-- b -->\n", "").is_none());
    }

    #[test]
    fn tables_of_both_forms() {
        let turn = |program: &str, seconds, cpu, peak| {
            let cost = Cost { seconds, cpu, peak, processes: 2.0 };
            Turn { job: "x".into(), program: program.into(), cost }
        };
        let table = |form, turns| Results { kind: "x".into(), form, turns }.table(|_| true);
        let tools = vec![turn("the tree's", 0.5, 0.25, 2048.0), turn("Kiln", 0.125, 0.125, 0.0)];
        let wanted = "| what | program | seconds | ratio | CPU s | ratio | peak MiB |\n\
            |---|---|---|---|---|---|---|\n\
            | x | the tree's | 0.5000 | 1.00 | 0.2500 | 1.00 | 2.0 |\n\
            | x | Kiln | 0.1250 | 4.00 | 0.1250 | 2.00 | – |\n";
        assert_eq!(table(BESIDE_TOOLS, tools), wanted);
        let make = vec![turn("GNU make", 0.5, 0.25, 2048.0), turn("Kiln", 0.125, 0.125, 1024.0)];
        let wanted = "| what | program | seconds | times as fast as GNU make | CPU s | peak MiB \
            | processes | turns |\n|---|---|---|---|---|---|---|---|\n\
            | x | GNU make | 0.5000 | 1.00 | 0.250 | 2.0 | 2 | 1 |\n\
            | x | Kiln | 0.1250 | 4.00 | 0.125 | 1.0 | 2 | 1 |\n";
        assert_eq!(table(BESIDE_MAKE, make), wanted);
    }
}
