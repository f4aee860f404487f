//! Messages of a list, read one after the other.

use super::{Index, id_at_end, key, parse};
use crate::limits::LIST_STEPS_MAX;
use crate::model::{Message, MessageId};
use crate::store::StoreError;
use crate::store::keys::Octets;
use std::ops::Bound;

/// Reads messages that come from the last one down. As long as they stand beside each other, as they do where nearly all are listed,
/// they are walked to: to look for each by its key costs more, and the more the larger the index is.
pub(in crate::store) struct Reading<'a> {
    index: &'a Index,
    way: Way<'a>,
}

enum Way<'a> {
    /// None was read. It is looked for: there may be no other one.
    First,
    /// One was read.
    Second,
    /// They stand beside each other so far.
    Walk(Down<'a>),
    /// They do not, and each is looked for.
    Apart,
}

/// Messages from one down as they are now, and where it stands.
struct Down<'a> {
    rest: Box<dyn Iterator<Item = Result<(Octets, Octets), StoreError>> + 'a>,
    at: Option<(MessageId, Octets)>,
}

impl<'a> Reading<'a> {
    /// Of this index.
    pub(in crate::store) fn of(index: &'a Index) -> Self {
        Self { index, way: Way::First }
    }

    /// Where it reads.
    pub(in crate::store) fn index(&self) -> &'a Index {
        self.index
    }

    /// The next one.
    pub(in crate::store) fn message(&mut self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.way = match std::mem::replace(&mut self.way, Way::Apart) {
            Way::First => Way::Second,
            Way::Second => Way::Walk(Down::from(self.index, id)?),
            way => way,
        };
        if let Way::Walk(down) = &mut self.way {
            if let Some(value) = down.walk_to(id)? {
                return parse(&value, "message").map(Some);
            }
            self.way = Way::Apart;
        }
        self.index.message(id)
    }
}

impl<'a> Down<'a> {
    fn from(index: &'a Index, id: MessageId) -> Result<Self, StoreError> {
        let (first, last) = (key(b'm', &[]), key(b'm', &[id.0.as_bytes()]));
        let rest = Box::new(index.keys.range(Bound::Included(first), Bound::Included(last)).rev());
        let mut down = Self { rest, at: None };
        down.step()?;
        Ok(down)
    }

    fn step(&mut self) -> Result<(), StoreError> {
        self.at = self.rest.next().transpose()?.map(|(key, value)| (id_at_end(&key), value));
        Ok(())
    }

    /// The message, where it is not far below.
    fn walk_to(&mut self, id: MessageId) -> Result<Option<Octets>, StoreError> {
        for _ in 0..LIST_STEPS_MAX {
            if self.at.as_ref().is_none_or(|(at, _)| *at <= id) {
                break;
            }
            self.step()?;
        }
        Ok(self.at.as_ref().filter(|(at, _)| *at == id).map(|(_, value)| value.clone()))
    }
}
