//! Canonical forms held against libxml2, which is behind xmllint and xmlsec1, on documents made by chance: 2,000 of them, or
//! as many as `ORACLE_DOCUMENTS` says. `.ci/run oracle` takes 20,000.

use super::generator::{self, Chance, NAMES};
use super::{key_of, signer};
use sluss::crypto::{Digest, HashFunction};
use sluss::xml::algorithm::{self, Allowed, Profile};
use sluss::xml::c14n::{self, Form, Method};
use sluss::xml::dsig;
use sluss::xml::{Reader, Tree, ns};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const FORMS: [(Form, &str); 3] =
    [(Form::Inclusive10, "--c14n"), (Form::Inclusive11, "--c14n11"), (Form::Exclusive, "--exc-c14n")];

/// How many documents are made. Each is compared in every form.
fn documents() -> u64 {
    let asked = std::env::var("ORACLE_DOCUMENTS").ok().and_then(|number| number.parse().ok());
    asked.unwrap_or(2000)
}

/// Runs a program; `None` with a printed line where it is not installed.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

fn canonical(xml: &str, method: &Method) -> Vec<u8> {
    let written = c14n::document(Reader::new(xml.as_bytes()), method, |_, _| false, Vec::new());
    written.unwrap_or_else(|error| panic!("{error}: {xml}"))
}

#[test]
fn whole_documents_have_the_canonical_forms_that_libxml2_gives_them() {
    const BATCH: u64 = 250;
    let folder = tempfile::tempdir().unwrap();
    let batches = documents().div_ceil(BATCH);
    for batch in 0..batches {
        let seeds = batch * BATCH..(batch + 1) * BATCH;
        let documents: Vec<String> = seeds.map(|seed| generator::document(seed, true, "").xml).collect();
        let names: Vec<String> = (0..documents.len()).map(|number| format!("{number}.xml")).collect();
        for (name, xml) in names.iter().zip(&documents) {
            fs::write(folder.path().join(name), xml).unwrap();
        }
        for (form, option) in FORMS {
            let mut arguments = vec![option];
            arguments.extend(names.iter().map(String::as_str));
            let Some(output) = run("xmllint", &arguments, folder.path()) else { return };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let method = Method { comments: true, ..Method::new(form) };
            let mut theirs = &output.stdout[..];
            // xmllint writes one form after the other without anything between.
            for xml in &documents {
                let ours = canonical(xml, &method);
                let (same, rest) = theirs.split_at(ours.len().min(theirs.len()));
                assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(same), "{option}: {xml:?}");
                theirs = rest;
            }
            assert!(theirs.is_empty(), "{option}: {}", String::from_utf8_lossy(theirs));
        }
    }
    println!("{} documents in {} forms as libxml2 has them", batches * BATCH, FORMS.len());
}

#[test]
fn whole_documents_in_utf16_have_the_canonical_form_of_utf8() {
    for seed in 0..200 {
        let xml = generator::document(seed, true, "").xml;
        let plain = xml.replace(" encoding=\"utf-8\"", "");
        let method = Method { comments: true, ..Method::new(Form::Inclusive10) };
        let expected = canonical(&xml, &method);
        let orders: [fn(u16) -> [u8; 2]; 2] = [u16::to_be_bytes, u16::to_le_bytes];
        for bytes_of in orders {
            let units = std::iter::once(0xFEFF).chain(plain.encode_utf16());
            let bytes: Vec<u8> = units.flat_map(bytes_of).collect();
            let written = c14n::document(Reader::new(&bytes[..]), &method, |_, _| false, Vec::new()).unwrap();
            assert_eq!(written, expected, "{xml:?}");
        }
    }
}

/// How the octets arrive must not matter.
#[test]
fn a_document_read_byte_by_byte_has_the_same_canonical_form() {
    struct Slowly<'a>(&'a [u8]);
    impl std::io::Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    for seed in 0..100 {
        let xml = generator::document(seed, true, "").xml;
        let method = Method { comments: true, ..Method::new(Form::Exclusive) };
        let written = c14n::document(Reader::new(Slowly(xml.as_bytes())), &method, |_, _| false, Vec::new()).unwrap();
        assert_eq!(written, canonical(&xml, &method), "{xml:?}");
    }
}

/// A reference of the template that xmlsec1 fills in, and how we shall compute the same.
struct Asked {
    id: Option<String>,
    method: Method,
}

fn asked(chance: &mut Chance, ids: usize) -> Vec<Asked> {
    let lists: [&[&str]; 5] = [&[], &[], &["#default"], &["p", "q", "nowhere"], &["å", "#default", "P"]];
    let mut all = Vec::new();
    for number in (0..ids).map(Some).chain([None]) {
        for (form, _) in FORMS {
            let prefixes = if form == Form::Exclusive { lists[chance.below(lists.len())] } else { &[] };
            let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
            let id = number.map(|number| format!("i{number}"));
            all.push(Asked { id, method: Method { prefixes, ..Method::new(form) } });
        }
    }
    all
}

fn template(asked: &[Asked]) -> String {
    let reference = |asked: &Asked| {
        let uri = asked.id.as_ref().map(|id| format!("#{id}")).unwrap_or_default();
        let enveloped = if asked.id.is_none() {
            format!("<ds:Transform Algorithm='{}'/>", algorithm::ENVELOPED)
        } else {
            String::new()
        };
        let list = if asked.method.prefixes.is_empty() {
            String::new()
        } else {
            format!("<ec:InclusiveNamespaces xmlns:ec='{}' PrefixList='{}'/>", ns::EC, asked.method.prefixes.join(" "))
        };
        format!(
            "<ds:Reference URI='{uri}'><ds:Transforms>{enveloped}<ds:Transform Algorithm='{}'>{list}</ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm='{}'/><ds:DigestValue/></ds:Reference>",
            algorithm::c14n_uri(&asked.method),
            algorithm::SHA256
        )
    };
    let references: String = asked.iter().map(reference).collect();
    format!(
        "<ds:Signature xmlns:ds='{}'><ds:SignedInfo><ds:CanonicalizationMethod Algorithm='{}'/>\
         <ds:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#hmac-sha256'/>{references}</ds:SignedInfo>\
         <ds:SignatureValue/></ds:Signature>",
        ns::DS,
        algorithm::C14N_10
    )
}

#[test]
fn subtrees_have_the_digests_that_xmlsec_computes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "secret").unwrap();
    let mut compared = 0;
    // One process for each document, some of which have forty references, so fewer of them.
    for seed in 0..(documents() / 40).max(200) {
        let ids = generator::document(seed, false, "").ids;
        let asked = asked(&mut Chance::new(seed), ids);
        let xml = generator::document(seed, false, &template(&asked)).xml;
        fs::write(folder.path().join("template.xml"), &xml).unwrap();
        let mut arguments = vec!["--sign", "--hmackey", "key"];
        NAMES.iter().for_each(|name| arguments.extend(["--id-attr:Id", name]));
        arguments.push("template.xml");
        let Some(output) = run("xmlsec1", &arguments, folder.path()) else { return };
        assert!(output.status.success(), "{}\n{xml}", String::from_utf8_lossy(&output.stderr));
        let theirs = Tree::parse(&output.stdout).unwrap();
        let digests = theirs.root().descendants().filter(|node| node.is(ns::DS, "DigestValue"));
        for (asked, theirs) in asked.iter().zip(digests) {
            let (ours, form) = ours(&xml, asked);
            assert_eq!(Some(ours), dsig::base64(&theirs.text()), "{asked:?}\n{xml:?}\n{form}", asked = asked.method);
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
    println!("{compared} digests of subtrees as xmlsec computes them");
}

fn ours(xml: &str, asked: &Asked) -> (Vec<u8>, String) {
    let octets = match &asked.id {
        Some(id) => {
            let tree = Tree::parse(xml.as_bytes()).unwrap();
            let node = tree.by_id(id).unwrap();
            c14n::subtree(&tree, node.id, &asked.method, None, Vec::new()).unwrap()
        }
        None => {
            let own = |_: usize, start: &sluss::xml::Start| start.is(ns::DS, "Signature");
            c14n::document(Reader::new(xml.as_bytes()), &asked.method, own, Vec::new()).unwrap()
        }
    };
    (Digest::of(HashFunction::Sha256, &octets), String::from_utf8_lossy(&octets).into_owned())
}

#[test]
fn xmlsec_verifies_the_enveloped_signatures_that_we_make() {
    let folder = tempfile::tempdir().unwrap();
    let signer = signer();
    fs::write(folder.path().join("signer.pem"), signer.pem()).unwrap();
    for bindings in
        [&[("", "urn:envelope"), ("p", "urn:p"), ("xml2", "http://x/?a;b")][..], &[], &[("ds", "urn:other")]]
    {
        let declarations: String = bindings
            .iter()
            .map(|(prefix, uri)| {
                let name = if prefix.is_empty() { String::from("xmlns") } else { format!("xmlns:{prefix}") };
                format!(" {name}=\"{}\"", sluss::xml::write::attribute(uri))
            })
            .collect();
        let before = format!("<e{declarations}><a x=\"1\">å &amp; ö<!-- c --></a>");
        let form = canonical(&format!("{before}</e>"), &Method::new(Form::Inclusive10));
        let digest = Digest::of(HashFunction::Sha256, &form);
        let element = dsig::enveloped_element(&digest, &signer.key, &signer.der, bindings).unwrap();
        let document = format!("{before}{element}</e>");
        fs::write(folder.path().join("signed.xml"), &document).unwrap();
        let ours = dsig::verify_enveloped(|| Ok(document.as_bytes()), key_of, Profile::Xhe, &Allowed::new());
        assert_eq!(ours.unwrap().certificate, signer.der);
        let Some(output) =
            run("xmlsec1", &["--verify", "--pubkey-cert-pem", "signer.pem", "signed.xml"], folder.path())
        else {
            return;
        };
        assert!(output.status.success(), "{document}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
