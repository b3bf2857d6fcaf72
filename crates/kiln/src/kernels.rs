//! `kiln kernels …` and `kiln boot`: the kernels there are, and whether modules load into one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kiln_tree::boot::{self, Accel, Image, Script};
use kiln_tree::listing::Listing;
use kiln_tree::process::{Command, Output};
use kiln_tree::store::{Store, add};
use kiln_tree::{Machine, fetch};

use crate::people::{machine, say};

/// What `kiln kernels` does; without a word it lists.
#[derive(Subcommand)]
pub enum Action {
    /// List the kernels that can be built against
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Add header packages (.deb, .rpm), a tarball or a directory to Kiln's own kernels
    Add {
        /// The name to give it; by default the release
        #[arg(long)]
        name: Option<String>,
        /// Put it in the place of one of that name
        #[arg(long)]
        replace: bool,
        /// Make the Rust crates that modules in Rust need and distributions leave out, from the
        /// kernel's SOURCE (a tarball, a package or a directory); then a kernel's name will also do
        #[arg(long, value_name = "SOURCE")]
        rust: Option<PathBuf>,
        #[arg(required = true, value_name = "FILE|DIR")]
        sources: Vec<PathBuf>,
    },
    /// Get a kernel's header packages with the distribution's own downloader, without root
    Fetch {
        /// `6.12.117+deb12-arm64`, or the beginning of one
        release: String,
        /// The kernel image and its modules too, for `kiln boot`
        #[arg(long)]
        image: bool,
    },
    /// Remove a kernel that was added
    Remove { name: String },
}

/// What `kiln boot` takes.
#[derive(Args)]
pub struct Boot {
    /// The modules, in the order in which they are loaded
    #[arg(required = true, value_name = "MODULE.ko")]
    modules: Vec<PathBuf>,
    /// The kernel, by release, or the directory it was built in; by default the newest whose image is
    /// here
    #[arg(short = 'k', long, value_name = "RELEASE|DIR")]
    kernel: Option<String>,
    /// Run this once the modules are loaded
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORD")]
    append: Vec<String>,
    /// Let the processor help, where that works
    #[arg(long)]
    kvm: bool,
    /// The verdict as JSON
    #[arg(long)]
    json: bool,
}

type Done = Result<ExitCode, String>;

/// Runs one of the actions.
pub fn run(action: Option<Action>) -> Done {
    let machine = machine();
    match action.unwrap_or(Action::List { json: false }) {
        Action::List { json } => {
            let listing = Listing::of(&kiln_tree::discover::discover(&machine), &machine);
            if json {
                say(format_args!("{:#}\n", listing.to_json()))?;
            } else {
                say(listing)?;
            }
        }
        Action::Add { name, replace, rust, sources } => {
            let options = add::Options { name, replace, ..add::Options::default() };
            let store = store(&machine)?;
            match rust {
                Some(source) => crate::rust::add(&machine, &store, &source, &sources, &options)?,
                None => added(&store, &sources, &options)?,
            }
        }
        Action::Fetch { release, image } => {
            let dir =
                machine.cache.clone().ok_or("there is no cache directory (HOME is not set)")?;
            let dir = dir.join(format!("fetch-{}", std::process::id()));
            let request = fetch::Request { release, image, image_only: false };
            let mut note = |line: &str| eprintln!("kiln: {line}");
            let got = fetch::fetch(&machine, &request, &dir, &mut run_program, &mut note)
                .map_err(|e| e.to_string())
                .and_then(|got| {
                    let options = add::Options { replace: true, ..add::Options::default() };
                    added(&store(&machine)?, &got.files, &options)
                });
            // The packages have been unpacked, or are of no use.
            let _ = std::fs::remove_dir_all(&dir);
            got?;
        }
        Action::Remove { name } => store(&machine)?.remove(&name).map_err(|e| e.to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `kiln boot`: status 0 if every module was loaded without trouble, else 1.
pub fn boot(args: Boot) -> Done {
    let said = |e: kiln_tree::Error| e.to_string();
    let machine = machine();
    let image = match &args.kernel {
        // A directory is a tree in which a kernel was built.
        Some(wanted) if wanted.contains('/') => {
            let found = kiln_tree::Discovery::default();
            let choice = found.find(&machine, std::path::Path::new(wanted)).map_err(said)?;
            Image::of_tree(&machine, &choice.tree).map_err(said)?
        }
        Some(wanted) => Image::of_release(&machine, wanted).map_err(said)?,
        None => Image::all(&machine).into_iter().next().ok_or(
            "there is no kernel image here (`kiln kernels fetch --image RELEASE` gets one)",
        )?,
    };
    let mut request = boot::Request::new(args.modules, image);
    request.kernel_args = args.append;
    request.busybox = boot::script::busybox(&machine);
    if args.kvm {
        request.accel = Accel::Kvm;
    }
    if let Some(path) = &args.script {
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        request.script = Some(Script::Shell(text));
    }
    let dir = std::env::temp_dir().join(format!("kiln-boot-{}", std::process::id()));
    let verdict = boot::run(&machine, &request, &dir, &mut run_program).map_err(said);
    let _ = std::fs::remove_dir_all(&dir);
    let verdict = verdict?;
    if args.json {
        let text = serde_json::to_string_pretty(&verdict).map_err(|e| e.to_string())?;
        say(text + "\n")?;
    } else {
        say(&verdict)?;
    }
    Ok(if verdict.ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn store(machine: &Machine) -> Result<Store, String> {
    let dir =
        machine.store.as_ref().ok_or("there is no place for Kiln's kernels (HOME is not set)")?;
    Ok(Store::at(dir))
}

fn added(store: &Store, sources: &[PathBuf], options: &add::Options) -> Result<(), String> {
    let added = store.add(sources, options).map_err(|e| e.to_string())?;
    say(list(&added))
}

/// What was added, a line for each release.
pub fn list(added: &add::Added) -> String {
    let dir = added.root.display();
    added.releases.iter().map(|release| format!("added {release} in {dir}\n")).collect()
}

/// Programs that the tree crate asks for are started by the scheduler's crate.
pub fn run_program(command: &Command) -> std::io::Result<Output> {
    let env = kiln_session::program::Environment::And(&command.env);
    let ran = kiln_session::program::run(&command.argv, env, &command.dir, command.timeout)?;
    Ok(Output { status: ran.status, stdout: ran.stdout, stderr: ran.stderr })
}
