//! What the owner does besides writing: positions to disk, old segments away, figures up to date.

use crate::shared::Shared;

impl Shared {
    /// Makes changed positions durable. A failure is logged and tried again at the next upkeep.
    pub(crate) fn save_positions(&self) {
        if let Err(error) = self.positions.save() {
            tracing::warn!(journal = %self.config.name, %error, "positions could not be saved, trying again");
        }
    }

    /// Drops segments from the front: those that every registered consumer has passed, by its position on disk, and
    /// whose youngest record is older than `keep`. The last segment always stays.
    pub(crate) fn drop_segments(&self) {
        let mut saved = false;
        let mut dropped = false;
        while let Some((segment, successor_base)) = self.front_if_old() {
            if self.is_unread(successor_base) {
                // Its consumers may have moved on since their positions were last saved.
                if saved {
                    break;
                }
                self.save_positions();
                saved = true;
                continue;
            }
            match self.storage.remove(&segment.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(journal = %self.config.name, segment = segment.base, %error, "segment could not be dropped, trying again");
                    break;
                }
                _ => {}
            }
            self.catalogue().segments.pop_front();
            self.metrics.dropped_segments.inc();
            tracing::info!(journal = %self.config.name, segment = segment.base, "segment dropped");
            self.forget_times_before(successor_base);
            dropped = true;
        }
        if dropped && let Err(error) = self.storage.sync_folder("") {
            // A segment that reappears after a crash is read or dropped again: duplicates at most.
            tracing::warn!(journal = %self.config.name, %error, "folder could not be synced");
        }
    }

    fn front_if_old(&self) -> Option<(std::sync::Arc<crate::shared::Segment>, u64)> {
        let catalogue = self.catalogue();
        let (front, successor) = (catalogue.segments.front()?, catalogue.segments.get(1)?);
        // The successor was made after the last record of this one.
        let age_ms = u128::from(self.now_ms().saturating_sub(successor.created_ms));
        (age_ms >= self.config.keep.as_millis()).then(|| (front.clone(), successor.base))
    }

    fn is_unread(&self, successor_base: u64) -> bool {
        self.positions.slowest_on_disk().is_some_and(|slowest| slowest < successor_base)
    }

    /// Brings the gauges up to date.
    pub(crate) fn show(&self) {
        let (bytes, segments) = {
            let catalogue = self.catalogue();
            (catalogue.bytes(), catalogue.segments.len())
        };
        self.metrics.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.metrics.segments.set(segments as i64);
        for (name, position) in self.positions.dealt_with() {
            let age = self.unread_age_seconds(position.max(self.start()));
            self.metrics.unread(&name, self.unread(position), age);
        }
    }
}
