//! Packages made by hand, honest and hostile.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A tar archive in the making.
#[derive(Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    pub fn member(mut self, name: &str, kind: u8, link: &str, data: &[u8]) -> Tar {
        if name.len() > 100 {
            self = self.member("././@LongLink", b'L', "", format!("{name}\0").as_bytes());
        }
        let mut block = [0u8; 512];
        let put = |block: &mut [u8; 512], at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(&mut block, 0, &name[..name.len().min(100)]);
        put(&mut block, 100, "0000644\0");
        put(&mut block, 108, "0000000\0");
        put(&mut block, 116, "0000000\0");
        put(&mut block, 124, &format!("{:011o}\0", data.len()));
        put(&mut block, 136, "14000000000\0");
        put(&mut block, 148, "        ");
        block[156] = kind;
        put(&mut block, 157, link);
        put(&mut block, 257, "ustar  \0");
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        put(&mut block, 148, &format!("{sum:06o}\0 "));
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: impl AsRef<[u8]>) -> Tar {
        self.member(name, b'0', "", data.as_ref())
    }

    pub fn dir(self, name: &str) -> Tar {
        self.member(name, b'5', "", b"")
    }

    pub fn link(self, name: &str, target: &str) -> Tar {
        self.member(name, b'2', target, b"")
    }

    pub fn hard(self, name: &str, target: &str) -> Tar {
        self.member(name, b'1', target, b"")
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A Debian package with this data archive, whose name ends in `end` (`.xz`).
pub fn deb(package: &str, depends: &str, data: &[u8], end: &str) -> Vec<u8> {
    let control =
        format!("Package: {package}\nVersion: 1\nArchitecture: amd64\nDepends: {depends}\n");
    let control = gz(&Tar::new().file("./control", control).finish());
    let mut out = b"!<arch>\n".to_vec();
    let data_name = format!("data.tar{end}");
    for (name, bytes) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), (&data_name, data)]
    {
        let size = bytes.len();
        out.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).as_bytes(),
        );
        out.extend_from_slice(bytes);
        if size % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// An rpm package with this (compressed) cpio payload.
pub fn rpm(name: &str, payload: &[u8]) -> Vec<u8> {
    let header = |entries: &[(u32, u32, Vec<u8>)]| {
        let mut store = Vec::new();
        let mut index = Vec::new();
        for (tag, kind, value) in entries {
            if *kind == 4 {
                store.resize(store.len().next_multiple_of(4), 0);
            }
            for word in [*tag, *kind, store.len() as u32, 1] {
                index.extend_from_slice(&word.to_be_bytes());
            }
            store.extend_from_slice(value);
        }
        let mut out = vec![0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
        out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
        out.extend_from_slice(&(store.len() as u32).to_be_bytes());
        out.extend(index);
        out.extend(store);
        out
    };
    let text = |s: &str| format!("{s}\0").into_bytes();
    let main = header(&[
        (1000, 6, text(name)),
        (1001, 6, text("6.4.0")),
        (1002, 6, text("1")),
        (1022, 6, text("x86_64")),
        (1124, 6, text("cpio")),
    ]);
    let size = (main.len() + payload.len()) as u32;
    let mut out = vec![0xed, 0xab, 0xee, 0xdb, 3, 0];
    out.resize(96, 0);
    out.extend(header(&[(1000, 4, size.to_be_bytes().to_vec())]));
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(main);
    out.extend_from_slice(payload);
    out
}

/// The three packages of a Debian kernel: variant, common, kbuild.
pub fn debian(version: &str) -> [Vec<u8>; 3] {
    let tree = format!("usr/src/linux-headers-{version}-amd64");
    let common = format!("usr/src/linux-headers-{version}-common");
    let kbuild = format!("usr/lib/linux-kbuild-{version}");
    let config = "CONFIG_X86=y\nCONFIG_64BIT=y\nCONFIG_MODULES=y\n";
    let variant = Tar::new()
        .dir("./")
        .dir("./usr/")
        .file(
            &format!("./{tree}/Makefile"),
            format!("KBUILD_OUTPUT=/{tree}\ninclude /{common}/Makefile\n"),
        )
        .file(&format!("./{tree}/include/config/auto.conf"), config)
        .file(&format!("./{tree}/include/generated/autoconf.h"), "")
        .file(
            &format!("./{tree}/include/generated/utsrelease.h"),
            format!("#define UTS_RELEASE \"{version}-amd64\"\n"),
        )
        .link(&format!("./{tree}/scripts"), &format!("/{kbuild}/scripts"))
        .link(&format!("./lib/modules/{version}-amd64/build"), &format!("/{tree}"))
        .finish();
    let makefile = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION =\n";
    let common_tar = Tar::new()
        .file(&format!("./{common}/Makefile"), makefile)
        .link(&format!("./{common}/scripts"), &format!("../../lib/linux-kbuild-{version}/scripts"))
        .finish();
    let kbuild_tar =
        Tar::new().file(&format!("./{kbuild}/scripts/Makefile.build"), "x:\n").finish();
    let needs = format!("linux-headers-{version}-common (= 1), linux-kbuild-{version}, gcc-12");
    [
        deb(&format!("linux-headers-{version}-amd64"), &needs, &xz(&variant), ".xz"),
        deb(&format!("linux-headers-{version}-common"), "", &zst(&common_tar), ".zst"),
        deb(&format!("linux-kbuild-{version}"), "libc6", &gz(&kbuild_tar), ".gz"),
    ]
}
