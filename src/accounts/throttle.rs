//! What slows guessing down: after some failures an account, or an address, waits longer and longer.
//!
//! Names that no account has are slowed down the same way, so that nobody learns which exist.

use crate::limits::{LOGIN_ACCOUNT_WAIT_MAX, LOGIN_ADDRESS_WAIT_MAX, LOGIN_FAILURES_KEPT, LOGIN_SLOWED_MAX};
use crate::model::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures of one account before anybody waits.
const ACCOUNT_FREE: u32 = 5;
/// Failures from one address before anybody waits: many people may share one.
const ADDRESS_FREE: u32 = 20;

/// Failures by account and by address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    tracks: Mutex<HashMap<Key, Track>>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Track {
    failures: u32,
    last: Timestamp,
    until: Timestamp,
}

impl Throttle {
    /// Counts an attempt, as a failure until it is known to be none; or says how long to wait before the next one.
    pub(super) fn begin(&self, name: &str, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        if let Some(wait) = self.wait(name, address, now) {
            return Err(wait);
        }
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(name, address) {
            make_room(&mut tracks, &key);
            let (free, longest) = match key {
                Key::Account(_) => (ACCOUNT_FREE, LOGIN_ACCOUNT_WAIT_MAX),
                Key::Address(_) => (ADDRESS_FREE, LOGIN_ADDRESS_WAIT_MAX),
            };
            let track = tracks.entry(key).or_insert(Track { failures: 0, last: now, until: now });
            track.fail(now, free, longest);
        }
        Ok(())
    }

    /// How long nobody is let in by this name, or from this address.
    pub(super) fn wait(&self, name: &str, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        keys(name, address).iter().filter_map(|key| tracks.get(key)).filter_map(|track| track.waits(now)).max()
    }

    /// The attempt that was counted was none of guessing.
    pub(super) fn succeeded(&self, name: &str, address: IpAddr) {
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.remove(&Key::Account(name.to_owned()));
        if let Some(track) = tracks.get_mut(&Key::Address(network(address))) {
            track.failures = track.failures.saturating_sub(1);
            track.until = track.last;
        }
    }
}

fn keys(name: &str, address: IpAddr) -> [Key; 2] {
    [Key::Account(name.to_owned()), Key::Address(network(address))]
}

impl Track {
    fn waits(&self, now: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(self.until.duration_since(now)).ok()?;
        // A clock that was set back must not keep anybody out for longer than the longest wait.
        (!left.is_zero()).then(|| left.min(LOGIN_ACCOUNT_WAIT_MAX))
    }

    fn fail(&mut self, now: Timestamp, free: u32, longest: Duration) {
        let age = Duration::try_from(now.duration_since(self.last)).unwrap_or_default();
        self.failures = if age > LOGIN_FAILURES_KEPT { 1 } else { self.failures.saturating_add(1) };
        self.last = now;
        let doublings = self.failures.saturating_sub(free);
        let wait =
            if doublings == 0 { Duration::ZERO } else { Duration::from_secs(1 << doublings.min(20)).min(longest) };
        self.until = now.saturating_add(wait).unwrap_or(now);
    }
}

/// Where there is no room, the one that failed longest ago is forgotten.
fn make_room(tracks: &mut HashMap<Key, Track>, key: &Key) {
    if tracks.len() < LOGIN_SLOWED_MAX || tracks.contains_key(key) {
        return;
    }
    let oldest = tracks.iter().min_by_key(|(_, track)| track.last).map(|(key, _)| key.clone());
    oldest.map(|oldest| tracks.remove(&oldest));
}

/// A whole IPv6 network of one subscriber counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn each_failure_after_the_fifth_doubles_the_wait_and_a_success_ends_it() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.begin("kim", HOME, at(0)).unwrap();
        }
        throttle.begin("kim", HOME, at(0)).unwrap();
        assert_eq!(throttle.begin("kim", HOME, at(0)), Err(Duration::from_secs(2)));
        throttle.begin("kim", HOME, at(2)).unwrap();
        assert_eq!(throttle.begin("kim", HOME, at(3)), Err(Duration::from_secs(3)));
        // Others are not concerned.
        throttle.begin("eva", HOME, at(3)).unwrap();
        throttle.begin("kim", HOME, at(6)).unwrap();
        throttle.succeeded("kim", HOME);
        throttle.begin("kim", HOME, at(6)).unwrap();
    }

    #[test]
    fn an_address_that_tries_many_names_waits_and_names_that_do_not_exist_are_as_slow() {
        let throttle = Throttle::default();
        let guess = |n: u32| throttle.begin(&format!("name{n}"), HOME, at(0));
        assert!((0..21).all(|n| guess(n).is_ok()));
        assert!(guess(22).is_err());
        let longest = (0..40).map(|n| throttle.begin("x", HOME, at(n * 3600)).err()).next_back();
        assert_eq!(longest, Some(None), "the longest wait is less than an hour");
    }

    #[test]
    fn what_is_remembered_of_guessers_is_bounded_and_the_latest_stay() {
        let throttle = Throttle::default();
        for n in 0..(LOGIN_SLOWED_MAX as u32 + 100) {
            let address = IpAddr::from((n + 1).to_be_bytes());
            throttle.begin(&format!("n{n}"), address, at(i64::from(n))).unwrap();
        }
        let tracks = throttle.tracks.lock().unwrap();
        assert!(tracks.len() <= LOGIN_SLOWED_MAX);
        assert!(tracks.contains_key(&Key::Account(format!("n{}", LOGIN_SLOWED_MAX + 99))));
        assert!(!tracks.contains_key(&Key::Account("n0".into())));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_mapped_addresses_as_what_they_are() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let two: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(one), network(two));
        assert_eq!(network("::ffff:127.0.0.1".parse().unwrap()), HOME);
    }
}
