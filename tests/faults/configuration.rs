//! Mistakes in the configuration: each names the key, the value and the remedy, all at once, and nothing is started.

use super::support::{BOB, NORTH, Ran, sluss, world};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

/// Runs a command over the northern configuration, changed.
fn with(name: &str, command: &str, change: impl Fn(String) -> String) -> Ran {
    let world = world();
    let file = world.folder(NORTH).join(format!("{name}.toml"));
    let text = fs::read_to_string(world.config(NORTH)).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "{name} changes nothing");
    fs::write(&file, changed).unwrap();
    sluss(&[command, "--json", "--config", &file.display().to_string()])
}

fn details(ran: &Ran) -> Vec<String> {
    let error = ran.lines[0]["error"].clone();
    let errors = error["errors"].as_array().cloned().unwrap_or_else(|| vec![error]);
    errors.iter().filter_map(|error| error["detail"].as_str()).map(str::to_owned).collect()
}

#[test]
fn each_mistake_names_key_value_and_remedy_and_nothing_starts() {
    let participant = format!("\n[[participant]]\nid = \"{BOB}\"\n");
    let twice = participant.repeat(2);
    let cases: [(&str, &str, &str, &[&str]); 14] = [
        (
            "unknown-key",
            "[retry]",
            "[retry]\nfirst_pause = 3",
            &["retry.first_pause:", "did you mean first_pause_seconds?", "longest_pause_seconds"],
        ),
        ("unknown-table", "[retry]", "[retires]", &["retires:", "did you mean retry?"]),
        (
            "duration",
            "cache_seconds = 0",
            "cache_seconds = \"1h\"",
            &["discovery.cache_seconds: found \\\"1h\\\", expected a whole number of seconds; write 3600"],
        ),
        (
            "size",
            "envelope_bytes_max = 100000000",
            "envelope_bytes_max = \"100MB\"",
            &["limits.envelope_bytes_max: found \\\"100MB\\\", expected a whole number of bytes; write 100000000"],
        ),
        (
            "address",
            "dns_servers = [\"127.0.0.1:",
            "dns_servers = [\"localhost:",
            &["discovery.dns_servers[0]:", "127.0.0.1"],
        ),
        ("role", "\"message-service\"", "\"mesage-service\"", &["roles[1]:", "write \\\"message-service\\\""]),
        ("environment", "\"testbed\"", "\"prod\"", &["federation.revocation", "runs in testbeds only"]),
        (
            "wrong-type",
            "first_pause_seconds = 1",
            "first_pause_seconds = \"one\"",
            &["retry.first_pause_seconds: found", "one", "a whole number of seconds; write a number"],
        ),
        (
            "negative",
            "[retry]",
            "[retry]\nretries = -1",
            &["retry.retries: found -1, expected a whole number, 0 or more"],
        ),
        ("missing-file", "\"key.pem\"", "\"nowhere.pem\"", &["nowhere.pem", "No such file"]),
        ("api-for-all", "api = \"127.0.0.1", "api = \"0.0.0.0", &["listen.api", "0.0.0.0", "loopback"]),
        (
            "revocation",
            "\"unchecked\"",
            "\"required\"",
            &["federation.revocation", "required", "does not check revocation yet"],
        ),
        ("duplicate", "\n[[participant]]", &twice, &["participant[", BOB, "remove one"]),
        ("party", "\"cert.pem\"", "\"../AP0002-TESTBED/cert.pem\"", &["key.pem", "AP0002-TESTBED", "differ"]),
    ];
    for (name, old, new, said) in cases {
        let new = if name == "duplicate" { format!("{new}{old}") } else { new.to_owned() };
        for command in ["serve", "check"] {
            let ran = with(name, command, |text| text.replacen(old, &new, 1)).ended(2);
            let all = String::from_utf8_lossy(&ran.out).into_owned();
            for word in said {
                assert!(all.contains(word), "{name}, {command}: {all} should say {word:?}");
            }
        }
    }
}

#[test]
fn mistakes_of_types_are_listed_at_once_and_on_one_line_each() {
    let change = |text: String| {
        text.replace("cache_seconds = 0", "cache_seconds = \"1h\"")
            .replace("envelope_bytes_max = 100000000", "envelope_bytes_max = \"100MB\"\ncolour = 1")
    };
    let served = with("types", "serve", change).ended(2);
    assert_eq!(details(&served).len(), 3, "{:#?}", served.lines);
    let said = served.one()["error"]["detail"].as_str().unwrap().to_owned();
    assert!(["cache_seconds", "envelope_bytes_max", "colour"].iter().all(|key| said.contains(key)), "{said}");
    let file = world().folder(NORTH).join("types.toml");
    let checked = sluss(&["check", "--config", &file.display().to_string()]).ended(2);
    let text = String::from_utf8(checked.out).unwrap();
    assert!(!text.contains('\u{fffd}') && text.matches("WRONG").count() == 3, "{text}");
}

#[test]
fn a_key_that_is_missing_is_named_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluss.toml");
    for before in ["", "# Ours.\n"] {
        fs::write(&file, format!("{before}[retry]\nretries = 1\n")).unwrap();
        let checked = sluss(&["check", "--config", &file.display().to_string()]).ended(2);
        let told = String::from_utf8(checked.out).unwrap();
        assert!(told.contains(" data_dir: found nothing") && !told.contains("retry.data_dir"), "{told}");
    }
}

#[test]
fn what_init_makes_says_that_it_does_not_start_yet() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("made").display().to_string();
    let made = sluss(&["init", &dir]).done();
    assert!(String::from_utf8_lossy(&made.out).contains("testbeds only"), "{}", String::from_utf8_lossy(&made.out));
    let refused = sluss(&["serve", "--json", "--config", &format!("{dir}/sluss.toml")]).ended(2).error();
    assert!(refused["detail"].as_str().unwrap().contains("testbeds only"), "{refused}");
}

#[test]
fn all_mistakes_are_listed_at_once() {
    let change = |text: String| {
        text.replace("api = \"127.0.0.1", "api = \"0.0.0.0")
            .replace("\"unchecked\"", "\"required\"")
            .replace("envelope_bytes_max = 100000000", "envelope_bytes_max = 99")
            .replace("first_pause_seconds = 1", "first_pause_seconds = 0")
    };
    let keys = ["listen.api", "federation.revocation", "limits.envelope_bytes_max", "retry", "breaker"];
    let served = with("many", "serve", change).ended(2);
    let details = details(&served);
    assert_eq!(details.len(), keys.len(), "{details:#?}");
    let checked = with("many", "check", change).ended(2);
    for key in keys {
        assert!(details.iter().any(|detail| detail.starts_with(key)), "{key} in {details:#?}");
        let line = checked.lines.iter().find(|line| line["detail"].as_str().is_some_and(|text| text.starts_with(key)));
        assert_eq!(line.map(|line| &line["serious"]), Some(&true.into()), "{key} in {:#?}", checked.lines);
    }
    let change = |text: String| text.replace("\"key.pem\"", "\"nowhere.pem\"").replace("ca/smp-root", "ca/missing");
    let served = with("files", "serve", change).ended(2);
    let all = String::from_utf8_lossy(&served.out);
    assert!(all.contains("nowhere.pem") && all.contains("ca/missing"), "{all}");
}

#[test]
fn an_owners_token_that_others_may_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("api.token");
    fs::write(&token, "a".repeat(64)).unwrap();
    let data_dir = format!("data_dir = \"{}\"", folder.path().display());
    let mut said = [0o644, 0o600].map(|mode| {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        let checked = with("token-mode", "check", |text| text.replace("data_dir = \"data\"", &data_dir));
        let about = |line: &&Value| line["what"].as_str() == token.to_str();
        checked.lines.iter().find(about).unwrap_or_else(|| panic!("{:#?}", checked.lines)).clone()
    });
    let detail = said[0]["detail"].take();
    assert!(detail.as_str().unwrap().contains("found mode 644, expected 600"), "{detail}");
    assert_eq!([&said[0]["ok"], &said[1]["ok"]], [false, true]);
}

#[test]
fn a_receiver_of_alerts_that_cannot_be_told_is_said_and_a_trial_shows_whether_one_can() {
    let mail = "[alert.mail]\nserver = \"smtp.example.se\"\nfrom = \"a@example.se\"\nto = [\"b@example.se\"]\n";
    let hook = |url: &str| format!("[alert.webhook]\nurl = \"{url}\"\n");
    for (name, table, said) in [
        ("alert-none", String::new(), "neither mail nor webhook"),
        ("alert-both", format!("{mail}{}", hook("http://127.0.0.1:1/")), "both mail and webhook"),
        ("alert-anchor", mail.to_owned(), "alert[0].mail.anchor_files"),
        ("alert-clear", format!("{mail}tls = \"none\"\n"), "a mail server on this machine"),
        ("alert-http", hook("http://alerts.example.se/hemlig"), "http://alerts.example.se/…: use an https URL"),
        ("alert-secret", hook("http://127.0.0.1:1/") + "secret_file = \"nowhere\"\n", "nowhere: No such file"),
        ("alert-kind", "kinds = [\"fire\"]\n".to_owned() + &hook("http://127.0.0.1:1/"), "send-failure, queue-age"),
        ("alert-language", format!("language = \"fi\"\n{mail}"), "expected one of sv, en; write"),
        ("alert-hook-language", "language = \"sv\"\n".to_owned() + &hook("http://127.0.0.1:1/"), "told in English"),
        (
            "alert-from",
            mail.replace("a@", "@").replace("smtp.example.se\"", "localhost\"\ntls = \"none\""),
            "mail.from",
        ),
    ] {
        let ran = with(name, "check", |text| format!("{text}\n[[alert]]\n{table}")).ended(2);
        let all = String::from_utf8_lossy(&ran.out).into_owned();
        assert!(all.contains(said) && !all.contains("hemlig"), "{name}: {all} should say {said:?}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut octets = [0; 8192];
        let read = stream.read(&mut octets).unwrap();
        assert!(octets[..read].starts_with(b"POST /alerts "));
        stream.write_all(b"HTTP/1.1 204 Taken\r\nConnection: close\r\n\r\n").unwrap();
    });
    let tables = format!(
        "\n[[alert]]\n{}\n[[alert]]\n{}",
        hook(&format!("http://{address}/alerts")),
        hook("http://127.0.0.1:1/")
    );
    with("alert-trial", "check", |text| text + &tables);
    let file = world().folder(NORTH).join("alert-trial.toml").display().to_string();
    let tried = sluss(&["alert", "test", "--json", "--config", &file]).ended(3).lines;
    let ok: Vec<_> = tried.iter().map(|one| one["ok"].as_bool().unwrap()).collect();
    assert_eq!(ok, [true, false], "{tried:?}");
    assert_eq!(tried[1]["target"], "127.0.0.1:1");
}

#[test]
fn a_configuration_that_is_not_there_is_said_with_what_to_do() {
    for command in ["serve", "check", "status"] {
        let ran = sluss(&[command, "--json", "--config", "/nowhere/sluss.toml"]).ended(2);
        let all = String::from_utf8_lossy(&ran.out);
        assert!(all.contains("/nowhere/sluss.toml") && all.contains("sluss init"), "{command}: {all}");
    }
}
