//! The store: whatever happens to its file, it answers rightly or not at all.

#![allow(clippy::print_stderr)] // a skipped test says so

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Came, Temp};
use kiln_watch::{
    Answer, Asks, Checker, Eye, Fact, Found, Given, Key, Observations, Opaque, Query, RealEye,
    Seen, Store, Why,
};

const MOST: usize = 16 << 20;

/// An answer that rests on one file, as it is now.
fn answer(name: &str, path: &Path) -> Answer {
    let path = common::bytes(path);
    let id = RealEye.identity(&path, true).unwrap();
    let hash = RealEye.contents(&path).ok();
    let contents = Fact { path: path.clone(), seen: Seen::Contents { id, hash, settled: false } };
    let absent = Fact {
        path: [&path[..], b".absent"].concat(),
        seen: Seen::Status { follow: true, was: Err(2) },
    };
    Answer {
        label: name.into(),
        status: 256,
        stdout: format!("out of {name}").into_bytes(),
        stderr: format!("err of {name}").into_bytes(),
        seen: Observations {
            facts: vec![contents, absent],
            programs: vec![b"/bin/sh".to_vec()],
            effects: Vec::new(),
            asks: Asks::default(),
        },
    }
}

fn query(key: u128) -> Query {
    Query { key: Key(key), given: Given::default() }
}

fn get(store: &mut Store, key: u128) -> Found {
    store.forget_checks();
    store.get(&query(key), &mut Checker::new(&RealEye))
}

fn says(found: &Found) -> Option<&[u8]> {
    match found {
        Found::Stands(answer) => Some(&answer.stdout),
        _ => None,
    }
}

/// Two files, and a store with an answer for each.
fn filled(temp: &Temp) -> std::path::PathBuf {
    let dir = temp.path("cache/kiln");
    let mut store = Store::open(&dir, MOST);
    for (key, name) in [(1, "one"), (2, "two"), (3, "three")] {
        let path = temp.write(name, name);
        store.put(&query(key), answer(name, &path));
    }
    store.put_opaque(
        Key(9),
        b"date".to_vec(),
        Opaque { why: Why::Program, what: b"date".to_vec() },
    );
    store.save().unwrap();
    dir
}

#[test]
fn answers_come_back_whole() {
    let temp = Temp::new();
    let dir = filled(&temp);
    let mut store = Store::open(&dir, MOST);
    let Found::Stands(found) = get(&mut store, 1) else { panic!() };
    assert_eq!(
        (found.status, &found.stdout[..], &found.stderr[..]),
        (256, &b"out of one"[..], &b"err of one"[..])
    );
    let mut seen = |n| store.get_with_observations(&query(n), &mut Checker::new(&RealEye)).1;
    assert_eq!(seen(1).unwrap(), answer("one", &temp.path("one")).seen);
    assert!(seen(1).unwrap().facts.is_empty(), "they were told of");
    assert_eq!(seen(9), None);
    assert_eq!(get(&mut store, 4), Found::Nothing);
    assert!(matches!(get(&mut store, 9), Found::Opaque(o) if o.why == Why::Program));
    fs::write(temp.path("one"), "eno").unwrap();
    assert!(matches!(get(&mut store, 1), Found::Changed(c) if c.path.ends_with(b"/one")));
    assert!(says(&get(&mut store, 2)).is_some());
    fs::write(temp.path("two.absent"), "").unwrap();
    assert!(matches!(get(&mut store, 2), Found::Changed(c) if c.path.ends_with(b"/two.absent")));
    assert!(!store.has_news(), "a run that only reads writes nothing");
}

#[test]
fn cut_off_anywhere() {
    let temp = Temp::new();
    let dir = filled(&temp);
    let whole = fs::read(dir.join("answers-2")).unwrap();
    let mut stands = 0;
    for length in 0..whole.len() {
        fs::write(dir.join("answers-2"), &whole[..length]).unwrap();
        let mut store = Store::open(&dir, MOST);
        for (key, name) in [(1, "one"), (2, "two"), (3, "three")] {
            match get(&mut store, key) {
                Found::Stands(found) => {
                    assert_eq!(found.stdout, format!("out of {name}").into_bytes());
                    stands += 1;
                }
                found => assert_eq!(found, Found::Nothing),
            }
        }
    }
    assert!(stands > 0, "what stands before the cut is of use");
}

#[test]
fn damaged_anywhere() {
    let temp = Temp::new();
    let dir = filled(&temp);
    let whole = fs::read(dir.join("answers-2")).unwrap();
    // All three files have changed: no damage may bring an answer back to life.
    for name in ["one", "two", "three"] {
        fs::write(temp.path(name), "other").unwrap();
    }
    for at in 0..whole.len() {
        for flip in [1u8, 0x82] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            if bytes == whole {
                continue;
            }
            fs::write(dir.join("answers-2"), &bytes).unwrap();
            let mut store = Store::open(&dir, MOST);
            for key in [1, 2, 3] {
                let found = get(&mut store, key);
                assert_eq!(says(&found), None, "byte {at}");
            }
        }
    }
    // A damaged file is replaced by the next that is kept.
    let mut store = Store::open(&dir, MOST);
    store.put(&query(5), answer("five", &temp.path("one")));
    store.save().unwrap();
    assert!(says(&get(&mut Store::open(&dir, MOST), 5)).is_some());
}

#[test]
fn foreign_bytes() {
    let temp = Temp::new();
    let dir = temp.path("cache");
    fs::create_dir(&dir).unwrap();
    let huge = [&b"KILNANS2"[..], &[0xff; 64]].concat();
    for bytes in [&b""[..], b"KILNANS0rest", b"KILNANS", b"ninjadeps", &huge] {
        fs::write(dir.join("answers-2"), bytes).unwrap();
        assert_eq!(get(&mut Store::open(&dir, MOST), 1), Found::Nothing);
    }
    let mut state = 12345u64;
    for _ in 0..200 {
        let mut bytes = b"KILNANS2".to_vec();
        for _ in 0..100 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((state >> 56) as u8);
        }
        fs::write(dir.join("answers-2"), bytes).unwrap();
        assert_eq!(Store::open(&dir, MOST).entries(&mut Checker::new(&RealEye)), []);
    }
}

#[test]
fn another_version_is_left_out() {
    let temp = Temp::new();
    let dir = filled(&temp);
    let mut bytes = fs::read(dir.join("answers-2")).unwrap();
    bytes[7] = b'9';
    fs::write(dir.join("answers-2"), bytes).unwrap();
    assert_eq!(get(&mut Store::open(&dir, MOST), 1), Found::Nothing);
}

#[test]
fn directory_that_cannot_be_written() {
    let temp = Temp::new();
    let file = temp.write("file", "");
    let mut store = Store::open(&file.join("kiln"), MOST);
    store.put(&query(1), answer("one", &file));
    assert!(store.save().is_err());
    // The run itself still has it.
    assert!(says(&get(&mut store, 1)).is_some());
    let dir = filled(&temp);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).unwrap();
    let before = fs::read(dir.join("answers-2")).unwrap();
    let mut store = Store::open(&dir, MOST);
    assert!(says(&get(&mut store, 1)).is_some());
    store.put(&query(7), answer("seven", &file));
    // Root may write all the same.
    if store.save().is_err() {
        assert_eq!(fs::read(dir.join("answers-2")).unwrap(), before);
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn disk_that_is_full() {
    let temp = Temp::new();
    let disk = temp.path("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "none"])
        .arg(&disk)
        .output()
        .is_ok_and(|o| o.status.success());
    if !mounted {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let dir = disk.join("kiln");
        let path = temp.write("one", "one");
        let mut store = Store::open(&dir, MOST);
        store.put(&query(1), answer("one", &path));
        store.save().unwrap();
        let before = fs::read(dir.join("answers-2")).unwrap();
        store.put(&query(2), Answer { stdout: vec![b'x'; 200_000], ..answer("two", &path) });
        assert!(store.save().is_err());
        assert_eq!(fs::read(dir.join("answers-2")).unwrap(), before);
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            2,
            "the file and the lock, nothing half-written"
        );
        assert!(says(&get(&mut Store::open(&dir, MOST), 1)).is_some());
    });
    let _ = std::process::Command::new("umount").arg(&disk).status();
    outcome.unwrap();
}

#[test]
fn what_others_could_have_written_is_not_believed() {
    let temp = Temp::new();
    let dir = filled(&temp);
    let file = dir.join("answers-2");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(get(&mut Store::open(&dir, MOST), 1), Found::Nothing);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&file, dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    assert_eq!(get(&mut Store::open(&dir, MOST), 1), Found::Nothing);
}

#[test]
fn several_at_once_lose_nothing() {
    let temp = Temp::new();
    let dir = temp.path("cache");
    let path = temp.write("one", "one");
    std::thread::scope(|scope| {
        for thread in 0..4u128 {
            let (dir, path) = (&dir, &path);
            scope.spawn(move || {
                for i in 0..10 {
                    let mut store = Store::open(dir, MOST);
                    store.put(&query(thread * 100 + i), answer(&format!("{thread}.{i}"), path));
                    while store.save().is_err() {}
                }
            });
        }
    });
    let mut store = Store::open(&dir, MOST);
    for thread in 0..4 {
        for i in 0..10 {
            let found = get(&mut store, thread * 100 + i);
            assert_eq!(says(&found), Some(format!("out of {thread}.{i}").as_bytes()));
        }
    }
    assert_eq!(store.entries(&mut Checker::new(&RealEye)).len(), 40);
}

#[test]
fn it_stays_within_its_size() {
    let temp = Temp::new();
    let dir = temp.path("cache");
    let path = temp.write("one", "one");
    for i in 0..30 {
        let mut store = Store::open(&dir, 20_000);
        store.put(&query(i), Answer { stdout: vec![b'x'; 3000], ..answer("one", &path) });
        store.save().unwrap();
        assert!(fs::metadata(dir.join("answers-2")).unwrap().len() <= 20_000);
    }
    let mut store = Store::open(&dir, 20_000);
    let count = store.entries(&mut Checker::new(&RealEye)).len();
    assert!((3..=6).contains(&count), "{count}");
    assert!((0..30).any(|i| says(&get(&mut store, i)).is_some()));
}

#[test]
fn listing_says_why_and_clearing_clears() {
    let temp = Temp::new();
    let dir = filled(&temp);
    fs::write(temp.path("two"), "owt").unwrap();
    let mut store = Store::open(&dir, MOST);
    let entries = store.entries(&mut Checker::new(&RealEye));
    let again = |label: &str| {
        entries
            .iter()
            .find(|e| e.label == label.as_bytes())
            .unwrap()
            .again
            .clone()
            .unwrap_or_default()
    };
    assert_eq!(again("one"), "");
    assert!(again("two").ends_with("two changed"), "{}", again("two"));
    assert_eq!(again("date"), "it ran date");
    assert!(entries.iter().all(|e| e.size > 0 && e.kept > 1_600_000_000));
    store.clear().unwrap();
    assert_eq!(store.size(), 0);
    assert_eq!(get(&mut store, 1), Found::Nothing);
    assert_eq!(get(&mut Store::open(&dir, MOST), 1), Found::Nothing);
    Store::open(&temp.path("never"), MOST).clear().unwrap();
    assert!(!temp.path("never").exists());
}

#[test]
fn reasons_that_pass_are_not_kept() {
    let temp = Temp::new();
    let mut store = Store::open(&temp.path("cache"), MOST);
    for why in [Why::Trouble, Why::Signal, Why::Refused, Why::Changed] {
        store.put_opaque(Key(1), b"x".to_vec(), Opaque { why, what: Vec::new() });
    }
    assert!(!store.has_news());
}

#[test]
fn probes_share_their_facts() {
    if !common::can_watch() {
        return;
    }
    let temp = Temp::new();
    let mut asker = common::Asker::new(&temp.path("store"), &temp.0);
    let probe = |flag: &str| {
        format!(
            "T=.tmp_$$; trap 'rm -rf $T' EXIT; mkdir -p $T; if (gcc {flag} -c -x c /dev/null -o $T/t) >/dev/null 2>&1; then echo y; else echo n; fi"
        )
    };
    asker.learn(&probe("-Wall"));
    let one = asker.store.size();
    asker.learn(&probe("-Wextra"));
    let two = asker.store.size();
    assert!(two - one < one / 4, "{one} {two}");
    assert_eq!(asker.ask(&probe("-Wall")).1, Came::Kept);
}
