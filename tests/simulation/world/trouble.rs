//! What goes wrong: processes and machines that stop, disks that fail, clocks that jump, bits that flip.

use super::{Checked, RECEIVER, SENDER, World};
use crate::disk::{Health, SimDisk};
use crate::node::Process;
use sluss::access_point::{Action, rehearse};
use sluss::model::{Clock, Direction, Message, Query, Status, Timestamp, Warrant};
use sluss::store::{Retention, Store, StoreError};

fn warrant() -> Warrant {
    Warrant::new("operator", "whatever it is good for").unwrap()
}

impl World {
    pub(super) fn trouble(&mut self) -> Checked {
        let n = self.chance.below(2);
        match self.chance.below(40) {
            0..=3 => {
                let steps = self.chance.below(60) as u64;
                self.say(format!("node {n} stops after {steps} steps of its disk"));
                self.nodes[n].disk.stop_after(steps);
            }
            4 => self.stop_in_order(n)?,
            5 => {
                let (fails, full) = (self.chance.below(40), self.chance.percent(40));
                let health = Health { fails, full, hidden: self.chance.percent(50) };
                self.say(format!("the disk of node {n}: {health:?}"));
                self.nodes[n].weak = true;
                self.nodes[n].disk.health(health);
            }
            6 | 7 if self.nodes[n].weak => {
                self.say(format!("the disk of node {n} is well again"));
                self.nodes[n].weak = false;
                self.nodes[n].disk.health(Health::default());
            }
            8..=15 => {
                let millis = [1, 40, 5_000, 70_000, 1_000_000, 4_000_000][self.chance.below(6)];
                self.clock.pass(millis);
            }
            16 => {
                // Set a little, set by hours, and a machine that slept.
                let millis = match self.chance.below(3) {
                    0 => self.chance.below(4_000) as i64 - 2_000,
                    1 => self.chance.below(14_400_000) as i64 - 7_200_000,
                    _ => self.chance.below(43_200_000) as i64,
                };
                self.say(format!("the clock jumps by {millis} ms"));
                self.clock.jump(millis);
            }
            17 if self.chance.percent(25) => self.flip(n)?,
            18 => self.vanish(),
            19 | 20 => {
                self.cut_off = !self.cut_off;
                self.say(if self.cut_off {
                    "the receiver cannot be reached"
                } else {
                    "the receiver can be reached again"
                });
            }
            21..=23 => self.operate(n),
            24 => self.purge(n),
            25 => self.note(n),
            _ => {}
        }
        Ok(())
    }

    /// An attempt never ends, as when its thread died: its lease alone frees the message.
    fn vanish(&mut self) {
        if !self.attempts.is_empty() {
            let gone = self.attempts.swap_remove(self.chance.below(self.attempts.len()));
            self.tally.vanished += 1;
            self.say(format!("the attempt of {} vanishes", gone.sending.message.id));
        }
    }

    /// How far the journal goes is noted, as the look at the disk does.
    fn note(&mut self, n: usize) {
        let noted = self.nodes[n].up.as_ref().map(|process| process.store.probe().is_ok());
        self.say(format!("node {n} notes how far its journal goes: {noted:?}"));
    }

    /// What is no longer to be kept goes, one step of it. Messages are noted before, to be counted.
    fn purge(&mut self, n: usize) {
        let kept = [0, 600_000, 7_200_000][self.chance.below(3)];
        let before = Timestamp::from_millisecond(self.clock.now().as_millisecond() - kept).unwrap();
        let messages_before = self.chance.percent(40).then_some(before);
        // As long as no message went, every duplicate is known, however old.
        let duplicates_before = (messages_before.is_none() && self.before_purge[n].is_empty()).then_some(before);
        let retention =
            Retention { contents_before: Some(before), log_before: Some(before), messages_before, duplicates_before };
        let Some(process) = self.nodes[n].up.as_ref() else { return };
        if messages_before.is_some() {
            let Ok(all) = process.store.list(&Query::default()) else { return };
            let steady = process.clock.steady();
            let may_go = |one: &Message| one.is_over() && one.lease_until.is_none_or(|until| until <= steady);
            self.before_purge[n].extend(all.into_iter().map(|one| (one.id, (one.clone(), may_go(&one)))));
        }
        let purged = process.store.purge(&retention);
        self.say(format!("node {n} purges: {purged:?}"));
        // One that fails may have done a part.
        self.forgetful[n] = true;
        self.tally.forgotten += purged.as_ref().map_or(0, |purged| purged.messages as u64);
        self.tally.purged += purged.map_or(0, |purged| (purged.contents + purged.records) as u64);
    }

    /// An operator does something to a message, whatever its state. Only a message receipt that came is not ended: what it answers
    /// would wait for its time-out, which is longer than a run.
    fn operate(&mut self, n: usize) {
        let Some(process) = self.nodes[n].up.as_ref() else { return };
        let Ok(all) = process.store.list(&Query::default()) else { return };
        if all.is_empty() {
            return;
        }
        let message = &all[self.chance.below(all.len())];
        let (id, action) = (message.id, Action::ALL[self.chance.below(Action::ALL.len())]);
        if action == Action::Cancel && n == SENDER && message.direction == Direction::In {
            return;
        }
        let done = rehearse::act(&process.router, id, action, &warrant());
        self.tally.operated += u64::from(done.is_ok());
        self.say(format!("{} {id}: {:?}", action.word(), done.map(|message| message.status)));
    }

    /// What operators keep back goes on, and what they ended of what came in is delivered after all.
    pub(super) fn let_go_on(&mut self, n: usize) {
        let Some(process) = self.nodes[n].up.as_ref() else { return };
        let held = Query { held: true, ..Query::default() };
        let (direction, cause) = (Some(Direction::In), Some("cancelled".to_owned()));
        let ended = Query { direction, cause, statuses: vec![Status::Error], ..Query::default() };
        for (query, action) in [(held, Action::Release), (ended, Action::Retry)] {
            for message in process.store.list(&query).unwrap_or_default() {
                let done = rehearse::act(&process.router, message.id, action, &warrant());
                self.steps.push(format!("{} {}: {:?}", action.word(), message.id, done.map(|message| message.status)));
            }
        }
    }

    pub(super) fn down(&mut self, n: usize) {
        self.nodes[n].up = None;
        self.nodes[n].starts += 1;
        let starts = self.nodes[n].starts;
        if n == SENDER {
            self.pauses.clear();
            self.attempts.retain(|attempt| attempt.start == starts);
        }
        self.arriving.retain(|arriving| arriving.node != n || arriving.start == starts);
    }

    fn stop_in_order(&mut self, n: usize) -> Checked {
        self.say(format!("node {n} ends in order"));
        self.down(n);
        self.nodes[n].disk = match self.nodes[n].disk.stopped() || self.chance.percent(30) {
            true => self.restart(n),
            false => self.nodes[n].disk.reopened(),
        };
        if self.chance.percent(15) {
            self.say("its index is damaged meanwhile");
            self.nodes[n].disk.damage_index();
        }
        Ok(())
    }

    fn restart(&mut self, n: usize) -> SimDisk {
        let power = self.chance.percent(50);
        self.say(format!("node {n}: {}", if power { "the power is cut" } else { "killed" }));
        *(if power { &mut self.tally.cuts } else { &mut self.tally.kills }) += 1;
        self.nodes[n].disk.restart(power)
    }

    pub(super) fn start_both(&mut self) -> Checked {
        for n in [SENDER, RECEIVER] {
            let lost = self.nodes[n].disk.stopped()
                || self.nodes[n].up.as_ref().is_some_and(|process| process.store.stopped().is_some());
            if lost && self.nodes[n].up.is_some() {
                self.down(n);
                self.nodes[n].disk = self.restart(n);
            }
            for _ in 0..4 {
                if self.nodes[n].up.is_some() {
                    break;
                }
                self.start(n)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, n: usize) -> Checked {
        match Process::start(&self.nodes[n].disk, &self.clock) {
            Ok(process) => {
                self.say(format!("node {n} starts: {:?}", process.opening));
                self.tally.rebuilt += u64::from(process.opening.rebuilt.is_some());
                self.tally.torn += u64::from(process.opening.journal.torn.is_some());
                self.nodes[n].up = Some(process);
                Ok(())
            }
            Err(StoreError::Damaged { what, place }) => {
                Err(format!("node {n}: a sound journal is refused: {what} at {place}"))
            }
            Err(error @ (StoreError::Gone { .. } | StoreError::EndLost { .. })) => {
                Err(format!("node {n} lost records that it had confirmed: {error}"))
            }
            Err(error) if self.calm => Err(format!("node {n} does not start on a sound disk: {error}")),
            Err(error) => {
                self.say(format!("node {n} does not start: {error}"));
                self.nodes[n].disk = self.restart(n);
                if self.chance.percent(50) {
                    self.nodes[n].disk.health(Health::default());
                }
                Ok(())
            }
        }
    }

    /// A bit flips while nothing runs: it is named or does no harm, and what was before comes back from a backup.
    fn flip(&mut self, n: usize) -> Checked {
        if self.nodes[n].up.is_none() || self.nodes[n].weak || self.nodes[n].disk.stopped() {
            return Ok(());
        }
        let all = |process: &Process| process.store.list(&Query::default()).map_err(|error| error.to_string());
        let Some(before) = self.nodes[n].up.as_ref().and_then(|process| all(process).ok()) else { return Ok(()) };
        self.down(n);
        if self.nodes[n].disk.stopped() {
            self.nodes[n].disk = self.restart(n);
            return Ok(());
        }
        let power = self.chance.percent(50);
        self.nodes[n].disk = if power { self.nodes[n].disk.restart(true) } else { self.nodes[n].disk.reopened() };
        let disk = self.nodes[n].disk.clone();
        let image = disk.image();
        let Some(path) = disk.flip() else { return Ok(()) };
        self.tally.flips += 1;
        self.say(format!("node {n}: a bit flips in {}", path.display()));
        match Process::start(&disk, &self.clock) {
            Err(error) => {
                self.tally.named += 1;
                self.say(format!("named: {error}"));
            }
            Ok(process) => {
                let opening = process.opening.clone();
                let named = opening.journal.torn.is_some();
                let bare = |messages: Vec<Message>| -> Vec<Message> {
                    // Both are of the process: who holds it, and how soon it is due after a start.
                    let next_attempt_at = |message: &Message| message.next_attempt_at.map(|_| Timestamp::UNIX_EPOCH);
                    let bare = |message: Message| Message {
                        lease_until: None,
                        next_attempt_at: next_attempt_at(&message),
                        ..message
                    };
                    messages.into_iter().map(bare).collect()
                };
                let after = bare(all(&process)?);
                if after != bare(before) && !named {
                    return Err(format!(
                        "a bit flipped in {} and nobody says what is gone: {opening:?}",
                        path.display()
                    ));
                }
                self.tally.named += u64::from(named);
                for message in &after {
                    let lies = message.envelope.is_some_and(|blob| path.ends_with(blob.to_string()));
                    if lies && rehearse::envelope(&process.router, message).is_ok() {
                        return Err(format!("a bit flipped in payload {} and it is taken for sound", path.display()));
                    }
                    self.tally.named += u64::from(lies);
                }
            }
        }
        let disk = disk.restart(false);
        disk.restore(&image);
        self.nodes[n].disk = disk;
        Ok(())
    }
}
