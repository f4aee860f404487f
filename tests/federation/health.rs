//! What `/health/ready` says of what is not well: the disk, DNS and SMP, the clock, the worker.

use super::draft;
use super::site::{DORA, Site};
use super::slow_disk::SlowDisk;
use sluss::model::{Clock, Direction, Fault, Status, SystemClock, Timestamp};
use sluss::store::disk::Medium;
use sluss::testbed::fault::Kind;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Asks until a check stands so; gives the status of the answer, and what it says.
async fn until(site: &Site, check: &str, state: &str) -> (u16, String) {
    let (end, part) = (Instant::now() + Duration::from_secs(60), standing(check, state));
    loop {
        let found = site.ready().await;
        if found.1.contains(&part) {
            return found;
        }
        assert!(Instant::now() < end, "{found:?}, expected {part}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn standing(check: &str, state: &str) -> String {
    format!("\"check\":\"{check}\",\"state\":\"{state}\"")
}

/// Clocks that a test sets, in seconds beside the machine's.
#[derive(Debug, Default)]
pub(super) struct SetClock {
    wall: AtomicI64,
    pub(super) steady: AtomicI64,
}

impl SetClock {
    fn beside(by: &AtomicI64) -> Timestamp {
        SystemClock.now() + jiff::SignedDuration::from_secs(by.load(Ordering::Relaxed))
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Self::beside(&self.wall)
    }

    fn steady(&self) -> Timestamp {
        Self::beside(&self.steady)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_is_said_and_messages_go_all_the_same() {
    let disk = SlowDisk::default();
    let site = Site::start_on(disk.medium(), Arc::new(SystemClock), |text| text).await;
    until(&site, "disk", "ok").await;
    disk.syncs_take(500);
    let sent = site.service.send(draft(&site, DORA), Vec::new()).await.unwrap();
    let sent = site.wait(sent.id, |it| it.status == Status::Accepted && it.as4_receipt.is_some()).await;
    assert_eq!(sent.attempts, 1, "no lease ended meanwhile");
    let came = |message: &&sluss::model::Message| {
        message.direction == Direction::In && message.envelope_id == sent.envelope_id
    };
    assert_eq!(site.messages().await.iter().filter(came).count(), 1);
    let (status, said) = until(&site, "disk", "degraded").await;
    assert!(status == 200 && said.contains("it is slow: a small write and its sync took"), "{status} {said}");
    disk.syncs_take(0);
    until(&site, "disk", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_and_smp_that_are_away_are_said_until_they_are_back() {
    let site = Site::start().await;
    for (kind, to) in [(Kind::DnsDown, site.bob.to_string()), (Kind::SmpDown, DORA.to_owned())] {
        site.fault(kind, false);
        let problem = site.service.send(draft(&site, &to), Vec::new()).await.unwrap_err();
        assert_eq!(problem.fault, Fault::Temporary, "{problem}");
        let (status, said) = until(&site, "discovery", "degraded").await;
        assert!(status == 200 && said.contains("since "), "what waits is sent later: {status} {said}");
        site.fault(kind, true);
        site.service.send(draft(&site, &to), Vec::new()).await.unwrap();
        until(&site, "discovery", "ok").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_in_and_cannot_be_opened_for_long_is_said_until_it_is() {
    let clock = Arc::new(SetClock::default());
    let site = Site::start_on(Medium::system(), Arc::<SetClock>::clone(&clock), |text| text).await;
    site.fault(Kind::SmpDown, false);
    let sent = site.sent(site.envelope(|_| {}, |text| text));
    site.post(&site.pack(&sent)).await;
    let id = site.arrived(&sent).await;
    site.wait(id, |message| message.attempts > 0).await;
    until(&site, "delivery", "ok").await;
    clock.steady.fetch_add(601, Ordering::Relaxed);
    let (status, said) = until(&site, "delivery", "degraded").await;
    assert!(status == 200 && said.contains("1 received messages cannot be opened yet"), "{status} {said}");
    site.fault(Kind::SmpDown, true);
    // Its pauses have grown, and pass at once by this clock.
    clock.steady.fetch_add(601, Ordering::Relaxed);
    site.wait(id, |message| message.status == Status::Retrieved).await;
    until(&site, "delivery", "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_and_a_worker_that_is_not_seen_are_said() {
    let clock = Arc::new(SetClock::default());
    let site = Site::start_on(Medium::system(), Arc::<SetClock>::clone(&clock), |text| text).await;
    until(&site, "clock", "ok").await;
    for (seconds, state, part) in [
        (10_800, "degraded", "since the start, or the machine slept"),
        (-800_000_000, "failed", "expected later than"),
        (0, "ok", ""),
    ] {
        clock.wall.store(seconds, Ordering::Relaxed);
        let (status, said) = until(&site, "clock", state).await;
        assert!(said.contains(part), "{part} in {said}");
        assert_eq!(status == 503, state == "failed", "{said}");
    }

    // It is seen every few seconds, and may be so between the two.
    let failed = standing("worker", "failed");
    let mut seen = (0, String::new());
    for _ in 0..50 {
        clock.steady.fetch_add(61, Ordering::Relaxed);
        seen = site.ready().await;
        if seen.1.contains(&failed) {
            break;
        }
    }
    assert!(seen.0 == 503 && seen.1.contains(&failed) && seen.1.contains("it was last seen 61 s ago"), "{seen:?}");
    until(&site, "worker", "ok").await;
}

/// What a disk loses of a closed segment is told while everything goes on, and no more once the file is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_segment_that_is_damaged_is_said_and_messages_go_all_the_same() {
    let clock = Arc::new(SetClock::default());
    let medium = Medium { segment_bytes: 64 * 1024, ..Medium::system() };
    let site = Site::start_on(medium, Arc::<SetClock>::clone(&clock), |text| {
        text.replacen("data_dir", "store = { read_through_days = 1 }\ndata_dir", 1)
    })
    .await;
    let go = || async {
        let sent = site.service.send(draft(&site, DORA), Vec::new()).await.unwrap();
        site.wait(sent.id, |it| it.status == Status::Accepted && it.as4_receipt.is_some()).await;
    };
    while !site.data.join("journal/00000003.log").exists() {
        go().await;
    }
    let read = |said: &str| said.contains("its segments hold, as they were read: segment 3 ");
    let end = Instant::now() + Duration::from_secs(60);
    while !read(&site.ready().await.1) {
        assert!(Instant::now() < end, "{:?}", site.ready().await);
        clock.wall.fetch_add(8 * 60 * 60, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let segment = site.data.join("journal/00000002.log");
    let whole = std::fs::read(&segment).unwrap();
    let mut hurt = whole.clone();
    hurt[200] ^= 1;
    std::fs::write(&segment, hurt).unwrap();
    let turns = |state: &'static str| {
        let (site, clock) = (&site, &clock);
        async move {
            let (end, part) = (Instant::now() + Duration::from_secs(60), standing("journal", state));
            loop {
                let (status, said) = site.ready().await;
                if said.contains(&part) {
                    return (status, said);
                }
                assert!(Instant::now() < end, "{said}");
                // Each day brings all of them.
                clock.wall.fetch_add(8 * 60 * 60, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let (status, said) = turns("degraded").await;
    assert!(status == 200 && said.contains("00000002.log offset 64 (record "), "{status} {said}");
    assert!(said.contains("sluss store verify") && said.contains("backup"), "{said}");
    go().await;
    let metrics = site.metrics().await;
    assert!(metrics.contains("sluss_journal_damaged_segments 1"), "{metrics}");
    std::fs::write(&segment, whole).unwrap();
    turns("ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_checked_before_a_start_has_the_clock_and_dns_in_it() {
    let site = Site::start().await;
    let (file, now) = (site.data.parent().unwrap().join("sluss.toml"), SystemClock.now());
    let of = |checks: Vec<sluss::app::Check>, what: &str| {
        let found = checks.into_iter().find(|check| check.what.starts_with(what));
        found.map(|check| (check.ok, check.serious, check.detail)).unwrap()
    };
    let checks = sluss::app::check(&file, now).await;
    assert_eq!(of(checks.clone(), "discovery.dns_servers"), (true, false, "answers".to_owned()));
    assert!(of(checks, "clock").0);
    let (ok, serious, detail) = of(sluss::app::check(&file, Timestamp::UNIX_EPOCH).await, "clock");
    assert!(!ok && serious && detail.contains("set the clock (NTP)"), "{detail}");

    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("dns_servers")).unwrap();
    std::fs::write(&file, text.replace(line, "dns_servers = [\"127.0.0.1:9\"]")).unwrap();
    let (ok, serious, detail) = of(sluss::app::check(&file, now).await, "discovery.dns_servers 127.0.0.1:9");
    assert!(!ok && !serious && detail.contains("give another server"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_published_for_its_participant_is_said_before_a_start() {
    let site = Site::start().await;
    let file = site.data.parent().unwrap().join("sluss.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let check = async |text: &str, what: &str| {
        std::fs::write(&file, text).unwrap();
        let found = sluss::app::check(&file, SystemClock.now()).await;
        let one = found.iter().find(|check| check.what == what);
        let one = one.unwrap_or_else(|| panic!("{what} in {found:?}"));
        (one.ok, one.serious, one.detail.clone())
    };
    let (alice, dora) = ("participant 0203:alice.example.se, published", "participant 0203:dora.example.se, published");
    for own in [alice, dora] {
        let (ok, _, detail) = check(&text, own).await;
        assert!(ok, "{detail}");
    }
    let bobs = text.replace("participants/alice.example.se/", "participants/bob.example.se/");
    let (ok, serious, detail) = check(&bobs, alice).await;
    assert!(!ok && serious, "{detail}");
    for part in ["UTB-2.14.1.t01: found ", "CN=alice", "expected ", "CN=bob", "others refuse what it signs"] {
        assert!(detail.contains(part), "{part} in {detail}");
    }
    assert!(check(&bobs, dora).await.0, "the others are compared all the same");

    let only_key = text.replace("participants/alice.example.se/key", "participants/bob.example.se/key");
    let (ok, serious, detail) = check(&only_key, "keys and certificates").await;
    assert!(
        !ok && serious && detail.contains("participant 0203:alice.example.se") && detail.contains("differ"),
        "{detail}"
    );

    let ours = text
        .replace("\"key.pem\"", "\"../AP0002-TESTBED/key.pem\"")
        .replace("\"cert.pem\"", "\"../AP0002-TESTBED/cert.pem\"");
    let (ok, serious, detail) = check(&ours, "2 participants, published").await;
    assert!(!ok && serious && detail.starts_with("AP-3.1.5.b: found CN=AP0001-TESTBED"), "{detail}");
    assert!(detail.contains("expected CN=AP0002-TESTBED"), "{detail}");

    site.fault(Kind::SmpDown, false);
    let (ok, serious, detail) = check(&text, "2 participants, published").await;
    assert!(!ok && !serious && detail.starts_with("not compared (AP-3.2.3.c)"), "{detail}");
    assert!(detail.ends_with("this concerns 0203:alice.example.se, 0203:dora.example.se"), "{detail}");
}

/// A DNS server that answers nobody before it was asked for two names; then it knows neither.
async fn dns_of_two_questions(socket: tokio::net::UdpSocket) {
    let (mut packet, mut asked) = ([0; 512], BTreeMap::<Vec<u8>, (Vec<u8>, SocketAddr)>::new());
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let name = packet[12..length].split(|byte| *byte == 0).next().unwrap().to_vec();
        asked.insert(name, (packet[..length].to_vec(), from));
        if asked.len() > 1 {
            for (mut answer, to) in std::mem::take(&mut asked).into_values() {
                (answer[2], answer[3]) = (answer[2] | 0x80, 3);
                socket.send_to(&answer, to).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_are_looked_up_side_by_side_before_a_start() {
    let site = Site::start().await;
    let file = site.data.parent().unwrap().join("sluss.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("dns_servers")).unwrap();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = format!("dns_servers = [\"{}\"]", socket.local_addr().unwrap());
    std::fs::write(&file, text.replace(line, &servers)).unwrap();
    let answering = tokio::spawn(dns_of_two_questions(socket));
    let checks = sluss::app::check(&file, SystemClock.now()).await;
    answering.abort();
    for who in ["0203:alice.example.se", "0203:dora.example.se"] {
        let found = checks.iter().find(|check| check.what == format!("participant {who}, published")).unwrap();
        assert!(!found.ok && found.detail.starts_with("not compared (AP-3.2.4.a)"), "each has an answer: {checks:?}");
    }
}
