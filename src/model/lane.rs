//! In which order messages are taken up: lanes and the streams in them.

use super::{Direction, Message, ParticipantId, PartyId, Priority};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;

/// What is delayed or stopped together, and together with nothing else.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// Out: recipients whose access point has to be looked up first.
    Lookup,
    /// Out: to this access point.
    Partner(PartyId),
    /// In: for this participant of ours.
    Inward(ParticipantId),
}

/// Messages from one participant to another.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
pub struct Stream {
    /// Out: the access point that the message is packed for.
    partner: Option<PartyId>,
    inward: bool,
    from: ParticipantId,
    to: ParticipantId,
    /// Which goes before which others of its lane.
    pub rank: Rank,
}

/// Which messages of a lane go first. Nobody waits for ever: see [`Rank::patience`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Message receipts, and what an operator has tried again.
    Urgent,
    /// Of high priority.
    High,
    /// Of normal priority.
    Normal,
    /// Of low priority.
    Low,
}

impl Rank {
    /// All, the first first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    /// How many of higher ranks go before one of this that is due: then it has a turn.
    pub fn patience(self) -> u32 {
        match self {
            Self::Urgent => 0,
            Self::High | Self::Normal => 4,
            Self::Low => 16,
        }
    }
}

impl From<&Message> for Rank {
    fn from(message: &Message) -> Self {
        match message.priority {
            _ if message.acknowledges.is_some() || message.renewed_at.is_some() => Self::Urgent,
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Low => Self::Low,
        }
    }
}

impl Stream {
    /// In which lane it is, where unpacked messages to known recipients have `routes`.
    pub fn lane(&self, routes: &HashMap<ParticipantId, PartyId>) -> Lane {
        match (&self.partner, self.inward) {
            (_, true) => Lane::Inward(self.to.clone()),
            (Some(partner), false) => Lane::Partner(partner.clone()),
            (None, false) => routes.get(&self.to).map_or(Lane::Lookup, |partner| Lane::Partner(partner.clone())),
        }
    }

    /// Whether it depends on where `recipient` is.
    pub fn awaits_route(&self, recipient: &ParticipantId) -> bool {
        self.partner.is_none() && !self.inward && self.to == *recipient
    }
}

impl From<&Message> for Stream {
    fn from(message: &Message) -> Self {
        let inward = message.direction == Direction::In;
        Self {
            partner: message.partner.clone().filter(|_| !inward),
            inward,
            from: message.from.clone(),
            to: message.to.clone(),
            rank: message.into(),
        }
    }
}

impl Lane {
    /// Out: to an access point, or to one that has to be looked up.
    pub fn out(partner: Option<&PartyId>) -> Self {
        partner.map_or(Self::Lookup, |party| Self::Partner(party.clone()))
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup => f.write_str("look-up"),
            Self::Partner(party) => party.fmt(f),
            Self::Inward(participant) => participant.fmt(f),
        }
    }
}
