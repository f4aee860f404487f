//! An exchange between two access points of the demo: packing, opening, receipts, all in memory.

use crate::as4::{
    Answer, Compression, Opened, Outgoing, OutgoingPart, PackedPiece, Party, Property, Refusal, Spool, UserMessage,
    pack, pmode, read, receipt,
};
use crate::crypto::SystemRandom;
use crate::model::{As4MessageId, DocumentType, ProcessId, SignedReference, Timestamp};
use crate::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, Trusted};
use crate::testbed::ca::demo;
use crate::xml::algorithm::Allowed;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The sender.
pub const NORTH: &str = "AP0001-DEMO";
/// The receiver.
pub const SOUTH: &str = "AP0002-DEMO";
/// The id of the message.
pub const MESSAGE_ID: &str = "4f0c6a1e-0000-4000-8000-000000000001@ap0001-demo";
/// The id of its AS4 receipt.
pub const RECEIPT_ID: &str = "4f0c6a1e-0000-4000-8000-000000000002@ap0002-demo";

const CARRIED: &str = "the program carries the keys of its demo";
const SOAP: &str = "the SOAP part has a declaration and an end";

/// Two access points of one federation, and one of nobody's.
pub struct Pair {
    /// Who sends.
    pub north: Identity,
    /// Who receives.
    pub south: Identity,
    /// Who is no access point.
    pub stranger: Identity,
    /// The authority of both.
    pub anchor: Certificate,
    /// When.
    pub at: Timestamp,
}

/// A request as it is on the wire, in pieces that can be changed.
#[derive(Clone)]
pub struct Wire {
    /// The HTTP Content-Type.
    pub content_type: String,
    /// What is before the SOAP part.
    pub before: String,
    /// The SOAP part.
    pub soap: String,
    /// MIME headers with the delimiter before them, and octets.
    pub parts: Vec<(String, Vec<u8>)>,
    /// What follows the last part.
    pub end: String,
    /// What the sender signed.
    pub references: Vec<SignedReference>,
}

impl Wire {
    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.body_with(self.soap.as_bytes())
    }

    /// The body with other octets as its SOAP part.
    pub fn body_with(&self, soap: &[u8]) -> Vec<u8> {
        let mut body = [self.before.as_bytes(), soap].concat();
        for (headers, octets) in &self.parts {
            body.extend_from_slice(headers.as_bytes());
            body.extend_from_slice(octets);
        }
        body.extend_from_slice(self.end.as_bytes());
        body
    }
}

/// Parts in memory.
#[derive(Default)]
pub struct Memory(
    /// By their indices.
    pub Vec<(usize, Vec<u8>)>,
);

impl Spool for Memory {
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>> {
        self.0.push((index, Vec::new()));
        let (_, octets) = self.0.last_mut().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Box::new(octets))
    }
}

impl Pair {
    /// The access points of the demo, a day into the validity of their certificates, whatever today is.
    pub fn demo() -> Self {
        let identity = |folder: &str| demo::identity(folder).expect(CARRIED);
        let north = identity(&format!("access-points/{NORTH}"));
        let at = north
            .certificate
            .not_before()
            .checked_add(Duration::from_secs(86_400))
            .expect("certificates begin in our time");
        Self {
            south: identity(&format!("access-points/{SOUTH}")),
            stranger: identity("participants/storstad.example.se"),
            anchor: demo::authority("ap").expect(CARRIED),
            north,
            at,
        }
    }

    /// What both trust.
    pub fn trust(&self) -> Trust {
        Trust {
            role: Role::AccessPoint,
            anchors: vec![self.anchor.clone()],
            revocation: Revocation::Unchecked,
            bits_least: 2048,
            validity: true,
            proven: Proven::default(),
        }
    }

    /// A certificate of the demo, trusted.
    ///
    /// # Panics
    ///
    /// With the certificate of another federation.
    pub fn trusted(&self, certificate: &Certificate) -> Trusted {
        self.trust().check(certificate, &[], self.at).expect("certificates of the demo are trusted")
    }

    /// The header of an SDK message from north to south.
    pub fn message(&self) -> UserMessage {
        let process = ProcessId::default();
        UserMessage {
            mpc: Some(pmode::MPC.into()),
            message_id: message_id(),
            ref_to: None,
            timestamp: self.at,
            from: Party::initiator(NORTH),
            to: Party::responder(SOUTH),
            agreement: None,
            service: process.value,
            service_type: Some(process.scheme),
            action: DocumentType::sdk_message().action(),
            conversation_id: "70c5ea37-f4a9-4771-b0c7-09becd024bda".into(),
            properties: vec![
                Property::participant(pmode::ORIGINAL_SENDER, "0203:storstad.example.se"),
                Property::participant(pmode::FINAL_RECIPIENT, "0203:ankeborg.example.se"),
            ],
            parts: Vec::new(),
        }
    }

    /// [`Pair::pack_to`] south, with the ordinary header.
    pub fn pack(&self, contents: &[(&str, Compression, &[u8])]) -> Wire {
        self.pack_message(self.message(), contents)
    }

    /// [`Pair::pack_to`] south.
    pub fn pack_message(&self, message: UserMessage, contents: &[(&str, Compression, &[u8])]) -> Wire {
        self.pack_to(&self.south.certificate, message, contents)
    }

    /// Packs contents, each with its Content-ID and compression, signed by north.
    ///
    /// # Panics
    ///
    /// When what packs is wrong: contents in memory can be read and written.
    pub fn pack_to(&self, to: &Certificate, message: UserMessage, contents: &[(&str, Compression, &[u8])]) -> Wire {
        let mut readers: Vec<&[u8]> = contents.iter().map(|(_, _, octets)| *octets).collect();
        let mut ciphers: Vec<Vec<u8>> = contents.iter().map(|_| Vec::new()).collect();
        let parts =
            contents.iter().zip(&mut readers).zip(&mut ciphers).map(|(((id, compression, _), content), cipher)| {
                OutgoingPart {
                    content_id: id,
                    mime: "text/xml",
                    charset: None,
                    compression: *compression,
                    content,
                    cipher,
                }
            });
        let pinned = Trust { anchors: vec![to.clone()], ..self.trust() };
        let to = pinned.check(to, &[], self.at).expect("a certificate is trusted where it is its own anchor");
        let outgoing = Outgoing { message, parts: parts.collect(), identity: &self.north, to: &to };
        let packed = pack(outgoing, &SystemRandom).expect("what is in memory can be packed");
        let sizes: Vec<u64> = ciphers.iter().map(|c| c.len() as u64).collect();
        assert_eq!(packed.cipher_bytes, sizes);
        let (bytes, wire) = (packed.bytes(), split(packed.content_type, packed.pieces, ciphers, packed.references));
        assert_eq!(bytes, wire.body().len() as u64);
        wire
    }

    /// Opens as the southern access point.
    ///
    /// # Errors
    ///
    /// The refusal that the sender would get.
    pub fn open(&self, content_type: &str, body: impl Read, allowed: &Allowed) -> Result<(Opened, Memory), Refusal> {
        let mut memory = Memory::default();
        let attributed = read(content_type, body)?.verify(&[], &self.trust(), self.at, allowed)?;
        pmode::addressed_to(attributed.message(), &self.south.certificate)?;
        let opened = attributed.open(std::slice::from_ref(&self.south), &mut memory)?;
        Ok((opened, memory))
    }

    /// The AS4 receipt of south.
    pub fn receipt(&self, opened: &Opened) -> Answer {
        let id: As4MessageId = RECEIPT_ID.parse().expect("the id is of its form");
        receipt::build(&opened.message.message_id, &opened.reference_elements, &self.south, &id, self.at)
            .expect("a key of the demo can sign")
    }
}

fn split(
    content_type: String,
    pieces: Vec<PackedPiece>,
    ciphers: Vec<Vec<u8>>,
    references: Vec<SignedReference>,
) -> Wire {
    let mut texts = pieces.into_iter().filter_map(|piece| match piece {
        PackedPiece::Text(text) => Some(text),
        PackedPiece::Part(_) => None,
    });
    let first = texts.next().expect("a packed message begins with its SOAP part");
    let (start, end) =
        (first.find("<?xml").expect(SOAP), first.find("</S12:Envelope>").expect(SOAP) + "</S12:Envelope>".len());
    let mut headers = vec![first[end..].to_owned()];
    headers.extend(texts);
    let last = headers.pop().expect("there is a text after the SOAP part");
    Wire {
        content_type,
        before: first[..start].to_owned(),
        soap: first[start..end].to_owned(),
        parts: headers.into_iter().zip(ciphers).collect(),
        end: last,
        references,
    }
}

/// The id of the message.
pub(super) fn message_id() -> As4MessageId {
    MESSAGE_ID.parse().expect("the id is of its form")
}
