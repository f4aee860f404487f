//! Each AS4 message once: the first answer is kept with the message, and given again to whoever sends the same.

use super::refusal::Failure;
use crate::access_point::Router;
use crate::as4::{Answer, Finding, Refusal};
use crate::model::{Event, Message, Stage};
use crate::store::{Answered, Committed, DuplicateKey, Evidence, Transaction};

/// The answer that this message got the first time. Where it has other signed digests under the same id, only its parts can
/// tell whether that is another content, or the same that its sender compressed another way.
pub(in crate::access_point) fn answered_before(
    router: &Router,
    fingerprint: &str,
    key: &DuplicateKey,
) -> Result<Option<Answer>, Failure> {
    let Some(answered) = router.store.answered(key)? else { return Ok(None) };
    let (first, is_same) = (first(router, &answered)?, answered.fingerprint == fingerprint);
    if !is_same && first.is_some() {
        return Ok(None);
    }
    again(router, answered, first, is_same, key).map(Some)
}

/// The message of the first time, as long as it is kept.
fn first(router: &Router, answered: &Answered) -> Result<Option<Message>, Failure> {
    Ok(answered.message.map(|id| router.store.message(id)).transpose()?.flatten())
}

/// The first answer is given again to the same content, as long as it is kept.
fn may_be_given_again(answered: &Answered, is_same: bool, key: &DuplicateKey) -> Result<(), Refusal> {
    let (found, expected) = if !is_same {
        (format!("another content under message id {}", key.id), "the content of the first time, or a new id")
    } else if answered.body.is_empty() {
        let found = format!("message id {} of long ago again; its AS4 receipt is no longer kept", key.id);
        (found, "a message that is sent again within 35 days, or a new id")
    } else {
        return Ok(());
    };
    Err(Refusal::Reused(Finding::new(found, expected).rule("SAD-5.3.7.1")))
}

fn again(
    router: &Router,
    answered: Answered,
    first: Option<Message>,
    is_same: bool,
    key: &DuplicateKey,
) -> Result<Answer, Failure> {
    may_be_given_again(&answered, is_same, key)?;
    let said = "the same AS4 message came again and got the first AS4 receipt again";
    let event = match &first {
        Some(first) => Event::of(router.now(), first, Stage::Duplicate, said),
        None => Event::new(router.now(), answered.message, Stage::Duplicate, said)
            .fact("as4_message_id", &key.id)
            .fact("partner", &key.from),
    };
    router.commit(Transaction { events: vec![event], ..Transaction::default() })?;
    Ok(Answer { content_type: answered.content_type, body: answered.body })
}

/// Makes a received message and its answer durable at once, and only then gives the answer. Of the same message at the same
/// time, one is first.
pub(in crate::access_point) fn keep(
    router: &Router,
    key: DuplicateKey,
    answered: Answered,
    message: Option<Message>,
    event: Event,
    evidence: Evidence,
) -> Result<Answer, Failure> {
    let (fingerprint, answer) = (
        answered.fingerprint.clone(),
        Answer { content_type: answered.content_type.clone(), body: answered.body.clone() },
    );
    let transaction = Transaction {
        inserts: message.into_iter().collect(),
        answered: Some((key.clone(), answered)),
        events: vec![event],
        evidence,
        ..Transaction::default()
    };
    match router.commit(transaction)? {
        Committed::Done => Ok(answer),
        Committed::Duplicate { first: answered, again: came } => {
            let mut envelopes = came.iter().filter_map(|came| came.envelope);
            envelopes.try_for_each(|blob| router.store.blobs().remove(blob))?;
            let first = first(router, &answered)?;
            let brings_the_same =
                first.as_ref().is_some_and(|first| came.iter().any(|came| first.brings_the_same(came)));
            let is_same = answered.fingerprint == fingerprint || brings_the_same;
            again(router, answered, first, is_same, &key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answered, DuplicateKey, Refusal, may_be_given_again};

    #[test]
    fn the_first_answer_is_for_the_same_content_and_as_long_as_it_is_kept() {
        let key = DuplicateKey { id: "1@peer".parse().unwrap(), from: "AP0002-TESTBED".parse().unwrap() };
        let first = Answered {
            message: None,
            content_type: "application/soap+xml".into(),
            body: "<receipt/>".into(),
            fingerprint: "f".into(),
            at: crate::model::Timestamp::UNIX_EPOCH,
        };
        may_be_given_again(&first, true, &key).unwrap();
        let said = |answered: &Answered, is_same| {
            let refusal = may_be_given_again(answered, is_same, &key).unwrap_err();
            assert!(matches!(refusal, Refusal::Reused(_)));
            refusal.finding().map(|finding| finding.found.clone()).unwrap_or_default()
        };
        assert!(said(&first, false).contains("another content under message id 1@peer"));
        assert!(said(&first.without_body(), false).contains("another content"));
        assert!(said(&first.without_body(), true).contains("its AS4 receipt is no longer kept"));
    }
}
