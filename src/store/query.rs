//! Lists and counts from the index: the narrowest index is scanned, and every condition is checked
//! on the message itself.

use crate::limits::LIST_MESSAGES_MAX;
use crate::model::{Count, Direction, Message, MessageId, ParticipantId, Query, Status, Timestamp};
use crate::store::StoreError;
use crate::store::index::{Index, created_key, status_prefix, tally_key, text_prefix};

/// Messages by conditions, newest first.
pub(super) fn list(index: &Index, query: &Query) -> Result<Vec<Message>, StoreError> {
    let limit = if query.limit == 0 { LIST_MESSAGES_MAX } else { query.limit };
    let after = match query.after {
        Some(id) => Some(index.message(id)?.ok_or(StoreError::Unknown(id))?).map(|message| (message.created_at, id)),
        None => None,
    };
    let before = query.created_before.map(|at| (at, MessageId(uuid::Uuid::nil())));
    let bound = after.into_iter().chain(before).min();
    let mut found = Vec::new();
    for scan in scans(query) {
        let mut matches = 0;
        for id in
            index.newest(&scan.prefix, bound.filter(|_| scan.by_time).map(|(at, id)| created_key(at, id)).as_deref())
        {
            // Between key and message another group may have been published: the message decides.
            let Some(message) = index.message(id?)?.filter(|message| holds(query, bound, message)) else { continue };
            found.push(message);
            matches += 1;
            if scan.by_time && matches == limit {
                break;
            }
        }
    }
    found.sort_unstable_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
    found.dedup_by_key(|message| message.id);
    found.truncate(limit);
    Ok(found)
}

/// Messages to a participant that wait to be taken, oldest first, those after `after`.
pub(super) fn waiting(
    index: &Index,
    participant: &ParticipantId,
    after: Option<MessageId>,
) -> Result<Vec<Message>, StoreError> {
    let after = match after {
        Some(id) => Some(index.message(id)?.ok_or(StoreError::Unknown(id))?),
        None => None,
    };
    let after = after.map(|message| created_key(message.created_at, message.id));
    let mut found = Vec::new();
    for id in index.oldest_after(&text_prefix(b'w', &participant.folded()), after.as_deref()) {
        // As above: the message decides.
        found.extend(index.message(id?)?.filter(Message::is_waiting));
        if found.len() == LIST_MESSAGES_MAX {
            break;
        }
    }
    Ok(found)
}

/// Counts by direction and status, with the oldest of each.
pub(super) fn counts(index: &Index) -> Result<Vec<Count>, StoreError> {
    let tally = index.tally();
    let mut counts = Vec::new();
    for direction in [Direction::Out, Direction::In] {
        for status in Status::ALL {
            let messages = tally.get(&tally_key(direction, status)).copied().unwrap_or(0);
            if messages > 0 {
                counts.push(Count { direction, status, messages, oldest: oldest(index, direction, status)? });
            }
        }
    }
    Ok(counts)
}

/// Keys to go through.
struct Scan {
    prefix: Vec<u8>,
    /// Whether the keys are in the order of time, so that the scan may stop at the limit.
    by_time: bool,
}

fn scans(query: &Query) -> Vec<Scan> {
    if let Some(id) = &query.as4_message_id {
        return vec![Scan { prefix: text_prefix(b'a', id.as_str()), by_time: false }];
    }
    if let Some(id) = &query.envelope_id {
        return vec![Scan { prefix: text_prefix(b'e', &id.folded()), by_time: false }];
    }
    if let Some(participant) = &query.participant {
        return vec![Scan { prefix: text_prefix(b'p', &participant.folded()), by_time: true }];
    }
    let Some(status) = query.status else { return vec![Scan { prefix: b"c".to_vec(), by_time: true }] };
    let directions =
        [Direction::Out, Direction::In].into_iter().filter(|one| query.direction.is_none_or(|wanted| wanted == *one));
    directions.map(|direction| Scan { prefix: status_prefix(direction, status), by_time: true }).collect()
}

fn holds(query: &Query, bound: Option<(Timestamp, MessageId)>, message: &Message) -> bool {
    bound.is_none_or(|bound| (message.created_at, message.id) < bound)
        && query.direction.is_none_or(|wanted| message.direction == wanted)
        && query.status.is_none_or(|wanted| message.status == wanted)
        && query.participant.as_ref().is_none_or(|wanted| message.from == *wanted || message.to == *wanted)
        && query.partner.as_ref().is_none_or(|wanted| message.partner.as_ref() == Some(wanted))
        && query.envelope_id.as_ref().is_none_or(|wanted| message.envelope_id.folded() == wanted.folded())
        && query.as4_message_id.as_ref().is_none_or(|wanted| message.as4_message_id.as_ref() == Some(wanted))
}

fn oldest(index: &Index, direction: Direction, status: Status) -> Result<Option<Timestamp>, StoreError> {
    let first = index.oldest(&status_prefix(direction, status))?;
    Ok(first.map(|id| index.message(id)).transpose()?.flatten().map(|message| message.created_at))
}
