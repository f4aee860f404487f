//! The messages of which one text is an id, under one exact key: nobody has to look through the index for them. Few messages have
//! the same; what are more of one id than [`NAMED_MAX`] have keys of their own, so that no value grows with what others send.
//!
//! With an envelope's id it is kept there what its senders handed in under it, also when that message is gone: whoever hands in an
//! envelope asks for the same key that the message is then put under.

use super::Place;
use super::key::{envelope_key, more_key};
use crate::limits::{NAMED_MAX, NEW_NAMES_MAX};
use crate::store::StoreError;
use crate::store::keys::{Batch, Octets};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// The messages of one id. As a value: the numbers of [`more`](Self::more) (four octets) and of places (one), whether there are
/// [others](Self::others) (one), the places, and of each that was made place, sender, digest, the last two with their lengths before them.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in crate::store) struct Named {
    /// Where these are in the order of time, in no order.
    pub(in crate::store) places: Vec<Place>,
    /// So many have keys of their own, below the [`more_prefix`](super::key::more_prefix).
    pub(in crate::store) more: u32,
    /// What was made of an envelope of this id, one of each sender.
    made: Vec<Made>,
    /// Whether that of other senders may have keys of their own: from the first one on, also when they lapse.
    others: bool,
}

/// The message that was made of a sender's envelope, whether it is still kept or not.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Made {
    /// Whose envelope, in the form in which that is compared.
    pub(super) sender: String,
    /// When it was handed in, and as which message.
    pub(super) place: Place,
    /// As [`HandedIn::envelope_sha256`](crate::store::HandedIn::envelope_sha256).
    pub(super) envelope_sha256: String,
}

/// What changes with an id.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Naming {
    /// The message there has it no longer.
    Lost(Place),
    /// The message there has it.
    Given(Place),
    /// What this sender's envelope made is no longer known.
    Lapsed(String),
    /// A sender's envelope made this.
    Made(Made),
}

impl Made {
    fn parse(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (place, octets) = octets.split_first_chunk()?;
        let (sender, octets) = text(octets)?;
        let (envelope_sha256, octets) = text(octets)?;
        Some((Self { sender, place: *place, envelope_sha256 }, octets))
    }

    fn put(&self, value: &mut Vec<u8>) {
        value.extend_from_slice(&self.place);
        for text in [&self.sender, &self.envelope_sha256] {
            // No record is as large as that.
            value.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            value.extend_from_slice(text.as_bytes());
        }
    }

    /// As the value of a key of its own.
    fn value(&self) -> Vec<u8> {
        let mut value = Vec::new();
        self.put(&mut value);
        value
    }

    /// Of such a value.
    fn of_value(value: &[u8]) -> Result<Self, StoreError> {
        Self::parse(value).filter(|(_, rest)| rest.is_empty()).map(|(made, _)| made).ok_or_else(unreadable)
    }
}

fn text(octets: &[u8]) -> Option<(String, &[u8])> {
    let (length, octets) = octets.split_first_chunk()?;
    let (text, rest) = octets.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(text).ok()?.to_owned(), rest))
}

fn unreadable() -> StoreError {
    StoreError::Index("the stored messages of an id are unreadable".into())
}

impl Named {
    /// Of the value of a key; nothing where that is not there.
    pub(super) fn parse(value: Option<&Octets>) -> Result<Self, StoreError> {
        value.map_or_else(|| Ok(Self::default()), |value| Self::of_value(value).ok_or_else(unreadable))
    }

    fn of_value(value: &[u8]) -> Option<Self> {
        let (more, value) = value.split_first_chunk()?;
        let ([count, others], value) = value.split_first_chunk()?;
        let (places, mut rest) = value.split_at_checked(usize::from(*count) * size_of::<Place>())?;
        let mut made = Vec::new();
        while !rest.is_empty() {
            let one;
            (one, rest) = Made::parse(rest)?;
            made.push(one);
        }
        Some(Self {
            places: places.as_chunks().0.to_vec(),
            more: u32::from_be_bytes(*more),
            made,
            others: *others != 0,
        })
    }

    /// Makes one change of what the key has.
    fn take(&mut self, key: &Octets, naming: Naming, batch: &mut Batch) {
        match naming {
            Naming::Given(place) => self.give(key, place, batch),
            Naming::Lost(place) => self.lose(key, place, batch),
            Naming::Made(made) => self.make(key, made, batch),
            Naming::Lapsed(sender) => self.lapse(key, &sender, batch),
        }
    }

    fn give(&mut self, key: &Octets, place: Place, batch: &mut Batch) {
        if self.places.contains(&place) {
            return;
        }
        if self.places.len() < NAMED_MAX {
            self.places.push(place);
        } else {
            self.more = self.more.saturating_add(1);
            batch.insert(more_key(key, &place), Octets::default());
        }
    }

    fn lose(&mut self, key: &Octets, place: Place, batch: &mut Batch) {
        if let Some(known) = self.places.iter().position(|known| *known == place) {
            self.places.swap_remove(known);
        } else {
            self.more = self.more.saturating_sub(1);
            batch.remove(more_key(key, &place));
        }
    }

    /// Each sender's is in one place: whether it has a key of its own does not change while it is known.
    fn make(&mut self, key: &Octets, made: Made, batch: &mut Batch) {
        if let Some(known) = self.made.iter_mut().find(|known| known.sender == made.sender) {
            *known = made;
        } else if self.others || self.made.len() >= NAMED_MAX {
            self.others = true;
            batch.insert(envelope_key(key, &made.sender), made.value());
        } else {
            self.made.push(made);
        }
    }

    fn lapse(&mut self, key: &Octets, sender: &str, batch: &mut Batch) {
        if let Some(known) = self.made.iter().position(|known| known.sender == sender) {
            self.made.swap_remove(known);
        } else if self.others {
            batch.remove(envelope_key(key, sender));
        }
    }

    /// Puts it under the key.
    fn put(&self, key: Octets, batch: &mut Batch) {
        if *self == Self::default() {
            batch.remove(key);
            return;
        }
        let mut value = Vec::with_capacity(256);
        value.extend_from_slice(&self.more.to_be_bytes());
        // Not more than NAMED_MAX.
        value.extend_from_slice(&[u8::try_from(self.places.len()).unwrap_or(u8::MAX), u8::from(self.others)]);
        value.extend_from_slice(self.places.as_flattened());
        self.made.iter().for_each(|made| made.put(&mut value));
        batch.insert(key, value);
    }
}

/// What was made of the envelope of a sender with the id of a key.
pub(super) fn made_of(
    sender: &str,
    key: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<Octets>, StoreError>,
) -> Result<Option<Made>, StoreError> {
    let Named { made, others, .. } = Named::parse(read(key)?.as_ref())?;
    match made.into_iter().find(|made| made.sender == sender) {
        None if others => read(&envelope_key(key, sender))?.map(|value| Made::of_value(&value)).transpose(),
        known => Ok(known),
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

    /// Whether the index may have the key.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|seen| seen.contains(&xxh3_64(key)))
    }

    /// As [`Self::may_have`]; it has it from now on.
    pub(super) fn has(&mut self, key: &[u8]) -> bool {
        self.0.take_if(|seen| seen.len() >= NEW_NAMES_MAX);
        self.0.as_mut().is_none_or(|seen| !seen.insert(xxh3_64(key)))
    }
}

/// Makes all changes, each beside what its key has.
pub(super) fn put_all(
    mut namings: Vec<(Octets, Naming)>,
    batch: &mut Batch,
    mut read: impl FnMut(&[u8]) -> Result<Option<Octets>, StoreError>,
) -> Result<(), StoreError> {
    namings.sort_unstable();
    let mut namings = namings.into_iter().peekable();
    while let Some(key) = namings.peek().map(|(key, _)| key.clone()) {
        let mut named = Named::parse(read(&key)?.as_ref())?;
        while let Some((_, naming)) = namings.next_if(|(next, _)| *next == key) {
            named.take(&key, naming, batch);
        }
        named.put(key, batch);
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

    /// What the keys say of an id: where its messages are, and what was made of the envelopes of senders.
    fn said(values: &Values, key: &[u8], senders: u64) -> (BTreeSet<Place>, BTreeMap<u64, Made>) {
        let named = Named::parse(values.get(key)).unwrap();
        let prefix = super::super::key::more_prefix(key);
        let beside: Vec<Place> = values.keys().filter_map(|key| key.strip_prefix(&*prefix)?.try_into().ok()).collect();
        assert!(named.places.len() <= NAMED_MAX && named.made.len() <= NAMED_MAX, "{named:?}");
        assert!(beside.len() == named.more as usize, "{named:?} {beside:?}");
        let places = named.places.iter().copied().chain(beside).collect();
        let made = (0..senders).filter_map(|sender| {
            let made = made_of(&sender.to_string(), key, |key| Ok(values.get(key).cloned())).unwrap();
            made.map(|made| (sender, made))
        });
        (places, made.collect())
    }

    #[test]
    fn the_messages_of_an_id_are_those_that_have_it_however_they_come_and_go() {
        const SENDERS: u64 = 12;
        type Id = (BTreeSet<Place>, BTreeMap<u64, Made>);
        let (mut values, mut expected) = (Values::new(), BTreeMap::<Vec<u8>, Id>::new());
        let mut next = random(5);
        for round in 0..4000 {
            let (mut namings, mut touched) = (Vec::new(), BTreeSet::new());
            for _ in 0..=next(8) {
                let key = vec![b'e', u8::try_from(next(3)).unwrap()];
                let (places, made) = expected.entry(key.clone()).or_default();
                // At first more come than go, in the end they all go.
                let ending = round >= 3000;
                let naming = if next(2) == 0 {
                    let place = place(u8::try_from(next(20)).unwrap());
                    let gone = places.contains(&place);
                    if (ending && !gone) || !touched.insert((key.clone(), place, 0)) {
                        continue;
                    }
                    assert!(if gone { places.remove(&place) } else { places.insert(place) });
                    if gone { Naming::Lost(place) } else { Naming::Given(place) }
                } else {
                    let sender = next(SENDERS);
                    if !touched.insert((key.clone(), place(0), sender)) {
                        continue;
                    }
                    if ending || next(3) == 0 {
                        // Also what is not known.
                        made.remove(&sender);
                        Naming::Lapsed(sender.to_string())
                    } else {
                        let one = Made {
                            sender: sender.to_string(),
                            place: place(u8::try_from(next(200)).unwrap()),
                            envelope_sha256: if next(2) == 0 { String::new() } else { round.to_string() },
                        };
                        made.insert(sender, one.clone());
                        Naming::Made(one)
                    }
                };
                namings.push((key.into(), naming));
            }
            let mut batch = Batch::default();
            put_all(namings, &mut batch, |key| Ok(values.get(key).cloned())).unwrap();
            for (key, change) in batch.in_order().changes {
                match change {
                    Change::Put(value) | Change::Add(value) => drop(values.insert(key.to_vec(), value)),
                    Change::Remove => drop(values.remove(&*key)),
                }
            }
            expected.iter().for_each(|(key, id)| assert_eq!(said(&values, key, SENDERS), *id, "round {round}"));
        }
        let left = |value: &Octets| Named::parse(Some(value)).unwrap() == Named { others: true, ..Named::default() };
        assert!(values.values().all(left), "what nobody has leaves nothing but that others may have keys of their own");
        assert_eq!(values.len(), expected.len());
    }

    #[test]
    fn what_an_index_that_began_empty_has_is_known_until_it_is_much_and_of_another_nothing() {
        let mut new = New::of(true);
        assert!(!new.may_have(b"a") && !new.has(b"a") && !new.has(b"b") && new.has(b"a") && new.may_have(b"a"));
        assert!((2..NEW_NAMES_MAX).all(|n| !new.has(&n.to_be_bytes())));
        assert!(
            new.has(b"never seen") && new.may_have(b"never seen") && New::of(false).has(b"a"),
            "it has to be looked for"
        );
    }

    #[test]
    fn a_value_that_is_none_of_ours_is_refused() {
        let place = [b'p'; 24];
        let made = [place.as_slice(), b"\0\0\0\x06sender\0\0\0\x06digest"].concat();
        let after = |end: &[u8]| [b"\0\0\0\0\x01\0".as_slice(), &place, end].concat();
        Named::parse(Some(&after(&made).into())).unwrap();
        let cut = after(&[&made, &made[..made.len() - 1]].concat());
        for value in [&b""[..], b"abc", b"\0\0\0\0\x01\0half a place", &after(b"half"), &after(&place), &cut] {
            assert!(matches!(Named::parse(Some(&value.into())), Err(StoreError::Index(_))), "{value:?}");
        }
        for value in [&b""[..], &place, &made[..made.len() - 1], &[&made, &place[..]].concat()] {
            assert!(matches!(Made::of_value(value), Err(StoreError::Index(_))), "{value:?}");
        }
    }
}
