//! The decisions of both journeys without network and cryptography, one call each, in the caller's thread: what a simulation
//! drives. Each is the function that the journey itself calls.

use super::inbound::{self, Delivered, Undelivered};
pub use super::outbound::Sending;
use super::spool::{Kept, Unread};
use super::worker::{self, Claimed};
use super::{Action, Handled, Router, SendError, Unhandled, operate, outbound, queries};
use crate::as4::Answer;
use crate::limits;
use crate::model::{
    As4MessageId, As4ReceiptSummary, EnvelopeId, Event, Message, MessageId, Packing, PartyId, Problem, Warrant,
};
use crate::store::{Answered, DuplicateKey, Evidence};
use std::io::Read;

/// Out: takes a message whose envelope is stored. The same envelope again is the same message.
pub fn accept(router: &Router, message: Message) -> Result<Message, Problem> {
    outbound::keep(router, message)
}

/// Both: what the worker takes up next.
pub fn claim(router: &Router) -> Result<Option<Message>, Problem> {
    Ok(claim_beside(router, limits::SLOW_STEPS_MAX)?.map(|claimed| claimed.message))
}

/// Both: what the worker takes up next, where so many more steps may wait for somebody who does not answer.
pub fn claim_beside(router: &Router, room: usize) -> Result<Option<Claimed>, Problem> {
    worker::claim(router, room)
}

/// Out: gives up some of what has waited too long for a partner that is left alone, or for its message receipt; whether there is more.
pub fn give_up_overdue(router: &Router) -> Result<bool, Problem> {
    outbound::give_up_overdue(router)
}

/// Both: the envelope of a message, if it is still what was stored.
pub fn envelope(router: &Router, message: &Message) -> Result<Vec<u8>, Problem> {
    let read = |mut kept: Kept| {
        let mut bytes = Vec::new();
        // A file that cannot be read is not whole either.
        drop(kept.read_to_end(&mut bytes));
        kept.whole().map(|()| bytes)
    };
    Kept::open(router.store.blobs(), message).and_then(read).map_err(Unread::problem)
}

/// Out: keeps the packed message before its first byte leaves.
pub fn packed(
    router: &Router,
    message: &mut Message,
    id: As4MessageId,
    party: PartyId,
    packing: Packing,
) -> Result<(), SendError> {
    outbound::keep_packed(router, message, id, party, packing, Vec::new())
}

/// Out: what an attempt meant.
pub fn sent(router: &Router, sending: &Sending, result: Result<As4ReceiptSummary, SendError>) -> Result<(), Problem> {
    outbound::conclude(router, sending, result)
}

/// In: the answer of the first time, where the message came before as it comes now.
pub fn answered_before(router: &Router, key: &DuplicateKey, fingerprint: &str) -> Result<Option<Answer>, Problem> {
    inbound::answered_before(router, fingerprint, key).map_err(|failure| failure.problem())
}

/// In: makes a message and its answer durable, and gives the answer.
pub fn received(
    router: &Router,
    key: DuplicateKey,
    answered: Answered,
    message: Message,
    event: Event,
) -> Result<Answer, Problem> {
    inbound::keep(router, key, answered, Some(message), event, Evidence::default()).map_err(|failure| failure.problem())
}

/// In: what a look at the envelope meant: it waits for its participant, or something of ours failed for now.
pub fn looked(router: &Router, message: &Message, result: Result<EnvelopeId, Unhandled>) -> Result<(), Problem> {
    inbound::conclude(router, message, result.map(Delivered::Held).map_err(Undelivered::Temporary))
}

/// In: what the message service of this process made of it.
pub fn handled(router: &Router, message: &Message, handled: Handled) -> Result<(), Problem> {
    inbound::conclude(router, message, Ok(Delivered::Handled(handled)))
}

/// Out: nothing more is due for a message at its end.
pub fn done(router: &Router, message: &Message) -> Result<(), Problem> {
    outbound::done(router, message)
}

/// In: its participant has it.
pub fn taken(router: &Router, message: &Message) -> Result<(), Problem> {
    queries::taken(router, message, message.to.as_str())
}

/// Both: what an operator does.
pub fn act(router: &Router, id: MessageId, action: Action, warrant: &Warrant) -> Result<Message, Problem> {
    operate::act(router, id, action, warrant)
}
