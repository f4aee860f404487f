//! `kill -9` for real: two daemons exchange messages both ways and are killed at random, also while they start, and what lies on their disks
//! is damaged meanwhile. What was promised holds: nothing is lost, nothing comes twice, nothing is stuck, every AS4 receipt is kept.
//!
//! `KILLS=n` kills so often (6 where nothing is said), `KILL_SEED=n` takes another schedule of kills and damages, and `KILL_STORE=n` puts so
//! many finished messages into both stores before. With `SLUSS_PEERS=1` phase4 sends to one of them as well. A release build starts
//! within a second where nothing was damaged; on a machine with more to do than it has processors, in as much longer.

mod client;
mod damage;
mod peer;
mod verdict;

use super::support::chance::Chance;
use super::support::{Daemon, World, world};
use client::{Client, Side};
use damage::Damage;
use peer::Phase4;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Kills of an ordinary run: seconds.
const KILLS: u64 = 6;

/// How long half of the starts of a release build may take, with 100,000 messages in the store.
const START_MOST: Duration = Duration::from_secs(1);

/// Messages of a foreign access point that are waited for, where there is one.
const FOREIGN: usize = 3;

/// The two that are killed. `own` has its message service in the daemon, that of `carried` is elsewhere.
const SIDES: [Side; 2] = [
    Side { access_point: "AP0011-TESTBED", own: "0203:eva.example.se", carried: "0203:hugo.example.se" },
    Side { access_point: "AP0012-TESTBED", own: "0203:finn.example.se", carried: "0203:greta.example.se" },
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: found {text:?}, expected a number")))
}

/// An access point that comes back each time.
struct Killed {
    side: Side,
    daemon: Option<Daemon>,
    log: PathBuf,
    /// How long it took to start where nothing was damaged.
    starts: Vec<Duration>,
    kills: u64,
    damages: u64,
}

impl Killed {
    fn new(world: &World, side: Side) -> Self {
        world.access_point(side.access_point);
        for participant in [side.own, side.carried] {
            world.participant(participant, side.access_point);
        }
        world.without_key(side.access_point, side.carried);
        let log = world.dir.join(format!("{}.log", side.access_point));
        Self { side, daemon: None, log, starts: Vec::new(), kills: 0, damages: 0 }
    }

    fn data(&self) -> PathBuf {
        world().folder(self.side.access_point).join("data")
    }

    fn start(&mut self) {
        let begin = Instant::now();
        self.daemon = Some(world().serve(self.side.access_point));
        self.starts.push(begin.elapsed());
    }

    /// A start that has something to mend is another than one that has not.
    fn start_mending(&mut self) {
        self.start();
        self.starts.pop();
    }

    /// Kills it, damages what it leaves, perhaps kills it while it starts, and starts it again.
    fn kill(&mut self, chance: &mut Chance) {
        let name = self.side.access_point;
        self.daemon.take().expect("it runs").kill();
        self.kills += 1;
        let said = fs::read_to_string(&self.log).unwrap_or_default().len();
        let damage = Damage::by(chance);
        let what = damage.map(|damage| damage.inflict(&self.data(), chance));
        let damaged = what.is_some();
        self.damages += u64::from(damaged);
        let broken_off = chance.percent(25);
        if broken_off {
            self.start_broken_off(chance.millis(250));
        }
        println!(
            "{name} killed{}{}",
            what.map_or(String::new(), |what| format!(", {what}")),
            if broken_off { ", and again while it started" } else { "" }
        );
        if damaged {
            self.start_mending()
        } else {
            self.start()
        }
        let log = fs::read_to_string(&self.log).unwrap();
        // What a start that was broken off has mended, the next one need not.
        if let Some(damage) = damage.filter(|_| !broken_off) {
            damage.expect_said(&log[said..]);
        }
    }

    fn start_broken_off(&mut self, after: Duration) {
        let errors = fs::OpenOptions::new().append(true).open(&self.log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluss"));
        command.arg("serve").arg("--config").arg(world().config(self.side.access_point));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        self.kills += 1;
    }
}

#[test]
fn what_was_promised_holds_when_daemons_are_killed_at_random_and_their_disks_damaged() {
    let (kills, seed) = (number("KILLS").unwrap_or(KILLS), number("KILL_SEED").unwrap_or(1));
    println!("KILLS={kills} KILL_SEED={seed}");
    let world = world();
    let mut chance = Chance::new(seed);
    let mut nodes = SIDES.map(|side| Killed::new(world, side));
    for node in &mut nodes {
        verdict::fill(&node.data(), number("KILL_STORE").unwrap_or(0));
        node.start();
    }
    let over = AtomicBool::new(false);
    let mut foreign = Phase4::here(world, SIDES[1]);
    let foreign_done = foreign.as_ref().map(|foreign| Arc::clone(&foreign.done));
    let url = nodes[1].daemon.as_ref().and_then(|daemon| daemon.ready["as4"].as_str()).unwrap().to_owned();
    let clients: Vec<Client> = std::thread::scope(|scope| {
        let clients = [(0, 1), (1, 0)].map(|(from, to)| {
            let mut client = Client::new(SIDES[from], SIDES[to], chance.fork());
            let over = &over;
            scope.spawn(move || {
                client.work(over);
                client
            })
        });
        if let Some(foreign) = &mut foreign {
            scope.spawn(|| foreign.work(&url, &over));
        }
        let enough = || foreign_done.as_ref().is_none_or(|done| done.load(Ordering::Relaxed) >= FOREIGN);
        while nodes.iter().map(|node| node.kills).sum::<u64>() < kills || !enough() {
            std::thread::sleep(chance.millis(700));
            let which = [&[0][..], &[1], &[0, 1]][chance.below(3)];
            which.iter().for_each(|n| nodes[*n].kill(&mut chance));
        }
        over.store(true, Ordering::Relaxed);
        clients.map(|client| client.join().expect("a client that is answered")).into()
    });
    verdict::until_quiet(&SIDES);
    let clients: Vec<Client> = clients.into_iter().map(Client::take_the_rest).collect();
    let stores = nodes.each_mut().map(|node| {
        let daemon = node.daemon.take().expect("it runs");
        daemon.signal("-TERM");
        assert_eq!(daemon.ended().code(), Some(0));
        verdict::Stored::at(&node.data())
    });
    let found = verdict::check(&stores, &clients) + &verdict::check_foreign(&stores[1], foreign.as_ref());
    let load = fs::read_to_string("/proc/loadavg").ok().and_then(|load| load.split(' ').next()?.parse::<f64>().ok());
    let mut starts: Vec<Duration> = nodes.iter().flat_map(|node| node.starts.clone()).collect();
    starts.sort();
    println!(
        "{} kills, {} damages; {found}; start: half within {:.2} s, slowest {:.2} s",
        nodes.iter().map(|node| node.kills).sum::<u64>(),
        nodes.iter().map(|node| node.damages).sum::<u64>(),
        starts[starts.len() / 2].as_secs_f64(),
        starts[starts.len() - 1].as_secs_f64()
    );
    let processors =
        std::thread::available_parallelism().map_or(1.0, |found| f64::from(u32::try_from(found.get()).unwrap()));
    let busy = (load.unwrap_or(0.0) / processors).max(1.0);
    let (half, most) = (starts[starts.len() / 2], START_MOST.mul_f64(busy));
    if busy > 1.0 {
        println!(
            "the machine has {busy:.1} times as much to do as it has processors: {:.1} s are allowed",
            most.as_secs_f64()
        );
    }
    assert!(cfg!(debug_assertions) || half <= most, "a start took {half:?}, expected at most {most:?}");
}
