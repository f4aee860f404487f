//! Opening a received message, step by step, each a type that the next one takes: [`read`] parses the SOAP part,
//! [`Received::verify`] says who sent it, [`Attributed::open`] takes the parts. Only then is anything delivered.

use super::algorithms::Algorithms;
use super::cause::RefusalCause;
use super::envelope::Envelope;
use super::error::{Finding, Refusal};
use super::header::{Content, Party, Signal, UserMessage, read_reference};
use super::mime::{self, Multipart};
use super::part::{self, Plan, Secret, Signed, SignedForm};
use super::pmode;
use super::security::{self, EncryptedPart, Encryption, KeyReference, SessionKey};
use super::verify::{self, Authority, Proof};
use crate::crypto::{Digest, HashFunction, hex};
use crate::limits;
use crate::model::{As4MessageId, SignedReference, Timestamp};
use crate::pki::{Certificate, Identity, Trust, Trusted};
use crate::xml::algorithm::{Allow, Allowed};
use crate::xml::ns;
use std::io::{self, Read, Write};
use std::time::Duration;
use zeroize::Zeroizing;

/// What kind of message unit came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A user message.
    UserMessage,
    /// An AS4 receipt.
    Receipt,
    /// One or more ebMS errors.
    Error,
}

impl Kind {
    /// The word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::UserMessage => "user-message",
            Self::Receipt => "receipt",
            Self::Error => "error",
        }
    }

    /// The words for sentences.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::UserMessage => "a user message",
            Self::Receipt => "a receipt",
            Self::Error => "an error",
        }
    }
}

/// What a message says of itself before anything is verified: to look up a certificate, and to address an error.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claimed {
    /// Message id.
    pub message_id: As4MessageId,
    /// The message that a signal is about.
    pub ref_to: Option<As4MessageId>,
    /// Sending access point.
    pub from: Option<Party>,
    /// Receiving access point.
    pub to: Option<Party>,
    /// Sending participant.
    pub original_sender: Option<String>,
    /// Receiving participant.
    pub final_recipient: Option<String>,
    /// Action.
    pub action: Option<String>,
    /// ConversationId.
    pub conversation_id: Option<String>,
}

/// A message whose SOAP part was parsed. Nothing of it is trusted.
#[derive(Debug)]
pub struct Received<R> {
    pub(super) envelope: Envelope,
    parts: Option<Multipart<R>>,
    any_community: bool,
    content_bytes_max: u64,
    /// How far `eb:Timestamp` may lie ahead, and behind.
    window: (Duration, Duration),
}

/// Reads the SOAP part of an HTTP body and checks its structure. The attachments stay unread.
///
/// # Errors
///
/// [`Refusal::Mime`], [`Refusal::Header`], [`Refusal::Inconsistent`], [`Refusal::Payload`], [`Refusal::Feature`],
/// [`Refusal::Policy`] and [`Refusal::Limit`], as [`Refusal`] describes them.
pub fn read<R: Read>(content_type: &str, body: R) -> Result<Received<R>, Refusal> {
    read_within(content_type, body, limits::SOAP_BYTES_MAX)
}

/// [`read`], with another bound of the SOAP part, in bytes: it is read before its sender can be known.
///
/// # Errors
///
/// Those of [`read`].
pub fn read_within<R: Read>(content_type: &str, body: R, soap_bytes_max: usize) -> Result<Received<R>, Refusal> {
    let (soap, parts) = mime::open(content_type, body, soap_bytes_max)?;
    Ok(Received {
        envelope: Envelope::parse(soap)?,
        parts,
        any_community: false,
        content_bytes_max: limits::AS4_BODY_BYTES_MAX,
        window: (limits::TIMESTAMP_AHEAD_MAX, limits::TIMESTAMP_BEHIND_MAX),
    })
}

/// Whether this beginning of a body holds the whole SOAP part, or is to be refused already: [`read_within`] then waits for nothing more.
pub fn begun(content_type: &str, beginning: &[u8], ended: bool, soap_bytes_max: usize) -> bool {
    mime::begun(content_type, beginning, ended, soap_bytes_max)
}

impl<R: Read> Received<R> {
    /// What kind of message unit it is.
    pub fn kind(&self) -> Kind {
        match &self.envelope.content {
            Content::User(_) => Kind::UserMessage,
            Content::Signal(signal) => signal.kind(),
        }
    }

    /// What it says of itself, unverified.
    pub fn claimed(&self) -> Claimed {
        match &self.envelope.content {
            Content::User(m) => Claimed {
                message_id: m.message_id.clone(),
                ref_to: m.ref_to.clone(),
                from: Some(m.from.clone()),
                to: Some(m.to.clone()),
                original_sender: m.original_sender().map(str::to_owned),
                final_recipient: m.final_recipient().map(str::to_owned),
                action: Some(m.action.clone()),
                conversation_id: Some(m.conversation_id.clone()),
            },
            Content::Signal(s) => Claimed {
                message_id: s.message_id.clone(),
                ref_to: s.ref_to.clone(),
                from: None,
                to: None,
                original_sender: None,
                final_recipient: None,
                action: None,
                conversation_id: None,
            },
        }
    }

    /// How the signature names its key; none where there is no signature.
    pub fn signer_reference(&self) -> Option<&KeyReference> {
        self.envelope.signer_reference.as_ref()
    }

    /// The SOAP part, unverified.
    pub fn soap(&self) -> &str {
        &self.envelope.soap
    }

    /// The references of its signature, unverified: what a receipt for this recorded message must repeat.
    ///
    /// # Errors
    ///
    /// [`Refusal::Header`] for a reference without URI or digest.
    pub fn claimed_references(&self) -> Result<Vec<SignedReference>, Refusal> {
        let signature = self.envelope.security().map(security::signature).transpose()?.flatten();
        let info = signature.and_then(|signature| signature.child(ns::DS, "SignedInfo"));
        info.iter().flat_map(|info| info.all(ns::DS, "Reference")).map(read_reference).collect()
    }

    /// Lifts Digg's rules for parties, roles, service and properties, and that PartyId is the signer's common name: for looking
    /// at recorded messages of other communities. An access point never calls this.
    #[must_use]
    pub fn of_any_community(mut self) -> Self {
        self.any_community = true;
        self
    }

    /// Sets how many octets all parts together may have when unpacked.
    #[must_use]
    pub fn content_bytes_max(mut self, bytes: u64) -> Self {
        self.content_bytes_max = bytes;
        self
    }

    /// Sets how far `eb:Timestamp` may lie ahead of our clock, and behind.
    #[must_use]
    pub fn timestamp_within(mut self, ahead: Duration, behind: Duration) -> Self {
        self.window = (ahead, behind);
        self
    }

    /// Verifies who sent this user message, and that everything in it is signed and encrypted: [`Self::authenticate`] and
    /// [`Authenticated::attribute`].
    ///
    /// # Errors
    ///
    /// Theirs.
    pub fn verify(
        self,
        candidates: &[Certificate],
        trust: &Trust,
        at: Timestamp,
        allowed: &Allowed,
    ) -> Result<Attributed<R>, Refusal> {
        self.authenticate(candidates, trust, at, allowed)?.attribute()
    }

    /// Verifies who signed this user message.
    ///
    /// `candidates` are the certificates that a key reference without certificate may mean; `trust` decides whether the signer
    /// may act as access point at the time `at`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Feature`] for a signal; those of the signature ([`Refusal::Authentication`], [`Refusal::Policy`]).
    pub fn authenticate(
        self,
        candidates: &[Certificate],
        trust: &Trust,
        at: Timestamp,
        allowed: &Allowed,
    ) -> Result<Authenticated<R>, Refusal> {
        let Content::User(message) = &self.envelope.content else {
            return Err(Refusal::Feature(Finding::new(format!("a pushed {}", self.kind().word()), "a user message")));
        };
        let message = message.clone();
        let proof = verify::authenticate(&self.envelope, Authority { candidates, trust, at, allowed })?;
        Ok(Authenticated { message, proof, at, allowed: allowed.clone(), received: self })
    }

    /// Verifies who sent this signal.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`]; [`Refusal::Feature`] for a user message.
    pub fn verify_signal(
        self,
        candidates: &[Certificate],
        trust: &Trust,
        at: Timestamp,
        allowed: &Allowed,
    ) -> Result<VerifiedSignal, Refusal> {
        let Content::Signal(signal) = &self.envelope.content else {
            return Err(Refusal::Feature(Finding::new("a user message", "a signal")));
        };
        let proof = verify::authenticate(&self.envelope, Authority { candidates, trust, at, allowed })?;
        Ok(VerifiedSignal {
            signal: signal.as_ref().clone(),
            algorithms: Algorithms::of(&proof, &Encryption::default()),
            signer: proof.signer,
            signature_value: proof.value,
            key_reference: self.signer_reference().map(KeyReference::name),
            soap: self.envelope.soap,
        })
    }

    /// The signal as it claims to be, for a signal that does not verify.
    pub(super) fn claimed_signal(&self) -> Option<&Signal> {
        match &self.envelope.content {
            Content::Signal(signal) => Some(signal),
            Content::User(_) => None,
        }
    }
}

impl Signal {
    fn kind(&self) -> Kind {
        match self.content {
            super::header::SignalContent::Receipt(_) => Kind::Receipt,
            super::header::SignalContent::Errors(_) => Kind::Error,
        }
    }
}

/// A signal whose signature was verified.
#[derive(Clone, Debug)]
pub struct VerifiedSignal {
    /// The signature's octets; none where it is not signed.
    pub signature_value: Vec<u8>,
    /// What it says.
    pub signal: Signal,
    /// Who signed it; none only where [`Allow::Unsigned`] let it pass.
    pub signer: Option<Trusted>,
    /// How it names its key.
    pub key_reference: Option<&'static str>,
    /// Its algorithms.
    pub algorithms: Algorithms,
    /// The SOAP envelope.
    pub soap: String,
}

impl VerifiedSignal {
    /// What kind of signal it is.
    pub fn kind(&self) -> Kind {
        self.signal.kind()
    }
}

/// Checks the age of a message (protocol.md 1.5).
fn in_window(timestamp: Timestamp, at: Timestamp, (ahead, behind): (Duration, Duration)) -> Result<(), Refusal> {
    let (earliest, latest) = (verify::earlier(at, behind), verify::later(at, ahead));
    if (earliest..=latest).contains(&timestamp) {
        return Ok(());
    }
    Err(Refusal::Policy(
        Finding::new(format!("eb:Timestamp {timestamp}"), format!("a time from {earliest} to {latest}"))
            .rule("AS4-2.2.t11")
            .cause(RefusalCause::Clock),
    ))
}

/// A user message that an access point of the federation has signed. Whether it is the one that the header names, and whether
/// everything is covered, is not known yet.
#[derive(Debug)]
pub struct Authenticated<R> {
    message: Box<UserMessage>,
    proof: Proof,
    at: Timestamp,
    allowed: Allowed,
    received: Received<R>,
}

impl<R: Read> Authenticated<R> {
    /// Who signed it; none only where [`Allow::Unsigned`] let it pass.
    pub fn signer(&self) -> Option<&Trusted> {
        self.proof.signer.as_ref()
    }

    /// The signature's octets; empty where there is none.
    pub fn signature_value(&self) -> &[u8] {
        &self.proof.value
    }

    /// Checks that the signer is the sender, and that everything in the message is signed and encrypted. What the parts need is
    /// taken out of the envelope, which is given up.
    ///
    /// # Errors
    ///
    /// Those of the header ([`Refusal::Mismatch`], [`Refusal::Inconsistent`], [`Refusal::Authentication`]) and of the coverage
    /// ([`Refusal::Policy`], [`Refusal::Payload`]).
    pub fn attribute(self) -> Result<Attributed<R>, Refusal> {
        let Self { message, proof, at, allowed, received } = self;
        let Received { envelope, parts, any_community, content_bytes_max, window } = received;
        let encryption =
            envelope.security().map(|s| security::encryption(s, &allowed)).transpose()?.unwrap_or_default();
        if !any_community {
            if let Some(signer) = &proof.signer {
                pmode::sender_signed(&message, signer.certificate())?;
            }
            pmode::conform(&message)?;
        }
        if !allowed.contains(&Allow::Expired) {
            in_window(message.timestamp, at, window)?;
        }
        verify::covered(&message, &proof, &encryption, &allowed)?;
        let elements = proof.elements(&envelope)?;
        let key_reference = envelope.signer_reference.as_ref().map(KeyReference::name);
        let (message, soap) = (*message, envelope.soap);
        Ok(Attributed { message, proof, elements, encryption, allowed, parts, content_bytes_max, key_reference, soap })
    }
}

/// A user message whose sender is known. Its parts are still unread; of its envelope nothing is kept but the text.
#[derive(Debug)]
pub struct Attributed<R> {
    message: UserMessage,
    proof: Proof,
    elements: Vec<String>,
    encryption: Encryption,
    allowed: Allowed,
    parts: Option<Multipart<R>>,
    content_bytes_max: u64,
    key_reference: Option<&'static str>,
    soap: String,
}

/// Where the parts of a message go. What was written counts only when [`Attributed::open`] succeeds.
pub trait Spool {
    /// Takes the part with this index among the parts that the header names. Called at most once for each.
    ///
    /// # Errors
    ///
    /// Those of the storage; the message is then refused for the present.
    fn create(&mut self, index: usize) -> io::Result<Box<dyn Write + '_>>;
}

impl<R: Read> Attributed<R> {
    /// The header, verified.
    pub fn message(&self) -> &UserMessage {
        &self.message
    }

    /// Who signed it; none only where [`Allow::Unsigned`] let it pass.
    pub fn signer(&self) -> Option<&Trusted> {
        self.proof.signer.as_ref()
    }

    /// The ds:Reference elements of its signature, for the AS4 receipt.
    pub fn reference_elements(&self) -> &[String] {
        &self.elements
    }

    /// SHA-256 over who sends what to whom: addressing and the signed digests of the parts. The same for a message that is sent
    /// again, even if signed anew; another one under the same message id has another.
    pub fn fingerprint(&self) -> String {
        let m = &self.message;
        let mut digest = Digest::new(HashFunction::Sha256);
        let mut add = |octets: &[u8]| {
            digest.update(&(octets.len() as u64).to_be_bytes());
            digest.update(octets);
        };
        let participants = [m.original_sender(), m.final_recipient()];
        for text in [&m.from.id, &m.to.id, &m.service, &m.action, &m.conversation_id]
            .into_iter()
            .map(String::as_str)
            .chain(participants.map(Option::unwrap_or_default))
        {
            add(text.as_bytes());
        }
        for part in &m.parts {
            add(self.proof.part(&mime::content_id(&part.href)).map_or(&[], |r| r.value.as_slice()));
        }
        hex(&digest.finish())
    }

    /// Takes the parts: decrypts with the first of `keys` that the message names, checks tags and signed digests, unpacks, spools.
    ///
    /// # Errors
    ///
    /// [`Refusal::Decryption`], [`Refusal::Authentication`], [`Refusal::Decompression`], [`Refusal::Payload`] for parts that are missing or too
    /// many, [`Refusal::Mime`], [`Refusal::Limit`], [`Refusal::Temporary`].
    pub fn open(mut self, keys: &[Identity], spool: &mut dyn Spool) -> Result<Opened, Refusal> {
        let mut secrets = Vec::new();
        for (n, key) in self.encryption.keys.iter().enumerate() {
            secrets.push(self.unwrap(n, key, keys, &secrets)?);
        }
        let mut taken: Vec<Option<OpenedPart>> = self.message.parts.iter().map(|_| None).collect();
        let mut left = self.content_bytes_max;
        if let Some(mut parts) = self.parts.take() {
            while let Some(headers) = parts.next_part()? {
                let (index, encrypted) = self.expected(headers.content_id.as_deref(), &taken)?;
                let mime = encrypted.map_or(headers.content_type.as_deref(), |e| e.mime.as_deref());
                let secret = encrypted.map(|e| &secrets[e.key]);
                let part = self.take(index, parts.body(), mime, secret, left, spool)?;
                left -= part.bytes;
                taken[index] = Some(part);
            }
        }
        let mut opened = Vec::new();
        for (part, info) in taken.into_iter().zip(&self.message.parts) {
            let missing = || {
                Refusal::Payload(Finding::new(
                    format!("no MIME part for {}", info.href),
                    "every part that the header names",
                ))
            };
            opened.push(part.ok_or_else(missing)?);
        }
        Ok(self.finished(opened))
    }

    /// Which part of the header this MIME part is.
    fn expected(
        &self,
        id: Option<&str>,
        taken: &[Option<OpenedPart>],
    ) -> Result<(usize, Option<&EncryptedPart>), Refusal> {
        let index = id.and_then(|id| self.message.parts.iter().position(|p| mime::content_id(&p.href) == id));
        let index = index.filter(|&n| taken[n].is_none()).ok_or_else(|| {
            let found = format!("a MIME part with Content-ID {} that the header does not name", id.unwrap_or("none"));
            Refusal::Payload(Finding::new(found, "a PartInfo for each part"))
        })?;
        let encrypted = self.encryption.parts.iter().find(|p| Some(p.content_id.as_str()) == id);
        Ok((index, encrypted))
    }

    fn take(
        &self,
        index: usize,
        body: Box<dyn Read + '_>,
        mime: Option<&str>,
        secret: Option<&Secret>,
        bytes_max: u64,
        spool: &mut dyn Spool,
    ) -> Result<OpenedPart, Refusal> {
        let info = &self.message.parts[index];
        let signed = self.proof.part(&mime::content_id(&info.href)).map(|reference| {
            let form = SignedForm::of(info, mime)?;
            Ok(Signed { form, hash: reference.digest, digest: &reference.value })
        });
        let gzip = info.compression().is_some();
        let plan = Plan { href: &info.href, secret, signed: signed.transpose()?, gzip, bytes_max };
        let mut out = spool.create(index).map_err(|e| Refusal::Temporary(format!("storing a part failed: {e}")))?;
        let bytes = part::take(body, &plan, &mut *out)?;
        out.flush().map_err(|e| Refusal::Temporary(format!("storing a part failed: {e}")))?;
        Ok(OpenedPart { href: info.href.clone(), mime: info.mime().map(str::to_owned), compressed: gzip, bytes })
    }

    /// Unwraps a session key. Whether that succeeded is not said here: the parts fail the same way in the end.
    fn unwrap(&self, index: usize, key: &SessionKey, keys: &[Identity], before: &[Secret]) -> Result<Secret, Refusal> {
        let ours: Vec<&Identity> = keys.iter().filter(|identity| key.recipient.names(&identity.certificate)).collect();
        if ours.is_empty() {
            let names: Vec<String> = keys
                .iter()
                .map(|k| format!("{} (serial {})", k.certificate.subject(), k.certificate.serial()))
                .collect();
            return Err(Refusal::Decryption {
                hint: Some(format!("encrypted to {}, not to {}", key.recipient, names.join(" or "))),
            });
        }
        let length = self.encryption.parts.iter().find(|p| p.key == index).map_or(16, |p| p.key_bytes);
        let unwrapped = ours
            .iter()
            .filter_map(|identity| identity.key.unwrap(key.oaep, &key.value).ok())
            .find(|secret| secret.len() == length);
        let sound =
            unwrapped.is_some() && self.encryption.parts.iter().all(|p| p.key != index || p.key_bytes == length);
        // A message that needs no signature is one of the past: some of those products took one IV for all parts.
        let fresh = !self.allowed.contains(&Allow::Unsigned);
        Ok(Secret::new(unwrapped.unwrap_or_else(|| Zeroizing::new(vec![0; length])), sound, fresh, before))
    }

    fn finished(self, parts: Vec<OpenedPart>) -> Opened {
        Opened {
            parts,
            signed_references: self.proof.signed_references(),
            reference_elements: self.elements,
            key_reference: self.key_reference,
            algorithms: Algorithms::of(&self.proof, &self.encryption),
            signature_value: self.proof.value,
            signer: self.proof.signer,
            message: self.message,
            soap: self.soap,
        }
    }

    /// What was let through beyond the profile.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }
}

/// A user message that was verified, decrypted and unpacked.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The header.
    pub message: UserMessage,
    /// Who signed it; none only where [`Allow::Unsigned`] let it pass.
    pub signer: Option<Trusted>,
    /// The signature's octets (AP-3.4.1.t09); empty where there is none.
    pub signature_value: Vec<u8>,
    /// The parts, in the order of the header.
    pub parts: Vec<OpenedPart>,
    /// What was signed.
    pub signed_references: Vec<SignedReference>,
    /// The ds:Reference elements, for the AS4 receipt.
    pub reference_elements: Vec<String>,
    /// How the signature names its key.
    pub key_reference: Option<&'static str>,
    /// Its algorithms.
    pub algorithms: Algorithms,
    /// The SOAP envelope, as evidence of origin.
    pub soap: String,
}

/// A part as it was spooled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenedPart {
    /// `cid:` and the content id.
    pub href: String,
    /// Media type, as the header says.
    pub mime: Option<String>,
    /// Whether it was compressed.
    pub compressed: bool,
    /// Size in bytes, unpacked.
    pub bytes: u64,
}
