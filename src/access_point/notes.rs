//! What the program remembers beside messages, and the events of which operators are told.

use super::{Router, blocking, store_problem};
use crate::model::{Direction, Event, Fault, Left, Logged, Message, MessageId, Problem, Query, Status};
use crate::store::Transaction;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// In what a message is that was given up. What was rejected is in the last one as well, by a cause of its own.
const DEAD: [Status; 3] = [Status::MessageExchangeError, Status::SendFailure, Status::Error];

impl Router {
    /// What was noted last under a name. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read, or what was noted is of another version.
    pub fn read_note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let value = self.store.note(name).map_err(|error| store_problem(&error))?;
        value.map(serde_json::from_value).transpose().map_err(|error| unreadable(name, &error))
    }

    /// Notes a value under a name and records events, both or neither: durable when this returns. Blocks.
    ///
    /// # Errors
    ///
    /// Temporary when the store does not take it.
    pub fn write_note(&self, name: &str, value: &impl Serialize, events: Vec<Event>) -> Result<(), Problem> {
        let value = serde_json::to_value(value).map_err(|error| unreadable(name, &error))?;
        let notes = BTreeMap::from([(name.to_owned(), value)]);
        let committed = self.commit(Transaction { events, notes, ..Transaction::default() });
        committed.map(drop).map_err(|error| store_problem(&error))
    }

    /// The number of the journal's last record.
    pub fn last_record(&self) -> u64 {
        self.store.last_record()
    }

    /// Events of which operators are told, in the order of the journal: at most `limit` of those behind this record and place.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn told(self: &Arc<Self>, after: (u64, u32), limit: usize) -> Result<Vec<Logged>, Problem> {
        self.read(move |store| store.told(after, limit)).await
    }

    /// What is left of the messages that were given up for this cause (none: outwards, for any), of which nobody has said that it was
    /// dealt with: `known` is one that was.
    ///
    /// # Errors
    ///
    /// Temporary when the store cannot be read.
    pub async fn dead_letters(
        self: &Arc<Self>,
        cause: Option<String>,
        known: Option<MessageId>,
    ) -> Result<Left, Problem> {
        let router = Arc::clone(self);
        let found = move || {
            let messages = router.store.unhandled(cause.as_deref());
            if messages == 0 {
                return Ok(Left::default());
            }
            let is_left = |message: &Message| {
                let found = message.unhandled_cause();
                found.is_some_and(|found| {
                    cause.as_deref().map_or(message.direction == Direction::Out, |wanted| wanted == found)
                })
            };
            let known = known.map_or(Ok(None), |id| router.store.message(id))?;
            if let Some(message) = known.filter(is_left) {
                return Ok(Left { messages, one: Some(message.id) });
            }
            let statuses = DEAD.into_iter().filter(|status| cause.is_some() || *status != Status::Error).collect();
            let query = Query { statuses, cause: cause.clone(), ..Query::default() };
            let newest = router.store.page(&query)?.messages;
            Ok(Left { messages, one: newest.into_iter().find(is_left).map(|message| message.id) })
        };
        blocking(move || found().map_err(|error| store_problem(&error))).await
    }
}

fn unreadable(name: &str, error: &serde_json::Error) -> Problem {
    let detail = format!("{name}: {error}; use the version of sluss that wrote it");
    Problem::new(Fault::Temporary, "note", "what was noted is not what this version writes", detail)
}
