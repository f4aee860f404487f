//! What is packed opens again, is answered, and is read by others.

use super::exchange::{MESSAGE_ID, Pair, RECEIPT_ID, SOUTH};
use sluss::as4::{
    Compression, Outgoing, OutgoingPart, PackError, ReceiptError, Refusal, SignError, error, pack, read, receipt,
};
use sluss::crypto::SystemRandom;
use sluss::inspect::as4;
use sluss::model::{As4MessageId, DocumentType, ProcessId};
use sluss::xml::algorithm::Allowed;
use std::fs;
use std::io::{self, Read, Write};
use std::process::Command;

const XML: &[u8] = b"<x:XHE xmlns:x=\"urn:x\">\r\n<!-- as it is -->\xc3\xa5</x:XHE>\n";

#[test]
fn every_compression_comes_out_byte_for_byte_and_its_receipt_matches() {
    let pair = Pair::demo();
    let noise: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let wire = pair.pack(&[
        ("message", Compression::Deflate, XML),
        ("stored", Compression::Stored, &noise),
        ("plain", Compression::None, XML),
        ("empty", Compression::Deflate, b""),
    ]);
    let (opened, memory) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let out: Vec<&[u8]> = memory.0.iter().map(|(_, octets)| octets.as_slice()).collect();
    assert_eq!(out, [XML, &noise, XML, b""]);
    assert_eq!(opened.message.parts.len(), 4);
    assert_eq!(opened.signed_references, wire.references);
    assert_eq!(opened.signer.as_ref().unwrap().certificate(), &pair.north.certificate);
    let answer = pair.receipt(&opened);
    let (sent, id) = (&wire.references, MESSAGE_ID.parse().unwrap());
    let body = answer.body.as_bytes();
    let good =
        receipt::check(Some(&answer.content_type), body, sent, &id, &pair.south.certificate, pair.at, &Allowed::new())
            .unwrap();
    assert_eq!(good.message_id.as_str(), RECEIPT_ID);
    assert_eq!(good.references, wire.references);
}

#[test]
fn a_message_for_the_test_service_is_plain_soap() {
    let pair = Pair::demo();
    let mut message = pair.message();
    message.service = sluss::as4::pmode::TEST_SERVICE.into();
    message.service_type = None;
    message.action = sluss::as4::pmode::TEST_ACTION.into();
    let to = pair.trusted(&pair.south.certificate);
    let packed = pack(Outgoing { message, parts: Vec::new(), identity: &pair.north, to: &to }, &SystemRandom).unwrap();
    assert_eq!((packed.content_type.as_str(), packed.pieces.len()), ("application/soap+xml; charset=UTF-8", 1));
    let sluss::as4::PackedPiece::Text(soap) = &packed.pieces[0] else { panic!("no text") };
    let (opened, _) = pair.open(&packed.content_type, soap.as_bytes(), &Allowed::new()).unwrap();
    assert!(opened.message.is_test() && opened.parts.is_empty());
}

#[test]
fn a_message_sent_again_has_the_fingerprint_of_the_first_and_another_content_has_not() {
    let pair = Pair::demo();
    let fingerprint = |content: &[u8]| {
        let wire = pair.pack(&[("message", Compression::Deflate, content)]);
        read(&wire.content_type, wire.body().as_slice())
            .unwrap()
            .verify(&[], &pair.trust(), pair.at, &Allowed::new())
            .unwrap()
            .fingerprint()
    };
    assert_eq!(fingerprint(XML), fingerprint(XML));
    assert_ne!(fingerprint(XML), fingerprint(b"<other/>"));
}

#[test]
fn errors_are_signed_and_say_which_message_and_why() {
    let pair = Pair::demo();
    let (about, id): (As4MessageId, As4MessageId) = (MESSAGE_ID.parse().unwrap(), RECEIPT_ID.parse().unwrap());
    let refusal = Refusal::not_serviced("0203:nobody.example.se", "busdox-docid-qns::a");
    let answer = error::build(&refusal, Some(&about), &pair.south, &id, pair.at).unwrap();
    let checked = receipt::check(
        Some(&answer.content_type),
        answer.body.as_bytes(),
        &[],
        &about,
        &pair.south.certificate,
        pair.at,
        &Allowed::new(),
    );
    let Err(ReceiptError::Refused { errors, signed }) = &checked else { panic!("{checked:?}") };
    assert!(*signed && errors[0].is_not_serviced());
    assert_eq!(
        (errors[0].code.as_str(), errors[0].severity.as_str(), errors[0].ref_to.as_ref()),
        ("EBMS:0004", "failure", Some(&about))
    );
    assert_eq!(errors[0].detail.as_deref(), Some("NOT_SERVICED"));
    let problem = checked.unwrap_err().problem();
    assert_eq!(problem.rule.as_deref(), Some("AS4-2.5.c"));
}

#[test]
fn the_peer_never_learns_why_a_part_did_not_decrypt() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let mut damaged = wire.clone();
    damaged.parts[0].1[20] ^= 1;
    let mut wrapped = wire.clone();
    let start = wire.soap.find("<xenc:CipherValue>").unwrap() + 18;
    wrapped.soap.replace_range(start..start + 8, "AAAAAAAA");
    let id = RECEIPT_ID.parse().unwrap();
    let answers: Vec<String> = [damaged, wrapped]
        .iter()
        .map(|wire| {
            let refusal =
                pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).map(|_| ()).unwrap_err();
            assert_eq!(refusal, Refusal::Decryption { hint: None });
            error::build(&refusal, None, &pair.south, &id, pair.at).unwrap().body
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn xmlsec_verifies_our_receipt() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let (opened, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (soap, certificate) = (folder.path().join("receipt.xml"), folder.path().join("cert.pem"));
    // xmlsec knows no SecurityTokenReference: the key is given, and KeyInfo, which is not signed, left out.
    let body = pair.receipt(&opened).body;
    let (start, end) = (body.find("<ds:KeyInfo").unwrap(), body.find("</ds:KeyInfo>").unwrap() + "</ds:KeyInfo>".len());
    fs::write(&soap, format!("{}{}", &body[..start], &body[end..])).unwrap();
    fs::write(&certificate, pair.south.certificate.to_pem()).unwrap();
    let verify = |file: &std::path::Path| {
        let mut command = Command::new("xmlsec1");
        command
            .args(["--verify", "--id-attr:Id", "Messaging", "--id-attr:Id", "Body", "--pubkey-cert-pem"])
            .arg(&certificate);
        command.arg(file).output()
    };
    let Ok(done) = verify(&soap) else { return println!("skipped: xmlsec1 is not here") };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let other = folder.path().join("other.xml");
    fs::write(&other, fs::read_to_string(&soap).unwrap().replace(MESSAGE_ID, "another@example")).unwrap();
    assert!(!verify(&other).unwrap().status.success(), "xmlsec verifies what was changed");
}

/// Gives zeros, and keeps nothing.
struct Zeros(u64);

impl Read for Zeros {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(usize::try_from(self.0).unwrap_or(usize::MAX));
        out[..n].fill(0);
        self.0 -= n as u64;
        Ok(n)
    }
}

struct Failing;

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("disk full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn trouble_of_our_own_storage_is_temporary_and_bounds_are_kept() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let verified = || read(&wire.content_type, io::Cursor::new(wire.body())).unwrap();
    struct Full;
    impl sluss::as4::Spool for Full {
        fn create(&mut self, _: usize) -> io::Result<Box<dyn Write + '_>> {
            Ok(Box::new(Failing))
        }
    }
    let attributed = verified().verify(&[], &pair.trust(), pair.at, &Allowed::new()).unwrap();
    let refusal = attributed.open(std::slice::from_ref(&pair.south), &mut Full).unwrap_err();
    assert!(matches!(refusal, Refusal::Temporary(_)), "{refusal}");
    assert_eq!(refusal.problem().exit_status(), 3);
    let bounded = verified().content_bytes_max(XML.len() as u64 - 1);
    let attributed = bounded.verify(&[], &pair.trust(), pair.at, &Allowed::new()).unwrap();
    let refusal =
        attributed.open(std::slice::from_ref(&pair.south), &mut super::exchange::Memory::default()).unwrap_err();
    assert!(matches!(refusal, Refusal::Limit(_)), "{refusal}");
}

#[test]
fn a_content_id_that_peers_read_differently_is_not_sent() {
    let pair = Pair::demo();
    let to = pair.trusted(&pair.south.certificate);
    let (mut content, mut cipher) = (Zeros(3), Vec::new());
    let part = OutgoingPart {
        content_id: "a%40b",
        mime: "text/xml",
        charset: None,
        compression: Compression::None,
        content: &mut content,
        cipher: &mut cipher,
    };
    let packed =
        pack(Outgoing { message: pair.message(), parts: vec![part], identity: &pair.north, to: &to }, &SystemRandom);
    assert!(packed.unwrap_err().to_string().contains("a%40b"));
}

#[test]
fn values_that_need_escaping_are_signed_as_they_are_read() {
    let pair = Pair::demo();
    let odd = "a & b < c > d \" e ' f\t\n\r g å 𐍈 ]]> &amp;";
    let mut message = pair.message();
    message.properties.push(sluss::as4::Property::new(odd, odd));
    message.agreement =
        Some(sluss::as4::Agreement { kind: Some(odd.into()), pmode: Some(odd.into()), value: odd.into() });
    let wire = pair.pack_message(message.clone(), &[("message", Compression::Deflate, XML)]);
    let (opened, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    assert_eq!(opened.message.properties, message.properties);
    assert_eq!(opened.message.agreement, message.agreement);
    // Control characters cannot be written at all.
    let mut message = pair.message();
    message.properties.push(sluss::as4::Property::new("a", "\u{1}"));
    let to = pair.trusted(&pair.south.certificate);
    let outgoing = Outgoing { message, parts: Vec::new(), identity: &pair.north, to: &to };
    assert!(matches!(pack(outgoing, &SystemRandom), Err(PackError::Sign(SignError::Characters))));
}

#[test]
fn a_receipt_by_another_access_point_or_none_is_told_apart() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, XML)]);
    let (opened, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let answer = pair.receipt(&opened);
    let id = MESSAGE_ID.parse().unwrap();
    let check = |kind: Option<&str>, body: &[u8], certificate| {
        receipt::check(kind, body, &wire.references, &id, certificate, pair.at, &Allowed::new())
    };
    let south = &pair.south.certificate;
    assert!(matches!(
        check(Some(&answer.content_type), answer.body.as_bytes(), &pair.north.certificate),
        Err(ReceiptError::Signature(_))
    ));
    assert!(matches!(check(None, b" \r\n", south), Err(ReceiptError::Missing)));
    assert!(matches!(check(Some("text/html"), b"<html/>", south), Err(ReceiptError::Unreadable(_))));
    let fault = "<S:Envelope xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\"><S:Body><S:Fault><S:Reason><S:Text>No</S:Text></S:Reason></S:Fault></S:Body></S:Envelope>";
    let Err(ReceiptError::Fault(reason)) = check(Some("application/soap+xml"), fault.as_bytes(), south) else {
        panic!("no fault")
    };
    assert_eq!(reason, "No");
    let _ = SOUTH;
}

#[test]
fn nothing_is_packed_for_a_certificate_that_is_for_signatures_alone() {
    let pair = Pair::demo();
    let folder = tempfile::tempdir().unwrap();
    let payload = folder.path().join("payload");
    fs::write(&payload, XML).unwrap();
    let mut packing = as4::Packing {
        identity: pair.north.clone(),
        to_certificate: sluss::conformance::as4::signing_only(&pair.south).unwrap().certificate,
        from: "0203:storstad.example.se".parse().unwrap(),
        to: "0203:ankeborg.example.se".parse().unwrap(),
        document_type: DocumentType::sdk_message(),
        process: ProcessId::default(),
        message_id: MESSAGE_ID.parse().unwrap(),
        conversation_id: "70c5ea37-f4a9-4771-b0c7-09becd024bda".into(),
        at: pair.at,
        payloads: vec![payload],
        save: folder.path().join("out"),
    };
    let problem = as4::pack(&packing, &SystemRandom).unwrap_err();
    assert!(problem.detail.contains("keyUsage lacks keyEncipherment"), "{problem}");
    packing.to_certificate = pair.south.certificate;
    as4::pack(&packing, &SystemRandom).unwrap();
}
