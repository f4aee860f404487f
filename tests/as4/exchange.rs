//! An exchange between two access points of the demo: packing, opening, receipts, all in memory.

use sluss::as4::{
    Compression, Opened, Outgoing, OutgoingPart, PackedPiece, Party, Property, Refusal, Spool, UserMessage, pack,
    pmode, read, receipt,
};
use sluss::crypto::SystemRandom;
use sluss::model::{As4MessageId, DocumentType, ProcessId, SignedReference, Timestamp};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, Trusted};
use sluss::testbed::ca::demo;
use sluss::xml::algorithm::Allowed;
use std::io::{self, Read, Write};

pub(crate) const NORTH: &str = "AP0001-DEMO";
pub(crate) const SOUTH: &str = "AP0002-DEMO";
pub(crate) const MESSAGE_ID: &str = "4f0c6a1e-0000-4000-8000-000000000001@ap0001-demo";
pub(crate) const RECEIPT_ID: &str = "4f0c6a1e-0000-4000-8000-000000000002@ap0002-demo";

/// Two access points of one federation, and one of nobody's.
pub(crate) struct Pair {
    pub(crate) north: Identity,
    pub(crate) south: Identity,
    pub(crate) stranger: Identity,
    pub(crate) anchor: Certificate,
    pub(crate) at: Timestamp,
}

/// A request as it is on the wire, in pieces that can be changed.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) content_type: String,
    pub(crate) before: String,
    pub(crate) soap: String,
    /// MIME headers with the delimiter before them, and octets.
    pub(crate) parts: Vec<(String, Vec<u8>)>,
    pub(crate) end: String,
    pub(crate) references: Vec<SignedReference>,
}

impl Wire {
    pub(crate) fn body(&self) -> Vec<u8> {
        self.body_with(self.soap.as_bytes())
    }

    /// The body with other octets as its SOAP part.
    pub(crate) fn body_with(&self, soap: &[u8]) -> Vec<u8> {
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
pub(crate) struct Memory(pub(crate) Vec<(usize, Vec<u8>)>);

impl Spool for Memory {
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>> {
        self.0.push((index, Vec::new()));
        Ok(Box::new(&mut self.0.last_mut().unwrap().1))
    }
}

impl Pair {
    pub(crate) fn new() -> Self {
        let identity = |folder: &str| demo::identity(folder).unwrap();
        let north = identity(&format!("access-points/{NORTH}"));
        // A day into the certificates' validity, whatever today is.
        let at = north.certificate.not_before().checked_add(std::time::Duration::from_secs(86_400)).unwrap();
        Self {
            south: identity(&format!("access-points/{SOUTH}")),
            stranger: identity("participants/storstad.example.se"),
            anchor: demo::authority("ap").unwrap(),
            north,
            at,
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust {
            role: Role::AccessPoint,
            anchors: vec![self.anchor.clone()],
            revocation: Revocation::Unchecked,
            bits_least: 2048,
            validity: true,
            proven: Proven::default(),
        }
    }

    pub(crate) fn trusted(&self, certificate: &Certificate) -> Trusted {
        self.trust().check(certificate, &[], self.at).unwrap()
    }

    pub(crate) fn message(&self) -> UserMessage {
        let process = ProcessId::default();
        UserMessage {
            mpc: Some(pmode::MPC.into()),
            message_id: MESSAGE_ID.parse().unwrap(),
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

    pub(crate) fn pack(&self, contents: &[(&str, Compression, &[u8])]) -> Wire {
        self.pack_message(self.message(), contents)
    }

    pub(crate) fn pack_message(&self, message: UserMessage, contents: &[(&str, Compression, &[u8])]) -> Wire {
        self.pack_to(&self.south.certificate, message, contents)
    }

    pub(crate) fn pack_to(
        &self,
        to: &Certificate,
        message: UserMessage,
        contents: &[(&str, Compression, &[u8])],
    ) -> Wire {
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
        let to = pinned.check(to, &[], self.at).unwrap();
        let outgoing = Outgoing { message, parts: parts.collect(), identity: &self.north, to: &to };
        let packed = pack(outgoing, &SystemRandom).unwrap();
        let sizes: Vec<u64> = ciphers.iter().map(|c| c.len() as u64).collect();
        assert_eq!(packed.cipher_bytes, sizes);
        let (bytes, wire) = (packed.bytes(), split(packed.content_type, packed.pieces, ciphers, packed.references));
        assert_eq!(bytes, wire.body().len() as u64);
        wire
    }

    /// Opens as the southern access point.
    pub(crate) fn open(
        &self,
        content_type: &str,
        body: impl Read,
        allowed: &Allowed,
    ) -> Result<(Opened, Memory), Refusal> {
        let mut memory = Memory::default();
        let attributed = read(content_type, body)?.verify(&[], &self.trust(), self.at, allowed)?;
        pmode::addressed_to(attributed.message(), &self.south.certificate)?;
        let opened = attributed.open(std::slice::from_ref(&self.south), &mut memory)?;
        Ok((opened, memory))
    }

    pub(crate) fn receipt(&self, opened: &Opened) -> sluss::as4::Answer {
        let id: As4MessageId = RECEIPT_ID.parse().unwrap();
        receipt::build(&opened.message.message_id, &opened.reference_elements, &self.south, &id, self.at).unwrap()
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
    let first = texts.next().unwrap();
    let (start, end) = (first.find("<?xml").unwrap(), first.find("</S12:Envelope>").unwrap() + "</S12:Envelope>".len());
    let mut headers = vec![first[end..].to_owned()];
    headers.extend(texts);
    let last = headers.pop().unwrap();
    Wire {
        content_type,
        before: first[..start].to_owned(),
        soap: first[start..end].to_owned(),
        parts: headers.into_iter().zip(ciphers).collect(),
        end: last,
        references,
    }
}
