//! The one table of algorithms: identifier, what it is, and whether the profile takes it.

use super::c14n::{Form, Method};
use crate::crypto::{HashFunction, Oaep};
use std::collections::BTreeSet;

/// RSA PKCS#1 v1.5 with SHA-256 (RFC 9231, 2.3.2).
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// SHA-1 (XML Signature 1.1, 6.2.1).
pub const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
/// SHA-256 (XML Encryption 1.1, 5.8.2).
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// Canonical XML 1.0 without comments.
pub const C14N_10: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
/// Canonical XML 1.1 without comments.
pub const C14N_11: &str = "http://www.w3.org/2006/12/xml-c14n11";
/// Exclusive XML Canonicalization 1.0 without comments.
pub const C14N_EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The enveloped signature transform (XML Signature 1.1, 6.6.4).
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// What is signed of an attachment (SwA Profile 1.1, 5.4.4).
pub const ATTACHMENT_CONTENT: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform";
/// How an encrypted attachment is found (SwA Profile 1.1, 5.5.2).
pub const ATTACHMENT_CIPHERTEXT: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Ciphertext-Transform";
/// RSA-OAEP with explicit digest and mask generation (XML Encryption 1.1, 5.5.2).
pub const RSA_OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
/// RSA-OAEP with MGF1 over SHA-1 (XML Encryption 1.1, 5.5.2).
pub const RSA_OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
/// MGF1 over SHA-1.
pub const MGF1_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
/// MGF1 over SHA-256.
pub const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";
/// AES-128 in GCM (XML Encryption 1.1, 5.2.4).
pub const AES128_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
/// AES-256 in CBC (XML Encryption 1.1, 5.2.2).
pub const AES256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";

/// What tests and old partners may be allowed beyond the profile (`--allow`). Empty is the profile.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Allow {
    /// Signatures by RSA with SHA-1, and SHA-1 digests.
    RsaSha1,
    /// Signatures by RSA with SHA-384, and SHA-384 digests.
    RsaSha384,
    /// Signatures by RSA with SHA-512, and SHA-512 digests.
    RsaSha512,
    /// Key transport whose digest or mask generation is SHA-1.
    OaepMgf1p,
    /// AES-256-GCM content.
    Aes256Gcm,
    /// RSA keys below the profile's length.
    ShortKeys,
    /// Certificates outside their validity.
    Expired,
    /// Messages without a signature.
    Unsigned,
    /// Messages without encryption.
    Unencrypted,
    /// Certificates whose revocation status is not known.
    UnknownRevocation,
}

/// The names of the command line.
const ALLOW_NAMES: [(&str, Allow); 10] = [
    ("rsa-sha1", Allow::RsaSha1),
    ("rsa-sha384", Allow::RsaSha384),
    ("rsa-sha512", Allow::RsaSha512),
    ("oaep-mgf1p", Allow::OaepMgf1p),
    ("aes256-gcm", Allow::Aes256Gcm),
    ("short-keys", Allow::ShortKeys),
    ("expired", Allow::Expired),
    ("unsigned", Allow::Unsigned),
    ("unencrypted", Allow::Unencrypted),
    ("unknown-revocation", Allow::UnknownRevocation),
];

impl std::str::FromStr for Allow {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let known = ALLOW_NAMES.iter().find(|(known, _)| *known == name).map(|(_, allow)| *allow);
        known.ok_or_else(|| {
            let names: Vec<&str> = ALLOW_NAMES.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is nothing that can be allowed; expected one of {}", names.join(", "))
        })
    }
}

impl std::fmt::Display for Allow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = ALLOW_NAMES.iter().find(|(_, allow)| allow == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// A set of them.
pub type Allowed = BTreeSet<Allow>;

/// An algorithm that is not in the profile, by name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{usage} algorithm {found} is not accepted; expected {expected}")]
pub struct NotAccepted {
    /// What it was for.
    pub usage: &'static str,
    /// The identifier found.
    pub found: String,
    /// The identifiers accepted, as text.
    pub expected: String,
}

/// Which profile asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// WS-Security in AS4 (eDelivery AS4 1.15).
    As4,
    /// The envelope (Kuverteringsprofil XHE).
    Xhe,
    /// Service metadata (OASIS SMP 1.0).
    Smp,
}

/// Whether a profile takes an algorithm.
#[derive(Clone, Copy)]
enum Take {
    Always,
    With(Allow),
    Never,
}
use Take::{Always, Never, With};

/// One algorithm: identifier, what it is, and whether AS4, XHE and SMP take it, in this order.
struct Row<T: 'static>(&'static str, T, [Take; 3]);

/// Signature methods (AS4: protocol.md 1.2; XHE-3.5.2.2.a; SMP: SHA-256 upwards, protocol.md 5.1).
const SIGNATURES: &[Row<HashFunction>] = &[
    Row(RSA_SHA256, HashFunction::Sha256, [Always, Always, Always]),
    Row(
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
        HashFunction::Sha384,
        [With(Allow::RsaSha384), With(Allow::RsaSha384), Always],
    ),
    Row(
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        HashFunction::Sha512,
        [With(Allow::RsaSha512), With(Allow::RsaSha512), Always],
    ),
    Row("http://www.w3.org/2000/09/xmldsig#rsa-sha1", HashFunction::Sha1, [With(Allow::RsaSha1); 3]),
];

/// Digest methods of references.
const DIGESTS: &[Row<HashFunction>] = &[
    Row(SHA256, HashFunction::Sha256, [Always, Always, Always]),
    Row(
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        HashFunction::Sha384,
        [With(Allow::RsaSha384), With(Allow::RsaSha384), Always],
    ),
    Row(
        "http://www.w3.org/2001/04/xmlenc#sha512",
        HashFunction::Sha512,
        [With(Allow::RsaSha512), With(Allow::RsaSha512), Always],
    ),
    Row(SHA1, HashFunction::Sha1, [With(Allow::RsaSha1); 3]),
];

/// Canonical forms: AS4 exclusive only (BSP R5404); the others as C-22 says, for the `CanonicalizationMethod` and the transform.
const FORMS: &[Row<(Form, bool)>] = &[
    Row(C14N_10, (Form::Inclusive10, false), [Never, Always, Always]),
    Row(
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        (Form::Inclusive10, true),
        [Never, Always, Always],
    ),
    Row(C14N_11, (Form::Inclusive11, false), [Never, Always, Always]),
    Row("http://www.w3.org/2006/12/xml-c14n11#WithComments", (Form::Inclusive11, true), [Never, Always, Always]),
    Row(C14N_EXCLUSIVE, (Form::Exclusive, false), [Always, Always, Always]),
    Row("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", (Form::Exclusive, true), [Never, Always, Always]),
];

/// Content encryption, with the length of its key in bytes.
const CONTENTS: &[Row<usize>] = &[
    Row(AES128_GCM, 16, [Always, Never, Never]),
    Row("http://www.w3.org/2009/xmlenc11#aes256-gcm", 32, [With(Allow::Aes256Gcm), Never, Never]),
    Row(AES256_CBC, 32, [Never, Always, Never]),
];

/// Key transport: method, digest and mask generation, "" for none written (which means SHA-1 for both).
type KeyTransport = (&'static str, &'static str, &'static str);

/// Key transports (AS4: protocol.md 1.2, both children written out; XHE: C-21).
const KEY_TRANSPORTS: &[(KeyTransport, HashFunction, HashFunction, [Take; 3])] = {
    use HashFunction::{Sha1, Sha256};
    /// AS4 on request, XHE always.
    const OLD: [Take; 3] = [With(Allow::OaepMgf1p), Always, Never];
    /// AS4 on request, nobody else.
    const NO_MGF: [Take; 3] = [With(Allow::OaepMgf1p), Never, Never];
    &[
        ((RSA_OAEP, SHA256, MGF1_SHA256), Sha256, Sha256, [Always, Never, Never]),
        ((RSA_OAEP, "", ""), Sha1, Sha1, NO_MGF),
        ((RSA_OAEP, SHA1, ""), Sha1, Sha1, NO_MGF),
        ((RSA_OAEP, SHA256, ""), Sha256, Sha1, NO_MGF),
        ((RSA_OAEP, "", MGF1_SHA1), Sha1, Sha1, NO_MGF),
        ((RSA_OAEP, SHA1, MGF1_SHA1), Sha1, Sha1, NO_MGF),
        ((RSA_OAEP, SHA256, MGF1_SHA1), Sha256, Sha1, NO_MGF),
        ((RSA_OAEP_MGF1P, "", ""), Sha1, Sha1, OLD),
        ((RSA_OAEP_MGF1P, SHA1, ""), Sha1, Sha1, OLD),
        ((RSA_OAEP_MGF1P, SHA256, ""), Sha256, Sha1, OLD),
    ]
};

/// SignatureMethod -> hash of RSA PKCS#1 v1.5.
///
/// # Errors
/// `NotAccepted` where the profile does not take it.
pub fn signature(uri: &str, profile: Profile, allowed: &Allowed) -> Result<HashFunction, NotAccepted> {
    find(SIGNATURES, "signature", uri, profile, allowed)
}

/// DigestMethod of a reference.
///
/// # Errors
/// `NotAccepted` where the profile does not take it.
pub fn digest(uri: &str, profile: Profile, allowed: &Allowed) -> Result<HashFunction, NotAccepted> {
    find(DIGESTS, "digest", uri, profile, allowed)
}

/// Canonicalisation by identifier; `None` where the identifier is none. Prefixes stay empty.
#[must_use]
pub fn c14n(uri: &str) -> Option<Method> {
    let Row(_, (form, comments), _) = FORMS.iter().find(|row| row.0 == uri)?;
    Some(Method { form: *form, comments: *comments, prefixes: Vec::new() })
}

/// Canonicalisation that a profile takes. Prefixes stay empty.
///
/// # Errors
/// `NotAccepted` where the profile does not take it.
pub fn canonical(uri: &str, profile: Profile) -> Result<Method, NotAccepted> {
    let (form, comments) = find(FORMS, "canonicalisation", uri, profile, &Allowed::new())?;
    Ok(Method { form, comments, prefixes: Vec::new() })
}

/// The identifier of a canonical form.
#[must_use]
pub fn c14n_uri(method: &Method) -> &'static str {
    let is = |row: &&Row<(Form, bool)>| row.1 == (method.form, method.comments);
    FORMS.iter().find(is).map_or("", |row| row.0)
}

/// Key transport: EncryptionMethod, DigestMethod and MGF of an EncryptedKey.
///
/// # Errors
/// `NotAccepted` where the profile does not take the combination.
pub fn key_transport(
    uri: &str,
    digest: Option<&str>,
    mgf: Option<&str>,
    profile: Profile,
    allowed: &Allowed,
) -> Result<Oaep, NotAccepted> {
    let found = (uri, digest.unwrap_or_default(), mgf.unwrap_or_default());
    let row = KEY_TRANSPORTS.iter().find(|row| row.0 == found && takes(&row.3, profile, allowed));
    let refused = || {
        let accepted = KEY_TRANSPORTS.iter().filter(|row| takes(&row.3, profile, allowed)).map(|row| shown(row.0));
        NotAccepted { usage: "key transport", found: shown(found), expected: listed(accepted) }
    };
    row.map(|row| Oaep { digest: row.1, mgf: row.2 }).ok_or_else(refused)
}

/// Content encryption -> key length in bytes.
///
/// # Errors
/// `NotAccepted` where the profile does not take it.
pub fn content(uri: &str, profile: Profile, allowed: &Allowed) -> Result<usize, NotAccepted> {
    find(CONTENTS, "content encryption", uri, profile, allowed)
}

fn find<T: Copy>(
    rows: &[Row<T>],
    usage: &'static str,
    uri: &str,
    profile: Profile,
    allowed: &Allowed,
) -> Result<T, NotAccepted> {
    let accepted = || rows.iter().filter(|row| takes(&row.2, profile, allowed));
    let found = accepted().find(|row| row.0 == uri).map(|row| row.1);
    found.ok_or_else(|| NotAccepted {
        usage,
        found: named(uri),
        expected: listed(accepted().map(|row| row.0.to_owned())),
    })
}

fn takes(row: &[Take; 3], profile: Profile, allowed: &Allowed) -> bool {
    match row[profile as usize] {
        Always => true,
        With(allow) => allowed.contains(&allow),
        Never => false,
    }
}

fn shown((uri, digest, mgf): (&str, &str, &str)) -> String {
    let or_none = |uri: &str| {
        if uri.is_empty() { String::from("none") } else { named(uri) }
    };
    format!("{} (DigestMethod {}, MGF {})", named(uri), or_none(digest), or_none(mgf))
}

/// An identifier from outside, short enough for a log line.
fn named(uri: &str) -> String {
    uri.chars().take(160).collect()
}

fn listed(accepted: impl Iterator<Item = String>) -> String {
    let accepted: Vec<String> = accepted.collect();
    if accepted.is_empty() { String::from("none") } else { accepted.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [Profile; 3] = [Profile::As4, Profile::Xhe, Profile::Smp];

    fn nothing() -> Allowed {
        Allowed::new()
    }

    #[test]
    fn the_as4_profile_takes_the_suite_of_edelivery_1_15_and_nothing_else() {
        let as4 = Profile::As4;
        assert_eq!(signature(RSA_SHA256, as4, &nothing()), Ok(HashFunction::Sha256));
        assert_eq!(content(AES128_GCM, as4, &nothing()), Ok(16));
        let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
        assert_eq!(key_transport(RSA_OAEP, Some(SHA256), Some(MGF1_SHA256), as4, &nothing()), Ok(oaep));
        for (uri, digest, mgf) in [
            (RSA_OAEP, Some(SHA256), None),
            (RSA_OAEP, None, Some(MGF1_SHA256)),
            (RSA_OAEP, None, None),
            (RSA_OAEP_MGF1P, None, None),
            ("http://www.w3.org/2001/04/xmlenc#rsa-1_5", None, None),
        ] {
            assert!(key_transport(uri, digest, mgf, as4, &nothing()).is_err(), "{uri} {digest:?} {mgf:?}");
        }
        for uri in
            [AES256_CBC, "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"]
        {
            assert!(content(uri, as4, &nothing()).is_err(), "{uri}");
        }
        assert!(canonical(C14N_10, as4).is_err());
        assert!(canonical("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", as4).is_err());
    }

    #[test]
    fn nobody_takes_sha1_hmac_ecdsa_or_the_algorithms_of_edelivery_2() {
        for uri in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
            "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
            "",
        ] {
            for profile in PROFILES {
                let refused = signature(uri, profile, &nothing()).unwrap_err();
                assert_eq!((refused.usage, refused.found.as_str()), ("signature", uri));
                assert!(refused.expected.contains(RSA_SHA256), "{}", refused.expected);
            }
        }
        for profile in PROFILES {
            assert!(digest(SHA1, profile, &nothing()).is_err());
        }
    }

    #[test]
    fn the_envelope_takes_old_oaep_with_or_without_a_digest_method_and_refuses_the_new_one() {
        let xhe = Profile::Xhe;
        for (written, digest) in
            [(None, HashFunction::Sha1), (Some(SHA1), HashFunction::Sha1), (Some(SHA256), HashFunction::Sha256)]
        {
            let oaep = Oaep { digest, mgf: HashFunction::Sha1 };
            assert_eq!(key_transport(RSA_OAEP_MGF1P, written, None, xhe, &nothing()), Ok(oaep));
        }
        assert!(key_transport(RSA_OAEP, Some(SHA256), Some(MGF1_SHA256), xhe, &nothing()).is_err());
        assert_eq!(content(AES256_CBC, xhe, &nothing()), Ok(32));
    }

    #[test]
    fn an_allowance_opens_exactly_what_its_name_says() {
        let allow = |name: &str| Allowed::from([name.parse::<Allow>().unwrap()]);
        let sha384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384";
        assert_eq!(signature(sha384, Profile::As4, &allow("rsa-sha384")), Ok(HashFunction::Sha384));
        assert!(signature(sha384, Profile::As4, &allow("rsa-sha512")).is_err());
        let oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha1 };
        assert_eq!(key_transport(RSA_OAEP_MGF1P, Some(SHA256), None, Profile::As4, &allow("oaep-mgf1p")), Ok(oaep));
        assert!(signature("http://www.w3.org/2000/09/xmldsig#rsa-sha1", Profile::Smp, &allow("rsa-sha1")).is_ok());
        assert!("everything".parse::<Allow>().unwrap_err().contains("unknown-revocation"));
        for (name, allow) in ALLOW_NAMES {
            assert_eq!(allow.to_string(), name);
        }
    }

    #[test]
    fn a_canonical_form_and_its_identifier_belong_together() {
        for row in FORMS {
            assert_eq!(c14n_uri(&c14n(row.0).unwrap()), row.0);
        }
        assert_eq!(c14n("http://www.w3.org/TR/1999/REC-xpath-19991116"), None);
    }
}
