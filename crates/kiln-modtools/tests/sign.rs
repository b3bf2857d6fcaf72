//! sign-file: against the trees' own programs byte for byte where the signature has no chance in it,
//! against openssl's judgement where it has.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::World;
use kiln_modtools::sign;

fn openssl(dir: &Path, line: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(line.split(' ')).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

/// Makes a key and its certificate, `NAME.pem` and `NAME.x509`.
fn key(dir: &Path, name: &str, kind: &str) {
    let make = format!("genpkey {kind} -out {name}.pem");
    assert!(openssl(dir, &make), "{make}");
    let certificate = format!(
        "req -new -x509 -utf8 -batch -subj /O=Kiln/CN={name} -days 9 -key {name}.pem -out {name}.x509"
    );
    assert!(openssl(dir, &certificate), "{certificate}");
}

const CONTENT: &[u8] = b"\x7fELF not really, but nobody looks\n";

/// Runs Kiln's with the files of a directory; the module is `m.ko`.
fn ours(dir: &Path, env: &[(&str, &str)], words: &str) -> (i32, World) {
    let mut world = World::default();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let name = entry.file_name().into_encoded_bytes();
        world.files.insert(name, fs::read(entry.path()).expect("a file"));
    }
    for (name, value) in env {
        world.env.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    world.files.insert(b"m.ko".to_vec(), CONTENT.to_vec());
    (sign::main(&common::args(words), &mut world), world)
}

/// The sign-file programs of the trees that are installed here and can run.
fn programs() -> Vec<PathBuf> {
    let runs = |p: &PathBuf| Command::new(p).stderr(Stdio::null()).status().is_ok();
    common::programs("scripts/sign-file").into_iter().map(|(_, p)| p).filter(runs).collect()
}

fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what} is missing");
}

#[test]
fn rsa_is_the_same_bytes() {
    let programs = programs();
    if programs.is_empty() {
        return skipped("a tree with sign-file");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    key(dir, "rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    key(dir, "big", "-algorithm RSA -pkeyopt rsa_keygen_bits:4096");
    assert!(openssl(dir, "rsa -in rsa.pem -traditional -out old.pem"));
    assert!(openssl(dir, "pkcs8 -topk8 -in rsa.pem -passout pass:secret -out sealed.pem"));
    assert!(openssl(dir, "x509 -in rsa.x509 -outform DER -out der.x509"));
    let both = [fs::read(dir.join("old.pem")), fs::read(dir.join("rsa.x509"))];
    fs::write(dir.join("both.pem"), both.map(|f| f.expect("a file")).concat()).expect("a file");
    fs::write(dir.join("raw"), b"a signature").expect("a file");
    let env = [("KBUILD_SIGN_PIN", "secret")];
    for program in &programs {
        for words in [
            "sha256 rsa.pem rsa.x509 m.ko",
            "-p sha1 rsa.pem der.x509 m.ko",
            "sha224 old.pem rsa.x509 m.ko",
            "-k sha384 sealed.pem rsa.x509 m.ko out.ko",
            "sha512 both.pem both.pem m.ko",
            "-dk SHA512 big.pem big.x509 m.ko",
            "-d sha3-256 rsa.pem rsa.x509 m.ko",
            "sha3-384 rsa.pem rsa.x509 m.ko -k",
            "sha3-512 rsa.pem rsa.x509 m.ko m.ko",
            "-s raw sha256 nothing m.ko",
            "-s raw sha256 nothing m.ko out.ko",
        ] {
            for left in ["out.ko", "m.ko.p7s"] {
                let _ = fs::remove_file(dir.join(left));
            }
            let (status, world) = ours(dir, &env, words);
            fs::write(dir.join("m.ko"), CONTENT).expect("a file");
            let mut command = Command::new(program);
            let output = command.args(words.split(' ')).envs(env).current_dir(dir).output();
            let output = output.expect("the tree's sign-file");
            let theirs_said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{words}: {theirs_said}{}",
                world.said()
            );
            assert_eq!(status, 0, "{words}: {}", world.said());
            for file in ["m.ko", "m.ko.p7s", "out.ko"] {
                let theirs = fs::read(dir.join(file)).ok();
                let ours = world.files.get(file.as_bytes());
                assert_eq!(ours, theirs.as_ref(), "{words}: {file}");
            }
        }
    }
}

#[test]
fn elliptic_curves_are_believed_by_openssl() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    if !openssl(dir, "version") {
        return skipped("openssl");
    }
    for curve in ["P-256", "P-384", "P-521"] {
        key(dir, "ec", &format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}"));
        assert!(openssl(dir, "ec -in ec.pem -out sec1.pem"));
        for words in [
            "-p sha256 ec.pem ec.x509 m.ko",
            "-pk sha512 sec1.pem ec.x509 m.ko",
            "-p sha1 ec.pem ec.x509 m.ko",
            "-p sha384 ec.pem ec.x509 m.ko",
        ] {
            let (status, world) = ours(dir, &[], words);
            assert_eq!(status, 0, "{curve}: {words}: {}", world.said());
            let signature = &world.files[b"m.ko.p7s".as_slice()];
            let tail = [
                &[0, 0, 2, 0, 0, 0, 0, 0][..],
                &(signature.len() as u32).to_be_bytes(),
                b"~Module signature appended~\n",
            ];
            let signed = [CONTENT, signature, &tail.concat()].concat();
            assert_eq!(world.files[b"m.ko".as_slice()], signed);
            fs::write(dir.join("content"), CONTENT).expect("a file");
            fs::write(dir.join("p7s"), signature).expect("a file");
            let verify = "cms -verify -binary -inform DER -in p7s -content content \
                -certfile ec.x509 -nointern -noverify -out out";
            let verify = verify.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(openssl(dir, &verify), "{curve}: {words}");
            fs::write(dir.join("content"), b"something else").expect("a file");
            assert!(!openssl(dir, &verify), "{curve}: {words}: any content is believed");
        }
    }
}

#[test]
fn what_is_left_to_the_original() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    if !openssl(dir, "version") {
        return skipped("openssl");
    }
    key(dir, "rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    key(dir, "other", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    key(dir, "curve", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1");
    assert!(openssl(dir, "pkcs8 -topk8 -in rsa.pem -passout pass:secret -out sealed.pem"));
    fs::write(dir.join("empty"), b"").expect("a file");
    for (words, status, said) in [
        ("sha256 pkcs11:x rsa.x509 m.ko", 1, "PKCS#11"),
        ("md5 rsa.pem rsa.x509 m.ko", 1, "not a digest"),
        ("sha256 rsa.pem other.x509 m.ko", 1, "another key"),
        ("sha256 curve.pem curve.x509 m.ko", 1, "kind"),
        ("sha256 sealed.pem rsa.x509 m.ko", 1, "KBUILD_SIGN_PIN"),
        ("sha256 empty rsa.x509 m.ko", 1, "no private key"),
        ("sha256 rsa.pem empty m.ko", 1, "not a certificate"),
        ("sha256 rsa.pem rsa.x509 gone.ko", 1, "gone.ko: No such file"),
        ("sha256 rsa.pem rsa.x509", 2, "Usage"),
        ("-x sha256 rsa.pem rsa.x509 m.ko", 2, "invalid option -- 'x'"),
    ] {
        let (got, world) = ours(dir, &[("KBUILD_SIGN_PIN", "wrong")], words);
        assert_eq!(got, status, "{words}");
        assert!(world.said().contains(said), "{words}: {}", world.said());
        assert_eq!(world.files[b"m.ko".as_slice()], CONTENT, "{words}");
    }
}

/// Base64 as openssl writes it.
fn pem(label: &str, content: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for (i, chunk) in content.chunks(3).enumerate() {
        let bits = chunk.iter().enumerate().fold(0, |n, (i, &b)| n | u32::from(b) << (16 - 8 * i));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() { b'=' } else { digit });
        }
        if i % 16 == 15 {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(format!("\n-----END {label}-----\n").as_bytes());
    text
}

#[test]
fn broken_keys_and_certificates_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    if !openssl(dir, "version") {
        return skipped("openssl");
    }
    key(dir, "rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    key(dir, "ec", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    for name in ["rsa", "ec"] {
        assert!(openssl(dir, &format!("pkey -in {name}.pem -outform DER -out {name}.der")));
        assert!(openssl(dir, &format!("x509 -in {name}.x509 -outform DER -out {name}.crt")));
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    for name in ["rsa", "ec"] {
        let read = |suffix| fs::read(dir.join(format!("{name}.{suffix}"))).expect("a file");
        let (der, certificate) = (read("der"), read("crt"));
        for round in 0..600 {
            let (mut der, mut certificate) = (der.clone(), certificate.clone());
            let bytes = if round % 2 == 0 { &mut der } else { &mut certificate };
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = [0, 0xff, bytes[at].wrapping_add(1), random(256) as u8][random(4)];
            }
            // A number of zeros, or a file that ends early.
            match random(6) {
                0 => {
                    let at = random(bytes.len());
                    let end = (at + random(140)).min(bytes.len());
                    bytes[at..end].fill(0);
                }
                1 => bytes.truncate(random(bytes.len())),
                _ => {}
            }
            let mut world = World::default();
            world.files.insert(b"key".to_vec(), pem("PRIVATE KEY", &der));
            world.files.insert(b"cert".to_vec(), pem("CERTIFICATE", &certificate));
            world.files.insert(b"m.ko".to_vec(), CONTENT.to_vec());
            let status = sign::main(&common::args("sha256 key cert m.ko"), &mut world);
            assert!(status == 0 || !world.err.is_empty());
        }
    }
}
