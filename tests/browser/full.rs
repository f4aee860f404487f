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
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let begin = Instant::now();
            let answer = get(&path);
            took.push(begin.elapsed());
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            bytes = answer.body.len();
        }
        took.sort_unstable();
        let (half, most) = (took[TIMES / 2], took[TIMES - 1]);
        println!("{:>9.1} {:>9.1} {bytes:>8}  {name}", half.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3);
        if half > GOAL {
            late.push(name);
        }
    }
    assert!(late.is_empty(), "over {GOAL:?}: {late:?}");
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
