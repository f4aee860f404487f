//! What was used of late: when there is no room for something new, the one used longest ago goes.

use std::collections::HashMap;

/// So many values at most, by name.
#[derive(Debug)]
pub(super) struct Recent<V> {
    most: usize,
    uses: u64,
    by_name: HashMap<String, (u64, V)>,
}

impl<V: Clone> Recent<V> {
    /// Room for so many.
    pub(super) fn of(most: usize) -> Self {
        Self { most, uses: 0, by_name: HashMap::new() }
    }

    /// It is used now.
    pub(super) fn used(&mut self, name: String, value: impl FnOnce() -> V) {
        self.uses += 1;
        if let Some((last, _)) = self.by_name.get_mut(&name) {
            *last = self.uses;
            return;
        }
        if self.by_name.len() >= self.most {
            let oldest = self.by_name.iter().min_by_key(|(_, (last, _))| *last).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.by_name.remove(&name));
        }
        self.by_name.insert(name, (self.uses, value()));
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<V> {
        self.by_name.values().map(|(_, value)| value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn the_one_used_longest_ago_goes_for_a_new_one() {
        let mut recent = Recent::of(3);
        for name in ["a", "b", "c", "a", "d", "e", "a"] {
            recent.used(name.to_owned(), || name);
        }
        let mut left = recent.all();
        left.sort_unstable();
        assert_eq!(left, ["a", "d", "e"]);
    }
}
