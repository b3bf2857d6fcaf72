//! In which order recipes begin when it is remembered how long they took: makefiles in a file system in
//! memory, with two job slots that are counted here. No process is started.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use kiln_base::Sys;
use kiln_base::fake::FakeSys;
use kiln_graph::ahead::{self, Entry, Known};
use kiln_graph::{Goal, Graph, Jobs, Result, State, Status, shuffle};
use kiln_make::{FileId, Host, Make, Options, ShellCall, ShellResult, Stream};

struct Quiet;

impl Host for Quiet {
    fn shell(&mut self, _: ShellCall<'_>) -> ShellResult {
        ShellResult { output: Vec::new(), status: 127 }
    }
    fn print(&mut self, _: Stream, _: &[u8]) {}
}

/// Two slots: the third recipe begins when the one has ended that began first.
struct Two {
    sys: FakeSys,
    /// The text of a recipe is the microseconds that it takes.
    begun: Vec<String>,
    running: Vec<(FileId, u64)>,
    known: Option<Arc<Known>>,
    /// What another make in this process runs.
    elsewhere: bool,
    learned: Vec<(Entry, Vec<Vec<u8>>)>,
}

impl Two {
    fn end_first(&mut self, make: &mut Make, graph: &mut Graph) -> Result<()> {
        let (f, _) = self.running.remove(0);
        make.command_count += 1;
        let name = make.file_name(f).to_vec();
        if !make.files[f].phony {
            self.sys.touch(&name).unwrap();
        }
        graph.file_mut(f).status = Status::Success;
        graph.notice_finished(make, f)
    }
}

impl Jobs for Two {
    fn start(&mut self, make: &mut Make, graph: &mut Graph, f: FileId) -> Result<()> {
        if self.running.len() == 2 {
            self.end_first(make, graph)?;
        }
        let recipe = make.files[f].recipe.clone().unwrap();
        let (kind, needs) = (ahead::kind(make, &recipe), ahead::needs(make, f));
        let name = make.file_name(f).to_vec();
        self.begun.push(String::from_utf8(name.clone()).unwrap());
        let took = match &name[..] {
            name if name.starts_with(b"slower") => 1_900_000,
            name if name.starts_with(b"slow") => 1_000_000,
            name if name.starts_with(b"some") => 40_000,
            _ => 10_000,
        };
        let name = kiln_graph::absolute(make, f);
        let kind_or_odd = if needs.odd { 0 } else { kind };
        let entry =
            Entry { name, took, kind: kind_or_odd, needs: Vec::new(), plain: needs.plain.clone() };
        self.learned.push((entry, needs.made));
        graph.set_state(make, f, State::Running);
        graph.commands_started += 1;
        self.running.push((f, kind));
        Ok(())
    }

    fn start_waiting(&mut self, _: &mut Make, _: &mut Graph) -> Result<()> {
        Ok(())
    }

    fn reap(&mut self, make: &mut Make, graph: &mut Graph, block: bool) -> Result<()> {
        if block && !self.running.is_empty() {
            self.end_first(make, graph)?;
        }
        Ok(())
    }

    fn known(&self) -> Option<Arc<Known>> {
        // Only once a recipe has begun.
        self.known.clone().filter(|_| !self.begun.is_empty())
    }

    fn runs_only(&self, kinds: &[u64]) -> bool {
        !self.elsewhere && self.running.iter().all(|(_, kind)| kinds.contains(kind))
    }
}

/// What a run has shown, as it is remembered.
fn remembered(two: &Two) -> Arc<Known> {
    let names: Vec<&Vec<u8>> = two.learned.iter().map(|(e, _)| &e.name).collect();
    let place = |name: &Vec<u8>| names.iter().position(|n| *n == name).unwrap() as u32;
    let entry = |(e, needs): &(Entry, Vec<Vec<u8>>)| Entry {
        needs: needs.iter().map(place).collect(),
        ..e.clone()
    };
    Arc::new(Known::new(two.learned.iter().map(entry).collect()))
}

/// The order in which the recipes of a makefile begin.
fn run(makefile: &str, known: Option<Arc<Known>>, set: impl FnOnce(&mut Graph, &mut Two)) -> Two {
    let sys = FakeSys::new();
    sys.write(b"Makefile", makefile.as_bytes(), false).unwrap();
    // Sources of whatever is asked for.
    for name in ["a", "b", "c", "slow", "slower", "some", "gen", "x"] {
        sys.write(format!("{name}.c").as_bytes(), b"", false).unwrap();
    }
    let opts = Options { no_builtin_rules: true, no_builtin_variables: true, ..Options::default() };
    let shared: Arc<dyn Sys> = Arc::new(sys.clone());
    let mut make = Make::new(shared, Box::new(Quiet), opts, b"make".to_vec(), 0);
    make.read_all_makefiles().unwrap();
    make.snap_deps().unwrap();
    let mut graph = Graph::new();
    let (begun, running, learned) = Default::default();
    let mut two = Two { sys, begun, running, known, elsewhere: false, learned };
    set(&mut graph, &mut two);
    let goal = make.default_goal().unwrap();
    let mut goals = vec![Goal::new(make.enter(&goal))];
    shuffle::goals(&mut graph, &mut make, &mut goals);
    let status = graph.update_goals(&mut make, &mut two, &mut goals);
    assert!(matches!(status, Ok(Status::Success | Status::None)), "{makefile}: {status:?}");
    two
}

/// As written, and as it is once the makefile is known from a run.
fn orders(makefile: &str) -> (String, String) {
    let first = run(makefile, None, |_, _| {});
    let again = run(makefile, Some(remembered(&first)), |_, _| {});
    (first.begun.join(" "), again.begun.join(" "))
}

fn as_written(makefile: &str) {
    let (first, again) = orders(makefile);
    assert_eq!(first, again, "{makefile}");
}

const RULE: &str = "%.o: %.c ; cc\n";

#[test]
fn the_longest_goes_ahead_of_its_likes() {
    let (first, again) = orders(&format!("m: a.o b.o c.o slow.o ; ld\n{RULE}"));
    assert_eq!(first, "a.o b.o c.o slow.o m");
    // What has begun before anything was known stays first.
    assert_eq!(again, "a.o slow.o b.o c.o m");
}

#[test]
fn what_takes_as_long_stays_in_its_place() {
    as_written(&format!("m: a.o slow.o slower.o b.o c.o ; ld\n{RULE}"));
    as_written(&format!("m: a.o b.o c.o some.o ; ld\n{RULE}"));
}

#[test]
fn whole_modules_go_ahead_by_their_longest_path() {
    let makefile = format!(
        "all: ma.ko mb.ko mslow.ko\n{RULE}m%.ko: ; ld\nma.ko: a.o\nmb.ko: b.o c.o\nmslow.ko: slow.o\n"
    );
    let (first, again) = orders(&makefile);
    assert_eq!(first, "a.o b.o c.o slow.o ma.ko mb.ko mslow.ko");
    assert_eq!(again, "a.o slow.o b.o c.o ma.ko mslow.ko mb.ko");
}

#[test]
fn other_recipes_are_never_passed() {
    // What makes a header stands first, and who includes it does not say so.
    as_written(&format!("m: a.o gen.h b.o slow.o ; ld\n{RULE}gen.h: ; gen\n"));
    as_written(&format!("m: gen.o b.o slow.o ; ld\n{RULE}gen.o: gen.h\ngen.h: ; gen\n"));
    as_written(&format!("m: a.o b.o slow.o ; ld\n{RULE}slow.o: gen.h\ngen.h: ; gen\n"));
    as_written("all: a b slow\n.PHONY: a b slow\na b slow: ; step\n");
    as_written(&format!("m: a.o b.o .WAIT c.o slow.o ; ld\n{RULE}"));
    as_written(&format!(".NOTPARALLEL:\nm: a.o b.o c.o slow.o ; ld\n{RULE}"));
}

#[test]
fn a_recipe_of_another_kind_that_runs_has_to_end_first() {
    // gen.h runs while b.o is visited, and has ended when c.o is.
    let makefile = format!("m: gen.h b.o c.o x.o slow.o ; ld\n{RULE}gen.h: ; gen\n");
    let (first, again) = orders(&makefile);
    assert_eq!(first, "gen.h b.o c.o x.o slow.o m");
    assert_eq!(again, "gen.h b.o c.o slow.o x.o m");
}

#[test]
fn what_two_need_is_made_for_the_first() {
    let makefile = "all: a.ko b.ko c.ko slow.ko\n%.ko: ; ld\n%.h: ; gen\n\
                    a.ko: a.h\nb.ko: x.h\nc.ko: x.h\nslow.ko: x.h\n";
    let (first, again) = orders(makefile);
    assert_eq!(first, "a.h x.h a.ko b.ko c.ko slow.ko");
    // It is made for the sake of b.ko; then the others may change places.
    assert_eq!(again, "a.h x.h a.ko b.ko slow.ko c.ko");
}

#[test]
fn other_makefiles_keep_their_order() {
    let makefile = format!("m: a.o b.o c.o slow.o ; ld\n{RULE}");
    let known = remembered(&run(&makefile, None, |_, _| {}));
    let begins =
        |makefile: &str| run(makefile, Some(Arc::clone(&known)), |_, _| {}).begun.join(" ");
    assert_eq!(begins(&makefile), "a.o slow.o b.o c.o m");
    // The header is new: by the rules it is needed by b.o only.
    let with_header = format!("{makefile}b.o: gen.h\ngen.h: ; gen\n");
    assert_eq!(begins(&with_header), "a.o gen.h c.o slow.o b.o m");
    let by_pattern = format!("{makefile}b.o: gen.h\n%.h: %.c ; gen\n");
    assert_eq!(begins(&by_pattern), "a.o gen.h c.o slow.o b.o m");
    // One of them is made otherwise.
    assert_eq!(begins(&format!("{makefile}slow.o: slow.c ; other\n")), "a.o b.o c.o slow.o m");
}

#[test]
fn not_while_anything_else_runs_nor_with_shuffle() {
    let makefile = format!("m: a.o b.o c.o slow.o ; ld\n{RULE}");
    let known = remembered(&run(&makefile, None, |_, _| {}));
    let elsewhere = run(&makefile, Some(Arc::clone(&known)), |_, two| two.elsewhere = true);
    assert_eq!(elsewhere.begun.join(" "), "a.o b.o c.o slow.o m");
    let identity = run(&makefile, Some(known), |g, _| g.shuffle = shuffle::Mode::Identity);
    assert_eq!(identity.begun.join(" "), "a.o b.o c.o slow.o m");
}

#[test]
fn entries_that_lead_in_circles_are_of_no_use() {
    let makefile = format!("m: a.o b.o c.o slow.o ; ld\n{RULE}");
    let known = remembered(&run(&makefile, None, |_, _| {}));
    let mut entries = known.entries().to_vec();
    for entry in &mut entries {
        entry.needs = vec![0, 1, 2, 3, 99];
    }
    let circle = run(&makefile, Some(Arc::new(Known::new(entries))), |_, _| {});
    assert_eq!(circle.begun.join(" "), "a.o b.o c.o slow.o m");
}

#[test]
fn automatic_variables_stay_as_written() {
    let makefile = format!("m: a.o b.o c.o slow.o ; ld $^ $(eval seen := $^)\n{RULE}");
    let (_, again) = orders(&makefile);
    assert_eq!(again, "a.o slow.o b.o c.o m");
}
