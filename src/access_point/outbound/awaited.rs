//! Message receipts that are awaited: those that others owe us, and those that we owe (API-ST.t02, API-ST.t04).

use super::Router;
use crate::access_point::store_problem;
use crate::limits::UNANSWERED_ENDED_MAX;
use crate::model::{
    Change, Direction, Event, Fault, Message, Outcome, Problem, Query, RECEIPT_MISSING, RECEIPT_NOT_SENT, Stage,
    Status, Timestamp,
};
use crate::store::{Settlement, Transaction};
use std::time::Duration;

/// Ends some of what has waited for its message receipt for longer than it is to; whether there is more. What is answered at the
/// same moment stays answered.
pub(super) fn give_up_unanswered(router: &Router) -> Result<bool, Problem> {
    let wait = router.settings().patience.message_receipt;
    let begun = router.steady().saturating_sub(wait).unwrap_or(Timestamp::MIN);
    let late = router.store.unanswered(begun).map_err(|error| store_problem(&error))?;
    let ends = late.iter().map(|message| unanswered(router, message, wait)).collect();
    let ended = router.commit_together(ends);
    let written = ended.iter().filter(|one| one.is_ok()).count();
    for error in ended.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "what has no message receipt could not be ended; it is looked at again");
    }
    // Where nothing can be written, the next step would find the same.
    Ok(written > 0 && late.len() == UNANSWERED_ENDED_MAX)
}

fn unanswered(router: &Router, message: &Message, wait: Duration) -> Transaction {
    let (hours, to, id) = (wait.as_secs() / 3600, &message.to, message.id);
    let detail = format!(
        "found none in {hours} h (message_receipt.wait_hours), expected ACCEPTED or REJECTED of {to}; its access point has the \
         message: ask the recipient by other means whether it has it before it is sent again, then end it by `sluss queue cancel {id}`. A message receipt that comes still counts"
    );
    let title = "no message receipt came";
    let problem = Problem::new(Fault::Refused, RECEIPT_MISSING, title, detail).rule("API-ST.t04");
    let (settlement, event) = ended(router, message, "given up: no message receipt came in the time for it", problem);
    Transaction { settlements: vec![settlement], events: vec![event], ..Transaction::default() }
}

/// What a message receipt of ours that was given up means for the message that it answers: its sender does not know that we have
/// it, and an operator has to know that.
pub(in crate::access_point) fn given_up_receipt(
    router: &Router,
    receipt: &Message,
    events: &mut Vec<Event>,
) -> Result<Option<Settlement>, Problem> {
    let received = answered_by(router, receipt, |received| received.status == Status::Retrieved)?;
    Ok(received.map(|received| {
        let id = receipt.id;
        let detail = format!(
            "message receipt {id} was given up, and the sender may send the message again; mend the cause, then `sluss queue retry \
             {id}`: once it has arrived, the message is NEW"
        );
        let title = "its message receipt could not be sent";
        let problem = Problem::new(Fault::Refused, RECEIPT_NOT_SENT, title, detail).rule("API-ST.t04");
        let (settlement, event) = ended(router, &received, "opened, and its message receipt was given up", problem);
        events.push(event);
        settlement
    }))
}

/// The received message that this message receipt answers, which has reached its sender: its status follows (API-ST.t02).
pub(super) fn delivered_receipt(
    router: &Router,
    receipt: &Message,
    events: &mut Vec<Event>,
) -> Result<Option<Settlement>, Problem> {
    let awaits = |received: &Message| received.status != Status::New && received.after(Outcome::Answered).is_ok();
    let received = answered_by(router, receipt, awaits)?;
    Ok(received.map(|received| {
        let said = "the message receipt reached the sender's access point";
        events.push(Event::of(router.now(), &received, Stage::Answered, said));
        let changes = vec![Change::Error(None)];
        Settlement { id: received.id, claim: None, release: false, outcome: Some(Outcome::Answered), changes }
    }))
}

/// The received message that this message receipt answers, if it `awaits` that.
fn answered_by(
    router: &Router,
    receipt: &Message,
    awaits: impl Fn(&Message) -> bool,
) -> Result<Option<Message>, Problem> {
    let Some(acknowledged) = receipt.acknowledges.clone() else { return Ok(None) };
    let query = Query {
        direction: Some(Direction::In),
        envelope_id: Some(acknowledged),
        participant: Some(receipt.from.clone()),
        limit: 10,
        ..Query::default()
    };
    let found = router.store.list(&query).map_err(|error| store_problem(&error))?;
    Ok(found.into_iter().find(|received| received.to == receipt.from && awaits(received)))
}

/// The end of a message that is not answered, and what its journey says of it.
fn ended(router: &Router, message: &Message, said: &str, problem: Problem) -> (Settlement, Event) {
    let event = Event::of(router.now(), message, Stage::GivenUp, said).problem(problem.clone());
    let (outcome, changes) = (Some(Outcome::Unanswered), vec![Change::Error(Some(problem))]);
    (Settlement { id: message.id, claim: None, release: false, outcome, changes }, event)
}
