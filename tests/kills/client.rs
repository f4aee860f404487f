//! Clients of a daemon that comes and goes: they ask again where they got no answer and may do so.

use crate::support::chance::Chance;
use crate::support::{PATIENCE, http, world};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// An access point with its participants.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) access_point: &'static str,
    /// We seal and open for this one.
    pub(super) own: &'static str,
    /// The message service of this one is elsewhere.
    pub(super) carried: &'static str,
}

/// Sends from one side to the other, and takes what came for the carried participant of its own.
pub(super) struct Client {
    pub(super) from: Side,
    pub(super) to: Side,
    chance: Chance,
    /// What was accepted for sending: our id by the envelope's.
    pub(super) accepted: BTreeMap<String, String>,
    /// What was taken: message ids by their envelope's.
    pub(super) taken: BTreeMap<String, BTreeSet<String>>,
    sent: u64,
}

impl Client {
    pub(super) fn new(from: Side, to: Side, chance: Chance) -> Self {
        Self { from, to, chance, accepted: BTreeMap::new(), taken: BTreeMap::new(), sent: 0 }
    }

    /// Works until it is over.
    pub(super) fn work(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            match self.chance.below(3) {
                0 => self.submit(),
                1 => self.send(),
                _ => self.take(),
            }
            std::thread::sleep(self.chance.millis(120));
        }
    }

    /// Takes what still waits.
    pub(super) fn take_the_rest(mut self) -> Self {
        self.take();
        self
    }

    fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Option<http::Answer> {
        let (address, door) = world().door(self.from.access_point);
        http::try_ask(&address, method, &format!("/api/v1/{path}"), &(door + head), body)
    }

    /// A sealed envelope is handed in until it is accepted: the same one is one message, however often.
    fn submit(&mut self) {
        let envelope = world().sealed(self.from.carried, self.to.carried);
        let end = Instant::now() + PATIENCE;
        while !self
            .ask("POST", &format!("participants/{}/envelopes", self.from.carried), "", &envelope)
            .is_some_and(|answer| self.was_accepted(&answer))
        {
            assert!(Instant::now() < end, "no answer within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A message in clear is handed in once: without an answer nobody knows, but if it is there, it arrives.
    fn send(&mut self) {
        self.sent += 1;
        let label = format!("{} {}", self.from.access_point, self.sent);
        let fields = [("from", self.from.own), ("to", self.to.own), ("label", &label), ("text", "Hej")];
        let parts = fields.map(|(name, value)| {
            format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let body = parts.concat() + "--part--\r\n";
        let head = "Content-Type: multipart/form-data; boundary=part\r\n";
        if let Some(answer) = self.ask("POST", "messages", head, body.as_bytes()) {
            self.was_accepted(&answer);
        }
    }

    /// Whether it was accepted; anything else than that or a busy daemon is a fault.
    fn was_accepted(&mut self, answer: &http::Answer) -> bool {
        // The process may have been killed within its answer.
        let Ok(sent) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return false };
        if answer.status == 202 {
            let text = |name: &str| sent[name].as_str().unwrap().to_owned();
            let first = self.accepted.entry(text("envelope_id")).or_insert_with(|| text("id"));
            assert_eq!(*first, text("id"), "the same envelope is the same message");
            return true;
        }
        assert!(answer.status >= 500, "{answer:?}");
        false
    }

    /// Takes what waits for the carried participant, and confirms some of it.
    fn take(&mut self) {
        let path = format!("participants/{}/envelopes", self.from.carried);
        let Some(answer) = self.ask("GET", &path, "", b"") else { return };
        let Ok(waiting) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return };
        for line in waiting["envelopes"].as_array().into_iter().flatten() {
            let (id, envelope) = (line["id"].as_str().unwrap(), line["envelope_id"].as_str().unwrap());
            let Some(answer) = self.ask("GET", &format!("{path}/{id}"), "", b"") else { return };
            if answer.status == 200 && answer.text().trim_end().ends_with('>') {
                assert!(answer.text().contains(envelope), "{answer:?}");
                self.taken.entry(envelope.to_owned()).or_default().insert(id.to_owned());
                drop(self.ask("POST", &format!("{path}/{id}/confirm"), "", b""));
            }
        }
    }
}
