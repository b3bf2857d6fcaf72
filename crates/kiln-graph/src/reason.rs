//! Why a target is remade, as a value. Nothing here decides; the walk records.

use kiln_make::{FileId, Make};

/// The first thing that made a target out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is `.PHONY`.
    Phony,
    /// It does not exist.
    Missing,
    /// A target made by the same recipe does not exist.
    PeerMissing(FileId),
    /// These prerequisites are newer than it.
    Newer(Vec<FileId>),
    /// This prerequisite does not exist (and is not an intermediate file).
    PrerequisiteMissing(FileId),
    /// It is a double-colon rule without prerequisites.
    DoubleColon,
    /// `-B`.
    Always,
    /// An intermediate file on the way to it would be newer.
    ThroughIntermediate,
}

impl Reason {
    /// A sentence for people, without the target's name: "its prerequisite x is newer".
    #[must_use]
    pub fn text(&self, make: &Make) -> String {
        let name = |f: FileId| String::from_utf8_lossy(make.file_name(f)).into_owned();
        match self {
            Reason::Phony => "it is a phony target".into(),
            Reason::Missing => "it does not exist".into(),
            Reason::PeerMissing(f) => {
                format!("{}, made by the same recipe, does not exist", name(*f))
            }
            Reason::Newer(list) => {
                let names: Vec<String> = list.iter().map(|f| name(*f)).collect();
                match names.as_slice() {
                    [one] => format!("{one} is newer"),
                    _ => format!("{} are newer", names.join(", ")),
                }
            }
            Reason::PrerequisiteMissing(f) => {
                format!("its prerequisite {} does not exist", name(*f))
            }
            Reason::DoubleColon => "it is a double-colon rule without prerequisites".into(),
            Reason::Always => "everything is to be remade (-B)".into(),
            Reason::ThroughIntermediate => {
                "a prerequisite of one of its intermediate files is newer".into()
            }
        }
    }
}
