//! Writing `.mod.c`, the source of what is linked to every module, and its counterpart for the kernel.
//!
//! The parts and their order are the version's; this file knows the text of each. It does not check
//! anything but what only shows while writing: missing CRCs and names too long for a table.

use super::run::{Exit, Run};
use super::symbols::Symbol;
use super::text::{base_name, cat};
use super::versions::{Block, ExportLines, Words};

impl Run<'_> {
    /// Writes a module's `.mod.c`, if its content would change.
    pub(super) fn write_mod_c(&mut self, id: u32) -> Result<(), Exit> {
        let mut out = Vec::with_capacity(4096);
        for &block in self.flavor.mod_c {
            self.write_block(id, block, &mut out)?;
        }
        let name = self.modules[id as usize].name.clone();
        match self.path_with(&name, ".mod.c") {
            Some(path) => self.write_if_changed(&path, &out),
            None => Ok(()),
        }
    }

    fn write_block(&mut self, id: u32, block: Block, out: &mut Vec<u8>) -> Result<(), Exit> {
        match block {
            Block::Text(text) => out.extend_from_slice(text.as_bytes()),
            Block::Module => self.write_structure(id, out),
            Block::InTree if !self.options.external => {
                out.extend_from_slice(b"\nMODULE_INFO(intree, \"Y\");\n");
            }
            Block::InTree => {}
            Block::Below(directory, tag) => {
                if self.modules[id as usize].name.starts_with(directory.as_bytes()) {
                    out.extend_from_slice(&cat!["\nMODULE_INFO(", tag, ", \"Y\");\n"]);
                }
            }
            Block::Exports => self.write_exports(id, out)?,
            Block::Versions => {
                let by_m = self.flavor.versions_by_m && self.options.modversions;
                if by_m || self.options.basic_versions {
                    self.write_versions(id, out)?;
                }
            }
            Block::ExtendedVersions => {
                if self.options.extended_versions {
                    self.write_extended_versions(id, out)?;
                }
            }
            Block::Depends => self.write_depends(id, out)?,
            Block::Aliases => self.write_aliases(id, out)?,
            Block::SourceVersion => {
                if let Some(digits) = &self.modules[id as usize].srcversion {
                    out.extend_from_slice(&cat!["\nMODULE_INFO(srcversion, \"", digits, "\");\n"]);
                }
            }
        }
        Ok(())
    }

    fn write_structure(&self, id: u32, out: &mut Vec<u8>) {
        let module = &self.modules[id as usize];
        out.extend_from_slice(
            b"\n__visible struct module __this_module\n\
              __section(\".gnu.linkonce.this_module\") = {\n\t.name = KBUILD_MODNAME,\n",
        );
        if module.has_init {
            out.extend_from_slice(b"\t.init = init_module,\n");
        }
        if module.has_cleanup {
            out.extend_from_slice(
                b"#ifdef CONFIG_MODULE_UNLOAD\n\t.exit = cleanup_module,\n#endif\n",
            );
        }
        out.extend_from_slice(b"\t.arch = MODULE_ARCH_INIT,\n};\n");
    }

    fn kept_exports(&self, id: u32) -> Vec<u32> {
        let kept = |&export: &u32| !self.options.trim_unused || self.symbols.get(export).used;
        self.modules[id as usize].exports.iter().copied().filter(kept).collect()
    }

    fn write_exports(&mut self, id: u32, out: &mut Vec<u8>) -> Result<(), Exit> {
        let exports = self.kept_exports(id);
        if self.flavor.export_lines != ExportLines::CrcOnly {
            out.push(b'\n');
            for &export in &exports {
                for line in self.export_lines(self.symbols.get(export)) {
                    self.emit(out, &line)?;
                }
            }
        }
        if !self.options.modversions {
            return Ok(());
        }
        out.push(b'\n');
        for &export in &exports {
            let symbol = self.symbols.get(export);
            let name = self.texts.get(symbol.name).to_vec();
            let class = gpl_suffix(symbol);
            let crc = format!(", 0x{:08x}", symbol.crc);
            if !symbol.crc_valid {
                self.say_no_crc(id, &name);
            }
            let line = if self.flavor.export_lines == ExportLines::WithFlags {
                cat!["SYMBOL_CRC(", &name, &crc, ");\n"]
            } else {
                cat!["SYMBOL_CRC(", &name, &crc, ", \"", class, "\");\n"]
            };
            self.emit(out, &line)?;
        }
        Ok(())
    }

    fn export_lines(&self, symbol: &Symbol) -> Vec<Vec<u8>> {
        let name = self.texts.get(symbol.name);
        let kind = if symbol.is_function { "KSYMTAB_FUNC(" } else { "KSYMTAB_DATA(" };
        let namespace = cat![", \"", self.texts.get(symbol.namespace), "\");\n"];
        if self.flavor.export_lines == ExportLines::WithClass {
            return vec![cat![kind, name, ", \"", gpl_suffix(symbol), "\"", &namespace]];
        }
        let flags = if gpl_suffix(symbol).is_empty() { ", 0x00);\n" } else { ", 0x01);\n" };
        vec![cat![kind, name, &namespace], cat!["SYMBOL_FLAGS(", name, flags]]
    }

    /// The exports that a module's references mean, in the version's order.
    fn met_references(&self, id: u32) -> Vec<u32> {
        let module = &self.modules[id as usize];
        let met = module.references.iter().filter_map(|reference| reference.export);
        if self.flavor.newest_first { met.rev().collect() } else { met.collect() }
    }

    fn say_reference_without_crc(&mut self, id: u32, name: &[u8]) {
        if self.flavor.words >= Words::V7_3 {
            self.warn(Some(id), &cat!["symbol '", name, "' has no CRC!\n"]);
        } else {
            let text =
                cat!["\"", name, "\" [", &self.modules[id as usize].name, ".ko] has no CRC!\n"];
            self.warn(None, &text);
        }
    }

    fn say_too_long(&mut self, id: u32, name: &[u8]) {
        if self.flavor.words >= Words::V7_3 {
            self.error_unless(false, Some(id), &cat!["too long symbol '", name, "'\n"]);
        } else {
            let module = &self.modules[id as usize].name;
            let text = cat!["too long symbol \"", name, "\" [", module, ".ko]\n"];
            self.error_unless(false, None, &text);
        }
    }

    fn write_versions(&mut self, id: u32, out: &mut Vec<u8>) -> Result<(), Exit> {
        out.extend_from_slice(
            b"\nstatic const struct modversion_info ____versions[]\n\
              __used __section(\"__versions\") = {\n",
        );
        for (name, crc) in self.versions_of(id) {
            let Some(crc) = crc else {
                self.say_reference_without_crc(id, &name);
                continue;
            };
            if name.len() >= self.name_limit() {
                if self.options.extended_versions {
                    continue;
                }
                self.say_too_long(id, &name);
                break;
            }
            let crc = match (self.flavor.blank_padded_crc, crc) {
                // C's alternative form leaves the prefix off a zero.
                (true, 0) => format!("{:>8}", 0),
                (true, crc) => format!("{:>8}", format!("{crc:#x}")),
                (false, crc) => format!("0x{crc:08x}"),
            };
            self.emit(out, &cat!["\t{ ", &crc, ", \"", &name, "\" },\n"])?;
        }
        out.extend_from_slice(b"};\n");
        Ok(())
    }

    /// Names and CRCs of what a module refers to, under the names by which it refers to them.
    fn versions_of(&self, id: u32) -> Vec<(Vec<u8>, Option<u32>)> {
        let module = &self.modules[id as usize];
        let entry = |reference: &super::symbols::Reference| {
            let symbol = self.symbols.get(reference.export?);
            let crc = symbol.crc_valid.then_some(symbol.crc);
            Some((self.texts.get(reference.name).to_vec(), crc))
        };
        let entries = module.references.iter().filter_map(entry);
        if self.flavor.newest_first { entries.rev().collect() } else { entries.collect() }
    }

    fn write_extended_versions(&mut self, id: u32, out: &mut Vec<u8>) -> Result<(), Exit> {
        out.extend_from_slice(
            b"\nstatic const u32 ____version_ext_crcs[]\n\
              __used __section(\"__version_ext_crcs\") = {\n",
        );
        let entries = self.versions_of(id);
        for (name, crc) in &entries {
            match crc {
                Some(crc) => self.emit(out, format!("\t0x{crc:08x},\n").as_bytes())?,
                None => self.say_reference_without_crc(id, name),
            }
        }
        out.extend_from_slice(
            b"};\nstatic const char ____version_ext_names[]\n\
              __used __section(\"__version_ext_names\") =\n",
        );
        for (name, _) in entries.iter().filter(|entry| entry.1.is_some()) {
            self.emit(out, &cat!["\t\"", name, "\\0\"\n"])?;
        }
        out.extend_from_slice(b";\n");
        Ok(())
    }

    fn write_depends(&mut self, id: u32, out: &mut Vec<u8>) -> Result<(), Exit> {
        out.extend_from_slice(b"\nMODULE_INFO(depends, \"");
        let mut seen: Vec<u32> = Vec::new();
        for export in self.met_references(id) {
            let owner = self.symbols.get(export).module;
            let module = &self.modules[owner as usize];
            if module.is_vmlinux || seen.contains(&owner) {
                continue;
            }
            let comma = if seen.is_empty() { "" } else { "," };
            seen.push(owner);
            self.emit(out, &cat![comma, base_name(&module.name)])?;
        }
        out.extend_from_slice(b"\");\n");
        Ok(())
    }

    fn write_aliases(&mut self, id: u32, out: &mut Vec<u8>) -> Result<(), Exit> {
        out.push(b'\n');
        for alias in std::mem::take(&mut self.modules[id as usize].aliases) {
            self.emit(out, &cat!["MODULE_ALIAS(\"", &alias.text, "\");\n"])?;
        }
        Ok(())
    }

    /// Writes what the kernel itself exports, for linking it.
    pub(super) fn write_vmlinux_exports(&mut self, id: u32) -> Result<(), Exit> {
        let mut out = b"#include <linux/export-internal.h>\n".to_vec();
        self.write_exports(id, &mut out)?;
        if self.flavor.devices.keeps_builtin_aliases() {
            out.extend_from_slice(
                b"#include <linux/module.h>\n#undef __MODULE_INFO_PREFIX\n\
                  #define __MODULE_INFO_PREFIX\n",
            );
            for alias in std::mem::take(&mut self.modules[id as usize].aliases) {
                let module = alias.builtin.unwrap_or_default();
                let line = cat!["MODULE_INFO(", &module, ".alias, \"", &alias.text, "\");\n"];
                self.emit(&mut out, &line)?;
            }
        }
        self.write_if_changed(b".vmlinux.export.c", &out)
    }
}

fn gpl_suffix(symbol: &Symbol) -> &'static str {
    if symbol.class == super::symbols::Class::Gpl { "_gpl" } else { "" }
}
