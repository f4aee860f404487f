//! Traces of messages, as a collector on loopback gets them from both access points.

use crate::support::{Daemon, PATIENCE, World, document, world};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const EAST: &str = "AP0018-TESTBED";
const WEST: &str = "AP0019-TESTBED";
const SARA: &str = "0203:sara.example.se";
const VERA: &str = "0203:vera.example.se";

/// Takes what is exported, as `service.instance.id` and span.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Value)>>>);

impl Collector {
    /// Its address.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let taken = self.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
                let length = head.to_ascii_lowercase().split_once("content-length: ").unwrap().1.to_owned();
                let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                taken.take(&serde_json::from_slice(&body).unwrap());
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            }
        });
        address
    }

    fn take(&self, exported: &Value) {
        for resource in exported["resourceSpans"].as_array().unwrap() {
            let attributes = resource["resource"]["attributes"].as_array().unwrap();
            let instance = attributes.iter().find(|one| one["key"] == "service.instance.id").unwrap();
            let instance = instance["value"]["stringValue"].as_str().unwrap();
            let spans = resource["scopeSpans"].as_array().unwrap().iter().flat_map(|scope| scope["spans"].as_array());
            self.0.lock().unwrap().extend(spans.flatten().map(|span| (instance.to_owned(), span.clone())));
        }
    }

    /// The spans of a trace by name and access point, once all of these are there.
    fn trace(&self, trace: &str, expected: &[(&str, &str)]) -> BTreeMap<(String, String), Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let all = self.0.lock().unwrap().clone();
            let ours = all.into_iter().filter(|(_, span)| span["traceId"] == trace);
            let named =
                |(instance, span): (String, Value)| ((span["name"].as_str().unwrap().to_owned(), instance), span);
            let found: BTreeMap<_, _> = ours.map(named).collect();
            let there = |(name, at): &(&str, &str)| found.contains_key(&((*name).to_owned(), (*at).to_owned()));
            if expected.iter().all(there) {
                return found;
            }
            assert!(Instant::now() < end, "{expected:?} are not all in {found:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn traced(world: &World, access_point: &str, participant: &str, collector: &str) -> Daemon {
    world.access_point(access_point);
    world.participant(participant, access_point);
    let config = world.config(access_point);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[telemetry]\nendpoint = \"http://{collector}\"\n")).unwrap();
    world.serve(access_point)
}

#[test]
fn both_access_points_tell_the_same_trace_of_a_message_as_one_tree() {
    let (world, collector) = (world(), Collector::default());
    let address = collector.start();
    let (_east, _west) = (traced(world, EAST, SARA, &address), traced(world, WEST, VERA, &address));
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = document(folder.path(), "hemligt.txt", b"ingen annan");
    let command = ["send", "--from", SARA, "--to", VERA, "--label", "Beslut", "--wait=60s", &file];
    let sent = world.at(EAST, &command).done().one();
    assert_eq!(sent["status"], "ACCEPTED");
    let envelope = sent["envelope_id"].as_str().unwrap();

    let tree = [
        ("send", EAST, None),
        ("discover", EAST, None),
        ("seal", EAST, Some("send")),
        ("submit", EAST, Some("send")),
        ("attempt", EAST, Some("submit")),
        ("pack", EAST, Some("attempt")),
        ("as4 send", EAST, Some("attempt")),
        ("receipt", EAST, Some("attempt")),
        ("receive", WEST, Some("submit")),
        ("verify", WEST, Some("receive")),
        ("decrypt", WEST, Some("receive")),
        ("deliver", WEST, Some("submit")),
        ("check", WEST, Some("deliver")),
        ("open", WEST, Some("deliver")),
    ];
    let names = tree.map(|(name, at, _)| (name, at));
    let trace = collector.trace(&envelope.replace('-', ""), &names);
    assert_eq!(trace.len(), tree.len(), "nothing else: {trace:#?}");
    let span = |name: &str| {
        let of_name = trace.iter().find(|((found, _), _)| found == name);
        of_name.unwrap_or_else(|| panic!("no {name}")).1
    };
    let time = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    for (name, _, below) in tree.into_iter().filter(|(name, ..)| *name != "discover") {
        let one = span(name);
        assert_eq!(one["parentSpanId"], below.map_or(Value::Null, |below| span(below)["spanId"].clone()), "{name}");
        assert!(time(one, "startTimeUnixNano") <= time(one, "endTimeUnixNano"), "{one:#}");
        assert_eq!(one["status"], serde_json::json!({}), "{one:#}");
        if let Some(below) = below {
            assert!(time(span(below), "startTimeUnixNano") <= time(one, "startTimeUnixNano"), "{name}");
        }
    }
    let ids: BTreeSet<&str> = trace.values().filter_map(|span| span["spanId"].as_str()).collect();
    assert_eq!(ids.len(), tree.len());
    let received = span("receive")["attributes"].to_string();
    assert!(received.contains("sluss.as4_message_id") && received.contains(envelope), "{received}");

    // The answer has a trace of its own, which begins where it was made.
    let all = collector.0.lock().unwrap().clone();
    let answer = all.iter().find(|(at, span)| at == WEST && span["name"] == "attempt").expect("the message receipt");
    assert_eq!(answer.1["parentSpanId"], Value::Null, "{answer:?}");
    let text = format!("{all:?}");
    for secret in ["Beslut", "hemligt", "ingen annan", "PRIVATE", "0203:"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let metrics = world.api(EAST, "GET", "/metrics").text();
    let exported = metrics.lines().find_map(|line| line.strip_prefix("sluss_trace_spans_total{result=\"exported\"} "));
    assert!(exported.is_some_and(|number| number.parse::<u64>().unwrap() >= 8), "{metrics}");
}

#[test]
fn a_collector_elsewhere_is_spoken_to_by_https_only() {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let text = std::fs::read_to_string(world.config(crate::NORTH)).unwrap();
    let config = folder.path().join("sluss.toml");
    let endpoints = ["http://collector.example.se:4318", "https://collector.example.se:4318"];
    for (endpoint, key) in endpoints.into_iter().zip(["telemetry.endpoint", "telemetry.anchor_files"]) {
        std::fs::write(&config, format!("{text}\n[telemetry]\nendpoint = \"{endpoint}\"\n")).unwrap();
        let checked = crate::sluss(&["check", "--json", "--config", &config.display().to_string()]).ended(2);
        assert!(format!("{:?}", checked.lines).contains(key), "{:?}", checked.lines);
    }
}
