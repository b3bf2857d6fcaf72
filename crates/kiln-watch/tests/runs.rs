//! Records of whole runs on file systems whose stamps say little.

mod common;

use std::fs;

use common::{Stamped, Temp, bytes};
use kiln_watch::{Eye, Fact, Identity, Key, RealEye, Run, Runs, Seen};

const SECOND: i64 = 1_000_000_000;

/// Sees files as over a network: times in whole seconds, and of another machine's clock.
fn coarse() -> impl Eye {
    Stamped(
        |path: &[u8], follow| {
            let id = RealEye.identity(path, follow)?;
            // Both edits of the test fall into one second.
            let when = (RealEye.now() / (30 * SECOND) - 1) * 30 * SECOND;
            Ok(Identity { mtime: when, ctime: when, ..id })
        },
        0,
    )
}

#[test]
fn coarse_times_are_not_believed() {
    let temp = Temp::new();
    let path = temp.write("Kbuild", "one\n");
    let name = bytes(&path);
    let eye = coarse();
    let id = eye.identity(&name, true).unwrap();
    let settled = id.settled(eye.now());
    let seen = Seen::Contents { id, hash: eye.contents(&name).ok(), settled };
    let runs = Runs::open(&temp.path("cache"));
    let run = Run {
        label: b"make".to_vec(),
        kept: eye.now(),
        status: 0,
        said: Vec::new(),
        facts: vec![Fact { path: name, seen }],
    };
    runs.put(Key(1), &run).unwrap();
    assert!(runs.get(Key(1), &eye).is_some());
    fs::write(&path, "two\n").unwrap();
    assert!(runs.get(Key(1), &eye).is_none());
}
