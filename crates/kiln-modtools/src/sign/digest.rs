//! The digests that a module can be signed with, and the numbers by which signatures name them.
//!
//! It does not know what is digested.

use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

/// One digest.
#[derive(Debug)]
pub(super) struct Algorithm {
    /// What `CONFIG_MODULE_SIG_HASH` calls it; letters of either case are the same.
    name: &'static str,
    /// Its object identifier, as DER's content.
    pub(super) oid: &'static [u8],
    /// That of ECDSA with it.
    pub(super) with_ecdsa: &'static [u8],
    sum: fn(&[u8]) -> Vec<u8>,
}

fn sum<D: Digest>(data: &[u8]) -> Vec<u8> {
    D::digest(data).to_vec()
}

/// NIST's arcs for digests and for signatures (2.16.840.1.101.3.4.2 and .3), X9.62's for ECDSA.
macro_rules! row {
    ($name:literal, $type:ty, nist $digest:literal, x962 $ecdsa:literal) => {
        Algorithm {
            name: $name,
            oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, $digest],
            with_ecdsa: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, $ecdsa],
            sum: sum::<$type>,
        }
    };
    ($name:literal, $type:ty, nist $digest:literal, nist $ecdsa:literal) => {
        Algorithm {
            name: $name,
            oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, $digest],
            with_ecdsa: &[0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 3, $ecdsa],
            sum: sum::<$type>,
        }
    };
}

static ALGORITHMS: [Algorithm; 9] = [
    Algorithm {
        name: "sha1",
        oid: &[0x2b, 0x0e, 3, 2, 0x1a],
        with_ecdsa: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
        sum: sum::<Sha1>,
    },
    row!("sha224", Sha224, nist 4, x962 1),
    row!("sha256", Sha256, nist 1, x962 2),
    row!("sha384", Sha384, nist 2, x962 3),
    row!("sha512", Sha512, nist 3, x962 4),
    row!("sha3-224", Sha3_224, nist 7, nist 9),
    row!("sha3-256", Sha3_256, nist 8, nist 10),
    row!("sha3-384", Sha3_384, nist 9, nist 11),
    row!("sha3-512", Sha3_512, nist 10, nist 12),
];

impl Algorithm {
    /// The digest of this name.
    pub(super) fn named(name: &[u8]) -> Option<&'static Self> {
        ALGORITHMS.iter().find(|row| name.eq_ignore_ascii_case(row.name.as_bytes()))
    }

    /// The digest of some data.
    pub(super) fn sum(&self, data: &[u8]) -> Vec<u8> {
        (self.sum)(data)
    }
}
