//! How long recipes took: kept by directory, nothing where it is damaged, and bounded.

mod common;

use std::fs;

use common::Temp;
use kiln_watch::{Duration, Durations, Key};

const KEY: Key = Key(7);

fn named(name: &str) -> Vec<Duration> {
    vec![Duration { name: name.as_bytes().to_vec(), took: 5, kind: 3, ..Duration::default() }]
}

#[test]
fn what_is_kept_comes_back() {
    let temp = Temp::new();
    let durations = Durations::open(&temp.path("cache"));
    assert_eq!(durations.get(KEY), None);
    assert!(durations.put(KEY, &named("a")).unwrap());
    assert!(durations.put(Key(8), &named("b")).unwrap());
    assert_eq!(durations.get(KEY), Some(named("a")));
    assert!(durations.size() > 0);
    durations.clear().unwrap();
    assert_eq!(durations.get(KEY), None);
    assert_eq!(durations.size(), 0);
}

#[test]
fn what_is_damaged_is_nothing_and_is_replaced() {
    let temp = Temp::new();
    let durations = Durations::open(&temp.path("cache"));
    durations.put(KEY, &named("a")).unwrap();
    let dir = temp.path("cache/durations-1");
    let file = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert_eq!(durations.get(KEY), None, "{at}");
        fs::write(&file, &whole[..at]).unwrap();
        assert_eq!(durations.get(KEY), None, "{at}");
    }
    durations.put(KEY, &named("a")).unwrap();
    assert_eq!(durations.get(KEY), Some(named("a")));
}

#[test]
fn there_is_an_end_to_it() {
    let temp = Temp::new();
    let durations = Durations::open(&temp.path("cache"));
    durations.put(KEY, &named("a")).unwrap();
    // Too large for one directory: what was kept stays.
    assert!(!durations.put(KEY, &named(&"x".repeat(5 << 20))).unwrap());
    assert_eq!(durations.get(KEY), Some(named("a")));
    // As runs do, each of which keeps one.
    for n in 0..300 {
        Durations::open(&temp.path("cache")).put(Key(n), &named("a")).unwrap();
    }
    assert!(fs::read_dir(temp.path("cache/durations-1")).unwrap().count() <= 256);
}
