//! The keys of the index, as the table of the [index](super) has them.

use super::{ENDED_WITH_PAYLOADS, HELD, Place, Tally, UNANSWERED};
use crate::model::{Direction, LogPlace, Marks, Message, MessageId, ParticipantId, Status, Timestamp};
use crate::store::DuplicateKey;
use crate::store::keys::Octets;
use crate::store::record::Noted;

/// Start of the keys of one direction and status.
pub(in crate::store) fn status_prefix(direction: Direction, status: Status) -> Vec<u8> {
    key(b's', &[&tally_key(direction, status)])
}

/// Start of the keys of one text: an identifier, in the form in which it is compared.
pub(in crate::store) fn text_prefix(kind: u8, text: &str) -> Vec<u8> {
    key(kind, &[text.as_bytes(), &[0]])
}

/// Time and id as they end the keys of lists.
pub(in crate::store) fn created_key(created_at: Timestamp, id: MessageId) -> Place {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&time_key(created_at));
    place[8..].copy_from_slice(id.0.as_bytes());
    place
}

/// The message of a place.
pub(in crate::store) fn id_of(place: &Place) -> MessageId {
    id_at_end(place)
}

/// The time of a place; the last one there is stands for all that are later.
pub(in crate::store) fn time_of(place: &Place) -> Timestamp {
    let sorted = place.first_chunk::<8>().copied().unwrap_or_default();
    let nanos = (u64::from_be_bytes(sorted) ^ (1 << 63)).cast_signed();
    if nanos == i64::MAX {
        return Timestamp::MAX;
    }
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::MAX)
}

/// Direction and status in a key; the status by its place in [`Status::ALL`].
pub(in crate::store) fn tally_key(direction: Direction, status: Status) -> [u8; 2] {
    let place = Status::ALL.iter().position(|other| *other == status).unwrap_or(usize::from(u8::MAX));
    [u8::from(direction == Direction::In), u8::try_from(place).unwrap_or(u8::MAX)]
}

/// Whose lane it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Of {
    /// Out: of the access point that messages are packed for.
    Partner,
    /// Of a participant of ours.
    Participant,
    /// Out: of the recipient of messages that are not packed, wherever its access point is.
    Recipient,
}

/// Where a message waits.
pub(in crate::store) struct Lane<'a> {
    pub(in crate::store) of: Of,
    pub(in crate::store) direction: Direction,
    pub(in crate::store) name: &'a str,
}

impl<'a> Lane<'a> {
    /// Start of the keys of one kind.
    fn kind(of: Of) -> [u8; 2] {
        let kind = match of {
            Of::Partner => 0,
            Of::Participant => 1,
            Of::Recipient => 2,
        };
        [b'l', kind]
    }

    /// The lanes of one kind in which something waits, and how much.
    pub(in crate::store) fn all(of: Of, tally: &'a Tally) -> impl Iterator<Item = (Self, u64)> {
        let kind = Self::kind(of);
        let lanes =
            tally.range(kind.to_vec()..).map_while(move |(key, messages)| Some((key.strip_prefix(&kind)?, *messages)));
        lanes.filter_map(move |(key, messages)| {
            let (direction, name) = key.split_first()?;
            let direction = if *direction == 0 { Direction::Out } else { Direction::In };
            Some((Self { of, direction, name: std::str::from_utf8(name).ok()? }, messages))
        })
    }

    /// In a tally.
    pub(in crate::store) fn key(&self) -> Vec<u8> {
        [&Self::kind(self.of), [u8::from(self.direction == Direction::In)].as_slice(), self.name.as_bytes()].concat()
    }

    /// Start of the keys of the messages in it.
    pub(in crate::store) fn prefix(&self) -> Vec<u8> {
        [self.key(), vec![0]].concat()
    }
}

/// Whether it still has to leave, or has come in and is not at its end; and for whom.
pub(in crate::store) fn lanes(message: &Message, each: &mut dyn FnMut(Lane<'_>)) {
    let direction = message.direction;
    match direction {
        Direction::Out if message.is_to_leave() => {
            match &message.partner {
                Some(partner) => each(Lane { of: Of::Partner, direction, name: partner.as_str() }),
                None => each(Lane { of: Of::Recipient, direction, name: &message.to.folded() }),
            }
            each(Lane { of: Of::Participant, direction, name: &message.from.folded() });
        }
        Direction::In if !message.status.is_final() => {
            each(Lane { of: Of::Participant, direction, name: &message.to.folded() });
        }
        Direction::Out | Direction::In => {}
    }
}

/// Everything in which a message is counted.
pub(in crate::store) fn counted(message: &Message) -> Vec<Vec<u8>> {
    let mut keys = vec![tally_key(message.direction, message.status).to_vec()];
    if message.is_held() {
        keys.push(HELD.to_vec());
    }
    keys.extend(message.unhandled_cause().map(|cause| unhandled_key(message.direction, cause)));
    lanes(message, &mut |lane| keys.push(lane.key()));
    keys
}

/// In a tally: dead letters of a direction and cause, about which somebody has to do something.
pub(in crate::store) fn unhandled_key(direction: Direction, cause: &str) -> Vec<u8> {
    [&[b'u', u8::from(direction == Direction::In)], cause.as_bytes()].concat()
}

/// Every key without value that leads to a message, each once; not those of its [ids](names).
pub(in crate::store) fn references(message: &Message) -> Vec<Octets> {
    let (id, created) = (message.id.0.as_bytes().as_slice(), created_key(message.created_at, message.id));
    let (from, to) = (message.from.folded(), message.to.folded());
    let (mut keys, mut buffer) = (Vec::with_capacity(16), Vec::with_capacity(128));
    let mut put = |parts: &[&[u8]]| {
        buffer.clear();
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        let key = Octets::from(buffer.as_slice());
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    let by = |kind: u8, text: &str, put: &mut dyn FnMut(&[&[u8]])| put(&[&[kind], text.as_bytes(), &[0], &created]);
    put(&[b"c", &created]);
    put(&[b"s", &tally_key(message.direction, message.status), &created]);
    by(b'p', &from, &mut put);
    by(b'p', &to, &mut put);
    if message.is_waiting() {
        by(b'w', &to, &mut put);
    }
    if message.has_notice() {
        by(b'f', &from, &mut put);
    }
    if let Some(since) = message.unanswered_since() {
        put(&[UNANSWERED, &created_key(since, message.id)]);
    }
    if message.is_held() {
        put(&[HELD, &created]);
    }
    let payloads = message.payloads();
    if message.is_over() && !payloads.is_empty() {
        put(&[ENDED_WITH_PAYLOADS, &created]);
    }
    if let Some(partner) = &message.partner {
        by(b'o', partner.as_str(), &mut put);
    }
    if let Some(error) = &message.error {
        by(b'i', error.cause(), &mut put);
    }
    lanes(message, &mut |lane| put(&[&lane.prefix(), &created]));
    payloads.iter().for_each(|blob| put(&[b"b", blob.0.as_bytes(), id]));
    keys
}

/// What a text may be the id of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(in crate::store) enum Id {
    /// An AS4 message.
    As4Message = b'a',
    /// An envelope.
    Envelope = b'e',
    /// A conversation.
    Conversation = b'x',
}

/// The key of all messages of an id, in the form in which that is compared.
pub(in crate::store) fn name_key(id: Id, text: &str) -> Vec<u8> {
    key(id as u8, &[text.as_bytes()])
}

/// Start of the keys of messages for which the value of [`name_key`] has no place.
pub(in crate::store) fn more_prefix(name_key: &[u8]) -> Vec<u8> {
    key(b'N', &[name_key, &[0]])
}

/// The key of such a message.
pub(in crate::store) fn more_key(name_key: &[u8], place: &Place) -> Vec<u8> {
    [more_prefix(name_key).as_slice(), place].concat()
}

/// The keys of all ids by which a message is asked for, each once.
pub(in crate::store) fn names(message: &Message) -> Vec<Octets> {
    let mut keys = vec![name_key(Id::Envelope, &message.envelope_id.folded())];
    keys.extend(message.as4_message_id.as_ref().map(|id| name_key(Id::As4Message, id.as_str())));
    for conversation in message.conversations().map(|id| name_key(Id::Conversation, id)) {
        if !keys.contains(&conversation) {
            keys.push(conversation);
        }
    }
    keys.into_iter().map(Octets::from).collect()
}

pub(in crate::store) fn due_key(message: &Message) -> Option<Vec<u8>> {
    message.next_attempt_at.map(|at| key(b'q', &[&time_key(at), message.id.0.as_bytes()]))
}

pub(in crate::store) fn route_key(recipient: &ParticipantId) -> Vec<u8> {
    key(b'j', &[recipient.folded().as_bytes()])
}

/// The key of what was made of a sender's envelope for which the value of [`name_key`] has no place.
pub(in crate::store) fn envelope_key(name_key: &[u8], sender: &str) -> Vec<u8> {
    key(b'E', &[name_key, &[0], sender.as_bytes()])
}

pub(in crate::store) fn duplicate_key(duplicate: &DuplicateKey) -> Vec<u8> {
    [text_prefix(b'k', duplicate.id.as_str()).as_slice(), duplicate.from.as_str().as_bytes()].concat()
}

pub(in crate::store) fn event_keys(record: u64, n: u32, event: &Noted) -> impl Iterator<Item = Vec<u8>> {
    let (seq, place) = (record.to_be_bytes(), n.to_be_bytes());
    let by_message = match event.message {
        Some(id) => key(b'v', &[id.0.as_bytes(), &seq, &place]),
        None => key(b'r', &[&seq, &place]),
    };
    let told = event.stage.is_told().then(|| told_key(record, n));
    [log_key(LogPlace { at: event.at, record, event: n }), by_message].into_iter().chain(told)
}

pub(in crate::store) fn told_key(seq: u64, n: u32) -> Vec<u8> {
    key(b'u', &[&seq.to_be_bytes(), &n.to_be_bytes()])
}

pub(in crate::store) fn log_key(place: LogPlace) -> Vec<u8> {
    key(b'g', &[&time_key(place.at), &place.record.to_be_bytes(), &place.event.to_be_bytes()])
}

/// The place of a key of the log.
pub(in crate::store) fn log_place(key: &[u8]) -> LogPlace {
    let mut place = Place::default();
    place.iter_mut().zip(key.iter().skip(1)).for_each(|(octet, found)| *octet = *found);
    let (record, event) = numbers_at_end(key);
    LogPlace { at: time_of(&place), record, event }
}

/// The marks with which the value of a key of the log begins.
pub(in crate::store) fn marks_of(value: &[u8]) -> Marks {
    Marks::of_bytes(value.first_chunk().copied().unwrap_or_default())
}

/// The two numbers with which the keys and values of events end.
pub(in crate::store) fn numbers_at_end(bytes: &[u8]) -> (u64, u32) {
    let last = bytes.last_chunk::<12>().copied().unwrap_or_default();
    let (first, second) =
        (last.first_chunk().copied().unwrap_or_default(), last.last_chunk().copied().unwrap_or_default());
    (u64::from_be_bytes(first), u32::from_be_bytes(second))
}

/// Nanoseconds since 1970, so that the order of bytes is the order of time. Times beyond the years
/// 1677 to 2262 are kept at those ends.
pub(in crate::store) fn time_key(at: Timestamp) -> [u8; 8] {
    let nanos = at.as_nanosecond();
    let clamped = i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX });
    (clamped.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

pub(in crate::store) fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(in crate::store) fn place_at_end(key: &[u8]) -> Place {
    key.last_chunk().copied().unwrap_or([0; 24])
}

pub(in crate::store) fn id_at_end(key: &[u8]) -> MessageId {
    let id = key.last_chunk::<16>().copied().unwrap_or_default();
    MessageId(uuid::Uuid::from_bytes(id))
}
