//! Turns: each of many who have something due is served once before any is served twice.

use crate::model::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Who waits for a turn: those that are due in the order of their last turn, the others by the time when they become due.
#[derive(Debug)]
pub(super) struct Turns<K> {
    places: HashMap<K, Place>,
    /// The urgent first, then by last turn.
    ready: BTreeMap<(bool, u64), K>,
    later: BTreeSet<(Timestamp, K)>,
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    due: Timestamp,
    urgent: bool,
    /// Its place among those that are ready.
    ready: Option<(bool, u64)>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { places: HashMap::new(), ready: BTreeMap::new(), later: BTreeSet::new(), turn: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord> Turns<K> {
    /// Says when `key` has something due; `None`: never. Who is ready keeps its turn.
    pub(super) fn set(&mut self, key: &K, urgent: bool, due: Option<Timestamp>) {
        let before = self.places.get(key).copied();
        if let Some(place) = before.filter(|place| place.ready.is_none()) {
            self.later.remove(&(place.due, key.clone()));
        }
        let ready = before.and_then(|place| place.ready);
        match due {
            Some(due) => {
                self.places.insert(key.clone(), Place { due, urgent, ready });
                if ready.is_none() {
                    self.later.insert((due, key.clone()));
                }
            }
            None => {
                self.places.remove(key);
                if let Some(ready) = ready {
                    self.ready.remove(&ready);
                }
            }
        }
    }

    /// Whose turn it is at `now`. The turn is not taken before [`Self::take_turn`].
    pub(super) fn next(&mut self, now: Timestamp) -> Option<K> {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            let (_, key) = self.later.pop_first()?;
            self.stand(&key);
        }
        while let Some((place, key)) = self.ready.first_key_value().map(|(place, key)| (*place, key.clone())) {
            let due = self.places.get(&key)?.due;
            if due <= now {
                return Some(key);
            }
            self.ready.remove(&place);
            self.places.entry(key.clone()).and_modify(|place| place.ready = None);
            self.later.insert((due, key));
        }
        None
    }

    /// Its turn was taken.
    pub(super) fn take_turn(&mut self, key: &K) {
        let Some(ready) = self.places.get(key).and_then(|place| place.ready) else { return };
        self.ready.remove(&ready);
        self.stand(key);
    }

    /// When somebody has something due: no later than that.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let ready = self.ready.first_key_value().and_then(|(_, key)| self.places.get(key)).map(|place| place.due);
        ready.into_iter().chain(self.later.first().map(|(due, _)| *due)).min()
    }

    fn stand(&mut self, key: &K) {
        let Some(place) = self.places.get_mut(key) else { return };
        self.turn += 1;
        let ready = (!place.urgent, self.turn);
        place.ready = Some(ready);
        self.ready.insert(ready, key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use crate::model::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_is_served_once_before_any_is_served_twice_and_the_urgent_first() {
        let mut turns = Turns::default();
        for (key, urgent, due) in [("a", false, 1), ("b", false, 2), ("c", false, 9), ("d", true, 3)] {
            turns.set(&key, urgent, Some(at(due)));
        }
        let mut served = Vec::new();
        for _ in 0..4 {
            let key = turns.next(at(5)).unwrap();
            served.push(key);
            turns.take_turn(&key);
            if key == "d" {
                turns.set(&key, true, None);
            }
        }
        assert_eq!(served, ["d", "a", "b", "a"]);
        turns.set(&"a", false, Some(at(20)));
        turns.set(&"b", false, None);
        assert_eq!(turns.next(at(5)), None);
        assert_eq!(turns.due(), Some(at(9)));
        assert_eq!(turns.next(at(10)), Some("c"));
    }
}
