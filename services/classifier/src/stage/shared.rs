//! Values that are kept once however many hold them.

use super::texts::Held;
use hashbrown::{DefaultHashBuilder, Equivalent, HashSet};
use std::hash::Hash;

/// So many values at least before it is looked for those that nobody holds any more.
const LEAST: usize = 1024;

/// Values of one kind. Those that nobody else holds are let go of now and then.
#[derive(Debug)]
pub(super) struct Shared<T> {
    values: HashSet<T, DefaultHashBuilder>,
    sweep_at: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { values: HashSet::default(), sweep_at: LEAST }
    }
}

impl<T: Held + Hash + Eq> Shared<T> {
    /// The value that has these parts, made if it is not there.
    pub(super) fn share<Q: Hash + Equivalent<T>>(&mut self, parts: &Q, make: impl FnOnce() -> T) -> T {
        if let Some(known) = self.values.get(parts) {
            return known.clone();
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| !value.is_alone());
            self.sweep_at = (self.values.len() * 2).max(LEAST);
        }
        let value = make();
        self.values.insert(value.clone());
        value
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_nobody_holds_is_let_go_of() {
        let mut shared: Shared<Arc<String>> = Shared::default();
        let held = shared.share(&Arc::new("held".to_owned()), || Arc::new("held".to_owned()));
        for number in 0..3 * LEAST {
            let text = Arc::new(number.to_string());
            shared.share(&text, || Arc::new(text.to_string()));
        }
        assert!(shared.len() <= LEAST);
        let again = shared.share(&held, || unreachable!("it is there"));
        assert!(Arc::ptr_eq(&held, &again));
    }
}
