//! `kiln tool NAME ARGS…`: the kernel's host tools under their own names.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use kiln_session::toolhost::ToolHost;

/// Runs a tool with its own arguments; the exit status is the tool's.
pub fn run(name: &[u8], args: &[Vec<u8>]) -> ExitCode {
    let Some(main) = std::str::from_utf8(name).ok().and_then(kiln_session::native::find) else {
        let known: Vec<&str> = kiln_modtools::TOOLS.iter().map(|(n, _)| *n).collect();
        eprintln!("kiln: there is no tool called {}", String::from_utf8_lossy(name));
        eprintln!("kiln: the tools are: {}", known.join(", "));
        return ExitCode::from(2);
    };
    let env = std::env::vars_os().map(|(n, v)| (n.into_vec(), v.into_vec())).collect();
    let mut host = ToolHost::new(std::env::current_dir().unwrap_or_default(), env);
    let status = main(args, &mut host);
    if status == kiln_session::btfids::DECLINED {
        eprintln!("kiln: this needs the kernel tree's own {}", String::from_utf8_lossy(name));
        return ExitCode::from(1);
    }
    let written = std::io::stdout()
        .write_all(&host.out)
        .and_then(|()| std::io::stderr().write_all(&host.err));
    if written.is_err() {
        return ExitCode::from(2);
    }
    ExitCode::from(status as u8)
}
