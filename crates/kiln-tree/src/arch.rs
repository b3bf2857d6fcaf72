//! Architectures as a table: how kernels, ELF files, `uname`, distributions and compilers call them.
//!
//! The only place where names of one world are turned into names of another. Knows no files.

use serde::Serialize;

use crate::config::Config;

/// One `arch/` directory of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The directory below `arch/` (kbuild's SRCARCH).
    pub srcarch: &'static str,
    /// The setting that only this architecture makes, without `CONFIG_`.
    config: &'static str,
    /// `e_machine` of its ELF files, 32 and 64 bits.
    machines: &'static [u16],
    /// Names given by `uname -m`, up to the first byte that differs between models.
    uname: &'static [&'static str],
    /// Its names in packages' names (`linux-headers-…-arm64`): Debian's, then rpm's.
    packages: &'static [&'static str],
}

/// Sorted by name.
pub const FAMILIES: &[Family] = &[
    family("alpha", "ALPHA", &[0x9026], &["alpha"], &["alpha"]),
    family("arc", "ARC", &[93, 195], &["arc"], &["arc"]),
    family("arm", "ARM", &[40], &["arm"], &["armhf", "armel", "armmp", "armv7hl"]),
    family("arm64", "ARM64", &[183], &["aarch64", "arm64"], &["arm64", "aarch64"]),
    family("csky", "CSKY", &[252], &["csky"], &["csky"]),
    family("hexagon", "HEXAGON", &[164], &["hexagon"], &["hexagon"]),
    family("ia64", "IA64", &[50], &["ia64"], &["ia64"]),
    family("loongarch", "LOONGARCH", &[258], &["loongarch"], &["loong64", "loongarch64"]),
    family("m68k", "M68K", &[4], &["m68k"], &["m68k"]),
    family("microblaze", "MICROBLAZE", &[189], &["microblaze"], &["microblaze"]),
    family("mips", "MIPS", &[8], &["mips"], &["mips64el", "mipsel"]),
    family("nios2", "NIOS2", &[113], &["nios2"], &["nios2"]),
    family("openrisc", "OPENRISC", &[92], &["openrisc", "or1k"], &["or1k"]),
    family("parisc", "PARISC", &[15], &["parisc"], &["hppa"]),
    family("powerpc", "PPC", &[20, 21], &["ppc", "powerpc"], &["ppc64el", "ppc64le"]),
    family("riscv", "RISCV", &[243], &["riscv"], &["riscv64"]),
    family("s390", "S390", &[22], &["s390"], &["s390x"]),
    family("sh", "SUPERH", &[42], &["sh"], &["sh4"]),
    family("sparc", "SPARC", &[2, 43], &["sparc"], &["sparc64"]),
    family(
        "x86",
        "X86",
        &[3, 62],
        &["x86_64", "i386", "i486", "i586", "i686"],
        &["amd64", "x86_64", "i386"],
    ),
    family("xtensa", "XTENSA", &[94], &["xtensa"], &["xtensa"]),
];

const fn family(
    srcarch: &'static str,
    config: &'static str,
    machines: &'static [u16],
    uname: &'static [&'static str],
    packages: &'static [&'static str],
) -> Family {
    Family { srcarch, config, machines, uname, packages }
}

impl Family {
    /// The family of this `arch/` directory.
    pub fn of_srcarch(name: &str) -> Option<&'static Family> {
        FAMILIES.iter().find(|f| f.srcarch == name)
    }

    /// The family that `uname -m` or Rust's `std::env::consts::ARCH` names.
    pub fn of_machine(name: &str) -> Option<&'static Family> {
        let known = FAMILIES.iter().filter(|f| f.uname.iter().any(|u| name.starts_with(u)));
        // `arm64` begins as `arm` does and `sh` is short: the longest beginning is meant.
        known.max_by_key(|f| {
            f.uname.iter().filter(|u| name.starts_with(*u)).map(|u| u.len()).max().unwrap_or(0)
        })
    }

    /// The family of an ELF file's `e_machine`.
    pub fn of_elf(machine: u16) -> Option<&'static Family> {
        FAMILIES.iter().find(|f| f.machines.contains(&machine))
    }

    /// Whether programs of this family are those of that ELF machine.
    pub fn runs(&self, machine: u16) -> bool {
        self.machines.contains(&machine)
    }

    /// The name that Debian's packages bear, for the usual variant.
    pub fn package_name(&self) -> &'static str {
        self.packages[0]
    }
}

/// What a tree is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Arch {
    /// The directory below `arch/`.
    pub srcarch: &'static str,
    /// 32 or 64.
    pub bits: u8,
    /// Most significant byte first.
    pub big_endian: bool,
    /// User-mode Linux: a kernel that is a program of the host.
    pub user_mode: bool,
}

impl Arch {
    /// What the configuration says; `dirs` are the directories below the tree's own `arch/` that
    /// have generated headers, for configurations that name no architecture.
    pub fn of_config(config: &Config, dirs: &[String]) -> Option<Arch> {
        let user_mode = config.is_set("UML");
        let family = FAMILIES
            .iter()
            .find(|f| config.is_set(f.config) || config.get(f.config).is_some())
            .or_else(|| match dirs {
                [only] => Family::of_srcarch(only),
                _ => None,
            })?;
        let always_64 = matches!(family.srcarch, "alpha" | "arm64" | "ia64");
        let bits = if config.is_set("64BIT") || always_64 { 64 } else { 32 };
        let big_by_nature =
            matches!(family.srcarch, "s390" | "sparc" | "m68k" | "parisc" | "openrisc")
                || (family.srcarch == "powerpc" && !config.is_set("CPU_LITTLE_ENDIAN"));
        let big_endian = big_by_nature || config.is_set("CPU_BIG_ENDIAN");
        Some(Arch { srcarch: family.srcarch, bits, big_endian, user_mode })
    }

    /// The row of the table.
    pub fn family(&self) -> &'static Family {
        // Values are only made from rows, so a row is always found.
        Family::of_srcarch(self.srcarch).unwrap_or(&FAMILIES[0])
    }

    /// What `make ARCH=` is to be given.
    pub fn make_arch(&self) -> &'static str {
        match (self.user_mode, self.srcarch, self.bits) {
            (true, ..) => "um",
            (_, "x86", 64) => "x86_64",
            (_, "x86", _) => "i386",
            (_, other, _) => other,
        }
    }

    /// The beginnings of the names of cross compilers for it, the most usual first, each ending in
    /// `-` as in `CROSS_COMPILE`.
    pub fn cross_prefixes(&self) -> Vec<String> {
        let names: &[&str] = match (self.srcarch, self.bits, self.big_endian) {
            ("x86", 64, _) => &["x86_64-linux-gnu-", "x86_64-redhat-linux-"],
            ("x86", ..) => &["i686-linux-gnu-", "x86_64-linux-gnu-"],
            ("arm64", ..) => &[
                "aarch64-linux-gnu-",
                "aarch64-suse-linux-",
                "aarch64-unknown-linux-gnu-",
                "aarch64-none-linux-gnu-",
            ],
            ("arm", ..) => &[
                "arm-linux-gnueabihf-",
                "arm-linux-gnueabi-",
                "arm-linux-gnu-",
                "arm-none-linux-gnueabihf-",
            ],
            ("riscv", 64, _) => &["riscv64-linux-gnu-", "riscv64-unknown-linux-gnu-"],
            ("powerpc", 64, false) => &["powerpc64le-linux-gnu-", "ppc64le-linux-gnu-"],
            ("powerpc", 64, true) => &["powerpc64-linux-gnu-", "ppc64-linux-gnu-"],
            ("powerpc", ..) => &["powerpc-linux-gnu-"],
            ("s390", ..) => &["s390x-linux-gnu-"],
            ("mips", 64, false) => &["mips64el-linux-gnuabi64-"],
            ("mips", 64, true) => &["mips64-linux-gnuabi64-"],
            ("mips", _, false) => &["mipsel-linux-gnu-"],
            ("mips", _, true) => &["mips-linux-gnu-"],
            ("loongarch", ..) => &["loongarch64-linux-gnu-", "loongarch64-unknown-linux-gnu-"],
            ("sparc", 64, _) => &["sparc64-linux-gnu-"],
            ("parisc", 64, _) => &["hppa64-linux-gnu-"],
            ("parisc", ..) => &["hppa-linux-gnu-"],
            ("m68k", ..) => &["m68k-linux-gnu-"],
            ("alpha", ..) => &["alpha-linux-gnu-"],
            ("sh", ..) => &["sh4-linux-gnu-"],
            _ => &[],
        };
        let mut out: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
        if out.is_empty() {
            out.push(format!("{}-linux-gnu-", self.srcarch));
        }
        // The prebuilt compilers of kernel.org have no vendor part for the C library.
        let bare = match self.srcarch {
            "arm64" => "aarch64-linux-",
            "x86" => "x86_64-linux-",
            "arm" => "arm-linux-gnueabi-",
            _ => return out,
        };
        if !out.iter().any(|n| n == bare) {
            out.push(bare.to_string());
        }
        out
    }

    /// Name for people: `arm64`, `x86_64`, `powerpc (64-bit, little-endian)`.
    pub fn name(&self) -> String {
        let endian = if self.big_endian { "big-endian" } else { "little-endian" };
        match self.srcarch {
            "x86" | "arm64" | "loongarch" | "s390" | "alpha" | "ia64" => {
                self.make_arch().to_string()
            }
            "powerpc" | "mips" => format!("{} ({}-bit, {endian})", self.make_arch(), self.bits),
            "riscv" | "sparc" | "parisc" => format!("{} ({}-bit)", self.make_arch(), self.bits),
            _ => self.make_arch().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_table_is_kept() {
        for family in FAMILIES {
            assert!(crate::config::WANTED.contains(&family.config), "{}", family.config);
        }
    }

    #[test]
    fn machines_by_their_longest_beginning() {
        let srcarch = |name| Family::of_machine(name).map(|f| f.srcarch);
        assert_eq!(srcarch("arm64"), Some("arm64"));
        assert_eq!(srcarch("armv7l"), Some("arm"));
        assert_eq!(srcarch("i686"), Some("x86"));
        assert_eq!(srcarch("ppc64le"), Some("powerpc"));
        assert_eq!(srcarch("vax"), None);
    }

    #[test]
    fn endianness_of_powerpc_is_said_by_its_little_setting() {
        let arch = |text: &[u8]| Arch::of_config(&Config::read(text), &[]).unwrap();
        let le = arch(b"CONFIG_PPC=y\nCONFIG_64BIT=y\nCONFIG_CPU_LITTLE_ENDIAN=y\n");
        assert_eq!(le.cross_prefixes()[0], "powerpc64le-linux-gnu-");
        let be = arch(b"CONFIG_PPC=y\n");
        assert_eq!(be.cross_prefixes()[0], "powerpc-linux-gnu-");
    }
}
