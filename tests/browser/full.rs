//! How long the pages take with a store of many messages, measured as a browser asks for them.

use super::stage::Stage;
use super::support::http;
use std::time::{Duration, Instant};

/// How often each page is asked for.
const TIMES: usize = 21;

/// Within this, every page has to be there.
const GOAL: Duration = Duration::from_millis(200);

/// Pages, and questions that meet all messages, a few, or none: what is asked for as a name in the table.
const PAGES: [(&str, &str); 19] = [
    ("overview", "/"),
    ("queue", "/queue"),
    ("queue, a page in the middle", "/queue?after={middle}"),
    ("queue, one status", "/queue?status=ACKNOWLEDGED"),
    ("queue, one participant and partner", "/queue?participant=0203:from7.example.se&partner=AP0007-BENCH"),
    (
        "queue, a participant that never wrote to a partner",
        "/queue?participant=0203:from7.example.se&partner=AP0008-BENCH",
    ),
    (
        "queue, a status that none of a participant's has",
        "/queue?status=SEND_FAILURE&participant=0203:from7.example.se",
    ),
    ("queue, older than a day", "/queue?older_than=24h"),
    ("queue, by an id of nothing", "/queue?id=01936a3e-0000-7000-8000-000000000001"),
    ("one message", "/messages/{middle}"),
    ("dead letters", "/dead-letters"),
    ("partners", "/partners"),
    ("participants", "/participants"),
    ("refusals", "/refusals"),
    ("event log", "/events"),
    ("event log, of one message", "/events?message={middle}"),
    ("event log, of somebody who did nothing", "/events?actor=nobody"),
    ("certificates", "/certificates"),
    ("an inbox", "/mailbox/0203:alice.example.se"),
];

/// What is to be cancelled, before it is said how many messages that is: all, half of them, a few, or none.
const COUNTED: [(&str, &str); 5] = [
    ("how many, of one status", "status%3DACKNOWLEDGED"),
    ("how many, of one status since 2020", "status%3DACKNOWLEDGED%26since%3D2020-01-01"),
    ("how many, of one participant and status", "status%3DACKNOWLEDGED%26participant%3D0203%253Afrom7.example.se"),
    (
        "how many, of one participant and partner",
        "status%3DACKNOWLEDGED%26participant%3D0203%253Afrom7.example.se%26partner%3DAP0007-BENCH",
    ),
    (
        "how many, of a participant that never wrote to a partner",
        "status%3DACKNOWLEDGED%26participant%3D0203%253Afrom7.example.se%26partner%3DAP0008-BENCH",
    ),
];

#[test]
#[ignore = "fills a store for minutes: SLUSS_MESSAGES=1000000 cargo test --release --test browser -- --ignored --nocapture"]
fn every_page_of_a_full_store_is_there_within_a_fifth_of_a_second() {
    let messages = std::env::var("SLUSS_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let stage = Stage::full(messages);
    let address = stage.console.strip_prefix("http://").unwrap();
    let link = stage.link();
    let entered = http::ask(address, "GET", link.strip_prefix(&stage.console).unwrap(), "", b"");
    assert_eq!(entered.status, 303, "{entered:?}");
    let cookie = entered.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let get = |path: &str| http::ask(address, "GET", path, &cookie, b"");
    let counted = counted(&get("/").text());
    assert!(counted >= messages, "the overview counts {counted}");

    // From page to page until it is deep enough to be no beginning.
    let mut page = get("/queue").text();
    for _ in 0..100 {
        let Some(older) = after(&page) else { break };
        page = get(&format!("/queue?after={older}")).text();
    }
    let middle = after(&page).expect("there are more messages");
    println!("{counted} messages; {TIMES} times each, connection included");
    println!("{:>9} {:>9} {:>8}  page", "half ms", "most ms", "bytes");
    let mut late = Vec::new();
    for (name, path) in PAGES {
        let path = path.replace("{middle}", &middle);
        late.extend((half(name, || get(&path)) > GOAL).then_some(name));
    }
    let queue = get("/queue").text();
    let secret = queue.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let head = format!("{cookie}Content-Type: application/x-www-form-urlencoded\r\n");
    for (name, filter) in COUNTED {
        let order = format!("csrf={secret}&list=%2Fqueue&filter={filter}&which=all&reason=test&action=cancel");
        let ask = || http::ask(address, "POST", "/queue/actions", &head, order.as_bytes());
        // Where it is none, there is nothing to ask.
        late.extend((half(name, ask) > GOAL).then_some(name));
    }
    assert!(late.is_empty(), "over {GOAL:?}: {late:?}");
}

/// How long half of the answers took at most.
fn half(name: &str, ask: impl Fn() -> http::Answer) -> Duration {
    let mut took = Vec::new();
    let mut bytes = 0;
    for _ in 0..TIMES {
        let begin = Instant::now();
        let answer = ask();
        took.push(begin.elapsed());
        assert!([200, 422].contains(&answer.status), "{name}: {answer:?}");
        bytes = answer.body.len();
    }
    took.sort_unstable();
    let (half, most) = (took[TIMES / 2], took[TIMES - 1]);
    println!("{:>9.1} {:>9.1} {bytes:>8}  {name}", half.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3);
    half
}

/// The last message of a page of the queue, after which the next begins.
fn after(page: &str) -> Option<String> {
    page.split("after=").nth(1).map(|rest| rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect())
}

/// All messages that the overview counts.
fn counted(overview: &str) -> u64 {
    let cells = overview.split("class=\"num\"><div>").skip(1);
    cells.filter_map(|cell| cell.split('<').next().unwrap_or_default().parse::<u64>().ok()).sum()
}
