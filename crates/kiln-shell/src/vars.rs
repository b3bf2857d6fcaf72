//! The shell's variables, and the environment that programs get from them.
//!
//! dash keeps its variables in a small hash table and hands the exported ones on in the table's
//! order. That order can be seen (`env`), so the table is kept the same way. Knows nothing of words
//! or expansion.

use crate::lex::{is_name_byte, is_name_start};

const BUCKETS: usize = 39;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Var {
    name: Vec<u8>,
    /// `None`: known (exported perhaps) but unset.
    value: Option<Vec<u8>>,
    exported: bool,
    /// One of the shell's own, which stays in the table when unset.
    fixed: bool,
}

/// A variable as it was before a command's own assignment.
#[derive(Debug)]
pub(crate) struct Saved {
    name: Vec<u8>,
    before: Option<Var>,
}

#[derive(Debug, Clone)]
pub(crate) struct Vars {
    buckets: Vec<Vec<Var>>,
}

fn bucket(name: &[u8]) -> usize {
    let first = usize::from(name.first().copied().unwrap_or(0)) << 4;
    (first + name.iter().map(|b| usize::from(*b)).sum::<usize>()) % BUCKETS
}

impl Vars {
    /// The variables of a shell started with this environment, each entry `NAME=value`. Entries
    /// whose name is no shell name are dropped, as dash drops them.
    pub(crate) fn import<'a>(environment: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut vars = Vars { buckets: vec![Vec::new(); BUCKETS] };
        let own: [(&[u8], Option<&[u8]>); 8] = [
            (b"IFS", Some(b" \t\n")),
            (b"MAIL", None),
            (b"MAILPATH", None),
            (b"PATH", Some(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
            (b"PS1", Some(b"$ ")),
            (b"PS2", Some(b"> ")),
            (b"PS4", Some(b"+ ")),
            (b"OPTIND", Some(b"1")),
        ];
        for (name, value) in own {
            let value = value.map(<[u8]>::to_vec);
            let var = Var { name: name.to_vec(), value, exported: false, fixed: true };
            vars.buckets[bucket(name)].insert(0, var);
        }
        for entry in environment {
            let length = entry.iter().take_while(|b| is_name_byte(**b)).count();
            if length > 0 && is_name_start(entry[0]) && entry.get(length) == Some(&b'=') {
                vars.set_exported(&entry[..length], &entry[length + 1..]);
            }
        }
        vars.set(b"IFS", b" \t\n");
        vars.set(b"OPTIND", b"1");
        vars
    }

    fn find(&self, name: &[u8]) -> Option<&Var> {
        self.buckets[bucket(name)].iter().find(|var| var.name == name)
    }

    fn entry(&mut self, name: &[u8]) -> &mut Var {
        let vars = &mut self.buckets[bucket(name)];
        let at = vars.iter().position(|var| var.name == name).unwrap_or_else(|| {
            vars.push(Var { name: name.to_vec(), value: None, exported: false, fixed: false });
            vars.len() - 1
        });
        &mut vars[at]
    }

    /// The value, where the variable is set.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.find(name)?.value.as_deref()
    }

    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        self.entry(name).value = Some(value.to_vec());
    }

    pub(crate) fn set_exported(&mut self, name: &[u8], value: &[u8]) {
        let var = self.entry(name);
        var.value = Some(value.to_vec());
        var.exported = true;
    }

    /// `export NAME`: also of one that has no value yet.
    pub(crate) fn export(&mut self, name: &[u8]) {
        self.entry(name).exported = true;
    }

    pub(crate) fn unset(&mut self, name: &[u8]) {
        let vars = &mut self.buckets[bucket(name)];
        if let Some(at) = vars.iter().position(|var| var.name == name) {
            if vars[at].fixed {
                vars[at].value = None;
            } else {
                vars.remove(at);
            }
        }
    }

    /// An assignment for one command only: exported, and undone by [`Vars::restore`].
    pub(crate) fn set_locally(&mut self, name: &[u8], value: &[u8]) -> Saved {
        let before = self.find(name).cloned();
        self.set_exported(name, value);
        Saved { name: name.to_vec(), before }
    }

    /// Undoes local assignments; to be given in the reverse of the order in which they were made.
    pub(crate) fn restore(&mut self, saved: Saved) {
        match saved.before {
            Some(before) => *self.entry(&saved.name) = before,
            None => {
                let vars = &mut self.buckets[bucket(&saved.name)];
                vars.retain(|var| var.name != saved.name);
            }
        }
    }

    /// The environment of a program: `NAME=value` in dash's order.
    pub(crate) fn environment(&self) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        for var in self.buckets.iter().flatten().filter(|var| var.exported) {
            if let Some(value) = &var.value {
                let mut entry = Vec::with_capacity(var.name.len() + value.len() + 1);
                entry.extend_from_slice(&var.name);
                entry.push(b'=');
                entry.extend_from_slice(value);
                entries.push(entry);
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(vars: &Vars) -> Vec<String> {
        let mut list: Vec<_> = vars
            .environment()
            .into_iter()
            .map(|entry| String::from_utf8_lossy(&entry).into_owned())
            .collect();
        list.sort();
        list
    }

    #[test]
    fn only_names_are_imported_and_only_exports_leave() {
        let environment: [&[u8]; 4] = [b"A=1", b"B-C=2", b"1X=3", b"D"];
        let mut vars = Vars::import(environment);
        vars.set(b"A", b"changed");
        vars.set(b"LOCAL", b"x");
        vars.export(b"LATER");
        assert_eq!(entries(&vars), ["A=changed"]);
        vars.set(b"LATER", b"y");
        assert_eq!(entries(&vars), ["A=changed", "LATER=y"]);
        vars.unset(b"A");
        vars.set(b"A", b"no longer exported");
        assert_eq!(entries(&vars), ["LATER=y"]);
    }

    #[test]
    fn a_local_assignment_leaves_no_trace() {
        let environment: [&[u8]; 1] = [b"A=1"];
        let mut vars = Vars::import(environment);
        let a = vars.set_locally(b"A", b"2");
        let n = vars.set_locally(b"N", b"3");
        assert_eq!(entries(&vars), ["A=2", "N=3"]);
        vars.restore(n);
        vars.restore(a);
        assert_eq!(entries(&vars), ["A=1"]);
        assert_eq!(vars.get(b"N"), None);
    }
}
