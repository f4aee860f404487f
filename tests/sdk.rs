//! SDK messages and message receipts, and the independent oracle on what is built and on mutants.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

use sluss::crypto::{Digest, HashFunction, SystemRandom, hex};
use sluss::inspect;
use sluss::model::{DocumentType, EnvelopeId, ParticipantId, Timestamp};
use sluss::sdk::agreement::{self, Enveloped};
use sluss::sdk::message::{self, BuildError, ExtractError, NewFile, NewMessage, Party};
use sluss::sdk::receipt::{self, Cause, CauseCode, NewReceipt, Outcome};
use sluss::xhe::{self, Header, Level};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("SLUSS_SHARED").map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

/// The oracle's Python, where its `setup` has been run.
fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let python = cache.join("sluss-peers/venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    println!("skipped: the oracle is not set up (oracles/setup)");
    None
}

/// The oracle's verdict for each `*.xml` of a folder, by file name.
fn oracle(folder: &Path) -> Option<BTreeMap<String, serde_json::Value>> {
    let (shared, python) = (shared()?, python()?);
    let script = shared.join("oracles/envelope_oracle.py");
    let out = Command::new(python).arg(script).arg("batch").arg(folder).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8(out.stdout).unwrap();
    let verdicts = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    Some(verdicts.map(|v| (v["file"].as_str().unwrap().to_owned(), v)).collect())
}

fn participant(name: &str) -> ParticipantId {
    format!("0203:{name}.example.se").parse().unwrap()
}

fn header() -> NewMessage {
    let party = |name: &str, label: Option<&str>| Party {
        participant: participant(name),
        functional_address: format!("sdk:inkorg:0203:{name}.example.se"),
        label: label.map(str::to_owned),
    };
    NewMessage {
        created: "2026-11-23T18:10:39.8437Z".parse::<Timestamp>().unwrap(),
        message_id: uuid::Uuid::from_u128(1),
        conversation_id: uuid::Uuid::from_u128(2),
        ref_to: Some(uuid::Uuid::from_u128(3)),
        label: "Kallelse <1> & \"mer\"".to_owned(),
        confidential: true,
        generating_system: Some("sluss".to_owned()),
        recipient: party("b", Some("Myndighet Å")),
        sender: party("a", None),
    }
}

fn build(texts: &[&str], files: &[(&str, &[u8])]) -> Result<Vec<u8>, BuildError> {
    let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
    let mut contents: Vec<&[u8]> = files.iter().map(|(_, bytes)| *bytes).collect();
    let mut new: Vec<NewFile<'_>> = files
        .iter()
        .zip(&mut contents)
        .map(|((name, _), content)| NewFile { name: (*name).to_owned(), mime: "application/pdf".to_owned(), content })
        .collect();
    message::build(&header(), &texts, &mut new, Vec::new())
}

#[test]
fn what_is_built_is_read_again_with_the_digests_of_its_files() {
    let pdf: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let built = build(&["# Hej\r\n<b>&amp;</b>"], &[("å.pdf", &pdf), ("b.txt", b"x")]).unwrap();
    let checked = message::check(&built[..]).unwrap();
    assert_eq!((checked.findings.as_slice(), checked.outcome()), (&[][..], Outcome::Accepted));
    let digest = |bytes: &[u8]| hex(&Digest::of(HashFunction::Sha256, bytes));
    let found: Vec<(&str, u64, String)> =
        checked.documents.iter().map(|d| (d.name.as_str(), d.bytes, d.sha256.clone())).collect();
    let text = b"# Hej\r\n<b>&amp;</b>";
    assert_eq!(found[0], ("text-1.md", text.len() as u64, digest(text)));
    assert_eq!(found[1], ("å.pdf", 200_000, digest(&pdf)));
    assert_eq!(found[2], ("b.txt", 1, digest(b"x")));
    let header = checked.header;
    assert_eq!(header.created, "2026-11-23T18:10:39.843Z");
    assert_eq!(header.label.as_deref(), Some("Kallelse <1> & \"mer\""));
    assert_eq!(header.recipient_address.unwrap().extension, "sdk:inkorg:0203:b.example.se");
    assert_eq!((header.recipient.extension.as_str(), header.confidential), ("0203:b.example.se", true));
    assert_eq!(header.ref_to.unwrap(), uuid::Uuid::from_u128(3).to_string());
}

#[test]
fn each_document_comes_out_by_its_index() {
    let built = build(&["Hej!", "Hopp!"], &[("a.pdf", b"%PDF-1.7")]).unwrap();
    let mut out = Vec::new();
    let document = message::extract(&built[..], 2, &mut out).unwrap();
    assert_eq!((document.name.as_str(), out.as_slice()), ("a.pdf", &b"%PDF-1.7"[..]));
    out.clear();
    message::extract(&built[..], 1, &mut out).unwrap();
    assert_eq!(out, b"Hopp!");
    let missing = message::extract(&built[..], 3, &mut out);
    assert!(matches!(missing, Err(ExtractError::Missing { index: 3, found: 3 })), "{missing:?}");
    let broken = String::from_utf8(built).unwrap().replace("JVBERi0xLjc=", "JVBERi0xLj!");
    let refused = message::extract(broken.as_bytes(), 2, &mut out);
    assert!(matches!(refused, Err(ExtractError::Base64(2))), "{refused:?}");
}

#[test]
fn what_peers_would_reject_is_not_built() {
    let rule = |result: Result<Vec<u8>, BuildError>| match result {
        Err(BuildError::Invalid { rule, .. }) => rule,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(build(&[], &[])), "MSG-4.3.3.t01");
    assert_eq!(rule(build(&[" \n"], &[])), "MSG-SCH-1");
    assert_eq!(rule(build(&["x"], &[("a", b"")])), "MSG-SCH-1");
    assert_eq!(rule(build(&["\u{1}"], &[])), "MSG-5.3.t02");
    let mut long = header();
    long.label = "å".repeat(257);
    assert_eq!(rule(message::build(&long, &["x".to_owned()], &mut [], Vec::new())), "MSG-SCH-6");
}

#[test]
fn a_file_name_stays_in_its_folder() {
    for (found, safe) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.pdf", "a.pdf"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("a\u{0}b\n.pdf", "ab.pdf"),
        ("", "file"),
    ] {
        assert_eq!(message::file_name(found), safe, "{found:?}");
    }
    assert!(message::file_name(&"å".repeat(300)).len() <= 200);
}

#[test]
fn a_message_that_says_other_than_its_envelope_is_rejected_with_the_right_detail() {
    let checked = message::check(&build(&["x"], &[]).unwrap()[..]).unwrap();
    let id: EnvelopeId = uuid::Uuid::from_u128(1).to_string().to_uppercase().parse().unwrap();
    let (from, to) = (participant("A"), participant("B"));
    let address = Some("sdk:inkorg:0203:b.example.se");
    let agreed = Enveloped { id: &id, from: &from, to: &to, handling_service_id: address };
    assert_eq!(agreement::check(&agreed, &checked.header), []);
    assert_eq!(agreement::check(&Enveloped { handling_service_id: None, ..agreed }, &checked.header), []);
    let (other, other_id) = (participant("c"), "x".parse().unwrap());
    for (changed, detail) in [
        (Enveloped { id: &other_id, ..agreed }, "invariant"),
        (Enveloped { from: &other, ..agreed }, "invariant"),
        (Enveloped { to: &other, ..agreed }, "security"),
        (Enveloped { handling_service_id: Some("SDK:inkorg:0203:b.example.se"), ..agreed }, "security"),
    ] {
        let outcome = Outcome::of(&agreement::check(&changed, &checked.header));
        let [cause] = outcome.causes() else { panic!("{outcome:?}") };
        assert_eq!((cause.code, cause.detail.as_str()), (CauseCode::Bv, detail));
        assert!(cause.line.starts_with("/*:messagePayload/*:message/*:messageHeader/*:"), "{}", cause.line);
    }
}

fn new_receipt(outcome: Outcome) -> NewReceipt {
    NewReceipt {
        id: "0d5f0f5e-2b0a-4a3e-9a55-0f6a3f0f7c11".parse().unwrap(),
        issued: "2026-11-23T18:14:31.120Z".parse().unwrap(),
        sender: participant("b"),
        receiver: participant("a"),
        reference: "70c5ea37-f4a9-4771-b0c7-09becd024bda".parse().unwrap(),
        outcome,
    }
}

fn rejection() -> Outcome {
    let cause = |code, detail: &str, line: &str, reason: &str| Cause {
        code,
        detail: detail.into(),
        line: line.into(),
        reason: reason.into(),
    };
    Outcome::Rejected(vec![
        cause(CauseCode::Sig, "security", "NA", "Sender signature not validated"),
        cause(CauseCode::Bv, "", "", "<&>\u{7}"),
    ])
}

#[test]
fn a_receipt_that_is_built_is_read_again() {
    for outcome in [Outcome::Accepted, rejection()] {
        let checked = receipt::check(receipt::build(&new_receipt(outcome.clone())).as_bytes()).unwrap();
        assert_eq!(checked.findings, []);
        let read = checked.receipt.unwrap();
        assert_eq!((read.sender, read.receiver), (participant("b"), participant("a")));
        assert_eq!(read.reference.as_str(), "70c5ea37-f4a9-4771-b0c7-09becd024bda");
        assert_eq!(read.outcome.word(), outcome.word());
        assert_eq!(read.outcome.causes().len(), outcome.causes().len());
    }
}

#[test]
fn the_oracle_accepts_all_that_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let built = build(&["# Hej\r\n😀", "x"], &[("å.pdf", b"%PDF-1.7"), ("b", b"\0")]).unwrap();
    put("message.xml", &built);
    put("accepted.xml", receipt::build(&new_receipt(Outcome::Accepted)).as_bytes());
    put("rejected.xml", receipt::build(&new_receipt(rejection())).as_bytes());
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let (key_file, certificate_file) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    let identity = sluss::pki::Identity::from_files(&key_file, &certificate_file).unwrap();
    let id = EnvelopeId::from_uuid(uuid::Uuid::from_u128(1));
    let created = "2026-11-23T18:14:31.120Z".to_owned();
    let of = |kind| {
        Header::new(id.clone(), created.clone(), kind, "urn:fdc:x", participant("a"), participant("b"))
            .handling_service("x")
    };
    let message = of(DocumentType::sdk_message());
    put(
        "sealed.xml",
        &xhe::seal(&message, &mut &built[..], &identity, &identity.certificate, &SystemRandom, Vec::new()).unwrap(),
    );
    let text = receipt::build(&new_receipt(Outcome::Accepted));
    put(
        "signed.xml",
        &xhe::sign(&of(DocumentType::message_receipt()), text.as_bytes(), &identity, Vec::new()).unwrap(),
    );
    let Some(verdicts) = oracle(folder.path()) else { return };
    assert_eq!(verdicts.len(), 5);
    for (file, verdict) in verdicts {
        assert_eq!(verdict["verdict"], "accept", "{file}: {verdict}");
    }
}

/// What the published rules say of a file: accept, or the numbers of the rules, or the schema.
fn ours(kind: &str, path: &Path) -> (bool, BTreeSet<String>, Option<&'static str>, Option<String>) {
    let (refused, findings, receipt, detail) = match kind {
        "xhe" => {
            let report = inspect::envelope::check(path, Level::Schematron).unwrap();
            (report.verdict, report.findings, None, None)
        }
        "message" => {
            let report = inspect::message::check(path).unwrap();
            (report.verdict, report.findings, report.receipt, report.detail_code)
        }
        _ => {
            let report = inspect::message::check_receipt(path).unwrap();
            (report.verdict, report.findings, None, None)
        }
    };
    let rules = findings.into_iter().filter(|f| f.is_error()).map(|f| f.rule).collect();
    (refused == inspect::Verdict::Refuse, rules, receipt, detail)
}

/// The name that we give a rule of the oracle.
fn name(kind: &str, rule: &str) -> String {
    match (kind, rule) {
        ("xhe", rule) => rule.trim_end_matches("-XHE").to_owned(),
        ("message", rule) => {
            let number = match rule {
                "verifyNonEmptyElements" => 1,
                "conversationIdMustExist" => 2,
                "recipientIdvalue" | "senderIdvalue" => 3,
                "creationDateTime" => 4,
                "MessageId" | "conversationId" | "refToMessageId" => 5,
                "subjectlabel" => 6,
                "contentFiles" => 7,
                _ => 8,
            };
            format!("MSG-SCH-{number}")
        }
        (_, rule) => rule.to_owned(),
    }
}

fn agree(kind: &str, path: &Path, truth: &serde_json::Value) -> Result<(), String> {
    let (refused, rules, receipt, detail) = ours(kind, path);
    let published = || truth["rules"].as_array().into_iter().flatten().filter_map(|r| r.as_str());
    let expected: BTreeSet<String> = published().map(|rule| name(kind, rule)).collect();
    if refused != (truth["verdict"] == "refuse") {
        return Err(format!("{}: refused {refused} {rules:?}, oracle {truth}", path.display()));
    }
    if truth["xsd_valid"] == true && rules != expected {
        return Err(format!("{}: rules {rules:?}, oracle {expected:?}", path.display()));
    }
    let details = || truth["detail_codes"].as_array().into_iter().flatten();
    if kind == "message"
        && (truth["receipt"].as_str() != receipt || detail.is_some_and(|d| !details().any(|t| *t == d)))
    {
        return Err(format!("{}: receipt {receipt:?}, oracle {truth}", path.display()));
    }
    Ok(())
}

#[test]
fn the_oracle_agrees_with_every_case_and_example() {
    let Some(shared) = shared() else { return };
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    for (kind, examples) in [("xhe", "xhe/examples"), ("message", "message/examples"), ("receipt", "receipt/examples")]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut index = String::new();
        let mut put = |file: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(file), bytes).unwrap();
            index.push_str(&format!("{{\"file\":\"{file}\",\"kind\":\"{kind}\"}}\n"));
        };
        for entry in std::fs::read_dir(cases.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let body = bytes.windows(2).position(|w| w == b"\n\n").unwrap() + 2;
            // The oracle reads document type declarations, which no schema speaks of; here they are refused.
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            if stem != "document-type-declaration" {
                put(&format!("case-{stem}.xml"), &bytes[body..]);
            }
        }
        for entry in std::fs::read_dir(shared.join("spec/sdk").join(examples)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if kind != "message" || name.starts_with("messageWith") {
                put(&name, &bytes);
            }
        }
        std::fs::write(folder.path().join("index.jsonl"), index).unwrap();
        let Some(verdicts) = oracle(folder.path()) else { return };
        let wrong: Vec<String> =
            verdicts.iter().filter_map(|(file, truth)| agree(kind, &folder.path().join(file), truth).err()).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_oracle_agrees_on_mutants() {
    const EACH: usize = 300;
    let (Some(shared), Some(python)) = (shared(), python()) else { return };
    for kind in ["xhe", "message", "receipt"] {
        let folder = tempfile::tempdir().unwrap();
        let script = shared.join("oracles/mutants.py");
        let count = EACH.to_string();
        let made = Command::new(&python)
            .arg(script)
            .arg(folder.path())
            .args(["--kind", kind, "--count", &count, "--seed", "sdk"])
            .status()
            .unwrap();
        assert!(made.success());
        let Some(verdicts) = oracle(folder.path()) else { return };
        assert_eq!(verdicts.len(), EACH);
        let wrong: Vec<String> =
            verdicts.iter().filter_map(|(file, truth)| agree(kind, &folder.path().join(file), truth).err()).collect();
        assert!(wrong.is_empty(), "{} of {EACH}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// `bytes` bytes of nothing.
struct Zeros(u64);

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = (self.0).min(buffer.len() as u64) as usize;
        buffer[..n].fill(0);
        self.0 -= n as u64;
        Ok(n)
    }
}

#[test]
fn a_large_file_passes_through_in_pieces() {
    const BYTES: u64 = 8 * 1024 * 1024 + 1;
    let mut zeros = Zeros(BYTES);
    let mut files = [NewFile { name: "z".into(), mime: "application/octet-stream".into(), content: &mut zeros }];
    let spool = tempfile::NamedTempFile::new().unwrap();
    let out = std::io::BufWriter::new(spool.reopen().unwrap());
    message::build(&header(), &[], &mut files, out).unwrap().into_inner().unwrap();
    let checked = message::check(std::io::BufReader::new(spool.reopen().unwrap())).unwrap();
    assert_eq!((checked.outcome(), checked.documents[0].bytes), (Outcome::Accepted, BYTES));
}
