//! What a look at a received envelope meant, and the one transaction that writes it.

use super::{Delivered, Undelivered, handed_over, step};
use crate::access_point::{HandOver, Handled, Patience, Retry, Router, blocking, store_problem};
use crate::model::{Carriage, Change, Event, Lane, Message, Outcome, Problem, Stage, Timestamp};
use crate::store::{Settlement, Transaction};
use std::sync::Arc;

/// What a look meant.
struct Meant {
    transaction: Transaction,
    /// What is counted and not written: the same happened before.
    again: Option<Event>,
}

impl From<Transaction> for Meant {
    fn from(transaction: Transaction) -> Self {
        Self { transaction, again: None }
    }
}

/// One look from claim to settlement: the step, its outcome, and the one transaction that writes it.
pub(in crate::access_point) async fn attempt(
    router: Arc<Router>,
    hand_over: Option<Arc<dyn HandOver>>,
    message: Message,
) -> Result<(), Problem> {
    let Some(service) = hand_over.filter(|_| message.carriage == Carriage::Own) else {
        return blocking(move || {
            let held = step(&router, &message).map(|header| Delivered::Held(header.id));
            conclude(&router, &message, held)
        })
        .await;
    };
    let looking = (Arc::clone(&router), message.clone());
    let result = match blocking(move || Ok(step(&looking.0, &looking.1))).await {
        Ok(Ok(header)) => handed_over(&*service, &message, header).await,
        Ok(Err(undelivered)) => Err(undelivered),
        Err(problem) => Err(Undelivered::Temporary(problem.into())),
    };
    blocking(move || conclude(&router, &message, result)).await
}

/// Writes what the look meant, under its claim.
pub(in crate::access_point) fn conclude(
    router: &Router,
    message: &Message,
    mut result: Result<Delivered, Undelivered>,
) -> Result<(), Problem> {
    let hold = if let Ok(Delivered::Handled(handled)) = &mut result { handled.hold.take() } else { None };
    let steady = router.steady();
    let passing = if let Err(Undelivered::Temporary(unhandled)) = &result { Some(unhandled.clone()) } else { None };
    let times = (router.now(), steady);
    let patience = router.settings().patience;
    router.lanes.looked(&Lane::Inward(message.to.clone()), passing.as_ref(), times, &patience.breaker);
    let meant = outcome(message, result, times, &patience);
    let committed = router.commit(meant.transaction);
    drop(hold);
    committed.map_err(|error| store_problem(&error))?;
    router.delays.note(message, passing.as_ref().map(|unhandled| &unhandled.problem), steady);
    meant.again.iter().for_each(|event| router.metrics.event(event));
    Ok(())
}

/// What the look meant: the one transaction that is written. `times`: on the wall, and on the clock that is never set.
fn outcome(
    message: &Message,
    result: Result<Delivered, Undelivered>,
    times: (Timestamp, Timestamp),
    patience: &Patience,
) -> Meant {
    let (now, _) = times;
    match result {
        Ok(Delivered::Handled(handled)) => opened(message, handled).into(),
        Ok(Delivered::Held(envelope_id)) => {
            let event = Event::of(now, message, Stage::Held, "the envelope conforms and waits for its participant")
                .fact("envelope_id", &envelope_id);
            let changes = vec![Change::EnvelopeId(envelope_id), Change::Due(None), Change::Error(None)];
            settled(message, Outcome::Hold, changes, Some(event)).into()
        }
        Err(Undelivered::Nonconforming(problem)) => {
            let said = "the envelope was refused and deleted; the row stays";
            let event = Event::of(now, message, Stage::Discarded, said).problem(problem.clone());
            let changes = vec![Change::EnvelopeGone, Change::Due(None), Change::Error(Some(problem))];
            settled(message, Outcome::Discard, changes, Some(event)).into()
        }
        Err(Undelivered::Damaged(problem)) => {
            let said = "given up: our disk no longer has the envelope as it was stored";
            let event = Event::of(now, message, Stage::GivenUp, said).problem(problem.clone());
            let changes = vec![Change::Due(None), Change::Error(Some(problem))];
            settled(message, Outcome::Fail, changes, Some(event)).into()
        }
        Err(Undelivered::Temporary(unhandled)) => {
            deferred(message, unhandled.problem, times, &patience.of(None, Some(unhandled.by)))
        }
    }
}

/// The message service has it.
fn opened(message: &Message, handled: Handled) -> Transaction {
    let Handled { hold: _, mut settlement, inserts, mut settlements, events } = handled;
    settlement.claim = message.lease_until;
    settlement.release = true;
    // What an earlier look met is over, unless this one says what it met itself.
    settlement.changes.insert(0, Change::Error(None));
    settlement.changes.push(Change::Due(None));
    settlements.insert(0, settlement);
    Transaction { inserts, settlements, events, ..Transaction::default() }
}

/// It is looked at again, as long as it takes: its sender has an AS4 receipt. What happens again and again is written when
/// something else is met, and otherwise ever more seldom, with its number.
fn deferred(message: &Message, problem: Problem, (now, steady): (Timestamp, Timestamp), retry: &Retry) -> Meant {
    let attempts = message.attempts.saturating_add(1);
    let next = retry.again(message.id, attempts, steady);
    let is_news = attempts.is_power_of_two() || message.error.as_ref().is_none_or(|met| met.kind != problem.kind);
    let said = "the envelope could not be handed over and is tried again";
    let event = Event::of(now, message, Stage::AttemptFailed, said).fact("attempt", attempts);
    let event = event.problem(problem.clone());
    let mut changes = vec![Change::Attempts(attempts), Change::Due(Some(next))];
    if is_news {
        changes.push(Change::Error(Some(problem)));
        return settled(message, Outcome::Defer, changes, Some(event)).into();
    }
    Meant { again: Some(event), ..settled(message, Outcome::Defer, changes, None).into() }
}

fn settled(message: &Message, outcome: Outcome, changes: Vec<Change>, event: Option<Event>) -> Transaction {
    let settlement =
        Settlement { id: message.id, claim: message.lease_until, release: true, outcome: Some(outcome), changes };
    Transaction { settlements: vec![settlement], events: event.into_iter().collect(), ..Transaction::default() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access_point::{Breaker, Pace, Unhandled};
    use crate::model::{
        Carriage, Direction, DocumentType, EnvelopeId, Enveloped, Fault, MessageId, Obstacle, ProcessId,
    };
    use std::time::Duration;

    const SMP: Retry = Retry {
        pace: Pace::Exponential { first: Duration::from_secs(2), longest: Duration::from_secs(180) },
        give_up_after: Duration::from_secs(86_400),
    };

    /// A message that came then.
    pub(in crate::access_point::inbound) fn received(at: Timestamp) -> Message {
        let of = Enveloped {
            id: EnvelopeId::from_uuid(MessageId::now().0),
            from: "0203:bob.example.se".parse().unwrap(),
            to: "0203:alice.example.se".parse().unwrap(),
            document_type: DocumentType::sdk_message(),
            process: ProcessId::default(),
            envelope: None,
            bytes: 1,
            sha256: String::new(),
        };
        Message::new(Direction::In, Carriage::Own, of, at)
    }

    fn second(at: Timestamp) -> i64 {
        at.as_second() - 1_800_000_000
    }

    const BREAKER: Breaker =
        Breaker { failures: 3, first_pause: Duration::from_secs(10), longest_pause: Duration::from_secs(60) };
    const PATIENCE: Patience =
        Patience { partners: Retry::DIGG, smp: SMP, message_receipt: Duration::from_secs(86_400), breaker: BREAKER };

    /// An outage of a day: what is written of it, as number and cause, and how often it was looked at.
    fn outage(by: Obstacle, cause: impl Fn(u32) -> &'static str) -> (Vec<(String, String)>, u32) {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        let (mut message, mut now, mut written) = (received(begun), begun, Vec::new());
        while second(now) < 86_400 {
            let problem = Problem::new(Fault::Temporary, cause(message.attempts + 1), "x", "y");
            let Meant { transaction, again } =
                outcome(&message, Err(Undelivered::Temporary(Unhandled { by, problem })), (now, now), &PATIENCE);
            assert_eq!(transaction.events.len() + usize::from(again.is_some()), 1, "each is counted");
            written.extend(transaction.events.iter().map(|event| {
                let cause = event.problem.as_ref().map(Problem::cause).unwrap_or_default();
                (event.facts["attempt"].clone(), cause.to_owned())
            }));
            for settlement in transaction.settlements {
                assert_eq!(settlement.outcome, Some(Outcome::Defer));
                settlement.changes.into_iter().for_each(|change| message.apply(change));
            }
            let next = message.next_attempt_at.expect("it is looked at again");
            let longest = if by == Obstacle::Own { 600 } else { 180 };
            assert!((1..=longest).contains(&(next.as_second() - now.as_second())), "{now} {next}");
            now = next;
        }
        assert_eq!(message.error.map(|problem| problem.cause().to_owned()), written.last().map(|last| last.1.clone()));
        (written, message.attempts)
    }

    #[test]
    fn an_outage_of_a_day_is_looked_at_by_growing_pauses_and_leaves_few_events() {
        let (written, looks) = outage(Obstacle::Lookup, |_| "smp-unreachable");
        assert!((500..2000).contains(&looks), "{looks}");
        let numbers: Vec<u32> = written.iter().map(|(number, _)| number.parse().unwrap()).collect();
        assert!(numbers.iter().all(|number| number.is_power_of_two()), "{numbers:?}");
        assert!(numbers.starts_with(&[1, 2, 4, 8, 16]) && numbers.len() <= 11, "{numbers:?}");
    }

    #[test]
    fn what_our_own_disk_keeps_back_is_looked_at_in_a_rhythm_of_its_own() {
        let (written, looks) = outage(Obstacle::Own, |_| "disk-full");
        assert!((150..600).contains(&looks) && written.len() <= 10, "{looks} {written:?}");
    }

    #[test]
    fn another_cause_is_written_when_it_is_met() {
        let (written, _) =
            outage(Obstacle::Lookup, |look| if (50..60).contains(&look) { "disk-full" } else { "smp-unreachable" });
        let other: Vec<_> = written.iter().filter(|(number, _)| ["50", "60"].contains(&number.as_str())).collect();
        assert_eq!(other, [&("50".into(), "disk-full".into()), &("60".into(), "smp-unreachable".into())]);
    }

    #[test]
    fn those_that_failed_together_do_not_come_back_together() {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        let seconds = (0..1000).map(|_| second(SMP.again(MessageId::now(), 9, begun)));
        let spread: std::collections::BTreeSet<i64> = seconds.collect();
        assert!(spread.len() > 160, "{}", spread.len());
        let constant = Retry { pace: Pace::Constant { retries: 4 }, ..SMP };
        let next = second(constant.again(MessageId::now(), 9, begun));
        assert!((16_200..=21_600).contains(&next), "{next}");
    }
}
