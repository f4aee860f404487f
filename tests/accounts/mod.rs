//! Accounts and tokens by the command line, against daemons that run.

use super::support::{ALICE, DAVID, Daemon, NORTH, document, http, sluss, wait, world};
use serde_json::Value;
use sluss::net::{Body, Client, ClientSettings, Outgoing};
use std::fs;
use std::time::Duration;

#[test]
fn a_token_of_a_role_acts_under_its_name_until_it_is_removed_and_no_further_than_its_role() {
    let world = world();
    let _third = world.third();
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "t.txt", b"to nobody yet");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (name, role) in [("night", "operator"), ("watch", "viewer")] {
        world.at(NORTH, &["tokens", "add", name, "--role", role, "--save", &path(name), "--reason", "a test"]).done();
        let secret = fs::read_to_string(path(name)).unwrap();
        let listed = String::from_utf8(world.at(NORTH, &["tokens", "list"]).done().out).unwrap();
        assert!(listed.contains(name) && !listed.contains(secret.trim()), "{listed}");
    }
    let sent = world.at(NORTH, &["send", "--from", ALICE, "--to", DAVID, &file]).done().one();
    let (id, envelope) = (sent["id"].as_str().unwrap(), sent["envelope_id"].as_str().unwrap());
    world.until_status(NORTH, envelope, "SCHEDULED_FOR_RESEND");
    let by = |name: &str, words: &[&str]| {
        let token = path(name);
        wait(|| {
            let ran = world.at(NORTH, &[words, &["--token-file", token.as_str()]].concat());
            // While an attempt is under way, the answer is to come again.
            (ran.status != Some(3)).then_some(ran)
        })
        .unwrap()
    };
    by("watch", &["queue", "show", id]).done();
    let error = by("watch", &["queue", "cancel", id, "--reason", "x"]).ended(1).error();
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("token:watch has the role viewer, expected operator"), "{error}");
    let error = by("night", &["inbox"]).ended(1).error();
    assert!(error["detail"].as_str().unwrap().contains("never for operators"), "{error}");
    by("night", &["queue", "cancel", id, "--reason", "by night"]).done();
    let journey = world.journey(NORTH, &sent);
    let events = journey["journey"].as_array().unwrap();
    let event = events.iter().find(|event| event["stage"] == "cancelled").unwrap();
    assert_eq!((&event["facts"]["actor"], &event["facts"]["reason"]), (&"token:night".into(), &"by night".into()));
    // An actor that a client claims is not taken.
    let body = br#"{"reason":"x","actor":"somebody else"}"#;
    let claimed = claim(id, &fs::read_to_string(path("night")).unwrap(), body);
    assert!(claimed.status == 400 && claimed.text().contains("actor"), "{claimed:?}");
    // A token makes no link that its role does not, and is not passed over in silence.
    let error = by("watch", &["accounts", "link"]).ended(1).error();
    assert!(error["detail"].as_str().unwrap().contains("token:watch has the role viewer"), "{error}");
    let error = by("nobody", &["accounts", "link"]).ended(2).error();
    assert!(error["detail"].as_str().unwrap().contains("--token-file"), "{error}");
    let error = by("watch", &["tokens", "list"]).ended(2).error();
    assert!(error["detail"].as_str().unwrap().contains("expected none"), "{error}");
    world.at(NORTH, &["tokens", "remove", "night", "--reason", "a test"]).done();
    let error = by("night", &["queue", "list"]).ended(2).error();
    assert_eq!(error["type"], "urn:sluss:problem:unauthorized", "{error}");
}

fn claim(id: &str, token: &str, body: &[u8]) -> http::Answer {
    ask(token, "POST", &format!("/queue/{id}/hold"), body)
}

fn ask(token: &str, method: &str, path: &str, body: &[u8]) -> http::Answer {
    let text = fs::read_to_string(world().config(NORTH)).unwrap();
    let address = text.lines().find(|line| line.starts_with("api = ")).unwrap().split('"').nth(1).unwrap().to_owned();
    let head = format!("Authorization: Bearer {}\r\n", token.trim());
    http::ask(&address, method, &format!("/api/v1{path}"), &head, body)
}

#[test]
fn accounts_are_added_listed_changed_and_removed_and_no_password_comes_from_an_argument() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "h\u{e4}st batteri klammer\n").unwrap();
    let file = file.display().to_string();
    let add = ["accounts", "add", "Eva", "--role", "operator", "--password-file", &file, "--reason", "a test"];
    world.at(NORTH, &add).done();
    assert!(world.at(NORTH, &add).ended(1).error()["detail"].as_str().unwrap().contains("eva already"));
    let eva = |what: &str| {
        let listed = world.at(NORTH, &["accounts", "list"]).done().lines;
        let eva = listed.iter().find(|account| account["name"] == "eva").cloned().unwrap_or_default();
        assert!(!eva.to_string().contains("argon2"), "{eva}");
        eva[what].clone()
    };
    assert_eq!((eva("role"), eva("password"), eva("locked")), ("operator".into(), true.into(), false.into()));
    world.at(NORTH, &["accounts", "lock", "eva", "--reason", "a test"]).done();
    assert_eq!(eva("locked"), true);
    world.at(NORTH, &["accounts", "link", "eva"]).ended(1);
    world.at(NORTH, &["accounts", "unlock", "eva", "--reason", "a test"]).done();
    let link = world.at(NORTH, &["accounts", "link", "eva"]).done().one();
    assert!(link["url"].as_str().unwrap().contains("/login?once="), "{link}");
    world
        .at(NORTH, &["accounts", "role", "eva", "--role", "participant", "--participant", ALICE, "--reason", "a test"])
        .done();
    assert_eq!(eva("participants"), serde_json::json!([ALICE]));
    for (words, status, part) in [
        (&["accounts", "password", "eva", "--reason", "a test"][..], 2, "--password-file"),
        (&["accounts", "password", "eva", "--password-env", "SLUSS_NO_SUCH", "--reason", "a test"], 2, "SLUSS_NO_SUCH"),
        (&["accounts", "password", "eva", "--password", "x"], 2, "unexpected argument"),
        (&["accounts", "add", "x", "--role", "owner"], 2, "possible values"),
        (&["accounts", "add", "x", "--role", "participant", "--reason", "a test"], 2, "--participant"),
        (&["accounts", "add", "../x", "--role", "viewer", "--reason", "a test"], 2, "a-z"),
        (&["accounts", "add", "x", "--role", "viewer"], 2, "--reason"),
        (&["accounts", "add", "x", "--role", "viewer", "--reason", " "], 2, "every action needs a reason"),
        (&["accounts", "remove", "nobody", "--reason", "a test"], 1, "expected one of"),
    ] {
        let ran = world.at(NORTH, words).ended(status);
        let all = String::from_utf8_lossy(&ran.out).into_owned();
        assert!(all.contains(part), "{words:?}: {all}");
    }
    fs::write(&file, "kort").unwrap();
    let short = world
        .at(NORTH, &["accounts", "password", "eva", "--password-file", &file, "--reason", "a test"])
        .ended(2)
        .error();
    assert!(short["detail"].as_str().unwrap().contains("at least 15"), "{short}");
    world.at(NORTH, &["accounts", "remove", "eva", "--reason", "a test"]).done();
    assert_eq!(eva("name"), Value::Null);
    // Each of them is in the event log, with its reason and who gave it.
    let log = || {
        let token = fs::read_to_string(world.folder(NORTH).join("data/api.token")).unwrap();
        let answer = ask(&token, "GET", "/events?stage=access-changed&limit=100", b"");
        let log: Value = serde_json::from_slice(&answer.body).unwrap();
        let events = log["events"].as_array().unwrap().iter().filter(|event| {
            event["facts"]["reason"] == "a test" && event["detail"].as_str().unwrap().contains("account eva")
        });
        let events: Vec<Value> = events.cloned().collect();
        (events.len() == 5).then_some(events)
    };
    let events = wait(log).expect("five changes of one account");
    let said: Vec<&str> = events.iter().map(|event| event["detail"].as_str().unwrap()).collect();
    let expected = [
        "removed: participant 0203:alice.example.se",
        "changed (role): participant 0203:alice.example.se",
        "changed (lock): operator",
        "changed (lock): operator, locked",
        "added: operator",
    ];
    assert_eq!(said, expected.map(|what| format!("the account eva was {what}")));
    assert!(events.iter().all(|event| event["facts"]["by"].as_str().unwrap().contains('(')), "{events:?}");
}

/// A daemon beside the northern one, whose pages speak TLS, with addresses and a data folder of its own.
fn with_tls() -> Daemon {
    let world = world();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/test/tls/localhost");
    let text = fs::read_to_string(world.config(NORTH)).unwrap();
    let lines = text.lines().map(|line| match line.split(' ').next() {
        Some(name @ ("as4" | "api" | "console")) => format!("{name} = \"127.0.0.1:0\""),
        Some("data_dir") => "data_dir = \"data-tls\"".into(),
        Some("[federation]") => format!(
            "[listen.console_tls]\ncertificate_file = \"{keys}/cert.pem\"\nkey_file = \"{keys}/test-key.pem\"\n\n\
             [console]\nhosts = [\"sluss.example.se\"]\nsession_idle_seconds = 60\n\n{line}"
        ),
        _ => line.to_owned(),
    });
    let file = world.folder(NORTH).join("with-tls.toml");
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let args = ["serve", "--json", "--config", &file.display().to_string()].map(str::to_owned);
    Daemon::start(&args, &world.folder(NORTH).join("with-tls.log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_over_tls_set_cookies_that_only_tls_carries() {
    let daemon = tokio::task::spawn_blocking(with_tls).await.unwrap();
    let console = daemon.ready["console"].as_str().unwrap().replace("127.0.0.1", "localhost");
    assert!(console.starts_with("https://"), "{}", daemon.ready);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/test/ca/tls.cert.pem");
    let root = sluss::pki::Certificate::from_pem(&fs::read(root).unwrap()).unwrap();
    let roots = vec![root.der().to_vec()];
    let client = Client::new(&ClientSettings { roots, ..ClientSettings::default() }).unwrap();
    let (url, headers, timeout) = (format!("{console}login"), Vec::new(), Duration::from_secs(30));
    let asked = Outgoing { method: ::http::Method::GET, url: &url, headers: &headers, body: Body::empty(), timeout };
    let answer = client.request(asked).await.unwrap();
    let said = |name: &str| answer.headers.get(name).unwrap().to_str().unwrap().to_owned();
    let cookie = said("set-cookie");
    assert!(
        cookie.starts_with("__Host-sluss-login-") && cookie.contains("; Secure") && cookie.contains("Path=/;"),
        "{cookie}"
    );
    assert!(said("strict-transport-security").starts_with("max-age="));
    // A damaged file of accounts does not come into force, and the log says so.
    let accounts = world().folder(NORTH).join("data-tls/accounts.json");
    fs::write(&accounts, "{").unwrap();
    daemon.signal("-HUP");
    wait(|| daemon.log().contains("the file of accounts cannot be used").then_some(())).expect("a line in the log");
}

#[test]
fn pages_for_other_machines_need_tls_and_check_says_so() {
    let world = world();
    let text = fs::read_to_string(world.config(NORTH)).unwrap();
    let tls = "[listen.console_tls]\ncertificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n\n[federation]";
    let open = text.replace("console = \"127.0.0.1", "console = \"0.0.0.0");
    let short = "[console]\nsession_idle_seconds = 5\n\n[federation]";
    for (name, changed, part) in [
        ("console-for-all", open.clone(), "add [listen.console_tls]"),
        ("console-unnamed", open.replace("[federation]", tls), "console.hosts"),
        ("console-short", text.replace("[federation]", short), "session_idle_seconds 5"),
    ] {
        let file = world.folder(NORTH).join(format!("{name}.toml"));
        fs::write(&file, changed).unwrap();
        for command in ["check", "serve"] {
            let ran = sluss(&[command, "--json", "--config", &file.display().to_string()]).ended(2);
            let all = String::from_utf8_lossy(&ran.out).into_owned();
            assert!(all.contains(part), "{name}, {command}: {all}");
        }
    }
}

/// One request to the pages of the northern access point, with these lines of its header.
fn page(method: &str, path: &str, head: &str, body: &str) -> http::Answer {
    let text = fs::read_to_string(world().config(NORTH)).unwrap();
    let address =
        text.lines().find(|line| line.starts_with("console = ")).unwrap().split('"').nth(1).unwrap().to_owned();
    let head = format!("{head}Content-Type: application/x-www-form-urlencoded\r\n");
    http::ask(&address, method, path, &head, body.as_bytes())
}

fn cookie(answer: &http::Answer) -> String {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value);
    format!("Cookie: {}\r\n", set.map(|value| value.split(';').next().unwrap()).next().unwrap())
}

#[test]
fn log_ins_refusals_and_opened_mail_are_lines_of_the_log_with_actor_and_address_and_no_secret() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "korrekt batteri klammer").unwrap();
    let file = file.display().to_string();
    world
        .at(NORTH, &["accounts", "add", "ulf", "--role", "viewer", "--password-file", &file, "--reason", "a test"])
        .done();
    world
        .at(NORTH, &["accounts", "add", "alma", "--role", "participant", "--participant", ALICE, "--reason", "a test"])
        .done();
    let form = page("GET", "/login", "", "");
    let secret = form.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let log_in = |name: &str, password: &str| {
        page("POST", "/login", &cookie(&form), &format!("csrf={secret}&name={name}&password={password}"))
    };
    assert_eq!(log_in("ulf", "hemlig+gissning+99").status, 403);
    assert_eq!(log_in("hemligt-namn", "hemlig+gissning+99").status, 403);
    let entered = log_in("ulf", "korrekt+batteri+klammer");
    assert_eq!(entered.status, 303);
    assert_eq!(page("GET", &format!("/mailbox/{ALICE}"), &cookie(&entered), "").status, 403);

    let (document, _) = document(folder.path(), "u.txt", b"an answer");
    let sent =
        world.at(NORTH, &["send", "--from", ALICE, "--to", DAVID, "--label", "Orosanmalan", &document]).done().one();
    let link = world.at(NORTH, &["accounts", "link", "alma"]).done().one()["url"].as_str().unwrap().to_owned();
    let path = link.split_once("/login").unwrap().1;
    let alma = page("GET", &format!("/login{path}"), "", "");
    let id = sent["id"].as_str().unwrap();
    assert_eq!(page("GET", &format!("/mailbox/{ALICE}/messages/{id}"), &cookie(&alma), "").status, 200);

    // Changes of accounts are looked for every two seconds.
    let log = wait(|| {
        let log = fs::read_to_string(world.dir.join(format!("{NORTH}.log"))).unwrap();
        log.contains("the account ulf was added: viewer").then_some(log)
    })
    .expect("the change in the log");
    let line = |parts: &[&str]| {
        let found = log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "no line with {parts:?} in {log}");
    };
    line(&["log-in-failed", "\"actor\":\"ulf\"", "\"address\":\"127.0.0.1\""]);
    line(&["log-in-failed", "\"actor\":\"nobody known\"", "\"address\":\"127.0.0.1\""]);
    line(&["logged-in", "\"actor\":\"ulf\"", "\"by\":\"password\"", "\"address\":\"127.0.0.1\""]);
    line(&["forbidden", "\"actor\":\"ulf\"", "127.0.0.1"]);
    line(&["link-made", "\"actor\":\"owner\"", "\"account\":\"alma\""]);
    line(&["content-opened", "\"actor\":\"alma\"", ALICE, id]);
    line(&["access-changed", "the account ulf was added: viewer"]);
    for secret in ["gissning", "klammer", "hemligt-namn", "Orosanmalan", path.split('=').nth(1).unwrap()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let failed = world.at(NORTH, &["audit", "list", "--stage", "log-in-failed", "--actor", "ulf"]).done().one();
    assert_eq!((&failed["facts"]["address"], &failed["message"]), (&"127.0.0.1".into(), &Value::Null), "{failed}");
    world.at(NORTH, &["accounts", "remove", "ulf", "--reason", "a test"]).done();
    world.at(NORTH, &["accounts", "remove", "alma", "--reason", "a test"]).done();
}
