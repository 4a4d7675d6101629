-- What proves that a webhook comes from an account's mail provider: a topic, a key, a password. Sealed under the master key
-- before it comes here; the highest version is in force, and an empty one takes it back.
CREATE TABLE IF NOT EXISTS webhooks
(
    account UInt32,
    provider LowCardinality(String),
    version UInt64,
    changed_at DateTime64(3, 'UTC'),
    sealed String
)
ENGINE = ReplacingMergeTree
ORDER BY (account, provider, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1;
