//! What of an event may be asked for, in eight octets: beside an event's place in the index they tell, without reading the
//! event, that it is not one of those asked for. That it is says the event itself alone.

use super::{Event, LogQuery, Stage};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// The marks of an event, or of a question: a few of 64 bits for each name, so that events of another name rarely have them all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks(u64);

/// Of whom an event is.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Partner,
    Participant,
    Actor,
}

impl Whose {
    /// Whom a fact names: the facts that [`LogQuery::holds`] looks at.
    fn of(fact: &str) -> Option<Self> {
        match fact {
            "partner" | "claimed_partner" => Some(Self::Partner),
            "from" | "to" | "claimed_from" | "claimed_to" => Some(Self::Participant),
            "actor" => Some(Self::Actor),
            _ => None,
        }
    }

    fn marks(self, name: &str) -> Marks {
        match self {
            Self::Partner => Marks::hashed(b'p', name.as_bytes()),
            Self::Participant => Marks::hashed(b'f', name.to_lowercase().as_bytes()),
            Self::Actor => Marks::hashed(b'a', name.as_bytes()),
        }
    }
}

impl Marks {
    /// Those of an event.
    pub fn of(event: &Event) -> Self {
        Named::of(event.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()))).at(event.stage)
    }

    /// Those that every event has which fulfils the conditions.
    pub fn asked(query: &LogQuery) -> Self {
        let partner = query.partner.as_ref().map(|partner| Whose::Partner.marks(partner.as_str()));
        let participant = query.participant.as_ref().map(|name| Whose::Participant.marks(name.as_str()));
        let actor = query.actor.as_deref().map(|actor| Whose::Actor.marks(actor));
        let stage = query.stage.map(Self::stage);
        [partner, participant, actor, stage].into_iter().flatten().fold(Self::default(), Self::and)
    }

    /// Whether all that are `asked` are among these.
    pub fn cover(self, asked: Self) -> bool {
        self.0 & asked.0 == asked.0
    }

    /// As they are kept.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// As they were kept.
    pub fn of_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn stage(stage: Stage) -> Self {
        Self::hashed(b's', &[stage as u8])
    }

    /// Four bits for a name of one kind.
    fn hashed(kind: u8, name: &[u8]) -> Self {
        // FNV-1a, and the last step of SplitMix64: it has to stay as long as the format of the index.
        let mut hash = std::iter::once(kind)
            .chain(name.iter().copied())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 31;
        Self([0, 6, 12, 18].into_iter().fold(0, |bits, shift| bits | 1 << ((hash >> shift) & 63)))
    }
}

/// The marks of an event's facts, as they are read without keeping the facts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named(Marks);

impl Named {
    /// With that of the stage.
    #[must_use]
    pub fn at(self, stage: Stage) -> Marks {
        self.0.and(Marks::stage(stage))
    }

    fn of<'a>(facts: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let marks = facts.filter_map(|(fact, name)| Whose::of(fact).map(|whose| whose.marks(name)));
        Self(marks.fold(Marks::default(), Marks::and))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Facts;
        impl<'de> Visitor<'de> for Facts {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the facts of an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut facts: A) -> Result<Named, A::Error> {
                let mut marks = Marks::default();
                while let Some(Fact(whose)) = facts.next_key()? {
                    match whose {
                        Some(whose) => marks = marks.and(whose.marks(&facts.next_value::<String>()?)),
                        None => drop(facts.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Named(marks))
            }
        }
        deserializer.deserialize_map(Facts)
    }
}

/// The name of a fact, read without keeping it.
struct Fact(Option<Whose>);

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Fact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a fact")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Fact, E> {
                Ok(Fact(Whose::of(name)))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, Named};
    use crate::model::{Event, LogQuery, Stage, Timestamp};

    fn event(facts: &[(&str, &str)]) -> Event {
        let new = Event::new(Timestamp::UNIX_EPOCH, None, Stage::Refused, "x");
        facts.iter().fold(new, |event, (name, value)| event.fact(name, value))
    }

    #[test]
    fn an_event_that_is_asked_for_has_the_marks_and_hardly_another() {
        let participant = |text: &str| Some(text.parse().unwrap());
        let partner = |text: &str| Some(text.parse().unwrap());
        let all = LogQuery::default();
        let queries = [
            LogQuery { partner: partner("AP0002"), ..all.clone() },
            LogQuery { participant: participant("0203:BOB.example.se"), ..all.clone() },
            LogQuery { stage: Some(Stage::Refused), ..all.clone() },
            LogQuery { actor: Some("kim".into()), ..all.clone() },
            LogQuery { partner: partner("AP0002"), actor: Some("kim".into()), ..all.clone() },
            all,
        ];
        let names = ["AP0002", "0203:Bob.example.se", "kim"];
        for [partner, from, actor] in [["partner", "from", "actor"], ["claimed_partner", "claimed_to", "actor"]] {
            let named = event(&[(partner, names[0]), (from, names[1]), (actor, names[2]), ("url", "x")]);
            for query in &queries {
                assert!(query.holds(&named) && Marks::of(&named).cover(Marks::asked(query)), "{query:?}");
            }
            let read: Named = serde_json::from_str(&serde_json::to_string(&named.facts).unwrap()).unwrap();
            assert_eq!(read.at(named.stage), Marks::of(&named), "those of the journal are the same");
        }
        let other = |n: usize| {
            let (partner, from) = (format!("AP{n:04}-X"), format!("0203:{n}.example.se"));
            event(&[("partner", &partner), ("from", &from), ("to", "0203:alice.example.se"), ("actor", "owner")])
        };
        let asked = Marks::asked(&queries[0]);
        let alike = (0..10_000).filter(|n| Marks::of(&other(*n)).cover(asked)).count();
        assert!(alike < 300, "{alike}");
    }
}
