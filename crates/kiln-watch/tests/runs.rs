//! Records of whole runs on file systems whose stamps say little.

mod common;

use std::fs;

use common::{Temp, bytes};
use kiln_watch::{Eye, Fact, Identity, Key, RealEye, Run, Runs, Seen};

/// Sees files as over a network: times in whole seconds, and of another machine's clock.
struct Coarse;

const SECOND: i64 = 1_000_000_000;

impl Eye for Coarse {
    fn identity(&self, path: &[u8], follow: bool) -> Result<Identity, i32> {
        let id = RealEye.identity(path, follow)?;
        // Both edits of the test fall into one second.
        let when = (RealEye.now() / (30 * SECOND) - 1) * 30 * SECOND;
        Ok(Identity { mtime: when, ctime: when, ..id })
    }
    fn contents(&self, path: &[u8]) -> Result<u128, i32> {
        RealEye.contents(path)
    }
    fn names(&self, path: &[u8]) -> Result<u128, i32> {
        RealEye.names(path)
    }
    fn link(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        RealEye.link(path)
    }
    fn real(&self, path: &[u8]) -> Result<Vec<u8>, i32> {
        RealEye.real(path)
    }
    fn access(&self, path: &[u8], mode: u8) -> i32 {
        RealEye.access(path, mode)
    }
    fn now(&self) -> i64 {
        RealEye.now()
    }
}

#[test]
fn coarse_times_are_not_believed() {
    let temp = Temp::new();
    let path = temp.write("Kbuild", "one\n");
    let name = bytes(&path);
    let id = Coarse.identity(&name, true).unwrap();
    let settled = id.settled(Coarse.now());
    let seen = Seen::Contents { id, hash: Coarse.contents(&name).ok(), settled };
    let runs = Runs::open(&temp.path("cache"));
    let run = Run {
        label: b"make".to_vec(),
        kept: Coarse.now(),
        status: 0,
        said: Vec::new(),
        facts: vec![Fact { path: name, seen }],
    };
    runs.put(Key(1), &run).unwrap();
    assert!(runs.get(Key(1), &Coarse).is_some());
    fs::write(&path, "two\n").unwrap();
    assert!(runs.get(Key(1), &Coarse).is_none());
}
