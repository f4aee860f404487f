//! The messages of which one text is an id, under one exact key: nobody has to look through the index for them. Few messages have
//! the same; what are more of one id than [`NAMED_MAX`] have keys of their own, so that no value grows with what others send.

use super::Place;
use super::key::more_key;
use crate::limits::{NAMED_MAX, NEW_NAMES_MAX};
use crate::store::StoreError;
use crate::store::keys::{Batch, Octets};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// Octets of the number with which a value begins.
const COUNT_BYTES: usize = size_of::<u32>();

/// The messages of one id.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in crate::store) struct Named {
    /// Where these are in the order of time, in no order.
    pub(in crate::store) places: Vec<Place>,
    /// So many have keys of their own, below the [`more_prefix`](super::key::more_prefix).
    pub(in crate::store) more: u32,
}

/// A message that has an id from now on, or no longer.
#[derive(Debug)]
pub(super) struct Naming {
    /// Of the id.
    pub(super) key: Octets,
    /// Of the message.
    pub(super) place: Place,
    /// Whether it has it.
    pub(super) has: bool,
}

impl Named {
    /// Of the value of a key; nothing where that is not there.
    pub(super) fn parse(value: Option<&Octets>) -> Result<Self, StoreError> {
        let Some(value) = value else { return Ok(Self::default()) };
        let unreadable = || StoreError::Index("the stored messages of an id are unreadable".into());
        let (more, places) = value.split_first_chunk::<COUNT_BYTES>().ok_or_else(unreadable)?;
        let (places, []) = places.as_chunks() else { return Err(unreadable()) };
        Ok(Self { places: places.to_vec(), more: u32::from_be_bytes(*more) })
    }

    /// Changes the messages of the id of `key`.
    fn take(&mut self, naming: &Naming, batch: &mut Batch) {
        let known = self.places.iter().position(|place| *place == naming.place);
        match (naming.has, known) {
            (true, Some(_)) => {}
            (true, None) if self.places.len() < NAMED_MAX => self.places.push(naming.place),
            (true, None) => {
                self.more = self.more.saturating_add(1);
                batch.insert(more_key(&naming.key, &naming.place), Octets::default());
            }
            (false, Some(known)) => drop(self.places.swap_remove(known)),
            (false, None) => {
                self.more = self.more.saturating_sub(1);
                batch.remove(more_key(&naming.key, &naming.place));
            }
        }
    }

    /// Puts it under the key.
    fn put(&self, key: Octets, batch: &mut Batch) {
        if self.places.is_empty() && self.more == 0 {
            batch.remove(key);
        } else {
            batch.insert(key, [self.more.to_be_bytes().as_slice(), self.places.as_flattened()].concat());
        }
    }
}

/// What an index has that began empty: most ids that come are new, and need not be looked for. Forgotten once they are many.
#[derive(Debug, Default)]
pub(super) struct New(Option<HashSet<u64>>);

impl New {
    /// Of an index, which is empty now or not.
    pub(super) fn of(is_empty: bool) -> Self {
        Self(is_empty.then(HashSet::new))
    }

    /// Whether the index may have the key, which it has from now on.
    pub(super) fn has(&mut self, key: &[u8]) -> bool {
        self.0.take_if(|seen| seen.len() >= NEW_NAMES_MAX);
        self.0.as_mut().is_none_or(|seen| !seen.insert(xxh3_64(key)))
    }
}

/// Puts all of them, each beside what its key has.
pub(super) fn put_all(
    mut namings: Vec<Naming>,
    batch: &mut Batch,
    mut read: impl FnMut(&[u8]) -> Result<Option<Octets>, StoreError>,
) -> Result<(), StoreError> {
    namings.sort_unstable_by(|one, other| one.key.cmp(&other.key).then(one.place.cmp(&other.place)));
    for same in namings.chunk_by(|one, other| one.key == other.key) {
        let Some(Naming { key, .. }) = same.first() else { continue };
        let mut named = Named::parse(read(key)?.as_ref())?;
        same.iter().for_each(|naming| named.take(naming, batch));
        named.put(key.clone(), batch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::Change;
    use crate::store::tests::random;
    use std::collections::{BTreeMap, BTreeSet};

    type Values = BTreeMap<Vec<u8>, Octets>;

    fn place(n: u8) -> Place {
        let mut place = [0; 24];
        place[23] = n;
        place
    }

    /// What the keys say of an id.
    fn said(values: &Values, key: &[u8]) -> BTreeSet<Place> {
        let Named { places, more } = Named::parse(values.get(key)).unwrap();
        let prefix = super::super::key::more_prefix(key);
        let beside: Vec<Place> = values.keys().filter_map(|key| key.strip_prefix(&*prefix)?.try_into().ok()).collect();
        assert!(places.len() <= NAMED_MAX && beside.len() == more as usize, "{places:?} {more} {beside:?}");
        places.into_iter().chain(beside).collect()
    }

    #[test]
    fn the_messages_of_an_id_are_those_that_have_it_however_they_come_and_go() {
        let (mut values, mut expected) = (Values::new(), BTreeMap::new());
        let mut next = random(5);
        for round in 0..3000 {
            let (mut namings, mut touched) = (Vec::new(), BTreeSet::new());
            for _ in 0..=next(8) {
                let (key, place) = (vec![b'e', u8::try_from(next(3)).unwrap()], place(u8::try_from(next(20)).unwrap()));
                let has: &mut BTreeSet<Place> = expected.entry(key.clone()).or_default();
                // At first more come than go, in the end they all go.
                let gone = has.contains(&place);
                if (gone || round < 2500) && touched.insert((key.clone(), place)) {
                    assert!(if gone { has.remove(&place) } else { has.insert(place) });
                    namings.push(Naming { key: key.into(), place, has: !gone });
                }
            }
            let mut batch = Batch::default();
            put_all(namings, &mut batch, |key| Ok(values.get(key).cloned())).unwrap();
            for (key, change) in batch.in_order().changes {
                match change {
                    Change::Put(value) | Change::Add(value) => drop(values.insert(key.to_vec(), value)),
                    Change::Remove => drop(values.remove(&*key)),
                }
            }
            expected.iter().for_each(|(key, has)| assert_eq!(said(&values, key), *has, "round {round}"));
        }
        assert!(values.is_empty(), "what nobody has leaves nothing");
    }

    #[test]
    fn what_an_index_that_began_empty_has_is_known_until_it_is_much_and_of_another_nothing() {
        let mut new = New::of(true);
        assert!(!new.has(b"a") && !new.has(b"b") && new.has(b"a"));
        assert!((2..NEW_NAMES_MAX).all(|n| !new.has(&n.to_be_bytes())));
        assert!(new.has(b"never seen") && New::of(false).has(b"a"), "it has to be looked for");
    }

    #[test]
    fn a_value_that_is_none_of_ours_is_refused() {
        for value in [&b""[..], b"abc", b"\0\0\0\0 and half a place"] {
            assert!(matches!(Named::parse(Some(&value.into())), Err(StoreError::Index(_))), "{value:?}");
        }
    }
}
