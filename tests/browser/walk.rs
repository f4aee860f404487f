//! Every page by the tabulator: what can be used is reached in the order in which it stands, is seen when it has the focus, and has a
//! name that is read aloud.

use super::driver::{Browser, TAB};
use super::stage::Stage;
use super::support::SOUTH;
use serde_json::Value;
use std::collections::BTreeSet;

/// All that can be used on a page, in its order. Of radio buttons of one name the tabulator comes to the chosen one.
const USABLE: &str = "[...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter(one =>
    !one.disabled && one.type !== 'hidden' && one.checkVisibility({ visibilityProperty: true })
    && !(one.type === 'radio' && !one.checked && document.querySelector(`input[type=radio][name='${one.name}']:checked`)))";

/// What has the focus: its place among them, whether it is seen to have it, and where it stands.
const FOCUSED: &str = "(() => {
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')];
    const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
    return {
        place: all.indexOf(one),
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        inside: box.width > 0 && box.height > 0 && box.top >= 0 && box.top + Math.min(box.height, 60) <= innerHeight && box.left >= 0,
        what: `${one.outerHTML.slice(0, 120)} ${box.top} to ${box.bottom} of ${innerHeight}`,
    };
})()";

/// Texts that stand out too little from their ground (WCAG 2.2, 1.4.3), with what they reach.
const PALE: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    // Colours one upon the other, as the browser paints them.
    const painted = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const [colour, opacity] of colours) { canvas.globalAlpha = opacity; canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        const light = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    };
    const pale = [];
    for (const one of document.querySelectorAll('body *')) {
        const text = [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
        if (!text || !one.checkVisibility() || one.closest('.hidden, .skip, option')) continue;
        const above = [];
        let opacity = 1;
        for (let part = one; part; part = part.parentElement) {
            above.unshift([getComputedStyle(part).backgroundColor, 1]);
            opacity *= getComputedStyle(part).opacity;
        }
        const ground = painted(above), ink = painted([...above, [getComputedStyle(one).color, opacity]]);
        const reached = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
        if (reached < 4.5) pale.push(`${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 40)}: ${reached.toFixed(2)}`);
    }
    return pale;
})()";

/// Addresses on the page that lead to pages of ours and change nothing.
const LINKS: &str = "[...document.querySelectorAll('main a[href^=\"/\"]:not([download]), nav a[href^=\"/\"]')].map(one => one.getAttribute('href'))";

/// Walks through one page.
fn walk(browser: &Browser, path: &str) {
    let places = format!(
        "(() => {{
        const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')];
        return {USABLE}.map(one => all.indexOf(one));
    }})()"
    );
    let expected: Vec<i64> = browser.ask(&places).as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    let mut met: Vec<i64> = Vec::new();
    // A field for a date has several stops.
    for _ in 0..expected.len() * 2 + 10 {
        browser.press(TAB);
        let focus = browser.ask(FOCUSED);
        let place = focus["place"].as_i64().unwrap();
        if place < 0 {
            break;
        }
        if met.last() == Some(&place) {
            continue;
        }
        met.push(place);
        assert_eq!(focus["outlined"], true, "{path}: the focus is not seen at {}", focus["what"]);
        assert_eq!(focus["inside"], true, "{path}: out of the window is {}", focus["what"]);
        let (name, role) = browser.heard();
        assert!(!name.trim().is_empty() && !role.is_empty(), "{path}: no name of {}", focus["what"]);
    }
    assert_eq!(met, expected, "{path}: left what the tabulator came to, right what can be used");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        assert_eq!(browser.ask(PALE), serde_json::json!([]), "{path} in {scheme}");
    }
    for (what, expression) in [
        ("one heading of the first level", "document.querySelectorAll('h1').length === 1"),
        ("a title of its own", "document.title.split(' · ')[0].length > 1"),
        ("a language", "['sv', 'en'].includes(document.documentElement.lang)"),
        (
            "no id twice",
            "new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size === document.querySelectorAll('[id]').length",
        ),
        ("nothing hidden in sight", "[...document.querySelectorAll('[hidden]')].every(one => !one.checkVisibility())"),
        ("no scrolling sideways", "document.documentElement.scrollWidth <= innerWidth"),
    ] {
        assert_eq!(browser.ask(expression), true, "{path} has not {what}");
    }
}

#[test]
fn whatever_can_be_used_is_reached_by_the_tabulator_in_order_seen_and_named() {
    let Some(browser) = Browser::open("sv") else { return };
    let stage = Stage::set();
    browser.go(&format!("{}/login", stage.console));
    walk(&browser, "/login");
    stage.stuck();
    let partner = stage.serve(SOUTH);
    // Once nothing happens any more, no page changes under the walk.
    stage.send_and_wait();
    browser.go(&stage.link());
    browser.until("document.querySelector('nav.menu') !== null");
    let links =
        || browser.ask(LINKS).as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect();
    let mut waiting: Vec<String> = links();
    let mut kinds = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        // One page of each kind: ids and questions in the address make no other.
        if !kinds.insert(kind(&path)) {
            continue;
        }
        browser.go(&format!("{}{path}", stage.console));
        walk(&browser, &path);
        waiting.extend::<Vec<String>>(links());
    }
    for kind in [
        "/",
        "/queue",
        "/messages/…",
        "/refusals",
        "/mailbox",
        "/mailbox/…",
        "/mailbox/…/write",
        "/mailbox/…/messages/…",
    ] {
        assert!(kinds.contains(kind), "{kind} was not found among {kinds:?}");
    }
    drop(partner);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// The address without ids and questions.
fn kind(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let step =
        |step: &str| if step.contains(|c: char| c.is_ascii_digit()) { "…".to_owned() } else { step.to_owned() };
    path.split('/').map(step).collect::<Vec<_>>().join("/")
}
