//! What the journal holds of a transaction: new messages whole, settled messages by their status and
//! the fields that changed. A record is a decision already taken, so replaying it asks no questions.
//!
//! It is two lines of JSON: the *log line* says when and what happened, as the event log shows it; the *state line* what the store
//! has to know. Each has a hash of its own in the chain, so that a log line can be shown and proved without the state.

use crate::model::marks::Named;
use crate::model::{Change, Event, Marks, Message, MessageId, ParticipantId, PartyId, Stage, Status, Timestamp};
use crate::store::journal::{Beginning, lines};
use crate::store::{
    Answered, DuplicateKey, EnvelopeKey, Evidence, HandedIn, Settlement, StoreError, Transaction, Upkeep,
};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What most transactions take.
const LINES_BYTES: usize = 2048;

/// One transaction as decided.
#[derive(Debug)]
pub(super) struct Record<E = Written<Event>> {
    /// What is shown to others.
    pub(super) log: Log<E>,
    /// What is not.
    pub(super) state: State,
}

/// The log line.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Log<E = Written<Event>> {
    /// When it was decided.
    pub(super) at: Timestamp,
    /// Events, in order, or what is needed of them.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<E>,
    /// The certificates that they name by their digest, in PEM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) certificates: Vec<String>,
}

/// Of an event, what the index has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "NotedText")]
pub(super) struct Noted {
    /// When.
    pub(super) at: Timestamp,
    /// The message it is about.
    pub(super) message: Option<MessageId>,
    /// What kind of event.
    pub(super) stage: Stage,
    /// By what it may be asked for.
    pub(super) marks: Marks,
}

#[derive(Deserialize)]
struct NotedText {
    at: Timestamp,
    message: Option<MessageId>,
    stage: Stage,
    #[serde(default)]
    facts: Named,
}

impl From<NotedText> for Noted {
    fn from(read: NotedText) -> Self {
        Self { at: read.at, message: read.message, stage: read.stage, marks: read.facts.at(read.stage) }
    }
}

impl Noted {
    /// What is needed of this one.
    pub(super) fn of(event: &Event) -> Self {
        Self { at: event.at, message: event.message, stage: event.stage, marks: Marks::of(event) }
    }
}

/// The state line.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct State {
    /// New messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) inserts: Vec<Written<Message>>,
    /// A received AS4 message and its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answered: Option<(DuplicateKey, Written<Answered>)>,
    /// Settled messages, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settled: Vec<Settled>,
    /// Messages as they are, written again because the segments before go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) carried: Vec<Written<Message>>,
    /// Answers, written again for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) answers: Vec<(DuplicateKey, Written<Answered>)>,
    /// Envelopes of messages that are no longer kept, named again for the same reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) handed_in: Vec<HandedIn>,
    /// AS4 messages of which it is no longer known that they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lapsed_answers: Vec<DuplicateKey>,
    /// Envelopes of which it is no longer known that they were handed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lapsed_envelopes: Vec<EnvelopeKey>,
    /// Where messages to these recipients go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) routes: Vec<(ParticipantId, PartyId)>,
    /// Messages that are no longer kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) forgotten: Vec<MessageId>,
    /// The beginning of the journal that is no longer kept. With it the chain stays provable: the first segment that is
    /// left must continue it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dropped: Option<Beginning>,
    /// An operator goes on without the records up to this one, which the journal lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted_loss: Option<u64>,
    /// How far the steady clock was, in milliseconds since 1970.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) steady: Option<Timestamp>,
    /// Whether somebody says here that the wall clock is right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) clock_is_right: bool,
    /// What the program remembers, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) notes: BTreeMap<String, Value>,
    /// The SOAP part of the AS4 message that was received: evidence, and no part of the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<String>,
}

/// What became of one message.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Settled {
    /// Which message.
    pub(super) id: MessageId,
    /// Its status now.
    pub(super) status: Status,
    /// Its other changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Change>,
}

/// A value, cheap to clone, with its JSON where that is there already: it is made once, by who has the time, and copied from
/// there on, into the journal and into the index.
#[derive(Debug)]
pub(super) struct Written<T>(Arc<(T, Option<Box<RawValue>>)>);

impl<T: Serialize> Written<T> {
    /// Makes the JSON.
    pub(super) fn new(value: T) -> Result<Self, StoreError> {
        let json =
            serde_json::value::to_raw_value(&value).map_err(|error| unreadable("part of a transaction", error))?;
        Ok(Self(Arc::new((value, Some(json)))))
    }

    /// The JSON, made now where it is not there.
    pub(super) fn json(&self) -> Result<Cow<'_, [u8]>, StoreError> {
        match &self.0.1 {
            Some(json) => Ok(Cow::Borrowed(json.get().as_bytes())),
            None => serde_json::to_vec(&self.0.0).map(Cow::Owned).map_err(|error| unreadable("value", error)),
        }
    }
}

impl<T> Written<T> {
    /// Without JSON yet.
    pub(super) fn later(value: T) -> Self {
        Self(Arc::new((value, None)))
    }

    /// The value.
    pub(super) fn value(&self) -> &T {
        &self.0.0
    }
}

impl<T: Clone> Written<T> {
    /// The value, by itself.
    pub(super) fn into_value(self) -> T {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.0.clone(), |(value, _)| value)
    }
}

impl<T> Clone for Written<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Serialize> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.1 {
            Some(json) => json.serialize(serializer),
            None => self.0.0.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let value = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        Ok(Self(Arc::new((value, Some(json)))))
    }
}

/// A transaction of which everything is written that does not have to be decided first: made in the thread of who commits, so
/// that the one that decides has less to do.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) inserts: Vec<Written<Message>>,
    pub(super) answered: Option<(DuplicateKey, Written<Answered>)>,
    pub(super) settlements: Vec<Settlement>,
    pub(super) events: Vec<Written<Event>>,
    pub(super) evidence: Evidence,
    pub(super) routes: Vec<(ParticipantId, PartyId)>,
    pub(super) notes: BTreeMap<String, Value>,
    pub(super) upkeep: Option<Box<Upkeep>>,
}

impl Prepared {
    /// Writes what can be written.
    pub(super) fn new(transaction: Transaction) -> Result<Self, StoreError> {
        let Transaction { inserts, answered, settlements, events, evidence, routes, notes, upkeep } = transaction;
        let unclaimed = |message| Written::new(Message { lease_until: None, ..message });
        Ok(Self {
            inserts: inserts.into_iter().map(unclaimed).collect::<Result<_, _>>()?,
            answered: answered
                .map(|(key, answered)| Written::new(answered).map(|answered| (key, answered)))
                .transpose()?,
            settlements,
            events: events.into_iter().map(Written::new).collect::<Result<_, _>>()?,
            evidence,
            routes,
            notes,
            upkeep,
        })
    }
}

impl Record {
    /// A record of nothing yet.
    pub(super) fn new(at: Timestamp, steady: Timestamp) -> Self {
        let state = State { steady: Some(steady), ..State::default() };
        Self { log: Log { at, events: Vec::new(), certificates: Vec::new() }, state }
    }

    /// Whether there is anything to write.
    pub(super) fn is_empty(&self) -> bool {
        let State {
            inserts,
            answered,
            settled,
            carried,
            answers,
            handed_in,
            lapsed_answers,
            lapsed_envelopes,
            routes,
            forgotten,
            dropped,
            accepted_loss,
            notes,
            clock_is_right,
            steady: _,
            received: _,
        } = &self.state;
        let told = inserts.is_empty() && answered.is_none() && settled.is_empty() && self.log.events.is_empty();
        told && carried.is_empty()
            && answers.is_empty()
            && handed_in.is_empty()
            && lapsed_answers.is_empty()
            && lapsed_envelopes.is_empty()
            && routes.is_empty()
            && forgotten.is_empty()
            && dropped.is_none()
            && accepted_loss.is_none()
            && notes.is_empty()
            && !clock_is_right
    }

    /// Puts its two lines in the place of what `lines` has.
    pub(super) fn encode(&self, lines: &mut Vec<u8>) -> Result<(), StoreError> {
        lines.clear();
        lines.reserve(LINES_BYTES);
        let written = serde_json::to_writer(&mut *lines, &self.log).and_then(|()| {
            lines.push(b'\n');
            serde_json::to_writer(lines, &self.state)
        });
        written.map_err(|error| unreadable("transaction", error))
    }
}

impl<E: DeserializeOwned> Record<E> {
    /// Reads its two lines.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, serde_json::Error> {
        let (log, state) = lines(payload);
        Ok(Self { log: serde_json::from_slice(log)?, state: serde_json::from_slice(state)? })
    }
}

/// The loss that a record accepts: up to which record.
pub(super) fn accepted_loss(payload: &[u8]) -> Result<Option<u64>, StoreError> {
    // Few records do, and all others need not be taken apart.
    if memchr::memmem::find(lines(payload).1, b"\"accepted_loss\":").is_none() {
        return Ok(None);
    }
    let record = Record::<Noted>::decode(payload).map_err(|error| unreadable("transaction", error))?;
    Ok(record.state.accepted_loss)
}

/// The events of a record.
pub(super) fn events(payload: &[u8]) -> Result<Vec<Event>, StoreError> {
    let log: Result<Log<Event>, _> = serde_json::from_slice(lines(payload).0);
    log.map(|log| log.events).map_err(|error| unreadable("event", error))
}

impl Settled {
    /// The message after this was decided at `at`.
    pub(super) fn on(self, mut message: Message, at: Timestamp) -> Message {
        self.changes.into_iter().for_each(|change| message.apply(change));
        Message { status: self.status, updated_at: at, ..message }
    }
}

/// JSON that is not what we write.
pub(super) fn unreadable(what: &str, error: serde_json::Error) -> StoreError {
    StoreError::Io {
        what: format!("a stored {what} is unreadable"),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
