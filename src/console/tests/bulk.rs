//! What is asked before something is done to many messages, and what is said afterwards.

use super::{id, messages, problem, visit};
use crate::access_point::Action;
use crate::console::Lang;
use crate::console::bulk::{BulkPage, ConfirmPage, render_bulk, render_confirm};
use crate::model::{Counted, Warrant};
use askama::Template;

pub(super) fn done_and_refused(lang: Lang) -> BulkPage {
    let outcomes = vec![(id(1), Ok(messages()[0].clone())), (id(2), Err(problem()))];
    render_bulk(Action::Retry, outcomes, true, ["/queue", "status=attention"], &visit(lang))
}

#[test]
fn a_bulk_action_says_for_each_message_what_became_of_it() {
    let html = done_and_refused(Lang::Sv).render().unwrap();
    for part in [
        "Gjort: <strong>1</strong>",
        "Gick inte: <strong>1</strong>",
        "SMP svarar inte",
        "Det finns fler",
        "/queue?status=attention",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

pub(super) fn asked(found: Counted, lang: Lang) -> ConfirmPage {
    let warrant = Warrant::new("operator", "the partner is \"back\"").unwrap();
    render_confirm(Action::Retry, &warrant, found, ["/dead-letters", "cause=cancelled"], &visit(lang))
}

#[test]
fn it_is_said_how_many_messages_it_is_for_before_anything_is_done() {
    let html = |messages, more, lang| asked(Counted { messages, more }, lang).render().unwrap();
    let few = html(12, false, Lang::En);
    for part in [
        "Messages that match the filter: <strong>12</strong>",
        "name=\"filter\" value=\"cause=cancelled\"",
        "name=\"confirmed\"",
        "value=\"the partner is &#34;back&#34;\"",
        "name=\"action\" value=\"retry\"",
        "href=\"/dead-letters?cause=cancelled\"",
    ] {
        assert!(few.contains(part), "{part} in {few}");
    }
    assert!(!few.contains("so many at a time"), "all of them at once: {few}");
    let many = html(10_000, true, Lang::Sv);
    assert!(many.contains("fler än 10000") && many.contains("så många åt gången: 1000"), "{many}");
    assert!(html(1_001, false, Lang::En).contains("so many at a time: 1000"));
}
