//! A file system and a clock in memory, for tests of what depends on time. It knows files,
//! directories and links, and nothing of processes or permissions.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::{FileKind, Stat, Sys, Time};

/// One second, in the unit of [`Time`].
pub const SECOND: i128 = 1_000_000_000;

#[derive(Clone, Debug)]
enum Content {
    File(Vec<u8>),
    Dir,
    Link(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Node {
    content: Content,
    mtime: Time,
    id: u64,
}

#[derive(Debug)]
struct Disk {
    nodes: BTreeMap<Vec<u8>, Node>,
    now: Time,
    last_id: u64,
    stats: u64,
}

/// A view of the memory disk from one directory. Clones and [`Sys::at`] share the disk.
#[derive(Clone)]
pub struct FakeSys {
    dir: Vec<u8>,
    disk: Arc<Mutex<Disk>>,
}

impl Default for FakeSys {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeSys {
    /// An empty disk seen from `/fake`, at second 1000.
    #[must_use]
    pub fn new() -> Self {
        let now = Time(1000 * SECOND);
        let mut nodes = BTreeMap::new();
        for (id, dir) in [&b"/"[..], b"/fake"].into_iter().enumerate() {
            nodes.insert(dir.to_vec(), Node { content: Content::Dir, mtime: now, id: id as u64 });
        }
        let disk = Disk { nodes, now, last_id: 1, stats: 0 };
        FakeSys { dir: b"/fake".to_vec(), disk: Arc::new(Mutex::new(disk)) }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock on by one second.
    pub fn tick(&self) {
        self.lock().now.0 += SECOND;
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Time) {
        self.lock().now = now;
    }

    /// How often a file's state was asked for.
    #[must_use]
    pub fn stats(&self) -> u64 {
        self.lock().stats
    }

    /// Stamps a file, made if need be, with a time.
    ///
    /// # Errors
    /// If its directory is missing.
    pub fn set_mtime(&self, path: &[u8], time: Time) -> io::Result<()> {
        let path = self.locate(path, true)?;
        let mut disk = self.lock();
        if !disk.nodes.contains_key(&path) {
            disk.put(&path, Content::File(Vec::new()))?;
        }
        if let Some(node) = disk.nodes.get_mut(&path) {
            node.mtime = time;
        }
        Ok(())
    }

    /// Makes a directory and those above it.
    pub fn mkdir(&self, path: &[u8]) {
        let path = self.absolute(path);
        let mut disk = self.lock();
        for end in (1..=path.len()).filter(|&i| i == path.len() || path[i] == b'/') {
            if !disk.nodes.contains_key(&path[..end]) {
                // Its parent was made just before.
                let _ = disk.put(&path[..end], Content::Dir);
            }
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// If its directory is missing.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        let path = self.locate(path, false)?;
        self.lock().put(&path, Content::Link(target.to_vec()))
    }

    /// The path from the root, without `.`, `..` and double slashes.
    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let mut full = if path.first() == Some(&b'/') { Vec::new() } else { self.dir.clone() };
        for part in path.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let end = full.iter().rposition(|&b| b == b'/').unwrap_or(0);
                    full.truncate(end);
                }
                part => {
                    full.push(b'/');
                    full.extend_from_slice(part);
                }
            }
        }
        if full.is_empty() {
            full.push(b'/');
        }
        full
    }

    /// The path with links followed: those on the way, and the last if `last`.
    fn locate(&self, path: &[u8], last: bool) -> io::Result<Vec<u8>> {
        let mut path = self.absolute(path);
        'again: for _ in 0..40 {
            let disk = self.lock();
            for end in 1..=path.len() {
                if end < path.len() && path[end] != b'/' {
                    continue;
                }
                if end == path.len() && !last {
                    break;
                }
                let Some(node) = disk.nodes.get(&path[..end]) else { break };
                if let Content::Link(target) = &node.content {
                    let start = path[..end].iter().rposition(|&b| b == b'/').unwrap_or(0);
                    let mut next = if target.first() == Some(&b'/') {
                        Vec::new()
                    } else {
                        path[..=start].to_vec()
                    };
                    next.extend_from_slice(target);
                    next.extend_from_slice(&path[end..]);
                    drop(disk);
                    path = self.absolute(&next);
                    continue 'again;
                }
            }
            return Ok(path);
        }
        Err(io::Error::from_raw_os_error(40))
    }

    fn stat_path(&self, path: &[u8], follow: bool) -> io::Result<Stat> {
        let slash = path.len() > 1 && path.last() == Some(&b'/');
        let found = self.locate(path, follow || slash)?;
        let mut disk = self.lock();
        disk.stats += 1;
        let node = disk.nodes.get(&found).ok_or_else(missing)?;
        let (kind, size) = match &node.content {
            Content::File(bytes) => (FileKind::File, bytes.len() as u64),
            Content::Dir => (FileKind::Dir, 0),
            Content::Link(target) => (FileKind::Link, target.len() as u64),
        };
        if slash && kind == FileKind::File {
            return Err(io::Error::from_raw_os_error(20));
        }
        Ok(Stat { kind, mtime: node.mtime, size, id: (1, node.id), mode: 0o755 })
    }
}

impl Disk {
    fn put(&mut self, path: &[u8], content: Content) -> io::Result<()> {
        let parent = match path.iter().rposition(|&b| b == b'/') {
            Some(0) | None => b"/".to_vec(),
            Some(i) => path[..i].to_vec(),
        };
        match self.nodes.get_mut(&parent) {
            Some(Node { content: Content::Dir, mtime, .. }) => *mtime = self.now,
            Some(_) => return Err(io::Error::from_raw_os_error(20)),
            None => return Err(missing()),
        }
        self.last_id += 1;
        let node = Node { content, mtime: self.now, id: self.last_id };
        self.nodes.insert(path.to_vec(), node);
        Ok(())
    }
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(2)
}

impl Sys for FakeSys {
    fn dir(&self) -> &[u8] {
        &self.dir
    }

    fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn at(&self, dir: &[u8]) -> io::Result<Box<dyn Sys>> {
        match self.stat(dir)?.kind {
            FileKind::Dir => {
                Ok(Box::new(FakeSys { dir: self.locate(dir, true)?, disk: Arc::clone(&self.disk) }))
            }
            _ => Err(io::Error::from_raw_os_error(20)),
        }
    }

    fn stat(&self, path: &[u8]) -> io::Result<Stat> {
        self.stat_path(path, true)
    }

    fn lstat(&self, path: &[u8]) -> io::Result<Stat> {
        self.stat_path(path, false)
    }

    fn readlink(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let path = self.locate(path, false)?;
        match self.lock().nodes.get(&path) {
            Some(Node { content: Content::Link(target), .. }) => Ok(target.clone()),
            Some(_) => Err(io::Error::from_raw_os_error(22)),
            None => Err(missing()),
        }
    }

    fn realpath(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let path = self.locate(path, true)?;
        if self.lock().nodes.contains_key(&path) { Ok(path) } else { Err(missing()) }
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let path = self.locate(path, true)?;
        match self.lock().nodes.get(&path) {
            Some(Node { content: Content::File(bytes), .. }) => Ok(bytes.clone()),
            Some(_) => Err(io::Error::from_raw_os_error(21)),
            None => Err(missing()),
        }
    }

    fn write(&self, path: &[u8], bytes: &[u8], append: bool) -> io::Result<()> {
        let path = self.locate(path, true)?;
        let mut disk = self.lock();
        let now = disk.now;
        match disk.nodes.get_mut(&path) {
            Some(Node { content: Content::File(old), mtime, .. }) => {
                if !append {
                    old.clear();
                }
                old.extend_from_slice(bytes);
                *mtime = now;
                Ok(())
            }
            Some(_) => Err(io::Error::from_raw_os_error(21)),
            None => disk.put(&path, Content::File(bytes.to_vec())),
        }
    }

    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        if self.stat(if path.is_empty() { b"." } else { path })?.kind != FileKind::Dir {
            return Err(io::Error::from_raw_os_error(20));
        }
        let mut prefix = self.locate(path, true)?;
        if prefix.last() != Some(&b'/') {
            prefix.push(b'/');
        }
        let disk = self.lock();
        let below = disk.nodes.keys().filter_map(|k| k.strip_prefix(&prefix[..]));
        Ok(below.filter(|n| !n.is_empty() && !n.contains(&b'/')).map(<[u8]>::to_vec).collect())
    }

    fn unlink(&self, path: &[u8]) -> io::Result<()> {
        let path = self.locate(path, false)?;
        let mut disk = self.lock();
        match disk.nodes.get(&path).map(|n| matches!(n.content, Content::Dir)) {
            Some(false) => {
                disk.nodes.remove(&path);
                Ok(())
            }
            Some(true) => Err(io::Error::from_raw_os_error(21)),
            None => Err(missing()),
        }
    }

    fn touch(&self, path: &[u8]) -> io::Result<()> {
        let now = self.now();
        self.set_mtime(path, now)
    }

    fn now(&self) -> Time {
        self.lock().now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_time_of_their_last_write() {
        let sys = FakeSys::new();
        sys.write(b"a", b"x", false).unwrap();
        sys.tick();
        sys.write(b"./a", b"y", true).unwrap();
        let stat = sys.stat(b"/fake/a").unwrap();
        assert_eq!((stat.mtime, stat.size), (Time(1001 * SECOND), 2));
        assert_eq!(sys.read(b"a").unwrap(), b"xy");
    }

    #[test]
    fn links_are_followed_and_may_lead_nowhere() {
        let sys = FakeSys::new();
        sys.mkdir(b"d/e");
        sys.write(b"d/e/f", b"", false).unwrap();
        sys.symlink(b"d", b"l").unwrap();
        sys.symlink(b"nowhere", b"m").unwrap();
        sys.symlink(b"loop", b"loop").unwrap();
        assert_eq!(sys.realpath(b"l/e/f").unwrap(), b"/fake/d/e/f");
        assert_eq!(sys.stat(b"m").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(sys.lstat(b"m").unwrap().kind, FileKind::Link);
        assert_eq!(sys.stat(b"loop").unwrap_err().raw_os_error(), Some(40));
        assert_eq!(sys.list(b"l").unwrap(), [b"e"]);
    }

    #[test]
    fn nothing_can_be_made_in_a_directory_that_is_not_there() {
        let sys = FakeSys::new();
        assert!(sys.write(b"no/f", b"", false).is_err());
        assert!(sys.at(b"no").is_err());
        sys.mkdir(b"no");
        assert_eq!(sys.at(b"no").unwrap().dir(), b"/fake/no");
    }
}
