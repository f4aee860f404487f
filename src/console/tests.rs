//! Pages rendered with made-up messages: what strangers write stays text, what is secret stays out.
//! With `SLUSS_PAGES=DIR` the pages are written there, to be looked at.

mod bulk;
mod partners;

use super::compose;
use super::dead::{self, DeadPage, Found};
use super::frame::{Failure, LoginPage, Visit};
use super::log::{self, LogFilter};
use super::mailbox;
use super::overview::Around;
use super::{Lang, access};
use super::{accounts, certificates, events, journey, overview, queue};
use crate::accounts::{Book, Role};
use crate::message_service::Mailbox;
use crate::model::Conditions;
use crate::model::{
    BlobId, Carriage, CertificateEnd, Content, Count, Counts, Depth, Direction, Document, DocumentType, Enveloped,
    Event, Fault, LogPage, LogPlace, Logged, Message, MessageId, Page, Problem, ProcessId, Stage, Status, Timestamp,
};
use crate::ops::health::Check;
use askama::Template;

const NOW: &str = "2026-11-23T02:41:07Z";
const ATTACK: &str = "<script>alert('1')</script>";

fn at(minutes: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() - jiff::SignedDuration::from_mins(minutes)
}

fn visit(lang: Lang) -> Visit {
    Visit::made_up(lang, NOW.parse().unwrap())
}

fn id(n: u8) -> MessageId {
    format!("01936a3e-0000-7000-8000-0000000000{n:02x}").parse().unwrap()
}

fn message(n: u8, direction: Direction, status: Status, minutes: i64) -> Message {
    let (from, to) = ("0203:alvesta.example.se", "0203:region-kronoberg.example.se");
    let (from, to) = if direction == Direction::Out { (from, to) } else { (to, from) };
    let of = Enveloped {
        id: format!("8f6b1c52-5ad1-4b7f-9d2e-6f1a2b3c4d{n:02x}").parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        document_type: DocumentType::sdk_message(),
        process: ProcessId::default(),
        envelope: Some(BlobId(id(n).0)),
        bytes: 1_482_133,
        sha256: String::new(),
    };
    Message {
        id: id(n),
        status,
        as4_message_id: Some(format!("5c9d6e{n:02x}@ap0001-testbed").parse().unwrap()),
        conversation_id: Some("3f0d7f0e-4d56-41a2-9d3c-0f8f4b7a9e11".into()),
        partner: Some("AP0002-TESTBED".parse().unwrap()),
        attempts: 1,
        next_attempt_at: None,
        updated_at: at(minutes - 1),
        content: Some(content(n)),
        ..Message::new(direction, Carriage::Own, of, at(minutes))
    }
}

fn content(n: u8) -> Content {
    let labels = [
        ATTACK,
        "Orosanmälan, kompletterande uppgifter",
        "Utskrivningsklar patient",
        "Begäran om handlingar i ärende 2026-0481",
    ];
    let document =
        |name: &str, mime: &str, bytes| Document { name: name.into(), mime: mime.into(), bytes, sha256: String::new() };
    Content {
        label: labels[usize::from(n) % labels.len()].into(),
        functional_address: Some("sdk:inkorg:0203:alvesta.example.se".into()),
        sender_address: Some("sdk:inkorg:0203:region-kronoberg.example.se".into()),
        confidential: n % 2 == 1,
        documents: vec![
            document("text-1.md", "text/markdown", 400),
            document("Bilaga 1 – journalutdrag.pdf", "application/pdf", 812_455),
            document(ATTACK, "text/html", 12),
        ],
        ..Content::default()
    }
}

fn problem() -> Problem {
    let detail = "found HTTP status 503 from the SMP at https://smp.example.se, expected the signed metadata of 0203:region-kronoberg.example.se; the message is tried again by itself, nobody has to do anything yet";
    Problem::new(Fault::Temporary, "smp-unreachable", "the SMP did not answer", detail)
        .rule("SMP-REST-2.1.b")
        .ebms("EBMS:0202")
}

fn messages() -> Vec<Message> {
    let mut retried = message(2, Direction::Out, Status::ScheduledForResend, 11);
    retried.attempts = 3;
    retried.next_attempt_at = Some(at(-3));
    retried.error = Some(problem());
    let mut failed = message(5, Direction::Out, Status::MessageExchangeError, 60 * 27);
    failed.error = Some(Problem::new(Fault::Refused, "receipt", "no message receipt in time", "x"));
    vec![
        message(1, Direction::Out, Status::WaitingForReceipt, 2),
        retried,
        message(3, Direction::In, Status::New, 48),
        message(4, Direction::Out, Status::Accepted, 130),
        failed,
        message(6, Direction::In, Status::Received, 60 * 50),
    ]
}

fn journey_of_two() -> Vec<Event> {
    let event = |minutes, stage, detail: &str| Event::new(at(minutes), Some(id(2)), stage, detail);
    vec![
        event(
            11,
            Stage::Sealed,
            "3 documents sealed to the certificate that CertPub publishes for 0203:region-kronoberg.example.se",
        )
        .fact("envelope_id", "8f6b1c52-5ad1-4b7f-9d2e-6f1a2b3c4d02")
        .fact("bytes", 1_482_133),
        event(11, Stage::Accepted, "taken for sending, durably"),
        event(10, Stage::AttemptFailed, "attempt 1 failed: the SMP did not answer").problem(problem()),
        event(7, Stage::Routed, "the route leads to AP0002-TESTBED")
            .fact("partner", "AP0002-TESTBED")
            .fact("certificate_sha256", "9b1f0e6a55c2d4b89b1f0e6a55c2d4b89b1f0e6a55c2d4b89b1f0e6a55c2d4b8")
            .fact("url", "https://ap0002.example.se/as4"),
        event(7, Stage::Packed, ATTACK),
        event(6, Stage::Receipted, "AP0002-TESTBED has it and signed for it"),
        event(1, Stage::Answered, "0203:region-kronoberg.example.se accepted the content"),
    ]
}

fn counts() -> Counts {
    let count = |direction, status, messages, minutes| Count { direction, status, messages, oldest: Some(at(minutes)) };
    Counts {
        by_status: vec![
            count(Direction::Out, Status::ScheduledForResend, 3, 11),
            count(Direction::Out, Status::WaitingForReceipt, 1, 2),
            count(Direction::Out, Status::Accepted, 1204, 60 * 24 * 30),
            count(Direction::Out, Status::MessageExchangeError, 1, 60 * 27),
            count(Direction::In, Status::New, 987, 60 * 24 * 29),
        ],
        held: 2,
        free_bytes: 41_200_000_000,
        journal_records: 18_440,
    }
}

fn depths() -> Vec<Depth> {
    let depth =
        |name: &str, messages| Depth { direction: Direction::Out, name: name.into(), messages, oldest: Some(at(11)) };
    vec![depth("", 1), depth("AP0002-TESTBED", 3)]
}

fn around(partners: Vec<Depth>, refusals: Vec<Event>) -> Around {
    let checks = vec![Check::ok("disk", "well")];
    Around { depths: [partners, Vec::new()], refusals, partners_down: Vec::new(), certificates_soon: 0, checks }
}

#[test]
fn what_needs_a_person_first_counts_partners_certificates_and_space_as_well() {
    let render = |around, lang| overview::render_overview(&Counts::default(), around, &visit(lang)).render().unwrap();
    assert!(render(around(Vec::new(), Vec::new()), Lang::En).contains("Nothing needs a person now."));
    let checks = vec![
        Check::degraded("space", "7 bytes are free", "free some"),
        Check::failed("certificate", "it has ended", "renew it"),
        Check::failed("worker", "not seen", "start again"),
    ];
    let bad =
        Around { partners_down: partners::down(), certificates_soon: 3, checks, ..around(Vec::new(), Vec::new()) };
    let html = render(bad, Lang::En);
    for part in [
        "<a href=\"/partners\">Partners with an open breaker: <strong>2</strong></a>",
        "<a href=\"/certificates\">Certificates that end soon or have ended: <strong>3</strong></a>",
        "Disk space is running low: <span lang=\"en\">space: 7 bytes are free</span>",
        "The health check is not well: <span lang=\"en\">worker: not seen</span>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("it has ended") && !html.contains("Nothing needs"), "{html}");
    let failed = Counts { by_status: counts().by_status, ..Counts::default() };
    let html = overview::render_overview(&failed, around(Vec::new(), Vec::new()), &visit(Lang::Sv)).render().unwrap();
    assert!(
        html.contains("<a href=\"/dead-letters\">Misslyckade eller avvisade meddelanden: <strong>1</strong>"),
        "{html}"
    );
}

fn ends() -> Vec<CertificateEnd> {
    let end =
        |purpose, subject: &str, minutes| CertificateEnd { purpose, subject: subject.into(), not_after: at(minutes) };
    let day = 60 * 24;
    vec![
        end("anchor", "CN=SDK Root", -day * 4000),
        end("access-point", "CN=AP0001-TESTBED", -day * 29),
        end("participant", ATTACK, day * 2),
    ]
}

#[test]
fn a_certificate_that_ends_comes_first_with_its_days_and_what_to_do() {
    let html = certificates::render_certificates(&ends(), &visit(Lang::En)).render().unwrap();
    for part in [
        "ended: <strong>2</strong>",
        "<div>29</div>",
        "<div>-2</div>",
        "Has ended",
        "publish it in CertPub",
        "<div>4000</div>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(html.find("Has ended") < html.find("Ends soon</span>") && !html.contains("new authorities"), "{html}");
}

fn book() -> Book {
    let mut book = Book::default();
    book.add("kim".parse().unwrap(), Role::Operator, vec![], Some("häst batteri klammer"), at(9)).unwrap();
    book.set_locked(&"kim".parse().unwrap(), true, at(8)).unwrap();
    book.add_token("nightly".parse().unwrap(), Role::Viewer, vec![], at(9)).unwrap();
    book
}

#[test]
fn administrators_see_accounts_and_tokens_and_none_of_their_secrets() {
    let html = accounts::render_accounts(&book(), &visit(Lang::En)).render().unwrap();
    for part in
        ["kim <a href=\"/events?actor=kim\"", "Locked</span>", "/events?actor=token%3Anightly", "sluss accounts add"]
    {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("argon2") && !html.contains("sha256"), "{html}");
    let operator = Visit::made_up_of(Role::Operator, Lang::En, NOW.parse().unwrap());
    assert!(
        !queue::render_queue(Conditions::default(), "", &Page::default(), None, &operator)
            .render()
            .unwrap()
            .contains("/accounts")
    );
}

fn logged() -> LogPage {
    let place = LogPlace { at: at(3), record: 7, event: 0 };
    let event = |event| Logged { record: 7, place, event };
    let events = journey_of_two().into_iter().chain(refusals()).map(event).collect();
    LogPage { events, next: Some(place) }
}

#[test]
fn the_event_log_keeps_its_filter_from_page_to_page() {
    let filter = LogFilter { stage: "accepted".into(), actor: ATTACK.into(), ..LogFilter::default() };
    let html = log::render_log(filter, "stage=accepted&after=1.2.3&lang=sv&actor=x", &logged(), None, &visit(Lang::Sv))
        .render()
        .unwrap();
    let older = format!("/events?stage=accepted&#38;actor=x&#38;after={}", logged().next.unwrap());
    for part in [older.as_str(), "value=\"accepted\" selected", "Mottaget för sändning", "href=\"/messages/"] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn depths_lead_to_what_waits_there() {
    let (_, html) = pages(Lang::Sv).into_iter().find(|(name, _)| *name == "overview").unwrap();
    for part in [
        "(inte uppslagen än)",
        "status=to-send&#38;direction=out&#38;partner=AP0002%2DTESTBED",
        "/queue?held=1",
        "Kvarhållna meddelanden: <strong>2</strong>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn a_page_on_which_nothing_was_found_yet_does_not_say_that_there_is_nothing() {
    let on = |next| Page { messages: Vec::new(), next };
    for (next, said, unsaid) in [
        (Some(id(7)), "None of the messages looked through matches", "No message matches the filter"),
        (None, "No message matches the filter", "None of the messages looked through"),
    ] {
        let visit = visit(Lang::En);
        let html = queue::render_queue(Conditions::default(), "", &on(next), None, &visit).render().unwrap();
        assert!(html.contains(said) && !html.contains(unsaid), "{html}");
        assert_eq!(html.contains("Older messages"), next.is_some());
        let found = Found { page: on(next), ..Found::default() };
        let html = dead::render_dead(Conditions::default(), "", &found, &visit).render().unwrap();
        assert_eq!(html.contains("None of the messages looked through matches"), next.is_some(), "{html}");
    }
}

#[test]
fn what_an_id_finds_is_all_that_a_bulk_action_on_it_is_for() {
    for typed in [" 1@us ", "<1@us>"] {
        let filter = Conditions { id: typed.into(), ..Conditions::default() };
        assert_eq!(filter.read(at(3)).unwrap().named.as_deref(), Some("1@us"));
    }
}

#[test]
fn messages_are_searched_between_two_times_of_a_day_and_the_way_back_keeps_the_search() {
    let raw = "since=2026-11-24T14%3A00&before=2026-11-24T15%3A00&after=7";
    let times = ["2026-11-24T14:00", "2026-11-24T15:00"].map(str::to_owned);
    let [since, before] = times.clone();
    let filter = Conditions { since, before, after: id(7).to_string(), ..Conditions::default() };
    let query = filter.read(at(3)).unwrap();
    assert_eq!([query.created_since, query.created_before], times.map(|time| format!("{time}:00Z").parse().ok()));
    let older = Conditions { older_than: "1h".into(), ..filter.clone() };
    assert!(older.read(at(3)).unwrap().created_before < query.created_before, "the narrower one of the two");
    let html = queue::render_queue(filter, raw, &Page::default(), None, &visit(Lang::En)).render().unwrap();
    for part in [
        "<input id=\"before\" name=\"before\" type=\"datetime-local\" value=\"2026-11-24T15:00\">",
        "<a href=\"/queue?since=2026-11-24T14%3A00&#38;before=2026-11-24T15%3A00\">",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

fn dead_letters(visit: &Visit) -> DeadPage {
    let failed = |n, minutes, error: Problem| Message {
        error: Some(error),
        ..message(n, Direction::Out, Status::MessageExchangeError, minutes)
    };
    let all = vec![failed(5, 60, problem()), failed(6, 70, problem()), failed(7, 80, cancelled())];
    let newest = Page { messages: all.clone(), next: Some(id(7)) };
    let page = Page { messages: all[..2].to_vec(), next: None };
    let filter =
        Conditions { cause: "smp-unreachable".into(), partner: "AP0002-TESTBED".into(), ..Conditions::default() };
    dead::render_dead(filter, "cause=smp-unreachable", &Found { newest, page, fault: None }, visit)
}

fn cancelled() -> Problem {
    Problem::new(Fault::Refused, "cancelled", "an operator cancelled it", "x")
}

#[test]
fn dead_letters_are_counted_by_cause_with_an_advice_and_tried_again_together() {
    let html = dead_letters(&visit(Lang::Sv)).render().unwrap();
    for part in [
        "SMP svarar inte</a> <code class=\"word\">smp-unreachable</code>",
        "/dead-letters?cause=cancelled&#38;partner=AP0002%2DTESTBED",
        "Pröva uppslagningen med sluss lookup.",
        "Någon i driften avbröt det.",
        "Räknat bland de nyaste 1000.",
        "value=\"status=attention&#38;cause=smp%2Dunreachable&#38;partner=AP0002%2DTESTBED\"",
        "name=\"action\" value=\"retry\"",
        "name=\"action\" value=\"cancel\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("value=\"hold\""), "what is over is not kept back: {html}");
    let viewer = Visit::made_up_of(Role::Viewer, Lang::En, NOW.parse().unwrap());
    let html = dead_letters(&viewer).render().unwrap();
    assert!(html.contains("Advice: Try the look-up with sluss lookup.") && !html.contains("name=\"action\""), "{html}");
}

fn mailbox_of_alvesta() -> Mailbox {
    let participant = "0203:alvesta.example.se";
    Mailbox {
        participant: participant.parse().unwrap(),
        functional_addresses: vec![format!("sdk:inkorg:{participant}")],
    }
}

fn refusals() -> Vec<Event> {
    let problem = Problem::new(
        Fault::Refused,
        "signature",
        "the signature does not hold",
        "found a digest of cid:payload that differs from the signed one, expected equal digests",
    )
    .rule("AS4-2.5.c")
    .ebms("EBMS:0101");
    let mut event = Event::new(at(95), None, Stage::Refused, "an AS4 message from AP0009-TESTBED was refused")
        .problem(problem)
        .fact("partner", "AP0009-TESTBED")
        .fact("from", ATTACK);
    event.message = None;
    vec![event]
}

/// Every page, by name.
fn pages(lang: Lang) -> Vec<(&'static str, String)> {
    let visit = visit(lang);
    let all = messages();
    let found = Page { messages: all.clone(), next: None };
    let texts = [(
        format!(
            "Hej!\n\nVi behöver journalutdrag för perioden 2026-09-01 till 2026-11-15.\nSvara helst före fredag.\n\n{ATTACK}\n\nMed vänlig hälsning\nSocialkontoret"
        ),
        false,
    )];
    let inbound: Vec<Message> = (1..6)
        .map(|n| message(n, Direction::In, if n == 4 { Status::Error } else { Status::New }, i64::from(n) * 95))
        .collect();
    let mut rendered = vec![
        ("overview", overview::render_overview(&counts(), around(depths(), refusals()), &visit).render()),
        ("queue", queue::render_queue(Conditions::default(), "", &found, None, &visit).render()),
        ("dead-letters", dead_letters(&visit).render()),
        ("accounts", accounts::render_accounts(&book(), &visit).render()),
        ("certificates", certificates::render_certificates(&ends(), &visit).render()),
        ("events", log::render_log(LogFilter::default(), "", &logged(), None, &visit).render()),
        ("partners", super::partners::render_partners(partners::states(), &visit).render()),
        ("participants", super::partners::render_participants(partners::participant_states(), &visit).render()),
        ("bulk", bulk::done_and_refused(lang).render()),
        ("confirm", bulk::asked(crate::model::Counted { messages: 10_000, more: true }, lang).render()),
        ("message", journey::render_message(&all[1], None, &journey_of_two(), &visit).render()),
        ("refusals", events::render_refusals(&refusals(), &visit).render()),
        ("mailboxes", mailbox::render_mailboxes(vec![mailbox_of_alvesta()], &visit).render()),
        ("inbox", mailbox::render_list(mailbox_of_alvesta(), true, &inbound, &visit).render()),
        ("sent", mailbox::render_list(mailbox_of_alvesta(), false, &all, &visit).render()),
        ("mail", mailbox::render_message(mailbox_of_alvesta(), &inbound[0], &texts, &visit).render()),
        ("compose", compose::render(mailbox_of_alvesta(), None, Some(problem()), &visit).render()),
        ("reply", compose::render(mailbox_of_alvesta(), Some(&inbound[3]), None, &visit).render()),
        ("login", LoginPage { next: ATTACK.into(), fault: Some("x".into()), frame: visit.frame("login") }.render()),
        ("failure", Failure::from(problem()).render(&visit)),
        ("empty", overview::render_overview(&Counts::default(), around(Vec::new(), Vec::new()), &visit).render()),
    ];
    rendered.drain(..).map(|(name, html)| (name, html.unwrap())).collect()
}

#[test]
fn what_strangers_write_is_shown_and_never_run() {
    for lang in [Lang::Sv, Lang::En] {
        for (name, html) in pages(lang) {
            let ours = html.matches("<script src=\"/live.js\" defer></script>").count();
            assert_eq!(html.matches("<script").count(), ours, "{name}");
            assert!(html.contains(&format!("<html lang=\"{}\">", lang.code())), "{name}");
        }
    }
    let (_, mail) = pages(Lang::Sv).into_iter().find(|(name, _)| *name == "mail").unwrap();
    assert!(mail.contains("&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;"), "{mail}");
}

#[test]
fn pages_of_what_happens_follow_it_in_parts_that_have_names() {
    let follow = ["overview", "queue", "dead-letters", "message", "partners", "participants", "events", "refusals"];
    let mut found = 0;
    for (name, html) in pages(Lang::Sv) {
        let parts: Vec<&str> = html.lines().filter(|line| line.contains(" data-live")).collect();
        assert!(parts.iter().all(|part| part.contains(" id=\"live-")), "{name}: {parts:?}");
        if follow.contains(&name) {
            assert!(html.contains("src=\"/live.js\"") && parts.len() > 1, "{name}: {parts:?}");
            found += 1;
        }
    }
    assert_eq!(found, follow.len());
}

#[test]
fn operators_pages_hold_nothing_of_any_content() {
    let operators = ["overview", "queue", "dead-letters", "partners", "participants", "events", "message", "refusals"];
    for (name, html) in pages(Lang::Sv).into_iter().filter(|(name, _)| operators.contains(name)) {
        for secret in ["Orosanmälan", "Utskrivningsklar", "journalutdrag", "Begäran", "Sekretess"] {
            assert!(!html.contains(secret), "{name} holds {secret}");
        }
    }
}

#[test]
fn a_journey_shows_every_event_with_its_rule_and_facts() {
    let (_, html) = pages(Lang::Sv).into_iter().find(|(name, _)| *name == "message").unwrap();
    assert_eq!(html.matches("<h3>").count(), journey_of_two().len());
    for part in [
        "SMP-REST-2.1.b",
        "EBMS:0202",
        "found HTTP status 503",
        "certificate_sha256",
        "2026-11-23T02:31:07.000Z",
        "Försök misslyckades",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn a_message_page_offers_what_may_be_done_to_it_and_asks_why() {
    let all = messages();
    let page = |message: &Message| journey::render_message(message, None, &[], &visit(Lang::En)).render().unwrap();
    let held = Message { next_attempt_at: None, ..all[1].clone() };
    let offered: [(&Message, &[&str]); 4] = [
        (&all[1], &["retry", "cancel", "hold"]),
        (&held, &["cancel", "hold", "release"]),
        (&all[4], &["retry", "cancel"]),
        (&all[3], &[]),
    ];
    for (message, actions) in offered {
        let html = page(message);
        for action in ["retry", "cancel", "hold", "release"] {
            let button = format!("name=\"action\" value=\"{action}\"");
            assert_eq!(html.contains(&button), actions.contains(&action), "{action}: {html}");
        }
        assert_eq!(html.contains("name=\"reason\" required"), !actions.is_empty());
    }
}

#[test]
fn a_swedish_page_is_swedish_but_for_what_it_calls_technical() {
    for (name, html) in pages(Lang::Sv) {
        for english in ["the SMP did not answer", "the signature does not hold", "taken for sending, durably"] {
            for (place, _) in html.match_indices(english) {
                let before = &html[..place];
                let technical = before.rfind("Teknisk detalj").is_some_and(|at| !before[at..].contains("</p>"));
                assert!(technical, "{name}: {english}");
            }
        }
    }
    let of = |lang, wanted: &str| pages(lang).into_iter().find(|(name, _)| *name == wanted).unwrap().1;
    for part in ["SMP svarar inte", "Försöket misslyckades och görs om.", "Teknisk detalj"] {
        assert!(of(Lang::Sv, "message").contains(part), "{part}");
    }
    assert!(of(Lang::Sv, "compose").contains("SMP svarar inte") && of(Lang::Sv, "failure").contains("SMP svarar inte"));
    let english = of(Lang::En, "message");
    assert!(english.contains("the SMP did not answer") && !english.contains("SMP svarar inte"), "{english}");
}

/// Labels, one first heading, landmarks: what a reader of the screen needs.
#[test]
fn pages_have_one_heading_a_main_part_and_labelled_fields() {
    for (name, html) in pages(Lang::En) {
        for (mark, times) in
            [("<h1", 1), ("<main id=\"main\"", 1), ("<header", 1), ("<footer", 1), ("class=\"skip\"", 1)]
        {
            assert_eq!(html.matches(mark).count(), times, "{name}: {mark}");
        }
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count(), "{name}");
        for tag in
            html.split('<').filter(|tag| ["input ", "select ", "textarea "].iter().any(|field| tag.starts_with(field)))
        {
            let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next());
            let labelled = id.is_some_and(|id| html.contains(&format!("for=\"{id}\"")));
            assert!(tag.contains("type=\"hidden\"") || labelled, "{name}: {tag}");
        }
        let attributes = || html.split('<').filter_map(|tag| tag.split('>').next()).flat_map(str::split_whitespace);
        let active =
            attributes().find(|word| word.starts_with("style=") || (word.starts_with("on") && word.contains('=')));
        assert_eq!(active, None, "{name}");
    }
}

#[test]
fn addresses_lead_nowhere_else() {
    for (path, place) in [
        ("/queue", "/queue"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ] {
        assert_eq!(access::local(path), place);
    }
}

#[test]
fn pages_can_be_looked_at() {
    let Ok(folder) = std::env::var("SLUSS_PAGES") else { return };
    for lang in [Lang::Sv, Lang::En] {
        for (name, html) in pages(lang) {
            std::fs::write(format!("{folder}/{name}-{}.html", lang.code()), html).unwrap();
        }
    }
    std::fs::copy("src/console/style.css", format!("{folder}/style.css")).unwrap();
}
