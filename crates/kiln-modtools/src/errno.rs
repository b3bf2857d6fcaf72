//! A system error in the C library's words, as the original tools print it through `perror`.
//!
//! It knows nothing of what was tried, or of who reads the text.

use std::io;

/// The text that `strerror` gives for this error.
#[must_use]
pub fn text(error: &io::Error) -> String {
    let shown = error.to_string();
    if let Some(code) = error.raw_os_error() {
        // The standard library appends its own number to the system's words.
        let suffix = format!(" (os error {code})");
        return shown.strip_suffix(suffix.as_str()).unwrap_or(&shown).to_owned();
    }
    match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "Is a directory".to_owned(),
        _ => shown,
    }
}
