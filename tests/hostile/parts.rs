//! The pieces of an AS4 message, each by itself: multipart bodies, headers, signatures, encryption.

use super::exchange::Pair;
use super::torment::{seeds, torment, vectors};
use sluss::as4::{self, Compression};
use sluss::crypto::PublicKey;
use sluss::xml::algorithm::{Allowed, Profile};
use sluss::xml::dsig::Signature;
use sluss::xml::enc::{EncryptedData, EncryptedKey};
use sluss::xml::{Tree, ns};

const SOAP: &str = "--b\r\nContent-Type: application/soap+xml\r\n\r\n<S:Envelope xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\"><S:Header>\
    <eb:Messaging xmlns:eb=\"http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/\"><eb:UserMessage/></eb:Messaging></S:Header><S:Body/></S:Envelope>\
    \r\n--b\r\nContent-ID: <message>\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b--\r\n";

/// The SOAP part of a good message, and of others' messages.
fn envelopes() -> Vec<Vec<u8>> {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, b"<m/>"), ("attachment", Compression::None, b"a")]);
    let (opened, _) = pair.open(&wire.content_type, wire.body().as_slice(), &Allowed::new()).unwrap();
    let mut all = vec![wire.soap.into_bytes(), pair.receipt(&opened).body.into_bytes()];
    all.extend(vectors(&["keyref", "as4/holodeck8-sdk.receipt.xml", "as4/holodeck8-error-0101.xml"]));
    all
}

#[test]
fn multipart_bodies_get_a_verdict() {
    let pair = Pair::demo();
    let wire = pair.pack(&[("message", Compression::Deflate, b"<m/>")]);
    let own = wire.content_type.clone();
    let given = [seeds("as4", &[SOAP]), vec![wire.body()], vectors(&["as4/refused", "as4/holodeck8-sdk.as4"])].concat();
    torment("mime", &given, |bytes| {
        for content_type in [
            "multipart/related; boundary=b",
            "multipart/related; boundary=\"--\"; start=\"<a>\"",
            "application/soap+xml",
            own.as_str(),
        ] {
            let _ = as4::read(content_type, bytes);
        }
        // The first line may be a Content-Type as well.
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        if let Ok(line) = std::str::from_utf8(&bytes[..end]) {
            let _ = as4::read(line, &bytes[end..]);
        }
    });
}

#[test]
fn headers_get_a_verdict_and_say_of_themselves_what_stands_there() {
    torment("header", &envelopes(), |bytes| {
        let Ok(received) = as4::read("application/soap+xml", bytes) else { return };
        let claimed = received.claimed();
        let text = String::from_utf8_lossy(bytes);
        // No reference and no CDATA in ids: they are printable ASCII, so the text must hold them as they are.
        assert!(text.contains(claimed.message_id.as_str()) || text.contains('&') || text.contains("<!"), "{text}");
        let _ = received.claimed_references();
    });
}

#[test]
fn signatures_get_a_verdict() {
    let key = Pair::demo().north.certificate.public_key().clone();
    let given = [envelopes(), seeds("xml/dsig", &[]), vectors(&["xmldsig/merlin-fifteen", "xmldsig/merlin-eighteen"])];
    torment("dsig", &given.concat(), |bytes| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        for node in tree.root().descendants().filter(|node| node.is(ns::DS, "Signature")) {
            for profile in [Profile::As4, Profile::Xhe, Profile::Smp] {
                let Ok(signature) = Signature::parse(node, profile, &Allowed::new()) else { continue };
                verified(&tree, &signature, &key);
            }
        }
    });
}

/// Whatever a reference covers is where its id is, and nowhere else.
fn verified(tree: &Tree, signature: &Signature, key: &PublicKey) {
    let _ = signature.verify_value(tree, key);
    let _ = signature.certificates(tree);
    for reference in &signature.references {
        let Ok(node) = signature.check_element(tree, reference) else { continue };
        let id = reference.uri.trim_start_matches('#');
        let found = [ns::WSU, ""].iter().filter_map(|namespace| node.attribute(namespace, "Id")).collect::<Vec<_>>();
        assert_eq!(found, [id], "{}", reference.uri);
    }
}

#[test]
fn encryption_gets_a_verdict() {
    let given = [envelopes(), seeds("xml/enc", &[])];
    torment("enc", &given.concat(), |bytes| {
        let Ok(tree) = Tree::parse(bytes) else { return };
        for node in tree.root().descendants() {
            for profile in [Profile::As4, Profile::Xhe] {
                let _ = EncryptedKey::parse(node, profile, &Allowed::new());
                let _ = EncryptedData::parse(node, profile, &Allowed::new());
            }
        }
    });
}
