//! The examples of W3C and the signature suites of merlin, as far as they need no DTD, no XPath and no DSA.

use super::shared;
use sluss::crypto::{Digest, HashFunction, PublicKey};
use sluss::xml::algorithm::{Allowed, Profile};
use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::dsig::{self, DsigError, Signature};
use sluss::xml::{Node, Reader, Tree, XmlError, ns};
use std::fs;
use std::path::{Path, PathBuf};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn whole(xml: &str, method: &Method) -> Result<String, XmlError> {
    let octets = c14n::document(Reader::new(xml.as_bytes()), method, |_, _| false, Vec::new())?;
    Ok(String::from_utf8(octets).unwrap())
}

fn subtree(node: Node<'_>, method: &Method) -> String {
    String::from_utf8(c14n::subtree(node.tree, node.id, method, None, Vec::new()).unwrap()).unwrap()
}

fn first<'t>(tree: &'t Tree, local: &str) -> Node<'t> {
    tree.root().descendants().find(|node| node.is(ns::DS, local)).unwrap()
}

/// The document without its DOCTYPE, which our reader refuses.
fn without_doctype(xml: &str) -> String {
    let Some(start) = xml.find("<!DOCTYPE") else { return xml.to_owned() };
    let end = start + xml[start..].find("]>").map_or_else(|| xml[start..].find('>').unwrap() + 1, |end| end + 2);
    format!("{}{}", &xml[..start], xml[end..].trim_start())
}

#[test]
fn the_examples_of_the_recommendation_have_the_forms_printed_there() {
    let Some(folder) = shared("vectors/c14n/w3c-inclusive") else { return };
    let read = |name: &str| text(&folder.join(name));
    let plain = Method::new(Form::Inclusive10);
    let comments = Method { comments: true, ..plain.clone() };
    assert_eq!(whole(&without_doctype(&read("31_input.xml")), &plain).unwrap(), read("31_c14n.xml"));
    assert_eq!(whole(&without_doctype(&read("31_input.xml")), &comments).unwrap(), read("31_c14n-comments.xml"));
    assert_eq!(whole(&read("32_input.xml"), &comments).unwrap(), read("32_c14n.xml"));
    // What the DTD would have added is written out.
    let attributes = without_doctype(&read("33_input.xml")).replace("<e9 ", "<e9 attr=\"default\" ");
    assert_eq!(whole(&attributes, &plain).unwrap(), read("33_c14n.xml"));
    let latin = read("36_input.xml");
    assert!(matches!(whole(&latin, &plain), Err(XmlError::Forbidden { .. })));
    assert_eq!(whole(&latin.replace("ISO-8859-1", "UTF-8"), &plain).unwrap(), read("36_c14n.xml"));

    let tree = Tree::parse(read("default_ns_redefinition_input.xml").as_bytes()).unwrap();
    let object = tree.by_id("envelopedData").unwrap();
    assert_eq!(subtree(object, &Method::new(Form::Exclusive)), read("default_ns_redefinition_c14n.xml"));
    let relative = whole(&read("relative-ns-behaviour.xml"), &plain);
    assert!(matches!(relative, Err(XmlError::Forbidden { .. })));
}

#[test]
fn every_example_with_a_document_type_is_refused() {
    let Some(folder) = shared("vectors/c14n/w3c-inclusive") else { return };
    for name in ["31_input.xml", "33_input.xml", "34_input.xml", "35_input.xml", "37_input.xml", "38_input.xml"] {
        let refused = Tree::parse(&fs::read(folder.join(name)).unwrap());
        assert!(
            matches!(refused, Err(XmlError::Forbidden { ref what }) if what.contains("document type")),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn the_exclusive_example_of_merlin_has_his_octets_and_digests() {
    let Some(folder) = shared("vectors/c14n/Y1") else { return };
    let tree = Tree::parse(&fs::read(folder.join("exc-signature.xml")).unwrap()).unwrap();
    let object = tree.by_id("to-be-signed").unwrap();
    let references: Vec<Node<'_>> = tree.root().descendants().filter(|node| node.is(ns::DS, "Reference")).collect();
    assert_eq!(references.len(), 4);
    for (number, reference) in references.into_iter().enumerate() {
        let transform = reference.descendants().find(|node| node.is(ns::DS, "Transform")).unwrap();
        let mut method = sluss::xml::algorithm::c14n(transform.attribute("", "Algorithm").unwrap()).unwrap();
        let list = transform.child(ns::EC, "InclusiveNamespaces").and_then(|list| list.attribute("", "PrefixList"));
        method.prefixes = c14n::prefix_list(list.unwrap_or_default());
        let form = subtree(object, &method);
        let digest = reference.child(ns::DS, "DigestValue").unwrap().text();
        assert_eq!(Some(Digest::of(HashFunction::Sha1, form.as_bytes())), dsig::base64(&digest), "{number}: {form}");
        if let Ok(expected) = fs::read_to_string(folder.join(format!("c14n-{number}.txt"))) {
            assert_eq!(form, expected, "{number}");
        }
    }
}

/// The intermediate forms that merlin kept: the last one is SignedInfo's.
fn kept_forms(signature: &Path) -> Vec<PathBuf> {
    let stem = signature.file_stem().unwrap().to_str().unwrap();
    let form = |number| signature.with_file_name(format!("{stem}-c14n-{number}.txt"));
    (0..).map(form).take_while(|path| path.exists()).collect()
}

/// Kept forms of the older suite that were written over their own beginnings (`edInfo xmlns=…`, `<Canononicalization…`): no
/// canonical form of any document. The younger suite has all three of them whole.
const OVERWRITTEN: [&str; 3] = [
    "signature-enveloped-dsa-c14n-1.txt",
    "signature-enveloping-b64-dsa-c14n-0.txt",
    "signature-enveloping-dsa-c14n-1.txt",
];

#[test]
fn merlins_signed_infos_have_the_forms_that_he_kept() {
    let (mut compared, mut overwritten) = (0, Vec::new());
    for suite in ["vectors/xmldsig/merlin-fifteen", "vectors/xmldsig/merlin-twenty-three"] {
        let Some(folder) = shared(suite) else { return };
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Some(kept) = kept_forms(&path).pop().filter(|_| path.extension().is_some_and(|end| end == "xml"))
            else {
                continue;
            };
            let bytes = fs::read(&path).unwrap();
            // Those with a DTD are not for us.
            let Ok(tree) = Tree::parse(&bytes) else { continue };
            let (form, expected) = (subtree(first(&tree, "SignedInfo"), &Method::new(Form::Inclusive10)), text(&kept));
            if !expected.starts_with('<') {
                overwritten.push(kept.file_name().unwrap().to_str().unwrap().to_owned());
                continue;
            }
            assert_eq!(form, expected, "{}", path.display());
            compared += 1;
        }
    }
    overwritten.sort();
    assert_eq!(overwritten, OVERWRITTEN);
    assert!(compared >= 12, "{compared}");
}

#[test]
fn merlins_digests_over_objects_and_enveloping_documents_hold() {
    for suite in ["vectors/xmldsig/merlin-fifteen", "vectors/xmldsig/merlin-twenty-three"] {
        let Some(folder) = shared(suite) else { return };
        let digest = |tree: &Tree| dsig::base64(&first(tree, "DigestValue").text());
        for name in
            ["signature-enveloping-dsa.xml", "signature-enveloping-rsa.xml", "signature-enveloping-hmac-sha1.xml"]
        {
            let tree = Tree::parse(&fs::read(folder.join(name)).unwrap()).unwrap();
            let form = subtree(tree.by_id("object").unwrap(), &Method::new(Form::Inclusive10));
            assert_eq!(digest(&tree), Some(Digest::of(HashFunction::Sha1, form.as_bytes())), "{name}");
        }
        let bytes = fs::read(folder.join("signature-enveloped-dsa.xml")).unwrap();
        let candidate = dsig::candidates(&bytes[..]).unwrap().remove(0);
        let method = Method::new(Form::Inclusive10);
        let found = dsig::digest_without(&bytes[..], candidate.index, &method, HashFunction::Sha1).unwrap();
        assert_eq!(digest(&candidate.tree), Some(found));
    }
}

#[test]
fn merlins_rsa_signature_holds_over_our_form_and_the_profiles_refuse_it() {
    let Some(path) = shared("vectors/xmldsig/merlin-twenty-three/signature-enveloping-rsa.xml") else { return };
    let tree = Tree::parse(&fs::read(path).unwrap()).unwrap();
    let value = |local: &str| dsig::base64(&first(&tree, local).text()).unwrap();
    let key = PublicKey::from_numbers(&value("Modulus"), &value("Exponent")).unwrap();
    let form = subtree(first(&tree, "SignedInfo"), &Method::new(Form::Inclusive10));
    key.verify(HashFunction::Sha1, form.as_bytes(), &value("SignatureValue")).unwrap();
    for profile in [Profile::As4, Profile::Xhe, Profile::Smp] {
        // An Object beside what is signed is a structure that none of them has.
        let refused = Signature::parse(tree.root(), profile, &Allowed::new());
        assert!(matches!(refused, Err(DsigError::Structure { ref what }) if what.contains("Object")), "{refused:?}");
    }
}
