//! The environment: taken in at the start, and made for children.

use kiln_base::Id;

use crate::db::{FileId, SetId};
use crate::slots;
use crate::var::{Export, Origin, VarId, exportable};
use crate::{Make, Result};

impl Make {
    /// Takes the environment's variables in. SHELL is kept for children but not used, and
    /// MAKE_RESTARTS is not passed on.
    pub fn import_environment(&mut self, env: &[(Vec<u8>, Vec<u8>)]) {
        self.original_env = env.to_vec();
        for (name, value) in env {
            let mut value = value.as_slice();
            let mut export = Export::Export;
            if name == b"MAKE_RESTARTS" {
                export = Export::NoExport;
                // A minus sign says that the directory has been announced already.
                value = value.strip_prefix(b"-").unwrap_or(value);
            } else if name == b"SHELL" {
                export = Export::NoExport;
                self.env_shell = Some(value.to_vec());
            }
            let v = self.define(name, value, Origin::Environment, true);
            self.export_var(v, export);
        }
    }

    fn should_export(&self, v: VarId) -> bool {
        let var = &self.vars[v];
        match var.export {
            Export::Export => true,
            Export::NoExport => false,
            Export::IfSet => var.origin != Origin::Default,
            Export::Default => {
                !matches!(var.origin, Origin::Default | Origin::Automatic)
                    && (self.export_all
                        || matches!(
                            var.origin,
                            Origin::Command | Origin::Environment | Origin::EnvOverride
                        ))
                    && exportable(self.names.bytes(var.name))
            }
        }
    }

    /// The environment of a child: of a recipe of `f`, or of `$(shell)` for `None`. `recursive` says
    /// that it is a sub-make, which is given the jobserver in MAKEFLAGS. MAKELEVEL is one higher.
    ///
    /// # Errors
    /// If an exported variable's expansion fails.
    pub fn environment(
        &mut self,
        f: Option<FileId>,
        recursive: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if f.is_none() {
            return self.shell_environment();
        }
        let mut env = Vec::new();
        self.build_environment(f, recursive, &mut env)?;
        Ok(env)
    }

    /// The environment of a `$(shell)`. Whoever puts it into `shell_env` when it is done with saves the
    /// next one most of its making.
    pub(crate) fn shell_environment(&mut self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut env = std::mem::take(&mut self.shell_env);
        self.env_recursion += 1;
        let result = self.build_environment(None, false, &mut env);
        self.env_recursion -= 1;
        result.map(|()| env)
    }

    /// The variables that a child may be given, the most specific definition of each name.
    fn visible(&mut self, scope: SetId) -> Vec<VarId> {
        // From the most specific set to the least: the first one met is kept, but may take over
        // whether it is exported from an outer one.
        let mut order: Vec<VarId> = Vec::new();
        // By name: 0, or one more than its place in `order`.
        let mut places = vec![0u32; self.names.len()];
        let mut at = Some(scope);
        while let Some(s) = at {
            let local = s == scope;
            let global = self.vars.is_global(s);
            let members: Vec<VarId> = if !global {
                self.vars.members(s).collect()
            } else if self.export_all {
                self.vars.globals().collect()
            } else {
                self.vars.export_candidates().collect()
            };
            for v in members {
                let var = &self.vars[v];
                if !local && var.private {
                    continue;
                }
                match places[var.name.index()] {
                    0 => {
                        if !global || self.should_export(v) {
                            order.push(v);
                            places[self.vars[v].name.index()] = order.len() as u32;
                        }
                    }
                    place => {
                        let export = var.export;
                        let mine = &mut self.vars[order[place as usize - 1]];
                        if mine.export == Export::Default {
                            mine.export = export;
                        }
                    }
                }
            }
            at = self.vars.next(s).0;
        }
        order
    }

    /// Makes the environment in `env`, which may hold an earlier one: a name that stands in it where it
    /// belongs, and its value's memory, are used again.
    fn build_environment(
        &mut self,
        f: Option<FileId>,
        recursive: bool,
        env: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let scope = f.and_then(|f| self.files[f].variables).unwrap_or(self.scope);
        let order = self.visible(scope);
        let invalid_auth = !recursive
            && self.opts.jobserver_auth.as_ref().is_some_and(|a| !a.starts_with(b"fifo:"));
        let level = (self.level + 1).to_string().into_bytes();
        // From one command to the next, the same names go out as a rule. An expansion below may make
        // an environment of its own.
        let (known, places) = std::mem::take(&mut self.env_order);
        let mut names = Vec::with_capacity(order.len());
        // All so far, in the order of their making, once a name was not the one of the last time.
        let mut fresh: Option<Vec<(Vec<u8>, Vec<u8>)>> = None;
        let (mut shell, mut makelevel) = (self.env_shell.is_none(), false);
        for v in order {
            if !self.should_export(v) {
                continue;
            }
            let var = &self.vars[v];
            let (id, origin) = (var.name, var.origin);
            let name = self.names.bytes(id);
            let at = names.len();
            let slot = (fresh.is_none() && known.get(at) == Some(&id))
                .then(|| places[at])
                .filter(|&slot| env.get(slot).is_some_and(|e| e.0 == name));
            let mut value = match slot {
                Some(slot) => std::mem::take(&mut env[slot].1),
                None => {
                    let take = |&slot: &usize| std::mem::take(&mut env[slot]);
                    fresh.get_or_insert_with(|| places[..at].iter().map(take).collect());
                    Vec::new()
                }
            };
            value.clear();
            let from_env = matches!(origin, Origin::Environment | Origin::EnvOverride);
            if var.recursive && (!from_env || name == b"MAKEFLAGS") {
                let scope = f.and_then(|f| self.files[f].variables);
                self.expand_recursive(v, scope, &mut value)?;
            } else {
                var.value.append_to(&mut value);
            }
            let name = self.names.bytes(id);
            match name {
                b"SHELL" => shell = true,
                b"MAKELEVEL" => {
                    value.clone_from(&level);
                    makelevel = true;
                }
                b"MAKEFLAGS" if invalid_auth => value = without_jobserver(value),
                b"MFLAGS" if invalid_auth && origin == Origin::Environment && has_auth(&value) => {
                    value.extend_from_slice(INVALID_AUTH);
                }
                _ => {}
            }
            names.push(id);
            match slot {
                Some(slot) => env[slot].1 = value,
                None => fresh.get_or_insert_default().push((name.to_vec(), value)),
            }
        }
        if fresh.is_none() && names.len() < known.len() {
            fresh =
                Some(places[..names.len()].iter().map(|&s| std::mem::take(&mut env[s])).collect());
        }
        match fresh {
            None => {
                env.truncate(names.len());
                self.env_order = (known, places);
            }
            Some(fresh) => {
                let places = if names == known {
                    places
                } else {
                    let order = slots::order(fresh.iter().map(|e| e.0.as_slice()));
                    let mut places = vec![0; order.len()];
                    order.iter().enumerate().for_each(|(place, &i)| places[i] = place);
                    places
                };
                env.clear();
                env.resize_with(fresh.len(), Default::default);
                for (entry, &place) in fresh.into_iter().zip(&places) {
                    env[place] = entry;
                }
                self.env_order = (names, places);
            }
        }
        if !shell && let Some(value) = &self.env_shell {
            env.push((b"SHELL".to_vec(), value.clone()));
        }
        if !makelevel {
            env.push((b"MAKELEVEL".to_vec(), level));
        }
        Ok(())
    }
}

/// What tells a child that the jobserver's descriptors are not for it.
const INVALID_AUTH: &[u8] = b" --jobserver-auth=-2,-2";

fn has_auth(flags: &[u8]) -> bool {
    kiln_base::text::find(flags, b" --jobserver-auth=", 0).is_some()
}

/// MAKEFLAGS for a child that is no make: the last word on the jobserver, before the variables, is
/// that there is none.
fn without_jobserver(mut flags: Vec<u8>) -> Vec<u8> {
    if has_auth(&flags) {
        let at = kiln_base::text::find(&flags, b" -- ", 0).unwrap_or(flags.len());
        flags.splice(at..at, INVALID_AUTH.iter().copied());
    }
    flags
}
