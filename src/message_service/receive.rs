//! Receiving (C4): verify, open, validate, answer. The order is the profile's: nothing is decrypted
//! before its signature holds and is the sender's (XHE-3.2.p2, p3).

use super::{Keys, MessageService, Settings, blocking, file_problem};
use crate::access_point::{AccessPoint, HandOver, Handled, Submission, Unhandled, accepted, store_problem};
use crate::model::{
    BlobId, Carriage, Change, Content, Direction, DocumentType, EnvelopeId, Event, Fault, Finding, Message, Obstacle,
    Outcome, Priority, Problem, Query, Stage, Timestamp, time,
};
use crate::pki::Certificate;
use crate::sdk::agreement::{self, Enveloped};
use crate::sdk::message::{self, CheckedMessage};
use crate::sdk::receipt::{self, MessageReceipt, NewReceipt, Outcome as Word};
use crate::store::{BlobWriter, Settlement, Store};
use crate::xhe::{self, OpenError, Signed};
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::Arc;

impl HandOver for MessageService {
    fn receive<'a>(&'a self, received: &'a Message) -> BoxFuture<'a, Result<Handled, Unhandled>> {
        Box::pin(self.take_up(received.clone()))
    }
}

/// Why a message is not accepted, and whether its sender is told.
enum Refusal {
    /// Answered by a message receipt REJECTED with these causes (KVITT-2.1.1).
    Rejected(Vec<Finding>),
    /// Not answered: it cannot be opened, or its sender is not known (KVITT-2.1.2). Our own people are told.
    Silent(Problem),
    /// Ours, or the federation's: tried again.
    Temporary(Problem),
}

/// What is at hand while one envelope is opened.
struct Desk {
    store: Arc<dyn Store>,
    access_point: Arc<dyn AccessPoint>,
    settings: Arc<Settings>,
    keys: Keys,
    now: Timestamp,
    /// The same on the clock that is never set.
    steady: Timestamp,
}

impl MessageService {
    /// Finds the sender's certificates, then opens beside the asynchronous threads.
    async fn take_up(&self, received: Message) -> Result<Handled, Unhandled> {
        let hold = self.in_hand.take(format!("{} {}", received.from.folded(), received.envelope_id.folded()));
        let hold = hold.ok_or_else(|| {
            Problem::new(
                Fault::Temporary,
                "in-hand",
                "the same envelope is being opened",
                "it came in two AS4 messages at once; it is looked at again by itself",
            )
        })?;
        let settings = self.settings();
        let keys = settings.keys(&received.to)?.clone();
        let desk = Desk {
            store: Arc::clone(&self.store),
            access_point: Arc::clone(&self.access_point),
            settings,
            keys,
            now: self.clock.now(),
            steady: self.clock.steady(),
        };
        let published = match self.discovery.signing_certificates(&received.from).await {
            Ok(certificates) => certificates,
            Err(error) if error.is_temporary() => {
                return Err(Unhandled { by: Obstacle::Lookup, problem: error.problem() });
            }
            // MSG-5.3.t13: a sender that is not registered gets no message receipt.
            Err(error) => return Ok(failed(&desk, &received, error.problem())),
        };
        let mut handled = blocking(move || {
            if received.document_type.is_message_receipt() {
                desk.message_receipt(&received, &published)
            } else {
                desk.message(&received, &published)
            }
        })
        .await?;
        handled.hold = Some(Box::new(hold));
        Ok(handled)
    }
}

impl Desk {
    // === A message ===

    /// Opens a message and queues its message receipt in the same transaction.
    fn message(&self, received: &Message, published: &[Certificate]) -> Result<Handled, Problem> {
        if let Some(first) = self.opened_before(received)? {
            return self.came_again(received, &first);
        }
        match self.open(received, published) {
            Ok(content) => self.accept(received, content),
            Err(Refusal::Rejected(findings)) => self.reject(received, &findings),
            Err(Refusal::Silent(problem)) => Ok(failed(self, received, problem)),
            Err(Refusal::Temporary(problem)) => Err(problem),
        }
    }

    /// Verify, open, validate: the list of MSG-2.1.p4.
    fn open(&self, received: &Message, published: &[Certificate]) -> Result<Content, Refusal> {
        let signed = self.verify(received, published)?;
        let (mut payload, unsealed) = self.decrypt(received, &signed)?;
        payload.flush().map_err(|error| Refusal::Temporary(file_problem(&error)))?;
        let checked = self.validate(&payload, &unsealed)?;
        let blob = payload.commit().map_err(|error| Refusal::Temporary(store_problem(&error)))?;
        let header = checked.header;
        let address = |identifier: Option<message::Identifier>| identifier.map(|identifier| identifier.extension);
        Ok(Content {
            label: header.label.unwrap_or_default(),
            functional_address: address(header.recipient_address),
            sender_address: address(header.sender_address),
            confidential: header.confidential,
            conversation_id: Some(header.conversation_id),
            in_reply_to: header.ref_to,
            documents: checked.documents,
            payload: Some(blob),
        })
    }

    /// The signature holds, and is by a certificate that CertPub publishes for the sender and that we
    /// trust (XHE-3.5.a, b; C-50).
    fn verify(&self, received: &Message, published: &[Certificate]) -> Result<Signed, Refusal> {
        let signed = xhe::verify(|| self.envelope(received)).map_err(|error| unsigned(&error.to_string()))?;
        let certificate = signed.certificate();
        if !published.contains(certificate) {
            let expected: Vec<&str> = published.iter().map(Certificate::subject).collect();
            return Err(unsigned(&format!(
                "a signature by {}, where CertPub publishes for {}: {}",
                certificate.subject(),
                received.from,
                expected.join("; ")
            )));
        }
        self.settings
            .trust
            .check(certificate, signed.others(), self.now)
            .and_then(|trusted| trusted.may_sign())
            .map_err(|error| unsigned(&error.to_string()))?;
        Ok(signed)
    }

    /// The payload in clear, aside.
    fn decrypt(&self, received: &Message, signed: &Signed) -> Result<(BlobWriter, xhe::Unsealed), Refusal> {
        let temporary = |error: &io::Error| Refusal::Temporary(file_problem(error));
        let mut payload = self
            .store
            .blobs()
            .create(Some(received.envelope_bytes))
            .map_err(|error| Refusal::Temporary(store_problem(&error)))?;
        let envelope = self.envelope(received).map_err(|error| temporary(&error))?;
        let bytes_max = self.settings.received_message_bytes_max;
        let opened = xhe::open(
            signed,
            envelope,
            std::slice::from_ref(&self.keys.identity),
            BufWriter::new(Bounded { inner: &mut payload, left: bytes_max }),
        );
        match opened {
            Ok(unsealed) if !unsealed.encrypted => Err(rejected("MSG-5.3.t14", "a message in clear", "one that is encrypted to its recipient (UTB-2.11.a)")),
            Ok(unsealed) => Ok((payload, unsealed)),
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(rejected("MSG-5.3.t04", &format!("more than {bytes_max} bytes"), "a message of at most that size"))
            }
            Err(OpenError::Io(error)) => Err(temporary(&error)),
            Err(error) => Err(Refusal::Silent(Problem::new(Fault::Refused, "not-opened", "the message could not be opened", format!("{error}; no message receipt is sent; ask the sender to look up our certificate anew and to send again")).rule("KVITT-2.1.2.p4"))),
        }
    }

    /// Schema, rules, agreement with the envelope, and a function address of ours (MSG-5.3).
    fn validate(&self, payload: &BlobWriter, unsealed: &xhe::Unsealed) -> Result<CheckedMessage, Refusal> {
        let clear = payload.reopen().map_err(|error| Refusal::Temporary(file_problem(&error)))?;
        let mut checked = message::check(BufReader::new(clear)).map_err(|error| {
            Refusal::Silent(
                Problem::new(
                    Fault::Refused,
                    "not-xml",
                    "the payload is no message",
                    format!("{error}; no message receipt is sent"),
                )
                .rule("KVITT-2.1.2.p3"),
            )
        })?;
        let header = &unsealed.header;
        let envelope = Enveloped {
            id: &header.id,
            from: &header.from,
            to: &header.to,
            handling_service_id: header.handling_service_id.as_deref(),
        };
        checked.findings.extend(agreement::check(&envelope, &checked.header));
        checked.findings.extend(self.unknown_address(&checked.header));
        if checked.is_refused() { Err(Refusal::Rejected(checked.findings)) } else { Ok(checked) }
    }

    /// A function address that is none of this participant's (MSG-5.3.t09).
    fn unknown_address(&self, header: &message::MessageHeader) -> Option<Finding> {
        let address = &header.recipient_address.as_ref()?.extension;
        let known = &self.keys.mailbox.functional_addresses;
        (!known.contains(address)).then(|| {
            Finding::error(
                "MSG-5.3.t09",
                "/messagePayload/message/messageHeader/recipient/attention/subOrganization/organizationId/extension",
                "a function address that is not known here",
                "one of the recipient's in the address book",
            )
        })
    }

    fn envelope(&self, received: &Message) -> io::Result<BufReader<File>> {
        let blob = received
            .envelope
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the envelope is no longer there"))?;
        self.store.blobs().open(blob).map(BufReader::new).map_err(|error| io::Error::other(error.to_string()))
    }

    // === Its answer ===

    fn accept(&self, received: &Message, content: Content) -> Result<Handled, Problem> {
        let answer = self.answer(received, content.sender_address.as_deref(), Word::Accepted);
        let answer = answer.inspect_err(|_| discard(&*self.store, content.payload))?;
        let detail = format!(
            "opened and validated: {} documents; the message receipt ACCEPTED is queued",
            content.documents.len()
        );
        let changes = vec![
            Change::EnvelopeId(received.envelope_id.clone()),
            Change::Content(Box::new(content)),
            Change::MessageReceipt("ACCEPTED".into()),
            Change::Error(None),
        ];
        Ok(self.handled(received, Outcome::Open, changes, Event::of(self.now, received, Stage::Opened, detail), answer))
    }

    fn reject(&self, received: &Message, findings: &[Finding]) -> Result<Handled, Problem> {
        let answer = self.answer(received, None, Word::of(findings))?;
        let problem = rejection(findings);
        let event = Event::of(self.now, received, Stage::Failed, "rejected; the message receipt REJECTED is queued")
            .problem(problem.clone());
        let changes = vec![
            Change::EnvelopeId(received.envelope_id.clone()),
            Change::MessageReceipt("REJECTED".into()),
            Change::Error(Some(problem)),
        ];
        Ok(self.handled(received, Outcome::Fail, changes, event, answer))
    }

    fn handled(
        &self,
        received: &Message,
        outcome: Outcome,
        changes: Vec<Change>,
        event: Event,
        answer: Message,
    ) -> Handled {
        let settlement = Settlement { id: received.id, claim: None, release: true, outcome: Some(outcome), changes };
        let events = vec![event, accepted(&answer)];
        Handled { hold: None, settlement, inserts: vec![answer], settlements: Vec::new(), events }
    }

    /// The message receipt, signed and not encrypted (UTB-2.1.p2), as a message to send.
    fn answer(&self, received: &Message, sender_address: Option<&str>, outcome: Word) -> Result<Message, Problem> {
        let id = EnvelopeId::from_uuid(uuid::Uuid::new_v4());
        let body = receipt::build(&NewReceipt {
            id: id.clone(),
            issued: self.now,
            sender: received.to.clone(),
            receiver: received.from.clone(),
            reference: received.envelope_id.clone(),
            outcome,
        });
        let mut header = xhe::Header::new(
            id,
            time::millis(self.now),
            DocumentType::message_receipt(),
            &self.settings.federation,
            received.to.clone(),
            received.from.clone(),
        );
        // C-26: the address of the one who gets it, where it is known.
        header.handling_service_id = sender_address.map(str::to_owned);
        header.encrypted = false;
        let spool = self.access_point.spool(None)?;
        let signed = xhe::sign(&header, body.as_bytes(), &self.keys.identity, spool);
        let envelope = signed.map_err(|error| {
            Problem::new(Fault::Temporary, "seal", "the message receipt could not be signed", error.to_string())
        })?;
        self.access_point.prepare(Submission {
            participant: received.to.clone(),
            envelope,
            carriage: Carriage::Own,
            content: None,
            payload: None,
            acknowledges: Some(received.envelope_id.clone()),
            priority: Priority::default(),
        })
    }

    // === The same again (C-12) ===

    /// An envelope of this sender with the same id that was taken up before.
    fn opened_before(&self, received: &Message) -> Result<Option<Message>, Problem> {
        let query = Query {
            direction: Some(Direction::In),
            envelope_id: Some(received.envelope_id.clone()),
            participant: Some(received.to.clone()),
            limit: 20,
            ..Query::default()
        };
        let found = self.store.list(&query).map_err(|error| store_problem(&error))?;
        Ok(found.into_iter().find(|earlier| {
            earlier.id != received.id
                && earlier.from == received.from
                && earlier.to == received.to
                && earlier.message_receipt.is_some()
        }))
    }

    /// The same bytes get the same answer, and are not delivered again; other bytes are a duplicate.
    fn came_again(&self, received: &Message, first: &Message) -> Result<Handled, Problem> {
        let accepted_first = first.message_receipt.as_deref() == Some("ACCEPTED");
        if first.envelope_sha256 == received.envelope_sha256 && accepted_first {
            let answer = self.answer(
                received,
                first.content.as_ref().and_then(|content| content.sender_address.as_deref()),
                Word::Accepted,
            )?;
            let event = Event::of(
                self.now,
                received,
                Stage::Duplicate,
                format!(
                    "the same envelope came in another AS4 message; it is message {} already, and is answered again",
                    first.id
                ),
            );
            let changes =
                vec![Change::EnvelopeId(received.envelope_id.clone()), Change::MessageReceipt("ACCEPTED".into())];
            return Ok(self.handled(received, Outcome::Take, changes, event, answer));
        }
        let expected = format!("a new id: this one is message {}", first.id);
        self.reject(
            received,
            &[Finding::error(
                "MSG-5.3.t06",
                "/XHE/Header/ID",
                format!("another envelope under id {}", received.envelope_id),
                expected,
            )],
        )
    }

    // === A message receipt ===

    /// Verifies a message receipt and matches it with the message that it answers.
    fn message_receipt(&self, received: &Message, published: &[Certificate]) -> Result<Handled, Problem> {
        match self.read_receipt(received, published) {
            Ok(receipt) => self.matched(received, &receipt),
            Err(Refusal::Temporary(problem)) => Err(problem),
            Err(Refusal::Silent(problem)) => Ok(failed(self, received, problem)),
            Err(Refusal::Rejected(findings)) => Ok(failed(self, received, rejection(&findings))),
        }
    }

    fn read_receipt(&self, received: &Message, published: &[Certificate]) -> Result<MessageReceipt, Refusal> {
        let signed = self.verify(received, published)?;
        let envelope = self.envelope(received).map_err(|error| Refusal::Temporary(file_problem(&error)))?;
        let invalid = |error: &dyn std::fmt::Display| {
            Refusal::Silent(
                Problem::new(Fault::Refused, "message-receipt", "the message receipt is not valid", error.to_string())
                    .rule("KVITT-3.4.a"),
            )
        };
        let mut body = Vec::new();
        let bounded = Bounded { inner: &mut body, left: crate::limits::MESSAGE_RECEIPT_BYTES_MAX };
        let unsealed = xhe::open(&signed, envelope, std::slice::from_ref(&self.keys.identity), bounded)
            .map_err(|error| invalid(&error))?;
        let checked = receipt::check(&body).map_err(|error| invalid(&error))?;
        let Some(read) = checked.receipt.filter(|_| !checked.findings.iter().any(Finding::is_error)) else {
            return Err(Refusal::Rejected(checked.findings));
        };
        if read.sender != unsealed.header.from || read.receiver != unsealed.header.to {
            let found = format!("sender {} and receiver {}", read.sender, read.receiver);
            return Err(rejected(
                "KVITT-3.1.d",
                &found,
                &format!("{} and {} as in the envelope", unsealed.header.from, unsealed.header.to),
            ));
        }
        Ok(read)
    }

    /// The message that it answers takes its word; an unknown reference is logged, no more (C-03).
    fn matched(&self, received: &Message, receipt: &MessageReceipt) -> Result<Handled, Problem> {
        let query = Query {
            direction: Some(Direction::Out),
            envelope_id: Some(receipt.reference.clone()),
            participant: Some(received.to.clone()),
            limit: 20,
            ..Query::default()
        };
        let found = self.store.list(&query).map_err(|error| store_problem(&error))?;
        let sent = found.into_iter().find(|sent| {
            sent.from == received.to
                && sent.to == received.from
                && sent.carriage == Carriage::Own
                && sent.acknowledges.is_none()
        });
        let changes = vec![
            Change::EnvelopeId(received.envelope_id.clone()),
            Change::MessageReceipt(receipt.outcome.word().into()),
        ];
        let settlement =
            Settlement { id: received.id, claim: None, release: true, outcome: Some(Outcome::Take), changes };
        let Some(sent) = sent else {
            let event = Event::of(
                self.now,
                received,
                Stage::Answered,
                format!("a message receipt for {}, which is no message of this message service", receipt.reference),
            );
            return Ok(Handled {
                hold: None,
                settlement,
                inserts: Vec::new(),
                settlements: Vec::new(),
                events: vec![event],
            });
        };
        let (settled, event) = self.answered(&sent, receipt);
        let own = Event::of(
            self.now,
            received,
            Stage::Answered,
            format!("the message receipt belongs to message {}", sent.id),
        );
        Ok(Handled {
            hold: None,
            settlement,
            inserts: Vec::new(),
            settlements: vec![settled],
            events: vec![own, event],
        })
    }

    /// What a message receipt means for the message that was sent.
    fn answered(&self, sent: &Message, receipt: &MessageReceipt) -> (Settlement, Event) {
        let event = Event::of(self.now, sent, Stage::Answered, format!("message receipt {}", receipt.outcome.word()))
            .fact("message_receipt_id", &receipt.id);
        // C-12: a later REJECTED never takes an ACCEPTED back.
        let kept = sent.message_receipt.as_deref() == Some("ACCEPTED");
        let (outcome, mut changes) = if receipt.outcome == Word::Accepted {
            (Outcome::Confirm, vec![Change::Error(None)])
        } else {
            (Outcome::Reject, Vec::new())
        };
        if !kept {
            changes.push(Change::MessageReceipt(receipt.outcome.word().into()));
            changes.extend(sent.work_after_answer(self.steady));
        }
        let rejection = (receipt.outcome != Word::Accepted && !kept).then(|| told(receipt));
        let event = rejection.iter().cloned().fold(event, Event::problem);
        changes.extend(rejection.map(|problem| Change::Error(Some(problem))));
        (Settlement { id: sent.id, claim: None, release: false, outcome: Some(outcome), changes }, event)
    }
}

/// Gives back what was opened and cannot be answered yet: it is opened again.
fn discard(store: &dyn Store, payload: Option<BlobId>) {
    if let Some(Err(error)) = payload.map(|blob| store.blobs().remove(blob)) {
        tracing::warn!(%error, "a payload that was not kept stays until the next start");
    }
}

/// What a recipient's rejection tells our own people.
fn told(receipt: &MessageReceipt) -> Problem {
    let causes: Vec<String> = receipt
        .outcome
        .causes()
        .iter()
        .map(|cause| format!("{} {} at {}: {}", cause.code.word(), cause.detail, cause.line, cause.reason))
        .collect();
    Problem::new(
        Fault::Refused,
        "rejected",
        "the recipient rejected the message",
        format!("{}; mend it and send it as a new message", causes.join("; ")),
    )
    .rule("KVITT-4.1.t01")
}

/// What our own people are told of a message that we rejected.
fn rejection(findings: &[Finding]) -> Problem {
    let errors: Vec<&Finding> = findings.iter().filter(|finding| finding.is_error()).collect();
    let detail: Vec<String> = errors.iter().map(|finding| without_content(finding)).collect();
    Problem::new(Fault::Refused, "rejected", "it was rejected", detail.join("; "))
        .rule(errors.first().map_or("MSG-5.3", |finding| finding.rule.as_str()))
}

/// A finding for those who may not read the message: what its schema and its Schematron found is a piece of it.
fn without_content(finding: &Finding) -> String {
    if finding.rule.starts_with("MSG-SCH-") || finding.rule == "MSG-5.3.t02" {
        format!("{} at {}: found something else, expected {}", finding.rule, finding.path, finding.expected)
    } else {
        finding.to_string()
    }
}

/// A message that our own people have to look at; nobody is answered.
fn failed(desk: &Desk, received: &Message, problem: Problem) -> Handled {
    let event = Event::of(desk.now, received, Stage::Failed, "it could not be taken up; no message receipt is sent")
        .problem(problem.clone());
    let changes = vec![Change::EnvelopeId(received.envelope_id.clone()), Change::Error(Some(problem))];
    let settlement = Settlement { id: received.id, claim: None, release: true, outcome: Some(Outcome::Fail), changes };
    Handled { hold: None, settlement, inserts: Vec::new(), settlements: Vec::new(), events: vec![event] }
}

fn unsigned(found: &str) -> Refusal {
    rejected("MSG-5.3.t12", found, "a signature by the certificate that CertPub publishes for the sender")
}

/// A refusal that its sender is told of.
fn rejected(rule: &str, found: &str, expected: &str) -> Refusal {
    Refusal::Rejected(vec![Finding::error(rule, "NA", found, expected)])
}

/// A writer that takes so many bytes and no more.
struct Bounded<W> {
    inner: W,
    left: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than the limit"));
        }
        let written = self.inner.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, rejection};

    #[test]
    fn a_rejection_tells_operators_the_rule_and_nothing_of_the_message() {
        let findings = [
            Finding::error("MSG-SCH-5", "/message/messageId", "Anna Andersson", "a UUID"),
            Finding::error("MSG-5.3.t12", "NA", "no signature", "a signature"),
        ];
        let told = rejection(&findings);
        assert!(!told.detail.contains("Anna") && told.detail.contains("expected a UUID"), "{told}");
        assert!(told.detail.contains("found no signature"), "{told}");
        assert_eq!(told.rule.as_deref(), Some("MSG-SCH-5"));
    }
}
