//! The pages of two access points, from outside: who is let in, what is shown to whom, and sending from them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "in a test a failed assumption is a failed test, and what is left out is said"
)]

mod access;
mod doors;

use doors::{Answered, Door, Federation, Site, form, running};
use http::{Method, header};
use sluss::net::Body;

const ALICE: &str = "0203:ankeborg.example.se";
const BOB: &str = "0203:storstad.example.se";
const LABEL: &str = "<script>alert(1)</script> Ärende";

/// Logs in as the owner and returns the cookie.
async fn logged_in(site: &Site) -> String {
    let answer = site.page(Method::GET, &site.link(None).await, &[], Body::empty()).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&site.token), "the cookie is not the token");
    cookie.split(';').next().unwrap().to_owned()
}

async fn get(site: &Site, cookie: &str, path: &str) -> Answered {
    site.page(Method::GET, path, &[(header::COOKIE, cookie)], Body::empty()).await
}

/// The secret of the forms of a page.
fn form_secret(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
}

/// Sends one message from the page of the first site, and returns where the browser is led.
async fn send(federation: &Federation, cookie: &str) -> String {
    let site = &federation.sites[0];
    let path = format!("/mailbox/{ALICE}/write");
    let secret = form_secret(&get(site, cookie, &path).await.text());
    let (kind, body) = form(vec![
        ("csrf", secret, None),
        ("to", BOB.into(), None),
        ("label", LABEL.into(), None),
        ("text", "Rad ett\n\n<b>Rad två</b>".into(), None),
        ("confidential", "true".into(), None),
        ("priority", "high".into(), None),
        ("document", String::new(), Some(("a.pdf", b"%PDF-1.7".to_vec()))),
    ]);
    let answer = site.page(Method::POST, &path, &[(header::COOKIE, cookie), (header::CONTENT_TYPE, &kind)], body).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_sent_from_a_page_is_read_on_a_page() {
    let federation = running().await;
    let [one, two] = &federation.sites;
    let cookie = logged_in(one).await;
    let place = send(&federation, &cookie).await;
    let sent = get(one, &cookie, &place).await.text();
    assert!(sent.contains("role=\"status\"") && sent.contains("&#60;script&#62;"), "{sent}");
    for page in ["/queue?direction=out".to_owned(), format!("/messages/{}", place.rsplit('/').next().unwrap())] {
        let page = get(one, &cookie, &page).await.text();
        assert!(page.contains("Prioritet") && page.contains("Hög"), "{page}");
    }

    let theirs = logged_in(two).await;
    let mut inbox = String::new();
    for _ in 0..200 {
        inbox = get(two, &theirs, &format!("/mailbox/{BOB}")).await.text();
        if inbox.contains("title=\"NEW\"") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let path = inbox
        .split("href=\"")
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .find(|path| path.contains("/messages/"))
        .unwrap();
    let mail = get(two, &theirs, path).await.text();
    for part in ["<p>Rad ett</p>", "&#60;b&#62;Rad två", "Sekretess", "a.pdf", "/documents/1\" download"] {
        assert!(mail.contains(part), "{part} in {mail}");
    }
    assert!(!mail.contains("<script") && !inbox.contains("<script"));
    let document = get(two, &theirs, &format!("{path}/documents/1")).await;
    assert_eq!((document.status, document.body.as_slice()), (200, b"%PDF-1.7".as_slice()));
    assert!(document.header("content-disposition").starts_with("attachment;"));

    // What operators see of the same message holds nothing of it.
    let id = path.rsplit('/').next().unwrap();
    for path in ["/".to_owned(), "/queue".to_owned(), format!("/messages/{id}")] {
        let page = get(two, &theirs, &path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text().contains("Ärende") && !page.text().contains("a.pdf"), "{path}");
    }
    // The mailbox of one participant does not open messages of another.
    assert_eq!(get(one, &cookie, &format!("/mailbox/{ALICE}/messages/{id}")).await.status, 404);
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_from_a_page_needs_the_form_of_this_log_in_and_a_reason() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    let place = send(&federation, &cookie).await;
    let id = place.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap().to_owned();
    let path = format!("/messages/{id}");
    let secret = form_secret(&get(one, &cookie, &path).await.text());
    let kind = "application/x-www-form-urlencoded";
    for (csrf, reason, action, status) in [
        ("wrong", "x", "cancel", 403),
        (secret.as_str(), "", "cancel", 400),
        (secret.as_str(), "x", "drop", 404),
        // It is released only where it is held.
        (secret.as_str(), "x", "release", 422),
    ] {
        let body = Body::empty().memory(format!("csrf={csrf}&reason={reason}&action={action}"));
        let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, kind)];
        let mut answer = one.page(Method::POST, &path, &headers, body).await;
        for _ in 0..50 {
            if answer.status != 503 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let body = Body::empty().memory(format!("csrf={csrf}&reason={reason}&action={action}"));
            answer = one.page(Method::POST, &path, &headers, body).await;
        }
        assert_eq!(answer.status, status, "{action}: {}", answer.text());
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_by_any_id_and_acted_on_with_others_from_the_list() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    let place = send(&federation, &cookie).await;
    let id = until(one, &place, |message| message["status"] == "ACCEPTED").await;
    let message = one.json(&format!("/queue/{id}")).await.1["message"].clone();
    for name in ["id", "envelope_id", "as4_message_id"] {
        let wanted = message[name].as_str().unwrap();
        let found = get(one, &cookie, &format!("/queue?id={wanted}")).await;
        assert_eq!((found.status, found.header("location")), (303, format!("/messages/{id}").as_str()), "{name}");
    }
    let log = get(one, &cookie, &format!("/events?message={id}&stage=receipted&since=2026-01-01T00%3A00")).await.text();
    assert!(log.contains("AS4-kvittens</h3>") && !log.contains("Packat</h3>"), "{log}");
    let nothing = get(one, &cookie, &format!("/events?message={id}&until=2026-01-01T00%3A00")).await.text();
    assert!(nothing.contains("class=\"empty\""), "{nothing}");
    assert!(get(one, &cookie, "/events?stage=lost").await.text().contains("role=\"alert\""));
    let certificates = get(one, &cookie, "/certificates").await.text();
    assert!(certificates.contains("AP0001-DEMO") && certificates.contains("Utfärdare vi litar på"), "{certificates}");
    assert!(get(one, &cookie, "/queue?id=nothing-like-it").await.text().contains("class=\"empty\""));
    let list = get(one, &cookie, "/queue?status=ACCEPTED").await.text();
    assert!(list.contains(&format!("name=\"id\" value=\"{id}\"")), "{list}");
    let secret = form_secret(&list);
    let kind = "application/x-www-form-urlencoded";
    let order = |which: &str, csrf: &str| {
        Body::empty().memory(format!(
            "csrf={csrf}&filter=status%3DACCEPTED&which={which}&id={id}&id={id}&reason=test&action=retry"
        ))
    };
    let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, kind)];
    assert_eq!(one.page(Method::POST, "/queue/actions", &headers, order("chosen", "wrong")).await.status, 403);
    // What is delivered is not sent again, and the page says so for each.
    for (which, refused) in [("chosen", 2), ("all&confirmed=yes", 1)] {
        let answer = one.page(Method::POST, "/queue/actions", &headers, order(which, &secret)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains(&format!("Gick inte: <strong>{refused}</strong>")), "{}", answer.text());
        assert!(answer.text().contains("Meddelandet är i fel läge för det"));
    }
    // Before, it is said how many that is, and nothing is done.
    let before = one.json(&format!("/queue/{id}")).await;
    let asked = one.page(Method::POST, "/queue/actions", &headers, order("all", &secret)).await.text();
    assert!(asked.contains("stämmer med filtret: <strong>1</strong>") && !asked.contains("Gick inte"), "{asked}");
    assert_eq!(one.json(&format!("/queue/{id}")).await, before);
    // Without a condition nothing is done to all there is, as by the command line.
    let all = format!("csrf={secret}&filter=after%3D{id}&which=all&reason=test&action=cancel");
    let answer = one.page(Method::POST, "/queue/actions", &headers, Body::empty().memory(all)).await;
    assert!(answer.status == 422 && answer.text().contains("Filtrera först"), "{}", answer.text());
    federation.stop().await;
}

/// The message of a place that a browser is led to, once it is so.
async fn until(site: &Site, place: &str, so: impl Fn(&serde_json::Value) -> bool) -> String {
    let id = place.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap().to_owned();
    let mut message = serde_json::Value::Null;
    for _ in 0..300 {
        message = site.json(&format!("/queue/{id}")).await.1["message"].clone();
        if so(&message) {
            return id;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it did not come to be as expected: {message}");
}

/// A partner is tried from its page, with a reason.
async fn is_tried(one: &Site, cookie: &str, partners: &str) {
    let (kind, secret) = ("application/x-www-form-urlencoded", form_secret(partners));
    let trial = |reason: &str| format!("csrf={secret}&partner=AP0002-DEMO&reason={reason}");
    let headers = [(header::COOKIE, cookie), (header::CONTENT_TYPE, kind)];
    let without = one.page(Method::POST, "/partners", &headers, Body::empty().memory(trial(""))).await;
    assert_eq!(without.status, 400, "{}", without.text());
    let tried = one.page(Method::POST, "/partners", &headers, Body::empty().memory(trial("it+is+back"))).await;
    assert_eq!(tried.status, 303, "{}", tried.text());
    let (_, log) = one.json("/events?stage=partner-tried&partner=AP0002-DEMO").await;
    assert_eq!(log["events"][0]["facts"]["reason"], "it is back", "{log}");
    let unknown = Body::empty().memory(r#"{"reason":"a test"}"#);
    let unknown = one.api(Method::POST, "/partners/AP0009-DEMO/try", Some("application/json"), unknown).await;
    assert!(unknown.text().contains("partner-not-found"), "{}", unknown.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_by_its_cause_and_tried_again_with_all_others_of_it() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    assert!(get(one, &cookie, "/dead-letters").await.text().contains("class=\"empty\""));
    federation.unreachable("AP0002-DEMO", false);
    let place = send(&federation, &cookie).await;
    let id = until(one, &place, |message| message["status"] == "SCHEDULED_FOR_RESEND").await;
    let partners = get(one, &cookie, "/partners").await.text();
    for part in ["AP0002-DEMO", "Misslyckade försök i rad", "<code>access-point-unreachable</code>", "sluss ping"] {
        assert!(partners.contains(part), "{part} in {partners}");
    }
    // It has not answered since the start, so its breaker opened at once, and the message says so.
    assert!(partners.contains("Brytaren"), "{partners}");
    let journey = get(one, &cookie, &format!("/messages/{id}")).await.text();
    for part in ["Väntar: ", "href=\"/partners\">AP0002-DEMO</a>", "Det här kan du göra: "] {
        assert!(journey.contains(part), "{part} in {journey}");
    }
    let (_, shown) = one.json(&format!("/queue/{id}")).await;
    assert_eq!(shown["awaited"]["partner"], "AP0002-DEMO", "{shown}");
    is_tried(one, &cookie, &partners).await;
    let (_, status) = one.json("/status").await;
    let partner = status["partners"].as_array().unwrap().iter().find(|one| one["partner"] == "AP0002-DEMO").unwrap();
    assert!(partner["failures"].as_u64().unwrap() > 0 && partner["failing_since"].is_string(), "{partner}");
    assert_eq!(partner["last_failure"]["type"], "urn:sluss:problem:access-point-unreachable");
    let participants = get(one, &cookie, "/participants").await.text();
    assert!(participants.contains("participant=0203%3Aankeborg%2Eexample%2Ese\">1</a>"), "{participants}");
    let order = Body::empty().memory(r#"{"reason":"a test"}"#);
    let cancelled = one.api(Method::POST, &format!("/queue/{id}/cancel"), Some("application/json"), order).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());

    let page = get(one, &cookie, "/dead-letters?cause=cancelled&partner=AP0002-DEMO").await.text();
    for part in
        [&format!("name=\"id\" value=\"{id}\""), "<code class=\"word\">cancelled</code>", "Någon i driften avbröt"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("&#196;rende") && !page.contains("Ärende"), "nothing of its content");
    let other = get(one, &cookie, "/dead-letters?cause=smp-unreachable").await.text();
    assert!(!other.contains(&id), "another cause: {other}");
    let wrong = get(one, &cookie, "/dead-letters?participant=digg.se").await.text();
    assert!(wrong.contains("role=\"alert\"") && wrong.contains("0203:digg.se"), "{wrong}");
    assert_eq!(one.json("/queue?cause=cancelled").await.1["messages"][0]["id"], id.as_str());
    assert_eq!(one.json("/queue?cause=other").await.1["messages"], serde_json::json!([]));

    federation.unreachable("AP0002-DEMO", true);
    assert_eq!(one.json(&format!("/lookup?participant={BOB}&fresh=true")).await.0, 200);
    let filter = "status%3Dattention%26cause%3Dcancelled%26partner%3DAP0002%252DDEMO";
    let order = |which: &str, reason: &str| {
        let csrf = form_secret(&page);
        let order =
            format!("csrf={csrf}&list=%2Fdead-letters&filter={filter}&which={which}&reason={reason}&action=retry");
        Body::empty().memory(order)
    };
    let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
    let without = one.page(Method::POST, "/queue/actions", &headers, order("all", "")).await;
    assert_eq!(without.status, 400, "{}", without.text());
    let asked = one.page(Method::POST, "/queue/actions", &headers, order("all", "the+partner+is+back")).await.text();
    assert!(asked.contains("stämmer med filtret: <strong>1</strong>"), "{asked}");
    assert_eq!(one.json(&format!("/queue/{id}")).await.1["message"]["error"]["title"], "an operator cancelled it");
    let confirmed = order("all&confirmed=yes", "the+partner+is+back");
    let answer = one.page(Method::POST, "/queue/actions", &headers, confirmed).await;
    assert!(answer.text().contains("Gjort: <strong>1</strong>"), "{}", answer.text());
    assert!(answer.text().contains("href=\"/dead-letters?status=attention"), "{}", answer.text());
    until(one, &place, |message| message["status"] == "ACCEPTED").await;
    assert!(get(one, &cookie, "/dead-letters").await.text().contains("class=\"empty\""), "it is gone");
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_of_changes_and_let_go_when_the_process_ends() {
    let federation = running().await;
    let one = &federation.sites[0];
    assert_eq!(one.page(Method::GET, "/live", &[], Body::empty()).await.status, 303);
    let cookie = logged_in(one).await;
    let script = one.page(Method::GET, "/live.js", &[], Body::empty()).await;
    assert!(script.header("content-type").starts_with("text/javascript"));
    assert!(get(one, &cookie, "/").await.text().contains("<script src=\"/live.js\" defer></script>"));
    let mut events = one.open("/live", &cookie).await;
    assert_eq!(events.status, 200);
    send(&federation, &cookie).await;
    let first = events.chunk(std::time::Duration::from_secs(20)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).starts_with("event: changed"), "{first:?}");
    let begin = std::time::Instant::now();
    federation.stop().await;
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "the stop does not wait for those who follow");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_stay_outside() {
    let federation = running().await;
    let [one, two] = &federation.sites;
    for path in ["/", "/queue", "/refusals", "/mailbox", "/messages/x", "/no/such/page"] {
        let answer = one.page(Method::GET, path, &[], Body::empty()).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?next="), "{path}");
    }
    let cookie = logged_in(one).await;
    let foreign = logged_in(two).await;
    let (name, value) = cookie.split_once('=').unwrap();
    let shorter = format!("{name}={}", &value[1..]);
    let other = format!("{name}={}", foreign.split_once('=').unwrap().1);
    for bad in [foreign.as_str(), &shorter, &other, &format!("{name}=x"), &format!("{name}=")] {
        assert_eq!(get(one, bad, "/").await.status, 303, "{bad}");
    }
    assert_eq!(get(one, &cookie, "/").await.status, 200);
    assert_eq!(get(one, &cookie, "/no/such/page").await.status, 404);
    assert_eq!(one.page(Method::GET, "/login?once=wrong", &[], Body::empty()).await.status, 403);
    let link = format!("{}&next=%2F%2Fevil.example", one.link(None).await);
    let entered = one.page(Method::GET, &link, &[], Body::empty()).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
    assert_eq!(one.page(Method::GET, &link, &[], Body::empty()).await.status, 403, "a link works once");
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_name_or_a_foreign_form_does_nothing() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"] {
        let headers = [(header::COOKIE, cookie.as_str()), (header::HOST, host)];
        assert_eq!(one.page(Method::GET, "/", &headers, Body::empty()).await.status, 421, "{host}");
    }
    for host in ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"] {
        let headers = [(header::COOKIE, cookie.as_str()), (header::HOST, host)];
        assert_eq!(one.page(Method::GET, "/", &headers, Body::empty()).await.status, 200, "{host}");
    }
    for secret in [None, Some("wrong")] {
        let mut parts =
            vec![("to", BOB.to_owned(), None), ("label", "x".to_owned(), None), ("text", "y".to_owned(), None)];
        if let Some(secret) = secret {
            parts.insert(0, ("csrf", secret.to_owned(), None));
        }
        let (kind, body) = form(parts);
        let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, kind.as_str())];
        assert_eq!(one.page(Method::POST, &format!("/mailbox/{ALICE}/write"), &headers, body).await.status, 403);
    }
    let (_, queue) = one.json("/queue").await;
    assert_eq!(queue["messages"], serde_json::json!([]));
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_sent_comes_back_filled_in() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    let path = format!("/mailbox/{ALICE}/write");
    let secret = form_secret(&get(one, &cookie, &path).await.text());
    for (to, text, part) in
        [("0203:nowhere.example.se", "Hej", "nowhere"), ("digg.se", "Hej", "digg.se"), (BOB, "", "välj minst en fil")]
    {
        let (kind, body) = form(vec![
            ("csrf", secret.clone(), None),
            ("to", to.into(), None),
            ("label", "Ärende \"7\"".into(), None),
            ("text", text.into(), None),
            ("document", String::new(), Some(("", Vec::new()))),
        ]);
        let headers = [
            (header::COOKIE, cookie.as_str()),
            (header::CONTENT_TYPE, kind.as_str()),
            (header::ACCEPT_LANGUAGE, "sv-SE,en;q=0.5"),
        ];
        let answer = one.page(Method::POST, &path, &headers, body).await;
        assert_eq!(answer.status, 422, "{to}");
        assert!(answer.text().contains(part), "{part} in {}", answer.text());
        assert!(answer.text().contains("value=\"Ärende &#34;7&#34;\""), "{}", answer.text());
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_speak_the_language_asked_for_and_keep_scripts_out() {
    let federation = running().await;
    let one = &federation.sites[0];
    let cookie = logged_in(one).await;
    let chosen = get(one, &cookie, "/queue?lang=en&status=ACCEPTED").await;
    assert!(chosen.text().contains("<html lang=\"en\">") && chosen.text().contains("<h1>Queue</h1>"));
    let kept = format!("{cookie}; {}", chosen.header("set-cookie").split(';').next().unwrap());
    assert!(get(one, &kept, "/").await.text().contains("<html lang=\"en\">"));
    assert!(get(one, &cookie, "/").await.text().contains("<html lang=\"sv\">"));
    let policy = chosen.header("content-security-policy");
    for part in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(chosen.header("cache-control"), "no-store");
    let style = one.page(Method::GET, "/style.css", &[], Body::empty()).await;
    assert!(style.header("content-type").starts_with("text/css"));
    let wrong = get(one, &cookie, "/queue?status=LOST&older_than=x").await;
    assert!(wrong.text().contains("role=\"alert\""));
    federation.stop().await;
}
