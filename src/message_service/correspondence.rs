//! What earlier messages tell of a new one: the conversation that it goes on with, and where its recipient is reached.

use super::Draft;
use crate::access_point::store_problem;
use crate::model::{Direction, EnvelopeId, Fault, Message, MessageId, ParticipantId, Problem, Query};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Latest messages exchanged with a participant that are looked through for its function addresses.
const LOOKED_THROUGH_MAX: usize = 50;

/// Messages of one envelope that are looked through: each direction has one, and each AS4 message that brought it again.
const SAME_ENVELOPE_MAX: usize = 20;

/// A message of ours that a new one answers or complements.
pub(super) struct Answered {
    /// Its messageId, which is its envelope's id (MSG-3.2.t01).
    pub(super) message_id: Uuid,
    /// The conversation, which goes on (MSG-4.3.2.t03, SAD-5.3.7.6.p1).
    pub(super) conversation_id: Uuid,
    message: Message,
}

/// The message of `participant`, sent or received, that `id` names: our id of it, or its envelope's.
///
/// # Errors
///
/// Refused when there is none, or none that was opened, or it was rejected.
pub(super) fn answered(store: &dyn Store, participant: &ParticipantId, id: &str) -> Result<Answered, Problem> {
    let uuid = Uuid::parse_str(id.trim()).map_err(|_| unanswerable(participant, id))?;
    let by_envelope = Query {
        envelope_id: Some(EnvelopeId::from_uuid(uuid)),
        participant: Some(participant.clone()),
        limit: SAME_ENVELOPE_MAX,
        ..Query::default()
    };
    let ours = store.message(MessageId(uuid)).map_err(|error| store_problem(&error))?;
    let theirs = store.list(&by_envelope).map_err(|error| store_problem(&error))?;
    let mut found = ours.into_iter().chain(theirs).filter(|message| sides(message).0 == participant);
    let answered = found.find_map(as_answered).ok_or_else(|| unanswerable(participant, id))?;
    if answered.message.message_receipt.as_deref() == Some("REJECTED") { Err(rejected(id)) } else { Ok(answered) }
}

/// A message that was not opened has no conversation here, and cannot be answered.
fn as_answered(message: Message) -> Option<Answered> {
    let conversation = message.content.as_ref()?.conversation_id.as_deref()?;
    Some(Answered {
        conversation_id: Uuid::parse_str(conversation).ok()?,
        message_id: Uuid::parse_str(message.envelope_id.as_str()).ok()?,
        message,
    })
}

fn unanswerable(participant: &ParticipantId, id: &str) -> Problem {
    Problem::new(
        Fault::Refused,
        "draft",
        "the message that it answers is not known",
        format!(
            "found in-reply-to {id:?}, expected the id or envelope id of a message that {participant} sent or received; `sluss inbox --participant {participant}` prints those that came in"
        ),
    )
    .rule("MSG-4.3.2.t04")
}

fn rejected(id: &str) -> Problem {
    Problem::new(
        Fault::Refused,
        "draft",
        "the message that it answers was rejected",
        format!("found in-reply-to {id:?}, which its recipient rejected, expected a message that was not; mend it and send it as a new message"),
    )
    .rule("MSG-5.3.t11")
}

/// The function address that a draft goes to: as given; else the other side's of the message that it answers; else the
/// only one known, of a participant served here as it is `configured`, of another by the latest messages exchanged
/// with it; else the one that participants have by convention.
///
/// # Errors
///
/// Refused when several are known.
pub(super) fn address(
    store: &dyn Store,
    configured: &BTreeMap<ParticipantId, Vec<String>>,
    draft: &Draft,
    answered: Option<&Answered>,
) -> Result<String, Problem> {
    if let Some(given) = &draft.functional_address {
        return Ok(given.clone());
    }
    let answered = answered.map(|answered| &answered.message).filter(|message| *sides(message).1 == draft.to);
    if let Some(address) = answered.and_then(other_address) {
        return Ok(address.to_owned());
    }
    let known: BTreeSet<String> = match configured.get(&draft.to) {
        Some(addresses) => addresses.iter().cloned().collect(),
        None => learnt(store, draft)?,
    };
    match known.first() {
        None => Ok(by_convention(&draft.to)),
        Some(only) if known.len() == 1 => Ok(only.clone()),
        Some(_) => Err(ambiguous(&draft.to, known)),
    }
}

/// The function address that every participant has where no other was registered.
pub(super) fn by_convention(participant: &ParticipantId) -> String {
    format!("sdk:inkorg:{participant}")
}

/// Addresses that the recipient has sent from, or has accepted messages at.
fn learnt(store: &dyn Store, draft: &Draft) -> Result<BTreeSet<String>, Problem> {
    let query = Query { participant: Some(draft.to.clone()), limit: LOOKED_THROUGH_MAX, ..Query::default() };
    let latest = store.list(&query).map_err(|error| store_problem(&error))?;
    let between = latest.iter().filter(|message| sides(message) == (&draft.from, &draft.to));
    let sound = between.filter(|message| message.message_receipt.as_deref() == Some("ACCEPTED"));
    Ok(sound.filter_map(other_address).map(str::to_owned).collect())
}

/// Our participant of a message, and the other side.
fn sides(message: &Message) -> (&ParticipantId, &ParticipantId) {
    match message.direction {
        Direction::Out => (&message.from, &message.to),
        Direction::In => (&message.to, &message.from),
    }
}

/// The function address of the other side.
fn other_address(message: &Message) -> Option<&str> {
    let content = message.content.as_ref()?;
    match message.direction {
        Direction::Out => content.functional_address.as_deref(),
        Direction::In => content.sender_address.as_deref(),
    }
}

fn ambiguous(to: &ParticipantId, known: BTreeSet<String>) -> Problem {
    let known: Vec<String> = known.into_iter().collect();
    Problem::new(
        Fault::Refused,
        "draft",
        "the recipient's function address is not clear",
        format!(
            "found {} function addresses of {to} ({}), expected one; say which with --functional-address (functional_address in the API)",
            known.len(),
            known.join(", ")
        ),
    )
    .rule("MSG-4.3.2.3.t03")
}

#[cfg(test)]
mod tests {
    use super::{address, answered};
    use crate::message_service::Draft;
    use crate::model::{
        Carriage, Content, Direction, DocumentType, EnvelopeId, Enveloped, Message, ParticipantId, ProcessId,
        SystemClock, Timestamp,
    };
    use crate::store::{EmbeddedStore, Store, Transaction};
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use uuid::Uuid;

    const CONVERSATION: &str = "7bc5576a-3f87-4cf5-a0c5-277da06fcacb";

    fn id(name: &str) -> ParticipantId {
        format!("0203:{name}.example.se").parse().unwrap()
    }

    fn store(folder: &Path, messages: &[Message]) -> EmbeddedStore {
        let store = EmbeddedStore::open(folder, |_| [0; 32], Arc::new(SystemClock)).unwrap().0;
        store.commit(Transaction { inserts: messages.to_vec(), ..Transaction::default() }).unwrap();
        store
    }

    /// A message between Alice, who is ours, and another, whose function address this is.
    fn exchanged(direction: Direction, other: &str, address: &str, receipt: Option<&str>) -> Message {
        let inbound = direction == Direction::In;
        let (from, to) = if inbound { (id(other), id("alice")) } else { (id("alice"), id(other)) };
        let content = Content {
            functional_address: Some(if inbound { "sdk:ours" } else { address }.to_owned()),
            sender_address: Some(if inbound { address } else { "sdk:ours" }.to_owned()),
            conversation_id: Some(CONVERSATION.to_owned()),
            ..Content::default()
        };
        let of = Enveloped {
            id: EnvelopeId::from_uuid(Uuid::new_v4()),
            from,
            to,
            document_type: DocumentType::sdk_message(),
            process: ProcessId::default(),
            envelope: None,
            bytes: 0,
            sha256: String::new(),
        };
        Message {
            next_attempt_at: None,
            message_receipt: receipt.map(str::to_owned),
            content: Some(content),
            ..Message::new(direction, Carriage::Own, of, Timestamp::UNIX_EPOCH)
        }
    }

    fn draft(to: &str) -> Draft {
        Draft {
            from: id("alice"),
            to: id(to),
            functional_address: None,
            label: "Svar".into(),
            text: Some("Hej".into()),
            confidential: false,
            priority: crate::model::Priority::default(),
            in_reply_to: None,
        }
    }

    #[test]
    fn a_message_is_answered_by_our_id_or_its_envelopes_and_its_conversation_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let received = exchanged(Direction::In, "bob", "sdk:x:bob", Some("ACCEPTED"));
        let sent = exchanged(Direction::Out, "bob", "sdk:x:bob", None);
        let store = store(folder.path(), &[received.clone(), sent.clone()]);
        for message in [&received, &sent] {
            for name in [message.id.to_string(), message.envelope_id.as_str().to_uppercase()] {
                let found = answered(&store, &id("alice"), &name).unwrap();
                assert_eq!(found.conversation_id.to_string(), CONVERSATION);
                assert_eq!(found.message_id.to_string(), message.envelope_id.as_str());
                let goes_to = address(&store, &BTreeMap::new(), &draft("bob"), Some(&found)).unwrap();
                assert_eq!(goes_to, "sdk:x:bob");
            }
        }
    }

    #[test]
    fn what_is_unknown_or_not_ones_own_or_unread_or_rejected_cannot_be_answered() {
        let folder = tempfile::tempdir().unwrap();
        let received = exchanged(Direction::In, "bob", "sdk:x:bob", Some("ACCEPTED"));
        let unread = Message { content: None, ..exchanged(Direction::In, "bob", "sdk:x:bob", None) };
        let rejected = exchanged(Direction::Out, "bob", "sdk:x:bob", Some("REJECTED"));
        let store = store(folder.path(), &[received.clone(), unread.clone(), rejected.clone()]);
        for (who, name, rule) in [
            ("alice", "7".to_owned(), "MSG-4.3.2.t04"),
            ("alice", Uuid::new_v4().to_string(), "MSG-4.3.2.t04"),
            ("carol", received.id.to_string(), "MSG-4.3.2.t04"),
            ("bob", received.envelope_id.to_string(), "MSG-4.3.2.t04"),
            ("alice", unread.id.to_string(), "MSG-4.3.2.t04"),
            ("alice", rejected.id.to_string(), "MSG-5.3.t11"),
        ] {
            let refused = answered(&store, &id(who), &name).err().unwrap();
            assert_eq!(refused.rule.as_deref(), Some(rule), "{who} {name}");
            assert!(refused.detail.contains(&name) && refused.detail.contains("expected"), "{}", refused.detail);
        }
    }

    #[test]
    fn a_recipients_only_known_address_is_used_and_one_of_several_must_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let accepted = Some("ACCEPTED");
        let store = store(
            folder.path(),
            &[
                exchanged(Direction::In, "bob", "sdk:x:bob", accepted),
                exchanged(Direction::Out, "bob", "sdk:wrong:bob", Some("REJECTED")),
                exchanged(Direction::Out, "bob", "sdk:guessed:bob", None),
                exchanged(Direction::Out, "erik", "sdk:x:erik", accepted),
                exchanged(Direction::In, "erik", "sdk:y:erik", accepted),
            ],
        );
        let configured = BTreeMap::from([
            (id("dora"), vec!["sdk:x:dora".to_owned()]),
            (id("fia"), vec!["sdk:x:fia".to_owned(), "sdk:y:fia".to_owned()]),
        ]);
        let goes_to = |draft: &Draft| address(&store, &configured, draft, None);
        for (to, expected) in
            [("dora", "sdk:x:dora"), ("bob", "sdk:x:bob"), ("nobody", "sdk:inkorg:0203:nobody.example.se")]
        {
            assert_eq!(goes_to(&draft(to)).unwrap(), expected);
        }
        for (to, several) in [("fia", "sdk:x:fia, sdk:y:fia"), ("erik", "sdk:x:erik, sdk:y:erik")] {
            let refused = goes_to(&draft(to)).unwrap_err();
            assert!(refused.detail.contains(several) && refused.detail.contains("--functional-address"), "{refused}");
        }
        let named = Draft { functional_address: Some("sdk:y:fia".into()), ..draft("fia") };
        assert_eq!(goes_to(&named).unwrap(), "sdk:y:fia");
        let of_another = Draft { from: id("carol"), ..draft("bob") };
        assert_eq!(goes_to(&of_another).unwrap(), "sdk:inkorg:0203:bob.example.se", "what others exchanged is theirs");
    }
}
