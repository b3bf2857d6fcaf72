//! The texts that `make --version` and `make --help` print.

/// The release of GNU make whose behaviour this program has, as `$(MAKE_VERSION)` says it.
pub const MAKE_VERSION: &str = "4.4.1";

/// `--version`; with `-p` each line is a comment of the data base.
#[must_use]
pub fn version(host: &str, commented: bool) -> String {
    let lead = if commented { "# " } else { "" };
    let own = env!("CARGO_PKG_VERSION");
    // Configure scripts and makefiles look for the first words of the first line.
    [
        format!("GNU Make {MAKE_VERSION}"),
        format!("Built for {host}"),
        format!("This is Kiln {own}, which does what GNU Make {MAKE_VERSION} does."),
        "License GPLv2+: GNU GPL version 2 or later <https://gnu.org/licenses/gpl.html>".into(),
        "This is free software: you are free to change and redistribute it.".into(),
        "There is NO WARRANTY, to the extent permitted by law.".into(),
    ]
    .map(|line| format!("{lead}{line}\n"))
    .concat()
}

/// Switches as the help shows them, each with its sentence.
const HELP: &[(&str, &str)] = &[
    ("-b, -m", "Accepted and ignored."),
    ("-B, --always-make", "Remake every target."),
    ("-C DIR, --directory=DIR", "Work in DIR."),
    ("-d", "Say everything there is to say about decisions."),
    ("--debug[=FLAGS]", "Say some of it: a, b, i, j, m, n, p, v, w."),
    ("-e, --environment-overrides", "The environment's variables win over the makefiles'."),
    ("-E TEXT, --eval=TEXT", "Evaluate TEXT as makefile text first."),
    ("-f FILE, --file=FILE, --makefile=FILE", "Read FILE as the makefile."),
    ("-h, --help", "Print this text."),
    ("-i, --ignore-errors", "Go on after recipes that fail."),
    ("-I DIR, --include-dir=DIR", "Look for included makefiles in DIR."),
    ("-j [N], --jobs[=N]", "Run N jobs at once; without N as many as there are."),
    ("--jobserver-style=STYLE", "Hand out job slots through a fifo or a pipe."),
    ("-k, --keep-going", "After an error, make what does not depend on it."),
    (
        "-l [N], --load-average[=N], --max-load[=N]",
        "Start no further job while the load is above N.",
    ),
    ("-L, --check-symlink-times", "A link is as new as the newer of itself and its target."),
    ("-n, --just-print, --dry-run, --recon", "Print recipes, run none."),
    ("-o FILE, --old-file=FILE, --assume-old=FILE", "FILE is old; do not remake it."),
    ("-O[TYPE], --output-sync[=TYPE]", "Keep each job's output together."),
    ("-p, --print-data-base", "Print all variables, rules and files."),
    ("-q, --question", "Run nothing; the exit status tells whether all is up to date."),
    ("-r, --no-builtin-rules", "Leave out the built-in rules."),
    ("-R, --no-builtin-variables", "Leave out the built-in variables too."),
    ("--shuffle[={SEED|random|reverse|none}]", "Take prerequisites in another order."),
    ("-s, --silent, --quiet", "Do not print recipes."),
    ("--no-silent", "Print them all the same."),
    ("-S, --no-keep-going, --stop", "Take back -k."),
    ("-t, --touch", "Touch targets instead of making them."),
    ("--trace", "Print each recipe and why it runs."),
    ("-v, --version", "Print the version."),
    ("-w, --print-directory", "Say which directory is entered and left."),
    ("--no-print-directory", "Do not say it."),
    ("-W FILE, --what-if=FILE, --new-file=FILE, --assume-new=FILE", "FILE is new as of now."),
    ("--warn-undefined-variables", "Warn of references to undefined variables."),
];

/// `--help`.
#[must_use]
pub fn usage(program: &str, host: &str) -> String {
    let mut text = format!("Usage: {program} [options] [target] ...\nOptions:\n");
    for (names, what) in HELP {
        if names.len() < 27 {
            text.push_str(&format!("  {names:<27} {what}\n"));
        } else {
            text.push_str(&format!("  {names}\n{:30}{what}\n", ""));
        }
    }
    text.push_str(&format!("\nThis program built for {host}\n"));
    text
}
