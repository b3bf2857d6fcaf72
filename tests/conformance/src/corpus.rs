//! Modules that nobody here wrote, unmodified, as Debian packages them. The table holds facts only:
//! where a package is in a Debian mirror's pool, its checksum, and how its module is built.

use std::path::PathBuf;

use kiln_testkit::{Case, cache, fetch};

/// A package with a module's source.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// The binary package's name.
    pub name: &'static str,
    /// Below a mirror's top.
    pub pool_path: &'static str,
    /// Of the package file.
    pub sha256: &'static str,
    /// Run once before, without `make`; may be empty.
    pub before: &'static str,
    /// Run in the module's directory.
    pub command: &'static str,
    /// Part of every run; the others only of long ones.
    pub quick: bool,
}

/// What DKMS's usual command is.
const PLAIN: &str = "make -j2 KERNELRELEASE=$KVER -C $KDIR M=$DIR";

/// The packages, by name.
pub const PACKAGES: &[Package] = &[
    Package {
        name: "acpi-call-dkms",
        pool_path: "pool/main/a/acpi-call/acpi-call-dkms_1.2.2-2.1_all.deb",
        sha256: "cc37a02230559935661d16cda513b66de79efe2eec26035382fb40158f06e7bc",
        before: "",
        command: PLAIN,
        quick: true,
    },
    Package {
        name: "apfs-dkms",
        pool_path: "pool/main/l/linux-apfs-rw/apfs-dkms_0.3.13-1_all.deb",
        sha256: "c7923c597e81979dc8f9246586129e024bdecdd0306c65eff44a048825083c24",
        before: "./genver.sh",
        command: PLAIN,
        quick: false,
    },
    Package {
        name: "bbswitch-dkms",
        pool_path: "pool/main/b/bbswitch/bbswitch-dkms_0.8-17_amd64.deb",
        sha256: "5d6df50a508f031b677eb30508aa04f72e274bcc53af11c8a91374fd01081d3c",
        before: "",
        command: PLAIN,
        quick: true,
    },
    Package {
        name: "ddcci-dkms",
        pool_path: "pool/main/d/ddcci-driver-linux/ddcci-dkms_0.4.5-1_all.deb",
        sha256: "92c4defa883be25a336da5ed25122d06aaf86990ceda61d4ecccf154a289f03e",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER KVER=$KVER -C $DIR",
        quick: true,
    },
    Package {
        name: "digimend-dkms",
        pool_path: "pool/main/d/digimend-dkms/digimend-dkms_13-4_amd64.deb",
        sha256: "8d835304ddd1561b4b492c3f406c16f762c68f4422d89f7d79b4f395b6fc299a",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER KVERSION=$KVER",
        quick: false,
    },
    Package {
        name: "dkms-test-dkms",
        pool_path: "pool/main/d/dkms/dkms-test-dkms_3.2.2-1~deb13u1_all.deb",
        sha256: "895834858f44c6a5da2e8a7f73776c83caa249975fe65abd33882739d28e5d29",
        before: "",
        command: PLAIN,
        quick: true,
    },
    Package {
        name: "dm-writeboost-dkms",
        pool_path: "pool/main/d/dm-writeboost/dm-writeboost-dkms_2.2.18-0.1_all.deb",
        sha256: "5a16385af12a6ee48e70b1823cb88ef21d9a88950241e73ac46c00ce47af8b78",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER all KERNEL_TREE=$KDIR",
        quick: false,
    },
    Package {
        name: "dpdk-kmods-dkms",
        pool_path: "pool/main/d/dpdk-kmods/dpdk-kmods-dkms_0~20230205+git-2_amd64.deb",
        sha256: "153e5d2fddd9bef4fe68cd7d5c9c1fe6c6ee9c25c99273f54c64997e22307f80",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER -C $KDIR M=$DIR MODULE_CFLAGS='-fno-PIE' modules",
        quick: true,
    },
    Package {
        name: "evdi-dkms",
        pool_path: "pool/main/e/evdi/evdi-dkms_1.14.8+dfsg-1_all.deb",
        sha256: "0c006c0852a464c850a610c0fa4a602caa42b8b48e14d5a591e7dcadbccc46b1",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER -C $KDIR M=$DIR DKMS_BUILD=1",
        quick: false,
    },
    Package {
        name: "jool-dkms",
        pool_path: "pool/main/j/jool/jool-dkms_4.1.13-1.1_all.deb",
        sha256: "813e45be2a81b363245623e7cbe1f5483da643df22018194880a661c8046c634",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER -C $KDIR M=$DIR/src/mod/common modules && make -C $KDIR M=$DIR/src/mod/nat64 modules && make -C $KDIR M=$DIR/src/mod/siit modules",
        quick: false,
    },
    Package {
        name: "lime-forensics-dkms",
        pool_path: "pool/main/l/lime-forensics/lime-forensics-dkms_1.9.1-8_all.deb",
        sha256: "9b91917a1e49f802d5164231ab3cd32e6be4017d7064986f1d8f8ddf47e52363",
        before: "",
        command: PLAIN,
        quick: false,
    },
    Package {
        name: "openvpn-dco-dkms",
        pool_path: "pool/main/o/openvpn-dco-dkms/openvpn-dco-dkms_0.0+git20241121-1+deb13u1_all.deb",
        sha256: "e5c25ac57f38f2cfd09202a220ae0e87c1351ea095d45722e1242fd31fd98b9c",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER VER=$KVER KERNEL_SRC=$KDIR REVISION=0.0+git20241121",
        quick: false,
    },
    Package {
        name: "rapiddisk-dkms",
        pool_path: "pool/main/r/rapiddisk/rapiddisk-dkms_9.2.0-1_all.deb",
        sha256: "17bfa6d2c7c722149df66fb973904283acac3bb8bd0394d66c965f7ead2b973e",
        before: "",
        command: PLAIN,
        quick: false,
    },
    Package {
        name: "tp-smapi-dkms",
        pool_path: "pool/main/t/tp-smapi/tp-smapi-dkms_0.44-1.2_amd64.deb",
        sha256: "e0bc9011edf0f422b8bfef8eee982e2796e0288b9e322c703475f48cd4a388b0",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER -C $KDIR M=$DIR HDAPS=1",
        quick: true,
    },
    Package {
        name: "v4l2loopback-dkms",
        pool_path: "pool/main/v/v4l2loopback/v4l2loopback-dkms_0.15.0-2_all.deb",
        sha256: "d9b768037e28852070d31af3376d90c8b448f9807de29d664587082bb7784cd4",
        before: "",
        command: "make -j2 KERNELRELEASE=$KVER KERNEL_DIR=$KDIR v4l2loopback",
        quick: true,
    },
    Package {
        name: "vhba-dkms",
        pool_path: "pool/main/v/vhba-module/vhba-dkms_20250329-1_all.deb",
        sha256: "fc5b841f8e0c8dc3ac153e70bf7fd60b8e42b447422dee3155003b2af726da70",
        before: "",
        command: PLAIN,
        quick: false,
    },
];

/// A case for each package: built, built again with nothing to do.
pub fn cases() -> Vec<Case> {
    let mut list = Vec::new();
    for p in PACKAGES {
        let mut case = Case::new(&format!("corpus/{}", p.name)).package(p.name);
        if !p.before.is_empty() {
            case = case.prepare(p.before);
        }
        case = case.run(p.command).run(p.command);
        list.push(if p.quick { case } else { case.long() });
    }
    list
}

/// The folder with the package's module source, fetched and unpacked where that has not been done.
/// Packages are only unpacked, never installed.
///
/// # Errors
/// In words.
pub fn source(package: &Package) -> Result<PathBuf, String> {
    let deb = fetch::pool_file(package.pool_path, package.sha256)?;
    let digits = package.sha256.get(..12).unwrap_or(package.sha256);
    let dir = cache::dir().join("packages").join(format!("{}-{digits}", package.name));
    let lock = cache::dir().join("packages.lock");
    let _lock = cache::lock(&lock).map_err(|e| e.to_string())?;
    fetch::unpack_deb(&deb, &dir)?;
    let sources = std::fs::read_dir(dir.join("usr/src")).map_err(|e| e.to_string())?;
    sources
        .filter_map(Result::ok)
        .map(|e| e.path())
        .find(|p| p.join("dkms.conf").exists())
        .ok_or_else(|| format!("{}: no folder with a dkms.conf", package.name))
}
