//! Lists, counts and depths from the index. Every condition is a stream of places in the order of time, and a
//! list is where all of them meet: what does not match is leapt over, not looked at.

use crate::limits::{
    COUNT_LOOKS_FOR_A_START, COUNT_LOOKS_MAX, COUNTED_MAX, LIST_LOOKS_MAX, LIST_MESSAGES_MAX, LIST_STEPS_MAX,
    UNANSWERED_ENDED_MAX, UNREADABLE_PASSED_MAX,
};
use crate::model::{
    Axis, Count, Counted, Depth, Direction, Message, MessageId, Page, ParticipantId, PartyId, Query, Status, Timestamp,
};
use crate::store::StoreError;
use crate::store::index::{
    HELD, Id, Index, Lane, Of, Place, Reading, Tally, created_key, id_of, status_prefix, tally_key, text_prefix,
    time_of, unhandled_key,
};
use std::collections::BTreeMap;

/// A page of messages by conditions, newest first.
pub(super) fn page(index: &Index, query: &Query) -> Result<Page, StoreError> {
    let limit = if query.limit == 0 { LIST_MESSAGES_MAX } else { query.limit.min(LIST_MESSAGES_MAX) };
    let Some(mut from) = start(index, query)? else { return Ok(Page::default()) };
    let since = query.created_since.map(|at| created_key(at, MessageId(uuid::Uuid::nil())));
    let streams = streams(index, query)?;
    let effort = Effort { looks_left: LIST_LOOKS_MAX, start: 0 };
    let (mut meeting, mut reading) = (Meeting::of(index, &streams, effort), Reading::of(index));
    let mut messages = Vec::new();
    loop {
        let met = match meeting.at_or_before(from)? {
            Met::Nowhere => return Ok(Page { messages, next: None }),
            Met::Tired(reached) => {
                messages.extend(found(&mut reading, query, &reached)?);
                return Ok(Page { messages, next: Some(id_of(&reached)) });
            }
            Met::At(place) => place,
        };
        if since.is_some_and(|since| met < since) {
            return Ok(Page { messages, next: None });
        }
        // Between key and message another group may have been published: the message decides.
        messages.extend(found(&mut reading, query, &met)?);
        let Some(rest) = before(met) else { return Ok(Page { messages, next: None }) };
        if messages.len() == limit || meeting.effort.looks_left == 0 {
            return Ok(Page { messages, next: Some(id_of(&met)) });
        }
        from = rest;
    }
}

/// How many messages there are by conditions, for a bounded effort: keys are walked, and messages read only where an id is asked for.
pub(super) fn count(index: &Index, query: &Query) -> Result<Counted, StoreError> {
    if let Some(messages) = tallied(index, query) {
        return Ok(Counted { messages, more: false });
    }
    let mut counted = Counted::default();
    let Some(mut from) = start(index, query)? else { return Ok(counted) };
    let since = query.created_since.map(|at| created_key(at, MessageId(uuid::Uuid::nil())));
    let by_id = query.as4_message_id.is_some() || query.envelope_id.is_some() || query.named.is_some();
    let streams = streams(index, query)?;
    let effort = Effort { looks_left: COUNT_LOOKS_MAX, start: COUNT_LOOKS_FOR_A_START };
    let (mut meeting, mut reading) = (Meeting::of(index, &streams, effort), Reading::of(index));
    loop {
        let met = match meeting.at_or_before(from)? {
            Met::At(place) if since.is_none_or(|since| place >= since) => place,
            Met::Tired(place) if since.is_none_or(|since| place >= since) => {
                return Ok(Counted { more: true, ..counted });
            }
            Met::At(_) | Met::Tired(_) | Met::Nowhere => return Ok(counted),
        };
        if !by_id || found(&mut reading, query, &met)?.is_some() {
            if counted.messages == COUNTED_MAX {
                return Ok(Counted { more: true, ..counted });
            }
            counted.messages += 1;
        }
        let Some(rest) = before(met) else { return Ok(counted) };
        from = rest;
    }
}

/// How many there are where directions and statuses alone are asked for: that is counted where it changes.
fn tallied(index: &Index, query: &Query) -> Option<u64> {
    let Query {
        direction,
        statuses,
        participant: None,
        partner: None,
        envelope_id: None,
        as4_message_id: None,
        named: None,
        conversation_id: None,
        cause: None,
        held: false,
        created_before: None,
        created_since: None,
        after: None,
        limit: _,
    } = query
    else {
        return None;
    };
    let tally = index.tally();
    let counts = each_status(*direction, statuses)
        .filter_map(|(direction, status)| tally.get(tally_key(direction, status).as_slice()).copied());
    Some(counts.sum())
}

/// The last place that the query may be about; none where there is nothing before its bounds.
fn start(index: &Index, query: &Query) -> Result<Option<Place>, StoreError> {
    let mut start = [0xff; 24];
    if let Some(id) = query.after {
        let message = index.message(id)?.ok_or(StoreError::Unknown(id))?;
        let Some(place) = before(created_key(message.created_at, id)) else { return Ok(None) };
        start = place;
    }
    if let Some(at) = query.created_before {
        let Some(place) = before(created_key(at, MessageId(uuid::Uuid::nil()))) else { return Ok(None) };
        start = start.min(place);
    }
    Ok(Some(start))
}

/// The place just before.
fn before(mut place: Place) -> Option<Place> {
    for byte in place.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            return Some(place);
        }
    }
    None
}

/// What leads to the messages that fulfil one condition: several sources together.
type Stream = Vec<Source>;

/// Places in the order of time, from the last one down.
enum Source {
    /// At the ends of the keys that begin with this.
    Keys(Vec<u8>),
    /// These, in no order.
    Places(Vec<Place>),
}

impl Source {
    /// Those of the keys of one text.
    fn text(kind: u8, text: &str) -> Self {
        Self::Keys(text_prefix(kind, text))
    }

    /// Those that are not after `place`, as they are now.
    fn down_from<'a>(
        &'a self,
        index: &'a Index,
        place: &Place,
    ) -> Box<dyn Iterator<Item = Result<Place, StoreError>> + 'a> {
        match self {
            Self::Keys(prefix) => Box::new(index.down_from(prefix, place)),
            Self::Places(places) => {
                let mut down: Vec<Place> = places.iter().filter(|one| *one <= place).copied().collect();
                down.sort_unstable_by(|one, other| other.cmp(one));
                Box::new(down.into_iter().map(Ok))
            }
        }
    }
}

fn streams(index: &Index, query: &Query) -> Result<Vec<Stream>, StoreError> {
    // Few messages have the same of these: the other conditions are held against the messages themselves.
    if let Some(id) = &query.as4_message_id {
        return Ok(vec![of_id(index, Id::As4Message, id.as_str())?]);
    }
    if let Some(id) = &query.envelope_id {
        return Ok(vec![of_id(index, Id::Envelope, &id.folded())?]);
    }
    if let Some(id) = &query.named {
        return Ok(vec![named(index, id)?]);
    }
    let tally = index.tally();
    let mut streams = Vec::new();
    streams.extend(query.held.then(|| vec![Source::Keys(HELD.to_vec())]));
    let conversation = query.conversation_id.as_ref();
    streams.extend(conversation.map(|id| of_id(index, Id::Conversation, id)).transpose()?);
    streams.extend(query.cause.as_ref().map(|cause| vec![Source::text(b'i', cause)]));
    streams.extend(query.partner.as_ref().map(|id| by_partner(index, id, &tally)).transpose()?);
    streams.extend(query.participant.as_ref().map(|id| vec![Source::text(b'p', &id.folded())]));
    if query.direction.is_some() || !query.statuses.is_empty() {
        streams.push(by_status(query, &tally));
    }
    if streams.is_empty() {
        streams.push(vec![Source::Keys(b"c".to_vec())]);
    }
    Ok(streams)
}

/// The messages of an id, in the form in which that is compared.
fn of_id(index: &Index, id: Id, text: &str) -> Result<Stream, StoreError> {
    let (places, more) = index.named(id, text)?;
    Ok(std::iter::once(Source::Places(places)).chain(more.map(Source::Keys)).collect())
}

/// The messages of which an id is this; where it is ours, those of its envelope.
fn named(index: &Index, id: &str) -> Result<Stream, StoreError> {
    let ours = id.parse().map_or(Ok(None), |ours| index.message(ours))?;
    let mut stream = of_id(index, Id::As4Message, id)?;
    stream.extend(of_id(index, Id::Envelope, &id.to_lowercase())?);
    stream.extend(of_id(index, Id::Conversation, id)?);
    if let Some(message) = ours {
        stream.extend(of_id(index, Id::Envelope, &message.envelope_id.folded())?);
    }
    Ok(stream)
}

/// The keys of what is or was for an access point, and those of recipients whose unpacked messages wait for it.
fn by_partner(index: &Index, partner: &PartyId, tally: &Tally) -> Result<Stream, StoreError> {
    let mut stream = vec![Source::text(b'o', partner.as_str())];
    for (lane, _) in Lane::all(Of::Recipient, tally) {
        if route(index, lane.name)?.is_some_and(|route| route == *partner) {
            stream.push(Source::Keys(lane.prefix()));
        }
    }
    Ok(stream)
}

/// The access point that is known of a recipient.
fn route(index: &Index, recipient: &str) -> Result<Option<PartyId>, StoreError> {
    recipient.parse().map_or(Ok(None), |recipient| index.route(&recipient))
}

/// The keys of each direction and status that is asked for, and that any message has.
fn by_status(query: &Query, tally: &Tally) -> Stream {
    each_status(query.direction, &query.statuses)
        .filter(|(direction, status)| tally.contains_key(tally_key(*direction, *status).as_slice()))
        .map(|(direction, status)| Source::Keys(status_prefix(direction, status)))
        .collect()
}

/// Each direction and status that is asked for.
fn each_status(wanted: Option<Direction>, statuses: &[Status]) -> impl Iterator<Item = (Direction, Status)> {
    let directions = [Direction::Out, Direction::In].into_iter().filter(move |one| wanted.is_none_or(|it| it == *one));
    directions.flat_map(move |direction| {
        let wanted = Status::ALL.into_iter().filter(|status| statuses.is_empty() || statuses.contains(status));
        wanted.map(move |status| (direction, status))
    })
}

/// One source, walked down. To begin is what costs: a place that is a few keys further is walked to.
struct Walk<'a> {
    index: &'a Index,
    source: &'a Source,
    rest: Option<Box<dyn Iterator<Item = Result<Place, StoreError>> + 'a>>,
    at: Option<Place>,
    /// How often it began.
    begun: usize,
}

impl Walk<'_> {
    /// The last place that is not after `place`, which is never after the one that was asked for before.
    fn at_or_before(&mut self, place: &Place) -> Result<Option<Place>, StoreError> {
        let mut steps = if self.rest.is_some() { LIST_STEPS_MAX } else { 0 };
        while self.at.is_some_and(|at| at > *place) && steps > 0 {
            self.step()?;
            steps -= 1;
        }
        if self.rest.is_none() || self.at.is_some_and(|at| at > *place) {
            self.rest = Some(self.source.down_from(self.index, place));
            self.begun += 1;
            self.step()?;
        }
        Ok(self.at)
    }

    fn step(&mut self) -> Result<(), StoreError> {
        self.at = self.rest.as_mut().and_then(Iterator::next).transpose()?;
        Ok(())
    }
}

/// Where several streams meet.
struct Meeting<'a> {
    streams: Vec<Vec<Walk<'a>>>,
    effort: Effort,
}

/// What may be spent on looking for where they meet.
struct Effort {
    looks_left: usize,
    /// What a walk costs that begins anew, beside its look.
    start: usize,
}

enum Met {
    At(Place),
    Nowhere,
    /// All looks are spent. Some have this place, and nothing is after it that was not found.
    Tired(Place),
}

impl<'a> Meeting<'a> {
    fn of(index: &'a Index, streams: &'a [Stream], effort: Effort) -> Self {
        let walk = |source| Walk { index, source, rest: None, at: None, begun: 0 };
        let streams = streams.iter().map(|stream| stream.iter().map(walk).collect()).collect();
        Self { streams, effort }
    }

    /// The last place that all streams have, at `place` or before it.
    fn at_or_before(&mut self, mut place: Place) -> Result<Met, StoreError> {
        let (mut agreed, all) = (0, self.streams.len());
        for turn in (0..all).cycle() {
            let Some(stream) = self.streams.get_mut(turn) else { break };
            let (mut found, mut looks): (Option<Place>, usize) = (None, 0);
            for walk in stream {
                let (stood, begun) = (walk.at, walk.begun);
                found = found.max(walk.at_or_before(&place)?);
                // One that stands there already need not look.
                looks += usize::from(walk.at != stood) + (walk.begun - begun) * self.effort.start;
            }
            self.effort.looks_left = self.effort.looks_left.saturating_sub(looks.max(1));
            let Some(found) = found else { return Ok(Met::Nowhere) };
            agreed = if found == place { agreed + 1 } else { 1 };
            place = found;
            if agreed == all {
                return Ok(Met::At(place));
            }
            if self.effort.looks_left == 0 {
                return Ok(Met::Tired(place));
            }
        }
        Ok(Met::Nowhere)
    }
}

/// Messages to a participant that wait to be taken, oldest first, those after `after`.
pub(super) fn waiting(
    index: &Index,
    participant: &ParticipantId,
    after: Option<MessageId>,
) -> Result<Vec<Message>, StoreError> {
    oldest_after(index, &text_prefix(b'w', &participant.folded()), after, Message::is_waiting)
}

/// Messages from a participant of whose failure it is to be told, oldest first, those after `after`.
pub(super) fn notices(
    index: &Index,
    participant: &ParticipantId,
    after: Option<MessageId>,
) -> Result<Vec<Message>, StoreError> {
    oldest_after(index, &text_prefix(b'f', &participant.folded()), after, Message::has_notice)
}

/// Messages that have awaited their message receipt since then or longer, longest first, as many as one step ends.
pub(super) fn unanswered(
    index: &Index,
    since: Timestamp,
    read: impl Fn(MessageId) -> Result<Option<Message>, StoreError>,
) -> Result<Vec<Message>, StoreError> {
    let (mut found, mut unreadable) = (Vec::new(), 0);
    for id in index.unanswered(since).take(UNANSWERED_ENDED_MAX) {
        let id = id?;
        match read(id) {
            // As above: the message decides.
            Ok(message) => found.extend(message.filter(|one| one.unanswered_since().is_some_and(|at| at <= since))),
            Err(error) if unreadable == UNREADABLE_PASSED_MAX => return Err(error),
            Err(error) => {
                unreadable += 1;
                tracing::error!(message = %id, %error, "a message that awaits its message receipt cannot be read; it is read again");
            }
        }
    }
    Ok(found)
}

fn oldest_after(
    index: &Index,
    prefix: &[u8],
    after: Option<MessageId>,
    holds: fn(&Message) -> bool,
) -> Result<Vec<Message>, StoreError> {
    let after = match after {
        Some(id) => Some(index.message(id)?.ok_or(StoreError::Unknown(id))?),
        None => None,
    };
    let after = after.map(|message| created_key(message.created_at, message.id));
    let after = after.as_ref().map(Place::as_slice);
    let mut found = Vec::new();
    for id in index.oldest_after(prefix, after) {
        // As above: the message decides.
        found.extend(index.message(id?)?.filter(holds));
        if found.len() == LIST_MESSAGES_MAX {
            break;
        }
    }
    Ok(found)
}

/// Counts by direction and status, with the oldest of each, and of what is held.
pub(super) fn counts(index: &Index) -> Result<(Vec<Count>, u64), StoreError> {
    let tally = index.tally();
    let mut counts = Vec::new();
    for (direction, status) in each_status(None, &[]) {
        let messages = tally.get(tally_key(direction, status).as_slice()).copied().unwrap_or(0);
        if messages > 0 {
            let oldest = index.oldest(&status_prefix(direction, status))?.as_ref().map(time_of);
            counts.push(Count { direction, status, messages, oldest });
        }
    }
    Ok((counts, tally.get(HELD).copied().unwrap_or(0)))
}

/// Dead letters of a cause about which somebody has to do something; of any cause, those outwards.
pub(super) fn unhandled(index: &Index, cause: Option<&str>) -> u64 {
    let tally = index.tally();
    let of = |direction| cause.and_then(|cause| tally.get(unhandled_key(direction, cause).as_slice()));
    let any = unhandled_key(Direction::Out, "");
    let outwards = tally.range(any.clone()..).take_while(|(key, _)| cause.is_none() && key.starts_with(&any));
    let both = [of(Direction::Out), of(Direction::In)].into_iter().flatten();
    both.chain(outwards.map(|(_, messages)| messages)).sum()
}

/// How much waits by partner or participant, by name, of those that are asked for.
pub(super) fn depths(
    index: &Index,
    axis: Axis,
    asked: &dyn Fn(Direction, &str) -> bool,
) -> Result<Vec<Depth>, StoreError> {
    let tally = index.tally();
    let kinds: &[Of] = match axis {
        Axis::Partner => &[Of::Partner, Of::Recipient],
        Axis::Participant => &[Of::Participant],
    };
    let mut depths: BTreeMap<(bool, String), Depth> = BTreeMap::new();
    for (lane, messages) in kinds.iter().flat_map(|of| Lane::all(*of, &tally)) {
        let name = match lane.of {
            Of::Partner | Of::Participant => lane.name.to_owned(),
            Of::Recipient => route(index, lane.name)?.map_or_else(String::new, |route| route.to_string()),
        };
        if !asked(lane.direction, &name) {
            continue;
        }
        let oldest = index.oldest(&lane.prefix())?.as_ref().map(time_of);
        let depth = depths.entry((lane.direction == Direction::In, name.clone()));
        let depth = depth.or_insert(Depth { direction: lane.direction, name, messages: 0, oldest });
        depth.messages += messages;
        depth.oldest = depth.oldest.into_iter().chain(oldest).min();
    }
    Ok(depths.into_values().collect())
}

/// The message of a place, if it is one of those asked for.
fn found(reading: &mut Reading<'_>, query: &Query, place: &Place) -> Result<Option<Message>, StoreError> {
    let Some(message) = reading.message(id_of(place))? else { return Ok(None) };
    let for_partner = match &query.partner {
        Some(wanted) if message.awaits_route() => reading.index().route(&message.to)?.as_ref() == Some(wanted),
        Some(wanted) => message.partner.as_ref() == Some(wanted),
        None => true,
    };
    Ok(Some(message).filter(|message| for_partner && holds(query, message)))
}

/// Whether a message is one of those asked for, its partner apart.
fn holds(query: &Query, message: &Message) -> bool {
    query.direction.is_none_or(|wanted| message.direction == wanted)
        && (query.statuses.is_empty() || query.statuses.contains(&message.status))
        && query.participant.as_ref().is_none_or(|wanted| message.from == *wanted || message.to == *wanted)
        && query.envelope_id.as_ref().is_none_or(|wanted| message.envelope_id.folded() == wanted.folded())
        && query.as4_message_id.as_ref().is_none_or(|wanted| message.as4_message_id.as_ref() == Some(wanted))
        && query.named.as_ref().is_none_or(|wanted| message.is_named(wanted))
        && query.conversation_id.as_ref().is_none_or(|wanted| message.conversations().any(|one| one == wanted))
        && query.cause.as_ref().is_none_or(|wanted| message.error.as_ref().is_some_and(|error| error.cause() == wanted))
        && (!query.held || message.is_held())
}
