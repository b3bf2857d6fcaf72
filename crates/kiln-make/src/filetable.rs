//! Files by name: as quick as an index, since names are numbers.

use kiln_base::{Id, Name};

use crate::FileId;

/// A map from names to files.
#[derive(Clone, Debug, Default)]
pub struct FileTable {
    /// By name: the place in `entries` plus one, or 0.
    place: Vec<u32>,
    entries: Vec<(Name, FileId)>,
}

impl FileTable {
    /// The file of a name.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&FileId> {
        match self.place.get(name.index()) {
            Some(&p) if p != 0 => Some(&self.entries[p as usize - 1].1),
            _ => None,
        }
    }

    /// Gives a name a file, in place of the one that it had.
    pub fn insert(&mut self, name: Name, file: FileId) {
        let i = name.index();
        if self.place.len() <= i {
            // As many names as there are by now will come again.
            self.place.resize(i + 1, 0);
        }
        match self.place[i] {
            0 => {
                self.entries.push((name, file));
                self.place[i] = self.entries.len() as u32;
            }
            p => self.entries[p as usize - 1].1 = file,
        }
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &Name) -> Option<FileId> {
        let p = std::mem::take(self.place.get_mut(name.index())?);
        let i = (p as usize).checked_sub(1)?;
        let (_, file) = self.entries.swap_remove(i);
        if let Some(&(moved, _)) = self.entries.get(i) {
            self.place[moved.index()] = p;
        }
        Some(file)
    }

    /// All names and their files.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &FileId)> {
        self.entries.iter().map(|e| (&e.0, &e.1))
    }

    /// All files.
    pub fn values(&self) -> impl Iterator<Item = &FileId> {
        self.entries.iter().map(|e| &e.1)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_keeps_the_others() {
        let (a, b, c) = (Name::new(0), Name::new(7), Name::new(3));
        let mut t = FileTable::default();
        for (i, n) in [a, b, c].into_iter().enumerate() {
            t.insert(n, FileId::new(i));
        }
        assert_eq!(t.remove(&a), Some(FileId::new(0)));
        assert_eq!(
            (t.get(&a), t.get(&b), t.get(&c)),
            (None, Some(&FileId::new(1)), Some(&FileId::new(2)))
        );
        assert_eq!((t.len(), t.remove(&a)), (2, None));
    }
}
