//! Whether ClickHouse takes rows, for readiness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether every table takes rows. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Ready, or why not; for an operator.
    ///
    /// # Errors
    /// The reason of every table that takes no rows.
    pub fn check(&self) -> Result<(), String> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.is_empty() {
            return Ok(());
        }
        Err(reasons.iter().map(|(table, why)| format!("{table}: {why}")).collect::<Vec<_>>().join("; "))
    }

    pub(crate) fn good(&self, table: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(table);
    }

    pub(crate) fn bad(&self, table: &'static str, reason: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(table, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_to_take_rows() {
        let health = Health::new();
        assert_eq!(health.check(), Ok(()));
        health.bad("events", "away".to_owned());
        health.bad("deliveries", "locked".to_owned());
        assert_eq!(health.check(), Err("deliveries: locked; events: away".to_owned()));
        health.good("events");
        assert_eq!(health.clone().check(), Err("deliveries: locked".to_owned()));
        health.good("deliveries");
        assert_eq!(health.check(), Ok(()));
    }
}
