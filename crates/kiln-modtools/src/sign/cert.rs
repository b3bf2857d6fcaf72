//! What a signature says about its signer: the parts of an X.509 certificate (RFC 5280).
//!
//! It does not check the certificate.

use super::der::{INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, context};
use super::pem;

/// `id-ce-subjectKeyIdentifier`.
const KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];

/// The parts, as they stand in the certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    /// The issuer's name, a whole DER value.
    pub(super) issuer: Vec<u8>,
    /// The serial number, a whole DER value.
    pub(super) serial: Vec<u8>,
    /// The content of the SubjectPublicKeyInfo.
    pub(super) public: Vec<u8>,
    /// The content of the subject's key identifier.
    pub(super) key_identifier: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads a certificate in DER or, by the look of its first two bytes, in PEM.
    pub(super) fn read(file: &[u8]) -> Option<Self> {
        if matches!(file, [0x30, 0x81..=0x84, ..]) {
            return Self::from_der(file);
        }
        let blocks = pem::blocks(file);
        let labels: [&[u8]; 2] = [b"CERTIFICATE", b"X509 CERTIFICATE"];
        let block = blocks.into_iter().find(|block| labels.contains(&block.label))?;
        Self::from_der(&block.content?)
    }

    fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes).within(SEQUENCE)?.within(SEQUENCE)?;
        fields.next_if(context(0));
        let serial = fields.next_if(INTEGER)?.whole.to_vec();
        fields.next_if(SEQUENCE)?;
        let issuer = fields.next_if(SEQUENCE)?.whole.to_vec();
        // Validity and subject.
        fields.next_if(SEQUENCE)?;
        fields.next_if(SEQUENCE)?;
        let public = fields.content(SEQUENCE)?.to_vec();
        let mut key_identifier = None;
        while let Some(field) = fields.next() {
            if field.tag != context(3) {
                continue;
            }
            let mut extensions = Reader::new(field.content).within(SEQUENCE)?;
            while let Some(mut extension) = extensions.within(SEQUENCE) {
                let id = extension.content(OID)?;
                // Whether it is critical.
                extension.next_if(0x01);
                let inner = extension.content(OCTET_STRING)?;
                if id == KEY_IDENTIFIER {
                    key_identifier = Some(Reader::new(inner).content(OCTET_STRING)?.to_vec());
                }
            }
        }
        Some(Certificate { issuer, serial, public, key_identifier })
    }
}
