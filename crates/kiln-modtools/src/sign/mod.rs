//! sign-file: a signature appended to a module (`scripts/sign-file.c` of the kernel).
//!
//! The signature is a CMS SignedData (RFC 5652) of one signer, without the content, without
//! certificates and without attributes: what is signed is the module's digest itself. Behind it stand
//! twelve bytes that say how long it is, and a line that the kernel looks for
//! (`include/linux/module_signature.h`).
//!
//! With RSA the bytes are those of the original, which asks OpenSSL. An ECDSA signature is another one
//! every time there, so the two can only be checked, not compared. Keys that are not in a file
//! (`pkcs11:`), digests and curves beyond the tables, and everything that fails are left to the
//! original, whose messages are OpenSSL's.

mod cert;
mod der;
mod digest;
mod key;
mod pem;

use crate::Host;
use crate::getopt::{Grammar, Piece, pieces};
use cert::Certificate;
use der::{INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context, value};
use digest::Algorithm;
use key::{Key, Problem};

const USAGE: &[u8] =
    b"Usage: scripts/sign-file [-dp] <hash algo> <key> <x509> <module> [<dest>]\n       \
      scripts/sign-file -s <raw sig> <hash algo> <x509> <module> [<dest>]\n";

const GRAMMAR: Grammar<'_> = Grammar { program: "sign-file", letters: b"sdpk", long: &[] };

/// The line at the end of a signed module.
const MARKER: &[u8] = b"~Module signature appended~\n";

/// `PKEY_ID_PKCS7` of the kernel's `struct module_signature`.
const ID_TYPE: u8 = 2;

/// `pkcs7-data` and `pkcs7-signedData`.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];

/// The environment variable with the passphrase of the key.
const PIN: &[u8] = b"KBUILD_SIGN_PIN";

/// The switches.
#[derive(Clone, Copy, Default)]
struct Switches {
    raw: bool,
    save: bool,
    only: bool,
    by_key_identifier: bool,
}

/// sign-file by its own name.
pub fn main(args: &[Vec<u8>], host: &mut dyn Host) -> i32 {
    let (switches, operands) = match parse(args, host) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            // The original begins with the name by which it was called.
            host.beyond();
            host.stderr(&complaint);
            host.stderr(USAGE);
            return 2;
        }
    };
    let (first, second, certificate, module, dest) = match operands.as_slice() {
        [a, b, c, d] => (a, b, c, d, None),
        [a, b, c, d, e] => (a, b, c, d, Some(*e).filter(|e| e != d)),
        _ => {
            host.stderr(USAGE);
            return 2;
        }
    };
    let result = if switches.raw {
        attach(first, module, dest, host)
    } else {
        sign(switches, [first, second, certificate, module], dest, host)
    };
    match result {
        Ok(()) => 0,
        Err(message) => {
            host.beyond();
            host.stderr(&[b"sign-file: ", message.as_slice(), b"\n"].concat());
            1
        }
    }
}

fn parse<'a>(
    args: &'a [Vec<u8>],
    host: &dyn Host,
) -> Result<(Switches, Vec<&'a Vec<u8>>), Vec<u8>> {
    let mut switches = Switches::default();
    let mut operands = Vec::new();
    for piece in pieces(GRAMMAR, args, host) {
        match piece {
            Piece::Option(b's', _) => switches.raw = true,
            Piece::Option(b'p', _) => switches.save = true,
            Piece::Option(b'd', _) => (switches.only, switches.save) = (true, true),
            Piece::Option(..) => switches.by_key_identifier = true,
            Piece::Operand(word) => operands.push(word),
            Piece::Wrong(message) => return Err(message),
        }
    }
    Ok((switches, operands))
}

type Done = Result<(), Vec<u8>>;

fn say(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn read(path: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Vec<u8>> {
    host.read(path).map_err(|error| say(&[path, b": ", crate::errno::text(&error).as_bytes()]))
}

/// Appends a signature that was made elsewhere.
fn attach(raw: &[u8], module: &[u8], dest: Option<&Vec<u8>>, host: &mut dyn Host) -> Done {
    let content = read(module, host)?;
    let signature = read(raw, host)?;
    append(content, &signature, module, dest, host)
}

fn sign(
    switches: Switches,
    [digest, key, certificate, module]: [&Vec<u8>; 4],
    dest: Option<&Vec<u8>>,
    host: &mut dyn Host,
) -> Done {
    if key.starts_with(b"pkcs11:") {
        return Err(say(&[key, b": keys of PKCS#11 are for the tree's own sign-file"]));
    }
    let content = read(module, host)?;
    let passphrase = host.env(PIN);
    let name = key;
    let key = Key::from_pem(&read(key, host)?, passphrase.as_deref()).map_err(|problem| {
        let why: &[u8] = match problem {
            Problem::NoKey => b": no private key in PEM",
            Problem::Passphrase => b": the passphrase in KBUILD_SIGN_PIN does not open this key",
            Problem::Unknown => b": not a private key of a kind that is known here",
        };
        say(&[name, why])
    })?;
    let file = read(certificate, host)?;
    let signer =
        Certificate::read(&file).ok_or_else(|| say(&[certificate, b": not a certificate"]))?;
    if !key.belongs_to(&signer.public) {
        return Err(say(&[certificate, b": the certificate of another key"]));
    }
    let digest = Algorithm::named(digest)
        .ok_or_else(|| say(&[digest, b": not a digest that is known here"]))?;
    if !key.is_deterministic() && !host.takes_chance() {
        return Err(b"a signature with this key cannot be compared".to_vec());
    }
    let signature = message(&key, &signer, digest, switches.by_key_identifier, &content)?;
    if switches.save {
        put(&say(&[module, b".p7s"]), &signature, host)?;
    }
    if switches.only {
        return Ok(());
    }
    append(content, &signature, module, dest, host)
}

/// The signed message about some content.
fn message(
    key: &Key,
    signer: &Certificate,
    digest: &Algorithm,
    by_key_identifier: bool,
    content: &[u8],
) -> Result<Vec<u8>, Vec<u8>> {
    let signature = key.sign(digest, &digest.sum(content));
    let signature = signature.ok_or_else(|| b"the key is too small for this digest".to_vec())?;
    let (version, who) = if by_key_identifier {
        let id = signer.key_identifier.as_deref();
        let id = id.ok_or_else(|| b"the certificate has no subject key identifier".to_vec())?;
        // Implicitly tagged: a primitive value.
        (3, value(context(0) & !0x20, &[id]))
    } else {
        (1, value(SEQUENCE, &[&signer.issuer, &signer.serial]))
    };
    let version = value(INTEGER, &[&[version]]);
    let digest_name = value(SEQUENCE, &[&value(OID, &[digest.oid])]);
    let info = value(
        SEQUENCE,
        &[
            &version,
            &who,
            &digest_name,
            &key.algorithm(digest),
            &value(OCTET_STRING, &[&signature]),
        ],
    );
    let data = value(
        SEQUENCE,
        &[
            &version,
            &value(SET, &[&digest_name]),
            &value(SEQUENCE, &[&value(OID, &[DATA])]),
            &value(SET, &[&info]),
        ],
    );
    Ok(value(SEQUENCE, &[&value(OID, &[SIGNED_DATA]), &value(context(0), &[&data])]))
}

/// Writes the module with its signature: in the module's place by way of a file beside it, or to
/// where it was asked for.
fn append(
    mut content: Vec<u8>,
    signature: &[u8],
    module: &[u8],
    dest: Option<&Vec<u8>>,
    host: &mut dyn Host,
) -> Done {
    content.extend_from_slice(signature);
    // Algorithm, digest, kind, lengths of signer and key identifier, padding, length of the signature.
    content.extend_from_slice(&[0, 0, ID_TYPE, 0, 0, 0, 0, 0]);
    content.extend_from_slice(&(signature.len() as u32).to_be_bytes());
    content.extend_from_slice(MARKER);
    match dest {
        Some(dest) => put(dest, &content, host),
        None => {
            let beside = say(&[module, b".~signed~"]);
            let done = host.replace(&beside, module, &content);
            done.map_err(|e| say(&[module, b": ", crate::errno::text(&e).as_bytes()]))
        }
    }
}

fn put(path: &[u8], bytes: &[u8], host: &mut dyn Host) -> Done {
    host.write(path, bytes).map_err(|e| say(&[path, b": ", crate::errno::text(&e).as_bytes()]))
}
