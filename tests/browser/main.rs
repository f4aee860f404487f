//! The pages in a real browser, by keyboard alone: a stuck message is found, understood, retried and seen to go; and whatever
//! can be used is reached by the tabulator, seen when it has the focus, and called something.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod driver;
mod full;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod walk;

use driver::{BACKSPACE, Browser, ENTER, TAB};
use stage::{OPERATOR, PASSWORD, Stage};
use std::time::{Duration, Instant};
use support::{PATIENCE, SOUTH};

const REASON: &str = "the partner says that it is up again";

/// Logs in at the page that asks for it.
fn log_in(browser: &Browser) {
    browser.until("document.querySelector('#name') !== null");
    browser.tab_to("#name");
    browser.press(OPERATOR);
    browser.press(TAB);
    browser.press(PASSWORD);
    browser.press(ENTER);
    browser.until("document.querySelector('nav.menu') !== null");
}

/// The address of the page, without that of the server.
fn path(browser: &Browser) -> String {
    browser.ask("location.pathname + location.search").as_str().unwrap().to_owned()
}

/// The page is not loaded anew while this holds.
const UNTOUCHED: &str = "window.untouched === true";

#[test]
fn an_operator_finds_a_stuck_message_understands_it_retries_it_and_sees_it_go_without_a_mouse() {
    let Some(browser) = Browser::open("sv-SE,sv") else { return };
    let stage = Stage::set();
    let message = stage.stuck();
    let id = message["id"].as_str().unwrap();

    browser.go(&stage.console);
    assert_eq!(path(&browser), "/login?next=%2F");
    log_in(&browser);
    assert_eq!(browser.ask("document.documentElement.lang"), "sv");
    assert!(browser.text().contains("Försöks igen"), "{}", browser.text());
    stage.keep("overview", &browser);

    // Where is it?
    browser.tab_to("a[href='/queue?status=retrying']");
    assert!(browser.heard().0.starts_with("1 Försöks igen"), "{:?}", browser.heard());
    browser.press(ENTER);
    browser.until("location.pathname === '/queue'");
    let row = format!("a[href='/messages/{id}']");
    browser.tab_to(&row);
    stage.keep("queue", &browser);
    browser.press(ENTER);
    browser.until("location.pathname.startsWith('/messages/')");

    // Why, and what can be done?
    let text = browser.text();
    for part in [
        "Mottagarens accesspunkt kan inte nås",
        "Meddelandet skickas om av sig självt.",
        "Nästa försök",
        "Väntar: ",
        "Det här kan du göra",
        SOUTH,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    stage.keep("journey", &browser);
    browser.tab_to("a[hreflang=en]");
    browser.press(ENTER);
    browser.until("document.documentElement.lang === 'en'");
    let text = browser.text();
    assert!(text.contains("Next attempt") && text.contains("cannot be reached"), "{text}");

    // The partner is back, and takes its time.
    let partner = stage.serve(SOUTH);
    partner.signal("-STOP");
    browser.tab_to("#reason");
    browser.press(REASON);
    browser.press(ENTER);
    assert!(
        browser.ask("document.querySelector('#reason').value").as_str() == Some(REASON),
        "nothing is done without a button"
    );
    browser.tab_to("button[value=retry]");
    browser.press(ENTER);
    browser.until("document.querySelector('.journey').innerText.includes('kim')");
    assert!(browser.text().contains(REASON), "{}", browser.text());
    assert_eq!(browser.ask("document.querySelector('[title=ACCEPTED]')"), serde_json::Value::Null);
    browser.ask("window.untouched = true");
    partner.signal("-CONT");
    browser.until("document.querySelector('.status [title=ACCEPTED]') !== null");
    assert!(browser.text().contains("AS4 receipt"), "{}", browser.text());
    assert_eq!(browser.ask(UNTOUCHED), true, "the page came up to date by itself");
    stage.keep("delivered", &browser);

    out(&browser, &stage);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Logs out, and looks whether what was seen is gone.
fn out(browser: &Browser, stage: &Stage) {
    browser.tab_to("form[action='/logout'] button");
    browser.press(ENTER);
    browser.until("location.pathname === '/login'");
    browser.back();
    browser.until("location.pathname === '/login'");
    browser.go(&format!("{}/queue", stage.console));
    assert!(path(browser).starts_with("/login?next="), "{}", path(browser));
}

#[test]
fn pages_follow_what_happens_and_leave_the_focus_and_what_is_being_written_where_they_are() {
    let Some(browser) = Browser::open("en") else { return };
    let stage = Stage::set();
    let _partner = stage.serve(SOUTH);
    browser.go(&format!("{}/", stage.console));
    log_in(&browser);
    browser.ask("window.untouched = true");
    let figure = "a[href='/queue?status=retrying']";
    browser.tab_to(figure);
    stage.send();
    browser.until("document.querySelector('main').innerText.includes('ACCEPTED')");
    assert_eq!(browser.ask(&format!("document.activeElement.matches(\"{figure}\")")), true);

    browser.tab_to("nav a[href='/queue']");
    browser.press(ENTER);
    // A document and its message receipt.
    let rows = "document.querySelectorAll('table.queue tbody tr').length";
    browser.until(&format!("{rows} === 2"));
    browser.ask("window.untouched = true");
    browser.tab_to("table.queue a");
    let first = path_of_focus(&browser);
    stage.send();
    browser.until(&format!("{rows} === 4"));
    assert_eq!(path_of_focus(&browser), first);
    // What is being written stays, and so does what it is about.
    browser.tab_to("#reason");
    browser.press("x");
    stage.send();
    browser.until("!document.querySelector('#late').hidden");
    assert_eq!(browser.ask(rows), 4);
    assert_eq!(browser.ask("document.activeElement.value"), "x");
    browser.press(BACKSPACE);
    browser.tab_to("button[name=action]");
    browser.until(&format!("{rows} === 6 && document.querySelector('#late').hidden"));
    assert_eq!(browser.ask(UNTOUCHED), true);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_session_that_nobody_uses_ends_and_its_page_says_so_and_comes_back_after_a_log_in() {
    let Some(browser) = Browser::open("en") else { return };
    let idle = Duration::from_secs(60);
    let stage = Stage::idle(idle.as_secs());
    let begun = Instant::now();
    browser.go(&format!("{}/queue?direction=out", stage.console));
    log_in(&browser);
    // What happens meanwhile keeps the page current, and no session from ending.
    let (rows, stale) = ("document.querySelectorAll('table.queue tbody tr').length", "#unfollowed:not([hidden])");
    let is_stale = format!("document.querySelector('{stale}') !== null");
    let mut sent = 0;
    while browser.ask(&is_stale) == false {
        assert!(begun.elapsed() < idle + PATIENCE, "the page never said that its session has ended");
        stage.send();
        sent += 1;
        browser.until(&format!("{rows} === {sent} || {is_stale}"));
    }
    assert!(begun.elapsed() >= idle && sent > 1, "after {:?} and {sent} messages", begun.elapsed());
    let text = browser.text();
    assert!(text.contains("This page no longer follows what happens."), "{text}");

    browser.tab_to("nav a[href='/partners']");
    browser.press(ENTER);
    browser.until("location.pathname === '/login'");
    assert_eq!(path(&browser), "/login?next=%2Fpartners");
    log_in(&browser);
    assert_eq!(path(&browser), "/partners");
}

fn path_of_focus(browser: &Browser) -> String {
    browser.ask("document.activeElement.getAttribute('href')").as_str().unwrap().to_owned()
}
