//! What has come in and cannot be delivered yet, for operators: its sender has an AS4 receipt, and waits.

use crate::access_point::Router;
use crate::limits::{DELAY_TOLD, DELAYED_KNOWN_MAX};
use crate::model::{Message, MessageId, Problem, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Received messages that have been looked at in vain for as long as [`DELAY_TOLD`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delayed {
    /// How many; of very many only those that are known.
    pub messages: usize,
    /// When the oldest of them came.
    pub oldest: Timestamp,
    /// What it met last, in a few words.
    pub why: String,
}

/// Received messages whose last look failed, since the start. A restart knows them again when they are looked at next.
#[derive(Debug, Default)]
pub(in crate::access_point) struct Delays(Mutex<HashMap<MessageId, Delay>>);

#[derive(Debug)]
struct Delay {
    came: Timestamp,
    /// When the first look failed, by the clock that is never set.
    since: Timestamp,
    why: String,
}

impl Delays {
    fn all(&self) -> MutexGuard<'_, HashMap<MessageId, Delay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look ended so: at its end, or with what may pass.
    pub(super) fn note(&self, message: &Message, passing: Option<&Problem>, steady: Timestamp) {
        let mut all = self.all();
        let Some(problem) = passing else {
            all.remove(&message.id);
            return;
        };
        if let Some(delay) = all.get_mut(&message.id) {
            delay.why.clone_from(&problem.title);
        } else if all.len() < DELAYED_KNOWN_MAX {
            all.insert(message.id, Delay { came: message.created_at, since: steady, why: problem.title.clone() });
        }
    }

    /// Nobody looks at it any more.
    pub(in crate::access_point) fn ended(&self, id: MessageId) {
        self.all().remove(&id);
    }

    fn told(&self, steady: Timestamp) -> Option<Delayed> {
        let all = self.all();
        let for_long = |delay: &&Delay| {
            Duration::try_from(steady.duration_since(delay.since)).is_ok_and(|passed| passed >= DELAY_TOLD)
        };
        let oldest = all.values().filter(for_long).min_by_key(|delay| delay.came)?;
        let messages = all.values().filter(for_long).count();
        Some(Delayed { messages, oldest: oldest.came, why: oldest.why.clone() })
    }
}

impl Router {
    /// What has come in and cannot be delivered for long; none where there is no such message.
    pub fn delayed(&self) -> Option<Delayed> {
        self.delays.told(self.steady())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_point::inbound::outcome::tests::received;
    use crate::model::Fault;

    #[test]
    fn what_cannot_be_delivered_for_long_is_told_until_it_is() {
        let (delays, begun) = (Delays::default(), Timestamp::from_second(1_800_000_000).unwrap());
        let at = |passed: Duration| begun.checked_add(passed).unwrap();
        let (first, second) = (received(begun), received(at(Duration::from_secs(9))));
        let down = |title: &str| Problem::new(Fault::Temporary, "smp-unreachable", title, "x");
        delays.note(&first, Some(&down("the SMP is away")), begun);
        delays.note(&second, Some(&down("the SMP is away")), at(Duration::from_secs(10)));
        assert_eq!(delays.told(at(DELAY_TOLD / 2)), None, "not at once");
        delays.note(&first, Some(&down("DNS is away")), at(DELAY_TOLD / 2));
        let told = delays.told(at(DELAY_TOLD)).unwrap();
        assert_eq!(told, Delayed { messages: 1, oldest: begun, why: "DNS is away".into() });
        assert_eq!(delays.told(at(DELAY_TOLD * 2)).map(|told| told.messages), Some(2));
        delays.note(&first, None, at(DELAY_TOLD * 2));
        assert_eq!(delays.told(at(DELAY_TOLD * 2)).map(|told| told.oldest), Some(second.created_at));
        delays.note(&second, None, at(DELAY_TOLD * 2));
        assert_eq!(delays.told(at(DELAY_TOLD * 3)), None);
    }
}
