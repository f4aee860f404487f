//! Who may do what at both doors, from outside.

use super::doors::{Answered, Door, Federation, Site, form, running};
use super::{ALICE, form_secret, get};
use http::{Method, header};
use sluss::accounts::{Book, Door as At, Need, PERMISSIONS, Permission, Role, Route, book_file};
use sluss::model::{Clock, SystemClock, Warrant};
use sluss::net::Body;

const PASSWORD: &str = "h\u{e4}st batteri klammer";
const FORM: &str = "application/x-www-form-urlencoded";

/// One account and one token of each role, by the role's word. The participant's is Alice's.
fn people(site: &Site) -> Vec<(Role, String)> {
    let (file, now) = (book_file(&site.data), SystemClock.now());
    let add = |role: Role| {
        let own = if role == Role::Participant { vec![ALICE.parse().unwrap()] } else { Vec::new() };
        let name = role.word().parse::<sluss::accounts::Name>().unwrap();
        let warrant = Warrant::new("kim (1000)", "a test").unwrap();
        let secret = Book::change(&file, &warrant, now, |book| {
            book.add(name.clone(), role, own.clone(), Some(PASSWORD), now)?;
            book.add_token(name, role, own, now)
        });
        (role, secret.unwrap())
    };
    Role::GIVEN.into_iter().map(add).collect()
}

async fn entered(site: &Site, account: &str) -> String {
    let answer = site.page(Method::GET, &site.link(Some(account)).await, &[], Body::empty()).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// A path of the table with something in its holes.
fn filled(route: &Route) -> String {
    let path = route.path.replace("{participant}", ALICE).replace("{action}", "retry").replace("{index}", "0");
    let path = path.replace("{message}", "01936a3e-0000-7000-8000-000000000001");
    let own = route.path.starts_with("/participants");
    path.replace("{id}", if own { ALICE } else { "01936a3e-0000-7000-8000-000000000001" })
}

fn is_allowed(role: Role, permission: Permission) -> bool {
    match permission.need() {
        Need::Nothing | Need::Anybody => true,
        Need::Mailbox => role == Role::Participant,
        Need::Role(least) => role >= least,
    }
}

fn method(route: &Route) -> Method {
    route.method.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_opens_to_the_roles_of_the_table_and_to_no_other() {
    let federation = running().await;
    let one = &federation.sites[0];
    let people = people(one);
    for route in PERMISSIONS.iter().filter(|route| route.door == At::Api) {
        let path = filled(route);
        let open = route.permission == Permission::Open;
        let ask = |token| one.api_with(method(route), &path, token, Some("application/json"), Body::empty());
        assert_eq!(ask(None).await.status == 401, !open, "{} {path}: strangers", route.method);
        for (role, token) in &people {
            let answer = ask(Some(token.as_str())).await;
            let refused = answer.status == 403;
            assert_eq!(
                refused,
                !is_allowed(*role, route.permission),
                "{role:?} {} {path}: {}",
                route.method,
                answer.text()
            );
            if refused {
                assert!(answer.text().contains(&format!("the role {}", role.word())), "{}", answer.text());
            }
        }
        if route.permission != Permission::Open {
            assert_ne!(ask(Some(one.token.as_str())).await.status, 403, "the owner may do everything: {path}");
        }
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_to_the_roles_of_the_table_with_its_protection_and_no_form_is_taken_without_its_secret() {
    let federation = running().await;
    let one = &federation.sites[0];
    for (role, _) in people(one) {
        let cookie = entered(one, role.word()).await;
        for route in PERMISSIONS.iter().filter(|route| route.door == At::Console) {
            let path = filled(route);
            if path == "/live" {
                // Its answer has no end, so only the head is looked at.
                let answer = one.open(&path, &cookie).await;
                assert_eq!(answer.status == 200, is_allowed(role, route.permission), "{role:?} {path}");
                assert!(answer.headers.contains_key("content-security-policy"));
                continue;
            }
            let posted = route.method == "POST";
            let body = Body::empty().memory(if posted { "reason=x&action=hold&name=x&password=y" } else { "" });
            let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, FORM)];
            let answer = one.page(method(route), &path, &headers, body).await;
            protected(&path, &answer);
            let allowed = is_allowed(role, route.permission);
            if posted && allowed {
                // The form with files says first that it wants its own type; its secret has a test of its own.
                let expected = if path.ends_with("/write") { 400 } else { 403 };
                assert_eq!(answer.status, expected, "{role:?} {path} without a secret: {}", answer.text());
            } else {
                assert_eq!(answer.status == 403, !allowed, "{role:?} {} {path}: {}", route.method, answer.text());
            }
        }
    }
    federation.stop().await;
}

fn protected(path: &str, answer: &Answered) {
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{path}: {policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    let kept = answer.header("cache-control");
    assert!(kept == "no-store" || ["/style.css", "/icon.svg", "/live.js"].contains(&path), "{path}: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_no_content_at_either_door_and_is_told_why() {
    let federation = running().await;
    let [one, two] = &federation.sites;
    let people = people(one);
    let token = |wanted: Role| people.iter().find(|(role, _)| *role == wanted).unwrap().1.clone();
    let parts = vec![
        ("from", ALICE.to_owned(), None),
        ("to", super::BOB.to_owned(), None),
        ("label", "Hemligt".to_owned(), None),
        ("text", "x".to_owned(), None),
    ];
    let (kind, body) = form(parts.clone());
    let clerk = token(Role::Participant);
    let sent = one.api_with(Method::POST, "/messages", Some(&clerk), Some(&kind), body).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let id = sent.value()["id"].as_str().unwrap().to_owned();
    for role in [Role::Operator, Role::Admin] {
        for path in [format!("/messages/{id}"), format!("/messages/{id}/documents/0"), "/inbox".into()] {
            let answer = one.api_with(Method::GET, &path, Some(&token(role)), None, Body::empty()).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(
                answer.text().contains("never for operators") && !answer.text().contains("Hemligt"),
                "{}",
                answer.text()
            );
        }
        let cookie = entered(one, role.word()).await;
        for path in [format!("/mailbox/{ALICE}"), format!("/mailbox/{ALICE}/messages/{id}"), "/mailbox".into()] {
            let answer = get(one, &cookie, &path).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(
                answer.text().contains("never for operators") && !answer.text().contains("Hemligt"),
                "{}",
                answer.text()
            );
        }
        assert!(!get(one, &cookie, "/").await.text().contains("href=\"/mailbox\""), "no link to what is refused");
    }
    // A participant's account has its own mailbox, and nothing of operators or of other participants.
    let cookie = entered(one, "participant").await;
    assert!(get(one, &cookie, &format!("/mailbox/{ALICE}/messages/{id}")).await.text().contains("Hemligt"));
    assert_eq!(get(one, &cookie, "/").await.header("location"), "/mailbox");
    assert_eq!(get(one, &cookie, &format!("/mailbox/{}", super::BOB)).await.status, 403);
    let mut forged = parts;
    forged[0].1 = super::BOB.to_owned();
    let (kind, body) = form(forged);
    let answer = one.api_with(Method::POST, "/messages", Some(&clerk), Some(&kind), body).await;
    assert!(answer.status == 403 && answer.text().contains("not bound to"), "{}", answer.text());
    let waiting = format!("/participants/{}/envelopes", super::BOB);
    assert_eq!(one.api_with(Method::GET, &waiting, Some(&clerk), None, Body::empty()).await.status, 403);
    assert_eq!(two.api_with(Method::GET, "/queue", Some(&clerk), None, Body::empty()).await.status, 401);
    federation.stop().await;
}

/// Asks for the log-in page; gives its cookie and the secret of its form.
async fn login_form(site: &Site) -> (String, String) {
    let page = site.page(Method::GET, "/login", &[], Body::empty()).await;
    (page.header("set-cookie").split(';').next().unwrap().to_owned(), form_secret(&page.text()))
}

async fn log_in(site: &Site, cookie: &str, secret: &str, name: &str, password: &str) -> Answered {
    let password = percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
    let body = Body::empty().memory(format!("csrf={secret}&name={name}&password={password}&next=%2Fqueue"));
    site.page(Method::POST, "/login", &[(header::COOKIE, cookie), (header::CONTENT_TYPE, FORM)], body).await
}

fn session_of(answer: &Answered) -> String {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    cookies
        .map(|cookie| cookie.split(';').next().unwrap().to_owned())
        .find(|cookie| cookie.contains("session"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_new_session_that_ends_with_log_out_and_guessing_is_slowed_down() {
    let federation: Federation = running().await;
    let one = &federation.sites[0];
    people(one);
    let (cookie, secret) = login_form(one).await;
    assert_eq!(log_in(one, &cookie, "wrong", "operator", PASSWORD).await.status, 403);
    let entered = log_in(one, &cookie, &secret, "Operator", PASSWORD).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/queue"), "{}", entered.text());
    let session = session_of(&entered);
    let page = get(one, &session, "/queue").await;
    assert!(page.status == 200 && page.text().contains(">operator<"), "{}", page.text());
    // Logging in again renews the id and ends the one before.
    let both = format!("{cookie}; {session}");
    let own = form_secret(&page.text());
    let renewed = session_of(&log_in(one, &both, &own, "operator", PASSWORD).await);
    assert!(renewed != session);
    assert_eq!(get(one, &session, "/queue").await.status, 303);
    let own = form_secret(&get(one, &renewed, "/queue").await.text());
    let out = |csrf: &str| Body::empty().memory(format!("csrf={csrf}"));
    let headers = [(header::COOKIE, renewed.as_str()), (header::CONTENT_TYPE, FORM)];
    assert_eq!(one.page(Method::POST, "/logout", &headers, out("wrong")).await.status, 403);
    assert_eq!(one.page(Method::POST, "/logout", &headers, out(&own)).await.status, 303);
    assert_eq!(get(one, &renewed, "/queue").await.status, 303);
    // The same answers for a name that exists and for one that does not.
    for name in ["viewer", "nobody"] {
        let mut last = log_in(one, &cookie, &secret, name, "fel").await;
        assert_eq!(last.status, 403);
        for _ in 0..6 {
            last = log_in(one, &cookie, &secret, name, "fel").await;
        }
        assert_eq!(last.status, 429, "{name}");
        assert!(last.header("retry-after").parse::<u64>().is_ok());
    }
    federation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_from_other_sites_too_large_or_of_another_type_are_refused_with_the_reason() {
    let federation = running().await;
    let one = &federation.sites[0];
    people(one);
    let cookie = entered(one, "operator").await;
    let secret = form_secret(&get(one, &cookie, "/queue").await.text());
    let path = "/messages/01936a3e-0000-7000-8000-000000000001";
    let good = format!("csrf={secret}&reason=x&action=retry");
    let host = one.console.strip_prefix("http://").unwrap();
    let here = format!("http://{host}");
    let origin = header::ORIGIN;
    let site = http::HeaderName::from_static("sec-fetch-site");
    for (name, value, status) in [
        (origin.clone(), here.as_str(), 404),
        (origin.clone(), "http://evil.example", 403),
        (origin.clone(), "null", 403),
        (origin, "http://127.0.0.1:1", 403),
        (site.clone(), "same-origin", 404),
        (site.clone(), "same-site", 403),
        (site, "cross-site", 403),
        (header::CONTENT_TYPE, "text/plain", 415),
        (header::CONTENT_TYPE, "multipart/form-data; boundary=x", 415),
        (header::CONTENT_TYPE, "", 415),
    ] {
        let mut headers = vec![(header::COOKIE, cookie.as_str())];
        if name != header::CONTENT_TYPE {
            headers.push((header::CONTENT_TYPE, FORM));
        }
        headers.push((name.clone(), value));
        let answer = one.page(Method::POST, path, &headers, Body::empty().memory(good.clone())).await;
        assert_eq!(answer.status, status, "{name}: {value}: {}", answer.text());
    }
    let headers = [(header::COOKIE, cookie.as_str()), (header::CONTENT_TYPE, FORM)];
    for (body, status, part) in [
        (format!("{good}&x={}", "x".repeat(20_000)), 413, "16 KiB"),
        (format!("csrf={secret}&action=retry"), 400, "inte helt ifyllt"),
        ("reason=x&action=retry".into(), 403, "Formul\u{e4}ret"),
        (format!("csrf={secret}&reason=x&action=..%2F"), 404, ""),
    ] {
        let answer = one.page(Method::POST, path, &headers, Body::empty().memory(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    for path in [
        "/messages/..%2F..%2Fetc%2Fpasswd",
        "/messages/7",
        "/mailbox/..%2Fapi.token",
        "/style.css/..%2F..",
        "//queue",
        "/queue/",
    ] {
        let answer = get(one, &cookie, path).await;
        assert!([403, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    federation.stop().await;
}
