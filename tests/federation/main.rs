//! An access point with its message service against a peer that sends what it likes: what is delivered, what is refused, by which
//! rule, and what is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod alerts;
#[path = "../support/asked.rs"]
mod asked;
mod breaker;
mod damage;
mod delivery;
mod forms;
mod health;
#[path = "../support/mounted.rs"]
mod mounted;
#[path = "../support/paced.rs"]
mod paced;
mod site;
#[path = "../support/slow.rs"]
mod slow_disk;
mod space;

use site::{DORA, OURS, PEER, Sent, Site, fact, id};
use sluss::access_point::{Action, Partner, Recorder, Settings};
use sluss::as4::Compression;
use sluss::inspect::as4;
use sluss::message_service::Draft;
use sluss::model::{Clock, DocumentType, Fault, Piece, Priority, Stage, Status, SystemClock, Warrant};
use std::os::fd::AsRawFd;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// What hangs in the air is not sent twice: a client that repeats itself before its first answer gets the same one.
#[test]
fn an_envelope_that_is_handed_in_many_times_at_once_is_one_message() {
    at_site(async |site| {
        let sealed = |id: uuid::Uuid| {
            let head = |header: &mut sluss::xhe::Header| {
                (header.from, header.to) = (site.alice.clone(), site.bob.clone());
                header.id = id.to_string().parse().unwrap();
            };
            site.envelope(head, |text| text)
        };
        let id = uuid::Uuid::new_v4();
        let (envelope, other) = (sealed(id), sealed(id));
        let hand_in = |envelope: &[u8]| {
            let (router, alice) = (std::sync::Arc::clone(&site.router), site.alice.clone());
            let envelope = std::io::Cursor::new(envelope.to_vec());
            tokio::spawn(async move { router.submit(&alice, envelope, None, Priority::default()).await })
        };
        let all: Vec<_> = (0..8).map(|_| hand_in(&envelope)).collect();
        let mut ids = std::collections::BTreeSet::new();
        for one in all {
            ids.insert(one.await.unwrap().unwrap().id);
        }
        assert_eq!(ids.len(), 1, "{ids:?}");
        let refused = hand_in(&other).await.unwrap().unwrap_err();
        assert_eq!(
            (refused.kind.as_str(), refused.fault),
            ("urn:sluss:problem:duplicate-envelope", Fault::Refused),
            "{refused:?}"
        );
        let first = ids.first().unwrap().to_string();
        assert!(refused.detail.contains("other bytes") && refused.detail.contains(&first), "{}", refused.detail);
    });
}

#[test]
fn a_message_is_receipted_opened_and_logged_with_all_that_the_event_log_asks_for() {
    at_site(async |site| {
        let sent = site.sent(site.envelope(|_| {}, |text| text));
        let begun = SystemClock.now();
        let answer = site.post(&site.pack(&sent)).await;
        let answered = SystemClock.now();
        assert_eq!(answer.status, 200);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.contains("NonRepudiationInformation") && text.contains(sent.message_id.as_str()), "{text}");

        let received = site.arrived(&sent).await;
        let opened = site.wait(received, |message| message.status == Status::Retrieved).await;
        assert_eq!(opened.message_receipt.as_deref(), Some("ACCEPTED"));
        let events = site.router.journey(received).await.unwrap();
        for (name, expected) in [
            ("partner", PEER),
            ("from", site.bob.as_str()),
            ("to", site.alice.as_str()),
            ("as4_message_id", sent.message_id.as_str()),
            ("conversation_id", &sent.conversation),
        ] {
            assert_eq!(fact(&events, Stage::Received, name).as_deref(), Some(expected), "{name}");
        }
        let at = events.iter().find(|event| event.stage == Stage::Received).unwrap().at;
        assert!(begun <= at && at <= answered, "received at {at}, between {begun} and {answered}");
        assert!(site.keeps(&sent.envelope), "what is delivered is kept");
        // A digest of 32 bytes, and the signature of a key of 3,072 bits, in hexadecimal.
        for (name, length) in [("certificate_sha256", 64), ("signature", 768)] {
            assert_eq!(fact(&events, Stage::Received, name).map(|value| value.len()), Some(length), "{name}");
        }
    });
}

#[test]
fn a_request_under_two_content_types_or_encoded_is_refused_by_the_name_of_the_header() {
    at_site(async |site| {
        let sent = site.sent(site.envelope(|_| {}, |text| text));
        for (name, value, found) in [
            (http::header::CONTENT_TYPE, "application/soap+xml", "found 2 headers Content-Type"),
            (http::header::CONTENT_ENCODING, "gzip", "found the header Content-Encoding: gzip"),
        ] {
            let (status, answer) = site.post_under(&site.pack(&sent), (name, value)).await;
            assert_eq!(status, 400, "{answer}");
            assert!(answer.contains("EBMS:0007") && answer.contains(found), "{answer}");
        }
    });
}

#[test]
fn a_refused_request_is_kept_for_a_look_and_a_partner_may_be_given_more_room() {
    at_site(async |site| {
        let before = site.router.settings();
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder { folder: folder.path().to_owned(), bytes_max: 1_000_000 };
        site.router.reconfigure(Settings { recorder: Some(recorder), ..(*before).clone() });
        let sent = Sent { ahead: Duration::from_secs(400), ..site.sent(site.envelope(|_| {}, |text| text)) };
        let request = site.pack(&sent);
        let answer = site.post(&request).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("EBMS:0103") && text.contains("set their clocks"), "{text}");
        let problem = site.refusal(&sent).await;
        assert_eq!(problem.rule.as_deref(), Some("AS4-2.2.t11"));

        // Other tests are refused meanwhile: this one's record is that of its octets.
        let records = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let kept = records.filter(|kept| std::fs::read(kept.join("request.body")).unwrap() == request.body);
        let [kept] = &kept.collect::<Vec<_>>()[..] else { panic!("not kept once") };
        let headers = std::fs::read_to_string(kept.join("request.headers")).unwrap();
        let question = as4::Question {
            keys: vec![before.identity.clone()],
            trust: before.trust.anchors.clone(),
            at: SystemClock.now(),
            allowed: ["unknown-revocation".parse().unwrap()].into(),
            any_community: false,
            signer: None,
            answers: None,
            bytes_max: None,
            save: None,
        };
        let report = as4::open(&headers, &std::fs::read(kept.join("request.body")).unwrap()[..], &question);
        let offline = report.error.unwrap();
        assert_eq!((offline.code, offline.rule), (problem.code, problem.rule));

        let mut settings = (*before).clone();
        let patient = Partner { timestamp_ahead_max: Duration::from_secs(600), ..Partner::default() };
        settings.partners.insert(PEER.parse().unwrap(), patient);
        site.router.reconfigure(settings);
        let answer = site.post(&request).await;
        assert!(String::from_utf8_lossy(&answer.body).contains("NonRepudiationInformation"));
        site.router.reconfigure((*before).clone());
    });
}

#[test]
fn a_soap_part_beyond_the_bound_is_taken_of_the_partner_that_may_send_it_and_of_no_other() {
    Runtime::new().unwrap().block_on(async {
        let site = Site::start().await;
        let before = site.router.settings();
        let allowing = |partners: &[(&str, usize)]| {
            let mut settings = (*before).clone();
            for (party, bytes) in partners {
                let patient = Partner { soap_bytes_max: *bytes, ..Partner::default() };
                settings.partners.insert(party.parse().unwrap(), patient);
            }
            site.router.reconfigure(settings);
        };
        let sent = site.sent(site.envelope(|_| {}, |text| text));
        let mut request = site.pack(&sent);
        let header = b"<S12:Header>";
        let place = request.body.windows(header.len()).position(|found| found == header).unwrap() + header.len();
        // What nobody signed and everybody may send.
        request.body.splice(place..place, b" ".repeat(3 << 20));

        let told = async |expected: &str| {
            let text = String::from_utf8_lossy(&site.post(&request).await.body).into_owned();
            assert!(text.contains("EBMS:0004") && text.contains(expected), "{expected}: {text}");
        };
        told("a larger SOAP part, expected at most 2097152 bytes (").await;
        let least = format!("at most 2097152 bytes of {PEER}");
        allowing(&[("AP0099-ELSEWHERE", 4 << 20)]);
        told(&least).await;
        let problem = site.refusal(&sent).await;
        assert!(problem.rule.as_deref() == Some("AS4-2.8.a") && problem.detail.contains("soap_bytes_max"), "{problem}");
        allowing(&[("AP0099-ELSEWHERE", 4 << 20), (PEER, 5 << 19)]);
        told(&format!("at most 2621440 bytes of {PEER}")).await;

        allowing(&[(PEER, 4 << 20)]);
        let answer = site.post(&request).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("NonRepudiationInformation"), "{text}");
        let received = site.arrived(&sent).await;
        site.wait(received, |message| message.status == Status::Retrieved).await;
    });
}

#[test]
fn a_participant_or_document_type_that_is_not_served_gets_not_serviced_and_leaves_no_message() {
    at_site(async |site| {
        let envelope = site.envelope(|_| {}, |text| text);
        let nobody = Sent { to: id("0203:nobody.example.se"), ..site.sent(envelope.clone()) };
        let other_type = DocumentType::new("urn:example:other::tm-base-ext-sigenc");
        let other = Sent { action: other_type, ..site.sent(envelope) };
        for sent in [nobody, other] {
            let answer = site.post(&site.pack(&sent)).await;
            let text = String::from_utf8_lossy(&answer.body);
            assert!(text.contains("EBMS:0004") && text.contains("NOT_SERVICED") && text.contains("failure"), "{text}");
            let problem = site.refusal(&sent).await;
            assert_eq!(problem.rule.as_deref(), Some("AS4-2.5.a"));
            assert_eq!(problem.code.as_deref(), Some("EBMS:0004"));
            site.forgets(&sent.envelope).await;
        }
    });
}

#[test]
fn a_message_that_a_stranger_signed_or_that_was_changed_is_refused_and_leaves_no_message() {
    at_site(async |site| {
        let envelope = || site.envelope(|_| {}, |text| text);
        let strange = Sent { by_a_stranger: true, ..site.sent(envelope()) };
        let changed = site.sent(envelope());
        let flipped = site.sent(envelope());
        let mut requests = [site.pack(&strange), site.pack(&changed), site.pack(&flipped)];
        let place = requests[1].body.windows(5).rposition(|five| five == b"alice").unwrap();
        requests[1].body[place] = b'b';
        let middle = requests[2].body.len() - 400;
        requests[2].body[middle] ^= 1;
        for (sent, request) in [strange, changed, flipped].iter().zip(&requests) {
            let answer = site.post(request).await;
            assert!(
                String::from_utf8_lossy(&answer.body).contains("EBMS:010"),
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
            let problem = site.refusal(sent).await;
            assert!(!problem.detail.is_empty() && problem.severity.as_deref() == Some("failure"), "{problem:?}");
        }
    });
}

#[test]
fn an_envelope_that_disagrees_with_the_as4_header_is_deleted_and_its_row_stays() {
    at_site(async |site| {
        let carol = id("0203:carol.example.se");
        let cases = [
            ("AP-3.1.6.b", Sent { from: carol.clone(), ..site.sent(site.envelope(|_| {}, |text| text)) }),
            ("AP-3.1.6.a", site.sent(site.envelope(|header| header.to = carol.clone(), |text| text))),
            (
                "AP-3.1.6.c",
                Sent { action: DocumentType::message_receipt(), ..site.sent(site.envelope(|_| {}, |text| text)) },
            ),
        ];
        for (rule, sent) in cases {
            let answer = site.post(&site.pack(&sent)).await;
            assert!(String::from_utf8_lossy(&answer.body).contains("NonRepudiationInformation"), "receipted first");
            let message = site.arrived(&sent).await;
            let deleted = site.wait(message, |message| message.status.is_final()).await;
            assert_eq!((deleted.status, deleted.envelope), (Status::Deleted, None), "{rule}");
            site.forgets(&sent.envelope).await;
            assert_eq!(site.rules(message).await, [rule]);
            assert!(site.service.inbox(None).await.unwrap().iter().all(|shown| shown.id != message));
        }
    });
}

#[test]
fn an_envelope_that_does_not_conform_is_deleted_after_its_as4_receipt() {
    at_site(async |site| {
        let envelope = String::from_utf8(site.envelope(|_| {}, |text| text)).unwrap();
        let wrong = envelope.replace("FEDERATIONID", "FEDERATION");
        let sent = site.sent(wrong.into_bytes());
        site.post(&site.pack(&sent)).await;
        let message = site.arrived(&sent).await;
        let deleted = site.wait(message, |message| message.status.is_final()).await;
        assert_eq!((deleted.status, deleted.envelope), (Status::Deleted, None));
        site.forgets(&sent.envelope).await;
        let events = site.router.journey(message).await.unwrap();
        let why = events.iter().find(|event| event.stage == Stage::Discarded).and_then(|event| event.problem.as_ref());
        assert!(why.is_some_and(|why| why.detail.contains("FEDERATION") && why.rule.is_some()), "{events:?}");
    });
}

#[test]
fn the_same_message_again_gets_the_first_as4_receipt_and_is_not_delivered_twice() {
    at_site(async |site| {
        let sent = site.sent(site.envelope(|_| {}, |text| text));
        let request = site.pack(&sent);
        let first = site.post(&request).await;
        let (second, third) = tokio::join!(site.post(&request), site.post(&request));
        assert_eq!(first.body, second.body);
        assert_eq!(first.body, third.body);
        site.arrived(&sent).await;
    });
}

/// Who encrypts anew because our certificate changed, or compresses another way since its last update, sends the same message.
#[test]
fn the_same_message_signed_encrypted_or_compressed_anew_is_the_same_and_another_content_is_refused() {
    at_site(async |site| {
        let mut sent = site.sent(site.envelope(|_| {}, |text| text));
        let first = site.post(&site.pack(&sent)).await;
        let anew = site.post(&site.pack(&sent)).await;
        assert_eq!(first.body, anew.body, "signed and encrypted anew");
        for compression in [Compression::Stored, Compression::None] {
            let anew = site.post(&site.pack_as(&sent, compression)).await;
            assert_eq!(first.body, anew.body, "{compression:?}");
        }
        let message = site.arrived(&sent).await;
        let events = site.router.journey(message).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.stage == Stage::Duplicate).count(), 3);

        let conversation = std::mem::replace(&mut sent.conversation, uuid::Uuid::new_v4().to_string());
        site.post(&site.pack(&sent)).await;
        sent.conversation = conversation;
        sent.envelope = site.envelope(|_| {}, |text| text);
        site.post(&site.pack(&sent)).await;
        let reused = |event: &&sluss::model::Event| {
            let is_it = event.facts.get("as4_message_id").is_some_and(|id| id == sent.message_id.as_str());
            is_it && event.problem.as_ref().is_some_and(|problem| problem.rule.as_deref() == Some("SAD-5.3.7.1"))
        };
        assert_eq!(site.router.refusals(100).await.unwrap().iter().filter(reused).count(), 2);
        assert_eq!(site.arrived(&sent).await, message);
        site.forgets(&sent.envelope).await;
    });
}

#[test]
fn a_message_whose_envelope_was_changed_is_not_opened_and_gets_rejected_for_its_signature() {
    at_site(async |site| {
        let envelope = String::from_utf8(site.envelope(|_| {}, |text| text)).unwrap();
        let changed = envelope.replace("sdk:inkorg:0203:alice", "sdk:annan0:0203:alice");
        let sent = site.sent(changed.into_bytes());
        site.post(&site.pack(&sent)).await;
        let message = site.arrived(&sent).await;
        let failed = site.wait(message, |message| message.status == Status::Error).await;
        assert_eq!(failed.message_receipt.as_deref(), Some("REJECTED"));
        assert!(failed.content.is_none(), "nothing of it was opened");
        assert_eq!(site.rules(message).await, ["MSG-5.3.t12"]);
    });
}

#[test]
fn a_message_that_breaks_a_rule_is_rejected_by_its_recipient() {
    at_site(async |site| {
        let cases = [
            ("MSG-SCH-8", "messaging:functionalAddress", "messaging:other"),
            ("MSG-5.3.t02", "confidentiality>", "secrecy>"),
        ];
        for (rule, from, to) in cases {
            let sent = site.sent(site.envelope(|_| {}, |text| text.replace(from, to)));
            site.post(&site.pack(&sent)).await;
            let message = site.arrived(&sent).await;
            let failed = site.wait(message, |message| message.status == Status::Error).await;
            assert_eq!(failed.message_receipt.as_deref(), Some("REJECTED"), "{rule}");
            assert!(site.rules(message).await.contains(&rule.to_owned()), "{rule}: {:?}", site.rules(message).await);
        }
    });
}

#[test]
fn a_receiver_that_is_unknown_is_said_at_once_and_one_that_is_unreachable_is_tried_again() {
    at_site(async |site| {
        let refused = site.service.send(draft(site, "0203:nobody.example.se"), Vec::new()).await.unwrap_err();
        assert_eq!(refused.fault, Fault::Refused, "{refused:?}");
        assert!(
            site.messages().await.iter().all(|kept| kept.to.as_str() != "0203:nobody.example.se"),
            "nothing is kept of it"
        );

        let message = site.service.send(draft(site, site.bob.as_str()), Vec::new()).await.unwrap();
        let waiting = site.wait(message.id, |message| message.status == Status::ScheduledForResend).await;
        assert_eq!(waiting.error.unwrap().rule.as_deref(), Some("AP-3.2.5.a"));
        assert!(waiting.packed.is_some() && waiting.next_attempt_at.is_some(), "the same bytes go again");
        let events = site.router.journey(message.id).await.unwrap();
        assert_eq!(fact(&events, Stage::AttemptFailed, "partner").as_deref(), Some(PEER));
        assert_eq!(fact(&events, Stage::AttemptFailed, "conversation_id"), Some(message.envelope_id.to_string()));
    });
}

#[test]
fn what_an_operator_has_tried_again_goes_with_the_same_id_and_the_same_bytes() {
    at_site(async |site| {
        let message = site.service.send(draft(site, site.bob.as_str()), Vec::new()).await.unwrap();
        let waiting = site.wait(message.id, |message| message.attempts == 1 && message.error.is_some()).await;
        let warrant = || Warrant::new("operator", "the partner says that it is back").unwrap();
        site.router.act(message.id, Action::Retry, warrant()).await.unwrap();
        let again = site.wait(message.id, |message| message.attempts == 2 && message.lease_until.is_none()).await;
        assert!(waiting.as4_message_id.is_some() && waiting.packed.is_some());
        assert_eq!((again.as4_message_id, again.packed), (waiting.as4_message_id, waiting.packed));
        assert!(again.renewed_at.is_some(), "its time begins anew");
        site.router.act(message.id, Action::Cancel, warrant()).await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_receiver_can_no_longer_read_is_encrypted_anew_under_the_same_id() {
    let site = Site::start().await;
    let message = site.service.send(draft(&site, site.bob.as_str()), Vec::new()).await.unwrap();
    let waiting = site.wait(message.id, |message| message.attempts == 1 && message.error.is_some()).await;
    site.peer_has_another_certificate();
    let warrant = Warrant::new("operator", "the partner has a new key").unwrap();
    site.router.act(message.id, Action::Retry, warrant).await.unwrap();
    let again = site.wait(message.id, |message| message.attempts == 2 && message.lease_until.is_none()).await;
    assert_eq!((&again.as4_message_id, &again.partner), (&waiting.as4_message_id, &waiting.partner));
    let (before, after) = (waiting.packed.unwrap(), again.packed.unwrap());
    assert_ne!(before.certificate, after.certificate);
    assert_ne!(before.pieces, after.pieces);
    // The signed digest of the envelope is that of before: whoever has the message knows it by its id and this.
    let envelope = |packing: &sluss::model::Packing| {
        let signed = packing.references.iter().filter(|reference| reference.uri.starts_with("cid:"));
        signed.map(|reference| reference.digest.clone()).collect::<Vec<_>>()
    };
    assert!(!envelope(&before).is_empty());
    assert_eq!(envelope(&before), envelope(&after));
    let events = site.router.journey(message.id).await.unwrap();
    let anew = |event: &&sluss::model::Event| event.stage == Stage::Packed && event.detail.contains("anew");
    assert_eq!(events.iter().filter(anew).count(), 1);
    let Piece::File(old) = before.pieces.into_iter().find(|piece| matches!(piece, Piece::File(_))).unwrap() else {
        unreachable!()
    };
    assert!(!after.pieces.contains(&Piece::File(old)));
}

#[test]
fn what_goes_out_has_the_header_that_the_transport_profile_fixes() {
    at_site(async |site| {
        let message = site.service.send(draft(site, site.bob.as_str()), Vec::new()).await.unwrap();
        let waiting = site.wait(message.id, |message| message.packed.is_some()).await;
        let packing = waiting.packed.unwrap();
        let texts = packing.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::File(_) => None,
        });
        let soap: String = texts.collect();
        let party = "urn:fdc:digg.se:edelivery:transportprofile:as4:partytype:ap";
        let action = "busdox-docid-qns::urn:riv:infrastructure:messaging:MessageWithAttachments:3::messagePayload##3.0::tm-base-ext-sigenc";
        for expected in [
            format!("<eb:PartyId type=\"{party}\">{OURS}</eb:PartyId>"),
            format!("<eb:PartyId type=\"{party}\">{PEER}</eb:PartyId>"),
            "/ns/core/200704/initiator</eb:Role>".into(),
            "/ns/core/200704/responder</eb:Role>".into(),
            "<eb:Service type=\"urn:fdc:digg.se:edelivery:process\">bdx:noprocess</eb:Service>".into(),
            format!("<eb:Action>{action}</eb:Action>"),
            format!("<eb:ConversationId>{}</eb:ConversationId>", message.envelope_id),
            format!("<eb:MessageId>{}</eb:MessageId>", waiting.as4_message_id.unwrap()),
            format!("name=\"originalSender\" type=\"iso6523-actorid-upis\">{}<", site.alice),
            format!("name=\"finalRecipient\" type=\"iso6523-actorid-upis\">{}<", site.bob),
        ] {
            assert!(soap.contains(&expected), "{expected} is not in {soap}");
        }
        for named in ["eb:Timestamp>", "BinarySecurityToken", "xmldsig-more#rsa-sha256", "xmlenc11#aes128-gcm"] {
            assert!(soap.contains(named), "{named} is not in {soap}");
        }
        assert!(
            !soap.contains("messagePayload xmlns") && !soap.contains("alices"),
            "nothing of the content is in clear"
        );
    });
}

#[test]
fn a_message_to_an_address_that_is_not_ours_is_rejected_as_not_found() {
    at_site(async |site| {
        let other = "sdk:inkorg:0203:nobody.example.se";
        let ours = format!("sdk:inkorg:{}", site.alice);
        let envelope =
            site.envelope(|header| header.handling_service_id = Some(other.into()), |text| text.replace(&ours, other));
        let sent = site.sent(envelope);
        site.post(&site.pack(&sent)).await;
        let message = site.arrived(&sent).await;
        let failed = site.wait(message, |message| message.status == Status::Error).await;
        assert_eq!(failed.message_receipt.as_deref(), Some("REJECTED"));
        let rules = site.rules(message).await;
        assert!(rules.iter().any(|rule| rule == "MSG-5.3.t09" || rule == "MSG-3.2.t09"), "{rules:?}");
    });
}

#[test]
fn a_document_on_its_way_out_lies_in_clear_below_the_data_folder_only() {
    at_site(async |site| {
        let file = site.service.spool("beslut.txt", "text/plain", &b"in clear"[..]).await.unwrap();
        let place = std::fs::read_link(format!("/proc/self/fd/{}", file.file.as_raw_fd())).unwrap();
        assert!(place.starts_with(site.data.canonicalize().unwrap()), "{place:?}");
    });
}

#[test]
fn a_reply_goes_on_with_the_conversation_of_the_message_it_answers() {
    at_site(async |site| {
        let conversation = uuid::Uuid::new_v4().to_string();
        let open = "conversationId>";
        let change = |text: String| {
            let start = text.find(open).unwrap() + open.len();
            format!("{}{conversation}{}", &text[..start], &text[start + conversation.len()..])
        };
        let sent = site.sent(site.envelope(|_| {}, change));
        site.post(&site.pack(&sent)).await;
        let received = site.arrived(&sent).await;
        let received = site.wait(received, |message| message.content.is_some()).await;
        for name in [received.id.to_string(), received.envelope_id.to_string()] {
            let reply = Draft { in_reply_to: Some(name), ..draft(site, site.bob.as_str()) };
            let message = site.service.send(reply, Vec::new()).await.unwrap();
            let content = message.content.unwrap();
            assert_eq!(content.conversation_id.as_deref(), Some(conversation.as_str()));
            assert_eq!(content.in_reply_to.as_deref(), Some(received.envelope_id.as_str()));
            // What the access point puts into the AS4 header stays the envelope's id (AS4-2.7.a).
            let packed = site.wait(message.id, |message| message.packed.is_some()).await;
            assert_eq!(packed.conversation_id.as_deref(), Some(message.envelope_id.as_str()));
        }
        let strange = Draft { in_reply_to: Some(sent.message_id.to_string()), ..draft(site, site.bob.as_str()) };
        let refused = site.service.send(strange, Vec::new()).await.unwrap_err();
        assert_eq!((refused.fault, refused.rule.as_deref()), (Fault::Refused, Some("MSG-4.3.2.t04")));
    });
}

#[test]
fn a_participant_that_we_serve_is_reached_at_the_address_of_its_configuration() {
    at_site(async |site| {
        let sent = site.service.send(draft(site, DORA), Vec::new()).await.unwrap();
        assert_eq!(sent.content.unwrap().functional_address.as_deref(), Some("sdk:x:dora"));
        site.wait(sent.id, |message| message.status == Status::Accepted).await;
    });
}

#[test]
fn a_message_that_seals_to_more_than_the_limit_is_refused_and_leaves_nothing() {
    Runtime::new().unwrap().block_on(async {
        let site = Site::start().await;
        let settings = Settings { envelope_bytes_max: 2_000, ..(*site.router.settings()).clone() };
        site.router.reconfigure(settings);
        let refused = site.service.send(draft(&site, site.bob.as_str()), Vec::new()).await.unwrap_err();
        assert_eq!((refused.fault, refused.rule.as_deref()), (Fault::Refused, Some("AS4-2.8.a")), "{refused}");
        let detail = &refused.detail;
        assert!(detail.contains("limits.envelope_bytes_max") && detail.contains("expected at most 2000"), "{detail}");
        assert!(site.messages().await.is_empty());
        let folders = std::fs::read_dir(site.data.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
        let left: Vec<_> = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

/// A text from Alice.
fn draft(site: &Site, to: &str) -> Draft {
    Draft {
        from: site.alice.clone(),
        to: id(to),
        functional_address: None,
        label: "Ärende 12".into(),
        text: Some("Hej".into()),
        confidential: false,
        priority: Priority::default(),
        in_reply_to: None,
    }
}

/// Runs a test at the one site that all of them share: making its authorities takes longest.
fn at_site(test: impl AsyncFnOnce(&Site)) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static SITE: OnceCell<Site> = OnceCell::const_new();
    RUNTIME.block_on(async { test(SITE.get_or_init(Site::start).await).await });
}
