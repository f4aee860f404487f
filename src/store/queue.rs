//! Who holds which message, and whose turn it is: in memory, because a process that died holds nothing.
//!
//! Messages stand in streams (from one participant to another), streams in lanes (one for each other access point, one for
//! recipients whose access point is not known yet, one for each participant of ours inwards). Lanes take turns, and streams
//! within a lane, those of a higher rank more of them: who has much waiting, or cannot be reached, delays nobody else. Every step
//! costs O(log n).

use super::turns::Turns;
use super::{Admission, LaneLoad};
use crate::limits::OVERDUE_LOOKED_MAX;
use crate::model::{Lane, MessageId, ParticipantId, PartyId, Rank, Stream, Timestamp, Tried};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

/// A message in its stream: when it is due, and which.
type Place = (Timestamp, MessageId);

/// Messages with work to do.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: HashMap<MessageId, Entry>,
    streams: HashMap<Arc<Stream>, BTreeSet<Place>>,
    lanes: HashMap<Lane, State>,
    turns: Turns<Lane>,
    /// Lanes for which there was no room, in the order in which they came.
    line: BTreeMap<u64, Lane>,
    lined_up: u64,
    /// Where unpacked messages to these recipients go.
    routes: HashMap<ParticipantId, PartyId>,
    /// Ends of leases that count as in flight.
    leases: BTreeSet<(Timestamp, MessageId)>,
    busy: HashSet<MessageId>,
    /// Where the look for what is overdue goes on: in this stream, behind this place.
    look: Option<(Arc<Stream>, Option<Place>)>,
}

#[derive(Debug)]
struct Entry {
    stream: Arc<Stream>,
    /// Since when it is tried, where work is due.
    tried: Option<Tried>,
    /// When work is due by itself.
    next: Option<Timestamp>,
    lease: Option<Timestamp>,
    /// Until when it is set aside: it could not be read.
    aside: Option<Timestamp>,
    /// Its place in the stream.
    at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    turns: Turns<Arc<Stream>>,
    waiting: usize,
    in_flight: usize,
    /// Nothing before; [`Timestamp::MAX`]: not before one in flight has ended.
    not_before: Option<Timestamp>,
    /// Its place in the line of those that wait for room.
    in_line: Option<u64>,
}

impl Queue {
    /// When work on `id` is due by itself, and since when it is tried; `None`: no work is due.
    pub(super) fn schedule(&mut self, id: MessageId, stream: Stream, tried: Option<Tried>) {
        let next = tried.map(|tried| tried.due);
        let known = self.entries.get(&id).map(|entry| Arc::clone(&entry.stream));
        if known.as_deref() != Some(&stream) && (next.is_some() || known.is_some()) {
            let stream =
                self.streams.get_key_value(&stream).map_or_else(|| Arc::new(stream), |(key, _)| Arc::clone(key));
            self.restream(id, stream);
        }
        self.change(id, |entry| (entry.tried, entry.next, entry.aside) = (tried, next, None));
    }

    /// Leaves `id` to a worker until then, which is also the name of the claim.
    pub(super) fn hold(&mut self, id: MessageId, until: Timestamp) {
        self.end_flight(id);
        self.change(id, |entry| entry.lease = Some(until));
        if let Some(lane) = self.lane_of(id) {
            self.leases.insert((until, id));
            self.lanes.entry(lane).or_default().in_flight += 1;
        }
    }

    /// Nobody takes `id` before then, and others go on meanwhile.
    pub(super) fn set_aside(&mut self, id: MessageId, until: Timestamp) {
        self.change(id, |entry| entry.aside = Some(until));
    }

    /// Ends the lease of `id`.
    pub(super) fn release(&mut self, id: MessageId) {
        self.end_flight(id);
        self.change(id, |entry| entry.lease = None);
    }

    /// There is no such message any more.
    pub(super) fn forget(&mut self, id: MessageId) {
        self.release(id);
        self.change(id, |entry| entry.next = None);
    }

    /// Until when `id` was left to a worker, even if that is over: nobody else has taken it since.
    pub(super) fn lease(&self, id: MessageId) -> Option<Timestamp> {
        self.entries.get(&id)?.lease
    }

    /// When work on `id` is due by itself.
    pub(super) fn due(&self, id: MessageId) -> Option<Timestamp> {
        self.entries.get(&id)?.next
    }

    /// The message whose turn it is at `now`, among the lanes that are let through.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        admit: &mut dyn FnMut(&Lane, usize) -> Admission,
    ) -> Option<(MessageId, Admission)> {
        while let Some(&(until, id)) = self.leases.first().filter(|(until, _)| *until <= now) {
            self.leases.remove(&(until, id));
            self.landed(id);
        }
        while let Some((place, lane)) = self.line.first_key_value().map(|(place, lane)| (*place, lane.clone())) {
            let found = self.next_of(&lane, now, admit);
            if found.is_some_and(|(_, admission)| admission == Admission::NoRoom) {
                break;
            }
            self.line.remove(&place);
            if found.is_some_and(|(_, admission)| admission == Admission::Attempt) {
                return found;
            }
        }
        while let Some(lane) = self.turns.next(now) {
            let found = self.next_of(&lane, now, admit);
            if found.is_some_and(|(_, admission)| admission == Admission::Attempt) {
                return found;
            }
        }
        None
    }

    /// The message of a lane whose turn it is, and whether it may go; none where nothing is due. A lane without room stays in line.
    fn next_of(
        &mut self,
        lane: &Lane,
        now: Timestamp,
        admit: &mut dyn FnMut(&Lane, usize) -> Admission,
    ) -> Option<(MessageId, Admission)> {
        let state = self.lanes.get_mut(lane)?;
        let (in_line, stream) = (state.in_line.take(), state.turns.next(now));
        let first = stream.as_ref().and_then(|stream| self.streams.get(stream)?.first());
        let found = first.map(|(_, id)| (*id, admit(lane, state.in_flight)));
        match found.map(|(_, admission)| admission) {
            Some(Admission::Attempt) => {
                stream.iter().for_each(|stream| state.turns.take_turn(stream));
                self.turns.take_turn(lane);
            }
            Some(Admission::Later(at)) => state.not_before = Some(at.max(now + std::time::Duration::from_millis(1))),
            Some(Admission::Full) => state.not_before = Some(Timestamp::MAX),
            Some(Admission::NoRoom) => {
                self.lined_up += 1;
                let place = in_line.unwrap_or(self.lined_up);
                state.in_line = Some(place);
                self.line.insert(place, lane.clone());
            }
            None => {}
        }
        self.refresh(lane);
        found
    }

    /// Messages that wait in lanes of which `before` says a time, and are tried since that time or longer: some of them, without
    /// those that are set aside at `now`. Goes through [`OVERDUE_LOOKED_MAX`] at most, and the next time through those behind.
    pub(super) fn overdue(
        &mut self,
        now: Timestamp,
        before: &dyn Fn(&Lane) -> Option<Timestamp>,
        limit: usize,
    ) -> Vec<(Lane, MessageId)> {
        let old = |id: &MessageId, lane: &Lane, before| {
            let entry = self.entries.get(id).filter(|entry| entry.lease.is_none());
            let entry = entry.filter(|entry| entry.aside.is_none_or(|until| until <= now));
            entry.and_then(|entry| entry.tried).is_some_and(|tried| tried.in_lane(lane) <= before)
        };
        let (mut overdue, mut left) = (Vec::new(), OVERDUE_LOOKED_MAX);
        let begin = self.look.take();
        let first = begin.as_ref().and_then(|(begin, _)| self.streams.keys().position(|stream| stream == begin));
        let mut behind = begin.filter(|_| first.is_some()).and_then(|(_, place)| place);
        for (stream, set) in self.streams.iter().cycle().skip(first.unwrap_or(0)).take(self.streams.len()) {
            let mut place = behind.take();
            if left == 0 {
                self.look = Some((Arc::clone(stream), place));
                return overdue;
            }
            left -= 1;
            let lane = stream.lane(&self.routes);
            let Some(before) = before(&lane) else { continue };
            for &(at, id) in set.range((place.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)) {
                if left == 0 || overdue.len() == limit {
                    self.look = Some((Arc::clone(stream), place));
                    return overdue;
                }
                left -= 1;
                place = Some((at, id));
                if old(&id, &lane, before) {
                    overdue.push((lane.clone(), id));
                }
            }
        }
        overdue
    }

    /// When the next message becomes due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.turns.due()
    }

    /// The access point of `recipient`, where it is known.
    pub(super) fn route_of(&self, recipient: &ParticipantId) -> Option<&PartyId> {
        self.routes.get(recipient)
    }

    /// The access points of recipients, where they are known.
    pub(super) fn routes(&self) -> &HashMap<ParticipantId, PartyId> {
        &self.routes
    }

    /// Unpacked messages to `recipient` belong to this access point's lane from now on.
    pub(super) fn route(&mut self, recipient: &ParticipantId, partner: &PartyId) {
        if self.routes.get(recipient) == Some(partner) {
            return;
        }
        let flying: Vec<MessageId> = self.leases.iter().map(|(_, id)| *id).collect();
        let of_flying = flying.iter().filter_map(|id| self.entries.get(id)).map(|entry| &entry.stream);
        let moving: HashSet<Arc<Stream>> = self
            .streams
            .keys()
            .chain(of_flying)
            .filter(|stream| stream.awaits_route(recipient))
            .map(Arc::clone)
            .collect();
        let flying = |stream: &Arc<Stream>, entries: &HashMap<MessageId, Entry>| {
            flying.iter().filter(|id| entries.get(id).is_some_and(|entry| entry.stream == *stream)).count()
        };
        let counts: Vec<(usize, usize)> = moving
            .iter()
            .map(|stream| (self.streams.get(stream).map_or(0, BTreeSet::len), flying(stream, &self.entries)))
            .collect();
        for (stream, (waiting, in_flight)) in moving.iter().zip(&counts) {
            self.moved(
                stream,
                |state| (state.waiting, state.in_flight) = (state.waiting - waiting, state.in_flight - in_flight),
                None,
            );
        }
        self.routes.insert(recipient.clone(), partner.clone());
        for (stream, (waiting, in_flight)) in moving.iter().zip(&counts) {
            let due = self.streams.get(stream).and_then(|set| set.first()).map(|(at, _)| *at);
            self.moved(
                stream,
                |state| (state.waiting, state.in_flight) = (state.waiting + waiting, state.in_flight + in_flight),
                due,
            );
        }
    }

    /// What waits and flies, by lane.
    pub(super) fn loads(&self) -> Vec<LaneLoad> {
        let load = |(lane, state): (&Lane, &State)| LaneLoad {
            lane: lane.clone(),
            waiting: state.waiting.saturating_sub(state.in_flight),
            in_flight: state.in_flight,
            due_since: state.turns.due(),
        };
        self.lanes.iter().map(load).collect()
    }

    /// The lane of a message with work to do.
    pub(super) fn lane_of(&self, id: MessageId) -> Option<Lane> {
        self.entries.get(&id).map(|entry| entry.stream.lane(&self.routes))
    }

    /// Whether a lane may go is asked again, though it was said to be later.
    pub(super) fn ask(&mut self, lane: &Lane) {
        if let Some(state) = self.lanes.get_mut(lane) {
            state.not_before = None;
            self.refresh(lane);
        }
    }

    /// The message of a lane that is due first, of those that nobody has claimed.
    pub(super) fn first_of(&self, lane: &Lane) -> Option<MessageId> {
        let streams = self.streams.iter().filter(|(stream, _)| stream.lane(&self.routes) == *lane);
        let free = |id: &MessageId| self.entries.get(id).is_some_and(|entry| entry.lease.is_none());
        let first = streams.filter_map(|(_, set)| set.iter().find(|(_, id)| free(id)));
        first.min().map(|(_, id)| *id)
    }

    /// Nobody may claim `id` while its settlement is on its way to the disk.
    pub(super) fn settling(&mut self, id: MessageId) {
        self.busy.insert(id);
        self.change(id, |_| {});
    }

    /// What was on its way has arrived, or has failed.
    pub(super) fn settled(&mut self) {
        for id in std::mem::take(&mut self.busy) {
            self.change(id, |_| {});
        }
    }

    fn moved(&mut self, stream: &Arc<Stream>, change: impl FnOnce(&mut State), due: Option<Timestamp>) {
        let lane = stream.lane(&self.routes);
        let state = self.lanes.entry(lane.clone()).or_default();
        change(state);
        state.turns.set(stream, stream.rank, due);
        state.not_before = None;
        self.refresh(&lane);
    }

    /// Gives a message to another stream, as when its access point becomes known.
    fn restream(&mut self, id: MessageId, stream: Arc<Stream>) {
        let lease =
            self.leases.iter().find(|(_, leased)| *leased == id).copied().filter(|_| self.entries.contains_key(&id));
        self.end_flight(id);
        let (next, held) = self.entries.get(&id).map_or((None, None), |entry| (entry.next, entry.lease));
        self.change(id, |entry| (entry.next, entry.lease) = (None, None));
        let tried = self.entries.get(&id).and_then(|entry| entry.tried);
        self.entries.insert(id, Entry { stream, tried, next: None, lease: held, aside: None, at: None });
        if next.is_some() {
            self.change(id, |entry| entry.next = next);
        }
        if let (Some(lease), Some(lane)) = (lease, self.lane_of(id)) {
            self.leases.insert(lease);
            self.lanes.entry(lane).or_default().in_flight += 1;
        }
    }

    fn end_flight(&mut self, id: MessageId) {
        let Some(lease) = self.lease(id) else { return };
        if self.leases.remove(&(lease, id)) {
            self.landed(id);
        }
    }

    /// One less in flight: a lane that was full may go on.
    fn landed(&mut self, id: MessageId) {
        let Some(lane) = self.lane_of(id) else { return };
        let state = self.lanes.entry(lane.clone()).or_default();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.not_before = None;
        self.refresh(&lane);
    }

    fn change(&mut self, id: MessageId, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        change(entry);
        let due = entry.next.map(|next| [entry.lease, entry.aside].into_iter().flatten().fold(next, Timestamp::max));
        let at = due.filter(|_| !self.busy.contains(&id));
        let (before, stream) = (std::mem::replace(&mut entry.at, at), Arc::clone(&entry.stream));
        let over = entry.next.is_none() && entry.lease.is_none() && !self.busy.contains(&id);
        if before != at {
            self.place(id, &stream, before, at);
        }
        if over {
            self.entries.remove(&id);
        }
    }

    fn place(&mut self, id: MessageId, stream: &Arc<Stream>, before: Option<Timestamp>, at: Option<Timestamp>) {
        let lane = stream.lane(&self.routes);
        let state = self.lanes.entry(lane.clone()).or_default();
        state.waiting = state.waiting + usize::from(at.is_some()) - usize::from(before.is_some());
        let set = self.streams.entry(Arc::clone(stream)).or_default();
        if let Some(before) = before {
            set.remove(&(before, id));
        }
        set.extend(at.map(|at| (at, id)));
        let first = set.first().map(|(at, _)| *at);
        if first.is_none() {
            self.streams.remove(stream);
        }
        state.turns.set(stream, stream.rank, first);
        if stream.rank == Rank::Urgent && at.is_some() {
            // What an operator has tried does not wait for what was said before.
            state.not_before = None;
        }
        self.refresh(&lane);
    }

    /// Puts a lane where its messages and its pause want it; one with nothing in it goes.
    fn refresh(&mut self, lane: &Lane) {
        let Some(state) = self.lanes.get(lane) else { return };
        let due = state.turns.due().map(|due| state.not_before.map_or(due, |pause| pause.max(due)));
        // Who stands in line has its turn there.
        let due = due.filter(|due| *due < Timestamp::MAX && state.in_line.is_none());
        self.turns.set(lane, Rank::Normal, due);
        if state.waiting == 0 && state.in_flight == 0 {
            let gone = self.lanes.remove(lane);
            gone.and_then(|state| state.in_line).map(|place| self.line.remove(&place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLAIM_OVERDUE_MAX;
    use std::time::Duration;

    fn stream(from: &str) -> Stream {
        serde_json::from_value(serde_json::json!({
            "partner": "AP0001-DEAD", "inward": false, "rank": "normal",
            "from": format!("0203:{from}.example.se"), "to": "0203:bob.example.se",
        }))
        .unwrap()
    }

    #[test]
    fn a_look_for_what_is_overdue_is_bounded_and_the_next_one_goes_on_from_there() {
        let (mut queue, begun) = (Queue::default(), Timestamp::from_second(1_800_000_000).unwrap());
        let at = |second: usize| begun.checked_add(Duration::from_secs(second as u64)).unwrap();
        let (many, some) = (2 * OVERDUE_LOOKED_MAX, 5);
        let mut old = BTreeSet::new();
        for from in ["one", "two"] {
            for n in 0..many {
                // Those that are due last are tried longest.
                let (id, is_old) = (MessageId(uuid::Uuid::new_v4()), n >= many - some);
                let since = if is_old { begun } else { at(60) };
                queue.schedule(id, stream(from), Some(Tried { since, kept_back: None, due: at(60 + n) }));
                old.extend(is_old.then_some(id));
            }
        }
        let dead = |_: &Lane| Some(at(30));
        let looks: Vec<Vec<(Lane, MessageId)>> =
            (0..9).map(|_| queue.overdue(begun, &dead, CLAIM_OVERDUE_MAX)).collect();
        assert!(looks[0].is_empty(), "it did not come so far");
        let found: BTreeSet<MessageId> = looks[..5].iter().flatten().map(|(_, id)| *id).collect();
        assert_eq!(found, old, "in as many looks as it takes, all of them");
        assert!(looks[5..].iter().any(|found| !found.is_empty()), "and again, as long as they wait");
        let lanes: Vec<usize> = (0..9).map(|_| queue.overdue(begun, &dead, 2).len()).collect();
        assert!(lanes.iter().all(|found| *found <= 2) && lanes.contains(&2), "{lanes:?}");
    }
}
