//! Each AS4 message once: the first answer is kept with the message, and given again to whoever sends the same.

use super::refusal::Failure;
use crate::access_point::Router;
use crate::as4::{Answer, Finding, Refusal};
use crate::model::{Event, Message, Stage};
use crate::store::{Answered, Committed, DuplicateKey, Evidence, Transaction};

/// The answer that this message got the first time. The same id with another content is no duplicate.
pub(in crate::access_point) fn answered_before(
    router: &Router,
    fingerprint: &str,
    key: &DuplicateKey,
) -> Result<Option<Answer>, Failure> {
    let Some(answered) = router.store.answered(key)? else { return Ok(None) };
    again(router, answered, fingerprint, key).map(Some)
}

/// The first answer is given again to the same content, as long as it is kept.
fn may_be_given_again(answered: &Answered, fingerprint: &str, key: &DuplicateKey) -> Result<(), Refusal> {
    let (found, expected) = if answered.fingerprint != fingerprint {
        (format!("another content under message id {}", key.id), "the content of the first time, or a new id")
    } else if answered.body.is_empty() {
        let found = format!("message id {} of long ago again; its AS4 receipt is no longer kept", key.id);
        (found, "a message that is sent again within 35 days, or a new id")
    } else {
        return Ok(());
    };
    Err(Refusal::Reused(Finding::new(found, expected).rule("SAD-5.3.7.1")))
}

fn again(router: &Router, answered: Answered, fingerprint: &str, key: &DuplicateKey) -> Result<Answer, Failure> {
    may_be_given_again(&answered, fingerprint, key)?;
    let first = answered.message.map(|id| router.store.message(id)).transpose()?.flatten();
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
    let envelope = message.as_ref().and_then(|message| message.envelope);
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
        Committed::Duplicate(first) => {
            envelope.map_or(Ok(()), |blob| router.store.blobs().remove(blob))?;
            again(router, first, &fingerprint, &key)
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
        may_be_given_again(&first, "f", &key).unwrap();
        let said = |answered: &Answered, fingerprint| {
            let refusal = may_be_given_again(answered, fingerprint, &key).unwrap_err();
            assert!(matches!(refusal, Refusal::Reused(_)));
            refusal.finding().map(|finding| finding.found.clone()).unwrap_or_default()
        };
        assert!(said(&first, "g").contains("another content under message id 1@peer"));
        assert!(said(&first.without_body(), "g").contains("another content"));
        assert!(said(&first.without_body(), "f").contains("its AS4 receipt is no longer kept"));
    }
}
