//! Evidence of one message: a folder that a third party checks with openssl and xmlsec1 alone, as the README in it says.

use super::{Anchor, AnchorError};
use crate::as4::{Refusal, SignedParts, signed_parts};
use crate::model::{Direction, Message, MessageId, Packing, Timestamp};
use crate::pki::{Certificate, CertificateError};
use crate::store::StoreError;
use crate::store::chain::{Link, Shown, follow};
use crate::store::journal::{ChainHash, hex};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Length of a line of `chain.txt`, in bytes: number, two hashes, and what stands between them.
const LINE_BYTES: u64 = 12 + 1 + 64 + 1 + 64 + 1;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The anchor.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The chain.
    #[error("the chain does not hold: {0}; `sluss audit verify` lists all")]
    Broken(String),
    /// A certificate in the log.
    #[error("a certificate in the log cannot be read: {0}")]
    Certificate(#[from] CertificateError),
    /// A file of the package.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// What was sent or received is no AS4 message that general tools can check.
    #[error("the AS4 message cannot be taken apart: {0}")]
    Message(#[from] Refusal),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log has nothing about it.
    #[error("the event log has nothing about message {0}: it is another access point's, or older than what is kept")]
    Unknown(MessageId),
}

/// What a package is about.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The message.
    pub message: MessageId,
    /// Whether it was sent or received here.
    pub direction: Option<Direction>,
    /// Sending and receiving participant.
    pub participants: Option<[String; 2]>,
    /// SHA-256 of the sealed envelope, in hexadecimal, and its length in bytes.
    pub envelope: Option<(String, u64)>,
    /// Records of the journal that are shown.
    pub records: Vec<u64>,
    /// Whether the signed AS4 message, as it was sent or came, is there.
    pub as4_message: bool,
    /// Whether its AS4 receipt is there.
    pub as4_receipt: bool,
    /// The record of the anchor.
    pub anchor: u64,
    /// Whether the anchor was made for this package; else it was noted before.
    pub anchored_at_export: bool,
    /// When the package was made.
    pub made_at: Timestamp,
}

/// Signs the end of the chain, where no anchor is at hand.
pub type Signing<'a> = &'a dyn Fn(u64, &[u8; 32], Timestamp) -> Result<Anchor, AnchorError>;

/// Where a package comes from.
pub struct Source<'a> {
    /// The store's folder.
    pub folder: &'a Path,
    /// The hash of its chain.
    pub hash: ChainHash,
    /// Anchors that were noted, of which the signature was checked.
    pub anchors: &'a [Anchor],
    /// For want of one.
    pub sign: Signing<'a>,
    /// Who issues access points' certificates.
    pub authorities: &'a [Certificate],
    /// Now.
    pub at: Timestamp,
}

/// All that was found.
#[derive(Default)]
struct Found {
    message: Option<Message>,
    /// Content-Type and body of the AS4 message.
    as4: Option<(String, Vec<u8>)>,
    /// What was packed, in each form that it had.
    packed: Vec<Packing>,
    receipt: Option<(String, String)>,
    certificates: BTreeMap<String, Certificate>,
    before: [u8; 32],
    records: Vec<u64>,
    end: (u64, [u8; 32]),
    anchors: Vec<Anchor>,
}

/// Writes the evidence of a message into the new folder `to`.
///
/// # Errors
///
/// Where the log has nothing about it, the chain does not hold, or the folder is there already.
pub fn export(source: &Source<'_>, id: MessageId, to: &Path) -> Result<Summary, PackageError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| PackageError::File { path, source }
    };
    fs::DirBuilder::new().mode(0o700).create(to).map_err(failed(to))?;
    let chain_file = to.join("chain.txt");
    let mut chain = BufWriter::new(create(&chain_file).map_err(failed(&chain_file))?);
    let mut noted: BTreeMap<u64, &Anchor> = source.anchors.iter().map(|anchor| (anchor.record, anchor)).collect();
    let (mut found, name) = (Found::default(), id.to_string());
    let followed = follow(source.folder, source.hash, &mut |link| {
        if let Some(anchor) = noted.remove(&link.seq).filter(|anchor| anchor.chain == hex(&link.chain)) {
            found.anchors.push(anchor.clone());
        }
        let about = link.log.windows(name.len()).any(|part| part == name.as_bytes());
        if about && let Some(shown) = link.shown(id)? {
            let path = to.join("log").join(format!("{:012}.json", link.seq));
            write(&path, link.log).map_err(|error| StoreError::io(path.display().to_string(), error))?;
            found.take(link, shown);
        }
        if !found.records.is_empty() {
            let (log, state) = (hex(&(source.hash)(link.log)), hex(&(source.hash)(link.state)));
            writeln!(chain, "{:012} {log} {state}", link.seq).map_err(|error| StoreError::io("chain.txt", error))?;
        }
        found.end = (link.seq, link.chain);
        Ok(())
    })?;
    if let Some((_, (what, place))) = followed.damage.first() {
        return Err(PackageError::Broken(format!("{what} at {place}")));
    }
    let last = *found.records.last().ok_or(PackageError::Unknown(id))?;
    let known = found.anchors.iter().filter(|anchor| anchor.record >= last).min_by_key(|anchor| anchor.record);
    let anchored_at_export = known.is_none();
    let anchor = known.cloned().map_or_else(|| (source.sign)(found.end.0, &found.end.1, source.at), Ok)?;
    let file = chain.into_inner().map_err(|error| failed(&chain_file)(error.into_error()))?;
    file.set_len((anchor.record - found.records[0] + 1) * LINE_BYTES).map_err(failed(&chain_file))?;

    let as4 = found.as4_message();
    let as4 = as4.as_ref().map(|(kind, body)| signed_parts(kind, &body[..])).transpose()?;
    // Without its message, of which the beginning of the log may be gone, a receipt proves nothing.
    let receipt = found.receipt.as_ref().filter(|_| as4.is_some());
    let receipt = receipt.map(|(kind, soap)| signed_parts(kind, soap.as_bytes())).transpose()?;
    let summary = found.summary(id, &anchor, anchored_at_export, (as4.is_some(), receipt.is_some()), source.at);
    for (name, octets) in found.files(source, &anchor, as4.as_ref(), receipt.as_ref(), &summary)? {
        let path = to.join(name);
        write(&path, &octets).map_err(failed(&path))?;
    }
    Ok(summary)
}

impl Found {
    fn take(&mut self, link: &Link<'_>, shown: Shown) {
        if self.records.is_empty() {
            self.before = link.before;
        }
        self.records.push(link.seq);
        for pem in shown.certificates {
            if let Ok(certificate) = Certificate::from_pem(pem.as_bytes()) {
                self.certificates.insert(certificate.sha256(), certificate);
            }
        }
        self.message = shown.inserted.or(self.message.take());
        self.packed.extend(shown.packed);
        const SOAP: &str = "application/soap+xml";
        self.as4 = shown.received.map(|soap| (SOAP.to_owned(), soap.into_bytes())).or(self.as4.take());
        self.receipt = shown.as4_receipt.map(|receipt| (SOAP.to_owned(), receipt.soap)).or(self.receipt.take());
        self.receipt = shown.answered.map(|sent| (sent.content_type, sent.body)).or(self.receipt.take());
    }

    /// Content-Type and body of the AS4 message: as it came, or in the form of all that were sent which its AS4 receipt is for.
    fn as4_message(&self) -> Option<(String, Vec<u8>)> {
        let receipted = |packing: &&Packing| {
            let repeats =
                |(_, soap): &(String, String)| packing.references.iter().all(|sent| soap.contains(&sent.digest));
            self.receipt.as_ref().is_some_and(repeats)
        };
        let sent = self.packed.iter().rfind(receipted).or(self.packed.last());
        self.as4.clone().or_else(|| sent.map(|packing| (packing.content_type.clone(), packing.texts().into_bytes())))
    }

    fn summary(
        &self,
        id: MessageId,
        anchor: &Anchor,
        anchored_at_export: bool,
        (as4_message, as4_receipt): (bool, bool),
        made_at: Timestamp,
    ) -> Summary {
        let message = self.message.as_ref();
        Summary {
            message: id,
            direction: message.map(|message| message.direction),
            participants: message.map(|message| [message.from.to_string(), message.to.to_string()]),
            envelope: message.map(|message| (message.envelope_sha256.clone(), message.envelope_bytes)),
            records: self.records.clone(),
            as4_message,
            as4_receipt,
            anchor: anchor.record,
            anchored_at_export,
            made_at,
        }
    }

    /// Everything but the chain and the log lines.
    fn files(
        &self,
        source: &Source<'_>,
        anchor: &Anchor,
        as4: Option<&SignedParts>,
        receipt: Option<&SignedParts>,
        summary: &Summary,
    ) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
        let mut files = vec![
            ("README.md".into(), include_bytes!("README.md").to_vec()),
            ("verify.sh".into(), include_bytes!("verify.sh").to_vec()),
            ("summary.json".into(), format!("{:#}\n", serde_json::json!(summary)).into_bytes()),
            ("chain-before.txt".into(), format!("{}\n", hex(&self.before)).into_bytes()),
            ("anchor.txt".into(), anchor.text().into_bytes()),
            ("anchor.sig".into(), anchor.signature_octets()),
            ("certificates/anchor.pem".into(), anchor.certificate.clone().into_bytes()),
        ];
        let authorities: String = source.authorities.iter().map(Certificate::to_pem).collect();
        files.push(("certificates/authority.pem".into(), authorities.into_bytes()));
        for (name, parts) in [("message", as4), ("receipt", receipt)] {
            let Some(parts) = parts else { continue };
            if let Some(certificate) = self.signer(parts) {
                files.push((format!("certificates/{name}.pem"), certificate.to_pem().into_bytes()));
            }
            files.push((format!("{name}/soap.xml"), parts.soap.clone().into_bytes()));
            files.push((format!("{name}/signed-info.xml"), parts.signed_info.clone()));
            files.push((format!("{name}/signature.bin"), parts.signature.clone()));
            // By its place among the references: which that is, and its digest, says what is signed.
            for (n, octets) in (1..).zip(&parts.elements) {
                files.extend(octets.clone().map(|octets| (format!("{name}/part-{n}.xml"), octets)));
            }
        }
        Ok(files)
    }

    /// Who signed: the certificate that is brought, or the one of the log whose key it is.
    fn signer(&self, parts: &SignedParts) -> Option<Certificate> {
        let brought = parts.certificates.first().cloned();
        brought.or_else(|| self.certificates.values().find(|logged| parts.is_signed_by(logged)).cloned())
    }
}

fn write(path: &Path, mut octets: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    io::copy(&mut octets as &mut dyn Read, &mut create(path)?).map(|_| ())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
