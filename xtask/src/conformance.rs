//! `cargo xtask conformance` and `corpus`: the table of cases, run and compared.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use kiln_conformance::{assets, corpus, examples, repository};
use kiln_testkit::far::{self, FAR};
use kiln_testkit::host::{self, SERIES};
use kiln_testkit::place::Sources;
use kiln_testkit::{Case, Harness, KernelTree, Outcome, Verdict, compat, kernel_trees, reference};

use crate::kernels::{self, Count};
use crate::options::Options;
use crate::tally::Tally;

/// Runs what is asked for.
pub fn run(options: &Options, corpus_only: bool) -> Result<bool, String> {
    let trees: Vec<KernelTree> = match options.tree.as_deref() {
        Some(series) if FAR.contains(&series) => vec![far::tree(series, &options.program())?],
        wanted => {
            kernel_trees().into_iter().filter(|t| wanted.is_none_or(|s| *s == t.series)).collect()
        }
    };
    let cases = chosen(options, corpus_only, &trees);
    if options.list {
        for c in &cases {
            println!("{}", c.name);
        }
        return Ok(true);
    }
    let mut tally = Tally::default();
    for series in SERIES.iter().filter(|s| options.wants_tree(s)) {
        if !trees.iter().any(|t| t.series == *series) {
            println!("FAILED tree: no header tree of {series} is installed");
            tally.failed += 1;
        }
    }
    let mut sources = Sources { examples: examples(), packages: Vec::new() };
    let mut absent = Vec::new();
    for p in corpus::PACKAGES {
        if cases.iter().any(|c| c.package.as_deref() == Some(p.name)) {
            match corpus::source(p) {
                Ok(dir) => sources.packages.push((p.name.to_owned(), dir)),
                Err(said) => absent.push((p.name, said)),
            }
        }
    }
    let mut harness = harness(options, sources)?;
    harness.reference_only = options.record;
    harness.all_trees = options.long || !options.names.is_empty();
    let document = fs::read_to_string(repository().join("COMPAT.md")).unwrap_or_default();
    harness.expected = compat::rows(&document);
    assets::make(&harness.assets)?;

    let mut runnable = Vec::new();
    for case in cases {
        match absent.iter().find(|(n, _)| case.package.as_deref() == Some(n)) {
            Some((_, said)) => {
                println!("skipped {}: {said}", case.name);
                tally.skipped += 1;
            }
            None => runnable.push(case),
        }
    }
    let stamps = |t: &KernelTree| host::stamp_of(&t.outside());
    let before: Vec<String> = trees.iter().map(stamps).collect();
    let start = Instant::now();
    let mut kept = 0;
    let mut times = Times::default();
    let mut counts: BTreeMap<(String, usize), Count> = BTreeMap::new();
    harness.run_all(&runnable, &trees, options.jobs(), &mut |o: Outcome| {
        kept += usize::from(o.kept);
        times.add(&o);
        count(&o, &mut counts);
        tell(&o, options.quiet, &mut tally);
    });
    for (tree, before) in trees.iter().zip(before) {
        let same = before == stamps(tree);
        if !same {
            println!("FAILED tree: {} was changed by a build", tree.dir.display());
        }
        tally.count(same);
    }
    // A part of the cases says nothing about a tree, nor a part of the packages.
    if options.table && options.names.is_empty() {
        for ((tree, column), count) in counts {
            if corpus_only || column == kernels::CASES {
                kernels::record(&tree, column, count)?;
            }
        }
    }
    println!(
        "{} s, {kept} results of the reference were kept from before",
        start.elapsed().as_secs()
    );
    times.tell();
    Ok(tally.close())
}

/// Both programs and what they are tried on, as the command's options say.
pub fn harness(options: &Options, sources: Sources) -> Result<Harness, String> {
    let mut harness = Harness::new(&reference::make()?, &options.program(), sources)
        .map_err(|e| e.to_string())?;
    harness.fresh = options.fresh;
    harness.subject_env = options.env.clone();
    Ok(harness)
}

/// What cases took with either program, of those that both ran now, one after the other. It is
/// information: one turn each, and other cases may run beside them.
#[derive(Default)]
struct Times {
    /// Name, seconds of the reference, seconds of the program under test.
    cases: Vec<(String, f64, f64)>,
}

impl Times {
    fn add(&mut self, o: &Outcome) {
        if let (Verdict::Same, Some(reference)) = (&o.verdict, o.reference_took) {
            self.cases.push((o.name.clone(), reference.as_secs_f64(), o.took.as_secs_f64()));
        }
    }

    fn tell(mut self) {
        if self.cases.is_empty() {
            return;
        }
        let sum = |of: fn(&(String, f64, f64)) -> f64| self.cases.iter().map(of).sum::<f64>();
        let (reference, subject) = (sum(|c| c.1), sum(|c| c.2));
        println!(
            "{} cases that both ran: {reference:.1} s with GNU make, {subject:.1} s with Kiln",
            self.cases.len()
        );
        self.cases.retain(|c| c.2 > c.1);
        self.cases.sort_by(|a, b| (b.2 / b.1).total_cmp(&(a.2 / a.1)));
        for (name, reference, subject) in &self.cases {
            println!("slower  {name}: {reference:.3} s with GNU make, {subject:.3} s with Kiln");
        }
    }
}

/// Counts an outcome for the table of trees.
fn count(o: &Outcome, counts: &mut BTreeMap<(String, usize), Count>) {
    let Some((name, tree)) = o.name.rsplit_once('@') else { return };
    if matches!(o.verdict, Verdict::Skipped(_)) {
        return;
    }
    let packaged = name.starts_with("corpus/");
    let column = if packaged { kernels::CORPUS } else { kernels::CASES };
    let built = packaged.then(|| o.ends.iter().all(|e| e == "0"));
    let good = o.verdict == Verdict::Same;
    counts.entry((tree.to_owned(), column)).or_default().add(good, built);
}

fn chosen(options: &Options, corpus_only: bool, trees: &[KernelTree]) -> Vec<Case> {
    // What is beyond the rows that every tree owes takes long, and is not about the tree.
    let far = options.tree.as_deref().is_some_and(|t| FAR.contains(&t));
    let wanted = |c: &Case| {
        options.wants(&c.name)
            || trees.iter().any(|t| options.wants(&format!("{}@{}", c.name, t.series)))
    };
    kiln_conformance::cases()
        .into_iter()
        .filter(|c| !corpus_only || c.package.is_some())
        .filter(|c| !c.long || options.long || corpus_only || !options.names.is_empty())
        .filter(|c| !c.extra || !far || options.long || !options.names.is_empty())
        .filter(wanted)
        .map(|c| if far { whole(c) } else { c })
        .collect()
}

/// A packaged module that does not build for a kernel fails at two jobs as chance has it: whether one
/// more had begun before. With `-k` all that can be built is.
fn whole(mut case: Case) -> Case {
    if case.package.is_some() {
        for step in &mut case.steps {
            step.line = step.line.replace("make -j2 ", "make -j2 -k ");
        }
    }
    case
}

/// Prints what came of a case, and counts it.
pub fn tell(o: &Outcome, quiet: bool, tally: &mut Tally) {
    match &o.verdict {
        Verdict::Same => {
            tally.count(true);
            if !quiet {
                println!("same    {} [{}] {} ms", o.name, o.ends.join(" "), o.took.as_millis());
            }
        }
        Verdict::Skipped(why) => {
            tally.skipped += 1;
            println!("skipped {}: {why}", o.name);
        }
        Verdict::Differs(list) => {
            tally.count(false);
            println!("FAILED  {}", o.name);
            for said in list.iter().take(10) {
                println!("    {said}");
            }
            if list.len() > 10 {
                println!("    and {} more differences", list.len() - 10);
            }
        }
    }
}
