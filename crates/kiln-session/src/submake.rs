//! A recursive make within the process: a recipe line that is plainly `$(MAKE) ARGS…` becomes a second
//! instance on a thread of its own, with its own directory, environment and level.
//!
//! `KILN_SLOW=submake` (or `all`) has real processes started instead.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use kiln_base::{RealSys, Sys};
use kiln_exec::{Done, Ended, SubMake, SubMakeCall};

use kiln_watch::Opaque;
use kiln_watch::fact::Why;

use crate::instance::{self, Exit, Invocation};
use crate::{STACK, Shared};

/// Starts instances instead of processes.
pub struct InProcess {
    /// What the instances share.
    pub shared: Weak<Shared>,
    /// This program's own file.
    pub own: PathBuf,
}

impl SubMake for InProcess {
    fn try_start(&self, call: SubMakeCall<'_>) -> Option<Done> {
        let shared = self.shared.upgrade()?;
        let prepared = self.prepare(&call, &shared);
        if let (None, Some(recording)) = (&prepared, &shared.recording) {
            // It becomes a process, of which only its end will be known.
            recording
                .refuse(Opaque::new(Why::Program, call.argv.first().cloned().unwrap_or_default()));
        }
        let (argv, sys, done) = prepared?;
        let ended = done.clone();
        let invocation = Invocation {
            argv,
            env: call.env.clone(),
            sys,
            shared,
            sink: call.sink,
            slots: Some(Arc::clone(call.slots)),
            lock: call.lock,
            good_stdin: call.good_stdin,
            job: call.job,
            above: call.above,
        };
        std::thread::Builder::new()
            .name("make".into())
            .stack_size(STACK)
            .spawn(move || {
                // A defect in one instance must not leave its parent waiting for ever.
                let end = SetOnDrop(ended);
                instance::run_and_tell(invocation, |exit| {
                    end.0.finish(match exit {
                        Exit::Status(status) => Ended::Exit(status),
                        Exit::Signal(signal) => Ended::Signal(signal, false),
                    });
                });
            })
            .ok()?;
        Some(done)
    }
}

struct SetOnDrop(Done);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.finish(Ended::Exit(2));
    }
}

impl InProcess {
    /// All that may fail.
    #[allow(clippy::type_complexity)] // what the caller goes on with
    fn prepare(
        &self,
        call: &SubMakeCall<'_>,
        shared: &Shared,
    ) -> Option<(Vec<Vec<u8>>, Arc<dyn Sys>, Done)> {
        let argv = self.make_arguments(call)?;
        let sys: Box<dyn Sys> = Box::new(RealSys::at_path(call.dir).ok()?);
        let sys = match &shared.recording {
            Some(recording) => recording.around(sys),
            None => Arc::from(sys),
        };
        Some((argv, sys, Done::new().ok()?))
    }

    /// The arguments as make sees them, if the command is this very program as make.
    fn make_arguments(&self, call: &SubMakeCall<'_>) -> Option<Vec<Vec<u8>>> {
        let program = call.argv.first()?;
        let path = call.env.iter().find(|(n, _)| n == b"PATH").map(|(_, v)| v.as_slice());
        let file = find(program, call.dir, path.unwrap_or(b"/bin:/usr/bin"))?;
        if file.canonicalize().ok()? != self.own {
            return None;
        }
        match file.file_name()?.as_bytes() {
            b"make" | b"gmake" => Some(call.argv.to_vec()),
            // `$(MAKE)` is two words where no link could be made.
            _ if call.argv.get(1).is_some_and(|w| w == b"make") => {
                let mut argv = call.argv[1..].to_vec();
                argv[0] = [program, &b" make"[..]].concat();
                Some(argv)
            }
            _ => None,
        }
    }
}

/// The file that a command's first word starts.
fn find(program: &[u8], dir: &[u8], path: &[u8]) -> Option<PathBuf> {
    let dir = Path::new(OsStr::from_bytes(dir));
    let name = Path::new(OsStr::from_bytes(program));
    if program.contains(&b'/') {
        return Some(dir.join(name));
    }
    path.split(|&c| c == b':')
        .map(|d| dir.join(OsStr::from_bytes(d)).join(name))
        .find(|p| p.is_file())
}
