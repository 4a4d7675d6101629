-- The tables. Every table is fsynced on insert and on merge: what the loader was told is stored survives power loss.
-- Repeats are harmless everywhere: a table's sorting key names its rows, and reports read one row a key.

CREATE TABLE IF NOT EXISTS accounts
(
    number UInt32,
    id String,
    created_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Keys are stored as a hash. A revocation is a row with a higher version.
CREATE TABLE IF NOT EXISTS api_keys
(
    id UUID,
    version UInt8,
    account UInt32,
    hash String,
    label String,
    scopes Array(LowCardinality(String)),
    created_at DateTime64(3, 'UTC'),
    revoked_at Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Every version of an account's settings is kept; the highest is in force.
CREATE TABLE IF NOT EXISTS settings
(
    account UInt32,
    version UInt64,
    changed_at DateTime64(3, 'UTC'),
    suppress Array(LowCardinality(String)),
    evidence_days UInt16,
    retention_days UInt16,
    tracking_base_url Nullable(String),
    trap_links Bool
)
ENGINE = ReplacingMergeTree
ORDER BY (account, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- Who read or changed what. `by` is a key's id or `command line`; `detail` never holds a recipient or a token.
CREATE TABLE IF NOT EXISTS audit
(
    account UInt32,
    at DateTime64(3, 'UTC'),
    id UUID,
    by String,
    action LowCardinality(String),
    detail String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (account, at, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- schema/sources.json as a table, written anew by every migration run: a source's class and mask are looked up when a
-- report asks, so that they are never frozen into an event.
CREATE TABLE IF NOT EXISTS sources
(
    id LowCardinality(String),
    version UInt64,
    actor LowCardinality(String),
    class LowCardinality(String),
    masked Bool,
    title String
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row a verdict: (account, event_id, revision) is the identity, `received_at` and `message_id` never differ for one event.
-- Evidence columns are emptied after `evidence_until`, rows leave after `retention_until`.
CREATE TABLE IF NOT EXISTS events
(
    account UInt32,
    event_id UUID,
    revision UInt16,
    kind Enum8('open' = 1, 'click' = 2, 'unsubscribe' = 3, 'trap' = 4),
    received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD),
    message_id String CODEC(ZSTD),
    recipient_id String CODEC(ZSTD),
    campaign LowCardinality(String),
    recipient_domain LowCardinality(String),
    sent_at DateTime64(3, 'UTC') CODEC(ZSTD),
    link_index Nullable(UInt16),
    link_count Nullable(UInt16),
    label LowCardinality(String),
    method LowCardinality(String),
    actor Enum8('human' = 1, 'automated' = 2, 'unknown' = 3),
    source LowCardinality(String),
    client LowCardinality(String),
    confidence Float32,
    reasons String CODEC(ZSTD),
    ruleset LowCardinality(String),
    evidence_until DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    retention_until DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    ip String CODEC(ZSTD) TTL evidence_until,
    user_agent String CODEC(ZSTD) TTL evidence_until,
    headers String CODEC(ZSTD) TTL evidence_until,
    trailing String CODEC(ZSTD) TTL evidence_until,
    INDEX message_id_index message_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (account, toDate(received_at), message_id, event_id, revision)
TTL retention_until DELETE
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;

-- One row a delivery event: (account, message_id, event_id) is the identity, the last one received wins.
CREATE TABLE IF NOT EXISTS deliveries
(
    account UInt32,
    message_id String CODEC(ZSTD),
    event_id String CODEC(ZSTD),
    type Enum8('sent' = 1, 'delivered' = 2, 'deferred' = 3, 'bounced' = 4, 'complained' = 5, 'unsubscribed' = 6, 'dropped' = 7),
    at DateTime64(3, 'UTC') CODEC(ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD),
    recipient_id String CODEC(ZSTD),
    campaign LowCardinality(String),
    recipient_domain LowCardinality(String),
    tracked Bool,
    mx_host LowCardinality(String),
    smtp_code Nullable(UInt16),
    enhanced_code LowCardinality(String),
    bounce_class LowCardinality(String),
    evidence_until DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    retention_until DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    diagnostic String CODEC(ZSTD) TTL evidence_until
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (account, message_id, event_id)
TTL retention_until DELETE
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;
