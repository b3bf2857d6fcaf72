//! The few settings of a kernel's configuration that say what a tree can do.
//!
//! Reads `include/config/auto.conf` (what make includes) and `.config` alike, in one pass, keeping
//! only [`WANTED`]. It does not know what the settings mean.

use std::collections::BTreeMap;

/// The settings that are kept, sorted, without `CONFIG_`.
pub const WANTED: &[&str] = &[
    "64BIT",
    "ALPHA",
    "ARC",
    "ARM",
    "ARM64",
    "ASM_MODVERSIONS",
    "BASIC_MODVERSIONS",
    "CC_IS_CLANG",
    "CC_IS_GCC",
    "CC_VERSION_TEXT",
    "CLANG_VERSION",
    "CPU_BIG_ENDIAN",
    "CPU_LITTLE_ENDIAN",
    "CSKY",
    "DEBUG_INFO_BTF",
    "DEBUG_INFO_BTF_MODULES",
    "EXTENDED_MODVERSIONS",
    "GCC_PLUGINS",
    "GCC_VERSION",
    "GENDWARFKSYMS",
    "GENKSYMS",
    "HAVE_RUST",
    "HEXAGON",
    "IA64",
    "LD_IS_LLD",
    "LD_VERSION",
    "LOONGARCH",
    "M68K",
    "MICROBLAZE",
    "MIPS",
    "MODULES",
    "MODULE_COMPRESS",
    "MODULE_COMPRESS_ALL",
    "MODULE_COMPRESS_GZIP",
    "MODULE_COMPRESS_XZ",
    "MODULE_COMPRESS_ZSTD",
    "MODULE_SIG",
    "MODULE_SIG_ALL",
    "MODULE_SIG_FORCE",
    "MODULE_SIG_HASH",
    "MODULE_SIG_KEY",
    "MODVERSIONS",
    "NIOS2",
    "OBJTOOL",
    "OPENRISC",
    "PAHOLE_VERSION",
    "PARISC",
    "PPC",
    "PREEMPT_RT",
    "RISCV",
    "RUST",
    "RUSTC_VERSION",
    "RUSTC_VERSION_TEXT",
    "S390",
    "SPARC",
    "STACK_VALIDATION",
    "SUPERH",
    "UML",
    "UNWINDER_ORC",
    "X86",
    "XTENSA",
];

/// The settings of [`WANTED`] that a configuration sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<&'static str, String>,
}

impl Config {
    /// Reads `CONFIG_NAME=VALUE` lines; everything else (comments, damage) is passed over. Strings
    /// stand in quotes in `.config` and in the `auto.conf` of kernels before 5.16; the quotes and
    /// their backslashes are taken off.
    pub fn read(text: &[u8]) -> Config {
        let mut values = BTreeMap::new();
        for line in text.split(|b| *b == b'\n') {
            let Some(rest) = line.strip_prefix(b"CONFIG_") else { continue };
            let Some(equals) = rest.iter().position(|b| *b == b'=') else { continue };
            let Ok(name) = std::str::from_utf8(&rest[..equals]) else { continue };
            let Ok(at) = WANTED.binary_search(&name) else { continue };
            values.insert(WANTED[at], unquote(&rest[equals + 1..]));
        }
        Config { values }
    }

    /// Whether nothing was set at all, as in an empty file.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `y` or `m`.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some("y" | "m"))
    }

    /// The value without quotes; empty strings count as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(WANTED.contains(&name), "{name} is not kept");
        self.values.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The value as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

fn unquote(value: &[u8]) -> String {
    let value = value.trim_ascii();
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        other => return String::from_utf8_lossy(other).into_owned(),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            other => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(WANTED.is_sorted());
    }

    #[test]
    fn both_spellings_of_a_string() {
        for text in [
            "CONFIG_CC_VERSION_TEXT=\"gcc (Debian \\\"12\\\") 12.2.0\"\n",
            "CONFIG_CC_VERSION_TEXT=gcc (Debian \"12\") 12.2.0\n",
        ] {
            let config = Config::read(text.as_bytes());
            assert_eq!(config.get("CC_VERSION_TEXT"), Some("gcc (Debian \"12\") 12.2.0"));
        }
    }

    #[test]
    fn damage_is_passed_over() {
        let config = Config::read(
            b"\xff\n# CONFIG_RUST is not set\nCONFIG_\nCONFIG_X86=y\nCONFIG_MODULE_SIG_KEY=\"",
        );
        assert!(config.is_set("X86"));
        assert!(!config.is_set("RUST"));
        assert_eq!(config.get("MODULE_SIG_KEY"), Some("\""));
    }
}
