//! Private keys: PEM in, a signature of a digest out.
//!
//! Forms: PKCS#8 (plain or behind a passphrase), PKCS#1 for RSA and SEC 1 for elliptic curves. It does
//! not know what the signature stands in.

use super::der::{BIT_STRING, INTEGER, NULL, OCTET_STRING, OID, Reader, SEQUENCE, context, value};
use super::digest::Algorithm;
use super::pem;
use p256::ecdsa::signature::hazmat::{PrehashSigner, RandomizedPrehashSigner};
use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};

/// `rsaEncryption`.
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// `id-ecPublicKey`.
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];

/// A key that can sign.
pub(super) enum Key {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// No block of the text is a private key of a known form.
    NoKey,
    /// The key is behind a passphrase, and there is none or another.
    Passphrase,
    /// The bytes are no key, or a kind that is not known here.
    Unknown,
}

impl Key {
    /// The first private key of a PEM text.
    pub(super) fn from_pem(text: &[u8], passphrase: Option<&[u8]>) -> Result<Self, Problem> {
        for block in pem::blocks(text) {
            if !block.label.ends_with(b"PRIVATE KEY") {
                continue;
            }
            let content = block.content.ok_or(Problem::Unknown)?;
            return match block.label {
                b"PRIVATE KEY" => return pkcs8(&content),
                b"RSA PRIVATE KEY" => pkcs1(&content),
                b"EC PRIVATE KEY" => sec1(&content, None),
                b"ENCRYPTED PRIVATE KEY" => {
                    let passphrase = passphrase.ok_or(Problem::Passphrase)?;
                    let sealed = pkcs8::EncryptedPrivateKeyInfo::try_from(content.as_slice());
                    let opened = sealed.map_err(|_| Problem::Unknown)?.decrypt(passphrase);
                    return pkcs8(opened.map_err(|_| Problem::Passphrase)?.as_bytes());
                }
                _ => None,
            }
            .ok_or(Problem::Unknown);
        }
        Err(Problem::NoKey)
    }

    /// The AlgorithmIdentifier of a signature by this key over this digest.
    pub(super) fn algorithm(&self, digest: &Algorithm) -> Vec<u8> {
        match self {
            Key::Rsa(_) => value(SEQUENCE, &[&value(OID, &[RSA]), &value(NULL, &[])]),
            _ => value(SEQUENCE, &[&value(OID, &[digest.with_ecdsa])]),
        }
    }

    /// Whether the same input gives the same signature under every implementation.
    pub(super) fn is_deterministic(&self) -> bool {
        matches!(self, Key::Rsa(_))
    }

    /// Whether this is the private half of a certificate's key (the content of its
    /// SubjectPublicKeyInfo).
    pub(super) fn belongs_to(&self, public: &[u8]) -> bool {
        let mut info = Reader::new(public);
        let Some(mut algorithm) = info.within(SEQUENCE) else { return false };
        let kind = algorithm.content(OID);
        let curve = algorithm.content(OID);
        let Some((0, bits)) = info.content(BIT_STRING).and_then(<[u8]>::split_first) else {
            return false;
        };
        match self {
            Key::Rsa(key) => {
                use rsa::traits::PublicKeyParts;
                let number = |r: &mut Reader<'_>| r.content(INTEGER).map(BigUint::from_bytes_be);
                let mut inner = Reader::new(bits).within(SEQUENCE);
                let modulus = inner.as_mut().and_then(number);
                let exponent = inner.as_mut().and_then(number);
                kind == Some(RSA)
                    && modulus.as_ref() == Some(key.n())
                    && exponent.as_ref() == Some(key.e())
            }
            Key::P256(key) => {
                let own = key.verifying_key().to_encoded_point(false);
                kind == Some(EC) && curve == Some(P256) && own.as_bytes() == bits
            }
            Key::P384(key) => {
                let own = key.verifying_key().to_encoded_point(false);
                kind == Some(EC) && curve == Some(P384) && own.as_bytes() == bits
            }
            Key::P521(key) => {
                let own = p521::ecdsa::VerifyingKey::from(key).to_encoded_point(false);
                kind == Some(EC) && curve == Some(P521) && own.as_bytes() == bits
            }
        }
    }

    /// Signs a digest: PKCS#1 v1.5 with RSA, a DER pair of numbers with ECDSA.
    pub(super) fn sign(&self, digest: &Algorithm, sum: &[u8]) -> Option<Vec<u8>> {
        // A digest shorter than the curve's numbers is the same number with zeros in front.
        let wide = |size: usize| {
            let mut wide = vec![0; size.saturating_sub(sum.len())];
            wide.extend_from_slice(sum);
            wide
        };
        Some(match self {
            Key::Rsa(key) => {
                let name = value(SEQUENCE, &[&value(OID, &[digest.oid]), &value(NULL, &[])]);
                // DigestInfo without the digest itself, which comes last in it.
                let mut prefix = value(SEQUENCE, &[&name, &value(OCTET_STRING, &[sum])]);
                prefix.truncate(prefix.len() - sum.len());
                let padding = Pkcs1v15Sign { hash_len: Some(sum.len()), prefix: prefix.into() };
                key.sign_with_rng(&mut rand_core::OsRng, padding, sum).ok()?
            }
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&wide(32)).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            Key::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&wide(48)).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            Key::P521(key) => {
                let signature: p521::ecdsa::Signature =
                    key.sign_prehash_with_rng(&mut rand_core::OsRng, &wide(66)).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
        })
    }
}

/// PrivateKeyInfo (RFC 5208).
fn pkcs8(bytes: &[u8]) -> Result<Key, Problem> {
    let parse = || {
        let mut info = Reader::new(bytes).within(SEQUENCE)?;
        info.content(INTEGER)?;
        let mut algorithm = info.within(SEQUENCE)?;
        let key = info.content(OCTET_STRING)?;
        match algorithm.content(OID)? {
            RSA => pkcs1(key),
            EC => sec1(key, Some(algorithm.content(OID)?)),
            _ => None,
        }
    };
    parse().ok_or(Problem::Unknown)
}

/// RSAPrivateKey (RFC 8017).
fn pkcs1(bytes: &[u8]) -> Option<Key> {
    let mut numbers = Reader::new(bytes).within(SEQUENCE)?;
    if numbers.content(INTEGER)? != [0] {
        return None;
    }
    let mut number = || numbers.content(INTEGER).map(BigUint::from_bytes_be);
    let (n, e, d, p, q) = (number()?, number()?, number()?, number()?, number()?);
    // A larger modulus than any that is used; the time that a number of a key takes is bounded so.
    if n.bits() > 16_384 {
        return None;
    }
    RsaPrivateKey::from_components(n, e, d, vec![p, q]).ok().map(|key| Key::Rsa(Box::new(key)))
}

/// ECPrivateKey (RFC 5915); the curve may be named outside of it.
fn sec1(bytes: &[u8], curve: Option<&[u8]>) -> Option<Key> {
    let mut fields = Reader::new(bytes).within(SEQUENCE)?;
    if fields.content(INTEGER)? != [1] {
        return None;
    }
    let number = fields.content(OCTET_STRING)?;
    let own = fields.within(context(0)).and_then(|mut inner| inner.content(OID));
    Some(match own.or(curve)? {
        P256 => Key::P256(p256::ecdsa::SigningKey::from_slice(number).ok()?),
        P384 => Key::P384(p384::ecdsa::SigningKey::from_slice(number).ok()?),
        P521 => Key::P521(p521::ecdsa::SigningKey::from_slice(number).ok()?),
        _ => return None,
    })
}
