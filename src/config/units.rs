//! Quantities as people write them, and the names they may have meant.

/// What a key counts, by the end of its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Bits,
}

impl Unit {
    /// Units are in the names of the keys.
    pub(super) fn of_key(name: &str) -> Option<Self> {
        [
            ("_seconds", Self::Seconds),
            ("_bytes_max", Self::Bytes),
            ("_bytes_least", Self::Bytes),
            ("_bits_least", Self::Bits),
        ]
        .into_iter()
        .find_map(|(end, unit)| name.ends_with(end).then_some(unit))
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Seconds => "a whole number of seconds",
            Self::Bytes => "a whole number of bytes",
            Self::Bits => "a whole number of bits",
        }
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Seconds => "3600",
            Self::Bytes => "100000000",
            Self::Bits => "3072",
        }
    }
}

/// The number that a text such as `1h` or `100MB` stands for.
pub(super) fn quantity(text: &str, unit: Unit) -> Option<u64> {
    match unit {
        Unit::Seconds => scaled(
            text,
            &[
                ("", 1),
                ("s", 1),
                ("sec", 1),
                ("m", 60),
                ("min", 60),
                ("h", 3600),
                ("hour", 3600),
                ("hours", 3600),
                ("d", 86_400),
            ],
        ),
        Unit::Bytes => bytes(text),
        Unit::Bits => scaled(text, &[("", 1), ("bit", 1), ("bits", 1)]),
    }
}

/// A size as `200MB` (10^6) or `64MiB` (2^20), in bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let units = [
        ("", 1),
        ("B", 1),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    scaled(text, &units)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[split..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    text[..split].parse::<u64>().ok()?.checked_mul(*factor)
}

/// The known name that is fewest edits away, where it is near enough to have been meant.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let (distance, near) = known.iter().map(|known| (edits(name, known), known)).min()?;
    let begin_alike = name.bytes().zip(near.bytes()).take_while(|(one, other)| one == other).count() >= 4;
    let within = name.len() >= 4 && near.contains(name);
    let meant = begin_alike || within || distance * 2 <= name.len().max(near.len());
    meant.then_some(near)
}

/// Insertions, deletions and substitutions from one text to the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, one) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(one != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{Unit, bytes, nearest, quantity};

    #[test]
    fn quantities_are_understood_as_people_write_them() {
        assert_eq!(quantity("1h", Unit::Seconds), Some(3600));
        assert_eq!(quantity("90", Unit::Seconds), Some(90));
        assert_eq!(bytes("100 MB"), Some(100_000_000));
        assert_eq!(bytes("64MiB"), Some(64 << 20));
        assert_eq!(bytes("99999999999GiB"), None);
        assert_eq!(quantity("soon", Unit::Seconds), None);
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let known = ["cache_seconds".to_owned(), "zone".to_owned(), "first_pause_seconds".to_owned()];
        assert_eq!(nearest("cache_second", &known), Some("cache_seconds"));
        assert_eq!(nearest("first_pause", &known), Some("first_pause_seconds"));
        assert_eq!(nearest("colour", &known), None);
    }
}
