//! Files that cases share and that are made once on each machine: a key for signing. They are kept,
//! since a new one would make every kept result of the cases that use it useless.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes what is missing in `dir`. Without openssl the cases that need a key are skipped by name.
///
/// # Errors
/// In words.
pub fn make(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|e| e.to_string())?;
    let key = dir.join("signing_key.pem");
    if key.exists() || !kiln_testkit::host::has_program("openssl") {
        return Ok(());
    }
    // As the kernel's certs/Makefile does: key and certificate in one file, the certificate as DER too.
    let line = "umask 022; exec >&2; \
        openssl req -new -nodes -utf8 -sha256 -days 36500 -batch -x509 -newkey rsa:2048 \
            -subj '/CN=Kiln test key' -outform PEM -out cert.pem -keyout key.pem && \
        openssl x509 -in cert.pem -outform DER -out signing_key.x509 && \
        cat key.pem cert.pem >signing_key.pem.new && rm key.pem cert.pem && \
        mv signing_key.pem.new signing_key.pem";
    let out = Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!("no signing key: {}", String::from_utf8_lossy(&out.stderr)))
}
