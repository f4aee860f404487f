//! AS4 without network and store: messages packed, opened and receipted in memory, and large ones through files.

use super::{Setting, peak_memory, timed};
use crate::as4::{
    self, Compression, Corners, Opened, Outgoing, OutgoingPart, PackError, Packed, PackedPiece, ReceiptError, Refusal,
    SignError, Spool, UserMessage, pmode, receipt,
};
use crate::crypto::{CryptoError, Digest, GcmWriter, HashFunction, Oaep, Opener, Random, SystemRandom};
use crate::model::{As4MessageId, Clock, DocumentType, IdError, ProcessId, SystemClock, Timestamp};
use crate::pki::{Certificate, Identity, Proven, Revocation, Role, Trust, TrustError, Trusted};
use crate::testbed::ca::{self, CaError, Leaf, Profile, Purpose};
use crate::xhe::{SealError, VerifyError};
use crate::xml::algorithm::Allowed;
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// Key lengths that are measured: Digg's, and the shortest that peers may have.
pub(super) const RSA_BITS: [usize; 2] = [3072, 2048];

/// Content of a small message, in bytes.
const SMALL_BYTES: usize = 1_000;

/// Messages between two turns of the bare operations.
const TURN: usize = 25;

/// Octets at once, as the access point reads and writes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// Keys were not made.
    #[error(transparent)]
    Authority(#[from] CaError),
    /// A key or certificate is not usable.
    #[error("{0}")]
    Key(String),
    /// Not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Not verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// What was packed or sealed has another layout than this benchmark knows.
    #[error("{0}")]
    Layout(&'static str),
    /// What had to be refused was not.
    #[error("accepted: {0}")]
    Accepted(&'static str),
    /// Not packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Not opened.
    #[error("{0}")]
    Open(#[from] Refusal),
    /// Not receipted.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The receipt did not match.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A bare operation failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// An identifier was refused.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A temporary file failed.
    #[error("temporary file: {0}")]
    Io(#[from] io::Error),
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Small messages for each key length.
    pub messages: usize,
    /// Content of the large messages, in bytes.
    pub sizes: Vec<u64>,
    /// Where large messages lie meanwhile.
    pub folder: std::path::PathBuf,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub setting: Setting,
    /// Small messages, by key length.
    pub small: Vec<Small>,
    /// Large messages, by size.
    pub large: Vec<Large>,
    /// Largest resident size of the process over the whole run, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Small messages with one key length. All rates are for one core.
#[derive(Clone, Debug, Serialize)]
pub struct Small {
    /// Key length of both access points.
    pub rsa_bits: usize,
    /// Content in bytes.
    pub payload_bytes: usize,
    /// How many were exchanged.
    pub messages: usize,
    /// Sending: compressed, signed, encrypted.
    pub pack_per_second: f64,
    /// Receiving: verified, decrypted, unpacked, and the AS4 receipt signed.
    pub open_per_second: f64,
    /// The sender's check of the AS4 receipt.
    pub receipt_check_per_second: f64,
    /// Both corners together: all three.
    pub exchange_per_second: f64,
    /// Signatures.
    pub rsa_sign_per_second: f64,
    /// Verifications.
    pub rsa_verify_per_second: f64,
    /// Session keys encrypted.
    pub rsa_wrap_per_second: f64,
    /// Session keys decrypted.
    pub rsa_unwrap_per_second: f64,
    /// What two signatures, two verifications, one wrapped and one unwrapped key alone allow.
    pub limit_per_second: f64,
    /// `exchange_per_second / limit_per_second`.
    pub share_of_limit: f64,
}

/// One large message. All rates are in bytes of content a second, on one core.
#[derive(Clone, Debug, Serialize)]
pub struct Large {
    /// Content in bytes.
    pub bytes: u64,
    /// Packing.
    pub pack_bytes_per_second: f64,
    /// Opening, its content given to nobody.
    pub open_bytes_per_second: f64,
    /// Opening into a file.
    pub open_to_file_bytes_per_second: f64,
    /// SHA-256 of the same bytes.
    pub sha256_bytes_per_second: f64,
    /// AES-128-GCM decryption of the same bytes.
    pub aes_gcm_bytes_per_second: f64,
    /// gunzip of the same bytes.
    pub gunzip_bytes_per_second: f64,
    /// What these three, one after the other, allow.
    pub limit_bytes_per_second: f64,
    /// `open_bytes_per_second / limit_bytes_per_second`.
    pub share_of_limit: f64,
}

/// Measures.
///
/// # Errors
///
/// [`BenchError`]: a benchmark that does not do the whole work measures nothing.
pub fn measure(plan: &Plan) -> Result<Report, BenchError> {
    let small = RSA_BITS.iter().map(|bits| small(*bits, plan.messages)).collect::<Result<_, _>>()?;
    let pair = Pair::new(RSA_BITS[0])?;
    let large = plan.sizes.iter().map(|bytes| large(&pair, *bytes, &plan.folder)).collect::<Result<_, _>>()?;
    Ok(Report { setting: Setting::here(), small, large, peak_memory_bytes: peak_memory() })
}

/// Two access points under one authority.
pub(super) struct Pair {
    pub(super) sender: Identity,
    pub(super) receiver: Identity,
    to: Trusted,
    trust: Trust,
    pub(super) at: Timestamp,
}

impl Pair {
    pub(super) fn new(bits: usize) -> Result<Self, BenchError> {
        let (at, authority) = (SystemClock.now(), ca::demo::issuer("ap")?);
        let profile = Profile { environment: "BENCH".into(), crl_base: None, ocsp: None, days: 1 };
        let identity = |name: &str| -> Result<Identity, BenchError> {
            let leaf = Leaf { bits, ..Leaf::new(Purpose::AccessPoint, name, "Bench", &profile, at) };
            let issued = authority.issue(&leaf)?;
            Identity::from_pem(issued.key_pem.as_bytes(), issued.certificate.to_pem().as_bytes())
                .map_err(|error| BenchError::Key(error.to_string()))
        };
        let (sender, receiver) = (identity(SENDER)?, identity(RECEIVER)?);
        let trust = Trust {
            role: Role::AccessPoint,
            anchors: vec![authority.certificate().clone()],
            revocation: Revocation::Unchecked,
            bits_least: 2048,
            validity: true,
            proven: Proven::default(),
        };
        let to = trust.check(&receiver.certificate, &[], at)?;
        Ok(Self { sender, receiver, to, trust, at })
    }

    /// The header of a message of SDK.
    fn header(&self, id: &As4MessageId) -> UserMessage {
        let corners = Corners {
            message_id: id,
            at: self.at,
            access_points: [SENDER, RECEIVER],
            participants: ["0203:from.example.se", "0203:to.example.se"],
            conversation_id: "70c5ea37-f4a9-4771-b0c7-09becd024bda".into(),
        };
        UserMessage::of_sdk(corners, ProcessId::default(), &DocumentType::sdk_message())
    }

    pub(super) fn pack(
        &self,
        compression: Compression,
        content: &mut dyn Read,
        cipher: &mut dyn Write,
    ) -> Result<(As4MessageId, Packed), BenchError> {
        let id = As4MessageId::new(uuid::Uuid::new_v4(), &SENDER.parse()?);
        let part = OutgoingPart {
            content_id: pmode::ENVELOPE_CONTENT_ID,
            mime: pmode::ENVELOPE_MIME,
            charset: None,
            compression,
            content,
            cipher,
        };
        let outgoing = Outgoing { message: self.header(&id), parts: vec![part], identity: &self.sender, to: &self.to };
        let packed = as4::pack(outgoing, &SystemRandom)?;
        Ok((id, packed))
    }

    pub(super) fn open(
        &self,
        content_type: &str,
        body: impl Read,
        spool: &mut dyn Spool,
        allowed: &Allowed,
    ) -> Result<Opened, Refusal> {
        let attributed = as4::read(content_type, body)?.verify(&[], &self.trust, self.at, allowed)?;
        pmode::addressed_to(attributed.message(), &self.receiver.certificate)?;
        attributed.open(std::slice::from_ref(&self.receiver), spool)
    }
}

/// The body of a packed message with its one part, as it comes from the socket.
fn body<'a>(packed: &'a Packed, part: impl Read + 'a) -> impl Read + 'a {
    let mut texts = packed.pieces.iter().filter_map(|piece| match piece {
        PackedPiece::Text(text) => Some(text.as_bytes()),
        PackedPiece::Part(_) => None,
    });
    let (first, last) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    first.chain(part).chain(last)
}

// === Small messages ===

/// Times of the stages of an exchange.
#[derive(Default)]
struct Stages {
    pack: Duration,
    open: Duration,
    check: Duration,
}

/// Times of the bare operations.
#[derive(Default)]
struct Bare {
    sign: Duration,
    verify: Duration,
    wrap: Duration,
    unwrap: Duration,
}

impl Bare {
    /// What an exchange cannot do without: its message and its AS4 receipt signed and verified, one session key encrypted and
    /// decrypted.
    fn of_exchange(&self) -> Duration {
        2 * self.sign + 2 * self.verify + self.wrap + self.unwrap
    }
}

/// Processor time of the RSA operations of one exchange alone, the mean of `times`.
///
/// # Errors
///
/// As [`measure`].
pub(super) fn rsa_of_exchange(bits: usize, times: u32) -> Result<Duration, BenchError> {
    let (pair, mut alone) = (Pair::new(bits)?, Bare::default());
    bare(&pair, &mut Bare::default())?;
    for _ in 0..times {
        bare(&pair, &mut alone)?;
    }
    Ok(alone.of_exchange() / times.max(1))
}

fn small(bits: usize, messages: usize) -> Result<Small, BenchError> {
    let pair = Pair::new(bits)?;
    let mut content = vec![0; SMALL_BYTES];
    SystemRandom.fill(&mut content);
    // What runs first pays for caches and tables of both.
    bare(&pair, &mut Bare::default())?;
    exchange(&pair, &content, &mut Stages::default())?;
    let (mut stages, mut alone) = (Stages::default(), Bare::default());
    for _ in 0..messages.div_ceil(TURN) {
        for _ in 0..TURN {
            bare(&pair, &mut alone)?;
        }
        for _ in 0..TURN {
            exchange(&pair, &content, &mut stages)?;
        }
    }
    let done = messages.div_ceil(TURN) * TURN;
    let limit = alone.of_exchange();
    let whole = stages.pack + stages.open + stages.check;
    let rate = |time: Duration| done as f64 / time.as_secs_f64();
    Ok(Small {
        rsa_bits: bits,
        payload_bytes: SMALL_BYTES,
        messages: done,
        pack_per_second: rate(stages.pack),
        open_per_second: rate(stages.open),
        receipt_check_per_second: rate(stages.check),
        exchange_per_second: rate(whole),
        rsa_sign_per_second: rate(alone.sign),
        rsa_verify_per_second: rate(alone.verify),
        rsa_wrap_per_second: rate(alone.wrap),
        rsa_unwrap_per_second: rate(alone.unwrap),
        limit_per_second: rate(limit),
        share_of_limit: limit.as_secs_f64() / whole.as_secs_f64(),
    })
}

/// One message from sender to receiver, and its AS4 receipt back.
fn exchange(pair: &Pair, content: &[u8], stages: &mut Stages) -> Result<(), BenchError> {
    let mut cipher = Vec::new();
    let (id, packed) = timed(&mut stages.pack, || pair.pack(Compression::Stored, &mut &content[..], &mut cipher))?;
    let answer = timed(&mut stages.open, || -> Result<_, BenchError> {
        let opened = pair.open(&packed.content_type, body(&packed, &cipher[..]), &mut Forgetting, &Allowed::new())?;
        let receipt_id = As4MessageId::new(uuid::Uuid::new_v4(), &RECEIVER.parse()?);
        let references = &opened.reference_elements;
        Ok(receipt::build(&opened.message.message_id, references, &pair.receiver, &receipt_id, pair.at)?)
    })?;
    timed(&mut stages.check, || -> Result<_, BenchError> {
        let (kind, octets) = (Some(answer.content_type.as_str()), answer.body.as_bytes());
        let certificate: &Certificate = &pair.receiver.certificate;
        receipt::check(kind, octets, &packed.references, &id, certificate, pair.at, &Allowed::new())?;
        Ok(())
    })
}

/// Each operation with RSA once.
fn bare(pair: &Pair, times: &mut Bare) -> Result<(), BenchError> {
    const OAEP: Oaep = Oaep { digest: HashFunction::Sha256, mgf: HashFunction::Sha256 };
    let (key, public, secret) = (&pair.receiver.key, pair.receiver.certificate.public_key(), [7; 16]);
    let signature = timed(&mut times.sign, || key.sign(HashFunction::Sha256, SENDER.as_bytes()))?;
    timed(&mut times.verify, || public.verify(HashFunction::Sha256, SENDER.as_bytes(), &signature))?;
    let wrapped = timed(&mut times.wrap, || public.wrap(OAEP, &secret))?;
    timed(&mut times.unwrap, || key.unwrap(OAEP, &wrapped))?;
    Ok(())
}

// === Large messages ===

fn large(pair: &Pair, bytes: u64, folder: &Path) -> Result<Large, BenchError> {
    let mut cipher = tempfile::tempfile_in(folder)?;
    let (mut pack, mut open, mut to_file) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut content = Noise::new().take(bytes);
    let (_, packed) = timed(&mut pack, || pair.pack(Compression::Stored, &mut content, &mut cipher))?;
    let before = alone(bytes / 2)?;
    let mut spools: [(&mut Duration, Box<dyn Spool + '_>); 2] =
        [(&mut open, Box::new(Forgetting)), (&mut to_file, Box::new(Spooled { folder, file: None }))];
    for (time, spool) in &mut spools {
        cipher.rewind()?;
        let reader = BufReader::with_capacity(CHUNK_BYTES, &cipher);
        timed(time, || pair.open(&packed.content_type, body(&packed, reader), &mut **spool, &Allowed::new()))?;
    }
    let after = alone(bytes / 2)?;
    let rate = |time: Duration| bytes as f64 / time.as_secs_f64();
    let both = |part: fn(&Alone) -> Duration| {
        (before.bytes + after.bytes) as f64 / (part(&before) + part(&after)).as_secs_f64()
    };
    let (sha256, gcm, gunzip) = (both(|alone| alone.sha256), both(|alone| alone.gcm), both(|alone| alone.gunzip));
    let limit = 1.0 / (1.0 / sha256 + 1.0 / gcm + 1.0 / gunzip);
    Ok(Large {
        bytes,
        pack_bytes_per_second: rate(pack),
        open_bytes_per_second: rate(open),
        open_to_file_bytes_per_second: rate(to_file),
        sha256_bytes_per_second: sha256,
        aes_gcm_bytes_per_second: gcm,
        gunzip_bytes_per_second: gunzip,
        limit_bytes_per_second: limit,
        share_of_limit: rate(open) / limit,
    })
}

/// Times of the operations on content, each over `bytes` bytes.
struct Alone {
    bytes: u64,
    sha256: Duration,
    gcm: Duration,
    gunzip: Duration,
}

/// Each operation alone, over a sample as often as it takes to come to `bytes`.
fn alone(bytes: u64) -> Result<Alone, BenchError> {
    let sample = bytes.clamp(1, SAMPLE_BYTES);
    let mut zipped = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut zipped, flate2::Compression::none());
    io::copy(&mut Noise::new().take(sample), &mut encoder)?;
    encoder.finish()?;
    let mut sealed = Vec::new();
    let mut sealing = GcmWriter::new(&[7; 16], &SystemRandom, &mut sealed)?;
    sealing.write_all(&zipped)?;
    sealing.finish()?;
    let mut alone = Alone { bytes: 0, sha256: Duration::ZERO, gcm: Duration::ZERO, gunzip: Duration::ZERO };
    while alone.bytes < bytes.max(1) {
        timed(&mut alone.sha256, || Digest::of(HashFunction::Sha256, &zipped));
        timed(&mut alone.gcm, || decrypt(&sealed))?;
        timed(&mut alone.gunzip, || io::copy(&mut MultiGzDecoder::new(&zipped[..]), &mut io::sink()))?;
        alone.bytes += sample;
    }
    Ok(alone)
}

fn decrypt(sealed: &[u8]) -> Result<(), CryptoError> {
    let (mut opener, mut plain) = (Opener::gcm(&[7; 16])?, Vec::new());
    for piece in sealed.chunks(CHUNK_BYTES) {
        plain.clear();
        opener.update(piece, &mut plain)?;
    }
    opener.finish(&mut plain)
}

/// So many octets that do not compress.
pub(super) fn noise(bytes: u64) -> impl Read {
    Noise::new().take(bytes)
}

/// Content that does not compress, as sealed content is.
struct Noise {
    block: Vec<u8>,
    at: usize,
}

impl Noise {
    fn new() -> Self {
        let mut block = vec![0; CHUNK_BYTES];
        SystemRandom.fill(&mut block);
        Self { block, at: 0 }
    }
}

impl Read for Noise {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(self.block.len() - self.at);
        out[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at = (self.at + n) % self.block.len();
        Ok(n)
    }
}

/// A spool that forgets.
pub(super) struct Forgetting;

impl Spool for Forgetting {
    fn create(&mut self, _index: usize) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}

/// A spool in a temporary file.
struct Spooled<'a> {
    folder: &'a Path,
    file: Option<File>,
}

impl Spool for Spooled<'_> {
    fn create(&mut self, _index: usize) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(self.file.insert(tempfile::tempfile_in(self.folder)?)))
    }
}

/// Most that the bare operations hold in memory, in bytes.
const SAMPLE_BYTES: u64 = 8 << 20;
const SENDER: &str = "AP0001-BENCH";
const RECEIVER: &str = "AP0002-BENCH";
