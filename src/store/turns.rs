//! Turns: each of many who have something due is served once before any of its rank is served twice, and higher ranks go first
//! as long as lower ones have the patience.

use crate::model::{Rank, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Who waits for a turn: those that are due by rank and in the order of their last turn, the others by the time when they become due.
#[derive(Debug)]
pub(super) struct Turns<K> {
    places: HashMap<K, Place>,
    /// Who stands in line, by rank and last turn.
    ready: BTreeMap<(Rank, u64), K>,
    /// When those in line have something due.
    standing: BTreeSet<(Timestamp, K)>,
    later: BTreeSet<(Timestamp, K)>,
    turn: u64,
    /// How many of higher ranks went before each rank of which somebody stood in line.
    passed: BTreeMap<Rank, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    due: Timestamp,
    rank: Rank,
    /// Its place among those in line.
    ready: Option<(Rank, u64)>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            ready: BTreeMap::new(),
            standing: BTreeSet::new(),
            later: BTreeSet::new(),
            turn: 0,
            passed: BTreeMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Turns<K> {
    /// Says when `key`, which is always of this rank, has something due; `None`: never. Who stands in line keeps its turn.
    pub(super) fn set(&mut self, key: &K, rank: Rank, due: Option<Timestamp>) {
        let before = self.places.get(key).copied();
        let ready = before.and_then(|place| place.ready);
        let dues = if ready.is_some() { &mut self.standing } else { &mut self.later };
        if let Some(place) = before {
            dues.remove(&(place.due, key.clone()));
        }
        if let Some(due) = due {
            self.places.insert(key.clone(), Place { due, rank, ready });
            dues.insert((due, key.clone()));
            return;
        }
        self.places.remove(key);
        if let Some(ready) = ready {
            self.ready.remove(&ready);
        }
    }

    /// Whose turn it is at `now`. The turn is not taken before [`Self::take_turn`].
    pub(super) fn next(&mut self, now: Timestamp) -> Option<K> {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            let (due, key) = self.later.pop_first()?;
            self.standing.insert((due, key.clone()));
            self.stand(&key);
        }
        let waited = |rank: &Rank| self.passed.get(rank).is_some_and(|passed| *passed >= rank.patience());
        let impatient = Rank::ALL.into_iter().rev().find(waited);
        impatient.into_iter().chain(Rank::ALL).find_map(|rank| self.next_of(rank, now))
    }

    /// The first of a rank who has something due at `now`. Others before it leave the line.
    fn next_of(&mut self, rank: Rank, now: Timestamp) -> Option<K> {
        loop {
            let (place, key) = self.line(rank).next().map(|(place, key)| (*place, key.clone()))?;
            let due = self.places.get(&key)?.due;
            if due <= now {
                return Some(key);
            }
            self.ready.remove(&place);
            self.places.entry(key.clone()).and_modify(|place| place.ready = None);
            let entry = (due, key);
            self.standing.remove(&entry);
            self.later.insert(entry);
        }
    }

    /// Its turn was taken.
    pub(super) fn take_turn(&mut self, key: &K) {
        let Some(ready) = self.places.get(key).and_then(|place| place.ready) else { return };
        self.ready.remove(&ready);
        self.passed.remove(&ready.0);
        for lower in Rank::ALL.into_iter().filter(|rank| *rank > ready.0) {
            if self.line(lower).next().is_some() {
                *self.passed.entry(lower).or_default() += 1;
            } else {
                self.passed.remove(&lower);
            }
        }
        self.stand(key);
    }

    /// When somebody has something due: no later than that.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.standing.first().into_iter().chain(self.later.first()).map(|(due, _)| *due).min()
    }

    fn line(&self, rank: Rank) -> impl Iterator<Item = (&(Rank, u64), &K)> {
        self.ready.range((rank, 0)..=(rank, u64::MAX))
    }

    fn stand(&mut self, key: &K) {
        let Some(place) = self.places.get_mut(key) else { return };
        self.turn += 1;
        let ready = (place.rank, self.turn);
        place.ready = Some(ready);
        self.ready.insert(ready, key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use crate::model::{Rank, Timestamp};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn turns(keys: &[(&'static str, Rank, i64)]) -> Turns<&'static str> {
        let mut turns = Turns::default();
        keys.iter().for_each(|(key, rank, due)| turns.set(key, *rank, Some(at(*due))));
        turns
    }

    fn served(turns: &mut Turns<&'static str>, times: usize) -> Vec<&'static str> {
        let serve = |_| {
            let key = turns.next(at(5)).unwrap();
            turns.take_turn(&key);
            key
        };
        (0..times).map(serve).collect()
    }

    #[test]
    fn each_is_served_once_before_any_is_served_twice_and_the_urgent_first() {
        let mut turns =
            turns(&[("a", Rank::Normal, 1), ("b", Rank::Normal, 2), ("c", Rank::Normal, 9), ("d", Rank::Urgent, 3)]);
        assert_eq!(served(&mut turns, 1), ["d"]);
        turns.set(&"d", Rank::Urgent, None);
        assert_eq!(served(&mut turns, 3), ["a", "b", "a"]);
        turns.set(&"a", Rank::Normal, Some(at(20)));
        turns.set(&"b", Rank::Normal, None);
        assert_eq!(turns.next(at(5)), None);
        assert_eq!(turns.due(), Some(at(9)));
        assert_eq!(turns.next(at(10)), Some("c"));
    }

    #[test]
    fn a_lower_rank_has_a_turn_after_so_many_of_higher_ones() {
        let mut turns = turns(&[("low", Rank::Low, 1), ("normal", Rank::Normal, 1), ("high", Rank::High, 1)]);
        let served = served(&mut turns, 170);
        let count = |name| served.iter().filter(|served| **served == name).count();
        assert_eq!((served[0], served[4], served[16]), ("high", "normal", "low"));
        assert_eq!((count("high"), count("normal"), count("low")), (128, 32, 10));
    }

    #[test]
    fn who_has_been_served_and_waits_hides_nobody_who_is_due() {
        let mut turns = turns(&[("urgent", Rank::Urgent, 1), ("normal", Rank::Normal, 2)]);
        assert_eq!(served(&mut turns, 1), ["urgent"]);
        turns.set(&"urgent", Rank::Urgent, Some(at(900)));
        assert_eq!(turns.due(), Some(at(2)));
    }
}
