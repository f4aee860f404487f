//! Mistakes in the configuration: each names the key, the value and the remedy, all at once, and nothing is started.

use super::support::{BOB, NORTH, Ran, sluss, world};
use std::fs;

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
    ran.lines.iter().filter_map(|line| line["error"]["detail"].as_str()).map(str::to_owned).collect()
}

#[test]
fn each_mistake_names_key_value_and_remedy_and_nothing_starts() {
    let participant = format!("\n[[participant]]\nid = \"{BOB}\"\n");
    let twice = participant.repeat(2);
    let cases: [(&str, &str, &str, &[&str]); 8] = [
        ("unknown-key", "[retry]", "[retry]\nfirst_pause = 3", &["first_pause", "expected", "first_pause_seconds"]),
        ("unknown-table", "[retry]", "[retires]", &["retires", "expected", "retry"]),
        (
            "wrong-type",
            "first_pause_seconds = 1",
            "first_pause_seconds = \"one\"",
            &["first_pause_seconds", "one", "u64"],
        ),
        ("missing-file", "\"key.pem\"", "\"nowhere.pem\"", &["nowhere.pem", "No such file"]),
        ("api-for-all", "api = \"127.0.0.1", "api = \"0.0.0.0", &["listen.api", "0.0.0.0", "loopback"]),
        ("revocation", "\"unchecked\"", "\"required\"", &["federation.revocation", "required", "not checked yet"]),
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
fn all_mistakes_are_listed_at_once() {
    let change = |text: String| {
        text.replace("api = \"127.0.0.1", "api = \"0.0.0.0")
            .replace("\"unchecked\"", "\"required\"")
            .replace("envelope_bytes_max = 100000000", "envelope_bytes_max = 99")
            .replace("first_pause_seconds = 1", "first_pause_seconds = 0")
    };
    let keys = ["listen.api", "federation.revocation", "limits.envelope_bytes_max", "retry"];
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
fn a_configuration_that_is_not_there_is_said_with_what_to_do() {
    for command in ["serve", "check", "status"] {
        let ran = sluss(&[command, "--json", "--config", "/nowhere/sluss.toml"]).ended(2);
        let all = String::from_utf8_lossy(&ran.out);
        assert!(all.contains("/nowhere/sluss.toml") && all.contains("sluss init"), "{command}: {all}");
    }
}
