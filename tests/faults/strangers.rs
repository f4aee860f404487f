//! What anybody on the network may do to us: many at once, slowly, and large. It costs little, and others go on.
//!
//! `SLUSS_LOAD=1` makes the crowds as large as they were when they brought an earlier state down.

use super::exchange::{Pair, Wire};
use super::support::http::{Answer, ask, raw};
use super::support::{ALICE, BOB, CAROL, DAVID, Daemon, NORTH, SOUTH, THIRD, World, sluss, wait, world};
use super::wire::{as4, header, is_of, look, pair, post, properties, refusal, refusals};
use serde_json::Value;
use sluss::as4::{Compression, Party, UserMessage};
use sluss::limits::SIGNER_LOOKUPS_A_MINUTE;
use sluss::pki::Identity;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How many come at once.
fn crowd(usual: usize, load: usize) -> usize {
    if std::env::var_os("SLUSS_LOAD").is_some() { load } else { usual }
}

/// The third access point, with small limits.
fn third(world: &World) -> (Daemon, String) {
    let config = world.folder(THIRD).join("strict.toml");
    let text = fs::read_to_string(world.config(THIRD)).unwrap();
    let sizes = "[limits]\nas4_bytes_max = 100000000\nspool_bytes_max = 100000000";
    fs::write(&config, text.replace("[limits]", sizes)).unwrap();
    let args = ["serve", "--json", "--config", &config.display().to_string()].map(str::to_owned);
    let daemon = Daemon::start(&args, &world.dir.join("strict.log"));
    let url = daemon.ready["as4"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches("/as4").to_owned();
    (daemon, address)
}

/// North to the third access point.
fn to_third(world: &World) -> (Pair, UserMessage) {
    let folder = world.folder(THIRD);
    let south = Identity::from_files(&folder.join("key.pem"), &folder.join("cert.pem")).unwrap();
    let pair = Pair { south, ..pair(world) };
    let header = UserMessage { to: Party::responder(THIRD), properties: properties(ALICE, DAVID), ..header(&pair) };
    (pair, header)
}

fn packed(pair: &Pair, header: &UserMessage, content: &[u8]) -> Wire {
    pair.pack_message(header.clone(), &[("message", Compression::Stored, content)])
}

fn head(content_type: &str, length: usize, more: &str) -> String {
    format!("POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{more}\r\n")
}

fn send(address: &str, wire: &Wire) -> Answer {
    ask(address, "POST", "/as4", &format!("Content-Type: {}\r\n", wire.content_type), &wire.body())
}

/// A good message must be receipted within a second or so, whatever else goes on.
#[track_caller]
fn goes_on(world: &World, address: &str) {
    let (pair, header) = to_third(world);
    let wire = packed(&pair, &header, b"<x/>");
    let begun = Instant::now();
    let answer = send(address, &wire);
    assert!(answer.text().contains("<eb:Receipt"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_message_gets_no_signature_and_of_many_refusals_the_count_stays() {
    let world = world();
    let _third = world.third();
    let (daemon, address) = third(world);
    let before = refusals(world, THIRD).len();
    for n in 0..200 {
        let answer = ask(&address, "POST", "/as4", "Content-Type: application/soap+xml\r\n", format!("{n}").as_bytes());
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("EBMS:0009") && !answer.text().contains("Signature"), "{answer:?}");
    }
    let alone = refusals(world, THIRD).len() - before;
    assert!((20..60).contains(&alone), "{alone} have an event of their own");
    goes_on(world, &address);
    daemon.signal("-TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let (_daemon, _) = third(world);
    let after = refusals(world, THIRD);
    let last = &after[0];
    let count = (200 - alone).to_string();
    assert!(last["detail"].as_str().unwrap().contains(&format!("{count} more")), "{last}");
    assert_eq!((last["facts"]["count"].as_str(), last["facts"]["EBMS:0009"].as_str()), (Some(&*count), Some(&*count)));
    assert_eq!(after.len(), before + alone + 1);
}

#[test]
fn idle_connections_and_stalled_bodies_keep_nobody_waiting() {
    let world = world();
    let _third = world.third();
    let (_daemon, address) = third(world);
    let (pair, header) = to_third(world);
    let wire = packed(&pair, &header, b"<x/>");
    let begun = format!("{}{}", head(&wire.content_type, wire.body().len(), ""), &wire.before[..10]);
    let mut stalled = Vec::new();
    for _ in 0..crowd(550, 600) {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(begun.as_bytes()).unwrap();
        stalled.push(stream);
    }
    goes_on(world, &address);
    let idle: Vec<TcpStream> = (0..crowd(100, 10_000)).map(|_| TcpStream::connect(&address).unwrap()).collect();
    goes_on(world, &address);
    // Half a header is no more than none.
    for mut stream in idle.iter() {
        // Those that made room are closed.
        let _ = stream.write_all(b"POST /as4 HTTP/1.1\r\nHost:");
    }
    goes_on(world, &address);
}

/// A SOAP part that takes many times its size when it is held as a tree.
fn bushy(nodes: usize) -> String {
    let soap = "http://www.w3.org/2003/05/soap-envelope";
    let bushes: String = (0..nodes).map(|n| format!("<a Id=\"{n}\"/>")).collect();
    format!(
        "<S:Envelope xmlns:S=\"{soap}\"><S:Header><w:x xmlns:w=\"urn:w\">{bushes}</w:x></S:Header><S:Body/></S:Envelope>"
    )
}

#[test]
fn many_large_soap_parts_at_once_cost_little_memory() {
    let world = world();
    let _third = world.third();
    let (daemon, address) = third(world);
    goes_on(world, &address);
    let (before, body) = (daemon.resident_bytes(), bushy(130_000));
    let mut peak = 0;
    std::thread::scope(|scope| {
        let post = || ask(&address, "POST", "/as4", "Content-Type: application/soap+xml\r\n", body.as_bytes());
        let all: Vec<_> = (0..crowd(60, 400)).map(|_| scope.spawn(post)).collect();
        while all.iter().any(|one| !one.is_finished()) {
            peak = peak.max(daemon.resident_bytes());
            std::thread::sleep(Duration::from_millis(20));
        }
        for one in all {
            let answer = one.join().unwrap();
            assert!(answer.status == 400 && answer.text().contains("number of nodes"), "{answer:?}");
        }
    });
    let grown = peak.saturating_sub(before) / 1_000_000;
    assert!(grown < 200, "{grown} MB more");
    goes_on(world, &address);
}

#[test]
fn a_soap_part_that_decodes_to_nothing_is_not_collected_for_ever() {
    let world = world();
    let _third = world.third();
    let (daemon, address) = third(world);
    let before = daemon.resident_bytes();
    let part = "--b\r\nContent-Type: application/soap+xml\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
    let body = [part, &"=\r\n".repeat(5_000_000)].concat();
    let answer = ask(&address, "POST", "/as4", "Content-Type: multipart/related; boundary=b\r\n", body.as_bytes());
    assert!(answer.status == 400 && answer.text().contains("a larger SOAP part"), "{answer:?}");
    assert!(daemon.resident_bytes().saturating_sub(before) < 8_000_000);
}

#[test]
fn a_message_that_stalls_before_its_part_keeps_no_tree_in_memory() {
    let world = world();
    let _third = world.third();
    let (daemon, address) = third(world);
    let (pair, header) = to_third(world);
    let mut wire = packed(&pair, &header, b"<x/>");
    // Not covered by the signature, and allowed to be there.
    let bush = bushy(9_000);
    let bush = &bush[bush.find("<w:x").unwrap()..bush.find("</S:Header>").unwrap()];
    wire.soap = wire.soap.replacen("<S12:Header>", &format!("<S12:Header>{bush}"), 1);
    goes_on(world, &address);
    let (body, before) = (wire.body(), daemon.resident_bytes());
    let half = &body[..body.len() - wire.end.len() - 10];
    let begun = [head(&wire.content_type, body.len(), "").as_bytes(), half].concat();
    let mut stalled = Vec::new();
    for _ in 0..crowd(60, 150) {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&begun).unwrap();
        stalled.push(stream);
    }
    goes_on(world, &address);
    std::thread::sleep(Duration::from_secs(1));
    let grown = daemon.resident_bytes().saturating_sub(before) / 1_000_000;
    assert!(grown < 120, "{grown} MB more for {} messages", stalled.len());
}

/// A part of 40 MB for `header`, and what it is refused with before the part has come.
#[track_caller]
fn refused_early(world: &World, header: &UserMessage, parts: &[(&str, Compression, &[u8])], told: &str) {
    let wire = pair(world).pack_message(header.clone(), parts);
    let body = wire.body();
    let mut stream = TcpStream::connect(as4(world)).unwrap();
    stream.write_all(head(&wire.content_type, body.len(), "Connection: close\r\n").as_bytes()).unwrap();
    let (first, rest) = body.split_at(wire.before.len() + wire.soap.len() + 5_000);
    stream.write_all(first).unwrap();
    let id = header.message_id.as_str();
    let recorded = wait(|| refusals(world, SOUTH).into_iter().find(|event| is_of(event, id)));
    assert!(recorded.unwrap()["problem"].to_string().contains(told));
    // A known sender gets its answer, whatever it was sending.
    stream.write_all(rest).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let answer = Answer { status: 200, head: head.to_owned(), body: text.as_bytes().to_vec() };
    let seen = look(world, &body, &answer);
    assert_eq!((&seen["verdict"], &seen["kind"]), (&"accept".into(), &"error".into()), "signed: {seen:#}");
}

#[test]
fn what_the_header_forbids_is_refused_before_its_parts_come_and_the_sender_sees_why() {
    let world = world();
    let large = vec![0; 40_000_000];
    let one: [(&str, Compression, &[u8]); 1] = [("message", Compression::None, &large)];
    let two: [(&str, Compression, &[u8]); 2] =
        [("message", Compression::None, &large), ("second", Compression::None, b"x")];
    let base = header(&pair(world));
    refused_early(world, &base, &two, "found 2 parts");
    let nobody = UserMessage { properties: properties(ALICE, "0203:nobody.example.se"), ..header(&pair(world)) };
    refused_early(world, &nobody, &one, "not served");
    let nameless = UserMessage { properties: properties("nobody in particular", BOB), ..header(&pair(world)) };
    refused_early(world, &nameless, &one, "originalSender");
    let queue = world.at(SOUTH, &["queue", "list"]).done().lines;
    assert!(queue.iter().all(|message| message["as4_message_id"] != base.message_id.as_str()));
}

#[test]
fn nobody_is_told_to_go_on_with_what_is_refused_by_its_headers() {
    let world = world();
    let _third = world.third();
    let (_daemon, address) = third(world);
    let expect = "Expect: 100-continue\r\nConnection: close\r\n";
    let first_line = |head: String| raw(&address, head.as_bytes()).unwrap();
    let answer = first_line(head("application/soap+xml", 100_000_001, expect));
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.text().contains("at most 100000000 bytes (limits.as4_bytes_max)"), "{answer:?}");
    assert_eq!(first_line(head("text/html", 1000, expect)).status, 400);
    // What may come is asked for.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(head("application/soap+xml", 1000, expect).as_bytes()).unwrap();
    let mut told = [0; 12];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
}

#[test]
fn content_may_unpack_to_what_a_request_may_have_and_no_further() {
    let world = world();
    let _third = world.third();
    let (_daemon, address) = third(world);
    let (pair, header) = to_third(world);
    // Packs to a hundredth: below what is refused for its ratio alone.
    let noise = |n: u32| (n.wrapping_mul(2_654_435_761) ^ n.rotate_left(13).wrapping_mul(40_503)).to_be_bytes();
    let mut content: Vec<u8> = Vec::new();
    for block in 0..6_250 {
        content.extend((0..60).flat_map(|n| noise(block * 60 + n)));
        content.resize(content.len() + 15_760, b' ');
    }
    content.push(b' ');
    let wire = pair.pack_message(header.clone(), &[("message", Compression::Deflate, &content)]);
    assert!((1_000_000..10_000_000).contains(&wire.body().len()), "{}", wire.body().len());
    let answer = send(&address, &wire);
    assert!(answer.text().contains("more content, expected at most 100000000 bytes more"), "{answer:?}");
    let queue = sluss(&["queue", "list", "--json", "--config", &world.config(THIRD).display().to_string()]);
    assert!(queue.done().lines.iter().all(|message| message["as4_message_id"] != header.message_id.as_str()));
}

#[test]
fn parts_under_way_share_their_room_and_who_has_none_is_told_to_come_again() {
    let world = world();
    let _third = world.third();
    let (_daemon, address) = third(world);
    let (pair, first) = to_third(world);
    let (_, second) = to_third(world);
    let content = vec![7; 60_000_000];
    let (first, second) = (packed(&pair, &first, &content), packed(&pair, &second, &content));
    let body = first.body();
    let mut stalled = TcpStream::connect(&address).unwrap();
    stalled.write_all(head(&first.content_type, body.len(), "").as_bytes()).unwrap();
    stalled.write_all(&body[..body.len() - 100_000]).unwrap();
    let answer = send(&address, &second);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.to_lowercase().contains("retry-after: 30"), "{answer:?}");
    drop(stalled);
    let again = wait(|| Some(send(&address, &second)).filter(|answer| answer.status == 200)).unwrap();
    assert!(again.text().contains("<eb:Receipt"), "{again:?}");
}

#[test]
fn a_signer_who_is_only_named_is_looked_for_in_smp_and_a_stranger_not_for_long() {
    let world = world();
    let _discovery = world.discovery();
    let pair = pair(world);
    let mut header = header(&pair);
    header.properties = properties("0203:nobody.example.se", BOB);
    let mut wire = packed(&pair, &header, b"<x/>");
    named_only(&mut wire, &[7; 20]);
    let answer = post(world, &wire.content_type, &wire.body());
    assert!(answer.text().contains("EBMS:0101"), "{answer:?}");
    let problem: Value = refusal(world, header.message_id.as_str())["problem"].clone();
    assert!(problem["detail"].as_str().unwrap().contains("not known here"), "{problem}");

    let mut header = super::wire::header(&pair);
    header.properties = properties(ALICE, CAROL);
    let mut wire = packed(&pair, &header, b"<x/>");
    named_only(&mut wire, &pair.north.certificate.sha1());
    let answer = post(world, &wire.content_type, &wire.body());
    assert!(answer.text().contains("<eb:Receipt"), "found in SMP, or known already: {answer:?}");
}

/// Strangers can make up names without end, and none of them has to be right for us to ask SMP.
#[test]
fn strangers_who_only_name_their_keys_make_us_ask_smp_for_few_of_them() {
    let world = world();
    let (_discovery, _third) = (world.discovery(), world.third());
    let (_daemon, address) = third(world);
    let (pair, header) = to_third(world);
    let begun = Instant::now();
    for n in 0..crowd(60, 1_000) {
        let message_id = format!("{}@{NORTH}", uuid::Uuid::new_v4()).parse().unwrap();
        let properties = properties(&format!("0203:stranger-{n}.example.se"), DAVID);
        let mut wire = packed(&pair, &UserMessage { message_id, properties, ..header.clone() }, b"<x/>");
        named_only(&mut wire, &[7; 20]);
        let answer = send(&address, &wire);
        assert!(answer.text().contains("EBMS:0101"), "{answer:?}");
    }
    let metrics = world.api(THIRD, "GET", "/metrics").text();
    let asked = metrics.lines().find_map(|line| line.strip_prefix("sluss_lookup_seconds_count{result=\"failed\"} "));
    let asked: u64 = asked.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
    let most = u64::from(SIGNER_LOOKUPS_A_MINUTE) * (1 + begun.elapsed().as_secs() / 60);
    assert!(asked >= u64::from(SIGNER_LOOKUPS_A_MINUTE) && asked <= most, "asked {asked} times, at most {most}");
    goes_on(world, &address);
}

/// Makes the signature name its key by a thumbprint, and leave the certificate out.
fn named_only(wire: &mut Wire, thumbprint: &[u8]) {
    let soap = &mut wire.soap;
    let start = soap.rfind("<wsse:SecurityTokenReference>").unwrap();
    let signature = soap.find("<ds:Signature ").unwrap();
    assert!(start > signature, "the signature's own");
    let end = start + soap[start..].find("</wsse:SecurityTokenReference>").unwrap();
    let wss = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    let kind = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1";
    let text = base64(thumbprint);
    let named = format!(
        "<wsse:SecurityTokenReference><wsse:KeyIdentifier ValueType=\"{kind}\" EncodingType=\"{wss}soap-message-security-1.0#Base64Binary\">{text}</wsse:KeyIdentifier>"
    );
    soap.replace_range(start..end, &named);
}

fn base64(octets: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(octets)
}
