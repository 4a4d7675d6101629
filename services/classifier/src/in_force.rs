//! The ruleset in force: other data are another ruleset, taken into use between two hits and without a restart.

use crate::ruleset::Ruleset;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The ruleset that stages judge by, which may be replaced while they run. What a stage said under the one before stays
/// said; it is judged again when its message is next heard of.
#[derive(Debug, Clone)]
pub struct InForce(Arc<ArcSwap<Ruleset>>);

impl InForce {
    /// The ruleset of now. A hit is judged by one and the same from beginning to end.
    #[must_use]
    pub fn current(&self) -> Arc<Ruleset> {
        self.0.load_full()
    }

    /// From now on another ruleset holds.
    pub fn replace(&self, ruleset: Ruleset) {
        self.0.store(Arc::new(ruleset));
    }
}

impl From<Arc<Ruleset>> for InForce {
    fn from(ruleset: Arc<Ruleset>) -> Self {
        Self(Arc::new(ArcSwap::new(ruleset)))
    }
}

impl From<Ruleset> for InForce {
    fn from(ruleset: Ruleset) -> Self {
        Arc::new(ruleset).into()
    }
}
