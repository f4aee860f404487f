//! Certificates that others issued, and key stores that others read.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

use sluss::crypto::hex;
use sluss::model::Timestamp;
use sluss::pki::keystore::{KeystoreError, pkcs12_key, pkcs12_trust};
use sluss::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, TrustError};
use sluss::testbed::ca::{CaError, Leaf, Profile, Purpose, Tree, demo, tree};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Data that is not part of the project. Tests that need it say so when it is absent.
fn shared(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SLUSS_SHARED").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

fn read(path: &Path) -> Certificate {
    Certificate::from_pem(&fs::read(path).unwrap()).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn pinned(role: Role, anchors: &[&Certificate]) -> Trust {
    Trust {
        role,
        anchors: anchors.iter().map(|anchor| (*anchor).clone()).collect(),
        revocation: Revocation::Unchecked,
        bits_least: 3072,
        validity: true,
        proven: Proven::default(),
    }
}

const DIGG: &str = "O=Myndigheten för digital förvaltning,C=SE";

/// File below spec/sdk/certificates, start of its SHA-256, key length, subject, issuer, end of validity.
const PUBLISHED: [(&str, &str, usize, &str, &str, &str); 9] = [
    (
        "open-test/access-point/Accesspunkt-CA-OPEN-TEST.cer",
        "fd8e5f0864e0a8cc",
        3072,
        "CN=Accesspunkt CA-OPEN-TEST,organizationIdentifier=202100-6883,",
        "CN=Rot CA eDelivery Accesspunkt-TEST,organizationIdentifier=202100-6883,",
        "2032-05-12T12:10:14Z",
    ),
    (
        "open-test/access-point/Rot-CA-eDelivery-Accesspunkt-TEST.cer",
        "7d59abdf8e9bb610",
        4096,
        "CN=Rot CA eDelivery Accesspunkt-TEST,organizationIdentifier=202100-6883,",
        "",
        "2042-05-12T12:02:49Z",
    ),
    (
        "open-test/smp/Rot-CA-eDelivery-SMP-TEST.cer",
        "8149724c8683d7d0",
        4096,
        "CN=Rot CA eDelivery SMP-TEST,organizationIdentifier=202100-6883,",
        "",
        "2042-05-12T12:02:48Z",
    ),
    (
        "sdk-qa/access-point/Accesspunkt-CA-SDK-QA.cer",
        "e00c280409aecf51",
        3072,
        "CN=Accesspunkt CA-SDK-QA,organizationIdentifier=202100-6883,OU=eDelivery,",
        "CN=Rot CA eDelivery Accesspunkt - QA,organizationIdentifier=202100-6883,OU=eDelivery,",
        "2032-02-24T15:56:37Z",
    ),
    (
        "sdk-qa/access-point/Rot-CA-eDelivery-Accesspunkt---QA.cer",
        "db5b25488cbd041f",
        3072,
        "CN=Rot CA eDelivery Accesspunkt - QA,organizationIdentifier=202100-6883,OU=eDelivery,",
        "",
        "2042-02-24T15:37:45Z",
    ),
    (
        "sdk-qa/smp/Rot-CA-eDelivery-SMP-QA.cer",
        "a908f5eec6feaaa0",
        3072,
        "CN=Rot CA eDelivery SMP-QA,organizationIdentifier=202100-6883,OU=eDelivery,",
        "",
        "2042-02-24T15:37:45Z",
    ),
    (
        "sdk-qa/o2o/ExpiTrust-Test-CA-v8.cer",
        "dd43bb65b3468cb2",
        4096,
        "CN=ExpiTrust Test CA v8,O=Expisoft AB,C=SE",
        "",
        "2032-02-12T15:16:58Z",
    ),
    (
        "sdk-qa/o2o/SwedishPublicSectorFunctionCAv3SAT.crt",
        "5e22ee888439a2ac",
        4096,
        "CN=Swedish Public Sector Function CA v3 SAT,O=Swedish Social Insurance Agency,C=SE",
        "CN=Swedish Public Sector Internal Root CA SAT v1,O=Swedish Social Insurance Agency,C=SE",
        "2036-06-07T12:25:40Z",
    ),
    (
        "sdk-qa/o2o/testsithseidfunctioncav1.cer",
        "9205bce83ecd2c46",
        4096,
        "CN=TEST SITHS e-id Function CA v1,O=Inera AB,C=SE",
        "CN=TEST SITHS e-id Root CA v2,O=Inera AB,C=SE",
        "2049-09-15T18:00:00Z",
    ),
];

#[test]
fn published_authorities_are_read_as_annex_1_lists_them() {
    let Some(folder) = shared("spec/sdk/certificates") else {
        return;
    };
    for (file, sha256, bits, subject, issuer, end) in PUBLISHED {
        let certificate = read(&folder.join(file));
        assert!(certificate.sha256().starts_with(sha256), "{file}: {}", certificate.sha256());
        assert_eq!(certificate.public_key().bits(), bits, "{file}");
        let whole = |text: &str| {
            if text.ends_with(',') { format!("{text}{DIGG}") } else { text.to_owned() }
        };
        assert_eq!(certificate.subject(), whole(subject), "{file}");
        assert_eq!(certificate.issuer(), whole(if issuer.is_empty() { subject } else { issuer }), "{file}");
        assert_eq!(certificate.not_after(), at(end), "{file}");
        assert!(certificate.is_ca() && certificate.may_issue(), "{file}");
        assert_eq!(Certificate::from_pem(certificate.to_pem().as_bytes()).unwrap(), certificate);
    }
}

#[test]
fn key_identifiers_of_digg_have_32_bytes() {
    let Some(folder) = shared("spec/sdk/certificates") else {
        return;
    };
    for (file, ..) in &PUBLISHED[..6] {
        assert_eq!(read(&folder.join(file)).subject_key_identifier().unwrap().len(), 32, "{file}");
    }
    let siths = read(&folder.join(PUBLISHED[8].0));
    assert_eq!(siths.subject_key_identifier().unwrap().len(), 20);
    assert_eq!(siths.crl_urls(), ["http://crl1pp.siths.se/testsithseidrootcav2.crl"]);
    let qa = read(&folder.join("sdk-qa/access-point/Accesspunkt-CA-SDK-QA.cer"));
    assert_eq!(qa.crl_urls(), ["https://qa.ca.edelivery.digg.se/crl/aprot.crl"]);
}

#[test]
fn names_and_serials_agree_with_openssl() {
    let Some(folder) = shared("spec/sdk/certificates") else {
        return;
    };
    for (file, ..) in PUBLISHED {
        let certificate = read(&folder.join(file));
        let pem = tempfile::NamedTempFile::new().unwrap();
        fs::write(pem.path(), certificate.to_pem()).unwrap();
        let print = |options: &[&str]| {
            let output =
                Command::new("openssl").args(["x509", "-noout", "-in"]).arg(pem.path()).args(options).output().ok()?;
            let text = String::from_utf8(output.stdout).unwrap();
            Some(text.trim().split_once('=').unwrap().1.to_owned())
        };
        let Some(subject) = print(&["-subject", "-nameopt", "RFC2253,utf8,-esc_msb"]) else {
            return println!("skipped: openssl is not here");
        };
        assert_eq!(certificate.subject(), subject);
        let issuers = [
            print(&["-issuer", "-nameopt", "RFC2253"]).unwrap(),
            print(&["-issuer", "-nameopt", "oneline,utf8"]).unwrap(),
            certificate.issuer().to_owned(),
            certificate.issuer_name(),
        ];
        let serial = certificate.serial();
        for issuer in issuers {
            assert!(certificate.has_issuer_serial(&issuer, &format!("\n  {serial} ")), "{issuer} {serial}");
            assert!(!certificate.has_issuer_serial(&issuer, &format!("{serial}0")), "{issuer}");
            assert!(!certificate.has_issuer_serial(&format!("{issuer},O=X"), &serial), "{issuer}");
        }
        assert!(!certificate.has_issuer_serial(certificate.issuer(), ""));
    }
}

#[test]
fn published_issuers_lead_to_their_roots() {
    let Some(folder) = shared("spec/sdk/certificates") else {
        return;
    };
    // A certificate authority is never an end entity, even when its chain is good.
    let issuing = read(&folder.join("sdk-qa/access-point/Accesspunkt-CA-SDK-QA.cer"));
    let root = read(&folder.join("sdk-qa/access-point/Rot-CA-eDelivery-Accesspunkt---QA.cer"));
    let refused = pinned(Role::AccessPoint, &[&root]).check(&issuing, &[], at("2027-01-01T00:00:00Z"));
    assert!(matches!(refused, Err(TrustError::Authority { .. })), "{refused:?}");
}

/// Root, intermediate, two access points and a stranger, all issued by other software.
struct Foreign {
    root: Certificate,
    intermediate: Certificate,
    a: Certificate,
    b: Certificate,
    stranger: Certificate,
    folder: PathBuf,
}

fn foreign() -> Option<Foreign> {
    let folder = shared("vectors/phase4/keys")?;
    let file = |name: &str| read(&folder.join(name));
    Some(Foreign {
        root: file("root.cert.pem"),
        intermediate: file("intermediate.cert.pem"),
        a: file("a.cert.pem"),
        b: file("b.cert.pem"),
        stranger: file("stranger-root.cert.pem"),
        folder,
    })
}

const NOW: &str = "2026-11-23T12:00:00Z";

#[test]
fn a_leaf_alone_is_trusted_under_its_pinned_intermediate() {
    let Some(Foreign { root, intermediate, a, stranger, .. }) = foreign() else {
        return;
    };
    let now = at(NOW);
    let trusted = pinned(Role::AccessPoint, &[&intermediate]).check(&a, &[], now).unwrap();
    assert_eq!(*trusted.certificate(), a);
    assert_eq!(a.subject(), "CN=AP_0203_SE2120000829_AS4,O=Test,C=SE");
    assert_eq!(a.common_name(), Some("AP_0203_SE2120000829_AS4"));

    let under_root = pinned(Role::AccessPoint, &[&root]);
    under_root.check(&a, &[stranger.clone(), intermediate.clone()], now).unwrap();
    let error = under_root.check(&a, &[], now).unwrap_err();
    assert!(matches!(error, TrustError::Chain { .. }));
    assert_eq!(
        error.to_string(),
        "CN=AP_0203_SE2120000829_AS4,O=Test,C=SE, issued by CN=Test Access Point CA,O=Test,C=SE, does not lead to a trust anchor \
         of this federation (its issuer is unknown here); expected one of: CN=Test Root CA,O=Test,C=SE"
    );
    for anchors in [&[&stranger][..], &[]] {
        let refused = pinned(Role::AccessPoint, anchors).check(&a, &[intermediate.clone(), root.clone()], now);
        assert!(matches!(refused, Err(TrustError::Chain { .. })), "{refused:?}");
    }
}

#[test]
fn a_pinned_end_entity_is_trusted_alone_and_vouches_for_nobody() {
    let Some(Foreign { a, b, .. }) = foreign() else {
        return;
    };
    let trust = pinned(Role::AccessPoint, &[&a]);
    trust.check(&a, &[], at(NOW)).unwrap();
    assert!(matches!(trust.check(&b, &[a], at(NOW)), Err(TrustError::Chain { .. })));
}

#[test]
fn validity_size_and_revocation_are_refused_by_name() {
    let Some(Foreign { intermediate, a, .. }) = foreign() else {
        return;
    };
    let trust = pinned(Role::AccessPoint, &[&intermediate]);
    for time in ["2026-11-22T16:42:37Z", "2046-11-17T16:42:39Z"] {
        let error = trust.check(&a, &[], at(time)).unwrap_err();
        let expected =
            format!("{} is valid from 2026-11-22T16:42:38Z to 2046-11-17T16:42:38Z, not at {time}", a.subject());
        assert_eq!(error.to_string(), expected);
    }
    for (time, anchor) in [("2026-11-22T16:42:38Z", &a), ("2046-11-17T16:42:38.999Z", &a)] {
        pinned(Role::AccessPoint, &[anchor]).check(&a, &[], at(time)).unwrap();
    }
    // The authority was valid from and until other seconds.
    let error = trust.check(&a, &[], a.not_after()).unwrap_err();
    assert!(error.to_string().contains("an anchor that is not valid at that time"), "{error}");
    let timeless = Trust { validity: false, ..trust.clone() };
    timeless.check(&a, &[], at("2060-01-01T00:00:00Z")).unwrap();

    let strong = Trust { bits_least: 4096, ..trust.clone() };
    let error = strong.check(&a, &[], at(NOW)).unwrap_err();
    assert!(matches!(error, TrustError::Weak { bits: 3072, least: 4096, .. }), "{error}");

    let strict = Trust { revocation: Revocation::Required, ..trust };
    assert!(matches!(strict.check(&a, &[], at(NOW)), Err(TrustError::UnknownRevocation { .. })));
}

#[test]
fn an_smp_is_trusted_under_the_smp_authority_only() {
    let (Some(folder), Some(Foreign { intermediate, .. })) = (shared("vectors/smp"), foreign()) else {
        return;
    };
    let file = |name: &str| read(&folder.join(name));
    let (smp, authority, access_point) = (file("phoss-smp.pem"), file("phoss-smp-ca.pem"), file("phoss-ap.pem"));
    let trust = Trust { bits_least: 2048, ..pinned(Role::Smp, &[&authority]) };
    let time = at("2026-11-30T00:00:00Z");
    trust.check(&smp, &[], time).unwrap();
    assert!(matches!(trust.check(&access_point, &[], time), Err(TrustError::Chain { .. })));
    assert!(matches!(
        Trust { anchors: vec![intermediate], ..trust.clone() }.check(&smp, &[], time),
        Err(TrustError::Chain { .. })
    ));
}

#[test]
fn a_path_token_comes_back_end_entity_first() {
    let Some(Foreign { root, intermediate, a, .. }) = foreign() else {
        return;
    };
    let content = [root.der(), intermediate.der(), a.der()].concat();
    let token = [&[0x30, 0x82][..], &(content.len() as u16).to_be_bytes(), &content].concat();
    let path = Certificate::from_pki_path(&token).unwrap();
    assert_eq!(path, [a, intermediate, root]);
    assert!(Certificate::from_pki_path(&token[..token.len() - 1]).is_err());
    assert!(Certificate::from_pki_path(&[token, vec![0]].concat()).is_err());
}

#[test]
fn a_key_is_refused_with_the_certificate_of_another() {
    let Some(Foreign { a, intermediate, folder, .. }) = foreign() else {
        return;
    };
    let identity = Identity::from_files(&folder.join("a.key.pem"), &folder.join("a.cert.pem")).unwrap();
    assert_eq!(identity.certificate, a);
    let error = Identity::from_files(&folder.join("a.key.pem"), &folder.join("b.cert.pem")).unwrap_err();
    assert!(matches!(error, KeystoreError::Mismatch { .. }), "{error}");
    let error = Identity::from_files(&folder.join("a.cert.pem"), &folder.join("a.cert.pem")).unwrap_err();
    assert!(error.to_string().ends_with("a.cert.pem: not a usable key: a certificate and no private key"), "{error}");
    let error = Identity::from_files(&folder.join("none.pem"), &folder.join("a.cert.pem")).unwrap_err();
    assert!(matches!(error, KeystoreError::Io { .. }), "{error}");

    let both = tempfile::NamedTempFile::new().unwrap();
    fs::write(both.path(), a.to_pem() + &intermediate.to_pem()).unwrap();
    let identity = Identity::from_files(&folder.join("a.key.pem"), both.path()).unwrap();
    assert_eq!(identity.chain, [intermediate]);
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        println!("skipped: {program} is not here");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    Some(text)
}

#[test]
fn java_and_openssl_read_our_key_stores() {
    let Some(Foreign { a, b, intermediate, root, folder, .. }) = foreign() else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let key_pem = fs::read_to_string(folder.join("a.key.pem")).unwrap();
    let keys = out.path().join("key.p12");
    let keys = keys.to_str().unwrap();
    fs::write(keys, pkcs12_key(&key_pem, &a, &[intermediate.clone(), root.clone()], "ap", "changeit").unwrap())
        .unwrap();
    assert!(pkcs12_key(&key_pem, &b, &[], "ap", "changeit").unwrap_err().contains("public keys differ"));

    let trust = out.path().join("trust.p12");
    let trust = trust.to_str().unwrap();
    let entries = [("rot".to_owned(), root), ("ca".to_owned(), intermediate), ("peer".to_owned(), b)];
    fs::write(trust, pkcs12_trust(&entries, "changeit").unwrap()).unwrap();

    if let Some(list) = output("keytool", &["-list", "-v", "-keystore", keys, "-storepass", "changeit"]) {
        assert!(
            list.contains("Alias name: ap") && list.contains("PrivateKeyEntry") && list.contains("chain length: 3"),
            "{list}"
        );
        let list = output("keytool", &["-list", "-keystore", trust, "-storepass", "changeit"]).unwrap();
        assert!(list.contains("contains 3 entries") && list.matches("trustedCertEntry").count() == 3, "{list}");
    }
    if let Some(text) = output("openssl", &["pkcs12", "-in", keys, "-passin", "pass:changeit", "-noenc", "-info"]) {
        assert!(text.contains("PBES2") && text.contains("AES-256-CBC") && text.contains("hmacWithSHA256"), "{text}");
        let identity = Identity::from_pem(text.as_bytes(), text.as_bytes()).unwrap();
        assert_eq!(identity.certificate, a);
        let text = output("openssl", &["pkcs12", "-in", trust, "-passin", "pass:changeit", "-nokeys"]).unwrap();
        assert_eq!(Certificate::all_from_pem(text.as_bytes()).unwrap().len(), 3);
    }
}

#[test]
fn thumbprints_are_those_of_the_der() {
    let Some(Foreign { a, folder, .. }) = foreign() else {
        return;
    };
    let file = folder.join("a.cert.pem");
    let Some(text) = output("openssl", &["x509", "-in", file.to_str().unwrap(), "-noout", "-fingerprint", "-sha1"])
    else {
        return;
    };
    let fingerprint = text.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    assert_eq!(hex(&a.sha1()), fingerprint);
}

/// One tree for all tests that need one: RSA keys of 4096 bits take their time.
fn testbed() -> &'static (tempfile::TempDir, Profile, Tree) {
    static TREE: OnceLock<(tempfile::TempDir, Profile, Tree)> = OnceLock::new();
    TREE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile {
            environment: "TESTBED".into(),
            crl_base: Some("http://127.0.0.1:8080/crl".into()),
            ocsp: Some("http://127.0.0.1:8080/ocsp".into()),
            days: 365,
        };
        let made = tree(folder.path(), &profile, at(NOW)).unwrap();
        (folder, profile, made)
    })
}

#[test]
fn a_testbed_tree_is_as_sdk_has_it_and_openssl_agrees() {
    let (folder, profile, made) = testbed();
    let now = at(NOW);
    assert!(matches!(tree(folder.path(), profile, now), Err(CaError::Io { .. })), "a tree is never replaced");
    let read = Tree::load(folder.path(), profile).unwrap();
    for (made, read) in made.authorities().iter().zip(read.authorities()) {
        assert_eq!(made.certificate(), read.certificate());
        let key = fs::metadata(folder.path().join(format!("ca/{}.key.pem", made.name))).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    let bits = made.authorities().map(|authority| authority.certificate().public_key().bits());
    assert_eq!(bits, [4096, 3072, 4096, 4096, 4096, 3072]);
    let issuing = read.access_point.certificate();
    let digg = "organizationIdentifier=000000-0000,O=Myndigheten för digital förvaltning (testbädd),C=SE";
    assert_eq!(issuing.subject(), format!("CN=Accesspunkt CA-TESTBED,{digg}"));
    assert_eq!(issuing.issuer(), format!("CN=Rot CA eDelivery Accesspunkt-TESTBED,{digg}"));
    assert_eq!(issuing.crl_urls(), ["http://127.0.0.1:8080/crl/ap-root.crl"]);
    assert_eq!(issuing.subject_key_identifier().unwrap().len(), 32);

    let leaf = Leaf::new(Purpose::AccessPoint, "AP0001-TESTBED", "Ankeborg", profile, now);
    let issued = read.access_point.issue(&leaf).unwrap();
    let certificate = &issued.certificate;
    assert_eq!(certificate.common_name(), Some("AP0001-TESTBED"));
    assert_eq!(certificate.crl_urls(), ["http://127.0.0.1:8080/crl/ap.crl"]);
    Identity::from_pem(issued.key_pem.as_bytes(), certificate.to_pem().as_bytes()).unwrap();
    pinned(Role::AccessPoint, &[issuing]).check(certificate, &[], now).unwrap();

    let smp = pinned(Role::Smp, &[made.smp_root.certificate()]);
    smp.check(&made.smp_signer.certificate, &[], now).unwrap();
    assert!(matches!(smp.check(certificate, &[], now), Err(TrustError::Chain { .. })));
    let signer_as_access_point = pinned(Role::AccessPoint, &[made.smp_root.certificate()]);
    let signer_only = signer_as_access_point.check(&made.smp_signer.certificate, &[], now).unwrap();
    let error = signer_only.may_encrypt().unwrap_err();
    assert!(matches!(error, TrustError::Usage { lacks: "keyEncipherment", .. }), "{error}");

    let leaf = Leaf::new(Purpose::Participant, "ankeborg.example.se", "Ankeborg", profile, now);
    let participant = read.participant.issue(&leaf).unwrap().certificate;
    let root = read.participant_root.certificate();
    let between = [read.participant.certificate().clone()];
    pinned(Role::Participant, &[root]).check(&participant, &between, now).unwrap();

    let chain = folder.path().join("chain.pem");
    fs::write(&chain, between[0].to_pem() + &participant.to_pem()).unwrap();
    let verify = |trust: &Certificate, untrusted: &Certificate, leaf: &Certificate| {
        let write = |name: &str, certificate: &Certificate| {
            let path = folder.path().join(name);
            fs::write(&path, certificate.to_pem()).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (trust, untrusted, leaf) = (write("a", trust), write("b", untrusted), write("c", leaf));
        let arguments =
            ["verify", "-x509_strict", "-no_check_time", "-CAfile", &trust, "-untrusted", &untrusted, &leaf];
        output("openssl", &arguments).is_none_or(|text| text.contains("OK"))
    };
    assert!(verify(root, &between[0], &participant));
    assert!(verify(read.access_point_root.certificate(), issuing, certificate));

    let leaf = Leaf::new(Purpose::Server(vec!["localhost".into(), "127.0.0.1".into()]), "localhost", "T", profile, now);
    let server = read.tls.issue(&leaf).unwrap().certificate;
    assert!(verify(read.tls.certificate(), issuing, &server));
}

#[test]
fn certificates_made_to_be_refused_are_refused_for_their_reason() {
    let Some(Foreign { intermediate, .. }) = foreign() else { return };
    let (_, profile, tree) = testbed();
    let now = at(NOW);
    let issuing = tree.access_point.certificate();
    let trust = pinned(Role::AccessPoint, &[issuing]);
    let leaf = Leaf::new(Purpose::AccessPoint, "AP0001-TESTBED", "Ankeborg", profile, now);
    let issue = |leaf: &Leaf| tree.access_point.issue(leaf).unwrap().certificate;

    let weak = issue(&Leaf { bits: 2048, ..leaf.clone() });
    assert!(matches!(trust.check(&weak, &[], now), Err(TrustError::Weak { bits: 2048, least: 3072, .. })));
    let past =
        issue(&Leaf { not_before: at("2025-01-01T00:00:00Z"), not_after: at("2026-01-01T00:00:00Z"), ..leaf.clone() });
    assert!(matches!(trust.check(&past, &[], now), Err(TrustError::Validity { .. })));
    let other = tree.participant.issue(&leaf).unwrap().certificate;
    assert!(matches!(
        trust.check(&other, &[tree.participant.certificate().clone()], now),
        Err(TrustError::Chain { .. })
    ));
    assert!(trust.check(&other, &[intermediate], now).is_err());

    // The right names over a signature of somebody else.
    let good = issue(&leaf);
    trust.check(&good, &[], now).unwrap();
    let mut forged = good.der().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let error = trust.check(&Certificate::from_der(&forged).unwrap(), &[], now).unwrap_err();
    assert!(error.to_string().contains("a signature of the chain does not hold"), "{error}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn the_readme_lists_every_anchor_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut listed = 0;
    for environment in ["qa", "open-test"] {
        for path in files_below(&folder.join(environment)) {
            for certificate in Certificate::all_from_pem(&fs::read(&path).unwrap()).unwrap() {
                let file = format!("| `{environment}/{}` |", path.file_name().unwrap().to_str().unwrap());
                let end = certificate.not_after().strftime("%Y-%m-%d").to_string();
                let (name, sha256) = (certificate.common_name().unwrap().to_owned(), certificate.sha256());
                let fits = |line: &str| {
                    line.starts_with(&file) && [&end, &name, &sha256].iter().all(|part| line.contains(*part))
                };
                assert!(readme.lines().any(fits), "{file} {name} {sha256} {end}");
                listed += 1;
            }
        }
    }
    assert_eq!(readme.lines().filter(|line| line.starts_with("| `")).count(), listed);
}

#[test]
fn the_anchors_here_are_the_published_ones() {
    let Some(published) = shared("spec/sdk/certificates") else { return };
    for (environment, folder) in [("qa", "sdk-qa"), ("open-test", "open-test")] {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs").join(environment);
        let all = |folder: &Path| {
            let read = |path: PathBuf| Certificate::all_from_pem(&fs::read(path).unwrap()).unwrap();
            let mut all: Vec<_> = files_below(folder).into_iter().flat_map(read).map(|found| found.sha256()).collect();
            all.sort();
            all.dedup();
            all
        };
        assert_eq!(all(&here), all(&published.join(folder)), "{environment}");
    }
}

#[test]
fn the_demo_keys_belong_to_their_certificates_and_lead_to_their_anchors() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/test");
    let pem = files_below(&committed).into_iter().filter(|path| path.extension().is_some_and(|end| end == "pem"));
    assert_eq!(pem.count(), demo::FILES.len());

    let anchor = |name: &str| demo::authority(name).unwrap();
    let leaves = [
        ("access-points/AP0001-DEMO", Role::AccessPoint, "ap", "AP0001-DEMO"),
        ("access-points/AP0002-DEMO", Role::AccessPoint, "ap", "AP0002-DEMO"),
        ("participants/ankeborg.example.se", Role::Participant, "o2o", "ankeborg.example.se"),
        ("participants/storstad.example.se", Role::Participant, "o2o", "storstad.example.se"),
        (demo::SMP_SIGNER, Role::Smp, "smp-root", "SMP-DEMO"),
        ("tls/localhost", Role::Participant, "tls", "localhost"),
    ];
    for (folder, role, authority, name) in leaves {
        let identity = demo::identity(folder).unwrap();
        assert_eq!(identity.certificate.common_name(), Some(name));
        for time in [NOW, "2025-01-01T00:00:00Z", "2044-12-30T00:00:00Z"] {
            pinned(role, &[&anchor(authority)]).check(&identity.certificate, &[], at(time)).unwrap();
        }
    }
    let access_point = demo::identity("access-points/AP0001-DEMO").unwrap();
    let root = pinned(Role::AccessPoint, &[&anchor("ap-root")]);
    root.check(&access_point.certificate, &access_point.chain, at(NOW)).unwrap();

    let folder = tempfile::tempdir().unwrap();
    demo::write(folder.path()).unwrap();
    let key = folder.path().join("access-points/AP0001-DEMO/test-key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    Identity::from_files(&key, &key.with_file_name("cert.pem")).unwrap();
}
