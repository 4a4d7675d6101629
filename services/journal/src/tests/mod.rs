//! Tests of the whole journal, on the real disk and on the simulated one.

mod bench;
mod content;
mod disk;
mod faults;
mod model;

use std::future::Future;

/// Drives a future on this thread; the journal needs no runtime for appends.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Everything that a fresh reader gets.
pub(crate) fn read_all(journal: &crate::Journal) -> Vec<(u64, Vec<u8>)> {
    try_read_all(journal).unwrap()
}

/// As `read_all`, on a disk that may fail.
pub(crate) fn try_read_all(journal: &crate::Journal) -> Result<Vec<(u64, Vec<u8>)>, crate::ReadError> {
    let mut reader = journal.reader(0);
    let mut all = Vec::new();
    loop {
        let entries = reader.try_next(1000, 1 << 20)?;
        if entries.is_empty() {
            return Ok(all);
        }
        all.extend(entries.into_iter().map(|entry| (entry.sequence, entry.payload.to_vec())));
    }
}

/// A counter's or gauge's value, as it would be scraped.
pub(crate) fn metric(name: &str, labels: &[(&str, &str)]) -> f64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == name).expect("the metric exists");
    let matching = family.get_metric().iter().filter(|metric| {
        labels.iter().all(|(name, value)| {
            metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
        })
    });
    matching.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
}
