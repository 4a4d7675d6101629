//! Records that retention dropped before a group had read them: counted and said, for each is an event that no report has.

use crate::metrics;

/// Notes that a group's position lay before the oldest record.
pub(super) fn before(topic: &str, group: &str, position: u64, oldest: u64) {
    count(topic, group, oldest.saturating_sub(position));
}

/// Judges a gap that came between two records: what lies before the oldest record was dropped, the rest are numbers that no
/// record has, such as the marks of transactions.
pub(super) fn in_gap(topic: &str, group: &str, gap: Option<(u64, u64)>, oldest: i64) {
    let (Some((from, to)), Ok(oldest)) = (gap, u64::try_from(oldest)) else { return };
    count(topic, group, oldest.min(to).saturating_sub(from));
}

fn count(topic: &str, group: &str, records: u64) {
    if records == 0 {
        return;
    }
    metrics::DROPPED_UNREAD.with_label_values(&[topic, group]).inc_by(records);
    tracing::error!(
        topic,
        group,
        records,
        "retention dropped records before this group had read them: lengthen the topic's retention.ms or add members"
    );
}
