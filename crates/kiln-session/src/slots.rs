//! Which job slots an instance works with, and which lock its output: those of the make above it, or
//! its own (GNU make manual, "Communicating Options to a Sub-make").

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_base::FileKind;
use kiln_exec::{Slots, SyncLock};
use kiln_graph::Stop;
use kiln_make::options::{OutputSync, debug};

use crate::instance::{Instance, Invocation, fatal};

/// Before makefiles are read: takes part in the jobserver of the make above, if there is one and no
/// `-j` of our own. Returns the `-j` of the command line.
pub(crate) fn join(i: &mut Instance, inv: &Invocation) -> Option<u32> {
    let argv_jobs = i.make.opts.jobs;
    if argv_jobs.is_none() {
        i.make.opts.jobs = i.make.opts.env_jobs;
    }
    let Some(auth) = i.make.opts.jobserver_auth.clone() else { return argv_jobs };
    if let Some(n) = argv_jobs {
        if !i.restarted() {
            i.error(
                format!("warning: -j{n} forced in submake: resetting jobserver mode.").as_bytes(),
            );
        }
    } else {
        let shared = inv.slots.as_ref().filter(|s| s.auth().as_ref() == Some(&auth));
        let slots = match shared {
            Some(slots) => Ok(Arc::clone(slots)),
            None => {
                if let Some(order) = &inv.shared.order {
                    order.slots_are_shared();
                }
                Slots::client(&auth).map(Arc::new)
            }
        };
        match slots {
            Ok(slots) => {
                i.slots = Some(slots);
                return argv_jobs;
            }
            Err(text) => {
                if let Some(text) = text {
                    i.error(&text);
                }
                i.error(
                    b"warning: jobserver unavailable: using -j1.  Add '+' to parent make rule.",
                );
                i.make.opts.jobs = Some(1);
            }
        }
    }
    i.make.opts.jobserver_auth = None;
    argv_jobs
}

/// After makefiles are read: `before` is the number of jobs as it was, `argv_jobs` the command
/// line's, which a makefile does not overrule.
pub(crate) fn after_makefiles(i: &mut Instance, before: Option<u32>, argv_jobs: Option<u32>) {
    match i.make.opts.jobs {
        Some(n) if argv_jobs.is_none() => {
            if i.slots.is_some() && before != Some(n) {
                if !i.restarted() {
                    let text =
                        format!("warning: -j{n} forced in makefile: resetting jobserver mode.");
                    i.error(text.as_bytes());
                }
                i.slots = None;
                i.make.opts.jobserver_auth = None;
            }
        }
        _ => i.make.opts.jobs = before,
    }
}

/// Where make puts its temporary files.
pub(crate) fn temporary_dir(i: &Instance) -> PathBuf {
    choose_temporary_dir(i).0
}

/// As [`temporary_dir`], saying what is wrong with the directories that variables name.
fn temporary_dir_aloud(i: &mut Instance) -> PathBuf {
    let (dir, complaints) = choose_temporary_dir(i);
    for text in complaints {
        i.error(&text);
    }
    dir
}

fn choose_temporary_dir(i: &Instance) -> (PathBuf, Vec<Vec<u8>>) {
    let mut complaints = Vec::new();
    for name in [&b"MAKE_TMPDIR"[..], b"TMPDIR"] {
        let Some(value) = i.make.get_raw(name).filter(|v| !v.is_empty()) else { continue };
        let why = match i.make.sys.stat(&value) {
            Ok(stat) if stat.kind == FileKind::Dir => {
                let path = PathBuf::from(std::ffi::OsStr::from_bytes(&value));
                return (path, complaints);
            }
            Ok(_) => "not a directory".to_owned(),
            Err(e) => kiln_graph::say::io_text(&e),
        };
        complaints.push([name, b" value ", &value, b": ", why.as_bytes()].concat());
    }
    if !complaints.is_empty() {
        complaints.push(b"using default temporary directory '/tmp'".to_vec());
    }
    (PathBuf::from("/tmp"), complaints)
}

/// Copies standard input to a file and gives its name.
pub(crate) fn copy_of_stdin(i: &Instance) -> std::io::Result<Vec<u8>> {
    let (path, mut file) = kiln_exec::lock::temporary(&temporary_dir(i))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
    Ok(std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string()))
}

/// Before the first target: slots of our own where there are none from above, and the lock for `-O`.
pub(crate) fn start(i: &mut Instance, inv: &Invocation) -> Result<(), Stop> {
    if i.slots.is_none() {
        let slots = match i.make.opts.jobs {
            None | Some(1) => Slots::single(),
            Some(0) => Slots::unlimited(),
            Some(n) => {
                let style = i.make.opts.jobserver_style.clone();
                let tmp = temporary_dir_aloud(i);
                let made = Slots::server(n, style.as_deref(), &tmp);
                let (slots, warning) = made.map_err(fatal)?;
                if let Some(text) = warning {
                    i.error(&text);
                }
                i.make.opts.jobserver_auth = slots.auth();
                slots
            }
        };
        i.slots = Some(Arc::new(slots));
    }
    if let Some(slots) = &i.slots {
        i.exec.set_slots(Arc::clone(slots));
    }
    let single = i.slots.as_ref().is_some_and(|s| s.is_single());
    let mode = i.make.opts.output_sync;
    let mut syncing = matches!(mode, OutputSync::Line | OutputSync::Target);
    if syncing && single {
        // Without parallel jobs nothing needs to be kept together.
        i.make.opts.output_sync = OutputSync::None;
        i.output.borrow_mut().set_mode(OutputSync::None);
        i.output.borrow_mut().end_reading();
        syncing = false;
    }
    if syncing {
        lock(i, inv)?;
    }
    if let Some(auth) = &i.make.opts.jobserver_auth {
        let text = format!("Using jobserver controller {}\n", String::from_utf8_lossy(auth));
        i.debug(debug::VERBOSE | debug::JOBS, &text);
    }
    if let Some(mutex) = &i.make.opts.sync_mutex {
        let text = format!("Using output-sync mutex {}\n", String::from_utf8_lossy(mutex));
        i.debug(debug::VERBOSE, &text);
    }
    Ok(())
}

fn lock(i: &mut Instance, inv: &Invocation) -> Result<(), Stop> {
    let lock = match i.make.opts.sync_mutex.clone() {
        None => match SyncLock::create(&temporary_dir(i)) {
            Ok(lock) => {
                i.make.opts.sync_mutex = Some(lock.text());
                Some(Arc::new(lock))
            }
            Err(_) => None,
        },
        Some(text) => match inv.lock.as_ref().filter(|l| l.text() == text) {
            Some(lock) => Some(Arc::clone(lock)),
            None => match SyncLock::open(&text) {
                Ok(lock) => Some(Arc::new(lock)),
                Err((why, true)) => return Err(fatal(why)),
                Err((why, false)) => {
                    i.error(&why);
                    i.make.opts.sync_mutex = None;
                    None
                }
            },
        },
    };
    if lock.is_none() {
        i.make.opts.output_sync = OutputSync::None;
        i.output.borrow_mut().set_mode(OutputSync::None);
        i.output.borrow_mut().end_reading();
    }
    i.output.borrow_mut().set_lock(lock);
    Ok(())
}
