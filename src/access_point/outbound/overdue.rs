//! What has waited for its partner for longer than it is to be tried, while nobody could be asked.

use super::awaited::{give_up_unanswered, given_up_receipt};
use super::{RECEIPT_GIVEN_UP, Router, final_of};
use crate::access_point::{Retry, store_problem};
use crate::limits;
use crate::model::{Change, Event, Lane, Message, Outcome, Problem, Stage, Timestamp};
use crate::store::{Settlement, Transaction};

/// Gives up what has waited in a lane that is left alone for longer than it is to be tried, and what has waited too long for its
/// message receipt: some of it; whether there is more. Those that cannot be read or written are said in the log, come again at a next
/// look, and keep no other waiting.
pub(in crate::access_point) fn give_up_overdue(router: &Router) -> Result<bool, Problem> {
    let partners = give_up_unsent(router);
    let unanswered = give_up_unanswered(router)?;
    Ok(partners? || unanswered)
}

fn give_up_unsent(router: &Router) -> Result<bool, Problem> {
    let (suspects, settings, steady) = (router.lanes.suspects(), router.settings(), router.steady());
    let before = |lane: &Lane| {
        let retry: Retry = match lane {
            Lane::Partner(party) => settings.retry_of(Some(party), None),
            Lane::Lookup => settings.patience.smp,
            // Its sender has an AS4 receipt: it is never given up by itself.
            Lane::Inward(_) => return None,
        };
        let begun = steady.saturating_sub(retry.give_up_after).unwrap_or(Timestamp::MIN);
        suspects.contains_key(lane).then_some(begun)
    };
    let overdue = router.store.claim_overdue(steady, limits::CLAIM_LEASE, &before);
    let overdue = overdue.map_err(|error| store_problem(&error))?;
    let stays = |message: &Message, problem: &Problem| {
        tracing::error!(%problem, message = %message.id, "what is overdue could not be given up; it is looked at again");
        message.lease_until.iter().for_each(|claim| router.store.unclaim(message.id, *claim));
    };
    let given_up = overdue.iter().filter_map(|(lane, message)| {
        let problem = suspects.get(lane).cloned().flatten().or_else(|| message.error.clone());
        let transaction = given_up(router, message, problem).inspect_err(|problem| stays(message, problem));
        transaction.ok().map(|transaction| (message, transaction))
    });
    let (messages, transactions): (Vec<&Message>, Vec<Transaction>) = given_up.unzip();
    let mut written = 0;
    for (outcome, message) in router.commit_together(transactions).into_iter().zip(messages) {
        match outcome {
            Ok(_) => written += 1,
            Err(error) => stays(message, &store_problem(&error)),
        }
    }
    // Where nothing can be written, the next step would find the same.
    Ok(written > 0 && overdue.len() == limits::CLAIM_OVERDUE_MAX)
}

fn given_up(router: &Router, message: &Message, problem: Option<Problem>) -> Result<Transaction, Problem> {
    let answered = message.lacks_as4_receipt();
    let problem = problem.map(|problem| final_of(problem, answered));
    let (stage, detail) = if answered {
        (Stage::AttemptFailed, RECEIPT_GIVEN_UP)
    } else {
        (Stage::GivenUp, "given up: its partner did not answer for as long as it was to be tried")
    };
    let event = Event::of(router.now(), message, stage, detail).fact("attempts", message.attempts);
    let settlement = Settlement {
        id: message.id,
        claim: message.lease_until,
        release: true,
        outcome: Some(Outcome::GiveUp),
        changes: vec![Change::Due(None), Change::Error(problem.clone())],
    };
    let event = problem.into_iter().fold(event.fact("as4_receipt", "missing"), Event::problem);
    let mut events = vec![event];
    let settlements = std::iter::once(settlement).chain(given_up_receipt(router, message, &mut events)?).collect();
    Ok(Transaction { settlements, events, ..Transaction::default() })
}
