//! What is wrong with a module once everything is read: references that nothing meets, namespaces
//! that were not imported, licences, names that are too long. Also the messages about exports.
//!
//! It does not know how references and exports were found.

use super::run::{Exit, Run};
use super::symbols::{Class, Compatible, Text};
use super::text::{base_name, cat};
use super::versions::{Exports, Words};

impl Run<'_> {
    /// Checks one module, and notes which export each of its references means.
    pub(super) fn check_module(&mut self, id: u32) -> Result<(), Exit> {
        self.check_name_length(id);
        let count = self.modules[id as usize].references.len();
        for i in 0..count {
            let i = if self.flavor.newest_first { count - 1 - i } else { i };
            self.check_reference(id, i)?;
        }
        Ok(())
    }

    fn check_name_length(&mut self, id: u32) {
        let name = &self.modules[id as usize].name;
        if base_name(name).len() < self.name_limit() {
            return;
        }
        if self.flavor.words >= Words::V7_3 {
            self.error_unless(false, Some(id), b"module name is too long\n");
        } else {
            let text = cat!["module name is too long [", name, ".ko]\n"];
            self.error_unless(false, None, &text);
        }
    }

    /// Bytes of a name in the version table, its NUL included: what a table entry of 64 bytes has left
    /// beside a `long` of the target.
    pub(super) fn name_limit(&self) -> usize {
        if self.target_is_64 { 56 } else { 60 }
    }

    fn check_reference(&mut self, id: u32, index: usize) -> Result<(), Exit> {
        let reference = &self.modules[id as usize].references[index];
        let (text, weak) = (reference.name, reference.weak);
        let found = self.symbols.find(&self.texts, self.texts.get(text));
        let old = self.flavor.exports == Exports::AnyKsymtabSymbol;
        let is_own = |export| self.symbols.get(export).module == id;
        let Some(export) = found.filter(|&export| !(old && is_own(export))) else {
            if !weak && (!self.flavor.undefined_needs_vmlinux || self.have_vmlinux) {
                self.undefined = self.undefined.saturating_add(1);
                if self.flavor.undefined_limit.is_none_or(|limit| self.undefined <= limit) {
                    self.say_undefined(id, text);
                }
            }
            return Ok(());
        };
        if self.symbols.get(export).module == id {
            self.say_undefined_export(id, text);
            return Ok(());
        }
        self.symbols.get_mut(export).used = true;
        self.modules[id as usize].references[index].export = Some(export);
        self.check_namespace(id, export);
        let class = self.symbols.get(export).class;
        if self.modules[id as usize].compatible == Compatible::No {
            self.check_license(id, export, class)?;
        }
        if matches!(class, Class::Unused | Class::UnusedGpl) {
            let text = cat![
                "module ",
                base_name(&self.modules[id as usize].name),
                ".ko uses symbol '",
                self.texts.get(self.symbols.get(export).name),
                "' marked UNUSED\n",
            ];
            self.warn(None, &text);
        }
        Ok(())
    }

    fn check_namespace(&mut self, id: u32, export: u32) {
        let symbol = self.symbols.get(export);
        let namespace = self.texts.get(symbol.namespace);
        let module = &self.modules[id as usize];
        let base = base_name(&module.name);
        if namespace.is_empty()
            || module.imported.iter().any(|imported| imported == namespace)
            || (self.flavor.module_namespaces && lists_module(namespace, base))
        {
            return;
        }
        let name = self.texts.get(symbol.name);
        let only_warn = self.options.allow_missing_imports;
        let (about, text) = if self.flavor.words >= Words::V7_3 {
            let namespace = cat!["' from namespace '", namespace, "', but does not import it.\n"];
            (Some(id), cat!["module uses symbol '", name, &namespace])
        } else {
            let namespace = cat![" from namespace ", namespace, ", but does not import it.\n"];
            (None, cat!["module ", base, " uses symbol ", name, &namespace])
        };
        let namespace = namespace.to_vec();
        self.error_unless(only_warn, about, &text);
        let missing = &mut self.modules[id as usize].missing;
        if !missing.contains(&namespace) {
            missing.push(namespace);
        }
    }

    fn check_license(&mut self, id: u32, export: u32, class: Class) -> Result<(), Exit> {
        let symbol = self.texts.get(self.symbols.get(export).name);
        let base = base_name(&self.modules[id as usize].name);
        let text = |what: &str| {
            cat!["GPL-incompatible module ", base, ".ko uses ", what, " '", symbol, "'\n"]
        };
        match class {
            Class::Gpl if self.flavor.words >= Words::V7_3 => {
                let text = cat!["GPL-incompatible module uses GPL-only symbol '", symbol, "'\n"];
                self.error(Some(id), &text);
            }
            Class::Gpl if self.flavor.errors_stop_files => {
                let text = text("GPL-only symbol");
                self.error(None, &text);
            }
            Class::Gpl => {
                let text = text("GPL-only symbol");
                return Err(self.fatal(None, &text));
            }
            Class::UnusedGpl => {
                let text = text("GPL-only symbol marked UNUSED");
                return Err(self.fatal(None, &text));
            }
            Class::GplFuture => {
                let text = text("future GPL-only symbol");
                self.warn(None, &text);
            }
            Class::Plain | Class::Unused | Class::Unknown => {}
        }
        Ok(())
    }

    fn say_undefined(&mut self, id: u32, name: Text) {
        let name = self.texts.get(name);
        let module = &self.modules[id as usize].name;
        let only_warn = self.options.warn_undefined;
        if self.flavor.words >= Words::V7_3 {
            let text = cat!["symbol '", name, "' undefined!\n"];
            self.error_unless(only_warn, Some(id), &text);
        } else {
            let text = cat!["\"", name, "\" [", module, ".ko] undefined!\n"];
            self.error_unless(only_warn, None, &text);
        }
    }

    fn say_undefined_export(&mut self, id: u32, name: Text) {
        let name = self.texts.get(name);
        let module = &self.modules[id as usize].name;
        if self.flavor.words >= Words::V7_3 {
            let text = cat!["symbol '", name, "' was exported without definition\n"];
            self.error(Some(id), &text);
        } else {
            let text = cat!["\"", name, "\" [", module, ".ko] was exported without definition\n"];
            self.error(None, &text);
        }
    }

    pub(super) fn say_exported_twice(&mut self, id: u32, name: Text, owner: u32) {
        let name = self.texts.get(name);
        let owner = &self.modules[owner as usize];
        let before = cat!["' exported twice. Previous export was in ", &owner.name, owner.suffix()];
        if self.flavor.words >= Words::V7_3 {
            let text = cat!["symbol '", name, &before, "\n"];
            self.error(Some(id), &text);
        } else {
            let text = cat![&self.modules[id as usize].name, ": '", name, &before, "\n"];
            if self.flavor.errors_stop_files {
                self.error(None, &text);
            } else {
                self.warn(None, &text);
            }
        }
    }

    pub(super) fn say_common(&mut self, id: u32, name: &[u8]) {
        if self.flavor.words >= Words::V7_3 {
            self.warn(Some(id), &cat!["'", name, "' is COMMON symbol\n"]);
        } else {
            let module = &self.modules[id as usize].name;
            let text = cat!["\"", name, "\" [", module, "] is COMMON symbol\n"];
            self.warn(None, &text);
        }
    }

    /// An export has no CRC although versions are in use.
    pub(super) fn say_no_crc(&mut self, id: u32, name: &[u8]) {
        const FAILED: &str = " version generation failed, symbol will not be versioned.\n";
        let module = &self.modules[id as usize];
        let place = cat!["\" [", &module.name, module.suffix(), "]", FAILED];
        match self.flavor.words {
            Words::V5_10 => {
                let text = cat!["EXPORT symbol \"", name, &place];
                self.warn(None, &text);
            }
            Words::V6_1 | Words::V6_12 => {
                let hint = cat!["Is \"", name, "\" prototyped in <asm/asm-prototypes.h>?\n"];
                let text = cat!["EXPORT symbol \"", name, &place, &hint];
                self.warn(None, &text);
            }
            Words::V7_3 => {
                let hint = cat!["Is '", name, "' prototyped in <asm/asm-prototypes.h>?\n"];
                let text = cat!["EXPORT symbol '", name, "'", FAILED, &hint];
                self.warn(Some(id), &text);
            }
        }
    }
}

/// Whether a namespace `module:a,b*` lists this module. A star at the end of an entry stands for any
/// rest. Entries are compared from their start with as many bytes as the entry has.
fn lists_module(namespace: &[u8], module: &[u8]) -> bool {
    let Some(list) = namespace.strip_prefix(b"module:") else { return false };
    list.split(|&b| b == b',').enumerate().any(|(i, entry)| {
        match entry.strip_suffix(b"*") {
            Some(prefix) => module.starts_with(prefix),
            // Nothing follows the last comma, and then there is no last entry.
            None => entry == module && !(i > 0 && entry.is_empty()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::lists_module;

    #[test]
    fn module_lists() {
        for (namespace, module, want) in [
            ("module:a,b", "b", true),
            ("module:a,b", "bc", false),
            ("module:a,b*", "bc", true),
            ("module:*", "x", true),
            ("module:a", "", false),
            ("MODULE", "a", false),
        ] {
            assert_eq!(lists_module(namespace.as_bytes(), module.as_bytes()), want, "{namespace}");
        }
    }
}
