//! Verifying the signature of an envelope: who signed, and that what is covered is what is read.

use super::cause::RefusalCause;
use super::envelope::Envelope;
use super::error::{Finding, Refusal};
use super::header::{UserMessage, time};
use super::mime;
use super::security::{self, Encryption};
use super::sign;
use crate::crypto::{self, Digest};
use crate::model::{SignedReference, Timestamp};
use crate::pki::{Certificate, Trust, TrustError, Trusted};
use crate::xml::algorithm::{Allow, Allowed, Profile};
use crate::xml::c14n::{self, Form};
use crate::xml::dsig::{DsigError, Reference, Signature, Transform};
use crate::xml::{Node, ns};
use std::time::Duration;

/// Whom to believe.
#[derive(Clone, Copy)]
pub(super) struct Authority<'a> {
    /// Certificates that a reference without certificate may mean.
    pub(super) candidates: &'a [Certificate],
    pub(super) trust: &'a Trust,
    pub(super) at: Timestamp,
    pub(super) allowed: &'a Allowed,
}

/// What the signature of an envelope proves. Without signer it proves nothing, and only
/// [`Allow::Unsigned`] lets that through.
#[derive(Debug, Default)]
pub(super) struct Proof {
    pub(super) signer: Option<Trusted>,
    pub(super) method_uri: Option<String>,
    /// The signature's octets.
    pub(super) value: Vec<u8>,
    /// All references, in order.
    pub(super) references: Vec<Reference>,
}

impl Proof {
    /// The reference to a part.
    pub(super) fn part(&self, content_id: &str) -> Option<&Reference> {
        self.references.iter().find(|r| is_part(r) && mime::content_id(&r.uri) == content_id)
    }

    /// Content ids of all signed parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = String> + '_ {
        self.references.iter().filter(|r| is_part(r)).map(|r| mime::content_id(&r.uri))
    }

    /// The references as an AS4 receipt must repeat them.
    pub(super) fn signed_references(&self) -> Vec<SignedReference> {
        let one = |r: &Reference| SignedReference {
            uri: r.uri.clone(),
            algorithm: r.digest_uri.clone(),
            digest: r.value_text.clone(),
        };
        self.references.iter().map(one).collect()
    }

    /// The ds:Reference elements, each standing on its own, for the AS4 receipt.
    pub(super) fn elements(&self, envelope: &Envelope) -> Result<Vec<String>, Refusal> {
        let copy = |r: &Reference| sign::copy(envelope.tree.node(r.node)).map_err(super::envelope::from_xml);
        self.references.iter().map(copy).collect()
    }
}

fn is_part(reference: &Reference) -> bool {
    reference.uri.starts_with("cid:")
}

/// Verifies in the order of cost and trust: the signature value, the signer, the digests of eb:Messaging and
/// the Body. Digests of parts are for those who read the parts.
///
/// # Errors
///
/// [`Refusal::Policy`] for what is not signed and for algorithms outside the profile, [`Refusal::Authentication`] for a
/// signature that does not hold and for a signer that is not trusted.
pub(super) fn authenticate(envelope: &Envelope, authority: Authority<'_>) -> Result<Proof, Refusal> {
    let unsigned_passes = authority.allowed.contains(&Allow::Unsigned);
    let node = envelope.security().map(security::signature).transpose()?.flatten();
    let (Some(node), Some(reference)) = (node, &envelope.signer_reference) else {
        let refusal = Refusal::Policy(
            Finding::new("no signature", "eb:Messaging, Body and every part signed").rule("AS4-2.10.p1"),
        );
        return if unsigned_passes { Ok(Proof::default()) } else { Err(refusal) };
    };
    let signature = Signature::parse(node, Profile::As4, authority.allowed).map_err(from_dsig)?;
    let named: Vec<&Certificate> = match reference.certificates().first() {
        Some(own) => vec![own],
        None => authority.candidates.iter().filter(|c| reference.names(c)).collect(),
    };
    if named.is_empty() {
        return Err(unauthentic(
            RefusalCause::UnknownSigner,
            format!("a signer that is not known here: {reference}"),
            "a certificate that is known from service metadata, or a BinarySecurityToken",
        ));
    }
    let signers: Vec<&Certificate> =
        named.into_iter().filter(|c| signature.verify_value(&envelope.tree, c.public_key()).is_ok()).collect();
    if signers.is_empty() {
        return Err(unauthentic(
            RefusalCause::Altered,
            format!("a signature value that does not hold under the key of {reference}"),
            "a signature by the key that the message names",
        ));
    }
    let signer = trusted(&signers, reference.certificates(), authority)?;
    digests(envelope, &signature, unsigned_passes)?;
    if let Some(security) = envelope.security() {
        timestamp(security, authority)?;
    }
    Ok(Proof {
        signer: Some(signer),
        method_uri: Some(signature.method_uri),
        value: signature.value,
        references: signature.references,
    })
}

/// The first of the certificates of this key that is trusted. Several have one key after a renewal.
fn trusted(signers: &[&Certificate], brought: &[Certificate], authority: Authority<'_>) -> Result<Trusted, Refusal> {
    let others: Vec<Certificate> = brought.iter().chain(authority.candidates).cloned().collect();
    let mut last: Option<TrustError> = None;
    for signer in signers {
        match authority.trust.check(signer, &others, authority.at) {
            Ok(trusted) => return Ok(trusted),
            Err(error) => last = Some(error),
        }
    }
    let found = last.map(|e| e.to_string()).unwrap_or_default();
    Err(Refusal::Authentication(
        Finding::new(found, "a certificate of this federation, in force and not revoked").rule("AS4-2.10.c"),
    ))
}

/// Checks every `#id` reference, and that eb:Messaging and Body, as they are read, are among them.
fn digests(envelope: &Envelope, signature: &Signature, unsigned_passes: bool) -> Result<(), Refusal> {
    let mut covered = Vec::new();
    let mut parts = Vec::new();
    for reference in &signature.references {
        let twice = match &reference.uri {
            uri if uri.starts_with("cid:") => {
                part_transforms(reference)?;
                let id = mime::content_id(uri);
                let twice = parts.contains(&id);
                parts.push(id);
                twice
            }
            uri => {
                let id = uri.strip_prefix('#').filter(|id| !id.is_empty() && !id.contains('('));
                let id = id.ok_or_else(|| policy(format!("a reference to {uri:?}"), "#id or cid:"))?;
                let node = envelope.tree.by_id(id).map_err(from_dsig)?;
                element_digest(node, reference)?;
                let twice = covered.contains(&node.id);
                covered.push(node.id);
                twice
            }
        };
        if twice {
            return Err(policy(format!("two references to {}", reference.uri), "each once"));
        }
    }
    for (name, node) in [("eb:Messaging", envelope.messaging), ("the SOAP Body", envelope.body)] {
        if !covered.contains(&node) && !unsigned_passes {
            return Err(Refusal::Policy(
                Finding::new(
                    format!("a signature that does not cover {name}"),
                    format!("{name} signed where it stands"),
                )
                .rule("AS4-2.10.p1")
                .cause(RefusalCause::Coverage),
            ));
        }
    }
    Ok(())
}

fn element_digest(node: Node<'_>, reference: &Reference) -> Result<(), Refusal> {
    let method = match reference.transforms.as_slice() {
        [Transform::Canonical(method)] if method.form == Form::Exclusive && !method.comments => method,
        _ => {
            return Err(policy(
                format!("the transforms of {}", reference.uri),
                "exclusive canonical form, without comments, and nothing else",
            ));
        }
    };
    let digest = c14n::subtree(node.tree, node.id, method, None, Digest::new(reference.digest))
        .map_err(super::envelope::from_xml)?;
    if crypto::equal(&digest.finish(), &reference.value) {
        return Ok(());
    }
    Err(unauthentic(
        RefusalCause::Altered,
        format!("content of {} that differs from what was signed", reference.uri),
        "the digest in the signature",
    ))
}

fn part_transforms(reference: &Reference) -> Result<(), Refusal> {
    match reference.transforms.as_slice() {
        [Transform::AttachmentContent] => Ok(()),
        _ => Err(policy(
            format!("the transforms of {}", reference.uri),
            "the content transform for attachments, and nothing else",
        )),
    }
}

/// Checks wsu:Timestamp, which need not be there (protocol.md 1.5). Without Expires it holds for [`TIMESTAMP_LIFE`].
fn timestamp(security: Node<'_>, authority: Authority<'_>) -> Result<(), Refusal> {
    let mut stamps = security.all(ns::WSU, "Timestamp");
    let (Some(stamp), None) = (stamps.next(), stamps.next()) else {
        return if security.child(ns::WSU, "Timestamp").is_none() {
            Ok(())
        } else {
            Err(policy("several wsu:Timestamp", "one at most"))
        };
    };
    let (created, expires) = created_and_expires(stamp)?;
    if authority.allowed.contains(&Allow::Expired) {
        return Ok(());
    }
    if later(authority.at, TIMESTAMP_SKEW) < created {
        return Err(untimely(format!("wsu:Created {created}, ahead of {}", authority.at), "a time that has come"));
    }
    let (word, end) = match expires {
        Some(expires) => ("wsu:Expires", expires),
        None => ("the end of a wsu:Timestamp without Expires,", later(created, TIMESTAMP_LIFE)),
    };
    if end <= authority.at {
        return Err(untimely(format!("{word} {end}, before {}", authority.at), "a message that has not expired"));
    }
    Ok(())
}

/// The children of wsu:Timestamp: Created, then Expires, each once and nothing else (Basic Security Profile R3203 and following).
fn created_and_expires(stamp: Node<'_>) -> Result<(Timestamp, Option<Timestamp>), Refusal> {
    let children: Vec<Node<'_>> = stamp.children().collect();
    let (created, expires) = match children.as_slice() {
        [created] if !stamp.has_own_text() => (*created, None),
        [created, expires] if !stamp.has_own_text() && expires.is(ns::WSU, "Expires") => (*created, Some(*expires)),
        _ => return Err(unknown_stamp(&children)),
    };
    if !created.is(ns::WSU, "Created") {
        return Err(unknown_stamp(&children));
    }
    Ok((time(created)?, expires.map(time).transpose()?))
}

fn unknown_stamp(children: &[Node<'_>]) -> Refusal {
    let names: Vec<&str> = children.iter().map(Node::local).collect();
    let found = if names.is_empty() { "no element".to_owned() } else { names.join(", ") };
    policy(format!("wsu:Timestamp with {found}"), "Created, then Expires or nothing")
}

/// `at` and `by` more, or the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` and `by` less, or the beginning of time.
pub(super) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn from_dsig(error: DsigError) -> Refusal {
    match error {
        DsigError::Algorithm(error) => security::not_accepted(error),
        DsigError::Structure { what } => security::structure(&what, "a signature of the AS4 profile"),
        DsigError::Xml(error) => super::envelope::from_xml(error),
        DsigError::AmbiguousId { .. } => {
            unauthentic(RefusalCause::Ambiguous, error.to_string(), "one id for each element, and no two alike")
        }
        DsigError::Missing { .. } => {
            unauthentic(RefusalCause::Coverage, error.to_string(), "the id of an element of this message")
        }
        DsigError::Digest { .. } | DsigError::Value => {
            unauthentic(RefusalCause::Altered, error.to_string(), "a signature that holds")
        }
    }
}

fn policy(found: impl Into<String>, expected: impl Into<String>) -> Refusal {
    Refusal::Policy(Finding::new(found, expected).cause(RefusalCause::SecurityForm))
}

fn untimely(found: String, expected: &str) -> Refusal {
    Refusal::Policy(Finding::new(found, expected).rule("AS4-2.2.t11").cause(RefusalCause::Clock))
}

fn unauthentic(cause: RefusalCause, found: impl Into<String>, expected: impl Into<String>) -> Refusal {
    Refusal::Authentication(Finding::new(found, expected).cause(cause))
}

/// How far wsu:Created may lie ahead (WSS4J's default).
const TIMESTAMP_SKEW: Duration = Duration::from_secs(60);

/// How long wsu:Timestamp without Expires holds (WSS4J's default).
const TIMESTAMP_LIFE: Duration = Duration::from_secs(300);

/// Checks that the parts that the header names, those that are signed and those that are encrypted are the same.
pub(super) fn covered(
    message: &UserMessage,
    proof: &Proof,
    encryption: &Encryption,
    allowed: &Allowed,
) -> Result<(), Refusal> {
    let named: Vec<String> = message.parts.iter().map(|p| mime::content_id(&p.href)).collect();
    for (n, id) in named.iter().enumerate() {
        if named[..n].contains(id) {
            return Err(Refusal::Inconsistent(Finding::new(format!("two PartInfo for {id}"), "one for each part")));
        }
        if proof.part(id).is_none() && !allowed.contains(&Allow::Unsigned) {
            return Err(Refusal::Policy(
                Finding::new(format!("the part {id} unsigned"), "every part signed").rule("AS4-2.10.p1"),
            ));
        }
        if !encryption.parts.iter().any(|p| p.content_id == *id) && !allowed.contains(&Allow::Unencrypted) {
            return Err(Refusal::Policy(
                Finding::new(format!("the part {id} unencrypted"), "every part encrypted").rule("AS4-2.10.p1"),
            ));
        }
    }
    let others = proof.parts().chain(encryption.parts.iter().map(|p| p.content_id.clone()));
    match others.into_iter().find(|id| !named.contains(id)) {
        Some(id) => Err(Refusal::Payload(Finding::new(
            format!("a protected part {id} that the header does not name"),
            "a PartInfo for each part",
        ))),
        None => Ok(()),
    }
}
