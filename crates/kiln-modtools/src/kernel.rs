//! Which kernel a call works for: a version number, and where a tool finds it when nobody says.
//!
//! The tools' formats changed from release to release, and nothing in a tool's arguments names the
//! release. This file reads numbers and looks for them; it does not know what any tool does with one.

use crate::Host;

/// A kernel release as far as the tools' behaviour depends on it: `6.12` of `6.12.117-amd64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// VERSION of the kernel's Makefile.
    pub major: u32,
    /// PATCHLEVEL of the kernel's Makefile.
    pub minor: u32,
}

impl Release {
    /// A release by its two numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads the first two numbers of a release string such as the content of
    /// `include/config/kernel.release`; `None` when it does not begin with `N.N`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (major, rest) = number(text.trim_ascii_start())?;
        let (minor, _) = number(rest.strip_prefix(b".")?)?;
        Some(Self { major, minor })
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 || len > 4 {
        return None;
    }
    let value = text[..len].iter().fold(0, |n, &d| n * 10 + u32::from(d - b'0'));
    Some((value, &text[len..]))
}

/// The file in a configured tree that holds its release string.
pub const RELEASE_FILE: &[u8] = b"include/config/kernel.release";

/// The release that a call is for: `KILN_KERNEL` if it is set, else the release file of the current
/// directory, of the directory that kbuild exports as `objtree`, and of each of `trees` in turn
/// (directories, spelled with or without a final slash).
pub fn detect(host: &mut dyn Host, trees: &[&[u8]]) -> Option<Release> {
    if let Some(said) = host.env(b"KILN_KERNEL") {
        return Release::parse(&said);
    }
    if let Some(found) = read_release(host, b"") {
        return Some(found);
    }
    if let Some(objtree) = host.env(b"objtree")
        && let Some(found) = read_release(host, &objtree)
    {
        return Some(found);
    }
    trees.iter().find_map(|tree| read_release(host, tree))
}

fn read_release(host: &mut dyn Host, tree: &[u8]) -> Option<Release> {
    let mut path = tree.to_vec();
    if path.last().is_some_and(|&b| b != b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(RELEASE_FILE);
    Release::parse(&host.read(&path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_strings() {
        let check = |text: &str, want: Option<(u32, u32)>| {
            let got = Release::parse(text.as_bytes()).map(|r| (r.major, r.minor));
            assert_eq!(got, want, "{text}");
        };
        check("6.12.117+deb12-amd64\n", Some((6, 12)));
        check("5.10.0-32-amd64\n", Some((5, 10)));
        check("7.3-rc7\n", Some((7, 3)));
        check("7\n", None);
        check("", None);
        check("v6.1", None);
        check("99999999999.1", None);
    }
}
