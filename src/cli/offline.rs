//! The commands that look at recorded bytes: no daemon, no configuration, no network.

use super::args::{
    As4Command, As4OpenOptions, As4PackOptions, BuildOptions, C14nOptions, EnvelopeCommand, MessageCommand,
    ReceiptCommand, SealOptions, SmpCommand, XmlCommand,
};
use super::output::Output;
use super::stream::written;
use super::{text, time_or_now, unprinted, usage};
use crate::config;
use crate::inspect::{
    Allowed, Certificate, Form, Identity, Level, Profile, SystemRandom, Verdict, as4, envelope, message, smp, xml,
};
use crate::model::{As4MessageId, Clock, DocumentType, ParticipantId, Problem, ProcessId, SystemClock};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

/// Largest recorded answer or service metadata read whole, in bytes.
const WHOLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) fn as4(command: As4Command, out: &mut Output) -> Result<u8, Problem> {
    match command {
        As4Command::Open(options) => as4_open(&options, out),
        As4Command::Pack(options) => as4_pack(options, out),
    }
}

fn as4_open(options: &As4OpenOptions, out: &mut Output) -> Result<u8, Problem> {
    let (allowed, any_community) = as4::allowed(&options.allow)?;
    let question = as4::Question {
        keys: vec![identity(&options.key, &options.cert)?],
        trust: certificates(&options.trust)?,
        at: time_or_now(options.at.as_deref())?,
        allowed,
        any_community,
        signer: options.signer.as_deref().map(certificate).transpose()?,
        answers: options.answers.as_deref().map(whole).transpose()?,
        bytes_max: options.max_size.as_deref().map(size).transpose()?,
        save: options.save.clone(),
    };
    let headers = String::from_utf8_lossy(&whole(&options.headers)?).into_owned();
    let report = as4::open(&headers, BufReader::new(file(&options.body)?), &question);
    show(&report, "", out)?;
    Ok(report.exit_status())
}

fn as4_pack(options: As4PackOptions, out: &mut Output) -> Result<u8, Problem> {
    let identity = identity(&options.key, &options.cert)?;
    let party = as4::party(&identity.certificate)?;
    let packing = as4::Packing {
        identity,
        to_certificate: certificate(&options.to_cert)?,
        from: participant(&options.from)?,
        to: participant(&options.to)?,
        document_type: options.document_type.as_deref().map_or_else(DocumentType::sdk_message, DocumentType::new),
        process: ProcessId::default(),
        message_id: As4MessageId::new(uuid::Uuid::new_v4(), &party),
        conversation_id: uuid::Uuid::new_v4().to_string(),
        at: SystemClock.now(),
        payloads: options.payload,
        save: options.save,
    };
    let report = as4::pack(&packing, &SystemRandom)?;
    show(&report, "packed", out)?;
    Ok(0)
}

pub(super) fn envelope(command: EnvelopeCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
        EnvelopeCommand::Check { files, level } => {
            let level = if level == "schematron" { Level::Schematron } else { Level::Text };
            each(&files, out, |file| envelope::check(file, level), |report| report.verdict == Verdict::Accept)
        }
        EnvelopeCommand::Show { file } => {
            show(&envelope::show(&file)?, "", out)?;
            Ok(0)
        }
        EnvelopeCommand::Seal(options) => {
            let asked = seal(options)?;
            written(out, |stream| envelope::seal(&asked, stream))
        }
        EnvelopeCommand::Open { key, cert, from_cert, file } => {
            let asked = envelope::Open { file, key, certificate: cert, from_certificate: from_cert };
            envelope::open(&asked, BufWriter::with_capacity(256 * 1024, io::stdout()))?;
            Ok(0)
        }
    }
}

fn seal(options: SealOptions) -> Result<envelope::Seal, Problem> {
    Ok(envelope::Seal {
        from: participant(&options.from)?,
        to: participant(&options.to)?,
        document_type: options.document_type,
        federation: options.federation,
        key: options.key,
        certificate: options.cert,
        to_certificate: options.to_cert,
        payload: options.payload,
        at: SystemClock.now(),
    })
}

pub(super) fn message(command: MessageCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
        MessageCommand::Build(options) => {
            let asked = build(options)?;
            written(out, |stream| message::build(&asked, stream))
        }
        MessageCommand::Check { files } => {
            each(&files, out, message::check, |report| report.verdict == Verdict::Accept)
        }
    }
}

fn build(options: BuildOptions) -> Result<message::Build, Problem> {
    Ok(message::Build {
        from: participant(&options.from)?,
        to: participant(&options.to)?,
        functional_address: options.functional_address,
        sender_address: options.sender_address,
        label: options.label,
        text: options.text,
        confidential: options.confidential,
        in_reply_to: None,
        files: options.files,
        at: SystemClock.now(),
    })
}

pub(super) fn receipt(command: ReceiptCommand, out: &mut Output) -> Result<u8, Problem> {
    let ReceiptCommand::Check { files } = command;
    each(&files, out, message::check_receipt, |report| report.verdict == Verdict::Accept)
}

pub(super) fn smp(command: SmpCommand, out: &mut Output) -> Result<u8, Problem> {
    let SmpCommand::Check { file, trust, participant, document_type, process, at } = command;
    let question = smp::Question::from_texts(participant.as_deref(), document_type.as_deref(), process.as_deref())?;
    let report = smp::check(&whole(&file)?, certificates(&trust)?, &question, time_or_now(at.as_deref())?);
    show(&report, "", out)?;
    Ok(u8::from(report.verdict != Verdict::Accept))
}

pub(super) fn xml(command: XmlCommand, out: &mut Output) -> Result<u8, Problem> {
    match command {
        XmlCommand::C14n(options) => {
            let source = BufReader::new(file(&options.file)?);
            written(out, |stream| xml::c14n(source, &canonical(options), stream))
        }
        XmlCommand::Verify { file: path, trust, at, show: forms } => {
            file(&path)?;
            let question = xml::Question {
                profile: Profile::Xhe,
                allowed: Allowed::new(),
                anchors: certificates(&trust)?,
                at: at.as_deref().map(|at| time_or_now(Some(at))).transpose()?,
                show: forms,
            };
            let report = xml::verify(|| File::open(&path).map(BufReader::new), &question);
            show(&report, "", out)?;
            Ok(u8::from(report.verdict != Verdict::Accept))
        }
    }
}

fn canonical(options: C14nOptions) -> xml::Canonical {
    let form = if options.exclusive {
        Form::Exclusive
    } else if options.version_11 {
        Form::Inclusive11
    } else {
        Form::Inclusive10
    };
    xml::Canonical {
        form,
        comments: options.with_comments,
        prefixes: options.prefixes.unwrap_or_default(),
        id: options.id,
    }
}

/// Looks at each file, one line each; status 1 when any is refused. A file that cannot be looked at costs itself alone.
fn each<R: Serialize>(
    files: &[PathBuf],
    out: &mut Output,
    look: impl Fn(&Path) -> Result<R, Problem>,
    accepted: impl Fn(&R) -> bool,
) -> Result<u8, Problem> {
    let mut status = 0;
    for file in files {
        match look(file) {
            Ok(report) => {
                status = status.max(u8::from(!accepted(&report)));
                show(&report, "", out)?;
            }
            Err(problem) if files.len() == 1 => return Err(problem),
            Err(problem) => {
                status = status.max(problem.exit_status());
                show(
                    &serde_json::json!({ "file": file.display().to_string(), "verdict": "refuse", "findings": [], "error": problem }),
                    "",
                    out,
                )?;
            }
        }
    }
    Ok(status)
}

/// One report: a line of JSON, or text for people.
fn show<R: Serialize>(report: &R, heading: &str, out: &mut Output) -> Result<(), Problem> {
    let text = || text::report(&serde_json::to_value(report).unwrap_or_default(), heading);
    out.record(report, text).map_err(|error| unprinted(&error))
}

fn file(path: &Path) -> Result<File, Problem> {
    File::open(path).map_err(|error| usage(&format!("{}: {error}", path.display())))
}

fn whole(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = io::Read::read_to_end(&mut io::Read::take(file(path)?, WHOLE_BYTES_MAX + 1), &mut bytes);
    read.map_err(|error| usage(&format!("{}: {error}", path.display())))?;
    if bytes.len() as u64 > WHOLE_BYTES_MAX {
        return Err(usage(&format!(
            "{}: found more than {WHOLE_BYTES_MAX} bytes, expected at most that",
            path.display()
        )));
    }
    Ok(bytes)
}

pub(super) fn certificate(path: &Path) -> Result<Certificate, Problem> {
    Certificate::from_pem(&whole(path)?).map_err(|error| usage(&format!("{}: {error}", path.display())))
}

pub(super) fn certificates(paths: &[PathBuf]) -> Result<Vec<Certificate>, Problem> {
    let mut all = Vec::new();
    for path in paths {
        let bytes = whole(path)?;
        let read = Certificate::all_from_pem(&bytes).ok().filter(|read| !read.is_empty());
        let read = read.map_or_else(|| Certificate::from_der(&bytes).map(|one| vec![one]), Ok);
        all.extend(read.map_err(|error| usage(&format!("{}: {error}", path.display())))?);
    }
    Ok(all)
}

pub(super) fn identity(key: &Path, certificate: &Path) -> Result<Identity, Problem> {
    Identity::from_files(key, certificate).map_err(|error| usage(&error.to_string()))
}

pub(super) fn participant(text: &str) -> Result<ParticipantId, Problem> {
    text.parse().map_err(|error: crate::model::IdError| usage(&error.to_string()))
}

/// A size as `200MB` (10^6) or `64MiB` (2^20).
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    config::bytes(text)
        .ok_or_else(|| usage(&format!("found the size {text:?}, expected a number and B, KB, MB, GB, KiB, MiB or GiB")))
}
