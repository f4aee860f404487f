//! The pages of partners and participants, and what a message says that waits for a breaker.

use super::{NOW, around, at, counts, depths, message, problem, visit};
use crate::access_point::{Breaker, Condition, DeliveryState, Health, ParticipantState, PartnerState};
use crate::accounts::Role;
use crate::console::frame::Visit;
use crate::console::{Lang, journey, overview, partners};
use crate::model::{Carriage, Direction, Status};
use askama::Template;
use std::time::Duration;

pub(super) fn states() -> Vec<PartnerState> {
    let breaker =
        Breaker { failures: 3, first_pause: Duration::from_secs(200), longest_pause: Duration::from_secs(200) };
    let health = |failures| {
        let mut health = Health::default();
        health.note(Ok(()), (at(60), at(60)), &breaker, 0);
        for minutes in [50].into_iter().chain(std::iter::repeat(1)).take(failures) {
            health.note(Err(problem()), (at(minutes), at(minutes)), &breaker, 0);
        }
        health
    };
    let healthy = PartnerState {
        partner: Some("AP0002-TESTBED".parse().unwrap()),
        condition: Condition::Healthy,
        health: health(0),
        in_flight: 1,
        waiting: 2,
        due_since: None,
    };
    let failing = |failures| {
        let health: Health = health(failures);
        PartnerState { condition: health.condition(at(0)), health, waiting: 1, ..healthy.clone() }
    };
    let looked_up = PartnerState { partner: None, ..failing(1) };
    let down = PartnerState { partner: Some("AP0007-TESTBED".parse().unwrap()), ..failing(9) };
    vec![healthy.clone(), looked_up, down]
}

pub(super) fn participant_states() -> Vec<ParticipantState> {
    let idle = ParticipantState {
        participant: "0203:alvesta.example.se".parse().unwrap(),
        carriage: Some(Carriage::Own),
        to_send: 0,
        to_send_since: None,
        to_take: 0,
        to_take_since: None,
        last_fetch_at: None,
        delivery: None,
    };
    let away = ParticipantState {
        participant: "0203:storstad.example.se".parse().unwrap(),
        carriage: Some(Carriage::Carried),
        to_take: 7,
        to_take_since: Some(at(60 * 50)),
        last_fetch_at: Some(at(60 * 51)),
        ..idle.clone()
    };
    let gone = ParticipantState {
        participant: "0203:nedlagd.example.se".parse().unwrap(),
        carriage: None,
        to_take: 2,
        to_take_since: Some(at(60 * 52)),
        ..idle.clone()
    };
    let stuck = ParticipantState {
        participant: "0203:bergvik.example.se".parse().unwrap(),
        delivery: Some(DeliveryState { condition: Condition::Open, health: states().remove(2).health }),
        ..idle.clone()
    };
    vec![idle, away, gone, stuck]
}

#[test]
fn a_participant_whose_messages_cannot_be_delivered_is_shown_with_its_breaker_and_why() {
    let html = partners::render_participants(participant_states(), &visit(Lang::En)).render().unwrap();
    for part in [
        "Breaker open: nothing is delivered</span> <span class=\"why\">until",
        "Failed attempts in a row: 9, began 50 min ago",
        "the SMP did not answer <code>smp-unreachable</code>",
        "Advice: Try the look-up with sluss lookup.",
    ] {
        assert_eq!(html.matches(part).count(), 1, "{part} in {html}");
    }
}

#[test]
fn a_partner_that_fails_comes_first_with_since_when_and_why() {
    let html = partners::render_partners(states(), &visit(Lang::En)).render().unwrap();
    for part in [
        "Partners that fail: <strong>2</strong>",
        "Failed attempts in a row: 9, began 50 min ago",
        "the SMP did not answer <code>smp-unreachable</code>",
        "Advice: Try the look-up with sluss lookup.",
        "/queue?status=to-send&#38;direction=out&#38;partner=AP0007%2DTESTBED",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(html.contains("Breaker open: nothing is sent</span> <span class=\"why\">until"), "{html}");
    assert!(html.contains("<option value=\"AP0007-TESTBED\">") && !html.contains("<option value=\"AP0002-TESTBED\">"));
    let viewer = Visit::made_up_of(Role::Viewer, Lang::En, NOW.parse().unwrap());
    let seen = partners::render_partners(states(), &viewer).render().unwrap();
    assert!(seen.contains("Breaker open") && !seen.contains("<form method=\"post\" action=\"/partners\""), "{seen}");
    assert!(html.find("AP0007-TESTBED") < html.find("AP0002-TESTBED"), "{html}");
}

#[test]
fn a_participant_that_does_not_come_is_shown_with_the_age_of_what_waits() {
    let html = partners::render_participants(participant_states(), &visit(Lang::Sv)).render().unwrap();
    for part in ["för 2 d sedan", ">7</a>", "direction=in&#38;participant=0203%3Astorstad"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(html.find("storstad") < html.find("alvesta"), "{html}");
    assert!(html.find("nedlagd") < html.find("storstad"), "what nobody serves comes first: {html}");
    assert!(html.contains("Inte inställd här") && html.contains("participant=0203%3Anedlagd"), "{html}");
}

/// Two whose breaker is not closed: one open, one that is asked.
pub(super) fn down() -> Vec<PartnerState> {
    let open = states().remove(2);
    let probing = PartnerState {
        partner: Some("AP0002-TESTBED".parse().unwrap()),
        condition: open.health.condition(at(-60)),
        ..open.clone()
    };
    assert_eq!(probing.condition, Condition::Probing);
    vec![open, probing]
}

#[test]
fn a_message_that_waits_for_a_breaker_says_until_when_and_why_and_what_can_be_done() {
    let waits = message(2, Direction::Out, Status::ScheduledForResend, 11);
    let page = |message, awaited: &PartnerState, lang| {
        journey::render_message(message, Some(awaited), &[], &visit(lang)).render().unwrap()
    };
    let [open, probing] = &down()[..] else { panic!("two") };
    let html = page(&waits, open, Lang::En);
    for part in [
        "Waits: the breaker is open for the partner <a href=\"/partners\">AP0007-TESTBED</a> until <time",
        "Last failure: the SMP did not answer.",
        "What you can do: It is sent by itself when the partner answers.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(page(&waits, open, Lang::Sv).contains("Väntar: brytaren är öppen för motparten"));
    assert!(page(&waits, probing, Lang::En).contains("Waits: another message asks whether it is back"));
    let mut asking = waits.clone();
    asking.lease_until = Some(at(-1));
    for (message, awaited) in [(&asking, probing), (&waits, &states()[0]), (&waits, &states()[1])] {
        assert!(!page(message, awaited, Lang::En).contains("Waits:"), "{message:?}");
    }
}

#[test]
fn the_overview_marks_what_waits_for_a_partner_whose_breaker_is_not_closed() {
    let bad = overview::Around { partners_down: down(), ..around(depths(), Vec::new()) };
    let html = overview::render_overview(&counts(), bad, &visit(Lang::En)).render().unwrap();
    assert!(
        html.contains("AP0002-TESTBED</a> <span class=\"badge late\">Breaker probing: one message asks</span>"),
        "{html}"
    );
    assert_eq!(html.matches("class=\"badge late\">Breaker").count(), 1, "{html}");
}
