//! The journal's settings. Every one that bounds something says what happens at the bound and where it shows.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of one journal.
#[derive(Debug, Clone)]
pub struct Config {
    /// The label of this journal's metrics and the field in its log lines. A short fixed word: it must not depend
    /// on what is stored.
    pub name: String,
    /// The journal's own folder, made when missing. A second process that opens it gets
    /// [`OpenError::Locked`](crate::OpenError::Locked).
    pub dir: PathBuf,
    /// A segment is closed and the next begun once it holds so many bytes. It may exceed this by one group (4 MiB,
    /// or one batch when that is larger). Shows in `trueopen_journal_segments`.
    pub segment_bytes: u64,
    /// A segment that is older than this and holds a record is closed even when it is small, so that retention can
    /// drop it. Shows in `trueopen_journal_segments`.
    pub segment_age: Duration,
    /// Quota over all segments. A record that would exceed it is refused with
    /// [`AppendError::Full`](crate::AppendError::Full), and [`Journal::healthy`](crate::Journal::healthy) fails
    /// until retention has made room. Shows in `trueopen_journal_refused_total{reason="full"}` and
    /// `trueopen_journal_segment_bytes`. Must be ample for what arrives within `keep`.
    pub max_bytes: u64,
    /// A longer record is refused with [`AppendError::TooLarge`](crate::AppendError::TooLarge). Shows in
    /// `trueopen_journal_refused_total{reason="too_large"}`. Records written under a larger setting stay readable.
    pub max_record_bytes: usize,
    /// So many records may wait for the writer. While it is reached, appends are refused with
    /// [`AppendError::Busy`](crate::AppendError::Busy). A batch is taken whole while there is any room, so one batch
    /// may exceed it. Shows in `trueopen_journal_refused_total{reason="busy"}`.
    pub queue_records: usize,
    /// As `queue_records`, for the bytes of the waiting records: it bounds memory.
    pub queue_bytes: usize,
    /// The registered consumers: a segment is dropped only when each of them has committed past it. Names are at
    /// most 64 of `a-z A-Z 0-9 - _`. With none, a segment is dropped when it is older than `keep`.
    pub consumers: Vec<String>,
    /// A segment whose youngest record is younger than this is kept even when every consumer is past it. Such
    /// segments count against `max_bytes`. Shows in `trueopen_journal_segment_bytes`.
    pub keep: Duration,
    /// Damaged and unknown frames are copied to `set-aside/`, and the copies are removed after this time, since
    /// they may hold evidence. Shows in `trueopen_journal_set_aside_dropped_total`.
    pub set_aside_keep: Duration,
    /// Quota of `set-aside/`. Beyond it the oldest copies are removed, with an ERROR line. Shows in
    /// `trueopen_journal_set_aside_dropped_total`.
    pub set_aside_bytes: u64,
    /// After a failed write or sync the disk is probed after this time, then after twice as long, up to 16 times
    /// this. Until a probe succeeds appends are refused with [`AppendError::Disabled`](crate::AppendError::Disabled).
    /// Shows in `trueopen_journal_refused_total{reason="disabled"}`.
    pub probe_after: Duration,
    /// How often the owner looks after positions, retention, idle segments and a journal that can't be written.
    /// After a power loss positions may be this old, which costs duplicates.
    pub upkeep_every: Duration,
}

impl Config {
    /// The defaults, for a journal called `name` in `dir`.
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>) -> Config {
        Config {
            name: name.into(),
            dir: dir.into(),
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(3600),
            max_bytes: 16 << 30,
            max_record_bytes: 1 << 20,
            queue_records: 16_384,
            queue_bytes: 64 << 20,
            consumers: Vec::new(),
            keep: Duration::from_secs(3600),
            set_aside_keep: Duration::from_secs(30 * 86_400),
            set_aside_bytes: 1 << 30,
            probe_after: Duration::from_millis(250),
            upkeep_every: Duration::from_secs(1),
        }
    }
}
