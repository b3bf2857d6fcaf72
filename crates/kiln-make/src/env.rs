//! The environment: taken in at the start, and made for children.

use rustc_hash::FxHashMap;

use kiln_base::Name;

use crate::db::FileId;
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
            self.env_recursion += 1;
        }
        let result = self.build_environment(f, recursive);
        if f.is_none() {
            self.env_recursion -= 1;
        }
        result
    }

    fn build_environment(
        &mut self,
        f: Option<FileId>,
        recursive: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let scope = f.and_then(|f| self.files[f].variables).unwrap_or(self.scope);
        // From the most specific set to the least: the first one met is kept, but may take over
        // whether it is exported from an outer one.
        let mut order: Vec<VarId> = Vec::new();
        let mut slot: FxHashMap<Name, usize> = FxHashMap::default();
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
                match slot.get(&var.name) {
                    None => {
                        if !global || self.should_export(v) {
                            slot.insert(var.name, order.len());
                            order.push(v);
                        }
                    }
                    Some(&i) => {
                        let export = var.export;
                        let mine = &mut self.vars[order[i]];
                        if mine.export == Export::Default {
                            mine.export = export;
                        }
                    }
                }
            }
            at = self.vars.next(s).0;
        }
        let invalid_auth = !recursive
            && self.opts.jobserver_auth.as_ref().is_some_and(|a| !a.starts_with(b"fifo:"));
        let level = (self.level + 1).to_string().into_bytes();
        let mut env = Vec::with_capacity(order.len() + 2);
        let mut names = Vec::with_capacity(order.len());
        let (mut shell, mut makelevel) = (self.env_shell.is_none(), false);
        for v in order {
            if !self.should_export(v) {
                continue;
            }
            let var = &self.vars[v];
            names.push(var.name);
            let name = self.names.bytes(var.name).to_vec();
            let from_env = matches!(var.origin, Origin::Environment | Origin::EnvOverride);
            let origin = var.origin;
            let mut value = if var.recursive && (!from_env || name == b"MAKEFLAGS") {
                let mut out = Vec::new();
                let scope = f.and_then(|f| self.files[f].variables);
                self.expand_recursive(v, scope, &mut out)?;
                out
            } else {
                var.value.to_vec()
            };
            match name.as_slice() {
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
            env.push((name, value));
        }
        // From one command to the next, the same names go out as a rule.
        if self.env_order.0 != names {
            let order = slots::order(env.iter().map(|e| e.0.as_slice()));
            self.env_order = (names, order);
        }
        let mut sorted = Vec::with_capacity(env.len() + 2);
        sorted.extend(self.env_order.1.iter().map(|&i| std::mem::take(&mut env[i])));
        let mut env: Vec<(Vec<u8>, Vec<u8>)> = sorted;
        if !shell && let Some(value) = &self.env_shell {
            env.push((b"SHELL".to_vec(), value.clone()));
        }
        if !makelevel {
            env.push((b"MAKELEVEL".to_vec(), level));
        }
        Ok(env)
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
